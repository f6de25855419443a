#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/postgresql.md as a runbook: its commands are run as they stand there, with the names of this
machine in place of its own. A command that nobody runs fails the suite."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "postgres")]

import cluster  # noqa: E402
import florin  # noqa: E402
from client import Client, Unreachable  # noqa: E402
from report import Report  # noqa: E402

BINARY = florin.binary()
DOCUMENT = os.path.join(TESTS, "../docs/postgresql.md")
# Moves between the engines have a suite of their own.
ELSEWHERE = re.compile(r"florin migrate-engine ")


def lines_of_document():
    """Its commands and settings in their order, without what is run elsewhere."""
    with open(DOCUMENT, encoding="utf-8") as file:
        lines = [line[4:].rstrip("\n") for line in file if re.match(r"    \S", line)]
    return [line for line in lines if not ELSEWHERE.match(line)]


class Runbook:
    def __init__(self, report):
        self.report = report
        self.home = florin.folder()
        os.chmod(self.home, 0o755)
        self.left = lines_of_document()
        self.primary = cluster.Cluster()
        self.port = florin.free_port()
        self.backup = os.path.join(self.home, "backup")
        for path in (self.backup, os.path.join(self.backup, "wal"), os.path.join(self.home, "bin")):
            os.mkdir(path)
        if self.primary.user:
            shutil.chown(os.path.join(self.backup, "wal"), "postgres")
        os.symlink(BINARY, os.path.join(self.home, "bin/florin"))
        self.names = {"host=/run/postgresql": f"host={self.primary.socket}",
                      "user=owner": "user=florin", "127.0.0.1:8080": f"127.0.0.1:{self.port}",
                      "/backup": self.backup}
        self.environment = dict(
            os.environ, PGHOST=self.primary.socket, PGUSER="florin", PGDATABASE="florin",
            PATH=":".join([os.path.join(self.home, "bin"), self.primary.bin, os.environ["PATH"]]))

    def take(self, begin):
        """The next line that begins like that, with the names of here."""
        line = next((line for line in self.left if line.startswith(begin)), None)
        if not self.report.check(f"the document says {begin!r}", line is not None):
            raise AssertionError(begin)
        self.left.remove(line)
        for theirs, ours in self.names.items():
            line = line.replace(theirs, ours)
        return line

    def run(self, begin, expect=0):
        line = self.take(begin)
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=self.home,
                              env=self.environment, timeout=120, check=False)
        self.report.equal(line, done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def serve(self, line):
        process = subprocess.Popen(["bash", "-c", "exec " + line], cwd=self.home,
                                   env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with Client(self.port, timeout=2.0) as client:
                    if client.get("/readyz").status == 200:
                        return process
            except Unreachable:
                pass
            time.sleep(0.05)
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
        self.report.equal("exit status", process.returncode, 0, said)

    def client(self):
        with open(os.path.join(self.home, "florin-node/admin.key"), encoding="utf-8") as file:
            return Client(self.port, file.read().strip())

    def sql(self, text):
        return self.primary.sql(text, "florin")


def set_up(book):
    """A database, a node, the roles."""
    report = book.report
    book.run("createdb")
    book.node = book.take("florin serve --data florin-node")
    process = book.serve(book.node)
    with book.client() as client:
        book.wallet = client.post("/v1/wallets", {"owner": "anna", "currency": "USD"})["id"]
        paid = client.post("/v1/deposits", {"wallet": book.wallet, "amount": 500,
                                            "bank_transaction_id": "b1"})
        report.equal("a deposit", paid.status, 201, repr(paid))
    report.equal("the data folder holds what is the node's own",
                 sorted(os.listdir(os.path.join(book.home, "florin-node"))),
                 ["admin.key", "postgres.lineage"])
    book.run("createuser florin_serving")
    book.run("createuser florin_reading")
    book.run("florin migrate")
    book.names.update({"wallet_…": book.wallet, "URL": '"dbname=florin"'})
    said = book.run("florin verify")
    report.check("verify tells the chain", "chain" in said, said)
    book.stop(process)
    process = book.serve(book.node.replace("dbname=florin", "dbname=florin user=florin_serving"))
    with book.client() as client:
        report.equal("the serving role serves", client.post("/v1/deposits", {
            "wallet": book.wallet, "amount": 1, "bank_transaction_id": "b2"}).status, 201)
    book.stop(process)


def look(book):
    """SQL for people, and partitions."""
    report = book.report
    report.equal("partitions ahead", book.sql(book.take("SELECT florin.partitions_ahead")), "4")
    row = book.sql(book.take("SELECT * FROM florin.balance_of"))
    report.check("a balance", "|501|" in row, row)
    rows = book.sql(book.take("SELECT * FROM florin.statement_of"))
    report.equal("a statement", len(rows.splitlines()), 2, rows)
    said = book.run("florin partitions --postgres")
    report.check("partitions are shown", "records_" in said, said)
    for _ in range(2):  # these books are younger
        said = book.run("florin partitions --postgres")
        report.check("nothing to do", "no partition before that month" in said, said)


def several_servers(book):
    """A standby for reading, and all servers in one string."""
    report = book.report
    standby = cluster.Cluster(book.primary)
    try:
        book.names.update({"db1,db2,db3": f"{book.primary.socket},{standby.socket}",
                           "host=db2": f"host={standby.socket}",
                           "host=db3": f"host={standby.socket}"})
        config = json.loads(book.take('{"postgres_replicas"'))
        with open(os.path.join(book.home, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        line = book.take("florin serve --data node").replace("--data node", "--data florin-node")
        process = book.serve(line + f" --listen 127.0.0.1:{book.port} --config config.json")
        with book.client() as client:
            deadline = time.monotonic() + 60
            used = 0
            while used < 2 and time.monotonic() < deadline:
                text = client.get("/metrics").body.decode()
                used = len(re.findall(r"^florin_postgres_replica_used\{[^}]*\} 1$", text,
                                      re.MULTILINE))
                time.sleep(0.1)
            report.equal("both replicas are used", used, 2)
        book.stop(process)
    finally:
        standby.discard()


def metrics(book):
    """Every metric of the document is there, and what it says of a node without replicas."""
    with open(DOCUMENT, encoding="utf-8") as file:
        named = set(re.findall(r"`(florin_[a-z_]+)`", file.read()))
    named -= {"florin_serving", "florin_reading"}
    process = book.serve(book.node)
    with book.client() as client:
        text = client.get("/metrics").body.decode()
    missing = [name for name in sorted(named) if "replica_" not in name and
               f"\n{name}" not in text]
    book.report.equal("metrics that are not there", missing, [])
    book.report.check("many are named", len(named) >= 12, named)
    book.stop(process)


def point_in_time(book):
    """A base backup and the WAL since bring back how it was at a moment."""
    report, primary = book.report, book.primary
    book.take("# postgresql.conf")
    primary.configure(book.take("archive_mode") + "\n" + book.take("archive_command") + "\n")
    primary.stop()
    primary.start()
    book.run("pg_basebackup")
    process = book.serve(book.node)
    with book.client() as client:
        client.post("/v1/deposits", {"wallet": book.wallet, "amount": 10,
                                     "bank_transaction_id": "before"})
        time.sleep(1.1)
        moment = book.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || "
                          "'+00'")
        time.sleep(1.1)
        client.post("/v1/deposits", {"wallet": book.wallet, "amount": 100,
                                     "bank_transaction_id": "behind"})
    book.sql("SELECT pg_switch_wal()")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and book.sql(
            "SELECT last_archived_time > (SELECT max(to_timestamp(time_ms / 1000.0)) FROM "
            "florin.books) FROM pg_stat_archiver") != "t":
        time.sleep(0.1)
    book.stop(process)
    primary.stop()
    restored = cluster.Cluster()
    try:
        restored.stop()
        shutil.rmtree(restored.data)
        shutil.copytree(os.path.join(book.backup, "base"), restored.data)
        line = book.take("recovery_target_time")
        settings = [book.take("restore_command"), re.sub("'.*'", f"'{moment}'", line),
                    book.take("recovery_target_action"), "archive_mode = off"]
        restored.configure("\n".join(settings) + "\n")
        with open(os.path.join(restored.data, "recovery.signal"), "w", encoding="utf-8"):
            pass
        for folder, _, names in os.walk(restored.data):
            os.chmod(folder, 0o700)
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                if restored.user:
                    shutil.chown(path, "postgres")
        restored.start()
        while restored.sql("SELECT pg_is_in_recovery()", "postgres") == "t":
            time.sleep(0.1)
        after_it(book, report, restored)
    finally:
        restored.discard()


def after_it(book, report, restored):
    book.environment["PGHOST"] = restored.socket
    there = book.node.replace(book.primary.socket, restored.socket)
    done = subprocess.run(["florin", "verify", "--postgres", "dbname=florin"], cwd=book.home,
                          env=book.environment, capture_output=True, text=True, check=False)
    report.equal("verify", done.returncode, 0, done.stdout + done.stderr)
    # As the document says: nodes must be stopped before, since this one takes it for a promotion.
    os.remove(os.path.join(book.home, "florin-node/postgres.lineage"))
    process = book.serve(there)
    with book.client() as client:
        report.equal("the books of that moment",
                     client.get(f"/v1/wallets/{book.wallet}")["balance"], 511)
        check = client.get("/check-integrity?depth=full")
        report.check("consistent", check.get("consistent") is True, repr(check))
        report.equal("they go on", client.post("/v1/deposits", {
            "wallet": book.wallet, "amount": 1000, "bank_transaction_id": "after"}).status, 201)
    book.stop(process)


total = Report("postgres runbook")
BOOK = Runbook(total)
for title, part in (("setting up", set_up), ("looking", look), ("several servers", several_servers),
                    ("metrics", metrics), ("back to a moment", point_in_time)):
    total.run(title, lambda _report, run=part: run(BOOK))
total.equal("commands that nobody has run", BOOK.left, [])
total.finish()
