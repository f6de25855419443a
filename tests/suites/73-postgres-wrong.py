#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests that are wrong in every way that comes to mind, sent to both engines: each is refused
with its code and status, and with a sentence that says what is wrong, the same on both."""

import json
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
from client import Client  # noqa: E402
from florin import serving  # noqa: E402
from report import Report  # noqa: E402

CONFIG = {"approvals": {"above": {"USD": 100_000}},
          "spending_limits": [{"kind": "customer", "tier": 3, "currency": "USD", "per_day": 50}]}
THINGS = {"wallet": "a wallet", "txn": "a transaction", "hold": "a hold", "wdl": "a withdrawal",
          "key": "an API key", "apr": "an approval", "anm": "an anomaly"}
LARGEST = 9_007_199_254_740_991


def make(client, path, body):
    answer = client.post(path, body)
    assert answer.status in (200, 201, 202), (path, answer)
    return answer["id"]


def furnish(client):
    """A few things of each kind, by what they are called below."""
    ids = {name: make(client, "/v1/wallets", dict(fields, owner=name)) for name, fields in {
        "ann": {"currency": "USD"}, "bob": {"currency": "USD"}, "eva": {"currency": "EUR"},
        "icy": {"currency": "USD"}, "shut": {"currency": "USD"},
        "bounded": {"currency": "USD", "tier": 3},
        "shop": {"currency": "USD", "kind": "merchant"}}.items()}
    for name in ("ann", "icy", "bounded"):
        ids[f"paid {name}"] = make(client, "/v1/deposits", {
            "wallet": ids[name], "amount": 50_000, "bank_transaction_id": name})
    for name, status in (("icy", "frozen"), ("shut", "closed")):
        assert client.patch(f"/v1/wallets/{ids[name]}", {"status": status}).status == 200
    ids["bought"] = make(client, "/v1/purchases", {
        "wallet": ids["ann"], "merchant": ids["shop"], "amount": 1000})
    for name in ("held", "voided"):
        ids[name] = make(client, "/v1/holds", {
            "wallet": ids["ann"], "merchant": ids["shop"], "amount": 500})
    assert client.post(f"/v1/holds/{ids['voided']}/void", {}).status == 200
    for name in ("leaving", "failed"):
        ids[name] = make(client, "/v1/withdrawals", {"wallet": ids["ann"], "amount": 300})
    assert client.post(f"/v1/withdrawals/{ids['failed']}/fail", {}).status == 200
    ids["waits"] = make(client, "/v1/adjustments", {
        "wallet": ids["ann"], "direction": "credit", "amount": 5, "reason": "x"})
    ids["revoked"] = make(client, "/v1/keys", {"name": "gone", "role": "service"})
    assert client.delete(f"/v1/keys/{ids['revoked']}").status == 204
    ids["admin"] = client.get("/v1/me")["id"]
    return ids


def nobody(known):
    """An id of that kind which nobody has."""
    return known[:-1] + ("0" if known[-1] != "0" else "1")


# Each of these gives method, path, body, HTTP status, code, and what the sentence must say.


def ids_in_paths(ids):
    samples = {"wallet": "ann", "txn": "bought", "hold": "held", "wdl": "leaving", "key": "admin",
               "apr": "waits"}
    for kind, path in (("wallet", "/v1/wallets/{}"), ("wallet", "/v1/wallets/{}/balance"),
                       ("wallet", "/v1/wallets/{}/transactions"),
                       ("wallet", "/v1/wallets/{}/limits"),
                       ("txn", "/v1/transactions/{}"), ("hold", "/v1/holds/{}"),
                       ("wdl", "/v1/withdrawals/{}"), ("key", "/v1/keys/{}"),
                       ("apr", "/v1/approvals/{}"), ("anm", "/v1/anomalies/{}")):
        wants = f"takes the id of {THINGS[kind]}, which is {kind}_ and 26 digits of base32"
        for other, sample in samples.items():
            if other != kind:
                yield ("GET", path.format(ids[sample]), None, 404, "not_found",
                       f"{wants}; what stands there is the id of {THINGS[other]}.")
        for wrong in ("nonsense", f"{kind}_", f"{kind}_{'u' * 26}", "%ff"):
            yield "GET", path.format(wrong), None, 404, "not_found", f"{wants}."
        if kind in samples:
            absent = nobody(ids[samples[kind]])
            yield "GET", path.format(absent), None, 404, "not_found", f"{absent} does not exist"
    yield "GET", f"/v1/keys/{ids['revoked']}", None, 404, "not_found", "or is revoked"
    yield "DELETE", f"/v1/keys/{ids['revoked']}", None, 404, "not_found", "or is revoked"
    yield ("POST", f"/v1/holds/{ids['ann']}/capture", {}, 404, "not_found",
           "which is hold_ and 26 digits of base32; what stands there is the id of a wallet.")
    yield "GET", f"/v1/operations/{ids['ann']}", None, 404, "not_found", "Check the id"
    for path in ("/v1", "/v2/wallets", "/v1/wallet", "/v1/wallets/", "/v1/webhooks/x"):
        yield "GET", path, None, 404, "not_found", "No operation has this path"
    for method, path, allow in (("PUT", "/v1/wallets", "GET, HEAD, POST"),
                                ("GET", "/v1/transfers", "POST"),
                                ("POST", "/check-integrity", "GET, HEAD")):
        yield method, path, None, 405, "method_not_allowed", f"What this path answers is {allow}."


def ids_in_bodies(ids):
    pay = {"from": ids["ann"], "to": ids["bob"], "amount": 1}
    for field in ("from", "to"):
        for wrong in (ids["held"], ids["bought"], "nonsense", "", 17, None, [], {}, True):
            yield ("POST", "/v1/transfers", {**pay, field: wrong}, 400, "invalid_request",
                   f"/{field} must be the id of a wallet: wallet_ and 26 digits of base32")
        absent = nobody(ids["ann"])
        yield ("POST", "/v1/transfers", {**pay, field: absent}, 404, "not_found",
               f"Wallet {absent} does not exist")
        yield ("POST", "/v1/transfers", {**pay, field: ids["shut"]}, 409, "wallet_closed",
               f"Wallet {ids['shut']} is closed")
        yield ("POST", "/v1/transfers", {**pay, field: ids["eva"]}, 422, "currency_mismatch",
               "has the currency")
    yield ("POST", "/v1/transfers", {**pay, "from": ids["icy"]}, 409, "wallet_frozen",
           f"Wallet {ids['icy']} is frozen")
    yield ("POST", "/v1/transfers", {**pay, "to": ids["ann"]}, 422, "same_wallet",
           f"Wallet {ids['ann']} is payer and payee at once")
    yield ("POST", "/v1/purchases", {"wallet": ids["ann"], "merchant": ids["bob"], "amount": 1},
           422, "not_a_merchant", f"Wallet {ids['bob']} is not a merchant's")
    for wrong in (ids["ann"], ids["held"], "x"):
        yield ("POST", "/v1/refunds", {"purchase": wrong}, 400, "invalid_request",
               "/purchase must be the id of a transaction")
    yield ("POST", "/v1/refunds", {"purchase": ids["paid ann"]}, 422, "not_a_purchase",
           f"Transaction {ids['paid ann']} is not a purchase")
    yield ("POST", "/v1/refunds", {"purchase": nobody(ids["bought"])}, 404, "not_found",
           "does not exist")


def amounts(ids):
    for amount in ("-1", "0", "-0", "1.0", "1.5", "1e3", '"5"', "null", "true", "[1]", "{}",
                   "-9007199254740993", "9007199254740992", "9007199254740993",
                   "18446744073709551616", "1" + "0" * 40):
        yield ("POST", "/v1/transfers", (f'{{"from":"{ids["ann"]}","to":"{ids["bob"]}",'
                                         f'"amount":{amount}}}').encode(),
               400, "invalid_request", f"/amount must be an integer from 1 to {LARGEST}")
    yield ("POST", "/v1/transfers", {"from": ids["ann"], "to": ids["bob"], "amount": LARGEST},
           422, "insufficient_funds", f"Wallet {ids['ann']} can spend")
    yield ("POST", "/v1/deposits", {"wallet": ids["ann"], "amount": LARGEST,
                                    "bank_transaction_id": "much"},
           422, "balance_limit_exceeded", "beyond the 90071992547409.91 USD")
    yield ("POST", "/v1/transfers", {"from": ids["bounded"], "to": ids["bob"], "amount": 51},
           422, "limit_exceeded", f"Wallet {ids['bounded']} may spend 0.50 USD more today")
    yield ("POST", "/v1/refunds", {"purchase": ids["bought"], "amount": 1001},
           422, "refund_exceeds_purchase", "has 10.00 USD left to refund, and 10.01 USD was asked")
    yield ("POST", f"/v1/holds/{ids['held']}/capture", {"amount": 501},
           422, "capture_exceeds_hold", "has 5.00 USD left, and 5.01 USD was asked")


def states(ids):
    for action in ("capture", "void"):
        yield ("POST", f"/v1/holds/{ids['voided']}/{action}", {}, 409, "hold_not_open",
               f"Hold {ids['voided']} of wallet {ids['ann']} is voided")
    yield ("POST", f"/v1/withdrawals/{ids['failed']}/settle", {"bank_transaction_id": "late"},
           409, "withdrawal_not_pending", f"of wallet {ids['ann']} is failed")
    for path, body in (("/v1/deposits", {"wallet": ids["bob"], "amount": 1}),
                       ("/v1/withdrawals", {"wallet": ids["ann"], "amount": 1}),
                       (f"/v1/withdrawals/{ids['leaving']}/settle", {})):
        yield ("POST", path, {**body, "bank_transaction_id": "ann"}, 409,
               "duplicate_bank_transaction", f"is booked already, as {ids['paid ann']}")
    yield ("PATCH", f"/v1/wallets/{ids['ann']}", {"status": "closed"}, 409, "wallet_not_empty",
           f"Wallet {ids['ann']} has")
    yield ("POST", f"/v1/approvals/{ids['waits']}/approve", {}, 403, "second_principal_needed",
           "somebody with another key")
    yield ("DELETE", f"/v1/keys/{ids['admin']}", None, 409, "last_admin_key", "Make another one")
    yield "DELETE", "/v1/owners/ann/data", None, 409, "encryption_off", "master key"
    batch = {"atomic": True, "operations": [
        {"type": "transfer", "from": ids["ann"], "to": ids["bob"], "amount": amount}
        for amount in (1, 99_999)]}
    yield "POST", "/v1/batches", batch, 422, "insufficient_funds", f"Wallet {ids['ann']} can spend"


def shapes(ids):
    pay = f'"from":"{ids["ann"]}","to":"{ids["bob"]}","amount":1'
    for body, says in (
            ("{" + pay + ',"amount":2}', "/amount is given twice"),
            ("{" + pay + ',"Amount":2}', "/Amount is not a field of this operation; it has from, "
             "to, amount, currency, reference and metadata"),
            ("{" + pay + ',"' + "n" * 300 + '":2}', "a field with a very long name"),
            ("{" + pay + ',"reference":"' + "r" * 256 + '"}', "/reference must be a text of 1 to"),
            ("{" + pay + ',"reference":"a\\nb"}', "without control characters"),
            ("{" + pay + ',"metadata":{"a":1}}', "/metadata/a must be a text"),
            ("{" + pay, "not valid JSON. It ends on line 1 where a comma or } is expected"),
            ("{" + pay + "}{}", f"not valid JSON. At byte {len(pay) + 3} of line 1 the end is"),
            ("{" + pay + ",\n}", "At byte 1 of line 2 a name in double quotes is expected"),
            ("{'from': 1}", "At byte 2 of line 1 a name in double quotes or } is expected"),
            ("nonsense", "A word other than true, false and null. At byte 1 of line 1 a value is"),
            ("[]", "must be a JSON object"), ("null", "must be a JSON object"),
            ("", "/from is required (and 2 more)"), ("\ufeff{" + pay + "}", "byte order mark"),
            ("{" + pay + ',"reference":"\\ud800"}',
             "an escape that is not valid. At byte"),
            ("{" + pay + ',"reference":"a\nb"}',
             "a control character that is not escaped. At byte")):
        yield "POST", "/v1/transfers", body.encode(), 400, "invalid_request", says
    yield ("POST", "/v1/transfers", b'{"from":"\xff"}', 400, "invalid_request",
           "not valid UTF-8")
    yield ("POST", "/v1/transfers", ("{" + pay + ',"reference":"' + "r" * 70_000 + '"}').encode(),
           413, "request_too_large", "64 KiB")
    for query, says in (("colour=red", "/colour is not a parameter of this operation; it has"),
                        ("limit=0", "/limit must be an integer from 1 to 1000"),
                        ("limit=1&limit=2", "/limit is given twice"),
                        ("owner=", "/owner must be a text of 1 to 255 characters"),
                        ("owner=%ff", "a query that is not UTF-8"),
                        ("kind=bank", "/kind must be customer or merchant"),
                        ("currency=usd", "/currency must be a code of ISO 4217"),
                        ("cursor=x", "begin with the first page")):
        yield "GET", f"/v1/wallets?{query}", None, 400, "invalid_request", says
    for path in ("/v1/transactions", f"/v1/wallets/{ids['ann']}/transactions", "/v1/withdrawals",
                 "/v1/anomalies", "/v1/audit"):
        for query in ("from=2026-02-01&to=2026-01-01", "to=2026-01-01&from=2026-02-01&limit=3"):
            yield ("GET", f"{path}?{query}", None, 400, "invalid_request",
                   "/from is 2026-02-01T00:00:00.000Z, later than to, which is "
                   "2026-01-01T00:00:00.000Z: swap the two")
    yield ("POST", "/check-integrity/resume", {"colour": "red"}, 400, "invalid_request",
           "/colour is not a field of this operation, which has none")
    yield ("GET", f"/v1/wallets/{ids['ann']}?colour=red", None, 400, "invalid_request",
           "/colour is not a parameter of this operation, which has none")
    yield ("GET", f"/v1/wallets/{ids['ann']}/balance?at=2026-02-30", None, 400, "invalid_request",
           "/at must be a date or time from 1970 on")
    for body, says in (({}, "/operations is required"),
                       ({"operations": []}, "from 1 to 10000"),
                       ({"operations": [], "atomic": "yes"}, "from 1 to 10000 (and 1 more)"),
                       ({"operation": []}, "it has operations and atomic")):
        yield "POST", "/v1/batches", body, 400, "invalid_request", says


def headers(ids):
    pay = {"from": ids["ann"], "to": ids["bob"], "amount": 1}
    for given, status, code, says in (
            ({"Content-Type": "text/plain"}, 415, "unsupported_media_type", "application/json"),
            ({"Content-Encoding": "gzip"}, 415, "unsupported_media_type", "Content-Encoding"),
            ({"Idempotency-Key": ""}, 400, "invalid_request", "1 to 255 characters"),
            ({"Idempotency-Key": "k" * 256}, 400, "invalid_request", "1 to 255 characters"),
            ({"Idempotency-Key": "used"}, 422, "idempotency_key_reused", "Take a new key"),
            ({"If-Match": "1"}, 400, "invalid_request", "in quotes"),
            ({"If-Match": '"0"'}, 412, "version_mismatch", f"Wallet {ids['ann']} has version"),
            ({"Authorization": "Bearer x"}, 401, "unauthenticated", "mistyped or cut"),
            ({"Authorization": "Basic x"}, 401, "unauthenticated", "is not `Bearer KEY`")):
        yield "POST", "/v1/transfers", pay, status, code, says, given


FAMILIES = (ids_in_paths, ids_in_bodies, amounts, states, shapes, headers)


def masked(text, ids):
    for name, value in ids.items():
        text = text.replace(value, f"<{name}>").replace(nobody(value), f"<nobody like {name}>")
    return re.sub(r'"version":\d+|has version \d+', "<version>", text)


def ask(report, engine):
    """What was answered to each, with ids by their names."""
    said = []
    with serving(config=CONFIG) as server:
        client = Client(server.port, server.admin_secret)
        ids = furnish(client)
        report.equal("the key is used", client.post("/v1/transfers", {
            "from": ids["ann"], "to": ids["bob"], "amount": 2}, key="used").status, 201)
        before = client.get(f"/v1/wallets/{ids['ann']}").body
        for family in FAMILIES:
            for method, path, body, status, code, says, *given in family(ids):
                answer = client.request(method, path, body=body, headers=given[0] if given else {})
                problem = answer.json or {}
                name = masked(f"{method} {path} {body if body is not None else ''} {given or ''}",
                              ids)[:150]
                fits = (answer.status, answer.code) == (status, code) and says in problem["detail"]
                whole = answer.headers["content-type"] == "application/problem+json" and \
                    problem["status"] == status and problem["title"] and problem["type"]
                report.check(f"{engine}: {name}", fits and whole, (says, answer))
                said.append((name, masked(json.dumps(problem, sort_keys=True), ids)))
        report.equal(f"{engine}: nothing has moved", client.get(f"/v1/wallets/{ids['ann']}").body,
                     before)
        client.close()
    return said


total = Report("wrong requests")
embedded = ask(total, "embedded")
CLUSTER = cluster.Cluster()
cluster.serve_from(CLUSTER)
for ours, theirs in zip(embedded, ask(total, "PostgreSQL")):
    total.equal(f"both: {ours[0]}", ours, theirs)
total.finish()
