#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A PostgreSQL whose processes all stand still, and one that is gone: health, readiness, metrics
and the page answer and tell the truth, requests are answered busy, and what came of them is right
afterwards. What was slow is told with its steps. (A disk that hangs: 43-disk.py.)"""

import contextlib
import os
import re
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

CONFIG = {"request_deadline_ms": 2000, "recount_mib_per_s": 0}
PATIENT = {"request_deadline_ms": 60000, "recount_mib_per_s": 0, "slow_request_ms": 200}
LOCKED_S = 0.6
report = Report("health")


def store_of(client):
    """What /readyz answers: (HTTP status, what it says of the server, and of the store)."""
    told = client.get("/readyz")
    return told.status, told["status"], {one["name"]: one["status"]
                                         for one in told["dependencies"]}.get("store")


def metric(client, name):
    found = re.search(rf"^florin_{re.escape(name)} ([\d.]+)$",
                      client.get("/metrics").body.decode(), re.M)
    return float(found[1]) if found else None


@contextlib.contextmanager
def standing_still(database):
    pids = [database.postmaster()] + [int(pid) for pid in database.sql(
        "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()", "postgres").split()]
    wrapper = database.process.pid  # stops itself when its child does
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids + [wrapper]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def told(name, client, statuses):
    """What answers although the store does not."""
    report.check(f"{name}: not ready, for want of the store", within(
        60, lambda: store_of(client) in [(503, "unavailable", status) for status in statuses]),
        store_of(client))
    report.equal(f"{name}: the process lives", client.get("/healthz").status, 200)
    report.equal(f"{name}: the metrics say so", metric(client, 'dependency_up{dependency="store"}'),
                 0)
    page = client.get("/")
    report.check(f"{name}: the page is served", page.status == 200 and b"<html" in page.body, page)


def hangs(server, client, database, wallets):
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 7}
    key = {"Idempotency-Key": "while it hung"}
    answers = []

    def ask():
        with server.client(timeout=60) as other:
            answers.append(other.post("/v1/transfers", transfer, headers=key))

    with standing_still(database):
        late = threading.Thread(target=ask)
        late.start()
        told("hangs", client, ["hangs"])
        report.check("hangs: for how long", within(
            30, lambda: metric(client, "store_answer_seconds") > 1))
        late.join(60)
        report.equal("hangs: a payment is answered busy", [(one.status, one.code)
                                                           for one in answers], [(503, "busy")])
        report.equal("hangs: so is the check of the books",
                     client.get("/check-integrity").code, "busy")
    report.check("hangs: ready once it moves", within(
        60, lambda: store_of(client) == (200, "ready", "ok")), store_of(client))
    done = within(60, lambda: client.post("/v1/transfers", transfer, headers=key).status == 201)
    report.check("hangs: the retry tells what came of it", done)
    report.equal("hangs: it was made once",
                 client.get(f"/v1/wallets/{wallets[1]}")["balance"], 7)
    report.check("hangs: the deadline was counted",
                 metric(client, "request_deadlines_missed_total") >= 1)
    report.check("hangs: the log says where the time went", re.search(
        r"transfer took \d{4,} ms: parse \d+,(?: aside \d+,)? waits \d{4,}; it was answered "
        r"busy, [a-z ]+; request \w+", server.log()), server.log()[-2000:])


def is_gone(client, database):
    database.stop(signal.SIGINT)
    told("gone", client, ["away", "hangs"])
    database.start()
    report.check("gone: ready once it is back", within(
        60, lambda: store_of(client) == (200, "ready", "ok")), store_of(client))


def steps_of(server, operation, request_id):
    """What the log says of a slow request: (milliseconds in all, {step: milliseconds})."""
    line = within(60, lambda: re.search(
        rf"slow: {operation} took (\d+) ms: ([a-z0-9 ,]+); request {request_id}$", server.log(),
        re.M))
    if not line:
        return 0, {}
    return int(line[1]), {name: int(ms) for name, ms in (
        step.rsplit(" ", 1) for step in line[2].split(", "))}


def slow(database, name, lock, waits, ask):
    """Asks for something that waits for a lock of somebody else's for a while."""
    locker = Psql(database, name, lock)
    late = threading.Thread(target=ask)
    late.start()
    try:
        report.check("slow: it waits", within(60, waits))
        time.sleep(LOCKED_S)
    finally:
        locker.end()
        late.join(60)


def slow_steps(database):
    """Where the time of a slow payment and of a slow list went."""
    with florin.serving(florin=florin.binary(), config=PATIENT) as server, \
            server.client(timeout=90) as client, server.client() as other:
        name = database.database_for(server.data)
        wallets = [client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
                   for owner in ("ann", "bob")]
        client.post("/v1/deposits", {"wallet": wallets[0], "amount": 1000,
                                     "bank_transaction_id": "b"})
        slow(database, name, "SELECT 1 FROM florin.wallets WHERE owner = 'ann'::bytea FOR UPDATE",
             lambda: metric(other, "engine_set_aside_total") > 0,
             lambda: client.post(
                 "/v1/transfers", {"from": wallets[0], "to": wallets[1], "amount": 1},
                 headers={"X-Request-Id": "row-was-locked"}))
        took, steps = steps_of(server, "transfer", "row-was-locked")
        report.equal("slow: a payment's steps", list(steps),
                     ["parse", "aside", "queue", "decide", "write", "sync", "answer"],
                     server.log()[-1500:])
        report.check("slow: it waited for the wallet", took >= steps.get("aside", 0) >= 500, steps)
        report.check("slow: the steps are all of it",
                     took - len(steps) <= sum(steps.values()) <= took, (took, steps))
        slow(database, name, "LOCK TABLE florin.records IN ACCESS EXCLUSIVE MODE",
             lambda: waiting(database, name, "true") > 0,
             lambda: client.get("/v1/transactions", headers={"X-Request-Id": "table-was-locked"}))
        took, steps = steps_of(server, "listTransactions", "table-was-locked")
        report.equal("slow: a list's steps", list(steps), ["queue", "read"], server.log()[-1500:])
        report.check("slow: it waited for the table", took >= steps.get("read", 0) >= 500, steps)
        report.check("slow: both are counted", metric(client, "slow_requests_total") >= 2)


def main():
    database = cluster.Cluster()
    cluster.serve_from(database)
    with florin.serving(florin=florin.binary(), config=CONFIG) as server, \
            server.client(timeout=60) as client:
        wallets = [client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
                   for owner in ("ann", "bob")]
        client.post("/v1/deposits", {"wallet": wallets[0], "amount": 1000,
                                     "bank_transaction_id": "b"})
        report.check("before: ready", within(
            30, lambda: store_of(client) == (200, "ready", "ok")), store_of(client))
        hangs(server, client, database, wallets)
        is_gone(client, database)
        report.equal("the books are right",
                     client.get("/check-integrity?depth=full")["consistent"], True)
        report.equal("exit status", server.stop(), 0)
    slow_steps(database)
    report.finish()


if __name__ == "__main__":
    main()
