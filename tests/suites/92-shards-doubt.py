#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is decided by two people, on two shards, with the node killed at each step; three shards of
which one is away for a while, and the others pay on; and payments between shards that somebody has
changed by hand, which a full check names."""

import os
import secrets
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
from legs import (STEPS, WAIT_S, Approval, Payment, World, ends, kill, patiently,  # noqa: E402
                  send, step, stop)
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
HELD_S = 4  # how long a shard is away while the others are paid
report = Report("shards doubt")


def fill(world):
    for place, wallet in enumerate(world.wallets):
        for number in range(20):
            made = patiently(lambda w=wallet, b=f"first-{place}-{number}": world.deposit(
                world.client, w, b, 100))
            assert made.status == 201, made


def approvals():
    world = World(report, BINARY, config={"approvals": {"above": {"EUR": 100}}})
    fill(world)
    world.asker = world.client.post("/v1/keys", {"name": "asker", "role": "service"})["secret"]
    for action, which in ((kill, (0, 1, 2, 3, 4, 5)), (stop, (3, 4))):
        for words, place, statement, when in [STEPS[number] for number in which]:
            title = f"{action.__name__} {words}, approval"
            report.run(title, step, world, title, place, statement, when, action, Approval)
    return world


def away(_):
    """One of three shards is away: everything that does not name its wallets is done at once."""
    world = World(report, BINARY, count=3)
    fill(world)
    shop = world.open(1, "merchant")
    kinds = [("/v1/transfers", {"from": world.wallets[source], "to": world.wallets[target],
                                "amount": 1}) for source, target in ((0, 1), (1, 0))]
    kinds += [("/v1/transfers", {"from": world.wallets[0], "to": world.open(0), "amount": 1}),
              ("/v1/purchases", {"wallet": world.wallets[0], "merchant": shop, "amount": 1}),
              ("/v1/holds", {"wallet": world.wallets[0], "merchant": shop, "amount": 1}),
              ("/v1/batches", {"atomic": True, "operations": [
                  {"type": "transfer", "from": world.wallets[0], "to": world.wallets[1],
                   "amount": 1}] * 2})]
    before = sum(world.balance(place) for place in (0, 1, 2))
    world.shards.clusters[2].stop(signal.SIGKILL)
    answers, waited = [], []

    def pay(server, turns):
        name = f"away-{secrets.token_hex(8)}"
        until = time.monotonic() + HELD_S
        with server.client(world.secret) as client:
            while time.monotonic() < until or len(turns) < 2 * len(kinds):
                path, body = kinds[len(turns) % len(kinds)]
                key = f"{name}-{len(turns)}"
                answer = client.post(path, body, key=key)
                # Both nodes want the same two wallets all the time: one may come too late for once.
                if answer.code == "busy":
                    waited.append(answer)
                    answer = patiently(lambda: client.post(path, body, key=key))
                turns.append(answer)

    players = []
    for server in (world.node, world.other):
        turns = []
        answers.append(turns)
        players.append(threading.Thread(target=pay, args=(server, turns)))
        players[-1].start()
    needs = world.client.post("/v1/transfers", {"from": world.wallets[0], "to": world.wallets[2],
                                                "amount": 1}, key="needs-it")
    report.equal("what needs it is busy", needs.code, "busy", needs)
    for player in players:
        player.join(WAIT_S)
    odd = [answer for turns in answers for answer in turns if answer.status not in (200, 201)]
    report.equal("all else is done", odd, [], len(odd))
    report.check("by both nodes", all(len(turns) >= 2 * len(kinds) for turns in answers),
                 [len(turns) for turns in answers])
    report.check("nearly all of it at once", 10 * len(waited) <= sum(map(len, answers)), waited)
    world.shards.clusters[2].start()
    back = patiently(lambda: world.client.post("/v1/transfers", {
        "from": world.wallets[0], "to": world.wallets[2], "amount": 1}, key="needs-it"))
    report.equal("and what needed it, when it is back", back.status, 201, back)
    report.check("nothing is in doubt", world.legs_are_finished(), world.prepared())
    paid = within(WAIT_S, lambda: world.client.get("/check-integrity").json["consistent"])
    report.check("no money is lost or made", paid and before > 0, world.client.get(
        "/check-integrity"))
    ends(world)


LAST = "(SELECT max(number) FROM records WHERE kind = 21)"
FLIP = ("UPDATE records SET bytes = set_byte(bytes, 100, get_byte(bytes, 100) # 1) "
        f"WHERE number = {LAST}")
DAMAGES = [  # what somebody does by hand on the shard of who was paid, and undoes
    ("another amount in its posting", "UPDATE postings SET amount = amount + 1 WHERE record = "
     + LAST, "UPDATE postings SET amount = amount - 1 WHERE record = " + LAST),
    ("a record that was changed", FLIP, FLIP),
    ("a record that is gone",
     f"CREATE TABLE kept AS SELECT * FROM records WHERE number = {LAST}; DELETE FROM records r "
     "USING kept k WHERE r.number = k.number",
     "INSERT INTO records SELECT * FROM kept; DROP TABLE kept"),
]


def names(world, made):
    """Whether a full check names the payment, and who is paid by it."""
    answer = world.client.get("/check-integrity?depth=full").json
    return not answer["consistent"] and made["id"] in answer["message"] and \
        made["credit"]["account"] in answer["message"]


def damaged(_, world):
    made = world.client.post("/v1/transfers", {"from": world.wallets[0], "to": world.wallets[1],
                                               "amount": 7}).json
    for what, damage, repair in DAMAGES:
        world.shards.sql(1, damage, world.key)
        report.check(f"{what}: the payment and its payee are named", within(
            WAIT_S, lambda: names(world, made)),
                     lambda: world.client.get("/check-integrity?depth=full"))
        world.shards.sql(1, repair, world.key)
        report.check(f"{what}: and once it is undone all is well", within(
            WAIT_S, lambda: world.client.get("/check-integrity?depth=full").json["consistent"]),
                     lambda: world.client.get("/check-integrity?depth=full"))


def lost_leg(_, world):
    """It was decided, and somebody rolled its leg back by hand while no node was there."""
    before = world.balance(1)
    both = [world.node, world.other]

    def leave():
        for server in both:
            server.kill()

    world.lines[1].sprung.clear()
    world.lines[1].over.clear()
    world.lines[1].trap = (b"COMMIT PREPARED", "before", leave)
    sent = []
    work = Payment(world)
    send(world, work, sent)
    report.check("it came so far", world.lines[1].wait(WAIT_S))
    cluster = world.shards.clusters[1]
    gid = cluster.sql("SELECT gid FROM pg_prepared_xacts", "postgres")
    cluster.sql(f"ROLLBACK PREPARED '{gid}'", cluster.database_for(world.key))
    for server in both:
        server.start()
    world.client = world.other.client(world.secret)
    made = patiently(lambda: work.send(world.client))
    report.equal("where it was decided it is done", made.status, 201, made)
    report.equal("and has not arrived", world.balance(1), before)
    others = [(world.open(place), world.open(place)) for place in (0, 1)]

    def goes_on():
        """What is named is older than the last round of each shard."""
        for source, target in others:
            world.client.post("/v1/transfers", {"from": source, "to": target, "amount": 1},
                              key=f"{source}-{time.monotonic()}")
        return names(world, made.json)

    report.check("its payment and its payee are named", within(WAIT_S, goes_on),
                 lambda: world.client.get("/check-integrity?depth=full"))
    metrics = within(WAIT_S, lambda: b"florin_legs_missing 1" in world.client.get("/metrics").body)
    report.check("and it is an alarm", metrics)


WORLD = approvals()
report.run("damaged", damaged, WORLD)
report.run("lost leg", lost_leg, WORLD)
for server in (WORLD.node, WORLD.other):
    server.stop()
report.run("away", away)
report.finish()
