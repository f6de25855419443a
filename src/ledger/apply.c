// SPDX-License-Identifier: MIT
// Carries out facts on the things of a docket. Records hold results, and what is older than what
// stands changes nothing: so applying a record twice ends in the same place, and replay after a
// crash uses this same function on a checkpoint whose parts were copied at different moments.
#include "base/check.h"
#include "ledger/decide.h"
#include "ledger/habits.h"
#include "ledger/owner.h"

static struct wallet *wallet_of(struct docket *docket, struct id id) {
    if (docket->wallet != NULL && id_equal(docket->wallet->id, id))
        return docket->wallet;
    CHECK(docket->counterparty != NULL);
    CHECK(id_equal(docket->counterparty->id, id));
    return docket->counterparty;
}

// By how much the balance changed.
static money_total set_money(struct wallet *wallet, int64_t balance, int64_t held,
                             uint64_t version) {
    CHECK(version >= 1);
    if (version <= wallet->version)
        return 0;
    money_total change = (money_total)balance - wallet->balance;
    wallet->balance = balance;
    wallet->held = held;
    wallet->version = version;
    return change;
}

static money_total apply_side(struct docket *docket, const struct posting_side *side) {
    if (id_is_zero(side->wallet))
        return 0; // the world outside: kept as totals
    return set_money(wallet_of(docket, side->wallet), side->balance, side->held, side->version);
}

// What came in or went out, and what the wallets have of it.
static void apply_outside(const struct transaction_facts *facts, struct docket *docket,
                          money_total gained) {
    bool comes = id_is_zero(facts->debit.wallet), goes = id_is_zero(facts->credit.wallet);
    docket->unaccounted = gained - (comes ? facts->amount : 0) + (goes ? facts->amount : 0);
    if (!comes && !goes)
        return;
    CHECK(docket->currency != NULL);
    docket->currency->balances += gained;
    if (comes && docket->currency->deposits < facts->external_total)
        docket->currency->deposits = facts->external_total;
    if (goes && docket->currency->withdrawals < facts->external_total)
        docket->currency->withdrawals = facts->external_total;
}

static void apply_transaction(const struct transaction_facts *facts, struct docket *docket) {
    money_total gained = apply_side(docket, &facts->debit);
    gained += apply_side(docket, &facts->credit);
    apply_outside(facts, docket, gained);
    if (facts->type == TRANSACTION_WITHDRAWAL) {
        CHECK(docket->withdrawal != NULL);
        docket->withdrawal->id = facts->subject;
        docket->withdrawal->wallet = facts->debit.wallet;
        docket->withdrawal->amount = facts->amount;
        docket->withdrawal->status = WITHDRAWAL_SETTLED;
    }
    if (facts->type == TRANSACTION_REFUND) {
        CHECK(docket->purchase != NULL && id_equal(docket->purchase->id, facts->subject));
        if (docket->purchase->refunded < facts->subject_total)
            docket->purchase->refunded = facts->subject_total;
        purchase_check(docket->purchase);
    }
    if (facts->type == TRANSACTION_PURCHASE && !id_is_zero(facts->subject)) {
        CHECK(docket->hold != NULL && id_equal(docket->hold->id, facts->subject));
        if (docket->hold->status == HOLD_OPEN && docket->hold->captured < facts->subject_total) {
            docket->hold->captured = facts->subject_total;
            docket->hold->status = facts->subject_status;
        }
        hold_check(docket->hold);
    }
}

static void apply_wallet(const struct wallet_facts *facts, struct docket *docket) {
    struct wallet *wallet = docket->wallet;
    CHECK(wallet != NULL);
    if (id_is_zero(wallet->id)) {
        wallet->id = facts->id;
        wallet->kind = facts->kind;
        wallet->owner = owner_mark(docket->owner_seed, facts->owner);
    }
    CHECK(id_equal(wallet->id, facts->id));
    if (facts->version <= wallet->version)
        return;
    wallet->status = facts->status;
    wallet->tier = facts->tier & 15;
    wallet->credit_limit = facts->credit_limit;
    (void)set_money(wallet, facts->balance, facts->held, facts->version);
}

