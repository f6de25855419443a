#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of shards that somebody else has locked: what came from another shard, and heads of slots
while others move, and while databases become shards. Nobody waits for them but what needs them."""

import os
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from client import Unreachable  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402
from two_shards import TwoShards  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
report = Report("shards locked")


class World(TwoShards):
    def __init__(self):
        super().__init__(report, BINARY, timeout=60.0)
        self.near = [self.open(0) for _ in range(3)]
        self.far = [self.open(1) for _ in range(3)]
        for wallet in self.near + self.far:
            self.deposit(wallet, f"first-{wallet}")


def untaken(world):
    return int(world.sql(1, "SELECT count(*) FROM legs WHERE NOT is_taken AND slot >= 0"))


def leg(_, world):
    """What came for a wallet cannot be taken up while somebody has its row locked: that wallet
    waits, and others of its shard are paid."""
    payer, payee = world.near[0], world.far[0]
    before = world.balance(payee)
    currencies = world.lock(1, "SELECT 1 FROM florin.currencies FOR UPDATE")
    world.pay(payer, payee, 7)  # it is paid, though it may be too early to say so
    report.check("a leg: it has come", within(60, lambda: untaken(world) > 0), untaken(world))
    legs = world.lock(1, "SELECT 1 FROM florin.legs WHERE NOT is_taken FOR UPDATE")
    currencies.end()
    longest, statuses, until = 0.0, set(), time.monotonic() + 6
    count = 0
    while time.monotonic() < until:
        began = time.monotonic()
        statuses.add(world.pay(world.far[1], world.far[2]).status)
        longest = max(longest, time.monotonic() - began)
        count += 1
    report.check("a leg: others of its shard are paid meanwhile",
                 statuses == {201} and longest < 3 and count > 20, (statuses, longest, count))
    print(f"locked: beside a leg {count} payments, the longest {longest:.2f} s", flush=True)
    crossing = patiently(lambda: world.pay(world.near[1], world.far[1], 3))
    report.equal("a leg: and so is what comes behind it for others", crossing.status, 201, crossing)
    report.check("a leg: it is taken up", within(60, lambda: untaken(world) == 1), untaken(world))
    legs.end()
    report.check("a leg: then it is taken up", within(60, lambda: untaken(world) == 0))
    report.equal("a leg: once", world.balance(payee), before + 7)
    report.equal("a leg: and the wallet pays", patiently(
        lambda: world.pay(payee, world.far[1])).status, 201)


def far_behind(world):
    """The first wallet's slot has moved, others have been locked for minutes: a node that begins
    then has the heads of both shards, and takes nothing that came along for what was made there."""
    for place in (0, 1):
        world.sql(place, "UPDATE books SET time_ms = time_ms + 120000")
    for payer, payee in (world.near[1:], world.far[:2], (world.near[0], world.far[1])):
        report.equal("heads: it pays minutes later", patiently(
            lambda p=payer, q=payee: world.pay(p, q)).status, 201)
    behind = [int(world.sql(place, "SELECT (last_record - heads_record) >> 17 FROM books"))
              for place in (0, 1)]
    report.check("heads: rows are far behind", min(behind) > 60000, behind)
    came = int(world.sql(1, f"SELECT count(*) FROM records WHERE came IS NOT NULL AND number > "
                            "(SELECT heads_record FROM books) AND number <= (SELECT last_record "
                            "FROM books)"))
    report.check("heads: what came along is as young", came >= 40, came)
    node = slots.another_node(world.shards, world.server)
    pairs = [(world.near[0], world.far[0]), (world.near[1], world.near[2]),
             (world.far[1], world.near[0]), (world.far[2], world.far[1])] * 10
    with node.client(world.server.admin_secret, timeout=60.0) as client:
        for payer, payee in pairs:
            made = patiently(lambda p=payer, q=payee: client.post(
                "/v1/transfers", {"from": p, "to": q, "amount": 1}))
            report.equal("heads: a new node pays", made.status, 201, made)
    world.verifies("heads, far behind")
    for payer, payee in pairs:
        report.equal("heads: and the other", patiently(
            lambda p=payer, q=payee: world.pay(p, q)).status, 201)
    report.equal("heads: the new node stops", node.stop(), 0, node.log()[-1000:])
    world.verifies("heads, far behind, both nodes")


def begin_move(world, slot):
    """A move in the background, and whether it was told that somebody has locked a row."""
    path = os.path.join(world.server.home, f"waits-{slot}")
    with open(path, "w", encoding="utf-8") as told:
        process = slots.start(world.shards, world.server, "move", str(slot), "--to", "b",
                              stdout=told, stderr=told)

    def is_told():
        with open(path, encoding="utf-8") as file:
            return "somebody has locked the row of the slot" in file.read()
    return process, is_told


def move(_, world):
    """A slot moves while the rows of others are locked, and keeps its head; one whose own row is
    locked stays."""
    for place in (0, 1):
        world.sql(place, "UPDATE books SET heads_lag = 20")
    moved, other = (shards.slot_of(wallet) for wallet in (world.near[0], world.near[1]))
    held = [world.lock(place, "SELECT 1 FROM florin.slots WHERE slot NOT IN "
                              f"({moved}, {(other, -1)[1 - place]}) FOR UPDATE")
            for place in (0, 1)]
    for _ in range(40):
        report.equal("heads: it pays", world.pay(*world.near[:2]).status, 201)
        report.equal("heads: and the other", world.pay(*world.near[1:]).status, 201)
    before = world.balance(world.near[0])
    said = slots.move(world.shards, world.server, moved, "b")
    report.equal("heads: it moves beside rows of others that are locked", said.returncode, 0,
                 said.stdout + said.stderr)
    report.equal("heads: with what it has", world.balance(world.near[0]), before)
    for _ in range(40):
        report.equal("heads: it pays there", patiently(
            lambda: world.pay(world.near[0], world.far[0])).status, 201)
    world.verifies("heads, locked")
    far_behind(world)
    process, is_told = begin_move(world, other)
    report.check("heads: one that is locked itself stays, and it is told why", within(60, is_told))
    report.equal("heads: it pays as ever", patiently(
        lambda: world.pay(*world.near[1:])).status, 201)
    for one in held:
        one.end()
    report.equal("heads: it moves when it is free", process.wait(120), 0)
    said = slots.move(world.shards, world.server, moved, "a")
    report.equal("heads: and the first comes back", said.returncode, 0, said.stdout + said.stderr)
    for _ in range(40):
        report.equal("heads: all pay", {patiently(lambda w=wallet: world.pay(
            w, world.far[2])).status for wallet in world.near}, {201})
    world.verifies("heads, free again")


def move_of_before(_, world):
    """Where nodes of before may serve, no slot moves while the row of another one is locked, and
    everybody is paid; until somebody says that there is no such node."""
    for place in (0, 1):
        world.sql(place, "UPDATE books SET heads_apart = false")
    moved, other = (shards.slot_of(wallet) for wallet in (world.near[0], world.near[2]))
    held = world.lock(0, f"SELECT 1 FROM florin.slots WHERE slot = {other} FOR UPDATE")
    for _ in range(40):
        report.equal("of before: it pays", world.pay(world.near[2], world.near[0]).status, 201)
    process, is_told = begin_move(world, moved)
    report.check("of before: it stays, and it is told why", within(60, is_told))
    report.equal("of before: it pays as ever", patiently(
        lambda: world.pay(world.near[2], world.near[0])).status, 201)
    before = world.balance(world.near[0])
    report.equal("of before: it has not moved", (process.poll(), world.sql(
        0, f"SELECT state FROM slots WHERE slot = {moved}")), (None, "0"))
    for place in (0, 1):
        world.sql(place, "UPDATE books SET heads_apart = true")
    report.equal("of before: then it moves beside the row that is locked", process.wait(120), 0)
    report.equal("of before: with what it has", world.balance(world.near[0]), before)
    held.end()
    for _ in range(40):
        report.equal("of before: all pay", {patiently(lambda w=wallet: world.pay(
            w, world.far[2])).status for wallet in world.near}, {201})
    world.verifies("of before")


class Births:
    """Books of one server that are to become two shards, and rows of slots that are locked."""
    def __init__(self, world):
        self.shards = world.shards
        self.server = florin.Server(florin=BINARY)
        self.clusters = self.shards.clusters
        cluster.serve_from(self.clusters[0])
        try:
            self.server.start()
            with self.server.client() as client:
                made = client.post("/v1/wallets", {"owner": "before", "currency": "EUR"})
                self.wallet = made.json["id"]
            report.equal("birth: it stops in order", self.server.stop(), 0, self.server.log())
        finally:
            shards.serve_from(self.shards)
        self.second = self.clusters[1].database_for(self.server.data)
        said = self.server.command_line("migrate", "--postgres", self.clusters[1].url(self.second))
        assert said.returncode == 0, said

    def lock(self, place, condition):
        one = self.clusters[place]
        return Psql(one, one.database_for(self.server.data),
                    f"SELECT 1 FROM florin.slots WHERE {condition} FOR UPDATE")

    def names(self):
        return [self.shards.sql(place, "SELECT coalesce(shard, '-') FROM books", self.server.data)
                for place in (0, 1)]

    def tells(self, place):
        """What is said while the server waits for a row."""
        return within(60, lambda: f'The shard "{"ab"[place]}" has rows of books or slots that '
                      "somebody has locked" in self.server.log())


def birth(_, world):
    """Whoever makes shards of databases writes rows of slots. He tells that he waits for one that
    somebody has locked, gives up with a sentence and half done nothing, and goes on when it is
    free."""
    it = Births(world)
    own = f"slot = {shards.slot_of(it.wallet)}"
    held = it.lock(0, own)
    began = time.monotonic()
    told = it.server.refused()
    took = time.monotonic() - began
    report.check("birth: it gives up and says why", told is not None and told[0] == 1 and
                 'the shard "a" has rows of books or slots that somebody keeps locked' in told[1]
                 and took < 50, (told, took))
    report.check("birth: it was told once before", told is not None and
                 told[1].count("somebody has locked") == 1, told)
    report.equal("birth: none is a shard", it.names(), ["-", "-"])
    before = len(it.server.log())
    there = it.lock(1, "slot = 1000")
    it.server.launch()
    report.check("birth: it tells that it waits", within(60, lambda: "somebody has locked" in
                                                         it.server.log()[before:]))
    held.end()
    report.check("birth: and of the other likewise", it.tells(1))
    report.equal("birth: the first is one", it.names(), ["a", "-"])
    there.end()
    client = it.server.client()
    report.check("birth: it serves when both are free", within(60, lambda: is_ready(client)))
    report.equal("birth: both are shards", it.names(), ["a", "b"])
    made = patiently(lambda: client.post("/v1/deposits", {
        "wallet": it.wallet, "amount": 5, "bank_transaction_id": "born"}))
    report.equal("birth: it pays", made.status, 201, made)
    report.equal("birth: it stops in order", it.server.stop(), 0, it.server.log()[-2000:])
    said = it.server.verify()
    report.equal("birth: both verify", said.returncode, 0, said.stdout + said.stderr)
    it.server.discard()


def is_ready(client):
    try:
        return client.get("/readyz").status == 200
    except Unreachable:
        return False


WORLD = World()
report.run("leg", leg, WORLD)
report.run("move", move, WORLD)
report.run("move, of before", move_of_before, WORLD)
report.run("birth", birth, WORLD)
WORLD.ends()
report.finish()
