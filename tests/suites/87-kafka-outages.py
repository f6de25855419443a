#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One broker, and what can happen to the line to it, to its disk and to its topics. After each an
independent checker compares what was acknowledged with the books: each command exactly once, in
order per payer, sums right."""

import os
import random
import subprocess
import sys
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402
import forgetful  # noqa: E402
import line  # noqa: E402
import shop as shops  # noqa: E402
from load import Load, settle  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
DICE = random.Random(SEED)
PARTITIONS = 4
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
            "group": name, "events": False, "request_deadline_ms": 20000, **more}


def world(**more):
    chosen = settings(**more)
    shop = shops.Shop(CLUSTER, BINARY, **chosen)
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
    shop = world()
    payers, till = payers_of(shop)
    load = Load(shop, payers, till)
    load.more(60)
    settle(report, "once", shop, payers, till, load)
    records = CLUSTER.read(shop.topic)
    producer = CLUSTER.producer()
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
    """Before a write is handed over an outage is busy, afterwards it is 202; the direct route keeps
    the key, so that a late delivery doubles nothing."""
    shop = world(queue_writes=True, direct=True, request_deadline_ms=3000)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    body = {"from": ann, "to": bob, "amount": 7}
    with shop.client() as client:
        BROKER.freeze()
        late = client.post("/v1/transfers", body, key="late")
        report.equal("202 after it", late.status, 202, late)
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


def shorter_than_the_lag(report):
    """Retention takes commands that nobody has carried out: the partition stops, until a person
    decides."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    with shop.client() as client:
        for number in range(10):
            queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
            report.check("queued", queued.status == 202, queued)
    CLUSTER.change_topic(shop.topic, retention_ms=1)
    shop.wait_for(lambda: not CLUSTER.read(shop.topic, timeout=5), what="the log to be empty")
    CLUSTER.change_topic(shop.topic, retention_ms=3_600_000)
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
    """What a topic must not be like: no command is carried out, no event told, and the log says
    why."""
    compact = {"cleanup_policy": "compact"}
    for said, kind, topic, more in (
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
        CLUSTER.make_topic(name, kept.pop("partitions", PARTITIONS), **kept)
        shop = shops.Shop(CLUSTER, BINARY, **chosen)
        shop.wait_for(lambda: said in shop.server.log(), what=said)  # pylint: disable=W0640
        if kind == "events":
            report.check(f"{said}: events wait", f"Events wait: The topic {name}" in
                         shop.server.log(), shop.server.log())
            report.equal(f"{said}: nobody publishes", shop.metric("events_publishing"), 0)
        else:
            report.check(f"{said}: an alarm",
                         "ALARM: No command is carried out" in shop.server.log())
            report.equal(f"{said}: no partition is taken", shop.metric("worker_partitions"), 0)
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
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
        CLUSTER.add_partitions(shop.topic, PARTITIONS * 2)
        shop.wait_for(lambda: shop.metric("worker_stopped") >= PARTITIONS, what="alarms")
        said = "has 8 partitions, but 4 are configured"
        report.check("it says why", said in shop.server.log(), shop.server.log()[-900:])
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})
        report.equal("queued", queued.status, 202)
    found = CLUSTER.read(shop.topic, lambda records: len(records) >= 2)
    report.equal("all in the partition that was agreed on",
                 {record.partition for record in found},
                 {shops.partition_of(str(shops.slot_of(ann)).encode(), PARTITIONS)})
    report.equal("not carried out", shop.balance(bob), 1)
    shop.server.restart()
    shop.wait_for(lambda: said in shop.server.log().rpartition("listening")[2],
                  what="the same at the next start")
    report.equal("no letters", CLUSTER.read(f"dead.{shop.topic.rpartition('.')[2]}"), [])
    shop.server.stop()


def another_cluster(report):
    """A cluster that is not the one whose places the books keep has the same topic."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
    other = broker.Cluster().start()
    shop.server.config["kafka"]["brokers"] = other.line
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
    other.kill()
    shop.server.stop()


def other_records(report):
    """A topic that was made anew and is as long as the old one, with other records in it."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        for number in range(5):
            queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(queued["id"])["status"], "done")
    shop.server.stop()
    records = CLUSTER.read(shop.topic)
    admin = CLUSTER.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    shop.wait_for(lambda: shop.topic not in CLUSTER.topics(), what="the topic to go")
    CLUSTER.make_topic(shop.topic, PARTITIONS, retention_ms=3_600_000)
    producer = CLUSTER.producer()
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
    CLUSTER.make_topic(chosen["commands_topic"], PARTITIONS, retention_ms=3_600_000)
    leader = forgetful.Leader(CLUSTER, chosen["commands_topic"], chosen["group"], PARTITIONS)
    report.check("somebody else leads", leader.leads.wait(60))
    shop = shops.Shop(CLUSTER, BINARY, **chosen)
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


def main():
    CLUSTER.start()
    report = Report("kafka outages")
    print(f"kafka outages: seed {SEED}", flush=True)
    report.run("cuts", cuts)
    report.run("delivered again", delivered_again)
    report.run("handed over", handed_over)
    report.run("shorter than the lag", shorter_than_the_lag)
    report.run("unsafe topics", unsafe_topics)
    report.run("cured by time", cured_by_time)
    report.run("cut before the letter", cut_before_the_letter)
    report.run("more partitions", more_partitions)
    report.run("another cluster", another_cluster)
    report.run("other records", other_records)
    report.run("left to nobody", left_to_nobody)
    report.run("full disk", full_disk)
    CLUSTER.kill()
    if IS_SMALL:
        subprocess.run(["umount", "-l", BROKER.data], check=False)
    report.finish()


main()
