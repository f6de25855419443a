#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Events through a real broker, unchanged, with the books in a real PostgreSQL."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "kafka", "postgres")]

import broker  # noqa: E402
import cluster  # noqa: E402

broker.need_client()  # before the database is started: this may begin another python
CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)


def damage_of_engine(server):
    """Somebody changes a balance by hand."""
    CLUSTER.sql("UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'ann'::bytea",
                CLUSTER.database_for(server.data))


runpy.run_path(os.path.join(HERE, "80-kafka-events.py"), {"damage_of_engine": damage_of_engine},
               run_name="__main__")
