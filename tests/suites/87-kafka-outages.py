#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A broker, and what can happen to the line to it and to its disk; and at the same time another one
that is left in peace, and what can happen to its topics and to the books. After each an independent
checker compares what was acknowledged with the books: each command exactly once, in order per
payer, sums right."""

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]
sys.path.append(os.path.join(TESTS, "crash"))

import broker  # noqa: E402
import florin  # noqa: E402
import forgetful  # noqa: E402
import lanes  # noqa: E402
import line  # noqa: E402
import shop as shops  # noqa: E402
from load import Load, settle  # noqa: E402
from moody_disk import MoodyDisk, can_compile  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
DICE = random.Random(SEED)
PARTITIONS = 4
CALM = broker.Cluster()
CLUSTER = broker.Cluster()
BROKER = CLUSTER.brokers[0]
BROKER.advertised = broker.free_port()
LINE = line.Line(BROKER.advertised, BROKER.port)


def small_disk():
    """The broker's data on a file system of 48 MiB; False where that may not be mounted."""
    os.makedirs(BROKER.data, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", BROKER.data],
                          capture_output=True, check=False)
    return done.returncode == 0


IS_SMALL = small_disk()


def settings(**more):
    name = uuid.uuid4().hex[:8]
    return {"commands_topic": f"commands.{name}", "dead_letter_topic": f"dead.{name}",
            "group": name, "events": False, "request_deadline_ms": 20000,
            "session_timeout_ms": 3000, **more}


def world(cluster=CLUSTER, **more):
    chosen = settings(**more)
    shop = shops.Shop(cluster, BINARY, **chosen)
    shop.topic, shop.dead = chosen["commands_topic"], chosen["dead_letter_topic"]
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    return shop


def payers_of(shop):
    return [shop.open(f"payer{i}", money=1_000_000) for i in range(4)], \
        shop.open("till", "merchant")


def cuts(report):
    """The line is cut at moments of chance, falls silent, and is slow."""
    shop = world()
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    for _ in range(8):
        load.more(DICE.randrange(1, 12))
        LINE.cut()
    load.more(10)
    LINE.silent.set()
    time.sleep(3)
    LINE.silent.clear()
    load.more(10)
    LINE.open.clear()
    LINE.cut()
    shop.wait_for(lambda: load.busy > 0, what="refused writes")
    LINE.open.set()
    load.more(10)
    LINE.delay = 0.05
    load.more(10)
    LINE.delay = 0.0
    settle(report, "cuts", shop, payers, till, load)
    shop.server.stop()


def delivered_again(report):
    """Every record once more, and once more when all is done: nothing happens twice."""
    shop = world(CALM)
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    load.more(60)
    settle(report, "once", shop, payers, till, load)
    records = CALM.read(shop.topic)
    producer = CALM.producer()
    for _ in range(2):
        done = shop.metric("worker_commands_total")
        for record in records:
            producer.send(shop.topic, record.value, key=record.key, partition=record.partition,
                          headers=record.headers)
        producer.flush()
        shop.wait_for(lambda: shop.metric("worker_commands_total") >= done + len(records),
                      what="the repeats")
        shops.check(report, "delivered again", shop, load.acknowledged, payers + [till],
                    {**{payer: 1_000_000 for payer in payers}, till: 0})
    report.equal("no letters", shop.metric("worker_dead_letters_total"), 0)
    shop.server.stop()


