#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Queued commands through a real broker, unchanged, with a server under the address and undefined
behaviour sanitizers: what they find is in the server's log, and ends it."""

import os
import runpy
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402

SANITIZED = florin.binary(sanitized=True)
os.environ["FLORIN"] = SANITIZED
broker.need_client()  # this may begin another python

usual_stop = florin.Server.stop


def stop(server, *arguments, **options):
    """Every server's log is looked through when it ends."""
    status = usual_stop(server, *arguments, **options)
    trouble = server.trouble()
    if trouble or status not in (0, -9):
        raise AssertionError(f"status {status}:\n" + "\n".join(trouble) + server.log()[-3000:])
    return status


florin.Server.stop = stop
runpy.run_path(os.path.join(TESTS, "suites", "81-kafka-queue.py"), run_name="__main__")
