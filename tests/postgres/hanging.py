# SPDX-License-Identifier: MIT
"""One of three shards answers nobody: clients that need it, and those that do not, for the suites
about how that comes."""

import threading

from client import Unreachable
from legs import patiently
from wait import within

WAIT_S = 150  # by then all that does not need it is done, on however slow a machine
HANGS = 2  # the place of the shard that does
EACH = 60  # payments of each client that does not need it, one after the other
NEED_IT = 3  # clients for each node that do


def open_wallets(world):
    """For each client that does not need the shard wallets of its own, so that they are in nobody's
    way: of the first shard, and of the second with its merchant."""
    for place, wallet in enumerate(world.wallets):
        made = patiently(lambda w=wallet, b=f"first-{place}": world.deposit(
            world.client, w, b, 10**8))
        assert made.status == 201, made
    world.pairs = []
    for _ in range(4):
        pair = world.open(0), world.open(1), world.open(1, "merchant")
        for wallet in pair[:2]:
            source = world.wallets[world.place(wallet)]
            made = patiently(lambda w=wallet, s=source: world.client.post(
                "/v1/transfers", {"from": s, "to": w, "amount": 10**6}))
            assert made.status == 201, made
        world.pairs.append(pair)
    world.needing = [world.open(0) for _ in range(2 * NEED_IT)]
    for wallet in world.needing:
        made = patiently(lambda w=wallet: world.client.post("/v1/transfers", {
            "from": world.wallets[0], "to": w, "amount": 10**6}))
        assert made.status == 201, made


def kinds_of(pair):
    here, there, shop = pair
    return [("/v1/transfers", {"from": here, "to": there, "amount": 1}),
            ("/v1/purchases", {"wallet": there, "merchant": shop, "amount": 1}),
            ("/v1/transfers", {"from": there, "to": here, "amount": 1}),
            ("/v1/holds", {"wallet": here, "merchant": shop, "amount": 1, "expires_in": 6000})]


class Others:
    """Clients of both nodes that need but the first two shards, and some that need the third all
    the time; their keys, to be asked for when it is back."""
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.over = threading.Event()
        self.done, self.odd, self.asked = [0] * len(world.pairs), [], []
        self.threads = []
        for number, pair in enumerate(world.pairs):
            server = (world.node, world.other)[number % 2]
            self.go(self.pay, server, number, kinds_of(pair))
        for number, wallet in enumerate(world.needing):
            self.go(self.need, (world.node, world.other)[number % 2], number, wallet)

    def go(self, work, *words):
        self.threads.append(threading.Thread(target=work, args=words, daemon=True))
        self.threads[-1].start()

    def pay(self, server, number, kinds):
        with server.client(self.world.secret) as client:
            while self.done[number] < EACH and not self.over.is_set():
                path, body = kinds[self.done[number] % len(kinds)]
                key = f"{self.name}-pays-{number}-{self.done[number]}"
                answer = patiently(lambda: client.post(path, body, key=key))
                if answer.status not in (200, 201):
                    self.odd.append(answer)
                self.done[number] += 1

    def need(self, server, number, wallet):
        turn = 0
        while not self.over.is_set():
            turn += 1
            body = {"from": wallet, "to": self.world.wallets[HANGS], "amount": 1}
            key = f"{self.name}-needs-{number}-{turn}"
            self.asked.append((body, key))
            try:
                with server.client(self.world.secret) as client:
                    answer = client.post("/v1/transfers", body, key=key)
                    if answer.status not in (201, 503):
                        self.odd.append(answer)
                    seen = client.get(f"/v1/wallets/{self.world.wallets[HANGS]}")
                    if seen.status not in (200, 503):
                        self.odd.append(seen)
            except Unreachable:
                pass  # it waited longer than the client does

    def are_done(self):
        return all(count >= EACH for count in self.done)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(WAIT_S)


def away(world, server):
    with server.client(world.secret) as client:
        found = [line for line in client.get("/metrics").body.decode().split("\n")
                 if line.startswith("florin_shards_away ")]
    return found == ["florin_shards_away 1"]


def told(world, name):
    """What nodes say of it, and what can be read."""
    report = world.report
    for server, which in ((world.node, "the one"), (world.other, "the other")):
        report.check(f"{name}: {which} node tells", within(WAIT_S, lambda s=server: away(world, s)))
        with server.client(world.secret) as client:
            ready = client.get("/readyz")
            shown = [one for one in ready.json["dependencies"] if one["name"] == "shards"]
            report.equal(f"{name}: {which} node is ready", (ready.status, shown), (
                200, [{"name": "shards", "status": "away"}]), ready)
            whole = client.get("/v1/wallets?limit=10")
            report.check(f"{name}: a list over all of them is busy and says why, at {which} node",
                         whole.code == "busy" and 'shard "c"' in whole.json["detail"], whole)
            here = client.get(f"/v1/wallets/{world.wallets[0]}/transactions?limit=3")
            report.equal(f"{name}: what is elsewhere can be read at {which} node", here.status, 200,
                         here)


def total(world):
    """Of the first wallets of the shards: the others have all from them, and pay but the third."""
    return sum(patiently(lambda w=wallet: world.client.get(f"/v1/wallets/{w}")).json["balance"]
               for wallet in world.wallets)


def hang(world, name, stop, wake):
    """`stop` makes it silent, at any moment or when it has come to some step; `wake` ends that."""
    report, before = world.report, total(world)
    others = Others(world, name)
    within(WAIT_S, lambda: min(others.done) > 1)
    try:
        stop()
        counts = list(others.done)
        report.check(f"{name}: others go on", within(WAIT_S, others.are_done),
                     lambda: (counts, others.done))
        told(world, name)
    finally:
        wake()
        others.end()
    report.equal(f"{name}: nobody hears anything but busy", others.odd, [], len(others.odd))
    for server in (world.node, world.other):
        report.check(f"{name}: and it is back", within(WAIT_S, lambda s=server: not away(
            world, s)))
    answers = [patiently(lambda b=body, k=key: world.client.post("/v1/transfers", b, key=k))
               for body, key in others.asked]
    report.equal(f"{name}: what needed it is done", {answer.status for answer in answers}, {201})
    report.check(f"{name}: and nothing is in doubt", world.legs_are_finished(), world.prepared())
    found = within(WAIT_S, lambda: world.client.get("/check-integrity").json["consistent"])
    report.check(f"{name}: the books add up", found, lambda: world.client.get("/check-integrity"))
    report.equal(f"{name}: each payment was done once", total(world), before + len(answers))
