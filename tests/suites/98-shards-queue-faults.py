#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Queued commands with the books on two shards while nodes and workers are killed, come, go and
sleep, slots move, and a shard is away: each command exactly once and in the order of its payer,
whoever pays whom, and nothing waits but what has to."""

import os
import signal
import sys
import threading
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka", "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the databases are started: this may begin another python

import florin  # noqa: E402
import lanes  # noqa: E402
import shards  # noqa: E402
import shop as shops  # noqa: E402
import slots  # noqa: E402
from apart import Crew  # noqa: E402
from load import Load, settle  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
KAFKA = broker.Cluster().start()
SHARDS = shards.Shards(2)
shards.serve_from(SHARDS)
PARTITIONS = 4


def crew(books=SHARDS, **more):
    return Crew(KAFKA, books, BINARY, uuid.uuid4().hex[:8], **more)


def family(one, money=1_000_000):
    """Customers on both shards, and a shop on each."""
    payers = [one.open(number % 2, money=money) for number in range(4)]
    return payers, [one.open(place, "merchant") for place in (0, 1)]


def killed(report):
    """Workers and nodes are killed, leave and come back while payments cross shards."""
    one = crew()
    shop = one.shop
    payers, tills = family(one)
    load = Load(shop, payers, tills[0], pause=0.01, others=[*payers, tills[1]])
    load.more(20)
    worker = one.node("work").start()
    one.wait_for(one.has(worker, 2), "half of the partitions")
    load.more(20)
    worker.kill()  # in the middle of whatever it does
    load.more(20)
    shop.server.kill()
    other = one.node().start()
    one.wait_for(one.has(other, PARTITIONS), "all partitions to be the other's")
    shop.server.start()
    worker.start()
    one.wait_for(lambda: one.metric(worker, "worker_partitions") >= 1, "some partitions")
    load.more(20)
    report.equal("one leaves", other.stop(timeout=60), 0, other.log()[-2000:])
    load.more(20)
    settle(report, "killed", shop, payers, tills[0], load, one.arrived)
    report.equal("nothing of it is dead", shop.metric("worker_dead_letters_total"), 0)
    one.end(report)


def moved(report):
    """Slots go there and back while their commands are queued and carried out, and while nobody
    carries them out: their places in the log go along."""
    one = crew()
    shop = one.shop
    payers, tills = family(one)
    load = Load(shop, payers, tills[0], pause=0.01, others=[*payers, tills[1]])
    load.more(20)
    for target in "baba":
        one.move(report, payers[0], target)
        load.more(10)
    load.end()
    report.equal("the node stops", shop.server.stop(timeout=60), 0, shop.server.log()[-2000:])
    door = one.node(work=False).start()  # nobody carries anything out
    for _ in range(6):
        one.pay(report, load.acknowledged, payers[0], payers[1], door)
    before = one.places(payers[0])
    one.move(report, payers[0], "b")
    report.equal("the place goes along", one.places(payers[0]), before[::-1])
    door.stop()
    shop.server.start()
    settle(report, "moved", shop, payers, tills[0], load, one.arrived)
    report.equal("nobody else did anything", shop.metric("worker_fenced_total"), 0)
    one.move(report, payers[0], "a")  # both shards have history of the place by now
    with shop.client() as client:
        last = shop.queue(client, "/v1/transfers", {"from": payers[0], "to": tills[1],
                                                    "amount": 1})
    report.equal("and it goes on at home", shop.outcome(last["id"])["status"], "done")
    one.end(report)


def old_map(report):
    """A worker that sleeps through a move, and one whose partitions were another's meanwhile."""
    one = crew(work=False, session_timeout_ms=6000)
    shop, sleeper = one.shop, one.node("work").start()
    one.wait_for(one.has(sleeper, PARTITIONS), "the sleeper's partitions")
    payer, payee, till = one.open(0, money=1000), one.open(1), one.open(0, "merchant")
    acknowledged = {payer: []}

    def pay(count):
        return [one.pay(report, acknowledged, payer, (payee, till)[number % 2])
                for number in range(count)][-1]

    report.equal("done before", shop.outcome(pay(3))["status"], "done")
    for target in "ba":
        sleeper.process.send_signal(signal.SIGSTOP)
        wanted = pay(5)
        one.move(report, payer, target)
        sleeper.process.send_signal(signal.SIGCONT)
        report.equal("woken, it goes where the slot is", shop.outcome(wanted)["status"], "done")
    sleeper.process.send_signal(signal.SIGSTOP)
    wanted = pay(5)
    one.move(report, payer, "b")
    heir = one.node("work").start()
    one.wait_for(one.has(heir, PARTITIONS), "its partitions to be the other's")
    report.equal("the other does it", shop.outcome(wanted)["status"], "done")
    one.move(report, payer, "a")
    wanted = pay(5)
    sleeper.process.send_signal(signal.SIGCONT)
    report.equal("and what comes next", shop.outcome(wanted)["status"], "done")
    one.wait_for(lambda: one.metric(sleeper, "worker_partitions") +
                 one.metric(heir, "worker_partitions") == PARTITIONS, "both to share")
    report.equal("done at last", shop.outcome(pay(3))["status"], "done")
    one.arrived()
    shops.check(report, "old map", shop, acknowledged, [payer, payee, till],
                {payer: 1000, payee: 0, till: 0})
    one.end(report)


