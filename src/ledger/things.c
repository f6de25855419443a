// SPDX-License-Identifier: MIT
// Invariants and words of the things that the books are about.
#include "ledger/things.h"

void wallet_check(const struct wallet *wallet) {
    CHECK(!id_is_zero(wallet->id));
    CHECK(wallet->version >= 1);
    CHECK(wallet->balance <= LIMIT_AMOUNT_MAX);
    CHECK(wallet->held >= 0 && wallet->held <= LIMIT_AMOUNT_MAX);
    CHECK(wallet->credit_limit >= 0 && wallet->credit_limit <= LIMIT_AMOUNT_MAX);
    CHECK(wallet_spendable(wallet) >= 0);
    CHECK(wallet->kind <= WALLET_MERCHANT);
    CHECK(wallet->status <= WALLET_CLOSED);
    CHECK_IMPLIES(wallet->status == WALLET_CLOSED, wallet->balance == 0 && wallet->held == 0);
}

void hold_check(const struct hold *hold) {
    CHECK(amount_is_valid(hold->amount));
    CHECK(hold->captured >= 0 && hold->captured <= hold->amount);
    CHECK(hold->status <= HOLD_EXPIRED);
    CHECK_IMPLIES(hold->status == HOLD_OPEN, hold->captured < hold->amount);
    CHECK_IMPLIES(hold->status == HOLD_CAPTURED, hold->captured > 0);
    CHECK(!id_equal(hold->wallet, hold->merchant));
}

void withdrawal_check(const struct withdrawal *withdrawal) {
    CHECK(amount_is_valid(withdrawal->amount));
    CHECK(withdrawal->status <= WITHDRAWAL_FAILED);
}

void purchase_check(const struct purchase *purchase) {
    CHECK(amount_is_valid(purchase->amount));
    CHECK(purchase->refunded >= 0 && purchase->refunded <= purchase->amount);
}

static bool key_is_unexpired(const struct key *key, uint64_t now_ms) {
    return key->expires_at_ms == 0 || now_ms < key->expires_at_ms;
}

bool key_is_live(const struct key *key, const struct key *keys, uint32_t key_count,
                 uint64_t now_ms) {
    if (key->revoked)
        return false;
    if (key_is_unexpired(key, now_ms))
        return true;
    if (key->role != ROLE_ADMIN)
        return false;
    for (uint32_t i = 0; i < key_count; i++) {
        const struct key *other = &keys[i];
        if (other->revoked || other->role != ROLE_ADMIN || id_equal(other->id, key->id))
            continue;
        if (key_is_unexpired(other, now_ms) || other->expires_at_ms > key->expires_at_ms)
            return false;
        if (other->expires_at_ms == key->expires_at_ms &&
            memcmp(other->id.bytes, key->id.bytes, sizeof(key->id.bytes)) > 0)
            return false;
    }
    return true;
}

bool key_has_secret(const struct key *key, const struct sha256 *secret_hash, uint64_t now_ms,
                    bool *ret_in_time) {
    bool is_current = equal_constant_time(&key->secret_hash, secret_hash, sizeof(*secret_hash));
    bool is_previous = equal_constant_time(&key->previous_hash, secret_hash, sizeof(*secret_hash));
    *ret_in_time = is_current || now_ms < key->previous_until_ms;
    return is_current || (is_previous && key->previous_until_ms != 0);
}

bool key_is_last_admin(const struct key *key, const struct key *keys, uint32_t key_count,
                       uint64_t now_ms) {
    if (key->role != ROLE_ADMIN || !key_is_live(key, keys, key_count, now_ms))
        return false;
    for (uint32_t i = 0; i < key_count; i++) {
        const struct key *other = &keys[i];
        if (id_equal(other->id, key->id) || other->role != ROLE_ADMIN)
            continue;
        if (!other->revoked && key_is_unexpired(other, now_ms))
            return false;
    }
    return true;
}

const char *wallet_kind_name(enum wallet_kind kind) {
    static const char *const names[] = {"customer", "merchant"};
    CHECK(kind <= WALLET_MERCHANT);
    return names[kind];
}

const char *wallet_status_name(enum wallet_status status) {
    static const char *const names[] = {"active", "frozen", "closed"};
    CHECK(status <= WALLET_CLOSED);
    return names[status];
}

const char *hold_status_name(enum hold_status status) {
    static const char *const names[] = {"open", "captured", "voided", "expired"};
    CHECK(status <= HOLD_EXPIRED);
    return names[status];
}

const char *withdrawal_status_name(enum withdrawal_status status) {
    static const char *const names[] = {"pending", "settled", "failed"};
    CHECK(status <= WITHDRAWAL_FAILED);
    return names[status];
}

const char *parked_status_name(enum parked_status status) {
    static const char *const names[] = {"pending",  "approved", "refused",
                                        "rejected", "expired",  "dismissed"};
    CHECK(status <= PARKED_DISMISSED);
    return names[status];
}

const char *role_name(enum role role) {
    static const char *const names[] = {"system",   "admin",   "service",  "auditor",
                                        "operator", "support", "merchant", "customer"};
    CHECK(role_is_known((uint8_t)role));
    return role >= ROLE_CUSTOM ? "custom" : names[role];
}

bool role_is_known(uint8_t role) {
    return role <= ROLE_CUSTOMER || (role >= ROLE_CUSTOM && role <= ROLE_MAX);
}
