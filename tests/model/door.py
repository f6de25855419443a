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
from guarded import GuardedLedger
from naive import Refusal, time_text
from roles import GUARDED, NEEDS, Roles

PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json"}

# Method, path, what it does, the permission that it needs; {} stands for one id.
ROUTES = [("GET", "/v1/wallets", "wallets", "wallets:read"),
          ("GET", "/v1/wallets/{}", "wallet?", "wallets:read"),
          ("GET", "/v1/wallets/{}/transactions", "wallet_transactions", "payments:read"),
          ("GET", "/v1/wallets/{}/balance", "balance", "wallets:read"),
          ("GET", "/v1/withdrawals", "withdrawals", "payments:read"),
          ("GET", "/v1/withdrawals/{}", "withdrawal?", "payments:read"),
          ("GET", "/v1/holds", "holds", "payments:read"),
          ("GET", "/v1/holds/{}", "hold?", "payments:read"),
          ("GET", "/v1/transactions", "transactions", "payments:read"),
          ("GET", "/v1/transactions/{}", "transaction?", "payments:read"),
          ("GET", "/v1/approvals", "approvals", "approvals:read"),
          ("GET", "/v1/approvals/{}", "approval?", "approvals:read"),
          ("GET", "/v1/keys", "keys", "keys:read"),
          ("GET", "/v1/keys/{}", "key?", "keys:read"),
          ("GET", "/check-integrity", "check", "books:read"),
          ("GET", "/healthz", "public", None), ("GET", "/readyz", "public", None),
          ("GET", "/metrics", "public", None), ("GET", "/openapi.json", "public", None)]
ROUTES += [(method, path, name, NEEDS[name]) for method, path, name in (
    ("POST", "/v1/wallets", "wallet"), ("PATCH", "/v1/wallets/{}", "change"),
    ("POST", "/v1/deposits", "deposit"), ("POST", "/v1/withdrawals", "withdrawal"),
    ("POST", "/v1/withdrawals/{}/settle", "settle"), ("POST", "/v1/withdrawals/{}/fail", "fail"),
    ("POST", "/v1/purchases", "purchase"), ("POST", "/v1/refunds", "refund"),
    ("POST", "/v1/transfers", "transfer"), ("POST", "/v1/holds", "hold"),
    ("POST", "/v1/holds/{}/capture", "capture"), ("POST", "/v1/holds/{}/void", "void"),
    ("POST", "/v1/batches", "batch"), ("POST", "/v1/adjustments", "adjustment"),
    ("POST", "/v1/approvals/{}/approve", "approve"),
    ("POST", "/v1/approvals/{}/reject", "reject"), ("POST", "/v1/keys", "key"),
    ("POST", "/v1/keys/{}/rotate", "rotate"), ("DELETE", "/v1/keys/{}", "revoke"))]
PATTERNS = [(method, re.compile(path.replace("{}", "([^/]+)") + r"\Z"), name, needed)
            for method, path, name, needed in ROUTES]


NOT_IN_BATCHES = ("change", "key", "rotate", "adjustment", "approve", "reject")


