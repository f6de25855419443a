# SPDX-License-Identifier: MIT
"""Random commands for the model test: mostly sensible, often refused, sometimes nonsense.

Everything is drawn from one seeded generator and from what the naive ledger knows, so that a seed
gives the same commands again. Ids in them are the naive ledger's; whoever sends them to a server
translates.
"""

import json
from urllib.parse import quote

from naive import AMOUNT_MAX, time_text
from roles import NEEDS

MISSING = {
    "wallet": "wallet_01h455vb4pex5vsknk084sn02q", "txn": "txn_01h455vb4pex5vsknk084sn02q",
    "hold": "hold_01h455vb4pex5vsknk084sn02q", "wdl": "wdl_01h455vb4pex5vsknk084sn02q",
    "apr": "apr_01h455vb4pex5vsknk084sn02q"
}
CURRENCIES = ["USD", "USD", "USD", "EUR", "JPY", "POINTS"]
PATHS = {
    "wallet": ("POST", "/v1/wallets"), "change": ("PATCH", "/v1/wallets/{}"),
    "deposit": ("POST", "/v1/deposits"), "withdrawal": ("POST", "/v1/withdrawals"),
    "settle": ("POST", "/v1/withdrawals/{}/settle"), "fail": ("POST", "/v1/withdrawals/{}/fail"),
    "purchase": ("POST", "/v1/purchases"), "refund": ("POST", "/v1/refunds"), "transfer":
        ("POST", "/v1/transfers"), "hold": ("POST", "/v1/holds"), "capture":
            ("POST", "/v1/holds/{}/capture"), "void": ("POST", "/v1/holds/{}/void"),
    "adjustment": ("POST", "/v1/adjustments"), "approve": ("POST", "/v1/approvals/{}/approve"),
    "reject": ("POST", "/v1/approvals/{}/reject"),
}
WEIGHTS = {
    "wallet": 3, "change": 9, "deposit": 14, "withdrawal": 9, "settle": 6, "fail": 3,
    "purchase": 15, "refund": 9, "transfer": 11, "hold": 11, "capture": 10, "void": 3
}
# And where somebody else has to look at things.
GUARDED_WEIGHTS = {**WEIGHTS, "adjustment": 6, "approve": 14, "reject": 3}
# Those to whom keys of a guarded world are bound can pay from the beginning.
HOUSEHOLDS = [("customer", "owner-1"), ("customer", "owner-2"), ("merchant", "owner-3"),
              ("customer", "owner-4"), ("merchant", "owner-5")]
ALONE = ("change", "adjustment", "approve", "reject")  # not in batches


class Request:
    """One request in the naive ledger's ids. `operation` names what it does, for times and
    messages."""
    def __init__(self, operation, method, target, body=None, headers=None, who=0):
        self.operation = operation
        self.method = method
        self.target = target
        self.body = b"" if body is None else body
        self.headers = dict(headers or {})
        self.who = who

    @property
    def key(self):
        return self.headers.get("Idempotency-Key")

    def __repr__(self):
        headers = "".join(f" [{name}: {value}]" for name, value in self.headers.items())
        shown = self.body[:700].decode("utf-8", "replace")
        return f"{self.method} {self.target}{headers} (key {self.who}) {shown}"


