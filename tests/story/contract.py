# SPDX-License-Identifier: MIT
"""What a story can't tell well: the whole table of paths, the document of the API against the
server, metrics, odd configurations, the last admin key that would expire, and the exact bounds of
bodies.
"""

import json
import re
import time

import florin

# The API, operation by operation: method, path, fields of the body or query, the required ones.
TABLE = """
POST /v1/wallets: owner! currency! kind credit_limit tier metadata
GET /v1/wallets: owner kind status currency limit cursor
GET /v1/wallets/{id}:
PATCH /v1/wallets/{id}: status credit_limit tier metadata reason
GET /v1/wallets/{id}/transactions: type from to limit cursor
GET /v1/wallets/{id}/balance: at
GET /v1/wallets/{id}/limits:
POST /v1/deposits: wallet! amount! bank_transaction_id! currency reference metadata
POST /v1/withdrawals: wallet! amount! bank_transaction_id currency reference metadata
GET /v1/withdrawals: wallet status bank_transaction_id from to limit cursor
GET /v1/withdrawals/{id}:
POST /v1/withdrawals/{id}/settle: bank_transaction_id!
POST /v1/withdrawals/{id}/fail: reason
POST /v1/purchases: wallet! merchant! amount! order currency reference metadata
POST /v1/refunds: purchase! amount reason currency reference metadata
POST /v1/transfers: from! to! amount! currency reference metadata
POST /v1/holds: wallet! merchant! amount! expires_in order currency reference metadata
GET /v1/holds: wallet merchant status order limit cursor
GET /v1/holds/{id}:
POST /v1/holds/{id}/capture: amount final currency
POST /v1/holds/{id}/void:
POST /v1/batches: operations! atomic
GET /v1/transactions: type initiated_by bank_transaction_id order from to limit cursor
GET /v1/transactions/{id}:
GET /check-integrity: depth
GET /v1/wallets/{id}/integrity:
POST /check-integrity/resume:
POST /v1/keys: name! role! owner expires_in
GET /v1/keys: limit cursor
GET /v1/keys/{id}:
POST /v1/keys/{id}/rotate: overlap expires_in
DELETE /v1/keys/{id}:
DELETE /v1/owners/{owner}/data:
GET /v1/me:
POST /v1/adjustments: wallet! direction! amount! currency reason! reference metadata
GET /v1/approvals: status requested_by wallet limit cursor
GET /v1/approvals/{id}:
POST /v1/approvals/{id}/approve: reason
POST /v1/approvals/{id}/reject: reason
GET /v1/anomalies: status action rule wallet from to limit cursor
GET /v1/anomalies/{id}:
POST /v1/anomalies/{id}/approve: comment
POST /v1/anomalies/{id}/reject: comment
POST /v1/anomalies/{id}/dismiss: comment
GET /v1/audit: principal resource operation outcome from to limit cursor
GET /v1/operations/{id}:
GET /v1/queue:
POST /v1/queue/{id}/reset: to! reason!
POST /v1/queue/{id}/skip: record! reason!
GET /v1/dead-letters:
POST /v1/dead-letters/{id}/retry:
GET /v1/webhooks:
POST /v1/webhooks/{id}/resume: reason!
POST /v1/webhooks/{id}/pause: reason!
POST /v1/webhooks/{id}/skip: event! reason!
POST /v1/webhooks/{id}/replay: from! reason!
GET /healthz:
GET /readyz:
GET /metrics:
GET /openapi.json:
"""


def table():
    """(method, path) -> {field: whether it is required}."""
    rows = {}
    for line in TABLE.strip().splitlines():
        head, _, fields = line.partition(":")
        rows[tuple(
            head.split())] = {field.rstrip("!"): field.endswith("!") for field in fields.split()}
    return rows


