// SPDX-License-Identifier: MIT
// Finding things on the desk, and taking back what an atomic batch did to them.
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "ledger/bound.h"

#define KEYS_AHEAD_MS 3600000 // a node that slept longer asks for keys once more

void desk_init(struct desk *desk) {
    memset(desk, 0, sizeof(*desk));
    arena_init(&desk->arena, 1 << 18);
    arena_init(&desk->key_texts, 4096);
    desk_sealing_init(desk);
    desk->keys_version = UINT64_MAX;
    CHECK(pthread_mutex_init(&desk->rules_lock, NULL) == 0);
    desk->heads_round = -1;
    desk->slots_version = -1;
    desk->retention_ms = UINT64_C(7) * 24 * 3600 * 1000;
}

void rows_add(struct rows *rows, void *item) {
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        rows->items = memory_resize(rows->items, rows->capacity * sizeof(*rows->items));
    }
    rows->items[rows->count++] = item;
}

static void each_map(struct desk *desk, void (*action)(struct map *)) {
    action(&desk->wallet_map);
    action(&desk->parked_map);
    action(&desk->hold_map);
    action(&desk->withdrawal_map);
    action(&desk->purchase_map);
    action(&desk->answer_map);
    action(&desk->bank_map);
    action(&desk->record_map);
    action(&desk->sealing.key_map);
    action(&desk->sealing.owner_map);
}

void desk_clear(struct desk *desk) {
    each_map(desk, map_clear);
    desk->wallets.count = desk->holds.count = desk->withdrawals.count = 0;
    desk->parked.count = 0;
    desk->sealing.added.count = 0;
    column_begin(&desk->sealing.destroyed, false);
    desk->rules_record = 0;
    desk_rules_forget(desk);
    desk->purchases.count = desk->due.count = desk->due_reviews.count = desk->records.count = 0;
    for (uint32_t i = 0; i < desk->cursors.count; i++) {
        const struct cursor_row *row = desk->cursors.items[i];
        desk->cursor_at[cursor_index(row->cursor.kind, row->cursor.slot)] = NULL;
    }
    desk->cursors.count = desk->legs.count = desk->arrivals.count = 0;
    desk->arrivals_asked = false;
    desk->begun_ns = clock_monotonic_ns();
    desk->asked.count = desk->asked_holds.count = 0;
    desk->asked_withdrawals.count = desk->asked_parked.count = 0;
    desk->asked_keys.count = 0;
    for (uint32_t i = 0; i < desk->currency_count; i++) {
        desk->currencies[i].changed = desk->currencies[i].blocked = false;
        desk->currencies[i].transit_change = 0;
    }
    desk->away_count = 0;
    desk->saved_count = desk->crossed = 0;
    desk->undoing = false;
    for (uint32_t i = 0; i < desk->key_count; i++)
        desk->key_rows[i].changed = false;
    arena_reset(&desk->arena);
}

void desk_done(struct desk *desk) {
    struct column *columns = (struct column *)&desk->wants;
    for (size_t i = 0; i < sizeof(desk->wants) / sizeof(*columns); i++)
        column_done(&columns[i]);
    for (size_t i = 0; i < sizeof(desk->out) / sizeof(desk->out[0]); i++)
        column_done(&desk->out[i]);
    each_map(desk, map_done);
    desk_known_done(desk);
    desk_clean_done(desk);
    column_done(&desk->sealing.destroyed);
    buffer_done(&desk->ahead.left);
    link_done(&desk->ahead.beside.link);
    memory_free(desk->sealing.added.items);
    memory_free(desk->wallets.items);
    memory_free(desk->holds.items);
    memory_free(desk->withdrawals.items);
    memory_free(desk->purchases.items);
    memory_free(desk->due.items);
    memory_free(desk->due_reviews.items);
    buffer_done(&desk->words);
    (void)pthread_mutex_destroy(&desk->rules_lock);
    memory_free(desk->parked.items);
    memory_free(desk->cursors.items);
    memory_free(desk->legs.items);
    memory_free(desk->arrivals.items);
    memory_free(desk->asked.items);
    memory_free(desk->asked_holds.items);
    memory_free(desk->asked_withdrawals.items);
    memory_free(desk->asked_parked.items);
    memory_free(desk->asked_keys.items);
    memory_free(desk->records.items);
    memory_free(desk->keys);
    memory_free(desk->key_rows);
    memory_free(desk->saved);
    buffer_done(&desk->scratch);
    arena_done(&desk->key_texts);
    arena_done(&desk->arena);
}

