#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Slots that move from one shard to another while payments go on: everything goes along, nothing is
lost or doubled, both shards verify at every moment, and whoever has an old map is turned away."""

import os
import random
import signal
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
import slots as slots_lib  # noqa: E402
from proxy import Proxy, bind_of  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from slots import Crowd, naive, patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
report = Report("shards move")
WORLDS = []
PAUSES = slots_lib.Pauses()


def move(server, slots, target):
    """`florin shards move`, with what it says."""
    said = slots_lib.move(SHARDS, server, slots, target)
    PAUSES.add(said)
    return said


class World:
    """A server, wallets of customers and shops in some slots of the first shard and elsewhere."""
    def __init__(self):
        self.server = florin.Server(florin=BINARY).start()
        WORLDS.append(self)
        self.client = self.server.client()
        self.count = 0
        self.slots = {}  # slot -> wallets
        self.shops = []
        while len(self.slots) < 12 or min(map(len, self.chosen())) < 2:
            self.open()
        for _ in range(6):
            self.shops.append(self.open("merchant"))
        self.wallets = [one for many in self.slots.values() for one in many]

    def chosen(self):
        """Wallets of the slots that will move: the two of the first shard that have most."""
        low = sorted((slot for slot in self.slots if 0 < slot < 512),
                     key=lambda slot: -len(self.slots[slot]))
        return [self.slots[slot] for slot in low[:2]] if len(low) > 1 else [[], []]

    def open(self, kind="customer"):
        self.count += 1
        # Owners with several wallets, so that a slot has payments of its own.
        owner = f"owner-{self.count // 3 if kind == 'customer' else self.count}-{kind}"
        made = self.client.post("/v1/wallets", {"owner": owner, "currency": "EUR", "kind": kind})
        assert made.status == 201, made
        if kind == "customer":
            self.slots.setdefault(shards.slot_of(made.json["id"]), []).append(made.json["id"])
        return made.json["id"]

    def open_at(self, shard, kind):
        """In a slot of that shard where there is no wallet yet."""
        while True:
            self.count += 1
            made = self.client.post("/v1/wallets", {"owner": f"owner-{self.count}-alone",
                                                    "currency": "EUR", "kind": kind})
            assert made.status == 201, made
            slot = shards.slot_of(made.json["id"])
            if slot not in (0, *self.slots) and owner(self, slot) == shard:
                return made.json["id"]

    def post(self, path, body, **options):
        return self.client.post(path, body, **options)

    def deposit(self, wallet, amount):
        self.count += 1
        return self.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                          "bank_transaction_id": f"bank-{self.count}"},
                         key=f"deposit-{self.count}")

    def live(self, turns=40):
        """Some of everything, between all slots."""
        pick = random.Random(turns)
        for wallet in self.wallets:
            report_ok(self.deposit(wallet, 1000))
        for turn in range(turns):
            one, two = pick.sample(self.wallets, 2)
            self.post("/v1/transfers", {"from": one, "to": two, "amount": 1 + turn})
            bought = self.post("/v1/purchases", {"wallet": one, "merchant": pick.choice(self.shops),
                                                 "amount": 2, "order": f"order-{turn}"})
            if turn % 4 == 0 and bought.status == 201:
                self.post("/v1/refunds", {"purchase": bought.json["id"], "amount": 1})
            if turn % 5 == 0:
                self.post("/v1/holds", {"wallet": two, "merchant": pick.choice(self.shops),
                                        "amount": 3, "expires_in": 3600})
            if turn % 6 == 0:
                asked = self.post("/v1/withdrawals", {"wallet": two, "amount": 1})
                if turn % 12 == 0:
                    self.post(f"/v1/withdrawals/{asked.json['id']}/settle",
                              {"bank_transaction_id": f"out-{turn}"})

    def seen(self):
        """All that the API shows."""
        client, found = self.client, {}
        for wallet in self.wallets + self.shops:
            found[wallet] = (client.get(f"/v1/wallets/{wallet}").json,
                             client.list(f"/v1/wallets/{wallet}/transactions?limit=7"))
        for path in ("wallets", "transactions", "holds", "withdrawals"):
            found[path] = client.list(f"/v1/{path}?limit=50")
        found["audit"] = client.list("/v1/audit?limit=200&to=2020-01-01T00:00:00Z")
        found["sums"] = [{key: item[key] for key in ("currency", "wallets", "deposits",
                                                     "withdrawals", "wallet_balances",
                                                     "difference")}
                         for item in client.get("/check-integrity").json["currencies"]]
        return found


def report_ok(answer):
    assert answer.status in (200, 201), (answer, WORLDS[-1].server.log()[-1500:])


def examined(world, name):
    said = world.server.verify()
    report.equal(f"{name}: each shard verifies", said.returncode, 0, said.stdout + said.stderr)
    full = world.client.get("/check-integrity?depth=full")
    report.equal(f"{name}: the server's full check", full.json.get("consistent"), True, full)
    wrong = [answer for answer in (world.client.get(f"/v1/wallets/{wallet}/integrity") for wallet in
                                   sum(world.chosen(), []) + world.shops[:2])
             if answer.json.get("consistent") is not True]
    report.equal(f"{name}: wallets are proved alone", wrong, [])


def same(name, before, after):
    for key, value in before.items():
        if value != after[key]:
            report.equal(f"{name}: {key}", after[key], value)
            return
    report.check(f"{name}: the API shows the same", True)


def there_and_back(_, world):
    """With payments between all slots behind it, one slot after the other, and home again."""
    world.live()
    before = world.seen()
    examined(world, "before")
    slots = [shards.slot_of(many[0]) for many in world.chosen()]
    for slot in slots:
        said = move(world.server, slot, "b")
        report.equal(f"slot {slot} moves", said.returncode, 0, said.stdout + said.stderr)
        same(f"slot {slot} moved", before, world.seen())
        examined(world, f"slot {slot} moved")
        rows = SHARDS.sql(0, " UNION ALL ".join(
            f"SELECT '{table}' FROM {table} WHERE slot = {slot}" for table in
            ("wallets", "holds", "withdrawals", "refunds", "approvals", "postings")),
            world.server.data)
        report.equal("nothing of it is left but history", rows, "")
    world.live(30)
    examined(world, "with payments since")
    between = world.seen()
    for slot in slots:
        said = move(world.server, slot, "a")
        report.equal(f"slot {slot} comes back", said.returncode, 0, said.stdout + said.stderr)
    same("back again", between, world.seen())
    examined(world, "back again")
    world.live(30)
    examined(world, "with payments there")
    said = move(world.server, f"{slots[0]}", "b")
    report.equal("and away once more", said.returncode, 0, said.stdout + said.stderr)
    examined(world, "away once more")


# ---- while payments go on -----------------------------------------------------------------------

def crowd_of(world, *nodes):
    return Crowd(nodes, world.server.admin_secret, world.wallets)


def balances(world):
    return slots_lib.balances(world.client, world.wallets)


def under_load(_, world):
    """Slots go there and back under payments between all of them, checked while it happens."""
    other = slots_lib.another_node(SHARDS, world.server)
    before = balances(world)
    crowd = crowd_of(world, world.server, other)
    recount = slots_lib.Recount(other, world.server.admin_secret)
    slots = [shards.slot_of(many[0]) for many in world.chosen()]
    checks = []
    for target in ("a", "b", "a", "b"):
        for slot in slots:
            said = move(world.server, slot, target)
            report.equal(f"slot {slot} moves to {target} under payments", said.returncode, 0,
                         said.stdout + said.stderr)
            checks.append(world.client.get("/check-integrity").json["consistent"])
    done = crowd.stop()
    found, wrong = recount.stop()
    report.equal("recounts that ran all the time found the books right", wrong, [])
    report.equal("nobody saw a wallet older than before", crowd.back, [])
    report.equal("each payment stands in the history of its two wallets",
                 slots_lib.misplaced(world.client, world.wallets, done), [])
    report.equal("all payments are answered", crowd.odd, [])
    report.check("and many are done meanwhile", len(done) > 20, len(done))
    report.equal("no payment is done twice", len({one[0] for one in done}), len(done))
    report.equal("no cent is lost or doubled", balances(world), naive(before, done))
    report.equal("the books were right all the time", set(checks), {True})
    print(f"payments {len(done)}, recounts {found}; {PAUSES}")
    examined(world, "under payments")
    other.stop()


def old_map(_, world):
    """A node that sleeps through a move finds the slot where it is: also for what was asked before
    it wakes, so that it decides where it believes the slot to be, inside it and from another."""
    node = slots_lib.another_node(SHARDS, world.server)
    slot = shards.slot_of(world.chosen()[0][0])
    one, two = world.chosen()[0][:2]
    target = "b" if owner(world, slot) == "a" else "a"
    near = next(wallet for wallet in world.wallets if shards.slot_of(wallet) != slot and
                owner(world, shards.slot_of(wallet)) != target)
    before = balances(world)
    asked = []

    def ask(number, source, amount):
        """Waits in the node's queue until it wakes."""
        with node.client(world.server.admin_secret, timeout=120) as sender:
            body = {"from": source, "to": two, "amount": amount}
            asked.append(patiently(lambda: sender.post("/v1/transfers", body,
                                                       key=f"asleep-{number}")).status)

    with node.client(world.server.admin_secret, timeout=60) as client:
        client.post("/v1/transfers", {"from": one, "to": two, "amount": 1}, key="old-map-0")
        os.kill(node.process.pid, signal.SIGSTOP)
        try:
            said = move(world.server, slot, target)
            report.equal("a slot moves past a node that sleeps", said.returncode, 0,
                         said.stdout + said.stderr)
            made = world.client.post("/v1/transfers", {"from": one, "to": two, "amount": 2})
            report.equal("and is served where it is", made.status, 201, made)
            senders = [threading.Thread(target=ask, args=(number, source, 1), daemon=True)
                       for number, source in enumerate((one, near, one, near))]
            for sender in senders:
                sender.start()
            time.sleep(0.5)  # so that most have come before it wakes
        finally:
            os.kill(node.process.pid, signal.SIGCONT)
        for sender in senders:
            sender.join(240)
        report.equal("woken, it does what it was asked before, where the slot is", asked, [201] * 4)
        seen = client.get(f"/v1/wallets/{one}/transactions").json["items"]
        report.equal("and shows what was done meanwhile",
                     [item["id"] for item in seen].count(made.json["id"]), 1)
        late = patiently(lambda: client.post("/v1/transfers", {"from": one, "to": two,
                                                               "amount": 4}, key="old-map"))
        report.equal("and pays there", late.status, 201, late)
        again = client.post("/v1/transfers", {"from": one, "to": two, "amount": 1},
                            key="old-map-0")
        report.equal("a key from before is known", again.replayed, True, again)
    after = balances(world)
    report.equal("all of it once", (after[one], after[two], after[near]),
                 (before[one] - 9, before[two] + 11, before[near] - 2))
    examined(world, "behind an old map")
    node.stop()


