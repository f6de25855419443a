// SPDX-License-Identifier: MIT
// The books added up once more, from the record alone: every fact that a record states is derived
// again with arithmetic of this file's own and compared. It knows what the rules of money must lead
// to and nothing of how they are decided, so a mistake in the ledger is not repeated here.
//
// It keeps wallets, what is held, and purchases that have refunds; nothing grows with transactions
// but the two sets of keys, when asked for.
//
// Thread: one at a time per tally.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "engine/engine.h"
#include "ledger/record.h"
#include "watch/integrity.h"
#include "watch/tally_map.h"
#include "watch/tally_seen.h"

#define TALLY_WHY_BYTES      512
#define TALLY_CURRENCIES_MAX 4096
#define TALLY_RECENT         16384 // at least the operations of a batch

struct tally_wallet {
    struct id id;
    int64_t balance, held, credit_limit;
    uint64_t version;
    uint64_t posted;    // its version after its last transaction
    uint64_t last;      // position of its last transaction
    uint64_t levels[3]; // of its last whose number is a multiple of 64, 4096, 262144
    uint32_t number;    // of its last transaction
    uint16_t currency;
    uint8_t kind, status, tier;
};

// An open hold.
struct tally_hold {
    struct id id;
    struct id merchant; // perhaps of another shard
    int64_t amount, captured;
    uint64_t expires_at_ms;
    uint64_t opening; // position of its record
    uint32_t wallet;  // index
    uint32_t reserved;
};

// A pending withdrawal.
struct tally_withdrawal {
    struct id id;
    int64_t amount;
    uint64_t opening;
    uint32_t wallet;
    uint32_t reserved;
};

// A purchase that has refunds.
struct tally_purchase {
    struct id id;
    int64_t amount, refunded;
    uint64_t position; // of its record
    struct id wallet, merchant;
};

struct tally_key {
    struct id id;
    struct sha256 secret_hash;
    uint64_t expires_at_ms;
    uint8_t role, revoked;
    uint8_t reserved[6];
};

struct tally_currency {
    struct currency currency;
    uint32_t wallet_count;
    money_total deposits, withdrawals, transit;
};

// What the tally asks of its owner. Any function may be NULL but record_at.
struct tally_source {
    // Of the books' ids; or NULL, and find_position tells where a transaction stands (0: nowhere).
    const struct id_seal *seal;
    uint64_t (*find_position)(void *context, struct id transaction);
    // Of books that were moved: with a seal, `find_position` tells of ids that are older. 0: none.
    uint64_t moved_ms;
    bool is_shard; // of several: wallets of others get and give money
    // Of a shard: which slots are others' now, and before which position what came along with a
    // slot is whole. Borrowed; NULL: no slot ever moved.
    const struct engine_slots *slots;
    // Payments between shards that are older are added up on either side. 0: none.
    uint64_t pairs_until_ms;
    uint32_t locator_time_shift; // as in struct engine
    // The bytes of an earlier record; empty: there is none at that position. They live until the
    // next call.
    struct slice (*record_at)(void *context, uint64_t position);
    // After each change, for those who compare.
    void (*wallet_changed)(void *context, const struct tally_wallet *wallet);
    void (*hold_changed)(void *context, struct id hold, uint8_t status, int64_t captured);
    void (*withdrawal_changed)(void *context, struct id withdrawal, uint8_t status);
    void *context;
    // At most so many records will come: bank ids and idempotency keys are watched for doubles. 0:
    // they are not.
    uint64_t record_count_max;
};

struct tally {
    struct tally_source source;
    struct tally_map reviews; // payments that are held; struct tally_withdrawal
    struct tally_map wallets, holds, withdrawals, purchases, keys;
    struct tally_currency *currencies; // owned, TALLY_CURRENCIES_MAX
    uint32_t currency_count;
    struct tally_seen bank_ids, idempotency_keys;
    // Positions of the last records that answer something, by recent_count: findings about what was
    // done stand between them.
    uint64_t *recent; // owned, TALLY_RECENT
    uint64_t recent_count;
    uint64_t record_count, transaction_count, hold_count, withdrawal_count, refund_count,
        version_count, key_count, batch_count, refusal_count, note_count,
        note_record_count; // notes of the audit, and the records that have them
    uint64_t position; // of the record being taken
    uint64_t time_ms;  // of the last record
    uint64_t opened_behind; // the position of the last record that was archived (opening.h)
    struct cursor cursors[CURSOR_COUNT];
    struct integrity_pairs departed, arrived;
    const struct record *record;
    bool is_coming;   // the record being taken is another shard's
    bool is_settled;  // what is away is left out of the sums
    uint64_t seen_at; // where a double was found
    bool is_broken;
    uint32_t broken_check; // INTEGRITY_...: what the difference is about
    char why[TALLY_WHY_BYTES];
};

void tally_init(struct tally *tally, const struct tally_source *source);
void tally_done(struct tally *tally);

// Takes the next record. `round_time_ms` is 0 when it is not known. False: it says something that
// cannot be, see tally->why (a sentence) and tally->position; the tally must not be used for more
// then.
bool tally_take(struct tally *tally, uint64_t position, struct slice bytes, uint64_t round_time_ms);

// The same with a record that another shard made, whose things moved here later: only what has
// moved is touched by it, and what it is worth is in transit, since that shard's totals keep it.
// What has not come wholly yet is skipped.
bool tally_take_came(struct tally *tally, uint64_t position, struct slice bytes);

// Whether what is in that slot is another shard's now.
static inline bool tally_is_away(const struct tally *tally, struct id id) {
    return tally->source.slots != NULL && tally->source.slots->away[id_slot(id)];
}
// How many of a map's things are here.
uint32_t tally_count_here(const struct tally *tally, const struct tally_map *map);
// Leaves what is away out of the sums of currencies; behind the last record.
void tally_settle_away(struct tally *tally);

// Adds everything up as it stands now, and looks whether held money is what is held. Fills in the
// currencies (owned by the report), counts and checks of a report, and says in its message what the
// first difference is, if any.
void tally_add_up(struct tally *tally, struct integrity_report *report);

static inline struct tally_wallet *tally_wallet_at(const struct tally *tally, uint32_t index) {
    return tally_map_at(&tally->wallets, index);
}
