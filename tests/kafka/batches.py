# SPDX-License-Identifier: MIT
"""Batches through the queue: their operations, each once, in order per home, under the keys that
they have on the way straight to the books."""

import json
import os
import uuid

import schema
import shop as shops

HERE = os.path.dirname(os.path.abspath(__file__))


def send(client, operations, key=None, queued=True, **more):
    return client.post("/v1/batches", {"operations": operations, **more}, key=key,
                       headers={"Prefer": "respond-async"} if queued else {})


def transfer(payer, payee, amount, **more):
    return {"type": "transfer", "from": payer, "to": payee, "amount": amount, **more}


def command_schema():
    with open(os.path.join(HERE, "..", "..", "docs", "schemas", "command.json"),
              encoding="utf-8") as file:
        return json.load(file)


def ready(shop):
    """Until all workers are known to read keys that are made from a batch's."""
    wallet = shop.open(f"probe {uuid.uuid4()}")

    def is_queued():
        sent = shop.metric("queue_sent_total")
        with shop.client() as client:
            answer = client.patch(f"/v1/wallets/{wallet}", {"metadata": {}},
                                  headers={"Prefer": "respond-async"})
            assert answer.status in (200, 202), answer
        return shop.metric("queue_sent_total") > sent
    shop.wait_for(is_queued, what="all workers to be known as new")


def plain(results):
    """Results without what only some ways to the books can tell."""
    return [{name: value for name, value in result.items() if name != "replayed"}
            for result in results]


def one_set(report, world, cluster):
    """Sent queued, directly, and queued again, a batch is the same operations, each done once."""
    shop = world()
    ready(shop)
    ann, bob = shop.open("ann", money=1000), shop.open("bob", money=10)
    before = len(cluster.read(shop.topic))
    batch = [transfer(ann, bob, 100, reference="first"),
             {"type": "wallet", "owner": "carl \"the\" é", "currency": "EUR",
              "metadata": {"tier": "gold", "é\\": "\n"[:0] + "x"}},
             transfer(ann, ann, 1), {"type": "nonsense"},
             transfer(bob, ann, 5, idempotency_key="own"), transfer(ann, bob, 5000),
             transfer(ann, bob, 1, surplus=True), transfer(ann, bob, 10)]
    with shop.client() as client:
        first = send(client, batch, "batch-1")
        report.equal("202", first.status, 202, first)
        results = first["results"]
        report.equal("in order", ["code" if "code" in one else one["status"] for one in results],
                     ["queued"] * 3 + ["code"] + ["queued"] * 2 + ["code", "queued"], results)
        report.equal("where", [one["location"] for one in results if "location" in one],
                     [f"/v1/operations/{one['id']}" for one in results if "location" in one])
        told = [shop.outcome(one["id"]) if "location" in one else one for one in results]
        report.equal("what became of them", [
            one["status"] if one["status"] == "done" else
            one.get("problem", one)["code"] for one in told],
            ["done", "done", "same_wallet", "invalid_request", "done", "insufficient_funds",
             "invalid_request", "done"], told)
        report.equal("once", (shop.balance(ann), shop.balance(bob)), (895, 115))
        again = send(client, batch, "batch-1")
        report.equal("again: the same operations", again["results"], results)
        direct = send(client, batch, "batch-1", queued=False)
        report.equal("directly: the same answers", (direct.status, plain(direct["results"])), (
            200, [one.get("result") or one.get("problem") or one for one in told]))
        report.equal("nothing new", [one.get("replayed", False) for one in direct["results"]],
                     [True, True, True, False, True, True, False, True])
        other = send(client, batch[:1], "batch-2")
        report.check("another key, another operation",
                     other["results"][0]["id"] != results[0]["id"])
        shop.wait_for(lambda: shop.balance(bob) == 215, what="the other one")
        keyless = send(client, [transfer(ann, bob, 1)] * 2)["results"]
        report.equal("without keys", [shop.outcome(one["id"])["status"] for one in keyless],
                     ["done"] * 2)
        later = send(client, [transfer(ann, bob, 2)], "batch-3", queued=False)
        same = send(client, [transfer(ann, bob, 2)], "batch-3")["results"][0]
        report.equal("directly first, then queued", shop.outcome(same["id"])["result"],
                     plain(later["results"])[0])
        odd = send(client, [{"type": "nonsense"}], "batch-4")
        report.equal("nothing to queue", (odd.status, odd["results"][0]["code"]),
                     (200, "invalid_request"))
        report.equal("malformed as a whole", send(client, []).code, "invalid_request")
    shop.wait_for(lambda: shop.balance(bob) == 219, what="all of it")
    described = command_schema()
    records = cluster.read(shop.topic)
    values = [json.loads(record.value) for record in records]
    report.equal("schema", [misfit for value in values for misfit in schema.Description(
        described).misfit(described, value)], [])
    versions = {dict(record.headers)["florin-version"] for record, value in zip(records, values)
                if "batch_index" in value}
    report.equal("keys of batches are version 3", versions, {b"3"})
    report.equal("all else is version 1", {
        dict(record.headers)["florin-version"] for record, value in zip(records, values)
        if "batch_index" not in value and value["type"] != "wallet_change"}, {b"1"})
    report.check("only what may succeed was sent", len(records) == before + 6 + 6 + 1 + 2 + 1,
                 (before, len(records)))
    shop.server.stop()


