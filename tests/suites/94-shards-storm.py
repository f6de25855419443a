#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A storm of clients on two nodes and three shards, while slots move and a node is killed and comes
back (tests/postgres/storm.py)."""

import os
import sys
from collections import Counter

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from atomic import command, ends, ready  # noqa: E402
from report import Report  # noqa: E402
from storm import CONFIG, calm_again, no_trouble, storm  # noqa: E402

report = Report("shards storm")


def move_slots(things, is_over, draw):
    names = [chr(ord("a") + place) for place in range(len(WORLD.shards.clusters))]
    moved = Counter()
    while not is_over.wait(1.5):
        wallet = draw.choice(things.customers + things.merchants)
        said = command(WORLD, "move", str(shards.slot_of(wallet)), "--to", draw.choice(names))
        moved[said.returncode] += 1
    report.check("slots have moved", moved[0] > 0, moved)
    return f"moved {dict(moved)}"


WORLD = ready(report, florin.binary(), 3, config=CONFIG)
report.run("storm", lambda _, world: storm(world, move_slots), WORLD)
report.run("calm again", calm_again, WORLD)
ends(WORLD)
no_trouble(WORLD)
report.finish()
