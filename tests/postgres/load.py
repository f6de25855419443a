# SPDX-License-Identifier: MIT
"""Payments under which something happens to the database."""

import threading


def two_wallets(client):
    ids = [client.post("/v1/wallets", {"owner": owner, "currency": "USD", "kind": kind})["id"]
           for owner, kind in (("anna", "customer"), ("shop", "merchant"))]
    client.post("/v1/deposits", {"wallet": ids[0], "amount": 10**9, "bank_transaction_id": "seed"})
    return ids


class Load:
    """Payments from a few threads until it is stopped; every answer is kept."""
    def __init__(self, server, threads=3, wallets=None, name="load"):
        self.server, self.stopping, self.answers, self.name = server, False, [], name
        with server.client() as client:
            self.anna, self.shop = wallets or two_wallets(client)
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        with self.server.client() as client:
            count = 0
            while not self.stopping:
                count += 1
                key = f"{self.name}-{number}-{count}"
                answer = self.pay(client, key)
                self.answers.append((key, answer.status, answer.body))

    def pay(self, client, key):
        return client.post("/v1/purchases", {"wallet": self.anna, "merchant": self.shop,
                                             "amount": 1}, key=key)

    def stop(self, report, name):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
        wrong = [answer for answer in self.answers if answer[1] != 201]
        report.check(f"{name}: all were answered", not wrong and len(self.answers) > 20,
                     f"{len(self.answers)} answers, {wrong[:3]}")
