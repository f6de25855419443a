#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All stories that 93-shards-apart.py plays on two shards, unchanged, with encrypted texts."""

import glob
import os
import secrets
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "postgres")]

import florin  # noqa: E402
import run  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
ALONE = ("25-used-keys",)  # see 93-shards-apart.py

os.environ["FLORIN_MASTER_KEY"] = secrets.token_hex(32)  # every server is started with it
florin.filter_calls()
shards.serve_from(shards.Shards(2))
report = Report("shards encrypted story")
run.play_in(report, BINARY, sys.argv[1:] or [
    path for path in sorted(glob.glob(os.path.join(TESTS, "story", "*.story")))
    if not os.path.basename(path).startswith(ALONE)])
report.finish()
