# SPDX-License-Identifier: MIT
"""What clients of a recorded history ask for: requests of every kind, and what each of them wants
to happen, in the words of tests/lib/history.py."""

import dataclasses

PATHS = {"transfer": "/v1/transfers", "purchase": "/v1/purchases", "hold": "/v1/holds",
         "withdrawal": "/v1/withdrawals", "refund": "/v1/refunds", "deposit": "/v1/deposits"}
KINDS = (["transfer"] * 5 + ["hold"] * 5 + ["capture"] * 5 + ["purchase"] * 3 + ["refund"] * 3 +
         ["deposit", "withdrawal"] * 2 + ["payout", "void", "settle", "settle", "fail"])
SHORT_S = 2  # until a hold expires that may
OPEN_MAX = 12  # things that may be ended; of more the oldest are left open


@dataclasses.dataclass
class Asked:
    """One request: `wanted` are its effects, in the order of its operations."""
    method: str
    path: str
    body: dict
    wanted: list
    if_match: dict = None
    keys: list = None  # of a batch whose operations are each for itself


class Things:
    """What clients were told of, and can name."""
    def __init__(self, wallets, shops):
        self.wallets, self.shops = wallets, shops
        self.holds, self.withdrawals, self.purchases = [], [], []
        self.captured = {}  # hold -> amounts that somebody has asked for: by these they are known
        self.versions = {}  # wallet -> the version that somebody saw last

    def told(self, item):
        """Holds, withdrawals that wait, and purchases are gone on with."""
        if "merchant" in item:
            kept = self.holds
        elif item.get("status") == "pending":
            kept = self.withdrawals
        elif item.get("type") == "purchase" and "hold" not in item:
            kept = self.purchases
        else:
            return
        kept.append(item)
        del kept[:-OPEN_MAX]


