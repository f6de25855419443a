# SPDX-License-Identifier: MIT
"""Keys and JSON Web Tokens for the tests, signed by the openssl command, which shares nothing with
what checks them but the mathematics."""

import base64
import json
import os
import subprocess
import time

BYTES_MAX = 8192  # TOKEN_BYTES_MAX of src/access/token.h
P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
KINDS = {"RS256": ("RSA", ["-pkeyopt", "rsa_keygen_bits:2048"]),
         "ES256": ("EC", ["-pkeyopt", "ec_paramgen_curve:P-256"]),
         "EdDSA": ("ED25519", [])}


def encode(data):
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def raw_signature(der):
    """r and s of an ECDSA signature in ASN.1, side by side."""
    numbers, place = [], 2
    for _ in range(2):
        size = der[place + 1]
        numbers.append(int.from_bytes(der[place + 2:place + 2 + size], "big"))
        place += 2 + size
    return b"".join(number.to_bytes(32, "big") for number in numbers)


class Key:
    """A private key in a file, and how it signs."""
    def __init__(self, folder, algorithm, kid):
        self.algorithm, self.kid = algorithm, kid
        self.path = os.path.join(folder, f"{kid}.pem")
        kind, options = KINDS[algorithm]
        openssl("genpkey", "-algorithm", kind, *options, "-out", self.path)

    def public(self):
        return openssl("pkey", "-in", self.path, "-pubout")

    def jwk(self):
        der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        jwk = {"kid": self.kid, "alg": self.algorithm, "use": "sig"}
        if self.algorithm == "ES256":
            return {**jwk, "kty": "EC", "crv": "P-256", "x": encode(der[-64:-32]),
                    "y": encode(der[-32:])}
        if self.algorithm == "EdDSA":
            return {**jwk, "kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:])}
        text = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode()
        return {**jwk, "kty": "RSA", "e": "AQAB", "n": encode(bytes.fromhex(text.split("=")[1]))}

    def sign(self, text):
        if self.algorithm == "EdDSA":
            scratch = self.path + ".text"
            with open(scratch, "wb") as file:
                file.write(text)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", scratch)
        signature = self.sign_der(text)
        return raw_signature(signature) if self.algorithm == "ES256" else signature

    def sign_der(self, text):
        return openssl("dgst", "-sha256", "-sign", self.path, data=text)

    def token(self, claims, header=None):
        """`claims` and `header` are objects, or texts to be taken as they are; None leaves a
        member of the header out."""
        if header is None or isinstance(header, dict):
            header = {"alg": self.algorithm, "kid": self.kid, **(header or {})}
            header = {name: value for name, value in header.items() if value is not None}
        text = f"{encode(header)}.{encode(claims)}"
        return f"{text}.{encode(self.sign(text.encode()))}"


def claims(issuer, **more):
    """What a good token says; None leaves a claim out."""
    now = int(time.time())
    whole = {"iss": issuer, "aud": "florin", "sub": "ann", "iat": now, "nbf": now,
             "exp": now + 3600, **more}
    return {name: value for name, value in whole.items() if value is not None}


def write_set(path, keys):
    """Puts a key set in place at once, as an issuer would."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"keys": [key if isinstance(key, dict) else key.jwk() for key in keys]}, file)
    os.replace(path + ".new", path)
