#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damaged, torn, forged and shared data folders."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import florin  # noqa: E402
from damage import all_damage  # noqa: E402
from report import Report  # noqa: E402

report = Report("damage")
report.run("damage", all_damage, florin.binary())
report.finish()
