#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rounds that are decided on what the last one left: under load, while everything that they rest on
changes behind their node's back, by another node, by somebody's psql, and by the clients
themselves. What is answered is right each time, and such rounds are what is tested."""

import functools
import os
import signal
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "postgres")]

import ahead  # noqa: E402
import cluster  # noqa: E402
import florin  # noqa: E402
from ahead import PATIENCE, Stranger, number_of  # noqa: E402
from proxy import Proxy  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

CLUSTER = cluster.Cluster()
Books = functools.partial(ahead.Books, CLUSTER, florin.binary())


def own_payments(report):
    """One node: keys that come again, refusals, wallets that nobody has seen yet."""
    books = Books(report)
    report.check("rounds go ahead", within(PATIENCE, lambda: books.ahead() >= 100))
    before = books.failed()
    report.check("keys that come again are noticed",
                 within(PATIENCE, lambda: books.failed() > before))
    poor, rich = books.wallet("poor", 0), books.wallet("rich")
    for number in range(10):
        books.goes_ahead(3)
        first = books.pays(books.client, poor, rich, f"poor {number}")
        again = books.pays(books.client, poor, rich, f"poor {number}")
        report.equal("who has nothing pays nothing", (first.status, first.code, again.code),
                     (422, "insufficient_funds", "insufficient_funds"), repr(first))
    for number in range(10):
        books.goes_ahead(3)
        answer = books.pays(books.client, rich, books.wallet(f"new {number}", 0))
        report.equal("a new wallet is paid", answer.status, 201, repr(answer))
    books.end("own payments")


def another_node(report):
    """What another node does is seen by the next payment, each time."""
    books = Books(report)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    books.goes_ahead(20)
    for number in range(20):
        books.goes_ahead(3)
        report.equal("it pays", books.pays(books.client, payer, payee).status, 201)
        frozen = books.other.patch(f"/v1/wallets/{payer}", {"status": "frozen"})
        answer = books.pays(books.client, payer, payee)
        report.equal("frozen by the other node, it does not", (frozen.status, answer.code),
                     (200, "wallet_frozen"), repr(answer))
        done = books.other.patch(f"/v1/wallets/{payer}", {"status": "active"})
        report.equal("and active again it does",
                     (done.status, books.pays(books.client, payer, payee).status), (200, 201))
    keys = [f"both {number}" for number in range(60)]
    answers = {}

    def pay_all(name, client):
        answers[name] = [books.pays(client, payer, payee, key) for key in keys]

    before = books.client.get(f"/v1/wallets/{payer}")["balance"]
    side = threading.Thread(target=pay_all, args=("two", books.other))
    side.start()
    pay_all("one", books.client)
    side.join(PATIENCE)
    pairs = list(zip(answers["one"], answers["two"]))
    report.equal("one key at both nodes at once pays once",
                 [repr(pair) for pair in pairs if [one.status for one in pair] != [201, 201] or
                  pair[0]["id"] != pair[1]["id"] or pair[0].replayed == pair[1].replayed][:3], [])
    report.equal("so much was paid", before - books.client.get(f"/v1/wallets/{payer}")["balance"],
                 len(keys))
    report.check("such rounds were begun again", books.failed() > 0)
    books.end("another node")


def behind_a_commit(report):
    """The next round is opened while one is committed: what befalls the one is not the other's."""
    books = Books(report)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    report.check("rounds are opened", books.opens(20))
    keys, answers = [f"again {number}" for number in range(120)], {}

    def pay_all(name):
        with books.one.client(timeout=PATIENCE) as client:
            answers[name] = [books.pays(client, payer, payee, key) for key in keys]

    sides = [threading.Thread(target=pay_all, args=(name,)) for name in range(5)]
    for side in sides:
        side.start()
    for side in sides:
        side.join(PATIENCE)
    report.equal("a key in rounds that follow each other pays once",
                 [repr(same) for same in zip(*answers.values())
                  if {one.status for one in same} != {201} or len({one["id"] for one in same}) != 1
                  or sum(not one.replayed for one in same) != 1][:3], [])
    report.equal("and not twice", books.client.get(f"/v1/wallets/{payee}")["balance"],
                 1_000_000 + len(keys))
    stranger = Stranger(books)
    where = f"number = {number_of(books, books.wallets[0])}"
    for number in range(10):
        report.check("they are opened", books.opens())
        stranger.ask(f"BEGIN; SELECT 1 FROM florin.wallets WHERE {where} FOR UPDATE")
        answer = books.pays(books.client, payer, payee)
        stranger.ask("COMMIT")
        report.equal("a row that somebody has locked holds nobody else up", answer.status, 201,
                     repr(answer))
    for number in range(10):
        report.check("they are opened again", books.opens())
        ended = stranger.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE "
                             "locktype = 'advisory' AND objid = 7886710 AND granted")
        report.check("the writer's session is ended", ended in "01", ended)
        answer = books.pays(books.client, payer, payee, f"ended {number}")
        report.equal("the next one is paid", answer.status, 201, repr(answer))
    stranger.end()
    books.end("behind a commit")


