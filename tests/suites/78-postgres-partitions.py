#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Old partitions go: opening balances are written, verified and recorded, what is open stays of
use, what has gone is refused by a code of its own, nodes serve meanwhile, and the tool may be
killed at any step and run again."""

import datetime
import os
import re
import signal
import subprocess
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name)
                for name in ("lib", "crash", "postgres", "webhooks", "encryption")]

import cluster  # noqa: E402
import florin  # noqa: E402
import held  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()


def command(*words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout + done.stderr


def partitions(database, *words):
    """Waits until the feed's readers of the server have come far enough."""
    deadline = time.monotonic() + 60
    while True:
        code, said = command("partitions", "--postgres", CLUSTER.url(database), *words)
        if "has not come so far" not in said or time.monotonic() > deadline:
            return code, said
        time.sleep(0.2)


def verified(report, name, database):
    code, said = command("verify", "--postgres", CLUSTER.url(database))
    report.equal(f"{name}: verify", code, 0, said)
    return said


def state_hash(database):
    code, said = command("state-hash", "--postgres", CLUSTER.url(database))
    return code, said.split("\n")[0]


def go_to(database, months, day):
    """Time goes on in the books: the next round is on that day of a month so many months ahead."""
    CLUSTER.sql("UPDATE florin.books SET time_ms = extract(epoch FROM date_trunc('month', now() AT "
                f"TIME ZONE 'UTC') + interval '{months} months {day - 1} days') * 1000", database)


def month_now(database):
    return CLUSTER.sql("SELECT to_char(to_timestamp(time_ms / 1000.0) AT TIME ZONE 'UTC', "
                       "'YYYY-MM') FROM florin.books", database)


def time_text(database):
    at = int(CLUSTER.sql("SELECT time_ms FROM florin.books", database))
    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def attached(database):
    return int(CLUSTER.sql("SELECT count(*) FROM pg_inherits WHERE inhparent IN "
                           "('florin.records'::regclass, 'florin.postings'::regclass, "
                           "'florin.rounds'::regclass, 'florin.idempotency'::regclass)", database))


class History:
    """Books with three months behind them; `month` is the first that stays."""
    def __init__(self, server, client):
        self.server, self.client = server, client
        self.database = CLUSTER.database_for(server.data)
        post = self.post
        self.anna = post("/v1/wallets", owner="anna", currency="USD")["id"]
        self.shop = post("/v1/wallets", owner="shop", currency="USD", kind="merchant")["id"]
        self.idle = post("/v1/wallets", owner="idle", currency="EUR")["id"]
        post("/v1/deposits", wallet=self.anna, amount=100000, bank_transaction_id="first")
        post("/v1/deposits", wallet=self.idle, amount=777, bank_transaction_id="idle")
        self.born = time_text(self.database)
        self.old = [self.buy(100)["id"] for _ in range(5)]
        self.part_refunded = self.buy(1000)["id"]
        self.late_refunded = self.buy(2000)["id"]
        post("/v1/refunds", purchase=self.part_refunded, amount=100)
        self.open = self.hold(3000)
        self.partial = self.hold(4000)
        post(f"/v1/holds/{self.partial}/capture", amount=1000, final=False)
        self.voided = self.hold(50)
        post(f"/v1/holds/{self.voided}/void")
        self.closed_late = self.hold(60)
        self.pending = self.withdraw(500)
        self.pending_fails = self.withdraw(600)
        self.settled = self.withdraw(700)
        post(f"/v1/withdrawals/{self.settled}/settle", bank_transaction_id="settled")
        go_to(self.database, 2, 10)
        self.middle = [self.buy(10)["id"] for _ in range(3)]
        self.middle_time = time_text(self.database)
        post("/v1/refunds", purchase=self.part_refunded, amount=200)
        post("/v1/refunds", purchase=self.late_refunded, amount=300)
        post(f"/v1/holds/{self.closed_late}/capture")
        self.month = month_now(self.database)
        go_to(self.database, 3, 5)
        self.new = [self.buy(1)["id"] for _ in range(4)]

    def post(self, path, **body):
        answer = self.client.post(path, body or None)
        if answer.status not in (200, 201):
            raise AssertionError(f"{path} {body}: {answer}")
        return answer

    def buy(self, amount):
        return self.post("/v1/purchases", wallet=self.anna, merchant=self.shop, amount=amount)

    def hold(self, amount):
        return self.post("/v1/holds", wallet=self.anna, merchant=self.shop, amount=amount,
                         expires_in=300 * 86400)["id"]

    def withdraw(self, amount):
        return self.post("/v1/withdrawals", wallet=self.anna, amount=amount)["id"]


