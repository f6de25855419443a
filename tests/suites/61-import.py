#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`florin import`: names, order, keys and refusals; files that are odd; imports that are cut off by
the user, a kill or the server, and started again without doing anything twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules")]

import rules  # noqa: E402
from florin import serving  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

OK, REFUSED, USAGE, NO_CONNECTION, INTERRUPTED = 0, 1, 2, 3, 130
BIG_LINES = int(os.environ.get("FLORIN_IMPORT_LINES", "200000"))


class Importer:
    """Writes files next to a server and imports them."""
    def __init__(self, server):
        self.server = server
        self.count = 0
        self.variables = {
            "FLORIN_URL": f"127.0.0.1:{server.port}", "FLORIN_KEY": server.admin_secret
        }

    def path(self, ending="ndjson"):
        self.count += 1
        return os.path.join(self.server.home, f"file-{self.count}.{ending}")

    def write(self, lines, ending="ndjson"):
        """Lines are texts, bytes or operations; a text or bytes alone is the whole file."""
        path = self.path(ending)
        if isinstance(lines, (str, bytes)):
            content = lines.encode() if isinstance(lines, str) else lines
        else:
            content = b"".join((line if isinstance(line, bytes) else line.encode(
            ) if isinstance(line, str) else json.dumps(line).encode()) + b"\n" for line in lines)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def run(self, path, *more, timeout=120.0):
        return self.server.command_line("import", path, *more, environment=self.variables,
                                        timeout=timeout)

    def launch(self, path):
        return subprocess.Popen([self.server.florin, "import", path], cwd=self.server.home,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, **self.variables))

    def wallets(self, owner):
        with self.server.client() as client:
            return client.list(f"/v1/wallets?limit=1000&owner={owner}")

    def integrity(self):
        with self.server.client() as client:
            return client.get("/check-integrity?depth=full").get("consistent")


