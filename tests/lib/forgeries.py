# SPDX-License-Identifier: MIT
"""Histories with a fault planted in them, for the judge of tests/lib/history.py: a judge who finds
nothing in any of them is worth nothing. Each takes a history in which nothing is wrong, changes it
as one fault of the books would, and is named with what the judge must say of it."""

import copy

import forgeries_marks
from history import account_of, judge


class Forger:
    """A history to be changed, and where its things are. Every turn begins with another one of
    those that fit: of some the fault does not show, such as half of a batch that was never to be
    whole, or a refusal that something else explains."""
    def __init__(self, events, turn=0):
        self.events, self.turn = copy.deepcopy(events), turn

    def turned(self, found):
        first = self.turn % max(1, len(found))
        return found[first:] + found[:first]

    def writes(self, outcome="ok", payments=1):
        return self.turned([one for one in self.events if one["kind"] == "write" and
                            one["outcome"] == outcome and len(one["wanted"]) == payments and
                            not any("mark" in each for each in one["wanted"])])

    def marked(self, mark, outcome="ok"):
        return self.turned([one for one in self.events if one["kind"] == "write" and
                            one["outcome"] == outcome and len(one["wanted"]) == 1 and
                            one["wanted"][0].get("mark") == mark])

    def attempts(self, reference):
        return [one for one in self.events if one["kind"] == "write" and
                reference in [each.get("reference") for each in one["wanted"]]]

    def same(self, write):
        """All attempts under its key."""
        return [one for one in self.events if one.get("key") == write["key"]]

    def thing(self, kind, status, fits=lambda _: True):
        """A hold or withdrawal of that state, as the judge takes it for the books."""
        return next(item for one in self.events if one["kind"] == "things" and one["of"] == kind
                    for item in one["items"] if item["status"] == status and fits(item))

    def wanted_of(self, item):
        """What was wanted when it was asked for, and which write did."""
        return next((each, one) for one in self.events if one["kind"] == "write"
                    for each in one["wanted"] if each.get("reference") == item.get("reference"))

    def reads(self, wallet):
        return [one for one in self.events if one["kind"] == "read" and one["wallet"] == wallet]

    def wallets(self):
        return list(dict.fromkeys(one["wallet"] for one in self.events if one["kind"] == "list"))

    def last(self, wallet):
        """The items of the last whole list, newest first: what the judge takes for the books."""
        return max((one for one in self.events if one["kind"] == "list" and one["whole"] and
                    one["wallet"] == wallet), key=lambda one: one["completed"])["items"]

    def side(self, item, wallet):
        return item["debit" if account_of(item["debit"]) == wallet else "credit"]

    def renumber(self, wallet):
        """Versions and balances as if its payments had been these, in this order."""
        items = list(reversed(self.last(wallet)))
        versions = sorted(self.side(item, wallet)["version"] for item in items)
        balance = version = 0
        for item, known in zip(items, versions):
            side = self.side(item, wallet)
            balance += item["amount"] * (1 if side is item["credit"] else -1)
            version = max(known, version + 1)
            side["version"], side["balance"] = version, balance

    def remove(self, reference, wallets):
        for wallet in filter(None, wallets):
            items = self.last(wallet)
            items[:] = [one for one in items if one.get("reference") != reference]
            self.renumber(wallet)

    def in_lists(self, reference):
        for wallet in self.wallets():
            for item in self.last(wallet):
                if item.get("reference") == reference:
                    yield item

    def of_two(self):
        """An answered payment between two wallets, by transfer."""
        return next(one for one in self.writes() if one["wanted"][0]["debit"] is not None and
                    one["told"][0].get("type") == "transfer")


def sides(write):
    return [account for account in (write["wanted"][0]["debit"], write["wanted"][0]["credit"])
            if account is not None]


def lost_on_its_way(forger):
    write = forger.of_two()
    forger.remove(write["key"], [write["wanted"][0]["credit"]])


def lost_at_all(forger):
    write = forger.of_two()
    forger.remove(write["key"], sides(write))


def double(forger, write, wallets):
    for wallet in wallets:
        items = forger.last(wallet)
        twin = copy.deepcopy(next(one for one in items if one.get("reference") == write["key"]))
        twin["id"] += "x"
        items.insert(0, twin)
        forger.renumber(wallet)


def doubled(forger):
    write = forger.of_two()
    double(forger, write, sides(write))


def doubled_where_it_arrives(forger):
    write = forger.of_two()
    double(forger, write, [write["wanted"][0]["credit"]])


def doubled_deposit(forger):
    write = next(one for one in forger.writes() if one["wanted"][0]["debit"] is None)
    double(forger, write, sides(write))


def listed_twice(forger):
    items = forger.last(forger.wallets()[0])
    items.insert(0, copy.deepcopy(items[0]))


def money_from_nowhere(forger):
    wallet = forger.wallets()[0]
    side = forger.side(forger.last(wallet)[0], wallet)
    side["balance"] += 1


