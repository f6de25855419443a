# SPDX-License-Identifier: MIT
"""Rules that look at payments: what they find, hold and refuse, who decides, and what becomes of
the money. The same on both engines."""

import json
import os
import threading

import florin
import lives
from wait import within


def written(rules, path=None):
    """A rule file; returns its path. Replaced in one step, as an editor would."""
    path = path or os.path.join(florin.folder(), "rules.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(rules if isinstance(rules, str) else json.dumps({"rules": rules}))
    os.replace(path + ".new", path)
    return path


def config(rules, **more):
    return {"rules": {"file": written(rules), **more}}


def rule(name, action="flag", **members):
    when = {key: members.pop(key) for key in list(members) if key not in (
        "operations", "currencies", "wallet_kind", "score", "shadow")}
    if any(key == "amount" or key.startswith("sum") for key in when):
        members.setdefault("currencies", ["USD"])
    return {"name": name, "action": action, "when": when, **members}


class World:
    def __init__(self, server, report):
        self.server, self.report = server, report
        self.admin = server.client()
        self.service = server.client(server.key("service")["secret"])
        self.count = 0

    def wallet(self, money=0, kind="customer", owner=None):
        self.count += 1
        answer = self.admin.post("/v1/wallets", {"owner": owner or f"owner-{self.count}",
                                                 "currency": "USD", "kind": kind})
        if money:
            self.deposit(answer["id"], money)
        return answer["id"]

    def deposit(self, wallet, amount):
        self.count += 1
        return self.admin.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                                "bank_transaction_id": f"bank-{self.count}"})

    def transfer(self, payer, payee, amount, **options):
        return self.service.post("/v1/transfers", {"from": payer, "to": payee, "amount": amount},
                                 **options)

    def found(self, wallet, **filters):
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        return self.admin.get(f"/v1/anomalies?wallet={wallet}{query}")["items"]

    def money(self, wallet):
        answer = self.admin.get(f"/v1/wallets/{wallet}")
        return answer["balance"], answer["held"], answer["version"]

    def equal(self, name, got, wanted, detail=""):
        self.report.equal(name, got, wanted, detail)


EVERY = [
    rule("large", amount=5000, score=90, operations=["transfer", "purchase"]),
    rule("third-in-hour", count_in_hour=3, operations=["withdrawal"], score=40),
    rule("sum-of-day", sum_in_day=900, operations=["hold"]),
    rule("far-from-mean", percent_of_mean=300, payments_before=3, operations=["purchase"],
         score=60),
    rule("deviates", deviations_above_mean=4, payments_before=3, operations=["transfer"],
         wallet_kind="merchant"),
    rule("fresh-withdrawal", first_withdrawal=True, seconds_since_deposit=3600, amount=400,
         operations=["withdrawal"], score=70),
    rule("new-payee", new_counterparty=True, amount=800, operations=["transfer"],
         wallet_kind="customer", score=30),
    rule("drained", percent_of_available=95, amount=300, operations=["purchase"], score=20),
    rule("many-refunds", percent_of_sales=50, operations=["refund"], wallet_kind="merchant"),
]


