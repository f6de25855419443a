// SPDX-License-Identifier: MIT
// Which of the files in the folder make up the index. Each family's runs must cover the journal's
// segments without a gap, from the first one (or from wherever older ones have fallen away) as far
// as they reach. Where several runs begin at the same segment the longest wins: the others are
// inputs of a merge that were not removed before a crash.
//
// A run that does not hold is set aside and the family is covered only as far as the runs before it
// reach; what lies behind it is removed, because the engine puts those records again anyway.
// Nothing of that loses an entry: the journal has them all.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/embedded/index/index_state.h"

struct index_load_item { // a file that claims to be a run
    char name[RUN_NAME_BYTES];
    uint32_t family;
    uint64_t first;
    uint64_t last;
};

struct index_load {
    const struct index *index;
    struct index_load_item *items; // owned
    size_t count;
    size_t capacity;
    struct index_load_item *leftovers; // owned; only names
    size_t leftover_count;
    size_t leftover_capacity;
};

const char *index_family_name(enum index_family family) {
    static const char *const names[INDEX_FAMILY_COUNT] = {
        [INDEX_IDEMPOTENCY] = "idempotency",
        [INDEX_BANK] = "bank",
        [INDEX_ORDER] = "order",
        [INDEX_OWNER] = "owner",
    };
    CHECK(family < INDEX_FAMILY_COUNT);
    return names[family];
}

// Takes `text` off the front of `rest`.
static bool index_load_text(const char **rest, const char *text) {
    size_t size = strlen(text);
    if (strncmp(*rest, text, size) != 0)
        return false;
    *rest += size;
    return true;
}

static bool index_load_number(const char **rest, uint64_t *ret_number) {
    uint64_t number = 0;
    for (int i = 0; i < 12; i++, (*rest)++) {
        if (**rest < '0' || **rest > '9')
            return false;
        number = number * 10 + (uint64_t)(**rest - '0');
    }
    *ret_number = number;
    return true;
}

// Whether a name is one that run_name makes, and of what.
static bool index_load_parse(const char *folder, const char *name,
                             struct index_load_item *ret_item) {
    struct index_load_item item;
    for (item.family = 0; item.family < INDEX_FAMILY_COUNT; item.family++) {
        const char *rest = name;
        if (index_load_text(&rest, folder) &&
            index_load_text(&rest, index_family_name(item.family)) && index_load_text(&rest, "-") &&
            index_load_number(&rest, &item.first) && index_load_text(&rest, "-") &&
            index_load_number(&rest, &item.last) && strcmp(rest, ".run") == 0 &&
            item.first <= item.last) {
            memcpy(item.name, name, strlen(name) + 1);
            *ret_item = item;
            return true;
        }
    }
    return false;
}

static bool index_load_is_temporary(const char *folder, const char *name) {
    size_t size = strlen(name);
    return index_load_text(&name, folder) && size < RUN_NAME_BYTES && strlen(name) > 8 &&
           strcmp(name + strlen(name) - 8, ".run.tmp") == 0;
}

static struct index_load_item *index_load_add(struct index_load_item **items, size_t *count,
                                              size_t *capacity) {
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        *items = memory_resize(*items, *capacity * sizeof(**items));
    }
    return &(*items)[(*count)++];
}

static void index_load_found(void *context, const char *name) {
    struct index_load *load = context;
    struct index_load_item item;
    if (index_load_parse(load->index->folder, name, &item)) {
        *index_load_add(&load->items, &load->count, &load->capacity) = item;
    } else if (index_load_is_temporary(load->index->folder, name)) {
        memcpy(
            index_load_add(&load->leftovers, &load->leftover_count, &load->leftover_capacity)->name,
            name, strlen(name) + 1);
    }
}

static int index_load_compare(const void *left, const void *right) {
    const struct index_load_item *a = left;
    const struct index_load_item *b = right;
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->last < b->last) - (a->last > b->last); // the longest first
}

struct index_load_chain { // the runs of one family found so far
    struct index_family_state *family;
    uint64_t retention_ms;
    uint64_t now_ms;
    uint64_t journal_end;
    uint64_t next; // the segment at which the next run must begin
    bool is_begun; // the first run is known; before, a family with retention may begin anywhere
    bool has_damage;
};

static const struct run *index_load_newest(const struct index_load_chain *chain) {
    const struct index_runs *runs = &chain->family->runs;
    return runs->count == 0 ? NULL : runs->items[runs->count - 1];
}

