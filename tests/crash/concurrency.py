# SPDX-License-Identifier: MIT
"""Many at once on one wallet, one key, one hold, one bank id: whoever comes first wins, and all
see one truth."""

import threading

import florin
from shop import Books


class Race:
    """Runs an action in many threads that all begin at the same moment, each with its own
    connection."""
    def __init__(self, server, count):
        self.server = server
        self.count = count

    def run(self, action):
        """What the action gave back in each thread: action(client, number)."""
        results = [None] * self.count
        barrier = threading.Barrier(self.count)

        def work(number):
            try:
                with self.server.client() as client:
                    client.get("/healthz")
                    barrier.wait(30)
                    results[number] = action(client, number)
            except Exception as error:  # shows up as a result that is no answer
                results[number] = error

        threads = [
            threading.Thread(target=work, args=(number, ), daemon=True)
            for number in range(self.count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return results


def make(client, target, body, status=201):
    answer = client.post(target, body)
    assert answer.status == status, f"{target} {body}: {answer!r}"
    return answer.json


class World:
    def __init__(self, server):
        self.server = server
        self.client = server.client()
        self.number = 0

    def wallet(self, balance=0, **fields):
        self.number += 1
        wallet = make(self.client, "/v1/wallets",
                      {"owner": f"o{self.number}", "currency": "USD", **fields})
        if balance:
            make(
                self.client, "/v1/deposits", {
                    "wallet": wallet["id"], "amount": balance,
                    "bank_transaction_id": f"start-{self.number}"
                })
        return wallet["id"]

    def shown(self, id_):
        return self.client.get(f"/v1/wallets/{id_}").json


def statuses(answers):
    return sorted(getattr(answer, "status", repr(answer)) for answer in answers)


def double_spending(report, world):
    """64 threads spend the same hundred coins; a hundred are spent, not one more."""
    payer, shop = world.wallet(100), world.wallet(kind="merchant")

    def spend(client, _):
        return [
            client.post("/v1/purchases", {"wallet": payer, "merchant": shop, "amount": 1}).status
            for _ in range(5)
        ]

    results = [status for many in Race(world.server, 64).run(spend) for status in many]
    report.equal("double spending: accepted", results.count(201), 100)
    report.equal("double spending: refused", results.count(422), 220)
    report.equal("double spending: payer", world.shown(payer)["balance"], 0)
    report.equal("double spending: shop", world.shown(shop)["balance"], 100)
    report.equal("double spending: version", world.shown(payer)["version"], 102)


def two_directions(report, world):
    """Transfers to and fro between two wallets neither deadlock nor lose a coin."""
    pair = world.wallet(1000), world.wallet(1000)

    def move(client, number):
        payer, payee = pair if number % 2 else pair[::-1]
        return [
            client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 3}).status
            for _ in range(20)
        ]

    results = [status for many in Race(world.server, 32).run(move) for status in many]
    report.equal("two directions: all accepted", set(results), {201})
    report.equal("two directions: sum", sum(world.shown(id_)["balance"] for id_ in pair), 2000)


def retries_together(report, world):
    """Retries that arrive together have one effect and one answer."""
    payer, payee = world.wallet(1000), world.wallet()
    for number in range(12):
        body = {"from": payer, "to": payee, "amount": 7}
        answers = Race(
            world.server,
            24).run(lambda client, _: client.post("/v1/transfers", body, key=f"together-{number}"))
        report.equal("retries together: statuses", set(statuses(answers)), {201})
        report.equal("retries together: one answer", len({answer.body for answer in answers}), 1)
        report.equal("retries together: one original",
                     sum(1 for answer in answers if not answer.replayed), 1)
    report.equal("retries together: one effect each", world.shown(payee)["balance"], 84)


