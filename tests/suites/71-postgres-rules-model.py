#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lives under random rules, against the naive ledger with naive rules, with the books in a
real PostgreSQL, whose time only passes."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in (
    "lib", "model", "postgres", "roles", "rules")]

import cluster  # noqa: E402
import florin  # noqa: E402
import review_run  # noqa: E402

BINARY = florin.binary()
SEEDS = [int(word) for word in os.environ.get("MODEL_SEEDS", "1 2 3").split()]
cluster.serve_from(cluster.Cluster())
review_run.live_many("postgres rules model", BINARY, SEEDS, 250, None, 8)
