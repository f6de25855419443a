#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rounds that go out behind the COMMIT of the last one, which is held back here as long as that
takes: keys that both have, COMMITs of which nobody hears, or that come to nothing for long, rows
that somebody has locked, and holds that end by themselves."""

import contextlib
import os
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import ahead  # noqa: E402
import cluster  # noqa: E402
import florin  # noqa: E402
from ahead import PATIENCE, Stranger  # noqa: E402
from proxy import Proxy, bind_of  # noqa: E402
from report import Report  # noqa: E402
from turn import ServerLog, in_background, metric  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SHUT, SPOILT = 771, 772
# The last that a COMMIT does: it waits while the one lock is taken, and fails while the other is.
GATE = f"""CREATE FUNCTION florin.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
WHILE NOT pg_try_advisory_xact_lock_shared({SHUT}) LOOP PERFORM pg_sleep(0.002); END LOOP;
IF NOT pg_try_advisory_xact_lock_shared({SPOILT}) THEN
RAISE EXCEPTION 'spoilt' USING ERRCODE = 'serialization_failure'; END IF;
RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON florin.books DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION florin.gate()"""
COMMITTING = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
              "state = 'active' AND query = 'COMMIT'")


class Gate:
    """Books whose COMMITs wait while the gate is shut, or come to nothing while it is spoilt; a
    proxy stands before their first node."""

    def __init__(self, report):
        self.proxy = Proxy(CLUSTER.socket)
        CLUSTER.line = self.proxy.folder
        try:
            self.books = ahead.Books(CLUSTER, BINARY, report, payers=0)
        finally:
            CLUSTER.line = CLUSTER.socket
        books = self.books
        self.pairs = [(books.wallet(f"payer {number}"), books.wallet(f"payee {number}"))
                      for number in range(3)]
        self.paid = 0
        self.psql = Stranger(books)
        self.psql.ask(GATE)
        self.warm_up()

    def body(self, pair):
        payer, payee = self.pairs[pair]
        return {"type": "transfer", "from": payer, "to": payee, "amount": 1}

    def pay(self, pair, key=None):
        """Gives back what does it."""
        body = self.body(pair)
        body.pop("type")
        return lambda client: client.post("/v1/transfers", body, key=key)

    def pay_at_once(self, pair, key=None):
        """The same as an atomic batch."""
        body = {"atomic": True, "operations": [self.body(pair)]}
        return lambda client: client.post("/v1/batches", body, key=key)

    def warm_up(self, rounds=4):
        """The wallets are known; and where rounds were begun in vain, others come without a look
        again."""
        before = self.books.ahead()
        for number in range(400):
            assert self.pay(number % 3)(self.books.client).status == 201
            self.paid += 1
            if self.books.ahead() >= before + rounds:
                return
        raise AssertionError("no rounds go ahead")

    @contextlib.contextmanager
    def shut(self, lock=SHUT):
        self.psql.ask(f"SELECT pg_advisory_lock({lock})")
        try:
            yield
        finally:
            self.psql.ask(f"SELECT pg_advisory_unlock({lock})")

    def behind(self, first, second, meanwhile=None):
        """Does the one, and the other while that is committed; and what is to happen meanwhile.
        Gives back what waits for the answers."""
        server = self.books.one
        with self.shut():
            waiting = [in_background(server, first)]
            assert within(PATIENCE, lambda: self.psql.ask(COMMITTING) != "0"), "no COMMIT"
            waiting.append(in_background(server, second))
            time.sleep(0.2)
            if meanwhile is not None:
                meanwhile()
        return [lambda one=one: one()[0] for one in waiting]

    def end(self, report, name):
        left = [self.books.client.get(f"/v1/wallets/{wallet}")["balance"]
                for pair in self.pairs for wallet in pair]
        report.equal(f"{name}: so much was paid", (sum(left[::2]), sum(left[1::2])),
                     (3_000_000 - self.paid, 3_000_000 + self.paid), left)
        self.psql.end()
        self.books.end(name)
        self.proxy.close()


def common_keys(report):
    """Two rounds that follow each other have the same key. Who looks beside the writer may see the
    books before the first of them, and finds nothing."""
    gate = Gate(report)
    for name, how in (("a payment", gate.pay), ("an atomic batch", gate.pay_at_once)):
        failed, times = gate.books.failed(), 0
        while gate.books.failed() < failed + 6 and times < 60:
            times += 1
            gate.warm_up()
            key = f"{name} {times}"
            answers = [wait() for wait in gate.behind(how(0, key), how(0, key))]
            gate.paid += 1
            report.equal(f"{name} under one key is made once",
                         ({one.status for one in answers}, [one.replayed for one in answers],
                          len({one.body for one in answers})),
                         ({200 if how == gate.pay_at_once else 201}, [False, True], 1), answers)
        report.check(f"{name}: rounds went out behind one and were begun again", times < 60, times)
    gate.end(report, "common keys")


def other_keys(report):
    """And where they have not, the second one goes on."""
    gate = Gate(report)
    for name, pair in (("the same wallets", 0), ("other wallets", 1)):
        opened, beside = gate.books.opened(), gate.books.beside()
        for number in range(10):
            answers = [wait() for wait in gate.behind(gate.pay(0, f"first {name} {number}"),
                                                      gate.pay(pair, f"second {name} {number}"))]
            gate.paid += 2
            report.equal(f"{name}: both are paid",
                         [(one.status, one.replayed) for one in answers], [(201, False)] * 2,
                         answers)
        report.check(f"{name}: rounds were opened", gate.books.opened() >= opened + 3)
        report.check(f"{name}: and their keys looked for beside",
                     gate.books.beside() >= beside + 3)
    # Where rows of slots are written every third round: what these leave is not known before they
    # are answered.
    CLUSTER.sql("UPDATE florin.books SET heads_lag = 2", gate.books.database)
    for number in range(10):
        gate.warm_up(1 + number % 3)
        answers = [wait() for wait in gate.behind(gate.pay(0), gate.pay(1))]
        gate.paid += 2
        report.equal("both are paid behind rows of slots", [one.status for one in answers],
                     [201] * 2, answers)
    gate.end(report, "other keys")


def unheard(report):
    """Nobody hears what became of a COMMIT, while the next round's rows are on their way behind it:
    it is looked up, and neither of both is done twice, though they have no keys."""
    gate = Gate(report)
    proxy, rows = gate.proxy, bind_of("ADD_RECORDS")

    def cut_now():
        assert proxy.wait(), "no COMMIT came along"
        time.sleep(1)  # the node is there again, and what it has lost is still at it

    def terminate():
        gate.psql.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                      "datname = current_database() AND state = 'active' AND query = 'COMMIT'")

    for moment, meanwhile in (("after", None), ("sent", cut_now), (None, terminate)):
        opened = times = 0
        while times < 6 or (moment == "after" and opened < 3 and times < 40):
            times += 1
            gate.warm_up()
            lost = metric(gate.books.client, "engine_commits_looked_up_total")
            if moment is not None:  # rounds that only read have a COMMIT, too
                proxy.set_trap("CHANGE_BOOKS", moment)
            waiting = gate.behind(gate.pay(0), gate.pay(times % 2), meanwhile)
            proxy.over.set()
            answers = [wait() for wait in waiting]
            gate.paid += 2
            report.equal(f"{moment}: both are paid", [one.status for one in answers], [201] * 2,
                         answers)
            report.check(f"{moment}: one was looked up", metric(
                gate.books.client, "engine_commits_looked_up_total") > lost)
            opened += rows.search(proxy.behind) is not None
        report.check(f"{moment}: rows went out behind it", moment != "after" or opened >= 3)
    gate.end(report, "unheard")


WALLETS_KNOWN = 8000  # with fewer ones every wallet is read in full


def in_vain_for_long(report):
    """COMMITs come to nothing until what waits is busy. What those rounds would have left nobody is
    decided on later, also where another node leaves the same balance and version."""
    gate = Gate(report)
    books = gate.books
    for begin in range(0, WALLETS_KNOWN, 1000):
        made = books.client.post("/v1/batches", {"operations": [
            {"type": "wallet", "owner": f"owner {number}", "currency": "USD"}
            for number in range(begin, begin + 1000)]})
        report.equal("wallets", made.status, 200)
    for times in range(2):
        gate.warm_up()
        with gate.shut(SPOILT):
            waiting = gate.behind(gate.pay(0, f"vain {times}"), gate.pay(1, f"vain too {times}"))
            answers = [wait() for wait in waiting]
        report.equal("both are busy", [one.code for one in answers], ["busy"] * 2, answers)
        for node in (books.other, books.client):
            answer = gate.pay(0)(node)
            gate.paid += 1
            report.equal("it is paid", answer.status, 201, answer)
        for pair in (0, 1):
            answers = [wait() for wait in gate.behind(gate.pay(2), gate.pay(pair))]
            gate.paid += 2
            report.equal("both are paid", [one.status for one in answers], [201] * 2, answers)
        answers = [books.pays(books.client, *gate.pairs[pair], key=key)
                   for pair, key in ((0, f"vain {times}"), (1, f"vain too {times}"))]
        gate.paid += 2
        report.equal("what was busy is done once", [one.status for one in answers], [201] * 2,
                     answers)
        listed = books.client.list(f"/v1/wallets/{gate.pairs[0][0]}/transactions")
        moved = [item["amount"] if item.get("credit", {}).get("account") == gate.pairs[0][0]
                 else -item["amount"] for item in listed]
        report.equal("all that was paid is listed", sum(moved),
                     books.client.get(f"/v1/wallets/{gate.pairs[0][0]}")["balance"])
    gate.end(report, "in vain for long")


def locked_rows(report):
    """The second round meets a wallet that somebody has locked: it waits a tenth of a second for
    it, also where its keys are looked for beside the writer, and others are paid."""
    gate = Gate(report)
    where = f"number = {ahead.number_of(gate.books, gate.pairs[0][0])}"
    stranger = Stranger(gate.books)
    CLUSTER.setting("log_lock_waits", "on")  # that are longer than deadlock_timeout, 200 ms
    log, failed = ServerLog(CLUSTER), gate.books.failed()
    for number in range(4):
        gate.warm_up()
        stranger.ask(f"BEGIN; SELECT 1 FROM florin.wallets WHERE {where} FOR UPDATE")
        waiting = gate.behind(gate.pay(1), gate.pay(0, f"locked {number}"))
        report.equal("the first is paid", waiting[0]().status, 201)
        report.equal("others, too", gate.pay(2)(gate.books.client).status, 201)
        stranger.ask("COMMIT")
        answer = waiting[1]()
        report.equal("then the second is", answer.status, 201, answer)
        gate.paid += 3
    report.equal("nobody has waited long", [
        line for line in log.lines() if "still waiting for ShareLock on transaction" in line], [])
    report.check("rounds were begun again", gate.books.failed() > failed)
    log.file.close()
    CLUSTER.setting("log_lock_waits", "off")
    stranger.end()
    gate.end(report, "locked rows")


def holds_that_end(report):
    """A hold is opened by a round behind which others go out: it ends in its time."""
    gate = Gate(report)
    payer, payee = gate.pairs[0]
    shop = ahead.Shop.open(gate.books.client, "shop", kind="merchant")

    def hold(client):
        return client.post("/v1/holds", {"wallet": payer, "merchant": shop, "amount": 1,
                                         "expires_in": 2})

    for times in range(6):
        gate.warm_up()
        if times % 2:  # behind it, at once
            waiting = gate.behind(hold, gate.pay(1))
            answer, paid = (wait() for wait in waiting)
            report.equal("others are paid", paid.status, 201, paid)
            gate.paid += 1
        else:
            answer = hold(gate.books.client)
        report.equal("it is held", answer.status, 201, answer)
        gate.warm_up(3)
        report.check("it ends in its time", within(30, lambda: gate.books.client.get(
            f"/v1/holds/{answer['id']}")["status"] == "expired"))  # noqa: B023
    gate.end(report, "holds that end")


cluster.serve_from(CLUSTER)
total = Report("postgres behind")
total.run("common keys", common_keys)
total.run("other keys", other_keys)
total.run("unheard", unheard)
total.run("in vain for long", in_vain_for_long)
total.run("locked rows", locked_rows)
total.run("holds that end", holds_that_end)
total.finish()