def handed_over(report):
    """Before a write is handed over an outage is busy, afterwards it is unconfirmed; the direct
    route keeps the key, so that a late delivery doubles nothing."""
    shop = world(queue_writes=True, direct=True, request_deadline_ms=3000)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    body = {"from": ann, "to": bob, "amount": 7}
    with shop.client() as client:
        BROKER.freeze()
        late = client.post("/v1/transfers", body, key="late")
        report.equal("unconfirmed after it", (late.status, late.code), (504, "unconfirmed"))
        shop.wait_for(lambda: shop.metric("queue_broker_up") == 0, what="the outage to be seen")
        direct = client.post("/v1/transfers", body, key="late")
        report.equal("direct, with the same key", direct.status, 201, direct)
        report.equal("it is there", shop.balance(bob), 7)
        done = shop.metric("worker_commands_total")
        BROKER.freeze(False)
        shop.wait_for(lambda: shop.metric("worker_commands_total") > done, what="the late one")
        told = client.get(late.headers["location"], headers={"Prefer": "wait=20"})
        report.equal("the late one is the same", told["result"]["id"], direct["id"])
    report.equal("once", shop.balance(bob), 7)
    shop.server.config["kafka"]["direct"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    LINE.open.clear()
    LINE.cut()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 0, what="the outage to be seen")
    with shop.client() as client:
        refused = client.post("/v1/transfers", body, key="busy")
        report.equal("busy before it", (refused.status, refused.code), (503, "busy"))
    LINE.open.set()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    with shop.client() as client:
        paid = client.post("/v1/transfers", body, key="busy")
    report.check("a retry is done", paid.status in (201, 202), paid)
    shop.wait_for(lambda: shop.balance(bob) == 14, what="the retry")
    shop.server.stop()


