# SPDX-License-Identifier: MIT
"""Every operation of the API, allowed and refused, and its entry in the audit, found by the request
id that was sent with it. Works on either engine."""

import json
import random
import re
import time

FIELDS = {"at", "principal", "role", "address", "operation", "resource", "outcome", "replayed",
          "request_id", "transaction", "count", "until"}
SECRETS = ("a quiet reference", "a quiet reason", "a quiet value", "quiet-order", "quiet-owner",
           "quiet-bank", "quiet name")
METHODS = ("get", "post", "patch", "delete")
NOBODY = "01h455vb4pex5vsknk084sn02q"


def operations(client):
    """(operationId, method, path, public) of the server's own description."""
    document = client.get("/openapi.json").json
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                yield (operation["operationId"], method.upper(), path,
                       operation.get("security") == [])


def prefixes(client):
    """{path: prefix of the id in it}, for paths with the id of a thing."""
    document = client.get("/openapi.json").json
    found = {}
    for path, item in document["paths"].items():
        places = [*item.get("parameters", []),
                  *(place for method in METHODS if method in item
                    for place in item[method].get("parameters", []))]
        for place in places:
            if place.get("in") != "path":
                continue
            schema = place["schema"]
            name = schema.get("$ref", "").rsplit("/", 1)[-1]
            pattern = document["components"]["schemas"].get(name, schema).get("pattern", "")
            prefix = re.match(r"\^([a-z]+)_", pattern)
            if prefix and prefix[1] != "op":  # a queued command's is its key, no thing of the books
                found[path] = prefix[1]
    return found