def unheard(_, world):
    """A node that cannot hear of moves lists a shop's payments whose payer's slot has gone: as they
    stand, or not at all. What was refunded of them went along with the slot."""
    payer = world.chosen()[0][0]
    slot = shards.slot_of(payer)
    if owner(world, slot) == "b":
        move(world.server, slot, "a")
    shop = next(one for one in iter(lambda: world.open("merchant"), None)
                if shards.slot_of(one) != slot and owner(world, shards.slot_of(one)) == "a")
    report_ok(world.deposit(payer, 100))
    bought = world.post("/v1/purchases", {"wallet": payer, "merchant": shop, "amount": 9})
    report_ok(world.post("/v1/refunds", {"purchase": bought.json["id"], "amount": 4}))
    path, node = f"/v1/wallets/{shop}/transactions", slots_lib.another_node(SHARDS, world.server)

    def refunded(answer):
        return [item["refunded"] for item in answer.json["items"]
                if item["id"] == bought.json["id"]]

    with node.client(world.server.admin_secret, timeout=60) as client:
        report.equal("a shop's list shows what was refunded", refunded(client.get(path)), [4])
        # Whoever looks for moves looks at this table, too; lists and moves do not.
        held = [Psql(one, one.database_for(world.server.data),
                     "LOCK TABLE florin.rule_sets IN ACCESS EXCLUSIVE MODE")
                for one in SHARDS.clusters]
        said = move(world.server, slot, "b")
        report.equal("the payer's slot moves unheard", said.returncode, 0, said.stderr)
        seen = [client.get(path) for _ in range(3)]
        report.equal("a list that leans on an old map shows nothing",
                     [answer.status for answer in seen], [503] * 3, seen)
        for one in held:
            one.end()
        seen = patiently(lambda: client.get(path))
        report.equal("and once it has heard, what stands", refunded(seen), [4], seen)
        report_ok(world.post("/v1/refunds", {"purchase": bought.json["id"], "amount": 3}))
        report.equal("also what was refunded since", refunded(client.get(path)), [7])
    examined(world, "unheard")
    node.stop()