def away(report):
    """One of the shards is away: commands of the other one's slots go on, also when their worker is
    lost meanwhile; what needs it waits, with all that is behind it, and is done in order."""
    books = shards.Shards(2)
    shards.serve_from(books)
    one = crew(books, work=False)
    shop = one.shop
    workers = [one.node("work").start() for _ in range(2)]
    for worker in workers:
        one.wait_for(one.has(worker, PARTITIONS // 2), "half of the partitions each")
    here = [one.open(0, money=1000) for _ in range(3)]
    there = [one.open(1, money=1000) for _ in range(2)]
    till = one.open(0, "merchant")
    wallets = [*here, *there, till]
    acknowledged = {payer: [] for payer in [*here, *there]}
    opening = {**{wallet: 1000 for wallet in wallets}, till: 0}

    def pay(payer, payee):
        return one.pay(report, acknowledged, payer, payee)

    done = [pay(payer, till) for payer in [*here, *there]]
    report.equal("all are done", {shop.outcome(each)["status"] for each in done}, {"done"})
    books.clusters[1].stop(signal.SIGKILL)
    across = pay(here[0], there[0])     # needs the one that is away,
    behind = pay(here[0], till)         # and this one is behind it
    lost = [pay(payer, here[1]) for payer in there]
    for _ in range(2):
        for payer in here[1:]:
            report.equal("others go on", shop.outcome(pay(payer, till))["status"], "done")
            report.equal("and among each other", shop.outcome(pay(payer, here[0]))["status"],
                         "done")
        if workers[0].process.poll() is None:
            one.wait_for(lambda: sum(one.metric(worker, "worker_slots_waiting")
                                     for worker in workers) > 0, "slots that wait")
            workers[0].kill()
            one.wait_for(one.has(workers[1], PARTITIONS), "all partitions to be the other's")
    with shop.client() as client:
        for operation in (across, behind):
            report.equal("what needs it waits", client.get(f"/v1/operations/{operation}")["status"],
                         "queued")
        unknown = client.get(f"/v1/operations/{done[-1]}")
        report.equal("what was done there cannot be told", unknown.code, "busy", unknown)
    report.check("they are counted as lag", one.metric(workers[1], "worker_lag") >= 2)
    report.equal("nobody is to do anything", one.metric(workers[1], "worker_stopped"), 0)
    books.clusters[1].start()
    for operation in (across, behind, *lost):
        report.equal("it is back", shop.outcome(operation)["status"], "done")
    one.wait_for(lambda: one.metric(workers[1], "worker_slots_waiting") == 0, "no slot to wait")
    one.arrived()
    shops.check(report, "away", shop, acknowledged, wallets, opening)
    report.equal("nothing of it is dead", one.metric(workers[1], "worker_dead_letters_total"), 0)
    one.end(report)


def held_row(one, wallet, row="wallets WHERE id = id_bytes('{wallet}')"):
    """Somebody has locked this row of the first shard; what is returned lets it go."""
    row = row.format(wallet=wallet, slot=shards.slot_of(wallet))

    def hold():
        try:
            one.books.sql(0, f"BEGIN; SELECT FROM {row} FOR UPDATE; SELECT pg_sleep(599)", one.data)
        except RuntimeError:
            pass  # its session is ended

    def sleeping(what):
        return one.books.sql(0, f"SELECT {what} FROM pg_stat_activity WHERE datname = "
                                "current_database() AND wait_event = 'PgSleep' AND "
                                "query LIKE '%pg_sleep(599)%'", one.data)

    def let_go():
        sleeping("pg_terminate_backend(pid)")
        holder.join()
    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    one.wait_for(lambda: sleeping("count(*)") == "1", "the lock")
    return let_go


def behind_another(report):
    """A slot's command waits while another slot of its partition is done with what comes behind it.
    A worker that begins there and leaves at once leaves it as it is."""
    one = crew(work=False)
    shop, worker = one.shop, one.node("work").start()
    one.wait_for(one.has(worker, PARTITIONS), "all partitions")

    def partition(wallet):
        return shops.partition_of(str(shards.slot_of(wallet)).encode(), PARTITIONS)
    slow, till = one.open(0, money=10), one.open(0, "merchant")
    quick = one.open(0, money=10)
    while partition(quick) != partition(slow) or shards.slot_of(quick) == shards.slot_of(slow):
        quick = one.open(0, money=10)
    let_go, acknowledged = held_row(one, slow), {slow: [], quick: []}
    waits = one.pay(report, acknowledged, slow, till)
    for _ in range(3):
        done = one.pay(report, acknowledged, quick, till)
    report.equal("done behind it", shop.outcome(done)["status"], "done")
    worker.kill()
    heir = one.node("work").start()
    one.wait_for(one.has(heir, PARTITIONS), "an heir's partitions")
    report.equal("the heir leaves", heir.stop(timeout=60), 0, heir.log()[-2000:])
    let_go()
    worker.start()
    report.equal("it is done in the end", shop.outcome(waits)["status"], "done")
    shops.check(report, "behind another", shop, acknowledged, [slow, quick, till],
                {slow: 10, quick: 10, till: 0})
    one.end(report)


def place_locked(report):
    """Somebody has locked the place of a slot: it waits, all others of both shards go on, and when
    it is free its commands are done in their order, also those across."""
    one = crew(work=False)
    shop, worker = one.shop, one.node("work").start()
    one.wait_for(one.has(worker, PARTITIONS), "all partitions")
    payers, tills = family(one, money=100)
    slow, acknowledged = payers[0], {payer: [] for payer in payers}
    let_go = held_row(one, slow, "cursors WHERE kind = 1 AND slot = {slot}")
    held = [one.pay(report, acknowledged, slow, tills[number % 2]) for number in range(4)]
    for payer in payers[1:]:
        done = one.pay(report, acknowledged, payer, slow)
        report.equal("others go on", shop.outcome(done, timeout=30)["status"], "done")
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == 1, "one slot to wait")
    report.check("the log says which", f"Slot {shards.slot_of(slow)} in partition" in worker.log()
                 and "for a shard that is away" not in worker.log(), worker.log()[-1000:])
    let_go()
    report.equal("done when it is free", {shop.outcome(each)["status"] for each in held}, {"done"})
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == 0, "none to wait")
    one.arrived()
    shops.check(report, "place locked", shop, acknowledged, [*payers, *tills],
                {**{payer: 100 for payer in payers}, **{till: 0 for till in tills}})
    one.end(report)


