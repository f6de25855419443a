#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Florin on PostgreSQL with ten million wallets and fifty million transactions in its books,
against the same with a hundred thousand wallets, in one run. Asks for its disk first. See
README.md."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

from bench import (fill_wallets, keep, load, median, open_wallets, pairs, say,  # noqa: E402
                   workplace)
from machine import CORES, Florin  # noqa: E402
from postgres import OnPostgres, check_books, make_cluster, updates  # noqa: E402

WANTED = 0.7
SMALL_WALLETS = 100_000
# Of a transaction in the journal and its index; in the database, with its postings and indexes, and
# in the files that it sorts while the books are checked; of a wallet; and the WAL that is kept.
JOURNAL_BYTES, ROW_BYTES, SORTED_BYTES, WALLET_BYTES, WAL_BYTES = 260, 850, 260, 600, 9 << 30
SETTINGS = ("shared_buffers = {shared}MB\nmax_wal_size = 8GB\ncheckpoint_timeout = 15min\n"
            "maintenance_work_mem = 512MB\n")


def ask_for_disk(plan):
    """Nothing is written before somebody has agreed to how much it will be."""
    wanted = plan.transactions * (ROW_BYTES + SORTED_BYTES) + plan.wallets * WALLET_BYTES + \
        (WAL_BYTES if plan.transactions > 10**6 else 1 << 30)
    journal = plan.transactions * JOURNAL_BYTES
    if plan.journal is None:
        wanted += journal
    elif journal > shutil.disk_usage(plan.journal).free:
        raise SystemExit(f"The journal takes some {journal / 2**30:,.0f} GB below {plan.journal}, "
                         "which has less.")
    free = shutil.disk_usage(plan.folder).free
    say(f"{plan.wallets:,} wallets and {plan.transactions:,} transactions take some "
        f"{wanted / 2**30:,.0f} GB below {plan.folder}, where {free / 2**30:,.0f} GB are free.")
    if wanted > free:
        raise SystemExit("That is too little: give another place with --folder, or less with "
                         "--wallets and --transactions.")
    if plan.yes:
        return
    if not sys.stdin.isatty() or input("Take them? [y/N] ").strip().lower() != "y":
        raise SystemExit("Nothing was done; --yes takes them without a question.")


def fill_folder(folder, made, plan):
    """The books are made on the embedded engine, which takes minutes instead of hours: a deposit
    for each wallet, and payments."""
    server = Florin(os.path.join(made, "embedded"), CORES)
    wallets = os.path.join(folder, "large.wallets")
    begun = time.monotonic()
    open_wallets(server, plan.wallets, wallets)
    fill_wallets(server, wallets)
    load("batch_load", CORES, server.address, server.key, wallets, connections=4,
         operations=plan.transactions - plan.wallets)
    server.stop()
    say(f"  made on the embedded engine in {time.monotonic() - begun:,.0f} s")
    return server.data, wallets


def move(folder, url):
    """The whole books go over, verified on both sides; the command tells how far it is."""
    begun = time.monotonic()
    subprocess.run([Florin.binary, "migrate-engine", "--from-data", folder, "--to-postgres", url],
                   check=True)
    say(f"  moved, and verified on both sides, in {time.monotonic() - begun:,.0f} s")


def small(cluster, folder, plan):
    database = cluster.database_for("small")
    server = OnPostgres(os.path.join(folder, "small"), cluster.url(database))
    wallets = os.path.join(folder, "small.wallets")
    open_wallets(server, min(SMALL_WALLETS, plan.wallets), wallets)
    fill_wallets(server, wallets)
    return server, wallets, database


def large(cluster, folder, plan):
    database = cluster.database_for("large")
    os.mkdir(os.path.join(folder, "large"))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=plan.journal or folder) as made:
        data, wallets = fill_folder(folder, made, plan)
        move(data, cluster.url(database))
        shutil.copy(os.path.join(data, "admin.key"), os.path.join(folder, "large"))
    cluster.sql("VACUUM ANALYZE", database)
    size = cluster.sql(f"SELECT pg_size_pretty(pg_database_size('{database}'))", database)
    say(f"  the database has {size}")
    return OnPostgres(os.path.join(folder, "large"), cluster.url(database)), wallets, database


def measure(books, plan, results):
    """Both books in turn, since the machine's own speed swings."""
    runs = {"64 connections": ("single_load", 64), "batches of 1,000": ("batch_load", 2)}
    for name, (program, connections) in runs.items():
        once = lambda server, wallets, _, seconds=plan.seconds: load(  # noqa: E731
            program, CORES, server.address, server.key, wallets, connections=connections,
            seconds=seconds)
        for one in books:
            once(*one, seconds=plan.warm)
        before, after = (median(found, "rate") for found in pairs(
            lambda: once(*books[0]), lambda: once(*books[1]), plan.rounds))
        results[name] = {"large": after, "small": before, "share": after / before}
        say(f"  {name:<18} {after:>9,.0f}/s  {after / before:.2f} of {before:,.0f}/s "
            f"(wanted: {WANTED})")


def read_plan():
    parser = argparse.ArgumentParser(prog="bench/large.py", description=__doc__.split("\n")[0])
    parser.add_argument("--wallets", type=int, default=10_000_000)
    parser.add_argument("--transactions", type=int, default=50_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    # Behind a checkpoint each page of wallets goes into the WAL whole when it is changed first,
    # which over ten million wallets takes a minute and a half.
    parser.add_argument("--warm", type=int, default=100, help="seconds that are not counted")
    parser.add_argument("--yes", action="store_true", help="take the disk without a question")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--journal", help="where the books are made before they move, if not there "
                        "as well; a place in memory will do")
    return parser.parse_args()


def main():
    plan = read_plan()
    ask_for_disk(plan)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    settings = SETTINGS.format(shared=max(128, memory // 4))
    plan.folder = tempfile.tempdir = os.path.abspath(plan.folder)  # the database lies there as well
    with workplace(plan) as folder:
        os.chmod(folder, 0o755)
        cluster = make_cluster(settings)
        say(f"PostgreSQL   {', '.join(settings.split(chr(10))[:-1])}; medians of {plan.rounds} x "
            f"{plan.seconds} s in turn; server, database and load generator share all cores")
        say()
        say(f"{plan.wallets:,} wallets with {plan.transactions:,} transactions:")
        results, after = {}, large(cluster, folder, plan)
        say(f"beside {min(SMALL_WALLETS, plan.wallets):,} wallets, and nothing before:")
        books = [small(cluster, folder, plan), after]
        begun = [updates(cluster, database) for _, _, database in books]
        measure(books, plan, results)
        for (server, _, database), so_far in zip(books, begun):
            check_books(server, cluster, database, so_far)
            server.stop()
        keep(plan, "bench-large", results)


if __name__ == "__main__":
    main()
