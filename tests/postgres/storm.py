# SPDX-License-Identifier: MIT
"""Many clients at once on two nodes: payments, holds, withdrawals, refunds, frozen wallets, what
waits for a second person or was held by a rule, and batches of all of them, about the same few
wallets, while whatever `disturb` does goes on. No node may stop by itself, a retry tells what the
first try told, and the books add up. A world that is `queued` has some of it wait in Kafka: what
was acknowledged comes to an end. STORM_SECONDS makes it longer, SEED draws the same requests
again."""

import os
import random
import threading
import time
import traceback
from collections import Counter

import florin
import rules
from atomic import body_of
from client import Unreachable
from legs import WAIT_S, patiently
from wait import within

SECONDS = float(os.environ.get("STORM_SECONDS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
CLIENTS = 10
ANSWERS = {200, 201, 202, 403, 404, 409, 422, 503, 504}
UNSURE = {409, 503, 504}  # in work, busy or unknown, and told later
CONFIG = {**rules.config([
    rules.rule("dear", "hold", amount=17, operations=["transfer", "purchase", "refund"],
               currencies=["EUR"]),
    rules.rule("often", "flag", count_in_hour=30, operations=["transfer"])],
    expires_in=3600), "approvals": {"above": {"EUR": 14}}}
STARTS = {"hold": "hold_", "withdrawal": "wdl_", "purchase": "txn_", "approval": "apr_",
          "anomaly": "anom_"}
OPEN_MAX = 40  # of what is open; the oldest are forgotten
REFERRED = ("transfer", "purchase", "hold", "withdrawal", "refund", "deposit")
QUEUED = {"Prefer": "respond-async"}
PATHS = {"transfer": "/v1/transfers", "purchase": "/v1/purchases", "hold": "/v1/holds",
         "withdrawal": "/v1/withdrawals", "refund": "/v1/refunds", "deposit": "/v1/deposits",
         "wallet": "/v1/wallets"}


def told(answer):
    """What an answer said for ever, of each operation of a batch by itself."""
    each = answer.json.get("results") or [answer.json]
    return [(one["status"] if "code" in one else answer.status, one.get("code"), one.get("id"),
             one.get("debit"), one.get("credit")) for one in each]


def is_queued(one):
    """Whether this of `told` says only that it waits in the queue."""
    return str(one[2]).startswith("op_")


class Things:
    """What can be named, by all clients."""
    def __init__(self, world):
        self.guard = threading.Lock()
        self.customers = list(world.wallets)
        self.merchants = list(world.shops)
        self.open = {"hold": [], "withdrawal": [], "purchase": [], "approval": [], "anomaly": []}

    def add(self, kind, identifier):
        with self.guard:
            self.open[kind].append(identifier)
            del self.open[kind][:-OPEN_MAX]

    def pick(self, draw, kind):
        with self.guard:
            return draw.choice(self.open[kind]) if self.open[kind] else None


class Client(threading.Thread):
    def __init__(self, world, things, number, is_over):
        super().__init__()
        self.world = world
        self.things = things
        self.number = number
        self.secret = world.asker if number % 2 == 1 else world.secret
        self.is_over = is_over
        self.draw = random.Random(SEED * 100 + number)
        self.count = 0
        self.answers = Counter()
        self.wrong = []
        self.queued = {}  # operation -> what was told of it without the queue, or None
        self.asked = {}  # operation -> what it was

    # What to do.

    def text(self, name):
        self.count += 1
        return f"{name}-{self.number}-{self.count}"

    def ending(self):
        """Of something that was opened; None: there is nothing."""
        kind = self.draw.choice(("capture", "capture", "void", "settle", "fail", "refund"))
        thing = self.things.pick(self.draw, {"capture": "hold", "void": "hold",
                                             "refund": "purchase"}.get(kind, "withdrawal"))
        if thing is None:
            return None
        if kind == "refund":
            return {"type": kind, "purchase": thing, "amount": self.draw.randint(1, 4)}
        name = "hold" if kind in ("capture", "void") else "withdrawal"
        fields = {"capture": {"amount": self.draw.randint(1, 6),
                              "final": self.draw.random() < 0.5},
                  "settle": {"bank_transaction_id": self.text("settled")}}.get(kind, {})
        return {"type": kind, name: thing, **fields}

    def opening(self):
        draw, things = self.draw, self.things
        kind = draw.choice(("transfer", "transfer", "purchase", "hold", "withdrawal", "deposit",
                            "wallet"))
        wallet = draw.choice(things.customers)
        if kind == "transfer":
            return {"type": kind, "from": wallet, "to": draw.choice(
                [one for one in things.customers if one != wallet]), "amount": draw.randint(1, 9)}
        if kind in ("purchase", "hold"):
            more = {"expires_in": draw.choice((1, 2, 600))} if kind == "hold" else {}
            return {"type": kind, "wallet": wallet, "merchant": draw.choice(things.merchants),
                    "amount": draw.randint(1, 20), **more}
        if kind == "withdrawal":
            return {"type": kind, "wallet": wallet, "amount": draw.randint(1, 9)}
        if kind == "deposit":
            return {"type": kind, "wallet": wallet, "amount": draw.randint(1, 50),
                    "bank_transaction_id": self.text("bank")}
        return {"type": kind, "owner": self.text("owner"), "currency": "EUR"}

    def operation(self):
        one = (self.ending() if self.draw.random() < 0.45 else None) or self.opening()
        if one["type"] in REFERRED and self.draw.random() < 0.3:
            one["reference"] = self.text("reference")
        return one

    def request(self):
        """Method, path and body."""
        chance = self.draw.random()
        if chance < 0.04:
            wallet = self.draw.choice(self.things.customers)
            return "PATCH", f"/v1/wallets/{wallet}", self.draw.choice((
                {"status": "frozen", "reason": "storm"}, {"status": "active", "reason": "storm"},
                {"status": "active"}, {"status": "active"}, {"tier": 1},
                {"metadata": {"at": self.text("metadata")}}))
        if chance < 0.05:
            return "DELETE", f"/v1/owners/owner-{self.draw.randint(1, 20)}/data", None
        if chance < 0.12:
            kind = self.draw.choice(("approval", "anomaly"))
            thing = self.things.pick(self.draw, kind)
            if thing is not None:
                kinds = {"approval": "approvals", "anomaly": "anomalies"}[kind]
                verb = self.draw.choice(("approve", "approve", "reject"))
                return "POST", f"/v1/{kinds}/{thing}/{verb}", {"comment": "storm"} if (
                    kind == "anomaly") else {}
        if chance < 0.5:
            operations = [self.operation() for _ in range(self.draw.randint(2, 6))]
            if self.draw.random() < 0.3:
                for one in operations:
                    one["idempotency_key"] = self.text("each")
            return "POST", "/v1/batches", {**body_of(operations),
                                           "atomic": self.draw.random() < 0.75}
        one = self.operation()
        kind = one.pop("type")
        if kind in PATHS:
            return "POST", PATHS[kind], one
        thing = one.pop("hold", None) or one.pop("withdrawal")
        return "POST", (f"/v1/{'holds' if kind in ('capture', 'void') else 'withdrawals'}/{thing}/"
                        f"{kind}"), one

    # What came of it.

    def note(self, path, body, answer):
        body = body or {}
        self.note_things(answer.json)
        for one in told(answer):
            if is_queued(one):
                self.queued.setdefault(one[2])
                self.asked[one[2]] = path, body
        self.answers[answer.status] += max(1, len(body.get("operations", [])))

    def note_things(self, said):
        for one in [said, *said.get("results", [])]:
            for kind, start in STARTS.items():
                if str(one.get("id", "")).startswith(start):
                    self.things.add(kind, one["id"])

    def look(self, client):
        """What became of something that was queued, so that others go on with it."""
        answer = client.get(f"/v1/operations/{self.draw.choice(list(self.queued)[-OPEN_MAX:])}")
        if answer.status == 200:
            self.note_things(answer.json.get("result", {}))

    def send(self, client, method, path, body, key):
        prefer = QUEUED if self.world.queued and self.draw.random() < 0.4 else None
        if method != "POST":
            return client.request(method, path, body, headers=prefer)
        return client.post(path, body, key=key, headers=prefer)

    def step(self, clients):
        method, path, body = self.request()
        key = self.text("key")
        first = self.send(self.draw.choice(clients), method, path, body, key)
        if first.status not in ANSWERS:
            self.wrong.append((method, path, body, first))
        if first.status in (200, 201, 202):
            self.note(path, body, first)
        else:
            self.answers[first.status] += 1
        if method == "POST" and self.draw.random() < 0.25:
            self.again(clients, path, body, key, first)

    def again(self, clients, path, body, key, first):
        """By the same key, perhaps on the other node: what was told once stands."""
        second = self.send(self.draw.choice(clients), "POST", path, body, key)
        if second.status == 202:
            self.note(path, body, second)
        for one, two in zip(told(first), told(second)):
            if is_queued(one) != is_queued(two):
                self.of_both(*((one, two) if is_queued(one) else (two, one)))
            elif one != two and not {one[0], two[0]} & UNSURE:
                self.wrong.append(("told two things", path, body, first, second))

    def of_both(self, queued, other):
        """Something that went through the queue and without it: it must end as was told."""
        if other[0] in (200, 201):
            self.queued[queued[2]] = other[2]

    def run(self):
        servers, clients = (self.world.node, self.world.other), []
        while not self.is_over.is_set():
            try:
                clients = clients or [server.client(self.secret) for server in servers]
                self.step(clients)
                if self.queued and self.draw.random() < 0.3:
                    self.look(self.draw.choice(clients))
            except Unreachable:  # the node that is killed now and then
                for client in clients:
                    client.close()
                clients = []
                time.sleep(0.05)
        for client in clients:
            client.close()


class Plain:
    """Two nodes of one database, with wallets of every kind."""
    queued = False

    def __init__(self, report, binary, cluster, config):
        self.report = report
        self.node = florin.Server(florin=binary, config=config).start()
        self.secret = self.node.admin_secret
        self.database = cluster.database_for(self.node.data)
        self.other = florin.Server(florin=binary, config=config)
        cluster.databases[self.other.data] = self.database
        self.other.start()
        self.client = self.other.client(self.secret)
        self.wallets = [self.open("customer", number) for number in range(4)]
        self.shops = [self.open("merchant", number) for number in range(3)]
        for wallet in self.wallets:
            self.client.post("/v1/deposits", {"wallet": wallet, "amount": 100000,
                                              "bank_transaction_id": f"first-{wallet}"})

    def open(self, kind, number):
        return self.client.post("/v1/wallets", {"owner": f"{kind}-{number}", "currency": "EUR",
                                                "kind": kind})["id"]


def storm(world, disturb):
    """`disturb(things, is_over, draw)` returns a line of what it did."""
    report = world.report
    made = patiently(lambda: world.client.post("/v1/keys", {"name": "asker", "role": "service"}))
    world.asker = made.json["secret"]
    time.sleep(1.5)  # then all nodes know the key
    things, is_over, said = Things(world), threading.Event(), []
    clients = [Client(world, things, number, is_over) for number in range(CLIENTS)]

    def disturbing():
        try:
            said.append(disturb(things, is_over, random.Random(SEED)))
        except Exception:
            report.fail("whoever disturbs", traceback.format_exc())
    for one in (*clients, threading.Thread(target=disturbing, daemon=True)):
        one.start()
    try:
        for _ in range(4):
            time.sleep(SECONDS / 4)
            world.node.kill()
            start_again(world.node)
    finally:
        is_over.set()
        for one in clients:
            one.join(2 * WAIT_S)
        report.check("whoever disturbs comes to an end", within(2 * WAIT_S, lambda: said))
    answers = sum((one.answers for one in clients), Counter())
    print(f"storm: seed {SEED}, {dict(answers)}, {said}", flush=True)
    report.check("most is done", answers[200] + answers[201] > 100, answers)
    report.check("something waits for people", answers[202] > 0, answers)
    report.equal(f"nothing unheard of is answered (seed {SEED})",
                 [one.wrong[:2] for one in clients if one.wrong], [])
    report.equal("the node that was not killed goes on", world.other.process.poll(), None,
                 world.other.log()[-3000:])
    if world.queued:
        queue_ends(world, {name: (known, one.asked[name]) for one in clients
                           for name, known in one.queued.items()})


def start_again(node):
    """Its databases may be away just then: it refuses to start, and says why."""
    refused = []

    def starts():
        try:
            return node.start()
        except florin.NotStarted as error:
            refused.append(error.text)
            return None
    if not within(WAIT_S, starts):
        raise AssertionError(f"it does not start: {refused[-1]}")


def ended(world, name, deadline):
    """What became of a queued operation, as it is told in the end."""
    while True:
        seen = world.client.get(f"/v1/operations/{name}")
        if seen.get("status") in ("done", "refused") or time.monotonic() > deadline:
            return seen
        time.sleep(0.1)


def queue_ends(world, operations):
    """All that was acknowledged is done or refused, and as it was told without the queue."""
    deadline, ends, wrong = time.monotonic() + 2 * WAIT_S, Counter(), []
    for name, (known, asked) in operations.items():
        last = ended(world, name, deadline)
        ends[last.get("status")] += 1
        result = last.get("result", {})
        result = (result.get("results") or [result])[0]
        if last.get("status") not in ("done", "refused") or known not in (None, result.get("id")):
            wrong.append((name, known, last, asked))
    print(f"storm: seed {SEED}, queued {dict(ends)}", flush=True)
    world.report.check("something was queued and done", ends["done"] > 10, ends)
    world.report.equal(f"all that was queued ends as it was told (seed {SEED})", wrong[:3], [])


def calm_again(_, world):
    """Frozen or not, wallets can be looked at, and payments go on."""
    for wallet in world.wallets:
        patiently(lambda w=wallet: world.client.patch(f"/v1/wallets/{w}", {
            "status": "active", "reason": "over"}))
    last = []
    patiently(lambda: last.append(world.client.post("/v1/transfers", {
        "from": world.wallets[0], "to": world.wallets[-1], "amount": 1})) or last[-1])
    world.report.check("payments go on", last[-1].status in (201, 422), last[-1])


def no_trouble(world):
    world.report.equal("no node is in trouble",
                       [server.trouble() for server in (world.node, world.other)], [[], []])
