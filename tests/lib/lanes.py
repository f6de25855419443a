# SPDX-License-Identifier: MIT
"""Tests that wait more than they work, some of them at the same time.

Each lane is a process of its own, which takes the next test that nobody has begun; the long ones
first, so that all end together. What was started before is everybody's; what a lane starts is its
own, and gone when it ends."""

import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback

from report import Report

ONLY = os.environ.get("FLORIN_ONLY", "")  # a part of names: those alone are played
LANES = int(os.environ.get("FLORIN_LANES", "3"))


def side_by_side(report, tests, meanwhile=(), lanes=LANES):
    """Plays `tests`, each (name, function, arguments...), in so many lanes. `meanwhile` are played
    here, one after the other, because they have to do with what this process holds."""
    tests = _chosen(tests)
    place = multiprocessing.Value("i", 0)
    sys.stdout.flush()
    children = [_lane(report.suite, tests, place) for _ in range(min(lanes, len(tests)))]
    try:
        in_turn(report, meanwhile)
    finally:
        for child in children:
            _gather(report, *child)


def in_turn(report, tests):
    """Plays them here, one after the other."""
    for test in _chosen(tests):
        _play(report, *test)


def _chosen(tests):
    return [test for test in tests if ONLY in test[0]]


def _play(report, name, function, *arguments):
    begun = time.monotonic()
    report.run(name, function, *arguments)
    print(f"{report.suite}: {name}: {time.monotonic() - begun:.0f} s", flush=True)


def _lane(suite, tests, place):
    """A process that plays what nobody else does; its number, and where its results will be."""
    reader, writer = os.pipe()
    child = os.fork()
    if child != 0:
        os.close(writer)
        return child, reader
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
        os.close(reader)
        _leave_to_parent()
        report = Report(suite)
        while True:
            with place.get_lock():
                index, place.value = place.value, place.value + 1
            if index >= len(tests):
                break
            _play(report, *tests[index])
        os.write(writer, f"{report.passed} {report.failed} {report.skipped}".encode())
        atexit._run_exitfuncs()
    except Exception:
        traceback.print_exc()  # its results are missing
    finally:
        sys.stdout.flush()
        os._exit(0)


def _leave_to_parent():
    """What was to be done at the end is not for a lane to do."""
    import florin
    florin.forget()
    atexit._clear()
    atexit.register(florin.clean_up)


def _gather(report, child, reader):
    with os.fdopen(reader, "rb") as file:
        words = file.read().split()
    os.waitpid(child, 0)
    if len(words) != 3:
        report.fail("a lane", "it ended before it had told its results")
        return
    report.passed += int(words[0])
    report.failed += int(words[1])
    report.skipped += int(words[2])
