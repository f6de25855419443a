#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the queue: commands per second through a real broker to durable effects, against the
same commands without Kafka in the same run; the lag during a burst of ten times the usual rate, and
the time to drain it; and a write that is queued and waited for against a direct one. The books are
checked at the end. See README.md."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "kafka")]

import broker  # noqa: E402

broker.need_client()  # this may begin another python

import florin  # noqa: E402
import shop as shops  # noqa: E402
from machine import conditions  # noqa: E402

PARTITIONS = 12
PAYERS = 200
BATCH = 100  # operations of a request of the burst
CONNECTIONS = 8
CALM_SECONDS = 5
MONEY = 1_000_000_000


def say(text):
    print(text, flush=True)


class Bench:
    """A cluster, a server, payers, and what has been paid so far."""
    def __init__(self, brokers):
        self.cluster = broker.Cluster(brokers).start()
        self.shop = shops.Shop(self.cluster, florin.binary(), partitions=PARTITIONS, events=False)
        self.shop.wait_for(self.works, what="partitions")
        self.payers = [self.shop.open(f"payer{i}", money=MONEY) for i in range(PAYERS)]
        self.till = self.shop.open("till", "merchant")
        self.key = self.shop.server.key("service")
        self.number = self.paid = self.busy = 0
        self.refused = []  # what no repeating helped

    def works(self):
        return self.shop.metric("worker_partitions") == PARTITIONS

    def work(self, works):
        """Starts the server again, with or without a worker."""
        self.shop.server.config["kafka"]["work"] = works
        self.shop.server.restart()
        if works:
            self.shop.wait_for(self.works, what="partitions")

    def bodies(self, count):
        for _ in range(count):
            self.number += 1
            self.paid += 1
            yield {"type": "transfer", "idempotency_key": f"b{self.number}",
                   "from": self.payers[self.number % PAYERS], "to": self.till, "amount": 1}

    def records(self, count):
        """(partition, key, value, headers), signed: what another producer sends."""
        made = []
        for body in self.bodies(count):
            value, key = json.dumps(body).encode(), str(shops.slot_of(body["from"])).encode()
            made.append((shops.partition_of(key, PARTITIONS), key, value,
                         shops.headers_of(self.key["secret"], self.key["id"], key, value)))
        return made

    def produce(self, producer, records):
        for partition, key, value, headers in records:
            producer.send(shops.TOPIC, value, key=key, partition=partition, headers=headers)

    def done(self):
        return self.shop.metric("worker_commands_total")

    def wait_until(self, count, timeout=300):
        self.shop.wait_for(lambda: self.done() >= count, timeout, f"{count} commands")

    def check(self):
        balance = self.shop.balance(self.till)
        with self.shop.client() as client:
            wrong = florin.integrity_problem(client.get("/check-integrity"))
        if balance != self.paid or wrong is not None:
            raise SystemExit(f"the books are wrong: {balance} instead of {self.paid}; {wrong}")
        say(f"books: {self.paid} transfers, each once, and the books agree")


def percentile(spans, share):
    return sorted(spans)[min(len(spans) - 1, int(len(spans) * share))]


def rates(bench, count):
    """The same transfers, that wait in the queue, and in batches of 1,000 without it."""
    bench.work(False)
    producer = bench.cluster.producer(linger_ms=5, batch_size=262144)
    bench.produce(producer, bench.records(count))
    producer.flush()
    begun = time.perf_counter()
    bench.work(True)
    bench.wait_until(1)
    first, at = bench.done(), time.perf_counter()
    bench.wait_until(count)
    queued = (count - first) / max(time.perf_counter() - at, 1e-9)
    whole = count / (time.perf_counter() - begun)
    bodies = list(bench.bodies(count))
    begun = time.perf_counter()
    with bench.shop.client() as client:
        for at in range(0, count, 1000):
            answer = client.post("/v1/batches", {"operations": bodies[at:at + 1000]})
            if answer.status != 200 or any("code" in result for result in answer["results"]):
                raise SystemExit(f"a batch was refused: {answer!r}"[:400])
    direct = count / (time.perf_counter() - begun)
    say(f"{count} commands that waited in the queue: {queued:,.0f}/s ({whole:,.0f}/s with the start"
        f" of the server); without Kafka, in batches of 1,000 over HTTP from one Python client: "
        f"{direct:,.0f}/s")


def queue_batch(bench, client, body):
    """As a shop would: what is busy is sent again, and its keys keep it from being done twice."""
    for _ in range(20):
        answer = client.post("/v1/batches", body, headers={"Prefer": "respond-async"})
        if answer.status not in (503, 504):
            return answer
        bench.busy += 1
        time.sleep(0.2)
    return answer


