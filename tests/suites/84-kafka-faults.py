#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cluster of three brokers, and what can happen to it and to the worker under load. After each
fault an independent checker compares what was acknowledged with the books: each command exactly
once, in order per payer, sums right."""

import os
import random
import sys
import threading
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402
import shop as shops  # noqa: E402
from client import Unreachable  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = broker.Cluster(3).start()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
PARTITIONS = 4


class Load:
    """Queues transfers, retrying each with its key until it is acknowledged, in order per payer."""
    def __init__(self, shop, payers, till):
        self.shop, self.payers, self.till = shop, payers, till
        self.acknowledged = {payer: [] for payer in payers}
        self.busy = 0
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(payer,)) for payer in payers]
        for thread in self.threads:
            thread.start()

    def run(self, payer):
        number = 0
        client = self.shop.client(timeout=30.0)
        while not self.stop.is_set():
            number += 1
            reference, amount = f"{payer[-6:]}-{number}", 1 + number % 5
            body = {"from": payer, "to": self.till, "amount": amount, "reference": reference}
            while True:
                try:
                    status = self.shop.queue(client, "/v1/transfers", body, key=reference).status
                except (Unreachable, OSError):
                    status = 0
                    client.close()
                    client = self.shop.client(timeout=30.0)
                if status in (201, 202):
                    break
                self.busy += status == 503
                time.sleep(0.05)
            self.acknowledged[payer].append((reference, payer, self.till, amount))
        client.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return sum(len(orders) for orders in self.acknowledged.values())


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


def settle(report, name, shop, payers, till, load):
    """Waits until the queue is empty, and checks."""
    total = load.end()
    report.check(f"{name}: something was queued", total > 5, total)
    last = {payer: orders[-1][0] for payer, orders in load.acknowledged.items() if orders}

    def all_done():
        try:
            return all(any(t.get("reference") == reference for t in shop.history(payer))
                       for payer, reference in last.items())
        except (Unreachable, OSError):
            return False
    shop.wait_for(all_done, timeout=90, what="the last commands")
    shops.check(report, name, shop, load.acknowledged, payers + [till],
                {**{payer: 1_000_000 for payer in payers}, till: 0})


def leader_killed(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    time.sleep(1)
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
        time.sleep(1)
        shop.server.kill()
        shop.server.start()
    settle(report, "the worker killed", shop, payers, till, load)
    shop.server.stop()


def two_of_three(report):
    shop, payers, till = world()
    load = Load(shop, payers, till)
    time.sleep(1)
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
    time.sleep(1)
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
    time.sleep(1)
    settle(report, "before", shop, payers, till, load)
    before = shop.balance(till)
    shop.server.stop()
    admin = CLUSTER.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    time.sleep(2)
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
