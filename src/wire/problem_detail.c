// SPDX-License-Identifier: MIT
// Sentences are put together from ids, amounts and words of ours, none of which needs an escape in
// JSON; what a client sent never stands in one.
//
// What `asked` and `has` of a refusal mean depends on its status; decide.c fills them in:
//   insufficient_funds       amount asked         what the wallet can spend
//   balance_limit_exceeded   amount asked         balance
//   version_mismatch         version expected     version
//   capture_exceeds_hold     amount asked         what remains held
//   refund_exceeds_purchase  amount asked         what is left of the purchase
//   wallet_not_empty         what is held         balance
//   credit_limit_in_use      limit asked          credit in use
//   hold_not_open, withdrawal_not_pending         its status
#include "wire/problem_detail.h"

#include "base/check.h"
#include "ledger/spending.h"
#include "wire/problem.h"
#include "wire/render_parts.h"

static const char *const thing_names[ID_TYPE_COUNT] = {
    [ID_WALLET] = "wallet",         [ID_TRANSACTION] = "transaction", [ID_HOLD] = "hold",
    [ID_WITHDRAWAL] = "withdrawal", [ID_KEY] = "key",
    [ID_APPROVAL] = "approval",     [ID_ANOMALY] = "anomaly",
};

void problem_add_money(struct buffer *buffer, int64_t amount, const struct currency *currency) {
    CHECK(currency->exponent <= LIMIT_CURRENCY_EXPONENT_MAX);
    uint64_t unit = 1;
    for (unsigned i = 0; i < currency->exponent; i++)
        unit *= 10;
    uint64_t size = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    if (amount < 0)
        BUFFER_ADD(buffer, "-");
    buffer_add_u64(buffer, size / unit);
    uint64_t rest = size % unit;
    if (unit > 1)
        BUFFER_ADD(buffer, ".");
    for (uint64_t place = unit / 10; place > 0; place /= 10) {
        char digit = (char)('0' + rest / place % 10);
        buffer_add(buffer, &digit, 1);
    }
    if (currency_is_given(currency)) {
        BUFFER_ADD(buffer, " ");
        buffer_add_slice(buffer, currency_code(currency));
    }
}

bool problem_has_detail(const struct refusal *refusal) {
    CHECK(refusal->id_type < ID_TYPE_COUNT);
    if (id_is_zero(refusal->id))
        return false;
    switch ((enum status)refusal->status) {
    case STATUS_unauthenticated:
    case STATUS_forbidden:
    case STATUS_not_found:
    case STATUS_same_wallet:
    case STATUS_currency_mismatch:
    case STATUS_not_a_merchant:
    case STATUS_not_a_purchase:
    case STATUS_wallet_closed:
    case STATUS_wallet_frozen:
    case STATUS_version_mismatch:
    case STATUS_duplicate_bank_transaction:
    case STATUS_hold_not_open:
    case STATUS_withdrawal_not_pending:
    case STATUS_capture_exceeds_hold:
    case STATUS_refund_exceeds_purchase:
    case STATUS_insufficient_funds:
    case STATUS_balance_limit_exceeded:
    case STATUS_wallet_not_empty:
    case STATUS_credit_limit_in_use:
    case STATUS_cannot_receive:
    case STATUS_cannot_pay:
    case STATUS_limit_exceeded:
    case STATUS_approval_required:
    case STATUS_approval_not_pending:
    case STATUS_refused_by_rule:
    case STATUS_held_for_review:
    case STATUS_anomaly_not_pending:
    case STATUS_history_archived:
    case STATUS_last_admin_key: return true;
    default: return false;
    }
}

static void add_id(struct buffer *buffer, enum id_type type, struct id id) {
    char *room = (char *)buffer_room(buffer, ID_TEXT_BYTES_MAX);
    buffer->size += id_format(type, id, room);
}

