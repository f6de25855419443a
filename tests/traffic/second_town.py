# SPDX-License-Identifier: MIT
"""A second town, written apart from the first one (generate.py), from shapes that are known of
shopping instead of hand-picked amounts:

- baskets are log-normal (median 27.00, sigma 0.95); how much a person spends follows another
  log-normal, how often a negative binomial (a Gamma rate per person, then Poisson per day);
- merchants are Zipf (exponent 1.1), and half of a person's purchases go back to his favourites;
- days have a week (Friday and Saturday are strong, Sunday is weak), a year (a swell towards a feast
  in the middle of the time that is played) and two sales days with three times the purchases and
  smaller, rounder prices; hours have two humps, at noon and in the evening;
- pay comes on the last working day of a month or every second Friday, and people pay out or pass on
  more in the days after it; who has little left waits;
- people know each other in households and in a circle of friends of Pareto size; small traders are
  paid by many and pay their suppliers; marketplaces pay out to sellers once a week; lotteries and
  clubs collect; some people travel, and pay more, and elsewhere, for a week;
- newcomers join all the time, some leave, some come back.

Frauds have parameters of their own, too: see FRAUDS. An event is as in generate.py."""

import math
import random

DAY = 86400
LONG_AGO = -120 * DAY
HOURS = [1, 1, 1, 1, 1, 2, 4, 8, 14, 20, 26, 34, 40, 34, 26, 22, 24, 30, 38, 44, 42, 30, 14, 5]
WEEK = [0.9, 0.9, 0.95, 1.0, 1.3, 1.45, 0.6]  # from Monday
FRAUDS = {
    "smurfing": "deposits of one wallet below 10,000.00, log-uniform from 8,000, over half a day",
    "slicing-out": "a large sum leaves in slices below 10,000.00 at irregular times of a day",
    "layering": "money walks through four to seven wallets and comes home, losing fees",
    "romance": "eight to twenty victims send lognormal sums to one wallet, which empties itself",
    "salary-of-mules": "one wallet pays a crew of eight to twenty-five at once",
    "bank-nest": "five to twelve new wallets fill and pay out to one account in the same day",
    "bot-farm": "a dozen to forty wallets of an hour's age buy the same gift cards",
    "hijack": "an established wallet sends nearly everything to somebody it never met",
    "carding": "eighteen to sixty tiny purchases within an hour from one wallet",
    "inheritance": "a wallet that slept for a hundred days is emptied by a transfer",
    "till-collusion": "a small merchant gives back most of what it sold, over a week",
    "flash-cash": "a deposit leaves within the hour from a wallet that never withdrew",
}


