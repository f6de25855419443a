#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Moves one slot with many transactions in it to another shard while payments go on, in the slot
and elsewhere: how long it takes, how long nothing is written, what is read meanwhile, and what the
payments notice. The books are checked before and after. See README.md."""

import argparse
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
import shards  # noqa: E402
from bench import load, post_batch, say, workplace  # noqa: E402
from machine import CORES  # noqa: E402
from postgres import SETTINGS, OnShards, check, fill  # noqa: E402

WALLETS = 50  # of one owner, so that they are in one slot


def open_wallets(server, path):
    """Those of one owner whose slot is on the first shard, and as many of others."""
    owner = 0
    while True:
        first = post_batch(server, [{"type": "wallet", "owner": f"hot-{owner}",
                                     "currency": "USD"}])[0]["id"]
        if 0 < shards.slot_of(first) < 512:
            break
        owner += 1
    own = post_batch(server, [{"type": "wallet", "owner": f"hot-{owner}", "currency": "USD"}
                              for _ in range(WALLETS - 1)])
    others = post_batch(server, [{"type": "wallet", "owner": f"other-{n}", "currency": "USD"}
                                 for n in range(WALLETS)])
    hot = [first] + [wallet["id"] for wallet in own]
    with open(path + ".hot", "w", encoding="utf-8") as file:
        file.writelines(wallet + "\n" for wallet in hot)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(wallet + "\n" for wallet in hot + [one["id"] for one in others])
    return shards.slot_of(first)


class Payments:
    """Single transfers between all wallets, for so many seconds or until it is over."""

    def __init__(self, server, path):
        self.server, self.path, self.over, self.runs = server, path, threading.Event(), []
        self.thread = threading.Thread(target=self.pay, daemon=True)
        self.thread.start()

    def pay(self):
        while not self.over.is_set():
            self.runs.append(load("single_load", CORES, self.server.address, self.server.key,
                                  self.path, patient=1, connections=16, seconds=2))

    def stop(self):
        self.over.set()
        self.thread.join()
        requests = sum(run["requests"] for run in self.runs)
        return (requests, requests / sum(run["seconds"] for run in self.runs),
                max(run["max_us"] for run in self.runs) / 1000)


def move(server, slot):
    begun = time.monotonic()
    said = subprocess.run([server.binary, "shards", "move", str(slot), "--to", "b", "--config",
                           server.data + ".json"], capture_output=True, text=True, check=False)
    took = time.monotonic() - begun
    if said.returncode != 0:
        raise SystemExit(f"slot {slot} does not move: {said.stderr}")
    say(f"  moved in {took:.0f} s:")
    for line in said.stdout.splitlines():
        say(f"    {line.strip()}")


def measure(folder, plan):
    sharded = shards.Shards(2)
    server = OnShards(os.path.join(folder, "books"), sharded)
    path = os.path.join(folder, "wallets")
    slot = open_wallets(server, path)
    fill(server, path)
    begun = time.monotonic()
    load("batch_load", CORES, server.address, server.key, path + ".hot", connections=4,
         operations=plan.transactions)
    say(f"  {plan.transactions:,} transfers made in slot {slot} in "
        f"{time.monotonic() - begun:.0f} s")
    check(server)
    alone = Payments(server, path)
    time.sleep(1)
    requests, rate, longest = alone.stop()
    say(f"  payments before the move: {rate:,.0f}/s, the longest {longest:.0f} ms")
    payments = Payments(server, path)
    move(server, slot)
    requests, rate, longest = payments.stop()
    say(f"  payments meanwhile: {requests:,.0f}, {rate:,.0f}/s, the longest {longest:.0f} ms")
    check(server)
    server.stop()
    for place in sharded.setting(server.data):
        done = subprocess.run([server.binary, "verify", "--postgres", place["url"]],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"florin verify: {done.stdout}{done.stderr}")
        say(f"  florin verify of \"{place['name']}\": {done.stdout.splitlines()[0]}")


def main():
    parser = argparse.ArgumentParser(prog="bench/move_slot.py",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    clusters.SETTINGS += SETTINGS
    with workplace(plan) as folder:
        measure(folder, plan)


if __name__ == "__main__":
    main()