def flags(report, server):
    """Each condition hits where it should and one below does not; payments go on."""
    world = World(server, report)
    ann, bob, shop = world.wallet(100_000), world.wallet(100_000), world.wallet(kind="merchant")

    def rules_of(wallet):
        return [item["rule"] for item in world.found(wallet)]

    def pay(payer, payee, amount):
        return world.transfer(payer, payee, amount)

    world.equal("below", pay(ann, bob, 799).status, 201)
    world.equal("nothing is found", rules_of(ann), [])
    made = pay(ann, shop, 800)
    world.equal("a payment that is flagged is paid", made.status, 201, made)
    world.equal("a new payee", rules_of(ann), ["new-payee"])
    pay(ann, shop, 800)
    world.equal("the second time he is known", rules_of(ann), ["new-payee"])
    large = pay(ann, bob, 5000)
    item = world.found(ann)[0]
    world.equal("the finding", {key: item[key] for key in (
        "status", "rule", "score", "action", "amount", "currency", "transactions",
        "rules_version", "wallet")}, {
            "status": "pending", "rule": "large", "score": 90, "action": "flag", "amount": 5000,
            "currency": "USD", "transactions": [large["id"]], "rules_version": 1, "wallet": ann})
    world.equal("in a sentence", item["sentence"], "Transfer of 50.00 USD.")

    carl = world.wallet(10_000)
    for amount in (10, 20):
        world.service.post("/v1/withdrawals", {"wallet": carl, "amount": amount})
    world.equal("two withdrawals", rules_of(carl), [])
    third = world.service.post("/v1/withdrawals", {"wallet": carl, "amount": 30})
    item = world.found(carl)[0]
    world.equal("the third", (item["rule"], item["sentence"], item["withdrawal"]),
                ("third-in-hour", "Withdrawal of 0.30 USD, payment 3 within an hour.",
                 third["id"]), item)

    dora = world.wallet(10_000)
    hold = {"wallet": dora, "merchant": shop, "amount": 450}
    world.service.post("/v1/holds", dict(hold, amount=449))
    world.service.post("/v1/holds", hold)
    world.equal("a sum below", rules_of(dora), [])
    held = world.service.post("/v1/holds", dict(hold, amount=1))
    item = world.found(dora)[0]
    world.equal("the sum of a day", (item["rule"], item["hold"]), ("sum-of-day", held["id"]))

    eve = world.wallet(10_000)
    for _ in range(3):
        world.service.post("/v1/purchases", {"wallet": eve, "merchant": shop, "amount": 100})
    world.service.post("/v1/purchases", {"wallet": eve, "merchant": shop, "amount": 299})
    world.equal("not yet far", rules_of(eve), [])
    world.service.post("/v1/purchases", {"wallet": eve, "merchant": shop, "amount": 2000})
    item = world.found(eve)[0]
    world.equal("far from the mean", (item["rule"], "of the usual" in item["sentence"]),
                ("far-from-mean", True), item)

    withdrawals_and_drains(world, shop)
    refunds(world, bob)
    decided(world, ann, shop)


def withdrawals_and_drains(world, shop):
    """The first withdrawal soon after a deposit, and a wallet that is emptied."""
    def rules_of(wallet):
        return [item["rule"] for item in world.found(wallet)]

    fred = world.wallet(1000)
    world.service.post("/v1/withdrawals", {"wallet": fred, "amount": 399})
    gina = world.wallet(1000)
    world.service.post("/v1/withdrawals", {"wallet": gina, "amount": 400})
    world.equal("a small first withdrawal", rules_of(fred), [])
    world.equal("a first withdrawal", rules_of(gina), ["fresh-withdrawal"])

    hugo = world.wallet(1000)
    world.service.post("/v1/purchases", {"wallet": hugo, "merchant": shop, "amount": 949})
    ida = world.wallet(1000)
    sale = world.service.post("/v1/purchases", {"wallet": ida, "merchant": shop, "amount": 950})
    world.equal("nearly all", rules_of(hugo), [])
    world.equal("drained", rules_of(ida), ["drained"])


def refunds(world, bob):
    """The share of a merchant's refunds."""
    store = world.wallet(kind="merchant")
    sale = world.service.post("/v1/purchases", {"wallet": bob, "merchant": store, "amount": 1000})
    world.service.post("/v1/refunds", {"purchase": sale["id"], "amount": 499})
    world.equal("a few refunds", world.found(store), [])
    back = world.service.post("/v1/refunds", {"purchase": sale["id"], "amount": 1})
    world.equal("the share", [(i["rule"], i["transactions"]) for i in world.found(store)],
                [("many-refunds", [back["id"]])])


def done_to(world, anomaly):
    """What was done to it, by the audit, the last first."""
    entries = world.admin.get(f"/v1/audit?resource={anomaly}&outcome=ok")["items"]
    return [entry["operation"] for entry in entries
            if not entry["operation"].startswith("read") and not entry.get("replayed")]


