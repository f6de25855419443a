// SPDX-License-Identifier: MIT
// The first of the engine's five steps: everything that a batch names is asked for in one flight,
// and what lies behind it (the wallets of a hold, the records of a batch) in a second. Then each
// command finds its things on the desk.
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"
#include "ledger/bound.h"
#include "ledger/owner.h"
#include "ledger/parked.h"

// A partition of wallets of this size has some thousand rows. It is looked at again when there are
// half as many wallets more, and some.
#ifdef FLORIN_SLOW_CHECKS
#define MANY_BYTES   8192
#define MANY_WALLETS 4
#else
#define MANY_BYTES   (1 << 19)
#define MANY_WALLETS 1000
#endif

static void *take_zeroed(struct desk *desk, size_t size) {
    return memset(arena_take(&desk->arena, size), 0, size);
}

// ---- what to ask for --------------------------------------------------------------------------

static void wants_begin(struct wants *wants) {
    for (int part = 0; part < SQL_PARTS; part++) {
        column_begin(&wants->wallet_slots[part], false);
        column_begin(&wants->wallet_numbers[part], false);
        column_begin(&wants->seen_slots[part], false);
        column_begin(&wants->seen_numbers[part], false);
        column_begin(&wants->bank_slots[part], false);
        column_begin(&wants->bank_ids[part], true);
    }
    column_begin(&wants->hold_slots, false);
    column_begin(&wants->hold_numbers, false);
    column_begin(&wants->withdrawal_slots, false);
    column_begin(&wants->withdrawal_numbers, false);
    column_begin(&wants->parked_slots, false);
    column_begin(&wants->parked_numbers, false);
    column_begin(&wants->detail_slots, false);
    column_begin(&wants->detail_numbers, false);
    column_begin(&wants->transaction_slots, false);
    column_begin(&wants->transactions, false);
    column_begin(&wants->records, false);
    column_begin(&wants->rotated_keys, false);
    column_begin(&wants->locked_keys, false);
    column_begin(&wants->keys, true);
    column_begin(&wants->answer_slots, false);
    column_begin(&wants->answers, false);
    column_begin(&wants->cursor_slots, false);
    column_begin(&wants->cursor_kinds, false);
    column_begin(&wants->key_numbers, false);
    column_begin(&wants->key_owners, false);
    column_begin(&wants->forgotten_owners, false);
    column_begin(&wants->known_slots, false);
    column_begin(&wants->known_owners, true);
}

static void note_asked(struct desk *desk, struct rows *asked, struct id id, uint64_t number,
                       const bool *present) {
    struct asked *row = arena_take(&desk->arena, sizeof(*row));
    *row = (struct asked){.id = id, .number = number, .present = present};
    rows_add(asked, row);
}

static uint32_t part_of(const struct desk *desk, uint32_t slot) {
    CHECK(slot < LIMIT_SLOTS && desk->parts_known == LIMIT_SLOTS);
    return desk->part_of[slot];
}

static void want_wallet(struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number) ||
        map_find(&desk->wallet_map, map_slot_number(id_slot(id), number)) != NULL)
        return;
    struct wallet_row *row = take_zeroed(desk, sizeof(*row));
    row->number = number;
    map_add(&desk->wallet_map, map_slot_number(id_slot(id), number), row);
    note_asked(desk, &desk->asked, id, number, &row->present);
    uint32_t slot = id_slot(id), part = part_of(desk, slot);
    bool known = desk_knows_wallet(desk, slot, number);
    column_add(known ? &desk->wants.seen_slots[part] : &desk->wants.wallet_slots[part], slot);
    column_add(known ? &desk->wants.seen_numbers[part] : &desk->wants.wallet_numbers[part],
               (int64_t)number);
}

static void want_details(struct desk *desk, struct id wallet) {
    uint64_t number;
    if (!number_of_id(&desk->seal, wallet, &number))
        return;
    column_add(&desk->wants.detail_slots, id_slot(wallet));
    column_add(&desk->wants.detail_numbers, (int64_t)number);
}

// Whose they are decides what somebody bound may see of an answer.
static void want_sides(struct desk *desk, struct slice bytes) {
    struct record record;
    const char *why;
    struct id parties[2];
    if (!desk->has_bound || record_decode(bytes, &record, &why) != STATUS_ok ||
        !bound_parties(&record, parties))
        return;
    want_wallet(desk, parties[0]);
    want_wallet(desk, parties[1]);
}

