# SPDX-License-Identifier: MIT
"""One node whose books lie on two shards, and wallets on the one that is asked for."""

import florin
import shards
from psql import Psql
from slots import patiently


class TwoShards:
    """The server, its clusters, and what tests ask of them. Places are 0 and 1."""
    def __init__(self, report, binary, timeout=20.0):
        self.report = report
        self.shards = shards.Shards(2)
        shards.serve_from(self.shards)
        self.server = florin.Server(florin=binary).start()
        self.key = self.server.data
        self.client = self.server.client(timeout=timeout)
        self.count = 0

    def sql(self, place, text):
        return self.shards.sql(place, text, self.key)

    def lock(self, place, text):
        """Somebody's psql that has forgotten its transaction there."""
        one = self.shards.clusters[place]
        return Psql(one, one.database_for(self.key), text)

    def open(self, place, kind="customer"):
        """A wallet there, in a slot that may move: 0 does not."""
        while True:
            self.count += 1
            made = patiently(lambda: self.client.post("/v1/wallets", {
                "owner": f"owner-{self.count}", "currency": "EUR", "kind": kind}))
            slot = shards.slot_of(made.json["id"])
            if slot != 0 and slot * 2 // 1024 == place:
                return made.json["id"]

    def deposit(self, wallet, bank):
        made = patiently(lambda: self.client.post("/v1/deposits", {
            "wallet": wallet, "amount": 10**6, "bank_transaction_id": bank}, key=bank))
        assert made.status == 201, made

    def pay(self, payer, payee, amount=1):
        return self.client.post("/v1/transfers", {"from": payer, "to": payee, "amount": amount})

    def balance(self, wallet):
        return self.client.get(f"/v1/wallets/{wallet}").json["balance"]

    def verifies(self, name):
        said = self.server.verify()
        self.report.equal(f"{name}: both shards verify", said.returncode, 0,
                          said.stdout + said.stderr)

    def ends(self):
        answer = self.client.get("/check-integrity?depth=full")
        self.report.equal("the books are right", answer.json["consistent"], True, answer)
        self.report.equal("it stops in order", self.server.stop(), 0, self.server.log()[-2000:])
        self.verifies("in the end")
