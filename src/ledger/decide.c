// SPDX-License-Identifier: MIT
// The ladder of refusals. Every command climbs the same rungs in the same order, each rung one
// question with one named status, so both engines and every test agree on which fault is told when
// there are several:
//
//   unauthenticated (the key was revoked meanwhile) · payments_stopped (the books differ) ·
//   forbidden (only for those who are bound to an owner, see bound.h) · not_found · same_wallet ·
//   currency_mismatch · not_a_merchant, not_a_purchase · wallet_closed · wallet_frozen (payer
//   before payee) ·
//   version_mismatch · duplicate_bank_transaction · hold_not_open, withdrawal_not_pending ·
//   capture_exceeds_hold, refund_exceeds_purchase · insufficient_funds · balance_limit_exceeded ·
//   limit_exceeded ·
//   wallet_not_empty · credit_limit_in_use · last_admin_key · approval_not_pending,
//   anomaly_not_pending · second_principal_needed · encryption_off · owner_unknown ·
//   rules_not_loaded · refused_by_rule
//
// Somebody bound hears of his own troubles first, whatever their rung, and then that the other
// cannot receive: so no request that fails anyway tells which wallets there are.
//
// What a rung asks of a command stands in `traits`; after the last rung the command must succeed,
// and decide_facts.c writes down what it does.
#include "ledger/decide.h"

#include "base/check.h"
#include "ledger/bound.h"
#include "ledger/decide_facts.h"
#include "ledger/parked.h"
#include "ledger/request.h"
#include "ledger/review.h"
#include "ledger/spending.h"

// What each command does to whom. `wallet` and `counterparty` are the docket's.
struct traits {
    bool needs_wallet;       // docket.wallet must be there
    bool needs_counterparty; // docket.counterparty too
    bool needs_hold, needs_withdrawal, needs_purchase;
    bool needs_merchant; // the counterparty must be a merchant
    bool debits;         // takes from `wallet`: a frozen one refuses
    bool settles;        // takes from `wallet` what was promised: frozen or not
    bool credits_wallet; // gives to `wallet`
    bool credits_counterparty;
};

static const struct traits command_traits[COMMAND_TYPE_COUNT] = {
    [COMMAND_DEPOSIT] = {.needs_wallet = true, .credits_wallet = true},
    [COMMAND_WITHDRAWAL] = {.needs_wallet = true, .debits = true},
    [COMMAND_SETTLE] = {.needs_wallet = true, .needs_withdrawal = true, .settles = true},
    [COMMAND_FAIL] = {.needs_wallet = true, .needs_withdrawal = true},
    [COMMAND_PURCHASE] = {.needs_wallet = true,
                          .needs_counterparty = true,
                          .needs_merchant = true,
                          .debits = true,
                          .credits_counterparty = true},
    [COMMAND_REFUND] = {.needs_wallet = true,
                        .needs_counterparty = true,
                        .needs_purchase = true,
                        .debits = true,
                        .credits_counterparty = true},
    [COMMAND_TRANSFER] = {.needs_wallet = true,
                          .needs_counterparty = true,
                          .debits = true,
                          .credits_counterparty = true},
    [COMMAND_HOLD] = {.needs_wallet = true,
                      .needs_counterparty = true,
                      .needs_merchant = true,
                      .debits = true,
                      .credits_counterparty = true},
    [COMMAND_CAPTURE] = {.needs_wallet = true,
                         .needs_counterparty = true,
                         .needs_hold = true,
                         .debits = true,
                         .credits_counterparty = true},
    [COMMAND_VOID] = {.needs_wallet = true, .needs_hold = true},
    [COMMAND_EXPIRE] = {.needs_wallet = true, .needs_hold = true},
    [COMMAND_WALLET_CHANGE] = {.needs_wallet = true},
    [COMMAND_FINDING] = {.needs_wallet = true},
    [COMMAND_ADJUSTMENT] = {.needs_wallet = true, .settles = true}, // frozen or not
};

static enum status refuse(struct refusal *ret_refusal, enum status status, enum id_type type,
                          struct id id) {
    *ret_refusal = (struct refusal){.status = (uint8_t)status, .id_type = (uint8_t)type, .id = id};
    return status;
}

