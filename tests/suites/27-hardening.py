#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built binary, the running process and the packaged unit give an attacker: as little as
compiler, kernel and systemd can take away."""

import os
import re
import shutil
import stat
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402

UNIT = os.path.join(TESTS, "..", "packaging", "florin.service")
EXPOSURE_MAX = 1.5
NOBODY = 65534


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout


def the_binary(report, binary):
    head = output("readelf", "-hldW", binary)
    symbols = output("nm", "-D", binary)
    report.check("position independent", re.search(r"Type:\s+DYN", head) and "PIE" in head, head)
    report.check("relocations are read-only at once", "GNU_RELRO" in head and "NOW" in head, head)
    stack = re.search(r"GNU_STACK.*", head)
    report.check("no executable stack", stack and " RW " in stack.group(), stack)
    executable = [line for line in head.splitlines() if re.search(r"LOAD.*\bRWE\b", line)]
    report.equal("nothing is writable and executable", executable, [])
    report.check("stack protector", "__stack_chk_fail" in symbols)
    report.check("fortified calls", len(re.findall(r"__\w+_chk@", symbols)) >= 4, symbols)
    report.check("no search path for libraries", "RPATH" not in head and "RUNPATH" not in head)
    if os.uname().machine == "x86_64":
        code = output("objdump", "-d", "--no-show-raw-insn", "-j", ".text", binary)
        report.check("indirect branches land on endbr64", code.count("endbr64") > 200)


def the_process(report, binary):
    with florin.serving(florin=binary) as server:
        with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        report.equal("no core dumps", core.split()[4:6], ["1", "1"], core)
        report.equal("the folder is nobody else's", stat.S_IMODE(os.stat(server.data).st_mode),
                     0o700)
        loose = [name for folder, _, names in os.walk(server.data) for name in names
                 if stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o077]
        report.equal("nor any file in it", loose, [])
        with open(f"/proc/{server.process.pid}/maps", encoding="ascii") as file:
            report.equal("no page is writable and executable",
                         [line for line in file if line.split()[1].startswith("rwx")], [])
        server.stop()
        os.chmod(server.data, 0o770)
        ended = server.refused()
        report.check("a folder that others can write to is refused",
                     ended is not None and "chmod 700" in ended[1], ended)
        os.chmod(server.data, 0o755)
        server.start()
        report.equal("one that they can read is closed to them",
                     stat.S_IMODE(os.stat(server.data).st_mode), 0o700)
        server.stop()
        if os.getuid() == 0:
            os.chown(server.data, NOBODY, NOBODY)
            ended = server.refused()
            report.check("one that belongs to somebody else is refused",
                         ended is not None and "belongs to another user" in ended[1], ended)


def the_unit(report):
    if shutil.which("systemd-analyze") is None:
        report.skip("the unit", "systemd-analyze is not installed")
        return
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT],
                          capture_output=True, text=True, timeout=60, check=False)
    score = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if not report.check("the unit has a score", score, done.stdout[-300:] + done.stderr):
        return
    report.check("and a low one", float(score.group(1)) <= EXPOSURE_MAX, score.group())
    with open(os.path.join(TESTS, "..", "docs", "security.md"), encoding="utf-8") as file:
        report.check("which the documentation states", f"{score.group(1)} of 10" in file.read(),
                     score.group())


def in_the_unit(report, binary):
    """The server with what the packaged unit leaves it: no privilege, another user, its system
    calls, no memory that is written and run."""
    if shutil.which("systemd-analyze") is None or os.getuid() != 0:
        report.skip("in the unit", "needs systemd-analyze and root")
        return
    server = florin.Server(florin=binary)
    theirs, mine = os.path.join(server.home, "florin"), os.path.join(server.home, "unit")
    shutil.copy(binary, theirs)  # they may not come to where it was built
    shutil.copy(UNIT, mine)
    key = os.path.join(server.home, "master.key")
    with open(key, "w", encoding="ascii") as file:
        file.write("5a" * 32)
    os.chmod(key, 0o600)
    words = [sys.executable, os.path.join(TESTS, "lib", "sandbox.py"), mine, str(NOBODY), theirs,
             "serve", "--data", "{data}", "--listen", "{listen}"]
    before = os.environ.get("FLORIN_SERVE")
    os.environ["FLORIN_SERVE"] = " ".join(words)
    server.config = {"encryption": {"master_key_file": key}, "http_threads": 2}
    try:
        server.command()  # writes the configuration, which is theirs, too
        for name in ("", *os.listdir(server.home)):
            os.chown(os.path.join(server.home, name), NOBODY, NOBODY)
        server.start()
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        report.equal("another user without any privilege",
                     (status["Uid"].split(), status["CapEff"], status["CapBnd"],
                      status["NoNewPrivs"], status["Seccomp"]),
                     ([str(NOBODY)] * 4, "0" * 16, "0" * 16, "1", "2"))
        works(report, server)
        server.config["seccomp"] = True  # it may take more from itself
        server.restart()
        works(report, server)
        server.stop()
        with open(mine, encoding="utf-8") as file:
            without = file.read().replace("SystemCallFilter=seccomp\n", "")
        with open(mine, "w", encoding="utf-8") as file:
            file.write(without)
        told = server.refused() or (0, "it runs")
        report.check("where it may not, it says so",
                     told[0] == 1 and "allows the call seccomp" in told[1], told)
        server.config["seccomp"] = False
        server.start()
        report.equal("complains of nothing", [line for line in server.log().splitlines()
                                              if " warning " in line or " error " in line], [])
        report.equal("and ends", server.stop(), 0)
    finally:
        os.environ.pop("FLORIN_SERVE")
        if before is not None:
            os.environ["FLORIN_SERVE"] = before
        server.discard()


def works(report, server):
    with server.client() as client:
        wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD",
                                             "metadata": {"note": "quiet"}})
        paid = client.post("/v1/deposits", {"wallet": wallet["id"], "amount": 5,
                                            "bank_transaction_id": wallet["id"]})
        report.equal("it works there", (wallet.status, paid.status), (201, 201), paid)
        report.equal("and reads", client.get(f"/v1/wallets/{wallet['id']}").get("metadata"),
                     {"note": "quiet"})
        report.check("the books agree", client.get("/check-integrity?depth=full")["consistent"])


def the_document(report):
    """Whatever test docs/security.md names is there, and each risk and chapter names one."""
    with open(os.path.join(TESTS, "..", "docs", "security.md"), encoding="utf-8") as file:
        text = file.read()
    names = set(re.findall(r"`([\w/.-]+\.(?:py|c|story))`", text))
    report.check("it names tests", len(names) >= 20, names)
    there = {os.path.relpath(os.path.join(folder, name), os.path.join(TESTS, ".."))
             for top in ("tests", "src", "bench") for folder, _, files in
             os.walk(os.path.join(TESTS, "..", top)) for name in files}
    for name in sorted(names):
        report.check(f"{name} is there",
                     any(path == name or path.endswith("/" + name) for path in there))
    rows = re.findall(r"^\| ((?:API|V)\d+) .*\| ([^|]*) \|$", text, re.MULTILINE)
    report.equal("the ten risks", sum(row[0].startswith("API") for row in rows), 10)
    report.check("the chapters", sum(row[0].startswith("V") for row in rows) >= 11, rows)
    for chapter, tests in rows:
        report.check(f"{chapter} names a test", "`" in tests, tests)


def main():
    report = Report("hardening")
    binary = florin.binary()
    the_binary(report, binary)
    the_process(report, binary)
    the_unit(report)
    report.run("in the unit", in_the_unit, binary)
    the_document(report)
    report.finish()


if __name__ == "__main__":
    main()
