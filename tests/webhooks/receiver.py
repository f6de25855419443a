# SPDX-License-Identifier: MIT
"""A shop's back end that is told what was committed: a real HTTP server on loopback, with moods."""

import http.server
import json
import os
import re
import ssl
import subprocess
import threading

from wait import within

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "webhooks.md")


def documented_check():
    """The function `verify` that docs/webhooks.md gives to shops."""
    with open(PAGE, encoding="utf-8") as file:
        code = re.search(r"```python\n(.*?)```", file.read(), re.DOTALL).group(1)
    names = {}
    exec(compile(code, PAGE, "exec"), names)  # what the page shows is what is tested
    return names["verify"]


class Told:
    """One request, as it came."""
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.event = json.loads(body)
        self.id = headers["webhook-id"]
        self.wallet = self.event["subject"]
        self.sequence = int(self.event["sequence"]) if "sequence" in self.event else None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    receiver = None

    def handle_error(self, request, client_address):
        pass  # who leaves in the middle is no news here


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):
        self.server.receiver.strangers.append(self.path)
        self.answer(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = Told(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.receiver.take(self, told)

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Receiver:
    """`mood(told, number)` says how a request is answered: a status, or a word."""
    def __init__(self, mood=None, port=0, tls=None):
        self.mood = mood or (lambda told, number: 204)
        self.lock = threading.Lock()
        self.asked, self.taken = [], []  # all requests; those that were answered with 2xx
        self.strangers = []
        self.at_once, self.most_at_once = 0, 0
        self.hanging = threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.scheme = "http"
        if tls is not None:
            self.scheme = "https"
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/told"

    def close(self):
        self.hanging.set()
        self.server.shutdown()
        self.server.server_close()

    def take(self, handler, told):
        with self.lock:
            number = len(self.asked)
            self.asked.append(told)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        mood = self.mood(told, number)
        with self.lock:
            self.at_once -= 1
            if mood == "huge" or (isinstance(mood, int) and 200 <= mood < 300):
                self.taken.append(told)
        if mood == "hang":
            self.hanging.wait(20)
            handler.close_connection = True
        elif mood == "close":
            handler.close_connection = True
        elif mood == "redirect":
            handler.answer(302, headers=[("Location", f"http://127.0.0.1:{self.port}/elsewhere")])
        elif mood == "huge":
            handler.answer(200, b"x" * 1000000)
        elif isinstance(mood, tuple):
            handler.answer(mood[0], headers=mood[1])
        else:
            handler.answer(mood)

    def per_wallet(self):
        """{wallet: sequences in the order in which they were taken}, without events that have
        none."""
        with self.lock:
            found = {}
            for told in self.taken:
                if told.sequence is not None:
                    found.setdefault(told.wallet, []).append(told.sequence)
        return found

    def has_all(self, versions, seconds=60):
        """Waits until every wallet's last version was taken."""
        def enough():
            found = self.per_wallet()
            return all(version in found.get(wallet, []) for wallet, version in versions.items())
        return within(seconds, enough)


def orders_problem(receiver, versions, repeats=False):
    """What is wrong with what was taken: for each wallet all versions must be there, each for the
    first time in order."""
    for wallet, version in versions.items():
        seen = receiver.per_wallet().get(wallet, [])
        if list(dict.fromkeys(seen)) != list(range(1, version + 1)):
            return f"{wallet}: {seen}, not 1 to {version}"
        if not repeats and len(seen) != version:
            return f"{wallet}: {seen} has repeats"
    return None


def certificate(folder, name, host="127.0.0.1", authority=None):
    """A key and a certificate for `host`, by `authority` or by itself; paths."""
    key, paper = os.path.join(folder, f"{name}.key"), os.path.join(folder, f"{name}.pem")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
             key, "-out", paper, "-subj", f"/CN={name}"]
    if authority is not None:
        words += ["-CA", authority[1], "-CAkey", authority[0], "-addext",
                  f"subjectAltName=IP:{host}", "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return key, paper


def tls_context(pair, most=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair[1], pair[0])
    if most is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = most
        context.maximum_version = most
    return context
