#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The primary goes and a standby takes its place, under load, with real servers: nothing that was
acknowledged is lost, and an old primary that comes back is not used."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import failover  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
PAIR = failover.Pair()

report = Report("postgres failover")
print(f"postgres failover: seed {SEED}", flush=True)
report.run("the primary is killed", failover.killed, BINARY, SEED, PAIR)
report.run("the primary is stopped", failover.stopped, BINARY, SEED, PAIR)
report.run("around COMMIT", failover.promoted_around_commit, BINARY, SEED, PAIR)
report.run("a standby without the round", failover.standby_without_the_round, BINARY, SEED, PAIR)
report.run("readers wait", failover.readers_wait_for_the_writer, BINARY, SEED, PAIR)
report.run("without the standby", failover.without_standby, BINARY, SEED, PAIR)
report.run("read-only", failover.read_only, BINARY, SEED, PAIR)
report.finish()
