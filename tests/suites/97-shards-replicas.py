#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads from the standbys of two shards: a position names each shard that was written on, and is
read where that shard's standby has replayed it; a timeline that has ended and slots that have moved
count as not replayed; and nobody misses what he has written, whatever lags, moves or is
promoted."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
WAIT_S = 90
HOURS = {"Cache-Control": "max-age=86400"}
SHARDS = shards.Shards(2)
STANDBYS = [cluster.Cluster(one) for one in SHARDS.clusters]
for PLACE, STANDBY in enumerate(STANDBYS):
    SHARDS.replicas[PLACE] = [STANDBY]
report = Report("shards replicas")


def pause(place, paused):
    standby = SHARDS.replicas[place][0]
    standby.sql(f"SELECT pg_wal_replay_{'pause' if paused else 'resume'}()", "postgres")
    wanted = "paused" if paused else "not paused"
    assert within(WAIT_S, lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()",
                                              "postgres") == wanted)


def caught_up():
    for place, one in enumerate(SHARDS.clusters):
        here = one.sql("SELECT pg_current_wal_flush_lsn()", "postgres")
        assert within(WAIT_S, lambda p=place, h=here: SHARDS.replicas[p][0].sql(
            f"SELECT pg_last_wal_replay_lsn() >= '{h}'", "postgres") == "t")


class World:
    """A server and a wallet of an owner on each shard."""
    def __init__(self, **config):
        config.setdefault("postgres_cache_wallets", 0)
        config.setdefault("postgres_replica_lag_ms", 600000)  # a paused one is read all the same
        self.server = florin.Server(florin=BINARY, config=config).start()
        self.client = self.server.client()
        self.other = self.server.client(self.server.key("auditor")["secret"])
        self.count = 0
        self.position = None
        self.wallets = [self.open(0), self.open(1)]
        for wallet in self.wallets:
            self.deposit(wallet, 1000)
        assert within(WAIT_S, lambda: self.used() == [1, 1]), self.metrics()
        caught_up()

    def open(self, place):
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}",
                                                    "currency": "EUR"})
            assert made.status == 201, made
            if shards.slot_of(made["id"]) * 2 // 1024 == place:
                return made["id"]

    def post(self, path, body, client=None):
        self.count += 1
        key = f"key-{self.count}"
        made = within(WAIT_S, lambda: (lambda one: one if one.status != 503 else None)(
            (client or self.client).post(path, body, key=key)))
        assert made is not None and made.status in (200, 201), made
        self.position = {"Florin-Position": made.headers["florin-position"]}
        return made

    def deposit(self, wallet, amount):
        """The bank's id lies on the wallet's own shard, so that no other is touched."""
        place = shards.slot_of(wallet) * 2 // 1024
        while True:
            self.count += 1
            made = self.client.post("/v1/deposits", {
                "wallet": wallet, "amount": amount, "bank_transaction_id": f"bank-{self.count}"})
            assert made.status == 201, made
            self.position = {"Florin-Position": made.headers["florin-position"]}
            if self.named() == 1 or place is None:
                return made

    def named(self):
        """How many shards the last position names."""
        return len(self.position["Florin-Position"].split("."))

    def transfer(self, source, target, amount):
        return self.post("/v1/transfers", {"from": self.wallets[source],
                                           "to": self.wallets[target], "amount": amount})

    def metrics(self):
        return self.client.get("/metrics").body.decode()

    def used(self):
        return self.of_replicas("used")

    def reads(self):
        return self.of_replicas("reads_total")

    def of_replicas(self, what):
        """Per shard, in their order."""
        text = self.metrics()
        found = []
        for place in range(len(SHARDS.clusters)):
            name = re.escape(SHARDS.replicas[place][0].socket)
            match = re.search(
                rf'florin_postgres_replica_{what}{{replica="{name}[^"]*"}} (\d+)', text)
            found.append(int(match.group(1)) if match else None)
        return found

    def total(self, source):
        return int(re.search(rf'florin_postgres_reads_total{{from="{source}"}} (\d+)',
                             self.metrics()).group(1))

    def more(self, before):
        return [now - then for now, then in zip(self.reads(), before)]

    def by_standbys(self, wanted, ask):
        """The answer once the standbys of both shards have read that much for it; a standby may be
        thought dead for a moment on a busy machine."""
        def once():
            before = self.reads()
            answer = ask()
            return [answer] if self.more(before) == wanted else None
        found = within(WAIT_S, once)
        report.check(f"it is read by {wanted} of the standbys", found, self.reads())
        return found[0] if found else None

    def balance(self, place, headers=None, client=None):
        answer = (client or self.client).get(f"/v1/wallets/{self.wallets[place]}",
                                             headers=headers)
        assert answer.status == 200, answer
        return answer["balance"]


