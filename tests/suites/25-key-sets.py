#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Key sets behind addresses that are down, slow, endless, elsewhere or wrong, at the start and
later: the server starts, API keys work, tokens are answered "later" and never "wrong", and all
heals by itself. Floods of unknown keys do not reach the issuer, rotation does."""

import contextlib
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
import tokens  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

ISSUER = "https://id.example"
# What an address can be like, and what the log says of it.
ILLS = {"down": "cannot be fetched", "slow": "cannot be fetched: Timeout",
        "endless": "larger than 262144 bytes", "elsewhere": "answered with 302, and redirections",
        "page": "not JSON", "broken": "answered with 500", "empty": "no public key",
        "stranger": "certificate"}
INTERVAL_S = 10  # between two times that an issuer is asked, for each of two reasons


class Issuing(http.server.BaseHTTPRequestHandler):
    """Answers /NAME as the site's `how` says for that name."""
    def do_GET(self):  # noqa: N802
        name = self.path[1:]
        site = self.server
        site.asked[name] = site.asked.get(name, 0) + 1
        with contextlib.suppress(OSError):  # who asked may be gone
            self.answer(site.how.get(name, "good"))

    def answer(self, how):
        good = json.dumps({"keys": [key.jwk() for key in self.server.keys]}).encode()
        if how == "gate":
            self.server.gate.wait(30)
        if how == "slow":
            self.head(200, len(good))
            for byte in good:
                self.wfile.write(bytes([byte]))
                time.sleep(0.5)
        elif how == "endless":
            self.head(200, None)
            while True:
                self.wfile.write(b'{"keys": [' + b" " * 65536)
        elif how == "elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/good")
            self.end_headers()
        elif how == "page":
            self.whole(200, b"<!DOCTYPE html><title>Maintenance</title>")
        elif how == "broken":
            self.whole(500, good)
        elif how == "empty":
            self.whole(200, b'{"keys": []}')
        elif how == "cut":
            self.head(200, len(good))
            self.wfile.write(good[:-5])
        else:
            self.whole(200, good)

    def head(self, status, size):
        self.send_response(status)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def whole(self, status, body):
        self.head(status, len(body))
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, keys, port=0):
        super().__init__(("127.0.0.1", port), Issuing)
        self.keys, self.how, self.asked, self.gate = keys, {}, {}, threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request, client_address):
        pass  # a handshake that was broken off


def behind_tls(site, home):
    """The address of a site whose certificate nobody has vouched for."""
    key, pem = os.path.join(home, "tls.key"), os.path.join(home, "tls.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    site.socket = context.wrap_socket(site.socket, server_side=True,
                                      do_handshake_on_connect=False)
    return f"https://localhost:{site.server_port}/stranger"


def issuer(name, address, **more):
    return {"issuer": f"{ISSUER}/{name}", "audience": "florin", "keys": address,
            "role": "auditor", **more}


def token_of(key, name, header=None):
    return {"Authorization": f"Bearer {key.token(tokens.claims(f'{ISSUER}/{name}'), header)}"}


def metric(client, name):
    page = client.get("/metrics").body.decode()
    return next(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                if line.startswith(name + " "))


