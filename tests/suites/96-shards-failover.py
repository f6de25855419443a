#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A leg in doubt across promotions: of the shard where it is prepared, and of the shard that has
decided it. Its node is gone, both primaries are killed, their synchronous standbys take over, and
another node finishes it there. And what two nodes were told under load meanwhile is what the books
have: every payment that was acknowledged, once, and none that was refused."""

import os
import signal
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
from client import Unreachable  # noqa: E402
from proxy import Proxy  # noqa: E402
from psql import Psql  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
WAIT_S = 90
WORKERS = 4
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
report = Report("shards failover")


def pair(one):
    """The cluster and a synchronous standby of it."""
    standby = cluster.Cluster(one)
    one.beside = [standby]
    one.setting("synchronous_standby_names", "*")
    assert within(WAIT_S, lambda: one.sql(
        "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "postgres") == "1")
    return standby


class Worker(threading.Thread):
    """Pays between all wallets, each payment under a key of its own, until it is told to stop."""
    def __init__(self, world, number):
        super().__init__(daemon=True)
        self.world, self.number = world, number
        self.over = threading.Event()
        self.answers = {}  # key -> (source, target, the transaction, or None: nobody knows)

    def run(self):
        turn = 0
        server = self.world.nodes[self.number % 2]
        while not self.over.is_set():
            wallets = self.world.wallets
            source = wallets[(self.number + turn) % 4]
            target = wallets[(self.number + turn * 3 + 1) % 4]
            turn += 1
            if source == target:
                continue
            key = f"worker-{self.number}-{turn}"
            self.answers[key] = (source, target, self.pay(server, source, target, key))

    def pay(self, server, source, target, key):
        try:
            with server.client(self.world.secret) as client:
                made = client.post("/v1/transfers", {"from": source, "to": target, "amount": 1},
                                   key=key)
        except Unreachable:
            return None
        return made.json["id"] if made.status == 201 else None


class World:
    def __init__(self):
        self.doomed = florin.Server(florin=BINARY)
        self.key = self.doomed.data
        SHARDS.lines[self.key] = [line.folder for line in LINES]
        self.doomed.start()
        self.secret = self.doomed.admin_secret
        self.nodes = []
        for _ in range(2):
            node = florin.Server(florin=BINARY)
            SHARDS.books[node.data] = self.key
            self.nodes.append(node.start())
        self.client = self.nodes[0].client(self.secret)
        self.count = 0
        self.own = [self.open(0), self.open(1)]  # of the leg in doubt
        self.wallets = [self.open(0), self.open(1), self.open(0), self.open(1)]
        for wallet in self.own + self.wallets:
            made = self.client.post("/v1/deposits", {
                "wallet": wallet, "amount": 1000, "bank_transaction_id": f"bank-{wallet}"})
            assert made.status == 201, made

    def open(self, place):
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}",
                                                    "currency": "EUR"}).json["id"]
            if shards.slot_of(made) * 2 // 1024 == place:
                return made

    def balance(self, wallet):
        return self.client.get(f"/v1/wallets/{wallet}").json.get("balance")


def send(world):
    try:
        with world.doomed.client(world.secret) as client:
            client.post("/v1/transfers", {"from": world.own[0], "to": world.own[1], "amount": 7},
                        key="in doubt")
    except Unreachable:
        pass


def in_doubt(world):
    """Decided on the first shard, prepared on the second, and nobody can finish it."""
    held = []

    def die():
        held.append(Psql(SHARDS.clusters[0], SHARDS.clusters[0].database_for(world.key),
                         "LOCK TABLE florin.decisions IN EXCLUSIVE MODE"))
        world.doomed.kill()

    LINES[1].trap = (b"COMMIT PREPARED", "before", die)
    sender = threading.Thread(target=send, args=(world,))
    sender.start()
    report.check("a leg is prepared", LINES[1].wait(WAIT_S))
    sender.join(WAIT_S)
    return held[0]


def promote(place, standby):
    gone = SHARDS.clusters[place]
    gone.stop(signal.SIGKILL)
    standby.setting("synchronous_standby_names", "")
    standby.promote()
    standby.beside = [gone]
    SHARDS.clusters[place] = standby


def prepared(place):
    return int(SHARDS.clusters[place].sql("SELECT count(*) FROM pg_prepared_xacts", "postgres"))


def patiently(ask):
    return within(WAIT_S, lambda: (lambda made: made if made.status != 503 else None)(ask()))


def settle(world, workers):
    """Every key is asked again: now everybody hears what became of it."""
    done = {}
    for worker in workers:
        for key, (source, target, told) in worker.answers.items():
            made = patiently(lambda s=source, t=target, k=key: world.client.post(
                "/v1/transfers", {"from": s, "to": t, "amount": 1}, key=k))
            if made is None or made.status != 201:
                report.fail(f"{key} is settled", f"{made!r}")
                return done
            if told is not None and (made.json["id"] != told or not made.replayed):
                report.fail(f"{key} is still what it was", f"{told}: {made!r}")
            done[made.json["id"]] = (source, target)
    return done


def failover(_, world):
    workers = [Worker(world, number) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    report.check("two nodes pay", within(
        WAIT_S, lambda: sum(told is not None for worker in workers
                            for _, _, told in list(worker.answers.values())) > 20))
    session = in_doubt(world)  # and with it whatever the others decide there now
    report.check("it is in doubt", prepared(1) >= 1, prepared(1))
    promote(1, STANDBYS[1])
    report.check("it is still in doubt on the new primary", prepared(1) >= 1, prepared(1))
    promote(0, STANDBYS[0])
    session.process.kill()
    report.check("it is finished where the shards are now", within(
        WAIT_S, lambda: world.balance(world.own[1]) == 1007))
    before = sum(len(worker.answers) for worker in workers)
    report.check("payments go on there", within(
        WAIT_S, lambda: sum(len(worker.answers) for worker in workers) > before + 20))
    for worker in workers:
        worker.over.set()
    for worker in workers:
        worker.join(WAIT_S)
    report.equal("and its payer has paid once", world.balance(world.own[0]), 993)
    again = patiently(lambda: world.client.post("/v1/transfers", {
        "from": world.own[0], "to": world.own[1], "amount": 7}, key="in doubt"))
    report.equal("as its key tells", (again.status, again.replayed), (201, True), again)
    done = settle(world, workers)
    derived = [1000 - sum(source == wallet for source, _ in done.values()) +
               sum(target == wallet for _, target in done.values()) for wallet in world.wallets]
    report.equal("every wallet has what was acknowledged, once",
                 [world.balance(wallet) for wallet in world.wallets], derived)
    listed = [item["id"] for item in world.client.list("/v1/transactions?type=transfer&limit=1000")]
    report.equal("and no transfer is there that nobody was told of", sorted(listed),
                 sorted(list(done) + [again.json["id"]]))
    full = world.client.get("/check-integrity?depth=full")
    report.equal("all records of both add up", (full.json["consistent"], full.json["in_flight"]),
                 (True, []), full)
    print(f"shards failover: {len(done)} payments of {WORKERS} workers", flush=True)


STANDBYS = [pair(one) for one in SHARDS.clusters]
shards.serve_from(SHARDS)
WORLD = World()
report.run("failover", failover, WORLD)
for node in WORLD.nodes:
    report.equal("it stops in order", node.stop(), 0, node.log()[-2000:])
verified = WORLD.doomed.verify()
report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)
report.finish()
