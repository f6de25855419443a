#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What crosses the line behind which partitions have gone: requests that wait for somebody, held
payments, findings, keys that were given new secrets; and how both sides of it read for a bound
owner and from a replica."""

import os
import re
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name)
                for name in ("lib", "roles", "rules", "crash", "encryption", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402
from report import Report  # noqa: E402
from sealed import key_file  # noqa: E402

BINARY = florin.binary()
PRIMARY = cluster.Cluster()
STANDBY = cluster.Cluster(PRIMARY)
YEAR = 366 * 86400
OLD = {"Cache-Control": "max-age=86400"}


def command(*words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def go_to(database, months, day):
    """Time goes on in the books: the next round is on that day of a month so many months ahead."""
    PRIMARY.sql("UPDATE florin.books SET time_ms = extract(epoch FROM date_trunc('month', now() AT "
                f"TIME ZONE 'UTC') + interval '{months} months {day - 1} days') * 1000", database)


class Past:
    """Things of before the line, some of which somebody decides behind it."""
    def __init__(self, server):
        self.server = server
        self.database = PRIMARY.database_for(server.data)
        self.admin = server.client()
        self.service = server.client(server.key("service")["secret"])
        self.ann = self.wallet("ann")
        self.bob = self.wallet("bob")
        self.shop = self.made(self.admin.post("/v1/wallets", {
            "owner": "shop", "currency": "USD", "kind": "merchant"}))["id"]
        self.clients = {owner: server.client(server.key("customer", owner=owner)["secret"])
                        for owner in ("ann", "bob", "zoe")}
        self.clients["service"] = self.service
        self.clients["shop"] = server.client(server.key("merchant", owner="shop")["secret"])
        self.rotated = server.key("auditor")
        self.secrets = [self.rotated["secret"]]
        self.rotate()
        self.old_transfer = self.transfer(10)["id"]
        self.asked_before = {}  # by bound keys: name of the key -> who, where, what, what was told
        self.ask("ann", "/v1/transfers", {"from": self.ann, "to": self.bob, "amount": 12})
        self.old_purchase = self.ask("ann", "/v1/purchases", {
            "wallet": self.ann, "merchant": self.shop, "amount": 50})["id"]
        self.ask("shop", "/v1/refunds", {"purchase": self.old_purchase, "amount": 4})
        self.refundable = self.ask("ann", "/v1/purchases", {
            "wallet": self.ann, "merchant": self.shop, "amount": 60})["id"]
        self.ask("ann", "/v1/batches", {"atomic": True, "operations": [
            {"type": "purchase", "wallet": self.ann, "merchant": self.shop, "amount": 5,
             "reference": "of a batch"}]})
        self.old_hold = self.ask("service", "/v1/holds", {
            "wallet": self.ann, "merchant": self.shop, "amount": 70, "expires_in": YEAR})["id"]
        self.ask("ann", "/v1/withdrawals", {"wallet": self.ann, "amount": 6})
        self.asked = {name: self.transfer(2000 + number)["id"] for number, name in enumerate(
            ("decided before", "rejected before", "decided behind", "rejected behind", "waits"))}
        self.decide("approvals", self.asked["decided before"], "approve")
        self.decide("approvals", self.asked["rejected before"], "reject")
        self.flagged = self.flag(700)
        self.dismissed = self.flag(701)
        self.decide("anomalies", self.dismissed, "dismiss")
        self.held = {name: self.hold_back(900 + number) for number, name in enumerate(
            ("approved before", "approved behind", "rejected behind", "waits"))}
        self.decide("anomalies", self.held["approved before"], "approve")

    def made(self, answer):
        if answer.status not in (200, 201, 202):
            raise AssertionError(repr(answer))
        return answer

    def ask(self, who, path, body):
        """With a text that is sealed where texts are."""
        key = f"before-{len(self.asked_before)}"
        body = {**body, "reference": f"text {key}"} if path != "/v1/batches" else body
        answer = self.made(self.clients[who].post(path, body, key=key))
        self.asked_before[key] = who, path, body, answer
        return answer

    def wallet(self, owner):
        id_ = self.made(self.admin.post("/v1/wallets", {"owner": owner, "currency": "USD"}))["id"]
        for number in range(10):
            self.made(self.admin.post("/v1/deposits", {
                "wallet": id_, "amount": 1000, "bank_transaction_id": f"{owner}-{number}"}))
        return id_

    def transfer(self, amount):
        return self.made(self.service.post("/v1/transfers", {"from": self.ann, "to": self.bob,
                                                             "amount": amount}))

    def buy(self, amount):
        return self.made(self.service.post("/v1/purchases", {
            "wallet": self.ann, "merchant": self.shop, "amount": amount}))

    def flag(self, amount):
        self.buy(amount)
        return self.made(self.admin.get(f"/v1/anomalies?wallet={self.ann}"))["items"][0]["id"]

    def hold_back(self, amount):
        answer = self.buy(amount)
        assert answer.status == 202, repr(answer)
        return answer["id"]

    def decide(self, kind, id_, verb):
        return self.made(self.admin.post(f"/v1/{kind}/{id_}/{verb}",
                                         {"reason": "seen"} if kind == "approvals" else {}))

    def rotate(self):
        answer = self.made(self.admin.post(f"/v1/keys/{self.rotated['id']}/rotate",
                                           {"overlap": 0}))
        self.secrets.append(answer["secret"])

    def live(self):
        """Which of the secrets that the key has had still opens the door."""
        statuses = []
        for secret in self.secrets:
            with self.server.client(secret) as client:
                statuses.append(client.get("/v1/wallets?limit=1").status)
        return statuses

    def money(self, wallet):
        answer = self.admin.get(f"/v1/wallets/{wallet}")
        return answer["balance"], answer["held"]


def detach(report, past):
    month = PRIMARY.sql("SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + "
                        "interval '2 months', 'YYYY-MM')", past.database)
    code, said = command("partitions", "--postgres", PRIMARY.url(past.database), "detach",
                         "--before", month)
    report.equal("detached", code, 0, said)
    gone = re.findall(r"Detached florin\.(\w+)", said)
    PRIMARY.sql("DROP TABLE " + ", ".join(f"florin.{name}" for name in gone), past.database)


def archived(report, name, answer):
    report.equal(f"{name}: is archived", (answer.status, answer.code), (410, "history_archived"),
                 repr(answer))


def waiting(report, past):
    """Requests of before that somebody decides behind the line."""
    before = past.money(past.ann), past.money(past.bob)
    for name in ("decided before", "rejected before"):
        archived(report, name, past.admin.get(f"/v1/approvals/{past.asked[name]}"))
        archived(report, f"{name}: again", past.admin.post(
            f"/v1/approvals/{past.asked[name]}/approve", {}))
    listed = past.admin.get("/v1/approvals?status=pending&limit=100")
    report.equal("those that wait are listed", {item["id"] for item in listed["items"]},
                 {past.asked[name] for name in ("decided behind", "rejected behind", "waits")},
                 repr(listed))
    shown = past.admin.get(f"/v1/approvals/{past.asked['waits']}")
    report.equal("what was asked is there", (shown.status, shown.get("request")),
                 (200, {"from": past.ann, "to": past.bob, "amount": 2004}), repr(shown))
    done = past.decide("approvals", past.asked["decided behind"], "approve")
    report.equal("approved", done.get("status"), "approved", repr(done))
    made = past.admin.get(f"/v1/transactions/{done['transaction']}")
    report.equal("and booked", (made.status, made.get("amount")), (200, 2002), repr(made))
    done = past.decide("approvals", past.asked["rejected behind"], "reject")
    report.equal("rejected", done.get("status"), "rejected", repr(done))
    for name, status in (("decided behind", "approved"), ("rejected behind", "rejected")):
        shown = past.admin.get(f"/v1/approvals/{past.asked[name]}")
        report.equal(f"{name}: can be read", (shown.status, shown.get("status")), (200, status),
                     repr(shown))
    after = past.money(past.ann), past.money(past.bob)
    report.equal("one was paid", after, ((before[0][0] - 2002, before[0][1]),
                                         (before[1][0] + 2002, before[1][1])))


def reviews(report, past):
    """Findings and held payments of before."""
    for name, id_ in (("a finding that was dismissed", past.dismissed),
                      ("a payment that was let go", past.held["approved before"])):
        archived(report, name, past.admin.get(f"/v1/anomalies/{id_}"))
    for name, id_ in [("a finding", past.flagged), *past.held.items()]:
        if name == "approved before":
            continue
        shown = past.admin.get(f"/v1/anomalies/{id_}")
        report.equal(f"{name}: is there", (shown.status, shown.get("status")), (200, "pending"),
                     repr(shown))
    listed = past.admin.get("/v1/anomalies?status=pending&limit=100")
    report.equal("they are listed", {item["id"] for item in listed["items"]},
                 {past.flagged} | {past.held[name] for name in past.held
                                   if name != "approved before"}, repr(listed))
    balance, held = past.money(past.ann)
    report.equal("held all along", held, 901 + 902 + 903 + 70 + 6)  # and what ann has asked for
    past.decide("anomalies", past.held["approved behind"], "approve")
    report.equal("let go", past.money(past.ann), (balance - 901, held - 901))
    past.decide("anomalies", past.held["rejected behind"], "reject")
    report.equal("given back", past.money(past.ann), (balance - 901, held - 901 - 902))
    past.decide("anomalies", past.flagged, "dismiss")
    shown = past.admin.get(f"/v1/anomalies/{past.flagged}")
    report.equal("what was dismissed behind it is there", shown.status, 200, repr(shown))


def keys(report, past):
    """A key and its new secret are of before the line: it works, and is given another one."""
    report.equal("the secret of before", past.live(), [401, 200])
    item = [key for key in past.admin.list("/v1/keys") if key["id"] == past.rotated["id"]][0]
    report.check("the list says when", "rotated_at" in item, item)
    past.rotate()
    report.equal("another one", past.live(), [401, 401, 200])
    past.server.restart()
    past.admin = past.server.client()
    report.equal("also after a restart", past.live(), [401, 401, 200])
    gone = past.admin.request("DELETE", f"/v1/keys/{past.rotated['id']}")
    report.equal("revoked", gone.status, 204, repr(gone))
    report.equal("no secret", past.live(), [401, 401, 401])


def bound(report, past):
    """Owners see what is theirs, and of the rest what they see of nothing."""
    new = past.transfer(3)["id"]
    for owner in ("ann", "bob"):
        client = past.clients[owner]
        archived(report, f"{owner}: a transfer of before",
                 client.get(f"/v1/transactions/{past.old_transfer}"))
        report.equal(f"{owner}: one of now", client.get(f"/v1/transactions/{new}").status, 200)
        own = getattr(past, owner)
        page = client.get(f"/v1/wallets/{own}/transactions?limit=100")
        report.check(f"{owner}: history ends at the line", page.status == 200 and
                     "archived_before" in page.json, repr(page))
        listed = client.get("/v1/transactions?limit=100")
        report.check(f"{owner}: so does the list", listed.status == 200 and
                     past.old_transfer not in [item["id"] for item in listed["items"]],
                     repr(listed))
        report.equal(f"{owner}: another's wallet", client.get(
            f"/v1/wallets/{past.bob if owner == 'ann' else past.ann}").status, 404)
    zoe = past.clients["zoe"]
    theirs = zoe.get(f"/v1/transactions/{past.old_transfer}")
    nothing = zoe.get("/v1/transactions/" + neighbour(past.old_transfer))
    report.equal("a stranger learns nothing of what has gone",
                 (theirs.status, theirs.code), (nothing.status, nothing.code),
                 f"{theirs!r} {nothing!r}")
    report.equal("nor of what is there", zoe.get(f"/v1/transactions/{new}").status, 404)
    refund = {"purchase": past.old_transfer, "amount": 1}
    report.equal("nor by a refund", [
        (answer.status, answer.code) for answer in (
            zoe.post("/v1/refunds", refund),
            zoe.post("/v1/refunds", {**refund, "purchase": neighbour(past.old_transfer)}))],
                 [(403, "forbidden")] * 2)
    for path in (f"/v1/approvals/{past.asked['waits']}", f"/v1/wallets/{past.ann}/transactions",
                 f"/v1/wallets/{past.ann}/balance?at=2020-01-01"):
        report.check(f"a stranger: {path}", zoe.get(path).status in (403, 404),
                     repr(zoe.get(path)))


def asked_again(report, past):
    """Whoever is bound is told what has gone and what there is, and never that it is busy."""
    shop, ann = past.clients["shop"], past.clients["ann"]
    refund = {"purchase": past.old_purchase, "amount": 1, "reference": "late"}
    batch = {"atomic": True, "operations": [{"type": "refund", **refund}]}
    archived(report, "a purchase of before is refunded", past.service.post("/v1/refunds", refund))
    archived(report, "in a batch", past.service.post("/v1/batches", batch))
    for path, body in (("/v1/refunds", refund), ("/v1/batches", batch)):
        report.equal("whose it was nobody can say any more", shop.post(path, body).status, 404)
    for who, client in (("shop", shop), ("service", past.service)):
        archived(report, f"{who} looks at it", client.get(f"/v1/transactions/{past.old_purchase}"))
    capture = {"amount": 30, "final": False}
    held = shop.post(f"/v1/holds/{past.old_hold}/capture", capture, key="late")
    report.equal("a hold of before is captured", held.status, 201, held)
    report.equal("and told again", shop.post(f"/v1/holds/{past.old_hold}/capture", capture,
                                             key="late").json, held.json)
    for client in (shop, ann):
        shown = client.get(f"/v1/transactions/{held['id']}")
        report.equal("and shown to both", (shown.status, shown.get("amount")), (200, 30), shown)
    kept = shop.post("/v1/refunds", {"purchase": held["id"], "amount": 7, "reference": "back"})
    report.equal("and refunded", kept.status, 201, kept)
    for key, (who, path, body, told) in past.asked_before.items():
        again = past.clients[who].post(path, body, key=key)
        # Keys are forgotten by now: it is done anew, or what it names has gone.
        report.check(f"{who} asks again, {path}", again.status in (200, 201, 404, 410) and
                     not again.replayed, (told, again))
    for who, client in past.clients.items():
        for path in ("/v1/transactions?limit=100", "/v1/wallets?limit=100",
                     f"/v1/holds/{past.old_hold}", f"/v1/transactions/{past.refundable}"):
            answer = client.get(path)
            report.check(f"{who} reads {path}", answer.status in (200, 404, 410), answer)


def neighbour(id_):
    """An id of the same time that nobody has ever had."""
    return id_[:-1] + ("0" if id_[-1] != "0" else "1")


def from_replica(report, past):
    """The replica says of both sides what the primary says."""
    def reads():
        text = past.admin.get("/metrics").body.decode()
        return int(re.search(r'^florin_postgres_reads_total\{from="replica"\} (\d+)', text,
                             re.MULTILINE).group(1))

    def used():
        text = past.admin.get("/metrics").body.decode()
        return re.search(r"florin_postgres_replica_used\{[^}]*\} 1", text) is not None

    deadline = time.monotonic() + 60
    while not used() and time.monotonic() < deadline:
        time.sleep(0.1)
    report.check("the replica is used", used())
    last = past.transfer(1)
    neighbours = neighbour(past.old_transfer), neighbour(last["id"])
    position = {"Florin-Position": last.headers["florin-position"]}
    paths = [f"/v1/transactions/{past.old_transfer}", f"/v1/transactions/{last['id']}",
             f"/v1/wallets/{past.ann}", f"/v1/wallets/{past.ann}/transactions?limit=100",
             f"/v1/wallets/{past.ann}/balance?at=2020-01-01", "/v1/transactions?limit=100",
             "/v1/approvals?limit=100", "/v1/anomalies?limit=100",
             *(f"/v1/transactions/{id_}" for id_ in neighbours)]
    before = reads()
    for path in paths:
        for who, client in (("admin", past.admin), *past.clients.items()):
            now = client.get(path)
            for headers in (position, OLD):
                there = client.get(path, headers=headers)
                report.equal(f"{who}: {path}", (there.status, there.body if there.status == 200
                                                else there.code),
                             (now.status, now.body if now.status == 200 else now.code))
    report.check("the replica was asked", reads() >= before + len(paths),
                 reads() - before)


def across(report, is_encrypted):
    config = {"approvals": {"above": {"USD": 1999}, "expires_in": YEAR},
              "rules": {"expires_in": YEAR, "file": rules.written([
                  rules.rule("large", amount=700, operations=["purchase"]),
                  rules.rule("larger", "hold", amount=900, operations=["purchase"])])}}
    server = florin.Server(florin=BINARY, config=config)
    if is_encrypted:
        server.config["encryption"] = {"master_key_file": key_file(server, "master.key")}
    server.config["postgres_replicas"] = [STANDBY.url(PRIMARY.database_for(server.data))]
    server.start()
    try:
        past = Past(server)
        go_to(past.database, 2, 10)
        past.transfer(1)
        go_to(past.database, 3, 5)
        past.transfer(2)
        detach(report, past)
        waiting(report, past)
        reviews(report, past)
        bound(report, past)
        asked_again(report, past)
        from_replica(report, past)
        keys(report, past)
        check = past.admin.get("/check-integrity?depth=full")
        report.check("consistent", check.get("consistent") is True, repr(check))
        code, said = command("verify", "--postgres", PRIMARY.url(past.database))
        report.equal("verify", code, 0, said)
        report.equal("exit status", server.stop(), 0)
        code, said = command("migrate-engine", "--from-postgres", PRIMARY.url(past.database),
                             "--to-data", os.path.join(server.home, "folder"))
        report.check("books without their beginning do not move", code != 0 and
                     "archived" in said, f"{code} {said}")
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
    finally:
        server.discard()


total = Report("postgres archive line")
cluster.serve_from(PRIMARY)
total.run("across the line", across, False)
total.run("across the line, with sealed texts", across, True)
total.finish()