static struct hold_row *hold_row_of(struct desk *desk, uint32_t slot, uint64_t number,
                                    bool *ret_is_new) {
    struct digest128 key = map_slot_number(slot, number);
    struct hold_row *row = map_find(&desk->hold_map, key);
    *ret_is_new = row == NULL;
    if (row == NULL) {
        row = take_zeroed(desk, sizeof(*row));
        row->number = number;
        map_add(&desk->hold_map, key, row);
    }
    return row;
}

static void want_hold(struct desk *desk, struct id id) {
    uint64_t number;
    bool is_new;
    if (!number_of_id(&desk->seal, id, &number))
        return;
    struct hold_row *row = hold_row_of(desk, id_slot(id), number, &is_new);
    if (!is_new)
        return;
    note_asked(desk, &desk->asked_holds, id, number, &row->present);
    column_add(&desk->wants.hold_slots, id_slot(id));
    column_add(&desk->wants.hold_numbers, (int64_t)number);
}

static void want_withdrawal(struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number) ||
        map_find(&desk->withdrawal_map, map_slot_number(id_slot(id), number)) != NULL)
        return;
    struct withdrawal_row *row = take_zeroed(desk, sizeof(*row));
    row->number = number;
    map_add(&desk->withdrawal_map, map_slot_number(id_slot(id), number), row);
    note_asked(desk, &desk->asked_withdrawals, id, number, &row->present);
    column_add(&desk->wants.withdrawal_slots, id_slot(id));
    column_add(&desk->wants.withdrawal_numbers, (int64_t)number);
}

static void want_parked(struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number) ||
        map_find(&desk->parked_map, map_number(number)) != NULL)
        return;
    struct parked_row *row = take_zeroed(desk, sizeof(*row));
    row->number = number;
    map_add(&desk->parked_map, map_number(number), row);
    note_asked(desk, &desk->asked_parked, id, number, &row->present);
    column_add(&desk->wants.parked_slots, id_slot(id));
    column_add(&desk->wants.parked_numbers, (int64_t)number);
}

static void want_transaction(struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number) ||
        map_find(&desk->purchase_map, map_number(number)) != NULL)
        return;
    struct purchase_row *row = take_zeroed(desk, sizeof(*row));
    row->record = number;
    row->slot = id_slot(id);
    map_add(&desk->purchase_map, map_number(number), row);
    column_add(&desk->wants.transaction_slots, id_slot(id));
    column_add(&desk->wants.transactions, (int64_t)number);
}

static void want_key_record(struct desk *desk, struct id id) {
    uint64_t number;
    if (id_open(&desk->seal, id, &number))
        column_add(&desk->wants.rotated_keys, (int64_t)number);
}

void desk_want_answer(struct desk *desk, struct digest128 key) {
    if (map_find(&desk->answer_map, key) != NULL) // or another shard was asked
        return;
    (void)desk_answer(desk, key);
    column_add_bytes(&desk->wants.keys, slice_of(&key, sizeof(key)));
}

void desk_want(struct desk *desk, enum id_type type, struct id id) {
    switch (type) {
    case ID_WALLET: want_wallet(desk, id); return;
    case ID_HOLD: want_hold(desk, id); return;
    case ID_WITHDRAWAL: want_withdrawal(desk, id); return;
    default: CHECK(type == ID_TRANSACTION);
    }
    want_transaction(desk, id);
}

static void want_cursor(struct desk *desk, const struct cursor *cursor) {
    struct cursor_row **place = &desk->cursor_at[cursor_index(cursor->kind, cursor->slot)];
    if (*place != NULL)
        return;
    *place = take_zeroed(desk, sizeof(**place));
    (*place)->cursor.kind = cursor->kind;
    (*place)->cursor.slot = cursor->slot;
    rows_add(&desk->cursors, *place);
    column_add(&desk->wants.cursor_slots, cursor->slot);
    column_add(&desk->wants.cursor_kinds, cursor->kind);
}

