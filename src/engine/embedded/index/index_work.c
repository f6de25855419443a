// SPDX-License-Identifier: MIT
// The background of the index: one thread that does the most urgent piece of work, again and again.
// First it frees what nobody knows any more, then it makes spare tables (or the writer would have
// to), then runs of sealed tables (they wait in memory), then it drops old runs, and merges. When
// there is nothing else it checks the entries of runs that were found at opening, a little at a
// time, so that damage is met before a lookup needs the place.
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/embedded/index/index_state.h"

#define INDEX_SCRUB_CHUNKS   16                             // a mebibyte
#define INDEX_SCRUB_PAUSE_NS (UINT64_C(10) * 1000 * 1000)   // between two of them
#define INDEX_RETRY_PAUSE_NS (UINT64_C(1000) * 1000 * 1000) // after a failed write

void index_wake_init(pthread_cond_t *wake) {
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(wake, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
}

void index_note_status(struct index *index, enum status status) {
    pthread_mutex_lock(&index->lock);
    index->counters.status = status;
    pthread_mutex_unlock(&index->lock);
}

static bool index_work_free(struct index *index) {
    pthread_mutex_lock(&index->lock);
    struct index_table *table = index->old_tables;
    struct run *run = index->old_runs;
    index->old_tables = NULL;
    index->old_runs = NULL;
    pthread_mutex_unlock(&index->lock);
    if (table == NULL && run == NULL)
        return false;
    while (table != NULL) {
        struct index_table *next = table->next;
        index_table_close(index->reserve);
        index->reserve = table;
        table = next;
    }
    while (run != NULL) {
        struct run *next = run->next;
        run_close(index->disk, run);
        run = next;
    }
    return true;
}

// An empty table whose memory is there. One that was used before needs no new pages, and with the
// same load segment after segment there always is one.
static struct index_table *index_work_make_table(struct index *index, uint64_t slot_count) {
    struct index_table *table = index->reserve;
    if (table != NULL && table->slot_count == slot_count) {
        index->reserve = NULL;
        index_table_clear(table);
        return table;
    }
    table = index_table_open(slot_count);
    index_table_touch(table);
    return table;
}

// Makes one spare table ready, or one of a better size.
static bool index_work_spare(struct index *index) {
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        struct index_family_state *family = &index->families[f];
        pthread_mutex_lock(&index->lock);
        uint64_t wanted = family->slots_wanted;
        bool is_good = family->spare != NULL && family->spare->slot_count == wanted;
        pthread_mutex_unlock(&index->lock);
        if (is_good)
            continue;
        struct index_table *table = index_work_make_table(index, wanted);
        pthread_mutex_lock(&index->lock);
        struct index_table *other = family->spare;
        family->spare = table;
        pthread_mutex_unlock(&index->lock);
        index_table_close(other);
        return true;
    }
    return false;
}

// Lets runs fall away whose newest entry is older than the family's retention: always from the
// oldest on, and never the newest run, which says how far the family is covered.
static bool index_work_drop(struct index *index) {
    bool has_dropped = false;
    pthread_mutex_lock(&index->lock);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        struct index_runs *runs = &index->families[f].runs;
        uint64_t retention_ms = index->retention_ms[f];
        size_t count = 0;
        while (retention_ms != 0 && count + 1 < runs->count && !runs->items[count]->is_merging &&
               index->time_ms > retention_ms &&
               runs->items[count]->facts.newest_ms < index->time_ms - retention_ms)
            count++;
        if (count == 0)
            continue;
        index_runs_replace(index, runs, 0, count, NULL);
        index->counters.drop_count += count;
        has_dropped = true;
    }
    if (has_dropped)
        index_view_publish(index);
    pthread_mutex_unlock(&index->lock);
    return has_dropped;
}

// The first run that has something to do for `wants`, counted for the caller; NULL when there is
// none.
static struct run *index_work_find_run(struct index *index, bool (*wants)(const struct run *run)) {
    struct run *found = NULL;
    pthread_mutex_lock(&index->lock);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT && found == NULL; f++)
        for (size_t i = 0; i < index->families[f].runs.count && found == NULL; i++)
            if (wants(index->families[f].runs.items[i]))
                found = index->families[f].runs.items[i];
    if (found != NULL)
        found->references++;
    pthread_mutex_unlock(&index->lock);
    return found;
}

