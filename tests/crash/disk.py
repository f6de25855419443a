# SPDX-License-Identifier: MIT
"""A disk that hangs for ten seconds, and one that is full, under load."""

import os
import re
import threading
import time

import florin
from moody_disk import MoodyDisk
from shop import Books, Shop, in_parallel
from wait import within

DEADLINE_MS = 2000


class Payer(threading.Thread):
    """Sends transfers one after another, each with its key; notes (key, body, when, answer,
    seconds)."""
    def __init__(self, shop, number):
        super().__init__(daemon=True)
        self.shop = shop
        self.number = number
        self.quit = threading.Event()
        self.notes = []
        self.trouble = None

    def run(self):
        payer = self.shop.customers[self.number]
        payee = self.shop.customers[(self.number + 1) % len(self.shop.customers)]
        with self.shop.server.client(timeout=20) as client:
            while not self.quit.is_set():
                key = f"payer-{self.number}-{len(self.notes)}"
                body = {"from": payer, "to": payee, "amount": 1, "reference": key}
                began = time.monotonic()
                try:
                    answer = client.post("/v1/transfers", body, key=key)
                except Exception as error:  # reported by whoever joins
                    self.trouble = error
                    return
                self.notes.append((key, body, began, answer, time.monotonic() - began))
                if answer.status == 503:
                    time.sleep(0.05)


def watch_health(server, seconds, answers):
    """Asks /healthz every quarter of a second, on the kept connection and on new ones."""
    until = time.monotonic() + seconds
    kept = server.client("none", timeout=5)
    while time.monotonic() < until:
        for client in (kept, server.client("none", timeout=5)):
            began = time.monotonic()
            try:
                status = client.get("/healthz").status
            except Exception as error:  # counts as an answer that is no 200
                status = error
            answers.append((status, time.monotonic() - began))
            if client is not kept:
                client.close()
        time.sleep(0.25)
    kept.close()


def blocked(report, binary):
    disk = MoodyDisk()
    server = disk.server(binary, {"request_deadline_ms": DEADLINE_MS})
    try:
        server.start()
        shop = Shop(server, 8, 1)
        payers = [Payer(shop, number) for number in range(8)]
        for payer in payers:
            payer.start()
        time.sleep(0.5)
        disk.set("hang")
        began = time.monotonic()
        health = []
        watch_health(server, 10.0, health)
        judge_truth(report, server)
        disk.set(None)
        ended = time.monotonic()
        time.sleep(1.0)
        for payer in payers:
            payer.quit.set()
        for payer in payers:
            payer.join(120)
        judge_blocked(report, server, payers, health, (began, ended))
        judge_after(report, server)
        report.equal("blocked disk: exit status", server.stop(), 0, server.log()[-2000:])
        report.equal("blocked disk: verify", server.verify().returncode, 0)
    finally:
        disk.set(None)
        server.discard()


def judge_truth(report, server):
    """While the store hangs: not ready, and everybody who asks is told why."""
    with server.client(timeout=5) as client:
        ready = client.get("/readyz")
        report.equal("blocked disk: not ready", (ready.status, ready["status"]),
                     (503, "unavailable"), ready)
        report.check("blocked disk: for want of the store",
                     {"name": "store", "status": "hangs"} in ready["dependencies"], ready)
        metrics = client.get("/metrics").body.decode()
        report.check("blocked disk: in the metrics",
                     'florin_dependency_up{dependency="store"} 0' in metrics, metrics)


def judge_after(report, server):
    """Once it goes on: ready again, and the log says what the slow requests waited for."""
    deadline = time.monotonic() + 20
    with server.client(timeout=5) as client:
        while client.get("/readyz").status != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        report.equal("blocked disk: ready again", client.get("/readyz").status, 200)
    slow = [line for line in server.log().splitlines() if " slow: transfer took " in line]
    report.check("blocked disk: slow requests are logged with their steps", any(
        int(step) > 1500 for line in slow
        for step in re.findall(r"(?:queue|decide|write|sync) (\d+)", line)) and all(
            "request " in line for line in slow), "\n".join(slow[:5]))


