# SPDX-License-Identifier: MIT
"""Walks every operation as every role, on wallets of its own, of others, and on such that do not
exist, and compares codes and bodies with a table written down here by hand, and that table with
the one that docs/api.md prints from the operations table."""

import json
import os
import re

ROLES = ["admin", "service", "auditor", "operator", "support", "merchant", "customer"]
BOUND = {"merchant": "shop", "customer": "ann"}

# Who may do what. The order of words is that of ROLES; a name left out may not.
MAY = {
    "openWallet": "admin service",
    "listWallets": " ".join(ROLES),
    "readWallet": " ".join(ROLES),
    "changeWallet": "admin service operator",
    "listWalletTransactions": " ".join(ROLES),
    "readBalance": " ".join(ROLES),
    "readLimits": " ".join(ROLES),
    "checkWallet": " ".join(ROLES),
    "deposit": "admin service operator",
    "withdraw": "admin service operator customer",
    "listWithdrawals": " ".join(ROLES),
    "readWithdrawal": " ".join(ROLES),
    "settleWithdrawal": "admin service operator",
    "failWithdrawal": "admin service operator",
    "purchase": "admin service customer",
    "refund": "admin service merchant",
    "transfer": "admin service customer",
    "hold": "admin service",
    "listHolds": " ".join(ROLES),
    "readHold": " ".join(ROLES),
    "captureHold": "admin service merchant",
    "voidHold": "admin service merchant",
    "batch": "admin service operator merchant customer",
    "listTransactions": " ".join(ROLES),
    "readTransaction": " ".join(ROLES),
    "adjust": "admin operator",
    "listApprovals": " ".join(ROLES),
    "readApproval": " ".join(ROLES),
    "approve": "admin operator",
    "reject": "admin operator",
    "listAnomalies": "admin auditor operator",
    "readAnomaly": "admin auditor operator",
    "approveAnomaly": "admin operator",
    "rejectAnomaly": "admin operator",
    "dismissAnomaly": "admin operator",
    "checkIntegrity": "admin service auditor operator",
    "resumePayments": "admin",
    "createKey": "admin",
    "listAudit": "admin auditor",
    "readMe": " ".join(ROLES),
    "rotateKey": "admin",
    "listKeys": "admin auditor",
    "readKey": "admin auditor",
    "eraseOwnerData": "admin",
    "revokeKey": "admin",
    "listWebhooks": "admin auditor",
    "resumeWebhook": "admin",
    "pauseWebhook": "admin",
    "skipWebhookEvent": "admin",
    "replayWebhook": "admin",
}
MAY = {name: set(words.split()) for name, words in MAY.items()}
QUEUED = {"readOperation", "readQueue", "resetPartition", "skipRecord", "listDeadLetters",
          "retryDeadLetter"}  # is there only with a queue, whose tests ask it
PUBLIC = {"readHealth", "readReadiness", "readMetrics", "readOpenapi"}


