#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Work on two shards at once whose node is killed, stopped or cut off at each step of the two-phase
commit: another node finishes it, nothing is lost or doubled, and nobody else waits."""

import os
import re
import signal
import sys
import threading
import time
from datetime import datetime, timedelta

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import florin  # noqa: E402
import shards  # noqa: E402
from legs import (STEPS, WAIT_S, Capture, Deposit, Payment, Refund, both_ways,  # noqa: E402
                  ends, kill, nothing, patiently, send, step, stop)
from proxy import bind_of  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
report = Report("shards legs")


def report_ok(answer):
    report.check("it is done", answer.status in (200, 201), answer)


def flight(world):
    answer = world.client.get("/check-integrity")
    return answer.json["in_flight"], answer.json["consistent"], answer


def money(world):
    """What the metrics say differs, and what wallets have more than came in and stayed."""
    text = world.client.get("/metrics").body.decode()
    found = {name: int(value) for name, value in re.findall(
        r'^florin_money_(\w+)\{currency="EUR"\} (-?\d+)$', text, re.M)}
    return (found.get("difference"),
            found["balances"] - (found["deposits"] - found["withdrawals"]), found)


def in_doubt(_, world):
    """A leg that nobody can finish, since decisions cannot be read anew where it was decided: it is
    listed with what it is worth, it is no difference, and it keeps nobody from anything else."""
    report.equal("nothing is under way", flight(world)[:2], ([], True), flight(world))
    work = Payment(world)
    answers = []
    held = []

    def hold():
        os.kill(world.node.process.pid, signal.SIGSTOP)
        held.append(Psql(world.shards.clusters[0], world.shards.clusters[0].database_for(world.key),
                         "LOCK TABLE florin.decisions IN EXCLUSIVE MODE"))

    world.lines[1].sprung.clear()
    world.lines[1].over.clear()
    world.lines[1].trap = (b"COMMIT PREPARED", "before", hold)
    sender = threading.Thread(target=send, args=(world, work, answers))
    sender.start()
    report.check("it came so far", world.lines[1].wait(WAIT_S))
    listed, consistent, answer = flight(world)
    report.equal("a payment in flight is listed with its amount",
                 [(item.get("currency"), item.get("amount"), item["payments"]) for item in listed],
                 [("EUR", 3, 1)], answer)
    report.check("with its age", listed and listed[0]["age_ms"] >= 0, answer)
    report.check("and is no difference", consistent or listed[0]["age_ms"] >= 10000, answer)
    report.check("nor one that an alert is raised for", within(WAIT_S, lambda: money(world)[:2] == (
        0, -3)), money(world))
    full = world.client.get("/check-integrity?depth=full")
    report.equal("nor is it one of all records", [item["difference"]
                 for item in full.json["currencies"]], [0] * len(full.json["currencies"]), full)
    neighbours = [world.open(0), world.open(1), world.open(1)]
    # Each by a bank id that needs no decision where the table of them is locked.
    for wallet, bank in zip(neighbours, (world.near_banks.pop(), world.banks.pop())):
        paid = patiently(lambda w=wallet, b=bank: world.deposit(world.client, w, b, 500))
        report.equal("others are paid", paid.status, 201, paid)
    done = []
    failed = []
    for turn in range(60):  # inside each shard, and from the second to the first
        source, target = ((neighbours[0], world.back), (neighbours[1], neighbours[2]),
                          (neighbours[1], world.second))[turn % 3]
        made = world.client.post("/v1/transfers", {"from": source, "to": target, "amount": 1})
        done.append(made.status)
        failed += [made] if made.status != 201 else []
    report.equal("whoever does not name its wallets pays on", done, [201] * 60, failed)
    report.equal("and it is still in doubt", sum(world.prepared()), 1)
    blocked = world.client.post("/v1/transfers", {"from": world.wallets[1],
                                                  "to": neighbours[1], "amount": 1})
    report.equal("its own wallet waits", blocked.status, 503, blocked)
    report.check("after ten seconds it is a finding", within(
        WAIT_S, lambda: not flight(world)[1] and "under way" in flight(world)[2].json["message"]))
    held[0].end()
    report.check("it is finished", within(WAIT_S, lambda: world.prepared() == [0, 0]))
    report.check("and nothing is under way any more", within(
        WAIT_S, lambda: flight(world)[:2] == ([], True)), flight(world))
    os.kill(world.node.process.pid, signal.SIGCONT)
    sender.join(WAIT_S)
    work.check("in doubt")


def retried_at_once(_, world):
    """Its node dies when it is decided and not yet there: whoever asks another one with its key is
    told that it is done when everybody can see that."""
    work, line = Payment(world), world.lines[1]
    line.sprung.clear()
    line.over.clear()
    line.trap = (b"COMMIT PREPARED", "before", lambda: kill(world))
    sender = threading.Thread(target=send, args=(world, work, []))
    sender.start()
    report.check("retried at once: it came so far", line.wait(WAIT_S))
    answer = patiently(lambda: work.send(world.client))
    here, there = work.before
    report.equal("retried at once: it is done, and seen", (answer.status, work.now()),
                 (201, (here - 3, there + 3)), answer)
    listed = world.client.get(f"/v1/wallets/{world.wallets[1]}/transactions?limit=1")
    report.equal("retried at once: and listed", listed["items"][0]["id"], answer["id"], listed)
    world.node.start()
    sender.join(WAIT_S)


def passed_over(_, world):
    """When a leg is committed, and not yet taken up, somebody locks the wallet that it pays: who
    paid is not told that it is done before it can be seen."""
    world.other.stop()  # it would take it up, too
    line, cluster = world.lines[1], world.shards.clusters[1]
    slot, locks, came = shards.slot_of(world.wallets[1]), [], threading.Event()
    with world.node.client(world.secret) as client:
        before = client.get(f"/v1/wallets/{world.wallets[1]}").json["balance"]

        def lock():
            """Waits for the leg, and has the wallet then; who takes up what arrived waits here."""
            locks.append(Psql(cluster, cluster.database_for(world.key), "SELECT FROM "
                              f"florin.wallets WHERE slot = {slot} FOR UPDATE"))
            came.set()

        def commits():
            line.trap = (bind_of("ARRIVALS"), "held", lock)
        line.trap = (b"COMMIT PREPARED", "held", commits)
        body = {"from": world.wallets[0], "to": world.wallets[1], "amount": 3}
        answer = client.post("/v1/transfers", body, key="passed-over")
        report.check("passed over: it came so far", came.wait(WAIT_S))
        seen = client.get(f"/v1/wallets/{world.wallets[1]}").json["balance"]
        report.equal("passed over: what cannot be seen yet is not done", (answer.status, seen),
                     (503, before), answer)
        locks[0].end()
        answer = patiently(lambda: client.post("/v1/transfers", body, key="passed-over"))
        seen = client.get(f"/v1/wallets/{world.wallets[1]}").json["balance"]
        report.equal("passed over: and then it is", (answer.status, seen), (201, before + 3),
                     answer)
    world.other.start()


def try_until_done(world, path, body, key):
    """On a thread of its own, with the same key, as long as it is busy."""
    answers = []

    def work():
        with world.other.client(world.secret) as client:
            within(5 * WAIT_S, lambda: answers.append(client.post(path, body, key=key)) or
                   answers[-1].status != 503)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, answers


def held_currency(_, world):
    """Who has locked a currency of one shard holds up what comes in there, goes out, or passes
    between shards. All others are paid, on that shard too, and what had come for a wallet before is
    taken up before anything else is done to it."""
    for place in (1, 0):
        near, far = world.open(0), world.open(1)
        inside = [world.open(place), world.open(place)]
        name = f"held currency {place}"
        for number, wallet in enumerate([near, far, *inside]):
            bank = world.near_banks.pop() if place == 0 or wallet == near else world.banks.pop()
            report_ok(patiently(lambda w=wallet, b=bank, n=number: world.deposit(  # noqa: B023
                world.client, w, b, 500, key=f"{name} {n}")))
        one = world.shards.clusters[place]
        held = Psql(one, one.database_for(world.key),
                    "SELECT FROM florin.currencies WHERE code = 'EUR' FOR UPDATE")
        here, there = (far, near) if place == 1 else (near, far)
        waiting_ones = [
            try_until_done(world, "/v1/transfers", {"from": near, "to": far, "amount": 3},
                           f"{name} crosses"),
            try_until_done(world, "/v1/deposits", {"wallet": inside[0], "amount": 5,
                                                   "bank_transaction_id": f"{name}"},
                           f"{name} comes in")]
        if place == 1:
            report.check(f"{name}: the payment has come so far", within(WAIT_S, lambda: int(
                world.shards.sql(1, "SELECT count(*) FROM legs WHERE NOT is_taken", world.key))))
        paid = [patiently(lambda n=number: world.client.post("/v1/transfers", {  # noqa: B023
            "from": inside[0], "to": inside[1], "amount": 1}, key=f"{name} inside {n}")).status
            for number in range(20)]
        report.equal(f"{name}: those inside are paid", paid, [201] * 20)
        # Twenty deadlines would be over before all were paid, if the lock held them up.
        behind = try_until_done(world, "/v1/transfers", {"from": here, "to": inside[1],
                                                         "amount": 7}, f"{name} behind")
        report.check(f"{name}: the deposit waits", within(WAIT_S, lambda: waiting_ones[1][1]) and
                     waiting_ones[1][1][0].status == 503, waiting_ones[1][1][:1])
        held.end()
        for thread, answers in [*waiting_ones, behind]:
            thread.join(6 * WAIT_S)
            report.check(f"{name}: then it is done", answers and answers[-1].status == 201,
                         answers[-1:])
        found = [world.client.get(f"/v1/wallets/{wallet}").json["balance"]
                 for wallet in (here, there, *inside)]
        comes = 3 if place == 1 else -3
        report.equal(f"{name}: each once", found, [500 + comes - 7, 500 - comes, 500 + 5 - 20,
                                                   500 + 20 + 7])
    full = world.client.get("/check-integrity?depth=full")
    report.equal("held currency: the books are right", full.json["consistent"], True, full)


def comes_later(_, world):
    """Money that came some time after it was paid: a list from or to a time in between has it where
    the wallet's balance of that time says that it is, so that what came and went between two times
    is what the list of that time adds up to."""
    line, (payer, payee) = world.lines[1], world.wallets
    line.trap = (b"COMMIT PREPARED", "held", lambda: time.sleep(0.1))
    with world.node.client(world.secret) as client:
        answer = client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 4})
    report.equal("comes later: it is done", answer.status, 201, answer)
    made = datetime.fromisoformat(answer["created_at"])
    between = (made + timedelta(milliseconds=20)).isoformat().replace("+00:00", "Z")
    owner = world.client.get(f"/v1/wallets/{payee}")["owner"]
    customer = patiently(lambda: world.client.post("/v1/keys", {
        "name": "payee", "role": "customer", "owner": owner}))
    with world.other.client(customer["secret"]) as client:
        for name, asker, path, since in (
                ("who paid", world.client, f"/v1/wallets/{payer}/transactions", False),
                ("all", world.client, "/v1/transactions", False),
                ("who was paid", world.client, f"/v1/wallets/{payee}/transactions", True),
                ("his own", client, "/v1/transactions", True)):
            shown = [answer["id"] in [item["id"] for item in asker.list(f"{path}?{side}={between}")]
                     for side in ("to", "from")]
            report.equal(f"comes later: the list of {name}", shown, [not since, since])
    for wallet, since in ((payer, 0), (payee, 4)):
        then, now = (world.client.get(f"/v1/wallets/{wallet}/balance{at}")["balance"]
                     for at in (f"?at={between}", ""))
        report.equal("comes later: the balance in between", now - then, since)


def leave_leg(world, name):
    """A leg on the second shard whose node never comes back; old enough to be looked after."""
    books = world.shards.sql(0, "SELECT encode(id, 'hex') FROM books", world.key)
    gid = f"florin:{books}:a:{name}"
    world.shards.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{gid}', "
                        f"{int(time.time() * 1000)}); PREPARE TRANSACTION '{gid}'", world.key)
    return gid


def is_there(world, gid):
    return world.shards.sql(1, f"SELECT count(*) FROM legs WHERE gid = '{gid}'", world.key) == "1"


def still_committing(_, world):
    """Who looks after a leg waits for whoever is just deciding about it, and takes what he says."""
    deciding = world.shards.clusters[0]
    database = deciding.database_for(world.key)
    for says, ends in (("commits", "COMMIT"), ("gives up", "ROLLBACK")):
        gid = leave_leg(world, f"deciding-{ends.lower()}")
        decider = Psql(deciding, database,
                       f"INSERT INTO florin.decisions VALUES ('{gid}', true, 'b', 0)")
        report.check(f"a decider that {says} is waited for", within(WAIT_S, lambda: waiting(
            deciding, database, "query LIKE '%INSERT INTO decisions%'")))
        report.equal("nothing is presumed meanwhile", world.prepared(), [0, 1])
        decider.process.stdin.write(f"{ends};\n")
        decider.process.stdin.flush()
        report.check("then it is finished", world.legs_are_finished(), world.prepared())
        report.equal("as was decided", is_there(world, gid), ends == "COMMIT")
        decider.end()


def no_turn(_, world):
    """Legs are finished although somebody has the writers' turn on both shards."""
    held = [Psql(one, one.database_for(world.key), "SELECT pg_advisory_lock(7886710)")
            for one in world.shards.clusters]
    gid = leave_leg(world, "without-a-turn")
    world.shards.sql(0, f"INSERT INTO decisions VALUES ('{gid}', true, 'b', 0)", world.key)
    report.check("no writer's turn is needed", world.legs_are_finished(), world.prepared())
    report.equal("to carry out what was decided", is_there(world, gid), True)
    for one in held:
        one.end()


