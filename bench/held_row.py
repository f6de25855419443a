#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What somebody's forgotten psql costs: payments per second while one wallet's row is locked for
half a minute, against the rate before and after, in one run. See README.md."""

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
from bench import fill_wallets, open_wallets, say, workplace  # noqa: E402
from machine import BUILD, CORES, start  # noqa: E402
from postgres import SETTINGS, OnPostgres, check_books, updates  # noqa: E402
from statements import processor_ns  # noqa: E402

WANTED = 0.8


def load(server, wallets, seconds, connections):
    """Here operations may be refused: those that name the locked wallet are busy at their
    deadline."""
    words = [os.path.join(BUILD, "bench", "single_load"), "--address", server.address, "--key",
             server.key, "--run", secrets.token_hex(4), "--wallets", wallets, "--connections",
             str(connections), "--seconds", str(seconds)]
    process = start(words, CORES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text, _ = process.communicate()
    return {pair.split("=")[0]: float(pair.split("=")[1]) for pair in text.split()}


class HeldRow:
    """A session that has locked one wallet and does nothing any more."""

    def __init__(self, cluster, database):
        self.process = subprocess.Popen(
            [*cluster.user, os.path.join(cluster.bin, "psql"), "-X", "-q", "-A", "-t", "-d",
             cluster.url(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("BEGIN; SELECT 'locked' FROM florin.wallets ORDER BY slot, number "
                                 "LIMIT 1 FOR UPDATE;\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "locked":
            raise SystemExit("the row could not be locked")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def session_us(cluster, database, run):
    """What it did, and the processor time of the busiest session for each payment: a machine that
    others are at work on, too, shows less by its rates."""
    before = processor_ns(cluster, database)
    done = run()
    spent = max(now - before.get(pid, 0)
                for pid, now in processor_ns(cluster, database).items())
    return done, spent / (done["requests"] - done["refused"]) / 1000


def measure(cluster, folder, plan):
    database = cluster.database_for("florin")
    server = OnPostgres(os.path.join(folder, "node"), cluster.url(database))
    wallets = os.path.join(folder, "wallets")
    open_wallets(server, plan.wallets, wallets)
    fill_wallets(server, wallets)
    load(server, wallets, 2, plan.connections)
    begun = updates(cluster, database)
    run = lambda seconds: session_us(cluster, database, lambda: load(  # noqa: E731
        server, wallets, seconds, plan.connections))
    before, free_us = run(plan.seconds // 3)
    held = HeldRow(cluster, database)
    timer = threading.Timer(plan.seconds, held.end)
    timer.start()
    during, held_us = run(plan.seconds)
    timer.join()
    after, after_us = run(plan.seconds // 3)
    free = statistics.mean((before["rate"], after["rate"]))
    kept = (during["requests"] - during["refused"]) / during["seconds"]
    say(f"{plan.connections} connections, one of {plan.wallets:,} wallets locked for "
        f"{plan.seconds} s")
    say(f"  free {before['rate']:,.0f}/s before, {after['rate']:,.0f}/s after; locked "
        f"{kept:,.0f}/s, {during['refused']:.0f} were busy at their deadline")
    say(f"  the session took {free_us:.0f} us of a processor for each payment before, "
        f"{held_us:.0f} us while it was locked, {after_us:.0f} us after")
    say(f"  {kept / free:.2f} of the rate is left (wanted: {WANTED})")
    check_books(server, cluster, database, begun)
    server.stop()
    return kept / free


def main():
    parser = argparse.ArgumentParser(prog="bench/held_row.py", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    plan.seconds, plan.wallets = (9, 10_000) if plan.quick else (30, 20_000)
    clusters.SETTINGS += SETTINGS
    cluster = clusters.Cluster()
    with workplace(plan) as folder:
        measure(cluster, folder, plan)


if __name__ == "__main__":
    main()
