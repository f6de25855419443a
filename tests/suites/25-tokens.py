#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""JSON Web Tokens with a real server: what opens the door, what must not, rotation of keys in a
file and behind an address, and what configurations are refused."""

import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib")]

import florin  # noqa: E402
import tokens  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

ISSUER = "https://id.example"


def issuer(keys, **more):
    return {"issuer": ISSUER, "audience": "florin", "keys": keys, "role_claim": "groups",
            "roles": {"wallet-admin": "admin", "wallet-till": "service", "reader": "auditor",
                      "buyer": "customer"}, "owner_claim": "shop", **more}


def what_opens(report, server, keys):
    good = tokens.claims(ISSUER, groups="wallet-till")
    with server.client() as client:
        wallet = client.post("/v1/wallets", {"owner": "ann", "currency": "USD"})["id"]
    deposit = {"wallet": wallet, "amount": 5}
    for key in keys:
        with server.client(key.token(good)) as client:
            made = client.post("/v1/deposits", {**deposit, "bank_transaction_id": key.kid}, key="k")
            report.equal(f"{key.algorithm}: a payment", made.status,
                         201 if key is keys[0] else 422, made)
            if key is keys[0]:
                report.equal("the principal is issuer and subject", made["initiated_by"],
                             f"jwt:{ISSUER}|ann")
            answer = client.get(f"/v1/wallets/{wallet}")
            report.equal(f"{key.algorithm}: a read", answer.status, 200, answer)
            report.equal(f"{key.algorithm}: its role ends somewhere",
                         client.get("/v1/keys").status, 403)
    # Another token of the same subject is the same principal, another subject is not, and neither
    # is an API key.
    again = {**deposit, "bank_transaction_id": keys[0].kid}
    with server.client(keys[1].token({**good, "jti": "2"})) as client:
        answer = client.post("/v1/deposits", again, key="k")
        report.equal("a retry with another token", answer.headers.get("idempotent-replayed"),
                     "true", answer)
    with server.client(keys[1].token({**good, "sub": "bob"})) as client:
        report.equal("a key of another subject", client.post("/v1/deposits", again, key="k").code,
                     "duplicate_bank_transaction")
    with server.client() as client:
        report.equal("a key of an API key", client.post("/v1/deposits", again, key="k").code,
                     "duplicate_bank_transaction")
        found = client.list(f"/v1/transactions?initiated_by=jwt:{ISSUER}%7Cann")
        report.equal("lists can be asked for it", len(found), 1)
    for name, more, status in [
            ("an audience among several", {"aud": ["other", "florin"]}, 200),
            ("groups as a list", {"groups": ["nobody", "reader"]}, 200),
            ("groups as a scope", {"groups": "openid reader"}, 200),
            ("an audience twice in its list", {"aud": ["florin", "florin"]}, 200),
            ("no nbf, no iat", {"nbf": None, "iat": None}, 200),
            ("issued in the future", {"iat": int(time.time()) + 3600}, 200),
            ("expired within the leeway", {"exp": int(time.time()) - 5}, 200),
            ("valid soon, within the leeway", {"nbf": int(time.time()) + 5}, 200)]:
        token = keys[1].token(tokens.claims(ISSUER, **{"groups": "reader", **more}))
        with server.client(token) as client:
            answer = client.get("/v1/wallets")
            report.equal(name, answer.status, status, answer)
    with server.client(keys[1].token(good, {"typ": "at+jwt"})) as client:
        report.equal("another typ", client.get("/v1/wallets").status, 200)
    with server.client(another_of(keys[1].token(good))) as client:
        answer = client.post("/v1/deposits", again, key="k")
        report.equal("whoever turns a signature around is nobody else",
                     (answer.status, answer.headers.get("idempotent-replayed")), (201, "true"),
                     answer)
    for size, status in [(tokens.BYTES_MAX, 200), (tokens.BYTES_MAX + 1, 401)]:
        with server.client(of_size(keys[1], size)) as client:
            report.equal(f"a token of {size} bytes", client.get("/v1/wallets").status, status)
    bound_ones(report, server, keys[1], wallet)
    only = keys[2].token(good, {"kid": None})
    with server.client(only) as client:
        report.equal("no kid, and one key that fits", client.get("/v1/wallets").status, 200)


def another_of(token):
    """The other ES256 signature that fits: with n - s in place of s."""
    head, body, signature = token.split(".")
    raw = tokens.decode(signature)
    other = tokens.P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{head}.{body}.{tokens.encode(raw[:32] + other.to_bytes(32, 'big'))}"


def of_size(key, size):
    """A good token of just so many bytes."""
    for fill in range(size):
        claims = tokens.claims(ISSUER, groups="reader", x="y" * (size * 3 // 4 - 400 + fill))
        token = key.token(claims)
        # Three bytes are four characters: what is missing is found in the header.
        for more in range(4):
            if len(token) == size:
                return token
            token = key.token(claims, {"x": "y" * more})
    raise AssertionError(f"no token has {size} bytes")


def bound_ones(report, server, key, wallet):
    """A token of a bound role sees what its owner's claim names, and nothing else."""
    with server.client() as client:
        foreign = client.post("/v1/wallets", {"owner": "bob", "currency": "USD"})["id"]
    with server.client(key.token(tokens.claims(ISSUER, groups="buyer", shop="ann"))) as client:
        report.equal("its own wallet", client.get(f"/v1/wallets/{wallet}").status, 200)
        report.equal("a foreign one looks missing", client.get(f"/v1/wallets/{foreign}").status,
                     404)
        report.equal("lists have its own", [item["id"] for item in client.list("/v1/wallets")],
                     [wallet])
        answer = client.post("/v1/transfers", {"from": foreign, "to": wallet, "amount": 1})
        report.equal("nobody else's money", answer.status, 404, answer)
    with server.client(key.token(tokens.claims(ISSUER, groups="buyer"))) as client:
        report.equal("without an owner nothing", client.get("/v1/wallets").status, 403)


