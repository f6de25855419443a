# SPDX-License-Identifier: MIT
"""The writer's turn and what gets into its way: foreign locks, lines that fall silent, commits that
are not what they seem, a pooler, and nodes without a turn."""

import contextlib
import functools
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import florin
from client import Client
from faults import FaultKiller, both_write
from proxy import Proxy
from psql import Psql
from shop import Shop
from wait import within


TURN = 7886710  # the number of its lock


def metric(client, name):
    found = re.search(rf"^florin_{re.escape(name)} (\d+)$", client.get("/metrics").body.decode(),
                      re.MULTILINE)
    return int(found.group(1))


def in_background(server, send):
    """Does it on a connection of its own; gives back a function that waits for the answer."""
    answers = []

    def work():
        with server.client(timeout=120.0) as client:
            began = time.monotonic()
            answers.append((send(client), time.monotonic() - began))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def wait():
        thread.join(120)
        assert answers, "no answer"
        return answers[0]

    return wait


def foreign_lock(report, binary, cluster):
    """What names a wallet that psql holds waits aside; everything else goes on."""
    killer = FaultKiller(report, binary, 1, cluster)
    server = killer.server = florin.Server(florin=binary, config={"request_deadline_ms": 4000})
    try:
        server.start()
        killer.shop = shop = Shop(server)
        locked, payee, other = shop.customers[:3]
        lock = ("SELECT 1 FROM florin.wallets WHERE number = (SELECT min(number) FROM "
                "florin.wallets) FOR UPDATE")
        database = cluster.database_for(server.data)
        transfer = {"from": payee, "to": locked, "amount": 7}
        psql = Psql(cluster, database, lock)
        with server.client() as client:
            waiting = in_background(server, lambda c: c.post("/v1/transfers", transfer, key="one"))
            loose = {"operations": [
                {"type": "transfer", "from": payee, "to": other, "amount": 11},
                {"type": "transfer", "from": payee, "to": locked, "amount": 13},
                {"type": "transfer", "from": payee, "to": other, "amount": 17}]}
            batch = in_background(server, lambda c: c.post("/v1/batches", loose))
            whole = in_background(server, lambda c: c.post(
                "/v1/batches", dict(loose, atomic=True), key="whole"))
            began, done = time.monotonic(), 0
            while time.monotonic() < began + 1.5:
                body = {"from": payee, "to": other, "amount": 1}
                done += client.post("/v1/transfers", body).status == 201
            report.check("others go on", done > 50, f"{done} transfers in 1.5 s")
            report.equal("the locked one can be read",
                         client.get(f"/v1/wallets/{locked}").status, 200)
            psql.end()
            answer, took = waiting()
            report.check("what waited aside is done when the lock is gone",
                         answer.status == 201 and took > 1.0, f"{answer!r} after {took:.1f} s")
            answer, _ = batch()
            report.equal("so is an operation of a batch, once",
                         [result.get("amount") for result in answer["results"]], [11, 13, 17])
            answer, _ = whole()
            report.equal("and a batch that is atomic",
                         [result.get("amount") for result in answer["results"]], [11, 13, 17])
            psql = Psql(cluster, database, lock)
            answer, took = in_background(server, lambda c: c.post(
                "/v1/transfers", transfer, key="two"))()
            report.check("busy at its deadline", answer.code == "busy" and 3 < took < 8,
                         f"{answer!r} after {took:.1f} s")
            psql.end()
            time.sleep(0.5)
            answer = client.post("/v1/transfers", transfer, key="two")
            report.check("and was never done", answer.status == 201 and not answer.replayed,
                         repr(answer))
            report.check("it is counted", metric(client, "engine_set_aside_total") >= 4)
            held_rows(report, client, cluster, server, shop)
            held_decisions(report, client, cluster, server, shop)
            held_keys(report, client, cluster, server, shop)
            held_currencies(report, client, cluster, server, shop)
        killer.end()
    finally:
        server.discard()


