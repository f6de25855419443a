// SPDX-License-Identifier: MIT
// Operations of a batch that is not atomic go to their shards side by side, but they are decided as
// if in their order: one that may have to do with what an earlier one does on another shard waits
// until that is done, and behind one that was set aside it is set aside, too. What an operation is
// about stands in it, but for captures and refunds, whose wallets only their hold or purchase
// names: they wait for all others, and all others for them.
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "engine/shards/shards_books.h"

#define NAMES_MAX 5 // of an operation
#define ASIDE     (2 * SHARDS_MAX) // in place of a part: of what was set aside

struct seen { // open addressing; of the name's hash: the part that is about it
    uint64_t hash;
    uint32_t part; // and 1
};

struct order {
    const struct shards *shards;
    struct seen *seen;
    uint32_t capacity;
    uint64_t parts; // of what goes now: bit 1 << part
    bool has_wide, has_aside;
};

static uint32_t names_of(const struct command *command, uint64_t ret_names[NAMES_MAX]) {
    const struct id ids[] = {command->wallet, command->counterparty, command->subject};
    uint32_t count = 0;
    for (int i = 0; i < 3; i++) {
        struct slice bytes = slice_of(ids[i].bytes, sizeof(ids[i].bytes));
        if (!id_is_zero(ids[i]))
            ret_names[count++] = hash128_parts(&bytes, 1, 1).low;
    }
    if (command->bank_id.size != 0)
        ret_names[count++] = hash128_parts(&command->bank_id, 1, 2).low;
    if (command->has_key)
        ret_names[count++] = command->key.low;
    return count;
}

static bool is_wide(const struct command *command) {
    return command->type == COMMAND_CAPTURE || command->type == COMMAND_REFUND;
}

// Nobody's yet has part 0.
static struct seen *place_of(struct order *order, uint64_t hash) {
    uint32_t at = (uint32_t)(hash % order->capacity);
    while (order->seen[at].part != 0 && order->seen[at].hash != hash)
        at = (at + 1) % order->capacity;
    order->seen[at].hash = hash;
    return &order->seen[at];
}

// False: it is another part's.
static bool note(struct order *order, uint64_t hash, uint32_t part) {
    struct seen *seen = place_of(order, hash);
    if (seen->part == 0)
        seen->part = part + 1;
    return seen->part == part + 1;
}

// It comes again, and nothing that has to do with it goes before it.
static void note_aside(struct order *order, const struct command *command) {
    uint64_t names[NAMES_MAX];
    uint32_t count = names_of(command, names);
    order->has_aside = true;
    order->parts |= UINT64_C(1) << ASIDE;
    order->has_wide = order->has_wide || is_wide(command);
    for (uint32_t i = 0; i < count; i++)
        place_of(order, names[i])->part = ASIDE + 1;
}

// Whether it can go with those before it.
static bool goes(struct order *order, const struct command *command) {
    uint64_t names[NAMES_MAX];
    uint32_t part = shards_owner(order->shards, command_home_slot(command));
    bool is_first_there = (order->parts & ~(UINT64_C(1) << part)) != 0;
    if (is_first_there && (order->has_wide || is_wide(command)))
        return false;
    order->parts |= UINT64_C(1) << part;
    order->has_wide = order->has_wide || is_wide(command);
    uint32_t count = names_of(command, names);
    bool fits = true;
    for (uint32_t i = 0; i < count; i++)
        fits = note(order, names[i], part) && fits;
    return fits;
}

static bool is_pending(const struct submission *submission, uint32_t place,
                       bool only_turned_away) {
    const struct outcome *outcome = &submission->outcomes[place];
    if (only_turned_away)
        return outcome->elsewhere;
    return !submission->again || outcome->aside;
}

static bool is_of_one_part(const struct shards *shards, const struct submission *submission) {
    uint32_t first = shards_owner(shards, command_home_slot(&submission->commands[0]));
    for (uint32_t i = 1; i < submission->count; i++)
        if (shards_owner(shards, command_home_slot(&submission->commands[i])) != first)
            return false;
    return true;
}

static void hold(struct outcome *outcome) {
    const struct lacks *lacks = outcome->elsewhere ? outcome->lacks : NULL;
    bool was_aside = outcome->aside;
    outcome_end(outcome, STATUS_busy);
    outcome->elsewhere = outcome->waits = true;
    outcome->aside = was_aside;
    outcome->lacks = lacks; // when its turn comes that is known
}

uint32_t shards_hold_back(const struct shards *shards, struct submission *submission,
                          bool only_turned_away, struct arena *arena) {
    struct order order = {.shards = shards, .capacity = 2 * NAMES_MAX * submission->count + 1};
    uint32_t held = 0;
    CHECK(submission->count != 0 && !submission->atomic);
    if (!submission->is_batch || is_of_one_part(shards, submission)) {
        for (uint32_t i = 0; i < submission->count; i++)
            submission->outcomes[i].waits = false;
        return 0;
    }
    size_t size = order.capacity * sizeof(*order.seen);
    order.seen = memset(arena_take(arena, size), 0, size);
    for (uint32_t i = 0; i < submission->count; i++) {
        struct outcome *outcome = &submission->outcomes[i];
        const struct command *command = &submission->commands[i];
        bool was_set_aside = only_turned_away && outcome->aside && !outcome->elsewhere;
        if (was_set_aside)
            note_aside(&order, command);
        if (!is_pending(submission, i, only_turned_away))
            continue;
        outcome->waits = false;
        if (held == 0 && goes(&order, command))
            continue;
        if (order.has_aside) {
            outcome_end(outcome, STATUS_busy);
            outcome->aside = true;
            note_aside(&order, command);
            continue;
        }
        hold(outcome);
        held++;
    }
    return held;
}
