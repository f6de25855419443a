#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin migrate-engine` out of a database into a folder, and round and round."""

import os
import random
import re
import resource
import signal
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "model", "postgres", "rules",
                                                      "roles", "encryption")]

import cluster  # noqa: E402
import florin  # noqa: E402
import moves  # noqa: E402
import moving  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = cluster.Cluster()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
STEPS = 150


def database():
    return CLUSTER.url(CLUSTER.database_for(str(len(CLUSTER.databases))))


def other(server):
    """A place in the engine where its books are not."""
    return moves.folder() if server.url else database()


def show(house, watched):
    return {**house.show(), **watched.show()}


def round_trip(report):
    """A whole house goes there, back, there and back again, and lives in between."""
    server = moving.Server(florin=BINARY)
    server.config = moving.everything(server)
    house = moving.House(SEED, server)
    watched = moving.Watched(server, house.secret)
    house.furnish()
    house.play(STEPS)
    house.replay(report, "before")
    for stage in ("there", "back", "there again", "back again"):
        report.equal("stops", server.stop(), 0)
        house.wake()
        before = show(house, watched)
        last_use = house.last_use("support")
        report.equal("stops", server.stop(), 0)
        moves.move(report, stage, server, other(server))
        house.wake()
        if "there" in stage:  # a node keeps that in memory
            report.equal(f"{stage}: an unused key remembers its last use",
                         house.last_use("support"), last_use)
        moving.compare(report, stage, before, show(house, watched))
        house.replay(report, stage)
        if stage != "back again":
            watched.prove(report, stage)
        house.play(40)
    house.decide(report)
    refund_old(report, house)
    report.equal("stops", server.stop(), 0)
    report.check("log", not server.trouble(), server.log()[-2000:])
    verified = server.verify()
    report.equal("verify at the end", verified.returncode, 0, verified.stdout)
    house.wake()
    with house.client() as client:
        books = client.get("/check-integrity?depth=full")
    report.check("and the books are right", books.status == 200 and books["consistent"], books)
    server.stop()


def refund_old(report, house):
    """A purchase that moved four times is still one."""
    with house.client() as client:
        [bought] = [item for item in client.list("/v1/transactions?order=house-order")
                    if item["type"] == "purchase"]
        back = client.post("/v1/refunds", {"purchase": bought["id"], "amount": 200})
        report.equal("a refund of an old purchase", back.status, 201, back)
        too_much = client.post("/v1/refunds", {"purchase": bought["id"], "amount": 401})
        report.equal("but not beyond it", too_much.code, "refund_exceeds_purchase", too_much)
        again = client.post("/v1/deposits", {"wallet": bought["debit"]["account"], "amount": 1,
                                             "bank_transaction_id": "house-in"})
        report.equal("a bank id is still used", again.status, 409, again)


def life(report):
    """The model goes on living on books that came back."""
    world = moving.Life(SEED, BINARY)
    try:
        world.begin()
        world.go_on(STEPS)
        for stage in ("a life there", "a life back"):
            report.equal("stops", world.stop(), 0)
            moves.move(report, stage, world.server, other(world.server), False)
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


def refused(report, what, server, target, words):
    done = moving.move(server, target)
    report.check(f"{what} is refused", done.returncode == 1 and words in done.stderr, done.stderr)


# At what a mover out of a database is killed: what a session locks before, what it waits for
# then, and how far the folder has come: is there, has a note, is left alone.
STEPS_BACK = [
    ("LOCK TABLE florin.books IN ROW EXCLUSIVE MODE", "LOCK TABLE%", False, False),
    ("LOCK TABLE florin.postings IN ACCESS EXCLUSIVE MODE", "%postings%", True, False),
    ("LOCK TABLE florin.encryption IN ACCESS EXCLUSIVE MODE", "%encryption%", True, True),
    ("SELECT FROM florin.books FOR UPDATE", "UPDATE florin.books%", True, True),
]


def broken_off(report, server, place):
    """kill -9 at four steps: the database is served as before, the folder by nobody."""
    name = re.search(r"dbname=(\w+)", server.url).group(1)
    for step, (lock, waits, is_there, has_note) in enumerate(STEPS_BACK):
        session = Psql(CLUSTER, name, lock)
        process = moving.launch(server, moving.to_folder(place))
        moves.reached(CLUSTER, name, waits)
        process.kill()
        process.communicate()
        session.end()
        moves.gone(CLUSTER, name)
        report.equal(f"the folder after step {step}",
                     (os.path.isdir(place), os.path.exists(os.path.join(place, "moving"))),
                     (is_there, has_note))
        if has_note:
            half = moving.Server(florin=BINARY, data=place)
            said = half.refused()
            report.check(f"half filled {step} is not served, and named", said is not None and
                         "are not whole yet" in said[1], said)
            refused(report, f"half a source {step}", half, moving.to_postgres(database()),
                    "are not whole yet")
        report.equal(f"the source serves after step {step}", server.start().stop(), 0)