def held_rows(report, client, cluster, server, shop):
    """Rows of holds and withdrawals that somebody holds, also those that are due."""
    payer, other = shop.customers[5], shop.customers[6]
    hold = client.post("/v1/holds", {"wallet": payer, "merchant": shop.merchants[0],
                                     "amount": 5})["id"]
    pending = client.post("/v1/withdrawals", {"wallet": payer, "amount": 5})["id"]
    psql = Psql(cluster, cluster.database_for(server.data),
                "SELECT 1 FROM florin.holds FOR UPDATE; "
                "SELECT 1 FROM florin.withdrawals FOR UPDATE")
    capture = in_background(server, lambda c: c.post(f"/v1/holds/{hold}/capture", {}))
    fail = in_background(server, lambda c: c.post(f"/v1/withdrawals/{pending}/fail",
                                                  {"reason": "no"}))
    time.sleep(0.2)
    began = time.monotonic()
    answer = client.post("/v1/transfers", {"from": payer, "to": other, "amount": 1})
    report.check("locked holds delay nobody", answer.status == 201
                 and time.monotonic() < began + 1.5, repr(answer))
    psql.end()
    report.equal("the capture is done", capture()[0].status, 201, repr(capture()[0]))
    report.equal("the withdrawal has failed", fail()[0].status, 200, repr(fail()[0]))


def until_done(server, path, body, secret=None):
    """With the same key again, as long as it is busy. Without a body: a DELETE."""
    answers = []

    def work():
        with server.client(secret, timeout=60.0) as one:
            send = one.delete if body is None else functools.partial(one.post, body=body)
            within(300, lambda: answers.append(send(path, key=path)) or
                   answers[-1].code != "busy")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, answers


def all_done(report, what, waiting):
    for thread, answers in waiting:
        thread.join(300)
        report.check(f"{what}: then it is done",
                     answers and answers[-1].status in (200, 201, 204), repr(answers[-1:]))


def pay_meanwhile(report, what, client, shop):
    for _ in range(20):
        answer = client.post("/v1/transfers", {"from": shop.customers[5], "to": shop.customers[6],
                                               "amount": 1})
        report.equal(f"{what}: others are paid meanwhile", answer.status, 201, repr(answer))


def held_keys(report, client, cluster, server, shop):
    """Who has locked an API key holds up what would change that key."""
    free, held = server.key("support"), server.key("support")
    aside = metric(client, "engine_set_aside_total")
    psql = Psql(cluster, cluster.database_for(server.data),
                "SELECT 1 FROM florin.keys ORDER BY number DESC LIMIT 1 FOR UPDATE")
    waiting = [until_done(server, f"/v1/keys/{held['id']}", None)]
    report.check("keys: it waits aside", within(
        60, lambda: metric(client, "engine_set_aside_total") >= aside + 4))
    pay_meanwhile(report, "keys", client, shop)
    answer = client.post(f"/v1/keys/{free['id']}/rotate", {}, key="rotated beside")
    report.equal("keys: another one changes", answer.status, 200, repr(answer))
    made = client.post("/v1/keys", {"name": "beside", "role": "support"})
    report.equal("keys: and one is made", made.status, 201, repr(made))
    answer, took = in_background(server, lambda c: c.post(
        f"/v1/keys/{held['id']}/rotate", {}, key="never"))()
    report.check("keys: busy at its deadline", answer.code == "busy" and 3 < took < 30,
                 f"{answer!r} after {took:.1f} s")
    with server.client(held["secret"]) as one:
        report.equal("keys: it is a key as long", one.get(f"/v1/wallets/{shop.customers[5]}")
                     .status, 200)
    psql.end()
    all_done(report, "keys", waiting)
    answer = client.post(f"/v1/keys/{held['id']}/rotate", {}, key="never")
    report.equal("keys: what was busy was never done", answer.code, "not_found", repr(answer))
    with server.client(held["secret"]) as one:
        report.check("keys: it is none any more", within(
            60, lambda: one.get(f"/v1/wallets/{shop.customers[5]}").status == 401))