def same(answer):
    """But for the time that it says."""
    return answer.status, re.sub(rb'"at":"[^"]*"', b"", answer.body)


def routing(_, world):
    for place in (0, 1):
        wallet = world.wallets[place]
        made = world.deposit(wallet, 5)
        report.equal("a payment inside a shard names that one", world.named(), 1, made.headers)
        caught_up()
        for path in (f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/balance",
                     f"/v1/wallets/{wallet}/transactions",
                     f"/v1/transactions/{made['id']}",
                     f"/v1/wallets/{wallet}/balance?at=2999-01-01"):
            before = world.reads()
            now = world.client.get(path)
            report.equal(f"{path}: as of now", world.more(before), [0, 0])
            own = [1 - place, place]  # that shard's standby
            for client, headers in ((world.client, world.position),
                                    (world.other, {"Cache-Control": "max-age=3600"})):
                found = world.by_standbys(own, lambda c=client, h=headers, p=path: c.get(
                    p, headers=h))
                report.equal(f"{path}: {headers}", same(found), same(now))
        before = world.reads()
        world.other.get(f"/v1/wallets/{world.wallets[1 - place]}", headers=world.position)
        report.equal("of a shard that is not named: as of now", world.more(before), [0, 0])
    world.transfer(0, 1, 7)
    report.equal("a payment between shards names both", world.named(), 2, world.position)
    caught_up()
    for path in ("/v1/wallets", "/v1/transactions", "/v1/transactions?type=transfer"):
        near = world.by_standbys([1, 1], lambda p=path: world.client.get(
            p, headers=world.position))
        report.equal(path, same(near), same(world.client.get(path)))
    history = f"/v1/wallets/{world.wallets[1]}/transactions"
    near = world.by_standbys([1, 1], lambda: world.client.get(history, headers=world.position))
    report.equal("what has arrived is asked for where it was decided", same(near),
                 same(world.client.get(history)))
    before = world.reads()
    for strange in ("1-1", "5:1:1-1", "ff-1", "1:1:1-0." + world.position["Florin-Position"]):
        answer = world.client.get(history, headers={"Florin-Position": strange})
        report.equal(f"{strange}: of other books", (answer.status, world.more(before)),
                     (200, [0, 0]))
    for bad in ("", ".", ":", "1:1-1", "1:1:1:1-1", "0:1:1-1", "1:0:1-1", "1:1:0-1",
                world.position["Florin-Position"] + ".", "1:1:1-1..1:1:1-1",
                ".".join(f"{n}:1:1-1" for n in range(1, 18)), "100000000:1:1-1"):
        answer = world.client.get(history, headers={"Florin-Position": bad})
        report.equal(f"position {bad!r}", (answer.status, answer.code), (400, "invalid_request"))


def paused(_, world):
    was = [world.balance(place) for place in (0, 1)]
    caught_up()
    pause(1, True)
    try:
        world.transfer(0, 1, 11)
        position = world.position
        before = world.reads()
        report.equal("with its position the payee has it",
                     world.balance(1, position, world.other), was[1] + 11)
        report.equal("from its primary", world.more(before)[1], 0)
        report.equal("and the payer has paid", world.balance(0, position, world.other),
                     was[0] - 11)
        report.equal("of an hour ago he has not, as his standby says", world.by_standbys(
            [0, 1], lambda: world.balance(1, HOURS, world.other)), was[1])
        report.equal("who paid sees it at any age", world.balance(1, HOURS), was[1] + 11)
        history = f"/v1/wallets/{world.wallets[1]}/transactions?limit=1"
        report.equal("and in the history", world.client.get(history, headers=position)
                     ["items"][0]["amount"], 11)
        # What has arrived last is read where it was decided, too.
        old = world.by_standbys([1, 1], lambda: world.other.get(history, headers=HOURS))
        report.check("which was another an hour ago", old["items"][0]["amount"] != 11, old)
    finally:
        pause(1, False)
    caught_up()
    report.equal("replayed", world.by_standbys([0, 1], lambda: world.balance(1, position)),
                 was[1] + 11)


