// SPDX-License-Identifier: MIT
// Half of the slots stay free. Ids are sealed, so their last bytes are as good as random.
#include "engine/embedded/moved_ids.h"

#include <string.h>

#include "base/memory.h"

#define SLOTS_START 1024

void moved_ids_init(struct moved_ids *moved, const struct table *table) {
    *moved = (struct moved_ids){.table = table};
}

void moved_ids_done(struct moved_ids *moved) {
    memory_free(moved->slots);
    *moved = (struct moved_ids){.table = moved->table};
}

static struct id id_at(const struct moved_ids *moved, uint32_t index) {
    struct id id;
    memcpy(&id, table_at(moved->table, index), sizeof(id));
    return id;
}

static uint32_t first_slot(const struct moved_ids *moved, struct id id) {
    uint64_t word;
    memcpy(&word, id.bytes + 8, sizeof(word));
    return (uint32_t)(word * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (moved->slot_count - 1);
}

uint32_t moved_ids_find(const struct moved_ids *moved, struct id id) {
    if (moved->count == 0)
        return 0;
    uint32_t slot = first_slot(moved, id);
    while (moved->slots[slot] != 0 && !id_equal(id_at(moved, moved->slots[slot]), id))
        slot = (slot + 1) & (moved->slot_count - 1);
    return moved->slots[slot];
}

static void put(struct moved_ids *moved, struct id id, uint32_t index) {
    uint32_t slot = first_slot(moved, id);
    while (moved->slots[slot] != 0)
        slot = (slot + 1) & (moved->slot_count - 1);
    moved->slots[slot] = index;
}

static void grow(struct moved_ids *moved) {
    uint32_t *before = moved->slots, count = moved->slot_count;
    CHECK(count <= UINT32_MAX / 2);
    moved->slot_count = count == 0 ? SLOTS_START : count * 2;
    moved->slots = memory_take_zeroed((size_t)moved->slot_count * sizeof(*moved->slots));
    for (uint32_t i = 0; i < count; i++)
        if (before[i] != 0)
            put(moved, id_at(moved, before[i]), before[i]);
    memory_free(before);
}

void moved_ids_add(struct moved_ids *moved, struct id id, uint32_t index) {
    CHECK(index != 0 && !id_is_zero(id));
    if ((uint64_t)moved->count * 2 >= moved->slot_count)
        grow(moved);
    put(moved, id, index);
    moved->count++;
}
