#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Florin on PostgreSQL against what it is compared with, in one run: a server that does
one transaction per request behind the same HTTP front, and a program written by hand that writes
the same rows in batches. See README.md."""

import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
from bench import (fill_wallets, keep, load, median, open_wallets, pairs, say,  # noqa: E402
                   workplace)
from machine import BINARY, BUILD, CORES, TUNED, Florin, Others, free_port, start  # noqa: E402

NAIVE_WRITERS = (8, 16, 32)
NOBODYS_KEY = "florin_admin_uAm0niAwqXZvKSHDtSBKvZquP7doU8z1OCC6oOaSE3t_0kSJCU"  # any will do
SETTINGS = ("shared_buffers = 512MB\nmin_wal_size = 2GB\nmax_wal_size = 4GB\n"
            "checkpoint_timeout = 15min\n")


class OnPostgres(Florin):
    """A server whose books are in a database."""

    def __init__(self, data, url):
        self.url = url
        super().__init__(data, CORES)

    def words(self):
        return super().words() + ["--postgres", self.url]


class OnShards(Florin):
    """A server whose books are on two databases."""

    def __init__(self, data, sharded):
        self.sharded = sharded
        super().__init__(data, CORES)

    def words(self):
        path = self.data + ".json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"shards": self.sharded.setting(self.data)}, file)
        return super().words() + ["--config", path]


def check(server):
    status, body = server.ask("GET", "/check-integrity")
    if status != 200 or json.loads(body).get("consistent") is not True:
        raise SystemExit(f"the books are wrong: {body.decode()}")


def fill(server, path):
    """A deposit for each wallet, larger than any run can spend. What is busy is sent again with its
    key, as a client does."""
    with open(path, encoding="utf-8") as file:
        wallets = file.read().split()
    for begin in range(0, len(wallets), 1000):
        left = [{"type": "deposit", "wallet": wallet, "amount": 10**9,
                 "bank_transaction_id": f"bench-{wallet}", "idempotency_key": f"fill-{wallet}"}
                for wallet in wallets[begin:begin + 1000]]
        for _ in range(100):
            status, body = server.ask("POST", "/v1/batches", {"operations": left})
            results = json.loads(body).get("results", [])
            if status == 200:
                wrong = [one for one in results if one.get("code", "busy") != "busy"]
                left = [one for one, result in zip(left, results) if "code" in result]
            elif status != 503:
                wrong = [body]
            if wrong:
                raise SystemExit(f"filling the wallets failed: {wrong[0]}")
            if not left:
                break
        else:
            raise SystemExit("filling the wallets failed: it stays busy")


def make_cluster(settings=SETTINGS):
    """A server that has its files of WAL and has touched all of its memory, as one that has run for
    a while: a new one makes each of those files anew while everybody waits, and the system clears
    each page of memory when it is touched first, a fifteenth of a writer's time."""
    clusters.SETTINGS += settings
    clusters.WAL_SEGMENT_MB = 16  # as usual
    cluster = clusters.Cluster()
    cluster.sql("SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1 << 20))) "
                "FROM generate_series(1, 1600)", "postgres")
    pages = int(cluster.sql("SELECT setting FROM pg_settings WHERE name = 'shared_buffers'",
                            "postgres"))
    cluster.sql("CREATE UNLOGGED TABLE touched (x text); ALTER TABLE touched ALTER x SET STORAGE "
                "plain; INSERT INTO touched SELECT repeat('x', 5000) FROM generate_series(1, "
                f"{pages}); DROP TABLE touched", "postgres")
    cluster.sql("CHECKPOINT", "postgres")
    return cluster


