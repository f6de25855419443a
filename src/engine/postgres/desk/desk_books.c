// SPDX-License-Identifier: MIT
// What of the books themselves every batch begins with: the counters, heads of slots, currencies,
// and keys, which stay on the desk while they are what the books say; and places in logs beside
// them, which come when they are named.
#include "base/check.h"
#include "base/memory.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

void row_take_place(const struct pg_result *result, int row, int column,
                    struct row_place *ret_place) {
    struct slice place = row_bytes(result, row, column);
    CHECK(place.size == sizeof(*ret_place));
    memcpy(ret_place, place.bytes, place.size);
}

// Whether what the desk keeps of the books is what they say.
static bool is_of_books(const struct desk *desk, const struct sha256 *chain) {
    return memcmp(chain->bytes, desk->counters.chain.bytes, sizeof(chain->bytes)) == 0;
}

// The earliest of what ends by itself, if there is any.
static bool is_due(const struct desk *desk, const struct pg_result *result, int column) {
    return !row_is_null(result, 0, column) &&
           (uint64_t)row_number(result, 0, column) <= desk->now_ms;
}

void desk_take_books(struct desk *desk, const struct pg_result *result) {
    CHECK(row_count(result) == 1);
    uint64_t clock_ms = (uint64_t)row_number(result, 0, 4);
    struct counters *counters = &desk->counters;
    *counters = (struct counters){
        .time_ms = (uint64_t)row_number(result, 0, 3),
        .rounds = (uint64_t)row_number(result, 0, 5),
        .records = (uint64_t)row_number(result, 0, 6),
        .wallets = (uint64_t)row_number(result, 0, 7),
        .holds = (uint64_t)row_number(result, 0, 8),
        .holds_open = (uint64_t)row_number(result, 0, 9),
        .withdrawals = (uint64_t)row_number(result, 0, 10),
        .keys = (uint64_t)row_number(result, 0, 11),
        .transactions = (uint64_t)row_number(result, 0, 12),
        .keys_version = (uint64_t)row_number(result, 0, 13),
        .last_record = (uint64_t)row_number(result, 0, 15),
        .heads_record = (uint64_t)row_number(result, 0, 32),
    };
    desk->end_record = (uint64_t)row_number(result, 0, 16);
    desk->archived = (uint64_t)row_number(result, 0, 21);
    desk->sealing.generation_now = row_number(result, 0, 22);
    bool same_slots = desk->slots_version == row_number(result, 0, 23);
    desk->slots_version = row_number(result, 0, 23);
    desk->heads_lag = (uint32_t)row_number(result, 0, 33);
    desk->habits_packed = row_number(result, 0, 35) != 0;
    desk->heads_apart = row_number(result, 0, 36) != 0;
    desk->shard_number = (uint32_t)row_number(result, 0, 24);
    desk->alarm = row_alarm(result, 0, 26);
    struct slice chain = row_bytes(result, 0, 14);
    CHECK(chain.size == sizeof(counters->chain.bytes));
    memcpy(counters->chain.bytes, chain.bytes, chain.size);
    desk->before = *counters;
    desk_set_now(desk, clock_ms);
    desk_heads_settle(desk, same_slots);
    desk->told.currencies =
        !same_slots || !desk->currencies_known || !is_of_books(desk, &desk->currencies_chain);
    desk->told.free_currencies = desk->has_writes && desk->seeks_free;
    desk->told.keys = desk->keys_version != counters->keys_version;
    if (desk->told.keys)
        desk->key_count = 0; // all of them come
    desk->keys_version = counters->keys_version;
    desk->told.rules = row_number(result, 0, 27) != desk->rules_known;
    desk->told.due = is_due(desk, result, 28);
    desk->told.due_reviews = is_due(desk, result, 29);
    // What the books keep is looked for when its time has come, perhaps in vain.
    desk->told.next_due = desk->told.due && !row_is_null(result, 0, 34);
    desk->next_due_ms = (uint64_t)row_number(result, 0, 34);
    row_take_place(result, 0, 30, &desk->books_place);
    desk_note_oldest(desk, row_number(result, 0, 31));
}

void desk_take_next_due(struct desk *desk, const struct pg_result *result) {
    uint64_t next_ms = row_is_null(result, 0, 0) ? INT64_MAX : (uint64_t)row_number(result, 0, 0);
    // Where something ends now the next batch looks for what comes behind it.
    if (next_ms > desk->now_ms)
        desk->next_due_ms = next_ms;
}