class Generator:
    def __init__(self, random, ledger, writers, short_holds=True, people=None, roles=None):
        self.random = random
        self.ledger = ledger
        self.writers = writers  # how many keys may write
        self.people = people  # of a guarded world: (role, owner or None, weight) of each key
        self.roles = roles
        self.owner = None  # whom the asker of the request that is being drawn is bound to
        self.short_holds = short_holds
        self.counter = 0
        self.keys = []  # requests that had a key, for retries
        self.batches = []  # batches that are not atomic, with a key

    # Drawing.

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def new_text(self, prefix):
        self.counter += 1
        return f"{prefix}-{self.counter}"

    def note(self):
        return self.random.choice(
            ["thanks", "für dich", "a \"quoted\" \\ text", "✿" * 20, "x" * 255, "0", " "])

    def metadata(self):
        count = self.random.choice([0, 1, 1, 2, 3, 32])
        return {f"n{index}": self.note() for index in range(count)}

    def someone(self):
        """Who asks next."""
        if self.people is None:
            return self.random.randrange(self.writers)
        weights = [weight for _, _, weight in self.people]
        who = self.random.choices(range(len(self.people)), weights)[0]
        self.owner = self.people[who][1]
        return who

    def pick(self, things, kind, wanted=lambda thing: True, own=True):
        """The id of one of the things, usually one that is wanted; rarely one that is not there."""
        if not things or self.chance(1.5):
            return MISSING[kind]
        if own and self.owner is not None and self.chance(88):
            mine = [thing for thing in list(things.values())[-150:]
                    if self.ledger.sees(self.owner, thing)]
            good = [thing for thing in mine if wanted(thing)] or mine
            if good:
                return self.random.choice(good)["id"]
        recent = list(things.values())[-40:]
        good = [thing for thing in recent if wanted(thing)]
        return self.random.choice(good if good and not self.chance(10) else recent)["id"]

    def wallet(self, wanted=lambda wallet: True, own=True):
        return self.pick(self.ledger.wallets, "wallet", wanted, own)

    def known(self, id_):
        return self.ledger.wallets.get(id_)

    def amount(self, most=None):
        if self.chance(1):
            return self.random.choice([AMOUNT_MAX, AMOUNT_MAX - 1, 2**31, 2**32])
        if most and most > 0 and self.chance(45):
            return min(
                AMOUNT_MAX,
                self.random.choice([most, most + 1,
                                    max(1, most // 2),
                                    max(1, most // 3), 1]))
        return self.random.choice([1, 2, 5, 10, 100, self.random.randint(1, 1000)])

    def spendable(self, id_):
        wallet = self.known(id_)
        return self.ledger.spendable(wallet) if wallet else None

    def notes(self, fields, order=False):
        if self.chance(15):
            fields["reference"] = self.note()
        if self.chance(12):
            fields["metadata"] = self.metadata()
        if order and self.chance(40):
            fields["order"] = f"order-{self.random.randint(1, 12)}"
        if self.chance(5):
            fields["currency"] = self.random.choice(CURRENCIES)
        return fields

    def bank_id(self):
        if self.ledger.bank_ids and self.chance(8):
            return self.random.choice(list(self.ledger.bank_ids))[1]
        return self.new_text("bank")

    # One drawing per operation: (id of the path or None, fields).

    def draw(self, operation):
        return getattr(self, "draw_" + operation)()

    def draw_wallet(self):
        fields = {
            "owner": f"owner-{self.random.randint(1, 8 if self.people is None else 5)}",
            "currency": self.random.choice(CURRENCIES)
        }
        if self.owner is not None and self.chance(70):
            fields["owner"] = self.owner
        if self.chance(40):
            fields["kind"] = self.random.choice(["merchant", "merchant", "customer"])
        if self.chance(20 if self.owner is None else 4):
            fields["credit_limit"] = self.random.choice([0, 100, 1000, AMOUNT_MAX])
        if self.chance(15 if self.owner is None else 4):
            fields["tier"] = self.random.choice([0, 1, 15])
        if self.chance(20):
            fields["metadata"] = self.metadata()
        return None, fields

    def draw_change(self):
        fields = {}
        held = [hold["wallet"] for hold in self.ledger.holds.values() if hold["status"] == "open"]
        if self.people is not None and held and self.chance(25):
            return self.random.choice(held), {"status": "frozen"}
        id_ = self.wallet()
        wallet = self.known(id_)
        if wallet and wallet["status"] != "active" and self.chance(60):
            fields["status"] = "active"
        elif self.chance(55):
            fields["status"] = self.random.choice(["frozen", "closed", "active"])
        if self.chance(30):
            fields["credit_limit"] = self.random.choice([0, 1, 50, 100, 1000, self.amount()])
        if self.chance(15):
            fields["tier"] = self.random.choice([0, 1, 2, 15])
        if self.chance(30):
            fields["metadata"] = self.metadata()
        if self.chance(20) or not fields:
            fields["reason"] = self.note()
        return id_, fields

    def draw_deposit(self):
        fields = {
            "wallet": self.wallet(), "amount": self.amount(), "bank_transaction_id": self.bank_id()
        }
        return None, self.notes(fields)

    def draw_withdrawal(self):
        id_ = self.wallet(lambda wallet: wallet["balance"] > 0)
        fields = {"wallet": id_, "amount": self.amount(self.spendable(id_))}
        if self.chance(40 if self.owner is None else 8):
            fields["bank_transaction_id"] = self.bank_id()
        return None, self.notes(fields)

    def draw_adjustment(self):
        fields = {"wallet": self.wallet(), "direction": self.random.choice(["credit", "debit"]),
                  "amount": self.amount(), "reason": self.note()}
        return None, self.notes(fields)

    def draw_approve(self):
        id_ = self.pick(self.ledger.approvals, "apr", lambda thing: thing["status"] == "pending")
        return id_, {"reason": self.note()} if self.chance(50) else {}

    draw_reject = draw_approve

    def withdrawal(self):
        return self.pick(self.ledger.withdrawals, "wdl", lambda thing: thing["status"] == "pending")

    def draw_settle(self):
        return self.withdrawal(), {"bank_transaction_id": self.bank_id()}

    def draw_fail(self):
        return self.withdrawal(), {"reason": self.note()} if self.chance(50) else {}

    def two(self, merchant):
        payer = self.wallet(lambda wallet: self.ledger.spendable(wallet) > 0)
        currency = (self.known(payer) or {}).get("currency")
        payee = self.wallet(lambda wallet: wallet["currency"] == currency and wallet["id"] != payer
                            and (not merchant or wallet["kind"] == "merchant"), own=False)
        return payer, payee, self.amount(self.spendable(payer))

    def draw_purchase(self):
        payer, payee, amount = self.two(True)
        return None, self.notes({"wallet": payer, "merchant": payee, "amount": amount}, order=True)

    def draw_transfer(self):
        payer, payee, amount = self.two(False)
        return None, self.notes({"from": payer, "to": payee, "amount": amount})

    def draw_hold(self):
        payer, payee, amount = self.two(True)
        fields = self.notes({"wallet": payer, "merchant": payee, "amount": amount}, order=True)
        if self.chance(60):
            fields["expires_in"] = self.random.choice([60, 3600, 31622400, 604800])
        if self.short_holds and self.chance(25):
            fields["expires_in"] = 1
        return None, fields

    def hold(self):
        """Mostly one that is not about to end, so that some do end."""
        troubled = self.troubled()
        return self.pick(
            self.ledger.holds, "hold", lambda thing: thing["status"] == "open" and thing[
                "expires_at"] > thing["created_at"] + 1000 and (
                    not troubled or self.known(thing["wallet"])["status"] != "active"))

    def troubled(self):
        """Whether somebody bound shall meet another's wallet that can't pay or receive."""
        return self.owner is not None and self.chance(35)

    def draw_capture(self):
        id_ = self.hold()
        fields = {}
        if self.chance(70):
            fields["amount"] = self.amount(self.ledger.holds.get(id_, {}).get("remaining"))
        if self.chance(50):
            fields["final"] = self.chance(30)
        if self.chance(3):
            fields["currency"] = self.random.choice(CURRENCIES)
        return id_, fields

    def draw_void(self):
        return self.hold(), {}

    def draw_refund(self):
        troubled = self.troubled()
        id_ = self.pick(
            self.ledger.transactions, "txn", lambda thing: thing["type"] == "purchase" and (
                not troubled or self.known(thing["debit"]["account"])["status"] == "closed"))
        purchase = self.ledger.transactions.get(id_, {})
        fields = {"purchase": id_}
        if self.chance(70):
            fields["amount"] = self.amount(purchase.get("amount", 0) - purchase.get("refunded", 0))
        if self.chance(30):
            fields["reason"] = self.note()
        return None, self.notes(fields)

    # Requests.

    def choose(self, who):
        weights = WEIGHTS if self.people is None else GUARDED_WEIGHTS
        allowed = list(weights)
        if self.people is not None and not self.chance(10):
            allowed = [name for name in weights
                       if self.roles.allow(self.people[who][0], NEEDS[name])] or allowed
        return self.random.choices(allowed, [weights[name] for name in allowed])[0]

    def encode(self, fields):
        """The same JSON in ever different clothes: order, white space, escapes."""
        names = list(fields)
        if self.chance(30):
            self.random.shuffle(names)
        spaces = self.random.choice([(",", ":"), (", ", ": "), (" ,\n\t", "  :  ")])
        return json.dumps({name: fields[name] for name in names}, separators=spaces,
                          ensure_ascii=self.chance(50)).encode()

    def write(self, operation=None):
        who = self.someone()
        operation = operation or self.choose(who)
        id_, fields = self.draw(operation)
        method, path = PATHS[operation]
        request = Request(operation, method, path.format(id_), self.encode(fields), who=who)
        if self.chance(50):
            request.headers["Idempotency-Key"] = self.new_text("key")
            self.keys.append(request)
        wallet = self.matched(operation, id_, fields)
        if operation not in ("wallet", "approve", "reject") and self.chance(8):
            version = wallet["version"] if wallet and self.chance(70) else self.random.randint(1, 9)
            request.headers["If-Match"] = f'"{version}"'
        return request

    def matched(self, operation, id_, fields):
        """The wallet that an If-Match of this request means, when it is known."""
        ledger = self.ledger
        if operation in ("capture", "void"):
            id_ = ledger.holds.get(id_, {}).get("wallet" if self.owner is None else "merchant")
        elif operation in ("settle", "fail"):
            id_ = ledger.withdrawals.get(id_, {}).get("wallet")
        elif operation == "refund":
            purchase = ledger.transactions.get(fields["purchase"])
            id_ = purchase and purchase["credit"]["account"]
        return self.known(id_ or fields.get("wallet") or fields.get("from"))

    def large_deposit(self):
        """Of a batch: what must wait for somebody else, or only just need not."""
        above = self.ledger.above
        id_ = self.wallet(lambda wallet: wallet["currency"] in above
                          and wallet["status"] == "active")
        currency = (self.known(id_) or {}).get("currency")
        amount = max(1, above.get(currency, 0) + self.random.choice([0, 1, 1]))
        return {"type": "deposit", "wallet": id_, "amount": amount,
                "bank_transaction_id": self.bank_id()}

    def batch_operation(self, who):
        operation = self.choose(who)
        while operation in ALONE:
            operation = self.random.choice(list(WEIGHTS))
        id_, fields = self.draw(operation)
        fields = {"type": operation, **fields}
        if operation in ("settle", "fail"):
            fields["withdrawal"] = id_
        if operation in ("capture", "void"):
            fields["hold"] = id_
        if self.chance(40):
            fields["idempotency_key"] = self.new_text("key")
        if self.chance(3):
            fields[self.random.choice(["amount", "colour",
                                       "type"])] = self.random.choice([0, "x", None, {}])
        return fields

    def batch(self):
        who = self.someone()
        operations = [self.batch_operation(who)
                      for _ in range(self.random.choice([1, 2, 3, 5, 12]))]
        if self.chance(25):
            operations.append(dict(self.random.choice(operations)))
        if self.people is not None and self.chance(20):
            operations = [self.large_deposit()]
        body = {"operations": operations}
        atomic = self.chance(50)
        if atomic or self.chance(20):
            body["atomic"] = atomic
        request = Request("batch", "POST", "/v1/batches", self.encode(body), who=who)
        if self.chance(40):
            request.headers["Idempotency-Key"] = self.new_text("batch")
            (self.keys if atomic else self.batches).append(request)
        return request

    def retry(self):
        """A request again, dressed differently; now and then another request under its key."""
        if self.batches and self.chance(10):
            first = self.random.choice(self.batches[-20:])
            return Request("batch again", first.method, first.target, first.body, first.headers,
                           first.who)
        if not self.keys:
            return self.write()
        first = self.random.choice(self.keys[-60:])
        body = self.encode(json.loads(first.body))
        who = first.who
        if self.chance(25):
            other = self.write()
            other.headers = {"Idempotency-Key": first.key}
            other.who = who
            return other
        if self.chance(10):
            who = (who + 1) % self.writers
        return Request(first.operation, first.method, first.target, body,
                       {"Idempotency-Key": first.key}, who)

    def nonsense(self):
        """A request that must be refused before the ledger sees it."""
        request = self.write()
        fields = json.loads(request.body)
        kind = self.random.choice([
            "field", "unknown", "missing", "twice", "cut", "trailing", "utf8", "type", "large",
            "key", "tag", "query", "array"
        ])
        bad_numbers = [0, -1, 1.5, 1.0, "5", AMOUNT_MAX + 1, 2**63, 2**64, True, None, [], {}]
        bad_texts = ["", "x" * 256, "a\nb", "a\u0000", 17, False, ["x"], {}]
        if kind == "field" and fields:
            name = self.random.choice(list(fields))
            bad = bad_numbers if isinstance(fields[name], int) else bad_texts
            if name in ("credit_limit", "tier"):
                bad = bad_numbers[1:]
            if name == "final":
                bad = [0, 1, "true", []]
            if name == "metadata":
                bad = [[], "x", 5, {"n": 1}, {"n" * 65: "v"}, {"n": "v" * 513},
                       {str(i): "v" for i in range(33)}]
            request.body = self.encode({**fields, name: self.random.choice(bad)})
        elif kind == "missing" and request.operation in ("deposit", "purchase", "transfer", "hold",
                                                         "wallet", "settle"):
            fields.pop(
                self.random.choice([
                    name for name in fields
                    if name in ("amount", "wallet", "from", "to", "merchant", "owner", "currency",
                                "bank_transaction_id") and (
                                    name != "currency" or request.operation == "wallet")
                ]))
            request.body = self.encode(fields)
        elif kind == "twice" and fields:
            name = self.random.choice(list(fields))
            request.body = request.body.rstrip()[:-1] + b"," + json.dumps({name: fields[name]
                                                                           }).encode()[1:]
        elif kind == "cut":
            request.body = request.body[:self.random.randrange(len(request.body))]
        elif kind == "trailing":
            request.body += self.random.choice([b"}", b"x", b"{}", b",", b"\x00"])
        elif kind == "utf8":
            request.body = self.encode({**fields, "reference": "?"}).replace(b'"?"', b'"\xff\xfe"')
        elif kind == "type":
            request.headers["Content-Type"] = self.random.choice(["text/plain", "application/xml"])
        elif kind == "large":
            request.body += b" " * 66_000
        elif kind == "key":
            request.headers["Idempotency-Key"] = "k" * 256
        elif kind == "tag":
            request.headers["If-Match"] = self.random.choice(['"x"', "7", 'W/"1"', '"1", "2"'])
        elif kind == "array":
            request.body = self.random.choice([b"[]", b"null", b"7", b'"x"', b"[" * 600])
        elif kind == "query":
            return self.bad_query()
        else:
            request.body = self.encode(
                {**fields, self.random.choice(["colour", "Amount", "id"]): 1})
        if request.key is not None and request in self.keys:
            self.keys.remove(request)
        return request

    def bad_query(self):
        target = self.random.choice([
            "/v1/transactions?limit=0", "/v1/transactions?limit=1001", "/v1/wallets?limit=x",
            "/v1/holds?status=sleeping", "/v1/withdrawals?from=never", "/v1/wallets?x=1",
            "/v1/transactions?type=gift", "/v1/transactions?to=2026-02-31"
        ])
        return Request("bad query", "GET", target)

    def read(self):
        """One thing by its id."""
        who = 0 if self.people is None else self.someone()
        kind = self.random.choice(["wallets", "holds", "withdrawals", "transactions", "balance"] +
                                  ["approvals"] * (self.people is not None))
        if kind == "balance":
            target = f"/v1/wallets/{self.wallet()}/balance"
            if self.chance(80):
                target += "?at=" + quote(time_text(self.moment()))
            return Request("balance", "GET", target, who=who)
        things = getattr(self.ledger, kind)
        prefix = {
            "wallets": "wallet", "holds": "hold", "withdrawals": "wdl", "transactions": "txn",
            "approvals": "apr"
        }[kind]
        id_ = self.random.choice(list(things)) if things and not self.chance(4) else MISSING[prefix]
        return Request("read", "GET", f"/v1/{kind}/{id_}", who=who)

    def moment(self):
        """A time when something happened, or a millisecond beside it."""
        things = list(self.ledger.transactions.values()) or list(self.ledger.wallets.values())
        if not things or self.chance(3):
            return self.random.choice([0, 10**12, 4 * 10**12])
        return self.random.choice(things)["created_at"] + self.random.choice([-1, 0, 0, 0, 1])

    def listing(self):
        """A list with random filters, to be read to its end."""
        who = 0 if self.people is None else self.someone()
        kind = self.random.choice(
            ["wallets", "transactions", "holds", "withdrawals", "history", "history"] +
            ["approvals"] * (self.people is not None))
        draw = {
            "wallets": {
                "owner": lambda: f"owner-{self.random.randint(1, 9)}",
                "kind": lambda: self.random.choice(["customer", "merchant"]),
                "status": lambda: self.random.choice(["active", "frozen", "closed"]),
                "currency": lambda: self.random.choice(CURRENCIES)
            }, "holds": {
                "wallet": self.wallet_that_is, "merchant": self.wallet_that_is,
                "status": lambda: self.random.choice(["open", "captured", "voided", "expired"]),
                "order": lambda: f"order-{self.random.randint(1, 13)}"
            }, "withdrawals": {
                "wallet": self.wallet_that_is,
                "status": lambda: self.random.choice(["pending", "settled", "failed"]),
                "bank_transaction_id": self.some_bank_id, **self.times()
            }, "transactions": {
                "type": self.some_type, "order": lambda: f"order-{self.random.randint(1, 13)}",
                "initiated_by": lambda: f"key_m{self.random.randint(1, self.writers)}",
                "bank_transaction_id": self.some_bank_id, **self.times()
            }, "history": {"type": self.some_type, **self.times()}, "approvals": {
                "status": lambda: self.random.choice(["pending", "approved", "refused",
                                                      "rejected", "expired"]),
                "requested_by": lambda: f"key_m{self.random.randint(1, self.writers)}",
                "wallet": self.wallet_that_is
            }
        }[kind]
        chosen = [name for name in draw if self.chance(100 / (len(draw) + 1))]
        parts = [f"{name}={quote(str(draw[name]()))}" for name in chosen]
        if self.chance(60):
            parts.append(f"limit={self.random.choice([1, 2, 3, 7, 50, 1000])}")
        self.random.shuffle(parts)
        path = "/v1/" + kind
        if kind == "history":
            path = f"/v1/wallets/{self.wallet_that_is()}/transactions"
        return Request("list", "GET", path + ("?" + "&".join(parts) if parts else ""), who=who)

    def wallet_that_is(self):
        return self.random.choice(list(self.ledger.wallets) or [MISSING["wallet"]])

    def some_type(self):
        return self.random.choice(["deposit", "withdrawal", "purchase", "refund", "transfer",
                                   "adjustment"])

    def some_bank_id(self):
        return self.random.choice([bank_id for _, bank_id in self.ledger.bank_ids] or ["none"])

    def times(self):
        return {"from": lambda: time_text(self.moment()), "to": lambda: time_text(self.moment())}

    def next(self):
        """The next request of a random life."""
        if self.people is not None and len(self.ledger.wallets) < len(HOUSEHOLDS):
            kind, owner = HOUSEHOLDS[len(self.ledger.wallets)]
            return Request("wallet", "POST", "/v1/wallets", self.encode(
                {"owner": owner, "currency": "USD", "kind": kind, "credit_limit": 20_000}))
        if len(self.ledger.wallets) < 4:
            return self.write("wallet")
        dice = self.random.random() * 100
        for percent, draw in ((60, self.write), (8, self.batch), (10, self.retry),
                              (6, self.nonsense), (9, self.read), (7, self.listing)):
            dice -= percent
            if dice < 0:
                return draw()
        return self.write()
