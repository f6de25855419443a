// SPDX-License-Identifier: MIT
// What the files of the index share: who owns what, and which lock guards it. Only index*.c include
// this.
//
// Three parties. The writer alone changes the active tables' contents and the undo log. The
// background alone touches files and merges. Both change what there is, the lists of tables and
// runs, under the lock, and publish it as a view: an immutable picture of all tables and runs that
// is counted by those who look into it. The lock is held for copying a few dozen pointers, never
// while a file is touched.
//
// Positions in the sources of a family, from its oldest run to its active table, lie in ascending
// ranges that do not overlap; so newest first means source after source, and nothing is found
// twice.
#pragma once
#include <pthread.h>

#include "engine/embedded/index/index.h"
#include "engine/embedded/index/index_table.h"
#include "engine/embedded/index/run.h"

#define INDEX_MERGES_MAX        4
#define INDEX_MERGE_FAN_IN      4
#define INDEX_MERGE_INPUTS_MAX  64 // enough for what lies between four runs of a level
#define INDEX_MERGE_SPAN_MS     (UINT64_C(24) * 3600 * 1000) // of runs that will fall away by age
#define INDEX_BACKLOG_BYTES_MAX (UINT64_C(1) << 30)

struct index_view_run { // what a lookup needs first, side by side
    const struct run_block *blocks;
    uint64_t block_count;
    struct run *run;
};

struct index_view_family {
    uint32_t table_count;
    uint32_t run_count;          // without empty ones
    struct index_table **tables; // newest first
    struct index_view_run *runs; // newest first
};

struct index_view {
    uint32_t references; // guarded by the lock
    struct index_view_family families[INDEX_FAMILY_COUNT];
};

// The tables that a family got during one segment.
struct index_sealed {
    struct index_sealed *next; // sealed later; guarded by the lock, all else never changes
    uint32_t family;
    uint32_t table_count; // the oldest ones of the family's list that no earlier seal has
    uint64_t entry_count;
    uint64_t bytes; // of the tables, as counted in the backlog
    uint64_t segment;
    uint64_t end_position;
    uint64_t oldest_ms;
    uint64_t newest_ms;
};

struct index_tables {           // a list, oldest first
    struct index_table **items; // owned
    size_t count;
    size_t capacity;
};

struct index_runs {     // a list, oldest first
    struct run **items; // owned
    size_t count;
    size_t capacity;
};

struct index_family_state {
    // The writer's.
    struct index_table *active;
    uint64_t last_position;
    uint64_t covered_position; // found at opening: puts below are there already
    uint64_t next_segment;     // the next to be sealed
    uint32_t unsealed_tables;  // with the active one
    uint64_t sealed_ms;        // time of the last seal
    // Guarded by the lock.
    struct index_tables tables; // sealed ones, full ones, the active one
    struct index_runs runs;
    struct index_table *spare; // ready to become active
    uint64_t slots_wanted;     // of the next spare
};

struct index_undo { // one put
    struct index_table_undo table;
    uint64_t last_position; // of the family, before it
    uint32_t family;
};

// What is known about fingerprints that will be looked up soon.
#define INDEX_AHEAD_WINDOW  32 // lookups between asking for memory and looking at it
#define INDEX_AHEAD_HINTS   8192
#define INDEX_AHEAD_SOURCES 60 // sources a hint has room for

struct index_hint {
    uint64_t fingerprint;
    uint64_t sources; // a bit per source that may have it; the highest four bits: family + 1
};

struct index_ahead {
    uint32_t asked_count; // since the last settling
    uint32_t asked_families[INDEX_AHEAD_WINDOW];
    uint64_t asked[INDEX_AHEAD_WINDOW];
    struct index_hint hints[INDEX_AHEAD_HINTS]; // of the view at hand; by the lowest bits
};

struct index_merge;

struct index {
    struct disk *disk;
    char folder[32];
    uint64_t retention_ms[INDEX_FAMILY_COUNT];
    uint64_t first_segment;
    uint64_t backlog_bytes_max;
    struct index_family_state families[INDEX_FAMILY_COUNT];

    // The writer's.
    struct index_snapshot own; // its view is counted
    struct index_undo *undo;   // owned: puts since the last settle
    size_t undo_count;
    size_t undo_capacity;
    struct index_ahead ahead;

    pthread_mutex_t lock;
    pthread_cond_t wake;               // there may be work
    struct index_view *view;           // guarded: the newest one, counted
    _Atomic uint64_t view_number;      // grows with each; tells the writer to take the newest
    uint64_t own_view_number;          // the writer's
    struct index_sealed *sealed_first; // guarded: oldest first
    struct index_sealed *sealed_last;
    uint64_t backlog_bytes;         // guarded
    uint64_t backlog_count;         // guarded
    uint64_t time_ms;               // guarded: of the last seal
    struct index_table *old_tables; // guarded: nobody knows them any more
    struct run *old_runs;           // guarded
    bool has_news;                  // guarded: something changed since the background looked
    bool stops;                     // guarded
    struct index_stats counters;    // guarded: those that count events
    _Atomic bool is_behind;

    // The background's.
    struct index_merge *merges[INDEX_MERGES_MAX]; // those under way, larger ones first
    size_t merge_count;
    uint64_t merge_view_number;  // of the view in which there was nothing more to merge
    struct index_table *reserve; // free, to be cleared and used again; or NULL
    bool has_thread;
    pthread_t thread;
};

// index_view.c. The lock is held.
void index_tables_add(struct index_tables *tables, struct index_table *table); // counts it
void index_tables_remove_first(struct index *index, struct index_tables *tables, size_t count);
void index_runs_add(struct index_runs *runs, struct run *run); // counts it
// Puts `run` (or nothing when NULL) in the place of `count` runs from `place` on; their files go.
void index_runs_replace(struct index *index, struct index_runs *runs, size_t place, size_t count,
                        struct run *run);
void index_view_publish(struct index *index); // makes a view of the lists the newest one
void index_view_release(struct index *index, const struct index_view *view);
void index_table_release(struct index *index, struct index_table *table);
void index_run_release(struct index *index, struct run *run);

// index_ahead.c. The writer's.
void index_ahead_clear(struct index_ahead *ahead); // another view: nothing is known any more
// The sources of the newest view that may have the fingerprint, as bits; all when nothing is known.
uint64_t index_ahead_sources(const struct index_ahead *ahead, uint32_t family,
                             uint64_t fingerprint);

// index_load.c
MUST_CHECK enum status index_load(struct index *index, const struct index_options *options,
                                  struct index_covered *ret_covered);
const char *index_family_name(enum index_family family);

// index_flush.c: writes the oldest sealed tables as a run. False when there was nothing to do or
// the disk failed.
bool index_flush(struct index *index);

// index_merge.c: takes a merge further. False when there was nothing to do or the disk failed.
bool index_merge(struct index *index);
void index_merge_done(struct index *index); // gives up all merges

// index_work.c
void *index_work_run(void *index);         // the thread
void index_work_done(struct index *index); // frees all tables and runs
void index_wake_init(pthread_cond_t *wake);
void index_note_status(struct index *index, enum status status); // of a write; takes the lock
