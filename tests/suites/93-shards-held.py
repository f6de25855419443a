#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A refund that a rule holds and whose merchant is on another shard than its purchase: his money is
held there until somebody decides, or nobody does in time; also with the node killed at any step."""

import json
import os
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import florin  # noqa: E402
import rules  # noqa: E402
import shards  # noqa: E402
from legs import STEPS, WAIT_S, World, add_up, ends, kill, patiently, step, stop  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
RULES = [rules.rule("large-back", "hold", amount=20, operations=["refund"], currencies=["EUR"])]
report = Report("shards held")


def ready(config=None, **more):
    world = World(report, BINARY, config=config or rules.config(RULES, **more))
    world.shops = [world.open(place, "merchant") for place in (0, 1)]
    for place in (0, 1):
        patiently(lambda p=place: world.deposit(world.client, world.wallets[p], f"first-{p}",
                                                100000))
    key = world.client.post("/v1/keys", {"name": "asker", "role": "service"})["secret"]
    world.asker = world.other.client(key)
    return world


def money(world, wallet):
    shown = world.client.get(f"/v1/wallets/{wallet}").json
    return shown["balance"], shown["held"], shown["version"]


class Refund:
    """Of a purchase of the first shard, held; its approval is what may be interrupted."""
    count = 0
    status = 200

    def __init__(self, world, place=0):
        self.world = world
        Refund.count += 1
        self.key = f"approve-{Refund.count}"
        self.payer, self.shop = world.wallets[place], world.shops[1 - place]
        bought = patiently(lambda: world.client.post("/v1/purchases", {
            "wallet": self.payer, "merchant": self.shop, "amount": 50}))
        self.before = money(world, self.payer), money(world, self.shop)
        self.body = {"purchase": bought.json["id"], "amount": 30}
        self.asked = self.ask()
        self.path = f"/v1/anomalies/{self.asked.json['id']}"

    def ask(self):
        return patiently(lambda: self.world.asker.post("/v1/refunds", self.body,
                                                       key=f"asked-{self.key}"))

    def send(self, client):
        return client.post(f"{self.path}/approve", {}, key=self.key)

    def is_(self, payer_more, shop_less, held, versions):
        """What both have since it was asked for."""
        (balance, _, version), (sold, held_before, sold_version) = self.before
        wanted = ((balance + payer_more, version + (payer_more != 0)),
                  (sold - shop_less, held_before + held, sold_version + versions))
        found = None

        def looks():
            nonlocal found
            payer, shop = money(self.world, self.payer), money(self.world, self.shop)
            found = (payer[0], payer[2]), shop
            return found == wanted

        return within(WAIT_S, looks) or (found, wanted)

    def check(self, name):
        report.equal(f"{name}: it is back, and nothing is held", self.is_(30, 30, 0, 3), True)
        shown = self.world.client.get(self.path).json
        report.equal(f"{name}: its finding says so", shown["status"], "approved", shown)


def decided(_, world):
    for place in (0, 1):
        refund = Refund(world, place)
        report.equal(f"a refund of shard {place} is held",
                     (refund.asked.status, refund.asked.json.get("status")), (202, "pending"),
                     refund.asked)
        report.equal("the merchant's money is, too", refund.is_(0, 0, 30, 1), True)
        again = refund.ask()
        report.equal("a retry says the same", (again.body, again.replayed),
                     (refund.asked.body, True))
        proof = world.client.get(f"/v1/wallets/{refund.shop}/integrity").json
        report.equal("his wallet adds up", (proof["consistent"], proof["held"]), (True, 30), proof)
        spent = patiently(lambda r=refund: world.client.post("/v1/transfers", {
            "from": r.shop, "to": world.shops[place], "amount": r.before[1][0] - 29}))
        report.equal("what is held is not spent", spent.code, "insufficient_funds", spent)
        closed = patiently(lambda r=refund: world.client.patch(f"/v1/wallets/{r.shop}",
                                                               {"status": "closed"}))
        report.equal("nor is it closed", closed.code, "wallet_not_empty", closed)
        full = world.client.get("/check-integrity?depth=full")
        report.equal("a full check is content", full.json["consistent"], True, full)
        own = patiently(lambda r=refund: world.asker.post(f"{r.path}/approve", {}))
        report.check("who asked does not decide", own.code in (
            "forbidden", "second_principal_needed"), own)
        done = patiently(lambda r=refund: r.send(world.client))
        report.equal("somebody else does", (done.status, done.json.get("status")),
                     (200, "approved"), done)
        refund.check("approved")
        made = world.client.get(f"/v1/transactions/{done.json['transaction']}").json
        report.equal("by a refund", (made["type"], made["amount"], made["debit"]["account"]),
                     ("refund", 30, refund.shop), made)
        for verb in ("approve", "reject"):
            late = patiently(lambda r=refund, v=verb: world.client.post(f"{r.path}/{v}", {}))
            report.equal("nobody decides twice", late.code, "anomaly_not_pending", late)
        rejected = Refund(world, place)
        done = patiently(lambda r=rejected: world.client.post(f"{r.path}/reject", {}))
        report.equal("or turns it down", (done.status, done.json.get("status")),
                     (200, "rejected"), done)
        report.equal("then the money is free", rejected.is_(0, 0, 0, 2), True)
        late = Refund(world, place)
        patiently(lambda r=late: world.client.patch(f"/v1/wallets/{r.shop}", {"status": "frozen"}))
        done = patiently(lambda r=late: r.send(world.client))
        report.equal("by then it may be refused", (done.json.get("status"), (
            done.json.get("refusal") or {}).get("code")), ("refused", "wallet_frozen"), done)
        report.equal("and the money is free", money(world, late.shop)[1], 0)
        patiently(lambda r=late: world.client.patch(f"/v1/wallets/{r.shop}", {"status": "active"}))


def move_slot(world, wallet, place):
    path = os.path.join(world.node.home, "shards.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": world.shards.setting(world.other.data)}, file)
    said = subprocess.run([BINARY, "shards", "move", str(shards.slot_of(wallet)), "--to", place,
                           "--config", path], capture_output=True, text=True, check=False,
                          timeout=120)
    report.equal("the slot moves", said.returncode, 0, said.stderr)


def moved(_, world):
    """While a refund is held, the slot of its merchant comes to its purchase; and the other way."""
    first, second = Refund(world, 0), Refund(world, 1)
    for wallet in (first.shop, second.payer):
        move_slot(world, wallet, "a")
    for refund in (first, second):
        report.equal("it is still held", refund.is_(0, 0, 30, 1), True)
        done = patiently(lambda r=refund: r.send(world.client))
        report.equal("and is approved", (done.status, done.json.get("status")), (200, "approved"),
                     done)
        refund.check("moved")


def apart(_, world, unit=1):
    """Refunds wait where their merchant is, who is paid on his own shard; then the slot of their
    purchase, with what was refunded of it, moves to another: it comes along when they are decided,
    and nobody gets back more than was paid."""
    payer, shop = world.open(0), world.open(0, "merchant")
    for number in range(10):
        patiently(lambda n=number: world.deposit(world.client, (payer, shop)[n % 2],
                                                 f"apart-{payer}-{n}", 20 * unit))
    made = patiently(lambda: world.asker.post("/v1/purchases", {
        "wallet": payer, "merchant": shop, "amount": 100 * unit}))
    bought = made.json["id"]
    if made.status == 202:
        bought = patiently(lambda: world.client.post(f"/v1/approvals/{made.json['id']}/approve",
                                                     {})).json["transaction"]

    def ask(amount):
        return patiently(lambda: world.asker.post("/v1/refunds", {
            "purchase": bought, "amount": amount * unit}))
    asked = [ask(amount) for amount in (60, 30, 50, 40)]
    report.equal("apart: they wait", [one.status for one in asked], [202] * 4, asked)
    waiting = "anomalies" if asked[0].json["id"].startswith("anm_") else "approvals"
    move_slot(world, payer, "b")
    ended = patiently(lambda: world.client.post(
        f"/v1/{waiting}/{asked[1].json['id']}/reject", {}))
    report.equal("apart: one is turned down", ended.json.get("status"), "rejected", ended)
    done = [patiently(lambda o=one: world.client.post(
        f"/v1/{waiting}/{o.json['id']}/approve", {}, key=f"apart-{o.json['id']}"))
        for one in (asked[0], asked[2], asked[3])]
    report.equal("apart: the others are decided on what was refunded there",
                 [(one.json.get("status"), (one.json.get("refusal") or {}).get("code"))
                  for one in done], [("approved", None), ("refused", "refund_exceeds_purchase"),
                                     ("approved", None)], done)
    again = patiently(lambda: world.client.post(
        f"/v1/{waiting}/{asked[0].json['id']}/approve", {}, key=f"apart-{asked[0].json['id']}"))
    report.equal("apart: its key answers again", (again.body, again.replayed),
                 (done[0].body, True), again)
    report.equal("apart: the money is back", [money(world, one)[:2] for one in (payer, shop)],
                 [(100 * unit, 0)] * 2)
    shown = world.client.get(f"/v1/transactions/{bought}").json
    report.equal("apart: and the purchase says so", shown["refunded"], 100 * unit, shown)
    more = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought, "amount": 1}))
    report.equal("apart: there is no more of it", more.code, "refund_exceeds_purchase", more)
    for wallet, place in ((shop, "b"), (payer, "a")):  # all of it goes along again
        move_slot(world, wallet, place)
    late = patiently(lambda: world.client.get(f"/v1/{waiting}/{asked[0].json['id']}"))
    report.equal("apart: what came of it is told elsewhere, too", late.json["status"], "approved",
                 late)


def flagged(_, world):
    """A rule flags a refund that an atomic batch does away from home, purchase and merchant being
    on another shard: the finding is listed, and somebody looks after it."""
    here, there, shop = world.wallets[0], world.wallets[1], world.shops[1]
    bought = patiently(lambda: world.client.post("/v1/purchases", {
        "wallet": there, "merchant": shop, "amount": 20}))
    before = {one["id"] for one in world.client.list("/v1/anomalies")}
    made = patiently(lambda: world.client.post("/v1/batches", {"atomic": True, "operations": [
        {"type": "transfer", "from": here, "to": world.second, "amount": 1},
        {"type": "refund", "purchase": bought.json["id"], "amount": 7}]}))
    report.equal("flagged: it is done", made.status, 200, made)
    found = [one for one in world.client.list("/v1/anomalies") if one["id"] not in before]
    report.equal("flagged: and found", [(one["status"], one["wallet"]) for one in found],
                 [("pending", shop)], found)
    done = patiently(lambda: world.client.post(f"/v1/anomalies/{found[0]['id']}/dismiss", {}))
    report.equal("flagged: and looked after", (done.status, done.json.get("status")),
                 (200, "dismissed"), done)


def expired(_, world):
    """Nobody comes in time: the system turns it down, on both shards."""
    for place in (0, 1):
        refund = Refund(world, place)
        report.equal("held", refund.asked.status, 202, refund.asked)
        report.equal("until its time is over", refund.is_(0, 0, 0, 2), True)
        item = world.client.get(refund.path).json
        report.equal("then it is expired", (item["status"], item.get("decided_by")),
                     ("expired", "system"), item)


WORLD = ready()
report.run("decided", decided, WORLD)
for action, which in ((kill, (0, 1, 2, 3, 4, 5)), (stop, (1, 3, 4))):
    for words, at, statement, when in [STEPS[number] for number in which]:
        title = f"{action.__name__} {words}, held refund"
        report.run(title, step, WORLD, title, at, statement, when, action, Refund)
report.run("moved", moved, WORLD)
report.run("apart", apart, WORLD)
add_up(WORLD)
ends(WORLD)
SOON = ready(expires_in=2)
report.run("expired", expired, SOON)
add_up(SOON)
ends(SOON)
SECOND = ready({**rules.config([rules.rule("back", amount=5, operations=["refund"],
                                           currencies=["EUR"])]),
                "approvals": {"above": {"EUR": 110000}}})
SECOND.second = SECOND.open(0)
report.run("flagged", flagged, SECOND)
report.run("apart, for a second person", apart, SECOND, 5000)
add_up(SECOND)
ends(SECOND)
report.finish()