static void want_of_command(struct desk *desk, const struct command *command) {
    if (command->has_key)
        desk_want_answer(desk, command->key);
    if (command_is_of_cursor(command->type))
        want_cursor(desk, &command->cursor->cursor);
    // What another shard has came along, or the command is refused.
    if (command->bank_id.size != 0 && desk_legs_marker(desk, command->bank_id) == NULL) {
        uint32_t slot = id_slot_of_owner(command->bank_id), part = part_of(desk, slot);
        column_add(&desk->wants.bank_slots[part], slot);
        column_add_bytes(&desk->wants.bank_ids[part], command->bank_id);
    }
    want_wallet(desk, command->wallet);
    want_wallet(desk, command->counterparty);
    switch ((enum command_type)command->type) {
    case COMMAND_SETTLE:
    case COMMAND_FAIL:
    case COMMAND_READ_WITHDRAWAL: want_withdrawal(desk, command->subject); return;
    case COMMAND_APPROVE:
    case COMMAND_REJECT:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS:
    case COMMAND_READ_ANOMALY:
    case COMMAND_READ_APPROVAL: want_parked(desk, command->subject); return;
    case COMMAND_REFUND:
    case COMMAND_READ_TRANSACTION: want_transaction(desk, command->subject); return;
    case COMMAND_CAPTURE:
    case COMMAND_VOID:
    case COMMAND_READ_HOLD: want_hold(desk, command->subject); return;
    case COMMAND_WALLET_CHANGE: want_details(desk, command->wallet); return;
    case COMMAND_KEY_ROTATE: want_key_record(desk, command->subject); // fall through
    case COMMAND_KEY_REVOKE: desk_want_key_lock(desk, command->subject); return;
    case COMMAND_WALLET_OPEN:
        desk_want_owner(desk, owner_mark(desk->hash_seed, command->owner));
        return;
    case COMMAND_OWNER_FORGET: desk_want_owner_known(desk, command->owner); return;
    case COMMAND_READ_WALLET:
        want_wallet(desk, command->subject);
        want_details(desk, command->subject);
        return;
    default: return;
    }
}

static void want_all(struct desk *desk, struct inbox_node *node) {
    desk->commands_wanted = 0;
    for (struct inbox_node *each = node; each != NULL; each = each->next) {
        desk->commands_wanted += round_of(each)->command_count;
        desk_legs_take(desk, round_of(each)->legs);
        desk_want_of_legs(desk, round_of(each)->legs);
    }
    for (; node != NULL; node = node->next)
        for (struct submission *submission = round_of(node)->first; submission != NULL;
             submission = submission->next) {
            if (submission->atomic && submission->batch.has_key)
                desk_want_answer(desk, submission->batch.key);
            if (submission->guarded)
                want_of_command(desk, &submission->batch);
            if (submission->whole != NULL)
                desk_want_answer(desk, submission->whole->key);
            for (uint32_t i = 0; i < submission->count; i++) {
                const struct command *command = &submission->commands[i];
                if (desk_was_decided(submission, i))
                    continue;
                desk->has_writes = desk->has_writes || !command_is_read(command->type);
                desk->has_bound = desk->has_bound || command_is_bound(command);
                want_of_command(desk, command);
            }
        }
}

// ---- what came --------------------------------------------------------------------------------

static void take_record(struct desk *desk, const struct pg_result *result, int row, int column) {
    if (row_is_null(result, row, column) || row_is_null(result, row, column + 1))
        return;
    uint64_t number = (uint64_t)row_number(result, row, column);
    if (map_find(&desk->record_map, map_number(number)) != NULL)
        return;
    struct record_row *record = take_zeroed(desk, sizeof(*record));
    record->position = number * 8;
    record->bytes = row_bytes(result, row, column + 1);
    desk_want_key(desk, record->bytes);
    map_add(&desk->record_map, map_number(number), record);
}

static void take_record_and_opening(struct desk *desk, const struct pg_result *result, int row,
                                    int column) {
    take_record(desk, result, row, column);
    take_record(desk, result, row, column + 2);
}

static void take_record_at(struct desk *desk, uint64_t position, struct slice bytes) {
    if (position == 0 || bytes.size == 0 ||
        map_find(&desk->record_map, map_number(position / 8)) != NULL)
        return;
    struct record_row *record = take_zeroed(desk, sizeof(*record));
    record->position = position;
    record->bytes = bytes;
    desk_want_key(desk, bytes);
    map_add(&desk->record_map, map_number(position / 8), record);
}

static void take_hold(struct desk *desk, const struct pg_result *result, int row,
                      enum sql statement) {
    bool is_due = statement == SQL_DUE || statement == SQL_DUE_LOCKED;
    bool is_new;
    struct hold_row *hold = hold_row_of(desk, id_slot(row_id(result, row, 1)),
                                        (uint64_t)row_number(result, row, 0), &is_new);
    if (is_due)
        rows_add(&desk->due, hold);
    if (hold->present)
        return;
    row_hold(result, row, &hold->hold);
    hold->captured_before = hold->hold.captured;
    hold->opened = (uint64_t)row_number(result, row, 11) * 8;
    hold->closed = (uint64_t)row_number(result, row, 8) * 8;
    hold->present = true;
    hold->blocked = desk->has_writes && statement == SQL_HOLDS;
    take_record_at(desk, hold->opened, row_bytes(result, row, 9));
    take_record_at(desk, hold->closed, row_bytes(result, row, 10));
    rows_add(&desk->holds, hold);
    want_wallet(desk, hold->hold.wallet);
    want_wallet(desk, hold->hold.merchant);
}

