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

bool bound_blames_payee(const struct command *command, const struct docket *docket,
                        const struct refusal *refusal) {
    CHECK(refusal->status != STATUS_ok);
    bool pays_another = command->type == COMMAND_PURCHASE || command->type == COMMAND_TRANSFER ||
                        command->type == COMMAND_HOLD;
    if (!command_is_bound(command) || !pays_another || refusal->id_type != ID_WALLET ||
        !id_equal(refusal->id, command->counterparty))
        return false;
    uint64_t own = owner_mark(docket->owner_seed, command->bound_to);
    return owns(own, docket->wallet) && !owns(own, docket->counterparty);
}

void bound_hide_rule(const struct command *command, struct refusal *refusal) {
    CHECK(refusal->status != STATUS_ok);
    if (command_is_bound(command))
        memset(refusal->rule, 0, sizeof(refusal->rule));
}

enum status bound_hide(const struct command *command, const struct docket *docket,
                       struct refusal *refusal) {
    enum status status = (enum status)refusal->status;
    if (bound_blames_payee(command, docket, refusal))
        return refuse(refusal, STATUS_cannot_receive, ID_WALLET, refusal->id);
    bound_hide_rule(command, refusal);
    if (command_is_bound(command) && status == STATUS_currency_mismatch && docket->hold != NULL) {
        refusal->id_type = ID_HOLD; // he sees its currency there, and asked for another one
        refusal->id = docket->hold->id;
    }
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

// A refusal with numbers tells of the wallet that it is about; the others name what was asked for.
static bool refusal_tells(const struct refusal *refusal) {
    switch ((enum status)refusal->status) {
    case STATUS_not_found:
    case STATUS_forbidden:
    case STATUS_cannot_receive:
    case STATUS_cannot_pay: return false;
    default: return refusal->id_type == ID_WALLET && !id_is_zero(refusal->id);
    }
}

bool bound_parties(const struct record *record, struct id ret_wallets[2]) {
    ret_wallets[0] = ret_wallets[1] = (struct id){{0}};
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSACTION:
        ret_wallets[0] = record->transaction.debit.wallet;
        ret_wallets[1] = record->transaction.credit.wallet;
        return true;
    case RECORD_HOLD:
        ret_wallets[0] = record->hold.wallet;
        ret_wallets[1] = record->hold.merchant;
        return true;
    case RECORD_WALLET: ret_wallets[0] = record->wallet.id; return true;
    case RECORD_WITHDRAWAL: ret_wallets[0] = record->withdrawal.wallet; return true;
    case RECORD_PARKED: ret_wallets[0] = record->parked.wallet; return true;
    case RECORD_REFUSAL:
        if (refusal_tells(&record->refusal))
            ret_wallets[0] = record->refusal.id;
        return refusal_tells(&record->refusal);
    default: return false;
    }
}

bool bound_asked(const struct command *command, const struct record *record) {
    return !command_is_bound(command) ||
           slice_equal(record->origin.principal, command->origin.principal);
}

void bound_lost(const struct command *command, struct refusal *ret_refusal) {
    CHECK(command_is_bound(command));
    bool by_subject = !id_is_zero(command->subject);
    enum id_type type = command->type == COMMAND_CAPTURE || command->type == COMMAND_VOID ? ID_HOLD
                        : command->type == COMMAND_REFUND ? ID_TRANSACTION
                        : by_subject                      ? ID_WITHDRAWAL
                                                          : ID_WALLET;
    (void)refuse(ret_refusal, STATUS_not_found, type, by_subject ? command->subject
                                                                 : command->wallet);
}