def version_twice(forger):
    wallet = forger.wallets()[0]
    items = forger.last(wallet)
    forger.side(items[0], wallet)["version"] = forger.side(items[1], wallet)["version"]


def half_a_batch(forger):
    write = next(one for one in forger.writes(payments=2)
                 if all(len(tag["reference"].split()) == 1 for tag in one["wanted"]))
    payment = write["wanted"][1]
    forger.remove(payment["reference"], [payment["debit"], payment["credit"]])


def refused_and_done(forger):
    for one in forger.attempts(forger.of_two()["key"]):
        one.update(outcome="refused", code="not_found")


def done_and_then_refused(forger):
    write = forger.of_two()
    forger.events.append({**write, "outcome": "refused", "code": "not_found",
                          "invoked": write["completed"] + 1, "completed": write["completed"] + 2})


def two_answers(forger):
    write = forger.of_two()
    other = copy.deepcopy(write)
    other["told"][0]["id"] += "x"
    forger.events.append(other)


def answer_of_another_balance(forger):
    forger.of_two()["told"][0]["debit"]["balance"] += 1


def nobody_asked(forger):
    next(forger.in_lists(forger.of_two()["key"]))["reference"] = "nobody"


def other_amount(forger):
    for item in forger.in_lists(forger.of_two()["key"]):
        item["amount"] += 1


def other_payee(forger):
    write = forger.of_two()
    other = next(one for one in forger.wallets() if one not in sides(write))
    for item in forger.in_lists(write["key"]):
        item["credit"]["account"] = other


def swapped(forger):
    """Two payments of a wallet, of which one was answered before the other was asked for."""
    for wallet in forger.wallets():
        items = forger.last(wallet)
        for place in range(len(items) - 1):
            new, old = items[place], items[place + 1]
            ended = [one["completed"] for one in forger.writes()
                     if one["key"] == old.get("reference")]
            begun = [one["invoked"] for one in forger.attempts(new.get("reference"))]
            if ended and begun and min(ended) < min(begun):
                items[place], items[place + 1] = old, new
                forger.renumber(wallet)
                return
    raise AssertionError("no two such payments")


def swapped_on_one_side(forger):
    """Two payments between the same wallets, of which one comes first here and the other there."""
    for wallet in forger.wallets():
        items = forger.last(wallet)
        for place, new in enumerate(items):
            for behind in range(place + 1, len(items)):
                old = items[behind]
                if {account_of(new["debit"]), account_of(new["credit"])} == \
                        {account_of(old["debit"]), account_of(old["credit"])} and \
                        "reference" in old and "reference" in new:
                    items[place], items[behind] = old, new
                    forger.renumber(wallet)
                    return
    raise AssertionError("no two such payments")


def stale_read(forger):
    """Somebody sees a wallet as it was before a payment that somebody else was told of."""
    for one in forger.events:
        if one["kind"] != "read":
            continue
        items = forger.last(one["wallet"])
        newer = next((item for item in items if
                      forger.side(item, one["wallet"])["version"] == one["version"]), {})
        ended = [each["completed"] for each in forger.writes()
                 if each["key"] == newer.get("reference")]
        if ended and min(ended) < one["invoked"] and one["version"] > 2:
            older = items[items.index(newer) + 1]
            one.update(version=one["version"] - 1,
                       balance=forger.side(older, one["wallet"])["balance"])
            return
    raise AssertionError("no such read")


def read_of_the_future(forger):
    for wallet in forger.wallets():
        items = forger.last(wallet)
        newest = forger.side(items[0], wallet)
        begun = min([one["invoked"] for one in forger.attempts(items[0].get("reference"))] or [0])
        for one in forger.reads(wallet):
            if one["completed"] < begun:
                one.update(version=newest["version"], balance=newest["balance"])
                return
    raise AssertionError("no such read")


def read_goes_back(forger):
    """While a payment is made one node shows it and then the other does not: each of both alone
    would be right."""
    for write in forger.writes():
        wallet = write["wanted"][0]["credit"]
        items = forger.last(wallet) if wallet is not None else []
        place = next((n for n, one in enumerate(items)
                      if one.get("reference") == write["key"]), None)
        if place is None or place + 1 == len(items):
            continue
        asked = min(one["invoked"] for one in forger.attempts(write["key"]))
        sides_seen = [forger.side(items[place], wallet), forger.side(items[place + 1], wallet)]
        before = forger.attempts(items[place + 1].get("reference"))
        if not before or min(one["completed"] for one in before) >= asked:
            continue
        for step, side in enumerate(sides_seen):
            forger.events.append({
                "kind": "read", "wallet": wallet, "node": step, "version": side["version"],
                "balance": side["balance"], "held": 0, "invoked": asked + 10 * step + 1,
                "completed": asked + 10 * step + 2})
        return
    raise AssertionError("no such payment")


def balance_never_had(forger):
    next(one for one in forger.events if one["kind"] == "read")["balance"] += 1


def list_with_a_gap(forger):
    found = next(one for one in forger.events if one["kind"] == "list" and not one["whole"] and
                 len(one["items"]) > 2)
    del found["items"][1]


