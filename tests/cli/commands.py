# SPDX-License-Identifier: MIT
"""The command line against a running server: every verb, its JSON, its exit status, and the
import of files."""

import csv
import json
import os
import re
import signal
import subprocess
import time

import florin
import rules
from shop import Books


class Cli:
    """Runs `florin WORDS` with address and key in the environment, as people do."""
    def __init__(self, report, server):
        self.report = report
        self.server = server
        self.environment = {
            "FLORIN_URL": f"http://127.0.0.1:{server.port}", "FLORIN_KEY": server.admin_secret
        }

    def run(self, *words, timeout=60.0, environment=None, stdin=None):
        variables = {**self.environment, **(environment or {})}
        return self.server.command_line(*words, timeout=timeout, environment=variables, stdin=stdin)

    def json(self, *words):
        """What `--json` says; the verb must succeed."""
        done = self.run(*words, "--json")
        name = " ".join(words[:2])
        if done.returncode != 0:
            self.report.fail(name, f"exit {done.returncode}\n{done.stdout}{done.stderr}")
            return {}
        try:
            document = json.loads(done.stdout)
        except ValueError:
            self.report.fail(name, f"no JSON: {done.stdout}")
            return {}
        self.report.ok()
        return document

    def refused(self, code, *words):
        """The verb fails, says why in words, and exits non-zero."""
        done = self.run(*words)
        self.report.check(f"{' '.join(words[:2])}: refused", done.returncode != 0, done.stdout)
        self.report.check(f"{' '.join(words[:2])}: says {code}", code in done.stdout + done.stderr,
                          done.stdout + done.stderr)


def verbs(report, cli):
    """A day by hand."""
    anna = cli.json("wallet", "create", "anna", "USD", "--metadata", "tier=gold")
    shop = cli.json("wallet", "create", "shop", "USD", "--kind", "merchant")
    report.equal("wallet create", (anna.get("owner"), anna.get("metadata"), shop.get("kind")),
                 ("anna", {"tier": "gold"}, "merchant"))
    deposit = cli.json("deposit", anna["id"], "10000", "bank-1", "--reference", "salary")
    report.equal("deposit", (deposit.get("amount"), deposit.get("reference")), (10000, "salary"))
    with_currency = cli.json("deposit", anna["id"], "12.50USD", "bank-2")
    report.equal("an amount with a currency is in major units", with_currency.get("amount"), 1250)
    purchase = cli.json("purchase", anna["id"], shop["id"], "2500", "--order", "A-1")
    report.equal("purchase", (purchase.get("type"), purchase.get("order")), ("purchase", "A-1"))
    refund = cli.json("refund", purchase["id"], "500", "--reason", "broken")
    report.equal("refund", (refund.get("amount"), refund.get("reason")), (500, "broken"))
    report.equal("refund of the rest", cli.json("refund", purchase["id"]).get("amount"), 2000)
    hold = cli.json("hold", anna["id"], shop["id"], "700")
    report.equal("hold", hold.get("status"), "open")
    report.equal("capture", cli.json("capture", hold["id"], "200").get("hold"), hold["id"])
    second = cli.json("hold", anna["id"], shop["id"], "700")
    report.equal("void", cli.json("void", second["id"]).get("status"), "voided")
    report.equal("transfer",
                 cli.json("transfer", shop["id"], anna["id"], "200").get("type"), "transfer")
    pending = cli.json("withdraw", anna["id"], "100")
    report.equal("withdraw", pending.get("status"), "pending")
    report.equal("withdraw settle",
                 cli.json("withdraw", "settle", pending["id"], "bank-3").get("status"), "settled")
    report.equal("wallet show", cli.json("wallet", "show", anna["id"]).get("balance"), 11150)
    report.equal("wallet freeze", cli.json("wallet", "freeze", anna["id"]).get("status"), "frozen")
    cli.refused("wallet_frozen", "transfer", anna["id"], shop["id"], "1")
    report.equal("wallet unfreeze",
                 cli.json("wallet", "unfreeze", anna["id"]).get("status"), "active")
    cli.refused("insufficient_funds", "transfer", shop["id"], anna["id"], "1")
    cli.refused("not_found", "wallet", "show", "wallet_01h455vb4pex5vsknk084sn02q")
    history = cli.json("history", anna["id"])
    report.equal("history", len(history.get("items", [])), 8)
    for words in (("history", anna["id"]), ("wallet", "show", anna["id"]), ("wallet", "list"),
                  ("wallet", "limits", anna["id"]),
                  ("hold", "list"), ("check-integrity", ), ("keys",
                                                            "list"), ("help", ), ("version", )):
        done = cli.run(*words)
        report.check(
            f"{' '.join(words[:2])} for people", done.returncode == 0 and len(done.stdout) > 10
            and not done.stdout.lstrip().startswith("{"), done.stdout + done.stderr)
    shown = cli.run("wallet", "show", anna["id"]).stdout
    report.check("people read amounts with their decimals", "111.50" in shown, shown)
    books = cli.json("check-integrity")
    report.equal("check-integrity", books.get("consistent"), True)