def expect_code(report, name, answer, status, code):
    report.equal(f"{name}: status", answer.status, status, str(answer))
    report.equal(f"{name}: code", answer.code, code, str(answer))


def thought_over(report, past):
    """Nothing happens without being asked, nor before it has been thought over."""
    database = past.database
    code, said = partitions(database)
    report.check("shows partitions", code == 0 and "records_" in said and
                 said.count("postings_") >= 4, said)
    whole = attached(database)
    code, said = partitions(database, "detach", "--before", past.month, "--dry-run")
    report.check("says what would go", code == 0 and "history_archived" in said and
                 "Nothing was done" in said, said)
    report.equal("and nothing went", attached(database), whole)
    code, said = partitions(database, "detach", "--before", month_now(database))
    report.check("too late a month is refused", code == 1 and "Idempotency keys" in said, said)
    for month in ("2026-3", "2026-13", "March", ""):
        code, said = partitions(database, "detach", "--before", month)
        report.check("no month", code == 2 and "2026-03" in said, said)


def detached(report, past):
    whole = attached(past.database)
    code, said = partitions(past.database, "detach", "--before", past.month)
    report.equal("detached", code, 0, said)
    gone = re.findall(r"Detached florin\.(\w+)", said)
    report.check("of each kind", {name.split("_")[0] for name in gone} ==
                 {"records", "postings", "rounds", "idempotency"}, said)
    report.equal("fewer partitions", attached(past.database), whole - len(gone))
    there = CLUSTER.sql(f"SELECT to_regclass('florin.{gone[0]}') IS NOT NULL", past.database)
    report.equal("the table is still there", there, "t")
    code, said = partitions(past.database)
    report.check("and is shown", "detached: dump it" in said, said)
    said = verified(report, "after", past.database)
    report.check("verify says where it begins", "archived" in said, said)
    return gone


def without_tables(report, past, gone):
    """The tables that were detached are of no use to what runs."""
    first = state_hash(past.database)
    report.equal("state-hash", first[0], 0, first[1])
    CLUSTER.sql("DROP TABLE " + ", ".join(f"florin.{name}" for name in gone), past.database)
    report.equal("is the same without the tables", state_hash(past.database), first)


def refused(report, client, past):
    expect_code(report, "a balance of before",
                client.get(f"/v1/wallets/{past.anna}/balance?at={past.born}"), 410,
                "history_archived")
    for path in (f"/v1/transactions/{past.old[0]}", f"/v1/holds/{past.voided}",
                 f"/v1/withdrawals/{past.settled}"):
        expect_code(report, path, client.get(path), 410, "history_archived")
        expect_code(report, path, client.get(path, headers={"Cache-Control": "max-age=5"}), 410,
                    "history_archived")
    for purchase in (past.old[0], past.part_refunded, past.late_refunded):
        expect_code(report, "a refund", client.post("/v1/refunds", {"purchase": purchase}), 410,
                    "history_archived")
    expect_code(report, "a refund in a batch", client.post("/v1/batches", {"operations": [
        {"type": "refund", "purchase": past.old[0]}], "atomic": True}), 410, "history_archived")
    expect_code(report, "a void of what has ended",
                client.post(f"/v1/holds/{past.voided}/void"), 409, "hold_not_open")
    expect_code(report, "a capture of it",
                client.post(f"/v1/holds/{past.voided}/capture"), 409, "hold_not_open")
    expect_code(report, "a settlement of what is settled",
                client.post(f"/v1/withdrawals/{past.settled}/settle",
                            {"bank_transaction_id": "again"}), 409, "withdrawal_not_pending")
    expect_code(report, "a bank id of before",
                client.post("/v1/deposits", {"wallet": past.anna, "amount": 100000,
                                             "bank_transaction_id": "first"}), 409,
                "duplicate_bank_transaction")


