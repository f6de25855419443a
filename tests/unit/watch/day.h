// SPDX-License-Identifier: MIT
// A day of payments in random order, seeded: every kind of command, many of them refused, some
// under keys, some in atomic batches, so that the record holds whatever records can hold.
#pragma once
#include "books_support.h"

#define DAY_THINGS_MAX 512

struct day {
    struct test_books *books;
    uint64_t random;
    uint64_t serial; // of owners, bank ids and keys
    struct id wallets[DAY_THINGS_MAX], holds[DAY_THINGS_MAX], withdrawals[DAY_THINGS_MAX],
        purchases[DAY_THINGS_MAX];
    uint32_t wallet_count, hold_count, withdrawal_count, purchase_count;
    uint64_t done[COMMAND_TYPE_COUNT]; // commands that succeeded
    char texts[8][64];
};

void day_init(struct day *day, struct test_books *books, uint64_t seed);
// `count` commands, alone or in batches.
void day_go_on(struct day *day, uint32_t count);
// A new customer has money, `count` open holds of 10 each for a new merchant, and a pending
// withdrawal of 10.
void day_set_aside(struct day *day, uint32_t count, uint32_t expires_in_s);
