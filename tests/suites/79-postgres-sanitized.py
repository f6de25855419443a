#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stories, random lives and lost rounds on a real PostgreSQL, with a server under the address and
undefined behaviour sanitizers. All stories with ALL=1."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "crash", "postgres")]

import cluster  # noqa: E402
import faults  # noqa: E402
import florin  # noqa: E402
import run  # noqa: E402
import turn  # noqa: E402
from report import Report  # noqa: E402

SANITIZED = florin.binary(sanitized=True)
CLUSTER = cluster.Cluster()
# What fetches most, and what is decided again: holds that fall due, keys, batches, lists.
STORIES = ("06-refunds", "08-expiry", "12-idempotency", "15-atomic-batches", "16-lists")

cluster.serve_from(CLUSTER)
report = Report("postgres sanitized")


def stories(total):
    paths = [os.path.join(TESTS, "story", name + ".story") for name in STORIES]
    run.play_in(total, SANITIZED, None if os.environ.get("ALL") else paths)


report.run("stories", stories)
report.run("a commit that fails", turn.commit_rolled_back, SANITIZED, CLUSTER)
report.run("asked once", turn.asked_once, SANITIZED, CLUSTER)
report.run("two nodes without a turn", faults.both_write, SANITIZED, CLUSTER, 1,
           {"postgres_turn": 0}, "two nodes without a turn")
report.finish()
