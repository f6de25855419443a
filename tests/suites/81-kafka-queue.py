#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Queued commands through a real broker: accepted, carried out once and in order, told about, and
refused, whoever wrote them."""

import json
import os
import sys
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka", "roles", "rules", "story")]

import batches  # noqa: E402
import broker  # noqa: E402
import decided  # noqa: E402
import door  # noqa: E402
import florin  # noqa: E402
import forgetful  # noqa: E402
import lanes  # noqa: E402
import letters  # noqa: E402
import schema  # noqa: E402
import shop as shops  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
CLUSTER = broker.Cluster().start()
PARTITIONS = 4


def world(**more):
    """A shop with topics of its own, so that parts of this suite do not meet."""
    name = uuid.uuid4().hex[:8]
    settings = {"commands_topic": f"commands.{name}", "events_topic": f"events.{name}",
                "dead_letter_topic": f"dead.{name}", "group": name, "events": False}
    settings.update(more)
    shop = shops.Shop(CLUSTER, BINARY, **settings)
    shop.topic, shop.dead = settings["commands_topic"], settings["dead_letter_topic"]
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    return shop


def command_schema():
    with open(os.path.join(TESTS, "..", "docs", "schemas", "command.json"),
              encoding="utf-8") as file:
        return json.load(file)


def accepted_and_done(report):
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        body = {"from": ann, "to": bob, "amount": 300, "reference": "r1"}
        first = shop.queue(client, "/v1/transfers", body, key="k1")
        report.equal("202", first.status, 202)
        place = first.headers["location"]
        report.check("place", place.startswith("/v1/operations/op_") and len(place) == 70, place)
        report.equal("body", first["status"], "queued")
        again = shop.queue(client, "/v1/transfers", body, key="k1")
        report.equal("the same place", again.headers["location"], place)
        other = shop.queue(client, "/v1/transfers", dict(body, amount=1), key="k1")
        report.check("another place", other.headers["location"] != place)
        done = client.get(place, headers={"Prefer": "wait=20"})
        report.equal("done", done["status"], "done")
        report.equal("amount", done["result"]["amount"], 300)
        reused = shop.outcome(other["id"])
        report.equal("reused", reused["problem"]["code"], "idempotency_key_reused")
        direct = client.post("/v1/transfers", body, key="k1")
        report.equal("direct retry", (direct.status, direct.replayed), (201, True))
        report.equal("same transaction", direct["id"], done["result"]["id"])
        forged = place[:-1] + ("0" if place[-1] != "0" else "1")
        report.equal("forged", client.get(forged).code, "not_found")
        report.equal("nonsense", client.get("/v1/operations/op_x").code, "not_found")
        poor = shop.queue(client, "/v1/transfers", dict(body, amount=5000))
        refused = shop.outcome(poor["id"])
        report.equal("refused", refused["problem"]["code"], "insufficient_funds")
        wrong = shop.queue(client, "/v1/transfers", {"from": ann})
        report.equal("validated at the door", wrong.code, "invalid_request")
    report.equal("once", (shop.balance(ann), shop.balance(bob)), (700, 300))
    # After a restart the answers are the same, and nothing happens again.
    shop.server.restart()
    report.equal("after a restart", shop.outcome(place.rpartition("/")[2])["status"], "done")
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    report.equal("once still", (shop.balance(ann), shop.balance(bob)), (700, 300))
    shop.server.stop()


def traced(report):
    """A trace goes with the command through its topic, and comes out of the books in the event."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    topic = f"events.{uuid.uuid4().hex[:8]}"
    shop = world(events=True, events_topic=topic)
    ann = shop.open("ann")
    with shop.client() as client:
        for number, trace in enumerate(({"traceparent": parent, "tracestate": "a=1"}, {})):
            queued = shop.queue(client, "/v1/deposits", {
                "wallet": ann, "amount": 5, "bank_transaction_id": f"traced-{number}"}, **trace)
            report.equal("traced: accepted", queued.status, 202, queued)
            report.equal("traced: done", shop.outcome(queued["id"])["status"], "done")

    def seen(records):
        return [[(name, value.decode()) for name, value in record.headers
                 if name.startswith("trace")] for record in records]

    wanted = [[("traceparent", parent), ("tracestate", "a=1")], []]
    commands = CLUSTER.read(shop.topic, lambda records: len(records) >= 2, 30.0)
    report.equal("traced: the commands", seen(commands), wanted)
    events = [record for record in CLUSTER.read(topic, lambda records: len(records) >= 3, 60.0)
              if b"transaction.deposit" in record.value]
    report.equal("traced: the events", seen(events), wanted)
    shop.server.stop()


