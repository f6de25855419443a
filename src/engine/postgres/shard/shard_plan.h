// SPDX-License-Identifier: MIT
// Which slots should move so that slots, load and size are spread evenly over the shards. Pure: no
// database, no clock.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "engine/postgres/shard/shard.h"

// What is measured of each slot.
enum plan_measure { PLAN_SLOTS, PLAN_LOAD, PLAN_SIZE, PLAN_MEASURES };

struct plan_slot {
    uint64_t load, size; // records of the last minute, and all of them
    uint8_t owner;       // place of its shard
    uint8_t begun;       // where an earlier move of it has begun; SHARD_NOBODY: nowhere
    uint16_t left;       // shards that have something of it and do not own it, as bits 1 << place
    bool stays;          // it cannot be moved
};

struct plan_move {
    uint16_t slot;
    uint8_t from, to;
};

// Shares of all there is in billionths, for each shard. Of what there is hardly any each slot has
// the same: too few records say nothing.
struct plan_shares {
    int64_t of[SHARDS_MAX][PLAN_MEASURES];
};

struct plan {
    uint32_t count;
    struct plan_move moves[LIMIT_SLOTS]; // first those that are begun
    struct plan_shares before, after;
};

// The least moves that it takes, more or less: each is the one that evens out most, until none is
// worth a hundredth of a shard's share. The same slots give the same plan. `closed`: shards that
// nothing can come to, as bits 1 << place. Thread: any.
void plan_make(const struct plan_slot slots[LIMIT_SLOTS], uint32_t shards, uint32_t closed,
               struct plan *ret_plan);
// What the fullest shard has in hundredths of an even share: 100 is even, 200 is twice as much.
uint32_t plan_fullest(const struct plan_shares *shares, uint32_t shards, enum plan_measure measure);
