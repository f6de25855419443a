# SPDX-License-Identifier: MIT
"""Free texts at rest: sealed under each owner's key, gone when that is destroyed. The same for both
engines; what differs is handed in: `at_rest(server)` gives all bytes that the books have at rest.
"""

import ctypes
import functools
import json
import os
import secrets
import struct
import time

import florin
from forge import FRAME, FRONT, Head, crc32c

MARK = "quiet-words"  # in every free text below, and nowhere else
many_servers = False  # keys may lie on several, each with a master key of its own


def key_file(server, name, key=None):
    """A master key in a file of its own; returns its path."""
    path = os.path.join(server.home, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write((key or secrets.token_hex(32)) + "\n")
    os.chmod(path, 0o600)
    return path


def encrypted(binary):
    server = florin.Server(florin=binary)
    server.config = {"encryption": {"master_key_file": key_file(server, "master.key")}}
    return server


def text(what):
    return f"{MARK} {what}"


class Life:
    """One of everything that has free texts, for an owner, and how it is read again."""

    def __init__(self, server, owner, shop="shop"):
        self.server = server
        self.owner = owner
        self.count = 0
        with server.client() as client:
            self.wallet = self.open(client, owner, "customer")
            self.shop = self.open(client, shop + owner, "merchant")
            self.live(client)

    def number(self, what):
        self.count += 1
        return f"{self.owner}-{what}-{self.count}"

    def post(self, client, path, **body):
        answer = client.post(path, body, key=self.number("key"))
        if answer.status not in (200, 201, 202):
            raise AssertionError(f"POST {path} {body}: {answer!r}")
        return answer.json

    def open(self, client, owner, kind):
        return self.post(client, "/v1/wallets", owner=owner, currency="USD", kind=kind,
                         metadata={"note": text(f"wallet of {owner}")})["id"]

    def live(self, client):
        wallet, shop = self.wallet, self.shop
        free = {"reference": text("reference"), "metadata": {"note": text("metadata")}}
        self.deposit = {"wallet": wallet, "amount": 10_000,
                        "bank_transaction_id": self.number("bank"), **free}
        self.first = client.post("/v1/deposits", self.deposit, key=f"{self.owner}-first")
        purchase = self.post(client, "/v1/purchases", wallet=wallet, merchant=shop, amount=300,
                             order=self.number("order"), **free)["id"]
        refund = self.post(client, "/v1/refunds", purchase=purchase, amount=100,
                           reason=text("refund"), **free)["id"]
        hold = self.post(client, "/v1/holds", wallet=wallet, merchant=shop, amount=50, **free)["id"]
        other = self.post(client, "/v1/holds", wallet=wallet, merchant=shop, amount=5, **free)["id"]
        capture = self.post(client, f"/v1/holds/{other}/capture")["id"]
        pending = self.post(client, "/v1/withdrawals", wallet=wallet, amount=7, **free)["id"]
        failed = self.post(client, "/v1/withdrawals", wallet=wallet, amount=8, **free)["id"]
        self.post(client, f"/v1/withdrawals/{failed}/fail", reason=text("failed"))
        asked = self.post(client, "/v1/adjustments", wallet=wallet, direction="credit", amount=9,
                          reason=text("adjustment"), **free)["id"]
        batch = client.post("/v1/batches", {"atomic": True, "operations": [
            {"type": "deposit", "wallet": wallet, "amount": 1,
             "bank_transaction_id": self.number("bank"), **free}]}, key=self.number("key"))
        client.request("PATCH", f"/v1/wallets/{wallet}", {"credit_limit": 5,
                                                          "reason": text("change")})
        self.places = [f"/v1/wallets/{wallet}", f"/v1/wallets/{wallet}/transactions",
                       f"/v1/transactions/{self.first['id']}", f"/v1/transactions/{purchase}",
                       f"/v1/transactions/{refund}", f"/v1/transactions/{capture}",
                       f"/v1/holds/{hold}", f"/v1/holds/{other}", f"/v1/withdrawals/{pending}",
                       f"/v1/withdrawals/{failed}", f"/v1/approvals/{asked}",
                       f"/v1/transactions/{batch.json['results'][0]['id']}",
                       f"/v1/wallets?owner={self.owner}", f"/v1/holds?wallet={wallet}",
                       f"/v1/withdrawals?wallet={wallet}", f"/v1/approvals?wallet={wallet}"]
        self.told = self.read(client)

    def read(self, client):
        return {place: client.get(place).json for place in self.places}


def without_texts(value):
    """The same answer with its free texts left out."""
    if isinstance(value, dict):
        return {name: without_texts(item) for name, item in value.items()
                if MARK not in str(item) or isinstance(item, (dict, list))
                and name not in ("metadata",)}
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    return value


def money(client, *wallets):
    return [client.get(f"/v1/wallets/{wallet}")["balance"] for wallet in wallets]


def texts_come_back(report, server, at_rest):
    ann = Life(server, "ann")
    for place, told in ann.told.items():
        report.check(f"{place} has its texts", MARK in str(told), told)
    report.check("nothing of them is at rest", MARK.encode() not in at_rest(server))
    server.restart()
    with server.client() as client:
        report.equal("a restart changes nothing", ann.read(client), ann.told)
        again = client.post("/v1/deposits", ann.deposit, key="ann-first")
        report.equal("a retry gets the first answer", (again.body, again.replayed),
                     (ann.first.body, True))
        other = client.post("/v1/deposits", {**ann.deposit, "reference": "another"},
                            key="ann-first")
        report.equal("another text is another request", other.code, "idempotency_key_reused")
    server.crash()
    with server.client() as client:
        report.equal("nor does a crash", ann.read(client), ann.told)
        page = client.get("/v1/approvals")
        report.equal("the kept command is whole", page.json["items"][0]["request"]["metadata"],
                     {"note": text("metadata")})
        made = server.client(server.key("operator")["secret"]).post(
            f"/v1/approvals/{page.json['items'][0]['id']}/approve",
            {"reason": text("approved")})
        report.equal("and is carried out with its texts", client.get(
            f"/v1/transactions/{made['transaction']}")["reason"], text("adjustment"), made)
    report.check("still nothing at rest", MARK.encode() not in at_rest(server))


def destroyed(report, server, at_rest):
    ann, bob = Life(server, "ann / Ann's"), Life(server, "bob")
    path = "/v1/owners/ann%20%2F%20Ann's/data"
    with server.client() as client:
        balances = money(client, ann.wallet, ann.shop, bob.wallet)
        service = server.client(server.key("service")["secret"])
        report.equal("a service destroys nothing", service.request("DELETE", path).code,
                     "forbidden")
        report.equal("nor does anybody for nobody",
                     client.request("DELETE", "/v1/owners/nobody/data").code, "owner_unknown")
        done = client.request("DELETE", path, key="destroy-1")
        report.equal("an admin does", (done.status, done.get("owner"), done.get("had_key"),
                                       done.get("plain_until")),
                     (200, "ann / Ann's", True, None), done)
        expected = {place: without_texts(told) for place, told in ann.told.items()}
        gone = ann.read(client)
        report.equal("the texts are gone from every answer, all else is there", gone, expected)
        again = client.request("DELETE", path, key="destroy-1")
        report.equal("a retry says the same", (again.body, again.replayed), (done.body, True))
        report.equal("there is no key left", client.request("DELETE", path)["had_key"], False)
        report.equal("others keep theirs", bob.read(client), bob.told)
        report.equal("and so does everybody his money",
                     money(client, ann.wallet, ann.shop, bob.wallet), balances)
        replay = client.post("/v1/deposits", ann.deposit, key="ann / Ann's-first")
        report.equal("a retry gets the first answer without its texts",
                     (replay.status, replay.replayed, replay.json),
                     (201, True, without_texts(ann.first.json)))
        asked = client.get(f"/v1/approvals?wallet={ann.wallet}").json["items"][0]
        approved = server.client(server.key("operator")["secret"]).post(
            f"/v1/approvals/{asked['id']}/approve", {"reason": text("later")})
        report.equal("what waited can still be approved", approved.get("status"), "approved",
                     approved)
        later = client.post("/v1/deposits", {
            "wallet": ann.wallet, "amount": 5, "bank_transaction_id": "later",
            "reference": text("later")})
        report.equal("new texts have a new key", client.get(f"/v1/transactions/{later['id']}")
                     .get("reference"), text("later"))
        entries = [entry for entry in client.get("/v1/audit?operation=eraseOwnerData").json["items"]
                   if entry["outcome"] == "ok" and not entry.get("replayed")]
        report.equal("the audit has it", [entry.get("owner") for entry in entries],
                     ["ann / Ann's"] * 2)
        report.check("the books are right", client.get("/check-integrity")["consistent"])
    for how in (server.restart, server.crash):
        how()
        with server.client() as client:
            now = ann.read(client)
            place = f"/v1/transactions/{ann.first['id']}"
            report.equal(f"after a {how.__name__} they are as gone", now[place], gone[place])
            report.equal("and the others there", bob.read(client), bob.told)
    report.check("nothing is at rest", MARK.encode() not in at_rest(server))


def wrong_keys(report, server, _):
    """A server that could not read what is there, or would write it plain, does not start."""
    ann = Life(server, "ann")
    right, config = server.config["encryption"]["master_key_file"], server.config
    server.stop()
    for name, settings, said in (
            ("none", {}, "master key is missing"),
            ("another", {"encryption": {"master_key_file": key_file(server, "other.key")}},
             "the right one"),
            ("a lost file", {"encryption": {"master_key_file": right + "x"}}, "cannot read"),
            ("no key", {"encryption": {"master_key_file": key_file(server, "odd.key", "abc")}},
             "64 hexadecimal digits")):
        server.config = settings
        status, told = server.refused() or (None, "it runs")
        report.check(f"{name}: refused with a sentence", status == 1 and said in told, told)
    server.config = config
    os.chmod(right, 0o640)
    told = (server.refused() or (0, "it runs"))[1]
    report.check("a key that others may read", "chmod 600" in told, told)
    server.environment["CREDENTIALS_DIRECTORY"] = os.path.dirname(right)
    for mode, name in ((0o444, "all"), (0o460, "a group that may write to it")):
        os.chmod(right, mode)
        told = (server.refused() or (0, "it runs"))[1]
        report.check(f"a credential of {name}", "chmod 600" in told, told)
    os.chmod(right, 0o440)
    server.start()  # as systemd's lists show it
    server.stop()
    server.environment["CREDENTIALS_DIRECTORY"] = os.path.dirname(right) + "/elsewhere"
    told = (server.refused() or (0, "it runs"))[1]
    report.check("what lies beside the credentials is none", "chmod 600" in told, told)
    del server.environment["CREDENTIALS_DIRECTORY"]
    os.chmod(right, 0o600)
    with open(right, encoding="utf-8") as file:
        key = file.read().strip()
    server.config = {}
    server.environment["FLORIN_MASTER_KEY"] = key
    server.start()
    with server.client() as client:
        report.equal("the environment is as good", ann.read(client), ann.told)
    with open(f"/proc/{server.process.pid}/environ", "rb") as file:
        report.check("and forgets the key", key.encode() not in file.read())
    report.check("the key is never told", key not in server.log())


def rotation(report, server, at_rest):
    ann, bob = Life(server, "ann"), Life(server, "bob")
    with server.client() as client:
        client.request("DELETE", "/v1/owners/bob/data")
        gone = bob.read(client)
    old = server.config["encryption"]["master_key_file"]
    new = key_file(server, "new.key")
    server.stop()
    server.config = {"encryption": {"master_key_file": new,
                                    "old_master_key_file": key_file(server, "wrong.key")}}
    told = (server.refused() or (0, "it runs"))[1]
    report.check("another old key is refused", "old master key is not it either" in told, told)
    server.config["encryption"]["old_master_key_file"] = old
    server.start()
    with server.client() as client:
        report.equal("both given: texts are there", ann.read(client), ann.told)
    server.restart()  # still both: nothing to do
    server.stop()
    server.config = {"encryption": {"master_key_file": new}}
    server.start()
    with server.client() as client:
        report.equal("the new one alone: texts are there", ann.read(client), ann.told)
        report.equal("what is destroyed stays so", bob.read(client), gone)
    server.stop()
    server.config = {"encryption": {"master_key_file": old}}
    told = (server.refused() or (0, "it runs"))[1]
    report.check("the old one opens nothing now", "the right one" in told, told)
    server.config = {"encryption": {"master_key_file": new}}
    server.start()
    report.check("nothing is at rest", MARK.encode() not in at_rest(server))


def backups(backup, report, server, _):
    """What was destroyed is in no backup that can still be opened: not in one made later, and not
    in an older one once the master key was exchanged."""
    ann, bob = Life(server, "ann"), Life(server, "bob")
    old = server.config["encryption"]["master_key_file"]
    server.stop()
    before = backup(server)
    server.start()
    with server.client() as client:
        report.equal("destroyed", client.request("DELETE", "/v1/owners/ann/data").status, 200)
        gone = ann.read(client)
    server.stop()
    new = key_file(server, "newest.key")
    server.config = {"encryption": {"master_key_file": new, "old_master_key_file": old}}
    server.start()
    server.stop()
    server.config = {"encryption": {"master_key_file": new}}
    after = backup(server)
    try:
        for copy in (before, after):
            verified = copy.verify()
            report.equal("florin verify needs no key", verified.returncode, 0, verified.stderr)
        before.config = after.config = server.config
        told = (before.refused() or (0, "it runs"))[1]
        report.check("the older backup is under a key that is no more", "the right one" in told,
                     told)
        after.start()
        with after.client(server.admin_secret) as client:
            report.equal("the newer one has the texts of others", bob.read(client), bob.told)
            report.equal("and none of those that were destroyed", ann.read(client), gone)
            report.check("its books are right",
                         client.get("/check-integrity?depth=full")["consistent"])
            page = client.get("/v1/audit?operation=eraseOwnerData").json["items"]
            report.equal("and know who destroyed them", page[0].get("owner"), "ann")
    finally:
        before.discard()
        after.discard()
    server.start()


def later(report, server, at_rest):
    """Books that were plain: what was written before stays so, and the answer says until when."""
    config, server = server.config, florin.Server(florin=server.florin)
    try:
        turned_on(report, server.start(), config, at_rest)
        finish(report, "turned on later", server)
    finally:
        server.discard()


def turned_on(report, server, config, at_rest):
    ann = Life(server, "ann")
    report.check("plain texts are found at rest", MARK.encode() in at_rest(server))
    with server.client() as client:
        off = client.request("DELETE", "/v1/owners/ann/data", key="too-soon")
        report.equal("plain books have no key", (off.status, off.code), (409, "encryption_off"),
                     off)
    server.stop()
    server.config = config
    server.start()
    with server.client() as client:
        report.equal("old texts are there", ann.read(client), ann.told)
        sealed = client.post("/v1/deposits", {"wallet": ann.wallet, "amount": 1, "reference":
                                              text("new"), "bank_transaction_id": "new"})
        done = client.request("DELETE", "/v1/owners/ann/data")
        report.equal("the new one is destroyed", client.get(f"/v1/transactions/{sealed['id']}")
                     .get("reference"), None)
        report.check("and the answer says until when texts were plain",
                     done["had_key"] and ann.first["created_at"] < done["plain_until"]
                     <= sealed["created_at"], done)
        report.equal("old ones stay as they are",
                     client.get(f"/v1/transactions/{ann.first['id']}").json, ann.first.json)


def crashes(report, server, _):
    """kill -9 in the middle: what was acknowledged is readable, what was destroyed is not."""
    known, gone = {}, set()
    for turn in range(6):
        with server.client() as client:
            for number in range(12):
                owner = f"o{turn}-{number}"
                wallet = client.post("/v1/wallets", {"owner": owner, "currency": "USD",
                                                     "metadata": {"note": text(owner)}})
                known[owner] = wallet["id"]
                if number % 4 == 3:
                    client.request("DELETE", f"/v1/owners/{owner}/data")
                    gone.add(owner)
        server.crash()
        with server.client() as client:
            found = {owner: client.get(f"/v1/wallets/{wallet}").get("metadata")
                     for owner, wallet in known.items()}
        report.equal(f"turn {turn}", found,
                     {owner: None if owner in gone else {"note": text(owner)} for owner in known})


def exchange_cut_short(report, server, _):
    """kill -9 somewhere in the start that exchanges the master key: one of the two opens all."""
    lives = [Life(server, f"o{number}") for number in range(3)]
    with server.client() as client:
        for number in range(200):
            client.post("/v1/wallets", {"owner": f"p{number}", "currency": "USD",
                                        "metadata": {"note": text("p")}})
    now = server.config["encryption"]["master_key_file"]
    server.stop()
    begun = time.monotonic()
    server.start()
    span = time.monotonic() - begun  # of a start, over which the kills are spread
    server.stop()
    for turn in range(12):
        new = key_file(server, f"turn-{turn}.key")
        server.config = {"encryption": {"master_key_file": new, "old_master_key_file": now}}
        server.launch()
        time.sleep(turn * span / 12)
        server.kill()
        if turn % 4 == 3:  # both are given, as the manual says
            server.start()
            with server.client() as client:
                report.equal(f"turn {turn}: all texts are there",
                             [life.read(client) for life in lives], [life.told for life in lives])
            server.stop()
            now = new
            continue
        server.config = {"encryption": {"master_key_file": new}}
        if server.refused() is None:
            now = new
            server.stop()
            continue
        server.config = {"encryption": {"master_key_file": now}}
        if server.refused() is None:
            server.stop()
            continue
        # Of several shards each is under one of them: both are given until all are done.
        report.check(f"turn {turn}: one server is under one key", many_servers)
        server.config = {"encryption": {"master_key_file": new, "old_master_key_file": now}}
        server.start()
        server.stop()
        now = new
    server.config = {"encryption": {"master_key_file": now}}
    server.start()
    with server.client() as client:
        report.equal("at the end", [life.read(client) for life in lives],
                     [life.told for life in lives])


def hold_large(server, *operations):
    """From now on rules hold these of a thousand cents or more."""
    path = os.path.join(server.home, "rules.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"rules": [{"name": "large", "action": "hold", "operations": operations,
                              "currencies": ["USD"], "when": {"amount": 1000}}]}, file)
    server.stop()
    server.config = {**server.config, "rules": {"file": path}}
    server.start()


