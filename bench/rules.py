#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What rules cost: the same payments with the rules of packaging/rules.json in force and without,
in turn, in one run. Fails when they cost more than they may, or when the books are wrong."""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

from bench import check_books, fill_wallets, load, open_wallets, say
from machine import BUILD, CORES, LOAD_CORES, PINS, ROOT, SERVER_CORES, Florin, conditions, pin

COST_MAX = 0.05
NEVER = 65535


class Ruled(Florin):
    """A server that looks at every payment by the rules that are shipped, whose thresholds of
    counts nobody reaches: what a finding costs is another matter, and they are rare."""

    def __init__(self, data, cores):
        with open(os.path.join(ROOT, "packaging", "rules.json"), encoding="utf-8") as file:
            rules = json.load(file)
        rules.pop("patterns", None)
        for rule in rules["rules"]:
            for name in rule["when"]:
                if name.startswith("count_in"):
                    rule["when"][name] = NEVER
        self.config = data + ".config.json"
        for path, document in ((data + ".rules.json", rules),
                               (self.config, {"rules": {"file": data + ".rules.json"}})):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
        super().__init__(data, cores)

    def words(self):
        return super().words() + ["--config", self.config]


class Side:
    def __init__(self, kind, folder, name):
        self.server = kind(os.path.join(folder, name), SERVER_CORES)
        self.wallets = os.path.join(folder, name + ".wallets")
        open_wallets(self.server, 100_000, self.wallets)
        fill_wallets(self.server, self.wallets)

    def run(self, program, cores, seconds, connections):
        return load(program, cores, self.server.address, self.server.key, self.wallets,
                    connections=connections, seconds=seconds)["rate"]


def compare(name, sides, program, cores, plan, connections):
    """Rates in turn, each pair with the other one first; the cost is the median of the pairs'."""
    rates = {"off": [], "on": []}
    for number in range(plan.rounds + 1):
        order = ("off", "on") if number % 2 == 0 else ("on", "off")
        for which in order:
            rate = sides[which].run(program, cores, plan.seconds, connections)
            if number != 0:  # the first pair warms up
                rates[which].append(rate)
    costs = [1 - on / off for off, on in zip(rates["off"], rates["on"])]
    cost = statistics.median(costs)
    say(f"  {name:<28} {statistics.median(rates['off']):>10,.0f} "
        f"{statistics.median(rates['on']):>10,.0f} {cost:>7.1%}   "
        + " ".join(f"{one:.1%}" for one in sorted(costs)))
    return cost


def judged(server):
    """How many rules are in force, and what they found."""
    metrics = server.metrics()
    hits = sum(value for name, value in metrics.items() if name.startswith("florin_rule_hits"))
    return sum(name.startswith("florin_rule_hits_total{") for name in metrics), hits


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="about a minute, rough figures")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    plan.rounds, plan.seconds = (5, 2) if plan.quick else (9, 3)
    folder = tempfile.mkdtemp(prefix="bench-", dir=plan.folder)
    try:
        for name, text in conditions(folder):
            say(f"{name:<12} {text}")
        say()
        sides = {"off": Side(Florin, folder, "off"), "on": Side(Ruled, folder, "on")}
        say("Transfers between 100,000 wallets, an idempotency key on each; " + (
            "server on one core, load generator on another" if PINS else "nothing is pinned"))
        say(f"  (medians of {plan.rounds} pairs of {plan.seconds} s, in turn)")
        say(f"  {'':<28} {'without/s':>10} {'rules/s':>10} {'cost':>7}   each pair")
        costs = [compare("single, 64 connections", sides, "single_load", LOAD_CORES, plan, 64)]
        for side in sides.values():
            pin(side.server.process, CORES)
        costs.append(compare("batches of 1,000", sides, "batch_load", CORES, plan, 8))
        rules, hits = judged(sides["on"].server)
        say(f"  {rules:.0f} rules were in force and hit {hits:.0f} times")
        say()
        for name, side in sides.items():
            check_books(side.server, f"the run with rules {name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if rules == 0 or max(costs) > COST_MAX:
        sys.exit(f"Rules cost {max(costs):.1%}; at most {COST_MAX:.0%} is wanted.")


if __name__ == "__main__":
    main()