class Door:
    def __init__(self, make_id, make_secret, currencies=(), config=None):
        config = config or {}
        self.ledger = GuardedLedger(make_id, **config.get("approvals", {}))
        self.ledger.is_live = lambda id_: id_ in self.keys
        self.make_id = make_id
        self.make_secret = make_secret
        self.roles = Roles(config.get("roles"), config.get("separate_duties", False))
        self.operations = decoder.operations(currencies, sorted(self.roles.sets))
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
        name, id_, needed = self.route(method, path)
        if name == "public":
            return 200, {}, {}
        if not self.roles.allow(key["role"], needed):
            raise Refusal("forbidden", f"A key with the role {key['role']} may not do this.")
        if len(body) > (16 * 1024 * 1024 if name == "batch" else 64 * 1024):
            raise Refusal("request_too_large", "The body is too large.")
        owner = key["owner"] if key["role"] in self.roles.bound else None
        if method == "GET":
            status, more, body = self.read(name, id_, query, key["id"], owner)
        else:
            status, more, body = self.write(name, id_, headers, body, times, key, owner)
        return status, more, body if owner is None else self.ledger.shown(body, key["id"], owner)

    def write(self, name, id_, headers, body, times, key, owner):
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if body and kind != "application/json":
            raise Refusal("unsupported_media_type", "The body must be application/json.")
        idempotency_key, if_match = self.conditions(headers)
        if name == "revoke":
            return self.revoke(id_)
        given = decoder.parse(body) if body else {}
        if name == "batch":
            return self.batch(given, key, owner, idempotency_key, times)
        if name == "key":
            return self.new_key(decoder.decode(self.operations["key"], given), key["id"],
                                idempotency_key)
        fields = self.decode(name, self.operations[name], given, key["role"])
        if name == "rotate":
            return self.rotate(id_, fields, key["id"], idempotency_key)
        if name in NAMED:
            fields[NAMED[name]] = id_
        if name == "change":
            fields["wallet"] = id_
        return self.answer(*self.ledger.execute(name, fields, key["id"], idempotency_key, if_match,
                                                owner))

    def decode(self, name, table, given, role):
        """The fields of a body, of which some may not be the role's to give."""
        guarded = [field for field, needed in GUARDED.get(name, {}).items()
                   if isinstance(given, dict) and field in given
                   and not self.roles.allow(role, needed)]
        wrong = []
        try:
            fields = decoder.decode(table, given)
        except Invalid as invalid:
            wrong = invalid.pointers
        if wrong or guarded:
            raise Invalid(wrong + ["/" + field for field in guarded])
        if name != "change" and fields.get("metadata") == {}:
            fields["metadata"] = None  # the same request as without; of a change it means none
        return fields

    @staticmethod
    def route(method, path):
        allowed = []
        for allowed_method, pattern, name, needed in PATTERNS:
            match = pattern.match(path)
            if match and method == allowed_method:
                return name, unquote(match[1]) if match.groups() else None, needed
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
        if fields["role"] in self.roles.bound and fields["owner"] is None:
            raise Invalid(["/owner"])
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

    def batch(self, given, key, owner, idempotency_key, times):
        principal = key["id"]
        table = (("operations", list_of_operations, decoder.REQUIRED), ("atomic", decoder.boolean,
                                                                        False))
        fields = decoder.decode(table, given)
        operations = [self.batch_operation(operation, key["role"])
                      for operation in fields["operations"]]
        if fields["atomic"]:
            fields["operations"] = operations
            return self.answer(*self.ledger.execute("batch", fields, principal, idempotency_key,
                                                    bound=owner))
        times = times or [self.ledger.now] * len(operations)
        status, body = self.ledger.execute_batch(operations, principal, idempotency_key, times,
                                                 owner)
        return status, {}, body

    def batch_operation(self, given, role):
        """(name, fields, key) of a valid operation, the problem's body of an invalid one."""
        try:
            if not isinstance(given, dict):
                raise Invalid([""])
            rest = copy.copy(given)
            name = rest.pop("type", None)
            if (not isinstance(name, str) or name not in self.operations
                    or name in NOT_IN_BATCHES):
                raise Invalid(["/type"])
            if not self.roles.allow(role, NEEDS[name]):
                raise Refusal("forbidden", f"A key with the role {role} may not do this.")
            key = rest.pop("idempotency_key", None)
            if "idempotency_key" in given:
                try:
                    decoder.text(key)
                except ValueError:
                    raise Invalid(["/idempotency_key"]) from None
            table = self.operations[name]
            if name in NAMED:
                table = (*table, (NAMED[name], decoder.text, decoder.REQUIRED))
            return name, self.decode(name, table, rest, role), key
        except Invalid as invalid:
            return self.invalid(invalid.pointers)
        except Refusal as refusal:
            return refusal.body

    # Reading.

    def read(self, name, id_, query, principal, owner):
        ledger = self.ledger
        things = {
            "wallet?": (ledger.wallets, ledger.wallet_view, "wallet"),
            "hold?": (ledger.holds, ledger.hold_view, "hold"),
            "withdrawal?": (ledger.withdrawals, ledger.withdrawal_view, "withdrawal"),
            "transaction?": (ledger.transactions, ledger.transaction_view, "transaction"),
            "approval?": (ledger.approvals, ledger.approval_view, "approval"),
            "key?": (self.keys, self.key_view, "key")
        }
        if name not in QUERIES and query:
            raise Invalid(["/" + query.split("=")[0]])
        if name in things:
            where, view, what = things[name]
            found = ledger.find(where, id_, what)
            if not self.may_see(found, principal, owner):
                raise Refusal("not_found", f"There is no {what} {id_}.")
            return self.answer(200, view(found), False)
        filters = decoder.decode(QUERIES[name], self.query(query))
        if filters.get("from") is not None and filters["to"] is not None and \
                filters["from"] > filters["to"]:
            raise Invalid(["/from"])
        if name == "check":
            return 200, {}, self.check()
        if name in ("balance", "wallet_transactions") and not self.may_see(
                ledger.wallet(id_), principal, owner):
            raise Refusal("not_found", f"There is no wallet {id_}.")
        if name == "balance":
            return 200, {}, ledger.balance_view(id_, filters["at"])
        return 200, {}, self.page(name, id_, filters, principal, owner)

    def may_see(self, thing, principal, owner):
        if "requested_by" in thing:  # an approval is his who asked for it
            return owner is None or thing["requested_by"] == principal
        return owner is None or self.ledger.sees(owner, thing)

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

    def page(self, name, id_, filters, principal, owner):
        ledger = self.ledger
        limit, cursor = filters.pop("limit"), filters.pop("cursor")
        asked = sorted(filters.items())
        if name == "wallet_transactions":
            filters["account"] = ledger.wallet(id_)["id"]
        source = {
            "wallets": (ledger.wallets, ledger.wallet_view),
            "withdrawals": (ledger.withdrawals, ledger.withdrawal_view),
            "holds": (ledger.holds, ledger.hold_view), "keys": (self.keys, self.key_view),
            "transactions": (ledger.transactions, ledger.transaction_view), "wallet_transactions":
                (ledger.transactions, ledger.transaction_view),
            "approvals": (ledger.approvals, ledger.approval_view)
        }[name]
        things, view = source
        if owner is not None:
            things = {thing: value for thing, value in things.items()
                      if self.may_see(value, principal, owner)}
        items = ledger.listed(things, view, filters)
        if owner is not None and name == "transactions" and filters["initiated_by"] is not None:
            items = [item for item in items
                     if "initiated_by" in ledger.shown(item, principal, owner)]
        start = 0
        # A cursor is of this list and no other.
        mark = self.hashed(repr((name, id_, asked, owner)))
        if cursor is not None:
            ids = [item["id"] for item in items]
            last, _, of = cursor.partition("-")
            if of != mark or last not in ids:
                raise Invalid(["/cursor"])
            start = ids.index(last) + 1
        page = {"items": items[start:start + limit]}
        if len(items) > start + limit:
            page["next_cursor"] = f"{page['items'][-1]['id']}-{mark}"
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