static enum status refuse_numbers(struct refusal *ret_refusal, enum status status, struct id wallet,
                                  const struct docket *docket, int64_t asked, int64_t has) {
    *ret_refusal = (struct refusal){
        .status = (uint8_t)status, .id_type = ID_WALLET, .id = wallet, .asked = asked, .has = has};
    if (docket->currency != NULL)
        ret_refusal->currency = docket->currency->currency;
    return status;
}

// About a hold or withdrawal in another state; people look for it by its wallet.
static enum status refuse_thing(struct refusal *ret_refusal, enum status status, enum id_type type,
                                struct id id, struct id wallet, int64_t state) {
    refuse(ret_refusal, status, type, id);
    ret_refusal->other = wallet;
    ret_refusal->has = state;
    return status;
}

bool decide_principal_may(const struct command *command, const struct docket *docket) {
    if (command->token_until_ms != 0) {
        CHECK(id_is_zero(command->principal_key));
        return docket->now_ms < command->token_until_ms;
    }
    if (id_is_zero(command->principal_key))
        return true;
    return docket->principal != NULL &&
           key_is_live(docket->principal, docket->keys, docket->key_count, docket->now_ms);
}

static enum status rung_principal(const struct command *command, const struct docket *docket,
                                  struct refusal *ret_refusal) {
    if (!decide_principal_may(command, docket))
        return refuse(ret_refusal, STATUS_unauthenticated, ID_KEY, command->principal_key);
    if (!parked_may_still(command, docket))
        return refuse(ret_refusal, STATUS_forbidden, ID_KEY, command->principal_key);
    return STATUS_ok;
}

static enum status rung_found(const struct command *command, const struct docket *docket,
                              const struct traits *traits, struct refusal *ret_refusal) {
    enum status missing =
        docket->subject_is_archived ? STATUS_history_archived : STATUS_not_found;
    if (traits->needs_hold && docket->hold == NULL)
        return refuse(ret_refusal, missing, ID_HOLD, command->subject);
    if (traits->needs_withdrawal && docket->withdrawal == NULL)
        return refuse(ret_refusal, missing, ID_WITHDRAWAL, command->subject);
    if (traits->needs_purchase && docket->purchase == NULL) {
        if (!docket->subject_is_other_transaction)
            return refuse(ret_refusal, missing, ID_TRANSACTION, command->subject);
        return STATUS_ok; // not_a_purchase is a later rung
    }
    if (traits->needs_wallet && docket->wallet == NULL)
        return refuse(ret_refusal, STATUS_not_found, ID_WALLET, command->wallet);
    if (traits->needs_counterparty && docket->counterparty == NULL)
        return refuse(ret_refusal, STATUS_not_found, ID_WALLET, command->counterparty);
    bool needs_key = command->type == COMMAND_KEY_REVOKE || command->type == COMMAND_KEY_ROTATE;
    if (needs_key && (docket->key == NULL || docket->key->revoked))
        return refuse(ret_refusal, STATUS_not_found, ID_KEY, command->subject);
    return STATUS_ok;
}

static enum status rung_parties(const struct command *command, const struct docket *docket,
                                const struct traits *traits, struct refusal *ret_refusal) {
    const struct wallet *wallet = docket->wallet, *counterparty = docket->counterparty;
    if (traits->needs_counterparty && wallet != NULL && id_equal(wallet->id, counterparty->id))
        return refuse(ret_refusal, STATUS_same_wallet, ID_WALLET, wallet->id);
    if (traits->needs_wallet && docket->currency != NULL && currency_is_given(&command->currency) &&
        !currency_equal(&command->currency, &docket->currency->currency)) {
        // A transaction that turns out to be no purchase has a currency too, but no wallet here.
        struct id about = wallet != NULL ? wallet->id : command->subject;
        refuse_numbers(ret_refusal, STATUS_currency_mismatch, about, docket, 0, 0);
        ret_refusal->id_type = wallet != NULL ? ID_WALLET : ID_TRANSACTION;
        return STATUS_currency_mismatch;
    }
    if (traits->needs_counterparty && wallet != NULL &&
        wallet->currency != counterparty->currency) {
        refuse(ret_refusal, STATUS_currency_mismatch, ID_WALLET, counterparty->id);
        ret_refusal->currency = *docket->counterparty_currency;
        return STATUS_currency_mismatch;
    }
    if (traits->needs_merchant && counterparty->kind != WALLET_MERCHANT)
        return refuse(ret_refusal, STATUS_not_a_merchant, ID_WALLET, counterparty->id);
    if (traits->needs_purchase && docket->purchase == NULL)
        return refuse(ret_refusal, STATUS_not_a_purchase, ID_TRANSACTION, command->subject);
    return STATUS_ok;
}

