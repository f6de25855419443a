#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two versions of Florin side by side while the schema goes from the one's to the other's, and what
a node asks of a server before it trusts it with money."""

import datetime
import os
import signal
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from load import Load  # noqa: E402
from proxy import Proxy  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
NEXT = os.environ.get("FLORIN_NEXT", os.path.join(
    TESTS, "../build/release/tests/postgres/florin_next"))
CLUSTER = cluster.Cluster()
WALLETS = 200


def migrate(binary, database):
    return subprocess.Popen([binary, "migrate", "--postgres", CLUSTER.url(database)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(child):
    text = child.communicate(timeout=120)[0]
    return child.returncode, text


def verified(report, name, binary, database):
    done = subprocess.run([binary, "verify", "--postgres", CLUSTER.url(database)],
                          capture_output=True, text=True, timeout=120, check=False)
    report.equal(f"{name}: verify", done.returncode, 0, done.stdout + done.stderr)


def ask(text, database, otherwise="0"):
    try:
        return CLUSTER.sql(text, database)
    except RuntimeError:
        return otherwise  # the column is not there yet


def many_wallets(server):
    """So many that they are filled in many slices; nobody uses them."""
    with server.client() as client:
        return [client.post("/v1/wallets", {"owner": f"idle-{number}", "currency": "USD"})["id"]
                for number in range(WALLETS)]


FILLED = "SELECT count(*) FROM florin.wallets WHERE opened_by IS NOT NULL"
# Slices behind the second wait for somebody, who holds nothing that payments need.
GATE = """
CREATE FUNCTION florin.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF to_jsonb(NEW) -> 'opened_by' IS DISTINCT FROM to_jsonb(OLD) -> 'opened_by' THEN
        IF (SELECT count(*) FROM florin.wallets WHERE opened_by IS NOT NULL) >= 20 THEN
            PERFORM pg_advisory_xact_lock_shared(4711);
        END IF;
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION florin.gate IS 'Of a test.';
CREATE TRIGGER gate BEFORE UPDATE ON florin.wallets FOR EACH ROW EXECUTE FUNCTION florin.gate()
"""


def reader_in_the_way(report, database, load):
    """Somebody's report reads wallets for a while, and the next version's first statement needs
    them for itself alone: it waits, and payments do not queue behind it."""
    psql = Psql(CLUSTER, database, "SELECT count(*) FROM florin.wallets")
    child = migrate(NEXT, database)
    wants = ("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND "
             "relation = 'florin.wallets'::regclass")
    report.check("the migration waits for the reader", within(
        60, lambda: ask(wants, database) != "0"))
    began, before, longest = time.monotonic(), len(load.answers), 0.0
    last, seen = began, before
    while time.monotonic() < began + 5:
        time.sleep(0.02)
        if len(load.answers) != seen:
            longest, last, seen = max(longest, time.monotonic() - last), time.monotonic(), \
                len(load.answers)
    longest = max(longest, time.monotonic() - last)
    report.check("payments go on behind it, none waits for long",
                 len(load.answers) > before + 5 and longest < 2.5,
                 f"{len(load.answers) - before} payments, {longest:.1f} s between two of them")
    report.equal("the migration still waits", child.poll(), None)
    child.send_signal(signal.SIGKILL)
    said(child)
    report.check("its session has given up, too", within(  # or it would go on without its client
        60, lambda: ask(wants, database) == "0"))
    psql.end()
    report.equal("and it has changed nothing", ask(
        "SELECT count(*) FROM florin.migrations WHERE number = 9001", database), "0")


def broken_off(report, database, load):
    """The migration of the next version meets a lock in the middle of its slices, and is killed
    there: what is done stays, what is not comes with the next run, and payments go on."""
    CLUSTER.sql(GATE, database)
    psql = Psql(CLUSTER, database, "SELECT 1 FROM pg_advisory_lock(4711)")
    child = migrate(NEXT, database)
    report.check("slices are filled", within(60, lambda: int(ask(FILLED, database)) >= 20))
    report.check("one of them waits for the lock", within(60, lambda: ask(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = 4711", database) != "0"))
    before = len(load.answers)
    report.check("payments go on meanwhile", within(60, lambda: len(load.answers) > before + 5))
    child.send_signal(signal.SIGKILL)
    said(child)
    psql.end()
    # Partitions go before what they are partitions of, and nodes lock the other way around.
    CLUSTER.sql("BEGIN; LOCK TABLE florin.wallets IN ACCESS EXCLUSIVE MODE; DROP TRIGGER gate ON "
                "florin.wallets; DROP FUNCTION florin.gate; COMMIT", database)
    filled = int(ask(FILLED, database))
    report.check("some are filled, not all", 20 <= filled < WALLETS, filled)
    report.equal("parts are counted", CLUSTER.sql(
        "SELECT parts FROM florin.migrations WHERE number = 9001", database), "1")
    code, text = said(migrate(BINARY, database))
    report.equal("the present version goes on with it", code, 0, text)


def finished(report, database):
    children = [migrate(NEXT, database) for _ in range(3)]
    answers = [said(child) for child in children]
    report.equal("all succeed", [code for code, _ in answers], [0] * 3, answers)
    report.equal("one applies", sum("Applied" in text for _, text in answers), 1, answers)
    left = CLUSTER.sql("SELECT count(*) FROM florin.wallets WHERE opened_by IS NULL AND "
                       "convert_from(owner, 'UTF8') LIKE 'idle-%'", database)
    report.equal("all are filled", left, "0")
    slices = int(CLUSTER.sql("SELECT count(DISTINCT opened_by) FROM florin.wallets", database))
    report.check("each slice was committed by itself", slices >= WALLETS // 10, slices)
    most = int(CLUSTER.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM florin.wallets WHERE "
                           "opened_by IS NOT NULL GROUP BY opened_by) x", database))
    report.check("and is small", most <= 10, most)
    report.equal("the index is whole", CLUSTER.sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'florin.holds_next'::regclass",
        database), "t")


def neighbours(report):
    """A node of the present version under load, the schema of the next one, a node of that."""
    present = florin.Server(florin=BINARY)
    later = florin.Server(florin=NEXT)
    try:
        present.start()
        database = CLUSTER.database_for(present.data)
        CLUSTER.databases[later.data] = database
        many_wallets(present)
        load = Load(present, name="present")
        reader_in_the_way(report, database, load)
        broken_off(report, database, load)
        finished(report, database)
        later.start()
        later.client = lambda secret=None, timeout=20.0: florin.Client(
            later.port, secret or present.admin_secret, timeout)
        other = Load(later, wallets=(load.anna, load.shop), name="later")
        report.check("both write at once", within(60, lambda: len(other.answers) > 30))
        load.stop(report, "present")
        present.restart()  # rolled back by somebody who thought better of it
        again = Load(present, wallets=(load.anna, load.shop), name="again")
        report.check("and once more", within(60, lambda: len(again.answers) > 30))
        again.stop(report, "again")
        other.stop(report, "later")
        for name, server, answers in (("present", present, other.answers),
                                      ("later", later, load.answers + again.answers)):
            with server.client() as client:
                for key, _, body in answers[:: max(1, len(answers) // 10)]:
                    answer = load.pay(client, key)
                    report.check(f"{name}: what the other answered",
                                 answer.replayed and answer.body == body, f"{key}: {answer!r}")
                check = client.get("/check-integrity?depth=full")
                report.check(f"{name}: consistent", check.get("consistent") is True, repr(check))
        paid = len(load.answers) + len(other.answers) + len(again.answers)
        with present.client() as client:
            report.equal("each was paid once", client.get(f"/v1/wallets/{load.anna}")["balance"],
                         10**9 - paid)
        for server in (present, later):
            report.equal("exit status", server.stop(), 0)
            report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
        verified(report, "present", BINARY, database)
        verified(report, "later", NEXT, database)
    finally:
        present.discard()
        later.discard()


# ---- what is asked of a server ------------------------------------------------------------------

def refused(report, name, *words):
    server = florin.Server(florin=BINARY)
    try:
        got = server.refused()
        report.check(f"{name}: refused with a sentence", got is not None and got[0] != 0 and
                     all(word in got[1] for word in words), got)
    finally:
        server.discard()


def safe_servers(report):
    for name in ("fsync", "full_page_writes"):
        CLUSTER.setting(name, "off")
        within(60, lambda: CLUSTER.sql(f"SHOW {name}", "postgres") == "off")  # noqa: B023
        refused(report, name, name, "power cut")
        CLUSTER.setting(name, "on")
        within(60, lambda: CLUSTER.sql(f"SHOW {name}", "postgres") == "on")  # noqa: B023
    proxy = Proxy(CLUSTER.socket)
    proxy.forged = (b"server_version_num')::integer < 150000",
                    b"server_version_num')::integer < 990000")
    CLUSTER.line = proxy.folder
    try:
        refused(report, "an old server", "older than PostgreSQL 15")
    finally:
        CLUSTER.line = CLUSTER.socket
        proxy.close()
    # The server's default does not matter, because sessions set their own.
    CLUSTER.setting("synchronous_commit", "off")
    with florin.serving(florin=BINARY) as server, server.client() as client:
        made = client.post("/v1/wallets", {"owner": "anna", "currency": "USD"})
        report.equal("serves", made.status, 201, repr(made))
    CLUSTER.setting("synchronous_commit", "on")
    # But what stands in between may put another value in its place.
    proxy = Proxy(CLUSTER.socket)
    proxy.forged = (b"synchronous_commit = on;", b"synchronous_commit= off;")
    CLUSTER.line = proxy.folder
    try:
        refused(report, "synchronous_commit", "synchronous_commit is off", "cannot be set")
    finally:
        CLUSTER.line = CLUSTER.socket
        proxy.close()


# What an operator may have made the usual of a database, for people and programs of another kind.
DEFAULTS = ("timezone = 'Asia/Kathmandu'", "search_path = 'public'", "lock_timeout = '1ms'",
            "datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'",
            "bytea_output = 'escape'",
            "default_transaction_isolation = 'read committed'", "enable_indexscan = off",
            "plan_cache_mode = 'force_custom_plan'", "jit = on", "jit_above_cost = 0",
            "client_min_messages = 'debug1'", "xmloption = 'document'", "row_security = off")


def strange_defaults(report):
    """Sessions set what they rely on, whatever the database's defaults are."""
    server = florin.Server(florin=BINARY)
    database = CLUSTER.database_for(server.data)
    for setting in DEFAULTS:
        CLUSTER.sql(f"ALTER DATABASE {database} SET {setting}", "postgres")
    server.start()
    try:
        with server.client() as client:
            ids = [client.post("/v1/wallets", {"owner": kind, "currency": "USD",
                                               "kind": kind})["id"]
                   for kind in ("customer", "merchant")]
            client.post("/v1/deposits", {"wallet": ids[0], "amount": 100,
                                         "bank_transaction_id": "b\\1"})
            paid = client.post("/v1/purchases", {"wallet": ids[0], "merchant": ids[1], "amount": 9,
                                                 "order": "o\\'1"}, key="k")
            report.equal("a payment", paid.status, 201, repr(paid))
            moment = datetime.datetime.fromisoformat(paid["created_at"].replace("Z", "+00:00"))
            off = abs(moment.timestamp() - time.time())
            report.check("times are in UTC", off < 300, paid["created_at"])
            report.check("a key is known", client.post(
                "/v1/purchases", {"wallet": ids[0], "merchant": ids[1], "amount": 9,
                                  "order": "o\\'1"}, key="k").replayed)
            listed = client.get(f"/v1/wallets/{ids[0]}/transactions?from=" + paid["created_at"])
            report.equal("lists by time", [item["id"] for item in listed["items"]], [paid["id"]])
            report.equal("lists by order", [item["id"] for item in client.get(
                "/v1/transactions?order=o%5C'1")["items"]], [paid["id"]])
            check = client.get("/check-integrity?depth=full")
            report.check("consistent", check.get("consistent") is True, repr(check))
        report.equal("exit status", server.stop(), 0)
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
        verified(report, "strange defaults", BINARY, database)
    finally:
        server.discard()


