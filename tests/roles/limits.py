# SPDX-License-Identifier: MIT
"""What wallets may spend: per transaction, per day and per month; what counts, what is given back,
and that restarts remember it."""

import lives
import matrix

LIMITS = {"spending_limits": [
    {"kind": "customer", "currency": "USD", "per_transaction": 500, "per_day": 1000,
     "per_month": 1500}]}


class World(matrix.World):
    """One service and two wallets, without the keys of every role."""

    def __init__(self, server, report):
        self.report, self.count = report, 0
        self.server = server
        self.admin = server.client()
        self.wallets = {}
        for owner, kind in (("ann", "customer"), ("bob", "customer"), ("shop", "merchant")):
            self.wallets[owner] = self.make("/v1/wallets", owner=owner, currency="USD",
                                            kind=kind)["id"]
            self.deposit(owner, 100_000)

    def transfer(self, who, to, amount, **options):
        return self.admin.post("/v1/transfers", {"from": self.wallets[who],
                                                 "to": self.wallets[to], "amount": amount},
                               **options)


def refused(report, name, answer, period, left, asked):
    report.equal(name, (answer.status, answer.code, answer.get("period"), answer.get("left"),
                        answer.get("asked"), answer.get("currency")),
                 (422, "limit_exceeded", period, left, asked, "USD"), answer)
    words = f"{left // 100}.{left % 100:02} USD"
    report.check(f"{name}: the numbers are in the sentence", words in answer["detail"], answer)


def sums(report, server):
    world = World(server, report)
    refused(report, "one transaction", world.transfer("ann", "bob", 501), "transaction", 500, 501)
    report.equal("as much as it may be", world.transfer("ann", "bob", 500).status, 201)
    buy = {"wallet": world.wallets["ann"], "merchant": world.wallets["shop"], "amount": 300}
    report.equal("purchases count too", world.admin.post("/v1/purchases", buy).status, 201)
    refused(report, "a day", world.transfer("ann", "bob", 201), "day", 200, 201)
    first = world.transfer("ann", "bob", 201, key="late")
    report.equal("what was refused is remembered", world.transfer(
        "ann", "bob", 201, key="late").body, first.body)
    report.equal("the rest of the day", world.transfer("ann", "bob", 200).status, 201)
    refused(report, "nothing is left", world.transfer("ann", "bob", 1), "day", 0, 1)
    report.equal("who is paid spends nothing", world.transfer("bob", "ann", 500).status, 201)
    report.equal("merchants have other limits: none", world.transfer("shop", "ann",
                                                                     5000).status, 201)
    report.equal("euros neither", world.admin.post("/v1/wallets", {
        "owner": "e", "currency": "EUR"}).status, 201)
    report.equal("deposits are no spending", world.admin.post("/v1/deposits", {
        "wallet": world.wallets["ann"], "amount": 5000,
        "bank_transaction_id": "large"}).status, 201)


def given_back(report, server):
    """Holds and withdrawals count when they are asked for, and no more once they are freed."""
    world = World(server, report)
    admin, ann, shop = world.admin, world.wallets["ann"], world.wallets["shop"]

    def hold(amount):
        return admin.post("/v1/holds", {"wallet": ann, "merchant": shop, "amount": amount})

    one, two = hold(500), hold(500)
    refused(report, "holds count", hold(1), "day", 0, 1)
    report.equal("a void gives back", admin.post(f"/v1/holds/{one['id']}/void", {}).status, 200)
    refused(report, "what was voided", world.transfer("ann", "bob", 501), "transaction", 500, 501)
    report.equal("a part is captured", admin.post(f"/v1/holds/{two['id']}/capture",
                                                  {"amount": 100}).status, 201)
    report.equal("and the rest is free: 100 of 1000", [
        world.transfer("ann", "bob", 500).status, world.transfer("ann", "bob", 401).code,
        world.transfer("ann", "bob", 300).status], [201, "limit_exceeded", 201])
    out = admin.post("/v1/withdrawals", {"wallet": ann, "amount": 100})
    refused(report, "withdrawals count", world.transfer("ann", "bob", 1), "day", 0, 1)
    admin.post(f"/v1/withdrawals/{out['id']}/fail", {})
    report.equal("a failed one does not", world.transfer("ann", "bob", 100).status, 201)