def every_type(report):
    """All kinds of commands, with paths' ids, and an If-Match."""
    shop = world()
    ann, seller = shop.open("ann", money=1000), shop.open("seller", "merchant")
    with shop.client() as client:
        def run(path, body=None, method="POST", **more):
            answer = client.request(method, path, body if body is not None else {},
                                    key=str(uuid.uuid4()), headers={"Prefer": "respond-async"},
                                    **more)
            report.equal(path, answer.status, 202, answer)
            return shop.outcome(answer["id"])
        made = run("/v1/wallets", {"owner": "new", "currency": "EUR"})
        report.equal("wallet", made["result"]["owner"], "new")
        bank = run("/v1/deposits", {"wallet": ann, "amount": 5, "bank_transaction_id": "B9"})
        report.equal("deposit", bank["result"]["type"], "deposit")
        bought = run("/v1/purchases", {"wallet": ann, "merchant": seller, "amount": 100})
        report.equal("purchase", bought["type"], "purchase")
        back = run("/v1/refunds", {"purchase": bought["result"]["id"], "amount": 40})
        report.equal("refund", back["result"]["type"], "refund")
        hold = run("/v1/holds", {"wallet": ann, "merchant": seller, "amount": 50})["result"]["id"]
        report.equal("capture", run(f"/v1/holds/{hold}/capture", {"amount": 10, "final": False})
                     ["status"], "done")
        report.equal("void", run(f"/v1/holds/{hold}/void")["result"]["status"], "voided")
        out = run("/v1/withdrawals", {"wallet": ann, "amount": 30})["result"]["id"]
        report.equal("fail", run(f"/v1/withdrawals/{out}/fail", {"reason": "closed"})
                     ["result"]["status"], "failed")
        out = run("/v1/withdrawals", {"wallet": ann, "amount": 30})["result"]["id"]
        settled = run(f"/v1/withdrawals/{out}/settle", {"bank_transaction_id": "B10"})
        report.equal("settle", settled["result"]["status"], "settled")
        missing = run("/v1/holds/hold_00000000000000000000000000/void")
        report.equal("missing", missing["problem"]["code"], "not_found")
        stale = run("/v1/deposits", {"wallet": ann, "amount": 5, "bank_transaction_id": "B11"},
                    if_match=1)
        report.equal("stale", stale["problem"]["code"], "version_mismatch")
        shop.wait_for(lambda: client.patch(f"/v1/wallets/{ann}", {"metadata": {}}, headers={
            "Prefer": "respond-async"}).status == 202, what="all workers to be known as new")
        changed = run(f"/v1/wallets/{ann}", {"credit_limit": 70, "metadata": {"tier": "gold"}},
                      method="PATCH")
        report.equal("change", (changed["type"], changed["result"]["credit_limit"]),
                     ("wallet_change", 70), changed)
        frozen = run(f"/v1/wallets/{ann}", {"status": "frozen"}, method="PATCH")
        report.equal("freeze, asked for", frozen["result"]["status"], "frozen")
        gone = run("/v1/wallets/wallet_00000000000000000000000000", {"status": "frozen"},
                   method="PATCH")
        report.equal("no such wallet", gone["problem"]["code"], "not_found")
        described = command_schema()
        queued = CLUSTER.read(shop.topic)
        report.equal("schema", [misfit for record in queued for misfit in schema.Description(
            described).misfit(described, json.loads(record.value))], [])
        report.equal("all types", {json.loads(record.value)["type"] for record in queued}, {
            "wallet", "deposit", "purchase", "refund", "hold", "capture", "void", "withdrawal",
            "fail", "settle", "wallet_change"})
        home = str(shops.slot_of(ann)).encode()
        report.equal("a wallet's commands, captures and refunds share a partition", {
            (record.key, record.partition) for record in queued
            if b'"type":"wallet"' not in record.value and b"_00000000" not in record.value},
            {(home, shops.partition_of(home, PARTITIONS))})
    shop.server.stop()


def in_order(report):
    shop = world()
    payers = [shop.open(f"payer{i}", money=10000) for i in range(8)]
    till = shop.open("till", "merchant")
    acknowledged = {payer: [] for payer in payers}
    with shop.client() as client:
        for i in range(400):
            payer = payers[i % len(payers)]
            answer = shop.queue(client, "/v1/transfers", {
                "from": payer, "to": till, "amount": 1 + i % 7, "reference": f"r{i}"})
            report.check("accepted", answer.status == 202, answer)
            acknowledged[payer].append((f"r{i}", payer, till, 1 + i % 7))
            last = answer["id"]
    report.equal("last", shop.outcome(last)["status"], "done")
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= 400, what="all commands")
    shops.check(report, "in order", shop, acknowledged, payers + [till],
                {**{payer: 10000 for payer in payers}, till: 0})
    shop.server.stop()


