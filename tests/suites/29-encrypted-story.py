#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All stories, unchanged, with encrypted texts and filtered system calls."""

import os
import secrets
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "story")]

import florin  # noqa: E402
import run  # noqa: E402

os.environ["FLORIN_MASTER_KEY"] = secrets.token_hex(32)  # every server is started with it
florin.filter_calls()
run.play_all("encrypted story", florin.binary())
