# SPDX-License-Identifier: MIT
"""`florin rules test`: what it says that rules would have done to a history is what a server with
those rules does to the same payments."""

import json
import os
import random
import re
import time

import florin
import rules

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
RULES = [
    rules.rule("large", "hold", amount=40_000, operations=["transfer", "purchase"], score=90),
    rules.rule("too-large", "refuse", amount=48_000, operations=["transfer", "hold"]),
    rules.rule("many", count_in_hour=12, operations=["transfer", "purchase"], score=40),
    rules.rule("much", "hold", sum_in_day=150_000, operations=["withdrawal"], score=60),
    rules.rule("far-from-mean", percent_of_mean=190, payments_before=5, score=41),
    rules.rule("deviates", deviations_above_mean=2, payments_before=5, shadow=True),
    rules.rule("fresh-withdrawal", first_withdrawal=True, seconds_since_deposit=86400,
               operations=["withdrawal"], score=70),
    rules.rule("new-payee", "refuse", new_counterparty=True, operations=["hold"], shadow=True),
    rules.rule("drained", percent_of_available=95, operations=["purchase"], score=99),
    rules.rule("many-refunds", percent_of_sales=50, operations=["refund"],
               wallet_kind="merchant"),
    rules.rule("large-deposit", amount=900_000_000, operations=["deposit"], score=1),
    rules.rule("never", days_of_silence=3000),
]


def described(world):
    """The few payments that docs/anomalies.md shows. Returns when the last was made."""
    ann, bob = world.wallet(100_000), world.wallet()
    for amount in (2000, 6000, 7500):
        made = world.transfer(ann, bob, amount)
        world.equal("paid", made.status, 201)
    return made["created_at"]


def play(world):
    """The same payments each time it is called; returns the wallets, and how many were made, held
    and refused by a rule. Nothing fails for another reason."""
    dice, service = random.Random(7), world.service
    rich = [world.wallet(10**9) for _ in range(4)]
    shops = [world.wallet(kind="merchant") for _ in range(2)]
    poor = [world.wallet(1000) for _ in range(2)]
    answers = []
    for amount, wallet in zip((949, 950), poor):
        answers.append(service.post("/v1/purchases", {"wallet": wallet, "merchant": shops[0],
                                                      "amount": amount}))
    for _ in range(140):
        payer, shop, amount = dice.choice(rich), dice.choice(shops), dice.randint(1000, 50_000)
        kind = dice.choice(("transfers", "purchases", "withdrawals", "holds"))
        body = {"wallet": payer, "merchant": shop, "amount": amount}
        if kind == "withdrawals":
            body.pop("merchant")
        if kind == "transfers":
            body = {"from": payer, "to": dice.choice([w for w in rich if w != payer]),
                    "amount": amount}
        answers.append(service.post("/v1/" + kind, body))
    store = world.wallet(kind="merchant")
    sale = service.post("/v1/purchases", {"wallet": rich[0], "merchant": store, "amount": 1000})
    for amount in (100, 800):
        answers.append(service.post("/v1/refunds", {"purchase": sale["id"], "amount": amount}))
    answers.append(sale)
    refused = sum(answer.code == "refused_by_rule" for answer in answers)
    held = sum(answer.status == 202 and answer["id"].startswith("anm_") for answer in answers)
    others = [a for a in answers if a.status not in (201, 202) and a.code != "refused_by_rule"]
    world.equal("nothing else is refused", others, [])
    # The deposits of the six wallets that got some are payments too.
    return rich + shops + poor + [store], len(answers) + 6, held, refused


def tried(report, server, *words, file, url=None):
    books = ("--data", server.data) if url is None else ("--postgres", url)
    done = server.command_line("rules", "test", file, *books, "--json", *words)
    report.equal("tried", (done.returncode, done.stderr), (0, ""))
    return json.loads(done.stdout)


def lived(report, binary, file):
    """What a server with the rules does: payments, outcomes and hits; sentences."""
    with florin.serving(florin=binary, config={"rules": {"file": file}}) as server:
        world = rules.World(server, report)
        wallets, payments, held, refused = play(world)
        found = [item for wallet in wallets for item in world.found(wallet, limit=1000)]
        metrics = world.admin.get("/metrics").body.decode()
    hits = {name: int(count) for name, count in re.findall(
        r'florin_rule_hits_total{rule="([^"]+)"[^}]*} (\d+)', metrics)}
    report.equal("what is held", sum(i["action"] == "hold" for i in found), held)
    decided = {rule["name"]: sum(item["rule"] == rule["name"] for item in found)
               for rule in RULES if rule["action"] != "refuse"}
    outcomes = {"payments": payments, "flagged": sum(i["action"] == "flag" for i in found),
                "held": held, "refused": refused}
    return outcomes, hits, decided, {item["sentence"].split(" Also: ")[0] for item in found}


def compared(report, binary, document, file):
    outcomes, hits, decided, sentences = lived(report, binary, file)
    report.equal("outcomes", {name: document[name] for name in outcomes}, outcomes)
    report.equal("hits", {rule["name"]: rule["hits"] for rule in document["rules"]}, hits)
    report.equal("who decides", {rule["name"]: rule["decided"] for rule in document["rules"]
                                 if rule["action"] != "refuse"}, decided)
    silent = {rule["name"] for rule in document["rules"] if rule["hits"] == 0}
    report.equal("all rules but one are put to the test", silent, {"never"})
    report.check("each outcome comes up", min(outcomes.values()) > 0, outcomes)
    for rule in document["rules"]:
        report.equal(f"examples of {rule['name']}", len(rule["examples"]), min(rule["hits"], 3))
        if rule["decided"] != 0 and rule["name"] in ("drained", "many-refunds"):
            report.check("the sentence is the server's", all(
                item["sentence"] in sentences for item in rule["examples"]),
                (rule["examples"], sentences))