def every_write_queued(report):
    shop = world(queue_writes=True)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        before = shop.metric("worker_commands_total")
        answer = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 60}, key="w1")
        report.equal("the real answer", (answer.status, answer.get("type")), (201, "transfer"))
        shop.wait_for(lambda: shop.metric("worker_commands_total") >= before + 1,
                      what="it to be counted as queued")
        poor = client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 60}, key="w2")
        report.equal("the real refusal", (poor.status, poor.code), (422, "insufficient_funds"))
        sent = shop.metric("queue_sent_total")
        shop.wait_for(lambda: client.patch(f"/v1/wallets/{ann}", {"metadata": {"a": "b"}}).status ==
                      200 and shop.metric("queue_sent_total") > sent, what="a change in the queue")
        sent = shop.metric("queue_sent_total")
        raised = client.patch(f"/v1/wallets/{ann}", {"credit_limit": 30})
        report.equal("a change is answered as ever", (raised.status, raised.get("credit_limit"),
                                                      "etag" in raised.headers), (200, 30, True))
        report.equal("and was queued", shop.metric("queue_sent_total"), sent + 1)
        frozen = client.patch(f"/v1/wallets/{ann}", {"status": "frozen"})
        report.equal("a freeze does not wait", (frozen.status, frozen.get("status")),
                     (200, "frozen"))
        report.equal("behind anything", shop.metric("queue_sent_total"), sent + 1)
        report.equal("has", poor["spendable"] if "spendable" in poor.json else 40, 40)
    shop.server.stop()