struct cursor_row *desk_cursor(const struct desk *desk, const struct command *command) {
    const struct cursor *cursor = &command->cursor->cursor;
    struct cursor_row *row = desk->cursor_at[cursor_index(cursor->kind, cursor->slot)];
    CHECK(row != NULL); // whatever a batch names is fetched
    return row;
}

struct wallet_row *desk_wallet(const struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number))
        return NULL;
    struct wallet_row *row = map_find(&desk->wallet_map, map_slot_number(id_slot(id), number));
    return row != NULL && row->present && id_equal(row->wallet.id, id) ? row : NULL;
}

struct hold_row *desk_hold(const struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number))
        return NULL;
    struct hold_row *row = map_find(&desk->hold_map, map_slot_number(id_slot(id), number));
    return row != NULL && row->present && id_equal(row->hold.id, id) ? row : NULL;
}

struct parked_row *desk_parked(const struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number))
        return NULL;
    struct parked_row *row = map_find(&desk->parked_map, map_number(number));
    return row != NULL && row->present && id_equal(row->parked.id, id) ? row : NULL;
}

bool desk_is_archived(const struct desk *desk, struct id id) {
    uint64_t number;
    return number_of_id(&desk->seal, id, &number) && number < desk->archived;
}

bool desk_is_before_line(const struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number))
        number = number_of_time(id_time_ms(id));
    return number < desk->archived;
}

struct withdrawal_row *desk_withdrawal(const struct desk *desk, struct id id) {
    uint64_t number;
    if (!number_of_id(&desk->seal, id, &number))
        return NULL;
    struct withdrawal_row *row =
        map_find(&desk->withdrawal_map, map_slot_number(id_slot(id), number));
    return row != NULL && row->present && id_equal(row->withdrawal.id, id) ? row : NULL;
}

struct purchase_row *desk_transaction(const struct desk *desk, struct id id,
                                      struct record *ret_record) {
    uint64_t number;
    const char *why;
    if (!number_of_id(&desk->seal, id, &number))
        return NULL;
    struct purchase_row *row = map_find(&desk->purchase_map, map_number(number));
    const struct record_row *record = desk_record(desk, number * 8);
    if (row == NULL || !row->present || record == NULL ||
        record_decode(record->bytes, ret_record, &why) != STATUS_ok)
        return NULL;
    return ret_record->kind == RECORD_TRANSACTION && id_equal(ret_record->transaction.id, id)
               ? row
               : NULL;
}

uint64_t desk_owner(const struct desk *desk, struct id wallet) {
    const struct wallet_row *row = desk_wallet(desk, wallet);
    return row == NULL ? 0 : row->wallet.owner;
}

void desk_hide(const struct desk *desk, const struct command *command, const struct record *record,
               struct outcome *outcome) {
    if (!command_is_bound(command) || record->kind != RECORD_TRANSACTION)
        return;
    const struct transaction_facts *facts = &record->transaction;
    outcome->hidden = owner_hidden(owner_mark(desk->hash_seed, command->bound_to),
                                   desk_owner(desk, facts->debit.wallet),
                                   desk_owner(desk, facts->credit.wallet),
                                   command->origin.principal, record->origin.principal);
}

bool desk_may_see(const struct desk *desk, const struct command *command,
                  const struct record *record) {
    struct id parties[2];
    if (!command_is_bound(command) || !bound_parties(record, parties))
        return true;
    uint64_t own = owner_mark(desk->hash_seed, command->bound_to);
    return desk_owner(desk, parties[0]) == own || desk_owner(desk, parties[1]) == own;
}

void desk_set_now(struct desk *desk, uint64_t clock_ms) {
    uint64_t last_ms = desk->counters.time_ms, now_ms = clock_ms > last_ms ? clock_ms : last_ms;
    desk->now_ms = desk->is_shard ? number_round_time(now_ms) : now_ms;
}

// Keys are asked for before the books have told their time.
void desk_keys_set_span(struct desk *desk) {
    uint64_t known_ms = desk->now_ms, retention_ms = desk->retention_ms;
    desk->keys_from = number_of_time(known_ms > retention_ms ? known_ms - retention_ms : 0);
    desk->keys_end = number_of_time(known_ms + KEYS_AHEAD_MS);
}

