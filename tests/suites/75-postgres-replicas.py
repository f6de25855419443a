#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads from a real streaming standby: who sends a position never sees less than his write, who
allows an age gets nothing older, and a replica that lags or dies is left out and comes back."""

import os
import random
import re
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from client import Client  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

PRIMARY = cluster.Cluster()
STANDBY = cluster.Cluster(PRIMARY)
cluster.serve_from(PRIMARY)
HOURS = {"Cache-Control": "max-age=86400"}


def metric(client, name):
    found = re.search(rf"^florin_{re.escape(name)} (\S+)$", client.get("/metrics").body.decode(),
                      re.MULTILINE)
    return float(found.group(1)) if found else None


def replica_reads(client):
    return metric(client, 'postgres_reads_total{from="replica"}')


def is_used(client):
    text = client.get("/metrics").body.decode()
    return re.search(r"florin_postgres_replica_used\{[^}]*\} (\d)", text).group(1) == "1"


def lag(client):
    """Of the only replica, in seconds; 0 while nobody knows."""
    found = re.search(r"^florin_postgres_replica_lag_seconds\{[^}]*\} (\S+)$",
                      client.get("/metrics").body.decode(), re.MULTILINE)
    return float(found.group(1)) if found else 0


def pause(paused):
    STANDBY.sql(f"SELECT pg_wal_replay_{'pause' if paused else 'resume'}()", "postgres")
    wanted = "paused" if paused else "not paused"
    assert within(120, lambda: STANDBY.sql("SELECT pg_get_wal_replay_pause_state()",
                                        "postgres") == wanted)


def caught_up():
    here = PRIMARY.sql("SELECT pg_current_wal_flush_lsn()", "postgres")
    return within(120, lambda: STANDBY.sql(f"SELECT pg_last_wal_replay_lsn() >= '{here}'",
                                        "postgres") == "t")


def serve(**settings):
    settings.setdefault("postgres_cache_wallets", 0)
    # The books' database must be on the standby before its replica can be read.
    server = florin.Server(config=dict(settings))
    name = PRIMARY.database_for(server.data)
    server.config["postgres_replicas"] = [STANDBY.url(name)]
    return server.start()


def open_wallet(client, owner="anna", money=1000):
    wallet = client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
    answer = client.post("/v1/deposits", {"wallet": wallet, "amount": money,
                                          "bank_transaction_id": f"{owner}-{random.random()}"})
    assert answer.status == 201, answer
    return wallet, answer.headers["florin-position"]


def balance(client, wallet, headers=None):
    answer = client.get(f"/v1/wallets/{wallet}", headers=headers)
    assert answer.status == 200, answer
    return answer["balance"]


def routing(report):
    server = serve()
    with server.client() as client, server.client(server.key("auditor")["secret"]) as other:
        wallet, position = open_wallet(client)
        report.check("used", within(120, lambda: is_used(client)))
        caught_up()
        paths = [f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/balance",
                 f"/v1/wallets/{wallet}/transactions", "/v1/wallets?owner=anna",
                 f"/v1/wallets/{wallet}/balance?at=2999-01-01"]
        for path in paths:
            before = replica_reads(client)
            strong = client.get(path)
            report.equal(f"{path}: as of now", replica_reads(client), before)
            near = client.get(path, headers={"Florin-Position": position})
            report.equal(f"{path}: with its position", replica_reads(client), before + 1)
            far = other.get(path, headers={"Cache-Control": "max-age=30"})
            same = re.sub(rb'"at":"[^"]*"', b"", strong.body)
            for answer in (near, far):
                report.equal(path, (answer.status, re.sub(rb'"at":"[^"]*"', b"", answer.body),
                                    answer.headers.get("etag")),
                             (200, same, strong.headers.get("etag")))
            before = replica_reads(client)
            other.get(path, headers={"Cache-Control": "max-age=30, no-cache",
                                     "Florin-Position": position})
            report.equal(f"{path}: no-cache is as of now", replica_reads(client), before)
        things(report, client, wallet)
        for bad in ("x", "1", "1-", "-1", "0-5", "1-1-1", "1-00000000000000001", "1-G", ""):
            answer = client.get(paths[0], headers={"Florin-Position": bad})
            report.equal(f"position {bad!r}", (answer.status, answer.code),
                         (400, "invalid_request"))
        answer = client.get(paths[0], headers={"Florin-Position": "ff-1"})
        report.equal("a position from elsewhere", answer.status, 200)
        missing = client.get("/v1/wallets/wallet_" + "0" * 26, headers=HOURS)
        report.equal("nothing", (missing.status, missing.code), (404, "not_found"))
    report.equal("exit status", server.stop(), 0)
    report.check("log", not server.trouble(), server.log()[-2000:])


def things(report, client, wallet):
    """Every kind of thing looks the same from the replica."""
    shop = client.post("/v1/wallets", {"owner": "shop", "currency": "USD", "kind": "merchant"})
    bought = client.post("/v1/purchases", {"wallet": wallet, "merchant": shop["id"], "amount": 9,
                                           "order": "o1"})
    client.post("/v1/refunds", {"purchase": bought["id"], "amount": 4})
    held = client.post("/v1/holds", {"wallet": wallet, "merchant": shop["id"], "amount": 5,
                                     "order": "o2"})
    captured = client.post(f"/v1/holds/{held['id']}/capture", {})
    out = client.post("/v1/withdrawals", {"wallet": wallet, "amount": 3})
    last = client.post(f"/v1/withdrawals/{out['id']}/settle", {"bank_transaction_id": "b1"})
    headers = {"Florin-Position": last.headers["florin-position"]}
    caught_up()
    for path in (f"transactions/{bought['id']}", f"transactions/{captured['id']}",
                 f"holds/{held['id']}", f"withdrawals/{out['id']}", "holds?status=captured",
                 "withdrawals?status=settled", "transactions?order=o1", "transactions"):
        before = replica_reads(client)
        near, now = client.get("/v1/" + path, headers=headers), client.get("/v1/" + path)
        report.equal(path, (near.status, near.body), (now.status, now.body))
        report.equal(f"{path}: by the replica", replica_reads(client), before + 1)


def paused(report):
    server = serve()
    with server.client() as client, server.client(server.key("auditor")["secret"]) as other:
        wallet, position = open_wallet(client)
        within(120, lambda: is_used(client))
        caught_up()
        pause(True)
        try:
            paid = client.post("/v1/deposits", {"wallet": wallet, "amount": 5,
                                                "bank_transaction_id": f"p{random.random()}"})
            position = {"Florin-Position": paid.headers["florin-position"]}
            history = f"/v1/wallets/{wallet}/transactions"
            report.equal("with its position", balance(other, wallet, position), 1005)
            report.equal("history with it", len(other.get(history, headers=position)["items"]), 2)
            report.equal("as of now", balance(other, wallet), 1005)
            before = replica_reads(client)
            report.equal("of an hour ago", balance(other, wallet, HOURS), 1000)
            report.equal("history", len(other.get(history, headers=HOURS)["items"]), 1)
            report.equal("by the replica", replica_reads(client), before + 2)
            report.equal("his own write", balance(client, wallet, HOURS), 1005)
            time.sleep(1.3)
            report.equal("of a second ago", balance(other, wallet, {"Cache-Control": "max-age=1"}),
                         1005)
        finally:
            pause(False)
        caught_up()
        before = replica_reads(client)
        report.equal("replayed", balance(client, wallet, position), 1005)
        report.equal("by the replica again", replica_reads(client), before + 1)
    report.equal("exit status", server.stop(), 0)


def lagging(report):
    """Too far behind: left out, until it has caught up. Killed: left out, until it is back."""
    server = serve(postgres_replica_lag_ms=1000)
    with server.client() as client, server.client(server.key("auditor")["secret"]) as other:
        wallet, position = open_wallet(client)
        within(120, lambda: is_used(client))
        pause(True)
        client.post("/v1/wallets", {"owner": "later", "currency": "USD"})
        report.check("left out", within(120, lambda: not is_used(client)))
        report.check("its lag is told", within(120, lambda: lag(client) > 1), lag(client))
        before = replica_reads(client)
        report.equal("by the primary", balance(other, wallet, HOURS), 1000)
        report.equal("not by the replica", replica_reads(client), before)
        pause(False)
        report.check("used again", within(120, lambda: is_used(client)))
        report.check("behind no more", within(120, lambda: lag(client) <= 1), lag(client))
        STANDBY.stop(signal.SIGKILL)
        for _ in range(5):
            report.equal("without the replica",
                         balance(other, wallet, {"Florin-Position": position}), 1000)
        report.check("left out when it is dead", within(120, lambda: not is_used(client)))
        STANDBY.start()
        report.check("used when it is back", within(120, lambda: is_used(client)))
        before = replica_reads(client)
        report.equal("read", balance(other, wallet, {"Florin-Position": position}), 1000)
        report.equal("by the replica", replica_reads(client), before + 1)
    report.equal("exit status", server.stop(), 0)
    report.check("log", not server.trouble(), server.log()[-2000:])


def own_writes(report):
    """Many keys write and read at once while the replay stops and goes: nobody misses his own."""
    server = serve(http_threads=2)
    with server.client() as client:
        wallets = [open_wallet(client, f"o{n}")[0] for n in range(6)]
        secrets = [server.key("service")["secret"] for _ in wallets]
        within(120, lambda: is_used(client))
    quit_, wrong, done = threading.Event(), [], [0]

    def work(wallet, secret):
        chance = random.Random(wallet)
        expected = 1000
        with server.client(secret) as client:
            while not quit_.is_set():
                answer = client.post("/v1/deposits", {
                    "wallet": wallet, "amount": 1, "bank_transaction_id": f"w{chance.random()}"})
                expected += answer.status == 201
                headers = chance.choice([HOURS, {"Cache-Control": "max-age=2"}, {
                    "Florin-Position": answer.headers.get("florin-position", "1-0")}])
                seen = balance(client, wallet, headers)
                done[0] += 1
                if seen != expected:
                    wrong.append((expected, seen, headers))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(wallets, secrets)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        pause(True)
        time.sleep(0.4)
        pause(False)
        time.sleep(0.4)
    quit_.set()
    for thread in threads:
        thread.join(120)
    with server.client() as client:
        reads = replica_reads(client)
        print(f"replicas: {done[0]} writes read again, {reads:.0f} by the replica", flush=True)
        report.check("own writes are seen", not wrong and done[0] > 50, f"{wrong[:5]} {done[0]}")
        report.check("the replica helps", reads > 10, reads)
    report.equal("exit status", server.stop(), 0)


def cached(report):
    """Two nodes on the same books, neither of which hears of the other's writes."""
    one = florin.Server(config={"postgres_cache_wallets": 40}).start()
    two = florin.Server()
    PRIMARY.databases[two.data] = PRIMARY.database_for(one.data)
    two.start()
    secret = one.key("auditor")["secret"]
    time.sleep(1.1)  # the other node knows the key by then
    with one.client() as here, one.client(secret) as other, \
            Client(two.port, one.admin_secret) as there:
        wallet, _ = open_wallet(here)
        misses = metric(here, "postgres_cache_misses_total")
        report.equal("read", balance(other, wallet, HOURS), 1000)
        report.equal("it was not there", metric(here, "postgres_cache_misses_total"), misses + 1)
        hits = metric(here, 'postgres_reads_total{from="cache"}')
        report.equal("read again", balance(other, wallet, HOURS), 1000)
        report.equal("from the cache", metric(here, 'postgres_reads_total{from="cache"}'), hits + 1)
        report.equal("which is no miss", metric(here, "postgres_cache_misses_total"), misses + 1)
        paid = there.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                           "bank_transaction_id": f"c{random.random()}"})
        report.equal("elsewhere", paid.status, 201)
        report.equal("as it was", balance(other, wallet, HOURS), 1000)
        report.equal("as of now", balance(other, wallet), 1001)
        report.equal("which nobody looks for in the cache",
                     metric(here, "postgres_cache_misses_total"), misses + 1)
        position = {"Florin-Position": paid.headers["florin-position"], **HOURS}
        report.equal("with that position", balance(other, wallet, position), 1001)
        here.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                   "bank_transaction_id": f"c{random.random()}"})
        report.equal("after a write of its own", balance(here, wallet, HOURS), 1002)
        never_too_old(report, other, there, wallet)
        for number in range(60):
            balance(other, open_wallet(here, f"many{number}")[0], HOURS)
        kept = metric(here, "postgres_cache_wallets")
        report.check("bounded", 20 <= kept <= 40, kept)
    report.equal("exit status", two.stop(), 0)
    report.equal("exit status", one.stop(), 0)


def never_too_old(report, reader, writer, wallet):
    """What was answered elsewhere a second ago is seen, though nobody told this node."""
    known = [(time.monotonic(), balance(reader, wallet))]
    wrong, hits = [], 0
    deadline = time.monotonic() + 3.5
    while time.monotonic() < deadline:
        answer = writer.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                              "bank_transaction_id": f"c{random.random()}"})
        known.append((time.monotonic(), known[-1][1] + (answer.status == 201)))
        asked = time.monotonic()
        seen = balance(reader, wallet, {"Cache-Control": "max-age=1"})
        least = max(value for at, value in known if at < asked - 1 or value == known[0][1])
        hits += seen < known[-1][1]
        if seen < least:
            wrong.append((seen, least))
    report.check("never older than a second", not wrong, wrong[:5])
    report.check("but sometimes older than now", hits > 0, len(known))


total = Report("postgres replicas")
total.run("routing", routing)
total.run("paused", paused)
total.run("lagging", lagging)
total.run("own writes", own_writes)
total.run("cached", cached)
total.finish()
