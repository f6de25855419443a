#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The schema at work: statements touch the partitions that they must and no other, time comes from
the database and never goes back, partitions follow each other under load, updates stay HOT, roles
can do what they must and nothing else, and neighbouring versions serve side by side."""

import os
import re
import subprocess
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from load import Load, two_wallets  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
BY_TIME = ("records", "postings", "rounds", "idempotency")


def command(*words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=120,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def url_as(database, user):
    return CLUSTER.url(database).replace("user=florin", f"user={user}")


def verified(report, name, database):
    code, said = command("verify", "--postgres", CLUSTER.url(database))
    report.equal(f"{name}: verify", code, 0, said)


# ---- plans ------------------------------------------------------------------------------------

def plans_of(log):
    """Each plan in the log: its query's text and the lines of its nodes."""
    for chunk in re.split(r"LOG:  duration: [\d.]+ ms  plan:\n", log)[1:]:
        lines = [line for line in chunk.split("\n") if line.startswith("\t")]
        text = "\n".join(lines)
        yield text


def everything_else(report, client, anna, shop):
    """The other kinds of command, each between these two wallets."""
    for path, body in (
            ("/v1/transfers", {"from": anna, "to": shop, "amount": 1}),
            ("/v1/withdrawals", {"wallet": anna, "amount": 3, "bank_transaction_id": "q"}),
            ("/v1/batches", {"operations": [{"type": "transfer", "from": anna, "to": shop,
                                             "amount": 1}] * 3})):
        done = client.post(path, body)
        report.check(path, done.status in (200, 201), repr(done))
    for end in ("capture", "void"):
        hold = client.post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 5})
        done = client.post(f"/v1/holds/{hold['id']}/{end}", {})
        report.check(end, done.status in (200, 201), repr(done))
    for end, body in (("settle", {"bank_transaction_id": "r"}), ("fail", {})):
        out = client.post("/v1/withdrawals", {"wallet": anna, "amount": 5})
        done = client.post(f"/v1/withdrawals/{out['id']}/{end}", body)
        report.equal(end, done.status, 200, repr(done))
    done = client.patch(f"/v1/wallets/{anna}", {"metadata": {"a": "b"}})
    report.equal("a change of texts", done.status, 200, repr(done))


def pruning(report):
    settings = os.path.join(CLUSTER.data, "postgresql.conf")
    with open(settings, encoding="utf-8") as file:
        usual = file.read()
    with open(settings, "a", encoding="utf-8") as file:
        file.write("\nsession_preload_libraries = 'auto_explain'\n"
                   "auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\n"
                   "auto_explain.log_timing = off\n")
    CLUSTER.sql("SELECT pg_reload_conf()", "postgres")
    with florin.serving() as server, server.client() as client:
        anna, shop = two_wallets(client)
        bought = client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 9})
        path = os.path.join(CLUSTER.home, "server.log")
        start = os.path.getsize(path)
        for body in ({"wallet": anna, "amount": 5, "bank_transaction_id": "p"},) * 2:
            client.post("/v1/deposits", body, key="pruned")
        client.post("/v1/refunds", {"purchase": bought["id"], "amount": 1})
        client.get(f"/v1/transactions/{bought['id']}")
        client.get(f"/v1/wallets/{anna}")
        everything_else(report, client, anna, shop)
        client.get(f"/v1/wallets/{anna}/transactions?limit=2")
        time.sleep(0.3)
        with open(path, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            log = file.read()
    with open(settings, "w", encoding="utf-8") as file:
        file.write(usual)
    CLUSTER.sql("SELECT pg_reload_conf()", "postgres")
    seen = set()
    for text in plans_of(log):
        if "FROM postings p JOIN" in text:  # a list, planned for what is there now
            seen.add("a list")
            report.check("a page that is full reads no older month", re.search(
                r"on postings_first \w+ .*actual rows", text) is None, text)
            continue
        # Holds and withdrawals look for two: what opened them and what ended them, if anything did.
        for table, most in (("wallets", 2), ("bank_ids", 1), ("idempotency", 2),
                            ("records", 2 if re.search("FROM (holds|withdrawals)", text) else 1)):
            scans = re.findall(rf"(?:Tid Scan|Scan (?:Backward )?using \S+) on {table}_(\w+) \w+ "
                               r".*?\((.*?)\)\s*$", text, re.MULTILINE)
            ran = {name for name, actual in scans if "never executed" not in actual}
            if scans:
                seen.add(table)
                report.check(f"{table}: few partitions are looked into", len(ran) <= most, text)
            whole = re.search(rf"Seq Scan on {table}_\w+ \w+ .*actual rows", text)
            report.check(f"{table}: none is read whole", whole is None, text)
    report.check("plans were seen",
                 {"wallets", "bank_ids", "records", "idempotency", "a list"} <= seen,
                 str(seen) + log[-3000:])


def open_holds(report):
    """A payment does not look at the holds of others: when the next one ends is a look at one."""
    with florin.serving() as server, server.client(timeout=60.0) as client:
        anna, shop = two_wallets(client)
        done = client.post("/v1/batches", {"operations": [
            {"type": "hold", "wallet": anna, "merchant": shop, "amount": 1}] * 900})
        report.check("holds", done.status == 200
                     and not any("code" in result for result in done["results"]), repr(done)[:400])
        database = CLUSTER.database_for(server.data)
        read = ("SELECT pg_stat_force_next_flush(); SELECT coalesce(seq_tup_read, 0) + "
                "coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'holds'")
        time.sleep(1.2)  # until the node's session has told its figures
        before = int(CLUSTER.sql(read, database))
        for _ in range(30):
            paid = client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 1})
            report.equal("a payment", paid.status, 201)
        time.sleep(1.2)
        rows = int(CLUSTER.sql(read, database)) - before
        report.check("few holds are looked at", rows < 30 * 10, f"{rows} rows for 30 payments")