static enum status rung_state(const struct command *command, const struct docket *docket,
                              const struct traits *traits, struct refusal *ret_refusal) {
    const struct wallet *wallet = docket->wallet, *counterparty = docket->counterparty;
    bool touches_wallet = traits->debits || traits->settles || traits->credits_wallet;
    if (touches_wallet && wallet->status == WALLET_CLOSED)
        return refuse(ret_refusal, STATUS_wallet_closed, ID_WALLET, wallet->id);
    if (traits->credits_counterparty && counterparty->status == WALLET_CLOSED)
        return refuse(ret_refusal, STATUS_wallet_closed, ID_WALLET, counterparty->id);
    if (traits->debits && wallet->status == WALLET_FROZEN)
        return refuse(ret_refusal, STATUS_wallet_frozen, ID_WALLET, wallet->id);
    const struct wallet *versioned = bound_versioned(command, docket);
    if (command->has_if_match && versioned != NULL && command->if_match != versioned->version)
        return refuse_numbers(ret_refusal, STATUS_version_mismatch, versioned->id, docket,
                              (int64_t)command->if_match, (int64_t)versioned->version);
    if (command->bank_id.size != 0 && docket->bank_transaction != NULL) {
        refuse(ret_refusal, STATUS_duplicate_bank_transaction, ID_WALLET, wallet->id);
        ret_refusal->other = *docket->bank_transaction;
        return STATUS_duplicate_bank_transaction;
    }
    if (traits->needs_hold && docket->hold->status != HOLD_OPEN)
        return refuse_thing(ret_refusal, STATUS_hold_not_open, ID_HOLD, docket->hold->id,
                            wallet->id, docket->hold->status);
    CHECK(command->type != COMMAND_EXPIRE || docket->hold->expires_at_ms <= docket->now_ms);
    // The hold's time may have run out in this very round, before the system's own command came to
    // it.
    if (command->type == COMMAND_CAPTURE && docket->hold->expires_at_ms <= docket->now_ms)
        return refuse_thing(ret_refusal, STATUS_hold_not_open, ID_HOLD, docket->hold->id,
                            wallet->id, HOLD_EXPIRED);
    if (traits->needs_withdrawal && docket->withdrawal->status != WITHDRAWAL_PENDING)
        return refuse_thing(ret_refusal, STATUS_withdrawal_not_pending, ID_WITHDRAWAL,
                            docket->withdrawal->id, wallet->id, docket->withdrawal->status);
    return STATUS_ok;
}

static enum status rung_bounds(const struct command *command, const struct docket *docket,
                               struct refusal *ret_refusal) {
    if (command->type == COMMAND_CAPTURE) {
        int64_t remaining = hold_remaining(docket->hold);
        if (command->has_amount && command->amount > remaining) {
            refuse_numbers(ret_refusal, STATUS_capture_exceeds_hold, docket->hold->id, docket,
                           command->amount, remaining);
            ret_refusal->id_type = ID_HOLD;
            ret_refusal->other = docket->wallet->id;
            return STATUS_capture_exceeds_hold;
        }
    }
    if (command->type == COMMAND_REFUND) {
        int64_t left = docket->purchase->amount - docket->purchase->refunded;
        if (left == 0 || (command->has_amount && command->amount > left)) {
            refuse_numbers(ret_refusal, STATUS_refund_exceeds_purchase, docket->purchase->id,
                           docket, command->has_amount ? command->amount : docket->purchase->amount,
                           left);
            ret_refusal->id_type = ID_TRANSACTION;
            ret_refusal->other = docket->counterparty->id;
            return STATUS_refund_exceeds_purchase;
        }
    }
    return STATUS_ok;
}