static void add_amount(struct buffer *buffer, const struct refusal *refusal, int64_t amount) {
    problem_add_money(buffer, amount, &refusal->currency);
}

static void add_funds(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " can spend ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, ", and ");
    add_amount(buffer, refusal, refusal->asked);
    BUFFER_ADD(buffer, " was asked. Deposit at least ");
    add_amount(buffer, refusal, refusal->asked - refusal->has);
    BUFFER_ADD(buffer, " first, or ask for less.");
}

static const char *const spending_words[] = {"", "transaction", "day", "month"};

static void add_limit(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " may spend ");
    add_amount(buffer, refusal, refusal->has);
    buffer_add_text(buffer, refusal->detail == SPENDING_TRANSACTION ? " in one transaction"
                            : refusal->detail == SPENDING_DAY       ? " more today (UTC)"
                            : refusal->detail == SPENDING_MONTH     ? " more this month (UTC)"
                                                                    : " more");
    BUFFER_ADD(buffer, ", and ");
    add_amount(buffer, refusal, refusal->asked);
    buffer_add_text(buffer, refusal->detail == SPENDING_DAY
                                ? " was asked. Ask for less, or wait for the next day."
                            : refusal->detail == SPENDING_MONTH
                                ? " was asked. Ask for less, or wait for the next month."
                                : " was asked. Ask for less.");
}

static void add_balance_limit(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " has ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, "; with ");
    add_amount(buffer, refusal, refusal->asked);
    BUFFER_ADD(buffer, " more it would be beyond the ");
    add_amount(buffer, refusal, LIMIT_AMOUNT_MAX);
    BUFFER_ADD(buffer, " that a wallet can have. Pay into another wallet, or move money out "
                       "first.");
}

static void add_not_empty(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " has ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, ", of which ");
    add_amount(buffer, refusal, refusal->asked);
    BUFFER_ADD(buffer, " is held; it can be closed once both are zero.");
}

static void add_credit_in_use(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " uses ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, " of its credit, and a limit of ");
    add_amount(buffer, refusal, refusal->asked);
    BUFFER_ADD(buffer, " was asked. Deposit at least ");
    add_amount(buffer, refusal, refusal->has - refusal->asked);
    BUFFER_ADD(buffer, " first, or choose a higher limit.");
}

static void add_version(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, " has version ");
    buffer_add_i64(buffer, refusal->has);
    BUFFER_ADD(buffer, ", and If-Match asked for ");
    buffer_add_i64(buffer, refusal->asked);
    BUFFER_ADD(buffer, ". Read the wallet again and decide anew.");
}

// Nothing when it was remembered without its wallet.
static void add_whose(struct buffer *buffer, const struct refusal *refusal) {
    if (id_is_zero(refusal->other))
        return;
    BUFFER_ADD(buffer, " of wallet ");
    add_id(buffer, ID_WALLET, refusal->other);
}

static void add_state(struct buffer *buffer, const struct refusal *refusal) {
    bool is_hold = refusal->status == STATUS_hold_not_open;
    add_whose(buffer, refusal);
    BUFFER_ADD(buffer, " is ");
    buffer_add_text(buffer, is_hold
                                ? hold_status_name((enum hold_status)refusal->has)
                                : withdrawal_status_name((enum withdrawal_status)refusal->has));
    buffer_add_text(buffer, is_hold ? ", and only an open hold can be captured or voided. Make a "
                                      "new hold, or purchase directly."
                                    : ", and only a pending withdrawal can be settled or failed. "
                                      "Make a new one if money is still to go out.");
}

