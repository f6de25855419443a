# SPDX-License-Identifier: MIT
"""A small shop in the books of a server, and the operator's page over it in headless Chromium."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROOT = os.path.abspath(os.path.join(TESTS, ".."))
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules")]

from client import Client  # noqa: E402
from florin import serving  # noqa: E402
import rules  # noqa: E402

WITH_NODE = os.path.join(ROOT, "tools", "with_node.sh")
MODULES = os.path.join(ROOT, "build", "web-tests")

# For wallets of merchants alone, so that nobody else is stopped.
LIMITS = [{"kind": "merchant", "currency": "USD", "per_transaction": 75_000, "per_day": 100_000,
           "per_month": 1_000_000},
          {"kind": "merchant", "tier": 2, "currency": "USD", "per_day": 500_000}]

# What the shop does hits none of them, only what is made to be reviewed.
RULES = [
    rules.rule("large-transfer", "hold", amount=40_000, percent_of_available=10,
               operations=["transfer"], score=85),
    rules.rule("fresh-withdrawal", amount=30_000, first_withdrawal=True, seconds_since_deposit=3600,
               operations=["withdrawal"], score=70),
]


def skip(reason):
    print(reason)
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(0)


def install_driver():
    """playwright-core, in the version and with the checksum of the lock file."""
    os.makedirs(MODULES, exist_ok=True)
    with open(os.path.join(MODULES, "lock"), "w", encoding="utf-8") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # another suite may be about to
        fetch_driver()


def fetch_driver():
    lock = os.path.join(TESTS, "web", "package-lock.json")
    mark = os.path.join(MODULES, "fetched.json")
    if os.path.exists(mark) and open(mark, "rb").read() == open(lock, "rb").read():
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(os.path.join(TESTS, "web", name), MODULES)
    done = subprocess.run([WITH_NODE, "npm", "ci", "--ignore-scripts", "--silent"], cwd=MODULES,
                          check=False, timeout=300)
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
    part = post(client, "/v1/holds", {"wallet": customer, "merchant": merchant, "amount": 3300,
                                      "order": "order-1009"})["id"]
    capture = post(client, f"/v1/holds/{part}/capture", {"amount": 3000})["id"]
    post(client, "/v1/withdrawals", {"wallet": customer, "amount": 1500})
    bakery = post(client, "/v1/wallets",
                  {"owner": "bakery", "currency": "USD", "kind": "merchant"})["id"]
    post(client, "/v1/purchases", {"wallet": customer, "merchant": bakery, "amount": 150_000})
    post(client, "/v1/withdrawals", {"wallet": bakery, "amount": 62_500})
    return {"bakery": bakery, "owner": owner, "customer": customer, "friend": friend,
            "merchant": merchant, "purchase": purchase, "order": "order-1007", "capture": capture}


def make_anomalies(client, service, shop):
    """Payments of one customer that rules hold and flag; the ids of their findings by what
    somebody is to do with them."""
    carol = post(client, "/v1/wallets", {"owner": "carol", "currency": "USD"})["id"]
    for i in range(10):
        post(client, "/v1/deposits", {"wallet": carol, "amount": 31000 + 1700 * (i % 4),
                                      "bank_transaction_id": f"salary-{i}"})
        post(client, "/v1/purchases", {"wallet": carol, "merchant": shop["merchant"],
                                       "amount": 9000 + 1300 * (i % 3), "order": f"carol-{i}"})
        if os.environ.get("PICTURES"):
            time.sleep(1.5)  # a life that can be seen
    held = {"from": carol, "to": shop["friend"]}
    found = {"reject": post(service, "/v1/transfers", dict(held, amount=45_678))["id"],
             "approve": post(service, "/v1/transfers", dict(held, amount=43_210))["id"],
             "own": post(client, "/v1/transfers", dict(held, amount=40_404))["id"]}
    post(service, "/v1/withdrawals", {"wallet": carol, "amount": 31_415})
    flagged = client.request("GET", "/v1/anomalies?rule=fresh-withdrawal").json["items"]
    assert len(flagged) == 1, flagged
    return dict(found, dismiss=flagged[0]["id"], wallet=carol)


def total(client):
    """The money in the system, as the page writes it."""
    books = client.request("GET", "/check-integrity").json["currencies"]
    assert [one["currency"] for one in books] == ["USD"], books
    return f"{books[0]['wallet_balances'] / 100:,.2f}"


OWN_ROLES = {"teller": {"number": 16, "permissions": ["wallets:read", "deposits:write"]},
             "machine": {"number": 17, "permissions": ["deposits:write"]}}


def run(damage=None):
    """Ends the program. `damage`: of a server the command that makes its books differ; without it
    a byte of its journal becomes another one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        skip("there is no chromium here")
    install_driver()
    config = {**rules.config(RULES), "roles": OWN_ROLES, "alarm_stops_payments": 1,
              "spending_limits": LIMITS, "recount_mib_per_s": 0}
    with serving(config=config) as server:
        client = Client(server.port, server.admin_secret)
        shop = make_shop(client)
        keys = {"admin": server.admin_secret}
        for role in ("auditor", "service", "operator", "support", *OWN_ROLES):
            made = post(client, "/v1/keys", {"name": f"page {role}", "role": role})
            keys[role], shop[f"{role}_key"] = made["secret"], made["id"]
        operator = Client(server.port, keys["operator"])
        shop["approval"] = post(operator, "/v1/adjustments", {
            "wallet": shop["friend"], "direction": "credit", "amount": 1234,
            "reason": "goodwill"})["id"]
        service = Client(server.port, keys["service"])
        post(service, "/v1/deposits", {"wallet": shop["friend"], "amount": 777,
                                       "bank_transaction_id": "by-service"})
        shop["anomalies"] = make_anomalies(client, service, shop)
        shop["total"] = total(client)
        environment = dict(os.environ, FLORIN_URL=f"http://127.0.0.1:{server.port}",
                           FLORIN_KEYS=json.dumps(keys), FLORIN_SHOP=json.dumps(shop),
                           FLORIN_DATA=server.data, CHROMIUM=chromium, MODULES=MODULES,
                           FLORIN_DAMAGE="" if damage is None else damage(server))
        page = os.path.join(TESTS, "web", "page.mjs")
        done = subprocess.run([WITH_NODE, "node", page], check=False,
                              env=environment, timeout=600)
    sys.exit(done.returncode)