static void take_withdrawal(struct desk *desk, const struct pg_result *result, int row,
                            bool is_locked) {
    struct withdrawal_row *withdrawal =
        map_find(&desk->withdrawal_map, map_slot_number(id_slot(row_id(result, row, 1)),
                                                        (uint64_t)row_number(result, row, 0)));
    CHECK(withdrawal != NULL && !withdrawal->present);
    row_withdrawal(result, row, &withdrawal->withdrawal);
    withdrawal->opened = (uint64_t)row_number(result, row, 8) * 8;
    withdrawal->closed = (uint64_t)row_number(result, row, 5) * 8;
    withdrawal->present = true;
    withdrawal->blocked = desk->has_writes && !is_locked;
    take_record_at(desk, withdrawal->opened, row_bytes(result, row, 6));
    take_record_at(desk, withdrawal->closed, row_bytes(result, row, 7));
    rows_add(&desk->withdrawals, withdrawal);
    want_wallet(desk, withdrawal->withdrawal.wallet);
}

// What was kept will be decided again: it names things like any other command.
static void take_parked(struct desk *desk, const struct pg_result *result, int row,
                        enum sql statement) {
    bool is_due = statement == SQL_DUE_REVIEWS || statement == SQL_DUE_REVIEWS_LOCKED;
    uint64_t number = (uint64_t)row_number(result, row, 0);
    struct parked_row *parked = map_find(&desk->parked_map, map_number(number));
    if (parked == NULL && is_due) {
        parked = take_zeroed(desk, sizeof(*parked));
        parked->number = number;
        parked->opened = number * 8;
        map_add(&desk->parked_map, map_number(number), parked);
    }
    if (is_due)
        rows_add(&desk->due_reviews, parked);
    struct record record;
    struct command kept;
    const char *why;
    CHECK(parked != NULL);
    if (parked->present)
        return; // asked for, and due
    row_parked(result, row, &parked->parked);
    parked->opened = (uint64_t)row_number(result, row, 10) * 8;
    parked->closed = (uint64_t)row_number(result, row, 6) * 8;
    parked->principal = row_bytes(result, row, 7);
    if (record_decode(row_bytes(result, row, 8), &record, &why) != STATUS_ok)
        return; // decided, and archived since
    parked->present = true;
    parked->blocked = desk->has_writes && statement == SQL_APPROVALS;
    take_record_at(desk, parked->opened, row_bytes(result, row, 8));
    take_record_at(desk, parked->closed, row_bytes(result, row, 9));
    rows_add(&desk->parked, parked);
    want_wallet(desk, parked->parked.wallet);
    if (parked->parked.cause == PARKED_FLAGGED)
        return;
    CHECK(record.kind == RECORD_PARKED && parked_kept(&record.parked, &kept));
    desk->has_bound = desk->has_bound || command_is_bound(&kept);
    want_of_command(desk, &kept);
}

static void take_transaction(struct desk *desk, const struct pg_result *result, int row,
                             bool is_locked) {
    struct purchase_row *purchase =
        map_find(&desk->purchase_map, map_number((uint64_t)row_number(result, row, 1)));
    CHECK(purchase != NULL);
    purchase->refunded = row_number(result, row, 0);
    purchase->present = true;
    purchase->row_blocked = is_locked && row_number(result, row, 5) != 0;
    purchase->blocked = purchase->blocked || purchase->row_blocked;
    rows_add(&desk->purchases, purchase);
    take_record_and_opening(desk, result, row, 1);
    want_sides(desk, row_bytes(result, row, 2));
    desk_want_sides_of_purchase(desk, row_bytes(result, row, 2));
}

// An atomic batch answers again with the records of its operations.
static void want_operations(struct desk *desk, struct slice bytes) {
    struct record record;
    const char *why;
    if (record_decode(bytes, &record, &why) != STATUS_ok || record.kind != RECORD_BATCH)
        return;
    for (uint32_t i = 0; i < record.batch.count; i++) {
        uint64_t position;
        memcpy(&position, record.batch.positions.bytes + i * sizeof(position), sizeof(position));
        column_add(&desk->wants.records, (int64_t)(position / 8));
    }
}

// A held payment is answered with what has become of it since.
static void want_review(struct desk *desk, struct slice bytes) {
    struct record record;
    const char *why;
    if (record_decode(bytes, &record, &why) == STATUS_ok && record.kind == RECORD_PARKED &&
        record.parked.cause == PARKED_FOR_REVIEW)
        want_parked(desk, record.parked.id);
}

