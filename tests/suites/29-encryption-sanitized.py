#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts against the build with sanitizers: what they find ends the server and is in its
log, which every test looks through at its end."""

import os
import runpy
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402

os.environ["FLORIN"] = florin.binary(sanitized=True)
runpy.run_path(os.path.join(TESTS, "suites", "29-encryption.py"), run_name="__main__")