def another(text):
    """An id that nobody made, of the same form."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    at = len(text) - 3
    return text[:at] + digits[(digits.index(text[at]) + 5) % 32] + text[at + 1:]


# In euro everything that comes is flagged, and everything that goes is held.
EURO_RULES = {"rules": [
    {"name": "comes", "action": "flag", "operations": ["deposit"], "currencies": ["EUR"],
     "when": {"amount": 1}},
    {"name": "goes", "action": "hold", "currencies": ["EUR"], "when": {"amount": 1}}]}


def rule_file(rules):
    import florin
    path = os.path.join(florin.folder(), "rules.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rules, file)
    return path


def told():
    """An endpoint of webhooks where nobody listens."""
    import florin
    path = os.path.join(florin.folder(), "secret")
    with open(path, "w", encoding="utf-8") as file:
        file.write("whsec_" + "QUJD" * 8)
    os.chmod(path, 0o600)
    return [{"name": "told", "url": f"http://127.0.0.1:{florin.free_port()}/",
             "secret_file": path}]


class World:
    """Two households, each with a customer and a shop, and one of everything between them."""

    def __init__(self, server, report):
        self.report = report
        self.count = 0
        self.admin = server.client()
        self.clients = {role: server.client(server.key(role, **(
            {"owner": BOUND[role]} if role in BOUND else {}))["secret"]) for role in ROLES}
        self.wallets = {}
        for owner, kind in (("ann", "customer"), ("bob", "customer"), ("shop", "merchant"),
                            ("rival", "merchant")):
            self.wallets[owner] = self.make("/v1/wallets", owner=owner, currency="USD",
                                            kind=kind)["id"]
            self.deposit(owner, 100_000_000)

    def number(self):
        self.count += 1
        return self.count

    def make(self, path, **body):
        answer = self.admin.post(path, body)
        if answer.status not in (200, 201, 202):
            raise AssertionError(f"POST {path} {body}: {answer!r}")
        return answer.json

    def deposit(self, owner, amount=1000):
        return self.make("/v1/deposits", wallet=self.wallets[owner], amount=amount,
                         bank_transaction_id=f"b{self.number()}")["id"]

    def purchase(self, who, shop):
        return self.make("/v1/purchases", wallet=self.wallets[who], merchant=self.wallets[shop],
                         amount=100, order=f"o-{who}")["id"]

    def hold(self, who, shop):
        return self.make("/v1/holds", wallet=self.wallets[who], merchant=self.wallets[shop],
                         amount=100)["id"]

    def withdrawal(self, who):
        return self.make("/v1/withdrawals", wallet=self.wallets[who], amount=100)["id"]

    def approval(self, who):
        return self.make("/v1/adjustments", wallet=self.wallets[who], amount=1, direction="credit",
                         reason="a test")["id"]

    def flagged(self, who):
        wallet = self.make("/v1/wallets", owner=who, currency="EUR")["id"]
        self.make("/v1/deposits", wallet=wallet, amount=9, bank_transaction_id=f"b{self.number()}")
        return self.admin.get(f"/v1/anomalies?wallet={wallet}")["items"][0]["id"]

    def held(self, who):
        wallet = self.make("/v1/wallets", owner=who, currency="EUR")["id"]
        self.make("/v1/deposits", wallet=wallet, amount=9, bank_transaction_id=f"b{self.number()}")
        return self.make("/v1/withdrawals", wallet=wallet, amount=9)["id"]

    def key(self):
        return self.make("/v1/keys", name="k", role="support")["id"]


def sides():
    """Whose is own and whose foreign, as (customer, shop) each."""
    return ("ann", "shop"), ("bob", "rival")


def anomalies_of(world, real, holder):
    flagged, held = world.flagged, world.held
    return {
        "listAnomalies": lambda: ("GET", "/v1/anomalies", None),
        "readAnomaly": lambda: ("GET", f"/v1/anomalies/{real(flagged, holder)}", None),
        "approveAnomaly": lambda: (
            "POST", f"/v1/anomalies/{real(held, holder)}/approve", {}),
        "rejectAnomaly": lambda: (
            "POST", f"/v1/anomalies/{real(held, holder)}/reject", {}),
        "dismissAnomaly": lambda: (
            "POST", f"/v1/anomalies/{real(flagged, holder)}/dismiss", {}),
    }


def webhooks():
    return {
        "listWebhooks": lambda: ("GET", "/v1/webhooks", None),
        "resumeWebhook": lambda: ("POST", "/v1/webhooks/told/resume", {"reason": "a test"}),
        "pauseWebhook": lambda: ("POST", "/v1/webhooks/told/pause", {"reason": "a test"}),
        "skipWebhookEvent": lambda: ("POST", "/v1/webhooks/told/skip", {
            "event": "1d", "reason": "a test"}),
        "replayWebhook": lambda: ("POST", "/v1/webhooks/told/replay", {
            "from": "2100-01-01", "reason": "a test"}),
    }


def looks(wallet):
    return {"readLimits": lambda: ("GET", f"/v1/wallets/{wallet}/limits", None),
            "checkWallet": lambda: ("GET", f"/v1/wallets/{wallet}/integrity", None)}


def requests_of(world, name, role, whose):
    """(method, path, body) on what is `own`, `foreign` or `missing`."""
    who, shop = sides()[0 if whose == "own" else 1]
    holder, merchant = (shop, True) if role == "merchant" else (who, False)

    def real(make, *arguments):
        return another(make(*arguments)) if whose == "missing" else make(*arguments)

    wallet = another(world.wallets[holder]) if whose == "missing" else world.wallets[holder]
    number = world.number()
    paths = {
        "openWallet": lambda: ("POST", "/v1/wallets", {"owner": holder, "currency": "USD"}),
        "listWallets": lambda: ("GET", f"/v1/wallets?owner={holder}&limit=1000", None),
        "readWallet": lambda: ("GET", f"/v1/wallets/{wallet}", None),
        "changeWallet": lambda: ("PATCH", f"/v1/wallets/{wallet}",
                                 {"metadata": {"n": str(number)}}),
        "listWalletTransactions": lambda: ("GET", f"/v1/wallets/{wallet}/transactions", None),
        "readBalance": lambda: ("GET", f"/v1/wallets/{wallet}/balance?at=2100-01-01", None),
        "deposit": lambda: ("POST", "/v1/deposits", {"wallet": wallet, "amount": 5,
                                                     "bank_transaction_id": f"b{number}"}),
        "withdraw": lambda: ("POST", "/v1/withdrawals", {"wallet": wallet, "amount": 5}),
        "listWithdrawals": lambda: ("GET", f"/v1/withdrawals?wallet={wallet}", None),
        "readWithdrawal": lambda: ("GET", f"/v1/withdrawals/{real(world.withdrawal, holder)}",
                                   None),
        "settleWithdrawal": lambda: (
            "POST", f"/v1/withdrawals/{real(world.withdrawal, holder)}/settle",
            {"bank_transaction_id": f"b{number}"}),
        "failWithdrawal": lambda: (
            "POST", f"/v1/withdrawals/{real(world.withdrawal, holder)}/fail", {}),
        "purchase": lambda: ("POST", "/v1/purchases", {
            "wallet": wallet, "merchant": world.wallets["shop"], "amount": 5}),
        "refund": lambda: ("POST", "/v1/refunds", {
            "purchase": real(world.purchase, who, shop), "amount": 5}),
        "transfer": lambda: ("POST", "/v1/transfers", {
            "from": wallet, "to": world.wallets["rival"], "amount": 5}),
        "hold": lambda: ("POST", "/v1/holds", {
            "wallet": wallet, "merchant": world.wallets["shop"], "amount": 5}),
        "listHolds": lambda: ("GET", f"/v1/holds?wallet={wallet}", None),
        "readHold": lambda: ("GET", f"/v1/holds/{real(world.hold, who, shop)}", None),
        "captureHold": lambda: ("POST", f"/v1/holds/{real(world.hold, who, shop)}/capture", {}),
        "voidHold": lambda: ("POST", f"/v1/holds/{real(world.hold, who, shop)}/void", {}),
        "listTransactions": lambda: ("GET", f"/v1/transactions?order=o-{who}", None),
        "readTransaction": lambda: ("GET", f"/v1/transactions/{real(world.deposit, holder)}", None),
        "adjust": lambda: ("POST", "/v1/adjustments", {
            "wallet": wallet, "amount": 5, "direction": "debit", "reason": "a test"}),
        "listApprovals": lambda: ("GET", f"/v1/approvals?wallet={wallet}", None),
        "readApproval": lambda: ("GET", f"/v1/approvals/{real(world.approval, holder)}", None),
        "approve": lambda: ("POST", f"/v1/approvals/{real(world.approval, holder)}/approve", {}),
        "reject": lambda: ("POST", f"/v1/approvals/{real(world.approval, holder)}/reject", {}),
        "checkIntegrity": lambda: ("GET", "/check-integrity", None),
        "resumePayments": lambda: ("POST", "/check-integrity/resume", None),
        "createKey": lambda: ("POST", "/v1/keys", {"name": "k", "role": "support"}),
        "listAudit": lambda: ("GET", "/v1/audit", None),
        "readMe": lambda: ("GET", "/v1/me", None),
        "rotateKey": lambda: ("POST", f"/v1/keys/{real(world.key)}/rotate", {}),
        "listKeys": lambda: ("GET", "/v1/keys", None),
        "readKey": lambda: ("GET", f"/v1/keys/{real(world.key)}", None),
        "eraseOwnerData": lambda: ("DELETE", f"/v1/owners/{holder}/data", None),
        "revokeKey": lambda: ("DELETE", f"/v1/keys/{real(world.key)}", None),
    }
    if name == "batch":
        refund = merchant
        operation = {"type": "refund", "purchase": real(world.purchase, who, shop), "amount": 5} \
            if refund else {"type": "transfer", "from": wallet, "to": world.wallets["rival"],
                            "amount": 5}
        if role == "operator":
            operation = {"type": "deposit", "wallet": wallet, "amount": 5,
                         "bank_transaction_id": f"b{number}"}
        return "POST", "/v1/batches", {"operations": [operation]}
    return {**paths, **looks(wallet), **anomalies_of(world, real, holder), **webhooks()}[name]()


def without_ids(text):
    """A body with every id replaced, so that what is foreign can be compared with what is not."""
    return re.sub(r"\b(wallet|txn|hold|wdl|key|apr|anm)_[0-9a-hjkmnp-tv-z]{26}", r"\1_X", text)


def ask(client, request):
    method, path, body = request
    return client.request(method, path, body)


def check_bound(report, name, role, world, answers):
    """What somebody bound sees of others is what he sees of nothing."""
    client = world.clients[role]
    foreign, missing = answers["foreign"], answers["missing"]
    label = f"{name} as {role}"
    if name in ("checkIntegrity", "createKey", "readMe", "listAudit", "rotateKey", "listKeys",
                "readKey", "revokeKey"):
        return
    if name.startswith("list") and name != "listWalletTransactions":
        report.equal(f"{label}: foreign lists are empty", foreign.json, {"items": []}, foreign)
        whole = client.get({"listWallets": "/v1/wallets", "listWithdrawals": "/v1/withdrawals",
                            "listHolds": "/v1/holds",
                            "listTransactions": "/v1/transactions",
                            "listApprovals": "/v1/approvals"}[name] + "?limit=1000")
        report.equal(f"{label}: the whole list", whole.status, 200, whole)
        own = world.wallets[BOUND[role]]
        for item in whole.json["items"]:
            parties = {item.get("id"), item.get("wallet"), item.get("merchant"),
                       item.get("debit", {}).get("account"), item.get("credit", {}).get("account")}
            mine = own in parties or item.get("owner") == BOUND[role]
            if not mine:
                report.fail(f"{label}: something foreign in the list", item)
                break
        else:
            report.ok()
        return
    if name == "batch":
        result = [a.json["results"][0] for a in (foreign, missing)]
        report.equal(f"{label}: foreign in a batch", result[0].get("code"), "not_found", foreign)
    else:
        report.equal(f"{label}: foreign is not found", foreign.code, "not_found", foreign)
    report.equal(f"{label}: foreign is like missing",
                 (foreign.status, without_ids(foreign.body.decode())),
                 (missing.status, without_ids(missing.body.decode())))
    report.equal(f"{label}: down to the headers", sorted(foreign.headers), sorted(missing.headers))


def walk_one(report, world, name, role):
    allowed = role in MAY[name]
    answers = {}
    for whose in ("own", "foreign", "missing"):
        answers[whose] = answer = ask(world.clients[role],
                                      requests_of(world, name, role, whose))
        if not allowed:
            report.equal(f"{name} as {role} on {whose}", answer.code, "forbidden", answer)
    if not allowed:
        bodies = {without_ids(answer.body.decode()) for answer in answers.values()}
        report.equal(f"{name} as {role}: one refusal for all", len(bodies), 1, bodies)
        return
    own = answers["own"]
    if name == "readApproval" and role in BOUND:  # what he did not ask for himself is not his
        check_bound(report, name, role, world, answers)
        return
    if name == "eraseOwnerData":  # these books are plain, so who may learns that
        report.equal(f"{name} as {role}", {answer.code for answer in answers.values()},
                     {"encryption_off"})
        return
    if name == "skipWebhookEvent":  # only the oldest event that is not delivered can be skipped
        report.equal(f"{name} as {role}", {answer.code for answer in answers.values()},
                     {"invalid_request"})
        return
    report.check(f"{name} as {role} on its own", own.status in (200, 201, 202, 204), own)
    if name == "batch":
        report.check(f"{name} as {role}: done", "code" not in own.json["results"][0], own)
    if role in BOUND:
        check_bound(report, name, role, world, answers)
    elif name == "batch":
        report.check(f"batch as {role} on others'", "code" not in
                     answers["foreign"].json["results"][0], answers["foreign"])
    else:
        report.check(f"{name} as {role} on others'",
                     answers["foreign"].status in (200, 201, 202, 204), answers["foreign"])


def every_operation_and_role(report, server):
    world = World(server, report)
    description = world.admin.get("/openapi.json").json
    names = {operation["operationId"] for path in description["paths"].values()
             for operation in path.values() if "operationId" in operation}
    report.equal("this table knows every operation", set(MAY), names - PUBLIC - QUEUED)
    for name in MAY:
        for role in ROLES:
            walk_one(report, world, name, role)


def the_documented_matrix(report, server):
    """docs/api.md is printed from the tables; here it is held against what was written by hand."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "docs", "api.md"), encoding="utf-8") as file:
        page = file.read()
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \|(.*)\|$", page, re.MULTILINE)
    matrix = {word: [cell.strip() for cell in cells.split("|")] for word, cells in rows}
    for method, path, permission in re.findall(
            r"^### ([A-Z]+) (\S+)\n\n[^\n]*Permission: `([a-z:]+)`", page, re.MULTILINE):
        found = [operation["operationId"] for where, methods in
                 server.client().get("/openapi.json").json["paths"].items()
                 for verb, operation in methods.items()
                 if verb == method.lower() and where == path]
        if QUEUED & set(found):
            continue
        if len(found) != 1:
            report.fail("one operation", (method, path, found))
            continue
        if permission == "none":  # open to every key, so it has no row
            report.equal(f"documented: {found[0]}", MAY[found[0]], set(ROLES))
            continue
        expected = ["own" if role in BOUND and role in MAY[found[0]] else
                    "yes" if role in MAY[found[0]] else "" for role in ROLES]
        report.equal(f"documented: {found[0]}", matrix.get(permission), expected)


