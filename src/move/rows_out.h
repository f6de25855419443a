// SPDX-License-Identifier: MIT
// Rows on their way into a database, gathered in columns until they are worth a flight.
#pragma once
#include "engine/embedded/data_keys_copy.h"
#include "engine/postgres/link/link.h"
#include "move/model.h"
#include "move/source.h"

// What stands now, by table.
enum rows_out_table {
    ROWS_OUT_WALLETS,
    ROWS_OUT_HOLDS,
    ROWS_OUT_WITHDRAWALS,
    ROWS_OUT_REFUNDS,
    ROWS_OUT_KEYS,
    ROWS_OUT_APPROVALS,
    ROWS_OUT_TABLES
};

#define ROWS_OUT_COLUMNS 22

struct rows_out_columns {
    struct column columns[ROWS_OUT_COLUMNS];
};

struct round_row {
    uint64_t number, time_ms, first_record, record_count;
    struct sha256 chain;
};

struct rows_out {
    struct link *link;           // borrowed
    const struct id_seal *seal;  // likewise
    struct rows_out_columns records, postings, bank_ids, keys, rounds, uses, heads, now;
    struct buffer scratch;
    enum link_result copied; // the first failure of a COPY
    // The slots of the present round's records: where an atomic batch's operations went.
    struct {
        uint64_t number;
        uint32_t slot;
    } *slots; // owned
    uint32_t slot_count, slot_capacity;
};

void rows_out_init(struct rows_out *out, struct link *link, const struct id_seal *seal);
void rows_out_done(struct rows_out *out);
// The home of a record, as near as it says: of a refusal that of the thing it is about, of an
// atomic batch that of its first operation.
uint32_t rows_out_slot(struct rows_out *out, const struct move_record *record);
void rows_out_record(struct rows_out *out, const struct move_record *record, uint32_t slot,
                     const struct sha256 *chain);
void rows_out_round(struct rows_out *out, const struct round_row *round);
void rows_out_use(struct rows_out *out, uint64_t key, uint64_t last_used_ms);
void rows_out_head(struct rows_out *out, uint32_t slot, struct slice before,
                   const struct sha256 *chain, uint64_t last_record, uint64_t added);
size_t rows_out_bytes(const struct rows_out *out); // of records and postings that wait
// Copies what has gathered of records, postings, bank ids, keys and rounds; nothing may be in the
// flight. Tells, too, what an earlier rows_out_table came to.
MUST_CHECK enum link_result rows_out_copy(struct rows_out *out);
void rows_out_send_heads(struct rows_out *out, uint64_t round);
// Puts things of the model into the flight, from behind `index` (0: the first) on; returns the
// index to go on behind, 0: that was all. Wallets are copied: then the flight must be empty.
uint32_t rows_out_table(struct rows_out *out, const struct model *model, enum rows_out_table table,
                        uint32_t index);
// And places in logs, and sets of rules.
void rows_out_currencies(struct rows_out *out, const struct model *model);
void rows_out_encryption(struct rows_out *out, const struct data_keys_copy *copy);
void rows_out_data_keys(struct rows_out *out, const struct data_keys_copy *copy, uint32_t from,
                        uint32_t to);