def other_producers(report):
    """The documented topic: proof by key, forged, replayed, revoked while queued, without right."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        auditor = client.post("/v1/keys", {"name": "reader", "role": "auditor"}).json
    producer = CLUSTER.producer()
    described = command_schema()

    def send(key, body, secret=None, slot=None, partition=None, version=None, tamper=None):
        value = json.dumps(body).encode()
        report.equal("schema", schema.Description(described).misfit(described, body), [])
        text = str(shops.slot_of(body["from"]) if slot is None else slot).encode()
        headers = shops.headers_of(secret or key["secret"], key["id"], text, value, shop.topic)
        if version is not None:
            headers[0] = ("florin-version", version)
        place = shops.partition_of(text, PARTITIONS) if partition is None else partition
        return producer.send(shop.topic, tamper or value, key=text, headers=headers,
                             partition=place).get(30)

    def transfer(key, amount=10, **more):
        return {"type": "transfer", "idempotency_key": key, "from": ann, "to": bob,
                "amount": amount, **more}
    done = shop.metric("worker_commands_total")
    send(service, transfer("p1"))
    send(service, transfer("p1"))                                  # replayed record
    send(auditor, transfer("p2"))                                  # no right
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= done + 3, what="three commands")
    report.equal("once", shop.balance(bob), 10)
    dead = []
    send(service, transfer("p3"), secret="another secret")
    dead.append("unproved")
    send(service, transfer("p4"), tamper=json.dumps(transfer("p4", 999)).encode())
    dead.append("unproved")
    wrong = (shops.partition_of(str(shops.slot_of(ann)).encode(), PARTITIONS) + 1) % PARTITIONS
    send(service, transfer("p5"), partition=wrong)
    dead.append("wrong partition")
    other = next(slot for slot in range(1024) if slot != shops.slot_of(ann))
    send(service, transfer("p6"), slot=other)
    dead.append("wrong key")
    value = b"{not json"
    text = str(shops.slot_of(ann)).encode()
    producer.send(shop.topic, value, key=text, partition=shops.partition_of(text, PARTITIONS),
                  headers=shops.headers_of(service["secret"], service["id"], text, value,
                                           shop.topic)).get(30)
    dead.append("malformed")
    producer.send(shop.topic, b"{}", key=b"nobody", partition=0).get(30)
    dead.append("malformed")
    shop.wait_for(lambda: shop.metric("worker_dead_letters_total") >= len(dead), what="letters")
    letters = CLUSTER.read(shop.dead)
    reasons = [dict(letter.headers)["florin-reason"].decode().partition(":")[0]
               for letter in letters]
    report.equal("reasons", sorted(reasons), sorted(dead))
    report.check("original bytes", any(letter.value == b"{not json" for letter in letters))
    report.equal("nothing of it", shop.balance(bob), 10)
    listed = shop.server.command_line("dead-letter", "list", "--config",
                                      os.path.join(shop.server.home, "config.json"))
    report.check("listed", f"{len(dead)} dead letters" in listed.stdout, listed)
    sent_again(report, shop, letters, bob)
    shop.server.stop()


def sent_again(report, shop, letters, bob):
    """A letter is shown, and what was in the wrong partition is sent to the right one."""
    def letter(*words):
        return shop.server.command_line("dead-letter", *words, "--config",
                                        os.path.join(shop.server.home, "config.json"))
    lost = next(i for i, letter in enumerate(letters) if b'"p5"' in letter.value)
    shown = letter("show", f"0/{letters[lost].offset}")
    report.check("shown", "reason: wrong partition" in shown.stdout and
                 shown.stdout.count("value: ") == 1, shown)
    report.equal("no such letter", letter("show", "0/999").returncode, 1)
    report.equal("no place", letter("retry").returncode, 2)
    again = letter("retry", f"0/{letters[lost].offset}")
    report.check("sent again", again.returncode == 0 and "It is record" in again.stdout, again)
    with shop.client() as client:  # the same over HTTP; it has one effect all the same
        listed = client.get("/v1/dead-letters")["items"]
        report.equal("all are listed", len(listed), len(letters))
        report.equal("no such letter", [client.post(f"/v1/dead-letters/{place}/retry", {}).code
                                        for place in ("0-999", "1", "x-1")], ["not_found"] * 3)
        before = shop.metric("worker_skipped_total") + shop.metric("worker_commands_total")
        again = client.post(f"/v1/dead-letters/0-{letters[lost].offset}/retry", {})
        report.check("sent again over HTTP", again.status == 200 and
                     again["id"].startswith(shop.topic), again)
        shop.wait_for(lambda: shop.metric("worker_skipped_total") +
                      shop.metric("worker_commands_total") > before, what="it to be read")
        sent_under_key(report, shop, client, letters[lost].offset)
    shop.wait_for(lambda: shop.balance(bob) == 20, what="the command in its right partition")
    shop.server.stop()


def sent_under_key(report, shop, client, offset):
    """Who is not sure whether a letter was sent back asks again under his key: it goes once."""
    def retry(place, key):
        return client.post(f"/v1/dead-letters/0-{place}/retry", {}, key=key)

    first = retry(offset, "back")
    again = retry(offset, "back")
    report.equal("sent back", (first.status, first.replayed), (200, False), first)
    report.equal("and under its key it is said again", (again.status, again.json, again.replayed),
                 (200, first.json, True))
    other = next(one["id"] for one in client.get("/v1/dead-letters")["items"]
                 if not one["id"].endswith(f"-{offset}"))
    report.equal("another letter is another request", client.post(
        f"/v1/dead-letters/{other}/retry", {}, key="back").code, "idempotency_key_reused")
    more = retry(offset, "back once more")
    report.equal("under another key it goes again, behind it",
                 (more.status, more.replayed, more["next"] > first["next"]), (200, False, True),
                 more)
    values = [record.value for record in CLUSTER.read(shop.topic)]
    report.equal("it is in the queue as often", sum(b'"p5"' in value for value in values), 5)


def forged_and_limited(report):
    """Proofs that claim to be a node's or another key's; and a limit on spending, which counts when
    the command is carried out."""
    shop = world(spending_limits=[{"kind": "customer", "currency": "EUR", "per_day": 100}])
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        admin = client.get("/v1/me").json
    producer, text = CLUSTER.producer(), str(shops.slot_of(ann)).encode()

    def send(name, amount, change=lambda headers: headers):
        value = json.dumps({"type": "transfer", "idempotency_key": name, "from": ann, "to": bob,
                            "amount": amount}).encode()
        headers = dict(shops.headers_of(service["secret"], service["id"], text, value, shop.topic))
        producer.send(shop.topic, value, key=text, partition=shops.partition_of(text, PARTITIONS),
                      headers=list(change(headers).items())).get(30)

    def as_node(headers):
        digits = headers["florin-proof"].split()[1]
        return {**headers, "florin-proof": b"node " + digits,
                "florin-context": b"- 1 99999999999999 " + b"0" * 32 + b" x"}
    forged = [as_node, lambda headers: {**headers, "florin-principal": admin["id"].encode()},
              lambda headers: {**headers, "florin-principal": b"system"},
              lambda headers: {**headers, "florin-context": b"- 1 99999999999999 "},
              lambda headers: {k: v for k, v in headers.items() if k != "florin-proof"}]
    for number, change in enumerate(forged):
        send(f"f{number}", 1, change)
    done = shop.metric("worker_commands_total")
    for number in range(3):
        send(f"l{number}", 40)
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= done + 3, what="three commands")
    report.equal("letters", shop.metric("worker_dead_letters_total"), len(forged))
    report.equal("two of three are within the limit", shop.balance(bob), 80)
    shop.server.stop()


def own_topic(report):
    """A topic whose records are one key's, without a proof: carried out as that key, each once over
    a kill and a replay, beside the common topic."""
    shop = world(session_timeout_ms=3000)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        payroll = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    topic, producer = shop.topic + ".payroll", CLUSTER.producer()
    shop.server.config["kafka"]["topics"] = [
        {"topic": topic, "principal": payroll["id"], "partitions": 2}]
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS + 2, what="partitions")

    def send(name, amount=1, headers=(("florin-version", b"1"),), to=topic):
        value, text = shops.payment(ann, bob, amount, name), str(shops.slot_of(ann)).encode()
        return producer.send(to, value, key=text, headers=list(headers),
                             partition=shops.partition_of(text, 2)).get(30).offset
    for number in range(5):
        send(f"o{number}")
    send("o0")  # again
    shop.wait_for(lambda: shop.balance(bob) == 5, what="five payments")
    with shop.client() as client:
        done_by = client.get(f"/v1/wallets/{bob}/transactions?limit=1")["items"][0]["initiated_by"]
        report.equal("as that key", done_by, payroll["id"])
        other = client.post("/v1/keys", {"name": "other", "role": "service"}).json
        place = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 10})["id"]
    report.equal("the common topic beside it", shop.outcome(place)["status"], "done")
    # Whose it says it is must be whose it is; and the common topic still wants a proof.
    send("o5", headers=[("florin-version", b"1"), ("florin-principal", other["id"].encode())])
    value, text = shops.payment(ann, bob, 1, "o6"), str(shops.slot_of(ann)).encode()
    producer.send(shop.topic, value, key=text, headers=[("florin-version", b"1")],
                  partition=shops.partition_of(text, PARTITIONS)).get(30)
    shop.wait_for(lambda: shop.metric("worker_dead_letters_total") == 2, what="letters")
    letters = {dict(letter.headers)["florin-topic"].decode() for letter in CLUSTER.read(shop.dead)}
    report.equal("letters say which topic", letters, {topic, shop.topic})
    # Killed in the middle: what was done is not done again, what was not is.
    shop.server.kill()
    for number in range(300):
        send(f"k{number}")
    shop.server.start()
    shop.wait_for(lambda: shop.balance(bob) > 15, what="the first of them")
    shop.server.kill()
    shop.server.start()
    shop.wait_for(lambda: shop.balance(bob) >= 315, what="all of them")
    references = [t["reference"] for t in reversed(shop.history(bob))
                  if t.get("reference", "").startswith("k")]
    report.equal("each once, in order", references, [f"k{number}" for number in range(300)])
    with shop.client() as client:
        report.equal("revoked", client.delete(f"/v1/keys/{payroll['id']}").status, 204)
    done = shop.metric("worker_commands_total")
    send("o7", 100)
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= done + 1, what="its refusal")
    report.equal("a revoked key pays nothing", shop.balance(bob), 315)
    # The books know which topic is the first: another one in its place stops.
    shop.server.config["kafka"]["topics"][0]["topic"] = topic + ".other"
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_stopped") == 2, what="an alarm")
    shop.server.stop()


def roles_in_the_queue(report):
    """Who is bound to an owner asks for his own and is told of nobody else's; duties are separate;
    large payments wait for a second person whichever way they came."""
    shop = world(queue_writes=False)
    ann, bob, seller = shop.open("ann", money=1000), shop.open("bob", money=9), shop.open(
        "seller", "merchant")
    shop.server.config.update(approvals={"above": {"EUR": 100}}, separate_duties=True)
    made = {}
    with shop.client() as client:
        for name, role, owner in (("ann", "customer", "ann"), ("bob", "customer", "bob"),
                                  ("service", "service", None), ("operator", "operator", None)):
            made[name] = client.post("/v1/keys", {"name": name, "role": role, **(
                {"owner": owner} if owner else {})}).json
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    clients = {name: shop.server.client(key["secret"]) for name, key in made.items()}
    buy = {"wallet": ann, "merchant": seller, "amount": 30}

    def outcome(name, answer):
        return clients[name].get(f"/v1/operations/{answer['id']}", headers={"Prefer": "wait=30"})

    bought = shop.queue(clients["ann"], "/v1/purchases", buy)
    own = outcome("ann", bought)
    report.equal("his side alone", (own["status"], sorted(own["result"]["debit"]),
                                    own["result"]["credit"]),
                 ("done", ["account", "balance", "version"], {"account": seller}), own)
    report.equal("the house sees both", sorted(outcome("service", bought)["result"]["credit"]),
                 ["account", "balance", "version"])
    place = f"/v1/operations/{bought['id']}"
    report.equal("what another asked for is not told", clients["bob"].get(place).json,
                 {"id": bought["id"], "status": "queued"})
    for name, body, code in (("foreign", {**buy, "wallet": bob}, "not_found"),
                             ("no merchant", {**buy, "merchant": bob}, "cannot_receive"),
                             ("too much", {**buy, "merchant": bob, "amount": 9000},
                              "insufficient_funds")):
        told = outcome("ann", shop.queue(clients["ann"], "/v1/purchases", body))
        report.equal(f"refused: {name}", told["problem"]["code"], code, told)
    report.equal("a field that is not his", shop.queue(clients["ann"], "/v1/withdrawals", {
        "wallet": ann, "amount": 1, "bank_transaction_id": "mine"}).code, "invalid_request")

    # The same written to the topic by hand, with his own proof.
    value = json.dumps({"type": "withdrawal", "idempotency_key": "by-hand", "wallet": ann,
                        "amount": 1, "bank_transaction_id": "mine"}).encode()
    text, before = str(shops.slot_of(ann)).encode(), shop.metric("worker_dead_letters_total")
    CLUSTER.producer().send(shop.topic, value, key=text,
                            partition=shops.partition_of(text, PARTITIONS),
                            headers=shops.headers_of(made["ann"]["secret"], made["ann"]["id"], text,
                                                     value, shop.topic)).get(30)
    after = outcome("ann", shop.queue(clients["ann"], "/v1/purchases", buy))
    report.equal("what is behind it is done", after["status"], "done", after)
    report.equal("nothing went out", clients["ann"].get(f"/v1/withdrawals?wallet={ann}")["items"],
                 [])
    report.equal("refused, and no dead letter", shop.metric("worker_dead_letters_total"), before)

    with shop.client() as admin:
        report.equal("separate duties", shop.queue(admin, "/v1/purchases", buy).code, "forbidden")
    large = shop.queue(clients["ann"], "/v1/purchases", {**buy, "amount": 101})
    waiting = outcome("ann", large)["result"]
    report.equal("a large one waits", (waiting["status"], waiting["requested_by"]),
                 ("pending", made["ann"]["id"]), waiting)
    done = clients["operator"].post(f"/v1/approvals/{waiting['id']}/approve", {})
    report.equal("and goes", done.get("status"), "approved", done)
    report.equal("once", shop.balance(seller), 30 + 30 + 101)
    for client in clients.values():
        client.close()
    shop.server.stop()


def revoked_while_queued(report):
    """The refusal is the outcome, and what comes behind it is done."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        doomed = client.post("/v1/keys", {"name": "doomed", "role": "service"}).json
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    producer = CLUSTER.producer()

    def send(key, amount, name):
        body = {"type": "transfer", "idempotency_key": name, "from": ann, "to": bob,
                "amount": amount}
        value, text = json.dumps(body).encode(), str(shops.slot_of(ann)).encode()
        producer.send(shop.topic, value, key=text, partition=shops.partition_of(text, PARTITIONS),
                      headers=shops.headers_of(key["secret"], key["id"], text, value,
                                               shop.topic)).get(30)
    shop.server.stop()
    send(doomed, 10, "p7")
    send(service, 1, "p8")
    shop.server.config["kafka"]["work"] = False
    shop.server.start()
    with shop.client() as client:
        report.equal("revoked", client.delete(f"/v1/keys/{doomed['id']}").status, 204)
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    shop.wait_for(lambda: shop.balance(bob) == 1, what="the command behind it")
    report.equal("not paid", shop.balance(bob), 1)
    shop.server.stop()