static void take_key_used(struct desk *desk, const struct pg_result *result, int row) {
    column_add(&desk->wants.answer_slots, row_number(result, row, 0));
    column_add(&desk->wants.answers, row_number(result, row, 1));
}

static void take_answer(struct desk *desk, const struct pg_result *result, int row) {
    struct record record;
    const char *why;
    struct slice bytes = row_bytes(result, row, 1);
    CHECK(record_decode(bytes, &record, &why) == STATUS_ok && record.has_key);
    // Where the days that keys are remembered have become more, it may have been used twice.
    struct answer_row *answer = desk_answer(desk, record.key);
    uint64_t position = (uint64_t)row_number(result, row, 0) * 8;
    answer->position = position > answer->position ? position : answer->position;
    take_record_and_opening(desk, result, row, 0);
    want_review(desk, bytes);
    want_operations(desk, bytes);
    want_sides(desk, bytes);
}

static void take_part(struct desk *desk, const struct pg_result *result, int row) {
    uint64_t slot = (uint64_t)row_number(result, row, 0),
             part = (uint64_t)row_number(result, row, 1);
    CHECK(slot < LIMIT_SLOTS && part < SQL_PARTS);
    desk->part_of[slot] = (uint8_t)part;
    desk->has_many[part] = row_number(result, row, 2) >= MANY_BYTES;
    desk->parts_known++;
}

// What it says as a whole, also when it has no rows.
static void take_whole(struct desk *desk, enum sql statement, const struct pg_result *result) {
    if (statement == SQL_BOOKS || statement == SQL_BOOKS_LOCKED)
        desk_take_books(desk, result);
    if (statement == SQL_RULES)
        desk_take_rules(desk, result);
    if (statement == SQL_CURRENCIES) {
        desk->currencies_chain = desk->before.chain;
        desk->currencies_known = true;
        desk->currency_count = 0;
    }
    if (statement == SQL_FREE_CURRENCIES)
        desk_take_free_currencies(desk, result);
    if (statement == SQL_HEADS_SINCE || statement == SQL_HEADS_BEHIND)
        desk_heads_came(desk);
    if (statement == SQL_ARRIVALS || statement == SQL_ARRIVALS_LOCKED)
        desk_arrivals_see(desk, result);
    if (statement == SQL_NEXT_DUE)
        desk_take_next_due(desk, result);
}

static void take_result(void *context, enum sql statement, const struct pg_result *result) {
    struct desk *desk = context;
    take_whole(desk, statement, result);
    int rows = row_count(result);
    for (int row = 0; row < rows; row++) {
        if (sql_is_of(statement, SQL_WALLETS))
            desk_take_wallet(desk, result, row, false);
        if (sql_is_of(statement, SQL_WALLETS_LOCKED) || statement == SQL_MANY_WALLETS_LOCKED)
            desk_take_wallet(desk, result, row, true);
        if (sql_is_of(statement, SQL_BANK))
            desk_take_bank(desk, result, row);
        switch (statement) {
        case SQL_KNOWN_WALLETS: desk_take_known_wallet(desk, result, row); break;
        case SQL_CURRENCIES: desk_take_currency(desk, result, row); break;
        case SQL_HEADS: desk_take_head(desk, result, row); break;
        case SQL_HEADS_SINCE: desk_take_head_since(desk, result, row); break;
        case SQL_HEADS_BEHIND: desk_take_head_behind(desk, result, row); break;
        case SQL_KEYS: desk_take_key(desk, result, row); break;
        case SQL_KEYS_LOCKED: desk_take_key_lock(desk, result, row); break;
        case SQL_DUE:
        case SQL_DUE_LOCKED:
        case SQL_HOLDS:
        case SQL_HOLDS_LOCKED: take_hold(desk, result, row, statement); break;
        case SQL_WITHDRAWALS:
        case SQL_WITHDRAWALS_LOCKED:
            take_withdrawal(desk, result, row, statement == SQL_WITHDRAWALS_LOCKED);
            break;
        case SQL_APPROVALS:
        case SQL_APPROVALS_LOCKED:
        case SQL_DUE_REVIEWS:
        case SQL_DUE_REVIEWS_LOCKED: take_parked(desk, result, row, statement); break;
        case SQL_TRANSACTIONS:
        case SQL_TRANSACTIONS_LOCKED:
            take_transaction(desk, result, row, statement == SQL_TRANSACTIONS_LOCKED);
            break;
        case SQL_IDEMPOTENCY: take_key_used(desk, result, row); break;
        case SQL_ARRIVALS:
        case SQL_ARRIVALS_LOCKED: desk_note_arrival(desk, result, row); break;
        case SQL_BANK_LOCKS: desk_take_bank_lock(desk, result, row); break;
        case SQL_PURCHASE_LOCKS: desk_take_purchase_lock(desk, result, row); break;
        case SQL_ANSWERS: take_answer(desk, result, row); break;
        case SQL_PARTS_OF_SLOTS: take_part(desk, result, row); break;
        case SQL_DATA_KEYS:
        case SQL_OWNER_KEYS: desk_take_data_key(desk, result, row); break;
        case SQL_FREE_OWNERS: desk_take_free_owner(desk, result, row); break;
        case SQL_OWNER_KNOWN: desk_take_owner_known(desk, result, row); break;
        case SQL_CURSORS:
        case SQL_CURSORS_LOCKED: desk_take_cursor(desk, result, row); break;
        case SQL_DETAILS:
        case SQL_KEY_RECORDS: take_record(desk, result, row, 0); break;
        case SQL_RECORDS:
            take_record_and_opening(desk, result, row, 0);
            want_sides(desk, row_bytes(result, row, 1));
            break;
        default: break;
        }
    }
}