def refused_for_nothing(forger):
    """There was the money that was said to be wanting."""
    for write in forger.writes(outcome="refused"):
        if write["code"] == "insufficient_funds":
            for one in forger.same(write):
                one["wanted"] = [{**one["wanted"][0], "amount": 0}]
            return
    raise AssertionError("nobody was refused for want of money")


def refunded_too_much(forger):
    item = next(item for wallet in forger.wallets() for item in forger.last(wallet)
                if item.get("refunded"))
    item["refunded"] -= 1


def nobody_looked(forger):
    forger.events[:] = [one for one in forger.events if one["kind"] != "list" or
                        one["wallet"] != forger.wallets()[0]]


FORGERIES = [
    (lost_on_its_way, "on one side only"), (lost_at_all, "answered as done, and"),
    (doubled, "done twice"), (doubled_where_it_arrives, "done twice"),
    (doubled_deposit, "done twice"), (listed_twice, "stands there 2 times"),
    (money_from_nowhere, "came from outside"), (version_twice, "has version"),
    (half_a_batch, "done in part"), (refused_and_done, "refused each time, and done"),
    (done_and_then_refused, "refused when it was asked for again"), (two_answers, "told"),
    (answer_of_another_balance, "told that"), (nobody_asked, "nobody asked for"),
    (other_amount, "is not what was asked for"), (other_payee, "is not what was asked for"),
    (swapped, "before it, version"), (swapped_on_one_side, "come before each other"),
    (stale_read, "was still seen"), (read_of_the_future, "before it, version"),
    (read_goes_back, "was still seen"), (balance_never_had, "was seen with"),
    (list_with_a_gap, "is not what it has"), (refused_for_nothing, "money that was there"),
    (refunded_too_much, "went back"), (nobody_looked, "nobody looked"),
    *forgeries_marks.FORGERIES,
]


# ---- one that shows over several wallets alone ----

def around():
    """Three payments: the first was answered before the last was asked for; the second took long.
    In no wallet is anything wrong, but by their orders the last was before the second and the
    second before the first."""
    names = ["wallet_a", "wallet_b", "wallet_c", "wallet_d"]
    legs = {"first": (0, 1), "second": (1, 2), "last": (2, 3)}
    times = {"first": (20, 30), "second": (20, 100), "last": (40, 50)}
    orders = [["first"], ["second", "first"], ["last", "second"], ["last"]]
    events, lists = [], [[] for _ in names]
    wanted = {f"in-{name}": (None, name) for name in names}
    wanted.update({key: (names[one], names[two]) for key, (one, two) in legs.items()})
    state = {name: [1, 0] for name in names}
    items = {key: {"id": key, "type": "transfer", "amount": 5, "reference": key,
                   "debit": {"account": pair[0] or "external:EUR"},
                   "credit": {"account": pair[1]}} for key, pair in wanted.items()}
    for place, name in enumerate(names):
        for key in [f"in-{name}", *orders[place]]:
            side = items[key]["debit" if wanted[key][0] == name else "credit"]
            state[name][0] += 1
            state[name][1] += 5 if side is items[key]["credit"] else -5
            side["version"], side["balance"] = state[name]
            lists[place].insert(0, items[key])
    for key, (debit, credit) in wanted.items():
        begun, ended = times.get(key, (1, 2))
        events.append({"kind": "write", "key": key, "invoked": begun, "completed": ended,
                       "outcome": "ok", "told": [items[key]],
                       "wanted": [{"reference": key, "debit": debit, "credit": credit,
                                   "amount": 5}]})
    for name, each in zip(names, lists):
        events.append({"kind": "list", "wallet": name, "invoked": 200, "completed": 210,
                       "whole": True, "items": each})
    return events


TURNS = 20
WEAK_MAX = 3  # that a history may explain otherwise: each is another one


def what_is_said(forge, events, words):
    """What the judge says of that fault, planted here or there; ends where he notices it."""
    problems = []
    for turn in range(TURNS):
        forger = Forger(events, turn)
        forge(forger)
        problems = judge(forger.events)
        if any(words in one for one in problems):
            break
    return problems


def all_are_noticed(report, events):
    """Plants each of them; `events` is a history in which nothing is wrong."""
    queued = any("queued" in one for one in events)
    weak = []
    for forge, words in FORGERIES + (forgeries_marks.QUEUED if queued else []):
        name = forge.__name__.replace("_", " ")
        try:
            problems = what_is_said(forge, events, words)
        except (StopIteration, IndexError, AssertionError) as error:
            print(f"planted: {name}: this history has nothing for it: {error!r}")
            continue
        if any(words in one for one in problems):
            report.check(f"planted: {name}", True)
        else:
            weak.append((name, problems[:3]))
    report.check("planted: nearly all are noticed", len(weak) <= WEAK_MAX, weak)
    print(f"planted, and explained otherwise: {weak}")
    problems = judge(around())
    report.check("planted: around several wallets", len(problems) == 1 and
                 "come before each other" in problems[0], "\n".join(problems))
