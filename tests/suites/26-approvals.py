#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four eyes on the embedded engine: adjustments, large payments, restarts, expiry."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles")]

import approvals  # noqa: E402
import florin  # noqa: E402

BINARY = florin.binary()
approvals.run_all("approvals", BINARY)