def at_the_door(report, world):
    """Permissions, limits and the audit are those of the operations alone."""
    shop = world(rate_limits=[{"per": "key", "class": "money", "requests": 1, "seconds": 3600,
                               "burst": 8}])
    ready(shop)
    ann, bob = shop.open("ann", money=1000), shop.open("bob", money=1000)
    with shop.client() as admin:
        customer = admin.post("/v1/keys", {"name": "c", "role": "customer", "owner": "ann"}).json
        auditor = admin.post("/v1/keys", {"name": "reader", "role": "auditor"}).json
        service = admin.post("/v1/keys", {"name": "service", "role": "service"}).json
    sent = shop.metric("queue_sent_total")
    with shop.server.client(auditor["secret"]) as client:
        report.equal("no right", send(client, [transfer(ann, bob, 1)], "k").code, "forbidden")
    report.equal("nothing was handed over", shop.metric("queue_sent_total"), sent)
    with shop.server.client(customer["secret"]) as client:
        answer = client.post("/v1/batches", {"operations": [
            transfer(ann, bob, 1), {"type": "deposit", "wallet": ann, "amount": 1,
                                    "bank_transaction_id": "mine"}, transfer(bob, ann, 1)]},
            key="c", headers={"Prefer": "respond-async", "X-Request-Id": "his"})
        told = [one if "code" in one else
                client.get(f"/v1/operations/{one['id']}", headers={"Prefer": "wait=30"}).json
                for one in (answer.json.get("results") or [answer.json])]
    if answer.status == 202:  # who is bound to an owner may send batches
        report.equal("each as alone", [one.get("problem", one).get("code", one["status"])
                                       for one in told], ["done", "forbidden", "not_found"], told)
        with shop.client() as admin:
            shop.wait_for(lambda: any(
                entry.get("request_id") == "his" and entry["outcome"] == "forbidden"
                for entry in admin.get("/v1/audit?limit=200")["items"]), what="the audit")
    else:
        report.equal("no batches of his", answer.code, "forbidden")
    with shop.server.client(service["secret"]) as client:
        whole = send(client, [transfer(ann, bob, 1)] * 6, "limit")
        report.equal("within the limit", whole.status, 202, whole)
        report.equal("a batch pays for all its operations",
                     [send(client, [transfer(ann, bob, 1)] * 3, f"l{number}").status
                      for number in range(2)], [202, 429])
    shop.server.stop()


