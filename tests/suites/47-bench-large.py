#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make bench-large`, which takes hours, with books that are small: all of it runs."""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
from report import Report  # noqa: E402

BUILT = [ROOT / "build" / "release" / place for place in
         ("src/programs/florin", "bench/single_load", "bench/batch_load")]


def run(*words):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        return subprocess.run([str(ROOT / "bench" / "large.py"), "--wallets", "1000",
                               "--transactions", "5000", "--seconds", "1", "--rounds", "1",
                               "--warm", "0", "--folder", folder, *words],
                              capture_output=True, text=True, timeout=600, check=False,
                              stdin=subprocess.DEVNULL)


def large(report):
    done = run()
    report.check("nothing is done unasked", done.returncode != 0 and "Nothing was done" in
                 done.stderr, done.stdout + done.stderr)
    with tempfile.TemporaryDirectory() as place:
        done = run("--yes", "--journal", place)
        left = list(pathlib.Path(place).iterdir())
    report.equal("it ends well", done.returncode, 0, done.stdout + done.stderr)
    report.equal("both kinds are told", done.stdout.count("(wanted: 0.7)"), 2, done.stdout)
    report.equal("and the books of both", done.stdout.count("The running totals add up"), 2,
                 done.stdout)
    report.equal("nothing is left of the journal", left, [])


def main():
    report = Report("bench large")
    if cluster.programs() is None:
        report.skip("large", "PostgreSQL 15 or newer is not installed")
    elif not all(path.exists() for path in BUILT):
        report.skip("large", "the load generators are not built")
    else:
        report.run("large", large)
    report.finish()


main()