def key_with_two_requests(report, world):
    """Two requests race for one key: one wins, and all others are told."""
    payer, payee = world.wallet(1000), world.wallet()
    answers = Race(world.server, 20).run(lambda client, number: client.post(
        "/v1/transfers", {"from": payer, "to": payee, "amount": 1 + number}, key="contested"))
    report.equal("contested key", statuses(answers), [201] + [422] * 19)
    winner = [answer for answer in answers if answer.status == 201][0]
    report.equal("contested key: one effect", world.shown(payee)["balance"], winner["amount"])


def one_hold(report, world):
    """Captures, final ones and voids of one hold: never more than was held."""
    for number in range(6):
        payer, shop = world.wallet(1000), world.wallet(kind="merchant")
        hold = make(world.client, "/v1/holds",
                    {"wallet": payer, "merchant": shop, "amount": 100})["id"]

        def act(client, index):
            if index == 11 and number % 2:
                return client.post(f"/v1/holds/{hold}/void")
            return client.post(f"/v1/holds/{hold}/capture", {"amount": 15, "final": False})

        answers = Race(world.server, 12).run(act)
        captured = sum(answer["amount"] for answer in answers if answer.status == 201)
        shown = world.client.get(f"/v1/holds/{hold}").json
        report.check("one hold: never above", captured <= 90, f"{captured}")
        report.equal("one hold: captured", shown["captured"], captured)
        report.equal("one hold: merchant", world.shown(shop)["balance"], captured)
        held = shown["remaining"] if shown["status"] == "open" else 0
        report.equal("one hold: held", world.shown(payer)["held"], held)


def one_purchase(report, world):
    """Refunds of one purchase: never more than was paid."""
    payer, shop = world.wallet(100), world.wallet(10_000, kind="merchant")
    purchase = make(world.client, "/v1/purchases",
                    {"wallet": payer, "merchant": shop, "amount": 100})["id"]
    answers = Race(
        world.server,
        24).run(lambda client, _: client.post("/v1/refunds", {"purchase": purchase, "amount": 9}))
    report.equal("one purchase: refunds", statuses(answers), [201] * 11 + [422] * 13)
    report.equal("one purchase: refunded",
                 world.client.get(f"/v1/transactions/{purchase}")["refunded"], 99)
    report.equal("one purchase: payer", world.shown(payer)["balance"], 99)


def one_withdrawal(report, world):
    """The bank says yes and no at once: one of them counts."""
    for number in range(8):
        payer = world.wallet(100)
        withdrawal = make(world.client, "/v1/withdrawals", {"wallet": payer, "amount": 60})["id"]

        def act(client, index):
            if index % 2:
                return client.post(f"/v1/withdrawals/{withdrawal}/fail", {})
            return client.post(f"/v1/withdrawals/{withdrawal}/settle",
                               {"bank_transaction_id": f"race-{number}-{index}"})

        answers = Race(world.server, 8).run(act)
        report.equal("one withdrawal: one wins", statuses(answers), [200] + [409] * 7)
        status = [answer["status"] for answer in answers if answer.status == 200][0]
        wallet = world.shown(payer)
        expected = (40, 0) if status == "settled" else (100, 0)
        report.equal(f"one withdrawal: {status}", (wallet["balance"], wallet["held"]), expected)


def one_bank_id(report, world):
    """The same bank transaction reported by many at once is money once."""
    wallets = [world.wallet() for _ in range(4)]
    answers = Race(world.server, 24).run(lambda client, number: client.post(
        "/v1/deposits",
        {"wallet": wallets[number % 4], "amount": 5, "bank_transaction_id": "raced"}))
    report.equal("one bank id", statuses(answers), [201] + [409] * 23)
    winner = [answer["id"] for answer in answers if answer.status == 201][0]
    report.check("one bank id: all others are told which",
                 all(winner.encode() in answer.body for answer in answers if answer.status == 409))
    report.equal("one bank id: once", sum(world.shown(id_)["balance"] for id_ in wallets), 5)


