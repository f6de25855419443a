#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plots how many frauds the rules and patterns that are shipped find, and how many findings are
about honest people, when their thresholds are lower or higher, in both towns:
`curve.py docs/pictures/patterns.svg`."""

import json
import os
import re
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.dirname(os.path.abspath(__file__))]

import florin  # noqa: E402
import generate  # noqa: E402
import play  # noqa: E402
import second_town  # noqa: E402

COUNTS = {"structuring": 4, "circle": 3, "fan-in": 8, "fan-out": 8, "shared-bank": 5, "burst": 10}
SCALED = ("percent_of_mean", "deviations_above_mean", "count_in_hour", "percent_of_sales",
          "percent_of_available", "days_of_silence", "payments_before")
SHIPPED = os.path.join(TESTS, "..", "packaging", "rules.json")
SIZE = (640, 360)
LEFT, TOP, RIGHT, BOTTOM = 60, 30, 20, 60


def written(factor):
    """The rules and patterns that are shipped, with every threshold so many times as high."""
    with open(SHIPPED, encoding="utf-8") as file:
        rules = json.load(file)
    for rule in rules["rules"]:
        for name in set(SCALED) & set(rule["when"]):
            most = 100 if name == "percent_of_available" else 10**6
            rule["when"][name] = max(1, min(most, round(rule["when"][name] * factor)))
    rules["patterns"] = {name: {"count": max(2, min(20, round(count * factor)))}
                         for name, count in COUNTS.items()}
    path = os.path.join(florin.folder(), "rules.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rules, file)
    return path


def played(path, town):
    """Against a server with that file of rules: ({kind: (found, cases)}, findings about honest
    people, transactions)."""
    clock = play.Clock()
    server = florin.Server(florin=florin.binary(), config={"rules": {"file": path}},
                           environment=clock.environment()).start()
    player = play.Play(server, clock, town)
    player.run()
    with server.client(timeout=60) as client:
        first, deadline = None, time.monotonic() + 60
        while time.monotonic() < deadline:
            text = client.get("/metrics").body.decode()
            turns, read, end = [int(re.search(rf"florin_patterns_{name} (\d+)", text)[1])
                                for name in ("turns_total", "position", "feed_end")]
            first = turns if first is None else first
            if turns >= first + 2 and read >= end > 0:
                break
            time.sleep(0.2)
    with server.client(timeout=60) as client:
        findings = client.list("/v1/anomalies?limit=1000")
    server.stop()
    recall, alarms = player.judge(findings)
    return recall, alarms, player.transactions


def measure(factor, town):
    """(share of frauds found, findings about honest people per 1,000 transactions)."""
    recall, alarms, transactions = played(written(factor), town)
    print(factor, recall, flush=True)
    found = sum(one for one, _ in recall.values()) / sum(all_ for _, all_ in recall.values())
    return found, 1000 * len(alarms) / transactions


def draw(points):
    """An SVG of [(change, found, false per 1,000, and both in the second town)]."""
    width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM
    most = max(1.0, *(max(point[2], point[4]) for point in points))
    xs = [LEFT + width * index / (len(points) - 1) for index in range(len(points))]

    def line(colour, column, whole, dash=""):
        spots = [(x, TOP + height * (1 - point[column] / whole)) for x, point in zip(xs, points)]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y in spots)
        dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>'
                       for x, y in spots)
        return (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>{dots}')

    labels = "".join(
        f'<text x="{x:.0f}" y="{SIZE[1] - BOTTOM + 18}" text-anchor="middle">'
        f'{"as shipped" if change == 1 else f"x {change}"}</text>'
        for x, (change, *_) in zip(xs, points))
    scale = "".join(f'<text x="{LEFT - 8}" y="{TOP + height * (1 - part) + 4:.0f}" '
                    f'text-anchor="end">{part:.0%}</text>' for part in (0, 0.5, 0.9, 1))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" '
            f'font-family="sans-serif" font-size="12" fill="#667">'
            f'<rect width="100%" height="100%" fill="#fff"/>'
            f'<path d="M{LEFT} {TOP}V{TOP + height}H{LEFT + width}" fill="none" stroke="#99a"/>'
            f'<path d="M{LEFT} {TOP + height * 0.1:.0f}H{LEFT + width}" stroke="#dde"/>'
            f'{scale}{labels}'
            f'{line("#b8860b", 1, 1)}{line("#b8860b", 3, 1, "6 4")}'
            f'{line("#c0392b", 2, most)}{line("#c0392b", 4, most, "6 4")}'
            f'<text x="{LEFT}" y="18" fill="#b8860b">frauds found</text>'
            f'<text x="{LEFT + 110}" y="18" fill="#c0392b">findings about honest people '
            f'(top: {most:.1f} per 1,000); dashed: second town</text>'
            f'<text x="{LEFT + width / 2:.0f}" y="{SIZE[1] - 14}" text-anchor="middle">'
            f'thresholds of rules and patterns, against those that are shipped</text></svg>\n')


def main():
    points = [(factor, *measure(factor, generate.town(11, 30, 200, 8)),
               *measure(factor, second_town.town(205, 35, 200, 8)))
              for factor in (0.3, 0.5, 0.7, 0.85, 1, 1.25, 1.6, 2)]
    for factor, *both in points:
        print(f"x {factor}: {both[0]:.1%} found, {both[1]:.2f} false per 1,000; in the second town "
              f"{both[2]:.1%}, {both[3]:.2f}", flush=True)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(draw(points))


if __name__ == "__main__":
    main()