static enum status rung_money(const struct command *command, const struct docket *docket,
                              const struct traits *traits, int64_t amount,
                              struct refusal *ret_refusal) {
    const struct wallet *wallet = docket->wallet, *counterparty = docket->counterparty;
    // A capture spends what its hold set aside, so it can always be paid.
    if (traits->debits && command->type != COMMAND_CAPTURE && wallet_spendable(wallet) < amount)
        return refuse_numbers(ret_refusal, STATUS_insufficient_funds, wallet->id, docket, amount,
                              wallet_spendable(wallet));
    // A large credit limit must not let more be held than an amount can say.
    bool holds = command->type == COMMAND_HOLD ||
                 (command->type == COMMAND_WITHDRAWAL && command->bank_id.size == 0);
    if (holds && wallet->held > LIMIT_AMOUNT_MAX - amount)
        return refuse_numbers(ret_refusal, STATUS_balance_limit_exceeded, wallet->id, docket,
                              amount, wallet->held);
    if (command->type == COMMAND_ADJUSTMENT && command->direction == ADJUSTMENT_DEBIT &&
        wallet_spendable(wallet) < amount)
        return refuse_numbers(ret_refusal, STATUS_insufficient_funds, wallet->id, docket, amount,
                              wallet_spendable(wallet));
    bool credits = traits->credits_wallet || (command->type == COMMAND_ADJUSTMENT &&
                                              command->direction == ADJUSTMENT_CREDIT);
    if (credits && wallet->balance > LIMIT_AMOUNT_MAX - amount)
        return refuse_numbers(ret_refusal, STATUS_balance_limit_exceeded, wallet->id, docket,
                              amount, wallet->balance);
    if (traits->credits_counterparty && command->type != COMMAND_HOLD &&
        counterparty->balance > LIMIT_AMOUNT_MAX - amount)
        return refuse_numbers(ret_refusal, STATUS_balance_limit_exceeded, counterparty->id, docket,
                              amount, counterparty->balance);
    return STATUS_ok;
}

static enum status rung_administration(const struct command *command, const struct docket *docket,
                                       struct refusal *ret_refusal) {
    const struct wallet *wallet = docket->wallet;
    if (command->type == COMMAND_WALLET_CHANGE) {
        if (command->has_status && command->wallet_status == WALLET_CLOSED &&
            (wallet->balance != 0 || wallet->held != 0))
            return refuse_numbers(ret_refusal, STATUS_wallet_not_empty, wallet->id, docket,
                                  wallet->held, wallet->balance);
        if (command->has_credit_limit && wallet_available(wallet) + command->credit_limit < 0)
            return refuse_numbers(ret_refusal, STATUS_credit_limit_in_use, wallet->id, docket,
                                  command->credit_limit, -wallet_available(wallet));
    }
    if (command->type == COMMAND_OWNER_FORGET && !docket->encrypts)
        return refuse(ret_refusal, STATUS_encryption_off, ID_WALLET, (struct id){{0}});
    if (command->type == COMMAND_OWNER_FORGET && !docket->owner_is_known)
        return refuse(ret_refusal, STATUS_owner_unknown, ID_WALLET, (struct id){{0}});
    if (command->type == COMMAND_APPROVE || command->type == COMMAND_REJECT)
        return parked_decide(command, docket, ret_refusal);
    if (command->type == COMMAND_ANOMALY_APPROVE || command->type == COMMAND_ANOMALY_REJECT ||
        command->type == COMMAND_ANOMALY_DISMISS)
        return review_decide(command, docket, ret_refusal);
    if (command->type == COMMAND_KEY_REVOKE &&
        key_is_last_admin(docket->key, docket->keys, docket->key_count, docket->now_ms))
        return refuse(ret_refusal, STATUS_last_admin_key, ID_KEY, docket->key->id);
    return STATUS_ok;
}

// What ends a hold or frees what a failed withdrawal held is no payment, nor is administration.
static bool traits_move(const struct traits *traits) {
    return traits->debits || traits->settles || traits->credits_wallet ||
           traits->credits_counterparty;
}

static int64_t amount_of(const struct command *command, const struct docket *docket) {
    if (command->type == COMMAND_SETTLE || command->type == COMMAND_FAIL)
        return docket->withdrawal->amount;
    if (command->has_amount)
        return command->amount;
    if (command->type == COMMAND_CAPTURE)
        return hold_remaining(docket->hold);
    if (command->type == COMMAND_REFUND)
        return docket->purchase->amount - docket->purchase->refunded;
    return 0;
}