def stale(_, world, cleaned):
    """An atomic batch comes from a node that has not heard that one of its operations is at home
    elsewhere by now. What lies there still is nobody's, `cleaned` away or not: it comes again with
    what its slot's new shard has, and is done there."""
    here, near = (world.open_at("a", "customer") for _ in range(2))
    gone, far = world.open_at("a", "customer"), world.open_at("b", "merchant")
    for wallet in (here, gone):
        report_ok(world.deposit(wallet, 100))
    slot, answers = shards.slot_of(gone), {}
    operations = slots_lib.operations(world.client, here, gone, far)
    node = slots_lib.another_node(SHARDS, world.server)
    came, goes_on = threading.Event(), threading.Event()

    def ask(name, other):
        """Beside a payment inside the batch's shard, or one to another."""
        operation = {"type": name.split()[0], **operations[name]}
        first = {"type": "transfer", "from": here, "to": near, "amount": 1}
        if other:
            first = {"type": "purchase", "wallet": here, "merchant": far, "amount": 1}
        with node.client(world.server.admin_secret, timeout=120) as client:
            answers[name] = patiently(lambda: client.post(
                "/v1/batches", {"atomic": True, "operations": [first, operation]},
                key=f"stale {name} {gone}"))

    def clean():
        came.set()
        goes_on.wait(120)
    with node.client(world.server.admin_secret) as client:  # then it knows its way
        report_ok(patiently(lambda: client.post("/v1/purchases", {
            "wallet": here, "merchant": far, "amount": 1})))
    held = [Psql(one, one.database_for(world.server.data),
                 "LOCK TABLE florin.rule_sets IN ACCESS EXCLUSIVE MODE")
            for one in SHARDS.clusters]  # as in `unheard`
    if not cleaned:
        LINES[0].trap = (b"DELETE FROM postings", "held", clean)
    process = mover(world.server, slot, "b")
    report.check("stale: the slot has moved", (came.wait(60) if not cleaned else
                                               process.wait(60) == 0) and
                 owner(world, slot) == "b")
    askers = [threading.Thread(target=ask, args=(name, place % 2 == 0), daemon=True)
              for place, name in enumerate(operations)]
    for asker in askers:
        asker.start()
    time.sleep(1)  # so that most have come before it hears of that
    for one in held:
        one.end()
    for asker in askers:
        asker.join(120)
    report.equal("stale: all is done", {name: answer.status for name, answer in answers.items()},
                 {name: 200 for name in operations}, answers)
    goes_on.set()
    report.equal("stale: the mover ends", process.wait(60), 0)
    seen = world.client.get(f"/v1/wallets/{gone}").json
    report.equal("stale: each once, where the slot is",  # from 98, and 8 for what was asked before
                 (seen["balance"], seen["held"]), (98 - 3, 8 - 6), seen)
    report.equal("stale: the node goes on", node.process.poll(), None, node.log()[-2000:])
    node.stop()
    examined(world, "stale")


