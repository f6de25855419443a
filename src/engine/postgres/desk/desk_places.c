// SPDX-License-Identifier: MIT
// Where the rows lie that every batch changes: the row of books, heads of slots, and currencies of
// deposits and of what goes to other shards. Each change
// puts a row of PostgreSQL elsewhere. An index leads there through all versions that somebody may
// still see, and cleans up behind those that nobody can. As long as a stranger's transaction is
// open there is nothing to clean up and thousands of versions to walk through; rows are looked for
// at their place, but for one batch in sixteen, which finds out if something can be cleaned up
// by now. A place is a hint: what is not there, because somebody else has changed it, is found
// as ever, and what is there is proved by the chain in it.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

#define OLD_TRANSACTIONS 256
#define CLEAN_EVERY      16

struct row_place desk_books_place(const struct desk *desk) {
    return desk->by_place ? desk->books_place : (struct row_place){0};
}

bool desk_places_are_clean(const struct desk *desk) {
    return desk->counters.rounds % CLEAN_EVERY != 0;
}

void desk_note_oldest(struct desk *desk, int64_t transactions) {
    CHECK(transactions >= 0);
    desk->has_old_versions = transactions >= OLD_TRANSACTIONS;
    desk->by_place = desk->has_old_versions && desk->counters.rounds % CLEAN_EVERY != 0;
}

#define PLACED_BYTES (sizeof(uint16_t) + sizeof(struct row_place))

// The next row of `rows`, a number and where it lies now, is taken off. False: there is none.
static bool take_placed(struct slice *rows, uint16_t *ret_number, struct row_place *ret_place) {
    CHECK(rows->size % PLACED_BYTES == 0);
    if (rows->size == 0)
        return false;
    memcpy(ret_number, rows->bytes, sizeof(*ret_number));
    memcpy(ret_place, rows->bytes + sizeof(*ret_number), sizeof(*ret_place));
    *ret_number = __builtin_bswap16(*ret_number);
    *rows = slice_of(rows->bytes + PLACED_BYTES, rows->size - PLACED_BYTES);
    return true;
}

static void take_currencies(struct desk *desk, struct slice rows) {
    uint16_t number;
    struct row_place place;
    while (take_placed(&rows, &number, &place)) {
        CHECK(number < desk->currency_count);
        desk->currencies[number].place = place;
        desk->currencies[number].is_there = true;
    }
}

static void take_slots(struct desk *desk, struct slice rows) {
    uint16_t slot;
    struct row_place place;
    while (take_placed(&rows, &slot, &place)) {
        CHECK(slot < LIMIT_SLOTS && desk->writes_heads);
        desk->heads[slot].place_added = place;
        desk->heads[slot].is_put = true;
        desk->heads_put++;
    }
}

// Of a batch that has left the desk. The next one may change the same wallet.
static void take_left_wallet(struct desk *desk, uint32_t slot, uint64_t number,
                             const struct row_place *place) {
    struct wallet_row *row = map_find(&desk->wallet_map, map_slot_number(slot, number));
    desk_clean_note_left(desk, slot, number, place, desk_known_place(desk, slot, number, place));
    if (row == NULL || !row->is_late)
        return;
    row->place = *place;
    row->is_placed = true;
}

#define PLACED_WALLET_BYTES (sizeof(uint16_t) + sizeof(uint64_t) + sizeof(struct row_place))

static void take_wallets(struct desk *desk, struct slice rows) {
    CHECK(rows.size % PLACED_WALLET_BYTES == 0);
    for (const uint8_t *at = rows.bytes; at < rows.bytes + rows.size; at += PLACED_WALLET_BYTES) {
        uint16_t slot;
        uint64_t number;
        memcpy(&slot, at, sizeof(slot));
        memcpy(&number, at + sizeof(slot), sizeof(number));
        slot = __builtin_bswap16(slot);
        number = __builtin_bswap64(number);
        struct row_place place;
        memcpy(&place, at + sizeof(slot) + sizeof(number), sizeof(place));
        if (desk->ahead.has_left) {
            take_left_wallet(desk, slot, number, &place);
            continue;
        }
        struct wallet_row *row = map_find(&desk->wallet_map, map_slot_number(slot, number));
        CHECK(row != NULL && row->changed);
        row->place = place;
        row->is_placed = true;
    }
}

void desk_take_places(struct desk *desk, enum sql statement, const struct pg_result *result) {
    if (statement == SQL_CHANGE_BOOKS) {
        row_take_place(result, 0, 2, &desk->books_place);
        desk->ahead.books_by = row_number(result, 0, 3);
    }
    if (sql_is_of(statement, SQL_PAY_WALLETS) || sql_is_of(statement, SQL_PAY_HABITS) ||
        sql_is_of(statement, SQL_CHANGE_WALLETS) || statement == SQL_PAY_FEW_WALLETS ||
        statement == SQL_PAY_FEW_HABITS)
        take_wallets(desk, row_bytes(result, 0, 1));
    if (statement == SQL_ADD_CURRENCIES || statement == SQL_CHANGE_CURRENCIES_PLACED)
        take_currencies(desk, row_bytes(result, 0, 1));
    if (statement == SQL_CHANGE_SLOTS || statement == SQL_CHANGE_SLOTS_PLACED)
        take_slots(desk, row_bytes(result, 0, 1));
}