def keys(report, cli, server):
    """Keys made, used and revoked; and one made on a stopped server."""
    made = cli.json("keys", "create", "till", "service")
    report.check("keys create shows the secret once", made.get("secret", "") != "", f"{made}")
    as_till = {"FLORIN_KEY": made.get("secret", "")}
    report.equal("the new key works", cli.run("wallet", "list", environment=as_till).returncode, 0)
    shown = cli.json("keys", "show", made["id"])
    report.equal("keys show", (shown.get("name"), "secret" in shown), ("till", False), shown)
    report.check("keys revoke", cli.run("keys", "revoke", made["id"]).returncode == 0)
    done = cli.run("wallet", "list", environment=as_till)
    report.check("a revoked key does not", done.returncode != 0
                 and "unauthenticated" in done.stdout + done.stderr, done.stdout + done.stderr)
    done = cli.run("wallet", "list", "--url", f"http://127.0.0.1:{florin.free_port()}")
    report.check("nobody there: says so", done.returncode != 0 and done.stderr != "", done.stderr)
    done = cli.run("wallet", "list", "--data", server.data, environment={"FLORIN_KEY": ""})
    report.equal("the local admin key is found", done.returncode, 0, done.stdout + done.stderr)
    running = server.command_line("keys", "create", "--data", server.data)
    report.check("keys create --data on a running server refuses", running.returncode != 0,
                 running.stdout + running.stderr)
    server.stop()
    done = server.command_line("keys", "create", "--data", server.data)
    report.equal("keys create on a stopped server", done.returncode, 0, done.stdout + done.stderr)
    server.start()
    working = []
    for word in re.findall(r"[\w.\-]{16,}", done.stdout):
        with server.client(word) as client:
            if client.get("/v1/keys").status == 200:
                working.append(word)
    report.check("its secret is told and opens the door", len(working) == 1, done.stdout)
    report.equal("florin verify on a folder that is not there",
                 server.command_line("verify", server.data + "-not-there").returncode != 0, True)


def operations(count):
    """Lines of an import: wallets with names, then payments among them, some of them refused."""
    yield {"type": "wallet", "as": "shop", "owner": "shop", "currency": "EUR", "kind": "merchant"}
    for number in range(10):
        yield {
            "type": "wallet", "as": f"c{number}", "owner": f"customer {number}", "currency": "EUR"
        }
        yield {
            "type": "deposit", "wallet": f"@c{number}", "amount": 1_000_000,
            "bank_transaction_id": f"import-{number}"
        }
    for number in range(count):
        payer = f"@c{number % 10}"
        kind = number % 6
        if kind == 0:
            yield {
                "type": "purchase", "as": f"p{number}", "wallet": payer, "merchant": "@shop",
                "amount": 2, "order": f"order-{number}"
            }
            yield {"type": "refund", "purchase": f"@p{number}", "amount": 1}
        elif kind == 1:
            yield {
                "type": "hold", "as": f"h{number}", "wallet": payer, "merchant": "@shop",
                "amount": 3
            }
            yield {"type": "capture", "hold": f"@h{number}", "amount": 1}
        elif kind == 2:
            yield {"type": "withdrawal", "as": f"w{number}", "wallet": payer, "amount": 2}
            yield {
                "type": "settle", "withdrawal": f"@w{number}",
                "bank_transaction_id": f"settled-{number}"
            }
        elif kind == 3:
            yield {
                "type": "transfer", "from": payer, "to": f"@c{(number + 1) % 10}", "amount": 1,
                "idempotency_key": f"own-{number}"
            }
        elif kind == 4:
            yield {
                "type": "transfer", "from": payer, "to": f"@c{(number + 1) % 10}",
                "amount": 9_000_000_000
            }
        else:
            yield {
                "type": "deposit", "wallet": payer, "amount": 2,
                "bank_transaction_id": f"more-{number}", "metadata": {"n": str(number)}
            }


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def totals(server):
    with server.client() as client:
        books = Books(client)
        return len(books.transactions), {
            id_: wallet["balance"] for id_, wallet in books.wallets.items()
        }, books


