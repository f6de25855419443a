// SPDX-License-Identifier: MIT
// The table. Read it like a price list: every field once (operations_fields.h), then which fields a
// body or query has, then one row per operation. Nothing else in Florin says what the API takes.
#include "wire/operations_table.h"

#include <assert.h>
#include <stddef.h>

#include "base/limits.h"
#include "ledger/record.h"
#include "wire/operations_fields.h"

const struct field operations_owner_field = {
    NAMED("owner"), .kind = FIELD_TEXT, .required = true, COMMAND(owner),
    .sentence = "Whose data."};
const struct field operations_wallet_field = {
    NAMED("wallet"), .kind = FIELD_ID, .id_type = ID_WALLET, .required = true, COMMAND(wallet),
    .sentence = "The wallet."};
const struct field operations_hold_field = {
    NAMED("hold"), .kind = FIELD_ID, .id_type = ID_HOLD, .required = true, COMMAND(subject),
    .sentence = "The hold."};
const struct field operations_withdrawal_field = {
    NAMED("withdrawal"), .kind = FIELD_ID, .id_type = ID_WITHDRAWAL, .required = true,
    COMMAND(subject), .sentence = "The withdrawal."};

// ---- lists of fields ----

static const struct field *const wallet_open_body[] = {
    &field_owner, &field_wallet_currency, &field_kind, &field_credit_limit, &field_tier,
    &field_metadata,
};
static const struct field *const wallet_change_body[] = {
    &field_new_status, &field_new_credit_limit, &field_new_tier, &field_new_metadata, &field_reason,
};
static const struct field *const deposit_body[] = {
    &field_payee, &field_amount, &field_currency, &field_bank_id, &field_reference,
    &field_metadata,
};
static const struct field *const withdrawal_body[] = {
    &field_payer, &field_amount, &field_currency, &field_bank_id_at_once, &field_reference,
    &field_metadata,
};
static const struct field *const settle_body[] = {&field_bank_id, &field_currency};
static const struct field *const fail_body[] = {&field_reason};
static const struct field *const purchase_body[] = {
    &field_payer, &field_merchant, &field_amount, &field_currency, &field_order,
    &field_reference, &field_metadata,
};
static const struct field *const refund_body[] = {
    &field_purchase, &field_amount_of_refund, &field_currency, &field_reason, &field_reference,
    &field_metadata,
};
static const struct field *const transfer_body[] = {
    &field_from, &field_to, &field_amount, &field_currency, &field_reference, &field_metadata,
};
static const struct field *const hold_body[] = {
    &field_payer, &field_merchant, &field_amount, &field_currency, &field_hold_expires_in,
    &field_order, &field_reference, &field_metadata,
};
static const struct field *const capture_body[] = {
    &field_amount_of_capture, &field_currency, &field_final,
};
static const struct field *const adjustment_body[] = {
    &field_adjusted, &field_direction, &field_amount, &field_currency, &field_reason_required,
    &field_reference, &field_metadata,
};
static const struct field *const anomaly_body[] = {&field_comment};
static const struct field *const decision_body[] = {&field_reason};
static const struct field *const queue_reset_body[] = {&field_queue_to, &field_queue_reason};
static const struct field *const queue_skip_body[] = {&field_queue_record, &field_queue_reason};
static const struct field *const webhook_body[] = {&field_queue_reason};
static const struct field *const webhook_skip_body[] = {&field_webhook_event, &field_queue_reason};
static const struct field *const webhook_replay_body[] = {&field_webhook_from, &field_queue_reason};
static const struct field *const batch_body[] = {&field_operations, &field_atomic};
static const struct field *const key_create_body[] = {
    &field_key_name, &field_key_role, &field_key_owner, &field_key_expires_in,
};

static const struct field *const key_rotate_body[] = {&field_overlap, &field_rotate_expires_in};

static const struct field *const wallet_list_query[] = {
    &query_owner, &query_kind, &query_wallet_status, &query_currency, &query_limit,
    &query_cursor,
};
static const struct field *const approval_list_query[] = {
    &query_approval_status, &query_requested_by, &query_approval_wallet, &query_limit,
    &query_cursor,
};
static const struct field *const anomaly_list_query[] = {
    &query_anomaly_status, &query_anomaly_action, &query_rule, &query_approval_wallet,
    &query_from, &query_to, &query_limit, &query_cursor};
static const struct field *const wallet_transactions_query[] = {
    &query_type, &query_history_from, &query_history_to, &query_limit, &query_cursor,
};
static const struct field *const balance_query[] = {&query_at};
static const struct field *const integrity_query[] = {&query_depth};
static const struct field *const withdrawal_list_query[] = {
    &query_wallet, &query_withdrawal_status, &query_bank_id, &query_from, &query_to,
    &query_limit, &query_cursor,
};
static const struct field *const hold_list_query[] = {
    &query_wallet, &query_merchant, &query_hold_status, &query_order, &query_limit,
    &query_cursor,
};
static const struct field *const transaction_list_query[] = {
    &query_type, &query_initiated_by, &query_bank_id, &query_order, &query_from, &query_to,
    &query_limit, &query_cursor,
};
static const struct field *const key_list_query[] = {&query_limit, &query_cursor};
static const struct field *const audit_list_query[] = {
    &query_principal, &query_resource, &query_operation, &query_outcome, &query_audit_from,
    &query_audit_to, &query_limit, &query_cursor,
};

