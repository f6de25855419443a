// SPDX-License-Identifier: MIT
// Open addressing, never more than half full. Keys are digests or spread numbers already.
#include "engine/postgres/map.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define CAPACITY_MIN 256

static struct map_entry *place_of(const struct map *map, struct digest128 key) {
    uint32_t at = (uint32_t)(key.low >> 20) & (map->capacity - 1);
    while (map->entries[at].value != NULL && !digest128_equal(map->entries[at].key, key))
        at = (at + 1) & (map->capacity - 1);
    return &map->entries[at];
}

void *map_find(const struct map *map, struct digest128 key) {
    return map->count == 0 ? NULL : place_of(map, key)->value;
}

static void grow(struct map *map) {
    struct map old = *map;
    map->capacity = old.capacity == 0 ? CAPACITY_MIN : old.capacity * 2;
    map->entries = memory_take_zeroed(map->capacity * sizeof(*map->entries));
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.entries[i].value != NULL)
            *place_of(map, old.entries[i].key) = old.entries[i];
    memory_free(old.entries);
}

void map_add(struct map *map, struct digest128 key, void *value) {
    CHECK(value != NULL);
    if (map->count * 2 >= map->capacity)
        grow(map);
    struct map_entry *entry = place_of(map, key);
    CHECK(entry->value == NULL);
    *entry = (struct map_entry){.key = key, .value = value};
    map->count++;
}

void map_clear(struct map *map) {
    if (map->count != 0)
        memset(map->entries, 0, map->capacity * sizeof(*map->entries));
    map->count = 0;
}

void map_done(struct map *map) {
    memory_free(map->entries);
    *map = (struct map){0};
}
