#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules that look at payments, on the embedded engine."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules")]

import florin  # noqa: E402
import backtest  # noqa: E402
import rules  # noqa: E402

BINARY = florin.binary()
rules.run_all("rules", BINARY, [("tried on history", backtest.all_of_it)])
