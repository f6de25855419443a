// SPDX-License-Identifier: MIT
// What a command needs of other shards. Whom it pays stands in it; the merchant of a hold, the
// sides of a purchase and what a kept command names only the desk knows. A command whose facts did
// not come along is turned away with what it lacks, and comes again with that.
#include "base/check.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/desk/desk.h"
#include "ledger/bound.h"
#include "ledger/parked.h"

struct needs {
    struct lacks lacks;
    bool lacks_any;
    bool is_blocked; // something came along, but somebody else has it
};

static void note_lacking(struct id wallet, struct needs *needs) {
    struct id *places = needs->lacks.wallets;
    needs->lacks_any = true;
    if (id_is_zero(places[0]) || id_equal(places[0], wallet)) {
        places[0] = wallet;
        return;
    }
    CHECK(id_is_zero(places[1]) || id_equal(places[1], wallet));
    places[1] = wallet;
}

static void need_wallet(const struct desk *desk, struct id id, struct needs *needs) {
    uint64_t number; // an id that was not made here names no wallet anywhere
    if (id_is_zero(id) || !desk_is_elsewhere(desk, id_slot(id)) ||
        !number_of_id(&desk->seal, id, &number))
        return;
    const struct wallet_row *row = desk_legs_wallet(desk, id);
    if (row != NULL) {
        needs->is_blocked = needs->is_blocked || row->blocked;
        return;
    }
    note_lacking(id, needs);
}

// The same of one under whose owner's key texts may be sealed: that comes along, but not with a
// wallet that another command only pays.
static void need_wallet_and_key(const struct desk *desk, struct id id, struct needs *needs) {
    const struct wallet_row *row = desk_legs_wallet(desk, id);
    need_wallet(desk, id, needs);
    if (row == NULL || !row->present || row->blocked || !desk_lacks_owner_key(desk, row))
        return;
    note_lacking(id, needs);
}

static void need_bank_id(const struct desk *desk, struct slice bank_id, struct needs *needs) {
    if (bank_id.size == 0 || !desk_is_elsewhere(desk, id_slot_of_owner(bank_id)) ||
        desk_legs_marker(desk, bank_id) != NULL)
        return;
    needs->lacks.bank_id = bank_id;
    needs->lacks_any = true;
}

// By half of its request's digest, which is sealed with its texts, a retry is told from another
// request; and the key may be that of another shard's owner.
static void need_of_texts(const struct desk *desk, const struct record *record,
                          struct needs *needs) {
    if (desk->sealing.vault != NULL && record_kind_seals(record->kind))
        need_wallet(desk, record_seal_wallet(record), needs);
}

// A refund that waits for somebody lies where its merchant was; its purchase's slot may have gone
// since, with what stands in it. What is left here of that is nobody's.
static bool need_purchase(const struct desk *desk, struct id id, struct needs *needs) {
    uint64_t number;
    if (id_is_zero(id) || !desk_is_elsewhere(desk, id_slot(id)) ||
        !number_of_id(&desk->seal, id, &number))
        return true;
    const struct purchase_row *row = map_find(&desk->purchase_map, map_number(number));
    if (row != NULL && row->legs != NULL)
        return true;
    needs->lacks.purchase = id;
    needs->lacks_any = true;
    return false;
}

// Of any other transaction only somebody bound must be told apart.
static void need_of_transaction(const struct desk *desk, const struct command *command,
                                struct needs *needs) {
    struct record record;
    if (!need_purchase(desk, command->subject, needs) ||
        desk_transaction(desk, command->subject, &record) == NULL)
        return;
    bool is_refund = command->type == COMMAND_REFUND &&
                     record.transaction.type == TRANSACTION_PURCHASE;
    if (!is_refund && !command_is_bound(command))
        return;
    void (*need)(const struct desk *desk, struct id id, struct needs *needs) =
        is_refund ? need_wallet_and_key : need_wallet;
    need(desk, record.transaction.debit.wallet, needs);
    need(desk, record.transaction.credit.wallet, needs);
}

// What ends a hold changes its payer's wallet alone; whose its merchant's is decides who may.
static void need_of_hold(const struct desk *desk, const struct command *command,
                         struct needs *needs) {
    const struct hold_row *row = desk_hold(desk, command->subject);
    if (row != NULL && (command->type == COMMAND_CAPTURE || command_is_bound(command)))
        need_wallet(desk, row->hold.merchant, needs);
}