def numbers(report):
    """Wallets are found by their numbers, also one by one, as long as old versions stay. With as
    many as here the index of owners looks as good to the planner where a statement lets it: it
    leads to all wallets of the slot."""
    with florin.serving() as server, server.client(timeout=60.0) as client:
        database = CLUSTER.database_for(server.data)
        anna, shop = two_wallets(client)
        scans = ("SELECT pg_stat_force_next_flush(); SELECT sum(idx_scan) FILTER (WHERE "
                 "indexrelname LIKE '%owner%'), sum(idx_scan) FILTER (WHERE indexrelname LIKE "
                 "'%numbered') FROM pg_stat_user_indexes WHERE relname LIKE 'wallets%'")
        CLUSTER.sql("INSERT INTO florin.wallets SELECT r.* FROM (SELECT w FROM florin.wallets w "
                    "LIMIT 1) o, generate_series(1, 60000) i, jsonb_populate_record(o.w, "
                    "jsonb_build_object('slot', i % 1024, 'number', (o.w).number - i)) r", database)
        CLUSTER.sql("VACUUM ANALYZE florin.wallets", database)
        psql = Psql(CLUSTER, database, "SELECT pg_current_xact_id()")
        paid = [client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 1}).status
                for _ in range(400)]
        report.equal("paid", [status for status in paid if status != 201], [])
        time.sleep(1.2)  # until the node's session has told its figures
        before = [int(word) for word in CLUSTER.sql(scans, database).split("|")]
        done = [client.patch(f"/v1/wallets/{wallet}", {"status": status, "reason": "a look"}).status
                for status in ("frozen", "active") * 20 for wallet in (anna, shop)]
        report.equal("done", [status for status in done if status != 200], [])
        time.sleep(1.2)
        after = [int(word) for word in CLUSTER.sql(scans, database).split("|")]
        psql.end()
        report.equal("none comes by the index of owners", after[0], before[0])
        report.check("each by that of numbers", after[1] >= before[1] + len(done),
                     f"{before} {after}")


# ---- time and partitions ----------------------------------------------------------------------

def short_partitions(database, seconds):
    """Empty books whose partitions end after so many seconds, and again, and then no more."""
    drop = " ".join(
        f"FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = "
        f"'florin.{table}'::regclass LOOP EXECUTE format('DROP TABLE %s', part); END LOOP;"
        for table in BY_TIME)
    CLUSTER.sql(f"DO $$ DECLARE part regclass; BEGIN {drop} END $$; "
                "UPDATE florin.extent SET end_record = 0", database)
    for span in (seconds, 2 * seconds):
        CLUSTER.sql("SELECT florin.partition_add((extract(epoch FROM clock_timestamp() + "
                    f"interval '{span} s') * 1000)::bigint)", database)
    # As the daily look leaves those that are made ahead: known to be empty.
    CLUSTER.sql("ANALYZE " + ", ".join(f"florin.{table}" for table in BY_TIME), database)


