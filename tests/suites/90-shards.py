#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Books on two PostgreSQL servers: becoming shards, routing, keys and rules on both, lists and
totals over both, old maps, and what is refused."""

import json
import os
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
report = Report("shards")
WAIT_S = 30


class World:
    """A server on two shards with wallets on each of them."""
    def __init__(self, wanted=3):
        self.server = florin.Server(florin=BINARY).start()
        self.client = self.server.client()
        self.wallets = ([], [])
        self.count = 0
        self.bought, self.others = [], []
        while min(map(len, self.wallets)) < wanted:
            self.open()
        self.shops, self.dollars, self.closed, self.closed_shops = ({}, {}, {}, {})
        while min(map(len, (self.shops, self.dollars, self.closed, self.closed_shops))) < 2:
            self.keep(self.shops, kind="merchant")
            closed = self.keep(self.closed_shops, kind="merchant")
            self.client.patch(f"/v1/wallets/{closed}", {"status": "closed"})
            self.keep(self.dollars, currency="USD")
            closed = self.keep(self.closed)
            self.client.patch(f"/v1/wallets/{closed}", {"status": "closed"})

    def open(self, kind="customer"):
        self.count += 1
        made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}", "currency": "EUR",
                                                "kind": kind})
        assert made.status == 201, made
        self.wallets[self.place(made.json["id"])].append(made.json["id"])
        return made.json["id"]

    def keep(self, places, **fields):
        self.count += 1
        made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}",
                                                "currency": "EUR", **fields}).json["id"]
        places[self.place(made)] = made
        self.others.append(made)
        return made

    @staticmethod
    def place(identifier):
        return shards.slot_of(identifier) * 2 // 1024

    def deposit(self, wallet, amount, bank=None, **options):
        self.count += 1
        return self.client.post("/v1/deposits", {
            "wallet": wallet, "amount": amount,
            "bank_transaction_id": bank or f"bank-{self.count}"}, **options)

    def transfer(self, source, target, amount, **options):
        return self.client.post("/v1/transfers",
                                {"from": source, "to": target, "amount": amount}, **options)

    def balance(self, wallet):
        return self.client.get(f"/v1/wallets/{wallet}").json["balance"]


def routing(_, world):
    for place in (0, 1):
        one, two = world.wallets[place][:2]
        report.equal("a deposit", world.deposit(one, 1000).status, 201)
        made = world.transfer(one, two, 300, key=f"transfer-{place}")
        report.equal(f"a transfer on shard {place}", made.status, 201, made)
        again = world.transfer(one, two, 300, key=f"transfer-{place}")
        report.equal("a key answers again", (again.json["id"], again.replayed),
                     (made.json["id"], True))
        report.equal("its id leads to it",
                     world.client.get(f"/v1/transactions/{made.json['id']}").json["amount"], 300)
        report.equal("both wallets have it", (world.balance(one), world.balance(two)), (700, 300))
        rows = SHARDS.sql(place, "SELECT count(*) FROM records WHERE kind = 2", world.server.data)
        report.equal("it lies on its own shard alone", rows, "2")
        history = world.client.get(f"/v1/wallets/{two}/transactions").json["items"]
        report.equal("its history has it", [item["id"] for item in history], [made.json["id"]])


def payments(_, world):
    """Between wallets of two shards."""
    for place in (0, 1):
        one, two = world.wallets[place][0], world.wallets[1 - place][2]
        before, there = world.balance(one), world.balance(two)
        made = world.transfer(one, two, 40, key=f"across-{place}")
        report.equal(f"a transfer from shard {place} to the other", made.status, 201, made)
        report.equal("its sides say what stands then",
                     (made.json["debit"]["balance"], made.json["credit"]["balance"]),
                     (before - 40, there + 40))
        report.equal("both wallets have it at once", (world.balance(one), world.balance(two)),
                     (before - 40, there + 40))
        for wallet in (one, two):
            proof = world.client.get(f"/v1/wallets/{wallet}/integrity").json
            report.equal("each wallet alone adds up", proof["consistent"], True, proof)
        again = world.transfer(one, two, 40, key=f"across-{place}")
        report.equal("a key answers again", (again.replayed, again.json["id"]),
                     (True, made.json["id"]))
        for wallet in (one, two):
            history = world.client.get(f"/v1/wallets/{wallet}/transactions").json["items"]
            shown = world.client.get(f"/v1/transactions/{made.json['id']}").json
            report.equal("it is in the history of both, the same", history[0], shown)
        back = world.transfer(two, one, 15)
        report.equal("and back", (back.status, world.balance(one), world.balance(two)),
                     (201, before - 25, there + 25), back)
        at = world.client.get(f"/v1/wallets/{two}/balance?at={back.json['created_at']}")
        report.equal("balances of the past know it", at.json.get("balance"), there + 25, at)
        batch = world.client.post("/v1/batches", {"atomic": place == 0, "operations": [
            {"type": "transfer", "from": one, "to": two, "amount": amount}
            for amount in (1, 2, 3)] + [
            {"type": "transfer", "from": one, "to": world.wallets[place][1], "amount": 4}]})
        report.equal("a batch of them", (batch.status, world.balance(two)), (200, there + 31),
                     batch)
        for body, code in (
                ({"from": one, "to": two, "amount": 10**9}, "insufficient_funds"),
                ({"from": one, "to": two[:-4] + "0000", "amount": 1}, "not_found"),
                ({"from": one, "to": world.dollars[1 - place], "amount": 1}, "currency_mismatch"),
                ({"from": one, "to": world.closed[1 - place], "amount": 1}, "wallet_closed")):
            refused = world.client.post("/v1/transfers", body)
            report.equal(f"{code} is found out on the other shard", refused.code, code, refused)
        bought = world.client.post("/v1/purchases", {"wallet": one, "merchant": two, "amount": 1})
        report.equal("a purchase needs a merchant there", bought.code, "not_a_merchant", bought)
        shop = world.shops[1 - place]
        bought = world.client.post("/v1/purchases", {"wallet": one, "merchant": shop,
                                                     "amount": 5, "order": f"order-{place}"})
        report.equal("and is one", (bought.status, world.balance(shop)), (201, 5), bought)
        found = world.client.list(f"/v1/transactions?order=order-{place}")
        report.equal("found by its order, once", [item["id"] for item in found],
                     [bought.json["id"]])
        world.bought.append(bought.json["id"])
    world.transfer(world.wallets[0][0], world.wallets[1][2], 9)
    moved = [SHARDS.sql(place, "SELECT transit FROM currencies WHERE code = 'EUR'",
                        world.server.data) for place in (0, 1)]
    report.equal("what is in transit sums to zero", sum(map(int, moved)), 0, moved)
    report.check("and is not nothing", moved[0] != "0", moved)


def holds(_, world):
    """For merchants of another shard: captured in parts, voided, expired."""
    for place in (0, 1):
        payer, shop = world.wallets[place][0], world.shops[1 - place]
        before, had = world.balance(payer), world.balance(shop)

        def hold(amount, payer=payer, shop=shop, **fields):
            return world.client.post("/v1/holds", {"wallet": payer, "merchant": shop,
                                                   "amount": amount, "expires_in": 600, **fields})

        made = hold(30, order=f"held-{place}")
        report.equal(f"a hold on shard {place} for the other", made.status, 201, made)
        path = f"/v1/holds/{made.json['id']}"
        for key in ("part", "part", "rest"):
            part = world.client.post(f"{path}/capture", {"amount": 12, "final": key != "part"},
                                     key=f"capture-{place}-{key}")
            report.equal("is captured", (part.status, part.json.get("credit", {}).get("account")),
                         (201, shop), part)
        report.equal("once for each key, on both shards",
                     (world.balance(payer), world.balance(shop)), (before - 24, had + 24))
        shown = world.client.get(path).json
        held = world.client.get(f"/v1/wallets/{payer}").json["held"]
        report.equal("and what is left is free", (shown["status"], shown["captured"], held),
                     ("captured", 24, 0))
        more = world.client.post(f"{path}/capture", {"amount": 1})
        report.equal("it is over", more.code, "hold_not_open", more)
        bought = world.client.list(f"/v1/transactions?order=held-{place}")
        report.equal("captures are purchases with the hold's order", len(bought), 2)
        voided = hold(5).json["id"]
        report.equal("a hold is voided", world.client.post(f"/v1/holds/{voided}/void").status, 200)
        short = hold(7, expires_in=1).json["id"]
        report.check("one runs out", within(WAIT_S, lambda i=short: world.client.get(
            f"/v1/holds/{i}").json["status"] == "expired"))
        report.check("and its money is free", within(WAIT_S, lambda p=payer: world.client.get(
            f"/v1/wallets/{p}").json["held"] == 0))
        for body, code in ((world.wallets[1 - place][2], "not_a_merchant"),
                           (world.closed_shops[1 - place], "wallet_closed"),
                           (world.dollars[1 - place], "currency_mismatch")):
            refused = hold(1, shop=body)
            report.equal(f"{code} is found out there", refused.code, code, refused)
        late = hold(9).json["id"]
        world.client.patch(f"/v1/wallets/{shop}", {"status": "frozen"})
        paid = world.client.post(f"/v1/holds/{late}/capture", {"amount": 4, "final": False})
        report.equal("a frozen merchant is paid", paid.status, 201, paid)
        stale = world.client.post(f"/v1/holds/{late}/capture", {"amount": 6})
        report.equal("more than is left is not", stale.code, "capture_exceeds_hold", stale)
        world.client.patch(f"/v1/wallets/{shop}", {"status": "active"})
        batch = world.client.post("/v1/batches", {"atomic": True, "operations": [
            {"type": "capture", "hold": late, "amount": 2, "final": False},
            {"type": "hold", "wallet": payer, "merchant": shop, "amount": 1, "expires_in": 600},
            {"type": "capture", "hold": late, "amount": 3}]})
        report.equal("an atomic batch of them", (batch.status, world.client.get(
            f"/v1/holds/{late}").json["captured"]), (200, 9), batch)


def refunds(_, world):
    """Decided where the purchase is, taken from a merchant of another shard."""
    for place in (0, 1):
        bought = world.bought[place]
        payer, shop = world.wallets[place][0], world.shops[1 - place]
        before, had = world.balance(payer), world.balance(shop)
        owner = world.client.get(f"/v1/wallets/{shop}").json["owner"]
        till = world.client.post("/v1/keys", {"name": "till", "role": "merchant",
                                              "owner": owner}).json
        with world.server.client(till["secret"]) as merchant:
            made = merchant.post("/v1/refunds", {"purchase": bought, "amount": 2}, key="refund")
            report.equal("a merchant refunds what he sold", made.status, 201, made)
            again = merchant.post("/v1/refunds", {"purchase": bought, "amount": 2}, key="refund")
            report.equal("once", (again.replayed, again.json.get("id")), (True, made.json["id"]),
                         again)
            shown = merchant.get(f"/v1/transactions/{bought}")
            report.equal("he sees his sale", (shown.status, shown.json.get("refunded")), (200, 2),
                         shown)
            held = world.client.post("/v1/holds", {"wallet": payer, "merchant": shop, "amount": 3,
                                                   "expires_in": 600}).json["id"]
            report.equal("and captures what is held for him",
                         merchant.post(f"/v1/holds/{held}/capture").status, 201)
            other = world.bought[1 - place]
            refused = merchant.post("/v1/refunds", {"purchase": other})
            report.equal("another's sale is not there", refused.code, "not_found", refused)
        report.equal("both wallets have it", (world.balance(payer), world.balance(shop)),
                     (before + 2 - 3, had - 2 + 3))
        history = world.client.get(f"/v1/wallets/{shop}/transactions").json["items"]
        report.check("it is in the merchant's history",
                     made.json["id"] in [item["id"] for item in history], history[:2])
        over = world.client.post("/v1/refunds", {"purchase": bought, "amount": 4})
        report.equal("not more than was paid", over.code, "refund_exceeds_purchase", over)
        world.client.patch(f"/v1/wallets/{shop}", {"status": "frozen"})
        refused = world.client.post("/v1/refunds", {"purchase": bought, "amount": 1})
        report.equal("a frozen merchant pays nothing", refused.code, "wallet_frozen", refused)
        world.client.patch(f"/v1/wallets/{shop}", {"status": "active"})
        world.transfer(shop, world.wallets[place][1], world.balance(shop))
        refused = world.client.post("/v1/refunds", {"purchase": bought, "amount": 1})
        report.equal("nor does an empty one", refused.code, "insufficient_funds", refused)
        world.transfer(world.wallets[1 - place][1], shop, 50)
        version = world.client.get(f"/v1/wallets/{shop}").json["version"]
        stale = world.client.post("/v1/refunds", {"purchase": bought, "amount": 1},
                                  headers={"If-Match": f'"{version - 1}"'})
        report.equal("versions are the merchant's", stale.code, "version_mismatch", stale)
        rest = world.client.post("/v1/refunds", {"purchase": bought},
                                 headers={"If-Match": f'"{version}"'})
        report.equal("and the rest", (rest.status, rest.json.get("amount")), (201, 3), rest)


def crowd(_, world):
    """Payments between both shards from many at once: nothing is lost, doubled or stuck."""
    wallets = world.wallets[0][:3] + world.wallets[1][:3]
    before = sum(map(world.balance, wallets))
    answers = []

    def play(number):
        with world.server.client() as client:
            for turn in range(20):
                source = wallets[(number + turn) % 6]
                target = wallets[(number + turn * 5 + 1) % 6]
                if source != target:
                    answers.append(client.post(
                        "/v1/transfers", {"from": source, "to": target, "amount": 1 + turn},
                        key=f"crowd-{number}-{turn}"))

    players = [threading.Thread(target=play, args=(number,)) for number in range(8)]
    for player in players:
        player.start()
    for player in players:
        player.join(180)
    odd = [answer for answer in answers
           if answer.status != 201 and answer.code not in ("insufficient_funds", "busy")]
    report.equal("all are answered", odd, [])
    report.equal("no money is made or lost", sum(map(world.balance, wallets)), before)
    done = sum(answer.status == 201 for answer in answers)
    report.check("and most of them are done", done > len(answers) // 2, f"{done}/{len(answers)}")


def many_at_once(_, world):
    """A round that may have more records than its shard has numbers of a millisecond gets all
    numbers of one that no other shard takes any of."""
    whole = ("SELECT count(*) FILTER (WHERE (first_record >> 17) % 4 = 3 AND "
             "(first_record >> 19) % 16 = shard_number AND first_record >> 17 = "
             "(first_record + r.record_count - 1) >> 17) || ' of ' || count(*) "
             "FROM rounds r, books WHERE r.record_count >= 5000")
    for place, (source, target) in enumerate((own[0], own[1]) for own in world.wallets):
        assert world.deposit(source, 5000).status == 201
        before = world.balance(target)
        with world.server.client(timeout=120.0) as patient:
            made = patient.post("/v1/batches", {"operations": [
                {"type": "transfer", "from": source, "to": target, "amount": 1}] * 5000})
        report.equal(f"5,000 payments of shard {place}", (made.status, {
            one.get("code") for one in made.json["results"]}), (200, {None}), made)
        report.equal("have numbers that are its own", SHARDS.sql(
            place, whole, world.server.data), "1 of 1")
        report.equal("and are paid", world.balance(target), before + 5000)


def batches(_, world):
    operations = []
    for turn in range(10):
        wallets = world.wallets[turn % 2]
        operations.append({"type": "transfer", "from": wallets[0], "to": wallets[1],
                           "amount": 1 + turn})
    done = world.client.post("/v1/batches", {"operations": operations})
    amounts = [item.get("amount") for item in done.json["results"]]
    report.equal("a batch over both shards is done, in its order", amounts, list(range(1, 11)),
                 done)


def bank_ids(_, world):
    """Deposits and withdrawals whose bank id has its slot on either shard."""
    for place in (0, 1):
        wallet, other = world.wallets[place][1], world.wallets[1 - place][1]
        before = world.balance(wallet)
        ids = [f"tx-{place}-{number}" for number in range(24)]
        made = [world.deposit(wallet, 10, bank, key=f"key-{bank}") for bank in ids]
        report.equal(f"deposits on shard {place}", [item.status for item in made], [201] * 24)
        report.equal("each counts once", world.balance(wallet), before + 240)
        again = [world.deposit(wallet, 10, bank, key=f"key-{bank}") for bank in ids]
        report.equal("retries are answered again",
                     [(item.replayed, item.json["id"]) for item in again],
                     [(True, item.json["id"]) for item in made])
        twice = [world.deposit(other, 10, bank) for bank in ids]
        report.equal("the bank's ids are unique over all shards",
                     {item.code for item in twice}, {"duplicate_bank_transaction"})
        found = [world.client.list(f"/v1/transactions?bank_transaction_id={bank}") for bank in ids]
        report.equal("each is found by its bank's id",
                     [[item["id"] for item in items] for items in found],
                     [[item.json["id"]] for item in made])
        asked = [world.client.post("/v1/withdrawals", {"wallet": wallet, "amount": 1}).json["id"]
                 for _ in range(6)]
        settled = [world.client.post(f"/v1/withdrawals/{wanted}/settle",
                                     {"bank_transaction_id": f"out-{place}-{number}"})
                   for number, wanted in enumerate(asked)]
        report.equal("withdrawals are settled", [item.status for item in settled], [200] * 6,
                     settled[0])
        batch = world.client.post("/v1/batches", {"atomic": place == 1, "operations": [
            operation for number in range(8) for operation in (
                {"type": "deposit", "wallet": wallet, "amount": 7,
                 "bank_transaction_id": f"batch-{place}-{number}"},
                {"type": "transfer", "from": wallet, "to": world.wallets[place][0],
                 "amount": 7})]})
        report.equal("a batch of deposits that are spent at once", batch.status, 200, batch)
    rows = [SHARDS.sql(place, "SELECT count(*) FROM bank_ids WHERE record = 0",
                       world.server.data) for place in (0, 1)]
    report.check("each shard has bank ids of the other's", min(map(int, rows)) > 0, rows)
    prepared = [SHARDS.clusters[place].sql("SELECT count(*) FROM pg_prepared_xacts", "postgres")
                for place in (0, 1)]
    report.equal("nothing is left in doubt", prepared, ["0", "0"])
    gone = within(WAIT_S, lambda: all(SHARDS.sql(place, "SELECT count(*) FROM decisions",
                                        world.server.data) == "0" for place in (0, 1)))
    report.check("decisions go when their legs are finished", gone)


def lists(_, world):
    wallets = sorted(sum(world.wallets, []) + world.others)
    shown = [item["id"] for item in world.client.list("/v1/wallets?limit=2")]
    report.equal("all wallets are listed once, page by page", sorted(shown), wallets)
    times = [item["created_at"] for item in world.client.list("/v1/transactions?limit=3")]
    report.equal("transactions of both come newest first", times, sorted(times, reverse=True))
    report.equal("and all of them", len(times), 14 + 2 * (24 + 6 + 16))
    entries = {limit: world.client.list(f"/v1/audit?limit={limit}&to={times[0]}")
               for limit in (1, 4, 1000)}
    report.equal("the audit is the same one by one", entries[1], entries[1000])
    report.equal("and by four", entries[4], entries[1000])
    rows = [int(SHARDS.sql(place, "SELECT count(*) FROM records WHERE kind = 1",
                           world.server.data)) for place in (0, 1)]
    opened = [item for item in entries[1000]
              if item["operation"] in ("openWallet", "changeWallet")]
    report.equal("it has what was done on both", (len(opened), min(rows) > 0), (sum(rows), True),
                 entries[1000][:1])
    owner = world.client.list("/v1/wallets?owner=owner-2")
    report.equal("an owner's wallets are found", len(owner), 1)


def totals(_, world):
    answer = world.client.get("/check-integrity")
    found = {item["currency"]: item for item in answer.json["currencies"]}["EUR"]
    euros = len(sum(world.wallets, [])) + len(world.others) - len(world.others) // 4
    report.equal("the totals are those of both",
                 (answer.json["consistent"], found["deposits"], found["wallet_balances"],
                  found["wallets"], found["difference"]), (True, 2592, 2580, euros, 0), answer)
    full = world.client.get("/check-integrity?depth=full")
    report.equal("a full check adds both up", full.json["consistent"], True, full)
    counts = {check["check"]: check["count"] for check in full.json["checked"]}
    rows = [int(SHARDS.sql(place, "SELECT transaction_count FROM books", world.server.data))
            for place in (0, 1)]
    report.equal("and looks at all transactions", counts.get("postings"), sum(rows), counts)


def keys(world):
    other = florin.Server(florin=BINARY, data=world.server.data + "-other")
    SHARDS.books[other.data] = world.server.data
    other.start()
    secret = world.client.post("/v1/keys", {"name": "payer", "role": "service"}).json
    for place in (0, 1):
        wallets = world.wallets[place]
        with world.server.client(secret["secret"]) as payer:
            made = payer.post("/v1/transfers", {"from": wallets[0], "to": wallets[1], "amount": 1})
            report.equal(f"a new key pays on shard {place} at once", made.status, 201, made)
        with other.client(secret["secret"]) as payer:
            report.check("and on another node", within(WAIT_S, lambda p=payer: p.get(
                f"/v1/wallets/{wallets[0]}").status == 200))
    world.client.delete(f"/v1/keys/{secret['id']}")
    with world.server.client(secret["secret"]) as payer:
        report.equal("a revoked one does nothing any more",
                     payer.get(f"/v1/wallets/{world.wallets[1][0]}").status, 401)
    with other.client(secret["secret"]) as payer:
        started = time.monotonic()
        gone = within(WAIT_S, lambda: payer.get(f"/v1/wallets/{world.wallets[1][0]}").status == 401)
        report.check("nor does it on another node", gone, time.monotonic() - started)
    revoked = [SHARDS.sql(place, "SELECT count(*) FROM keys WHERE revoked", world.server.data)
               for place in (0, 1)]
    report.equal("every shard knows", revoked, ["1", "1"])
    return other


def old_map(_, world, other):
    """Slots without anything in them change hands behind the backs of two nodes."""
    owners = [f"late-{number}" for number in range(40)]
    free = []
    used = {shards.slot_of(wallet) for wallet in sum(world.wallets, []) + world.others}
    SHARDS.give(world.server.data, "slot BETWEEN 600 AND 1023 AND slot NOT IN "
                f"({','.join(map(str, used | {0}))})", 1, 0)
    for node in (world.server, other):
        with node.client(world.server.admin_secret) as client:
            for owner in owners:
                made = client.post("/v1/wallets", {"owner": owner, "currency": "EUR"})
                free.append(made.status)
    report.equal("who has an old map is sent on", free, [201] * 80)
    with other.client(world.server.admin_secret) as client:
        report.equal("nothing is there twice",
                     [len(client.list(f"/v1/wallets?owner={owner}")) for owner in owners],
                     [2] * 40)
    there = SHARDS.sql(1, "SELECT count(*) FROM wallets WHERE slot IN "
                          "(SELECT slot FROM slots WHERE state = 1)", world.server.data)
    report.equal("nobody wrote where the slots were before", there, "0")
    both = SHARDS.sql(0, "SELECT count(*) FROM wallets WHERE slot >= 600", world.server.data)
    report.check("but where they are now", int(both) > 0, both)


def showing(_, world):
    path = os.path.join(world.server.home, "config.json")
    said = world.server.command_line("shards", "--config", path)
    lines = said.stdout.splitlines()
    report.equal("florin shards shows both", [line.split()[0] for line in lines[:3]],
                 ["shard", "a", "b"], said)
    report.check("and how even they are", "The fullest shard" in lines[3], said)
    lines = lines[:3]
    report.equal("and all slots", sum(int(line.split()[1]) for line in lines[1:]), 1024, said)


def old_partitions(_, world):
    """History of shards is not archived, and whoever tries is told before anything is changed."""
    for place, one in enumerate(SHARDS.clusters):
        said = world.server.command_line("partitions", "--postgres", one.url(
            one.database_for(world.server.data)), "detach", "--before", "2020-01")
        report.check(f"old partitions: shard {place} says no", said.returncode == 1 and
                     "several shards" in said.stderr, str(said))


def starts(_, world):
    """What must not be served."""
    setting = SHARDS.setting(world.server.data)
    usual = florin.Server.usual_command
    command, florin.Server.command = florin.Server.command, usual
    try:
        for name, config, words in (
                ("a shard alone", None, "are the shard"),
                ("one that is missing", {"shards": [setting[0], {
                    "name": "c", "url": SHARDS.clusters[1].url(
                        SHARDS.clusters[1].database_for("empty"))}]},
                 'the shard "b" is missing in the configuration'),
                ("one under another's name", {"shards": [
                    dict(setting[0], name="b"), dict(setting[1], name="a")]}, "is called"),
                ("replicas beside the shards", {"shards": setting,
                                               "postgres_replicas": ["host=x"]},
                 "each shard names its own replicas"),
                ("a name twice", {"shards": [setting[0], setting[0]]}, "each name once")):
            server = florin.Server(florin=BINARY, config=config)
            if config is None:
                words_before = server.command
                server.command = lambda w=words_before: w() + ["--postgres", setting[0]["url"]]
            refused = server.refused()
            report.check(f"{name} is refused", refused is not None and words in refused[1], refused)
    finally:
        florin.Server.command = command


def strangers(_, world):
    """A url that leads to an empty database in place of the one that was served: were it taken for
    that shard, half of all wallets would be gone. So with each of both; also when the books were
    made by a version that did not note who belongs to them, or a first start was killed before."""
    setting = SHARDS.setting(world.server.data)
    usual = florin.Server.usual_command
    command, florin.Server.command = florin.Server.command, usual
    as_before = {
        "noted": [],
        "of before": ["DROP TABLE IF EXISTS members",
                      "DELETE FROM privileges WHERE on_what = 'members'",
                      "DELETE FROM migrations WHERE number = 170"]}
    try:
        for name, statements in as_before.items():
            for place in (0, 1):
                for one in (0, 1):
                    for statement in statements:
                        SHARDS.sql(one, statement, world.server.data)
                empty = f"empty, {name}, {place}"
                url = SHARDS.clusters[place].url(SHARDS.clusters[place].database_for(empty))
                wrong = [dict(one, url=url) if at == place else one
                         for at, one in enumerate(setting)]
                refused = florin.Server(florin=BINARY, config={"shards": wrong}).refused()
                words = f'the shard "{"ab"[place]}" has been served before'
                report.check(f"strangers, {name}: {'ab'[place]} is another database", (
                    refused is not None and words in refused[1] and
                    "is the url right?" in refused[1]), refused)
                report.equal("and is none of these books", SHARDS.sql(
                    place, "SELECT shard IS NULL FROM books", empty), "t")
        SHARDS.sql(0, "DELETE FROM members", world.server.data)  # the other's is gone
    finally:
        florin.Server.command = command


def left_out(_):
    """A shard without a slot has its history still, and its part of what the sums are made of: it
    stays in the list. Who compares halves is told, too, and who has mistaken a url."""
    server = florin.Server(florin=BINARY)
    two = SHARDS.setting(server.data)
    three = two + [{"name": "c", "url": SHARDS.clusters[0].url(
        SHARDS.clusters[0].database_for("third"))}]
    swapped = [dict(three[0], url=two[1]["url"]), dict(three[1], url=two[0]["url"]), three[2]]
    usual, florin.Server.command = florin.Server.command, florin.Server.usual_command
    try:
        for setting in (two, three):  # it is added later, and has no slot
            server.config = {"shards": setting}
            server.start()
            report.equal("left out: it stops in order", server.stop(), 0)
        server.config = {"shards": two}
        refused = server.refused()
        report.check("left out: one without slots is refused", refused is not None and
                     'the shard "c" is missing in the configuration' in refused[1], refused)
        path = os.path.join(server.home, "some.json")
        for name, setting, code, words in (
                ("two", two, 2, 'the shard "c" is missing'),
                ("swapped", swapped, 2, 'the shard "a" is called "b" by its database'),
                ("three", three, 0, "is whole")):
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"shards": setting}, file)
            said = server.command_line("shards", "reconcile", "--config", path)
            report.check(f"left out: {name} compared", said.returncode == code and
                         words in said.stdout + said.stderr, said)
    finally:
        florin.Server.command = usual


class Forgetting:
    """Two shards, and a third one that is in the list by mistake."""
    def __init__(self):
        self.server = florin.Server(florin=BINARY)
        self.two = SHARDS.setting(self.server.data)
        self.three = self.two + [{"name": "c", "url": SHARDS.clusters[0].url(
            SHARDS.clusters[0].database_for("by mistake"))}]

    def command(self, setting, *words):
        path = os.path.join(self.server.home, "some.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"shards": setting}, file)
        said = self.server.command_line("shards", *words, "--config", path)
        return said.returncode, said.stdout + said.stderr

    def serve(self, setting, act=lambda client: None):
        self.server.config = {"shards": setting}
        result = act(self.server.start().client())
        report.equal("forgotten: it stops in order", self.server.stop(), 0, self.server.log())
        return result

    def known(self):
        return [SHARDS.sql(place, "SELECT string_agg(shard, ' ' ORDER BY shard) FROM members",
                           self.server.data) for place in (0, 1)]

    def refused(self, name, setting, words, *names):
        code, text = self.command(setting, "forget", *(names or ("c",)))
        report.check(f"forgotten: {name}", code == 1 and words in text and
                     "has forgotten" not in text, text)

    def told(self, name, *names):
        two_times = (f'"a" {name}.\n"b" {name}.\n')
        report.equal(f"forgotten: {name}", self.command(self.two, "forget", *names),
                     (0, two_times))

    def mistaken(self):
        """Whoever has mistaken something else changes nothing."""
        away = [self.two[0], dict(self.two[1], url="host=/nowhere dbname=florin")]
        swapped = [dict(self.two[0], url=self.two[1]["url"]),
                   dict(self.two[1], url=self.two[0]["url"])]
        self.refused("it is still in the list", self.three, "the configuration still has it")
        self.refused("a wrong name", self.two, "is no name of a shard", "c", "C'")
        self.refused("a shard is away", away, 'the shard "b"')
        self.refused("urls are mistaken", swapped, "is its url right?")
        report.equal("forgotten: which are not told", self.command(self.two, "forget")[0], 2)
        self.server.config = {"shards": self.two}
        told = self.server.refused()
        report.check("forgotten: a start says how", told is not None and
                     "florin shards forget c" in told[1], told)
        report.equal("forgotten: all know it still", self.known(), ["a b c"] * 2)

    def used(self, wallet):
        """Once it has done something it stays."""
        slot, home = str(shards.slot_of(wallet)), "ab"[World.place(wallet)]
        report.equal("forgotten: it can be added again", self.command(self.three, "prepare")[0], 0)
        moved = self.command(self.three, "move", slot, "--to", "c")
        report.equal("forgotten: now it has a slot", moved[0], 0, moved)
        self.refused("it has a slot", self.two, f"1 slots, the first of them {slot}, are on none")
        paid = self.serve(self.three, lambda client: client.post("/v1/deposits", {
            "wallet": wallet, "amount": 7, "bank_transaction_id": "of-c"}))
        report.equal("forgotten: and does something", paid.status, 201, paid)
        moved = self.command(self.three, "move", slot, "--to", home)
        report.equal("forgotten: the slot goes back", moved[0], 0, moved)
        self.refused("it has a history", self.two,
                     "came along with a slot from a shard that is missing")
        report.equal("forgotten: all know it then", self.known(), ["a b c"] * 2)
        report.equal("forgotten: the books are whole", self.serve(
            self.three, lambda client: client.get("/check-integrity?depth=full"))["consistent"],
            True)


def forgotten(_):
    """A shard that was in the list by mistake, and served, is taken out of what the others know;
    one that has slots, or has had some and done something there, is not."""
    it = Forgetting()
    usual, florin.Server.command = florin.Server.command, florin.Server.usual_command
    try:
        it.serve(it.two)
        wallet = it.serve(it.three, lambda client: client.post("/v1/wallets", {
            "owner": "owner", "currency": "EUR"}))["id"]
        it.mistaken()
        it.told('has forgotten "c"', "c")
        report.equal("forgotten: on both", it.known(), ["a b"] * 2)
        it.told("did not know of it", "c", "never")
        report.equal("forgotten: it serves without", it.serve(
            it.two, lambda client: client.get(f"/v1/wallets/{wallet}").status), 200)
        it.used(wallet)
    finally:
        florin.Server.command = usual


def one_shard(_):
    """A list of one is the plain database."""
    server = florin.Server(florin=BINARY, config={"shards": SHARDS.setting("alone")[:1]})
    usual, florin.Server.command = florin.Server.command, florin.Server.usual_command
    try:
        server.start()
        report.equal("one shard is a plain database", SHARDS.sql(
            0, "SELECT shard IS NULL FROM books", "alone"), "t")
        server.stop()
    finally:
        florin.Server.command = usual


def stops(_, world):
    """What one shard's wallet shows stops payments on all of them, until somebody decides."""
    def pay():
        return [world.transfer(*pair, 1).code or 201 for pair in
                (world.wallets[0][:2], world.wallets[1][:2])]

    def begin(**config):
        world.server.config = {"recount_mib_per_s": 0, **config}
        world.server.start()
        world.client = world.server.client()

    begin(alarm_stops_payments=1)
    for pair in world.wallets:
        world.deposit(pair[0], 50)
    report.equal("both pay", pay(), [201, 201])
    early = world.client.post("/check-integrity/resume", key="early")
    report.equal("nothing is to be decided", early.get("status"), "ok", early)
    wallet = world.client.get(f"/v1/wallets/{world.wallets[1][0]}")
    SHARDS.sql(1, "UPDATE wallets SET balance = balance + 7 WHERE owner = "
                  f"'{wallet['owner']}'::bytea", world.server.data)
    report.equal("a wallet differs", world.client.get(
        f"/v1/wallets/{wallet['id']}/integrity")["consistent"], False)
    report.equal("all payments stop", pay(), ["payments_stopped"] * 2)
    report.check("it is written", within(WAIT_S, lambda: [
        entry for entry in world.client.list("/v1/audit?operation=alarm")
        if entry["principal"] == "system"]))
    report.equal("it stops in order", world.server.stop(), 0)
    begin(alarm_stops_payments=0)
    report.equal("a restart decides nothing", pay(), ["payments_stopped"] * 2)
    early = world.client.post("/check-integrity/resume", key="early")
    report.equal("what was asked before decides nothing of it", (
        early.get("status"), early.replayed, pay()), ("ok", True, ["payments_stopped"] * 2), early)
    for replayed in (False, True):
        late = world.client.post("/check-integrity/resume", key="late")
        report.equal("somebody decides, once", (late.get("status"), late.replayed),
                     ("resumed", replayed), late)
    report.equal("and all pay again", pay(), [201, 201])
    report.equal("it stops in order", world.server.stop(), 0)


