# SPDX-License-Identifier: MIT
"""Damage to a cold data folder: every flipped bit of what was acknowledged is noticed, by the
server at its start and by `florin verify`; a torn tail, which a crash leaves, is no damage and is
cut with a logged line.
"""

import glob
import os
import random
import re
import struct

import florin
from forge import BLOCK, TRANSACTION, TRANSFER, Forger, Head
from shop import Books, Shop, Worker

REFERENCE = "a-reference-that-can-be-found"


class Folder:
    """A data folder with a day's payments, made once; each test works on a copy of it."""
    def __init__(self, binary, clean):
        self.binary = binary
        server = florin.Server(florin=binary)
        server.start()
        shop = Shop(server, 6, 2)
        self.wallet = shop.customers[0]
        with server.client() as client:
            for number in range(40):
                answer = client.post(
                    "/v1/transfers", {
                        "from": shop.customers[0], "to": shop.customers[1], "amount": 1,
                        "reference": f"{REFERENCE}-{number}"
                    })
                assert answer.status == 201, answer
        worker = Worker(shop, "w", 1, limit=300)
        worker.start()
        worker.join(60)
        self.secret = server.admin_secret
        with server.client() as client:
            self.books = Books(client)
        if clean:
            assert server.stop() == 0
        else:
            server.kill()
        self.server = server

    def copy(self):
        """A server on a copy of the folder that is not running."""
        server = florin.Server(florin=self.binary)
        # Segments are mostly zeros: `cp --sparse` keeps copies small.
        os.system(f"cp -r --sparse=always '{self.server.data}' '{server.data}'")
        return server

    def journal(self, server):
        """The files that hold the payments: those where their references stand."""
        found = []
        for path in sorted(glob.glob(os.path.join(server.data, "**", "*"), recursive=True)):
            if os.path.isfile(path) and "journal" in os.path.relpath(path, server.data):
                with open(path, "rb") as file:
                    if REFERENCE.encode() in file.read():
                        found.append(path)
        assert found, "no file of the journal holds the payments"
        return found


def refuses(report, name, server, path, verify_too=True):
    """The server says which file is wrong, where, and what was broken; `verify` says no, too."""
    refused = server.refused()
    if refused is None:
        server.kill()
        report.fail(name, "the server started on a damaged journal")
    else:
        status, said = refused
        report.check(f"{name}: exit status", status not in (0, None), f"{status}")
        report.check(f"{name}: names the file", os.path.basename(path) in said, said)
        report.check(f"{name}: names the offset",
                     bool(re.search(r"(offset|byte|position)\D{0,12}\d+", said)), said)
        report.check(f"{name}: names the invariant", bool(re.search(r"\b[JRI]\d+\b|invariant",
                                                                    said)), said)
    if verify_too:
        verified = server.verify()
        report.equal(f"{name}: verify", verified.returncode, 1, verified.stdout + verified.stderr)
        report.check(f"{name}: verify says the difference",
                     len(verified.stdout + verified.stderr) > 20)


def flip(path, offset, bit=1):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


def bit_in_a_payment(report, folder):
    server = folder.copy()
    path = folder.journal(server)[0]
    with open(path, "rb") as file:
        offset = file.read().index(REFERENCE.encode())
    flip(path, offset + 3)
    refuses(report, "a flipped bit in a payment", server, path)
    server.discard()


def bits_anywhere(report, folder):
    """Every byte of the journal counts: header, digests, amounts, texts, padding."""
    dice = random.Random(7)
    original = folder.copy()
    path = folder.journal(original)[0]
    with open(path, "rb") as file:
        content = file.read()
    used = len(content.rstrip(b"\0"))
    places = [offset for offset in range(BLOCK, used - BLOCK) if content[offset] != 0]
    for offset in dice.sample(places, 8):
        bit = 1 << dice.randrange(8)
        flip(path, offset, bit)
        refuses(report, f"bit {bit} at {offset}", original, path)
        flip(path, offset, bit)
    # A byte of the padding behind a round, and one of the segment's header.
    padding = [
        offset for offset in range(2 * BLOCK - 1, used - 2 * BLOCK, BLOCK) if content[offset] == 0
    ]
    if padding:
        offset = dice.choice(padding)
        flip(path, offset)
        refuses(report, f"a bit in the padding at {offset}", original, path)
        flip(path, offset)
    flip(path, 20)
    refuses(report, "a bit in the first block", original, path)
    flip(path, 20)
    server_runs(report, "all bits flipped back", original, folder)
    original.discard()


def server_runs(report, name, server, folder):
    try:
        server.start()
        with server.client(folder.secret) as client:
            books = Books(client)
        report.equal(f"{name}: nothing is lost", [item["id"] for item in books.transactions],
                     [item["id"] for item in folder.books.transactions])
        report.check(f"{name}: sums", not books.wrong(), lambda: "\n".join(books.wrong()[:10]))
        report.equal(f"{name}: exit status", server.stop(), 0)
        verified = server.verify()
        report.equal(f"{name}: verify", verified.returncode, 0, verified.stdout + verified.stderr)
    except florin.NotStarted as error:
        report.fail(name, error)
    finally:
        server.kill()


