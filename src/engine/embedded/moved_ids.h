// SPDX-License-Identifier: MIT
// Things that moved in from another engine have ids whose locators count what stood there. So where
// they are here is kept in memory: 8 to 16 bytes for each, found by the id in the table's item.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/embedded/state/table.h"

struct moved_ids {
    const struct table *table; // whose items begin with their ids; borrowed
    uint32_t *slots;           // open addressing: item indexes, 0: free; owned
    uint32_t slot_count, count;
};

void moved_ids_init(struct moved_ids *moved, const struct table *table);
void moved_ids_done(struct moved_ids *moved);
// 0: it is none of them. Thread: any, once all were added.
uint32_t moved_ids_find(const struct moved_ids *moved, struct id id);
// The item at `index` has that id, or will have it before the next one is added or looked for.
void moved_ids_add(struct moved_ids *moved, struct id id, uint32_t index);
