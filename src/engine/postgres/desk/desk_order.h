// SPDX-License-Identifier: MIT
// What operations of a batch that come again are about, so that those behind them wait.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "engine/postgres/desk/desk.h"

// Of one batch, and of the desk's round. All zero: nobody stands in it yet.
struct desk_order {
    uint64_t *seen; // open addressing; the arena's
    uint32_t capacity, count;
};

// Thread: the writer's, as for all here.
void desk_order_add(struct desk *desk, struct desk_order *order, const struct command *command);
// Whether it has to do with what one of those does.
bool desk_order_waits(const struct desk *desk, const struct desk_order *order,
                      const struct command *command);