def fields_and_sides(report, server):
    """Fields that are not the role's to give, and sides that are not its to see."""
    world = World(server, report)
    ann, shop, bob = (world.wallets[name] for name in ("ann", "shop", "bob"))
    customer, merchant = world.clients["customer"], world.clients["merchant"]
    operator = world.clients["operator"]

    refused = customer.post("/v1/withdrawals", {"wallet": ann, "amount": 5,
                                                "bank_transaction_id": "mine"})
    report.equal("a customer says nothing for the bank", refused.code, "invalid_request", refused)
    report.equal("and is told where", refused.json["errors"][0]["pointer"],
                 "/bank_transaction_id")
    inside = customer.post("/v1/batches", {"operations": [
        {"type": "withdrawal", "wallet": ann, "amount": 5, "bank_transaction_id": "mine"}]})
    report.equal("nor in a batch", inside.json["results"][0]["code"], "invalid_request", inside)
    for field, value in (("status", "frozen"), ("credit_limit", 5), ("tier", 5)):
        report.equal(f"no {field} from customers",
                     customer.request("PATCH", f"/v1/wallets/{ann}", {field: value}).code,
                     "forbidden")
    report.equal("operators give no credit",
                 operator.request("PATCH", f"/v1/wallets/{bob}", {"credit_limit": 5}).code,
                 "invalid_request")
    tier = operator.request("PATCH", f"/v1/wallets/{bob}", {"tier": 5})
    report.equal("nor a tier", (tier.code, tier.json["errors"][0]["pointer"]),
                 ("invalid_request", "/tier"), tier)
    report.equal("but they freeze",
                 operator.request("PATCH", f"/v1/wallets/{bob}", {"status": "frozen"}).status, 200)

    def shown(side):
        return sorted(side)

    bought = customer.post("/v1/purchases", {"wallet": ann, "merchant": shop, "amount": 70},
                           key="buy-1")
    report.equal("the buyer's side is whole", shown(bought["debit"]),
                 ["account", "balance", "version"], bought)
    report.equal("the shop's is an account", bought["credit"], {"account": shop}, bought)
    again = customer.post("/v1/purchases", {"wallet": ann, "merchant": shop, "amount": 70},
                          key="buy-1")
    report.equal("a replay says the same", (again.body, again.replayed), (bought.body, True))
    one = f"/v1/transactions/{bought['id']}"
    report.equal("a read too", customer.get(one).json, bought.json)
    for path in (f"/v1/wallets/{ann}/transactions?limit=1", "/v1/transactions?limit=1"):
        report.equal(f"a list too: {path}", customer.get(path).json["items"][0], bought.json)
    sold = merchant.get(one)
    report.equal("the shop sees its own", shown(sold["credit"]), ["account", "balance", "version"])
    report.equal("and not the buyer's", sold["debit"], {"account": ann})
    report.check("nor who it was", "initiated_by" not in sold.json, sold)
    who = world.admin.get(one)["initiated_by"]
    for name, client, count in (("the shop", merchant, 0), ("the buyer", customer, 1),
                                ("the house", world.admin, 1)):
        found = client.list(f"/v1/transactions?initiated_by={who}&type=purchase")
        report.equal(f"nor by asking who did what: {name}", len(found), count, found)
    report.equal("the house sees all", shown(world.admin.get(one)["debit"]),
                 ["account", "balance", "version"])
    both = customer.post("/v1/batches", {"atomic": True, "operations": [
        {"type": "purchase", "wallet": ann, "merchant": shop, "amount": 1},
        {"type": "transfer", "from": ann, "to": bob, "amount": 1}]}, key="atomic-1")
    report.equal("an atomic batch hides it too",
                 [result["credit"] for result in both.json["results"]],
                 [{"account": shop}, {"account": bob}], both)
    replayed = customer.post("/v1/batches", {"atomic": True, "operations": [
        {"type": "purchase", "wallet": ann, "merchant": shop, "amount": 1},
        {"type": "transfer", "from": ann, "to": bob, "amount": 1}]}, key="atomic-1")
    report.equal("and so does its replay", (replayed.json, replayed.replayed), (both.json, True))



