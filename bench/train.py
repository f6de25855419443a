#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps a server busy for some seconds with what servers are busy with, so that a build that counts
(tools/build.sh tuned) sees what matters: batches, single payments of few and of many connections, a
shop's day with all kinds of operations, and the end. FOLDER is the build's."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import bench
import machine


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
        server = machine.Florin(os.path.join(folder, "data"), machine.CORES)
        wallets = os.path.join(folder, "wallets")
        bench.open_wallets(server, 20_000, wallets)
        bench.fill_wallets(server, wallets)
        for program, connections in (("batch_load", 8), ("single_load", 1), ("single_load", 16),
                                     ("single_load", 64), ("single_load", 256)):
            run = bench.load(program, machine.CORES, server.address, server.key, wallets,
                             connections=connections, seconds=options.seconds)
            print(f"{program}, {connections} connections: {run['rate']:,.0f}/s", flush=True)
        subprocess.run([server.binary, "demo"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "FLORIN_URL": f"http://{server.address}",
                            "FLORIN_KEY": server.key})
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
