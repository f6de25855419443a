#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds, withdrawals, refunds and new wallets in atomic batches that are at home on another shard:
opened, captured, ended and settled there with the answers of one server, all of it or nothing, also
when the node that decides is killed, or stopped and woken, at any step."""

import os
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from atomic import (balances, batch, body_of, ends, killed, move,  # noqa: E402
                    on_the_third, ready, shown, transfer)
from client import Unreachable  # noqa: E402
from legs import STEPS, WAIT_S, Work, kill, patiently, stop  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
report = Report("shards away")


def money(world, *wallets):
    return [(one["balance"], one["held"]) for one in (shown(world, wallet) for wallet in wallets)]


def again(world, made, operations, key, name):
    """The batch answers again, and so does each operation alone by its own key."""
    second = batch(world, *operations, key=key)
    report.equal(f"{name}: its key answers again, byte for byte", (second.body, second.replayed),
                 (made.body, True))
    for operation, one in zip(operations, made.json["results"]):
        if "idempotency_key" not in operation:
            continue
        body = {name: value for name, value in operation.items()
                if name not in ("type", "idempotency_key", "hold", "withdrawal")}
        path = {"hold": "/v1/holds", "withdrawal": "/v1/withdrawals", "wallet": "/v1/wallets",
                "refund": "/v1/refunds", "transfer": "/v1/transfers"}.get(operation["type"])
        if path is None:
            thing = operation.get("hold") or operation["withdrawal"]
            kind = "holds" if "hold" in operation else "withdrawals"
            path = f"/v1/{kind}/{thing}/{operation['type']}"
        alone = patiently(lambda p=path, b=body, o=operation: world.client.post(
            p, b, key=o["idempotency_key"]))
        answer = {name: value for name, value in one.items() if name not in ("type", "status_code")}
        report.equal(f"{name}: {operation['type']} alone, by its key",
                     (alone.replayed, {**answer, **alone.json} == {**alone.json, **answer} and
                      alone.json["id"]), (True, one["id"]), (alone, one))


def holds(_, world):
    """Opened from another shard, captured in part from there, and voided."""
    for place in (0, 1):
        name = f"from shard {place}"
        here, there = world.wallets[place], world.wallets[1 - place]
        shop, near = world.shops[place], world.shops[1 - place]
        before = money(world, there, shop, near)
        opening = [transfer(here, there, 1),
                   {"type": "hold", "wallet": there, "merchant": shop, "amount": 30,
                    "expires_in": 600, "order": f"o-{place}", "reference": "kept",
                    "metadata": {"a": "b"}, "idempotency_key": f"open-{place}"},
                   {"type": "hold", "wallet": there, "merchant": near, "amount": 20,
                    "expires_in": 600}]
        made = batch(world, *opening, key=f"opened-{place}")
        report.equal(f"{name}: holds are opened", made.status, 200, made)
        first, second = made.json["results"][1:]
        report.equal(f"{name}: and the money is set aside",
                     money(world, there), [(before[0][0] + 1, before[0][1] + 50)])
        found = world.client.get(f"/v1/holds/{first['id']}")
        report.equal(f"{name}: it is found, with what was said",
                     {key: found.json.get(key) for key in first}, first, found)
        listed = [one["id"] for one in world.client.list(f"/v1/holds?wallet={there}")]
        report.check(f"{name}: and listed", {first["id"], second["id"]} <= set(listed), listed)
        by_order = world.client.list(f"/v1/holds?order=o-{place}")
        report.equal(f"{name}: by its order, too", [one["id"] for one in by_order], [first["id"]])
        again(world, made, opening, f"opened-{place}", name)
        taking = [transfer(here, there, 1),
                  {"type": "capture", "hold": first["id"], "amount": 10, "final": False,
                   "idempotency_key": f"part-{place}"},
                  {"type": "capture", "hold": first["id"], "idempotency_key": f"rest-{place}"},
                  {"type": "void", "hold": second["id"], "idempotency_key": f"void-{place}"}]
        taken = batch(world, *taking, key=f"taken-{place}")
        report.equal(f"{name}: captured twice, and voided", taken.status, 200, taken)
        after = [(before[0][0] + 2 - 30, before[0][1]), (before[1][0] + 30, before[1][1])]
        report.equal(f"{name}: the money is there", money(world, there, shop), after)
        again(world, taken, taking, f"taken-{place}", name)
        for identifier, status, captured in ((first["id"], "captured", 30),
                                             (second["id"], "voided", 0)):
            ended = world.client.get(f"/v1/holds/{identifier}").json
            report.equal(f"{name}: the hold is {status}", (ended["status"], ended["captured"]),
                         (status, captured), ended)
        over = batch(world, transfer(here, there, 1), {"type": "void", "hold": first["id"]})
        report.equal(f"{name}: it has ended", (over.code, over.json.get("operation")),
                     ("hold_not_open", 1), over)
        history = world.client.list(f"/v1/wallets/{there}/transactions?limit=5")
        report.equal(f"{name}: its history has both captures",
                     [one["amount"] for one in history][:4], [20, 10, 1, 1], history[:4])
        report.equal(f"{name}: nothing moved again", money(world, there, shop), after)
        for wallet in (here, there, shop, near):
            proof = world.client.get(f"/v1/wallets/{wallet}/integrity").json
            report.equal(f"{name}: each wallet adds up", proof["consistent"], True, proof)


def withdrawals(_, world):
    """Asked for, failed and settled from another shard, and settled at once."""
    for place in (0, 1):
        name = f"from shard {place}"
        here, there = world.wallets[place], world.wallets[1 - place]
        before = money(world, there)
        asking = [transfer(here, there, 1),
                  {"type": "withdrawal", "wallet": there, "amount": 11, "reference": "rent",
                   "idempotency_key": f"ask-{place}"},
                  {"type": "withdrawal", "wallet": there, "amount": 7},
                  {"type": "withdrawal", "wallet": there, "amount": 5,
                   "bank_transaction_id": f"at-once-{place}", "idempotency_key": f"now-{place}"}]
        made = batch(world, *asking, key=f"asked-{place}")
        report.equal(f"{name}: withdrawals are asked for, and one is paid", made.status, 200, made)
        report.equal(f"{name}: the rest is set aside", money(world, there),
                     [(before[0][0] + 1 - 5, before[0][1] + 18)])
        first, second, third = made.json["results"][1:]
        again(world, made, asking, f"asked-{place}", name)
        for one in (first, third):
            found = world.client.get(f"/v1/withdrawals/{one['id']}")
            report.equal(f"{name}: it is found, with what was said",
                         {key: found.json.get(key) for key in one}, one, found)
        ending = [transfer(here, there, 1),
                  {"type": "settle", "withdrawal": first["id"],
                   "bank_transaction_id": f"settled-{place}", "idempotency_key": f"settle-{place}"},
                  {"type": "fail", "withdrawal": second["id"], "reason": "no such account",
                   "idempotency_key": f"fail-{place}"}]
        ended = batch(world, *ending, key=f"ended-{place}")
        report.equal(f"{name}: one is settled, the other fails", ended.status, 200, ended)
        report.equal(f"{name}: nothing is set aside", money(world, there),
                     [(before[0][0] + 2 - 16, before[0][1])])
        again(world, ended, ending, f"ended-{place}", name)
        for one, status in ((first, "settled"), (second, "failed")):
            found = world.client.get(f"/v1/withdrawals/{one['id']}").json
            report.equal(f"{name}: it is {status}", found["status"], status, found)
        twice = batch(world, transfer(here, there, 1),
                      {"type": "fail", "withdrawal": first["id"]})
        report.equal(f"{name}: it is pending no more", twice.code, "withdrawal_not_pending", twice)
        used = patiently(lambda p=place, t=there: world.client.post("/v1/withdrawals", {
            "wallet": t, "amount": 1, "bank_transaction_id": f"settled-{p}"}))
        report.equal(f"{name}: its bank's id is taken", used.code, "duplicate_bank_transaction",
                     used)
        listed = [one["id"] for one in world.client.list(f"/v1/withdrawals?wallet={there}")]
        report.equal(f"{name}: all are listed", sum(one["id"] in listed
                                                    for one in (first, second, third)), 3, listed)


def refunds(_, world):
    """Of purchases of another shard, up to what was paid, whoever asks."""
    for place in (0, 1):
        name = f"from shard {place}"
        here, there = world.wallets[place], world.wallets[1 - place]
        for shop in (world.shops[place], world.shops[1 - place]):
            bought = patiently(lambda w=there, s=shop: world.client.post("/v1/purchases", {
                "wallet": w, "merchant": s, "amount": 50, "order": "refunded"})).json["id"]
            before = balances(world, there, shop)
            asked = [transfer(here, there, 1),
                     {"type": "refund", "purchase": bought, "amount": 20,
                      "idempotency_key": f"back-{bought}"},
                     {"type": "refund", "purchase": bought, "amount": 5}]
            made = batch(world, *asked, key=f"backs-{bought}")
            report.equal(f"{name}: it is refunded twice", made.status, 200, made)
            report.equal(f"{name}: the money is back", balances(world, there, shop),
                         [before[0] + 26, before[1] - 25])
            again(world, made, asked, f"backs-{bought}", name)
            report.equal(f"{name}: the purchase says so",
                         world.client.get(f"/v1/transactions/{bought}").json.get("refunded"), 25)
            over = batch(world, transfer(here, there, 1),
                         {"type": "refund", "purchase": bought, "amount": 26})
            report.equal(f"{name}: no more than was paid", over.code, "refund_exceeds_purchase",
                         over)
            over = patiently(lambda b=bought: world.client.post("/v1/refunds", {
                "purchase": b, "amount": 26}))
            report.equal(f"{name}: nor alone", over.code, "refund_exceeds_purchase", over)
            rest = batch(world, transfer(here, there, 1), {"type": "refund", "purchase": bought})
            report.equal(f"{name}: but the rest", (rest.status, rest.json["results"][-1].get(
                "amount")), (200, 25), rest)
            none = batch(world, transfer(here, there, 1),
                         {"type": "refund", "purchase": rest.json["results"][0]["id"]})
            report.equal(f"{name}: a transfer is no purchase", none.code, "not_a_purchase", none)


def openings(_, world):
    """Wallets of other shards come to be with the rest, or not at all."""
    here = world.wallets[0]
    owners = [f"new-{number}" for number in range(12)]
    asked = [transfer(here, world.fees[1], 1)] + [
        {"type": "wallet", "owner": owner, "currency": "SEK", "metadata": {"n": owner},
         "idempotency_key": f"wallet-{owner}"} for owner in owners]
    undone = batch(world, *asked, transfer(here, world.wallets[1], 10**9), key="undone-wallets")
    report.equal("what is refused opens none", (undone.code, [
        world.client.list(f"/v1/wallets?owner={owner}") for owner in owners]),
                 ("insufficient_funds", [[]] * 12), undone)
    made = batch(world, *asked, key="new-wallets")
    report.equal("wallets are opened on all shards", made.status, 200, made)
    wallets = [one["id"] for one in made.json["results"][1:]]
    report.equal("on both", len({world.place(wallet) for wallet in wallets}), 2, wallets)
    again(world, made, asked, "new-wallets", "wallets")
    for owner, wallet in zip(owners, wallets):
        listed = world.client.list(f"/v1/wallets?owner={owner}")
        report.equal("each is found by its owner", [(one["id"], one["currency"], one["metadata"])
                                                    for one in listed],
                     [(wallet, "SEK", {"n": owner})], listed)
        paid = patiently(lambda w=wallet: world.deposit(world.client, w, f"sek-{w}", 9))
        report.equal("and is paid", (paid.status, balances(world, wallet)), (201, [9]), paid)


def undone(_, world):
    """Whatever is refused undoes all before it, on every shard."""
    here, there = world.wallets
    shop = world.shops[1]
    held = patiently(lambda: world.client.post("/v1/holds", {
        "wallet": there, "merchant": shop, "amount": 10, "expires_in": 600})).json["id"]
    before = money(world, here, there, shop)
    for bad, code in (
            ({"type": "hold", "wallet": there, "merchant": here, "amount": 1}, "not_a_merchant"),
            ({"type": "hold", "wallet": there, "merchant": shop, "amount": 10**9},
             "insufficient_funds"),
            ({"type": "capture", "hold": held, "amount": 11}, "capture_exceeds_hold"),
            ({"type": "capture", "hold": held[:-4] + "0000"}, "not_found"),
            ({"type": "settle", "withdrawal": "wdl_" + held.split("_")[1],
              "bank_transaction_id": "none"}, "not_found"),
            ({"type": "withdrawal", "wallet": there, "amount": 10**9}, "insufficient_funds"),
            ({"type": "refund", "purchase": "txn_" + held.split("_")[1]}, "not_found")):
        refused = batch(world, transfer(here, there, 5),
                        {"type": "capture", "hold": held, "amount": 4, "final": False},
                        {"type": "withdrawal", "wallet": there, "amount": 2}, bad)
        report.equal(f"{bad['type']}, {code}: undoes all", (refused.code, refused.json.get(
            "operation")), (code, 3), refused)
    report.equal("nothing moved, nothing is held", money(world, here, there, shop), before)
    report.equal("the hold is as it was", world.client.get(f"/v1/holds/{held}").json["captured"], 0)


def ended(_, world):
    """A hold of another shard whose time is over is freed there first."""
    here, there = world.wallets
    made = batch(world, transfer(here, there, 1),
                 {"type": "hold", "wallet": there, "merchant": world.shops[0], "amount": 8,
                  "expires_in": 1})
    hold = made.json["results"][1]["id"]
    free = within(WAIT_S, lambda: world.client.get(f"/v1/holds/{hold}").json["status"] == "expired")
    report.check("it expires where it lies", free)
    late = batch(world, transfer(here, there, 1), {"type": "capture", "hold": hold})
    report.equal("and is captured no more", (late.code, late.json.get("operation")),
                 ("hold_not_open", 1), late)


def told(_, world):
    """Answers of other shards that a batch found by their own keys: it remembers them, too."""
    here, there = world.wallets
    body = {"wallet": there, "merchant": world.shops[0], "amount": 6, "expires_in": 600,
            "reference": "told"}
    first = patiently(lambda: world.client.post("/v1/holds", body, key="told-open"))
    void = patiently(lambda: world.client.post(f"/v1/holds/{first.json['id']}/void", {},
                                               key="told-void"))
    asked = [transfer(here, there, 1), {"type": "hold", **body, "idempotency_key": "told-open"},
             {"type": "void", "hold": first.json["id"], "idempotency_key": "told-void"}]
    made = batch(world, *asked, key="told")
    report.equal("they are told again", [
        {name: value for name, value in one.items() if name in first.json}
        for one in made.json["results"][1:]], [first.json, void.json], made)
    report.equal("as what they are", [one.get("replayed") for one in made.json["results"]],
                 [None, True, True], made)
    second = batch(world, *asked, key="told")
    report.equal("byte for byte", (second.body, second.replayed), (made.body, True), second)


def listened(_, world):
    """Each thing is one entry of the audit."""
    here, there = world.wallets
    made = batch(world, transfer(here, there, 1),
                 {"type": "hold", "wallet": there, "merchant": world.shops[0], "amount": 3,
                  "expires_in": 600})
    hold = made.json["results"][1]["id"]
    entries = world.client.list(f"/v1/audit?resource={hold}")
    report.equal("it is in the audit once", [one["operation"] for one in entries], ["hold"],
                 entries)


class Mixed(Work):
    """A bit of everything, from the first shard about the last."""
    status = 200

    def get_ready(self):
        world = self.world
        self.payer, self.shop = world.wallets[-1], world.shops[0]
        self.hold = patiently(lambda: world.client.post("/v1/holds", {
            "wallet": self.payer, "merchant": self.shop, "amount": 10,
            "expires_in": 6000})).json["id"]
        self.asked = patiently(lambda: world.client.post("/v1/withdrawals", {
            "wallet": self.payer, "amount": 7})).json["id"]
        self.bought = patiently(lambda: world.client.post("/v1/purchases", {
            "wallet": self.payer, "merchant": world.shops[1], "amount": 9})).json["id"]

    def now(self):
        return money(self.world, self.world.wallets[0], self.payer, self.shop, self.world.shops[1])

    def send(self, client):
        return client.post("/v1/batches", body_of([
            transfer(self.world.wallets[0], self.payer, 5),
            {"type": "capture", "hold": self.hold, "amount": 4},
            {"type": "settle", "withdrawal": self.asked,
             "bank_transaction_id": f"bank-{self.key}"},
            {"type": "refund", "purchase": self.bought, "amount": 3},
            {"type": "hold", "wallet": self.payer, "merchant": self.shop, "amount": 2,
             "expires_in": 6000},
            {"type": "withdrawal", "wallet": self.payer, "amount": 1},
            {"type": "wallet", "owner": f"owner-{self.key}", "currency": "EUR"}]), key=self.key)

    def check(self, name):
        (first, held_first), (paid, held), (sold, none), (gave, nothing) = self.before
        after = [(first - 5, held_first), (paid + 5 - 4 - 7 + 3, held - 10 - 7 + 2 + 1),
                 (sold + 4, none), (gave - 3, nothing)]
        self.comes_to(f"{name}: all of it, once", after)
        report.equal(f"{name}: one wallet was opened", len(self.world.client.list(
            f"/v1/wallets?owner=owner-{self.key}")), 1)


def moved(_, world):
    """What was opened away from home goes along with its slot, and is ended there."""
    here, there = world.wallets
    shop = world.shops[0]
    made = batch(world, transfer(here, there, 1),
                 {"type": "hold", "wallet": there, "merchant": shop, "amount": 12,
                  "expires_in": 6000, "idempotency_key": "moved-hold"},
                 {"type": "withdrawal", "wallet": there, "amount": 3}, key="moved")
    hold, asked = (one["id"] for one in made.json["results"][1:])
    for wallet, place in ((there, "a"), (here, "b")):
        move(world, wallet, place)
    before = money(world, there, shop)
    second = batch(world, transfer(here, there, 1), {"type": "capture", "hold": hold, "amount": 5},
                   {"type": "fail", "withdrawal": asked}, key="moved-on")
    report.equal("they are ended from the other side", second.status, 200, second)
    report.equal("and the money is there", money(world, there, shop),
                 [(before[0][0] + 1 - 5, before[0][1] - 15), (before[1][0] + 5, before[1][1])])
    again_ = batch(world, transfer(here, there, 1),
                   {"type": "hold", "wallet": there, "merchant": shop, "amount": 12,
                    "expires_in": 6000, "idempotency_key": "moved-hold"},
                   {"type": "withdrawal", "wallet": there, "amount": 3}, key="moved")
    report.equal("keys remember what was opened", (again_.body, again_.replayed),
                 (made.body, True), again_)


def starts(_, world):
    """A node starts where something with an idempotency key has arrived that nobody has taken up:
    both nodes were killed when its leg was committed."""
    here, there = world.wallets
    before = balances(world, here, there)
    line = world.lines[1]
    line.sprung.clear()
    line.trap = (b"COMMIT PREPARED", "after", world.node.kill)
    operations = [transfer(here, there, 1), transfer(there, here, 3, idempotency_key="starts-3")]
    world.other.stop()
    try:
        with world.node.client(world.secret) as client:
            client.post("/v1/batches", body_of(operations), key="starts")
    except Unreachable:
        pass
    report.check("its leg is committed", line.wait(WAIT_S))
    world.node.start()
    world.other.start()
    report.equal("paid once", balances(world, here, there), [before[0] + 2, before[1] - 2])
    made = patiently(lambda: world.client.post("/v1/transfers", {
        "from": there, "to": here, "amount": 3}, key="starts-3"))
    report.equal("and its key is remembered", (made.status, made.replayed), (201, True), made)


def banked(_, world):
    """A deposit of an atomic batch of another shard: its bank's id leads to the payment, also when
    the wallet's slot, with what has arrived there, moves to where the id is."""
    here, there = world.wallets[:2]
    banks = [f"banked-{number}" for number in range(16)]
    made = batch(world, transfer(here, there, 1), *(
        {"type": "deposit", "wallet": there, "amount": 2, "bank_transaction_id": bank}
        for bank in banks), key="banked")
    report.equal("deposits from another shard", made.status, 200, made)
    report.check("one's id is on the last shard", any(world.booked(2, bank) for bank in banks))
    move(world, there, "c")
    for bank, one in zip(banks, made.json["results"][1:]):
        found = world.client.list(f"/v1/transactions?bank_transaction_id={bank}")
        report.equal(f"{bank} leads to it", [each["id"] for each in found], [one["id"]])
        again_ = world.deposit(world.client, there, bank, 2)
        report.equal(f"{bank} is booked for ever", again_.code, "duplicate_bank_transaction",
                     again_)