def refused_lines(path):
    with open(path + ".refused", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def wallet(owner, **more):
    return {"type": "wallet", "owner": owner, "currency": "USD", **more}


def deposit(to, amount, bank_id, **more):
    return {
        "type": "deposit", "wallet": to, "amount": amount, "bank_transaction_id": bank_id, **more
    }


def names_file(tag):
    """Every kind of line that makes something, and every kind that names it."""
    return [
        wallet(f"{tag}-anna", **{"as": "anna"}),
        deposit("@anna", 10000, f"{tag}-1"),
        wallet(f"{tag}-shop", kind="merchant", **{"as": "the shop"}), {
            "type": "purchase", "wallet": "@anna", "merchant": "@the shop", "amount": 3000,
            "as": "p", "metadata": {"note": "Zürich \"1\""}
        }, {"type": "refund", "purchase": "@p", "amount": 1000},
        {"type": "hold", "wallet": "@anna", "merchant": "@the shop", "amount": 500,
         "as": "h"}, {"type": "capture", "hold": "@h", "amount": 200, "final": False,
                      "as": "c"}, {"type": "capture", "hold": "@h", "amount": 100, "final": False},
        {"type": "void", "hold": "@h"}, {"type": "refund", "purchase": "@c"},
        {"type": "withdrawal", "wallet": "@anna", "amount": 50,
         "as": "w"}, {"type": "settle", "withdrawal": "@w", "bank_transaction_id": f"{tag}-2"},
        {"type": "withdrawal", "wallet": "@anna", "amount": 60,
         "as": "x"}, {"type": "fail", "withdrawal": "@x", "reason": "no such account"
                      }, {"type": "transfer", "from": "@anna", "to": "@the shop", "amount": 7},
    ]


def test_names(report, importer):
    path = importer.write(names_file("names"))
    done = importer.run(path)
    report.check("all is taken", done.returncode == OK
                 and "15 lines: 15 done, 0 refused" in done.stdout, done.stdout + done.stderr)
    anna, shop = importer.wallets("names-anna")[0], importer.wallets("names-shop")[0]
    report.equal("balances", (anna["balance"], shop["balance"], anna["held"]), (7843, 2107, 0))
    again = importer.run(path)
    report.check("again: nothing", again.returncode == OK
                 and "0 done, 15 had been done before" in again.stdout, again.stdout + again.stderr)
    report.equal("still one", len(importer.wallets("names-anna")), 1)
    report.equal("the same balance", importer.wallets("names-anna")[0]["balance"], 7843)
    report.check("no file of refused lines", not os.path.exists(path + ".refused"))


def test_refusals(report, importer):
    path = importer.write([
        wallet("ref", **{"as": "a"}),  # 1
        "",  # 2
        deposit("@a", 100, "ref-1"),  # 3
        {"type": "transfer", "from": "@a", "to": "@nobody", "amount": 1},  # 4
        wallet("ref", currency="nonsense", **{"as": "b"}),  # 5
        deposit("@b", 1, "ref-2"),  # 6
        wallet("ref", **{"as": "a"}),  # 7
        deposit("@a", 1.5, "ref-3"),  # 8
        '{"type":"deposit","wallet":"@a","amount":18446744073709551616}',  # 9
        "not json \x07",
        "[]",
        '"x"',  # 10-12
        deposit("@a", 100, "ref-1", **{"as": "d"}),  # 13
        {"type": "withdrawal", "wallet": "@a", "amount": 101, "as": "w"},  # 14
        {"type": "fail", "withdrawal": "@w"},  # 15
        deposit("@a", 5, "ref-5", idempotency_key="mine"),  # 16
        deposit("@a", 5, "ref-5", idempotency_key="mine"),  # 17: a replay
        deposit("@a", 5, "ref-6", idempotency_key="mine"),  # 18
        {"type": "nonsense"},
        {},  # 19, 20
        '{"type":"deposit","type":"deposit","wallet":"@a","amount":1}',  # 21
        '{"as":"y","type":"wallet","as":"z","owner":"ref","currency":"USD"}',  # 22
        b'{"type":"wallet","owner":"\xff","currency":"USD"}',  # 23
        '{"type":"wallet","owner":"\\ud800","currency":"USD"}',  # 24
        wallet("@a"),  # 25: a name is no owner
        {"type": "transfer", "from": "@a", "to": "@a", "amount": 1},  # 26
    ])
    done = importer.run(path)
    got = [(entry["line"], entry["code"]) for entry in refused_lines(path)]
    report.equal("the refused lines in their order", got, [(4, "unknown_name"),
                                                           (5, "invalid_request"),
                                                           (6, "unknown_name"), (7, "unknown_name"),
                                                           (8, "invalid_request"),
                                                           (9, "invalid_request"),
                                                           (10, "invalid_request"),
                                                           (11, "invalid_request"),
                                                           (12, "invalid_request"),
                                                           (13, "invalid_request"),
                                                           (14, "insufficient_funds"),
                                                           (15, "unknown_name"),
                                                           (18, "idempotency_key_reused"),
                                                           (19, "invalid_request"),
                                                           (20, "invalid_request"),
                                                           (21, "invalid_request"),
                                                           (22, "invalid_request"),
                                                           (23, "invalid_request"),
                                                           (24, "invalid_request"),
                                                           (26, "same_wallet")])
    report.equal("refused", done.returncode, REFUSED)
    report.check("numbers are shown", "line 14: " in done.stderr and "line 4: " in done.stderr,
                 done.stderr)
    report.check("sums", "25 lines: 4 done, 1 had been done before, 20 refused" in done.stdout,
                 done.stdout)
    operations = {entry["line"]: entry.get("operation") for entry in refused_lines(path)}
    report.equal("the operation is kept", operations[14]["amount"], 101)
    report.equal("with its name", operations[6]["wallet"], "@b")
    other = os.path.join(importer.server.home, "elsewhere")
    again = importer.run(path, "--refused", other)
    report.equal("again, elsewhere", (again.returncode, os.path.exists(other)), (REFUSED, True))
    with open(other, encoding="utf-8") as file:
        report.equal("the same refusals",
                     [(entry["line"], entry["code"]) for entry in map(json.loads, file)], got)


def test_odd_files(report, importer):
    lines = [wallet("odd", **{"as": "a"}), deposit("@a", 3, "odd-1"), deposit("@a", 4, "odd-2")]
    texts = [json.dumps(line) for line in lines]
    odd = b"\xef\xbb\xbf" + "\r\n".join(["", texts[0], "  ", " " + texts[1] + " ", texts[2]
                                         ]).encode()
    done = importer.run(importer.write(odd))
    report.check("BOM, CRLF, blanks, no last line end", done.returncode == OK
                 and "3 lines: 3 done" in done.stdout, done.stdout + done.stderr)
    report.equal("and all of it", importer.wallets("odd")[0]["balance"], 7)
    long = importer.write([
        wallet("long", **{"as": "a"}), "x" * (3 << 20), '{"a":"' + "y" * 900000 + '"}',
        deposit("@a", 9, "long-1")
    ])
    done = importer.run(long)
    report.equal("long lines", [(entry["line"], entry["code"]) for entry in refused_lines(long)],
                 [(2, "request_too_large"), (3, "invalid_request")], done.stderr)
    report.equal("what is behind them", importer.wallets("long")[0]["balance"], 9)
    last = importer.write("x" * (2 << 20))
    importer.run(last)
    report.equal("nothing but a long line", [entry["line"] for entry in refused_lines(last)], [1])
    empty = importer.run(importer.write(""))
    report.equal("an empty file", (empty.returncode, empty.stdout[:7]), (OK, "0 lines"))
    for name in ("/nonexistent", "/dev/null", importer.server.home):
        report.equal(f"no file: {name}", importer.run(name).returncode, USAGE)
    path = importer.write([wallet("x")])
    report.equal("no such option", importer.run(path, "--nonsense").returncode, USAGE)
    report.equal("a format", importer.run(path, "--format", "xml").returncode, USAGE)
    wrong = importer.run(path, "--key", "florin_wrong")
    report.check("a wrong key stops it", wrong.returncode == REFUSED
                 and "unauthenticated" in wrong.stderr, wrong.stderr)
    large = [wallet("large", metadata={f"n{n}": "v" * 500 for n in range(32)}) for _ in range(1500)]
    done = importer.run(importer.write(large))
    report.check("24 MB of metadata", "1,500 done" in done.stdout, done.stdout + done.stderr)


def test_csv(report, importer):
    content = ('type,as,owner,currency,kind,wallet,merchant,amount,bank_transaction_id,order,'
               'metadata.note,final,hold,idempotency_key\r\n'
               'wallet,a,"Anna ""the first"", csv",EUR,,,,,,,"with, comma",,,\r\n'
               'wallet,m,csv-shop,EUR,merchant,,,,,,,,,\r\n'
               'deposit,,,,,@a,,10000,csv-1,,,,,"k,1"\r\n'
               'purchase,,,,,@a,@m,250,,o-77,,,,\r\n'
               'purchase,,,,,@a,@m,25x,,o-77,,,,\r\n'
               'hold,h,,,,@a,@m,100,,,,,,\r\n'
               '\r\n'
               'capture,,,,,,,50,,,,false,@h,\r\n'
               'short,row\r\n'
               'wallet,n,"two\nlines",EUR,,,,,,,,,,\r\n'
               'wallet,,"broken"x,EUR,,,,,,,,,,\r\n'
               'deposit,,,,,@a,,007,csv-2,,,,,\r\n'
               'deposit,,,,,@a,,1,csv-3,,,,,')
    path = importer.write(content, "csv")
    done = importer.run(path)
    got = [(entry["line"], entry["code"]) for entry in refused_lines(path)]
    report.equal("refused rows", got, [(6, "invalid_request"), (10, "invalid_request"),
                                       (11, "invalid_request"), (13, "invalid_request"),
                                       (14, "invalid_request")], done.stderr)
    with importer.server.client() as client:
        anna = client.list("/v1/wallets?owner=Anna%20%22the%20first%22%2C%20csv")[0]
    report.equal("the rest", (anna["balance"], anna["held"], anna["metadata"]),
                 (9701, 50, {"note": "with, comma"}))
    for header in ("type,amout", "type,type", "type,metadata", "", 'a"b', "type,,amount"):
        done = importer.run(importer.write(header + "\n", "csv"))
        report.equal(f"header {header!r}", done.returncode, USAGE, done.stdout + done.stderr)
    unclosed = importer.write('type,owner,currency\nwallet,csv-u,USD\nwallet,"x,USD\n' + "y\n" * 9,
                              "csv")
    done = importer.run(unclosed)
    report.equal("an open quote", [entry["line"] for entry in refused_lines(unclosed)], [3])
    report.equal("what was before it", len(importer.wallets("csv-u")), 1)
    swallowed = importer.write('type,owner,currency\nwallet,"x,USD\n' + "wallet,y,USD\n" * 200000,
                               "csv")
    done = importer.run(swallowed)
    report.equal("an open quote swallows no memory",
                 (done.returncode, [entry["line"] for entry in refused_lines(swallowed)]),
                 (REFUSED, [2]))
    guessed = importer.write("type,owner,currency\nwallet,csv-g,USD\n", "txt")
    report.equal("guessed by its first byte", importer.run(guessed).returncode, OK)
    forced = importer.write("type,owner,currency\nwallet,csv-f,USD\n", "ndjson")
    report.equal("--format", importer.run(forced, "--format", "csv").returncode, OK)


def test_order(report, importer):
    """All the money goes round and round: any two lines in the wrong order and one is refused."""
    lines = [wallet("order", **{"as": f"w{n}"}) for n in range(7)]
    lines.append(deposit("@w0", 1000, "order-1"))
    for n in range(4001):
        lines.append(
            {"type": "transfer", "from": f"@w{n % 7}", "to": f"@w{(n + 1) % 7}", "amount": 1000})
        if n % 50 == 0:
            lines.append(wallet("order-more", **{"as": f"more{n}"}))
            lines.append(deposit(f"@more{n}", 1, f"order-more-{n}"))
    done = importer.run(importer.write(lines))
    report.check("the order of lines is kept", done.returncode == OK, done.stdout + done.stderr)
    chain = [
        wallet("chain", **{"as": "a"}),
        wallet("chain", kind="merchant", **{"as": "m"}),
        deposit("@a", 100000, "chain-1")
    ]
    for n in range(300):
        chain += [{"type": "hold", "wallet": "@a", "merchant": "@m", "amount": 9, "as": f"h{n}"},
                  {"type": "capture", "hold": f"@h{n}", "amount": 5,
                   "as": f"c{n}"}, {"type": "refund", "purchase": f"@c{n}", "amount": 2}]
    done = importer.run(importer.write(chain))
    report.check("each line names the one before", done.returncode == OK, done.stdout + done.stderr)
    report.equal("all of them", sorted(w["balance"] for w in importer.wallets("chain")),
                 [900, 99100])


def big_file(importer, tag, seed):
    """A shuffled day with many wallets; returns its path and each owner's balance."""
    rng = random.Random(seed)
    owners = [f"{tag}-{n}" for n in range(500)]
    balances = dict.fromkeys(owners, 0)
    path = importer.path()
    with open(path, "w", encoding="utf-8") as file:
        for n, owner in enumerate(owners):
            file.write(json.dumps(wallet(owner, **{"as": owner})) + "\n")
            file.write(json.dumps(deposit(f"@{owner}", 10**7, f"{tag}-{n}")) + "\n")
            balances[owner] += 10**7
        for _ in range(BIG_LINES - 2 * len(owners)):
            payer, payee = rng.sample(owners, 2)
            amount = rng.randrange(1, 100)
            file.write(f'{{"type":"transfer","from":"@{payer}","to":"@{payee}",'
                       f'"amount":{amount}}}\n')
            balances[payer] -= amount
            balances[payee] += amount
    return path, balances


def check_balances(report, name, importer, tag, balances):
    with importer.server.client() as client:
        wallets = client.list("/v1/wallets?limit=1000")
    ours = [item for item in wallets if item["owner"].startswith(tag + "-")]
    got = {item["owner"]: item["balance"] for item in ours}
    report.check(f"{name}: every balance", got == balances,
                 lambda: f"{sum(got.get(o) != b for o, b in balances.items())} differ")
    report.equal(f"{name}: no wallet twice", len(ours), len(balances))
    report.equal(f"{name}: the books", importer.integrity(), True)


def listens(process, number):
    """Whether it has said what it does on that signal, or has ended."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            caught = [line for line in file if line.startswith("SigCgt:")]
    except FileNotFoundError:
        return True
    return process.poll() is not None or int(caught[0].split()[1], 16) >> (number - 1) & 1 == 1


def test_cut_off(report, importer):
    """Killed, interrupted, interrupted, and started once more."""
    path, balances = big_file(importer, "cut", 1)
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = importer.launch(path)
        if number != signal.SIGKILL:
            within(60, lambda p=process, n=number: listens(p, n))
        time.sleep(0.25)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        if number != signal.SIGKILL and process.returncode != OK:
            report.equal(f"signal {number}", process.returncode, INTERRUPTED, errors)
            report.check("says how to go on", "goes on where it stopped" in errors, errors)
    done = importer.run(path)
    report.check("the rest", done.returncode == OK and f"{BIG_LINES:,} lines" in done.stdout,
                 done.stdout + done.stderr)
    check_balances(report, "cut off", importer, "cut", balances)


def test_server_dies(report, importer):
    """kill -9 of the server in the middle: the import waits, and goes on by itself."""
    path, balances = big_file(importer, "die", 2)
    process = importer.launch(path)
    for _ in range(3):
        time.sleep(0.3)
        importer.server.kill()
        time.sleep(0.3)
        importer.server.start()
    output, errors = process.communicate(timeout=120)
    report.equal("it ends well", process.returncode, OK, output + errors)
    report.check("and has said what happened", "trying again" in errors
                 or f"{BIG_LINES:,} lines" in output, errors)
    check_balances(report, "server dies", importer, "die", balances)


def test_kept(report):
    """Lines that a rule holds or that need an approval are told as such, also when the file is
    imported again; once they are decided, names stand for what they made."""
    config = {**rules.config([rules.rule("large", "hold", amount=4000)]),
              "approvals": {"above": {"USD": 9000}}}
    with serving(config=config) as server:
        importer = Importer(server)
        path = importer.write([
            wallet("kept", **{"as": "a"}), wallet("till", kind="merchant", **{"as": "m"}),
            *(deposit("@a", 8000, f"kept-{number}") for number in range(3)),
            {"type": "purchase", "wallet": "@a", "merchant": "@m", "amount": 4000, "as": "p"},
            {"type": "refund", "purchase": "@p", "amount": 1000},
            {"type": "hold", "wallet": "@a", "merchant": "@m", "amount": 4001, "as": "h"},
            {"type": "capture", "hold": "@h"},
            {"type": "transfer", "from": "@a", "to": "@m", "amount": 9001},
            {"type": "transfer", "from": "@a", "to": "@m", "amount": 9002},
            {"type": "transfer", "from": "@a", "to": "@m", "amount": 7},
        ])
        done = importer.run(path)
        report.equal("kept: what waits", done.stdout.split(";")[0],
                     "12 lines: 6 done, 4 kept for somebody to decide, 2 refused (2 unknown_name)",
                     done.stderr)
        again = importer.run(path)
        report.equal("kept: still", again.stdout.split(";")[0],
                     "12 lines: 0 done, 6 had been done before, 4 kept for somebody to decide, "
                     "2 refused (2 unknown_name)", again.stderr)
        with server.client(server.key("admin")["secret"]) as other:
            held = {one["operation"]: one["id"] for one in other.list("/v1/anomalies")}
            waiting = [one["id"] for one in other.list("/v1/approvals")]
            for place in (f"/v1/anomalies/{held['purchase']}/approve",
                          f"/v1/anomalies/{held['hold']}/reject",
                          f"/v1/approvals/{waiting[0]}/approve",
                          f"/v1/approvals/{waiting[1]}/reject"):
                said = "comment" if place.startswith("/v1/anomalies/") else "reason"
                answer = other.post(place, {said: "seen"})
                report.equal(f"kept: {place.rpartition('/')[2]}", answer.status, 200, answer)
        decided = importer.run(path)
        report.equal("kept: decided", decided.stdout.split(";")[0],
                     "12 lines: 1 done, 8 had been done before, 3 refused (2 rejected, "
                     "1 unknown_name)", decided.stderr)
        with server.client() as client:
            balance = client.list("/v1/wallets?owner=kept")[0]["balance"]
        report.equal("kept: what was refunded of what was approved", balance,
                     24000 - 4000 + 1000 - 7 - 9002)
        report.check("kept: says where", "anm_" in decided.stderr, decided.stderr)


def test_rules_broken(report):
    """While the server's rules do not load it says so, and goes on once they do."""
    config = rules.config([rules.rule("large", "flag", amount=10**9)])
    place = config["rules"]["file"]
    with open(place, encoding="utf-8") as file:
        right = file.read()
    with serving(config=config) as server:
        importer = Importer(server)
        rules.written("{", place)
        within(60, lambda: "failed" in server.client().get("/readyz").body.decode())
        process = importer.launch(importer.write([
            wallet("rul", **{"as": "a"}), wallet("rul", **{"as": "b"}), deposit("@a", 5, "rul-1"),
            {"type": "transfer", "from": "@a", "to": "@b", "amount": 5}]))
        told = process.stderr.readline()
        while told and "trying again" not in told:
            told = process.stderr.readline()
        report.check("rules: it says what it waits for", "rules for payments do not load" in told,
                     told)
        rules.written(right, place)
        said, rest = process.communicate(timeout=300)
        report.check("rules: and goes on when they load", process.returncode == OK
                     and "4 lines: 4 done, 0 refused" in said, said + rest)


def test_speed(report, importer):
    """Printed, not judged: machines swing."""
    path, balances = big_file(importer, "fast", 3)
    begun = time.monotonic()
    done = importer.run(path)
    seconds = time.monotonic() - begun
    report.equal(f"{BIG_LINES:,} lines", done.returncode, OK, done.stdout + done.stderr)
    begun = time.monotonic()
    importer.run(path)
    print(f"import: {BIG_LINES / seconds:,.0f} lines/s, "
          f"again {BIG_LINES / (time.monotonic() - begun):,.0f} lines/s")
    check_balances(report, "speed", importer, "fast", balances)


def play_all(report):
    with serving() as server:
        importer = Importer(server)
        for test in (test_names, test_refusals, test_odd_files, test_csv, test_order,
                     test_cut_off, test_server_dies, test_speed):
            report.run(test.__name__, test, importer)
        report.equal("the server's log is clean", server.trouble(), [])
    report.run("test_kept", test_kept)
    report.run("test_rules_broken", test_rules_broken)


if __name__ == "__main__":
    whole = Report("import")
    play_all(whole)
    whole.finish()