SPOIL = """CREATE SEQUENCE florin.spoilt;
CREATE FUNCTION florin.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF nextval('florin.spoilt') % 5 = 0 THEN {}; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER spoil AFTER UPDATE ON florin.books DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION florin.spoil()"""
SPOILT = {
    "that fail": "RAISE EXCEPTION 'spoilt' USING ERRCODE = 'serialization_failure'",
    "that seem to meet another's rows":
        # Of those that were looked for no such thing is forgiven.
        "IF current_setting('lock_timeout') = '100ms' THEN "
        "RAISE EXCEPTION 'spoilt' USING ERRCODE = 'unique_violation'; END IF",
    "that end the session": "PERFORM pg_terminate_backend(pg_backend_pid())"}


def commits_spoilt(report):
    """One COMMIT in five comes to nothing while the next round's rows are on their way behind it:
    neither has happened, and both are begun again."""
    books = Books(report)
    for name, how in SPOILT.items():
        report.check(f"COMMITs {name}: rounds are opened", books.opens())
        failed = books.failed()
        CLUSTER.sql(SPOIL.format(how), books.database)
        report.check(f"COMMITs {name}: rounds are opened all the same", books.opens(10))
        report.check(f"COMMITs {name}: and begun again", within(
            PATIENCE, lambda: books.failed() >= failed + 2))
        CLUSTER.sql("DROP TRIGGER spoil ON florin.books; DROP FUNCTION florin.spoil; "
                    "DROP SEQUENCE florin.spoilt", books.database)
    books.end("commits spoilt")


SEEKERS = ("FROM pg_stat_activity WHERE datname = current_database() AND "
           "application_name = 'florin beside'")


def beside_the_writer(report):
    """Keys are looked for by a session beside the writer's: it may end, or stand still."""
    books = Books(report)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    report.check("keys are looked for beside the writer", books.goes_beside())
    for number in range(3):
        ended = CLUSTER.sql(f"SELECT count(pg_terminate_backend(pid)) {SEEKERS}", books.database)
        answer = books.pays(books.client, payer, payee, f"beside {number}")
        again = books.pays(books.client, payer, payee, f"beside {number}")
        report.equal("that session has ended, and a payment is made once",
                     (answer.status, again.status, again.replayed, again["id"] == answer["id"]),
                     (201, 201, True, True), f"{ended}: {answer!r} {again!r}")
        report.check("another one takes its place", books.goes_beside())
    seekers = []

    def is_there():  # one that is late to answer makes room for another
        seekers[:] = CLUSTER.sql(f"SELECT string_agg(pid::text, ' ') {SEEKERS}",
                                 books.database).split()
        return seekers or not books.goes_beside()
    report.check("it is there", within(PATIENCE, is_there) and seekers != [])
    for seeker in seekers:
        os.kill(int(seeker), signal.SIGSTOP)
    try:
        books.goes_ahead(10)
        report.equal("it stands still, and a payment is made",
                     books.pays(books.client, payer, payee).status, 201)
    finally:
        for seeker in seekers:
            os.kill(int(seeker), signal.SIGCONT)
    report.check("and another one is opened", books.goes_beside())
    books.end("beside the writer")