def answers_lost(report):
    """What reached the broker whose answer is lost is unconfirmed at the deadline, neither busy nor
    202, alone and in a batch, whether its caller waits for the outcome or not; a retry is the same
    operation; and each is done once, by the record that is there once."""
    shop = world(queue_writes=True, request_deadline_ms=3000)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")

    def tries():
        """Each writer, with a connection of its own: all at once, before the outage is known."""
        body = {"from": ann, "to": bob}
        batch = [{"type": "transfer", "idempotency_key": f"lost-b{number}", "amount": 1, **body}
                 for number in range(20)]
        waits, leaves = {}, {"Prefer": "respond-async"}
        return [("/v1/transfers", {**body, "amount": 100}, "lost-1", waits),
                ("/v1/transfers", {**body, "amount": 200}, "lost-2", leaves),
                ("/v1/batches", {"operations": batch}, None, waits),
                ("/v1/batches", {"operations": [{**one, "idempotency_key": one[
                    "idempotency_key"] + "-later"} for one in batch]}, None, leaves)]
    answers = {}

    def ask(path, body, key, headers):
        with shop.client() as client:
            answers[path + str(headers)] = client.post(path, body, key=key, headers=headers)

    def all_at_once():
        answers.clear()
        threads = [threading.Thread(target=ask, args=one) for one in tries()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return dict(answers)

    def places(answer):
        if "results" not in answer.json:
            return [answer["id"]]
        return [one["id"] for one in answer["results"]]
    LINE.deaf.set()
    lost = all_at_once()
    report.equal("unconfirmed, all of them", {name: answer.code for name, answer in lost.items()},
                 {name: "unconfirmed" for name in lost})
    told = {name: answer.headers["location"].rpartition("/")[2] for name, answer in lost.items()
            if "location" in answer.headers}
    report.equal("each alone has its place", len(set(told.values())), 2)
    LINE.deaf.clear()
    LINE.cut()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    report.equal("they are done", {shop.outcome(place, 60.0)["status"]
                                   for place in told.values()}, {"done"})
    shop.wait_for(lambda: shop.balance(bob) == 340, what="all of them")
    again = all_at_once()
    for name, answer in again.items():
        report.check(f"{name}: a retry is answered", answer.status in (200, 201, 202), answer)
        if answer.status == 202 and name in told:
            report.equal(f"{name}: with the same place", places(answer), [told[name]])
    shop.wait_for(lambda: shop.metric("worker_lag") == 0, what="the retries")
    report.equal("once still", shop.balance(bob), 340)
    keys = [json.loads(record.value)["idempotency_key"] for record in CLUSTER.read(shop.topic)]
    report.equal("each was written once, and once more by the retry", sorted(
        key for key in keys if key.startswith("lost-")), sorted(
        [f"lost-{number}" for number in (1, 2)] * 2 + [
            f"lost-b{number}{end}" for number in range(20) for end in ("", "-later")] * 2))
    shop.server.stop()


def killed_unconfirmed(report):
    """Half of a batch reaches the broker, and a write does not, before the node is killed. What was
    told as queued is done; what was told as unconfirmed is gone, nobody has been promised it, and
    its retry is done once."""
    shop = world(request_deadline_ms=2000)
    ann, bea = shop.open_in_each(PARTITIONS, 1000)[:2]
    bob = shop.open("bob")
    batch = {"operations": [{"type": "transfer", "idempotency_key": f"half-{number}", "amount": 1,
                             "from": payer, "to": bob}
                            for number, payer in enumerate((ann, bea, ann, bea))]}
    alone = {"from": bea, "to": bob, "amount": 100}
    later = {"Prefer": "respond-async"}
    half = write = None

    def send_batch():
        nonlocal half
        with shop.client() as client:
            half = client.post("/v1/batches", batch, headers=later)

    def send_write():
        nonlocal write
        with shop.client() as client:
            write = shop.queue(client, "/v1/transfers", alone, key="alone")
    LINE.unheard = {bea.encode()}
    threads = [threading.Thread(target=one) for one in (send_batch, send_write)]
    for thread in threads:  # both at once, before the outage is known
        thread.start()
    for thread in threads:
        thread.join()
    report.equal("one half is queued", (half.status, [
        one.get("code") or one.get("status") for one in half.get("results", [])]),
        (202, ["queued", "unconfirmed"] * 2), half)
    report.equal("a write is not", (write.status, write.code), (504, "unconfirmed"), write)
    place = write.headers.get("location", "")
    report.check("it says what to do", "same Idempotency-Key" in write.get("detail", "") and
                 place.startswith("/v1/operations/") and place in write["detail"], write)
    shop.server.kill()
    LINE.cut()
    LINE.unheard = set()
    shop.server.start()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    report.equal("what was queued is done", [shop.outcome(one["id"])["status"] for one in
                                             half["results"] if "id" in one], ["done"] * 2)
    report.equal("the rest is not", shop.balance(bea), 1000)
    with shop.client() as client:
        again = shop.queue(client, "/v1/transfers", alone, key="alone")
        report.equal("a retry is the same", (again.status, again.headers.get("location")),
                     (202, place), again)
        whole = client.post("/v1/batches", batch, headers=later)
        report.equal("so is the batch", whole.status, 202, whole)
    report.equal("all are done", {shop.outcome(one)["status"] for one in (
        again["id"], *(one["id"] for one in whole["results"]))}, {"done"})
    report.equal("once each", [shop.balance(wallet) for wallet in (ann, bea, bob)],
                 [998, 898, 104])
    shop.server.stop()


def shorter_than_the_lag(report):
    """Retention takes commands that nobody has carried out: the partition stops, until a person
    decides."""
    shop = world(CALM)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    with shop.client() as client:
        for number in range(10):
            queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
            report.check("queued", queued.status == 202, queued)
    CALM.change_topic(shop.topic, retention_ms=1)
    shop.wait_for(lambda: not CALM.read(shop.topic, timeout=5), what="the log to be empty")
    CALM.change_topic(shop.topic, retention_ms=3_600_000)
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) >= 1, what="an alarm")
    report.check("it says why", "records are lost" in shop.server.log(), shop.server.log()[-900:])
    report.equal("nothing moved", shop.balance(bob), 0)
    with shop.client() as client:
        direct = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("direct writes go on", direct.status, 201)
    shop.server.stop()
    decided = shop.server.command_line(
        "queue", "reset", "--partition", "all", "--to", "end", "--reason", "lost to retention",
        "--yes", "--data", shop.server.data, "--config",
        os.path.join(shop.server.home, "config.json"))
    report.equal("decided", decided.returncode, 0, decided)
    shop.server.start()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    with shop.client() as client:
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 5})
    report.equal("the queue goes on", shop.outcome(queued["id"])["status"], "done")
    report.equal("balance", shop.balance(bob), 6)
    shop.server.stop()


