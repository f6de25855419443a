# SPDX-License-Identifier: MIT
"""Judges a recorded history of payments: whether money was lost or doubled, and whether what
clients were told can have happened at all. It knows nothing but the history.

    history.py FILE        one event a line, as JSON

Events have `invoked` and `completed`, moments of one clock, and are

- `write`, one attempt to have a request done: its `key`, what is `wanted` in order, payments
  (`reference`, `debit`, `credit`, `amount`; an account that is no wallet is None) and marks
  (history_marks.py), and its `outcome`: `ok` with what it answered for each (`told`), `refused`
  with a `code`, or `unknown`: no answer, or one that says neither. Who wrote with If-Match says of
  which wallet and version (`if_match`);
- `read`, of a `wallet`: its `version`, `balance` and what is `held`;
- `list`, of a wallet's transactions: `items`, newest first, all of them when it is `whole`;
- `things` and `thing`: all of a wallet's holds or withdrawals, and one of them.

A capture is known by its hold and amount, a settlement by the bank's id, any other payment by its
reference (tag_of). Versions give each wallet's payments one order. What was told of a version must
have been so at some moment between invocation and completion, so every event says of its version
from when on, or until when at most, it was the newest; the order stands when for every version
there is a moment left that is not before that of the version before it. Over several wallets the
orders and what was answered before something else was asked for must not contradict each other."""

import collections
import json
import sys

