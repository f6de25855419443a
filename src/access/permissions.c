// SPDX-License-Identifier: MIT
// The table of roles, and how it is asked. The permission matrix of the documentation is printed
// from it.
#include "access/permissions.h"

#include <assert.h>
#include <stddef.h>

#include "base/check.h"

#define BIT(permission) ((permission_set)1 << (permission))

static_assert(PERMISSION_COUNT <= 64, "a permission has a bit in the set");

static const char *const permission_words[PERMISSION_COUNT] = {
    [PERMISSION_NONE] = "none",
    [PERMISSION_WALLETS_READ] = "wallets:read",
    [PERMISSION_WALLETS_OPEN] = "wallets:open",
    [PERMISSION_WALLETS_CHANGE] = "wallets:change",
    [PERMISSION_WALLETS_FREEZE] = "wallets:freeze",
    [PERMISSION_WALLETS_CREDIT] = "wallets:credit",
    [PERMISSION_PAYMENTS_READ] = "payments:read",
    [PERMISSION_DEPOSITS_WRITE] = "deposits:write",
    [PERMISSION_WITHDRAWALS_WRITE] = "withdrawals:write",
    [PERMISSION_WITHDRAWALS_SETTLE] = "withdrawals:settle",
    [PERMISSION_PURCHASES_WRITE] = "purchases:write",
    [PERMISSION_REFUNDS_WRITE] = "refunds:write",
    [PERMISSION_TRANSFERS_WRITE] = "transfers:write",
    [PERMISSION_HOLDS_WRITE] = "holds:write",
    [PERMISSION_HOLDS_CAPTURE] = "holds:capture",
    [PERMISSION_ADJUSTMENTS_WRITE] = "adjustments:write",
    [PERMISSION_BATCHES_WRITE] = "batches:write",
    [PERMISSION_APPROVALS_READ] = "approvals:read",
    [PERMISSION_APPROVALS_DECIDE] = "approvals:decide",
    [PERMISSION_ANOMALIES_READ] = "anomalies:read",
    [PERMISSION_ANOMALIES_DECIDE] = "anomalies:decide",
    [PERMISSION_BOOKS_READ] = "books:read",
    [PERMISSION_BOOKS_RESUME] = "books:resume",
    [PERMISSION_KEYS_READ] = "keys:read",
    [PERMISSION_KEYS_WRITE] = "keys:write",
    [PERMISSION_AUDIT_READ] = "audit:read",
    [PERMISSION_OWNERS_ERASE] = "owners:erase",
    [PERMISSION_QUEUE_READ] = "queue:read",
    [PERMISSION_QUEUE_DECIDE] = "queue:decide",
    [PERMISSION_WEBHOOKS_READ] = "webhooks:read",
    [PERMISSION_WEBHOOKS_DECIDE] = "webhooks:decide",
};

#define P(word) BIT(PERMISSION_##word)
#define EVERYTHING (BIT(PERMISSION_COUNT) - 1)
#define SEES       (P(NONE) | P(WALLETS_READ) | P(PAYMENTS_READ) | P(APPROVALS_READ))
#define REVIEWS    (P(ANOMALIES_READ) | P(ANOMALIES_DECIDE))
#define READS                                                                                      \
    (SEES | P(ANOMALIES_READ) | P(BOOKS_READ) | P(KEYS_READ) | P(AUDIT_READ) | P(QUEUE_READ) |     \
     P(WEBHOOKS_READ))
#define KEYS       (P(KEYS_READ) | P(KEYS_WRITE))
#define FOUR_EYES  (P(ADJUSTMENTS_WRITE) | P(APPROVALS_DECIDE))
#define PAYS                                                                                       \
    (P(WITHDRAWALS_WRITE) | P(PURCHASES_WRITE) | P(REFUNDS_WRITE) | P(TRANSFERS_WRITE) |           \
     P(HOLDS_WRITE) | P(HOLDS_CAPTURE) | P(BATCHES_WRITE))
// Whatever moves money, or lets it be moved.
#define MONEY                                                                                      \
    (PAYS | FOUR_EYES | P(ANOMALIES_DECIDE) | P(DEPOSITS_WRITE) | P(WITHDRAWALS_SETTLE) |          \
     P(WALLETS_CREDIT))
// What can be confined to an owner's wallets.
#define BINDABLE (SEES | PAYS | P(WALLETS_OPEN) | P(WALLETS_CHANGE))

