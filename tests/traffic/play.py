# SPDX-License-Identifier: MIT
"""Plays labelled traffic against a real server that lives in simulated time, and tells how many
frauds of each kind were found and how many findings are about honest people."""

import os
import struct
import subprocess
import time

import florin

HERE = os.path.dirname(os.path.abspath(__file__))
MISSING = "txn_01h455vb4pex5vsknk084sn02q"
STEP = 600  # seconds of the town's life that travel in one batch


class Clock:
    """A program's time: real time moved by what stands in a file."""
    def __init__(self):
        self.folder = florin.folder()
        self.path = os.path.join(self.folder, "clock")
        self.library = os.path.join(self.folder, "clock_shim.so")
        self.moved = self.waited = 0
        subprocess.run(["cc", "-std=gnu17", "-O1", "-shared", "-fPIC", "-o", self.library,
                        os.path.join(HERE, "clock_shim.c"), "-ldl"], check=True, timeout=60)
        self.write()

    def write(self):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("<qq", self.moved, self.waited))

    def go_to(self, seconds):
        """`seconds` since the epoch, forwards only."""
        self.moved = max(self.moved, int((seconds - time.time()) * 1e9))
        self.write()

    def wait(self, seconds):
        """So much is waited at once."""
        self.waited += int(seconds * 1e9)
        self.write()

    def environment(self):
        return {"LD_PRELOAD": self.library, "FLORIN_CLOCK": self.path}


class Play:
    def __init__(self, server, clock, town):
        self.server, self.clock, self.town = server, clock, town
        self.ids = {}
        self.names = {}
        self.start = (time.time() // 86400 + 120) * 86400  # a midnight, with a past before it
        self.made = {}  # numbers of operations to ids
        self.fraud_of_transaction = {}
        self.transactions = 0
        self.refused = {}

    def open_wallets(self, client, until):
        while self.town.wallets and self.town.wallets[0][0] <= until:
            at, name, kind = self.town.wallets.pop(0)
            self.clock.go_to(self.start + at)
            made = client.post("/v1/wallets", {"owner": name, "currency": "EUR", "kind": kind})
            if made.status != 201:
                raise AssertionError(f"{made!r}")
            self.ids[name], self.names[made["id"]] = made["id"], name

    def operation(self, given):
        operation = dict(given)
        wallet = self.ids[operation.pop("wallet")]
        operation.pop("number")
        if operation["type"] == "refund":
            return dict(operation, purchase=self.made.get(operation["purchase"], MISSING))
        operation["from" if operation["type"] == "transfer" else "wallet"] = wallet
        for name in ("to", "merchant"):
            if name in operation:
                operation[name] = self.ids[operation[name]]
        return operation

    def send(self, client, events):
        # What is of one second travels together: a batch has one time.
        for begin in range(0, len(events), 1000):
            part = events[begin:begin + 1000]
            answer = client.post("/v1/batches", {
                "operations": [self.operation(given) for _, given, _ in part]})
            if answer.status != 200:
                raise AssertionError(f"{answer!r:.500}")
            for (_, given, fraud), result in zip(part, answer["results"]):
                if "code" in result:
                    kind = fraud[0] if fraud else "honest"
                    self.refused[kind] = self.refused.get(kind, 0) + 1
                    continue
                self.transactions += 1
                self.made[given["number"]] = result["id"]
                if fraud:
                    # A withdrawal that is settled at once names its transaction.
                    self.fraud_of_transaction[result.get("transaction", result["id"])] = fraud

    def run(self):
        with self.server.client(timeout=60) as client:
            events = self.town.events
            place = 0
            while place < len(events):
                step = events[place][0] // STEP
                end = place
                while end < len(events) and events[end][0] // STEP == step:
                    end += 1
                self.open_wallets(client, step * STEP + STEP)
                self.clock.go_to(self.start + step * STEP + STEP)
                self.send(client, events[place:end])
                place = end

    def judge(self, findings):
        """Per kind: cases found of all; and the findings that name no fraud."""
        found, alarms = set(), []
        for finding in findings:
            cases = {self.fraud_of_transaction[id_] for id_ in finding["transactions"]
                     if id_ in self.fraud_of_transaction}
            found |= cases
            if not cases:
                alarms.append(finding)
        cases = set(self.fraud_of_transaction.values())
        recall = {}
        for kind in sorted({kind for kind, _ in cases}):
            all_ = {case for case in cases if case[0] == kind}
            recall[kind] = (len(all_ & found), len(all_))
        return recall, alarms
