// SPDX-License-Identifier: MIT
// Wallets as this node saw them last. Each change of a wallet makes its version another one, or, if
// it says but what is so already, the record of its details. So of a wallet with the version and
// the details that are known the database need not tell its twenty columns again: it is locked,
// tells these, balance and place, and if they are the known ones the rest is. What is not, comes
// whole, with the lock that it has by then. Nothing is ever decided on what is known without that
// look.
//
// A version stands for one state only within one history of the database. After a failover that
// lost writes it may come again with another state, so whatever is known is forgotten with the
// session that it was seen on. Only what a committed batch left is kept.
#include "base/check.h"
#include "base/memory.h"
#include "engine/postgres/desk.h"
#include "engine/postgres/link_rows.h"

#define KNOWN_BITS 17 // of the place of a wallet; one that has the same place takes it over

// Zero: nothing stands there.
struct known_wallet {
    struct wallet wallet;
    struct spent spent;
    uint64_t number, details, last, levels[HISTORY_LEVELS];
    uint64_t session;
    uint32_t last_number;
};

struct known_wallets {
    uint64_t session; // what was seen on an earlier one is forgotten
    struct known_wallet wallets[1 << KNOWN_BITS];
    struct habits habits[1 << KNOWN_BITS]; // of the same place; what no rules touch is no memory
};

static uint32_t place_of(uint32_t slot, uint64_t number) {
    return (uint32_t)(map_slot_number(slot, number).low >> (64 - KNOWN_BITS));
}

static const struct known_wallet *find(const struct known_wallets *known, uint32_t slot,
                                       uint64_t number) {
    if (known == NULL)
        return NULL;
    const struct known_wallet *one = &known->wallets[place_of(slot, number)];
    return one->number == number && one->session == known->session &&
                   id_slot(one->wallet.id) == slot
               ? one
               : NULL;
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
    return find(desk->known, slot, number) != NULL;
}

void desk_known_keep(struct desk *desk) {
    struct known_wallets *known = desk->known;
    for (uint32_t i = 0; known != NULL && i < desk->wallets.count; i++) {
        const struct wallet_row *row = desk->wallets.items[i];
        if (!row->present || row->added || row->blocked || row->legs != NULL)
            continue;
        uint32_t place = place_of(id_slot(row->wallet.id), row->number);
        struct known_wallet *one = &known->wallets[place];
        CHECK(row->wallet.version >= row->version_before);
        *one = (struct known_wallet){.wallet = row->wallet,
                                     .spent = row->spent,
                                     .number = row->number,
                                     .details = row->details,
                                     .last = row->last,
                                     .session = known->session,
                                     .last_number = row->last_number};
        memcpy(one->levels, row->levels, sizeof(one->levels));
        if (row->habits.version != 0 || known->habits[place].version != 0)
            known->habits[place] = row->habits;
    }
}

bool desk_known_take(const struct desk *desk, uint32_t slot, const struct known_signs *signs,
                     struct wallet_row *wallet) {
    const struct known_wallet *one = find(desk->known, slot, wallet->number);
    CHECK(!wallet->present);
    if (one == NULL || one->wallet.version != signs->version ||
        one->wallet.balance != signs->balance || one->details != signs->details)
        return false;
    wallet->wallet = one->wallet;
    wallet->spent = one->spent;
    wallet->habits = desk->known->habits[place_of(slot, wallet->number)];
    wallet->version_before = signs->version;
    wallet->last_number = one->last_number;
    wallet->details = one->details;
    wallet->last = one->last;
    memcpy(wallet->levels, one->levels, sizeof(wallet->levels));
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
    note_wallet(desk, wallet, is_locked);
}
