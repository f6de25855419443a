// SPDX-License-Identifier: MIT
// The fields of queries: a chapter of the table in operations_table.c, which alone includes it and has
// the words that it is written in.
#pragma once

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
    .sentence = "Only what was created before this time."};
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
    .sentence = "Only what happened before this time."};
static const struct field query_limit = {
    NAMED("limit"), .kind = FIELD_INTEGER, .minimum = 1, .maximum = LIMIT_PAGE_MAX,
    STANDARD(LIMIT_PAGE_DEFAULT), QUERY(limit),
    .sentence = "How many items the page has at most."};
static const struct field query_cursor = {
    NAMED("cursor"), .kind = FIELD_CURSOR, QUERY(cursor),
    .sentence = "The `next_cursor` of the page before."};

