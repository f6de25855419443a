#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When keys were last used, with the books in a real PostgreSQL: a restart knows it, and so does
another node once the first has told."""

import datetime
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


def seconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def same_use(report, name, client, told):
    """The door's own memory is a moment later than what the engine keeps."""
    found = used(client)
    report.check(name, found["auditor"] is None and found["service"] is not None and
                 abs(seconds(found["service"]) - seconds(told["service"])) < 1, (found, told))


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
            same_use(report, "a restart knows it", client, told)
        beside = florin.Server(data=server.data + "-other")
        CLUSTER.databases[beside.data] = CLUSTER.database_for(server.data)
        os.makedirs(beside.data, mode=0o700)
        try:
            beside.start()
            with beside.client(secret) as client:
                same_use(report, "another node, too", client, told)
            with beside.client(idle["secret"]) as client:
                report.equal("which sees one used", client.get("/v1/wallets").status, 200)
            report.equal("ends", beside.stop(), 0)
            with server.client() as client:
                now = used(client)
                report.check("and has told", now["auditor"] is not None, now)
        finally:
            beside.discard()
        report.equal("no trouble", server.trouble(), [])


report = Report("postgres key uses")
report.run("uses", uses)
report.finish()
