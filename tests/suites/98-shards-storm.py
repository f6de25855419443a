#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A storm of clients on two nodes and three shards with encrypted texts and the queue, while slots
move, a node is killed and comes back, both are stopped and woken, and shards' servers crash and
hang (tests/postgres/storm.py). In the end all events of each wallet can be read, without a gap.
It looks for what nobody has thought of, for as long as somebody has time: STORM_SECONDS."""

import os
import secrets
import signal
import sys
import time
from collections import Counter

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "kafka",
                                                         "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the databases are started: this may begin another python

import florin  # noqa: E402
import shards  # noqa: E402
import shop  # noqa: E402
from atomic import command, ends, ready  # noqa: E402
from report import Report  # noqa: E402
from storm import CONFIG, SEED, calm_again, no_trouble, storm  # noqa: E402
from wait import within  # noqa: E402

WAIT_S = 120
report = Report("shards storm with all")
if "STORM_SECONDS" not in os.environ:
    report.skip("storm", "STORM_SECONDS does not say for how long")
    report.finish()


def move(things, draw):
    names = [chr(ord("a") + place) for place in range(len(WORLD.shards.clusters))]
    wallet = draw.choice(things.customers + things.merchants)
    said = command(WORLD, "move", str(shards.slot_of(wallet)), "--to", draw.choice(names))
    return said.returncode == 0


def crash(_, draw):
    draw.choice(WORLD.shards.clusters).crash()
    return True


def hang(_, draw):
    one = draw.choice(WORLD.shards.clusters)
    one.freeze()
    time.sleep(draw.choice((0.5, 2, 4)))
    one.thaw()
    return True


def sleep(_, draw):
    """A node."""
    process = draw.choice((WORLD.node, WORLD.other)).process
    process.send_signal(signal.SIGSTOP)
    time.sleep(draw.choice((0.3, 1, 4)))
    process.send_signal(signal.SIGCONT)
    return True


def disturb(things, is_over, draw):
    done = Counter()
    while not is_over.wait(1):
        what = draw.choice((move, move, crash, hang, sleep))
        done[what.__name__, what(things, draw)] += 1
    return f"disturbed {dict(done)}"


def no_letters(_, _world):
    """Nothing that a node has put into the queue can be dead."""
    found = []
    if TOPICS["dead_letter_topic"] in KAFKA.topics():
        found = KAFKA.read(TOPICS["dead_letter_topic"])
    report.equal("no letter", [(one.headers, one.value) for one in found[:3]], [])


def events(_, world):
    """Each change of each wallet was told, as it is."""
    wallets = {one["id"]: one for one in world.client.list("/v1/wallets?limit=1000")}
    seen, odd = {}, []  # (wallet, version) -> event

    def told():
        for record in KAFKA.read(TOPICS["events_topic"]):
            event = florin.json.loads(record.value)
            if "sequence" in event:
                before = seen.setdefault((event["subject"], int(event["sequence"])), event)
                if before["data"] != event["data"]:
                    odd.append((before, event))
        return not missing()

    def missing():
        return [(wallet, version) for wallet, one in wallets.items()
                for version in range(1, one["version"] + 1) if (wallet, version) not in seen]
    report.check("all changes of wallets are told", within(WAIT_S, told), lambda: missing()[:10])
    report.equal("each is told as it was", odd[:2], [])
    last = [(seen[wallet, one["version"]], one) for wallet, one in wallets.items()
            if (wallet, one["version"]) in seen]
    report.equal("and the last of them as they are", [
        (event, one) for event, one in last
        if (event["data"]["balance"], event["data"]["held"]) != (one["balance"], one["held"])
    ][:2], [])


os.environ["FLORIN_MASTER_KEY"] = secrets.token_hex(32)  # every server is started with it
KAFKA = broker.Cluster().start()
TOPICS = {"commands_topic": "commands", "events_topic": "events", "dead_letter_topic": "dead",
          "group": "all"}
WORLD = ready(report, florin.binary(), 3, config={
    **CONFIG, **shop.config(KAFKA, session_timeout_ms=3000, **TOPICS)})
WORLD.queued = True
report.run("storm", lambda _, world: storm(world, disturb), WORLD)
report.run("calm again", calm_again, WORLD)
report.run("events", events, WORLD)
report.run("letters", no_letters, WORLD)
ends(WORLD)
no_trouble(WORLD)
report.finish()
