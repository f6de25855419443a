// SPDX-License-Identifier: MIT
// Operations of a batch are decided in their order. One that is turned away, because it needs what
// another shard has, or set aside, because somebody has locked what it changes, comes again; those
// behind it that have to do with the same things come again behind it, so that each still sees what
// was done before it. What an operation is about stands in it, or in the hold, purchase or
// withdrawal that it names.
#include "engine/postgres/desk/desk_order.h"

#include <string.h>

#include "base/check.h"
#include "base/hash.h"

#define NAMES_MAX 7 // of an operation
#define PLACES_FIRST 64

struct names {
    uint64_t hashes[NAMES_MAX];
    uint32_t count;
};

static void add_hash(struct names *names, uint64_t hash) {
    CHECK(names->count < NAMES_MAX);
    names->hashes[names->count++] = hash | 1; // 0: a free place
}

static void add_id(struct names *names, struct id id) {
    struct slice bytes = slice_of(id.bytes, sizeof(id.bytes));
    if (!id_is_zero(id))
        add_hash(names, hash64(bytes, 1));
}

static void add_subject(const struct desk *desk, struct id subject, struct names *names) {
    const struct hold_row *hold = desk_hold(desk, subject);
    const struct withdrawal_row *withdrawal = desk_withdrawal(desk, subject);
    struct record record;
    add_id(names, subject);
    if (hold != NULL) {
        add_id(names, hold->hold.wallet);
        add_id(names, hold->hold.merchant);
    } else if (withdrawal != NULL) {
        add_id(names, withdrawal->withdrawal.wallet);
    } else if (desk_transaction(desk, subject, &record) != NULL) {
        add_id(names, record.transaction.debit.wallet);
        add_id(names, record.transaction.credit.wallet);
    }
}

static struct names names_of(const struct desk *desk, const struct command *command) {
    struct names names = {.count = 0};
    add_id(&names, command->wallet);
    add_id(&names, command->counterparty);
    if (!id_is_zero(command->subject))
        add_subject(desk, command->subject, &names);
    if (command->bank_id.size != 0)
        add_hash(&names, hash64(command->bank_id, 2));
    if (command->has_key)
        add_hash(&names, command->key.low);
    return names;
}

// Where it is, or would be.
static uint32_t place_of(const struct desk_order *order, uint64_t hash) {
    uint32_t at = (uint32_t)(hash % order->capacity);
    while (order->seen[at] != 0 && order->seen[at] != hash)
        at = (at + 1) % order->capacity;
    return at;
}

static void make_room(struct desk *desk, struct desk_order *order) {
    if ((order->count + NAMES_MAX) * 2 <= order->capacity)
        return;
    struct desk_order earlier = *order;
    order->capacity = earlier.capacity == 0 ? PLACES_FIRST : earlier.capacity * 2;
    size_t size = order->capacity * sizeof(*order->seen);
    order->seen = memset(arena_take(&desk->arena, size), 0, size);
    for (uint32_t i = 0; i < earlier.capacity; i++)
        if (earlier.seen[i] != 0)
            order->seen[place_of(order, earlier.seen[i])] = earlier.seen[i];
}

void desk_order_add(struct desk *desk, struct desk_order *order, const struct command *command) {
    struct names names = names_of(desk, command);
    make_room(desk, order);
    for (uint32_t i = 0; i < names.count; i++) {
        uint32_t at = place_of(order, names.hashes[i]);
        order->count += order->seen[at] == 0;
        order->seen[at] = names.hashes[i];
    }
    CHECK(order->count * 2 <= order->capacity);
}

bool desk_order_waits(const struct desk *desk, const struct desk_order *order,
                      const struct command *command) {
    if (order->count == 0)
        return false;
    struct names names = names_of(desk, command);
    for (uint32_t i = 0; i < names.count; i++)
        if (order->seen[place_of(order, names.hashes[i])] != 0)
            return true;
    return false;
}
