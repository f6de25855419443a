#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Atomic batches whose payers are at home on several shards: all of it or nothing, with the answers
of one server, also when the node that decides is killed, or stopped and woken, at any step."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
from atomic import (balances, batch, body_of, ends, killed, move, on_the_third,  # noqa: E402
                    ready, shown, transfer)
from legs import STEPS, Work, patiently  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
report = Report("shards atomic")


def fees(_, world):
    """A payment and its fee, whose payer is the merchant on the other shard."""
    for place in (0, 1):
        anna, shop, house = world.wallets[place], world.shops[1 - place], world.fees[place]
        before = balances(world, anna, shop, house)
        operations = ({"type": "purchase", "wallet": anna, "merchant": shop, "amount": 100,
                       "order": f"order-{place}", "idempotency_key": f"buy-{place}"},
                      transfer(shop, house, 3, idempotency_key=f"fee-{place}"))
        made = batch(world, *operations, key=f"fee-batch-{place}")
        report.equal(f"a purchase and its fee, from shard {place}", made.status, 200, made)
        paid, fee = made.json["results"]
        report.equal("each says what stands then",
                     [side["balance"] for one in (paid, fee)
                      for side in (one["debit"], one["credit"])],
                     [before[0] - 100, before[1] + 100, before[1] + 97, before[2] + 3], made)
        after = [before[0] - 100, before[1] + 97, before[2] + 3]
        report.equal("and it does", balances(world, anna, shop, house), after)
        again = batch(world, *operations, key=f"fee-batch-{place}")
        report.equal("its key answers again, byte for byte", (again.body, again.replayed),
                     (made.body, True))
        for path, operation, one in (("/v1/purchases", operations[0], paid),
                                     ("/v1/transfers", operations[1], fee)):
            body = {name: value for name, value in operation.items()
                    if name not in ("type", "idempotency_key")}
            alone = world.client.post(path, body, key=operation["idempotency_key"])
            report.equal("and so does that of each operation, alone",
                         (alone.status, alone.replayed, alone.json.get("id")),
                         (201, True, one["id"]), alone)
            other = world.client.post(path, {**body, "amount": 1},
                                      key=operation["idempotency_key"])
            report.equal("for that request", other.code, "idempotency_key_reused", other)
            shown = world.client.get(f"/v1/transactions/{one['id']}")
            report.equal("its id leads to it", (shown.status, shown.json.get("amount")),
                         (200, one["amount"]), shown)
            for side in ("debit", "credit"):
                history = world.client.get(
                    f"/v1/wallets/{one[side]['account']}/transactions").json["items"]
                report.check("it is in both histories", one["id"] in [
                    item["id"] for item in history], history[:2])
        report.equal("nothing moved again", balances(world, anna, shop, house), after)
        for wallet in (anna, shop, house):
            proof = world.client.get(f"/v1/wallets/{wallet}/integrity").json
            report.equal("each wallet adds up", proof["consistent"], True, proof)
            at = world.client.get(f"/v1/wallets/{wallet}/balance?at={fee['created_at']}")
            report.equal("and its past", at.status, 200, at)


def undone(_, world):
    here, there, third = world.wallets[0], world.wallets[1], world.fees[1]
    before = balances(world, here, there, third)
    refused = batch(world, transfer(here, there, 5, idempotency_key="undone-1"),
                    transfer(there, third, 6, idempotency_key="undone-2"),
                    transfer(there, here, 10**9), transfer(third, here, 10**9), key="undone")
    report.equal("the first that is refused undoes all",
                 (refused.code, refused.json.get("operation")), ("insufficient_funds", 2), refused)
    report.check("and is named", there in refused.body.decode(), refused)
    report.equal("nothing moved", balances(world, here, there, third), before)
    again = batch(world, transfer(here, there, 5, idempotency_key="undone-1"),
                  transfer(there, third, 6, idempotency_key="undone-2"),
                  transfer(there, here, 10**9), transfer(third, here, 10**9), key="undone")
    report.equal("the refusal is remembered", (again.body, again.replayed), (refused.body, True))
    for number, (source, target) in enumerate(((here, there), (there, third)), 1):
        free = patiently(lambda s=source, t=target, n=number: world.client.post(
            "/v1/transfers", {"from": s, "to": t, "amount": 1}, key=f"undone-{n}"))
        report.equal("the keys of its operations are unused", (free.status, free.replayed),
                     (201, False), free)
    for bad, code, place in (
            (transfer(there, here[:-4] + "0000", 1), "not_found", 1),
            (transfer(there[:-4] + "0000", here, 1), "not_found", 1),
            (transfer(there, there, 1), "same_wallet", 1),
            ({"type": "purchase", "wallet": there, "merchant": here, "amount": 1},
             "not_a_merchant", 1)):
        refused = batch(world, transfer(here, there, 1), bad)
        report.equal(f"{code} undoes all, too", (refused.code, refused.json.get("operation")),
                     (code, place), refused)


