// SPDX-License-Identifier: MIT
// Wallets as this node saw them last. Each change of a wallet makes its version another one, or, if
// it says but what is so already, the record of its details. So of a wallet with the version and
// the details that are known the database need not tell its twenty columns again: it is locked,
// tells these, balance and place, and if they are the known ones the rest is. What is not, comes
// whole, with the lock that it has by then. What is decided on without that look is proved when it
// is written (desk_ahead.c).
//
// A version stands for one state only within one history of the database. After a failover that
// lost writes it may come again with another state, so whatever is known is forgotten with the
// session that it was seen on. Only what a committed batch left is kept; should one that has left
// the desk before its COMMIT was answered come to nothing, all is forgotten.
#include "base/check.h"
#include "base/memory.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/link/link_rows.h"

// Sets of eight, by a wallet's slot and number: a wallet that comes puts one of its set out.
#define SET_SIZE 8
#ifdef FLORIN_SLOW_CHECKS
#define SET_BITS 3
#else
#define SET_BITS 16
#endif
#define SET_COUNT (1 << SET_BITS)

struct known_wallet {
    struct wallet wallet;
    struct spent spent;
    uint64_t details, last, levels[HISTORY_LEVELS];
    uint64_t session;
    uint32_t last_number;
    struct row_place place;
    bool is_placed;
    bool is_coming; // where it lies is told with the COMMIT that is awaited
};

struct known_wallets {
    uint64_t session; // what was seen on an earlier one is forgotten
    uint64_t numbers[SET_COUNT][SET_SIZE]; // 0: nothing stands there
    uint8_t next[SET_COUNT];               // which is put out next
    struct known_wallet wallets[SET_COUNT][SET_SIZE];
    struct habits habits[SET_COUNT][SET_SIZE]; // what no rules touch is no memory
};

struct known_place {
    uint32_t set, way; // way SET_SIZE: none
};

static uint32_t set_of(uint32_t slot, uint64_t number) {
    return (uint32_t)(map_slot_number(slot, number).low >> (64 - SET_BITS));
}

static struct known_place place_of(const struct known_wallets *known, uint32_t slot,
                                   uint64_t number) {
    struct known_place place = {.set = set_of(slot, number)};
    const uint64_t *numbers = known->numbers[place.set];
    while (place.way < SET_SIZE &&
           (numbers[place.way] != number ||
            id_slot(known->wallets[place.set][place.way].wallet.id) != slot))
        place.way++;
    return place;
}

static const struct known_wallet *find(const struct known_wallets *known, uint32_t slot,
                                       uint64_t number, const struct habits **ret_habits) {
    if (known == NULL)
        return NULL;
    struct known_place place = place_of(known, slot, number);
    if (place.way == SET_SIZE)
        return NULL;
    const struct known_wallet *one = &known->wallets[place.set][place.way];
    *ret_habits = &known->habits[place.set][place.way];
    return one->session == known->session ? one : NULL;
}

void desk_known_forget(struct desk *desk) {
    if (desk->known == NULL)
        desk->known = memory_take_zeroed(sizeof(*desk->known));
    desk->known->session++;
}

void desk_known_done(struct desk *desk) {
    memory_free(desk->known);
    desk->known = NULL;
}

bool desk_knows_wallet(const struct desk *desk, uint32_t slot, uint64_t number) {
    const struct habits *habits;
    return find(desk->known, slot, number, &habits) != NULL;
}

bool desk_knows_place(const struct desk *desk, uint32_t slot, uint64_t number) {
    const struct habits *habits;
    const struct known_wallet *one = find(desk->known, slot, number, &habits);
    return one != NULL && one->is_placed;
}

bool desk_knows_place_behind(const struct desk *desk, uint32_t slot, uint64_t number) {
    const struct habits *habits;
    const struct known_wallet *one = find(desk->known, slot, number, &habits);
    return one != NULL && (one->is_placed || one->is_coming);
}

bool desk_known_place(struct desk *desk, uint32_t slot, uint64_t number,
                      const struct row_place *place) {
    struct known_place at = place_of(desk->known, slot, number);
    if (at.way == SET_SIZE)
        return false;
    struct known_wallet *one = &desk->known->wallets[at.set][at.way];
    if (one->session == desk->known->session && one->is_coming) {
        one->place = *place;
        one->is_placed = true;
        one->is_coming = false;
    }
    return desk->known->habits[at.set][at.way].version != 0;
}

static void keep(struct known_wallets *known, const struct wallet_row *row) {
    struct known_place place = place_of(known, id_slot(row->wallet.id), row->number);
    if (place.way == SET_SIZE)
        place.way = known->next[place.set]++ % SET_SIZE;
    struct habits *habits = &known->habits[place.set][place.way];
    CHECK(row->wallet.version >= row->version_before);
    known->numbers[place.set][place.way] = row->number;
    struct known_wallet *one = &known->wallets[place.set][place.way];
    *one = (struct known_wallet){.wallet = row->wallet,
                                 .spent = row->spent,
                                 .details = row->details,
                                 .last = row->last,
                                 .session = known->session,
                                 .last_number = row->last_number,
                                 .place = row->place,
                                 .is_placed = row->is_placed,
                                 .is_coming = row->changed && !row->is_placed};
    memcpy(one->levels, row->levels, sizeof(one->levels));
    if (row->habits.version != 0 || habits->version != 0)
        *habits = row->habits;
}

