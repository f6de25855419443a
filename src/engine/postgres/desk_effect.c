// SPDX-License-Identifier: MIT
// What was decided becomes a record and changed rows on the desk.
#include "base/check.h"
#include "base/memory.h"
#include "engine/postgres/desk.h"
#include "engine/postgres/record_rows.h"
#include "ledger/habits.h"

uint64_t desk_add_record(struct desk *desk, const struct record *record, uint32_t slot) {
    uint64_t position = desk_next_number(desk) * 8;
    CHECK(slot < LIMIT_SLOTS);
    buffer_reset(&desk->scratch);
    record_encode(record, &desk->scratch);
    desk_seal(desk, record);
    struct record_row *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct record_row){.position = position,
                               .slot = slot,
                               .bytes = arena_copy(&desk->arena, buffer_slice(&desk->scratch))};
    rows_add(&desk->records, row);
    desk->counters.records++;
    desk->counters.last_record = position / 8;
    CHECK(desk->counters.records - desk->before.records == desk->records.count);
    if (record->has_key) {
        struct answer_row *answer = desk_answer(desk, record->key);
        desk_touch(desk, answer, sizeof(*answer));
        CHECK(answer->position == 0);
        answer->position = position;
    }
    return position;
}

// ---- history ----------------------------------------------------------------------------------

static void history_fill(struct posting_side *side, const struct wallet_row *row) {
    if (row == NULL || row->legs != NULL) // its own shard counts
        return;
    side->number = row->last_number + 1;
    side->previous = row->last;
    side->skip =
        history_skip_target(side->number) == 0 ? 0 : row->levels[history_skip_level(side->number)];
    CHECK(side->number != 0);
    CHECK(side->previous != 0 || side->number == 1);
}

static void history_take(struct wallet_row *row, const struct posting_side *side,
                         uint64_t position) {
    if (row == NULL || row->legs != NULL)
        return;
    row->last_number = side->number;
    row->last = position;
    history_levels_take(row->levels, side->number, position);
}

// ---- rows -------------------------------------------------------------------------------------

static void *add_row(struct desk *desk, struct rows *rows, size_t size) {
    void *row = memset(arena_take(&desk->arena, size), 0, size);
    rows_add(rows, row);
    return row;
}

static void change_wallet(struct desk *desk, struct wallet_row *row) {
    if (row == NULL)
        return;
    desk_touch(desk, row, sizeof(*row));
    if (!row->changed && !row->added) {
        struct wallet_row *before = arena_take(&desk->arena, sizeof(*before));
        *before = *row;
        row->before = before;
    }
    row->changed = true;
}

static void change_currency(struct desk *desk, uint16_t number) {
    struct currency_row *row = &desk->currencies[number];
    desk_touch(desk, row, sizeof(*row));
    row->changed = true;
}

static void pass_transit(struct desk *desk, uint16_t number, int64_t amount) {
    struct currency_row *row = &desk->currencies[number];
    desk_touch(desk, row, sizeof(*row));
    row->transit_change += amount;
}

static uint16_t currency_of_new(struct desk *desk, const struct currency *currency) {
    uint16_t number;
    if (desk_currency(desk, currency, &number) == NULL) {
        CHECK(desk->currency_count < DESK_CURRENCIES_MAX);
        number = (uint16_t)desk->currency_count++;
        desk->currencies[number] = (struct currency_row){.account = {.currency = *currency}};
    }
    change_currency(desk, number);
    desk->currencies[number].account.wallet_count++;
    return number;
}

static void take_transaction(struct desk *desk, struct record *record, struct found *found,
                             uint64_t position) {
    const struct transaction_facts *facts = &record->transaction;
    bool is_deposit = id_is_zero(facts->debit.wallet); // it comes from the world outside
    struct wallet_row *debit = is_deposit ? NULL : found->wallet;
    struct wallet_row *credit = is_deposit ? found->wallet : found->counterparty;
    change_wallet(desk, debit);
    change_wallet(desk, credit);
    if (credit != NULL && credit->legs != NULL) // it leaves the wallets of this shard
        pass_transit(desk, found->wallet->wallet.currency, -facts->amount);
    if (facts->external_total != 0)
        change_currency(desk, found->wallet->wallet.currency);
    if (found->hold != NULL) {
        desk_touch(desk, found->hold, sizeof(*found->hold));
        found->hold->changed = true;
    }
    if (found->transaction != NULL) {
        desk_touch(desk, found->transaction, sizeof(*found->transaction));
        found->transaction->changed = true;
    }
    if (record->operation == COMMAND_WITHDRAWAL) {
        found->withdrawal = add_row(desk, &desk->withdrawals, sizeof(*found->withdrawal));
        found->withdrawal->number = position / 8;
        desk->counters.withdrawals++;
        found->withdrawal->added = true;
        found->withdrawal->opened = position;
    } else if (found->withdrawal != NULL) {
        desk_touch(desk, found->withdrawal, sizeof(*found->withdrawal));
        found->withdrawal->changed = true;
    }
    if (found->withdrawal != NULL) {
        found->docket.withdrawal = &found->withdrawal->withdrawal;
        found->withdrawal->closed = position;
        found->withdrawal->bank_id = arena_copy(&desk->arena, facts->bank_id);
    }
    apply(record, &found->docket);
    CHECK(found->docket.unaccounted == 0);
    if (found->transaction != NULL)
        found->transaction->refunded = found->purchase.refunded;
    if (found->hold != NULL && found->hold->hold.status != HOLD_OPEN)
        desk->counters.holds_open--;
    history_take(debit, &facts->debit, position);
    history_take(credit, &facts->credit, position);
    if (facts->bank_id.size != 0) {
        struct bank_row *bank =
            desk_bank(desk, desk_bank_key(desk, currency_code(&facts->currency), facts->bank_id));
        desk_touch(desk, bank, sizeof(*bank));
        *bank = (struct bank_row){.present = true, .transaction = facts->id};
    }
    desk->counters.transactions++;
}

