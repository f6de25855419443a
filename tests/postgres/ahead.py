# SPDX-License-Identifier: MIT
"""Books of two nodes, rounds of which are decided on what the last one left: who pays under load,
which such rounds there were, and a psql that gets into their way."""

import os
import secrets
import subprocess
import threading

import florin
from client import Client
from shop import Shop
from turn import metric
from wait import within

PATIENCE = 120.0


class Payers:
    """Threads that pay in a circle, each payment under its own key; some keys come again."""

    def __init__(self, server, wallets, count=6):
        self.server, self.wallets, self.over, self.wrong = server, wallets, threading.Event(), []
        self.paid, self.name = [0] * count, f"circle-{secrets.token_hex(8)}"
        self.threads = [threading.Thread(target=self.work, args=(index,), daemon=True)
                        for index in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, index):
        payer, payee = self.wallets[index], self.wallets[(index + 1) % len(self.threads)]
        with self.server.client(timeout=PATIENCE) as client:
            while not self.over.is_set():
                key = f"{self.name}-{index}-{self.paid[index]}"
                answers = [client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1},
                                       key=key) for _ in range(1 + (self.paid[index] % 20 == 7))]
                if any(answer.status != 201 for answer in answers) or \
                        len({answer["id"] for answer in answers}) != 1 or \
                        [answer.replayed for answer in answers] != [False, True][:len(answers)]:
                    self.wrong.append(repr(answers))
                self.paid[index] += 1

    def end(self, report, name):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        report.equal(f"{name}: each was paid once, and its key answers again", self.wrong[:3], [])
        return self.paid


class Books:
    """Two nodes on the same books, with load on the first."""

    def __init__(self, cluster, binary, report, payers=6):
        self.cluster, self.report = cluster, report
        self.one, self.two = florin.Server(florin=binary), florin.Server(florin=binary)
        self.one.start()
        self.database = cluster.database_for(self.one.data)
        cluster.databases[self.two.data] = self.database
        self.two.start()
        self.client = Client(self.one.port, self.one.admin_secret, PATIENCE)
        self.other = Client(self.two.port, self.one.admin_secret, PATIENCE)
        self.wallets = [self.wallet(f"circle {index}") for index in range(6)]
        self.payers = Payers(self.one, self.wallets, payers)

    def wallet(self, owner, amount=1_000_000):
        wallet = Shop.open(self.client, owner)
        if amount:
            done = self.client.post("/v1/deposits", {
                "wallet": wallet, "amount": amount, "bank_transaction_id": f"bank {owner}"})
            assert done.status == 201, repr(done)
        return wallet

    def pays(self, client, payer, payee, key=None, amount=1):
        return client.post("/v1/transfers", {"from": payer, "to": payee, "amount": amount},
                           key=key)

    def ahead(self):
        return metric(self.client, "engine_rounds_ahead_total")

    def opened(self):
        return metric(self.client, "engine_rounds_ahead_opened_total")

    def beside(self):
        return metric(self.client, "engine_rounds_ahead_beside_total")

    def failed(self):
        return metric(self.client, "engine_rounds_ahead_failed_total")

    def goes_beside(self, rounds=20):
        """And whose keys a session beside the writer's had looked for."""
        before = self.beside()
        return within(PATIENCE, lambda: self.beside() >= before + rounds)

    def goes_ahead(self, rounds=10):
        """Waits for so many more rounds of that kind."""
        before = self.ahead()
        within(PATIENCE, lambda: self.ahead() >= before + rounds)

    def opens(self, rounds=3):
        """And of such as were opened behind the last one's COMMIT. Whether they came."""
        before = self.opened()
        return within(PATIENCE, lambda: self.opened() >= before + rounds)

    def end(self, name):
        report, paid = self.report, self.payers.end(self.report, name)
        for index, wallet in enumerate(self.wallets):
            report.equal(f"{name}: the balance of {index} in the circle",
                         self.client.get(f"/v1/wallets/{wallet}")["balance"],
                         1_000_000 - (paid[index] - paid[index - 1] if paid else 0))
        check = self.client.get("/check-integrity?depth=full")
        report.check(f"{name}: consistent", check.get("consistent") is True, repr(check))
        self.client.close()
        self.other.close()
        for server in (self.one, self.two):
            report.equal(f"{name}: exit status", server.stop(), 0)
            report.equal(f"{name}: nothing broke", server.trouble(), [], server.log()[-2000:])
        done = self.one.verify()
        report.equal(f"{name}: verify", done.returncode, 0, done.stdout + done.stderr)
        for server in (self.one, self.two):
            server.discard()


def number_of(books, wallet):
    return books.cluster.sql(f"SELECT number FROM florin.balances WHERE wallet = '{wallet}'",
                             books.database)


class Stranger:
    """A psql that is asked one thing after the other."""

    def __init__(self, books):
        cluster = books.cluster
        self.process = subprocess.Popen(
            [*cluster.user, os.path.join(cluster.bin, "psql"), "-X", "-q", "-A", "-t", "-v",
             "ON_ERROR_STOP=1", "-d", cluster.url(books.database)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=cluster.home)

    def ask(self, text):
        """What it answers, in one line."""
        self.process.stdin.write(f"{text};\n\\echo all\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            assert line != "", "psql has ended"
            if line == "all\n":
                return " ".join(lines)
            if line.strip():
                lines.append(line.strip())

    def place_of(self, table, where):
        return self.ask(f"SELECT ctid FROM florin.{table} WHERE {where}")

    def leave(self, table, change, where):
        """Changes a row, and what it was is gone: another one may lie there by now."""
        self.ask(f"UPDATE florin.{table} SET {change} WHERE {where}")
        self.ask(f"VACUUM florin.{table}")

    def change_until_it_lies_at(self, place, table, change, where):
        """Changes a row once and again until it lies there; whether it does. In one transaction
        each version takes the next free place of its page, since none goes before its end."""
        self.ask("BEGIN")
        for _ in range(8):
            self.ask(f"UPDATE florin.{table} SET {change} WHERE {where}")
            lies = self.place_of(table, where) == place
            if lies:
                break
        self.ask("COMMIT")
        return lies

    def change_and_let_lie(self, table, change, where):
        """Changes a row at least twice, so that it lies again where it lay, if it can."""
        place = self.place_of(table, where)
        self.leave(table, change, where)
        return self.change_until_it_lies_at(place, table, change, where)

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
