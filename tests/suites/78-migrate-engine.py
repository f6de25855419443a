#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin migrate-engine`: books that move answer as before, and go on."""

import contextlib
import os
import random
import re
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "model", "postgres", "rules",
                                                      "roles", "encryption")]

import cluster  # noqa: E402
import florin  # noqa: E402
import moves  # noqa: E402
import moving  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
STEPS = 250


def database():
    return CLUSTER.url(CLUSTER.database_for(str(len(CLUSTER.databases))))


@contextlib.contextmanager
def nothing_is_sorted_anew(report, url, name):
    """Records lie in the order of an index: to sort those of large books, of which PostgreSQL has
    no statistics yet, would take as much disk again as they do."""
    database, log = url.split("dbname=")[1], os.path.join(CLUSTER.home, "server.log")
    for setting in ("work_mem = '64kB'", "log_temp_files = 0"):
        CLUSTER.sql(f"ALTER DATABASE {database} SET {setting}", "postgres")
    begin = os.path.getsize(log)
    yield
    CLUSTER.sql(f"ALTER DATABASE {database} RESET ALL", "postgres")
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        told = re.findall(r"temporary file: .*\n.*STATEMENT:  (.*)", file.read())
    report.check(f"{name}: what is sorted is told", told)  # or nothing is looked at
    report.equal(f"{name}: records are not", [one for one in told if "records" in one], [])


def there(report):
    """A whole house, read before and after."""
    server = moving.Server(florin=BINARY, config=moving.RULES)
    house = moving.House(SEED, server)
    house.furnish()
    house.play(STEPS)
    house.replay(report, "before")
    report.equal("stops", server.stop(), 0)  # and notes for the audit are written
    house.wake()
    before = house.show()
    last_use = house.last_use("support")
    report.check("which was used", last_use)
    report.equal("stops", server.stop(), 0)
    url = database()
    with nothing_is_sorted_anew(report, url, "to PostgreSQL"):
        moves.move(report, "to PostgreSQL", server, url)
    bare = CLUSTER.sql("SELECT count(*) FROM pg_inherits i WHERE i.inhparent = "
                       "'florin.idempotency'::regclass AND NOT EXISTS (SELECT FROM pg_index x "
                       "WHERE x.indrelid = i.inhrelid)", url.split("dbname=")[1])
    report.equal("keys are found by an index", bare, "0")
    house.wake()
    report.equal("an unused key remembers its last use", house.last_use("support"), last_use)
    moving.compare(report, "on PostgreSQL", before, house.show())
    house.replay(report, "on PostgreSQL")
    house.decide(report)
    house.play(60)
    report.equal("stops", server.stop(), 0)
    report.check("log", not server.trouble(), server.log()[-2000:])
    verified = server.verify()
    report.equal("verify at the end", verified.returncode, 0, verified.stdout)


def with_history(client):
    """A wallet with two transactions at least, so that its list has a second page."""
    for transaction in client.get("/v1/transactions?limit=200").json["items"]:
        for side in ("debit", "credit"):
            wallet = transaction[side]["account"]
            if wallet.startswith("wallet_") and len(client.get(
                    f"/v1/wallets/{wallet}/transactions?limit=2").json["items"]) == 2:
                return wallet
    raise AssertionError("no wallet of this life has two transactions")


