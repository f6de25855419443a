# SPDX-License-Identifier: MIT
"""Judges a recorded history of payments: whether money was lost or doubled, and whether what
clients were told can have happened at all. It knows nothing but the history.

    history.py FILE        one event a line, as JSON

Events have `invoked` and `completed`, moments of one clock, and are

- `write`, one attempt to have a request done: its `key`, its `wanted` payments (`reference`,
  `debit`, `credit`, `amount`; an account that is no wallet is None), and its `outcome`: `ok` with
  the transactions that it answered (`told`), `refused` with a `code`, or `unknown`: no answer, or
  one that says neither;
- `read`, of a `wallet`: its `version` and `balance`;
- `list`, of a wallet's transactions: `items`, newest first, all of them when it is `whole`.

Versions give each wallet's payments one order. What was told of a version must have been so at some
moment between invocation and completion, so every event says of its version from when on, or until
when at most, it was the newest; the order stands when for every version there is a moment left that
is not before that of the version before it. Over several wallets the orders and what was answered
before something else was asked for must not contradict each other."""

import collections
import json
import sys

NEVER = float("inf")
TOLD_MAX = 20  # problems that are said in words


class Entry:
    """One payment in the order of a wallet."""
    def __init__(self, item, wallet):
        side = item["debit"] if item["debit"].get("account") == wallet else item["credit"]
        self.item, self.id = item, item["id"]
        self.version, self.balance = side.get("version"), side.get("balance")
        self.change = item["amount"] if side is item["credit"] else -item["amount"]


class Request:
    """What one key stands for, over all attempts."""
    def __init__(self, write):
        self.key, self.wanted, self.attempts = write["key"], write["wanted"], []
        self.done = {}  # reference -> id of the payment in the books

    def add(self, write):
        self.attempts.append(write)

    @property
    def answers(self):
        return [one for one in self.attempts if one["outcome"] == "ok"]

    @property
    def asked(self):
        return min(one["invoked"] for one in self.attempts)

    @property
    def answered(self):
        """When it was done at the latest."""
        return min((one["completed"] for one in self.answers), default=NEVER)

    @property
    def may_be_done(self):
        return any(one["outcome"] != "refused" for one in self.attempts)


