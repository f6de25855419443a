#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The naive ledger behind a socket, started just like Florin: `serve.py serve --data DIR --listen
HOST:PORT`.

It exists so that the tests can be tested: every story must pass on it, and one whose expectation
is changed must fail. `FLORIN=tests/model/serve.py tests/suites/20-story.py` runs all stories
against it. NAIVE_BUG=name makes it wrong in one way on purpose, which some test must notice.
"""

import argparse
import json
import os
import pickle
import secrets
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import roles  # noqa: E402
from door import Door  # noqa: E402
from guarded import GuardedLedger  # noqa: E402
from naive import Ledger  # noqa: E402

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def make_id(kind, milliseconds):
    number = milliseconds << 80 | 7 << 76 | secrets.randbits(74)
    return kind + "_" + "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(26)))


def make_secret():
    return "florin_" + secrets.token_hex(24)


def break_something(name):
    """Mistakes of the kind that real ledgers make, one at a time."""
    if name == "refund_twice":
        original = Ledger.do_refund

        def do_refund(self, fields, principal, if_match):
            answer = original(self, fields, principal, if_match)
            self.transactions[fields["purchase"]]["refunded"] = 0
            return answer

        Ledger.do_refund = do_refund
    elif name == "hold_never_expires":
        Ledger.expire = lambda self, now: setattr(self, "now", now)
    elif name == "overdraft":
        Ledger.spendable = staticmethod(lambda wallet: wallet["balance"] + wallet["credit_limit"])
    elif name == "forgets_keys":
        Ledger.remembered = property(lambda self: {}, lambda self, value: None)
    elif name == "bank_ids_shared":
        original = Ledger.bank_id_is_new
        Ledger.bank_id_is_new = lambda self, currency, bank_id: original(
            self, next((c for c, b in self.bank_ids if b == bank_id), currency), bank_id)
    elif name == "version_twice":
        original = Ledger.hold_money

        def hold_money(self, wallet, amount):
            original(self, wallet, amount)
            wallet["version"] += 1

        Ledger.hold_money = hold_money
    elif name == "half_atomic":
        Ledger.restore = lambda self, before: None
    elif name == "ladder":
        Ledger.not_closed = staticmethod(lambda *wallets: None)
    elif name in GUARD_MISTAKES:
        GUARD_MISTAKES[name]()
    elif name:
        raise SystemExit(f"no bug is called {name}")


# Mistakes about who may do and see what, and what waits for a second person.


def shows_both_sides():
    GuardedLedger.shown = lambda self, body, principal, owner: body


def reads_of_others():
    Door.may_see = lambda self, thing, principal, owner: True


def pays_with_anybodys():
    original = GuardedLedger.must_be_his

    def must_be_his(self, operation, fields, owner):
        if operation != "withdrawal":
            original(self, operation, fields, owner)

    GuardedLedger.must_be_his = must_be_his


def buyers_refund():
    original = GuardedLedger.one_side

    def one_side(self, thing, doer, owner, what, is_done_by_one):
        original(self, thing, doer, owner, what, False)

    GuardedLedger.one_side = one_side


def tells_of_others():
    GuardedLedger.told = lambda self, refusal, operation, owner: refusal


def others_first():
    GuardedLedger.own_troubles = lambda self, operation, payer, fields, if_match: None


def guards_open():
    roles.GUARDED.clear()


def duties_together():
    roles.MONEY.clear()


def bound_by_none():
    original = roles.Roles.__init__

    def made(self, configured=None, separate_duties=False):
        original(self, configured, separate_duties)
        self.bound -= set(configured or {})

    roles.Roles.__init__ = made


def moves_at_once():
    GuardedLedger.restore = lambda self, before: None if self.bound is None else Ledger.restore(
        self, before)


def approves_own():
    original = GuardedLedger.pending
    GuardedLedger.pending = lambda self, fields, principal: original(self, fields, None)


def approves_twice():
    original = GuardedLedger.decided

    def decided(self, approval, fields, principal, status):
        _, view = original(self, approval, fields, principal, status)
        approval["status"] = "pending"
        return 200, view

    GuardedLedger.decided = decided


def from_the_limit_on():
    original = GuardedLedger.must_wait

    def must_wait(self, operation, fields):
        amount = fields.get("amount")
        return original(self, operation, {**fields, "amount": amount + 1} if amount else fields)

    GuardedLedger.must_wait = must_wait


def all_or_nothing_waits():
    GuardedLedger.do_atomic = Ledger.do_atomic
    GuardedLedger.is_no_part = lambda self, status: False


def the_gone_still_ask():
    original = GuardedLedger.do_approve

    def do_approve(self, fields, principal, if_match):
        self.is_live = lambda id_: True
        return original(self, fields, principal, if_match)

    GuardedLedger.do_approve = do_approve


def adjusts_beside_the_totals():
    GuardedLedger.totals = Ledger.totals


GUARD_MISTAKES = {mistake.__name__: mistake for mistake in (
    shows_both_sides, reads_of_others, pays_with_anybodys, buyers_refund, tells_of_others,
    others_first, guards_open, duties_together, bound_by_none, moves_at_once,
    approves_own, approves_twice, from_the_limit_on, all_or_nothing_waits, the_gone_still_ask,
    adjusts_beside_the_totals)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self):
        server = self.server
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        headers = {
            name.lower(): value.encode("latin-1").decode("utf-8", "replace")
            for name, value in self.headers.items()
        }
        with server.lock:
            status, more, document = server.door.handle(self.command, self.path, headers, body,
                                                        time.time_ns() // 1_000_000)
            if self.command != "GET" and status < 500:
                server.keep()
        if self.path == "/openapi.json":
            document = {"openapi": "3.1.0", "paths": {}}
        self.reply(status, more, document)

    def reply(self, status, more, document):
        content = b""
        if self.path == "/metrics":
            content = b"# TYPE naive gauge\nnaive 1\n"
        elif document is not None:
            content = json.dumps(bare(document), ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if status != 204:
            problem = status >= 400
            self.send_header("Content-Type",
                             "application/problem+json" if problem else "application/json")
            self.send_header("Content-Length", str(len(content)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if status == 405:
            self.send_header("Allow", document["detail"].split(" takes ")[1].rstrip("."))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = answer


def bare(document):
    """Optional names lose their mark."""
    if isinstance(document, dict):
        return {
            name.lstrip("?"): bare(value) for name, value in document.items() if value is not None
        }
    if isinstance(document, list):
        return [bare(item) for item in document]
    return document


class Naive(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address, data, exponents, config):
        super().__init__(address, Handler)
        self.lock = threading.Lock()
        self.path = os.path.join(data, "naive.pickle")
        os.makedirs(data, exist_ok=True)
        self.door = Door(make_id, make_secret, exponents, config)
        self.used = {}
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                state, self.door.keys, self.door.secrets, self.used = pickle.load(file)
            self.door.ledger.restore(state)
            for code, exponent in exponents.items():
                if self.used.get(code, exponent) != exponent:
                    raise SystemExit(
                        f"{code} has exponent {self.used[code]} in the books, not {exponent}")
        else:
            _, secret = self.door.add_key("admin", "admin", time.time_ns() // 1_000_000)
            path = os.path.join(data, "admin.key")
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w",
                      encoding="utf-8") as file:
                file.write(secret + "\n")
        self.used.update(exponents)
        self.keep()

    def keep(self):
        state = {name: getattr(self.door.ledger, name) for name in self.door.ledger.STATE}
        with open(self.path + ".new", "wb") as file:
            pickle.dump((state, self.door.keys, self.door.secrets, self.used), file)
        os.replace(self.path + ".new", self.path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--data", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--config")
    arguments = parser.parse_args()
    exponents, config = {}, {}
    if arguments.config:
        with open(arguments.config, encoding="utf-8") as file:
            config = json.load(file)
        currencies = config.get("currencies", {})
        exponents = {code: currency["exponent"] for code, currency in currencies.items()}
    break_something(os.environ.get("NAIVE_BUG"))
    host, _, port = arguments.listen.rpartition(":")
    server = Naive((host, int(port)), arguments.data, exponents, config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