def judge_blocked(report, server, payers, health, span):
    bad = [entry for entry in health if entry[0] != 200 or entry[1] > 1.0]
    report.check(f"blocked disk: /healthz answers ({len(health)} times)", not bad, f"{bad[:10]}")
    notes = [note for payer in payers for note in payer.notes]
    report.check("blocked disk: nobody is disconnected",
                 all(payer.trouble is None for payer in payers),
                 f"{[payer.trouble for payer in payers]}")
    busy = [note for note in notes if note[3].status == 503]
    report.check("blocked disk: waiting requests become busy",
                 len(busy) >= len(payers), f"{len(busy)}")
    report.check(
        "blocked disk: busy is a problem with Retry-After",
        all(note[3].code == "busy" and note[3].headers.get("retry-after", "").isdigit()
            for note in busy), lambda: f"{busy[0][3]!r} {busy[0][3].headers}")
    seconds = [note[4] for note in busy]
    report.check("blocked disk: at their deadline", all(1.5 <= spent <= 4.0 for spent in seconds),
                 lambda: f"{min(seconds):.2f} to {max(seconds):.2f} s")
    other = [note for note in notes if note[3].status not in (201, 503)]
    report.check("blocked disk: no other answers", not other, lambda: f"{other[0][3]!r}")
    began, ended = span
    late = [note for note in notes if note[2] > ended + 0.2 and note[3].status == 201]
    report.check("blocked disk: everything goes on afterwards",
                 len(late) >= len(payers), f"{len(late)}")
    inside = [
        note for note in notes
        if began + 0.5 < note[2] and note[2] + note[4] < ended - 0.1 and note[3].status == 201
    ]
    report.check("blocked disk: nothing is acknowledged while nothing is durable", not inside,
                 f"{len(inside)}")

    def retry(share):
        with server.client() as client:
            for key, body, _, first, _ in share:
                again = client.post("/v1/transfers", body, key=key)
                if again.status != 201 or first.status == 201 and again.body != first.body:
                    raise AssertionError(f"{key}: first {first!r}, again {again!r}")

    errors = in_parallel(notes[-2000:] + busy, retry)
    report.check("blocked disk: a retry with its key tells", not errors, f"{errors[:3]}")
    with server.client() as client:
        books = Books(client)
    wrong = [key for key, *_ in notes if len(books.by_reference.get(key, [])) != 1]
    report.check("blocked disk: each payment once", not wrong, f"{wrong[:10]}")
    report.check("blocked disk: sums", not books.wrong(), lambda: "\n".join(books.wrong()[:10]))


def goes_on(report, name, client, shop):
    """With room again, writes are taken, and the books are right."""
    answer = within(120, lambda: accepted(client, shop))
    report.check(f"{name}: with room, writes go on", answer)
    books = Books(client)
    report.check(f"{name}: sums", not books.wrong(), lambda: "\n".join(books.wrong()[:10]))


def accepted(client, shop):
    return client.post("/v1/transfers", transfer(shop), key="after").status == 201


def ended_well(report, name, server):
    report.equal(f"{name}: exit status", server.stop(), 0, server.log()[-2000:])
    report.equal(f"{name}: verify", server.verify().returncode, 0)


def full(report, binary):
    disk = MoodyDisk()
    server = disk.server(binary)
    try:
        server.start()
        shop = Shop(server, 4, 1)
        with server.client(timeout=30) as client:
            before = client.get(f"/v1/wallets/{shop.customers[0]}").json
            disk.set("full")
            refused = fill(client, shop, 20.0)
            report.check("full disk: writes are refused in the end", refused is not None,
                         "no 507 within 20 s of writing")
            if refused is not None:
                judge_full(report, client, shop, refused, before)
            disk.set(None)
            goes_on(report, "full disk", client, shop)
        ended_well(report, "full disk", server)
        # A restart on a full disk still reads.
        disk.set("full")
        restarts_full(report, server, shop)
    finally:
        disk.set(None)
        server.discard()


