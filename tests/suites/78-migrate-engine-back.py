#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin migrate-engine` out of a database into a folder, and round and round."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "model", "postgres", "rules", "roles",
                                                      "encryption")]

import cluster  # noqa: E402
import florin  # noqa: E402
import moving  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
STEPS = 150


def database():
    return CLUSTER.url(CLUSTER.database_for(str(len(CLUSTER.databases))))


def move(report, when, server, is_still=True):
    """Moves a stopped server's books to the other engine; it serves them there from then on.
    `is_still`: no hold ends meanwhile, which whoever opens the books to hash them would write
    down."""
    hash_before = server.state_hash() if is_still else ""
    old = moving.Server(florin=BINARY, config=server.config, data=server.data)
    old.url = server.url
    place = os.path.join(florin.folder(), "data") if server.url else database()
    target = moving.to_folder(place) if server.url else moving.to_postgres(place)
    done = moving.move(server, target)
    if not report.equal(f"{when}: moves", done.returncode, 0, done.stdout + done.stderr):
        raise AssertionError(when)
    report.check(f"{when}: says the hash", hash_before in done.stdout, done.stdout)
    refused = old.refused()
    report.check(f"{when}: nobody serves the old books", refused is not None and
                 "have moved to" in refused[1], refused)
    if server.url:
        server.new_folder(place)
    else:
        server.new_place(place)
    verified = server.verify()
    report.equal(f"{when}: verify", verified.returncode, 0, verified.stdout + verified.stderr)
    report.check(f"{when}: verify says where they came from", "goes on from" in verified.stdout,
                 verified.stdout)
    if is_still:
        report.equal(f"{when}: the state hash", server.state_hash(), hash_before)


def show(house, watched):
    return {**house.show(), **watched.show()}


def round_trip(report):
    """A whole house goes there, back, there and back again, and lives in between."""
    server = moving.Server(florin=BINARY)
    server.config = moving.everything(server)
    server.start()
    secret = server.admin_secret
    watched = moving.Watched(server, secret)
    house = moving.House(SEED, server)
    house.furnish()
    house.play(STEPS)
    house.replay(report, "before")
    for stage in ("there", "back", "there again", "back again"):
        report.equal("stops", server.stop(), 0)
        house.wake()
        before = show(house, watched)
        last_use = house.last_use("support")
        report.equal("stops", server.stop(), 0)
        move(report, stage, server)
        house.wake()
        report.equal(f"{stage}: an unused key remembers its last use", house.last_use("support"),
                     last_use)
        moving.compare(report, stage, before, show(house, watched))
        house.replay(report, stage)
        if stage != "back again":
            watched.prove(report, stage)
        house.play(40)
    house.decide(report)
    refund_old(report, house)
    report.equal("stops", server.stop(), 0)
    report.check("log", not server.trouble(), server.log()[-2000:])
    verified = server.verify()
    report.equal("verify at the end", verified.returncode, 0, verified.stdout)
    hash_before = server.state_hash()
    os.remove(os.path.join(server.data, "checkpoint"))
    report.equal("the same without the checkpoint", server.state_hash(), hash_before)
    house.wake()
    with house.client() as client:
        books = client.get("/check-integrity?depth=full")
    report.check("and the books are right", books.status == 200 and books["consistent"], books)
    server.stop()


def refund_old(report, house):
    """A purchase that moved four times is still one."""
    with house.client() as client:
        [bought] = [item for item in client.list("/v1/transactions?order=house-order")
                    if item["type"] == "purchase"]
        back = client.post("/v1/refunds", {"purchase": bought["id"], "amount": 200})
        report.equal("a refund of an old purchase", back.status, 201, back)
        too_much = client.post("/v1/refunds", {"purchase": bought["id"], "amount": 401})
        report.equal("but not beyond it", too_much.code, "refund_exceeds_purchase", too_much)
        again = client.post("/v1/deposits", {"wallet": bought["debit"]["account"], "amount": 1,
                                             "bank_transaction_id": "house-in"})
        report.equal("a bank id is still used", again.status, 409, again)


def life(report):
    """The model goes on living on books that came back."""
    world = moving.Life(SEED, BINARY)
    try:
        world.begin()
        world.go_on(STEPS)
        for stage in ("a life there", "a life back"):
            report.equal("stops", world.stop(), 0)
            move(report, stage, world.server, False)
            world.wake()
            world.go_on(STEPS)
        world.let_expire()
        world.compare_everything()
        world.end()
        report.ok()
    except moving.run.Different as error:
        report.fail("a life", world.obituary(error))
    finally:
        world.server.discard()


report = Report("migrate engine back")
print(f"migrate engine back: seed {SEED}", flush=True)
report.run("round trip", round_trip)
report.run("a life goes on", life)
report.finish()