static enum status decide_cursor(const struct command *command, const struct docket *docket,
                                 struct record *ret_record, struct refusal *ret_refusal) {
    enum cursor_change change = command->type == COMMAND_CURSOR_CLAIM  ? CURSOR_CLAIM
                                : command->type == COMMAND_CURSOR_MOVE ? CURSOR_MOVE
                                                                       : CURSOR_RESET;
    struct cursor after;
    CHECK(docket->cursor != NULL && command->cursor != NULL);
    enum status status = cursor_decide(change, command->cursor, docket->cursor, &after);
    if (status != STATUS_ok)
        return refuse(ret_refusal, status, ID_WALLET, (struct id){{0}});
    *ret_record = (struct record){.kind = RECORD_CURSOR,
                                  .operation = command->type,
                                  .time_ms = docket->now_ms,
                                  .origin = command->origin,
                                  .cursor = after};
    if (command->has_key) {
        ret_record->has_key = true;
        ret_record->key = command->key;
        ret_record->request = command->request;
    }
    return STATUS_ok;
}

// The rungs that ask about the two sides of a payment.
static enum status climb(const struct command *command, const struct docket *docket,
                         const struct traits *traits, int64_t *ret_amount,
                         struct refusal *ret_refusal) {
    *ret_amount = 0;
    enum status status = rung_found(command, docket, traits, ret_refusal);
    if (status == STATUS_ok)
        status = rung_parties(command, docket, traits, ret_refusal);
    if (status == STATUS_ok)
        status = rung_state(command, docket, traits, ret_refusal);
    if (status == STATUS_ok)
        status = rung_bounds(command, docket, ret_refusal);
    if (status != STATUS_ok)
        return status;
    *ret_amount = amount_of(command, docket);
    status = rung_money(command, docket, traits, *ret_amount, ret_refusal);
    if (status == STATUS_ok)
        status = spending_check(command, docket, *ret_amount, ret_refusal);
    return status;
}

// The same, as if there were nobody to receive: what is the payer's own trouble.
static enum status climb_alone(const struct command *command, const struct docket *docket,
                               const struct traits *traits, struct refusal *refusal) {
    struct traits alone = *traits;
    struct refusal own;
    int64_t amount;
    alone.needs_counterparty = alone.needs_merchant = alone.credits_counterparty = false;
    enum status status = climb(command, docket, &alone, &amount, &own);
    if (status != STATUS_ok)
        *refusal = own;
    return status != STATUS_ok ? status : (enum status)refusal->status;
}

enum status decide(const struct command *command, const struct docket *docket,
                   struct record *ret_record, struct refusal *ret_refusal) {
    int64_t amount = 0;
    CHECK(command->type > COMMAND_NONE && command->type < COMMAND_TYPE_COUNT);
    CHECK(!command_is_read(command->type));
    if (command->type == COMMAND_INVALID)
        return refuse(ret_refusal, command->door, ID_WALLET, (struct id){{0}});
    if (command_is_of_cursor(command->type))
        return decide_cursor(command, docket, ret_record, ret_refusal);
    const struct traits *traits = &command_traits[command->type];
    enum status status = rung_principal(command, docket, ret_refusal);
    if (status == STATUS_ok && docket->payments_stopped && traits_move(traits))
        status = refuse(ret_refusal, STATUS_payments_stopped, ID_WALLET, command->wallet);
    if (status == STATUS_ok)
        status = bound_check(command, docket, ret_refusal);
    if (status == STATUS_ok) {
        status = climb(command, docket, traits, &amount, ret_refusal);
        if (status != STATUS_ok && bound_blames_payee(command, docket, ret_refusal))
            status = climb_alone(command, docket, traits, ret_refusal);
    }
    if (status == STATUS_ok)
        status = rung_administration(command, docket, ret_refusal);
    if (status == STATUS_ok)
        status = review_check(command, docket, amount, ret_refusal);
    if (status != STATUS_ok) {
        CHECK(ret_refusal->status == status);
        return bound_hide(command, docket, ret_refusal);
    }
    // From here on the command must succeed, now or when somebody else has approved it.
    decide_facts(command, docket, amount, ret_record);
    return STATUS_ok;
}

enum status decide_replay(const struct command *command, const struct record *earlier) {
    CHECK(command->has_key && earlier->has_key);
    CHECK(digest128_equal(command->key, earlier->key));
    return request_fits(command->request, earlier->request) ? STATUS_ok
                                                            : STATUS_idempotency_key_reused;
}
