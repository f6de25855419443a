#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client on the command line against a running server: every sub-command, what people and
programs see, where address and key come from, and what the shell is told."""

import glob
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "roles", "rules")]

import rules  # noqa: E402
from florin import binary, folder, free_port, serving  # noqa: E402
from report import Report  # noqa: E402

OK, REFUSED, USAGE, NO_CONNECTION = 0, 1, 2, 3


class Shell:
    """Runs `florin` as somebody would who has set FLORIN_URL and FLORIN_KEY."""
    def __init__(self, server):
        self.server = server
        self.variables = {
            "FLORIN_URL": f"http://127.0.0.1:{server.port}", "FLORIN_KEY": server.admin_secret
        }

    def __call__(self, *words, **changes):
        variables = dict(self.variables, **changes)
        return self.server.command_line(*[str(word) for word in words], environment=variables)

    def json(self, *words):
        done = self(*words, "--json")
        if done.returncode != OK:
            raise AssertionError(f"florin {words}: {done.returncode} {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def wallet(self, owner, *more):
        return self.json("wallet", "create", owner, "USD", *more)["id"]

    def funded(self, owner, amount):
        wallet = self.wallet(owner)
        self.json("deposit", wallet, amount, f"bank-{owner}-{wallet}")
        return wallet


def test_wallets(report, server, shell):
    done = shell("wallet", "create", "anna", "USD", "--credit-limit", "10.00USD", "--metadata",
                 "city=Zürich", "--metadata", "note=a=b")
    report.equal("create", done.returncode, OK, done.stderr)
    wallet = done.stdout.split("\n")[0]
    report.check("amounts for people", "credit_limit   10.00 USD" in done.stdout, done.stdout)
    report.check("metadata for people", "metadata.note  a=b" in done.stdout
                 and "metadata.city  Zürich" in done.stdout, done.stdout)
    with server.client() as client:
        report.equal("--json is the server's body", shell.json("wallet", "show", wallet),
                     client.get(f"/v1/wallets/{wallet}").json)
    report.equal("freeze",
                 shell.json("wallet", "freeze", wallet, "--reason", "x")["status"], "frozen")
    report.equal("unfreeze", shell.json("wallet", "unfreeze", wallet)["status"], "active")
    report.equal("close", shell.json("wallet", "close", wallet)["status"], "closed")
    report.equal("reopen", shell.json("wallet", "reopen", wallet)["status"], "active")
    changed = shell.json("wallet", "change", wallet, "--credit-limit", "5", "--no-metadata")
    report.equal("change", (changed["credit_limit"], changed.get("metadata")), (5, None))
    version = changed["version"]
    stale = shell("wallet", "change", wallet, "--credit-limit", 6, "--if-version", version - 1)
    report.check("a stale version", stale.returncode == REFUSED
                 and "version_mismatch" in stale.stderr, stale.stderr)
    fresh = shell.json("wallet", "change", wallet, "--credit-limit", 6, "--if-version", version)
    report.equal("a fresh version", fresh["version"], version + 1)
    report.equal("balance", shell.json("wallet", "balance", wallet)["balance"], 0)
    past = shell.json("wallet", "balance", wallet, "--at", "2001-01-01")
    report.equal("balance of the past", past["balance"], 0)


def test_money(report, server, shell):
    anna, ben = shell.funded("anna", 100000), shell.wallet("ben")
    shop = shell.wallet("shop", "--kind", "merchant")
    report.equal("withdraw at once",
                 shell.json("withdraw", anna, 1000, "--bank-transaction-id", "out-1")["status"],
                 "settled")
    pending = shell.json("withdraw", anna, "10.00USD")
    report.equal("withdraw", (pending["status"], pending["amount"]), ("pending", 1000))
    report.equal("settle",
                 shell.json("withdraw", "settle", pending["id"], "out-2")["status"], "settled")
    failing = shell.json("withdraw", anna, 1)
    report.equal("fail",
                 shell.json("withdraw", "fail", failing["id"], "--reason", "no")["status"],
                 "failed")
    report.equal("withdraw show", shell.json("withdraw", "show", failing["id"])["reason"], "no")
    bought = shell.json("purchase", anna, shop, 2500, "--order", "o-1")
    report.equal("refund a part", shell.json("refund", bought["id"], 500)["amount"], 500)
    report.equal("refund the rest", shell.json("refund", bought["id"])["amount"], 2000)
    moved = shell.json("transfer", "--to", ben, "--amount=300", "--from", anna, "--reference", "hi")
    report.equal("fields as options", (moved["amount"], moved["reference"]), (300, "hi"))
    hold = shell.json("hold", anna, shop, 1000, "--expires-in", 3600, "--order", "o-2")
    part = shell.json("capture", hold["id"], 400, "--keep-open")
    report.equal("capture a part", (part["amount"], part["hold"]), (400, hold["id"]))
    report.equal("still open", shell.json("hold", "show", hold["id"])["remaining"], 600)
    report.equal("void", shell.json("void", hold["id"])["status"], "voided")
    people = shell("hold", "show", hold["id"]).stdout
    report.check("a hold's amounts have a currency", "captured    4.00 USD" in people, people)
    history = shell("history", anna).stdout
    report.check("history has signs", "-3.00 USD" in history and "+20.00 USD" in history, history)
    report.equal("transaction show", shell.json("transaction", "show", moved["id"]), moved)
    found = shell.json("transaction", "list", "--order", "o-1")["items"]
    report.check("transaction list", bought["id"] in [item["id"] for item in found], found)


def test_amounts(report, server, shell):
    wallet = shell.wallet("amounts")
    yen = shell.json("wallet", "create", "amounts", "JPY")["id"]
    dinar = shell.json("wallet", "create", "amounts", "KWD")["id"]
    taken = [(wallet, "12.50USD", 1250), (wallet, "12.5USD", 1250), (wallet, "12 USD", 1200),
             (wallet, "7", 7), (wallet, "0.01USD", 1), (yen, "500JPY", 500),
             (dinar, "1.234KWD", 1234), (wallet, "007", 7)]
    for number, (where, text, minor) in enumerate(taken):
        got = shell.json("deposit", where, text, f"amount-{number}")["amount"]
        report.equal(f"amount {text}", got, minor)
    wrong = [
        "12.50", "12.505USD", "1.5JPY", "USD", "-5", "1e3", "12.USD", "1,000", "5XXY", "",
        "9007199254740992", "99999999999999999999999", "90071992547409.92USD", "5usd", "5 USD "
    ]
    for text in wrong:
        done = shell("deposit", "--wallet", wallet, "--amount", text, "--bank-transaction-id", "x")
        report.equal(f"no amount: {text!r}", done.returncode, USAGE, done.stdout + done.stderr)
    other = shell("deposit", wallet, "5.00EUR", "amount-eur")
    report.check("another currency is the server's to refuse", other.returncode == REFUSED
                 and "currency_mismatch" in other.stderr, other.stderr)
    twice = shell("deposit", wallet, "5.00EUR", "amount-eur", "--currency", "USD")
    report.equal("two currencies", twice.returncode, USAGE)
    zero = shell("deposit", wallet, 0, "amount-zero")
    report.check("zero is the server's to refuse", zero.returncode == REFUSED
                 and "/amount" in zero.stderr, zero.stderr)


def test_lists(report, server, shell):
    ids = [shell.wallet("many") for _ in range(5)]
    page = shell.json("wallet", "list", "--owner", "many", "--limit", 2)
    report.equal("a page", [item["id"] for item in page["items"]], ids[:2:-1])
    following = shell.json("wallet", "list", "--owner", "many", "--limit", 2, "--cursor",
                           page["next_cursor"])
    report.equal("the next page", [item["id"] for item in following["items"]], ids[2:0:-1])
    people = shell("wallet", "list", "--owner", "many", "--limit", 2).stdout
    report.check("how to see more", "--cursor" in people and "--all" in people, people)
    done = shell("wallet", "list", "--owner", "many", "--limit", 2, "--all")
    seen = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    report.equal("--all", seen, ids[::-1], done.stdout + done.stderr)
    done = shell("wallet", "list", "--owner", "many", "--limit", 2, "--all", "--json")
    pages = [json.loads(line) for line in done.stdout.splitlines()]
    report.equal("--all --json", [item["id"] for page in pages for item in page["items"]],
                 ids[::-1])
    report.equal("nobody", shell("wallet", "list", "--owner", "nobody").stdout, "nothing found\n")
    report.equal("odd names", shell.json("wallet", "list", "--owner", "a&b=c d%+ü#?")["items"], [])
    wrong = shell("wallet", "list", "--limit", 1001)
    report.equal("too many at once", wrong.returncode, REFUSED, wrong.stderr)


def test_keys(report, server, shell):
    made = shell.json("keys", "create", "till", "auditor", "--expires-in", 3600)
    report.check("the secret is shown", made.get("secret"), made)
    listed = shell.json("keys", "list")["items"]
    report.check("listed", made["id"] in [key["id"] for key in listed], listed)
    reads = shell("wallet", "list", FLORIN_KEY=made["secret"])
    report.equal("an auditor reads", reads.returncode, OK, reads.stderr)
    writes = shell("wallet", "create", "x", "USD", FLORIN_KEY=made["secret"])
    report.check("and does not write", writes.returncode == REFUSED
                 and "forbidden" in writes.stderr, writes.stderr)
    done = shell("keys", "revoke", made["id"])
    report.equal("revoke", (done.returncode, done.stdout), (OK, "done\n"), done.stderr)
    gone = shell("wallet", "list", FLORIN_KEY=made["secret"])
    report.check("revoked", gone.returncode == REFUSED and "unauthenticated" in gone.stderr,
                 gone.stderr)


def test_where_keys_come_from(report, server, shell):
    bare = {"FLORIN_KEY": ""}
    report.equal("none", shell("wallet", "list", **bare).returncode, REFUSED)
    report.equal("--data", shell("wallet", "list", "--data", server.data, **bare).returncode, OK)
    report.equal("--key",
                 shell("wallet", "list", "--key", server.admin_secret, **bare).returncode, OK)
    wrong = {"FLORIN_KEY": "florin_wrong"}
    report.equal("--data before FLORIN_KEY",
                 shell("wallet", "list", f"--data={server.data}", **wrong).returncode, OK)
    report.equal("--key before --data",
                 shell("wallet", "list", "--key", "florin_x", "--data", server.data).returncode,
                 REFUSED)
    report.equal("a folder without a key", shell("wallet", "list", "--data", "/").returncode, USAGE)
    report.equal("a key with a line end",
                 shell("wallet", "list", "--key", "a\r\nb").returncode, USAGE)
    os.symlink(server.data, os.path.join(server.home, "florin-data"))
    report.equal("./florin-data", shell("wallet", "list", **bare).returncode, OK)
    report.equal(
        "an address without http://",
        shell("wallet", "list", "--url", f"127.0.0.1:{server.port}/", FLORIN_URL="x://").returncode,
        OK)
    report.equal("an address of another kind",
                 shell("wallet", "list", "--url", "file:///etc/passwd").returncode, USAGE)


def test_idempotency(report, server, shell):
    wallet = shell.wallet("retry")
    words = ["deposit", wallet, 100, "retry-1", "--idempotency-key", "key of mine"]
    first = shell(*words)
    again = shell(*words)
    report.equal("the first answer again", again.stdout, first.stdout)
    report.check("and it is said", "done before" in again.stderr, again.stderr)
    report.equal("once", shell.json("wallet", "show", wallet)["balance"], 100)
    other = shell("deposit", wallet, 101, "retry-2", "--idempotency-key", "key of mine")
    report.check("another request", other.returncode == REFUSED
                 and "idempotency_key_reused" in other.stderr, other.stderr)
    for key in ("", "a\nb", "x" * 256):
        done = shell("deposit", wallet, 1, "retry-3", "--idempotency-key", key)
        report.equal(f"no key: {key[:9]!r}", done.returncode, USAGE, done.stderr)


def test_help(report, _, shell):
    """Each word of the list of commands has a help, and the list is as wide as a terminal."""
    said = shell("help")
    names = re.findall(r"^  ([a-z][a-z-]*)", said.stdout, re.M)
    report.check("there are many", len(set(names)) > 25, names)
    for name in sorted(set(names)):
        done = shell("help", name)
        report.check(f"help {name}", done.returncode == OK and f"florin {name}" in done.stdout,
                     done.stdout + done.stderr)
        asked = shell(name, "--help")
        report.check(f"{name} --help is the same", name in ("help", "keys") or (
            asked.returncode, asked.stdout) == (OK, done.stdout), asked.stdout + asked.stderr)
    report.check("what a word can be followed by",
                 "florin wallet freeze WALLET" in shell("help", "wallet").stdout)
    report.check("and which options there are", "--reference" in shell("help", "deposit").stdout)
    wide = [line for line in said.stdout.splitlines() if len(line) > 140]
    report.equal("no line is very long", wide, [])


def test_settings(report, _, shell):
    """Each setting of the program stands in the documents, with its default."""
    with open(os.path.join(TESTS, "..", "docs", "operating.md"), encoding="utf-8") as file:
        table = file.read().partition("\n## Configuration\n")[2].partition("\n## ")[0]
    rows = {name: row[1] for row in (line.strip("| ").split(" | ")
                                     for line in table.splitlines() if line.startswith("| `"))
            for name in re.findall(r"`(\w+)`", row[0])}
    settings = dict(re.findall(r"^  ([a-z]\w+)(?: \(.*default (\d+)\))?$",
                               shell("help", "serve").stdout, re.M))
    report.check("there are many settings", len(settings) > 25, settings)
    report.equal("the documents have all of them, and no others", sorted(rows), sorted(settings))
    numbers = {name: standard for name, standard in settings.items() if standard}
    report.equal("with their defaults", {name: rows.get(name) for name in numbers}, numbers)


def configurations():
    """Each configuration that the documents show, with the page's name."""
    for path in sorted(glob.glob(os.path.join(TESTS, "..", "docs", "*.md"))):
        with open(path, encoding="utf-8") as file:
            page = file.read()
        for text in re.findall(r"^```json\n(.*?)^```|^    (\{\".*\})$", page, re.M | re.S):
            text = (text[0] or text[1]).replace("key_01j...", "key_01h455vb4pex5vsknk084sn02q")
            yield os.path.basename(path), text


