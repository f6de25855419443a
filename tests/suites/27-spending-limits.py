#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits on what wallets may spend, on the embedded engine."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles")]

import florin  # noqa: E402
import limits  # noqa: E402

BINARY = florin.binary()
limits.run_all("spending limits", BINARY)
