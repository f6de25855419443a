# SPDX-License-Identifier: MIT
"""Four eyes: what waits for a second person, who may let it go, and what becomes of it."""

import threading
import time

import lives
import matrix

RULES = {"approvals": {"above": {"USD": 1000}}}


class World(matrix.World):
    def deposit(self, owner, amount=1000):
        return super().deposit(owner, min(amount, 1000))


def money(world, owner):
    return world.admin.get(f"/v1/wallets/{world.wallets[owner]}")["balance"]


def adjustments(report, server):
    """Always wait, and count among what came in or went out."""
    world = World(server, report)
    ann, admin = world.wallets["ann"], world.admin
    operator = world.clients["operator"]
    body = {"wallet": ann, "direction": "credit", "amount": 250, "reason": "a lost deposit"}
    asked = operator.post("/v1/adjustments", body, key="adjust-1")
    report.equal("it waits", (asked.status, asked.get("status")), (202, "pending"), asked)
    report.equal("where it is", asked.headers.get("location"), f"/v1/approvals/{asked['id']}")
    report.equal("what was asked", asked["request"], body, asked)
    report.equal("the amount", (asked["amount"], asked["currency"], asked["operation"]),
                 (250, "USD", "adjustment"))
    report.equal("nothing moved", money(world, "ann"), 1000)
    again = operator.post("/v1/adjustments", body, key="adjust-1")
    report.equal("a retry says the same", (again.status, again.body, again.replayed),
                 (202, asked.body, True))
    other = operator.post("/v1/adjustments", {**body, "direction": "debit"}, key="adjust-1")
    report.equal("another direction is another request", other.code, "idempotency_key_reused")

    path = f"/v1/approvals/{asked['id']}"
    own = operator.post(path + "/approve", {})
    report.equal("nobody approves his own", (own.status, own.code),
                 (403, "second_principal_needed"), own)
    report.equal("nor rejects it", operator.post(path + "/reject", {}).code,
                 "second_principal_needed")
    report.equal("a service decides nothing",
                 world.clients["service"].post(path + "/approve", {}).code, "forbidden")
    done = admin.post(path + "/approve", {"reason": "seen the letter"}, key="yes-1")
    report.equal("somebody else does", (done.status, done.get("status"), done.get("reason")),
                 (200, "approved", "seen the letter"), done)
    made = admin.get(f"/v1/transactions/{done['transaction']}")
    report.equal("and it is booked", (made["type"], made["amount"], made["reason"],
                                      made["debit"], made["credit"]["account"]),
                 ("adjustment", 250, "a lost deposit", {"account": "external:USD"}, ann), made)
    report.equal("by who asked", made["initiated_by"], asked["requested_by"])
    report.equal("the money is there", money(world, "ann"), 1250)
    replay = admin.post(path + "/approve", {"reason": "seen the letter"}, key="yes-1")
    report.equal("approving twice is approving once", (replay.body, replay.replayed),
                 (done.body, True))
    late = admin.post(path + "/reject", {})
    report.equal("what is decided stays", (late.code, late.get("approval_status")),
                 ("approval_not_pending", "approved"), late)
    report.equal("a read says so", admin.get(path).json, done.json)
    report.equal("the first answer too", operator.post(
        "/v1/adjustments", body, key="adjust-1").body, asked.body)

    admin.request("PATCH", f"/v1/wallets/{ann}", {"status": "frozen"})
    taken = operator.post("/v1/adjustments", {**body, "direction": "debit", "amount": 1250})
    report.equal("out of a frozen wallet as well", admin.post(
        f"/v1/approvals/{taken['id']}/approve", {}).get("status"), "approved")
    report.equal("all of it", money(world, "ann"), 0)
    report.equal("and no more", operator.post(
        "/v1/adjustments", {**body, "direction": "debit", "amount": 1}).code,
        "insufficient_funds")
    for missing in body:
        less = {name: value for name, value in body.items() if name != missing}
        report.equal(f"without {missing}", operator.post("/v1/adjustments", less).code,
                     "invalid_request")
    history = admin.get(f"/v1/wallets/{ann}/transactions?type=adjustment")
    report.equal("lists know them", [item["amount"] for item in history.json["items"]],
                 [1250, 250])
    books = admin.get("/check-integrity?depth=full").json
    totals = next(item for item in books["currencies"] if item["currency"] == "USD")
    report.equal("deposits and withdrawals", (books["consistent"], totals["deposits"],
                                              totals["withdrawals"], totals["difference"]),
                 (True, 4250, 1250, 0), books)


