# SPDX-License-Identifier: MIT
"""Runs the commands of README.md in a copy of the tree, in their order, as a reader would.

Every fenced block marked `sh` is run by a shell; variables that one block sets are there in the
next. A block with `<!-- test: skip REASON -->` on the line before it is not run, and one with
`<!-- test: fails -->` must fail. Where the reader is told to start a server (`make run`,
`florin serve`), also in a skipped block, the binary under test is started in the background with
the same data and port, waited for, and stopped at the end.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import florin
from client import Client, Unreachable

BLOCK = re.compile(r"(?:^<!--\s*test:\s*([^>]*?)\s*-->\s*\n)?^```sh\s*\n(.*?)^```",
                   re.MULTILINE | re.DOTALL)
SERVING = re.compile(r"^\s*(make run\b|\S*florin serve\b)")
SECONDS_MAX = 120


class Readme:
    def __init__(self, report, root, binary):
        self.report = report
        self.home = florin.folder()
        self.tree = os.path.join(self.home, "florin")
        shutil.copytree(
            root, self.tree, symlinks=True,
            ignore=shutil.ignore_patterns(".git", "build", "florin-data", "__pycache__", "*.pyc"))
        os.mkdir(os.path.join(self.tree, "build"))
        shutil.copy(binary, os.path.join(self.tree, "build", "florin"))
        self.environment = os.path.join(self.home, "environment.sh")
        with open(self.environment, "w", encoding="utf-8"):
            pass
        self.servers = []

    def run(self, text):
        """Each block is one test, and so is each server."""
        for mark, block in BLOCK.findall(text):
            name = "`" + (block.strip().splitlines() or [""])[0].split("  ")[0] + "`"
            skipped = mark.startswith("skip")
            if skipped:
                self.report.skip(name, mark[4:].strip() or "as the README says")
            for part in parts_of(block):
                if SERVING.match(part):
                    self.serve(part)
                elif part.strip() and not skipped:
                    self.shell(part, name, shall_fail=mark.startswith("fails"))

    def shell(self, commands, name, shall_fail):
        script = (f"set -eu\ncd '{self.tree}'\n. '{self.environment}'\nset -a\n{commands}\n"
                  f"set +a\nexport -p > '{self.environment}'\n")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False,
                              timeout=SECONDS_MAX, stdin=subprocess.DEVNULL)
        self.report.check(
            name, (done.returncode != 0) == shall_fail,
            f"{commands}\nexit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def serve(self, command):
        """Starts what the reader would have now, on the port and data that the command names."""
        port = re.search(r"PORT=(\d+)|--listen \S*:(\d+)", command)
        port = int(port[1] or port[2]) if port else 8080
        data = re.search(r"DATA=(\S+)|--data (\S+)", command)
        data = data[1] or data[2] if data else "florin-data"
        process = subprocess.Popen(
            ["build/florin", "serve", "--data", data, "--listen", f"127.0.0.1:{port}"],
            cwd=self.tree, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.servers.append(process)
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            try:
                with Client(port, timeout=2) as client:
                    if client.get("/readyz").status == 200:
                        self.report.ok()
                        return
            except Unreachable:
                time.sleep(0.05)
        self.report.fail(command.strip(), f"not ready on port {port}: {process.poll()}")

    def end(self):
        for process in self.servers:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self.report.equal("the server's exit status", process.returncode, 0)


def parts_of(block):
    """A block, cut around the commands that serve."""
    part = ""
    for line in block.splitlines(keepends=True):
        if SERVING.match(line):
            yield part
            yield line
            part = ""
        else:
            part += line
    yield part


def is_free(port):
    try:
        with Client(port, timeout=1) as client:
            client.connect()
        return False
    except Unreachable:
        return True


def own_network():
    """Starts this suite again where no port is taken: in a network of its own, if that is allowed.
    Only there does the README's port 8080 belong to us."""
    if os.environ.get("FLORIN_OWN_NETWORK"):
        with socket.socket() as any_socket:
            request = struct.pack("16sH14s", b"lo", 0x41, b"")  # IFF_UP | IFF_RUNNING
            fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS
        return
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode == 0:
        os.environ["FLORIN_OWN_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def run_readme(report, root, binary):
    path = os.path.join(root, "README.md")
    if not os.path.exists(path):
        report.skip("README.md", "there is none")
        return
    if not is_free(8080):
        report.skip("README.md", "something else listens on port 8080")
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    readme = Readme(report, root, binary)
    try:
        readme.run(text)
    finally:
        readme.end()
