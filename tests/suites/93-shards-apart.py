#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The stories, unchanged, with their wallets spread over several servers: all of them on two or on
three, which is drawn, and those about payments on the other number, too; SHARDS=2 or 3 says on how
many all are played. So what one wallet pays another mostly crosses shards, and every answer must be
that of one server. One story is played by 91-shards-story.py alone: an idempotency key that is used
again for a request with another home on another shard is the one reuse that is not noticed."""

import glob
import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "postgres")]

import florin  # noqa: E402
import run  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
ALONE = ("25-used-keys",)
PAYMENTS = ("05-", "06-", "07-", "08-", "15-", "24-")
ALL_ON = int(os.environ.get("SHARDS", random.choice((2, 3))))
STORIES = [path for path in sorted(glob.glob(os.path.join(TESTS, "story", "*.story")))
           if not os.path.basename(path).startswith(ALONE)]

report = Report("shards apart")
given = sys.argv[1:]
print(f"shards apart: all stories on {ALL_ON} shards", flush=True)
for count in (2, 3):
    shards.serve_from(shards.Shards(count))
    run.play_in(report, BINARY, given or [
        path for path in STORIES
        if count == ALL_ON or os.path.basename(path).startswith(PAYMENTS)])
report.finish()