def held_currencies(report, client, cluster, server, shop):
    """Who has locked a currency holds up what comes in or goes out in it, and its new wallets."""
    payer = shop.customers[7]
    euros = client.post("/v1/wallets", {"owner": "euros", "currency": "EUR"})["id"]
    pending = client.post("/v1/withdrawals", {"wallet": payer, "amount": 5})["id"]
    second = server.key("admin")["secret"]
    asked = client.post("/v1/adjustments", {"wallet": payer, "direction": "credit", "amount": 1,
                                            "reason": "a gift"})["id"]
    before = client.get(f"/v1/wallets/{payer}")["balance"]
    database = cluster.database_for(server.data)
    aside = metric(client, "engine_set_aside_total")
    timeouts = metric(client, 'engine_retries_total{reason="timeout"}')
    cluster.setting("log_lock_waits", "on")  # that are longer than deadlock_timeout, 200 ms
    log = ServerLog(cluster)
    psql = Psql(cluster, database,
                "SELECT 1 FROM florin.currencies WHERE code = 'USD' FOR UPDATE")
    deposit = {"wallet": payer, "amount": 40, "bank_transaction_id": "held"}
    pay = {"type": "transfer", "from": payer, "to": shop.customers[8], "amount": 3}
    waiting = [until_done(server, *one) for one in (
        ("/v1/deposits", deposit),
        ("/v1/wallets", {"owner": "new", "currency": "USD"}),
        ("/v1/withdrawals", {"wallet": payer, "amount": 7, "bank_transaction_id": "gone"}),
        (f"/v1/withdrawals/{pending}/settle", {"bank_transaction_id": "settled"}),
        ("/v1/batches", {"atomic": True, "operations": [pay, {
            "type": "deposit", "wallet": payer, "amount": 100, "bank_transaction_id": "both"}]}),
        (f"/v1/approvals/{asked}/approve", {}, second))]
    report.check("currencies: they wait aside", within(
        60, lambda: metric(client, "engine_set_aside_total") >= aside + 30))
    pay_meanwhile(report, "currencies", client, shop)
    report.equal("currencies: those of that wallet, too", client.post("/v1/transfers", {
        "from": payer, "to": shop.customers[8], "amount": 1}).status, 201)
    hold = client.post("/v1/holds", {"wallet": payer, "merchant": shop.merchants[0], "amount": 5})
    report.equal("currencies: and holds", client.post(f"/v1/holds/{hold['id']}/capture", {}).status,
                 201, repr(hold))
    report.equal("currencies: another one comes in", client.post("/v1/deposits", {
        "wallet": euros, "amount": 9, "bank_transaction_id": "euros"}).status, 201)
    answer, took = in_background(server, lambda c: c.post("/v1/deposits", dict(
        deposit, bank_transaction_id="never"), key="never in"))()
    report.check("currencies: busy at its deadline", answer.code == "busy" and 3 < took < 30,
                 f"{answer!r} after {took:.1f} s")
    report.check("currencies: no round waits for it twice", metric(
        client, 'engine_retries_total{reason="timeout"}') <= timeouts + 1)
    report.equal("currencies: nor for long", [
        line for line in log.lines() if "still waiting for ShareLock on transaction" in line], [])
    log.file.close()
    cluster.setting("log_lock_waits", "off")
    psql.end()
    all_done(report, "currencies", waiting)
    answer = client.post("/v1/deposits", dict(deposit, bank_transaction_id="never"), key="never in")
    report.check("currencies: what was busy was never done",
                 answer.status == 201 and not answer.replayed, repr(answer))
    report.equal("currencies: each once", client.get(f"/v1/wallets/{payer}")["balance"],
                 before - 1 - 5 + 40 - 7 - 5 - 3 + 100 + 1 + 40)
    problem = florin.integrity_problem(client.get("/check-integrity?depth=full"))
    report.check("currencies: the books are right", problem is None, problem)


def held_decisions(report, client, cluster, server, shop):
    """What waits for somebody to approve it, and what was refunded of a purchase: who has locked
    that holds up the decision and the next refund, not the rounds that they come in."""
    payer = shop.customers[5]
    bought = client.post("/v1/purchases", {"wallet": payer, "merchant": shop.merchants[0],
                                           "amount": 9})["id"]
    client.post("/v1/refunds", {"purchase": bought, "amount": 2})
    asked = client.post("/v1/adjustments", {"wallet": payer, "direction": "credit", "amount": 1,
                                            "reason": "a gift"})["id"]
    second = server.key("admin")["secret"]
    aside = metric(client, "engine_set_aside_total")
    psql = Psql(cluster, cluster.database_for(server.data),
                "SELECT 1 FROM florin.approvals FOR UPDATE; "
                "SELECT 1 FROM florin.refunds FOR UPDATE")
    waiting = [until_done(server, "/v1/refunds", {"purchase": bought, "amount": 3}),
               until_done(server, f"/v1/approvals/{asked}/approve", {}, second)]
    report.check("both wait aside", within(
        60, lambda: metric(client, "engine_set_aside_total") >= aside + 4))
    pay_meanwhile(report, "decisions", client, shop)
    report.equal("what waits can be read", client.get(f"/v1/approvals/{asked}")["status"],
                 "pending")
    psql.end()
    all_done(report, "decisions", waiting)
    report.equal("once", client.get(f"/v1/transactions/{bought}")["refunded"], 5)
    report.equal("and approved", client.get(f"/v1/approvals/{asked}")["status"], "approved")