def forged(keys, stranger):
    """(name, token) of what must not open."""
    rsa, curve, edwards = keys
    good = tokens.claims(ISSUER, groups="wallet-admin")
    now = int(time.time())
    text = f"{tokens.encode({'alg': 'HS256', 'kid': rsa.kid})}.{tokens.encode(good)}"
    for name, secret in [("the public key as a secret", rsa.public()),
                         ("the modulus as a secret", tokens.decode(rsa.jwk()["n"]))]:
        mac = hmac.new(secret, text.encode(), hashlib.sha256).digest()
        yield name, f"{text}.{tokens.encode(mac)}"
    for algorithm in ["none", "None", "NONE", "", "HS256", "RS512", "PS256", "rs256", "ES384",
                      "ES256K", "ES256 ", ["ES256"], 1, None]:
        yield f"alg {algorithm}", rsa.token(good, {"alg": algorithm})
    unsigned = f"{tokens.encode({'alg': 'none'})}.{tokens.encode(good)}"
    yield "none without a signature", unsigned + "."
    yield "two parts", unsigned
    yield "four parts", rsa.token(good) + ".AAAA"
    yield "another algorithm than the key's", rsa.token(good, {"kid": curve.kid})
    yield "a curve for an RSA key", curve.token(good, {"alg": "RS256"})
    yield "EdDSA with a P-256 key", curve.token(good, {"alg": "EdDSA"})
    yield "a stranger's signature", stranger.token(good, {"kid": curve.kid})
    yield "a stranger's key in the header", stranger.token(
        good, {"kid": curve.kid, "jwk": stranger.jwk()})
    yield "a stranger's key behind jku", stranger.token(
        good, {"kid": curve.kid, "jku": "http://127.0.0.1:1/keys"})
    for crit in (["b64"], [], "b64", {}, ["exp"]):
        yield f"crit {crit}", rsa.token(good, {"crit": crit, "b64": False})
    yield "a kid that is a number", rsa.token(good, {"kid": 1})
    yield "a kid that is a list", rsa.token(good, {"kid": [rsa.kid]})
    yield "a kid beyond all keys'", rsa.token(good, {"kid": "k" * 1000})
    yield "a token in a token", curve.token(curve.token(good), {"cty": "JWT"})
    yield "a token in a token, as a text", curve.token(json.dumps(curve.token(good)),
                                                       {"cty": "JWT"})
    yield "encrypted", ".".join([tokens.encode({"alg": "RSA-OAEP", "enc": "A256GCM"}),
                                 *[tokens.encode(b"a" * 32)] * 4])
    yield "with its claims left out", rsa.token(good).split(".")[0] + ".." + \
        rsa.token(good).split(".")[2]
    head, body, signature = curve.token(good).split(".")
    yield "other claims", ".".join([head, tokens.encode({**good, "sub": "eve"}), signature])
    yield "no signature", ".".join([head, body, ""])
    yield "a signature of zeros", ".".join([head, body, tokens.encode(bytes(64))])
    yield "a short signature", ".".join([head, body, signature[:-4]])
    for name, wrong in wrong_signatures(curve, edwards, rsa, good):
        yield name, wrong
    yield "a padded part", ".".join([head, body, signature + "=="])
    yield "stray bits", ".".join([head, body, signature[:-1] + ("B" if signature[-1] == "A"
                                                                else chr(ord(signature[-1]) + 1))])
    yield from odd_claims(curve, now)
    yield from odd_json(curve, good)


