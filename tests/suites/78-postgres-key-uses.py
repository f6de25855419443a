#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When keys were last used, with the books in a real PostgreSQL: a restart knows it, and so does
another node once the first has told."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402

CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)


def used(client):
    """What is listed of the keys that are not the first one, which asks."""
    return {key["name"]: key.get("last_used_at") for key in client.list("/v1/keys")
            if key["role"] != "admin"}


def uses(report):
    with florin.serving() as server:
        secret = server.admin_secret
        till, idle = server.key("service"), server.key("auditor")
        with server.client() as client, server.client(till["secret"]) as other:
            report.equal("at first", used(client), {"service": None, "auditor": None})
            report.equal("it is used", other.get("/v1/wallets").status, 200)
            told = used(client)
            report.check("and that is seen", told["service"] and not told["auditor"], told)
        server.restart()
        with server.client() as client:
            report.equal("a restart knows it", used(client), told)
        beside = florin.Server(data=server.data + "-other")
        CLUSTER.databases[beside.data] = CLUSTER.database_for(server.data)
        os.makedirs(beside.data, mode=0o700)
        try:
            beside.start()
            with beside.client(secret) as client:
                report.equal("another node, too", used(client), told)
            with beside.client(idle["secret"]) as client:
                report.equal("which sees one used", client.get("/v1/wallets").status, 200)
            report.equal("ends", beside.stop(), 0)
            with server.client() as client:
                now = used(client)
                report.check("and has told", now["auditor"] and now["service"] == told["service"],
                             now)
        finally:
            beside.discard()
        report.equal("no trouble", server.trouble(), [])


report = Report("postgres key uses")
report.run("uses", uses)
report.finish()
