// SPDX-License-Identifier: MIT
// From a verdict to a finding, and from there to its end.
#include "ledger/review.h"

#include "ledger/bound.h"
#include "ledger/finding.h"
#include "ledger/new_ids.h"
#include "ledger/parked.h"

// What a command is to the rules; 0: nothing that they look at.
static const uint8_t operations[COMMAND_TYPE_COUNT] = {
    [COMMAND_WITHDRAWAL] = RULE_ON_WITHDRAWAL, [COMMAND_PURCHASE] = RULE_ON_PURCHASE,
    [COMMAND_TRANSFER] = RULE_ON_TRANSFER,     [COMMAND_HOLD] = RULE_ON_HOLD,
    [COMMAND_REFUND] = RULE_ON_REFUND,         [COMMAND_DEPOSIT] = RULE_ON_DEPOSIT,
};

static uint8_t operation_of(const struct command *command) {
    CHECK(command->type < COMMAND_TYPE_COUNT);
    return operations[command->type];
}

static enum status refuse(const struct docket *docket, enum status status,
                          struct refusal *ret_refusal) {
    *ret_refusal = (struct refusal){
        .status = (uint8_t)status, .id_type = ID_WALLET, .id = docket->wallet->id};
    return status;
}

static struct payment payment_of(const struct command *command, const struct docket *docket,
                                 int64_t amount) {
    return (struct payment){
        .operation = operation_of(command),
        .wallet_kind = docket->wallet->kind,
        .amount = amount,
        .available = wallet_available(docket->wallet),
        .currency = &docket->currency->currency,
        .counterparty = docket->counterparty == NULL ? (struct id){{0}} : docket->counterparty->id,
        .now_ms = docket->now_ms,
    };
}

static void explain(const struct docket *docket, const struct payment *payment) {
    finding_begin(docket->words, rule_name(&docket->rules->rules[docket->verdict->rule]));
    rules_explain(docket->rules, payment, docket->habits, docket->verdict, docket->words);
}

enum status review_check(const struct command *command, const struct docket *docket,
                         int64_t amount, struct refusal *ret_refusal) {
    uint8_t operation = operation_of(command);
    if (operation == 0)
        return STATUS_ok;
    if (docket->rules_failed && operation != RULE_ON_DEPOSIT)
        return refuse(docket, STATUS_rules_not_loaded, ret_refusal);
    if (command->approved || docket->rules == NULL || docket->rules->count == 0)
        return STATUS_ok; // somebody has looked at it already, or nobody wants to
    const struct wallet *wallet = docket->wallet;
    struct verdict *verdict = docket->verdict;
    CHECK(verdict != NULL && verdict->action == RULE_NOTHING && docket->words != NULL);
    uint64_t left =
        rules_left(rules_plan(docket->rules, (enum wallet_kind)wallet->kind, operation), amount,
                   wallet_available(wallet), docket->habits);
    if (left == 0)
        return STATUS_ok;
    struct payment payment = payment_of(command, docket, amount);
    rules_judge_left(docket->rules, left, &payment, docket->habits, verdict);
    if (verdict->action == RULE_REFUSE) {
        (void)refuse(docket, STATUS_refused_by_rule, ret_refusal);
        memcpy(ret_refusal->rule, docket->rules->rules[verdict->rule].name,
               sizeof(ret_refusal->rule));
        return STATUS_refused_by_rule;
    }
    if (verdict->action == RULE_NOTHING)
        return STATUS_ok;
    if (parked_is_due(command, docket, amount)) { // a second person looks at it in any case
        verdict->action = RULE_NOTHING;
        return STATUS_ok;
    }
    if (verdict->action == RULE_HOLD && docket->wallet->held > LIMIT_AMOUNT_MAX - amount) {
        (void)refuse(docket, STATUS_balance_limit_exceeded, ret_refusal);
        ret_refusal->currency = docket->currency->currency;
        ret_refusal->asked = amount;
        ret_refusal->has = docket->wallet->held;
        return STATUS_balance_limit_exceeded;
    }
    explain(docket, &payment);
    return STATUS_ok;
}

bool review_is_held(const struct docket *docket) {
    return docket->verdict != NULL && docket->verdict->action == RULE_HOLD;
}

