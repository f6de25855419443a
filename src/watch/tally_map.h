// SPDX-License-Identifier: MIT
// Things by id, for the tally: items lie densely in one array and keep their index until they are
// removed; a table of indexes finds them. Ids are random in their second half, so that half is the
// hash.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct tally_map {
    uint8_t *items;      // owned; each begins with its struct id
    uint32_t *slots;     // owned; item indexes, 0: free
    uint32_t item_bytes; // a multiple of 8, at least 24
    uint32_t used;       // indexes 1 to used - 1 have been handed out
    uint32_t capacity;
    uint32_t count;      // items that are there
    uint32_t slot_count; // a power of two
    uint32_t free_first; // of the list of removed items; 0: none
};

void tally_map_init(struct tally_map *map, uint32_t item_bytes);
void tally_map_done(struct tally_map *map);

// The index of the thing, 0: not there. Ids are never zero.
uint32_t tally_map_find(const struct tally_map *map, struct id id);
// Adds a zeroed item with that id, which must not be there. Pointers to items move.
uint32_t tally_map_add(struct tally_map *map, struct id id);
void tally_map_remove(struct tally_map *map, uint32_t index);

static inline void *tally_map_at(const struct tally_map *map, uint32_t index) {
    return map->items + (uint64_t)index * map->item_bytes;
}
// Walks all items: the first index behind `index` (0: the first) that is there; 0: no more.
uint32_t tally_map_next(const struct tally_map *map, uint32_t index);
