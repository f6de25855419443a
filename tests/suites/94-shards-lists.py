#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists over three shards, some of whose slots have moved, against what the clients were told: each
list and each filter gives the same things in the same order, however many there are on a page."""

import os
import random
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "rules", "roles")]

import florin  # noqa: E402
import rules  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(3)
SEED = int(os.environ.get("SEED", "7"))
LIMITS = (1, 3, 1000)
report = Report("shards lists")
RULES = [rules.rule("big", "hold", score=90, amount=900), rules.rule("odd", score=50, amount=300)]
shards.serve_from(SHARDS)


class World:
    def __init__(self):
        self.random = random.Random(SEED)
        self.server = florin.Server(florin=BINARY, config={
            "approvals": {"above": {"USD": 5000}}, **rules.config(RULES)})
        self.server.start()
        self.client = self.server.client()
        self.made = {name: [] for name in ("wallets", "transactions", "holds", "withdrawals",
                                           "approvals", "anomalies")}
        self.wallets = []
        for number in range(18):
            for kind in ("customer", "merchant") if number % 3 == 0 else ("customer",):
                self.wallets.append(self.post("wallets", owner=f"owner-{number}", kind=kind,
                                              currency="EUR" if number % 5 == 4 else "USD"))
        for number, wallet in enumerate(self.wallets * 4):
            self.post("deposits", wallet=wallet["id"], amount=4000,
                      bank_transaction_id=f"in-{number}")

    def post(self, path, **body):
        answer = patiently(lambda: self.client.post(f"/v1/{path}", body))
        if answer.status in (201, 202):
            kind = answer["id"].split("_")[0]
            kinds = {"wallet": "wallets", "txn": "transactions", "hold": "holds",
                     "wdr": "withdrawals", "apr": "approvals", "ano": "anomalies"}
            if kind in kinds:
                self.made[kinds[kind]].append(answer["id"])
        return answer

    def pick(self, kind):
        return self.random.choice([one for one in self.wallets
                                   if one["kind"] == kind and one["currency"] == "USD"])["id"]

    def two(self):
        return [one["id"] for one in self.random.sample(
            [one for one in self.wallets
             if one["kind"] == "customer" and one["currency"] == "USD"], 2)]

    def act(self, number):
        """One of everything, with amounts that are done, flagged, held, or need an approval."""
        payer, payee = self.two()
        amount = self.random.choice([1, 20, 20, 350, 950, 6000])
        order = f"order-{self.random.randrange(5)}"
        self.post("transfers", **{"from": payer, "to": payee, "amount": amount})
        bought = self.post("purchases", wallet=payer, merchant=self.pick("merchant"), amount=20,
                           order=order)
        if bought.status == 201 and number % 2 == 0:
            self.post("refunds", purchase=bought["id"], amount=7)
        held = self.post("holds", wallet=payer, merchant=self.pick("merchant"), amount=9,
                         order=order)
        if held.status == 201 and number % 3 != 0:
            self.post(f"holds/{held['id']}/" + ("capture" if number % 3 == 1 else "void"))
        out = self.post("withdrawals", wallet=payee, amount=3)
        if out.status == 201 and number % 3 == 0:
            self.post(f"withdrawals/{out['id']}/settle", bank_transaction_id=f"out-{number}")
        elif out.status == 201 and number % 3 == 1:
            self.post(f"withdrawals/{out['id']}/fail", reason="no such account")
        self.post("adjustments", wallet=payer, direction="credit", amount=2, reason="a gift")
        parts = [self.two() for _ in range(6)]
        patiently(lambda: self.client.post("/v1/batches", {
            "atomic": number % 2 == 0, "operations": [
                {"type": "transfer", "from": source, "to": target, "amount": 1}
                for source, target in parts]}))

    def move(self, count):
        used = sorted({shards.slot_of(one["id"]) for one in self.wallets})
        for slot in self.random.sample(used, count):
            slots.move(SHARDS, self.server, str(slot), self.random.choice("abc"))

    def decide(self):
        """Some of what waits, by somebody else."""
        with self.server.client(self.server.key("admin")["secret"]) as second:
            for number, one in enumerate(self.client.list("/v1/approvals?status=pending")):
                if number % 3 < 2:
                    patiently(lambda n=number, o=one: second.post(
                        f"/v1/approvals/{o['id']}/" + ("approve" if n % 3 else "reject"), {}))
            for number, one in enumerate(self.client.list("/v1/anomalies?status=pending")):
                verb = ("approve" if number % 2 else "reject") if one["action"] == "hold" \
                    else "dismiss"
                if number % 4 < 3:
                    patiently(lambda v=verb, o=one: second.post(f"/v1/anomalies/{o['id']}/{v}",
                                                                {"comment": "seen"}))


def listed(world, target, limit):
    more = "&" if "?" in target else "?"
    return world.client.list(f"/v1/{target}{more}limit={limit}")


def mentions(thing):
    """A test for what names that id anywhere."""
    return lambda one: thing in str(one)


def whole(_, world):
    """Everything that was made is in its list, once."""
    for name, ids in world.made.items():
        shown = [one["id"] for one in world.all[name]]
        report.equal(f"{name}: each once", len(set(shown)), len(shown))
        report.equal(f"{name}: none is missing", set(ids) - set(shown), set())
        report.check(f"{name}: there are some", len(shown) > 3, len(shown))


def at_once(_, world):
    """Wallets that are opened on all shards in the same milliseconds, by many at once: newest
    first, and pages of any size neither lose one nor show one twice, also while others come."""
    made, over = [], threading.Event()

    def play(number, count):
        with world.server.client() as client:
            for turn in range(count):
                answer = patiently(lambda t=turn: client.post("/v1/wallets", {
                    "owner": f"at-once-{number}-{t}", "currency": "USD"},
                    key=f"at-once-{number}-{t}"))
                made.append(answer["id"])
                if over.is_set() and number >= 100:
                    return

    def begin(first, players, count):
        found = [threading.Thread(target=play, args=(first + player, count))
                 for player in range(players)]
        for one in found:
            one.start()
        return found
    for one in begin(0, 8, 60):
        one.join()
    opened = list(made)
    later = begin(100, 3, 100000)
    for limit in (7, 50):
        shown = [one["id"] for one in listed(world, "wallets", limit)]
        report.equal(f"at once: pages of {limit} lose none", set(opened) - set(shown), set())
        report.equal(f"at once: pages of {limit} show each once", len(set(shown)), len(shown))
    over.set()
    for one in later:
        one.join()
    shown = listed(world, "wallets", 1000)
    report.equal("at once: all of them", {one["id"] for one in shown} >= set(made), True)
    out = [(one["created_at"], two["created_at"]) for one, two in zip(shown, shown[1:])
           if one["created_at"] < two["created_at"]]
    report.equal("at once: newest first", out, [])


def filters(world):
    """Each filter, and which of all it must leave over."""
    times = sorted(one["created_at"] for one in world.all["transactions"])
    first, last = times[len(times) // 3], times[len(times) * 2 // 3]
    yield from ((name, name, None) for name in world.all)
    for status in ("active", "closed"):
        yield "wallets", f"wallets?status={status}", lambda w, s=status: w["status"] == s
    for kind in ("customer", "merchant"):
        yield ("wallets", f"wallets?kind={kind}&currency=EUR",
               lambda w, k=kind: w["kind"] == k and w["currency"] == "EUR")
    for kind in ("deposit", "withdrawal", "purchase", "refund", "transfer", "adjustment"):
        yield "transactions", f"transactions?type={kind}", lambda t, k=kind: t["type"] == k
    yield ("transactions", f"transactions?from={first}&to={last}",
           lambda t: first <= t["created_at"] < last)
    for who in sorted({one["initiated_by"] for one in world.all["transactions"]}):
        yield ("transactions", f"transactions?initiated_by={who}",
               lambda t, w=who: t["initiated_by"] == w)
    for order in (f"order-{number}" for number in range(5)):
        for name in ("transactions", "holds"):
            yield name, f"{name}?order={order}", lambda t, o=order: t.get("order") == o
    for bank in ("in-0", "out-0", "out-3"):
        for name in ("transactions", "withdrawals"):
            yield (name, f"{name}?bank_transaction_id={bank}",
                   lambda t, b=bank: t.get("bank_transaction_id") == b)
    for status in ("open", "captured", "voided", "expired"):
        yield "holds", f"holds?status={status}", lambda h, s=status: h["status"] == s
    for status in ("pending", "settled", "failed"):
        yield ("withdrawals", f"withdrawals?status={status}&from={first}",
               lambda w, s=status: w["status"] == s and w["created_at"] >= first)
    for status in ("pending", "approved", "rejected", "refused", "expired"):
        yield "approvals", f"approvals?status={status}", lambda a, s=status: a["status"] == s
        for action in ("hold", "flag"):
            yield ("anomalies", f"anomalies?status={status}&action={action}",
                   lambda a, s=status, d=action: a["status"] == s and a["action"] == d)
    for rule in ("big", "odd"):
        yield "anomalies", f"anomalies?rule={rule}", lambda a, r=rule: a["rule"] == r
    for wallet in world.wallets[::4]:
        for name in ("holds", "withdrawals"):
            yield (name, f"{name}?wallet={wallet['id']}",
                   lambda t, w=wallet: t["wallet"] == w["id"])
        yield ("approvals", f"approvals?wallet={wallet['id']}",
               lambda a, w=wallet: a["wallet"] == w["id"])
        if wallet["kind"] == "merchant":
            yield ("holds", f"holds?merchant={wallet['id']}&status=open",
                   lambda t, w=wallet: t["merchant"] == w["id"] and t["status"] == "open")


def each_filter(_, world):
    for name, target, fits in filters(world):
        expected = [one["id"] for one in world.all[name] if fits is None or fits(one)]
        for limit in LIMITS if len(expected) < 200 else LIMITS[1:]:
            found = [one["id"] for one in listed(world, target, limit)]
            report.equal(f"{target}, {limit} a page", found, expected)


def histories(_, world):
    """A wallet's own list has what is about it, in whatever order that came to it."""
    for wallet in world.wallets[::3]:
        expected = {one["id"] for one in world.all["transactions"]
                    if mentions(wallet["id"])(one)}
        pages = [[one["id"] for one in listed(world, f"wallets/{wallet['id']}/transactions", limit)]
                 for limit in LIMITS]
        report.equal("a history is the same on all pages", pages[1:], pages[:-1])
        report.equal("and whole", (set(pages[0]), len(pages[0])), (expected, len(expected)))


def audit(_, world):
    """Neighbours in the chain of one shard may be on two shards when a slot has moved."""
    until = world.all["transactions"][0]["created_at"]
    for more in ("", "&operation=transfer", "&outcome=ok"):
        pages = [listed(world, f"audit?to={until}{more}", limit) for limit in LIMITS]
        for limit, page in zip(LIMITS, pages):
            report.equal(f"the audit{more}, {limit} a page", page, pages[-1])
        report.check(f"the audit{more} is long", len(pages[0]) > 10, len(pages[0]))


WORLD = World()
for turn in range(24):
    WORLD.act(turn)
    if turn in (10, 20):
        WORLD.move(7)
WORLD.decide()
WORLD.all = {path: WORLD.client.list(f"/v1/{path}?limit=1000") for path in WORLD.made}
report.run("whole", whole, WORLD)
report.run("each filter", each_filter, WORLD)
report.run("histories", histories, WORLD)
report.run("audit", audit, WORLD)
report.run("at once", at_once, WORLD)
report.equal("it stops in order", WORLD.server.stop(), 0, WORLD.server.log()[-2000:])
verified = WORLD.server.verify()
report.equal("all shards verify", verified.returncode, 0, verified.stdout + verified.stderr)
report.finish()
