// SPDX-License-Identifier: MIT
// Books that are read to be moved: what they were born with, and their records in order, each with
// the number that it has in a database and with positions of 8 x number. Nothing is written here.
//
// A number: the milliseconds of its time shifted by 17 bits, and an eighth of its place in the
// journal; of a transaction that is what its id says. So numbers grow from record to record. Of
// what moved into a journal earlier only ids say numbers, and only those of transactions exactly:
// what is between has the least one that fits, which is at most the one that it had.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/hex.h"
#include "engine/embedded/data_keys_copy.h"
#include "engine/embedded/key_uses_file.h"
#include "move/model.h"
#include "move/places.h"

#define MOVE_WHY_BYTES    512
#define NUMBER_TIME_SHIFT 17 // of a number's time, as in engine/postgres/link/number.h

// What books are born with and keep wherever they go, and where they stand.
struct move_birth {
    struct id books;
    uint8_t seal_key[16];
    uint64_t hash_seed, created_ms;
};
#define MOVE_HEX_BYTES 33
static inline void move_hex(struct id books, char ret_text[MOVE_HEX_BYTES]) {
    *hex_write(slice_of(books.bytes, sizeof(books.bytes)), ret_text) = '\0';
}

struct move_record {
    uint64_t number;
    uint64_t round_time_ms;
    bool begins_round;
    struct record record; // with positions of 8 x number; slices live until the next
    struct slice bytes;   // the same, encoded; free texts as they are sealed
};

// Where a source ends.
struct move_end {
    struct sha256 chain;
    uint64_t record_count, round_count;
};

struct move_source {
    const char *engine; // "embedded"
    struct move_birth birth;
    struct id_seal seal;
    uint64_t bytes_total, bytes_done; // or records, for a bar
    uint64_t last_number; // of a database: that of its last record
    char why[MOVE_WHY_BYTES];
    // STATUS_ok: the next record; STATUS_end: there is none, and `end` stands.
    enum status (*next)(struct move_source *source, struct move_record *ret_record);
    void (*close)(struct move_source *source); // frees it
    struct move_end end;
};

// The folder of a stopped server, which the caller has locked. `why` (MOVE_WHY_BYTES) says what is
// wrong unless STATUS_ok. Thread: one per source, here and below.
MUST_CHECK enum status source_folder_open(struct disk *disk, char *ret_why,
                                          struct move_source **ret_source);
// A database that nobody writes to meanwhile, which the caller sees to. Reads it as it stood when
// it was opened, as its owner.
MUST_CHECK enum status source_postgres_open(const char *url, char *ret_why,
                                            struct move_source **ret_source);
// When API keys were last used, as far as it says; and the wrapped data keys. STATUS_not_found: its
// texts are plain.
MUST_CHECK enum status source_postgres_uses(struct move_source *source,
                                            void (*each)(void *context,
                                                         const struct key_use *use),
                                            void *context);
MUST_CHECK enum status source_postgres_keys(struct move_source *source,
                                            struct data_keys_copy *ret_keys);