def unsafe_topics(report):
    """What a topic must not be like: no command is carried out, no event told, nothing queued where
    it might be lost, and the log says why."""
    compact = {"cleanup_policy": "compact"}
    losing = ("cleanup.policy", "unclean", "min.insync", "replicas, fewer")
    for said, kind, topic, more in (
            ("max.message.bytes to 131072", "commands", {"max_message_bytes": 131071}, {}),
            ("max.message.bytes to 131072", "events", {"max_message_bytes": 131071},
             {"events": True}),
            ("max.message.bytes to", "dead_letter", {"max_message_bytes": 1048588}, {}),
            ("cleanup.policy=delete", "commands", compact, {}),
            ("cleanup.policy=delete", "dead_letter", compact, {}),
            ("cleanup.policy=delete", "events", compact, {"events": True}),
            ("unclean.leader.election.enable=false", "commands",
             {"unclean_leader_election_enable": "true"}, {}),
            ("longer than idempotency keys", "commands", {"retention_ms": 40 * 86_400_000},
             {"idempotency_days": 30}),
            ("longer than idempotency keys", "commands", {"retention_ms": -1}, {}),
            ("8 partitions, but 4", "commands", {"partitions": 8}, {}),
            ("min.insync.replicas=1, less than", "commands", {}, {"min_insync": 2}),
            ("1 replicas, fewer", "commands", {}, {"replicas": 3})):
        chosen = settings(**more)
        name = chosen.setdefault(f"{kind}_topic", f"{kind}.{uuid.uuid4().hex[:8]}")
        kept = {"retention_ms": 3_600_000, **topic}
        CALM.make_topic(name, kept.pop("partitions", PARTITIONS), **kept)
        shop = shops.Shop(CALM, BINARY, **chosen)
        first = "Events wait" if kind == "events" else "ALARM: No command is carried out"
        shop.wait_for(lambda: re.search(f"{first}.*{re.escape(said)}",  # pylint: disable=W0640
                                        shop.server.log()), what=said)
        if kind == "events":
            report.check(f"{said}: events wait", f"Events wait: The topic {name}" in
                         shop.server.log(), shop.server.log())
            report.equal(f"{said}: nobody publishes", shop.metric("events_publishing"), 0)
        else:
            report.equal(f"{said}: no partition is taken", shop.metric("worker_partitions"), 0)
        if kind == "commands" and any(word in said for word in losing):
            shop.wait_for(lambda: shop.metric("queue_broker_up") == 0,  # pylint: disable=W0640
                          what="the door to see it")
            with shop.client() as client:
                refused = shop.queue(client, "/v1/wallets", {"owner": "ann", "currency": "EUR"})
            report.check(f"{said}: nothing is queued", refused.code == "busy" and
                         "might lose" in refused["detail"], refused)
        shop.server.stop()


def cured_by_time(report):
    """A partition whose log cannot be held against the books now is tried again by itself, with an
    alarm until it goes on."""
    shop = world()
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    load.more(20)
    settle(report, "before", shop, payers, till, load)
    fetch, offsets = 1, 2
    done, before = 0, shop.balance(till)
    for said, number in (("where its log begins", offsets), ("cannot be read to compare", fetch)):
        shop.server.stop()
        LINE.swallowed = {number}
        shop.server.start()
        shop.wait_for(lambda: said in shop.server.log(), what=said)  # pylint: disable=W0640
        shop.wait_for(lambda: shop.metric("worker_stopped") >= 1, what="an alarm")
        with shop.client() as client:
            body = {"from": payers[0], "to": till, "amount": 1}
            queued = shop.queue(client, "/v1/transfers", body)
            report.equal("queued meanwhile", queued.status, 202, queued)
            report.equal("it waits", client.get(queued.headers["location"])["status"], "queued")
        LINE.swallowed = set()
        LINE.cut()  # nobody waits for an answer to what was swallowed
        shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
        done += 1
        report.equal("it goes on", shop.outcome(queued["id"])["status"], "done")
    report.equal("once each", shop.balance(till), before + done)
    shop.server.stop()