def importing(report, cli, server):
    """A file twice is the file once; refused lines are told with their numbers."""
    path = os.path.join(server.home, "day.ndjson")
    lines = list(operations(600))
    # Two lines that are wrong in themselves, where everybody can see them.
    lines.insert(30, {"type": "transfer", "from": "@c1", "to": "@nobody", "amount": 1})
    lines.insert(31, {"type": "transfer", "from": "@c1", "to": "@c2", "amount": "ten"})
    write_lines(path, lines)
    first = cli.run("import", path, timeout=120)
    said = first.stdout + first.stderr
    refused = [
        number for number, line in enumerate(lines, 1)
        if line.get("amount") in (9_000_000_000, "ten") or line.get("to") == "@nobody"
    ]
    told = said + read_if_there(path + ".refused")
    report.check("import: lines 31 and 32 are told",
                 re.search(r"\b31\b", told) and re.search(r"\b32\b", told), told[-3000:])
    report.check("import: the ledger's refusals are told by line",
                 all(re.search(rf"\b{number}\b", told) for number in refused[:20]), told[-2000:])
    count, balances, books = totals(server)
    report.check("import: sums", not books.wrong(), lambda: "\n".join(books.wrong()[:10]))
    expected = 10 + 100 * 2 + 100 + 100 + 100 + 100
    made = [item for item in books.transactions if item["currency"] == "EUR"]
    report.equal("import: transactions", len(made), expected, said[-2000:])
    again = cli.run("import", path, timeout=120)
    count_again, balances_again, _ = totals(server)
    report.equal("import again: nothing new", (count_again, balances_again), (count, balances),
                 again.stdout + again.stderr)


