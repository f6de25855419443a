#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits on what wallets may spend, with the books in a real PostgreSQL."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import limits  # noqa: E402

BINARY = florin.binary()
cluster.serve_from(cluster.Cluster())
limits.run_all("postgres spending limits", BINARY)
