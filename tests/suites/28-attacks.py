#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks that no other suite is about: bombs of JSON, amounts beyond all bounds, guessed ids,
borrowed idempotency keys, races with freezing, revoking and lowering, double spending from 64
connections, forged lines in the log, tricks with paths and encodings. Smuggling, malformed HTTP and
slow clients are in 44-connections.py, tokens in 25-tokens.py, foreign wallets in 25-roles.py."""

import json
import os
import sys
import threading
import zlib

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402

LIMIT = 2**53 - 1


class World:
    """A shop, customers, and something of every kind that can be paid, held or settled."""
    def __init__(self, server):
        self.server = server
        self.client = server.client()
        self.shop = self.wallet("shop", kind="merchant")
        self.ann = self.wallet("ann")
        self.bob = self.wallet("bob")
        self.deposit(self.ann, 100_000, "start")

    def wallet(self, owner, **more):
        return self.client.post("/v1/wallets", {"owner": owner, "currency": "USD", **more})["id"]

    def deposit(self, wallet, amount, bank):
        return self.client.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                                 "bank_transaction_id": bank})

    def balance(self, wallet):
        return self.client.get(f"/v1/wallets/{wallet}")["balance"]

    def consistent(self, report, name):
        answer = self.client.get("/check-integrity?depth=full")
        report.check(f"{name}: the books agree", answer.get("consistent") is True, answer)

    def alive(self, report, name):
        report.equal(f"{name}: the server lives", self.client.get("/healthz").status, 200)


def bombs(report, world):
    deep = "[" * 100_000
    transfer = f'{{"from": "{world.ann}", "to": "{world.bob}", "amount": 1'
    bodies = {
        "deep arrays": deep, "deep objects": '{"a":' * 10_000, "depth in metadata":
        transfer + ', "metadata": ' + "[" * 900 + "]" * 900 + "}",
        "a million names": "{" + ",".join(f'"{i}":1' for i in range(6000)) + "}",
        "a number of many digits": transfer[:-1] + "1" * 50_000 + "}",
        "a long exponent": transfer[:-1] + "1e999999}",
        "amount twice": transfer + ', "amount": 2}',
        "a name twice, escaped": transfer + ', "\\u0061mount": 2}',
        "to twice": transfer + f', "to": "{world.shop}"}}',
        "metadata twice": transfer + ', "metadata": {"a": "1", "a": "2"}}',
        "NUL in a text": transfer + ', "reference": "a\\u0000b"}',
        "half a character": transfer + ', "reference": "\\ud800"}',
        "bytes that are no text": (transfer + ', "reference": "').encode() + b'\xff\xfe"}',
        "a mark in front": b"\xef\xbb\xbf" + (transfer + "}").encode(),
        "something behind": transfer + "} {}", "comments": transfer + "} // yes",
        "a prototype": transfer + ', "__proto__": {"admin": true}}',
        "nothing but space": " " * 60_000,
    }
    before = world.balance(world.ann)
    for name, body in bodies.items():
        answer = world.client.post("/v1/transfers", body)
        report.check(f"{name}: refused", answer.status in (400, 413), answer)
    report.equal("bombs move nothing", world.balance(world.ann), before)
    packed = zlib.compress((transfer + "}").encode())
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"]:
        answer = world.client.request("POST", "/v1/transfers", packed,
                                      {"Content-Encoding": encoding,
                                       "Content-Type": "application/json"})
        report.equal(f"nothing is unpacked: {encoding}", answer.status, 415, answer)
    world.alive(report, "bombs")


def limits(report, world):
    """Each bound of what a client controls, at the last that is taken and the first that is not.
    Heads, connections and times are in 44-connections.py."""
    client = world.client

    def filled(body, size):
        return body[:-1] + " " * (size - len(body)) + "}"

    def wallet(**more):
        return client.post("/v1/wallets", {"owner": "bounds", "currency": "USD", **more}).status

    for depth, deep in ((16, False), (17, True), (900, True)):
        answer = client.post("/v1/transfers", '{"x": ' + "[" * (depth - 1) + "]" * (depth - 1)
                             + "}")
        report.equal(f"JSON {depth} deep", (answer.status, "nested too deeply" in str(answer)),
                     (400, deep), answer)
    payment = json.dumps({"from": world.ann, "to": world.ann, "amount": 1})
    batch = json.dumps({"operations": [{"type": "transfer", **json.loads(payment)}]})
    for path, body, size, taken in (("/v1/transfers", payment, 2**16, 422),
                                    ("/v1/batches", batch, 2**24, 200)):
        for more, status in ((0, taken), (1, 413)):
            answer = client.post(path, filled(body, size + more))
            report.equal(f"{path}: a body of {size + more} bytes", answer.status, status)
    for count, status in ((0, 400), (1, 200), (10_000, 200), (10_001, 400)):
        answer = client.post("/v1/batches", {"operations": json.loads(batch)["operations"] * count})
        report.equal(f"a batch of {count}", answer.status, status)
    for path in ("/v1/wallets", "/v1/transactions", f"/v1/wallets/{world.ann}/transactions",
                 "/v1/holds", "/v1/withdrawals", "/v1/approvals", "/v1/keys", "/v1/audit",
                 "/v1/anomalies"):
        for limit, status in ((0, 400), (1, 200), (1000, 200), (1001, 400), (2**64, 400),
                              (-1, 400), ("1e3", 400)):
            answer = client.get(f"{path}?limit={limit}")
            report.equal(f"{path}: a page of {limit}", answer.status, status, answer)
    for name, status in (("a" * 255, 201), ("a" * 256, 400), ("😀" * 255, 201), ("😀" * 256, 400),
                         ("", 400)):
        report.equal(f"an owner of {len(name)} characters, {len(name.encode())} bytes",
                     wallet(owner=name), status)
    for entries, name, value, status in ((32, 60, 512, 201), (33, 1, 1, 400), (1, 64, 1, 201),
                                         (1, 65, 1, 400), (1, 1, 513, 400)):
        metadata = {f"{i:0{name}}": "v" * value for i in range(entries)}
        report.equal(f"metadata of {entries} times {name} and {value}", wallet(metadata=metadata),
                     status)
    for size, status in ((255, 201), (256, 400)):
        answer = client.post("/v1/wallets", {"owner": "bounds", "currency": "USD"}, key="k" * size)
        report.equal(f"an idempotency key of {size} bytes", answer.status, status, answer)
    world.alive(report, "limits")


def amounts(report, world):
    """Every amount of the API, at and beyond its bounds."""
    client = world.client
    hold = client.post("/v1/holds", {"wallet": world.ann, "merchant": world.shop, "amount": 10})
    buy = client.post("/v1/purchases", {"wallet": world.ann, "merchant": world.shop, "amount": 10})
    calls = {
        "deposit": ("/v1/deposits", {"wallet": world.ann, "bank_transaction_id": "x"}),
        "withdrawal": ("/v1/withdrawals", {"wallet": world.ann}),
        "purchase": ("/v1/purchases", {"wallet": world.ann, "merchant": world.shop}),
        "transfer": ("/v1/transfers", {"from": world.ann, "to": world.bob}),
        "hold": ("/v1/holds", {"wallet": world.ann, "merchant": world.shop}),
        "refund": ("/v1/refunds", {"purchase": buy["id"]}),
        "capture": (f"/v1/holds/{hold['id']}/capture", {}),
        "adjustment": ("/v1/adjustments", {"wallet": world.ann, "direction": "credit",
                                           "reason": "r"}),
    }
    wrong = ["0", "-1", str(LIMIT + 1), str(2**63 - 1), str(2**63), str(2**64), str(2**64 + 1),
             str(-2**63), "1.5", "1.0", "1e2", '"1"', "null", "true", "[1]", "01", "+1", "0x10",
             "1" + "0" * 400]
    before = [world.balance(wallet) for wallet in (world.ann, world.bob, world.shop)]
    for name, (path, body) in calls.items():
        for amount in wrong:
            text = json.dumps({**body, "amount": "@"}).replace('"@"', amount)
            answer = client.post(path, text)
            report.equal(f"{name} of {amount[:24]}", answer.status, 400, answer)
    for amount in ["-1", str(LIMIT + 1), str(2**64), "1.5", "1e400"]:
        for send, path, text in (
                (client.patch, f"/v1/wallets/{world.ann}", f'{{"credit_limit": {amount}}}'),
                (client.post, "/v1/wallets", '{"owner": "o", "currency": "USD", '
                 f'"credit_limit": {amount}}}'),
                (client.post, "/v1/batches", '{"operations": [{"type": "transfer", "from": '
                 f'"{world.ann}", "to": "{world.bob}", "amount": {amount}}}]}}')):
            answer = send(path, text)
            refused = answer.status == 400 or (
                answer.status == 200 and answer["results"][0].get("status") == 400)
            report.check(f"{path} with {amount}", refused, answer)
    report.equal("nothing moved", [world.balance(wallet) for wallet in
                                   (world.ann, world.bob, world.shop)], before)
    rich = world.wallet("rich")
    report.equal("as much as there can be", world.deposit(rich, LIMIT, "r1").status, 201)
    report.equal("and not one more", world.deposit(rich, 1, "r2").code, "balance_limit_exceeded")
    report.equal("nor by a transfer", client.post("/v1/transfers", {
        "from": world.ann, "to": rich, "amount": 1}).code, "balance_limit_exceeded")
    client.patch(f"/v1/wallets/{rich}", {"credit_limit": LIMIT})
    answer = client.post("/v1/withdrawals", {"wallet": rich, "amount": LIMIT})
    report.equal("a limit and a balance do not overflow together", answer.status, 201, answer)
    answer = client.post("/v1/withdrawals", {"wallet": rich, "amount": 1})
    report.equal("nor does what is held", answer.code, "balance_limit_exceeded", answer)
    world.consistent(report, "amounts")


def ids(report, world):
    """Neighbours of an id do not exist, and ids do not tell how many there are."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    found = 0
    for place in range(len(world.ann) - 26, len(world.ann)):
        for digit in alphabet:
            guess = world.ann[:place] + digit + world.ann[place + 1:]
            if guess not in (world.ann, world.bob, world.shop):
                found += world.client.get(f"/v1/wallets/{guess}").status == 200
    report.equal("no neighbour of an id exists", found, 0)
    tails = [world.wallet(f"o{i}")[-16:] for i in range(50)]
    report.equal("ids do not stand in order", tails == sorted(tails), False)
    for path in ["/v1/wallets/../keys", "/v1/wallets/%2e%2e/keys", "/v1//wallets", "/v1/wallets/",
                 "/V1/wallets", "/v1/wallets;a=b", "/v1/wallets%00", "/v1/wallets/%2fetc%2fpasswd",
                 "/../../etc/passwd", "//v1/wallets", "/v1/keys/..;/wallets",
                 "/v1/wallets%0d%0aX: y",
                 "/.git/config", "/v1/wallets/" + "a" * 3000]:
        answer = world.client.get(path)
        report.check(f"path {path[:40]}", answer.status in (400, 404, 414), answer)


