// SPDX-License-Identifier: MIT
// Legs that nobody finishes, carried out as they were decided: for starts and commands, when there
// may be no node whose resolver does it.
#pragma once
#include "engine/postgres/shard/shard_lines.h"

// Those of these shards that were prepared at least so long ago. One that another shard decides is
// left. Not LINK_OK: that could not be done at `*ret_place`, and shard_lines_why says why.
MUST_CHECK enum link_result shard_finish_legs(struct shard_lines *lines, uint64_t age_ms,
                                              uint64_t wait_ns, uint32_t *ret_place);

// Waits, some two seconds at most, until what is prepared now is finished by whoever has prepared
// it, and finishes what is not. What cannot be finished is left.
void shard_finish_left(struct shard_lines *lines, uint64_t wait_ns);
