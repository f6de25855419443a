#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The filter of system calls in the running server: it covers every thread, what an intruder would
ask for ends the process or is answered ENOSYS, and a death by it loses nothing. That everything
else works under it is shown by the suites that call `florin.filter_calls()`: stories on both
engines, TLS, tokens, Redis, Kafka, crashes."""

import errno
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
import intruder  # noqa: E402
from report import Report  # noqa: E402

FILTERED = {"seccomp": True}
AF_ALG, RWX, PRIVATE = 38, 7, 0x22
DEADLY = ["execve", "fork", "ptrace", "process_vm_readv", "setuid", "mount", "init_module", "bpf",
          "memfd_create", "io_uring_setup"]
REFUSED = {"memory to write and run": ("mmap", 0, 4096, RWX, PRIVATE, -1, 0),
           "code in memory that was written": ("mprotect", 0x10000, 4096, 5),
           "a socket into the kernel": ("socket", AF_ALG, 5, 0),
           "another process": ("clone", 17), "a signal to somebody": ("kill", 1, 0)}


def states(process):
    """What the kernel says of each thread."""
    found = {}
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/status", encoding="ascii") as file:
            text = file.read()
        found[thread] = tuple(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE).group(1)
                              for name in ("Seccomp", "NoNewPrivs"))
    return found


def threads(report):
    with florin.serving(config={**FILTERED, "http_threads": 3}) as server:
        found = states(server.process)
        report.check("there are several threads", len(found) > 5, found)
        report.equal("all of them are filtered and gain no privileges", set(found.values()),
                     {("2", "1")}, found)
        report.check("the log says so", "System calls are filtered" in server.log())
    with florin.serving() as server:
        report.equal("without the setting none is", {state[0] for state in
                                                     states(server.process).values()}, {"0"})
    server = florin.Server(config={"seccomp": 1})
    status, said = server.refused() or (None, "it runs")
    report.check("it is true or false", status == 2 and "seccomp must be true or false" in said,
                 said)


def world(server):
    with server.client() as client:
        wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"})["id"]
        client.post("/v1/deposits", {"wallet": wallet, "amount": 500, "bank_transaction_id": "b"})
    return wallet


def refused(report):
    """Answered like a kernel that does not know the call; the server goes on."""
    with florin.serving(config=FILTERED) as server:
        wallet = world(server)
        pid = server.process.pid
        report.equal("an allowed call is carried out",
                     intruder.make_call(pid, "mmap", 0, 4096, 3, PRIVATE, -1, 0)[1] > 0, True)
        for name, call in REFUSED.items():
            report.equal(name, intruder.make_call(pid, *call), ("answers", -errno.ENOSYS))
        with server.client() as client:
            report.equal("it serves on", client.get(f"/v1/wallets/{wallet}")["balance"], 500)
        report.equal("and ends cleanly", server.stop(), 0, server.log()[-500:])


def deadly(report):
    server = florin.Server(config=FILTERED)
    try:
        server.start()
        wallet = world(server)
        for name in DEADLY:
            report.equal(name, intruder.make_call(server.process.pid, name),
                         ("killed by", "SIGSYS"))
            server.process.returncode = -31  # we have waited for it already
            server.kill()
            server.start()
        with server.client() as client:
            report.equal("nothing is lost by it", client.get(f"/v1/wallets/{wallet}")["balance"],
                         500)
        report.equal("a clean end", server.stop(), 0)
        report.equal("florin verify", server.verify().returncode, 0)
    finally:
        server.discard()


def main():
    report = Report("seccomp")
    report.run("threads", threads)
    if not intruder.is_possible():
        report.skip("intruders", "they are written for x86-64")
        report.finish()
        return
    try:
        with florin.serving() as server:
            report.check("without it an intruder may do all", intruder.make_call(
                server.process.pid, *REFUSED["memory to write and run"])[1] > 0)
    except PermissionError:
        report.skip("intruders", "this machine lets nobody look into processes")
        report.finish()
        return
    report.run("refused", refused)
    report.run("deadly", deadly)
    report.finish()


if __name__ == "__main__":
    main()
