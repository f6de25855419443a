#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stories about payments with their wallets on two shards, with a server under the address and
undefined behaviour sanitizers. All stories that 93-shards-apart.py plays with ALL=1. And what
95-shards-encryption.py does with texts under keys of both shards' owners: their slots move, their
keys are destroyed, and texts are sealed and read on the other shard."""

import os
import runpy
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "encryption", "story",
                                                         "postgres")]

import florin  # noqa: E402
import run  # noqa: E402
import sealed  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402

SANITIZED = florin.binary(sanitized=True)
# Holds, refunds, batches, approvals and those who are bound: whatever is sent on for what it lacks.
STORIES = ("06-refunds", "07-holds", "14-batches", "15-atomic-batches", "23-roles",
           "24-approvals")

shards.serve_from(shards.Shards(2))
report = Report("shards sanitized")


def encrypted():
    os.environ["FLORIN"] = SANITIZED
    suite = runpy.run_path(os.path.join(TESTS, "suites", "95-shards-encryption.py"),
                           run_name="shards encryption")
    sealed.many_servers = True
    for name in ("between", "guests", "held_refunds", "moved"):
        server = sealed.encrypted(SANITIZED)
        try:
            server.start()
            report.run(f"encrypted: {name}", suite[name], server, suite["at_rest"])
            sealed.finish(report, f"encrypted: {name}", server)
        finally:
            server.discard()


run.play_in(report, SANITIZED, [os.path.join(TESTS, "story", name + ".story")
                                for name in STORIES])
encrypted()
report.finish()
