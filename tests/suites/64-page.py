#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The operator's page in headless Chromium, against a real server with a small shop in its books.
With PICTURES=FOLDER the screenshots of the documentation are made anew."""

import json
import os
import shutil
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROOT = os.path.abspath(os.path.join(TESTS, ".."))
sys.path.insert(0, os.path.join(TESTS, "lib"))

from client import Client  # noqa: E402
from florin import serving  # noqa: E402

MODULES = os.path.join(ROOT, "build", "web-tests")


def skip(reason):
    print(reason)
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def install_driver():
    """playwright-core, in the version and with the checksum of the lock file."""
    lock = os.path.join(TESTS, "web", "package-lock.json")
    mark = os.path.join(MODULES, "fetched.json")
    if os.path.exists(mark) and open(mark, "rb").read() == open(lock, "rb").read():
        return
    os.makedirs(MODULES, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(os.path.join(TESTS, "web", name), MODULES)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=MODULES, check=False,
                          timeout=300)
    if done.returncode != 0:
        skip("playwright-core cannot be had from npm")
    shutil.copy(lock, mark)


def post(client, path, body):
    answer = client.request("POST", path, body=body)
    assert answer.status in (200, 201, 202), (path, answer.status, answer.body)
    return answer.json


def make_shop(client):
    """A few wallets with a little history; what the browser will look for."""
    owner = "ann-marie"
    customer = post(client, "/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
    friend = post(client, "/v1/wallets", {"owner": "bob", "currency": "USD"})["id"]
    merchant = post(client, "/v1/wallets",
                    {"owner": "corner-shop", "currency": "USD", "kind": "merchant"})["id"]
    for i in range(12):
        post(client, "/v1/deposits", {"wallet": customer, "amount": 100000 + 3100 * i,
                                      "bank_transaction_id": f"bank-{i}"})
        post(client, "/v1/purchases", {"wallet": customer, "merchant": merchant,
                                       "amount": 14950 + 777 * i, "order": f"order-{100 + i}"})
    purchase = post(client, "/v1/purchases", {"wallet": customer, "merchant": merchant,
                                              "amount": 2000, "order": "order-1007"})["id"]
    post(client, "/v1/holds", {"wallet": customer, "merchant": merchant, "amount": 4200,
                               "order": "order-1008"})
    post(client, "/v1/withdrawals", {"wallet": customer, "amount": 1500})
    return {"owner": owner, "customer": customer, "friend": friend, "merchant": merchant,
            "purchase": purchase, "order": "order-1007", "total": "14,046.00"}


def main():
    chromium = shutil.which("chromium")
    if chromium is None or shutil.which("node") is None or shutil.which("npm") is None:
        skip("there is no chromium or no node here")
    install_driver()
    with serving() as server:
        client = Client(server.port, server.admin_secret)
        shop = make_shop(client)
        keys = {"admin": server.admin_secret}
        for role in ("auditor", "service", "operator", "support"):
            keys[role] = post(client, "/v1/keys", {"name": f"page {role}", "role": role})["secret"]
        operator = Client(server.port, keys["operator"])
        shop["approval"] = post(operator, "/v1/adjustments", {
            "wallet": shop["friend"], "direction": "credit", "amount": 1234,
            "reason": "goodwill"})["id"]
        environment = dict(os.environ, FLORIN_URL=f"http://127.0.0.1:{server.port}",
                           FLORIN_KEYS=json.dumps(keys), FLORIN_SHOP=json.dumps(shop),
                           CHROMIUM=chromium, MODULES=MODULES)
        done = subprocess.run(["node", os.path.join(TESTS, "web", "page.mjs")], check=False,
                              env=environment, timeout=600)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
