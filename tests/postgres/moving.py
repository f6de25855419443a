# SPDX-License-Identifier: MIT
"""Books that move between engines: a house full of everything that books can hold, what it answers
before and after, and servers whose books can be moved under them."""

import json
import os
import re
import subprocess
import time

import differential
import florin
import rules
import run
import sealed

RULES = {
    "approvals": {"above": {"USD": 90_000}},
    "spending_limits": [{"kind": "customer", "currency": "USD", "per_day": 50_000_000}],
    "currencies": {"POINTS": {"exponent": 0}},
}
OBJECTS = {"wallets": "wallets", "transactions": "transactions", "holds": "holds",
           "withdrawals": "withdrawals", "approvals": "approvals"}


class Server(florin.Server):
    """A server whose books are in its folder, or, with `url`, in a database."""
    url = None

    def command(self):
        return super().command() + (["--postgres", self.url] if self.url else [])

    def verify(self):
        place = ["--postgres", self.url] if self.url else [self.data]
        return self.command_line("verify", *place, timeout=120.0)

    def state_hash(self):
        place = ["--postgres", self.url] if self.url else [self.data]
        done = self.command_line("state-hash", *place, timeout=120.0)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def new_place(self, url):
        """From now on the books are in that database, with a new folder for the node."""
        self.url = url
        self.data = os.path.join(florin.folder(), "data")

    def new_folder(self, data=None):
        """From now on the books are in that folder, without the file of the first key."""
        self.url = None
        self.data = data or os.path.join(florin.folder(), "data")
        return self.data

    def move_words(self, target):
        source = ["--from-postgres", self.url] if self.url else ["--from-data", self.data]
        return ["migrate-engine", *source, *target]


def to_postgres(url):
    return ["--to-postgres", url]


def to_folder(path):
    return ["--to-data", path]


def everything(server):
    """A configuration with all that books can hold: rules that count and hold, encrypted texts."""
    kept = [rules.rule("large-points", "hold", amount=600_000, currencies=["POINTS"],
                       operations=["transfer"]),
            rules.rule("third-points", count_in_hour=3, currencies=["POINTS"],
                       operations=["withdrawal"]),
            rules.rule("many-payments", count_in_hour=20, operations=["transfer"])]
    return {**RULES, **rules.config(kept),
            "encryption": {"master_key_file": sealed.key_file(server, "master.key")}}


class Watched:
    """What rules count and hold, and owners whose data keys live and were destroyed."""
    def __init__(self, server, secret):
        self.server, self.secret, self.count = server, secret, 0
        with self.client() as client:
            self.payer, self.payee = [client.post("/v1/wallets", {
                "owner": f"watched-{kind}", "currency": "POINTS", "kind": kind}).json["id"]
                for kind in ("customer", "merchant")]
            self.deposit(client, 5_000_000)
            # Who asks does not decide.
            service = client.post("/v1/keys", {"name": "till", "role": "service"})["secret"]
            with self.server.client(service) as till:
                self.held = [self.large(till) for _ in range(3)]
            self.withdraw(client)
            self.withdraw(client)
        self.keeps = self.owner("keeps")
        self.forgotten = self.owner("goes")
        with self.client() as client:
            gone = client.delete("/v1/owners/goes/data")
            if gone.status not in (200, 204):
                raise AssertionError(gone)
            self.forgotten.told = self.forgotten.read(client)

    def owner(self, name):
        view = Secret(self.server, self.secret)
        return sealed.Life(view, name)

    def client(self):
        return self.server.client(self.secret)

    def deposit(self, client, amount):
        self.count += 1
        client.post("/v1/deposits", {"wallet": self.payer, "amount": amount,
                                     "bank_transaction_id": f"watched-{self.count}"})

    def large(self, client):
        answer = client.post("/v1/transfers",
                             {"from": self.payer, "to": self.payee, "amount": 700_000})
        if answer.status != 202:
            raise AssertionError(f"was not held: {answer!r}")
        return answer["id"]

    def withdraw(self, client):
        return client.post("/v1/withdrawals", {"wallet": self.payer, "amount": 10})

    def anomalies(self, client):
        return [item["id"] for item in client.get(
            f"/v1/anomalies?wallet={self.payer}&limit=200")["items"]]

    def show(self):
        shown = {}
        with self.client() as client:
            for item in self.anomalies(client):
                shown[item] = client.get(f"/v1/anomalies/{item}").body.decode()
            for name, life in (("keeps", self.keeps), ("goes", self.forgotten)):
                shown[f"texts of {name}"] = json.dumps(life.read(client))
        return shown

    def prove(self, report, when):
        """Texts are read, those that went stay away, what waits is decided, counters go on."""
        with self.client() as client:
            report.equal(f"{when}: texts that are kept", self.keeps.read(client), self.keeps.told)
            report.equal(f"{when}: texts that are gone", self.forgotten.read(client),
                         self.forgotten.told)
            held = self.held.pop()
            before = client.get(f"/v1/wallets/{self.payer}")
            done = client.post(f"/v1/anomalies/{held}/approve", {})
            after = client.get(f"/v1/wallets/{self.payer}")
            report.equal(f"{when}: a held payment is decided", done.get("status"), "approved",
                         done)
            report.equal(f"{when}: and its money moves",
                         (after["balance"], after["held"]),
                         (before["balance"] - 700_000, before["held"] - 700_000))
            found = len(self.anomalies(client))
            self.withdraw(client)
            report.equal(f"{when}: the third withdrawal in an hour is seen",
                         len(self.anomalies(client)), found + 1)
            # New texts are sealed under the same owner's key.
            self.keeps.post(client, "/v1/deposits", wallet=self.keeps.wallet, amount=3,
                            bank_transaction_id=self.keeps.number("bank"),
                            reference=sealed.text(when))
            self.keeps.told = self.keeps.read(client)


