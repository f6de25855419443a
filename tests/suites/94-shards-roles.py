#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shards whose roles are those of docs/postgresql.md: an owner that is no superuser, and nodes that
may not alter the past. What either has prepared and left behind the other one finishes."""

import json
import os
import signal
import subprocess
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from proxy import Proxy  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
WAIT_S = 60
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
report = Report("shards roles")


def places(role, key, lines=None):
    return [{"name": shards.NAMES[place],
             "url": f"host={lines[place].folder if lines else one.socket} user={role} "
                    f"dbname={one.databases[key]}"}
            for place, one in enumerate(SHARDS.clusters)]


class World:
    """Two databases that the owner has made shards of, and a node with the role that serves."""

    def __init__(self):
        self.node = florin.Server(florin=BINARY)
        self.key = self.node.data
        for one in SHARDS.clusters:
            one.sql("CREATE ROLE owner LOGIN", "postgres")
            one.sql("CREATE ROLE waiter LOGIN", "postgres")
            name = one.database_for(self.key)
            one.sql(f"ALTER DATABASE {name} OWNER TO owner", "postgres")
        said = self.shards_command("prepare")
        report.equal("the owner makes shards", said.returncode, 0, said.stderr)
        for place in places("owner", self.key):
            said = self.node.command_line("migrate", "--postgres", place["url"], "--serving",
                                          "waiter")
            report.equal("and gives privileges", said.returncode, 0, said.stderr)
        self.node.config = {"shards": places("waiter", self.key)}
        self.node.start()
        self.client = self.node.client()
        self.count = 0

    def config(self, role, lines):
        path = os.path.join(self.node.home, f"{role}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"shards": places(role, self.key, lines)}, file)
        return path

    def shards_command(self, *words, role="owner", lines=None):
        return self.node.command_line("shards", *words, "--config", self.config(role, lines))

    def open(self, place):
        """A wallet with money whose slot is on that shard."""
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}",
                                                    "currency": "EUR"}).json["id"]
            if shards.slot_of(made) * 2 // 1024 == place:
                break
        paid = self.client.post("/v1/deposits", {"wallet": made, "amount": 100,
                                                 "bank_transaction_id": f"b{self.count}"})
        report.equal("a deposit", paid.status, 201, paid)
        return made

    def pay(self, source, target):
        return self.client.post("/v1/transfers", {"from": source, "to": target, "amount": 1})

    def shown(self, wallet):
        """On how many shards people who know SQL see that wallet."""
        return sum(int(one.sql(f"SELECT count(*) FROM florin.balances WHERE wallet = '{wallet}'",
                               one.databases[self.key])) for one in SHARDS.clusters)

    def prepared(self):
        return [one.sql("SELECT coalesce(string_agg(owner, ','), '') FROM pg_prepared_xacts",
                        "postgres") for one in SHARDS.clusters]


def refused(_, world):
    """Whose nodes could not finish what a killed move leaves does not begin."""
    slot = shards.slot_of(world.open(0))
    said = world.shards_command("move", str(slot), "--to", "b")
    report.check("a move that nodes could not finish is refused",
                 said.returncode != 0 and "GRANT that role" in said.stderr, said)
    for one in SHARDS.clusters:
        one.sql("GRANT waiter TO owner", "postgres")


def killed(_, world, pattern, moment):
    """The mover is killed when the new shard has prepared it: nodes finish it, with their role."""
    wallet, stays = world.open(0), world.open(1)
    slot = shards.slot_of(wallet)
    line = LINES[1]
    line.sprung.clear()
    line.over.clear()
    mover = []
    line.trap = (pattern, moment, lambda: mover[0].kill())
    mover.append(subprocess.Popen([BINARY, "shards", "move", str(slot), "--to", "b", "--config",
                                   world.config("owner", LINES)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    said = mover[0].communicate(timeout=WAIT_S)[0]
    report.check("it came so far", line.wait(WAIT_S), said)
    report.check("a node finishes it", within(WAIT_S, lambda: not any(world.prepared())),
                 world.prepared())
    report.equal("people see the wallet once", world.shown(wallet), 1)
    paid = within(WAIT_S, lambda: (lambda made: made if made.status == 201 else None)(
        world.pay(wallet, stays)))
    report.check("and payments go on", paid is not None)
    said = world.shards_command("move", str(slot), "--to", "b")
    report.equal("the same command goes on", said.returncode, 0, said.stderr)
    report.equal("to its end", world.pay(wallet, stays).status, 201)


def way_back_in(_, world):
    """Who lost every key makes one in the books themselves, and nodes know it within a second."""
    said = world.node.command_line("keys", "create", "--config", world.config("waiter", None))
    report.equal("a key is made", said.returncode, 0, said.stderr)
    with world.node.client(said.stdout.strip()) as client:
        report.check("and opens", within(WAIT_S, lambda: client.get("/v1/keys").status == 200))
    said = world.node.command_line("keys", "create", "--postgres",
                                   places("waiter", world.key)[0]["url"])
    report.check("a shard alone is no books",
                 said.returncode == 1 and "setting shards" in said.stderr, said.stderr)


def left_by_a_node(_, world):
    """A node dies with a leg prepared, and no other one is there: the owner's command ends it."""
    world.node.stop()
    world.node.config = {"shards": places("waiter", world.key, LINES)}
    world.node.start()
    world.client = world.node.client()
    source, target = world.open(0), world.open(1)
    LINES[1].sprung.clear()
    LINES[1].over.clear()
    LINES[1].trap = (b"COMMIT PREPARED", "before",
                     lambda: os.kill(world.node.process.pid, signal.SIGKILL))

    def send():
        try:
            world.pay(source, target)
        except florin.Unreachable:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    report.check("it came so far", LINES[1].wait(WAIT_S))
    sender.join(WAIT_S)
    world.node.kill()
    report.equal("a leg of the node's is left", world.prepared(), ["", "waiter"])
    said = world.shards_command("prepare")
    report.equal("the owner looks after it", said.returncode, 0, said.stderr)
    report.equal("and it is finished", world.prepared(), ["", ""])
    world.node.config = {"shards": places("waiter", world.key)}
    world.node.start()
    world.client = world.node.client()
    report.equal("as was decided", [world.client.get(f"/v1/wallets/{wallet}")["balance"]
                                    for wallet in (source, target)], [99, 101])


WORLD = World()
report.run("refused", refused, WORLD)
report.run("killed before it is prepared", killed, WORLD, b"PREPARE TRANSACTION", "before")
report.run("killed when it is prepared", killed, WORLD, b"PREPARE TRANSACTION", "after")
report.run("killed when it is decided", killed, WORLD, b"COMMIT PREPARED", "before")
report.run("way back in", way_back_in, WORLD)
report.run("left by a node", left_by_a_node, WORLD)
check = WORLD.client.get("/check-integrity?depth=full")
report.equal("the books are right", check.get("consistent"), True, check)
report.equal("it stops in order", WORLD.node.stop(), 0, WORLD.node.log()[-2000:])
for one in places("owner", WORLD.key):
    verified = WORLD.node.command_line("verify", "--postgres", one["url"])
    report.equal("and verifies", verified.returncode, 0, verified.stdout + verified.stderr)
report.finish()
