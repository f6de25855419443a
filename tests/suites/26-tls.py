#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS, proxies and browsers with a real server: protocols, exchanged certificates, certificates of
clients, slow handshakes, refused and large requests, X-Forwarded-For and CORS."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
from client import Client, Unreachable  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

OLD = {"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1"}


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, timeout=60, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """Signs certificates into a folder."""
    def __init__(self, home, name):
        self.home, self.name = home, name
        self.pem, self.key = self.path("pem"), self.path("key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.pem, "-days", "2", "-subj", f"/CN={name}")

    def path(self, end):
        return os.path.join(self.home, f"{self.name}.{end}")

    def sign(self, name, usage="serverAuth", days="2"):
        base = os.path.join(self.home, name)
        with open(base + ".ext", "w", encoding="utf-8") as file:
            file.write(f"extendedKeyUsage={usage}\nsubjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                base + ".key", "-out", base + ".csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.pem, "-CAkey", self.key,
                "-CAcreateserial", "-out", base + ".pem", "-days", days, "-extfile", base + ".ext")
        return base + ".pem", base + ".key"


class TlsClient(Client):
    """The tests' client over TLS."""
    context = None

    def connect(self):
        if self.socket is None:
            super().connect()
            try:
                self.socket = self.context.wrap_socket(self.socket)
            except OSError as error:
                self.socket.close()
                self.socket = None
                raise Unreachable(f"handshake: {error}") from None
        return self.socket


def context_of(authority, certificate=None):
    context = ssl.create_default_context(cafile=authority.pem)
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def serving(binary, authority, config, certificate=None):
    """A server over TLS; the helpers that wait for it must speak TLS too."""
    TlsClient.context = context_of(authority, certificate)
    florin.Client = TlsClient
    return florin.serving(florin=binary, config=config)


def shown(server):
    """The serial number of the certificate that a new client is shown."""
    with server.client() as client:
        client.get("/healthz")
        return client.socket.getpeercert()["serialNumber"]


def requests(report, server):
    with server.client() as client:
        answer = client.get("/v1/wallets")
        report.equal("a read", answer.status, 200, answer)
        for name, headers in (("an answer", {}), ("a refusal", {"Authorization": "Bearer x"})):
            answer = client.get("/v1/wallets", headers=headers)
            report.equal(f"HSTS with {name}", answer.headers.get("strict-transport-security"),
                         "max-age=31536000", answer)
        ann, bob = [client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
                    for owner in ("ann", "bob")]
        for i in range(50):
            made = client.post("/v1/deposits", {"wallet": ann, "amount": 10,
                                                "bank_transaction_id": f"b{i}"})
        report.equal("payments on one connection", made.status, 201, made)
        operations = [{"type": "transfer", "from": ann, "to": bob, "amount": 1,
                       "metadata": {"note": "x" * 500}} for _ in range(500)]
        answer = client.post("/v1/batches", {"operations": operations, "atomic": True})
        report.equal("a large body and a large answer",
                     (answer.status, len(answer.get("results", []))), (200, 500))
        answer = client.post("/v1/transfers", b"{" + b" " * 70000 + b"}")
        report.equal("a body beyond the limit is answered", answer.status, 413, answer)
        answer = client.request("POST", "/v1/transfers", b"{}",
                                {"Transfer-Encoding": "chunked", "Content-Length": "2"})
        report.equal("two lengths are refused", answer.status, 400, answer)
        page = client.get("/metrics").body.decode()
        report.check("metrics", "florin_http_connections" in page)
    secret = server.admin_secret
    codes = []

    def many():
        with TlsClient(server.port, secret) as client:
            for _ in range(20):
                codes.append(client.post("/v1/transfers", {"from": ann, "to": bob, "amount": 1},
                                         ).status)

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.equal("many connections at once: none fails", set(codes) - {201, 422}, set())
    report.equal("what ran out is refused, and nothing is spent twice", codes.count(201), 0)


def protocols(report, server, authority):
    address = f"127.0.0.1:{server.port}"
    for name, option in OLD.items():
        done = subprocess.run(["openssl", "s_client", "-connect", address, option, "-cipher",
                               "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=30, check=False)
        report.check(f"{name} is refused", done.returncode != 0, done.stdout[-500:])
    for name, version in [("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)]:
        context = context_of(authority)
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", server.port), 20) as plain:
            with context.wrap_socket(plain) as secure:
                report.equal(f"TLS {name}", secure.version(), f"TLSv{name}")
                report.check(f"TLS {name}: authenticated cipher",
                             "GCM" in secure.cipher()[0] or "POLY" in secure.cipher()[0],
                             secure.cipher())
    for cipher in ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"]:
        done = subprocess.run(["openssl", "s_client", "-connect", address, "-tls1_2", "-cipher",
                               cipher + ":@SECLEVEL=0"], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=30, check=False)
        report.check(f"{cipher} is refused", done.returncode != 0, done.stdout[-500:])
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        report.check("plain HTTP is not answered", b"HTTP/1.1" not in plain.recv(4096))


def exchange(report, server, authority, files):
    first = shown(server)
    with server.client() as kept:
        kept.get("/healthz")
        for end, made in zip(("pem", "key"), authority.sign("renewed")):
            os.replace(made, files[end])
        report.check("a renewed certificate is shown", within(120, lambda: shown(server) != first))
        report.equal("who is connected stays", kept.get("/healthz").status, 200)
    second = shown(server)
    for end, made in zip(("pem", "key"), authority.sign("third")):
        os.replace(made, files[end])
    os.kill(server.process.pid, signal.SIGHUP)
    report.check("SIGHUP reads it at once", within(120, lambda: shown(server) != second))
    third = shown(server)
    with open(files["pem"], "w", encoding="utf-8") as file:
        file.write("nothing")
    report.check("a broken one is told", within(120, lambda: "stays" in server.log()))
    report.equal("and not taken", shown(server), third)


def exchange_under_load(report, server, authority, files):
    """While certificates come and go, nobody's request fails: neither of those who are connected
    nor of those who just come."""
    stop, codes, newcomers, wrong = threading.Event(), [], [], []

    def stay():
        with server.client() as client:
            while not stop.is_set():
                codes.append(client.get("/v1/wallets").status)

    def come():
        while not stop.is_set():
            try:
                newcomers.append(shown(server))
            except (Unreachable, OSError) as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=what) for what in (stay, stay, come, come)]
    for thread in threads:
        thread.start()
    serials = set()
    for number in range(5):
        before = shown(server)
        for end, made in zip(("pem", "key"), authority.sign(f"load{number}")):
            os.replace(made, files[end])
        os.kill(server.process.pid, signal.SIGHUP)
        report.check(f"exchange {number} under load", within(120, lambda: shown(server) != before))
        serials.add(shown(server))
    stop.set()
    for thread in threads:
        thread.join()
    report.equal("each was shown", len(serials), 5)
    report.equal("nobody failed", (set(codes), wrong), ({200}, []))
    report.check("and many came", len(newcomers) >= 5 and len(codes) >= 5, len(newcomers))


def slow_ones(report, server):
    """Who does not shake hands, or trickles a request, is cut; who is idle is not."""
    silent = socket.create_connection(("127.0.0.1", server.port), 40)
    idle = TlsClient.context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 40))
    trickling = TlsClient.context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), 40))
    cut = None
    begun = time.monotonic()
    try:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 200:
            trickling.sendall(bytes([byte]))
            time.sleep(0.2)
            if time.monotonic() - begun > 35:
                break
    except OSError:
        cut = time.monotonic() - begun
    report.check("a request that trickles is cut", cut is not None)
    try:
        ended = silent.recv(1) == b""
    except OSError as error:
        ended = not isinstance(error, socket.timeout)
    report.check("a handshake that never comes is cut", ended)
    idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    report.check("an idle connection is not", idle.recv(4096).startswith(b"HTTP/1.1 200"))
    for one in (silent, idle, trickling):
        one.close()


