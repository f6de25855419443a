#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All stories, unchanged, in a real PostgreSQL without the writer's turn: it is for speed only."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import run  # noqa: E402

BINARY = florin.binary()
cluster.serve_from(cluster.Cluster())
cluster.always_with(postgres_turn=0)
run.play_all("postgres turnless story", BINARY)