def away(_, world):
    """A standby that is dead is left out; a primary that is away is not needed for what is old."""
    STANDBYS[0].stop(signal.SIGKILL)
    report.equal("without a standby", world.balance(0, HOURS, world.other), world.balance(0))
    report.check("it is left out", within(WAIT_S, lambda: world.used() == [0, 1]))
    STANDBYS[0].start()
    report.check("and is back", within(WAIT_S, lambda: world.used() == [1, 1]))
    caught_up()
    was = world.balance(0)
    SHARDS.clusters[0].stop(signal.SIGKILL)
    try:
        path = f"/v1/wallets/{world.wallets[0]}"
        found = within(WAIT_S, lambda: (lambda one: one if one.status == 200 else None)(
            world.other.get(path, headers=HOURS)))
        report.equal("while a primary is away its standby answers", found["balance"], was)
        listed = world.client.get("/v1/wallets")
        report.equal("a list as of now says who is away", (listed.status, listed.code),
                     (503, "busy"), listed)
        report.check("by its name", 'The shard "a" cannot be asked' in listed["detail"], listed)
    finally:
        SHARDS.clusters[0].start()
    report.check("and as of now when it is back", within(
        WAIT_S, lambda: world.client.get(f"/v1/wallets/{world.wallets[0]}").status == 200))


def cached(_):
    world = World(postgres_cache_wallets=64)
    for place in (0, 1):
        was = world.balance(place, HOURS, world.other)
        hits = world.total("cache")
        report.equal("read again", world.balance(place, HOURS, world.other), was)
        report.equal("from memory", world.total("cache"), hits + 1)
    was = [world.balance(place, HOURS) for place in (0, 1)]
    world.transfer(0, 1, 3)
    report.equal("who has paid sees it on both shards", [world.balance(place, HOURS)
                                                         for place in (0, 1)],
                 [was[0] - 3, was[1] + 3])
    named = {**world.position, **HOURS}
    report.equal("and who names the position", [world.balance(place, named, world.other)
                                                for place in (0, 1)], [was[0] - 3, was[1] + 3])
    report.equal("exit status", world.server.stop(), 0, world.server.log()[-2000:])


def move(world, slot, target):
    path = os.path.join(world.server.home, "move.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": SHARDS.setting(world.server.data)}, file)
    return subprocess.run([BINARY, "shards", "move", str(slot), "--to", target, "--config", path],
                          capture_output=True, text=True, check=False, timeout=300)


def moved(_, world):
    """A slot that has moved: what was known of its position counts for nothing."""
    wallet = world.wallets[0]
    world.deposit(wallet, 1)
    old, was = world.position, world.balance(0)
    lists = ("/v1/wallets", "/v1/transactions")
    whole = {path: [item["id"] for item in world.client.list(path)] for path in lists}
    begun = {path: world.client.get(f"{path}?limit=1") for path in lists}
    caught_up()
    pause(1, True)
    try:
        said = move(world, shards.slot_of(wallet), "b")
        report.equal("it moves", said.returncode, 0, said.stderr)
        before = world.reads()
        report.equal("a standby that has not replayed the move is not read",
                     world.balance(0, HOURS, world.other), was)
        report.equal("with the old position", world.balance(0, old), was)
        report.equal("as of now", world.balance(0), was)
        report.equal("so all come from the primary", world.more(before), [0, 0])
    finally:
        pause(1, False)
    caught_up()
    before = world.reads()
    report.equal("replayed, the old position", world.balance(0, old), was)
    report.equal("still counts as not replayed", world.more(before), [0, 0])
    report.equal("an age is enough", world.by_standbys(
        [0, 1], lambda: world.balance(0, HOURS, world.other)), was)
    world.post("/v1/transfers", {"from": wallet, "to": world.wallets[1], "amount": 1})
    report.equal("it pays inside its new shard", world.named(), 1, world.position)
    caught_up()
    report.equal("with a new position, by its new shard's standby", world.by_standbys(
        [0, 1], lambda: world.balance(0, world.position)), was - 1)
    said = move(world, shards.slot_of(wallet), "a")
    report.equal("it moves back", said.returncode, 0, said.stderr)
    report.equal("and has all", world.balance(0, HOURS), was - 1)
    for path, first in begun.items():
        found = [item["id"] for item in first["items"]]
        cursor = first.get("next_cursor")
        while cursor:
            page = world.client.get(f"{path}?limit=2&cursor={cursor}").json
            found += [item["id"] for item in page["items"]]
            cursor = page.get("next_cursor")
        report.equal(f"{path}: pages go on where they were, whatever has moved", found, whole[path])


