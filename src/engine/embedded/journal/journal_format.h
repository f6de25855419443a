// SPDX-License-Identifier: MIT
// The bytes of the journal. Everything is little endian.
//
// A journal is the folder `journal` with segments of one size, `<20 digits>.segment`, numbered from
// 0. A segment is a header block of 4096 bytes and then rounds, each beginning at a block; behind
// the last round everything is zero.
//
//   segment header
//     0   8  "FLORINSG"
//     8   4  CRC32C of bytes 12..128
//    12   4  version, 1
//    16  16  books: random id of them
//    32   8  number
//    40   8  size of every segment
//    48   8  end of the rounds before it: a position
//    56   8  start of the last of them
//    64   8  its sequence
//    72   8  its time
//    80  32  its chain
//   112   4  flags: 1 = only in segment 0: these books go on from others
//   116  12  zero
//   128      zero to the block's end
//
//   round
//     0   8  "FLORINRD"
//     8   4  CRC32C of bytes 12..160
//    12   4  zero
//    16  32  chain: SHA-256 of bytes 48..160 and the SHA-256 of both halves of the records
//    48  32  chain of the round before
//    80  16  books
//    96   8  sequence, from 1
//   104   8  time: milliseconds since 1970
//   112   8  position: where this round starts
//   120   8  position where the round before starts; 0: this is the first
//   128   8  synced: end of the rounds known to be durable
//   136   4  size of the records
//   140   4  record count
//   144   2  version, 1
//   146   2  flags: 1 = closing, the server stopped cleanly here
//   148  12  zero
//   160      records (ledger/record.c), then zero to the block's end
//
// The first half of the records are size / 128 * 64 of their bytes, the second one is the rest:
// two hashes at once take less than one of all, which was an eighth of a batch's time.
//
// The chain of the first round begins at SHA-256 of "florin journal" and the books' id; or, of
// books that were moved here, where that of the others ended, which the file "books" says too. The
// first segment's header holds it. A record never looks like the beginning of a round: read as its
// size, "FLOR" is too large.
//
// A journal is whole if and only if
//   J1  segments are numbered densely from 0 and each file has exactly the segment size
//   J2  each segment header is right: magic, version, checksum, its file's number, and the
//       books and size of segment 0
//   J3  each segment header repeats what the last round before it says: end, start, sequence,
//       time, chain
//   J4  each round begins where the round before it ended, or in the first block behind a segment
//       header; its header is right: magic, version, checksum, books, position, zeros; and it
//       lies in its segment as a whole
//   J5  sequences are dense from 1
//   J6  times never go back
//   J7  each round names the chain and the start of the round before it
//   J8  each round's chain is the SHA-256 of its header and its halves
//   J9  records fill a round exactly, as many as it says; a closing round, and only that, has none
//   J10 zeros fill the last block of a round
//   J11 the synced position never goes back and is not behind the round's own start
//   J12 behind the last round everything is zero
//
// Where the first round stands that is not right, the journal ends: a crash may tear the round that
// was being written (J4, J8 or J10 fails), and nobody was answered from it. It is damage instead,
// and nothing is opened, when a later segment exists, when a later round of these books says that
// this place was synced, or when a right header fails anything else: a crash leaves no such thing.
// A segment's header is made durable before the file gets its name, so a bad one is always damage.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/slice.h"
#include "engine/embedded/journal/journal.h"

#define JOURNAL_FORMAT_VERSION     1
#define JOURNAL_SEGMENT_MAGIC      UINT64_C(0x47534e49524f4c46) // "FLORINSG"
#define JOURNAL_ROUND_MAGIC        UINT64_C(0x44524e49524f4c46) // "FLORINRD"
#define JOURNAL_SEGMENT_NAME_BYTES 40                           // with its terminating zero
#define JOURNAL_SPARE_NAME         "journal/next.spare"

enum { JOURNAL_ROUND_CLOSING = 1 };
enum { JOURNAL_SEGMENT_GOES_ON = 1 };

struct journal_books {
    uint8_t bytes[16];
};

