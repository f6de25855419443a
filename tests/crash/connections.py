# SPDX-License-Identifier: MIT
"""What clients do to a server's connections: ambiguity, slowness, crowds, pipelines, answers that
nobody reads."""

import http.client
import json
import os
import socket
import threading
import time

import florin
from client import Client, Unreachable


class Raw:
    """One connection with nothing in between: bytes out, answers in."""
    def __init__(self, server, timeout=15):
        self.server = server
        self.client = Client(server.port, timeout=timeout)
        self.head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {server.admin_secret}\r\n"

    def send(self, text):
        self.client.send(text if isinstance(text, bytes) else text.encode("latin-1"))

    def answer(self):
        """The next answer, or None when the server ended the connection instead."""
        try:
            return self.client.receive()
        except Unreachable:
            return None

    def is_closed(self, seconds=3):
        """Whether the server ends the connection within that time."""
        if self.client.socket is None:
            return True
        self.client.socket.settimeout(seconds)
        try:
            return self.client.socket.recv(1) == b""
        except ConnectionError:
            return True
        except OSError:
            return False

    def close(self):
        self.client.close()


class World:
    def __init__(self, server):
        self.server = server
        with server.client() as client:
            self.wallet = client.post("/v1/wallets", {"owner": "o", "currency": "USD"})["id"]

    def deposit(self, name):
        return json.dumps({"wallet": self.wallet, "amount": 1, "bank_transaction_id": name})

    def balance(self):
        with self.server.client() as client:
            return client.get(f"/v1/wallets/{self.wallet}")["balance"]


JSON = "Content-Type: application/json\r\n"