def decided(world, ann, shop):
    """Flagged payments are dismissed, once; lists filter; nothing is held."""
    admin = world.admin
    first = world.found(ann)[0]
    path = f"/v1/anomalies/{first['id']}"
    world.equal("nothing to approve", admin.post(path + "/approve", {}).code,
                "anomaly_not_pending")
    world.equal("nothing to reject", admin.post(path + "/reject", {}).code, "anomaly_not_pending")
    done = admin.post(path + "/dismiss", {"comment": "her own flat"}, key="dismiss-1")
    world.equal("dismissed", (done.status, done["status"], done["comment"]),
                (200, "dismissed", "her own flat"), done)
    world.equal("a retry", admin.post(path + "/dismiss", {"comment": "her own flat"},
                                      key="dismiss-1").body, done.body)
    world.equal("once", admin.post(path + "/dismiss", {}).get("anomaly_status"), "dismissed")
    world.equal("it stays so", admin.get(path).json, done.json)
    world.equal("who may", world.service.post(path + "/dismiss", {}).code, "forbidden")
    world.equal("by status", [i["id"] for i in world.found(ann, status="dismissed")],
                [first["id"]])
    world.equal("by rule", [i["rule"] for i in world.found(ann, rule="new-payee")], ["new-payee"])
    world.equal("by time", (world.found(ann, to="2020-01-01"),
                            len(world.found(ann, **{"from": "2020-01-01"}))), ([], 2))
    page = admin.get(f"/v1/anomalies?wallet={ann}&limit=1")
    rest = admin.get(f"/v1/anomalies?wallet={ann}&limit=1&cursor={page['next_cursor']}")
    world.equal("page by page", [i["id"] for i in page["items"] + rest["items"]],
                [i["id"] for i in world.found(ann)])
    world.equal("no approval", admin.get("/v1/approvals")["items"], [])
    world.equal("nor by its id", admin.get(
        f"/v1/approvals/apr_{first['id'].split('_')[1]}").status, 404)
    batch = {"atomic": True, "operations": [
        {"type": "transfer", "from": ann, "to": shop, "amount": 5001},
        {"type": "transfer", "from": ann, "to": shop, "amount": 10**9}]}
    before = len(world.found(ann))
    world.equal("an atomic batch that fails", admin.post("/v1/batches", batch).status, 422)
    world.equal("leaves no finding", len(world.found(ann)), before)
    batch["operations"].pop()
    # With a key: its record names what stands before it, findings between or not.
    world.equal("one that does not", admin.post("/v1/batches", batch, key="flagged-batch").status,
                200)
    world.equal("leaves one", len(world.found(ann)), before + 1)
    books = admin.get("/check-integrity?depth=full")
    world.equal("and right books", books["consistent"], True, books)
    world.equal("the audit knows", done_to(world, first["id"]), ["dismissAnomaly", "finding"])


HELD = [rule("large-out", "hold", amount=1000, operations=["transfer", "withdrawal", "purchase",
                                                           "hold", "refund"]),
        rule("too-large", "refuse", amount=50_000),
        rule("also-large", "flag", amount=1000, score=99)]


CROWDED = [rule("large", "hold", amount=1000, operations=["transfer"]),
           rule("any", "flag", amount=10, operations=["transfer"])]


def crowd(report, server):
    """Behind more findings than a page has, held money is still seen."""
    world = World(server, report)
    admin, ann, carol = world.admin, world.wallet(10_000), world.wallet(50_000)
    held = world.transfer(ann, carol, 1000)
    done = admin.post("/v1/batches", {"operations": [
        {"type": "transfer", "from": carol, "to": ann, "amount": 10}] * 1200})
    world.equal("flagged", {one.get("type") for one in done["results"]}, {"transfer"})

    def listed(query, most=1):
        items, cursor = [], ""
        while cursor is not None and len(items) < most:  # pages may be short
            page = admin.get(f"/v1/anomalies?status=pending&limit=1000{query}{cursor}")
            items += page["items"]
            cursor = "&cursor=" + page["next_cursor"] if "next_cursor" in page.json else None
        return items
    world.equal("what is held", [one["id"] for one in listed("&action=hold", 2)], [held["id"]])
    world.equal("of a wallet", [one["id"] for one in listed(
        f"&action=hold&wallet={held['wallet']}", 2)], [held["id"]])
    world.equal("and not of another", listed(f"&action=hold&wallet={carol}"), [])
    flagged = listed("&action=flag", 2000)
    world.equal("what is flagged", (len(flagged), {one["action"] for one in flagged}),
                (1200, {"flag"}))
    world.equal("nothing else is an action", admin.get("/v1/anomalies?action=refuse").status, 400)
    world.equal("the metrics tell both", within(60, lambda: all(
        line in admin.get("/metrics").body for line in (
            b'florin_anomalies_waiting{action="hold"} 1\n',
            b'florin_anomalies_waiting{action="flag"} 1000\n'))), True, "in time")