def of_use(report, client, past):
    """What was open stays of use."""
    listed = [item["id"] for item in client.get("/v1/holds?limit=100")["items"]]
    report.equal("holds that are listed", sorted(set(listed) - {past.voided}),
                 sorted([past.open, past.partial, past.closed_late]))
    listed = client.get("/v1/withdrawals?limit=100")
    report.equal("withdrawals that are listed", sorted(i["id"] for i in listed["items"]),
                 sorted([past.pending, past.pending_fails]))
    report.check("and the list says where it ends", "archived_before" in listed.json, str(listed))
    for path, body, status in (
            (f"/v1/holds/{past.open}/capture", {"amount": 500, "final": False}, 201),
            (f"/v1/holds/{past.partial}/capture", {}, 201),
            (f"/v1/holds/{past.open}/void", {}, 200),
            (f"/v1/withdrawals/{past.pending}/settle", {"bank_transaction_id": "paid"}, 200),
            (f"/v1/withdrawals/{past.pending_fails}/fail", {}, 200),
            ("/v1/refunds", {"purchase": past.middle[0]}, 201)):
        answer = client.post(path, body)
        report.equal(path, answer.status, status, str(answer))
    answer = client.patch(f"/v1/wallets/{past.idle}", {"metadata": {"new": "text"}})
    report.equal("a change of texts", answer.status, 200, str(answer))
    report.equal("keys are listed", client.get("/v1/keys").status, 200)
    for hold in (past.open, past.partial):
        report.equal("a hold that ended", client.get(f"/v1/holds/{hold}").status, 200)


def before_and_after(report):
    with florin.serving() as server, server.client() as client:
        past = History(server, client)
        database = past.database
        report.equal("consistent before", client.get("/check-integrity")["consistent"], True)
        same = [f"/v1/wallets/{wallet}" for wallet in (past.anna, past.shop, past.idle)]
        same += [f"/v1/wallets/{wallet}/balance?at={past.middle_time}"
                 for wallet in (past.anna, past.idle)]
        same += [f"/v1/holds/{hold}" for hold in (past.open, past.partial, past.closed_late)]
        same += [f"/v1/withdrawals/{past.pending}", f"/v1/transactions/{past.middle[0]}"]
        same += ["/v1/wallets"]
        answers = [client.get(path) for path in same]
        verified(report, "before", database)
        thought_over(report, past)
        gone = detached(report, past)
        consistent(report, client, "after")
        for path, answer in zip(same, answers):
            report.equal(path, client.get(path).body, answer.body)
        refused(report, client, past)
        of_use(report, client, past)
        lists(report, client, past)
        verified(report, "afterwards", database)
        consistent(report, client, "afterwards")
        client.close()
        report.equal("exit status", server.stop(), 0)
        without_tables(report, past, gone)
        server.start()
        consistent(report, client, "after a restart")

        # And once more, two months later.
        go_to(database, 5, 20)
        client.close()
        late = past.buy(3)
        code, said = partitions(database, "detach", "--before", month_now(database))
        report.equal("detached again", code, 0, said)
        verified(report, "again", database)
        consistent(report, client, "again")
        lines = CLUSTER.sql("SELECT count(DISTINCT line) FROM florin.openings", database)
        report.equal("one line is left", lines, "1")
        report.equal("a refund", client.post("/v1/refunds", {"purchase": late["id"]}).status, 201)
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])


def consistent(report, client, name):
    check = client.get("/check-integrity")
    report.check(f"{name}: consistent", check.get("consistent") is True, str(check))
    for wallet in client.get("/v1/wallets")["items"]:
        proof = client.get(f"/v1/wallets/{wallet['id']}/integrity")
        report.check(f"{name}: a wallet's proof", proof.get("consistent") is True, str(proof))


