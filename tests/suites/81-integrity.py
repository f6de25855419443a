#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real damage under a running server: the recount in the background finds it, says where, raises
the alarm and, as configured, stops payments until somebody decides. The check from running totals,
the full one, the one that is followed, and the proof of one wallet. Both engines."""

import http.client
import json
import os
import re
import signal
import struct
import sys
import threading

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres", "rules", "roles")]

sys.path.insert(0, os.path.join(TESTS, "crash"))

import florin  # noqa: E402
import rules  # noqa: E402
from forge import Forger, Head, crc32c  # noqa: E402
from psql import Psql, waiting  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
CONFIG = {"recount_pause_s": 1, "recount_mib_per_s": 64, "alarm_stops_payments": 1}
report = Report("integrity")


def metric(client, name):
    found = re.search(rf"^florin_{name} (\d+)$", client.get("/metrics").body.decode(), re.M)
    return int(found[1]) if found else None


def fill(client):
    """A few payments; the payer, the payee."""
    ids = [client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
           for owner in ("ann", "bob")]
    client.post("/v1/deposits", {"wallet": ids[0], "amount": 90210, "bank_transaction_id": "b"})
    for _ in range(20):
        client.post("/v1/transfers", {"from": ids[0], "to": ids[1], "amount": 5})
    return ids


def quiet(report, name, client):
    """Recounts of sound books."""
    done = within(120, lambda: (metric(client, "integrity_recounts_total") or 0) >= 2)
    report.check(f"{name}: recounts are made", done)
    report.equal(f"{name}: consistent", metric(client, "integrity_consistent"), 1)
    report.equal(f"{name}: no alarm", metric(client, "integrity_alarms_total"), 0)
    answer = client.get("/check-integrity")
    report.equal(f"{name}: the check agrees", answer["consistent"], True, answer)
    report.check(f"{name}: it says when", re.fullmatch(
        r"The running totals add up, and at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z a recount of "
        r"\d+ transactions between \d+ wallets found them right\.", answer["message"]), answer)
    report.check(f"{name}: it tells of recounts", answer["recounts"]["count"] >= 2 and
                 "finished_at" in answer["recounts"], answer)
    report.equal(f"{name}: payments go on", answer["payments_stopped"], False)
    report.equal(f"{name}: nothing is to be decided", told(
        client.post("/check-integrity/resume", key="early")), (200, "ok", False))


def told(answer):
    return answer.status, answer.get("status"), answer.replayed


def alarmed(report, name, server, client, wallets, words):
    """After the damage."""
    entries = within(120, lambda: alarms_of_system(client))
    report.check(f"{name}: the books remember that they were found to differ",
                 entries and entries[-1]["outcome"] == "ok", entries)
    report.check(f"{name}: the alarm is raised",
                 within(120, lambda: metric(client, "integrity_alarms_total")),
                 server.log()[-2000:])
    report.equal(f"{name}: in the metrics", metric(client, "integrity_consistent"), 0)
    line = next((line for line in server.log().splitlines() if "THE BOOKS DIFFER" in line), "")
    report.check(f"{name}: the log says where", all(word in line for word in words), line)
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 1}
    stopped = client.post("/v1/transfers", transfer, key="again")
    report.equal(f"{name}: payments stop", (stopped.status, stopped.code),
                 (503, "payments_stopped"), stopped)
    batch = client.post("/v1/batches", {"operations": [{"type": "transfer", **transfer}]})
    report.equal(f"{name}: in batches too", batch["results"][0]["code"], "payments_stopped", batch)
    report.equal(f"{name}: reads go on", client.get(f"/v1/wallets/{wallets[1]}").status, 200)
    frozen = client.patch(f"/v1/wallets/{wallets[1]}", {"metadata": {"seen": "yes"}})
    report.equal(f"{name}: so do changes", frozen.status, 200, frozen)
    with server.client(server.key("service")["secret"]) as service:
        report.equal(f"{name}: not everybody decides",
                     service.post("/check-integrity/resume").status, 403)
    late = client.post("/check-integrity/resume", key="early")
    report.equal(f"{name}: what was asked before decides nothing of it", told(late),
                 (200, "ok", True), late)
    stopped = client.post("/v1/transfers", transfer, key="again")
    report.equal(f"{name}: payments still stand", stopped.code, "payments_stopped", stopped)
    for replayed in (False, True):
        resumed = client.post("/check-integrity/resume", key="late")
        report.equal(f"{name}: an admin decides, once", told(resumed),
                     (200, "resumed", replayed), resumed)
    other = client.post("/v1/wallets", {"owner": "eve", "currency": "USD"}, key="late")
    report.equal(f"{name}: the key is that request's", (other.status, other.code),
                 (422, "idempotency_key_reused"), other)
    client.post("/v1/wallets", {"owner": "eve", "currency": "USD"}, key="eve")
    other = client.post("/check-integrity/resume", key="eve")
    report.equal(f"{name}: nor is another's this one's", (other.status, other.code),
                 (422, "idempotency_key_reused"), other)
    again = client.post("/v1/transfers", transfer, key="again")
    report.equal(f"{name}: the retry is carried out", again.status, 201, again)
    before = metric(client, "integrity_alarms_total")
    report.check(f"{name}: the difference is found again",
                 within(120, lambda: metric(client, "integrity_alarms_total") >= before + 2))
    report.equal(f"{name}: which was decided", metric(client, "payments_stopped"), 0,
                 [line for line in server.log().splitlines() if "DIFFER" in line])
    again = client.post("/v1/transfers", transfer)
    report.equal(f"{name}: and payments go on", again.status, 201, again)
    report.equal(f"{name}: nothing is left to decide",
                 client.post("/check-integrity/resume")["status"], "ok")
    decided = [entry for entry in client.list("/v1/audit?operation=alarm")
               if entry["principal"] != "system"]
    report.equal(f"{name}: the books know who decided", len(decided), 2, decided)
    entries = within(120, lambda: client.list("/v1/audit?operation=resumePayments"))
    report.check(f"{name}: the decision is in the audit",
                 {e["outcome"] for e in entries} >= {"ok", "forbidden"}, entries)


def follow(server):
    """The events of a full check: [(name, data)]."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/check-integrity?depth=full", headers={
        "Authorization": f"Bearer {server.admin_secret}", "Accept": "text/event-stream"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    events = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        events.append((lines["event"], json.loads(lines["data"])))
    return answer, events


def depths(report, name, server, client, wallets):
    """Sound books, asked in every way, while payments go on."""
    stop = threading.Event()

    def pay():
        with server.client() as payer:
            while not stop.is_set():
                payer.post("/v1/transfers", {"from": wallets[0], "to": wallets[1], "amount": 1})
                payer.post("/v1/transfers", {"from": wallets[1], "to": wallets[0], "amount": 1})

    payer = threading.Thread(target=pay)
    payer.start()
    try:
        for _ in range(5):
            totals = client.get("/check-integrity")
            report.equal(f"{name}: the totals", [totals["consistent"], totals["depth"]],
                         [True, "totals"], totals)
            sums = totals["currencies"][0]
            report.equal(f"{name}: the running sums", sums["wallet_balances"],
                         sums["deposits"] - sums["withdrawals"], totals)
            full = client.get("/check-integrity?depth=full")
            report.equal(f"{name}: full", [full["consistent"], full["depth"]], [True, "full"], full)
            names = {check["check"] for check in full["checked"]}
            report.check(f"{name}: what is looked at", names >= {
                "balances", "postings", "held", "refunds", "versions", "wallets", "chain",
                "idempotency"}, full)
            for wallet in wallets:
                proof = client.get(f"/v1/wallets/{wallet}/integrity")
                report.check(f"{name}: a wallet", proof.get("consistent"), proof)
                report.check(f"{name}: all its postings", proof["postings"] >= 20, proof)
    finally:
        stop.set()
        payer.join()
    answer, events = follow(server)
    report.equal(f"{name}: followed", answer.getheader("Content-Type"), "text/event-stream")
    report.equal(f"{name}: it ends with the result", [events[-1][0], events[-1][1]["consistent"]],
                 ["result", True], events)
    report.check(f"{name}: progress grows", all(
        one[0] == "progress" and 0 < one[1]["progress"] <= 1000 for one in events[:-1]), events)
    last = client.get("/check-integrity")
    report.check(f"{name}: what the last recount found is told",
                 last["checked"] and "a recount of" in last["message"], last)
    report.equal(f"{name}: no alarm from all that", metric(client, "integrity_alarms_total"), 0)
    report.equal(f"{name}: a depth that is none", client.get("/check-integrity?depth=deep").status,
                 400)
    missing = wallets[0][:-6] + "000000"
    report.equal(f"{name}: a wallet that is none",
                 client.get(f"/v1/wallets/{missing}/integrity").status, 404)


def embedded(report):
    with florin.serving(florin=BINARY, config=CONFIG) as server, server.client() as client:
        wallets = fill(client)
        quiet(report, "journal", client)
        depths(report, "journal", server, client, wallets)
        deposit = client.list(f"/v1/wallets/{wallets[0]}/transactions?type=deposit")[0]["id"]
        Forger(server.data).damage_number(90210)
        alarmed(report, "journal", server, client, wallets,
                ["position", "checksum", f"{deposit}({wallets[0]})"])
        full = client.get("/check-integrity?depth=full")
        report.check("journal: the full check says where the chain breaks",
                     not full["consistent"] and "chain is broken" in full["message"] and
                     "offset" in full["message"], full)
        report.check("journal: and what the damaged record was of",
                     f"{deposit}({wallets[0]})" in full["message"], full)
        totals = client.get("/check-integrity")
        report.check("journal: so does the quick one afterwards",
                     not totals["consistent"] and totals["message"] == full["message"], totals)


def forge_checkpoint(path, balance, forged):
    """Gives a wallet another balance, with every checksum made right again."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    footer = len(data) - 4096
    entry = next(place for place in range(footer + 16, footer + 512, 8)
                 if struct.unpack_from("<QI", data, place)[1] == 128)
    count, size, crc = struct.unpack_from("<QII", data, entry)
    assert crc == crc32c(data[:count * size])
    place = data.index(balance.to_bytes(8, "little"), 0, count * size)
    data[place:place + 8] = forged.to_bytes(8, "little")
    struct.pack_into("<I", data, entry + 12, crc32c(data[:count * size]))
    end = next(place for place in range(entry, footer + 4092, 4)
               if struct.unpack_from("<I", data, place)[0] == footer_crc(path, footer, place))
    struct.pack_into("<I", data, end, crc32c(data[footer:end]))
    with open(path, "wb") as file:
        file.write(data)


def footer_crc(path, footer, end):
    with open(path, "rb") as file:
        file.seek(footer)
        return crc32c(file.read(end - footer))


def fill_until(client, path):
    """Fat batches on a wallet of their own until there is a checkpoint."""
    carl = client.post("/v1/wallets", {"owner": "carl", "currency": "EUR"})["id"]
    fat = {f"n{n}": "x" * 510 for n in range(32)}
    for batch in range(60):
        answer = client.post("/v1/batches", {"operations": [{
            "type": "deposit", "wallet": carl, "amount": 1, "metadata": fat,
            "bank_transaction_id": f"fat-{batch}-{number}"} for number in range(600)]})
        if answer.status != 200:
            raise AssertionError(f"{answer!r:.1000}")
        if os.path.exists(path):
            return True
    return within(120, lambda: os.path.exists(path))


def checkpoint(report):
    with florin.serving(florin=BINARY, config=CONFIG) as server:
        path = os.path.join(server.data, "checkpoint")
        with server.client(timeout=60) as client:
            fill(client)
            made = fill_until(client, path)
        report.check("checkpoint: one is made", made, server.log()[-2000:])
        report.equal("checkpoint: stopped", server.stop(), 0)
        forge_checkpoint(path, 90210 - 100, 90210 - 99)
        server.start()
        with server.client() as client:
            totals = client.get("/check-integrity")
            sums = {one["currency"]: one["difference"] for one in totals["currencies"]}
            report.check("checkpoint: the running totals tell at once",
                         not totals["consistent"] and sums == {"USD": 1, "EUR": 0},
                         totals)
            wallets = [client.list(f"/v1/wallets?owner={owner}")[0]["id"]
                       for owner in ("ann", "bob")]
            stopped = client.post("/v1/transfers", {
                "from": wallets[0], "to": wallets[1], "amount": 1})
            report.equal("checkpoint: payments stop", stopped.code, "payments_stopped", stopped)
            full = client.get("/check-integrity?depth=full")
            last = client.list(f"/v1/wallets/{wallets[0]}/transactions")[0]["id"]
            report.check("checkpoint: the full check names wallet, sums and transaction",
                         all(word in full["message"]
                             for word in (wallets[0], "90111", "90110", last)), full)
            proof = client.get(f"/v1/wallets/{wallets[0]}/integrity")
            report.check("checkpoint: so does the wallet's proof", not proof["consistent"] and
                         last in proof["message"] and "90110" in proof["message"], proof)
            other = client.get(f"/v1/wallets/{wallets[1]}/integrity")
            report.equal("checkpoint: another wallet is right", other["consistent"], True, other)
            report.check("checkpoint: it is written", within(120,
                lambda: client.list("/v1/audit?operation=alarm")))
        server.kill()
        server.config = STOPPED
        server.start()
        still_stopped(report, "checkpoint", server, wallets)


STOPPED = {**CONFIG, "recount_mib_per_s": 0, "alarm_stops_payments": 0}


def still_stopped(report, name, server, wallets):
    """After a restart of a server that would stop nothing by itself, nor look at the books."""
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 1}
    with server.client() as client:
        answer = client.post("/v1/transfers", transfer)
        report.equal(f"{name}: a restart decides nothing", answer.code, "payments_stopped", answer)
        report.equal(f"{name}: which is told", [metric(client, "payments_stopped"),
                     client.get("/check-integrity")["payments_stopped"]], [1, True])
        report.equal(f"{name}: somebody decides",
                     client.post("/check-integrity/resume")["status"], "resumed")
    server.stop()
    server.start()
    with server.client() as client:
        answer = client.post("/v1/transfers", transfer)
        report.equal(f"{name}: that is not forgotten either", answer.status, 201, answer)


def nodes(report, server, client, wallets, database, name):
    """What one node finds stops another, and what is decided there holds here."""
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 1}
    other = florin.Server(florin=BINARY, config=STOPPED)
    database.databases[other.data] = name
    other.start()
    with other.client(server.admin_secret) as there:
        report.equal("nodes: both pay", there.post("/v1/transfers", transfer).status, 201)
        database.sql("UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'ann'::bytea",
                     name)
        report.equal("nodes: one finds the difference",
                     client.get(f"/v1/wallets/{wallets[0]}/integrity")["consistent"], False)
        report.check("nodes: the other stops", within(120,
            lambda: there.post("/v1/transfers", transfer).code == "payments_stopped"))
        report.equal("nodes: so did the first", client.post("/v1/transfers", transfer).code,
                     "payments_stopped")
        report.equal("nodes: it is decided on the other",
                     there.post("/check-integrity/resume")["status"], "resumed")
        report.check("nodes: both pay again", all(
            within(120, lambda at=at: at.post("/v1/transfers", transfer).status == 201)
            for at in (client, there)))
        report.check("nodes: and are found to differ again", not client.get(
            f"/v1/wallets/{wallets[0]}/integrity")["consistent"])
        report.equal("nodes: which was decided", client.post("/v1/transfers", transfer).status, 201)
    report.equal("nodes: exit status", other.stop(), 0)


def crossed(report, server, client, wallets, database, name):
    """A node finds a known difference while it is being decided: its alarm comes behind that."""
    transfer = {"from": wallets[0], "to": wallets[1], "amount": 1}
    carl = client.post("/v1/wallets", {"owner": "carl", "currency": "USD"})["id"]
    report.equal("crossed: paid", client.post(
        "/v1/transfers", {"from": wallets[0], "to": carl, "amount": 3}).status, 201)
    late = florin.Server(florin=BINARY, config={**STOPPED, "alarm_stops_payments": 1})
    database.databases[late.data] = name
    late.start()
    with late.client(server.admin_secret) as there:
        database.sql("UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'carl'::bytea",
                     name)
        proof = client.get(f"/v1/wallets/{carl}/integrity")
        report.equal("crossed: a difference", proof["consistent"], False, proof)
        report.check("crossed: everybody stops", within(120, lambda: all(
            at.get("/check-integrity")["payments_stopped"] for at in (client, there))))
        before = len(alarms_of_system(there))
        session = Psql(database, name, "SELECT 1 FROM florin.books FOR UPDATE")
        decider = threading.Thread(target=lambda: within(120, lambda: decided(server)))
        prover = threading.Thread(target=lambda: within(
            30, lambda: there.get(f"/v1/wallets/{carl}/integrity").status == 200))
        decider.start()
        within(3, lambda: waiting(database, name, "true") >= 1)  # the decision is on its way
        prover.start()
        within(2, lambda: waiting(database, name, "true") >= 2)  # so is the alarm, mostly
        session.end()
        decider.join()
        prover.join()
        report.check("crossed: the alarm is written", within(
            30, lambda: len(alarms_of_system(there)) > before))
        report.check("crossed: both pay again", all(
            within(120, lambda at=at: at.post("/v1/transfers", transfer).status == 201)
            for at in (client, there)), server.log()[-2000:] + late.log()[-2000:])
    report.equal("crossed: exit status", late.stop(), 0)


def decided(server):
    with server.client() as client:
        return client.post("/check-integrity/resume").status == 200


def alarms_of_system(client):
    return [entry for entry in client.list("/v1/audit?operation=alarm")
            if entry["principal"] == "system"]


UNREAD = ("wallets", "postings", "records", "holds", "withdrawals", "refunds", "bank_ids",
          "idempotency", "rounds", "slots")


def prove(server, wallet):
    with server.client(timeout=60) as client:
        client.get(f"/v1/wallets/{wallet}/integrity")


def quick_check(client):
    """Its answer; busy is what a crowded machine says, and who reads what is locked stays that."""
    answer = None
    for _ in range(20):
        answer = client.get("/check-integrity")
        if answer.status != 503:
            break
    return answer


def locked(report, server, client, database, name, wallet):
    """While nobody can read a wallet or a record the quick check answers: it needs none of them,
    so it does not depend on how many there are."""
    locker = Psql(database, name, "; ".join(
        f"LOCK TABLE florin.{table} IN ACCESS EXCLUSIVE MODE" for table in UNREAD))
    # More than the node has threads and connections to read with.
    late = [threading.Thread(target=prove, args=(server, wallet)) for _ in range(8)]
    for one in late:
        one.start()
    try:
        # Were they not locked, this would not wait.
        report.check("locked: a wallet's proof waits for them", within(120, lambda: waiting(
            database, name, "true") >= 1) and late[0].is_alive())
        answers = [quick_check(client) for _ in range(5)]
        report.check("locked: the quick check reads no wallet and no record", all(
            answer.status == 200 and answer["consistent"] for answer in answers), answers)
        report.check("locked: and has the sums", answers[-1]["currencies"][0][
            "wallet_balances"] == 90210, answers[-1])
    finally:
        locker.end()
    for one in late:
        one.join(60)
    report.check("locked: until they are free", within(120, lambda: client.get(
        f"/v1/wallets/{wallet}/integrity").status == 200))


def unread(report, server, client, database, name):
    """What cannot be read is not missing: while nobody is told of the wallets a check is busy, and
    no alarm is raised."""
    found = []

    def check():
        with server.client(timeout=120) as other:
            found.append(other.get("/check-integrity?depth=full"))

    locker = Psql(database, name, "LOCK TABLE florin.wallets IN ACCESS EXCLUSIVE MODE")
    full = threading.Thread(target=check)
    full.start()
    try:
        # Instead of its time-out: whoever waits for them is cut off, as often as he comes again.
        report.check("unread: the check gives up", within(60, lambda: database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()", name) is None or not full.is_alive()))
        full.join(1)
        report.equal("unread: and says so", [(answer.status, answer.code) for answer in found],
                     [(503, "busy")])
    finally:
        locker.end()
    full.join(60)
    done = metric(client, "integrity_recounts_total")
    report.check("unread: recounts go on", within(60, lambda: metric(
        client, "integrity_recounts_total") > done))
    report.equal("unread: nobody was alarmed", (metric(client, "integrity_alarms_total"), metric(
        client, "integrity_consistent")), (0, 1), server.log()[-2000:])


def cut_short(report, name, database):
    """A server that stops tells whoever follows a check why there is no result."""
    with florin.serving(florin=BINARY, config={"recount_mib_per_s": 0}) as server, \
            server.client() as client:
        fill(client)
        mine = database.database_for(server.data)
        found = []
        locker = Psql(database, mine, "LOCK TABLE florin.records IN ACCESS EXCLUSIVE MODE")
        late = threading.Thread(target=lambda: found.append(follow(server)))
        late.start()
        report.check(f"{name}: the check waits", within(60, lambda: waiting(
            database, mine, "true") >= 1))
        server.process.send_signal(signal.SIGTERM)
        late.join(60)
        locker.end()
        (event, problem), = found[0][1][-1:] if found else [(None, {})]
        report.equal(f"{name}: the last event", (event, problem.get("status"), problem.get("code"),
                                                 problem.get("detail")),
                     ("problem", 503, "busy", "The server stops. Ask again when it runs."), found)
        report.equal(f"{name}: exit status", server.stop(), 0)


def postgres(report):
    import cluster  # pylint: disable=import-outside-toplevel
    database = cluster.Cluster()
    cluster.serve_from(database)
    with florin.serving(florin=BINARY, config=CONFIG) as server, server.client() as client:
        wallets = fill(client)
        quiet(report, "row", client)
        depths(report, "row", server, client, wallets)
        name = database.database_for(server.data)
        locked(report, server, client, database, name, wallets[0])
        unread(report, server, client, database, name)
        cut_short(report, "cut short", database)
        balance = client.get(f"/v1/wallets/{wallets[1]}")["balance"]
        database.sql("UPDATE florin.wallets SET balance = balance + 7 WHERE owner = 'bob'::bytea",
                     name)
        alarmed(report, "row", server, client, wallets,
                [wallets[1], str(balance + 7), str(balance), "txn_"])
        proof = client.get(f"/v1/wallets/{wallets[1]}/integrity")
        report.check("row: the wallet's proof tells", not proof["consistent"], proof)
        nodes(report, server, client, wallets, database, name)
        crossed(report, server, client, wallets, database, name)
        try:
            database.sql("UPDATE florin.currencies SET deposits = deposits + 1", name)
            report.check("row: the database refuses totals that do not add up", False)
        except Exception as refused:  # pylint: disable=broad-exception-caught
            report.check("row: the database refuses totals that do not add up",
                         "currencies_add_up" in str(refused), refused)


VERSION_AT, UNCHANGED_AT = 56, 19  # in the facts of a wallet's record


def lived(server):
    """A wallet's life with every kind of change; the wallet, and how many versions it has had."""
    with server.client() as client, server.client(server.key("service")["secret"]) as service:
        ann, shop = [client.post("/v1/wallets", {"owner": owner, "currency": "USD", "kind": kind})[
            "id"] for owner, kind in (("ann", "customer"), ("shop", "merchant"))]

        def asked(wanted, answer):
            report.equal("lived", answer.status, wanted, answer)
            return answer

        def change(**fields):
            return asked(200, client.patch(f"/v1/wallets/{ann}", fields))

        def hold(amount):
            return asked(201, service.post("/v1/holds", {
                "wallet": ann, "merchant": shop, "amount": amount, "order": "o"}))["id"]

        change(metadata={"seen": "before money"})
        asked(201, client.post("/v1/deposits", {"wallet": ann, "amount": 90_000,
                                                "bank_transaction_id": "b"}))
        change(status="frozen", reason="who is it?")
        change(status="active", reason="it is ann")
        asked(200, client.post(f"/v1/holds/{hold(70)}/void", {}))
        asked(201, client.post(f"/v1/holds/{hold(70)}/capture", {"amount": 30}))
        pending = [asked(201, service.post("/v1/withdrawals", {"wallet": ann, "amount": 40}))["id"]
                   for _ in range(2)]
        asked(200, client.post(f"/v1/withdrawals/{pending[0]}/fail", {"reason": "no such iban"}))
        asked(200, client.post(f"/v1/withdrawals/{pending[1]}/settle",
                               {"bank_transaction_id": "c"}))
        large = {"from": ann, "to": shop, "amount": 6000}
        held = [asked(202, service.post("/v1/transfers", large))["id"] for _ in range(2)]
        asked(200, client.post(f"/v1/anomalies/{held[0]}/approve", {"comment": "known"}))
        asked(200, client.post(f"/v1/anomalies/{held[1]}/reject", {"comment": "unknown"}))
        change(metadata={"seen": "the middle mark"})
        purchase = asked(201, service.post("/v1/purchases", {
            "wallet": ann, "merchant": shop, "amount": 25, "order": "p"}))["id"]
        asked(201, service.post("/v1/refunds", {"purchase": purchase, "amount": 5}))
        batch = [{"type": "transfer", "from": ann, "to": shop, "amount": 3}] * 4
        asked(200, client.post("/v1/batches", {"operations": batch, "atomic": True}))
        report.equal("nothing changes", client.patch(
            f"/v1/wallets/{ann}", {"metadata": {"seen": "the middle mark"}}).status, 200)
        change(credit_limit=7)
        return ann, shop


def proof_of(server, wallet):
    with server.client() as client:
        return client.get(f"/v1/wallets/{wallet}/integrity")


def dense(report, name, server, ann, shop):
    """Every version of sound wallets has its record, also of one without postings."""
    with server.client() as client:
        empty = client.post("/v1/wallets", {"owner": "empty", "currency": "USD"})["id"]
        for number in range(3):
            client.patch(f"/v1/wallets/{empty}", {"metadata": {"number": str(number)}})
    for wallet, versions in ((ann, 26), (shop, 9), (empty, 4)):
        proof = proof_of(server, wallet)
        report.check(f"{name}: a wallet with a life", proof["consistent"], proof)
        report.equal(f"{name}: its versions", proof["version"], versions, proof)


VERSIONS = {**rules.config([rules.rule("large", "hold", amount=5000, operations=["transfer"])]),
            "recount_mib_per_s": 0}


def versions_in_journal(report):
    """Who forges the journal and makes every checksum right is told by the versions."""
    for what in ("edited", "removed"):
        server = florin.Server(florin=BINARY, config=VERSIONS).start()
        ann, shop = lived(server)
        dense(report, "journal", server, ann, shop)
        report.equal("journal: stopped", server.stop(), 0)
        forger = Forger(server.data)
        version = []

        def change(head, what=what, version=version):
            version[:] = struct.unpack_from("<Q", head.data, head.facts + VERSION_AT)
            if what == "edited":
                struct.pack_into("<Q", head.data, head.facts + VERSION_AT, version[0] - 1)
            else:
                head.data[head.facts + UNCHANGED_AT] = 1

        forger.edit(lambda head: b"the middle mark" in head.texts, change)
        version = version[0]
        forger.fix_chain()
        forger.save()
        server.start()
        proof = proof_of(server, ann)
        words = {"edited": f"no record that made its version {version},",
                 "removed": f"no record that made its version {version}, and one that made version "
                            f"{version - 1}"}[what]
        report.check(f"journal: a change is {what}", not proof["consistent"] and
                     ann in proof["message"] and words in proof["message"], proof)
        report.check("journal: the other wallet is right", proof_of(server, shop)["consistent"])
        server.stop()


def versions_in_rows(report):
    import cluster  # pylint: disable=import-outside-toplevel
    database = cluster.Cluster()
    cluster.serve_from(database)
    with florin.serving(florin=BINARY, config=VERSIONS) as server:
        name = database.database_for(server.data)
        ann, shop = lived(server)
        dense(report, "row", server, ann, shop)
        found = ("FROM florin.records WHERE position('the middle mark'::bytea in bytes) > 0 AND "
                 "substr(bytes, 9, 1) = '\\x01'::bytea ORDER BY number LIMIT 1")
        number, text = database.sql(f"SELECT number, encode(bytes, 'hex') {found}", name).split("|")
        data = bytearray.fromhex(text)
        head = Head(data)
        version, = struct.unpack_from("<Q", head.data, head.facts + VERSION_AT)
        struct.pack_into("<Q", head.data, head.facts + VERSION_AT, version + 1)
        data = head.record()
        database.sql(f"UPDATE florin.records SET bytes = '\\x{data.hex()}' WHERE number = {number}",
                     name)
        proof = proof_of(server, ann)
        report.check("row: a change is edited", not proof["consistent"] and ann in proof["message"]
                     and f"two records that made its version {version + 1}" in proof["message"],
                     proof)
        database.sql(f"DELETE FROM florin.records WHERE number = {number}", name)
        proof = proof_of(server, ann)
        report.check("row: a change is removed", not proof["consistent"] and
                     f"no record that made its version {version}" in proof["message"], proof)
        report.check("row: the other wallet is right", proof_of(server, shop)["consistent"])


def keys_in_rows(report):
    """An idempotency key that is not its record's is a difference of the full check."""
    import cluster  # pylint: disable=import-outside-toplevel
    database = cluster.Cluster()
    cluster.serve_from(database)
    with florin.serving(florin=BINARY, config={"recount_mib_per_s": 0}) as server, \
            server.client(timeout=60) as client:
        ids = fill(client)
        for number in range(3):
            client.post("/v1/transfers", {"from": ids[0], "to": ids[1], "amount": 1},
                        key=f"key-{number}")
        full = client.get("/check-integrity?depth=full")
        looked_at = {one["check"]: one["count"] for one in full["checked"]}
        report.equal("keys: so many were looked at", [full["consistent"], looked_at["idempotency"]],
                     [True, 3], full)
        database.sql("DELETE FROM florin.idempotency WHERE record = (SELECT max(record) FROM "
                     "florin.idempotency)", database.database_for(server.data))
        full = client.get("/check-integrity?depth=full")
        report.check("keys: one is gone", not full["consistent"] and
                     "idempotency key" in full["message"], full)


report.run("embedded", embedded)
report.run("versions in the journal", versions_in_journal)
report.run("checkpoint", checkpoint)
report.run("postgres", postgres)
report.run("versions in rows", versions_in_rows)
report.run("keys in rows", keys_in_rows)
report.finish()
