# SPDX-License-Identifier: MIT
"""Faults of holds, withdrawals and changes of wallets, of If-Match and of the queue, to be planted
in a history (forgeries.py)."""

import copy


def of_things(forger, kind, item):
    """The list in which it stands."""
    return next(one["items"] for one in forger.events if one["kind"] == "things" and
                one["of"] == kind and item in one["items"])


def hold_lost(forger):
    write = forger.marked("hold")[0]
    item = next(item for one in forger.events if one["kind"] == "things" and one["of"] == "holds"
                for item in one["items"] if item["id"] == write["told"][0]["id"])
    of_things(forger, "holds", item).remove(item)


def hold_opened_twice(forger):
    item = forger.thing("holds", "voided")
    of_things(forger, "holds", item).append({**item, "id": item["id"] + "x"})


def withdrawal_lost(forger):
    write = forger.marked("withdrawal")[0]
    item = next(item for one in forger.events if one["kind"] == "things" and
                one["of"] == "withdrawals" for item in one["items"]
                if item["id"] == write["told"][0]["id"])
    of_things(forger, "withdrawals", item).remove(item)


def capture_of(forger):
    return next(one for one in forger.writes() if "final" in one["wanted"][0])


def captured_twice(forger):
    write = capture_of(forger)
    payment = write["wanted"][0]
    for wallet in (payment["debit"], payment["credit"]):
        items = forger.last(wallet)
        twin = copy.deepcopy(next(one for one in items if one["id"] == write["told"][0]["id"]))
        twin["id"] += "x"
        items.insert(0, twin)
        forger.renumber(wallet)


def capture_lost(forger):
    write = capture_of(forger)
    for wallet in (write["wanted"][0]["debit"], write["wanted"][0]["credit"]):
        items = forger.last(wallet)
        items[:] = [one for one in items if one["id"] != write["told"][0]["id"]]
        forger.renumber(wallet)


def captured_untold(forger):
    forger.thing("holds", "captured")["captured"] -= 1


def captured_too_much(forger):
    """More than was held."""
    item = forger.thing("holds", "captured")
    wanted, _ = forger.wanted_of(item)
    item["amount"] = wanted["amount"] = item["captured"] - 1


def void_forgotten(forger):
    write = forger.marked("void")[0]
    forger.thing("holds", "voided",
                 lambda item: item["id"] == write["wanted"][0]["thing"])["status"] = "open"


def voided_by_nobody(forger):
    forger.thing("holds", "open", lambda item: not any(
        item["id"] == each.get("thing") for one in forger.events if one["kind"] == "write"
        for each in one["wanted"]))["status"] = "voided"


def expired_early(forger):
    forger.thing("holds", "open", lambda item: not forger.wanted_of(item)[0]["may_expire"])[
        "status"] = "expired"


def expired_and_voided(forger):
    item = forger.thing("holds", "expired")
    void = copy.deepcopy(forger.marked("void")[0])
    void["key"] += "x"
    void["wanted"][0]["thing"] = item["id"]
    forger.events.append(void)


def seen_before_it_was(forger):
    """Somebody saw less captured than somebody else was told before."""
    for one in forger.events:
        if one["kind"] == "thing" and one["item"].get("captured"):
            one["item"]["captured"] = 0
            last = max(each["completed"] for each in forger.events)
            one.update(invoked=last + 1, completed=last + 2)
            return
    raise AssertionError("nobody saw a captured hold")


def end_unseen(forger):
    """A hold was seen open when its end had been answered."""
    write = forger.marked("void")[0]
    item = copy.deepcopy(write["told"][0])
    item["status"] = "open"
    forger.events.append({"kind": "thing", "item": item, "invoked": write["completed"] + 1,
                          "completed": write["completed"] + 2})


def held_for_ever(forger):
    """The money of a hold that ended is still held."""
    wallet = forger.marked("void")[0]["wanted"][0]["wallet"]
    last = max(forger.reads(wallet), key=lambda one: one["completed"])
    last["held"] += 1


def change_by_nobody(forger):
    """Versions that nobody asked for."""
    wallet = forger.wallets()[0]
    newest = max(one["version"] for one in forger.reads(wallet))
    for one in forger.reads(wallet):
        if one["version"] == newest:
            one["version"] += 100  # more than there are requests nobody knows of


def mark_without_version(forger):
    """A hold was opened without a change of the wallet: all later versions are one less."""
    wallet = next(one for one in forger.wallets() if forger.marked("hold") and any(
        each["wanted"][0]["pays"] == one for each in forger.marked("hold")))
    paid = {forger.side(item, wallet)["version"] for item in forger.last(wallet)}
    told = {one["told"][0]["version"] for one in forger.marked("change")}
    newest = max(one["version"] for one in forger.reads(wallet))
    silent = next(one for one in range(2, newest) if one not in paid | told)
    sides = [each for one in forger.events for item in one.get("items", one.get("told", []))
             for each in (item.get("debit", {}), item.get("credit", {}))
             if each.get("account") == wallet and "version" in each]
    for one in {id(each): each for each in sides + forger.reads(wallet)}.values():
        one["version"] -= one["version"] > silent
    for one in forger.marked("change"):
        if one["wanted"][0]["wallet"] == wallet:
            one["told"][0]["version"] -= one["told"][0]["version"] > silent


