# SPDX-License-Identifier: MIT
"""Queues transfers under faults, and checks afterwards what was acknowledged against the books."""

import threading
import time

import shop as shops
from client import Unreachable


class Load:
    """Queues transfers, retrying each with its key until it is acknowledged, in order per payer;
    with `others` to these in turn, payers among them."""
    def __init__(self, shop, payers, till, pause=0.0, name="", others=()):
        self.shop, self.payers, self.pause = shop, payers, pause
        self.payees = [till, *others]
        self.name = name  # of a second load of the same payers
        self.wallets = list(dict.fromkeys([*payers, *self.payees]))
        self.opening = {wallet: shop.balance(wallet) for wallet in self.wallets}
        self.acknowledged = {payer: [] for payer in payers}
        self.busy = 0
        self.stop = threading.Event()
        # Of a test that has failed: they end with the suite, however long nobody answers them.
        self.threads = [threading.Thread(target=self.run, args=(payer,), daemon=True)
                        for payer in payers]
        for thread in self.threads:
            thread.start()

    def run(self, payer):
        number = 0
        client = self.shop.client(timeout=30.0)
        while not self.stop.is_set():
            number += 1
            reference, amount = f"{self.name}{payer[-6:]}-{number}", 1 + number % 5
            payee = self.payees[number % len(self.payees)]
            if payee == payer:
                continue
            body = {"from": payer, "to": payee, "amount": amount, "reference": reference}
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
            self.acknowledged[payer].append((reference, payer, payee, amount))
            if self.pause:
                time.sleep(self.pause)
        client.close()

    @property
    def count(self):
        return sum(len(orders) for orders in self.acknowledged.values())

    def more(self, count, timeout=180.0):
        """Waits until so many more are acknowledged."""
        wanted = self.count + count
        self.shop.wait_for(lambda: self.count >= wanted, timeout, f"{count} more acknowledged")

    def each(self, count, timeout=180.0):
        """The same for every payer."""
        wanted = {payer: len(orders) + count for payer, orders in self.acknowledged.items()}
        self.shop.wait_for(lambda: all(len(self.acknowledged[payer]) >= many
                                       for payer, many in wanted.items()), timeout,
                           f"{count} more acknowledged of each payer")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.count


def where_they_are(shop, last):
    """Of commands that do not come: what the worker says, and where their records are."""
    with shop.client() as client:
        queue = client.get("/v1/queue").json
    worker = {name: shop.metric(f"worker_{name}") for name in (
        "commands_total", "lag", "stopped", "partitions", "dead_letters_total", "fenced_total")}
    topic = getattr(shop, "topic", None)
    records = shop.cluster.read(topic) if topic else []
    found = {payer: [(record.partition, record.offset) for record in records
                     if f'"{reference}"'.encode() in record.value]
             for payer, reference in last.items()}
    done = {payer: reference in [t.get("reference") for t in shop.recent(payer)]
            for payer, reference in last.items()}
    return f"{queue}\n{worker}\nlast: {last}\nin the topic: {found}\ndone: {done}"


def lost(shop, acknowledged):
    """Of acknowledged commands that the books do not have: where their records are, and what a
    retry is told."""
    told = []
    for payer, orders in acknowledged.items():
        booked = {t.get("reference") for t in shop.history(payer)}
        for reference, source, target, amount in orders:
            if reference in booked:
                continue
            records = shop.cluster.read(shop.topic) if hasattr(shop, "topic") else []
            places = [(one.partition, one.offset) for one in records
                      if f'"{reference}"'.encode() in one.value]
            with shop.client() as client:
                again = client.post("/v1/transfers", {
                    "from": source, "to": target, "amount": amount, "reference": reference},
                    key=reference)
            told.append(f"{reference} is at {places}; a retry: {again}")
    return told


def settle(report, name, shop, payers, till, load, arrived=lambda: None):
    """Waits until the queue is empty, and for what `arrived` waits for, and checks."""
    total = load.end()
    report.check(f"{name}: something was queued", total > 5, total)
    # Of who is paid, too, the last order may be long ago.
    seen = shop.history if len(load.payees) > 1 else shop.recent
    last = {payer: orders[-1][0] for payer, orders in load.acknowledged.items() if orders}

    def all_done():
        try:
            return all(any(t.get("reference") == reference for t in seen(payer))
                       for payer, reference in last.items())
        except (Unreachable, OSError):
            return False
    try:
        shop.wait_for(all_done, timeout=240, what="the last commands")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{where_they_are(shop, last)}") from error
    arrived()
    missing = lost(shop, load.acknowledged)
    report.check(f"{name}: nothing is lost", not missing, f"{missing}\n{shop.server.log()[-6000:]}")
    shops.check(report, name, shop, load.acknowledged, load.wallets, load.opening)
