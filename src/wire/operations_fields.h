// SPDX-License-Identifier: MIT
// Every field of the API once, of bodies and of queries: the first chapter of the table in
// operations_table.c, which alone includes it.
#pragma once
#include <stddef.h>

#include "base/limits.h"
#include "base/status.h"
#include "ledger/record.h"
#include "wire/decode.h"
#include "wire/operations.h"

#define NAMED(text) .name = text, .name_size = sizeof(text) - 1
#define INTO(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define COMMAND(member) INTO(command, member), .flag = FIELD_NO_FLAG
#define COMMAND_FLAGGED(member, given) \
    INTO(command, member), .flag = offsetof(struct command, given)
#define QUERY(member) INTO(wire_query, member), .flag = FIELD_NO_FLAG
#define STANDARD(value) .has_standard = true, .standard = (value)

static const char *const wallet_kinds[] = {"customer", "merchant", NULL};
static const char *const wallet_states[] = {"active", "frozen", "closed", NULL};
static const char *const hold_states[] = {"open", "captured", "voided", "expired", NULL};
static const char *const withdrawal_states[] = {"pending", "settled", "failed", NULL};
static const char *const transaction_types[] = {"deposit", "withdrawal", "purchase",
                                                "refund",  "transfer",   "adjustment", NULL};
static const char *const directions[] = {"credit", "debit", NULL};
static const char *const anomaly_states[] = {"pending",  "approved", "refused", "rejected",
                                             "expired",  "dismissed", NULL};
static const char *const anomaly_actions[] = {"hold", "flag", NULL};
static const char *const approval_states[] = {"pending",  "approved", "refused",
                                              "rejected", "expired",  NULL};
static const char *const key_roles[] = {"admin",   "service",  "auditor",  "operator",
                                        "support", "merchant", "customer", NULL};

// Every status in its order, and behind them a word for all but the first (OUTCOME_REFUSED).
static const char *const outcomes[] = {
#define STATUS(name, class, http, sentence) #name,
#include "base/status.def"
#undef STATUS
    "refused", NULL};

// ---- fields of bodies ----

static const struct field field_owner = {
    NAMED("owner"), .kind = FIELD_TEXT, .required = true, COMMAND(owner),
    .sentence = "Whose wallet it is, in your words; it never changes."};
static const struct field field_wallet_currency = {
    NAMED("currency"), .kind = FIELD_CURRENCY, .required = true, COMMAND(currency),
    .sentence = "A code of ISO 4217 or of the configuration; it never changes."};
static const struct field field_kind = {
    NAMED("kind"), .kind = FIELD_WORD, .words = wallet_kinds, .word_base = WALLET_CUSTOMER,
    STANDARD(WALLET_CUSTOMER), COMMAND(wallet_kind),
    .sentence = "Purchases and holds pay merchants."};
static const struct field field_credit_limit = {
    NAMED("credit_limit"), .kind = FIELD_INTEGER, .maximum = LIMIT_AMOUNT_MAX, STANDARD(0),
    .guard = GUARD_CREDIT, COMMAND(credit_limit),
    .sentence = "How far the wallet may be spent below zero."};
#define TIER \
    NAMED("tier"), .kind = FIELD_INTEGER, .maximum = WALLET_TIER_MAX, .guard = GUARD_CREDIT, \
    .sentence = "Which limits on spending the wallet has, beside its kind; 0: no tier."
static const struct field field_tier = {TIER, STANDARD(0), COMMAND(wallet_tier)};
static const struct field field_metadata = {
    NAMED("metadata"), .kind = FIELD_METADATA, COMMAND(metadata),
    .sentence = "Texts of yours, by name."};

static const struct field field_new_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = wallet_states, .word_base = WALLET_ACTIVE,
    .guard = GUARD_FREEZE, COMMAND_FLAGGED(wallet_status, has_status),
    .sentence = "A wallet is closed only at zero balance and with nothing held."};
static const struct field field_new_credit_limit = {
    NAMED("credit_limit"), .kind = FIELD_INTEGER, .maximum = LIMIT_AMOUNT_MAX,
    .guard = GUARD_CREDIT, COMMAND_FLAGGED(credit_limit, has_credit_limit),
    .sentence = "How far the wallet may be spent below zero."};
static const struct field field_new_tier = {TIER, COMMAND_FLAGGED(wallet_tier, has_tier)};
static const struct field field_new_metadata = {
    NAMED("metadata"), .kind = FIELD_METADATA, COMMAND_FLAGGED(metadata, has_metadata),
    .sentence = "Replaces all metadata; {} removes it."};
