#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps a server busy for some seconds with what servers are busy with, so that a build that counts
(tools/build.sh tuned) sees what matters: batches, single payments of few and of many connections, a
shop's day with all kinds of operations, and the end; then the same with its books in PostgreSQL,
where that is installed. FOLDER is the build's."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import bench
import machine

sys.path[:0] = [os.path.join(machine.ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402
from postgres import Naive, OnPostgres  # noqa: E402

WALLETS = 20_000
BUSY_WITH = (("batch_load", 8), ("single_load", 1), ("single_load", 16), ("single_load", 64),
             ("single_load", 256))


def keep_busy(server, folder, seconds):
    wallets = os.path.join(folder, "wallets")
    bench.open_wallets(server, WALLETS, wallets)
    bench.fill_wallets(server, wallets)
    for program, connections in BUSY_WITH:
        run = bench.load(program, machine.CORES, server.address, server.key, wallets,
                         connections=connections, seconds=seconds)
        print(f"{program}, {connections} connections: {run['rate']:,.0f}/s", flush=True)
    subprocess.run([server.binary, "demo"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "FLORIN_URL": f"http://{server.address}",
                        "FLORIN_KEY": server.key})
    server.stop()


def keep_naive_busy(cluster, folder, seconds):
    """What Florin is compared with is built as Florin is."""
    plan = argparse.Namespace(wallets=WALLETS, warm=seconds)
    naive = Naive(cluster, folder, plan, 8)
    naive.run(256, seconds)
    naive.stop()


def main():
    parser = argparse.ArgumentParser(prog="bench/train.py", description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=int, default=3, help="for each part")
    options = parser.parse_args()
    build = os.path.abspath(options.folder)
    machine.BUILD = bench.BUILD = build
    machine.Florin.binary = os.path.join(build, "src", "programs", "florin")
    folder = tempfile.mkdtemp(prefix="train-", dir=build)
    try:
        keep_busy(machine.Florin(os.path.join(folder, "data"), machine.CORES), folder,
                  options.seconds)
        if clusters.programs() is None:
            print("PostgreSQL is not installed: what it is busy with there is not counted")
            return 0
        cluster = clusters.Cluster()
        keep_busy(OnPostgres(os.path.join(folder, "node"), cluster.url(cluster.database_for("n"))),
                  folder, options.seconds)
        Naive.binary = os.path.join(build, "bench", "naive_serve")
        if os.path.exists(Naive.binary):
            keep_naive_busy(cluster, folder, options.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
