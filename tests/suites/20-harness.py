#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the tests: the stories against the naive ledger. On a right one they pass; on one that is
wrong in a single way, the story that stands for that way must fail. So a story that proves
nothing is noticed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))

from report import Report  # noqa: E402

# A mistake of model/serve.py, and the story that must notice it.
STORY_BUGS = [("refund_twice", "06-refunds"), ("hold_never_expires", "08-expiry"),
              ("overdraft", "07-holds"), ("forgets_keys", "12-idempotency"),
              ("bank_ids_shared", "03-deposits"), ("version_twice", "13-versions"),
              ("half_atomic", "15-atomic-batches"), ("ladder", "20-ladder"),
              ("shows_both_sides", "23-roles"), ("others_first", "23-roles"),
              ("duties_together", "23-roles"), ("approves_own", "24-approvals"),
              ("adjusts_beside_the_totals", "24-approvals"), ]
# And those that a short random life notices.
MODEL_BUGS = ["refund_twice", "overdraft", "forgets_keys", "version_twice", "half_atomic", "ladder"]
# About who may do and see what, and what waits: only some lives (those of odd seeds) have those.
GUARD_BUGS = [
    "shows_both_sides", "reads_of_others", "pays_with_anybodys", "buyers_refund", "tells_of_others",
    "others_first", "guards_open", "duties_together", "bound_by_none", "moves_at_once",
    "approves_own", "approves_twice", "from_the_limit_on", "all_or_nothing_waits",
    "the_gone_still_ask", "adjusts_beside_the_totals"
]


def play(stories, bug=""):
    environment = dict(os.environ, NAIVE_BUG=bug)
    environment.pop("FLORIN_SERVE", None)
    paths = [os.path.join(TESTS, "story", name + ".story") for name in stories]
    done = subprocess.run([
        sys.executable,
        os.path.join(TESTS, "story", "run.py"), "--florin",
        os.path.join(TESTS, "model", "serve.py"), *paths
    ], capture_output=True, text=True, timeout=600, env=environment, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return last.endswith(" 0 failed") and done.returncode == 0, done.stdout + done.stderr


def live_one(bug, seed):
    done = subprocess.run([
        sys.executable,
        os.path.join(TESTS, "model", "run.py"), "--florin",
        os.path.join(TESTS, "model", "serve.py"), "--seed", str(seed), "--steps", "500"
    ], capture_output=True, text=True, timeout=600, env=dict(os.environ, NAIVE_BUG=bug),
                          check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return last.endswith(" 0 failed") and done.returncode == 0, done.stdout + done.stderr


def live(bug=""):
    """The model test against the naive server. Not every life comes by every mistake: a few may."""
    guarded = range(5, 35, 2)
    for seed in guarded if bug in GUARD_BUGS else range(5, 10 if bug else 7):
        passes, output = live_one(bug, seed)
        if not passes:
            break
    return passes, output


def main():
    report = Report("harness")
    with ThreadPoolExecutor(3) as pool:
        jobs = [("all stories pass on the naive ledger", True, pool.submit(play, []))]
        jobs += [(f"{story} notices {bug}", False, pool.submit(play, [story], bug))
                 for bug, story in STORY_BUGS]
        jobs += [("the naive ledger agrees with itself", True, pool.submit(live))]
        jobs += [(f"the model notices {bug}", False, pool.submit(live, bug))
                 for bug in MODEL_BUGS + GUARD_BUGS]
        for name, shall_pass, job in jobs:
            passes, output = job.result()
            report.check(name, passes == shall_pass and "Traceback" not in output, output[-4000:])
    report.finish()


main()