def statistics(report):
    """Nodes see to it that the planner knows what lies in parents and in new partitions, which
    autovacuum leaves alone, or comes to late."""
    with florin.serving() as server, server.client() as client:
        database = CLUSTER.database_for(server.data)
        anna, shop = two_wallets(client)
        client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 1}, key="counted")
        known = ("SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'florin'::regnamespace "
                 "AND c.relname IN ('records', 'postings', 'rounds', 'idempotency', 'wallets') AND "
                 "EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = 'florin' AND "
                 "s.tablename = c.relname AND s.inherited)")
        parts = ("SELECT count(DISTINCT tableoid) FROM florin.records r WHERE NOT EXISTS (SELECT "
                 "FROM pg_stats s WHERE s.schemaname = 'florin' AND "
                 "s.tablename = (SELECT relname FROM pg_class c WHERE c.oid = r.tableoid))")
        tidy = "SELECT florin.tidy((extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
        report.equal("it is done once a day", CLUSTER.sql(f"{tidy}; {known}", database), "t\n0")
        CLUSTER.sql("UPDATE florin.extent SET analysed_ms = analysed_ms - 86400001", database)
        report.equal("parents are analysed", CLUSTER.sql(f"{tidy}; {known}", database), "t\n5")
        report.equal("and their partitions", CLUSTER.sql(parts, database), "0")


class Lists:
    """Somebody who looks at the newest transactions again and again, until it is stopped."""
    def __init__(self, server, wallet):
        self.server, self.over, self.wrong, self.spans = server, False, [], []
        self.paths = ("/v1/transactions?limit=20", f"/v1/wallets/{wallet}/transactions?limit=20")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with self.server.client() as client:
            while not self.over:
                for path in self.paths:
                    began = time.monotonic()
                    answer = client.get(path)
                    self.spans.append(time.monotonic() - began)
                    self.wrong += [] if answer.status == 200 else [repr(answer)]

    def stop(self, report):
        self.over = True
        self.thread.join(60)
        report.equal("lists are answered", self.wrong[:3], [])
        return len(self.spans)


