#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long GET /check-integrity takes as wallets grow in number, on both engines: it reads the
running totals alone, so it should not care."""

import argparse
import http.client
import json
import os
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
from bench import fill_wallets, open_wallets, say, workplace  # noqa: E402
from machine import CORES, Florin  # noqa: E402
from postgres import OnPostgres  # noqa: E402

ASKED = 300


def spans(server):
    """Milliseconds of each of many checks on one connection."""
    host, port = server.address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    found = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        connection.request("GET", "/check-integrity",
                           headers={"Authorization": f"Bearer {server.key}"})
        answer = json.loads(connection.getresponse().read())
        found.append((time.perf_counter() - begun) * 1000)
    if not answer["consistent"]:
        sys.exit(f"The books differ: {answer}")
    connection.close()
    return answer["currencies"][0]["wallets"], sorted(found)


def measure(name, server, folder, counts):
    path = os.path.join(folder, "wallets")
    begun = 0
    for count in counts:
        open_wallets(server, count - begun, path)
        fill_wallets(server, path)
        begun = count
        wallets, found = spans(server)
        say(f"  {name:<12} {wallets:>10,} wallets {statistics.median(found):>8.2f} ms median "
            f"{found[int(ASKED * 0.99)]:>8.2f} ms p99")
    server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--wallets", type=int, default=1_000_000, help="at most, embedded")
    plan = parser.parse_args()
    with workplace(plan) as folder:
        say(f"\nGET /check-integrity, {ASKED} times on one connection:")
        measure("embedded", Florin(os.path.join(folder, "embedded"), CORES), folder,
                [1000, plan.wallets])
        cluster = clusters.Cluster()
        url = cluster.url(cluster.database_for("check"))
        measure("PostgreSQL", OnPostgres(os.path.join(folder, "postgres"), url), folder,
                [1000, plan.wallets // 10])


if __name__ == "__main__":
    main()
