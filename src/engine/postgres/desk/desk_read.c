// SPDX-License-Identifier: MIT
// Reads of what is now travel in the batch and see what the commands before them left; and outcomes
// get their bytes once the batch is committed.
#include "base/check.h"
#include "engine/postgres/desk/desk.h"
#include "ledger/bound.h"

static void read_missing(const struct command *command, enum id_type type,
                         struct outcome *outcome) {
    outcome->status = STATUS_not_found;
    outcome->refusal = (struct refusal){
        .status = STATUS_not_found, .id_type = (uint8_t)type, .id = command->subject};
}

static void read_gone(const struct desk *desk, const struct command *command, enum id_type type,
                      struct outcome *outcome) {
    read_missing(command, type, outcome);
    if (desk_is_archived(desk, command->subject))
        outcome->status = outcome->refusal.status = STATUS_history_archived;
}

// Whether somebody bound may see what has these two wallets; everybody else may.
static bool sees(const struct desk *desk, const struct command *command, struct id first,
                 struct id second) {
    if (!command_is_bound(command))
        return true;
    uint64_t own = owner_mark(desk->hash_seed, command->bound_to);
    return desk_owner(desk, first) == own || desk_owner(desk, second) == own;
}

static void read_wallet(const struct desk *desk, const struct command *command,
                        struct outcome *outcome) {
    const struct wallet_row *row = desk_wallet(desk, command->subject);
    if (row == NULL || !sees(desk, command, row->wallet.id, row->wallet.id)) {
        read_missing(command, ID_WALLET, outcome);
        return;
    }
    outcome->wallet = row->wallet;
    outcome->spent = row->spent;
    outcome->has_version = true;
    outcome->version = row->wallet.version;
    outcome->record = outcome_position(row->details);
}

static void read_transaction(const struct desk *desk, const struct command *command,
                             struct outcome *outcome) {
    struct record record;
    const struct purchase_row *row = desk_transaction(desk, command->subject, &record);
    if (row == NULL) {
        read_missing(command, ID_TRANSACTION, outcome);
        if (desk_is_before_line(desk, command->subject))
            outcome->status = outcome->refusal.status = STATUS_history_archived;
        return;
    }
    if (!sees(desk, command, record.transaction.debit.wallet, record.transaction.credit.wallet)) {
        read_missing(command, ID_TRANSACTION, outcome);
        return;
    }
    outcome->record = outcome_position(row->record * 8);
    desk_hide(desk, command, &record, outcome);
    if (record.transaction.opening != 0)
        outcome->opening = outcome_position(record.transaction.opening);
    if (record.transaction.type == TRANSACTION_PURCHASE)
        outcome->refunded = row->refunded;
}

static void read_hold(const struct desk *desk, const struct command *command,
                      struct outcome *outcome) {
    const struct hold_row *row = desk_hold(desk, command->subject);
    if (row == NULL || !sees(desk, command, row->hold.wallet, row->hold.merchant)) {
        read_missing(command, ID_HOLD, outcome);
        return;
    }
    if (desk_record(desk, row->opened) == NULL) {
        read_gone(desk, command, ID_HOLD, outcome);
        return;
    }
    outcome->hold = row->hold;
    outcome->record = outcome_position(row->closed != 0 ? row->closed : row->opened);
    if (row->closed != 0)
        outcome->opening = outcome_position(row->opened);
}

static void read_withdrawal(const struct desk *desk, const struct command *command,
                            struct outcome *outcome) {
    const struct withdrawal_row *row = desk_withdrawal(desk, command->subject);
    if (row == NULL ||
        !sees(desk, command, row->withdrawal.wallet, row->withdrawal.wallet)) {
        read_missing(command, ID_WITHDRAWAL, outcome);
        return;
    }
    if (desk_record(desk, row->opened) == NULL) {
        read_gone(desk, command, ID_WITHDRAWAL, outcome);
        return;
    }
    outcome->withdrawal = row->withdrawal;
    uint64_t latest = row->closed != 0 ? row->closed : row->opened;
    outcome->record = outcome_position(latest);
    if (latest != row->opened)
        outcome->opening = outcome_position(row->opened);
    if (row->withdrawal.status == WITHDRAWAL_SETTLED) {
        struct record record;
        const char *why;
        const struct record_row *settled = desk_record(desk, latest);
        CHECK(settled != NULL && record_decode(settled->bytes, &record, &why) == STATUS_ok);
        outcome->transaction = record.transaction.id;
    }
}

