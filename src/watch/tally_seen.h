// SPDX-License-Identifier: MIT
// Which keys were seen, and where: the set that finds a bank id booked twice among hundreds of
// millions. An entry is 8 bytes, the place of the record and some bits of the key's hash; whether
// two keys are really equal is looked up in the record, so the answer is exact.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tally_seen {
    uint64_t *slots; // owned; 0: free
    uint64_t slot_count;
    uint64_t count;
};

// Room for `count_max` entries, for good. The memory comes as it is used.
void tally_seen_init(struct tally_seen *seen, uint64_t count_max);
void tally_seen_done(struct tally_seen *seen);

// Whether it can remember no more: then nothing may be added.
bool tally_seen_is_full(const struct tally_seen *seen);

// Calls `same` with the places of entries that may be the same key, until it says that one is; true
// then. Else remembers the key at `position` (a multiple of 8, below 2^48) and returns false.
bool tally_seen_add(struct tally_seen *seen, uint64_t hash, uint64_t position,
                    bool (*same)(void *context, uint64_t position), void *context);