import history_marks

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
        self.key, self.all_wanted, self.attempts = write["key"], write["wanted"], []
        self.wanted = [one for one in self.all_wanted if "mark" not in one]
        self.marks = [one for one in self.all_wanted if "mark" in one]
        self.done = {}  # reference -> id of the payment, hold or withdrawal in the books

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
        if request.all_wanted != write["wanted"]:
            self.wrong(f"{write['key']}: the client itself asked for two things")
        request.add(write)
        for one in write["wanted"]:
            if "reference" in one:
                self.of_reference[one["reference"]] = request, one

    def judge(self):
        named = {account for request in self.requests.values() for payment in request.wanted
                 for account in (payment["debit"], payment["credit"]) if account is not None}
        named |= {event["wallet"] for event in self.events if event["kind"] not in (
            "write", "thing")}
        for wallet in sorted(named):
            if wallet in self.last:
                self.order(wallet)
            else:
                self.wrong(f"{wallet}: nobody looked at all of its payments")
        self.marks = history_marks.Marks(self)
        for request in self.requests.values():
            self.once(request)
        self.money()
        self.marks.judge()
        for wallet in self.orders:
            self.moments(wallet)
        self.over_wallets()
        return self.problems

    # ---- orders: dense, and each payment asked for ----

    def order(self, wallet):
        entries = [Entry(item, wallet) for item in reversed(self.last[wallet]["items"])]
        self.orders[wallet] = entries
        balance, version = 0, 1
        for entry in entries:
            if entry.version is None or entry.version <= version:
                self.wrong(f"{wallet}: {entry.id} has version {entry.version} behind {version}")
            version = entry.version or version
            balance += entry.change
            if entry.balance != balance:
                self.wrong(f"{wallet}: {entry.id} leaves {entry.balance}, not {balance}")
            if balance < 0:
                self.wrong(f"{wallet}: {entry.id} overdraws it")
            self.asked_for(wallet, entry)

    def asked_for(self, wallet, entry):
        item = entry.item
        request, payment = self.of_reference.get(tag_of(item), (None, None))
        if request is None or "mark" in payment:
            self.wrong(f"{wallet}: nobody asked for {item}")
            return
        got = (account_of(item["debit"]), account_of(item["credit"]), item["amount"])
        if got != (payment["debit"], payment["credit"], payment["amount"]):
            self.wrong(f"{request.key}: {item} is not what was asked for")
        first = request.done.setdefault(tag_of(item), entry.id)
        if first != entry.id:
            self.wrong(f"{request.key}: done twice, as {first} and {entry.id}")

    # ---- keys ----

    def once(self, request):
        named = [one["reference"] for one in request.all_wanted if "reference" in one]
        missing = [one for one in named if one not in request.done]
        if request.answers and missing:
            self.wrong(f"{request.key}: answered as done, and {missing} is nowhere")
        if request.done and missing:
            self.wrong(f"{request.key}: done in part, {missing} is nowhere")
        if request.done and not request.may_be_done:
            self.wrong(f"{request.key}: refused each time, and done")
        for answer in request.answers:
            told = [one.get("transaction", one["id"]) for one, wanted in zip(
                answer["told"], request.all_wanted) if "reference" in wanted]
            books = [request.done.get(one) for one in named]
            if len(answer["told"]) != len(request.all_wanted) or told != books:
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
        for side in (item.get("debit", {}), item.get("credit", {})):
            entries = self.orders.get(side.get("account"))
            if entries is None or "version" not in side:
                continue
            entry = next((one for one in entries if one.version == side["version"]), None)
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
        count = max([one["version"] for one in self.events if one["kind"] == "read" and
                     one["wallet"] == wallet] + [one.version or 1 for one in entries] + [1])
        since, by = [0] * (count + 2), [NEVER] * (count + 2)  # by version
        why_since, why_by = [None] * len(since), [None] * len(since)

        def not_before(version, moment, why):
            if version <= count and moment > since[version]:
                since[version], why_since[version] = moment, why

        def at_the_latest(version, moment, why):
            if moment < by[version]:
                by[version], why_by[version] = moment, why

        for version, request in self.known_versions(wallet):
            not_before(version, request.asked, f"{request.key} was asked for")
            at_the_latest(version, request.answered, f"{request.key} was answered")
        for event in self.events:
            if event["kind"] in ("read", "list") and event["wallet"] == wallet:
                seen, next_one = self.version_seen(wallet, event)
                at_the_latest(seen, event["completed"], f"version {seen} was seen")
                not_before(next_one, event["invoked"], f"version {seen} was still seen")
        newest, why_newest = 0, None
        for version in range(1, count + 1):
            if since[version] > newest:
                newest, why_newest = since[version], (version, why_since[version])
            if by[version] < newest:
                self.wrong(f"{wallet}: version {version} was there when {why_by[version]}, at "
                           f"{by[version]}; before it, version {why_newest[0]} was not when "
                           f"{why_newest[1]}, at {newest}")
        for version in range(1, count + 1):
            since[version] = max(since[version], since[version - 1])
        for version in range(count, 0, -1):
            by[version] = min(by[version], by[version + 1])
        since[count + 1] = NEVER  # it has never come
        held = self.marks.of_wallet(wallet, since, by)
        self.refusals(wallet, since, by, held)

    def known_versions(self, wallet):
        """Of which it is known who asked for them."""
        for entry in self.orders[wallet]:
            request = self.of_reference.get(tag_of(entry.item), (None, None))[0]
            if request is not None and entry.version is not None:
                yield entry.version, request
        yield from self.marks.changed.get(wallet, [])

    def balance_at(self, wallet, version):
        return next((one.balance for one in reversed(self.orders[wallet])
                     if one.version <= version), 0)

    def version_seen(self, wallet, event):
        """Which version somebody saw, and the first that he did not see."""
        entries = self.orders[wallet]
        if event["kind"] == "read":
            if event["balance"] != self.balance_at(wallet, event["version"]):
                self.wrong(f"{wallet}: version {event['version']} was seen with "
                           f"{event['balance']}, and has "
                           f"{self.balance_at(wallet, event['version'])}")
            return event["version"], event["version"] + 1
        items = event["items"]
        seen = Entry(items[0], wallet).version if items else 1
        place = sum(one.version <= seen for one in entries)
        own = [one.item for one in reversed(entries[:place])]
        own = own if event["whole"] else own[:len(items)]
        if lasting(items) != lasting(own):
            self.wrong(f"{wallet}: a list that begins with version {seen} is not what it has")
        behind = entries[place].version if place < len(entries) else NEVER
        return min(seen, entries[place - 1].version if place else 1), behind

    def refusals(self, wallet, since, by, held):
        """Who was told that there is not enough money could have been told so, and who was told
        that a wallet has changed, too: then, or when he asked before, since keys remember it."""
        for request in self.requests.values():
            for one in request.attempts:
                match = one.get("if_match", {})
                if one.get("code") == "version_mismatch" and match.get("wallet") == wallet and \
                        by[match["version"]] <= request.asked and \
                        since[match["version"] + 1] >= one["completed"]:
                    self.wrong(f"{request.key}: refused for a version that was not there yet")
                if one["outcome"] == "ok" and match.get("wallet") == wallet:
                    made = version_of(one["told"][0], wallet)
                    if made not in (None, match["version"] + 1):
                        self.wrong(f"{request.key}: made version {made}, though its version was "
                                   f"to be {match['version']}")
            paid = [one for one in request.all_wanted if wallet in (
                one.get("debit"), one.get("pays"))]
            if len(request.all_wanted) != 1 or not paid:
                continue  # of a batch it may be any
            for one in request.attempts:
                if one.get("code") == "insufficient_funds" and not any(
                        self.balance_at(wallet, version) - held(version)[1] < paid[0]["amount"] and
                        since[version] <= one["completed"] and
                        (version + 2 == len(by) or by[version + 1] >= request.asked)
                        for version in range(1, len(since) - 1)):
                    self.wrong(f"{request.key}: refused for want of money that was there")

    # ---- over all wallets ----

    def over_wallets(self):
        """No payment is before itself, by orders of wallets and by answers before requests."""
        done = [one for one in self.requests.values() if one.done]
        after = collections.defaultdict(set)
        for entries in self.orders.values():
            keys = [self.of_reference[tag_of(one.item)][0].key for one in entries
                    if tag_of(one.item) in self.of_reference]
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


def version_of(told, wallet):
    """What an answer says that the wallet's version is then, or None."""
    if told.get("id") == wallet:
        return told["version"]
    return next((side.get("version") for side in (told.get("debit", {}), told.get("credit", {}))
                 if side.get("account") == wallet), None)


def tag_of(item):
    """By what a payment is known."""
    if "hold" in item:
        return f"{item['hold']} {item['amount']}"
    return item["bank_transaction_id"] if item["type"] == "withdrawal" else item.get("reference")


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
