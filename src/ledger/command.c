// SPDX-License-Identifier: MIT
// The words of commands and transactions.
#include "ledger/command.h"

#include "base/check.h"
#include "ledger/record.h"

static const char *type_name(enum command_type type) {
    static const char *const names[COMMAND_TYPE_COUNT] = {
        [COMMAND_NONE] = "none",
        [COMMAND_WALLET_OPEN] = "wallet",
        [COMMAND_DEPOSIT] = "deposit",
        [COMMAND_WITHDRAWAL] = "withdrawal",
        [COMMAND_SETTLE] = "settle",
        [COMMAND_FAIL] = "fail",
        [COMMAND_PURCHASE] = "purchase",
        [COMMAND_REFUND] = "refund",
        [COMMAND_TRANSFER] = "transfer",
        [COMMAND_HOLD] = "hold",
        [COMMAND_CAPTURE] = "capture",
        [COMMAND_VOID] = "void",
        [COMMAND_WALLET_CHANGE] = "wallet_change",
        [COMMAND_KEY_CREATE] = "key_create",
        [COMMAND_KEY_REVOKE] = "key_revoke",
        [COMMAND_EXPIRE] = "expire",
        [COMMAND_READ_WALLET] = "read_wallet",
        [COMMAND_READ_TRANSACTION] = "read_transaction",
        [COMMAND_READ_HOLD] = "read_hold",
        [COMMAND_READ_WITHDRAWAL] = "read_withdrawal",
        [COMMAND_INVALID] = "invalid",
        [COMMAND_KEY_ROTATE] = "key_rotate",
        [COMMAND_CURSOR_CLAIM] = "cursor_claim",
        [COMMAND_CURSOR_MOVE] = "cursor_move",
        [COMMAND_CURSOR_RESET] = "cursor_reset",
        [COMMAND_READ_CURSOR] = "read_cursor",
        [COMMAND_READ_OPERATION] = "read_operation",
        [COMMAND_OWNER_FORGET] = "owner_forget",
        [COMMAND_NOTE] = "note",
        [COMMAND_ADJUSTMENT] = "adjustment",
        [COMMAND_APPROVE] = "approve",
        [COMMAND_REJECT] = "reject",
        [COMMAND_READ_APPROVAL] = "read_approval",
        [COMMAND_FINDING] = "finding",
        [COMMAND_ANOMALY_APPROVE] = "anomaly_approve",
        [COMMAND_ANOMALY_REJECT] = "anomaly_reject",
        [COMMAND_ANOMALY_DISMISS] = "anomaly_dismiss",
        [COMMAND_READ_ANOMALY] = "read_anomaly",
        [COMMAND_RULES] = "rules",
        [COMMAND_ALARM] = "alarm",
    };
    CHECK(type < COMMAND_TYPE_COUNT);
    return names[type];
}

bool command_type_is_known(enum command_type type) {
    return type < COMMAND_TYPE_COUNT && type_name(type) != NULL;
}

const char *command_type_name(enum command_type type) {
    CHECK(command_type_is_known(type));
    return type_name(type);
}

uint32_t command_home_slot(const struct command *command) {
    if (command_is_of_cursor(command->type)) // a place beside the feed moves with no slot
        return cursor_is_of_commands(command->cursor->cursor.kind) ? command->cursor->cursor.slot
                                                                   : 0;
    if (!id_is_zero(command->wallet))
        return id_slot(command->wallet);
    if (command->type == COMMAND_KEY_CREATE || command->type == COMMAND_KEY_REVOKE ||
        command->type == COMMAND_KEY_ROTATE)
        return 0;
    if (command->type == COMMAND_OWNER_FORGET)
        return id_slot_of_owner(command->owner); // where his key is
    return id_is_zero(command->subject) ? command->slot : id_slot(command->subject);
}

bool command_outcome_is_remembered(const struct command *command, enum status status) {
    if (!command->has_key)
        return false;
    if (status_is_remembered(status))
        return true;
    enum status_class class = status_class(status);
    return command->queued && status != STATUS_idempotency_key_reused &&
           class != STATUS_CLASS_BUSY && class != STATUS_CLASS_BROKEN;
}

const char *transaction_type_name(enum transaction_type type) {
    static const char *const names[] = {
        [TRANSACTION_DEPOSIT] = "deposit",   [TRANSACTION_WITHDRAWAL] = "withdrawal",
        [TRANSACTION_PURCHASE] = "purchase", [TRANSACTION_REFUND] = "refund",
        [TRANSACTION_TRANSFER] = "transfer", [TRANSACTION_ADJUSTMENT] = "adjustment",
    };
    CHECK(type >= TRANSACTION_DEPOSIT && type <= TRANSACTION_ADJUSTMENT);
    return names[type];
}