// Somebody bound sees what he asked for himself.
static void read_approval(const struct desk *desk, const struct command *command,
                          struct outcome *outcome) {
    const struct parked_row *row = desk_parked(desk, command->subject);
    bool is_anomaly = command->type == COMMAND_READ_ANOMALY;
    if (row != NULL && is_anomaly == (row->parked.cause == PARKED_FOR_APPROVAL))
        row = NULL; // they share their numbers, but not their names
    if (row == NULL && !command_is_bound(command)) {
        read_gone(desk, command, is_anomaly ? ID_ANOMALY : ID_APPROVAL, outcome);
        return;
    }
    if (row == NULL || (command_is_bound(command) &&
                        !slice_equal(row->principal, command->origin.principal))) {
        read_missing(command, is_anomaly ? ID_ANOMALY : ID_APPROVAL, outcome);
        return;
    }
    outcome->parked = row->parked;
    outcome->parked.status = (uint8_t)parked_status_at(&row->parked, desk->now_ms);
    outcome->record = outcome_position(row->closed != 0 ? row->closed : row->opened);
    if (row->closed != 0)
        outcome->opening = outcome_position(row->opened);
}

// What became of the command with that key: its record, or a refusal that was remembered.
static void read_operation(struct desk *desk, const struct command *command,
                           struct outcome *outcome) {
    struct record record;
    uint64_t position;
    bool is_there = desk_earlier(desk, command->key, &record, &position);
    if (is_there && desk_lacks_parties(desk, command, &record, outcome))
        return;
    if (!is_there ||
        !bound_asked(command, &record) || !desk_may_see(desk, command, &record)) {
        outcome->status = outcome->refusal.status = STATUS_not_found;
        return;
    }
    outcome_point(outcome, &record, position);
    desk_point_now(desk, &record, outcome);
    desk_hide(desk, command, &record, outcome);
}

void desk_read(struct desk *desk, const struct command *command, struct outcome *ret_outcome) {
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->status = STATUS_ok;
    const struct key_row *principal = desk_key(desk, command->principal_key);
    const struct docket door = {.now_ms = desk->now_ms,
                                .keys = desk->keys,
                                .key_count = desk->key_count,
                                .principal = principal == NULL ? NULL : &principal->key};
    if (!decide_principal_may(command, &door)) {
        // Revoked, or run out, while the request waited.
        ret_outcome->status = ret_outcome->refusal.status = STATUS_unauthenticated;
        return;
    }
    if (desk_lacks(desk, command, ret_outcome))
        return;
    switch ((enum command_type)command->type) {
    case COMMAND_READ_WALLET: read_wallet(desk, command, ret_outcome); return;
    case COMMAND_READ_TRANSACTION: read_transaction(desk, command, ret_outcome); return;
    case COMMAND_READ_HOLD: read_hold(desk, command, ret_outcome); return;
    case COMMAND_READ_WITHDRAWAL: read_withdrawal(desk, command, ret_outcome); return;
    case COMMAND_READ_ANOMALY:
    case COMMAND_READ_APPROVAL: read_approval(desk, command, ret_outcome); return;
    case COMMAND_READ_OPERATION: read_operation(desk, command, ret_outcome); return;
    case COMMAND_READ_CURSOR: ret_outcome->cursor = desk_cursor(desk, command)->cursor; return;
    default: UNREACHABLE("not a read");
    }
}

static void resolve(struct desk *desk, struct arena *arena, struct slice *place) {
    if (place->bytes != NULL || place->size == 0)
        return;
    const struct record_row *row = desk_record(desk, place->size);
    CHECK(row != NULL);
    struct slice plain = desk_reveal(desk, arena, row->bytes);
    *place = plain.bytes == row->bytes.bytes ? arena_copy(arena, plain) : plain;
}

void desk_resolve_lacks(struct arena *arena, struct outcome *outcome) {
    if (outcome->lacks == NULL)
        return;
    struct lacks *lacks = arena_take(arena, sizeof(*lacks));
    *lacks = *outcome->lacks;
    if (lacks->bank_id.size != 0)
        lacks->bank_id = arena_copy(arena, lacks->bank_id);
    outcome->lacks = lacks;
}

void desk_resolve(struct desk *desk, struct arena *arena, struct outcome *outcome) {
    desk_resolve_lacks(arena, outcome);
    resolve(desk, arena, &outcome->record);
    resolve(desk, arena, &outcome->opening);
}

void desk_resolve_parts(struct desk *desk, struct arena *arena, const struct command *command,
                        struct outcome *outcome) {
    outcome_take_parts(outcome, command, arena);
    for (uint32_t i = 0; i < outcome->part_count; i++) {
        struct outcome *part = &outcome->parts[i];
        const struct record_row *row = desk_record(desk, part->record.size);
        struct record record;
        const char *why;
        CHECK(row != NULL && record_decode(row->bytes, &record, &why) == STATUS_ok);
        outcome_point(part, &record, part->record.size);
        desk_resolve(desk, arena, part);
    }
}
