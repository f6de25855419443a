// SPDX-License-Identifier: MIT
// Private to the codec: the fixed part of a record, as it is worked with and as it is written.
//
// It is worked with as structs that stand one behind the other (record_bytes.h), all of whole words
// of 8 bytes. Most of those bytes are zero or known from others, and the disk's pace is what limits
// large batches. So a head is written short, in three steps, of which each can be undone:
//
//   folded  what can be foretold is taken off, so that zeros remain. `x ^= y` keeps x where it is 0
//           or y, which would change places:
//           - ids, read as two big-endian numbers: the first one ^= the record's time shifted by 16
//             bits and the version's digit 7
//           - the address, likewise: its second half ^= the beginning of a mapped IPv4 address
//           - the digest of the free texts, unless sealed: plainly xor what it is without any
//           - positions of other records are turned by three bits: they are multiples of 8
//   short   of each word but the first two (size, checksum, kind, ...) only the low bytes are
//           written, up to the highest that is not 0
//   lengths in front of those bytes stand their numbers, 0 to 8, four bits for each word, the lower
//           half of a byte first; of an odd number of words the last half is 0
//
// What is stored as words is loaded as words: a load that spans two stores waits for both of them
// to reach the cache, which costs as much as five words do.
#pragma once
#include "ledger/record_bytes.h"
#include "ledger/record_frame.h"

#define HEAD_FRONT_BYTES 16 // of the frame, written as they are
#define HEAD_BYTES_MAX                                                                             \
    (sizeof(struct frame) + sizeof(struct digests_bytes) + sizeof(struct spent_bytes) +            \
     sizeof(struct parked_bytes))
#define HEAD_WORDS_MAX ((HEAD_BYTES_MAX - HEAD_FRONT_BYTES) / 8)
// Written at most, and seven bytes behind them that may be written over.
#define HEAD_WRITTEN_MAX (HEAD_BYTES_MAX + (HEAD_WORDS_MAX + 1) / 2 + 7)

static_assert(sizeof(struct transaction_bytes) + sizeof(struct external_bytes) +
                      sizeof(struct subject_bytes) <=
                  sizeof(struct parked_bytes),
              "a kept command has the longest facts");

struct head {
    union {
        struct frame frame;
        // One word more than there can be: an odd number is made even with it.
        _Alignas(8) uint8_t bytes[HEAD_BYTES_MAX + 8];
    };
    size_t size;
};

static inline uint64_t word_load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static inline void word_store(uint8_t *bytes, uint64_t word) {
    memcpy(bytes, &word, sizeof(word));
}

// Thread: any, as for all here.
// How long the head of such a record is; 0: there is no such kind.
size_t record_head_size(uint8_t kind, uint8_t flags);
// Where in it the positions of others stand, eight bytes each. Returns how many.
enum { HEAD_POSITIONS_MAX = 5 };
uint32_t record_head_positions(uint8_t kind, uint8_t flags, size_t ret_places[HEAD_POSITIONS_MAX]);

// Writes it to `place`, which has room for HEAD_WRITTEN_MAX, and returns how many bytes it takes:
// HEAD_FRONT_BYTES and the `head_bytes` that are written there. What is left in `head` is good for
// nothing.
size_t record_head_write(struct head *head, uint8_t *place);
// Reads the head of the record that is `bytes`. NULL, or the sentence of what is wrong.
const char *record_head_read(struct slice bytes, struct head *ret_head);