def real_answers(report, world):
    """Where every write is queued, a batch is answered as if it had gone directly; and when nobody
    works, at the deadline, with where to ask."""
    shop = world(queue_writes=True, request_deadline_ms=20000)
    ready(shop)
    payers = [shop.open(f"payer{number}", money=1000) for number in range(6)]
    till = shop.open("till", "merchant")
    batch = [transfer(payers[number % 6], till, 1 + number % 5, reference=f"r{number}")
             for number in range(60)]
    batch[7] = transfer(payers[1], till, 5000)
    batch[20] = {"type": "deposit", "wallet": till, "amount": 1}
    with shop.client() as client:
        answer = send(client, batch, "whole", queued=False)
        report.equal("200", answer.status, 200, answer)
        report.equal("answers", [(index, one["code"]) for index, one in enumerate(
            answer["results"]) if "code" in one],
            [(7, "insufficient_funds"), (20, "invalid_request")])
        report.equal("in order", [one.get("amount") for one in answer["results"]
                                  if "code" not in one],
                     [one["amount"] for index, one in enumerate(batch) if index not in (7, 20)])
        again = send(client, batch, "whole", queued=False)
        report.equal("again", plain(again["results"]), plain(answer["results"]))
        report.equal("through the queue", shop.metric("queue_sent_total") >= 2 * 59, True)
    paid = sum(one["amount"] for index, one in enumerate(batch) if index not in (7, 20))
    report.equal("once", shop.balance(till), paid)
    shop.server.config.update(request_deadline_ms=1500)
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    with shop.client() as client:
        late = send(client, [transfer(payers[0], till, 3, idempotency_key=f"late{number}")
                             for number in range(3)], queued=False)
        report.equal("at the deadline", (late.status, [one["status"] for one in late["results"]]),
                     (202, ["queued"] * 3))
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    report.equal("and done later", [shop.outcome(one["id"])["status"] for one in late["results"]],
                 ["done"] * 3)
    report.equal("once", shop.balance(till), paid + 9)
    shop.server.stop()


def killed_in_the_middle(report, world):
    """A large batch, whose worker is killed in the middle: each once, in order per home."""
    shop = world(session_timeout_ms=3000)
    ready(shop)
    payers = [shop.open(f"payer{number}", money=100_000) for number in range(8)]
    till = shop.open("till", "merchant")
    orders = [(f"b{number}", payers[number % 8], till, 1 + number % 7) for number in range(20_000)]
    batch = [transfer(payer, payee, amount, reference=name)
             for name, payer, payee, amount in orders]
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    with shop.client(timeout=60.0) as client:
        # Nobody works, so nobody is known to read keys of batches: they have their own.
        for at in (0, 10_000):
            answer = send(client, [{**one, "idempotency_key": one["reference"]}
                                   for one in batch[at:at + 10_000]])
            report.equal("202", answer.status, 202)
            report.equal("all queued", {one["status"] for one in answer["results"]}, {"queued"})
    shop.server.config["kafka"]["work"] = True
    total = sum(order[3] for order in orders)
    shop.server.restart()
    for _ in range(2):
        before = min(shop.balance(till), total - 1)
        shop.wait_for(lambda: shop.balance(till) > before,  # pylint: disable=W0640
                      what="some of it")
        shop.server.kill()
        shop.server.start()
    report.equal("the last is done", shop.outcome(answer["results"][-1]["id"], 60.0)["status"],
                 "done")
    shop.wait_for(lambda: shop.balance(till) == total, what="all of it")
    acknowledged = {payer: [order for order in orders if order[1] == payer] for payer in payers}
    shops.check(report, "killed", shop, acknowledged, payers + [till],
                {**{payer: 100_000 for payer in payers}, till: 0})
    shop.server.stop()


