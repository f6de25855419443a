#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rate limits with a real server: bursts and rates, headers, batches, idempotency keys, strangers,
several threads, one noisy client beside a quiet one, and no trace of any of it when none are set.
"""

import os
import re
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

ITEM = re.compile(r'"([a-z-]+)";([a-z])=(\d+);([a-z])=(\d+)')
LIMITED = re.compile(r'florin_requests_limited_total\{limit="([a-z-]+)"\} (\d+)')
NEVER = "florin_admin_" + "0" * 43 + "_"


def items(answer, header):
    """{limit: {parameter: number}} of a header with limits."""
    return {name: {first: int(one), second: int(two)}
            for name, first, one, second, two in ITEM.findall(answer.headers.get(header, ""))}


def limited(client):
    """What the metrics count, by limit."""
    page = client.get("/metrics").body.decode()
    return {name: int(value) for name, value in LIMITED.findall(page)}


def refused(report, name, answer, limit):
    """A 429 as the contract has it; its Retry-After."""
    seconds = answer.headers.get("retry-after", "")
    report.equal(f"{name}: status", (answer.status, answer.code), (429, "rate_limited"), answer)
    report.check(f"{name}: Retry-After", seconds.isdigit() and int(seconds) >= 1, seconds)
    report.check(f"{name}: names its limit", f" {limit} " in answer.get("detail", ""), answer)
    report.equal(f"{name}: nothing is left",
                 items(answer, "ratelimit").get(limit, {}).get("r"), 0, answer.headers)
    return int(seconds or 0)


def nothing_set(report, binary):
    with florin.serving(florin=binary) as server, server.client() as client:
        answers = [client.get("/v1/wallets") for _ in range(300)]
        answers.append(client.get("/v1/nowhere"))
        report.equal("everybody comes in", {a.status for a in answers}, {200, 404})
        report.check("no header says anything",
                     not any(name.startswith("ratelimit") for a in answers for name in a.headers))
        report.equal("no metric does", limited(client), {})


def a_key(report, binary):
    config = {"rate_limits": [{"per": "key", "requests": 5, "burst": 20},
                              {"per": "key", "class": "write", "requests": 1, "seconds": 2,
                               "burst": 3}]}
    with florin.serving(florin=binary, config=config) as server:
        with server.client() as client:
            first = client.get("/v1/wallets")
            report.equal("policy of a read", items(first, "ratelimit-policy"),
                         {"key": {"q": 20, "w": 4}})
            report.equal("left after a read", items(first, "ratelimit"), {"key": {"r": 19, "t": 1}})
            wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"}, key="k0")
            report.equal("a write", wallet.status, 201)
            report.equal("policy of a write", items(wallet, "ratelimit-policy"),
                         {"key": {"q": 20, "w": 4}, "key-write": {"q": 3, "w": 6}})
            report.equal("left after a write", items(wallet, "ratelimit")["key-write"]["r"], 2)
            codes = [client.post("/v1/wallets", {}).status, client.post("/v1/nowhere", {}).status]
            report.equal("mistakes count too", codes, [400, 404])
            over = client.post("/v1/wallets", {"owner": "bob", "currency": "USD"}, key="k1")
            wait = refused(report, "the fourth write", over, "key-write")
            report.equal("reads go on", client.get("/v1/wallets").status, 200)
            replay = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"}, key="k0")
            report.equal("a replay is a request too", replay.status, 429)
            refused(report, "DELETE is a write",
                    client.delete(f"/v1/keys/key_{'0' * 26}"), "key-write")
            time.sleep(wait)
            again = client.post("/v1/wallets", {"owner": "bob", "currency": "USD"}, key="k1")
            report.equal("after Retry-After", (again.status, again.replayed), (201, False))
            report.equal("counted", limited(client), {"key": 0, "key-write": 3})
        report.equal("exit status", server.stop(), 0)


def a_burst(report, binary):
    """Two loops, eight connections, one key: together not more than one bucket."""
    config = {"http_threads": 2, "rate_limits": [{"per": "key", "requests": 100, "burst": 200}]}
    with florin.serving(florin=binary, config=config) as server:
        counts = {200: 0, 429: 0}
        lock = threading.Lock()
        begun = time.monotonic()

        def hammer():
            with server.client() as client:
                for _ in range(150):
                    status = client.get("/v1/wallets").status
                    with lock:
                        counts[status] += 1

        threads = [threading.Thread(target=hammer) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        most = 200 + 100 * (time.monotonic() - begun)
        report.check("not less than the burst", counts[200] >= 200, counts)
        report.check("not more than burst and rate", counts[200] <= most + 1, (counts, most))
        report.equal("all answered", sum(counts.values()), 1200)
        with server.client() as client:
            report.equal("counted", limited(client)["key"], counts[429])


def roles_and_keys(report, binary):
    config = {"rate_limits": [{"per": "role", "role": "auditor", "requests": 1, "seconds": 60,
                               "burst": 6},
                              {"per": "key", "role": "auditor", "requests": 1, "seconds": 60,
                               "burst": 4}]}
    with florin.serving(florin=binary, config=config) as server:
        secrets = [server.key("auditor")["secret"] for _ in range(2)]
        with server.client(secrets[0]) as one, server.client(secrets[1]) as two:
            report.equal("one key", [one.get("/v1/wallets").status for _ in range(6)],
                         [200] * 4 + [429] * 2)
            report.equal("and another of its role",
                         [two.get("/v1/wallets").status for _ in range(4)], [200] * 2 + [429] * 2)
            refused(report, "the role is used up", two.get("/v1/wallets"), "role-auditor")
        with server.client() as admin:
            answers = [admin.get("/v1/wallets") for _ in range(20)]
            report.equal("an admin is nobody's auditor", {a.status for a in answers}, {200})
            report.check("and is told nothing", "ratelimit" not in answers[0].headers)


def classes_and_own_roles(report, binary):
    """A class of operations, and a role of the configuration, have limits of their own."""
    config = {"roles": {"teller": {"number": 16, "permissions": ["wallets:read", "wallets:open"]}},
              "rate_limits": [{"per": "key", "class": "money", "requests": 1, "seconds": 60,
                               "burst": 2},
                              {"per": "key", "class": "audit", "requests": 1, "seconds": 60},
                              {"per": "role", "role": "teller", "class": "lists", "requests": 1,
                               "seconds": 60, "burst": 3}]}
    with florin.serving(florin=binary, config=config) as server:
        teller = server.key("teller")["secret"]
        with server.client() as client, server.client(teller) as other:
            wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"})["id"]

            def deposit(number):
                return client.post("/v1/deposits", {"wallet": wallet, "amount": 5,
                                                    "bank_transaction_id": f"b{number}"})
            report.equal("money", [deposit(i).status for i in range(3)], [201, 201, 429])
            refused(report, "money is used up", deposit(9), "key-money")
            report.equal("other writes go on",
                         client.post("/v1/wallets", {"owner": "b", "currency": "USD"}).status, 201)
            report.equal("reading and listing too",
                         [client.get(path).status for path in
                          (f"/v1/wallets/{wallet}", "/v1/wallets", "/v1/keys")], [200] * 3)
            report.equal("the audit", [client.get("/v1/audit").status for _ in range(2)],
                         [200, 429])
            report.equal("the tellers' lists",
                         [other.get("/v1/wallets").status for _ in range(4)], [200] * 3 + [429])
            report.equal("but not their wallets",
                         [other.get(f"/v1/wallets/{wallet}").status for _ in range(6)], [200] * 6)
            report.equal("counted", limited(client),
                         {"key-money": 2, "key-audit": 1, "role-teller-lists": 1})


def batches(report, binary):
    config = {"rate_limits": [{"per": "key", "class": "write", "requests": 10, "burst": 5}]}
    with florin.serving(florin=binary, config=config) as server, server.client() as client:
        operations = [{"type": "wallet", "owner": f"o{i}", "currency": "USD"} for i in range(25)]
        kind = client.get("/openapi.json").body
        report.check("the document knows 429", b'"429"' in kind and b"RateLimit-Policy" in kind)
        answer = client.post("/v1/batches", {"operations": operations})
        report.equal("a batch larger than the bucket", answer.status, 200, f"{answer!r:.300}")
        left = items(answer, "ratelimit")["key-write"]
        report.check("leaves debts", left["r"] == 0 and left["t"] == 3, left)
        over = client.post("/v1/batches", {"operations": operations[:1]})
        wait = refused(report, "the next one", over, "key-write")
        report.check("until they are paid", wait in (2, 3), wait)
        time.sleep(wait)
        report.equal("then it goes on",
                     client.post("/v1/batches", {"operations": operations[:1]}).status, 200)
        wrong = client.post("/v1/batches", {"operations": "none"})
        report.check("a batch that is none tells as well", wrong.status == 429 or
                     (wrong.status == 400 and "ratelimit" in wrong.headers), wrong.headers)


def strangers(report, binary):
    config = {"rate_limits": [{"per": "address", "requests": 5, "seconds": 60}]}
    with florin.serving(florin=binary, config=config) as server:
        with server.client("nonsense") as stranger, server.client() as holder:
            wrong = [stranger.get(path).status for path in
                     ("/v1/wallets", "/v1/nowhere", "/v1/keys", "/v1/wallets", "/v1/wallets")]
            report.equal("some attempts", wrong, [401] * 5)
            over = stranger.get("/v1/wallets")
            wait = refused(report, "one too many", over, "address")
            report.check("it is told how long", 1 <= wait <= 12, wait)
            with server.client(NEVER + "000000") as other:
                report.equal("another key from there", other.get("/v1/wallets").status, 429)
            report.equal("a valid key comes in", holder.get("/v1/wallets").status, 200)
            report.check("and is told nothing",
                         "ratelimit" not in holder.get("/v1/wallets").headers)
            report.equal("health is everybody's",
                         [stranger.get(path).status for path in ("/healthz", "/readyz")] * 5,
                         [200] * 10)
            report.equal("counted", limited(holder), {"address": 2})


def a_quiet_one_beside(report, binary):
    """A client that hammers without listening does not slow one that keeps to its rate."""
    config = {"rate_limits": [{"per": "key", "requests": 50, "burst": 50}]}
    with florin.serving(florin=binary, config=config) as server:
        noisy, quiet = server.key("service")["secret"], server.key("service")["secret"]
        stop = threading.Event()
        refusals = [0]

        def hammer():
            with server.client(noisy) as client:
                while not stop.is_set():
                    refusals[0] += client.get("/v1/wallets").status == 429

        thread = threading.Thread(target=hammer)
        thread.start()
        spans = []
        with server.client(quiet) as client:
            for _ in range(40):
                begun = time.monotonic()
                answer = client.get("/v1/wallets")
                spans.append(time.monotonic() - begun)
                report.equal("the quiet one comes in", answer.status, 200)
                time.sleep(0.025)
        stop.set()
        thread.join()
        report.check("the noisy one is refused", refusals[0] > 100, refusals)
        report.check("the quiet one is quick", sorted(spans)[20] < 0.05, spans)


def delayed(server):
    page = server.client().get("/metrics").body.decode()
    return int(re.search(r"^florin_http_answers_delayed_total (\d+)", page, re.M).group(1))


def shared_by_a_proxy(report, binary):
    """Who is refused again and again is not read for a while, unless others ask over the same
    connection."""
    limits = {"rate_limits": [{"per": "key", "role": "service", "requests": 1, "seconds": 3600,
                               "burst": 1}]}
    for proxies in ([], ["127.0.0.0/8"]):
        config = {**limits, "trusted_proxies": proxies} if proxies else limits
        with florin.serving(florin=binary, config=config) as server:
            noisy, quiet = server.key("service")["secret"], server.key("service")["secret"]
            with server.client(noisy) as client:
                for forwarded in ("192.0.2.1", "192.0.2.2"):
                    flood = client.head("GET", "/v1/wallets", {"X-Forwarded-For": forwarded}, None)
                    client.send(flood * 300)  # more than the bucket has of patience
                    answers = [client.receive("GET") for _ in range(300)] if proxies else []
                if proxies:
                    report.equal("all are refused, with a time", (
                        {a.status for a in answers}, all(a.headers["retry-after"] for a in answers)
                    ), ({429}, True))
                    other = client.request("GET", "/v1/wallets", headers={
                        "Authorization": f"Bearer {quiet}", "X-Forwarded-For": "192.0.2.3"})
                    report.equal("somebody else on that connection comes in", other.status, 200)
                    report.equal("nobody was made to wait", delayed(server), 0)
                else:
                    report.check("alone on his connection he waits",
                                 within(120, lambda: delayed(server) > 0), delayed(server))
                    with server.client(quiet) as client:
                        report.equal("and others do not", client.get("/v1/wallets").status, 200)


TESTS_ALL = (nothing_set, a_key, a_burst, roles_and_keys, classes_and_own_roles, batches, strangers,
             a_quiet_one_beside, shared_by_a_proxy)

report = Report("rate limits")
for test in TESTS_ALL:
    report.run(test.__name__, test, florin.binary())
if os.environ.get("FLORIN_SANITIZED"):
    for test in (a_key, a_burst, batches):
        report.run(test.__name__ + ", sanitized", test, os.environ["FLORIN_SANITIZED"])
report.finish()
