// SPDX-License-Identifier: MIT
// Writes down what a command does: the record with resulting balances and versions. Nothing here
// can refuse; every posting is asserted to balance before it leaves.
#include "ledger/decide_facts.h"

#include "base/check.h"
#include "ledger/alarm.h"
#include "ledger/note.h"
#include "ledger/parked.h"
#include "ledger/review.h"
#include "ledger/spending.h"

static struct posting_side side_after(const struct wallet *wallet, int64_t balance_change,
                                      int64_t held_change) {
    return (struct posting_side){
        .wallet = wallet->id,
        .balance = wallet->balance + balance_change,
        .held = wallet->held + held_change,
        .version = wallet->version + 1,
    };
}

static void facts_of_transaction(const struct command *command, const struct docket *docket,
                                 enum transaction_type type, int64_t amount,
                                 struct record *record) {
    CHECK(amount_is_valid(amount));
    record->kind = RECORD_TRANSACTION;
    record->transaction = (struct transaction_facts){
        .id = docket->new_id,
        .type = (uint8_t)type,
        .amount = amount,
        .currency = docket->currency->currency,
        .bank_id = command->bank_id,
        .order = command->order,
        .reference = command->reference,
        .reason = command->reason,
        .metadata = command->metadata,
    };
}

// From `wallet` to `counterparty`, freeing `held_freed` of what the payer had set aside.
static void facts_of_payment(const struct command *command, const struct docket *docket,
                             enum transaction_type type, int64_t amount, int64_t held_freed,
                             struct record *record) {
    facts_of_transaction(command, docket, type, amount, record);
    record->transaction.debit = side_after(docket->wallet, -amount, -held_freed);
    record->transaction.credit = side_after(docket->counterparty, amount, 0);
    CHECK(docket->wallet->balance - record->transaction.debit.balance ==
          record->transaction.credit.balance - docket->counterparty->balance);
}

static void facts_of_deposit(const struct command *command, const struct docket *docket,
                             int64_t amount, struct record *record) {
    facts_of_transaction(command, docket, TRANSACTION_DEPOSIT, amount, record);
    record->transaction.credit = side_after(docket->wallet, amount, 0);
    record->transaction.external_total = docket->currency->deposits + amount;
}

// Money leaves: at once, or out of what a pending withdrawal set aside.
// The house itself gives or takes; the other side is the world outside.
static void facts_of_adjustment(const struct command *command, const struct docket *docket,
                                int64_t amount, struct record *record) {
    facts_of_transaction(command, docket, TRANSACTION_ADJUSTMENT, amount, record);
    if (command->direction == ADJUSTMENT_CREDIT) {
        record->transaction.credit = side_after(docket->wallet, amount, 0);
        record->transaction.external_total = docket->currency->deposits + amount;
    } else {
        record->transaction.debit = side_after(docket->wallet, -amount, 0);
        record->transaction.external_total = docket->currency->withdrawals + amount;
    }
}

static void facts_of_payout(const struct command *command, const struct docket *docket,
                            int64_t amount, int64_t held_freed, struct record *record) {
    facts_of_transaction(command, docket, TRANSACTION_WITHDRAWAL, amount, record);
    record->transaction.debit = side_after(docket->wallet, -amount, -held_freed);
    record->transaction.external_total = docket->currency->withdrawals + amount;
    record->transaction.subject_total = amount;
    record->transaction.subject_status = WITHDRAWAL_SETTLED;
    if (command->type == COMMAND_SETTLE) {
        record->transaction.subject = docket->withdrawal->id;
    } else {
        record->transaction.subject = docket->new_id;
        record->transaction.id = docket->new_transaction;
    }
}

static void facts_of_withdrawal(const struct command *command, const struct docket *docket,
                                int64_t amount, struct record *record) {
    bool fails = command->type == COMMAND_FAIL;
    struct posting_side side = side_after(docket->wallet, 0, fails ? -amount : amount);
    record->kind = RECORD_WITHDRAWAL;
    record->withdrawal = (struct withdrawal_facts){
        .id = fails ? docket->withdrawal->id : docket->new_id,
        .wallet = docket->wallet->id,
        .amount = amount,
        .status = fails ? WITHDRAWAL_FAILED : WITHDRAWAL_PENDING,
        .currency = docket->currency->currency,
        .wallet_balance = side.balance,
        .wallet_held = side.held,
        .wallet_version = side.version,
        .reason = command->reason,
        .reference = command->reference,
        .metadata = command->metadata,
    };
}