static void apply_hold(const struct hold_facts *facts, struct docket *docket) {
    CHECK(docket->hold != NULL && docket->wallet != NULL);
    bool is_new = id_is_zero(docket->hold->id);
    if (is_new || (docket->hold->status == HOLD_OPEN && facts->status != HOLD_OPEN))
        *docket->hold = (struct hold){
            .id = facts->id,
            .wallet = facts->wallet,
            .merchant = facts->merchant,
            .amount = facts->amount,
            .captured = facts->captured,
            .expires_at_ms = facts->expires_at_ms,
            .status = facts->status,
        };
    hold_check(docket->hold);
    (void)set_money(docket->wallet, facts->wallet_balance, facts->wallet_held,
                    facts->wallet_version);
}

static void apply_withdrawal(const struct withdrawal_facts *facts, struct docket *docket) {
    CHECK(docket->withdrawal != NULL && docket->wallet != NULL);
    bool is_new = id_is_zero(docket->withdrawal->id);
    if (is_new || docket->withdrawal->status == WITHDRAWAL_PENDING)
        *docket->withdrawal = (struct withdrawal){.id = facts->id,
                                                  .wallet = facts->wallet,
                                                  .amount = facts->amount,
                                                  .status = facts->status};
    withdrawal_check(docket->withdrawal);
    (void)set_money(docket->wallet, facts->wallet_balance, facts->wallet_held,
                    facts->wallet_version);
}

static void apply_key(const struct key_facts *facts, struct docket *docket) {
    CHECK(docket->key != NULL);
    if (docket->key->revoked)
        return;
    *docket->key = (struct key){
        .id = facts->id,
        .secret_hash = facts->secret_hash,
        .previous_hash = facts->previous_hash,
        .previous_until_ms = facts->previous_until_ms,
        .expires_at_ms = facts->expires_at_ms,
        .role = facts->role,
        .revoked = facts->revoked,
        .owner = docket->key->owner,
    };
}

static void apply_parked(const struct parked_facts *facts, struct docket *docket) {
    CHECK(docket->parked != NULL);
    // A payment that was held is approved first, and may be refused then.
    if (id_is_zero(docket->parked->id) || docket->parked->status == PARKED_PENDING ||
        (docket->parked->status == PARKED_APPROVED && facts->status == PARKED_REFUSED))
        *docket->parked = (struct parked){.id = facts->id,
                                          .wallet = facts->wallet,
                                          .expires_at_ms = facts->expires_at_ms,
                                          .status = facts->status,
                                          .cause = facts->cause};
    CHECK(id_equal(docket->parked->id, facts->id));
    if (facts->held != 0)
        (void)set_money(docket->wallet, facts->wallet_balance, facts->wallet_held,
                  facts->wallet_version);
}

void apply(const struct record *record, struct docket *docket) {
    switch ((enum record_kind)record->kind) {
    case RECORD_WALLET: apply_wallet(&record->wallet, docket); break;
    case RECORD_TRANSACTION: apply_transaction(&record->transaction, docket); break;
    case RECORD_HOLD: apply_hold(&record->hold, docket); break;
    case RECORD_WITHDRAWAL: apply_withdrawal(&record->withdrawal, docket); break;
    case RECORD_KEY: apply_key(&record->api_key, docket); break;
    case RECORD_PARKED: apply_parked(&record->parked, docket); break;
    case RECORD_CURSOR:
        CHECK(docket->cursor != NULL);
        cursor_apply(&record->cursor, docket->cursor);
        break;
    case RECORD_RULES:
    case RECORD_ALARM:
    case RECORD_REFUSAL:
    case RECORD_BATCH:
    case RECORD_DATA_KEY: // the engine's vault does that
    case RECORD_NOTES: break; // remembered, nothing moves
    }
    if (record->spent.day != 0 && docket->spent != NULL &&
        record->spent.version > docket->spent->version)
        *docket->spent = record->spent;
    if (record->judged)
        habits_see(record, docket->habits, docket->counterparty_habits);
    if (docket->wallet != NULL)
        wallet_check(docket->wallet);
    if (docket->counterparty != NULL)
        wallet_check(docket->counterparty);
}
