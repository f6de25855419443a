#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of shards that somebody else has locked: what came from another shard, and heads of slots
while others move. Nobody waits for them but what needs them."""

import os
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
report = Report("shards locked")


class World:
    def __init__(self):
        self.shards = shards.Shards(2)
        shards.serve_from(self.shards)
        self.server = florin.Server(florin=BINARY).start()
        self.key = self.server.data
        self.client = self.server.client(timeout=60.0)
        self.count = 0
        self.near = [self.open(0) for _ in range(3)]
        self.far = [self.open(1) for _ in range(3)]
        for wallet in self.near + self.far:
            made = patiently(lambda w=wallet: self.client.post("/v1/deposits", {
                "wallet": w, "amount": 10**6, "bank_transaction_id": f"first-{w}"}, key=w))
            assert made.status == 201, made

    def sql(self, place, text):
        return self.shards.sql(place, text, self.key)

    def lock(self, place, text):
        one = self.shards.clusters[place]
        return Psql(one, one.database_for(self.key), text)

    def open(self, place):
        while True:
            self.count += 1
            made = patiently(lambda: self.client.post("/v1/wallets", {
                "owner": f"owner-{self.count}", "currency": "EUR"}))
            slot = shards.slot_of(made.json["id"])
            if slot != 0 and slot * 2 // 1024 == place:
                return made.json["id"]

    def pay(self, payer, payee, amount=1):
        return self.client.post("/v1/transfers", {"from": payer, "to": payee, "amount": amount})

    def balance(self, wallet):
        return self.client.get(f"/v1/wallets/{wallet}").json["balance"]

    def verifies(self, name):
        said = self.server.verify()
        report.equal(f"{name}: both shards verify", said.returncode, 0, said.stdout + said.stderr)


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
    path = os.path.join(world.server.home, "waits")
    with open(path, "w", encoding="utf-8") as told:
        process = slots.start(world.shards, world.server, "move", str(other), "--to", "b",
                              stdout=told, stderr=told)

    def is_told():
        with open(path, encoding="utf-8") as file:
            return "somebody has locked the row of the slot" in file.read()
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


def ends(world):
    answer = world.client.get("/check-integrity?depth=full")
    report.equal("the books are right", answer.json["consistent"], True, answer)
    report.equal("it stops in order", world.server.stop(), 0, world.server.log()[-2000:])
    world.verifies("in the end")


WORLD = World()
report.run("leg", leg, WORLD)
report.run("move", move, WORLD)
ends(WORLD)
report.finish()