def test_documents(report, _, shell):
    """What the documents show as a configuration is one. That it names files and hosts which are
    not here comes out behind that, with another exit status."""
    settings = set(re.findall(r"^  ([a-z]\w+)", shell("help", "serve").stdout, re.M))
    path = os.path.join(folder(), "config.json")
    shown = 0
    for page, text in configurations():
        try:
            names = set(json.loads(text))
        except ValueError:
            continue  # answers are shown with dots in them
        if not names <= settings or isinstance(json.loads(text).get("rules"), list):
            continue  # not a configuration, but a record or a file of rules
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = shell("serve", "--data", os.path.join(folder(), "data"), "--listen", "nowhere",
                     "--config", path)
        report.equal(f"{page}: {', '.join(names)}", done.returncode, 1, done.stderr)
        shown += 1
    report.check("there are many", shown > 10, shown)


def test_usage(report, server, shell):
    wrong = [["wallet"], ["wallet", "nonsense"], ["wallet", "create"], ["wallet", "create", "a"],
             ["wallet", "create", "a", "USD", "b"], ["transfer", "a", "b", "5", "--nonsense", "x"],
             ["transfer", "a", "b", "5", "--reference"],
             ["transfer", "a", "b", "5", "--amount", "6"], ["history"],
             ["wallet", "list", "--limit", "x"], ["void"], ["wallet", "show", ""],
             ["wallet", "change", "w", "--metadata", "novalue"],
             ["wallet", "show", "w", "--if-version", "1"],
             ["wallet", "change", "w", "--if-version", "x"], ["check-integrity", "x"],
             ["wallet", "change", "w", "--credit-limit", "5.00USD"]]
    for words in wrong:
        done = shell(*words)
        report.equal(f"usage: {' '.join(words)}", done.returncode, USAGE, done.stdout + done.stderr)
        report.check(f"says why: {' '.join(words)}", done.stderr, done.stdout)
    done = shell("deposit", "w", "-5", "bank")
    report.check("an amount below zero is told so", done.returncode == USAGE
                 and "below zero" in done.stderr, done.stderr)
    done = shell("serve", "--data", folder(), "--listen", f"127.0.0.1:{server.port}")
    report.check("serve on another's port says what to do", done.returncode == 1
                 and "choose another --listen" in done.stderr, done.stderr)
    rules_file = os.path.join(TESTS, "..", "packaging", "rules.json")
    for name, said in (("/nowhere", "there is no such folder"), (folder(), "no journal in it")):
        for words in (["verify", name], ["rules", "test", rules_file, "--data", name]):
            done = shell(*words)
            report.check(f"{words[0]} {said}", done.returncode == 2 and said in done.stderr,
                         done.stderr)
    for words in (["serve", "--dta", "x"], ["shards", "move", "5", "--dta", "x"],
                  ["shards", "prepare", "--dta", "x"], ["rules", "test", "file", "--dta", "x"]):
        done = shell(*words)
        report.check(f"{' '.join(words)}: says what it does not know, and where it is explained",
                     done.returncode in (1, 2) and done.stderr.startswith(f"florin {words[0]}")
                     and "--dta" in done.stderr and f"florin help {words[0]}" in done.stderr,
                     done.stderr)
    report.equal("behind -- nothing is an option",
                 shell("wallet", "show", "--", "--json").returncode, REFUSED)
    for noun in ("wallet", "deposit", "withdraw", "purchase", "refund", "transfer", "hold",
                 "capture", "void", "transaction", "history", "keys", "check-integrity", "import",
                 "demo"):
        done = shell(noun, "--help")
        report.check(f"{noun} --help", done.returncode == OK and f"florin {noun}" in done.stdout,
                     done.stdout + done.stderr)
    done = shell("wallet", "create", "--help")
    report.check("options in the help", "--credit-limit" in done.stdout
                 and "--idempotency-key" in done.stdout, done.stdout)