def beside_other_books(report):
    """What is found in other books, as an old primary may have them, counts for nothing."""
    proxy = Proxy(CLUSTER.socket)
    proxy.forged = (b"b.chain FROM books b", b"sha256('abcdefghij')")
    CLUSTER.line = proxy.folder
    try:
        books = Books(report)
        payer, payee = books.wallet("payer"), books.wallet("payee")
        report.check("rounds are opened ahead", within(PATIENCE, lambda: CLUSTER.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'abcdefghij'",
            books.database) != "0"))
        books.goes_ahead(30)
        for number in range(10):
            pair = [books.pays(books.client, payer, payee, f"other {number}") for _ in range(2)]
            report.equal("a key pays once", ([one.status for one in pair], pair[1].replayed),
                         ([201, 201], True), pair)
        report.equal("none goes by them", books.beside(), 0)
        books.end("beside other books")
    finally:
        CLUSTER.line = CLUSTER.socket
        proxy.close()


def row_of_books(report):
    """Whoever changes what rounds are decided on writes the row of books; and places of rows say
    nothing once somebody has written them anew."""
    books = Books(report)
    books.goes_ahead(20)
    for number in range(30):
        books.goes_ahead(3)
        # Several versions, so that one may lie where an earlier one was.
        CLUSTER.sql(";".join(["UPDATE florin.books SET keys_version = keys_version"] *
                             (1 + number % 4)), books.database)
    report.check("rounds were begun again", books.failed() > 0)
    for _ in range(5):
        books.goes_ahead(3)
        CLUSTER.sql("VACUUM FULL florin.books", books.database)
        CLUSTER.sql("VACUUM FULL florin.wallets", books.database)
    books.goes_ahead(20)
    books.end("row of books")


def by_hand(report):
    """A wallet that somebody has changed with psql, so that nothing else tells of it, and so often
    that its row may lie where it lay."""
    books = Books(report)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    number = CLUSTER.sql(f"SELECT number FROM florin.balances WHERE wallet = '{payer}'",
                         books.database)
    for turn in range(12):
        report.equal("it pays", books.pays(books.client, payer, payee).status, 201)
        books.goes_ahead(3)
        changes = 1 + turn % 4
        for _ in range(changes):
            CLUSTER.sql("UPDATE florin.wallets SET status = 1, version = version + 1 WHERE "
                        f"number = {number}", books.database)
            CLUSTER.sql("VACUUM florin.wallets", books.database)
        answer = books.pays(books.client, payer, payee)
        report.equal("frozen by hand, it does not", answer.code, "wallet_frozen", repr(answer))
        CLUSTER.sql(f"UPDATE florin.wallets SET status = 0, version = version - {changes} WHERE "
                    f"number = {number}", books.database)
    books.end("by hand")


def same_place(report):
    """Somebody changes the row of books between two rounds, so that it lies again where it lay."""
    books = Books(report, payers=0)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    stranger, there = Stranger(books), 0
    version = "SELECT keys_version FROM florin.books"

    def once():
        nonlocal there
        stranger.ask("VACUUM florin.books")
        for _ in range(2):  # the second knows what the first has left
            books.pays(books.client, payer, payee)
        before, failed = int(stranger.ask(version)), books.failed()
        lies = stranger.change_and_let_lie("books", "keys_version = keys_version + 1",
                                           "is_the_one")
        changed = int(stranger.ask(version))
        answer = books.pays(books.client, payer, payee)
        now = int(stranger.ask(version))
        if answer.status != 201 or not before < changed <= now:
            report.check("no round goes back behind it", False, (before, changed, now, answer))
            return True
        there += lies and books.failed() > failed
        return there >= 3

    within(PATIENCE, once)
    report.check("rounds were begun again where it lay as it had", there >= 3, there)
    stranger.end()
    books.end("same place")


def pay_all(books, pairs):
    """In one round, which has nothing else."""
    answer = books.client.post("/v1/batches", {"operations": [
        {"type": "transfer", "from": payer, "to": payee, "amount": 1} for payer, payee in pairs]})
    assert answer.status == 200, repr(answer)
    return answer["results"]


