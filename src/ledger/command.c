// SPDX-License-Identifier: MIT
// The words of commands and transactions.
#include "ledger/command.h"

#include "base/check.h"
#include "ledger/record.h"

const char *command_type_name(enum command_type type) {
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
    };
    CHECK(type < COMMAND_TYPE_COUNT);
    return names[type];
}

const char *transaction_type_name(enum transaction_type type) {
    static const char *const names[] = {
        [TRANSACTION_DEPOSIT] = "deposit",   [TRANSACTION_WITHDRAWAL] = "withdrawal",
        [TRANSACTION_PURCHASE] = "purchase", [TRANSACTION_REFUND] = "refund",
        [TRANSACTION_TRANSFER] = "transfer",
    };
    CHECK(type >= TRANSACTION_DEPOSIT && type <= TRANSACTION_TRANSFER);
    return names[type];
}
