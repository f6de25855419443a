#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The queue with the books on two shards: all of its story, unchanged, and what a capture, a refund
or a settlement needs of the shard that is not its own."""

import os
import runpy
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in (
    "lib", "kafka", "roles", "rules", "story", "postgres")]

import broker  # noqa: E402

broker.need_client()  # before the databases are started: this may begin another python
import lanes  # noqa: E402
import report as reports  # noqa: E402
import shards  # noqa: E402
import shop as shops  # noqa: E402
from wait import within  # noqa: E402

SHARDS = shards.Shards(2)
shards.serve_from(SHARDS)
single = runpy.run_path(os.path.join(HERE, "81-kafka-queue.py"), run_name="kafka queue")
world = single["world"]


def balance(self, wallet):
    """`done` says that it is decided; who is paid on the other shard may have it a moment later, as
    long as it is listed in flight."""
    with self.client() as client:
        within(60, lambda: client.get("/check-integrity").json.get("in_flight") == [])
        return client.get(f"/v1/wallets/{wallet}")["balance"]


shops.Shop.balance = balance


def captures(report):
    """What a capture or a refund needs of the other shard only the deciding one knows."""
    shop = world()
    payers = [shop.open(f"payer-{number}", money=1000) for number in range(4)]
    tills = [shop.open(f"till-{number}", "merchant") for number in range(4)]
    with shop.client() as client:
        def run(path, body):  # queued, and what became of it
            answer = client.post(path, body, key=str(uuid.uuid4()),
                                 headers={"Prefer": "respond-async"})
            report.equal(path, answer.status, 202, answer)
            return shop.outcome(answer["id"], 60)
        for payer, till in zip(payers, tills):
            for other in (till, tills[(tills.index(till) + 1) % 4]):
                hold = run("/v1/holds", {"wallet": payer, "merchant": other, "amount": 50})
                taken = run(f"/v1/holds/{hold['result']['id']}/capture", {"amount": 30})
                report.equal("captured", taken["status"], "done", taken)
                back = run("/v1/refunds", {"purchase": taken["result"]["id"], "amount": 10})
                report.equal("refunded", back["status"], "done", back)
            put = run("/v1/deposits", {"wallet": payer, "amount": 7,
                                       "bank_transaction_id": f"bank-{payer}"})
            report.equal("deposited", put["status"], "done", put)
            out = run("/v1/withdrawals", {"wallet": payer, "amount": 5})["result"]["id"]
            gone = run(f"/v1/withdrawals/{out}/settle", {"bank_transaction_id": f"out-{payer}"})
            report.equal("settled", gone["status"], "done", gone)
    report.equal("payers", [shop.balance(payer) for payer in payers], [1000 - 40 + 7 - 5] * 4)
    report.equal("tills", sum(shop.balance(till) for till in tills), 4 * 40)
    report.equal("it stops in order", shop.server.stop(), 0, shop.server.log()[-2000:])


def main():
    report = reports.Report("shards queue")
    lanes.side_by_side(report, [("captures", captures), *single["story"]()])
    report.finish()


if __name__ == "__main__":
    main()
