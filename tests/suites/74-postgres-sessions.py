#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the node's sessions do, as the server logs it: who writes money does so in a SERIALIZABLE
transaction, who reads has one snapshot and may write nothing, and no word of a client is ever in
the text of a statement."""

import os
import random
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
WORD = "quetzal"  # in all that clients say here, and nowhere else
WRITING = "SERIALIZABLE"
READING = "REPEATABLE READ READ ONLY"
MONEY = "wallets|holds|withdrawals|refunds|approvals|records|postings|rounds|idempotency|bank_ids"
LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[(\d+)\] LOG:  (?:statement|execute \w+): (.*)$")


def statements(log):
    """Each statement that a client sent: its session, how its transaction began, and its text."""
    began = {}
    for line in log.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        session, text = found.groups()
        if text.startswith("BEGIN"):
            began[session] = text.partition("ISOLATION LEVEL ")[2] or "as usual"
        yield session, began.get(session), text
        if text.startswith(("COMMIT", "ROLLBACK")):
            began.pop(session, None)


def a_day(client, day):
    """Some of everything that clients do."""
    def made(path, body):
        return client.post(path, body, key=f"{WORD}-{random.random()}")

    anna, shop = (made("/v1/wallets", {"owner": f"{WORD}-{kind}", "currency": "USD", "kind": kind,
                                       "metadata": {WORD: kind}})["id"]
                  for kind in ("customer", "merchant"))
    made("/v1/deposits", {"wallet": anna, "amount": 1000, "bank_transaction_id": f"{WORD} {day}-1"})
    bought = made("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 9,
                                    "order": f"{WORD} 2", "reference": WORD})["id"]
    made("/v1/refunds", {"purchase": bought, "amount": 3, "reason": WORD})
    hold = made("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 5})["id"]
    made(f"/v1/holds/{hold}/capture", {"amount": 5})
    out = made("/v1/withdrawals", {"wallet": anna, "amount": 7})["id"]
    made(f"/v1/withdrawals/{out}/settle", {"bank_transaction_id": f"{WORD} {day}-3"})
    made("/v1/batches", {"operations": [{"type": "transfer", "from": anna, "to": shop,
                                         "amount": 1, "reference": WORD}] * 3})
    client.patch(f"/v1/wallets/{anna}", {"metadata": {"more": WORD}})
    paths = [f"wallets/{anna}", f"wallets/{anna}/balance", f"wallets/{anna}/transactions",
             f"wallets?owner={WORD}-customer", f"wallets?owner={WORD}'--", "transactions",
             f"transactions?order={WORD}%202", f"transactions?bank_transaction_id={WORD}%20{day}-1",
             f"transactions/{bought}", f"holds/{hold}", f"holds?order={WORD}", f"withdrawals/{out}",
             "withdrawals", f"audit?principal={WORD}", f"wallets/{anna}/balance?at=2999-01-01"]
    return [(path, client.get("/v1/" + path).status) for path in paths]


def as_logged(report):
    path = os.path.join(CLUSTER.home, "server.log")
    with florin.serving(florin=BINARY) as server, server.client(timeout=60.0) as client:
        a_day(client, 0)  # plans and statements are made at first use
        CLUSTER.setting("log_parameter_max_length", "0")
        CLUSTER.setting("log_statement", "all")
        report.check("statements are logged", within(120, lambda: CLUSTER.sql(
            "SHOW log_statement", "postgres") == "all"))
        start = os.path.getsize(path)
        answers = a_day(client, 1)
        report.check("all is answered", all(status in (200, 400) for _, status in answers), answers)
        CLUSTER.setting("log_statement", "none")
        with open(path, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            log = file.read()
    report.check("no word of a client is in a statement", WORD not in log,
                 [line for line in log.splitlines() if WORD in line][:3])
    seen = set()
    for _, began, text in statements(log):
        money = re.search(rf"\b(?:{MONEY})(?:_\d)?\b", text)
        writes = re.search(rf"\b(?:INSERT INTO|UPDATE|DELETE FROM) (?:{MONEY})(?:_\d)?\b", text)
        if writes or (money and "FOR UPDATE" in text):
            report.equal("money is written, and locked, at", began, WRITING, text)
            seen.add(WRITING)
        elif money and began is not None:
            report.check("money is read at", began in (WRITING, READING), f"{began}: {text}")
            seen.add(began)
    report.equal("both were seen", seen, {WRITING, READING})


total = Report("postgres sessions")
cluster.serve_from(CLUSTER)
total.run("as the server logs it", as_logged)
total.finish()
