// SPDX-License-Identifier: MIT
// Which side of each command must be the asker's own: who pays; of refunds, captures and voids the
// merchant.
#include "ledger/bound.h"

#include "base/check.h"

static enum status refuse(struct refusal *ret_refusal, enum status status, enum id_type type,
                          struct id id) {
    *ret_refusal = (struct refusal){.status = (uint8_t)status, .id_type = (uint8_t)type, .id = id};
    return status;
}

static bool owns(uint64_t own, const struct wallet *wallet) {
    return wallet != NULL && wallet->owner == own;
}

// What has two sides: seen by both, done by one.
static enum status check_sides(bool seen, bool done, enum id_type type, struct id id,
                               struct refusal *ret_refusal) {
    CHECK_IMPLIES(done, seen);
    if (!seen)
        return refuse(ret_refusal, STATUS_not_found, type, id);
    return done ? STATUS_ok : refuse(ret_refusal, STATUS_forbidden, type, id);
}

static enum status check_refund(const struct command *command, const struct docket *docket,
                                uint64_t own, struct refusal *ret_refusal) {
    bool seen, done;
    if (docket->subject_is_other_transaction) // the ladder says that it is no purchase
        seen = done = docket->subject_owners[0] == own || docket->subject_owners[1] == own;
    else {
        done = docket->purchase != NULL && owns(own, docket->wallet);
        seen = docket->purchase != NULL && (done || owns(own, docket->counterparty));
    }
    return check_sides(seen, done, ID_TRANSACTION, command->subject, ret_refusal);
}

static enum status check_hold(const struct command *command, const struct docket *docket,
                              uint64_t own, struct refusal *ret_refusal) {
    bool done = docket->hold != NULL && owns(own, docket->counterparty);
    bool seen = docket->hold != NULL && (done || owns(own, docket->wallet));
    return check_sides(seen, done, ID_HOLD, command->subject, ret_refusal);
}

static enum status check_payer(const struct command *command, const struct docket *docket,
                               uint64_t own, struct refusal *ret_refusal) {
    if (!owns(own, docket->wallet))
        return refuse(ret_refusal, STATUS_not_found, ID_WALLET, command->wallet);
    bool pays_another = command->type == COMMAND_PURCHASE || command->type == COMMAND_TRANSFER ||
                        command->type == COMMAND_HOLD;
    if (pays_another && docket->counterparty == NULL)
        return refuse(ret_refusal, STATUS_cannot_receive, ID_WALLET, command->counterparty);
    return STATUS_ok;
}

enum status bound_check(const struct command *command, const struct docket *docket,
                        struct refusal *ret_refusal) {
    if (!command_is_bound(command))
        return STATUS_ok;
    uint64_t own = owner_mark(docket->owner_seed, command->bound_to);
    switch ((enum command_type)command->type) {
    case COMMAND_WALLET_OPEN:
        if (slice_equal(command->owner, command->bound_to))
            return STATUS_ok;
        break;
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAWAL:
    case COMMAND_PURCHASE:
    case COMMAND_TRANSFER:
    case COMMAND_HOLD:
    case COMMAND_WALLET_CHANGE: return check_payer(command, docket, own, ret_refusal);
    case COMMAND_SETTLE:
    case COMMAND_FAIL: {
        bool seen = docket->withdrawal != NULL && owns(own, docket->wallet);
        return check_sides(seen, seen, ID_WITHDRAWAL, command->subject, ret_refusal);
    }
    case COMMAND_REFUND: return check_refund(command, docket, own, ret_refusal);
    case COMMAND_CAPTURE:
    case COMMAND_VOID: return check_hold(command, docket, own, ret_refusal);
    default: break;
    }
    // Everything else is about the house as a whole.
    return refuse(ret_refusal, STATUS_forbidden, ID_WALLET, (struct id){{0}});
}

enum status bound_hide(const struct command *command, const struct docket *docket,
                       struct refusal *refusal) {
    enum status status = (enum status)refusal->status;
    if (!command_is_bound(command) || refusal->id_type != ID_WALLET || status == STATUS_not_found ||
        status == STATUS_forbidden)
        return status;
    uint64_t own = owner_mark(docket->owner_seed, command->bound_to);
    const struct wallet *wallet = docket->wallet, *counterparty = docket->counterparty;
    if (wallet != NULL && id_equal(wallet->id, refusal->id) && !owns(own, wallet))
        return refuse(refusal, STATUS_cannot_pay, ID_WALLET, refusal->id);
    if (counterparty != NULL && id_equal(counterparty->id, refusal->id) &&
        !owns(own, counterparty))
        return refuse(refusal, STATUS_cannot_receive, ID_WALLET, refusal->id);
    return status;
}

const struct wallet *bound_versioned(const struct command *command, const struct docket *docket) {
    bool is_merchants = command->type == COMMAND_CAPTURE || command->type == COMMAND_VOID;
    return command_is_bound(command) && is_merchants ? docket->counterparty : docket->wallet;
}
