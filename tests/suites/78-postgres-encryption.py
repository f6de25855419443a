#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts, with the books in a real PostgreSQL."""

import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "encryption", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import sealed  # noqa: E402

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
    other = florin.Server(florin=BINARY, data=server.data + "-other", config=server.config)
    CLUSTER.databases[other.data] = CLUSTER.database_for(server.data)
    try:
        os.makedirs(other.data, mode=0o700)
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


sealed.TESTS += (("two nodes", two_nodes),)
sealed.run_all("postgres encryption", BINARY, at_rest)
