#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encrypted texts on the embedded engine."""

import os
import shutil
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "crash", "encryption")]

import florin  # noqa: E402
import sealed  # noqa: E402


def at_rest(server):
    """All bytes of the data folder; journals are long and mostly empty."""
    found = []
    for folder, _, names in os.walk(server.data):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                while block := file.read(1 << 20):
                    found.append(block.rstrip(b"\0"))
    return b"".join(found)


def backup(server):
    copy = florin.Server(florin=server.florin, config=server.config)
    shutil.copytree(server.data, copy.data)
    os.chmod(copy.data, 0o700)
    return copy


def lost_keys(report, server, _):
    """Without its file of data keys, or with an older one, the server does not go on as if nothing
    had been lost: an operator puts it back, or says that those texts are given up."""
    ann = sealed.Life(server, "ann")
    server.stop()
    path, aside = os.path.join(server.data, "data_keys"), os.path.join(server.home, "aside")
    shutil.copy(path, aside)
    with_key, plain = server.config, {}
    server.start()
    bob = sealed.Life(server, "bob")
    newest = os.path.join(server.home, "newest")
    for how in ("after a stop", "after a crash"):  # a checkpoint tells, or the journal
        if how == "after a crash":
            server.start()
            with server.client() as client:
                report.equal("put back: nothing is missing", (ann.read(client), bob.read(client)),
                             (ann.told, bob.told))
                client.post("/v1/wallets", {"owner": "eve", "currency": "USD",
                                            "metadata": {"note": sealed.text("eve")}})
            server.kill()
        else:
            server.stop()
        shutil.copy(path, newest)
        os.remove(path)
        for name, config in (("gone", with_key), ("gone, without a master key", plain)):
            server.config = config
            told = (server.refused() or (0, "it runs"))[1]
            report.check(f"{how}, {name}: refused with a sentence",
                         "data_keys is gone or older" in told and "accepted" in told, told)
        report.check("a refusal makes no new one", not os.path.exists(path))
        server.config = with_key
        shutil.copy(aside, path)
        told = (server.refused() or (0, "it runs"))[1]
        report.check(f"{how}, an older one: refused", "older than the books" in told, told)
        made = server.command_line("keys", "create", "--data", server.data, "--name", how)
        report.equal("a key can be made meanwhile", made.returncode, 0, made.stderr)
        told = (server.refused() or (0, "it runs"))[1]
        report.check("which changes nothing", "older than the books" in told, told)
        shutil.copy(newest, path)
    os.remove(path)
    server.environment["FLORIN_LOST_TEXTS"] = "accepted"
    server.start()
    del server.environment["FLORIN_LOST_TEXTS"]
    server.restart()
    with server.client() as client:
        report.equal("given up: all else is there", ann.read(client),
                     {place: sealed.without_texts(told) for place, told in ann.told.items()})
        made = client.post("/v1/deposits", {"wallet": ann.wallet, "amount": 1, "reference":
                                            sealed.text("new"), "bank_transaction_id": "new"})
        report.equal("and new texts are kept", client.get(f"/v1/transactions/{made['id']}")
                     .get("reference"), sealed.text("new"))


if __name__ == "__main__":
    sealed.run_all("encryption", florin.binary(), at_rest, backup,
                   (("lost keys", lost_keys),))
