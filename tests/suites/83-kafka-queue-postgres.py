#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The queue, unchanged, with the books in a real PostgreSQL."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "kafka", "postgres")]

import broker  # noqa: E402
import cluster  # noqa: E402

broker.need_client()  # before the database is started: this may begin another python
cluster.serve_from(cluster.Cluster())
runpy.run_path(os.path.join(HERE, "81-kafka-queue.py"), run_name="__main__")
