# SPDX-License-Identifier: MIT
"""The same seeded requests to both engines: every answer must be the same but for ids and times,
and so must everything that can be read at the end."""

import json
import random
import re
import subprocess

import florin
import rules

ID = re.compile(r"\b(wallet|txn|hold|wdl|key|anm)_[0-9a-z]{26}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LISTS = ("wallets", "transactions", "holds", "withdrawals", "anomalies")
# What a wallet usually does decides here, so counters that differ are seen in answers, too.
RULES = [
    rules.rule("many", count_in_week=12),
    rules.rule("above-mean", percent_of_mean=400, payments_before=3),
    rules.rule("large-week", "hold", sum_in_week=2000, operations=["withdrawal"]),
    rules.rule("stranger", "refuse", new_counterparty=True, payments_before=9, amount=150,
               operations=["transfer"]),
    rules.rule("many-refunds", "refuse", percent_of_sales=60, payments_before=4,
               operations=["refund"]),
    rules.rule("drained", percent_of_available=90, shadow=True)]


class Side:
    """One server, and what its ids are called on both sides: the order in which they came."""
    def __init__(self, server):
        self.server = server.start()
        self.client = server.client()
        self.names = {}
        self.known = {"wallet": [], "txn": [], "hold": [], "wdl": []}

    def name(self, match):
        text = match.group(0)
        if text not in self.names:
            self.names[text] = f"<{match.group(1)} {len(self.names)}>"
            self.known.setdefault(match.group(1), []).append(text)
        return self.names[text]

    def play(self, request):
        """Fills in ids by place; the answer with names in place of ids and times."""
        method, target, body, key = request
        fill = lambda match: self.place(match.group(1), int(match.group(2)))  # noqa: E731
        target = re.sub(r"@(\w+):(\d+)", fill, target)
        text = None if body is None else re.sub(r"@(\w+):(\d+)", fill, json.dumps(body))
        if method == "GET":
            answer = self.client.get(target)
        else:
            answer = self.client.request(method, target, text.encode(),
                                         {"Idempotency-Key": key} if key else {})
        shown = TIME.sub("<time>", answer.body.decode())
        shown = re.sub(r'"(request_id|took_ms)":("[^"]*"|\d+)', r'"\1":0', shown)
        return answer.status, answer.replayed, ID.sub(self.name, shown)

    def place(self, kind, number):
        known = self.known[kind]
        return known[number % len(known)] if known else f"{kind}_" + "0" * 26


class Requests:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0
        self.keys = []

    def some(self, kind):
        return f"@{kind}:{self.random.randrange(1000)}"

    def operation(self):
        self.count += 1
        amount = self.random.choice([1, 5, 30, 200, 100_000, 2**53 - 1])
        wallets = {"from": self.some("wallet"), "to": self.some("wallet"), "amount": amount}
        bank = self.random.choice([None, f"bank-{self.random.randrange(300)}"])
        return self.random.choice([
            ("deposit", {"wallet": self.some("wallet"), "amount": amount,
                         "bank_transaction_id": f"bank-{self.random.randrange(400)}"}),
            ("deposit", {"wallet": self.some("wallet"), "amount": 500,
                         "bank_transaction_id": f"own-{self.count}"}),
            ("withdrawal", {"wallet": self.some("wallet"), "amount": amount,
                            **({"bank_transaction_id": bank} if bank else {})}),
            ("purchase", {"wallet": self.some("wallet"), "merchant": self.some("wallet"),
                          "amount": amount, "order": f"order-{self.random.randrange(40)}"}),
            ("transfer", wallets),
            ("transfer", wallets),
            ("hold", {"wallet": self.some("wallet"), "merchant": self.some("wallet"),
                      "amount": amount, "order": f"order-{self.random.randrange(40)}"}),
            ("refund", {"purchase": self.some("txn"),
                        **({} if self.random.random() < 0.3 else {"amount": amount})}),
        ])

    def draw(self):
        kind = self.random.randrange(20)
        key = f"key-{self.count}"
        if self.keys and self.random.random() < 0.1:
            key = self.random.choice(self.keys)
        self.keys.append(key)
        key = self.random.choice([key, None])
        if kind == 0:
            return "POST", "/v1/wallets", {
                "owner": f"owner-{self.random.randrange(30)}",
                "currency": self.random.choice(["USD", "USD", "JPY"]),
                "kind": self.random.choice(["customer", "merchant"]),
                "credit_limit": self.random.choice([0, 0, 300]),
                "tier": self.random.choice([0, 0, 3])}, key
        if kind == 1:
            return "PATCH", "/v1/wallets/" + self.some("wallet"), self.random.choice([
                {"status": "frozen"}, {"status": "active"}, {"status": "closed"},
                {"credit_limit": 50}, {"tier": 15}, {"tier": 0}, {"metadata": {"a": "b"}}]), key
        if kind == 2:
            return "POST", f"/v1/holds/{self.some('hold')}/" + self.random.choice(
                ["capture", "void"]), {}, key
        if kind == 3:
            verb, body = self.random.choice(
                [("settle", {"bank_transaction_id": f"bank-{self.random.randrange(300)}"}),
                 ("fail", {"reason": "no"})])
            return "POST", f"/v1/withdrawals/{self.some('wdl')}/{verb}", body, key
        if kind in (4, 5):
            operations = [self.operation() for _ in range(self.random.randrange(1, 30))]
            return "POST", "/v1/batches", {
                "atomic": kind == 4,
                "operations": [{"type": name, **body} for name, body in operations]}, key
        if kind == 6:
            place, name = self.random.choice([("wallets", "wallet"), ("transactions", "txn"),
                                              ("holds", "hold"), ("withdrawals", "wdl")])
            return "GET", f"/v1/{place}/{self.some(name)}", None, None
        if kind == 7:
            return "GET", self.random.choice([
                f"/v1/wallets/{self.some('wallet')}/transactions?limit=7",
                f"/v1/transactions?order=order-{self.random.randrange(40)}&limit=5",
                f"/v1/transactions?bank_transaction_id=bank-{self.random.randrange(300)}",
                f"/v1/holds?order=order-{self.random.randrange(40)}&status=open",
                f"/v1/withdrawals?wallet={self.some('wallet')}&status=settled",
                f"/v1/wallets?owner=owner-{self.random.randrange(30)}",
                f"/v1/wallets/{self.some('wallet')}/balance",
            ]), None, None
        name, body = self.operation()
        return "POST", f"/v1/{name}s", body, key


def without_cursor(answer):
    """Whether a full page has another one behind it may be known or not; cursors are opaque."""
    return answer[0], answer[1], re.sub(r',?"next_cursor":("[^"]*"|null)', "", answer[2])


def nameless(line):
    """No answer names what rules have found in a batch, so lists do, each in its own order."""
    return re.sub("<anm [0-9]+>", "<anm>", line)


def listed(side, name):
    return [TIME.sub("<time>", ID.sub(side.name, json.dumps(item)))
            for item in side.client.list(f"/v1/{name}?limit=100")]


def compare(report, one, two, seed, steps, in_order=True):
    """`in_order`: what one batch did stands in lists in its order, too."""
    requests = Requests(seed)
    statuses = {}
    for step in range(steps):
        request = requests.draw()
        left, right = (without_cursor(side.play(request)) for side in (one, two))
        statuses[left[0]] = statuses.get(left[0], 0) + 1
        if left != right:
            report.fail(f"seed {seed}, step {step}",
                        f"{request}\nembedded {left}\npostgres {right}")
            return
    report.ok()
    print(f"differential: seed {seed}: {steps} requests, answers {statuses}", flush=True)
    for name in LISTS:
        shown = [listed(side, name) if in_order else sorted(map(nameless, listed(side, name)))
                 for side in (one, two)]
        report.check(f"all {name} are the same", shown[0] == shown[1],
                     lambda shown=shown: [pair for pair in zip(*shown) if pair[0] != pair[1]][:3])
    sums = [florin.integrity_by_currency(side.client.get("/check-integrity?depth=full").json)
            for side in (one, two)]
    report.equal("the sums are the same", sums[0], sums[1])


def state_hash(binary, *words):
    done = subprocess.run([binary, "state-hash", *words], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout.strip(), done.stderr.strip().splitlines()[-1]


def compare_states(report, binary, folder, url):
    """One hash of everything, of both engines, whose ids and times differ; and of each alone."""
    one, counts_of_one = state_hash(binary, folder, "--ignore", "names")
    two, counts_of_two = state_hash(binary, "--postgres", url, "--ignore", "names")
    report.equal("both are as large", counts_of_one, counts_of_two)
    report.equal("the hash of the whole state is the same", one, two)
    for words in ((folder, ), ("--postgres", url)):
        with_names = state_hash(binary, *words)[0]
        report.equal("the same again", with_names, state_hash(binary, *words)[0])
        report.check("with ids it is another", with_names != one)
    print(f"differential: both states are {one[:16]}..., {counts_of_one}", flush=True)