def boundary(report):
    server = florin.Server(florin=BINARY)
    database = CLUSTER.database_for(server.data)
    report.equal("migrate", command("migrate", "--postgres", CLUSTER.url(database))[0], 0)
    short_partitions(database, 4)
    server.start()
    load = Load(server)
    lists = Lists(server, load.anna)
    time.sleep(11)  # over both boundaries, and over the end of what was made
    listed = lists.stop(report)
    load.stop(report, "boundary")
    parts = CLUSTER.sql("SELECT count(DISTINCT tableoid) FROM florin.records", database)
    report.check("records lie in three partitions or more", int(parts) >= 3, parts)
    ahead = CLUSTER.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                        "'florin.records'::regclass", database)
    report.check("and partitions are made ahead", int(ahead) >= 5, ahead)
    with server.client() as client:
        for key, _, body in load.answers[:: max(1, len(load.answers) // 40)]:
            again = client.post("/v1/purchases", {"wallet": load.anna, "merchant": load.shop,
                                                  "amount": 1}, key=key)
            report.check("a key is known on both sides", again.replayed and again.body == body,
                         f"{key}: {again}")
        paid = client.get(f"/v1/wallets/{load.anna}")["balance"]
        report.equal("each was paid once", paid, 10**9 - len(load.answers))
    hot = CLUSTER.sql("SELECT pg_stat_force_next_flush(); SELECT sum(n_tup_hot_upd) * 100 / "
                      "sum(n_tup_upd), sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname "
                      "LIKE 'wallets%'", database).split("|")
    report.check("updates of wallets are HOT", float(hot[0]) >= 95 and int(hot[1]) > 20, str(hot))
    read = CLUSTER.sql(
        "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch) FILTER (WHERE relname ~ "
        "'^(idempotency|bank_ids)_'), 0), sum(seq_tup_read + idx_tup_fetch) FILTER (WHERE relname "
        "~ '^(records|postings)_') FROM pg_stat_user_tables", database).split("|")
    report.check("no payment reads more than it must", int(read[0]) < 40 * len(load.answers),
                 f"{read} rows read for {len(load.answers)} payments")
    # While a month has few rows it may be read whole for a page, but not for each line of it.
    report.check("nor does a list", int(read[1]) < 40 * len(load.answers) + 3000 * listed,
                 f"{read} rows read for {listed} lists")
    report.check("and none takes long", max(lists.spans) < 2, max(lists.spans))
    report.equal("exit status", server.stop(), 0)
    verified(report, "boundary", database)


def clock_back(report):
    """As after a promotion to a server whose clock is an hour behind."""
    with florin.serving() as server, server.client() as client:
        database = CLUSTER.database_for(server.data)
        anna, shop = two_wallets(client)
        CLUSTER.sql("UPDATE florin.books SET time_ms = time_ms + 3600000", database)
        ahead = int(CLUSTER.sql("SELECT time_ms FROM florin.books", database))
        body = {"wallet": anna, "merchant": shop, "amount": 3}
        first = client.post("/v1/purchases", body, key="ahead")
        again = client.post("/v1/purchases", body, key="ahead")
        report.check("a key is known", again.replayed and first.body == again.body, str(again))
        at = CLUSTER.sql("SELECT max(time_ms), max(number >> 17) FROM florin.records", database)
        report.equal("time stands still, and goes nowhere back", at, f"{ahead}|{ahead}")
        report.equal("found by id", client.get(f"/v1/transactions/{first['id']}").status, 200)
        report.equal("exit status", server.stop(), 0)
        verified(report, "clock back", database)


def key_days(report):
    """Keys are remembered for idempotency_days, and forgotten after them."""
    for days, config in ((7, None), (20, {"idempotency_days": 20})):
        with florin.serving(config=config) as server, server.client() as client:
            database = CLUSTER.database_for(server.data)
            anna, shop = two_wallets(client)
            body = {"wallet": anna, "merchant": shop, "amount": 3}
            first = client.post("/v1/purchases", body, key="kept")
            for name, passed, expected in (("a minute before", days * 86400 - 60, True),
                                           ("a day after", 86460, False)):
                CLUSTER.sql(f"UPDATE florin.books SET time_ms = time_ms + {passed * 1000}",
                            database)
                again = client.post("/v1/purchases", body, key="kept")
                report.equal(f"{days} days, {name}: status", again.status, 201, str(again))
                report.equal(f"{days} days, {name}: replayed", again.replayed, expected)
                report.equal(f"{days} days, {name}: body", again.body == first.body, expected)
            verified(report, f"{days} days", database)


# ---- people and roles -------------------------------------------------------------------------

def views(report):
    with florin.serving() as server, server.client() as client:
        database = CLUSTER.database_for(server.data)
        anna, shop = two_wallets(client)
        client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 250})
        asked = client.post("/v1/adjustments", {"wallet": anna, "direction": "credit",
                                                "amount": 1, "reason": "a gift"})
        with server.client(server.key("admin")["secret"]) as second:
            second.post(f"/v1/approvals/{asked['id']}/approve", {})
        row = CLUSTER.sql("SELECT wallet, owner, currency, balance, available, status, kind "
                          f"FROM florin.balance_of('{anna}')", database)
        report.equal("balances", row, f"{anna}|anna|USD|999999751|999999751|active|customer")
        rows = CLUSTER.sql("SELECT number, type, amount, balance FROM "
                           f"florin.statement_of('{anna}')", database)
        report.equal("statements", rows,
                     "1|deposit|1000000000|1000000000\n2|purchase|-250|999999750\n"
                     "3|adjustment|1|999999751")
        same = CLUSTER.sql("SELECT bool_and(florin.id_bytes(wallet) = w.id) FROM florin.balances b "
                           "JOIN florin.wallets w USING (slot, number)", database)
        report.equal("ids there and back", same, "t")
    bare = CLUSTER.sql("SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = "
                       "'florin'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT "
                       "relispartition AND obj_description(oid) IS NULL", database)
    report.equal("every relation says what it is", bare, "")
    for name, query in {
            "column": "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON "
                      "a.attrelid = c.oid WHERE c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND "
                      "NOT a.attisdropped AND NOT c.relispartition AND "
                      "col_description(c.oid, a.attnum) IS NULL",
            "index": "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
                     "JOIN pg_class t ON t.oid = i.indrelid WHERE NOT i.indisprimary AND NOT "
                     "c.relispartition AND NOT t.relispartition AND "
                     "obj_description(c.oid) IS NULL",
            "function": "SELECT c.proname FROM pg_proc c WHERE obj_description(c.oid) IS NULL"
            }.items():
        space = "c.pronamespace" if name == "function" else "c.relnamespace"
        bare = CLUSTER.sql(f"SELECT string_agg(n, ' ') FROM ({query} AND {space} = "
                           "'florin'::regnamespace) x(n)", database)
        report.equal(f"every {name} says what it is", bare, "")
    loose = CLUSTER.sql(
        "SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c WHERE c.relnamespace "
        "= 'florin'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT "
        "EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisunique AND "
        "x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL)", database)
    # A key of idempotency may stand there again when its time is over; privileges are grants. Who
    # opens a wallet looks whether its number is free: a unique index is dear (sql/0095).
    report.equal("rows are told apart in every relation", loose, "idempotency privileges wallets")
    wild = CLUSTER.sql(
        "SELECT string_agg(c.relname || '.' || a.attname, ' ') FROM pg_class c JOIN pg_attribute a "
        "ON a.attrelid = c.oid WHERE c.relnamespace = 'florin'::regnamespace AND c.relkind IN "
        "('r', 'p') AND NOT c.relispartition AND a.attname IN ('slot', 'amount', 'balance', "
        "'held', 'status', 'chain', 'token', 'id') AND NOT EXISTS (SELECT FROM pg_constraint k "
        "WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey))", database)
    report.equal("what repeats the rules is checked", wild, "postings.balance")
    housekeeping(report, database)


