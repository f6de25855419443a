#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Crashes of the server, of PostgreSQL and of its parts, under load, and two nodes at once."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import cluster  # noqa: E402
import faults  # noqa: E402
import florin  # noqa: E402
from kill import kill_under_load  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
FAULTS = [("connections ended", faults.end_connections, 6),
          ("kill -9 of a backend", faults.kill_backend, 2),
          ("kill -9 of the server", faults.kill_server, 2)]

cluster.serve_from(CLUSTER)
report = Report("postgres faults")
print(f"postgres faults: seed {SEED}", flush=True)
report.run("kill -9 of florin", kill_under_load, BINARY, 3, 25, SEED)
report.run("faults", lambda r: faults.FaultKiller(r, BINARY, SEED, CLUSTER).play_faults(FAULTS))
report.run("each step", faults.killed_at_each_step, BINARY, CLUSTER, SEED)
report.run("cut lines", faults.cut_lines, BINARY, CLUSTER, SEED)
# What a lost round still reads must still be there: the address sanitizer sees when it is not.
if os.environ.get("FLORIN_SANITIZED"):
    report.run("cut lines, sanitized", faults.cut_lines, os.environ["FLORIN_SANITIZED"], CLUSTER,
               SEED)
report.run("failing behind COMMIT", faults.failing_behind_commit, BINARY, CLUSTER, SEED)
report.run("archived before it was looked up", faults.archived_before_looked_up, BINARY, CLUSTER,
           SEED)
report.run("killed around COMMIT", faults.killed_around_commit, BINARY, CLUSTER, SEED)
report.run("a stopped node", faults.stopped_node, BINARY, CLUSTER, SEED)
report.run("two nodes", faults.two_nodes, BINARY, CLUSTER, SEED)
report.finish()
