#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frauds over several wallets, hidden in the life of a town, are found behind the feed; honest
salaries, sales days, rents and collections are left alone. On both engines, in simulated time, and
over a restart in the middle."""

import os
import re
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "traffic")]

import florin  # noqa: E402
import generate  # noqa: E402
import play  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
PATTERNS = {"structuring", "circle", "fan-in", "fan-out", "shared-bank", "burst"}
# What the patterns are for; a takeover is for the rules of payments.
KINDS = ("structuring", "payout-structuring", "circle", "mule", "fan-out", "shared-payout",
         "young-burst")


def findings_of(server):
    with server.client() as client:
        return [finding for finding in client.list("/v1/anomalies?limit=1000")
                if finding["rule"] in PATTERNS]


def metric(client, name):
    found = re.search(rf"^florin_{name} (\d+)$", client.get("/metrics").body.decode(), re.M)
    return int(found[1]) if found else None


def wait_until_read(server):
    """The watch has read all that was there when it was asked."""
    deadline = time.monotonic() + 120
    with server.client(timeout=60) as client:
        first = None
        while time.monotonic() < deadline:
            turns, read, end = [metric(client, "patterns_" + name)
                                for name in ("turns_total", "position", "feed_end")]
            first = turns if first is None else first
            if turns is not None and turns >= first + 2 and read >= end > 0:
                return True
            time.sleep(0.2)
    return False


def judge(report, name, player, findings, kinds, is_timed):
    recall, alarms = player.judge(findings)
    print(f"   {name}: {player.transactions} transactions, {len(findings)} findings, "
          f"{len(alarms)} false; {recall}", flush=True)
    for kind in kinds:
        found, cases = recall.get(kind, (0, 0))
        report.check(f"{name}: {kind}", cases > 0 and found >= 0.9 * cases, (recall, found, cases))
    if is_timed:
        report.check(f"{name}: honest people are left alone",
                     len(alarms) <= 0.001 * player.transactions, alarms[:5])
    for finding in findings:
        report.check(f"{name}: a finding explains itself", 0 < finding["score"] <= 100 and
                     len(finding["sentence"]) > 20 and finding["transactions"], finding)


def live(report, name, days, customers, cases, is_timed):
    clock = play.Clock()
    server = florin.Server(florin=BINARY, config={"patterns": {}},
                           environment=clock.environment()).start()
    player = play.Play(server, clock, generate.town(7, days, customers, cases))
    player.run()
    report.check(f"{name}: all was looked at", wait_until_read(server), server.log()[-2000:])
    findings = findings_of(server)
    judge(report, name, player, findings, KINDS if is_timed else KINDS[:-1], is_timed)
    with server.client() as client:
        counted = sum(int(count) for count in re.findall(
            r"florin_pattern_findings_total\{[^}]*\} (\d+)", client.get("/metrics").body.decode()))
        report.equal(f"{name}: the metrics count them", counted, len(findings))
        report.equal(f"{name}: the books are right",
                     client.get("/check-integrity?depth=full")["consistent"], True)
    if is_timed:
        server.restart()
        report.check(f"{name}: after a restart", wait_until_read(server), server.log()[-2000:])
        report.equal(f"{name}: a restart finds nothing twice", findings_of(server), findings)
        with server.client() as client:
            done = client.post(f"/v1/anomalies/{findings[0]['id']}/dismiss",
                               {"comment": "a friend of the house"})
            report.equal(f"{name}: a finding is dismissed", (done.status, done["status"]),
                         (200, "dismissed"), done)
    report.equal(f"{name}: exit status", server.stop(), 0)


def embedded(report):
    live(report, "embedded", 20, 100, 3, True)


def postgres(report):
    import cluster  # pylint: disable=import-outside-toplevel
    cluster.serve_from(cluster.Cluster())
    # A database has a time of its own: there all of it happens within a minute, and everybody is
    # young.
    live(report, "postgres", 13, 40, 1, False)


report = Report("patterns")
report.run("embedded", embedded)
report.run("postgres", postgres)
report.finish()