def clients(report, binary, authority, home):
    other = Authority(home, "other")
    config = {"tls": {"certificate": authority.sign("server2")[0],
                      "key": os.path.join(home, "server2.key"),
                      "client_authority": authority.pem}}
    known = authority.sign("till", "clientAuth")
    old = authority.sign("former", "clientAuth", days="0")
    time.sleep(1.1)  # a certificate of no days ends with the second in which it begins
    with serving(binary, authority, config, known) as server:
        report.equal("a known certificate", server.client().get("/v1/wallets").status, 200)
        report.equal("and still a key", server.client("nothing").get("/v1/wallets").status, 401)
        for name, certificate in [("none", None), ("a stranger's", other.sign("eve", "clientAuth")),
                                  ("a server's", authority.sign("server3")), ("an old one", old)]:
            TlsClient.context = context_of(authority, certificate)
            try:
                answer = server.client().get("/healthz")
            except (Unreachable, OSError):
                answer = None
            report.check(f"{name}: not answered", answer is None, answer)
        TlsClient.context = context_of(authority, known)
        report.equal("others go on", server.client().get("/healthz").status, 200)


def refused(report, binary, authority, home):
    certificate, key = authority.sign("server4")
    for name, setting in [("no such file", {"certificate": "/nowhere", "key": key}),
                          ("no key", {"certificate": certificate}),
                          ("another's key", {"certificate": certificate, "key": authority.key}),
                          ("no authority", {"certificate": certificate, "key": key,
                                            "client_authority": key}),
                          ("an unknown member", {"certificate": certificate, "key": key, "x": 1})]:
        server = florin.Server(florin=binary, config={"tls": setting})
        ended = server.refused()
        report.check(f"refused: {name}", ended is not None and "tls" in ended[1], ended)