static void take_wallet(struct desk *desk, struct record *record, struct found *found,
                        uint64_t position) {
    if (record->operation == COMMAND_WALLET_OPEN) {
        struct wallet_row *row = add_row(desk, &desk->wallets, sizeof(*row));
        row->number = position / 8;
        desk->counters.wallets++;
        row->added = true;
        row->owner = arena_copy(&desk->arena, record->wallet.owner);
        row->wallet.currency = currency_of_new(desk, &record->wallet.currency);
        found->wallet = row;
        found->docket.wallet = &row->wallet;
    } else {
        change_wallet(desk, found->wallet);
    }
    found->wallet->details = position;
    apply(record, &found->docket);
}

static void take_hold(struct desk *desk, struct record *record, struct found *found,
                      uint64_t position) {
    if (record->operation == COMMAND_HOLD) {
        struct hold_row *row = add_row(desk, &desk->holds, sizeof(*row));
        row->number = position / 8;
        desk->counters.holds++;
        row->added = true;
        row->opened = position;
        row->order = arena_copy(&desk->arena, record->hold.order);
        desk->counters.holds_open++;
        found->hold = row;
        found->docket.hold = &row->hold;
    } else {
        desk_touch(desk, found->hold, sizeof(*found->hold));
        found->hold->changed = true;
        found->hold->closed = position;
        desk->counters.holds_open--;
    }
    change_wallet(desk, found->wallet);
    apply(record, &found->docket);
}

static void take_withdrawal(struct desk *desk, struct record *record, struct found *found,
                            uint64_t position) {
    if (record->operation == COMMAND_WITHDRAWAL) {
        struct withdrawal_row *row = add_row(desk, &desk->withdrawals, sizeof(*row));
        row->number = position / 8;
        desk->counters.withdrawals++;
        row->added = true;
        row->opened = position;
        found->withdrawal = row;
        found->docket.withdrawal = &row->withdrawal;
    } else {
        desk_touch(desk, found->withdrawal, sizeof(*found->withdrawal));
        found->withdrawal->changed = true;
        found->withdrawal->closed = position;
    }
    change_wallet(desk, found->wallet);
    apply(record, &found->docket);
}

// Keys come in no atomic batch, so nothing of this is ever taken back alone.
static void take_key(struct desk *desk, struct record *record, struct found *found,
                     uint64_t position) {
    CHECK(!desk->undoing);
    if (record->operation == COMMAND_KEY_CREATE) {
        if (desk->key_count == desk->key_capacity) {
            desk->key_capacity = desk->key_capacity == 0 ? 64 : desk->key_capacity * 2;
            desk->keys = memory_resize(desk->keys, desk->key_capacity * sizeof(*desk->keys));
            desk->key_rows =
                memory_resize(desk->key_rows, desk->key_capacity * sizeof(*desk->key_rows));
        }
        CHECK(desk->counters.keys == desk->key_count);
        found->key = &desk->key_rows[desk->key_count++];
        memset(found->key, 0, sizeof(*found->key));
        found->key->opened = position;
        if (record->api_key.owner.size != 0)
            found->key->key.owner = arena_copy(&desk->key_texts, record->api_key.owner);
        desk->counters.keys++;
    }
    if (record->operation == COMMAND_KEY_ROTATE)
        found->key->rotated = position;
    found->key->changed = true;
    found->docket.key = &found->key->key;
    apply(record, &found->docket);
    desk->keys[found->key - desk->key_rows] = found->key->key;
    desk->keys_version = ++desk->counters.keys_version;
}

// An atomic batch neither waits nor decides; what rules say of its payments goes with it.
static void take_parked(struct desk *desk, struct record *record, struct found *found,
                        uint64_t position) {
    bool is_finding = record->parked.cause == PARKED_FLAGGED;
    CHECK(!desk->undoing || (is_finding && record->parked.status == PARKED_PENDING));
    if (record->parked.status == PARKED_PENDING) {
        struct parked_row *row = add_row(desk, &desk->parked, sizeof(*row));
        row->number = position / 8;
        row->opened = position;
        row->added = row->present = true;
        row->principal = arena_copy(&desk->arena, record->origin.principal);
        if (!is_finding) // nobody knows its id in this batch, and the number may come again
            map_add(&desk->parked_map, map_number(row->number), row);
        found->parked = row;
        found->docket.parked = &row->parked;
    } else {
        found->parked->changed = true;
        found->parked->closed = position;
    }
    if (record->parked.held != 0)
        change_wallet(desk, found->wallet);
    apply(record, &found->docket);
}

