#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks that hang or are full, and clean ends while they do."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import florin  # noqa: E402
from disk import blocked, full, taken  # noqa: E402
from moody_disk import can_compile  # noqa: E402
from report import Report  # noqa: E402
from shutdown import drains_under_load, idle_ends_at_once, while_waiting  # noqa: E402

report = Report("disk")
binary = florin.binary()
report.run("SIGTERM under load", drains_under_load, binary)
report.run("SIGTERM with idle connections", idle_ends_at_once, binary)
if can_compile():
    report.run("SIGTERM while the disk hangs", while_waiting, binary)
    report.run("the disk hangs for ten seconds", blocked, binary)
    report.run("the disk is full", full, binary)
    report.run("somebody else fills the disk at once", taken, binary)
else:
    report.skip("disks with moods", "there is no C compiler")
report.finish()