class Naive:
    """One transaction per request, on a pool of that size, with a database of its own. It has been
    at work for a while when it is measured: with empty tables everybody is on the same pages, and
    one transaction after the other is begun again."""

    # As its rival is built.
    binary = os.path.join(TUNED if BINARY.startswith(TUNED) else BUILD, "bench", "naive_serve")

    def __init__(self, cluster, folder, plan, writers):
        self.cluster, self.writers = cluster, writers
        self.database = cluster.database_for(f"naive {writers}")
        self.ids = os.path.join(folder, f"naive.{writers}")
        self.address = f"127.0.0.1:{free_port()}"
        self.process = start([self.binary, "--listen", self.address, "--postgres",
                              cluster.url(self.database), "--writers", str(writers), "--wallets",
                              str(plan.wallets), "--ids", self.ids], CORES,
                             stdout=subprocess.PIPE)
        if b"listening" not in self.process.stdout.readline():
            raise SystemExit("naive_serve did not start")
        self.run(64, plan.warm)

    def run(self, connections, seconds):
        return load("single_load", CORES, self.address, NOBODYS_KEY, self.ids,
                    connections=connections, seconds=seconds)

    def stop(self):
        """Its database stays: to drop one makes a checkpoint, and whoever comes next would write
        each page whole into the WAL."""
        self.process.terminate()
        self.process.wait()
        wrong = self.cluster.sql(
            "SELECT count(*) FROM naive.wallets w LEFT JOIN (SELECT wallet, sum(amount) AS moved, "
            "count(*) AS many FROM naive.postings GROUP BY wallet) p ON p.wallet = w.id WHERE "
            "w.balance <> 1000000000 + coalesce(p.moved, 0) OR w.number <> coalesce(p.many, 0)",
            self.database)
        if wrong != "0":
            raise SystemExit(f"the books of naive_serve are wrong: {wrong} wallets")


def best_of(naives, connections, plan):
    """The pool that is the fastest with so many connections."""
    rates = [naive.run(connections, plan.warm)["rate"] for naive in naives]
    return naives[rates.index(max(rates))]


class Written:
    """What a measurement costs in WAL, and what disturbs it: pages written whole because they are
    the first behind a checkpoint, and processors that others have."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.spent = {}

    def look(self):
        return [float(value) for value in self.cluster.sql(
            "SELECT w.wal_bytes, w.wal_fpi, w.wal_sync, b.checkpoints_timed + b.checkpoints_req "
            "FROM pg_stat_wal w, pg_stat_bgwriter b", "postgres").split("|")]

    def during(self, side, run):
        before = self.look()
        done = run()
        after = self.look()
        so_far = self.spent.setdefault(side, [0.0] * 5)
        for place, value in enumerate([now - then for now, then in zip(after, before)] +
                                      [done["rate"] * done["seconds"]]):
            so_far[place] += value
        return done

    def say(self):
        for side, (bytes_, whole, syncs, checkpoints, payments) in self.spent.items():
            say(f"  {side}: {bytes_ / payments:,.0f} bytes of WAL each, {whole / payments:.3f} "
                f"pages whole, a sync for {payments / max(syncs, 1):,.1f}, "
                f"{checkpoints:.0f} checkpoints")


def micro_batch(cluster, plan):
    database = cluster.database_for("micro")
    subprocess.run([Florin.binary, "migrate", "--postgres", cluster.url(database)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run([os.path.join(BUILD, "bench", "micro_batch"), "--postgres",
                           cluster.url(database), "--wallets", str(plan.wallets), "--batch",
                           "1000", "--seconds", str(plan.seconds)], check=True,
                          capture_output=True, text=True)
    cluster.sql(f"DROP DATABASE {database}", "postgres")
    return {pair.split("=")[0]: float(pair.split("=")[1]) for pair in done.stdout.split()}


def show(name, rate, other, other_name, wanted):
    say(f"  {name:<34} {rate:>9,.0f}/s  {rate / other:>5.2f} x {other_name} {other:,.0f}/s "
        f"(wanted: {wanted})")


def updates(cluster, database):
    """How often rows of wallets were updated so far, and how many of that were HOT."""
    return [int(count) for count in cluster.sql(
        "SELECT sum(n_tup_upd) || ' ' || sum(n_tup_hot_upd) FROM pg_stat_user_tables "
        "WHERE relname ~ '^wallets'", database).split()]


def check_books(server, cluster, database, before):
    status, body = server.ask("GET", "/check-integrity")
    document = json.loads(body)
    if status != 200 or document.get("consistent") is not True:
        raise SystemExit(f"the books are wrong: {body.decode()}")
    say(f"Books, /check-integrity: {document['message']}")
    every, hot = (now - then for now, then in zip(updates(cluster, database), before))
    say(f"  {100 * hot / max(every, 1):.1f} % of {every:,} updates of wallets by payments were HOT "
        "(wanted: 95 %)")


def singles(naives, server, wallets, plan, written, results):
    """Ours and the best naive one in turn, since the processors' speed itself swings."""
    for connections, wanted in ((64, "4 x"), (256, "5 x")):
        naive = best_of(naives, connections, plan)
        theirs, ours = pairs(
            lambda: written.during("naive", lambda: naive.run(connections, plan.seconds)),
            lambda: written.during("florin", lambda: load(
                "single_load", CORES, server.address, server.key, wallets, seconds=plan.seconds,
                connections=connections)), plan.rounds)
        rate, other = median(ours, "rate"), median(theirs, "rate")
        results[f"single_{connections}"] = rate
        results[f"naive_{connections}"] = {"rate": other, "writers": naive.writers}
        show(f"{connections} connections, p99 {median(ours, 'p99_us') / 1000:.0f} ms", rate, other,
             f"naive ({naive.writers} writers)", wanted)
    written.say()


