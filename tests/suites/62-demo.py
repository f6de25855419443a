#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin demo`: a right server passes it, day after day and with the same seed alike; a ledger
that is wrong in one way does not."""

import os
import re
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules")]

import rules  # noqa: E402
from client import Client, Unreachable  # noqa: E402
from florin import binary, folder, free_port, serving  # noqa: E402
from report import Report  # noqa: E402

NAIVE = os.path.join(TESTS, "model", "serve.py")
# Mistakes that the naive ledger can be told to make, and that a day in a shop must bring to light.
BUGS = ("refund_twice", "hold_never_expires", "overdraft", "forgets_keys", "version_twice",
        "half_atomic", "ladder")


def play(server, *words):
    return server.command_line("demo", *words, timeout=120.0, environment={
        "FLORIN_URL": f"127.0.0.1:{server.port}", "FLORIN_KEY": server.admin_secret})


def timeless(text):
    return re.sub(r"Took .*", "", text)


def test_days(report, server):
    first = play(server)
    report.equal("a day", first.returncode, 0, first.stdout + first.stderr)
    report.check("says so", "wallets have exactly what the demo's own arithmetic says"
                 in first.stdout, first.stdout)
    again = play(server)
    report.equal("the same day", timeless(again.stdout), timeless(first.stdout), again.stderr)
    other = play(server, "--seed", "2", "--customers", "50")
    report.equal("another day", other.returncode, 0, other.stdout + other.stderr)
    report.check("is another one", timeless(other.stdout) != timeless(first.stdout))
    small = play(server, "--customers", "10", "--seed", "18446744073709551615")
    report.equal("a seed that is too large", small.returncode, 2)
    small = play(server, "--customers", "10", "--seed", "0")
    report.equal("a small day", small.returncode, 0, small.stdout + small.stderr)
    for words in (["--customers", "9"], ["--customers", "5001"], ["--customers", "x"], ["--seed"],
                  ["--nonsense"], ["word"]):
        report.equal(f"usage: {words}", play(server, *words).returncode, 2)


def test_after_a_restart(report, server):
    server.crash()
    after = play(server, "--customers", "20")
    report.equal("after kill -9", after.returncode, 0, after.stdout + after.stderr)
    report.equal("a clean stop", server.stop(), 0)
    verified = server.verify()
    report.equal("florin verify", verified.returncode, 0, verified.stdout + verified.stderr)
    server.start()


def test_not_allowed(report, server):
    secret = server.key("auditor")["secret"]
    done = server.command_line("demo", "--url", f"127.0.0.1:{server.port}", "--key", secret)
    report.check("an auditor may not", done.returncode == 1 and "forbidden" in done.stderr,
                 done.stderr)
    done = server.command_line("demo", "--url", f"127.0.0.1:{free_port()}", "--key", "x")
    report.check("nobody there", done.returncode == 3 and "running" in done.stderr, done.stderr)


def test_kept_back(report):
    """Where somebody has to decide about payments, a day is not played to its end."""
    def large(action):
        return rules.config([rules.rule("large", action, amount=4000)])
    for config in (large("hold"), large("refuse"), {"approvals": {"above": {"USD": 4000}}}):
        with serving(config=config) as server:
            done = play(server, "--customers", "20")
            report.equal(f"ended: {config}", done.returncode, 1, done.stdout + done.stderr)
            report.check(f"and says why: {config}", "keep payments of the demo back" in done.stderr
                         and "not as expected" not in done.stderr, done.stdout + done.stderr)


def naive_server(bug, data, port):
    process = subprocess.Popen(
        [sys.executable, NAIVE, "serve", "--data", data, "--listen", f"127.0.0.1:{port}"],
        env=dict(os.environ, NAIVE_BUG=bug), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(500):
        try:
            with Client(port, timeout=2.0) as client:
                client.get("/healthz")
                return process
        except Unreachable:
            time.sleep(0.02)
    process.kill()
    raise AssertionError("the naive ledger did not start")


def test_wrong_ledger(report, bug):
    home = folder()
    port = free_port()
    process = naive_server(bug, home, port)
    try:
        done = subprocess.run([binary(), "demo", "--customers", "15", "--data", home, "--url",
                               f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=120,
                              check=False)
    finally:
        process.kill()
        process.wait()
    if bug:
        report.check(f"{bug} is noticed", done.returncode == 1 and "not as expected" in done.stderr,
                     f"{done.returncode}\n{done.stdout}{done.stderr}")
    else:
        report.equal("the naive ledger itself is right", done.returncode, 0,
                     done.stdout + done.stderr)


def play_all(report):
    with serving() as server:
        for test in (test_days, test_after_a_restart, test_not_allowed):
            report.run(test.__name__, test, server)
        report.equal("the server's log is clean", server.trouble(), [])
    report.run("test_kept_back", test_kept_back)
    for bug in ("",) + BUGS:
        report.run(f"test_wrong_ledger {bug}", test_wrong_ledger, bug)


if __name__ == "__main__":
    whole = Report("demo")
    play_all(whole)
    whole.finish()
