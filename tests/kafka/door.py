# SPDX-License-Identifier: MIT
"""What the door to the queue does before it hands a write over, and for those who wait for it."""

import os
import re
import threading
import time
import uuid

import florin
import rules
import shop as shops
import tokens

HERE = os.path.dirname(os.path.abspath(__file__))


def vectors(report):
    """What the docs tell other producers about partitions is what these tests produce with."""
    with open(os.path.join(HERE, "..", "..", "docs", "kafka.md"), encoding="utf-8") as file:
        told = file.read().partition("Test vectors:")[2].partition(".\n")[0]
    found = re.findall(r"`([^`]+)` (-?[0-9]+)", told)
    report.check("there are some", len(found) >= 4, told)
    for key, number in found:
        report.equal(f"murmur2 of {key}", shops.murmur2(key.encode()), int(number) % 2 ** 32)


def at_the_door(report, world):
    """Rate limits, permissions and the form are looked at before anything is handed over; and the
    audit knows of what was queued who asked for it, from where and in which request."""
    shop = world(rate_limits=[{"per": "key", "class": "money", "requests": 1, "seconds": 3600,
                               "burst": 3}])
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    body, sent = {"from": ann, "to": bob, "amount": 1}, shop.metric("queue_sent_total")
    with shop.client() as admin:
        service = admin.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        auditor = admin.post("/v1/keys", {"name": "reader", "role": "auditor"}).json
        with shop.server.client(auditor["secret"]) as client:
            report.equal("no right", shop.queue(client, "/v1/transfers", body).code, "forbidden")
        with shop.server.client("florin_service_nonsense") as client:
            report.equal("no key", shop.queue(client, "/v1/transfers", body).status, 401)
        report.equal("no form", shop.queue(admin, "/v1/transfers", {}).code, "invalid_request")
        report.equal("nothing of it was handed over", shop.metric("queue_sent_total"), sent)
        with shop.server.client(service["secret"]) as client:
            answers = [shop.queue(client, "/v1/transfers", body if number else dict(
                body, amount=5000), **{"X-Request-Id": f"door-{number}"}) for number in range(5)]
        report.equal("the limit", [answer.status for answer in answers],
                     [202, 202, 202, 429, 429])
        report.check("when to come again", "retry-after" in answers[-1].headers, answers[-1])
        report.equal("what was over it was not handed over", shop.metric("queue_sent_total"),
                     sent + 3)
        ended = [shop.outcome(answer["id"])["status"] for answer in answers[:3]]
        report.equal("what was not is done", ended, ["refused", "done", "done"])

        def audit():
            return {(entry["principal"], entry["role"], entry["address"], entry["request_id"],
                     entry["outcome"]) for entry in admin.get("/v1/audit?limit=200")["items"]
                    if entry.get("operation") == "transfer" and "principal" in entry}
        who = (service["id"], "service", "127.0.0.1")
        wanted = {(*who, "door-0", "insufficient_funds"), (*who, "door-1", "ok"),
                  (*who, "door-2", "ok"), (*who, "door-3", "rate_limited")}
        shop.wait_for(lambda: wanted <= audit() and
                      "forbidden" in {entry[-1] for entry in audit()}, what="the audit")
    report.equal("once", (shop.balance(ann), shop.balance(bob)), (998, 2))
    shop.server.stop()


def tokens_queued(report, world):
    """What somebody queues who came with a token is done in his name, within what he is bound to,
    and not any more when his token has run out."""
    home, issuer = florin.folder(), "https://id.example"
    key = tokens.Key(home, "ES256", "curve")
    tokens.write_set(os.path.join(home, "keys.json"), [key])
    shop = world(tokens=[{"issuer": issuer, "audience": "florin", "leeway_s": 0,
                          "keys": os.path.join(home, "keys.json"), "role_claim": "groups",
                          "roles": {"till": "service", "buyer": "customer"},
                          "owner_claim": "shop"}])
    ann, bob = shop.open("ann of the hill", money=100), shop.open("bob", money=100)

    def queue(source, target, amount, **claims):
        token = key.token(tokens.claims(issuer, **claims))
        with shop.server.client(token) as client:
            answer = shop.queue(client, "/v1/transfers", {"from": source, "to": target,
                                                          "amount": amount})
        report.equal("queued", answer.status, 202, answer)
        return answer["id"]
    hers = {"groups": "buyer", "shop": "ann of the hill"}
    places = [queue(bob, ann, 1, groups="till"), queue(ann, bob, 20, **hers),
              queue(bob, ann, 50, **hers)]
    ended = [shop.outcome(place) for place in places]
    report.equal("done and refused", [one["status"] for one in ended], ["done", "done", "refused"],
                 ended)
    report.equal("nobody else's wallet is there", ended[2]["problem"]["code"], "not_found")
    with shop.server.client(key.token(tokens.claims(issuer, **hers))) as client:
        told = client.get(f"/v1/operations/{places[1]}")["result"]
        report.equal("no more of the other side is told than of any transaction of hers", told,
                     client.get(f"/v1/transactions/{told['id']}").json)
    report.equal("in whose name", {one["result"]["initiated_by"] for one in ended[:2]},
                 {f"jwt:{issuer}|ann"})
    shop.server.config["kafka"]["work"] = False
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    good_until = int(time.time()) + 4
    late = queue(ann, bob, 30, exp=good_until, **hers)
    shop.wait_for(lambda: time.time() > good_until, what="the token to run out")
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    report.equal("a token that has run out", shop.outcome(late)["problem"]["code"],
                 "unauthenticated")
    report.equal("balances", (shop.balance(ann), shop.balance(bob)), (81, 119))
    shop.server.stop()


