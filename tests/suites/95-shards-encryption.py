#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts with the books on two shards: an owner's data key is one row on one of them,
wherever his texts are, so what is destroyed is gone everywhere with one commit; it moves with his
slot and is never on both, also when the mover is killed; and a master key that is exchanged on one
shard alone is told."""

import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "encryption", "postgres")]

import florin  # noqa: E402
import sealed  # noqa: E402
import shards  # noqa: E402
import slots  # noqa: E402
from client import Unreachable  # noqa: E402
from proxy import Proxy, bind_of  # noqa: E402
from slots import patiently  # noqa: E402
from wait import within  # noqa: E402

BINARY = florin.binary()
SHARDS = shards.Shards(2)
LINES = [Proxy(one.socket) for one in SHARDS.clusters]
shards.serve_from(SHARDS)


def at_rest(server):
    """Dumps of both databases, with their bytes as bytes, and the server's log."""
    with open(server.log_path, "rb") as file:
        found = [file.read()]
    for one in SHARDS.clusters:
        dump = one.run("pg_dump", "-d", one.url(one.database_for(server.data)))
        assert "data_keys" in dump, "there is nothing at rest"
        found += [dump.encode()] + [bytes.fromhex(digits) for digits in re.findall(
            r"\\\\x((?:[0-9a-f]{2})+)", dump)]
    return b"\n".join(found)


def backup(server):
    """Both databases as backups of their files would have them."""
    copy = florin.Server(florin=BINARY, config=server.config)
    for one in SHARDS.clusters:
        new = f"backup_{os.path.basename(copy.home)[-8:]}"
        one.sql(f'CREATE DATABASE "{new}" TEMPLATE {one.database_for(server.data)}', "postgres")
        one.databases[copy.data] = new
    os.makedirs(copy.data, mode=0o700)
    return copy


class Town:
    """Customers and shops on both shards, each with an owner of his own."""
    def __init__(self, server):
        self.server, self.client, self.count = server, server.client(), 0
        self.owner = {}  # wallet -> its owner
        self.people = [[self.open(place) for _ in range(2)] for place in (0, 1)]
        self.shops = [self.open(place, "merchant") for place in (0, 1)]
        for wallet in sum(self.people, []):
            self.post("/v1/deposits", wallet=wallet, amount=9000,
                      bank_transaction_id=f"town-{wallet}")

    def open(self, place, kind="customer"):
        while True:
            self.count += 1
            owner = f"{kind}-{self.count}"
            made = self.client.post("/v1/wallets", {"owner": owner, "currency": "USD",
                                                    "kind": kind})
            if shards.slot_of(made["id"]) * 2 // 1024 == place:
                self.owner[made["id"]] = owner
                return made["id"]

    def post(self, path, key=None, **body):
        answer = patiently(lambda: self.client.post(path, body, key=key))
        assert answer.status in (200, 201, 202), (path, body, answer)
        return answer

    def get(self, path):
        return patiently(lambda: self.client.get(path)).json

    def transaction(self, identifier):
        return self.get(f"/v1/transactions/{identifier}")

    def destroy(self, wallet):
        return patiently(lambda: self.client.request(
            "DELETE", f"/v1/owners/{self.owner[wallet]}/data"))

    def living(self):
        """How many keys in use each shard has."""
        return [int(SHARDS.sql(place, "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL",
                               self.server.data)) for place in (0, 1)]


def free(what):
    return {"reference": sealed.text(what), "metadata": {"note": sealed.text(what + " too")}}


def texts_of(item):
    return {name: item[name] for name in ("reference", "metadata") if name in item}


