#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of README.md."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "cli")]

import florin  # noqa: E402
from readme import own_network, run_readme  # noqa: E402
from report import Report  # noqa: E402

own_network()
report = Report("readme")
report.run("README.md", run_readme, os.path.abspath(os.path.join(TESTS, "..")), florin.binary())
report.finish()
