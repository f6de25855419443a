# SPDX-License-Identifier: MIT
"""Names in the audit, roles of the configuration and principals of tokens, and how long its entries
are answered. What is old was written by a server whose calendar is three days behind."""

import os
import subprocess
import time

import florin
import tokens

ISSUER = "https://id.example/" + "realms/" * 10
SUBJECT = "ann-" + "0123456789" * 12
NAME = f"jwt:{ISSUER}|{SUBJECT}"
ROLES = {"teller": {"number": 16, "permissions": ["wallets:read", "wallets:open"]}}


def clock_shim(folder):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock_shim.c")
    library = os.path.join(folder, "clock_shim.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True,
                   timeout=120)
    return library


def entries(client, wanted, query=""):
    """The audit's entries once `wanted` of them has come to be true; the last ones otherwise."""
    deadline = time.monotonic() + 30
    while True:
        found = list(client.list("/v1/audit?limit=100" + query))
        if wanted(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def has(found, **members):
    return any(all(e.get(name) == value for name, value in members.items()) for e in found)


def act(server, token):
    """A teller and a token's holder each read something, and are refused something."""
    teller = server.key("teller")
    with server.client(teller["secret"]) as client:
        opened = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"})
        client.get("/v1/wallets")
        client.get("/v1/keys")
    with server.client(token) as client:
        client.get("/v1/wallets")
        client.get("/v1/audit")
    return teller["id"], opened["id"]


def compare(report, found, teller, wallet, when, role="teller"):
    for operation, outcome in (("openWallet", "ok"), ("listWallets", "ok"),
                               ("listKeys", "forbidden")):
        report.check(f"{when}: {operation} of the teller",
                     has(found, principal=teller, role=role, operation=operation,
                         outcome=outcome), found)
    report.check(f"{when}: the wallet", has(found, operation="openWallet", resource=wallet))
    for operation, outcome in (("listWallets", "ok"), ("listAudit", "forbidden")):
        report.check(f"{when}: {operation} of the token's holder",
                     has(found, principal=NAME, role="support", operation=operation,
                         outcome=outcome), found)


def check(report, binary):
    home = florin.folder()
    key = tokens.Key(home, "ES256", "k1")
    tokens.write_set(os.path.join(home, "keys.json"), [key])
    token = key.token(tokens.claims(ISSUER, sub=SUBJECT, nbf=None, iat=None))
    config = {"audit_window_s": 1, "roles": ROLES,
              "tokens": [{"issuer": ISSUER, "audience": "florin", "role": "support",
                          "keys": os.path.join(home, "keys.json")}]}
    behind = {"LD_PRELOAD": clock_shim(home)}
    with florin.serving(florin=binary, config=config, environment=behind) as server:
        teller, wallet = act(server, token)
        with server.client() as client:
            old = entries(client, lambda found: has(found, principal=NAME, outcome="forbidden"))
        compare(report, old, teller, wallet, "three days ago")
        server.environment = {}
        server.restart()
        with server.client() as client:
            compare(report, entries(client, bool), teller, wallet, "afterwards")
        server.config = {**config, "audit_retention_days": 2}
        server.restart()
        today, _ = act(server, token)
        # A record has the time of its engine, which on PostgreSQL is that of the database.
        limit = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 * 2))

        def old_one(entry):
            return entry["at"] < limit
        report.check("there is something old", any(old_one(e) for e in old), old)
        with server.client() as client:
            def written(found):
                return has(found, principal=NAME, outcome="forbidden") and has(
                    found, principal=today, operation="listKeys")
            kept = entries(client, written)
            compare(report, kept, today, _, "today")
            report.check("what is too old is not answered",
                         not any(old_one(e) for e in kept), kept)
            for query in ("&from=2020-01-01", f"&principal={teller}", f"&resource={wallet}",
                          "&from=2020-01-01&to=" + time.strftime("%Y-%m-%d", time.gmtime(
                              time.time() - 86400 * 2))):
                found = list(client.list("/v1/audit?limit=1" + query))
                report.check(f"nor with {query}", not any(old_one(e) for e in found), found)
            report.equal("its wallet is there", client.get(f"/v1/wallets/{wallet}").status, 200)
            report.check("and the books agree",
                         florin.integrity_problem(client.get("/check-integrity")) is None)
        server.config = {**config, "roles": {}}
        server.restart()
        with server.client() as client:
            again = entries(client, bool)
            compare(report, again, teller, wallet, "kept for ever again", role="custom")
        report.equal("exit status", server.stop(), 0)
        if not os.environ.get("FLORIN_SERVE"):
            verified = server.verify()
            report.equal("florin verify", verified.returncode, 0, verified.stdout)
