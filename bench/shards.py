#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What shards cost and give, in one run: single transfers on one database and on two shards, inside
them and between them; deposits, whose bank id may lie on the other one; and transfers while slots
move. The databases share the machine's cores, so the second one adds none: what is seen is the cost
of sharing out and of crossing, not the gain of a second machine; a model says what that would be.
See README.md."""

import argparse
import os
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
import shards  # noqa: E402
from bench import keep, load, median, open_wallets, say, workplace  # noqa: E402
from machine import CORES  # noqa: E402
from postgres import SETTINGS, OnPostgres, OnShards, check, fill  # noqa: E402


def arrange(path, folder):
    """The wallets of the first shard, and those of both in turn."""
    with open(path, encoding="utf-8") as file:
        wallets = file.read().split()
    halves = [[wallet for wallet in wallets if shards.slot_of(wallet) * 2 // 1024 == place]
              for place in (0, 1)]
    turns = [wallet for pair in zip(*halves) for wallet in pair]
    lists = {"inside": halves[0], "between": turns}
    for name, chosen in lists.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines(wallet + "\n" for wallet in chosen)


def cpu_seconds(clusters_of):
    """What the databases' processes have used so far, those that have ended included."""
    ticks = 0
    masters = {str(one.postmaster()) for one in clusters_of}
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        if process in masters:
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] in masters:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Moving:
    """Slots that go to the other shard and back, one after the other, until it is stopped."""

    def __init__(self, server):
        self.server, self.over, self.said = server, threading.Event(), []
        self.thread = threading.Thread(target=self.move, daemon=True)
        self.thread.start()

    def move(self):
        slot = 0
        while not self.over.is_set():
            slot = slot % 500 + 1
            for target in ("b", "a"):
                done = subprocess.run(
                    [self.server.binary, "shards", "move", str(slot), "--to", target, "--config",
                     self.server.data + ".json"], capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise SystemExit(f"slot {slot} does not move: {done.stderr}")
                self.said.append(int(done.stdout.split("wrote nothing for ")[1].split()[0]))

    def stop(self):
        self.over.set()
        self.thread.join()
        return {"moves": len(self.said), "pause_ms": max(self.said)}


def prove(server):
    """The totals, and then all records and rows, by code that shares nothing with the rules."""
    check(server)
    server.stop()
    urls = [place["url"] for place in server.sharded.setting(server.data)] if isinstance(
        server, OnShards) else [server.url]
    for url in urls:
        done = subprocess.run([server.binary, "verify", "--postgres", url], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"florin verify: {done.stdout}{done.stderr}")


def carries(count, cost, crossing):
    """How many times what one server does so many do, when that part of all payments crosses and
    costs so many times what others do."""
    return count / (1 + crossing * (cost - 1))


def model(results):
    inside = results["two shards, wallets of one"]["cpu_us"]
    cost = results["two shards, always between them"]["cpu_us"] / inside
    deposit = (results["two shards, deposits"]["cpu_us"] /
               results["one database, deposits"]["cpu_us"])
    results["model"] = {"cost": cost, "deposit": deposit}
    say(f"  A transfer between shards costs their processors {cost:.2f} times one inside; a "
        f"deposit on two shards, half of which cross, {deposit:.2f} times one on one database.")
    for count in (2, 10, 100):
        drawn = carries(count, cost, 1 - 1 / count)
        together = carries(count, cost, 0.1)
        results["model"][str(count)] = {"drawn": drawn, "together": together}
        say(f"  {count:>3} servers carry {drawn:5.1f} times what one does when payers and payees "
            f"are drawn at random, {together:5.1f} times when one payment in ten crosses")


def show(results, found, name, base):
    runs = found[name]
    rate = median(runs, "rate")
    results[name] = {key: median(runs, key) for key in ("rate", "p50_us", "p99_us", "cpu_us",
                                                        "busy")}
    say(f"  {name:<34} {rate:>9,.0f}/s  {rate / base:>5.2f} x  p50 "
        f"{median(runs, 'p50_us') / 1000:>6.1f} ms  p99 {median(runs, 'p99_us') / 1000:>6.1f} ms  "
        f"databases' CPU {median(runs, 'cpu_us'):>5.0f} us each"
        + (f"  busy {results[name]['busy']:.0f}" if results[name]["busy"] else ""))


def measure(folder, plan, results):
    plain = clusters.Cluster()
    sharded = shards.Shards(2)
    one = OnPostgres(os.path.join(folder, "one"), plain.url(plain.database_for("one")))
    two = OnShards(os.path.join(folder, "two"), sharded)
    files = {}
    for server, name in ((one, "one.wallets"), (two, "two.wallets")):
        files[server] = os.path.join(folder, name)
        open_wallets(server, plan.wallets, files[server])
        fill(server, files[server])
    arrange(files[two], folder)

    def run(server, path, **options):
        databases = [plain] if server is one else sharded.clusters
        before = cpu_seconds(databases)
        done = load("single_load", CORES, server.address, server.key, path, patient=1,
                    connections=plan.connections, seconds=plan.seconds, **options)
        return dict(done, cpu_us=1e6 * (cpu_seconds(databases) - before) / done["requests"])

    def while_moving():
        moving = Moving(two)
        done = run(two, files[two])
        return dict(done, **moving.stop())

    kinds = {"one database": lambda: run(one, files[one]),
             "two shards, wallets of one": lambda: run(two, os.path.join(folder, "inside")),
             "two shards, any wallets": lambda: run(two, files[two]),
             "two shards, always between them": lambda: run(
                 two, os.path.join(folder, "between"), apart=1),
             "one database, deposits": lambda: run(one, files[one], deposits=1),
             "two shards, deposits": lambda: run(two, files[two], deposits=1),
             "two shards, any, slots moving": while_moving}
    found = {name: [] for name in kinds}
    for _ in range(plan.rounds):
        for name, kind in kinds.items():
            found[name].append(kind())
    base = median(found["one database"], "rate")
    for name in kinds:
        show(results, found, name, base)
    moves = [run["moves"] for run in found["two shards, any, slots moving"]]
    pauses = [run["pause_ms"] for run in found["two shards, any, slots moving"]]
    results["moves"] = {"moves": sum(moves), "pause_ms": max(pauses)}
    say(f"  {sum(moves)} slots have moved meanwhile; both shards wrote nothing for at most "
        f"{max(pauses)} ms")
    model(results)
    for server in (one, two):
        prove(server)
    say("  The books of both are consistent, and florin verify says so of each database.")


def main():
    parser = argparse.ArgumentParser(prog="bench/shards.py", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    plan.connections = 64
    plan.rounds, plan.seconds, plan.wallets = (1, 2, 4_000) if plan.quick else (3, 3, 20_000)
    results = {}
    clusters.SETTINGS += SETTINGS
    with workplace(plan) as folder:
        say(f"             {plan.wallets:,} wallets, {plan.connections} connections; medians of "
            f"{plan.rounds} x {plan.seconds} s; servers, databases and load generator share all "
            "cores")
        measure(folder, plan, results)
        keep(plan, "bench-shards", results)


if __name__ == "__main__":
    main()