def cursors(report, world):
    """A cursor of another list, or one that was made up or changed, leads nowhere."""
    lists = ["/v1/wallets", f"/v1/wallets/{world.ann}/transactions", "/v1/transactions",
             "/v1/withdrawals", "/v1/holds", "/v1/approvals", "/v1/keys", "/v1/audit",
             "/v1/transactions?type=deposit", "/v1/holds?order=o1"]
    for i in range(4):
        world.deposit(world.ann, 10, f"cursors-{i}")
        world.client.post("/v1/withdrawals", {"wallet": world.ann, "amount": 1})
        world.client.post("/v1/holds", {"wallet": world.ann, "merchant": world.shop, "amount": 1,
                                        "order": "o1"})
        world.client.post("/v1/adjustments", {"wallet": world.ann, "direction": "credit",
                                              "amount": 1, "reason": "r"})
        world.server.key("auditor")

    def page(path, **query):
        joint = "&" if "?" in path else "?"
        return world.client.get(path + joint + "&".join(f"{k}={v}" for k, v in query.items()))

    found = {path: page(path, limit=1).get("next_cursor") for path in lists}
    report.check("every list has a second page", all(found.values()), found)
    made_up = ["0" * 26, ("f" + "z" * 12) * 2, "0" * 25 + "1", "7abcdefghjkmn" * 2]
    for path in lists:
        own = found[path]
        report.equal(f"{path}: its own cursor", page(path, cursor=own).status, 200)
        changed = [own[:i] + ("1" if own[i] == "0" else "0") + own[i + 1:] for i in (0, 12, 13, 25)]
        halves = [own[:13], own[13:], own[13:] + own[:13],  # as cursors were, and mixed up
                  own[:13] + found["/v1/wallets" if path != "/v1/wallets" else "/v1/keys"][13:]]
        for cursor in [*(found[other] for other in lists if other != path), *made_up, *changed,
                       *halves]:
            answer = page(path, cursor=cursor)
            report.equal(f"{path} with {cursor}", (answer.status, answer.code), (
                400, "invalid_request"), answer)
            report.check("and says why", answer.status == 400 and [
                (error["pointer"], "begin with the first page" in error["detail"])
                for error in answer.json["errors"]] == [("/cursor", True)], answer)
    nobody = f"wallet_{'0' * 26}"
    for path in (f"/v1/holds?wallet={nobody}", f"/v1/withdrawals?wallet={nobody}",
                 f"/v1/audit?resource={nobody}"):
        report.equal(f"{path} finds nothing", world.client.get(path)["items"], [])