def crowd_of(books, count):
    """Pairs of wallets of which one pays the other: with many of them a round writes its wallets
    by partition."""
    return [(books.wallet(f"crowd {number}"), books.wallet(f"beside {number}", 0))
            for number in range(count)]


def other_version(report, others):
    """Somebody freezes a wallet between two rounds, and it lies again where it lay."""
    books = Books(report, payers=0)
    payer, payee = books.wallet("payer"), books.wallet("payee")
    pairs = [(payer, payee)] + crowd_of(books, others)
    where = f"number = {number_of(books, payer)}"
    stranger, there = Stranger(books), 0

    def once():
        nonlocal there
        stranger.ask("VACUUM florin.wallets")
        for _ in range(2):
            pay_all(books, pairs)
        failed = books.failed()
        version = stranger.ask(f"SELECT version FROM florin.wallets WHERE {where}")
        lies = stranger.change_and_let_lie("wallets", "status = 1, version = version + 1", where)
        result = pay_all(books, pairs)[0]
        if result.get("code") != "wallet_frozen":
            report.check("what is frozen does not pay", False, result)
            return True
        there += lies and books.failed() > failed
        stranger.ask(f"UPDATE florin.wallets SET status = 0, version = {version} WHERE {where}")
        return there >= 3

    within(PATIENCE, once)
    report.check("rounds were begun again where it lay as it had", there >= 3, there)
    stranger.end()
    books.end(f"other version, {others} beside")


def other_wallet(report, others):
    """Another wallet comes to lie between two rounds where one lay, with the same version."""
    books = Books(report, payers=0)
    stranger, parts = Stranger(books), {}
    for number in range(5):  # of five two lie in the same of four partitions
        wallet = books.wallet(f"payer {number}")
        part = stranger.ask("SELECT tableoid::regclass FROM florin.wallets WHERE number = "
                            f"{number_of(books, wallet)}")
        parts.setdefault(part, []).append(wallet)
    payer, beside = next(wallets for wallets in parts.values() if len(wallets) > 1)[:2]
    payee, crowd = books.wallet("payee"), crowd_of(books, others)
    wheres = [f"number = {number_of(books, wallet)}" for wallet in (payer, beside)]
    there = paid = 0

    def once():
        nonlocal there, paid
        stranger.ask("VACUUM florin.wallets")
        for _ in range(2):
            pay_all(books, [(payer, payee), (beside, payee)] + crowd)
        failed = books.failed()
        place = stranger.place_of("wallets", wheres[0])
        stranger.leave("wallets", "version = version", wheres[0])
        lies = stranger.change_until_it_lies_at(place, "wallets", "version = version", wheres[1])
        results = pay_all(books, [(payer, payee)] + crowd)
        there += lies and books.failed() > failed
        results += pay_all(books, [(beside, payee)])  # so that both have the same version
        paid += 3
        left = [books.client.get(f"/v1/wallets/{wallet}")["balance"] for wallet in (payer, beside)]
        if any("code" in result for result in results) or left != [1_000_000 - paid] * 2:
            report.check("nobody pays for another one", False, (left, paid, results[:2]))
            return True
        return there >= 3

    within(PATIENCE, once)
    report.check("rounds were begun again where another one lay", there >= 3, there)
    stranger.end()
    books.end(f"other wallet, {others} beside")


cluster.serve_from(CLUSTER)
total = Report("postgres ahead")
total.run("own payments", own_payments)
total.run("another node", another_node)
total.run("behind a commit", behind_a_commit)
total.run("commits spoilt", commits_spoilt)
total.run("beside the writer", beside_the_writer)
total.run("beside other books", beside_other_books)
total.run("row of books", row_of_books)
total.run("by hand", by_hand)
total.run("same place", same_place)
total.run("other version", other_version, 0)
total.run("other wallet", other_wallet, 0)
# So many that their wallets are written by a statement for each partition.
total.run("other version, many beside", other_version, 101)
total.run("other wallet, many beside", other_wallet, 101)
total.finish()
