// SPDX-License-Identifier: MIT
// How slots, load and size are spread, asked of all shards.
#pragma once
#include "engine/postgres/shard/shard_lines.h"
#include "engine/postgres/shard/shard_plan.h"

// STATUS_busy: some shard cannot be asked, or nobody owns some slot at this moment; `ret_why` says
// which. Each shard is asked for one moment of its own. `ret_closed`: shards whose history was
// archived, so that slots neither go nor come there, as bits 1 << place.
MUST_CHECK enum status shard_spread_read(struct shard_lines *lines,
                                         struct plan_slot ret_slots[LIMIT_SLOTS],
                                         uint32_t *ret_closed, char *ret_why, size_t why_bytes);