def borrowed_keys(report, world):
    """An idempotency key is its principal's alone."""
    body = {"from": world.ann, "to": world.bob, "amount": 7}
    first = world.client.post("/v1/transfers", body, key="shared")
    other = world.server.key("service")
    with world.server.client(other["secret"]) as client:
        second = client.post("/v1/transfers", body, key="shared")
        report.check("another principal's key is another key",
                     second.status == 201 and second["id"] != first["id"]
                     and "idempotent-replayed" not in second.headers, second)
        third = client.post("/v1/transfers", {**body, "amount": 8}, key="shared")
        report.equal("and its own is its own", third.code, "idempotency_key_reused")
    stolen = {"/v1/wallets": {"owner": "carl", "currency": "USD", "metadata": {"pin": "secret"}},
              "/v1/deposits": {"wallet": world.ann, "amount": 3, "bank_transaction_id": "stolen",
                               "reference": "secret"},
              "/v1/withdrawals": {"wallet": world.ann, "amount": 3, "reference": "secret"},
              "/v1/holds": {"wallet": world.ann, "merchant": world.shop, "amount": 3,
                            "reference": "secret"},
              "/v1/purchases": {"wallet": world.ann, "merchant": world.shop, "amount": 3,
                                "reference": "secret"},
              "/v1/batches": {"operations": [{"type": "transfer", "from": world.ann,
                                              "to": world.bob, "amount": 3,
                                              "reference": "secret"}]},
              "/v1/keys": {"name": "secret", "role": "service"}}
    thief = world.server.key("customer", owner="bob")
    with world.server.client(thief["secret"]) as client:
        for path, body in stolen.items():
            own = world.client.post(path, body, key=f"stolen {path}")
            report.check(f"{path}: the owner's", own.status < 300, own)
            before, own_id = world.balance(world.ann), (own.get("results") or [own.json])[0]["id"]
            # The same key with the same body, and with one of his own.
            for what in (body, {}):
                taken = client.post(path, what, key=f"stolen {path}")
                status = (taken.get("results") or [{"status": taken.status}])[0].get("status", 200)
                report.check(f"{path}: a key tells its thief nothing", status >= 400 and "secret"
                             not in str(taken.json) and own_id not in str(taken.json), taken)
            report.equal(f"{path}: and moves nothing", world.balance(world.ann), before)
            again = world.client.post(path, body, key=f"stolen {path}")
            report.check(f"{path}: the owner's answer stays", own_id in str(again.json) and
                         (again.replayed or again["results"][0]["replayed"]), again)