def lists(report, client, past):
    seen, cursor = [], ""
    while True:
        page = client.get(f"/v1/transactions?limit=3{cursor}")
        seen += [item["id"] for item in page["items"]]
        if "next_cursor" not in page.json:
            break
        cursor = "&cursor=" + page["next_cursor"]
    report.check("transactions end at the line", past.middle[0] in seen and
                 not set(past.old) & set(seen), str(seen))
    report.check("and say so", "archived_before" in page.json, str(page))
    since = client.get(f"/v1/transactions?from={page['archived_before']}&limit=100")
    report.check("a list that begins there is whole", "archived_before" not in since.json,
                 str(since))
    expect_code(report, "a list of before", client.get(f"/v1/transactions?to={past.born}"), 410,
                "history_archived")
    own = client.get(f"/v1/wallets/{past.anna}/transactions?limit=100")
    report.check("a wallet's history ends there", "archived_before" in own.json, str(own))
    expect_code(report, "a history of before",
                client.get(f"/v1/wallets/{past.anna}/transactions?to={past.born}"), 410,
                "history_archived")
    audit = client.get("/v1/audit?limit=100")
    report.equal("the audit is read", audit.status, 200, str(audit))
    young = client.post("/v1/wallets", {"owner": "young", "currency": "USD"})["id"]
    answer = client.get(f"/v1/wallets/{young}/transactions")
    report.check("a younger wallet's is whole", answer.status == 200 and
                 "archived_before" not in answer.json, str(answer))
    answer = client.get(f"/v1/wallets/{young}/balance?at={past.born}")
    report.equal("and its balance of before", answer.status, 200, str(answer))


# ---- under load, and broken off -----------------------------------------------------------------

class Load:
    """Purchases, and refunds of each second one, on two nodes until it is stopped."""
    def __init__(self, servers, past):
        self.past, self.stopping, self.answers = past, False, []
        self.threads = [threading.Thread(target=self.run, args=(number, server))
                        for number, server in enumerate(servers)]
        for thread in self.threads:
            thread.start()

    def run(self, number, server):
        with server.client() as client:
            count = 0
            while not self.stopping:
                count += 1
                key = f"load-{number}-{count}"
                body = {"wallet": self.past.anna, "merchant": self.past.shop, "amount": 1}
                answer = client.post("/v1/purchases", body, key=key)
                self.answers.append((server, "/v1/purchases", body, key, answer))
                if count % 2 == 0 and answer.status == 201:
                    body = {"purchase": answer["id"]}
                    refund = client.post("/v1/refunds", body, key=key + "-back")
                    self.answers.append((server, "/v1/refunds", body, key + "-back", refund))

    def stop(self, report, name):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
        wrong = [str(entry[4]) for entry in self.answers if entry[4].status != 201]
        report.check(f"{name}: all were answered", not wrong and self.answers, str(wrong[:3]))
        for server, path, body, key, answer in self.answers[:: max(1, len(self.answers) // 20)]:
            with server.client() as client:
                again = client.post(path, body, key=key)
            report.check(f"{name}: a replay is the first answer",
                         again.replayed and again.body == answer.body, f"{answer} {again}")


def two_nodes():
    first = florin.Server(florin=BINARY)
    second = florin.Server(florin=BINARY)
    first.start()
    CLUSTER.databases[second.data] = CLUSTER.database_for(first.data)
    with open(os.path.join(first.data, "admin.key"), encoding="utf-8") as file:
        secret = file.read()
    second.start()
    with open(os.path.join(second.data, "admin.key"), "w", encoding="utf-8") as file:
        file.write(secret)
    return first, second


def kill_at(database, month, line):
    """Runs the tool and kills it when it has printed so many lines; False when it came to its
    end."""
    child = subprocess.Popen([BINARY, "partitions", "--postgres", CLUSTER.url(database), "detach",
                              "--before", month], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL)
    for _ in range(line):
        if not child.stdout.readline():
            break
    else:
        child.kill()
    child.stdout.close()
    return child.wait(60) == -signal.SIGKILL


def kill_everywhere(report):
    first, second = two_nodes()
    with first.client() as client:
        past = History(first, client)
        partitions(past.database, "detach", "--before", past.month, "--dry-run")
        load = Load((first, second), past)
        kills = 0
        for line in range(1, 30):
            if not kill_at(past.database, past.month, line):
                break
            kills += 1
            check = client.get("/check-integrity")
            report.check(f"killed at line {line}: consistent", check.get("consistent") is True,
                         str(check))
            if line % 3 == 0:
                verified(report, f"killed at line {line}", past.database)
        report.check("it was killed again and again", kills >= 5, str(kills))
        code, said = partitions(past.database, "detach", "--before", past.month)
        report.equal("run to its end", code, 0, said)
        code, said = partitions(past.database)
        report.check("nothing is half detached", code == 0 and "half" not in said, said)
        load.stop(report, "two nodes")
        for server in (first, second):
            with server.client() as other:
                check = other.get("/check-integrity")
                report.equal("consistent", check.get("consistent"), True, str(check))
                expect_code(report, "a refund", other.post("/v1/refunds", {
                    "purchase": past.old[0]}), 410, "history_archived")
        verified(report, "in the end", past.database)
        for server in (first, second):
            report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])
            server.discard()