// The numbers are those of the ledger's `enum role`, which keys store; the tests of api/ hold them
// together. The system acts inside the house and has no row: no key can have its role.
static const struct role_row roles[] = {
    {1, false, "admin", "Everything, keys included; no money when duties are separated.",
     EVERYTHING},
    {2, false, "service",
     "A shop's back end: everything but keys, audit, adjustments, approving, anomalies, "
     "webhooks, deciding about the queue and erasing.",
     EVERYTHING & ~(KEYS | FOUR_EYES | REVIEWS | P(AUDIT_READ) | P(BOOKS_RESUME) |
                    P(OWNERS_ERASE) | P(QUEUE_READ) | P(QUEUE_DECIDE) | P(WEBHOOKS_READ) |
                    P(WEBHOOKS_DECIDE))},
    {3, false, "auditor", "Reads everything and changes nothing.", READS},
    {4, false, "operator",
     "Deposits, withdrawals and what the bank did with them, freezing, adjustments, approving, "
     "anomalies.",
     SEES | FOUR_EYES | REVIEWS | P(DEPOSITS_WRITE) | P(WITHDRAWALS_WRITE) | P(WITHDRAWALS_SETTLE) |
         P(WALLETS_CHANGE) | P(WALLETS_FREEZE) | P(BATCHES_WRITE) | P(BOOKS_READ)},
    {5, false, "support", "Reads wallets and their history, changes nothing.", SEES},
    {6, true, "merchant",
     "Bound to an owner: reads, refunds its own sales, captures and voids its own holds.",
     SEES | P(REFUNDS_WRITE) | P(HOLDS_CAPTURE) | P(BATCHES_WRITE)},
    {7, true, "customer", "Bound to an owner: reads, buys, transfers, asks for withdrawals.",
     SEES | P(PURCHASES_WRITE) | P(TRANSFERS_WRITE) | P(WITHDRAWALS_WRITE) | P(BATCHES_WRITE)},
};

#define ROLE_ROWS (sizeof(roles) / sizeof(roles[0]))

const struct role_row *permissions_roles(uint32_t *ret_count) {
    *ret_count = ROLE_ROWS;
    return roles;
}

const struct role_row *permissions_role(uint8_t number) {
    for (size_t i = 0; i < ROLE_ROWS; i++)
        if (roles[i].number == number)
            return &roles[i];
    return NULL;
}

const struct role_row *permissions_role_find(struct slice name) {
    for (size_t i = 0; i < ROLE_ROWS; i++)
        if (slice_equal(slice_of_text(roles[i].name), name))
            return &roles[i];
    return NULL;
}

bool permissions_allow(uint8_t role, enum permission permission) {
    CHECK(permission < PERMISSION_COUNT);
    const struct role_row *row = permissions_role(role);
    return row != NULL && (row->permissions & BIT(permission)) != 0;
}

void roles_begin(struct role_table *ret_roles) {
    memset(ret_roles, 0, sizeof(*ret_roles));
    memcpy(ret_roles->rows, roles, sizeof(roles));
    ret_roles->count = ROLE_ROWS;
}

void roles_separate_duties(struct role_table *table) {
    CHECK(table->rows[0].number == 1);
    table->rows[0].permissions &= ~MONEY;
}

static bool name_is_valid(struct slice name) {
    if (name.size < 1 || name.size > ROLE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.bytes[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '_')
            return false;
    }
    return true;
}

bool roles_add(struct role_table *table, struct slice name, uint8_t number, bool bound,
               permission_set permissions, const char **ret_why) {
    if (!name_is_valid(name)) {
        *ret_why = "a name has 1 to 32 of a-z, 0-9 and _";
        return false;
    }
    if (slice_equal(name, SLICE("system")) || slice_equal(name, SLICE("custom"))) {
        *ret_why = "the audit calls the house itself system, and roles that are no more custom";
        return false;
    }
    if (number < ROLES_CUSTOM_FIRST || number >= ROLES_MAX) {
        *ret_why = "its number must be from 16 to 63; keys store it, so it never changes";
        return false;
    }
    if (bound && (permissions & ~BINDABLE) != 0) {
        *ret_why = "a bound role can only have wallets:read, wallets:open, wallets:change, "
                   "payments:read, withdrawals:write, purchases:write, refunds:write, "
                   "transfers:write, holds:write, holds:capture, batches:write and approvals:read";
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->rows[i].number != number &&
            !slice_equal(slice_of_text(table->rows[i].name), name))
            continue;
        *ret_why = "another role has its name or its number";
        return false;
    }
    CHECK(table->count < ROLES_MAX);
    uint32_t place = table->count++;
    memcpy(table->names[place], name.bytes, name.size);
    table->rows[place] = (struct role_row){.number = number,
                                           .bound = bound,
                                           .name = table->names[place],
                                           .sentence = "Made by the configuration.",
                                           .permissions = permissions | P(NONE)};
    return true;
}

const struct role_row *roles_at(const struct role_table *table, uint8_t number) {
    for (uint32_t i = 0; i < table->count; i++)
        if (table->rows[i].number == number)
            return &table->rows[i];
    return NULL;
}

bool roles_allow(const struct role_table *table, uint8_t number, enum permission permission) {
    CHECK(permission < PERMISSION_COUNT);
    const struct role_row *row = roles_at(table, number);
    return row != NULL && (row->permissions & BIT(permission)) != 0;
}

const char *permission_name(enum permission permission) {
    CHECK(permission < PERMISSION_COUNT);
    return permission_words[permission];
}

bool permission_find(struct slice name, enum permission *ret_permission) {
    for (uint32_t i = 0; i < PERMISSION_COUNT; i++) {
        if (slice_equal(slice_of_text(permission_words[i]), name)) {
            *ret_permission = (enum permission)i;
            return true;
        }
    }
    return false;
}