static void facts_of_hold_opened(const struct command *command, const struct docket *docket,
                                 int64_t amount, struct record *record) {
    struct posting_side side = side_after(docket->wallet, 0, amount);
    CHECK(command->expires_in_s >= 1 && command->expires_in_s <= LIMIT_EXPIRES_IN_S_MAX);
    record->kind = RECORD_HOLD;
    record->hold = (struct hold_facts){
        .id = docket->new_id,
        .wallet = docket->wallet->id,
        .merchant = docket->counterparty->id,
        .amount = amount,
        .expires_at_ms = docket->now_ms + command->expires_in_s * UINT64_C(1000),
        .status = HOLD_OPEN,
        .currency = docket->currency->currency,
        .wallet_balance = side.balance,
        .wallet_held = side.held,
        .wallet_version = side.version,
        .order = command->order,
        .reference = command->reference,
        .metadata = command->metadata,
    };
}

static void facts_of_hold_ended(const struct docket *docket, enum hold_status status,
                                struct record *record) {
    const struct hold *hold = docket->hold;
    struct posting_side side = side_after(docket->wallet, 0, -hold_remaining(hold));
    record->kind = RECORD_HOLD;
    record->hold = (struct hold_facts){
        .id = hold->id,
        .wallet = hold->wallet,
        .merchant = hold->merchant,
        .amount = hold->amount,
        .captured = hold->captured,
        .expires_at_ms = hold->expires_at_ms,
        .status = (uint8_t)status,
        .currency = docket->currency->currency,
        .wallet_balance = side.balance,
        .wallet_held = side.held,
        .wallet_version = side.version,
    };
}

static void facts_of_capture(const struct command *command, const struct docket *docket,
                             int64_t amount, struct record *record) {
    int64_t remaining = hold_remaining(docket->hold);
    bool ends = !command->keep_open || amount == remaining;
    facts_of_payment(command, docket, TRANSACTION_PURCHASE, amount, ends ? remaining : amount,
                     record);
    record->transaction.subject = docket->hold->id;
    record->transaction.order = docket->order;
    record->transaction.subject_total = docket->hold->captured + amount;
    record->transaction.subject_status = ends ? HOLD_CAPTURED : HOLD_OPEN;
    CHECK(record->transaction.subject_total <= docket->hold->amount);
}

static void facts_of_refund(const struct command *command, const struct docket *docket,
                            int64_t amount, struct record *record) {
    facts_of_payment(command, docket, TRANSACTION_REFUND, amount, 0, record);
    record->transaction.subject = docket->purchase->id;
    record->transaction.subject_total = docket->purchase->refunded + amount;
    CHECK(record->transaction.subject_total <= docket->purchase->amount);
}

static void facts_of_opening(const struct command *command, const struct docket *docket,
                             struct record *record) {
    record->kind = RECORD_WALLET;
    record->wallet = (struct wallet_facts){
        .id = docket->new_id,
        .currency = command->currency,
        .kind = command->wallet_kind,
        .tier = command->wallet_tier,
        .status = WALLET_ACTIVE,
        .credit_limit = command->credit_limit,
        .version = 1,
        .owner = command->owner,
        .metadata = command->metadata,
    };
}

static void facts_of_change(const struct command *command, const struct docket *docket,
                            struct record *record) {
    const struct wallet *wallet = docket->wallet;
    uint8_t status = command->has_status ? command->wallet_status : wallet->status;
    int64_t credit_limit = command->has_credit_limit ? command->credit_limit : wallet->credit_limit;
    struct slice metadata = command->has_metadata ? command->metadata : docket->metadata;
    uint8_t tier = command->has_tier ? command->wallet_tier : wallet->tier;
    bool unchanged = status == wallet->status && credit_limit == wallet->credit_limit &&
                     tier == wallet->tier && slice_equal(metadata, docket->metadata);
    record->kind = RECORD_WALLET;
    record->wallet = (struct wallet_facts){
        .id = wallet->id,
        .currency = docket->currency->currency,
        .kind = wallet->kind,
        .tier = tier,
        .status = status,
        .unchanged = unchanged,
        .balance = wallet->balance,
        .held = wallet->held,
        .credit_limit = credit_limit,
        .version = wallet->version + (unchanged ? 0 : 1),
        .owner = docket->owner,
        .metadata = metadata,
        .reason = command->reason,
    };
}

