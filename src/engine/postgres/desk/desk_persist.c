// SPDX-License-Identifier: MIT
// The fourth step: everything that changed goes out in one flight, one statement per table, the
// commit last. What lists and unique keys need is read out of the records themselves.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/record_rows.h"

#define FEW_WALLETS 200 // are changed by one statement for all partitions

static void begin(struct desk *desk, uint32_t count, uint32_t bytes_mask) {
    CHECK(count <= sizeof(desk->out) / sizeof(desk->out[0]));
    columns_begin(desk->out, count, bytes_mask);
}

static void send(struct desk *desk, struct link *link, enum sql statement, uint32_t count) {
    link_send_columns(link, statement, desk->out, count);
}

// ---- what stands now --------------------------------------------------------------------------

// What goes to other shards, or comes from there, is a balance less, or more. If the batch comes to
// nothing, accounts come anew.
static void add_currency(struct desk *desk, uint32_t number) {
    struct currency_row *row = &desk->currencies[number];
    CHECK_SLOW(!row->blocked);
    row->account.balances += row->transit_change;
    row->account.transit += row->transit_change;
    row->transit_change = 0;
    currency_row_add(desk->out, number, &row->account, &desk->scratch);
    column_add_bytes(&desk->out[CURRENCY_COLUMNS], slice_of(&row->place, sizeof(row->place)));
}

// `is_placed`: those that are looked for at their place; else all others.
static void write_some_currencies(struct desk *desk, struct link *link, bool is_placed) {
    begin(desk, CURRENCY_COLUMNS + 1, CURRENCY_BYTES);
    column_begin_places(&desk->out[CURRENCY_COLUMNS]);
    for (uint32_t i = 0; i < desk->currency_count; i++) {
        const struct currency_row *row = &desk->currencies[i];
        bool has_place = desk->by_place && row->is_there;
        if ((row->changed || row->transit_change != 0) && has_place == is_placed)
            add_currency(desk, i);
    }
    if (is_placed)
        send(desk, link, SQL_CHANGE_CURRENCIES_PLACED, CURRENCY_COLUMNS + 1);
    else
        send(desk, link, SQL_ADD_CURRENCIES, CURRENCY_COLUMNS);
}

// Nobody waits long here for what somebody else has locked: the batch comes again and passes it by.
static void write_currencies(struct desk *desk, struct link *link) {
    if (!desk->currencies_known)
        link_send(link, SQL_WAIT_BRIEFLY, NULL);
    write_some_currencies(desk, link, true);
    write_some_currencies(desk, link, false);
}

static void add_habits(const struct desk *desk, struct column *column,
                       const struct habits *habits) {
    struct habits_packed packed;
    if (habits->version == 0)
        column_add_null(column);
    else if (desk->habits_packed)
        column_add_bytes(column, habits_pack(habits, &packed));
    else
        column_add_bytes(column, slice_of(habits, sizeof(*habits)));
}

static bool has_other_habits(const struct wallet_row *row) {
    return memcmp(&row->habits, &row->before->habits, sizeof(row->habits)) != 0;
}

// Whether a payment has changed nothing of it but what each payment does, and its habits.
static bool is_only_paid(const struct wallet_row *row) {
    const struct wallet_row *before = row->before;
    CHECK(before != NULL && before->number == row->number);
    return row->wallet.status == before->wallet.status && row->wallet.held == before->wallet.held &&
           row->wallet.credit_limit == before->wallet.credit_limit &&
           row->wallet.tier == before->wallet.tier && row->details == before->details &&
           memcmp(row->levels, before->levels, sizeof(row->levels)) == 0 &&
           row->spent.day == before->spent.day && row->spent.day_sum == before->spent.day_sum &&
           row->spent.month_sum == before->spent.month_sum;
}

