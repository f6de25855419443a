#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The model test: a random life, lived by a real server and by the naive ledger, must be the same
life.

    tests/model/run.py [--seed N] [--steps N] [--seconds N] [--florin PATH]

Every answer is compared: status, code, every field, ids (learned once, then fixed), times,
replays byte for byte. Now and then, after every restart and kill -9, and at the end everything is
compared: each wallet, hold, withdrawal, transaction, history, balance of the past, and the totals
of the books. A failure prints the seed of its world; `--seed N` lives that one again. Time is the
server's own, taken from its answers; where a hold ends so close to a request that nobody can know
which was first, either order is right. Worlds with an odd seed are guarded: keys of customers,
merchants, operators and roles of the configuration's, payments that wait for a second person, and
sometimes separate duties.
"""

import argparse
import copy
import json
import os
import random
import sys
import time
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import florin  # noqa: E402
from client import Unreachable  # noqa: E402
from commands import Generator, Request  # noqa: E402
from compare import Names, differences  # noqa: E402
from door import Door  # noqa: E402
from fields import moment  # noqa: E402
from naive import time_text  # noqa: E402
from report import Report  # noqa: E402

WRITERS = 3
STEPS = 1500


class Different(Exception):
    """The server and the naive ledger disagree."""


def now_ms():
    return time.time_ns() // 1_000_000


def time_of(operation, body):
    """When the server decided this, as far as its answer tells; None when it doesn't."""
    if not isinstance(body, dict) or "code" in body or body.get("replayed"):
        return None
    if operation in ("change", "fail", "void"):
        return None
    name = {"settle": "settled_at", "approve": "decided_at", "reject": "decided_at"}.get(
        operation, "created_at")
    return moment(body[name]) if isinstance(body.get(name), str) else None


def times_of(request, body):
    """The same for each operation of a batch; a list of one for anything else."""
    if request.operation == "batch again":
        return []
    if request.operation != "batch":
        return [time_of(request.operation, body)]
    operations = json.loads(request.body)["operations"]
    return [
        time_of(operation.get("type"), result)
        for operation, result in zip(operations, body.get("results", []))
    ]


OWN_ROLES = {
    "cashier": {"number": 20, "bound": True,
                "permissions": ["wallets:read", "wallets:open", "wallets:change", "payments:read",
                                "holds:write", "holds:capture", "purchases:write"]},
    "teller": {"number": 21, "permissions": ["wallets:read", "payments:read", "deposits:write",
                                             "adjustments:write", "approvals:decide"]},
}


def guards(dice):
    """(configuration, keys) of a world in which people are bound, and others look at things."""
    above = {code: dice.choice([100, 300, 999, 1_000_000]) for code in ("USD", "JPY", "POINTS")
             if dice.random() < 0.7}
    config = {"roles": OWN_ROLES, "separate_duties": dice.random() < 0.5,
              "approvals": {"above": above, "expires_in": 7 * 24 * 3600}}
    people = [("service", None, 5), ("service", None, 3), ("operator", None, 5),
              ("customer", "owner-1", 4), ("customer", "owner-2", 3), ("merchant", "owner-3", 4),
              ("cashier", "owner-4", 3), ("teller", None, 2), ("support", None, 1),
              ("auditor", None, 1), ("admin", None, 3)]
    return config, people