def spans(report, server, file, third, middle):
    """Before and after make the whole, and what was before counts in the habits."""
    whole = tried(report, server, file=file)
    before = tried(report, server, "--to", middle, file=file)
    after = tried(report, server, "--from", middle, file=file)
    report.equal("before", (before["payments"], before["flagged"]), (4, 0))
    report.equal("the whole", before["payments"] + after["payments"], whole["payments"])
    count = rules.written([rules.rule("third", count_in_hour=3, operations=["transfer"])])
    alone = tried(report, server, "--from", third, "--to", middle, file=count)
    report.equal("the third is the third", (alone["flagged"], alone["rules"][0]["examples"][0][
        "sentence"]), (1, "Transfer of 75.00 USD, payment 3 within an hour."), alone)
    return after


def example(report, server, middle):
    """docs/anomalies.md shows what is really printed."""
    with open(os.path.join(ROOT, "docs", "anomalies.md"), encoding="utf-8") as file:
        text = file.read()
    shown = re.search(r"```json\n(\{\"rules\": \[\n.*?)```\n+```sh\n\$ (florin rules test .*?)\n"
                      r"(.*?)```", text, re.DOTALL)
    report.check("the example is there", shown is not None)
    words = [{"florin-data": server.data, "rules.json": rules.written(shown[1]),
              "2026-12-01": middle}.get(word, word) for word in shown[2].split()]
    done = server.command_line(*words[1:])
    report.equal("it runs", (done.returncode, done.stderr), (0, ""))

    def plain(output):
        output = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", output)
        return re.sub(r"\b(txn|wallet)_[0-9a-z]+", r"\1_", output)

    report.equal("what is shown", plain(shown[3]), plain(done.stdout))


def mistakes(report, server, file):
    """What cannot be tried is said."""
    def said(*words):
        done = server.command_line("rules", *words)
        return done.returncode, done.stderr + done.stdout

    def expect(name, words, code, part):
        got = said(*words)
        report.equal(name, (got[0], part in got[1]), (code, True), got)

    data = ("--data", server.data)
    expect("no verb", (), 2, "florin rules test FILE")
    expect("books twice", ("test", file, *data, "--postgres", "x"), 2, "--postgres URL")
    expect("no folder, and none where it is looked for", ("test", file), 2, "florin-data: ")
    os.symlink(server.data, os.path.join(server.home, "florin-data"))
    expect("no folder, and one where it is looked for", ("test", file), 0, "payments from")
    expect("no such folder", ("test", file, "--data", server.data + "-none"), 2,
           "there is no such folder")
    expect("no such file", ("test", file + "-none", *data), 2, "cannot be read")
    expect("bad rules", ("test", rules.written("{"), *data), 1, "JSON")
    expect("bad rules, by their line",
           ("test", rules.written('{"rules":\n[{"name": "a"}\n {"name": "b"}]}'), *data), 1,
           "line 3 is no JSON")
    def rule(text):
        return rules.written('{"rules": [{"name": "a", "action": "flag", ' + text + "}]}")

    for name, text, part in (
            ("too many", '"when": {"count_in_day": 65536}', "from 1 to 65535"),
            ("half a cent", '"when": {"amount": 1.5}',
             'rule "a": "amount" must be a whole number from 1 to 9007199254740991.'),
            ("a condition twice", '"when": {"amount": 5, "amount": 7}',
             'rule "a": "amount" stands there twice.'),
            ("a member twice", '"score": 5, "when": {"amount": 5}, "score": 7',
             'rule "a": "score" stands there twice.'),
            ("no code", '"currencies": ["usd"], "when": {"amount": 5}', 'codes such as "USD"'),
            ("no condition", '"when": {"amounts": 5}', '"amounts" is no condition')):
        expect(name, ("test", rule(text), *data), 1, part)
    expect("no time", ("test", file, *data, "--from", "soon"), 2, '--from: "soon" is no time')
    expect("no span", ("test", file, *data, "--from", "2026-02-01", "--to", "2026-01-01"), 2,
           "--from must lie before --to")
    server.start()
    expect("a server runs", ("test", file, *data), 2, "a server runs on")
    server.stop()
    segment = os.path.join(server.data, "journal", sorted(os.listdir(
        os.path.join(server.data, "journal")))[0])
    with open(segment, "r+b") as journal:
        content = journal.read()
        place = content.index(b"owner-3")
        journal.seek(place)
        journal.write(b"owner-X")
    expect("damaged books", ("test", file, *data), 1, "offset")


def all_of_it(report, binary):
    file = rules.written(RULES)
    with florin.serving(florin=binary) as server:
        world = rules.World(server, report)
        third = described(world)
        time.sleep(0.02)  # the first payment behind it is of another millisecond
        first = world.wallet()
        middle = world.admin.get(f"/v1/wallets/{first}")["created_at"]
        play(world)
        report.equal("a clean stop", server.stop(), 0)
        document = spans(report, server, file, third, middle)
        compared(report, binary, document, file)
        example(report, server, middle)
        report.equal("nothing was written", server.verify().returncode, 0)
        mistakes(report, server, file)


def in_a_database(report, binary, url_of):
    """Its history is tried while the server runs; `url_of` tells where a server's books are."""
    file = rules.written(RULES)
    with florin.serving(florin=binary) as server:
        play(rules.World(server, report))
        compared(report, binary, tried(report, server, file=file, url=url_of(server)), file)
        done = server.command_line("rules", "test", file, "--postgres",
                                   "host=/nowhere password=secret")
        report.equal("no database", (done.returncode, "cannot be read" in done.stderr,
                                     "secret" in done.stderr), (2, True, False), done.stderr)