def held(report, server, at_rest):
    """Payments that wait for somebody, with their texts, and what is said when they are decided."""
    hold_large(server, "transfer", "purchase")
    service = server.client(server.key("service")["secret"])
    free = {"reference": text("held"), "metadata": {"note": text("held too")}}
    with server.client() as client:
        ann, bob, eve = (client.post("/v1/wallets", {"owner": owner, "currency": "USD"})["id"]
                         for owner in ("ann", "bob", "eve"))
        for number, wallet in enumerate((ann, eve)):
            client.post("/v1/deposits", {"wallet": wallet, "amount": 9000,
                                         "bank_transaction_id": f"held-{number}"})
        asked = [service.post("/v1/transfers", {"from": payer, "to": bob, "amount": 2000, **free},
                              key=f"held-{number}")
                 for number, payer in enumerate((ann, ann, eve, eve))]
        report.equal("held", [(a.status, a.get("status")) for a in asked], [(202, "pending")] * 4)
        places = [f"/v1/anomalies/{a['id']}" for a in asked]
        told = [client.get(place).json for place in places]
        report.check("whoever decides reads the texts", all(
            item["request"]["reference"] == free["reference"] and
            item["request"]["metadata"] == free["metadata"] for item in told), told)
    report.check("nothing of them is at rest", MARK.encode() not in at_rest(server))
    server.crash()
    with server.client() as client:
        report.equal("a crash changes nothing", [client.get(place).json for place in places], told)
        done = client.post(places[0] + "/approve", {"comment": text("called her")})
        paid = client.get(f"/v1/transactions/{done['transaction']}")
        report.equal("approved, and paid with its texts",
                     (done["status"], done["comment"], paid["reference"], paid["metadata"]),
                     ("approved", text("called her"), free["reference"], free["metadata"]), done)
        no = client.post(places[1] + "/reject", {"comment": text("no answer")})
        report.equal("rejected", (no["status"], no["comment"]), ("rejected", text("no answer")))
        report.equal("destroyed", client.request("DELETE", "/v1/owners/eve/data").status, 200)
        gone = client.get(places[2])
        report.check("the texts of what waits are gone, the payment is not",
                     MARK not in str(gone.json) and gone["request"]["amount"] == 2000, gone)
        listed = client.get(f"/v1/anomalies?wallet={eve}")
        report.check("and of its list", MARK not in str(listed.json), listed)
        late = client.post(places[2] + "/approve", {})
        report.equal("it can be approved", late.get("status"), "approved", late)
        report.equal("without its texts", [name for name in ("reference", "metadata") if name in
                     client.get(f"/v1/transactions/{late['transaction']}").json], [])
        report.equal("or rejected", client.post(places[3] + "/reject", {}).get("status"),
                     "rejected")
        report.equal("hers are still there", client.get(places[1]).json["comment"],
                     text("no answer"))
        report.equal("the money", money(client, ann, bob, eve), [7000, 4000, 7000])
    report.check("still nothing at rest", MARK.encode() not in at_rest(server))