def between(report, server, _):
    """Payments whose sides lie on two shards, with texts of the one who pays."""
    town = Town(server)
    asked = {}
    for place in (0, 1):
        one, two = town.people[place][0], town.people[1 - place][0]
        shop = town.shops[1 - place]
        paid = town.post("/v1/transfers", key=f"paid-{place}", **{
            "from": one, "to": two, "amount": 5, **free(f"transfer {place}")})
        asked[paid["id"]] = (free(f"transfer {place}"), (one, two))
        bought = town.post("/v1/purchases", wallet=one, merchant=shop, amount=70,
                           **free(f"purchase {place}"))
        asked[bought["id"]] = (free(f"purchase {place}"), (one, shop))
        back = town.post("/v1/refunds", purchase=bought["id"], amount=7, reason="broken",
                         **free(f"refund {place}"))
        asked[back["id"]] = (free(f"refund {place}"), (one, shop))
        held = town.post("/v1/holds", wallet=one, merchant=shop, amount=30,
                         **free(f"hold {place}"))
        taken = town.post(f"/v1/holds/{held['id']}/capture")
        asked[taken["id"]] = (free(f"hold {place}"), (one, shop))
        again = town.post("/v1/transfers", key=f"paid-{place}", **{
            "from": one, "to": two, "amount": 5, **free(f"transfer {place}")})
        report.equal("a retry gets the first answer", (again.body, again.replayed),
                     (paid.body, True))
        other = town.client.post("/v1/transfers", {"from": one, "to": two, "amount": 5,
                                                   "reference": "another"}, key=f"paid-{place}")
        report.equal("another text is another request", other.code, "idempotency_key_reused")
    shown(report, town, asked, "between shards")
    report.check("nothing of them is at rest", sealed.MARK.encode() not in at_rest(server))
    gone = town.people[0][0]
    living = town.living()
    report.equal("destroyed", town.destroy(gone).status, 200)
    report.equal("by one row on one shard", town.living(), [living[0] - 1, living[1]])
    for identifier, (texts, sides) in asked.items():
        left = {} if gone == sides[0] else texts
        report.equal("his texts are gone, those of others stay",
                     texts_of(town.transaction(identifier)), left)
    after = town.post("/v1/transfers", **{"from": gone, "to": town.people[1][0], "amount": 5,
                                          **free("after")})
    report.equal("new ones have a new key", texts_of(town.transaction(after["id"])), free("after"))
    report.check("the books are right", town.get("/check-integrity?depth=full")["consistent"])


def shown(report, town, asked, when):
    for identifier, (texts, sides) in asked.items():
        report.equal(f"{when}: by its id", texts_of(town.transaction(identifier)), texts)
        for wallet in sides:
            found = [item for item in town.get(f"/v1/wallets/{wallet}/transactions")["items"]
                     if item["id"] == identifier]
            report.equal(f"{when}: in the history of both", [texts_of(item) for item in found],
                         [texts])


