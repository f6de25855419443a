// SPDX-License-Identifier: MIT
// Makes one run of several sorted sources: tables that were sealed, or older runs. In steps, so
// that a thread which merges gigabytes can do something more urgent in between.
#pragma once
#include <stdbool.h>

#include "engine/embedded/index/run.h"

#define RUN_MERGE_SOURCES_MAX 64

// Sorted entries, piece by piece. Owners put this first in their own structs.
struct run_source {
    const struct index_entry *next; // the piece at hand
    const struct index_entry *end;
    // Puts the next piece at hand; leaves it empty at the end. STATUS_damaged when the source does
    // not hold.
    enum status (*refill)(struct run_source *source);
};

// The entries of a run, each chunk checked before it is used.
struct run_reader {
    struct run_source source;
    struct run *run;
    uint64_t chunk;
};
void run_reader_init(struct run_reader *reader, struct run *run);

struct run_merge;

// Sources come with the newest first: it has the higher positions of a fingerprint. They are
// borrowed and must hold facts->entry_count entries together.
MUST_CHECK enum status run_merge_open(struct disk *disk, const char *name,
                                      const struct run_facts *facts, struct run_source **sources,
                                      size_t source_count, struct run_merge **ret_merge);
// Merges about `entry_count` entries; STATUS_end when all are merged.
MUST_CHECK enum status run_merge_step(struct run_merge *merge, uint64_t entry_count);
// The durable, open run. The merge is closed in any case.
MUST_CHECK enum status run_merge_finish(struct run_merge *merge, struct run **ret_run);
void run_merge_close(struct run_merge *merge); // gives up; accepts NULL