def in_between(_, world):
    """While a slot is nobody's, let go by one shard and not yet taken by the other, a node looks
    for it on the first of all shards. What a list has seen there by then is not shown behind that
    as what stands."""
    one = world.chosen()[0][0]
    slot, key = shards.slot_of(one), world.server.data
    path, cluster = f"/v1/holds?wallet={one}&limit=1", SHARDS.clusters[0]
    database = cluster.database_for(key)
    if owner(world, slot) == "a":
        report.equal("in between: it is away", move(world.server, slot, "b").returncode, 0)
    report_ok(world.deposit(one, 10))
    made, listed, came, goes_on = [], [], threading.Event(), threading.Event()

    def hold():
        came.set()
        goes_on.wait(120)

    def open_hold():
        """Behind what is copied ahead."""
        made.append(world.client.post("/v1/holds", {"wallet": one, "merchant": world.shops[0],
                                                    "amount": 1, "expires_in": 6000}))
        LINES[0].trap = (b"COMMIT PREPARED", "held", hold)

    def look():
        with world.server.client() as client:
            listed.append(patiently(lambda: client.get(path)))
    LINES[0].trap = (b"LOCK TABLE gate", "held", open_hold)
    process = mover(world.server, slot, "a")
    report.check("in between: it came so far", came.wait(60))
    # So that no node finishes what the mover does not.
    decisions = Psql(SHARDS.clusters[1], SHARDS.clusters[1].database_for(key),
                     "LOCK TABLE florin.decisions IN ACCESS EXCLUSIVE MODE")
    gid = cluster.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()",
                      database)
    since = cluster.sql("SELECT clock_timestamp()", database)
    looker = threading.Thread(target=look)
    looker.start()
    report.check("in between: it looks there", within(60, lambda: cluster.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
        f"query LIKE 'SELECT s.state%' AND query_start > '{since}'", database) != "0"))
    # Behind the prepared one; and whoever asks where the slot is waits behind this.
    lock = Psql(cluster, database, "LOCK TABLE florin.slots IN ACCESS EXCLUSIVE MODE", waits=False)
    report.check("in between: it has begun to look", within(60, lambda: waiting(
        cluster, database, "(query LIKE 'SELECT s.state%' OR query LIKE '%FROM holds h%')")))
    cluster.sql(f"COMMIT PREPARED '{gid}'", database)
    lock.locked()
    lock.end()
    looker.join(60)
    report.equal("in between: what is there is shown", [[item["id"] for item in answer["items"]]
                 for answer in listed], [[made[0].json.get("id")]], listed)
    decisions.end()
    goes_on.set()
    report.equal("in between: the slot has moved", (process.wait(60), owner(world, slot)), (0, "a"))
    examined(world, "in between")


