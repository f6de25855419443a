#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Events through a real broker: every change of every wallet once in order, also when the broker is
away, the server is killed, or both."""

import json
import os
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in (
    "lib", "kafka", "roles", "rules", "story", "crash")]

import broker  # noqa: E402
import florin  # noqa: E402
import payments  # noqa: E402
import rules  # noqa: E402
import schema  # noqa: E402
from forge import Forger  # noqa: E402
from report import Report  # noqa: E402

florin.filter_calls()
BINARY = florin.binary()
CLUSTER = broker.Cluster().start()
TOPIC = "florin.events"


def config(**more):
    return {"kafka": {"brokers": CLUSTER.line, "replicas": 1, "min_insync": 1, "partitions": 4,
                      "commands": False, "work": False, **more}}


class World(payments.Payments):
    """A server, two wallets, and how many changes each has seen."""
    def __init__(self, settings=None, **more):
        super().__init__(florin.Server(BINARY, config={**config(**more), **(settings or {})}))
        self.begin()


def events_of(versions, topic=TOPIC, timeout=60.0):
    """Events per wallet, once all versions are there."""
    def enough(records):
        last = {}
        for record in records:
            key = record.key.decode()
            last[key] = max(last.get(key, 0), int(json.loads(record.value)["sequence"]))
        return all(last.get(wallet, 0) >= version for wallet, version in versions.items())
    found = {}
    for record in CLUSTER.read(topic, enough, timeout):
        found.setdefault(record.key.decode(), []).append(record)
    return found


def check_dense(report, name, versions, found, repeats=False):
    for wallet, version in versions.items():
        sequences = [int(json.loads(record.value)["sequence"]) for record in found.get(wallet, [])]
        first_seen = list(dict.fromkeys(sequences))
        report.equal(f"{name}: versions in order", first_seen, list(range(1, version + 1)))
        report.equal(f"{name}: one partition", len({r.partition for r in found.get(wallet, [])}),
                     1)
        if not repeats:
            report.equal(f"{name}: no repeats", len(sequences), version)


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traces(report):
    """What came with a well-formed trace context tells its events where they belong; what came
    with another one does not."""
    world = World(events_topic="florin.traces")
    given = [({"traceparent": PARENT, "tracestate": "a=1, b@c=2"},
              [("traceparent", PARENT), ("tracestate", "a=1, b@c=2")]),
             ({"traceparent": PARENT, "tracestate": "A=1"}, [("traceparent", PARENT)]),
             ({"traceparent": PARENT.upper()}, []), ({"tracestate": "a=1"}, []),
             ({"traceparent": PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)}, []),
             ({"traceparent": "cc" + PARENT[2:] + "-later"}, [("traceparent", "cc" + PARENT[2:])])]
    with world.server.client(world.key) as client:
        for number, (headers, _) in enumerate(given):
            answer = client.post("/v1/deposits", {
                "wallet": world.payer, "amount": 1, "bank_transaction_id": f"T{number}"},
                                 headers=headers)
            report.equal(f"traces: {number} is carried out", answer.status, 201, answer)
            world.touched(world.payer)
    found = events_of(world.versions, "florin.traces")[world.payer][1:]
    for number, (record, (_, expected)) in enumerate(zip(found, given)):
        seen = [(name, value.decode()) for name, value in record.headers
                if name.startswith("trace")]
        report.equal(f"traces: the headers of event {number}", seen, expected)
    report.equal("traces: an event for each", len(found), len(given))
    world.server.stop()


def every_kind(report):
    world = World()
    world.deposit(1000)
    purchase, other = world.of_each_kind()
    short = world.post("/v1/holds", {"wallet": world.payer, "merchant": world.shop, "amount": 5,
                                     "expires_in": 1})
    world.touched(world.payer, world.payer)  # opened, and expired soon
    with world.server.client(world.key) as client:
        client.patch(f"/v1/wallets/{other}", {"status": "frozen"})
        refused = client.post("/v1/transfers", {"from": other, "to": world.payer, "amount": 1})
    world.touched(other)
    report.equal("refused", refused.code, "wallet_frozen")
    found = events_of(world.versions)
    check_dense(report, "every kind", world.versions, found)
    kinds = set()
    with open(os.path.join(TESTS, "..", "docs", "schemas", "event.json"), encoding="utf-8") as file:
        wanted = json.load(file)
    for wallet, records in found.items():
        for record in records:
            event = json.loads(record.value)
            kinds.add(event["type"].removeprefix("florin."))
            report.equal("subject", event["subject"], wallet)
            report.equal("key", event["partitionkey"], wallet)
            report.equal("version", event["data"]["version"], int(event["sequence"]))
            wrong = schema.Description(wanted).misfit(wanted, event)
            report.equal("schema", wrong, [])
    report.equal("kinds", kinds, {
        "wallet.opened", "wallet.changed", "transaction.deposit", "transaction.purchase",
        "transaction.refund", "transaction.transfer", "hold.opened", "hold.voided", "hold.expired",
        "withdrawal.requested", "withdrawal.failed"})
    both = [json.loads(record.value) for records in found.values() for record in records]
    sides = [event for event in both if event["data"].get("transaction", {}).get("id") == purchase]
    report.equal("a purchase is told twice", len(sides), 2)
    report.check("short hold", short["id"].startswith("hold_"))
    with world.server.client(world.key) as client:
        metrics = client.get("/metrics").body.decode()
    report.check("metrics", "florin_events_publishing 1" in metrics, metrics)
    world.server.stop()


# Another suite runs this one with books elsewhere.
damage_of_engine = globals().get("damage_of_engine") or (
    lambda server: Forger(server.data).damage_number(90210))


def findings(report):
    """What rules find, what becomes of it, and that the books differ: who listens hears of it."""
    settings = rules.config([
        rules.rule("noted", amount=100, operations=["transfer"], currencies=["EUR"]),
        rules.rule("large", "hold", amount=500, operations=["transfer"], currencies=["EUR"],
                   score=90)])
    world = World(dict(settings, alarm_stops_payments=1, recount_mib_per_s=0),
                  events_topic="florin.findings")
    world.deposit(90210)
    other = world.open("bob", "customer")

    def told_of(word):
        return CLUSTER.read("florin.findings", lambda records: any(
            word in record.value for record in records), 60.0)

    with world.server.client(world.server.key("service")["secret"]) as service, \
            world.server.client(world.key) as admin:
        def pay(amount):
            return service.post("/v1/transfers", {"from": world.payer, "to": other,
                                                  "amount": amount})["id"]

        pay(100)
        noted = admin.get(f"/v1/anomalies?wallet={world.payer}")["items"][0]["id"]
        done = [admin.post(f"/v1/anomalies/{noted}/dismiss", {}).status]
        approved, rejected = pay(500), pay(600)
        done += [admin.post(f"/v1/anomalies/{approved}/approve", {"comment": "hers"}).status,
                 admin.post(f"/v1/anomalies/{rejected}/reject", {}).status]
        report.equal("findings: decided", done, [200, 200, 200])
        told_of(b"anomaly.rejected")  # what is damaged is told to nobody
        damage_of_engine(world.server)
        full = admin.get("/check-integrity?depth=full")
        report.equal("findings: the books differ", full["consistent"], False, full)
        for _ in range(3):
            admin.get("/check-integrity?depth=full")
        report.equal("findings: payments stop", service.post("/v1/transfers", {
            "from": world.payer, "to": other, "amount": 1}).code, "payments_stopped")
        report.equal("findings: until somebody decides",
                     admin.post("/check-integrity/resume", {})["status"], "resumed")

    records = told_of(b"payments_resumed")
    events = [json.loads(record.value) for record in records]
    with open(os.path.join(TESTS, "..", "docs", "schemas", "event.json"), encoding="utf-8") as file:
        wanted = json.load(file)
    for record, event in zip(records, events):
        report.equal("findings: key", record.key.decode(), event["partitionkey"])
        report.equal("findings: schema", schema.Description(wanted).misfit(wanted, event), [])
    told = [(event["type"].removeprefix("florin."), event.get("sequence")) for event in events
            if event["subject"] == world.payer]
    report.equal("findings: all is told, and versions are dense", told, [
        ("wallet.opened", "1"), ("transaction.deposit", "2"), ("transaction.transfer", "3"),
        ("anomaly.flagged", None), ("anomaly.dismissed", None), ("anomaly.held", "4"),
        ("anomaly.held", "5"), ("anomaly.released", "6"), ("transaction.transfer", "7"),
        ("anomaly.approved", None), ("anomaly.rejected", "8")])
    of_held = [event["data"]["anomaly"] for event in events
               if event["data"].get("anomaly", {}).get("id") == approved]
    report.equal("findings: with the numbers", {(one["rule"], one["score"], one["sentence"])
                                                for one in of_held[:1]},
                 {("large", 90, "Transfer of 5.00 EUR. Also: noted.")}, of_held)
    alarms = [event for event in events if event["subject"] == "books"]
    report.equal("findings: one alarm, and its end", [
        (event["type"], event["data"]["payments_stopped"]) for event in alarms],
        [("florin.integrity.differs", True), ("florin.integrity.payments_resumed", False)])
    report.equal("findings: it says what differs", alarms[0]["data"]["message"], full["message"])
    world.server.stop()


def delivered_not(report):
    """The broker refuses an event for good (the topic takes nothing of its size): it is told again
    behind the last one that was acknowledged, until it is taken."""
    world = World(events_topic="florin.narrow")
    world.deposit(1000)
    events_of(world.versions, "florin.narrow")
    with world.server.client(world.key) as client:
        report.equal("no delivery was begun again", metric(client, "events_rewinds_total"), 0)
        safe = {"cleanup_policy": "delete", "unclean_leader_election_enable": "false"}
        CLUSTER.change_topic("florin.narrow", max_message_bytes=100, **safe)
        for _ in range(5):
            world.purchase(1)
        deadline = time.monotonic() + 60
        while metric(client, "events_rewinds_total") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        report.check("it begins again", metric(client, "events_rewinds_total") >= 2)
        report.check("and stands where it stood",
                     metric(client, "events_position") < metric(client, "events_feed_end"))
        CLUSTER.change_topic("florin.narrow", **safe)
    check_dense(report, "refused by the broker", world.versions,
                events_of(world.versions, "florin.narrow"), repeats=True)
    world.server.stop()


def metric(client, name):
    """A number of /metrics; -1: there is none."""
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith(f"florin_{name} "):
            return int(line.split()[1])
    return -1


def broker_away(report):
    world = World(events_topic="florin.away")
    world.deposit(1000)
    events_of(world.versions, "florin.away")
    CLUSTER.brokers[0].kill()
    begun = time.monotonic()
    for _ in range(200):
        world.purchase(1)
    report.check("payments do not wait", time.monotonic() - begun < 20)
    world.server.kill()  # kill -9 while nothing of it has been told
    world.server.start()
    world.purchase(1)
    CLUSTER.brokers[0].launch()
    CLUSTER.brokers[0].wait()
    check_dense(report, "broker away", world.versions, events_of(world.versions, "florin.away"),
                repeats=True)
    world.server.stop()


def destroyed_before_told(report):
    """Texts whose owner's data key is destroyed while events wait are told to nobody; all else
    is."""
    path = os.path.join(florin.folder(), "master.key")
    with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
              ) as file:
        file.write("5a" * 32)
    topic = "florin.destroyed"
    world = World({"encryption": {"master_key_file": path}}, events_topic=topic)
    bob = world.open("bob", "customer")

    def deposit(wallet, words):
        world.number += 1
        world.post("/v1/deposits", {"wallet": wallet, "amount": 1, "reference": words,
                                    "metadata": {"note": words},
                                    "bank_transaction_id": f"B{world.number}"})
        world.touched(wallet)

    deposit(world.payer, "told before")
    found = events_of(world.versions, topic)
    report.check("destroyed: texts are told while there is a key",
                 b"told before" in found[world.payer][-1].value)
    CLUSTER.brokers[0].kill()
    deposit(world.payer, "never told")
    deposit(bob, "words of bob")
    with world.server.client(world.key) as client:
        client.patch(f"/v1/wallets/{world.payer}", {"metadata": {"note": "never told"}})
        world.touched(world.payer)
        gone = client.delete("/v1/owners/ann/data")
        report.equal("destroyed: is done", (gone.status, gone.get("had_key")), (200, True), gone)
    deposit(world.payer, "told later")
    world.server.kill()
    world.server.start()
    CLUSTER.brokers[0].launch()
    CLUSTER.brokers[0].wait()
    found = events_of(world.versions, topic)
    check_dense(report, "destroyed", world.versions, found, repeats=True)
    words = b"".join(record.value for records in found.values() for record in records)
    report.equal("destroyed: what is told", [text in words for text in (
        b"never told", b"words of bob", b"told later")], [False, True, True])
    world.server.stop()


def killed_while_publishing(report):
    world = World(events_topic="florin.killed")
    world.deposit(100000)
    for _ in range(4):
        for _ in range(150):
            world.purchase(1)
        world.server.kill()
        world.server.start()
    world.purchase(1)
    check_dense(report, "killed", world.versions, events_of(world.versions, "florin.killed"),
                repeats=True)
    world.server.stop()


def main():
    report = Report("kafka events")
    for step in (every_kind, traces, findings, delivered_not, broker_away, destroyed_before_told,
                 killed_while_publishing):
        report.run(step.__name__.replace("_", " "), step)
    report.finish()


if __name__ == "__main__":
    main()
