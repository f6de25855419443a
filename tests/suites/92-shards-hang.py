#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One of three shards hangs: its server is stopped (SIGSTOP), so it refuses nothing and answers
nobody. What needs it is busy, and what does not goes on on both nodes, also for clients whose
requests come in the same breath as those that need it. It is stopped at no particular moment, and
at each step where another shard's round waits for it. Once it is woken all is done, and once."""

import os
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
from hanging import HANGS, WAIT_S, hang, open_wallets  # noqa: E402
from legs import World, ends  # noqa: E402
from proxy import bind_of  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
report = Report("shards hang")


def stopped(_, world, name, trap=None):
    cluster, line = world.shards.clusters[HANGS], world.lines[HANGS]
    frozen = threading.Event()

    def freeze():
        cluster.freeze()
        frozen.set()

    def stop():
        if trap is None:
            freeze()
            return
        line.sprung.clear()
        line.over.clear()
        line.trap = (trap, "silent", freeze)
        report.check(f"{name}: it came so far", frozen.wait(WAIT_S))

    def wake():
        cluster.thaw()
        line.over.set()

    hang(world, name, stop, wake)


def main():
    world = World(report, BINARY, count=3)
    open_wallets(world)
    report.run("hangs", stopped, world, "at any moment")
    for name, trap in (("when a leg is to be prepared", b"PREPARE TRANSACTION"),
                       ("when a leg is to be committed", b"COMMIT PREPARED"),
                       ("when its own round is to be committed", bind_of("COMMIT"))):
        report.run(name, stopped, world, name, trap)
    ends(world)


main()
report.finish()