shards.serve_from(SHARDS)

WORLD = World()
for step in (routing, batches, bank_ids, lists, payments, holds, refunds, crowd,
             totals, many_at_once):
    report.run(step.__name__, step, WORLD)
if WORLD.server.process.poll() is not None:
    print(WORLD.server.log())
OTHER = keys(WORLD)
report.run("old map", old_map, WORLD, OTHER)
report.run("showing", showing, WORLD)
LAST = WORLD.balance(WORLD.wallets[1][0])
for server in (WORLD.server, OTHER):
    report.equal("it stops in order", server.stop(), 0, server.log())
verified = WORLD.server.verify()
report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)
report.run("old partitions", old_partitions, WORLD)
report.run("starts", starts, WORLD)
report.run("strangers", strangers, WORLD)
report.run("left out", left_out)
report.run("forgotten", forgotten)
report.run("one shard", one_shard)
WORLD.server.start()
report.equal("and all is there after a restart", WORLD.balance(WORLD.wallets[1][0]), LAST)
report.equal("who belongs to the books is noted again", [SHARDS.sql(
    place, "SELECT string_agg(shard, ' ' ORDER BY shard) FROM members", WORLD.server.data)
    for place in (0, 1)], ["a b"] * 2)
report.equal("it stops again", WORLD.server.stop(), 0)
report.run("stops", stops, WORLD)
if report.failed:
    print(WORLD.server.log()[-3000:])
report.finish()
