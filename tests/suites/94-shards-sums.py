#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sums over two shards while slots go from one to the other: each has every slot once, or there is
none and it is said which slot is missing; and it is no difference, whatever is killed at any
step."""

import os
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "traffic")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots as slots_lib  # noqa: E402
from play import Clock  # noqa: E402
from proxy import Proxy, bind_of  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from slots import patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
CHECKS = ("/check-integrity", "/check-integrity?depth=full")
SHOWN = ("currency", "wallets", "wallet_balances", "deposits", "withdrawals", "difference")
WAIT_S = 60
report = Report("shards sums")
shards.serve_from(SHARDS)


class World:
    """Wallets with money in slots of both shards."""
    def __init__(self):
        self.server = florin.Server(florin=BINARY).start()
        self.client = self.server.client()
        self.slots = {}  # slot -> wallets
        for number in range(40):
            made = self.client.post("/v1/wallets", {"owner": f"owner-{number // 2}",
                                                    "currency": "EUR"})
            self.slots.setdefault(shards.slot_of(made["id"]), []).append(made["id"])
            paid = patiently(lambda w=made["id"], n=number: self.client.post("/v1/deposits", {
                "wallet": w, "amount": 100 + n, "bank_transaction_id": f"bank-{n}"}))
            assert paid.status == 201, paid
        self.moving = [slot for slot, wallets in sorted(self.slots.items())
                       if 0 < slot < 512 and len(wallets) > 1][:3]
        self.sums = sums(self.client.get(CHECKS[0]))

    def owner(self, slot):
        return "a" if self.sql(0, f"SELECT state FROM slots WHERE slot = {slot}") == "0" else "b"

    def other(self, slot):
        return "b" if self.owner(slot) == "a" else "a"

    def sql(self, place, text):
        return SHARDS.sql(place, text, self.server.data)

    def move(self, slot, target):
        return slots_lib.move(SHARDS, self.server, slot, target)

    def mover(self, slot, target):
        return slots_lib.start(SHARDS, self.server, "move", str(slot), "--to", target, lines=LINES)


def sums(answer):
    return [{key: item[key] for key in SHOWN} for item in answer["currencies"]]


def examined(world, name):
    """All of it is there, and it never was a difference."""
    for path in CHECKS:
        seen = patiently(lambda p=path: world.client.get(p))
        report.equal(f"{name}: {path}", (seen.json.get("consistent"), sums(seen)),
                     (True, world.sums), seen)
    said = world.server.verify()
    report.equal(f"{name}: each shard verifies", said.returncode, 0, said.stdout + said.stderr)
    report.check(f"{name}: it was never a difference", "DIFFER" not in world.server.log(),
                 lambda: world.server.log()[-2000:])


def always(_, world):
    """Whoever asks again and again while slots go there and back."""
    over, seen = threading.Event(), {path: [] for path in CHECKS}

    def look(path):
        with world.server.client() as client:
            while not over.is_set():
                seen[path].append(client.get(path))
    lookers = [threading.Thread(target=look, args=(path, )) for path in CHECKS]
    for looker in lookers:
        looker.start()
    for _ in range(4):
        for slot in world.moving:
            said = world.move(slot, world.other(slot))
            report.equal("always: a slot moves", said.returncode, 0, said.stdout + said.stderr)
    over.set()
    for looker in lookers:
        looker.join()
    for path, answers in seen.items():
        whole = [answer for answer in answers if answer.status == 200]
        report.check(f"always: {path} is answered", whole, answers[-1])
        odd = [answer for answer in whole if sums(answer) != world.sums]
        report.equal(f"always: {path} has each slot once", odd[:2], [],
                     f"{len(odd)} of {len(whole)}, {len(answers) - len(whole)} busy")
    examined(world, "always")


def uncounted(_, world):
    """The mover is killed when one shard has let the slot go and the other has not taken it yet,
    and nobody can finish that: sums would be without the slot, so there are none, and they say
    which slot it is. Once nodes can finish it whoever asks waits for them."""
    slot = world.moving[0]
    target = world.other(slot)
    source, place = (0, 1) if target == "b" else (1, 0)
    came, goes_on = threading.Event(), threading.Event()
    LINES[place].trap = (b"COMMIT PREPARED", "held", lambda: (came.set(), goes_on.wait(300)))
    process = world.mover(slot, target)
    report.check("uncounted: it came so far", came.wait(WAIT_S))
    process.kill()
    process.wait()
    decisions = Psql(SHARDS.clusters[source],
                     SHARDS.clusters[source].database_for(world.server.data),
                     "LOCK TABLE florin.decisions IN EXCLUSIVE MODE")  # nobody decides anything
    for path in CHECKS:
        seen = world.client.get(path)
        report.check(f"uncounted: {path} says which slot is missing",
                     seen.status == 503 and f"lot {slot} " in seen.json["detail"], seen)
    said = [world.server.command_line("verify", "--postgres", cluster.url(
        cluster.database_for(world.server.data))) for cluster in SHARDS.clusters]
    report.equal("uncounted: both shards verify", [one.returncode for one in said], [0, 0], said)
    counts = [int(one.stdout.partition("  slots ")[2].split()[0]) for one in said]
    report.equal("uncounted: and one slot is on neither", sum(counts), 1023, said)
    report.check("uncounted: which was let go", f"slots {slot} to {target}" in said[source].stdout,
                 said[source].stdout)
    decisions.end()
    examined(world, "uncounted")
    goes_on.set()
    report.equal("uncounted: the mover goes on", world.move(slot, target).returncode, 0)
    examined(world, "uncounted and gone")


class Busy:
    """Slots that go to and fro without a pause. What a node behind `line` reads of the records of
    the first shard it gets when two more have gone, or when they wait for it."""
    def __init__(self, world, line):
        self.world, self.line = world, line
        self.over, self.said = threading.Event(), []
        self.thread = threading.Thread(target=self.move)
        self.thread.start()
        self.hold()

    def move(self):
        while not self.over.is_set():
            for slot in self.world.moving:
                self.said.append(self.world.move(slot, self.world.other(slot)))

    def hold(self):
        self.line.trap = (bind_of("FEED"), "held", self.wait)

    def wait(self):
        gone = len(self.said) + 2
        within(WAIT_S, lambda: len(self.said) >= gone or self.is_waited_for() or
               self.over.is_set())
        if not self.over.is_set():
            self.hold()

    @staticmethod
    def is_waited_for():
        return SHARDS.clusters[0].sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                                      "AND objid = 7886723 AND mode = 'ShareLock' AND granted",
                                      "postgres") != "0"

    def stop(self):
        self.over.set()
        self.line.trap = None
        self.thread.join()


def without_a_pause(_, world):
    """However fast slots go to and fro, faster than anybody reads all records, a full check has an
    answer; slots wait for it then, and go on when it is over."""
    node, lines = florin.Server(florin=BINARY), [Proxy(one.socket) for one in SHARDS.clusters]
    SHARDS.books[node.data] = world.server.data
    SHARDS.lines[node.data] = [line.folder for line in lines]
    node.start()
    busy = Busy(world, lines[0])
    with node.client(world.server.admin_secret, timeout=300) as client:
        seen = client.get(CHECKS[1])
    gone = len(busy.said)
    report.check("without a pause: slots go on", within(WAIT_S, lambda: len(busy.said) > gone + 1))
    busy.stop()
    report.equal("without a pause: a full check is answered", (
        seen.status, seen.json.get("consistent")), (200, True), seen)
    report.equal("without a pause: with each slot once", seen.status == 200 and sums(seen),
                 world.sums)
    report.equal("without a pause: all have moved", [one.stderr for one in busy.said
                                                     if one.returncode != 0], [])
    print(f"without a pause: {len(busy.said)} moves, {gone} of them beside the check")
    node.stop()
    examined(world, "without a pause")


def no_longer(_, world):
    """A slot waits for somebody who adds up all books for ten minutes, counted from when it is
    ready to change hands, however long it was copied before; then it moves all the same."""
    slot, clock = world.moving[0], Clock()
    target = world.other(slot)
    checks = Psql(SHARDS.clusters[0], SHARDS.clusters[0].database_for(world.server.data),
                  "SELECT pg_advisory_lock_shared(7886723)")
    there = "ab".index(target)
    LINES[1 - there].trap = (b"pg_snapshot_xmin", "held", lambda: clock.wait(301))
    LINES[there].trap = (b"sum(balance) AS s", "held", lambda: clock.wait(301))
    path = os.path.join(world.server.home, "said")
    with open(path, "w", encoding="utf-8") as said:
        process = slots_lib.start(SHARDS, world.server, "move", str(slot), "--to", target,
                                  lines=LINES, stderr=said, stdout=said,
                                  env={**os.environ, **clock.environment()})

    def told():
        with open(path, encoding="utf-8") as file:
            return file.read()
    report.check("no longer: it waits", within(WAIT_S, lambda: "a check of the books" in told()),
                 told)
    report.equal("no longer: and it was copied for ten minutes", clock.waited, 602 * 10**9)
    for _ in range(2):
        clock.wait(200)
        lines = told().count("a check of the books")
        report.check("no longer: it still waits", within(WAIT_S, lambda: told().count(
            "a check of the books") > lines + 1), told)
    report.equal("no longer: the slot is where it was", (process.poll(), world.other(slot)),
                 (None, target), told())
    clock.wait(300)
    report.equal("no longer: then it moves", (process.wait(240), world.owner(slot)), (0, target),
                 told())
    checks.end()
    examined(world, "no longer")


def waits(_, world):
    """Whoever moves a slot is told what is in the way while he waits, and may give up."""
    slot = world.moving[2]
    target = world.other(slot)
    place = "ab".index(target)
    path = os.path.join(world.server.home, "waits")

    def begin():
        with open(path, "w", encoding="utf-8") as said:
            return slots_lib.start(SHARDS, world.server, "move", str(slot), "--to", target,
                                   stderr=said, stdout=said)

    def told():
        with open(path, encoding="utf-8") as file:
            return file.read()
    for lock, words in (
            ("LOCK TABLE florin.gate IN ROW EXCLUSIVE MODE", "payments between shards are"),
            ("SELECT pg_advisory_xact_lock(7886710)", "somebody keeps the turn")):
        held = Psql(SHARDS.clusters[place], SHARDS.clusters[place].database_for(
            world.server.data), lock)
        process = begin()
        report.check(f"waits: {words}", within(WAIT_S, lambda w=words: (
            f'slot {slot}: on "{target}" {w}' in told())), told)
        process.send_signal(signal.SIGINT)
        report.equal(f"waits: {words}: called off", (process.wait(WAIT_S), world.other(slot)),
                     (1, target), told())
        report.check(f"waits: {words}: the same command goes on",
                     "the same command goes on" in told(), told)
        held.end()
    report.equal("waits: it does", (begin().wait(WAIT_S), world.owner(slot)), (0, target), told())
    examined(world, "waits")


def crashed(_, world, step, place):
    """The server of one of the two crashes there, and the mover does what it can."""
    name, line, pattern, moment, _ = step
    slot = world.moving[1]
    if world.owner(slot) == "b":
        report.equal(f"{name}: it is at home", world.move(slot, "a").returncode, 0)
    LINES[line].sprung.clear()
    LINES[line].over.clear()
    LINES[line].trap = (pattern, moment, SHARDS.clusters[place].crash)
    process = world.mover(slot, "b")
    report.check(f"{name}: it came so far", LINES[line].wait(WAIT_S))
    LINES[line].trap = None
    process.wait(240)
    report.check(f"{name}: nothing stays in doubt", within(WAIT_S, lambda: [
        one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres")
        for one in SHARDS.clusters] == ["0", "0"]))
    owners = [world.sql(at, f"SELECT state FROM slots WHERE slot = {slot}") for at in (0, 1)]
    report.check(f"{name}: exactly one owns the slot", owners in (["0", "1"], ["1", "0"]), owners)
    examined(world, name)
    said = world.move(slot, "b")
    report.equal(f"{name}: the next try goes on", said.returncode, 0, said.stdout + said.stderr)


def slow(_, world):
    """A difference that is gone when one looks again is none, however long the first look took."""
    node = florin.Server(florin=BINARY)
    SHARDS.books[node.data] = world.server.data
    SHARDS.lines[node.data] = [line.folder for line in LINES]
    node.start()
    change = ("UPDATE currencies SET transit = transit + {0}, deposits = deposits - {0} "
              "WHERE code = 'EUR'")
    sprung = []

    def hold(name, amount=0):
        if amount:
            world.sql(1, change.format(amount))
        sprung.append(name)
        time.sleep(2.6)  # each question has three seconds, and the looks five

    def more():
        world.sql(1, change.format(5))
        LINES[0].trap = (b"'p ' || gid", "held", lambda: hold("first", -5))
        LINES[1].trap = (b"'p ' || gid", "held", lambda: hold("second"))

    LINES[1].trap = (b"'t ' || encode(code", "held", more)
    with node.client(world.server.admin_secret, 120.0) as client:
        seen = client.get(CHECKS[0])
    report.equal("slow: it was looked at while it differed", sprung, ["first", "second"])
    report.equal("slow: and is none", (seen.json.get("consistent"), sums(seen)),
                 (True, world.sums), seen)
    report.equal("slow: the node stops in order", node.stop(), 0, node.log()[-2000:])
    node.discard()
    examined(world, "slow")


WORLD = World()
report.run("always", always, WORLD)
report.run("without a pause", without_a_pause, WORLD)
report.run("no longer", no_longer, WORLD)
report.run("waits", waits, WORLD)
report.run("uncounted", uncounted, WORLD)
report.run("uncounted back", uncounted, WORLD)
for STEP in slots_lib.SWITCH_STEPS:
    for PLACE in (0, 1):
        report.run(f"crash of {'ab'[PLACE]} {STEP[0]}", crashed, WORLD, STEP, PLACE)
report.run("slow", slow, WORLD)
report.equal("the server stops in order", WORLD.server.stop(), 0, WORLD.server.log()[-2000:])
report.finish()
