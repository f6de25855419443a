// SPDX-License-Identifier: MIT
// What stands after records, in their order: all that books keep beside the records themselves.
// Made of the records alone, by the same `apply` as in the engines. Positions are those of the
// records that it is given; what the PostgreSQL engine keeps as numbers is 1/8 of them.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "ledger/decide.h"
#include "ledger/alarm.h"
#include "ledger/habits.h"
#include "ledger/history.h"
#include "ledger/record.h"
#include "watch/tally_map.h"

#define MODEL_CURRENCIES_MAX 1024

// Each begins with its thing, and that with its id.
struct model_wallet {
    struct wallet wallet;
    struct spent spent;
    uint64_t details, last, levels[HISTORY_LEVELS];
    uint64_t transaction_count;
    struct slice owner;
    struct habits *habits; // NULL: nothing was counted yet
};
struct model_hold {
    struct hold hold;
    uint64_t opened, closed;
    struct slice order;
};
struct model_withdrawal {
    struct withdrawal withdrawal;
    uint64_t opened, closed;
    struct slice bank_id;
};
struct model_parked {
    struct parked parked;
    uint64_t opened, closed;
    struct slice principal;
};
struct model_key {
    struct key key;
    uint64_t opened, rotated;
};
struct model_purchase {
    struct id id;
    int64_t refunded;
    uint64_t reserved;
};

struct model_rules {
    uint32_t version;
    uint64_t position;
    struct slice rules;
};

struct model {
    uint64_t hash_seed;
    struct tally_map wallets, holds, withdrawals, parked, keys, purchases;
    struct currency_account currencies[MODEL_CURRENCIES_MAX];
    uint32_t currency_count;
    struct cursor cursors[CURSOR_COUNT];
    struct arena texts; // owners, orders, bank ids, principals; and habits
    struct alarm_state alarm;
    // The sets of rules that were in force, the last one is.
    struct model_rules *rules; // owned
    uint32_t rules_count;
    uint64_t record_count, transaction_count, hold_open_count, key_record_count;
    const char *why; // when a record did not fit
};

void model_init(struct model *model, uint64_t hash_seed);
void model_done(struct model *model);
// The next record. False: it names what no record made (`why`).
bool model_take(struct model *model, uint64_t position, const struct record *record);
