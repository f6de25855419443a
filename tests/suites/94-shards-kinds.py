#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which books' slots move: those of books that came from the other engine do, with what their ids
and chains began with; slot 0, archived history, encrypted texts and places in logs stay, and a
sentence says why and what to do."""

import os
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
USUAL = florin.Server.command
report = Report("shards kinds")


def live(client, turns, name):
    """Owners with several wallets, and payments of each kind between them."""
    wallets = [client.post("/v1/wallets", {"owner": f"{name}-{number // 3}", "currency": "EUR",
                                           "kind": ("customer", "merchant")[number % 2]}).json["id"]
               for number in range(18)]
    for number, wallet in enumerate(wallets):
        slots.patiently(lambda w=wallet, n=number: client.post("/v1/deposits", {
            "wallet": w, "amount": 1000, "bank_transaction_id": f"{name}-{n}"}, key=f"{name}-{n}"))
    for turn in range(turns):
        one, two = wallets[turn * 2 % 18], wallets[(turn * 4 + 3) % 18]
        bought = client.post("/v1/purchases", {"wallet": one, "merchant": two, "amount": 5,
                                               "order": f"{name}-{turn}"}, key=f"{name}-buy-{turn}")
        if turn % 3 == 0:
            client.post("/v1/refunds", {"purchase": bought["id"], "amount": 2})
            client.post("/v1/holds", {"wallet": one, "merchant": two, "amount": 3,
                                      "expires_in": 3600})
            client.post("/v1/withdrawals", {"wallet": one, "amount": 1})
    return wallets


def seen(client, wallets):
    found = {wallet: (client.get(f"/v1/wallets/{wallet}").json,
                      client.list(f"/v1/wallets/{wallet}/transactions?limit=9"))
             for wallet in wallets}
    for path in ("wallets", "transactions", "holds", "withdrawals"):
        found[path] = client.list(f"/v1/{path}?limit=50")
    return found


def examined(server, client, wallets, name):
    said = server.verify()
    report.equal(f"{name}: each shard verifies", said.returncode, 0, said.stdout + said.stderr)
    full = client.get("/check-integrity?depth=full")
    report.equal(f"{name}: the server's full check", full.json.get("consistent"), True, full)
    wrong = [one for one in (client.get(f"/v1/wallets/{wallet}/integrity") for wallet in wallets)
             if one.json.get("consistent") is not True]
    report.equal(f"{name}: wallets are proved alone", wrong, [])


def from_a_folder():
    """An embedded server's books, in the database of the first shard."""
    old = florin.Server(florin=BINARY)
    florin.Server.command, command = USUAL, florin.Server.command
    try:
        old.start()
        with old.client() as client:
            wallets = live(client, 30, "old")
            client.post("/v1/wallets", {"owner": "old-9", "currency": "EUR"})
        secret = old.admin_secret
        report.equal("the old server stops", old.stop(), 0)
    finally:
        florin.Server.command = command
    server = florin.Server(florin=BINARY)
    url = SHARDS.setting(server.data)[0]["url"]
    said = subprocess.run([BINARY, "migrate-engine", "--from-data", old.data, "--to-postgres", url],
                          capture_output=True, text=True, check=False, timeout=120)
    report.equal("the books move into a database", said.returncode, 0, said.stdout + said.stderr)
    return server, secret, wallets


def moved_in(_):
    server, secret, wallets = from_a_folder()
    server.start()
    with server.client(secret) as client:
        before = seen(client, wallets)
        chosen = sorted({shards.slot_of(wallet) for wallet in wallets} - {0})[:3]
        for slot in chosen:
            said = slots.move(SHARDS, server, slot, "b")
            report.equal(f"slot {slot} moves", said.returncode, 0, said.stdout + said.stderr)
        report.equal("the API shows the same", seen(client, wallets), before)
        examined(server, client, wallets, "moved")
        again = client.post("/v1/purchases", {
            "wallet": wallets[0], "merchant": wallets[3], "amount": 5, "order": "old-0"},
            key="old-buy-0")
        report.equal("a key from the other engine is known", (again.status, again.replayed),
                     (201, True), again)
        live(client, 10, "new")
        examined(server, client, wallets, "with payments since")
        between = seen(client, wallets)
        said = slots.move(SHARDS, server, chosen[0], "a")
        report.equal("one comes back", said.returncode, 0, said.stdout + said.stderr)
        report.equal("and shows the same", seen(client, wallets), between)
        examined(server, client, wallets, "back again")
    report.equal("the server stops in order", server.stop(), 0, server.log()[-2000:])


REASONS = [  # what is there, and gone again, and what the sentence says
    ("archived history", 0, "UPDATE extent SET archived = 1", "UPDATE extent SET archived = 0",
     "history there was archived", "give its database a larger server"),
    ("archived history of the target", 1, "UPDATE extent SET archived = 1",
     "UPDATE extent SET archived = 0", "history there was archived",
     "give its database a larger server"),
    ("records that were kept", 0,
     "INSERT INTO kept_records VALUES ({slot}, 1, '\\x00')",
     "DELETE FROM kept_records WHERE slot = {slot}", "history of the slot was archived",
     "give its database a larger server"),
    ("a table of a newer version", 1, "CREATE TABLE added (slot smallint)", "DROP TABLE added",
     "cannot move", "newer florin"),
]


def refused(_):
    server = florin.Server(florin=BINARY).start()
    with server.client() as client:
        wallets = live(client, 4, "kinds")
        slot = next(slot for slot in map(shards.slot_of, wallets) if 0 < slot < 512)
        before = seen(client, wallets)
        said = slots.move(SHARDS, server, 0, "b")
        report.check("slot 0 stays, and its shard with it", said.returncode == 1 and
                     "keys, rules and notes" in said.stderr and "every other slot" in said.stderr,
                     said)
        for name, place, there, gone, why, what in REASONS:
            SHARDS.sql(place, there.format(slot=slot), server.data)
            said = slots.move(SHARDS, server, slot, "b")
            SHARDS.sql(place, gone.format(slot=slot), server.data)
            report.check(f"{name}: refused at once, with why and what to do",
                         said.returncode == 1 and why in said.stderr and what in said.stderr and
                         said.stderr.count("stays on") == 1, said)
        report.equal("nothing has moved", (slots.owners(SHARDS, server.data, slot),
                                           seen(client, wallets) == before), ([0], True))
        SHARDS.sql(0, "UPDATE extent SET archived = 1", server.data)
        said = slots.command(SHARDS, server, "balance", "--dry-run")
        SHARDS.sql(0, "UPDATE extent SET archived = 0", server.data)
        report.check("nor does it take part when slots are spread, which is said once",
                     said.returncode == 0 and said.stdout.count("history of it was archived") == 1
                     and 'The slots of "a" stay, and none come there' in said.stdout and
                     "give its database a larger server" in said.stdout, said)
        said = slots.move(SHARDS, server, slot, "b")
        report.equal("without any of that it moves", said.returncode, 0, said.stderr)
    report.equal("it stops in order", server.stop(), 0, server.log()[-2000:])


shards.serve_from(SHARDS)
report.run("moved in", moved_in)
report.run("refused", refused)
report.finish()
