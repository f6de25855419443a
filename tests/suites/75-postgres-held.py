#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows that no command names, and that somebody has locked."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name)
                for name in ("lib", "crash", "postgres", "webhooks", "encryption")]

import cluster  # noqa: E402
import florin  # noqa: E402
import held  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
cluster.SETTINGS += "shared_preload_libraries = 'pg_stat_statements'\n"
CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)
report = Report("postgres held")
report.run("a slot", held.held_slots, BINARY, CLUSTER)
report.run("a slot, far behind", held.far_behind, BINARY, CLUSTER)
report.run("places in logs", held.held_places, BINARY, CLUSTER)
report.run("a data key", held.held_data_key, BINARY, CLUSTER)
report.run("history", held.held_history, BINARY, CLUSTER)
report.finish()