static const struct field field_reason = {
    NAMED("reason"), .kind = FIELD_TEXT, COMMAND(reason), .sentence = "Why; kept in the books."};

static const struct field field_reason_required = {
    NAMED("reason"), .kind = FIELD_TEXT, .required = true, COMMAND(reason),
    .sentence = "Why; kept in the books."};
static const struct field field_adjusted = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true, COMMAND(wallet),
    .sentence = "The wallet that is put right, frozen or not."};
static const struct field field_direction = {
    NAMED("direction"), .kind = FIELD_WORD, .words = directions, .word_base = ADJUSTMENT_CREDIT,
    .required = true, COMMAND(direction),
    .sentence = "Whether the wallet is given money (credit) or it is taken (debit)."};

static const struct field field_queue_to = {
    NAMED("to"), .kind = FIELD_TEXT, .required = true, COMMAND(name),
    .sentence = "`beginning`, `end`, or an offset in the partition's log: what lies before it is "
                "not carried out any more."};
static const struct field field_queue_record = {
    NAMED("record"), .kind = FIELD_INTEGER, .maximum = LIMIT_AMOUNT_MAX, .required = true,
    COMMAND_FLAGGED(amount, has_amount), .sentence = "Its offset in the partition."};
static const struct field field_queue_reason = {
    NAMED("reason"), .kind = FIELD_PLAIN, .required = true, COMMAND(reason),
    .sentence = "Why, in up to 64 plain characters; kept in the books."};

static const struct field field_webhook_event = {
    NAMED("event"), .kind = FIELD_TEXT, .required = true, COMMAND(name),
    .sentence = "The `oldest_event` that is not delivered, so that no other is meant."};
static const struct field field_webhook_from = {
    NAMED("from"), .kind = FIELD_TEXT, .required = true, COMMAND(name),
    .sentence = "A date or RFC 3339 date-time: what was committed since then is told again."};

static const struct field field_payee = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true, COMMAND(wallet),
    .sentence = "The wallet that receives the money."};
static const struct field field_payer = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true, COMMAND(wallet),
    .sentence = "The wallet that pays."};