def rows_go(_, world):
    """What was decided is forgotten when all legs are there; that nobody did, a day later."""
    now_ms, hour_ms = int(time.time() * 1000), 3600 * 1000
    for name, hours in (("young-abort", 23), ("old-abort", 25)):
        world.shards.sql(0, f"INSERT INTO decisions VALUES ('{name}', false, '', "
                            f"{now_ms - hours * hour_ms})", world.key)

    def left():
        return world.shards.sql(0, "SELECT gid FROM decisions WHERE gid LIKE '%abort' OR is_commit "
                                   "ORDER BY gid", world.key).split()

    report.check("aborts of yesterday go, and so does what is finished",
                 within(WAIT_S, lambda: left() == ["young-abort"]), left())


def lost_transit(_, world):
    """Money that one shard says it has sent and that is nowhere."""
    def change(amount):
        world.shards.sql(1, f"UPDATE currencies SET transit = transit + {amount}, balances = "
                            f"balances + {amount} WHERE code = 'EUR'", world.key)

    change(5)
    _, consistent, answer = flight(world)
    found = {item["currency"]: item["difference"] for item in answer.json["currencies"]}
    report.equal("is found", (consistent, found["EUR"]), (False, 5), answer)
    change(-5)


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
    """The other shard is away: what needs it is busy, what does not goes on. The log says so now
    and then, not each time that somebody finds it out."""
    before, began = world.other.log().count("No connection: "), time.monotonic()
    world.shards.clusters[1].stop(signal.SIGKILL)
    refused = world.deposit(world.client, world.wallets[0], banks[0], 1, key="away")
    report.equal("what needs a shard that is away is busy", refused.status, 503, refused)
    made = [world.client.post("/v1/transfers", {"from": world.wallets[0], "to": world.second,
                                                "amount": 1}).status for _ in range(20)]
    report.equal("what does not goes on", made, [201] * 20)
    vain = [world.client.post("/v1/transfers", {"from": world.wallets[1], "to": world.back,
                                                "amount": 1}).status for _ in range(40)]
    report.equal("what is its own is busy", vain, [503] * 40)
    told = world.other.log().count("No connection: ") - before
    report.check("that it is away is told now and then",
                 told <= 2 + (time.monotonic() - began) / 5, told)
    world.shards.clusters[1].start()
    answer = patiently(
        lambda: world.deposit(world.client, world.wallets[0], banks[0], 1, key="away"))
    report.equal("and it is done when the shard is back", answer.status, 201, answer)


