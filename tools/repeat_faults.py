#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays the suites with faults of PostgreSQL and Kafka several times, each with a seed of its own:
`make test-faults`. SEED=N repeats one; words behind the number choose suites by their names."""

import os
import pathlib
import random
import subprocess
import sys

SUITES = ["72-postgres-faults.py", "72-postgres-storm.py", "75-postgres-replicas.py",
          "75-postgres-turn.py", "76-postgres-failover.py", "77-postgres-outages.py",
          "78-migrate-engine.py", "78-migrate-engine-back.py", "78-postgres-partitions.py",
          "79-postgres-ahead.py", "79-postgres-behind.py", "79-postgres-clocks.py",
          "84-kafka-faults.py", "85-kafka-nodes.py", "87-kafka-outages.py"]


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "tests/suites"
    words = sys.argv[2:]
    suites = [suite for suite in SUITES if not words or any(word in suite for word in words)]
    failed = []
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        seed = os.environ.get("SEED", str(random.randrange(1_000_000)))
        for suite in suites:
            print(f"round {number + 1}, seed {seed}: {suite}", flush=True)
            done = subprocess.run([folder / suite], env=dict(os.environ, SEED=seed),
                                  check=False)
            if done.returncode != 0:
                failed.append(f"SEED={seed} tests/suites/{suite}")
    print("\n".join(["failed:", *failed]) if failed else "all passed")
    return 1 if failed else 0


sys.exit(main())
