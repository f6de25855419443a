# SPDX-License-Identifier: MIT
"""Random lives under random rules, on a real server and on the naive ledger with the naive rules:
every answer, every wallet and every finding must be the same, over decisions of people, findings
that nobody comes for, retries, batches, jumps of time, restarts and kill -9."""

import json
import random
import time
import traceback

import florin
import rules
from naive import Refusal, time_text
from report import Report
from review import PAYMENTS, ReviewedLedger
from wait import within

POOL = [
    ("large", ["hold", "flag"], {"amount": 800}, {"operations": ["transfer", "purchase"]}),
    ("too-large", ["refuse"], {"amount": 985}, {}),
    ("large-in", ["flag", "refuse"], {"amount": 940}, {"operations": ["deposit"]}),
    ("often", ["flag", "hold"], {"count_in_hour": 5}, {"operations": ["withdrawal", "hold"]}),
    ("much-today", ["hold", "flag"], {"sum_in_day": 4000}, {}),
    ("busy-week", ["flag"], {"count_in_week": 25}, {"wallet_kind": "customer"}),
    ("unlike-him", ["flag", "hold"], {"percent_of_mean": 220, "payments_before": 4}, {}),
    ("far-off", ["refuse", "flag"], {"deviations_above_mean": 3, "payments_before": 3}, {}),
    ("first-out", ["flag", "hold"], {"first_withdrawal": True, "seconds_since_deposit": 3600},
     {"operations": ["withdrawal"]}),
    ("stranger", ["flag", "hold"], {"new_counterparty": True, "amount": 250}, {}),
    ("emptied", ["hold", "refuse"], {"percent_of_available": 96}, {"wallet_kind": "customer"}),
    ("back-again", ["flag", "hold"], {"days_of_silence": 1}, {}),
    ("gives-back", ["hold", "flag"], {"percent_of_sales": 35}, {"operations": ["refund"]}),
    ("in-shadow", ["hold"], {"amount": 1}, {"shadow": True}),
]
JUMPS_S = (420, 3000, 4 * 3600, 9 * 3600, 30 * 3600, 3 * 86400)

# What has to have happened in the lives of a suite.
EVERYTHING = ("made", "held", "refused_by_rule", "approved", "refused", "rejected", "expired",
              "dismissed", "batch done", "batch held_for_review", "batch with one that waited",
              "insufficient_funds")


class Different(Exception):
    """The server and the naive ledger disagree."""