def held_payments(report, world):
    """A queued payment that has to wait for a person: its operation tells what a retry would be
    told, before and after the decision."""
    shop = world(**rules.config([rules.rule("large", "hold", amount=500, operations=["transfer"],
                                            currencies=["EUR"])]),
                 approvals={"above": {"EUR": 5000}})
    ann, bob = shop.open("ann", money=5000), shop.open("bob")
    with shop.client() as client:
        for number in range(3):
            client.post("/v1/deposits", {"wallet": ann, "amount": 5000,
                                         "bank_transaction_id": f"H{number}"})
        boss = client.post("/v1/keys", {"name": "boss", "role": "admin"})["secret"]
    transfer, withdrawal = {"from": ann, "to": bob}, {"wallet": ann}
    with shop.client() as client, shop.server.client(boss) as other:
        for name, path, body, where, word in (
                ("held", "transfers", {**transfer, "amount": 600}, "anomalies", "approve"),
                ("rejected", "transfers", {**transfer, "amount": 700}, "anomalies", "reject"),
                ("asked", "withdrawals", {**withdrawal, "amount": 6000}, "approvals", "approve"),
                ("refused", "withdrawals", {**withdrawal, "amount": 7000}, "approvals", "reject")):
            place = shop.queue(client, f"/v1/{path}", body, key=name)["id"]
            for decided in (False, True):
                told, again = shop.outcome(place), client.post(f"/v1/{path}", body, key=name)
                report.equal(f"{name}, decided {decided}: told the same",
                             told.get("result", told.get("problem")), again.json, told)
                if not decided:
                    waits = other.get(f"/v1/{where}?status=pending")["items"][0]["id"]
                    done = other.post(f"/v1/{where}/{waits}/{word}", {})
                    report.equal(f"{name}: {word}", done.status, 200, done)
    report.equal("what was paid", shop.balance(bob), 600)
    shop.server.stop()


def waiting_together(report, cluster, binary):
    """Many wait for outcomes: the books are asked for all of them at once. How long may be waited
    has bounds, and what is no number of seconds does not wait."""
    topic = f"commands.{uuid.uuid4().hex[:8]}"
    cluster.make_topic(topic, 4)
    shop = shops.Shop(cluster, binary, commands_topic=topic, events=False, work=False,
                      http_threads=1)
    shop.wait_for(lambda: shop.metric("queue_broker_up") == 1, what="the broker")
    ann = shop.open("ann")
    with shop.client() as client:
        places = [shop.queue(client, "/v1/deposits", {
            "wallet": ann, "amount": 1, "bank_transaction_id": f"W{number}"}).headers["location"]
                  for number in range(40)]
        for wait in ("wait=0", "wait=-5", "wait=abc", "wait", "respond-async", "wait=1"):
            begun = time.monotonic()
            told = client.get(places[0], headers={"Prefer": wait})
            report.equal(f"{wait}: queued", told["status"], "queued")
            report.check(f"{wait}: it waits not longer", time.monotonic() - begun < 30)
    begun, answers = time.monotonic(), []

    def ask(place):
        with shop.client() as client:
            answers.append(client.get(place, headers={"Prefer": "wait=5"})["status"])
    threads = [threading.Thread(target=ask, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    shop.wait_for(lambda: shop.metric("requests_waiting") >= len(places), what="all to wait")
    rounds, since = shop.metric("engine_rounds_total"), time.monotonic()
    for thread in threads:
        thread.join()
    rounds, took = shop.metric("engine_rounds_total") - rounds, time.monotonic() - since
    report.equal("all are told", answers, ["queued"] * len(places))
    report.check("they waited", time.monotonic() - begun >= 5)
    # Each alone would be 40 times as many. Others (notes of the audit, a lease) are few.
    report.check("who waits because he likes to is not slow",
                 "slow: readOperation" not in shop.server.log(), shop.server.log()[-900:])
    report.check("one question for all that wait", 10 < rounds < 100 + 400 * took, (rounds, took))
    shop.server.stop()