def nobodys(_, world):
    """While a slot is nobody's for longer, a list over all shards is not whole without it: it is
    none, however often the map is read meanwhile. The mover waits for five seconds."""
    one = world.chosen()[0][0]
    slot, key = shards.slot_of(one), world.server.data
    if owner(world, slot) == "a":
        report.equal("nobody's: it is away", move(world.server, slot, "b").returncode, 0)
    came, goes_on = threading.Event(), threading.Event()

    def hold():
        came.set()
        goes_on.wait(120)
    LINES[0].trap = (b"COMMIT PREPARED", "held", hold)
    process = mover(world.server, slot, "a")
    report.check("nobody's: it came so far", came.wait(60))
    decisions = Psql(SHARDS.clusters[1], SHARDS.clusters[1].database_for(key),
                     "LOCK TABLE florin.decisions IN ACCESS EXCLUSIVE MODE")  # as above
    for _ in range(2):
        answer = world.client.get("/v1/wallets?limit=1000")
        report.check("nobody's: half a list is none", answer.status == 503 or one in [
            item["id"] for item in answer["items"]], answer)
    decisions.end()
    goes_on.set()
    report.equal("nobody's: the slot has moved", (process.wait(60), owner(world, slot)), (0, "a"))
    listed = patiently(lambda: world.client.get("/v1/wallets?limit=1000"))
    report.check("nobody's: then it is whole", one in [item["id"] for item in listed["items"]],
                 listed)
    examined(world, "nobody's")


def owner(world, slot):
    return "a" if SHARDS.sql(0, f"SELECT state FROM slots WHERE slot = {slot}",
                             world.server.data) == "0" else "b"


STEPS = [  # as slots.SWITCH_STEPS, and what is before and behind them
    ("while records are read", 0, bind_of("SLOT_RECORDS"), "before", False),
    ("where records are there already", 1, bind_of("SLOT_TAKE_RECORDS"), "after", False),
    ("while postings are copied", 1, b"COPY postings", "after", False),
    ("while it catches up", 0, b"encode(r.bytes, 'hex')", "before", False),
    ("before the gates", 0, b"LOCK TABLE gate", "before", False),
    ("behind the gates", 1, b"LOCK TABLE gate", "after", False),
    ("behind the turns", 1, b"UPDATE books SET slots_version = slots_version", "after", False),
    *slots_lib.SWITCH_STEPS,
    ("while it is cleaned up", 0, b"DELETE FROM postings", "before", True),
]


FRESH = [  # likewise, of a slot of which nothing has been on the other shard
    ("while records are copied", b"COPY records", "after"),
    ("between records and keys", bind_of("SLOT_TAKE_KEYS"), "before"),
]


def fresh(_, world, name, pattern, moment):
    one = two = None
    while one is None or owner(world, shards.slot_of(one)) == "b" or shards.slot_of(one) == 0 or \
            shards.slot_of(one) in world.slots:
        world.count += 1
        one, two = [world.client.post("/v1/wallets", {
            "owner": f"fresh-{world.count}", "currency": "EUR"}).json["id"] for _ in range(2)]
    for wallet in (one, two):
        report_ok(world.deposit(wallet, 100))
    world.wallets += [one, two]
    killed(_, world, name, 1, pattern, moment, False, (one, two))


def killed(_, world, name, line, pattern, moment, moves, pair=None):
    """The mover is killed there: exactly one shard owns the slot, and the next try completes it."""
    one, two = pair or world.chosen()[0][:2]
    slot = shards.slot_of(one)
    if owner(world, slot) == "b":
        move(world.server, slot, "a")
    before = balances(world)
    process = []
    LINES[line].sprung.clear()
    LINES[line].over.clear()
    LINES[line].trap = (pattern, moment, lambda: process[0].kill())
    process.append(mover(world.server, slot, "b"))
    report.check(f"{name}: it came so far", LINES[line].wait(60))
    LINES[line].trap = None
    process[0].wait(30)
    settled = within(60, lambda: [one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres")
                                  for one in SHARDS.clusters] == ["0", "0"])
    report.check(f"{name}: nothing stays in doubt", settled)
    owners = [SHARDS.sql(place, f"SELECT state FROM slots WHERE slot = {slot}",
                         world.server.data) for place in (0, 1)]
    report.equal(f"{name}: exactly one owns the slot", owners, ["1", "0"] if moves else ["0", "1"])
    made = patiently(lambda: world.client.post("/v1/transfers",
                                               {"from": one, "to": two, "amount": 1}))
    report.equal(f"{name}: and serves it", made.status, 201, made)
    examined(world, name)
    said = move(world.server, slot, "b")
    report.equal(f"{name}: the next try goes on", said.returncode, 0, said.stdout + said.stderr)
    before[one] -= 1
    before[two] += 1
    report.equal(f"{name}: no cent is lost", balances(world), before)


