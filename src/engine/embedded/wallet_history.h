// SPDX-License-Identifier: MIT
// Walks one wallet's transactions from new to old through the pointers in their records. Sees what
// is durable. Thread: any but the writer's.
#pragma once
#include "engine/embedded/books.h"

// One transaction of a wallet.
struct history_entry {
    uint64_t position;
    struct record record;
    const struct posting_side *side; // the wallet's, within `record`
};

// Reads the wallet's transaction at `position`. False when there is no transaction of that wallet.
bool history_read(struct books *books, struct id wallet, uint64_t position,
                  struct history_entry *ret_entry);

// The newest transaction at or before `position` (one of the wallet's) that was made before
// `before_ms`: 0 when there is none. A logarithmic number of reads, however long the history is.
uint64_t history_find(struct books *books, struct id wallet, uint64_t position, uint64_t before_ms);
