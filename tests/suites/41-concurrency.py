#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Races, in the release build and in the one with sanitizers."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import florin  # noqa: E402
from concurrency import races  # noqa: E402
from report import Report  # noqa: E402

report = Report("concurrency")
report.run("races", races, florin.binary())
report.run("races, two HTTP threads", races, florin.binary(), {"http_threads": 2})
if os.environ.get("FLORIN_SANITIZED"):
    report.run("races, sanitized", races, os.environ["FLORIN_SANITIZED"])
report.finish()