static void index_work_release_run(struct index *index, struct run *run) {
    pthread_mutex_lock(&index->lock);
    index_run_release(index, run);
    pthread_mutex_unlock(&index->lock);
}

static bool index_work_is_damaged(const struct run *run) {
    return atomic_load_explicit(&run->is_damaged, memory_order_relaxed) && !run->is_set_aside;
}

// Takes a damaged run's name away, so that the next opening makes it anew from the journal.
static bool index_work_set_aside(struct index *index) {
    struct run *run = index_work_find_run(index, index_work_is_damaged);
    if (run == NULL)
        return false;
    enum status status = run_set_aside(index->disk, run->name);
    run->is_set_aside = true;
    pthread_mutex_lock(&index->lock);
    index->counters.damaged_count++;
    pthread_mutex_unlock(&index->lock);
    index_note_status(index, status);
    index_work_release_run(index, run);
    return status == STATUS_ok;
}

static bool index_work_is_unchecked(const struct run *run) {
    return run->scrubbed < run->chunk_count &&
           !atomic_load_explicit(&run->is_damaged, memory_order_relaxed);
}

static bool index_work_scrub(struct index *index) {
    struct run *run = index_work_find_run(index, index_work_is_unchecked);
    if (run == NULL)
        return false;
    for (size_t i = 0; i < INDEX_SCRUB_CHUNKS && run->scrubbed < run->chunk_count; i++)
        if (!run_check_chunk(run, run->scrubbed++))
            break;
    index_work_release_run(index, run);
    return true;
}

// All but checking at leisure.
static bool index_work_urgent(struct index *index) {
    uint64_t begin_ns = clock_monotonic_ns();
    bool has_worked = index_work_free(index) || index_work_spare(index) || index_flush(index) ||
                      index_work_set_aside(index) || index_work_drop(index) || index_merge(index);
    uint64_t busy_ns = clock_monotonic_ns() - begin_ns;
    pthread_mutex_lock(&index->lock);
    index->counters.busy_ns += busy_ns;
    pthread_mutex_unlock(&index->lock);
    return has_worked;
}

bool index_work(struct index *index) {
    CHECK(!index->has_thread);
    return index_work_urgent(index) || index_work_scrub(index);
}

// Waits for news; not for ever when there is something to try again or to check. False: the thread
// must stop.
static bool index_work_wait(struct index *index, bool scrubs) {
    pthread_mutex_lock(&index->lock);
    uint64_t pause_ns = scrubs ? INDEX_SCRUB_PAUSE_NS : INDEX_RETRY_PAUSE_NS;
    uint64_t until_ns = clock_monotonic_ns() + pause_ns;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    int waited = 0;
    while (!index->has_news && !index->stops && waited == 0)
        waited = pthread_cond_timedwait(&index->wake, &index->lock, &until);
    index->has_news = false;
    bool goes_on = !index->stops;
    pthread_mutex_unlock(&index->lock);
    return goes_on;
}

static bool index_work_stops(struct index *index) {
    pthread_mutex_lock(&index->lock);
    bool stops = index->stops;
    pthread_mutex_unlock(&index->lock);
    return stops;
}

void *index_work_run(void *context) {
    struct index *index = context;
    bool goes_on = true;
    while (goes_on) {
        while (!index_work_stops(index) && index_work_urgent(index))
            continue;
        bool scrubs = !index_work_stops(index) && index_work_scrub(index);
        goes_on = index_work_wait(index, scrubs);
    }
    return NULL;
}

void index_work_done(struct index *index) {
    index_merge_done(index);
    pthread_mutex_lock(&index->lock);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        struct index_family_state *family = &index->families[f];
        index_tables_remove_first(index, &family->tables, family->tables.count);
        while (family->runs.count > 0)
            index_run_release(index, family->runs.items[--family->runs.count]);
        index_table_close(family->spare);
        memory_free(family->tables.items);
        memory_free(family->runs.items);
    }
    while (index->sealed_first != NULL) {
        struct index_sealed *sealed = index->sealed_first;
        index->sealed_first = sealed->next;
        memory_free(sealed);
    }
    pthread_mutex_unlock(&index->lock);
    (void)index_work_free(index); // false only when there was nothing to free
    index_table_close(index->reserve);
}