def rotated_while_queued(report):
    """What the old secret signed is good while that still opens doors, and never afterwards; the
    new one is good at once."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    producer, text = CLUSTER.producer(), str(shops.slot_of(ann)).encode()

    def send(key, secret, amount, name):
        value = shops.payment(ann, bob, amount, name)
        producer.send(shop.topic, value, key=text, partition=shops.partition_of(text, PARTITIONS),
                      headers=shops.headers_of(secret, key["id"], text, value, shop.topic)).get(30)
    with shop.client() as client:
        keys = [client.post("/v1/keys", {"name": name, "role": "service"}).json
                for name in ("overlapping", "at once")]
        shop.server.config["kafka"]["work"] = False
        shop.server.restart()
        for key, amount in zip(keys, (1, 10)):
            send(key, key["secret"], amount, f"old{amount}")
    with shop.client() as client:
        new = [client.post(f"/v1/keys/{key['id']}/rotate", {"overlap": overlap})["secret"]
               for key, overlap in zip(keys, (3600, 0))]
    for key, secret, amount in zip(keys, new, (100, 200)):
        send(key, secret, amount, f"new{amount}")
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    shop.wait_for(lambda: shop.balance(bob) >= 300, what="what the new ones signed")
    report.equal("and the old one that still opens doors", shop.balance(bob), 301)
    letters = CLUSTER.read(shop.dead, lambda records: len(records) >= 1)
    report.equal("the other is unproved", [
        (json.loads(letter.value)["idempotency_key"],
         dict(letter.headers)["florin-reason"].decode().partition(":")[0]) for letter in letters],
        [("old10", "unproved")])
    shop.server.stop()


def newer_version(report):
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        key = client.post("/v1/keys", {"name": "new", "role": "service"}).json
    producer = CLUSTER.producer()
    body = {"type": "transfer", "idempotency_key": "n1", "from": ann, "to": bob, "amount": 1}
    value, text = json.dumps(body).encode(), str(shops.slot_of(ann)).encode()
    headers = shops.headers_of(key["secret"], key["id"], text, value, shop.topic)
    headers[0] = ("florin-version", b"7")
    partition = shops.partition_of(text, PARTITIONS)
    offset = producer.send(shop.topic, value, key=text, headers=headers,
                           partition=partition).get(30).offset
    shop.wait_for(lambda: shop.metric("worker_stopped") == 1, what="an alarm")
    report.check("alarm", "ALARM" in shop.server.log() and "newer" in shop.server.log())
    report.equal("no dead letter", shop.metric("worker_dead_letters_total"), 0)
    with shop.client() as client:
        behind = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})["id"]
        name = f"{shop.topic}-{partition}"
        found = {one["id"]: one for one in client.get("/v1/queue")["partitions"]}
        report.equal("all partitions are shown", sorted(found),
                     [f"{shop.topic}-{i}" for i in range(PARTITIONS)])
        report.equal("one is stopped", [one["id"] for one in found.values() if "stopped" in one],
                     [name])
        report.check("why", f"record {offset}" in found[name]["stopped"][0]["why"], found[name])
        report.equal("what waits", (found[name]["waiting"], found[name]["state"]), (2, "fits"))
        report.equal("what is behind it waits", client.get(f"/v1/operations/{behind}")["status"],
                     "queued")
        decided.over_http(report, shop, client, name, offset)
    report.equal("what was behind it is done", shop.outcome(behind)["status"], "done")
    report.equal("and nothing else", shop.balance(bob), 2)
    shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
    shop.server.stop()


def begun_anew_over_http(report):
    """A topic that was made anew stops its partitions; over HTTP they begin again, while the server
    runs."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        first = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("done", shop.outcome(first["id"])["status"], "done")
    shop.server.stop()
    admin = CLUSTER.admin()
    admin.delete_topics([shop.topic])
    admin.close()
    shop.wait_for(lambda: shop.topic not in CLUSTER.topics(), what="the topic to go")
    shop.server.start()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) >= 1, what="an alarm")
    with shop.client() as client:
        stopped = [one for one in client.get("/v1/queue")["partitions"] if "stopped" in one]
        report.check("told", any("does not fit" in one["state"] for one in stopped), stopped)
        for one in client.get("/v1/queue")["partitions"]:
            # While brokers still tell each other of the topic it is busy.
            def is_reset(one=one):
                reset = client.post(f"/v1/queue/{one['id']}/reset",
                                    {"to": "beginning", "reason": "made anew"})
                report.check("reset or busy", reset.status == 503 or
                             (reset.status, reset.get("next")) == (200, 0), reset)
                return reset.status == 200
            shop.wait_for(is_reset, what="the places to be moved")
        shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="no alarm")
        second = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 2})
        report.equal("it goes on", shop.outcome(second["id"])["status"], "done")
    report.equal("once each", shop.balance(bob), 3)
    decided.passed_over_once(report, shop, PARTITIONS, ann, bob)
    shop.server.stop()


