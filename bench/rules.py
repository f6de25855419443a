#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What rules cost: the same payments with the rules of packaging/rules.json in force and without,
in many short turns of one run, by rate and by the server's processor time for each. Says whether it
is shown that they take no more of the throughput than they may; fails when they take more, or the
books are wrong."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

from bench import check_books, fill_wallets, load, open_wallets, say, workplace
from machine import CORES, LOAD_CORES, PINS, ROOT, SERVER_CORES, Florin, pin

sys.path[:0] = [os.path.join(ROOT, "tests", name) for name in ("lib", "postgres")]

import cluster as clusters  # noqa: E402

COST_MAX = 0.05
NEVER = 65535
REST_LOOK_S, REST_MAX_S = 0.05, 3
STRETCHES = 4  # between them the two change places


class Plain(Florin):
    """A server that does nothing but what it is asked: no recounts in the background."""

    CONFIG = {"recount_mib_per_s": 0}

    def __init__(self, data, cores, cluster):
        self.cluster = cluster
        self.config = data + ".config.json"
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(self.CONFIG, file)
        super().__init__(data, cores)

    def words(self):
        there = [] if self.cluster is None else [
            "--postgres", self.cluster.url(self.cluster.database_for(self.data))]
        return super().words() + ["--config", self.config, *there]

    def processes(self):
        """Its own, and those of its database."""
        if self.cluster is None:
            return [self.process.pid]
        postmaster = self.cluster.postmaster()
        path = f"/proc/{postmaster}/task/{postmaster}/children"
        with open(path, encoding="utf-8") as file:
            return [self.process.pid, postmaster, *map(int, file.read().split())]


class Ruled(Plain):
    """One that looks at every payment by the rules that are shipped, whose thresholds of counts
    nobody reaches: what a finding costs is another matter, and they are rare."""

    def __init__(self, data, cores, cluster):
        with open(os.path.join(ROOT, "packaging", "rules.json"), encoding="utf-8") as file:
            rules = json.load(file)
        rules.pop("patterns", None)
        for rule in rules["rules"]:
            for name in rule["when"]:
                if name.startswith("count_in"):
                    rule["when"][name] = NEVER
        with open(data + ".rules.json", "w", encoding="utf-8") as file:
            json.dump(rules, file)
        self.CONFIG = dict(Plain.CONFIG, rules={"file": data + ".rules.json"})
        super().__init__(data, cores, cluster)


def earlier(path):
    """The same of another build."""
    return type("Earlier", (Ruled,), {"binary": os.path.abspath(path)})


def can_count():
    """Whether perf can count instructions here."""
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], check=False,
                          capture_output=True, text=True) if shutil.which("perf") else None
    return done is not None and done.returncode == 0 and done.stderr[:1].isdigit()


class Counted:
    """The instructions of a server, outside the kernel."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(server.process.pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return float(self.process.communicate()[1].split(",")[0])


def processor_s(pid):
    """Processor time of a process so far, to the nanosecond."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)
    except OSError:
        return 0  # it has ended


class Side:
    def __init__(self, kind, folder, name, plan):
        self.server = kind(os.path.join(folder, name), CORES if plan.postgres else SERVER_CORES,
                           clusters.Cluster() if plan.postgres else None)
        self.wallets = os.path.join(folder, name + ".wallets")
        open_wallets(self.server, plan.wallets, self.wallets)
        fill_wallets(self.server, self.wallets)

    def become(self, kind):
        """Goes on with the same books, with rules or without."""
        before = self.server
        before.stop()
        self.server = kind(before.data, before.cores, before.cluster)

    def sql(self, text):
        cluster = self.server.cluster
        return int(cluster.sql(text, cluster.database_for(self.server.data)) or 0)

    def written(self):
        """Bytes of the database's log so far; 0: there is no database."""
        return 0 if self.server.cluster is None else self.sql(
            "SELECT pg_current_wal_insert_lsn() - '0/0'")

    def row_bytes(self):
        """How long the rows of wallets are, and the habits in them, where there are some."""
        return (self.sql("SELECT avg(pg_column_size(w.*))::bigint FROM florin.wallets w"),
                self.sql("SELECT avg(octet_length(habits))::bigint FROM florin.wallets"))

    def processor_s(self):
        return sum(processor_s(pid) for pid in self.server.processes())

    def rest(self):
        """What it still does behind a run is done, so that the next one has the machine."""
        deadline = time.monotonic() + REST_MAX_S
        while time.monotonic() < deadline:
            before = self.processor_s()
            time.sleep(REST_LOOK_S)
            if self.processor_s() - before < REST_LOOK_S / 20:
                return

    def run(self, program, cores, seconds, connections):
        """Of one run: transfers a second, and the server's processor time for each in µs, with
        what it does behind them."""
        before, written = self.processor_s(), self.written()
        run = load(program, cores, self.server.address, self.server.key, self.wallets,
                   connections=connections, seconds=seconds)
        self.rest()
        transfers = run.get("operations", run.get("requests"))  # of batches, or one by one
        return {"rate": run["rate"], "cpu": (self.processor_s() - before) * 1e6 / transfers,
                "log": (self.written() - written) / transfers, "transfers": transfers}