def document(report, server):
    """The document has these paths and no others, each with these fields and no others."""
    with server.client() as client:
        found = client.get("/openapi.json").json
    described = {(method.upper(), path): operation for path, methods in found["paths"].items()
                 for method, operation in methods.items()}
    report.equal("openapi: version", found["openapi"][:4], "3.1.")
    report.equal("openapi: paths", sorted(described), sorted(table()))
    for (method, path), fields in table().items():
        operation = described.get((method, path), {})
        name = f"openapi: {method} {path}"
        if method == "GET":
            got = {
                parameter["name"]: parameter.get("required", False)
                for parameter in operation.get("parameters", []) if parameter.get("in") == "query"
            }
        else:
            schema = operation.get("requestBody", {}).get("content",
                                                          {}).get("application/json",
                                                                  {}).get("schema", {})
            if "$ref" in schema:
                schema = found["components"]["schemas"][schema["$ref"].split("/")[-1]]
            got = {
                field: field in schema.get("required", []) for field in schema.get("properties", {})
            }
        # `currency` may also be checked where only part of an operation moves money.
        got.pop("currency", None)
        report.equal(name, got,
                     {field: value for field, value in fields.items() if field != "currency"})
    ids = [operation.get("operationId") for operation in described.values()]
    report.check("openapi: operationIds are unique", None not in ids and len(set(ids)) == len(ids))


def required_fields(report, server):
    """An empty body is told all that is missing, and nothing that is not."""
    with server.client() as client:
        for (method, path), fields in table().items():
            missing = sorted("/" + field for field, is_required in fields.items() if is_required)
            if method not in ("POST", "PATCH") or not missing or "{id}" in path:
                continue
            answer = client.request(method, path, b"{}")
            pointers = sorted(
                entry.get("pointer", "").lstrip("#") for entry in answer.get("errors", []))
            report.equal(f"{method} {path} {{}}: pointers", (answer.status, pointers),
                         (400, missing))


def metrics(report, server):
    """Prometheus' text format, and counters that count."""
    label = r"[a-z_]+=\"[^\"]*\""
    line = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*(\{{{label}(,{label})*\}})? -?[0-9.e+]+\Z")
    with server.client() as client:
        before = client.get("/metrics")
        report.check("metrics: content type",
                     before.headers.get("content-type", "").startswith("text/plain"),
                     before.headers.get("content-type"))
        odd = [
            text for text in before.body.decode().splitlines()
            if not text.startswith(("# HELP ", "# TYPE ")) and not line.match(text)
        ]
        report.check("metrics: every line is one", not odd, f"{odd[:5]}")
        for _ in range(10):
            client.get("/v1/wallets")
        after = client.get("/metrics")

    def sum_of(answer):
        return sum(
            float(text.rsplit(" ", 1)[1]) for text in answer.body.decode().splitlines()
            if "_total" in text and not text.startswith("#"))

    report.check("metrics: counters grow with requests", sum_of(after) >= sum_of(before) + 10)


def locations(report, server):
    """What was made is read where its Location says."""
    with server.client() as client:
        payer, shop = (client.post("/v1/wallets", {"owner": f"{kind} l", "currency": "USD",
                                                   "kind": kind})["id"]
                       for kind in ("customer", "merchant"))
        client.post("/v1/deposits", {"wallet": payer, "amount": 9, "bank_transaction_id": "l"})
        for path, body in (("/v1/wallets", {"owner": "l", "currency": "USD"}),
                           ("/v1/withdrawals", {"wallet": payer, "amount": 1}),
                           ("/v1/holds", {"wallet": payer, "merchant": shop, "amount": 1}),
                           ("/v1/adjustments", {"wallet": payer, "direction": "credit",
                                                "amount": 1, "reason": "r"}),
                           ("/v1/keys", {"name": "l", "role": "service"})):
            made = client.post(path, body)
            read = client.get(made.headers.get("location", "/none"))
            report.equal(f"{path}: Location", (read.status, read.get("id")), (200, made["id"]),
                         [made, made.headers, read])