static uint64_t expiry_of_key(const struct command *command, uint64_t now_ms) {
    return command->expires_in_s == 0 ? 0 : now_ms + command->expires_in_s * UINT64_C(1000);
}

// The old secret keeps working for the overlap, but only if it works now: a rotation that makes an
// expired key live again must not bring back a secret that had run out.
static void facts_of_rotation(const struct command *command, const struct docket *docket,
                              struct record *record) {
    const struct key *key = docket->key;
    CHECK(!key->revoked);
    bool overlaps = command->overlap_s != 0 &&
                    key_is_live(key, docket->keys, docket->key_count, docket->now_ms);
    record->kind = RECORD_KEY;
    record->api_key = (struct key_facts){
        .id = key->id,
        .role = key->role,
        .expires_at_ms = command->expires_in_s == 0 ? key->expires_at_ms
                                                    : expiry_of_key(command, docket->now_ms),
        .secret_hash = command->secret_hash,
    };
    if (!overlaps)
        return;
    record->api_key.previous_hash = key->secret_hash;
    record->api_key.previous_until_ms = docket->now_ms + command->overlap_s * UINT64_C(1000);
}

static void facts_of_key(const struct command *command, const struct docket *docket,
                         struct record *record) {
    record->kind = RECORD_KEY;
    if (command->type == COMMAND_KEY_REVOKE) {
        record->api_key = (struct key_facts){
            .id = docket->key->id,
            .role = docket->key->role,
            .revoked = true,
            .expires_at_ms = docket->key->expires_at_ms,
            .secret_hash = docket->key->secret_hash,
        };
        return;
    }
    record->api_key = (struct key_facts){
        .id = docket->new_id,
        .role = command->key_role,
        .expires_at_ms = expiry_of_key(command, docket->now_ms),
        .secret_hash = command->secret_hash,
        .name = command->name,
        .owner = command->owner,
    };
}

static void facts_of_notes(const struct command *command, struct record *record) {
    CHECK(!command->has_key && command->metadata.size <= NOTES_BYTES_MAX);
    record->kind = RECORD_NOTES;
    record->notes = (struct notes_facts){.count = notes_count(command->metadata),
                                         .notes = command->metadata};
    CHECK(record->notes.count >= 1 && record->notes.count <= NOTES_IN_RECORD_MAX);
}

// Whoever raised it may not have known yet of the decision that stands in front of it, and who lets
// payments go on may find that they do; that is a record without a word.
static void facts_of_alarm(const struct command *command, const struct docket *docket,
                           struct record *record) {
    CHECK(command->reason.size <= ALARM_BYTES_MAX && command->alarm <= ALARM_RESUMED);
    bool is_decided = command->stops && docket->alarm != NULL &&
                      alarm_is_decided(docket->alarm, alarm_difference(command->reason));
    bool is_needless = command->alarm == ALARM_RESUMED && docket->alarm != NULL &&
                       docket->alarm->stopped == 0;
    record->kind = RECORD_ALARM;
    record->alarm = (struct alarm_facts){.status = command->alarm,
                                         .stops = command->stops && !is_decided,
                                         .message = is_needless ? SLICE("") : command->reason};
}

static void facts_of_decision(const struct command *command, const struct docket *docket,
                              struct record *record) {
    record->kind = RECORD_PARKED;
    record->parked = (struct parked_facts){
        .id = docket->parked->id,
        .wallet = docket->parked->wallet,
        .cause = docket->parked->cause,
        .status = command->type == COMMAND_APPROVE ? PARKED_APPROVED : PARKED_REJECTED,
        .expires_at_ms = docket->parked->expires_at_ms,
        .reason = command->reason,
    };
}

