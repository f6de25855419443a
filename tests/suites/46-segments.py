#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several segments of the journal and long histories, and all that is looked up in them."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import florin  # noqa: E402
from deep import deep_history  # noqa: E402
from report import Report  # noqa: E402
from segments import many_segments  # noqa: E402

report = Report("segments")
report.run("many segments", many_segments, florin.binary())
report.run("deep history", deep_history, florin.binary())
report.finish()
