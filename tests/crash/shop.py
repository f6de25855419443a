# SPDX-License-Identifier: MIT
"""A small shop for tests that need load: wallets with money, and workers that pay, hold, refund
and batch.

Every request has an idempotency key and a reference of its own, so that later each of them can be
looked for: it must be there once when it was answered, and whole or not at all when it was not.
"""

import json
import random
import threading

from client import Unreachable

LIST_KINDS = ("transactions", "holds", "withdrawals")


class Sent:
    """One request that was sent, and its answer if there was one."""

    __slots__ = ("target", "body", "key", "answer", "kind", "reference", "parts", "may_be_half",
                 "may_come_late")

    def __init__(self, kind, target, body, reference, parts=1):
        self.kind = kind
        self.target = target
        self.body = json.dumps(body).encode()
        self.key = "key-" + reference
        self.reference = reference
        self.parts = parts  # how many things carry the reference when it took effect
        self.may_be_half = False  # a batch that is not atomic; a retry finishes it
        self.may_come_late = False  # answered `busy` while it was on its way
        self.answer = None

    def send(self, client):
        """The answer, which is not kept here."""
        return client.post(self.target, self.body, key=self.key)

    def is_replay(self, again):
        """Whether this is the first answer again: byte for byte, or in a batch that is not atomic
        operation for operation."""
        if again.status != self.answer.status:
            return False
        if self.may_be_half:
            return ids_of(again) == ids_of(self.answer)
        return again.replayed and again.body == self.answer.body


def ids_of(answer):
    return [result.get("id") for result in answer["results"]]


class Shop:
    """Wallets that the workers use; made once, through the API."""
    def __init__(self, server, customers=24, merchants=4):
        self.server = server
        self.deposits = 0
        with server.client() as client:
            self.customers = [self.open(client, f"customer-{n}") for n in range(customers)]
            self.merchants = [
                self.open(client, f"merchant-{n}", "merchant") for n in range(merchants)
            ]
            for wallet in self.customers:
                answer = client.post("/v1/deposits", {
                    "wallet": wallet, "amount": 1_000_000, "bank_transaction_id": "start-" + wallet
                })
                assert answer.status == 201, answer

    @staticmethod
    def open(client, owner, kind="customer"):
        answer = client.post("/v1/wallets", {"owner": owner, "currency": "USD", "kind": kind})
        assert answer.status == 201, answer
        return answer["id"]


class Worker(threading.Thread):
    """Sends requests one after another until told to stop or the server is gone."""
    def __init__(self, shop, name, seed, limit=None):
        super().__init__(daemon=True)
        self.shop = shop
        self.prefix = name
        self.random = random.Random(seed)
        self.limit = limit
        self.sent = []
        self.holds = []
        self.purchases = []
        self.quit = threading.Event()
        self.trouble = None

    def run(self):
        try:
            with self.shop.server.client() as client:
                while not self.quit.is_set() and (self.limit is None
                                                  or len(self.sent) < self.limit):
                    sent = self.draw()
                    self.sent.append(sent)
                    sent.answer = sent.send(client)
                    self.learn(sent)
        except Unreachable:
            pass
        except Exception as error:  # shown by whoever joins
            self.trouble = error

    def learn(self, sent):
        if sent.answer.status == 201 and sent.kind == "hold":
            self.holds.append(sent.answer["id"])
        if sent.answer.status == 201 and sent.kind in ("purchase", "capture"):
            self.purchases.append(sent.answer["id"])

    def draw(self):
        reference = f"{self.prefix}-{len(self.sent)}"
        customer = self.random.choice(self.shop.customers)
        merchant = self.random.choice(self.shop.merchants)
        amount = self.random.randint(1, 50)
        kind = self.random.choices([
            "purchase", "deposit", "transfer", "hold", "capture", "refund", "withdrawal", "batch",
            "loose batch"
        ], [20, 12, 16, 12, 10, 10, 8, 6, 4])[0]
        if kind == "capture" and self.holds:
            hold = self.holds.pop()
            return Sent(kind, f"/v1/holds/{hold}/capture",
                        {"amount": 1, "final": self.random.random() < 0.5}, reference, 0)
        if kind == "refund" and self.purchases:
            purchase = self.random.choice(self.purchases[-10:])
            return Sent(kind, "/v1/refunds",
                        {"purchase": purchase, "amount": 1, "reference": reference}, reference)
        if kind == "deposit":
            return Sent(
                kind, "/v1/deposits", {
                    "wallet": customer, "amount": amount, "reference": reference,
                    "bank_transaction_id": "bank-" + reference
                }, reference)
        if kind == "hold":
            return Sent(kind, "/v1/holds", {
                "wallet": customer, "merchant": merchant, "amount": amount, "reference": reference
            }, reference)
        if kind == "withdrawal":
            return Sent(kind, "/v1/withdrawals",
                        {"wallet": customer, "amount": amount, "reference": reference}, reference)
        if kind in ("batch", "loose batch"):
            return self.draw_batch(reference, atomic=kind == "batch")
        if kind == "transfer":
            other = self.random.choice(
                [wallet for wallet in self.shop.customers if wallet != customer])
            return Sent(kind, "/v1/transfers",
                        {"from": customer, "to": other, "amount": amount, "reference": reference},
                        reference)
        return Sent(
            "purchase", "/v1/purchases", {
                "wallet": customer, "merchant": merchant, "amount": amount, "reference": reference,
                "order": reference
            }, reference)

    def draw_batch(self, reference, atomic):
        """Atomic: all of it or nothing. Loose: its beginning, and the rest by a retry."""
        count = self.random.choice([2, 5, 40])
        operations = []
        for index in range(count):
            payer, payee = self.random.sample(self.shop.customers, 2)
            # The amount says which one it is.
            operations.append({
                "type": "transfer", "from": payer, "to": payee, "amount": 1 + index,
                "reference": reference
            })
        body = {"operations": operations, "atomic": atomic}
        sent = Sent("batch", "/v1/batches", body, reference, count)
        sent.may_be_half = not atomic
        return sent