class Walk:
    def __init__(self, server, report):
        self.server = server
        self.report = report
        self.admin = server.client()
        self.keys = {role: server.key(role, owner="quiet-owner") for role in ("service", "auditor")}
        self.expected = {}  # request id -> entry
        self.count = 0
        self.bank = 0
        self.principal = None

    def ask(self, operation, method, path, body=None, client=None, expect=None, **options):
        """Sends a request with an id of its own, and notes what the audit should say of it."""
        self.count += 1
        request_id = f"walk-{self.count}"
        headers = {"X-Request-Id": request_id, **options.pop("headers", {})}
        answer = (client or self.admin).request(method, path, body, headers=headers, **options)
        self.expected[request_id] = {"operation": operation,
                                     "outcome": answer.code if answer.status >= 400 else "ok",
                                     "address": "127.0.0.1", **(expect or {})}
        return answer

    def wallet(self, kind="customer"):
        answer = self.ask("openWallet", "POST", "/v1/wallets",
                          {"owner": "quiet-owner", "currency": "USD", "kind": kind,
                           "metadata": {"note": "a quiet value"}})
        self.expected[f"walk-{self.count}"]["resource"] = answer["id"]
        return answer["id"]

    def write(self, operation, path, body, resource, moves=True):
        body = {"reference": "a quiet reference", **body} if body is not None else None
        answer = self.ask(operation, "POST", path, body, expect={"resource": resource})
        self.report.check(f"{operation} is done", answer.status in (200, 201), answer)
        if moves:
            self.expected[f"walk-{self.count}"]["transaction"] = answer["id"]
        return answer["id"]

    def bank_id(self):
        self.bank += 1
        return f"quiet-bank-{self.bank}"

    def allowed_writes(self):
        payer, shop = self.wallet(), self.wallet("merchant")
        other = self.wallet()
        self.write("deposit", "/v1/deposits",
                   {"wallet": payer, "amount": 10000, "bank_transaction_id": self.bank_id()}, payer)
        purchase = self.write("purchase", "/v1/purchases",
                              {"wallet": payer, "merchant": shop, "amount": 300,
                               "order": "quiet-order"}, payer)
        self.write("refund", "/v1/refunds",
                   {"purchase": purchase, "amount": 100, "reason": "a quiet reason"}, purchase)
        self.write("transfer", "/v1/transfers", {"from": payer, "to": other, "amount": 5}, payer)
        hold = self.write("hold", "/v1/holds", {"wallet": payer, "merchant": shop, "amount": 50},
                          payer, moves=False)
        capture = self.ask("captureHold", "POST", f"/v1/holds/{hold}/capture", {"amount": 20},
                           expect={"resource": hold})
        self.expected[f"walk-{self.count}"]["transaction"] = capture["id"]
        second = self.write("hold", "/v1/holds", {"wallet": payer, "merchant": shop, "amount": 50},
                            payer, moves=False)
        self.ask("voidHold", "POST", f"/v1/holds/{second}/void", {}, expect={"resource": second})
        pending = [self.write("withdraw", "/v1/withdrawals", {"wallet": payer, "amount": 7}, payer,
                              moves=False) for _ in range(2)]
        settled = self.ask("settleWithdrawal", "POST", f"/v1/withdrawals/{pending[0]}/settle",
                           {"bank_transaction_id": self.bank_id()},
                           expect={"resource": pending[0]})
        self.expected[f"walk-{self.count}"]["transaction"] = settled["transaction"]
        self.ask("failWithdrawal", "POST", f"/v1/withdrawals/{pending[1]}/fail",
                 {"reason": "a quiet reason"}, expect={"resource": pending[1]})
        self.ask("changeWallet", "PATCH", f"/v1/wallets/{other}",
                 {"status": "frozen", "reason": "a quiet reason"}, expect={"resource": other})
        key = self.ask("createKey", "POST", "/v1/keys", {"name": "quiet name", "role": "auditor"})
        self.expected[f"walk-{self.count}"]["resource"] = key["id"]
        self.key_secret = key["secret"]
        self.ask("readKey", "GET", f"/v1/keys/{key['id']}", expect={"resource": key["id"]})
        self.ask("revokeKey", "DELETE", f"/v1/keys/{key['id']}", expect={"resource": key["id"]})
        self.things = {"wallet": payer, "shop": shop, "other": other, "transaction": purchase,
                       "hold": hold, "withdrawal": pending[0]}

    def allowed_reads(self):
        things = self.things
        for operation, path, resource in (
                ("readWallet", "/v1/wallets/{wallet}", "wallet"),
                ("readBalance", "/v1/wallets/{wallet}/balance", "wallet"),
                ("readBalance", "/v1/wallets/{wallet}/balance?at=2030-01-01", "wallet"),
                ("readLimits", "/v1/wallets/{wallet}/limits", "wallet"),
                ("checkWallet", "/v1/wallets/{wallet}/integrity", "wallet"),
                ("listWalletTransactions", "/v1/wallets/{wallet}/transactions", "wallet"),
                ("readTransaction", "/v1/transactions/{transaction}", "transaction"),
                ("readHold", "/v1/holds/{hold}", "hold"),
                ("readWithdrawal", "/v1/withdrawals/{withdrawal}", "withdrawal"),
                ("listWallets", "/v1/wallets?owner=quiet-owner", None),
                ("listTransactions", "/v1/transactions?order=quiet-order", None),
                ("listHolds", "/v1/holds", None), ("listWithdrawals", "/v1/withdrawals", None),
                ("listKeys", "/v1/keys", None), ("listAudit", "/v1/audit", None),
                ("checkIntegrity", "/check-integrity", None)):
            expect = {} if resource is None else {"resource": things[resource]}
            answer = self.ask(operation, "GET", path.format(**things), expect=expect)
            self.report.equal(f"{operation} is answered", answer.status, 200, answer)
            if resource == "transaction":
                self.expected[f"walk-{self.count}"]["transaction"] = things["transaction"]

    def batches(self):
        things = self.things
        transfer = {"type": "transfer", "from": things["wallet"], "to": things["shop"], "amount": 1,
                    "reference": "a quiet reference"}
        answer = self.ask("transfer", "POST", "/v1/batches", {"operations": [transfer]},
                          expect={"resource": things["wallet"]})
        self.expected[f"walk-{self.count}"]["transaction"] = answer["results"][0]["id"]
        self.ask("transfer", "POST", "/v1/batches",
                 {"operations": [dict(transfer, amount=10**9)]},
                 expect={"resource": things["wallet"], "outcome": "insufficient_funds"})
        self.ask("batch", "POST", "/v1/batches",
                 {"operations": [dict(transfer, amount=10**9)], "atomic": True})
        self.ask("transfer", "POST", "/v1/batches",
                 {"operations": [dict(transfer, amount=10**9)], "atomic": True}, key="batch-key",
                 expect={"resource": things["wallet"]})

    def repeated_writes(self):
        body = {"from": self.things["wallet"], "to": self.things["shop"], "amount": 3}
        first = self.ask("transfer", "POST", "/v1/transfers", body, key="once",
                         expect={"resource": self.things["wallet"]})
        self.expected[f"walk-{self.count}"]["transaction"] = first["id"]
        again = self.ask("transfer", "POST", "/v1/transfers", body, key="once",
                         expect={"resource": self.things["wallet"], "replayed": True})
        self.report.check("a replay", again.replayed, again)
        refused = dict(body, amount=10**9)
        for key in ("remembered", "remembered"):
            self.ask("transfer", "POST", "/v1/transfers", refused, key=key,
                     expect={"resource": self.things["wallet"]})
        self.expected[f"walk-{self.count}"]["replayed"] = True
        self.ask("transfer", "POST", "/v1/transfers", dict(body, amount=4), key="once",
                 expect={"resource": self.things["wallet"]})
        self.ask("transfer", "POST", "/v1/transfers", body, if_match=1,
                 expect={"resource": self.things["wallet"]})

    def refused(self):
        """Everything, by nobody, by whom it is not for, and about what is not there."""
        self.prefixes = prefixes(self.admin)
        stranger = self.server.client(secret="florin_admin_" + "0" * 43 + "_")
        auditor = self.server.client(secret=self.keys["auditor"]["secret"])
        service = self.server.client(secret=self.keys["service"]["secret"])
        for operation, method, path, public in operations(self.admin):
            if public:
                continue
            prefix = self.prefixes.get(path)
            target = re.sub(r"\{[^}]*\}", f"{prefix or 'x'}_{NOBODY}", path)
            expect = {"resource": f"{prefix}_{NOBODY}"} if prefix else {}
            body = {} if method in ("POST", "PATCH") else None
            self.ask(operation, method, target, body, client=stranger,
                     expect={**expect, "principal": None, "role": None})
            for role, client in (("auditor", auditor), ("service", service)):
                answer = self.ask(operation, method, target, body, client=client,
                                  expect={**expect, "principal": self.keys[role]["id"],
                                          "role": role})
                if operation == "readMe":  # tells nobody more than his key does
                    del self.expected[f"walk-{self.count}"]
                if answer.status < 400:  # what he may read
                    continue
            if operation != "resumePayments" and (method != "GET" or expect):
                answer = self.ask(operation, method, target, {"nonsense": True} if body is not None
                                  else None, expect=expect)
                self.report.check(f"{operation}: is refused", answer.status >= 400, answer)
        self.ask(None, "GET", "/v1/nowhere")
        self.ask(None, "PUT", "/v1/wallets")
        self.ask("deposit", "POST", "/v1/deposits", b"<xml/>",
                 headers={"Content-Type": "application/xml"})
        self.ask("purchase", "POST", "/v1/purchases", b"{" + b" " * 70_000)
        for client in (stranger, auditor, service):
            client.close()

    def entries(self, want):
        """The whole audit, once it has `want` (a request id): notes come within a second or so."""
        deadline = time.monotonic() + 20
        while True:
            found = self.admin.list("/v1/audit?limit=1000")
            if any(entry.get("request_id") == want for entry in found):
                return found
            if time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def compare(self, started_s):
        report = self.report
        found = self.entries(f"walk-{self.count}")
        by_request = {}
        for entry in found:
            by_request.setdefault(entry.get("request_id"), []).append(entry)
        admin_id = next(entry["principal"] for entry in found
                        if entry.get("role") == "admin" and entry.get("operation") == "createKey")
        for request_id, expected in self.expected.items():
            expected = {"principal": admin_id, "role": "admin", "count": None, "replayed": None,
                        "transaction": None, "resource": None, "until": None, **expected}
            entries = by_request.get(request_id, [])
            if not report.equal(f"{request_id}: one entry", len(entries), 1,
                                f"{expected}\n{entries}"):
                continue
            for field, value in expected.items():
                report.equal(f"{request_id} {expected['operation']}: {field}",
                             entries[0].get(field), value, entries[0])
            at = time.mktime(time.strptime(entries[0]["at"][:19], "%Y-%m-%dT%H:%M:%S"))
            at -= time.timezone
            report.check(f"{request_id}: at", started_s - 5 <= at <= time.time() + 5, entries[0])
        for entry in found:
            report.check("only known members", entry.keys() <= FIELDS, entry)
        text = json.dumps(found)
        for secret in (*SECRETS, self.admin.secret, self.key_secret,
                       *(key["secret"] for key in self.keys.values())):
            report.check("no secret and no text of a client", secret not in text, secret)
        times = [entry["at"] for entry in found]
        report.check("newest first, give or take what notes are late",
                     all(a[:15] >= b[:15] for a, b in zip(times, times[1:])))
        return found

    def filters(self, found):
        report = self.report
        wallet, key = self.things["wallet"], self.keys["service"]["id"]

        def same(name, query, wanted):
            got = self.admin.list(f"/v1/audit?limit=7&to={until}&{query}")
            report.equal(f"filter {name}", len(got), len(wanted))
            report.check(f"filter {name}: the same", got == wanted,
                         lambda: str([e for e in got if e not in wanted][:3]))

        until = found[0]["at"].replace("Z", "999Z") if "." not in found[0]["at"] else found[0]["at"]
        found = [entry for entry in self.admin.list(f"/v1/audit?limit=1000&to={until}")]
        same("of everything", "", found)
        same("principal", f"principal={key}", [e for e in found if e.get("principal") == key])
        same("system", "principal=system", [e for e in found if e.get("principal") == "system"])
        same("operation", "operation=transfer",
             [e for e in found if e.get("operation") == "transfer"])
        same("operation of a read", "operation=readWallet",
             [e for e in found if e.get("operation") == "readWallet"])
        same("ok", "outcome=ok", [e for e in found if e["outcome"] == "ok"])
        same("refused", "outcome=refused", [e for e in found if e["outcome"] != "ok"])
        same("one outcome", "outcome=forbidden", [e for e in found if e["outcome"] == "forbidden"])
        about = self.admin.list(f"/v1/audit?limit=1000&to={until}&resource={wallet}")
        report.check("filter resource: all that name it first",
                     [e for e in found if e.get("resource") == wallet] ==
                     [e for e in about if e.get("resource") == wallet])
        report.check("filter resource: and those that name it otherwise", len(about) >
                     sum(e.get("resource") == wallet for e in found))
        for thing in ("transaction", "hold", "withdrawal"):
            about = self.admin.list(f"/v1/audit?resource={self.things[thing]}")
            report.check(f"filter resource: {thing}", len(about) >= 2, about)
        middle = found[len(found) // 2]["at"]
        same("from", f"from={middle}", [e for e in found if e.get("until", e["at"]) >= middle])
        for query in ("outcome=nonsense", "resource=nonsense", "limit=0", "cursor=x", "what=1"):
            report.equal(f"refused: {query}", self.admin.get(f"/v1/audit?{query}").status, 400)


def combinations(it, seed):
    """Filters together, in pages of any size, find what all of them fit."""
    dice = random.Random(seed)
    whole = it.admin.list("/v1/audit?limit=1000")
    until = whole[0]["at"]
    whole = it.admin.list(f"/v1/audit?limit=1000&to={until}")
    met = 0
    for _ in range(40):
        one = dice.choice(whole)
        fits = {"principal": lambda e, v: e.get("principal") == v,
                "operation": lambda e, v: e.get("operation") == v,
                "outcome": lambda e, v: e["outcome"] == v or v == "refused" != e["outcome"] != "ok",
                "from": lambda e, v: e.get("until", e["at"]) >= v}
        values = {"principal": one.get("principal"), "operation": one.get("operation"),
                  "outcome": dice.choice([one["outcome"], "ok", "refused"]), "from": one["at"]}
        chosen = [name for name in values if values[name] and dice.random() < 0.6]
        query = "".join(f"&{name}={values[name]}" for name in chosen)
        wanted = [e for e in whole if all(fits[name](e, values[name]) for name in chosen)]
        limit = dice.choice([1, 2, 7, 50])
        got = it.admin.list(f"/v1/audit?limit={limit}&to={until}{query}") \
            if len(wanted) / limit < 60 else wanted
        met += len(got)
        it.report.check(f"together, by {limit}: {query}", got == wanted,
                        lambda got=got, wanted=wanted: f"{len(got)} for {len(wanted)}")
    it.report.check("and there are some", met > 20, met)


def second_person(it):
    """Of an approval the audit shows who asked and who decided."""
    report, server, wallet = it.report, it.server, it.things["wallet"]
    asker, other = server.key("operator"), server.key("operator")
    with server.client(asker["secret"]) as client:
        asked = client.post("/v1/adjustments", {"wallet": wallet, "direction": "credit",
                                                "amount": 3, "reason": "a quiet reason"})
    with server.client(other["secret"]) as client:
        done = client.post(f"/v1/approvals/{asked['id']}/approve", {"reason": "a quiet reason"})
    report.equal("approved", done.get("status"), "approved", done)
    about = [(e["operation"], e["principal"], e["outcome"])
             for e in it.admin.list(f"/v1/audit?resource={asked['id']}")]
    report.equal("both are there", sorted(about), sorted([
        ("approve", other["id"], "ok"), ("adjust", asker["id"], "ok")]))
    moved = [(e["operation"], e["principal"], e["role"])
             for e in it.admin.list(f"/v1/audit?resource={done['transaction']}")]
    report.check("and so are both of its transaction",
                 {("approve", other["id"], "operator"), ("adjust", asker["id"], "operator")} <=
                 set(moved), moved)


def flood(server, report, seconds_window):
    """Ten thousand refusals of one address are a few notes."""
    with server.client(secret="nonsense") as client:
        for _ in range(2000):
            client.get("/v1/holds")
    with server.client() as client:
        deadline = time.monotonic() + 30 + seconds_window
        while time.monotonic() < deadline:
            notes = [e for e in client.list("/v1/audit?limit=1000&operation=listHolds"
                                            "&outcome=unauthenticated")]
            if sum(e.get("count", 1) for e in notes) >= 2000:
                break
            time.sleep(0.3)
    mine = [e for e in notes if "principal" not in e]
    report.equal("a flood of refusals is counted whole", sum(e.get("count", 1) for e in mine), 2001)
    report.check("in few notes", len(mine) <= 20, len(mine))
    report.check("with its window", all(e["until"] >= e["at"] for e in mine if "count" in e))


def walk(server, report):
    """The suite, on a server that was started with an audit_window_s of 2."""
    started_s = time.time()
    it = Walk(server, report)
    it.allowed_writes()
    it.allowed_reads()
    it.batches()
    it.repeated_writes()
    it.refused()
    found = it.compare(started_s)
    it.filters(found)
    second_person(it)
    combinations(it, 11)
    flood(server, report, 2)
    books = it.admin.get("/check-integrity?depth=full")
    report.equal("the books are right", books.get("consistent"), True, books)
    audit = next(check for check in books["checked"] if check["check"] == "audit")
    report.check("the check counts entries", audit["count"] >= len(found), audit)
    before = it.admin.list("/v1/audit?limit=1000&outcome=refused&operation=createKey")
    it.admin.close()
    server.restart()
    with server.client() as client:
        after = client.list("/v1/audit?limit=1000&outcome=refused&operation=createKey")
    report.check("notes outlive a restart", before and before == after, (before, after))