def guests(report, server, _):
    """Atomic batches are decided on one shard; a payer of the other one comes along with his key,
    and if he has none yet it is made where he is at home."""
    town = Town(server)
    home, guest, third = town.people[0][0], town.people[1][0], town.people[1][1]
    shop = town.shops[0]
    report.equal("nobody has a key before there is a text", town.living(), [0, 0])
    operations = [
        {"type": "transfer", "from": home, "to": guest, "amount": 1},
        {"type": "transfer", "from": guest, "to": home, "amount": 2,
         "idempotency_key": "guest-1", **free("guest")},
        {"type": "purchase", "wallet": guest, "merchant": shop, "amount": 50,
         "idempotency_key": "guest-2", **free("bought")},
        {"type": "deposit", "wallet": third, "amount": 4, "bank_transaction_id": "guest-bank",
         **free("deposited")}]
    made = town.post("/v1/batches", key="guests", atomic=True, operations=operations)
    report.equal("it is done", made.status, 200, made)
    ids = [item["id"] for item in made["results"]]
    report.equal("on the shard of the first", {shards.slot_of(one) // 512 for one in ids}, {0})
    report.equal("with keys where their owners are", town.living(), [0, 2])
    asked = {ids[1]: (free("guest"), (guest, home)), ids[2]: (free("bought"), (guest, shop)),
             ids[3]: (free("deposited"), (third,))}
    shown(report, town, asked, "guests")
    again = town.post("/v1/batches", key="guests", atomic=True, operations=operations)
    report.equal("the batch's key answers again", (again.body, again.replayed), (made.body, True))
    for number, path in ((1, "/v1/transfers"), (2, "/v1/purchases")):
        body = {name: value for name, value in operations[number].items()
                if name not in ("type", "idempotency_key")}
        alone = town.post(path, key=f"guest-{number}", **body)
        report.equal("and that of an operation, alone",
                     (alone.replayed, alone["id"], texts_of(alone.json)),
                     (True, ids[number], texts_of(operations[number])), alone)
        other = town.client.post(path, {**body, "reference": "another"}, key=f"guest-{number}")
        report.equal("for that text", other.code, "idempotency_key_reused", other)
    back = town.post("/v1/refunds", key="back", purchase=ids[2], amount=5, **free("back"))
    asked[back["id"]] = (free("back"), (guest, shop))
    shown(report, town, {back["id"]: asked[back["id"]]}, "a refund of it")
    again = town.post("/v1/refunds", key="back", purchase=ids[2], amount=5, **free("back"))
    report.equal("a retry gets the first answer", (again.body, again.replayed), (back.body, True))
    other = town.client.post("/v1/refunds", {"purchase": ids[2], "amount": 5,
                                             "reference": "another"}, key="back")
    report.equal("another text is another refund", other.code, "idempotency_key_reused", other)
    report.check("nothing of them is at rest", sealed.MARK.encode() not in at_rest(server))
    server.restart()
    town.client = server.client()
    shown(report, town, asked, "guests, after a restart")
    report.equal("destroyed", town.destroy(guest).status, 200)
    gone = {one: ({} if sides[0] == guest else texts, sides)
            for one, (texts, sides) in asked.items()}
    shown(report, town, gone, "guests, destroyed")
    late = town.post("/v1/batches", key="guests", atomic=True, operations=operations)
    report.equal("the batch's answer is without his texts",
                 [texts_of(item) for item in late["results"]],
                 [{}, {}, {}, free("deposited")], late)


def paid_and_refunded(report, server, _):
    """Somebody is paid, and refunded a purchase that was decided away from his home, in one batch:
    his wallet comes along for both, and his key for the second, which is made if there is none."""
    town = Town(server)
    home, (guest, third) = town.people[0][0], town.people[1]
    for turn, payer in enumerate((guest, third)):
        bought = town.post("/v1/batches", atomic=True, operations=[
            {"type": "transfer", "from": home, "to": town.people[0][1], "amount": 1},
            {"type": "purchase", "wallet": payer, "merchant": town.shops[turn], "amount": 50}])
        made = patiently(lambda p=payer, b=bought: town.client.post("/v1/batches", {
            "atomic": True, "operations": [
                {"type": "transfer", "from": home, "to": p, "amount": 2},
                {"type": "refund", "purchase": b["results"][1]["id"], "amount": 5,
                 **free("refunded")}]}))
        report.equal("paid and refunded", made.status, 200, made)
        report.equal("with its texts", texts_of(town.transaction(made["results"][1]["id"])),
                     free("refunded"))
        report.equal("under a key where he is at home",
                     [one[0] for one in keys_of(server, payer)], [0, 1])
    report.check("nothing of them is at rest", sealed.MARK.encode() not in at_rest(server))


def again(report, server, _):
    """A batch is answered again with the wallets of all that it did: also those that nothing of it
    would change."""
    town = Town(server)
    payer = town.people[0][0]
    shops = [town.shops[1], town.open(1, "merchant")]
    holds = [town.post("/v1/holds", wallet=payer, merchant=shop, amount=2,
                       expires_in=6000)["id"] for shop in shops]
    operations = [{"type": "void", "hold": holds[0]},
                  {"type": "capture", "hold": holds[1], "amount": 2}]
    made = town.post("/v1/batches", key="again", atomic=True, operations=operations)
    report.equal("it is done", made.status, 200, made)
    later = patiently(lambda: town.client.post(
        "/v1/batches", {"atomic": True, "operations": operations}, key="again"))
    report.equal("and answered again", (later.status, later.replayed, later.body),
                 (200, True, made.body), later)


def held_refunds(report, server, _):
    """A refund that waits for somebody, whose merchant is on the other shard."""
    sealed.hold_large(server, "refund")
    town = Town(server)
    secret = server.key("service")["secret"]
    service = server.client(secret)
    found = []
    for place in (0, 1):
        one, shop = town.people[place][0], town.shops[1 - place]
        bought = town.post("/v1/purchases", wallet=one, merchant=shop, amount=4000)
        for turn in range(2):
            asked = patiently(lambda b=bought, n=place * 2 + turn: service.post(
                "/v1/refunds", {"purchase": b["id"], "amount": 1500, **free("held")},
                key=f"held-{n}"))
            report.equal("it waits", (asked.status, asked.get("status")), (202, "pending"), asked)
            found.append(asked["id"])
    report.check("nothing of them is at rest", sealed.MARK.encode() not in at_rest(server))
    server.crash()
    town.client, service = server.client(), server.client(secret)
    for number, one in enumerate(found):
        report.equal("whoever decides reads them",
                     texts_of(town.get(f"/v1/anomalies/{one}")["request"]), free("held"))
        if number % 2 == 0:
            done = town.post(f"/v1/anomalies/{one}/approve", comment=sealed.text("called"))
            report.equal("approved, and paid with them",
                         texts_of(town.transaction(done["transaction"])), free("held"), done)
        else:
            done = town.post(f"/v1/anomalies/{one}/reject", comment=sealed.text("no"))
            report.equal("rejected, with them", (
                texts_of(town.get(f"/v1/anomalies/{one}")["request"]), done["comment"]),
                (free("held"), sealed.text("no")), done)
    one, shop = town.people[0][1], town.shops[0]
    bought = town.post("/v1/purchases", wallet=one, merchant=shop, amount=4000)
    asked = patiently(lambda: service.post("/v1/refunds", {
        "purchase": bought["id"], "amount": 1500, **free("apart")}, key="apart"))
    report.equal("it waits on its purchase's shard", asked.status, 202, asked)
    said = move(server, one, "b")
    report.equal("which goes away", said.returncode, 0, said.stdout + said.stderr)
    done = town.post(f"/v1/anomalies/{asked['id']}/approve", comment=sealed.text("called"))
    report.equal("approved all the same, and paid with them",
                 texts_of(town.transaction(done["transaction"])), free("apart"), done)
    report.check("still nothing at rest", sealed.MARK.encode() not in at_rest(server))


# ---- slots that move ----------------------------------------------------------------------------

def move(server, wallet, target):
    return slots.move(SHARDS, server, shards.slot_of(wallet), target)


def keys_of(server, wallet):
    """Of the owner of that wallet: keys in use, and all that there ever were, on each shard."""
    slot = shards.slot_of(wallet)
    return [tuple(int(SHARDS.sql(place, f"SELECT count({what}) FROM data_keys WHERE slot = {slot}",
                                 server.data)) for what in ("wrapped", "*")) for place in (0, 1)]


def moved(report, server, _):
    """Keys go with their slot and leave none behind; what moved stays readable, and can be
    destroyed where it is."""
    ann, bob = sealed.Life(server, "ann"), sealed.Life(server, "bob")
    home = shards.slot_of(ann.wallet) // 512
    there = "ba"[home]
    report.equal("her key is where she is at home", [one[0] for one in keys_of(server, ann.wallet)],
                 [1 - home, home])
    # As an older Florin has left them: a key that does not tell its slot.
    SHARDS.sql(home, "UPDATE data_keys SET slot = NULL", server.data)
    said = move(server, ann.wallet, there)
    report.equal("her slot moves", said.returncode, 0, said.stdout + said.stderr)
    report.equal("with her key", keys_of(server, ann.wallet)[home], (0, 0))
    report.equal("which is there", keys_of(server, ann.wallet)[1 - home][0], 1)
    with server.client() as client:
        report.equal("all texts are there", [one.read(client) for one in (ann, bob)],
                     [ann.told, bob.told])
        again = client.post("/v1/deposits", ann.deposit, key="ann-first")
        report.equal("a retry gets the first answer", (again.body, again.replayed),
                     (ann.first.body, True))
        other = client.post("/v1/deposits", {**ann.deposit, "reference": "another"},
                            key="ann-first")
        report.equal("another text is another request", other.code, "idempotency_key_reused")
        report.equal("destroyed there", client.request("DELETE", "/v1/owners/ann/data")["had_key"],
                     True)
        expected = {place: sealed.without_texts(told) for place, told in ann.told.items()}
        report.equal("gone from every answer", ann.read(client), expected)
        report.equal("no shard has a key of hers", [one[0] for one in keys_of(server, ann.wallet)],
                     [0, 0])
    said = move(server, ann.wallet, "ab"[home])
    report.equal("and back again", said.returncode, 0, said.stdout + said.stderr)
    with server.client() as client:
        report.equal("they are as gone", ann.read(client), expected)
        new = client.post("/v1/deposits", {"wallet": ann.wallet, "amount": 5, "reference":
                                           sealed.text("new"), "bank_transaction_id": "new"})
        report.equal("new texts have a new key", client.get(
            f"/v1/transactions/{new['id']}").get("reference"), sealed.text("new"))
    said = move(server, bob.wallet, "ba"[shards.slot_of(bob.wallet) // 512])
    report.equal("another slot, too", said.returncode, 0, said.stdout + said.stderr)
    with server.client() as client:
        report.equal("with its texts", bob.read(client), bob.told)
    report.check("nothing is at rest", sealed.MARK.encode() not in at_rest(server))
    crowded(report, server, ann.wallet, home)


def crowded(report, server, wallet, home):
    """Five thousand owners in one slot."""
    slot = shards.slot_of(wallet)
    SHARDS.sql(home, "INSERT INTO data_keys (number, owner, wrapped, slot) SELECT "
                     "4611686018427387904 + n, n, decode(repeat('5a', 72), 'hex'), "
                     f"{slot} FROM generate_series(1, 5000) n", server.data)
    before = keys_of(server, wallet)
    said = move(server, wallet, "ba"[home])
    report.equal("a slot of many owners moves", said.returncode, 0, said.stdout + said.stderr)
    report.equal("with all their keys", keys_of(server, wallet), before[::-1])
    print(said.stdout.strip() or said.stderr.strip())


def mover_killed(report, server, _):
    """At each step of a move exactly one shard has the key in the end, and destroying it there
    leaves none."""
    town = Town(server)
    for number, (name, line, pattern, moment, moves) in enumerate(slots.SWITCH_STEPS):
        wallet = town.open(0)
        texts = free(f"killed {number}")
        made = town.post("/v1/deposits", wallet=wallet, amount=5,
                         bank_transaction_id=f"killed-{number}", **texts)
        killed_at(server, wallet, LINES[line], pattern, moment)
        settled = within(60, lambda: [one.sql("SELECT count(*) FROM pg_prepared_xacts", "postgres")
                                      for one in SHARDS.clusters] == ["0", "0"])
        report.check(f"{name}: nothing stays in doubt", settled)
        living = [one[0] for one in keys_of(server, wallet)]
        report.equal(f"{name}: one shard has the key", living, [0, 1] if moves else [1, 0])
        report.equal(f"{name}: its texts are there", texts_of(town.transaction(made["id"])), texts)
        report.equal(f"{name}: destroyed", town.destroy(wallet)["had_key"], True)
        report.equal(f"{name}: no shard has a key", [one[0] for one in keys_of(server, wallet)],
                     [0, 0])
        said = move(server, wallet, "b")
        report.equal(f"{name}: the next try goes on", said.returncode, 0, said.stderr)
        report.equal(f"{name}: and brings none back",
                     ([one[0] for one in keys_of(server, wallet)],
                      texts_of(town.transaction(made["id"]))), ([0, 0], {}))


def killed_at(server, wallet, line, pattern, moment):
    process = []
    line.sprung.clear()
    line.over.clear()
    line.trap = (pattern, moment, lambda: process[0].kill())
    process.append(slots.start(SHARDS, server, "move", str(shards.slot_of(wallet)), "--to", "b",
                               lines=LINES))
    assert line.wait(60), (pattern, moment)
    line.trap = None
    process[0].wait(30)


# ---- the master key -----------------------------------------------------------------------------

def exchanged_on_one(report, server, _):
    """The start that exchanges the master key is killed between the two shards."""
    town = Town(server)
    asked = {}
    for place in (0, 1):
        made = town.post("/v1/deposits", wallet=town.people[place][0], amount=1,
                         bank_transaction_id=f"exchanged-{place}", **free(f"before {place}"))
        asked[made["id"]] = (free(f"before {place}"), (town.people[place][0],))
    old = server.config["encryption"]["master_key_file"]
    new = sealed.key_file(server, "new.key")
    both = {"encryption": {"master_key_file": new, "old_master_key_file": old}}
    server.stop()
    server.config = both
    SHARDS.lines[server.data] = [one.folder for one in LINES]
    try:
        LINES[1].set_trap("NEW_MASTER", "before", server.kill)
        server.launch()
        report.check("it came so far", LINES[1].wait(60))
    finally:
        del SHARDS.lines[server.data]
    LINES[1].trap = None
    tags = {SHARDS.sql(place, "SELECT encode(tag, 'hex') FROM encryption", server.data)
            for place in (0, 1)}
    report.equal("the shards are under two keys", len(tags), 2)
    said = move(server, town.people[0][0], "b")
    report.check("no slot moves between them", said.returncode != 0 and
                 "not under the same master key" in said.stderr, said)
    for name, path in (("the old key alone", old), ("the new one alone", new)):
        server.config = {"encryption": {"master_key_file": path}}
        told = (server.refused() or (0, "it runs"))[1]
        report.check(f"{name} is refused, with the shard's name",
                     "the right one" in told and 'the shard "' in told, told)
    server.config = both
    server.start()
    report.check("both: told when all are done",
                 "all shards are under the new master key" in server.log(), server.log()[-900:])
    server.stop()
    server.config = {"encryption": {"master_key_file": new}}
    server.start()
    town.client = server.client()
    shown(report, town, asked, "exchanged")
    said = move(server, town.people[0][0], "b")
    report.equal("slots move again", said.returncode, 0, said.stderr)
    shown(report, town, asked, "exchanged and moved")


ERASURES = [  # what, when the flight with it is cut, is it destroyed then
    ("before the key goes", "before", False),
    ("when it is committed", "after", True),
]


def erasure_killed(report, server, _):
    """The node is killed while it destroys a key: it is there whole or gone for ever, and a retry
    says what was done."""
    town = Town(server)
    server.stop()
    SHARDS.lines[server.data] = [one.folder for one in LINES]
    try:
        server.start()
        for number, (name, moment, gone) in enumerate(2 * ERASURES):
            town.client = server.client()
            place = number // 2
            wallet = town.open(place)
            made = town.post("/v1/deposits", wallet=wallet, amount=5,
                             bank_transaction_id=f"erased-{number}", **free(f"erased {number}"))
            path, key = f"/v1/owners/{town.owner[wallet]}/data", f"erase-{number}"
            LINES[place].set_trap("DESTROY_DATA_KEYS", moment, server.kill)
            try:
                answer = town.client.request("DELETE", path, key=key)
                report.check(f"{name}: nobody was told", answer.status == 503, answer)
            except Unreachable:
                report.ok()
            report.check(f"{name}: it came so far", LINES[place].wait(60))
            server.start()
            town.client = server.client()
            report.equal(f"{name}: it is there or not", texts_of(town.transaction(made["id"])),
                         {} if gone else free(f"erased {number}"))
            again = patiently(lambda p=path, k=key: town.client.request("DELETE", p, key=k))
            report.equal(f"{name}: a retry says that it was destroyed",
                         (again.status, again.get("had_key"), again.replayed), (200, True, gone),
                         again)
            report.equal(f"{name}: and it is", (texts_of(town.transaction(made["id"])), [
                one[0] for one in keys_of(server, wallet)]), ({}, [0, 0]))
    finally:
        del SHARDS.lines[server.data]


def away(report, server, _):
    """While the shard that has somebody's key is away nothing is shown as if it were destroyed."""
    town = Town(server)
    home, guest = town.people[0][0], town.people[1][0]
    made = town.post("/v1/batches", atomic=True, operations=[
        {"type": "transfer", "from": home, "to": guest, "amount": 1, **free("home")},
        {"type": "transfer", "from": guest, "to": home, "amount": 2, **free("guest")}])
    own, his = [item["id"] for item in made["results"]]
    SHARDS.clusters[1].stop()
    try:
        with server.client(timeout=60) as client:
            report.equal("her own texts are there", texts_of(patiently(
                lambda: client.get(f"/v1/transactions/{own}")).json), free("home"))
            report.equal("his are not known now", client.get(f"/v1/transactions/{his}").status,
                         503)
            report.equal("hers can be destroyed", patiently(lambda: client.request(
                "DELETE", f"/v1/owners/{town.owner[home]}/data"))["had_key"], True)
            report.equal("his not now", client.request(
                "DELETE", f"/v1/owners/{town.owner[guest]}/data").status, 503)
    finally:
        SHARDS.clusters[1].start()
    report.equal("and then they are there", texts_of(town.transaction(his)), free("guest"))
    report.equal("and hers are gone", texts_of(town.transaction(own)), {})


if __name__ == "__main__":
    sealed.many_servers = True
    sealed.run_all("shards encryption", BINARY, at_rest, backup, (
        ("between", between), ("guests", guests), ("again", again),
        ("paid and refunded", paid_and_refunded), ("held refunds", held_refunds),
        ("moved", moved), ("mover killed", mover_killed),
        ("exchanged on one", exchanged_on_one), ("erasure killed", erasure_killed),
        ("away", away)))
