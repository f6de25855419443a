// SPDX-License-Identifier: MIT
// The writer's side of the index and the lookups. Nothing here waits for a disk: a full or sealed
// table is followed by a spare one that the background has made ready, and if there is none the
// writer makes one, which costs it page faults but no wait.
#include "engine/embedded/index/index.h"

#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "engine/embedded/index/index_state.h"

// Puts of one round whose memory is kept for the next.
#define INDEX_UNDO_KEPT         ((size_t)256 << 10)
#define INDEX_TABLE_SLOTS_FIRST (UINT64_C(1) << 14)

// Lets the writer's snapshot show the newest view. The lock is held.
static void index_own_refresh(struct index *index) {
    if (index->own.view != NULL)
        index_view_release(index, index->own.view);
    index->view->references++;
    index->own.view = index->view;
    index->own_view_number = atomic_load_explicit(&index->view_number, memory_order_relaxed);
    index_ahead_clear(&index->ahead);
}

static void index_wake(struct index *index) {
    index->has_news = true;
    CHECK(pthread_cond_signal(&index->wake) == 0);
}

// Makes a fresh table the active one. The lock is held.
static void index_begin_table(struct index *index, struct index_family_state *family) {
    struct index_table *table = family->spare;
    family->spare = NULL;
    if (table == NULL) {
        table = index_table_open(family->slots_wanted);
        index->counters.spare_misses++;
    }
    index_tables_add(&family->tables, table);
    family->active = table;
    family->unsealed_tables++;
}

// The active table is full before its segment is: another one goes on, larger, for the segment is a
// busy one.
static void index_add_table(struct index *index, struct index_family_state *family) {
    pthread_mutex_lock(&index->lock);
    uint64_t wanted = family->active->slot_count * 4;
    family->slots_wanted = wanted < INDEX_TABLE_SLOTS_MAX ? wanted : INDEX_TABLE_SLOTS_MAX;
    index_begin_table(index, family);
    index_view_publish(index);
    index_own_refresh(index);
    index_wake(index);
    pthread_mutex_unlock(&index->lock);
}

static struct index_undo *index_add_undo(struct index *index) {
    if (index->undo_count == index->undo_capacity) {
        index->undo_capacity = index->undo_capacity == 0 ? 4096 : index->undo_capacity * 2;
        index->undo = memory_resize(index->undo, index->undo_capacity * sizeof(index->undo[0]));
    }
    return &index->undo[index->undo_count++];
}

void index_put(struct index *index, enum index_family family_number, uint64_t fingerprint,
               uint64_t position) {
    CHECK(family_number < INDEX_FAMILY_COUNT);
    struct index_family_state *family = &index->families[family_number];
    CHECK(position != 0 && position >= family->last_position);
    if (position < family->covered_position)
        return; // a run has it; another family needs the replay
    struct index_undo *undo = index_add_undo(index);
    undo->family = family_number;
    undo->last_position = family->last_position;
    if (!index_table_put(family->active, fingerprint, position, &undo->table)) {
        index_add_table(index, family);
        bool has_room = index_table_put(family->active, fingerprint, position, &undo->table);
        CHECK(has_room);
    }
    family->last_position = position;
}

size_t index_mark(const struct index *index) {
    return index->undo_count;
}

void index_undo(struct index *index, size_t mark) {
    CHECK(mark <= index->undo_count);
    while (index->undo_count > mark) {
        const struct index_undo *undo = &index->undo[--index->undo_count];
        index_table_take_back(&undo->table);
        index->families[undo->family].last_position = undo->last_position;
    }
}

void index_settle(struct index *index) {
    index->undo_count = 0;
    index->ahead.asked_count = 0;
    if (index->undo_capacity > INDEX_UNDO_KEPT) { // a replay's, which settles seldom
        memory_free(index->undo);
        index->undo = NULL;
        index->undo_capacity = 0;
    }
    if (atomic_load_explicit(&index->view_number, memory_order_relaxed) == index->own_view_number)
        return;
    pthread_mutex_lock(&index->lock);
    index_own_refresh(index);
    pthread_mutex_unlock(&index->lock);
}

// Home slots for a table that is to take `entry_count` entries and a quarter more, half of its
// slots staying empty.
static uint64_t index_slots_for(uint64_t entry_count) {
    uint64_t slot_count = INDEX_TABLE_SLOTS_MIN;
    while (slot_count < INDEX_TABLE_SLOTS_MAX && slot_count < entry_count * 5 / 2)
        slot_count *= 2;
    return slot_count;
}