def half_detached(report):
    """Somebody reads an old partition for long: nobody waits for him but the tool, and what it
    leaves behind is finished by its next run."""
    with florin.serving() as server, server.client() as client:
        past = History(server, client)
        reader = subprocess.Popen(
            [*CLUSTER.user, os.path.join(CLUSTER.bin, "psql"), "-X", "-q", "-d",
             CLUSTER.url(past.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        reader.stdin.write("BEGIN; SELECT 'reads', count(*) FROM florin.records;\n")
        reader.stdin.flush()
        while "reads" not in reader.stdout.readline():
            pass
        partitions(past.database, "detach", "--before", past.month, "--dry-run")
        child = subprocess.Popen([BINARY, "partitions", "--postgres", CLUSTER.url(past.database),
                                  "detach", "--before", past.month], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        # The others go in a moment; only what he reads stays half detached.
        half = ("SELECT count(*) FROM pg_inherits WHERE inhdetachpending AND inhparent = "
                "'florin.records'::regclass")
        deadline = time.monotonic() + 60
        while CLUSTER.sql(half, past.database) == "0" and time.monotonic() < deadline:
            time.sleep(0.05)
        child.kill()
        child.wait(60)
        report.equal("one is half detached", CLUSTER.sql(half, past.database), "1")
        report.equal("payments go on", past.buy(1).status, 201)
        check = client.get("/check-integrity")
        report.equal("consistent meanwhile", check.get("consistent"), True, str(check))
        verified(report, "meanwhile", past.database)
        code, said = partitions(past.database)
        report.check("it is shown", code == 0 and "half detached" in said, said)
        report.equal("partitions are made meanwhile", CLUSTER.sql(
            "SELECT florin.partitions_ahead((SELECT time_ms FROM florin.books), 9) > 0",
            past.database), "t")
        reader.stdin.close()
        reader.stdout.close()
        reader.wait(30)
        code, said = partitions(past.database, "detach", "--before", past.month)
        report.equal("the next run finishes it", code, 0, said)
        report.equal("none is half detached", CLUSTER.sql(half, past.database), "0")
        verified(report, "finished", past.database)
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])


# ---- rows that somebody has locked --------------------------------------------------------------

ARCHIVED = "SELECT archived FROM florin.extent"
RECORDED = "SELECT coalesce(max(next), 0) FROM florin.cursors WHERE kind = 3"


def gives_up(report, name, past, lock, words):
    """Somebody has locked that for long: it is said what and what to do, nothing has gone, and
    everybody is paid meanwhile."""
    database = past.database
    before = [attached(database), CLUSTER.sql(RECORDED, database)]
    psql = Psql(CLUSTER, database, lock)
    rush = held.Rush([past.server.client] * 2, [(past.anna, past.idle_dollars)] * 2)
    time.sleep(1)
    began = time.monotonic()
    code, said = command("partitions", "--postgres", CLUSTER.url(database), "detach", "--before",
                         month_now(database) if past.late else past.month)
    took = time.monotonic() - began
    held.goes_on(report, name, rush.end(), 20)
    report.check(f"{name}: it says what is locked and what to do", code == 1 and words in said and
                 "idle in transaction" in said and "run this again" in said and took < 60,
                 f"{said} after {took:.1f} s")
    report.equal(f"{name}: nothing has gone", [attached(database), CLUSTER.sql(
        RECORDED, database)], before)
    psql.end()


def goes_on_then(report, name, past, lock, is_waiting):
    """Somebody has locked that for some seconds: it waits, and then it is done."""
    database = past.database
    whole = attached(database)
    psql = Psql(CLUSTER, database, lock)
    with open(os.path.join(past.server.home, "said"), "w+", encoding="utf-8") as told:
        child = subprocess.Popen(
            [BINARY, "partitions", "--postgres", CLUSTER.url(database), "detach", "--before",
             month_now(database) if past.late else past.month], stdout=told, stderr=told)

        def said():
            told.seek(0)
            return told.read()
        report.check(f"{name}: it waits", within(60, lambda: is_waiting(said())), said)
        time.sleep(3)
        report.equal(f"{name}: as long as it is locked", child.poll(), None, said())
        psql.end()
        report.equal(f"{name}: then they go", child.wait(120), 0, said())
    report.check(f"{name}: and they have gone", attached(database) < whole, attached(database))
    verified(report, f"{name}, then", database)


def later(past):
    """Two months later, and whoever reads the feed knows it."""
    go_to(past.database, 5, 20)
    past.buy(3)
    partitions(past.database, "detach", "--before", month_now(past.database), "--dry-run")


def held_slot(report, past, apart):
    database = past.database
    name = f"a slot, apart {apart}"
    CLUSTER.sql(f"UPDATE florin.books SET heads_apart = {apart}", database)
    gives_up(report, name, past,
             "SELECT 1 FROM florin.slots WHERE slot = (SELECT slot FROM florin.wallets ORDER BY "
             "number LIMIT 1) FOR UPDATE", "has locked rows of slots")
    report.equal(f"{name}: it is not announced", CLUSTER.sql(ARCHIVED, database), "0")
    report.equal(f"{name}: so refunds go on", past.client.post("/v1/refunds", {
        "purchase": past.old[apart == "true"]}).status, 201)
    verified(report, name, database)


def held_rows(report):
    """Somebody's psql has locked a row that is to be changed."""
    with florin.serving() as server, server.client(timeout=60.0) as client:
        past = History(server, client)
        database = past.database
        past.late = False
        past.idle_dollars = past.post("/v1/wallets", owner="more", currency="USD")["id"]
        partitions(database, "detach", "--before", past.month, "--dry-run")
        for apart in ("true", "false"):
            held_slot(report, past, apart)
        extent = "SELECT 1 FROM florin.extent FOR UPDATE"
        gives_up(report, "extent", past, extent, '"extent"')
        report.equal("extent: it is not announced", CLUSTER.sql(ARCHIVED, database), "0")
        goes_on_then(report, "extent", past, extent, lambda said: "partitions with" in said)
        past.late = True
        later(past)
        line = "SELECT 1 FROM florin.cursors WHERE kind = 3 FOR UPDATE"
        gives_up(report, "where history begins", past, line, "locked the row of cursors")
        verified(report, "where history begins", database)
        goes_on_then(report, "where history begins", past, line,
                     lambda said: "locked the row of cursors" in said)
        client.close()
        report.equal("exit status", server.stop(), 0, server.log()[-2000:])
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])


