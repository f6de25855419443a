// SPDX-License-Identifier: MIT
// The table of sub-commands. A new operation of the API becomes a sub-command by a row here.
#include "programs/client/client_table.h"

#include <string.h>

#define FIELD(variable, ...) static const struct client_field variable = {__VA_ARGS__}

// What stands bare in the order in which people say it.
FIELD(wallet_in_path, .name = "wallet", .help = "the wallet's id", .place = CLIENT_IN_PATH,
      .positional = true, .required = true);
FIELD(owner, .name = "owner", .help = "whose wallet it is, in your own words; never changes",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(wallet_currency, .name = "currency",
      .help = "ISO 4217 code such as USD, or one of the server's own", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(receiving_wallet, .name = "wallet", .help = "the wallet that receives",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(paying_wallet, .name = "wallet", .help = "the wallet that pays", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(merchant, .name = "merchant", .help = "the merchant's wallet that is paid",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(payer, .name = "from", .help = "the wallet that pays", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(payee, .name = "to", .help = "the wallet that receives", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(purchase, .name = "purchase", .help = "the id of the purchase or capture (txn_...)",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(amount, .name = "amount", .help = "minor units (1250), or with a currency (12.50USD)",
      .kind = CLIENT_AMOUNT, .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(amount_or_rest, .name = "amount",
      .help = "minor units or with a currency; else all that is left", .kind = CLIENT_AMOUNT,
      .place = CLIENT_IN_BODY, .positional = true);
FIELD(bank_id_required, .name = "bank_transaction_id",
      .help = "the bank's id of it; one id is booked once", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(hold_in_path, .name = "hold", .help = "the hold's id", .place = CLIENT_IN_PATH,
      .positional = true, .required = true);
FIELD(withdrawal_in_path, .name = "withdrawal", .help = "the withdrawal's id",
      .place = CLIENT_IN_PATH, .positional = true, .required = true);
FIELD(transaction_in_path, .name = "transaction", .help = "the transaction's id",
      .place = CLIENT_IN_PATH, .positional = true, .required = true);
FIELD(key_in_path, .name = "id", .help = "the key's id (key_...)", .place = CLIENT_IN_PATH,
      .positional = true, .required = true);
FIELD(key_name, .name = "name", .help = "what the key is called", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(approval_in_path, .name = "id", .help = "the approval's id (apr_...)",
      .place = CLIENT_IN_PATH, .positional = true, .required = true);
FIELD(anomaly_in_path, .name = "id", .help = "the anomaly's id (anm_...)",
      .place = CLIENT_IN_PATH, .positional = true, .required = true);
FIELD(comment, .name = "comment", .help = "why, kept in the books", .place = CLIENT_IN_BODY);
FIELD(adjusted_wallet, .name = "wallet", .help = "the wallet that is put right",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(direction, .name = "direction", .help = "credit (it is given money) or debit",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(reason_required, .name = "reason", .help = "why, kept in the books",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(webhook_in_path, .name = "name", .help = "the endpoint, as the configuration calls it",
      .place = CLIENT_IN_PATH, .positional = true, .required = true);
FIELD(webhook_event, .name = "event", .help = "the oldest event that is not delivered",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(webhook_from, .name = "from",
      .help = "since when, such as 2026-01-31 or 2026-01-31T12:00:00Z", .place = CLIENT_IN_BODY,
      .positional = true, .required = true);
FIELD(webhook_reason, .name = "reason", .help = "why, in up to 64 plain characters",
      .place = CLIENT_IN_BODY, .positional = true, .required = true);
FIELD(key_role, .name = "role",
      .help = "admin, service, auditor, operator, support, merchant, customer or your own",
      .place = CLIENT_IN_BODY,
      .positional = true, .required = true);

// Options of writes.
FIELD(kind, .name = "kind", .help = "customer (the default) or merchant",
      .place = CLIENT_IN_BODY);
FIELD(credit_limit, .name = "credit_limit", .help = "how far below zero it may go",
      .kind = CLIENT_AMOUNT, .place = CLIENT_IN_BODY);
FIELD(tier, .name = "tier", .help = "which limits on spending it has, 0 to 15",
      .kind = CLIENT_NUMBER, .place = CLIENT_IN_BODY);
FIELD(status, .name = "status", .help = "active, frozen or closed", .place = CLIENT_IN_BODY);
FIELD(metadata, .name = "metadata", .help = "NAME=VALUE of your own; may be given again",
      .kind = CLIENT_METADATA, .place = CLIENT_IN_BODY);
FIELD(no_metadata, .name = "metadata", .option = "no-metadata", .constant = "{}",
      .help = "removes all metadata", .kind = CLIENT_FLAG, .place = CLIENT_IN_BODY);
FIELD(bank_id, .name = "bank_transaction_id",
      .help = "when the bank has already paid: settles it at once", .place = CLIENT_IN_BODY);
FIELD(currency, .name = "currency", .help = "refused unless it is the wallet's",
      .place = CLIENT_IN_BODY);
FIELD(order, .name = "order", .help = "your order's number", .place = CLIENT_IN_BODY);
FIELD(reference, .name = "reference", .help = "a text of your own", .place = CLIENT_IN_BODY);
FIELD(reason, .name = "reason", .help = "why, kept in the books", .place = CLIENT_IN_BODY);
FIELD(expires_in, .name = "expires_in", .help = "seconds until it is over by itself",
      .kind = CLIENT_NUMBER, .place = CLIENT_IN_BODY);
FIELD(keep_open, .name = "final", .option = "keep-open", .constant = "false",
      .help = "keeps the rest held for another capture", .kind = CLIENT_FLAG,
      .place = CLIENT_IN_BODY);
FIELD(overlap, .name = "overlap",
      .help = "seconds for which the old secret works too (default one day)",
      .kind = CLIENT_NUMBER, .place = CLIENT_IN_BODY);
FIELD(key_owner, .name = "owner", .help = "whose key it is", .place = CLIENT_IN_BODY);

// Options of lists.
FIELD(at_time, .name = "at",
      .help = "a time of the past, such as 2026-01-31 or 2026-01-31T12:00:00Z",
      .place = CLIENT_IN_QUERY);
FIELD(by_owner, .name = "owner", .help = "only of this owner", .place = CLIENT_IN_QUERY);
FIELD(by_kind, .name = "kind", .help = "only customer or merchant", .place = CLIENT_IN_QUERY);
FIELD(by_status, .name = "status", .help = "only with this status", .place = CLIENT_IN_QUERY);
FIELD(by_currency, .name = "currency", .help = "only in this currency", .place = CLIENT_IN_QUERY);
FIELD(by_wallet, .name = "wallet", .help = "only of this wallet", .place = CLIENT_IN_QUERY);
FIELD(by_merchant, .name = "merchant", .help = "only for this merchant",
      .place = CLIENT_IN_QUERY);
FIELD(by_order, .name = "order", .help = "only with this order", .place = CLIENT_IN_QUERY);
FIELD(by_bank_id, .name = "bank_transaction_id", .help = "only the one with this bank id",
      .place = CLIENT_IN_QUERY);
FIELD(by_type, .name = "type",
      .help = "only deposit, withdrawal, purchase, refund, transfer or adjustment",
      .place = CLIENT_IN_QUERY);
FIELD(by_principal, .name = "initiated_by", .help = "only what this key did",
      .place = CLIENT_IN_QUERY);
FIELD(by_requester, .name = "requested_by", .help = "only what this key asked for",
      .place = CLIENT_IN_QUERY);
FIELD(by_action, .name = "action", .help = "only hold (money is held) or flag",
      .place = CLIENT_IN_QUERY);
FIELD(by_rule, .name = "rule", .help = "only what this rule or pattern found",
      .place = CLIENT_IN_QUERY);
FIELD(since, .name = "from", .help = "only from this time on", .place = CLIENT_IN_QUERY);
FIELD(until, .name = "to", .help = "only before this time", .place = CLIENT_IN_QUERY);
FIELD(limit, .name = "limit", .help = "how many at once, 1 to 1000 (default 50)",
      .kind = CLIENT_NUMBER, .place = CLIENT_IN_QUERY);
FIELD(cursor, .name = "cursor", .help = "where the page before ended", .place = CLIENT_IN_QUERY);

FIELD(audit_principal, .name = "principal", .help = "only what this key did",
      .place = CLIENT_IN_QUERY);
FIELD(by_resource, .name = "resource", .help = "only what names this id", .place = CLIENT_IN_QUERY);
FIELD(by_operation, .name = "operation", .help = "only this, such as purchase or readWallet",
      .place = CLIENT_IN_QUERY);
FIELD(by_outcome, .name = "outcome", .help = "only ok, refused, or a code such as forbidden",
      .place = CLIENT_IN_QUERY);

static const struct client_verb table[] = {
    {"wallet", "create", "POST", "/v1/wallets", NULL,
     "opens a wallet", CLIENT_SHOW_OBJECT, false,
     {&owner, &wallet_currency, &kind, &credit_limit, &tier, &metadata}},
    {"wallet", "show", "GET", "/v1/wallets/{wallet}", NULL,
     "shows a wallet", CLIENT_SHOW_OBJECT, false,
     {&wallet_in_path}},
    {"wallet", "list", "GET", "/v1/wallets", NULL,
     "lists wallets, newest first", CLIENT_SHOW_PAGE, false,
     {&by_owner, &by_kind, &by_status, &by_currency, &limit, &cursor}},
    {"wallet", "balance", "GET", "/v1/wallets/{wallet}/balance", NULL,
     "shows the balance, now or in the past", CLIENT_SHOW_OBJECT, false,
     {&wallet_in_path, &at_time}},
    {"wallet", "limits", "GET", "/v1/wallets/{wallet}/limits", NULL,
     "shows what it may spend, and what is used of that", CLIENT_SHOW_LIMITS, false,
     {&wallet_in_path}},
    {"wallet", "freeze", "PATCH", "/v1/wallets/{wallet}", "\"status\":\"frozen\"",
     "stops all payments out of a wallet", CLIENT_SHOW_OBJECT, true,
     {&wallet_in_path, &reason}},
    {"wallet", "unfreeze", "PATCH", "/v1/wallets/{wallet}", "\"status\":\"active\"",
     "makes a frozen wallet active again", CLIENT_SHOW_OBJECT, true,
     {&wallet_in_path, &reason}},
    {"wallet", "close", "PATCH", "/v1/wallets/{wallet}", "\"status\":\"closed\"",
     "closes an empty wallet", CLIENT_SHOW_OBJECT, true,
     {&wallet_in_path, &reason}},
    {"wallet", "reopen", "PATCH", "/v1/wallets/{wallet}", "\"status\":\"active\"",
     "makes a closed wallet active again", CLIENT_SHOW_OBJECT, true,
     {&wallet_in_path, &reason}},
    {"wallet", "change", "PATCH", "/v1/wallets/{wallet}", NULL,
     "changes status, credit limit or metadata", CLIENT_SHOW_OBJECT, true,
     {&wallet_in_path, &status, &credit_limit, &tier, &metadata, &no_metadata, &reason}},
    {"deposit", NULL, "POST", "/v1/deposits", NULL,
     "books money that came in by bank", CLIENT_SHOW_OBJECT, true,
     {&receiving_wallet, &amount, &bank_id_required, &currency, &reference, &metadata}},
    {"withdraw", NULL, "POST", "/v1/withdrawals", NULL,
     "sets money aside that is to go out by bank", CLIENT_SHOW_OBJECT, true,
     {&paying_wallet, &amount, &bank_id, &currency, &reference, &metadata}},
    {"withdraw", "settle", "POST", "/v1/withdrawals/{withdrawal}/settle", NULL,
     "books that the bank has paid", CLIENT_SHOW_OBJECT, true,
     {&withdrawal_in_path, &bank_id_required, &currency}},
    {"withdraw", "fail", "POST", "/v1/withdrawals/{withdrawal}/fail", NULL,
     "frees the money: the bank did not pay", CLIENT_SHOW_OBJECT, true,
     {&withdrawal_in_path, &reason}},
    {"withdraw", "show", "GET", "/v1/withdrawals/{withdrawal}", NULL,
     "shows a withdrawal", CLIENT_SHOW_OBJECT, false,
     {&withdrawal_in_path}},
    {"withdraw", "list", "GET", "/v1/withdrawals", NULL,
     "lists withdrawals, newest first", CLIENT_SHOW_PAGE, false,
     {&by_wallet, &by_status, &by_bank_id, &since, &until, &limit, &cursor}},
    {"purchase", NULL, "POST", "/v1/purchases", NULL,
     "pays a merchant", CLIENT_SHOW_OBJECT, true,
     {&paying_wallet, &merchant, &amount, &order, &currency, &reference, &metadata}},
    {"refund", NULL, "POST", "/v1/refunds", NULL,
     "gives back a purchase, all or in part", CLIENT_SHOW_OBJECT, true,
     {&purchase, &amount_or_rest, &reason, &currency, &reference, &metadata}},
    {"transfer", NULL, "POST", "/v1/transfers", NULL,
     "moves money from one wallet to another", CLIENT_SHOW_OBJECT, true,
     {&payer, &payee, &amount, &currency, &reference, &metadata}},
    {"hold", NULL, "POST", "/v1/holds", NULL,
     "sets money aside for a merchant", CLIENT_SHOW_OBJECT, true,
     {&paying_wallet, &merchant, &amount, &expires_in, &order, &currency, &reference, &metadata}},
    {"hold", "show", "GET", "/v1/holds/{hold}", NULL,
     "shows a hold", CLIENT_SHOW_OBJECT, false,
     {&hold_in_path}},
    {"hold", "list", "GET", "/v1/holds", NULL,
     "lists holds, newest first", CLIENT_SHOW_PAGE, false,
     {&by_wallet, &by_merchant, &by_status, &by_order, &limit, &cursor}},
    {"capture", NULL, "POST", "/v1/holds/{hold}/capture", NULL,
     "pays the merchant out of a hold", CLIENT_SHOW_OBJECT, true,
     {&hold_in_path, &amount_or_rest, &keep_open, &currency}},
    {"void", NULL, "POST", "/v1/holds/{hold}/void", NULL,
     "frees what a hold still holds", CLIENT_SHOW_OBJECT, true,
     {&hold_in_path}},
    {"adjust", NULL, "POST", "/v1/adjustments", NULL,
     "asks to put a wallet right; somebody else must approve", CLIENT_SHOW_OBJECT, true,
     {&adjusted_wallet, &direction, &amount, &reason_required, &currency, &reference, &metadata}},
    {"approval", "show", "GET", "/v1/approvals/{id}", NULL,
     "shows what waits for somebody else, or did", CLIENT_SHOW_OBJECT, false,
     {&approval_in_path}},
    {"approval", "list", "GET", "/v1/approvals", NULL,
     "lists approvals, newest first", CLIENT_SHOW_PAGE, false,
     {&by_status, &by_requester, &by_wallet, &limit, &cursor}},
    {"approval", "approve", "POST", "/v1/approvals/{id}/approve", NULL,
     "lets it go; it is decided again then", CLIENT_SHOW_OBJECT, false,
     {&approval_in_path, &reason}},
    {"approval", "reject", "POST", "/v1/approvals/{id}/reject", NULL,
     "turns it down", CLIENT_SHOW_OBJECT, false,
     {&approval_in_path, &reason}},
    {"anomalies", "list", "GET", "/v1/anomalies", NULL,
     "lists what rules and patterns found, newest first", CLIENT_SHOW_PAGE, false,
     {&by_status, &by_action, &by_rule, &by_wallet, &since, &until, &limit, &cursor}},
    {"anomalies", "show", "GET", "/v1/anomalies/{id}", NULL,
     "shows what was found, and why", CLIENT_SHOW_OBJECT, false,
     {&anomaly_in_path}},
    {"anomalies", "approve", "POST", "/v1/anomalies/{id}/approve", NULL,
     "lets a held payment go; it is decided again then", CLIENT_SHOW_OBJECT, false,
     {&anomaly_in_path, &comment}},
    {"anomalies", "reject", "POST", "/v1/anomalies/{id}/reject", NULL,
     "turns a held payment down and frees its money", CLIENT_SHOW_OBJECT, false,
     {&anomaly_in_path, &comment}},
    {"anomalies", "dismiss", "POST", "/v1/anomalies/{id}/dismiss", NULL,
     "says that what was flagged is nothing", CLIENT_SHOW_OBJECT, false,
     {&anomaly_in_path, &comment}},
    {"transaction", "show", "GET", "/v1/transactions/{transaction}", NULL,
     "shows a transaction", CLIENT_SHOW_OBJECT, false,
     {&transaction_in_path}},
    {"transaction", "list", "GET", "/v1/transactions", NULL,
     "lists transactions, newest first", CLIENT_SHOW_PAGE, false,
     {&by_type, &by_principal, &by_bank_id, &by_order, &since, &until, &limit, &cursor}},
    {"history", NULL, "GET", "/v1/wallets/{wallet}/transactions", NULL,
     "lists a wallet's transactions, newest first", CLIENT_SHOW_HISTORY, false,
     {&wallet_in_path, &by_type, &since, &until, &limit, &cursor}},
    {"keys", "create", "POST", "/v1/keys", NULL,
     "makes an API key; its secret is shown this once", CLIENT_SHOW_OBJECT, false,
     {&key_name, &key_role, &key_owner, &expires_in}},
    {"keys", "list", "GET", "/v1/keys", NULL,
     "lists API keys, newest first", CLIENT_SHOW_PAGE, false,
     {&limit, &cursor}},
    {"keys", "show", "GET", "/v1/keys/{id}", NULL,
     "shows an API key, without its secret", CLIENT_SHOW_OBJECT, false,
     {&key_in_path}},
    {"keys", "rotate", "POST", "/v1/keys/{id}/rotate", NULL,
     "gives an API key a new secret, shown this once", CLIENT_SHOW_OBJECT, false,
     {&key_in_path, &overlap, &expires_in}},
    {"keys", "revoke", "DELETE", "/v1/keys/{id}", NULL,
     "makes an API key useless at once", CLIENT_SHOW_DONE, false,
     {&key_in_path}},
    {"webhooks", "list", "GET", "/v1/webhooks", NULL,
     "lists the endpoints that are told what was committed", CLIENT_SHOW_PAGE, false,
     {NULL}},
    {"webhooks", "resume", "POST", "/v1/webhooks/{name}/resume", NULL,
     "goes on with one that is gone or paused", CLIENT_SHOW_OBJECT, false,
     {&webhook_in_path, &webhook_reason}},
    {"webhooks", "pause", "POST", "/v1/webhooks/{name}/pause", NULL,
     "delivers nothing to one until it is resumed", CLIENT_SHOW_OBJECT, false,
     {&webhook_in_path, &webhook_reason}},
    {"webhooks", "skip", "POST", "/v1/webhooks/{name}/skip", NULL,
     "gives up the oldest change that one does not take", CLIENT_SHOW_OBJECT, false,
     {&webhook_in_path, &webhook_event, &webhook_reason}},
    {"webhooks", "replay", "POST", "/v1/webhooks/{name}/replay", NULL,
     "tells one again what was committed since a time", CLIENT_SHOW_OBJECT, false,
     {&webhook_in_path, &webhook_from, &webhook_reason}},
    {"audit", NULL, "GET", "/v1/audit", NULL,
     "lists who did what, newest first", CLIENT_SHOW_PAGE, false,
     {&audit_principal, &by_resource, &by_operation, &by_outcome, &since, &until, &limit, &cursor}},
    {"check-integrity", NULL, "GET", "/check-integrity?depth=full", NULL,
     "adds up all the books", CLIENT_SHOW_INTEGRITY, false,
     {NULL}},
};

const struct client_verb *client_table(size_t *ret_count) {
    *ret_count = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct client_verb *client_table_find(const char *noun, const char *word) {
    const struct client_verb *bare = NULL;
    for (size_t at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
        const struct client_verb *verb = &table[at];
        if (strcmp(verb->noun, noun) != 0)
            continue;
        if (verb->verb == NULL)
            bare = verb;
        else if (word != NULL && strcmp(verb->verb, word) == 0)
            return verb;
    }
    return bare;
}
