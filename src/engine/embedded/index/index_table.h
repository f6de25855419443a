// SPDX-License-Identifier: MIT
// What a journal segment has put into one family of the index, in memory: a hash table that one
// thread writes and any thread reads. It takes entries until it is full or its segment ends, and is
// then read in order of fingerprint to become a run.
//
// A fingerprint's home slot is given by its highest bits and collisions go to the next slots. So
// walking through the slots meets the fingerprints almost in order, and sorting costs no more than
// putting right each cluster.
//
// A fingerprint that comes again keeps its one slot, which then leads to a chain of nodes, newest
// first, with jumps (each node knows a far older one), so that a fingerprint with a million
// positions costs no more than one with two.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/embedded/index/run.h"

#define INDEX_TABLE_SLOTS_MIN  (UINT64_C(1) << 12)
#define INDEX_TABLE_SLOTS_MAX  (UINT64_C(1) << 22)
#define INDEX_TABLE_PROBES_MAX 512 // a fingerprint lies at most this many slots behind its home

struct index_slot {
    _Atomic uint64_t fingerprint;
    _Atomic uint64_t value; // 0: empty; a position; or a node's number with the highest bit set
};

struct index_node {
    _Atomic uint64_t position;
    _Atomic uint64_t links; // the next older node above the node to jump to, 32 bits each; 0: none
    uint32_t depth;         // nodes from here to the oldest; the writer's
    uint32_t unused;
};

struct index_table {
    struct index_slot *slots; // owned pages: home slots, then room for INDEX_TABLE_PROBES_MAX more
                              // and an empty one
    struct index_node *nodes; // owned pages, number 0 is unused
    uint64_t slot_count;      // home slots, a power of two
    uint32_t shift;           // 64 - log2(slot_count)
    uint64_t slot_used;
    _Atomic uint64_t node_count; // used ones, with number 0; atomic for those who only want to know
    _Atomic uint64_t entry_count;
    _Atomic uint64_t undo_count; // tells readers that nodes may have been used again
    uint32_t references;         // guarded by the index's lock
    struct index_table *next;    // of a list of the index
};

// What index_table_undo needs to take back one put.
struct index_table_undo {
    struct index_table *table;
    uint64_t slot;
    uint64_t value; // before the put; 0: the slot was empty
};

// Thread: any. `slot_count` is a power of two between MIN and MAX. The table has no reference yet.
struct index_table *index_table_open(uint64_t slot_count);
void index_table_touch(
    struct index_table *table); // makes its memory ready, off the writer's thread
void index_table_clear(struct index_table *table);             // nobody else may know it
void index_table_close(struct index_table *table);             // accepts NULL
size_t index_table_bytes(const struct index_table *table);     // any thread
uint64_t index_table_entries(const struct index_table *table); // any thread

// Adds an entry; false when the table is full. The position must be neither 0 nor above
// INDEX_POSITION_MAX, and not below an earlier one of the same fingerprint. Thread: the writer.
bool index_table_put(struct index_table *table, uint64_t fingerprint, uint64_t position,
                     struct index_table_undo *ret_undo);
// Takes back the last put that was not taken back yet. Thread: the writer.
void index_table_take_back(const struct index_table_undo *undo);

// The highest position below `below` under the fingerprint, or 0. Thread: any.
uint64_t index_table_find(const struct index_table *table, uint64_t fingerprint, uint64_t below);

// Asks for the memory that a find or put of the fingerprint will need.
static inline void index_table_prefetch(const struct index_table *table, uint64_t fingerprint) {
    const struct index_slot *home = &table->slots[fingerprint >> table->shift];
    __builtin_prefetch(home, 1, 3);
    __builtin_prefetch(home + 3, 1, 3); // a third of the probes go on behind the line's end
}

// Reads a table that gets no more puts in the order of a run: fingerprints ascending, positions
// descending.
struct index_table_reader {
    const struct index_table *table;
    uint64_t slot; // where the next cluster is looked for
    uint32_t cluster_count;
    uint32_t cluster_next;
    uint64_t value;              // what is left of the current fingerprint's chain; 0: nothing
    uint64_t fingerprint;        // the current one
    struct index_entry *cluster; // owned: fingerprints and values of the cluster, sorted
    size_t cluster_capacity;
};

void index_table_reader_init(struct index_table_reader *reader, const struct index_table *table);
// Fills up to `capacity` entries; returns how many, 0 at the end.
size_t index_table_read(struct index_table_reader *reader, struct index_entry *ret_entries,
                        size_t capacity);
void index_table_reader_done(struct index_table_reader *reader);