def log_injection(report, world):
    forged = "2026-01-01T00:00:00.000Z info    serve: everything is fine"
    for header in ["X-Request-Id", "User-Agent", "Idempotency-Key", "Authorization"]:
        world.client.get("/v1/wallets", headers={header: f"x\t{forged}\x1b[2J"})
    world.client.get(f"/v1/%0a{forged.replace(' ', '%20')}")
    world.client.post("/v1/wallets", {"owner": f"a\n{forged}", "currency": "USD"})
    report.check("no client can forge a line of the log", forged not in world.server.log()
                 and "\x1b" not in world.server.log())


def log_in_json(report, binary):
    """Whatever a client sends, a line of the log is one object that says who wrote it."""
    with florin.serving(florin=binary, environment={"FLORIN_LOG": "json"},
                        config={"slow_request_ms": 1}) as server:
        with server.client() as client:
            for number in range(5):
                client.post("/v1/batches", {"operations": [
                    {"type": "transfer", "from": '"}\n{"level": "forged', "to": "x",
                     "amount": 1}] * 2000}, headers={"X-Request-Id": f'r{number}"}},{{"a": "b'})
                client.get('/v1/%22%7D%0A%7B%22level%22:%22forged%22')
        server.stop()
        with open(server.log_path, encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("{")]
        read = [json.loads(line) for line in lines]
        report.check("every line is an object with its own members", read and all(
            set(line) - {"request_id"} == {"time", "level", "component", "message"} and
            line["level"] != "forged" for line in read), read[:3])
        slow = [line for line in read if line["component"] == "slow"]
        report.check("a line about a request has its id", slow and all(
            line.get("request_id") for line in slow), slow[:3])