// Whoever knows a wallet goes by its version and its details (desk_known.c): nothing else of it may
// change without these.
static bool tells_its_change(const struct wallet_row *row) {
    const struct wallet_row *before = row->before;
    return row->wallet.version != before->wallet.version ||
           (memcmp(&row->wallet, &before->wallet, sizeof(row->wallet)) == 0 &&
            memcmp(&row->spent, &before->spent, sizeof(row->spent)) == 0 &&
            memcmp(&row->habits, &before->habits, sizeof(row->habits)) == 0 &&
            memcmp(row->levels, before->levels, sizeof(row->levels)) == 0 &&
            row->last == before->last && row->last_number == before->last_number);
}

static uint32_t note_paid(struct desk *desk, bool late, bool *ret_habits) {
    uint32_t count = 0;
    *ret_habits = false;
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        struct wallet_row *row = desk->wallets.items[i];
        row->only_paid =
            !row->added && row->changed && row->is_late == late && is_only_paid(row);
        CHECK_SLOW(row->added || !row->changed || tells_its_change(row));
        count += row->only_paid;
        *ret_habits = *ret_habits || (row->only_paid && has_other_habits(row));
    }
    return count;
}

// Most that a batch changes, with a statement of its own: each column of it costs. `part`: of the
// partitions one; SQL_PARTS: all of them.
static void write_paid_wallets(struct desk *desk, struct link *link, uint32_t part, bool habits) {
    uint32_t columns = habits ? 9 : 8;
    begin(desk, columns, COLUMN_BIT(8));
    struct column *out = desk->out;
    column_begin_places(&out[2]);
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        struct wallet_row *row = desk->wallets.items[i];
        if (!row->only_paid ||
            (part != SQL_PARTS && desk->part_of[id_slot(row->wallet.id)] != part))
            continue;
        CHECK(!row->blocked && (!row->is_late || row->is_placed));
        uint32_t slot = id_slot(row->wallet.id);
        column_add(&out[0], part == SQL_PARTS ? desk->part_of[slot] : slot);
        column_add(&out[1], (int64_t)row->number);
        column_add_bytes(&out[2], slice_of(&row->place, sizeof(row->place)));
        row->is_placed = false; // until it is told where it lies then
        column_add(&out[3], row->wallet.balance);
        column_add(&out[4], (int64_t)row->wallet.version);
        column_add(&out[5], row->last_number);
        column_add(&out[6], (int64_t)(row->last / 8));
        column_add(&out[7], (int64_t)row->version_before);
        if (habits && has_other_habits(row))
            add_habits(desk, &out[8], &row->habits);
        else if (habits)
            column_add_null(&out[8]);
    }
    if (part == SQL_PARTS)
        send(desk, link, habits ? SQL_PAY_FEW_HABITS : SQL_PAY_FEW_WALLETS, columns);
    else
        send(desk, link, (habits ? SQL_PAY_HABITS : SQL_PAY_WALLETS) + part, columns);
}

// What of a wallet both adding and changing it write.
static void add_wallet(struct column *out, const struct wallet_row *row) {
    const struct wallet *wallet = &row->wallet;
    column_add(&out[0], id_slot(wallet->id));
    column_add(&out[1], (int64_t)row->number);
    column_add(&out[2], wallet->status);
    column_add(&out[3], wallet->balance);
    column_add(&out[4], wallet->held);
    column_add(&out[5], wallet->credit_limit);
    column_add(&out[6], (int64_t)wallet->version);
    column_add(&out[7], row->last_number);
    column_add(&out[8], (int64_t)(row->details / 8));
    column_add(&out[9], (int64_t)(row->last / 8));
    for (int level = 0; level < HISTORY_LEVELS; level++)
        column_add(&out[10 + level], (int64_t)(row->levels[level] / 8));
    column_add(&out[13], row->spent.day);
    column_add(&out[14], row->spent.day_sum);
    column_add(&out[15], row->spent.month_sum);
}

static void write_new_wallets(struct desk *desk, struct link *link) {
    struct column *out = desk->out;
    begin(desk, 22, COLUMN_BIT(16) | COLUMN_BIT(17) | COLUMN_BIT(20));
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        if (!row->added)
            continue;
        add_wallet(out, row);
        column_add_id(&out[16], row->wallet.id);
        column_add_bytes(&out[17], row->owner);
        column_add(&out[18], row->wallet.currency);
        column_add(&out[19], row->wallet.kind);
        add_habits(desk, &out[20], &row->habits);
        column_add(&out[21], row->wallet.tier);
    }
    send(desk, link, SQL_ADD_WALLETS, 22);
}