def read_if_there(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def interrupted(report, cli, server):
    """An import that is interrupted, by SIGINT, by kill -9, and by a kill -9 of the server, and
    then goes on."""
    path = os.path.join(server.home, "interrupted.ndjson")
    lines = [{**line, "owner": "again " + line["owner"]} if "owner" in line else line
             for line in operations(30_000)]
    lines = [{**line, "bank_transaction_id": "again-" + line["bank_transaction_id"]}
             if "bank_transaction_id" in line else line for line in lines]
    lines = [
        {**line, "idempotency_key": "again-" +
                                    line["idempotency_key"]} if "idempotency_key" in line else line
        for line in lines
    ]
    write_lines(path, lines)
    before = totals(server)[0]
    environment = dict(os.environ, **cli.environment)
    for number in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen([server.florin, "import", path], env=environment,
                                   cwd=server.home, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(0.25)
        process.send_signal(number)
        process.wait(30)
    process = subprocess.Popen([server.florin, "import", path], env=environment, cwd=server.home,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.2)
    server.kill()
    time.sleep(0.2)
    server.start()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    last = cli.run("import", path, timeout=240)
    count, balances, books = totals(server)
    expected = 10 + 5000 * 2 + 5000 * 4
    report.equal("interrupted import: each line once", count - before, expected,
                 last.stdout + last.stderr)
    report.check("interrupted import: sums", not books.wrong(),
                 lambda: "\n".join(books.wrong()[:10]))
    again = cli.run("import", path, timeout=240)
    report.equal("interrupted import: again nothing new",
                 totals(server)[1], balances, again.stdout + again.stderr)


def from_csv(report, cli, server):
    """CSV has a column for each field; quoting is RFC 4180's."""
    path = os.path.join(server.home, "day.csv")
    columns = [
        "type", "as", "owner", "currency", "kind", "wallet", "amount", "bank_transaction_id",
        "reference", "merchant", "order", "idempotency_key"
    ]
    rows = [
        {"type": "wallet", "as": "a", "owner": 'Anna "the quoted", Medici', "currency": "USD"},
        {"type": "wallet", "as": "s", "owner": "csv shop", "currency": "USD", "kind": "merchant"}, {
            "type": "deposit", "wallet": "@a", "amount": "500", "bank_transaction_id": "csv-1",
            "reference": "a, b"
        }, {
            "type": "purchase", "wallet": "@a", "merchant": "@s", "amount": "120", "order": "csv",
            "idempotency_key": "csv-k"
        }, {"type": "purchase", "wallet": "@a", "merchant": "@s", "amount": "many", "order": "csv"},
    ]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    done = cli.run("import", path)
    said = done.stdout + done.stderr + read_if_there(path + ".refused")
    report.check("csv: the refused row is told (line 6)", re.search(r"\b6\b", said), said)
    with server.client() as client:
        wallets = client.list("/v1/wallets?owner=Anna%20%22the%20quoted%22%2C%20Medici")
        report.equal("csv: wallet", [wallet["balance"] for wallet in wallets], [380], said)
        bought = client.list("/v1/transactions?order=csv")
        report.equal("csv: purchase", [item["amount"] for item in bought], [120])
        replay = client.post(
            "/v1/purchases", {
                "wallet": bought[0]["debit"]["account"], "merchant": bought[0]["credit"]["account"],
                "amount": 120, "order": "csv"
            }, key="csv-k")
        report.check("csv: a row's key is a request's key", replay.replayed
                     and replay["id"] == bought[0]["id"], f"{replay!r}")


def demo(report, cli, server):
    """A shop's day, twice; it ends by checking the books."""
    for words in (("demo", ), ("demo", "--seed", "7", "--customers", "40")):
        done = cli.run(*words, timeout=120)
        report.equal(" ".join(words), done.returncode, 0, (done.stdout + done.stderr)[-3000:])
        report.check(f"{' '.join(words)} tells about the day", len(done.stdout) > 200, done.stdout)
    _, _, books = totals(server)
    problem = florin.integrity_problem(books.integrity)
    report.check("demo: integrity", problem is None, problem)
    report.check("demo: sums", not books.wrong(), lambda: "\n".join(books.wrong()[:10]))
    types = {item["type"] for item in books.transactions}
    report.equal("demo: all that a shop does", types,
                 {"deposit", "withdrawal", "purchase", "refund", "transfer"})


def anomalies(report, binary):
    """The review queue by hand: what waits, why, and each of the three decisions."""
    with florin.serving(florin=binary, config=rules.config([
            rules.rule("large", "hold", amount=5000, operations=["transfer"], score=80),
            rules.rule("noted", amount=3000, operations=["transfer"], score=30)])) as server:
        cli, world = Cli(report, server), rules.World(server, report)
        ann, bob = world.wallet(100_000), world.wallet()
        held = [world.transfer(ann, bob, amount)["id"] for amount in (6000, 7000)]
        world.transfer(ann, bob, 3500)
        shown = cli.json("anomalies", "list", "--status", "pending")["items"]
        report.equal("anomalies list", [one["rule"] for one in shown], ["noted", "large", "large"])
        report.equal("anomalies list of a rule", [one["id"] for one in cli.json(
            "anomalies", "list", "--rule", "large", "--wallet", ann)["items"]], held[::-1])
        report.equal("anomalies show", cli.json("anomalies", "show", held[0])["sentence"],
                     "Transfer of 60.00 USD. Also: noted.")
        people = cli.run("anomalies", "list")
        report.check("anomalies list for people", people.returncode == 0 and
                     people.stdout.count("Transfer of ") == 3, people.stdout + people.stderr)
        people = cli.run("anomalies", "show", held[0])
        report.check("anomalies show for people", people.returncode == 0 and
                     "Transfer of 60.00 USD." in people.stdout, people.stdout + people.stderr)
        noted = next(one for one in shown if one["rule"] == "noted")
        people = cli.run("anomalies", "show", noted["id"])
        report.check("anomalies show tells of transactions",
                     noted["transactions"][0] in people.stdout, people.stdout)
        done = [cli.json("anomalies", verb, id_, "--comment", "called her")
                for verb, id_ in (("approve", held[0]), ("reject", held[1]),
                                  ("dismiss", shown[0]["id"]))]
        report.equal("anomalies approve, reject, dismiss",
                     [(one.get("status"), one.get("comment")) for one in done],
                     [(word, "called her") for word in ("approved", "rejected", "dismissed")])
        report.equal("the money", world.money(bob)[0], 6000 + 3500)
        cli.refused("anomaly_not_pending", "anomalies", "approve", held[0])
        cli.refused("not_found", "anomalies", "show", held[0][:-6] + "000000")
        report.equal("nothing waits", cli.json("anomalies", "list", "--status", "pending")["items"],
                     [])


def all_commands(report, binary):
    with florin.serving(florin=binary) as server:
        cli = Cli(report, server)
        report.run("verbs", verbs, cli)
        report.run("import", importing, cli, server)
        report.run("import of CSV", from_csv, cli, server)
        report.run("interrupted import", interrupted, cli, server)
        report.run("demo", demo, cli, server)
        report.run("keys", keys, cli, server)
        report.run("anomalies", anomalies, binary)
        report.equal("exit status", server.stop(), 0, server.log()[-2000:])
        report.equal("verify", server.verify().returncode, 0)
