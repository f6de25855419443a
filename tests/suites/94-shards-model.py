#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lives on two shards and on three against the naive ledger, and the same seeded requests to
one journal and to two or three shards, which the seed says: every answer is that of one server.
Left out is, as docs/shards.md says, an idempotency key that is used again for a request with
another home; and what a batch that is not atomic did on several shards stands in lists in the order
of their clocks. In the lives slots move between the steps, and the books are recounted all the
time. MODEL_SECONDS makes it longer, SEED plays one again."""

import json
import os
import random
import sys
from urllib.parse import unquote

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name)
                for name in ("lib", "model", "postgres", "rules", "roles")]

import commands  # noqa: E402
import differential  # noqa: E402
import florin  # noqa: E402
import rules  # noqa: E402
import run  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
SEED = int(os.environ.get("SEED", random.randrange(1_000_000)))
SECONDS = float(os.environ.get("MODEL_SECONDS", "30"))
STEPS = 700
LATE_MS = 5000  # in which what one shard decided has come to the other


def home_of(operation):
    """What says where it is at home: its wallet or purchase, its owner, or what it ends."""
    return [operation[name] for name in ("wallet", "from", "purchase", "hold", "withdrawal",
                                         "owner") if operation.get(name) is not None]


def home_of_request(request):
    body = json.loads(request.body)
    first = body["operations"][0] if body.get("operations") else body
    return home_of(first) or request.target


class Apart(commands.Generator):
    """No key is used again for a request with another home; and a batch that is not atomic has one
    home, since lists show what several shards did by their clocks."""
    def batch(self):
        request = super().batch()
        body = json.loads(request.body)
        operations = body["operations"]
        if body.get("atomic") is not True:
            body["operations"] = [one for one in operations if home_of(one) and
                                  home_of(one) == home_of(operations[0])] or operations[:1]
        request.body = self.encode(body)
        return request

    def retry(self):
        request = super().retry()
        used = {first.key: first for first in reversed(self.keys)}  # whose it was first
        first = used.get(request.key)
        if first is not None and home_of_request(request) != home_of_request(first):
            request.headers = {name: value for name, value in request.headers.items()
                               if name != "Idempotency-Key"}
        return request


class Moving(run.World):
    """Between two steps a slot with a wallet in it moves to another shard."""
    books = None
    moves = 0

    def begin(self):
        super().begin()
        self.recount = slots.Recount(self.server, self.secrets[-1])

    def step(self):
        super().step()
        if self.steps % 12 == 0:
            self.move()

    def move(self):
        ids = [self.names.server[id_] for id_ in self.door.ledger.wallets]
        slot = shards.slot_of(self.random.choice(ids)) if ids else 0
        if slot == 0:
            return
        owner = slots.owners(self.books, self.server.data, slot)[0]
        count = len(self.books.clusters)
        target = shards.NAMES[(owner + self.random.randrange(1, count)) % count]
        said = slots.move(self.books, self.server, slot, target)
        if said.returncode != 0:
            raise run.Different(f"slot {slot} does not move to {target}: {said}")
        self.moves += 1

    def try_at(self, request, answer, now, times):
        wrong = super().try_at(request, answer, now, times)
        if wrong and request.operation == "balance" and self.was_on_its_way(request, answer.json):
            return []
        return wrong

    def was_on_its_way(self, request, got):
        """Money of another shard comes to a wallet when its own shard takes it, a little after it
        was paid: a balance of a moment in between is the one before."""
        wallet = request.target.split("/")[3]
        asked = run.moment(got["at"])
        before = {"balance": 0}
        for transaction in self.door.ledger.transactions.values():
            for side in (transaction["debit"], transaction["credit"]):
                if side["account"] != wallet:
                    continue
                if asked - LATE_MS < transaction["created_at"] <= asked and before.items() <= {
                        "version": None, **got}.items():
                    return True
                before = {"balance": side["balance"], "version": side["version"]}
        return False

    def compare_lists(self, request, expected, got):
        """Likewise `from` and `to` go by when the money came to the wallet whose list it is."""
        asked = request.target.partition("?")[2].split("&")
        query = dict(part.split("=") for part in asked if part)
        ends = [run.moment(unquote(query[name])) for name in ("from", "to") if name in query]
        slot = self.slot_of_list(request)
        if ends and slot is not None:
            between = (self.names.server[id_] for id_, one in self.door.ledger.transactions.items()
                       if id_ in self.names.server and
                       any(end - LATE_MS < one["created_at"] < end for end in ends))
            came_later = {id_ for id_ in between if shards.slot_of(id_) != slot}
            expected = [one for one in expected
                        if self.names.server.get(one["id"]) not in came_later]
            got = [one for one in got if one["id"] not in came_later]
        super().compare_lists(request, expected, got)

    def slot_of_list(self, request):
        """Whose transactions it shows; None: everybody's, by the shards that decided them, or
        other things."""
        words = request.target.partition("?")[0].split("/")
        if words[-1] != "transactions":
            return None
        owner = self.people[request.who][1]
        wallets = [words[3]] if len(words) == 5 else [
            id_ for id_, one in self.door.ledger.wallets.items() if one["owner"] == owner]
        return shards.slot_of(self.names.server[wallets[0]]) if wallets else None

    def live(self, steps, deadline):
        try:
            return super().live(steps, deadline)
        finally:
            self.recount.over.set()

    def end(self):
        found, wrong = self.recount.stop()
        if wrong:
            raise run.Different(f"a recount found the books wrong: {wrong[0]!r:.3000}")
        print(f"shards model: {self.moves} slots have moved, {found} recounts meanwhile")
        super().end()


class Requests(differential.Requests):
    """Likewise."""
    def __init__(self, seed):
        super().__init__(seed)
        self.used = {}

    def draw(self):
        method, target, body, key = super().draw()
        if key is not None and self.used.setdefault(key, (target, body)) != (target, body):
            key = None
        return method, target, body, key


def lives(report):
    for number in (SEED, SEED + 1):  # one of them is guarded
        count = 2 + (number + SEED // 2) % 2  # one on each; guarded ones on either, by and by
        Moving.books = shards.Shards(count)
        shards.serve_from(Moving.books)
        world = Moving(number, BINARY)
        world.generator.__class__ = Apart
        wrong = world.live(STEPS, run.time.monotonic() + SECONDS / 2)
        report.check(f"seed {number}", wrong is None, wrong)
        print(f"shards model: seed {number}: {world.steps} steps on {count} shards", flush=True)


def same(report, one):
    count = 2 + SEED % 2
    shards.serve_from(shards.Shards(count))
    two = differential.Side(florin.Server(florin=BINARY, config=one.server.config))
    print(f"shards model: seed {SEED}: the same requests to {count} shards", flush=True)
    differential.Requests = Requests
    differential.compare(report, one, two, SEED, 1200, in_order=False)
    for side in (one, two):
        report.equal("exit status", side.server.stop(), 0)
        report.check("log", not side.server.trouble(), side.server.log()[-2000:])
    verified = two.server.verify()
    report.equal("all shards verify", verified.returncode, 0, verified.stdout + verified.stderr)


report = Report("shards model")
alone = differential.Side(florin.Server(florin=BINARY, config=rules.config(differential.RULES)))
lives(report)
same(report, alone)
report.finish()
