#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The recorded history of 92-shards-history.py, in which a third of all that is asked for waits in
the queue, and is asked for again without it."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "kafka", "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the databases are started: this may begin another python

import shop  # noqa: E402

KAFKA = broker.Cluster().start()
runpy.run_path(os.path.join(HERE, "92-shards-history.py"),
               {"queue": shop.config(KAFKA, session_timeout_ms=3000, events=False)},
               run_name="__main__")