LATIN1 = 8  # as pg_database has it


def encodings(report):
    """Books are begun where every owner can be written, and go on where they are."""
    server = florin.Server(florin=BINARY)
    database = CLUSTER.database_for(server.data)
    remade = "DROP DATABASE {0}", "CREATE DATABASE {0} ENCODING '{1}' LOCALE 'C' TEMPLATE template0"
    try:
        for encoding in ("LATIN1", "SQL_ASCII"):
            for statement in remade:
                CLUSTER.sql(statement.format(database, encoding), "postgres")
            if encoding == "LATIN1":
                got = server.refused()
                report.check("LATIN1: refused with a sentence", got is not None and got[0] != 0 and
                             "The database is in LATIN1" in got[1] and "createdb -E UTF8" in got[1],
                             got)
        server.start()
        with server.client() as client:
            for owner in ("anna", "\u0416\u043e\u0440\u0430"):
                made = client.post("/v1/wallets", {"owner": owner, "currency": "USD"})
                report.equal(f"SQL_ASCII: serves {owner}", made.status, 201, repr(made))
        report.equal("and shows all", CLUSTER.sql(
            "SELECT owner FROM florin.balances ORDER BY owner", database).split("\n"),
            ["anna", "\u0416\u043e\u0440\u0430"])
        report.equal("exit status", server.stop(), 0)
        CLUSTER.sql(f"UPDATE pg_database SET encoding = {LATIN1} WHERE datname = '{database}'",
                    "postgres")
        server.start()
        with server.client() as client:
            report.equal("books that are there are served", client.post(
                "/v1/wallets", {"owner": "bert", "currency": "USD"}).status, 201)
        report.equal("exit status there", server.stop(), 0)
    finally:
        server.discard()