def signed_ranks(count):
    """How many of the 2^count ways in which so many differences can lie about their middle have
    each sum of ranks above it (Wilcoxon 1945)."""
    ways = [1]
    for rank in range(1, count + 1):
        ways = [(ways[total] if total < len(ways) else 0) +
                (ways[total - rank] if total >= rank else 0)
                for total in range(len(ways) + rank)]
    return ways


def middle(values):
    """The middle of all pairs' means (Hodges and Lehmann 1963), and between what it lies with 95 %
    certainty; outliers say no more than that they are on one side. What a neighbour on the machine
    does to a pair falls on either of it, for they go in turn: that is the symmetry it stands on."""
    means = sorted((one + other) / 2 for place, one in enumerate(values)
                   for other in values[place:])
    tail, place = 0, 0
    for total, ways in enumerate(signed_ranks(len(values))):
        tail += ways
        if tail > 0.025 * 2 ** len(values):
            place = max(0, total - 1)
            break
    return statistics.median(means), means[place], means[-1 - place]


def say_cost(name, offs, ons, digits, is_rate=False):
    costs = [1 - on / off if is_rate else on / off - 1 for off, on in zip(offs, ons)]
    cost, low, high = middle(costs)
    say(f"  {name:<28} {statistics.median(offs):>10,.{digits}f} "
        f"{statistics.median(ons):>10,.{digits}f} {cost:>7.1%}   "
        f"{low:.1%} to {high:.1%}")
    return cost, high


def change_places(sides):
    """Where its memory and its files happen to lie makes a process quicker or slower than another,
    for as long as it lives: each does it with rules and without."""
    one, other = sides["off"], sides["on"]
    ruled, plain = type(other.server), type(one.server)
    one.become(ruled)
    other.become(plain)
    sides["off"], sides["on"] = other, one


