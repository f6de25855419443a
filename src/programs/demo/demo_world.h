// SPDX-License-Identifier: MIT
// What the demo believes: a second, deliberately simple ledger of the day that it plays. It
// predicts every answer of the server before asking, and at the end of the day every wallet must
// have what this arithmetic says.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define DEMO_ID_BYTES_MAX 40
#define DEMO_CURRENCY "USD"

struct demo_random {
    uint64_t state;
};

// A number below `bound`, the same sequence for the same seed on every machine.
uint64_t demo_random_below(struct demo_random *random, uint64_t bound);
int64_t demo_random_between(struct demo_random *random, int64_t least, int64_t most);

struct demo_wallet {
    char id[DEMO_ID_BYTES_MAX];
    int64_t balance; // minor units
    int64_t held;
    uint64_t version;
    bool is_merchant;
    bool is_frozen;
};

struct demo_hold {
    char id[DEMO_ID_BYTES_MAX];
    uint32_t wallet, merchant; // numbers of wallets
    int64_t remaining;         // 0 when it is no longer open
    bool is_open;
    bool expires; // within the demo
};

struct demo_purchase {
    char id[DEMO_ID_BYTES_MAX];
    uint32_t wallet, merchant;
    int64_t amount;
    int64_t refunded;
};

struct demo_withdrawal {
    char id[DEMO_ID_BYTES_MAX];
    uint32_t wallet;
    int64_t amount;
    bool is_pending;
};

// Growing arrays of the structs above.
struct demo_world {
    struct buffer wallets, holds, purchases, withdrawals;
    uint32_t employer_count; // the first wallets
    uint32_t merchant_count; // those behind them
    uint32_t customer_count; // those behind the merchants
};

// Pointers hold until something is added to the same array.
struct demo_wallet *demo_wallet_at(struct demo_world *world, uint32_t number);
struct demo_hold *demo_hold_at(struct demo_world *world, uint32_t number);
struct demo_purchase *demo_purchase_at(struct demo_world *world, uint32_t number);
struct demo_withdrawal *demo_withdrawal_at(struct demo_world *world, uint32_t number);
uint32_t demo_hold_count(const struct demo_world *world);
uint32_t demo_purchase_count(const struct demo_world *world);
uint32_t demo_withdrawal_count(const struct demo_world *world);
uint32_t demo_wallet_count(const struct demo_world *world);
void demo_world_done(struct demo_world *world);

// The code with which the server must refuse to take `amount` out of a wallet; NULL: it must not.
const char *demo_debit_refusal(const struct demo_wallet *wallet, int64_t amount);
// Money comes in or goes out (below zero), and the wallet has one version more.
void demo_wallet_move(struct demo_wallet *wallet, int64_t balance_change, int64_t held_change);
