# SPDX-License-Identifier: MIT
"""The HTTP side of the naive ledger: paths, keys, roles, the outer rungs of the ladder, lists and
batches.

`Door.handle` takes a request as plain values and gives back (status, headers, body as an object),
so that the model test can ask it directly and the naive server can put it behind a socket.
"""

import copy
import hashlib
import re
from urllib.parse import unquote, unquote_plus

import fields as decoder
from fields import Invalid, NAMED, QUERIES
from naive import Ledger, Refusal, time_text

READERS = {"admin", "service", "auditor"}
WRITERS = {"admin", "service"}
PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json"}

# Method, path, what it does, who may; {} stands for one id.
ROUTES = [("POST", "/v1/wallets", "wallet", WRITERS), ("GET", "/v1/wallets", "wallets", READERS),
          ("GET", "/v1/wallets/{}", "wallet?", READERS),
          ("PATCH", "/v1/wallets/{}", "change", WRITERS),
          ("GET", "/v1/wallets/{}/transactions", "wallet_transactions", READERS),
          ("GET", "/v1/wallets/{}/balance", "balance", READERS),
          ("POST", "/v1/deposits", "deposit", WRITERS),
          ("POST", "/v1/withdrawals", "withdrawal", WRITERS),
          ("GET", "/v1/withdrawals", "withdrawals", READERS),
          ("GET", "/v1/withdrawals/{}", "withdrawal?", READERS),
          ("POST", "/v1/withdrawals/{}/settle", "settle", WRITERS),
          ("POST", "/v1/withdrawals/{}/fail", "fail", WRITERS),
          ("POST", "/v1/purchases", "purchase", WRITERS),
          ("POST", "/v1/refunds", "refund", WRITERS),
          ("POST", "/v1/transfers", "transfer", WRITERS), ("POST", "/v1/holds", "hold", WRITERS),
          ("GET", "/v1/holds", "holds", READERS), ("GET", "/v1/holds/{}", "hold?", READERS),
          ("POST", "/v1/holds/{}/capture", "capture", WRITERS),
          ("POST", "/v1/holds/{}/void", "void", WRITERS), ("POST", "/v1/batches", "batch", WRITERS),
          ("GET", "/v1/transactions", "transactions", READERS),
          ("GET", "/v1/transactions/{}", "transaction?", READERS),
          ("GET", "/check-integrity", "check", READERS), ("POST", "/v1/keys", "key", {"admin"}),
          ("GET", "/v1/keys", "keys", {"admin", "auditor"}),
          ("POST", "/v1/keys/{}/rotate", "rotate", {"admin"}),
          ("DELETE", "/v1/keys/{}", "revoke", {"admin"}), ("GET", "/healthz", "public", READERS),
          ("GET", "/readyz", "public", READERS), ("GET", "/metrics", "public", READERS),
          ("GET", "/openapi.json", "public", READERS), ]
PATTERNS = [(method, re.compile(path.replace("{}", "([^/]+)") + r"\Z"), name, roles)
            for method, path, name, roles in ROUTES]