def proxies_and_pages(report, binary):
    florin.Client = Client
    config = {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"],
              "cors_origins": ["https://shop.example"],
              "rate_limits": [{"per": "address", "requests": 1, "seconds": 3600, "burst": 3}]}
    with florin.serving(florin=binary, config=config) as server, server.client("nothing") as client:
        def knock(forwarded):
            return client.get("/v1/wallets", headers={"X-Forwarded-For": forwarded}).status

        report.equal("one client", [knock("192.0.2.1") for _ in range(4)], [401, 401, 401, 429])
        report.equal("another", knock("192.0.2.2"), 401)
        report.equal("what the client wrote itself does not count",
                     knock("198.51.100.7, 192.0.2.1"), 429)
        report.equal("behind two proxies", knock("192.0.2.1, 10.1.2.3"), 429)
        report.equal("behind four, one of them of IPv6",
                     knock("192.0.2.1, 10.1.2.3,10.9.9.9 , [2001:db8:1::7]:443"), 429)
        report.equal("a proxy that nobody trusts ends the search",
                     knock("192.0.2.1, 198.51.100.9, 10.1.2.3"), 401)
        report.equal("what is no address too", knock("192.0.2.1, unknown, 10.77.1.1"), 401)
        report.equal("with a port", knock("192.0.2.1:4711"), 429)
        report.equal("an IPv6 client", [knock(f"2001:db8::{i}") for i in range(1, 5)],
                     [401, 401, 401, 429])
        report.equal("one of its network is the same", knock("[2001:db8::99]:8443, 10.2.2.2"), 429)
        report.equal("one of another is not", knock("2001:db8:0:1::1"), 401)
        report.equal("metrics stay on this machine",
                     client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status, 401)
        with server.client() as admin:
            report.equal("metrics for this machine", admin.get("/metrics").status, 200)
            page = {"Origin": "https://shop.example"}
            answer = admin.get("/v1/wallets", headers=page)
            report.equal("a page of a known origin",
                         (answer.status, answer.headers.get("access-control-allow-origin")),
                         (200, "https://shop.example"))
            answer = admin.request("OPTIONS", "/v1/transfers",
                                   headers={**page, "Access-Control-Request-Method": "POST"})
            report.check("may ask first", answer.status == 204 and "POST" in answer.headers.get(
                "access-control-allow-methods", ""), answer)
            answer = admin.request("OPTIONS", "/v1/transfers",
                                   headers={"Origin": "https://evil.example",
                                            "Access-Control-Request-Method": "POST"})
            report.check("others may not", answer.status != 204 and not any(
                name.startswith("access-control") for name in answer.headers), answer)
    with florin.serving(florin=binary) as server, server.client() as client:
        for method, path in (("GET", "/v1/wallets"), ("OPTIONS", "/v1/wallets"),
                             ("GET", "/healthz"), ("GET", "/")):
            answer = client.request(method, path, headers={
                "Origin": "https://shop.example", "Access-Control-Request-Method": "GET"})
            report.check(f"without the setting nobody may: {method} {path}", not any(
                name.startswith("access-control") for name in answer.headers), answer.headers)
            report.check(f"without TLS no HSTS: {method} {path}",
                         "strict-transport-security" not in answer.headers, answer.headers)
        report.equal("and nobody's word counts", client.get(
            "/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status, 200)
    for name, setting in [("bits behind the prefix", {"trusted_proxies": ["10.0.0.1/8"]}),
                          ("no network", {"trusted_proxies": ["proxy"]}),
                          ("all origins", {"cors_origins": ["*"]}),
                          ("a path", {"cors_origins": ["https://a/b"]})]:
        ended = florin.Server(florin=binary, config=setting).refused()
        report.check(f"refused: {name}", ended is not None and ended[0] != 0, ended)


def main():
    report = Report("tls")
    florin.filter_calls()
    binary = florin.binary()
    home = florin.folder()
    authority = Authority(home, "authority")
    files = dict(zip(("pem", "key"), authority.sign("server")))
    config = {"tls": {"certificate": files["pem"], "key": files["key"]}, "http_threads": 2}
    with serving(binary, authority, config) as server:
        requests(report, server)
        protocols(report, server, authority)
        slow_ones(report, server)
        exchange_under_load(report, server, authority, files)
        exchange(report, server, authority, files)
        report.equal("a clean stop", server.stop(), 0)
    clients(report, binary, authority, home)
    refused(report, binary, authority, home)
    proxies_and_pages(report, binary)
    report.finish()


if __name__ == "__main__":
    main()
