// SPDX-License-Identifier: MIT
// Rows of a whole ledger at once; what records become is engine/postgres/record_rows.h's, the
// rest has the columns of engine/postgres/desk/desk_persist.c.
#include "move/rows_out.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/postgres/link/number.h"
#include "engine/postgres/record_rows.h"

#define TABLE_ROWS 5000 // of what stands now, in one flight

// Which columns hold bytes.
enum {
    ROUNDS_BYTES = COLUMN_BIT(1) | COLUMN_BIT(5),
    HEADS_BYTES = COLUMN_BIT(1) | COLUMN_BIT(2),
};

// Which of a wallet's are smallint: slot, status, currency, kind, tier.
#define WALLET_SHORTS                                                                              \
    (COLUMN_BIT(0) | COLUMN_BIT(2) | COLUMN_BIT(18) | COLUMN_BIT(19) | COLUMN_BIT(21))

static void begin(struct rows_out_columns *rows, uint32_t bytes_mask) {
    columns_begin(rows->columns, ROWS_OUT_COLUMNS, bytes_mask);
}

static void done(struct rows_out_columns *rows) {
    for (uint32_t i = 0; i < ROWS_OUT_COLUMNS; i++)
        column_done(&rows->columns[i]);
}

static void send(struct rows_out *out, struct rows_out_columns *rows, enum sql statement,
                 uint32_t count, uint32_t bytes_mask) {
    if (rows->columns[0].count == 0)
        return;
    link_send_columns(out->link, statement, rows->columns, count); // which copies
    begin(rows, bytes_mask);
}

// What nodes write by arrays goes by COPY here, on the spot; a failure stays noted.
static void copy(struct rows_out *out, struct rows_out_columns *rows, enum sql statement,
                 uint32_t count, uint32_t bytes_mask, uint32_t shorts, uint32_t absent) {
    if (out->copied == LINK_OK)
        out->copied = link_copy(out->link, statement, rows->columns, count, shorts, absent);
    begin(rows, bytes_mask);
}

static void add_hash(struct column *column, const struct sha256 *hash) {
    column_add_bytes(column, slice_of(hash, sizeof(*hash)));
}

void rows_out_init(struct rows_out *out, struct link *link, const struct id_seal *seal) {
    *out = (struct rows_out){.link = link, .seal = seal};
    begin(&out->records, RECORD_BYTES);
    begin(&out->postings, 0);
    begin(&out->bank_ids, BANK_BYTES);
    begin(&out->keys, IDEMPOTENCY_BYTES);
    begin(&out->rounds, ROUNDS_BYTES);
    begin(&out->heads, HEADS_BYTES);
    begin(&out->uses, 0);
}

void rows_out_done(struct rows_out *out) {
    done(&out->records);
    done(&out->postings);
    done(&out->bank_ids);
    done(&out->keys);
    done(&out->rounds);
    done(&out->heads);
    done(&out->uses);
    done(&out->now);
    buffer_done(&out->scratch);
    memory_free(out->slots);
}

// ---- records ----------------------------------------------------------------------------------

static uint32_t slot_of_batch(const struct rows_out *out, const struct batch_facts *facts) {
    uint64_t position;
    memcpy(&position, facts->positions.bytes, sizeof(position));
    for (uint32_t i = 0; i < out->slot_count; i++)
        if (out->slots[i].number == position / 8)
            return out->slots[i].slot;
    return 0;
}

uint32_t rows_out_slot(struct rows_out *out, const struct move_record *record) {
    uint32_t slot = record->record.kind == RECORD_BATCH ? slot_of_batch(out, &record->record.batch)
                                                        : record_home_slot(&record->record);
    if (record->begins_round)
        out->slot_count = 0;
    if (out->slot_count == out->slot_capacity) {
        out->slot_capacity = out->slot_capacity == 0 ? 1024 : out->slot_capacity * 2;
        out->slots = memory_resize(out->slots, out->slot_capacity * sizeof(*out->slots));
    }
    out->slots[out->slot_count].number = record->number;
    out->slots[out->slot_count++].slot = slot;
    return slot;
}

void rows_out_record(struct rows_out *out, const struct move_record *moved, uint32_t slot,
                     const struct sha256 *chain) {
    const struct record *record = &moved->record;
    struct record_place place = {.number = moved->number, .slot = slot};
    record_row_add(out->records.columns, place, record, moved->bytes, chain);
    posting_rows_add(out->postings.columns, out->seal, moved->number, record);
    bank_row_add(out->bank_ids.columns, moved->number, record);
    idempotency_row_add(out->keys.columns, place, record);
}