def bodies(report, server):
    """64 KiB are taken, one byte more is not; a batch may have 16 MiB."""
    with server.client() as client:
        wallet = client.post("/v1/wallets", {"owner": "o", "currency": "USD"})["id"]
        for number, size, status in ((1, 65_536, 201), (2, 65_537, 413)):
            body = json.dumps(
                {"wallet": wallet, "amount": 1, "bank_transaction_id": f"body-{number}"})
            answer = client.post("/v1/deposits", body.ljust(size))
            report.equal(f"a body of {size} bytes", answer.status, status, f"{answer!r}")
        for number, size, status in ((3, 16 * 1024 * 1024, 200), (4, 16 * 1024 * 1024 + 1, 413)):
            body = json.dumps({
                "operations": [{
                    "type": "deposit", "wallet": wallet, "amount": 1,
                    "bank_transaction_id": f"body-{number}"
                }]
            })
            answer = client.post("/v1/batches", body.ljust(size))
            report.equal(f"a batch of {size} bytes", answer.status, status, f"{answer!r:.300}")
        report.equal("bodies: what was taken", client.get(f"/v1/wallets/{wallet}")["balance"], 2)


def last_admin(report, binary):
    """The last live admin key can't be revoked, and neither can it expire."""
    with florin.serving(florin=binary) as server:
        first = server.client()
        first_id = first.list("/v1/keys")[-1]["id"]
        brief = server.key("admin", expires_in=1)
        answer = first.delete(f"/v1/keys/{first_id}")
        if answer.status == 204:
            # Then the other one must outlive its time.
            time.sleep(1.2)
            with server.client(brief["secret"]) as client:
                report.equal("the last admin key does not expire",
                             client.get("/v1/keys").status, 200)
        else:
            report.equal("an admin key stays while the others expire", (answer.status, answer.code),
                         (409, "last_admin_key"))
            report.equal("it still works", first.get("/v1/keys").status, 200)
            time.sleep(1.2)
            with server.client(brief["secret"]) as client:
                report.equal("the other one expires", client.get("/v1/keys").status, 401)
        first.close()


def configurations(report, binary):
    """A configuration with a mistake is refused, with the mistake's name."""
    for name, config, word in (("no JSON", "{", "config"),
                               ("the line of a fault",
                                '{"http_threads": 1,\n"connections_max" 5}', "Line 2"),
                               ("no object", "[]",
                                                            "config"), ("an unknown setting",
                                                                        '{"colour": 1}', "colour"),
                               ("a setting twice", '{"http_threads": 1, "http_threads": 2}',
                                "http_threads"), ("no number", '{"http_threads": "one"}',
                                                  "http_threads"),
                               ("out of bounds", '{"connections_max": 0}',
                                "connections_max"), ("too few days", '{"idempotency_days": 6}',
                                                     "idempotency_days"),
                               ("a code in small letters",
                                '{"currencies": {"points": {"exponent": 0}}}', "points"),
                               ("a code too short", '{"currencies": {"PT": {"exponent": 0}}}',
                                "PT"), ("a code too long",
                                        '{"currencies": {"ABCDEFGHIJKLM": {"exponent": 0}}}',
                                        "ABCDEFGHIJKLM"),
                               ("no exponent", '{"currencies": {"POINTS": {}}}',
                                "POINTS"), ("a negative exponent",
                                            '{"currencies": {"POINTS": {"exponent": -1}}}',
                                            "POINTS"),
                               ("an exponent that is no integer",
                                '{"currencies": {"POINTS": {"exponent": 1.5}}}',
                                "POINTS"), ("another exponent for a currency of ISO 4217",
                                            '{"currencies": {"USD": {"exponent": 3}}}', "USD"),
                               ):
        server = florin.Server(florin=binary, config=config)
        refused = server.refused(10)
        report.check(f"configuration: {name}", refused is not None and refused[0] != 0,
                     "the server started")
        if refused is not None:
            report.check(f"configuration: {name}: says what", word in refused[1], refused[1])
        server.discard()
    missing = florin.Server(florin=binary)
    missing.config = "{}"
    done = missing.command_line("serve", "--data", missing.data, "--listen",
                                f"127.0.0.1:{missing.port}", "--config",
                                missing.home + "/not-there.json", timeout=10)
    report.check("configuration: a file that is not there", done.returncode != 0
                 and "not-there" in done.stderr, done.stderr)
    missing.discard()


def check_contract(report, binary):
    with florin.serving(florin=binary) as server:
        for test in (document, required_fields, metrics, locations, bodies):
            report.run(test.__name__, test, server)
        report.equal("exit status", server.stop(), 0)
    report.run("the last admin key", last_admin, binary)
    report.run("configurations", configurations, binary)
