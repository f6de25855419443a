#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/kafka.md as a shop's engineer reads it: its program pays salaries, its commands do what it
says, its examples are what Florin takes, and its table of settings is the program's."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka", "story", "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the database is started: this may begin another python

import cluster as databases  # noqa: E402
import florin  # noqa: E402
import guarded  # noqa: E402
import lanes  # noqa: E402
import nodes  # noqa: E402
import ports  # noqa: E402
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
    return commands(begin)[0]


def commands(begin):
    """All of them."""
    found = re.findall(rf"^    ({re.escape(begin)}.*(?:\n {{8,}}\S.*)*)", TEXT, re.MULTILINE)
    assert found, f"docs/kafka.md has no {begin}"
    return found


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


class Office:
    """Books in a database, with a broker that has an authorizer: doors without workers, which are
    started as the document says."""
    def __init__(self, cluster, postgres):
        self.cluster, self.postgres, self.home = cluster, postgres, florin.folder()
        self.database = postgres.database_for("office")
        self.programs = guarded.give_tools(cluster, self.home)
        self.environment = {"FLORIN_KAFKA_PASSWORD": guarded.PASSWORD}
        server = nodes.Node(BINARY, {"kafka": {**guarded.settings(cluster), "work": False}},
                            postgres, self.database)
        server.environment = self.environment
        self.shop = shops.Shop(cluster, BINARY, server=server)

    def allow(self, *lines):
        """Its commands for these rules."""
        text = "\n".join([command("export ACLS="), "set -e", *lines])
        done = subprocess.run(
            ["sh", "-c", text.replace("kafka-1:9093", guarded.line(self.cluster))],
            capture_output=True, text=True, cwd=self.home, check=False, timeout=300,
            env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"})
        assert done.returncode == 0, done

    def work(self, config=None):
        """`florin work`, with its port; to be stopped."""
        port = ports.free_port()
        path = os.path.join(self.shop.server.home, "config.json")
        if config is not None:
            path = os.path.join(self.home, "config.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config, file)
        text = command("florin work").replace("URL", f"'{self.postgres.url(self.database)}'")
        text = text.replace("FILE", path)
        with open(os.path.join(self.home, "work.log"), "ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {text} --listen 127.0.0.1:{port}"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.home,
                env={**os.environ, **self.environment,
                     "PATH": f"{os.path.dirname(BINARY)}:{os.environ['PATH']}"})
        return process, port

    def ask(self, port, begin):
        """Its curl; what comes of it, "" while nobody answers."""
        text = command(begin).replace("8081", str(port))
        return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False,
                              timeout=60).stdout

    def said(self):
        with open(os.path.join(self.home, "work.log"), encoding="utf-8") as file:
            return file.read()


def worker_alone(report, office):
    """`florin work` beside doors that do not work: its health, its metrics, and nothing else."""
    shop = office.shop
    report.equal("the door does not work", shop.metric("worker_partitions"), None)
    worker, port = office.work()
    shop.wait_for(lambda: office.ask(port, "curl -s http://127.0.0.1:8081/readyz"),
                  what="the worker's health")
    shop.wait_for(lambda: "\nflorin_worker_partitions 12\n" in office.ask(
        port, "curl -s http://127.0.0.1:8081/metrics"), what="its partitions")
    for path in ("/v1/wallets", "/", "/v1/queue"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60).close()
            report.fail("a worker has no API", path)
        except urllib.error.HTTPError as error:
            report.equal(f"a worker has no {path}", error.code, 404)
    return worker, port


def own_topic(report, office, port):
    """Its rules for a producer's own topic: he alone gets in, as the key that the configuration
    says, and what was a dead letter can be sent back."""
    shop, cluster = office.shop, office.cluster
    wanted = next(json.loads(text) for text in blocks("json") if '"topics"' in text)
    topic = wanted["kafka"]["topics"][0]["topic"]
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    key = str(shops.slot_of(ann)).encode()
    partitions = wanted["kafka"]["topics"][0]["partitions"]

    def send(user, value):
        return guarded.send(cluster, user, topic, value, key, [("florin-version", b"1")],
                            shops.partition_of(key, partitions))
    # (Who may not even know of a topic waits for it in vain.)
    kept_out = ("TopicAuthorizationFailedError", "KafkaTimeoutError")
    early = send("payroll", shops.payment(ann, bob, 1, "early"))
    report.check("nobody gets in before", early in kept_out, early)
    report.equal("the worker has its topic's partitions", office.ask(
        port, "curl -s http://127.0.0.1:8081/metrics").count("florin_worker_partitions 12\n"), 1)
    office.allow(*commands(f"$ACLS --topic {topic}"))
    shop.wait_for(lambda: f"florin_worker_partitions {12 + partitions}\n" in office.ask(
        port, "curl -s http://127.0.0.1:8081/metrics"), what="the partitions of the own topic")
    report.equal("its owner gets in", send("payroll", shops.payment(ann, bob, 3, "p1")), None)
    stranger = send("stranger", shops.payment(ann, bob, 3, "p2"))
    report.check("nobody else does", stranger in kept_out, stranger)
    shop.wait_for(lambda: shop.balance(bob) == 3, what="the payment")
    newest = shop.recent(bob)[0]
    report.equal("in the key's name", (newest["reference"], newest["initiated_by"]),
                 ("p1", office.payroll["id"]))
    report.equal("nonsense", send("payroll", b"nonsense"), None)
    with shop.client() as client:
        shop.wait_for(lambda: client.get("/v1/dead-letters").get("items"), what="a dead letter")
        letter = client.get("/v1/dead-letters")["items"][0]
        report.equal("is sent back", client.post(
            f"/v1/dead-letters/{letter['id']}/retry", {}).status, 200)
        shop.wait_for(lambda: len(client.get("/v1/dead-letters")["items"]) == 2,
                      what="it to be dead again")


def late_rule(report, office, ann, bob):
    """A worker that logs in as somebody who may write nothing at all: the partition waits for its
    dead letter, and goes on by itself when somebody has allowed it."""
    shop, kafka = office.shop, dict(office.shop.server.config["kafka"])
    kafka.update(username="worker")
    office.allow(
        "$ACLS --topic florin.commands --allow-principal User:worker --operation Read "
        "--operation DescribeConfigs",
        "$ACLS --topic florin.dead-letter --allow-principal User:worker --operation Describe "
        "--operation DescribeConfigs",
        "$ACLS --group florin --allow-principal User:worker --operation Read")
    worker, port = office.work({"kafka": {**kafka, "topics": []}})
    metrics = "curl -s http://127.0.0.1:8081/metrics"
    shop.wait_for(lambda: "\nflorin_worker_partitions 12\n" in office.ask(port, metrics),
                  what="its partitions")
    key = str(shops.slot_of(ann)).encode()
    where = shops.partition_of(key, 12)
    guarded.send(office.cluster, "shop", "florin.commands", b"nonsense", key, [], where)
    shop.wait_for(lambda: "was not taken" in office.said() or "not delivered" in office.said(),
                  what="the worker to say that it cannot write")
    with shop.client() as client:
        waits = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 1})
        report.equal("behind it all waits", client.get(f"/v1/operations/{waits['id']}")[
            "status"], "queued")
    office.allow("$ACLS --topic florin.dead-letter --allow-principal User:worker "
                 "--operation Write")
    report.equal("and goes on", shop.outcome(waits["id"])["status"], "done")
    report.check("it says once why", office.said().count("begins again") <= 1, office.said())
    worker.terminate()
    report.equal("SIGTERM, once more", worker.wait(120), 0, office.said()[-2000:])


