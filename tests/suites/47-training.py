#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What keeps a server busy while `make build-tuned` counts (bench/train.py) does so to any."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import florin  # noqa: E402
from report import Report  # noqa: E402


def train(report, folder):
    done = subprocess.run([str(ROOT / "bench" / "train.py"), str(folder), "--seconds", "1"],
                          capture_output=True, text=True, timeout=300, check=False)
    report.equal("it ends well", done.returncode, 0, done.stdout + done.stderr)
    # Five parts, and where PostgreSQL is, five more with the books there; else a line says so.
    wanted = 6 if "PostgreSQL is not installed" in done.stdout else 10
    report.equal("all of it was done", len(done.stdout.splitlines()), wanted, done.stdout)
    left = [path.name for path in folder.glob("train-*")]
    report.equal("nothing of it is left", left, [])


def main():
    report = Report("training")
    beside = pathlib.Path(os.path.realpath(florin.binary())).parent.parent.parent
    usual = ROOT / "build" / "release"
    folder = beside if (beside / "bench" / "batch_load").exists() else usual
    if (folder / "bench" / "batch_load").exists() and (folder / "bench" / "single_load").exists():
        report.run("train", train, folder)
    else:
        report.skip("train", f"the load generators are not built in {folder}")
    report.finish()


main()