def compare(name, sides, program, cores, plan, connections):
    """Runs in turn, each pair with the other one first; a cost is the middle of the pairs'. Rates
    say what clients see; processor time is what rules take from a server that has nothing else to
    wait for, no disk and no client. What they take of the rate, and what that is at most. `cores`:
    the servers', and the load generator's."""
    runs, stretch = {which: [] for which in sides}, -(-plan.rounds // STRETCHES)
    for number in range(plan.rounds):
        is_new = number % stretch == 0
        if is_new and number != 0:
            change_places(sides)
        if is_new:
            for side in sides.values():
                pin(side.server.process, cores[0])
                side.run(program, cores[1], plan.seconds, connections)  # warms up
        for which in list(sides) if number % 2 == 0 else reversed(list(sides)):
            runs[which].append(sides[which].run(program, cores[1], plan.seconds, connections))
    say(f"  {name}, {plan.rounds} pairs of {plan.seconds:g} s")
    columns = {kind: {which: [run[kind] for run in runs[which]] for which in runs}
               for kind in ("rate", "cpu", "log")}
    rates, cpu, log = columns["rate"], columns["cpu"], columns["log"]
    cost = say_cost("  transfers a second", rates["off"], rates["on"], 0, is_rate=True)
    say_cost("  processor time, µs each", cpu["off"], cpu["on"], 2)
    if plan.postgres:
        say_cost("  bytes of log each", log["off"], log["on"], 0)
    if plan.before:
        say_cost("  earlier: processor time", cpu["off"], cpu["before"], 2)
        say_cost("  earlier to now", cpu["before"], cpu["on"], 2)
        if plan.postgres:
            say_cost("  earlier: bytes of log", log["off"], log["before"], 0)
            say_cost("  earlier to now: bytes", log["before"], log["on"], 0)
    return cost


def count(sides, program, cores, connections):
    """Instructions for each transfer: nobody else on the machine changes them."""
    found = {}
    for which, side in sides.items():
        counted = Counted(side.server)
        try:
            transfers = side.run(program, cores, 1, connections)["transfers"]
        finally:
            found[which] = counted.end()
        found[which] /= transfers
    say(f"  {'  instructions each':<28} {found['off']:>10,.0f} {found['on']:>10,.0f} "
        f"{found['on'] / found['off'] - 1:>7.1%}   outside the kernel")


def judged(server):
    """How many rules are in force, and what they found."""
    metrics = server.metrics()
    hits = sum(value for name, value in metrics.items() if name.startswith("florin_rule_hits"))
    return sum(name.startswith("florin_rule_hits_total{") for name in metrics), hits


def measure(sides, plan):
    pins = PINS and not plan.postgres
    say(f"Transfers between {plan.wallets:,} wallets, an idempotency key on each; " + (
        "server on one core, load generator on another" if pins else "nothing is pinned"))
    say("  (medians; cost: the middle of pairs in turn, between what it lies with 95 % certainty)")
    say(f"  {'':<28} {'without':>10} {'rules':>10} {'cost':>7}")
    counts = can_count() and not plan.postgres
    costs = []
    for name, program, connections in (("single, 64 connections", "single_load", 64),
                                       ("batches of 1,000", "batch_load", 8)):
        batches = program == "batch_load"
        if plan.only and plan.only != program.removesuffix("_load"):
            continue
        cores = (CORES, CORES) if batches or not pins else (SERVER_CORES, LOAD_CORES)
        costs.append(compare(name, sides, program, cores, plan, connections))
        if counts:
            count(sides, program, cores[1], connections)
    return max(cost for cost, _ in costs), max(high for _, high in costs)


def check_database(server, name):
    status, body = server.ask("GET", "/check-integrity?depth=full")
    document = json.loads(body)
    if status != 200 or document.get("consistent") is not True:
        raise SystemExit(f"{name}: the books are wrong: {body.decode()}")
    say(f"Books of {name}, /check-integrity?depth=full: {document['message']}")
    server.stop()


def read_plan():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="about a minute, rough figures")
    parser.add_argument("--only", choices=("single", "batch"), help="half of it")
    parser.add_argument("--pairs", type=int, metavar="N",
                        help="the more there are, the nearer together the bounds")
    parser.add_argument("--postgres", action="store_true", help="with the books in PostgreSQL")
    parser.add_argument("--before", metavar="FLORIN",
                        help="a server of another build takes part, with the rules in force")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    plan = parser.parse_args()
    plan.rounds, plan.seconds = (19 if plan.only else 9, 1) if plan.quick else (35, 1)
    plan.rounds = plan.pairs or plan.rounds
    plan.wallets = 20_000 if plan.postgres and plan.quick else 100_000
    return plan


def main():
    plan = read_plan()
    with workplace(plan) as folder:
        say()
        kinds = {"off": Plain, "on": Ruled}
        if plan.before:
            kinds["before"] = earlier(plan.before)
        sides = {name: Side(kind, folder, name, plan) for name, kind in kinds.items()}
        cost, most = measure(sides, plan)
        rules, hits = judged(sides["on"].server)
        say(f"  {rules:.0f} rules were in force and hit {hits:.0f} times")
        for name, side in sides.items() if plan.postgres else ():
            row, habits = side.row_bytes()
            say(f"  {name}: a row of wallets has {row} bytes, {habits} of them habits")
        say()
        check = check_database if plan.postgres else check_books
        for name, side in sides.items():
            check(side.server, f"the run with rules {name}")
    if rules == 0 or cost > COST_MAX:
        sys.exit(f"Rules cost {cost:.1%} of throughput; at most {COST_MAX:.0%} is wanted.")
    say(f"Rules cost {cost:.1%} of throughput; that it is at most {COST_MAX:.0%} is "
        + ("shown." if most <= COST_MAX else f"likely, and not shown: it may be {most:.1%}."))


if __name__ == "__main__":
    main()