def freed_after(cluster, database):
    """Who has the turn now: a function that waits for how long he has kept it from now on, or a
    lock of any other kind."""
    began, ended = time.monotonic(), []
    holder = cluster.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
                         f"objid = {TURN} ORDER BY pid LIMIT 1", database) or "0"

    def watch():
        left = f"SELECT count(*) FROM pg_locks WHERE pid = {holder}"
        if within(60, lambda: cluster.sql(left, database) == "0"):
            ended.append(time.monotonic() - began)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def wait():
        thread.join(120)
        return ended[0] if ended and holder != "0" else 999.0

    return wait


def silent_line(report, binary, cluster):
    """A line that says nothing any more, and does not end either: the server frees the turn and the
    locks within five seconds, and the node drops the line and asks what became of its round."""
    proxy = Proxy(cluster.socket)
    killer = FaultKiller(report, binary, 2, cluster)
    two = florin.Server(florin=binary)
    try:
        cluster.line = proxy.folder
        killer.server.start()
        cluster.line = cluster.socket
        cluster.databases[two.data] = cluster.database_for(killer.server.data)
        two.start()
        killer.shop = shop = Shop(killer.server)
        payer, payee = shop.customers[:2]
        for statement, moment in (("PAY_FEW_WALLETS", "silent"), ("COMMIT", "silent"),
                                  ("PAY_FEW_WALLETS", "half"), ("COMMIT", "half")):
            key = f"{statement} {moment}"
            proxy.set_trap(statement, moment)
            waiting = in_background(killer.server, lambda c: c.post(
                "/v1/transfers", {"from": payer, "to": payee, "amount": 3},
                key=key))  # noqa: B023
            report.check(f"{moment} at {statement}", proxy.wait())
            freed = freed_after(cluster, cluster.database_for(killer.server.data))
            with Client(two.port, killer.server.admin_secret, 30.0) as client:
                began = time.monotonic()
                answer = client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1})
                took = time.monotonic() - began
            report.check(f"the other node writes: {key}", answer.status == 201 and took < 12,
                         f"{answer!r} after {took:.1f} s")
            report.check(f"turn and locks were free within five seconds: {key}", freed() < 6,
                         f"after {freed():.1f} s")
            answer, took = waiting()
            report.check("the one of the line, too", answer.status == 201 and took < 15,
                         f"{answer!r} after {took:.1f} s")
            proxy.over.set()
        report.equal("exit status", two.stop(), 0)
        killer.end()
    finally:
        proxy.close()
        two.discard()
        killer.server.discard()


def replica_away(report, binary, cluster):
    """A commit that waits for a synchronous replica and is cancelled there says COMMIT with a
    warning: it must not count before the replica has it."""
    server = florin.Server(florin=binary, config={"request_deadline_ms": 2500})
    names = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    try:
        server.start()
        database = cluster.database_for(server.data)
        with server.client(timeout=120.0) as client:
            wallet = Shop.open(client, "anna")
            deposit = {"wallet": wallet, "amount": 500, "bank_transaction_id": "b1"}
            cluster.sql(names.format("nobody"), database)
            cluster.sql("SELECT pg_reload_conf(), pg_sleep(0.3)", database)
            waiting = in_background(server, lambda c: c.post("/v1/deposits", deposit, key="k"))
            for _ in range(100):
                cancelled = cluster.sql(
                    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE "
                    "wait_event = 'SyncRep' AND datname = current_database()", database)
                if cancelled != "0":
                    break
                time.sleep(0.05)
            report.check("a wait was cancelled", cancelled != "0")
            answer, _ = waiting()
            report.equal("it is not acknowledged", answer.code, "busy", repr(answer))
            cluster.sql(names.format(""), database)
            cluster.sql("SELECT pg_reload_conf()", database)
            for _ in range(60):
                answer = client.post("/v1/deposits", deposit, key="k")
                if answer.code != "busy":
                    break
            report.equal("then it is", answer.status, 201, repr(answer))
            report.equal("once", client.get(f"/v1/wallets/{wallet}")["balance"], 500)
            report.check("it was looked up", metric(client, "engine_commits_looked_up_total") >= 1)
        report.equal("exit status", server.stop(), 0)
        report.check("log", not server.trouble(), server.log()[-2000:])
    finally:
        cluster.sql(names.format(""), "postgres")
        cluster.sql("SELECT pg_reload_conf()", "postgres")
        server.discard()