def earlier(_, world):
    """Operations that see those before them, and keys that were used before."""
    here, there, third = world.wallets[0], world.wallets[1], world.fees[1]
    before = balances(world, here, there, third)
    poor = world.open(1)
    made = batch(world, transfer(here, poor, 7), transfer(poor, third, 7),
                 transfer(third, here, 7), transfer(poor, here, 1))
    report.equal("money is spent once in it", (made.code, made.json.get("operation")),
                 ("insufficient_funds", 3), made)
    made = batch(world, transfer(here, poor, 7), transfer(poor, third, 7), transfer(third, here, 7))
    report.equal("and is spent at once", (made.status, balances(world, here, poor, third)),
                 (200, [before[0], 0, before[2]]), made)
    made = batch(world, transfer(here, there, 1), transfer(there, third, 2, idempotency_key="twin"),
                 transfer(there, third, 2, idempotency_key="twin"), key="twins")
    report.equal("a key twice in it is one payment",
                 [item.get("replayed", False) for item in made.json["results"]],
                 [False, False, True], made)
    report.equal("of the same id", len({item["id"] for item in made.json["results"]}), 2)
    again = batch(world, transfer(here, there, 1),
                  transfer(there, third, 2, idempotency_key="twin"),
                  transfer(there, third, 2, idempotency_key="twin"), key="twins")
    report.equal("and all of it again", (again.replayed, again.body), (True, made.body), again)
    first = patiently(lambda: world.client.post(
        "/v1/transfers", {"from": there, "to": third, "amount": 4}, key="alone"))
    mixed = batch(world, transfer(here, there, 1),
                  transfer(there, third, 4, idempotency_key="alone"))
    report.equal("what was done before is done once",
                 [(item["amount"], item.get("replayed", False)) for item in mixed.json["results"]],
                 [(1, False), (4, True)], mixed)
    report.equal("with its answer", mixed.json["results"][1]["id"], first.json["id"])
    reused = batch(world, transfer(here, there, 1),
                   transfer(there, third, 5, idempotency_key="alone"))
    report.equal("another request under that key is none",
                 (reused.code, reused.json.get("operation")), ("idempotency_key_reused", 1), reused)
    known = batch(world, transfer(here, there, 1),
                  transfer(there, third, 4, idempotency_key="alone"), key="knows-it")
    report.equal("and a batch with a key remembers what is elsewhere",
                 (known.status, known.json["results"][1]),
                 (200, {**first.json, "replayed": True}), known)
    again = batch(world, transfer(here, there, 1),
                  transfer(there, third, 4, idempotency_key="alone"), key="knows-it")
    report.equal("byte for byte", (again.body, again.replayed), (known.body, True))


def refused_again(_, world):
    """Whoever is bound to an owner is refused with the same words when he asks again, also where
    the wallet that they are about is on another shard than what he asked for."""
    anna, shop = world.wallets[0], world.shops[1]
    bought = patiently(lambda: world.client.post("/v1/purchases", {
        "wallet": anna, "merchant": shop, "amount": 50}))["id"]
    owner = shown(world, shop)["owner"]
    merchant = patiently(lambda: world.client.post("/v1/keys", {
        "name": "shop", "role": "merchant", "owner": owner})).json
    frozen = patiently(lambda: world.client.patch(f"/v1/wallets/{shop}", {"status": "frozen"}))
    report.equal("a merchant is frozen", frozen.status, 200, frozen)
    refund = {"type": "refund", "purchase": bought}
    with world.other.client(merchant["secret"]) as client:
        for name, path, body in (
                ("alone", "/v1/refunds", {"purchase": bought}),
                ("in a batch", "/v1/batches", {"operations": [refund]}),
                ("in an atomic batch", "/v1/batches", body_of([refund, refund]))):
            first, again = (patiently(lambda p=path, b=body, n=name: client.post(p, b, key=n))
                            for _ in range(2))
            report.equal(f"refused {name}", first.json.get("results", [first.json])[0]["code"],
                         "wallet_frozen", first)
            said = again.body.replace(b',"replayed":true', b"")  # of an operation in a batch
            report.equal(f"refused {name}, and again", (again.status, said),
                         (first.status, first.body), again)
    active = patiently(lambda: world.client.patch(f"/v1/wallets/{shop}", {"status": "active"}))
    report.equal("and active again", active.status, 200, active)