def faults(report):
    """What must not be moved, what breaks off, and what is refused."""
    server = moving.Server(florin=BINARY, config=moving.RULES)
    server.url = database()
    house = moving.House(SEED + 1, server)
    house.furnish()
    house.play(100)
    place = os.path.join(florin.folder(), "data")
    refused(report, "a running source", server, moving.to_folder(place), "connections of Florin")
    report.check("and the target was not touched", not os.path.exists(place))
    house.side.client.close()
    report.equal("stops", server.stop(), 0)
    other = moving.Server(florin=BINARY)
    other.start()
    refused(report, "a target that is served", server, moving.to_folder(other.data),
            "another florin has the data folder")
    other.stop()
    refused(report, "a target with books", server, moving.to_folder(other.data),
            "books move into an empty one only")
    report.equal("and they are as they were", other.start().stop(), 0)
    empty = moving.Server(florin=BINARY)
    empty.url = re.sub(r"dbname=\w+", "dbname=postgres", server.url)
    refused(report, "a database without books", empty, moving.to_folder(place), "has no books")
    hash_before = server.state_hash()
    broken_off(report, server, place)
    full_disk(report, server, place)
    report.equal("the source is as it was", server.state_hash(), hash_before)
    url = server.url
    while_moving(report, server, place)
    server.new_folder(place)
    report.equal("the state hash", server.state_hash(), hash_before)
    again(report, server, url, place, hash_before)
    late = moving.Server(florin=BINARY)
    late.url = url
    refused(report, "a source that moved", late,
            moving.to_folder(os.path.join(florin.folder(), "data")), "have moved already")
    server.start()
    with server.client(house.secret) as client:
        report.check("the books live", client.get("/check-integrity?depth=full")["consistent"])
    server.stop()
    archived(report)


def full_disk(report, server, place):
    """No room for the journal: the folder is begun again later."""
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    done = moving.move(server, moving.to_folder(place), before=limited)
    report.check("no room is told", done.returncode == 1 and
                 "the target cannot be filled" in done.stderr, done.stderr)


def launched(server, place, has_read_all):
    """A mover that has got so far. One before it may end at once: sessions of who served the
    source are still there for a moment."""
    for _ in range(20):
        process = moving.launch(server, moving.to_folder(place))
        while process.poll() is None:
            if has_read_all():
                return process
            time.sleep(0.02)
        said = process.communicate()[1]
        if process.returncode < 0:
            raise AssertionError(f"killed by signal {-process.returncode}: {said}")
        time.sleep(0.5)
    raise AssertionError(f"never got so far: {said}")


def while_moving(report, server, place):
    """A node that comes while books move out writes nothing, and they move all the same."""
    name = re.search(r"dbname=(\w+)", server.url).group(1)
    session = Psql(CLUSTER, name, "LOCK TABLE florin.encryption IN ACCESS EXCLUSIVE MODE")
    process = launched(server, place, lambda: CLUSTER.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
        "application_name LIKE 'florin%' AND query LIKE '%encryption%'", name) != "0")
    second = moving.move(server, moving.to_folder(place))
    report.check("a second mover is refused", second.returncode == 1, second.stderr)
    node = moving.Server(florin=BINARY)
    node.url = server.url
    node.launch()
    time.sleep(0.5)
    session.end()
    out, told = process.communicate(timeout=120)
    node.kill()
    report.equal("they move", process.returncode, 0, out + told)
    report.check("with the new chain from the old head", "goes on from" in out, out)


def again(report, server, url, place, hash_before):
    """A crash between marking the database and opening the folder: the same command ends it."""
    note = os.path.join(place, "moving")
    with open(os.path.join(place, "books"), "rb") as file:
        here = file.read()[16:32]
    name = re.search(r"dbname=(\w+)", url).group(1)
    there = bytes.fromhex(CLUSTER.sql("SELECT encode(id, 'hex') FROM florin.books", name))
    with open(note, "wb") as file:
        file.write(b"florinmv" + there + here)
    said = server.refused()
    report.check("it is not served before", said is not None and "are not whole yet" in said[1],
                 said)
    old = moving.Server(florin=BINARY)
    old.url = url
    done = moving.move(old, moving.to_folder(place))
    report.equal("the same command ends it", done.returncode, 0, done.stderr)
    report.equal("with the same state", server.state_hash(), hash_before)


def archived(report):
    """History that is archived stays in its database."""
    server = moving.Server(florin=BINARY)
    server.url = database()
    server.start().stop()
    name = re.search(r"dbname=(\w+)", server.url).group(1)
    CLUSTER.sql("UPDATE florin.extent SET archived = 1", name)
    refused(report, "an archived source", server,
            moving.to_folder(os.path.join(florin.folder(), "data")), "is archived")


report = Report("migrate engine back")
print(f"migrate engine back: seed {SEED}", flush=True)
report.run("round trip", round_trip)
report.run("a life goes on", life)
report.run("faults", faults)
report.finish()