def back(_, world):
    """A server that has crashed lets everybody in again. Lines between shards of before, which
    nobody has used meanwhile, are opened anew when they are: the first payment is served."""
    here, there = world.wallets
    cluster, answers = world.shards.clusters[1], []

    def is_there():
        lines = world.client.get("/metrics").body.decode().split("\n")
        return "florin_shards_away 0" in lines
    for turn in range(5):  # its own writer, too, has to find its way in time
        report_ok(patiently(lambda t=turn: world.client.post("/v1/transfers", {
            "from": here, "to": there, "amount": 1}, key=f"before-{t}")))
        cluster.crash()
        report.check("back: it is there again", within(WAIT_S, is_there))
        report_ok(patiently(lambda: world.client.get(f"/v1/wallets/{there}")))
        answers.append(world.client.post("/v1/transfers", {
            "from": here, "to": there, "amount": 1}, key=f"back-{turn}"))
        if answers[-1].status == 201:
            break
    report.equal("back: the first payment is served", answers[-1].status, 201, answers)


def starting(_, world):
    """What comes while a server starts is busy. Once somebody is let in there it is served, however
    short that is behind it."""
    here, there = world.wallets
    cluster, answers = world.shards.clusters[1], []
    for turn in range(5):  # of which one begins in time
        cluster.stop(signal.SIGKILL)
        refused = world.client.post("/v1/transfers", {"from": here, "to": there, "amount": 1},
                                    key=f"starting-{turn}")
        report.equal("starting: busy", refused.status, 503, refused)
        cluster.start()
        report_ok(patiently(lambda: world.client.get(f"/v1/wallets/{there}")))
        time.sleep(1)  # who looks after servers does so twice in that time
        answers.append(world.client.post("/v1/transfers", {
            "from": here, "to": there, "amount": 1}, key=f"started-{turn}"))
        if answers[-1].status == 201:
            break
    report.equal("starting: then it is served", answers[-1].status, 201, answers)