def odd_claims(curve, now):
    for name, more in [("expired", {"exp": now - 60}), ("not valid yet", {"nbf": now + 60}),
                       ("not valid yet, as a text", {"nbf": str(now - 60)}),
                       ("expired just beyond the leeway", {"exp": now - 31}),
                       ("no exp", {"exp": None}), ("exp as a text", {"exp": str(now + 60)}),
                       ("exp with a fraction", {"exp": now + 60.5}), ("exp below 1", {"exp": -1}),
                       ("exp beyond all years", {"exp": 2**62}),
                       ("another audience", {"aud": "other"}), ("no audience", {"aud": None}),
                       ("no audience in its list", {"aud": []}),
                       ("an audience in a list of lists", {"aud": [["florin"]]}),
                       ("an audience with a name", {"aud": {"florin": "florin"}}),
                       ("audiences in one text", {"aud": "florin other"}),
                       ("the beginning of the audience", {"aud": "flori"}),
                       ("an audience that goes on", {"aud": "florin2"}),
                       ("an audience in capitals", {"aud": "Florin"}),
                       ("issuers in a list", {"iss": [ISSUER]}),
                       ("a subject that is a number", {"sub": 7}),
                       ("another issuer", {"iss": "https://evil.example"}),
                       ("an issuer with a tail", {"iss": ISSUER + "/"}),
                       ("no issuer", {"iss": None}),
                       ("no subject", {"sub": None}), ("an empty subject", {"sub": ""}),
                       ("a subject with a line", {"sub": "ann\nX-Admin: 1"}),
                       ("a subject beyond a principal", {"sub": "a" * 255}),
                       ("no role", {"groups": "guests"}), ("no groups", {"groups": None})]:
        yield name, curve.token(tokens.claims(ISSUER, **{"groups": "reader", **more}))


def odd_json(curve, good):
    """Whatever can be understood in two ways."""
    twice = json.dumps(good)[:-1]
    yield "sub twice", curve.token(twice + ', "sub": "eve"}')
    yield "groups twice", curve.token(twice + ', "groups": "reader"}')
    for name in ("iss", "exp", "nbf", "shop"):
        again = json.dumps({name: {**good, "shop": "ann"}[name]})[1:-1]
        yield f"{name} twice", curve.token(
            json.dumps({**good, "shop": "ann"})[:-1] + f", {again}}}")
    yield "sub twice, once escaped", curve.token(twice + ', "\\u0073ub": "eve"}')
    yield "kid twice", curve.token(good, '{"alg": "ES256", "kid": "curve", "kid": "curve"}')
    yield "aud twice", curve.token(twice + ', "aud": "florin"}')
    yield "alg twice", curve.token(good, '{"alg": "none", "alg": "ES256", "kid": "curve"}')
    yield "claims that are a list", curve.token([good])
    yield "claims that are no JSON", curve.token("{")
    yield "claims behind claims", curve.token(json.dumps(good) + "{}")
    yield "deep claims", curve.token(twice + ', "x": ' + "[" * 500 + "]" * 500 + "}")