def faults(report):
    """What must not be moved, what breaks off, and what is refused."""
    server = moving.Server(florin=BINARY, config=moving.RULES)
    house = moving.House(SEED + 1, server)
    house.furnish()
    house.play(120)
    with house.client() as client:
        wallet = with_history(client)
        cursors = {path: client.get(path + "limit=1").get("next_cursor") for path in
                   ("/v1/wallets?", "/v1/transactions?", "/v1/holds?", "/v1/audit?",
                    f"/v1/wallets/{wallet}/transactions?")}
    url = database()
    done = moving.move(server, moving.to_postgres(url))
    report.check("a running source is refused", done.returncode == 1 and
                 "another florin has the data folder" in done.stderr, done.stderr)
    server.stop()
    hash_before, folder = server.state_hash(), server.data
    other = moving.Server(florin=BINARY)
    other.url = database()
    other.start()
    done = moving.move(server, moving.to_postgres(other.url))
    report.check("a target that is served is refused", done.returncode == 1 and
                 "connections of Florin" in done.stderr, done.stderr)
    other.stop()
    done = moving.move(server, moving.to_postgres(other.url))
    report.check("a target with books is refused", done.returncode == 1 and
                 "an empty one only" in done.stderr, done.stderr)
    report.equal("and they are as they were", other.start().stop(), 0)
    broken_off(report, server, url)
    report.equal("the source is as it was", server.state_hash(), hash_before)
    moves.move(report, "again from the beginning", server, url)
    server.start()
    with server.client(house.secret) as client:
        for path, cursor in cursors.items():
            answer = client.get(f"{path}limit=1&cursor={cursor}")
            report.check(f"{path} had a second page", cursor)
            report.check(f"an old cursor of {path} is refused with a sentence",
                         answer.status == 400 and
                         ("begin with the first page" in str(answer.json) or  # read by chance
                          "must be the next_cursor of a page" in str(answer.json)), answer)
    server.stop()
    late = moving.Server(florin=BINARY, data=folder)
    done = moving.move(late, moving.to_postgres(database()))
    report.check("books that moved do not move twice", done.returncode == 1 and
                 "have moved already" in done.stderr, done.stderr)


def broken_off(report, server, url):
    """kill -9 at four places, each found by what the mover waits for there: before anything is
    written, before all of it is committed, before it is checked, and when the source is marked."""
    name = re.search(r"dbname=(\w+)", url).group(1)
    subprocess.run([BINARY, "migrate", "--postgres", url], check=True, capture_output=True)
    for stage, last in enumerate(("%move_partitions%", "UPDATE books%", "%refunds%", "ANALYZE%")):
        begun = Psql(CLUSTER, name, "SELECT 1 FROM florin.extent FOR UPDATE")
        process = moving.launch(server, moving.to_postgres(url))
        moves.reached(CLUSTER, name, "%move_partitions%")
        sessions = []
        if stage == 1:
            sessions.append(Psql(CLUSTER, name, "SELECT 1 FROM florin.books FOR UPDATE"))
        if stage == 2:
            sessions.append(Psql(
                CLUSTER, name, "LOCK TABLE florin.refunds IN ACCESS EXCLUSIVE MODE", False))
        if stage == 3:
            sessions.append(Psql(
                CLUSTER, name, "LOCK TABLE florin.bank_ids IN SHARE UPDATE EXCLUSIVE MODE", False))
        if stage > 1:
            assert within(60, lambda: waiting(CLUSTER, name, "application_name = 'psql'"))
        if stage > 0:
            begun.end()
        moves.reached(CLUSTER, name, last)
        process.kill()
        process.communicate()
        for session in sessions if stage > 0 else [begun]:
            session.end()
        moves.gone(CLUSTER, name)
        half = moving.Server(florin=BINARY)
        half.url = url
        refused = half.refused()
        report.check(f"half filled {stage} is not served, and named", refused is not None and
                     "are not whole yet" in refused[1], refused)
        marked = os.path.exists(os.path.join(server.data, "moved"))
        report.equal(f"the source is marked at the end only {stage}", marked, stage == 3)
    done = moving.move(server, moving.to_postgres(database()))
    report.check("a marked source moves to nowhere else", done.returncode == 1 and
                 "have moved already" in done.stderr, done.stderr)
    os.remove(os.path.join(server.data, "moved"))  # the documented way back


def life(report):
    """The model goes on living on books that moved."""
    world = moving.Life(SEED, BINARY)
    try:
        world.begin()
        world.go_on(STEPS)
        report.equal("stops", world.stop(), 0)
        moves.move(report, "a life", world.server, database(), False)
        world.wake()
        world.go_on(STEPS)
        world.let_expire()
        world.compare_everything()
        world.end()
        report.ok()
    except moving.run.Different as error:
        report.fail("a life", world.obituary(error))
    finally:
        world.server.discard()


report = Report("migrate engine")
print(f"migrate engine: seed {SEED}", flush=True)
report.run("a house moves", there)
report.run("a life goes on", life)
report.run("faults", faults)
report.finish()
