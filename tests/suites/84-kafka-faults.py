#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cluster of three brokers, and what can happen to it and to the worker under load. After each
fault an independent checker compares what was acknowledged with the books: each command exactly
once, in order per payer, sums right."""

import os
import random
import sys
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402
import shop as shops  # noqa: E402
from load import Load, settle  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = broker.Cluster(3).start()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
PARTITIONS = 4


def world(**more):
    name = uuid.uuid4().hex[:8]
    settings = {"commands_topic": f"commands.{name}", "dead_letter_topic": f"dead.{name}",
                "group": name, "events": False, "request_deadline_ms": 20000}
    settings.update(more)
    shop = shops.Shop(CLUSTER, BINARY, **settings)
    shop.topic = settings["commands_topic"]
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    payers = [shop.open(f"payer{i}", money=1_000_000) for i in range(4)]
    return shop, payers, shop.open("till", "merchant")


def leader_killed(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    load.more(20)
    victim = CLUSTER.brokers[SEED % 3]
    victim.kill()
    time.sleep(6)
    victim.launch()
    victim.wait()
    time.sleep(2)
    settle(report, "a broker killed", shop, payers, till, load)
    shop.server.stop()


def worker_killed(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    for _ in range(3):
        load.more(20)
        shop.server.kill()
        shop.server.start()
    settle(report, "the worker killed", shop, payers, till, load)
    shop.server.stop()


def two_of_three(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    load.more(20)
    victims = [CLUSTER.brokers[(SEED + i) % 3] for i in range(2)]
    for victim in victims:
        victim.kill()
    shop.wait_for(lambda: load.busy > 0, timeout=60, what="refused writes")
    report.check("writes refuse", load.busy > 0)
    for victim in victims:
        victim.launch()
    for victim in victims:
        victim.wait()
    before = sum(len(orders) for orders in load.acknowledged.values())
    shop.wait_for(lambda: sum(len(o) for o in load.acknowledged.values()) > before + 20,
                  timeout=90, what="writes again")
    settle(report, "two of three killed", shop, payers, till, load)
    shop.server.stop()


def frozen_broker(report):
    """A cut line: one broker hears and says nothing for a while."""
    shop, payers, till = world()
    load = Load(shop, payers, till)
    load.more(20)
    victim = CLUSTER.brokers[(SEED + 1) % 3]
    victim.freeze()
    time.sleep(5)
    victim.freeze(False)
    time.sleep(2)
    settle(report, "a frozen broker", shop, payers, till, load)
    shop.server.stop()


def topic_made_anew(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    load.more(20)
    settle(report, "before", shop, payers, till, load)
    before = shop.balance(till)
    shop.server.stop()
    admin = CLUSTER.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    shop.wait_for(lambda: shop.topic not in CLUSTER.topics(), what="the topic to go")
    shop.server.start()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) > 0, what="an alarm")
    report.check("alarm", "ALARM" in shop.server.log(), shop.server.log()[-500:])
    report.equal("nothing moved", shop.balance(till), before)
    shop.server.stop()


report = Report("kafka faults")
print(f"kafka faults: seed {SEED}", flush=True)
report.run("a broker killed", leader_killed)
report.run("the worker killed", worker_killed)
report.run("two of three killed", two_of_three)
report.run("a frozen broker", frozen_broker)
report.run("topic made anew", topic_made_anew)
report.finish()