// ---- asking -----------------------------------------------------------------------------------

static bool ask(struct link *link, enum sql statement, struct column *first,
                struct column *second) {
    struct parameters parameters = {0};
    if (first->count == 0)
        return false;
    parameter_column(&parameters, first);
    if (second != NULL)
        parameter_column(&parameters, second);
    link_send(link, statement, &parameters);
    return true;
}

// Idempotency keys are looked for in the partitions of their retention only.
static bool ask_keys(struct desk *desk, struct link *link) {
    struct parameters parameters = {0};
    if (desk->wants.keys.count == 0)
        return false;
    parameter_column(&parameters, &desk->wants.keys);
    parameter_number(&parameters, (int64_t)desk->keys_from);
    parameter_number(&parameters, (int64_t)desk->keys_end);
    link_send(link, SQL_IDEMPOTENCY, &parameters);
    return true;
}

// In one statement of all partitions, or, where that is SQL_SYNC, in one for each.
static bool ask_wallets_of(struct link *link, enum sql together, enum sql apart,
                           struct column *slots, struct column *numbers) {
    struct parameters parameters = {0};
    bool any = false;
    for (uint32_t part = 0; part < SQL_PARTS; part++)
        any |= numbers[part].count != 0;
    for (uint32_t part = 0; any && part < SQL_PARTS; part++)
        if (together != SQL_SYNC)
            parameter_column(&parameters, &numbers[part]);
        else
            (void)ask(link, apart + part, &slots[part], &numbers[part]);
    if (any && together != SQL_SYNC)
        link_send(link, together, &parameters);
    return any;
}

static bool ask_wallets(struct desk *desk, struct link *link) {
    struct wants *wants = &desk->wants;
    bool lock = desk->has_writes, are_many = lock && !desk->has_old_versions;
    for (uint32_t part = 0; part < SQL_PARTS; part++)
        are_many = are_many && desk->has_many[part];
    enum sql apart = lock ? SQL_WALLETS_LOCKED : SQL_WALLETS;
    bool any = ask_wallets_of(link, are_many ? SQL_MANY_WALLETS_LOCKED : SQL_SYNC, apart,
                              wants->wallet_slots, wants->wallet_numbers);
    return ask_wallets_of(link, are_many ? SQL_KNOWN_WALLETS : SQL_SYNC, apart,
                          wants->seen_slots, wants->seen_numbers) ||
           any;
}

// Only then: what asks for no wallet waits for nobody who has locked all of them.
static void ask_parents(struct desk *desk, struct link *link) {
    uint32_t wanted = 0;
    for (uint32_t part = 0; part < SQL_PARTS; part++)
        wanted += desk->wants.wallet_slots[part].count + desk->wants.seen_slots[part].count +
                  desk->wants.bank_slots[part].count;
    if (wanted == 0 || desk->has_parents)
        return;
    link_send(link, SQL_PARENTS, NULL);
    desk->has_parents = true;
}

