// SPDX-License-Identifier: MIT
// Who may do what: one table of roles, each with a set of permissions. Nothing here knows the
// ledger or the API, so roles and permissions are plain data: the operations table names a
// permission, a key carries a role's number, and both are looked up here. A role added later is one
// row; a permission added later is one line.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

// What an operation may need. Stored nowhere, so the order may change.
enum permission {
    PERMISSION_NONE, // open to anybody with a live key
    PERMISSION_WALLETS_READ,
    PERMISSION_WALLETS_WRITE,
    PERMISSION_PAYMENTS_READ, // transactions, holds, withdrawals
    PERMISSION_PAYMENTS_WRITE,
    PERMISSION_BOOKS_READ, // integrity, the books as a whole
    PERMISSION_KEYS_READ,
    PERMISSION_KEYS_WRITE,
    PERMISSION_COUNT
};

// A set of permissions: bit `1 << permission`.
typedef uint32_t permission_set;

// A role as the table has it. `number` is what keys store and never changes.
struct role_row {
    uint8_t number;
    const char *name;
    const char *sentence;
    permission_set permissions;
};

// Thread: any. All pure; results are static storage.
// The rows in order; `ret_count` says how many.
const struct role_row *permissions_roles(uint32_t *ret_count);
// NULL when no role has that number or name.
const struct role_row *permissions_role(uint8_t number);
const struct role_row *permissions_role_find(struct slice name);
// Whether a role may do what needs `permission`. An unknown role may nothing.
bool permissions_allow(uint8_t role, enum permission permission);
// The permission's word for documents and messages, such as "payments:write".
const char *permission_name(enum permission permission);
// The permission with that word. False when there is none.
bool permission_find(struct slice name, enum permission *ret_permission);