class Judge:
    def __init__(self, events):
        self.problems = []
        self.requests = {}
        self.of_reference = {}
        self.orders = {}  # wallet -> entries, oldest first; the place is the version less one
        self.events = events
        for event in events:
            if event["kind"] == "write":
                self.add_write(event)
        self.last = {}  # wallet -> the last list of it that is whole
        for event in events:
            if event["kind"] == "list" and event["whole"]:
                before = self.last.get(event["wallet"])
                if before is None or before["completed"] < event["completed"]:
                    self.last[event["wallet"]] = event

    def wrong(self, text):
        self.problems.append(text)

    def add_write(self, write):
        request = self.requests.setdefault(write["key"], Request(write))
        if request.wanted != write["wanted"]:
            self.wrong(f"{write['key']}: the client itself asked for two things")
        request.add(write)
        for payment in write["wanted"]:
            self.of_reference[payment["reference"]] = request, payment

    def judge(self):
        named = {account for request in self.requests.values() for payment in request.wanted
                 for account in (payment["debit"], payment["credit"]) if account is not None}
        named |= {event["wallet"] for event in self.events if event["kind"] != "write"}
        for wallet in sorted(named):
            if wallet in self.last:
                self.order(wallet)
            else:
                self.wrong(f"{wallet}: nobody looked at all of its payments")
        for request in self.requests.values():
            self.once(request)
        self.money()
        for wallet in self.orders:
            self.moments(wallet)
        self.over_wallets()
        return self.problems

    # ---- orders: dense, and each payment asked for ----

    def order(self, wallet):
        entries = [Entry(item, wallet) for item in reversed(self.last[wallet]["items"])]
        self.orders[wallet] = entries
        balance = 0
        for place, entry in enumerate(entries):
            if entry.version != place + 2:
                self.wrong(f"{wallet}: {entry.id} has version {entry.version}, not {place + 2}")
            balance += entry.change
            if entry.balance != balance:
                self.wrong(f"{wallet}: {entry.id} leaves {entry.balance}, not {balance}")
            if balance < 0:
                self.wrong(f"{wallet}: {entry.id} overdraws it")
            self.asked_for(wallet, entry)

    def asked_for(self, wallet, entry):
        item = entry.item
        request, payment = self.of_reference.get(item.get("reference"), (None, None))
        if request is None:
            self.wrong(f"{wallet}: nobody asked for {item}")
            return
        got = (account_of(item["debit"]), account_of(item["credit"]), item["amount"])
        if got != (payment["debit"], payment["credit"], payment["amount"]):
            self.wrong(f"{request.key}: {item} is not what was asked for")
        first = request.done.setdefault(item["reference"], entry.id)
        if first != entry.id:
            self.wrong(f"{request.key}: done twice, as {first} and {entry.id}")

    # ---- keys ----

    def once(self, request):
        missing = [one["reference"] for one in request.wanted
                   if one["reference"] not in request.done]
        if request.answers and missing:
            self.wrong(f"{request.key}: answered as done, and {missing} is nowhere")
        if request.done and missing:
            self.wrong(f"{request.key}: done in part, {missing} is nowhere")
        if request.done and not request.may_be_done:
            self.wrong(f"{request.key}: refused each time, and done")
        for answer in request.answers:
            told = [one["id"] for one in answer["told"]]
            books = [request.done.get(one["reference"]) for one in request.wanted]
            if told != books:
                self.wrong(f"{request.key}: told {told}, and the books have {books}")
            if lasting(answer["told"]) != lasting(request.answers[0]["told"]):
                self.wrong(f"{request.key}: told {answer['told']} and {request.answers[0]['told']}")
            if any(one["outcome"] == "refused" and one["invoked"] > answer["completed"]
                   for one in request.attempts):
                self.wrong(f"{request.key}: done, and refused when it was asked for again")
            for item in answer["told"]:
                self.as_in_books(request.key, item)

    def as_in_books(self, key, item):
        """An answer says of a wallet what its order says."""
        for side in (item["debit"], item["credit"]):
            entries = self.orders.get(side.get("account"))
            if entries is None or "version" not in side:
                continue
            place = side["version"] - 2
            entry = entries[place] if 0 <= place < len(entries) else None
            if entry is None or (entry.id, entry.balance) != (item["id"], side["balance"]):
                self.wrong(f"{key}: told that {item['id']} is version {side['version']} of "
                           f"{side['account']} with {side['balance']}; it has "
                           f"{entry and (entry.id, entry.balance)}")

    # ---- money ----

    def money(self):
        """Each payment on both its wallets, and what they all have is what came from outside."""
        seen = collections.Counter()
        sum_of_all = came = 0
        for wallet, entries in self.orders.items():
            for entry in entries:
                seen[entry.id, wallet] += 1
                if account_of(entry.item["debit"]) is None:
                    came += entry.item["amount"]
                if account_of(entry.item["credit"]) is None:
                    came -= entry.item["amount"]
            sum_of_all += entries[-1].balance if entries and entries[-1].balance else 0
        for (id_, wallet), times in seen.items():
            if times > 1:
                self.wrong(f"{wallet}: {id_} stands there {times} times")
        for entries in list(self.orders.values()):
            for entry in entries:
                for side in (entry.item["debit"], entry.item["credit"]):
                    other = account_of(side)
                    if other is not None and not seen[entry.id, other]:
                        self.wrong(f"{entry.id}: on one side only, not in {other}")
        if sum_of_all != came:
            self.wrong(f"all wallets together have {sum_of_all}, and {came} came from outside")
        self.refunds()

    def refunds(self):
        """Of each purchase what went back, as its own wallets say it, and never more than it."""
        back = collections.Counter()
        items = {entry.id: entry.item for entries in self.orders.values() for entry in entries}
        for item in items.values():
            if item["type"] == "refund":
                back[item.get("purchase")] += item["amount"]
        for id_, amount in back.items():
            bought = items.get(id_)
            if bought is None or amount > bought["amount"]:
                self.wrong(f"{id_}: {amount} went back of {bought and bought['amount']}")
        for entries in self.orders.values():
            for entry in entries:
                if entry.item.get("refunded", 0) != back[entry.id]:
                    self.wrong(f"{entry.id}: says that {entry.item['refunded']} went back, and "
                               f"{back[entry.id]} did")

    # ---- moments ----

    def moments(self, wallet):
        """Of each version: since when at the earliest, and at the latest, it was there."""
        entries = self.orders[wallet]
        since, by = [0] * (len(entries) + 1), [NEVER] * (len(entries) + 1)
        why_since, why_by = [None] * len(since), [None] * len(since)

        def not_before(place, moment, why):
            if place < len(since) and moment > since[place]:
                since[place], why_since[place] = moment, why

        def at_the_latest(place, moment, why):
            if moment < by[place]:
                by[place], why_by[place] = moment, why

        for place, entry in enumerate(entries, 1):
            request = self.of_reference.get(entry.item.get("reference"), (None, None))[0]
            if request is not None:
                not_before(place, request.asked, f"{request.key} was asked for")
                at_the_latest(place, request.answered, f"{request.key} was answered")
        for event in self.events:
            if event["kind"] == "write" or event["wallet"] != wallet:
                continue
            place = self.place_seen(wallet, event)
            if place is not None:
                at_the_latest(place, event["completed"], f"version {place + 1} was seen")
                not_before(place + 1, event["invoked"], f"version {place + 1} was still seen")
        newest, why_newest = 0, None
        for place, moment in enumerate(since):
            if moment > newest:
                newest, why_newest = moment, (place, why_since[place])
            if by[place] < newest:
                self.wrong(f"{wallet}: version {place + 1} was there when {why_by[place]}, at "
                           f"{by[place]}; before it, version {why_newest[0] + 1} was not when "
                           f"{why_newest[1]}, at {newest}")
        self.refusals(wallet, since, by)

    def place_seen(self, wallet, event):
        """Which version somebody saw, less one; None when there is none such."""
        entries = self.orders[wallet]
        if event["kind"] == "read":
            place = event["version"] - 1
            balance = 0 if place == 0 else None
            if 0 < place <= len(entries):
                balance = entries[place - 1].balance
            if event["balance"] != balance:
                self.wrong(f"{wallet}: version {event['version']} was seen with "
                           f"{event['balance']}, and has {balance}")
            return place if 0 <= place <= len(entries) else None
        items = event["items"]
        place = Entry(items[0], wallet).version - 1 if items else 0
        own = [one.item for one in reversed(entries[:place])]
        own = own if event["whole"] else own[:len(items)]
        if lasting(items) != lasting(own):
            self.wrong(f"{wallet}: a list that begins with version {place + 1} is not what it has")
        return place if 0 <= place <= len(entries) else None

    def refusals(self, wallet, since, by):
        """Who was told that there is not enough money could have been told so."""
        entries = self.orders[wallet]
        for place in range(1, len(since)):
            since[place] = max(since[place], since[place - 1])
        for place in range(len(by) - 2, -1, -1):
            by[place] = min(by[place], by[place + 1])
        for request in self.requests.values():
            paid = [one for one in request.wanted if one["debit"] == wallet]
            if len(request.wanted) != 1 or not paid:
                continue  # of a batch it may be any
            for one in request.attempts:
                if one.get("code") == "insufficient_funds" and not any(
                        (entries[place - 1].balance if place else 0) < paid[0]["amount"] and
                        since[place] <= one["completed"] and
                        (place + 1 == len(by) or by[place + 1] >= one["invoked"])
                        for place in range(len(since))):
                    self.wrong(f"{request.key}: refused for want of money that was there")

    # ---- over all wallets ----

    def over_wallets(self):
        """No payment is before itself, by orders of wallets and by answers before requests."""
        done = [one for one in self.requests.values() if one.done]
        after = collections.defaultdict(set)
        for entries in self.orders.values():
            keys = [self.of_reference[one.item["reference"]][0].key for one in entries
                    if one.item.get("reference") in self.of_reference]
            for one, two in zip(keys, keys[1:]):
                if one != two:  # a batch may pay a wallet twice
                    after[one].add(two)
        moments = sorted([(one.asked, 0, one.key) for one in done] +
                         [(one.answered, 1, one.key) for one in done if one.answered != NEVER])
        clock = None  # of answers: a chain behind which requests are asked for
        for number, (_, is_answer, key) in enumerate(moments):
            if is_answer:
                after[key].add(number)
                if clock is not None:
                    after[clock].add(number)
                clock = number
            elif clock is not None:
                after[clock].add(key)
        left = unordered(after)
        if left:
            self.wrong(f"these payments come before each other: {sorted(map(str, left))[:8]}")


def account_of(side):
    account = side.get("account")
    return account if (account or "").startswith("wallet_") else None


def lasting(items):
    """What is told of payments without what changes: how much of a purchase went back."""
    return [{name: one[name] for name in one if name != "refunded"} for one in items]


def unordered(after):
    """What of a graph no order can be found for."""
    before = collections.Counter(two for many in after.values() for two in many)
    nodes = set(after) | set(before)
    ready = [one for one in nodes if not before[one]]
    while ready:
        one = ready.pop()
        nodes.discard(one)
        for two in after.get(one, ()):
            before[two] -= 1
            if not before[two]:
                ready.append(two)
    return nodes


def judge(events):
    """Everything that is wrong with a history, in words; nothing when nothing is."""
    return Judge(events).judge()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as lines:
        found = judge([json.loads(line) for line in lines])
    print("\n".join(found[:TOLD_MAX]))
    print(f"{len(found)} problems")
    sys.exit(1 if found else 0)
