#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures and prints everything in one run; called by bench/run.sh, which builds first.

Rates of the server are always shown beside the limit program's on the same core in the same
minute, because the speed of the processor itself swings: read the ratios.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from machine import (BUILD, CORES, LOAD_CORES, PINS, ROOT, SERVER_CORES, Florin, Limit, conditions,
                     memory_bytes, pin, start)

CONNECTIONS = (1, 16, 64, 256)
MILLION = 1_000_000


@contextlib.contextmanager
def workplace(plan):
    """A folder for one run, gone behind it; the conditions stand before everything else."""
    folder = tempfile.mkdtemp(prefix="bench-", dir=plan.folder)
    try:
        for name, text in conditions(folder):
            say(f"{name:<12} {text}")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(plan, name, results):
    with open(os.path.join(plan.folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2, ensure_ascii=False)


def say(text=""):
    print(text, flush=True)


def load(name, cores, server_address, key, wallets, **options):
    """Runs a load generator; its line of name=value pairs as a dictionary of numbers."""
    words = [os.path.join(BUILD, "bench", name), "--address", server_address, "--key", key,
             "--run", secrets.token_hex(4), "--wallets", wallets]
    for option, value in options.items():
        words += [f"--{option}", str(value)]
    process = start(words, cores, stdout=subprocess.PIPE, text=True)
    text, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{name} failed: {text}")
    return {pair.split("=")[0]: float(pair.split("=")[1]) for pair in text.split()}


def post_batch(server, operations):
    status, body = server.ask("POST", "/v1/batches", {"operations": operations})
    results = json.loads(body).get("results", [])
    if status != 200 or any("code" in result for result in results):
        raise SystemExit(f"setting up failed: {status} {body[:300]}")
    return results


def open_wallets(server, count, path):
    """Opens wallets and writes their ids to a file."""
    with open(path, "w", encoding="utf-8") as file:
        for begin in range(0, count, 1000):
            batch = range(begin, min(count, begin + 1000))
            wallets = post_batch(server, [{"type": "wallet", "owner": f"bench-{n}",
                                           "currency": "USD"} for n in batch])
            file.writelines(wallet["id"] + "\n" for wallet in wallets)


def fill_wallets(server, path):
    """A deposit for each, larger than any run can spend."""
    with open(path, encoding="utf-8") as file:
        wallets = file.read().split()
    for begin in range(0, len(wallets), 1000):
        post_batch(server, [{"type": "deposit", "wallet": wallet, "amount": 10**9,
                             "bank_transaction_id": f"bench-{wallet}"}
                            for wallet in wallets[begin:begin + 1000]])


def name_of(cores):
    return "free" if cores == CORES else "pinned"


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def pairs(first, second, rounds):
    """Runs two measurements in turn; the results of each."""
    firsts, seconds = [], []
    for _ in range(rounds):
        firsts.append(first())
        seconds.append(second())
    return firsts, seconds


def choose_single_cores(program, key, wallets, connections, plan):
    """Pins a program and says where its load generator goes: a core each, or all for both,
    whichever is faster for this program with so many connections."""
    rates = []
    ways = ((SERVER_CORES, LOAD_CORES), (CORES, CORES)) if PINS else ((CORES, CORES),)
    for of_program, of_load in ways:
        pin(program.process, of_program)
        rates.append(load("single_load", of_load, program.address, key, wallets,
                          connections=connections, seconds=plan.probe_seconds)["rate"])
    of_program, of_load = ways[rates.index(max(rates))]
    pin(program.process, of_program)
    return of_load


def measure_singles(server, limit, wallets, plan, results):
    say("Single durable transfers, an idempotency key on each, 100k wallets; medians of "
        f"{plan.rounds} x {plan.seconds} s,")
    say("in turn with the limit program (same HTTP library, one append and sync per pass, no "
        "wallets).")
    say("Each program is pinned to one core and the load generator to another, or both may use all "
        "cores:")
    say("whichever was faster for that program in a short run before.")
    say(f"  {'connections':>11} {'florin/s':>10} {'limit/s':>10} {'share':>6} {'p50':>8} "
        f"{'p99':>8} {'p99.9':>8}  load generator; cores")
    for connections in CONNECTIONS:
        options = {"connections": connections, "seconds": plan.seconds}
        cores = {program: choose_single_cores(program, server.key, wallets, connections, plan)
                 for program in (limit, server)}
        limits, ours = pairs(
            lambda: load("single_load", cores[limit], limit.address, server.key, wallets,
                         **options),
            lambda: load("single_load", cores[server], server.address, server.key, wallets,
                         **options),
            plan.rounds)
        rate, most = median(ours, "rate"), median(limits, "rate")
        results[f"single_{connections}"] = {"rate": rate, "limit": most, "share": rate / most}
        say(f"  {connections:>11} {rate:>10,.0f} {most:>10,.0f} {rate / most:>6.0%} "
            f"{median(ours, 'p50_us') / 1000:>5.2f} ms {median(ours, 'p99_us') / 1000:>5.2f} ms "
            f"{median(ours, 'p999_us') / 1000:>5.2f} ms  "
            f"{max(median(ours, 'cpu'), median(limits, 'cpu')):.0%} of a core; "
            f"florin {name_of(cores[server])}, limit {name_of(cores[limit])}")
    say()


def measure_ceiling(constant, wallets, plan, results):
    run = load("single_load", LOAD_CORES, constant.address, "none", wallets, connections=64,
               seconds=plan.seconds)
    results["constant_64"] = run["rate"]
    say(f"A constant answer without a disk, 64 connections: {run['rate']:,.0f}/s "
        f"(load generator {run['cpu']:.0%} of its core)")
    say()


def measure_hot(server, wallets, plan, results):
    options = {"connections": 64, "seconds": plan.seconds}
    cores = choose_single_cores(server, server.key, wallets, 64, plan)
    many, two = pairs(
        lambda: load("single_load", cores, server.address, server.key, wallets, **options),
        lambda: load("single_load", cores, server.address, server.key, wallets, use=2, **options),
        plan.rounds)
    rate, hot = median(many, "rate"), median(two, "rate")
    results["hot"] = {"many": rate, "two": hot, "share": hot / rate}
    say(f"Two hot wallets, 64 connections: {hot:,.0f}/s, {hot / rate:.0%} of 100k wallets' "
        f"{rate:,.0f}/s")
    say()


def choose_cores(server, wallets):
    """Batches with the server on one core and on all; which of them is better here."""
    if not PINS:
        return CORES, CORES, "nothing is pinned"
    rates = {}
    for name, of_server, of_load in (("pinned", SERVER_CORES, LOAD_CORES), ("free", CORES, CORES)):
        pin(server.process, of_server)
        rates[name] = load("batch_load", of_load, server.address, server.key, wallets,
                           connections=8, seconds=3)["rate"]
    if rates["pinned"] > rates["free"]:
        pin(server.process, SERVER_CORES)
        return SERVER_CORES, LOAD_CORES, "server on one core, load generator on another"
    return CORES, CORES, f"nothing is pinned, better here than {rates['pinned']:,.0f}/s pinned"


def show_batches(run, metrics, results):
    backlog = metrics["florin_index_backlog_bytes"]
    results["batches"] = dict(run, index_backlog_bytes=backlog)
    say(f"  {run['rate']:,.0f} transfers/s over {run['seconds']:.0f} s "
        f"({run['operations'] / MILLION:.1f} M), batch p50 {run['batch_p50_us'] / 1000:.1f} ms, "
        f"p99 {run['batch_p99_us'] / 1000:.1f} ms, longest {run['batch_max_us'] / 1000:.0f} ms")
    say(f"  load generator {run['cpu_us_per_operation']:.3f} µs per transfer; "
        f"{run['looked_at']:,.0f} results read one by one, none refused")
    say(f"  index backlog at the end: {backlog / MILLION:.1f} MB")


def transactions(metrics):
    return metrics["florin_transactions"]


def measure_batches(server, wallets, plan, results):
    _, load_cores, why = choose_cores(server, wallets)
    say(f"Batches of 1,000 transfers, an idempotency key on each, {plan.batch_seconds} s, "
        "8 connections")
    say(f"  ({why})")
    before = memory_bytes(server.process)
    metrics = server.metrics()
    done_before, index_before = transactions(metrics), metrics["florin_memory_index_bytes"]
    run = load("batch_load", load_cores, server.address, server.key, wallets, connections=8,
               seconds=plan.batch_seconds)
    metrics = server.metrics()
    show_batches(run, metrics, results)
    done = transactions(metrics) - done_before
    if done != run["operations"]:
        raise SystemExit(f"sent {run['operations']:.0f} transfers, the server made {done:.0f}")
    per_transaction = (memory_bytes(server.process) - before) / run["operations"]
    results["bytes_per_transaction"] = per_transaction
    index = metrics["florin_memory_index_bytes"] - index_before
    say(f"  memory grew by {per_transaction:.1f} bytes per transaction, "
        f"{index / run['operations']:.1f} of it the index's (tables of at most 68 MB each, which "
        "come once, and filters)")
    say()


def measure_memory(server, count, path, results):
    before = memory_bytes(server.process)
    open_wallets(server, count, path)
    opened = memory_bytes(server.process)
    fill_wallets(server, path)
    filled = memory_bytes(server.process)
    results["bytes_per_wallet"] = (opened - before) / count
    results["bytes_per_deposit"] = (filled - opened) / count
    say(f"Memory: {(opened - before) / count:.0f} bytes per wallet, "
        f"{(filled - opened) / count:.0f} per deposit with its bank id ({count:,} of each; "
        f"{before / MILLION:.0f} MB before)")
    say()


def measure_restart(server, results):
    metrics = server.metrics()
    stopping = server.stop()
    clean = server.start()
    server.end(signal.SIGKILL)
    after_kill = server.start()
    results["restart"] = {"clean": clean, "after_kill": after_kill}
    say(f"Restart with {metrics['florin_wallets']:,.0f} wallets and "
        f"{transactions(metrics) / MILLION:.1f} M transactions: {clean:.2f} s after a clean stop "
        f"(which took {stopping:.2f} s), {after_kill:.2f} s after kill -9")
    say()


def check_books(server, name):
    """Both checks of the books; ends the run when they are wrong."""
    status, body = server.ask("GET", "/check-integrity")
    document = json.loads(body)
    if status != 200 or document.get("consistent") is not True:
        raise SystemExit(f"{name}: the books are wrong: {body.decode()}")
    server.stop()
    done = subprocess.run([server.binary, "verify", server.data], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name}: florin verify: {done.stdout}{done.stderr}")
    say(f"Books of {name}, /check-integrity: {document['message']}")
    say(f"  florin verify: {done.stdout.splitlines()[0].split(': ', 1)[1]}")
    say()


def run_singles(folder, plan, results):
    server = Florin(os.path.join(folder, "singles"), SERVER_CORES)
    wallets = os.path.join(folder, "singles.wallets")
    open_wallets(server, 100_000, wallets)
    fill_wallets(server, wallets)
    constant = Limit("limit_constant", folder)
    measure_ceiling(constant, wallets, plan, results)
    constant.stop()
    limit = Limit("limit_durable", folder)
    measure_singles(server, limit, wallets, plan, results)
    limit.stop()
    measure_hot(server, wallets, plan, results)
    check_books(server, "the single transfers")
    shutil.rmtree(server.data)


def run_batches(folder, plan, results):
    server = Florin(os.path.join(folder, "batches"), CORES)
    wallets = os.path.join(folder, "batches.wallets")
    measure_memory(server, plan.batch_wallets, wallets, results)
    measure_batches(server, wallets, plan, results)
    measure_restart(server, results)
    check_books(server, "the batches")
    shutil.rmtree(server.data)


def run_large(folder, results):
    server = Florin(os.path.join(folder, "large"), CORES)
    wallets = os.path.join(folder, "large.wallets")
    large = results["large"] = {}
    measure_memory(server, MILLION, wallets, large)
    load("batch_load", CORES, server.address, server.key, wallets, connections=8,
         operations=9 * MILLION)  # a million deposits were made before
    measure_restart(server, large)
    check_books(server, "the large run")
    shutil.rmtree(server.data)


def read_plan():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__.split("\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about a minute, rough figures")
    size.add_argument("--full", action="store_true",
                      help="also a restart with a million wallets and ten million transactions")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"),
                        help="where the data goes; its disk is what is measured")
    plan = parser.parse_args()
    plan.rounds, plan.seconds, plan.batch_seconds = (1, 2, 8) if plan.quick else (3, 5, 60)
    plan.probe_seconds = 1 if plan.quick else 2
    plan.batch_wallets = 100_000
    free = shutil.disk_usage(plan.folder).free
    needed = 4 if plan.quick else 40
    if free < needed * 10**9:
        raise SystemExit(f"{plan.folder} has {free // 10**9} GB free; {needed} are needed")
    return plan


def main():
    plan = read_plan()
    results = {}
    os.makedirs(plan.folder, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="bench-", dir=plan.folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for name, text in conditions(folder):
            results[name] = text
            say(f"{name:<12} {text}")
        say()
        run_singles(folder, plan, results)
        run_batches(folder, plan, results)
        if plan.full:
            run_large(folder, results)
        else:
            say("A restart with a million wallets and ten million transactions: see --full.")
        keep(plan, "bench", results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
