// SPDX-License-Identifier: MIT
// What was decided becomes a record and changed rows on the desk.
#include "base/check.h"
#include "base/memory.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/number.h"
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

void desk_history_fill(struct posting_side *side, const struct wallet_row *row) {
    if (row == NULL || row->legs != NULL) // its own shard counts
        return;
    side->number = row->last_number + 1;
    side->previous = row->last;
    side->skip =
        history_skip_target(side->number) == 0 ? 0 : row->levels[history_skip_level(side->number)];
    CHECK(side->number != 0);
    CHECK(side->previous != 0 || side->number == 1);
}

void desk_history_take(struct wallet_row *row, const struct posting_side *side,
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

void desk_change_wallet(struct desk *desk, struct wallet_row *row) {
    if (row == NULL)
        return;
    CHECK(row->legs != NULL || !desk_is_elsewhere(desk, id_slot(row->wallet.id)));
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
    desk->currencies_known = false;
}

void desk_pass_transit(struct desk *desk, uint16_t currency, int64_t amount) {
    struct currency_row *row = &desk->currencies[currency];
    desk_touch(desk, row, sizeof(*row));
    row->transit_change += amount;
    desk->currencies_known = false;
}

static uint16_t currency_of(struct desk *desk, const struct currency *currency) {
    uint16_t number;
    if (desk_currency(desk, currency, &number) == NULL) {
        CHECK(desk->currency_count < DESK_CURRENCIES_MAX);
        number = (uint16_t)desk->currency_count++;
        desk->currencies[number] = (struct currency_row){.account = {.currency = *currency}};
    }
    change_currency(desk, number);
    return number;
}

static uint16_t currency_of_new(struct desk *desk, const struct currency *currency) {
    uint16_t number = currency_of(desk, currency);
    desk->currencies[number].account.wallet_count++;
    return number;
}

// What comes in, or goes out, away from home may be the first of its currency here.
static void know_currency(struct desk *desk, struct found *found) {
    struct wallet_row *row = found->wallet;
    if (row->legs == NULL || row->wallet.currency < desk->currency_count)
        return;
    row->wallet.currency = currency_of(desk, &row->currency);
    found->docket.currency = &desk->currencies[row->wallet.currency].account;
}

// Of what leaves the wallets of this shard, or comes to them, the other side is in transit.
static void pass_sides(struct desk *desk, const struct transaction_facts *facts,
                       const struct wallet_row *debit, const struct wallet_row *credit) {
    bool goes = posting_is_elsewhere(&facts->credit), comes = posting_is_elsewhere(&facts->debit);
    const struct wallet_row *here = debit == NULL || (comes && credit != NULL) ? credit : debit;
    if (goes != comes)
        desk_pass_transit(desk, here->wallet.currency, goes ? -facts->amount : facts->amount);
    desk->crossed += goes || comes ||
                     (facts->bank_id.size != 0 &&
                      desk_is_elsewhere(desk, id_slot_of_owner(facts->bank_id)));
}

// What is opened for a wallet of another shard becomes a row there.
static void *row_of_new(struct desk *desk, struct rows *rows, size_t size, bool is_away,
                        uint64_t *counter) {
    if (is_away)
        return memset(arena_take(&desk->arena, size), 0, size);
    (*counter)++;
    return add_row(desk, rows, size);
}

static uint64_t number_of(const struct desk *desk, struct id id) {
    uint64_t number = 0;
    CHECK(number_of_id(&desk->seal, id, &number));
    return number;
}

static void open_withdrawal(struct desk *desk, struct found *found, struct id id,
                            uint64_t position) {
    struct withdrawal_row *row =
        row_of_new(desk, &desk->withdrawals, sizeof(*row), found->wallet->legs != NULL,
                   &desk->counters.withdrawals);
    row->number = number_of(desk, id);
    row->added = true;
    row->opened = position;
    found->withdrawal = row;
    found->docket.withdrawal = &row->withdrawal;
}

static void change_withdrawal(struct desk *desk, struct withdrawal_row *row, uint64_t position) {
    desk_touch(desk, row, sizeof(*row));
    row->changed = true;
    row->closed = position;
}

void desk_settle(struct desk *desk, const struct record *record, struct found *found,
                 uint64_t position) {
    const struct transaction_facts *facts = &record->transaction;
    if (record->operation == COMMAND_WITHDRAWAL)
        open_withdrawal(desk, found, facts->subject, position);
    if (found->withdrawal == NULL)
        return;
    change_withdrawal(desk, found->withdrawal, position);
    found->docket.withdrawal = &found->withdrawal->withdrawal;
    found->withdrawal->bank_id = arena_copy(&desk->arena, facts->bank_id);
}

static void change_subjects(struct desk *desk, struct found *found) {
    if (found->hold != NULL) {
        desk_touch(desk, found->hold, sizeof(*found->hold));
        found->hold->changed = true;
    }
    if (found->transaction != NULL) {
        desk_touch(desk, found->transaction, sizeof(*found->transaction));
        found->transaction->changed = true;
    }
}

static void take_transaction(struct desk *desk, struct record *record, struct found *found,
                             uint64_t position) {
    const struct transaction_facts *facts = &record->transaction;
    bool is_deposit = id_is_zero(facts->debit.wallet); // it comes from the world outside
    struct wallet_row *debit = is_deposit ? NULL : found->wallet;
    struct wallet_row *credit = is_deposit ? found->wallet : found->counterparty;
    desk_change_wallet(desk, debit);
    desk_change_wallet(desk, credit);
    if (is_deposit || id_is_zero(facts->credit.wallet))
        know_currency(desk, found);
    pass_sides(desk, facts, debit, credit);
    desk->crossed += found->transaction != NULL && found->transaction->legs != NULL;
    if (facts->external_total != 0)
        change_currency(desk, found->wallet->wallet.currency);
    change_subjects(desk, found);
    desk_settle(desk, record, found, position);
    apply(record, &found->docket);
    CHECK(found->docket.unaccounted == 0);
    if (found->transaction != NULL)
        found->transaction->refunded = found->purchase.refunded;
    if (found->hold != NULL && found->hold->hold.status != HOLD_OPEN && found->hold->legs == NULL)
        desk->counters.holds_open--;
    desk_history_take(debit, &facts->debit, position);
    desk_history_take(credit, &facts->credit, position);
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
    bool is_away = desk_is_elsewhere(desk, id_slot(record->wallet.id));
    if (record->operation == COMMAND_WALLET_OPEN) {
        struct wallet_row *row = row_of_new(desk, &desk->wallets, sizeof(*row), is_away,
                                            &desk->counters.wallets);
        row->number = number_of(desk, record->wallet.id);
        row->added = true;
        row->owner = arena_copy(&desk->arena, record->wallet.owner);
        if (!is_away)
            row->wallet.currency = currency_of_new(desk, &record->wallet.currency);
        found->wallet = row;
        found->docket.wallet = &row->wallet;
    } else {
        desk_change_wallet(desk, found->wallet);
    }
    found->wallet->details = position;
    apply(record, &found->docket);
}

static void take_hold(struct desk *desk, struct record *record, struct found *found,
                      uint64_t position) {
    bool is_away = found->wallet->legs != NULL;
    if (record->operation == COMMAND_HOLD) {
        struct hold_row *row =
            row_of_new(desk, &desk->holds, sizeof(*row), is_away, &desk->counters.holds);
        row->number = number_of(desk, record->hold.id);
        row->added = true;
        row->opened = position;
        row->order = arena_copy(&desk->arena, record->hold.order);
        desk->counters.holds_open += !is_away;
        found->hold = row;
        found->docket.hold = &row->hold;
    } else {
        desk_touch(desk, found->hold, sizeof(*found->hold));
        found->hold->changed = true;
        found->hold->closed = position;
        desk->counters.holds_open -= !is_away;
    }
    desk_change_wallet(desk, found->wallet);
    apply(record, &found->docket);
}

static void take_withdrawal(struct desk *desk, struct record *record, struct found *found,
                            uint64_t position) {
    if (record->operation == COMMAND_WITHDRAWAL)
        open_withdrawal(desk, found, record->withdrawal.id, position);
    else
        change_withdrawal(desk, found->withdrawal, position);
    desk_change_wallet(desk, found->wallet);
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
    if (record->parked.held != 0) {
        desk_change_wallet(desk, found->wallet);
        desk->crossed += found->wallet->legs != NULL;
    }
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
        desk_history_fill(&facts->debit, is_deposit ? NULL : found->wallet);
        desk_history_fill(&facts->credit, is_deposit ? found->wallet : found->counterparty);
        if (record->operation == COMMAND_SETTLE)
            facts->opening = found->withdrawal->opened;
        if (record->operation == COMMAND_CAPTURE)
            facts->opening = found->hold->opened;
    }
    if (record->kind == RECORD_HOLD && record->operation != COMMAND_HOLD)
        record->hold.opening = found->hold->opened;
    if (record->kind == RECORD_PARKED)
        record->parked.held_away = record->parked.held != 0 && found->wallet->legs != NULL;
    if (record->kind == RECORD_PARKED && found->parked != NULL)
        record->parked.opening = found->parked->opened;
    if (record->operation == COMMAND_FAIL)
        record->withdrawal.opening = found->withdrawal->opened;
    if (record->operation == COMMAND_KEY_ROTATE)
        record->api_key.opening = found->key->opened;
    CHECK(record->kind != RECORD_REFUSAL); // nothing is taken
    uint32_t slot = record_home_slot(record);
    if (record_is_of_thing(record) && desk_is_elsewhere(desk, slot)) {
        record->arrives = true; // what it is about has it; here it is but told
        slot = desk->guest_slot;
        desk->crossed++;
    }
    uint64_t position = desk_add_record(desk, record, slot);
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