def let_go_beside(report):
    """While a shard is away, somebody locks a wallet of the other one for longer than a moment. Its
    slot is set aside like those that need the shard, but when the wallet is let go its commands are
    done, and not only when the shard is back."""
    books = shards.Shards(2)
    shards.serve_from(books)
    one = crew(books, work=False)
    shop, worker = one.shop, one.node("work").start()
    one.wait_for(one.has(worker, PARTITIONS), "all partitions")
    locked, till, there = one.open(0, money=10), one.open(0, "merchant"), one.open(1, money=10)
    acknowledged = {locked: [], there: []}
    books.clusters[1].stop(signal.SIGKILL)
    away = one.pay(report, acknowledged, there, till)
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == 512, "its slots to wait")
    let_go = held_row(one, locked)
    held = [one.pay(report, acknowledged, locked, till) for _ in range(3)]
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == 513, "one more to wait")
    let_go()
    report.equal("done when it is let go", {shop.outcome(each)["status"] for each in held},
                 {"done"})
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == 512, "no other to wait")
    report.check("the shard's are counted as lag", one.metric(worker, "worker_lag") >= 1)
    books.clusters[1].start()
    report.equal("it is back", shop.outcome(away)["status"], "done")
    one.arrived()
    shops.check(report, "let go beside", shop, acknowledged, [locked, till, there],
                {locked: 10, till: 0, there: 10})
    one.end(report)


