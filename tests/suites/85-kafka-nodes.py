#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several nodes and workers that share one database and one queue: outcomes from another node,
partitions that move under load, a worker that was stopped and wakes, a publisher that is replaced,
a command on which the engine fails, and what a person can decide."""

import json
import os
import signal
import sys
import threading
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka", "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the database is started: this may begin another python

import cluster as databases  # noqa: E402
import florin  # noqa: E402
import lanes  # noqa: E402
import nodes  # noqa: E402
import shop as shops  # noqa: E402
from load import Load, settle  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
KAFKA = broker.Cluster().start()
POSTGRES = databases.Cluster()
PARTITIONS = 4


def house(**more):
    return nodes.House(KAFKA, POSTGRES, BINARY, uuid.uuid4().hex[:8], session_timeout_ms=3000,
                       **more)


GATE = 7777  # of the database's advisory locks


def gate_for(home, wallet):
    """Whoever changes the wallet waits in the middle of his transaction while the gate is closed,
    but not longer than four seconds."""
    home.sql(f"""CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 FOR i IN 1 .. 400 LOOP
                     EXIT WHEN pg_try_advisory_xact_lock_shared({GATE});
                     PERFORM pg_sleep(0.01);
                 END LOOP; RETURN NEW; END $$;
                 CREATE TRIGGER wait_at_gate BEFORE UPDATE ON wallets FOR EACH ROW
                 WHEN (NEW.id = (id_bytes('{wallet}'))) EXECUTE FUNCTION wait_at_gate()""")


def closed_gate(home):
    """What is returned opens it."""
    def hold():
        try:
            home.sql(f"SELECT pg_advisory_lock({GATE}); SELECT pg_sleep(600)")
        except RuntimeError:
            pass  # its session is ended

    def shut():
        home.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                 "datname = current_database() AND query LIKE '%pg_sleep(600)%' AND "
                 "pid <> pg_backend_pid()")
        holder.join()
    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    home.shop.wait_for(lambda: home.sql(f"SELECT count(*) FROM pg_locks WHERE objid = {GATE} AND "
                                        "granted AND mode = 'ExclusiveLock'") == "1",
                       what="the gate to be closed")
    return shut


INSIDE = ("FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' AND "
          "query LIKE '%wallets%' AND query NOT LIKE '%pg_stat_activity%'")


def waits(home, condition):
    return home.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                    f"{condition}") != "0"


def from_the_other_node(report):
    """All partitions are another process's: the node that was asked never sees the outcome but in
    the books."""
    home = house(work=False, queue_writes=True, request_deadline_ms=3000)
    shop = home.shop
    worker = home.node("work").start()
    shop.wait_for(home.has(worker, PARTITIONS), what="the worker's partitions")
    report.equal("no partition is ours", shop.metric("worker_partitions"), None)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        paid = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 60}, key="n1")
        report.equal("the real answer", (paid.status, paid.get("amount")), (201, 60))
        poor = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 60}, key="n2")
        report.equal("the real refusal", poor.code, "insufficient_funds")
        with worker.client(home.secret) as other:
            report.equal("a worker has no API", other.get("/v1/wallets").status, 404)
            report.equal("but health", other.get("/healthz").status, 200)
            report.equal("and no page", other.get("/").status, 404)
        report.equal("SIGTERM", worker.stop(), 0)
        late = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 5}, key="n3")
        report.equal("202 at the deadline", late.status, 202)
        place = late.headers.get("location", "")
        report.check("with its place", place.startswith("/v1/operations/op_"), late)
        report.equal("queued", client.get(place)["status"], "queued")
        other = home.node(work=False).start()  # which has never heard of it
        with other.client(home.secret) as its:
            report.equal("queued, says any node", its.get(place).json, client.get(place).json)
            forged = place[:-1] + ("0" if place[-1] != "0" else "1")
            report.equal("and knows a forged one", its.get(forged).code, "not_found")
        worker.start()
        done = client.get(place, headers={"Prefer": "wait=30"})
        report.equal("done later", done["status"], "done")
        again = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 5}, key="n3")
        report.equal("a retry is told the same", (again.status, again.get("id")),
                     (201, done["result"]["id"]))
        # A key that the worker cannot know yet proves its records all the same.
        producer, text = KAFKA.producer(), str(shops.slot_of(ann)).encode()
        for number in range(3):
            key = client.post("/v1/keys", {"name": "just made", "role": "service"})
            value = shops.payment(ann, bob, 1, f"fresh{number}")
            producer.send(home.settings["commands_topic"], value, key=text,
                          partition=shops.partition_of(text, PARTITIONS),
                          headers=shops.headers_of(key["secret"], key["id"], text, value,
                                                   home.settings["commands_topic"])).get(30)
        shop.wait_for(lambda: shop.balance(bob) == 68, what="what fresh keys signed")
    report.equal("none of it is dead", home.metric(worker, "worker_dead_letters_total"), 0)
    report.equal("once", shop.balance(bob), 68)
    home.stop()


def moving_partitions(report):
    """Workers come, go and are killed under load: nothing lost, doubled or reordered."""
    home = house()
    shop = home.shop
    payers = [shop.open(f"payer{i}", money=1_000_000) for i in range(4)]
    till = shop.open("till", "merchant")
    load = Load(shop, payers, till, pause=0.01)
    load.more(20)
    first = home.node("work").start()
    shop.wait_for(home.has(first, 2), what="half of the partitions")
    load.more(20)
    second = home.node("work").start()
    shop.wait_for(lambda: home.metric(second, "worker_partitions") >= 1, what="a third's")
    load.more(20)
    report.equal("one leaves", first.stop(), 0)
    load.more(20)
    second.kill()  # in the middle of whatever it does
    load.more(20)
    shop.wait_for(home.has(shop.server, PARTITIONS), what="all partitions again")
    settle(report, "moved", shop, payers, till, load)
    home.stop()


def stopped_and_woken(report):
    """A worker that sleeps through a rebalance changes nothing when it wakes."""
    home = house()
    shop = home.shop
    payers = [shop.open(f"payer{i}", money=1_000_000) for i in range(6)]
    till = shop.open("till", "merchant")
    sleeper = home.node("work").start()
    shop.wait_for(home.has(sleeper, 2), what="half of the partitions")
    load = Load(shop, payers, till, pause=0.01)
    for _ in range(2):
        load.more(40)
        sleeper.process.send_signal(signal.SIGSTOP)
        shop.wait_for(home.has(shop.server, PARTITIONS), what="the sleeper's partitions")
        load.more(40)
        sleeper.process.send_signal(signal.SIGCONT)
        shop.wait_for(home.has(sleeper, 2), what="half of the partitions again")
    load.more(40)
    settle(report, "woken", shop, payers, till, load)
    report.equal("nothing of it is dead", shop.metric("worker_dead_letters_total"), 0)
    home.stop()


def woken_with_a_batch(report):
    """A worker is stopped in the middle of a commit, and that is lost; another takes its partitions
    over and does the command. The first one wakes and tries again: under its older epoch nothing
    is done."""
    home = house(work=False)
    shop, sleeper = home.shop, home.node("work").start()
    shop.wait_for(home.has(sleeper, PARTITIONS), what="the sleeper's partitions")
    slow, till = shop.open("slow", money=1000), shop.open("till", "merchant")
    gate_for(home, slow)
    open_gate = closed_gate(home)
    with shop.client() as client:
        body = {"from": slow, "to": till, "amount": 3}
        place = shop.queue(client, "/v1/transfers", body)["id"]
        shop.wait_for(lambda: home.sql(f"SELECT count(*) {INSIDE}") == "1",
                      what="a commit in the middle")
        sleeper.process.send_signal(signal.SIGSTOP)
        home.sql(f"SELECT pg_terminate_backend(pid) {INSIDE}")
        open_gate()
        heir = home.node("work").start()
        shop.wait_for(home.has(heir, PARTITIONS), what="its partitions to be the other's")
        report.equal("the other does it", shop.outcome(place)["status"], "done")
        sleeper.process.send_signal(signal.SIGCONT)
        shop.wait_for(lambda: home.metric(sleeper, "worker_fenced_total") >= 1,
                      what="the first one to be fenced")
        shop.wait_for(lambda: home.metric(sleeper, "worker_partitions") +
                      home.metric(heir, "worker_partitions") == PARTITIONS, what="both to share")
        last = shop.queue(client, "/v1/transfers", body)["id"]
        report.equal("what comes next is done", shop.outcome(last)["status"], "done")
    report.equal("once each", (shop.balance(slow), shop.balance(till)), (994, 6))
    home.stop()


def another_publisher(report):
    """The node that publishes is killed, the next one is stopped: every change is told, in
    order."""
    home = house(events=True, work=False, commands=False)
    shop, topic = home.shop, home.settings["events_topic"]
    other = home.node().start()
    ann, till = shop.open("ann", money=1_000_000), shop.open("till", "merchant")
    versions = {ann: 2, till: 1}

    def pay(node, count):
        with node.client(home.secret) as client:
            for _ in range(count):
                paid = client.post("/v1/transfers", {"from": ann, "to": till, "amount": 1})
                report.check("paid", paid.status == 201, paid)
                versions[ann] += 1
                versions[till] += 1

    def told(records):
        last = {}
        for record in records:
            wallet = record.key.decode()
            last[wallet] = max(last.get(wallet, 0), int(json.loads(record.value)["sequence"]))
        return all(last.get(wallet, 0) >= version for wallet, version in versions.items())

    def publisher():
        return next((node for node in (shop.server, other)
                     if home.metric(node, "events_publishing") == 1), None)

    shop.wait_for(publisher, what="a publisher")
    pay(shop.server, 50)
    killed = publisher()
    survivor = other if killed is shop.server else shop.server
    pay(survivor, 20)
    killed.kill()
    pay(survivor, 30)
    shop.wait_for(lambda: home.metric(survivor, "events_publishing") == 1, what="the other")
    pay(survivor, 30)
    killed.start()
    survivor.process.send_signal(signal.SIGSTOP)
    pay(killed, 30)
    shop.wait_for(lambda: home.metric(killed, "events_publishing") == 1, what="the first again")
    survivor.process.send_signal(signal.SIGCONT)
    pay(survivor, 30)
    found = {}
    for record in KAFKA.read(topic, told, timeout=90):
        found.setdefault(record.key.decode(), []).append(int(json.loads(record.value)["sequence"]))
    for wallet, version in versions.items():
        # Two that publish for a moment repeat what was told, never skip.
        first_seen = list(dict.fromkeys(found.get(wallet, [])))
        report.equal("each version, in order", first_seen, list(range(1, version + 1)))
    home.stop()


def commits_late(report, turn):
    """A transaction has its numbers when its session is lost; a later one of another node commits
    and is told of, and then the earlier one, done again, commits: it is told of all the same, and
    no version of a wallet is missing or out of order."""
    name = "commits late" if turn else "commits late without the turn"
    home = house(events=True, work=False, commands=False, postgres_turn=turn)
    shop, other = home.shop, home.node().start()
    slow, ann = shop.open("slow", money=1000), shop.open("ann", money=1000)
    tills = {payer: shop.open("till", "merchant") for payer in (slow, ann)}  # nobody's lock but his
    versions = {slow: 2, ann: 2, **{till: 1 for till in tills.values()}}
    gate_for(home, slow)

    def pay(node, payer, done):
        with node.client(home.secret) as client:
            paid = client.post("/v1/transfers", {"from": payer, "to": tills[payer], "amount": 1})
        done.append(paid.status)
        versions[payer] += 1
        versions[tills[payer]] += 1

    def told(payer):
        return lambda records: any(record.key.decode() == payer and int(json.loads(record.value)[
            "sequence"]) == versions[payer] for record in records)

    overtaken = 0
    for round_number in range(8):
        early, later = [], []
        quick = other if home.metric(other, "events_publishing") == 1 else shop.server
        node = shop.server if quick is other else other
        open_gate = closed_gate(home)
        earlier = threading.Thread(target=pay, args=(node, slow, early))
        earlier.start()
        shop.wait_for(lambda: home.sql(f"SELECT count(*) {INSIDE}") == "1",
                      what="a transaction in the middle")
        behind = threading.Thread(target=pay, args=(quick, ann, later))
        behind.start()
        shop.wait_for(lambda: later or early or waits(home, "wait_event_type = 'Lock'"),
                      what="a later one behind it")  # pylint: disable=W0640
        home.sql(f"SELECT pg_terminate_backend(pid) {INSIDE}")
        behind.join()
        KAFKA.read(home.settings["events_topic"], told(ann))
        overtaken += not early  # it stands at the gate again
        open_gate()
        earlier.join()
        report.equal(f"{name}: both are paid", early + later, [201, 201])
        if round_number >= 1 and overtaken:
            break
    report.check(f"{name}: a later one was told of first", overtaken)

    def all_told(records):
        seen = {}
        for record in records:
            seen[record.key.decode()] = int(json.loads(record.value)["sequence"])
        return all(seen.get(wallet, 0) >= version for wallet, version in versions.items())
    found = {}
    for record in KAFKA.read(home.settings["events_topic"], all_told, timeout=60):
        found.setdefault(record.key.decode(), []).append(int(json.loads(record.value)["sequence"]))
    for wallet, version in versions.items():
        report.equal(f"{name}: each version, in order",
                     list(dict.fromkeys(found.get(wallet, []))), list(range(1, version + 1)))
    home.stop()


class Letter:
    """A dead letter that the broker has, while the books cannot have its place yet."""
    def __init__(self, report, home):
        shop, self.home, self.dead = home.shop, home, home.settings["dead_letter_topic"]
        self.report = report
        self.ann, self.bob = shop.open("ann", money=100), shop.open("bob")
        with shop.client() as client:
            service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        slot = next(slot for slot in range(1024) if slot != shops.slot_of(self.ann))
        text, value = str(slot).encode(), shops.payment(self.ann, self.bob, 1, "d1")
        self.holder = threading.Thread(target=self.hold, daemon=True)
        self.holder.start()
        shop.wait_for(lambda: home.sql("SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND "
                                       "granted AND relation = 'cursors'::regclass") == "1",
                      what="the lock")
        self.place = f"SELECT next FROM cursors WHERE kind = 1 AND slot = {slot}"
        self.sent = KAFKA.producer().send(
            home.settings["commands_topic"], value, key=text,
            partition=shops.partition_of(text, PARTITIONS),
            headers=shops.headers_of(service["secret"], service["id"], text, value,
                                     home.settings["commands_topic"])).get(30)
        report.equal("the broker has the letter",
                     len(KAFKA.read(self.dead, lambda letters: len(letters) >= 1)), 1)
        report.check("the books do not have its place",
                     int(home.sql(self.place)) <= self.sent.offset)

    def hold(self):
        """Nobody moves a place until this is ended."""
        try:
            self.home.sql("BEGIN; LOCK TABLE cursors IN SHARE MODE; SELECT pg_sleep(600)")
        except RuntimeError:
            pass

    OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    COMMITS = ("FROM pg_stat_activity WHERE datname = current_database() AND pid IN (SELECT pid "
               "FROM pg_locks WHERE NOT granted AND relation = 'cursors'::regclass)")

    def wait_for_commit(self):
        self.home.shop.wait_for(lambda: self.home.sql(f"SELECT count(*) {self.COMMITS}") != "0",
                                what="its worker to move the place")

    def let_go(self, its):
        """What its worker, which is not there now, was about to commit goes before the lock."""
        home = self.home
        for _ in range(10):  # what was sent may not have come to the lock yet
            home.sql(f"SELECT pg_terminate_backend(pid) {its}")
            home.shop.wait_for(lambda: home.sql(f"SELECT count(*) {its}") == "0",
                               what="its sessions to end")
            time.sleep(0.1)
        home.sql(f"SELECT pg_terminate_backend(pid) {self.OTHERS} AND "
                 "query LIKE '%pg_sleep(600)%'")
        self.holder.join()

    def is_there_twice(self):
        """As whoever reads letters is told: each is the same record's, and the later one says so.
        What comes behind it is done once."""
        report, home = self.report, self.home
        shop = home.shop
        letters = KAFKA.read(self.dead, lambda letters: len(letters) >= 2)
        report.equal("it is written again", [
            (dict(letter.headers)["florin-topic"], dict(letter.headers)["florin-partition"],
             dict(letter.headers)["florin-offset"]) for letter in letters],
            [(home.settings["commands_topic"].encode(), str(self.sent.partition).encode(),
              str(self.sent.offset).encode())] * 2)
        report.equal("the same bytes in the same partition", [
            (letter.partition, letter.key, letter.value) for letter in letters],
            [(letters[0].partition, letters[0].key, letters[0].value)] * 2)
        shop.wait_for(lambda: int(home.sql(self.place)) == self.sent.offset + 1, what="its place")
        with shop.client() as client:
            first, again = sorted(client.get("/v1/dead-letters")["items"],
                                  key=lambda item: int(item["id"].split("-")[1]))
            report.equal("the later one repeats the first", (
                "repeats" in first, again.get("repeats")), (False, first["id"]), [first, again])
            queued = shop.queue(client, "/v1/transfers", {
                "from": self.ann, "to": self.bob, "amount": 5})
            report.equal("what comes next is done", shop.outcome(queued["id"])["status"], "done")
        report.equal("and nothing else", shop.balance(self.bob), 5)


def killed_behind_a_letter(report):
    """A worker is killed when the broker has the dead letter and the books do not have its place:
    it is written again, and what is behind it is done once."""
    home = house()
    home.shop.wait_for(home.has(home.shop.server, PARTITIONS), what="partitions")
    letter = Letter(report, home)
    home.shop.server.kill()
    letter.let_go(f"{letter.OTHERS} AND query NOT LIKE '%pg_sleep(600)%'")
    home.shop.server.start()
    letter.is_there_twice()
    home.stop()


def asleep_behind_a_letter(report):
    """A worker sleeps there instead, until its partitions are another's: when it wakes it moves no
    place, and writes nothing more."""
    home = house(work=False)
    shop, sleeper = home.shop, home.node("work").start()
    shop.wait_for(home.has(sleeper, PARTITIONS), what="partitions")
    letter = Letter(report, home)
    letter.wait_for_commit()
    sleeper.process.send_signal(signal.SIGSTOP)
    letter.let_go(letter.COMMITS)
    heir = home.node("work").start()
    shop.wait_for(home.has(heir, PARTITIONS), what="its partitions to be another's")
    letter.is_there_twice()
    sleeper.process.send_signal(signal.SIGCONT)
    shop.wait_for(lambda: home.metric(sleeper, "worker_partitions") +
                  home.metric(heir, "worker_partitions") == PARTITIONS and
                  home.metric(sleeper, "worker_partitions") >= 1, what="it to be back")
    with shop.client() as client:
        for amount in (6, 7):
            queued = shop.queue(client, "/v1/transfers", {
                "from": letter.ann, "to": letter.bob, "amount": amount})
            report.equal("they go on", shop.outcome(queued["id"])["status"], "done")
    report.equal("each once", shop.balance(letter.bob), 18)
    report.equal("no more letters", len(KAFKA.read(letter.dead)), 2)
    home.stop()


def nothing_to_tell(report, home):
    """While nothing happens, nobody takes the events over from who publishes: a move of the
    position is itself in the feed, but nothing that anybody would be told."""
    shop, (_, other) = home.shop, home.nodes
    shop.wait_for(lambda: time.monotonic() > home.rests + 20, what="two leases to be over")
    report.equal("one published all the time",
                 home.sql("SELECT epoch FROM cursors WHERE kind = 0 AND slot = 0"), "1")
    with other.client(home.secret) as client:
        report.equal("something is told", client.post(
            "/v1/wallets", {"owner": "bob", "currency": "EUR", "kind": "customer"}).status, 201)
    found = KAFKA.read(home.settings["events_topic"], lambda records: len(records) >= 2)
    report.equal("once each", len(found), 2)
    home.stop()


def resting():
    """Two nodes that have told one thing, and have nothing more to tell."""
    home = house(events=True, work=False, commands=False)
    home.shop.open("ann")
    KAFKA.read(home.settings["events_topic"], lambda records: len(records) >= 1)
    home.node().start()  # one that finds a publisher there
    home.rests = time.monotonic()
    return home


def engine_fails(report):
    """The database fails on one command: halved until it stands alone, its slot stops, everybody
    else goes on, and a person sends it off."""
    home = house()
    shop = home.shop
    shop.wait_for(home.has(shop.server, PARTITIONS), what="partitions")
    payers = [shop.open(f"payer{i}", money=1000) for i in range(6)]
    till, cursed = shop.open("till", "merchant"), shop.open("cursed", "merchant")
    number = int(home.sql("SELECT count(*) FROM wallets"))
    report.equal("wallets", number, 8)
    home.sql("""CREATE FUNCTION curse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'a fault that a test makes'; END $$;
                CREATE TRIGGER curse BEFORE UPDATE ON wallets FOR EACH ROW
                WHEN (NEW.id = (%s)) EXECUTE FUNCTION curse()""" % f"id_bytes('{cursed}')")
    with shop.client() as client:
        before = [shop.queue(client, "/v1/transfers", {"from": p, "to": till, "amount": 1})["id"]
                  for p in payers]
        bad = shop.queue(client, "/v1/transfers", {"from": payers[0], "to": cursed, "amount": 1})
        after = [shop.queue(client, "/v1/transfers", {"from": p, "to": till, "amount": 2})["id"]
                 for p in payers]
    for operation in before + after[1:]:
        report.equal("others are done", shop.outcome(operation)["status"], "done")
    shop.wait_for(lambda: shop.metric("worker_stopped") == 1, what="its slot to stop")
    with shop.client() as client:
        report.equal("it waits", client.get(f"/v1/operations/{bad['id']}")["status"], "queued")
        report.equal("and what is behind it", client.get(f"/v1/operations/{after[0]}")["status"],
                     "queued")
    alarm = [line for line in shop.server.log().splitlines() if "ALARM: slot" in line]
    report.equal("one alarm", len(alarm), 1)
    place = alarm[0].split("record ")[1].split(":")[0].split("/")
    with shop.client() as client:
        stops = [(one["partition"], stop) for one in client.get("/v1/queue")["partitions"]
                 for stop in one.get("stopped", [])]
    report.equal("told over HTTP", [(str(partition), str(stop["record"]), stop["slot"])
                                    for partition, stop in stops],
                 [(place[0], place[1], shops.slot_of(payers[0]))])
    listed = home.operator("status")
    report.check("status", listed.returncode == 0 and "commands wait" in listed.stdout, listed)
    later = home.operator("skip", "--partition", place[0], "--record", str(int(place[1]) + 1),
                          "--reason", "a test")
    report.check("what is behind it is not to be skipped first",
                 later.returncode == 1, later)
    asked = home.operator("skip", "--partition", place[0], "--record", place[1], "--reason",
                          "a test", stdin="no\n")
    report.check("told before", "never carried out" in asked.stdout and
                 "Nothing was changed" in asked.stdout, asked)
    skipped = home.operator("skip", "--partition", place[0], "--record", place[1], "--reason",
                            "a test", stdin="yes\n")
    report.check("sent off", skipped.returncode == 0, skipped)
    ended = shop.outcome(bad["id"])
    report.equal("it ends as refused", ended["status"], "refused")
    report.equal("and what is behind it is done", shop.outcome(after[0])["status"], "done")
    shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
    letters = KAFKA.read(home.settings["dead_letter_topic"])
    report.equal("one letter", len(letters), 1)
    report.check("its reason", b"sent off by console:" in dict(letters[0].headers)["florin-reason"])
    with shop.client() as client:
        entries = client.list("/v1/audit?operation=cursor_reset")
        who = {entry["principal"] for entry in client.list("/v1/audit?limit=1000")
               if entry["operation"] == "cursor_reset"}
    report.check("in the audit", len(who) == 1 and who.pop().startswith("console:"), entries)
    report.equal("till", shop.balance(till), 6 * 3)
    home.stop()


def database_killed(report):
    """The database is killed under workers and load, twice: they wait in order, skip nothing, bury
    nothing, and go on."""
    home = house()
    shop = home.shop
    worker = home.node("work").start()
    shop.wait_for(home.has(worker, 2), what="half of the partitions")
    payers = [shop.open(f"payer{i}", money=1_000_000) for i in range(4)]
    till = shop.open("till", "merchant")
    load = Load(shop, payers, till, pause=0.01)
    for _ in range(2):
        load.more(30)
        POSTGRES.crash()
    load.more(30)
    settle(report, "the database killed", shop, payers, till, load)
    report.equal("nothing of it is dead", [home.metric(node, "worker_dead_letters_total")
                                           for node in (shop.server, worker)], [0, 0])
    home.stop()


class Locked:
    """A payer of whom somebody will have locked a row, one of another slot of his partition, and
    one of another partition."""
    ROWS = {"place": "cursors WHERE kind = 1 AND slot = {slot}",
            "wallet": "wallets WHERE id = id_bytes('{wallet}')"}

    def __init__(self, report, home):
        self.report, self.home, self.shop = report, home, home.shop
        self.opened = 0
        self.till = self.shop.open("till", "merchant")
        self.slow = self.shop.open("slow", money=100)
        self.beside = self.find(lambda partition: partition == self.partition(self.slow))
        self.far = self.find(lambda partition: partition != self.partition(self.slow))
        self.acknowledged = {self.slow: [], self.beside: [], self.far: []}

    @staticmethod
    def partition(wallet):
        return shops.partition_of(str(shops.slot_of(wallet)).encode(), PARTITIONS)

    def find(self, is_it):
        wallet = self.slow
        while shops.slot_of(wallet) == shops.slot_of(self.slow) or not is_it(
                self.partition(wallet)):
            self.opened += 1
            wallet = self.shop.open(f"payer-{self.opened}", money=100)
        return wallet

    def pay(self, payer):
        name = f"{payer[-8:]}-{len(self.acknowledged[payer])}"
        with self.shop.client() as client:
            queued = self.shop.queue(client, "/v1/transfers", {
                "from": payer, "to": self.till, "amount": 1, "reference": name}, key=name)
        self.report.equal("it is queued", queued.status, 202, queued)
        self.acknowledged[payer].append((name, payer, self.till, 1))
        return queued["id"]

    def lock(self, what):
        row = self.ROWS[what].format(slot=shops.slot_of(self.slow), wallet=self.slow)
        return Psql(POSTGRES, self.home.database,
                    f"SET LOCAL search_path = florin; SELECT 1 FROM {row} FOR UPDATE")

    def others_go_on(self, what):
        done = [self.shop.outcome(self.pay(payer), timeout=20)["status"]
                for _ in range(2) for payer in (self.beside, self.far)]
        self.report.equal(f"{what}: others go on", set(done), {"done"})

    def wait_for(self, worker, name, is_it):
        self.shop.wait_for(lambda: is_it(self.home.metric(worker, name)), 60, name)

    def waits(self, what, worker, operations):
        report = self.report
        self.wait_for(worker, "worker_slots_waiting", lambda slots: slots == 1)
        report.equal(f"{what}: nobody is to do anything", self.home.metric(
            worker, "worker_stopped"), 0)
        said = (f"Slot {shops.slot_of(self.slow)} in partition {self.partition(self.slow)} of "
                f"{self.home.settings['commands_topic']} waits: somebody has locked a row")
        report.check(f"{what}: the log says which", said in worker.log(), worker.log()[-1000:])
        with self.shop.client() as client:
            found = {client.get(f"/v1/operations/{operation}")["status"]
                     for operation in operations}
        report.equal(f"{what}: its commands wait", found, {"queued"})


def locked(report):
    """Somebody has locked the place of a slot, or a wallet, in psql: its commands wait, also for
    another worker, and all others go on; when it is free they are done, in their order, once."""
    home = house(work=False)
    shop, worker = home.shop, home.node("work").start()
    shop.wait_for(home.has(worker, PARTITIONS), what="all partitions")
    one = Locked(report, home)
    report.equal("done before", shop.outcome(one.pay(one.slow))["status"], "done")
    for what in one.ROWS:
        psql = one.lock(what)
        operations = [one.pay(one.slow) for _ in range(3)]
        one.wait_for(worker, "worker_lag", lambda lag: lag >= 3)
        one.others_go_on(what)
        one.waits(what, worker, operations)
        worker.kill()
        worker = home.node("work").start()
        shop.wait_for(home.has(worker, PARTITIONS), what="an heir's partitions")
        one.others_go_on(f"{what}, an heir")
        one.waits(f"{what}, an heir", worker, operations)
        psql.end()
        report.equal(f"{what}: done when it is free",
                     {shop.outcome(operation)["status"] for operation in operations}, {"done"})
        one.wait_for(worker, "worker_slots_waiting", lambda slots: slots == 0)
    wallets = [one.slow, one.beside, one.far]
    shops.check(report, "locked", shop, one.acknowledged, [*wallets, one.till],
                {**{wallet: 100 for wallet in wallets}, one.till: 0})
    report.equal("nothing of it is dead", home.metric(worker, "worker_dead_letters_total"), 0)
    report.equal("it leaves in order", worker.stop(), 0, worker.log()[-1000:])
    home.stop()


def begun_again(report):
    """A topic that was made anew stops its partitions; a person lets them begin again, without a
    restart."""
    home = house()
    shop, topic = home.shop, home.settings["commands_topic"]
    shop.wait_for(home.has(shop.server, PARTITIONS), what="partitions")
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
    shop.server.stop()
    admin = KAFKA.admin()
    admin.delete_topics([topic])
    admin.close()
    shop.wait_for(lambda: topic not in KAFKA.topics(), what="the topic to go")
    shop.server.start()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) >= 1, what="an alarm")
    status = home.operator("status")
    report.check("status", "does not fit" in status.stdout, status)
    for words in (("--partition", "all", "--to", "end"),
                  ("--partition", "0", "--to", "7", "--reason", "x"),
                  ("--partition", "9", "--to", "end", "--reason", "x")):
        report.equal(f"{words} is refused", home.operator("reset", *words).returncode, 2)
    done = home.operator("reset", "--partition", "all", "--to", "beginning", "--reason",
                         "made anew", "--yes")
    report.check("reset", done.returncode == 0 and "goes on at 0" in done.stdout, done)
    shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
    with shop.client() as client:
        second = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})
        report.equal("it goes on", shop.outcome(second["id"])["status"], "done")
    report.equal("once each", shop.balance(bob), 3)
    home.stop()


def main():
    report = Report("kafka nodes")
    quiet = resting()  # until the end
    lanes.side_by_side(report, [
        ("stopped and woken", stopped_and_woken),
        ("another publisher", another_publisher),
        ("commits late", commits_late, 1),
        ("commits late without the turn", commits_late, 0),
        ("moving partitions", moving_partitions),
        ("woken with a batch", woken_with_a_batch),
        ("killed behind a letter", killed_behind_a_letter),
        ("asleep behind a letter", asleep_behind_a_letter),
        ("begun again", begun_again),
        ("locked", locked),
        ("engine fails", engine_fails),
        ("from the other node", from_the_other_node),
    ], meanwhile=[("nothing to tell", nothing_to_tell, quiet)])
    lanes.in_turn(report, [("database killed", database_killed)])  # which is everybody's
    report.finish()


main()