static void facts_of_forgetting(const struct command *command, const struct docket *docket,
                                struct record *record) {
    CHECK(docket->encrypts && docket->owner_is_known);
    record->kind = RECORD_DATA_KEY;
    record->data_key = docket->data_key;
    record->data_key.owner = command->owner;
}

// What was set aside and will not be spent after all.
static int64_t freed_by(const struct command *command, const struct docket *docket,
                        int64_t amount) {
    switch ((enum command_type)command->type) {
    case COMMAND_VOID:
    case COMMAND_EXPIRE: return hold_remaining(docket->hold);
    case COMMAND_FAIL: return amount;
    case COMMAND_CAPTURE:
        return command->keep_open ? 0 : hold_remaining(docket->hold) - amount;
    default: return 0;
    }
}

void decide_facts(const struct command *command, const struct docket *docket, int64_t amount,
                  struct record *record) {
    record->operation = command->type;
    record->has_key = command->has_key;
    record->queued = command->queued;
    record->judged = record->arrives = record->decided_away = false;
    record->time_ms = docket->now_ms;
    record->origin = command->origin;
    record->key = command->has_key ? command->key : (struct digest128){0};
    record->request = command->has_key ? command->request : (struct digest128){0};
    record->spent = (struct spent){0};
    record->sealed_by = 0;
    if (parked_is_due(command, docket, amount)) {
        parked_facts_of(command, docket, amount, record);
        return;
    }
    if (review_is_held(docket)) {
        review_held_facts(command, docket, amount, record);
        return;
    }
    record->judged = docket->rules != NULL && docket->rules->count != 0;
    spending_facts_of(command, docket, amount, freed_by(command, docket, amount), record);
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN: facts_of_opening(command, docket, record); return;
    case COMMAND_WALLET_CHANGE: facts_of_change(command, docket, record); return;
    case COMMAND_DEPOSIT: facts_of_deposit(command, docket, amount, record); return;
    case COMMAND_WITHDRAWAL:
        if (command->bank_id.size != 0)
            facts_of_payout(command, docket, amount, 0, record);
        else
            facts_of_withdrawal(command, docket, amount, record);
        return;
    case COMMAND_SETTLE: facts_of_payout(command, docket, amount, amount, record); return;
    case COMMAND_FAIL: facts_of_withdrawal(command, docket, amount, record); return;
    case COMMAND_PURCHASE:
        facts_of_payment(command, docket, TRANSACTION_PURCHASE, amount, 0, record);
        return;
    case COMMAND_TRANSFER:
        facts_of_payment(command, docket, TRANSACTION_TRANSFER, amount, 0, record);
        return;
    case COMMAND_REFUND: facts_of_refund(command, docket, amount, record); return;
    case COMMAND_HOLD: facts_of_hold_opened(command, docket, amount, record); return;
    case COMMAND_CAPTURE: facts_of_capture(command, docket, amount, record); return;
    case COMMAND_VOID: facts_of_hold_ended(docket, HOLD_VOIDED, record); return;
    case COMMAND_EXPIRE: facts_of_hold_ended(docket, HOLD_EXPIRED, record); return;
    case COMMAND_ADJUSTMENT: facts_of_adjustment(command, docket, amount, record); return;
    case COMMAND_APPROVE:
    case COMMAND_REJECT: facts_of_decision(command, docket, record); return;
    case COMMAND_KEY_CREATE:
    case COMMAND_KEY_REVOKE: facts_of_key(command, docket, record); return;
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS: review_decision_facts(command, docket, record); return;
    case COMMAND_FINDING: review_finding_facts(command, docket, record); return;
    case COMMAND_RULES: review_rules_facts(command, docket, record); return;
    case COMMAND_ALARM: facts_of_alarm(command, docket, record); return;
    case COMMAND_NOTE: facts_of_notes(command, record); return;
    case COMMAND_KEY_ROTATE: facts_of_rotation(command, docket, record); return;
    case COMMAND_OWNER_FORGET: facts_of_forgetting(command, docket, record); return;
    default: UNREACHABLE("no facts for this command");
    }
}
