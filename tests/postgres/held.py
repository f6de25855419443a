# SPDX-License-Identifier: MIT
"""Rows that nobody's commands name and every round may want to write: heads of slots, and places in
logs beside the books. Who has locked one of them holds up what needs that row, and no payment."""

import threading
import time

import florin
from client import Client
from psql import Psql
from receiver import Receiver
from sealed import key_file
from shop import Shop
from turn import metric, two_nodes
from wait import within

LOCKED_S = 6.0
SECRET = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xk"


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
APART = "SELECT heads_apart FROM florin.books"
ASKED_BEHIND = ("SELECT coalesce(sum(calls), 0) FROM public.pg_stat_statements WHERE query LIKE "
                "'%CROSS JOIN LATERAL (SELECT x.chain, x.number FROM records x%' AND query NOT "
                "LIKE '%pg_stat%'")


def held_slots(report, binary, cluster):
    """Somebody has locked the row of one slot for a while: its wallets and all others are paid,
    heads of other slots are written, a node that begins meanwhile has the right ones, and the row
    is written when it is free. Where nodes of before may serve, none is written as long, until
    somebody says that there is none."""
    with two_nodes(report, binary, cluster) as (server, other, database):
        shop = Shop(server)
        cluster.sql("UPDATE florin.books SET heads_lag = 20", database)
        report.equal("a slot: new books are apart", cluster.sql(APART, database), "t")
        held_slot(report, "a slot", cluster, (server, other), database, shop)
        make_older(report, cluster, (server, other), database)
        held_slot(report, "a slot of before", cluster, (server, other), database, shop)


def make_older(report, cluster, nodes, database):
    """Books of before 0171, brought up to date."""
    for node in nodes:
        report.equal("of before: it stops", node.stop(), 0, node.log()[-500:])
    cluster.sql("ALTER TABLE florin.books DROP COLUMN heads_apart; "
                "DELETE FROM florin.migrations WHERE number >= 171", database)
    for node in nodes:
        node.start()
    report.equal("of before: they are not apart", cluster.sql(APART, database), "f")


def held_slot(report, what, cluster, nodes, database, shop):
    server, other = nodes
    one = shop.customers[0]
    home = cluster.sql("SELECT slot FROM florin.wallets ORDER BY number LIMIT 1", database)
    psql = Psql(cluster, database, f"SELECT 1 FROM florin.slots WHERE slot = {home} FOR UPDATE")
    lines = ("SELECT s FROM florin.slots s WHERE slot = " + home, STAND)
    before = [cluster.sql(line, database) for line in lines]
    pairs = [(one, shop.customers[1]), (shop.customers[2], one),
             *[(shop.customers[n], shop.customers[n + 1]) for n in (4, 6)]]
    secret = server.admin_secret
    apart = cluster.sql(APART, database) == "t"
    for turn in ("held", "begun meanwhile") if apart else (
            "held", "begun meanwhile", "switched on", "begun then"):
        if turn == "switched on":
            cluster.sql("UPDATE florin.books SET heads_apart = true", database)
            apart = True
        rush = Rush([lambda: server.client(timeout=60.0),
                     lambda: Client(other.port, secret, 60.0)] * 2, pairs)
        time.sleep(LOCKED_S / 2)
        goes_on(report, f"{what}, {turn}", rush.end(), 50)
        report.equal(f"{what}, {turn}: its row and what all have are as they were",
                     [cluster.sql(line, database) for line in lines], before)
        ahead = int(cluster.sql(AHEAD, database))
        least = 1 if turn in ("switched on", "begun then") else 4  # fewer have lain behind
        report.check(f"{what}, {turn}: the others are written, or none", (ahead > least) if apart
                     else (ahead == 0), ahead)
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
    is_level(report, what, server, cluster, database)


def is_level(report, what, server, cluster, database):
    report.equal(f"{what}: then rows are true", cluster.sql(UNTRUE, database), "0")
    report.equal(f"{what}: and none is beyond", cluster.sql(AHEAD, database), "0")
    is_right(report, f"{what}, free again", server, cluster, database)