def housekeeping(report, database):
    """Leaves have settings of their own, which they do not take from their parents; and no index
    of wallets holds what payments change, so that their rows can be changed where they are."""
    idle = CLUSTER.sql("SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = "
                       "'florin'::regnamespace AND relkind = 'r' AND relispartition AND "
                       "array_to_string(coalesce(reloptions, '{}'), ' ') !~ 'autovacuum_'",
                       database)
    report.equal("each leaf says when it is vacuumed", idle, "")
    full = CLUSTER.sql("SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = "
                       "'florin'::regnamespace AND relkind = 'r' AND relname ~ "
                       "'^(wallets_[0-9]|holds|withdrawals|refunds|books|slots|currencies)' AND "
                       "array_to_string(coalesce(reloptions, '{}'), ' ') !~ 'fillfactor'", database)
    report.equal("what changes has room on its page", full, "")
    room = CLUSTER.sql("SELECT count(*) FROM pg_class WHERE relnamespace = "
                       "'florin'::regnamespace AND relname ~ '^wallets_[0-9]$' AND "
                       "(SELECT option_value::integer FROM pg_options_to_table(reloptions) "
                       "WHERE option_name = 'fillfactor') < 50", database)
    report.equal("most of it where payments write", room, "4")
    keyed = CLUSTER.sql("SELECT string_agg(c.relname || '.' || a.attname, ' ') FROM pg_index x "
                        "JOIN pg_class c ON c.oid = x.indrelid JOIN pg_attribute a ON "
                        "a.attrelid = c.oid AND a.attnum = ANY (x.indkey) WHERE c.relnamespace = "
                        "'florin'::regnamespace AND c.relname LIKE 'wallets%' AND a.attname NOT IN "
                        "('slot', 'number', 'owner', 'id')", database)
    report.equal("no index of wallets holds what changes", keyed, "")


