#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lives with encrypted texts against the naive ledger, restarts and crashes included, for a
bounded time. MODEL_SECONDS makes it longer.
"""

import os
import secrets
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "model")]

import florin  # noqa: E402
import run  # noqa: E402

os.environ["FLORIN_MASTER_KEY"] = secrets.token_hex(32)  # every server is started with it
run.live_many("encrypted model", florin.binary(), float(os.environ.get("MODEL_SECONDS", "15")))