uint64_t desk_next_due(const struct desk *desk) {
    uint64_t next_ms = desk->next_due_ms;
    for (uint32_t i = 0; i < desk->holds.count; i++) {
        const struct hold_row *row = desk->holds.items[i];
        if (row->added && row->hold.expires_at_ms < next_ms)
            next_ms = row->hold.expires_at_ms;
    }
    for (uint32_t i = 0; i < desk->parked.count; i++) {
        const struct parked_row *row = desk->parked.items[i];
        if (row->added && row->parked.expires_at_ms < next_ms)
            next_ms = row->parked.expires_at_ms;
    }
    return next_ms;
}

void desk_forget_books(struct desk *desk) {
    desk->keys_version = UINT64_MAX;
    desk->slots_version = -1;
    desk->currencies_known = false;
}

void desk_take_currency(struct desk *desk, const struct pg_result *result, int row) {
    CHECK(row_number(result, row, 0) == row && row < DESK_CURRENCIES_MAX);
    struct currency_row *currency = &desk->currencies[desk->currency_count++];
    *currency =
        (struct currency_row){.account = row_currency_account(result, row), .is_there = true};
    row_take_place(result, row, 8, &currency->place);
}

static struct slice own_key(struct desk *desk, const struct pg_result *result, int row) {
    struct record record;
    const char *why;
    CHECK(record_decode(row_bytes(result, row, 11), &record, &why) == STATUS_ok);
    CHECK(record.kind == RECORD_KEY);
    return record.api_key.owner.size == 0 ? (struct slice){0}
                                          : arena_copy(&desk->key_texts, record.api_key.owner);
}

static void take_hash(const struct pg_result *result, int row, int column,
                      struct sha256 *ret_hash) {
    struct slice hash = row_bytes(result, row, column);
    CHECK(hash.size == sizeof(*ret_hash));
    memcpy(ret_hash, hash.bytes, hash.size);
}

void desk_take_key(struct desk *desk, const struct pg_result *result, int row) {
    CHECK(row_number(result, row, 0) == (int64_t)desk->key_count + 1);
    if (desk->key_count == desk->key_capacity) {
        desk->key_capacity = desk->key_capacity == 0 ? 64 : desk->key_capacity * 2;
        desk->keys = memory_resize(desk->keys, desk->key_capacity * sizeof(*desk->keys));
        desk->key_rows =
            memory_resize(desk->key_rows, desk->key_capacity * sizeof(*desk->key_rows));
    }
    // Keys never change their place nor their owner, whose text is kept from load to load.
    struct key_row *key = &desk->key_rows[desk->key_count];
    struct slice owner =
        desk->key_count < desk->key_owned ? key->key.owner : own_key(desk, result, row);
    memset(key, 0, sizeof(*key));
    key->key.owner = owner;
    key->key.id = row_id(result, row, 1);
    take_hash(result, row, 2, &key->key.secret_hash);
    take_hash(result, row, 7, &key->key.previous_hash);
    key->key.previous_until_ms = (uint64_t)row_number(result, row, 8);
    key->rotated = (uint64_t)row_number(result, row, 9) * 8;
    key->last_used_ms = (uint64_t)row_number(result, row, 10);
    key->key.expires_at_ms = (uint64_t)row_number(result, row, 3);
    key->key.role = (uint8_t)row_number(result, row, 4);
    key->key.revoked = row_number(result, row, 5) != 0;
    key->opened = (uint64_t)row_number(result, row, 6) * 8;
    desk->keys[desk->key_count++] = key->key;
    if (desk->key_owned < desk->key_count)
        desk->key_owned = desk->key_count;
}

void desk_take_cursor(struct desk *desk, const struct pg_result *result, int row) {
    struct cursor cursor = {.slot = (uint16_t)row_number(result, row, 0),
                            .kind = (uint8_t)row_number(result, row, 1),
                            .partitions = (uint32_t)row_number(result, row, 2),
                            .epoch = (uint64_t)row_number(result, row, 3),
                            .next = (uint64_t)row_number(result, row, 4),
                            .checksum = (uint64_t)row_number(result, row, 5),
                            .source = (uint64_t)row_number(result, row, 6)};
    struct cursor_row *own = desk->cursor_at[cursor_index(cursor.kind, cursor.slot)];
    CHECK(own != NULL);
    *own = (struct cursor_row){
        .cursor = cursor,
        .epoch_before = cursor.epoch,
        .next_before = cursor.next,
        .blocked = row_number(result, row, 7) != 0};
}
