#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clocks that are wrong: nodes an hour before and behind the database, a database whose clock jumps
ahead by hours and months, and one whose clock jumps back by an hour when its standby is promoted.
Nothing changes: times come from the books."""

import os
import signal
import sys
import threading
import time
from datetime import datetime, timezone

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "traffic", "postgres")]

import cluster  # noqa: E402
import failover  # noqa: E402
import florin  # noqa: E402
from client import Client  # noqa: E402
from play import Clock  # noqa: E402
from proxy import Proxy  # noqa: E402
from report import Report  # noqa: E402
from shop import Shop  # noqa: E402
from turn import in_background, metric  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
PAIR = failover.Pair()
HOUR = 3600
PATIENCE = 120.0


def moved(seconds):
    """A calendar that is so much ahead; the server's user may read it."""
    made = Clock()
    made.moved = int(seconds * 1e9)
    made.write()
    os.chmod(made.folder, 0o755)
    for path in (made.path, made.library):
        os.chmod(path, 0o755)
    return made


def clock(seconds):
    """What to put into an environment for it."""
    return moved(seconds).environment()


def jump(made, seconds):
    made.moved += int(seconds * 1e9)
    made.write()


def seconds_of(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=timezone.utc).timestamp()


def near(report, name, text):
    off = seconds_of(text) - time.time()
    report.check(f"{name}: the database's time", abs(off) < 300, f"{text} is {off:.0f} s off")


def books_of(wallets, server, client):
    answer = client.post("/v1/wallets", {"owner": f"owner-{len(wallets)}", "currency": "USD",
                                         "kind": ("customer", "merchant")[len(wallets) % 2]})
    wallets.append(answer["id"])
    return answer


def an_hour_apart(report):
    early = florin.Server(florin=BINARY, environment=clock(-HOUR))
    late = florin.Server(florin=BINARY, environment=clock(HOUR))
    database = PAIR.primary.database_for(early.data)
    PAIR.primary.databases[late.data] = database
    try:
        early.start()
        late.start()
        late.client = lambda secret=None, timeout=20.0: Client(
            late.port, secret or early.admin_secret, timeout)
        short = early.key("service", expires_in=600)["secret"]
        within(120, lambda: late.client(short).get("/v1/me").status == 200)
        for name, server in (("early", early), ("late", late)):
            with server.client(short) as client:
                report.equal(f"{name}: a key of ten minutes opens the door",
                             client.get("/v1/me").status, 200)
        with early.client() as one, late.client() as two:
            wallets = []
            for client in (one, two):
                near(report, "a wallet", books_of(wallets, early, client)["created_at"])
            anna, shop = wallets
            money = {"wallet": anna, "amount": 1000, "bank_transaction_id": "b1"}
            near(report, "a deposit", one.post("/v1/deposits", money)["created_at"])
            seen = []
            for number in range(10):
                client = (one, two)[number % 2]
                answer = client.post("/v1/purchases", {"wallet": anna, "merchant": shop,
                                                       "amount": 1}, key=f"k{number}")
                seen.append(answer["created_at"])
                again = (two, one)[number % 2].post("/v1/purchases", {
                    "wallet": anna, "merchant": shop, "amount": 1}, key=f"k{number}")
                report.check("the other node knows the key", again.replayed and
                             again.body == answer.body, f"{answer!r} {again!r}")
            report.equal("times never go back", seen, sorted(seen))
            near(report, "a purchase", seen[0])
            long = two.post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 7,
                                          "expires_in": 1800})
            ends = one.post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 5,
                                          "expires_in": 2})
            held = f"/v1/wallets/{anna}"
            report.check("the short one expires", within(
                30, lambda: two.get(f"/v1/holds/{ends['id']}")["status"] == "expired"))
            for name, client in (("early", one), ("late", two)):
                report.equal(f"{name}: the long one does not",
                             client.get(f"/v1/holds/{long['id']}")["status"], "open")
                report.equal(f"{name}: held", client.get(held)["held"], 7)
            time.sleep(1.2)  # both nodes have looked for holds that are due again
            report.equal("it expired once", PAIR.primary.sql(
                "SELECT count(*) FROM florin.records WHERE kind = 3 AND time_ms >= "
                f"{int(seconds_of(ends['expires_at']) * 1000)}", database), "1")
            ahead = PAIR.primary.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM pg_inherits "
                                     "GROUP BY inhparent) x", database)
            report.check("partitions come by the database's time", int(ahead) <= 5, ahead)
            check = two.get("/check-integrity?depth=full")
            report.check("consistent", check.get("consistent") is True, repr(check))
        for server in (early, late):
            report.equal("exit status", server.stop(), 0)
            report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
    finally:
        early.discard()
        late.discard()


