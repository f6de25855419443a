#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections: ambiguous, doubled, malformed, pipelined, crowded, slow; and the first four with
sanitizers."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "crash")]

import connections  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402

report = Report("connections")
report.run("connections", connections.all_connections, florin.binary())
if os.environ.get("FLORIN_SANITIZED"):
    with florin.serving(florin=os.environ["FLORIN_SANITIZED"]) as server:
        world = connections.World(server)
        for test in connections.PLAIN:
            report.run(test.__name__ + ", sanitized", test, world)
        report.equal("sanitized: exit status", server.stop(), 0, server.log()[-2000:])
        report.check("sanitized: log", not server.trouble(), lambda: server.log()[-4000:])
report.finish()
