// SPDX-License-Identifier: MIT
// Books that nobody serves, as far as a hash of their state needs them: their records, and what
// stands now. Opening the engine itself would end holds that are due and write.
#pragma once
#include "base/disk.h"
#include "move/source.h"
#include "watch/state_hash.h"

// What a walk over the records shows beside.
struct cold_sum {
    uint64_t first_ms;    // of the first record
    uint64_t last_number; // 0: there is none
    uint64_t slack;       // by how much a number is beyond its time at most
    struct sha256 chain;  // where the source ends
};

// A folder, locked by the caller: records from its journal, and what stands made of them.
MUST_CHECK enum status cold_folder_hash(struct disk *disk, char *ret_why,
                                        struct state_hash *ret_hash, struct cold_sum *ret_sum);
// A database: records and rows, as they stand.
MUST_CHECK enum status cold_postgres_hash(const char *url, char *ret_why,
                                          struct state_hash *ret_hash);
