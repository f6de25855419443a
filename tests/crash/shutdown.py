# SPDX-License-Identifier: MIT
"""SIGTERM and SIGINT: what was received is answered, what was not is dropped, and the server ends
within ten seconds."""

import signal
import threading
import time

import florin
from client import Client, Unreachable
from moody_disk import MoodyDisk
from shop import Books, Shop, Worker, in_parallel


def drains_under_load(report, binary):
    """Every answer that comes is kept, nothing acknowledged is lost, and the end is clean."""
    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
        with florin.serving(florin=binary) as server:
            shop = Shop(server)
            workers = [Worker(shop, f"w{index}", index) for index in range(10)]
            for worker in workers:
                worker.start()
            time.sleep(0.5)
            began = time.monotonic()
            status = server.stop(number=number)
            seconds = time.monotonic() - began
            report.equal(f"{name} under load: exit status", status, 0, server.log()[-2000:])
            report.check(f"{name} under load: within 10 s", seconds < 10, f"{seconds:.1f} s")
            for worker in workers:
                worker.join(10)
            sent = [
                request for worker in workers for request in worker.sent
                if request.answer is not None
            ]
            odd = [request for request in sent if request.answer.status >= 500]
            report.check(f"{name} under load: nobody is refused", not odd,
                         lambda: f"{odd[0].answer!r}")
            server.start()
            with server.client() as client:
                books = Books(client)
            missing = [
                request.reference for request in sent if request.answer.status < 300
                and len(books.by_reference.get(request.reference, [])) != request.parts
            ]
            report.check(f"{name} under load: nothing acknowledged is lost", not missing,
                         f"{missing[:10]}")
            report.check(f"{name} under load: sums", not books.wrong())
            errors = in_parallel(sent[-300:], lambda share: replays(server, share))
            report.check(f"{name} under load: replays", not errors, f"{errors[:3]}")


def replays(server, share):
    with server.client() as client:
        for request in share:
            again = request.send(client)
            if not request.is_replay(again):
                raise AssertionError(f"{request.answer!r} / {again!r}")


class Waiting(threading.Thread):
    """One write that must wait for the disk."""
    def __init__(self, server, shop):
        super().__init__(daemon=True)
        self.client = server.client(timeout=20)
        self.body = {"from": shop.customers[0], "to": shop.customers[1], "amount": 5}
        self.answer = None

    def run(self):
        try:
            self.answer = self.client.post("/v1/transfers", self.body, key="waiting")
        except Unreachable as error:
            self.answer = error


def while_waiting(report, binary):
    """The disk hangs as SIGTERM comes: readiness says 503, nobody new gets in, and what was
    received is answered."""
    disk = MoodyDisk()
    server = disk.server(binary)
    try:
        server.start()
        shop = Shop(server, 4, 1)
        kept = [Client(server.port, timeout=5) for _ in range(3)]
        for client in kept:
            report.equal("draining: ready before", client.get("/readyz").status, 200)
        half = Client(server.port, timeout=15)
        half.connect().sendall(b"POST /v1/transfers HTTP/1.1\r\nHost: x\r\nContent-Le")
        disk.set("hang")
        waiting = Waiting(server, shop)
        waiting.start()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        time.sleep(0.3)
        try:
            answer = kept[0].get("/readyz")
            report.equal("draining: not ready", answer.status, 503)
            report.equal("draining: Connection: close",
                         answer.headers.get("connection", "").lower(), "close")
        except Unreachable as error:
            report.fail("draining: a kept connection still hears that the server is not ready",
                        error)
        try:
            with Client(server.port, timeout=3) as newcomer:
                answer = newcomer.get("/healthz")
            report.fail("draining: the listener is closed",
                        f"a new connection was answered {answer!r}")
        except Unreachable:
            report.ok()
        time.sleep(1.5)
        disk.set(None)
        waiting.join(15)
        report.equal("draining: what was received is answered",
                     getattr(waiting.answer, "status", waiting.answer), 201)
        if not isinstance(waiting.answer, Exception):
            report.equal("draining: and the connection ends",
                         waiting.answer.headers.get("connection", "").lower(), "close")
        status = server.wait(12)
        report.equal("draining: exit status", status, 0, server.log()[-2000:])
        report.check("draining: within 10 s", time.monotonic() - began < 10)
        try:
            half.receive()
            report.fail("draining: a request received by half is dropped", "it was answered")
        except Unreachable:
            report.ok()
        server.start()
        with server.client() as client:
            again = client.post("/v1/transfers", waiting.body, key="waiting")
        report.check("draining: its effect is durable", again.replayed
                     and again.body == waiting.answer.body, f"{again!r}")
    finally:
        disk.set(None)
        server.discard()


def second_start_s(server):
    server.stop()
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def idle_ends_at_once(report, binary):
    """Idle connections don't hold up the end."""
    with florin.serving(florin=binary) as server:
        idle = [server.client() for _ in range(20)]
        for client in idle:
            client.get("/healthz")
        began = time.monotonic()
        report.equal("idle: exit status", server.stop(), 0)
        report.check("idle: soon",
                     time.monotonic() - began < 3, f"{time.monotonic() - began:.1f} s")
        report.check("idle: a second start takes less than two seconds", any(
            second_start_s(server) < 2 for _ in range(5)))  # of some: others may need the disk