// What stands before a gap has fallen away by age, but a crash or a failed call kept its file.
static bool index_load_is_past(const struct index_load_chain *chain) {
    const struct run *newest = index_load_newest(chain);
    return chain->retention_ms != 0 && !chain->has_damage && newest != NULL &&
           newest->facts.newest_ms + chain->retention_ms < chain->now_ms;
}

// Whether a run that begins at `first` can be the next one. May start the chain anew.
static bool index_load_fits(struct index *index, struct index_load_chain *chain, uint64_t first) {
    if (first > chain->next && chain->is_begun && index_load_is_past(chain)) {
        index_runs_replace(index, &chain->family->runs, 0, chain->family->runs.count, NULL);
        chain->is_begun = false;
    }
    if (!chain->is_begun && chain->retention_ms != 0)
        chain->next = first;
    chain->is_begun = true;
    return first == chain->next;
}

static bool index_load_belongs(const struct index_load_chain *chain, const struct run *run) {
    const struct run *newest = index_load_newest(chain);
    if (run->facts.end_position > chain->journal_end)
        return false;
    return newest == NULL || newest->facts.end_position <= run->facts.end_position;
}

static void index_load_note_damage(struct index_covered *covered,
                                   const struct index_load_item *item) {
    if (covered->damaged_count++ == 0)
        memcpy(covered->damaged_name, item->name, sizeof(item->name));
}

// Takes a file into the chain, removes it or sets it aside.
static enum status index_load_item(struct index *index, struct index_load_chain *chain,
                                   const struct index_load_item *item,
                                   struct index_covered *covered) {
    struct run *run;
    if (!index_load_fits(index, chain, item->first))
        return index->disk->driver->remove(index->disk, item->name);
    enum status status =
        run_open(index->disk, item->name, item->family, item->first, item->last, &run);
    if (status == STATUS_damaged) {
        chain->has_damage = true; // a shorter run from the same segment on may follow
        index_load_note_damage(covered, item);
        return run_set_aside(index->disk, item->name);
    }
    if (status != STATUS_ok)
        return status;
    index_runs_add(&chain->family->runs, run);
    if (!index_load_belongs(chain, run)) {
        index_runs_replace(index, &chain->family->runs, chain->family->runs.count - 1, 1, NULL);
        return STATUS_ok;
    }
    chain->next = item->last + 1;
    return STATUS_ok;
}

static enum status index_load_family(struct index *index, const struct index_options *options,
                                     const struct index_load *load, uint32_t number,
                                     struct index_covered *covered) {
    struct index_family_state *family = &index->families[number];
    struct index_load_chain chain = {
        .family = family,
        .retention_ms = options->retention_ms[number],
        .now_ms = options->now_ms,
        .journal_end = options->journal_end,
        .next = options->first_segment,
    };
    enum status status = STATUS_ok;
    for (size_t i = 0; i < load->count && status == STATUS_ok; i++)
        if (load->items[i].family == number)
            status = index_load_item(index, &chain, &load->items[i], covered);
    const struct run *newest = index_load_newest(&chain);
    // Without a run the family begins at the journal's beginning, also when a damaged one was its
    // first: where that began in the journal is not known.
    family->next_segment = newest == NULL ? options->first_segment : chain.next;
    family->covered_position = newest == NULL ? 0 : newest->facts.end_position;
    family->sealed_ms = newest == NULL ? 0 : newest->facts.newest_ms;
    if (index->time_ms < family->sealed_ms)
        index->time_ms = family->sealed_ms;
    if (covered->position > family->covered_position)
        covered->position = family->covered_position;
    if (covered->next_segment > family->next_segment)
        covered->next_segment = family->next_segment;
    return status;
}

enum status index_load(struct index *index, const struct index_options *options,
                       struct index_covered *ret_covered) {
    struct index_load load = {.index = index};
    struct index_covered covered = {.position = UINT64_MAX, .next_segment = UINT64_MAX};
    enum status status = index->disk->driver->list(index->disk, index_load_found, &load);
    if (load.count > 0)
        qsort(load.items, load.count, sizeof(load.items[0]), index_load_compare);
    for (size_t i = 0; i < load.leftover_count && status == STATUS_ok; i++)
        status = index->disk->driver->remove(index->disk, load.leftovers[i].name);
    for (uint32_t f = 0; f < INDEX_FAMILY_COUNT && status == STATUS_ok; f++)
        status = index_load_family(index, options, &load, f, &covered);
    memory_free(load.items);
    memory_free(load.leftovers);
    if (status == STATUS_ok)
        *ret_covered = covered;
    return status;
}
