// SPDX-License-Identifier: MIT
// Who may do what: one table of roles, each with a set of permissions. Nothing here knows the
// ledger or the API, so roles and permissions are plain data: the operations table names a
// permission, a key carries a role's number, and both are looked up here. A role added later is one
// row; a permission added later is one line. The configuration adds roles of its own to a copy.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

// What an operation, or a field of one, may need. Stored nowhere, so the order may change.
enum permission {
    PERMISSION_NONE, // open to anybody with a live key
    PERMISSION_WALLETS_READ,
    PERMISSION_WALLETS_OPEN,
    PERMISSION_WALLETS_CHANGE, // metadata
    PERMISSION_WALLETS_FREEZE, // status
    PERMISSION_WALLETS_CREDIT, // credit limits
    PERMISSION_PAYMENTS_READ,  // transactions, holds, withdrawals
    PERMISSION_DEPOSITS_WRITE,
    PERMISSION_WITHDRAWALS_WRITE,  // asking for one
    PERMISSION_WITHDRAWALS_SETTLE, // saying what the bank did
    PERMISSION_PURCHASES_WRITE,
    PERMISSION_REFUNDS_WRITE,
    PERMISSION_TRANSFERS_WRITE,
    PERMISSION_HOLDS_WRITE,
    PERMISSION_HOLDS_CAPTURE, // and voiding them
    PERMISSION_ADJUSTMENTS_WRITE,
    PERMISSION_BATCHES_WRITE, // each operation needs its own too
    PERMISSION_APPROVALS_READ,
    PERMISSION_APPROVALS_DECIDE,
    PERMISSION_ANOMALIES_READ,
    PERMISSION_ANOMALIES_DECIDE,
    PERMISSION_BOOKS_READ, // integrity, the books as a whole
    PERMISSION_BOOKS_RESUME, // payments, after an alarm
    PERMISSION_KEYS_READ,
    PERMISSION_KEYS_WRITE,
    PERMISSION_AUDIT_READ, // who did what
    PERMISSION_OWNERS_ERASE, // an owner's texts, for ever
    PERMISSION_QUEUE_READ,   // where queued commands stand, and dead letters
    PERMISSION_QUEUE_DECIDE, // when they cannot go on by themselves
    PERMISSION_WEBHOOKS_READ,   // endpoints, and how they are doing
    PERMISSION_WEBHOOKS_DECIDE, // when they cannot go on by themselves
    PERMISSION_COUNT
};

// A set of permissions: bit `1 << permission`.
typedef uint64_t permission_set;

#define ROLE_NAME_BYTES_MAX 32
#define ROLES_MAX           64 // numbers are below it
#define ROLES_CUSTOM_FIRST  16

// A role as the table has it. `number` is what keys store and never changes.
struct role_row {
    uint8_t number;
    bool bound; // to an owner: only that owner's wallets
    const char *name;
    const char *sentence;
    permission_set permissions;
};

// The roles of a server: the house's and those of its configuration.
struct role_table {
    struct role_row rows[ROLES_MAX];
    char names[ROLES_MAX][ROLE_NAME_BYTES_MAX + 1]; // of those of the configuration
    uint32_t count;
};

// Thread: any. All pure; results are static storage, or the table's.
// The house's own rows in order; `ret_count` says how many.
const struct role_row *permissions_roles(uint32_t *ret_count);
// NULL when no role of the house has that number or name.
const struct role_row *permissions_role(uint8_t number);
const struct role_row *permissions_role_find(struct slice name);
// Whether a role of the house may do what needs `permission`. An unknown role may nothing.
bool permissions_allow(uint8_t role, enum permission permission);

// Fills a table with the house's roles.
void roles_begin(struct role_table *ret_roles);
// Who hands out keys moves no money: takes from `admin` whatever does.
void roles_separate_duties(struct role_table *roles);
// Adds a role of the configuration. False: `ret_why` is a static sentence. A bound role may have
// only what can be confined to an owner.
bool roles_add(struct role_table *roles, struct slice name, uint8_t number, bool bound,
               permission_set permissions, const char **ret_why);
const struct role_row *roles_at(const struct role_table *roles, uint8_t number); // NULL: none
bool roles_allow(const struct role_table *roles, uint8_t number, enum permission permission);

// The permission's word for documents and messages, such as "payments:read".
const char *permission_name(enum permission permission);
// The permission with that word. False when there is none.
bool permission_find(struct slice name, enum permission *ret_permission);