def long_away(_, world):
    """A shard was away for more than a week since it decided, or since its leg was committed: what
    the leg has left there is kept for as long as that, so nothing is missed when it comes back."""
    books = world.shards.sql(0, "SELECT encode(id, 'hex') FROM books", world.key)
    old = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 8 * 86400000::bigint"
    nodes = [node.process.pid for node in (world.node, world.other)]
    gids = [f"florin:{books}:{'ab'[place]}:long-away" for place in (0, 1)]

    def rows(table):
        return [world.shards.sql(place, f"SELECT count(*) FROM {table} WHERE "
                                        "gid LIKE '%:long-away'", world.key) for place in (0, 1)]
    for pid in nodes:
        os.kill(pid, signal.SIGSTOP)
    for place, gid in enumerate(gids):
        world.shards.sql(place, f"INSERT INTO decisions VALUES ('{gid}', true, '{'ba'[place]}', "
                                f"{old})", world.key)
        world.shards.sql(1 - place, f"INSERT INTO legs (gid, made_ms) VALUES ('{gid}', {old})",
                         world.key)
    world.shards.clusters[1].stop(signal.SIGKILL)
    for pid in nodes:
        os.kill(pid, signal.SIGCONT)
    report_ok(patiently(lambda: world.client.post("/v1/transfers", {
        "from": world.wallets[0], "to": world.second, "amount": 1})))
    time.sleep(3)  # they look each second
    report.equal("long away: what an absent one has decided is kept", world.shards.sql(
        0, "SELECT count(*) FROM legs WHERE gid LIKE '%:b:long-away'", world.key), "1")
    world.shards.clusters[1].start()
    report.check("long away: both are finished", within(
        WAIT_S, lambda: rows("decisions") == ["0", "0"]), lambda: rows("decisions"))
    report.equal("long away: nothing is missing", [
        "LEG IS MISSING" in node.log() for node in (world.node, world.other)], [False, False])
    report.check("long away: and what legs have left goes", within(
        WAIT_S, lambda: rows("legs") == ["0", "0"]), lambda: rows("legs"))


