#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin verify --postgres`: finds every edit of the rows, also when the chains were computed
again behind it, and reads with a role that may do nothing else."""

import hashlib
import os
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from forge import Head  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
AMOUNT = 7_654_321  # of one deposit, found again in its record's bytes


def verify(database, user="florin"):
    url = CLUSTER.url(database).replace("user=florin", f"user={user}")
    done = subprocess.run([BINARY, "verify", "--postgres", url], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def make_books(report):
    """A day with everything in it. The name of the database."""
    server = florin.Server(florin=BINARY).start()
    with server.client() as client:
        def post(path, body, key=None):
            answer = client.post(path, body, key=key)
            report.check(path, answer.status in (200, 201), str(answer))
            return answer.json
        anna, berta = (post("/v1/wallets", {"owner": name, "currency": "USD"})["id"]
                       for name in ("anna", "berta"))
        shop = post("/v1/wallets", {"owner": "shop", "currency": "USD", "kind": "merchant"})["id"]
        post("/v1/deposits", {"wallet": anna, "amount": AMOUNT, "bank_transaction_id": "b1"}, "k1")
        post("/v1/deposits", {"wallet": berta, "amount": 5000, "bank_transaction_id": "b2"})
        bought = post("/v1/purchases", {"wallet": anna, "merchant": shop, "amount": 900}, "k2")
        post("/v1/refunds", {"purchase": bought["id"], "amount": 100})
        hold = post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 50})
        post(f"/v1/holds/{hold['id']}/capture", {"amount": 20, "final": False})
        void = post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 40, "order": "o1"})
        post(f"/v1/holds/{void['id']}/void", {})
        post("/v1/withdrawals", {"wallet": berta, "amount": 70})
        paid = post("/v1/withdrawals", {"wallet": berta, "amount": 30})
        post(f"/v1/withdrawals/{paid['id']}/settle", {"bank_transaction_id": "b3"})
        asked = client.post("/v1/adjustments", {"wallet": anna, "direction": "credit",
                                                "amount": 1, "reason": "a gift"})
        report.equal("an adjustment waits", asked.status, 202, asked)
        gone = client.delete(f"/v1/keys/{server.key('service')['id']}")
        report.equal("a key is revoked", gone.status, 204, gone)
        post("/v1/transfers", {"from": berta, "to": anna, "amount": 12}, "k3")
    report.equal("exit status", server.stop(), 0)
    return CLUSTER.database_for(server.data)


def copy_of(database, count=[0]):  # pylint: disable=dangerous-default-value
    count[0] += 1
    name = f"copy_{os.getpid()}_{count[0]}"
    CLUSTER.sql(f"CREATE DATABASE {name} TEMPLATE {database}", "postgres")
    return name


def rows_of(text, database):
    answer = CLUSTER.sql(text, database)
    return [line.split("|") for line in answer.splitlines()]


def chain_again(database):
    """What somebody clever would do after an edit: all chains and counts, computed again."""
    heads, text = {}, []
    records = rows_of("SELECT number, slot, encode(bytes, 'hex') FROM florin.records "
                      "ORDER BY number", database)
    chains = {}
    for number, slot, data in records:
        chain = hashlib.sha256(heads.get(slot, bytes(32)) + bytes.fromhex(data)).digest()
        heads[slot] = chains[number] = chain
        text.append(f"UPDATE florin.records SET chain = '\\x{chain.hex()}' "
                    f"WHERE number = {number}")
    text.append("UPDATE florin.slots s SET chain = coalesce((SELECT chain FROM florin.records r "
                "WHERE r.slot = s.slot ORDER BY number DESC LIMIT 1), s.chain), record_count = "
                "(SELECT count(*) FROM florin.records r WHERE r.slot = s.slot), last_record = "
                "coalesce((SELECT max(number) FROM florin.records r WHERE r.slot = s.slot), 0)")
    whole, counted = bytes(32), 0
    rounds = rows_of("SELECT number, first_record, record_count FROM florin.rounds "
                     "ORDER BY number", database)
    for number, first, count in rounds:
        mine = [chains[n] for n, _, _ in records if int(first) <= int(n) < int(first) + int(count)]
        if not mine:
            text.append(f"DELETE FROM florin.rounds WHERE number = {number}")
            continue
        counted += 1
        whole = hashlib.sha256(whole + b"".join(mine)).digest()
        text.append(f"UPDATE florin.rounds SET number = {counted}, chain = '\\x{whole.hex()}' "
                    f"WHERE number = {number}")
    text.append(f"UPDATE florin.books SET chain = '\\x{whole.hex()}', round_count = {counted}, "
                f"record_count = {len(records)}, heads_record = (SELECT max(number) FROM "
                "florin.records)")
    CLUSTER.sql("; ".join(text), database)


def one_less(database):
    """Deletes the deposit of berta, everywhere, as if it had never been; then its money is gone."""
    number = CLUSTER.sql("SELECT record FROM florin.bank_ids WHERE bank_id = 'b2'", database)
    CLUSTER.sql(f"DELETE FROM florin.records WHERE number = {number}; DELETE FROM florin.postings "
                f"WHERE record = {number}; DELETE FROM florin.bank_ids WHERE record = {number}",
                database)


def other_amount(database):
    """One cent more in the deposit's record, with a right checksum."""
    number, data = rows_of("SELECT number, encode(bytes, 'hex') FROM florin.records WHERE number = "
                           "(SELECT record FROM florin.bank_ids WHERE bank_id = 'b1')",
                           database)[0]
    head = Head(bytes.fromhex(data))
    at = head.data.index(AMOUNT.to_bytes(8, "little"))
    head.data[at:at + 8] = (AMOUNT + 1).to_bytes(8, "little")
    CLUSTER.sql(f"UPDATE florin.records SET bytes = '\\x{head.record().hex()}' "
                f"WHERE number = {number}",
                database)


