// SPDX-License-Identifier: MIT
// Which runs are merged, and when. Runs have a level by their size, each four times the one below;
// as soon as there are four of a level without a larger one in between, they become one, and so do
// the smaller ones between them. So an entry is written again once per level, and there are few
// runs: three per level, if segments are alike. Only neighbours are merged, because
// the runs of a family must stay in order of position. Runs that will fall away by age are merged
// only while the result spans no more than a day, or the youngest entry would keep all others.
//
// Small merges go first: one that becomes possible while a large one is under way is done in
// between, so lookups never see many runs because a giant is being written.
//
// A crash at any step leaves every entry in a run: the result gets its name when it is complete,
// and its inputs go when nobody looks into them any more. Inputs that are left over are recognised
// at opening, for the result covers them.
#include <string.h>

#include "base/memory.h"
#include "engine/embedded/index/index_state.h"
#include "engine/embedded/index/run_merge.h"

#define INDEX_MERGE_LEVEL_ENTRIES (UINT64_C(64) << 10) // runs up to this size are at level 0
#define INDEX_MERGE_LEVELS        24
#define INDEX_MERGE_RUNS_MANY     24 // more than levels alone explain
#define INDEX_MERGE_FREE_BYTES    (UINT64_C(64) << 20)
#define INDEX_MERGE_STEP_ENTRIES  (UINT64_C(256) << 10) // a few milliseconds

struct index_merge {
    struct run_merge *merge; // owned
    uint32_t family;
    size_t input_count;
    uint64_t entry_count;
    struct run *inputs[INDEX_MERGE_INPUTS_MAX]; // oldest first
    struct run_reader readers[INDEX_MERGE_INPUTS_MAX];
};

struct index_merge_choice {
    uint32_t family;
    size_t place; // of the oldest input among the family's runs
    size_t count;
    uint64_t entry_count;
};

static uint32_t index_merge_level(uint64_t entry_count) {
    uint32_t level = 0;
    for (uint64_t size = INDEX_MERGE_LEVEL_ENTRIES; size < entry_count; size *= INDEX_MERGE_FAN_IN)
        level++;
    return level;
}

static bool index_merge_takes(const struct run *run, uint32_t level) {
    return !run->is_merging && index_merge_level(run->facts.entry_count) <= level &&
           !atomic_load_explicit(&run->is_damaged, memory_order_relaxed);
}

// How many runs from `place` on become one at this level; 0 when it is too early for that. Smaller
// runs at the end are left to grow, or the large ones would be written again for each small one.
static size_t index_merge_extent(const struct index_runs *runs, size_t place, uint32_t level,
                                 uint64_t span_ms) {
    size_t extent = 0;
    size_t level_count = 0;
    for (size_t i = place; i < runs->count && i - place < INDEX_MERGE_INPUTS_MAX; i++) {
        const struct run *run = runs->items[i];
        if (!index_merge_takes(run, level))
            break;
        if (run->facts.newest_ms - runs->items[place]->facts.oldest_ms > span_ms)
            break;
        if (index_merge_level(run->facts.entry_count) < level)
            continue;
        extent = i - place + 1;
        level_count++;
    }
    return level_count >= INDEX_MERGE_FAN_IN ? extent : 0;
}

static uint64_t index_merge_entries(const struct index_runs *runs, size_t place, size_t count) {
    uint64_t entry_count = 0;
    for (size_t i = place; i < place + count; i++)
        entry_count += runs->items[i]->facts.entry_count;
    return entry_count;
}

// The four neighbours that cost least, whatever their levels: segments of ever changing size can
// leave small runs between large ones without end.
static size_t index_merge_cheapest(const struct index_runs *runs, uint64_t span_ms,
                                   size_t *ret_place) {
    uint64_t cheapest = UINT64_MAX;
    for (size_t place = 0; place + INDEX_MERGE_FAN_IN <= runs->count; place++) {
        const struct run *last = runs->items[place + INDEX_MERGE_FAN_IN - 1];
        uint64_t entry_count = index_merge_entries(runs, place, INDEX_MERGE_FAN_IN);
        bool fits = last->facts.newest_ms - runs->items[place]->facts.oldest_ms <= span_ms;
        for (size_t i = place; i < place + INDEX_MERGE_FAN_IN; i++)
            fits = fits && index_merge_takes(runs->items[i], INDEX_MERGE_LEVELS);
        if (!fits || entry_count >= cheapest)
            continue;
        cheapest = entry_count;
        *ret_place = place;
    }
    return cheapest == UINT64_MAX ? 0 : INDEX_MERGE_FAN_IN;
}

// The smallest merge that a family is ready for.
static bool index_merge_choose(const struct index *index, uint32_t number,
                               struct index_merge_choice *ret_choice) {
    const struct index_runs *runs = &index->families[number].runs;
    uint64_t span_ms = index->retention_ms[number] == 0 ? UINT64_MAX : INDEX_MERGE_SPAN_MS;
    size_t count = 0;
    size_t place = 0;
    for (uint32_t level = 0; level < INDEX_MERGE_LEVELS && count == 0; level++) {
        for (place = 0; place + INDEX_MERGE_FAN_IN <= runs->count; place++) {
            if (index_merge_level(runs->items[place]->facts.entry_count) == level)
                count = index_merge_extent(runs, place, level, span_ms);
            if (count != 0)
                break;
        }
    }
    if (count == 0 && runs->count > INDEX_MERGE_RUNS_MANY)
        count = index_merge_cheapest(runs, span_ms, &place);
    if (count == 0)
        return false;
    *ret_choice = (struct index_merge_choice){
        .family = number,
        .place = place,
        .count = count,
        .entry_count = index_merge_entries(runs, place, count),
    };
    return true;
}

