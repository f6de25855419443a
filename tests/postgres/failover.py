# SPDX-License-Identifier: MIT
"""A pair of real servers, one of them a standby, and what happens when the primary goes: killed,
stopped, cut off from its standby, or back again beside the new one. Afterwards every operation that
was acknowledged must be there exactly once."""

import os
import signal
import threading
import time

import cluster
import florin
from client import Client, Unreachable
from faults import FaultKiller
from proxy import Proxy
from shop import Shop, Worker
from wait import within


class Pair:
    """`one` is the primary at first; who it is now is `primary`, the other one `standby`."""
    def __init__(self):
        self.one = cluster.Cluster()
        self.two = cluster.Cluster(self.one)
        self.primary, self.standby = self.one, self.two
        self.one.beside = [self.two]
        cluster.serve_from(self.one)

    def synchronous(self, wanted=True):
        self.primary.setting("synchronous_standby_names", "*" if wanted else "")
        if wanted:
            within(120, lambda: self.primary.sql(
                "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'",
                "postgres") == "1")

    def promote(self):
        # What it was copied from may have waited for a standby of its own.
        self.standby.setting("synchronous_standby_names", "")
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self):
        """The old primary becomes a standby of the new one, made anew."""
        if self.standby.process.poll() is None:
            self.standby.stop(signal.SIGKILL)
        self.standby.copy(self.primary)
        self.standby.start()


def try_to_pay(client, wallet, name):
    """The status, or None without an answer."""
    try:
        return client.post("/v1/deposits", {"wallet": wallet, "amount": 1,
                                            "bank_transaction_id": name}, key=name).status
    except Unreachable:
        return None


def rounds_of(server, database):
    return server.sql("SELECT coalesce(max(number), 0) FROM florin.rounds", database)


class Failover(FaultKiller):
    def __init__(self, report, binary, seed, pair, deadline_ms=18000):
        super().__init__(report, binary, seed, pair.one)
        self.pair = pair
        self.server.config = {"request_deadline_ms": deadline_ms}

    def begin(self):
        self.database = self.pair.primary.database_for(self.server.data)
        self.server.start()
        self.shop = Shop(self.server)
        self.server.verify = lambda: self.server.command_line(
            "verify", "--postgres", self.pair.primary.url(self.database))

    def under_load(self, name, fault):
        """Workers before, during and after; every request is answered, and rightly."""
        workers = [Worker(self.shop, f"{name}{index}", self.random.random()) for index in range(6)]
        for worker in workers:
            worker.start()
        time.sleep(self.random.uniform(0.4, 0.9))
        fault()
        time.sleep(1)
        before = sum(len(worker.sent) for worker in workers)
        self.report.check(f"{name}: service is back", within(
            30, lambda: sum(len(worker.sent) for worker in workers) > before + 20))
        for worker in workers:
            worker.quit.set()
        for worker in workers:
            worker.join(40)
            self.report.check(f"{name}: a worker", worker.trouble is None and
                              not worker.is_alive(), repr(worker.trouble))
        sent = [request for worker in workers for request in worker.sent]
        print(f"failover: {name}: {len(sent)} requests", flush=True)
        self.report.equal(f"{name}: requests without an answer",
                          sum(request.answer is None for request in sent), 0)
        self.check_round(name, sent)
        self.sent += sent


def killed(report, binary, seed, pair):
    """kill -9 of the primary under load, its synchronous standby promoted; then the old one is back
    beside it, alone, and as a twin."""
    play = Failover(report, binary, seed, pair)
    server = play.server

    def fault():
        pair.primary.stop(signal.SIGKILL)
        pair.promote()

    try:
        play.begin()
        pair.synchronous()
        play.under_load("killed", fault)
        with server.client() as client:
            text = client.get("/metrics").body.decode()
        report.check("the timeline is known", "florin_postgres_timeline 2\n" in text, text)
        old_primary_comes_back(report, play)
    finally:
        server.discard()
        restore(pair)


def restore(pair):
    """Both run, the standby follows the primary; `one` may be either."""
    if pair.primary.process.poll() is not None:
        pair.primary.start()
    pair.synchronous(False)
    pair.rejoin()


def old_primary_comes_back(report, play):
    pair, server = play.pair, play.server
    wallet = play.shop.customers[0]
    pair.standby.start()  # no standby: it still believes in itself
    pair.standby.setting("synchronous_standby_names", "")
    rounds = rounds_of(pair.standby, play.database)
    with server.client() as client:
        report.equal("beside it: writes", try_to_pay(client, wallet, "beside"), 201)
    report.equal("exit status", server.stop(), 0)
    server.start()  # the old one is the first in the list
    with server.client() as client:
        report.equal("started again: writes", try_to_pay(client, wallet, "started"), 201)
        seen = client.get(f"/v1/wallets/{wallet}")["balance"]
        check = client.get("/check-integrity?depth=full")
        walked = [one["count"] for one in check["checked"] if one["check"] == "chain"]
        report.equal("the chain that is proved is the new primary's", walked,
                     [int(pair.primary.sql("SELECT round_count FROM florin.books",
                                           play.database))], repr(check))
    stranger = florin.Server(florin=server.florin)  # knows nothing but what the servers say
    play.cluster.databases[stranger.data] = play.database
    stranger.start()
    with Client(stranger.port, server.admin_secret) as client:
        report.equal("a new node reads", client.get(f"/v1/wallets/{wallet}").get("balance"), seen)
        report.equal("a new node writes", try_to_pay(client, wallet, "stranger"), 201)
    report.equal("exit status", stranger.stop(), 0)
    stranger.discard()
    only_the_old_one(report, play, wallet)
    report.equal("the old primary took nothing", rounds_of(pair.standby, play.database), rounds)
    twin(report, play)


