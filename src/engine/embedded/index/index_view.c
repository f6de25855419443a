// SPDX-License-Identifier: MIT
// Counting who looks at what. A view counts the tables and runs it shows, and is counted by the
// index (the newest one), the writer and each open snapshot. Whoever lets go of the last count only
// moves the thing to a list; the background frees it, because that touches files and unmaps memory.
#include <string.h>

#include "base/memory.h"
#include "engine/embedded/index/index_state.h"

void index_tables_add(struct index_tables *tables, struct index_table *table) {
    if (tables->count == tables->capacity) {
        tables->capacity = tables->capacity == 0 ? 8 : tables->capacity * 2;
        tables->items = memory_resize(tables->items, tables->capacity * sizeof(tables->items[0]));
    }
    tables->items[tables->count++] = table;
    table->references++;
}

void index_tables_remove_first(struct index *index, struct index_tables *tables, size_t count) {
    CHECK(count <= tables->count);
    for (size_t i = 0; i < count; i++)
        index_table_release(index, tables->items[i]);
    memmove(tables->items, tables->items + count,
            (tables->count - count) * sizeof(tables->items[0]));
    tables->count -= count;
}

void index_runs_add(struct index_runs *runs, struct run *run) {
    if (runs->count == runs->capacity) {
        runs->capacity = runs->capacity == 0 ? 16 : runs->capacity * 2;
        runs->items = memory_resize(runs->items, runs->capacity * sizeof(runs->items[0]));
    }
    runs->items[runs->count++] = run;
    run->references++;
}

void index_runs_replace(struct index *index, struct index_runs *runs, size_t place, size_t count,
                        struct run *run) {
    size_t kept = run == NULL ? 0 : 1;
    CHECK(count > 0 && place + count <= runs->count);
    for (size_t i = place; i < place + count; i++) {
        runs->items[i]->is_obsolete = true;
        index_run_release(index, runs->items[i]);
    }
    if (run != NULL) {
        runs->items[place] = run;
        run->references++;
    }
    memmove(runs->items + place + kept, runs->items + place + count,
            (runs->count - place - count) * sizeof(runs->items[0]));
    runs->count -= count - kept;
}

void index_table_release(struct index *index, struct index_table *table) {
    CHECK(table->references > 0);
    if (--table->references > 0)
        return;
    table->next = index->old_tables;
    index->old_tables = table;
}

void index_run_release(struct index *index, struct run *run) {
    CHECK(run->references > 0);
    if (--run->references > 0)
        return;
    run->next = index->old_runs;
    index->old_runs = run;
}

void index_view_release(struct index *index, const struct index_view *shown) {
    struct index_view *view =
        (struct index_view *)shown; // const for those who look, not for the count
    CHECK(view->references > 0);
    if (--view->references > 0)
        return;
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++) {
        const struct index_view_family *family = &view->families[f];
        for (size_t i = 0; i < family->table_count; i++)
            index_table_release(index, family->tables[i]);
        for (size_t i = 0; i < family->run_count; i++)
            index_run_release(index, family->runs[i].run);
    }
    memory_free(view);
}

// The family's part of a view; its arrays lie at `room`. Returns what is left of the room.
static uint8_t *index_view_fill(struct index_view_family *shown,
                                const struct index_family_state *family, uint8_t *room) {
    shown->runs = (struct index_view_run *)room;
    for (size_t i = family->runs.count; i-- > 0;) {
        struct run *run = family->runs.items[i];
        if (run->facts.entry_count == 0)
            continue;
        shown->runs[shown->run_count++] = (struct index_view_run){
            .blocks = run->blocks, .block_count = run->block_count, .run = run};
        run->references++;
    }
    shown->tables = (struct index_table **)(shown->runs + shown->run_count);
    for (size_t i = family->tables.count; i-- > 0;) {
        shown->tables[shown->table_count++] = family->tables.items[i];
        family->tables.items[i]->references++;
    }
    return (uint8_t *)(shown->tables + shown->table_count);
}

void index_view_publish(struct index *index) {
    size_t size = sizeof(struct index_view);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++)
        size += index->families[f].runs.count * sizeof(struct index_view_run) +
                index->families[f].tables.count * sizeof(struct index_table *);
    struct index_view *view = memory_take_zeroed(size);
    uint8_t *room = (uint8_t *)(view + 1);
    for (size_t f = 0; f < INDEX_FAMILY_COUNT; f++)
        room = index_view_fill(&view->families[f], &index->families[f], room);
    CHECK(room <= (uint8_t *)view + size);
    view->references = 1;
    if (index->view != NULL)
        index_view_release(index, index->view);
    index->view = view;
    atomic_fetch_add_explicit(&index->view_number, 1, memory_order_release);
}