def is_problem(answer):
    """Whether a refusal has the form of all others, also where the library was who refused."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return False
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return (headers.get("content-type") == "application/problem+json"
            and document["status"] == answer.status and document.get("detail")
            and headers.get("x-request-id"))


def shapeless(report, world):
    """What is no request at all, or has no end, is told so in the words of the house."""
    lines = {
        "no version": ("GET /healthz\r\n\r\n", 400),
        "another version": ("GET /healthz HTTP/2.7\r\n\r\n", 400),
        "a header without a colon": ("GET /healthz HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
        "a target beyond all room": (f"GET /{'a' * 20000} HTTP/1.1\r\n\r\n", 413),
        "a head beyond all room": (f"GET / HTTP/1.1\r\nX: {'a' * 20000}\r\n\r\n", 413),
    }
    for name, (text, status) in lines.items():
        raw = Raw(world.server, timeout=5)
        raw.send(text)
        answer = raw.answer()
        report.equal(f"{name}: refused", answer and answer.status, status, answer)
        report.check(f"{name}: a problem", answer is not None and is_problem(answer),
                     lambda: f"{answer!r}")
        report.check(f"{name}: closed", raw.is_closed(), "the connection stays open")
        raw.close()


def ambiguous(report, world):
    """What two readers could understand in two ways is refused, and the connection closed."""
    body = world.deposit("smuggled")
    size = len(body)
    chunked = f"{size:x}\r\n{body}\r\n0\r\n\r\n"
    requests = {
        "both lengths": (f"Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n", chunked),
        "both lengths, the other way round":
            (f"Transfer-Encoding: chunked\r\nContent-Length: {size}\r\n", chunked), "two lengths":
                (f"Content-Length: {size}\r\nContent-Length: {size + 1}\r\n", body),
        "two lengths in one": (f"Content-Length: {size}, {size + 1}\r\n", body),
        "a length with a sign": (f"Content-Length: +{size}\r\n", body), "a negative length":
            ("Content-Length: -1\r\n", body),
        "a length in hex": (f"Content-Length: 0x{size:x}\r\n", body), "a length too long":
            ("Content-Length: 99999999999999999999999\r\n", body), "an unknown coding":
                ("Transfer-Encoding: gzip, chunked\r\n", chunked), "a coding that is no chunked":
                    ("Transfer-Encoding: xchunked\r\n", chunked), "two codings":
                        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunked),
        "a space before the colon": (f"Content-Length : {size}\r\n", body), "a folded header":
            (f"X-Note: a\r\n b\r\nContent-Length: {size}\r\n", body), "a bad chunk size":
                ("Transfer-Encoding: chunked\r\n", f"{size:x}zz\r\n{body}\r\n0\r\n\r\n"
                 ), "two hosts": (f"Host: evil\r\nContent-Length: {size}\r\n", body),
        "the same length twice": (f"Content-Length: {size}\r\nContent-Length: {size}\r\n", body),
        "the same length twice in one": (f"Content-Length: {size}, {size}\r\n", body),
        "something behind a length": (f"Content-Length: {size} 0\r\n", body),
        "a length beyond 64 bits": (f"Content-Length: {2**64 + size}\r\n", body),
        "chunked twice": ("Transfer-Encoding: chunked\r\n" * 2, chunked),
        "a strange space before chunked": ("Transfer-Encoding:\x0bchunked\r\n", chunked),
        "a folded coding": ("Transfer-Encoding:\r\n chunked\r\n", chunked),
        "no coding and a length": (f"Transfer-Encoding:\r\nContent-Length: {size}\r\n", body),
        "identity and a length": (
            f"Transfer-Encoding: identity\r\nContent-Length: {size}\r\n", body),
        "a chunk of less than nothing": ("Transfer-Encoding: chunked\r\n", "-1\r\n" + chunked),
        "a chunk size in C": ("Transfer-Encoding: chunked\r\n", "0x" + chunked),
        "a chunk size beyond 64 bits": ("Transfer-Encoding: chunked\r\n",
                                        f"1{0:016x}{chunked}"),
        "a chunk that goes on": ("Transfer-Encoding: chunked\r\n",
                                 f"{size:x}\r\n{body}XX0\r\n\r\n"),
        "lines that end with LF": (f"X: y\nContent-Length: {size}\r\n", body),
        "CR in a header": (f"X: a\rContent-Length: 5\r\nContent-Length: {size}\r\n", body),
        "a zero in a header": (f"X: a\0b\r\nContent-Length: {size}\r\n", body),
        "a header without a name": (f": b\r\nContent-Length: {size}\r\n", body),
        "a header without a colon": (f"X\r\nContent-Length: {size}\r\n", body),
        "an expectation that is unknown": (f"Expect: miracle\r\nContent-Length: {size}\r\n",
                                           body),
    }
    for name, (headers, content) in requests.items():
        raw = Raw(world.server, timeout=5)
        raw.send(f"POST /v1/deposits HTTP/1.1\r\n{raw.head}{JSON}{headers}\r\n{content}"
                 f"GET /healthz HTTP/1.1\r\n{raw.head}\r\n")
        answer = raw.answer()
        report.check(f"ambiguous: {name}: refused", answer is None
                     or answer.status in (400, 411, 413, 501), lambda: f"{answer!r}")
        report.check(f"ambiguous: {name}: a problem like any other",
                     answer is None or is_problem(answer), lambda: f"{answer!r}")
        report.check(f"ambiguous: {name}: closed", raw.is_closed(), "the connection stays open")
        raw.close()
    report.equal("ambiguous: nothing took effect", world.balance(), 0)


def hidden(report, world):
    """A request in the body, in the trailer or in an extension of another is not one, and nobody
    else's answer comes for it."""
    before = world.balance()
    inner_body, raw_head = world.deposit("hidden"), Raw(world.server).head
    inner = (f"POST /v1/deposits HTTP/1.1\r\n{raw_head}{JSON}"
             f"Content-Length: {len(inner_body)}\r\n\r\n{inner_body}")
    chunks = (f"{len(inner):x};note=GET\r\n{inner}\r\n0\r\nContent-Length: 9\r\n"
              "Host: evil\r\n\r\n")
    for name, sent in {
            "a body": f"Content-Length: {len(inner)}\r\n\r\n{inner}",
            "a chunk": f"Transfer-Encoding: chunked\r\n\r\n{chunks}",
    }.items():
        for path in ("/healthz", "/v1/wallets"):
            raw = Raw(world.server, timeout=5)
            raw.send(f"GET {path} HTTP/1.1\r\n{raw.head}{sent}"
                     f"GET /openapi.json HTTP/1.1\r\n{raw.head}\r\n")
            answers = [raw.answer(), raw.answer()]
            report.check(f"hidden in {name} of {path}", answers[0] is not None and (
                answers[0].status >= 400 and answers[1] is None or answers[0].status == 200
                and answers[1] is not None and answers[1].get("openapi")),
                lambda answers=answers: f"{answers!r:.600}")
            raw.close()
    report.equal("hidden: nothing took effect", world.balance(), before)
    for method in ("TRACE", "CONNECT", "PRI", "DELETE", "get"):
        raw = Raw(world.server, timeout=5)
        raw.send(f"{method} /healthz HTTP/1.1\r\n{raw.head}X-HTTP-Method-Override: GET\r\n\r\n")
        answer = raw.answer()
        report.check(f"hidden: {method} is no GET", answer is None or answer.status >= 400,
                     lambda answer=answer: f"{answer!r:.300}")
        raw.close()