def batches_and_restarts(report, server):
    world = World(server, report)
    ann, bob = world.wallets["ann"], world.wallets["bob"]
    step = {"type": "transfer", "from": ann, "to": bob, "amount": 400}
    for _ in range(3):
        undone = world.admin.post("/v1/batches", {"atomic": True, "operations": [step] * 3})
        report.equal("undone as a whole", (undone.code, undone.get("operation"),
                                           undone.get("left")), ("limit_exceeded", 2, 200), undone)
    done = world.admin.post("/v1/batches", {"operations": [step] * 3})
    report.equal("each for itself", [result.get("code") for result in done.json["results"]],
                 [None, None, "limit_exceeded"], done)
    for stop in (server.kill, server.stop):
        stop()
        server.start()
        world.admin.close()
        refused(report, "a restart remembers", world.transfer("ann", "bob", 201), "day", 200, 201)
    report.equal("and goes on", world.transfer("ann", "bob", 200).status, 201)


def months(report, server):
    """A month of two days, by a limit per month that is below that per day."""
    world = World(server, report)
    report.equal("so much", world.transfer("ann", "bob", 300).status, 201)
    refused(report, "a month", world.transfer("ann", "bob", 101), "month", 100, 101)


TIERS = {"spending_limits": [
    {"kind": "customer", "currency": "USD", "per_day": 100},
    {"kind": "customer", "tier": 1, "currency": "USD", "per_day": 400},
    {"kind": "customer", "tier": 0, "currency": "EUR", "per_day": 50},
    {"kind": "merchant", "tier": 1, "currency": "USD", "per_transaction": 2000}]}


def tiers(report, server):
    """A tier has limits of its own in a currency, or those of its kind."""
    world = World(server, report)
    ann = f"/v1/wallets/{world.wallets['ann']}"

    def tier(number, who="ann"):
        answer = world.admin.request("PATCH", f"/v1/wallets/{world.wallets[who]}",
                                     {"tier": number})
        report.equal(f"{who} is of tier {number}", (answer.status, answer["tier"]), (200, number))

    report.equal("of no tier at first", world.admin.get(ann)["tier"], 0)
    refused(report, "no tier", world.transfer("ann", "bob", 101), "day", 100, 101)
    report.equal("so much goes", world.transfer("ann", "bob", 100).status, 201)
    tier(1)
    refused(report, "what was spent stays spent", world.transfer("ann", "bob", 301), "day", 300,
            301)
    report.equal("more goes", world.transfer("ann", "bob", 300).status, 201)
    tier(2)
    refused(report, "a tier without limits of its own has its kind's",
            world.transfer("ann", "bob", 1), "day", 0, 1)
    report.equal("merchants of no tier have none", world.transfer("shop", "bob", 2001).status, 201)
    tier(1, "shop")
    refused(report, "those of a tier have", world.transfer("shop", "bob", 2001), "transaction",
            2000, 2001)
    euros = world.make("/v1/wallets", owner="eve", currency="EUR", tier=3)
    other = world.make("/v1/wallets", owner="eve", currency="EUR")["id"]
    report.equal("opened with a tier", (euros["tier"], world.admin.get(
        f"/v1/wallets/{euros['id']}")["tier"]), (3, 3))
    for wallet in (euros["id"], other):
        report.equal("euros", world.admin.post("/v1/deposits", {
            "wallet": wallet, "amount": 1000, "bank_transaction_id": wallet}).status, 201)
    pay = {"from": euros["id"], "to": other, "amount": 51}
    back = {"from": other, "to": euros["id"], "amount": 51}
    report.equal("a limit of tier 0 is for those of no tier",
                 (world.admin.post("/v1/transfers", pay).status,
                  world.admin.post("/v1/transfers", back).code), (201, "limit_exceeded"))
    for stop in (server.kill, server.stop):
        stop()
        server.start()
        world.admin.close()
        report.equal("a restart knows tiers", (world.admin.get(ann)["tier"], world.admin.get(
            f"/v1/wallets/{euros['id']}")["tier"]), (2, 3))
        refused(report, "and goes by them", world.transfer("shop", "bob", 2001), "transaction",
                2000, 2001)