def imported(report, world):
    """`florin import --queue`: names of what was made are known as ever, and the file may be sent
    again."""
    shop = world()
    path = os.path.join(shop.server.home, "file.ndjson")
    lines = [{"type": "wallet", "owner": "ann", "currency": "EUR", "as": "ann"},
             {"type": "wallet", "owner": "bob", "currency": "EUR", "as": "bob"},
             {"type": "deposit", "wallet": "@ann", "amount": 500, "bank_transaction_id": "I1"},
             *({"type": "transfer", "from": "@ann", "to": "@bob", "amount": 1} for _ in range(300)),
             {"type": "transfer", "from": "@ann", "to": "@bob", "amount": 9000},
             {"type": "transfer", "from": "@ann", "to": "@bob", "amount": 0}]
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    where = {"FLORIN_URL": f"127.0.0.1:{shop.server.port}", "FLORIN_KEY": shop.secret}
    for number in range(2):
        sent = shop.metric("queue_sent_total")
        done = shop.server.command_line("import", path, "--queue", environment=where, timeout=120.0)
        report.check("refusals are told", done.returncode == 1 and
                     "insufficient_funds" in done.stdout + done.stderr and
                     "invalid_request" in done.stdout + done.stderr, done)
        report.check("through the queue", shop.metric("queue_sent_total") >= sent + 304, number)
        with shop.client() as client:
            wallets = {one["owner"]: one["balance"]
                       for one in client.get("/v1/wallets?limit=100")["items"]}
        report.equal("once", wallets, {"ann": 200, "bob": 300})
    shop.server.stop()


def older_workers(report, world, leader):
    """While a worker is there that does not know keys of batches, such a batch goes directly; one
    whose operations have keys of their own is queued."""
    shop = world()
    ready(shop)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    old = leader(shop)

    def status(number=[0], **more):  # pylint: disable=W0102
        number[0] += 1
        with shop.client() as client:
            return send(client, [transfer(ann, bob, 1, **more)],
                        None if more else f"old-{number[0]}").status
    shop.wait_for(lambda: status() == 200, what="the old one to be seen")
    report.equal("with a key of its own", status(idempotency_key="own"), 202)
    old.close()
    shop.wait_for(lambda: status() == 202, what="the old one to be gone")
    shop.server.stop()


