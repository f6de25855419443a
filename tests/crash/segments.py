# SPDX-License-Identifier: MIT
"""More than one segment of the journal: what lies far back is still known after a kill -9 and a
restart.

Fat batches fill several segments within seconds, with a key, a bank id and an order on every
operation. Then the oldest and the newest must be found alike: replays by key, duplicates by bank
id, orders, history, balances of the past. This is where an index that forgot to seal, merge or
reload something would show.
"""

import random
import time
from urllib.parse import quote

import florin

TARGET_BYTES = 700 * 1024 * 1024
BATCH = 600


class Filler:
    def __init__(self, server):
        self.server = server
        self.samples = []  # (key, operation, its result)
        self.count = 0
        with server.client() as client:
            self.wallets = [
                client.post("/v1/wallets", {"owner": f"w{n}", "currency": "USD"})["id"]
                for n in range(40)
            ]
            self.shop = client.post("/v1/wallets",
                                    {"owner": "shop", "currency": "USD", "kind": "merchant"})["id"]

    def operation(self, number):
        fat = {f"n{n}": "x" * 510 for n in range(32)}
        key = f"key-{number}"
        if number % 3:
            return {
                "type": "deposit", "wallet": self.wallets[number % 40], "amount": 10,
                "metadata": fat, "bank_transaction_id": f"bank-{number}", "idempotency_key": key
            }
        return {
            "type": "purchase", "wallet": self.wallets[number % 40], "merchant": self.shop,
            "amount": 1, "metadata": fat, "order": f"order-{number}", "idempotency_key": key
        }

    def fill(self, client, total_bytes):
        """Batches until so many bytes lie in the journal; a few of each are kept as samples."""
        written = 0
        while written < total_bytes:
            operations = [self.operation(self.count + index) for index in range(BATCH)]
            answer = client.post("/v1/batches", {"operations": operations})
            if answer.status != 200:
                raise AssertionError(f"{answer!r:.1000}")
            for index in (0, 1, BATCH - 1):
                self.samples.append((operations[index], answer["results"][index]))
            self.count += BATCH
            written += BATCH * 16_900


def single(operation):
    """An operation of a batch as a request of its own: path, body, key."""
    body = dict(operation)
    kind, key = body.pop("type"), body.pop("idempotency_key")
    return f"/v1/{kind}s", body, key


def check_samples(report, name, client, samples):
    wrong = []
    for operation, result in samples:
        path, body, key = single(operation)
        again = client.post(path, body, key=key)
        if not again.replayed or again.get("id") != result.get("id") or again.code != result.get(
                "code"):
            wrong.append(f"the key of {path} {key}: {again!r:.300}")
        if "code" in result:
            continue
        shown = client.get(f"/v1/transactions/{result['id']}")
        if shown.status != 200 or shown["created_at"] != result["created_at"]:
            wrong.append(f"reading {result['id']}: {shown!r:.300}")
        if operation["type"] == "deposit":
            duplicate = client.post("/v1/deposits", {**body, "amount": 11})
            if duplicate.code != "duplicate_bank_transaction" or result["id"] not in duplicate[
                    "detail"]:
                wrong.append(f"bank id {body['bank_transaction_id']}: {duplicate!r:.300}")
            found = client.list(
                f"/v1/transactions?bank_transaction_id={body['bank_transaction_id']}")
        else:
            found = client.list(f"/v1/transactions?order={body['order']}")
        if [item["id"] for item in found] != [result["id"]]:
            wrong.append(f"the list for {key}: {[item['id'] for item in found]}")
        side = result["credit" if operation["type"] == "deposit" else "debit"]
        past = client.get(f"/v1/wallets/{side['account']}/balance?at={quote(result['created_at'])}")
        if past.status != 200 or past["version"] < side["version"]:
            wrong.append(f"the balance at {result['created_at']}: {past!r}, expected {side}")
    report.check(f"{name}: {len(samples)} samples", not wrong, "\n".join(wrong[:10]))


def check_histories(report, name, client, filler):
    """Every wallet's whole history adds up, newest first."""
    wrong = []
    seen = 0
    for id_ in filler.wallets[:5]:
        wallet = client.get(f"/v1/wallets/{id_}").json
        balance, version = wallet["balance"], None
        for item in client.list(f"/v1/wallets/{id_}/transactions?limit=100"):
            side, sign = (item["credit"],
                          1) if item["credit"]["account"] == id_ else (item["debit"], -1)
            if side["balance"] != balance or version is not None and side["version"] >= version:
                wrong.append(f"{id_}: {item['id']} says {side}, expected {balance}")
                break
            balance -= sign * item["amount"]
            version = side["version"]
            seen += 1
        if balance != 0:
            wrong.append(f"{id_}: the history begins with {balance}")
    report.check(f"{name}: histories of {seen} transactions", not wrong, "\n".join(wrong[:10]))


def many_segments(report, binary, total_bytes=TARGET_BYTES):
    server = florin.Server(florin=binary)
    try:
        server.start()
        filler = Filler(server)
        began = time.monotonic()
        with server.client(timeout=60) as client:
            filler.fill(client, total_bytes)
            seconds = time.monotonic() - began
            print(f"segments: {filler.count} operations in {seconds:.1f} s", flush=True)
            dice = random.Random(3)
            samples = filler.samples[:6] + dice.sample(filler.samples, 40) + filler.samples[-6:]
            check_samples(report, "running", client, samples)
        server.kill()
        began = time.monotonic()
        server.start(60)
        print(f"segments: up again in {time.monotonic() - began:.2f} s after a kill -9", flush=True)
        with server.client(timeout=60) as client:
            check_samples(report, "after a kill -9", client, samples)
            check_histories(report, "after a kill -9", client, filler)
            filler.fill(client, BATCH * 16_900)
            problem = florin.integrity_problem(client.get("/check-integrity?depth=full"))
            report.check("integrity", problem is None, problem)
        report.equal("exit status", server.stop(), 0, server.log()[-2000:])
        began = time.monotonic()
        verified = server.verify()
        report.equal("verify", verified.returncode, 0, verified.stdout + verified.stderr)
        print(f"segments: verified in {time.monotonic() - began:.1f} s", flush=True)
        began = time.monotonic()
        server.start(60)
        print(f"segments: up again in {time.monotonic() - began:.2f} s after a clean stop",
              flush=True)
        with server.client(timeout=60) as client:
            check_samples(report, "after a clean stop", client, samples)
        report.equal("exit status in the end", server.stop(), 0)
    finally:
        server.discard()
