#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Webhooks of books on two shards, unchanged; and with slots that move, two nodes, and what people
decide about an endpoint that has a place in each shard's feed."""

import json
import os
import runpy
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "webhooks", "postgres", "story")]

import florin  # noqa: E402
import report as reports  # noqa: E402
import shards  # noqa: E402
from receiver import Receiver  # noqa: E402
from wait import within  # noqa: E402

SHARDS = shards.Shards(2)
shards.serve_from(SHARDS)
single = runpy.run_path(os.path.join(HERE, "66-webhooks.py"), run_name="webhooks")
World, endpoint, complete = single["World"], single["endpoint"], single["complete"]


def crowd(world):
    """Customers on both shards who pay each other."""
    wallets = [world.open(f"owner-{number}", "customer") for number in range(6)]
    assert {shards.slot_of(wallet) * 2 // 1024 for wallet in wallets} == {0, 1}
    for wallet in wallets:
        world.deposit(100, wallet)
    return wallets


def pay(world, wallets, turns):
    for turn in range(turns):
        one, two = wallets[turn % 6], wallets[(turn * 5 + 1) % 6]
        if one == two:
            continue
        world.post("/v1/transfers", {"from": one, "to": two, "amount": 1})
        world.touched(one, two)


def between(report):
    """Payments between shards; a receiver that fails now and then; an owner on one of them."""
    one = Receiver(lambda told, number: 500 if number % 7 == 3 else 204)
    some = Receiver()
    world = World(endpoint(one), endpoint(some, "some", owners=["owner-1", "owner-2"]))
    wallets = crowd(world)
    pay(world, wallets, 30)
    complete(report, "between shards", world, one)
    report.equal("each event has an id of its own", len({told.id for told in one.taken}),
                 len(one.taken))
    wanted = {wallet: world.versions[wallet] for wallet in (wallets[1], wallets[2])}
    report.check("two owners are told what is theirs", some.has_all(wanted))
    report.equal("and nothing else", {told.wallet for told in some.taken}, set(wanted))
    world.end(report, one, some)
    verified = world.server.verify()
    report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)


def decided(report):
    """A person's decisions are about all shards."""
    answers = {"status": 500}
    one = Receiver(lambda told, number: answers["status"])
    world = World(endpoint(one))
    wallets = crowd(world)
    report.equal("it is retried", world.wait_for_state("retrying"), True)
    waiting = [world.state()]
    report.equal("paused", world.decide("pause").status, 200)
    report.equal("on both", world.wait_for_state("paused"), True)
    answers["status"] = 204
    report.equal("resumed", world.decide("resume").status, 200)
    complete(report, "resumed", world, one)
    before = len(one.taken)
    report.check("something was waiting", waiting[0]["waiting"] > 0, waiting)
    report.equal("all is told again", world.decide("replay", **{"from": "2020-01-01"}).status, 200)
    report.check("from both shards", within(90, lambda: {
        shards.slot_of(told.wallet) * 2 // 1024 for told in one.taken[before:]} == {0, 1}))
    answers["status"] = 500
    pay(world, wallets, 6)
    report.equal("it is retried once more", world.wait_for_state("retrying"), True)
    oldest = within(90, lambda: world.state().get("oldest_event"))
    report.equal("another event cannot be skipped", world.decide("skip", event="1d").status, 400)
    skipped = within(90, lambda: world.decide(
        "skip", event=world.state().get("oldest_event", oldest)).status == 200)
    report.check("the oldest can, on whichever shard it is", skipped)
    answers["status"] = 204
    report.equal("and the rest is delivered", world.wait_for_state("delivering", seconds=90), True)
    world.end(report, one)


def moved(report):
    """A slot moves while its events are not taken yet."""
    answers = {"status": 204}
    one = Receiver(lambda told, number: answers["status"])
    world = World(endpoint(one))
    wallets = crowd(world)
    pay(world, wallets, 12)
    answers["status"] = 500
    pay(world, wallets, 6)
    slot = next(shards.slot_of(wallet) for wallet in wallets if shards.slot_of(wallet) != 0)
    home = "ab"[slot * 2 // 1024]
    path = os.path.join(world.server.home, "move.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": SHARDS.setting(world.server.data)}, file)
    for target in ("ab".replace(home, ""), home):
        said = subprocess.run([single["BINARY"], "shards", "move", str(slot), "--to", target,
                               "--config", path], capture_output=True, text=True, check=False,
                              timeout=300)
        report.equal("it moves", said.returncode, 0, said.stderr)
        pay(world, wallets, 12)
    answers["status"] = 204
    complete(report, "moved", world, one, repeats=True)
    world.end(report, one)


def two_nodes(report):
    one = Receiver()
    world = World(endpoint(one))
    wallets = crowd(world)
    other = florin.Server(single["BINARY"], config=dict(world.server.config),
                          environment=world.server.environment)
    SHARDS.books[other.data] = world.server.data
    other.start()
    pay(world, wallets, 6)
    complete(report, "two nodes", world, one)
    world.server.kill()
    with other.client(world.key) as client:
        for number in range(6):
            made = client.post("/v1/deposits", {"wallet": wallets[number], "amount": 1,
                                                "bank_transaction_id": f"after-{number}"})
            report.equal("paid", made.status, 201)
            world.touched(wallets[number])
        report.check("the other takes over both feeds", one.has_all(world.versions, 120),
                     lambda: f"{client.get('/v1/webhooks').json}\n{other.log()[-2000:]}")
    report.equal("in order", single["orders_problem"](one, world.versions, True), None)
    report.equal("it stops in order", other.stop(), 0, other.log()[-2000:])
    one.close()


def main():
    report = reports.Report("webhooks on shards")
    chosen = [single[name] for name in ("every_kind", "filters", "gone", "beginning")]
    for function in (*chosen, between, decided, moved, two_nodes):
        if len(sys.argv) < 2 or function.__name__ in sys.argv[1:]:
            report.run(function.__name__, function)
    report.finish()


if __name__ == "__main__":
    main()
