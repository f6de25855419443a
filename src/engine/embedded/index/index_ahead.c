// SPDX-License-Identifier: MIT
// Looking ahead. A lookup touches one line of memory in each table and in each run's filter, and
// each is far away from the processor. So the lines of a whole batch are asked for first. But a
// thousand lookups ask for more lines than the nearest cache keeps until they are decided;
// therefore the answers of the filters are taken a few dozen lookups later, while the lines are
// still near, and kept as hints: which sources may have the fingerprint. What is left for the
// lookup itself is the active table, which alone can change in between.
#include <string.h>

#include "engine/embedded/index/index_state.h"

void index_ahead_clear(struct index_ahead *ahead) {
    ahead->asked_count = 0;
    memset(ahead->hints, 0, sizeof(ahead->hints));
}

static uint64_t index_ahead_tag(uint32_t family) {
    return (uint64_t)(family + 1) << INDEX_AHEAD_SOURCES;
}

uint64_t index_ahead_sources(const struct index_ahead *ahead, uint32_t family,
                             uint64_t fingerprint) {
    const struct index_hint *hint = &ahead->hints[fingerprint % INDEX_AHEAD_HINTS];
    bool is_known =
        hint->fingerprint == fingerprint &&
        hint->sources >> INDEX_AHEAD_SOURCES == index_ahead_tag(family) >> INDEX_AHEAD_SOURCES;
    return is_known ? hint->sources & ~(UINT64_C(15) << INDEX_AHEAD_SOURCES) : UINT64_MAX;
}

// Looks at the memory that was asked for a while ago.
static void index_ahead_note(struct index *index, uint32_t number, uint64_t fingerprint) {
    const struct index_view_family *shown = &index->own.view->families[number];
    const struct run_mask mask = run_mask_of(fingerprint);
    uint64_t sources = 1; // the active table
    uint64_t bit = 2;
    if (shown->table_count + shown->run_count > INDEX_AHEAD_SOURCES)
        return;
    for (size_t i = 1; i < shown->table_count; i++, bit <<= 1)
        if (index_table_find(shown->tables[i], fingerprint, UINT64_MAX) != 0)
            sources |= bit;
    for (size_t i = 0; i < shown->run_count; i++, bit <<= 1)
        if (run_may_have(shown->runs[i].blocks, shown->runs[i].block_count, fingerprint, &mask))
            sources |= bit;
    index->ahead.hints[fingerprint % INDEX_AHEAD_HINTS] = (struct index_hint){
        .fingerprint = fingerprint, .sources = sources | index_ahead_tag(number)};
}

void index_prefetch(struct index *index, enum index_family family, uint64_t fingerprint) {
    struct index_ahead *ahead = &index->ahead;
    const struct index_view_family *shown = &index->own.view->families[family];
    uint32_t place = ahead->asked_count % INDEX_AHEAD_WINDOW;
    CHECK(family < INDEX_FAMILY_COUNT);
    if (ahead->asked_count >= INDEX_AHEAD_WINDOW)
        index_ahead_note(index, ahead->asked_families[place], ahead->asked[place]);
    ahead->asked_families[place] = family;
    ahead->asked[place] = fingerprint;
    ahead->asked_count++;
    for (size_t i = 0; i < shown->table_count; i++)
        index_table_prefetch(shown->tables[i], fingerprint);
    for (size_t i = 0; i < shown->run_count; i++)
        __builtin_prefetch(
            &shown->runs[i].blocks[run_block_of(shown->runs[i].block_count, fingerprint)], 0, 3);
}