static void write_changed_wallets(struct desk *desk, struct link *link, uint32_t part,
                                  bool late) {
    struct column *out = desk->out;
    begin(desk, 20, COLUMN_BIT(17));
    column_begin_places(&out[19]);
    for (uint32_t i = 0; i < desk->wallets.count; i++) {
        struct wallet_row *row = desk->wallets.items[i];
        if (row->added || !row->changed || row->only_paid || row->is_late != late ||
            desk->part_of[id_slot(row->wallet.id)] != part)
            continue;
        CHECK(!late || row->is_placed);
        add_wallet(out, row);
        column_add(&out[16], (int64_t)row->version_before);
        add_habits(desk, &out[17], &row->habits);
        column_add(&out[18], row->wallet.tier);
        column_add_bytes(&out[19], slice_of(&row->place, sizeof(row->place)));
        row->is_placed = false;
    }
    send(desk, link, SQL_CHANGE_WALLETS + part, 20);
}

static bool has_late(const struct desk *desk) {
    bool any = false;
    for (uint32_t i = 0; i < desk->wallets.count && !any; i++)
        any = ((const struct wallet_row *)desk->wallets.items[i])->is_late;
    return any;
}

// `late`: those that the batch before changes too; else all others.
static void write_wallets(struct desk *desk, struct link *link, bool late) {
    if (late && !has_late(desk))
        return;
    bool habits, few = note_paid(desk, late, &habits) <= FEW_WALLETS;
    if (!late)
        write_new_wallets(desk, link);
    if (few)
        write_paid_wallets(desk, link, SQL_PARTS, habits);
    for (uint32_t part = 0; part < SQL_PARTS; part++) {
        write_changed_wallets(desk, link, part, late);
        if (!few)
            write_paid_wallets(desk, link, part, habits);
    }
}

// What another shard has given its number was opened by a record with another one.
static int64_t opened_by(uint64_t number, uint64_t opened) {
    return opened / 8 == number ? 0 : (int64_t)(opened / 8);
}

static void write_holds(struct desk *desk, struct link *link, bool added) {
    begin(desk, 12, added ? COLUMN_BIT(5) | COLUMN_BIT(6) | COLUMN_BIT(7) | COLUMN_BIT(10) : 0);
    struct column *out = desk->out;
    for (uint32_t i = 0; i < desk->holds.count; i++) {
        const struct hold_row *row = desk->holds.items[i];
        const struct hold *hold = &row->hold;
        if (row->added != added || (!row->added && !row->changed))
            continue;
        column_add(&out[0], id_slot(hold->id));
        column_add(&out[1], (int64_t)row->number);
        column_add(&out[2], hold->captured);
        column_add(&out[3], hold->status);
        column_add(&out[4], (int64_t)(row->closed / 8));
        if (!added) {
            column_add(&out[5], row->captured_before);
            continue;
        }
        column_add_id(&out[5], hold->id);
        column_add_id(&out[6], hold->wallet);
        column_add_id(&out[7], hold->merchant);
        column_add(&out[8], hold->amount);
        column_add(&out[9], (int64_t)hold->expires_at_ms);
        column_add_text(&out[10], row->order);
        column_add(&out[11], opened_by(row->number, row->opened));
    }
    send(desk, link, added ? SQL_ADD_HOLDS : SQL_CHANGE_HOLDS, added ? 12 : 6);
}

