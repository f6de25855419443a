#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Beside a leg in doubt, and beside somebody's forgotten transaction, PostgreSQL keeps every old
version of every row. No round reads more of them the more there are: pages are counted, no time is
taken."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
import shards  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402
from slots import patiently  # noqa: E402
from two_shards import TwoShards  # noqa: E402

BINARY = florin.binary()
ROUNDS = 400  # enough for some hundred versions, which lie in some ten pages or more
EACH = 8  # payments of a batch between shards
# Pages that a statement may read more of at the end than at the beginning, and some that do more at
# once than others. Without what is tested here it is some hundred of legs, and ten or more of rows
# that each round changes.
MORE = 6
MORE_OF = {"taking it up": 30, "currencies": 10}
cluster.SETTINGS += "shared_preload_libraries = 'pg_stat_statements'\n"
report = Report("shards behind")
# What rounds look for, by what is in the statement.
LOOKS = {
    "what has arrived": "FROM legs x WHERE NOT x.is_taken AND x.brought_by",
    "taking it up": "UPDATE legs",
    "wallets": "FROM wallets\\_%FOR UPDATE",
    "paying wallets": "UPDATE wallets\\_%SET balance",
    "wallets of another shard": "%WITH unseen%",
    "wallets that a leg is about": "UPDATE wallets w SET version = w.version",
    "currencies": "currencies",
    "the row of books": "FROM books WHERE ctid",
}


class World(TwoShards):
    def __init__(self):
        super().__init__(report, BINARY)
        for place in (0, 1):
            self.sql(place, "CREATE EXTENSION pg_stat_statements SCHEMA public")
        self.near, self.far, self.doubted = [self.open(place) for place in (0, 1, 1)]
        self.deposit(self.near, "first")

    def pay_often(self, rounds, name):
        """One after the other, so that each is a round of its own on both."""
        for number in range(rounds):
            made = patiently(lambda n=number: self.client.post("/v1/batches", {"operations": [
                {"type": "transfer", "from": self.near, "to": self.far, "amount": 1,
                 "idempotency_key": f"{name}-{n}-{one}"} for one in range(EACH)]}))
            codes = {one.get("code", "done") for one in made.json["results"]}
            assert made.status == 200 and codes <= {"done", "busy"}, made

    def pages(self, rounds=1):
        """How many pages one call of each of these has read since the last look, by shard. What
        has arrived is taken up by as many calls as there is leisure for, so that is told of each of
        `rounds`."""
        within(60, lambda: not any(int(self.sql(
            place, "SELECT count(*) FROM legs WHERE NOT is_taken")) for place in (0, 1)))
        found = {}
        for place in (0, 1):
            for name, part in LOOKS.items():
                calls = rounds if name == "taking it up" else "sum(calls)"
                pages = self.sql(place, "SELECT round(sum(shared_blks_hit + shared_blks_read) / "
                                        f"{calls}, 1) FROM public.pg_stat_statements WHERE "
                                        f"query LIKE '%{part}%' AND query NOT LIKE 'DELETE%' AND "
                                        "query NOT LIKE '%pg_stat%'")
                if pages:
                    found[place, name] = float(pages)
            self.sql(place, "SELECT public.pg_stat_statements_reset()")
        return found


def holds(world, name):
    """The same payments at the beginning, and when there are some hundred old versions."""
    world.pay_often(20, f"{name} warms up")
    world.pages()
    world.pay_often(20, f"{name} begins")
    before = world.pages(20)
    world.pay_often(ROUNDS, f"{name} goes on")
    world.pages()
    world.pay_often(20, f"{name} ends")
    after = world.pages(20)
    for place, what in sorted(set(before) | set(after)):
        first, last = before.get((place, what)), after.get((place, what))
        report.check(f"{name}, shard {place}: {what}: no more pages than before",
                     first is not None and last is not None and
                     last <= first + MORE_OF.get(what, MORE), (first, last))
    kept = [int(world.sql(place, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = "
                                 "'books'")) for place in (0, 1)]
    print(f"{name}: old versions of the row of books: {kept}; pages: {before} and then {after}")


def doubt(_, world):
    """A leg of the second shard that nobody can finish: somebody holds the row that decides."""
    books = world.sql(0, "SELECT encode(id, 'hex') FROM books")
    gid = f"florin:{books}:a:doubt"
    slot = shards.slot_of(world.doubted)
    held = world.lock(0, f"INSERT INTO florin.decisions VALUES ('{gid}', false, '', 0)")
    world.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{gid}', 0); UPDATE wallets SET "
                 f"version = version WHERE slot = {slot}; PREPARE TRANSACTION '{gid}'")
    holds(world, "a leg in doubt")
    report.equal("it was in doubt all the time", world.sql(
        1, f"SELECT count(*) FROM pg_prepared_xacts WHERE gid = '{gid}'"), "1")
    held.end()


