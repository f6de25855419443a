#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same requests to the embedded engine and to PostgreSQL."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import differential  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
report = Report("postgres differential")
embedded = differential.Side(florin.Server(florin=BINARY))
cluster.serve_from(CLUSTER)
postgres = differential.Side(florin.Server(florin=BINARY))
differential.compare(report, embedded, postgres, SEED, 3000)
for side in (embedded, postgres):
    report.equal("exit status", side.server.stop(), 0)
    report.check("log", not side.server.trouble(), side.server.log()[-2000:])
differential.compare_states(report, BINARY, embedded.server.data,
                            CLUSTER.url(CLUSTER.database_for(postgres.server.data)))
report.finish()
