#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin shards move` is killed at each of its steps: each message that it sends to either of both
servers is one, and it dies before the message gets through, or behind it and before anybody hears
of it. Or it falls asleep there (SIGSTOP), nodes finish what they find meanwhile, and it wakes and
goes on with what it was about to say, or hears what was said. Each time exactly one shard owns the
slot, and serves it, nothing stays in doubt, and the next try completes the move with every cent.
Some of the steps are drawn; ALL=1 takes every one, ALL=100-140 those, ASLEEP=1 has it sleep at all
of them, SEED draws the same again."""

import os
import random
import signal
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots as slots_lib  # noqa: E402
from proxy import Proxy  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
DRAW = random.Random(SEED)
DRAWN = 14  # steps, in CI
SLEEPS = 0.3  # so many of them are slept at
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
WAIT_S = 60
report = Report("shards steps")
shards.serve_from(SHARDS)


class Killer:
    """Of a mover, at that message of it, whichever server it is for. None: it only counts. With
    `sleeps` it is stopped there, and `meanwhile` is called before it goes on."""
    def __init__(self, number=None, is_behind=False, sleeps=False, meanwhile=None):
        self.number, self.is_behind = number, is_behind
        self.sleeps, self.meanwhile, self.wakes = sleeps, meanwhile, threading.Event()
        self.guard, self.count, self.process = threading.Lock(), 0, None
        self.is_known, self.died = threading.Event(), threading.Event()
        for line in LINES:
            line.watcher = self.look

    def look(self, _, get_through):
        with self.guard:
            self.count += 1
            if self.count != self.number:
                return self.died.is_set() and not self.sleeps
        if self.sleeps:
            self.sleep()
            return False
        if self.is_behind:
            get_through()
        self.is_known.wait(WAIT_S)
        self.process.kill()
        self.died.set()
        return True

    def sleep(self):
        self.is_known.wait(WAIT_S)
        self.process.send_signal(signal.SIGSTOP)
        self.died.set()
        if not self.is_behind:
            self.wakes.wait(4 * WAIT_S)

    def move(self, world, slot, target):
        self.process = slots_lib.start(SHARDS, world.server, "move", str(slot), "--to", target,
                                       lines=LINES)
        self.is_known.set()
        if self.sleeps:
            within(WAIT_S, lambda: self.died.is_set() or self.process.poll() is not None)
            self.meanwhile()
            self.process.send_signal(signal.SIGCONT)
            self.wakes.set()
        code = self.process.wait(240)
        for line in LINES:
            line.watcher = None
        return code


class World:
    def __init__(self):
        self.server = florin.Server(florin=BINARY, config={
            "approvals": {"above": {"EUR": 300}}}).start()
        self.client = self.server.client()
        self.count = 0
        asker = self.client.post("/v1/keys", {"name": "asker", "role": "service"})
        self.asker = self.server.client(asker["secret"])
        self.here, self.shop = self.open("a"), self.open("b", "merchant")
        self.paid(self.here, 300)
        self.fresh()

    def open(self, shard, kind="customer", owner=None, currency="EUR"):
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {
                "owner": owner or f"owner-{self.count}", "currency": currency, "kind": kind})
            assert made.status == 201, made
            slot = shards.slot_of(made.json["id"])
            if owner or (slot != 0 and self.owners(slot) == [0 if shard == "a" else 1]):
                return made.json["id"]

    def owners(self, slot):
        return slots_lib.owners(SHARDS, self.server.data, slot)

    def paid(self, wallet, amount):
        self.count += 1
        made = patiently(lambda: self.client.post("/v1/deposits", {
            "wallet": wallet, "amount": amount, "bank_transaction_id": f"bank-{self.count}"}))
        assert made.status == 201, made

    def fresh(self):
        """A slot of the first shard that has never been elsewhere, with some of everything."""
        one = self.open("a")
        owner = self.client.get(f"/v1/wallets/{one}")["owner"]
        self.wallets = [one, self.open("a", owner=owner, currency="USD"),
                        self.open("a", owner=owner)]
        self.slot = shards.slot_of(one)
        for wallet in self.wallets:
            self.paid(wallet, 300)
            self.paid(wallet, 300)
        slots_lib.operations(self.client, self.here, one, self.shop)
        for path, body in (
                ("/v1/transfers", {"from": one, "to": self.here, "amount": 301}),
                ("/v1/transfers", {"from": one, "to": self.shop, "amount": 1}),
                ("/v1/batches", {"atomic": True, "operations": [
                    {"type": "purchase", "wallet": wallet, "merchant": self.shop, "amount": 2}
                    for wallet in (one, self.here)]})):
            made = patiently(lambda p=path, b=body: self.asker.post(p, b))
            assert made.status in (200, 201, 202), made
        bought = self.client.post("/v1/purchases", {"wallet": one, "merchant": self.shop,
                                                    "amount": 5})
        patiently(lambda: self.client.post("/v1/refunds", {"purchase": bought["id"], "amount": 2}))

    def seen(self):
        """All that there is of the slot."""
        found = {}
        for wallet in self.wallets:
            for path in ("", "/transactions?limit=1000"):
                found[wallet + path] = patiently(lambda p=f"/v1/wallets/{wallet}{path}":
                                                 self.client.get(p)).json
            for kind in ("holds", "withdrawals", "approvals"):
                found[wallet + kind] = self.client.list(f"/v1/{kind}?wallet={wallet}&limit=1000")
        return found


def examined(world, name):
    full = patiently(lambda: world.client.get("/check-integrity?depth=full"))
    report.equal(f"{name}: the books are right", full.json.get("consistent"), True, full)
    said = world.server.verify()
    report.equal(f"{name}: each shard verifies", said.returncode, 0, said.stdout + said.stderr)


def is_settled():
    return [one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres")
            for one in SHARDS.clusters] == ["0", "0"]


def served(world, name):
    one, _, three = world.wallets
    made = patiently(lambda: world.client.post("/v1/transfers", {
        "from": three, "to": one, "amount": 1}))
    report.equal(f"{name}: it is served", made.status, 201, made)


def killed(_, world, number, is_behind, sleeps):
    """Whether it came so far; else the move was over before."""
    name = f"{'asleep' if sleeps else 'killed'} {'behind' if is_behind else 'before'} {number}"
    before = world.seen()

    def meanwhile():
        report.check(f"{name}: nothing stays in doubt while it sleeps", within(WAIT_S, is_settled))
        served(world, f"{name}, while it sleeps")
        before.update(world.seen())
    killer = Killer(number, is_behind, sleeps, meanwhile)
    code = killer.move(world, world.slot, "b")
    report.check(f"{name}: nothing stays in doubt", within(WAIT_S, is_settled))
    owners = world.owners(world.slot)
    report.check(f"{name}: exactly one owns the slot", owners in ([0], [1]), owners)
    report.equal(f"{name}: nothing is lost", world.seen(), before)
    served(world, name)
    between = world.seen()
    said = slots_lib.move(SHARDS, world.server, world.slot, "b")
    report.equal(f"{name}: the next try completes it", (said.returncode, world.owners(world.slot)),
                 (0, [1]), said.stdout + said.stderr)
    report.equal(f"{name}: with everything", world.seen(), between)
    return killer.died.is_set() or code != 0


def each(_, world, numbers, name):
    came = 0
    for place, number in enumerate(numbers):
        if number % 2 == 0:  # else what it has of before on the other shard is taken again
            world.fresh()
        elif world.owners(world.slot) == [1]:
            said = slots_lib.move(SHARDS, world.server, world.slot, "a")
            report.equal("it is at home", said.returncode, 0, said.stderr)
        sleeps = "ASLEEP" in os.environ or DRAW.random() < SLEEPS
        came += bool(killed(None, world, number, DRAW.random() < 0.5, sleeps))
        if place % 10 == 9:
            examined(world, f"{name}, {number}")
    report.check(f"{name}: most came so far", came >= len(numbers) * 2 // 3, came)
    print(f"shards steps: {came} of {len(numbers)} times it was killed or slept", flush=True)


def drawn(steps):
    wanted = os.environ.get("ALL")
    if wanted is None:
        return sorted(DRAW.sample(range(1, steps + 1), DRAWN))
    first, _, last = wanted.partition("-")
    return list(range(int(first), (int(last) if last else steps) + 1))


print(f"shards steps: seed {SEED}", flush=True)
WORLD = World()
COUNTER = Killer()
report.equal("a move", COUNTER.move(WORLD, WORLD.slot, "b"), 0)
print(f"shards steps: a move has {COUNTER.count} of them", flush=True)
report.run("each", each, WORLD, drawn(COUNTER.count), "each")
examined(WORLD, "in the end")
report.equal("the server stops in order", WORLD.server.stop(), 0, WORLD.server.log()[-2000:])
report.finish()