static struct finding_facts finding_of(const struct docket *docket) {
    const struct rule *rule = &docket->rules->rules[docket->verdict->rule];
    CHECK(docket->verdict->action == rule->action && docket->words->size != 0);
    return (struct finding_facts){
        .rules_version = docket->rules->version,
        .score = rule->score,
        .action = rule->action,
        .texts = buffer_slice(docket->words),
    };
}

void review_held_facts(const struct command *command, const struct docket *docket, int64_t amount,
                       struct record *record) {
    const struct wallet *wallet = docket->wallet;
    CHECK(operation_of(command) != RULE_ON_DEPOSIT);
    CHECK(wallet_spendable(wallet) >= amount);
    uint32_t expires_in_s = docket->review_expires_s != 0 ? docket->review_expires_s
                                                          : REVIEW_EXPIRES_S_DEFAULT;
    record->kind = RECORD_PARKED;
    record->parked = (struct parked_facts){
        .id = new_ids_parked(docket),
        .wallet = wallet->id,
        .cause = PARKED_FOR_REVIEW,
        .status = PARKED_PENDING,
        .amount = amount,
        .currency = docket->currency->currency,
        .expires_at_ms = docket->now_ms + expires_in_s * UINT64_C(1000),
        .held = amount,
        .wallet_balance = wallet->balance,
        .wallet_held = wallet->held + amount,
        .wallet_version = wallet->version + 1,
        .finding = finding_of(docket),
    };
}

// The thing that a payment made: a transaction, else the hold or withdrawal that waits.
static const struct id *subject_of(const struct record *made, uint8_t *ret_type) {
    switch (made->kind) {
    case RECORD_HOLD: *ret_type = ID_HOLD; return &made->hold.id;
    case RECORD_WITHDRAWAL: *ret_type = ID_WITHDRAWAL; return &made->withdrawal.id;
    default:
        CHECK(made->kind == RECORD_TRANSACTION);
        *ret_type = ID_TRANSACTION;
        return &made->transaction.id;
    }
}

static int64_t amount_of(const struct record *made) {
    return made->kind == RECORD_HOLD         ? made->hold.amount
           : made->kind == RECORD_WITHDRAWAL ? made->withdrawal.amount
                                             : made->transaction.amount;
}

void review_flag_facts(const struct record *made, const struct docket *docket, struct id id,
                       struct record *ret_record) {
    const struct wallet *wallet = docket->wallet;
    *ret_record = (struct record){
        .kind = RECORD_PARKED,
        .operation = COMMAND_FINDING,
        .time_ms = made->time_ms,
        .origin = {.principal = SLICE("system"),
                   .request_id = made->origin.request_id,
                   .role = ROLE_SYSTEM},
    };
    struct finding_facts finding = finding_of(docket);
    finding_add_id(docket->words, *subject_of(made, &finding.subject_type));
    finding.texts = buffer_slice(docket->words);
    ret_record->parked = (struct parked_facts){
        .id = id,
        .wallet = wallet->id,
        .cause = PARKED_FLAGGED,
        .status = PARKED_PENDING,
        .amount = amount_of(made),
        .currency = docket->currency->currency,
        .wallet_balance = wallet->balance,
        .wallet_held = wallet->held,
        .wallet_version = wallet->version,
        .finding = finding,
    };
}

void review_finding_facts(const struct command *command, const struct docket *docket,
                          struct record *record) {
    const struct wallet *wallet = docket->wallet;
    CHECK(command->score >= 1 && command->score <= 100);
    CHECK(command->name.size != 0 && command->reason.size != 0);
    CHECK(command->metadata.size <= FINDING_IDS_MAX * sizeof(struct id));
    finding_begin(docket->words, command->name);
    buffer_add_slice(docket->words, command->reason);
    for (size_t at = 0; at < command->metadata.size; at += sizeof(struct id)) {
        struct id id;
        memcpy(&id, command->metadata.bytes + at, sizeof(id));
        finding_add_id(docket->words, id);
    }
    record->kind = RECORD_PARKED;
    record->parked = (struct parked_facts){
        .id = new_ids_parked(docket),
        .wallet = wallet->id,
        .cause = PARKED_FLAGGED,
        .status = PARKED_PENDING,
        .amount = command->amount,
        .currency = docket->currency->currency,
        .wallet_balance = wallet->balance,
        .wallet_held = wallet->held,
        .wallet_version = wallet->version,
        .finding = {.rules_version = docket->rules_version,
                    .score = command->score,
                    .action = RULE_FLAG,
                    .texts = buffer_slice(docket->words),
                    .subject_type = ID_TRANSACTION},
    };
}