// Marks the smallest possible merge's inputs as taken, if it is smaller than all merges under way.
static struct index_merge *index_merge_begin(struct index *index, struct run_facts *ret_facts) {
    struct index_merge_choice best = {.entry_count = UINT64_MAX};
    struct index_merge *begun = NULL;
    uint64_t smallest =
        index->merge_count == 0 ? UINT64_MAX : index->merges[index->merge_count - 1]->entry_count;
    pthread_mutex_lock(&index->lock);
    for (uint32_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        struct index_merge_choice choice;
        if (index_merge_choose(index, f, &choice) && choice.entry_count < best.entry_count)
            best = choice;
    }
    if (best.count > 0 && best.entry_count < smallest) {
        begun = memory_take_zeroed(sizeof(*begun));
        begun->family = best.family;
        begun->input_count = best.count;
        begun->entry_count = best.entry_count;
        memcpy(begun->inputs, index->families[best.family].runs.items + best.place,
               best.count * sizeof(begun->inputs[0]));
        for (size_t i = 0; i < best.count; i++) {
            begun->inputs[i]->is_merging = true;
            begun->inputs[i]->references++;
        }
    }
    pthread_mutex_unlock(&index->lock);
    if (begun != NULL)
        *ret_facts = (struct run_facts){
            .family = best.family,
            .entry_count = best.entry_count,
            .first_segment = begun->inputs[0]->facts.first_segment,
            .last_segment = begun->inputs[best.count - 1]->facts.last_segment,
            .end_position = begun->inputs[best.count - 1]->facts.end_position,
            .oldest_ms = begun->inputs[0]->facts.oldest_ms,
            .newest_ms = begun->inputs[best.count - 1]->facts.newest_ms,
        };
    return begun;
}

static void index_merge_free(struct index *index, struct index_merge *merge) {
    run_merge_close(merge->merge);
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < merge->input_count; i++) {
        merge->inputs[i]->is_merging = false;
        index_run_release(index, merge->inputs[i]);
    }
    pthread_mutex_unlock(&index->lock);
    memory_free(merge);
}

// A merge needs room for its result beside its inputs. It must not take the room that the journal
// needs: many runs are slow, a full disk stops payments.
static enum status index_merge_room(struct index *index, const struct run_facts *facts) {
    uint64_t free_bytes;
    enum status status = index->disk->driver->free_bytes(index->disk, &free_bytes);
    if (status != STATUS_ok)
        return status;
    uint64_t wanted = 2 * run_file_bytes(facts->entry_count) + INDEX_MERGE_FREE_BYTES;
    return free_bytes < wanted ? STATUS_storage_full : STATUS_ok;
}

// Begins a merge if there is a good one. Returns what opening its file gave.
static enum status index_merge_open(struct index *index) {
    struct run_facts facts;
    char name[RUN_NAME_BYTES];
    struct run_source *sources[INDEX_MERGE_INPUTS_MAX];
    uint64_t view_number = atomic_load_explicit(&index->view_number, memory_order_acquire);
    if (index->merge_count == INDEX_MERGES_MAX || index->merge_view_number == view_number)
        return STATUS_ok;
    struct index_merge *merge = index_merge_begin(index, &facts);
    if (merge == NULL) {
        index->merge_view_number = view_number; // nothing to do before something changes
        return STATUS_ok;
    }
    run_name(name, index->folder, index_family_name(facts.family), facts.first_segment,
             facts.last_segment);
    for (size_t i = 0; i < merge->input_count; i++) {
        run_reader_init(&merge->readers[i], merge->inputs[merge->input_count - 1 - i]);
        sources[i] = &merge->readers[i].source;
    }
    enum status status = index_merge_room(index, &facts);
    if (status == STATUS_ok)
        status =
            run_merge_open(index->disk, name, &facts, sources, merge->input_count, &merge->merge);
    if (status == STATUS_ok)
        index->merges[index->merge_count++] = merge;
    else
        index_merge_free(index, merge);
    return status;
}

// The result takes the place of its inputs.
static void index_merge_publish(struct index *index, const struct index_merge *merge,
                                struct run *run) {
    struct index_runs *runs = &index->families[merge->family].runs;
    size_t place = 0;
    pthread_mutex_lock(&index->lock);
    while (place < runs->count && runs->items[place] != merge->inputs[0])
        place++;
    CHECK(place + merge->input_count <= runs->count); // merging runs are not dropped
    index_runs_replace(index, runs, place, merge->input_count, run);
    index->counters.merge_count++;
    index->counters.entries_written += merge->entry_count;
    index_view_publish(index);
    pthread_mutex_unlock(&index->lock);
}

bool index_merge(struct index *index) {
    enum status status = index_merge_open(index);
    if (status == STATUS_ok && index->merge_count == 0)
        return false;
    struct index_merge *merge = NULL;
    if (status == STATUS_ok) {
        merge = index->merges[index->merge_count - 1];
        status = run_merge_step(merge->merge, INDEX_MERGE_STEP_ENTRIES);
        if (status == STATUS_ok)
            return true;
        index->merge_count--;
        index->merge_view_number = 0; // its inputs may be chosen again
    }
    if (status == STATUS_end) {
        struct run *run;
        status = run_merge_finish(merge->merge, &run);
        merge->merge = NULL;
        if (status == STATUS_ok)
            index_merge_publish(index, merge, run);
    }
    if (merge != NULL)
        index_merge_free(index, merge);
    if (status != STATUS_damaged) // that is known from the run itself and no failure of a write
        index_note_status(index, status);
    return status == STATUS_ok || status == STATUS_damaged;
}

void index_merge_done(struct index *index) {
    while (index->merge_count > 0)
        index_merge_free(index, index->merges[--index->merge_count]);
}