def alone(_, world):
    """The mover is killed behind the decision and no node is there: the next start finishes it."""
    slot = shards.slot_of(world.chosen()[0][0])
    said = move(world.server, slot, "a")
    before = balances(world)
    for restart in (True, False):
        world.server.stop()
        process, line = [], LINES[1 if restart else 0]
        line.sprung.clear()
        line.over.clear()
        line.trap = (b"COMMIT PREPARED", "before", lambda p=process: p[0].kill())
        process.append(mover(world.server, slot, "b" if restart else "a"))
        report.check("alone: it came so far", line.wait(60), said.stderr)
        process[0].wait(30)
        if not restart:  # neither does a move need one
            said = move(world.server, slot, "a")
            report.equal("alone: the next move finishes it", said.returncode, 0, said.stderr)
        world.server.start()
        world.client = world.server.client()
        report.equal("alone: no cent is lost", balances(world), before)
        examined(world, "alone")


def mover(server, slots, target):
    """A move in the background, over the lines with traps."""
    return slots_lib.start(SHARDS, server, "move", str(slots), "--to", target, lines=LINES)


def keys(_, world):
    """Whatever a key has come to is known where the slot is: also that a batch was refused."""
    slot = shards.slot_of(world.chosen()[0][0])
    one, two = world.chosen()[0][:2]
    asked = (("/v1/transfers", {"from": one, "to": two, "amount": 1}),
             ("/v1/transfers", {"from": one, "to": two, "amount": 10**12}),
             ("/v1/batches", {"atomic": True, "operations": [
                 {"type": "transfer", "from": one, "to": two, "amount": amount}
                 for amount in (1, 10**12)]}),
             ("/v1/batches", {"atomic": True, "operations": [
                 {"type": "transfer", "from": two, "to": one, "amount": 1}]}))
    first = [world.client.post(path, body, key=f"keys-{place}")
             for place, (path, body) in enumerate(asked)]
    said = move(world.server, slot, "b" if owner(world, slot) == "a" else "a")
    report.equal("a slot with keys moves", said.returncode, 0, said.stderr)
    for place, (path, body) in enumerate(asked):
        again = world.client.post(path, body, key=f"keys-{place}")
        report.equal(f"{path} {first[place].status}: answered as before",
                     (again.status, again.replayed, again.body.replace(b',"replayed":true', b"")),
                     (first[place].status, True, first[place].body), again)
    before = [world.client.get(f"/v1/wallets/{wallet}")["balance"] for wallet in (one, two)]
    report.equal("and nothing is done again", before,
                 [world.client.get(f"/v1/wallets/{wallet}")["balance"] for wallet in (one, two)])


def keys_behind(_, world):
    """A payment's record goes along with its payee's slot, and only then with its payer's, where
    its key lives."""
    payer, payee = world.open_at("a", "customer"), world.open_at("a", "merchant")
    report_ok(world.deposit(payer, 10))
    request = {"wallet": payer, "merchant": payee, "amount": 3}
    first = world.client.post("/v1/purchases", request, key="keys-behind")
    report.equal("keys behind: paid", first.status, 201, first)
    for wallet in (payee, payer):
        said = move(world.server, shards.slot_of(wallet), "b")
        report.equal("keys behind: it moves", said.returncode, 0, said.stderr)
    again = world.client.post("/v1/purchases", request, key="keys-behind")
    report.equal("keys behind: answered as before", (again.status, again.replayed, again.body),
                 (201, True, first.body), again)
    examined(world, "keys behind")


def keys_met(_, world):
    """When a key that was used on two shards is on one, the books are right, and no retry pays."""
    payers, ask = slots_lib.one_key(world, "keys-met")
    first = ask()
    moved = move(world.server, shards.slot_of(payers[1]), "a").returncode
    report.equal("keys met", ([one.status for one in first], moved), ([201, 201], 0), first)
    for told, again in zip(first, ask()):
        report.check("keys met: the first answer, or that it was another's", again.body == told.body
                     or again.code == "idempotency_key_reused", again)
    paid = slots_lib.balances(world.client, payers)
    report.equal("keys met: nobody pays twice", list(paid.values()), [7, 7])
    examined(world, "keys met")


