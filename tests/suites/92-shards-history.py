#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients of two nodes over three shards write down all that they ask and are told, of payments,
holds, withdrawals, refunds, batches and changes of wallets, while nodes are killed and stopped at
steps of the two-phase commit, a shard's server crashes and slots move. From what they wrote alone
it is judged that no money was lost or doubled. The judge is judged, too: by faults that are planted
in the history, and by one in the books."""

import os
import random
import signal
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import forgeries  # noqa: E402
import recorded  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from history import judge  # noqa: E402
from legs import STEPS, WAIT_S, World, ends, kill, stop  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
MORE_S = 240
QUEUE = globals().get("queue")  # its configuration, from 98-shards-history.py
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
report = Report("shards history")


class Life:
    """The recorder, and what happens to what it records."""
    def __init__(self, world):
        self.world = world
        world.more = [world.open(place) for place in range(3)]
        world.shops = [world.open(place, "merchant") for place in (0, 1)]
        self.recorder = recorded.Recorder([world.node, world.other], world.secret,
                                          world.wallets + world.more, world.shops, SEED,
                                          queued=QUEUE is not None)
        for number, wallet in enumerate(self.recorder.wallets):
            assert within(WAIT_S, lambda n=number, w=wallet: self.recorder.fill(
                w, f"first-{n}", 200))
        self.recorder.start()

    def more(self, count, name):
        wanted = self.recorder.done + count
        report.check(f"{name}: payments go on",
                     within(MORE_S, lambda: self.recorder.done >= wanted),
                     f"{wanted - self.recorder.done} of {count} are missing")

    def trap(self, number, action):
        """The first node comes to that step and is killed or stopped there."""
        words, place, statement, when = STEPS[number]
        line = self.world.lines[place]
        line.sprung.clear()
        line.over.clear()
        line.trap = (statement, when, lambda: action(self.world))
        report.check(f"{action.__name__} {words}: it came so far", line.wait(WAIT_S))

    def killed(self, number):
        self.trap(number, kill)
        self.more(20, "while a node is away")
        self.world.node.start()

    def stopped(self, number, target):
        """It sleeps while others finish its work, and through a move."""
        self.trap(number, stop)
        self.more(20, "while a node is stopped")
        self.move(self.world.wallets[0], target)
        os.kill(self.world.node.process.pid, signal.SIGCONT)
        self.more(20, "when it is woken")

    def move(self, wallet, target):
        said = slots.move(self.world.shards, self.world.other, shards.slot_of(wallet), target)
        report.equal(f"a slot moves to {target}", said.returncode, 0, said.stdout + said.stderr)

    def all_killed(self):
        for node in (self.world.node, self.world.other):
            node.kill()
        for node in (self.world.node, self.world.other):
            node.start()
        self.more(30, "when all nodes were killed")

    def end(self):
        report.check("clients come to an end", self.recorder.stop())
        report.check("nothing is under way", within(WAIT_S, lambda: self.world.other.client(
            self.world.secret).get("/check-integrity").json["in_flight"] == []))
        self.recorder.look_at_all()


def told_of(events):
    """What such a history consists of, for whoever reads the suite's output."""
    writes = [one for one in events if one["kind"] == "write"]
    known = {one["key"] for one in writes if one["outcome"] == "ok"}
    asked = {one["key"] for one in writes}
    refused = {one["key"] for one in writes if one["outcome"] == "refused"}
    return (f"{len(events)} events, {len(asked)} requests in {len(writes)} attempts: {len(known)} "
            f"done, {len(refused)} refused, {len(asked - known - refused)} unknown for ever, "
            f"{sum(one['outcome'] == 'unknown' for one in writes)} attempts unknown")


def recorded_life(_, world):
    life = Life(world)
    life.more(40, "in peace")
    life.killed(4)
    life.stopped(3, "b")
    world.shards.clusters[2].crash()
    life.more(20, "when a server has crashed")
    life.killed(1)
    life.all_killed()
    life.move(world.wallets[0], "a")
    life.move(world.wallets[1], "a")
    life.more(40, "in the end")
    life.end()
    world.life = life.recorder
    begun = time.monotonic()
    problems = judge(world.life.events)
    print(f"{told_of(world.life.events)}; judged in {time.monotonic() - begun:.1f} s")
    report.equal(f"seed {SEED}: no money is lost or doubled, and nobody was told what cannot be",
                 problems[:20], [], recorded.keep(world.life.events) if problems else "")


def planted(_, world):
    forgeries.all_are_noticed(report, world.life.events)


def planted_in_the_books(_, world):
    """A balance that somebody has changed by hand, seen over HTTP."""
    wallet = world.wallets[2]
    world.shards.sql(2, "UPDATE wallets SET balance = balance + 7 WHERE "
                        f"slot = {shards.slot_of(wallet)}", world.key)
    world.other.start()
    world.life.read(1, wallet)
    problems = judge(world.life.events)
    report.check("planted in the books: it is noticed",
                 any("was seen with" in one for one in problems), problems)
    world.other.kill()


WORLD = World(report, BINARY, count=3, config=QUEUE)
report.run("recorded", recorded_life, WORLD)
ends(WORLD)
report.run("planted", planted, WORLD)
report.run("planted in the books", planted_in_the_books, WORLD)
report.finish()
