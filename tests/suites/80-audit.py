#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The audit: every operation, allowed and refused, has its entry; on both engines."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres", "audit")]

import florin  # noqa: E402
import retention  # noqa: E402
import tampered  # noqa: E402
import walk  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
DATABASE = []
report = Report("audit")


def embedded(report):
    with florin.serving(florin=BINARY, config={"audit_window_s": 2}) as server:
        walk.walk(server, report)
        listing = server.command_line(
            "audit", "--outcome", "refused", "--limit", "5",
            environment={"FLORIN_URL": f"http://127.0.0.1:{server.port}",
                         "FLORIN_KEY": server.admin_secret})
        report.check("florin audit",
                     listing.returncode == 0 and "unauthenticated" in listing.stdout,
                     listing.stdout + listing.stderr)
        report.equal("exit status", server.stop(), 0)
        verified = server.verify()
        report.check("florin verify", verified.returncode == 0, verified.stdout + verified.stderr)


def postgres(report):
    import cluster  # pylint: disable=import-outside-toplevel
    DATABASE.append(cluster.Cluster())
    cluster.serve_from(DATABASE[0])
    with florin.serving(florin=BINARY, config={"audit_window_s": 2}) as server:
        walk.walk(server, report)
        report.equal("exit status", server.stop(), 0)


report.run("embedded", embedded)
report.run("names and retention, embedded", retention.check, BINARY)
report.run("tampered, embedded", tampered.embedded, BINARY)
report.run("postgres", postgres)
report.run("names and retention, postgres", retention.check, BINARY)
report.run("tampered, postgres", tampered.postgres, BINARY, DATABASE[0])
report.finish()
