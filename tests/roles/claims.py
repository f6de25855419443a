# SPDX-License-Identifier: MIT
"""Principals whose role changes while their name stays: a token says each time anew who its holder
is. What he asked for as somebody else is not his to see, and he is still the same principal."""

import os

import florin
import tokens

ISSUER = "https://id.example"


class Holder:
    """One subject, whose tokens say different things of him."""
    def __init__(self):
        home = florin.folder()
        self.key = tokens.Key(home, "ES256", "k1")
        self.path = os.path.join(home, "keys.json")
        tokens.write_set(self.path, [self.key])

    def config(self):
        return {"approvals": {"above": {"USD": 1000}}, "tokens": [{
            "issuer": ISSUER, "audience": "florin", "keys": self.path, "role_claim": "groups",
            "roles": {"till": "service", "boss": "operator", "buyer": "customer"},
            "owner_claim": "shop"}]}

    def token(self, group, **more):
        return self.key.token(tokens.claims(ISSUER, sub="sam", groups=group, **more))


def changed(report, binary):
    holder = Holder()
    with florin.serving(florin=binary, config=holder.config()) as server:
        play(report, server, holder)
        with server.client() as admin:
            books = admin.get("/check-integrity?depth=full")
            report.check("the books are consistent", books.json["consistent"], books)


def play(report, server, holder):
    service = server.client(holder.token("till"))
    wallets = {owner: service.post("/v1/wallets", {"owner": owner, "currency": "USD",
                                                   "kind": kind})["id"]
               for owner, kind in (("ann", "customer"), ("bob", "customer"),
                                   ("shop", "merchant"))}
    for owner in ("ann", "bob"):
        for number in range(2):
            service.post("/v1/deposits", {"wallet": wallets[owner], "amount": 1000,
                                          "bank_transaction_id": f"{owner}-{number}"})
    ann, bob, shop = wallets["ann"], wallets["bob"], wallets["shop"]
    asked = {
        "transfer": ("/v1/transfers", {"from": bob, "to": ann, "amount": 5}),
        "withdrawal": ("/v1/withdrawals", {"wallet": bob, "amount": 6}),
        "refusal": ("/v1/purchases", {"wallet": bob, "merchant": shop, "amount": 99999}),
        "approval": ("/v1/purchases", {"wallet": bob, "merchant": shop, "amount": 1001}),
        "batch": ("/v1/batches", {"atomic": True, "operations": [
            {"type": "transfer", "from": bob, "to": ann, "amount": 7},
            {"type": "withdrawal", "wallet": bob, "amount": 8}]}),
    }
    first = {name: service.post(path, body, key=name) for name, (path, body) in asked.items()}
    report.equal("as a till", [answer.status for answer in first.values()],
                 [201, 201, 422, 202, 200])
    own = service.post("/v1/purchases", {"wallet": ann, "merchant": shop, "amount": 30}, key="own")

    # Bob's are not his any more; what he asked of ann's wallet is, as somebody bound sees it.
    buyer = server.client(holder.token("buyer", shop="ann"))
    for name, (path, body) in asked.items():
        again = buyer.post(path, body, key=name)
        sees = name == "transfer"  # it was paid to ann
        report.equal(f"{name} as a buyer", (again.code, again.replayed),
                     (None, True) if sees else ("not_found", False), again)
        if not sees:
            report.check(f"{name}: no number is told", "balance" not in again.body.decode()
                         and "99999" not in again.body.decode(), again)
    seen = buyer.post(*asked["transfer"], key="transfer")
    report.equal("the payer's side is hidden", (seen["debit"], sorted(seen["credit"])),
                 ({"account": bob}, ["account", "balance", "version"]), seen)
    replay = buyer.post("/v1/purchases", {"wallet": ann, "merchant": shop, "amount": 30},
                        key="own")
    report.equal("his own purchase", (replay.status, replay["id"], replay["credit"]),
                 (201, own["id"], {"account": shop}), replay)
    report.equal("by himself", replay["initiated_by"], f"jwt:{ISSUER}|sam")
    report.equal("the till sees it all", service.post(*asked["batch"], key="batch").json,
                 first["batch"].json)

    # He is the same principal, whatever his role is now.
    boss = server.client(holder.token("boss"))
    mine = boss.post(f"/v1/approvals/{first['approval']['id']}/approve", {})
    report.equal("nobody approves his own, in another role neither", mine.code,
                 "second_principal_needed", mine)
    with server.client() as admin:
        done = admin.post(f"/v1/approvals/{first['approval']['id']}/approve", {})
        report.equal("somebody else does", (done.status, done.get("status")), (200, "approved"),
                     done)
        moved = admin.get(f"/v1/transactions/{done['transaction']}")
        report.equal("as who asked", moved["initiated_by"], f"jwt:{ISSUER}|sam", moved)
    for client in (service, buyer, boss):
        client.close()
