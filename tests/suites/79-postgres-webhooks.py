#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Webhooks, unchanged, with the books in a real PostgreSQL; and with several nodes: one delivers at
a time, another takes over when it is killed or stopped, and a decision at any of them counts."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("lib", "webhooks", "postgres", "story")]

import cluster  # noqa: E402
import florin  # noqa: E402
import report as reports  # noqa: E402
from receiver import Receiver  # noqa: E402
from wait import within  # noqa: E402

CLUSTER = cluster.Cluster()
usual_command = florin.Server.command
cluster.serve_from(CLUSTER)
single = runpy.run_path(os.path.join(HERE, "66-webhooks.py"), run_name="webhooks")
World, endpoint, complete = single["World"], single["endpoint"], single["complete"]


class Node(florin.Server):
    """One more node of a world's books."""
    def __init__(self, world):
        super().__init__(world.server.florin, config=dict(world.server.config),
                         environment=world.server.environment)
        self.books = CLUSTER.url(CLUSTER.database_for(world.server.data))
        self.key = world.key

    def command(self):
        return usual_command(self) + ["--postgres", self.books]

    def shown(self):
        with self.client(self.key) as client:
            return client.get("/v1/webhooks")["items"][0]


def two_nodes(report):
    one = Receiver()
    world = World(endpoint(one))
    other = Node(world).start()
    world.deposit(100)
    complete(report, "two nodes", world, one)
    report.equal("the other stands by", other.shown()["state"], "standby")
    asked = [told.id for told in one.asked]
    report.equal("nobody tells twice", len(asked), len(set(asked)))

    world.server.kill()
    with other.client(world.key) as client:
        for number in range(5):
            client.post("/v1/deposits", {"wallet": world.payer, "amount": 1,
                                         "bank_transaction_id": f"after-{number}"})
            world.touched(world.payer)
    report.check("killed: the other takes over", one.has_all(world.versions, 90),
                 lambda: f"{other.shown()}\n{other.log()[-2000:]}")
    report.equal("killed: in order", single["orders_problem"](one, world.versions, True), None)
    report.equal("killed: it delivers", other.shown()["state"], "delivering")

    world.server.start()
    report.equal("back: it stands by", world.state()["state"], "standby")
    report.equal("stopped", other.stop(), 0)
    world.deposit(1)
    report.check("stopped: the first takes over", one.has_all(world.versions, 60),
                 lambda: f"{world.state()}\n{world.server.log()[-2000:]}")
    world.end(report, one)


def stuck(report):
    """Nothing gets through for longer than a place may stand still: it stays with its node."""
    answers = {"status": 500}
    one = Receiver(lambda told, number: answers["status"])
    world = World(endpoint(one))
    other = Node(world).start()
    world.deposit(1)
    report.equal("stuck", world.wait_for_state("retrying"), True)
    begun = len(one.asked)
    report.check("stuck: it is tried again and again",
                 within(120, lambda: len(one.asked) >= begun + 20), len(one.asked))
    report.equal("stuck: it is still the first", (world.state()["state"], other.shown()["state"]),
                 ("retrying", "standby"))
    report.check("stuck: and was all the time", "taken over" not in world.server.log(),
                 world.server.log()[-2000:])
    with other.client(world.key) as client:
        report.equal("paused at the other", client.post(
            "/v1/webhooks/shop/pause", {"reason": "elsewhere"}).status, 200)
        report.equal("the first obeys", world.wait_for_state("paused"), True)
        answers["status"] = 200
        report.equal("resumed at the other", client.post(
            "/v1/webhooks/shop/resume", {"reason": "elsewhere"}).status, 200)
    complete(report, "resumed", world, one, repeats=True)
    states = within(120, lambda: sorted([world.state()["state"], other.shown()["state"]]) ==
                    ["delivering", "standby"])
    report.equal("one of them delivers", states, True)
    other.stop()
    world.end(report, one)


def moved(report):
    """Books that go from a folder to a database take the place of each endpoint with them."""
    answers = {"status": 200}
    one = Receiver(lambda told, number: answers["status"])
    world = World(endpoint(one), start=False)
    world.server.command = lambda: usual_command(world.server)
    world.begin()
    world.deposit(5)
    complete(report, "moved: before", world, one)
    report.check("moved: it is noted", within(120, lambda: world.state()["position"] > int(
        one.taken[-1].id[:-1])), lambda: world.state())
    answers["status"] = 500
    world.deposit(6)
    world.purchase()
    report.equal("moved: something waits", world.wait_for_state("retrying"), True)
    report.equal("moved: stopped", world.server.stop(), 0)
    url = CLUSTER.url(CLUSTER.database_for("moved"))
    done = world.server.command_line("migrate-engine", "--from-data", world.server.data,
                                     "--to-postgres", url)
    report.equal("moved", done.returncode, 0, done.stdout + done.stderr)
    world.server.command = lambda: usual_command(world.server) + ["--postgres", url]
    answers["status"] = 200
    world.server.data = os.path.join(world.server.home, "moved")
    before = len(one.taken)  # what waits is told as soon as the server is there
    world.server.start()
    world.deposit(7)
    complete(report, "moved: after", world, one)
    report.equal("moved: and nothing else again", len(one.taken) - before, 4)
    world.end(report, one)


def main():
    report = reports.Report("webhooks on PostgreSQL")
    chosen = [single[name] for name in (
        "every_kind", "filters", "killed", "gone", "poisoned", "again", "beginning")]
    for function in (*chosen, two_nodes, stuck, moved):
        if len(sys.argv) < 2 or function.__name__ in sys.argv[1:]:
            report.run(function.__name__, function)
    report.finish()


if __name__ == "__main__":
    main()
