# SPDX-License-Identifier: MIT
"""Clients on several nodes who write down every request that they make: when it was made, when it
was answered, and with what, or that nobody knows. tests/lib/history.py judges what they wrote."""

import json
import os
import random
import threading
import time

import florin
from asked import SHORT_S, Asked, Asker, Things, payment
from client import Client, Unreachable
from wait import within

WAIT_S = 5.0  # who is not answered by then does not know
QUEUE_S = 20  # nor is what was queued
TRIES = 60
QUEUED = {"Prefer": "respond-async"}


class Recorder:
    """Players who pay and readers who look, until it is stopped. With `queued` some of what they
    ask for waits in the queue, and they look what becomes of it."""
    def __init__(self, nodes, secret, wallets, shops, seed, players=6, readers=2, queued=False):
        self.nodes, self.secret, self.wallets, self.shops = nodes, secret, wallets, shops
        self.queued, self.things = queued, Things(wallets, shops)
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

    def fill(self, wallet, key, amount):
        """A deposit; whether it is done."""
        return self.write(1, key, Asked("POST", "/v1/deposits", {
            "wallet": wallet, "amount": amount, "reference": key, "bank_transaction_id": key},
            [payment(key, None, wallet, amount)]))

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

    def write(self, node, key, asked, prefer=None):
        """One attempt; returns whether all of it is known now."""
        answer, event = self.ask(node, lambda client: client.request(
            asked.method, asked.path, asked.body, key=key, headers=prefer,
            if_match=asked.if_match and asked.if_match["version"]))
        status, said = (answer.status, answer.json) if answer is not None else (0, None)
        known = [self.one_write(dict(event), *each)
                 for each in each_of(key, asked, status, said)]
        return all(known)

    def one_write(self, event, key, wanted, status, said, if_match):
        """Of one key; what was queued is waited for."""
        event.update(kind="write", key=key, wanted=wanted, outcome="unknown")
        if if_match is not None:
            event.update(if_match=if_match)
        if status == 202:
            event.update(queued=said["id"])
            status, said = self.outcome(said["id"], event["node"])
            event.update(completed=time.monotonic_ns())
        if status in (200, 201):
            told = said.get("results", [said])
            event.update(outcome="ok", told=[{name: value for name, value in one.items()
                                              if name != "replayed"} for one in told])
            for one in told:
                self.things.told(one)
        elif 400 <= status < 500:
            event.update(outcome="refused", code=said.get("code"))
        self.events.append(event)
        return event["outcome"] != "unknown"

    def outcome(self, operation, node):
        """What became of it, asked of one node after the other."""
        deadline = time.monotonic() + QUEUE_S
        while time.monotonic() < deadline:
            answer, _ = self.ask(node, lambda client: client.get(
                f"/v1/operations/{operation}", headers={"Prefer": "wait=2"}))
            node = (node + 1) % len(self.nodes)
            if answer is not None and answer.status == 200 and answer["status"] == "done":
                return 200, answer["result"]
            if answer is not None and answer.status == 200 and answer["status"] == "refused":
                return 400, answer["problem"]
            time.sleep(0.05)
        return 0, None

    def read(self, node, wallet):
        answer, event = self.ask(node, lambda client: client.get(f"/v1/wallets/{wallet}"))
        if answer is not None and answer.status == 200:
            event.update(kind="read", wallet=wallet, version=answer["version"],
                         balance=answer["balance"], held=answer["held"])
            self.events.append(event)
            self.things.versions[wallet] = answer["version"]
        return answer

    def list(self, node, wallet, limit):
        """The newest ones; all of them when there are not more."""
        answer, event = self.ask(node, lambda client: client.get(
            f"/v1/wallets/{wallet}/transactions?limit={limit}"))
        if answer is not None and answer.status == 200:
            event.update(kind="list", wallet=wallet, items=answer["items"],
                         whole=answer.get("next_cursor") is None)
            self.events.append(event)

    def thing(self, node, path):
        answer, event = self.ask(node, lambda client: client.get(path))
        if answer is not None and answer.status == 200:
            event.update(kind="thing", item=answer.json)
            self.events.append(event)

    # ---- when all is over ----

    def look_at_all(self):
        """Every wallet on every node, and all of its payments, holds and withdrawals."""
        time.sleep(SHORT_S)  # what can expire has
        for wallet in self.wallets:
            assert within(60, lambda w=wallet: self.all_expired(w)), wallet
        for wallet in self.wallets + self.shops:
            for node in range(len(self.nodes)):
                self.read(node, wallet)
                self.list_all(node, wallet)
            for kind in ("holds", "withdrawals"):
                self.list_things(wallet, kind)

    def all_expired(self, wallet):
        with self.nodes[1].client(self.secret) as client:
            return not any(expires_soon(one) for one in client.list(
                f"/v1/holds?wallet={wallet}&status=open&limit=1000"))

    def list_all(self, node, wallet):
        with self.nodes[node].client(self.secret) as client:
            invoked = time.monotonic_ns()
            items = client.list(f"/v1/wallets/{wallet}/transactions?limit=1000")
            self.events.append({"kind": "list", "wallet": wallet, "node": node, "whole": True,
                                "invoked": invoked, "completed": time.monotonic_ns(),
                                "items": items})

    def list_things(self, wallet, kind):
        with self.nodes[1].client(self.secret) as client:
            invoked = time.monotonic_ns()
            items = client.list(f"/v1/{kind}?wallet={wallet}&limit=1000")
            self.events.append({"kind": "things", "wallet": wallet, "of": kind, "items": items,
                                "invoked": invoked, "completed": time.monotonic_ns()})

    # ---- clients ----

    def play(self, pick, name):
        turn, asker = 0, Asker(pick, self.things)
        while not self.over.is_set():
            turn += 1
            key, node = f"{name}-{turn}", pick.randrange(len(self.nodes))
            asked = asker.request(key)
            for _ in range(pick.choice((1, TRIES, TRIES, TRIES))):  # some never ask again
                prefer = QUEUED if self.queued and not pick.randrange(3) else None
                if self.write(node, key, asked, prefer):
                    break
                node = (node + 1) % len(self.nodes)
                time.sleep(0.05)
            else:
                continue
            if not pick.randrange(8):  # it is told again, perhaps by the other one
                self.write(pick.randrange(len(self.nodes)), key, asked)

    def watch(self, pick, _):
        while not self.over.is_set():
            node, wallet = pick.randrange(len(self.nodes)), pick.choice(self.wallets + self.shops)
            kind = pick.randrange(6)
            if kind < 3:
                self.read(node, wallet)
            elif kind < 4:
                self.list(node, wallet, 20)
            elif self.things.holds and kind == 4:
                self.thing(node, f"/v1/holds/{pick.choice(self.things.holds)['id']}")
            elif self.things.withdrawals:
                one = pick.choice(self.things.withdrawals)
                self.thing(node, f"/v1/withdrawals/{one['id']}")
            time.sleep(0.01)


def each_of(key, asked, status, said):
    """Key, what is wanted, status, answer and If-Match of each that is for itself."""
    if asked.keys is None:
        return [(key, asked.wanted, status, said, asked.if_match)]
    results = said["results"] if status in (200, 202) else [said] * len(asked.keys)
    return [(name, [wanted], one["status"] if status in (200, 202) and "code" in one else status,
             one, None) for name, wanted, one in zip(asked.keys, asked.wanted, results)]


def expires_soon(hold):
    """Made to expire, and not for a day."""
    return hold["expires_at"][:10] == hold["created_at"][:10]


def keep(events):
    """Where a history that was found wrong can be looked at."""
    path = os.path.join(florin.folder(), "history")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return path
