#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rate limits of several nodes through a real Redis: shared, by itself when it is away, shared
again when it is back; and nobody waits for it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

NEVER = {"Authorization": "Bearer nothing"}


class Redis:
    """A server of its own in a temporary folder."""
    def __init__(self):
        self.port = florin.free_port()
        self.home = florin.folder()
        self.process = None

    def start(self, *more):
        self.process = subprocess.Popen(
            ["redis-server", *more,
             "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.home,
             "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def shared(server):
    with server.client() as client:
        page = client.get("/metrics").body.decode()
    found = re.search(r"^florin_rate_limits_shared (\d)", page, re.MULTILINE)
    return found is not None and found.group(1) == "1"


def knock(server, count):
    """How many strangers' requests come through before one is refused."""
    with server.client() as client:
        codes = [client.get("/v1/wallets", headers=NEVER).status for _ in range(count)]
    return codes.count(401)


def passwords(report, binary):
    """A Redis that asks who it is, and whose password changes while the server runs."""
    redis = Redis()
    file = os.path.join(redis.home, "password")

    def write(text):
        with open(file, "w", encoding="utf-8") as out:
            out.write(text + "\n")

    config = {"rate_limits_redis": {"address": f"127.0.0.1:{redis.port}", "password_file": file},
              "rate_limits": [{"per": "address", "requests": 1, "seconds": 600, "burst": 10}]}
    try:
        redis.start("--requirepass", "first secret")
        write("wrong")
        with florin.serving(florin=binary, config=config) as server:
            report.check("a wrong password is told",
                         within(120, lambda: "does not take the password" in server.log()))
            report.equal("and nothing is shared", shared(server), False)
            write("first secret")
            report.check("the right one is read again", within(120, lambda: shared(server)))
            redis.stop()
            redis.start("--user", "florin", "on", ">second", "~florin:*", "+@all",
                        "--requirepass", "other")
            server.stop()
            report.check("the log does not show it", "secret" not in server.log())
            write("second")
            server.config["rate_limits_redis"]["user"] = "florin"
            server.start()
            report.check("a user of its own", within(120, lambda: shared(server)))
    finally:
        redis.stop()


def main():
    report = Report("shared limits")
    if shutil.which("redis-server") is None:
        report.skip("all", "redis-server is not installed")
        report.finish()
    redis = Redis()
    redis.start()
    config = {"rate_limits_redis": f"127.0.0.1:{redis.port}",
              "rate_limits": [{"per": "address", "requests": 1, "seconds": 600, "burst": 10}]}
    florin.filter_calls()
    binary = florin.binary()
    try:
        with florin.serving(florin=binary, config=config) as one, \
                florin.serving(florin=binary, config=config) as two:
            report.check("both share", within(120, lambda: shared(one) and shared(two)))
            report.equal("one node lets six through", knock(one, 6), 6)
            time.sleep(0.5)
            through = knock(two, 2)
            time.sleep(0.5)  # what the two took comes back with what the six took
            through += knock(two, 10)
            report.check("the other only what is left", through <= 4 + 2, through)
            report.check("and something", through >= 2, through)
            begun = time.monotonic()
            redis.process.send_signal(signal.SIGSTOP)
            with two.client() as client:
                report.equal("nobody waits for a Redis that hangs",
                             {client.get("/v1/wallets").status for _ in range(200)}, {200})
            report.check("its absence is seen", within(
                20, lambda: knock(one, 1) in (0, 1) and not shared(one)), time.monotonic() - begun)
            report.check("and told", within(120, lambda: "Redis is away" in one.log()))
            redis.stop()
            redis.start()
            report.check("it comes back", within(120, lambda: knock(two, 1) in (0, 1)
                                                 and shared(one) and shared(two)))
            report.equal("clean stops", (one.stop(), two.stop()), (0, 0))
        redis.stop()
        with florin.serving(florin=binary, config=config) as alone:
            report.equal("without Redis a node limits by itself", knock(alone, 20), 10)
            report.equal("and says so", shared(alone), False)
        for wrong in ["redis", "127.0.0.1:", "127.0.0.1:99999", ":6379", 7]:
            ended = florin.Server(florin=binary, config={"rate_limits_redis": wrong}).refused()
            report.check(f"refused: {wrong}", ended is not None and "HOST:PORT" in ended[1], ended)
    finally:
        redis.stop()
    report.run("passwords", passwords, binary)
    report.finish()


if __name__ == "__main__":
    main()
