// SPDX-License-Identifier: MIT
// `florin shards move` and `florin shards balance`.
#pragma once
#include <stdbool.h>

#include "engine/postgres/shard/shard.h"

struct slot_range {
    uint32_t first, last;
};

// "5" or "5-9". False: it is none.
bool slot_range_read(const char *text, struct slot_range *ret_range);

// One slot after the other. The exit status of the program: 0, 1 when it broke off, 2 when there is
// no shard of that name. SIGINT and SIGTERM are blocked from here on: they end it where nothing is
// half done.
int shards_move_slots(const struct shard_place *places, uint32_t count,
                      const struct slot_range *range, const char *target);
// Prints the plan and, unless `is_plan_only`, carries it out. The exit status likewise.
int shards_balance(const struct shard_place *places, uint32_t count, bool is_plan_only);
// Behind the table of shards: how even it is.
void shards_print_spread(const struct shard_place *places, uint32_t count);
