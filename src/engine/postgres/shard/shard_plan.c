// SPDX-License-Identifier: MIT
// What is uneven is the sum, over shards and measures, of the squares of what a share is beside an
// even one. Each step takes the move that lowers that sum most.
#include "engine/postgres/shard/shard_plan.h"

#include <string.h>

#include "base/check.h"

#define LOAD_LEAST UINT64_C(600) // in a minute, over all shards; below it means nothing
#define SIZE_LEAST UINT64_C(10000)
#define ALL        INT64_C(1000000000)
#define EVEN       (ALL / LIMIT_SLOTS) // of one slot
#define WORTH      (ALL / 100)         // of a shard's share, times the number of shards

struct planner {
    const struct plan_slot *slots;
    uint32_t shards, closed;
    uint8_t owners[LIMIT_SLOTS]; // as moves go
    bool moved[LIMIT_SLOTS];
    int64_t shares[LIMIT_SLOTS][PLAN_MEASURES]; // of all there is
    struct plan_shares now;
};

static int64_t share_of(uint64_t part, uint64_t all, uint64_t least) {
    return all < least ? EVEN : (int64_t)((unsigned __int128)part * (uint64_t)ALL / all);
}

static void weigh(struct planner *planner) {
    uint64_t load = 0, size = 0;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        load += planner->slots[i].load;
        size += planner->slots[i].size;
    }
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        const struct plan_slot *slot = &planner->slots[i];
        int64_t *shares = planner->shares[i];
        shares[PLAN_SLOTS] = EVEN;
        shares[PLAN_LOAD] = share_of(slot->load, load, LOAD_LEAST);
        shares[PLAN_SIZE] = share_of(slot->size, size, SIZE_LEAST);
        for (int m = 0; m < PLAN_MEASURES; m++)
            planner->now.of[slot->owner][m] += shares[m];
    }
}

// By how much the sum of squares falls.
static int64_t gain(const struct planner *planner, uint32_t slot, uint32_t to) {
    int64_t sum = 0;
    const int64_t *from_shares = planner->now.of[planner->owners[slot]];
    for (int m = 0; m < PLAN_MEASURES; m++) {
        int64_t share = planner->shares[slot][m];
        sum += 2 * share * (from_shares[m] - planner->now.of[to][m] - share);
    }
    return sum;
}

static void take(struct planner *planner, struct plan *plan, uint32_t slot, uint32_t to) {
    uint32_t from = planner->owners[slot];
    CHECK(plan->count < LIMIT_SLOTS && from != to && to < planner->shards);
    for (int m = 0; m < PLAN_MEASURES; m++) {
        planner->now.of[from][m] -= planner->shares[slot][m];
        planner->now.of[to][m] += planner->shares[slot][m];
    }
    planner->owners[slot] = (uint8_t)to;
    planner->moved[slot] = true;
    plan->moves[plan->count++] =
        (struct plan_move){.slot = (uint16_t)slot, .from = (uint8_t)from, .to = (uint8_t)to};
}

// Of two that are worth the same the smaller one.
static bool take_best(struct planner *planner, struct plan *plan, int64_t worth) {
    uint32_t best = LIMIT_SLOTS, best_to = 0;
    int64_t most = worth;
    for (uint32_t slot = 0; slot < LIMIT_SLOTS; slot++) {
        if (planner->slots[slot].stays || planner->moved[slot])
            continue;
        for (uint32_t to = 0; to < planner->shards; to++) {
            bool is_no_way = to == planner->owners[slot] || (planner->closed >> to & 1) != 0;
            int64_t now = is_no_way ? 0 : gain(planner, slot, to);
            if (best != LIMIT_SLOTS && now == most
                    ? planner->slots[slot].size >= planner->slots[best].size
                    : now <= most)
                continue;
            most = now;
            best = slot;
            best_to = to;
        }
    }
    if (best != LIMIT_SLOTS)
        take(planner, plan, best, best_to);
    return best != LIMIT_SLOTS;
}

void plan_make(const struct plan_slot slots[LIMIT_SLOTS], uint32_t shards, uint32_t closed,
               struct plan *ret_plan) {
    struct planner planner = {.slots = slots, .shards = shards, .closed = closed};
    CHECK(shards >= 1 && shards <= SHARDS_MAX);
    memset(ret_plan, 0, sizeof(*ret_plan));
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        CHECK(slots[i].owner < shards);
        planner.owners[i] = slots[i].owner;
    }
    weigh(&planner);
    ret_plan->before = planner.now;
    for (uint32_t i = 0; i < LIMIT_SLOTS; i++) {
        uint32_t to = slots[i].begun;
        if (!slots[i].stays && to < shards && to != planner.owners[i] &&
            (closed >> to & 1) == 0 && gain(&planner, i, to) > 0)
            take(&planner, ret_plan, i, to);
    }
    int64_t worth = 2 * EVEN * (WORTH / shards);
    while (ret_plan->count < LIMIT_SLOTS && take_best(&planner, ret_plan, worth))
        continue;
    ret_plan->after = planner.now;
}

uint32_t plan_fullest(const struct plan_shares *shares, uint32_t shards,
                      enum plan_measure measure) {
    int64_t most = 0;
    for (uint32_t i = 0; i < shards; i++)
        if (shares->of[i][measure] > most)
            most = shares->of[i][measure];
    return (uint32_t)((most * shards + ALL / 200) / (ALL / 100));
}