def share(bench, lock, rate, count):
    """One connection's part of the load: `count` batches at `rate` operations a second."""
    begun = time.perf_counter()
    with bench.shop.client() as client:
        for sent in range(count):
            with lock:
                chosen = list(bench.bodies(BATCH))
            operations = ",".join(
                f'{{"type":"transfer","idempotency_key":"{one["idempotency_key"]}","from":'
                f'"{one["from"]}","to":"{one["to"]}","amount":1}}' for one in chosen)
            answer = queue_batch(bench, client, f'{{"operations":[{operations}]}}'.encode())
            if answer.status != 202 or answer.body.count(b'"queued"') != BATCH:
                bench.refused.append(repr(answer)[:400])
                return
            ahead = (sent + 1) * BATCH / rate - (time.perf_counter() - begun)
            if ahead > 0:
                time.sleep(ahead)


def offer(bench, rate, seconds):
    """Queues transfers through the door, in batches, as evenly as it can; how many a second it
    came to. One operation at a time a client in Python could not offer ten thousand of them."""
    begun, lock = time.perf_counter(), threading.Lock()
    count = rate * seconds // BATCH // CONNECTIONS
    threads = [threading.Thread(target=share, args=(bench, lock, rate / CONNECTIONS, count))
               for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bench.refused:
        raise SystemExit(f"a batch was refused: {bench.refused[0]}")
    return count * CONNECTIONS * BATCH / (time.perf_counter() - begun)


def burst(bench, usual, seconds):
    """Ten times the usual rate for a while, and how long it takes to be back."""
    begun_with, paid_before = bench.done(), bench.paid
    lags, stop = [], threading.Event()

    def watch():
        begun = time.perf_counter()
        while not stop.wait(0.25):
            lags.append((time.perf_counter() - begun, bench.shop.metric("worker_lag"),
                         bench.shop.metric("worker_oldest_seconds")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = offer(bench, usual, CALM_SECONDS)
    lag_before = max(lag for _, lag, _ in lags) if lags else 0
    during = offer(bench, usual * 10, seconds)
    ended = time.perf_counter()
    bench.wait_until(begun_with + bench.paid - paid_before)
    drained = time.perf_counter() - ended
    stop.set()
    watcher.join()
    short = "" if during >= 0.98 * usual * 10 else " (LESS THAN TEN TIMES: the load could not)"
    say(f"burst of {seconds} s: {before:,.0f}/s before, {during:,.0f}/s in it{short}; lag at most "
        f"{lag_before:,} commands before, {max(lag for _, lag, _ in lags):,} in it, "
        f"{max(age for _, _, age in lags):.1f} s old; {bench.busy} batches were busy once; "
        f"drained {drained:.2f} s after the last was "
        "acknowledged")
    say("  lag over time (the most in each second): " + " ".join(
        str(max(lag for at, lag, _ in lags if int(at) == second))
        for second in sorted({int(at) for at, _, _ in lags})))


def latency(bench, count):
    """One connection, one after another."""
    shown = {}
    for name, queued in (("direct", False), ("queued and waited for", True)):
        bench.shop.server.config["kafka"]["queue_writes"] = queued
        bench.shop.server.restart()
        bench.shop.wait_for(bench.works, what="partitions")
        spans = []
        with bench.shop.client() as client:
            for body in bench.bodies(count):
                body.pop("type")
                key = body.pop("idempotency_key")
                begun = time.perf_counter()
                answer = client.post("/v1/transfers", body, key=key)
                spans.append((time.perf_counter() - begun) * 1000)
                if answer.status != 201:
                    raise SystemExit(f"refused: {answer!r}")
        shown[name] = (statistics.median(spans), percentile(spans, 0.99))
    say("latency, one connection: " + "; ".join(
        f"{name} p50 {p50:.2f} ms, p99 {p99:.2f} ms" for name, (p50, p99) in shown.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3))
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1000, help="usual commands per second")
    parser.add_argument("--burst", type=int, default=60, help="seconds of ten times as many")
    parser.add_argument("--writes", type=int, default=500, help="for the latency")
    parser.add_argument("--quick", action="store_true", help="a minute in all")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.commands, chosen.burst, chosen.writes = 20_000, 6, 200
    with tempfile.TemporaryDirectory() as folder:
        for name, value in conditions(folder):
            say(f"{name}: {value}")
    say(f"brokers: {chosen.brokers}, Kafka 3.9 on the same machine, {PARTITIONS} partitions, "
        "embedded engine")
    bench = Bench(chosen.brokers)
    rates(bench, chosen.commands)
    burst(bench, chosen.rate, chosen.burst)
    latency(bench, chosen.writes)
    bench.check()
    bench.shop.server.stop()


main()
