// SPDX-License-Identifier: MIT
// Rows that the writer and the readers both read, in the order of the columns in sql.c.
#pragma once
#include "base/check.h"
#include "engine/postgres/link/link.h"
#include "ledger/alarm.h"
#include "ledger/things.h"

static inline void row_wallet(const struct pg_result *result, int row, struct wallet *ret_wallet) {
    *ret_wallet = (struct wallet){
        .id = row_id(result, row, 2),
        .currency = (uint16_t)row_number(result, row, 3),
        .kind = row_number(result, row, 4) & 15,
        .tier = row_number(result, row, 4) >> 4 & 15,
        .status = (uint8_t)row_number(result, row, 5),
        .balance = row_number(result, row, 6),
        .held = row_number(result, row, 7),
        .credit_limit = row_number(result, row, 8),
        .version = (uint64_t)row_number(result, row, 9),
    };
}

static inline void row_hold(const struct pg_result *result, int row, struct hold *ret_hold) {
    *ret_hold = (struct hold){
        .id = row_id(result, row, 1),
        .wallet = row_id(result, row, 2),
        .merchant = row_id(result, row, 3),
        .amount = row_number(result, row, 4),
        .captured = row_number(result, row, 5),
        .expires_at_ms = (uint64_t)row_number(result, row, 6),
        .status = (uint8_t)row_number(result, row, 7),
    };
}

static inline void row_parked(const struct pg_result *result, int row, struct parked *ret_parked) {
    *ret_parked = (struct parked){
        .id = row_id(result, row, 1),
        .wallet = row_id(result, row, 2),
        .expires_at_ms = (uint64_t)row_number(result, row, 3),
        .status = (uint8_t)row_number(result, row, 4),
        .cause = (uint8_t)row_number(result, row, 5),
    };
}

static inline void row_withdrawal(const struct pg_result *result, int row,
                                  struct withdrawal *ret_withdrawal) {
    *ret_withdrawal = (struct withdrawal){
        .id = row_id(result, row, 1),
        .wallet = row_id(result, row, 2),
        .amount = row_number(result, row, 3),
        .status = (uint8_t)row_number(result, row, 4),
    };
}

// A 128-bit total, as text.
static inline money_total row_total(const struct pg_result *result, int row, int column) {
    struct slice text = row_bytes(result, row, column);
    bool is_negative = text.size != 0 && text.bytes[0] == '-';
    money_total total = 0;
    for (size_t i = is_negative; i < text.size; i++) {
        CHECK(text.bytes[i] >= '0' && text.bytes[i] <= '9');
        total = total * 10 + (text.bytes[i] - '0');
    }
    return is_negative ? -total : total;
}

// A code, and in the next column its exponent.
static inline struct currency row_currency(const struct pg_result *result, int row, int column) {
    struct slice code = row_bytes(result, row, column);
    struct currency currency = {.exponent = (uint8_t)row_number(result, row, column + 1)};
    CHECK(code.size <= sizeof(currency.code));
    memcpy(currency.code, code.bytes, code.size);
    return currency;
}

static inline struct currency_account row_currency_account(const struct pg_result *result,
                                                           int row) {
    return (struct currency_account){
        .currency = row_currency(result, row, 1),
        .wallet_count = (uint32_t)row_number(result, row, 3),
        .deposits = row_total(result, row, 4),
        .withdrawals = row_total(result, row, 5),
        .balances = row_total(result, row, 6),
        .transit = row_total(result, row, 7),
    };
}

// Empty before the first alarm.
static inline struct alarm_state row_alarm(const struct pg_result *result, int row, int column) {
    struct slice bytes = row_bytes(result, row, column);
    struct alarm_state state = {0};
    CHECK(bytes.size == 0 || bytes.size == sizeof(state));
    if (bytes.size != 0)
        memcpy(&state, bytes.bytes, sizeof(state));
    CHECK(state.stopped <= 1);
    return state;
}
