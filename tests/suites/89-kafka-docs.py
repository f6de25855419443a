#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/kafka.md as a shop's engineer reads it: its program pays salaries, its commands do what it
says, its examples are what Florin takes, and its table of settings is the program's."""

import json
import os
import re
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka", "story")]

import broker  # noqa: E402
import florin  # noqa: E402
import lanes  # noqa: E402
import schema  # noqa: E402
import shop as shops  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
DOCS = os.path.join(TESTS, "..", "docs")
with open(os.path.join(DOCS, "kafka.md"), encoding="utf-8") as document:
    TEXT = document.read()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def command(begin):
    """Its indented command that begins like that, with all of its lines."""
    found = re.search(rf"^    ({re.escape(begin)}.*(?:\n {{8,}}\S.*)*)", TEXT, re.MULTILINE)
    assert found, f"docs/kafka.md has no {begin}"
    return found.group(1)


def examples(report):
    """The documents in it are what the schemas describe."""
    seen = set()
    for text in blocks("json"):
        found = json.loads(text.replace("...", ""))
        kind = "event" if "specversion" in found else "command" if "type" in found else None
        if kind is None:
            continue
        with open(os.path.join(DOCS, "schemas", f"{kind}.json"), encoding="utf-8") as file:
            wanted = json.load(file)
        misfits = [one for one in schema.Description(wanted).misfit(wanted, found)
                   if "transaction" not in str(one)]  # it is cut short in the document
        report.equal(f"{kind}: {text[:60]}", misfits, [])
        seen.add(found["type"])
    report.equal("all are there", seen, {"florin.transaction.purchase", "transfer",
                                         "batch"})


def settings_table(report):
    """Names and defaults, as the program tells them."""
    told = subprocess.run([BINARY, "help", "serve"], capture_output=True, text=True, check=True)
    own = dict(re.findall(r"^  kafka\.(\w+)(.*)$", told.stdout, re.MULTILINE))
    rows = {}
    for names, standard in re.findall(r"^\| (`[^|]+) \| ([^|]*) \|", TEXT.partition("## Settings")[
            2], re.MULTILINE):
        names = re.findall(r"`(\w+)`", names)
        parts = standard.split(", ")
        rows.update(zip(names, parts if len(parts) == len(names) else [standard] * len(names)))
    report.equal("all are told", sorted(rows), sorted(own))
    for name, standard in rows.items():
        about = own.get(name, "")
        if standard in ("true", "false") or standard.isdigit() or standard.startswith("florin"):
            report.check(f"{name}: {standard}", f"default {standard}" in about, about)


