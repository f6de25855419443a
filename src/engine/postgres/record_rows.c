// SPDX-License-Identifier: MIT
// The columns of those rows, one function for each table.
#include "engine/postgres/record_rows.h"

#include "base/check.h"
#include "engine/postgres/link/number.h"

#define KIND_ARRIVAL 21 // in the column alone: the payee's side of another shard's transaction

uint32_t record_home_slot(const struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: return id_slot(record->wallet.id);
    case RECORD_TRANSACTION: return id_slot(record->transaction.id);
    case RECORD_HOLD: return id_slot(record->hold.id);
    case RECORD_WITHDRAWAL: return id_slot(record->withdrawal.id);
    // A place in the feed is the shard's own and does not move with a slot, nor does its record.
    case RECORD_CURSOR:
        return cursor_is_of_commands(record->cursor.kind) ? record->cursor.slot : 0;
    case RECORD_PARKED: return id_slot(record->parked.id);
    case RECORD_REFUSAL: return id_is_zero(record->refusal.id) ? 0 : id_slot(record->refusal.id);
    case RECORD_DATA_KEY: return id_slot_of_owner(record->data_key.owner);
    case RECORD_NOTES:
    case RECORD_RULES:
    case RECORD_ALARM:
    case RECORD_KEY: return 0;
    case RECORD_BATCH: break;
    }
    UNREACHABLE("a batch, or a record of no kind");
}

static uint64_t opening_of(const struct record *record) {
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION: return record->transaction.opening / 8;
    case RECORD_PARKED: return record->parked.opening / 8;
    case RECORD_HOLD: return record->hold.opening / 8;
    case RECORD_KEY: return record->api_key.opening / 8;
    case RECORD_WITHDRAWAL: return record->withdrawal.opening / 8;
    default: return 0;
    }
}

void record_row_add(struct column *columns, struct record_place place, const struct record *record,
                    struct slice bytes, const struct sha256 *chain) {
    bool arrives = record_arrives(record);
    bool moves = record->kind == RECORD_TRANSACTION && !arrives;
    column_add(&columns[0], place.slot);
    column_add(&columns[1], (int64_t)place.number);
    column_add(&columns[2], (int64_t)record->time_ms);
    column_add(&columns[3], arrives ? KIND_ARRIVAL : record->kind);
    column_add(&columns[4], moves ? record->transaction.type : 0);
    column_add_bytes(&columns[5], record->origin.principal);
    column_add_text(&columns[6], record->kind == RECORD_TRANSACTION ? record->transaction.order
                                                                   : slice_of(NULL, 0));
    column_add(&columns[7], (int64_t)opening_of(record));
    column_add_bytes(&columns[8], slice_of(chain, sizeof(*chain)));
    column_add_bytes(&columns[9], bytes);
}

static void add_posting(struct column *columns, const struct id_seal *seal, uint64_t number,
                        const struct record *record, const struct posting_side *side,
                        int64_t amount) {
    uint64_t wallet;
    if (id_is_zero(side->wallet))
        return;
    CHECK(number_of_id(seal, side->wallet, &wallet));
    column_add(&columns[0], id_slot(side->wallet));
    column_add(&columns[1], (int64_t)wallet);
    column_add(&columns[2], (int64_t)number);
    column_add(&columns[3], side->number);
    column_add(&columns[4], (int64_t)record->time_ms);
    column_add(&columns[5], record->transaction.type);
    column_add(&columns[6], amount);
    column_add(&columns[7], side->balance);
    column_add(&columns[8], side->held);
    column_add(&columns[9], (int64_t)side->version);
}

void posting_rows_add(struct column *columns, const struct id_seal *seal, uint64_t number,
                      const struct record *record) {
    if (record->kind != RECORD_TRANSACTION)
        return;
    const struct transaction_facts *facts = &record->transaction;
    add_posting(columns, seal, number, record, &facts->debit, -facts->amount);
    add_posting(columns, seal, number, record, &facts->credit, facts->amount);
}

void bank_row_add(struct column *columns, uint64_t number, const struct record *record) {
    if (!record_books_bank_id(record))
        return;
    const struct transaction_facts *facts = &record->transaction;
    column_add(&columns[0], id_slot_of_owner(facts->bank_id));
    column_add_bytes(&columns[1], facts->bank_id);
    column_add_bytes(&columns[2], currency_code(&facts->currency));
    column_add(&columns[3], (int64_t)number);
    column_add_id(&columns[4], facts->id);
}

void idempotency_row_add(struct column *columns, struct record_place place,
                         const struct record *record) {
    if (!record->has_key)
        return;
    column_add_bytes(&columns[0], slice_of(&record->key, sizeof(record->key)));
    column_add(&columns[1], place.slot);
    column_add(&columns[2], (int64_t)place.number);
}

void currency_row_add(struct column *columns, uint32_t number,
                      const struct currency_account *account, struct buffer *scratch) {
    const money_total totals[] = {account->deposits, account->withdrawals, account->balances,
                                  account->transit};
    column_add(&columns[0], number);
    column_add_bytes(&columns[1], currency_code(&account->currency));
    column_add(&columns[2], account->currency.exponent);
    column_add(&columns[3], account->wallet_count);
    for (uint32_t i = 0; i < 4; i++) {
        buffer_reset(scratch);
        buffer_add_i128(scratch, totals[i]);
        column_add_bytes(&columns[4 + i], buffer_slice(scratch));
    }
}