def is_prepared(server):
    """Whether the journal has taken all the place that it wants for so little."""
    first = os.path.join(server.data, "journal", "0" * 20 + ".segment")
    return within(120, lambda: os.stat(first).st_blocks * 512 >= 16 << 20)


def taken(report, binary):
    """Somebody else takes all that was free, in no time: what was promised is kept, what was not is
    refused, and nobody notices anything else."""
    disk = MoodyDisk()
    server = disk.server(binary)
    try:
        server.start()
        shop = Shop(server, 4, 1)
        with server.client(timeout=30) as client:
            report.check("taken disk: the journal is prepared ahead", is_prepared(server))
            disk.set("taken")
            # Batches as large as can be: a round of one is larger than what is prepared ahead.
            refused = fill(client, shop, 60.0, 10000, 3)
            report.check("taken disk: writes are refused in the end", refused is not None,
                         "no 507 within 60 s of writing")
            # Something small may still fit into what was prepared, once the disk looks good.
            if refused is not None:
                report.check("taken disk: something small is refused too, or fits",
                             (refused.status, refused.code) in ((507, "storage_full"), (201, None)),
                             lambda: f"{refused!r}")
            report.equal("taken disk: reads go on",
                         client.get(f"/v1/wallets/{shop.customers[0]}").status, 200)
            disk.set(None)
            goes_on(report, "taken disk", client, shop)
        ended_well(report, "taken disk", server)
    finally:
        disk.set(None)
        server.discard()


def restarts_full(report, server, shop):
    try:
        server.start()
        with server.client() as client:
            report.equal("full disk: reads after a restart",
                         client.get(f"/v1/wallets/{shop.customers[0]}").status, 200)
    except florin.NotStarted as error:
        # Refusing to start is allowed when it is said why.
        report.check(
            "full disk: a refused start says why",
            any(word in error.text.lower() for word in ("full", "space", "room", "storage")),
            error.text)


def transfer(shop):
    return {"from": shop.customers[0], "to": shop.customers[1], "amount": 1}


def fill(client, shop, seconds, count=800, texts=32):
    """Writes batches of so many operations with so many texts until the first 507; that answer, or
    None."""
    until = time.monotonic() + seconds
    operation = {
        "type": "transfer", "from": shop.customers[0], "to": shop.customers[1], "amount": 1,
        "metadata": {f"n{n}": "x" * 500 for n in range(texts)}
    }
    back = {**operation, "from": shop.customers[1], "to": shop.customers[0]}
    body = {"operations": [operation, back] * (count // 2)}
    while time.monotonic() < until:
        answer = client.post("/v1/batches", body)
        if answer.status == 507:
            return answer
        if answer.status != 200:
            raise AssertionError(f"{answer!r:.1000}")
        codes = {result.get("code") for result in answer["results"]}
        if "storage_full" in codes:
            return client.post("/v1/transfers", transfer(shop), key="full")
    return None


def judge_full(report, client, shop, refused, before):
    report.equal("full disk: status", (refused.status, refused.code), (507, "storage_full"))
    report.equal("full disk: problem", refused.headers.get("content-type"),
                 "application/problem+json")
    answer = client.post("/v1/transfers", transfer(shop), key="after")
    report.equal("full disk: writes are refused", answer.status, 507)
    for target in (f"/v1/wallets/{shop.customers[0]}", "/v1/transactions?limit=3", "/v1/wallets",
                   "/check-integrity", f"/v1/wallets/{shop.customers[0]}/balance", "/healthz"):
        report.equal(f"full disk: {target.split('?')[0]} goes on", client.get(target).status, 200)
    now = client.get(f"/v1/wallets/{shop.customers[0]}").json
    report.check("full disk: the wallet is readable", now["id"] == before["id"])