static const struct field field_from = {
    NAMED("from"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true, COMMAND(wallet),
    .sentence = "The wallet that pays."};
static const struct field field_to = {
    NAMED("to"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true,
    COMMAND(counterparty), .sentence = "The wallet that is paid, of the same currency."};
static const struct field field_merchant = {
    NAMED("merchant"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true,
    COMMAND(counterparty), .sentence = "The merchant's wallet that is paid."};
static const struct field field_purchase = {
    NAMED("purchase"), .kind = FIELD_ID, .id_type = ID_TRANSACTION, .required = true,
    COMMAND(subject), .sentence = "The purchase that is refunded."};

static const struct field field_amount = {
    NAMED("amount"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_AMOUNT_MAX,
    .required = true, COMMAND_FLAGGED(amount, has_amount),
    .sentence = "How much, in the currency's minor unit."};
static const struct field field_amount_of_refund = {
    NAMED("amount"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_AMOUNT_MAX,
    COMMAND_FLAGGED(amount, has_amount),
    .sentence = "How much, in minor units; without it, what is left of the purchase."};
static const struct field field_amount_of_capture = {
    NAMED("amount"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_AMOUNT_MAX,
    COMMAND_FLAGGED(amount, has_amount),
    .sentence = "How much, in minor units; without it, all that is still held."};
static const struct field field_currency = {
    NAMED("currency"), .kind = FIELD_CURRENCY, COMMAND(currency),
    .sentence = "Refused as currency_mismatch unless it is the wallet's."};

static const struct field field_bank_id = {
    NAMED("bank_transaction_id"), .kind = FIELD_TEXT, .required = true, COMMAND(bank_id),
    .sentence = "The bank's id of the transfer, unique for ever per currency."};
static const struct field field_bank_id_at_once = {
    NAMED("bank_transaction_id"), .kind = FIELD_TEXT, .guard = GUARD_SETTLE, COMMAND(bank_id),
    .sentence = "With it the withdrawal is settled at once; without it the money is held until "
                "the withdrawal is settled or failed."};
static const struct field field_order = {
    NAMED("order"), .kind = FIELD_TEXT, COMMAND(order),
    .sentence = "The shop's order number; lists can be asked for it."};
static const struct field field_reference = {
    NAMED("reference"), .kind = FIELD_TEXT, COMMAND(reference), .sentence = "A note of yours."};
static const struct field field_hold_expires_in = {
    NAMED("expires_in"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_EXPIRES_IN_S_MAX,
    STANDARD(LIMIT_EXPIRES_IN_S_DEFAULT), COMMAND(expires_in_s),
    .sentence = "Seconds until the money is free again."};
static const struct field field_final = {
    NAMED("final"), .kind = FIELD_BOOL, .inverted = true, STANDARD(true), COMMAND(keep_open),
    .sentence = "Whether the rest is freed; false keeps it held."};

static const struct field field_operations = {
    NAMED("operations"), .kind = FIELD_OPERATIONS, .minimum = 1,
    .maximum = LIMIT_BATCH_OPERATIONS_MAX, .required = true, .flag = FIELD_NO_FLAG,
    .sentence = "What to do, in order."};
static const struct field field_atomic = {
    NAMED("atomic"), .kind = FIELD_BOOL, STANDARD(false), .flag = FIELD_NO_FLAG,
    .sentence = "Whether the first operation that is refused undoes all."};

static const struct field field_key_name = {
    NAMED("name"), .kind = FIELD_TEXT, .required = true, COMMAND(name),
    .sentence = "What the key is for, in your words."};
static const struct field field_key_role = {
    NAMED("role"), .kind = FIELD_WORD, .words = key_roles, .word_base = ROLE_ADMIN,
    .required = true, .open = true, COMMAND(key_role),
    .sentence = "What the key may do; a role of the configuration's is named like these."};
static const struct field field_key_owner = {
    NAMED("owner"), .kind = FIELD_TEXT, COMMAND(owner),
    .sentence = "Who uses the key, in your words. A bound role needs it: only wallets of this "
                "owner exist for the key."};
static const struct field field_key_expires_in = {
    NAMED("expires_in"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_EXPIRES_IN_S_MAX,
    COMMAND(expires_in_s),
    .sentence = "Seconds until the key stops working; without it the key does not expire."};

static const struct field field_rotate_expires_in = {
    NAMED("expires_in"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_EXPIRES_IN_S_MAX,
    COMMAND(expires_in_s),
    .sentence = "Seconds until the key stops working; without it that stays as it was."};
static const struct field field_overlap = {
    NAMED("overlap"), .kind = FIELD_INTEGER, .minimum = 0, .maximum = LIMIT_KEY_OVERLAP_S_MAX,
    STANDARD(LIMIT_KEY_OVERLAP_S_DEFAULT), COMMAND(overlap_s),
    .sentence = "Seconds for which the old secret keeps working beside the new one."};

static const struct field field_comment = {
    NAMED("comment"), .kind = FIELD_TEXT, COMMAND(reason),
    .sentence = "Why, in your words."};

// ---- fields of queries ----

static const struct field query_owner = {
    NAMED("owner"), .kind = FIELD_TEXT, QUERY(owner), .sentence = "Only wallets of this owner."};
static const struct field query_kind = {
    NAMED("kind"), .kind = FIELD_WORD, .words = wallet_kinds, .word_base = WALLET_CUSTOMER,
    QUERY(wallet_kind), .sentence = "Only wallets of this kind."};
static const struct field query_wallet_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = wallet_states, .word_base = WALLET_ACTIVE,
    QUERY(status), .sentence = "Only wallets in this state."};
static const struct field query_currency = {
    NAMED("currency"), .kind = FIELD_CURRENCY, QUERY(currency),
    .sentence = "Only wallets of this currency."};
static const struct field query_type = {
    NAMED("type"), .kind = FIELD_WORD, .words = transaction_types,
    .word_base = TRANSACTION_DEPOSIT, QUERY(type), .sentence = "Only this type."};
static const struct field query_wallet = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, QUERY(wallet),
    .sentence = "Only what this wallet pays."};
static const struct field query_merchant = {
    NAMED("merchant"), .kind = FIELD_ID, .id_type = ID_WALLET, QUERY(merchant),
    .sentence = "Only what pays this merchant."};
static const struct field query_withdrawal_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = withdrawal_states,
    .word_base = WITHDRAWAL_PENDING, QUERY(status),
    .sentence = "Only withdrawals in this state."};
static const struct field query_hold_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = hold_states, .word_base = HOLD_OPEN,
    QUERY(status), .sentence = "Only holds in this state."};
static const struct field query_approval_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = approval_states, .word_base = PARKED_PENDING,
    QUERY(status), .sentence = "Only approvals in this state."};
static const struct field query_anomaly_status = {
    NAMED("status"), .kind = FIELD_WORD, .words = anomaly_states, .word_base = PARKED_PENDING,
    QUERY(status), .sentence = "Only anomalies in this state."};
static const struct field query_anomaly_action = {
    NAMED("action"), .kind = FIELD_WORD, .words = anomaly_actions,
    .word_base = PARKED_FOR_REVIEW, QUERY(type),
    .sentence = "Only payments that are held, or were; or only findings that hold nothing."};
static const struct field query_rule = {
    NAMED("rule"), .kind = FIELD_TEXT, QUERY(rule), .sentence = "Only what this rule found."};
static const struct field query_requested_by = {
    NAMED("requested_by"), .kind = FIELD_TEXT, QUERY(initiated_by),
    .sentence = "Only what this principal asked for: an API key's id."};
static const struct field query_approval_wallet = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, QUERY(wallet),
    .sentence = "Only what is about this wallet."};
static const struct field query_bank_id = {
    NAMED("bank_transaction_id"), .kind = FIELD_TEXT, QUERY(bank_id),
    .sentence = "Only what has this bank id."};
static const struct field query_order = {
    NAMED("order"), .kind = FIELD_TEXT, QUERY(order), .sentence = "Only what has this order."};
static const struct field query_initiated_by = {
    NAMED("initiated_by"), .kind = FIELD_TEXT, QUERY(initiated_by),
    .sentence = "Only what this principal did: an API key's id, or jwt:ISSUER|SUBJECT."};
static const struct field query_from = {
    NAMED("from"), .kind = FIELD_TIME, QUERY(from_ms),
    .sentence = "Only what was created at this time or later."};
static const struct field query_to = {
    NAMED("to"), .kind = FIELD_TIME, QUERY(to_ms),
    .sentence = "Only what was created before this time, which is not before `from`."};
static const struct field query_history_from = {
    NAMED("from"), .kind = FIELD_TIME, QUERY(from_ms),
    .sentence = "Only what was created at this time or later; of what came from another shard, "
                "what came at this time or later."};
static const struct field query_history_to = {
    NAMED("to"), .kind = FIELD_TIME, QUERY(to_ms),
    .sentence = "Only what was created before this time, which is not before `from`; of what came "
                "from another shard, what came before it."};
static const struct field query_at = {
    NAMED("at"), .kind = FIELD_TIME, INTO(wire_query, at_ms),
    .flag = offsetof(struct wire_query, has_at),
    .sentence = "The balance as it was at this time; without it, as it is now."};
static const char *const depth_words[] = {"totals", "full", NULL};
static const struct field query_depth = {
    NAMED("depth"), .kind = FIELD_WORD, .words = depth_words, QUERY(depth),
    .word_base = CHECK_TOTALS, .standard = CHECK_TOTALS, .has_standard = true,
    .sentence = "`totals` answers at once from the running totals and the last recount; `full` "
                "waits for a complete recount, or follows it when `Accept` is text/event-stream."};
static const struct field query_principal = {
    NAMED("principal"), .kind = FIELD_TEXT, QUERY(principal),
    .sentence = "Only what this principal did: an API key's id, or `system`."};
static const struct field query_resource = {
    NAMED("resource"), .kind = FIELD_ANY_ID, QUERY(resource),
    .sentence = "Only what is about this thing or names it: a wallet, transaction, hold, "
                "withdrawal or key."};
static const struct field query_operation = {
    NAMED("operation"), .kind = FIELD_TEXT, QUERY(operation),
    .sentence = "Only this operation, by its operationId, such as `purchase` or `readWallet`."};
static const struct field query_outcome = {
    NAMED("outcome"), .kind = FIELD_WORD, .words = outcomes, .word_base = STATUS_ok,
    QUERY(outcome),
    .sentence = "Only what ended like this: `ok`, the code of a problem, or `refused` for any."};
static const struct field query_audit_from = {
    NAMED("from"), .kind = FIELD_TIME, QUERY(from_ms),
    .sentence = "Only what happened at this time or later."};
static const struct field query_audit_to = {
    NAMED("to"), .kind = FIELD_TIME, QUERY(to_ms),
    .sentence = "Only what happened before this time, which is not before `from`."};
static const struct field query_limit = {
    NAMED("limit"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_PAGE_MAX,
    STANDARD(LIMIT_PAGE_DEFAULT), QUERY(limit),
    .sentence = "How many items the page has at most."};
static const struct field query_cursor = {
    NAMED("cursor"), .kind = FIELD_CURSOR, QUERY(cursor),
    .sentence = "The `next_cursor` of the page before, of the same list and filters."};
