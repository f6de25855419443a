#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where secrets are in the memory of a running server, by looking at all of it: the master key
once, in a locked page that no dump has, and nothing else that was a secret only for a moment."""

import array
import json
import os
import re
import secrets
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402

PAGE = os.sysconf("SC_PAGESIZE")
IN_MEMORY = 1 << 62  # or swapped out, of an entry of pagemap
CHUNK = 1 << 29
NOTHING = (bytes(CHUNK // PAGE * 8), (1 << 55).to_bytes(8, "little") * (CHUNK // PAGE))
MAP = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (r)")


def runs(pages, begin, end, count):
    """Where the `count` pages of a range that are in memory or swapped out lie, as [first, behind
    the last]. Most of what a server reserves is neither, hundreds of gigabytes of it."""
    found = []
    for start in range(begin, end, CHUNK):
        if count <= 0:
            break
        pages.seek(start // PAGE * 8)
        bits = pages.read((min(end, start + CHUNK) - start) // PAGE * 8)
        if bits in NOTHING:
            continue
        for page, state in enumerate(array.array("Q", bits)):
            place = start + page * PAGE
            if state < IN_MEMORY:
                continue
            count -= 1
            if found and found[-1][1] == place:
                found[-1][1] = place + PAGE
            else:
                found.append([place, place + PAGE])
    return found


class Memory:
    """All that a process can read of itself, in pieces with their flags."""
    def __init__(self, pid):
        self.pieces = []
        with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as maps, \
                open(f"/proc/{pid}/mem", "rb", buffering=0) as file, \
                open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pages:
            place, count = None, 0
            for line in maps:
                if found := MAP.match(line):
                    place, count = (int(found[1], 16), int(found[2], 16)), 0
                    if line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                        place = None
                elif line.startswith(("Rss:", "Swap:")):
                    count += int(line.split()[1]) * 1024 // PAGE
                elif line.startswith("VmFlags:") and place:
                    self.pieces.append((self.bytes_of(file, runs(pages, *place, count)),
                                        line[8:].split()))
                elif "-" in line.split(" ")[0]:
                    place = None  # what it may not read itself

    @staticmethod
    def bytes_of(file, places):
        found = []
        for first, behind in places:
            file.seek(first)
            while first < behind and (piece := file.read(behind - first)):
                found.append(piece)
                first += len(piece)
        return b"".join(found)

    def places(self, text):
        """The flags of each place where the text is."""
        return [flags for data, flags in self.pieces for _ in range(data.count(text))]


def count(pid, text):
    return len(Memory(pid).places(text if isinstance(text, bytes) else text.encode()))


def master(report):
    """By file and by environment; and it is found at all, so the looking works."""
    for how in ("file", "environment"):
        key = secrets.token_hex(32)
        server = florin.Server()
        if how == "file":
            path = os.path.join(server.home, "master.key")
            with open(path, "w", encoding="ascii") as file:
                file.write(key)
            os.chmod(path, 0o600)
            server.config = {"encryption": {"master_key_file": path}}
        else:
            server.environment["FLORIN_MASTER_KEY"] = key
        try:
            server.start()
            with server.client() as client:
                for number in range(20):
                    client.post("/v1/wallets", {"owner": f"o{number}", "currency": "USD",
                                                "metadata": {"note": "quiet"}})
                client.request("DELETE", "/v1/owners/o1/data")
            memory = Memory(server.process.pid)
            places = memory.places(bytes.fromhex(key))
            report.equal(f"{how}: the master key is there once", len(places), 1)
            report.check(f"{how}: locked, and in no dump",
                         places and {"lo", "dd"} <= set(places[0]), places)
            report.equal(f"{how}: its digits are nowhere", memory.places(key.encode()), [])
        finally:
            server.discard()


def old_master(report):
    """The one that was exchanged opens nothing any more, and is not kept."""
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    with florin.serving(environment={"FLORIN_MASTER_KEY": old}) as server:
        with server.client() as client:
            client.post("/v1/wallets", {"owner": "ann", "currency": "USD",
                                        "metadata": {"note": "quiet"}})
        server.environment = {"FLORIN_MASTER_KEY": new, "FLORIN_OLD_MASTER_KEY": old}
        server.restart()
        memory = Memory(server.process.pid)
        report.equal("the new master key is there once, the old one is not",
                     [len(memory.places(bytes.fromhex(key))) for key in (new, old)], [1, 0])
        report.equal("nor are their digits",
                     [len(memory.places(key.encode())) for key in (new, old)], [0, 0])


def api_keys(report):
    """A key is known as its hash; its text goes with the request that brought or made it."""
    with florin.serving() as server:
        admin = server.admin_secret
        report.equal("the first one, which stands in a file, is forgotten",
                     count(server.process.pid, admin.split("_")[2][:40]), 0)
        made = server.key("service")["secret"]
        with server.client(made) as client:
            report.equal("it works", client.get("/v1/wallets").status, 200)
        deadline = time.monotonic() + 30
        while (left := count(server.process.pid, made.split("_")[2][:40])) != 0 and \
                time.monotonic() < deadline:
            with server.client() as client:  # others use what is used again and again
                for _ in range(50):
                    client.get("/v1/wallets")
                client.post("/v1/batches", json.dumps({"operations": [{"type": "x"}] * 500}))
            time.sleep(0.1)
        report.equal("a new one is gone after its answer and its requests", left, 0)


def tls_key(report):
    with florin.serving() as before:
        home = before.home
        key, pem = os.path.join(home, "key.pem"), os.path.join(home, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-days",
                        "2", "-subj", "/CN=florin"], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, capture_output=True)
        with open(key, encoding="ascii") as file:  # GnuTLS has a copy without ends of lines
            text = "\n".join(file.read().splitlines()[1:3])
        server = florin.Server(config={"tls": {"certificate": pem, "key": key}})
        server.launch()
        try:
            deadline = time.monotonic() + 30
            while "https://" not in server.log() and time.monotonic() < deadline:
                time.sleep(0.05)
            report.equal("the text of the TLS key is wiped once it was read",
                         count(server.process.pid, text), 0)
        finally:
            server.discard()


def main():
    report = Report("secrets")
    try:
        with florin.serving() as server:
            report.check("the memory of a server can be looked at",
                         count(server.process.pid, server.data) > 0)
    except PermissionError:
        report.skip("all", "this machine lets nobody look into processes")
        report.finish()
        return
    report.run("master key", master)
    report.run("exchanged master key", old_master)
    report.run("API keys", api_keys)
    report.run("TLS key", tls_key)
    report.finish()


if __name__ == "__main__":
    main()
