#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A storm of clients on two nodes of one database, one of which is killed and comes back, while
somebody writes rows anew and cuts sessions (tests/postgres/storm.py)."""

import os
import sys
from collections import Counter

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402
from legs import add_up, ends  # noqa: E402
from storm import CONFIG, Plain, calm_again, no_trouble, storm  # noqa: E402

DISTURBING = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
              "current_database() AND pid <> pg_backend_pid()", "VACUUM florin.wallets",
              "UPDATE florin.books SET time_ms = time_ms",
              "UPDATE florin.wallets SET version = version")
report = Report("postgres storm")


def disturb(_, is_over, draw):
    done = Counter()
    while not is_over.wait(1.5):
        what = draw.choice(DISTURBING)
        CLUSTER.sql(what, WORLD.database)
        done[what.split()[0]] += 1
    return f"disturbed {dict(done)}"


CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)
WORLD = Plain(report, florin.binary(), CLUSTER, CONFIG)
report.run("storm", lambda _, world: storm(world, disturb), WORLD)
report.run("calm again", calm_again, WORLD)
add_up(WORLD)
ends(WORLD)
no_trouble(WORLD)
report.finish()