def together(count, work):
    """Runs work(i) on many threads that begin at once; what they returned, flat."""
    results, barrier = [], threading.Barrier(count)

    def one(i):
        barrier.wait()
        results.extend(work(i))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def double_spending(report, world):
    victim = world.wallet("victim")
    world.deposit(victim, 100, "spend")

    def spend(_):
        with world.server.client() as client:
            return [client.post("/v1/transfers", {"from": victim, "to": world.bob, "amount": 10})
                    for _ in range(5)]

    answers = together(64, spend)
    report.equal("64 connections spend it once", sum(a.status == 201 for a in answers), 10)
    report.equal("all others are refused", {a.code for a in answers if a.status != 201},
                 {"insufficient_funds"})
    report.equal("nothing is left", world.balance(victim), 0)
    world.deposit(victim, 100, "again")
    answers = together(64, lambda i: [world.server.client().post(
        "/v1/transfers", {"from": victim, "to": world.bob, "amount": 10}, key="the one")])
    report.equal("64 retries at once pay once", (len({a.get("id") for a in answers}),
                                                 world.balance(victim)), (1, 90))
    buy = world.client.post("/v1/purchases", {"wallet": victim, "merchant": world.shop,
                                              "amount": 50})["id"]
    answers = together(32, lambda i: [world.server.client().post(
        "/v1/refunds", {"purchase": buy, "amount": 30})])
    report.equal("a purchase is refunded once", sum(a.status == 201 for a in answers), 1)
    hold = world.client.post("/v1/holds", {"wallet": victim, "merchant": world.shop,
                                           "amount": 20})["id"]
    answers = together(32, lambda i: [world.server.client().post(
        f"/v1/holds/{hold}/{'capture' if i % 2 else 'void'}", {})])
    report.equal("a hold ends once", sum(a.status < 300 for a in answers), 1)
    world.consistent(report, "double spending")


def races(report, world):
    """What was frozen, revoked or lowered holds for everything that is answered afterwards."""
    for name in ("freeze", "revoke", "lower"):
        payer = world.wallet(name, credit_limit=10_000)
        key = world.server.key("service")
        done, stop, order = threading.Event(), threading.Event(), []

        def burst(_, payer=payer, key=key, order=order, stop=stop, done=done):
            with world.server.client(key["secret"]) as client:
                while not stop.is_set():
                    after = done.is_set()
                    answer = client.post("/v1/transfers", {"from": payer, "to": world.bob,
                                                           "amount": 1})
                    order.append((after, answer.status))
            return []

        threads = [threading.Thread(target=burst, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        while sum(status == 201 for _, status in list(order)) < 20:
            pass
        if name == "freeze":
            world.client.patch(f"/v1/wallets/{payer}", {"status": "frozen"})
        elif name == "revoke":
            world.client.delete(f"/v1/keys/{key['id']}")
        else:
            spent = -world.balance(payer)
            while world.client.patch(f"/v1/wallets/{payer}", {"credit_limit": spent}).status != 200:
                spent = -world.balance(payer) + 5
        done.set()
        settled = world.balance(payer)
        while sum(after for after, _ in list(order)) < 40:
            pass
        stop.set()
        for thread in threads:
            thread.join()
        late = [status for after, status in order if after and status == 201]
        if name == "lower":
            limit = world.client.get(f"/v1/wallets/{payer}")["credit_limit"]
            report.check("lower: never below the new limit", -world.balance(payer) <= limit,
                         (world.balance(payer), limit))
        else:
            report.equal(f"{name}: nothing goes through afterwards",
                         (late, world.balance(payer)), ([], settled))
    world.consistent(report, "races")


def main():
    report = Report("attacks")
    with florin.serving(florin=florin.binary(), config={"http_threads": 2}) as server:
        world = World(server)
        for attack in (bombs, limits, amounts, ids, cursors, borrowed_keys, log_injection,
                       double_spending, races):
            report.run(attack.__name__, lambda told, attack=attack: attack(told, world))
        report.run("log in JSON", log_in_json, server.florin)
        world.client.close()
        report.equal("a clean stop", server.stop(), 0)
        done = server.verify()
        report.equal("florin verify agrees", done.returncode, 0, done.stdout + done.stderr)
    report.finish()


if __name__ == "__main__":
    main()
