// SPDX-License-Identifier: MIT
// What a record and a currency become in the database: the columns of the statements that add
// them, for whoever writes books, a round at a time or whole (move/rows_out.c).
//
// Each function adds one row, or none, to columns begun with the number and mask that are named.
// Thread: the columns' own.
#pragma once
#include "base/hash.h"
#include "engine/postgres/link/link.h"
#include "ledger/record.h"

enum {
    RECORD_COLUMNS = 10, // SQL_ADD_RECORDS
    RECORD_BYTES = COLUMN_BIT(5) | COLUMN_BIT(6) | COLUMN_BIT(8) | COLUMN_BIT(9),
    // Times, kinds, types, principals and openings, which most rounds have one of.
    RECORD_ONCE = COLUMN_BIT(2) | COLUMN_BIT(3) | COLUMN_BIT(4) | COLUMN_BIT(5) | COLUMN_BIT(7),
    POSTING_COLUMNS = 10, // SQL_ADD_POSTINGS, no bytes
    POSTING_ONCE = COLUMN_BIT(4) | COLUMN_BIT(5) | COLUMN_BIT(8), // times, types, what is held
    BANK_COLUMNS = 5,     // SQL_ADD_BANK
    BANK_BYTES = COLUMN_BIT(1) | COLUMN_BIT(2) | COLUMN_BIT(4),
    IDEMPOTENCY_COLUMNS = 3, // SQL_ADD_IDEMPOTENCY
    IDEMPOTENCY_BYTES = COLUMN_BIT(0),
    CURRENCY_COLUMNS = 8, // SQL_ADD_CURRENCIES
    CURRENCY_BYTES = COLUMN_BIT(1) | COLUMN_BIT(4) | COLUMN_BIT(5) | COLUMN_BIT(6) | COLUMN_BIT(7),
};

// Where a record lies: its number and home slot.
struct record_place {
    uint64_t number;
    uint32_t slot;
};

// The home slot of what a record is about: that of whom it takes from; keys, notes and rules have
// one of their own, and so has a refusal about nothing. Not of a batch, which is about many.
uint32_t record_home_slot(const struct record *record);

void record_row_add(struct column *columns, struct record_place place, const struct record *record,
                    struct slice bytes, const struct sha256 *chain);
// The wallets' sides of a transaction, up to two rows; of other records none.
void posting_rows_add(struct column *columns, const struct id_seal *seal, uint64_t number,
                      const struct record *record);
// Of a record that books a bank's id; of others none.
void bank_row_add(struct column *columns, uint64_t number, const struct record *record);
void idempotency_row_add(struct column *columns, struct record_place place,
                         const struct record *record);
// `scratch` is lost.
void currency_row_add(struct column *columns, uint32_t number,
                      const struct currency_account *account, struct buffer *scratch);