// Seals the tables that a family got during the segment. The lock is held.
static void index_seal_family(struct index *index, size_t number,
                              const struct index_sealed *facts) {
    struct index_family_state *family = &index->families[number];
    struct index_sealed *sealed = memory_take(sizeof(*sealed));
    *sealed = *facts;
    sealed->family = (uint32_t)number;
    sealed->oldest_ms = family->sealed_ms == 0 ? facts->newest_ms : family->sealed_ms;
    if (sealed->newest_ms < sealed->oldest_ms)
        sealed->newest_ms = sealed->oldest_ms; // time stood still
    family->sealed_ms = sealed->newest_ms;
    size_t first = family->tables.count - family->unsealed_tables;
    for (size_t i = first; i < family->tables.count; i++)
        sealed->entry_count += index_table_entries(family->tables.items[i]);
    if (sealed->entry_count > 0) {
        sealed->table_count = family->unsealed_tables;
        for (size_t i = first; i < family->tables.count; i++)
            sealed->bytes += index_table_bytes(family->tables.items[i]);
        index->backlog_bytes += sealed->bytes;
        family->slots_wanted = index_slots_for(sealed->entry_count);
        family->unsealed_tables = 0;
        index_begin_table(index, family);
    }
    index->backlog_count++;
    if (index->sealed_last == NULL)
        index->sealed_first = sealed;
    else
        index->sealed_last->next = sealed;
    index->sealed_last = sealed;
}

void index_seal(struct index *index, uint64_t segment, uint64_t end_position, uint64_t time_ms) {
    const struct index_sealed facts = {
        .segment = segment, .end_position = end_position, .newest_ms = time_ms};
    CHECK(index->undo_count == 0);
    pthread_mutex_lock(&index->lock);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        struct index_family_state *family = &index->families[f];
        if (segment < family->next_segment)
            continue; // a run has it; another family needs the replay
        CHECK(segment == family->next_segment);
        CHECK(family->last_position < end_position);
        family->next_segment++;
        index_seal_family(index, f, &facts);
    }
    if (index->time_ms < time_ms)
        index->time_ms = time_ms;
    atomic_store_explicit(&index->is_behind, index->backlog_bytes > index->backlog_bytes_max,
                          memory_order_relaxed);
    index_view_publish(index);
    index_own_refresh(index);
    index_wake(index);
    pthread_mutex_unlock(&index->lock);
}

bool index_is_behind(const struct index *index) {
    return atomic_load_explicit(&index->is_behind, memory_order_relaxed);
}

void index_snapshot_open(struct index *index, uint64_t bound, struct index_snapshot *ret_snapshot) {
    pthread_mutex_lock(&index->lock);
    index->view->references++;
    *ret_snapshot = (struct index_snapshot){.index = index, .view = index->view, .bound = bound};
    pthread_mutex_unlock(&index->lock);
}

void index_snapshot_close(struct index_snapshot *snapshot) {
    struct index *index = snapshot->index;
    pthread_mutex_lock(&index->lock);
    index_view_release(index, snapshot->view);
    if (index->old_runs != NULL || index->old_tables != NULL)
        index_wake(index);
    pthread_mutex_unlock(&index->lock);
    snapshot->view = NULL;
}

const struct index_snapshot *index_own(const struct index *index) {
    return &index->own;
}

// The first source from the cursor's on that may have the fingerprint, at most `source_count`.
static uint32_t index_cursor_skip(const struct index_cursor *cursor, uint32_t source_count) {
    uint32_t source = cursor->source;
    if (source >= INDEX_AHEAD_SOURCES)
        return source;
    uint64_t left = cursor->sources >> source;
    source = left == 0 ? INDEX_AHEAD_SOURCES : source + (uint32_t)__builtin_ctzll(left);
    return source < source_count ? source : source_count;
}

static enum status index_find_in_run(const struct index_view_run *place,
                                     const struct index_cursor *cursor, uint64_t *ret_position) {
    const struct run_mask mask = run_mask_of(cursor->fingerprint);
    if (!run_may_have(place->blocks, place->block_count, cursor->fingerprint, &mask))
        return STATUS_end;
    return run_find(place->run, cursor->fingerprint, cursor->below, ret_position);
}

enum status index_find_next(struct index_cursor *cursor, uint64_t *ret_position) {
    const struct index_view_family *shown = &cursor->view->families[cursor->family];
    uint32_t source_count = shown->table_count + shown->run_count;
    for (; (cursor->source = index_cursor_skip(cursor, source_count)) < source_count;
         cursor->source++) {
        uint64_t position = 0;
        enum status status;
        if (cursor->source < shown->table_count) {
            position =
                index_table_find(shown->tables[cursor->source], cursor->fingerprint, cursor->below);
            status = position == 0 ? STATUS_end : STATUS_ok;
        } else {
            status = index_find_in_run(&shown->runs[cursor->source - shown->table_count], cursor,
                                       &position);
        }
        if (status == STATUS_end)
            continue;
        if (status == STATUS_ok)
            cursor->below = *ret_position = position;
        return status;
    }
    return STATUS_end;
}