def holds(report, server):
    """The money is held until somebody decides; retries say what has become of it."""
    world = World(server, report)
    ann, bob = world.wallet(10_000), world.wallet()
    asked = world.transfer(ann, bob, 4000, key="held-1")
    world.equal("held", (asked.status, asked["status"]), (202, "pending"), asked)
    world.equal("where", asked.headers.get("location"), f"/v1/anomalies/{asked['id']}")
    world.equal("the customer is told no numbers", sorted(asked.json), [
        "amount", "created_at", "currency", "expires_at", "id", "status", "wallet"])
    world.equal("its money is held", world.money(ann), (10_000, 4000, 3))
    world.equal("and not paid", world.money(bob)[0], 0)
    proof = world.admin.get(f"/v1/wallets/{ann}/integrity")
    world.equal("the wallet's proof counts it", (proof["consistent"], proof["held"]), (True, 4000),
                proof)
    world.equal("it cannot be spent", world.transfer(ann, bob, 6001).code, "insufficient_funds")
    again = world.transfer(ann, bob, 4000, key="held-1")
    world.equal("a retry", (again.status, again.body, again.replayed), (202, asked.body, True))
    path = f"/v1/anomalies/{asked['id']}"
    item = world.admin.get(path)
    world.equal("whoever decides sees more", (item["rule"], item["action"], item["operation"],
                                              item["request"]),
                ("large-out", "hold", "transfer", {"from": ann, "to": bob, "amount": 4000}), item)
    world.equal("the others are named", "also-large" in item["sentence"], True, item)
    world.equal("not dismissed", world.admin.post(path + "/dismiss", {}).code,
                "anomaly_not_pending")
    world.equal("the metrics tell that it waits", within(
        60, lambda: b'florin_anomalies_waiting{action="hold"} 1\n' in world.admin.get(
            "/metrics").body), True, "in time")
    done = world.admin.post(path + "/approve", {"comment": "called her"}, key="approve-1")
    world.equal("approved", (done.status, done["status"], done["comment"]),
                (200, "approved", "called her"), done)
    world.equal("the money", (world.money(ann), world.money(bob)[0]), ((6000, 0, 5), 4000))
    made = world.admin.get(f"/v1/transactions/{done['transaction']}")
    world.equal("the payment is hers", (made["amount"], made["debit"]["account"]), (4000, ann))
    after = world.transfer(ann, bob, 4000, key="held-1")
    world.equal("a retry tells", (after.status, after["status"], after["transaction"]),
                (202, "approved", done["transaction"]), after)
    world.equal("approving again", world.admin.post(path + "/approve", {"comment": "called her"},
                                                    key="approve-1").body, done.body)
    world.equal("too late", world.admin.post(path + "/reject", {}).code, "anomaly_not_pending")

    own = world.admin.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1500})
    world.equal("nobody approves his own", world.admin.post(
        f"/v1/anomalies/{own['id']}/approve", {}).code, "second_principal_needed")
    back = world.admin.post(f"/v1/anomalies/{own['id']}/reject", {"comment": "no"})
    world.equal("rejected", (back["status"], world.money(ann)[:2]), ("rejected", (6000, 0)), back)

    version = world.money(ann)[2]
    kinds = {
        "withdrawal": ("/v1/withdrawals", {"wallet": ann, "amount": 1000}),
        "hold": ("/v1/holds", {"wallet": ann, "merchant": world.wallet(kind="merchant"),
                               "amount": 1000}),
        "transfer": ("/v1/transfers", {"from": ann, "to": bob, "amount": 1000}),
    }
    for kind, (target, body) in kinds.items():
        options = {"if_match": version} if kind == "transfer" else {}
        options = {} if kind != "transfer" else {"if_match": world.money(ann)[2]}
        answer = world.service.post(target, body, **options)
        done = world.admin.post(f"/v1/anomalies/{answer['id']}/approve", {})
        world.equal(f"a {kind} that was held", (done["status"], (
            done.get("transaction") or done.get(kind) or "?")[:4]),
            ("approved", {"hold": "hold", "withdrawal": "wdl_"}.get(kind, "txn_")), done)
    world.equal("what is held by then", world.money(ann)[:2], (5000, 2000))
    refused_and_gone(world, ann, bob)
    world.equal("the audit", done_to(world, asked["id"]), ["approveAnomaly", "transfer"])