def hold(world, shop):
    return patiently(lambda: world.client.post("/v1/holds", {
        "wallet": world.wallets[0], "merchant": shop, "amount": 2, "expires_in": 6000})).json["id"]


def one_by_one(_, world):
    """What a capture lacks is known before anything of its batch is done, and what is lacking to
    answer an operation under its old key only then: one turn brings both."""
    first, second = hold(world, world.shops[1]), hold(world, world.fees[1])
    ended = patiently(lambda: world.client.post(f"/v1/holds/{first}/void", {}, key="ended"))
    report.equal("a hold is ended", ended.status, 200, ended)
    made = batch(world, {"type": "void", "hold": first, "idempotency_key": "ended"},
                 {"type": "capture", "hold": second, "amount": 2})
    report.equal("one by one: it is done, and the old one as it was",
                 [one.get("replayed", False) for one in made.json.get("results", [])],
                 [True, False], made)


def among_others(_, world):
    """The batch is at home where neither wallet of some of its payments is."""
    here = world.wallets[0]
    one, two = world.open(1), world.open(1)
    made = batch(world, transfer(here, one, 9), transfer(one, two, 5), transfer(two, one, 1),
                 {"type": "deposit", "wallet": two, "amount": 20,
                  "bank_transaction_id": "away-1", "idempotency_key": "away-1"},
                 transfer(two, here, 2))
    report.equal("between two of the other shard, and from outside", made.status, 200, made)
    report.equal("it is all there", balances(world, one, two), [5, 22])
    paid = patiently(lambda: world.deposit(world.client, two, "away-1", 20, key="away-1"))
    report.equal("its key answers alone", (paid.replayed, paid.json.get("id")),
                 (True, made.json["results"][3]["id"]), paid)
    twice = patiently(lambda: world.deposit(world.client, here, "away-1", 20))
    report.equal("a bank's id is taken for ever", twice.code, "duplicate_bank_transaction", twice)
    history = world.client.list(f"/v1/wallets/{two}/transactions")
    report.equal("its history is whole", [item["amount"] for item in history], [2, 20, 1, 5],
                 history)
    yen = next(made for made in (patiently(lambda n=n: world.client.post("/v1/wallets", {
        "owner": f"yen-{n}", "currency": "JPY"})).json["id"] for n in range(60))
               if world.place(made) == 1)
    first = batch(world, transfer(here, one, 1),
                  {"type": "deposit", "wallet": yen, "amount": 8, "bank_transaction_id": "yen-1"},
                  {"type": "deposit", "wallet": yen, "amount": 9, "bank_transaction_id": "yen-2"})
    report.equal("also in a currency that came to the batch's shard never before",
                 (first.status, balances(world, yen)), (200, [17]), first)
    many = batch(world, transfer(here, one, 1), *[transfer(one, two, 1) for _ in range(3)],
                 *[transfer(two, here, 1) for _ in range(3)])
    report.equal("many in a row", many.status, 200, many)


def large(_, world):
    """As many operations as a batch may have: one way, and to and fro."""
    here, there = world.open(0), world.open(1)
    patiently(lambda: world.deposit(world.client, here, "large-1", 20000))
    many = batch(world, *[transfer(here, there, 2)] * 10000, key="large-1")
    report.equal("ten thousand", (many.status, balances(world, here, there)), (200, [0, 20000]),
                 many.status)
    both = batch(world, *[transfer(there, here, 2), transfer(here, there, 1)] * 1500, key="large-2")
    report.equal("to and fro", (both.status, balances(world, here, there)), (200, [1500, 18500]),
                 both.status)