def measure(cluster, folder, plan, results):
    database = cluster.database_for("florin")
    server = OnPostgres(os.path.join(folder, "node"), cluster.url(database))
    wallets = os.path.join(folder, "wallets")
    open_wallets(server, plan.wallets, wallets)
    fill_wallets(server, wallets)
    naives = [Naive(cluster, folder, plan, writers) for writers in NAIVE_WRITERS]
    before, others = updates(cluster, database), Others()
    run = lambda name, **options: [load(name, CORES, server.address, server.key, wallets,  # noqa
                                        seconds=plan.seconds, **options)
                                   for _ in range(plan.rounds)]
    run("single_load", connections=64)  # it has been at work for a while, too
    say("Single transfers over HTTP, an idempotency key on each, nothing pinned, in turn")
    singles(naives, server, wallets, plan, Written(cluster), results)
    for naive in naives:
        naive.stop()
    hot = median(run("single_load", connections=64, use=2), "rate")
    results["hot"] = hot
    show("64 connections, two hot wallets", hot, results["single_64"], "uniform", "0.8 x")
    batches = median(run("batch_load", connections=2), "rate")
    by_hand = micro_batch(cluster, plan)["rate"]
    results["batches"] = {"rate": batches, "by_hand": by_hand}
    show("batches of 1,000", batches, by_hand, "by hand", "0.8 x")
    check_books(server, cluster, database, before)
    results["others"] = others.share()
    say(f"Others had {results['others']:.0%} of the processors meanwhile (above 3 % the ratios are "
        "worth little: naive_serve has many processes, which share with others better)")
    server.stop()


def read_plan():
    parser = argparse.ArgumentParser(prog="bench/postgres.py", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--wallets", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    rounds, seconds, wallets = (1, 3, 20_000) if plan.quick else (3, 5, 100_000)
    plan.rounds, plan.seconds = plan.rounds or rounds, plan.seconds or seconds
    plan.wallets, plan.warm = plan.wallets or wallets, 2
    return plan


def main():
    plan = read_plan()
    results = {}
    cluster = make_cluster()
    with workplace(plan) as folder:
        version = cluster.sql("SHOW server_version", "postgres")
        say(f"PostgreSQL   {version}, fsync on; {', '.join(SETTINGS.split(chr(10))[:-1])}")
        say(f"             {plan.wallets:,} wallets; medians of {plan.rounds} x {plan.seconds} s; "
            "server, database and load generator share all cores")
        say()
        measure(cluster, folder, plan, results)
        keep(plan, "bench-postgres", results)


if __name__ == "__main__":
    main()