def large_payments(report, server):
    world = World(server, report)
    admin, service = world.admin, world.clients["service"]
    ann, bob, shop = (world.wallets[name] for name in ("ann", "bob", "shop"))
    for _ in range(3):
        world.deposit("ann")
    report.equal("at the limit nobody is asked", service.post(
        "/v1/transfers", {"from": ann, "to": bob, "amount": 1000}).status, 201)
    asked = {
        "deposit": ("/v1/deposits", {"wallet": bob, "amount": 1001,
                                     "bank_transaction_id": "large"}),
        "transfer": ("/v1/transfers", {"from": ann, "to": bob, "amount": 1001,
                                       "reference": "rent"}),
        "purchase": ("/v1/purchases", {"wallet": ann, "merchant": shop, "amount": 1001,
                                       "metadata": {"cart": "7"}}),
        "hold": ("/v1/holds", {"wallet": ann, "merchant": shop, "amount": 1001}),
        "withdrawal": ("/v1/withdrawals", {"wallet": ann, "amount": 1001}),
    }
    waiting = {name: service.post(path, body) for name, (path, body) in asked.items()}
    for name, answer in waiting.items():
        report.equal(f"a large {name} waits", (answer.status, answer.get("operation")),
                     (202, name), answer)
        told = {**answer["request"]}
        told.pop("expires_in", None)
        report.equal(f"and is told whole: {name}", told, asked[name][1])
    report.equal("refusals come at once", service.post(
        "/v1/transfers", {"from": ann, "to": bob, "amount": 10**9}).code, "insufficient_funds")
    report.equal("nothing moved meanwhile", money(world, "ann"), 3000)
    things = {}
    for name, answer in waiting.items():
        done = admin.post(f"/v1/approvals/{answer['id']}/approve", {})
        kind = {"hold": "hold", "withdrawal": "withdrawal"}.get(name, "transaction")
        if name in ("deposit", "transfer", "purchase"):
            report.equal(f"{name} goes", done.get("status"), "approved", done)
            things[name] = admin.get(f"/v1/{kind}s/{done[kind]}")
            report.equal(f"{name} is there", things[name].status, 200, things[name])
        else:  # by now there is too little left
            report.equal(f"{name} is refused", (done.status, done.get("status"),
                                                done.get("refusal", {}).get("code")),
                         (200, "refused", "insufficient_funds"), done)
            report.equal("a read says so", admin.get(f"/v1/approvals/{answer['id']}").json,
                         done.json)
    report.equal("what was said with it", (things["transfer"]["reference"],
                                           things["purchase"]["metadata"]),
                 ("rent", {"cart": "7"}))
    what_else_waits(report, world, asked["hold"][1], things["purchase"]["id"])


def what_else_waits(report, world, large_hold, purchase):
    admin, service, ann = world.admin, world.clients["service"], world.wallets["ann"]
    for _ in range(3):
        world.deposit("ann")
    hold = service.post("/v1/holds", large_hold)
    held = admin.post(f"/v1/approvals/{hold['id']}/approve", {})
    report.equal("a hold is made", admin.get(f"/v1/holds/{held['hold']}")["remaining"], 1001, held)
    out = service.post("/v1/withdrawals", {"wallet": ann, "amount": 1001,
                                           "bank_transaction_id": "out"})
    paid = admin.post(f"/v1/approvals/{out['id']}/approve", {})
    report.equal("money goes out", admin.get(f"/v1/withdrawals/{paid['withdrawal']}")["status"],
                 "settled", paid)
    refund = service.post("/v1/refunds", {"purchase": purchase})
    report.equal("a whole refund counts as what is left", (refund.status, refund["amount"]),
                 (202, 1001), refund)
    report.equal("and can be turned down", admin.post(
        f"/v1/approvals/{refund['id']}/reject", {"reason": "no"}).get("status"), "rejected")
    report.equal("for ever", admin.post(f"/v1/approvals/{refund['id']}/approve", {}).code,
                 "approval_not_pending")


