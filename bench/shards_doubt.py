#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What others notice of a leg in doubt, and of a shard that is away or hangs: the rate of payments
on two of three shards, inside and between them, that name neither its wallets nor that shard. Calm
phases and others take turns in one run, so each is compared with its neighbours. See README.md."""

import argparse
import os
import secrets
import signal
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
import shards  # noqa: E402
from bench import fill_wallets, keep, load, median, open_wallets, say, workplace  # noqa: E402
from client import Client  # noqa: E402
from machine import CORES  # noqa: E402
from postgres import SETTINGS, OnShards, check  # noqa: E402
from psql import Psql  # noqa: E402

WANTED = 0.8
HOT = 50  # wallets that take all payments of a shard
PHASES = ("doubt", "hot", "away", "hangs", "asked")


class Doubt:
    """A leg of the second shard that nobody can finish: somebody holds the row that would decide.
    It is of a wallet that nobody else names."""

    def __init__(self, sharded, key, wallet):
        self.sharded, self.key = sharded, key
        books = sharded.sql(0, "SELECT encode(id, 'hex') FROM books", key)
        self.gid = f"florin:{books}:a:doubt-{secrets.token_hex(4)}"
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


def write(folder, name, wallets):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{wallet}\n" for wallet in wallets)
    return path


def share_out(path, folder):
    """Wallets of the first two shards in turn; some of the second alone; one of the second in a
    slot of its own; and the third's."""
    with open(path, encoding="utf-8") as file:
        wallets = file.read().split()
    places = [[wallet for wallet in wallets if shards.slot_of(wallet) * 3 // 1024 == place]
              for place in (0, 1, 2)]
    doubted = places[1].pop()
    places[1] = [wallet for wallet in places[1]
                 if shards.slot_of(wallet) != shards.slot_of(doubted)]
    others = write(folder, "others", (wallet for pair in zip(*places[:2]) for wallet in pair))
    return others, write(folder, "hot", places[1][:HOT]), doubted, places[2]


def ticks_of(pid, fields):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return 0  # it has just ended
    return sum(int(words[field - 3]) for field in fields)


def used_us(server, sharded):
    """Processor time of the node and of the first two databases, with what has ended there."""
    ticks = ticks_of(server.process.pid, (14, 15))
    for one in sharded.clusters[:2]:
        ticks += ticks_of(one.postmaster(), (16, 17))
        ticks += sum(ticks_of(pid, (14, 15)) for pid in one.processes())
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


def measure(folder, plan, results):
    sharded = shards.Shards(3)
    server = OnShards(os.path.join(folder, "three"), sharded)
    path = os.path.join(folder, "three.wallets")
    open_wallets(server, plan.wallets, path)
    fill_wallets(server, path)
    others, hot, doubted, third = share_out(path, folder)

    def run(wallets=others, seconds=plan.seconds):
        before = used_us(server, sharded)
        rate = load("single_load", CORES, server.address, server.key, wallets,
                    connections=plan.connections, seconds=seconds)["rate"]
        return rate, (used_us(server, sharded) - before) / max(1, rate * seconds)

    def in_doubt(wallets):
        doubt = Doubt(sharded, server.data, doubted)
        rate = run(wallets)
        doubt.end()
        return rate

    def away(wallets):
        sharded.clusters[2].stop(signal.SIGKILL)
        rate = run(wallets)
        sharded.clusters[2].start()
        return rate

    def hangs(wallets):
        sharded.clusters[2].freeze()
        rate = run(wallets)
        sharded.clusters[2].thaw()
        return rate

    def hangs_and_is_asked(wallets):
        asking = Asking(server, third)
        rate = hangs(wallets)
        asking.end()
        say(f"  {asking.answers:,} answers to those who named its wallets")
        return rate

    phases = {"doubt": ("one leg in doubt", in_doubt, others),
              "hot": ("hot wallets beside one", in_doubt, hot),
              "away": ("one shard away", away, others),
              "hangs": ("one shard hangs", hangs, others),
              "asked": ("it hangs and is asked", hangs_and_is_asked, others)}
    calm_of, calm = None, 0
    for name, phase, wallets in (phases[one] for one in plan.phase or PHASES):
        if wallets is not calm_of:
            run(wallets, min(plan.seconds, 8))  # caches
            calm_of, calm = wallets, run(wallets)
        found, before = phase(wallets), calm
        calm = run(wallets)
        share, cost = (2 * found[i] / (before[i] + calm[i]) for i in (0, 1))
        taken = results.setdefault(name, [])
        taken.append({"rate": found[0], "calm": [before[0], calm[0]], "share": share,
                      "us": found[1], "calm_us": [before[1], calm[1]], "cost": cost})
        say(f"  {name:<22} {found[0]:>8,.0f}/s, before and behind {before[0]:,.0f} and "
            f"{calm[0]:,.0f}/s: {share:.2f} x (wanted: {WANTED} x); processor time of the node and "
            f"two databases {found[1]:,.0f} µs each, {before[1]:,.0f} and {calm[1]:,.0f}: "
            f"{cost:.2f} x")
    for name, taken in results.items():
        if len(taken) > 1:
            say(f"  {name:<22} {median(taken, 'share'):.2f} x is the median of {len(taken)}")
    check(server)
    server.stop()


def main():
    parser = argparse.ArgumentParser(prog="bench/shards_doubt.py",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--phase", action="append", choices=PHASES,
                        help="only these, in this order, each as often as it is named")
    parser.add_argument("--seconds", type=int, help="of each phase")
    parser.add_argument("--wallets", type=int)
    plan = parser.parse_args()
    plan.connections = 64
    plan.seconds = plan.seconds or (5 if plan.quick else 30)
    plan.wallets = plan.wallets or (3_000 if plan.quick else 30_000)
    results = {}
    clusters.SETTINGS += SETTINGS
    with workplace(plan) as folder:
        say(f"             {plan.wallets:,} wallets on three shards, {plan.connections} "
            f"connections; phases of {plan.seconds} s in turn; all share all cores")
        measure(folder, plan, results)
        keep(plan, "bench-doubt", results)


if __name__ == "__main__":
    main()
