#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Webhooks through real HTTP receivers: every change of every wallet in order, signed, whatever a
receiver does and whoever is killed; what people see of it and decide."""

import contextlib
import json
import os
import re
import ssl
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "webhooks", "story", "crash")]

import florin  # noqa: E402
import payments  # noqa: E402
import receiver as receivers  # noqa: E402
import schema  # noqa: E402
from client import Unreachable  # noqa: E402
from forge import Forger  # noqa: E402
from receiver import Receiver, orders_problem  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

florin.filter_calls()
BINARY = florin.binary()
VERIFY = receivers.documented_check()
OLD = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xk"
NEW = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def endpoint(to, name="shop", **more):
    return {"name": name, "url": to if isinstance(to, str) else to.url, "retry_seconds": 1, **more}


class World(payments.Payments):
    """A server that tells receivers; what each wallet has seen."""
    def __init__(self, *endpoints, settings=None, start=True):
        names = [one["name"].upper().replace("-", "_") for one in endpoints]
        super().__init__(florin.Server(
            BINARY, config={"webhooks": list(endpoints), **(settings or {})},
            environment={f"FLORIN_WEBHOOK_SECRET_{name}": OLD for name in names}))
        if start:
            self.begin()

    def begin(self, shop="corner"):
        super().begin(shop)

    def state(self, name="shop"):
        items = self.ask("GET", "/v1/webhooks")["items"]
        return next(item for item in items if item["name"] == name)

    def wait_for_state(self, state, name="shop", seconds=60):
        return within(seconds, lambda: self.state(name)["state"] == state) or \
            f"{self.state(name)}\n{self.server.log()[-2000:]}"

    def decide(self, verb, name="shop", key=None, **body):
        return self.ask("POST", f"/v1/webhooks/{name}/{verb}", {"reason": "a test", **body},
                        key=key)

    def metric(self, name):
        text = self.ask("GET", "/metrics").body.decode()
        found = re.search(rf"^florin_{re.escape(name)} (\d+)$", text, re.MULTILINE)
        return int(found.group(1)) if found else None

    def end(self, report, *listeners):
        report.equal("it ends cleanly", self.server.stop(), 0, self.server.log()[-1500:])
        report.equal("without trouble", self.server.trouble(), [])
        for one in listeners:
            one.close()


def complete(report, name, world, one, repeats=False):
    report.check(f"{name}: all arrives", one.has_all(world.versions),
                 lambda: f"{world.versions}\n{one.per_wallet()}\n{world.state()}")
    report.equal(f"{name}: in order and dense", orders_problem(one, world.versions, repeats), None)


# ---- what is told -------------------------------------------------------------------------------

def every_kind(report):
    one = Receiver()
    world = World(endpoint(one))
    world.deposit(1000)
    world.deposit(5, headers={"traceparent": PARENT, "tracestate": "a=1, b@c=2"})
    _, other = world.of_each_kind()
    world.ask("PATCH", f"/v1/wallets/{other}", {"status": "frozen"})
    world.touched(other)
    complete(report, "every kind", world, one)
    with open(os.path.join(TESTS, "..", "docs", "schemas", "event.json"), encoding="utf-8") as file:
        wanted = json.load(file)
    for told in one.taken:
        report.equal("schema", schema.Description(wanted).misfit(wanted, told.event), [])
        report.check("signature", VERIFY(OLD, told.headers, told.body), told.headers)
        report.check("another's secret", not VERIFY(NEW, told.headers, told.body))
        report.check("another body", not VERIFY(OLD, told.headers, told.body + b" "))
        report.equal("it is named by its event", told.id, told.event["id"])
        report.equal("content type", told.headers["content-type"], "application/cloudevents+json")
        report.check("no Expect", "expect" not in told.headers)
    report.equal("each has a name of its own", len({told.id for told in one.taken}),
                 len(one.taken))
    traced = [told for told in one.taken if "traceparent" in told.headers]
    report.equal("trace", [(told.headers["traceparent"], told.headers.get("tracestate"))
                           for told in traced], [(PARENT, "a=1, b@c=2")])
    report.equal("where it belongs", traced[0].sequence, 3)
    shown = within(120, lambda: world.state()["waiting"] == 0 and
                   world.state()["position"] > 0 and world.state())
    report.equal("it is shown", (shown["url"], shown["state"], shown["lag_seconds"]),
                 (one.url, "delivering", 0), shown)
    report.check("metrics", within(120, lambda: world.metric(
        'webhook_requests_total{webhook="shop",result="delivered"}') == len(one.taken)),
        lambda: world.ask("GET", "/metrics").body.decode())
    ready = world.ask("GET", "/readyz").json
    report.check("it is a dependency", {"name": "webhooks", "status": "ok"} in
                 ready["dependencies"], ready)
    world.end(report, one)


def filters(report):
    everything, holds, anns, merchants = Receiver(), Receiver(), Receiver(), Receiver()
    world = World(endpoint(everything), endpoint(holds, "holds", events=["florin.hold.*"]),
                  endpoint(anns, "anns", owners=["ann", "nobody"]),
                  endpoint(merchants, "merchants", wallet_kind="merchant",
                           events=["florin.transaction.purchase", "florin.wallet.opened"]))
    world.deposit(100)
    world.purchase(10)
    hold = world.post("/v1/holds", {"wallet": world.payer, "merchant": world.shop, "amount": 5})
    world.touched(world.payer)
    world.post(f"/v1/holds/{hold['id']}/void", {})
    world.touched(world.payer)
    complete(report, "filters", world, everything)
    expected = {
        "holds": (holds, lambda e: e["type"].startswith("florin.hold.")),
        "owners": (anns, lambda e: e["subject"] == world.payer),
        "kinds": (merchants, lambda e: e["subject"] == world.shop and e["type"] in (
            "florin.transaction.purchase", "florin.wallet.opened"))}
    for name, (one, fits) in expected.items():
        wanted = sorted(told.id for told in everything.taken if fits(told.event))
        within(120, lambda: len(one.taken) >= len(wanted))  # pylint: disable=cell-var-from-loop
        report.check(f"{name}: something is told", len(wanted) >= 2, wanted)
        report.equal(f"{name}: what fits and no more", sorted(told.id for told in one.taken),
                     wanted)
    last = max(int(told.id[:-1]) for told in everything.taken)
    report.check("places pass what is not for them", within(120, lambda: all(
        item["position"] > last for item in world.ask("GET", "/v1/webhooks")["items"])),
                 lambda: world.ask("GET", "/v1/webhooks").body)
    world.end(report, everything, holds, anns, merchants)


# ---- receivers with moods -----------------------------------------------------------------------

MOODS = {"broken": (500, "answered with 500"), "hanging": ("hang", "no answer within 300 ms"),
         "closing": ("close", ""), "moving": ("redirect", "redirections are not followed"),
         "refusing": (403, "answered with 403"),
         "busy": ((503, [("Retry-After", "1")]), "answered with 503")}


def moods(report):
    """The first requests are answered badly; whoever is well hears everything meanwhile."""
    well = Receiver(lambda told, number: "huge" if number % 5 == 1 else 204)
    ill = {name: Receiver(lambda told, number, mood=mood: mood if number < 4 else 204)
           for name, (mood, _) in MOODS.items()}
    # By its name, which somebody has to look up.
    named = well.url.replace("127.0.0.1", "localhost")
    world = World(endpoint(named), *(endpoint(one, name, timeout_ms=300)
                                    for name, one in ill.items()))
    world.deposit(100)
    for _ in range(5):
        world.purchase()
    complete(report, "beside the ill", world, well)
    for name, one in ill.items():
        complete(report, name, world, one)
        shown = world.state(name)
        report.check(f"{name}: why", MOODS[name][1] in shown.get("last_error", "-"), shown)
        report.check(f"{name}: taken again", within(
            30, lambda: world.state(name)["state"] == "delivering"),  # noqa: B023
                     lambda: world.state(name))  # pylint: disable=cell-var-from-loop
        times = [int(told.headers["webhook-timestamp"]) for told in one.asked]
        report.equal(f"{name}: each attempt has its time", times, sorted(times))
        report.equal(f"{name}: nobody was sent elsewhere", one.strangers, [])
    report.check("it says so", "did not take the event" in world.server.log())
    world.end(report, well, *ill.values())


def slow(report):
    """Several at once, but never two of one wallet; and never more than are allowed."""
    together, inside = [], set()

    def mood(told, number):
        if told.wallet in inside:
            together.append(told.wallet)
        inside.add(told.wallet)
        time.sleep(0.02)
        inside.discard(told.wallet)
        return 200
    one = Receiver(mood)
    world = World(endpoint(one, connections=3))
    wallets = [world.open(f"w{number}", "customer") for number in range(6)]
    for _ in range(5):
        for wallet in wallets:
            world.deposit(1, wallet)
    complete(report, "slow", world, one)
    report.equal("never two of a wallet", together, [])
    report.check("at most three at once", 1 < one.most_at_once <= 3, one.most_at_once)
    world.end(report, one)


def dead(report):
    """Nobody listens: payments go on, and later everything is told."""
    port = florin.free_port()
    well = Receiver()
    world = World(endpoint(f"http://127.0.0.1:{port}/told"), endpoint(well, "well"))
    world.deposit(1000)
    for _ in range(20):
        world.purchase()
    report.check("dead: the other hears it", well.has_all(world.versions))
    report.equal("dead: it is retried", world.wait_for_state("retrying"), True)
    ready = world.ask("GET", "/readyz")
    report.equal("dead: the server stays ready", ready.status, 200)
    report.check("dead: and tells", {"name": "webhooks", "status": "retrying"} in
                 ready["dependencies"], ready)
    world.server.crash()
    one = Receiver(port=port)
    complete(report, "dead", world, one)
    world.end(report, one, well)


def killed(report):
    """kill -9 when an event was answered, before the books know: it comes again, none is lost."""
    world = World(start=False)
    last = {}

    def mood(told, number):
        if number in (3, 9):
            world.server.process.kill()
            last[number] = told.id
        return 200
    one = Receiver(mood)
    world.server.config["webhooks"] = [endpoint(one)]
    world.server.environment["FLORIN_WEBHOOK_SECRET_SHOP"] = OLD
    world.begin()
    paid = 0

    def alive():
        for _ in range(3):  # it may also die before it is ready
            if world.server.process is not None and world.server.process.poll() is None:
                return
            with contextlib.suppress(florin.NotStarted):
                world.server.start()

    def pay():
        """The same deposit until it is answered; one that was booked is refused."""
        try:
            return world.ask("POST", "/v1/deposits", {
                "wallet": world.payer, "amount": 10, "bank_transaction_id": f"K{paid}"}).status
        except Unreachable:
            alive()
            return None
    for paid in range(10):
        report.check("killed: a deposit is booked", within(60, pay) in (201, 409))

    def told():
        alive()
        return len(last) == 2 and one.has_all({world.payer: 11, world.shop: 1}, 0.1)
    report.check("killed: all is told", within(60, told), one.per_wallet)
    alive()
    world.versions = {world.payer: 11, world.shop: 1}
    complete(report, "killed", world, one, repeats=True)
    names = [told.id for told in one.asked]
    report.check("killed: what was answered last came again",
                 any(names.count(name) > 1 for name in last.values()), last)
    world.end(report, one)


# ---- what people decide -------------------------------------------------------------------------

def gone(report):
    answers = {"status": 410}
    one = Receiver(lambda told, number: answers["status"])
    world = World(endpoint(one))
    world.deposit(5)
    report.equal("gone: it is", world.wait_for_state("gone"), True)
    report.check("gone: an alarm", "has answered 410" in world.server.log())
    report.equal("gone: for monitors", world.metric('webhook_stopped{webhook="shop"}'), 1)
    report.equal("gone: but ready", world.ask("GET", "/readyz").status, 200)
    world.server.restart()
    asked = len(one.asked)
    world.deposit(6)
    report.equal("gone: after a restart too", world.wait_for_state("gone"), True)
    report.equal("gone: nobody is asked", len(one.asked), asked)
    answers["status"] = 204
    resumed = world.decide("resume")
    report.equal("gone: resumed", resumed.status, 200, resumed)
    complete(report, "gone", world, one, repeats=True)
    doors = within(120, lambda: world.ask("GET", "/v1/audit?operation=resumeWebhook")["items"])
    audit = world.ask("GET", "/v1/audit?limit=200")["items"]
    report.equal("gone: who it was", [entry["outcome"] for entry in doors], ["ok"], audit)
    report.check("gone: with the reason", any(entry.get("request_id") == "a test"
                                              for entry in audit), audit)
    report.equal("no such endpoint", world.decide("resume", "none").code, "not_found")
    world.end(report, one)


def decided(report):
    """Whoever delivers moves the place all the time; who decides is not told to come back."""
    one, over = Receiver(), threading.Event()
    world = World(endpoint(one))

    def pay():
        while not over.is_set():
            world.deposit(1)
    payer = threading.Thread(target=pay)
    payer.start()
    answers = [world.decide("resume") for _ in range(100)]
    over.set()
    payer.join()
    report.equal("decided: each time", [repr(answer) for answer in answers
                                           if answer.status != 200][:3], [])
    complete(report, "decided", world, one, repeats=True)
    world.end(report, one)


def poisoned(report):
    """One event is refused for ever: its wallet waits, others go on; a person gives it up."""
    poison = {}

    def mood(told, number):
        if told.event["type"] == "florin.transaction.deposit" and \
                told.event["data"]["transaction"]["amount"] == 666:
            poison["id"] = told.id
            return 400
        return 200
    one = Receiver(mood)
    world = World(endpoint(one, failing_after_seconds=1))
    other = world.open("bob", "customer")
    world.deposit(1)
    world.deposit(666)
    world.deposit(2)
    for _ in range(10):
        world.deposit(3, other)
    report.check("poison: others go on", one.has_all({other: world.versions[other]}))
    report.equal("poison: their order", orders_problem(one, {other: world.versions[other]}), None)
    report.equal("poison: its wallet waits", one.per_wallet()[world.payer], [1, 2])
    report.equal("poison: it fails", world.wait_for_state("failing"), True)
    report.check("poison: an alarm", "has not taken the event" in world.server.log())
    report.equal("poison: for monitors", world.metric('webhook_stopped{webhook="shop"}'), 1)
    shown = world.state()
    report.equal("poison: which it is", shown["oldest_event"], poison["id"], shown)
    wrong = world.decide("skip", event="1d")
    report.check("poison: another is not skipped", wrong.status == 400 and
                 poison["id"] in wrong.json["errors"][0]["detail"], wrong)
    people = {"FLORIN_URL": f"http://127.0.0.1:{world.server.port}", "FLORIN_KEY": world.key}
    said = world.server.command_line("webhooks", "skip", "shop", poison["id"],
                                     "they cannot read it", environment=people)
    report.equal("poison: florin webhooks skip", said.returncode, 0, said)
    report.check("poison: its wallet goes on", one.has_all({world.payer: 4}))
    report.equal("poison: it is skipped no more", world.decide("skip", event=poison["id"]).status,
                 400)
    report.equal("poison: without it", list(dict.fromkeys(one.per_wallet()[world.payer])),
                 [1, 2, 4])
    listed = world.server.command_line("webhooks", "list", environment=people)
    report.check("florin webhooks list", listed.returncode == 0 and "shop" in listed.stdout and
                 one.url in listed.stdout, listed)
    world.end(report, one)


def again(report):
    one = Receiver()
    world = World(endpoint(one))
    world.deposit(5)
    complete(report, "again", world, one)
    time.sleep(0.01)
    middle = world.deposit(7)["created_at"]
    world.deposit(8)
    complete(report, "again", world, one)
    # A reason is kept where records have a request's id: so short, and so plain.
    for name, reason in (("too long", "x" * 65), ("not plain", "größer")):
        said = world.decide("pause", reason=reason)
        report.check(f"again: a reason that is {name}",
                     said.status == 400 and "/reason" in said.body.decode(), said)
    report.equal("again: the longest reason",
                 world.decide("pause", "nobody", reason="x" * 64).status, 404)
    report.equal("again: paused", world.decide("pause").status, 200)
    report.equal("again: it is", world.wait_for_state("paused"), True)
    world.deposit(9)
    before = len(one.taken)
    said = world.decide("replay", **{"from": "yesterday"})
    report.check("again: from when", said.status == 400 and "/from" in said.body.decode(), said)
    report.equal("again: still paused", len(one.taken), before)
    report.equal("again: replay", world.decide("replay", **{"from": middle}).status, 200)
    report.check("again: all since then", one.has_all(world.versions))
    told = [told.sequence for told in one.taken[before:] if told.wallet == world.payer]
    report.equal("again: from there on", told, [3, 4, 5])
    whole = len(one.taken)
    report.equal("again: from the beginning", world.decide("replay", **{
        "from": "2000-01-01"}).status, 200)
    report.check("again: all", within(60, lambda: len(one.taken) >= whole + 6),
                 lambda: one.per_wallet())
    report.equal("again: the same events", sorted({told.id for told in one.taken[whole:]}),
                 sorted({told.id for told in one.taken[:whole]}))
    decided_again(report, world, one)
    with world.server.client(world.server.key("service")["secret"]) as service:
        report.equal("a service looks at nothing", service.get("/v1/webhooks").status, 403)
    with world.server.client(world.server.key("auditor")["secret"]) as auditor:
        report.equal("an auditor looks", auditor.get("/v1/webhooks").status, 200)
        report.equal("and decides nothing", auditor.post(
            "/v1/webhooks/shop/resume", {"reason": "x"}).status, 403)
    world.end(report, one)


def decided_again(report, world, one):
    """Who is not sure that his decision was heard sends it again under its key."""
    past = {"from": "2000-01-01"}
    before, events = len(one.taken), {told.id for told in one.taken}
    first = world.decide("replay", key="once", **past)
    report.equal("decided again: the first time", (first.status, first.replayed), (200, False))
    report.check("decided again: all is told", within(
        120, lambda: {told.id for told in one.taken[before:]} == events), world.state)
    world.deposit(11)
    complete(report, "decided again", world, one, repeats=True)
    told = len(one.taken)
    again = world.decide("replay", key="once", **past)
    report.equal("decided again: it is heard", (again.status, again.replayed), (200, True))
    report.equal("decided again: something else under the key", [
        world.decide(verb, key="once", **body).code for verb, body in (
            ("replay", {"from": "2001-01-01"}), ("replay", {**past, "reason": "another"}),
            ("pause", {}))], ["idempotency_key_reused"] * 3)
    world.deposit(12)
    complete(report, "decided again: what is new", world, one, repeats=True)
    report.check("decided again: and nothing from the beginning",
                 one.taken[0].id not in {again.id for again in one.taken[told:]})
    report.equal("decided again: paused", world.decide("pause", key="a pause").status, 200)
    report.equal("decided again: and not again behind a resume", [
        (said.status, said.replayed) for said in (
            world.decide("resume", key="a resume"), world.decide("pause", key="a pause"))],
        [(200, False), (200, True)])
    report.equal("decided again: it is told on", world.wait_for_state("delivering"), True)
    world.server.stop()
    world.server.start()
    report.equal("decided again: also behind a restart",
                 world.decide("replay", key="once", **past).replayed, True)


def beginning(report):
    """A new endpoint is told what is new, or all that ever was; one that was there goes on."""
    one, late, whole = Receiver(), Receiver(), Receiver()
    world = World(endpoint(one))
    world.deposit(5)
    complete(report, "beginning", world, one)
    world.server.stop()
    for name in ("LATE", "WHOLE"):
        world.server.environment[f"FLORIN_WEBHOOK_SECRET_{name}"] = OLD
    world.server.config["webhooks"] += [endpoint(late, "late"),
                                        endpoint(whole, "whole", **{"from": "beginning"})]
    world.server.start()
    world.deposit(6)
    complete(report, "one that was there", world, one)
    complete(report, "from the beginning", world, whole)
    report.check("one that is new", late.has_all({world.payer: 3}))
    report.equal("is told what is new", late.per_wallet(), {world.payer: [3]})
    world.end(report, one, late, whole)


def alarm(report):
    """That the books differ is told to whoever is told about the books, and what becomes of it."""
    one, owners = Receiver(), Receiver()
    world = World(endpoint(one, events=["florin.integrity.*", "florin.wallet.opened"]),
                  endpoint(owners, "owners", owners=["ann"]),
                  settings={"alarm_stops_payments": 1, "recount_mib_per_s": 0})
    world.deposit(90210)
    Forger(world.server.data).damage_number(90210)
    full = world.ask("GET", "/check-integrity?depth=full")
    report.equal("alarm: the books differ", full["consistent"], False, full)
    report.check("alarm: told", within(60, lambda: any(
        told.event["type"] == "florin.integrity.differs" for told in one.taken)), one.per_wallet)
    report.equal("alarm: somebody decides", world.ask("POST", "/check-integrity/resume",
                                                      {}).status, 200)
    report.check("alarm: and its end", within(60, lambda: any(
        told.event["type"] == "florin.integrity.payments_resumed" for told in one.taken)))
    alarms = [told for told in one.taken if told.wallet == "books"]
    report.equal("alarm: what it says", alarms[0].event["data"]["message"], full["message"])
    report.check("alarm: signed", all(VERIFY(OLD, told.headers, told.body) for told in alarms))
    report.check("alarm: an owner's endpoint hears nothing of it", all(
        told.wallet == world.payer for told in owners.taken))
    world.server.kill()
    for listener in (one, owners):
        listener.close()


# ---- secrets and TLS ----------------------------------------------------------------------------

def rotation(report):
    one = Receiver()
    folder = florin.folder()
    path = os.path.join(folder, "shop.secret")

    def write(*secrets):
        with open(path + ".new", "w", encoding="utf-8", opener=lambda name, flags: os.open(
                name, flags, 0o600)) as file:
            file.write("\n".join(secrets) + "\n")
        os.rename(path + ".new", path)
    write(OLD)
    world = World(endpoint(one, secret_file=path))
    world.server.environment.clear()

    def knows(*secrets):
        """The next event is signed with these and no others."""
        def signed():
            world.deposit(1)
            one.has_all(world.versions)
            told = one.taken[-1]
            return len(told.headers["webhook-signature"].split()) == len(secrets) and \
                all(VERIFY(secret, told.headers, told.body) for secret in secrets)
        return within(120, signed)
    report.check("rotation: the old one", knows(OLD))
    write(OLD, NEW)
    report.check("rotation: both", knows(OLD, NEW))
    write("not a secret")
    report.check("rotation: those of before stay", within(
        20, lambda: "the secrets of before stay" in world.server.log()) and knows(OLD, NEW))
    write(NEW)
    report.check("rotation: the new one", knows(NEW))
    complete(report, "rotation", world, one)
    shown = world.ask("GET", "/v1/webhooks").body + world.ask("GET", "/metrics").body + \
        world.ask("GET", "/v1/audit?limit=1000").body + world.server.log().encode()
    report.check("no secret is shown", all(secret[6:30].encode() not in shown
                                           for secret in (OLD, NEW)))
    world.end(report, one)
    os.chmod(path, 0o644)
    said = world.server.refused() or (None, "it runs")
    report.check("rotation: a file that others read", said[0] not in (0, None) and
                 "chmod 600" in said[1], said)


def encrypted(report):
    folder = florin.folder()
    ours = receivers.certificate(folder, "ours")
    theirs = receivers.certificate(folder, "theirs")
    good = Receiver(tls=receivers.tls_context(receivers.certificate(
        folder, "good", authority=ours)))
    unknown = Receiver(tls=receivers.tls_context(receivers.certificate(
        folder, "unknown", authority=theirs)))
    elsewhere = Receiver(tls=receivers.tls_context(receivers.certificate(
        folder, "elsewhere", "127.0.0.2", ours)))
    ancient = Receiver(tls=receivers.tls_context(receivers.certificate(
        folder, "ancient", authority=ours), ssl.TLSVersion.TLSv1_1))
    bad = {"unknown": unknown, "elsewhere": elsewhere, "ancient": ancient}
    world = World(endpoint(good, ca_file=ours[1]),
                  *(endpoint(one, name, ca_file=ours[1]) for name, one in bad.items()))
    world.deposit(5)
    complete(report, "TLS", world, good)
    for name in bad:
        report.equal(f"TLS: {name}", world.wait_for_state("retrying", name), True)
        report.check(f"TLS: {name}: nothing is told", not bad[name].asked)
        report.check(f"TLS: {name}: why", world.state(name).get("last_error"), world.state(name))
    report.check("TLS: it counts as unreachable", world.metric(
        'webhook_requests_total{webhook="unknown",result="unreachable"}') > 0)
    world.end(report, good, *bad.values())


WRONG = [
    ({"webhooks": {}}, "must be an array of endpoints"),
    ({"webhooks": [{}]}, "needs name and url"),
    ({"webhooks": [{"name": "A b", "url": "https://x.example/"}]}, "must be 1 to 32 of a to z"),
    ({"webhooks": [{"name": "a", "url": "http://x.example/"}]}, "allow_http"),
    ({"webhooks": [{"name": "a", "url": "ftp://127.0.0.1/"}]}, "must be an https:// address"),
    ({"webhooks": [{"name": "a", "url": "https://u:p@x.example/"}]}, "without a user"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/", "secret": OLD}]}, "secret_file"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/", "events": ["florin.holds"]}]},
     "types of events"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/", "timeout_ms": 5}]},
     "from 100 to 60000"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/", "color": 1}]}, "knows only name"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/"}] * 2}, "the name of an earlier one"),
    ({"webhooks": [{"name": "a-b", "url": "https://x.example/"}]}, "FLORIN_WEBHOOK_SECRET_A_B"),
    ({"webhooks": [{"name": "a", "url": "https://x.example/", "secret_file": "/gone"}]},
     "webhooks: the secret of a: /gone cannot be read"),
]


def configuration(report):
    for wrong, expected in WRONG:
        server = florin.Server(BINARY, config=wrong)
        status, said = server.refused() or (0, "it runs")
        report.check(f"refused: {expected}", status != 0 and expected in said, said)
        report.check("and shows no secret", OLD[6:] not in said, said)
    server = florin.Server(BINARY, config={"webhooks": [
        {"name": "a", "url": "http://x.example/?token=quiet", "allow_http": True}]},
        environment={"FLORIN_WEBHOOK_SECRET_A": OLD})
    server.start()
    with server.client() as client:
        report.equal("what may be", client.get("/v1/webhooks")["items"][0]["url"],
                     "http://x.example/")
    report.equal("it ends", server.stop(), 0)


def main():
    report = Report("webhooks")
    for name in (every_kind, filters, moods, slow, dead, killed, gone, decided, poisoned, again,
                 beginning, alarm, rotation, encrypted, configuration):
        if len(sys.argv) < 2 or name.__name__ in sys.argv[1:]:
            report.run(name.__name__, name)
    report.finish()


if __name__ == "__main__":
    main()