def lists_of_approvals(report, server):
    """Filters, pages, and that somebody bound sees what he asked for and nothing else."""
    world = World(server, report)
    admin, service, customer = world.admin, world.clients["service"], world.clients["customer"]
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    for _ in range(5):
        world.deposit("ann")
    rejected = [service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001 + i})
                for i in range(4)]
    for answer in rejected:
        admin.post(f"/v1/approvals/{answer['id']}/reject", {})
    other = service.post("/v1/deposits", {"wallet": bob, "amount": 1001,
                                          "bank_transaction_id": "b"})
    admin.post(f"/v1/approvals/{other['id']}/reject", {})
    mine = customer.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001}, key="mine")
    report.equal("a customer's waits too", mine.status, 202, mine)
    report.equal("he sees it", customer.get(f"/v1/approvals/{mine['id']}").json, mine.json)
    report.equal("he sees nothing else", [item["id"] for item in
                                          customer.get("/v1/approvals").json["items"]],
                 [mine["id"]])
    report.equal("the house sees all", len(admin.get("/v1/approvals").json["items"]), 6)
    report.equal("by state", [item["id"] for item in
                              admin.get("/v1/approvals?status=pending").json["items"]],
                 [mine["id"]])
    report.equal("by who asked", [item["id"] for item in admin.get(
        f"/v1/approvals?requested_by={mine['requested_by']}").json["items"]], [mine["id"]])
    report.equal("by wallet", [item["id"] for item in admin.get(
        f"/v1/approvals?wallet={bob}").json["items"]], [other["id"]])
    seen, path = [], "/v1/approvals?limit=2"
    while path:
        page = admin.get(path).json
        seen += [item["id"] for item in page["items"]]
        path = "next_cursor" in page and f"/v1/approvals?limit=2&cursor={page['next_cursor']}"
    report.equal("in pages", seen, [item["id"] for item in
                                    admin.get("/v1/approvals").json["items"]])
    done = admin.post(f"/v1/approvals/{mine['id']}/approve", {})
    bodies = customer.get(f"/v1/transactions/{done['transaction']}").json
    report.equal("his side of it alone", (sorted(bodies["debit"]), bodies["credit"]),
                 (["account", "balance", "version"], {"account": bob}))
    report.equal("a retry still says what it said", customer.post(
        "/v1/transfers", {"from": ann, "to": bob, "amount": 1001}, key="mine").body, mine.body)


def batches(report, server):
    world = World(server, report)
    service, ann, bob = world.clients["service"], world.wallets["ann"], world.wallets["bob"]
    world.deposit("ann")
    small = {"type": "transfer", "from": ann, "to": bob, "amount": 1}
    large = {"type": "transfer", "from": ann, "to": bob, "amount": 1001}
    whole = service.post("/v1/batches", {"operations": [small, large, small]})
    report.equal("one of a batch waits, the others do not",
                 [result.get("status", result.get("type")) for result in whole.json["results"]],
                 ["transfer", "pending", "transfer"], whole)
    atomic = service.post("/v1/batches", {"atomic": True, "operations": [small, large]})
    report.equal("all or nothing cannot wait", (atomic.status, atomic.code,
                                                atomic.get("operation")),
                 (422, "approval_required", 1), atomic)
    report.equal("and did nothing", money(world, "bob"), 1002)
    alone = service.post("/v1/transfers", {name: large[name] for name in large if name != "type"},
                         key="waited")
    for verb in (None, "approve"):
        if verb:
            world.admin.post(f"/v1/approvals/{alone['id']}/approve", {})
        before = money(world, "bob")
        atomic = service.post("/v1/batches", {"atomic": True, "operations": [
            small, {**large, "idempotency_key": "waited"}]})
        report.equal("nor is one that waited alone a part of it",
                     (alone.status, atomic.status, atomic.code, atomic.get("operation")),
                     (202, 422, "approval_required", 1), atomic)
        report.equal("and nothing of it is done", money(world, "bob"), before)


