// SPDX-License-Identifier: MIT
// A merge of a few sorted streams by looking at each one's first entry: for the usual four this is
// faster than a heap, because the compiler turns the comparisons into conditional moves.
#include "engine/embedded/index/run_merge.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define RUN_MERGE_BUFFER_ENTRIES 4096

struct run_merge {
    struct run_writer *writer;                         // owned
    struct run_source *sources[RUN_MERGE_SOURCES_MAX]; // those that have entries left, newest first
    size_t source_count;
    struct index_entry buffer[RUN_MERGE_BUFFER_ENTRIES];
};

static enum status run_reader_refill(struct run_source *source) {
    struct run_reader *reader = (struct run_reader *)source;
    struct run *run = reader->run;
    if (reader->chunk == run->chunk_count) {
        source->next = source->end;
        return STATUS_ok;
    }
    if (!run_check_chunk(run, reader->chunk))
        return STATUS_damaged;
    uint64_t first = reader->chunk++ * RUN_CHUNK_ENTRIES;
    uint64_t left = run->facts.entry_count - first;
    source->next = run->entries + first;
    source->end = source->next + (left < RUN_CHUNK_ENTRIES ? left : RUN_CHUNK_ENTRIES);
    return STATUS_ok;
}

void run_reader_init(struct run_reader *reader, struct run *run) {
    *reader = (struct run_reader){.source = {.refill = run_reader_refill}, .run = run};
}

enum status run_merge_open(struct disk *disk, const char *name, const struct run_facts *facts,
                           struct run_source **sources, size_t source_count,
                           struct run_merge **ret_merge) {
    CHECK(source_count <= RUN_MERGE_SOURCES_MAX);
    struct run_merge *merge = memory_take(sizeof(*merge));
    merge->writer = NULL;
    merge->source_count = 0;
    enum status status = run_writer_open(disk, name, facts, &merge->writer);
    for (size_t i = 0; i < source_count && status == STATUS_ok; i++) {
        status = sources[i]->refill(sources[i]);
        if (status == STATUS_ok && sources[i]->next != sources[i]->end)
            merge->sources[merge->source_count++] = sources[i];
    }
    if (status != STATUS_ok)
        run_merge_close(merge);
    else
        *ret_merge = merge;
    return status;
}

void run_merge_close(struct run_merge *merge) {
    if (merge == NULL)
        return;
    run_writer_close(merge->writer);
    memory_free(merge);
}

// Moves entries to the buffer until it is full or some source's piece is empty; returns how many.
static size_t run_merge_fill(struct run_merge *merge, size_t *ret_empty) {
    const struct index_entry *heads[RUN_MERGE_SOURCES_MAX];
    size_t source_count = merge->source_count;
    size_t count = 0;
    size_t least = 0;
    for (size_t i = 0; i < source_count; i++)
        heads[i] = merge->sources[i]->next;
    while (count < RUN_MERGE_BUFFER_ENTRIES) {
        uint64_t fingerprint = heads[0]->fingerprint;
        least = 0;
        for (size_t i = 1; i < source_count; i++) { // the newest of equal ones wins
            uint64_t other = heads[i]->fingerprint;
            least = other < fingerprint ? i : least;
            fingerprint = other < fingerprint ? other : fingerprint;
        }
        merge->buffer[count++] = *heads[least]++;
        if (heads[least] == merge->sources[least]->end)
            break;
    }
    for (size_t i = 0; i < source_count; i++)
        merge->sources[i]->next = heads[i];
    *ret_empty = least;
    return count;
}

enum status run_merge_step(struct run_merge *merge, uint64_t entry_count) {
    uint64_t done = 0;
    while (merge->source_count > 0 && done < entry_count) {
        size_t place;
        size_t count = run_merge_fill(merge, &place);
        enum status status = run_writer_add(merge->writer, merge->buffer, count);
        if (status != STATUS_ok)
            return status;
        done += count;
        struct run_source *source = merge->sources[place];
        if (source->next != source->end)
            continue;
        status = source->refill(source);
        if (status != STATUS_ok)
            return status;
        if (source->next != source->end)
            continue;
        merge->source_count--;
        memmove(merge->sources + place, merge->sources + place + 1,
                (merge->source_count - place) * sizeof(merge->sources[0]));
    }
    return merge->source_count == 0 ? STATUS_end : STATUS_ok;
}

enum status run_merge_finish(struct run_merge *merge, struct run **ret_run) {
    CHECK(merge->source_count == 0);
    enum status status = run_writer_finish(merge->writer, ret_run);
    merge->writer = NULL;
    run_merge_close(merge);
    return status;
}
