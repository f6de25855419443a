#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The model test, unchanged, with encrypted texts in a real PostgreSQL."""

import os
import secrets
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "model", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import run  # noqa: E402

BINARY = florin.binary()
os.environ["FLORIN_MASTER_KEY"] = secrets.token_hex(32)  # every server is started with it
cluster.serve_from(cluster.Cluster())
run.live_many("postgres encrypted model", BINARY, float(os.environ.get("MODEL_SECONDS", "15")))