static void add_capture(struct buffer *buffer, const struct refusal *refusal) {
    add_whose(buffer, refusal);
    BUFFER_ADD(buffer, " has ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, " left, and ");
    add_amount(buffer, refusal, refusal->asked);
    BUFFER_ADD(buffer, " was asked. Capture at most what is left.");
}

static void add_refund(struct buffer *buffer, const struct refusal *refusal) {
    add_whose(buffer, refusal);
    BUFFER_ADD(buffer, " has ");
    add_amount(buffer, refusal, refusal->has);
    BUFFER_ADD(buffer, " left to refund, and ");
    add_amount(buffer, refusal, refusal->asked);
    buffer_add_text(buffer, refusal->has == 0
                                ? " was asked. All of it went back already."
                                : " was asked. Refund at most what is left.");
}

static struct slice rule_of(const struct refusal *refusal) {
    return slice_of((const uint8_t *)refusal->rule,
                    strnlen(refusal->rule, sizeof(refusal->rule)));
}

static void add_approval(struct buffer *buffer) {
    BUFFER_ADD(buffer, ": so much needs somebody else's approval, for which an atomic batch "
                       "cannot wait. Send it alone.");
}

static void add_rule(struct buffer *buffer, const struct refusal *refusal) {
    bool refused = refusal->status == STATUS_refused_by_rule;
    buffer_add_text(buffer, refused ? " may not pay this: " : ": ");
    bool is_told = rule_of(refusal).size != 0; // not to those who are bound to an owner
    buffer_add_text(buffer, is_told ? "the rule " : "a rule");
    buffer_add_slice(buffer, rule_of(refusal));
    if (refused)
        BUFFER_ADD(buffer, " refuses it. Nothing was paid.");
    else
        BUFFER_ADD(buffer, " wants somebody to look at this first, for which an atomic batch "
                           "cannot wait. Send it alone.");
}

static void add_anomaly(struct buffer *buffer, const struct refusal *refusal) {
    if (refusal->has != PARKED_PENDING) {
        BUFFER_ADD(buffer, " is ");
        buffer_add_text(buffer, parked_status_name((enum parked_status)refusal->has));
        BUFFER_ADD(buffer, ", and only a pending one can be decided.");
    } else if (refusal->detail == PARKED_FLAGGED) {
        BUFFER_ADD(buffer, " is about a payment that went on: nothing is held, so it can only be "
                           "dismissed.");
    } else {
        BUFFER_ADD(buffer, " holds a payment: approve or reject it.");
    }
}

static void add_duplicate(struct buffer *buffer, const struct refusal *refusal) {
    bool is_of_batch = id_is_zero(refusal->other); // which was undone
    buffer_add_text(buffer, is_of_batch ? "This bank transaction stands twice in this batch"
                                        : "This bank transaction is booked already, as ");
    if (!is_of_batch)
        add_id(buffer, ID_TRANSACTION, refusal->other);
    BUFFER_ADD(buffer, "; nothing was booked to wallet ");
    add_id(buffer, refusal->id_type, refusal->id);
    BUFFER_ADD(buffer, ". Each bank_transaction_id is booked once per currency.");
}

static void add_archived(struct buffer *buffer, const struct refusal *refusal) {
    if (refusal->id_type == ID_WALLET)
        BUFFER_ADD(buffer, " is here, but its history of that time is archived. Ask for a later "
                           "time, or whoever runs the books.");
    else
        BUFFER_ADD(buffer, " is of a month that is archived: it can neither be shown nor changed. "
                           "Ask whoever runs the books.");
}

// What follows "Wallet wallet_..." (or another thing and its id).
static void add_asker(struct buffer *buffer, const struct refusal *refusal) {
    if (refusal->status == STATUS_unauthenticated)
        BUFFER_ADD(buffer, " is revoked or has expired. Send a live one.");
    else // of what waited: at the door it has a sentence of its own
        BUFFER_ADD(buffer, " asked for this, and its role may not do it any more. Let somebody "
                           "ask anew whose role may.");
}

static void add_predicate(struct buffer *buffer, const struct refusal *refusal) {
    switch ((enum status)refusal->status) {
    case STATUS_unauthenticated:
    case STATUS_forbidden: add_asker(buffer, refusal); return;
    case STATUS_not_found:
        buffer_add_text(buffer, refusal->id_type == ID_KEY ? " does not exist, or is revoked"
                                                           : " does not exist");
        BUFFER_ADD(buffer, ". Check the id.");
        return;
    case STATUS_history_archived: add_archived(buffer, refusal); return;
    case STATUS_same_wallet:
        BUFFER_ADD(buffer, " is payer and payee at once. Name two different wallets.");
        return;
    case STATUS_currency_mismatch:
        BUFFER_ADD(buffer, " has the currency ");
        buffer_add_slice(buffer, currency_code(&refusal->currency));
        BUFFER_ADD(buffer, ", and another one was asked for or is the other wallet's. Use wallets "
                           "of one currency, and name that one or none.");
        return;
    case STATUS_not_a_merchant:
        BUFFER_ADD(buffer, " is not a merchant's. Use a transfer, or a merchant's wallet.");
        return;
    case STATUS_not_a_purchase:
        BUFFER_ADD(buffer, " is not a purchase, and only purchases can be refunded. Use a transfer "
                           "instead.");
        return;
    case STATUS_wallet_closed:
        BUFFER_ADD(buffer, " is closed: it neither pays nor receives until it is active again.");
        return;
    case STATUS_wallet_frozen:
        BUFFER_ADD(buffer, " is frozen: it does not pay until it is active again.");
        return;
    case STATUS_last_admin_key:
        BUFFER_ADD(buffer, " is the last live admin key. Make another one first.");
        return;
    case STATUS_hold_not_open:
    case STATUS_withdrawal_not_pending: add_state(buffer, refusal); return;
    case STATUS_cannot_receive:
        BUFFER_ADD(buffer,
                   " cannot receive this. Check the id and the currency, or ask who owns it.");
        return;
    case STATUS_approval_required: add_approval(buffer); return;
    case STATUS_approval_not_pending:
        BUFFER_ADD(buffer, " is ");
        buffer_add_text(buffer, parked_status_name((enum parked_status)refusal->has));
        BUFFER_ADD(buffer, ", and only a pending one can be decided.");
        return;
    case STATUS_refused_by_rule:
    case STATUS_held_for_review: add_rule(buffer, refusal); return;
    case STATUS_anomaly_not_pending: add_anomaly(buffer, refusal); return;
    case STATUS_cannot_pay:
        BUFFER_ADD(buffer, " cannot pay this now. Ask who owns it.");
        return;
    case STATUS_limit_exceeded: add_limit(buffer, refusal); return;
    case STATUS_version_mismatch: add_version(buffer, refusal); return;
    case STATUS_capture_exceeds_hold: add_capture(buffer, refusal); return;
    case STATUS_refund_exceeds_purchase: add_refund(buffer, refusal); return;
    case STATUS_insufficient_funds: add_funds(buffer, refusal); return;
    case STATUS_balance_limit_exceeded: add_balance_limit(buffer, refusal); return;
    case STATUS_wallet_not_empty: add_not_empty(buffer, refusal); return;
    case STATUS_credit_limit_in_use: add_credit_in_use(buffer, refusal); return;
    default: UNREACHABLE("a refusal without a sentence");
    }
}

void problem_add_detail(struct buffer *buffer, const struct refusal *refusal) {
    static const char *const subjects[ID_TYPE_COUNT] = {
        [ID_WALLET] = "Wallet ",         [ID_TRANSACTION] = "Transaction ",
        [ID_HOLD] = "Hold ",             [ID_WITHDRAWAL] = "Withdrawal ",
        [ID_KEY] = "Key ",               [ID_APPROVAL] = "Approval ",
        [ID_ANOMALY] = "Anomaly ",
    };
    if (refusal->status == STATUS_duplicate_bank_transaction) {
        add_duplicate(buffer, refusal);
        return;
    }
    buffer_add_text(buffer, subjects[refusal->id_type]);
    add_id(buffer, refusal->id_type, refusal->id);
    add_predicate(buffer, refusal);
}

static void add_number(struct buffer *buffer, const char *name, int64_t value) {
    BUFFER_ADD(buffer, ",\"");
    buffer_add_text(buffer, name);
    BUFFER_ADD(buffer, "\":");
    buffer_add_i64(buffer, value);
}

static void add_numbers(struct buffer *buffer, const struct refusal *refusal, const char *has,
                        const char *asked) {
    if (currency_is_given(&refusal->currency)) {
        BUFFER_ADD(buffer, ",\"currency\":");
        render_code(buffer, &refusal->currency);
    }
    add_number(buffer, has, refusal->has);
    add_number(buffer, asked, refusal->asked);
}

void problem_add_fields(struct buffer *buffer, const struct refusal *refusal) {
    BUFFER_ADD(buffer, ",\"");
    buffer_add_text(buffer, thing_names[refusal->id_type]);
    BUFFER_ADD(buffer, "\":");
    render_id(buffer, refusal->id_type, refusal->id);
    if (!id_is_zero(refusal->other) && refusal_other_type(refusal) == ID_WALLET) {
        BUFFER_ADD(buffer, ",\"wallet\":");
        render_id(buffer, ID_WALLET, refusal->other);
    }
    switch ((enum status)refusal->status) {
    case STATUS_duplicate_bank_transaction:
        if (id_is_zero(refusal->other))
            return;
        BUFFER_ADD(buffer, ",\"transaction\":");
        render_id(buffer, ID_TRANSACTION, refusal->other);
        return;
    case STATUS_currency_mismatch:
        BUFFER_ADD(buffer, ",\"currency\":");
        render_code(buffer, &refusal->currency);
        return;
    case STATUS_refused_by_rule:
    case STATUS_held_for_review:
        if (rule_of(refusal).size == 0)
            return;
        BUFFER_ADD(buffer, ",\"rule\":");
        render_plain(buffer, rule_of(refusal));
        return;
    case STATUS_anomaly_not_pending:
        BUFFER_ADD(buffer, ",\"anomaly_status\":");
        render_word(buffer, parked_status_name((enum parked_status)refusal->has));
        return;
    case STATUS_approval_not_pending:
        BUFFER_ADD(buffer, ",\"approval_status\":");
        render_word(buffer, parked_status_name((enum parked_status)refusal->has));
        return;
    case STATUS_hold_not_open:
        BUFFER_ADD(buffer, ",\"hold_status\":");
        render_word(buffer, hold_status_name((enum hold_status)refusal->has));
        return;
    case STATUS_withdrawal_not_pending:
        BUFFER_ADD(buffer, ",\"withdrawal_status\":");
        render_word(buffer, withdrawal_status_name((enum withdrawal_status)refusal->has));
        return;
    case STATUS_version_mismatch:
        add_number(buffer, "version", refusal->has);
        add_number(buffer, "asked", refusal->asked);
        return;
    case STATUS_capture_exceeds_hold: add_numbers(buffer, refusal, "remaining", "asked"); return;
    case STATUS_refund_exceeds_purchase:
        add_numbers(buffer, refusal, "refundable", "asked");
        return;
    case STATUS_insufficient_funds: add_numbers(buffer, refusal, "spendable", "asked"); return;
    case STATUS_balance_limit_exceeded: add_numbers(buffer, refusal, "balance", "asked"); return;
    case STATUS_limit_exceeded:
        BUFFER_ADD(buffer, ",\"period\":");
        render_word(buffer, spending_words[refusal->detail]);
        add_numbers(buffer, refusal, "left", "asked");
        return;
    case STATUS_wallet_not_empty: add_numbers(buffer, refusal, "balance", "held"); return;
    case STATUS_credit_limit_in_use: add_numbers(buffer, refusal, "credit_used", "asked"); return;
    default: return;
    }
}