def cut_before_the_letter(report):
    """The line to the broker is cut before it has the dead letter, and the worker killed: the place
    has not passed the record, and what is behind it is done once the letter is there."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    shop.server.stop()
    producer, text = CLUSTER.producer(), str(shops.slot_of(ann)).encode()
    partition = shops.partition_of(text, PARTITIONS)
    for name, amount in (("bad", -5), ("good", 7)):
        value = shops.payment(ann, bob, amount, name)
        producer.send(shop.topic, value, key=text, partition=partition,
                      headers=shops.headers_of(service["secret"], service["id"], text, value,
                                               shop.topic)).get(30)
    producer.close()
    produce = 0
    LINE.swallowed = {produce}
    for restart in (False, True):
        if restart:
            shop.server.kill()
        before = shop.server.log().count("Dead letter ")
        shop.server.start()
        shop.wait_for(lambda: shop.server.log().count("Dead letter ") >  # pylint: disable=W0640
                      before, what="the letter to be sent")  # pylint: disable=W0640
        LINE.cut()
        with shop.client() as client:
            places = {one["partition"]: one for one in client.get("/v1/queue")["partitions"]}
        report.equal("the place stands before it", places[partition]["last"], 0, places)
        report.equal("and nothing behind it is done", shop.balance(bob), 0)
    report.equal("there is no letter", CLUSTER.read(shop.dead), [])
    LINE.swallowed = set()
    LINE.cut()
    shop.wait_for(lambda: shop.balance(bob) == 7, what="what is behind it")
    report.check("there is the letter", {letter.value for letter in CLUSTER.read(shop.dead)} ==
                 {shops.payment(ann, bob, -5, "bad")})
    shop.server.stop()


def more_partitions(report):
    """Somebody adds partitions while workers run: they stop and say how to go on; what the door
    queues stays where it belongs."""
    shop = world(CALM)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
        CALM.add_partitions(shop.topic, PARTITIONS * 2)
        shop.wait_for(lambda: shop.metric("worker_stopped") >= PARTITIONS, what="alarms")
        said = "has 8 partitions, but 4 are configured"
        report.check("it says why", said in shop.server.log(), shop.server.log()[-900:])
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})
        report.equal("queued", queued.status, 202)
    found = CALM.read(shop.topic, lambda records: len(records) >= 2)
    report.equal("all in the partition that was agreed on",
                 {record.partition for record in found},
                 {shops.partition_of(str(shops.slot_of(ann)).encode(), PARTITIONS)})
    report.equal("not carried out", shop.balance(bob), 1)
    shop.server.restart()
    shop.wait_for(lambda: said in shop.server.log().rpartition("listening")[2],
                  what="the same at the next start")
    report.equal("no letters", CALM.read(f"dead.{shop.topic.rpartition('.')[2]}"), [])
    shop.server.stop()


def partitions_changed(report):
    """The way to another number of partitions that docs/kafka.md tells: drained, stopped, changed,
    started, and told to go on at the end. Nothing is done twice, and all that comes is done."""
    shop = world(CALM)
    ann, bob = shop.open("ann", money=1000), shop.open("bob", money=1000)
    with shop.client() as client:
        for number in range(20):
            payer, payee = (ann, bob) if number % 2 else (bob, ann)
            queued = shop.queue(client, "/v1/transfers", {"from": payer, "to": payee, "amount": 1},
                                key=f"before{number}")
        report.equal("done", shop.outcome(queued["id"])["status"], "done")
        shop.wait_for(lambda: all(one.get("waiting") == 0 for one in
                                  client.get("/v1/queue")["partitions"]), what="nothing to wait")
    shop.server.stop()
    CALM.add_partitions(shop.topic, 7)
    shop.server.config["kafka"]["partitions"] = 7
    shop.server.start()
    shop.wait_for(lambda: shop.metric("worker_stopped") == 7, what="alarms")
    with shop.client() as client:
        for one in client.get("/v1/queue")["partitions"]:
            report.check("it says why", "number of partitions" in one["state"] and
                         "stopped" in one, one)
            moved = client.post(f"/v1/queue/{one['id']}/reset",
                                {"to": "end", "reason": "seven partitions"})
            report.equal("goes on at the end", (moved.status, moved.get("next")),
                         (200, one["log_ends"]), moved)
        shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
        for owner in range(20):  # in all partitions
            payee = shop.open(f"payee{owner}")
            paid = shop.queue(client, "/v1/transfers", {"from": ann, "to": payee, "amount": 3})
            back = shop.queue(client, "/v1/deposits", {"wallet": payee, "amount": 5,
                                                       "bank_transaction_id": f"P{owner}"})
            report.equal("done", [shop.outcome(one["id"])["status"] for one in (paid, back)],
                         ["done"] * 2)
            report.equal("once", shop.balance(payee), 8)
    report.equal("nothing twice", (shop.balance(ann), shop.balance(bob)), (1000 - 60, 1000))
    shop.server.stop()


def another_cluster(report):
    """A cluster that is not the one whose places the books keep has the same topic."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
    shop.server.config["kafka"]["brokers"] = CALM.line
    shop.server.restart()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) == PARTITIONS, what="alarms")
    report.check("it says why", "from another cluster" in shop.server.log(),
                 shop.server.log()[-900:])
    with shop.client() as client:
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})
        report.equal("queued", queued.status, 202)
        time.sleep(1)
        report.equal("not carried out", shop.balance(bob), 1)
    shop.server.config["kafka"]["brokers"] = CLUSTER.line
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    report.equal("the right one goes on", shop.metric("worker_stopped"), 0)
    shop.server.stop()