def test_refusals(report, server, shell):
    wallet, other = shell.wallet("poor"), shell.wallet("rich")
    done = shell("transfer", wallet, other, 5)
    report.equal("refused", done.returncode, REFUSED)
    with server.client() as client:
        problem = client.post("/v1/transfers", {"from": wallet, "to": other, "amount": 5})
    report.check("a sentence and the code", problem["detail"] in done.stderr
                 and "insufficient_funds" in done.stderr, done.stderr)
    report.equal("nothing on stdout", done.stdout, "")
    done = shell("transfer", wallet, other, 5, "--json")
    report.equal("the problem as JSON", (done.returncode, json.loads(done.stdout)["code"]),
                 (REFUSED, "insufficient_funds"))
    done = shell("deposit", wallet, 5, "bank", "--metadata", "x=" + "y" * 600)
    report.check("where it is wrong, once", done.returncode == REFUSED
                 and done.stderr.count("/metadata") == 1, done.stderr)
    done = shell("transfer", "poor", "rich", 5)
    report.check("of several each", done.returncode == REFUSED and re.search(
        r"\n  /from: must be .*\n  /to: must be ", done.stderr), done.stderr)
    done = shell("wallet", "show", "wallet_../../keys")
    report.check("an id cannot leave its place", done.returncode == REFUSED
                 and "not_found" in done.stderr, done.stderr)


