# SPDX-License-Identifier: MIT
"""A keep-alive HTTP/1.1 client on a bare socket.

It is not the library's client, because tests must be able to send what a polite client never
would, must see exactly what came back, and need a few thousand requests a second from one Python
thread. Every wait has an end: a server that hangs is a failed test and not a hanging one.
"""

import json
import socket


class Unreachable(Exception):
    """The server closed, refused or did not answer in time; the request may or may not have had
    an effect."""


class Answer:
    """One answer: `status`, `headers` (lower-case names, first value), `body` as bytes, `json`
    decoded."""

    __slots__ = ("status", "headers", "body", "_json")

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        self._json = None

    @property
    def json(self):
        if self._json is None and self.body:
            try:
                self._json = json.loads(self.body)
            except ValueError:
                self._json = None
        return self._json

    @property
    def code(self):
        return self.json.get("code") if isinstance(self.json, dict) else None

    @property
    def replayed(self):
        return self.headers.get("idempotent-replayed") == "true"

    def __getitem__(self, name):
        return self.json[name]

    def get(self, name, default=None):
        return self.json.get(name, default) if isinstance(self.json, dict) else default

    def __repr__(self):
        return f"{self.status} {self.body.decode('utf-8', 'replace')}"


def encode(body):
    """Bytes go out as they are, texts as UTF-8, anything else as JSON."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Client:
    """One connection, opened when needed and again after it was closed. Use it from one thread at
    a time."""
    def __init__(self, port, secret=None, timeout=20.0, host="127.0.0.1"):
        self.address = (host, port)
        self.secret = secret
        self.timeout = timeout
        self.socket = None
        self.unread = b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def connect(self):
        if self.socket is None:
            try:
                self.socket = socket.create_connection(self.address, self.timeout)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                self.socket = None
                raise Unreachable(f"connect: {error}") from None
        return self.socket

    def head(self, method, target, headers, body):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}"]
        names = {name.lower() for name in headers}
        if self.secret is not None and "authorization" not in names:
            lines.append(f"Authorization: Bearer {self.secret}")
        if body is not None and "content-type" not in names:
            lines.append("Content-Type: application/json")
        if "content-length" not in names and "transfer-encoding" not in names:
            if body is not None or method in ("POST", "PATCH", "PUT"):
                lines.append(f"Content-Length: {len(body or b'')}")
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def request(self, method, target, body=None, headers=None, key=None, if_match=None):
        """Sends one request and waits for its answer; never sends it a second time by itself,
        except when a kept connection turns out to have been closed before a single byte of it was
        answered or read."""
        headers = dict(headers or {})
        if key is not None:
            headers["Idempotency-Key"] = key
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        body = encode(body)
        message = self.head(method, target, headers, body) + (body or b"")
        kept = self.socket is not None
        try:
            self.send(message)
            return self.receive(method)
        except Unreachable:
            self.close()
            if not kept or method != "GET":
                raise
        self.send(message)
        return self.receive(method)

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post(self, target, body=None, **options):
        return self.request("POST", target, {} if body is None else body, **options)

    def patch(self, target, body, **options):
        return self.request("PATCH", target, body, **options)

    def delete(self, target, **options):
        return self.request("DELETE", target, **options)

    def send(self, message):
        """A server may answer and close before it has read everything (413 does), so a failed
        send is only the end when there is no answer to read."""
        connection = self.connect()
        try:
            connection.sendall(message)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except OSError as error:
            self.close()
            raise Unreachable(f"send: {error}") from None

    def fill(self):
        try:
            piece = self.connect().recv(1 << 18)
        except OSError as error:
            self.close()
            raise Unreachable(f"receive: {error}") from None
        if not piece:
            self.close()
            raise Unreachable("the server closed the connection")
        self.unread += piece

    def take_line(self):
        while b"\r\n" not in self.unread:
            self.fill()
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def take(self, size):
        while len(self.unread) < size:
            self.fill()
        piece, self.unread = self.unread[:size], self.unread[size:]
        return piece

    def receive(self, method="GET"):
        while True:
            while b"\r\n\r\n" not in self.unread:
                self.fill()
            head, _, self.unread = self.unread.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ", 2)[1])
            if status >= 200:
                break
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        body = self.receive_body(method, status, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def receive_body(self, method, status, headers):
        if method == "HEAD" or status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.take_line().split(b";")[0], 16):
                body += self.take(size)
                self.take_line()
            while self.take_line():
                pass
            return body
        if "content-length" in headers:
            return self.take(int(headers["content-length"]))
        body = b""
        try:
            while True:
                self.fill()
        except Unreachable:
            body, self.unread = self.unread, b""
        return body

    def list(self, target, page_limit=100_000):
        """All items of a list, newest first, over as many pages as it takes."""
        items = []
        cursor = None
        for _ in range(page_limit):
            join = "&" if "?" in target else "?"
            answer = self.get(target + (f"{join}cursor={cursor}" if cursor else ""))
            if answer.status != 200:
                raise AssertionError(f"GET {target}: {answer!r}")
            items += answer["items"]
            cursor = answer.get("next_cursor")
            if cursor is None:
                return items
        raise AssertionError(f"GET {target}: no end after {page_limit} pages")
