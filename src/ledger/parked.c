// SPDX-License-Identifier: MIT
// Which commands wait, who may let them go, and the bytes that keep them.
#include "ledger/parked.h"

#include "ledger/new_ids.h"

enum { COMMAND_TEXTS = 10 };
enum {
    GIVEN_IF_MATCH = 1,
    GIVEN_AMOUNT = 2,
    GIVEN_CREDIT_LIMIT = 4,
    GIVEN_STATUS = 8,
    GIVEN_METADATA = 16,
    GIVEN_KEEP_OPEN = 32,
    GIVEN_KNOWN = 63
};

struct command_bytes {
    uint8_t type, given, wallet_kind, wallet_status, direction, role, exponent, reserved;
    uint32_t expires_in_s, slot;
    struct id principal_key, wallet, counterparty, subject;
    uint64_t if_match;
    int64_t amount, credit_limit;
    char code[12];
    uint16_t text_bytes[COMMAND_TEXTS];
    uint8_t address[16];
    uint8_t zero[8];
};
static_assert(sizeof(struct command_bytes) % 8 == 0 && sizeof(struct command_bytes) == 160,
              "no padding");

// Payments that are small enough need nobody.
static bool moves_money(enum command_type type) {
    switch (type) {
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAWAL:
    case COMMAND_PURCHASE:
    case COMMAND_REFUND:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD: return true; // what settles or captures was decided before
    default: return false;
    }
}

bool parked_is_due(const struct command *command, const struct docket *docket, int64_t amount) {
    if (command->approved)
        return false;
    if (command->type == COMMAND_ADJUSTMENT)
        return true;
    const struct approval_rules *rules = docket->approvals;
    if (rules == NULL || rules->count == 0 || !moves_money((enum command_type)command->type))
        return false;
    CHECK(rules->count <= APPROVAL_CURRENCIES_MAX);
    CHECK(docket->currency != NULL);
    for (uint32_t i = 0; i < rules->count; i++)
        if (currency_equal(&rules->items[i].currency, &docket->currency->currency))
            return amount > rules->items[i].above;
    return false;
}

bool parked_may_still(const struct command *command, const struct docket *docket) {
    const struct approval_rules *rules = docket->approvals;
    if (!command->approved || rules == NULL || !rules->knows_roles)
        return true;
    CHECK(command->type < 64);
    CHECK(command->origin.role <= ROLE_MAX);
    uint64_t needed = UINT64_C(1) << command->type;
    if (command->type == COMMAND_WITHDRAWAL && command->bank_id.size != 0) // settles at once
        needed |= UINT64_C(1) << COMMAND_SETTLE;
    return (rules->may_ask[command->origin.role] & needed) == needed;
}

void parked_facts_of(const struct command *command, const struct docket *docket, int64_t amount,
                     struct record *record) {
    uint32_t expires_in_s = docket->approvals == NULL || docket->approvals->expires_in_s == 0
                                ? LIMIT_APPROVAL_S_DEFAULT
                                : docket->approvals->expires_in_s;
    CHECK(docket->wallet != NULL);
    record->kind = RECORD_PARKED;
    record->parked = (struct parked_facts){
        .id = new_ids_parked(docket),
        .wallet = docket->wallet->id,
        .cause = PARKED_FOR_APPROVAL,
        .status = PARKED_PENDING,
        .amount = amount,
        .currency = docket->currency->currency,
        .expires_at_ms = docket->now_ms + expires_in_s * UINT64_C(1000),
    };
}

enum status parked_decide(const struct command *command, const struct docket *docket,
                          struct refusal *ret_refusal) {
    const struct parked *parked = docket->parked;
    *ret_refusal = (struct refusal){.id_type = ID_APPROVAL, .id = command->subject};
    enum status status = STATUS_ok;
    if (parked == NULL || parked->cause != PARKED_FOR_APPROVAL) {
        status = docket->subject_is_archived ? STATUS_history_archived : STATUS_not_found;
    } else if (parked_status_at(parked, docket->now_ms) != PARKED_PENDING) {
        status = STATUS_approval_not_pending;
        ret_refusal->has = parked_status_at(parked, docket->now_ms);
    } else if (slice_equal(docket->parked_by, command->origin.principal)) {
        status = STATUS_second_principal_needed;
    }
    ret_refusal->status = (uint8_t)status;
    return status;
}

void parked_outcome(struct parked_facts *facts, const struct record *made,
                    const struct refusal *refusal) {
    CHECK(facts->status == PARKED_APPROVED);
    if (made == NULL) {
        facts->status = PARKED_REFUSED;
        facts->refusal = *refusal;
        return;
    }
    bool is_withdrawal = made->operation == COMMAND_WITHDRAWAL;
    facts->result_type = made->kind == RECORD_HOLD ? ID_HOLD
                         : is_withdrawal           ? ID_WITHDRAWAL
                                                   : ID_TRANSACTION;
    facts->result = made->kind == RECORD_HOLD         ? made->hold.id
                    : made->kind == RECORD_WITHDRAWAL ? made->withdrawal.id
                    : is_withdrawal                   ? made->transaction.subject
                                                      : made->transaction.id;
    CHECK(!id_is_zero(facts->result));
}

static void texts_of(struct command *command, struct slice *ret_places[COMMAND_TEXTS]) {
    struct slice *places[COMMAND_TEXTS] = {
        &command->owner,    &command->bank_id, &command->order,
        &command->reference, &command->reason, &command->metadata,
        &command->name,     &command->bound_to, &command->origin.principal,
        &command->origin.request_id};
    memcpy(ret_places, places, sizeof(places));
}