enum status index_find_below(const struct index_snapshot *snapshot, enum index_family family,
                             uint64_t fingerprint, uint64_t below, struct index_cursor *ret_cursor,
                             uint64_t *ret_position) {
    const struct index *index = snapshot->index;
    CHECK(family < INDEX_FAMILY_COUNT);
    *ret_cursor = (struct index_cursor){
        .view = snapshot->view,
        .fingerprint = fingerprint,
        .below = below < snapshot->bound ? below : snapshot->bound,
        .sources = snapshot == &index->own ? index_ahead_sources(&index->ahead, family, fingerprint)
                                           : UINT64_MAX,
        .family = family,
    };
    return index_find_next(ret_cursor, ret_position);
}

enum status index_find_first(const struct index_snapshot *snapshot, enum index_family family,
                             uint64_t fingerprint, struct index_cursor *ret_cursor,
                             uint64_t *ret_position) {
    return index_find_below(snapshot, family, fingerprint, snapshot->bound, ret_cursor,
                            ret_position);
}

static struct index *index_make(const struct index_options *options) {
    struct index *index = memory_take_zeroed(sizeof(*index));
    index->disk = options->disk;
    index->first_segment = options->first_segment;
    index->time_ms = options->now_ms;
    index->backlog_bytes_max =
        options->backlog_bytes_max == 0 ? INDEX_BACKLOG_BYTES_MAX : options->backlog_bytes_max;
    CHECK(strlen(options->folder) < sizeof(index->folder));
    memcpy(index->folder, options->folder, strlen(options->folder) + 1);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        index->retention_ms[f] = options->retention_ms[f];
        index->families[f].slots_wanted = INDEX_TABLE_SLOTS_FIRST;
        index_begin_table(index, &index->families[f]);
        index_table_touch(index->families[f].active);
    }
    index->counters.spare_misses = 0;
    index->own = (struct index_snapshot){.index = index, .bound = UINT64_MAX};
    CHECK(pthread_mutex_init(&index->lock, NULL) == 0);
    index_wake_init(&index->wake);
    return index;
}

enum status index_open(const struct index_options *options, struct index_covered *ret_covered,
                       struct index **ret_index) {
    struct index *index = index_make(options);
    struct index_covered covered;
    enum status status = index_load(index, options, &covered);
    if (status != STATUS_ok) {
        index_close(index);
        return status;
    }
    index_view_publish(index);
    index_own_refresh(index);
    if (!options->without_thread) {
        thread_start(&index->thread, "index", index_work_run, index);
        index->has_thread = true;
    }
    *ret_covered = covered;
    *ret_index = index;
    return STATUS_ok;
}

void index_close(struct index *index) {
    if (index == NULL)
        return;
    if (index->has_thread) {
        pthread_mutex_lock(&index->lock);
        index->stops = true;
        index_wake(index);
        pthread_mutex_unlock(&index->lock);
        CHECK(pthread_join(index->thread, NULL) == 0);
    }
    while (index_flush(index))
        continue;
    pthread_mutex_lock(&index->lock);
    if (index->own.view != NULL)
        index_view_release(index, index->own.view);
    if (index->view != NULL)
        index_view_release(index, index->view);
    pthread_mutex_unlock(&index->lock);
    index_work_done(index);
    CHECK(pthread_cond_destroy(&index->wake) == 0);
    CHECK(pthread_mutex_destroy(&index->lock) == 0);
    memory_free(index->undo);
    memory_free(index);
}

void index_stats(struct index *index, struct index_stats *ret_stats) {
    pthread_mutex_lock(&index->lock);
    struct index_stats stats = index->counters;
    stats.covered_position = UINT64_MAX;
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        const struct index_family_state *family = &index->families[f];
        for (size_t i = 0; i < family->runs.count; i++) {
            const struct run *run = family->runs.items[i];
            stats.run_entries += run->facts.entry_count;
            stats.run_memory_bytes += run_bytes(run);
            stats.run_file_bytes += run_file_bytes(run->facts.entry_count);
        }
        uint64_t end = family->runs.count == 0
                           ? 0
                           : family->runs.items[family->runs.count - 1]->facts.end_position;
        if (stats.covered_position > end)
            stats.covered_position = end;
        stats.run_count += family->runs.count;
        if (stats.run_count_max < family->runs.count)
            stats.run_count_max = family->runs.count;
        for (size_t i = 0; i < family->tables.count; i++) {
            stats.table_memory_bytes += index_table_bytes(family->tables.items[i]);
            stats.table_entries += index_table_entries(family->tables.items[i]);
        }
        stats.table_memory_bytes += family->spare == NULL ? 0 : index_table_bytes(family->spare);
    }
    stats.backlog_count = index->backlog_count;
    stats.backlog_bytes = index->backlog_bytes;
    pthread_mutex_unlock(&index->lock);
    *ret_stats = stats;
}
