// SPDX-License-Identifier: MIT
// A growing table of fixed-size records whose addresses never change: a large range of addresses is
// reserved once and filled from its front, so readers on other threads keep valid pointers and
// growing copies nothing.
//
// Each record has a sequence that is odd while the writer changes it; readers copy and look again,
// so they never see half a change and the writer never waits.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct table {
    uint8_t *bytes;      // reserved; owned
    uint32_t item_bytes; // a multiple of 8
    uint32_t count;      // items in use; item 0 is never used; written by the writer with release
    uint32_t count_max;
};

// `sequence_offset` of an item is where its uint32_t sequence lies. Thread: the writer, but for
// table_copy and table_count. Running out of the reserved range stops the process (4 billion
// items).
void table_init(struct table *table, uint32_t item_bytes, uint32_t count_max);
void table_done(struct table *table);
// Takes a fresh, zeroed item and returns its index (from 1).
uint32_t table_add(struct table *table);
// Gives back the newest items from `count` on (undoing a batch). They must be zero but for their
// sequences, which go on when the items are taken again: were they to begin anew, a reader could
// take the later item for the one that it began to copy.
void table_cut(struct table *table, uint32_t count);

static inline uint32_t table_count(const struct table *table) {
    return __atomic_load_n(&table->count, __ATOMIC_ACQUIRE);
}
static inline void *table_at(const struct table *table, uint32_t index) {
    CHECK(index >= 1 && index < table->count);
    return table->bytes + (uint64_t)index * table->item_bytes;
}
static inline bool table_has(const struct table *table, uint64_t index) {
    return index >= 1 && index < table->count;
}

// Around every change of an item that others may read. `sequence` is the item's.
static inline void table_change_begin(uint32_t *sequence) {
    __atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void table_change_end(uint32_t *sequence) {
    __atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELEASE);
}
// Copies an item whole; `sequence_offset` says where its sequence is. Thread: any.
void table_copy(const struct table *table, uint32_t index, uint32_t sequence_offset,
                void *ret_item);