def atomic(report, world, cluster):
    """An atomic batch is one record: done or undone as one, whichever way it comes, and its
    operation tells what all of it was answered with, or which operation undid it."""
    shop = world()
    ready(shop)
    ann, bob = shop.open("ann", money=1000), shop.open("bob", money=10)
    good = [transfer(ann, bob, 100, reference="first"), transfer(bob, ann, 105),
            {"type": "wallet", "owner": "carl", "currency": "EUR"}]
    with shop.client() as client:
        first = send(client, good, "good", atomic=True)
        report.equal("202", (first.status, first.get("status")), (202, "queued"), first)
        report.equal("where", first.headers["location"], f"/v1/operations/{first['id']}")
        told = shop.outcome(first["id"])
        report.equal("done", (told["status"], told["type"]), ("done", "batch"), told)
        report.equal("once", (shop.balance(ann), shop.balance(bob)), (1005, 5))
        again = send(client, good, "good", atomic=True)
        report.equal("again: the same operation", again["id"], first["id"])
        direct = send(client, good, "good", queued=False, atomic=True)
        report.equal("directly: the same answers", (direct.status, direct.replayed, direct.json),
                     (200, True, told["result"]))
        bad = [transfer(ann, bob, 1), transfer(ann, bob, 5000), transfer(ann, bob, 1)]
        undone = send(client, bad, "bad", atomic=True)
        problem = shop.outcome(undone["id"])["problem"]
        report.equal("undone", (problem["code"], problem.get("operation")),
                     ("insufficient_funds", 1), problem)
        report.equal("directly: the same refusal", send(
            client, bad, "bad", queued=False, atomic=True).json, problem)
        report.equal("nothing of it", (shop.balance(ann), shop.balance(bob)), (1005, 5))
        other = send(client, bad[:1], "bad", atomic=True)
        report.equal("its key for another", shop.outcome(other["id"])["problem"]["code"],
                     "idempotency_key_reused")
        keyless = [send(client, [transfer(ann, bob, 1)], atomic=True)["id"] for _ in range(2)]
        report.equal("without a key", [shop.outcome(one)["status"] for one in keyless],
                     ["done"] * 2)
        wrong = send(client, [transfer(ann, bob, 1), {"type": "void"}], "wrong", atomic=True)
        report.equal("refused at the door", (wrong.status, wrong["operation"]), (400, 1))
        # One that no record holds goes directly.
        large = [transfer(ann, bob, 1, reference=f"{number}" + "x" * 200)
                 for number in range(5000)]
        report.equal("too large", send(client, large, "large", atomic=True).status, 422)
    report.equal("balances", (shop.balance(ann), shop.balance(bob)), (1003, 7))
    versions = {dict(record.headers)["florin-version"] for record in cluster.read(shop.topic)
                if json.loads(record.value)["type"] == "batch"}
    report.equal("version 3", versions, {b"3"})
    described = command_schema()
    report.equal("schema", [misfit for record in cluster.read(shop.topic) for misfit in
                            schema.Description(described).misfit(described,
                                                                 json.loads(record.value))], [])
    shop.server.config["kafka"]["queue_writes"] = True
    shop.server.restart()
    ready(shop)
    with shop.client() as client:
        sent = shop.metric("queue_sent_total")
        real = send(client, [transfer(ann, bob, 1)] * 3, "real", queued=False, atomic=True)
        report.equal("the real answer", (real.status, [one["amount"] for one in real["results"]],
                                         real.replayed), (200, [1] * 3, False), real)
        no = send(client, bad, "real-bad", queued=False, atomic=True)
        report.equal("the real refusal", (no.status, no.code, no.get("operation"), no.replayed),
                     (422, "insufficient_funds", 1, False), no)
        report.equal("both were queued", shop.metric("queue_sent_total"), sent + 2)
    report.equal("and done once", (shop.balance(ann), shop.balance(bob)), (1000, 10))
    shop.server.stop()
    verified = shop.server.verify()
    report.equal("verified by who trusts nobody", verified.returncode, 0, verified)


def atomic_by_others(report, world, cluster):
    """Atomic batches that others wrote to the topic: a salary run with its fee; one that its key
    may not send, one that is malformed in the middle, and one in the wrong place; and the worker
    killed among many."""
    shop = world(session_timeout_ms=3000)
    ann, bob, house = shop.open("ann", money=100_000), shop.open("bob"), shop.open("house")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        auditor = client.post("/v1/keys", {"name": "reader", "role": "auditor"}).json
    producer, partitions = cluster.producer(), 4

    def write(name, operations, key=service, home=None):
        value = json.dumps({"type": "batch", "idempotency_key": name, "atomic": True,
                            "operations": operations}).encode()
        text = str(shops.slot_of(home or operations[0]["from"])).encode()
        headers = dict(shops.headers_of(key["secret"], key["id"], text, value, shop.topic))
        headers["florin-version"] = b"3"
        return producer.send(shop.topic, value, key=text, headers=list(headers.items()),
                             partition=shops.partition_of(text, partitions))
    pay = [transfer(ann, bob, 10), transfer(ann, house, 1)]
    done = shop.metric("worker_commands_total")
    write("p1", pay).get(30)
    write("p1", pay).get(30)
    write("p2", pay, auditor).get(30)
    write("p3", [transfer(ann, bob, 10), transfer(ann, house, 1_000_000)]).get(30)
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= done + 4, what="four records")
    report.equal("once, and together", (shop.balance(bob), shop.balance(house)), (10, 1))
    report.equal("no letters", shop.metric("worker_dead_letters_total"), 0)
    write("p4", [transfer(ann, bob, 10), transfer(ann, house, 0)]).get(30)
    write("p5", pay, home=bob if shops.slot_of(bob) != shops.slot_of(ann) else house).get(30)
    shop.wait_for(lambda: shop.metric("worker_dead_letters_total") == 2, what="two letters")
    report.equal("nothing of them", (shop.balance(bob), shop.balance(house)), (10, 1))
    reasons = [dict(letter.headers)["florin-reason"].decode() for letter in cluster.read(shop.dead)]
    report.check("why", any("/operations/1/amount" in reason for reason in reasons) and
                 any("wrong key" in reason for reason in reasons), reasons)
    shop.server.kill()
    for number in range(2000):
        write(f"many{number}", [transfer(ann, bob, 1), transfer(ann, house, 1)])
    producer.flush()
    shop.server.start()
    for _ in range(2):
        before = min(shop.balance(bob), 2009)
        shop.wait_for(lambda: shop.balance(bob) > before,  # pylint: disable=W0640
                      what="some of them")
        shop.server.kill()
        shop.server.start()
    shop.wait_for(lambda: shop.balance(bob) >= 2010, what="all of them")
    report.equal("each once, together", (shop.balance(bob), shop.balance(house)), (2010, 2001))
    with shop.client() as client:
        report.equal("books", client.get("/check-integrity?depth=full")["consistent"], True)
    shop.server.stop()
    verified = shop.server.verify()
    report.equal("verified by who trusts nobody", verified.returncode, 0, verified)


