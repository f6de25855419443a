#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The attacks of 28-attacks.py, unchanged, with the books in a real PostgreSQL."""

import os
import runpy
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402

cluster.serve_from(cluster.Cluster())
runpy.run_path(os.path.join(TESTS, "suites", "28-attacks.py"), run_name="__main__")
