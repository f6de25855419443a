#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules that look at payments, with the wallets of payers and payees on two servers: what a rule
flags, refuses or holds, and what people decide about it, as on one."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules", "postgres")]

import florin  # noqa: E402
import rules  # noqa: E402
import shards  # noqa: E402

BINARY = florin.binary()
shards.serve_from(shards.Shards(2))
rules.run_all("shards rules", BINARY)
