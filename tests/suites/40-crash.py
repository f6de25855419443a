#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 under load, in the release build and, for two rounds, in the one with sanitizers."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import florin  # noqa: E402
from kill import kill_under_load  # noqa: E402
from report import Report  # noqa: E402

florin.filter_calls()
report = Report("crash")
report.run("kill -9 under load", kill_under_load, florin.binary())
if os.environ.get("FLORIN_SANITIZED"):
    report.run("kill -9 under load, sanitized", kill_under_load, os.environ["FLORIN_SANITIZED"], 2,
               20)
report.finish()
