#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lives under random rules, against the naive ledger with naive rules, in simulated time."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "model", "roles", "rules", "traffic")]

import florin  # noqa: E402
import play  # noqa: E402
import review_run  # noqa: E402

SEEDS = [int(word) for word in os.environ.get("MODEL_SEEDS", "1 2 3 4 5 6").split()]
review_run.live_many("rules model", florin.binary(), SEEDS, 400, play.Clock, 3600)
