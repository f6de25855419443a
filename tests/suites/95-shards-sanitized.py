#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stories about payments with their wallets on two shards, with a server under the address and
undefined behaviour sanitizers. All stories that 93-shards-apart.py plays with ALL=1."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "postgres")]

import florin  # noqa: E402
import run  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402

SANITIZED = florin.binary(sanitized=True)
# Holds, refunds, batches, approvals and those who are bound: whatever is sent on for what it lacks.
STORIES = ("06-refunds", "07-holds", "14-batches", "15-atomic-batches", "23-roles",
           "24-approvals")

shards.serve_from(shards.Shards(2))
report = Report("shards sanitized")
run.play_in(report, SANITIZED, [os.path.join(TESTS, "story", name + ".story")
                                for name in STORIES])
report.finish()