static bool ask_wanted(struct desk *desk, struct link *link) {
    struct wants *wants = &desk->wants;
    ask_parents(desk, link);
    bool lock = desk->has_writes;
    bool asked = ask_keys(desk, link);
    for (uint32_t part = 0; part < SQL_PARTS; part++) {
        if (lock && desk->elsewhere_count != 0) // nobody waits for another shard's decision
            asked |= ask(link, SQL_BANK_LOCKS, &wants->bank_ids[part], NULL);
        asked |= ask(link, SQL_BANK + part, &wants->bank_slots[part], &wants->bank_ids[part]);
    }
    asked |= ask(link, SQL_ANSWERS, &wants->answer_slots, &wants->answers);
    if (lock && desk->elsewhere_count != 0) // likewise
        asked |= ask(link, SQL_PURCHASE_LOCKS, &wants->transaction_slots, &wants->transactions);
    asked |= ask(link, lock ? SQL_TRANSACTIONS_LOCKED : SQL_TRANSACTIONS,
                 &wants->transaction_slots, &wants->transactions);
    asked |=
        ask(link, lock ? SQL_HOLDS_LOCKED : SQL_HOLDS, &wants->hold_slots, &wants->hold_numbers);
    asked |= ask(link, lock ? SQL_WITHDRAWALS_LOCKED : SQL_WITHDRAWALS, &wants->withdrawal_slots,
                 &wants->withdrawal_numbers);
    asked |= ask_wallets(desk, link);
    asked |= ask(link, lock ? SQL_APPROVALS_LOCKED : SQL_APPROVALS, &wants->parked_slots,
                 &wants->parked_numbers);
    asked |= ask(link, SQL_DETAILS, &wants->detail_slots, &wants->detail_numbers);
    asked |= ask(link, SQL_RECORDS, &wants->records, NULL);
    asked |= ask(link, lock ? SQL_CURSORS_LOCKED : SQL_CURSORS, &wants->cursor_slots,
                 &wants->cursor_kinds);
    asked |= ask(link, SQL_KEY_RECORDS, &wants->rotated_keys, NULL);
    asked |= ask(link, SQL_KEYS_LOCKED, &wants->locked_keys, NULL);
    asked |= ask(link, SQL_DATA_KEYS, &wants->key_numbers, NULL);
    asked |= ask(link, SQL_OWNER_KEYS, &wants->key_owners, NULL);
    asked |= ask(link, SQL_FREE_OWNERS, &wants->forgotten_owners, NULL);
    asked |= ask(link, SQL_OWNER_KNOWN, &wants->known_slots, &wants->known_owners);
    wants_begin(wants); // sent parameters have been copied
    return asked;
}

// Rows that did not come with a lock are either not there, or locked by somebody else, perhaps in a
// forgotten psql: then only the commands that would change them wait aside, and nobody else does.
static bool ask_again(struct desk *desk, struct link *link, struct rows *asked,
                      enum sql statement) {
    struct column *slots = desk->wants.again_slots, *numbers = desk->wants.again_numbers;
    bool in_parts = statement == SQL_WALLETS, any = false;
    for (uint32_t part = 0; part < SQL_PARTS; part++) {
        column_begin(&slots[part], false);
        column_begin(&numbers[part], false);
    }
    for (uint32_t i = 0; desk->has_writes && i < asked->count; i++) {
        const struct asked *row = asked->items[i];
        if (*row->present)
            continue;
        uint32_t part = in_parts ? part_of(desk, id_slot(row->id)) : 0;
        column_add(&slots[part], id_slot(row->id));
        column_add(&numbers[part], (int64_t)row->number);
    }
    asked->count = 0;
    for (uint32_t part = 0; part < SQL_PARTS; part++)
        any |= ask(link, statement + part, &slots[part], &numbers[part]);
    return any;
}

static bool ask_due(struct desk *desk, struct link *link, bool is_told, enum sql statement) {
    struct parameters due = {0};
    if (!is_told)
        return false;
    parameter_number(&due, DESK_DUE_MAX);
    parameter_number(&due, (int64_t)desk->now_ms);
    link_send(link, statement, &due);
    return true;
}

// What the row of books has told: heads of slots, currencies, keys or rules that this desk does not
// know, and what has come to its end; and which currencies are free, where one was not.
static bool ask_told(struct desk *desk, struct link *link) {
    struct told told = desk->told;
    bool lock = desk->has_writes;
    bool arrives = desk->elsewhere_count != 0 && !desk->arrivals_asked; // it has just learnt that
    desk->told = (struct told){0};
    desk_arrivals_ask(desk, link);
    desk_heads_ask(desk, link, told);
    if (told.currencies)
        link_send(link, SQL_CURRENCIES, NULL);
    if (told.free_currencies)
        link_send(link, SQL_FREE_CURRENCIES, NULL);
    if (told.keys)
        link_send(link, SQL_KEYS, NULL);
    if (told.rules)
        link_send(link, SQL_RULES, NULL);
    if (told.next_due)
        link_send(link, SQL_NEXT_DUE, NULL);
    bool asked = ask_due(desk, link, told.due, lock ? SQL_DUE_LOCKED : SQL_DUE);
    asked |= ask_due(desk, link, told.due_reviews,
                     lock ? SQL_DUE_REVIEWS_LOCKED : SQL_DUE_REVIEWS);
    return asked || arrives || told.heads || told.currencies || told.free_currencies ||
           told.keys || told.rules;
}