def lagging_heads(report):
    """Rows of slots lag behind the records, by so many at most. Nodes that pay in turn, one that is
    started anew, and whoever writes these rows in between all go on with the same chains."""
    server, other = florin.Server(florin=BINARY), florin.Server(florin=BINARY)
    try:
        server.start()
        database = CLUSTER.database_for(server.data)
        CLUSTER.databases[other.data] = database
        other.start()
        stand = lambda: [int(word) for word in CLUSTER.sql(  # noqa: E731
            "SELECT b.record_count, (SELECT count(*) FROM florin.records WHERE number > "
            "b.heads_record), (SELECT sum(record_count) FROM florin.slots) FROM florin.books b",
            database).split("|")]
        with server.client() as client, \
                florin.Client(other.port, server.admin_secret, 20.0) as second:
            anna, shop = two_wallets(client)
            records, behind, written = stand()
            report.check("nothing is written yet", behind == records and written == 0, stand())
            CLUSTER.sql("UPDATE florin.books SET heads_lag = 7", database)
            for number in range(40):
                paid = (second if number % 3 == 0 else client).post(
                    "/v1/transfers", {"from": anna, "to": shop, "amount": 1})
                report.equal("paid", paid.status, 201, repr(paid))
                records, behind, written = stand()
                report.check("by seven at most", behind <= 7 and written == records - behind,
                             stand())
                if number == 20:
                    CLUSTER.sql("SELECT florin.heads_write()", database)
                    report.equal("all are written", stand()[1], 0)
                if number == 30:
                    other.restart()
                    second.close()
            report.check("some lag in the end", stand()[1] > 0, stand())
            report.equal("consistent", client.get("/check-integrity?depth=full")["consistent"],
                         True)
        verified(report, "lagging heads", database)
        for edit in ("chain = decode(repeat('ab', 32), 'hex')", "record_count = record_count + 1"):
            CLUSTER.sql(f"CREATE TABLE florin.safe AS SELECT * FROM florin.slots; UPDATE "
                        f"florin.slots SET {edit} WHERE record_count > 0", database)
            code, said = command("verify", "--postgres", CLUSTER.url(database))
            report.check("what was written is verified", code == 1 and "row of slot" in said, said)
            CLUSTER.sql("UPDATE florin.slots s SET chain = o.chain, record_count = o.record_count "
                        "FROM florin.safe o WHERE o.slot = s.slot; DROP TABLE florin.safe",
                        database)
        for node in (server, other):
            report.equal("exit status", node.stop(), 0)
            report.equal("nothing broke", node.trouble(), [], node.log()[-2000:])
    finally:
        server.discard()
        other.discard()


# Of all relations, partitions by themselves as well: what there is of the past stands nowhere here.
MAY_CHANGE = {
    "serving": "DELETE decisions legs\nUPDATE approvals books currencies cursors data_keys "
               "encryption holds keys legs refunds slots wallets wallets_0 wallets_1 wallets_2 "
               "wallets_3 withdrawals",
    "verifying": ""}


def may_change(role, database):
    return CLUSTER.sql(
        "SELECT p || ' ' || string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c, "
        "(VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) v(p) WHERE "
        "c.relnamespace = 'florin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND "
        f"(has_table_privilege('{role}', c.oid, p) OR (p IN ('UPDATE', 'REFERENCES') AND "
        f"has_any_column_privilege('{role}', c.oid, p))) GROUP BY p ORDER BY p", database)


def unknown_role(report, database):
    """Whoever gives privileges to a role that is not there is told how to make it."""
    for option in ("--serving", "--verifying"):
        code, said = command("migrate", "--postgres", CLUSTER.url(database), option, "nobody_yet")
        report.check(f"{option}: a role that is not there", code == 1 and
                     "There is no role nobody_yet on this server" in said and
                     "CREATE ROLE nobody_yet LOGIN" in said, said)
    report.equal("it is given nothing", CLUSTER.sql(
        "SELECT count(*) FROM florin.roles WHERE role = 'nobody_yet'", database), "0")