def restarts(report, server):
    """Whatever waits is there after a kill, and what was decided stays decided."""
    world = World(server, report)
    service, admin = world.clients["service"], world.admin
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    for _ in range(4):
        world.deposit("ann")
    asked = [service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001 + i},
                          key=f"k{i}") for i in range(4)]
    approved = admin.post(f"/v1/approvals/{asked[0]['id']}/approve", {}, key="a")
    admin.post(f"/v1/approvals/{asked[1]['id']}/reject", {})
    server.kill()
    server.start()
    for connection in (service, admin, *world.clients.values()):
        connection.close()
    report.equal("what waits", [item["id"] for item in admin.get(
        "/v1/approvals?status=pending").json["items"]], [asked[3]["id"], asked[2]["id"]])
    report.equal("what was decided", admin.get(f"/v1/approvals/{asked[0]['id']}").json,
                 approved.json)
    report.equal("retries answer the same", (
        service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001}, key="k0").body,
        admin.post(f"/v1/approvals/{asked[0]['id']}/approve", {}, key="a").body),
        (asked[0].body, approved.body))
    report.equal("one more goes", admin.post(
        f"/v1/approvals/{asked[2]['id']}/approve", {}).get("status"), "approved")
    report.equal("the money is right", money(world, "bob"), 1000 + 1001 + 1003)


def expiry(report, server):
    world = World(server, report)
    service, admin = world.clients["service"], world.admin
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    world.deposit("ann")
    asked = service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001})
    path = f"/v1/approvals/{asked['id']}"
    for _ in range(200):
        status = admin.get(path)["status"]
        if status != "pending":
            break
        time.sleep(0.1)
    report.equal("it waits no longer than it may", status, "expired")
    late = admin.post(path + "/approve", {})
    report.equal("and goes no more", (late.code, late.get("approval_status")),
                 ("approval_not_pending", "expired"), late)
    report.equal("lists agree", ([item["id"] for item in admin.get(
        "/v1/approvals?status=expired").json["items"]], admin.get(
            "/v1/approvals?status=pending").json["items"]), ([asked["id"]], []))


def revoked(report, server):
    """Who asked must still be somebody when it is decided."""
    world = World(server, report)
    key = server.key("service")
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    world.deposit("ann")
    with server.client(key["secret"]) as client:
        asked = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001})
    world.admin.delete(f"/v1/keys/{key['id']}")
    done = world.admin.post(f"/v1/approvals/{asked['id']}/approve", {})
    report.equal("a revoked key's wish is refused", (done.get("status"), done["refusal"]["code"]),
                 ("refused", "unauthenticated"), done)
    report.equal("and nothing moved", money(world, "bob"), 1000)

    # Who approved must have been somebody then, and need not be any more.
    boss = server.key("operator")
    service = world.clients["service"]
    asked = [service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001})
             for _ in range(2)]
    with server.client(boss["secret"]) as client:
        first = client.post(f"/v1/approvals/{asked[0]['id']}/approve", {}, key="yes")
        report.equal("approved", first.get("status"), "approved", first)
        world.admin.delete(f"/v1/keys/{boss['id']}")
        late = [client.post(f"/v1/approvals/{asked[i]['id']}/approve", {}, key=key)
                for i, key in ((0, "yes"), (1, "also"))]
    report.equal("a revoked one decides nothing", [answer.code for answer in late],
                 ["unauthenticated"] * 2)
    report.equal("what was approved stays", [world.admin.get(
        f"/v1/approvals/{answer['id']}")["status"] for answer in asked], ["approved", "pending"])
    report.equal("once", money(world, "bob"), 1000 + 1001)


def demoted(report, server):
    """Who asked must still be allowed to when it is decided: roles may have changed meanwhile."""
    world = World(server, report)
    teller = server.key("teller")
    ann, bob, admin = world.wallets["ann"], world.wallets["bob"], world.admin
    for _ in range(4):
        world.deposit("ann")
    with server.client(teller["secret"]) as client:
        asked = {name: client.post(path, body).json["id"] for name, path, body in (
            ("transfer", "/v1/transfers", {"from": ann, "to": bob, "amount": 1001}),
            ("deposit", "/v1/deposits", {"wallet": bob, "amount": 1001,
                                         "bank_transaction_id": "teller"}),
            ("paid", "/v1/withdrawals", {"wallet": ann, "amount": 1001,
                                         "bank_transaction_id": "teller-out"}),
            ("asked for", "/v1/withdrawals", {"wallet": ann, "amount": 1001}))}
    admin_asked = admin.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1002}).json["id"]
    server.config = {**server.config, "separate_duties": True,
                     "roles": role_of_tellers("deposits:write", "withdrawals:write")}
    server.restart()
    approver = server.client(server.key("operator")["secret"])
    done = {name: approver.post(f"/v1/approvals/{id}/approve", {}) for name, id in
            {**asked, "admin": admin_asked}.items()}
    report.equal("what the role lost is refused, what it kept is done", {
        name: (answer.status, answer.get("status"), answer.get("refusal", {}).get("code"))
        for name, answer in done.items()}, {
            "transfer": (200, "refused", "forbidden"), "deposit": (200, "approved", None),
            "paid": (200, "refused", "forbidden"), "asked for": (200, "approved", None),
            "admin": (200, "refused", "forbidden")}, done)
    said = done["transfer"]["refusal"]
    report.check("with a sentence that says whose", said.get("key") == teller["id"]
                 and "may not do it any more" in said["detail"], said)
    report.equal("a read says so", approver.get(f"/v1/approvals/{asked['transfer']}").json,
                 done["transfer"].json)
    report.equal("and nothing moved but what was allowed", money(world, "bob"), 1000 + 1001)
    server.config = {**server.config, "roles": {}}
    server.restart()
    gone = approver.get("/v1/approvals?status=refused")
    report.equal("a role that is gone changes nothing of it", len(gone.json["items"]), 3)


