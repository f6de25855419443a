#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What others notice of a leg in doubt, and of a shard that is away or hangs: the rate of payments
on two of three shards, inside and between them, that name neither its wallets nor that shard. Calm
phases and others take turns in one run, so each is compared with its neighbours. See README.md."""

import argparse
import os
import signal
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
import shards  # noqa: E402
from bench import fill_wallets, keep, load, open_wallets, say, workplace  # noqa: E402
from client import Client  # noqa: E402
from machine import CORES  # noqa: E402
from postgres import SETTINGS, OnShards, check  # noqa: E402
from psql import Psql  # noqa: E402

WANTED = 0.8


class Doubt:
    """A leg of the second shard that nobody can finish: somebody holds the row that would decide.
    It is of a wallet that nobody else names."""

    def __init__(self, sharded, key, wallet):
        self.sharded, self.key = sharded, key
        books = sharded.sql(0, "SELECT encode(id, 'hex') FROM books", key)
        self.gid = f"florin:{books}:a:doubt"
        decides = sharded.clusters[0]
        self.held = Psql(decides, decides.database_for(key),
                         f"INSERT INTO florin.decisions VALUES ('{self.gid}', false, '', 0)")
        raw = shards.slot_of(wallet)
        sharded.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{self.gid}', 0); UPDATE "
                       f"wallets SET version = version WHERE slot = {raw}; "
                       f"PREPARE TRANSACTION '{self.gid}'", key)

    def end(self):
        left = self.sharded.sql(1, f"SELECT count(*) FROM pg_prepared_xacts WHERE gid = "
                                   f"'{self.gid}'", self.key)
        if left != "1":
            raise SystemExit("the leg was not in doubt all the time")
        self.held.end()


class Asking:
    """Clients that name wallets of the third shard all the time, whatever they are answered."""
    COUNT = 4

    def __init__(self, server, wallets):
        self.over, self.answers = threading.Event(), 0
        self.threads = [threading.Thread(target=self.ask, args=(server, wallet), daemon=True)
                        for wallet in wallets[:self.COUNT]]
        for thread in self.threads:
            thread.start()

    def ask(self, server, wallet):
        with Client(server.port, server.key, 60) as client:
            while not self.over.wait(0.02):
                client.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                             "bank_transaction_id": f"{wallet}-{self.answers}"})
                self.answers += 1

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def share_out(path, folder):
    """Wallets of the first two shards in turn; one of the second in a slot of its own; and the
    third's."""
    with open(path, encoding="utf-8") as file:
        wallets = file.read().split()
    places = [[wallet for wallet in wallets if shards.slot_of(wallet) * 3 // 1024 == place]
              for place in (0, 1, 2)]
    doubted = places[1].pop()
    places[1] = [wallet for wallet in places[1]
                 if shards.slot_of(wallet) != shards.slot_of(doubted)]
    chosen = os.path.join(folder, "others")
    with open(chosen, "w", encoding="utf-8") as file:
        file.writelines(f"{wallet}\n" for pair in zip(*places[:2]) for wallet in pair)
    return chosen, doubted, places[2]


def measure(folder, plan, results):
    sharded = shards.Shards(3)
    server = OnShards(os.path.join(folder, "three"), sharded)
    path = os.path.join(folder, "three.wallets")
    open_wallets(server, plan.wallets, path)
    fill_wallets(server, path)
    others, doubted, third = share_out(path, folder)

    def run():
        return load("single_load", CORES, server.address, server.key, others,
                    connections=plan.connections, seconds=plan.seconds)["rate"]

    def in_doubt():
        doubt = Doubt(sharded, server.data, doubted)
        rate = run()
        doubt.end()
        return rate

    def away():
        sharded.clusters[2].stop(signal.SIGKILL)
        rate = run()
        sharded.clusters[2].start()
        return rate

    def hangs():
        sharded.clusters[2].freeze()
        rate = run()
        sharded.clusters[2].thaw()
        return rate

    def hangs_and_is_asked():
        asking = Asking(server, third)
        rate = hangs()
        asking.end()
        say(f"  {asking.answers:,} answers to those who named its wallets")
        return rate

    run()  # caches
    calm = [run()]
    for name, phase in (("one leg in doubt", in_doubt), ("one shard away", away),
                        ("one shard hangs", hangs),
                        ("it hangs and is asked", hangs_and_is_asked)):
        rate = phase()
        calm.append(run())
        share = 2 * rate / (calm[-2] + calm[-1])
        results[name] = {"rate": rate, "calm": calm[-2:], "share": share}
        say(f"  {name:<22} {rate:>8,.0f}/s, before and behind {calm[-2]:,.0f} and "
            f"{calm[-1]:,.0f}/s: {share:.2f} x (wanted: {WANTED} x)")
    check(server)
    server.stop()


def main():
    parser = argparse.ArgumentParser(prog="bench/shards_doubt.py",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    plan.connections = 64
    plan.seconds, plan.wallets = (5, 3_000) if plan.quick else (30, 30_000)
    results = {}
    clusters.SETTINGS += SETTINGS
    with workplace(plan) as folder:
        say(f"             {plan.wallets:,} wallets on three shards, {plan.connections} "
            f"connections; phases of {plan.seconds} s in turn; all share all cores")
        measure(folder, plan, results)
        keep(plan, "bench-doubt", results)


if __name__ == "__main__":
    main()