def batch_behind(_, world):
    """What answers the operations of an atomic batch goes along with its key, also what was at home
    in another slot and has nothing to do with this one: of before the slot is copied, and of the
    middle of its move."""
    payers = [world.open_at("a", "customer") for _ in range(2)]
    shops = [world.open_at("a", "merchant") for _ in range(2)]
    for payer in payers:
        report_ok(world.deposit(payer, 10))
    request = {"atomic": True, "operations": [
        {"type": "purchase", "wallet": payer, "merchant": shop, "amount": 3}
        for payer, shop in zip(payers, shops)]}
    told, line = {}, LINES[0]

    def ask(key):
        told[key] = world.client.post("/v1/batches", request, key=key)
    ask("batch-before")
    line.sprung.clear()
    line.over.clear()
    line.trap = (b"LOCK TABLE gate", "before", lambda: ask("batch-meanwhile"))
    process = mover(world.server, shards.slot_of(payers[0]), "b")
    report.check("batch behind: it came so far", line.wait(60))
    process.wait(120)
    said = move(world.server, shards.slot_of(payers[0]), "b")
    report.equal("batch behind: the slot moves", said.returncode, 0, said.stderr)
    for key, first in told.items():
        again = patiently(lambda k=key: world.client.post("/v1/batches", request, key=k))
        ids = [[one.get("id") for one in answer.json.get("results", [])]
               for answer in (first, again)]
        report.equal(f"{key}: answered as before", (again.status, again.replayed, ids[1]),
                     (200, True, ids[0]), again)
    examined(world, "batch behind")


def in_order(_, world):
    """What a refund lacks is known only where its purchase is: those behind it in its batch that
    have to do with the same wallets still come behind it."""
    payer, shop = world.open_at("a", "customer"), world.open_at("b", "merchant")
    report_ok(world.deposit(payer, 10))
    bought = world.client.post("/v1/purchases", {"wallet": payer, "merchant": shop, "amount": 6})
    report.equal("in order: bought", bought.status, 201, bought)
    before = bought["debit"]
    batch = world.client.post("/v1/batches", {"operations": [
        {"type": "refund", "purchase": bought["id"], "amount": 2},
        {"type": "deposit", "wallet": payer, "amount": 50, "bank_transaction_id": "in-order"},
        {"type": "refund", "purchase": bought["id"], "amount": 1}]})
    report.equal("in order: as they stand in the batch",
                 [(one["credit"]["balance"], one["credit"]["version"])
                  for one in batch["results"]],
                 [(before["balance"] + change, before["version"] + 1 + place)
                  for place, change in enumerate((2, 52, 53))], batch)
    examined(world, "in order")


def aside_in_order(_, world):
    """Somebody has locked a wallet that the first operation of a batch pays: those behind it that
    have to do with its other wallet come behind it all the same, on its shard and on another."""
    payer, third = (world.open_at("a", "customer") for _ in range(2))
    locked, fourth = (world.open_at("b", "customer") for _ in range(2))
    for wallet in (payer, fourth):
        report_ok(world.deposit(wallet, 50))
    before = world.client.get(f"/v1/wallets/{payer}").json
    cluster, made = SHARDS.clusters[1], []
    lock = Psql(cluster, cluster.database_for(world.server.data), "SELECT FROM florin.wallets "
                f"WHERE slot = {shards.slot_of(locked)} FOR UPDATE")

    def ask():
        """Until all of it is done, if somebody has waited too long."""
        answer = None
        with world.server.client() as client:
            while answer is None or any("debit" not in one for one in answer["results"]):
                answer = patiently(lambda: client.post("/v1/batches", {"operations": [
                    {"type": "transfer", "from": payer, "to": locked, "amount": 1},
                    {"type": "transfer", "from": payer, "to": third, "amount": 2},
                    {"type": "transfer", "from": fourth, "to": payer, "amount": 3}]},
                    key="aside-in-order"))
        made.append(answer)
    was_aside = aside(world)
    sender = threading.Thread(target=ask)
    sender.start()
    report.check("aside in order: it waits", within(60, lambda: aside(world) >= was_aside + 2))
    lock.end()
    sender.join(60)
    report.equal("aside in order: as they stand in the batch", [
        [one[side]["version"] for one, side in zip(answer["results"], (
            "debit", "debit", "credit"))] for answer in made],
        [[before["version"] + 1 + place for place in range(3)]], made)
    examined(world, "aside in order")


def aside(world):
    """How often somebody had to wait for a row."""
    lines = world.client.get("/metrics").body.decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines
               if line.startswith("florin_engine_set_aside_total"))


