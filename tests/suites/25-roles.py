#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may do what, on the embedded engine: every operation, every role, own and foreign wallets."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles")]

import florin  # noqa: E402
import matrix  # noqa: E402

BINARY = florin.binary()
matrix.run_all("roles", BINARY)