def lost_rights(report, world, cluster):
    """What is not the asker's to give is malformed at the door, at once. Who could give it when it
    was queued and has lost that right meanwhile is refused, as an outcome, and nothing is dead."""
    may = ["wallets:read", "wallets:open", "transfers:write", "batches:write"]
    shop = world(roles={"teller": {"number": 16, "permissions": [
        *may, "wallets:credit", "purchases:write"]}})
    ready(shop)
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        customer = client.post("/v1/keys", {"name": "c", "role": "customer", "owner": "ann"}).json
        teller = client.post("/v1/keys", {"name": "t", "role": "teller"}).json
    sent = shop.metric("queue_sent_total")
    pay = transfer(ann, bob, 1)
    closed = [pay, {"type": "withdrawal", "wallet": ann, "amount": 1,
                    "bank_transaction_id": "mine"}]
    with shop.server.client(customer["secret"]) as client:
        for queued in (True, False):
            answer = send(client, closed, "closed", queued=queued, atomic=True)
            report.equal("not hers to give", (answer.status, answer.code, answer.get("operation")),
                         (400, "invalid_request", 1), answer)
            report.check("which permission it needs", "withdrawals:settle" in answer["detail"],
                         answer)
    report.equal("nothing was handed over", shop.metric("queue_sent_total"), sent)
    text, producer = str(shops.slot_of(ann)).encode(), cluster.producer()
    partition = shops.partition_of(text, 4)

    def write(key, operations, version):
        value = json.dumps({"type": "batch", "idempotency_key": f"by-hand-{version}",
                            "atomic": True, "operations": operations}).encode()
        headers = shops.headers_of(key["secret"], key["id"], text, value, shop.topic)
        return producer.send(shop.topic, value, key=text, partition=partition, headers=[
            *{**dict(headers), "florin-version": version}.items()]).get(30).offset
    done = shop.metric("worker_commands_total")
    write(customer, closed, b"3")
    shop.wait_for(lambda: shop.metric("worker_commands_total") > done, what="her record")
    stands = write(teller, [pay], b"9")  # nobody knows that version: what is behind it waits
    shop.wait_for(lambda: shop.metric("worker_stopped") == 1, what="the partition to stop")
    purchase = {"type": "purchase", "wallet": ann, "merchant": bob, "amount": 1}
    with shop.server.client(teller["secret"]) as client:
        waiting = [(send(client, batch, f"waits-{number}", atomic=True), place)
                   for number, (batch, place) in enumerate((
                       ([pay, {"type": "wallet", "owner": "carl", "currency": "EUR",
                               "credit_limit": 500}], 1),
                       ([pay, purchase], 1), ([purchase, pay], 0)))]
    report.equal("queued", [answer.status for answer, _ in waiting], [202] * 3, waiting)
    shop.server.config["roles"]["teller"]["permissions"] = may
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_stopped") == 1, what="the partition to stop")
    with shop.client() as client:
        skipped = client.post(f"/v1/queue/{shop.topic}-{partition}/skip",
                              {"record": stands, "reason": "it is in the way"})
        report.equal("sent off", skipped.status, 200, skipped)
        for answer, place in waiting:
            told = client.get(f"/v1/operations/{answer['id']}", headers={"Prefer": "wait=30"})
            problem = told.get("problem", {})
            report.equal("the right was lost", (problem.get("code"), problem.get("operation")),
                         ("forbidden", place), told)
    report.equal("no letter but the one that was sent off", [
        dict(letter.headers)["florin-offset"] for letter in cluster.read(shop.dead)],
        [str(stands).encode()])
    report.equal("nothing of it", shop.balance(bob), 0)
    shop.server.stop()