void rows_out_round(struct rows_out *out, const struct round_row *round) {
    struct column *columns = out->rounds.columns;
    column_add(&columns[0], (int64_t)round->number);
    column_add_bytes(&columns[1], slice_of(&round->chain, 16)); // nobody looks for its token
    column_add(&columns[2], (int64_t)round->time_ms);
    column_add(&columns[3], (int64_t)round->first_record);
    column_add(&columns[4], (int64_t)round->record_count);
    add_hash(&columns[5], &round->chain);
}

void rows_out_use(struct rows_out *out, uint64_t key, uint64_t last_used_ms) {
    column_add(&out->uses.columns[0], (int64_t)key);
    column_add(&out->uses.columns[1], (int64_t)last_used_ms);
}

void rows_out_head(struct rows_out *out, uint32_t slot, struct slice before,
                   const struct sha256 *chain, uint64_t last_record, uint64_t added) {
    struct column *columns = out->heads.columns;
    column_add(&columns[0], slot);
    column_add_bytes(&columns[1], before);
    add_hash(&columns[2], chain);
    column_add(&columns[3], (int64_t)last_record);
    column_add(&columns[4], (int64_t)added);
}

size_t rows_out_bytes(const struct rows_out *out) {
    return out->records.columns[9].bytes.size + out->records.columns[1].bytes.size * 16 +
           out->postings.columns[0].bytes.size * 10 + out->rounds.columns[0].bytes.size * 6;
}

enum link_result rows_out_copy(struct rows_out *out) {
    copy(out, &out->records, SQL_COPY_RECORDS, RECORD_COLUMNS, RECORD_BYTES,
         COLUMN_BIT(0) | COLUMN_BIT(3) | COLUMN_BIT(4), COLUMN_BIT(4) | COLUMN_BIT(7));
    copy(out, &out->postings, SQL_COPY_POSTINGS, POSTING_COLUMNS, 0, COLUMN_BIT(0) | COLUMN_BIT(5),
         0);
    copy(out, &out->bank_ids, SQL_COPY_BANK, BANK_COLUMNS, BANK_BYTES, COLUMN_BIT(0), 0);
    copy(out, &out->keys, SQL_COPY_IDEMPOTENCY, IDEMPOTENCY_COLUMNS, IDEMPOTENCY_BYTES,
         COLUMN_BIT(1), 0);
    copy(out, &out->rounds, SQL_COPY_ROUNDS, 6, ROUNDS_BYTES, 0, 0);
    return out->copied;
}

void rows_out_send_heads(struct rows_out *out, uint64_t round) {
    struct parameters parameters = {0};
    if (out->heads.columns[0].count != 0) {
        for (uint32_t i = 0; i < 5; i++)
            parameter_column(&parameters, &out->heads.columns[i]);
        parameter_number(&parameters, (int64_t)round);
        link_send(out->link, SQL_MOVE_HEADS, &parameters);
        begin(&out->heads, HEADS_BYTES);
    }
    send(out, &out->uses, SQL_MOVE_USES, 2, 0);
}

// ---- what stands now --------------------------------------------------------------------------

static uint64_t number_of(const struct rows_out *out, struct id id) {
    uint64_t number;
    CHECK(number_of_id(out->seal, id, &number));
    return number;
}

// 0: the record that opened a thing has the thing's number.
static int64_t opened_by(uint64_t number, uint64_t position) {
    return position / 8 == number ? 0 : (int64_t)(position / 8);
}

static void add_wallet(struct rows_out *out, const struct model_wallet *item) {
    struct column *columns = out->now.columns;
    const struct wallet *wallet = &item->wallet;
    column_add(&columns[0], id_slot(wallet->id));
    column_add(&columns[1], (int64_t)number_of(out, wallet->id));
    column_add(&columns[2], wallet->status);
    column_add(&columns[3], wallet->balance);
    column_add(&columns[4], wallet->held);
    column_add(&columns[5], wallet->credit_limit);
    column_add(&columns[6], (int64_t)wallet->version);
    column_add(&columns[7], (int64_t)item->transaction_count);
    column_add(&columns[8], (int64_t)(item->details / 8));
    column_add(&columns[9], (int64_t)(item->last / 8));
    for (int level = 0; level < HISTORY_LEVELS; level++)
        column_add(&columns[10 + level], (int64_t)(item->levels[level] / 8));
    column_add(&columns[13], item->spent.day);
    column_add(&columns[14], item->spent.day_sum);
    column_add(&columns[15], item->spent.month_sum);
    column_add_id(&columns[16], wallet->id);
    column_add_bytes(&columns[17], item->owner);
    column_add(&columns[18], wallet->currency);
    column_add(&columns[19], wallet->kind);
    struct habits_packed packed;
    if (item->habits == NULL || item->habits->version == 0)
        column_add_null(&columns[20]);
    else
        column_add_bytes(&columns[20], habits_pack(item->habits, &packed));
    column_add(&columns[21], wallet->tier);
}

