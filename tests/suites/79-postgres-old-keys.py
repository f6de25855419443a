#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Idempotency keys that are used again when their time is over, while a month goes by on the
database's clock: each pays anew, once, and whoever else pays in the same round notices nothing."""

import os
import subprocess
import sys
import time
from datetime import datetime, timezone

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "traffic", "crash", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from load import Load  # noqa: E402
from play import Clock  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
CLOCK = Clock()


def day_of_month(day, months):
    """Noon of that day, so many months from now."""
    now = datetime.now(timezone.utc)
    month = now.year * 12 + now.month - 1 + months
    return datetime(month // 12, month % 12 + 1, day, 12, tzinfo=timezone.utc).timestamp()


def go_to(seconds):
    CLOCK.moved = int((seconds - time.time()) * 1e9)
    CLOCK.write()


def begin():
    """The server's calendar is the test's from now on."""
    os.chmod(CLOCK.folder, 0o755)
    for path in (CLOCK.path, CLOCK.library):
        os.chmod(path, 0o755)
    go_to(day_of_month(2, 1))
    CLUSTER.stop()
    CLUSTER.environment = CLOCK.environment()
    CLUSTER.start()
    cluster.serve_from(CLUSTER)


def pays(client, wallets, *keys):
    """One request with a payment of each key: what became of each. What is busy comes again."""
    operations = [{"type": "purchase", "wallet": wallets[0], "merchant": wallets[1], "amount": 1,
                   "idempotency_key": key} for key in keys]
    answers = []

    def is_answered():
        answers[:] = [client.post("/v1/batches", {"operations": operations})]
        return answers[0].status == 200 and \
            all(result.get("code") != "busy" for result in answers[0]["results"])

    within(60, is_answered)
    return [(result.get("id", result.get("code")), result.get("replayed", False))
            for result in answers[0].json.get("results", [])]


def a_month(report):
    server = florin.Server(florin=BINARY)
    server.start()
    database = CLUSTER.database_for(server.data)
    with server.client() as client:
        wallets = [client.post("/v1/wallets", {"owner": kind, "currency": "USD",
                                               "kind": kind})["id"]
                   for kind in ("customer", "merchant")]
        client.post("/v1/deposits", {"wallet": wallets[0], "amount": 1000,
                                     "bank_transaction_id": "b1"})
        ids = []
        for name, now in (("on the second", day_of_month(2, 1)),
                          ("on the eleventh", day_of_month(11, 1)),
                          ("on the twentieth", day_of_month(20, 1)),
                          ("a month later", day_of_month(12, 2))):
            go_to(now)
            used, other = pays(client, wallets, "again", f"beside it {name}")
            report.check(f"{name}: it pays anew", used[0].startswith("txn_") and not used[1] and
                         used[0] not in ids, used)
            report.check(f"{name}: whoever pays beside it pays", other[0].startswith("txn_") and
                         not other[1], other)
            report.equal(f"{name}: and again it is answered",
                         pays(client, wallets, "again", f"beside it {name}"),
                         [(used[0], True), (other[0], True)])
            ids += [used[0], other[0]]
        report.equal("each was paid once", client.get(f"/v1/wallets/{wallets[0]}")["balance"],
                     1000 - len(set(ids)))
        check = client.get("/check-integrity?depth=full")
        report.check("consistent", check.get("consistent") is True, repr(check))
    report.equal("exit status", server.stop(), 0)
    report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
    done = server.verify()
    report.equal("verify", done.returncode, 0, done.stdout + done.stderr)


# As they were before 0055: unique in each partition.
BEFORE = """DO $$ DECLARE part record; BEGIN
    FOR part IN SELECT t.relname AS name, c.relname AS index FROM pg_inherits i
                JOIN pg_class t ON t.oid = i.inhrelid JOIN pg_index x ON x.indrelid = t.oid
                JOIN pg_class c ON c.oid = x.indexrelid
                WHERE i.inhparent = 'florin.idempotency'::regclass LOOP
        EXECUTE format('DROP INDEX florin.%I', part.index);
        EXECUTE format('CREATE UNIQUE INDEX %I ON florin.%I (key)', part.name || '_once',
                       part.name);
    END LOOP;
END $$;
DELETE FROM florin.migrations WHERE number IN (55, 131)"""
INDEXES = """SELECT count(*) FILTER (WHERE a.amname <> 'hash'), count(DISTINCT i.inhrelid),
                    count(*) FILTER (WHERE x.indisvalid AND a.amname = 'hash')
             FROM pg_inherits i LEFT JOIN pg_index x ON x.indrelid = i.inhrelid
             LEFT JOIN pg_class c ON c.oid = x.indexrelid LEFT JOIN pg_am a ON a.oid = c.relam
             WHERE i.inhparent = 'florin.idempotency'::regclass"""


def older_books(report):
    """Books with unique keys lose these indexes while payments go on, also when somebody's
    transaction was in the way for a while."""
    server = florin.Server(florin=BINARY)
    server.start()
    database = CLUSTER.database_for(server.data)
    CLUSTER.sql(BEFORE, database)
    load = Load(server)
    within(60, lambda: len(load.answers) > 20)
    psql = Psql(CLUSTER, database, "LOCK TABLE florin.idempotency IN ROW EXCLUSIVE MODE")
    child = subprocess.Popen([BINARY, "migrate", "--postgres", CLUSTER.url(database)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    report.check("an index is being built", within(60, lambda: CLUSTER.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND "
        "state = 'active'", database) == "1"))
    paid = len(load.answers)
    report.check("payments go on", within(60, lambda: len(load.answers) > paid + 20))
    psql.end()
    said = child.communicate(timeout=180)[0]
    report.equal("migrated", child.returncode, 0, said)
    CLUSTER.sql("SELECT florin.partition_add(((SELECT end_record FROM florin.extent) >> 17) + "
                "86400000)", database)
    others, parts, by_hash = CLUSTER.sql(INDEXES, database).split("|")
    report.equal("each partition, a new one, too, has one by hash", (others, by_hash), ("0", parts))
    load.stop(report, "older books")
    report.equal("exit status", server.stop(), 0)
    report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
    done = server.verify()
    report.equal("verify", done.returncode, 0, done.stdout + done.stderr)


begin()
total = Report("postgres old keys")
total.run("a month", a_month)
total.run("older books", older_books)
total.finish()
