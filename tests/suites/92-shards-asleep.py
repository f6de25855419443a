#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node in the middle of work on two shards falls asleep (SIGSTOP) or is killed, before and behind
each of its steps, from its first look at the other shard to what has arrived there. Its lines stay:
what it was about to say comes when it wakes, and what it was told meanwhile is heard then. Another
node has finished the work by that time, and it is done once. Which kind of work it is at which step
is drawn; ALL=1 takes all of them, SEED draws the same again."""

import os
import random
import signal
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
from legs import (WAIT_S, Capture, Deposit, Payment, Refund, add_up, both_ways,  # noqa: E402
                  ends, kill, patiently, send, stop)
from proxy import bind_of  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
DRAW = random.Random(SEED)
KINDS = (Payment, Deposit, Capture, Refund)
# Of the shard that decides, 0, and of the other one. What has arrived is looked for in every round,
# so there it is the first behind the leg.
STEPS = [
    ("it looks at the other shard", [(1, b"LOCK TABLE gate IN ROW EXCLUSIVE")]),
    ("the leg is prepared", [(1, b"PREPARE TRANSACTION")]),
    ("it is decided", [(0, bind_of("ADD_DECISION"))]),
    ("the leg is committed", [(1, b"COMMIT PREPARED")]),
    ("it is taken up there", [(1, b"COMMIT PREPARED"), (1, bind_of("ARRIVALS"))]),
]
report = Report("shards asleep")


class Trap:
    """At the last of these statements, each behind the one before."""
    def __init__(self, world, patterns, is_behind, action):
        self.world, self.patterns = world, list(patterns)
        self.is_behind, self.action = is_behind, action
        self.came, self.goes_on = threading.Event(), threading.Event()
        self.set_next()

    def set_next(self):
        line, pattern = self.patterns.pop(0)
        self.world.lines[line].trap = (pattern, "held", self.spring)

    def spring(self):
        if self.patterns:
            self.set_next()
            return
        self.action(self.world)
        self.came.set()
        if not self.is_behind:
            self.goes_on.wait(4 * WAIT_S)


def asleep(_, world, name, patterns, is_behind, action, kind):
    work, answers = kind(world), []
    trap = Trap(world, patterns, is_behind, action)
    sender = threading.Thread(target=send, args=(world, work, answers))
    sender.start()
    report.check(f"{name}: it came so far", trap.came.wait(WAIT_S), answers)
    free = patiently(lambda: world.client.post("/v1/wallets", {
        "owner": f"while-{work.key}", "currency": "EUR"}, key=f"while-{work.key}"))
    report.equal(f"{name}: others go on", free.status, 201, free)
    report.check(f"{name}: nothing stays in doubt", world.legs_are_finished(), world.prepared())
    answer = patiently(lambda: work.send(world.client))
    report.equal(f"{name}: another node does it, or tells what was done", answer.status,
                 kind.status, answer)
    if action is stop:
        os.kill(world.node.process.pid, signal.SIGCONT)
    trap.goes_on.set()
    if action is kill:
        world.node.start()
    sender.join(2 * WAIT_S)
    report.check(f"{name}: nor when it is awake", world.legs_are_finished(), world.prepared())
    if answers and answers[0] is not None:
        report.equal(f"{name}: it hears what was done", (answers[0].status, answers[0].json.get(
            "id")), (kind.status, answer.json.get("id")), answers)
    work.check(name)


def cases():
    for words, patterns in STEPS:
        for is_behind in (False, True):
            all_of_them = [(action, kind) for kind in KINDS for action in (stop, kill)]
            drawn = [(stop, DRAW.choice(KINDS))]
            if (words, patterns) in (STEPS[0], STEPS[-1]):  # else 92-shards-legs.py kills it there
                drawn.append((kill, DRAW.choice(KINDS)))
            for action, kind in all_of_them if "ALL" in os.environ else drawn:
                yield (f"{action.__name__} {'behind' if is_behind else 'before'} {words}, "
                       f"{kind.__name__.lower()}", patterns, is_behind, action, kind)


print(f"shards asleep: seed {SEED}", flush=True)
WORLD = both_ways(report, BINARY)
for case in cases():
    report.run(case[0], asleep, WORLD, *case)
add_up(WORLD)
ends(WORLD)
report.finish()