def access(report, cluster, postgres):
    """With an authorizer on: nothing goes without the document's rules, everything with them."""
    office = Office(cluster, postgres)
    shop = office.shop
    with shop.client() as client:
        office.payroll = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    wanted = next(json.loads(text) for text in blocks("json") if '"topics"' in text)["kafka"][
        "topics"]
    shop.server.config["kafka"]["topics"] = [{**wanted[0], "principal": office.payroll["id"]}]
    shop.server.restart()
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    body = {"from": ann, "to": bob, "amount": 3}
    with shop.client() as client:
        report.equal("nothing is queued", shop.queue(client, "/v1/transfers", body).code, "busy")
        shop.wait_for(lambda: "uthoriz" in shop.server.log(), what="the log to say why")
        office.allow(*commands("$ACLS --topic florin. "), *commands("$ACLS --group florin"))
        shop.wait_for(lambda: shop.queue(client, "/v1/transfers", body, key="q1").status == 202,
                      what="commands to be queued")
        worker, port = worker_alone(report, office)
        done = shop.outcome(shop.queue(client, "/v1/transfers", body, key="q1")["id"])
        report.equal("the worker does it", done["status"], "done")
        shop.wait_for(lambda: (shop.metric("events_published_total") or 0) >= 5, what="events")
        own_topic(report, office, port)
    office.allow(*commands("$ACLS --topic florin.commands"),
                 *commands("$ACLS --topic florin.events"))
    value, key = shops.payment(ann, bob, 2, "signed"), str(shops.slot_of(ann)).encode()
    sent = guarded.send(cluster, "shop", "florin.commands", value, key, shops.headers_of(
        office.payroll["secret"], office.payroll["id"], key, value), shops.partition_of(key, 12))
    report.equal("a signing producer gets in", sent, None)
    shop.wait_for(lambda: shop.balance(bob) == 5, what="its payment")
    report.check("who reads events", guarded.reads(cluster, "audit", "florin.events", "audit"))
    report.check("and nobody else", not guarded.reads(
        cluster, "stranger", "florin.events", "audit"))
    worker.terminate()
    report.equal("SIGTERM", worker.wait(120), 0, office.said()[-2000:])
    late_rule(report, office, ann, bob)
    report.check("the door says once, too, why it could not write",
                 shop.server.log().count("begins again") <= 4, shop.server.log()[-4000:])
    report.check("no secret is told", guarded.PASSWORD not in office.said() + shop.server.log())
    shop.server.stop()


def main():
    report = Report("kafka docs")
    # The document's topics have one name.
    first, second, third = broker.Cluster(), broker.Cluster(), guarded.cluster()
    broker.start_together(first, second, third)
    postgres = databases.Cluster()
    lanes.side_by_side(report, [("access", access, third, postgres), ("letters", letters, first),
                                ("salaries", salaries, second), ("examples", examples),
                                ("settings", settings_table)], lanes=2)
    report.finish()


main()
