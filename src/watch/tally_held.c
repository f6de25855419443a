// SPDX-License-Identifier: MIT
// Money that is set aside: holds, pending withdrawals and payments that wait for review, opened
// once and ended once.
#include "base/check.h"
#include "watch/tally_private.h"

#define EXPIRES_MS_MIN UINT64_C(1000)
#define EXPIRES_MS_MAX (UINT64_C(1000) * LIMIT_EXPIRES_IN_S_MAX)

// One on another shard is known there.
static bool take_merchant(struct tally *tally, const struct hold_facts *facts) {
    if (tally->source.is_shard && !id_is_zero(facts->merchant) &&
        tally_map_find(&tally->wallets, facts->merchant) == 0)
        return true;
    uint32_t index = tally_find_wallet(tally, facts->merchant, &facts->currency);
    if (index == 0)
        return false;
    const struct tally_wallet *merchant = tally_wallet_at(tally, index);
    if (id_equal(facts->wallet, facts->merchant) || merchant->kind != WALLET_MERCHANT)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "is not for a merchant");
    if (merchant->status == WALLET_CLOSED)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "was opened although its merchant's wallet is closed");
    return true;
}

static bool take_hold_opened(struct tally *tally, const struct hold_facts *facts) {
    uint32_t payer = tally_find_wallet(tally, facts->wallet, &facts->currency);
    uint64_t time_ms = id_time_ms(facts->id); // of whoever decided it
    tally->hold_count++;
    if (payer == 0 ||
        !tally_id_is_new(tally, &tally->holds, ID_HOLD, facts->id, id_slot(facts->wallet)))
        return false;
    struct tally_wallet *wallet = tally_wallet_at(tally, payer);
    if (facts->status != HOLD_OPEN || facts->captured != 0 || facts->opening != 0)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "did not begin open");
    if (facts->expires_at_ms < time_ms + EXPIRES_MS_MIN ||
        facts->expires_at_ms > time_ms + EXPIRES_MS_MAX)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "ends too early or too late");
    if (!take_merchant(tally, facts))
        return false;
    if (wallet->status != WALLET_ACTIVE)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "was opened although its wallet is frozen or closed");
    struct tally_hold *hold = tally_map_at(&tally->holds, tally_map_add(&tally->holds, facts->id));
    hold->wallet = payer;
    hold->merchant = facts->merchant;
    hold->amount = facts->amount;
    hold->expires_at_ms = facts->expires_at_ms;
    hold->opening = tally->position;
    return tally_wallet_set(tally, wallet, 0, facts->amount, facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

static bool take_hold_ended(struct tally *tally, const struct hold_facts *facts) {
    bool expires = tally->record->operation == COMMAND_EXPIRE;
    uint32_t index = tally_map_find(&tally->holds, facts->id);
    if (index == 0)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "is not open, and was ended");
    struct tally_hold hold = *(struct tally_hold *)tally_map_at(&tally->holds, index);
    struct tally_wallet *wallet = tally_wallet_at(tally, hold.wallet);
    if (!id_equal(facts->wallet, wallet->id) ||
        !id_equal(facts->merchant, hold.merchant) ||
        facts->amount != hold.amount || facts->captured != hold.captured ||
        facts->expires_at_ms != hold.expires_at_ms || facts->opening != hold.opening ||
        tally_find_wallet(tally, facts->wallet, &facts->currency) != hold.wallet)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "ended as another one than it began");
    if (facts->status != (expires ? HOLD_EXPIRED : HOLD_VOIDED))
        return tally_differs_about(
            tally, INTEGRITY_HOLDS, ID_HOLD, facts->id, "has status %s after a %s",
            hold_status_name((enum hold_status)facts->status), expires ? "expiry" : "void");
    if (expires && hold.expires_at_ms > tally->record->time_ms)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_HOLD, facts->id,
                                   "expired before its end");
    tally_map_remove(&tally->holds, index);
    return tally_wallet_set(tally, wallet, 0, -(hold.amount - hold.captured), facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

bool tally_take_hold(struct tally *tally, const struct hold_facts *facts) {
    enum command_type operation = (enum command_type)tally->record->operation;
    bool holds = false;
    if (operation == COMMAND_HOLD)
        holds = take_hold_opened(tally, facts);
    else if (operation == COMMAND_VOID || operation == COMMAND_EXPIRE)
        holds = take_hold_ended(tally, facts);
    else
        (void)tally_differs(tally, INTEGRITY_HOLDS, "a hold was changed by a %s",
                            command_type_name(operation));
    if (holds && tally->source.hold_changed != NULL)
        tally->source.hold_changed(tally->source.context, facts->id, facts->status,
                                   facts->captured);
    return holds;
}

static bool take_withdrawal_opened(struct tally *tally, const struct withdrawal_facts *facts) {
    uint32_t payer = tally_find_wallet(tally, facts->wallet, &facts->currency);
    tally->withdrawal_count++;
    if (payer == 0 || !tally_id_is_new(tally, &tally->withdrawals, ID_WITHDRAWAL, facts->id,
                                       id_slot(facts->wallet)))
        return false;
    struct tally_wallet *wallet = tally_wallet_at(tally, payer);
    if (facts->status != WITHDRAWAL_PENDING || facts->opening != 0)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->id,
                                   "did not begin pending");
    if (wallet->status != WALLET_ACTIVE)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->id,
                                   "was opened although its wallet is frozen or closed");
    struct tally_withdrawal *withdrawal =
        tally_map_at(&tally->withdrawals, tally_map_add(&tally->withdrawals, facts->id));
    withdrawal->wallet = payer;
    withdrawal->amount = facts->amount;
    withdrawal->opening = tally->position;
    return tally_wallet_set(tally, wallet, 0, facts->amount, facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

static bool take_withdrawal_failed(struct tally *tally, const struct withdrawal_facts *facts) {
    uint32_t index = tally_map_find(&tally->withdrawals, facts->id);
    if (index == 0)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->id,
                                   "is not pending, and failed");
    struct tally_withdrawal withdrawal =
        *(struct tally_withdrawal *)tally_map_at(&tally->withdrawals, index);
    struct tally_wallet *wallet = tally_wallet_at(tally, withdrawal.wallet);
    if (facts->status != WITHDRAWAL_FAILED || !id_equal(facts->wallet, wallet->id) ||
        facts->amount != withdrawal.amount || facts->opening != withdrawal.opening ||
        tally_find_wallet(tally, facts->wallet, &facts->currency) != withdrawal.wallet)
        return tally_differs_about(tally, INTEGRITY_WITHDRAWALS, ID_WITHDRAWAL, facts->id,
                                   "failed as another one than it began");
    tally_map_remove(&tally->withdrawals, index);
    return tally_wallet_set(tally, wallet, 0, -withdrawal.amount, facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

bool tally_take_withdrawal(struct tally *tally, const struct withdrawal_facts *facts) {
    enum command_type operation = (enum command_type)tally->record->operation;
    bool holds = false;
    if (operation == COMMAND_WITHDRAWAL)
        holds = take_withdrawal_opened(tally, facts);
    else if (operation == COMMAND_FAIL)
        holds = take_withdrawal_failed(tally, facts);
    else
        (void)tally_differs(tally, INTEGRITY_WITHDRAWALS, "a withdrawal was changed by a %s",
                            command_type_name(operation));
    if (holds && tally->source.withdrawal_changed != NULL)
        tally->source.withdrawal_changed(tally->source.context, facts->id, facts->status);
    return holds;
}

// What is held here for a payment that waits on another shard, which tells whether it fits.
static bool take_held_for_others(struct tally *tally, const struct parked_facts *facts) {
    uint32_t payer = tally_find_wallet(tally, facts->wallet, &facts->currency);
    if (payer == 0)
        return false;
    if (!tally->source.is_shard || facts->held <= 0 || facts->cause != PARKED_FOR_REVIEW)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_ANOMALY, facts->id,
                                   "holds no money here, and says so");
    bool opens = facts->status == PARKED_PENDING;
    uint32_t index = tally_map_find(&tally->reviews, facts->id);
    if (!opens && index != 0)
        tally_map_remove(&tally->reviews, index);
    if (opens) { // what waits may have come here with its slot
        struct tally_withdrawal *review = tally_map_at(
            &tally->reviews,
            index != 0 ? index : tally_map_add(&tally->reviews, facts->id));
        review->wallet = payer;
        review->amount = facts->held;
        review->opening = 0;
    }
    return tally_wallet_set(tally, tally_wallet_at(tally, payer), 0,
                            opens ? facts->held : -facts->held, facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

// Of a refund the merchant's wallet may be on another shard, which has a record of its own about
// what is held there.
static bool is_held_elsewhere(const struct tally *tally, const struct parked_facts *facts) {
    return tally->source.is_shard &&
           (facts->held_away || (tally->is_coming && !tally_came_here(tally, facts->wallet)));
}

static bool set_held(struct tally *tally, uint32_t payer, const struct parked_facts *facts,
                     int64_t change) {
    return payer == 0 ||
           tally_wallet_set(tally, tally_wallet_at(tally, payer), 0, change, facts->wallet_balance,
                            facts->wallet_held, facts->wallet_version);
}

// Approvals hold nothing, and neither do findings about what was done; what either let go has a
// record of its own. A held payment is freed by its end, whatever that is.
bool tally_take_review(struct tally *tally, const struct parked_facts *facts) {
    if (record_arrives(tally->record))
        return take_held_for_others(tally, facts);
    uint32_t index = tally_map_find(&tally->reviews, facts->id);
    bool opens = facts->status == PARKED_PENDING;
    if (facts->cause != PARKED_FOR_REVIEW || (!opens && index == 0 && facts->held == 0))
        return facts->held == 0 || tally_differs_about(tally, INTEGRITY_HOLDS, ID_ANOMALY,
                                                       facts->id, "holds money, and waits for "
                                                                  "nobody");
    bool is_elsewhere = is_held_elsewhere(tally, facts);
    uint32_t payer =
        is_elsewhere ? 0 : tally_find_wallet(tally, facts->wallet, &facts->currency);
    if (payer == 0 && !is_elsewhere)
        return false;
    if (is_elsewhere && tally->is_coming && index != 0)
        return true; // what is held for it was here before it came
    if (opens) {
        if (!tally_id_is_new(tally, &tally->reviews, ID_ANOMALY, facts->id,
                             id_slot(is_elsewhere ? facts->id : facts->wallet)))
            return false;
        if (facts->held != facts->amount || facts->opening != 0)
            return tally_differs_about(tally, INTEGRITY_HOLDS, ID_ANOMALY, facts->id,
                                       "holds another amount than its payment's");
        struct tally_withdrawal *review =
            tally_map_at(&tally->reviews, tally_map_add(&tally->reviews, facts->id));
        review->wallet = payer;
        review->amount = facts->held;
        review->opening = tally->position;
        return set_held(tally, payer, facts, facts->held);
    }
    if (index == 0)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_ANOMALY, facts->id,
                                   "is not held, and was ended");
    struct tally_withdrawal review =
        *(struct tally_withdrawal *)tally_map_at(&tally->reviews, index);
    bool is_own = review.opening == facts->opening || review.opening == 0;
    bool is_payer = review.wallet == payer ||
                    (tally->source.is_shard && (review.wallet == 0 || payer == 0));
    if (!is_payer || review.amount != facts->held || !is_own)
        return tally_differs_about(tally, INTEGRITY_HOLDS, ID_ANOMALY, facts->id,
                                   "ended as another one than it began");
    tally_map_remove(&tally->reviews, index);
    return set_held(tally, payer, facts, -review.amount);
}
