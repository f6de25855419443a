// SPDX-License-Identifier: MIT
// Nothing here is shared with the server's own rules, or it would prove nothing.
#include "programs/demo/demo_world.h"

#include "base/check.h"

uint64_t demo_random_below(struct demo_random *random, uint64_t bound) {
    CHECK(bound > 0);
    // SplitMix64: a counter and a mixer.
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = random->state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    mixed ^= mixed >> 31;
    return (uint64_t)((unsigned __int128)mixed * bound >> 64);
}

int64_t demo_random_between(struct demo_random *random, int64_t least, int64_t most) {
    CHECK(least <= most);
    return least + (int64_t)demo_random_below(random, (uint64_t)(most - least) + 1);
}

static void *item_at(struct buffer *items, size_t size, uint32_t number) {
    CHECK((number + (size_t)1) * size <= items->size);
    return items->bytes + number * size;
}

struct demo_wallet *demo_wallet_at(struct demo_world *world, uint32_t number) {
    return item_at(&world->wallets, sizeof(struct demo_wallet), number);
}

struct demo_hold *demo_hold_at(struct demo_world *world, uint32_t number) {
    return item_at(&world->holds, sizeof(struct demo_hold), number);
}

struct demo_purchase *demo_purchase_at(struct demo_world *world, uint32_t number) {
    return item_at(&world->purchases, sizeof(struct demo_purchase), number);
}

struct demo_withdrawal *demo_withdrawal_at(struct demo_world *world, uint32_t number) {
    return item_at(&world->withdrawals, sizeof(struct demo_withdrawal), number);
}

uint32_t demo_wallet_count(const struct demo_world *world) {
    return (uint32_t)(world->wallets.size / sizeof(struct demo_wallet));
}

uint32_t demo_hold_count(const struct demo_world *world) {
    return (uint32_t)(world->holds.size / sizeof(struct demo_hold));
}

uint32_t demo_purchase_count(const struct demo_world *world) {
    return (uint32_t)(world->purchases.size / sizeof(struct demo_purchase));
}

uint32_t demo_withdrawal_count(const struct demo_world *world) {
    return (uint32_t)(world->withdrawals.size / sizeof(struct demo_withdrawal));
}

void demo_world_done(struct demo_world *world) {
    buffer_done(&world->wallets);
    buffer_done(&world->holds);
    buffer_done(&world->purchases);
    buffer_done(&world->withdrawals);
}

const char *demo_debit_refusal(const struct demo_wallet *wallet, int64_t amount) {
    if (wallet->is_frozen)
        return "wallet_frozen";
    return amount > wallet->balance - wallet->held ? "insufficient_funds" : NULL;
}

void demo_wallet_move(struct demo_wallet *wallet, int64_t balance_change, int64_t held_change) {
    wallet->balance += balance_change;
    wallet->held += held_change;
    wallet->version++;
    CHECK(wallet->held >= 0);
    CHECK(wallet->balance >= wallet->held);
}