def test_check_integrity(report, server, shell):
    done = shell("check-integrity")
    report.check("for people", done.returncode == OK and "USD" in done.stdout
                 and "difference" in done.stdout, done.stdout + done.stderr)
    report.equal("for programs", shell.json("check-integrity")["consistent"], True)


def test_kept(report):
    """What somebody has to decide is told as such, with the command that shows it."""
    config = {**rules.config([rules.rule("large", "hold", amount=4000)]),
              "approvals": {"above": {"USD": 5000}}}
    with serving(config=config) as server:
        shell = Shell(server)
        payer, payee = shell.funded("payer", 5000), shell.wallet("payee")
        shell.json("deposit", payer, 5000, "kept-2")
        for amount, verb, prefix in ((4000, "anomalies", "anm_"), (5001, "approval", "apr_")):
            done = shell("transfer", payer, payee, amount)
            report.equal(f"{verb}: no refusal", done.returncode, OK, done.stderr)
            asked = re.search(rf"florin ({verb}) (show) ({prefix}\w+)", done.stderr)
            report.check(f"{verb}: nothing has moved", "Nothing has moved yet" in done.stderr
                         and asked, done.stdout + done.stderr)
            report.equal(f"{verb}: what it says works", shell(*asked.groups()).returncode, OK)
        programs = shell("transfer", payer, payee, 4000, "--json")
        report.equal("programs read it from the answer",
                     (programs.stderr, json.loads(programs.stdout)["status"]), ("", "pending"))