def serving_role(report):
    CLUSTER.sql("CREATE ROLE waiter LOGIN", "postgres")
    server = florin.Server(florin=BINARY)
    database = CLUSTER.database_for(server.data)
    plain = server.command()
    server.command = lambda: [word.replace("user=florin", "user=waiter") for word in plain]
    code, said = command("migrate", "--postgres", url_as(database, "waiter"))
    report.check("may not make the schema", code == 1 and "role that owns it" in said, said)
    unknown_role(report, database)
    code, said = command("migrate", "--postgres", CLUSTER.url(database), "--serving", "waiter")
    report.equal("the owner gives privileges", code, 0, said)
    server.start()
    with server.client() as client:
        anna, shop = two_wallets(client)
        bought = client.post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 9})
        report.equal("pays", bought.status, 201, str(bought))
        refund = client.post("/v1/refunds", {"purchase": bought["id"], "amount": 9})
        report.equal("refunds", refund.status, 201, str(refund))
        report.equal("checks", client.get("/check-integrity?depth=full")["consistent"], True)
    for text in ("UPDATE florin.records SET principal = ''", "DELETE FROM florin.records",
                 "UPDATE florin.postings SET amount = 1", "DELETE FROM florin.postings",
                 "UPDATE florin.rounds SET time_ms = 1", "DELETE FROM florin.idempotency",
                 "DELETE FROM florin.bank_ids", "UPDATE florin.bank_ids SET record = 1",
                 "DELETE FROM florin.wallets", "DELETE FROM florin.holds", "TRUNCATE florin.keys",
                 "DROP TABLE florin.records", "UPDATE florin.records_first SET principal = ''",
                 "SELECT florin.partition_add(1)", "UPDATE florin.extent SET end_record = 0",
                 "SELECT florin.grant_to('waiter', 'verifying')", "TRUNCATE florin.records",
                 "UPDATE florin.kept_records SET bytes = ''", "DELETE FROM florin.kept_records",
                 "UPDATE florin.openings SET bytes = ''", "DELETE FROM florin.rule_sets",
                 "UPDATE florin.rule_sets SET rules = ''", "DELETE FROM florin.data_keys",
                 "UPDATE florin.lineage SET timeline = 1", "DELETE FROM florin.lineage",
                 "DELETE FROM florin.migrations", "DELETE FROM florin.books",
                 "DELETE FROM florin.slots", "DELETE FROM florin.currencies",
                 "DELETE FROM florin.withdrawals", "DELETE FROM florin.approvals",
                 "DELETE FROM florin.refunds", "DELETE FROM florin.cursors",
                 "UPDATE florin.postings_first SET amount = 1", "DROP VIEW florin.statements",
                 "DELETE FROM florin.records_first", "CREATE TABLE florin.mine (n integer)",
                 "ALTER TABLE florin.records DETACH PARTITION florin.records_first",
                 "ALTER TABLE florin.wallets DROP CONSTRAINT is_sound",
                 "CREATE OR REPLACE FUNCTION florin.expect(bigint, bigint, text) RETURNS boolean "
                 "LANGUAGE sql AS 'SELECT true'"):
        try:
            CLUSTER.sql(f"SET ROLE waiter; {text}", database)
            report.fail(text, "was allowed")
        except RuntimeError as error:
            report.check(text, "permission denied" in str(error) or "must be owner" in str(error),
                         str(error))
    for role, purpose in (("waiter", "serving"), ("guest", "verifying")):
        if purpose == "verifying":
            CLUSTER.sql("CREATE ROLE guest", "postgres")
            CLUSTER.sql("SELECT florin.grant_to('guest', 'verifying')", database)
        report.equal(f"{purpose}: all that it may change", may_change(role, database),
                     MAY_CHANGE[purpose])
    report.equal("exit status", server.stop(), 0)
    CLUSTER.sql("DELETE FROM florin.migrations WHERE number = 4", database)
    code, said = command("migrate", "--postgres", url_as(database, "waiter"))
    report.check("a schema that is behind needs its owner",
                 code == 1 and "role that owns it" in said, said)


# ---- neighbouring versions --------------------------------------------------------------------

def side_by_side(report):
    """From the schema of the version before to the present one, while a server works; a lock of
    somebody else makes it wait, not fail; what broke off is finished."""
    server = florin.Server(florin=BINARY).start()
    database = CLUSTER.database_for(server.data)
    CLUSTER.sql("DROP INDEX florin.withdrawals_created; DELETE FROM florin.migrations WHERE "
                "number = 4", database)
    load = Load(server)
    CLUSTER.sql("CREATE TABLE florin.t (n integer); INSERT INTO florin.t VALUES (1), (1)", database)
    try:
        CLUSTER.sql("CREATE UNIQUE INDEX CONCURRENTLY withdrawals_created ON florin.t (n)",
                    database)
    except RuntimeError:
        pass  # it leaves an invalid index of that name behind
    children = [subprocess.Popen([BINARY, "migrate", "--postgres", CLUSTER.url(database)],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                for _ in range(3)]
    texts = [child.communicate(timeout=60)[0] for child in children]
    report.equal("all succeed", [child.returncode for child in children], [0] * 3, texts)
    load.stop(report, "side by side")
    valid = CLUSTER.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = "
                        "'florin.withdrawals_created'::regclass AND indrelid = "
                        "'florin.withdrawals'::regclass", database)
    report.equal("the index is whole", valid, "t")
    # A schema one version newer that says whom it still serves.
    newest = int(CLUSTER.sql("SELECT max(number) FROM florin.migrations", database))
    CLUSTER.sql(f"INSERT INTO florin.migrations VALUES ({newest + 1}, 'next', {newest})", database)
    code, said = command("migrate", "--postgres", CLUSTER.url(database))
    report.equal("a neighbour is served", code, 0, said)
    server.restart()
    report.equal("and starts", server.stop(), 0)
    CLUSTER.sql(f"UPDATE florin.migrations SET serves = number WHERE number > {newest}", database)
    code, said = command("migrate", "--postgres", CLUSTER.url(database))
    report.check("a stranger is not", code == 1 and "newer Florin" in said, said)


