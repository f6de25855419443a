# SPDX-License-Identifier: MIT
"""Rows that nobody's commands name and every round may want to write: heads of slots, and places in
logs beside the books. Who has locked one of them holds up what needs that row, and no payment."""

import threading
import time

from client import Client
from psql import Psql
from shop import Shop
from turn import two_nodes
from wait import within

LOCKED_S = 6.0


class Rush:
    """Payers that go on until it is over: what each was answered, and how long the longest took."""

    def __init__(self, clients, pairs):
        self.over, self.statuses, self.longest, self.count = threading.Event(), set(), 0.0, 0
        self.guard = threading.Lock()
        self.threads = [threading.Thread(target=self.pay, args=(client, pair), daemon=True)
                        for client, pair in zip(clients, pairs)]
        for thread in self.threads:
            thread.start()

    def pay(self, connect, pair):
        with connect() as client:
            while not self.over.is_set():
                began = time.monotonic()
                answer = client.post("/v1/transfers", {"from": pair[0], "to": pair[1], "amount": 1})
                took = time.monotonic() - began
                with self.guard:
                    self.statuses.add((answer.status, answer.code))
                    self.longest = max(self.longest, took)
                    self.count += answer.status == 201

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(120)
        return self


def goes_on(report, what, rush, at_least):
    report.equal(f"{what}: everybody is paid", rush.statuses, {(201, None)})
    report.check(f"{what}: and nobody waits", rush.longest < 2.5 and rush.count > at_least,
                 f"{rush.count} payments, the longest {rush.longest:.2f} s")
    print(f"held: {what}: {rush.count} payments, the longest {rush.longest:.2f} s", flush=True)


def is_right(report, what, server, cluster, database):
    done = server.command_line("verify", "--postgres", cluster.url(database))
    report.check(f"{what}: the heads are proved", done.returncode == 0, done.stdout + done.stderr)


# Rows of slots that are not what their records up to there make of them.
UNTRUE = """SELECT count(*) FROM florin.slots s, florin.books b WHERE
    ROW(s.last_record, s.record_count, s.chain) IS DISTINCT FROM
    (SELECT ROW(coalesce(max(number), 0), count(*),
             coalesce((array_agg(chain ORDER BY number DESC))[1], b.first_chain))
     FROM florin.records r WHERE r.slot = s.slot AND
         r.number <= greatest(s.last_record, b.heads_record))"""
AHEAD = "SELECT count(*) FROM florin.slots s, florin.books b WHERE s.last_record > b.heads_record"
STAND = "SELECT heads_record FROM florin.books"


def held_slots(report, binary, cluster):
    """Somebody has locked the row of one slot for a while: its wallets and all others are paid,
    heads of other slots are written, a node that begins meanwhile has the right ones, and the row
    is written when it is free. Where nodes of before may serve, none is written as long."""
    with two_nodes(report, binary, cluster) as (server, other, database):
        shop = Shop(server)
        cluster.sql("UPDATE florin.books SET heads_lag = 20", database)
        for apart in ("true", "false"):
            cluster.sql(f"UPDATE florin.books SET heads_apart = {apart}", database)
            held_slot(report, f"a slot, apart {apart}", cluster, (server, other), database, shop,
                      apart == "true")


def held_slot(report, what, cluster, nodes, database, shop, apart):
    server, other = nodes
    one = shop.customers[0]
    home = cluster.sql("SELECT slot FROM florin.wallets ORDER BY number LIMIT 1", database)
    psql = Psql(cluster, database, f"SELECT 1 FROM florin.slots WHERE slot = {home} FOR UPDATE")
    lines = ("SELECT s FROM florin.slots s WHERE slot = " + home, STAND)
    before = [cluster.sql(line, database) for line in lines]
    pairs = [(one, shop.customers[1]), (shop.customers[2], one),
             *[(shop.customers[n], shop.customers[n + 1]) for n in (4, 6)]]
    secret = server.admin_secret
    for turn in ("held", "begun meanwhile"):
        rush = Rush([lambda: server.client(timeout=60.0),
                     lambda: Client(other.port, secret, 60.0)] * 2, pairs)
        time.sleep(LOCKED_S / 2)
        goes_on(report, f"{what}, {turn}", rush.end(), 50)
        report.equal(f"{what}, {turn}: its row and what all have are as they were",
                     [cluster.sql(line, database) for line in lines], before)
        ahead = int(cluster.sql(AHEAD, database))
        report.check(f"{what}, {turn}: the others are written", (ahead > 4) == apart, ahead)
        report.equal(f"{what}, {turn}: rows are true", cluster.sql(UNTRUE, database), "0")
        is_right(report, f"{what}, {turn}", server, cluster, database)
        report.equal(f"{what}: a node ends", other.stop(), 0, other.log()[-500:])
        other.start()
    psql.end()
    with server.client() as client, Client(other.port, secret, 60.0) as second:
        def is_written():
            for each in (client, second):
                each.post("/v1/transfers", {"from": one, "to": shop.customers[1], "amount": 1})
            return int(cluster.sql(STAND, database)) > int(before[1])
        report.check(f"{what}: it is written when it is free", within(60, is_written))
    report.equal(f"{what}: then rows are true", cluster.sql(UNTRUE, database), "0")
    report.equal(f"{what}: and none is beyond", cluster.sql(AHEAD, database), "0")
    is_right(report, f"{what}, free again", server, cluster, database)
