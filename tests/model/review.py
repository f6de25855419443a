# SPDX-License-Identifier: MIT
"""Rules for payments, written down a second time as plainly as possible, over the naive ledger:
every payment is kept in a list, and whatever a rule asks is counted by walking over all of it.

Written from docs/anomalies.md. It shares no code and no table with the server; what it knows of
numbers is what is promised there: windows move in steps, means are running ones in sixteenths of a
minor unit over at most the weight of sixteen payments, sums of a merchant fade by an eighth a day,
integers are cut towards zero.
"""

import naive
from naive import Ledger, Refusal

DAY_MS = 86_400_000
WINDOWS = {"hour": (600_000, 6), "day": (4 * 3_600_000, 6), "week": (DAY_MS, 7)}
STRICT = ("nothing", "flag", "hold", "refuse")
PAYMENTS = ("withdrawal", "purchase", "transfer", "hold", "refund", "deposit")
KNOWN = 12
naive.STATUS.update(refused_by_rule=422, held_for_review=422, anomaly_not_pending=409,
                    second_principal_needed=403)


def cut(value, by):
    """Division towards zero."""
    return abs(value) // by * (1 if value >= 0 else -1)


class Life:
    """What is remembered of one wallet."""
    def __init__(self):
        self.paid = []  # (when, amount, to whom or None, operation)
        self.deposits = []
        self.shares = []  # (when, sold, refunded)

    def window(self, name, now):
        step, count = WINDOWS[name]
        inside = [amount for when, amount, _, _ in self.paid
                  if now // step - when // step < count]
        return len(inside), sum(inside)

    def mean(self):
        mean = deviation = 0
        for number, (_, amount, _, _) in enumerate(self.paid, 1):
            value, weight = 16 * amount, min(number, 16)
            if number > 1:
                deviation += cut(abs(value - mean) - deviation, weight - 1)
            mean += cut(value - mean, weight)
        return mean, deviation

    def known(self):
        others = []
        for _, _, other, _ in reversed(self.paid):
            if other is not None and other not in others:
                others.append(other)
        return others[:KNOWN]

    def share(self, now):
        sold = refunded = day = 0
        for when, more_sold, more_refunded in self.shares + [(now, 0, 0)]:
            while day < when // DAY_MS and (sold or refunded):
                sold, refunded = sold - (sold + 7) // 8, refunded - (refunded + 7) // 8
                day += 1
            day = max(day, when // DAY_MS)
            sold, refunded = sold + more_sold, refunded + more_refunded
        return sold, refunded

    def last(self):
        return max([when for when, *_ in self.paid] + self.deposits, default=None)


class Payment:
    """One that would be made, as a rule sees it."""
    def __init__(self, operation, wallet, other, amount, now, life):
        self.operation, self.wallet, self.other = operation, wallet, other
        self.amount, self.now, self.life = amount, now, life

    def meets(self, name, wanted):
        life = self.life
        if name.startswith(("count_in_", "sum_in_")):
            what, _, window = name.partition("_in_")
            count, total = life.window(window, self.now)
            return (count + 1 if what == "count" else total + self.amount) >= wanted
        if name in ("percent_of_mean", "deviations_above_mean"):
            mean, deviation = life.mean()
            if not life.paid:
                return False
            if name == "percent_of_mean":
                return 1600 * self.amount >= mean * wanted
            return 16 * self.amount >= mean + wanted * max(deviation, mean // 16)
        if name == "percent_of_sales":
            sold, refunded = life.share(self.now)
            return 100 * (refunded + self.amount) >= sold * wanted
        if name == "percent_of_available":
            available = self.wallet["balance"] - self.wallet["held"]
            return available > 0 and 100 * self.amount >= available * wanted
        if name == "seconds_since_deposit":
            return bool(life.deposits) and self.now - life.deposits[-1] <= 1000 * wanted
        if name == "days_of_silence":
            return life.last() is not None and self.now - life.last() >= wanted * DAY_MS
        return {"amount": lambda: self.amount >= wanted,
                "payments_before": lambda: len(life.paid) >= wanted,
                "first_withdrawal": lambda: all(o != "withdrawal" for *_, o in life.paid),
                "new_counterparty": lambda: self.other is not None and
                    self.other not in life.known()}[name]()

    def hits(self, rule):
        operations = rule.get("operations", PAYMENTS[:5])
        if self.operation not in operations or \
                rule.get("wallet_kind", self.wallet["kind"]) != self.wallet["kind"]:
            return False
        if "currencies" in rule and self.wallet["currency"] not in rule["currencies"]:
            return False
        return all(self.meets(name, wanted) for name, wanted in rule["when"].items())


class ReviewedLedger(Ledger):
    STATE = (*Ledger.STATE, "lives", "anomalies")

    def __init__(self, make_id, rules, expires_in):
        super().__init__(make_id)
        self.rules, self.expires_in = rules, expires_in
        self.lives = {}  # wallet -> Life
        self.anomalies = {}  # id -> the anomaly; its id is ours until the server's is known

    def life(self, wallet):
        return self.lives.setdefault(wallet, Life())

    # Judging: what would be paid, seen before it is.

    def payment(self, operation, fields):
        if operation == "refund":
            purchase = self.transactions[fields["purchase"]]
            payer, other = purchase["credit"]["account"], purchase["debit"]["account"]
            left = purchase["amount"] - purchase["refunded"]
            amount = left if fields["amount"] is None else fields["amount"]
        else:
            payer = fields["from" if operation == "transfer" else "wallet"]
            other, amount = fields.get("merchant", fields.get("to")), fields["amount"]
        return Payment(operation, self.wallets[payer], other, amount, self.now, self.life(payer))

    def judge(self, payment):
        """(action, the rule that decides or None)."""
        hit = [rule for rule in self.rules if not rule.get("shadow") and payment.hits(rule)]
        best = max(hit, default=None, key=lambda rule: (
            STRICT.index(rule["action"]), rule.get("score", 50), -self.rules.index(rule)))
        return (best["action"], best) if best else ("nothing", None)

    def remember(self, payment):
        life = payment.life = self.life(payment.wallet["id"])
        if payment.operation == "deposit":
            life.deposits.append(self.now)
            return
        life.paid.append((self.now, payment.amount, payment.other, payment.operation))
        if payment.operation == "refund":
            life.shares.append((self.now, 0, payment.amount))
        if payment.operation == "purchase":
            self.life(payment.other).shares.append((self.now, payment.amount, 0))

    def write(self, payment, rule, action, principal, kept=None):
        id_ = self.make_id("anm", self.now)
        self.anomalies[id_] = {
            "id": id_, "status": "pending", "wallet": payment.wallet["id"], "action": action,
            "rule": rule["name"], "score": rule.get("score", 50), "amount": payment.amount,
            "currency": payment.wallet["currency"], "created_at": self.now, "kept": kept,
            "by": principal, "expires_at": self.now + 1000 * self.expires_in}
        return self.anomalies[id_]

    def reviewed(self, operation, fields, principal, if_match, in_batch):
        """As an operation that the ledger lets through, or what a rule makes of it."""
        before = self.snapshot()
        try:
            status, body = getattr(Ledger, "do_" + operation)(self, fields, principal, if_match)
        except Refusal:
            self.restore(before)
            raise
        after = self.snapshot()
        self.restore(before)
        payment = self.payment(operation, fields)
        action, rule = self.judge(payment)
        if action == "refuse":
            raise Refusal("refused_by_rule", rule=rule["name"])
        if action == "hold" and in_batch:
            raise Refusal("held_for_review", rule=rule["name"])
        if action == "hold":
            self.hold_money(payment.wallet, payment.amount)
            return 202, self.write(payment, rule, action, principal, (operation, fields))
        self.restore(after)
        self.remember(payment)
        if action == "flag":
            self.write(payment, rule, action, principal)
        return status, body

    def do_atomic(self, operations, principal):
        self.in_batch = True
        try:
            return super().do_atomic(operations, principal)
        finally:
            self.in_batch = False

    in_batch = False

    def do_capture(self, fields, principal, if_match):
        status, body = super().do_capture(fields, principal, if_match)
        merchant = self.holds[fields["hold"]]["merchant"]
        self.life(merchant).shares.append((self.now, body["amount"], 0))
        return status, body

    # What people decide.

    def free(self, anomaly):
        wallet = self.wallets[anomaly["wallet"]]
        wallet["held"] -= anomaly["amount"]
        wallet["version"] += 1

    def decide(self, verb, id_, principal):
        anomaly = self.find(self.anomalies, id_, "anomaly")
        if anomaly["status"] != "pending" or (anomaly["action"] == "hold") == (verb == "dismiss"):
            raise Refusal("anomaly_not_pending")
        if verb == "approve" and anomaly["by"] == principal:
            raise Refusal("second_principal_needed")
        if verb == "dismiss":
            anomaly["status"] = "dismissed"
            return
        self.free(anomaly)
        anomaly["status"] = "rejected"
        if verb == "approve":
            self.release(anomaly)

    def release(self, anomaly):
        operation, fields = anomaly["kept"]
        before = self.snapshot()
        try:
            getattr(Ledger, "do_" + operation)(self, fields, anomaly["by"], None)
        except Refusal as refusal:
            self.restore(before)
            self.anomalies[anomaly["id"]].update(status="refused", refusal=refusal.code)
            return
        if operation == "refund":  # all that was left then is what was asked
            fields = {**fields, "amount": anomaly["amount"]}
        payment = self.payment(operation, fields)
        payment.amount = anomaly["amount"]
        self.remember(payment)
        anomaly["status"] = "approved"

    def end_overdue(self, now):
        """Held payments that nobody came for in time."""
        over = [one for one in self.anomalies.values() if one["status"] == "pending"
                and one["action"] == "hold" and one["expires_at"] <= now]
        for one in over:
            self.free(one)
            one["status"] = "expired"
        return over


def add_reviewed(name):
    def run(self, fields, principal, if_match):
        return self.reviewed(name, fields, principal, if_match, self.in_batch)
    setattr(ReviewedLedger, "do_" + name, run)


for name_ in PAYMENTS:
    add_reviewed(name_)
