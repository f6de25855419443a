#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The schema of shards is brought up to date beside payments between them. A leg in doubt keeps
locks on the tables that it has written, so nothing that needs those for itself gets on before it
is finished, which with the last node gone is for whoever comes next: a node that is started, or
`florin shards prepare`. What is brought up to date here are the indexes of wallets, one of which
is unique before: their exchange waits for everybody who writes wallets."""

import os
import subprocess
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import legs  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
WAIT_S = 300
PARTS = 4
MIGRATIONS = (95, 156)
STEPS = [
    ("its leg is prepared and nothing decided", b"PREPARE TRANSACTION", "after"),
    ("it is decided and its leg not committed", b"COMMIT PREPARED", "before"),
]
report = Report("shards upgrade")


def as_before(world, place):
    """The schema of that shard as it was before the migration."""
    within(WAIT_S, lambda: tries(world, place, "SET lock_timeout = '2s'; BEGIN; LOCK TABLE "
                                 "wallets; ALTER TABLE wallets ADD CONSTRAINT wallets_pkey "
                                 "PRIMARY KEY (slot, number); CREATE INDEX wallets_number ON "
                                 "wallets (number); DROP INDEX wallets_numbered; DELETE FROM "
                                 f"migrations WHERE number IN {MIGRATIONS}; COMMIT"))


def tries(world, place, text):
    try:
        world.shards.sql(place, text, world.key)
        return True
    except RuntimeError:
        return False


def indexes(world, place):
    """Unique indexes of wallets, all of them and their partitions, those by number and slot, and
    how many of the migrations are noted."""
    return world.shards.sql(
        place, "SELECT count(*) FILTER (WHERE x.indisunique) || ' ' || count(*) || ' ' || "
               "count(*) FILTER (WHERE c.relname LIKE 'wallets\\_%numbered' AND x.indisvalid) || "
               "' ' || (SELECT count(*) FROM migrations WHERE number IN "
               f"{MIGRATIONS} AND parts IS NULL) FROM pg_index x JOIN pg_class t ON "
               "t.oid = x.indrelid JOIN pg_class c ON c.oid = x.indexrelid WHERE t.relname LIKE "
               "'wallets%' AND t.relnamespace = 'florin'::regnamespace", world.key)


def is_new(world, name):
    new = f"0 {2 * (PARTS + 1)} {PARTS + 1} {len(MIGRATIONS)}"
    report.equal(f"{name}: both schemas are up to date",
                 [indexes(world, place) for place in (0, 1)], [new] * 2)


def leave_in_doubt(world, name, pattern, moment):
    """The only node dies in the middle of a payment to the second shard, whose schema is old."""
    as_before(world, 0)
    as_before(world, 1)
    report.equal(f"{name}: the schema is as it was before", indexes(world, 1),
                 f"{PARTS + 1} {3 * (PARTS + 1)} 0 0")
    work = legs.Payment(world)
    report.equal(f"{name}: the other node stops", world.other.stop(), 0)
    line, answers = world.lines[1], []
    line.sprung.clear()
    line.over.clear()
    line.trap = (pattern, moment, world.node.kill)
    sender = threading.Thread(target=legs.send, args=(world, work, answers))
    sender.start()
    report.check(f"{name}: it came so far", line.wait(WAIT_S), answers)
    sender.join(WAIT_S)
    report.equal(f"{name}: a leg is in doubt and nobody there", world.prepared(), [0, 1])
    return work


def is_done(world, name, work):
    """Nothing is in doubt, and the payment is done once, on the new schema."""
    world.client = world.other.client(world.secret)
    is_new(world, name)
    report.check(f"{name}: nothing is in doubt", world.legs_are_finished(), world.prepared())
    answer = legs.patiently(lambda: work.send(world.client))
    report.equal(f"{name}: the key tells", answer.status, 201, answer)
    work.check(name)


def started(_, world, name, pattern, moment):
    """A node finishes it and goes on."""
    work = leave_in_doubt(world, name, pattern, moment)
    world.other.start(WAIT_S)
    is_done(world, name, work)
    world.node.start(WAIT_S)


def two_at_once(_, world):
    """Two nodes that come at the same moment."""
    name = "two at once"
    work = leave_in_doubt(world, name, *STEPS[1][1:])
    came = [threading.Thread(target=node.start, args=(WAIT_S,))
            for node in (world.other, world.node)]
    for one in came:
        one.start()
    for one in came:
        one.join(WAIT_S)
    is_done(world, name, work)


def migrate(world, place):
    url = world.shards.setting(world.other.data)[place]["url"]
    return subprocess.Popen([BINARY, "migrate", "--postgres", url], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def waits(world):
    return world.shards.sql(1, "SELECT count(*) FROM pg_locks WHERE NOT granted", world.key) != "0"


def finished_by_prepare(_, world):
    """`florin migrate`, which knows but one of the shards, waits, and `florin shards prepare`
    finishes the leg for it."""
    name = "beside florin migrate"
    work = leave_in_doubt(world, name, *STEPS[1][1:])
    child = migrate(world, 1)
    report.check(f"{name}: it waits", within(WAIT_S, lambda: waits(world)))
    said = world.shards.prepare(BINARY, world.other.data, world.other.home)
    report.equal(f"{name}: florin shards prepare", said.returncode, 0, said)
    text = child.communicate(timeout=WAIT_S)[0]
    report.equal(f"{name}: and so it comes to its end", child.returncode, 0, text)
    world.other.start(WAIT_S)
    is_done(world, name, work)
    world.node.start(WAIT_S)


def alone(_, world):
    """Nobody finishes it: then `florin migrate` says why it cannot."""
    name = "alone"
    work = leave_in_doubt(world, name, *STEPS[1][1:])
    child = migrate(world, 1)
    text = child.communicate(timeout=WAIT_S)[0]
    report.check(f"{name}: refused with what to do", child.returncode == 1 and
                 "florin shards prepare" in text, text)
    world.other.start(WAIT_S)
    is_done(world, name, work)
    world.node.start(WAIT_S)


class Paying:
    """Payments between the shards, in both directions, one after the other."""
    def __init__(self, world, server):
        self.world, self.server = world, server
        self.over, self.odd, self.done = threading.Event(), [], 0
        self.thread = threading.Thread(target=self.pay, daemon=True)
        self.thread.start()

    def pay(self):
        wallets = self.world.wallets
        with self.server.client(self.world.secret, timeout=60.0) as client:
            while not self.over.is_set():
                body = {"from": wallets[self.done % 2], "to": wallets[1 - self.done % 2],
                        "amount": 1}
                key = f"beside-{self.server.port}-{self.done}"
                answer = legs.patiently(lambda b=body, k=key: client.post(
                    "/v1/transfers", b, key=k))
                if answer.status != 201:
                    self.odd.append(answer)
                self.done += 1

    def end(self):
        self.over.set()
        self.thread.join(WAIT_S)


def beside(_, world):
    """A node works with the schema of before while another one brings it up to date."""
    name = "beside"
    report.equal(f"{name}: the other node stops", world.other.stop(), 0)
    before = [world.node.client(world.secret).get(f"/v1/wallets/{wallet}").json["balance"]
              for wallet in world.wallets]
    paying = Paying(world, world.node)
    report.check(f"{name}: payments go on", within(WAIT_S, lambda: paying.done > 10))
    as_before(world, 0)
    as_before(world, 1)
    at = paying.done
    report.check(f"{name}: also with the old schema", within(
        WAIT_S, lambda: paying.done > at + 10))
    world.other.start(WAIT_S)
    world.client = world.other.client(world.secret)
    is_new(world, name)
    at = paying.done
    report.check(f"{name}: and with the new one", within(WAIT_S, lambda: paying.done > at + 10))
    if paying.done % 2 == 1:  # each cent is where it was
        at = paying.done
        within(WAIT_S, lambda: paying.done > at)
    paying.end()
    report.equal(f"{name}: each is answered", paying.odd, [])
    paid = paying.done % 2
    after = [legs.patiently(lambda w=wallet: world.client.get(f"/v1/wallets/{w}")).json["balance"]
             for wallet in world.wallets]
    report.equal(f"{name}: and done once", after, [before[0] - paid, before[1] + paid])


def main():
    world = legs.World(report, BINARY)
    for place, wallet in enumerate(world.wallets):
        made = legs.patiently(lambda w=wallet, b=f"first-{place}": world.deposit(
            world.client, w, b, 10**6))
        assert made.status == 201, made
    world.back = world.open(0)
    for name, pattern, moment in STEPS:
        report.run(name, started, world, name, pattern, moment)
    report.run("two at once", two_at_once, world)
    report.run("beside florin migrate", finished_by_prepare, world)
    report.run("alone", alone, world)
    report.run("beside", beside, world)
    legs.add_up(world)
    legs.ends(world)


main()
report.finish()
