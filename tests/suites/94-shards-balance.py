#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A third, empty shard is added to two, and `florin shards balance` spreads slots, load and size
over all three while payments go on; it is stopped and killed in between and goes on."""

import os
import re
import signal
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
report = Report("shards balance")


class Growing(shards.Shards):
    """The configuration names so many of the clusters."""
    shown = 2

    def setting(self, data):
        return super().setting(data)[:self.shown]


SHARDS = Growing(3)
shards.serve_from(SHARDS)


def open_wallets(client, count):
    wallets = []
    for number in range(count):
        made = client.post("/v1/wallets", {"owner": f"owner-{number}", "currency": "EUR"})
        assert made.status == 201, made
        wallets.append(made.json["id"])
        paid = slots.patiently(lambda w=wallets[-1], n=number: client.post("/v1/deposits", {
            "wallet": w, "amount": 1000, "bank_transaction_id": f"bank-{n}"}, key=f"deposit-{n}"))
        assert paid.status == 201, paid
    return wallets


def shown(server):
    """(shard, slots) of each line of `florin shards`."""
    said = slots.command(SHARDS, server)
    rows = [line.split() for line in said.stdout.splitlines()[1:1 + SHARDS.shown]]
    return said, [(row[0], int(row[1])) for row in rows]


def even(server):
    said = slots.command(SHARDS, server, "balance", "--dry-run")
    report.equal("two shards are even", (said.returncode, said.stdout.splitlines()[0]),
                 (0, "Slots, load and size are spread as evenly as they can be."), said)


def planned(server):
    """`--dry-run` says what would be moved, and moves nothing; `florin shards` how uneven it is."""
    said = slots.command(SHARDS, server, "balance", "--dry-run")
    count = re.match(r"(\d+) slots to move:", said.stdout)
    report.check("a third of the slots is to go", said.returncode == 0 and
                 count is not None and 325 <= int(count[1]) <= 342, said)
    ways = re.findall(r'to "(.)"', said.stdout)
    report.equal("to the new shard alone", ways, ["c", "c"], said)
    report.check("slot 0 stays, and it says why",
                 'Slot 0 stays on "a": keys, rules and notes of the audit' in said.stdout, said)
    table, rows = shown(server)
    report.equal("and nothing has moved", [slots_ for _, slots_ in rows], [512, 512, 0], table)
    report.check("which florin shards shows", "slots 1.50" in table.stdout and
                 "balance would move" in table.stdout, table)


def moved(server):
    return shown(server)[1][2][1]


def leave_behind(server):
    """As a mover does that is killed between the switch and the end of its deleting."""
    left = SHARDS.sql(0, "INSERT INTO wallets SELECT (jsonb_populate_record(w.one, "
                         "jsonb_build_object('slot', s.slot, 'number', (w.one).number - 1 - "
                         "s.slot))).* FROM slots s, (SELECT x AS one FROM wallets x ORDER BY "
                         "number LIMIT 1) w WHERE s.state = 1 AND s.shard = 'c' RETURNING slot",
                      server.data)
    report.check("wallets are left behind", left != "", left)


def broken_off(server):
    """It is stopped in order, and it is killed; both times the same command goes on."""
    before = moved(server)
    process = slots.start(SHARDS, server, "balance", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    report.check("slots arrive", within(120, lambda: moved(server) > before + 5))
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    report.check("stopped, it says so", process.returncode == 1 and "the same command goes on" in
                 error, (process.returncode, out, error))
    before = moved(server)
    process = slots.start(SHARDS, server, "balance")
    report.check("it goes on", within(120, lambda: moved(server) > before + 5))
    process.kill()
    process.wait(60)
    leave_behind(server)
    report.check("one owner each", within(60, lambda: sum(
        count for _, count in shown(server)[1]) == 1024), shown(server))


def carried_out(server):
    said = slots.command(SHARDS, server, "balance")
    report.equal("the rest moves", said.returncode, 0, said.stdout[-2000:] + said.stderr[-2000:])
    table, rows = shown(server)
    report.check("slots are spread evenly",
                 all(338 <= count <= 346 for _, count in rows) and
                 sum(count for _, count in rows) == 1024, table)
    said = slots.command(SHARDS, server, "balance", "--dry-run")
    report.check("and hardly anything is left to do", said.returncode == 0 and re.search(
        r"slots 1\.0\d, last 60 s 1\.[0-2]\d, records 1\.[0-2]\d", said.stdout), said)
    for place in range(3):
        left = SHARDS.sql(place, "SELECT (SELECT count(*) FROM wallets w JOIN slots s USING (slot) "
                                 "WHERE s.state = 1) + (SELECT count(*) FROM slots WHERE "
                                 "state = 1 AND copied <> 0)", server.data)
        report.equal(f"nothing is left where it was, on {place}", left, "0")


def run():
    server = florin.Server(florin=BINARY).start()
    with server.client() as client:
        wallets = open_wallets(client, 60)
        even(server)
        SHARDS.shown = 3
        server.restart()
    planned(server)
    with server.client() as client:
        node = slots.another_node(SHARDS, server)
        before = slots.balances(client, wallets)
        recount = slots.Recount(node, server.admin_secret)
        crowd = slots.Crowd((server, node), server.admin_secret, wallets, players=3)
        broken_off(server)
        carried_out(server)
        done = crowd.stop()
        found, wrong = recount.stop()
        report.equal("all payments are answered", crowd.odd, [])
        report.equal("no cent is lost or doubled", slots.balances(client, wallets),
                     slots.naive(before, done))
        report.equal("recounts that ran all the time found the books right", wrong, [])
        full = slots.patiently(lambda: client.get("/check-integrity?depth=full"))
        report.equal("and so does the last one", full.json.get("consistent"), True, full)
    print(f"{len(done)} payments and {found} recounts meanwhile")
    for one in (server, node):
        report.equal("it stops in order", one.stop(), 0, one.log()[-2000:])
    said = server.verify()
    report.equal("all three verify", said.returncode, 0, said.stdout + said.stderr)


run()
report.finish()
