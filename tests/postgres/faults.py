# SPDX-License-Identifier: MIT
"""Faults of a real PostgreSQL under load while the server goes on. What is checked afterwards is
what is checked after a crash of the server itself (tests/crash/kill.py), and short faults must not
even be seen: every request gets its answer."""

import os
import re
import signal
import subprocess
import time

import florin
from client import Client
from kill import Killer
from proxy import Proxy
from shop import Shop, Worker


# A crashed server recovers for seconds where little of the machine or its disk is left for it.
DEADLINE = {"request_deadline_ms": 45000}
PATIENCE = 60.0  # of clients: longer than that


def backends(cluster, database):
    return [int(pid) for pid in cluster.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'", database).split()]


def end_connections(cluster, database):
    """Every connection of the node is ended by the server."""
    cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()", database)


def kill_backend(cluster, database):
    """kill -9 of one process of the server: it restarts all and recovers."""
    for pid in backends(cluster, database)[:1]:
        os.kill(pid, signal.SIGKILL)


def kill_backends(cluster, database):
    for pid in backends(cluster, database):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the first kill ended it


def kill_server(cluster, _database):
    cluster.crash()


class FaultKiller(Killer):
    """Workers under load, faults of the database in between, and the same questions afterwards."""
    def __init__(self, report, binary, seed, cluster):
        super().__init__(report, binary, seed, workers=8)
        self.server.config = DEADLINE
        client = self.server.client
        self.server.client = lambda secret=None, timeout=PATIENCE: client(secret, timeout)
        self.cluster = cluster

    def play_faults(self, faults):
        try:
            self.server.start()
            self.shop = Shop(self.server)
            for number, (name, fault, times) in enumerate(faults):
                self.fault_round(number, name, fault, times)
            self.end()
        finally:
            self.server.discard()

    def fault_round(self, number, name, fault, times):
        database = self.cluster.database_for(self.server.data)
        workers = [Worker(self.shop, f"f{number}w{index}", self.random.random())
                   for index in range(self.worker_count)]
        for worker in workers:
            worker.start()
        for _ in range(times):
            time.sleep(self.random.uniform(0.1, 0.4))
            fault(self.cluster, database)
        time.sleep(0.5)
        for worker in workers:
            worker.quit.set()
        for worker in workers:
            worker.join(2 * PATIENCE)
            if worker.trouble is not None or worker.is_alive():
                self.report.fail(name, f"a worker: {worker.trouble!r}")
        sent = [request for worker in workers for request in worker.sent]
        silent = sum(1 for request in sent if request.answer is None)
        print(f"faults: {name}, {times} times: {len(sent)} requests", flush=True)
        self.report.equal(f"{name}: requests without an answer", silent, 0)
        # Every key was new: a replay would mean that a round was done again though it stood.
        again = [request.reference for request in sent
                 if request.answer is not None and request.answer.replayed]
        self.report.check(f"{name}: nothing was done again", not again, f"{again[:10]}")
        self.check_round(f"{number} ({name})", sent)
        self.sent += sent


    def check_round(self, number, sent):
        self.settle()
        super().check_round(number, sent)

    def settle(self):
        """Service is back: a write is done and a list is read. Rounds go one after the other, so
        none from before is still on its way."""
        deadline = time.monotonic() + 60
        with self.server.client() as client:
            while time.monotonic() < deadline:
                if (client.post("/v1/wallets", {"owner": "settle", "currency": "USD"}).status == 201
                        and client.get("/v1/transactions?limit=1").status == 200
                        and client.get("/check-integrity?depth=full").status == 200):
                    return
                time.sleep(0.2)
        self.report.fail("settle", "nothing was written and read within a minute")


def cut_lines(report, binary, cluster, seed):
    """The line is cut around COMMIT: nobody knows, and yet nothing is lost or doubled."""
    proxy = Proxy(cluster.socket)

    def cut(moment):
        def fault(_cluster, _database):
            report.check(f"cut {moment} COMMIT", proxy.cut_at_commit(moment))
        return fault

    cluster.line = proxy.folder
    try:
        FaultKiller(report, binary, seed, cluster).play_faults([
            ("cut before COMMIT", cut("before"), 5), ("cut after COMMIT", cut("after"), 5)])
    finally:
        cluster.line = cluster.socket


POSITION = b"SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint"


def failing_behind_commit(report, binary, cluster, seed):
    """What comes behind a COMMIT fails half the time, as when somebody cancels it: the round
    stands, so it is neither done again nor refused."""
    proxy = Proxy(cluster.socket)
    proxy.forged = (POSITION, b"SELECT (1 / round(random()))::bigint".ljust(len(POSITION)))
    cluster.line = proxy.folder
    killer = FaultKiller(report, binary, seed, cluster)
    wrong = lambda answer: answer.status != 201 or answer.replayed  # noqa: E731
    try:
        killer.server.start()
        shop = Shop(killer.server)
        payer, payee = shop.customers[:2]
        with killer.server.client(timeout=30.0) as client:
            answers = [client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1},
                                   key=f"behind {number}") for number in range(20)]
            looked_up = re.search(rb"^florin_engine_commits_looked_up_total (\d+)$",
                                  client.get("/metrics").body, re.MULTILINE)
        report.check("every payment is done once", not any(map(wrong, answers)),
                     repr([answer for answer in answers if wrong(answer)][:2]))
        report.check("commits were looked up", int(looked_up.group(1)) >= 1)
        killer.end()
    finally:
        cluster.line = cluster.socket
        proxy.close()
        killer.server.discard()