static void write_withdrawals(struct desk *desk, struct link *link, bool added) {
    begin(desk, 10, COLUMN_BIT(4) | (added ? COLUMN_BIT(5) | COLUMN_BIT(6) : 0));
    struct column *out = desk->out;
    for (uint32_t i = 0; i < desk->withdrawals.count; i++) {
        const struct withdrawal_row *row = desk->withdrawals.items[i];
        const struct withdrawal *withdrawal = &row->withdrawal;
        if (row->added != added || (!row->added && !row->changed))
            continue;
        column_add(&out[0], id_slot(withdrawal->id));
        column_add(&out[1], (int64_t)row->number);
        column_add(&out[2], withdrawal->status);
        column_add(&out[3], (int64_t)(row->closed / 8));
        column_add_text(&out[4], row->bank_id);
        if (!added)
            continue;
        column_add_id(&out[5], withdrawal->id);
        column_add_id(&out[6], withdrawal->wallet);
        column_add(&out[7], withdrawal->amount);
        column_add(&out[8], (int64_t)id_time_ms(withdrawal->id));
        column_add(&out[9], opened_by(row->number, row->opened));
    }
    send(desk, link, added ? SQL_ADD_WITHDRAWALS : SQL_CHANGE_WITHDRAWALS, added ? 10 : 5);
}

static void write_refunds(struct desk *desk, struct link *link) {
    begin(desk, 3, 0);
    for (uint32_t i = 0; i < desk->purchases.count; i++) {
        const struct purchase_row *row = desk->purchases.items[i];
        if (!row->changed)
            continue;
        column_add(&desk->out[0], row->slot);
        column_add(&desk->out[1], (int64_t)row->record);
        column_add(&desk->out[2], row->refunded);
    }
    send(desk, link, SQL_CHANGE_REFUNDS, 3);
}

static void write_keys(struct desk *desk, struct link *link) {
    begin(desk, 10, COLUMN_BIT(1) | COLUMN_BIT(2) | COLUMN_BIT(7));
    for (uint32_t i = 0; i < desk->key_count; i++) {
        const struct key_row *row = &desk->key_rows[i];
        if (!row->changed)
            continue;
        column_add(&desk->out[0], (int64_t)i + 1);
        column_add_id(&desk->out[1], row->key.id);
        column_add_bytes(&desk->out[2],
                         slice_of(&row->key.secret_hash, sizeof(row->key.secret_hash)));
        column_add(&desk->out[3], (int64_t)row->key.expires_at_ms);
        column_add(&desk->out[4], row->key.role);
        column_add(&desk->out[5], row->key.revoked);
        column_add(&desk->out[6], (int64_t)(row->opened / 8));
        column_add_bytes(&desk->out[7],
                         slice_of(&row->key.previous_hash, sizeof(row->key.previous_hash)));
        column_add(&desk->out[8], (int64_t)row->key.previous_until_ms);
        column_add(&desk->out[9], (int64_t)(row->rotated / 8));
    }
    send(desk, link, SQL_CHANGE_KEYS, 10);
}

static void write_approvals(struct desk *desk, struct link *link, bool added) {
    begin(desk, 9, added ? COLUMN_BIT(6) | COLUMN_BIT(7) | COLUMN_BIT(8) : 0);
    struct column *out = desk->out;
    for (uint32_t i = 0; i < desk->parked.count; i++) {
        const struct parked_row *row = desk->parked.items[i];
        if (row->added != added || (!row->added && !row->changed))
            continue;
        column_add(&out[0], id_slot(row->parked.id));
        column_add(&out[1], (int64_t)row->number);
        column_add(&out[2], row->parked.status);
        column_add(&out[3], (int64_t)(row->closed / 8));
        if (!added)
            continue;
        column_add(&out[4], (int64_t)row->parked.expires_at_ms);
        column_add(&out[5], row->parked.cause);
        column_add_id(&out[6], row->parked.id);
        column_add_id(&out[7], row->parked.wallet);
        column_add_bytes(&out[8], row->principal);
    }
    send(desk, link, added ? SQL_ADD_APPROVALS : SQL_CHANGE_APPROVALS, added ? 9 : 4);
}

static void write_rules(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    if (desk->rules_record == 0)
        return;
    parameter_number(&parameters, desk->rules.version);
    parameter_number(&parameters, (int64_t)desk->rules_record);
    parameter_bytes(&parameters, slice_of(desk->rules.rules,
                                          desk->rules.count * sizeof(desk->rules.rules[0])));
    link_send(link, SQL_ADD_RULES, &parameters);
}