# As records were before 0130: found by slot and number, and by number.
TWO_INDEXES = """BEGIN; DROP INDEX records_once;
    ALTER TABLE records ADD CONSTRAINT records_pkey PRIMARY KEY (slot, number);
    CREATE INDEX records_number ON records (number);
    DELETE FROM migrations WHERE number = 130; COMMIT"""
INDEXES = """SELECT t.relname, string_agg(pg_get_indexdef(x.indexrelid, 1, true) || ' ' ||
    pg_get_indexdef(x.indexrelid, 2, true) || ' ' || x.indisunique || ' ' || x.indisvalid, ', '
    ORDER BY x.indisunique DESC) FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid
    WHERE t.relname ~ '^records(_|$)' AND t.relkind IN ('r', 'p') GROUP BY t.relname"""


def one_index(report):
    """Records lose the index by slot while payments go on, also where the one who migrates is
    killed, and somebody's transaction is in the way. At no moment may one be there twice."""
    server = florin.Server(florin=BINARY).start()
    database = CLUSTER.database_for(server.data)
    CLUSTER.sql(f"SET search_path = florin; {TWO_INDEXES}", database)
    load = Load(server)
    report.check("payments", within(120, lambda: len(load.answers) > 20))
    first = CLUSTER.sql("SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = "
                        "'florin.records'::regclass", database)
    psql = Psql(CLUSTER, database, f"LOCK TABLE {first} IN ROW EXCLUSIVE MODE")
    building = ("SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                "'CREATE UNIQUE INDEX CONCURRENTLY%' AND state = 'active'")
    child = subprocess.Popen([BINARY, "migrate", "--postgres", CLUSTER.url(database)])
    report.check("an index is being built",
                 within(120, lambda: CLUSTER.sql(building, database) == "1"))
    child.kill()
    child.wait()
    CLUSTER.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
                "'CREATE UNIQUE INDEX CONCURRENTLY%'", database)
    paid = len(load.answers)
    report.check("payments go on", within(120, lambda: len(load.answers) > paid + 20))
    psql.end()
    code, said = command("migrate", "--postgres", CLUSTER.url(database))
    report.equal("migrated", code, 0, said)
    load.stop(report, "one index")
    CLUSTER.sql("SELECT florin.partition_add(((SELECT end_record FROM florin.extent) >> 17) + "
                "86400000)", database)
    for line in CLUSTER.sql(INDEXES, database).splitlines():
        report.equal("each partition has it, a new one, too", line.partition("|")[2],
                     "number slot true true, order_id number false true")
    try:
        CLUSTER.sql("INSERT INTO florin.records SELECT * FROM florin.records ORDER BY number DESC "
                    "LIMIT 1", database)
        report.fail("a record that is there", "can be added")
    except RuntimeError as error:
        report.check("a record that is there is refused", "duplicate key" in str(error), error)
    report.equal("exit status", server.stop(), 0)
    report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
    verified(report, "one index", database)


total = Report("postgres schema")
cluster.serve_from(CLUSTER)
total.run("pruning", pruning)
total.run("open holds", open_holds)
total.run("numbers", numbers)
total.run("clock back", clock_back)
total.run("days of keys", key_days)
total.run("views", views)
total.run("lagging heads", lagging_heads)
total.run("serving role", serving_role)
total.run("side by side", side_by_side)
total.run("one index", one_index)
total.run("statistics", statistics)
total.run("boundary", boundary)
total.finish()