def refused_and_gone(world, ann, bob):
    """Refusals, batches, and approvals that come too late for the money."""
    answer = world.transfer(ann, bob, 50_000, key="refused-1")
    world.equal("no money, no rule", answer.code, "insufficient_funds")
    rich = world.wallet(100_000)
    answer = world.transfer(rich, bob, 50_000, key="refused-2")
    world.equal("refused", (answer.status, answer.code, answer["rule"]),
                (422, "refused_by_rule", "too-large"), answer)
    told = answer["detail"].replace(rich, "").replace(bob, "")
    world.equal("no threshold is told", "500" in told, False, answer)
    again = world.transfer(rich, bob, 50_000, key="refused-2")
    world.equal("again", (again.body, again.replayed), (answer.body, True))
    batch = {"operations": [{"type": "transfer", "from": rich, "to": bob, "amount": 10},
                            {"type": "transfer", "from": rich, "to": bob, "amount": 2000}]}
    whole = world.service.post("/v1/batches", dict(batch, atomic=True))
    world.equal("an atomic batch", (whole.status, whole.code, whole["rule"]),
                (422, "held_for_review", "large-out"), whole)
    world.equal("moved nothing", world.money(rich)[:2], (100_000, 0))
    held_before(world, batch["operations"])
    loose = world.service.post("/v1/batches", batch)
    world.equal("another batch", (loose.status, loose["results"][1].get("status")),
                (200, "pending"), loose)
    world.equal("holds one", world.money(rich)[:2], (99_990, 2000))
    waiting = loose["results"][1]["id"]
    world.admin.patch(f"/v1/wallets/{rich}", {"status": "frozen"})
    done = world.admin.post(f"/v1/anomalies/{waiting}/approve", {})
    world.equal("approved too late", (done["status"], done["refusal"]["code"]),
                ("refused", "wallet_frozen"), done)
    world.equal("its money is free", world.money(rich)[:2], (99_990, 0))
    world.admin.patch(f"/v1/wallets/{rich}", {"status": "active"})
    wallet = world.admin.patch(f"/v1/wallets/{rich}", {"status": "closed"})
    world.equal("not empty", wallet.code, "wallet_not_empty")


def held_before(world, operations):
    """An atomic batch with an operation that had to wait when it was sent alone does nothing,
    whatever was decided about that one since: it is no part of the whole."""
    payer = world.wallet(100_000)
    small, large = ({**operation, "from": payer} for operation in operations)
    for verb, status in ((None, "pending"), ("reject", "rejected"), ("approve", "approved")):
        key = f"before-{status}"
        alone = world.transfer(payer, large["to"], large["amount"], key=key)
        world.equal("it waits", (alone.status, alone["status"]), (202, "pending"), alone)
        if verb:
            done = world.admin.post(f"/v1/anomalies/{alone['id']}/{verb}", {})
            world.equal("it is decided", done["status"], status, done)
        money = world.money(payer)
        whole = world.service.post("/v1/batches", {
            "atomic": True, "operations": [small, {**large, "idempotency_key": key}]})
        world.equal(f"a batch with one that is {status}",
                    (whole.status, whole.code, whole["rule"], whole["operation"]),
                    (422, "held_for_review", "large-out", 1), whole)
        world.equal("moves nothing", world.money(payer), money)
        again = world.transfer(payer, large["to"], large["amount"], key=key)
        world.equal("alone it answers as it is now", (again.status, again["status"]),
                    (202, status), again)


def expiry(report, server):
    """Nobody comes in time: the money is free again, also after a restart."""
    world = World(server, report)
    ann, bob = world.wallet(10_000), world.wallet()
    asked = world.transfer(ann, bob, 4000, key="late-1")
    world.equal("held", world.money(ann)[:2], (10_000, 4000))
    server.crash()
    world.admin, world.service = server.client(), server.client(server.key("service")["secret"])
    world.report.check("freed in time", within(60, lambda: world.money(ann)[1] == 0), asked)
    item = world.admin.get(f"/v1/anomalies/{asked['id']}")
    world.equal("expired", (item["status"], item["decided_by"]), ("expired", "system"), item)
    world.equal("too late", world.admin.post(f"/v1/anomalies/{asked['id']}/approve", {}).code,
                "anomaly_not_pending")
    world.equal("nothing was paid", world.money(bob)[0], 0)


COUNTING = [rule("tenth", count_in_day=10, operations=["transfer"]),
            rule("watched", "refuse", count_in_day=2, operations=["transfer"], shadow=True)]


