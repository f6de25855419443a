#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The writer's turn and what gets into its way."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import turn  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)
report = Report("postgres turn")
report.run("a pooler", turn.pooler, BINARY, CLUSTER)
report.run("a foreign lock", turn.foreign_lock, BINARY, CLUSTER)
report.run("a silent line", turn.silent_line, BINARY, CLUSTER)
report.run("a replica that is away", turn.replica_away, BINARY, CLUSTER)
report.run("a commit that fails", turn.commit_rolled_back, BINARY, CLUSTER)
report.run("a commit of nothing", turn.commit_of_nothing, BINARY, CLUSTER)
report.run("missing rows", turn.missing_rows, BINARY, CLUSTER)
report.run("moved rows", turn.moved_rows, BINARY, CLUSTER)
report.run("given back", turn.given_back, BINARY, CLUSTER)
report.run("said again", turn.said_again, BINARY, CLUSTER)
report.run("without a turn", turn.without_turn, BINARY, CLUSTER)
report.finish()
