#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts, with the books in a real PostgreSQL."""

import os
import re
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "encryption", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import sealed  # noqa: E402
from client import Unreachable  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)


def at_rest(server):
    """A dump of the database, with its bytes as bytes, and the server's log."""
    dump = CLUSTER.run("pg_dump", "-d", CLUSTER.url(CLUSTER.database_for(server.data)))
    if "data_keys" not in dump:
        raise AssertionError("there is nothing at rest")
    with open(server.log_path, "rb") as file:
        found = [file.read(), dump.encode()]
    return b"\n".join(found + [bytes.fromhex(digits) for digits in re.findall(
        r"\\\\x((?:[0-9a-f]{2})+)", dump)])


def two_nodes(report, server, _):
    """What one node seals the other opens; what one destroys is gone on the other at once."""
    other = beside(server, config=server.config)
    try:
        other.start()
        ann = sealed.Life(server, "ann")
        with other.client(server.admin_secret) as client, server.client() as own:
            report.equal("the other node reads", ann.read(client), ann.told)
            wallet = f"/v1/wallets/{ann.wallet}"
            again = {"cache-control": "max-age=60"}
            client.request("GET", wallet, headers=again)
            own.request("DELETE", "/v1/owners/ann/data")
            report.equal("gone at once, also what was kept", [
                client.request("GET", wallet, headers=again).get("metadata"),
                client.get(wallet).get("metadata")], [None, None])
            made = client.post("/v1/deposits", {"wallet": ann.wallet, "amount": 1, "reference":
                                                sealed.text("new"), "bank_transaction_id": "new"})
            report.equal("new texts of either are read by both", [
                who.get(f"/v1/transactions/{made['id']}").get("reference")
                for who in (client, own)], [sealed.text("new")] * 2)
    finally:
        other.discard()


def backup(server):
    """The database as a backup of its files would have it."""
    copy = florin.Server(florin=BINARY, config=server.config)
    name, new = CLUSTER.database_for(server.data), f"backup_{os.path.basename(copy.home)[-8:]}"
    CLUSTER.sql(f'CREATE DATABASE "{new}" TEMPLATE {name}', "postgres")
    CLUSTER.databases[copy.data] = new
    os.makedirs(copy.data, mode=0o700)
    return copy


def beside(server, **more):
    """Another node of the same books."""
    other = florin.Server(florin=BINARY, data=server.data + "-other", **more)
    CLUSTER.databases[other.data] = CLUSTER.database_for(server.data)
    os.makedirs(other.data, mode=0o700)
    return other


class Writer(threading.Thread):
    """Deposits with texts, one after another, until told to stop; what was said to each."""
    def __init__(self, server, secret, wallet, name):
        super().__init__()
        self.client, self.wallet, self.tag = server.client(secret), wallet, name
        self.done, self.statuses, self.enough = {}, [], threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            number = f"{self.tag}-{len(self.statuses)}"
            try:
                answer = self.client.post("/v1/deposits", {
                    "wallet": self.wallet, "amount": 1, "bank_transaction_id": number,
                    "reference": sealed.text(number)}, key=number)
            except Unreachable:
                break
            self.statuses.append(answer.status)
            if answer.status == 201:
                self.done[answer["id"]] = sealed.text(number)

    def end(self):
        self.enough.set()
        self.join(60)


def node_without_key(report, server, _):
    """A node that ran on plainly when another began to encrypt: it writes nothing more."""
    config = server.config
    plain = florin.Server(florin=BINARY)
    other = beside(plain, config=config)
    try:
        plain.start()
        secret = plain.admin_secret
        with plain.client() as client:
            wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"})["id"]
        writers = [Writer(plain, secret, wallet, f"plain-{i}") for i in range(4)]
        within(120, lambda: sum(len(w.done) for w in writers) > 40)
        other.start()
        report.check("the plain one refuses", within(120, lambda: all(
            w.statuses[-1] == 503 for w in writers)), [w.statuses[-3:] for w in writers])
        for writer in writers:
            writer.end()
        late = [status for w in writers for status in w.statuses[w.statuses.index(503):]]
        report.equal("for good", set(late), {503})
        report.check("says why", "start this node again with that master key" in plain.log(),
                     plain.log()[-500:])
        report.check("and takes no requests", within(120, lambda: florin.Client(
            plain.port).get("/readyz").status == 503))
        with other.client(secret) as client:
            begun = client.post("/v1/deposits", {"wallet": wallet, "amount": 1, "reference":
                                                 sealed.text("sealed"),
                                                 "bank_transaction_id": "sealed"})
            found = [record for record in at_rest(other).split(b"\n") if b"sealed" in record and
                     sealed.MARK.encode() in record]
            report.equal("the other one encrypts", found, [])
            done = {place: told for w in writers for place, told in w.done.items()}
            report.equal("what was answered is there", {place: client.get(
                f"/v1/transactions/{place}").get("reference") for place in done}, done)
            told = client.request("DELETE", "/v1/owners/ann/data")
            newest = max(client.get(f"/v1/transactions/{place}")["created_at"] for place in done)
            report.check("no plain text is younger than the answer says",
                         newest <= told["plain_until"] <= begun["created_at"], (newest, told.json))
        plain.config = config
        plain.restart()
        with plain.client() as client:
            report.equal("with the key it serves again", client.post("/v1/deposits", {
                "wallet": wallet, "amount": 1, "bank_transaction_id": "again"}).status, 201)
        sealed.finish(report, "node without key", plain)
    finally:
        other.discard()
        plain.discard()


def exchange_under_load(report, server, _):
    """The master key is exchanged while another node writes: nothing of its is lost or half."""
    new = sealed.key_file(server, "new.key")
    ann = sealed.Life(server, "ann")
    other = beside(server, config={"encryption": {
        "master_key_file": new,
        "old_master_key_file": server.config["encryption"]["master_key_file"]}})
    try:
        secret = server.admin_secret
        writers = [Writer(server, secret, ann.wallet, f"load-{i}") for i in range(4)]
        within(120, lambda: sum(len(w.done) for w in writers) > 40)
        other.start()
        report.check("the node with the old key refuses", within(120, lambda: all(
            w.statuses[-1] == 503 for w in writers)), [w.statuses[-3:] for w in writers])
        for writer in writers:
            writer.end()
        done = {place: told for w in writers for place, told in w.done.items()}
        server.config = {"encryption": {"master_key_file": new}}
        server.restart()
        for node in (server, other):
            with node.client(secret) as client:
                report.equal("all that was answered is readable", {place: client.get(
                    f"/v1/transactions/{place}").get("reference") for place in done}, done)
                for place in ann.places[2:3]:
                    report.equal("and what was there before", client.get(place).json,
                                 ann.told[place])
    finally:
        other.discard()


if __name__ == "__main__":
    sealed.run_all("postgres encryption", BINARY, at_rest, backup, (
        ("two nodes", two_nodes), ("node without key", node_without_key),
        ("exchange under load", exchange_under_load)))