def commit_rolled_back(report, binary, cluster):
    """A COMMIT that answers ROLLBACK, as that of a failed transaction does, is none. Here a trigger
    makes the transaction fail at its very end; the round is refused and nothing of it stays. It is
    begun again for eight seconds, and not for as long as its client would wait."""
    with florin.serving(florin=binary, config={"request_deadline_ms": 60000}) as server:
        database = cluster.database_for(server.data)
        with server.client() as client:
            wallet = Shop.open(client, "anna")
            cluster.sql(
                "CREATE FUNCTION florin.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'spoilt' USING ERRCODE = 'serialization_failure'; END $$; "
                "CREATE CONSTRAINT TRIGGER spoil AFTER UPDATE ON florin.books DEFERRABLE "
                "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION florin.spoil()", database)
            waiting = in_background(server, lambda c: c.post(
                "/v1/deposits", {"wallet": wallet, "amount": 5, "bank_transaction_id": "b"}))
            time.sleep(1)
            retries = metric(client, 'engine_retries_total{reason="serialization"}')
            report.check("retries are counted, and few", 3 < retries < 60, retries)
            answer, took = in_background(server, lambda c: c.post(
                "/v1/deposits", {"wallet": wallet, "amount": 7, "bank_transaction_id": "c"},
                key="c"))()
            report.check("who is refused for eight seconds is busy",
                         answer.code == "busy" and 7 < took < 30, f"{answer!r} after {took:.1f} s")
            report.equal("so is whoever came before him", waiting()[0].code, "busy")
            cluster.sql("DROP TRIGGER spoil ON florin.books", database)
            for number in ("b", "c"):
                report.equal("then it succeeds, once", client.post(
                    "/v1/deposits", {"wallet": wallet, "amount": 7, "bank_transaction_id": number},
                    key=number).status, 201)
            report.equal("each once", client.get(f"/v1/wallets/{wallet}")["balance"], 14)


def commit_of_nothing(report, binary, cluster):
    """A COMMIT that ends a transaction which has failed answers ROLLBACK, without an error. Here
    each is one: what stands between has ABORT in its place. Nothing is acknowledged, and it is
    done, once, when a COMMIT is one again."""
    proxy = Proxy(cluster.socket)
    cluster.line = proxy.folder
    server = florin.Server(florin=binary)
    try:
        server.start()
        database = cluster.database_for(server.data)
        with server.client(timeout=60.0) as client:
            anna, berta = Shop.open(client, "anna"), Shop.open(client, "berta")
            client.post("/v1/deposits", {"wallet": anna, "amount": 900,
                                         "bank_transaction_id": "b"})
            pay = {"from": anna, "to": berta, "amount": 1}
            report.equal("paid before", client.post("/v1/transfers", pay).status, 201)
            proxy.forged = (b"\0COMMIT\0", b"\0ABORT \0")
            cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                        "datname = current_database() AND pid <> pg_backend_pid()", database)
            lost = metric(client, "engine_connections_lost_total")
            waiting = in_background(server, lambda c: c.post("/v1/transfers", pay, key="none"))
            report.check("it is not taken for done", within(
                60, lambda: metric(client, "engine_connections_lost_total") > lost + 2))
            proxy.forged = None
            answer, _ = waiting()
            if answer.code == "busy":
                answer = client.post("/v1/transfers", pay, key="none")
            report.equal("then it is", answer.status, 201, repr(answer))
            report.equal("once", client.get(f"/v1/wallets/{berta}")["balance"], 2)
        report.equal("exit status", server.stop(), 0)
    finally:
        cluster.line = cluster.socket
        proxy.close()
        server.discard()


def retries_of(client):
    return metric(client, 'engine_retries_total{reason="serialization"}')