def shown(report, server):
    """What may be spent, and what is used of it, as anybody who sees the wallet is told."""
    world = World(server, report)
    ann, shop = (f"/v1/wallets/{world.wallets[owner]}" for owner in ("ann", "shop"))

    def limits(path=ann):
        answer = world.admin.get(f"{path}/limits")
        report.equal("limits are shown", (answer.status, answer.get("wallet")),
                     (200, path.split("/")[-1]), answer)
        return answer

    def periods():
        return {one["period"]: (one["limit"], one.get("spent"), one["left"])
                for one in limits()["limits"]}

    report.equal("nothing is spent", periods(), {
        "transaction": (500, None, 500), "day": (1000, 0, 1000), "month": (1500, 0, 1500)})
    world.transfer("ann", "bob", 300)
    hold = world.admin.post("/v1/holds", {"wallet": world.wallets["ann"],
                                          "merchant": world.wallets["shop"], "amount": 450})["id"]
    report.equal("transfers and holds are", periods(), {
        "transaction": (500, None, 500), "day": (1000, 750, 250), "month": (1500, 750, 750)})
    world.admin.post(f"/v1/holds/{hold}/void", {})
    report.equal("what is voided is not", periods()["day"], (1000, 300, 700))
    answer = limits()
    days = {one["period"]: one["ends_at"] for one in answer["limits"] if "ends_at" in one}
    report.check("a day ends at midnight, a month with its last day",
                 days["day"][10:] == "T00:00:00.000Z" and days["month"][7:] == "-01T00:00:00.000Z"
                 and answer["at"] < days["day"] <= days["month"], answer)
    report.equal("of whom", (answer["kind"], answer["currency"], answer["tier"]),
                 ("customer", "USD", 0))
    report.equal("tiers", answer["tiers"], [
        {"per_transaction": 500, "per_day": 1000, "per_month": 1500},
        {"tier": 2, "per_day": 400}])
    report.equal("others have none", (limits(shop)["limits"], limits(shop)["tiers"]), ([], []))
    world.admin.patch(ann, {"tier": 2, "reason": "a friend"})
    report.equal("another tier, and less than was spent is left", periods(),
                 {"day": (400, 300, 100)})
    world.transfer("ann", "bob", 100)
    report.equal("nothing is left", periods(), {"day": (400, 400, 0)})
    said = server.command_line("wallet", "limits", world.wallets["ann"], environment={
        "FLORIN_URL": f"http://127.0.0.1:{server.port}", "FLORIN_KEY": server.admin_secret})
    report.check("the command line says it, too", said.returncode == 0 and
                 said.stdout.split("\n")[1].split()[:5] == ["day", "4.00", "USD", "4.00", "USD"],
                 said.stdout + said.stderr)
    missing = world.admin.get(f"/v1/wallets/{matrix.another(world.wallets['ann'])}/limits")
    report.equal("no such wallet", (missing.status, missing.code), (404, "not_found"))
    server.stop()
    server.start()
    world.admin.close()
    report.equal("a restart knows what is used", periods(), {"day": (400, 400, 0)})


SHOWN = {"spending_limits": LIMITS["spending_limits"] + [
    {"kind": "customer", "tier": 2, "currency": "USD", "per_day": 400}]}


def run_all(suite, binary):
    from report import Report
    report = Report(suite)
    monthly = {"spending_limits": [{"kind": "customer", "currency": "USD", "per_month": 400}]}
    for name, function, config in (("sums", sums, LIMITS), ("given back", given_back, LIMITS),
                                   ("batches and restarts", batches_and_restarts, LIMITS),
                                   ("months", months, monthly), ("tiers", tiers, TIERS),
                                   ("shown", shown, SHOWN)):
        lives.run(report, name, function, binary, config)
    report.finish()