// ---- rows ----

#define MAY(status) STATUS_BIT(STATUS_##status)
#define MAY_CONCERN_WALLET (MAY(not_found) | MAY(version_mismatch))
#define MAY_MOVE (MAY_CONCERN_WALLET | MAY(currency_mismatch) | MAY(wallet_closed))
#define MAY_PAY                                                                                    \
    (MAY_MOVE | MAY(wallet_frozen) | MAY(insufficient_funds) | MAY(refused_by_rule) |              \
     MAY(rules_not_loaded) | MAY(balance_limit_exceeded))
#define MAY_PAY_OTHER                                                                              \
    (MAY_PAY | MAY(cannot_receive) | MAY(same_wallet) | MAY(balance_limit_exceeded))
// What an operation of a batch may be refused, since an atomic batch answers with that.
#define MAY_BATCH                                                                                  \
    (MAY_PAY_OTHER | MAY(limit_exceeded) | MAY(not_a_merchant) | MAY(not_a_purchase) |             \
     MAY(duplicate_bank_transaction) |                                                             \
     MAY(hold_not_open) | MAY(withdrawal_not_pending) | MAY(capture_exceeds_hold) |                \
     MAY(refund_exceeds_purchase) | MAY(cannot_pay) | MAY(approval_required) |     \
     MAY(held_for_review) | MAY(history_archived))
#define WRITE .is_write = true, .takes_body = true, .body_bytes_max = LIMIT_BODY_BYTES_MAX
#define CHANGES_WALLET WRITE, .takes_if_match = true
#define WITH_ID(type, member) \
    .has_id = true, .id_type = (type), .id_offset = offsetof(struct command, member)
#define BODY(list) .body = (list), .body_count = sizeof(list) / sizeof((list)[0])
#define ASKS(list) .query = (list), .query_count = sizeof(list) / sizeof((list)[0])

static_assert(STATUS_COUNT <= 128, "a status has a bit in the set of refusals");

