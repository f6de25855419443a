#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules that look at payments, unchanged, with the books in a real PostgreSQL."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402

BINARY = florin.binary()
cluster.serve_from(cluster.Cluster())
rules.run_all("postgres rules", BINARY)
