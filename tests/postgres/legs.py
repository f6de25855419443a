# SPDX-License-Identifier: MIT
"""Work on two shards at once whose node is killed, stopped or cut off at each step of the two-phase
commit: what the suites about legs share."""

import os
import signal
import threading
import time

import florin
import shards
from client import Unreachable
from proxy import Proxy, bind_of
from wait import within

WAIT_S = 60


class World:
    """One node behind traps, another that has none, and wallets on both shards."""
    queued = False  # whether commands can wait in Kafka

    def __init__(self, report, binary, count=2, config=None, books=None):
        self.report = report
        self.binary = binary
        self.shards = books or shards.Shards(count)
        self.lines = [one.front if hasattr(one, "front") else Proxy(one.socket)
                      for one in self.shards.clusters]
        shards.serve_from(self.shards)
        self.node = florin.Server(florin=binary, config=config)
        self.key = self.node.data
        self.shards.lines[self.key] = [line.folder for line in self.lines]
        self.node.start()
        self.other = florin.Server(florin=binary, config=config)
        self.shards.books[self.other.data] = self.key
        self.other.start()
        self.secret = self.node.admin_secret
        self.client = self.other.client(self.secret)
        self.count = 0
        self.wallets = [self.open(place) for place in range(count)]

    def open(self, place, kind="customer"):
        while True:
            self.count += 1
            made = patiently(lambda: self.client.post("/v1/wallets", {
                "owner": f"owner-{self.count}", "currency": "EUR", "kind": kind})).json["id"]
            if self.place(made) == place:
                return made

    def place(self, identifier):
        return shards.slot_of(identifier) * len(self.lines) // 1024

    def deposit(self, client, wallet, bank, amount, key=None):
        return client.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                            "bank_transaction_id": bank}, key=key)

    def balance(self, place):
        return self.client.get(f"/v1/wallets/{self.wallets[place]}").json["balance"]

    def prepared(self):
        return [int(one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres"))
                for one in self.shards.clusters]

    def booked(self, place, bank):
        return int(self.shards.sql(place, "SELECT count(*) FROM bank_ids WHERE record = 0 AND "
                                     f"bank_id = '{bank}'", self.key))

    def legs_are_finished(self):
        return within(WAIT_S, lambda: not any(self.prepared()))


def slots_of_banks(world):
    """Bank ids whose slot is on the second shard, so that a wallet of the first needs both. Which
    they are shows when they are booked, so each is taken from a neighbour: the same hash for the
    same text, in other books."""
    found = []
    probe = florin.Server(florin=world.binary).start()
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
    rows = world.shards.sql(1, "SELECT convert_from(bank_id, 'UTF8') FROM bank_ids "
                               "WHERE record = 0", probe.data)
    found = rows.split()
    world.near_banks = [name for name in (f"bank-{number}" for number in range(200))
                        if name not in found]  # whose slot is on the first
    probe.stop()
    return found


def both_ways(report, binary):
    """A world of two shards with whatever some kind of work here names."""
    world = World(report, binary)
    world.banks = slots_of_banks(world)
    world.second, world.back = world.open(0), world.open(0)
    world.shop = world.open(1, "merchant")
    for place in (0, 1):
        world.deposit(world.client, world.wallets[place], f"first-{place}", 1000)
    return world


def add_up(world):
    """What is under way has its time."""
    found = within(WAIT_S, lambda: florin.integrity_problem(
        world.client.get("/check-integrity?depth=full")) is None)
    world.report.check("the books are right", found, lambda: florin.integrity_problem(
        world.client.get("/check-integrity?depth=full")))


def ends(world):
    for server in (world.node, world.other):
        world.report.equal("it stops in order", server.stop(), 0, server.log()[-2000:])
    verified = world.node.verify()
    world.report.equal("all shards verify", verified.returncode, 0,
                       verified.stdout + verified.stderr)


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


class Work:
    """Something that needs two shards, and may be interrupted at any step: whoever finishes it, it
    is done once."""
    count = 0
    status = 201  # of its answer

    def __init__(self, world):
        self.world = world
        self.report = world.report
        Work.count += 1
        self.key = f"{type(self).__name__.lower()}-{Work.count}"
        self.get_ready()
        self.before = self.now()

    def get_ready(self):
        """What must be there before."""

    def now(self):
        """What it changes."""
        raise NotImplementedError

    def send(self, client):
        raise NotImplementedError

    def check(self, name):
        """When all is over."""
        raise NotImplementedError

    def comes_to(self, title, after):
        within(WAIT_S, lambda: self.now() == after)
        self.report.equal(title, self.now(), after)

    def balances(self, *wallets):
        return tuple(self.world.client.get(f"/v1/wallets/{wallet}").json["balance"]
                     for wallet in wallets)


class Deposit(Work):
    """For a wallet of the first shard, by a bank id of the second."""
    def get_ready(self):
        self.bank = self.world.banks.pop()

    def now(self):
        return self.world.balance(0)

    def send(self, client):
        return self.world.deposit(client, self.world.wallets[0], self.bank, 100, key=self.key)

    def check(self, name):
        self.comes_to(f"{name}: the money came once", self.before + 100)
        self.report.equal(f"{name}: and is booked once", self.world.booked(1, self.bank), 1)
        again = patiently(lambda: self.world.deposit(self.world.client, self.world.wallets[1],
                                                     self.bank, 5))
        self.report.equal(f"{name}: for ever", again.code, "duplicate_bank_transaction", again)


class Payment(Work):
    """From the first shard to the second."""
    def now(self):
        return self.world.balance(0), self.world.balance(1)

    def send(self, client):
        return client.post("/v1/transfers", {"from": self.world.wallets[0],
                                             "to": self.world.wallets[1], "amount": 3},
                           key=self.key)

    def check(self, name):
        here, there = self.before
        self.comes_to(f"{name}: it is there and not here any more", (here - 3, there + 3))
        left = patiently(lambda: self.world.client.post("/v1/transfers", {
            "from": self.world.wallets[1], "to": self.world.back, "amount": 1}))
        self.report.equal(f"{name}: and can be paid on", left.status, 201, left)


class Capture(Work):
    """Of a hold of the first shard, in part, for a merchant of the second."""
    def get_ready(self):
        self.hold = patiently(lambda: self.world.client.post("/v1/holds", {
            "wallet": self.world.wallets[0], "merchant": self.world.shop, "amount": 10,
            "expires_in": 600})).json["id"]

    def now(self):
        wallet = self.world.client.get(f"/v1/wallets/{self.world.wallets[0]}").json
        return (wallet["balance"], wallet["held"], *self.balances(self.world.shop))

    def send(self, client):
        return client.post(f"/v1/holds/{self.hold}/capture", {"amount": 4, "final": False},
                           key=self.key)

    def check(self, name):
        balance, held, sold = self.before
        self.comes_to(f"{name}: paid once, and that much less is held",
                      (balance - 4, held - 4, sold + 4))
        rest = patiently(lambda: self.world.client.post(f"/v1/holds/{self.hold}/void"))
        self.report.equal(f"{name}: the rest is free", (rest.status, self.now()),
                          (200, (balance - 4, held - 10, sold + 4)), rest)


class Refund(Work):
    """Of a purchase of the first shard: its merchant, on the second, pays."""
    def get_ready(self):
        self.bought = patiently(lambda: self.world.client.post("/v1/purchases", {
            "wallet": self.world.wallets[0], "merchant": self.world.shop,
            "amount": 5})).json["id"]

    def now(self):
        return self.balances(self.world.wallets[0], self.world.shop)

    def send(self, client):
        return client.post("/v1/refunds", {"purchase": self.bought, "amount": 2}, key=self.key)

    def check(self, name):
        back, left = self.before
        self.comes_to(f"{name}: it is back, once", (back + 2, left - 2))
        over = patiently(lambda: self.world.client.post(
            "/v1/refunds", {"purchase": self.bought, "amount": 4}))
        self.report.equal(f"{name}: and no more than was paid", over.code,
                          "refund_exceeds_purchase", over)


class Approval(Work):
    """Of a payment from the first shard to the second that waits for a second person."""
    status = 200

    def get_ready(self):
        with self.world.other.client(self.world.asker) as asker:
            self.asked = patiently(lambda: asker.post("/v1/transfers", {
                "from": self.world.wallets[0], "to": self.world.wallets[1],
                "amount": 101})).json["id"]

    def now(self):
        return self.world.balance(0), self.world.balance(1)

    def send(self, client):
        return client.post(f"/v1/approvals/{self.asked}/approve", {}, key=self.key)

    def check(self, name):
        here, there = self.before
        self.comes_to(f"{name}: it is paid, once", (here - 101, there + 101))
        shown = self.world.client.get(f"/v1/approvals/{self.asked}").json
        made = self.world.client.get(f"/v1/transactions/{shown.get('transaction')}")
        self.report.equal(f"{name}: and names its payment", (shown["status"], made.json.get(
            "amount")), ("approved", 101), shown)


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
    world.lines[line].sprung.clear()
    world.lines[line].over.clear()
    world.lines[line].trap = (pattern, moment, lambda: action(world))
    sender = threading.Thread(target=send, args=(world, work, answers))
    sender.start()
    came = world.lines[line].wait(WAIT_S)
    world.report.check(f"{name}: it came so far", came, answers)
    free = world.client.post("/v1/wallets", {"owner": f"while-{work.key}", "currency": "EUR"})
    world.report.equal(f"{name}: others go on", free.status, 201)
    world.report.check(f"{name}: nothing stays in doubt", within(
        WAIT_S, lambda: not any(world.prepared())),
                 world.prepared())
    answer = patiently(lambda: work.send(world.client))
    world.report.equal(f"{name}: the key tells", answer.status, kind.status, answer)
    if action is stop:
        os.kill(world.node.process.pid, signal.SIGCONT)
    if action is kill:
        world.node.start()
    sender.join(WAIT_S)
    if answers and answers[0] is not None and answers[0].status == kind.status:
        world.report.equal(f"{name}: both nodes tell the same", answers[0].json, answer.json)
    work.check(name)
