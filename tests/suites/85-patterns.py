#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frauds hidden in the life of a town are found by the rules and patterns that are shipped; honest
salaries, sales days, rents and collections are left alone. On both engines, in simulated time, and
over a restart in the middle. Patterns alone are changed while the server runs."""

import json
import os
import re
import shutil
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SHIPPED = os.path.join(TESTS, "..", "packaging", "rules.json")
sys.path[:0] = [os.path.join(TESTS, name) for name in (
    "lib", "postgres", "roles", "rules", "traffic")]

import florin  # noqa: E402
import generate  # noqa: E402
import play  # noqa: E402
import rules  # noqa: E402
import second_town  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
PATTERNS = {"structuring", "circle", "fan-in", "fan-out", "shared-bank", "burst"}
# Where everybody is young and all is within minutes, these look like honest life.
OLD_ONLY = ("young-burst", "sleeper", "takeover", "card-testing", "refund-abuse")


def findings_of(server, only=None):
    with server.client() as client:
        return [finding for finding in client.list("/v1/anomalies?limit=1000")
                if only is None or finding["rule"] in only]


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


def judge(report, name, player, findings, is_timed, kinds=generate.KINDS):
    recall, alarms = player.judge(findings)
    print(f"   {name}: {player.transactions} transactions, {len(findings)} findings, "
          f"{len(alarms)} false; {recall}", flush=True)
    for kind in kinds:
        found, cases = recall.get(kind, (0, 0))
        if is_timed or kind not in OLD_ONLY:
            report.check(f"{name}: {kind}", cases > 0 and found >= 0.9 * cases,
                         (recall, found, cases))
    if is_timed:
        report.check(f"{name}: honest people are left alone",
                     len(alarms) <= 0.001 * player.transactions,
                     [(one["rule"], one["sentence"]) for one in alarms[:5]])
    for finding in findings:
        report.check(f"{name}: a finding explains itself", 0 < finding["score"] <= 100 and
                     len(finding["sentence"]) > 20 and finding["transactions"] and
                     finding["rules_version"] == 1, finding)


def live(report, name, days, customers, cases, is_timed):
    clock = play.Clock()
    file = os.path.join(florin.folder(), "rules.json")
    shutil.copy(SHIPPED, file)
    server = florin.Server(florin=BINARY, config={"rules": {"file": file}},
                           environment=clock.environment()).start()
    player = play.Play(server, clock, generate.town(7, days, customers, cases))
    player.run()
    report.check(f"{name}: all was looked at", wait_until_read(server), server.log()[-2000:])
    findings = findings_of(server)
    judge(report, name, player, findings, is_timed)
    report.equal(f"{name}: nothing honest is refused", player.refused, {})
    with server.client() as client:
        counted = sum(int(count) for count in re.findall(
            r"florin_pattern_findings_total\{[^}]*\} (\d+)", client.get("/metrics").body.decode()))
        report.equal(f"{name}: the metrics count them", counted,
                     len([one for one in findings if one["rule"] in PATTERNS]))
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


def second(report):
    """Another town, made of published shapes and apart from the rules; this seed of it was not
    looked at when they were last changed."""
    clock = play.Clock()
    server = florin.Server(florin=BINARY, config={"rules": {"file": SHIPPED}},
                           environment=clock.environment()).start()
    player = play.Play(server, clock, second_town.town(201))
    player.run()
    report.check("second: all was looked at", wait_until_read(server), server.log()[-2000:])
    judge(report, "second", player, findings_of(server), True, tuple(second_town.FRAUDS))
    report.equal("second: nothing is refused", player.refused, {})
    report.equal("second: exit status", server.stop(), 0)


def embedded(report):
    live(report, "embedded", 45, 250, 10, True)


def postgres(report):
    import cluster  # pylint: disable=import-outside-toplevel
    cluster.serve_from(cluster.Cluster())
    # A database has a time of its own: there all of it happens within a minute, and everybody is
    # young.
    live(report, "postgres", 13, 40, 1, False)


def reloaded(report):
    """The thresholds of patterns stand in the file of rules, and change while the server runs."""
    def say(**patterns):
        rules.written(json.dumps({"rules": [], **patterns}), file)

    def paid_in():
        wallet = world.wallet()
        for amount in (910, 920):
            world.deposit(wallet, amount)
        return wallet

    def becomes(text):
        return within(60, lambda: text in server.log())

    file = rules.written([])
    with florin.serving(florin=BINARY, config={"rules": {"file": file}}) as server:
        world = rules.World(server, report)
        first = paid_in()
        with server.client() as client:
            report.equal("reload: nobody looks", metric(client, "patterns_turns_total"), 0)
        say(patterns={"structuring": {"amount": 1000, "count": 2}})
        report.check("reload: what was before is found too",
                     within(60, lambda: len(world.found(first)) == 1), server.log()[-2000:])
        second = paid_in()
        report.check("reload: and what comes", within(60, lambda: len(world.found(second)) == 1),
                     server.log()[-2000:])
        say(patterns={"structuring": {"amount": 1000, "count": 3}})
        report.check("reload: it is read again", within(
            60, lambda: server.log().count("0 rules are in force.") >= 3) and
                     wait_until_read(server))
        third = paid_in()
        report.check("reload: all is read", wait_until_read(server))
        report.equal("reload: two are not enough any more", world.found(third), [])
        world.deposit(third, 930)
        report.check("reload: three are", within(60, lambda: len(world.found(third)) == 1))
        report.equal("reload: with the numbers", ("3 " in world.found(third)[0]["sentence"],
                     world.found(third)[0]["rule"]), (True, "structuring"), world.found(third))
        say(patterns={"structuring": {"count": 1}})
        report.check("reload: a mistake is told", becomes("out of bounds"), server.log()[-2000:])
        report.equal("reload: and closes the door", world.transfer(first, second, 1).code,
                     "rules_not_loaded")
        report.equal("reload: exit status", server.stop(), 0)


report = Report("patterns")
report.run("embedded", embedded)
report.run("second", second)
report.run("reloaded", reloaded)
report.run("postgres", postgres)
report.finish()
