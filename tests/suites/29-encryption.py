#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts on the embedded engine."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "encryption")]

import florin  # noqa: E402
import sealed  # noqa: E402


def at_rest(server):
    """All bytes of the data folder; journals are long and mostly empty."""
    found = []
    for folder, _, names in os.walk(server.data):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                while block := file.read(1 << 20):
                    found.append(block.rstrip(b"\0"))
    return b"".join(found)


BINARY = florin.binary()
sealed.run_all("encryption", BINARY, at_rest)