def archived_before_looked_up(report, binary, cluster, seed):
    """The line is cut behind COMMIT, and before anybody asks what became of it the month of that
    round is archived: "not there" says nothing then, so the round is not done again."""
    del seed
    proxy = Proxy(cluster.socket)
    cluster.line = proxy.folder
    server = florin.Server(florin=binary, config=DEADLINE)
    try:
        server.start()
        database = cluster.database_for(server.data)
        shop = Shop(server)
        wallet = shop.customers[0]

        def archive():
            cluster.sql("DELETE FROM florin.rounds WHERE number = (SELECT round_count FROM "
                        "florin.books); UPDATE florin.extent SET archived = "
                        "(SELECT last_record + 1 FROM florin.books)", database)

        def pay(client):
            return client.post("/v1/deposits", {"wallet": wallet, "amount": 7,
                                                "bank_transaction_id": "archived"}, key="archived")

        with server.client(timeout=PATIENCE) as client:
            before = client.get(f"/v1/wallets/{wallet}")["balance"]
            proxy.set_trap("COMMIT", "after", archive)
            answer = pay(client)
            report.check("cut behind COMMIT", proxy.wait(30))
            report.equal("nobody can know", (answer.status, answer.get("code")), (503, "busy"))
            report.equal("paid once", client.get(f"/v1/wallets/{wallet}")["balance"], before + 7)
            again = pay(client)
            report.check("its key tells", again.status == 201 and again.replayed, repr(again))
    finally:
        cluster.line = cluster.socket
        proxy.close()
        server.discard()


def killed_around_commit(report, binary, cluster, seed):
    """kill -9 of every backend, and of the whole server, right before COMMIT gets there and right
    behind it, before anybody hears of it."""
    proxy = Proxy(cluster.socket)

    def at(moment, kill):
        def fault(_cluster, database):
            proxy.set_trap("COMMIT", moment, lambda: kill(cluster, database))
            report.check(f"killed {moment} COMMIT", proxy.wait(60))
        return fault

    cluster.line = proxy.folder
    try:
        FaultKiller(report, binary, seed, cluster).play_faults([
            (f"kill -9 of {what} {moment} COMMIT", at(moment, kill), 1)
            for what, kill in (("backends", kill_backends), ("the server", kill_server))
            for moment in ("before", "after")])
    finally:
        cluster.line = cluster.socket
        proxy.close()


# Of a round that pays: where florin is killed, in the order in which they are sent.
STEPS = [("TURN", "before"), ("BEGIN", "before"), ("WALLETS_LOCKED", "before"),
         ("WALLETS_LOCKED", "after"), ("PAY_FEW_WALLETS", "before"), ("ADD_RECORDS", "before"),
         ("ADD_POSTINGS", "before"), ("ADD_IDEMPOTENCY", "before"), ("CHANGE_BOOKS", "before"),
         ("COMMIT", "before"), ("COMMIT", "after"), ("LEAVE", "before")]