class World:
    def __init__(self, seed, server, clock, expires_in):
        self.seed, self.random = seed, random.Random(seed)
        self.server, self.clock = server, clock  # no clock: time only passes
        self.rules = self.draw_rules()
        server.config = {**(server.config or {}), "rules": {
            "file": rules.written(self.rules), "expires_in": expires_in}}
        self.count = 0
        self.ledger = ReviewedLedger(self.make_id, self.rules, expires_in)
        self.ids = {}  # ours -> the server's
        self.kept = []  # requests with a key: (path, body, key, answer, ours)
        self.made, self.waited = [], []  # the same as the ledger has them: (operation, fields, key)
        self.steps = 0
        self.seen = {}

    def make_id(self, kind, _):
        self.count += 1
        return f"{kind}_m{self.count}"

    def draw_rules(self):
        chosen = self.random.sample(POOL, self.random.randint(6, 10))
        return [rules.rule(name, self.random.choice(actions), **when, **more,
                           score=self.random.choice([20, 50, 50, 80]))
                for name, actions, when, more in chosen]

    # Connecting, and time.

    def connect(self):
        self.admin = self.server.client(timeout=60)
        self.service = self.server.client(self.secret, timeout=60)

    def begin(self):
        self.server.start()
        self.secret = self.server.key("service")["secret"]
        self.connect()
        for number in range(7):
            kind = "merchant" if number < 2 else "customer"
            fields = {"owner": f"owner-{number}", "currency": "EUR" if number == 6 else "USD",
                      "kind": kind}
            made = self.admin.post("/v1/wallets", fields)
            _, body, _ = self.ledger.execute("wallet", {
                **fields, "credit_limit": 0, "tier": 0, "metadata": None}, "admin")
            self.learn(body["id"], made["id"])

    def now(self):
        return time.time_ns() // 1_000_000 + (self.clock.moved // 1_000_000 if self.clock else 0)

    def learn(self, ours, theirs):
        self.ids[ours] = theirs

    def jump(self):
        """Hours go by, or seconds until nobody waits any more; what is over ends by itself."""
        if self.clock:
            self.clock.go_to(self.now() / 1000 + self.random.choice(JUMPS_S))
        else:
            waiting = [one["expires_at"] for one in self.ledger.anomalies.values()
                       if one["status"] == "pending" and one["action"] == "hold"]
            time.sleep(max(0, max(waiting, default=0) + 50 - self.now()) / 1000)
        self.end_overdue()

    def end_overdue(self):
        for one in self.ledger.end_overdue(self.now()):
            path = f"/v1/anomalies/{self.ids[one['id']]}"
            if not within(60, lambda: self.admin.get(path)["status"] == "expired"):
                raise Different(f"{path} does not end: {self.admin.get(path)!r}")
            self.seen["expired"] = self.seen.get("expired", 0) + 1

    def not_on_the_edge(self):
        """Nothing is asked while a payment is about to be let go by itself."""
        for one in self.ledger.anomalies.values():
            left = one["expires_at"] - self.now()
            if one["status"] == "pending" and one["action"] == "hold" and left < 1500:
                time.sleep(max(0, left + 50) / 1000)
        self.end_overdue()

    # One request on both sides.

    def fields(self, operation):
        dice, wallets = self.random, list(self.ledger.wallets)
        wallets = wallets if dice.random() < 0.08 else wallets[:-1]  # mostly of one currency
        amount = dice.choice([1, 20, 90, 90, 100, 110, 260, 500, 810, 990, dice.randint(1, 1000)])
        notes = {"reference": None, "metadata": None, "currency": None}
        if operation == "deposit":
            self.count += 1
            return {"wallet": dice.choice(wallets), "amount": amount if dice.random() < 0.3 else
                    dice.randint(300, 930), "bank_transaction_id": f"bank-{self.count}", **notes}
        if operation == "withdrawal":
            self.count += 1
            return {"wallet": dice.choice(wallets), "amount": amount, "bank_transaction_id":
                    dice.choice([None, f"bank-{self.count}"]), **notes}
        if operation == "transfer":
            return {"from": dice.choice(wallets), "to": dice.choice(wallets), "amount": amount,
                    **notes}
        if operation == "refund":
            purchases = [one["id"] for one in self.ledger.transactions.values()
                         if one["type"] == "purchase"] or ["txn_m0"]
            return {"purchase": dice.choice(purchases[-12:]), "amount": min(amount, 120),
                    "reason": None, **notes}
        if operation == "capture":
            holds = list(self.ledger.holds) or ["hold_m0"]
            return {"hold": dice.choice(holds[-6:]), "amount": None, "final": True,
                    "currency": None}
        fields = {"wallet": dice.choice(wallets[2:]), "merchant": dice.choice(wallets[:2]),
                  "amount": amount, "order": None, **notes}
        return {**fields, "expires_in": 31_000_000} if operation == "hold" else fields

    def translated(self, fields):
        missing = "_01h455vb4pex5vsknk084sn02q"
        return {name: self.ids.get(value, value.split("_")[0] + missing)
                if isinstance(value, str) and "_m" in value else value
                for name, value in fields.items() if value is not None}

    def pay(self):
        operation = self.random.choice([*PAYMENTS, "transfer", "purchase", "deposit", "capture"])
        fields = self.fields(operation)
        path, body = f"/v1/{operation}s", self.translated(fields)
        if operation == "capture":
            path, body = f"/v1/holds/{body.pop('hold')}/capture", body
        key = f"key-{self.steps}" if self.random.random() < 0.5 else None
        answer = self.service.post(path, body, key=key)
        self.time_of(answer)
        status, ours, _ = self.ledger.execute(operation, fields, "service", key)
        self.same(f"{operation} {json.dumps(body)}", answer, status, ours)
        if key and status < 300:
            self.kept.append((path, body, key, answer, ours["id"]))
            (self.waited if status == 202 else self.made).append((operation, fields, key))

    def time_of(self, answer):
        """The ledger's time is the server's, as far as it tells."""
        text = answer.get("created_at") if answer.status < 300 else None
        now = self.now() if text is None else rules_time(text)
        self.ledger.expire(max(now, self.ledger.now))

    def same(self, what, answer, status, ours):
        if (answer.status, answer.code) != (status, ours.get("code")):
            raise Different(f"{what}: expected {status} {ours}, got {answer!r:.600}")
        outcome = "held" if status == 202 else ours.get("code", "made")
        self.seen[outcome] = self.seen.get(outcome, 0) + 1
        if "rule" in ours and "code" in ours and answer["rule"] != ours["rule"]:
            raise Different(f"{what}: expected {ours['rule']}, got {answer!r:.600}")
        if status < 300:
            self.learn(ours["id"], answer["id"])
            for name in ("amount", "currency", "status"):
                if answer.get(name) != ours.get(name):
                    raise Different(f"{what}: expected {ours}, got {answer!r:.600}")

    def batch(self):
        names = [self.random.choice(["transfer", "purchase", "deposit", "withdrawal"])
                 for _ in range(self.random.randint(1, 4))]
        operations = [(name, self.fields(name), None) for name in names]
        waited = bool(self.waited) and self.random.random() < 0.2
        if waited:  # it was sent alone before, and had to wait
            operations.insert(0, self.random.choice(self.waited))
        elif self.made and self.random.random() < 0.3:  # it was sent alone, and was done
            operations.append(self.random.choice(self.made[-20:]))
        answer = self.service.post("/v1/batches", {"atomic": True, "operations": [
            {"type": name, **self.translated(fields), **({"idempotency_key": key} if key else {})}
            for name, fields, key in operations]})
        results = answer.get("results")
        if results:
            self.ledger.expire(max(rules_time(results[0]["created_at"]), self.ledger.now))
        else:
            self.time_of(answer)
        status, ours, _ = self.ledger.execute("batch", {"operations": operations}, "service")
        if (answer.status, answer.code, answer.get("operation"), answer.get("rule")) != (
                status, ours.get("code"), ours.get("operation"), ours.get("rule")):
            raise Different(f"batch {operations}: expected {status} {ours}, got {answer!r:.800}")
        for mine, theirs in zip(ours.get("results", []), results or []):
            self.learn(mine["id"], theirs["id"])
        word = "batch " + ours.get("code", "done")
        if waited:
            word = "batch with one that waited"
        self.seen[word] = self.seen.get(word, 0) + 1

    def decide(self):
        waiting = [one for one in self.ledger.anomalies.values() if one["status"] == "pending"]
        some = waiting if waiting and self.random.random() < 0.85 else \
            list(self.ledger.anomalies.values())
        if not some:
            return
        one = self.random.choice(some[-12:])
        verb = self.random.choice(["dismiss", "approve"] if one["action"] == "flag" else
                                  ["approve", "approve", "reject", "dismiss"])
        if verb == "approve" and self.random.random() < 0.3:
            self.freeze(one["wallet"])
        answer = self.admin.post(f"/v1/anomalies/{self.ids[one['id']]}/{verb}", {})
        self.ledger.expire(max(self.now(), self.ledger.now))
        if answer.status == 200 and answer.get("decided_at"):
            self.ledger.now = max(rules_time(answer["decided_at"]), self.ledger.now)
        try:
            self.ledger.decide(verb, one["id"], "admin")
            wanted = 200, None
        except Refusal as refusal:
            wanted = refusal.body["status"], refusal.code
        if (answer.status, answer.code) != wanted:
            raise Different(f"{verb} {one}: expected {wanted}, got {answer!r:.600}")
        one = self.ledger.anomalies[one["id"]]
        if answer.status == 200 and (answer["status"], (answer.get("refusal") or {}).get(
                "code")) != (one["status"], one.get("refusal")):
            raise Different(f"{verb}: expected {one}, got {answer!r:.600}")
        if answer.status == 200:
            self.seen[one["status"]] = self.seen.get(one["status"], 0) + 1
        made = answer.get("transaction") or answer.get("hold") or answer.get("withdrawal")
        if one["status"] == "approved" and made:
            things = {"txn": self.ledger.transactions, "hold": self.ledger.holds,
                      "wdl": self.ledger.withdrawals}[made.split("_")[0]]
            self.learn(list(things)[-1], made)

    def freeze(self, ours=None):
        """Somebody is stopped, or goes on; what waits for who is stopped is refused then."""
        stopped = [id_ for id_, one in self.ledger.wallets.items() if one["status"] == "frozen"]
        ours = ours or self.random.choice(stopped or list(self.ledger.wallets))
        frozen = self.ledger.wallets[ours]["status"] == "frozen"
        status = "active" if frozen else "frozen"
        answer = self.admin.patch(f"/v1/wallets/{self.ids[ours]}", {"status": status})
        self.ledger.expire(max(self.now(), self.ledger.now))
        self.ledger.execute("change", {"wallet": ours, "status": status, "credit_limit": None,
                                       "tier": None, "metadata": None}, "admin")
        if answer.status != 200:
            raise Different(f"{status}: {answer!r:.300}")

    def retry(self):
        if not self.kept:
            return
        path, body, key, first, ours = self.random.choice(self.kept[-20:])
        answer = self.service.post(path, body, key=key)
        held = self.ledger.anomalies.get(ours)
        if not answer.replayed or answer.status != first.status or (
                answer["status"] != held["status"] if held else answer.body != first.body):
            raise Different(f"a retry of {path}: {first!r:.400} was, {answer!r:.400} is; {held}")

    # Everything.

    def compare_everything(self):
        for ours, wallet in self.ledger.wallets.items():
            got = self.admin.get(f"/v1/wallets/{self.ids[ours]}")
            wanted = [wallet["balance"], wallet["held"], wallet["version"]]
            if [got["balance"], got["held"], got["version"]] != wanted:
                raise Different(f"{ours} ({self.ids[ours]}): expected {wanted}, got {got!r:.500}")
            proof = self.admin.get(f"/v1/wallets/{self.ids[ours]}/integrity")
            if proof.get("consistent") is not True or proof["held"] != wallet["held"]:
                raise Different(f"{ours} is not proved: {proof!r:.700}")
        found = self.admin.list("/v1/anomalies?limit=1000")[::-1]
        mine = list(self.ledger.anomalies.values())
        for one, got in zip(mine, found):
            self.learn(one["id"], got["id"])
            wanted = {name: one[name] for name in ("status", "action", "rule", "score", "amount",
                                                   "currency")}
            wanted["wallet"] = self.ids[one["wallet"]]
            if {name: got.get(name) for name in wanted} != wanted:
                raise Different(f"expected {wanted} of {time_text(one['created_at'])}, got {got}")
        if len(mine) != len(found):
            raise Different(f"expected {len(mine)} findings, got {len(found)}: "
                            f"{(mine[len(found):] or found[len(mine):])[:2]}")

    def step(self):
        self.steps += 1
        self.not_on_the_edge()
        dice = self.random.random()
        if dice < 0.70:
            self.pay()
        elif dice < 0.80:
            self.batch()
        elif dice < 0.92:
            self.compare_everything()  # ids of what was flagged are known then
            self.decide()
        elif dice < 0.95:
            self.retry()
        elif dice < 0.96:
            self.freeze()
        elif dice < (0.985 if self.clock else 0.965):
            self.jump()
        elif dice > 0.99:
            if self.random.random() < 0.7:
                self.server.crash()
            else:
                self.server.restart()
            self.connect()

    def live(self, steps, seen=None):
        """None, or what was different. The last life goes on, within bounds, until with what others
        have `seen` everything has happened."""
        try:
            self.begin()
            while self.steps < steps or (seen is not None and self.steps < 8 * steps and
                                         not set(EVERYTHING) <= {*seen, *self.seen}):
                self.step()
            self.compare_everything()
            problem = (florin.integrity_problem(self.admin.get("/check-integrity?depth=full")) or
                       florin.wallets_problem(self.admin))
            if problem:
                raise Different(problem)
            if self.server.stop() != 0:
                raise Different("exit status")
            verified = self.server.verify()
            if verified.returncode != 0:
                raise Different(f"florin verify: {verified.stdout}{verified.stderr}")
            return None
        except Exception as error:  # pylint: disable=broad-exception-caught
            return "\n".join([f"seed {self.seed}, step {self.steps}: {error}",
                              json.dumps(self.rules), traceback.format_exc()[-1500:],
                              *self.server.trouble()])
        finally:
            self.server.discard()


def rules_time(text):
    """Milliseconds of an API's time."""
    return int(time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
               ) * 1000 + int(text[20:23])


def live_many(suite, binary, seeds, steps, make_clock, expires_in):
    report, seen = Report(suite), {}
    for seed in seeds:
        clock = make_clock() if make_clock else None
        server = florin.Server(florin=binary, environment=clock.environment() if clock else None)
        world = World(seed, server, clock, expires_in)
        wrong = world.live(steps, seen if seed == seeds[-1] else None)
        report.check(f"seed {seed}", wrong is None, wrong)
        for word, count in world.seen.items():
            seen[word] = seen.get(word, 0) + count
        print(f"{suite}: seed {seed}: {world.steps} steps, {len(world.ledger.anomalies)} findings",
              flush=True)
    print(f"{suite}: {seen}", flush=True)
    for word in EVERYTHING:
        report.check(f"some are {word}", seen.get(word, 0) > 0, seen)
    report.finish()
