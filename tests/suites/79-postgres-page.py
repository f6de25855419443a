#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The operator's page in headless Chromium, all of it, with the books in a real PostgreSQL."""

import os
import shlex
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "web")]

import cluster  # noqa: E402
import page  # noqa: E402

CLUSTER = cluster.Cluster()


def damage(server):
    """Somebody has more than what was ever paid to her."""
    return shlex.join([
        *CLUSTER.user, os.path.join(CLUSTER.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
        CLUSTER.url(CLUSTER.database_for(server.data)), "-c",
        "UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'ann-marie'::bytea"])


cluster.serve_from(CLUSTER)
page.run(damage)