def xxh3(seed, *parts):
    """XXH3 (128 bits) over parts with their lengths in front, as the books use it."""
    class Digest(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]
    function = ctypes.CDLL("libxxhash.so.0").XXH3_128bits_withSeed
    function.restype = Digest
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    whole = b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    digest = function(whole, len(whole), seed)
    return digest.low, digest.high


def digests_beside(books, principal, key):
    """What records have beside the digest of a principal's idempotency key: both halves of the
    digest of the request (src/ledger/record.c)."""
    words = [word.to_bytes((word.bit_length() + 7) // 8, "little")
             for word in xxh3(0, principal.encode(), key.encode())]
    found, at = set(), books.find(b"".join(words))
    while at >= 0:
        for start in range(max(at - HEAD_BEFORE_KEY, 0), at - FRONT):
            record = record_at(books, start)  # not in an index
            if record is not None and record[11] & 1:
                found.add(struct.unpack_from("<QQ", Head(record).data, FRAME + 16))
        at = books.find(b"".join(words), at + 1)
    return found


HEAD_BEFORE_KEY = FRONT + 22 + 48  # bytes of a head in front of its key, at most


def record_at(books, start):
    size, crc, _, version = struct.unpack_from("<IIBB", books, start)
    if version != 2 or not FRONT < size <= 1 << 17 or crc32c(books[start + 8:start + size]) != crc:
        return None
    return books[start:start + size]


GUESS = "diagnosis: gout"


def asked_with_keys(server, owner):
    """Requests with a text that is easily guessed: one that is carried out, one that is refused,
    one of an atomic batch and one that waits. Returns them by their idempotency keys."""
    with server.client() as client:
        wallet, other = (client.post("/v1/wallets", {"owner": name, "currency": "USD"})["id"]
                         for name in (owner, owner + "'s friend"))
        bodies = {
            "done": ("/v1/deposits", {"wallet": wallet, "amount": 500, "reference": GUESS,
                                      "bank_transaction_id": f"{owner}-guess"}),
            "refused": ("/v1/transfers", {"from": wallet, "to": other, "amount": 10**9,
                                          "reference": GUESS}),
            "waiting": ("/v1/adjustments", {"wallet": wallet, "direction": "credit", "amount": 9,
                                            "reason": "lost", "reference": GUESS}),
            "batch": ("/v1/batches", {"atomic": True, "operations": [
                {"type": "transfer", "from": wallet, "to": other, "amount": 5,
                 "reference": GUESS}]})}
        asked = {f"{owner}-{name}": one for name, one in bodies.items()}
        statuses = [client.post(path, body, key=key).status
                    for key, (path, body) in asked.items()]
        assert statuses == [201, 422, 202, 200], statuses
        return asked, client.get("/v1/me")["id"]


def with_text(body, text_now):
    if "operations" in body:
        return {**body, "operations": [with_text(body["operations"][0], text_now)]}
    return {**body, "reference": text_now}


def guesses(report, server, at_rest):
    """Whoever has the books and guesses a text can't test the guess with the digest by which a
    retry is recognised: not before that owner's texts were destroyed, and not after it."""
    plain = florin.Server(florin=server.florin)
    try:
        plain.start()
        guessed_in(report, plain, at_rest, "plain books", True)
    finally:
        plain.discard()
    asked = guessed_in(report, server, at_rest, "encrypted", False)
    with server.client() as client:
        answers = {key: client.post(path, body, key=key) for key, (path, body) in asked.items()}
        report.check("retries are answered again", all(a.replayed for a in answers.values()),
                     answers)
        for key in ("ann-done", "ann-waiting"):
            path, body = asked[key]
            report.equal(f"{key}: another text is another request", client.post(
                path, with_text(body, "gone"), key=key).code, "idempotency_key_reused")
        report.equal("destroyed", client.request("DELETE", "/v1/owners/ann/data").status, 200)
        for key, (path, body) in asked.items():
            for text_now in (GUESS, "anything"):  # nobody can tell, so both get the first answer
                again = client.post(path, with_text(body, text_now), key=key)
                report.equal(f"{key} afterwards, {text_now}", (
                    again.status, again.replayed, GUESS in again.body.decode()),
                    (answers[key].status, True, False), again)
            report.equal(f"{key}: another amount is another request", client.post(
                path, another_amount(body), key=key).code, "idempotency_key_reused")
    guessed_in(report, server, at_rest, "destroyed", False, asked)


def another_amount(body):
    if "operations" in body:
        return {**body, "operations": [another_amount(body["operations"][0])]}
    return {**body, "amount": body["amount"] - 1}


def guessed_in(report, server, at_rest, when, can_be, asked=None):
    if asked is None:
        asked, principal = asked_with_keys(server, "ann")
    else:
        with server.client() as client:
            principal = client.get("/v1/me")["id"]
    server.restart()
    books = at_rest(server)
    for key in asked:
        found = digests_beside(books, principal, key)
        report.check(f"{when}: {key} has a digest", found, (principal, key))
        right = []
        for low, high in found:
            _, text_high = xxh3(low, GUESS.encode(), b"lost" if "waiting" in key else b"", b"")
            if "batch" in key:  # of one operation: both halves of its own are hashed again
                right.append(high not in (0, low ^ 0x9e3779b97f4a7c15))
            else:
                right.append(high == text_high)
        report.equal(f"{when}: {key} tells whether a guess is right", any(right), can_be, found)
    return asked


TESTS = (("texts come back", texts_come_back), ("destroyed", destroyed), ("guesses", guesses),
         ("held", held), ("wrong keys", wrong_keys), ("rotation", rotation),
         ("turned on later", later), ("crashes", crashes),
         ("exchange cut short", exchange_cut_short))


def finish(report, name, server):
    """The books are right whoever looks at them, and nobody needs the key for that."""
    report.equal(f"{name}: ends", server.stop(), 0, server.log()[-2000:])
    verified = server.verify()
    report.equal(f"{name}: florin verify", verified.returncode, 0,
                 verified.stdout + verified.stderr)
    report.check(f"{name}: no trouble", not server.trouble(), server.trouble()[:5])


def run_all(suite, binary, at_rest, backup, tests=()):
    """`backup(server)`: a server that is not started, with a copy of the stopped one's books."""
    from report import Report
    report = Report(suite)
    for name, function in (*TESTS, ("backups", functools.partial(backups, backup)), *tests):
        server = encrypted(binary)
        try:
            server.start()
            report.run(name, function, server, at_rest)
            finish(report, name, server)
        finally:
            server.discard()
    report.finish()
