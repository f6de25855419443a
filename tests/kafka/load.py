# SPDX-License-Identifier: MIT
"""Queues transfers under faults, and checks afterwards what was acknowledged against the books."""

import threading
import time

import shop as shops
from client import Unreachable


class Load:
    """Queues transfers, retrying each with its key until it is acknowledged, in order per payer."""
    def __init__(self, shop, payers, till, pause=0.0):
        self.shop, self.payers, self.till, self.pause = shop, payers, till, pause
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
            if self.pause:
                time.sleep(self.pause)
        client.close()

    @property
    def count(self):
        return sum(len(orders) for orders in self.acknowledged.values())

    def more(self, count, timeout=90.0):
        """Waits until so many more are acknowledged."""
        wanted = self.count + count
        self.shop.wait_for(lambda: self.count >= wanted, timeout, f"{count} more acknowledged")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.count


def settle(report, name, shop, payers, till, load, money=1_000_000):
    """Waits until the queue is empty, and checks."""
    total = load.end()
    report.check(f"{name}: something was queued", total > 5, total)
    last = {payer: orders[-1][0] for payer, orders in load.acknowledged.items() if orders}

    def all_done():
        try:
            return all(any(t.get("reference") == reference for t in shop.recent(payer))
                       for payer, reference in last.items())
        except (Unreachable, OSError):
            return False
    shop.wait_for(all_done, timeout=120, what="the last commands")
    shops.check(report, name, shop, load.acknowledged, payers + [till],
                {**{payer: money for payer in payers}, till: 0})