def one_version(report, world):
    """Of many that changed what they had read, the first wins and the others are told."""
    id_ = world.wallet()
    answers = Race(world.server, 24).run(lambda client, number: client.patch(
        f"/v1/wallets/{id_}", {"metadata": {"n": str(number)}}, if_match=1))
    report.equal("one version", statuses(answers), [200] + [412] * 23)
    report.equal("one version: shown", world.shown(id_)["version"], 2)


def closing(report, world):
    """A wallet that is being closed is either closed and empty, or not closed."""
    for number in range(10):
        id_ = world.wallet()

        def act(client, index):
            if index == 3:
                return client.patch(f"/v1/wallets/{id_}", {"status": "closed"})
            return client.post(
                "/v1/deposits",
                {"wallet": id_, "amount": 1, "bank_transaction_id": f"closing-{number}-{index}"})

        answers = Race(world.server, 6).run(act)
        wallet = world.shown(id_)
        deposits = sum(1 for index, answer in enumerate(answers)
                       if index != 3 and answer.status == 201)
        report.equal("closing: balance", wallet["balance"], deposits)
        report.check("closing: closed is empty", wallet["status"] != "closed" or deposits == 0,
                     f"{wallet}")


def readers(report, world):
    """Readers see versions that only grow, and each version with one balance."""
    payer, payee = world.wallet(100_000), world.wallet()
    stop = threading.Event()
    seen = []

    def read():
        mine = []
        with world.server.client() as client:
            while not stop.is_set():
                wallet = client.get(f"/v1/wallets/{payer}").json
                mine.append((wallet["version"], wallet["balance"], wallet["held"]))
        seen.append(mine)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    Race(world.server, 8).run(lambda client, _: [
        client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1}) for _ in range(60)
    ])
    stop.set()
    for thread in threads:
        thread.join(120)
    truth = {}
    for mine in seen:
        report.check("readers: versions grow", mine == sorted(mine), f"{mine[:50]}")
        for version, balance, held in mine:
            report.check("readers: one balance per version",
                         truth.setdefault(version, (balance, held)) == (balance, held),
                         f"version {version}")
    report.check("readers: balance and version fit",
                 all(balance == 100_000 - (version - 2) for version, (balance, _) in truth.items()),
                 f"{truth}")


def revoking(report, world):
    """A key that was revoked does nothing more, whoever is still sending with it."""
    payer, payee = world.wallet(100_000), world.wallet()
    for _ in range(5):
        key = world.server.key("service")
        revoked = threading.Event()
        late = []

        def pay():
            with world.server.client(key["secret"]) as client:
                for _ in range(3000):
                    after = revoked.is_set()
                    answer = client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1})
                    if after and answer.status != 401:
                        late.append(answer)
                    if answer.status != 201:
                        return

        threads = [threading.Thread(target=pay, daemon=True) for _ in range(6)]
        for thread in threads:
            thread.start()
        world.client.post("/v1/transfers", {"from": payer, "to": payee, "amount": 1})
        answer = world.client.delete(f"/v1/keys/{key['id']}")
        revoked.set()
        for thread in threads:
            thread.join(120)
        report.equal("revoking: answer", answer.status, 204)
        report.check("revoking: nothing passes afterwards", not late, lambda: f"{late[0]!r}")


TESTS = [
    double_spending, two_directions, retries_together, key_with_two_requests, one_hold,
    one_purchase, one_withdrawal, one_bank_id, one_version, closing, readers, revoking
]


def races(report, binary, config=None):
    with florin.serving(florin=binary, config=config) as server:
        world = World(server)
        for test in TESTS:
            report.run(test.__name__, test, world)
        with server.client() as client:
            books = Books(client)
        report.check("books after all races", not books.wrong(),
                     lambda: "\n".join(books.wrong()[:20]))
        problem = florin.integrity_problem(books.integrity)
        report.check("integrity after all races", problem is None, problem)
        world.client.close()
        report.equal("exit status", server.stop(), 0, server.log()[-2000:])
        report.check("log", not server.trouble(), lambda: server.log()[-4000:])
        report.equal("florin verify", server.verify().returncode, 0)