def doubled(report, world):
    """Headers that decide something stand once, or the request is refused; nothing takes effect."""
    before = world.balance()
    for name, headers in {
            "Idempotency-Key": "Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
            "the same Idempotency-Key": "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
            "If-Match": 'If-Match: "1"\r\nIf-Match: "2"\r\n',
            "Authorization": "Authorization: Bearer other\r\n",
            "Content-Type": "Content-Type: text/plain\r\n",
    }.items():
        body = world.deposit("doubled " + name)
        raw = Raw(world.server)
        raw.send(f"POST /v1/deposits HTTP/1.1\r\n{raw.head}{JSON}{headers}"
                 f"Content-Length: {len(body)}\r\n\r\n{body}")
        answer = raw.answer()
        report.check(f"doubled: {name}", answer is not None and answer.status in (400, 401, 415),
                     lambda: f"{answer!r}")
        raw.close()
    report.equal("doubled: nothing took effect", world.balance(), before)


def malformed(report, world):
    """Nonsense is refused, and never ends the server."""
    for name, sent in {
            "no HTTP":
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), "no version":
                    b"GET /healthz\r\n\r\n", "no such version":
                        b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n", "no host":
                            b"GET /healthz HTTP/1.1\r\n\r\n", "a zero in the path":
                                b"GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n",
            "a header of 100 kB":
                b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
            "ten thousand headers":
                b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
            "a path of 100 kB":
                b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "a bad escape":
                    b"GET /v1/wallets/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    }.items():
        raw = Raw(world.server, timeout=5)
        raw.send(sent)
        answer = raw.answer()
        report.check(f"malformed: {name}", answer is None or answer.status >= 400,
                     lambda: f"{answer!r:.300}")
        raw.close()
        with world.server.client() as client:
            report.equal(f"malformed: after {name}", client.get("/healthz").status, 200)


def pipelined(report, world):
    """Requests one behind the other are answered in their order; bodies may come in chunks, or be
    awaited."""
    before = world.balance()
    raw = Raw(world.server)
    bodies = [world.deposit(f"pipe-{number}") for number in range(20)]
    raw.send("".join(
        f"POST /v1/deposits HTTP/1.1\r\n{raw.head}{JSON}Content-Length: {len(body)}\r\n\r\n{body}"
        for body in bodies))
    answers = [raw.answer() for _ in bodies]
    report.equal("pipelined: all answered, in order",
                 [answer and answer.get("bank_transaction_id") for answer in answers],
                 [f"pipe-{number}" for number in range(20)])
    body = world.deposit("chunked")
    raw.send(f"POST /v1/deposits HTTP/1.1\r\n{raw.head}{JSON}Transfer-Encoding: chunked\r\n\r\n")
    for letter in range(0, len(body), 7):
        piece = body[letter:letter + 7]
        raw.send(f"{len(piece):x}\r\n{piece}\r\n")
    raw.send("0\r\n\r\n")
    answer = raw.answer()
    report.check("chunked: taken", answer is not None and answer.status == 201, f"{answer!r}")
    body = world.deposit("awaited")
    raw.send(f"POST /v1/deposits HTTP/1.1\r\n{raw.head}{JSON}Content-Length: {len(body)}\r\n"
             "Expect: 100-continue\r\n\r\n")
    time.sleep(0.2)
    raw.send(body)
    answer = raw.answer()
    report.check("100-continue: taken", answer is not None and answer.status == 201, f"{answer!r}")
    raw.send(f"GET /v1/wallets/{world.wallet} HTTP/1.1\r\n{raw.head}Connection: close\r\n\r\n")
    answer = raw.answer()
    report.check("Connection: close is obeyed", answer is not None and answer.status == 200
                 and raw.is_closed())
    raw.close()
    report.equal("pipelined: each once", world.balance(), before + 22)
    old = Raw(world.server)
    old.send(f"GET /healthz HTTP/1.0\r\n{old.head}\r\n")
    answer = old.answer()
    report.check("HTTP/1.0 is answered, and closed", answer is not None and answer.status == 200
                 and old.is_closed())
    old.close()