class Shop(shops.Shop):
    """A fresh folder, one broker, and whatever else the document leaves to Florin."""
    def __init__(self, cluster):
        self.home = florin.folder()
        super().__init__(cluster, BINARY, server=florin.Server(BINARY, config={"kafka": {
            "brokers": cluster.line, "replicas": 1, "min_insync": 1}}))
        self.config = os.path.join(self.server.home, "config.json")
        self.wait_for(lambda: self.metric("worker_partitions") == 12, what="its partitions")
        with open(os.path.join(self.home, "pay.py"), "w", encoding="utf-8") as file:
            file.write(blocks("python")[0])

    def run(self, text, names, **environment):
        """A command of the document, with the names of here in place of its own."""
        for one, other in names.items():
            assert one in text, (one, text)
            text = text.replace(one, other)
        variables = {"PATH": f"{os.path.dirname(BINARY)}:{os.environ['PATH']}", **environment}
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, cwd=self.home,
                              env=variables, check=False, timeout=120)

    def pay(self, key, payer, lines, secret=None):
        """pay.py, as the document calls it."""
        with open(os.path.join(self.home, "salaries.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name} {payee} {amount}\n" for name, payee, amount in lines)
        text = command("export KAFKA=") + "\n" + command("python3 pay.py")
        return self.run(text, {
            "kafka-1:9093": self.cluster.line, "key_01j...": key["id"],
            "florin_service_...": secret or key["secret"], "python3": "/usr/bin/python3",
            re.search(r"wallet_\w+", text).group(): payer})

    def operator(self, begin, **names):
        """A command on the stopped books; the document has them in a database."""
        return self.run(command(begin), {"--postgres URL": f"--data {self.server.data}",
                                         "FILE": self.config, **names})


def tried(report, shop):
    """What the document lets a newcomer try first."""
    names = {"florin-data": shop.server.data,
             "http://127.0.0.1:8080": f"http://127.0.0.1:{shop.server.port}"}
    begin = command("KEY=") + "\n"
    opened = shop.run(begin + command("curl -s -i"), names)
    place = re.search(r"Location: /v1/operations/(op_\w+)", opened.stdout)
    report.check("a first wallet is queued", " 202 " in opened.stdout and place, opened)
    told = shop.run(begin + command("curl -s http"), {**names, "op_...": place.group(1)})
    report.equal("and opened", (json.loads(told.stdout)["status"],
                                json.loads(told.stdout)["result"]["owner"]), ("done", "ann"))
    report.check("the log says who works", "Partition 0 from 0 on." in shop.server.log())


def salaries(report, cluster):
    """Signed, sent, paid, told of, asked for; twice is once; and what happens to a key's commands
    when it is revoked while they wait."""
    shop = Shop(cluster)
    tried(report, shop)
    house = shop.open("house", money=100_000)
    staff = [shop.open(f"clerk {number}") for number in range(5)]
    with shop.client() as client:
        payroll = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    lines = [(f"salary-{number}", wallet, 100 + number) for number, wallet in enumerate(staff)]
    wrong = shop.pay(payroll, house, [*lines, ("broken", staff[0], "much")])
    report.check("a file that is wrong pays nobody", wrong.returncode != 0 and
                 shop.metric("worker_commands_total") == 1, wrong)
    for _ in range(2):
        done = shop.pay(payroll, house, lines)
        report.equal("pay.py", (done.returncode, done.stdout), (0, "5 payments are queued\n"),
                     done.stderr)
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= 11, what="both runs")
    report.equal("once each", [shop.balance(wallet) for wallet in staff],
                 [100, 101, 102, 103, 104])
    events = cluster.read("florin.events", lambda records: sum(
        b"salary-" in record.value for record in records) >= 10)
    told = [(record.key.decode(), event["data"]["transaction"]["reference"]) for record, event in (
        (record, json.loads(record.value)) for record in events) if "salary-" in str(event)]
    report.equal("each is told of both its wallets", sorted(told), sorted(
        pair for name, wallet, _ in lines for pair in ((wallet, name), (house, name))))
    text = command("curl -i")
    first, second = re.findall(r"wallet_\w+", text)
    asked = shop.run(text, {
        "http://127.0.0.1:8080": f"http://127.0.0.1:{shop.server.port}", first: house,
        second: staff[0], "salary-2026-11-0042": "salary-0", "250000": "100"},
        PAYROLL_SECRET=payroll["secret"])
    place = re.search(r"Location: (/v1/operations/\w+)", asked.stdout)
    report.check("it is asked for", "202" in asked.stdout and place, asked)
    with shop.client() as client:
        report.equal("and told", client.get(place.group(1), headers={"Prefer": "wait=30"})[
            "result"]["reference"], "salary-0")
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= 12, what="that, too")
    report.equal("still once", shop.balance(staff[0]), 100)
    shop.server.stop()
    report.equal("while nobody works", shop.pay(payroll, house, [
        ("late", staff[0], 50)]).returncode, 0)
    status = shop.operator("florin queue status")
    report.check("it waits", status.returncode == 0 and "\n1 commands wait" in status.stdout,
                 status)
    shop.server.config["kafka"]["work"] = False
    shop.server.start()
    with shop.client() as client:
        report.equal("revoked", client.delete(f"/v1/keys/{payroll['id']}").status, 204)
    shop.server.config["kafka"]["work"] = True
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_commands_total") >= 1, what="its refusal")
    report.equal("a revoked key pays nothing", shop.balance(staff[0]), 100)
    report.equal("and that is no dead letter", shop.metric("worker_dead_letters_total"), 0)
    shop.server.stop()


