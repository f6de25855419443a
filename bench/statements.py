#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a payment costs the database, statement by statement: single transfers over HTTP, batches of
1,000, and beside them the program written by hand, in rounds as large as those of single transfers
and in batches of 1,000. See README.md."""

import argparse
import os
import re
import shutil
import subprocess
import tempfile

from postgres import ROOT, SETTINGS, OnPostgres, make_cluster
from bench import fill_wallets, load, open_wallets, say
from machine import BUILD, CORES

WATCH = "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.max = 2000\n"
SPENT = ("SELECT calls, rows, total_exec_time * 1000, regexp_replace(query, '\\s+', ' ', 'g') "
         "FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
         "WHERE d.datname = current_database() ORDER BY total_exec_time DESC LIMIT 40")
# What a statement is called here, by how it begins or what it has in it.
NAMES = (("ADD records", r"INTO records"), ("ADD postings", r"INTO postings"),
         ("ADD idempotency", r"INTO idempotency"), ("ADD rounds", r"^INSERT INTO rounds"),
         ("CHANGE wallets", r"UPDATE wallets"), ("CHANGE slots", r"UPDATE slots"),
         ("CHANGE books", r"UPDATE books"), ("FIND wallets", r"FROM wallets\w* \w.*FOR UPDATE"),
         ("FIND wallets", r"JOIN wallets .*FOR UPDATE"), ("FIND keys", r"FROM idempotency"),
         ("FIND books", r"FROM books"), ("TURN", r"pg_advisory_lock"), ("LEAVE", r"unlock_all"),
         ("BEGIN", r"^BEGIN"), ("COMMIT", r"^COMMIT"))


def name_of(query):
    return next((name for name, pattern in NAMES if re.search(pattern, query)), query[:60])


def processor_ns(cluster, database):
    """What each session of the database has had of a processor, by its process."""
    pids = cluster.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
                       "pid <> pg_backend_pid()", database).split()
    spent = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/schedstat", encoding="utf-8") as file:
                spent[pid] = int(file.read().split()[0])
        except OSError:
            pass
    return spent


def watched(cluster, database, run):
    """Runs it; what the statements took meanwhile, and the busiest session's time in ns."""
    cluster.sql("SELECT pg_stat_statements_reset()", database)
    before = processor_ns(cluster, database)
    done, after = run()
    spent = max((now - before.get(pid, 0) for pid, now in after.items()), default=0)
    rows = {}
    for line in cluster.sql(SPENT, database).splitlines():
        calls, touched, micros, query = line.split("|", 3)
        name = name_of(query)
        so_far = rows.setdefault(name, [0, 0, 0.0])
        for place, value in enumerate((int(calls), int(touched), float(micros))):
            so_far[place] += value
    return done, spent, rows


def show(title, payments, spent_ns, rows):
    rounds = max(rows.get("CHANGE books", [1])[0], 1)
    say(f"{title}: {payments:,.0f} payments in {rounds:,} rounds of {payments / rounds:.0f}; "
        f"{spent_ns / payments / 1000:.1f} us of the session's processor each")
    say(f"  {'statement':<24} {'a round':>8} {'us a call':>10} {'us a payment':>13}")
    total = 0.0
    for name, (calls, _, micros) in sorted(rows.items(), key=lambda item: -item[1][2])[:18]:
        total += micros
        say(f"  {name:<24} {calls / rounds:>8.2f} {micros / calls:>10.1f} "
            f"{micros / payments:>13.2f}")
    say(f"  {'together':<24} {'':>8} {'':>10} {total / payments:>13.2f}")
    say()


def by_hand(cluster, plan, batch):
    database = cluster.database_for(f"micro {batch}")
    subprocess.run([OnPostgres.binary, "migrate", "--postgres", cluster.url(database)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cluster.sql("CREATE EXTENSION pg_stat_statements", database)

    def run():
        process = subprocess.Popen(
            [os.path.join(BUILD, "bench", "micro_batch"), "--postgres", cluster.url(database),
             "--wallets", str(plan.wallets), "--batch", str(batch), "--seconds",
             str(plan.seconds)], stdout=subprocess.PIPE, text=True)
        spent = {}
        while process.poll() is None:
            spent.update(processor_ns(cluster, database))
        said = dict(pair.split("=") for pair in process.stdout.read().split())
        return float(said["operations"]), spent

    payments, spent, rows = watched(cluster, database, run)
    rows = {name: row for name, row in rows.items() if "INSERT INTO wallets" not in name}
    show(f"By hand, batches of {batch}", payments, spent, rows)


def measure(cluster, folder, plan):
    database = cluster.database_for("florin")
    server = OnPostgres(os.path.join(folder, "node"), cluster.url(database))
    cluster.sql("CREATE EXTENSION pg_stat_statements", database)
    wallets = os.path.join(folder, "wallets")
    open_wallets(server, plan.wallets, wallets)
    fill_wallets(server, wallets)

    def loading(name, **options):
        def run():
            done = load(name, CORES, server.address, server.key, wallets, seconds=plan.seconds,
                        **options)
            return done, processor_ns(cluster, database)
        return watched(cluster, database, run)

    size = 30
    for connections in plan.connections:
        done, spent, rows = loading("single_load", connections=connections)
        payments = done["rate"] * plan.seconds
        say(f"{done['rate']:,.0f}/s")
        show(f"Single transfers, {connections} connections", payments, spent, rows)
        size = max(1, round(payments / max(rows.get("CHANGE books", [1])[0], 1)))
    done, spent, rows = loading("batch_load", connections=2)
    say(f"{done['rate']:,.0f}/s")
    show("Batches of 1,000", done["rate"] * plan.seconds, spent, rows)
    server.stop()
    for batch in (size, 1000):
        by_hand(cluster, plan, batch)


def main():
    parser = argparse.ArgumentParser(prog="bench/statements.py",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--wallets", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="*", default=[256, 64])
    plan = parser.parse_args()
    cluster = make_cluster(SETTINGS + WATCH)
    folder = tempfile.mkdtemp(prefix="bench-", dir=plan.folder)
    try:
        measure(cluster, folder, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
