#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin migrate`: once, twice, from several nodes at once, and what it refuses."""

import os
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()


def migrate(database):
    return subprocess.Popen([BINARY, "migrate", "--postgres", CLUSTER.url(database)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def at_once(report):
    database = CLUSTER.database_for("at once")
    children = [migrate(database) for _ in range(6)]
    texts = [child.communicate(timeout=30)[0] for child in children]
    report.equal("all succeed", [child.returncode for child in children], [0] * 6, texts)
    report.equal("one applies", sum("Applied" in text for text in texts), 1)
    text = migrate(database).communicate(timeout=30)[0]
    report.equal("again", text, "The schema is as it should be.\n")
    report.equal("one row of books", CLUSTER.sql("SELECT count(*) FROM florin.books", database),
                 "1")
    seal = "SELECT seal_key FROM florin.books"
    before = CLUSTER.sql(seal, database)
    migrate(database).wait(30)
    report.equal("the seal stays", CLUSTER.sql(seal, database), before)


def refusals(report):
    database = CLUSTER.database_for("newer")
    migrate(database).wait(30)
    CLUSTER.sql("INSERT INTO florin.migrations VALUES (9999, '9999_from_the_future')", database)
    child = migrate(database)
    text = child.communicate(timeout=30)[0]
    report.check("a newer schema", child.returncode == 1 and "newer Florin" in text, text)
    child = migrate("nowhere")
    text = child.communicate(timeout=30)[0]
    report.check("no database", child.returncode == 1 and "nowhere" in text, text)
    CLUSTER.sql("ALTER SYSTEM SET fsync = off", "postgres")
    CLUSTER.sql("SELECT pg_reload_conf(), pg_sleep(0.3)", "postgres")
    child = migrate(CLUSTER.database_for("unsafe"))
    text = child.communicate(timeout=30)[0]
    report.check("fsync off", child.returncode == 1 and "fsync" in text, text)


def constraints(report):
    """What the rows themselves refuse, should the rules ever be wrong."""
    database = CLUSTER.database_for("constraints")
    migrate(database).wait(30)
    CLUSTER.sql("INSERT INTO florin.currencies VALUES (0, 'USD', 2, 1, 0, 0)", database)
    wallet = ("INSERT INTO florin.wallets VALUES (1, 1, decode(repeat('00', 16), 'hex'), '', 0, 0, "
              "{status}, {balance}, {held}, {credit}, 1, 0, 1, 0, 0, 0, 0)")
    CLUSTER.sql(wallet.format(status=0, balance=-5, held=0, credit=5), database)
    CLUSTER.sql("DELETE FROM florin.wallets", database)
    for name, values in {
            "beyond the credit": {"status": 0, "balance": -6, "held": 0, "credit": 5},
            "held beyond the balance": {"status": 0, "balance": 5, "held": 6, "credit": 0},
            "held below zero": {"status": 0, "balance": 5, "held": -1, "credit": 0},
            "closed with money": {"status": 2, "balance": 1, "held": 0, "credit": 0},
            "beyond 2^53": {"status": 0, "balance": 2**53, "held": 0, "credit": 0}}.items():
        is_refused(report, name, wallet.format(**values), database)
    CLUSTER.sql(wallet.format(status=0, balance=5, held=5, credit=0), database)
    for change in ("slot = 1024", "slot = -1", "id = '\\x00'", "kind = 2", "status = 3",
                   "tier = 16", "balance = -9007199254740992", "held = 6",
                   "credit_limit = 9007199254740992", "credit_limit = -1", "version = 0",
                   "transaction_count = -1", "spent_day_sum = -1, spent_month_sum = -1",
                   "spent_day_sum = 2, spent_month_sum = 1"):
        is_refused(report, change, f"UPDATE florin.wallets SET {change}", database)
    CLUSTER.sql("UPDATE florin.wallets SET balance = 0, held = 0, status = 2", database)
    for change in ("is_the_one = false", "id = '\\x00'", "seal_key = '\\x00'",
                   "hold_open_count = -1", "chain = '\\x00'", "first_chain = '\\x00'",
                   "number_slack = 16777215", "alarm = '\\x00'", "shard = 'A b'",
                   "shard_number = 16", "heads_lag = -1"):
        is_refused(report, f"books: {change}", f"UPDATE florin.books SET {change}", database)
    round_row = ("INSERT INTO florin.rounds VALUES ({number}, decode(repeat('00', {token}), "
                 "'hex'), 1, 200000, {count}, decode(repeat('00', {chain}), 'hex'))")
    whole = {"number": 1, "token": 16, "count": 1, "chain": 32}
    for name, value in (("number", 0), ("token", 15), ("count", 0), ("chain", 31)):
        is_refused(report, f"rounds: {name} {value}",
                   round_row.format(**{**whole, name: value}), database)
    CLUSTER.sql(round_row.format(**whole), database)
    valid = CLUSTER.sql("SELECT bool_and(convalidated) FROM pg_constraint WHERE conname IN "
                        "('is_sound', 'are_sound')", database)
    report.equal("and holds for what was there before", valid, "t")


def is_refused(report, name, text, database):
    try:
        CLUSTER.sql(text, database)
        report.fail(name, "was accepted")
    except RuntimeError as error:
        report.check(name, "violates check constraint" in str(error), str(error))


def way_back_in(report):
    """A key made beside a running server is known to it within a second."""
    cluster.serve_from(CLUSTER)
    with florin.serving() as server:
        url = CLUSTER.url(CLUSTER.database_for(server.data))
        made = server.command_line("keys", "create", "--postgres", url, "--role", "auditor")
        report.equal("exit status", made.returncode, 0, made.stderr)
        time.sleep(1.1)
        with server.client(made.stdout.strip()) as client:
            report.equal("the key works", client.get("/v1/wallets").status, 200)


total = Report("postgres migrate")
total.run("way back in", way_back_in)
total.run("at once", at_once)
total.run("constraints", constraints)
total.run("refusals", refusals)
total.finish()