void desk_known_keep(struct desk *desk) {
    struct known_wallets *known = desk->known;
    for (uint32_t i = 0; known != NULL && i < desk->wallets.count; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        if (row->present && row->blocked && row->legs == NULL) { // nobody shall wait for it
            struct known_place place = place_of(known, id_slot(row->wallet.id), row->number);
            if (place.way != SET_SIZE)
                known->numbers[place.set][place.way] = 0;
        } else if (row->present && !row->added && row->legs == NULL) {
            keep(known, row);
        }
    }
}

static void fill(struct wallet_row *wallet, const struct known_wallet *one,
                 const struct habits *habits) {
    wallet->wallet = one->wallet;
    wallet->spent = one->spent;
    wallet->habits = *habits;
    wallet->version_before = one->wallet.version;
    wallet->last_number = one->last_number;
    wallet->details = one->details;
    wallet->last = one->last;
    memcpy(wallet->levels, one->levels, sizeof(wallet->levels));
}

bool desk_known_take(const struct desk *desk, uint32_t slot, const struct known_signs *signs,
                     struct wallet_row *wallet) {
    const struct habits *habits;
    const struct known_wallet *one = find(desk->known, slot, wallet->number, &habits);
    CHECK(!wallet->present);
    if (one == NULL || one->wallet.version != signs->version ||
        one->wallet.balance != signs->balance || one->details != signs->details)
        return false;
    fill(wallet, one, habits);
    return true;
}

// ---- rows that came -----------------------------------------------------------------------------

// What both ways of reading a wallet end with.
static void note_wallet(struct desk *desk, struct wallet_row *wallet, bool is_locked) {
    if (!wallet->present)
        rows_add(&desk->wallets, wallet);
    wallet->present = true;
    wallet->blocked = desk->has_writes && !is_locked;
    if (desk->has_writes)
        desk_want_owner(desk, wallet->wallet.owner);
}

void desk_known_trust(struct desk *desk, uint32_t slot, uint64_t number) {
    const struct habits *habits;
    const struct known_wallet *one = find(desk->known, slot, number, &habits);
    struct wallet_row *wallet = map_find(&desk->wallet_map, map_slot_number(slot, number));
    CHECK(one != NULL && (one->is_placed || one->is_coming) && wallet != NULL && !wallet->present);
    fill(wallet, one, habits);
    wallet->place = one->place;
    wallet->is_placed = one->is_placed;
    wallet->is_late = !one->is_placed;
    note_wallet(desk, wallet, true);
}

// It is as it is known, or asked for in full, with the lock that it has now.
void desk_take_known_wallet(struct desk *desk, const struct pg_result *result, int row) {
    uint32_t slot = (uint32_t)row_number(result, row, 0);
    uint64_t number = (uint64_t)row_number(result, row, 1);
    struct wallet_row *wallet = map_find(&desk->wallet_map, map_slot_number(slot, number));
    if (wallet == NULL)
        return; // another slot's, with the same number
    struct known_signs signs = {.version = (uint64_t)row_number(result, row, 2),
                                .balance = row_number(result, row, 3),
                                .details = (uint64_t)row_number(result, row, 5) * 8};
    if (desk_known_take(desk, slot, &signs, wallet)) {
        row_take_place(result, row, 4, &wallet->place);
        wallet->is_placed = true;
        note_wallet(desk, wallet, true);
        return;
    }
    uint32_t part = desk->part_of[slot];
    column_add(&desk->wants.wallet_slots[part], slot);
    column_add(&desk->wants.wallet_numbers[part], (int64_t)number);
}

void desk_take_wallet(struct desk *desk, const struct pg_result *result, int row,
                      bool is_locked) {
    struct wallet_row *wallet =
        map_find(&desk->wallet_map, map_slot_number((uint32_t)row_number(result, row, 0),
                                                    (uint64_t)row_number(result, row, 1)));
    if (wallet == NULL)
        return; // its number stands in a forged id, which has another slot
    row_wallet(result, row, &wallet->wallet);
    wallet->wallet.owner = owner_mark(desk->hash_seed, row_bytes(result, row, 16));
    wallet->spent = (struct spent){.day = (uint32_t)row_number(result, row, 17),
                                   .day_sum = row_number(result, row, 18),
                                   .month_sum = row_number(result, row, 19)};
    struct slice habits = row_bytes(result, row, 20);
    CHECK(habits.size == 0 || habits_take(habits, &wallet->habits));
    CHECK(habits_are_valid(&wallet->habits));
    wallet->version_before = wallet->wallet.version;
    wallet->last_number = (uint32_t)row_number(result, row, 10);
    wallet->details = (uint64_t)row_number(result, row, 11) * 8;
    wallet->last = (uint64_t)row_number(result, row, 12) * 8;
    for (int i = 0; i < HISTORY_LEVELS; i++)
        wallet->levels[i] = (uint64_t)row_number(result, row, 13 + i) * 8;
    if (is_locked)
        row_take_place(result, row, 21, &wallet->place);
    wallet->is_placed = is_locked;
    note_wallet(desk, wallet, is_locked);
}