static void add_hold(struct rows_out *out, const struct model_hold *item) {
    struct column *columns = out->now.columns;
    const struct hold *hold = &item->hold;
    uint64_t number = number_of(out, hold->id);
    column_add(&columns[0], id_slot(hold->id));
    column_add(&columns[1], (int64_t)number);
    column_add(&columns[2], hold->captured);
    column_add(&columns[3], hold->status);
    column_add(&columns[4], (int64_t)(item->closed / 8));
    column_add_id(&columns[5], hold->id);
    column_add_id(&columns[6], hold->wallet);
    column_add_id(&columns[7], hold->merchant);
    column_add(&columns[8], hold->amount);
    column_add(&columns[9], (int64_t)hold->expires_at_ms);
    column_add_text(&columns[10], item->order);
    column_add(&columns[11], opened_by(number, item->opened));
}

static void add_withdrawal(struct rows_out *out, const struct model_withdrawal *item) {
    struct column *columns = out->now.columns;
    const struct withdrawal *withdrawal = &item->withdrawal;
    uint64_t number = number_of(out, withdrawal->id);
    column_add(&columns[0], id_slot(withdrawal->id));
    column_add(&columns[1], (int64_t)number);
    column_add(&columns[2], withdrawal->status);
    column_add(&columns[3], (int64_t)(item->closed / 8));
    column_add_text(&columns[4], item->bank_id);
    column_add_id(&columns[5], withdrawal->id);
    column_add_id(&columns[6], withdrawal->wallet);
    column_add(&columns[7], withdrawal->amount);
    column_add(&columns[8], (int64_t)id_time_ms(withdrawal->id));
    column_add(&columns[9], opened_by(number, item->opened));
}

static void add_refund(struct rows_out *out, const struct model_purchase *item) {
    struct column *columns = out->now.columns;
    column_add(&columns[0], id_slot(item->id));
    column_add(&columns[1], (int64_t)number_of(out, item->id));
    column_add(&columns[2], item->refunded);
}

static void add_key(struct rows_out *out, const struct model_key *item) {
    struct column *columns = out->now.columns;
    uint64_t number;
    CHECK(id_open(out->seal, item->key.id, &number));
    column_add(&columns[0], (int64_t)number);
    column_add_id(&columns[1], item->key.id);
    add_hash(&columns[2], &item->key.secret_hash);
    column_add(&columns[3], (int64_t)item->key.expires_at_ms);
    column_add(&columns[4], item->key.role);
    column_add(&columns[5], item->key.revoked);
    column_add(&columns[6], (int64_t)(item->opened / 8));
    add_hash(&columns[7], &item->key.previous_hash);
    column_add(&columns[8], (int64_t)item->key.previous_until_ms);
    column_add(&columns[9], (int64_t)(item->rotated / 8));
}

static void add_approval(struct rows_out *out, const struct model_parked *item) {
    struct column *columns = out->now.columns;
    uint64_t number = number_of(out, item->parked.id);
    column_add(&columns[0], id_slot(item->parked.id));
    column_add(&columns[1], (int64_t)number);
    column_add(&columns[2], item->parked.status);
    column_add(&columns[3], (int64_t)(item->closed / 8));
    column_add(&columns[4], (int64_t)item->parked.expires_at_ms);
    column_add(&columns[5], item->parked.cause);
    column_add_id(&columns[6], item->parked.id);
    column_add_id(&columns[7], item->parked.wallet);
    column_add_bytes(&columns[8], item->principal);
    column_add(&columns[9], opened_by(number, item->opened));
}

struct table {
    const struct tally_map *map;
    enum sql statement;
    uint32_t column_count, bytes_mask;
};

static struct table table_of(const struct model *model, enum rows_out_table table) {
    switch (table) {
    case ROWS_OUT_WALLETS:
        return (struct table){&model->wallets, SQL_COPY_WALLETS, 22,
                              COLUMN_BIT(16) | COLUMN_BIT(17) | COLUMN_BIT(20)};
    case ROWS_OUT_HOLDS:
        return (struct table){&model->holds, SQL_MOVE_HOLDS, 12,
                              COLUMN_BIT(5) | COLUMN_BIT(6) | COLUMN_BIT(7) | COLUMN_BIT(10)};
    case ROWS_OUT_WITHDRAWALS:
        return (struct table){&model->withdrawals, SQL_MOVE_WITHDRAWALS, 10,
                              COLUMN_BIT(4) | COLUMN_BIT(5) | COLUMN_BIT(6)};
    case ROWS_OUT_REFUNDS:
        return (struct table){&model->purchases, SQL_CHANGE_REFUNDS, 3, 0};
    case ROWS_OUT_KEYS:
        return (struct table){&model->keys, SQL_CHANGE_KEYS, 10,
                              COLUMN_BIT(1) | COLUMN_BIT(2) | COLUMN_BIT(7)};
    case ROWS_OUT_APPROVALS:
        return (struct table){&model->parked, SQL_MOVE_APPROVALS, 10,
                              COLUMN_BIT(6) | COLUMN_BIT(7) | COLUMN_BIT(8)};
    case ROWS_OUT_TABLES: break;
    }
    UNREACHABLE("no table");
}