def hold_and_capture(world, batches, name):
    """Holds that last for an hour and are captured at once, twenty at a time."""
    for number in range(batches):
        made = patiently(lambda n=number: world.client.post("/v1/batches", {"operations": [
            {"type": "hold", "wallet": world.near, "merchant": world.shop, "amount": 1,
             "expires_in": 3600, "idempotency_key": f"{name}-{n}-{one}"} for one in range(20)]}))
        assert made.status == 200 and all("id" in one for one in made.json["results"]), made
        ids = [one["id"] for one in made.json["results"]]
        done = patiently(lambda: world.client.post("/v1/batches", {"operations": [
            {"type": "capture", "hold": one} for one in ids]}))
        assert done.status == 200, done
        assert not [one for one in done.json["results"] if "code" in one], done


def forgotten(_, world):
    """Somebody's transaction on the first shard: what has ended is not looked at for ever."""
    world.shop = world.open(0, "merchant")
    held = world.lock(0, "SELECT pg_current_xact_id()")
    hold_and_capture(world, 3, "warms up")
    world.pages()
    hold_and_capture(world, 5, "begins")
    before = world.pages()[0, "the row of books"]
    hold_and_capture(world, 40, "goes on")
    world.pages()
    hold_and_capture(world, 5, "ends")
    after = world.pages()[0, "the row of books"]
    report.check("holds that have ended: no more pages than before", after <= before + MORE,
                 (before, after))
    print(f"beside a forgotten transaction: pages for the row of books: {before} and then {after}")
    held.end()


def hot(_, world):
    """Forty wallets of the first shard that take all its payments: where their versions get onto
    another page, nobody looks through all that were there before."""
    wallets = [world.open(0) for _ in range(40)]
    filled = patiently(lambda: world.client.post("/v1/batches", {"operations": [
        {"type": "transfer", "from": world.near, "to": wallet, "amount": 1000,
         "idempotency_key": f"fill-{wallet}"} for wallet in wallets]}))
    assert not [one for one in filled.json["results"] if "code" in one], filled

    def pay(rounds, name):
        for number in range(rounds):
            made = patiently(lambda n=number: world.client.post("/v1/batches", {"operations": [
                {"type": "transfer", "from": one, "to": two, "amount": 1,
                 "idempotency_key": f"hot-{name}-{n}-{one}"}
                for one, two in zip(wallets, wallets[1:] + wallets[:1])]}))
            assert not [one for one in made.json["results"] if "code" in one], made

    held = world.lock(0, "SELECT pg_current_xact_id()")
    pay(30, "warms up")
    world.pages()
    pay(30, "begins")
    before = world.pages()[0, "paying wallets"]
    pay(ROUNDS // 2, "goes on")
    world.pages()
    pay(30, "ends")
    after = world.pages()[0, "paying wallets"]
    report.check("hot wallets: no more pages than before", after <= before + MORE, (before, after))
    print(f"beside a forgotten transaction: pages for forty hot wallets: {before} and then {after}")
    held.end()


def taken(_, world):
    """No index keeps two wallets from the same number, so the statement that opens them does."""
    world.sql(0, "SELECT public.pg_stat_statements_reset()")
    number = world.sql(0, f"SELECT number FROM wallets WHERE slot = {shards.slot_of(world.near)}")
    world.open(0)
    opens = world.sql(0, "SELECT query FROM public.pg_stat_statements WHERE query LIKE "
                         "'%INSERT INTO wallets SELECT%' AND query NOT LIKE '%pg_stat%'")

    def open_with(number):
        values = [shards.slot_of(world.near), number, 0, 0, 0, 0, 1, 0, 1] + 7 * [0] + [
            "decode(repeat('00', 16), 'hex')", "'twice'::bytea", 0, 0, "NULL::bytea", 0]
        given = ", ".join(f"ARRAY[{value}]" for value in values)
        world.sql(0, f"PREPARE opens AS {opens}; BEGIN; EXECUTE opens({given}); ROLLBACK")

    open_with(int(number) + 1)
    try:
        open_with(number)
        report.fail("a number that is taken", "was given again")
    except RuntimeError as error:
        report.check("a number that is taken", "wrote 0 rows of wallets, but 1 were" in
                     str(error), str(error))


WORLD = World()
report.run("doubt", doubt, WORLD)
report.run("forgotten", forgotten, WORLD)
report.run("hot", hot, WORLD)
report.run("taken", taken, WORLD)
WORLD.ends()
report.finish()
