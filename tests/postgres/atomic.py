# SPDX-License-Identifier: MIT
"""Atomic batches whose operations are at home on several shards: what suites about them share."""

import json
import os
import subprocess

import legs
import shards
from legs import STEPS, WAIT_S, World, kill, patiently, step, stop
from wait import within


def transfer(source, target, amount, **fields):
    return {"type": "transfer", "from": source, "to": target, "amount": amount, **fields}


def shown(world, wallet):
    return world.client.get(f"/v1/wallets/{wallet}").json


def balances(world, *wallets):
    return [shown(world, wallet)["balance"] for wallet in wallets]


def body_of(operations):
    return {"atomic": True, "operations": list(operations)}


def batch(world, *operations, key=None):
    return patiently(lambda: world.client.post("/v1/batches", body_of(operations), key=key))


def ready(report, binary, count, config=None):
    """Shards with a customer, a merchant and somebody who gets the fees on each."""
    world = World(report, binary, count=count, config=config or {"spending_limits": [
        {"kind": "customer", "currency": "USD", "per_day": 1000}]})
    world.shops = [world.open(place, "merchant") for place in range(count)]
    world.fees = [world.open(place, "merchant") for place in range(count)]
    for place in range(count):
        patiently(lambda p=place: world.deposit(world.client, world.wallets[p], f"first-{p}",
                                                100000))
    return world


def killed(world, kind, steps, actions=(kill, stop), words_more=""):
    """That work, with its node killed, and stopped and woken, at each of the steps."""
    for action in actions:
        for words, place, statement, when in steps:
            title = f"{action.__name__} {words}{words_more}, {kind.__name__.lower()}"
            world.report.run(title, step, world, title, place, statement, when, action, kind)


def on_the_third(numbers):
    """Those steps, where one leg is where the other is not yet."""
    return [STEPS[number][:1] + (2,) + STEPS[number][2:] for number in numbers]


def command(world, *words):
    path = os.path.join(world.node.home, "shards.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": world.shards.setting(world.other.data)}, file)
    return subprocess.run([world.binary, "shards", *words, "--config", path], capture_output=True,
                          text=True, check=False, timeout=120)


def move(world, wallet, name):
    said = command(world, "move", str(shards.slot_of(wallet)), "--to", name)
    world.report.equal(f"a slot moves to {name}", said.returncode, 0, said.stderr)


def add_up(_, world):
    flight = within(WAIT_S, lambda: world.client.get("/check-integrity").json["in_flight"] == [])
    world.report.check("nothing is under way", flight)
    full = world.client.get("/check-integrity?depth=full")
    world.report.equal("a full check adds all shards up", full.json["consistent"], True, full)


def ends(world):
    """All adds up, live and cold, and no half is left."""
    report = world.report
    report.run("add up", add_up, world)
    legs.ends(world)
    said = command(world, "reconcile")
    report.equal("no half is left", said.returncode, 0, said.stdout + said.stderr)