def cut_and_missing(report, folder):
    """A journal that was cut short or is gone is damage."""
    server = folder.copy()
    path = folder.journal(server)[0]
    with open(path, "rb") as file:
        used = len(file.read().rstrip(b"\0"))
    os.truncate(path, used // 2 // BLOCK * BLOCK)
    refuses(report, "a journal cut in half", server, path)
    os.remove(path)
    refused = server.refused()
    report.check("a journal that is gone", refused is not None,
                 "the server started without its journal")
    server.kill()
    server.discard()


def torn_tail(report, folder):
    """What a crash leaves behind the last round is cut, said, and no damage."""
    dice = random.Random(11)
    server = folder.copy()
    path = folder.journal(server)[-1]
    with open(path, "rb") as file:
        content = file.read()
    end = (len(content.rstrip(b"\0")) + BLOCK - 1) // BLOCK * BLOCK
    # Half of a round: a beginning that looks right, and then nothing.
    with open(path, "r+b") as file:
        file.seek(end)
        file.write(content[BLOCK:BLOCK + 100] + dice.randbytes(300))
    server_runs(report, "a torn tail", server, folder)
    said = server.log()
    report.check("a torn tail is logged", bool(re.search(r"torn|tail|cut", said, re.IGNORECASE)),
                 said)
    server.discard()


def is_transfer(head):
    return head.data[8] == TRANSACTION and head.data[head.facts + 17] == TRANSFER


def adding(*changes):
    """Adds to numbers of a transaction, by where they stand in its facts."""
    def change(head):
        for where, more in changes:
            value, = struct.unpack_from("<q", head.data, head.facts + where)
            struct.pack_into("<q", head.data, head.facts + where, value + more)
    return change


AMOUNT, DEBIT_BALANCE, CREDIT_BALANCE = 32, 40 + 16, 104 + 16


def forged(report, folder):
    """Edits by somebody who makes all checksums right again. The sums of the books tell."""
    for name, chain_too in (("its checksum", False), ("the whole chain", True)):
        server = folder.copy()
        forger = Forger(server.data)
        forger.edit(is_transfer, adding((AMOUNT, 1)))
        if chain_too:
            forger.fix_chain()
        forger.save()
        verified = server.verify()
        report.equal(f"an edited amount with {name} made right: verify", verified.returncode, 1,
                     verified.stdout + verified.stderr)
        server.discard()
    # A transfer that is consistent in itself: amount and both balances.
    server = folder.copy()
    forger = Forger(server.data)
    forger.edit(is_transfer, adding((AMOUNT, 1), (DEBIT_BALANCE, -1), (CREDIT_BALANCE, 1)))
    forger.fix_chain()
    forger.save()
    verified = server.verify()
    report.equal("an edited payment that adds up: verify", verified.returncode, 1,
                 verified.stdout + verified.stderr)
    # What the forger reads of a record is what it says.
    heads = [(Head(data[place:place + size]), data[place:place + size])
             for data, place, size in forger.records()]
    report.check("every record read and written again is the same",
                 len(heads) > 100 and all(head.record() == record for head, record in heads))
    # The forger itself does no harm.
    server = folder.copy()
    forger = Forger(server.data)
    forger.fix_chain()
    forger.save()
    verified = server.verify()
    report.equal("a chain computed again: verify", verified.returncode, 0,
                 verified.stdout + verified.stderr)
    server.discard()


def second_server(report, binary):
    """Two servers never write one set of books."""
    with florin.serving(florin=binary) as first:
        second = florin.Server(florin=binary, data=first.data)
        refused = second.refused(10)
        report.check("a second server refuses", refused is not None)
        second.discard()
        if refused:
            report.check(
                "a second server says why", refused[0] != 0
                and re.search(r"(another|already|use|lock|running)", refused[1]), refused[1])
        with first.client() as client:
            report.equal("the first goes on", client.get("/v1/wallets").status, 200)
        mode = os.stat(os.path.join(first.data, "admin.key")).st_mode & 0o777
        report.equal("admin.key is nobody else's", oct(mode), "0o600")
        with open(os.path.join(first.data, "admin.key"), encoding="utf-8") as file:
            secret = file.read().strip()
        report.check("the admin key is told on the first start", secret in first.log(), first.log())
        # Secrets are stored only as hashes.
        key = first.key("service")["secret"]
        first.stop()
        leaks = []
        for path in glob.glob(os.path.join(first.data, "**", "*"), recursive=True):
            if os.path.isfile(path) and not path.endswith("admin.key"):
                with open(path, "rb") as file:
                    content = file.read()
                if key.encode() in content or secret.encode() in content:
                    leaks.append(path)
        report.check("secrets lie nowhere", not leaks, f"{leaks}")


def all_damage(report, binary):
    clean = Folder(binary, clean=True)
    crashed = Folder(binary, clean=False)
    report.run("a flipped bit in a payment", bit_in_a_payment, clean)
    report.run("bits anywhere", bits_anywhere, clean)
    report.run("cut and missing files", cut_and_missing, clean)
    report.run("a torn tail", torn_tail, crashed)
    report.run("forged", forged, clean)
    report.run("a second server", second_server, binary)
