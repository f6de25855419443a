# SPDX-License-Identifier: MIT
"""Entries of the audit that somebody changed, removed or put in are found by `florin verify`: notes
and writes, in the journal and in PostgreSQL. Whoever does it knows the formats, and makes the
checksums right again."""

import hashlib
import os
import shutil
import subprocess

import florin
from forge import Head, crc32c

NOTES, BLOCK = 12, 4096
HEADER = 160  # of a round, see engine/embedded/journal/journal_format.h


def number(data, at, size=4):
    return int.from_bytes(data[at:at + size], "little")


def with_checksum(record):
    """A record whose bytes were changed: its size and CRC32C stand in front."""
    record[0:4] = len(record).to_bytes(4, "little")
    record[4:8] = crc32c(record[8:]).to_bytes(4, "little")
    return record


def renamed(record):
    """Somebody listed wallets; now his entry says something else."""
    at = record.index(b"listWallets")
    record = bytearray(record)
    record[at:at + 11] = b"readWallets"
    return with_checksum(record)


def elsewhere(record):
    """Somebody was where he was not."""
    head = Head(record)
    head.data[37] ^= 1  # the address
    return head.record()


def act(server):
    """Rounds with notes, writes between them, and rounds behind them."""
    with server.client() as client, server.client("nonsense") as stranger:
        for count in range(6):
            wallet = client.post("/v1/wallets", {"owner": f"o{count}", "currency": "USD"})["id"]
            client.get("/v1/wallets")
            client.get(f"/v1/wallets/{wallet}")
            stranger.get("/v1/keys")
            client.post("/v1/deposits", {"wallet": wallet, "amount": 5,
                                         "bank_transaction_id": f"b{count}"})


class Round:
    """One round of a journal's first segment."""
    def __init__(self, data, at):
        self.at, self.size = at, number(data, at + 136)
        self.end = at + (HEADER + self.size + BLOCK - 1) // BLOCK * BLOCK
        self.records, place = [], at + HEADER
        while place < at + HEADER + self.size:
            size = number(data, place)
            self.records.append(bytes(data[place:place + size]))
            place += size

    def write(self, data, records):
        """The round with other records: sizes, chain and checksum are right."""
        body = b"".join(records)
        assert HEADER + len(body) <= self.end - self.at
        data[self.at + HEADER:self.end] = body.ljust(self.end - self.at - HEADER, b"\0")
        data[self.at + 136:self.at + 140] = len(body).to_bytes(4, "little")
        data[self.at + 140:self.at + 144] = len(records).to_bytes(4, "little")
        half = len(body) // 128 * 64
        halves = [hashlib.sha256(part).digest() for part in (body[:half], body[half:])]
        chain = hashlib.sha256(bytes(data[self.at + 48:self.at + HEADER]) +
                               b"".join(halves)).digest()
        data[self.at + 16:self.at + 48] = chain
        data[self.at + 8:self.at + 12] = crc32c(data[self.at + 12:self.at + HEADER]).to_bytes(
            4, "little")


def rounds_of(data):
    at = BLOCK
    while data[at:at + 8] == b"FLORINRD":
        found = Round(data, at)
        yield found
        at = found.end


def is_wanted(record, kind):
    return record[8] == kind and (kind != NOTES or b"listWallets" in record)


def edits_of_a_round(found, kind):
    """{what: its records afterwards}."""
    index = next(i for i, record in enumerate(found.records) if is_wanted(record, kind))
    before, record, after = found.records[:index], found.records[index], found.records[index + 1:]
    edits = {"changed": before + [bytes(elsewhere(record))] + after,
             "put in": before + [record, record] + after}
    if kind == NOTES:
        edits["renamed"] = before + [bytes(renamed(record))] + after
    if before or after:
        edits["removed"] = before + after
    return edits


def embedded(report, binary):
    with florin.serving(florin=binary, config={"audit_window_s": 1}) as server:
        act(server)
        report.equal("a clean stop", server.stop(), 0)
        report.equal("right before", server.verify().returncode, 0)
        segment = os.path.join("journal", f"{0:020}.segment")
        with open(os.path.join(server.data, segment), "rb") as file:
            whole = file.read()
        seen, right = set(), server.data
        for kind, name in ((NOTES, "a note"), (2, "a transaction's entry")):
            rounds = [one for one in rounds_of(whole)
                      if any(is_wanted(record, kind) for record in one.records)]
            report.check(f"rounds with {name}", len(rounds) >= 2, len(rounds))
            for found in (rounds[0], rounds[len(rounds) // 2]):
                for what, records in edits_of_a_round(found, kind).items():
                    data = bytearray(whole)
                    found.write(data, records)
                    copy = os.path.join(server.home, "copy")
                    shutil.copytree(right, copy)
                    with open(os.path.join(copy, segment), "wb") as file:
                        file.write(data)
                    done = server.command_line("verify", copy)
                    report.check(f"{name} {what}", done.returncode != 0 and "chain" in
                                 done.stdout + done.stderr, done.stdout + done.stderr)
                    seen.add((kind, what))
                    shutil.rmtree(copy)
        report.check("all kinds of edits", {(NOTES, "removed"), (NOTES, "changed"),
                                            (NOTES, "put in"), (2, "changed")} <= seen, seen)


def postgres(report, binary, database):
    with florin.serving(florin=binary, config={"audit_window_s": 1}) as server:
        act(server)
        report.equal("a clean stop", server.stop(), 0)
        books = database.database_for(server.data)

    def verify(name):
        done = subprocess.run([binary, "verify", "--postgres", database.url(name)],
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    report.equal("right before", verify(books)[0], 0)
    for kind, name in ((NOTES, "a note"), (2, "a transaction's entry")):
        rows = [line.split("|") for line in database.sql(
            f"SELECT number, encode(bytes, 'hex') FROM florin.records WHERE kind = {kind} "
            "ORDER BY number", books).splitlines()]
        rows = [(row, bytes.fromhex(data)) for row, data in rows
                if is_wanted(bytes.fromhex(data), kind)]
        report.check(f"there is {name}", rows)
        row, data = rows[len(rows) // 2]
        edits = {"changed": "UPDATE florin.records SET bytes = '\\x"
                            f"{elsewhere(data).hex()}' WHERE number = {row}",
                 "removed": f"DELETE FROM florin.records WHERE number = {row}",
                 "put in": "INSERT INTO florin.records SELECT slot, number + 1, time_ms, kind, "
                           "type, principal, order_id, opening, chain, bytes FROM florin.records "
                           f"WHERE number = {row}"}
        if kind == NOTES:
            edits["renamed"] = ("UPDATE florin.records SET bytes = '\\x"
                                f"{renamed(data).hex()}' WHERE number = {row}")
        for what, text in edits.items():
            copy = f"tampered_{os.getpid()}"
            database.sql(f"CREATE DATABASE {copy} TEMPLATE {books}", "postgres")
            database.sql(text, copy)
            status, said = verify(copy)
            report.check(f"{name} {what}", status == 1 and "The books are right" not in said,
                         f"{status}: {said}")
            database.sql(f"DROP DATABASE {copy}", "postgres")