enum status review_decide(const struct command *command, const struct docket *docket,
                          struct refusal *ret_refusal) {
    const struct parked *parked = docket->parked;
    bool by_system = command->origin.role == ROLE_SYSTEM;
    *ret_refusal = (struct refusal){.id_type = ID_ANOMALY, .id = command->subject};
    enum status status = STATUS_ok;
    if (parked == NULL || parked->cause == PARKED_FOR_APPROVAL) {
        status = STATUS_not_found;
    } else {
        enum parked_status now = by_system ? (enum parked_status)parked->status
                                           : parked_status_at(parked, docket->now_ms);
        bool held = parked->cause == PARKED_FOR_REVIEW;
        ret_refusal->has = now;
        ret_refusal->detail = parked->cause;
        if (now != PARKED_PENDING || held == (command->type == COMMAND_ANOMALY_DISMISS))
            status = STATUS_anomaly_not_pending;
        else if (command->type == COMMAND_ANOMALY_APPROVE &&
                 slice_equal(docket->parked_by, command->origin.principal))
            status = STATUS_second_principal_needed;
    }
    ret_refusal->status = (uint8_t)status;
    return status;
}

void review_decision_facts(const struct command *command, const struct docket *docket,
                           struct record *record) {
    const struct parked *parked = docket->parked;
    const struct wallet *wallet = docket->wallet;
    int64_t held = parked->cause == PARKED_FOR_REVIEW ? docket->parked_held : 0;
    bool by_system = command->origin.role == ROLE_SYSTEM;
    CHECK(wallet != NULL && id_equal(wallet->id, parked->wallet));
    CHECK(held >= 0 && held <= wallet->held);
    record->kind = RECORD_PARKED;
    record->parked = (struct parked_facts){
        .id = parked->id,
        .wallet = parked->wallet,
        .cause = parked->cause,
        .status = command->type == COMMAND_ANOMALY_APPROVE  ? PARKED_APPROVED
                  : command->type == COMMAND_ANOMALY_DISMISS ? PARKED_DISMISSED
                  : by_system                                ? PARKED_EXPIRED
                                                             : PARKED_REJECTED,
        .currency = docket->currency->currency,
        .expires_at_ms = parked->expires_at_ms,
        .held = held,
        .wallet_balance = wallet->balance,
        .wallet_held = wallet->held - held,
        .wallet_version = wallet->version + (held != 0 ? 1 : 0),
        .reason = command->reason,
    };
}

void review_outcome_facts(const struct record *released, const struct parked_facts *facts,
                          struct record *ret_record) {
    CHECK(released->kind == RECORD_PARKED && released->parked.cause == PARKED_FOR_REVIEW);
    *ret_record = *released;
    ret_record->has_key = false; // the key is the release's
    ret_record->key = ret_record->request = (struct digest128){0};
    ret_record->spent = (struct spent){0};
    ret_record->parked = *facts;
    ret_record->parked.held = 0;
}

struct refusal review_refusal_of_batch(const struct command *command,
                                       const struct record *parked) {
    struct refusal refusal = {
        .status = STATUS_approval_required, .id_type = ID_WALLET, .id = parked->parked.wallet};
    CHECK(parked->kind == RECORD_PARKED && parked->parked.cause != PARKED_FLAGGED);
    if (parked->parked.cause == PARKED_FOR_REVIEW) {
        struct slice rule = finding_rule(parked->parked.finding.texts);
        CHECK(rule.size <= sizeof(refusal.rule));
        refusal.status = STATUS_held_for_review;
        memcpy(refusal.rule, rule.bytes, rule.size);
    }
    bound_hide_rule(command, &refusal);
    return refusal;
}

void review_rules_facts(const struct command *command, const struct docket *docket,
                        struct record *record) {
    CHECK(command->metadata.size % sizeof(struct rule) == 0);
    record->kind = RECORD_RULES;
    record->rules = (struct rules_facts){
        .version = docket->rules_version + 1,
        .rules = command->metadata,
    };
}
