#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits on spending, with payers and payees on two servers; and an atomic batch whose payers are
at home on both counts against each of them."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "postgres")]

import florin  # noqa: E402
import limits  # noqa: E402
import shards  # noqa: E402

BINARY = florin.binary()
shards.serve_from(shards.Shards(2))
limits.run_all("shards spending limits", BINARY)