// Nor do rules come in one.
static void take_rules(struct desk *desk, const struct record *record, uint64_t position) {
    struct rule_set set;
    bool is_valid = rules_decode(record->rules.rules, record->rules.version, &set);
    CHECK(is_valid && !desk->undoing);
    desk->rules_record = position / 8;
    desk_rules_set(desk, &set);
}

// Cursors come in no atomic batch either.
static void take_cursor(struct desk *desk, const struct record *record, struct found *found) {
    CHECK(!desk->undoing);
    desk->cursor_at[cursor_index(record->cursor.kind, record->cursor.slot)]->changed = true;
    apply(record, &found->docket);
}

uint64_t desk_take(struct desk *desk, struct record *record, struct found *found) {
    if (record->kind == RECORD_TRANSACTION) {
        struct transaction_facts *facts = &record->transaction;
        bool is_deposit = id_is_zero(facts->debit.wallet); // it comes from the world outside
        history_fill(&facts->debit, is_deposit ? NULL : found->wallet);
        history_fill(&facts->credit, is_deposit ? found->wallet : found->counterparty);
        if (record->operation == COMMAND_SETTLE)
            facts->opening = found->withdrawal->opened;
        if (record->operation == COMMAND_CAPTURE)
            facts->opening = found->hold->opened;
    }
    if (record->kind == RECORD_HOLD && record->operation != COMMAND_HOLD)
        record->hold.opening = found->hold->opened;
    if (record->kind == RECORD_PARKED && found->parked != NULL)
        record->parked.opening = found->parked->opened;
    if (record->operation == COMMAND_FAIL)
        record->withdrawal.opening = found->withdrawal->opened;
    if (record->operation == COMMAND_KEY_ROTATE)
        record->api_key.opening = found->key->opened;
    CHECK(record->kind != RECORD_REFUSAL); // nothing is taken
    uint64_t position = desk_add_record(desk, record, record_home_slot(record));
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION: take_transaction(desk, record, found, position); break;
    case RECORD_WALLET: take_wallet(desk, record, found, position); break;
    case RECORD_HOLD: take_hold(desk, record, found, position); break;
    case RECORD_WITHDRAWAL: take_withdrawal(desk, record, found, position); break;
    case RECORD_KEY: take_key(desk, record, found, position); break;
    case RECORD_DATA_KEY: desk_destroy_key(desk, record); break;
    case RECORD_ALARM:
        alarm_take(&desk->alarm, &record->alarm);
        desk->alarm_changed = true;
        break;
    case RECORD_NOTES: break;
    case RECORD_RULES: take_rules(desk, record, position); break;
    case RECORD_PARKED: take_parked(desk, record, found, position); break;
    case RECORD_CURSOR: take_cursor(desk, record, found); break;
    case RECORD_REFUSAL:
    case RECORD_BATCH: UNREACHABLE("nothing is taken");
    }
    return position;
}

// ---- what comes from other shards -------------------------------------------------------------

// The payee's side becomes a record of this shard: of this round's time, without the request's key,
// which the payer's shard remembers.
static void take_arrival(struct desk *desk, struct record *record, struct wallet_row *row) {
    struct transaction_facts *facts = &record->transaction;
    struct habits nobody = {0};
    record->time_ms = desk->now_ms;
    record->has_key = false;
    record->key = record->request = (struct digest128){0};
    record->spent = (struct spent){0};
    facts->debit.number = 0;
    facts->debit.previous = facts->debit.skip = 0;
    history_fill(&facts->credit, row);
    CHECK(record_arrives(record) && facts->credit.version == row->wallet.version + 1);
    uint64_t position = desk_add_record(desk, record, id_slot(facts->credit.wallet));
    change_wallet(desk, row);
    row->wallet.balance = facts->credit.balance;
    row->wallet.version = facts->credit.version;
    if (record->judged)
        habits_see(record, &nobody, &row->habits);
    history_take(row, &facts->credit, position);
    pass_transit(desk, row->wallet.currency, facts->amount);
}

uint32_t desk_take_arrivals(struct desk *desk, struct engine_stats *stats) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < desk->arrivals.count; i++) {
        struct arrival_row *arrival = desk->arrivals.items[i];
        struct record record;
        const char *why;
        enum status status = record_decode(arrival->bytes, &record, &why);
        CHECK(status == STATUS_ok && record.kind == RECORD_TRANSACTION);
        struct wallet_row *row = desk_wallet(desk, record.transaction.credit.wallet);
        CHECK(row != NULL);
        if (row->blocked)
            continue;
        take_arrival(desk, &record, row);
        arrival->is_taken = true;
        taken++;
        __atomic_store_n(&stats->records, stats->records + 1, __ATOMIC_RELAXED);
    }
    return taken;
}