def own_writes(_, world):
    """Replays stop and go and a slot moves; each key sees what it has been told."""
    quit_, wrong, done = threading.Event(), [], [0]
    pairs = [(world.open(0), world.open(1)) for _ in range(3)]
    for pair in pairs:
        for wallet in pair:
            world.deposit(wallet, 1000)
    secrets = [world.server.key("service")["secret"] for _ in pairs]

    def work(pair, secret):
        chance = random.Random(pair[0])
        with world.server.client(secret) as client:
            expected = {wallet: client.get(f"/v1/wallets/{wallet}")["balance"] for wallet in pair}
            while not quit_.is_set():
                source, target = chance.sample(pair, 2)
                answer = client.post("/v1/transfers", {"from": source, "to": target, "amount": 1},
                                     key=f"{pair[0]}-{done[0]}-{chance.random()}")
                if answer.status != 201:
                    wrong.append(answer)
                    return
                expected[source] -= 1
                expected[target] += 1
                headers = chance.choice([HOURS, {"Cache-Control": "max-age=2"}, {
                    "Florin-Position": answer.headers["florin-position"]}])
                for wallet in pair:
                    seen = client.get(f"/v1/wallets/{wallet}", headers=headers)
                    if seen.status != 200 or seen["balance"] != expected[wallet]:
                        wrong.append((expected[wallet], seen, headers))
                done[0] += 1

    threads = [threading.Thread(target=work, args=pair) for pair in zip(pairs, secrets)]
    for thread in threads:
        thread.start()
    slot = shards.slot_of(pairs[0][0])
    for turn in range(4):
        before = done[0]
        pause(turn % 2, True)
        said = move(world, slot, "ba"[turn % 2])
        report.equal("a slot moves under load", said.returncode, 0, said.stderr)
        report.check("they go on", within(WAIT_S, lambda b=before: done[0] > b + 12 or wrong))
        pause(turn % 2, False)
    quit_.set()
    for thread in threads:
        thread.join(WAIT_S)
    report.check("own writes are seen", not wrong, wrong[:5])
    report.check("the standbys help", min(world.reads()) > 0, world.reads())
    print(f"shards replicas: {done[0]} payments read again, by standbys {world.reads()}",
          flush=True)


def promoted(_, world):
    """Positions of the timeline before a promotion count as not replayed."""
    world.transfer(1, 0, 2)
    position, was = world.position, world.balance(1)
    caught_up()
    old, new = SHARDS.clusters[1], STANDBYS[1]
    old.stop(signal.SIGKILL)
    new.promote()
    report.check("the node follows", within(WAIT_S, lambda: world.client.get(
        f"/v1/wallets/{world.wallets[1]}").status == 200))
    old.copy(new)
    old.start()
    SHARDS.clusters[1], SHARDS.replicas[1] = new, [old, new]
    report.check("the old primary is the new one's standby", within(
        WAIT_S, lambda: world.used() == [1, 1]), world.metrics())
    caught_up()
    before = world.reads()
    report.equal("the old position", world.balance(1, position), was)
    report.equal("is read from the primary", world.more(before), [0, 0])
    report.equal("of the other shard", world.by_standbys(
        [1, 0], lambda: world.balance(0, position)), world.balance(0))
    world.transfer(1, 0, 2)
    caught_up()
    report.equal("a new position is read from the new standby", world.by_standbys(
        [0, 1], lambda: world.balance(1, world.position)), was - 2)


def wrong_settings(_):
    usual = florin.Server.usual_command
    command, florin.Server.command = florin.Server.command, usual
    try:
        for replicas, words in (("x", "array of up to 4"), ([""], "array of up to 4"),
                                (["host=x"] * 5, "array of up to 4"), ([7], "array of up to 4")):
            given = SHARDS.setting("wrong")
            given[0]["replicas"] = replicas
            server = florin.Server(florin=BINARY, config={"shards": given})
            refused = server.refused()
            report.check(f"replicas {replicas!r:.40} are refused",
                         refused is not None and words in refused[1], refused)
    finally:
        florin.Server.command = command


# The second shard's url names its standby, too: that is who may be promoted. And the primary is one
# of its replicas, as soon as it is none any more.
SHARDS.clusters[1].beside = [STANDBYS[1]]
SHARDS.replicas[1].append(SHARDS.clusters[1])
shards.serve_from(SHARDS)
report.run("wrong settings", wrong_settings)
WORLD = World()
for step in (routing, paused, moved, own_writes, away, promoted):
    if len(sys.argv) < 2 or step.__name__ in sys.argv[1:]:
        report.run(step.__name__, step, WORLD)
report.equal("it stops in order", WORLD.server.stop(), 0, WORLD.server.log()[-2000:])
verified = WORLD.server.verify()
report.equal("both shards verify", verified.returncode, 0, verified.stdout + verified.stderr)
report.run("cached", cached)
report.finish()