class World:
    """One server and one naive ledger, from nothing."""
    def __init__(self, seed, binary):
        self.seed = seed
        self.random = random.Random(seed)
        config, people = guards(self.random) if seed % 2 else ({}, None)
        self.people = people or [("service", None, 1)] * (WRITERS - 1) + [("admin", None, 1)]
        self.server = florin.Server(florin=binary, config={
            "currencies": {"POINTS": {"exponent": 0}}, **config})
        self.names = Names()
        self.count = {}
        self.door = Door(self.make_id, None, ["POINTS"], config)
        self.generator = Generator(self.random, self.door.ledger, len(self.people),
                                   people=people, roles=self.door.roles)
        self.first_bytes = {}  # (key's number, idempotency key) -> the first answer's bytes
        self.last = []  # the last requests, for the report
        self.secrets = []
        self.clients = []
        self.steps = 0
        self.next_wait = 0.0

    def make_id(self, kind, _):
        self.count[kind] = self.count.get(kind, 0) + 1
        return f"{kind}_m{self.count[kind]}"

    # Beginning and connecting.

    def begin(self):
        self.server.start()
        for role, owner, _ in self.people[:-1]:
            key = self.server.key(role, **({} if owner is None else {"owner": owner}))
            self.add_key(key["id"], role, key["secret"], owner)
        with self.server.client() as client:
            admin = [key for key in client.list("/v1/keys") if key["role"] == "admin"][0]
        self.add_key(admin["id"], "admin", self.server.admin_secret)
        self.connect()

    def add_key(self, id_, role, secret, owner=None):
        key, _ = self.door.add_key(role, role, now_ms(), owner, secret=secret)
        self.names.learn(key["id"], id_)
        self.secrets.append(secret)

    def connect(self):
        for client in self.clients:
            client.close()
        self.clients = [self.server.client(secret) for secret in self.secrets]

    # One request on both sides.

    def ask(self, request):
        self.last = self.last[-12:] + [request]
        began = now_ms()
        answer = self.clients[request.who].request(
            request.method, self.names.translate(request.target),
            self.names.translate_bytes(request.body) if request.method != "GET" else None,
            request.headers)
        ended = now_ms()
        self.compare(request, answer, began, ended)

    def compare(self, request, answer, began, ended):
        if not isinstance(answer.json, dict):
            raise Different(f"the body is no JSON object: {answer!r}")
        times = []
        if answer.status < 300 and not answer.replayed and request.method != "GET":
            times = times_of(request, answer.json)
        seen = [moment_ for moment_ in times if moment_ is not None]
        if any(not began - 1 <= moment_ <= ended + 1 for moment_ in seen):
            raise Different(
                f"decided at {[time_text(m) for m in seen]}, but sent at {time_text(began)}")
        candidates = [seen[0]] if seen else [began]
        edges = [
            hold["expires_at"] for hold in self.door.ledger.holds.values()
            if hold["status"] == "open" and began - 2 <= hold["expires_at"] <= ended + 2
        ]
        if edges and not seen:
            candidates += [min(edges) - 1, max(edges)]
        wrong = None
        for index, candidate in enumerate(candidates):
            before = self.keep() if index + 1 < len(candidates) else None
            wrong = self.try_at(request, answer, candidate, times)
            if not wrong:
                return
            if before:
                self.undo(before)
        raise Different("\n".join([*wrong[:20], f"got: {answer!r:.3000}"]))

    def keep(self):
        return self.door.ledger.snapshot(), self.door.ledger.now, dict(self.count), copy.deepcopy(
            self.names)

    def undo(self, before):
        state, self.door.ledger.now, self.count, self.names = before
        self.door.ledger.restore(state)

    def try_at(self, request, answer, now, times):
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("content-type", "application/json")
        headers["authorization"] = "Bearer " + self.secrets[request.who]
        filled, last = [], now
        for moment_ in times:
            last = last if moment_ is None else moment_
            filled.append(last)
        status, more, body = self.door.handle(request.method, request.target, headers, request.body,
                                              now, filled or None)
        got = answer.json
        if request.operation == "batch again":
            # Header or results: where a repeated batch is called replayed is the server's choice.
            body, got = without_replayed(body), without_replayed(got)
        elif (more.get("Idempotent-Replayed") == "true") != answer.replayed:
            return [f"Idempotent-Replayed: expected {more}, got {answer.replayed}"]
        if status != answer.status:
            return [
                f"status: expected {status} ({body.get('code', 'success')}), got {answer.status}"
            ]
        if more.get("ETag") != answer.headers.get("etag") and "ETag" in more:
            return [f"ETag: expected {more.get('ETag')}, got {answer.headers.get('etag')}"]
        if request.operation == "balance" and status == 200:
            self.forgive_balance(body, got, "at=" not in request.target)
        wrong = differences(body, got, self.names)
        return wrong or self.compare_bytes(request, answer)

    @staticmethod
    def forgive_balance(body, got, is_now):
        """Of a wallet without transactions the version is anybody's choice; and `at` of now is
        the server's."""
        if is_now:
            body["at"] = got.get("at")
        if "version" not in body and "version" in got:
            body["version"] = got["version"]

    def compare_bytes(self, request, answer):
        if request.key is None or request.operation == "batch again":
            return []
        place = (request.who, request.key)
        if not answer.replayed:
            # Who is turned away at the door has not used his key.
            if answer.code != "idempotency_key_reused" and (
                    answer.status < 300 or answer.status in (404, 409, 422)):
                self.first_bytes[place] = answer.body
            return []
        if self.first_bytes.get(place, answer.body) != answer.body:
            return [f"a replay with other bytes: {self.first_bytes[place]!r}"]
        return []

    # Waiting for holds to end.

    def let_expire(self, ahead_ms=300):
        """Never asks within 300 ms of a hold's end, or more before long comparisons; afterwards
        wakes the books by a change that changes nothing."""
        holds = [
            hold for hold in self.door.ledger.holds.values()
            if hold["status"] == "open" and hold["expires_at"] < now_ms() + ahead_ms
        ]
        if holds:
            self.next_wait = time.monotonic() + 2
        for hold in holds:
            time.sleep(max(0, hold["expires_at"] + 30 - now_ms()) / 1000)
        for hold in holds:
            if self.random.random() < 0.5:
                request = Request("capture", "POST", f"/v1/holds/{hold['id']}/capture", b"{}")
            else:
                status = self.door.ledger.wallets[hold["wallet"]]["status"]
                request = Request("change", "PATCH", "/v1/wallets/" + hold["wallet"],
                                  json.dumps({"status": status}).encode())
            self.ask(request)

    # Everything.

    def ask_list(self, request):
        """All pages of the server against all items of the ledger."""
        self.last = self.last[-12:] + [request]
        path, _, query = request.target.partition("?")
        parts = [part for part in query.split("&") if part and not part.startswith("limit=")]
        limit = [part[6:] for part in query.split("&") if part.startswith("limit=")]
        headers = {"authorization": "Bearer " + self.secrets[request.who]}
        model_target = path + "?" + "&".join(parts + ["limit=1000"])
        expected, cursor = [], None
        while True:
            status, _, page = self.door.handle(
                "GET", model_target + (f"&cursor={cursor}" if cursor else ""), headers, b"",
                self.door.ledger.now)
            if status != 200:
                break
            expected += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
        got, cursor = [], ""
        while cursor is not None:
            join = "&" if "?" in request.target else "?"
            target = self.names.translate(
                request.target) + (f"{join}cursor={cursor}" if cursor else "")
            answer = self.clients[request.who].get(target)
            if answer.status != status:
                raise Different(f"status: expected {status}, got {answer!r:.1000}")
            if status != 200:
                return
            if len(answer["items"]) > int(limit[0] if limit else 50):
                raise Different(f"a page of {len(answer['items'])} items: GET {target}")
            got += answer["items"]
            cursor = answer.get("next_cursor")
        self.compare_lists(request, expected, got)

    def compare_lists(self, request, expected, got):
        wrong = differences(expected, got, self.names)
        if wrong:
            raise Different("\n".join([*wrong[:20], *self.only_in_one(request, expected, got)]))

    def only_in_one(self, request, expected, got):
        """What one of two lists has and the other has not, in full, and what was asked."""
        ours = {item["id"]: item for item in expected if "id" in item}
        theirs = {self.names.model.get(item["id"], item["id"]): item
                  for item in got if "id" in item}
        yield f"asked: {self.names.translate(request.target)} (key {request.who})"
        for name, these, others in (("ledger", ours, theirs), ("server", theirs, ours)):
            for id_ in these:
                if self.names.server.get(id_, id_) not in others and id_ not in others:
                    yield f"only the {name} has {id_}: {json.dumps(these[id_])}"

    def compare_everything(self):
        self.let_expire(5000)
        for name in ("wallets", "holds", "withdrawals", "transactions", "approvals"):
            for who, (_, owner, _) in enumerate(self.people):
                if who == 0 or owner is not None:
                    self.ask_list(Request("list", "GET", f"/v1/{name}?limit=1000", who=who))
        ledger = self.door.ledger
        for id_ in list(ledger.wallets):
            self.ask_list(Request("list", "GET", f"/v1/wallets/{id_}/transactions?limit=1000"))
            self.ask(Request("read", "GET", f"/v1/wallets/{id_}"))
            self.ask(Request("balance", "GET", f"/v1/wallets/{id_}/balance"))
        answer = self.clients[0].get("/check-integrity?depth=full")
        problem = florin.integrity_problem(answer)
        if not self.server.florin.endswith(".py"):  # the naive server proves no wallets
            problem = problem or florin.wallets_problem(self.clients[0], 60)
        if problem:
            raise Different(problem)
        found = florin.integrity_by_currency(answer.json)
        for currency, sums in ledger.totals().items():
            if {name: found.get(currency, {}).get(name) for name in sums} != sums:
                raise Different(f"totals of {currency}: expected {sums}, got {found.get(currency)}")

    # A life.

    def step(self):
        self.steps += 1
        self.let_expire()
        dice = self.random.random()
        if dice < 0.004:
            self.restart(self.random.random() < 0.6)
            return
        if dice < 0.008 and self.generator.people is not None and self.door.ledger.wallets:
            self.pass_by()
            return
        # Holds of a second are rationed, because each may cost a second of waiting.
        self.generator.short_holds = time.monotonic() > self.next_wait
        request = self.generator.next()
        if request.operation == "list":
            self.ask_list(request)
        else:
            self.ask(request)
        if request.operation == "approve":
            self.learn_settled()

    def learn_settled(self):
        """An approval shows a withdrawal that was paid out at once, and not its transaction."""
        for withdrawal in list(self.door.ledger.withdrawals.values()):
            if withdrawal.get("transaction", "") not in ("", *self.names.server):
                self.ask(Request("read", "GET", f"/v1/withdrawals/{withdrawal['id']}"))

    def pass_by(self):
        """Somebody asks for what must wait, and is nobody any more when it is decided."""
        key = self.server.key("operator")
        self.add_key(key["id"], "operator", key["secret"])
        self.clients.append(self.server.client(key["secret"]))
        who, ours = len(self.secrets) - 1, self.names.model[key["id"]]
        wallet = self.random.choice(list(self.door.ledger.wallets))
        self.ask(Request("adjustment", "POST", "/v1/adjustments", json.dumps({
            "wallet": wallet, "direction": "credit", "amount": 1, "reason": "gone"}).encode(),
                         who=who))
        admin = self.clients[len(self.people) - 1]
        answer = admin.delete(f"/v1/keys/{key['id']}")
        if answer.status != 204:
            raise Different(f"a key is not revoked: {answer!r:.1000}")
        self.door.revoke(ours)
        self.ask(Request("read", "GET", f"/v1/wallets/{wallet}", who=who))
        self.clients.pop().close()
        self.secrets.pop()

    def restart(self, hard):
        for client in self.clients:
            client.close()
        if hard:
            self.server.crash()
        else:
            self.server.restart()
        self.connect()
        self.let_expire()
        self.compare_everything()

    def live(self, steps, deadline):
        try:
            self.begin()
            while self.steps < steps and time.monotonic() < deadline:
                self.step()
            self.let_expire()
            self.compare_everything()
            self.end()
            return None
        except (Different, Unreachable, florin.NotStarted, AssertionError) as error:
            return self.obituary(error)
        finally:
            self.server.discard()

    def obituary(self, error):
        history = "\n".join(repr(request) for request in self.last[-8:])
        return "\n".join([
            f"seed {self.seed}, step {self.steps}",
            str(error), "the last requests, the last one last:",
            self.names.translate(history), *self.server.trouble()
        ])

    def end(self):
        status = self.server.stop()
        if status != 0 or self.server.trouble():
            raise Different(f"exit status {status}:\n{self.server.log()[-4000:]}")
        verified = self.server.verify()
        if verified.returncode != 0:
            raise Different(f"florin verify: {verified.stdout}{verified.stderr}")


