// SPDX-License-Identifier: MIT
// Records name others by where they stand, and a record that moves stands elsewhere. Between two
// engines records travel with positions as the PostgreSQL engine counts them, 8 x number
// (sql/0001_books.sql); so a map says which is which, and a record is written anew with the other.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ledger/record.h"

// Where records stood and where they stand: both grow from record to record.
struct place {
    uint64_t from, to;
};

struct places {
    struct place *items; // owned
    uint64_t count, capacity;
};

void places_done(struct places *places);
void places_add(struct places *places, uint64_t from, uint64_t to);
// Where a record stands now; 0 for 0. False: there is no record there.
bool places_find(const struct places *places, uint64_t from, uint64_t *ret_to);
// The same for a place between records: that of the next one. `end` is behind the last.
uint64_t places_at_or_after(const struct places *places, uint64_t from, uint64_t end);

// Encodes the record anew with its positions found in `places`. `buffer` takes the bytes of a
// batch's positions, too, which `record` points at from then on. False: it names a record that is
// not there.
bool places_rewrite(const struct places *places, struct record *record, struct buffer *scratch);
