// SPDX-License-Identifier: MIT
// Sealed tables become a run. When several segments of a family wait, because the disk was slow,
// they become one run together: the longer the queue, the less work per entry.
#include <string.h>

#include "base/memory.h"
#include "engine/embedded/index/index_state.h"
#include "engine/embedded/index/run_merge.h"

#define INDEX_FLUSH_TABLES_MAX    16 // more than that only when one segment has more
#define INDEX_FLUSH_PIECE_ENTRIES 2048

struct index_flush_source { // a table as a source of a merge
    struct run_source source;
    struct index_table_reader reader;
    struct index_entry piece[INDEX_FLUSH_PIECE_ENTRIES];
};

struct index_flush { // what one flush takes from the queue
    size_t sealed_count;
    size_t table_count;
    struct index_table *tables[RUN_MERGE_SOURCES_MAX]; // oldest first
    struct run_facts facts;
};

static enum status index_flush_refill(struct run_source *source) {
    struct index_flush_source *from = (struct index_flush_source *)source;
    size_t count = index_table_read(&from->reader, from->piece, INDEX_FLUSH_PIECE_ENTRIES);
    source->next = from->piece;
    source->end = from->piece + count;
    return STATUS_ok;
}

// The next sealed one of the family after `sealed`, or the first of the queue.
static struct index_sealed *index_flush_next(const struct index *index, struct index_sealed *sealed,
                                             uint32_t family) {
    sealed = sealed == NULL ? index->sealed_first : sealed->next;
    while (sealed != NULL && sealed->family != family)
        sealed = sealed->next;
    return sealed;
}

// Chooses the oldest in the queue and those that go with it. They stay in the queue until the run
// is there.
static bool index_flush_choose(struct index *index, struct index_flush *ret_flush) {
    struct index_flush flush = {0};
    pthread_mutex_lock(&index->lock);
    struct index_sealed *sealed = index->sealed_first;
    uint32_t family = sealed == NULL ? 0 : sealed->family;
    for (; sealed != NULL; sealed = index_flush_next(index, sealed, family)) {
        if (flush.sealed_count > 0 &&
            flush.table_count + sealed->table_count > INDEX_FLUSH_TABLES_MAX)
            break;
        if (flush.sealed_count == 0)
            flush.facts = (struct run_facts){
                .family = family, .first_segment = sealed->segment, .oldest_ms = sealed->oldest_ms};
        CHECK(flush.table_count + sealed->table_count <= RUN_MERGE_SOURCES_MAX);
        flush.facts.last_segment = sealed->segment;
        flush.facts.end_position = sealed->end_position;
        flush.facts.newest_ms = sealed->newest_ms;
        flush.facts.entry_count += sealed->entry_count;
        flush.table_count += sealed->table_count;
        flush.sealed_count++;
    }
    if (flush.table_count > 0)
        memcpy(flush.tables, index->families[family].tables.items,
               flush.table_count * sizeof(flush.tables[0]));
    pthread_mutex_unlock(&index->lock);
    *ret_flush = flush;
    return flush.sealed_count > 0;
}

static enum status index_flush_write(struct index *index, const struct index_flush *flush,
                                     struct run **ret_run) {
    struct run_source *sources[RUN_MERGE_SOURCES_MAX];
    struct run_merge *merge;
    char name[RUN_NAME_BYTES];
    run_name(name, index->folder, index_family_name(flush->facts.family),
             flush->facts.first_segment, flush->facts.last_segment);
    struct index_flush_source *all = memory_take((flush->table_count + 1) * sizeof(*all));
    for (size_t i = 0; i < flush->table_count; i++) {
        struct index_flush_source *from = &all[i];
        from->source = (struct run_source){.refill = index_flush_refill};
        index_table_reader_init(&from->reader, flush->tables[flush->table_count - 1 - i]);
        sources[i] = &from->source;
    }
    enum status status =
        run_merge_open(index->disk, name, &flush->facts, sources, flush->table_count, &merge);
    if (status == STATUS_ok) {
        status = run_merge_step(merge, UINT64_MAX);
        if (status == STATUS_end)
            status = run_merge_finish(merge, ret_run);
        else
            run_merge_close(merge);
    }
    for (size_t i = 0; i < flush->table_count; i++)
        index_table_reader_done(&all[i].reader);
    memory_free(all);
    return status;
}

// Takes the first `count` sealed ones of the family out of the queue. The lock is held.
static void index_flush_dequeue(struct index *index, uint32_t family, size_t count) {
    struct index_sealed **link = &index->sealed_first;
    struct index_sealed *last = NULL;
    while (*link != NULL) {
        struct index_sealed *sealed = *link;
        if (count > 0 && sealed->family == family) {
            *link = sealed->next;
            index->backlog_bytes -= sealed->bytes;
            index->backlog_count--;
            memory_free(sealed);
            count--;
            continue;
        }
        last = sealed;
        link = &sealed->next;
    }
    index->sealed_last = last;
    CHECK(count == 0);
}

bool index_flush(struct index *index) {
    struct index_flush flush;
    struct run *run;
    if (!index_flush_choose(index, &flush))
        return false;
    enum status status = index_flush_write(index, &flush, &run);
    index_note_status(index, status);
    if (status != STATUS_ok)
        return false;
    struct index_family_state *family = &index->families[flush.facts.family];
    pthread_mutex_lock(&index->lock);
    index_tables_remove_first(index, &family->tables, flush.table_count);
    index_runs_add(&family->runs, run);
    index_flush_dequeue(index, flush.facts.family, flush.sealed_count);
    index->counters.flush_count++;
    index->counters.entries_written += flush.facts.entry_count;
    atomic_store_explicit(&index->is_behind, index->backlog_bytes > index->backlog_bytes_max,
                          memory_order_relaxed);
    index_view_publish(index);
    pthread_mutex_unlock(&index->lock);
    return true;
}