static void write_alarm(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    if (!desk->alarm_changed)
        return;
    parameter_bytes(&parameters, slice_of(&desk->alarm, sizeof(desk->alarm)));
    link_send(link, SQL_CHANGE_ALARM, &parameters);
}

static void write_cursors(struct desk *desk, struct link *link) {
    begin(desk, 9, 0);
    struct column *out = desk->out;
    for (uint32_t i = 0; i < desk->cursors.count; i++) {
        const struct cursor_row *row = desk->cursors.items[i];
        if (!row->changed)
            continue;
        column_add(&out[0], row->cursor.slot);
        column_add(&out[1], row->cursor.kind);
        column_add(&out[2], row->cursor.partitions);
        column_add(&out[3], (int64_t)row->cursor.epoch);
        column_add(&out[4], (int64_t)row->cursor.next);
        column_add(&out[5], (int64_t)row->cursor.checksum);
        column_add(&out[6], (int64_t)row->cursor.source);
        column_add(&out[7], (int64_t)row->epoch_before);
        column_add(&out[8], (int64_t)row->next_before);
    }
    send(desk, link, SQL_CHANGE_CURSORS, 9);
}

// ---- what never changes -----------------------------------------------------------------------

static const struct record_row *record_at(const struct desk *desk, uint32_t index,
                                          struct record *ret_record) {
    const char *why;
    const struct record_row *row = desk->records.items[index];
    enum status status = record_decode(row->bytes, ret_record, &why);
    CHECK(status == STATUS_ok);
    return row;
}

static struct record_place place_of(const struct record_row *row) {
    return (struct record_place){.number = row->position / 8, .slot = row->slot};
}

static void write_records(struct desk *desk, struct link *link, const struct sha256 *chains) {
    begin(desk, RECORD_COLUMNS, RECORD_BYTES);
    for (uint32_t i = 0; i < desk->records.count; i++) {
        struct record record;
        const struct record_row *row = record_at(desk, i, &record);
        record_row_add(desk->out, place_of(row), &record, row->bytes, &chains[i]);
    }
    link_send_lean(link, SQL_ADD_RECORDS, desk->out, RECORD_COLUMNS, RECORD_ONCE);
}

// What another shard has a record of its own for.
static void drop_elsewhere(struct record *record) {
    if (record->kind != RECORD_TRANSACTION)
        return;
    if (posting_is_elsewhere(&record->transaction.debit))
        record->transaction.debit.wallet = (struct id){0};
    if (posting_is_elsewhere(&record->transaction.credit))
        record->transaction.credit.wallet = (struct id){0};
}

static void write_postings(struct desk *desk, struct link *link) {
    begin(desk, POSTING_COLUMNS, 0);
    for (uint32_t i = 0; i < desk->records.count; i++) {
        struct record record;
        const struct record_row *row = record_at(desk, i, &record);
        drop_elsewhere(&record);
        posting_rows_add(desk->out, &desk->seal, row->position / 8, &record);
    }
    link_send_lean(link, SQL_ADD_POSTINGS, desk->out, POSTING_COLUMNS, POSTING_ONCE);
}

static void write_bank_ids(struct desk *desk, struct link *link) {
    begin(desk, BANK_COLUMNS, BANK_BYTES);
    for (uint32_t i = 0; i < desk->records.count; i++) {
        struct record record;
        const struct record_row *row = record_at(desk, i, &record);
        bank_row_add(desk->out, row->position / 8, &record);
    }
    send(desk, link, SQL_ADD_BANK, BANK_COLUMNS);
}

static void write_idempotency(struct desk *desk, struct link *link) {
    begin(desk, IDEMPOTENCY_COLUMNS, IDEMPOTENCY_BYTES);
    for (uint32_t i = 0; i < desk->records.count; i++) {
        struct record record;
        const struct record_row *row = record_at(desk, i, &record);
        record.has_key = record.has_key && !record_is_guest(&record);
        idempotency_row_add(desk->out, place_of(row), &record);
    }
    desk->keys_added = desk->out[0].count;
    send(desk, link, SQL_ADD_IDEMPOTENCY, IDEMPOTENCY_COLUMNS);
}