def in_parallel(items, action, threads=6):
    """Does the action with every item, each thread with a share; gives back what the actions
    raised."""
    errors = []

    def work(share):
        try:
            action(share)
        except Exception as error:  # the caller reports it
            errors.append(error)

    workers = [
        threading.Thread(target=work, args=(items[number::threads], ), daemon=True)
        for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        if worker.is_alive():
            errors.append(TimeoutError("a thread did not end within 120 s"))
    return errors


class Books:
    """Everything that the server shows, read through lists, with the sums done again."""
    def __init__(self, client):
        self.transactions = client.list("/v1/transactions?limit=1000")
        self.holds = client.list("/v1/holds?limit=1000")
        self.withdrawals = client.list("/v1/withdrawals?limit=1000")
        self.wallets = {wallet["id"]: wallet for wallet in client.list("/v1/wallets?limit=1000")}
        self.integrity = client.get("/check-integrity?depth=full")
        self.by_reference = {}
        self.amounts = {}
        for thing in self.transactions + self.holds + self.withdrawals:
            reference = thing.get("reference")
            # A capture or settlement may show the reference of its hold or withdrawal.
            if reference and "hold" not in thing and thing.get("type") != "withdrawal":
                self.by_reference.setdefault(reference, []).append(thing["id"])
                self.amounts.setdefault(reference, []).append(thing["amount"])

    def wrong(self):
        """A list of what does not add up."""
        wrong = []
        balances = {id_: 0 for id_ in self.wallets}
        versions = {id_: [] for id_ in self.wallets}
        for transaction in self.transactions:
            for side, sign in (("debit", -1), ("credit", 1)):
                account = transaction[side]["account"]
                if account in balances:
                    balances[account] += sign * transaction["amount"]
                    versions[account].append(
                        (transaction[side]["version"], transaction[side]["balance"]))
        held = {id_: 0 for id_ in self.wallets}
        for hold in self.holds:
            if hold["status"] == "open":
                held[hold["wallet"]] += hold["remaining"]
        for withdrawal in self.withdrawals:
            if withdrawal["status"] == "pending":
                held[withdrawal["wallet"]] += withdrawal["amount"]
        for id_, wallet in self.wallets.items():
            if wallet["balance"] != balances[id_]:
                wrong.append(f"{id_}: balance {wallet['balance']}, but its transactions sum up to "
                             f"{balances[id_]}")
            if wallet["held"] != held[id_]:
                wrong.append(
                    f"{id_}: held {wallet['held']}, its holds and withdrawals sum up to {held[id_]}"
                )
            numbers = [version for version, _ in versions[id_]]
            if numbers != sorted(set(numbers), reverse=True):
                wrong.append(
                    f"{id_}: the versions of its transactions don't descend: {numbers[:20]}")
            if versions[id_] and versions[id_][0][1] != wallet["balance"]:
                wrong.append(f"{id_}: balance {wallet['balance']}, but its last transaction says "
                             f"{versions[id_][0]}")
        ids = [thing["id"] for thing in self.transactions]
        if len(ids) != len(set(ids)):
            wrong.append("a transaction is listed twice")
        return wrong