class SecondTown:
    def __init__(self, seed, days, people):
        self.random = random.Random(f"second town {seed}")
        self.days, self.number, self.strangers = days, 0, 0
        self.events, self.wallets = [], []
        self.people = [f"p{n}" for n in range(people)]
        self.merchants = [f"m{n}" for n in range(max(12, people // 8))]
        self.weights = [1 / (rank + 1) ** 1.1 for rank in range(len(self.merchants))]
        self.joined = {}
        for name in self.people:
            late = self.random.random() < 0.12
            self.joined[name] = self.random.uniform(0, days - 1) if late else -3
            self.wallets.append((int(self.joined[name] * DAY), name, "customer"))
        self.wallets += [(LONG_AGO - DAY, name, "merchant") for name in self.merchants]
        self.means = {name: self.random.lognormvariate(0, 0.45) for name in self.people}
        self.rates = {name: self.random.gammavariate(1.6, 0.45) for name in self.people}
        self.favourites = {name: self.random.choices(self.merchants, self.weights, k=4)
                           for name in self.people}
        self.incomes = {name: self.random.lognormvariate(7.75, 0.4) for name in self.people}
        self.accounts = {name: f"IBAN{name}" for name in self.people}
        self.households = []
        left = self.people[:]
        self.random.shuffle(left)
        while left:
            size = self.random.choices((1, 2, 3, 4), (40, 34, 13, 13))[0]
            home, left = left[:size], left[size:]
            self.households.append(home)
            if len(home) > 1 and self.random.random() < 0.4:  # one account for all
                for name in home:
                    self.accounts[name] = self.accounts[home[0]]
        self.friends = {name: self.random.sample(
            self.people, min(12, 2 + int(self.random.paretovariate(1.4)))) for name in self.people}

    def add(self, at, fraud=None, **operation):
        self.number += 1
        operation["number"] = self.number
        if operation["type"] in ("deposit", "withdrawal"):
            account = operation.pop("account", None) or f"IBAN{operation['wallet']}"
            operation["bank_transaction_id"] = f"{account}:{self.number}"
        if "amount" in operation:
            operation["amount"] = max(1, int(operation["amount"]))
        self.events.append((int(at), operation, fraud))
        return self.number

    def hour(self, day):
        return day * DAY + self.random.choices(range(24), HOURS)[0] * 3600 + \
            self.random.randrange(3600)

    def poisson(self, mean):
        bound, count, product = math.exp(-mean), 0, self.random.random()
        while product > bound:
            product *= self.random.random()
            count += 1
        return count

    def is_here(self, name, day):
        return self.joined[name] <= day

    def season(self, day):
        feast = self.days * 0.55
        return WEEK[day % 7] * (1 + 0.5 * math.exp(-((day - feast) / 6) ** 2))

    # ---- honest life ----------------------------------------------------------------------------

    def pay_days(self, name):
        if hash_of(name) % 3 == 0:  # every second Friday
            return [day for day in range(self.days) if day % 14 == 4]
        return [day for day in range(self.days) if day % 30 == 27] + [0]

    def incomes_come(self):
        for name in self.people:
            days = self.pay_days(name)
            self.add(max(0, self.joined[name]) * DAY + 300, type="deposit", wallet=name,
                     amount=100 * self.random.lognormvariate(6, 0.8))  # savings
            for day in days:
                if self.is_here(name, day):
                    self.add(day * DAY + self.random.randint(3600, 30000), type="deposit",
                             wallet=name, account=f"PAYROLL{hash_of(name) % 7}",
                             amount=100 * self.incomes[name] * len(days) ** -0.5)
            if self.joined[name] > 0:
                self.add(self.joined[name] * DAY + self.random.randint(600, 40000),
                         type="deposit", wallet=name,
                         amount=100 * self.random.lognormvariate(4.6, 0.7))

    def shopping(self):
        travels = {name: self.random.randrange(self.days) for name in
                   self.random.sample(self.people, len(self.people) // 15)}
        sales = {int(self.days * 0.35), int(self.days * 0.8)}
        for day in range(self.days):
            for name in self.people:
                away = 0 <= day - travels.get(name, self.days) < 7
                rate = self.rates[name] * self.season(day) * (3 if day in sales else 1) * \
                    (2 if away else 1)
                for _ in range(self.poisson(rate) if self.is_here(name, day) else 0):
                    at = self.hour(day)
                    basket = 100 * self.means[name] * self.random.lognormvariate(3.3, 0.95)
                    if day in sales:
                        basket = round(basket * 0.7 / 500) * 500 + 499
                    shop = self.random.choice(self.favourites[name]) \
                        if not away and self.random.random() < 0.5 \
                        else self.random.choices(self.merchants, self.weights)[0]
                    number = self.add(at, type="purchase", wallet=name, merchant=shop,
                                      amount=basket * (1.6 if away else 1))
                    if self.random.random() < 0.035:  # it does not fit
                        self.add(at + self.random.expovariate(1 / (4 * DAY)) + DAY, type="refund",
                                 wallet=shop, purchase=number, amount=self.events[-1][1]["amount"])

    def between_people(self):
        for day in range(self.days):
            for name in self.people:
                after_pay = any(0 <= day - pay < 4 for pay in self.pay_days(name))
                if not self.is_here(name, day) or \
                        self.random.random() > (0.09 if after_pay else 0.03):
                    continue
                self.add(self.hour(day), type="transfer", wallet=name,
                         to=self.random.choice(self.friends[name]),
                         amount=100 * self.random.lognormvariate(3.1, 0.8))
        for home in self.households:
            for day in range(self.random.randrange(7), self.days, 7):  # for the household
                for name in home[1:]:
                    self.add(self.hour(day), type="transfer", wallet=name, to=home[0],
                             amount=100 * self.random.lognormvariate(4.0, 0.3))
            if len(home) > 1:
                for first in range(1, self.days, 30):  # the rent goes to a landlord
                    self.add(first * DAY + self.random.randint(20000, 60000), type="transfer",
                             wallet=home[0], to=self.people[hash_of(home[0]) % 9],
                             amount=100 * self.random.lognormvariate(6.3, 0.25))
        for club in self.people[20:26]:  # fees, or a present: many to one, spent later
            day = self.random.randrange(2, self.days - 3)
            members = self.random.sample(self.people[30:], self.random.randint(6, 18))
            for member in members:
                self.add(self.hour(day + self.random.randrange(2)), type="transfer", wallet=member,
                         to=club, amount=100 * self.random.choice((5, 10, 12, 15)))
            self.add((day + 2) * DAY + 50000, type="purchase", wallet=club,
                     merchant=self.merchants[0], amount=100 * len(members) * 9)

    def trade(self):
        traders = self.people[40:46]  # paid by many, pay a few
        for trader in traders:
            for day in range(self.days):
                for _ in range(self.poisson(1.2 * self.season(day))):
                    self.add(self.hour(day), type="transfer",
                             wallet=self.random.choice(self.people[50:]), to=trader,
                             amount=100 * self.random.lognormvariate(3.4, 0.5))
            for day in range(5, self.days, 7):
                self.add(day * DAY + 60000, type="withdrawal", wallet=trader, share=0.7)
        sellers = self.random.sample(self.people[50:], 14)  # a marketplace pays out
        for day in range(4, self.days, 7):
            for seller in sellers:
                self.add(day * DAY + self.random.randint(30000, 34000), type="transfer",
                         wallet=self.merchants[1], to=seller,
                         amount=100 * self.random.lognormvariate(3.2, 0.6))
        for merchant in self.merchants:
            for day in range(hash_of(merchant) % 7, self.days, 7):
                self.add(day * DAY + 80000, type="withdrawal", wallet=merchant, share=0.8)

    def to_the_bank(self):
        for name in self.people:
            for pay in self.pay_days(name):
                if self.random.random() < 0.45:
                    self.add((pay + 1) * DAY + self.random.randint(30000, 80000),
                             type="withdrawal", wallet=name, account=self.accounts[name],
                             amount=100 * self.random.lognormvariate(5.2, 0.6))
            if self.random.random() < 0.1:  # moves, or buys something large
                day = self.random.randrange(2, self.days)
                self.add(self.hour(day), type="purchase", wallet=name,
                         merchant=self.random.choices(self.merchants, self.weights)[0],
                         amount=100 * self.random.lognormvariate(6.2, 0.5))

    def returners(self):
        for number in range(len(self.people) // 18):
            name = f"r{number}"
            self.wallets.append((LONG_AGO, name, "customer"))
            self.add(LONG_AGO + 5000, type="deposit", wallet=name,
                     amount=100 * self.random.lognormvariate(6, 0.6))
            day = self.random.randrange(1, self.days)
            for step in range(self.random.randint(1, 5)):
                self.add(day * DAY + 30000 + step * 4000, type="purchase", wallet=name,
                         merchant=self.random.choices(self.merchants, self.weights)[0],
                         amount=100 * self.random.lognormvariate(3.2, 0.8))

    # ---- frauds ---------------------------------------------------------------------------------

    def stranger(self, at, kind="customer"):
        self.strangers += 1
        name = f"z{self.strangers}"
        self.wallets.append((int(at), name, kind))
        return name

    def established(self, at):
        """Somebody who has lived here for a while and bought things."""
        day = int(at) // DAY
        able = [name for name in self.people[50:] if self.joined[name] < day - 9 and
                self.rates[name] > 0.25]
        return self.random.choice(able)

    def below_limit(self):
        return 100 * math.exp(self.random.uniform(math.log(8000), math.log(9999)))

    def smurfing(self, at, fraud):
        who = self.stranger(at - self.random.uniform(1, 20) * DAY)
        for _ in range(self.random.randint(4, 11)):
            self.add(at + self.random.uniform(0, DAY / 2), fraud, type="deposit", wallet=who,
                     amount=self.below_limit())

    def slicing_out(self, at, fraud):
        who = self.stranger(at - self.random.uniform(1, 20) * DAY)
        slices = [self.below_limit() for _ in range(self.random.randint(4, 9))]
        self.add(at - self.random.uniform(1, 9) * 3600, fraud, type="deposit", wallet=who,
                 amount=sum(slices) + 5000)
        for amount in slices:
            self.add(at + self.random.uniform(0, 0.8 * DAY), fraud, type="withdrawal", wallet=who,
                     amount=amount)

    def layering(self, at, fraud):
        ring = [self.stranger(at - self.random.uniform(2, 30) * DAY)
                for _ in range(self.random.randint(4, 7))]
        amount = 100 * self.random.lognormvariate(6.8, 0.8)
        self.add(at - 1800, fraud, type="deposit", wallet=ring[0], amount=amount)
        for payer, payee in zip(ring, ring[1:] + ring[:1]):
            at += self.random.expovariate(1 / 3000) + 60
            self.add(at, fraud, type="transfer", wallet=payer, to=payee, amount=amount)
            amount *= self.random.uniform(0.965, 0.998)

    def romance(self, at, fraud):
        who = self.stranger(at - self.random.uniform(2, 25) * DAY)
        last = at
        for victim in self.random.sample(self.people[50:], self.random.randint(8, 20)):
            when = at + self.random.uniform(0, 0.6) * DAY
            last = max(last, when)
            self.add(when, fraud, type="transfer", wallet=victim, to=who,
                     share=self.random.uniform(0.05, 0.6))
        for _ in range(self.random.randint(1, 4)):
            last += self.random.uniform(600, 5000)
            self.add(last, fraud, type="withdrawal", wallet=who,
                     share=self.random.uniform(0.5, 0.95))
        self.add(last + 900, fraud, type="withdrawal", wallet=who, share=0.97)

    def salary_of_mules(self, at, fraud):
        boss = self.stranger(at - self.random.uniform(1, 30) * DAY)
        crew = [self.stranger(at - self.random.uniform(0.2, 9) * DAY)
                for _ in range(self.random.randint(8, 25))]
        wages = [100 * self.random.lognormvariate(5.2, 0.4) for _ in crew]
        self.add(at - 2400, fraud, type="deposit", wallet=boss, amount=sum(wages) * 1.02)
        for member, wage in zip(crew, wages):
            at += self.random.uniform(4, 110)
            self.add(at, fraud, type="transfer", wallet=boss, to=member, amount=wage)

    def bank_nest(self, at, fraud):
        for _ in range(self.random.randint(5, 12)):
            who = self.stranger(at - self.random.uniform(0.5, 12) * DAY)
            start, amount = at + self.random.uniform(0, 0.7) * DAY, \
                100 * self.random.lognormvariate(5, 0.7)
            self.add(start, fraud, type="deposit", wallet=who, amount=amount)
            self.add(start + self.random.uniform(900, 14000), fraud, type="withdrawal", wallet=who,
                     amount=amount * self.random.uniform(0.8, 1), account=f"NEST{fraud[1]}")

    def bot_farm(self, at, fraud):
        shop = self.random.choices(self.merchants, self.weights)[0]
        for _ in range(self.random.randint(12, 40)):
            bot = self.stranger(at - 3000)
            card = 100 * self.random.choice((25, 50))
            self.add(at - self.random.uniform(300, 1500), fraud, type="deposit", wallet=bot,
                     amount=card)
            self.add(at + self.random.uniform(0, 780), fraud, type="purchase", wallet=bot,
                     merchant=shop, amount=card)

    def hijack(self, at, fraud):
        self.add(at, fraud, type="transfer", wallet=self.established(at),
                 to=self.stranger(at - self.random.uniform(0.1, 40) * DAY),
                 share=self.random.uniform(0.85, 1))

    def carding(self, at, fraud):
        who = self.established(at)
        for _ in range(self.random.randint(18, 60)):
            at += self.random.expovariate(1 / 45)
            self.add(at, fraud, type="purchase", wallet=who,
                     merchant=self.random.choice(self.merchants),
                     amount=100 * self.random.uniform(0.3, 2.5))

    def inheritance(self, at, fraud):
        name = f"old{fraud[1]}"
        self.wallets.append((LONG_AGO, name, "customer"))
        self.add(LONG_AGO + 4000, type="deposit", wallet=name,
                 amount=100 * self.random.lognormvariate(7, 0.6))
        for step in range(self.random.randint(0, 4)):
            self.add(LONG_AGO + 9000 + step * 40000, type="purchase", wallet=name,
                     merchant=self.merchants[2], amount=100 * self.random.lognormvariate(3.2, 0.6))
        self.add(at, fraud, type="transfer", wallet=name, to=self.stranger(at - 2 * DAY),
                 share=self.random.uniform(0.85, 1))

    def till_collusion(self, at, fraud):
        till = self.stranger(LONG_AGO, "merchant")
        day, sold = int(at) // DAY, []
        for before in range(max(1, day - 12), day):
            for buyer in self.random.sample(self.people[50:], self.random.randint(3, 7)):
                amount = 100 * self.random.lognormvariate(3.4, 0.5)
                sold.append((self.add(self.hour(before), type="purchase", wallet=buyer,
                                      merchant=till, amount=amount), int(amount)))
        self.random.shuffle(sold)
        for number, amount in sold[:int(len(sold) * self.random.uniform(0.6, 0.85))]:
            self.add(at + self.random.uniform(0, 2.5) * DAY, fraud, type="refund", wallet=till,
                     purchase=number, amount=max(1, amount))

    def flash_cash(self, at, fraud):
        who = self.stranger(at - self.random.uniform(0.1, 15) * DAY)
        self.add(at, fraud, type="deposit", wallet=who,
                 amount=100 * self.random.lognormvariate(6.9, 0.5))
        self.add(at + self.random.uniform(200, 3300), fraud, type="withdrawal", wallet=who,
                 share=self.random.uniform(0.91, 1))

    # ---- putting together -----------------------------------------------------------------------

    def settle(self, without=()):
        """Shares become amounts; what somebody cannot pay does not happen. Events of the cases
        `without` are left out. Returns how many steps each case had, made, and what it moved."""
        has, made, there, cases = {}, [], set(), {}
        opened = {name: at for at, name, _ in self.wallets}
        for at, given, fraud in sorted(self.events, key=lambda event: event[0]):
            if fraud in without:
                continue
            one = dict(given)
            payer = None if one["type"] == "deposit" else one["wallet"]
            payee = one["wallet"] if payer is None else one.get("to", one.get("merchant"))
            case = cases.setdefault(fraud, [0, 0, 0])
            case[0] += 1
            if "share" in one:
                one["amount"] = int(has.get(payer, 0) * one.pop("share"))
            if payer == payee or at >= self.days * DAY or opened.get(payee, 0) > at or \
                    (one["type"] == "refund" and one["purchase"] not in there) or \
                    (payer is not None and not 0 < one["amount"] <= has.get(payer, 0)):
                continue
            if payer is not None:
                has[payer] -= one["amount"]
            if payee is not None:
                has[payee] = has.get(payee, 0) + one["amount"]
            there.add(one["number"])
            case[1] += 1
            case[2] += one["amount"]
            made.append((at, one, fraud))
        return made, cases

    def live(self, cases):
        """Plans half as many frauds again: a thief whose victim has nothing gives up, and was
        never there."""
        for part in (self.incomes_come, self.shopping, self.between_people, self.trade,
                     self.to_the_bank, self.returners):
            part()
        for kind in FRAUDS:
            for number in range(cases * 3 // 2):
                at = self.random.uniform(12, self.days - 3) * DAY
                getattr(self, kind.replace("-", "_"))(at, (kind, number))
        _, planned = self.settle()
        kept = {kind: 0 for kind in FRAUDS}
        without = set()
        for (kind, number), (steps, done, moved) in sorted(
                item for item in planned.items() if item[0] is not None):
            worth = kind == "carding" or moved >= 10000
            if done >= 0.8 * steps and worth and kept[kind] < cases:
                kept[kind] += 1
            else:
                without.add((kind, number))
        self.events, _ = self.settle(without)
        self.wallets.sort(key=lambda wallet: wallet[0])
        return self


def hash_of(name):
    return sum((place + 1) * ord(letter) for place, letter in enumerate(name))


def town(seed, days=45, people=300, cases=10):
    return SecondTown(seed, days, people).live(cases)
