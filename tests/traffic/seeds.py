#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much the rules and patterns that are shipped find in the second town, whatever its seed:
`seeds.py 301 302 303`. Fails where a kind is found to less than 90 % of all seeds' cases together,
or more than one finding in a thousand transactions is about honest people."""

import collections
import math
import sys

import curve  # first: it knows where the others are
import second_town


def at_least(found, cases, sure=1.645):
    """Where the true share lies above with 95 % certainty (Wilson)."""
    share, part = found / cases, sure * sure / cases
    middle = share + part / 2
    return (middle - sure * math.sqrt(share * (1 - share) / cases + part / (4 * cases))) / (
        1 + part)


def said(rules):
    return ", ".join(f"{count} {name}" for name, count in rules.most_common())


def main():
    seeds = [int(one) for one in sys.argv[1:]]
    all_of, false, transactions, worst, by = {}, 0, 0, 0.0, collections.Counter()
    for seed in seeds:
        recall, alarms, made = curve.played(curve.SHIPPED, second_town.town(seed))
        for kind, (found, cases) in recall.items():
            before = all_of.get(kind, (0, 0))
            all_of[kind] = (before[0] + found, before[1] + cases)
        false, transactions = false + len(alarms), transactions + made
        worst = max(worst, 1000 * len(alarms) / made)
        missed = {kind: f"{found}/{cases}" for kind, (found, cases) in recall.items()
                  if found < cases}
        rules = collections.Counter(one["rule"] for one in alarms)
        by += rules
        print(f"{seed}: {made} transactions, {len(alarms)} false ({said(rules)}), missed {missed}",
              flush=True)
    for kind, (found, cases) in sorted(all_of.items(), key=lambda item: item[1][0] / item[1][1]):
        print(f"{kind:<16} {found:>4} of {cases:<4} {found / cases:6.1%}, with 95 % certainty "
              f"above {at_least(found, cases):.1%}")
    print(f"{1000 * false / transactions:.2f} false in a thousand of {transactions} transactions, "
          f"{worst:.2f} in the worst seed: {said(by)}")
    if false > 0.001 * transactions or any(
            found < 0.9 * cases for found, cases in all_of.values()):
        sys.exit("That is not what is promised.")


if __name__ == "__main__":
    main()
