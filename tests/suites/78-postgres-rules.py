#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules that look at payments, unchanged, with the books in a real PostgreSQL."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import backtest  # noqa: E402
import cluster  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()


def url_of(server):
    return CLUSTER.url(CLUSTER.database_for(server.data))


def expanded(packed):
    """The bytes as earlier versions kept them: a bit for each word, then those that are not 0."""
    data = bytes.fromhex(packed)
    mask, words, at = int.from_bytes(data[:5], "little"), b"", 5
    for word in range(39):
        used = mask >> word & 1
        words += data[at:at + 8] if used else bytes(8)
        at += 8 * used
    assert at == len(data), packed
    return words.hex()


def packed(report, binary):
    """Habits are kept without their words that are 0, once no node reads them otherwise. Rows that
    were written before are read as they are, and counted on."""
    fifth = rules.rule("fifth-in-hour", "refuse", count_in_hour=5, operations=["transfer"])
    with florin.serving(florin=binary, config=rules.config([fifth])) as server:
        database = CLUSTER.database_for(server.data)

        def sizes():
            return [int(size) for size in CLUSTER.sql(
                "SELECT octet_length(habits) FROM florin.wallets WHERE habits IS NOT NULL "
                "ORDER BY number", database).split()]

        def state():
            done = server.command_line("state-hash", "--postgres", CLUSTER.url(database))
            return done.stdout, done.returncode

        def switch(word):
            CLUSTER.sql(f"UPDATE florin.books SET habits_packed = {word}", database)

        world = rules.World(server, report)
        payers = [world.wallet(10_000) for _ in range(3)]
        shop = world.wallet(kind="merchant")

        def pay(*who):
            return [world.transfer(payer, shop, 100 + index).status
                    for index, payer in enumerate(who)]

        report.equal("packed: two payments each", pay(*payers, *payers), [201] * 6)
        report.check("packed: new books keep few bytes", all(size < 100 for size in sizes()),
                     sizes())
        server.stop()
        before = state()
        for row in CLUSTER.sql("SELECT number || ' ' || encode(habits, 'hex') FROM florin.wallets "
                               "WHERE habits IS NOT NULL", database).splitlines():
            number, habits = row.split()
            CLUSTER.sql(f"UPDATE florin.wallets SET habits = '\\x{expanded(habits)}' "
                        f"WHERE number = {number}", database)
        report.equal("packed: the rows of an earlier version", sizes(), [312] * 3)
        report.equal("packed: are the same state", state(), before)
        server.start()  # who has not seen them reads them
        world = rules.World(server, report)
        switch("false")
        report.equal("packed: a third payment", pay(payers[0]), [201])
        report.equal("packed: nothing is packed while older nodes serve", sizes(), [312] * 3)
        switch("true")
        report.equal("packed: a third and a fourth", pay(*payers, *payers[1:]), [201] * 5)
        report.check("packed: what is written then is", all(size < 100 for size in sizes()),
                     sizes())
        server.restart()
        world = rules.World(server, report)
        report.equal("packed: all were counted, once", pay(*payers), [422] * 3)
        many_at_once(report, server, world)
        report.equal("packed: exit status", server.stop(), 0)
        verified = server.verify()
        report.equal("packed: verify", verified.returncode, 0, verified.stdout + verified.stderr)


def many_at_once(report, server, world):
    """So many wallets that each partition has a statement of its own."""
    def batch(client, operations):
        return client.post("/v1/batches", {"operations": operations})["results"]

    ids = [made["id"] for made in batch(world.admin, [
        {"type": "wallet", "owner": f"many-{number}", "currency": "USD"} for number in range(220)])]
    payers, payees = ids[:110], ids[110:]
    batch(world.admin, [{"type": "deposit", "wallet": payer, "amount": 100,
                         "bank_transaction_id": f"many-{payer}"} for payer in payers])
    once = [{"type": "transfer", "from": payer, "to": payee, "amount": 7}
            for payer, payee in zip(payers, payees)]
    made = batch(world.service, once * 4)
    report.equal("many: four payments each", [one for one in made if "code" in one], [])
    server.restart()
    world = rules.World(server, report)
    report.equal("many: all were counted", {one.get("code") for one in batch(world.service, once)},
                 {"refused_by_rule"})
    report.equal("many: and paid", {world.money(payee)[0] for payee in payees[::9]}, {28})


cluster.serve_from(CLUSTER)
rules.run_all("postgres rules", BINARY, [
    ("tried on history", lambda report, binary: backtest.in_a_database(report, binary, url_of)),
    ("packed habits", packed)])
