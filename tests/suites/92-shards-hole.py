#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network in front of one of three shards swallows packets: nobody is refused, no connection
ends, nothing is acknowledged, and what the server still does there nobody hears of. It begins at no
particular moment, and before and after a leg is prepared, a leg is committed and a round of its own
is. All that does not need that shard goes on on both nodes, and when packets come through again
everything is done, and once. One node reaches the server itself by TCP, the other what stands
beside it and looks for those steps."""

import os
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import hole  # noqa: E402
import shards  # noqa: E402
from hanging import HANGS, WAIT_S, hang, open_wallets  # noqa: E402
from legs import World, ends  # noqa: E402
from proxy import bind_of  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
report = Report("shards hole")


def swallowed(_, world, name, network, trap=None, moment="silent"):
    """`moment`: of what the first node sends there, "before" it has come there, or "after" it was
    done there; the answer goes nowhere."""
    line = world.lines[HANGS]
    gone = threading.Event()

    def swallow():
        network.swallow()
        gone.set()

    def stop():
        if trap is None:
            swallow()
            return
        line.sprung.clear()
        line.over.clear()
        line.trap = (trap, moment, swallow)
        report.check(f"{name}: it came so far", gone.wait(WAIT_S))

    def wake():
        network.forward()
        line.over.set()

    hang(world, name, stop, wake)


def main():
    why = hole.reason()
    if why is not None:
        report.skip("a network that swallows packets", why)
        return
    network = hole.Hole()
    books = shards.Shards(3)
    network.take(books.clusters[HANGS])
    world = World(report, BINARY, count=3, books=books)
    open_wallets(world)
    report.run("at any moment", swallowed, world, "at any moment", network)
    for name, trap, moment in (
            ("before a leg is prepared", b"PREPARE TRANSACTION", "silent"),
            ("when a leg is prepared", b"PREPARE TRANSACTION", "after"),
            ("before a leg is committed", b"COMMIT PREPARED", "silent"),
            ("when a leg is committed", b"COMMIT PREPARED", "after"),
            ("before its own round is committed", bind_of("COMMIT"), "silent"),
            ("when its own round is committed", bind_of("COMMIT"), "after")):
        report.run(name, swallowed, world, name, network, trap, moment)
    ends(world)


main()
report.finish()