def letter_before_place(report):
    """The place passes a dead record only when its letter is acknowledged, whoever is killed while
    it is not; its operation ends as refused, and what is behind it is done."""
    shop = world(session_timeout_ms=3000)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    safe = {"cleanup_policy": "delete", "unclean_leader_election_enable": "false"}
    CLUSTER.change_topic(shop.dead, max_message_bytes=100, **safe)  # no letter is taken
    room = "raise its max.message.bytes"
    producer, text = CLUSTER.producer(), str(shops.slot_of(ann)).encode()
    partition = shops.partition_of(text, PARTITIONS)

    def send(name, amount):
        value = shops.payment(ann, bob, amount, name)
        return producer.send(shop.topic, value, key=text, partition=partition,
                             headers=shops.headers_of(service["secret"], service["id"], text, value,
                                                      shop.topic)).get(30).offset

    def place():
        with shop.client() as client:
            return {one["partition"]: one for one in client.get("/v1/queue")["partitions"]
                    }[partition]["last"]

    def refused():
        """Who begins with such a topic does not even begin."""
        return shop.server.log().count("A dead letter was not delivered") + \
            shop.server.log().count(room)
    bad = send("bad", -5)
    send("good", 7)
    before = 0
    for _ in range(2):
        shop.wait_for(lambda: refused() > before,  # pylint: disable=W0640
                      what="the letter to be refused")
        report.equal("the place stands before it", place(), bad)
        report.equal("and nothing behind it is done", shop.balance(bob), 0)
        shop.server.kill()
        before = refused()
        shop.server.start()
    CLUSTER.change_topic(shop.dead, max_message_bytes=2_000_000, **safe)
    shop.wait_for(lambda: shop.balance(bob) == 7, what="what is behind it")
    report.check("the letter is there", any(letter.value == shops.payment(ann, bob, -5, "bad")
                                            for letter in CLUSTER.read(shop.dead)))
    with shop.server.client(service["secret"]) as client:
        asked = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 5,
                                                     "reference": "bad"}, key="bad")
    ended = shop.outcome(asked["id"])
    report.equal("its operation ended as refused", (ended["status"], ended["problem"]["code"]),
                 ("refused", "invalid_request"))
    shop.server.stop()