def beside(_, world):
    """What another shard has decided about a withdrawal arrives in the very round that pays from
    its wallet, which that round has asked for already."""
    here, there = world.wallets[:2]
    shop = world.shops[1]
    before = money(world, there, shop)
    paid, is_over = [], threading.Event()

    def pay(server):
        with server.client(world.secret) as client:
            while not is_over.is_set():
                paid.append(patiently(lambda: client.post("/v1/transfers", {
                    "from": there, "to": shop, "amount": 1})).status)

    payers = [threading.Thread(target=pay, args=(server,))
              for server in 3 * (world.node, world.other)]
    for payer in payers:
        payer.start()
    try:
        for _ in range(20):
            asked = patiently(lambda: world.client.post("/v1/withdrawals", {
                "wallet": there, "amount": 2})).json["id"]
            ending = batch(world, transfer(here, there, 1), {"type": "fail", "withdrawal": asked})
            report.equal("ended from the other side", ending.status, 200, ending)
    finally:
        is_over.set()
        for payer in payers:
            payer.join(WAIT_S)
    report.equal("they are paid meanwhile", set(paid), {201})
    report.equal("and the money is there", money(world, there, shop),
                 [(before[0][0] + 20 - len(paid), before[0][1]),
                  (before[1][0] + len(paid), before[1][1])])


WORLD = ready(report, BINARY, 2)
for test in (holds, withdrawals, refunds, openings, undone, ended, told, listened, beside):
    report.run(test.__name__, test, WORLD)
killed(WORLD, Mixed, STEPS, (kill,))
killed(WORLD, Mixed, [STEPS[number] for number in (1, 3, 4)], (stop,))
report.run("starts", starts, WORLD)
report.run("moved", moved, WORLD)
ends(WORLD)
THREE = ready(report, BINARY, 3)
killed(THREE, Mixed, on_the_third((0, 1, 4)), words_more=" on the third")
report.run("banked", banked, THREE)
ends(THREE)  # where each bank's id of these books leads is looked at
report.finish()