def other_records(report):
    """A topic that was made anew and is as long as the old one, with other records in it."""
    shop = world(CALM)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        for number in range(5):
            queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(queued["id"])["status"], "done")
    shop.server.stop()
    records = CALM.read(shop.topic)
    admin = CALM.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    shop.wait_for(lambda: shop.topic not in CALM.topics(), what="the topic to go")
    CALM.make_topic(shop.topic, PARTITIONS, retention_ms=3_600_000)
    producer = CALM.producer()
    for number, record in enumerate(records):  # only the last one is another
        value = record.value if number + 1 < len(records) else record.value[:-1] + b" }"
        producer.send(shop.topic, value, key=record.key, partition=record.partition,
                      headers=record.headers)
    producer.flush()
    shop.server.start()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) >= 1, what="an alarm")
    report.check("it says why", "is not the one that was carried out" in shop.server.log(),
                 shop.server.log()[-900:])
    report.equal("nothing moved", shop.balance(bob), 5)
    shop.server.stop()


def left_to_nobody(report):
    """A group that rests while its partitions are nobody's is made to share them out again."""
    chosen = settings()
    CALM.make_topic(chosen["commands_topic"], PARTITIONS, retention_ms=3_600_000)
    leader = forgetful.Leader(CALM, chosen["commands_topic"], chosen["group"], PARTITIONS)
    report.check("somebody else leads", leader.leads.wait(60))
    shop = shops.Shop(CALM, BINARY, **chosen)
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    report.check("it says so", "0 of the 4 partitions" in shop.server.log(),
                 shop.server.log()[-900:])
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    with shop.client() as client:
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 7})
    report.equal("commands are carried out", shop.outcome(queued["id"])["status"], "done")
    leader.close()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions alone")
    report.equal("ends", shop.server.stop(), 0)


def full_disk(report):
    """The broker's disk fills up under load: writes refuse, and resume when there is room."""
    if not IS_SMALL:
        print("kafka outages: a small disk cannot be mounted here; the full disk is left out")
        return
    shop = world()
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    load.more(20)
    filler = os.path.join(BROKER.data, "filler")
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True,
                   check=False)
    load.busy = 0
    shop.wait_for(lambda: load.busy > 0, timeout=90, what="refused writes")
    os.unlink(filler)
    BROKER.kill()  # it has given its folder up, and most often itself
    BROKER.launch()
    BROKER.wait()
    load.more(20)
    settle(report, "full disk", shop, payers, till, load)
    shop.server.stop()


