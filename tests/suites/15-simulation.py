#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The engine on a disk that lies, through hundreds of crashes, with other seeds each time.

A seed is printed with every run; SIM_SEED takes it again. Threads make their own order, so a seed
that failed fails again often, not always.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from report import Report  # noqa: E402

LOGGED = re.compile(r"\d{4}-\d\d-\d\dT")  # how a line of the engines' log begins
LOGGED_LINES_SHOWN = 20

# Which build, its folder, and for how many seconds worlds are begun.
BUILDS = [("release", "FLORIN", 20), ("sanitized", "FLORIN_SANITIZED", 14)]


def program(kind, variable):
    """The simulator that was built beside the server under test."""
    binary = pathlib.Path(os.environ.get(variable, ""))
    beside = binary.parent.parent.parent / "tests" / "sim" / "sim"
    usual = ROOT / "build" / kind / "tests" / "sim" / "sim"
    return beside if os.environ.get(variable) and beside.exists() else usual


def what_failed(errors):
    """What the simulator said of the failure, then what else it wrote, then the end of the log:
    whoever shows only the first lines shows why."""
    lines = errors.splitlines()
    said = sorted((line for line in lines if not LOGGED.match(line)),
                  key=lambda line: not line.startswith("seed "))
    logged = [line for line in lines if LOGGED.match(line)]
    return "\n".join(said[:100] + logged[-LOGGED_LINES_SHOWN:])


def simulate(report, kind, variable, seconds):
    path = program(kind, variable)
    if not path.exists():
        report.skip(kind, f"{path} is not built")
        return
    seed = os.environ.get("SIM_SEED") or str(int.from_bytes(os.urandom(4), "little"))
    done = subprocess.run([str(path), "--seed", seed, "--lives", "40", "--seconds", str(seconds)],
                          capture_output=True, text=True, timeout=seconds + 120, check=False)
    print(f"{kind}: {done.stdout.strip()}", flush=True)
    report.check(f"{kind}, from seed {seed}", done.returncode == 0, what_failed(done.stderr))


def main():
    report = Report("simulation")
    for kind, variable, seconds in BUILDS:
        simulate(report, kind, variable, seconds)
    report.finish()


main()
