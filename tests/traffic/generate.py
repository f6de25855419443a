# SPDX-License-Identifier: MIT
"""Labelled traffic: a town of customers and shops lives for some weeks, and frauds of several kinds
are hidden in it. It knows nothing of any rule: frauds are written as criminals do them, with their
own amounts and times, and honest life has what looks a little like them: salaries, sales days,
rents, families that pass money on, collections for a present, payouts of a shop to its people.

`town(seed, days, customers)` returns wallets and events; an event is
    (second, operation, fraud)  with an operation of POST /v1/batches over names of wallets
and `fraud` the (kind, number) of its case, or None."""

import random

DAY = 86400
KINDS = ("structuring", "payout-structuring", "circle", "mule", "fan-out", "shared-payout",
         "young-burst", "takeover")


class Town:
    def __init__(self, seed, days, customers):
        self.random = random.Random(seed)
        self.days = days
        self.customers = [f"c{n}" for n in range(customers)]
        self.shops = [f"s{n}" for n in range(max(5, customers // 20))]
        self.wallets = [(-3 * DAY, name, "customer") for name in self.customers]
        self.wallets += [(-3 * DAY, name, "merchant") for name in self.shops]
        self.events = []
        self.number = 0
        self.strangers = 0
        self.account = {name: f"ACC{name}" for name in self.customers}
        for couple in range(0, customers - 1, 7):  # some share an account
            self.account[self.customers[couple + 1]] = self.account[self.customers[couple]]

    def add(self, at, fraud=None, **operation):
        self.number += 1
        if operation["type"] in ("deposit", "withdrawal"):
            account = operation.pop("account", None) or f"ACC{operation['wallet']}"
            operation["bank_transaction_id"] = f"{account}:{self.number}"
        self.events.append((int(at), operation, fraud))

    def stranger(self, at):
        """A wallet that is opened for a fraud."""
        self.strangers += 1
        name = f"x{self.strangers}"
        self.wallets.append((int(at), name, "customer"))
        return name

    def cents(self, low, high):
        return self.random.randint(low * 100, high * 100)

    # Honest life.

    def salaries(self):
        for index, name in enumerate(self.customers):
            pay = self.cents(1500, 4000)
            for first in range(-(index % 3), self.days, 30):
                self.add(max(0, first) * DAY + self.random.randint(1, 20000), type="deposit",
                         wallet=name, amount=pay, account=f"EMPLOYER{index % 4}")

    def shopping(self):
        for day in range(self.days):
            season = 3 if day % 30 in (12, 13) else 2 if day % 7 in (5, 6) else 1  # sales, weekends
            for name in self.customers:
                for _ in range(self.random.choice((0, 0, 1, 1, 2)) * season):
                    shop = self.random.choice(self.shops[:3] if season == 3 else self.shops)
                    price = self.random.choice((499, 999, 1999, 2999)) if season == 3 else \
                        self.cents(3, 60)
                    self.add(day * DAY + self.random.randint(28800, 82800), type="purchase",
                             wallet=name, merchant=shop, amount=price)

    def friends(self):
        for day in range(self.days):
            for _ in range(len(self.customers) // 10):
                one, two, three = self.random.sample(self.customers, 3)
                at = day * DAY + self.random.randint(30000, 80000)
                amount = self.cents(5, 40)
                self.add(at, type="transfer", wallet=one, to=two, amount=amount)
                if self.random.random() < 0.2:  # it goes round, small
                    self.add(at + 3000, type="transfer", wallet=two, to=three, amount=amount)
                    self.add(at + 6000, type="transfer", wallet=three, to=one, amount=amount)
        for landlord in self.customers[:4]:
            tenants = self.random.sample(self.customers[10:], 5)
            for first in range(2, self.days, 30):
                for tenant in tenants:
                    self.add(first * DAY + self.random.randint(0, 50000), type="transfer",
                             wallet=tenant, to=landlord, amount=60000)
        for host in self.customers[4:8]:  # a collection, and the present is bought
            day = self.random.randrange(self.days)
            for guest in self.random.sample(self.customers[10:], 9):
                self.add(day * DAY + self.random.randint(30000, 60000), type="transfer",
                         wallet=guest, to=host, amount=self.cents(10, 20))
            self.add(day * DAY + 70000, type="purchase", wallet=host, merchant=self.shops[0],
                     amount=self.cents(60, 80))

    def payouts(self):
        for name in self.customers:
            for day in range(self.random.randrange(14), self.days, 14):
                self.add(day * DAY + self.random.randint(30000, 80000), type="withdrawal",
                         wallet=name, amount=self.cents(20, 200), account=self.account[name])
        for shop in self.shops:  # shops pay out what they took, and their people
            for day in range(6, self.days, 7):
                self.add(day * DAY + 84000, type="withdrawal", wallet=shop,
                         amount=self.cents(100, 400))
            for first in range(27, self.days, 30):
                for worker in self.random.sample(self.customers, 10):
                    self.add(first * DAY + 30000 + self.random.randint(0, 3000), type="transfer",
                             wallet=shop, to=worker, amount=1500)

    # Frauds.

    def structuring(self, at, fraud):
        who = self.stranger(at - 3 * DAY)
        for step in range(self.random.randint(5, 8)):
            self.add(at + step * self.random.randint(2000, 7000), fraud, type="deposit",
                     wallet=who, amount=self.cents(9000, 9990))

    def payout_structuring(self, at, fraud):
        who = self.stranger(at - 3 * DAY)
        count = self.random.randint(5, 7)
        self.add(at - 7200, fraud, type="deposit", wallet=who, amount=count * 1000000)
        for step in range(count):
            self.add(at + step * self.random.randint(2000, 7000), fraud, type="withdrawal",
                     wallet=who, amount=self.cents(9000, 9950))

    def circle(self, at, fraud):
        ring = [self.stranger(at - 9 * DAY) for _ in range(self.random.randint(3, 5))]
        amount = self.cents(800, 3000)
        self.add(at - 3600, fraud, type="deposit", wallet=ring[0], amount=amount)
        for step, payer in enumerate(ring):
            at += self.random.randint(900, 4000)
            self.add(at, fraud, type="transfer", wallet=payer, to=ring[(step + 1) % len(ring)],
                     amount=amount)
            amount -= amount // self.random.randint(25, 60)

    def mule(self, at, fraud):
        who = self.stranger(at - 5 * DAY)
        total = 0
        for victim in self.random.sample(self.customers, self.random.randint(10, 14)):
            amount = self.cents(20, 60)
            total += amount
            self.add(at + self.random.randint(0, 30000), fraud, type="transfer", wallet=victim,
                     to=who, amount=amount)
        for step in range(2):
            self.add(at + 33000 + step * 1800, fraud, type="withdrawal", wallet=who,
                     amount=total * 47 // 100)

    def fan_out(self, at, fraud):
        who = self.stranger(at - 4 * DAY)
        count = self.random.randint(10, 14)
        amount = self.cents(100, 300)
        self.add(at - 4000, fraud, type="deposit", wallet=who, amount=amount * count)
        for step in range(count):
            self.add(at + step * 150, fraud, type="transfer", wallet=who,
                     to=self.stranger(at - 2 * DAY), amount=amount)

    def shared_payout(self, at, fraud):
        account = f"MULE{fraud[1]}"
        for _ in range(self.random.randint(6, 9)):
            who = self.stranger(at - 6 * DAY)
            amount = self.cents(80, 400)
            start = at + self.random.randint(0, 40000)
            self.add(start, fraud, type="deposit", wallet=who, amount=amount)
            self.add(start + 5000, fraud, type="withdrawal", wallet=who, amount=amount,
                     account=account)

    def young_burst(self, at, fraud):
        shop = self.random.choice(self.shops)
        for step in range(self.random.randint(14, 20)):
            who = self.stranger(at - 3000)
            self.add(at - 1500 + step, fraud, type="deposit", wallet=who, amount=5000)
            self.add(at + step * 30, fraud, type="purchase", wallet=who, merchant=shop,
                     amount=self.cents(30, 49))

    def takeover(self, at, fraud):
        """Somebody else has the key: all that is there goes to a wallet never paid before."""
        victim = self.random.choice(self.customers[20:])
        thief = self.stranger(at - DAY)
        self.add(at - 20, fraud, type="deposit", wallet=victim, amount=self.cents(2500, 4000))
        self.add(at, fraud, type="transfer", wallet=victim, to=thief, amount=240000)
        self.add(at + 600, fraud, type="withdrawal", wallet=thief, amount=230000)

    def live(self, cases):
        self.salaries()
        self.shopping()
        self.friends()
        self.payouts()
        for kind in KINDS:
            for number in range(cases):
                at = self.random.randint(10, self.days - 2) * DAY + self.random.randint(0, 40000)
                getattr(self, kind.replace("-", "_"))(at, (kind, number))
        self.events.sort(key=lambda event: event[0])
        self.wallets.sort(key=lambda wallet: wallet[0])
        return self


def town(seed, days=30, customers=200, cases=10):
    return Town(seed, days, customers).live(cases)
