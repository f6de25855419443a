#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules that look at payments, unchanged, with the books in a real PostgreSQL."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import backtest  # noqa: E402
import cluster  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()


def url_of(server):
    return CLUSTER.url(CLUSTER.database_for(server.data))


cluster.serve_from(CLUSTER)
rules.run_all("postgres rules", BINARY, [
    ("tried on history", lambda report, binary: backtest.in_a_database(report, binary, url_of))])
