# SPDX-License-Identifier: MIT
"""A shop behind the queue: a server, wallets, commands that are queued, and an independent checker
that compares what was acknowledged with the books."""

import hashlib
import hmac
import json
import time
import uuid

import florin
from client import Client, Unreachable

TOPIC = "florin.commands"
VERSION = b"1"


def config(cluster, **more):
    kafka = {"brokers": cluster.line, "replicas": min(3, len(cluster.brokers)),
             "min_insync": min(2, len(cluster.brokers)), "partitions": 4}
    kafka.update(more)
    settings = {"kafka": kafka}
    for name in ("request_deadline_ms", "idempotency_days", "spending_limits", "rate_limits",
                 "postgres_turn", "http_threads", "tokens", "rules", "approvals", "roles"):
        if name in kafka:
            settings[name] = kafka.pop(name)
    return settings


# ---- what another producer needs to know (docs/kafka.md) ----

def slot_of(identifier):
    """The slot in an id: ten bits behind the version of its UUIDv7."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for digit in identifier.rpartition("_")[2]:
        number = number * 32 + digits.index(digit)
    return number >> 66 & 1023


def murmur2(key):
    seed, multiply, mask = 0x9747b28c, 0x5bd1e995, 0xffffffff
    value = (seed ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at:at + 4], "little") * multiply & mask
        word = (word ^ word >> 24) * multiply & mask
        value = (value * multiply & mask) ^ word
    rest = key[whole:]
    if rest:
        for index in range(len(rest) - 1, -1, -1):
            value ^= rest[index] << 8 * index
        value = value * multiply & mask
    value = (value ^ value >> 13) * multiply & mask
    return value ^ value >> 15


def partition_of(key, partitions):
    return (murmur2(key) & 0x7fffffff) % partitions


def proof(secret, topic, key, principal, value):
    """HMAC-SHA256 with the SHA-256 of the API key's secret."""
    parts = [b"florin-v1", topic.encode(), key, principal.encode(), b"", value]
    digest = hmac.new(hashlib.sha256(secret.encode()).digest(), b"\n".join(parts), hashlib.sha256)
    return ("key " + digest.hexdigest()).encode()


def headers_of(secret, principal, key, value, topic=TOPIC):
    return [("florin-version", VERSION), ("florin-principal", principal.encode()),
            ("florin-proof", proof(secret, topic, key, principal, value))]


def payment(payer, payee, amount, name):
    """The value of a record: a transfer whose key and reference are `name`."""
    return json.dumps({"type": "transfer", "idempotency_key": name, "from": payer, "to": payee,
                       "amount": amount, "reference": name}).encode()


class Shop:
    def __init__(self, cluster, binary, server=None, **more):
        self.cluster = cluster
        self.server = server or florin.Server(binary, config=config(cluster, **more))
        self.server.start()
        self.secret = self.server.admin_secret
        self.acknowledged = {}  # operation id -> (from, to, amount, key)

    def client(self, timeout=30.0):
        return self.server.client(self.secret, timeout)

    def open(self, owner, kind="customer", money=0):
        with self.client() as client:
            wallet = client.post("/v1/wallets", {"owner": owner, "currency": "EUR", "kind": kind})
            assert wallet.status in (200, 201, 202), wallet
            identifier = wallet["id"]
            if identifier.startswith("op_"):
                identifier = self.outcome(identifier)["result"]["id"]
            if money:
                deposit = client.post("/v1/deposits", {
                    "wallet": identifier, "amount": money,
                    "bank_transaction_id": f"B-{uuid.uuid4()}"})
                assert deposit.status in (200, 201), deposit
        return identifier

    def open_in_each(self, partitions, money):
        """A payer in each partition."""
        found = {}
        for number in range(1000):
            if len(found) == partitions:
                break
            payer = self.open(f"payer{number}")
            place = partition_of(str(slot_of(payer)).encode(), partitions)
            found.setdefault(place, payer)
        with self.client() as client:
            for payer in found.values():
                deposit = client.post("/v1/deposits", {
                    "wallet": payer, "amount": money, "bank_transaction_id": f"B-{uuid.uuid4()}"})
                assert deposit.status == 201, deposit
        return [found[place] for place in sorted(found)]

    def queue(self, client, path, body, key=None, **headers):
        return client.post(path, body, key=key or str(uuid.uuid4()),
                           headers={"Prefer": "respond-async", **headers})

    def outcome(self, operation, timeout=120.0):
        deadline = time.monotonic() + timeout
        with self.client() as client:
            while True:
                answer = client.get(f"/v1/operations/{operation}", headers={"Prefer": "wait=5"})
                assert answer.status == 200, answer
                if answer["status"] != "queued" or time.monotonic() > deadline:
                    return answer.json

    def balance(self, wallet):
        with self.client() as client:
            return client.get(f"/v1/wallets/{wallet}")["balance"]

    def metric(self, name, server=None):
        """A number of /metrics, which needs no key on this machine."""
        with Client((server or self.server).port, timeout=20.0) as client:
            for line in client.get("/metrics").body.decode().splitlines():
                if line.startswith(f"florin_{name} "):
                    text = line.split()[1]
                    return float(text) if "." in text else int(text)
        return None

    def metric_or(self, name, default, server):
        """The same of a server that may be gone."""
        try:
            found = self.metric(name, server)
        except (Unreachable, OSError):
            found = None
        return default if found is None else found

    def wait_for(self, condition, timeout=180.0, what="something"):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}:\n{self.server.log()[-2000:]}")

    def recent(self, wallet):
        """Its newest transactions."""
        with self.client() as client:
            return client.get(f"/v1/wallets/{wallet}/transactions?limit=20")["items"]

    def history(self, wallet):
        with self.client() as client:
            return list(client.list(f"/v1/wallets/{wallet}/transactions"))


def check(report, name, shop, acknowledged, wallets, opening):
    """Each acknowledged command exactly once, in order per payer, sums right. `acknowledged`: lists
    of (reference, payer, payee, amount) per payer, in the order in which they were acknowledged."""
    seen = {}
    expected = dict(opening)
    for payer, orders in acknowledged.items():
        references = [order[0] for order in orders]
        booked = [t["reference"] for t in reversed(shop.history(payer))
                  if t.get("reference") in set(references)]
        report.equal(f"{name}: each once, in order", booked, references)
        for reference, source, target, amount in orders:
            seen[reference] = seen.get(reference, 0) + 1
            expected[source] -= amount
            expected[target] += amount
    for wallet in wallets:
        report.equal(f"{name}: balance", shop.balance(wallet), expected[wallet])
    with shop.client() as client:
        integrity = client.get("/check-integrity?depth=full")
    report.equal(f"{name}: books", florin.integrity_problem(integrity), None)
    return json.dumps(seen)