def new_currency(_, world):
    """A wallet of a currency that was opened in the middle of a move goes along."""
    slot = shards.slot_of(world.chosen()[0][0])
    wallet = world.client.get(f"/v1/wallets/{world.chosen()[0][0]}").json
    if owner(world, slot) == "b":
        move(world.server, slot, "a")
    made, line = [], LINES[0]
    line.sprung.clear()
    line.over.clear()
    line.trap = (b"LOCK TABLE gate", "before", lambda: made.append(world.client.post(
        "/v1/wallets", {"owner": wallet["owner"], "currency": "USD", "kind": "customer"})))
    process = mover(world.server, slot, "b")
    report.check("new currency: it came so far", line.wait(60))
    process.wait(120)
    said = move(world.server, slot, "b")
    report.equal("new currency: the slot moves", said.returncode, 0, said.stderr)
    shown = world.client.get(f"/v1/wallets/{made[0].json['id']}")
    report.equal("new currency: with the wallet", (shown.status, shown.json.get("currency")),
                 (200, "USD"), shown)
    examined(world, "new currency")


def refused(_, world):
    server = world.server
    slot = shards.slot_of(world.chosen()[0][0])
    there = "b" if owner(world, slot) == "a" else "a"
    for words, target, code, part in ((0, "b", 1, "keys, rules and notes"),
                                      (1024, there, 2, "which slots"),
                                      ("9-5", there, 2, "which slots"),
                                      (slot, "nowhere", 2, "no shard is called")):
        said = move(server, words, target)
        report.equal(f"{words} to {target} is refused", (said.returncode, part in said.stderr),
                     (code, True), said.stderr)
    said = move(server, slot, owner(world, slot))
    report.equal("to where it is changes nothing", said.returncode, 0, said.stderr)
    SHARDS.sql(0, "CREATE TABLE added (slot smallint)", server.data)
    said = move(server, slot, there)
    report.equal("a table that nobody has said how to move is noticed",
                 (said.returncode, "cannot move" in said.stderr), (1, True), said.stderr)
    SHARDS.sql(0, "DROP TABLE added", server.data)
    # Every table of the schema with a slot is known.
    said = move(server, slot, there)
    report.equal("and no other is left out", said.returncode, 0, said.stderr)
    empty = next(slot for slot in range(1, 512) if slot not in world.slots and
                 owner(world, slot) == "a")
    said = move(server, f"{empty}-{empty}", "b")
    report.equal("a slot with little in it moves, too", said.returncode, 0, said.stderr)


def large(_, world):
    """A slot with many transactions moves under payments: FLORIN_MOVE_TRANSACTIONS of them."""
    wanted = int(os.environ.get("FLORIN_MOVE_TRANSACTIONS", "20000"))
    many = max(world.slots.values(), key=len)
    slot = shards.slot_of(many[0])
    one, two = many[:2]
    for wallet in (one, two):
        report_ok(world.deposit(wallet, 10**7))
    for turn in range(0, wanted, 1000):
        report_ok(world.client.post("/v1/batches", {"operations": [
            {"type": "transfer", "from": (one, two)[number % 2], "to": (two, one)[number % 2],
             "amount": 1} for number in range(min(1000, wanted - turn))]}))
    before = balances(world)
    crowd = crowd_of(world, world.server)
    began = time.monotonic()
    said = move(world.server, slot, "b" if owner(world, slot) == "a" else "a")
    took = time.monotonic() - began
    report.equal("a large slot moves", said.returncode, 0, said.stdout + said.stderr)
    done = crowd.stop()
    report.equal("all are answered", crowd.odd, [])
    report.equal("no cent is lost or doubled", balances(world), naive(before, done))
    print(f"{wanted} transactions in {took:.1f} s with {len(done)} payments: {said.stdout}")
    report.check("what is read while nobody writes depends on what was written since alone",
                 PAUSES.rows[-1] < 6000 + 30 * PAUSES.since[-1], (PAUSES.rows, PAUSES.since))
    examined(world, "a large slot moved")


shards.serve_from(SHARDS)
WORLD = World()
for test in (there_and_back, under_load, old_map, unheard, in_between, nobodys, keys, keys_behind,
             keys_met, batch_behind, in_order, aside_in_order, new_currency, refused):
    report.run(test.__name__.replace("_", " "), test, WORLD)
report.run("stale", stale, WORLD, False)
report.run("stale and cleaned", stale, WORLD, True)
for step in STEPS:
    report.run(step[0], killed, WORLD, *step)
for step in FRESH:
    report.run(step[0], fresh, WORLD, *step)
report.run("alone", alone, WORLD)
report.run("large", large, WORLD)
report.equal("the server stops in order", WORLD.server.stop(), 0, WORLD.server.log()[-2000:])
report.finish()