def refunds_of_shops(report, server):
    """Who may give back what, and what he sees of it."""
    world = World(server, report)
    ann = world.wallets["ann"]
    customer, merchant = world.clients["customer"], world.clients["merchant"]
    bought = {"id": world.purchase("ann", "shop")}
    refunded = merchant.post("/v1/refunds", {"purchase": bought["id"], "amount": 10})
    report.equal("a refund shows the shop's side", sorted(refunded["debit"]),
                 ["account", "balance", "version"], refunded)
    report.equal("and not the buyer's side", refunded["credit"], {"account": ann}, refunded)
    report.equal("a buyer refunds nothing", customer.post(
        "/v1/refunds", {"purchase": bought["id"]}).code, "forbidden")

    # The shop buys at its rival: it sees that purchase and may not refund it.
    spent = world.purchase("shop", "rival")
    report.equal("seen but not his to do",
                 merchant.post("/v1/refunds", {"purchase": spent}).code, "forbidden")
    report.equal("what is no purchase is still said",
                 merchant.post("/v1/refunds", {"purchase": world.deposit("shop")}).code,
                 "not_a_purchase")
    report.equal("of others it is not there",
                 merchant.post("/v1/refunds", {"purchase": world.deposit("rival")}).code,
                 "not_found")


def asking_what_fails_anyway(report, world, payees):
    """Who asks for what he cannot pay learns nothing of the wallets of others."""
    customer, admin, ann = world.clients["customer"], world.admin, world.wallets["ann"]
    version = admin.get(f"/v1/wallets/{ann}")["version"]

    def each(name, code, amount, **options):
        for path, payer, payee in (("/v1/transfers", "from", "to"),
                                   ("/v1/purchases", "wallet", "merchant")):
            answers = [customer.post(path, {payer: ann, payee: other, "amount": amount, **more},
                                     **options) for other in payees.values()]
            bodies = {(answer.status, answer.body) for answer in answers}
            report.equal(f"{name}: one answer for all, {path}", (len(bodies), answers[0].code),
                         (1, code), bodies)
            parts = [{"type": path[4:-1], payer: ann, payee: other, "amount": amount, **more}
                     for other in payees.values()]
            if not options:
                whole = customer.post("/v1/batches", {"operations": parts})
                report.equal(f"{name}: in a batch too, {path}", len({
                    json.dumps(result) for result in whole["results"]}), 1, whole)

    more = {}
    each("too much", "insufficient_funds", 2**52)
    each("another version", "version_mismatch", 1, if_match=version + 7)
    more = {"currency": "JPY"}
    each("another currency", "currency_mismatch", 1)
    more = {}
    for status in ("frozen", "active"):
        admin.request("PATCH", f"/v1/wallets/{ann}", {"status": status})
        if status == "frozen":
            each("frozen", "wallet_frozen", 1)