def letters(report, cluster):
    """What nobody has proved is buried, shown, and sent again when it has been cured: here the
    records were signed for a topic's namesake, and then by the key itself."""
    shop = Shop(cluster)
    ann, bob = shop.open("ann", money=1000), shop.open("bob")
    with shop.client() as client:
        payroll = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    before = len(cluster.read("florin.dead-letter"))
    shop.pay(payroll, ann, [("bad", bob, 5)], secret="not its secret")
    shop.pay(payroll, ann, [("good", bob, 7)])
    shop.wait_for(lambda: shop.balance(bob) == 7, what="what is behind it")
    report.equal("one letter", shop.metric("worker_dead_letters_total"), 1)
    where = f"--kafka {cluster.line}"
    listed = shop.run(f"florin dead-letter list {where}", {})
    report.check("listed", listed.returncode == 0 and "unproved" in listed.stdout, listed)
    show = re.search(r"`show (\d+/\d+)`", TEXT).group(1)
    report.check("the document's place is a place", "retry " + show in TEXT, show)
    shown = shop.run(f"florin dead-letter show 0/{before} {where}", {})
    report.check("shown", shown.returncode == 0 and '"bad"' in shown.stdout, shown)
    again = shop.run(f"florin dead-letter retry 0/{before} {where}", {})
    report.check("sent again", again.returncode == 0 and "It is record" in again.stdout, again)
    shop.wait_for(lambda: shop.metric("worker_dead_letters_total") == 2, what="it to be dead again")
    paths = [line.split()[:2] for line in re.findall(
        r"^    ((?:GET|POST) +/v1/\S+.*)", TEXT, re.MULTILINE)]
    bodies = re.findall(r"^    POST /v1/queue/\S+ +(\{.*\})$", TEXT, re.MULTILINE)
    with shop.client() as client:
        for method, path in paths:
            if method == "GET":
                report.equal(path, client.get(path).status, 200)
        newest = client.get("/v1/dead-letters")["items"][0]
        retry = paths[-1][1].replace("0-12", newest["id"])
        report.equal(paths[-1][1], client.post(retry, {}).status, 200)
        reset, skip = (json.loads(body) for body in bodies)
        shown = client.get("/v1/queue")["partitions"]
        partition = next(one for one in shown if one["log_ends"] >= 2)
        moved = client.post(f"/v1/queue/{partition['id']}/reset", reset)
        report.equal("reset", (moved.status, moved.get("next")), (200, partition["log_begins"]))
        shop.wait_for(lambda: next(one for one in client.get("/v1/queue")["partitions"] if one[
            "id"] == partition["id"])["waiting"] == 0, what="it to be read again")
        passed = client.post(f"/v1/queue/{partition['id']}/skip", {**skip, "record": 0})
        report.check("skip: its slot has passed it", passed.status == 400 and
                     "passed" in str(passed.json), passed)
    report.equal("nothing is done twice", (shop.balance(ann), shop.balance(bob)), (993, 7))
    shop.server.stop()
    for begin, code in (("florin queue reset", 0), ("florin queue skip", 1)):
        done = shop.run(command(begin) + " --yes", {
            "--postgres URL": f"--data {shop.server.data}", "FILE": shop.config})
        report.equal(begin, done.returncode, code, done)
    shop.server.start()
    shop.wait_for(lambda: shop.metric("worker_partitions") == 12, what="its partitions")
    report.equal("and twice is still once", shop.balance(bob), 7)
    shop.server.stop()


def main():
    report = Report("kafka docs")
    first, second = broker.Cluster(), broker.Cluster()  # the document's topics have one name
    broker.start_together(first, second)
    lanes.side_by_side(report, [("letters", letters, first), ("salaries", salaries, second),
                                ("examples", examples), ("settings", settings_table)], lanes=2)
    report.finish()


main()
