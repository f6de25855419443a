# SPDX-License-Identifier: MIT
"""Edits a journal like somebody who knows its format and wants not to be noticed.

It reads the bytes that src/engine/embedded/journal_format.h and src/ledger/record.c describe,
written down here a second time. After an edit, checksums and the whole chain of hashes can be
made right again, so that only the sums of the books tell.
"""

import glob
import hashlib
import os
import struct

BLOCK = 4096
ROUND_HEADER = 160
FRAME = 64
SEGMENT_HEADER = 128
TRANSACTION = 2  # kind of record
TRANSFER = 5  # type of transaction


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


class Round:
    """One round: where it stands, its header and its records as (offset in the segment, bytes)."""
    def __init__(self, segment, offset):
        self.segment = segment
        self.offset = offset
        self.size, self.count = struct.unpack_from("<II", segment.data, offset + 136)

    def records(self):
        place = self.offset + ROUND_HEADER
        end = place + self.size
        while place < end:
            size, = struct.unpack_from("<I", self.segment.data, place)
            yield place, size
            place += size

    def end(self):
        return (self.offset + ROUND_HEADER + self.size + BLOCK - 1) // BLOCK * BLOCK


class Segment:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            # Segments are long and mostly zero; nothing behind the last round matters here.
            self.data = bytearray(file.read())

    def rounds(self):
        offset = BLOCK
        while self.data[offset:offset + 8] == b"FLORINRD":
            round_ = Round(self, offset)
            yield round_
            offset = round_.end()


class Forger:
    def __init__(self, data):
        self.segments = [
            Segment(path) for path in sorted(glob.glob(os.path.join(data, "journal", "*.segment")))
        ]
        self.rounds = [round_ for segment in self.segments for round_ in segment.rounds()]

    def transactions(self, wanted_type):
        """Places of the records of that type: (segment's data, place of the record, place of its
        facts)."""
        for round_ in self.rounds:
            data = round_.segment.data
            for place, _ in round_.records():
                kind, flags = data[place + 8], data[place + 11]
                facts = place + FRAME + (32 if flags & 1 else 0)
                if kind == TRANSACTION and data[facts + 29] == wanted_type:
                    yield data, place, facts

    @staticmethod
    def fix_record(data, place):
        size, = struct.unpack_from("<I", data, place)
        struct.pack_into("<I", data, place + 4, crc32c(data[place + 8:place + size]))

    def fix_chain(self):
        """Makes every round name the right chain again, and every header its checksum."""
        chain = None
        for round_ in self.rounds:
            data, offset = round_.segment.data, round_.offset
            if chain is not None:
                if offset == BLOCK:
                    data[80:112] = chain
                    struct.pack_into("<I", data, 8, crc32c(data[12:SEGMENT_HEADER]))
                data[offset + 48:offset + 80] = chain
            records = offset + ROUND_HEADER
            half = records + round_.size // 128 * 64
            halves = [hashlib.sha256(data[records:half]).digest(),
                      hashlib.sha256(data[half:records + round_.size]).digest()]
            chain = hashlib.sha256(bytes(data[offset + 48:records]) + b"".join(halves)).digest()
            data[offset + 16:offset + 48] = chain
            struct.pack_into("<I", data, offset + 8,
                             crc32c(data[offset + 12:offset + ROUND_HEADER]))

    def save(self):
        for segment in self.segments:
            with open(segment.path, "r+b") as file:
                file.write(segment.data[:max([BLOCK] +
                                             [round_.end() for round_ in segment.rounds()])])