def few_connections(report):
    small = cluster.Cluster()
    try:
        small.configure("max_connections = 12\nsuperuser_reserved_connections = 3\n"
                        "max_wal_senders = 0\n")
        small.stop()
        small.start()
        cluster.serve_from(small)
        refused(report, "max_connections", "max_connections is 12", "raise it")
    finally:
        cluster.serve_from(CLUSTER)
        small.discard()


def another_cluster(report):
    """Books of another cluster under a name that a node knows: it does not begin with them."""
    other = cluster.Cluster()
    server = florin.Server(florin=BINARY).start()
    try:
        report.equal("exit status", server.stop(), 0)
        cluster.serve_from(other)
        got = server.refused()
        report.check("another cluster: refused with a sentence", got is not None and got[0] != 0
                     and "another" in got[1] and "postgres.lineage" in got[1], got)
        report.equal("and left as it was", other.sql(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'florin'",
            other.database_for(server.data)), "0")
        cluster.serve_from(CLUSTER)
        server.start()
        report.equal("its own is taken", server.stop(), 0)
    finally:
        cluster.serve_from(CLUSTER)
        server.discard()
        other.discard()


total = Report("postgres versions")
cluster.serve_from(CLUSTER)
if os.path.exists(NEXT):
    total.run("neighbours", neighbours)
else:
    total.skip("neighbours", f"{NEXT} was not built: tools/build.sh release all")
total.run("safe servers", safe_servers)
total.run("encodings", encodings)
total.run("strange defaults", strange_defaults)
total.run("few connections", few_connections)
total.run("another cluster", another_cluster)
total.finish()