def killed_at_each_step(report, binary, cluster, seed):
    """kill -9 of florin at each step of a round: the database has got everything before that
    statement and nothing behind it."""
    proxy = Proxy(cluster.socket)
    cluster.line = proxy.folder
    killer = FaultKiller(report, binary, seed, cluster)
    server = killer.server
    try:
        server.start()
        killer.shop = Shop(server, customers=8, merchants=2)
        for number, (statement, moment) in enumerate(STEPS):
            workers = [Worker(killer.shop, f"k{number}w{index}", killer.random.random())
                       for index in range(4)]
            proxy.set_trap(statement, moment,
                           lambda: os.kill(server.process.pid, signal.SIGKILL))
            for worker in workers:
                worker.start()
            report.check(f"killed {moment} {statement}", proxy.wait(20))
            server.kill()
            for worker in workers:
                worker.join(2 * PATIENCE)
                if worker.trouble is not None or worker.is_alive():
                    report.fail(f"killed {moment} {statement}", f"a worker: {worker.trouble!r}")
            server.start()
            sent = [request for worker in workers for request in worker.sent]
            silent = sum(1 for request in sent if request.answer is None)
            report.check(f"somebody waited {moment} {statement}", silent >= 1)
            killer.check_round(f"{number} ({moment} {statement})", sent)
            killer.sent += sent
        killer.end()
    finally:
        cluster.line = cluster.socket
        proxy.close()
        server.discard()


def stopped_node(report, binary, cluster, seed):
    """A node that is stopped in mid-flight gives the turn back within five seconds or so."""
    killer = FaultKiller(report, binary, seed, cluster)
    two = florin.Server(florin=binary)
    try:
        killer.server.start()
        cluster.databases[two.data] = cluster.database_for(killer.server.data)
        two.start()
        killer.shop = Shop(killer.server)
        secret = killer.server.admin_secret
        workers = [Worker(killer.shop, f"s{index}", seed + index) for index in range(6)]
        for worker in workers:
            worker.start()
        time.sleep(0.7)
        os.kill(killer.server.process.pid, signal.SIGSTOP)
        with Client(two.port, secret, 20.0) as client:
            began = time.monotonic()
            answer = client.post("/v1/wallets", {"owner": "late", "currency": "USD"})
            took = time.monotonic() - began
        report.check("the other node writes", answer.status == 201 and took < 6.5,
                     f"{answer!r} after {took:.1f} s")
        os.kill(killer.server.process.pid, signal.SIGCONT)
        time.sleep(1)
        for worker in workers:
            worker.quit.set()
        for worker in workers:
            worker.join(2 * PATIENCE)
            report.check("a worker", worker.trouble is None and not worker.is_alive(),
                         repr(worker.trouble))
        sent = [request for worker in workers for request in worker.sent]
        killer.check_round("a stopped node", sent)
        report.equal("exit status", two.stop(), 0)
        killer.end()
    finally:
        two.discard()
        killer.server.discard()


def two_nodes(report, binary, cluster, seed):
    """Two servers on the same books at once: one of them is a stranger to the other's commits."""
    both_write(report, binary, cluster, seed, None, "two nodes")


def both_write(report, binary, cluster, seed, config, title):
    one = FaultKiller(report, binary, seed, cluster)
    one.server = florin.Server(florin=binary, config=config)
    two = florin.Server(florin=binary, config=config)
    try:
        one.server.start()
        cluster.databases[two.data] = cluster.database_for(one.server.data)
        two.start()
        one.shop = Shop(one.server)
        other = Shop.__new__(Shop)
        other.__dict__.update(one.shop.__dict__)
        other.server = two
        secret = one.server.admin_secret
        two.client = lambda given=None, timeout=20.0: Client(two.port, given or secret,
                                                                    timeout)
        workers = [Worker(shop, f"{name}{index}", seed + index)
                   for name, shop in (("one", one.shop), ("two", other)) for index in range(5)]
        for worker in workers:
            worker.start()
        time.sleep(3)
        for worker in workers:
            worker.quit.set()
        for worker in workers:
            worker.join(2 * PATIENCE)
            report.check("a worker", worker.trouble is None and not worker.is_alive(),
                         repr(worker.trouble))
        sent = [request for worker in workers for request in worker.sent]
        print(f"faults: {title}: {len(sent)} requests", flush=True)
        one.check_round(title, sent)
        problem = florin.integrity_problem(two.client().get("/check-integrity?depth=full"))
        report.check(f"{title}: the other finds the same", problem is None, problem)
        key = one.server.key("auditor")["secret"]
        time.sleep(1.1)
        with two.client(key) as client:
            report.equal("a key of the other node", client.get("/v1/wallets").status, 200)
        report.equal("exit status", two.stop(), 0)
        one.end()
    finally:
        two.discard()
        one.server.discard()
