#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line, imports and the demo."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "cli", "crash", "roles", "rules")]

import florin  # noqa: E402
from commands import all_commands  # noqa: E402
from report import Report  # noqa: E402

report = Report("cli")
report.run("the command line", all_commands, florin.binary())
report.finish()
