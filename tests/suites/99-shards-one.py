#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One shard on one server costs what the plain engine does: the same commands send the database the
same statements. What both take of the processor for it is printed."""

import os
import socket
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
from proxy import Proxy, statements  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
TURNS, TRANSFERS = 4, 150
report = Report("shards one")


class Counter(Proxy):
    """Counts what is bound to each prepared statement of the engine."""
    def __init__(self, target):
        super().__init__(target)
        self.lock = threading.Lock()
        self.counts = {}

    def carry(self, client):
        server = socket.socket(socket.AF_UNIX)
        server.connect(os.path.join(self.target, ".s.PGSQL.5432"))
        back = threading.Thread(target=self.pass_on, args=(server, client, None), daemon=True)
        back.start()
        self.pass_on(client, server, self.read())
        back.join(10)

    @staticmethod
    def pass_on(source, target, reader):
        if reader is not None:
            next(reader)
        try:
            while data := source.recv(65536):
                if reader is not None:
                    reader.send(data)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def read(self):
        """What a client says, message by message: a first one without a letter, then B, n, ..."""
        names = statements()
        held, has_begun = b"", False
        while True:
            held += yield
            while len(held) >= 5:
                head = 1 if has_begun else 0
                size = head + int.from_bytes(held[head:head + 4], "big")
                if len(held) < size:
                    break
                message, held = held[:size], held[size:]
                if has_begun and message[:1] == b"B":
                    name = message[5:].split(b"\0", 2)[1]
                    with self.lock:
                        which = names[int(name[1:])] if name[1:].isdigit() else name.decode()
                        self.counts[which] = self.counts.get(which, 0) + 1
                has_begun = True

    def take(self):
        with self.lock:
            taken, self.counts = self.counts, {}
        return taken


def busy_ms(server):
    """What the process has taken of the processor."""
    with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


class Side:
    """Books, with a line to their database that counts."""
    def __init__(self, name, line):
        self.name = name
        self.line = line
        self.busy = 0
        self.turn = 0
        self.server = florin.Server(florin=BINARY)

    def begin(self):
        self.client = self.server.start().client()
        self.wallets = [self.client.post("/v1/wallets", {"owner": f"owner-{number}",
                                                         "currency": "EUR"}).json["id"]
                        for number in range(4)]
        for number, wallet in enumerate(self.wallets):
            self.client.post("/v1/deposits", {"wallet": wallet, "amount": 100000,
                                              "bank_transaction_id": f"first-{number}"})
        return self

    def play(self):
        """Returns what was bound to the statements of a payment."""
        self.turn += 1
        self.line.take()
        began = busy_ms(self.server)
        made = [self.client.post("/v1/transfers", {
            "from": self.wallets[number % 4], "to": self.wallets[(number + 1) % 4], "amount": 1},
            key=f"{self.turn}-{number}").status for number in range(TRANSFERS)]
        self.busy += busy_ms(self.server) - began
        report.equal(f"{self.name}: transfers", made, [201] * TRANSFERS)
        return {name: count for name, count in self.line.take().items()
                if count >= TRANSFERS / 2}  # what looks at the books now and then is no payment's


def beside_shards():
    one = shards.Shards(1)
    side = Side("one shard", Counter(one.clusters[0].socket))
    one.lines[side.server.data] = [side.line.folder]
    shards.serve_from(one)
    return side.begin()


def alone():
    one = cluster.Cluster()
    line = Counter(one.socket)
    one.line = line.folder
    cluster.serve_from(one)
    return Side("plain", line).begin()


def same(_, plain, one):
    for _turn in range(TURNS):
        bound, also = plain.play(), one.play()
        report.equal("a payment sends the same statements", sorted(also), sorted(bound))
        report.equal("as often", {name: round(count / TRANSFERS) for name, count in also.items()},
                     {name: round(count / TRANSFERS) for name, count in bound.items()})
    count = TURNS * TRANSFERS
    print(f"shards one: {1000 * plain.busy / count:.0f} us of the processor for a transfer on the "
          f"plain engine, {1000 * one.busy / count:.0f} us on one shard", flush=True)


PLAIN, ONE = alone(), beside_shards()
report.run("same", same, PLAIN, ONE)
for side in (PLAIN, ONE):
    report.equal("it stops in order", side.server.stop(), 0, side.server.log()[-2000:])
report.finish()