def what_others_cannot(report, server):
    """Whatever the other side's trouble is, one sentence."""
    world = World(server, report)
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    customer, merchant = world.clients["customer"], world.clients["merchant"]
    admin = world.admin
    closed = world.make("/v1/wallets", owner="cleo", currency="USD")["id"]
    admin.request("PATCH", f"/v1/wallets/{closed}", {"status": "closed"})
    euros = world.make("/v1/wallets", owner="dora", currency="EUR")["id"]
    full = world.make("/v1/wallets", owner="emil", currency="USD")["id"]
    world.make("/v1/deposits", wallet=full, amount=2**53 - 1, bank_transaction_id="full")
    answers = {name: customer.post("/v1/transfers", {"from": ann, "to": to, "amount": 1})
               for name, to in (("closed", closed), ("euros", euros), ("full", full),
                                ("missing", another(bob)))}
    bodies = {(answer.status, without_ids(answer.body.decode())) for answer in answers.values()}
    report.equal("one answer for all", len(bodies), 1, bodies)
    report.equal("cannot_receive", {answer.code for answer in answers.values()},
                 {"cannot_receive"})
    report.equal("no numbers in it", sorted(answers["full"].json),
                 ["code", "detail", "status", "title", "type", "wallet"])
    report.equal("no merchant either", customer.post(
        "/v1/purchases", {"wallet": ann, "merchant": bob, "amount": 1}).code, "cannot_receive")
    replay = [customer.post("/v1/transfers", {"from": ann, "to": full, "amount": 1}, key="full")
              for _ in range(2)]
    report.equal("a replayed refusal hides as much", (replay[1].body, replay[1].replayed),
                 (replay[0].body, True))
    atomic = customer.post("/v1/batches", {"atomic": True, "operations": [
        {"type": "transfer", "from": ann, "to": full, "amount": 1}]})
    report.equal("and an atomic batch", atomic.code, "cannot_receive", atomic)
    report.equal("one's own trouble is told whole", customer.post(
        "/v1/transfers", {"from": ann, "to": bob, "amount": 2**52}).code, "insufficient_funds")

    asking_what_fails_anyway(report, world, {"closed": closed, "euros": euros, "full": full,
                                             "missing": another(bob), "no merchant": bob,
                                             "right": world.wallets["rival"]})

    hold = world.hold("ann", "shop")
    version = admin.get(f"/v1/wallets/{world.wallets['shop']}")["version"]
    wrong = merchant.post(f"/v1/holds/{hold}/capture", {"amount": 1, "final": False},
                          if_match=version + 1)
    report.equal("If-Match speaks of the shop's wallet",
                 (wrong.code, wrong.get("wallet"), wrong.get("version")),
                 ("version_mismatch", world.wallets["shop"], version), wrong)
    euro = merchant.post(f"/v1/holds/{hold}/capture", {"currency": "EUR"})
    report.equal("a hold has its currency", (euro.code, euro.get("hold"), euro.get("wallet"),
                                             euro.get("currency")),
                 ("currency_mismatch", hold, None, "USD"), euro)
    right = merchant.post(f"/v1/holds/{hold}/capture", {"amount": 1, "final": False},
                          if_match=version)
    report.equal("and takes the right one", right.status, 201, right)
    admin.request("PATCH", f"/v1/wallets/{ann}", {"status": "frozen"})
    frozen = merchant.post(f"/v1/holds/{hold}/capture", {})
    report.equal("a frozen buyer cannot pay", frozen.code, "cannot_pay", frozen)
    report.equal("and the buyer himself is told", customer.post(
        "/v1/transfers", {"from": ann, "to": bob, "amount": 1}).code, "wallet_frozen")
    admin.request("PATCH", f"/v1/wallets/{ann}", {"status": "active"})


