# SPDX-License-Identifier: MIT
"""Labelled traffic: a town of customers and shops lives for some weeks, and frauds of several kinds
are hidden in it. It knows nothing of any rule: frauds are written as criminals do them, with their
own amounts and times, and honest life has what looks a little like them: salaries, sales days,
rents, families that pass money on, collections for a present, payouts of a shop to its people, a
new flat, a new telephone, goods sent back, people who come back after months or have just joined.

`town(seed, days, customers)` returns wallets and events; an event is
    (second, operation, fraud)  with an operation of POST /v1/batches over names of wallets
and `fraud` the (kind, number) of its case, or None. An operation has a `number`, by which a refund
names its `purchase`."""

import random

DAY = 86400
KINDS = ("structuring", "payout-structuring", "circle", "mule", "fan-out", "shared-payout",
         "young-burst", "takeover", "card-testing", "sleeper", "refund-abuse", "cash-out")
LONG_AGO = -110 * DAY  # before the town is looked at


class Town:
    def __init__(self, seed, days, customers):
        self.random = random.Random(seed)
        self.days = days
        self.customers = [f"c{n}" for n in range(customers)]
        self.shops = [f"s{n}" for n in range(max(5, customers // 20))]
        self.wallets = [(-3 * DAY, name, "customer") for name in self.customers]
        self.wallets += [(LONG_AGO - DAY, name, "merchant") for name in self.shops]
        self.events = []
        self.number = 0
        self.strangers = 0
        self.account = {name: f"ACC{name}" for name in self.customers}
        for couple in range(0, customers - 1, 7):  # some share an account
            self.account[self.customers[couple + 1]] = self.account[self.customers[couple]]

    def add(self, at, fraud=None, **operation):
        self.number += 1
        operation["number"] = self.number
        if operation["type"] in ("deposit", "withdrawal"):
            account = operation.pop("account", None) or f"ACC{operation['wallet']}"
            operation["bank_transaction_id"] = f"{account}:{self.number}"
        self.events.append((int(at), operation, fraud))
        return self.number

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

    def large_days(self):
        """What happens to anybody once: a new flat, a telephone, a piece of furniture."""
        for name in self.random.sample(self.customers, len(self.customers) // 12):
            day = self.random.randrange(3, self.days)
            self.add(day * DAY + self.random.randint(30000, 70000), type="transfer", wallet=name,
                     to=self.random.choice(self.customers[:4]), amount=self.cents(500, 900))
        for name in self.random.sample(self.customers, len(self.customers) // 8):
            day = self.random.randrange(3, self.days)
            self.add(day * DAY + self.random.randint(30000, 70000), type="purchase", wallet=name,
                     merchant=self.random.choice(self.shops), amount=self.cents(200, 700))

    def goods_sent_back(self):
        bought = [(at, one) for at, one, _ in self.events if one["type"] == "purchase"]
        for at, one in self.random.sample(bought, len(bought) // 25):
            self.add(at + self.random.randint(1, 3) * DAY, type="refund", wallet=one["merchant"],
                     purchase=one["number"], amount=one["amount"])

    def comers_and_goers(self):
        for number in range(max(4, len(self.customers) // 20)):
            name = f"back{number}"  # was away for months, and buys something
            self.wallets.append((LONG_AGO, name, "customer"))
            self.add(LONG_AGO + 3000, type="deposit", wallet=name, amount=self.cents(300, 900))
            self.add(LONG_AGO + 9000, type="purchase", wallet=name, merchant=self.shops[0],
                     amount=self.cents(10, 50))
            day = self.random.randrange(1, self.days)
            for step in range(3):
                self.add(day * DAY + 40000 + step * 5000, type="purchase", wallet=name,
                         merchant=self.random.choice(self.shops), amount=self.cents(10, 60))
            name, day = f"new{number}", self.random.randrange(1, self.days - 1)
            self.wallets.append((day * DAY, name, "customer"))  # has just joined, and tries it out
            self.add(day * DAY + 40000, type="deposit", wallet=name, amount=self.cents(50, 300))
            self.add(day * DAY + 41800, type="purchase", wallet=name, merchant=self.shops[1],
                     amount=self.cents(10, 40))
            self.add(day * DAY + 120000, type="withdrawal", wallet=name, share=0.5)

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
        for victim in self.random.sample(self.customers, self.random.randint(10, 14)):
            amount = self.cents(20, 60)
            self.add(at + self.random.randint(0, 30000), fraud, type="transfer", wallet=victim,
                     to=who, amount=amount)
        for step, share in enumerate((0.47, 0.9)):  # of what is there
            self.add(at + 33000 + step * 1800, fraud, type="withdrawal", wallet=who, share=share)

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
        self.add(at, fraud, type="transfer", wallet=victim, to=thief,
                 share=self.random.uniform(0.9, 1.0))
        self.add(at + self.random.randint(300, 3000), fraud, type="withdrawal", wallet=thief,
                 share=self.random.uniform(0.9, 1.0))

    def card_testing(self, at, fraud):
        """Somebody tries in small steps what a stolen wallet still lets through."""
        victim = self.random.choice(self.customers[20:])
        for _ in range(self.random.randint(30, 45)):
            at += self.random.randint(5, 60)
            self.add(at, fraud, type="purchase", wallet=victim,
                     merchant=self.random.choice(self.shops), amount=self.cents(1, 4))

    def sleeper(self, at, fraud):
        """A wallet that its owner has forgotten is emptied."""
        name = f"sleeper{fraud[1]}"
        self.wallets.append((LONG_AGO, name, "customer"))
        self.add(LONG_AGO + 3000, type="deposit", wallet=name, amount=self.cents(400, 2000))
        for step in range(3):
            self.add(LONG_AGO + 9000 + step * 9000, type="purchase", wallet=name,
                     merchant=self.shops[0], amount=self.cents(10, 50))
        self.add(at, fraud, type="withdrawal", wallet=name, share=self.random.uniform(0.9, 1.0))

    def refund_abuse(self, at, fraud):
        """Whoever sits at the till of a small shop gives friends back what they bought."""
        till = f"till{fraud[1]}"
        self.wallets.append((-3 * DAY, till, "merchant"))
        day, bought = int(at) // DAY, []
        for before in range(max(0, day - 8), day):
            for name in self.random.sample(self.customers, 6):
                amount = self.cents(20, 60)
                number = self.add(before * DAY + self.random.randint(30000, 70000),
                                  type="purchase", wallet=name, merchant=till, amount=amount)
                bought.append((number, amount))
        for number, amount in self.random.sample(bought, len(bought) * 2 // 3):
            at += self.random.randint(200, 1200)
            self.add(at, fraud, type="refund", wallet=till, purchase=number, amount=amount)

    def cash_out(self, at, fraud):
        """Money from a stolen account goes in and out again before anybody calls the bank."""
        who = self.stranger(at - DAY)
        self.add(at, fraud, type="deposit", wallet=who, amount=self.cents(600, 2500))
        self.add(at + self.random.randint(300, 2400), fraud, type="withdrawal", wallet=who,
                 share=self.random.uniform(0.93, 1.0))

    def take_shares(self):
        """What is a share of what somebody has becomes an amount; everything in its order, and
        what he cannot pay does not happen."""
        has, made = {}, []
        for at, one, fraud in self.events:
            payer = None if one["type"] == "deposit" else one["wallet"]
            payee = one["wallet"] if payer is None else one.get("to", one.get("merchant"))
            if "share" in one:
                one["amount"] = int(has.get(payer, 0) * one.pop("share"))
            if payer is not None and not 0 < one["amount"] <= has.get(payer, 0):
                continue
            if payer is not None:
                has[payer] -= one["amount"]
            if payee is not None:
                has[payee] = has.get(payee, 0) + one["amount"]
            made.append((at, one, fraud))
        there = {one["number"] for _, one, _ in made}
        self.events = [event for event in made
                       if event[1]["type"] != "refund" or event[1]["purchase"] in there]

    def live(self, cases):
        self.salaries()
        self.shopping()
        self.friends()
        self.payouts()
        self.large_days()
        self.goods_sent_back()
        self.comers_and_goers()
        for kind in KINDS:
            for number in range(cases):
                at = self.random.randint(10, self.days - 2) * DAY + self.random.randint(0, 40000)
                getattr(self, kind.replace("-", "_"))(at, (kind, number))
        self.events.sort(key=lambda event: event[0])
        self.wallets.sort(key=lambda wallet: wallet[0])
        self.take_shares()
        return self


def town(seed, days=30, customers=200, cases=10):
    return Town(seed, days, customers).live(cases)