EDITS = {
    "a balance": "UPDATE wallets SET balance = balance + 1 WHERE balance > 100",
    "held money": "UPDATE wallets SET held = held + 1 WHERE balance > 1000",
    "a version": "UPDATE wallets SET version = version + 1",
    "a credit limit": "UPDATE wallets SET credit_limit = 1",
    "a tier": "UPDATE wallets SET tier = 1",
    "a frozen wallet": "UPDATE wallets SET status = 1",
    "an owner": "UPDATE wallets SET owner = 'berta' WHERE owner = 'anna'",
    "a place in a history": "UPDATE wallets SET level_64 = last WHERE owner = 'anna'",
    "no wallet": "DELETE FROM wallets WHERE owner = 'berta'",
    "a wallet twice": "INSERT INTO wallets SELECT * FROM wallets WHERE owner = 'anna'",
    "a wallet twice in place of another": "DELETE FROM wallets WHERE owner = 'berta'; INSERT INTO "
                                          "wallets SELECT * FROM wallets WHERE owner = 'anna'",
    "a posting's amount": "UPDATE postings SET amount = amount + 1 WHERE amount > 0",
    "a posting's balance": "UPDATE postings SET balance = balance + 1 WHERE number = 2",
    "no posting": "DELETE FROM postings WHERE amount = 12",
    "a posting more": "INSERT INTO postings SELECT slot, wallet, record + 1, number + 1, time_ms, "
                      "type, amount, balance, held, version FROM postings WHERE amount = 12",
    "a hold's amount": "UPDATE holds SET amount = amount + 1",
    "a hold's capture": "UPDATE holds SET captured = captured + 1",
    "a void hold": "UPDATE holds SET status = 2",
    "a void hold that expired": "UPDATE holds SET status = 3 WHERE status = 2",
    "a void hold's amount": "UPDATE holds SET amount = amount + 1 WHERE status = 2",
    "a void hold's order": "UPDATE holds SET order_id = 'o2' WHERE status = 2",
    "no void hold": "DELETE FROM holds WHERE status = 2",
    "a withdrawal's amount": "UPDATE withdrawals SET amount = amount - 1",
    "a withdrawal settled": "UPDATE withdrawals SET status = 1, closed = 1, bank_id = 'x'",
    "a settled withdrawal that failed": "UPDATE withdrawals SET status = 2, bank_id = NULL WHERE "
                                        "status = 1",
    "a settled withdrawal's bank id": "UPDATE withdrawals SET bank_id = 'b4' WHERE status = 1",
    "a settled withdrawal's amount": "UPDATE withdrawals SET amount = amount + 1 WHERE status = 1",
    "when a withdrawal was asked for": "UPDATE withdrawals SET created_ms = created_ms + 1",
    "no settled withdrawal": "DELETE FROM withdrawals WHERE status = 1",
    "an approval that was given": "UPDATE approvals SET status = 1, closed = (SELECT max(number) "
                                  "FROM records)",
    "who asked for an approval": "UPDATE approvals SET principal = 'somebody'",
    "when an approval ends": "UPDATE approvals SET expires_at_ms = expires_at_ms + 1",
    "a key's role": "UPDATE keys SET role = role + 1 WHERE revoked",
    "a revoked key": "UPDATE keys SET revoked = false",
    "another secret": "UPDATE keys SET secret_hash = decode(repeat('ab', 32), 'hex') WHERE revoked",
    "a key more": "INSERT INTO keys SELECT number + 1, substr(sha256(id), 1, 16), "
                  "sha256(secret_hash), expires_at_ms, role, false, opened, previous_hash, 0, 0 "
                  "FROM keys ORDER BY number DESC LIMIT 1",
    "rules of no record": "INSERT INTO rule_sets VALUES (1, 1, 'none')",
    "a refund": "UPDATE refunds SET refunded = refunded - 1",
    "no refund": "DELETE FROM refunds",
    "a total": "UPDATE currencies SET deposits = deposits + 1, balances = balances + 1",
    "a used key": "DELETE FROM idempotency",
    "another key": "UPDATE idempotency SET key = decode(repeat('ab', 16), 'hex') WHERE record = "
                   "(SELECT max(record) FROM idempotency)",
    "a bank id": "DELETE FROM bank_ids WHERE bank_id = 'b2'",
    "a bank id's slot": "UPDATE bank_ids SET slot = (slot + 1) % 1024",
    "a slot's head": "UPDATE slots SET chain = decode(repeat('ab', 32), 'hex')",
    "how far heads have come": "UPDATE books SET heads_record = last_record",
    "a record's column": "UPDATE records SET type = 4 WHERE type = 3",
    "a record's opening": "UPDATE records SET opening = opening + 1",
    "a record's principal": "UPDATE records SET principal = 'somebody'",
    "a record's slot": "UPDATE records SET slot = (slot + 1) % 1024 WHERE type = 3",
    "a record's bytes": "UPDATE records SET bytes = set_byte(bytes, 90, 255 - get_byte(bytes, 90)) "
                        "WHERE type = 5",
    "no record": "DELETE FROM records WHERE type = 5",
    "the last round": "DELETE FROM rounds WHERE number = (SELECT max(number) FROM rounds)",
    "the books' counts": "UPDATE books SET transaction_count = transaction_count + 1",
}