def keys_of_bound_roles(report, server):
    with server.client() as admin:
        for role in BOUND:
            refused = admin.post("/v1/keys", {"name": "k", "role": role})
            report.equal(f"{role} without an owner", refused.code, "invalid_request", refused)
            report.equal("is pointed at", refused.json["errors"][0]["pointer"], "/owner")
    # Across a restart the owner of a key is known as before.
    secret = server.key("customer", owner="zoe")["secret"]
    with server.client() as admin:
        zoe = admin.post("/v1/wallets", {"owner": "zoe", "currency": "USD"})["id"]
    server.restart()
    with server.client(secret) as customer:
        report.equal("still hers", [item["id"] for item in
                                    customer.get("/v1/wallets").json["items"]], [zoe])


# What separate duties take from admins: whatever moves money, or lets it be moved.
MONEY = {"deposit", "withdraw", "settleWithdrawal", "failWithdrawal", "purchase", "refund",
         "transfer", "hold", "captureHold", "voidHold", "batch", "adjust", "approve", "reject",
         "approveAnomaly", "rejectAnomaly", "dismissAnomaly"}


def duties_apart(report, server):
    """Every operation, asked by an admin before and after duties were separated."""
    world = World(server, report)
    asked = {name: requests_of(world, name, "admin", "own") for name in MAY}
    server.config = {**(server.config or {}), "separate_duties": True}
    world.admin.close()
    for client in world.clients.values():
        client.close()
    server.restart()
    may = set(world.admin.get("/v1/me")["permissions"])
    for name, request in asked.items():
        if name in ("revokeKey", "rotateKey", "createKey", "resumePayments", "eraseOwnerData"):
            continue  # done below, or nothing to do with money
        answer = ask(world.admin, request)
        report.equal(f"duties apart: {name}", answer.code == "forbidden", name in MONEY, answer)
    report.check("keys, the audit and the queue stay", {
        "keys:write", "keys:read", "audit:read", "queue:decide", "owners:erase"} <= may, may)
    report.equal("others may what they could", {ask(world.clients["operator"], asked[name]).code
                                                for name in ("adjust", "deposit")}, {None})


