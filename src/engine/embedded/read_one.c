// SPDX-License-Identifier: MIT
// Reads of what is now travel in the round: they see what the commands before them left, and are
// answered once that is durable.
#include "base/check.h"
#include "engine/embedded/books.h"
#include "ledger/bound.h"

static void read_missing(const struct command *command, enum id_type type,
                         struct outcome *outcome) {
    outcome->status = STATUS_not_found;
    outcome->refusal = (struct refusal){
        .status = STATUS_not_found, .id_type = (uint8_t)type, .id = command->subject};
}

// Whether somebody bound may see what has these two wallets; everybody else may.
static bool sees(const struct books *books, const struct command *command, struct id first,
                 struct id second) {
    if (!command_is_bound(command))
        return true;
    uint64_t own = owner_mark(books->hash_seed, command->bound_to);
    return fetch_owner(books, first) == own || fetch_owner(books, second) == own;
}

static void read_wallet(struct books *books, const struct command *command,
                        struct outcome *outcome) {
    const struct wallet_item *item = state_wallet(&books->state, command->subject);
    if (item == NULL || !sees(books, command, item->wallet.id, item->wallet.id)) {
        read_missing(command, ID_WALLET, outcome);
        return;
    }
    outcome->wallet = item->wallet;
    if (item->wallet.counters != 0)
        outcome->spent = state_spending_at(&books->state, item->wallet.counters)->spent;
    outcome->has_version = true;
    outcome->version = item->wallet.version;
    outcome->record = outcome_position(item->details);
}

static void read_transaction(struct books *books, const struct command *command,
                             struct outcome *outcome) {
    struct record record;
    uint64_t position;
    if (!fetch_transaction(books, command->subject, true, &record, &position) ||
        !sees(books, command, record.transaction.debit.wallet, record.transaction.credit.wallet)) {
        read_missing(command, ID_TRANSACTION, outcome);
        return;
    }
    outcome->record = outcome_position(position);
    fetch_hidden(books, command, &record, outcome);
    if (record.transaction.opening != 0)
        outcome->opening = outcome_position(record.transaction.opening);
    if (record.transaction.type == TRANSACTION_PURCHASE)
        outcome->refunded = state_refunded(&books->state, position, false);
}

static void read_hold(struct books *books, const struct command *command, struct outcome *outcome) {
    const struct hold_item *item = state_hold(&books->state, command->subject);
    if (item == NULL || !sees(books, command, item->hold.wallet, item->hold.merchant)) {
        read_missing(command, ID_HOLD, outcome);
        return;
    }
    outcome->hold = item->hold;
    outcome->record = outcome_position(item->closed != 0 ? item->closed : item->opened);
    if (item->closed != 0)
        outcome->opening = outcome_position(item->opened);
}

static void read_withdrawal(struct books *books, const struct command *command,
                            struct outcome *outcome) {
    const struct withdrawal_item *item = state_withdrawal(&books->state, command->subject);
    if (item == NULL ||
        !sees(books, command, item->withdrawal.wallet, item->withdrawal.wallet)) {
        read_missing(command, ID_WITHDRAWAL, outcome);
        return;
    }
    outcome->withdrawal = item->withdrawal;
    uint64_t latest = item->closed != 0 ? item->closed : item->opened;
    outcome->record = outcome_position(latest);
    if (latest != item->opened)
        outcome->opening = outcome_position(item->opened);
    if (item->withdrawal.status == WITHDRAWAL_SETTLED) {
        struct record record;
        const char *why;
        CHECK(record_decode(journal_read_open(books->journal, latest), &record, &why) == STATUS_ok);
        outcome->transaction = record.transaction.id;
    }
}

// What became of the command with that key: its record, or a refusal that was remembered.
static void read_operation(struct books *books, const struct command *command,
                           struct outcome *outcome) {
    struct record record;
    uint64_t position;
    if (!fetch_earlier(books, command, &record, &position) ||
        !bound_asked(command, &record) || !fetch_may_see(books, command, &record)) {
        outcome->status = outcome->refusal.status = STATUS_not_found;
        return;
    }
    outcome_point(outcome, &record, position);
    outcome_point_now(books, &record, outcome);
    fetch_hidden(books, command, &record, outcome);
}

// Somebody bound sees what he asked for himself.
static void read_approval(struct books *books, const struct command *command,
                          struct outcome *outcome) {
    const struct parked_item *item = state_parked(&books->state, command->subject);
    struct record opening;
    bool is_anomaly = command->type == COMMAND_READ_ANOMALY;
    if (item != NULL && is_anomaly == (item->parked.cause == PARKED_FOR_APPROVAL))
        item = NULL; // they share their places, but not their names
    if (item != NULL)
        fetch_kept(books, item, &opening);
    if (item == NULL || (command_is_bound(command) &&
                         !slice_equal(opening.origin.principal, command->origin.principal))) {
        read_missing(command, is_anomaly ? ID_ANOMALY : ID_APPROVAL, outcome);
        return;
    }
    outcome->parked = item->parked;
    outcome->parked.status = (uint8_t)parked_status_at(&item->parked, books->now_ms);
    outcome->record = outcome_position(item->closed != 0 ? item->closed : item->opened);
    if (item->closed != 0)
        outcome->opening = outcome_position(item->opened);
}

void read_one(struct books *books, const struct command *command, struct outcome *ret_outcome) {
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->status = STATUS_ok;
    const struct docket door = {.now_ms = books->now_ms,
                                .keys = books->state.keys,
                                .key_count = books->state.key_count,
                                .principal = fetch_principal(books, command->principal_key)};
    if (!decide_principal_may(command, &door)) {
        // Revoked, or run out, while the request waited.
        ret_outcome->status = ret_outcome->refusal.status = STATUS_unauthenticated;
        return;
    }
    switch ((enum command_type)command->type) {
    case COMMAND_READ_WALLET: read_wallet(books, command, ret_outcome); return;
    case COMMAND_READ_TRANSACTION: read_transaction(books, command, ret_outcome); return;
    case COMMAND_READ_HOLD: read_hold(books, command, ret_outcome); return;
    case COMMAND_READ_WITHDRAWAL: read_withdrawal(books, command, ret_outcome); return;
    case COMMAND_READ_ANOMALY:
    case COMMAND_READ_APPROVAL: read_approval(books, command, ret_outcome); return;
    case COMMAND_READ_OPERATION: read_operation(books, command, ret_outcome); return;
    case COMMAND_READ_CURSOR:
        ret_outcome->cursor = books->state.cursors[cursor_index(command->cursor->cursor.kind,
                                                                command->cursor->cursor.slot)];
        return;
    default: UNREACHABLE("not a read");
    }
}
