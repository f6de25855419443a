# SPDX-License-Identifier: MIT
"""Slots that move, for the tests: the commands, and payments that go on meanwhile, of which every
cent is added up by hand."""

import json
import os
import random
import secrets
import subprocess
import threading
import time

import florin
from shards import slot_of

# Of the switch from the first shard to the second: which line, what, when, whether the slot has
# moved then.
SWITCH_STEPS = [
    ("before it is prepared", 1, b"PREPARE TRANSACTION", "before", False),
    ("when it is prepared", 1, b"PREPARE TRANSACTION", "after", False),
    ("before it is decided", 0, b"INSERT INTO decisions", "before", False),
    ("when it is decided", 0, b"INSERT INTO decisions", "after", True),
    ("before the leg is committed", 1, b"COMMIT PREPARED", "before", True),
    ("when the leg is committed", 1, b"COMMIT PREPARED", "after", True),
]


def config(books, server, name="move.json", lines=None):
    """A file with the setting of these books; `lines` stand in front of the databases."""
    path = os.path.join(server.home, name)
    setting = books.setting(server.data)
    for one, place, line in zip(books.clusters, setting, lines or []):
        place["url"] = place["url"].replace(one.socket, line.folder)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"shards": setting}, file)
    return path


def command(books, server, *words, **options):
    """`florin shards`, with what it says."""
    return subprocess.run([server.florin, "shards", *words, "--config", config(books, server)],
                          capture_output=True, text=True, check=False, timeout=500, **options)


def move(books, server, slots, target):
    return command(books, server, "move", str(slots), "--to", target)


def start(books, server, *words, lines=None, **options):
    """The same in the background."""
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    return subprocess.Popen([server.florin, "shards", *words, "--config",
                             config(books, server, "background.json", lines)], **options)


def another_node(books, server):
    node = florin.Server(florin=server.florin)
    books.books[node.data] = server.data
    return node.start()


