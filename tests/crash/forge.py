# SPDX-License-Identifier: MIT
"""Edits a journal like somebody who knows its format and wants not to be noticed.

It reads the bytes that src/engine/embedded/journal/journal_format.h, src/ledger/record.c and
src/ledger/record_head.h describe, written down here a second time. After an edit, checksums and the
whole chain of hashes can be made right again, so that only the sums of the books tell.
"""

import glob
import hashlib
import os
import struct

BLOCK = 4096
ROUND_HEADER = 160
FRAME = 64  # of a head that was read
FRONT = 16  # of the frame, written as it is
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


FACTS = {1: 64, 2: 168, 3: 120, 4: 88, 5: 112, 6: 104, 7: 8, 8: 232, 12: 8, 13: 16, 16: 40, 19: 8,
         20: 8}  # by kind of record
IDS = {1: [0], 2: [0, 40, 104], 3: [0, 16, 32], 4: [0, 16], 5: [0], 6: [0, 16],
       8: [0, 16, 32, 120, 136]}
POSITIONS = {2: [80, 88, 144, 152], 3: [112], 4: [80], 8: [112]}
U64 = (1 << 64) - 1
MAPPED = 0xFFFF << 32


def word_at(data, at, order="little"):
    return int.from_bytes(data[at:at + 8], order)


def set_word(data, at, word, order="little"):
    data[at:at + 8] = word.to_bytes(8, order)


def differ(word, foretold):
    return word if word in (0, foretold) else word ^ foretold


class Head:
    """The head of a record as it is worked with: `data`, where the frame and whatever follows it
    stand at the places that src/ledger/record_bytes.h names."""
    def __init__(self, record):
        kind, flags = record[8], record[11]
        self.facts = FRAME + (32 if flags & 1 else 0) + (32 if flags & 32 else 0)
        size = self.facts + FACTS[kind]
        self.ids = [self.facts + at for at in IDS.get(kind, [])]
        self.positions = [self.facts + at for at in POSITIONS.get(kind, [])]
        if kind == TRANSACTION:
            size += 16 if flags & 2 else 0
            if flags & 4:
                self.ids.append(size)
                self.positions.append(size + 24)
                size += 40
        written, = struct.unpack_from("<H", record, 14)
        words = (size - FRONT) // 8
        place = FRONT + (words + 1) // 2
        self.data = bytearray(record[:FRONT])
        for index in range(words):
            count = record[FRONT + index // 2] >> 4 * (index % 2) & 15
            self.data += record[place:place + count].ljust(8, b"\0")
            place += count
        assert place == FRONT + written
        self.fold(backwards=True)
        texts = sum(struct.unpack_from("<6HI", self.data, 40))
        if flags & 8:
            texts += 40 + 8 * (flags & 1)
        self.texts = bytes(record[place:place + texts])

    def fold(self, backwards):
        data, orders = self.data, ("little", "big") if backwards else ("big", "little")
        foretold = word_at(data, FRONT) << 16 & U64 | 0x7000
        set_word(data, 24, word_at(data, 24, orders[0]), orders[1])
        for at, known in [(32, MAPPED)] + [(at, foretold) for at in self.ids]:
            set_word(data, at, differ(word_at(data, at, orders[0]), known), orders[1])
        if data[11] & 9 == 1:
            textless = word_at(data, 80) ^ 0x9E3779B97F4A7C15
            set_word(data, 88, word_at(data, 88) ^ (textless or 1))
        for at in self.positions:
            word, turn = word_at(data, at), 3 if backwards else 61
            set_word(data, at, (word << turn | word >> (64 - turn)) & U64)

    def record(self):
        """The record with what stands in `data` now, and a right checksum."""
        self.fold(backwards=False)
        words = [word_at(self.data, at) for at in range(FRONT, len(self.data), 8)]
        self.fold(backwards=True)
        counts = [(word.bit_length() + 7) // 8 for word in words] + [0]
        lengths = bytes(counts[at] | counts[at + 1] << 4 for at in range(0, len(words), 2))
        short = b"".join(word.to_bytes(count, "little") for word, count in zip(words, counts))
        whole = bytearray(self.data[:FRONT] + lengths + short + self.texts)
        struct.pack_into("<H", whole, 14, len(lengths + short))
        whole += bytes(-len(whole) % 8)
        struct.pack_into("<I", whole, 0, len(whole))
        struct.pack_into("<I", whole, 4, crc32c(whole[8:]))
        return whole


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

    def records(self):
        """All of them: (segment's data, place, size)."""
        for round_ in self.rounds:
            for place, size in round_.records():
                yield round_.segment.data, place, size

    def damage_number(self, number):
        """Changes a byte of a number where it first stands in the head of a record, and no
        checksum: at once, also under a running server."""
        word = number.to_bytes(8, "little")
        for round_ in self.rounds:
            data = round_.segment.data
            for place, size in round_.records():
                if word not in Head(data[place:place + size]).data:
                    continue
                with open(round_.segment.path, "r+b") as file:
                    file.seek(data.index(word.rstrip(b"\0"), place, place + size))
                    file.write(bytes([word[0] ^ 1]))
                return
        raise AssertionError(f"no record has {number}")

    def edit(self, is_wanted, change):
        """Changes the first record that is wanted and that is as long afterwards, and makes its
        checksum right. `is_wanted` and `change` get its Head."""
        for data, place, size in self.records():
            head = Head(data[place:place + size])
            if not is_wanted(head):
                continue
            change(head)
            record = head.record()
            if len(record) == size:
                data[place:place + size] = record
                return
        raise AssertionError("there is no such record")

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