def wrong_signatures(curve, edwards, rsa, good):
    """Signatures in shapes that some libraries take, or that are the sum of a good one and
    nothing."""
    text = curve.token(good).rsplit(".", 1)[0]
    raw = curve.sign(text.encode())
    r, s, order = raw[:32], raw[32:], tokens.P256_ORDER.to_bytes(32, "big")
    yield "a signature in ASN.1", f"{text}.{tokens.encode(curve.sign_der(text.encode()))}"
    for name, wrong in [("r is 0", bytes(32) + s), ("s is 0", r + bytes(32)),
                        ("r is the order", order + s), ("s is the order", r + order),
                        ("r and s changed places", s + r), ("something behind", raw + b"\0"),
                        ("something in front", b"\0" + raw), ("r twice", r + r)]:
        yield f"ES256: {name}", f"{text}.{tokens.encode(wrong)}"
    text = edwards.token(good).rsplit(".", 1)[0]
    raw = edwards.sign(text.encode())
    more = int.from_bytes(raw[32:], "little") + tokens.ED25519_ORDER
    for name, wrong in [("s and the order", raw[:32] + more.to_bytes(32, "little")),
                        ("s is 0", raw[:32] + bytes(32)),
                        ("the neutral point", b"\1" + bytes(63)), ("half of it", raw[:32])]:
        yield f"EdDSA: {name}", f"{text}.{tokens.encode(wrong)}"
    text = rsa.token(good).rsplit(".", 1)[0]
    raw = rsa.sign(text.encode())
    modulus = int.from_bytes(tokens.decode(rsa.jwk()["n"]), "big")
    more = int.from_bytes(raw, "big") + modulus
    for name, wrong in [("a zero in front", b"\0" + raw), ("0", bytes(256)),
                        ("1", bytes(255) + b"\1"), ("-1", (modulus - 1).to_bytes(256, "big")),
                        ("itself and the modulus", more.to_bytes(257, "big"))]:
        yield f"RS256: {name}", f"{text}.{tokens.encode(wrong)}"


def what_does_not_open(report, server, keys, stranger):
    with server.client("nothing") as client:
        path = stranger.token(tokens.claims(ISSUER, groups="reader"), {"kid": "../../dev/null"})

        def status():
            return client.get("/v1/wallets", headers={"Authorization": f"Bearer {path}"}).status

        report.equal("a kid that is a path is looked for", status(), 503)
        report.check("and is not there soon", within(120, lambda: status() == 401))
        report.equal("it is looked for once", status(), 401)
        for name, token in forged(keys, stranger):
            answer = client.get("/v1/wallets", headers={"Authorization": f"Bearer {token}"})
            report.equal(f"forged: {name}", (answer.status, answer.code),
                         (401, "unauthenticated"), answer)
            report.check(f"forged: {name}: says how to come in",
                         answer.headers.get("www-authenticate", "").startswith("Bearer"))
        long_one = keys[1].token(tokens.claims(ISSUER, groups="reader", x="y" * 7000))
        report.check("a token beyond the limit",
                     client.get("/v1/wallets", headers={"Authorization": f"Bearer {long_one}"})
                     .status in (401, 413, 431))
        huge = "a" * 200_000 + ".b.c"
        report.check("one beyond all limits",
                     client.get("/v1/wallets", headers={"Authorization": f"Bearer {huge}"})
                     .status in (413, 431))
        report.equal("and the server lives", client.get("/healthz").status, 200)
        good = keys[1].token(tokens.claims(ISSUER, groups="reader"))
        for name, header in [("two tokens", f"Bearer {good}, Bearer {good}"),
                             ("a token and a word", f"Bearer {good} admin"),
                             ("another scheme", f"DPoP {good}"), ("no scheme", good)]:
            report.equal(name, client.get("/v1/wallets", headers={"Authorization": header}).status,
                         401)
    page = metrics(server)
    report.check("refused ones are counted", page["florin_tokens_refused_total"] >= 40, page)
    report.check("and those remembered", page["florin_tokens_remembered_total"] >= 2, page)


def metrics(server):
    with server.client() as client:
        lines = client.get("/metrics").body.decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in lines if line.startswith("florin_token")}


def rotation_of_a_file(report, server, path, keys, stranger):
    good = tokens.claims(ISSUER, groups="reader")
    old, new = keys[1].token(good), stranger.token(good)
    with server.client(old) as before, server.client(new) as after:
        report.equal("before: the old key", before.get("/v1/wallets").status, 200)
        tokens.write_set(path, [stranger])
        report.check("the new key opens",
                     within(120, lambda: after.get("/v1/wallets").status == 200))
        report.equal("the old one does not, however often it did",
                     before.get("/v1/wallets").status, 401)
        with open(path, "w", encoding="utf-8") as file:
            file.write("{")
        report.check("a broken file is told", within(120, lambda: "cannot be read" in server.log()))
        report.equal("and changes nothing", after.get("/v1/wallets").status, 200)
        tokens.write_set(path, [keys[1], stranger])
        report.check("a mended one is taken",
                     within(120, lambda: before.get("/v1/wallets").status == 200))