def older_leader(shop):
    return forgetful.Leader(CLUSTER, shop.topic, shop.server.config["kafka"]["group"], PARTITIONS)


def older_workers(report):
    """What only newer workers read is not written to the queue while an older one is there: it
    goes without. When the older one has gone it is queued again, and nothing has been lost."""
    shop = world()
    ann = shop.open("ann")
    queued = []

    def is_queued():
        with shop.client() as client:
            answer = client.patch(f"/v1/wallets/{ann}", {"metadata": {"a": str(len(queued))}},
                                  headers={"Prefer": "respond-async"})
            report.check("done or queued", answer.status in (200, 202), answer)
            if answer.status == 202:
                queued.append(answer["id"])
            return answer.status == 202
    shop.wait_for(is_queued, what="all workers to be known as new")
    old = older_leader(shop)
    shop.wait_for(lambda: not is_queued(), what="the old one to be seen")
    with shop.client() as client:
        deposit = shop.queue(client, "/v1/deposits", {"wallet": ann, "amount": 1,
                                                      "bank_transaction_id": "B1"})
        report.equal("what it reads is queued", deposit.status, 202, deposit)
    old.close()
    shop.wait_for(is_queued, what="the old one to be gone")
    report.equal("all that was queued is done", {shop.outcome(one)["status"]
                                                 for one in queued + [deposit["id"]]}, {"done"})
    shop.server.stop()