def jumps_back(report):
    """The standby's clock is an hour behind, and it is promoted when the primary dies."""
    server = florin.Server(florin=BINARY, config={"request_deadline_ms": 18000})
    database = PAIR.primary.database_for(server.data)
    try:
        PAIR.standby.stop()
        PAIR.standby.environment = clock(-HOUR)
        PAIR.standby.start()
        behind = PAIR.standby.sql("SELECT extract(epoch FROM clock_timestamp())::bigint",
                                  "postgres")
        report.check("its clock is behind", int(behind) < time.time() - HOUR / 2, behind)
        server.start()
        PAIR.synchronous()
        with server.client() as client:
            wallets = []
            for _ in range(2):
                books_of(wallets, server, client)
            anna, shop = wallets
            client.post("/v1/deposits", {"wallet": anna, "amount": 1000,
                                         "bank_transaction_id": "b1"})
            body = {"wallet": anna, "merchant": shop, "amount": 1}
            before = client.post("/v1/purchases", body, key="before")
            hold = client.post("/v1/holds", {**body, "amount": 9, "expires_in": HOUR // 2})
            time_ms = int(PAIR.primary.sql("SELECT time_ms FROM florin.books", database))
            PAIR.primary.stop(signal.SIGKILL)
            PAIR.promote()
            again = client.post("/v1/purchases", body, key="before")
            report.check("the key is known", again.replayed and again.body == before.body,
                         repr(again))
            seen = [before["created_at"]]
            for number in range(10):
                answer = client.post("/v1/purchases", body, key=f"after{number}")
                report.equal("paid", answer.status, 201, repr(answer))
                seen.append(answer["created_at"])
                report.equal("found by its id",
                             client.get(f"/v1/transactions/{answer['id']}").status, 200)
            report.equal("times never go back", seen, sorted(seen))
            at = int(PAIR.primary.sql("SELECT time_ms FROM florin.books", database))
            report.check("nor do the books", at >= time_ms, f"{at} {time_ms}")
            report.equal("the hold is open", client.get(f"/v1/holds/{hold['id']}")["status"],
                         "open")
            listed = [item["id"] for item in client.list(f"/v1/wallets/{anna}/transactions")]
            report.equal("all are listed, newest first", len(listed), 12)
            captured = client.post(f"/v1/holds/{hold['id']}/capture", {})
            report.equal("and can be captured", captured.status, 201, repr(captured))
            report.equal("the money", client.get(f"/v1/wallets/{anna}")["balance"], 1000 - 11 - 9)
            check = client.get("/check-integrity?depth=full")
            report.check("consistent", check.get("consistent") is True, repr(check))
        report.equal("exit status", server.stop(), 0)
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
        verified = server.command_line("verify", "--postgres", PAIR.primary.url(database))
        report.equal("verify", verified.returncode, 0, verified.stdout + verified.stderr)
    finally:
        server.discard()


class Jumping:
    """Two nodes, of which a proxy stands before the first, and a database whose clock jumps."""

    def __init__(self):
        self.clock = moved(0)
        self.cluster = cluster.Cluster()
        cluster.serve_from(self.cluster)
        self.cluster.stop()
        self.cluster.environment = self.clock.environment()
        self.cluster.start()
        self.proxy = Proxy(self.cluster.socket)
        # Who is busy, or late, still answers.
        slow = {"request_deadline_ms": 60000}
        self.one = florin.Server(florin=BINARY, config=slow)
        self.two = florin.Server(florin=BINARY, config=slow)
        self.database = self.cluster.database_for(self.one.data)
        self.cluster.databases[self.two.data] = self.database
        self.cluster.line = self.proxy.folder
        self.one.start()
        self.cluster.line = self.cluster.socket
        self.two.start()
        self.client = self.one.client(timeout=PATIENCE)
        self.other = Client(self.two.port, self.one.admin_secret, PATIENCE)
        self.payer, self.payee = (Shop.open(self.client, owner) for owner in ("anna", "berta"))
        self.deposited = 0
        self.deposit()

    def deposits(self):
        """One for each of both, in one round and without a key."""
        self.deposited += 1
        return {"operations": [
            {"type": "deposit", "wallet": wallet, "amount": 1000,
             "bank_transaction_id": f"{wallet} {self.deposited}"}
            for wallet in (self.payer, self.payee)]}

    def deposit(self):
        answer = self.client.post("/v1/batches", self.deposits())
        assert answer.status == 200, repr(answer)

    def pay(self, client, key=None):
        return client.post("/v1/transfers", {"from": self.payer, "to": self.payee, "amount": 1},
                           key=key)

    def end(self, report, paid):
        balances = [self.client.get(f"/v1/wallets/{wallet}")["balance"]
                    for wallet in (self.payer, self.payee)]
        report.equal("each was paid once", balances,
                     [1000 * self.deposited - paid, 1000 * self.deposited + paid])
        check = self.client.get("/check-integrity?depth=full")
        report.check("consistent", check.get("consistent") is True, repr(check))
        self.client.close()
        self.other.close()
        for server in (self.one, self.two):
            report.equal("exit status", server.stop(), 0)
            report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
        verified = self.one.verify()
        report.equal("verify", verified.returncode, 0, verified.stdout + verified.stderr)

    def discard(self):
        self.proxy.close()
        self.one.discard()
        self.two.discard()
        cluster.serve_from(PAIR.one)


def is_said_again(report, name, first, again):
    report.equal(name, (first.status, again.status, again.replayed, again["id"] == first["id"]),
                 (201, 201, True, True), f"{first!r} {again!r}")


def used_elsewhere(report, books):
    """The clock jumps by two hours, another node pays under a key, and this one is asked for the
    same. Keys are looked for as far as the time is known, and once more where that was not far
    enough."""
    for number in range(6):
        report.equal("it pays", books.pay(books.client).status, 201)
        jump(books.clock, 2 * HOUR)
        first = books.pay(books.other, f"used {number}")
        is_said_again(report, "a key that another node used pays once", first,
                      books.pay(books.client, f"used {number}"))
    return 12


def used_behind(report, books):
    """The same, while a round is on its way: it goes out right behind that one's COMMIT, and its
    key is looked for as far as that one has found the time."""
    before = metric(books.client, "engine_rounds_ahead_failed_total")
    times = 0
    while times < 40 and metric(books.client, "engine_rounds_ahead_failed_total") < before + 3:
        key = f"behind {times}"
        for _ in range(21):  # where rounds were begun in vain the next ones have a look
            books.pay(books.client)
        jump(books.clock, 2 * HOUR)
        first = books.pay(books.other, key)
        waiting = []

        def send():
            waiting.append(in_background(  # noqa: B023
                books.one, lambda client: books.pay(client, key)))  # noqa: B023
            time.sleep(0.5)
        # A round without keys, which finds both wallets as the other node has left them.
        books.proxy.set_trap("BOOKS_LOCKED", "held", send)
        books.deposit()
        is_said_again(report, "a key that another node used pays once behind a round", first,
                      waiting[0]()[0])
        times += 1
    report.check("rounds went out behind one and were begun again", times < 40)
    return times * 22


def months_later(report, books):
    """Who pays while the clock jumps by months waits for partitions to be made, and is paid."""
    over, answers = threading.Event(), []

    def work():
        with books.one.client(timeout=PATIENCE) as client:
            while not over.is_set():
                answers.append(books.pay(client))

    sides = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for side in sides:
        side.start()
    for _ in range(3):
        before = metric(books.client, "engine_rounds_ahead_total")
        report.check("rounds go ahead", within(
            PATIENCE, lambda: metric(books.client, "engine_rounds_ahead_total") >=
            before + 20))  # noqa: B023
        jump(books.clock, 100 * 24 * HOUR)
    report.equal("it pays then", books.pay(books.client).status, 201)
    over.set()
    for side in sides:
        side.join(PATIENCE)
    report.equal("all are paid", [repr(one) for one in answers if one.status != 201][:3], [])
    return len(answers) + 1


def jumps_ahead(report):
    """The database's clock jumps ahead while its nodes go on."""
    books = Jumping()
    try:
        paid = sum(test(report, books) for test in (used_elsewhere, used_behind, months_later))
        books.end(report, paid)
    finally:
        books.discard()


total = Report("postgres clocks")
total.run("nodes an hour apart", an_hour_apart)
total.run("a clock that jumps ahead", jumps_ahead)
total.run("a clock that jumps back", jumps_back)
total.finish()