def edits(report, database):
    for name, text in EDITS.items():
        copy = copy_of(database)
        CLUSTER.sql("SET search_path = florin; " + text, copy)
        status, said = verify(copy)
        report.check(name, status == 1 and "The books are right" not in said, f"{status}: {said}")
        CLUSTER.sql(f"DROP DATABASE {copy}", "postgres")


def chained_again(report, database):
    copy = copy_of(database)
    chain_again(copy)
    status, said = verify(copy)
    report.equal("computed again without an edit", status, 0, said)
    for name, edit, word in (("a record is gone", one_less, "balance"),
                             ("a record says more", other_amount, "balance")):
        copy = copy_of(database)
        edit(copy)
        status, said = verify(copy)
        report.check(f"{name}: by the chain", status == 1 and ("chain" in said or "missing" in said
                     or "round" in said), said)
        chain_again(copy)
        status, said = verify(copy)
        report.check(f"{name}: with the chain computed again", status == 1 and word in said, said)


def may_only_read(report, database):
    CLUSTER.sql("DROP ROLE IF EXISTS verifier; CREATE ROLE verifier LOGIN", "postgres")
    status, said = verify(database, "verifier")
    report.check("without privileges", status == 2 and "permission denied" in said, said)
    CLUSTER.sql("SELECT florin.grant_to('verifier', 'verifying')", database)
    status, said = verify(database, "verifier")
    report.equal("with a role that reads", status, 0, said)
    for text in ("SELECT seal_key FROM florin.books", "SELECT secret_hash FROM florin.keys",
                 "UPDATE florin.wallets SET balance = 0", "DELETE FROM florin.records",
                 "INSERT INTO florin.refunds VALUES (1, 1, 1)"):
        try:
            CLUSTER.sql(f"SET ROLE verifier; {text}", database)
            report.fail(text, "was allowed")
        except RuntimeError as error:
            report.check(text, "permission denied" in str(error), str(error))


def progress(report, database):
    """A check that takes long says what it is at: here it waits for somebody's lock."""
    psql = Psql(CLUSTER, database, "LOCK TABLE florin.withdrawals IN ACCESS EXCLUSIVE MODE")
    with subprocess.Popen([BINARY, "verify", "--postgres", CLUSTER.url(database)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        report.check("it waits", within(20, lambda: waiting(CLUSTER, database, "true") == 1))
        time.sleep(5.5)  # a line of progress each five seconds, where no terminal is
        psql.end()
        said, told = process.communicate(timeout=60)
    report.equal("right", process.returncode, 0, said + told)
    records = CLUSTER.sql("SELECT record_count FROM florin.books", database)
    report.check("it has said how far it was", told.startswith(
        f"Checking: 100 %, {records} records, then "), told)


def no_books(report):
    """Whoever only looks says that there are none, and makes none."""
    CLUSTER.sql("CREATE DATABASE empty", "postgres")
    rules = os.path.join(TESTS, "..", "packaging", "rules.json")
    for words in (["verify"], ["state-hash"], ["rules", "test", rules]):
        done = subprocess.run([BINARY, *words, "--postgres", CLUSTER.url("empty")], timeout=60,
                              capture_output=True, text=True, check=False)
        report.check(f"{words[0]} says so", done.returncode in (1, 2)
                     and "There are no books in this database" in done.stderr,
                     done.stdout + done.stderr)
    report.equal("and there are none afterwards", CLUSTER.sql(
        "SELECT count(*) FROM pg_namespace WHERE nspname = 'florin'", "empty").strip(), "0")


total = Report("postgres verify")
cluster.serve_from(CLUSTER)
BOOKS = make_books(total)
code, words = verify(BOOKS)
total.equal("untouched books", code, 0, words)
total.check("says so", "The books are right" in words and "deposits" in words, words)
total.run("edits", edits, BOOKS)
total.run("the chain computed again", chained_again, BOOKS)
total.run("progress", progress, BOOKS)
total.run("a role that only reads", may_only_read, BOOKS)
code, words = verify("nowhere")
total.check("no database", code == 2 and "nowhere" in words, words)
total.run("no books", no_books)
total.finish()