def held_openings(report):
    """Somebody has locked what an earlier run has carried over, and what this one has."""
    with florin.serving() as server, server.client(timeout=60.0) as client:
        past = History(server, client)
        database = past.database
        past.late = True
        code, said = partitions(database, "detach", "--before", past.month)
        report.equal("openings: the first go", code, 0, said)
        later(past)
        goes_on_then(report, "openings", past, "SELECT 1 FROM florin.openings FOR UPDATE",
                     lambda said: waiting(CLUSTER, database, "query LIKE '%openings%'"))
        report.equal("openings: one line is left", CLUSTER.sql(
            "SELECT count(DISTINCT line) FROM florin.openings", database), "1")
        report.equal("nothing broke", server.trouble(), [], server.log()[-2000:])


# ---- what is found ------------------------------------------------------------------------------

def edits(report):
    """What was carried over cannot be changed without being found."""
    with florin.serving() as server, server.client() as client:
        past = History(server, client)
        database = past.database
        code, said = partitions(database, "detach", "--before", past.month)
        report.equal("detached", code, 0, said)
        idle = f"slot = florin.id_slot(florin.id_bytes('{past.idle}'))"
        for name, there, back in (
                ("an opening balance",
                 f"UPDATE florin.openings SET bytes = set_byte(bytes, 23, 99) WHERE what = 4 AND "
                 f"{idle}; UPDATE florin.wallets SET balance = 99 + 512 WHERE currency = 1",
                 f"UPDATE florin.openings SET bytes = set_byte(bytes, 23, 9) WHERE what = 4 AND "
                 f"{idle}; UPDATE florin.wallets SET balance = 777 WHERE currency = 1"),
                ("a kept record",
                 "CREATE TABLE florin.aside AS SELECT * FROM florin.kept_records LIMIT 1; "
                 "UPDATE florin.kept_records k SET bytes = set_byte(k.bytes, 40, 1 + "
                 "get_byte(k.bytes, 40) % 200) FROM florin.aside a WHERE a.number = k.number",
                 "UPDATE florin.kept_records k SET bytes = a.bytes FROM florin.aside a WHERE "
                 "a.number = k.number; DROP TABLE florin.aside"),
                ("a bank id",
                 "CREATE TABLE florin.aside AS SELECT * FROM florin.bank_ids WHERE bank_id = "
                 "'first'; DELETE FROM florin.bank_ids WHERE bank_id = 'first'",
                 "INSERT INTO florin.bank_ids SELECT * FROM florin.aside; DROP TABLE florin.aside"),
                ("the line itself",
                 "UPDATE florin.cursors SET checksum = checksum + 1 WHERE kind = 3",
                 "UPDATE florin.cursors SET checksum = checksum - 1 WHERE kind = 3"),
                ("a record behind it",
                 "UPDATE florin.records SET principal = 'x' WHERE number = (SELECT max(number) "
                 "FROM florin.records WHERE kind = 2)", None)):
            CLUSTER.sql(there, database)
            code, said = command("verify", "--postgres", CLUSTER.url(database))
            report.equal(f"{name} that was changed is found", code, 1, said)
            if back is not None:
                CLUSTER.sql(back, database)
                verified(report, f"{name} put back", database)


