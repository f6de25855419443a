// SPDX-License-Identifier: MIT
// Payments between shards that are decided and have not arrived, and whether the transits of all
// shards sum to zero but for these.
#pragma once
#include "engine/engine.h"
#include "engine/postgres/shard/shard.h"

#define TRANSIT_PREPARED_MAX 256 // legs in doubt that are looked into; more are counted next time

struct transit;
// `parts` are the open engines and `places` their names; both must outlive it.
struct transit *transit_open(struct engine *const *parts, const struct shard_place *places,
                             uint32_t count);
void transit_close(struct transit *transit); // accepts NULL

// `ret_found->currencies` is the caller's, LIMIT_CURRENCIES_MAX of them. A leg that is committed
// between two of its looks, or a slot that moves, may leave a difference that the next reading has
// not. STATUS_busy: not all shards could be asked. Thread: one at a time.
MUST_CHECK enum status transit_read(struct transit *transit, const uint8_t owners[LIMIT_SLOTS],
                                    struct in_flight *ret_found);