def restarts(report, server):
    """Counters go on where they were, whatever happens to the process."""
    world = World(server, report)
    ann, bob = world.wallet(10_000), world.wallet()
    for i in range(9):
        world.transfer(ann, bob, 10 + i)
        if i == 4:
            server.crash()
            world.admin = server.client()
            world.service = server.client(server.key("service")["secret"])
    world.equal("nine", world.found(ann), [])
    server.restart()
    world.admin = server.client()
    world.service = server.client(server.key("service")["secret"])
    world.transfer(ann, bob, 10)
    world.equal("the tenth", [(i["rule"], i["sentence"]) for i in world.found(ann)],
                [("tenth", "Transfer of 0.10 USD, payment 10 within a day.")])
    metrics = world.admin.get("/metrics").body.decode()
    world.report.check("the shadow is counted",
                       'florin_rule_hits_total{rule="watched",action="refuse",shadow="true"} 1'
                       in metrics, [line for line in metrics.splitlines() if "rule" in line])


def readiness(world):
    """What /readyz says of the server, and of its rules."""
    told = world.admin.get("/readyz")
    return told["status"], {one["name"]: one["status"]
                            for one in told["dependencies"]}.get("rules")


def reload(report, server):
    """The file changes under load: no payment is lost, and every finding names its version."""
    world = World(server, report)
    path = server.config["rules"]["file"]
    ann, bob = world.wallet(1_000_000), world.wallet()
    world.transfer(ann, bob, 500)
    world.equal("as it was", [(i["rule"], i["rules_version"]) for i in world.found(ann)],
                [("all", 1)])
    done, statuses = threading.Event(), []

    def load():
        with server.client() as client:
            while not done.is_set():
                statuses.append(client.post("/v1/transfers", {"from": ann, "to": bob,
                                                              "amount": 1}).status)

    thread = threading.Thread(target=load)
    thread.start()
    written([rule("other", amount=400)], path)
    changed = within(60, lambda: world.transfer(ann, bob, 450).status == 201 and
                    world.found(ann)[0]["rule"] == "other")
    written([rule("broken", amount=0)], path)
    closed = within(60, lambda: world.transfer(ann, bob, 1).code == "rules_not_loaded")
    world.equal("deposits and reads go on", (world.deposit(ann, 5).status,
                                             world.admin.get(f"/v1/wallets/{ann}").status),
                (201, 200))
    world.equal("which is no secret", readiness(world), ("ready", "failed"))
    written([], path)
    opened = within(60, lambda: world.transfer(ann, bob, 1).status == 201)
    world.equal("and is over", readiness(world), ("ready", None))
    before = len(world.found(ann))
    world.transfer(ann, bob, 450)
    done.set()
    thread.join()
    world.report.check("another rule", changed, server.log())
    world.equal("its version", world.found(ann)[0]["rules_version"], 2)
    world.report.check("a broken file closes", closed)
    world.report.check("no rules are rules", opened)
    world.equal("which find nothing", len(world.found(ann)), before)
    world.equal("nobody was refused for another reason", set(statuses) - {201, 503}, set())
    world.report.check("and most were paid", statuses.count(201) > 10, statuses)


def opens(report, server):
    """on_error: open; and without the setting there are no rules any more."""
    world = World(server, report)
    ann, bob = world.wallet(10_000), world.wallet()
    written("{", server.config["rules"]["file"])
    server.restart()
    world = World(server, report)
    world.equal("payments go on", world.transfer(ann, bob, 500).status, 201)
    world.equal("by the rules of before", [i["rule"] for i in world.found(ann)], ["all"])
    server.config = None
    server.restart()
    world = World(server, report)
    world.transfer(ann, bob, 500)
    world.equal("without rules", [i["rule"] for i in world.found(ann)], ["all"])


def run_all(suite, binary, more=()):
    from report import Report
    report = Report(suite)
    for name, function, settings in (
            ("flags", flags, config(EVERY)), ("holds", holds, config(HELD)),
            ("crowd", crowd, config(CROWDED)),
            ("expiry", expiry, config(HELD, expires_in=3)),
            ("restarts", restarts, config(COUNTING)),
            ("reload", reload, config([rule("all", amount=500)])),
            ("open on error", opens, config([rule("all", amount=500)], on_error="open"))):
        lives.run(report, name, function, binary, settings)
    for name, function in more:
        report.run(name, lambda report, function=function: function(report, binary))
    report.finish()