def story():
    """All of it, each a name, what plays it, and what that is given."""
    return [
        ("vectors", door.vectors),
        ("accepted and done", accepted_and_done),
        ("traced", traced),
        ("every type", every_type),
        ("at the door", door.at_the_door, world),
        ("tokens queued", door.tokens_queued, world),
        ("held payments", door.held_payments, world),
        ("waiting together", door.waiting_together, CLUSTER, BINARY),
        ("batch: one set", batches.one_set, world, CLUSTER),
        ("batch: at the door", batches.at_the_door, world),
        ("batch: real answers", batches.real_answers, world),
        ("batch: killed", batches.killed_in_the_middle, world),
        ("batch: atomic", batches.atomic, world, CLUSTER),
        ("batch: atomic, by others", batches.atomic_by_others, world, CLUSTER),
        ("batch: large ones", batches.large_ones, world, CLUSTER),
        ("batch: refused by the broker", batches.refused_by_the_broker, world, CLUSTER),
        ("batch: lost rights", batches.lost_rights, world, CLUSTER),
        ("batch: ten thousand", batches.ten_thousand, world, CLUSTER),
        ("batch: imported", batches.imported, world),
        ("batch: older workers", batches.older_workers, world, older_leader),
        ("in order", in_order),
        ("every write queued", every_write_queued),
        ("other producers", other_producers),
        ("forged and limited", forged_and_limited),
        ("own topic", own_topic),
        ("roles in the queue", roles_in_the_queue),
        ("revoked while queued", revoked_while_queued),
        ("rotated while queued", rotated_while_queued),
        ("newer version", newer_version),
        ("older workers", older_workers),
        ("letter before place", letter_before_place),
        ("one letter waits", letters.one_waits, world, CLUSTER, PARTITIONS),
        ("begun anew over HTTP", begun_anew_over_http),
    ]


def main():
    report = Report("kafka queue")
    lanes.side_by_side(report, story())
    report.finish()


if __name__ == "__main__":
    main()