def full_books(report):
    """The disk of the books is full: what is queued waits in its order, nothing is buried or
    skipped, the worker goes on polling, and all is done when there is room."""
    if not can_compile():
        print("kafka outages: there is no C compiler; full books are left out")
        return
    # Who is not heard of for ten times its session is put out of the group: it waits for longer.
    disk, chosen = MoodyDisk(), settings(session_timeout_ms=1000)
    shop = shops.Shop(CALM, BINARY, server=disk.server(BINARY, shops.config(CALM, **chosen)))
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    payers, till = payers_of(shop)
    acknowledged = {payer: [] for payer in payers}
    disk.set("full")
    try:
        with shop.client(60.0) as client:
            batch = {"operations": [{"type": "transfer", "from": payers[0], "to": payers[1],
                                     "amount": 1}, {"type": "transfer", "from": payers[1],
                                                    "to": payers[0], "amount": 1}] * 2000}

            def is_full():
                answer = client.post("/v1/batches", batch)
                return answer.status == 507 or "storage_full" in answer.body.decode()
            shop.wait_for(is_full, what="full books")
            before = shop.metric("worker_commands_total")
            for number in range(40):
                payer = payers[number % len(payers)]
                answer = shop.queue(client, "/v1/transfers", {
                    "from": payer, "to": till, "amount": 1, "reference": f"f{number}"})
                report.equal("queued all the same", answer.status, 202, answer)
                acknowledged[payer].append((f"f{number}", payer, till, 1))
            told = client.get(f"/v1/operations/{answer['id']}", headers={"Prefer": "wait=14"})
            report.equal("it waits", told["status"], "queued")
            report.check("what waits is told", shop.metric("worker_lag") >= 40 and
                         shop.metric("worker_oldest_seconds") >= 10,
                         [shop.metric(f"worker_{name}") for name in ("lag", "oldest_seconds")])
            report.equal("the partitions are still its own", (
                shop.metric("worker_partitions"), shop.server.log().count("maximum poll")),
                (PARTITIONS, 0))
            report.equal("nothing is passed", (
                shop.metric("worker_commands_total"), shop.metric("worker_dead_letters_total"),
                shop.metric("worker_stopped")), (before, 0, 0))
    finally:
        disk.set(None)
    report.equal("done when there is room", shop.outcome(answer["id"], 60.0)["status"], "done")
    shop.wait_for(lambda: shop.balance(till) == 40, what="all of it")
    for payer in payers:
        references = [order[0] for order in acknowledged[payer]]
        booked = [t["reference"] for t in reversed(shop.recent(payer)) if "reference" in t]
        report.equal("each once, in order", booked, references)
    report.equal("no letters", shop.metric("worker_dead_letters_total"), 0)
    shop.server.stop()


def topic_made_anew(report):
    """A topic that is made anew by the worker itself, as empty as it can be."""
    shop = world(CALM)
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    load.more(20)
    settle(report, "before", shop, payers, till, load)
    before = shop.balance(till)
    shop.server.stop()
    admin = CALM.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    shop.wait_for(lambda: shop.topic not in CALM.topics(), what="the topic to go")
    shop.server.start()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) > 0, what="an alarm")
    report.check("alarm", "ALARM" in shop.server.log(), shop.server.log()[-500:])
    report.equal("nothing moved", shop.balance(till), before)
    shop.server.stop()


def main():
    broker.start_together(CALM, CLUSTER)
    report = Report("kafka outages")
    print(f"kafka outages: seed {SEED}", flush=True)
    lanes.side_by_side(report, [
        ("unsafe topics", unsafe_topics),
        ("more partitions", more_partitions),
        ("partitions changed", partitions_changed),
        ("left to nobody", left_to_nobody),
        ("full books", full_books),
        ("shorter than the lag", shorter_than_the_lag),
        ("delivered again", delivered_again),
        ("topic made anew", topic_made_anew),
        ("other records", other_records),
    ], meanwhile=[
        ("cuts", cuts),
        ("handed over", handed_over),
        ("answers lost", answers_lost),
        ("killed unconfirmed", killed_unconfirmed),
        ("cured by time", cured_by_time),
        ("cut before the letter", cut_before_the_letter),
        ("another cluster", another_cluster),
        ("full disk", full_disk),
    ], lanes=2)
    CLUSTER.kill()
    if IS_SMALL:
        subprocess.run(["umount", "-l", BROKER.data], check=False)
    report.finish()


main()