static void need_of_command(const struct desk *desk, const struct command *command,
                            struct needs *needs) {
    need_bank_id(desk, command->bank_id, needs);
    // Elsewhere but in an atomic batch; and whoever sent that may not have heard that it has moved,
    // and what it has left here is nobody's.
    if (command_is_read(command->type))
        need_wallet(desk, command->wallet, needs);
    else
        need_wallet_and_key(desk, command->wallet, needs);
    switch ((enum command_type)command->type) {
    case COMMAND_TRANSFER:
    case COMMAND_PURCHASE:
    case COMMAND_HOLD: need_wallet(desk, command->counterparty, needs); return;
    case COMMAND_REFUND:
    case COMMAND_READ_TRANSACTION: need_of_transaction(desk, command, needs); return;
    case COMMAND_CAPTURE:
    case COMMAND_VOID:
    case COMMAND_READ_HOLD: need_of_hold(desk, command, needs); return;
    default: return;
    }
}

// A decision about a kept command needs what that command needs.
static void need_of_parked(const struct desk *desk, const struct command *command,
                           struct needs *needs) {
    struct record opening;
    struct command kept;
    const char *why;
    const struct parked_row *row = desk_parked(desk, command->subject);
    if (row == NULL || row->parked.status != PARKED_PENDING)
        return;
    if (row->parked.cause != PARKED_FOR_APPROVAL)
        need_wallet(desk, row->parked.wallet, needs);
    bool approves = command->type == COMMAND_APPROVE || command->type == COMMAND_ANOMALY_APPROVE;
    const struct record_row *record = desk_record(desk, row->opened);
    if (!approves || row->parked.cause == PARKED_FLAGGED || record == NULL)
        return;
    CHECK(record_decode(record->bytes, &opening, &why) == STATUS_ok);
    CHECK(parked_kept(&opening.parked, &kept)); // its sealed texts name nothing
    need_of_command(desk, &kept, needs);
}

static bool turn_away_lacking(struct desk *desk, const struct needs *needs,
                              struct outcome *outcome) {
    if (!needs->lacks_any)
        return false;
    struct lacks *lacks = arena_take(&desk->arena, sizeof(*lacks));
    *lacks = needs->lacks;
    desk_turn_away(outcome);
    outcome->lacks = lacks;
    return true;
}

bool desk_lacks(struct desk *desk, const struct command *command, struct outcome *outcome) {
    struct needs needs = {0};
    if (desk->elsewhere_count == 0)
        return false;
    switch ((enum command_type)command->type) {
    case COMMAND_APPROVE:
    case COMMAND_ANOMALY_APPROVE:
    case COMMAND_ANOMALY_REJECT:
    case COMMAND_ANOMALY_DISMISS: need_of_parked(desk, command, &needs); break;
    default: need_of_command(desk, command, &needs); break;
    }
    if (turn_away_lacking(desk, &needs, outcome))
        return true;
    if (!needs.is_blocked || !command_is_read(command->type))
        return false; // what is decided looks at what is blocked by itself
    outcome_end(outcome, STATUS_busy);
    outcome->aside = true;
    return true;
}

bool desk_lacks_parties(struct desk *desk, const struct command *command,
                        const struct record *earlier, struct outcome *outcome) {
    struct needs needs = {0};
    struct id parties[2];
    if (desk->elsewhere_count == 0)
        return false;
    need_of_texts(desk, earlier, &needs);
    // Whose node died behind the decision may ask another one while a leg is still in doubt: nobody
    // is told that it is done before all can see it. Rows of a leg in doubt are blocked. A refusal
    // is done, but somebody bound may see it only if the wallet that it tells of is his.
    bool is_told = earlier->kind != RECORD_REFUSAL || command_is_bound(command);
    if (is_told && bound_parties(earlier, parties)) {
        need_wallet(desk, parties[0], &needs);
        need_wallet(desk, parties[1], &needs);
    }
    if (turn_away_lacking(desk, &needs, outcome))
        return true;
    if (!needs.is_blocked)
        return false;
    outcome_end(outcome, STATUS_busy);
    outcome->aside = true;
    return true;
}

// All operations of an atomic batch come again with all that any of them lacks.
bool desk_lacks_in_batch(struct desk *desk, struct submission *submission) {
    bool any = false;
    if (desk->elsewhere_count == 0)
        return false;
    for (uint32_t i = 0; i < submission->count; i++) {
        memset(&submission->outcomes[i], 0, sizeof(submission->outcomes[i]));
        any = desk_lacks(desk, &submission->commands[i], &submission->outcomes[i]) || any;
    }
    if (any)
        desk_turn_away(&submission->batch_outcome);
    return any;
}