const struct operation operations_table[OPERATION_COUNT] = {
    [OPERATION_WALLET_OPEN] = {
        .code = OPERATION_WALLET_OPEN, .name = "openWallet", .method = METHOD_POST,
        .path = "/v1/wallets", .action = "", .tag = "Wallets",
        .permission = "wallets:open", .http = 201, .answer = ANSWER_WALLET,
        .command = COMMAND_WALLET_OPEN,
        .batch_type = "wallet", WRITE, BODY(wallet_open_body),
        .summary = "Opens a wallet.",
    },
    [OPERATION_WALLET_LIST] = {
        .code = OPERATION_WALLET_LIST, .name = "listWallets", .method = METHOD_GET,
        .path = "/v1/wallets", .action = "", .tag = "Wallets",
        .permission = "wallets:read", .http = 200, .answer = ANSWER_WALLETS,
        ASKS(wallet_list_query),
        .summary = "Lists wallets, newest first.",
    },
    [OPERATION_WALLET_READ] = {
        .code = OPERATION_WALLET_READ, .name = "readWallet", .method = METHOD_GET,
        .path = "/v1/wallets/{id}", .action = "", .tag = "Wallets",
        .permission = "wallets:read", .http = 200, .answer = ANSWER_WALLET,
        .command = COMMAND_READ_WALLET,
        WITH_ID(ID_WALLET, subject),
        .refusals = MAY(not_found),
        .summary = "Shows a wallet as it is now.",
    },
    [OPERATION_WALLET_CHANGE] = {
        .code = OPERATION_WALLET_CHANGE, .name = "changeWallet", .method = METHOD_PATCH,
        .path = "/v1/wallets/{id}", .action = "", .tag = "Wallets",
        .permission = "wallets:change", .http = 200, .answer = ANSWER_WALLET,
        .command = COMMAND_WALLET_CHANGE,
        .queue_type = "wallet_change", .batch_id = "wallet",
        WITH_ID(ID_WALLET, wallet), CHANGES_WALLET, BODY(wallet_change_body),
        .refusals = MAY_CONCERN_WALLET | MAY(wallet_not_empty) | MAY(credit_limit_in_use),
        .summary = "Changes what is given of a wallet.",
    },
    [OPERATION_WALLET_TRANSACTIONS] = {
        .code = OPERATION_WALLET_TRANSACTIONS, .name = "listWalletTransactions",
        .method = METHOD_GET,
        .path = "/v1/wallets/{id}/transactions", .action = "transactions", .tag = "Wallets",
        .permission = "payments:read", .http = 200, .answer = ANSWER_TRANSACTIONS,
        WITH_ID(ID_WALLET, subject), ASKS(wallet_transactions_query),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Lists a wallet's transactions, newest first.",
    },
    [OPERATION_WALLET_BALANCE] = {
        .code = OPERATION_WALLET_BALANCE, .name = "readBalance", .method = METHOD_GET,
        .path = "/v1/wallets/{id}/balance", .action = "balance", .tag = "Wallets",
        .permission = "wallets:read", .http = 200, .answer = ANSWER_BALANCE,
        WITH_ID(ID_WALLET, subject), ASKS(balance_query),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Shows a wallet's balance, now or at a time of the past.",
    },
    [OPERATION_WALLET_LIMITS] = {
        .code = OPERATION_WALLET_LIMITS, .name = "readLimits", .method = METHOD_GET,
        .path = "/v1/wallets/{id}/limits", .action = "limits", .tag = "Wallets",
        .permission = "wallets:read", .http = 200, .answer = ANSWER_LIMITS,
        WITH_ID(ID_WALLET, subject),
        .refusals = MAY(not_found),
        .summary = "Shows what a wallet may spend, and what is used of that.",
    },
    [OPERATION_WALLET_INTEGRITY] = {
        .code = OPERATION_WALLET_INTEGRITY, .name = "checkWallet", .method = METHOD_GET,
        .path = "/v1/wallets/{id}/integrity", .action = "integrity", .tag = "Wallets",
        .permission = "wallets:read", .http = 200, .answer = ANSWER_PROOF,
        WITH_ID(ID_WALLET, subject),
        .refusals = MAY(not_found),
        .summary = "Proves one wallet: every posting from its opening to its balance, and what is "
                   "held of it.",
    },
    [OPERATION_DEPOSIT] = {
        .code = OPERATION_DEPOSIT, .name = "deposit", .method = METHOD_POST,
        .path = "/v1/deposits", .action = "", .tag = "Payments",
        .permission = "deposits:write", .http = 201, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_DEPOSIT,
        .batch_type = "deposit", .may_wait = true, CHANGES_WALLET, BODY(deposit_body),
        .refusals = MAY_MOVE | MAY(duplicate_bank_transaction) | MAY(balance_limit_exceeded),
        .summary = "Books money that arrived at the bank.",
    },
    [OPERATION_WITHDRAWAL] = {
        .code = OPERATION_WITHDRAWAL, .name = "withdraw", .method = METHOD_POST,
        .path = "/v1/withdrawals", .action = "", .tag = "Withdrawals",
        .permission = "withdrawals:write", .http = 201, .answer = ANSWER_WITHDRAWAL,
        .command = COMMAND_WITHDRAWAL,
        .batch_type = "withdrawal", .may_wait = true, CHANGES_WALLET, BODY(withdrawal_body),
        .refusals = MAY(limit_exceeded) | MAY_PAY | MAY(duplicate_bank_transaction) |
                    MAY(balance_limit_exceeded),
        .summary = "Pays money out, at once or once the bank has done so.",
    },
    [OPERATION_WITHDRAWAL_LIST] = {
        .code = OPERATION_WITHDRAWAL_LIST, .name = "listWithdrawals", .method = METHOD_GET,
        .path = "/v1/withdrawals", .action = "", .tag = "Withdrawals",
        .permission = "payments:read", .http = 200, .answer = ANSWER_WITHDRAWALS,
        ASKS(withdrawal_list_query), .refusals = MAY(history_archived),
        .summary = "Lists withdrawals, newest first.",
    },
    [OPERATION_WITHDRAWAL_READ] = {
        .code = OPERATION_WITHDRAWAL_READ, .name = "readWithdrawal", .method = METHOD_GET,
        .path = "/v1/withdrawals/{id}", .action = "", .tag = "Withdrawals",
        .permission = "payments:read", .http = 200, .answer = ANSWER_WITHDRAWAL,
        .command = COMMAND_READ_WITHDRAWAL,
        WITH_ID(ID_WITHDRAWAL, subject),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Shows a withdrawal as it is now.",
    },
    [OPERATION_SETTLE] = {
        .code = OPERATION_SETTLE, .name = "settleWithdrawal", .method = METHOD_POST,
        .path = "/v1/withdrawals/{id}/settle", .action = "settle", .tag = "Withdrawals",
        .permission = "withdrawals:settle", .http = 200, .answer = ANSWER_WITHDRAWAL,
        .command = COMMAND_SETTLE,
        .batch_type = "settle", .batch_id = "withdrawal",
        WITH_ID(ID_WITHDRAWAL, subject), CHANGES_WALLET, BODY(settle_body),
        .refusals = MAY_MOVE | MAY(duplicate_bank_transaction) | MAY(withdrawal_not_pending),
        .summary = "Records that the bank has paid a pending withdrawal out.",
    },
    [OPERATION_FAIL] = {
        .code = OPERATION_FAIL, .name = "failWithdrawal", .method = METHOD_POST,
        .path = "/v1/withdrawals/{id}/fail", .action = "fail", .tag = "Withdrawals",
        .permission = "withdrawals:settle", .http = 200, .answer = ANSWER_WITHDRAWAL,
        .command = COMMAND_FAIL,
        .batch_type = "fail", .batch_id = "withdrawal",
        WITH_ID(ID_WITHDRAWAL, subject), CHANGES_WALLET, BODY(fail_body),
        .refusals = MAY_CONCERN_WALLET | MAY(withdrawal_not_pending),
        .summary = "Frees the money of a pending withdrawal that the bank did not pay.",
    },
    [OPERATION_PURCHASE] = {
        .code = OPERATION_PURCHASE, .name = "purchase", .method = METHOD_POST,
        .path = "/v1/purchases", .action = "", .tag = "Payments",
        .permission = "purchases:write", .http = 201, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_PURCHASE,
        .batch_type = "purchase", .may_wait = true, CHANGES_WALLET, BODY(purchase_body),
        .refusals = MAY(limit_exceeded) | MAY_PAY_OTHER | MAY(not_a_merchant),
        .summary = "Pays a merchant.",
    },
    [OPERATION_REFUND] = {
        .code = OPERATION_REFUND, .name = "refund", .method = METHOD_POST,
        .path = "/v1/refunds", .action = "", .tag = "Payments",
        .permission = "refunds:write", .http = 201, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_REFUND,
        .batch_type = "refund", .may_wait = true, CHANGES_WALLET, BODY(refund_body),
        .refusals = MAY_PAY | MAY(cannot_receive) | MAY(not_a_purchase) |
                    MAY(refund_exceeds_purchase) | MAY(balance_limit_exceeded) |
                    MAY(history_archived),
        .summary = "Gives back a purchase, or a part of it, to the wallet that paid.",
    },
    [OPERATION_TRANSFER] = {
        .code = OPERATION_TRANSFER, .name = "transfer", .method = METHOD_POST,
        .path = "/v1/transfers", .action = "", .tag = "Payments",
        .permission = "transfers:write", .http = 201, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_TRANSFER,
        .batch_type = "transfer", .may_wait = true, CHANGES_WALLET, BODY(transfer_body),
        .refusals = MAY(limit_exceeded) | MAY_PAY_OTHER,
        .summary = "Moves money between two wallets.",
    },
    [OPERATION_HOLD] = {
        .code = OPERATION_HOLD, .name = "hold", .method = METHOD_POST,
        .path = "/v1/holds", .action = "", .tag = "Holds",
        .permission = "holds:write", .http = 201, .answer = ANSWER_HOLD,
        .command = COMMAND_HOLD,
        .batch_type = "hold", .may_wait = true, CHANGES_WALLET, BODY(hold_body),
        .refusals = MAY(limit_exceeded) | MAY_PAY_OTHER | MAY(not_a_merchant),
        .summary = "Sets money aside for a merchant.",
    },
    [OPERATION_HOLD_LIST] = {
        .code = OPERATION_HOLD_LIST, .name = "listHolds", .method = METHOD_GET,
        .path = "/v1/holds", .action = "", .tag = "Holds",
        .permission = "payments:read", .http = 200, .answer = ANSWER_HOLDS,
        ASKS(hold_list_query), .refusals = MAY(history_archived),
        .summary = "Lists holds, newest first.",
    },
    [OPERATION_HOLD_READ] = {
        .code = OPERATION_HOLD_READ, .name = "readHold", .method = METHOD_GET,
        .path = "/v1/holds/{id}", .action = "", .tag = "Holds",
        .permission = "payments:read", .http = 200, .answer = ANSWER_HOLD,
        .command = COMMAND_READ_HOLD,
        WITH_ID(ID_HOLD, subject),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Shows a hold as it is now.",
    },
    [OPERATION_CAPTURE] = {
        .code = OPERATION_CAPTURE, .name = "captureHold", .method = METHOD_POST,
        .path = "/v1/holds/{id}/capture", .action = "capture", .tag = "Holds",
        .permission = "holds:capture", .http = 201, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_CAPTURE,
        .batch_type = "capture", .batch_id = "hold",
        WITH_ID(ID_HOLD, subject), CHANGES_WALLET, BODY(capture_body),
        .refusals = MAY_MOVE | MAY(wallet_frozen) | MAY(hold_not_open) | MAY(capture_exceeds_hold) |
                    MAY(balance_limit_exceeded) | MAY(cannot_pay),
        .summary = "Pays the merchant from what a hold set aside.",
    },
    [OPERATION_VOID] = {
        .code = OPERATION_VOID, .name = "voidHold", .method = METHOD_POST,
        .path = "/v1/holds/{id}/void", .action = "void", .tag = "Holds",
        .permission = "holds:capture", .http = 200, .answer = ANSWER_HOLD,
        .command = COMMAND_VOID,
        .batch_type = "void", .batch_id = "hold",
        WITH_ID(ID_HOLD, subject), CHANGES_WALLET,
        .refusals = MAY_CONCERN_WALLET | MAY(hold_not_open),
        .summary = "Frees what a hold set aside.",
    },
    [OPERATION_BATCH] = {
        .code = OPERATION_BATCH, .name = "batch", .method = METHOD_POST,
        .path = "/v1/batches", .action = "", .tag = "Payments", .queue_type = "batch",
        .permission = "batches:write", .http = 200, .answer = ANSWER_BATCH,
        .is_write = true, .takes_body = true, .body_bytes_max = LIMIT_BATCH_BODY_BYTES_MAX,
        BODY(batch_body),
        .refusals = MAY_BATCH,
        .summary = "Does up to 10,000 operations in order, each under its own permission.",
    },
    [OPERATION_TRANSACTION_LIST] = {
        .code = OPERATION_TRANSACTION_LIST, .name = "listTransactions", .method = METHOD_GET,
        .path = "/v1/transactions", .action = "", .tag = "Payments",
        .permission = "payments:read", .http = 200, .answer = ANSWER_TRANSACTIONS,
        ASKS(transaction_list_query), .refusals = MAY(history_archived),
        .summary = "Lists transactions, newest first.",
    },
    [OPERATION_TRANSACTION_READ] = {
        .code = OPERATION_TRANSACTION_READ, .name = "readTransaction", .method = METHOD_GET,
        .path = "/v1/transactions/{id}", .action = "", .tag = "Payments",
        .permission = "payments:read", .http = 200, .answer = ANSWER_TRANSACTION,
        .command = COMMAND_READ_TRANSACTION,
        WITH_ID(ID_TRANSACTION, subject),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Shows a transaction.",
    },
    [OPERATION_OPERATION_READ] = {
        .code = OPERATION_OPERATION_READ, .name = "readOperation", .method = METHOD_GET,
        .path = "/v1/operations/{id}", .action = "", .tag = "Payments",
        .permission = "payments:read", .http = 200, .answer = ANSWER_OPERATION,
        .command = COMMAND_READ_OPERATION, .has_id = true, .id_is_token = true,
        .refusals = MAY(not_found),
        .summary = "Shows what became of a queued operation; `Prefer: wait=5` waits for it.",
    },
    [OPERATION_QUEUE_READ] = {
        .code = OPERATION_QUEUE_READ, .name = "readQueue", .method = METHOD_GET,
        .path = "/v1/queue", .action = "", .tag = "Queue",
        .permission = "queue:read", .http = 200, .answer = ANSWER_QUEUE,
        .refusals = MAY(not_found),
        .summary = "Shows where queued commands stand, partition by partition, and what waits "
                   "for a person.",
    },
    [OPERATION_QUEUE_RESET] = {
        .code = OPERATION_QUEUE_RESET, .name = "resetPartition", .method = METHOD_POST,
        .path = "/v1/queue/{id}/reset", .action = "reset", .tag = "Queue",
        .permission = "queue:decide", .http = 200, .answer = ANSWER_QUEUE_DECISION,
        .has_id = true, .id_is_token = true, WRITE, BODY(queue_reset_body),
        .refusals = MAY(not_found),
        .summary = "Lets a partition, named as Kafka does (`florin.commands-3`), go on at another "
                   "place.",
    },
    [OPERATION_QUEUE_SKIP] = {
        .code = OPERATION_QUEUE_SKIP, .name = "skipRecord", .method = METHOD_POST,
        .path = "/v1/queue/{id}/skip", .action = "skip", .tag = "Queue",
        .permission = "queue:decide", .http = 200, .answer = ANSWER_QUEUE_DECISION,
        .has_id = true, .id_is_token = true, WRITE, BODY(queue_skip_body),
        .refusals = MAY(not_found),
        .summary = "Sends one record of a partition off: it becomes a dead letter, its operation "
                   "ends as refused, and its slot goes on behind it.",
    },
    [OPERATION_LETTER_LIST] = {
        .code = OPERATION_LETTER_LIST, .name = "listDeadLetters", .method = METHOD_GET,
        .path = "/v1/dead-letters", .action = "", .tag = "Queue",
        .permission = "queue:read", .http = 200, .answer = ANSWER_LETTERS,
        .refusals = MAY(not_found),
        .summary = "Lists queued records that can never succeed, newest first, at most a "
                   "thousand.",
    },
    [OPERATION_LETTER_RETRY] = {
        .code = OPERATION_LETTER_RETRY, .name = "retryDeadLetter", .method = METHOD_POST,
        .path = "/v1/dead-letters/{id}/retry", .action = "retry", .tag = "Queue",
        .permission = "queue:decide", .http = 200, .answer = ANSWER_QUEUE_DECISION,
        .has_id = true, .id_is_token = true, WRITE,
        .refusals = MAY(not_found),
        .summary = "Sends a dead letter back to the queue as it came.",
    },
    [OPERATION_WEBHOOK_LIST] = {
        .code = OPERATION_WEBHOOK_LIST, .name = "listWebhooks", .method = METHOD_GET,
        .path = "/v1/webhooks", .action = "", .tag = "Webhooks",
        .permission = "webhooks:read", .http = 200, .answer = ANSWER_WEBHOOKS,
        .summary = "Lists the endpoints that are told what was committed, and how they are doing.",
    },
    [OPERATION_WEBHOOK_RESUME] = {
        .code = OPERATION_WEBHOOK_RESUME, .name = "resumeWebhook", .method = METHOD_POST,
        .path = "/v1/webhooks/{id}/resume", .action = "resume", .tag = "Webhooks",
        .permission = "webhooks:decide", .http = 200, .answer = ANSWER_WEBHOOK,
        .has_id = true, .id_is_token = true, WRITE, BODY(webhook_body),
        .refusals = MAY(not_found),
        .summary = "Goes on delivering to an endpoint that is gone or paused, or tries one again "
                   "at once.",
    },
    [OPERATION_WEBHOOK_PAUSE] = {
        .code = OPERATION_WEBHOOK_PAUSE, .name = "pauseWebhook", .method = METHOD_POST,
        .path = "/v1/webhooks/{id}/pause", .action = "pause", .tag = "Webhooks",
        .permission = "webhooks:decide", .http = 200, .answer = ANSWER_WEBHOOK,
        .has_id = true, .id_is_token = true, WRITE, BODY(webhook_body),
        .refusals = MAY(not_found),
        .summary = "Delivers nothing to an endpoint until it is resumed; nothing is lost.",
    },
    [OPERATION_WEBHOOK_SKIP] = {
        .code = OPERATION_WEBHOOK_SKIP, .name = "skipWebhookEvent", .method = METHOD_POST,
        .path = "/v1/webhooks/{id}/skip", .action = "skip", .tag = "Webhooks",
        .permission = "webhooks:decide", .http = 200, .answer = ANSWER_WEBHOOK,
        .has_id = true, .id_is_token = true, WRITE, BODY(webhook_skip_body),
        .refusals = MAY(not_found),
        .summary = "Gives up the oldest change that an endpoint does not take, and goes on behind "
                   "it.",
    },
    [OPERATION_WEBHOOK_REPLAY] = {
        .code = OPERATION_WEBHOOK_REPLAY, .name = "replayWebhook", .method = METHOD_POST,
        .path = "/v1/webhooks/{id}/replay", .action = "replay", .tag = "Webhooks",
        .permission = "webhooks:decide", .http = 200, .answer = ANSWER_WEBHOOK,
        .has_id = true, .id_is_token = true, WRITE, BODY(webhook_replay_body),
        .refusals = MAY(not_found),
        .summary = "Tells an endpoint again what was committed since a time.",
    },
    [OPERATION_ADJUSTMENT] = {
        .code = OPERATION_ADJUSTMENT, .name = "adjust", .method = METHOD_POST,
        .path = "/v1/adjustments", .action = "", .tag = "Approvals",
        .permission = "adjustments:write", .http = 202, .answer = ANSWER_APPROVAL,
        .command = COMMAND_ADJUSTMENT,
        CHANGES_WALLET, BODY(adjustment_body),
        .refusals = MAY_MOVE | MAY(insufficient_funds) | MAY(balance_limit_exceeded),
        .summary = "Asks to put a wallet right, from the world outside or to it; waits for "
                   "somebody else's approval.",
    },
    [OPERATION_APPROVAL_LIST] = {
        .code = OPERATION_APPROVAL_LIST, .name = "listApprovals", .method = METHOD_GET,
        .path = "/v1/approvals", .action = "", .tag = "Approvals",
        .permission = "approvals:read", .http = 200, .answer = ANSWER_APPROVALS,
        ASKS(approval_list_query), .refusals = MAY(history_archived),
        .summary = "Lists approvals, newest first; who is bound to an owner sees his own.",
    },
    [OPERATION_APPROVAL_READ] = {
        .code = OPERATION_APPROVAL_READ, .name = "readApproval", .method = METHOD_GET,
        .path = "/v1/approvals/{id}", .action = "", .tag = "Approvals",
        .permission = "approvals:read", .http = 200, .answer = ANSWER_APPROVAL,
        .command = COMMAND_READ_APPROVAL,
        WITH_ID(ID_APPROVAL, subject),
        .refusals = MAY(not_found) | MAY(history_archived),
        .summary = "Shows an approval as it is now.",
    },
    [OPERATION_APPROVE] = {
        .code = OPERATION_APPROVE, .name = "approve", .method = METHOD_POST,
        .path = "/v1/approvals/{id}/approve", .action = "approve", .tag = "Approvals",
        .permission = "approvals:decide", .http = 200, .answer = ANSWER_APPROVAL,
        .command = COMMAND_APPROVE,
        WITH_ID(ID_APPROVAL, subject), WRITE, BODY(decision_body),
        .refusals = MAY(not_found) | MAY(approval_not_pending) | MAY(second_principal_needed) |
                    MAY(history_archived),
        .summary = "Lets a request go that waits; it is decided again, and may be refused then.",
    },
    [OPERATION_REJECT] = {
        .code = OPERATION_REJECT, .name = "reject", .method = METHOD_POST,
        .path = "/v1/approvals/{id}/reject", .action = "reject", .tag = "Approvals",
        .permission = "approvals:decide", .http = 200, .answer = ANSWER_APPROVAL,
        .command = COMMAND_REJECT,
        WITH_ID(ID_APPROVAL, subject), WRITE, BODY(decision_body),
        .refusals = MAY(not_found) | MAY(approval_not_pending) | MAY(second_principal_needed) |
                    MAY(history_archived),
        .summary = "Turns a request down that waits.",
    },
    [OPERATION_ANOMALY_LIST] = {
        .code = OPERATION_ANOMALY_LIST, .name = "listAnomalies", .method = METHOD_GET,
        .path = "/v1/anomalies", .action = "", .tag = "Anomalies",
        .permission = "anomalies:read", .http = 200, .answer = ANSWER_ANOMALIES,
        ASKS(anomaly_list_query), .summary = "Lists what rules found in payments, newest first.",
    },
    [OPERATION_ANOMALY_READ] = {
        .code = OPERATION_ANOMALY_READ, .name = "readAnomaly", .method = METHOD_GET,
        .path = "/v1/anomalies/{id}", .action = "", .tag = "Anomalies",
        .permission = "anomalies:read", .http = 200, .answer = ANSWER_ANOMALY,
        .command = COMMAND_READ_ANOMALY, WITH_ID(ID_ANOMALY, subject), .refusals = MAY(not_found),
        .summary = "Shows an anomaly as it is now.",
    },
    [OPERATION_ANOMALY_APPROVE] = {
        .code = OPERATION_ANOMALY_APPROVE, .name = "approveAnomaly", .method = METHOD_POST,
        .path = "/v1/anomalies/{id}/approve", .action = "approve", .tag = "Anomalies",
        .permission = "anomalies:decide", .http = 200, .answer = ANSWER_ANOMALY,
        .command = COMMAND_ANOMALY_APPROVE, WITH_ID(ID_ANOMALY, subject), WRITE,
        BODY(anomaly_body),
        .refusals = MAY(not_found) | MAY(anomaly_not_pending) | MAY(second_principal_needed),
        .summary = "Lets a held payment go; it is decided again, and may be refused then.",
    },
    [OPERATION_ANOMALY_REJECT] = {
        .code = OPERATION_ANOMALY_REJECT, .name = "rejectAnomaly", .method = METHOD_POST,
        .path = "/v1/anomalies/{id}/reject", .action = "reject", .tag = "Anomalies",
        .permission = "anomalies:decide", .http = 200, .answer = ANSWER_ANOMALY,
        .command = COMMAND_ANOMALY_REJECT, WITH_ID(ID_ANOMALY, subject), WRITE,
        BODY(anomaly_body), .refusals = MAY(not_found) | MAY(anomaly_not_pending),
        .summary = "Turns a held payment down; its money is free again.",
    },
    [OPERATION_ANOMALY_DISMISS] = {
        .code = OPERATION_ANOMALY_DISMISS, .name = "dismissAnomaly", .method = METHOD_POST,
        .path = "/v1/anomalies/{id}/dismiss", .action = "dismiss", .tag = "Anomalies",
        .permission = "anomalies:decide", .http = 200, .answer = ANSWER_ANOMALY,
        .command = COMMAND_ANOMALY_DISMISS, WITH_ID(ID_ANOMALY, subject), WRITE,
        BODY(anomaly_body), .refusals = MAY(not_found) | MAY(anomaly_not_pending),
        .summary = "Says that somebody has looked at a flagged payment, and that it is well.",
    },
    [OPERATION_CHECK_INTEGRITY] = {
        .code = OPERATION_CHECK_INTEGRITY, .name = "checkIntegrity", .method = METHOD_GET,
        .path = "/check-integrity", .action = "", .tag = "Books",
        .permission = "books:read", .http = 200, .answer = ANSWER_INTEGRITY,
        ASKS(integrity_query),
        .summary = "Says whether the books are consistent: at once, or after adding them all up.",
    },
    [OPERATION_RESUME_PAYMENTS] = {
        .code = OPERATION_RESUME_PAYMENTS, .name = "resumePayments", .method = METHOD_POST,
        .path = "/check-integrity/resume", .action = "", .tag = "Books",
        .permission = "books:resume", .http = 200, .answer = ANSWER_HEALTH, WRITE,
        .summary = "Decides that payments go on after an alarm has stopped them.",
    },
    [OPERATION_KEY_CREATE] = {
        .code = OPERATION_KEY_CREATE, .name = "createKey", .method = METHOD_POST,
        .path = "/v1/keys", .action = "", .tag = "Keys",
        .permission = "keys:write", .http = 201, .answer = ANSWER_KEY,
        .command = COMMAND_KEY_CREATE,
        WRITE, BODY(key_create_body),
        .summary = "Makes an API key; its secret is shown this once.",
    },
    [OPERATION_KEY_LIST] = {
        .code = OPERATION_KEY_LIST, .name = "listKeys", .method = METHOD_GET,
        .path = "/v1/keys", .action = "", .tag = "Keys",
        .permission = "keys:read", .http = 200, .answer = ANSWER_KEYS,
        ASKS(key_list_query),
        .summary = "Lists API keys, newest first, without their secrets.",
    },
    [OPERATION_KEY_READ] = {
        .code = OPERATION_KEY_READ, .name = "readKey", .method = METHOD_GET,
        .path = "/v1/keys/{id}", .action = "", .tag = "Keys",
        .permission = "keys:read", .http = 200, .answer = ANSWER_KEY,
        WITH_ID(ID_KEY, subject),
        .refusals = MAY(not_found),
        .summary = "Shows an API key that is not revoked, without its secret.",
    },
    [OPERATION_KEY_REVOKE] = {
        .code = OPERATION_KEY_REVOKE, .name = "revokeKey", .method = METHOD_DELETE,
        .path = "/v1/keys/{id}", .action = "", .tag = "Keys",
        .permission = "keys:write", .http = 204, .answer = ANSWER_NOTHING,
        .command = COMMAND_KEY_REVOKE,
        WITH_ID(ID_KEY, subject), WRITE,
        .refusals = MAY(not_found) | MAY(last_admin_key),
        .summary = "Ends an API key at once, also for requests under way.",
    },
    [OPERATION_KEY_ROTATE] = {
        .code = OPERATION_KEY_ROTATE, .name = "rotateKey", .method = METHOD_POST,
        .path = "/v1/keys/{id}/rotate", .action = "rotate", .tag = "Keys",
        .permission = "keys:write", .http = 200, .answer = ANSWER_KEY,
        .command = COMMAND_KEY_ROTATE,
        WITH_ID(ID_KEY, subject), WRITE, BODY(key_rotate_body),
        .refusals = MAY(not_found),
        .summary = "Gives an API key a new secret, shown this once; the old one works until the "
                   "overlap ends.",
    },
    [OPERATION_ERASE] = {
        .code = OPERATION_ERASE, .name = "eraseOwnerData", .method = METHOD_DELETE,
        .path = "/v1/owners/{owner}/data", .action = "data", .tag = "Owners",
        .permission = "owners:erase", .http = 200, .answer = ANSWER_ERASURE,
        .command = COMMAND_OWNER_FORGET, .has_id = true, .id_is_owner = true, WRITE,
        .refusals = MAY(owner_unknown) | MAY(encryption_off),
        .summary = "Destroys the key of an owner's encrypted texts (reference, reason, metadata): "
                   "they are gone for ever, money and history stay.",
    },
    [OPERATION_ME] = {
        .code = OPERATION_ME, .name = "readMe", .method = METHOD_GET,
        .path = "/v1/me", .action = "", .tag = "Keys",
        .permission = "none", .http = 200, .answer = ANSWER_ME,
        .summary = "Says who asks and what he may do.",
    },
    [OPERATION_AUDIT_LIST] = {
        .code = OPERATION_AUDIT_LIST, .name = "listAudit", .method = METHOD_GET,
        .path = "/v1/audit", .action = "", .tag = "Audit",
        .permission = "audit:read", .http = 200, .answer = ANSWER_AUDIT,
        ASKS(audit_list_query), .refusals = MAY(history_archived),
        .summary = "Lists who did what, and what was refused, newest first.",
    },
    [OPERATION_HEALTH] = {
        .code = OPERATION_HEALTH, .name = "readHealth", .method = METHOD_GET,
        .path = "/healthz", .action = "", .tag = "Server",
        .permission = "none", .http = 200, .answer = ANSWER_HEALTH,
        .is_public = true,
        .summary = "Says that the server lives.",
    },
    [OPERATION_READY] = {
        .code = OPERATION_READY, .name = "readReadiness", .method = METHOD_GET,
        .path = "/readyz", .action = "", .tag = "Server",
        .permission = "none", .http = 200, .answer = ANSWER_HEALTH,
        .is_public = true,
        .summary = "Says whether the server takes requests; 503 while it stops.",
    },
    [OPERATION_METRICS] = {
        .code = OPERATION_METRICS, .name = "readMetrics", .method = METHOD_GET,
        .path = "/metrics", .action = "", .tag = "Server",
        .permission = "books:read", .http = 200, .answer = ANSWER_METRICS,
        .is_public = true, .loopback_only = true,
        .summary = "Metrics for Prometheus; without a key only from the same machine.",
    },
    [OPERATION_OPENAPI] = {
        .code = OPERATION_OPENAPI, .name = "readOpenapi", .method = METHOD_GET,
        .path = "/openapi.json", .action = "", .tag = "Server",
        .permission = "none", .http = 200, .answer = ANSWER_OPENAPI,
        .is_public = true,
        .summary = "This API as an OpenAPI 3.1 document.",
    },
};
