#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A PostgreSQL that hangs, cancels, locks, falls silent or has no room left, under load."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import outages  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
CLUSTER = cluster.Cluster()

cluster.serve_from(CLUSTER)
report = Report("postgres outages")
print(f"postgres outages: seed {SEED}", flush=True)
report.run("hanging", outages.hanging, BINARY, SEED, CLUSTER)
report.run("silent lines", outages.silent_lines, BINARY, SEED, CLUSTER)
report.run("data full", outages.disk_full, BINARY, SEED, "data")
report.run("pg_wal full", outages.disk_full, BINARY, SEED, "pg_wal")
report.finish()
