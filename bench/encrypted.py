#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What encrypted texts cost.

    bench/encrypted.py [--seconds N] [--turns N]

Transfers with a reference and metadata, of 64 owners to one, over 64 connections: on plain books
and on encrypted ones, turn about, in one run. Prints its conditions and both rates, with medians
and the processor time of the server per transfer, and checks the books at the end. Needs wrk.
"""

import argparse
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib")]

import florin  # noqa: E402
import machine  # noqa: E402

OWNERS = 64
LUA = """
local wallets, shop, turn = {%s}, "%s", 0
request = function()
  turn = turn + 1
  return wrk.format("POST", nil, nil, string.format('{"from":"%%s","to":"%%s","amount":1,' ..
    '"reference":"invoice 2026-%%06d","metadata":{"channel":"web","note":"thank you"}}',
    wallets[turn %% #wallets + 1], shop, turn))
end
"""


def seconds_used(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(is_encrypted, seconds):
    """Transfers a second, and microseconds of the server's processor time for each."""
    environment = {"FLORIN_MASTER_KEY": secrets.token_hex(32)} if is_encrypted else {}
    with florin.serving(environment=environment) as server, tempfile.TemporaryDirectory() as home:
        with server.client() as client:
            wallets = [client.post("/v1/wallets", {"owner": f"o{i}", "currency": "USD",
                                                   "credit_limit": 10**12})["id"]
                       for i in range(OWNERS + 1)]
        script = os.path.join(home, "transfers.lua")
        with open(script, "w", encoding="ascii") as file:
            file.write(LUA % (", ".join(f'"{wallet}"' for wallet in wallets[1:]), wallets[0]))
        words = ["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", script, "-H",
                 "Content-Type: application/json", "-H",
                 f"Authorization: Bearer {server.admin_secret}",
                 f"http://127.0.0.1:{server.port}/v1/transfers"]
        if machine.PINS:
            subprocess.run(["taskset", "-a", "-p", "-c", str(machine.SERVER_CORES[0]),
                            str(server.process.pid)], check=True, stdout=subprocess.DEVNULL)
            words = ["taskset", "-c", str(machine.LOAD_CORES[0]), *words]
        before = seconds_used(server.process.pid)
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        used = seconds_used(server.process.pid) - before
        if "Non-2xx" in said:
            raise SystemExit(f"requests were refused:\n{said}")
        made = int(re.search(r"(\d+) requests in", said).group(1))
        with server.client() as client:
            problem = florin.integrity_problem(client.get("/check-integrity?depth=full"))
        if problem or server.stop() != 0 or server.verify().returncode != 0:
            raise SystemExit(f"the books differ: {problem}")
        return float(re.search(r"Requests/sec:\s+([0-9.]+)", said).group(1)), used / made * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    wanted = parser.parse_args()
    print(f"processor {machine.cpu_model()}, {len(machine.CORES)} cores, server and load on one "
          f"each: {machine.PINS}; load before {os.getloadavg()[0]:.2f}; "
          f"sync {machine.sync_cost_us(florin.folder()):.0f} us; {florin.binary()}")
    found = {False: [], True: []}
    for _ in range(wanted.turns):
        for is_encrypted in (False, True):
            found[is_encrypted].append(measure(is_encrypted, wanted.seconds))
    medians = {}
    for is_encrypted, runs in found.items():
        medians[is_encrypted] = [statistics.median(column) for column in zip(*runs)]
        print(f"{'encrypted' if is_encrypted else 'plain':10} "
              f"{medians[is_encrypted][0]:8.0f} transfers/s "
              f"{medians[is_encrypted][1]:6.1f} us of processor each   "
              f"({', '.join(f'{rate:.0f}' for rate, _ in runs)})")
    print(f"encrypted texts leave {100 * medians[True][0] / medians[False][0]:.0f} % of the rate")


if __name__ == "__main__":
    main()
