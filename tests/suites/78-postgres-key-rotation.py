#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keys that are rotated and revoked on one of two nodes: what the other one opens, what it refuses,
and what retries mean there."""

import os
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)


class Pair:
    """Two nodes of the same books, and an admin on the first."""
    def __init__(self, first):
        self.first = first
        self.second = florin.Server(data=first.data + "-other")
        CLUSTER.databases[self.second.data] = CLUSTER.database_for(first.data)
        os.makedirs(self.second.data, mode=0o700)
        self.second.start()
        self.admin = first.client()

    def rotate(self, key, **body):
        answer = self.admin.post(f"/v1/keys/{key['id']}/rotate", body)
        if answer.status != 200:
            raise AssertionError(f"{answer!r}")
        return answer.json

    def reads(self, node, secret):
        with node.client(secret) as client:
            return client.get("/v1/wallets").status

    def pays(self, node, secret, body, key):
        with node.client(secret) as client:
            return client.post("/v1/transfers", body, key=key)


def rotation(report, pair, payment):
    key = pair.first.key("service")
    paid = pair.pays(pair.first, key["secret"], payment, "before")
    report.equal("paid", paid.status, 201, paid)
    report.check("the other node knows a new key", within(
        30, lambda: pair.reads(pair.second, key["secret"]) == 200))
    turned = pair.rotate(key, overlap=3600)
    report.check("and its new secret", within(
        30, lambda: pair.reads(pair.second, turned["secret"]) == 200))
    for name, secret in (("new", turned["secret"]), ("old", key["secret"])):
        for node in (pair.first, pair.second):
            again = pair.pays(node, secret, payment, "before")
            report.equal(f"a retry with the {name} secret is the same request",
                         (again.status, again.get("id"), again.replayed),
                         (201, paid["id"], True), again)
    with pair.admin as client:
        entries = client.get("/v1/audit?operation=rotateKey")["items"]
        report.equal("the audit has the rotation, once, of whom and by whom",
                     [(entry["outcome"], entry.get("resource")) for entry in entries],
                     [("ok", key["id"])], entries)
        report.check("and no secret", turned["secret"] not in str(entries))
    once_more = pair.rotate(key, overlap=3600)
    report.check("only the last secret overlaps", within(120, lambda: [
        pair.reads(pair.second, secret) for secret in (
            key["secret"], turned["secret"], once_more["secret"])] == [401, 200, 200]))
    pair.rotate(key, overlap=1)
    report.check("an overlap ends on both", within(120, lambda: [
        pair.reads(node, once_more["secret"]) for node in (pair.first, pair.second)] == [401] * 2))


def revocation(report, pair, payment):
    key = pair.first.key("service")
    turned = pair.rotate(key, overlap=3600)
    secrets = (key["secret"], turned["secret"])
    report.check("both open both", within(120, lambda: all(
        pair.reads(node, secret) == 200 for node in (pair.first, pair.second)
        for secret in secrets)))
    report.equal("revoked", pair.admin.delete(f"/v1/keys/{key['id']}").status, 204)
    for secret in secrets:
        for node in (pair.second, pair.first):
            answer = pair.pays(node, secret, payment, "after")
            report.equal("neither pays anywhere, from the very next request on",
                         (answer.status, answer.code), (401, "unauthenticated"), answer)
    report.check("and neither reads", within(120, lambda: all(
        pair.reads(node, secret) == 401 for node in (pair.first, pair.second)
        for secret in secrets)))
    report.equal("what is revoked is not rotated", pair.admin.post(
        f"/v1/keys/{key['id']}/rotate", {}).status, 404)


def at_once(report, pair, _):
    """Rotated on both nodes at the same time, again and again: the last two secrets open, or the
    last alone, and no other."""
    key = pair.first.key("auditor")
    made, failed = [key["secret"]], []

    def rotate(node):
        with node.client(pair.first.admin_secret) as client:
            for _ in range(8):
                answer = client.post(f"/v1/keys/{key['id']}/rotate", {"overlap": 3600})
                (made if answer.status == 200 else failed).append(
                    answer["secret"] if answer.status == 200 else answer)

    threads = [threading.Thread(target=rotate, args=(node,)) for node in (pair.first, pair.second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.equal("all were rotated", (len(set(made)), failed), (17, []))
    for node in (pair.first, pair.second):
        report.check("two of all secrets open", within(120, lambda node=node: sorted(
            pair.reads(node, secret) for secret in made) == [200] * 2 + [401] * 15))


def main():
    report = Report("postgres key rotation")
    with florin.serving() as first:
        pair = Pair(first)
        try:
            with first.client() as client:
                wallets = [client.post("/v1/wallets", {"owner": owner, "currency": "USD",
                                                       "credit_limit": 100})["id"]
                           for owner in ("ann", "bob")]
            payment = {"from": wallets[0], "to": wallets[1], "amount": 1}
            for test in (rotation, revocation, at_once):
                report.run(test.__name__, test, pair, payment)
            for node in (pair.second, pair.first):
                report.equal("no trouble", node.trouble(), [])
                report.equal("ends", node.stop(), 0)
        finally:
            pair.second.discard()
    report.finish()


if __name__ == "__main__":
    main()
