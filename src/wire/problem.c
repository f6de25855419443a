// SPDX-License-Identifier: MIT
// The frame of every problem document, and those that need no numbers. Fields stand in one order:
// type, title, status, code, detail, then what problem_detail.c adds, errors, operation.
#include "wire/problem.h"

#include "base/json.h"
#include "wire/problem_detail.h"

static enum status shown(enum status status) {
    CHECK(status != STATUS_ok && (unsigned)status < STATUS_COUNT);
    bool is_inner =
        status == STATUS_disk_failed || status == STATUS_damaged || status == STATUS_end ||
        status == STATUS_fenced || status == STATUS_out_of_place;
    return is_inner ? STATUS_internal : status;
}

// What to do about each.
static const char *const advice[STATUS_COUNT] = {
    [STATUS_ok] = "Nothing needs to be done.",
    [STATUS_invalid_request] = "Correct what `errors` points at and send it again.",
    [STATUS_unauthenticated] =
        "Send a key that is not revoked or expired, as Authorization: Bearer SECRET.",
    [STATUS_forbidden] = "Use a key whose role may do this.",
    [STATUS_method_not_allowed] = "Use a method that the Allow header names.",
    [STATUS_request_too_large] =
        "Send less at once: 64 KiB, batches 16 MiB and 10,000 operations.",
    [STATUS_unsupported_media_type] =
        "Send JSON, with the header Content-Type: application/json.",
    [STATUS_idempotency_key_reused] =
        "Take a new key for a new request; a retry must repeat the first request exactly.",
    [STATUS_not_found] = "Check the path and the id.",
    [STATUS_same_wallet] = "Name two different wallets.",
    [STATUS_currency_mismatch] = "Use wallets of one currency, and name that one or none.",
    [STATUS_not_a_merchant] = "Use a transfer, or a wallet of the kind merchant.",
    [STATUS_not_a_purchase] = "Only purchases can be refunded; use a transfer instead.",
    [STATUS_wallet_closed] = "Set the wallet's status to active, or use another one.",
    [STATUS_wallet_frozen] =
        "A frozen wallet receives but does not pay; set its status to active first.",
    [STATUS_version_mismatch] = "Read the wallet again and decide anew with its new version.",
    [STATUS_duplicate_bank_transaction] =
        "Each bank transaction is booked once; look at the transaction that has it.",
    [STATUS_hold_not_open] = "Make a new hold, or purchase directly.",
    [STATUS_withdrawal_not_pending] = "Read the withdrawal; it is settled or failed already.",
    [STATUS_capture_exceeds_hold] = "Capture at most what remains held.",
    [STATUS_refund_exceeds_purchase] = "Refund at most what is left of the purchase.",
    [STATUS_insufficient_funds] = "Deposit first, or ask for less.",
    [STATUS_balance_limit_exceeded] = "Pay into another wallet, or move money out first.",
    [STATUS_wallet_not_empty] = "Move the money out and end its holds and withdrawals first.",
    [STATUS_credit_limit_in_use] = "Deposit first, or choose a higher limit.",
    [STATUS_last_admin_key] = "Make another admin key first.",
    [STATUS_internal] = "Retry with the same Idempotency-Key; if it stays, see the log.",
    [STATUS_busy] = "Retry later with the same Idempotency-Key: it tells what became of this.",
    [STATUS_storage_full] = "Make room on the disk, then retry; reads go on meanwhile.",
    [STATUS_disk_failed] = "Retry with the same Idempotency-Key; if it stays, see the log.",
    [STATUS_damaged] = "Retry with the same Idempotency-Key; if it stays, see the log.",
    [STATUS_end] = "Nothing needs to be done.",
    [STATUS_fenced] = "Retry with the same Idempotency-Key.",
    [STATUS_out_of_place] = "Retry with the same Idempotency-Key; if it stays, see the log.",
    [STATUS_cannot_receive] = "Check the id and the currency, or ask who owns the wallet.",
    [STATUS_approval_required] = "Send it alone: what waits for an approval answers 202.",
    [STATUS_approval_not_pending] = "Read the approval; ask anew if need be.",
    [STATUS_second_principal_needed] =
        "Ask somebody with another key: nobody decides about his own request.",
    [STATUS_limit_exceeded] =
        "Ask for less, wait for the next day or month, or raise the limit.",
    [STATUS_cannot_pay] = "Ask who owns the wallet.",
    [STATUS_history_archived] =
        "Ask for what is later, or whoever runs the books: archived months lie with them.",
    [STATUS_unconfirmed] =
        "It may be done or not: retry with the same Idempotency-Key, and it is done once.",
    [STATUS_payments_stopped] =
        "Look at /check-integrity; an admin decides with POST /check-integrity/resume.",
    [STATUS_owner_unknown] =
        "Check the owner's name; it is the one that wallets were opened with.",
    [STATUS_encryption_off] =
        "Give the server a master key (encryption); texts of then on can be destroyed.",
    [STATUS_refused_by_rule] = "Ask whoever looks after the rules; another try ends alike.",
    [STATUS_held_for_review] = "Send it alone: a payment that is held for review answers 202.",
    [STATUS_anomaly_not_pending] =
        "Read the anomaly: held payments are approved or rejected, flagged ones dismissed.",
    [STATUS_rules_not_loaded] = "Put the rule file right; the log says what is wrong with it.",
    [STATUS_rate_limited] = "Wait as long as Retry-After says, then send it again.",
};