struct journal_segment_header {
    uint64_t magic;
    uint32_t crc;
    uint32_t version;
    struct journal_books books;
    uint64_t number;
    uint64_t segment_bytes;
    uint64_t previous_end;
    uint64_t previous_round;
    uint64_t previous_sequence;
    uint64_t previous_time_ms;
    struct sha256 chain;
    uint32_t flags;
    uint8_t zero[12];
};

struct journal_round_header {
    uint64_t magic;
    uint32_t crc;
    uint32_t zero_front;
    struct sha256 chain;
    struct sha256 previous_chain;
    struct journal_books books;
    uint64_t sequence;
    uint64_t time_ms;
    uint64_t position;
    uint64_t previous_round;
    uint64_t synced;
    uint32_t size;
    uint32_t record_count;
    uint16_t version;
    uint16_t flags;
    uint32_t zero_middle;
    uint64_t zero_back;
};

#define JOURNAL_ROUND_HEADER_BYTES sizeof(struct journal_round_header)

static_assert(sizeof(struct journal_segment_header) == 128, "the segment header has no padding");
static_assert(sizeof(struct journal_round_header) == 160, "the round header has no padding");
static_assert(offsetof(struct journal_round_header, books) == 80, "as drawn above");
static_assert(offsetof(struct journal_round_header, size) == 136, "as drawn above");
static_assert((uint32_t)JOURNAL_ROUND_MAGIC > LIMIT_RECORD_BYTES_MAX,
              "a round is never taken for a record");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "headers are stored as they lie in memory");

static inline uint64_t journal_block_up(uint64_t offset) {
    return (offset + JOURNAL_BLOCK_BYTES - 1) & ~(uint64_t)(JOURNAL_BLOCK_BYTES - 1);
}

// Where a round ends that begins at `start` and has `size` bytes of records.
static inline uint64_t journal_round_end(uint64_t start, uint64_t size) {
    return start + journal_block_up(JOURNAL_ROUND_HEADER_BYTES + size);
}

// An end of rounds that is also the border between two segments belongs to the segment before.
static inline uint64_t journal_segment_of_end(uint64_t end, uint64_t segment_bytes) {
    return end == 0 ? 0 : (end - 1) / segment_bytes;
}

// Thread: any. All pure but the two that seal.
void journal_segment_name(uint64_t number, char ret_name[JOURNAL_SEGMENT_NAME_BYTES]);
// False when `name` is none of a segment.
bool journal_segment_number(const char *name, uint64_t *ret_number);

struct sha256 journal_chain_first(const struct journal_books *books);

// Fills in magic, version and checksum.
void journal_segment_header_seal(struct journal_segment_header *header);
// NULL when the block is a right header (J2), but for the number, books and size, which the caller
// compares; else the sentence of what it breaks.
const char *journal_segment_header_read(const uint8_t *block,
                                        struct journal_segment_header *ret_header);

// The chain of a round whose header and `size` bytes of records stand one behind the other.
struct sha256 journal_round_chain(struct sha256_context *sha, const uint8_t *bytes, size_t size);
// Fills in magic, version, chain and checksum of a round whose header and records stand one behind
// the other at `bytes` (padding not counted), and writes the header to `bytes`.
void journal_round_seal(struct sha256_context *sha, struct journal_round_header *header,
                        uint8_t *bytes);
// NULL when a round header stands at `block` (J4), else the sentence. Books and position are
// compared, the records are not looked at; `room` is how many bytes lie between the block and the
// end of its segment.
const char *journal_round_header_read(const uint8_t *block, const struct journal_books *books,
                                      uint64_t position, uint64_t room,
                                      struct journal_round_header *ret_header);
// Whether a block's first bytes claim to be a round; cheap, and true for all that are.
static inline bool journal_round_is_claimed(const uint8_t *block) {
    uint64_t magic;
    __builtin_memcpy(&magic, block, sizeof(magic));
    return magic == JOURNAL_ROUND_MAGIC;
}

bool journal_is_zero(const uint8_t *bytes, size_t size);
