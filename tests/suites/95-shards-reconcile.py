#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shards whose servers fail: one that is restored to an earlier time is found out before it serves,
and a shard that a promotion would lose payments on is named."""

import json
import os
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
report = Report("shards reconcile")


class World:
    def __init__(self):
        self.server = florin.Server(florin=BINARY).start()
        self.client = self.server.client()
        self.key = self.server.data
        self.count = 0
        self.wallets = [self.open(0), self.open(1)]
        self.shops = [self.open(0, "merchant"), self.open(1, "merchant")]
        for wallet in self.wallets:
            for _ in range(8):
                self.deposit(wallet)

    def open(self, place, kind="customer"):
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}", "kind": kind,
                                                    "currency": "EUR"}).json["id"]
            if shards.slot_of(made) * 2 // 1024 == place:
                return made

    def deposit(self, wallet):
        self.count += 1
        made = self.client.post("/v1/deposits", {
            "wallet": wallet, "amount": 100, "bank_transaction_id": f"bank-{self.count}"})
        assert made.status == 201, made
        return made.json["id"]

    def pay(self, place):
        made = self.client.post("/v1/transfers", {
            "from": self.wallets[place], "to": self.wallets[1 - place], "amount": 7})
        assert made.status == 201, made
        return made.json["id"]


def command(world, *words):
    """`florin shards`."""
    path = os.path.join(world.server.home, "shards.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": SHARDS.setting(world.key)}, file)
    return subprocess.run([BINARY, "shards", *words, "--config", path], capture_output=True,
                          text=True, check=False, timeout=120)


def backup(world, place):
    """The whole database of a shard as it is, for later."""
    one = SHARDS.clusters[place]
    name = one.database_for(world.key)
    one.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            "postgres")
    one.sql(f"CREATE DATABASE {name}_kept TEMPLATE {name}", "postgres")


def restore(world, place):
    one = SHARDS.clusters[place]
    name = one.database_for(world.key)
    one.sql(f"ALTER DATABASE {name} RENAME TO {name}_newest_{place}", "postgres")
    one.sql(f"CREATE DATABASE {name} TEMPLATE {name}_kept", "postgres")


def put_back(world, place):
    one = SHARDS.clusters[place]
    name = one.database_for(world.key)
    one.sql(f"DROP DATABASE {name}", "postgres")
    one.sql(f"ALTER DATABASE {name}_newest_{place} RENAME TO {name}", "postgres")


def whole(_, world):
    bought = world.client.post("/v1/purchases", {"wallet": world.wallets[0],
                                                 "merchant": world.shops[1], "amount": 9})
    refund = world.client.post("/v1/refunds", {"purchase": bought.json["id"], "amount": 2})
    report.equal("a refund between shards", refund.status, 201, refund)
    for place in (0, 1):
        world.pay(place)
    said = command(world, "reconcile")
    report.equal("whole shards are whole", (said.returncode, "each is whole" in said.stdout),
                 (0, True), said.stdout + said.stderr)


def moved(_, world):
    slot = shards.slot_of(world.wallets[0])
    said = command(world, "move", str(slot), "--to", "b")
    report.equal("a slot moves", said.returncode, 0, said.stderr)
    world.deposit(world.wallets[0])
    said = command(world, "reconcile")
    report.equal("and all is whole", said.returncode, 0, said.stdout + said.stderr)
    said = command(world, "move", str(slot), "--to", "a")
    report.equal("and comes back", said.returncode, 0, said.stderr)


def restored(_, world):
    """Each shard alone goes back to before the last payments between them."""
    world.server.stop()
    for place in (0, 1):
        backup(world, place)
    world.server.start()
    world.client = world.server.client()
    lost = {place: world.pay(place) for place in (0, 1)}
    banked = [world.deposit(world.wallets[place]) for place in (0, 1) for _ in range(24)]
    report.check("payments of both are there", lost and banked)
    world.server.stop()
    # What is younger than ten seconds may be on its way: seen from later it is not.
    for place in (0, 1):
        restore(world, place)
        said = within_reach(world, lost)
        report.equal(f"shard {place} restored: halves are found", said.returncode, 1,
                     said.stdout + said.stderr)
        for name, made in lost.items():
            report.check(f"shard {place} restored: the payment of shard {name} is named",
                         made in said.stdout, said.stdout)
        report.check("and bank ids that only one shard has", "bank's id" in said.stdout,
                     said.stdout)
        put_back(world, place)
    said = command(world, "reconcile")
    report.equal("with the newest again all is whole", said.returncode, 0, said.stdout)


def set_back(_, world):
    """A server that was lost comes back from a copy and its log up to a time, on a timeline of
    its own: the payments between shards since are named before it serves. So with each of both."""
    for place, one in enumerate(list(SHARDS.clusters)):
        world.server.start()
        world.client = world.server.client()
        world.pay(place)
        earlier = cluster.Cluster(source=one)
        until = one.sql("SELECT pg_current_wal_flush_lsn()", "postgres")
        report.check(f"shard {place} set back: its copy has that", within(60, lambda e=earlier, u=(
            until): e.sql(f"SELECT pg_last_wal_replay_lsn() >= '{u}'", "postgres") == "t"))
        earlier.stop()
        lost = {number: world.pay(number) for number in (0, 1)}
        for number in range(24):
            world.deposit(world.wallets[number % 2])
        world.server.stop()
        one.stop()
        earlier.start()
        earlier.promote()
        SHARDS.clusters[place] = earlier
        report.equal(f"shard {place} set back: it is on another timeline", earlier.sql(
            "CHECKPOINT; SELECT timeline_id FROM pg_control_checkpoint()", "postgres"), "2")
        said = within_reach(world, lost)
        report.equal(f"shard {place} set back: halves are found and named", (
            said.returncode, [made in said.stdout for made in lost.values()]), (1, [True, True]),
            said.stdout + said.stderr)
        earlier.stop()
        SHARDS.clusters[place] = one
        one.start()
        said = command(world, "reconcile")
        report.equal(f"shard {place} set back: with the newest again all is whole",
                     said.returncode, 0, said.stdout + said.stderr)


def within_reach(world, lost):
    """Until the payments, and the deposits after them, are old enough to be missed."""
    def missed():
        said = command(world, "reconcile")
        return said if all(one in said.stdout for one in (*lost.values(), "bank's id")) else None
    return within(60, missed) or command(world, "reconcile")


def alike(_, world):
    """Names of shards that begin alike are told apart."""
    gid = SHARDS.sql(0, "SELECT format('florin:%s:a:alike', encode(id, 'hex')) FROM books",
                     world.key)
    for legs, missed in (("b-2", False), ("b-2,b", True), ("2-b,b-2,b", True), ("2b", False)):
        SHARDS.sql(0, f"INSERT INTO decisions VALUES ('{gid}', true, '{legs}', 0)", world.key)
        said = command(world, "reconcile")
        SHARDS.sql(0, f"DELETE FROM decisions WHERE gid = '{gid}'", world.key)
        report.equal(f"alike: of {legs}", ('"b" has no leg of it' in said.stdout, said.returncode),
                     (missed, int(missed)), said.stdout + said.stderr)


def away(_, world):
    SHARDS.clusters[1].stop()
    said = command(world, "reconcile")
    report.equal("a shard that is away is said", (said.returncode, '"b"' in said.stderr),
                 (2, True), said.stderr)
    SHARDS.clusters[1].start()


def few(_, world):
    """Legs that no place is left for are refused: whoever starts hears it before."""
    one = SHARDS.clusters[1]
    one.setting("max_prepared_transactions", "12")
    one.crash()
    said = command(world, "prepare")
    report.check("few prepared transactions are told, and of which shard",
                 said.stderr.count("has max_prepared_transactions = 12") == 1 and
                 'The shard "b" has max' in said.stderr, said.stderr)
    one.setting("max_prepared_transactions", "64")
    one.crash()
    said = command(world, "prepare")
    report.check("enough are not", "max_prepared_transactions" not in said.stderr, said.stderr)


def standbys(_, world):
    said = command(world)
    report.equal("shards without a synchronous standby are named",
                 said.stderr.count("no synchronous standby"), 2, said.stderr)
    world.server.start()
    world.client = world.server.client()
    report.equal("at each start, too", world.server.log().count("no synchronous standby") >= 2,
                 True, world.server.log()[-2000:])
    metrics = world.client.get("/metrics").body.decode()
    report.check("and in the metrics", "florin_shards_unsafe 2" in metrics)
    world.server.stop()
    one = SHARDS.clusters[0]
    standby = cluster.Cluster(source=one)
    try:
        one.setting("synchronous_standby_names", "*")
        said = command(world)
        report.equal("one with a standby is not", said.stderr.count("no synchronous standby"), 1,
                     said.stderr)
        one.setting("synchronous_standby_names", "")
        # The primary may do more than its standby can follow from now on.
        wanted = []
        for name, value in (("max_prepared_transactions", 80), ("max_connections", 210),
                            ("max_locks_per_transaction", 80)):
            wanted.append(f"{name} = {one.sql('SHOW ' + name, 'postgres')}, its primary {value}:")
            one.setting(name, value)
        one.crash()
        one.beside = [standby]
        said = command(world)
        report.equal("a standby that cannot follow is named, with each of its reasons",
                     [text in said.stderr for text in wanted], [True] * 3, said.stderr)
        world.server.start()
        report.equal("at each start, too", [text in world.server.log() for text in wanted],
                     [True] * 3, world.server.log()[-2000:])
        world.server.stop()
    finally:
        one.beside = []
        standby.stop()


shards.serve_from(SHARDS)
WORLD = World()
report.run("whole", whole, WORLD)
report.run("moved", moved, WORLD)
report.run("restored", restored, WORLD)
report.run("set back", set_back, WORLD)
report.run("alike", alike, WORLD)
report.run("away", away, WORLD)
report.run("few", few, WORLD)
report.run("standbys", standbys, WORLD)
report.finish()
