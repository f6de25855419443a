# SPDX-License-Identifier: MIT
"""What changes a wallet without a payment, for the judge of history.py: holds that are opened,
voided and expire, withdrawals that wait and fail, and changes of the wallet itself. Each of these
takes a version of the wallet, but answers say which only of changes. So each has those versions
that no payment has and that may have been made between when it was asked for and when it was
answered; every version must go to one, and every one must get a version.

Marks are what such a request wants: `mark` is `hold`, `withdrawal` (with a `reference`), `void`,
`fail` (of a `thing`) or `change`; of a `wallet`, or one that `pays`. Payments out of a hold or
purchase say of what they are `part_of` and how much that is as a `whole`, captures whether they are
`final`, and settlements their `withdrawal`."""

import collections
import heapq

NEVER = float("inf")
REFUSALS = {"insufficient_funds", "hold_not_open", "capture_exceeds_hold", "withdrawal_not_pending",
            "refund_exceeds_purchase", "version_mismatch"}
Silent = collections.namedtuple("Silent", "name begun ended surely held")


class Marks:
    def __init__(self, judge):
        self.judged, self.wrong = judge, judge.wrong
        self.things = self.last_of_things()
        self.of_thing = collections.defaultdict(list)  # id -> [(request, what it wants of it)]
        self.changed = collections.defaultdict(list)  # wallet -> [(version, request)]
        self.unsure = collections.defaultdict(list)  # wallet -> requests of unknown changes
        for request in judge.requests.values():
            for place, one in enumerate(request.all_wanted):
                thing = one.get("thing") or one.get("part_of") or one.get("withdrawal")
                if thing is not None:
                    self.of_thing[thing].append((request, one))
                if one.get("mark") == "change":
                    self.change(request, one, place)
        for item in self.things.values():
            self.opened(item)

    def last_of_things(self):
        last = {}
        for event in self.judged.events:
            if event["kind"] == "things":
                key = event["wallet"], event["of"]
                if key not in last or last[key]["completed"] < event["completed"]:
                    last[key] = event
        return {item["id"]: item for event in last.values() for item in event["items"]}

    def change(self, request, wanted, place):
        if request.answers:
            told = request.answers[0]["told"][place]
            self.changed[wanted["wallet"]].append((told["version"], request))
        elif request.may_be_done:
            self.unsure[wanted["wallet"]].append(request)

    def opened(self, item):
        """A hold or withdrawal, and who asked for it."""
        request, wanted = self.judged.of_reference.get(item.get("reference"), (None, {}))
        if "mark" not in wanted and item.get("transaction"):
            return  # settled at once: a payment
        got = (item["wallet"], item["amount"])
        if got != (wanted.get("pays"), wanted.get("amount")):
            self.wrong(f"{item['id']}: nobody asked for {item}")
            return
        first = request.done.setdefault(item["reference"], item["id"])
        if first != item["id"]:
            self.wrong(f"{request.key}: done twice, as {first} and {item['id']}")

    # ---- ends ----

    def paid_of(self, thing):
        """Payments in the books out of it, oldest first, each with what was wanted."""
        found = []
        for request, one in self.of_thing[thing]:
            made = request.done.get(one.get("reference"))
            found += [(entry, one) for entry in self.judged.orders.get(one.get("debit"), [])
                      if made is not None and entry.id == made]
        return sorted(found, key=lambda each: each[0].version)

    def ended(self, thing, mark):
        """Requests to end it like that which are answered, and all that may be done."""
        asked = [request for request, one in self.of_thing[thing] if one.get("mark") == mark]
        return [one for one in asked if one.answers], [one for one in asked if one.may_be_done]

    def judge(self):
        for item in self.things.values():
            if "captured" in item:
                self.hold(item)
            else:
                self.withdrawal(item)
        for event in self.judged.events:
            if event["kind"] == "thing":
                self.seen(event)
        for request in self.judged.requests.values():
            for one in request.attempts:
                if one["outcome"] == "refused":
                    self.refused(request, one)

    def hold(self, item):
        paid = self.paid_of(item["id"])
        total = sum(entry.item["amount"] for entry, _ in paid)
        if item["captured"] != total or total > item["amount"]:
            self.wrong(f"{item['id']}: says that {item['captured']} of {item['amount']} was "
                       f"captured, and {total} was")
        answered, _ = self.ended(item["id"], "void")
        finals = sum(one["final"] for _, one in paid)
        is_expired = item["status"] == "expired"
        self.once(item, "void", "voided", finals + is_expired)
        if is_expired and not self.may_expire(item):
            self.wrong(f"{item['id']}: expired before its time")
        if item["status"] == "open" and (finals or answered or total == item["amount"]):
            self.wrong(f"{item['id']}: ended, and is open")

    def withdrawal(self, item):
        paid = self.paid_of(item["id"])
        self.once(item, "fail", "failed", len(paid))
        if (item["status"] == "settled") != bool(paid or not self.is_pending_first(item)):
            self.wrong(f"{item['id']}: is {item['status']}, and has the payments "
                       f"{[entry.id for entry, _ in paid]}")

    def once(self, item, mark, status, otherwise):
        """It ends once, and so only if somebody asked."""
        answered, asked = self.ended(item["id"], mark)
        times = max(len(answered), item["status"] == status) + otherwise
        if times > 1:
            self.wrong(f"{item['id']}: ended {times} times")
        if answered and item["status"] != status:
            self.wrong(f"{item['id']}: {answered[0].key} was answered, and it is {item['status']}")
        if item["status"] == status and not asked:
            self.wrong(f"{item['id']}: nobody asked for its end")

    def is_pending_first(self, item):
        return "mark" in self.judged.of_reference.get(item.get("reference"), (None, {}))[1]

    def may_expire(self, item):
        return self.judged.of_reference[item["reference"]][1].get("may_expire", False)

    # ---- what was seen of them, and refusals ----

    def seen(self, event):
        """Captured is what was answered before, and no more than was asked for until then; and it
        is not open when its end was answered."""
        item, least, most, was_ended = event["item"], 0, 0, False
        for request, one in self.of_thing[item["id"]]:
            before = request.answered < event["invoked"]
            if "amount" in one:
                least += one["amount"] * before
                most += one["amount"] * (request.may_be_done and
                                         request.asked < event["completed"])
            was_ended = was_ended or (before and (one.get("final") or "mark" in one))
        if "captured" in item and not least <= item["captured"] <= most:
            self.wrong(f"{item['id']}: seen with {item['captured']} captured, which was at least "
                       f"{least} and at most {most}")
        if was_ended and item["status"] in ("open", "pending"):
            self.wrong(f"{item['id']}: its end was answered, and it was seen {item['status']}")

    def refused(self, request, attempt):
        if attempt.get("code") not in REFUSALS:
            self.wrong(f"{request.key}: refused with {attempt.get('code')}")
        if len(request.all_wanted) != 1:
            return
        wanted = request.all_wanted[0]
        thing = wanted.get("thing") or wanted.get("part_of") or wanted.get("withdrawal")
        others = [one for other, one in self.of_thing[thing] if other is not request and
                  other.may_be_done and other.asked < attempt["completed"]]
        if attempt.get("code") in ("hold_not_open", "withdrawal_not_pending") and not others and \
                not (thing in self.things and "captured" in self.things[thing] and
                     self.may_expire(self.things[thing])):
            self.wrong(f"{request.key}: refused, and nobody had asked for the end of {thing}")
        if attempt.get("code") in ("capture_exceeds_hold", "refund_exceeds_purchase") and \
                sum(one.get("amount", 0) for one in others) + wanted["amount"] <= wanted["whole"]:
            self.wrong(f"{request.key}: refused for more than {wanted['whole']}, which it was not")

    # ---- versions ----

    def of_wallet(self, wallet, since, by):
        """Each silent version to what made it. Returns what was held at a version: at least, and at
        most."""
        count = len(since) - 2
        paid = {entry.version for entry in self.judged.orders[wallet]}
        told = collections.Counter(version for version, _ in self.changed[wallet])
        for version, request in self.changed[wallet]:
            if version in paid or told[version] > 1 or version > count:
                self.wrong(f"{request.key}: told version {version} of {wallet}, which is another's")
        versions = [one for one in range(2, count + 1) if one not in paid and not told[one]]
        places = []
        for one in self.silent(wallet):
            fit = [version for version in versions
                   if since[version] <= one.ended and by[version] >= one.begun]
            places.append((one, fit[0] if fit else None, fit[-1] if fit else None))
        self.match(wallet, versions, places)
        held = Held(self.freed(wallet), [place for place in places if place[1] is not None])
        for event in self.judged.events:
            if event["kind"] == "read" and event["wallet"] == wallet:
                least, most = held(event["version"])
                if not least <= event["held"] <= most or event["held"] > event["balance"]:
                    self.wrong(f"{wallet}: version {event['version']} was seen with "
                               f"{event['held']} of {event['balance']} held, which was at least "
                               f"{least} and at most {most}")
        return held

    def match(self, wallet, versions, places):
        """By Mendelsohn and Dulmage, when all versions can have a mark and all marks that are sure
        can have a version, both can be at once."""
        without, _ = matched(versions, places)
        _, left = matched(versions, [one for one in places if one[0].surely])
        for version in without:
            self.wrong(f"{wallet}: version {version} is nothing that anybody asked for")
        for one in left:
            self.wrong(f"{wallet}: {one.name} has no version")

    def silent(self, wallet):
        for item in self.things.values():
            if item["wallet"] != wallet or not self.is_pending_first(item):
                continue
            request = self.judged.of_reference[item["reference"]][0]
            yield Silent(f"{item['id']} of {request.key}", request.asked, request.answered, True,
                         item["amount"])
            rest = item["captured"] - item["amount"] if "captured" in item else -item["amount"]
            if item["status"] == "expired":
                yield Silent(f"the end of {item['id']}", request.asked, NEVER, True, rest)
            elif item["status"] in ("voided", "failed"):
                _, asked = self.ended(item["id"], {"voided": "void"}.get(item["status"], "fail"))
                if asked:
                    yield Silent(f"the end of {item['id']}", min(one.asked for one in asked),
                                 min(one.answered for one in asked), True, rest)
        for request in self.unsure[wallet]:
            yield Silent(request.key, request.asked, NEVER, False, 0)

    def freed(self, wallet):
        """What payments out of holds and withdrawals freed: [(version, amount)]."""
        found = []
        for item in self.things.values():
            if item["wallet"] != wallet or not self.is_pending_first(item):
                continue
            paid, rest = self.paid_of(item["id"]), item["amount"]
            for place, (entry, _) in enumerate(paid):
                is_last = item["status"] == "captured" and place + 1 == len(paid)
                amount = rest if is_last else entry.item["amount"]
                found.append((entry.version, -amount))
                rest -= amount
        return found


class Held:
    def __init__(self, exact, places):
        self.exact, self.places = exact, places

    def __call__(self, version):
        least = most = sum(amount for at, amount in self.exact if at <= version)
        for one, first, last in self.places:
            if first <= version:
                least += one.held if last <= version else min(0, one.held)
                most += one.held if last <= version else max(0, one.held)
        return least, most


def matched(versions, places):
    """As many marks to versions as can be, each between its first and last one: always the one that
    can wait least. Returns the versions and the marks that have none."""
    left = [one for one, first, _ in places if first is None]
    coming = sorted([(first, last, number) for number, (_, first, last) in enumerate(places)
                     if first is not None], reverse=True)
    waiting, without = [], []
    for version in versions:
        while coming and coming[-1][0] <= version:
            _, last, number = coming.pop()
            heapq.heappush(waiting, (last, number))
        while waiting and waiting[0][0] < version:
            left.append(places[heapq.heappop(waiting)[1]][0])
        if waiting:
            heapq.heappop(waiting)
        else:
            without.append(version)
    left += [places[number][0] for _, number in waiting]
    left += [places[number][0] for _, _, number in coming]
    return without, left
