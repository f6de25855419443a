#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same requests to the embedded engine and to PostgreSQL."""

import os
import random
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "rules", "roles")]

import cluster  # noqa: E402
import differential  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
report = Report("postgres differential")
CONFIG = rules.config(differential.RULES)
embedded = differential.Side(florin.Server(florin=BINARY, config=CONFIG))
cluster.serve_from(CLUSTER)
postgres = differential.Side(florin.Server(florin=BINARY, config=CONFIG))
differential.compare(report, embedded, postgres, SEED, 3000)
for side in (embedded, postgres):
    report.equal("exit status", side.server.stop(), 0)
    report.check("log", not side.server.trouble(), side.server.log()[-2000:])
differential.compare_states(report, BINARY, embedded.server.data,
                            CLUSTER.url(CLUSTER.database_for(postgres.server.data)))
# What a wallet usually does is part of the state: a counter that is one off is another state.
URL = CLUSTER.url(CLUSTER.database_for(postgres.server.data))
before = differential.state_hash(BINARY, "--postgres", URL)[0]
CLUSTER.sql("UPDATE florin.wallets SET habits = set_byte(habits, 13, get_byte(habits, 13) # 1) "
            "WHERE habits IS NOT NULL AND number = (SELECT min(number) FROM florin.wallets "
            "WHERE habits IS NOT NULL)", CLUSTER.database_for(postgres.server.data))
report.check("habits count in it", differential.state_hash(BINARY, "--postgres", URL)[0] != before)
report.finish()