def back_before(report):
    """Two of three shards are away. What needs but the one that is back first does not wait for the
    other."""
    books = shards.Shards(3)
    shards.serve_from(books)
    one = crew(books, work=False)
    shop, worker = one.shop, one.node("work").start()
    one.wait_for(one.has(worker, PARTITIONS), "all partitions")
    payers, till = [one.open(place, money=10) for place in range(3)], one.open(0, "merchant")
    acknowledged = {payer: [] for payer in payers}
    for place in (1, 2):
        books.clusters[place].stop(signal.SIGKILL)
    waits = [one.pay(report, acknowledged, payer, till) for payer in payers[1:]]
    away = sum(slot * 3 // 1024 != 0 for slot in range(1024))
    one.wait_for(lambda: one.metric(worker, "worker_slots_waiting") == away,
                 "the slots of both to wait")
    goes_on = one.pay(report, acknowledged, payers[0], till)
    report.equal("others go on", shop.outcome(goes_on)["status"], "done")
    books.clusters[1].start()
    report.equal("done when it is back", shop.outcome(waits[0])["status"], "done")
    with shop.client() as client:
        report.equal("what needs the other waits",
                     client.get(f"/v1/operations/{waits[1]}").code, "busy")
    books.clusters[2].start()
    report.equal("then it is done, too", shop.outcome(waits[1])["status"], "done")
    one.arrived()
    shops.check(report, "back before", shop, acknowledged, [*payers, till],
                {**{payer: 10 for payer in payers}, till: 0})
    one.end(report)


class Post:
    """Records that somebody else writes, each of which can never succeed, and their letters."""
    def __init__(self, one):
        self.one, self.shop = one, one.shop
        self.producer = KAFKA.producer()
        with one.shop.client() as client:
            self.key = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
        self.sent = []  # where they are

    def send(self, payer, payee, name, partition=None, text=None, secret=None):
        """A payment of 1; returns where it is."""
        value = shops.payment(payer, payee, 1, name)
        text = str(shops.slot_of(payer)).encode() if text is None else text
        topic = self.one.settings["commands_topic"]
        place = self.producer.send(
            topic, value, key=text, headers=shops.headers_of(
                secret or self.key["secret"], self.key["id"], text, value, topic),
            partition=shops.partition_of(text, PARTITIONS) if partition is None else partition
        ).get(60)
        self.sent.append((place.partition, place.offset))
        return self.sent[-1]

    def dead(self, payer, payee, name):
        """One of each kind: without a slot, without a command, with one that is refused."""
        home = shops.partition_of(str(shops.slot_of(payer)).encode(), PARTITIONS)
        other = str(shops.slot_of(payee)).encode()
        return {"wrong partition": self.send(payer, payee, f"{name}-lost", (home + 1) % PARTITIONS),
                "no slot": self.send(payer, payee, f"{name}-none", home, b"nobody"),
                "unproved": self.send(payer, payee, f"{name}-forged", secret="another"),
                "wrong key": self.send(payer, payee, f"{name}-key", text=other)}

    def letters(self):
        """Where their records were, of all that there are."""
        return sorted((int(headers["florin-partition"]), int(headers["florin-offset"]))
                      for headers in ({name: value.decode() for name, value in letter.headers}
                                      for letter in KAFKA.read(
                                          self.one.settings["dead_letter_topic"])))

    def are_passed(self, places, payer):
        """Whether places that are kept are behind them: of his own slot, or of any of theirs."""
        for partition, offset in places:
            slots = [slot for slot in range(1024)
                     if shops.partition_of(str(slot).encode(), PARTITIONS) == partition]
            if shards.slot_of(payer) in slots:
                slots = [shards.slot_of(payer)]
            furthest = self.one.books.sql(
                0, "SELECT coalesce(max(next), 0) FROM cursors WHERE kind = 1 AND slot IN "
                f"({', '.join(map(str, slots))})", self.one.data)
            if int(furthest) <= offset:
                return False
        return True

    def wait(self, places, what):
        try:
            self.one.wait_for(lambda: set(places) <= set(self.letters()), what)
        except AssertionError as error:
            said = [line for node in self.one.nodes for line in node.log().splitlines()
                    if " queue: " in line]
            raise AssertionError("\n".join([f"{set(places) - set(self.letters())} of {self.sent}",
                                            *said[-40:]])) from error


def letters(report):
    """What can never succeed becomes a letter once, also when its partition is read again because
    a shard was away, by the same worker or by another one; and goes back to either shard."""
    books = shards.Shards(2)
    shards.serve_from(books)
    one = crew(books, work=False)
    shop, post = one.shop, Post(one)
    here, there, till = one.open(0, money=100), one.open(1, money=100), one.open(0, "merchant")
    not_skipped(report, one, post, here, till)
    worker = one.node("work").start()
    one.wait_for(one.has(worker, PARTITIONS), "all partitions")
    acknowledged = {here: [], there: []}
    lost = [post.dead(here, till, "before")["wrong partition"],
            post.dead(there, till, "before")["wrong partition"]]
    post.wait(post.sent, "letters")
    one.wait_for(lambda: shop.balance(here) == 99, "what was not skipped to be done")
    workers = [worker]
    for name in ("away", "away and killed"):
        if name == "away and killed":
            workers.append(one.node("work").start())
            one.wait_for(one.has(workers[1], PARTITIONS // 2), "half of the partitions")
        books.clusters[1].stop(signal.SIGKILL)
        waits = one.pay(report, acknowledged, there, till)
        one.wait_for(lambda: sum(one.metric(each, "worker_slots_waiting") for each in workers) > 0,
                     "slots that wait")
        goes_on = one.pay(report, acknowledged, here, till)
        report.equal("others go on", shop.outcome(goes_on)["status"], "done")
        at_once = post.dead(here, till, name)
        later = post.dead(there, till, name)
        written = [*at_once.values(), *(later[kind] for kind in (
            "wrong partition", "no slot", "wrong key"))]
        post.wait(written, "letters")
        if name == "away and killed":
            one.wait_for(lambda p=written: post.are_passed(p, here), "places behind them")
            workers.pop(0).kill()
            one.wait_for(one.has(workers[0], PARTITIONS), "all partitions to be the heir's")
        books.clusters[1].start()
        report.equal(f"{name}: it is back", shop.outcome(waits)["status"], "done")
        one.wait_for(lambda: one.metric(workers[0], "worker_slots_waiting") == 0,
                     "no slot to wait")
        post.wait(post.sent, "all letters")
        report.equal(f"{name}: each once", post.letters(), sorted(post.sent))
    for payer in (here, there):  # nothing more becomes a letter behind these
        last = one.pay(report, acknowledged, payer, till)
        report.equal("it goes on", shop.outcome(last)["status"], "done")
    report.equal("each once in the end", post.letters(), sorted(post.sent))
    sent_back(report, one, post, dict(zip(lost, (here, there))))
    under_a_key(report, one, lost[0])
    one.arrived()
    balances = {wallet: shop.balance(wallet) for wallet in (here, there, till)}
    paid = {payer: len(orders) + 1 + (payer == here) for payer, orders in acknowledged.items()}
    report.equal("nothing else was done", balances, {
        here: 100 - paid[here], there: 100 - paid[there], till: sum(paid.values())})
    one.end(report)


def not_skipped(report, one, post, payer, payee):
    """Before a letter is written nobody moves a place past its record, which would say that it is:
    neither a person."""
    home = shops.partition_of(str(shops.slot_of(payer)).encode(), PARTITIONS)
    one.wait_for(lambda: one.settings["commands_topic"] in KAFKA.topics(), "the topic")
    first = post.send(payer, payee, "skip-none", home, b"nobody")
    partition, record = post.send(payer, payee, "not-skipped")
    post.sent.pop()  # it is no letter
    server = one.shop.server
    said = server.command_line(
        "queue", "skip", "--partition", str(partition), "--record", str(record), "--reason", "a",
        "--yes", "--config", os.path.join(server.home, "config.json"))
    report.check("it is not skipped", said.returncode == 1 and
                 f"record {first[1]}, which is of no slot" in said.stderr, said)


def sent_back(report, one, post, lost):
    """`florin dead-letter` with the configuration of books on shards: letters are listed and shown,
    and what was in a wrong partition is sent to the right one, twice, and done once."""
    server, count = one.shop.server, len(post.sent)

    def letter(*words):
        return server.command_line("dead-letter", *words, "--config",
                                   os.path.join(server.home, "config.json"))
    listed = letter("list")
    report.check("all are listed", f"{count} dead letters" in listed.stdout, listed)
    for found in KAFKA.read(one.settings["dead_letter_topic"]):
        headers = {name: value.decode() for name, value in found.headers}
        payer = lost.get((int(headers["florin-partition"]), int(headers["florin-offset"])))
        if payer is None:
            continue
        place = f"{found.partition}/{found.offset}"
        shown = letter("show", place)
        report.check("it is shown", "reason: wrong partition" in shown.stdout and
                     payer in shown.stdout, shown)
        before = one.shop.balance(payer)
        for _ in range(2):
            again = letter("retry", place)
            report.check("it is sent back", "It is record" in again.stdout, again)
        one.wait_for(lambda p=payer, b=before: one.shop.balance(p) == b - 1, "it to be done")
    report.equal("and nothing more is dead", post.letters(), sorted(post.sent))


def under_a_key(report, one, lost):
    """A letter is sent back once under a key, also when the slot of the cursor that remembers it
    goes to the other shard meanwhile, and the node has learnt of that."""
    with one.shop.client(timeout=60.0) as client:
        letter = next(item for item in client.get("/v1/dead-letters")["items"]
                      if (int(item["partition"]), int(item["offset"])) == lost)
        path = f"/v1/dead-letters/{letter['id']}/retry"
        first = client.post(path, {}, key="once")
        report.equal("under a key it is sent back", (first.status, first.replayed), (200, False),
                     first)
        slot = max(int(one.books.sql(place, "SELECT coalesce(max(slot), -1) FROM cursors "
                                     "WHERE kind = 12", one.data)) for place in (0, 1))
        home, = slots.owners(one.books, one.data, slot)
        for target in ("ab"[1 - home], "ab"[home]):
            said = slots.move(one.books, one.shop.server, slot, target)
            report.equal(f"its slot moves to {target}", said.returncode, 0,
                         said.stdout + said.stderr)
            for _ in range(3):
                again = client.post(path, {}, key="once")
                report.equal(f"and it is not sent a second time, its slot on {target}", (
                    again.status, again.json, again.replayed), (200, first.json, True), again)
                time.sleep(1)  # until the node has the new map


def main():
    report = Report("shards queue faults")
    lanes.side_by_side(report, [("killed", killed), ("moved", moved), ("old map", old_map),
                                ("behind another", behind_another), ("away", away),
                                ("place locked", place_locked),
                                ("let go beside", let_go_beside), ("back before", back_before),
                                ("letters", letters)])
    report.finish()


if __name__ == "__main__":
    main()
