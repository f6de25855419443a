#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All stories against the release build."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "story")]

import florin  # noqa: E402
import run  # noqa: E402

run.play_all("story", florin.binary())