def crowd(report, binary):
    """More connections than there may be: the one that is idle for the longest makes room."""
    with florin.serving(florin=binary, config={"connections_max": 40}) as server:
        first = [Client(server.port, timeout=5) for _ in range(30)]
        for client in first:
            client.get("/healthz")
        first[0].get("/healthz")  # not the longest idle one any more
        more = [Client(server.port, timeout=5) for _ in range(40)]
        failures = []
        for client in more:
            try:
                if client.get("/healthz").status != 200:
                    failures.append("another status")
            except Unreachable as error:
                failures.append(error)
            try:
                first[0].get("/healthz")  # keeps itself busy
            except Unreachable as error:
                failures.append(f"the busy connection: {error}")
        report.check("a crowd: every newcomer is answered", not failures, f"{failures[:5]}")
        closed = sum(1 for client in first[1:] if Raw.is_closed(as_raw(client), 0.2))
        report.check("a crowd: idle connections were closed", closed >= 25, f"{closed} of 29")
        report.check("a crowd: the busy one stays", first[0].socket is not None)
        silent = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(120)]
        with server.client() as client:
            report.equal("a crowd: silent connections keep nobody out",
                         client.get("/v1/wallets").status, 200)
        for connection in silent:
            connection.close()
        for client in first + more:
            client.close()
        report.equal("a crowd: exit status", server.stop(), 0)


def as_raw(client):
    raw = Raw.__new__(Raw)
    raw.client = client
    return raw


def many(report, binary):
    """As many as are promised, all at once and all alive."""
    with florin.serving(florin=binary) as server:
        clients = [Client(server.port, timeout=20) for _ in range(900)]
        alive = 0
        for client in clients:
            alive += client.get("/healthz").status == 200
        for client in clients:
            alive += client.get("/healthz").status == 200
        report.equal("nine hundred connections", alive, 1800)
        for client in clients:
            client.close()


class Slow(threading.Thread):
    """Sends a request drop by drop; notes after how many seconds the server had enough of it."""
    def __init__(self, server, first, drop, name):
        super().__init__(daemon=True)
        self.raw = Raw(server, timeout=20)
        self.first = first.format(head=self.raw.head)
        self.drop = drop
        self.title = name
        self.seconds = None
        self.answer = None

    def run(self):
        began = time.monotonic()
        self.raw.send(self.first)
        connection = self.raw.client.socket
        connection.settimeout(0.15)
        while time.monotonic() - began < 16:
            try:
                connection.sendall(self.drop.encode())
                received = connection.recv(4096)
                self.answer = received
                break
            except TimeoutError:
                continue
            except OSError:
                break
        self.seconds = time.monotonic() - began
        self.raw.close()


def slow(report, binary):
    """A request has ten seconds from its first to its last byte, however it trickles; others are
    not held up."""
    with florin.serving(florin=binary) as server:
        drops = [
            Slow(server, "POST /v1/deposits HTTP/1.1\r\n{head}X-Slow: ", "x", "a header"),
            Slow(
                server, "POST /v1/deposits HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
                "Content-Length: 5000\r\n\r\n", " ", "a body"),
            Slow(
                server, "POST /v1/deposits HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", "chunks"),
            Slow(server, "P", "", "nothing more"),
        ]
        hog = Hog(server)
        for thread in [*drops, hog]:
            thread.start()
        slowest = 0.0
        with server.client() as client:
            until = time.monotonic() + 11
            while time.monotonic() < until:
                began = time.monotonic()
                client.get("/v1/wallets")
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.05)
        report.check("slow requests hold up nobody", slowest < 1.0, f"{slowest:.2f} s")
        for thread in drops:
            thread.join(20)
            report.check(f"{thread.title} that trickles is ended after ten seconds",
                         thread.seconds is not None and 8.0 <= thread.seconds <= 13.0,
                         f"{thread.seconds}")
        hog.join(45)
        report.check("an answer that nobody reads is dropped after thirty seconds",
                     hog.seconds is not None and 25 <= hog.seconds <= 40, f"{hog.seconds}")
        report.equal("slow requests: exit status", server.stop(), 0)


