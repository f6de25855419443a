// SPDX-License-Identifier: MIT
// What the books are about, as the rules see it: wallets, holds, withdrawals, purchases, keys.
// Engines keep these in their own stores (embedded: inside their records in memory; PostgreSQL: as
// rows) and hand them to decide.
//
// A hold:        open ──▶ captured (nothing remains, or the capture was final) | voided | expired
// A withdrawal:  pending ──▶ settled | failed
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/slice.h"
#include "ledger/money.h"

enum wallet_kind { WALLET_CUSTOMER, WALLET_MERCHANT };
// What its limits on spending go by, beside its kind; 0: none.
#define WALLET_TIER_MAX 15
enum wallet_status { WALLET_ACTIVE, WALLET_FROZEN, WALLET_CLOSED };

struct wallet {
    struct id id;
    int64_t balance;      // minor units; below zero only within the credit limit
    int64_t held;         // of open holds and pending withdrawals; >= 0
    int64_t credit_limit; // >= 0
    uint64_t version;     // starts at 1, grows by one per committed change
    uint16_t currency;    // index into the books' currency accounts
    uint8_t kind : 4, tier : 4; // enum wallet_kind; at most WALLET_TIER_MAX
    uint8_t status;       // enum wallet_status
    uint32_t counters;    // room for the counters of limits; 0: none
    uint64_t owner;       // mark of the owner (owner.h)
};

enum hold_status { HOLD_OPEN, HOLD_CAPTURED, HOLD_VOIDED, HOLD_EXPIRED };

struct hold {
    struct id id;
    struct id wallet;   // who pays
    struct id merchant; // who captures
    int64_t amount;
    int64_t captured; // <= amount; what remains held is amount - captured while open, else nothing
    uint64_t expires_at_ms;
    uint8_t status; // enum hold_status
};

enum withdrawal_status { WITHDRAWAL_PENDING, WITHDRAWAL_SETTLED, WITHDRAWAL_FAILED };

struct withdrawal {
    struct id id;
    struct id wallet;
    int64_t amount;
    uint8_t status; // enum withdrawal_status
};

// What a wallet has spent on a day and in its month (spending.h).
struct spent {
    uint64_t version;           // the wallet's, when it came to that
    uint32_t day;               // since 1970-01-01, UTC; 0: nothing was ever counted
    int64_t day_sum, month_sum; // minor units
};

// A command kept for a later decision (parked.h).
enum parked_cause {
    PARKED_FOR_APPROVAL = 1,
    PARKED_FOR_REVIEW = 2, // a rule wants somebody to look first; its money is held
    PARKED_FLAGGED = 3,    // nothing waits: a finding about what was done
};
enum parked_status {
    PARKED_PENDING,
    PARKED_APPROVED,
    PARKED_REFUSED, // approved, and then the rules said no
    PARKED_REJECTED,
    PARKED_EXPIRED,   // of an approval never stored: pending, and its time is over
    PARKED_DISMISSED, // of a finding: somebody looked, and it is nothing
};

struct parked {
    struct id id;
    struct id wallet; // what it is about
    uint64_t expires_at_ms;
    uint8_t status; // enum parked_status
    uint8_t cause;  // enum parked_cause
};

static inline enum parked_status parked_status_at(const struct parked *parked, uint64_t now_ms) {
    if (parked->status == PARKED_PENDING && parked->cause != PARKED_FLAGGED &&
        parked->expires_at_ms <= now_ms)
        return PARKED_EXPIRED;
    return (enum parked_status)parked->status;
}

// A purchase as a refund needs it: the purchase itself never changes, what was refunded lies apart.
struct purchase {
    struct id id;
    struct id wallet;   // who paid, and gets refunds
    struct id merchant; // who was paid, and pays refunds
    int64_t amount;
    int64_t refunded; // <= amount
};

// Stored in keys and records: values never change. From ROLE_CUSTOM on: the configuration's.
enum role {
    ROLE_SYSTEM,
    ROLE_ADMIN,
    ROLE_SERVICE,
    ROLE_AUDITOR,
    ROLE_OPERATOR,
    ROLE_SUPPORT,
    ROLE_MERCHANT, // bound to an owner
    ROLE_CUSTOMER, // bound to an owner
    ROLE_CUSTOM = 16,
    ROLE_MAX = 63,
};

struct key {
    struct id id;
    struct sha256 secret_hash;
    struct sha256 previous_hash; // of the secret before its rotation
    uint64_t previous_until_ms;  // that one opens doors until then; 0: there is none
    uint64_t expires_at_ms;      // 0: never
    uint8_t role;           // enum role
    bool revoked;
    struct slice owner; // whose key it is, kept by the engine for as long as it lives; may be empty
};

static inline int64_t wallet_available(const struct wallet *wallet) {
    return wallet->balance - wallet->held;
}
// No debit goes beyond it.
static inline int64_t wallet_spendable(const struct wallet *wallet) {
    return wallet_available(wallet) + wallet->credit_limit;
}
static inline int64_t hold_remaining(const struct hold *hold) {
    return hold->status == HOLD_OPEN ? hold->amount - hold->captured : 0;
}

// Assert the invariants. Thread: any.
void wallet_check(const struct wallet *wallet);
void hold_check(const struct hold *hold);
void withdrawal_check(const struct withdrawal *withdrawal);
void purchase_check(const struct purchase *purchase);

// Whether a key opens doors at that time: not revoked, and not expired; the last live admin key
// does not expire, so among admin keys that all ran out the one with the latest end stays. `keys`
// are all keys of the books.
bool key_is_live(const struct key *key, const struct key *keys, uint32_t key_count,
                 uint64_t now_ms);
// Whether the secret with that hash is this key's, compared in constant time. `ret_in_time` says
// whether it still opens doors: the one before a rotation does so until its overlap ends.
bool key_has_secret(const struct key *key, const struct sha256 *secret_hash, uint64_t now_ms,
                    bool *ret_in_time);
// Whether revoking it would leave no live admin key.
bool key_is_last_admin(const struct key *key, const struct key *keys, uint32_t key_count,
                       uint64_t now_ms);

// The words of the API, static storage.
const char *wallet_kind_name(enum wallet_kind kind);
const char *wallet_status_name(enum wallet_status status);
const char *hold_status_name(enum hold_status status);
const char *withdrawal_status_name(enum withdrawal_status status);
const char *parked_status_name(enum parked_status status);
const char *role_name(enum role role); // "custom" from ROLE_CUSTOM on
bool role_is_known(uint8_t role);      // a number that a record may hold