class Secret:
    """The server to those who hold another key than that of the file."""
    def __init__(self, server, secret):
        self.server, self.secret = server, secret

    def client(self, secret=None):
        return self.server.client(secret or self.secret)


class House:
    """Requests of every kind, each with its first answer; and everything that can be asked."""
    def __init__(self, seed, server):
        self.server = server
        self.side = differential.Side(server)
        self.secret = server.admin_secret
        self.requests = differential.Requests(seed)
        self.kept = []  # (secret, method, target, body, key, status, body of the first answer)
        self.again = []  # the same keys' answers, the second time
        self.secrets = {}

    def wake(self):
        """Starts the server again."""
        self.server.start()
        self.side.client = self.server.client(self.secret)

    def client(self, secret=None):
        return self.server.client(secret or self.secret)

    def ask(self, client_secret, method, target, body, key):
        text = json.dumps(body).encode()
        with self.client(client_secret) as client:
            answer = client.request(method, target, text, {"Idempotency-Key": key})
        if answer.status < 500 and answer.code != "idempotency_key_reused" and \
                not answer.replayed and answer.code != "invalid_request":
            self.kept.append((client_secret, method, target, text, key, answer.status, answer.body))
        return answer

    def play(self, steps):
        """What the differential test draws; and more under keys of its own, to be replayed."""
        for _ in range(steps):
            self.side.play(self.requests.draw())
        for _ in range(steps // 4):
            name, body = self.requests.operation()
            filled = re.sub(r"@(\w+):(\d+)",
                            lambda match: self.side.place(match.group(1), int(match.group(2))),
                            json.dumps(body))
            self.ask(self.secret, "POST", f"/v1/{name}s", json.loads(filled),
                     f"house-{len(self.kept)}-{self.requests.count}")

    def furnish(self):
        """What the draws do not make: keys, approvals, ended holds, batches, levels of history."""
        with self.client() as client:
            make = lambda role, **more: client.post(  # noqa: E731
                "/v1/keys", {"name": role, "role": role, **more}).json
            service, auditor = make("service"), make("auditor")
            self.secrets = {"service": service["secret"], "auditor": auditor["secret"],
                            "merchant": make("merchant", owner="owner-1")["secret"],
                            "short": make("support", expires_in=3600)["secret"],
                            "operator": make("operator")["secret"]}
            gone = make("service")
            client.delete(f"/v1/keys/{gone['id']}")
            self.secrets["gone"] = gone["secret"]
            turned = client.post(f"/v1/keys/{service['id']}/rotate", {}).json
            self.secrets["turned"] = turned["secret"]
            wallets = [client.post("/v1/wallets", {"owner": f"owner-{i}", "currency": currency,
                                                   "kind": kind}).json["id"]
                       for i, (currency, kind) in enumerate((
                           ("USD", "customer"), ("USD", "merchant"), ("POINTS", "customer")))]
        ann, shop, _ = wallets
        self.pay(ann, shop)
        self.hold(ann, shop)
        self.wait_for_people(ann)
        with self.client(self.secrets["auditor"]) as client:
            for wallet in wallets:
                client.get(f"/v1/wallets/{wallet}")
            client.post("/v1/deposits", {"wallet": ann, "amount": 5})

    def pay(self, ann, shop):
        service = self.secrets["service"]
        self.ask(service, "POST", "/v1/deposits",
                 {"wallet": ann, "amount": 80_000, "bank_transaction_id": "house-in"}, "in")
        for number in range(70):  # beyond 64, where history has its second level
            self.ask(service, "POST", "/v1/transfers",
                     {"from": ann, "to": shop, "amount": 10 + number}, f"pay-{number}")
        bought = self.ask(service, "POST", "/v1/purchases",
                          {"wallet": ann, "merchant": shop, "amount": 700,
                           "order": "house-order", "metadata": {"ж": "\"x\""}}, "buy")
        self.ask(service, "POST", "/v1/refunds", {"purchase": bought["id"], "amount": 100}, "back")
        self.ask(service, "POST", "/v1/refunds", {"purchase": bought["id"], "amount": 9000}, "no")
        operations = [{"type": "transfer", "from": ann, "to": shop, "amount": 3},
                      {"type": "purchase", "wallet": ann, "merchant": shop, "amount": 4}]
        for atomic in (True, False):
            self.ask(service, "POST", "/v1/batches", {"atomic": atomic, "operations": operations},
                     f"batch-{atomic}")
        waiting = self.ask(service, "POST", "/v1/withdrawals", {"wallet": ann, "amount": 50}, "out")
        self.ask(service, "POST", "/v1/withdrawals", {"wallet": ann, "amount": 60}, "stays")
        self.ask(service, "POST", f"/v1/withdrawals/{waiting['id']}/settle",
                 {"bank_transaction_id": "house-out"}, "settle")

    def hold(self, ann, shop):
        service = self.secrets["service"]
        body = {"wallet": ann, "merchant": shop, "amount": 500, "order": "house-hold"}
        self.ask(service, "POST", "/v1/holds", {**body, "expires_in": 1}, "ends")
        part = self.ask(service, "POST", "/v1/holds", {**body, "expires_in": 3600}, "part")
        self.ask(service, "POST", f"/v1/holds/{part['id']}/capture",
                 {"amount": 200, "final": False}, "capture")
        self.ask(service, "POST", "/v1/holds", {**body, "expires_in": 7200}, "open")
        time.sleep(1.1)
        self.ask(service, "POST", "/v1/transfers", {"from": ann, "to": shop, "amount": 1}, "wake")

    def wait_for_people(self, ann):
        operator = self.secrets["operator"]
        body = {"wallet": ann, "direction": "credit", "amount": 33, "reason": "lost"}
        asked = [self.ask(operator, "POST", "/v1/adjustments", body, f"adjust-{i}")
                 for i in range(3)]
        self.approval = asked[2]["id"]
        self.ask(self.secret, "POST", f"/v1/approvals/{asked[0]['id']}/approve", {}, "yes")
        self.ask(self.secret, "POST", f"/v1/approvals/{asked[1]['id']}/reject",
                 {"reason": "no letter"}, "never")

    def last_use(self, name):
        with self.client() as client:
            return [key.get("last_used_at") for key in client.list("/v1/keys")
                    if key["name"] == name][0]

    def decide(self, report):
        """The approval that moved along is still one."""
        with self.client() as client:
            done = client.post(f"/v1/approvals/{self.approval}/approve", {})
        report.equal("an approval that moved is decided", done.get("status"), "approved", done)

    def show(self):
        """All that can be read, as text by name; and the answer to every key again."""
        shown = {}
        with self.client() as client:
            for name, path in OBJECTS.items():
                items = client.list(f"/v1/{path}?limit=37")
                shown[f"all {name}"] = json.dumps(items)
                for item in items:
                    shown[item["id"]] = client.get(f"/v1/{path}/{item['id']}").body.decode()
                    if name == "wallets":
                        self.show_wallet(client, item["id"], shown)
            self.show_lists(client, shown)
            books = client.get("/check-integrity").json
            shown["consistent"] = str(books["consistent"])
            shown["sums"] = json.dumps(florin.integrity_by_currency(books), sort_keys=True)
            shown["keys"] = json.dumps([{name: value for name, value in key.items()
                                         if name != "last_used_at"}
                                        for key in client.list("/v1/keys?limit=3")])
        for name, secret in self.secrets.items():
            with self.client(secret) as client:
                shown[f"me of {name}"] = str(client.get("/v1/wallets?limit=1").status)
        return shown

    @staticmethod
    def show_wallet(client, wallet, shown):
        history = client.list(f"/v1/wallets/{wallet}/transactions?limit=19")
        shown[f"history of {wallet}"] = json.dumps(history)
        for item in history[::7]:
            shown[f"{wallet} at {item['created_at']}"] = client.get(
                f"/v1/wallets/{wallet}/balance?at={item['created_at']}").body.decode()
        for kind in ("refund", "purchase"):
            shown[f"{kind}s of {wallet}"] = json.dumps(
                client.list(f"/v1/wallets/{wallet}/transactions?type={kind}&limit=9"))

    @staticmethod
    def show_lists(client, shown):
        middle = json.loads(shown["all transactions"])
        middle = middle[len(middle) // 2]["created_at"]
        for target in ("/v1/transactions?order=house-order", "/v1/holds?order=house-hold",
                       "/v1/transactions?bank_transaction_id=house-in",
                       "/v1/wallets?owner=owner-1", "/v1/holds?status=open",
                       "/v1/holds?status=expired", "/v1/withdrawals?status=pending",
                       f"/v1/transactions?from={middle}", f"/v1/transactions?to={middle}",
                       f"/v1/withdrawals?from={middle}", "/v1/approvals?status=pending",
                       f"/v1/audit?to={middle}"):
            shown[target] = json.dumps(client.list(target + "&limit=41"))

    def replay(self, report, when):
        """Every key answers as the first time, byte for byte; operations of a batch that was not
        atomic say beside that they did so before."""
        wrong, again = [], []
        for secret, method, target, body, key, status, first in self.kept:
            with self.client(secret) as client:
                answer = client.request(method, target, body, {"Idempotency-Key": key})
            again.append((answer.status, answer.body, answer.replayed, key))
            told = answer.body.replace(b',"replayed":true', b"")
            if (answer.status, told) != (status, first) or \
                    not answer.replayed and told == answer.body:
                wrong.append(f"{method} {target} {key}\n{status} {first}\n{answer!r}")
        report.check(f"{when}: all {len(self.kept)} keys answer again", not wrong,
                     "\n".join(wrong[:3]))
        other = [f"{one[3]}\n{one[:3]}\n{two[:3]}" for one, two in zip(self.again, again)
                 if one != two]
        report.check(f"{when}: and as the time before", not other, "\n".join(other[:3]))
        self.again = again


def compare(report, when, before, after):
    differ = [name for name in before if before[name] != after.get(name)]
    report.check(f"{when}: {len(before)} answers are the same", not differ and
                 before.keys() == after.keys(),
                 lambda: "\n".join(f"{name}\n{before[name][:1500]}\n{after.get(name, '')[:1500]}"
                                   for name in differ[:3]))


class Life(run.World):
    """The model's random life, on a server whose books can be moved."""
    def __init__(self, seed, binary):
        super().__init__(seed, binary)
        self.server = Server(florin=binary, config=self.server.config)

    def go_on(self, steps):
        for _ in range(steps):
            self.let_expire()
            self.generator.short_holds = time.monotonic() > self.next_wait
            request = self.generator.next()
            if request.operation == "list":
                self.ask_list(request)
            else:
                self.ask(request)
            if request.operation == "approve":
                self.learn_settled()

    def stop(self):
        for client in self.clients:
            client.close()
        return self.server.stop()

    def wake(self):
        self.server.start()
        self.connect()
        self.let_expire()
        self.compare_everything()


def move(server, target, before=None):
    """The command, to its end. `before` runs in its process first."""
    return subprocess.run([server.florin, *server.move_words(target)], capture_output=True,
                          text=True, timeout=240.0, cwd=server.home, check=False,
                          preexec_fn=before)


def launch(server, target):
    """The command, running."""
    return subprocess.Popen([server.florin, *server.move_words(target)], cwd=server.home,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