def patiently(ask, seconds=60):
    """Until the answer is not busy any more."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer.status != 503 or time.monotonic() > deadline:
            return answer


class Pauses:
    """What `florin shards move` says about its switches."""
    def __init__(self):
        self.written, self.between, self.rows, self.since = [], [], [], []

    def add(self, said):
        for line in said.stdout.splitlines():
            words = line.split()
            if "wrote nothing" in line:
                self.written.append(int(line.split("nothing for ")[1].split()[0]))
                self.between.append(int(line.split("waited for ")[1].split()[0]))
            elif "rows were read" in line:
                self.rows.append(int(words[0]))
                self.since.append(int(words[words.index("records") - 1]))

    def __str__(self):
        return (f"{len(self.written)} switches; both shards wrote nothing for at most "
                f"{max(self.written)} ms, payments between shards waited for at most "
                f"{max(self.between)} ms; at most {max(self.rows)} rows were read then")


class Crowd:
    """Payments from several nodes between all these wallets, each known by its key; what was
    answered, and between which moments."""
    def __init__(self, nodes, secret, wallets, players=6):
        self.nodes, self.secret, self.wallets = nodes, secret, wallets
        self.name = f"crowd-{secrets.token_hex(8)}"  # no other crowd's, not one that is gone either
        self.over = threading.Event()
        self.done, self.odd, self.back = [], [], []
        self.players = [threading.Thread(target=self.play, args=(number,), daemon=True)
                        for number in range(players)]
        for player in self.players:
            player.start()

    def play(self, number):
        pick = random.Random(number)
        turn, versions = 0, {}
        with self.nodes[number % len(self.nodes)].client(self.secret) as client:
            while not self.over.is_set():
                turn += 1
                one, two = pick.sample(self.wallets, 2)
                body = {"from": one, "to": two, "amount": 1 + turn % 3}
                key = f"{self.name}-{number}-{turn}"
                made = patiently(lambda b=body, k=key: client.post("/v1/transfers", b, key=k))
                if made.status == 201:
                    self.done.append((made.json["id"], one, two, body["amount"]))
                elif made.code != "insufficient_funds":
                    self.odd.append(made)
                self.look(client, one, versions)

    def look(self, client, wallet, versions):
        """Whoever has seen a wallet on a node never sees it older there."""
        seen = patiently(lambda: client.get(f"/v1/wallets/{wallet}"))
        if seen.status != 200:
            self.odd.append(seen)
        elif seen["version"] < versions.get(wallet, 0):
            self.back.append((wallet, versions[wallet], seen["version"]))
        else:
            versions[wallet] = seen["version"]

    def stop(self):
        self.over.set()
        for player in self.players:
            player.join(120)
        return self.done


def one_key(world, key):
    """Payments of two wallets on two shards under one key: the one reuse that nobody notices.
    Returns the wallets, and what asks for both payments, once more each time."""
    payers = [world.open_at(name, "customer") for name in ("a", "b")]
    for payer in payers:
        world.deposit(payer, 10)
    asked = [{"wallet": payer, "merchant": world.open_at(name, "merchant"), "amount": 3}
             for payer, name in zip(payers, ("a", "b"))]
    return payers, lambda: [world.client.post("/v1/purchases", body, key=key) for body in asked]


class Recount:
    """Full checks of the books, one after the other, for as long as it lives."""
    def __init__(self, server, secret=None):
        self.server, self.secret = server, secret
        self.over = threading.Event()
        self.found, self.wrong, self.busy = 0, [], 0
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.is_set():
            try:
                with self.server.client(self.secret) as client:
                    answer = client.get("/check-integrity?depth=full")
            except Exception:  # its server is being stopped
                self.over.wait(0.2)
                continue
            if answer.status == 200 and answer.json.get("consistent") is True:
                self.found += 1
            elif answer.status == 503:
                self.busy += 1  # slots came and went faster than it could look
                self.over.wait(0.1)
            else:
                self.wrong.append(answer)

    def stop(self):
        self.over.set()
        self.thread.join(120)
        return self.found, self.wrong


def operations(client, here, gone, shop):
    """Each operation that a batch can have, of a wallet whose slot goes, under what it is told by.
    What it ends is made before."""
    count = 0

    def made(path, **fields):
        nonlocal count
        count += 1
        answer = client.post(path, {"wallet": gone, "amount": 2, **fields},
                             key=f"stale-{gone}-{count}")
        assert answer.status in (200, 201), answer
        return answer.json["id"]
    holds = [made("/v1/holds", merchant=shop, expires_in=6000) for _ in range(2)]
    asked = [made("/v1/withdrawals") for _ in range(2)]
    bought = made("/v1/purchases", merchant=shop)
    return {
        "withdrawal": {"wallet": gone, "amount": 1},
        "withdrawal at once": {"wallet": gone, "amount": 1, "bank_transaction_id": f"out-{gone}"},
        "deposit": {"wallet": gone, "amount": 1, "bank_transaction_id": f"in-{gone}"},
        "settle": {"withdrawal": asked[0], "bank_transaction_id": f"settled-{gone}"},
        "fail": {"withdrawal": asked[1]},
        "purchase": {"wallet": gone, "merchant": shop, "amount": 1},
        "refund": {"purchase": bought, "amount": 1},
        "transfer": {"from": gone, "to": here, "amount": 1},
        "transfer there": {"type": "transfer", "from": here, "to": gone, "amount": 1},
        "hold": {"wallet": gone, "merchant": shop, "amount": 1, "expires_in": 6000},
        "capture": {"hold": holds[0], "amount": 1},
        "void": {"hold": holds[1]},
    }


def balances(client, wallets):
    return {wallet: client.get(f"/v1/wallets/{wallet}").json["balance"] for wallet in wallets}


def naive(before, done):
    """What must stand after these payments, added up by hand."""
    for _, one, two, amount in done:
        before[one] -= amount
        before[two] += amount
    return before


def misplaced(client, wallets, done):
    """Of these payments those that do not stand once in the history of each of their two wallets,
    and in no other; and histories whose transactions do not follow each other."""
    found, wrong = {}, []
    for wallet in wallets:
        items = client.list(f"/v1/wallets/{wallet}/transactions?limit=200")
        for item in items:
            found.setdefault(item["id"], []).append(wallet)
        times = [item["created_at"] for item in items]
        if times != sorted(times, reverse=True):
            wrong.append((wallet, "is not in order"))
    for id_, one, two, _ in done:
        if sorted(found.get(id_, [])) != sorted((one, two)):
            wrong.append((id_, found.get(id_)))
    return wrong


def owners(books, key, slot):
    """Which shards own it."""
    return [place for place in range(len(books.setting(key)))
            if books.sql(place, f"SELECT state FROM slots WHERE slot = {slot}", key) == "0"]


__all__ = ["Crowd", "Pauses", "Recount", "another_node", "balances", "command", "config",
           "misplaced", "move", "naive", "one_key", "operations", "owners", "patiently",
           "slot_of", "start"]