uint64_t desk_next_number(const struct desk *desk) {
    uint64_t last = desk->counters.last_record;
    uint64_t number = number_of_time(desk->now_ms);
    if (desk->records.count != 0)
        return last + 1;
    if (!desk->is_shard)
        return number > last ? number : last + 1;
    // Of each command a record and a finding.
    uint64_t most = 2 * (uint64_t)desk->commands_wanted + desk->due.count +
                    desk->due_reviews.count + desk->arrivals.count;
    return number_of_round(last, desk->now_ms, desk->shard_number, most);
}

const struct record_row *desk_record(const struct desk *desk, uint64_t position) {
    uint64_t number = position / 8;
    CHECK(position % 8 == 0);
    if (desk->records.count != 0 && number >= desk_first_record(desk) &&
        number <= desk->counters.last_record)
        return desk->records.items[number - desk_first_record(desk)];
    return map_find(&desk->record_map, map_number(number));
}

struct currency_account *desk_currency(const struct desk *desk, const struct currency *currency,
                                       uint16_t *ret_number) {
    for (uint32_t i = 0; i < desk->currency_count; i++)
        if (currency_equal(&desk->currencies[i].account.currency, currency)) {
            *ret_number = (uint16_t)i;
            return (struct currency_account *)&desk->currencies[i].account;
        }
    return NULL;
}

struct key_row *desk_key(const struct desk *desk, struct id id) {
    uint64_t number;
    if (id_is_zero(id) || !id_open(&desk->seal, id, &number) || number == 0 ||
        number > desk->key_count)
        return NULL;
    struct key_row *row = &desk->key_rows[number - 1];
    return id_equal(row->key.id, id) ? row : NULL;
}

struct digest128 desk_bank_key(const struct desk *desk, struct slice code, struct slice bank_id) {
    struct slice parts[] = {code, bank_id};
    return hash128_parts(parts, 2, desk->hash_seed);
}

static void *take_zeroed(struct desk *desk, size_t size) {
    return memset(arena_take(&desk->arena, size), 0, size);
}

struct answer_row *desk_answer(struct desk *desk, struct digest128 key) {
    struct answer_row *row = map_find(&desk->answer_map, key);
    if (row == NULL) {
        row = take_zeroed(desk, sizeof(*row));
        map_add(&desk->answer_map, key, row);
    }
    return row;
}

struct bank_row *desk_bank(struct desk *desk, struct digest128 key) {
    struct bank_row *row = map_find(&desk->bank_map, key);
    if (row == NULL) {
        row = take_zeroed(desk, sizeof(*row));
        map_add(&desk->bank_map, key, row);
    }
    return row;
}

void desk_take_bank(struct desk *desk, const struct pg_result *result, int row) {
    struct digest128 key =
        desk_bank_key(desk, row_bytes(result, row, 1), row_bytes(result, row, 0));
    struct bank_row *bank = desk_bank(desk, key);
    bank->present = true;
    bank->transaction = row_id(result, row, 2);
}

// ---- taking back ------------------------------------------------------------------------------

void desk_touch(struct desk *desk, void *at, size_t size) {
    if (!desk->undoing)
        return;
    if (desk->saved_count == desk->saved_capacity) {
        desk->saved_capacity = desk->saved_capacity == 0 ? 64 : desk->saved_capacity * 2;
        desk->saved = memory_resize(desk->saved, desk->saved_capacity * sizeof(*desk->saved));
    }
    void *copy = arena_take(&desk->arena, size);
    memcpy(copy, at, size);
    desk->saved[desk->saved_count++] = (struct saved){.at = at, .copy = copy, .size = size};
}

void desk_undo_begin(struct desk *desk) {
    CHECK(!desk->undoing && desk->saved_count == 0);
    desk->undoing = true;
    desk_touch(desk, &desk->counters, sizeof(desk->counters));
    desk_touch(desk, &desk->wallets.count, sizeof(uint32_t));
    desk_touch(desk, &desk->holds.count, sizeof(uint32_t));
    desk_touch(desk, &desk->withdrawals.count, sizeof(uint32_t));
    desk_touch(desk, &desk->records.count, sizeof(uint32_t));
    desk_touch(desk, &desk->parked.count, sizeof(uint32_t)); // findings about its payments
    desk_touch(desk, &desk->currency_count, sizeof(uint32_t));
}

void desk_undo_keep(struct desk *desk) {
    desk->saved_count = 0;
    desk->undoing = false;
}

void desk_undo_roll_back(struct desk *desk) {
    CHECK(desk->undoing);
    while (desk->saved_count != 0) {
        const struct saved *saved = &desk->saved[--desk->saved_count];
        memcpy(saved->at, saved->copy, saved->size);
    }
    desk->undoing = false;
}
