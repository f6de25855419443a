#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""schemathesis, which knows Florin only by its /openapi.json, against a running server with all of
its checks on, on both engines: examples, boundaries, random requests and chains of them."""

import os
import re
import subprocess
import sys

TESTS = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import tokens  # noqa: E402
from report import Report  # noqa: E402

HERE = os.path.join(TESTS, "schemathesis")
ISSUER = "https://id.example"
SEED = "4"
# Boundaries of every field cost the most and are the door's, which is the same for both engines.
EXTENT = {"embedded": ["--max-examples", "8"],
          "postgres": ["--max-examples", "5", "--phases", "examples,fuzzing,stateful"]}
CASES_MIN = {"embedded": 2000, "postgres": 300}
SECONDS_MAX = 900


def program():
    """The program, or None and why there is none."""
    done = subprocess.run([os.path.join(HERE, "fetch.sh")], capture_output=True, text=True,
                          timeout=600, check=False)
    return (done.stdout.strip(), None) if done.returncode == 0 else (None, done.stderr.strip())


def walk(report, binary, schemathesis, engine):
    # A token, because schemathesis finds every key in the lists, and revokes them.
    home = florin.folder()
    key = tokens.Key(home, "ES256", "k1")
    tokens.write_set(os.path.join(home, "keys.json"), [key])
    config = {"currencies": {"POINTS": {"exponent": 0}},
              "roles": {"teller": {"number": 16, "permissions": ["wallets:read"]},
                        "till": {"number": 17, "bound": True, "permissions": ["wallets:read"]}},
              "tokens": [{"issuer": ISSUER, "audience": "florin", "role": "admin",
                          "keys": os.path.join(home, "keys.json")}]}
    token = key.token(tokens.claims(ISSUER))
    environment = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=HERE, NO_COLOR="1",
                       PYTHONDONTWRITEBYTECODE="1")
    with florin.serving(florin=binary, config=config) as server:
        done = subprocess.run(
            [schemathesis, "--config-file", os.path.join(HERE, "schemathesis.toml"), "run",
             f"http://127.0.0.1:{server.port}/openapi.json", "--checks", "all", "--seed", SEED,
             *EXTENT[engine], "--generation-deterministic",
             "--continue-on-failure", "--warnings", "off",
             "--header", f"Authorization: Bearer {token}"],
            cwd=home, env=environment, capture_output=True, text=True, errors="replace",
            timeout=SECONDS_MAX, check=False)
        said = done.stdout + done.stderr
        report.check(f"{engine}: every check of every case", done.returncode == 0,
                     said[said.find("= FAILURES ="):][:20000])
        with server.client(token) as client:
            paths = client.get("/openapi.json").json["paths"]
            count = sum(len(methods) for methods in paths.values())
            tested = re.search(r"Tested: (\d+)", said)
            report.equal(f"{engine}: all operations were walked but that which it has read first",
                         int(tested.group(1)) if tested else None, count - 1)
            passed = re.search(r"(\d+) generated, (\d+) passed", said)
            report.check(f"{engine}: many cases",
                         passed and int(passed.group(2)) > CASES_MIN[engine], said[-600:])
            report.check(f"{engine}: the books are consistent",
                         florin.integrity_problem(client.get("/check-integrity")) is None)
        report.equal(f"{engine}: the log has no trouble", server.trouble(), [])
        report.equal(f"{engine}: exit status", server.stop(), 0)


def main():
    report = Report("schemathesis")
    binary = florin.binary()
    schemathesis, why = program()
    if schemathesis is None:
        report.skip("all", why)
        report.finish()
    report.run("embedded", walk, binary, schemathesis, "embedded")
    if cluster.programs() is None:
        report.skip("postgres", "PostgreSQL 15 or newer is not installed")
    else:
        cluster.serve_from(cluster.Cluster())
        report.run("postgres", walk, binary, schemathesis, "postgres")
    report.finish()


if __name__ == "__main__":
    main()