void command_encode(const struct command *command, struct buffer *buffer) {
    struct slice *texts[COMMAND_TEXTS];
    struct command bare = *command;
    bare.reference = bare.reason = bare.metadata = (struct slice){0};
    texts_of(&bare, texts);
    struct command_bytes bytes = {
        .type = command->type,
        .given = (uint8_t)((command->has_if_match ? GIVEN_IF_MATCH : 0) |
                           (command->has_amount ? GIVEN_AMOUNT : 0) |
                           (command->has_credit_limit ? GIVEN_CREDIT_LIMIT : 0) |
                           (command->has_status ? GIVEN_STATUS : 0) |
                           (command->has_metadata ? GIVEN_METADATA : 0) |
                           (command->keep_open ? GIVEN_KEEP_OPEN : 0)),
        .wallet_kind = command->wallet_kind,
        .wallet_status = command->wallet_status,
        .direction = command->direction,
        .role = command->origin.role,
        .exponent = command->currency.exponent,
        .expires_in_s = command->expires_in_s,
        .slot = command->slot,
        .principal_key = command->principal_key,
        .wallet = command->wallet,
        .counterparty = command->counterparty,
        .subject = command->subject,
        .if_match = command->if_match,
        .amount = command->amount,
        .credit_limit = command->credit_limit,
    };
    memcpy(bytes.code, command->currency.code, sizeof(bytes.code));
    memcpy(bytes.address, command->origin.address, sizeof(bytes.address));
    for (int i = 0; i < COMMAND_TEXTS; i++) {
        CHECK(texts[i]->size <= UINT16_MAX);
        bytes.text_bytes[i] = (uint16_t)texts[i]->size;
    }
    buffer_add(buffer, &bytes, sizeof(bytes));
    for (int i = 0; i < COMMAND_TEXTS; i++)
        if (texts[i]->size != 0)
            buffer_add_slice(buffer, *texts[i]);
}

bool command_decode(struct slice encoded, struct command *ret_command) {
    struct command_bytes bytes;
    struct slice *texts[COMMAND_TEXTS];
    struct command command = {0};
    if (encoded.size < sizeof(bytes))
        return false;
    memcpy(&bytes, encoded.bytes, sizeof(bytes));
    if ((bytes.type != COMMAND_ADJUSTMENT && !moves_money((enum command_type)bytes.type)) ||
        (bytes.given & ~GIVEN_KNOWN) != 0 || !role_is_known(bytes.role))
        return false;
    bool has_amount = (bytes.given & GIVEN_AMOUNT) != 0;
    if (has_amount ? !amount_is_valid(bytes.amount) : bytes.amount != 0)
        return false;
    command.type = bytes.type;
    command.approved = true;
    command.has_if_match = (bytes.given & GIVEN_IF_MATCH) != 0;
    command.has_amount = (bytes.given & GIVEN_AMOUNT) != 0;
    command.has_credit_limit = (bytes.given & GIVEN_CREDIT_LIMIT) != 0;
    command.has_status = (bytes.given & GIVEN_STATUS) != 0;
    command.has_metadata = (bytes.given & GIVEN_METADATA) != 0;
    command.keep_open = (bytes.given & GIVEN_KEEP_OPEN) != 0;
    command.wallet_kind = bytes.wallet_kind;
    command.wallet_status = bytes.wallet_status;
    command.direction = bytes.direction;
    command.expires_in_s = bytes.expires_in_s;
    command.slot = bytes.slot;
    command.principal_key = bytes.principal_key;
    command.wallet = bytes.wallet;
    command.counterparty = bytes.counterparty;
    command.subject = bytes.subject;
    command.if_match = bytes.if_match;
    command.amount = bytes.amount;
    command.credit_limit = bytes.credit_limit;
    command.currency.exponent = bytes.exponent;
    memcpy(command.currency.code, bytes.code, sizeof(bytes.code));
    command.origin.role = bytes.role;
    memcpy(command.origin.address, bytes.address, sizeof(bytes.address));
    texts_of(&command, texts);
    size_t at = sizeof(bytes);
    for (int i = 0; i < COMMAND_TEXTS; i++) {
        if (encoded.size - at < bytes.text_bytes[i])
            return false;
        *texts[i] = slice_of(encoded.bytes + at, bytes.text_bytes[i]);
        at += bytes.text_bytes[i];
    }
    bool is_hold = command.type == COMMAND_HOLD;
    if (at != encoded.size || command.direction > ADJUSTMENT_DEBIT ||
        command.reference.size + command.reason.size + command.metadata.size != 0 ||
        (is_hold && (command.expires_in_s < 1 || command.expires_in_s > LIMIT_EXPIRES_IN_S_MAX)))
        return false;
    *ret_command = command;
    return true;
}

void parked_keep(struct parked_facts *facts, const struct command *command, struct buffer *buffer) {
    struct command kept = *command;
    CHECK(facts->status == PARKED_PENDING);
    if (facts->cause == PARKED_FOR_REVIEW) { // its version was met when it was held
        kept.has_if_match = false;
        kept.if_match = 0;
    }
    command_encode(&kept, buffer);
    facts->command = buffer_slice(buffer);
    facts->reference = command->reference;
    facts->reason = command->reason;
    facts->metadata = command->metadata;
}

bool parked_kept(const struct parked_facts *facts, struct command *ret_command) {
    if (!command_decode(facts->command, ret_command))
        return false;
    ret_command->reference = facts->reference;
    ret_command->reason = facts->reason;
    ret_command->metadata = facts->metadata;
    return true;
}