class Issuing(http.server.BaseHTTPRequestHandler):
    """An issuer's address; the server holds what it says and counts."""
    def do_GET(self):  # noqa: N802
        self.server.asked += 1
        body = json.dumps({"keys": [key.jwk() for key in self.server.keys]}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def an_address(report, binary, keys, stranger):
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuing)
    site.asked, site.status, site.keys = 0, 200, [keys[0]]
    threading.Thread(target=site.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{site.server_port}/keys"
    good = tokens.claims(ISSUER, groups="reader")
    config = {"tokens": [issuer(address)],
              "rate_limits": [{"per": "address", "requests": 1, "seconds": 3600, "burst": 40}]}
    with florin.serving(florin=binary, config=config) as server:
        with server.client(keys[0].token(good)) as client:
            report.equal("keys of an address", client.get("/v1/wallets").status, 200)
            report.equal("asked once", site.asked, 1)
            site.keys = [stranger]
            fresh = {"Authorization": f"Bearer {stranger.token(good)}"}
            answer = client.get("/v1/wallets", headers=fresh)
            report.equal("an unknown key is fetched", (answer.status, answer.code),
                         (503, "busy"), answer)
            report.equal("try again soon", answer.headers.get("retry-after"), "1")
            report.check("and is known soon",
                         within(120, lambda: client.get("/v1/wallets",
                                                        headers=fresh).status == 200))
            asked = site.asked
            codes = {client.get("/v1/wallets", headers={"Authorization": "Bearer " + stranger.token(
                good, {"kid": f"unknown-{i}"})}).status for i in range(10)}
            report.equal("unknown keys are asked for once", (codes, site.asked - asked),
                         ({401}, 0))
            site.status = 500
            report.equal("an issuer that fails takes nothing away",
                         client.get("/v1/wallets", headers=fresh).status, 200)
            codes = [client.get("/v1/wallets", headers={"Authorization": "Bearer " + fresh[
                "Authorization"][7:-4] + "AAAA"}).status for _ in range(60)]
            report.check("forgeries are slowed", codes[-1] == 429 and codes[0] != 429, codes)
            report.equal("and known tokens not",
                         client.get("/v1/wallets", headers=fresh).status, 200)
    site.shutdown()


def what_is_refused(report, binary, path):
    cases = [
        ("no such file", [issuer("/nowhere/keys.json")], "cannot be read"),
        ("plain http elsewhere", [issuer("http://id.example/keys")], "must be https://"),
        ("no such role", [issuer(path, role="king")], "there is no role"),
        ("no audience", [{"issuer": ISSUER, "keys": path, "role": "auditor"}], "audience"),
        ("no role at all", [{"issuer": ISSUER, "audience": "a", "keys": path}], "needs a role"),
        ("HS256", [issuer(path, algorithms=["HS256"])], "RS256, ES256 and EdDSA"),
        ("none", [issuer(path, algorithms=["none"])], "RS256, ES256 and EdDSA"),
        ("no algorithms", [issuer(path, algorithms=[])], "RS256, ES256 and EdDSA"),
        ("an issuer twice", [issuer(path), issuer(path)], "earlier one"),
        ("an unknown member", [issuer(path, skew=1)], "knows only"),
        ("a bar in the issuer", [{**issuer(path), "issuer": "a|b"}], "without |"),
        ("too much leeway", [issuer(path, leeway_s=3600)], "0 to 300"),
    ]
    for name, setting, says in cases:
        server = florin.Server(florin=binary, config={"tokens": setting})
        refused = server.refused()
        report.check(f"refused: {name}", refused is not None and refused[0] != 0
                     and says in refused[1], refused)


def main():
    report = Report("tokens")
    florin.filter_calls()
    binary = florin.binary()
    home = florin.folder()
    path = os.path.join(home, "keys.json")
    keys = [tokens.Key(home, "RS256", "rsa"), tokens.Key(home, "ES256", "curve"),
            tokens.Key(home, "EdDSA", "edwards")]
    stranger = tokens.Key(home, "ES256", "stranger")
    tokens.write_set(path, [*keys, {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
                            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"}])
    with florin.serving(florin=binary, config={"tokens": [issuer(path)]}) as server:
        what_opens(report, server, keys)
        what_does_not_open(report, server, keys, stranger)
        rotation_of_a_file(report, server, path, keys, stranger)
    an_address(report, binary, keys, stranger)
    what_is_refused(report, binary, path)
    report.finish()


if __name__ == "__main__":
    main()