const char *problem_advice(enum status status) {
    CHECK((unsigned)status < STATUS_COUNT);
    CHECK(advice[status] != NULL);
    return advice[status];
}

// Everything before the detail. Names and sentences of statuses need no escapes.
static void problem_begin(struct buffer *buffer, enum status status) {
    BUFFER_ADD(buffer, "{\"type\":\"/problems/");
    buffer_add_text(buffer, status_name(status));
    BUFFER_ADD(buffer, "\",\"title\":\"");
    buffer_add_text(buffer, status_sentence(status));
    BUFFER_ADD(buffer, "\",\"status\":");
    buffer_add_i64(buffer, status_http(status));
    BUFFER_ADD(buffer, ",\"code\":\"");
    buffer_add_text(buffer, status_name(status));
    BUFFER_ADD(buffer, "\",\"detail\":");
}

static void problem_end(struct buffer *buffer, uint32_t operation) {
    if (operation != PROBLEM_NO_OPERATION) {
        BUFFER_ADD(buffer, ",\"operation\":");
        buffer_add_u64(buffer, operation);
    }
    BUFFER_ADD(buffer, "}");
}

void problem_render(struct buffer *buffer, const struct refusal *refusal, uint32_t operation) {
    enum status status = shown(refusal->status);
    if (!problem_has_detail(refusal)) {
        problem_render_door(buffer, status, NULL, operation);
        return;
    }
    problem_begin(buffer, status);
    BUFFER_ADD(buffer, "\"");
    problem_add_detail(buffer, refusal);
    BUFFER_ADD(buffer, "\"");
    problem_add_fields(buffer, refusal);
    problem_end(buffer, operation);
}

void problem_render_door(struct buffer *buffer, enum status status, const char *detail,
                         uint32_t operation) {
    problem_begin(buffer, shown(status));
    json_write_text(buffer, slice_of_text(detail != NULL ? detail : problem_advice(status)));
    problem_end(buffer, operation);
}

// The first fault in words, and how many there are besides.
static void add_summary(struct buffer *buffer, const struct wire_faults *faults) {
    struct buffer sentence = {0};
    const struct wire_fault *first = &faults->items[0];
    if (first->pointer.size == 0)
        BUFFER_ADD(&sentence, "The request");
    else
        buffer_add_slice(&sentence, first->pointer);
    BUFFER_ADD(&sentence, " ");
    buffer_add_slice(&sentence, first->sentence);
    if (faults->more)
        buffer_add_format(&sentence, " (and at least %u more)", faults->count);
    else if (faults->count > 1)
        buffer_add_format(&sentence, " (and %u more)", faults->count - 1);
    json_write_text(buffer, buffer_slice(&sentence));
    buffer_done(&sentence);
}

void problem_render_faults(struct buffer *buffer, const struct wire_faults *faults,
                           uint32_t operation) {
    CHECK(faults->count >= 1 && faults->count <= WIRE_FAULTS_MAX);
    problem_begin(buffer, STATUS_invalid_request);
    add_summary(buffer, faults);
    BUFFER_ADD(buffer, ",\"errors\":[");
    for (uint32_t i = 0; i < faults->count; i++) {
        if (i != 0)
            BUFFER_ADD(buffer, ",");
        BUFFER_ADD(buffer, "{\"pointer\":");
        json_write_text(buffer, faults->items[i].pointer);
        BUFFER_ADD(buffer, ",\"detail\":");
        json_write_text(buffer, faults->items[i].sentence);
        BUFFER_ADD(buffer, "}");
    }
    BUFFER_ADD(buffer, "]");
    problem_end(buffer, operation);
}