def missing_rows(report, binary, cluster):
    """Rows that are not written as they were decided on end the round inside SQL, since the COMMIT
    behind them would commit the rest. Here a trigger swallows what is written to one table after
    the other: nothing of the round stays, and it is done when the trigger is gone."""
    with florin.serving(florin=binary) as server:
        database = cluster.database_for(server.data)
        with server.client(timeout=120.0) as client:
            anna, shop = Shop.open(client, "anna"), Shop.open(client, "shop", kind="merchant")
            client.post("/v1/deposits", {"wallet": anna, "amount": 900,
                                         "bank_transaction_id": "b"})
            hold = client.post("/v1/holds", {"wallet": anna, "merchant": shop, "amount": 5})["id"]
            bought = client.post("/v1/purchases", {"wallet": anna, "merchant": shop,
                                                   "amount": 7})["id"]
            cluster.sql("CREATE FUNCTION florin.swallow() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN RETURN NULL; END $$", database)
            pay = ("/v1/transfers", {"from": anna, "to": shop, "amount": 1})
            deposit = ("/v1/deposits", {"wallet": anna, "amount": 1, "bank_transaction_id": "c"})
            cases = [("wallets", pay), ("slots", pay), ("books", pay), ("currencies", deposit),
                     ("holds", (f"/v1/holds/{hold}/void", {})),
                     ("refunds", ("/v1/refunds", {"purchase": bought, "amount": 2}))]
            # Rows of slots lag behind, unless they may not.
            cluster.sql("UPDATE florin.books SET heads_lag = 0", database)
            for table, (path, body) in cases:
                before = cluster.sql(STANDING, database)
                cluster.sql(f"CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON florin.{table} "
                            "FOR EACH ROW EXECUTE FUNCTION florin.swallow()", database)
                began = retries_of(client)
                waiting = in_background(server, lambda c: c.post(path, body))  # noqa: B023
                for _ in range(300):
                    if retries_of(client) >= began + 3:
                        break
                    time.sleep(0.05)
                report.check(f"{table}: begun again and again", retries_of(client) >= began + 3)
                report.equal(f"{table}: nothing stays", cluster.sql(STANDING, database), before)
                cluster.sql(f"BEGIN; LOCK TABLE florin.{table} IN ACCESS EXCLUSIVE MODE; "
                            f"DROP TRIGGER swallow ON florin.{table}; COMMIT", database)
                answer = waiting()[0]
                report.check(f"{table}: done in the end", answer.status in (200, 201)
                             and not answer.replayed, repr(answer))
            problem = florin.integrity_problem(client.get("/check-integrity?depth=full"))
            report.check("the books are right", problem is None, problem)


@contextlib.contextmanager
def two_nodes(report, binary, cluster):
    """Two nodes and their one database, whose books are right in the end."""
    with florin.serving(florin=binary) as server:
        database = cluster.database_for(server.data)
        other = florin.Server(florin=binary)
        cluster.databases[other.data] = database
        other.start()
        yield server, other, database
        with server.client(timeout=60.0) as client:
            problem = florin.integrity_problem(client.get("/check-integrity?depth=full"))
        report.check("the books are right", problem is None, problem)
        report.equal("exit status", other.stop(), 0, other.log()[-500:])
        other.discard()


def moved_rows(report, binary, cluster):
    """Nodes look for rows where they lay last. Rows that somebody else has written anew, or another
    node has changed, are found all the same, and a payment is still done once."""
    with two_nodes(report, binary, cluster) as (server, other, database):
        with server.client(timeout=30.0) as client, \
                Client(other.port, server.admin_secret, 30.0) as second:
            anna, berta = Shop.open(client, "anna"), Shop.open(client, "berta")
            client.post("/v1/deposits", {"wallet": anna, "amount": 900,
                                         "bank_transaction_id": "b"})
            pay = ("/v1/transfers", {"from": anna, "to": berta, "amount": 1})
            report.equal("paid", client.post(*pay).status, 201)
            moves = [f"UPDATE florin.{table} SET {column} = {column}"
                     for table, column in (("wallets", "version"), ("slots", "round"),
                                           ("books", "time_ms"))]
            moves += [f"VACUUM FULL florin.{table}" for table in ("wallets_0", "wallets_1",
                                                                  "wallets_2", "wallets_3",
                                                                  "slots", "books")]
            for move in moves:
                cluster.sql(move, database)
                report.equal(f"paid behind {move}", client.post(*pay).status, 201)
            for number in range(10):
                report.equal("the nodes in turn", (client if number % 2 else second).post(
                    *pay).status, 201)
            report.equal("each once", client.get(f"/v1/wallets/{berta}")["balance"],
                         1 + len(moves) + 10)


WALLETS_KNOWN = 8000  # with fewer ones every wallet is read in full


