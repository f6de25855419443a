# SPDX-License-Identifier: MIT
"""Queued commands of books on two shards: nodes and workers that share them, and what must hold of
them whatever happened."""

import florin
import shards
import shop as shops
import slots
from client import Unreachable


class Node(florin.Server):
    """`florin serve`, or `florin work`, of books on shards."""
    word = "serve"

    def command(self):
        words = super().command()
        words[words.index("serve")] = self.word
        return words


class Crew:
    """A shop whose first node is its server, more nodes of the same books, and wallets on both
    shards."""
    def __init__(self, kafka, books, binary, name, **more):
        self.kafka, self.books, self.binary = kafka, books, binary
        self.settings = {"commands_topic": f"commands.{name}", "events_topic": f"events.{name}",
                         "dead_letter_topic": f"dead.{name}", "group": name, "events": False,
                         "session_timeout_ms": 3000, "request_deadline_ms": 20000}
        self.settings.update(more)
        self.nodes = []
        self.shop = shops.Shop(kafka, binary, server=self.node())
        self.secret = self.shop.secret
        self.opened = 0

    @property
    def data(self):
        return self.shop.server.data

    def node(self, word="serve", **more):
        """One more, not started yet."""
        node = Node(self.binary, config=shops.config(self.kafka, **{**self.settings, **more}))
        node.word = word
        if self.nodes:
            self.books.books[node.data] = self.nodes[0].data
        self.nodes.append(node)
        return node

    def open(self, place, kind="customer", money=0):
        """A wallet whose slot is that shard's from the beginning."""
        count = len(self.books.clusters)
        while True:
            self.opened += 1
            wallet = self.shop.open(f"owner-{self.opened}", kind)
            if shards.slot_of(wallet) * count // 1024 == place and shards.slot_of(wallet) != 0:
                break
        if money:
            with self.shop.client() as client:
                put = client.post("/v1/deposits", {"wallet": wallet, "amount": money,
                                                   "bank_transaction_id": f"B-{wallet}"})
                assert put.status == 201, put
        return wallet

    def pay(self, report, acknowledged, payer, payee, node=None):
        """Queues a transfer of 1; a node that has just been started knows no broker yet. Returns
        its operation."""
        name = f"p-{payer[-6:]}-{len(acknowledged[payer])}"
        body = {"from": payer, "to": payee, "amount": 1, "reference": name}
        with (node or self.shop.server).client(self.secret) as client:
            answer = slots.patiently(
                lambda: self.shop.queue(client, "/v1/transfers", body, key=name))
        report.equal("it is queued", answer.status, 202, answer)
        acknowledged[payer].append((name, payer, payee, 1))
        return answer.json.get("id")

    def metric(self, node, name, default=-1):
        return self.shop.metric_or(name, default, node)

    def has(self, node, partitions):
        return lambda: self.metric(node, "worker_partitions") == partitions

    def wait_for(self, condition, what):
        self.shop.wait_for(condition, what=what)

    def move(self, report, wallet, target):
        said = slots.move(self.books, self.shop.server, shards.slot_of(wallet), target)
        report.equal(f"the slot moves to {target}", said.returncode, 0, said.stdout + said.stderr)

    def arrived(self):
        """Waits until what was decided has come to all shards."""
        def nothing_in_flight():
            try:
                with self.shop.client() as client:
                    return client.get("/check-integrity").json.get("in_flight") == []
            except (Unreachable, OSError):
                return False
        self.wait_for(nothing_in_flight, "payments to arrive")

    def places(self, wallet):
        """Where the wallet's commands stand in the log, as each shard says."""
        return [self.books.sql(place, "SELECT next FROM cursors WHERE kind = 1 AND slot = "
                               f"{shards.slot_of(wallet)}", self.data) for place in (0, 1)]

    def end(self, report):
        """Places lie where their slots do, and all records of both shards add up."""
        strange = ("SELECT count(*) FROM cursors WHERE (kind = 1 OR kind BETWEEN 4 AND 11) AND "
                   "slot IN (SELECT slot FROM slots WHERE state <> 0)")
        report.equal("places lie where their slots are",
                     [self.books.sql(place, strange, self.data) for place in (0, 1)], ["0", "0"])
        full = self.shop.client(timeout=120).get("/check-integrity?depth=full")
        report.equal("all records of both add up",
                     (full.json.get("consistent"), full.json.get("in_flight")), (True, []), full)
        for node in reversed(self.nodes):
            if node.process is not None and node.process.poll() is None:
                report.equal("it stops in order", node.stop(timeout=60), 0, node.log()[-2000:])
        verified = self.shop.server.verify()
        report.equal("both shards verify", verified.returncode, 0,
                     verified.stdout + verified.stderr)