def settled_and_failed(forger):
    item = forger.thing("withdrawals", "settled", lambda item: any(
        each.get("withdrawal") == item["id"] for one in forger.writes() for each in one["wanted"]))
    fail = copy.deepcopy(forger.marked("fail")[0])
    fail["key"] += "x"
    fail["wanted"][0]["thing"] = item["id"]
    forger.events.append(fail)


def settled_without_payment(forger):
    forger.thing("withdrawals", "pending")["status"] = "settled"


def failed_by_nobody(forger):
    forger.thing("withdrawals", "pending")["status"] = "failed"


def two_changes_at_once(forger):
    """Two were told the same version."""
    wallets = {}
    for one in forger.marked("change"):
        other = wallets.setdefault(one["wanted"][0]["wallet"], one)
        if other["key"] != one["key"]:
            for each in forger.same(one):
                if each["outcome"] == "ok":
                    each["told"][0]["version"] = other["told"][0]["version"]
            return
    raise AssertionError("no wallet was changed twice")


def match_ignored(forger):
    write = next(one for one in forger.events if one["kind"] == "write" and
                 one["outcome"] == "ok" and "if_match" in one and (
                     "version" in one["told"][0] or "debit" in one["told"][0]))
    for one in forger.same(write):
        one["if_match"]["version"] -= 1


def mismatch_that_is_none(forger):
    last = max(forger.reads(forger.wallets()[0]), key=lambda one: one["completed"])
    end = max(one["completed"] for one in forger.events)
    forger.events.append({
        "kind": "write", "key": "matching", "outcome": "refused", "code": "version_mismatch",
        "wanted": [{"mark": "change", "wallet": last["wallet"]}],
        "if_match": {"wallet": last["wallet"], "version": last["version"]},
        "invoked": end + 1, "completed": end + 2})


def hold_unknown(forger):
    """Who was told of a hold is told that there is none."""
    void = forger.marked("void")[0]
    forger.events.append({**void, "key": "unknown", "outcome": "refused", "code": "not_found",
                          "wanted": copy.deepcopy(void["wanted"])})


def one_of_a_batch_lost(forger):
    """Of a batch whose operations are each for itself one is told as done, and is not."""
    write = next(one for one in forger.writes() if one["key"].count("-") == 2 and
                 one["told"][0].get("type") == "transfer")
    forger.remove(write["key"], [write["wanted"][0]["debit"], write["wanted"][0]["credit"]])


def queued_and_lost(forger):
    write = next(one for one in forger.writes() if "queued" in one and
                 one["told"][0].get("type") == "transfer")
    forger.remove(write["key"], [write["wanted"][0]["debit"], write["wanted"][0]["credit"]])


def queued_and_refused(forger):
    """The queue says that it was refused, and it is done."""
    write = next(one for one in forger.writes() if "queued" in one)
    for one in forger.same(write):
        one.update(outcome="refused", code="insufficient_funds")


def queued_and_doubled(forger):
    """Once through the queue and once without it."""
    write = next(one for one in forger.writes() if "queued" in one)
    other = copy.deepcopy(write)
    other["told"][0]["id"] += "x"
    other["told"][0].pop("transaction", None)
    del other["queued"]
    forger.events.append(other)


FORGERIES = [
    (hold_lost, "answered as done, and"), (hold_opened_twice, "done twice"),
    (withdrawal_lost, "answered as done, and"), (captured_twice, "done twice"),
    (capture_lost, "answered as done, and"), (captured_untold, "was captured, and"),
    (captured_too_much, "was captured, and"), (void_forgotten, "was answered, and it is open"),
    (voided_by_nobody, "nobody asked for its end"), (expired_early, "before its time"),
    (expired_and_voided, "ended 2 times"), (seen_before_it_was, "captured, which was"),
    (end_unseen, "its end was answered"), (held_for_ever, "held, which was"),
    (change_by_nobody, "is nothing that anybody asked for"),
    (mark_without_version, "has no version"), (settled_and_failed, "ended 2 times"),
    (settled_without_payment, "is settled, and has"),
    (failed_by_nobody, "nobody asked for its end"), (two_changes_at_once, "which is another's"),
    (match_ignored, "though its version was"),
    (mismatch_that_is_none, "for a version that was not there yet"),
    (hold_unknown, "refused with not_found"), (one_of_a_batch_lost, "answered as done, and"),
]
QUEUED = [
    (queued_and_lost, "answered as done, and"), (queued_and_refused, "refused each time, and done"),
    (queued_and_doubled, "told"),
]