def play_server(answer, wait_s=0.0):
    """A port where something answers with those bytes to whatever comes first, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                time.sleep(wait_s)
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listener


def test_no_answer(report):
    server = NoServer()
    done = server.run("wallet", "list", "--url", f"127.0.0.1:{free_port()}")
    report.check("nobody listens", done.returncode == NO_CONNECTION and "running" in done.stderr,
                 done.stderr)
    with play_server(b"") as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        done = server.run("transfer", "a", "b", "5", "--url", url)
        report.check("a lost answer", done.returncode == NO_CONNECTION
                     and "--idempotency-key cli-" in done.stderr, done.stderr)
    inconsistent = json.dumps({"consistent": False, "message": "The books are wrong."}).encode()
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with play_server(head % (b"200 OK", len(inconsistent)) + inconsistent) as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        done = server.run("check-integrity", "--url", url)
        report.equal("books that are wrong", (done.returncode, done.stdout),
                     (REFUSED, "The books are wrong.\n"))
        report.equal("also for programs",
                     server.run("check-integrity", "--json", "--url", url).returncode, REFUSED)
    with play_server(head % (b"502 Bad Gateway", 6) + b"<html>") as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        done = server.run("wallet", "show", "w", "--url", url)
        report.check("no Florin", done.returncode == REFUSED and "502" in done.stderr, done.stderr)
    evil = b'{"id":"wallet_x","owner":"\\u001b[2Jgone\\u0007","balance":1}'
    with play_server(head % (b"200 OK", len(evil)) + evil) as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        done = server.run("wallet", "show", "w", "--url", url)
        report.check("no control characters reach a terminal",
                     not any(ord(letter) < 32 and letter != "\n" for letter in done.stdout),
                     repr(done.stdout))


class NoServer:
    """Runs `florin` where no server is."""
    def __init__(self):
        from florin import Server
        self.server = Server.__new__(Server)
        self.server.florin = binary()
        self.server.home = folder()

    def run(self, *words):
        return self.server.command_line(*words, environment={"FLORIN_KEY": "florin_x"})


PATIENCE_S = 60  # of the client, for an answer that is not about all the books


def begin_long_check():
    """A server that needs longer than that for its books, and who asks it for them."""
    books = json.dumps({"consistent": True, "message": "All is well."}).encode()
    listener = play_server(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(books) + books, PATIENCE_S + 2)
    url = f"127.0.0.1:{listener.getsockname()[1]}"
    return listener, subprocess.Popen([binary(), "check-integrity", "--url", url, "--key", "x"],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_long_check(report, listener, process):
    said, _ = process.communicate(timeout=600)
    listener.close()
    report.equal("a check that takes longer than a minute", (process.returncode, said),
                 (OK, "All is well.\n"))


def play_all(report):
    listener, long_check = begin_long_check()
    with serving() as server:
        shell = Shell(server)
        for test in (test_wallets, test_money, test_amounts, test_lists, test_keys,
                     test_idempotency, test_help, test_settings, test_documents, test_usage,
                     test_refusals, test_check_integrity, test_where_keys_come_from):
            report.run(test.__name__, test, server, shell)
        report.equal("the server's log is clean", server.trouble(), [])
    report.run("test_kept", test_kept)
    report.run("test_no_answer", test_no_answer)
    report.run("test_long_check", test_long_check, listener, long_check)


if __name__ == "__main__":
    whole = Report("client")
    play_all(whole)
    whole.finish()
