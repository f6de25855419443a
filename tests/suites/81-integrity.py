#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real damage under a running server: the recount in the background finds it, says where, raises
the alarm and, as configured, stops payments until somebody decides. Both engines."""

import glob
import os
import re
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CONFIG = {"recount_pause_s": 1, "recount_mib_per_s": 64, "alarm_stops_payments": 1}
report = Report("integrity")


def until(condition, seconds=30.0):
    """Waits for it; what it said at last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.1)


def metric(client, name):
    found = re.search(rf"^florin_{name} (\d+)$", client.get("/metrics").body.decode(), re.M)
    return int(found[1]) if found else None


def fill(client):
    """A few payments; the payer, the payee."""
    ids = [client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
           for owner in ("ann", "bob")]
    client.post("/v1/deposits", {"wallet": ids[0], "amount": 90210, "bank_transaction_id": "b"})
    for _ in range(20):
        client.post("/v1/transfers", {"from": ids[0], "to": ids[1], "amount": 5})
    return ids


def quiet(report, name, client):
    """Recounts of sound books."""
    done = until(lambda: (metric(client, "integrity_recounts_total") or 0) >= 2)
    report.check(f"{name}: recounts are made", done)
    report.equal(f"{name}: consistent", metric(client, "integrity_consistent"), 1)
    report.equal(f"{name}: no alarm", metric(client, "integrity_alarms_total"), 0)
    answer = client.get("/check-integrity")
    report.equal(f"{name}: the check agrees", answer["consistent"], True, answer)
    report.check(f"{name}: it tells of recounts", answer["recounts"]["count"] >= 2 and
                 "finished_at" in answer["recounts"], answer)
    report.equal(f"{name}: payments go on", answer["payments_stopped"], False)


def alarmed(report, name, server, client, wallets, words):
    """After the damage."""
    report.check(f"{name}: the alarm is raised",
                 until(lambda: metric(client, "integrity_alarms_total")), server.log()[-2000:])
    report.equal(f"{name}: in the metrics", metric(client, "integrity_consistent"), 0)
    line = next((line for line in server.log().splitlines() if "THE BOOKS DIFFER" in line), "")
    report.check(f"{name}: the log says where", all(word in line for word in words), line)
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 1}
    stopped = client.post("/v1/transfers", transfer, key="again")
    report.equal(f"{name}: payments stop", (stopped.status, stopped.code),
                 (503, "payments_stopped"), stopped)
    batch = client.post("/v1/batches", {"operations": [{"type": "transfer", **transfer}]})
    report.equal(f"{name}: in batches too", batch["results"][0]["code"], "payments_stopped", batch)
    report.equal(f"{name}: reads go on", client.get(f"/v1/wallets/{wallets[1]}").status, 200)
    frozen = client.patch(f"/v1/wallets/{wallets[1]}", {"metadata": {"seen": "yes"}})
    report.equal(f"{name}: so do changes", frozen.status, 200, frozen)
    with server.client(server.key("service")["secret"]) as service:
        report.equal(f"{name}: not everybody decides",
                     service.post("/check-integrity/resume").status, 403)
    resumed = client.post("/check-integrity/resume")
    report.equal(f"{name}: an admin decides", resumed.status, 200, resumed)
    before = metric(client, "integrity_alarms_total")
    again = client.post("/v1/transfers", transfer, key="again")
    if metric(client, "integrity_alarms_total") == before:  # else the next recount was quicker
        report.check(f"{name}: the retry is carried out", again.status == 201, again)
    entries = until(lambda: client.list("/v1/audit?operation=resumePayments"))
    report.check(f"{name}: the decision is in the audit",
                 {e["outcome"] for e in entries} >= {"ok", "forbidden"}, entries)


def embedded(report):
    with florin.serving(florin=BINARY, config=CONFIG) as server, server.client() as client:
        wallets = fill(client)
        quiet(report, "journal", client)
        path = sorted(glob.glob(os.path.join(server.data, "journal", "*.segment")))[0]
        with open(path, "r+b") as file:
            place = file.read().index((90210).to_bytes(8, "little"))
            file.seek(place)
            file.write(b"\x63")
        alarmed(report, "journal", server, client, wallets, ["position", "checksum"])


def postgres(report):
    import cluster  # pylint: disable=import-outside-toplevel
    database = cluster.Cluster()
    cluster.serve_from(database)
    with florin.serving(florin=BINARY, config=CONFIG) as server, server.client() as client:
        wallets = fill(client)
        quiet(report, "row", client)
        database.sql("UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'bob'::bytea",
                     database.database_for(server.data))
        alarmed(report, "row", server, client, wallets, [wallets[1], "107", "100"])


report.run("embedded", embedded)
report.run("postgres", postgres)
report.finish()
