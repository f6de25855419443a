#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All stories, unchanged, with the books on two servers: keys, rules and the house's own records on
the first, and all wallets and what belongs to them on the second."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "postgres")]

import florin  # noqa: E402
import run  # noqa: E402
import shards  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
shards.serve_from(SHARDS, lambda key: SHARDS.give(key, "slot BETWEEN 1 AND 511", 0, 1))
run.play_all("shards story", BINARY)