// ---- the round --------------------------------------------------------------------------------

static void chain_round(struct desk *desk, const struct sha256 *chains) {
    struct sha256_context *context = sha256_open();
    sha256_begin(context);
    sha256_add(context, slice_of(&desk->counters.chain, sizeof(desk->counters.chain)));
    for (uint32_t i = 0; i < desk->records.count; i++)
        sha256_add(context, slice_of(&chains[i], sizeof(chains[i])));
    desk->counters.chain = sha256_end(context);
    desk->heads_chain = desk->currencies_chain = desk->counters.chain;
    desk->currencies_known = true;
    sha256_close(context);
}

static void write_round(struct desk *desk, struct link *link, const struct sha256 *chains,
                        const uint8_t token[16]) {
    struct counters *counters = &desk->counters;
    chain_round(desk, chains);
    counters->rounds++;
    counters->time_ms = desk->now_ms;
    struct slice chain = slice_of(&counters->chain, sizeof(counters->chain));
    struct parameters books = {0};
    parameter_number(&books, (int64_t)counters->time_ms);
    parameter_number(&books, (int64_t)counters->rounds);
    parameter_number(&books, (int64_t)counters->records);
    parameter_number(&books, (int64_t)counters->wallets);
    parameter_number(&books, (int64_t)counters->holds);
    parameter_number(&books, (int64_t)counters->holds_open);
    parameter_number(&books, (int64_t)counters->withdrawals);
    parameter_number(&books, (int64_t)counters->keys);
    parameter_number(&books, (int64_t)counters->transactions);
    parameter_number(&books, (int64_t)counters->keys_version);
    parameter_bytes(&books, chain);
    parameter_number(&books, (int64_t)counters->last_record);
    parameter_bytes(&books, slice_of(&desk->books_place, sizeof(desk->books_place)));
    if (desk->writes_heads)
        parameter_number(&books, (int64_t)counters->last_record);
    else
        parameter_null(&books);
    parameter_bytes(&books, slice_of(token, 16)); // what follows is the round's
    parameter_number(&books, (int64_t)desk_first_record(desk));
    parameter_number(&books, desk->records.count);
    parameter_number(&books, (int64_t)desk_next_due(desk));
    if (desk->ahead.is_on)
        parameter_number(&books, desk->ahead.books_by);
    else
        parameter_null(&books);
    link_send(link, SQL_CHANGE_BOOKS, &books);
}

void desk_persist_rows(struct desk *desk, struct link *link) {
    write_currencies(desk, link);
    write_wallets(desk, link, false);
    write_holds(desk, link, true);
    write_holds(desk, link, false);
    write_withdrawals(desk, link, true);
    write_withdrawals(desk, link, false);
    write_refunds(desk, link);
    write_keys(desk, link);
    write_approvals(desk, link, true);
    write_approvals(desk, link, false);
    write_cursors(desk, link);
    desk_write_data_keys(desk, link);
    write_rules(desk, link);
    link_flush(link); // the server is at work on what is above while the rest is made
    desk->chains = desk_heads_chain(desk);
    write_records(desk, link, desk->chains);
    desk_heads_write(desk, link);
    write_postings(desk, link);
    write_bank_ids(desk, link);
    write_idempotency(desk, link);
}

void desk_persist(struct desk *desk, struct link *link, const uint8_t token[16]) {
    if (desk->records.count != 0) {
        if (desk->ahead.opened == NULL)
            desk_persist_rows(desk, link);
        write_wallets(desk, link, true); // of one that went out behind the last, and hence the rest
        write_round(desk, link, desk->chains, token);
        write_alarm(desk, link); // behind the row of books, which it puts elsewhere
        desk_write_arrivals(desk, link);
        desk_legs_decide(desk, link);
        desk_ahead_prove_keys(desk, link);
    }
    link_send(link, SQL_COMMIT, NULL);
    desk->ahead.opened = NULL;
}