static void add_thing(struct rows_out *out, enum rows_out_table table, const void *item) {
    switch (table) {
    case ROWS_OUT_WALLETS: add_wallet(out, item); return;
    case ROWS_OUT_HOLDS: add_hold(out, item); return;
    case ROWS_OUT_WITHDRAWALS: add_withdrawal(out, item); return;
    case ROWS_OUT_REFUNDS: add_refund(out, item); return;
    case ROWS_OUT_KEYS: add_key(out, item); return;
    case ROWS_OUT_APPROVALS: add_approval(out, item); return;
    case ROWS_OUT_TABLES: break;
    }
    UNREACHABLE("no table");
}

uint32_t rows_out_table(struct rows_out *out, const struct model *model, enum rows_out_table which,
                        uint32_t index) {
    struct table table = table_of(model, which);
    begin(&out->now, table.bytes_mask);
    for (uint32_t rows = 0; rows < TABLE_ROWS; rows++) {
        index = tally_map_next(table.map, index);
        if (index == 0)
            break;
        add_thing(out, which, tally_map_at(table.map, index));
    }
    if (which == ROWS_OUT_WALLETS)
        copy(out, &out->now, table.statement, table.column_count, table.bytes_mask,
             WALLET_SHORTS, 0);
    else
        send(out, &out->now, table.statement, table.column_count, table.bytes_mask);
    return index;
}

static void add_cursors(struct rows_out *out, const struct model *model) {
    struct column *columns = out->now.columns;
    begin(&out->now, 0);
    for (uint32_t i = 0; i < CURSOR_COUNT; i++) {
        const struct cursor *cursor = &model->cursors[i];
        if (cursor->epoch == 0)
            continue;
        column_add(&columns[0], cursor->slot);
        column_add(&columns[1], cursor->kind);
        column_add(&columns[2], cursor->partitions);
        column_add(&columns[3], (int64_t)cursor->epoch);
        column_add(&columns[4], (int64_t)cursor->next);
        column_add(&columns[5], (int64_t)cursor->checksum);
        column_add(&columns[6], (int64_t)cursor->source);
        column_add(&columns[7], 0); // there was no row before
        column_add(&columns[8], 0);
    }
    send(out, &out->now, SQL_CHANGE_CURSORS, 9, 0);
}

static void add_rules(struct rows_out *out, const struct model *model) {
    struct column *columns = out->now.columns;
    begin(&out->now, COLUMN_BIT(2));
    for (uint32_t i = 0; i < model->rules_count; i++) {
        column_add(&columns[0], model->rules[i].version);
        column_add(&columns[1], (int64_t)(model->rules[i].position / 8));
        column_add_bytes(&columns[2], model->rules[i].rules);
    }
    send(out, &out->now, SQL_MOVE_RULES, 3, COLUMN_BIT(2));
}

void rows_out_data_keys(struct rows_out *out, const struct data_keys_copy *copy, uint32_t from,
                        uint32_t to) {
    struct column *columns = out->now.columns;
    begin(&out->now, COLUMN_BIT(2));
    for (uint32_t i = from; i < to; i++) {
        const struct vault_key *key = &copy->keys[i];
        column_add(&columns[0], (int64_t)key->number);
        column_add(&columns[1], (int64_t)key->owner);
        if (copy->destroyed[i])
            column_add_null(&columns[2]);
        else
            column_add_bytes(&columns[2], slice_of(key->wrapped, sizeof(key->wrapped)));
    }
    send(out, &out->now, SQL_MOVE_DATA_KEYS, 3, COLUMN_BIT(2));
}

void rows_out_encryption(struct rows_out *out, const struct data_keys_copy *copy) {
    struct parameters parameters = {0};
    parameter_number(&parameters, (int64_t)copy->plain_until_ms);
    parameter_bytes(&parameters, slice_of(copy->proof, sizeof(copy->proof)));
    link_send(out->link, SQL_MOVE_ENCRYPTION, &parameters);
}

void rows_out_currencies(struct rows_out *out, const struct model *model) {
    begin(&out->now, CURRENCY_BYTES);
    for (uint32_t i = 0; i < model->currency_count; i++)
        currency_row_add(out->now.columns, i, &model->currencies[i], &out->scratch);
    send(out, &out->now, SQL_ADD_CURRENCIES, CURRENCY_COLUMNS, CURRENCY_BYTES);
    add_cursors(out, model);
    add_rules(out, model);
}