// Whether a row that may come without its lock has yet to be asked for with it.
static bool has_unsent(const struct wants *wants) {
    uint32_t things = wants->hold_slots.count + wants->withdrawal_slots.count;
    bool any = things + wants->parked_slots.count != 0;
    for (uint32_t part = 0; part < SQL_PARTS; part++)
        any |= wants->wallet_slots[part].count + wants->seen_slots[part].count != 0;
    return any;
}

// What the results of the last flight made necessary.
static bool ask_more(struct desk *desk, struct link *link) {
    bool asked = ask_told(desk, link);
    if (has_unsent(&desk->wants)) // what is not yet sent must not be taken for missing
        return ask_wanted(desk, link) || asked;
    asked |= ask_again(desk, link, &desk->asked, SQL_WALLETS);
    asked |= ask_again(desk, link, &desk->asked_holds, SQL_HOLDS);
    asked |= ask_again(desk, link, &desk->asked_withdrawals, SQL_WITHDRAWALS);
    asked |= ask_again(desk, link, &desk->asked_parked, SQL_APPROVALS);
    return ask_wanted(desk, link) || asked;
}

// Asked once per connection: it is the server's to say. And again when there are half as many
// wallets more than then, and some.
bool desk_parts_are_known(const struct desk *desk) {
    return desk->parts_known == LIMIT_SLOTS &&
           desk->counters.wallets <= desk->parts_wallets * 3 / 2 + MANY_WALLETS;
}

static enum link_result fetch_parts(struct desk *desk, struct link *link) {
    if (desk_parts_are_known(desk))
        return LINK_OK;
    desk->parts_known = 0;
    desk->parts_wallets = desk->counters.wallets;
    enum link_result result = desk->ahead.opened != NULL ? desk_ahead_close(desk, link)
                                                         : desk_turn_settle(desk, link);
    if (result != LINK_OK)
        return result;
    link_send(link, SQL_PARTS_OF_SLOTS, NULL);
    link_sync(link);
    result = link_collect(link, take_result, desk);
    if (result == LINK_OK && desk->parts_known != LIMIT_SLOTS) {
        (void)snprintf(link->why, sizeof(link->why),
                       "wallets or bank_ids are not in the four partitions that sql/0001 made");
        return LINK_REFUSED;
    }
    return result;
}

void desk_want_all(struct desk *desk, struct inbox_node *first, bool will_write) {
    // A set that came to nothing with its batch must not be taken for the books'.
    desk->rules_known = desk->rules_record != 0 ? -1 : (int64_t)desk->rules.version;
    desk->told = (struct told){0};
    desk_keys_set_span(desk);
    desk_clear(desk);
    wants_begin(&desk->wants);
    desk->has_writes = will_write;
    desk->has_bound = desk->has_parents = false;
    want_all(desk, first);
}

enum link_result desk_fetch(struct desk *desk, struct link *link, struct inbox_node *first,
                            bool will_write) {
    struct parameters books = {0};
    struct row_place place = desk_books_place(desk);
    enum link_result result = fetch_parts(desk, link);
    if (result != LINK_OK)
        return result;
    desk_want_all(desk, first, will_write);
    result = desk_ahead_begin(desk, link, first, will_write);
    if (result == LINK_OK && !desk->ahead.is_on)
        result = desk_turn_settle(desk, link);
    if (result != LINK_OK || desk->ahead.is_on)
        return result;
    desk_turn_take(desk, link);
    link_send(link, desk->has_writes ? SQL_BEGIN : SQL_BEGIN_READING, NULL);
    parameter_bytes(&books, slice_of(&place, sizeof(place)));
    link_send(link, desk->has_writes ? SQL_BOOKS_LOCKED : SQL_BOOKS, &books);
    desk_arrivals_ask(desk, link);
    (void)ask_wanted(desk, link);
    do {
        link_sync(link);
        result = link_collect(link, take_result, desk);
    } while (result == LINK_OK && ask_more(desk, link));
    desk->lacks_partitions = desk_next_number(desk) + NUMBER_SLACK > desk->end_record;
    if (result == LINK_OK && desk->has_writes && desk->lacks_partitions)
        return LINK_AGAIN;
    if (result == LINK_OK && desk->answer_map.count != 0 &&
        desk_next_number(desk) >= desk->keys_end)
        return LINK_AGAIN; // keys may lie behind where they were looked for
    if (result != LINK_OK)
        desk_forget_books(desk);
    return result;
}
