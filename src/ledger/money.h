// SPDX-License-Identifier: MIT
// Money is integers in a currency's minor unit. A wallet's balance stays within 2^53-1 on both
// sides of zero, so sums of two fit 64 bits with room; totals over wallets are 128 bits wide. There
// is no floating point here.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

typedef __int128 money_total; // what many wallets have together

// A currency as it is written into every record that moves it, so that a record explains itself.
struct currency {
    char code[LIMIT_CURRENCY_CODE_BYTES_MAX]; // padded with zero bytes; all zero: not given
    uint8_t exponent;                         // minor units of one: 2 for USD, 0 for JPY
};

static inline bool currency_equal(const struct currency *a, const struct currency *b) {
    return memcmp(a->code, b->code, sizeof(a->code)) == 0;
}
static inline bool currency_is_given(const struct currency *currency) {
    return currency->code[0] != 0;
}
static inline struct slice currency_code(const struct currency *currency) {
    return slice_of(currency->code, strnlen(currency->code, sizeof(currency->code)));
}

// The books of one currency. `external` is the account of the world outside: its balance is
// withdrawals - deposits, so that it and all wallets sum to zero.
struct currency_account {
    struct currency currency;
    uint32_t wallet_count;
    money_total deposits;    // all that ever came in
    money_total withdrawals; // all that ever went out
    money_total balances;    // of all wallets, added up change by change: deposits - withdrawals
    money_total transit;     // of one of several shards: what came from the others less what went
                             // there; it is in `balances`, too
};

// What a currency may be called: 3 to 12 of A-Z and 0-9. Thread: any.
bool currency_code_is_valid(struct slice code);
// ISO 4217: finds a code's exponent. False when the list of 2024 has no such code. Thread: any.
bool currency_iso_find(struct slice code, struct currency *ret_currency);
// The codes of that list by their places from 0, in the order of the alphabet. False: no more.
// Thread: any.
bool currency_iso_at(uint32_t index, struct currency *ret_currency);

static inline bool amount_is_valid(int64_t amount) {
    return amount >= 1 && amount <= LIMIT_AMOUNT_MAX;
}