class Door:
    def __init__(self, make_id, make_secret, currencies=()):
        self.ledger = Ledger(make_id)
        self.make_id = make_id
        self.make_secret = make_secret
        self.operations = decoder.operations(currencies)
        self.keys = {}  # id -> the key
        self.secrets = {}  # hash of the secret -> id of its key

    # Keys.

    @staticmethod
    def hashed(secret):
        return hashlib.sha256(secret.encode()).hexdigest()

    def add_key(self, name, role, now, owner=None, expires_in=None, id_=None, secret=None):
        id_ = id_ or self.make_id("key", now)
        secret = secret or self.make_secret()
        self.keys[id_] = {
            "id": id_, "name": name, "role": role, "owner": owner, "created_at": now,
            "expires_at": expires_in and now + 1000 * expires_in, "last_used_at": None,
            "rotated_at": None, "overlap_ends_at": None, "_secret": self.hashed(secret),
            "_old": None
        }
        self.secrets[self.hashed(secret)] = id_
        return self.keys[id_], secret

    def live_admins(self, now):
        return [
            key for key in self.keys.values()
            if key["role"] == "admin" and (key["expires_at"] is None or now < key["expires_at"])
        ]

    def who(self, headers, now):
        words = headers.get("authorization", "").split()
        key = None
        if len(words) == 2 and words[0].lower() == "bearer":
            secret = self.hashed(words[1])
            key = self.keys.get(self.secrets.get(secret))
            if key is not None and secret == key["_old"] and now >= key["overlap_ends_at"]:
                key = None
        if key is None or key["expires_at"] is not None and now >= key["expires_at"]:
            others = [other for other in self.live_admins(now) if other is not key]
            if key is None or key["role"] != "admin" or others:
                raise Refusal("unauthenticated", "A live API key is needed.")
        key["last_used_at"] = now
        return key

    @staticmethod
    def key_view(key):
        view = {
            name: time_text(value) if name.endswith("_at") and value is not None else value
            for name, value in key.items()
        }
        return {name: value for name, value in view.items()
                if value is not None and not name.startswith("_")}

    # The outer rungs.

    def handle(self, method, target, headers, body, now, times=None):
        """Headers have lower-case names. `times` are the moments at which a batch's operations
        are decided."""
        path, _, query = target.partition("?")
        self.ledger.expire(max(now, self.ledger.now))
        try:
            return self.enter(method, path, query, headers, body, times)
        except Refusal as refusal:
            return refusal.body["status"], {}, refusal.body
        except Invalid as invalid:
            return 400, {}, self.invalid(invalid.pointers)

    @staticmethod
    def invalid(pointers):
        more = {"errors": [{"pointer": pointer, "detail": "is not valid"} for pointer in pointers]}
        return Refusal("invalid_request", "The request is not valid: " + ", ".join(pointers),
                       **more).body

    def enter(self, method, path, query, headers, body, times):
        now = self.ledger.now
        key = None if path in PUBLIC else self.who(headers, now)
        name, id_, roles = self.route(method, path)
        if name == "public":
            return 200, {}, {}
        if key["role"] not in roles:
            raise Refusal("forbidden", f"A key with the role {key['role']} may not do this.")
        if len(body) > (16 * 1024 * 1024 if name == "batch" else 64 * 1024):
            raise Refusal("request_too_large", "The body is too large.")
        if method == "GET":
            return self.read(name, id_, query)
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if body and kind != "application/json":
            raise Refusal("unsupported_media_type", "The body must be application/json.")
        idempotency_key, if_match = self.conditions(headers)
        if name == "revoke":
            return self.revoke(id_)
        given = decoder.parse(body) if body else {}
        if name == "batch":
            return self.batch(given, key["id"], idempotency_key, times)
        if name == "key":
            return self.new_key(decoder.decode(self.operations["key"], given), key["id"],
                                idempotency_key)
        fields = decoder.decode(self.operations[name], given)
        if name == "rotate":
            return self.rotate(id_, fields, key["id"], idempotency_key)
        if name in NAMED:
            fields[NAMED[name]] = id_
        if name == "change":
            fields["wallet"] = id_
        return self.answer(*self.ledger.execute(name, fields, key["id"], idempotency_key, if_match))

    @staticmethod
    def route(method, path):
        allowed = []
        for allowed_method, pattern, name, roles in PATTERNS:
            match = pattern.match(path)
            if match and method == allowed_method:
                return name, unquote(match[1]) if match.groups() else None, roles
            if match:
                allowed.append(allowed_method)
        if allowed:
            raise Refusal("method_not_allowed", f"{path} takes {', '.join(allowed)}.")
        raise Refusal("not_found", f"There is no {path}.")

    @staticmethod
    def conditions(headers):
        wrong = []
        key = headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            wrong.append("/Idempotency-Key")
        tag = headers.get("if-match")
        if tag is not None and not re.fullmatch(r'"[0-9]{1,18}"', tag):
            wrong.append("/If-Match")
        if wrong:
            raise Invalid(wrong)
        return key, None if tag is None else int(tag[1:-1])

    @staticmethod
    def answer(status, body, replayed):
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        if "credit_limit" in body:
            headers["ETag"] = f'"{body["version"]}"'
        return status, headers, body

    # Keys as resources.

    def replay(self, request, principal, idempotency_key):
        """The first answer to the same request, None when there was none."""
        remembered = self.ledger.remembered
        if idempotency_key is None or (principal, idempotency_key) not in remembered:
            return None
        first, status, body = remembered[principal, idempotency_key]
        if first == request:
            return self.answer(status, body, True)
        raise Refusal("idempotency_key_reused", "This key was another request's.")

    def rotate(self, id_, fields, principal, idempotency_key):
        """A new secret; the one before works until the overlap ends, older ones no more."""
        replay = self.replay(("rotate", id_, fields), principal, idempotency_key)
        if replay is not None:
            return replay
        if id_ not in self.keys:
            raise Refusal("not_found", f"There is no key {id_}.")
        key, now, secret = self.keys[id_], self.ledger.now, self.make_secret()
        self.secrets.pop(key["_old"], None)
        key["_old"] = key["_secret"]
        key["_secret"] = self.hashed(secret)
        self.secrets[key["_secret"]] = id_
        key["rotated_at"] = now
        key["overlap_ends_at"] = now + 1000 * fields["overlap"] if fields["overlap"] else None
        if not fields["overlap"]:
            self.secrets.pop(key["_old"])
            key["_old"] = None
        if fields["expires_in"] is not None:
            key["expires_at"] = now + 1000 * fields["expires_in"]
        view = self.key_view(key)
        if idempotency_key is not None:
            request = ("rotate", id_, fields)
            self.ledger.remembered[principal, idempotency_key] = (request, 200, view)
        return 200, {}, {**view, "secret": secret}

    def new_key(self, fields, principal, idempotency_key):
        remembered = self.ledger.remembered
        replay = self.replay(("key", fields), principal, idempotency_key)
        if replay is not None:
            return replay
        key, secret = self.add_key(fields["name"], fields["role"], self.ledger.now, fields["owner"],
                                   fields["expires_in"])
        view = self.key_view(key)
        if idempotency_key is not None:
            remembered[principal, idempotency_key] = (("key", fields), 201, view)
        return 201, {}, {**view, "secret": secret}

    def revoke(self, id_):
        if id_ not in self.keys:
            raise Refusal("not_found", f"There is no key {id_}.")
        admins = self.live_admins(self.ledger.now)
        if [key["id"] for key in admins] == [id_]:
            raise Refusal("last_admin_key", f"The key {id_} is the last one of an admin.")
        del self.keys[id_]
        return 204, {}, None

    # Batches.

    def batch(self, given, principal, idempotency_key, times):
        table = (("operations", list_of_operations, decoder.REQUIRED), ("atomic", decoder.boolean,
                                                                        False))
        fields = decoder.decode(table, given)
        operations = [self.batch_operation(operation) for operation in fields["operations"]]
        if fields["atomic"]:
            fields["operations"] = operations
            return self.answer(*self.ledger.execute("batch", fields, principal, idempotency_key))
        times = times or [self.ledger.now] * len(operations)
        status, body = self.ledger.execute_batch(operations, principal, idempotency_key, times)
        return status, {}, body

    def batch_operation(self, given):
        """(name, fields, key) of a valid operation, the problem's body of an invalid one."""
        try:
            if not isinstance(given, dict):
                raise Invalid([""])
            rest = copy.copy(given)
            name = rest.pop("type", None)
            if (not isinstance(name, str) or name not in self.operations
                    or name in ("change", "key", "rotate")):
                raise Invalid(["/type"])
            key = rest.pop("idempotency_key", None)
            if "idempotency_key" in given:
                try:
                    decoder.text(key)
                except ValueError:
                    raise Invalid(["/idempotency_key"]) from None
            table = self.operations[name]
            if name in NAMED:
                table = (*table, (NAMED[name], decoder.text, decoder.REQUIRED))
            return name, decoder.decode(table, rest), key
        except Invalid as invalid:
            return self.invalid(invalid.pointers)

    # Reading.

    def read(self, name, id_, query):
        ledger = self.ledger
        things = {
            "wallet?": (ledger.wallets, ledger.wallet_view, "wallet"),
            "hold?": (ledger.holds, ledger.hold_view, "hold"),
            "withdrawal?": (ledger.withdrawals, ledger.withdrawal_view, "withdrawal"),
            "transaction?": (ledger.transactions, ledger.transaction_view, "transaction")
        }
        if name not in QUERIES and query:
            raise Invalid(["/" + query.split("=")[0]])
        if name in things:
            where, view, what = things[name]
            return self.answer(200, view(ledger.find(where, id_, what)), False)
        filters = decoder.decode(QUERIES[name], self.query(query))
        if name == "check":
            return 200, {}, self.check()
        if name == "balance":
            return 200, {}, ledger.balance_view(id_, filters["at"])
        return 200, {}, self.page(name, id_, filters)

    @staticmethod
    def query(text):
        given = {}
        for part in filter(None, text.split("&")):
            field, _, value = part.partition("=")
            try:
                field = unquote_plus(field, errors="strict")
                value = unquote(value, errors="strict")
            except ValueError:
                raise Invalid(["/" + field]) from None
            if field in given:
                raise Invalid(["/" + field])
            given[field] = value
        return given

    def page(self, name, id_, filters):
        ledger = self.ledger
        limit, cursor = filters.pop("limit"), filters.pop("cursor")
        if name == "wallet_transactions":
            filters["account"] = ledger.wallet(id_)["id"]
        source = {
            "wallets": (ledger.wallets, ledger.wallet_view),
            "withdrawals": (ledger.withdrawals, ledger.withdrawal_view),
            "holds": (ledger.holds, ledger.hold_view), "keys": (self.keys, self.key_view),
            "transactions": (ledger.transactions, ledger.transaction_view), "wallet_transactions":
                (ledger.transactions, ledger.transaction_view)
        }[name]
        items = ledger.listed(*source, filters)
        start = 0
        if cursor is not None:
            ids = [item["id"] for item in items]
            if cursor not in ids:
                raise Invalid(["/cursor"])
            start = ids.index(cursor) + 1
        page = {"items": items[start:start + limit]}
        if len(items) > start + limit:
            page["next_cursor"] = page["items"][-1]["id"]
        return page

    def check(self):
        totals = [{"currency": currency, **sums} for currency, sums in self.ledger.totals().items()]
        return {
            "consistent": all(sums["difference"] == 0 for sums in totals),
            "message": "The books are right.", "currencies": totals,
            "as_of": time_text(self.ledger.now), "took_ms": 0, "checked": {
                "wallets": len(self.ledger.wallets), "transactions": len(self.ledger.transactions)
            }
        }


def list_of_operations(value):
    if not isinstance(value, list) or not 1 <= len(value) <= 10_000:
        raise ValueError("must be 1 to 10,000 operations")
    return value