def left_behind(_, world):
    """Legs of a node that never comes back: nobody decided, somebody did, and one that is lost."""
    books = world.shards.sql(0, "SELECT encode(id, 'hex') FROM books", world.key)
    gids = [f"florin:{books}:a:{name}" for name in ("undecided", "decided", "lost")]
    for gid in gids[:2]:
        world.shards.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{gid}', 0); "
                      f"PREPARE TRANSACTION '{gid}'", world.key)
    foreign = "florin:" + "0" * 32 + ":a:other"
    world.shards.sql(1, f"BEGIN; INSERT INTO legs (gid, made_ms) VALUES ('{foreign}', 0); "
                  f"PREPARE TRANSACTION '{foreign}'", world.key)
    for gid in gids[1:]:
        world.shards.sql(0, f"INSERT INTO decisions VALUES ('{gid}', true, 'b', 0)", world.key)
    report.check("they are finished", within(
        WAIT_S, lambda: world.prepared() == [0, 1]), world.prepared())
    rows = world.shards.sql(0, "SELECT is_commit FROM decisions WHERE gid LIKE '%:undecided'",
                            world.key)
    report.equal("what nobody decided is aborted, where it would have been decided", rows, "f")
    report.equal("those of other books are left alone", world.shards.clusters[1].sql(
        "SELECT gid FROM pg_prepared_xacts", "postgres"), foreign)
    world.shards.clusters[1].sql(f"ROLLBACK PREPARED '{foreign}'",
                           world.shards.clusters[1].database_for(world.key))
    metrics = lambda: world.other.client(world.secret).get("/metrics").body.decode()  # noqa: E731
    report.check("a leg that is nowhere is an alarm",
                 within(WAIT_S, lambda: "florin_legs_missing 1" in metrics()))
    report.check("and is said", within(WAIT_S, lambda: "A LEG IS MISSING" in world.other.log()))
    world.shards.sql(0, "DELETE FROM decisions WHERE gid LIKE '%:lost'", world.key)
    report.check("until somebody has looked after it",
                 within(WAIT_S, lambda: "florin_legs_missing 0" in metrics()))