def ten_thousand(report, world, cluster):
    """The largest batch that there is, of as many bytes as a request may have, finds room in the
    queue, however many threads share the memory; what is larger is told how much may be sent."""
    shop = world(http_threads=64, request_deadline_ms=60000)
    ready(shop)
    ann, bob = shop.open("ann", money=100_000), shop.open("bob")
    one = transfer(ann, bob, 1, metadata={name: name * 460 for name in "abc"})

    def body(count, size, name):
        batch = json.dumps({"operations": [{**one, "idempotency_key": f"{name}{number:05}"}
                                           for number in range(count)]}).encode()
        assert size * 9 // 10 < len(batch) <= size, len(batch)
        return batch[:-1] + b" " * (size - len(batch)) + batch[-1:]
    most = 16 * 1024 * 1024
    with shop.client(120.0) as client:
        queued = client.post("/v1/batches", body(10_000, most, "n"),
                             headers={"Prefer": "respond-async"})
        report.equal("all of it is taken", (queued.status, {
            part.get("status") for part in queued.json.get("results", [queued.json])}),
            (202, {"queued"}))
        for name, sent, code, said in (
                ("a byte more", body(10_000, most + 1, "m"), "request_too_large", "16 MiB"),
                ("one more", body(10_001, most, "o"), "invalid_request", "1 to 10000")):
            refused = client.post("/v1/batches", sent, headers={"Prefer": "respond-async"})
            report.equal(name, refused.code, code, refused)
            report.check(f"{name}: it says the limit", said in refused["detail"], refused)
    report.equal("the last is done", shop.outcome(queued["results"][-1]["id"], 120.0)["status"],
                 "done")
    shop.wait_for(lambda: shop.balance(bob) == 10_000, what="all of it")
    # As large a record as the topic takes, and nobody can read it: it is buried as it came.
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    text, value = str(shops.slot_of(ann)).encode(), b"x" * 1_048_250
    headers = shops.headers_of(service["secret"], service["id"], text, value, shop.topic)
    cluster.producer(max_request_size=2_000_000).send(
        shop.topic, value, key=text, partition=shops.partition_of(text, 4),
        headers=headers).get(60)
    with shop.client() as client:
        behind = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})["id"]
    report.equal("what is behind it is done", shop.outcome(behind)["status"], "done")
    letters = cluster.read(shop.dead)
    report.check("its letter has it whole", [letter.value for letter in letters] == [value],
                 len(letters))
    shop.server.stop()