class Asker:
    def __init__(self, pick, things):
        self.pick, self.things = pick, things

    def request(self, name):
        chance = self.pick.randrange(20)
        if chance < 2:
            return self.change(name)
        if chance < 6:
            return self.batch(name, atomic=chance < 4)
        body, wanted = self.operation(name)
        kind = body.pop("type")
        if kind in PATHS:
            return self.matched(Asked("POST", PATHS[kind], body, [wanted]))
        thing = body.pop("hold", None) or body.pop("withdrawal")
        where = "holds" if kind in ("capture", "void") else "withdrawals"
        return Asked("POST", f"/v1/{where}/{thing}/{kind}", body, [wanted])

    def matched(self, asked):
        """Now and then with If-Match, of the wallet that pays."""
        payer = asked.wanted[0].get("debit") or asked.wanted[0].get("pays")
        if payer in self.things.versions and "purchase" not in asked.body and \
                not self.pick.randrange(6):
            asked.if_match = {"wallet": payer, "version": self.things.versions[payer]}
        return asked

    def change(self, name):
        wallet = self.pick.choice(self.things.wallets + self.things.shops)
        asked = Asked("PATCH", f"/v1/wallets/{wallet}", {"metadata": {"by": name}},
                      [{"mark": "change", "wallet": wallet}])
        if wallet in self.things.versions and self.pick.randrange(2):
            asked.if_match = {"wallet": wallet, "version": self.things.versions[wallet]}
        return asked

    def batch(self, name, atomic):
        keys = [f"{name}-{number}" for number in range(self.pick.choice((2, 2, 3, 4)))]
        operations = [self.operation(one) for one in keys]
        if not atomic:
            for key, (body, _) in zip(keys, operations):
                body["idempotency_key"] = key
        return Asked("POST", "/v1/batches", {
            "atomic": atomic, "operations": [body for body, _ in operations]},
            [wanted for _, wanted in operations], keys=None if atomic else keys)

    def operation(self, name):
        """One operation as in a batch, and what it wants."""
        kind = self.pick.choice(KINDS)
        made = getattr(self, kind)(name)
        return made or self.transfer(name)  # there is nothing of that kind

    def amount(self):
        return 1 + self.pick.randrange(40)

    def transfer(self, name):
        one, two = self.pick.sample(self.things.wallets, 2)
        body = {"type": "transfer", "from": one, "to": two, "amount": self.amount(),
                "reference": name}
        return body, payment(name, one, two, body["amount"])

    def purchase(self, name):
        one, shop = self.pick.choice(self.things.wallets), self.pick.choice(self.things.shops)
        body = {"type": "purchase", "wallet": one, "merchant": shop, "amount": self.amount(),
                "reference": name}
        return body, payment(name, one, shop, body["amount"])

    def refund(self, name):
        if not self.things.purchases:
            return None
        bought = self.pick.choice(self.things.purchases)
        amount = 1 + self.pick.randrange(bought["amount"])
        return ({"type": "refund", "purchase": bought["id"], "amount": amount, "reference": name},
                payment(name, bought["credit"]["account"], bought["debit"]["account"], amount,
                        part_of=bought["id"], whole=bought["amount"]))

    def deposit(self, name):
        one, amount = self.pick.choice(self.things.wallets), self.amount()
        return ({"type": "deposit", "wallet": one, "amount": amount, "reference": name,
                 "bank_transaction_id": name}, payment(name, None, one, amount))

    def payout(self, name):
        """A withdrawal that is settled at once."""
        one, amount = self.pick.choice(self.things.wallets), self.amount()
        return ({"type": "withdrawal", "wallet": one, "amount": amount, "reference": name,
                 "bank_transaction_id": name}, payment(name, one, None, amount))

    def withdrawal(self, name):
        one, amount = self.pick.choice(self.things.wallets), self.amount()
        return ({"type": "withdrawal", "wallet": one, "amount": amount, "reference": name},
                {"mark": "withdrawal", "pays": one, "amount": amount, "reference": name})

    def settle(self, name):
        if not self.things.withdrawals:
            return None
        one = self.pick.choice(self.things.withdrawals)
        return ({"type": "settle", "withdrawal": one["id"], "bank_transaction_id": name},
                payment(name, one["wallet"], None, one["amount"], withdrawal=one["id"]))

    def fail(self, _):
        if not self.things.withdrawals:
            return None
        one = self.pick.choice(self.things.withdrawals)
        return ({"type": "fail", "withdrawal": one["id"]},
                {"mark": "fail", "wallet": one["wallet"], "thing": one["id"]})

    def hold(self, name):
        one, shop = self.pick.choice(self.things.wallets), self.pick.choice(self.things.shops)
        amount, is_short = self.amount(), not self.pick.randrange(4)
        return ({"type": "hold", "wallet": one, "merchant": shop, "amount": amount,
                 "reference": name, "expires_in": SHORT_S if is_short else 86400},
                {"mark": "hold", "pays": one, "amount": amount, "reference": name,
                 "may_expire": is_short})

    def capture(self, _):
        one = self.pick.choice(self.things.holds) if self.things.holds else {"amount": 0}
        taken = self.things.captured.setdefault(one.get("id"), set())
        left = [amount for amount in range(1, one["amount"] + 2) if amount not in taken]
        if not one["amount"] or not left:
            return None
        amount, final = self.pick.choice(left), not self.pick.randrange(3)
        taken.add(amount)
        return ({"type": "capture", "hold": one["id"], "amount": amount, "final": final},
                payment(f"{one['id']} {amount}", one["wallet"], one["merchant"], amount,
                        part_of=one["id"], whole=one["amount"], final=final))

    def void(self, _):
        if not self.things.holds:
            return None
        one = self.pick.choice(self.things.holds)
        return ({"type": "void", "hold": one["id"]},
                {"mark": "void", "wallet": one["wallet"], "thing": one["id"]})


def payment(reference, debit, credit, amount, **more):
    return {"reference": reference, "debit": debit, "credit": credit, "amount": amount, **more}