def separate_duties(report, server):
    with server.client() as admin:
        wallet = admin.post("/v1/wallets", {"owner": "o", "currency": "USD"})
        report.equal("wallets are opened", wallet.status, 201, wallet)
        answers = {
            "deposit": admin.post("/v1/deposits", {"wallet": wallet["id"], "amount": 1,
                                                   "bank_transaction_id": "d"}),
            "transfer": admin.post("/v1/transfers", {}), "batch": admin.post("/v1/batches", {}),
            "hold": admin.post("/v1/holds", {}), "refund": admin.post("/v1/refunds", {}),
        }
        for name, answer in answers.items():
            report.equal(f"no money: {name}", answer.code, "forbidden", answer)
        report.equal("no credit", admin.request("PATCH", f"/v1/wallets/{wallet['id']}",
                                                {"credit_limit": 5}).code, "invalid_request")
        report.equal("keys go on", admin.post("/v1/keys", {"name": "s", "role": "service"}).status,
                     201)
    service = server.client(server.key("service")["secret"])
    report.equal("the service pays in", service.post("/v1/deposits", {
        "wallet": wallet["id"], "amount": 1, "bank_transaction_id": "d"}).status, 201)


TELLER = {"number": 16, "permissions": ["wallets:read", "deposits:write"]}
CLERK = {"number": 17, "bound": True, "permissions": ["wallets:read", "wallets:open",
                                                      "transfers:write"]}


