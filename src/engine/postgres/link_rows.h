// SPDX-License-Identifier: MIT
// Rows that the writer and the readers both read, in the order of the columns in sql.c.
#pragma once
#include "engine/postgres/link.h"
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