WORLD = both_ways(report, BINARY)
for action, which, kind in ((kill, (0, 1, 2, 3, 4, 5), Payment),
                            (stop, (0, 1, 2, 3, 4, 5), Payment),
                            (kill, (2, 4), Deposit), (nothing, (3,), Payment),
                            (kill, (1, 3, 4), Capture), (stop, (3,), Capture),
                            (kill, (1, 2, 3, 4), Refund), (stop, (4,), Refund)):
    for words, place, statement, when in [STEPS[number] for number in which]:
        title = f"{action.__name__} {words}, {kind.__name__.lower()}"
        report.run(title, step, WORLD, title, place, statement, when, action, kind)
report.run("retried at once", retried_at_once, WORLD)
report.run("passed over", passed_over, WORLD)
report.run("comes later", comes_later, WORLD)
report.run("held currency", held_currency, WORLD)
report.run("in doubt", in_doubt, WORLD)
report.run("crowd", crowd, WORLD)
BANKS = WORLD.banks
report.run("race", race, WORLD, BANKS[:20])
report.run("away", away, WORLD, BANKS[20:])
report.run("back", back, WORLD)
report.run("starting", starting, WORLD)
report.run("long away", long_away, WORLD)
report.run("left behind", left_behind, WORLD)
report.run("still committing", still_committing, WORLD)
report.run("no turn", no_turn, WORLD)
report.run("rows go", rows_go, WORLD)
report.run("lost transit", lost_transit, WORLD)
ends(WORLD)
report.finish()