def spending(_, world):
    """What is spent away from home counts at home."""
    payers = []
    for place in (0, 1):
        payers.append(next(made for made in (patiently(lambda n=n: world.client.post(
            "/v1/wallets", {"owner": f"spends-{n}", "currency": "USD"})).json["id"]
                                             for n in range(60)) if world.place(made) == place))
        patiently(lambda p=place: world.deposit(world.client, payers[p], f"spends-{p}", 5000))
    here, there = payers
    made = batch(world, transfer(here, there, 600), transfer(there, here, 600))
    report.equal("both spend within their limits", made.status, 200, made)
    over = batch(world, transfer(here, there, 1), transfer(there, here, 401))
    report.equal("no more in a batch", (over.code, over.json.get("operation")),
                 ("limit_exceeded", 1), over)
    alone = patiently(lambda: world.client.post("/v1/transfers", {
        "from": there, "to": here, "amount": 401}))
    report.equal("nor alone", alone.code, "limit_exceeded", alone)
    rest = patiently(lambda: world.client.post("/v1/transfers", {
        "from": there, "to": here, "amount": 400}))
    report.equal("but the rest", rest.status, 201, rest)


def refunds(_, world):
    """Of a purchase that was made away from its payer's home."""
    here, there, shop = world.wallets[0], world.wallets[1], world.shops[0]
    made = batch(world, transfer(here, there, 1),
                 {"type": "purchase", "wallet": there, "merchant": shop, "amount": 50,
                  "order": "guest"})
    bought = made.json["results"][1]["id"]
    before = balances(world, there, shop)
    back = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought, "amount": 20},
                                               key="guest-refund"))
    report.equal("is refunded", (back.status, balances(world, there, shop)),
                 (201, [before[0] + 20, before[1] - 20]), back)
    over = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought, "amount": 31}))
    report.equal("up to what was paid", over.code, "refund_exceeds_purchase", over)
    rest = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought}))
    report.equal("and the rest", (rest.status, rest.json.get("amount")), (201, 30), rest)
    found = world.client.list("/v1/transactions?order=guest")
    report.equal("it is found by its order, once", [item["id"] for item in found], [bought], found)
    # With both wallets elsewhere.
    shop = world.shops[1]
    made = batch(world, transfer(here, there, 1),
                 {"type": "purchase", "wallet": there, "merchant": shop, "amount": 10})
    bought = made.json["results"][1]["id"]
    back = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought}))
    report.equal("also when its shard has neither wallet", back.status, 201, back)


class Whole(Work):
    """A batch of payments from all shards."""
    status = 200

    def now(self):
        return balances(self.world, *self.world.wallets, *self.world.fees)

    def send(self, client):
        wallets, funds = self.world.wallets, self.world.fees
        last = len(wallets) - 1
        return client.post("/v1/batches", body_of([
            transfer(wallets[0], wallets[1], 5), transfer(wallets[1], funds[0], 2),
            transfer(wallets[last], funds[1], 1), transfer(wallets[0], funds[0], 1)]),
                           key=self.key)

    def check(self, name):
        after = list(self.before)
        last = len(self.world.wallets) - 1
        for place, change in ((0, -6), (1, 3), (last, -1), (last + 1, 3), (last + 2, 1)):
            after[place] += change
        self.comes_to(f"{name}: all of it, once", after)


def moved(_, world):
    """Slots with what was done away from home change places, and all goes on."""
    here, there, shop = world.wallets[0], world.wallets[1], world.shops[1]
    made = batch(world, transfer(here, there, 1),
                 {"type": "purchase", "wallet": there, "merchant": shop, "amount": 40,
                  "idempotency_key": "moved"})
    bought = made.json["results"][1]["id"]
    for wallet, place in ((here, "b"), (there, "a")):
        move(world, wallet, place)
    back = patiently(lambda: world.client.post("/v1/refunds", {"purchase": bought, "amount": 15}))
    report.equal("its purchases are refunded", back.status, 201, back)
    again = patiently(lambda: world.client.post("/v1/purchases", {
        "wallet": there, "merchant": shop, "amount": 40}, key="moved"))
    report.equal("its keys remember", (again.replayed, again.json.get("id")), (True, bought), again)
    more = batch(world, transfer(here, there, 1), transfer(there, here, 1), key="moved-batch")
    report.equal("and batches go on", more.status, 200, more)


WORLD = ready(report, BINARY, 2)
for test in (fees, undone, earlier, refused_again, one_by_one, among_others, large, spending,
             refunds):
    report.run(test.__name__, test, WORLD)
killed(WORLD, Whole, STEPS)
report.run("moved", moved, WORLD)
ends(WORLD)
THREE = ready(report, BINARY, 3)
killed(THREE, Whole, on_the_third((0, 1, 4)), words_more=" on the third")
ends(THREE)
report.finish()