def said_again(report, binary, cluster):
    """A change of a wallet that changes nothing is recorded all the same, and another node, which
    knows the wallet from before, goes on from that record."""
    with two_nodes(report, binary, cluster) as (server, other, database):
        with server.client(timeout=60.0) as client:
            for begin in range(0, WALLETS_KNOWN, 1000):
                made = client.post("/v1/batches", {"operations": [
                    {"type": "wallet", "owner": f"owner-{number}", "currency": "USD"}
                    for number in range(begin, begin + 1000)]})
                report.equal("wallets", made.status, 200)
        cluster.sql("VACUUM ANALYZE", database)
        for node in (server, other):  # how many there are is asked at the start
            node.stop()
            node.start()
        with server.client(timeout=60.0) as client, \
                Client(other.port, server.admin_secret, 60.0) as second:
            anna, berta = Shop.open(client, "anna"), Shop.open(client, "berta")
            client.post("/v1/deposits", {"wallet": anna, "amount": 900,
                                         "bank_transaction_id": "b"})
            for number in range(4):
                for each in (client, second, second, client):
                    said = each.patch(f"/v1/wallets/{anna}", {"status": "active",
                                                              "reason": f"again {number}"})
                    report.equal("said again", (said.status, said["version"]), (200, 2 + number))
                paid = second.post("/v1/transfers", {"from": anna, "to": berta, "amount": 1})
                report.equal("paid", paid.status, 201, paid)


HELD = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {TURN}"


def funded(server, count, amount):
    """New wallets that have so much each."""
    with server.client(timeout=120.0) as client:
        wallets = [Shop.open(client, f"owner {number}") for number in range(count)]
        for number, wallet in enumerate(wallets):
            client.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                         "bank_transaction_id": f"b{number}"})
    return wallets


class Payers:
    """Eight that pay until it is over: `pick(number)` says from whom to whom. One of ten wants to
    pay with the wallet `poor`, if that is given, which has nothing."""
    def __init__(self, server, pick, poor=None):
        self.server, self.pick, self.poor = server, pick, poor
        self.over, self.wrong = threading.Event(), []
        self.threads = [threading.Thread(target=self.pay, args=(number,), daemon=True)
                        for number in range(8)]
        for thread in self.threads:
            thread.start()

    def pay(self, number):
        with self.server.client(timeout=120.0) as client:
            while not self.over.is_set():
                payer, payee = self.pick(number)
                is_poor = self.poor is not None and random.random() < 0.1
                answer = client.post("/v1/transfers", {"from": self.poor if is_poor else payer,
                                                       "to": payee, "amount": 1})
                expected = 422 if is_poor else 201
                self.wrong.extend([repr(answer)] if answer.status != expected else [])

    def end(self, report):
        self.over.set()
        for thread in self.threads:
            thread.join(120)
        report.equal("all were paid", self.wrong[:3], [])


def given_back(report, binary, cluster):
    """A node that has more to do asks for the turn behind its round. Whoever waits for it gets it
    all the same; and where what came behind only reads, nobody has it in the end."""
    with two_nodes(report, binary, cluster) as (server, _, database):
        wallets = funded(server, 8, 900)
        payers = Payers(server, lambda number: (wallets[number], wallets[(number + 1) % 8]))

        def read(number):
            with server.client(timeout=120.0) as client:
                while not payers.over.is_set():
                    client.get(f"/v1/wallets/{wallets[number]}")
                for _ in range(50):  # nobody pays any more
                    client.get(f"/v1/wallets/{wallets[number]}")

        readers = [threading.Thread(target=read, args=(number,), daemon=True)
                   for number in range(8)]
        for thread in readers:
            thread.start()
        for _ in range(5):
            taken = cluster.sql(f"SET statement_timeout = '120s'; SELECT pg_advisory_lock({TURN})::"
                                "text || 'taken'; SELECT pg_advisory_unlock_all()", database)
            report.check("a stranger gets the turn under load", "taken" in taken, taken)
        payers.end(report)
        for thread in readers:
            thread.join(120)
        report.check("nobody has the turn in the end",
                     within(120, lambda: cluster.sql(HELD, database) == "0"),
                     cluster.sql(HELD, database))


LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[(\d+)\] (\w+): +"
                  r"(?:(?:statement|execute \w+): )?(.*)$")