def custom_roles(report, server):
    with server.client() as admin:
        made = admin.post("/v1/keys", {"name": "t", "role": "teller"})
        report.equal("a key of a role of one's own", (made.status, made.get("role")),
                     (201, "teller"), made)
        report.equal("lists say it", admin.get("/v1/keys?limit=1").json["items"][0]["role"],
                     "teller")
        report.equal("bound ones need an owner",
                     admin.post("/v1/keys", {"name": "c", "role": "clerk"}).code,
                     "invalid_request")
        report.equal("there is no other",
                     admin.post("/v1/keys", {"name": "c", "role": "boss"}).code,
                     "invalid_request")
        wallet = admin.post("/v1/wallets", {"owner": "o", "currency": "USD"})["id"]
        teller = server.client(made["secret"])
        report.equal("is who it is", teller.get("/v1/me").json["permissions"],
                     ["wallets:read", "deposits:write"])
        report.equal("pays in", teller.post("/v1/deposits", {
            "wallet": wallet, "amount": 9, "bank_transaction_id": "d"}).status, 201)
        report.equal("not out", teller.post("/v1/withdrawals", {"wallet": wallet,
                                                                "amount": 1}).code, "forbidden")
        clerk = server.client(server.key("clerk", owner="o")["secret"])
        report.equal("sees its own", clerk.get(f"/v1/wallets/{wallet}").status, 200)
        report.equal("opens its own", clerk.post("/v1/wallets", {"owner": "o",
                                                                 "currency": "EUR"}).status, 201)
        report.equal("opens none for others", clerk.post(
            "/v1/wallets", {"owner": "p", "currency": "EUR"}).code, "forbidden")
        report.equal("gives itself no credit", clerk.post(
            "/v1/wallets", {"owner": "o", "currency": "EUR", "credit_limit": 5}).code,
            "invalid_request")
    config, server.config = server.config, {}
    server.restart()
    with server.client(made["secret"]) as teller:
        gone = teller.get(f"/v1/wallets/{wallet}")
        report.equal("a role that is gone may nothing", gone.code, "forbidden", gone)
    with server.client() as admin:
        report.equal("and lists still answer", admin.get("/v1/keys").status, 200)
    server.config = config


def rules_are_not_named(report, server):
    """Which rule refuses, or wants a look first, is not for those whom it watches."""
    world = World(server, report)
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    for name, told in (("service", True), ("customer", False)):
        client = world.clients[name]
        pay = {"from": ann, "to": bob, "amount": 900}
        single = client.post("/v1/transfers", pay)
        atomic = client.post("/v1/batches", {"atomic": True, "operations": [
            {"type": "transfer", **pay, "amount": 700}]})
        report.equal(f"{name}: refused", (single.code, atomic.code),
                     ("refused_by_rule", "held_for_review"), (single, atomic))
        for answer, rule in ((single, "secret-limit"), (atomic, "secret-look")):
            report.equal(f"{name}: {rule}", (answer.get("rule") == rule,
                                             rule in answer.body.decode()), (told, told), answer)
            report.check(f"{name}: a whole sentence", "  " not in answer["detail"], answer)


SECRET_RULES = {"rules": [
    {"name": "secret-limit", "action": "refuse", "operations": ["transfer"], "currencies": ["USD"],
     "when": {"amount": 900}},
    {"name": "secret-look", "action": "hold", "operations": ["transfer"], "currencies": ["USD"],
     "when": {"amount": 700}}]}


def run_all(suite, binary):
    import claims
    import florin
    from report import Report
    report = Report(suite)
    for name, function, config in (
            ("every operation and role", every_operation_and_role,
             {"rules": {"file": rule_file(EURO_RULES)}, "webhooks": told()}),
            ("the documented matrix", the_documented_matrix, None),
            ("fields and sides", fields_and_sides, None),
            ("refunds of shops", refunds_of_shops, None),
            ("what others cannot", what_others_cannot, None),
            ("keys of bound roles", keys_of_bound_roles, None),
            ("duties apart", duties_apart,
             {"rules": {"file": rule_file(EURO_RULES)}, "webhooks": told()}),
            ("separate duties", separate_duties, {"separate_duties": True}),
            ("rules are not named", rules_are_not_named,
             {"rules": {"file": rule_file(SECRET_RULES)}}),
            ("custom roles", custom_roles, {"roles": {"teller": TELLER, "clerk": CLERK}})):
        def lived(report, function=function, config=config):
            with florin.serving(florin=binary, config=config) as server:
                function(report, server)
                with server.client() as admin:
                    books = admin.get("/check-integrity?depth=full")
                    if books.status == 200:
                        report.check("the books are consistent", books.json["consistent"], books)
        report.run(name, lived)
    report.run("changed claims", claims.changed, binary)
    report.finish()
