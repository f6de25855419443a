#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Patterns over wallets on two shards are those of one server: the same life is played on both,
with the money going from shard to shard, and the findings are compared; also when slots move in the
middle of it, the node that looks is killed, and another one stands by."""

import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CONFIG = {"patterns": {}, "http_threads": 2}
ALL = {"structuring", "circle", "fan-in", "fan-out", "shared-bank", "burst"}
report = Report("shards patterns")


class Life:
    """What thieves do, in two halves; owners have the same names, and so the same slots, wherever
    it is played."""
    def __init__(self, server):
        self.server, self.count, self.wallets = server, 0, {}
        self.client = server.client()

    def post(self, path, **body):
        self.count += 1
        answer = patiently(lambda: self.client.post(path, body, key=f"life-{self.count}"))
        assert answer.status == 201, (path, body, answer)
        return answer.json

    def wallet(self, owner, kind="customer"):
        if owner not in self.wallets:
            self.wallets[owner] = self.post("/v1/wallets", owner=owner, currency="USD",
                                            kind=kind)["id"]
        return self.wallets[owner]

    def deposit(self, owner, amount):
        self.post("/v1/deposits", wallet=self.wallet(owner), amount=amount,
                  bank_transaction_id=f"in-{self.count}")

    def withdraw(self, owner, amount, account):
        self.post("/v1/withdrawals", wallet=self.wallet(owner), amount=amount,
                  bank_transaction_id=f"{account}:{self.count}")

    def send(self, one, two, amount):
        self.post("/v1/transfers", **{"from": self.wallet(one), "to": self.wallet(two),
                                      "amount": amount})

    def buy(self, owner, shop, amount):
        self.post("/v1/purchases", wallet=self.wallet(owner),
                  merchant=self.wallet(shop, "merchant"), amount=amount)

    def first(self):
        for turn in range(2):
            self.deposit("smurf", 950_000 + turn)
        self.deposit("ring-0", 80_000)
        for turn in range(3):
            self.send(f"ring-{turn}", f"ring-{turn + 1}", 80_000 - turn * 1000)
        for turn in range(8):
            self.deposit(f"mule-{turn}", 20_000)
            if turn < 5:
                self.send(f"mule-{turn}", "fence", 20_000)
        self.deposit("boss", 100_000)
        for turn in range(4):
            self.send("boss", f"helper-{turn}", 12_000)
        for turn in range(6):
            self.deposit(f"nest-{turn}", 3_000)
            if turn < 3:
                self.withdraw(f"nest-{turn}", 2_500, "iban-of-nest")
        for turn in range(12):
            self.deposit(f"bot-{turn}", 900)
            if turn < 6:
                self.buy(f"bot-{turn}", "shop", 700)

    def second(self):
        for turn in range(3):
            self.deposit("smurf", 960_000 + turn)
        self.send("ring-3", "ring-0", 76_000)
        for turn in range(5, 8):
            self.send(f"mule-{turn}", "fence", 20_000)
        self.withdraw("fence", 155_000, "iban-of-fence")
        for turn in range(4, 8):
            self.send("boss", f"helper-{turn}", 12_000)
        for turn in range(3, 6):
            self.withdraw(f"nest-{turn}", 2_500, "iban-of-nest")
        for turn in range(6, 12):
            self.buy(f"bot-{turn}", "shop", 700)

    def findings(self):
        """What was found, in words that are the same wherever it was."""
        owner = {wallet: name for name, wallet in self.wallets.items()}
        return sorted((one["rule"], owner[one["wallet"]], one["score"], one["sentence"],
                       len(one["transactions"]))
                      for one in self.client.list("/v1/anomalies?limit=100"))


def metric(client, name):
    found = re.search(rf"^florin_{name} (\d+)$", client.get("/metrics").body.decode(), re.M)
    return int(found[1]) if found else 0


def is_read(server, secret=None):
    """All that is there now was looked at on this node."""
    with server.client(secret) as client:
        first = metric(client, "patterns_turns_total")
        return within(120, lambda: metric(client, "patterns_turns_total") > first + 2 and
                      metric(client, "patterns_position") >= metric(client, "patterns_feed_end"))


def on_one():
    with florin.serving(florin=BINARY, config=CONFIG) as server:
        life = Life(server)
        life.first()
        life.second()
        report.check("one server: all is read", is_read(server))
        found = life.findings()
    report.equal("one server finds each pattern", {one[0] for one in found}, ALL, found)
    return found


def same(name, life, expected):
    found = within(120, lambda: life.findings() if life.findings() == expected else None)
    report.equal(f"{name}: the findings of one server", found or life.findings(), expected)


def free(books, server):
    """As though nobody had looked for some minutes: whoever comes next does not wait."""
    for place in (0, 1):
        books.sql(place, "DELETE FROM cursors WHERE kind = 2", server.data)


def undisturbed(_, books, expected):
    server = florin.Server(florin=BINARY, config=CONFIG).start()
    try:
        life = Life(server)
        life.first()
        life.second()
        places = {shards.slot_of(wallet) // 512 for wallet in life.wallets.values()}
        report.equal("wallets are on both shards", places, {0, 1})
        report.check("all is read", is_read(server))
        same("two shards", life, expected)
        report.equal("nothing in the log", server.trouble(), [])
        rows = [books.sql(place, "SELECT count(*) FROM cursors WHERE kind = 2 AND epoch >= 1",
                          server.data) for place in (0, 1)]
        report.equal("each shard has a place of its own", rows, ["1", "1"])
        report.equal("it ends", server.stop(), 0)
        report.equal("verified", server.verify().returncode, 0)
        free(books, server)
        server.start()
        life.client = server.client()
        report.check("and is read again by the next start", is_read(server))
        same("after a restart", life, expected)
    finally:
        server.discard()


def disturbed(_, books, expected):
    """In the middle of it slots move, and the node that looks is killed."""
    server = florin.Server(florin=BINARY, config=CONFIG).start()
    node = florin.Server(florin=BINARY, config=CONFIG)
    books.books[node.data] = server.data
    try:
        life = Life(server)
        life.first()
        for owner in ("smurf", "ring-0", "fence", "boss", "shop", "bot-1"):
            slot = shards.slot_of(life.wallets[owner])
            said = slots.move(books, server, slot, "ba"[slot // 512])
            report.equal(f"the slot of {owner} moves", said.returncode, 0, said.stderr)
        node.start()
        report.equal("the other node stands by", metric(
            node.client(server.admin_secret), "patterns_turns_total"), 0)
        server.kill()
        free(books, server)
        server.start()
        life.client = server.client()
        life.second()
        same("moved and killed", life, expected)
        read = [one for one in (server, node) if metric(
            one.client(server.admin_secret), "patterns_turns_total") > 0]
        report.check("somebody looks, and has read all", read and all(
            is_read(one, server.admin_secret) for one in read), read)
        report.equal("each once", life.findings(), expected)
        report.equal("nothing in the logs", server.trouble() + node.trouble(), [])
    finally:
        node.discard()
        server.discard()


def main():
    expected = on_one()
    books = shards.Shards(2)
    shards.serve_from(books)
    report.run("undisturbed", undisturbed, books, expected)
    report.run("disturbed", disturbed, books, expected)
    report.finish()


main()
