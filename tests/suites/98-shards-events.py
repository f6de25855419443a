#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Events of books on two shards, through a real broker: each shard's feed is told by itself, each
wallet's changes once and in the order of its versions, whoever pays whom, also when nodes are
killed and when slots move, and whatever moves while nothing is told."""

import json
import os
import runpy
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "kafka", "postgres", "story")]

import broker  # noqa: E402
import report as reports  # noqa: E402
from wait import within  # noqa: E402

broker.need_client()  # before the databases are started: this may begin another python
import florin  # noqa: E402  pylint: disable=wrong-import-position
import shards  # noqa: E402  pylint: disable=wrong-import-position

WAIT_S = 120
SHARDS = shards.Shards(2)
shards.serve_from(SHARDS)


def damage_of_engine(server):
    """Somebody changes a balance by hand, wherever that wallet is."""
    for place in (0, 1):
        SHARDS.sql(place, "UPDATE wallets SET balance = balance + 7 WHERE owner = 'ann'::bytea",
                   server.data)


single = runpy.run_path(os.path.join(HERE, "80-kafka-events.py"),
                        {"damage_of_engine": damage_of_engine}, run_name="kafka events")
BINARY, CLUSTER = single["BINARY"], single["CLUSTER"]
events_of, check_dense = single["events_of"], single["check_dense"]


class World(single["World"]):
    """With customers and shops on both shards who pay each other."""
    def __init__(self, topic, settings=None, **more):
        super().__init__(settings, events_topic=topic, **more)
        self.topic = topic
        self.wallets = [self.open(f"owner-{number}", "customer") for number in range(6)]
        self.shops = [self.open(f"shop-{number}", "merchant") for number in range(4)]
        self.turn = 0
        for wallet in self.wallets:
            self.deposit(1000, wallet)

    def place(self, wallet):
        return shards.slot_of(wallet) * 2 // 1024

    def live(self, turns):
        """Something of everything, inside shards and between them."""
        for _ in range(turns):
            self.turn += 1
            one = self.wallets[self.turn % 6]
            two = self.wallets[(self.turn * 5 + 1) % 6]
            shop = self.shops[self.turn % 4]
            if one != two:
                self.post("/v1/transfers", {"from": one, "to": two, "amount": 1})
                self.touched(one, two)
            bought = self.post("/v1/purchases", {"wallet": one, "merchant": shop, "amount": 2})
            self.touched(one, shop)
            if self.turn % 3 == 0:
                self.post("/v1/refunds", {"purchase": bought["id"], "amount": 1})
                self.touched(one, shop)
            if self.turn % 4 == 0:
                held = self.post("/v1/holds", {"wallet": one, "merchant": shop, "amount": 2})
                self.post(f"/v1/holds/{held['id']}/capture", {})
                self.touched(one, one, shop)

    def move(self, slots, target):
        path = os.path.join(self.server.home, "move.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"shards": SHARDS.setting(self.server.data)}, file)
        return subprocess.run([BINARY, "shards", "move", slots, "--to", target, "--config", path],
                              capture_output=True, text=True, check=False, timeout=300)

    def stop(self, report):
        report.equal("it stops in order", self.server.stop(), 0, self.server.log()[-2000:])
        verified = self.server.verify()
        report.equal("both shards verify", verified.returncode, 0,
                     verified.stdout + verified.stderr)


def between_shards(report):
    world = World("florin.between")
    places = {world.place(wallet) for wallet in world.wallets}
    report.equal("there are wallets on both", places, {0, 1})
    world.live(24)
    found = events_of(world.versions, world.topic)
    check_dense(report, "between shards", world.versions, found)
    told = [json.loads(record.value) for records in found.values() for record in records]
    report.equal("each event has an id of its own", len({(event["source"], event["id"])
                                                         for event in told}), len(told))
    sides = {}
    for event in told:
        made = event["data"].get("transaction")
        if made is not None:
            sides.setdefault(made["id"], []).append(made)
    def ends(made):
        return [world.place(made[side]["account"]) for side in ("debit", "credit")
                if made[side]["account"].startswith("wallet_")]

    crossed = [pair for pair in sides.values() if len(set(ends(pair[0]))) == 2]
    report.check("some went between shards", len(crossed) > 5, len(crossed))
    report.equal("each is told by both shards", {len(pair) for pair in crossed}, {2})
    for one, two in crossed:
        report.equal("and both say the same of it", *(
            (made["id"], made["amount"], made["debit"]["account"], made["credit"]["account"])
            for made in (one, two)))
    world.stop(report)


def opened_away(report):
    """Wallets, holds and withdrawals that an atomic batch of another shard opens and ends are told
    once each, and densely with what is done where they lie."""
    world = World("florin.opened-away")

    def batch(*operations):
        made = world.post("/v1/batches", {"atomic": True, "operations": operations})
        return [one.get("id") for one in made["results"]]

    def transfer(source, target):
        world.touched(source, target)
        return {"type": "transfer", "from": source, "to": target, "amount": 1}

    kinds, opened = {}, []
    for place in (0, 1):
        here = next(one for one in world.wallets if world.place(one) == place)
        there = next(one for one in world.wallets if world.place(one) != place)
        for shop in world.shops:
            made = batch(transfer(here, there),
                         *({"type": "hold", "wallet": there, "merchant": shop, "amount": 4}
                           for _ in range(2)),
                         *({"type": "withdrawal", "wallet": there, "amount": 3} for _ in range(2)),
                         *({"type": "wallet", "owner": f"new-{shop}-{place}-{number}",
                            "currency": "EUR"} for number in range(4)))
            world.touched(there, there, there, there)
            opened += made[5:]
            for wallet in made[5:]:
                world.versions[wallet] = 1
            world.deposit(5, there)  # alone, between the two
            batch(transfer(here, there), {"type": "capture", "hold": made[1]},
                  {"type": "void", "hold": made[2]},
                  {"type": "settle", "withdrawal": made[3], "bank_transaction_id": made[3]},
                  {"type": "fail", "withdrawal": made[4]},
                  transfer(here, made[5]))
            world.touched(there, shop, there, there, there)
            kinds.setdefault(there, []).extend([
                "transaction.transfer", "hold.opened", "hold.opened", "withdrawal.requested",
                "withdrawal.requested", "transaction.deposit", "transaction.transfer",
                "transaction.purchase", "hold.voided", "transaction.withdrawal",
                "withdrawal.failed"])
    report.equal("wallets were opened on both", {world.place(one) for one in opened}, {0, 1})
    found = events_of(world.versions, world.topic)
    check_dense(report, "opened away", world.versions, found)
    told = {wallet: [json.loads(record.value) for record in records]
            for wallet, records in found.items()}
    for wallet, wanted in kinds.items():
        seen = [event["type"].removeprefix("florin.") for event in told[wallet]]
        report.check("what happened there is told in order, each once", any(
            seen[at:at + len(wanted)] == wanted for at in range(len(seen))), seen)
    report.equal("openings are told as such", {told[wallet][0]["type"] for wallet in opened},
                 {"florin.wallet.opened"})
    report.equal("each event has an id of its own", len({
        (event["source"], event["id"]) for events in told.values() for event in events}),
                 sum(len(events) for events in told.values()))
    world.stop(report)


def encrypted(report):
    """Texts of payments between shards are told by both, though they lie on one of them; feeds go
    on where those that they tell were destroyed."""
    path = os.path.join(florin.folder(), "master.key")
    with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
              ) as file:
        file.write("5a" * 32)
    world = World("florin.shards-encrypted", {"encryption": {"master_key_file": path}})
    pairs = [(one, two) for one in world.wallets for two in world.wallets
             if world.place(one) != world.place(two)][:8]

    def send(words):
        for number, (one, two) in enumerate(pairs):
            world.post("/v1/transfers", {"from": one, "to": two, "amount": 1, "reference":
                                         f"{words} {number}", "metadata": {"note": words}})
            world.touched(one, two)

    send("told")
    found = events_of(world.versions, world.topic)
    check_dense(report, "encrypted", world.versions, found)
    CLUSTER.brokers[0].kill()
    send("late")
    gone = pairs[0][0]
    with world.server.client(world.key) as client:
        owner = client.get(f"/v1/wallets/{gone}")["owner"]
        report.equal("destroyed", client.delete(f"/v1/owners/{owner}/data").get("had_key"), True)
    CLUSTER.brokers[0].launch()
    CLUSTER.brokers[0].wait()
    found = events_of(world.versions, world.topic)
    check_dense(report, "encrypted, late", world.versions, found, repeats=True)
    told = {}
    for wallet, records in found.items():
        for record in records:
            made = json.loads(record.value)["data"].get("transaction") or {}
            said = (made.get("reference"), (made.get("metadata") or {}).get("note"))
            if made.get("type") != "transfer":
                continue
            sides = told.setdefault(made["id"], {})
            if sides.get(wallet, (None, None))[0] is None:  # else it is told again
                sides[wallet] = said
    both = [list(sides.values()) for sides in told.values() if len(sides) == 2]
    hers = {f"late {number}" for number, pair in enumerate(pairs) if pair[0] == gone}
    # What was on its way to the broker when his key was destroyed may be told, by one or both.
    both = [(one, two) for one, two in both if not hers & {one[0], two[0]}]
    report.equal("both say the same", [two for one, two in both if one != two], [])
    report.equal("all that were not destroyed", {one[0] for one, _ in both if one[0]}, {
        f"{when} {number}" for when in ("told", "late") for number in range(len(pairs))} - hers)
    world.stop(report)


def killed(report):
    """kill -9 in the middle, again and again, with another node that takes over."""
    world = World("florin.shards-killed")
    other = florin.Server(BINARY, config=dict(world.server.config))
    SHARDS.books[other.data] = world.server.data
    for _ in range(2):
        world.live(12)
        world.server.kill()
        world.server.start()
    world.live(6)
    world.server.kill()
    other.start()
    world.server, kept = other, world.server
    world.live(6)
    check_dense(report, "killed", world.versions, events_of(world.versions, world.topic,
                                                            WAIT_S), repeats=True)
    report.equal("it stops in order", other.stop(), 0, other.log()[-2000:])
    world.server = kept
    verified = kept.verify()
    report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)


def moved(report):
    """Slots move there and back under payments: nobody's versions are told out of order."""
    world = World("florin.shards-moved")
    slot = str(shards.slot_of(world.wallets[0]))
    if slot == "0":
        slot = str(shards.slot_of(world.wallets[1]))
    home = "ab"[int(slot) * 2 // 1024]
    away = "ab".replace(home, "")
    said = []

    def move():
        for turn in range(4):
            said.append(world.move(slot, away if turn % 2 == 0 else home))

    mover = threading.Thread(target=move)
    mover.start()
    while mover.is_alive():
        world.live(2)
    mover.join()
    report.equal("it moves", [one.returncode for one in said], [0] * 4,
                 [one.stderr for one in said])
    # And while nothing is told at all.
    CLUSTER.brokers[0].kill()
    world.live(4)
    report.equal("it moves once more", world.move(slot, away).returncode, 0)
    world.live(8)
    CLUSTER.brokers[0].launch()
    CLUSTER.brokers[0].wait()
    check_dense(report, "moved", world.versions, events_of(world.versions, world.topic, WAIT_S),
                repeats=True)
    report.check("what came along is told by nobody a second time", within(
        WAIT_S, lambda: single["metric"](world.server.client(world.key), "events_publishing") == 1))
    world.stop(report)


def main():
    report = reports.Report("shards events")
    for step in (single["every_kind"], single["findings"], between_shards, opened_away,
                 encrypted, killed, moved):
        if len(sys.argv) < 2 or step.__name__ in sys.argv[1:]:
            report.run(step.__name__.replace("_", " "), step)
    report.finish()


main()