def is_established(server_port, client_port):
    """Whether the server still has this connection; asked of the kernel, so that nothing is
    read."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    ends = (f":{server_port:04X}", f":{client_port:04X}")
    return any(row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[3] == "01"
               for row in rows)


class Hog(threading.Thread):
    """Asks for more than the sockets can buffer and reads nothing; notes when the server has
    closed."""
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.seconds = None

    def run(self):
        with self.server.client() as client:
            owner = {
                "owner": "x" * 255, "currency": "USD",
                "metadata": {f"n{n}": "v" * 512 for n in range(32)}
            }
            client.post("/v1/batches", {"operations": [{"type": "wallet", **owner}] * 800})
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", self.server.port))
        head = f"Host: x\r\nAuthorization: Bearer {self.server.admin_secret}\r\n"
        connection.sendall(f"GET /v1/wallets?limit=800 HTTP/1.1\r\n{head}\r\n".encode())
        began = time.monotonic()
        while time.monotonic() - began < 42:
            if not is_established(self.server.port, connection.getsockname()[1]):
                self.seconds = time.monotonic() - began
                break
            time.sleep(0.2)
        connection.close()


PLAIN = (ambiguous, shapeless, hidden, doubled, malformed, pipelined)


def own_address():
    """An address of this machine that is not loopback, or None; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def metrics_status(address, port):
    """What is answered once there is room for another connection of that address."""
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection(address, port, timeout=20)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


def one_address(report, binary):
    """Somebody else's address has its limit; this machine has none."""
    address = own_address()
    if address is None:
        report.skip("one address", "this machine has none but loopback")
        return
    with florin.serving(florin=binary, config={"connections_per_address": 5}) as server:
        server.stop()
        template = os.environ.get("FLORIN_SERVE", florin.SERVE)
        os.environ["FLORIN_SERVE"] = template.replace("{listen}", f"0.0.0.0:{server.port}")
        try:
            server.start()
        finally:
            os.environ["FLORIN_SERVE"] = template
        near = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(20)]
        far = [socket.create_connection((address, server.port), 20) for _ in range(12)]
        head = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

        def is_served(one):
            try:
                one.sendall(head)
                return one.recv(12) == b"HTTP/1.1 200"
            except OSError:
                return False
        report.equal("of another address", sum(is_served(one) for one in far), 5)
        report.equal("of this machine", sum(is_served(one) for one in near), 20)
        with server.client() as client:
            page = client.get("/metrics").body.decode()
        report.check("counted", "florin_http_connections_refused_total 7\n" in page, page[-2000:])
        for one in near + far:
            one.close()
        # What anybody on this machine may read, nobody else may without a key.
        report.equal("metrics, without a key, of this machine and from elsewhere",
                     [metrics_status(own, server.port) for own in ("127.0.0.1", address)],
                     [200, 401])
        report.equal("exit status", server.stop(), 0)


def large_heads(report, binary):
    """There is room for the heads that are promised, and what is larger is told so."""
    rooms = (({}, 3000, 5000), ({"request_head_bytes": 16384}, 12000, 17000))
    for config, fits, too_large in rooms:
        with florin.serving(florin=binary, config=config) as server:
            for size, expected in ((fits, 200), (too_large, 413), (200000, 413)):
                raw = Raw(server)
                try:
                    raw.send(f"GET /v1/wallets HTTP/1.1\r\n{raw.head}"
                             f"X-Note: {'n' * size}\r\n\r\n")
                except OSError:
                    pass  # it was refused before all of it was sent
                answer = raw.answer()
                report.check(f"a head of {size} bytes, {config}",
                             answer is not None and answer.status == expected
                             or answer is None and size == 200000, lambda: f"{answer!r:.300}")
                raw.close()
            report.equal("exit status", server.stop(), 0)


def all_connections(report, binary):
    with florin.serving(florin=binary) as server:
        world = World(server)
        for test in PLAIN:
            report.run(test.__name__, test, world)
        report.equal("exit status", server.stop(), 0, server.log()[-2000:])
        report.check("log", not server.trouble(), lambda: server.log()[-4000:])
    report.run("a crowd", crowd, binary)
    report.run("one address", one_address, binary)
    report.run("large heads", large_heads, binary)
    report.run("many", many, binary)
    report.run("slow", slow, binary)