class ServerLog:
    """What the server logs from now on."""

    def __init__(self, cluster):
        path = os.path.join(cluster.home, "server.log")
        self.file = open(path, encoding="utf-8", errors="replace")  # pylint: disable=R1732
        self.file.seek(0, os.SEEK_END)
        self.rest = ""

    def lines(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        return lines


class Turns(ServerLog):
    """What sessions do with the turn."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.had, self.last = set(), {}  # sessions; and by session its last two statements
        self.given_back = self.twice = 0

    def read(self):
        for line in self.lines():
            found = LINE.match(line)
            if found is not None:
                self.take(*found.groups())

    def take(self, session, kind, text):
        if kind != "LOG":  # it has failed, and nobody knows what it has now
            self.had.discard(session)
            self.last.pop(session, None)
            return
        first, second = self.last.get(session, ("", ""))
        self.last[session] = (second, text)
        if text.startswith("ROLLBACK") and first.startswith("BEGIN") and "lock_timeout" in second:
            self.given_back += 1
        if "pg_advisory_lock(" in text:
            self.twice += session in self.had
            self.had.add(session)
        if "pg_advisory_unlock_all" in text:
            self.had.discard(session)


def asked_once(report, binary, cluster):
    """A round that was begun without a look, and then needs one, has its turn: here since somebody
    has nothing to pay with. For a server with slow checks: it knows so few wallets that they put
    each other out."""
    with two_nodes(report, binary, cluster) as (server, _, _):
        wallets = funded(server, 96, 100_000)
        with server.client(timeout=120.0) as client:
            poor = Shop.open(client, "poor")
        # Mostly the same few, so that what waits is known when it is looked at.
        payers = Payers(server, lambda _: random.sample(
            wallets[:96 if random.random() < 0.1 else 24], 2), poor)
        turns = Turns(cluster)
        cluster.setting("log_parameter_max_length", "0")
        cluster.setting("log_statement", "all")

        def are_enough():
            turns.read()
            return turns.given_back >= 10

        report.check("rounds were begun in vain", within(120, are_enough), turns.given_back)
        cluster.setting("log_statement", "none")
        payers.end(report)
        turns.file.close()
        report.equal("who has the turn does not ask for it again", turns.twice, 0)


STANDING = ("SELECT (SELECT count(*) FROM florin.records), (SELECT sum(version) FROM "
            "florin.wallets), (SELECT round_count FROM florin.books)")


def without_turn(report, binary, cluster):
    """Two nodes that do not queue: slower, and just as right."""
    both_write(report, binary, cluster, 3, {"postgres_turn": 0}, "nodes without a turn")


POOLER = """[databases]
* = host={socket} port=5432 user=florin
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 5432
auth_type = any
pool_mode = {mode}
default_pool_size = 20
server_round_robin = {in_turn}
ignore_startup_parameters = extra_float_digits
pidfile = {folder}/pid
logfile = {folder}/log
"""


def fill_pool(cluster, folder, database):
    """Fifteen sessions of the server's that the pooler keeps for whoever comes next."""
    asked = [subprocess.Popen([*cluster.user, os.path.join(cluster.bin, "psql"), "-X", "-q", "-d",
                               f"host={folder} user=florin dbname={database}", "-c",
                               "SELECT pg_sleep(2)"], stdout=subprocess.DEVNULL, cwd=cluster.home)
             for _ in range(15)]
    for one in asked:
        one.wait(60)


def pooler(report, binary, cluster):
    """A pooler that gives sessions away between transactions is refused with a sentence, also one
    that gives many away in turn, or has no transactions; one that keeps them whole is taken."""
    for mode, in_turn in (("transaction", 0), ("transaction", 1), ("statement", 0), ("session", 0)):
        folder = tempfile.mkdtemp(prefix="florin-pooler-")
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "pgbouncer.ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(POOLER.format(socket=cluster.socket, folder=folder, mode=mode,
                                     in_turn=in_turn))
        process = subprocess.Popen([*cluster.user, "pgbouncer", "-q", path],
                                   stdin=subprocess.DEVNULL)
        try:
            for _ in range(100):
                if os.path.exists(os.path.join(folder, ".s.PGSQL.5432")):
                    break
                time.sleep(0.05)
            cluster.line = folder
            server = florin.Server(florin=binary)
            if in_turn:
                fill_pool(cluster, folder, cluster.database_for(server.data))
            try:
                server.start()
                report.equal("pooler of sessions", mode, "session", server.log())
                with server.client() as client:
                    report.check("serves", bool(Shop.open(client, "anna")))
                report.equal("exit status", server.stop(), 0)
            except florin.NotStarted as refused:
                report.check(f"pooler of {mode}s",
                             mode != "session" and "connect directly" in refused.text,
                             refused.text)
            finally:
                server.discard()
        finally:
            cluster.line = cluster.socket
            with open(os.path.join(folder, "pid"), encoding="utf-8") as file:
                os.kill(int(file.read()), signal.SIGINT)
            process.wait(20)
            shutil.rmtree(folder, ignore_errors=True)