def only_the_old_one(report, play, wallet):
    pair, server = play.pair, play.server
    server.config["request_deadline_ms"] = 1500
    server.restart()
    pair.primary.stop()
    with server.client() as client:
        report.equal("the old one alone: no write", try_to_pay(client, wallet, "alone"), 503)
        for path in (f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/transactions"):
            report.equal(f"no strong read: {path}", client.get(path).status, 503)
    server.kill()
    refused = server.refused()
    report.check("a start is refused", refused is not None and "behind" in refused[1], refused)
    pair.primary.start()
    server.start()
    with server.client() as client:
        report.equal("back: the same key", try_to_pay(client, wallet, "alone"), 201)


def twin(report, play):
    """The old primary is promoted to the same timeline: it has not what was acknowledged since."""
    pair, server = play.pair, play.server
    pair.standby.stop()
    open_signal(pair.standby)
    pair.standby.start()
    pair.standby.promote()
    report.equal("exit status", server.stop(), 0)
    pair.primary.stop()
    refused = server.refused()
    report.check("a twin is refused", refused is not None and "not taken part" in refused[1],
                 refused)
    pair.primary.start()
    server.start()
    with server.client() as client:
        report.equal("the right one", try_to_pay(client, play.shop.customers[1], "right"), 201)
    play.end()


def open_signal(server):
    path = os.path.join(server.data, "standby.signal")
    with open(path, "w", encoding="utf-8"):
        pass
    os.chmod(path, 0o666)


def stopped(report, binary, seed, pair):
    """The primary is stopped (SIGSTOP) and comes back to life when it has a successor."""
    play = Failover(report, binary, seed, pair)

    def fault():
        wrapper = pair.primary.process.pid  # runuser stops itself when its child does
        pids = [pair.primary.postmaster()] + [int(pid) for pid in pair.primary.sql(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()", "postgres").split()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            pair.promote()
            time.sleep(1.5)
        finally:
            for pid in pids + [wrapper]:
                os.kill(pid, signal.SIGCONT)

    try:
        play.begin()
        pair.synchronous()
        play.under_load("stopped", fault)
        rounds = rounds_of(pair.standby, play.database)
        with play.server.client() as client:
            report.equal("writes", try_to_pay(client, play.shop.customers[0], "after"), 201)
        report.equal("the old primary takes nothing", rounds_of(pair.standby, play.database),
                     rounds)
        play.end()
    finally:
        play.server.discard()
        restore(pair)


def promoted_around_commit(report, binary, seed, pair):
    """The primary dies right before a COMMIT gets there, and right behind one that its standby has
    and nobody has heard of: the node asks the new primary what became of its round."""
    for moment in ("before", "after"):
        play = Failover(report, binary, seed, pair)
        first = pair.primary
        proxy = Proxy(first.socket)
        first.line = proxy.folder

        def fault():
            proxy.set_trap("COMMIT", moment, lambda: first.stop(signal.SIGKILL))  # noqa: B023
            report.check(f"killed {moment} COMMIT", proxy.wait(60))  # noqa: B023
            pair.promote()

        try:
            play.begin()
            pair.synchronous()
            play.under_load(f"promoted {moment} COMMIT", fault)
            play.end()
        finally:
            first.line = first.socket
            proxy.close()
            play.server.discard()
            restore(pair)


def standby_without_the_round(report, binary, seed, pair):
    """The primary dies behind a COMMIT that nobody has heard of and that the promoted standby never
    got. The new primary says that the round is not there, which is true for everybody from now on:
    it is done again, once, and what was committed on the old one is of no books any more."""
    play = Failover(report, binary, seed, pair)
    first = pair.primary
    proxy = Proxy(first.socket)
    first.line = proxy.folder
    try:
        play.begin()
        wallet = play.shop.customers[0]
        answers = []
        with play.server.client() as client:
            report.equal("paid before", try_to_pay(client, wallet, "before"), 201)
        report.check("the standby has that", within(120, lambda: rounds_of(
            pair.standby, play.database) == rounds_of(first, play.database)))
        pair.standby.setting("primary_conninfo", "")
        report.check("the standby gets nothing more", within(120, lambda: first.sql(
            "SELECT count(*) FROM pg_stat_replication", "postgres") == "0"))
        proxy.set_trap("COMMIT", "after", lambda: first.stop(signal.SIGKILL))

        def pay():
            with play.server.client(timeout=60.0) as client:
                answers.append(try_to_pay(client, wallet, "lost"))

        thread = threading.Thread(target=pay)
        thread.start()
        report.check("killed behind COMMIT", proxy.wait(60))
        pair.promote()
        thread.join(60)
        report.equal("answered", answers, [201])
        with play.server.client() as client:
            looked_up = [line for line in client.get("/metrics").body.decode().splitlines()
                         if line.startswith("florin_engine_commits_looked_up_total ")]
            report.check("it was looked up", int(looked_up[0].split()[1]) >= 1, repr(looked_up))
            report.equal("the same key again", try_to_pay(client, wallet, "lost"), 201)
            items = client.list(f"/v1/wallets/{wallet}/transactions?limit=100")
            paid = [item.get("bank_transaction_id") for item in items]
            report.equal("each once", (paid.count("before"), paid.count("lost")), (1, 1))
        pair.standby.start()
        report.equal("it had been committed on the old primary", pair.standby.sql(
            "SELECT count(*) FROM florin.bank_ids WHERE bank_id = 'lost'", play.database), "1")
        play.end()
    finally:
        first.line = first.socket
        proxy.close()
        play.server.discard()
        restore(pair)


def readers_wait_for_the_writer(report, binary, seed, pair):
    """The new primary waits for a standby of its own, so the node cannot commit there that it has
    arrived: until it can, nothing is read from it as of now, by nobody."""
    play = Failover(report, binary, seed, pair, deadline_ms=2500)
    try:
        play.begin()
        pair.synchronous()
        wallet = play.shop.customers[0]
        with play.server.client() as client:
            report.equal("paid", try_to_pay(client, wallet, "before"), 201)
            pair.standby.setting("synchronous_standby_names", "*")
            pair.primary.stop(signal.SIGKILL)
            pair.standby.promote()
            pair.primary, pair.standby = pair.standby, pair.primary
            for path in (f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/transactions",
                         "/v1/transactions?limit=1", "/v1/wallets?limit=1"):
                report.equal(f"not yet: {path}", client.get(path).status, 503)
            report.equal("no write either", try_to_pay(client, wallet, "meanwhile"), 503)
            pair.primary.setting("synchronous_standby_names", "")
            report.check("then it goes on", within(
                30, lambda: try_to_pay(client, wallet, "meanwhile") == 201))
            report.equal("reads, too", client.get("/v1/transactions?limit=1").status, 200)
            items = client.list(f"/v1/wallets/{wallet}/transactions?limit=100")
            paid = [item.get("bank_transaction_id") for item in items]
            report.equal("each once", (paid.count("before"), paid.count("meanwhile")), (1, 1))
        play.end()
    finally:
        play.server.discard()
        restore(pair)


def without_standby(report, binary, seed, pair):
    """The synchronous standby is away: busy, nothing is acknowledged, also not when somebody
    cancels the wait."""
    play = Failover(report, binary, seed, pair, deadline_ms=1500)
    try:
        play.begin()
        pair.synchronous()
        wallet = play.shop.customers[0]
        pair.standby.stop()
        names = [f"away-{seed}-{number}" for number in range(4)]
        statuses = []

        def pay(name):
            with play.server.client() as client:
                statuses.append(try_to_pay(client, wallet, name))

        threads = [threading.Thread(target=pay, args=(name,)) for name in names]
        for number, thread in enumerate(threads):
            thread.start()
            time.sleep(0.5)
            if number % 2 == 1:
                pair.primary.sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                                 "WHERE wait_event = 'SyncRep'", "postgres")
        for thread in threads:
            thread.join(120)
        report.equal("nothing is acknowledged", statuses, [503] * 4)
        pair.standby.start()
        with play.server.client() as client:
            report.check("back", within(120, lambda: try_to_pay(client, wallet, "back") == 201))
            for name in names:
                report.equal("the same key again", try_to_pay(client, wallet, name), 201)
            items = client.list(f"/v1/wallets/{wallet}/transactions?limit=100")
            paid = [item.get("bank_transaction_id") for item in items]
            report.equal("each once", [paid.count(name) for name in names], [1] * 4)
        play.end()
    finally:
        play.server.discard()
        restore(pair)


def read_only(report, binary, seed, pair):
    """The server refuses to write (25006): busy until it takes writes again."""
    play = Failover(report, binary, seed, pair, deadline_ms=1500)
    try:
        play.begin()
        wallet = play.shop.customers[0]
        pair.primary.setting("default_transaction_read_only", "on")
        with play.server.client() as client:
            report.check("busy", within(120, lambda: try_to_pay(client, wallet, "ro") == 503))
            reset(pair.primary, "default_transaction_read_only")
            report.check("back", within(120, lambda: try_to_pay(client, wallet, "ro") == 201))
        play.end()
    finally:
        play.server.discard()


def reset(server, name):
    path = os.path.join(server.data, "postgresql.auto.conf")
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(name)]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    server.sql("SELECT pg_reload_conf()", "postgres")

