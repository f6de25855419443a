# SPDX-License-Identifier: MIT
"""Payments of all kinds, and how many changes each wallet has seen of them: for whoever checks that
all of them are told."""


class Payments:
    """Made at a server by a payer and a shop. `versions` says what each wallet has come to."""
    def __init__(self, server):
        self.server = server
        self.versions, self.number = {}, 0

    def begin(self, shop="shop"):
        self.server.start()
        self.key = self.server.admin_secret
        self.payer = self.open("ann", "customer")
        self.shop = self.open(shop, "merchant")

    def ask(self, method, path, body=None, **more):
        with self.server.client(self.key) as client:
            return client.request(method, path, body, **more)

    def post(self, path, body, expect=(200, 201), **more):
        answer = self.ask("POST", path, body, **more)
        if answer.status not in expect:
            raise AssertionError(f"{path}: {answer}")
        return answer.json

    def open(self, owner, kind):
        wallet = self.post("/v1/wallets", {"owner": owner, "currency": "EUR", "kind": kind})["id"]
        self.versions[wallet] = 1
        return wallet

    def touched(self, *wallets):
        for wallet in wallets:
            self.versions[wallet] += 1

    def deposit(self, amount=1, wallet=None, **more):
        self.number += 1
        wallet = wallet or self.payer
        made = self.post("/v1/deposits", {"wallet": wallet, "amount": amount,
                                          "bank_transaction_id": f"B{self.number}"}, **more)
        self.touched(wallet)
        return made

    def purchase(self, amount=1):
        made = self.post("/v1/purchases", {"wallet": self.payer, "merchant": self.shop,
                                           "amount": amount})
        self.touched(self.payer, self.shop)
        return made["id"]

    def of_each_kind(self):
        """Whatever a payer with 1,000 can do; returns his purchase, and whom else he has paid."""
        purchase = self.purchase(300)
        self.post("/v1/refunds", {"purchase": purchase, "amount": 100})
        self.touched(self.payer, self.shop)
        other = self.open("bob", "customer")
        self.post("/v1/transfers", {"from": self.payer, "to": other, "amount": 10})
        self.touched(self.payer, other)
        hold = self.post("/v1/holds", {"wallet": self.payer, "merchant": self.shop, "amount": 50})
        self.touched(self.payer)
        self.post(f"/v1/holds/{hold['id']}/capture", {"amount": 20, "final": False})
        self.touched(self.payer, self.shop)
        self.post(f"/v1/holds/{hold['id']}/void", {})
        self.touched(self.payer)
        pending = self.post("/v1/withdrawals", {"wallet": self.payer, "amount": 30})
        self.touched(self.payer)
        self.post(f"/v1/withdrawals/{pending['id']}/fail", {"reason": "no such account"})
        self.touched(self.payer)
        return purchase, other
