#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Work on two shards at once whose node is killed, stopped or cut off at each step of the two-phase
commit: another node finishes it, nothing is lost or doubled, and nobody else waits."""

import os
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from client import Unreachable  # noqa: E402
from proxy import Proxy, bind_of  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
WAIT_S = 60
report = Report("shards legs")


class World:
    """One node behind traps, another that has none, and wallets on both shards."""
    def __init__(self):
        self.node = florin.Server(florin=BINARY)
        self.key = self.node.data
        SHARDS.lines[self.key] = [line.folder for line in LINES]
        self.node.start()
        self.other = florin.Server(florin=BINARY)
        SHARDS.books[self.other.data] = self.key
        self.other.start()
        self.secret = self.node.admin_secret
        self.client = self.other.client(self.secret)
        self.count = 0
        self.wallets = [self.open(0), self.open(1)]

    def open(self, place):
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}",
                                                    "currency": "EUR"}).json["id"]
            if shards.slot_of(made) * 2 // 1024 == place:
                return made

    def deposit(self, client, wallet, bank, amount, key=None):
        return client.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                            "bank_transaction_id": bank}, key=key)

    def balance(self, place):
        return self.client.get(f"/v1/wallets/{self.wallets[place]}").json["balance"]

    def prepared(self):
        return [int(one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres"))
                for one in SHARDS.clusters]

    def booked(self, place, bank):
        return int(SHARDS.sql(place, "SELECT count(*) FROM bank_ids WHERE record = 0 AND "
                                     f"bank_id = '{bank}'", self.key))


def slots_of_banks(world):
    """Bank ids whose slot is on the second shard, so that a wallet of the first needs both. Which
    they are shows when they are booked, so each is taken from a neighbour: the same hash for the
    same text, in other books."""
    found = []
    probe = florin.Server(florin=BINARY).start()
    with probe.client() as client:
        wallet = None
        for number in range(200):
            made = client.post("/v1/wallets", {"owner": f"owner-0-{number}",
                                               "currency": "EUR"}).json["id"]
            if shards.slot_of(made) < 512:
                wallet = made
                break
        for number in range(200):
            client.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                         "bank_transaction_id": f"bank-{number}"})
    rows = SHARDS.sql(1, "SELECT convert_from(bank_id, 'UTF8') FROM bank_ids WHERE record = 0",
                      probe.data)
    found = rows.split()
    probe.stop()
    return found


STEPS = [  # which line, what, when
    ("before it is prepared", 1, b"PREPARE TRANSACTION", "before"),
    ("when it is prepared", 1, b"PREPARE TRANSACTION", "after"),
    ("before it is decided", 0, bind_of("ADD_DECISION"), "before"),
    ("when it is decided", 0, bind_of("ADD_DECISION"), "after"),
    ("before the leg is committed", 1, b"COMMIT PREPARED", "before"),
    ("when the leg is committed", 1, b"COMMIT PREPARED", "after"),
]


def kill(world):
    world.node.kill()


def stop(world):
    os.kill(world.node.process.pid, signal.SIGSTOP)


def nothing(_world):
    pass


class Deposit:
    """For a wallet of the first shard, by a bank id of the second."""
    def __init__(self, world):
        self.world = world
        self.bank = world.banks.pop()
        self.key = f"key-{self.bank}"
        self.before = world.balance(0)

    def send(self, client):
        return self.world.deposit(client, self.world.wallets[0], self.bank, 100, key=self.key)

    def check(self, name):
        world = self.world
        report.equal(f"{name}: the money came once", world.balance(0), self.before + 100)
        report.equal(f"{name}: and is booked once", world.booked(1, self.bank), 1)
        again = patiently(lambda: world.deposit(world.client, world.wallets[1], self.bank, 5))
        report.equal(f"{name}: for ever", again.code, "duplicate_bank_transaction", again)


class Payment:
    """From the first shard to the second."""
    count = 0

    def __init__(self, world):
        self.world = world
        Payment.count += 1
        self.key = f"payment-{Payment.count}"
        self.before = world.balance(0), world.balance(1)

    def send(self, client):
        return client.post("/v1/transfers", {"from": self.world.wallets[0],
                                             "to": self.world.wallets[1], "amount": 3},
                           key=self.key)

    def check(self, name):
        world = self.world
        there = within(WAIT_S, lambda: world.balance(1) == self.before[1] + 3) and world.balance(1)
        report.equal(f"{name}: it is there and not here any more", (world.balance(0), there),
                     (self.before[0] - 3, self.before[1] + 3))
        left = patiently(lambda: world.client.post("/v1/transfers", {
            "from": world.wallets[1], "to": world.back, "amount": 1}))
        report.equal(f"{name}: and can be paid on", left.status, 201, left)


def patiently(ask):
    """Until the answer is not busy any more."""
    return within(WAIT_S, lambda: (lambda made: made if made.status != 503 else None)(ask()))


def send(world, work, answers):
    """Until it is heard: the node may know a shard only as one that was just away."""
    deadline = time.monotonic() + WAIT_S
    try:
        with world.node.client(world.secret) as client:
            made = None
            while made is None or (made.status == 503 and time.monotonic() < deadline):
                made = work.send(client)
            answers.append(made)
    except Unreachable:
        answers.append(None)


def step(_, world, name, line, pattern, moment, action, kind):
    work = kind(world)
    answers = []
    LINES[line].sprung.clear()
    LINES[line].over.clear()
    LINES[line].trap = (pattern, moment, lambda: action(world))
    sender = threading.Thread(target=send, args=(world, work, answers))
    sender.start()
    report.check(f"{name}: it came so far", LINES[line].wait(WAIT_S))
    free = world.client.post("/v1/wallets", {"owner": f"while-{work.key}", "currency": "EUR"})
    report.equal(f"{name}: others go on", free.status, 201)
    report.check(f"{name}: nothing stays in doubt", within(
        WAIT_S, lambda: world.prepared() == [0, 0]),
                 world.prepared())
    answer = patiently(lambda: work.send(world.client))
    report.equal(f"{name}: the key tells", answer.status, 201, answer)
    if action is stop:
        os.kill(world.node.process.pid, signal.SIGCONT)
    if action is kill:
        world.node.start()
    sender.join(WAIT_S)
    if answers and answers[0] is not None and answers[0].status == 201:
        report.equal(f"{name}: both nodes tell the same", answers[0].json["id"], answer.json["id"])
    work.check(name)


def crowd(_, world):
    """Payments in both directions from two nodes, and everybody pays one wallet."""
    wallets = [world.wallets[0], world.wallets[1], world.second, world.back]
    before = [world.client.get(f"/v1/wallets/{wallet}").json["balance"] for wallet in wallets]
    done = []

    def play(server, number):
        with server.client(world.secret) as client:
            for turn in range(12):
                source, target = wallets[(number + turn) % 4], wallets[(number + turn + 1) % 4]
                made = patiently(lambda s=source, t=target, n=turn: client.post(
                    "/v1/transfers", {"from": s, "to": t, "amount": 1},
                    key=f"crowd-{number}-{n}"))
                if made is not None and made.status == 201:
                    done.append((source, target))
                else:
                    report.equal("all are answered", made and made.code, "insufficient_funds")

    players = [threading.Thread(target=play, args=(server, number + 4 * place))
               for number in range(3) for place, server in enumerate((world.node, world.other))]
    for player in players:
        player.start()
    for player in players:
        player.join(240)
    after = [world.client.get(f"/v1/wallets/{wallet}").json["balance"] for wallet in wallets]
    derived = [was - sum(source == wallet for source, _ in done) +
               sum(target == wallet for _, target in done) for was, wallet in zip(before, wallets)]
    report.equal("every wallet has what its payments come to", after, derived)
    report.check("most of them were done", len(done) > 36, len(done))


def race(_, world, banks):
    """The same bank ids from two nodes at once, for wallets on both shards."""
    before = world.balance(0) + world.balance(1)
    counts = []

    def play(server, wallets):
        done = 0
        with server.client(world.secret) as client:
            for bank in banks:
                for wallet in wallets:
                    made = patiently(lambda w=wallet, b=bank: world.deposit(client, w, b, 1))
                    done += made.status == 201
        counts.append(done)

    players = [threading.Thread(target=play, args=(server, wallets))
               for server in (world.node, world.other)
               for wallets in (world.wallets, world.wallets[::-1])]
    for player in players:
        player.start()
    for player in players:
        player.join(180)
    report.equal("each bank id is booked once, whoever is faster", sum(counts), len(banks), counts)
    report.equal("and its money came once", world.balance(0) + world.balance(1),
                 before + len(banks))


def away(_, world, banks):
    """The other shard is away: what needs it is busy, what does not goes on."""
    SHARDS.clusters[1].stop(signal.SIGKILL)
    refused = world.deposit(world.client, world.wallets[0], banks[0], 1, key="away")
    report.equal("what needs a shard that is away is busy", refused.status, 503, refused)
    made = [world.client.post("/v1/transfers", {"from": world.wallets[0], "to": world.second,
                                                "amount": 1}).status for _ in range(20)]
    report.equal("what does not goes on", made, [201] * 20)
    SHARDS.clusters[1].start()
    answer = patiently(
        lambda: world.deposit(world.client, world.wallets[0], banks[0], 1, key="away"))
    report.equal("and it is done when the shard is back", answer.status, 201, answer)


def left_behind(_, world):
    """Legs of a node that never comes back: nobody decided, somebody did, and one that is lost."""
    books = SHARDS.sql(0, "SELECT encode(id, 'hex') FROM books", world.key)
    gids = [f"florin:{books}:a:{name}" for name in ("undecided", "decided", "lost")]
    for gid in gids[:2]:
        SHARDS.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{gid}', 0); "
                      f"PREPARE TRANSACTION '{gid}'", world.key)
    foreign = "florin:" + "0" * 32 + ":a:other"
    SHARDS.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{foreign}', 0); "
                  f"PREPARE TRANSACTION '{foreign}'", world.key)
    for gid in gids[1:]:
        SHARDS.sql(0, f"INSERT INTO decisions VALUES ('{gid}', true, 'b', 0)", world.key)
    report.check("they are finished", within(
        WAIT_S, lambda: world.prepared() == [0, 1]), world.prepared())
    rows = SHARDS.sql(0, "SELECT is_commit FROM decisions WHERE gid LIKE '%:undecided'", world.key)
    report.equal("what nobody decided is aborted, where it would have been decided", rows, "f")
    report.equal("those of other books are left alone", SHARDS.clusters[1].sql(
        "SELECT gid FROM pg_prepared_xacts", "postgres"), foreign)
    SHARDS.clusters[1].sql(f"ROLLBACK PREPARED '{foreign}'",
                           SHARDS.clusters[1].database_for(world.key))
    metrics = lambda: world.other.client(world.secret).get("/metrics").body.decode()  # noqa: E731
    report.check("a leg that is nowhere is an alarm",
                 within(WAIT_S, lambda: "florin_legs_missing 1" in metrics()))
    report.check("and is said", within(WAIT_S, lambda: "A LEG IS MISSING" in world.other.log()))
    SHARDS.sql(0, "DELETE FROM decisions WHERE gid LIKE '%:lost'", world.key)
    report.check("until somebody has looked after it",
                 within(WAIT_S, lambda: "florin_legs_missing 0" in metrics()))


shards.serve_from(SHARDS)
WORLD = World()
WORLD.banks = slots_of_banks(WORLD)
WORLD.second, WORLD.back = WORLD.open(0), WORLD.open(0)
for place in (0, 1):
    WORLD.deposit(WORLD.client, WORLD.wallets[place], f"first-{place}", 1000)
for action, which, kind in ((kill, (0, 1, 2, 3, 4, 5), Payment), (stop, (1, 3, 4), Payment),
                            (kill, (2, 4), Deposit), (nothing, (3,), Payment)):
    for words, place, statement, when in [STEPS[number] for number in which]:
        title = f"{action.__name__} {words}, {kind.__name__.lower()}"
        report.run(title, step, WORLD, title, place, statement, when, action, kind)
report.run("crowd", crowd, WORLD)
BANKS = WORLD.banks
report.run("race", race, WORLD, BANKS[:20])
report.run("away", away, WORLD, BANKS[20:])
report.run("left behind", left_behind, WORLD)
for server in (WORLD.node, WORLD.other):
    report.equal("it stops in order", server.stop(), 0, server.log()[-2000:])
verified = WORLD.node.verify()
report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)
report.finish()