def far_behind(report, binary, cluster):
    """A row of slots was locked for more than a minute of the books' time, and very many records
    are behind it. A node that begins then asks for the last of each slot, and goes on with the
    same heads as the nodes that were there; also where rows of others have come farther."""
    with two_nodes(report, binary, cluster) as (server, other, database):
        shop = Shop(server)
        cluster.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public; "
                    "UPDATE florin.books SET heads_lag = 20", database)
        for apart in ("true", "false"):
            cluster.sql(f"UPDATE florin.books SET heads_apart = {apart}", database)
            newcomer = florin.Server(florin=binary)
            cluster.databases[newcomer.data] = database
            try:
                one_far_behind(report, f"far behind, apart {apart}", cluster,
                               (server, other, newcomer), database, shop)
                report.equal("far behind: the new node ends", newcomer.stop(), 0,
                             newcomer.log()[-500:])
            finally:
                newcomer.discard()


MANY = 1000  # of the locked slot, before a node begins


def one_far_behind(report, what, cluster, nodes, database, shop):
    server, other, newcomer = nodes
    secret = server.admin_secret
    one = shop.customers[0]
    home = cluster.sql("SELECT slot FROM florin.wallets ORDER BY number LIMIT 1", database)
    lacks = f"SELECT coalesce(max(added), 0) FROM florin.heads_behind() WHERE slot = {home}"
    psql = Psql(cluster, database, f"SELECT 1 FROM florin.slots WHERE slot = {home} FOR UPDATE")
    stand = int(cluster.sql(STAND, database))
    with server.client(timeout=60.0) as first, Client(other.port, secret, 60.0) as second:
        def pay_many(client, count):
            made = client.post("/v1/batches", {"operations": [
                {"type": "transfer", "from": one, "to": shop.customers[1 + n % 20], "amount": 1}
                for n in range(count)]})
            assert made.status == 200 and not [r for r in made["results"] if "code" in r], made

        for turn in range(2):
            for number in range(MANY // 200 + 1):
                pay_many((first, second)[number % 2], 100)
            if turn == 0:
                cluster.sql("UPDATE florin.books SET time_ms = time_ms + 120000", database)
        report.check(f"{what}: very many lack in its row", int(cluster.sql(
            lacks, database)) > MANY, lambda: cluster.sql(lacks, database))
        behind = int(cluster.sql("SELECT (last_record - heads_record) >> 17 FROM florin.books",
                                 database))
        report.check(f"{what}: of more than a minute", behind > 60000, behind)
        ahead = int(cluster.sql(AHEAD, database))
        report.check(f"{what}: others have come farther, or none", (ahead > 4) ==
                     what.endswith("true"), ahead)
        cluster.sql("SELECT public.pg_stat_statements_reset()", database)
        newcomer.start()
        with Client(newcomer.port, secret, 60.0) as third:
            for _ in range(8):
                for client in (third, first, second):
                    pay_many(client, 5)
            report.check(f"{what}: it asked for the last of each", int(cluster.sql(
                ASKED_BEHIND, database)) > 0)
            report.equal(f"{what}: rows are true", cluster.sql(UNTRUE, database), "0")
            is_right(report, what, server, cluster, database)
            psql.end()
            for client in (first, second):
                client.close()

            def is_written():
                pay_many(third, 5)
                return int(cluster.sql(STAND, database)) > stand
            report.check(f"{what}: the new node writes it when it is free", within(60, is_written))
            is_level(report, what, server, cluster, database)
    with server.client() as first, Client(other.port, secret, 60.0) as second:
        for _ in range(30):  # and the others learn of it, and write rows again
            for client in (second, first):
                made = client.post("/v1/transfers", {"from": one, "to": shop.customers[1],
                                                     "amount": 1})
                report.equal(f"{what}: they pay", made.status, 201, made)
    report.equal(f"{what}: rows are true in the end", cluster.sql(UNTRUE, database), "0")
    is_right(report, f"{what}, in the end", server, cluster, database)


def held_places(report, binary, cluster):
    """Somebody has locked all places in logs: who tells a receiver of events cannot note how far he
    has come, and no payment waits for him; when they are free nothing was left out."""
    one = Receiver()
    server = florin.Server(
        florin=binary, environment={"FLORIN_WEBHOOK_SECRET_SHOP": SECRET},
        config={"webhooks": [{"name": "shop", "url": one.url, "retry_seconds": 1}]})
    try:
        server.start()
        database = cluster.database_for(server.data)
        shop = Shop(server)
        report.check("places: there is one", within(60, lambda: int(cluster.sql(
            "SELECT count(*) FROM florin.cursors", database)) > 0))
        psql = Psql(cluster, database, "SELECT 1 FROM florin.cursors FOR UPDATE")
        before = cluster.sql("SELECT c FROM florin.cursors c ORDER BY slot, kind", database)
        with server.client() as client:
            aside = metric(client, "engine_set_aside_total")
            timeouts = metric(client, 'engine_retries_total{reason="timeout"}')
        rush = Rush([lambda: server.client(timeout=60.0)] * 4,
                    [(shop.customers[n], shop.customers[n + 1]) for n in (0, 2, 4, 6)])
        time.sleep(LOCKED_S)
        goes_on(report, "places", rush.end(), 100)
        report.equal("places: they stay as long", cluster.sql(
            "SELECT c FROM florin.cursors c ORDER BY slot, kind", database), before)
        with server.client() as client:
            report.check("places: who would note them waits aside",
                         metric(client, "engine_set_aside_total") > aside)
            report.equal("places: and no round for him", metric(
                client, 'engine_retries_total{reason="timeout"}'), timeouts)
            psql.end()
            wanted = {wallet: client.get(f"/v1/wallets/{wallet}")["version"]
                      for wallet in shop.customers[:8]}
        report.check("places: then everything is told", within(90, lambda: all(
            max((told.sequence or 0 for told in list(one.taken) if told.wallet == wallet),
                default=0) >= version for wallet, version in wanted.items())))
        report.check("places: and noted", within(60, lambda: cluster.sql(
            "SELECT c FROM florin.cursors c ORDER BY slot, kind", database) != before))
        report.equal("places: it stops in order", server.stop(), 0, server.log()[-1000:])
    finally:
        server.discard()
        one.close()


def held_data_key(report, binary, cluster):
    """Somebody has locked the key of an owner's texts: it cannot be destroyed as long, and all else
    goes on, also for that owner."""
    server = florin.Server(florin=binary)
    server.config = {"encryption": {"master_key_file": key_file(server, "master.key")},
                     "request_deadline_ms": 4000}
    try:
        server.start()
        database = cluster.database_for(server.data)
        shop = Shop(server)
        with server.client(timeout=60.0) as client:
            made = client.post("/v1/deposits", {
                "wallet": shop.customers[0], "amount": 1, "reference": "a secret",
                "bank_transaction_id": "sealed"})
            path = f"/v1/transactions/{made['id']}"
            psql = Psql(cluster, database, "SELECT 1 FROM florin.data_keys FOR UPDATE")
            rush = Rush([lambda: server.client(timeout=60.0)] * 4,
                        [(shop.customers[n], shop.customers[n + 1]) for n in (0, 2, 4, 6)])
            began = time.monotonic()
            answer = client.delete("/v1/owners/customer-0/data", key="never")
            took = time.monotonic() - began
            report.check("a data key: busy at its deadline", answer.code == "busy" and
                         3 < took < 20, f"{answer!r} after {took:.1f} s")
            goes_on(report, "a data key", rush.end(), 50)
            report.equal("a data key: it opens texts as long", client.get(path).get("reference"),
                         "a secret")
            psql.end()
            answer = client.delete("/v1/owners/customer-0/data", key="never")
            report.check("a data key: then it is destroyed", answer.status in (200, 204) and
                         not answer.replayed, repr(answer))
            report.equal("a data key: and they are gone", client.get(path).get("reference"), None)
        report.equal("a data key: it stops in order", server.stop(), 0, server.log()[-1000:])
    finally:
        server.discard()


UNCHANGED = ("records", "postings", "rounds", "idempotency", "bank_ids", "rule_sets",
             "kept_records", "encryption", "extent")


def held_history(report, binary, cluster):
    """Somebody has locked every row of what is only added to, or read: nobody waits."""
    with florin.serving(florin=binary) as server:
        database = cluster.database_for(server.data)
        shop = Shop(server)
        psql = Psql(cluster, database, "; ".join(
            f"SELECT 1 FROM florin.{table} FOR UPDATE" for table in UNCHANGED))
        rush = Rush([lambda: server.client(timeout=60.0)] * 4,
                    [(shop.customers[n], shop.customers[n + 1]) for n in (0, 2, 4, 6)])
        deposit = {"wallet": shop.customers[8], "amount": 4, "bank_transaction_id": "beside"}
        with server.client(timeout=60.0) as client:
            made = client.post("/v1/deposits", deposit, key="beside")
            again = client.post("/v1/deposits", deposit, key="beside")
            report.equal("history: a deposit", (made.status, again.status, again.replayed),
                         (201, 201, True), made)
        time.sleep(LOCKED_S / 2)
        goes_on(report, "history", rush.end(), 100)
        psql.end()