def large_ones(report, world, cluster):
    """Forty atomic batches, each as large as brokers take, in the way of one payment: the worker's
    memory has a bound, and the payment is done behind them."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    text, producer = str(shops.slot_of(ann)).encode(), cluster.producer(linger_ms=0)
    rest = [transfer(ann, bob, 1)] * 7500
    for number in range(40):
        value = json.dumps({"type": "batch", "idempotency_key": f"large{number}", "atomic": True,
                            "operations": [transfer(ann, bob, 5000), *rest]},
                           separators=(",", ":")).encode()
        assert 800_000 < len(value) < 900_000, len(value)
        headers = dict(shops.headers_of(service["secret"], service["id"], text, value, shop.topic))
        headers["florin-version"] = b"3"
        producer.send(shop.topic, value, key=text, headers=list(headers.items()),
                      partition=shops.partition_of(text, 4)).get(60)
    with shop.client() as client:
        behind = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})["id"]
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    report.equal("done behind them", shop.outcome(behind, 120.0)["status"], "done")
    with open(f"/proc/{shop.server.process.pid}/status", encoding="utf-8") as file:
        most = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    print(f"kafka queue: at most {most // 1024} MiB", flush=True)
    if "sanitized" not in shop.server.florin:  # which needs several times as much
        report.check("in bounded memory", most < 400 * 1024, f"{most} KiB")
    report.equal("and alone", shop.balance(bob), 1)
    shop.server.stop()


def refused_by_the_broker(report, world, cluster):
    """What is larger than the topic takes is told so, with the limit; what it takes of the same
    batch is queued."""
    shop = world()
    ann, bob = shop.open("ann", money=1000), shop.open("bob")

    def place(wallet):
        return shops.partition_of(str(shops.slot_of(wallet)).encode(), 4)
    # What waits for the same partition goes together, and is refused together.
    others = (shop.open(f"other{number}", money=1000) for number in range(100))
    carl = next(other for other in others if place(other) != place(ann))
    safe = {"cleanup_policy": "delete", "unclean_leader_election_enable": "false"}
    long = {"reference": "x" * 250, "idempotency_key": "y" * 250}
    said = "larger than the topic of the queue takes, which is 850 bytes"
    cluster.change_topic(shop.topic, max_message_bytes=850, **safe)
    with shop.client() as client:
        early = 0

        def is_told():
            """Until the node has heard of it, the broker refuses: that may pass. Until the broker
            has, it takes it."""
            nonlocal early
            alone = shop.queue(client, "/v1/transfers", {
                "from": ann, "to": bob, "amount": 1, "reference": "x" * 250}, key="k" * 250)
            taken = alone.status in (201, 202)
            early = 1 if taken else early
            report.check("alone", taken or alone.code in ("busy", "request_too_large"), alone)
            return not taken and alone.status == 413 and said in alone["detail"]
        shop.wait_for(is_told, what="the topic to be looked at")
        mixed = send(client, [transfer(ann, bob, 2, idempotency_key="small"),
                              transfer(carl, bob, 4, **long)])
        report.equal("in a batch", (mixed.status, [one.get("code", one["status"])
                                                   for one in mixed["results"]]),
                     (202, ["queued", "request_too_large"]), mixed)
        report.check("with the limit", said in mixed["results"][1]["detail"], mixed)
        whole = send(client, [transfer(carl, bob, 4, **long)])
        report.check("all of a batch", whole.status == 413 and said in whole["detail"], whole)
        report.equal("what was taken is done", shop.outcome(mixed["results"][0]["id"])["status"],
                     "done")
        cluster.change_topic(shop.topic, **safe)
        again = None

        def is_taken():
            nonlocal again
            again = send(client, [transfer(ann, bob, 2, idempotency_key="small"),
                                  transfer(carl, bob, 4, **long)])
            return all("id" in one for one in again["results"])
        shop.wait_for(is_taken, what="the topic to be looked at again")
        report.equal("sent again", [shop.outcome(one["id"])["status"]
                                    for one in again["results"]], ["done"] * 2)
    report.equal("each once", shop.balance(bob), 6 + early)
    shop.server.stop()