def before_they_go(report):
    """Books that are not right, or events that are not told yet, hold everything up."""
    with florin.serving() as server, server.client() as client:
        past = History(server, client)
        database = past.database
        whole = attached(database)
        CLUSTER.sql("UPDATE florin.postings SET balance = balance + 1 WHERE record = (SELECT "
                    "min(record) FROM florin.postings)", database)
        code, said = partitions(database, "detach", "--before", past.month)
        report.check("wrong books are kept", code == 1 and "nothing was detached" in said and
                     attached(database) == whole, said)
        CLUSTER.sql("UPDATE florin.postings SET balance = balance - 1 WHERE record = (SELECT "
                    "min(record) FROM florin.postings)", database)
        expect_code(report, "a refund of what is about to go", client.post("/v1/refunds", {
            "purchase": past.old[0]}), 410, "history_archived")
        report.equal("while it can still be read",
                     client.get(f"/v1/transactions/{past.old[0]}").status, 200)
        CLUSTER.sql("INSERT INTO florin.cursors VALUES (0, 0, 1, 1, 8, 0, 0)", database)  # events
        code, said = command("partitions", "--postgres", CLUSTER.url(database), "detach",
                             "--before", past.month)
        report.check("events go first", code == 1 and "publisher" in said, said)
        CLUSTER.sql("DELETE FROM florin.cursors WHERE kind = 0", database)
        CLUSTER.sql("CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA florin TO looker", database)
        code, said = command("partitions", "--postgres",
                             CLUSTER.url(database).replace("user=florin", "user=looker"))
        report.check("only the owner may", code == 1 and "owns the schema" in said, said)
        code, said = partitions(database, "detach", "--before", past.month)
        report.equal("then they go", code, 0, said)
        verified(report, "then", database)
    with florin.serving(config={"idempotency_days": 40}) as server, server.client() as client:
        past = History(server, client)
        code, said = partitions(past.database, "detach", "--before", past.month)
        report.check("keys that are remembered for longer", code == 1 and "81 days" in said, said)


total = Report("postgres partitions")
cluster.serve_from(CLUSTER)
total.run("before and after", before_and_after)
total.run("killed at every step, two nodes", kill_everywhere)
total.run("half detached", half_detached)
total.run("rows that are locked", held_rows)
total.run("openings that are locked", held_openings)
total.run("edits", edits)
total.run("before they go", before_they_go)
total.finish()
