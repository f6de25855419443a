#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lives against the naive ledger, with sanitizers, for a bounded time. MODEL_SECONDS makes
it longer."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "model")]

import florin  # noqa: E402
import run  # noqa: E402

run.live_many("model-sanitized", florin.binary(sanitized=True),
              float(os.environ.get("MODEL_SECONDS", "25")))
