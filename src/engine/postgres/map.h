// SPDX-License-Identifier: MIT
// Finds things of a batch by a number or a digest. Emptied after each batch; keeps its memory.
#pragma once
#include <stdint.h>

#include "base/hash.h"

struct map_entry {
    struct digest128 key;
    void *value; // NULL: free
};

struct map {
    struct map_entry *entries; // owned
    uint32_t count, capacity;  // a power of two, or 0
};

// Thread: one at a time per map. A map may start zeroed.
void *map_find(const struct map *map, struct digest128 key);      // NULL: there is none
void map_add(struct map *map, struct digest128 key, void *value); // must not be there
void map_clear(struct map *map);
void map_done(struct map *map);

// Of what two shards may have under the same number.
static inline struct digest128 map_slot_number(uint32_t slot, uint64_t number) {
    return (struct digest128){.low = (number * UINT64_C(0x9e3779b97f4a7c15)) ^
                                     ((uint64_t)slot << 44),
                              .high = number};
}

static inline struct digest128 map_number(uint64_t number) {
    return (struct digest128){.low = number * UINT64_C(0x9e3779b97f4a7c15), .high = number};
}
