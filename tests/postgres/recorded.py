# SPDX-License-Identifier: MIT
"""Clients on several nodes who write down every request that they make: when it was made, when it
was answered, and with what, or that nobody knows. tests/lib/history.py judges what they wrote."""

import json
import os
import random
import threading
import time

import florin
from client import Client, Unreachable

WAIT_S = 5.0  # who is not answered by then does not know
TRIES = 60


class Recorder:
    """Players who pay and readers who look, until it is stopped."""
    def __init__(self, nodes, secret, wallets, shops, seed, players=6, readers=2):
        self.nodes, self.secret, self.wallets, self.shops = nodes, secret, wallets, shops
        self.events = []  # appending is one step for Python's threads
        self.over = threading.Event()
        actions = [(self.play, f"p{n}") for n in range(players)] + \
            [(self.watch, f"r{n}") for n in range(readers)]
        self.threads = [threading.Thread(target=action, daemon=True,
                                         args=(random.Random(f"{seed}-{name}"), name))
                        for action, name in actions]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(300)
        return not any(thread.is_alive() for thread in self.threads)

    @property
    def done(self):
        return sum(one.get("outcome") == "ok" for one in list(self.events))

    # ---- one request ----

    def ask(self, node, send):
        """The answer, or None, and between which moments."""
        with Client(self.nodes[node].port, self.secret, WAIT_S) as client:
            invoked = time.monotonic_ns()
            try:
                answer = send(client)
            except (Unreachable, OSError):
                answer = None
            return answer, {"node": node, "invoked": invoked, "completed": time.monotonic_ns()}

    def write(self, node, key, path, body, wanted):
        answer, event = self.ask(node, lambda client: client.post(path, body, key=key))
        event.update(kind="write", key=key, wanted=wanted, outcome="unknown")
        if answer is not None and answer.status in (200, 201):
            told = answer.json.get("results", [answer.json])
            event.update(outcome="ok", replayed=answer.replayed,
                         told=[{name: value for name, value in one.items() if name != "replayed"}
                               for one in told])
        elif answer is not None and answer.status < 500:
            event.update(outcome="refused", code=answer.code)
        self.events.append(event)
        return event

    def read(self, node, wallet):
        answer, event = self.ask(node, lambda client: client.get(f"/v1/wallets/{wallet}"))
        if answer is not None and answer.status == 200:
            event.update(kind="read", wallet=wallet, version=answer["version"],
                         balance=answer["balance"])
            self.events.append(event)
        return answer

    def list(self, node, wallet, limit):
        """The newest ones; all of them when there are not more."""
        answer, event = self.ask(node, lambda client: client.get(
            f"/v1/wallets/{wallet}/transactions?limit={limit}"))
        if answer is not None and answer.status == 200:
            event.update(kind="list", wallet=wallet, items=answer["items"],
                         whole=answer.get("next_cursor") is None)
            self.events.append(event)

    def look_at_all(self):
        """When all is over: every wallet on every node, and all of its payments."""
        for wallet in self.wallets + self.shops:
            for node in range(len(self.nodes)):
                self.read(node, wallet)
                self.list_all(node, wallet)

    def list_all(self, node, wallet):
        with self.nodes[node].client(self.secret) as client:
            invoked = time.monotonic_ns()
            items = client.list(f"/v1/wallets/{wallet}/transactions?limit=1000")
            self.events.append({"kind": "list", "wallet": wallet, "node": node, "whole": True,
                                "invoked": invoked, "completed": time.monotonic_ns(),
                                "items": items})

    # ---- clients ----

    def play(self, pick, name):
        turn, bought = 0, []
        while not self.over.is_set():
            turn += 1
            key, node = f"{name}-{turn}", pick.randrange(len(self.nodes))
            asked = self.invent(pick, key, bought)
            for _ in range(pick.choice((1, TRIES, TRIES, TRIES))):  # some never ask again
                event = self.write(node, key, *asked)
                if event["outcome"] != "unknown":
                    break
                node = (node + 1) % len(self.nodes)
                time.sleep(0.05)
            if event["outcome"] == "ok" and asked[0] == "/v1/purchases":
                bought.append(event["told"][0])

    def invent(self, pick, key, bought):
        """Path, body, and the payments that are wanted."""
        one, two, three = pick.sample(self.wallets, 3)
        kind, amount = pick.randrange(20), 1 + pick.randrange(40)

        def wanted(debit, credit, more=""):
            return {"reference": key + more, "debit": debit, "credit": credit, "amount": amount}
        if kind < 2:
            return ("/v1/deposits", {"wallet": one, "amount": amount, "reference": key,
                                     "bank_transaction_id": key}, [wanted(None, one)])
        if kind < 5:
            shop = pick.choice(self.shops)
            return ("/v1/purchases", {"wallet": one, "merchant": shop, "amount": amount,
                                      "reference": key}, [wanted(one, shop)])
        if kind < 8 and bought:
            back = pick.choice(bought)
            amount = 1 + pick.randrange(back["amount"])
            return ("/v1/refunds", {"purchase": back["id"], "amount": amount, "reference": key},
                    [wanted(back["credit"]["account"], back["debit"]["account"])])
        if kind < 11:
            legs = [(one, two, "-a"), (two, three, "-b")]
            return ("/v1/batches", {"atomic": True, "operations": [
                {"type": "transfer", "from": source, "to": target, "amount": amount,
                 "reference": key + more} for source, target, more in legs]},
                    [wanted(*leg) for leg in legs])
        return ("/v1/transfers", {"from": one, "to": two, "amount": amount, "reference": key},
                [wanted(one, two)])

    def watch(self, pick, _):
        while not self.over.is_set():
            node, wallet = pick.randrange(len(self.nodes)), pick.choice(self.wallets + self.shops)
            if pick.randrange(3):
                self.read(node, wallet)
            else:
                self.list(node, wallet, 20)
            time.sleep(0.01)


def keep(events):
    """Where a history that was found wrong can be looked at."""
    path = os.path.join(florin.folder(), "history")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return path
