// SPDX-License-Identifier: MIT
// Linear probing with removal by shifting back, so lookups never slow down with age.
#include "watch/tally_map.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define ITEMS_START 64

// A removed item: no id, and the next of the list.
struct removed {
    struct id none;
    uint64_t next;
};

static uint32_t home_of(const struct tally_map *map, struct id id) {
    uint64_t half;
    memcpy(&half, id.bytes + 8, sizeof(half));
    return (uint32_t)(half * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (map->slot_count - 1);
}

void tally_map_init(struct tally_map *map, uint32_t item_bytes) {
    CHECK(item_bytes % 8 == 0);
    CHECK(item_bytes >= sizeof(struct removed));
    *map = (struct tally_map){.item_bytes = item_bytes,
                              .used = 1,
                              .capacity = ITEMS_START,
                              .slot_count = ITEMS_START * 2};
    map->items = memory_take_zeroed((uint64_t)map->capacity * item_bytes);
    map->slots = memory_take_zeroed(map->slot_count * sizeof(*map->slots));
}

void tally_map_done(struct tally_map *map) {
    memory_free(map->items);
    memory_free(map->slots);
    *map = (struct tally_map){0};
}

static uint32_t slot_of(const struct tally_map *map, struct id id) {
    uint32_t slot = home_of(map, id);
    while (map->slots[slot] != 0) {
        const struct id *there = tally_map_at(map, map->slots[slot]);
        if (id_equal(*there, id))
            break;
        slot = (slot + 1) & (map->slot_count - 1);
    }
    return slot;
}

uint32_t tally_map_find(const struct tally_map *map, struct id id) {
    return map->slots[slot_of(map, id)];
}

static void grow_slots(struct tally_map *map) {
    CHECK(map->slot_count < UINT32_C(1) << 31);
    memory_free(map->slots);
    map->slot_count *= 2;
    map->slots = memory_take_zeroed((uint64_t)map->slot_count * sizeof(*map->slots));
    for (uint32_t index = 0; (index = tally_map_next(map, index)) != 0;) {
        const struct id *id = tally_map_at(map, index);
        map->slots[slot_of(map, *id)] = index;
    }
}

static uint32_t take_index(struct tally_map *map) {
    if (map->free_first != 0) {
        uint32_t index = map->free_first;
        const struct removed *removed = tally_map_at(map, index);
        map->free_first = (uint32_t)removed->next;
        return index;
    }
    if (map->used == map->capacity) {
        CHECK(map->capacity < UINT32_C(1) << 31);
        map->capacity *= 2;
        map->items = memory_resize(map->items, (uint64_t)map->capacity * map->item_bytes);
    }
    return map->used++;
}

uint32_t tally_map_add(struct tally_map *map, struct id id) {
    CHECK(!id_is_zero(id));
    if (map->count >= map->slot_count / 2)
        grow_slots(map);
    uint32_t slot = slot_of(map, id);
    CHECK(map->slots[slot] == 0);
    uint32_t index = take_index(map);
    memset(tally_map_at(map, index), 0, map->item_bytes);
    memcpy(tally_map_at(map, index), &id, sizeof(id));
    map->slots[slot] = index;
    map->count++;
    return index;
}

// Closes the gap, so that whatever was pushed behind it by the item is found again.
static void close_gap(struct tally_map *map, uint32_t gap) {
    uint32_t mask = map->slot_count - 1;
    for (uint32_t slot = (gap + 1) & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        const struct id *id = tally_map_at(map, map->slots[slot]);
        uint32_t home = home_of(map, *id);
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue; // it would come to stand in front of its home
        map->slots[gap] = map->slots[slot];
        gap = slot;
    }
    map->slots[gap] = 0;
}

void tally_map_remove(struct tally_map *map, uint32_t index) {
    CHECK(index != 0 && index < map->used);
    struct removed *removed = tally_map_at(map, index);
    uint32_t slot = slot_of(map, removed->none);
    CHECK(map->slots[slot] == index);
    close_gap(map, slot);
    memset(removed, 0, map->item_bytes);
    removed->next = map->free_first;
    map->free_first = index;
    map->count--;
}

uint32_t tally_map_next(const struct tally_map *map, uint32_t index) {
    while (++index < map->used) {
        const struct id *id = tally_map_at(map, index);
        if (!id_is_zero(*id))
            return index;
    }
    return 0;
}
