# SPDX-License-Identifier: MIT
"""A wallet with a long history: any page and any moment of it costs about as much as the first.

The bounds are wide, because machines differ; what they catch is a walk from one end to the other,
which takes a hundred times as long.
"""

import random
import statistics
import time
from urllib.parse import quote

import florin

TRANSFERS = 300_000
MS_MAX = 25.0


def ask(client, target):
    """The answer and how many milliseconds it took."""
    began = time.monotonic()
    answer = client.get(target)
    spent = (time.monotonic() - began) * 1000
    if answer.status != 200:
        raise AssertionError(f"{target}: {answer!r}")
    return answer, spent


def make_history(client):
    """Two wallets and what went between them; moments on the way, as (time, version, balance)."""
    names = ("from", "to")
    a, b = (client.post("/v1/wallets", {"owner": name, "currency": "USD"})["id"] for name in names)
    client.post("/v1/deposits", {"wallet": a, "amount": 2**40, "bank_transaction_id": "start"})
    operation = {"type": "transfer", "from": a, "to": b, "amount": 1}
    moments = []
    for _ in range(TRANSFERS // 10_000):
        answer = client.post("/v1/batches", {"operations": [operation] * 10_000})
        last = answer["results"][-1]
        moments.append((last["created_at"], last["debit"]["version"], last["debit"]["balance"]))
    return a, moments


def deep_history(report, binary):
    dice = random.Random(5)
    with florin.serving(florin=binary) as server, server.client(timeout=60) as client:
        wallet, moments = make_history(client)
        path = f"/v1/wallets/{wallet}/transactions"
        times = []
        for moment, version, balance in dice.sample(moments, 20):
            answer, spent = ask(client, f"/v1/wallets/{wallet}/balance?at={quote(moment)}")
            report.equal("the balance of the past", (answer["version"], answer["balance"]),
                         (version, balance))
            times.append(spent)
            answer, spent = ask(client, f"{path}?limit=10&to={quote(moment)}")
            times.append(spent)
            report.check("a page of the past",
                         all(item["created_at"] < moment for item in answer["items"]),
                         f"{answer!r:.500}")
        print(f"deep: median {statistics.median(times):.2f} ms, most {max(times):.2f} ms",
              flush=True)
        report.check("any moment is near", statistics.median(times) < MS_MAX, f"{sorted(times)}")
        # Walking by cursor costs the same far back as at the beginning.
        cursor, walk = "", []
        for _ in range(100):
            answer, spent = ask(client,
                                f"{path}?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            walk.append(spent)
            cursor = answer["next_cursor"]
        report.check("a walk does not slow down",
                     statistics.median(walk[80:]) < 5 * statistics.median(walk[:20]) + 5,
                     f"{walk[:5]} ... {walk[-5:]}")
        # A filter that fits nothing does bounded work per page, and says where to go on.
        cursor, pages, longest = "", 0, 0.0
        while cursor is not None and pages < 2000:
            answer, spent = ask(
                client,
                "/v1/transactions?type=refund&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            report.equal("nothing fits", len(answer["items"]), 0)
            cursor = answer.get("next_cursor")
            longest = max(longest, spent)
            pages += 1
        report.check("a filter that fits nothing ends", cursor is None, f"{pages} pages")
        report.check("and holds up nobody", longest < 500, f"{longest:.1f} ms in {pages} pages")
        report.equal("exit status", server.stop(), 0)