def role_of_tellers(*permissions):
    return {"teller": {"number": 16, "permissions": ["wallets:read", *permissions]}}


def at_once(report, server):
    """Many decide about one request at the same time: one decision counts, and money moves once."""
    world = World(server, report)
    ann, bob, service = world.wallets["ann"], world.wallets["bob"], world.clients["service"]
    secrets = [server.key("operator")["secret"] for _ in range(8)]
    before = money(world, "bob")
    for number in range(4):
        for _ in range(2):
            world.deposit("ann")
        asked = service.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1001})
        answers, gate = [], threading.Barrier(len(secrets))

        def decide(index, secret, number=number, asked=asked, answers=answers, gate=gate):
            verb = "approve" if index % 2 or number % 2 else "reject"
            with server.client(secret) as client:
                gate.wait()
                answers.append((verb, client.post(f"/v1/approvals/{asked['id']}/{verb}", {})))

        threads = [threading.Thread(target=decide, args=one) for one in enumerate(secrets)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = [(verb, answer) for verb, answer in answers if answer.status == 200]
        report.equal("one decides", (len(done), {answer.code for _, answer in answers
                                                 if answer.status != 200}),
                     (1, {"approval_not_pending"}), answers)
        verb, answer = done[0]
        before += 1001 if verb == "approve" else 0
        report.equal("and it is what was done", (answer["status"], money(world, "bob")), (
            {"approve": "approved", "reject": "rejected"}[verb], before), answer)


def command_line(report, server):
    """Asking, listing and approving by hand."""
    world = World(server, report)
    keys = {name: server.key("operator")["secret"] for name in ("one", "two")}
    ann = world.wallets["ann"]

    def say(who, *words):
        done = server.command_line(*words, environment={
            "FLORIN_URL": f"http://127.0.0.1:{server.port}", "FLORIN_KEY": keys[who]})
        report.equal(" ".join(words[:2]), done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    asked = say("one", "adjust", ann, "credit", "2.50USD", "a lost deposit")
    report.check("what waits is told", "pending" in asked and "a lost deposit" in asked, asked)
    waiting = world.admin.get("/v1/approvals?status=pending")["items"][0]["id"]
    shown = say("one", "approval", "show", waiting)
    report.check("it is shown", waiting in shown, shown)
    listed = say("one", "approval", "list", "--status", "pending")
    report.check("it is listed", waiting in listed, listed)
    done = say("two", "approval", "approve", waiting, "--reason", "seen")
    report.check("and approved", "approved" in done and "txn_" in done, done)
    report.equal("the money is there", money(world, "ann"), 1250)


def run_all(suite, binary):
    from report import Report
    report = Report(suite)
    brief = {"approvals": {"above": {"USD": 1000}, "expires_in": 2}}
    for name, function, config in (("adjustments", adjustments, None),
                                   ("large payments", large_payments, RULES),
                                   ("lists", lists_of_approvals, RULES),
                                   ("batches", batches, RULES), ("restarts", restarts, RULES),
                                   ("expiry", expiry, brief), ("revoked", revoked, RULES),
                                   ("demoted", demoted, {**RULES, "roles": role_of_tellers(
                                       "deposits:write", "withdrawals:write",
                                       "withdrawals:settle", "transfers:write")}),
                                   ("at once", at_once, RULES),
                                   ("command line", command_line, None)):
        lives.run(report, name, function, binary, config)
    report.finish()