def ill_at_the_start(report, binary, key):
    site, secret = Site([key]), Site([key])
    down = florin.free_port()
    site.how = {name: name for name in ILLS}
    places = {name: site.address(name) for name in ILLS}
    places["down"] = f"http://127.0.0.1:{down}/down"
    places["stranger"] = behind_tls(secret, florin.folder())
    config = {"tokens": [issuer(name, place) for name, place in places.items()]}
    begun = time.monotonic()
    with florin.serving(florin=binary, config=config) as server, server.client() as client:
        report.equal("API keys work", client.get("/v1/wallets").status, 200)
        for name, said in ILLS.items():
            line = next((line for line in server.log().splitlines()
                         if f"{ISSUER}/{name} in" in line), "")
            report.check(f"{name}: told, and why", said in line, line)
            # A second one within the interval is not worse off than the first.
            for turn in range(2):
                answer = client.get("/v1/wallets", headers=token_of(key, name))
                report.equal(f"{name}: a good token has to come again, {turn}", (
                    answer.status, answer.code, answer.headers.get("retry-after")),
                    (503, "busy", "1"), answer)
            wrong = client.get("/v1/wallets", headers=token_of(key, name, {"alg": "none"}))
            report.equal(f"{name}: what can never be good is refused", wrong.status, 401, wrong)
        ready = client.get("/readyz")
        report.equal("it is ready, and says what is away", (ready.status, [
            found["status"] for found in ready["dependencies"] if found["name"] == "token_keys"]),
            (200, ["away"] * len(ILLS)), ready)
        for number in range(len(ILLS)):
            report.equal(f"issuer {number}: keys", metric(
                client, f'florin_token_keys{{issuer="{number}"}}'), 0)
            report.check(f"issuer {number}: failures", metric(
                client, f'florin_token_keys_failures_total{{issuer="{number}"}}') >= 1)
        report.equal("an alarm can see it",
                     metric(client, 'florin_dependency_up{dependency="token_keys"}'), 0)
        site.how = {}
        mended = Site([key], down)
        for number, name in enumerate(ILLS):
            healed = name != "stranger" and within(90, lambda number=number: metric(
                client, f'florin_token_keys{{issuer="{number}"}}') == 1)
            report.equal(f"{name}: heals by itself", healed, name != "stranger")
            answer = client.get("/v1/wallets", headers=token_of(key, name))
            report.equal(f"{name}: and opens then", answer.status, 200 if healed else 503, answer)
            report.equal(f"{name}: told once each",
                         (server.log().count(f"{ISSUER}/{name} in"),
                          server.log().count(f"{ISSUER}/{name} can be read again")),
                         (1, int(healed)))
        spent = time.monotonic() - begun
        for name, asked in {**site.asked, **mended.asked}.items():
            report.check(f"{name}: asked seldom", asked <= 2 + 2 * spent / INTERVAL_S,
                         (asked, spent))
        report.check("what stands elsewhere was not asked for", "good" not in site.asked)
        report.equal("a clean stop", server.stop(), 0, server.log()[-2000:])
        report.equal("no trouble", server.trouble(), [])
    for each in (site, secret, mended):
        each.shutdown()


def flood(client_of, key, count):
    """Tokens of keys that nobody has, each another; the statuses."""
    found = []

    def one(thread):
        with client_of() as client:
            found.extend(client.get("/v1/wallets", headers=token_of(
                key, "one", {"kid": f"flood-{thread}-{number}"})).status
                for number in range(count))
    threads = [threading.Thread(target=one, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def ill_later(report, binary, old, new):
    site = Site([old])
    config = {"tokens": [issuer("one", site.address("one"), refresh_s=86400)], "http_threads": 2}
    with florin.serving(florin=binary, config=config) as server, server.client() as client:
        def status(key):
            return client.get("/v1/wallets", headers=token_of(key, "one")).status

        begun = time.monotonic()
        found = flood(server.client, new, 40)
        report.check("a flood of unknown keys", set(found) <= {401, 503} and len(found) == 160,
                     found)
        report.check("is not passed on", site.asked["one"] <= 2 + (time.monotonic() - begun)
                     / INTERVAL_S, site.asked)
        report.equal("nor does it hold up who is known", status(old), 200)
        failures = 'florin_token_keys_failures_total{issuer="0"}'
        for how in ("cut", "elsewhere"):
            site.how["one"] = how
            before = metric(client, failures)
            report.check(f"{how}: is noticed", within(60, lambda before=before: status(
                new) in (401, 503) and metric(client, failures) > before))
            report.equal(f"{how}: takes nothing away", status(old), 200)
        # While the issuer is being asked, whoever has its new key is not told that it is wrong.
        site.keys, site.how["one"] = [new], "gate"
        for _ in range(5):
            asked = site.asked["one"]
            site.gate.clear()
            report.check("it is asked", within(60, lambda asked=asked: status(
                new) in (401, 503) and site.asked["one"] > asked))
            begun = time.monotonic()
            answers = [status(new) for _ in range(5)]
            in_time = time.monotonic() - begun < 4  # it waits for five
            site.gate.set()
            if in_time:
                break
        report.equal("meanwhile all have to come again", answers, [503] * 5)
        report.check("the new key opens", within(60, lambda: status(new) == 200))
        report.equal("and the old one no more", [status(old) in (401, 503), within(
            30, lambda: status(old) == 401)], [True, True])
        report.equal("no trouble", server.trouble(), [])
    site.shutdown()


def main():
    report = Report("key sets")
    florin.filter_calls()
    binary = florin.binary()
    home = florin.folder()
    old, new = tokens.Key(home, "ES256", "old"), tokens.Key(home, "ES256", "new")
    # Side by side, since most of it is waiting for the next time that an issuer is asked.
    start = threading.Thread(target=report.run, args=("ill at the start", ill_at_the_start, binary,
                                                      old))
    start.start()
    report.run("ill later", ill_later, binary, old, new)
    start.join()
    report.finish()


if __name__ == "__main__":
    main()
