// SPDX-License-Identifier: MIT
// Reserved address ranges behind the tables of the state, and copies that are never half of a
// change.
#include "engine/embedded/state/table.h"

#include <sched.h>
#include <sys/mman.h>

void table_init(struct table *table, uint32_t item_bytes, uint32_t count_max) {
    CHECK(item_bytes % 8 == 0);
    CHECK(count_max > 1);
    void *bytes = mmap(NULL, (uint64_t)item_bytes * count_max, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(bytes != MAP_FAILED);
    // Items are found at random: large pages spare most of the misses in the address tables.
    (void)madvise(bytes, (uint64_t)item_bytes * count_max, MADV_HUGEPAGE);
    *table = (struct table){
        .bytes = bytes, .item_bytes = item_bytes, .count = 1, .count_max = count_max};
}

void table_done(struct table *table) {
    if (table->bytes != NULL)
        munmap(table->bytes, (uint64_t)table->item_bytes * table->count_max);
    *table = (struct table){0};
}

uint32_t table_add(struct table *table) {
    CHECK(table->count < table->count_max);
    uint32_t index = table->count;
    __atomic_store_n(&table->count, index + 1, __ATOMIC_RELEASE);
    return index;
}

void table_cut(struct table *table, uint32_t count) {
    CHECK(count >= 1 && count <= table->count);
    __atomic_store_n(&table->count, count, __ATOMIC_RELEASE);
}

// The thread sanitizer is told to look away. The writer's stores are plain ones, each between an
// odd and an even sequence: a copy that met any of them, whole or in part, is thrown away, so it
// does not matter what it read. Atomic stores would cost every payment what only copies need.
__attribute__((no_sanitize("thread")))
void table_copy(const struct table *table, uint32_t index, uint32_t sequence_offset,
                void *ret_item) {
    CHECK(index >= 1 && index < table->count_max);
    const uint64_t *item = (const uint64_t *)(table->bytes + (uint64_t)index * table->item_bytes);
    const uint32_t *sequence = (const uint32_t *)((const uint8_t *)item + sequence_offset);
    for (;;) {
        uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
        if (before % 2 == 0) {
            for (uint32_t i = 0; i < table->item_bytes / 8; i++)
                ((uint64_t *)ret_item)[i] = __atomic_load_n(&item[i], __ATOMIC_RELAXED);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(sequence, __ATOMIC_RELAXED) == before)
                return;
        }
        sched_yield();
    }
}