def without_replayed(value):
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if name != "replayed"}
        return {name: without_replayed(inner) for name, inner in kept.items()}
    if isinstance(value, list):
        return [without_replayed(inner) for inner in value]
    return value


def live_many(suite, binary, seconds, seed=None, steps=None):
    """Worlds one after another until the time is over; each is one test."""
    report = Report(suite)
    deadline = time.monotonic() + seconds
    total = 0
    first = seed if seed is not None else int(datetime.now(
        timezone.utc).timestamp()) % 1_000_000 * 1000
    number = first
    while number == first or seed is None and time.monotonic() < deadline:
        world = World(number, binary)
        # However slow the machine is, there is one life of each kind.
        until = min(deadline, time.monotonic() + seconds / 2) if seed is None else float("inf")
        wrong = world.live(steps or STEPS, until)
        total += world.steps
        if wrong:
            report.fail(f"seed {number}", wrong)
            if report.failed >= 3:
                break
        else:
            report.ok()
            print(
                f"{suite}: seed {number}: {world.steps} steps, "
                f"{len(world.door.ledger.transactions)} transactions", flush=True)
        number += 1
    print(f"{suite}: {total} steps in {number - first} worlds")
    report.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--florin", help="the binary, or tests/model/serve.py")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    live_many("model",
              os.path.abspath(given.florin) if given.florin else florin.binary(), given.seconds,
              given.seed, given.steps)
