# SPDX-License-Identifier: MIT
"""What a person decides about the queue over HTTP, and sends again when he is not sure."""

import shop as shops


def over_http(report, shop, client, name, offset):
    """A record is sent off, by those alone who may, and the audit knows who and why."""
    body = {"record": offset, "reason": "nobody knows it"}
    for role, reads in (("service", 403), ("support", 403), ("auditor", 200)):
        secret = client.post("/v1/keys", {"name": role, "role": role})["secret"]
        with shop.server.client(secret) as other:
            report.equal(f"{role} looks", other.get("/v1/queue").status, reads)
            report.equal(f"{role} looks at letters", other.get("/v1/dead-letters").status, reads)
            report.equal(f"{role} decides nothing",
                         [other.post(path, body).code for path in (
                             f"/v1/queue/{name}/skip", f"/v1/queue/{name}/reset",
                             "/v1/dead-letters/0-0/retry")], ["forbidden"] * 3)
    report.equal("no such partition",
                 [client.post(f"/v1/queue/{other}/skip", body).code
                  for other in (f"{shop.topic}-9", "nowhere-1", "x")], ["not_found"] * 3)
    later = client.post(f"/v1/queue/{name}/skip", {**body, "record": offset + 1})
    report.check("what is behind it is not sent off first", later.code == "invalid_request" and
                 "comes first" in str(later.json), later)
    report.equal("a reason is needed", client.post(f"/v1/queue/{name}/skip",
                                                   {"record": offset}).code, "invalid_request")
    report.equal("no such place", client.post(f"/v1/queue/{name}/reset", {
        "to": "99", "reason": "x"}).code, "invalid_request")
    done = client.post(f"/v1/queue/{name}/skip", body, key="sent off")
    report.equal("sent off", (done.status, done.json, done.replayed),
                 (200, {"id": name, "next": offset}, False))
    done = client.post(f"/v1/queue/{name}/skip", body, key="sent off")
    report.equal("and under its key it is said again", (done.status, done.json, done.replayed),
                 (200, {"id": name, "next": offset}, True))
    report.equal("by one letter", len(client.get("/v1/dead-letters")["items"]), 1)
    report.equal("another reason is another request", client.post(
        f"/v1/queue/{name}/skip", {**body, "reason": "x"}, key="sent off").code,
        "idempotency_key_reused")
    report.equal("without a key it is passed already", client.post(
        f"/v1/queue/{name}/skip", body).code, "invalid_request")
    letter = client.get("/v1/dead-letters")["items"][0]
    report.check("its letter", letter["offset"] == str(offset) and letter["topic"] == shop.topic and
                 "nobody knows it" in letter["reason"] and "n1" in letter["value"], letter)
    me = client.get("/v1/me")["id"]
    shop.wait_for(lambda: sorted(
        (one["outcome"], one.get("replayed", False)) for one in client.get(
            "/v1/audit?operation=skipRecord&outcome=ok")["items"]) ==
        [("ok", False), ("ok", True)], what="the decision and its repetition in the audit")
    moved = [entry for entry in client.get("/v1/audit?operation=cursor_reset")["items"]
             if entry.get("request_id") == "nobody knows it"]
    report.equal("by whom and why", {(entry["principal"], entry["role"]) for entry in moved},
                 {(me, "admin")})


def passed_over_once(report, shop, partitions, ann, bob):
    """Who sends a reset to the end again under its key passes over nothing that has come since."""
    name = f"{shop.topic}-{shops.partition_of(str(shops.slot_of(ann)).encode(), partitions)}"
    body = {"to": "end", "reason": "what was before is known"}
    with shop.client() as client:
        said = []

        def reset():
            said.append(client.post(f"/v1/queue/{name}/reset", body, key="to the end"))
            return said[-1].status != 503
        shop.wait_for(reset, what="the places to be moved")
        first = said[-1]
        report.equal("to the end", (first.status, first.replayed), (200, False))
        third = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 4})
        report.equal("what comes behind is done", shop.outcome(third["id"])["status"], "done")
        shop.wait_for(reset, what="an answer")
        again = said[-1]
        report.equal("again: as it was answered", (again.status, again.json, again.replayed),
                     (200, first.json, True))
        here = next(one for one in client.get("/v1/queue")["partitions"] if one["id"] == name)
        report.equal("again: nothing is passed over, and nothing done twice",
                     (here["last"] > first["next"], shop.balance(bob)), (True, 7))
        report.equal("again: another place is another request", client.post(
            f"/v1/queue/{name}/reset", {**body, "to": "beginning"}, key="to the end").code,
            "idempotency_key_reused")
