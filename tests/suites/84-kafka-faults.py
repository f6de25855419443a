#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cluster of three brokers, and what can happen to it and to the worker under load. After each
fault an independent checker compares what was acknowledged with the books: each command exactly
once, in order per payer, sums right."""

import os
import random
import sys
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402
import lanes  # noqa: E402
import shop as shops  # noqa: E402
from load import Load, settle  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = broker.Cluster(3).start()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
PARTITIONS = 4


class World:
    """One shop for all faults, with a payer in each partition: every fault is somebody's."""
    def __init__(self):
        name = uuid.uuid4().hex[:8]
        self.topic = f"commands.{name}"
        self.shop = shops.Shop(CLUSTER, BINARY, commands_topic=self.topic,
                               dead_letter_topic=f"dead.{name}", group=name, events=False,
                               session_timeout_ms=3000, request_deadline_ms=20000)
        self.shop.wait_for(lambda: self.shop.metric("worker_partitions") == PARTITIONS,
                           what="partitions")
        self.payers = self.shop.open_in_each(PARTITIONS, 1_000_000)
        self.till = self.shop.open("till", "merchant")

    def load(self, name):
        load = Load(self.shop, self.payers, self.till, name=name)
        load.each(5)
        return load

    def settle(self, report, name, load):
        settle(report, name, self.shop, self.payers, self.till, load)

    def leads_nothing(self, victim):
        """As another broker knows it, and whoever asks that one."""
        other = next(one for one in CLUSTER.brokers if one is not victim)
        return lambda: victim.node not in CLUSTER.leaders(self.topic, other).values()


def frozen_broker(report, world):
    """A cut line: one broker hears and says nothing for so long that others lead what it led."""
    victim = CLUSTER.brokers[(SEED + 1) % 3]
    load = world.load("frozen")
    victim.freeze()
    try:
        world.shop.wait_for(world.leads_nothing(victim), what="others to lead")
        load.each(2)
    finally:
        victim.freeze(False)
    load.each(5)
    world.settle(report, "a frozen broker", load)


def leader_killed(report, world):
    victim = CLUSTER.brokers[SEED % 3]
    load = world.load("leader")
    victim.kill()
    load.each(5)
    report.check("others lead", world.leads_nothing(victim)())
    victim.launch()
    victim.wait()
    load.each(5)
    world.settle(report, "a broker killed", load)


def worker_killed(report, world):
    """In the middle of its batches: it is carrying commands out whenever it is killed."""
    shop, load = world.shop, world.load("worker")
    for _ in range(2):
        shop.wait_for(lambda: shop.metric("worker_commands_total") > 0, what="it to work")
        load.more(20)
        shop.server.kill()
        shop.server.start()
    load.more(20)
    world.settle(report, "the worker killed", load)


def two_of_three(report, world):
    victims = [CLUSTER.brokers[(SEED + i) % 3] for i in range(2)]
    load = world.load("two")
    for victim in victims:
        victim.kill()
    world.shop.wait_for(lambda: load.busy > 0, what="refused writes")
    report.check("writes refuse", load.busy > 0)
    for victim in victims:
        victim.launch()
    for victim in victims:
        victim.wait()
    load.each(5)
    world.settle(report, "two of three killed", load)


def main():
    report = Report("kafka faults")
    print(f"kafka faults: seed {SEED}", flush=True)
    world = World()
    lanes.in_turn(report, [
        ("the worker killed", worker_killed, world),
        ("a frozen broker", frozen_broker, world),
        ("a broker killed", leader_killed, world),
        ("two of three killed", two_of_three, world),
    ])
    world.shop.server.stop()
    report.finish()


main()
