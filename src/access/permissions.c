// SPDX-License-Identifier: MIT
// The table of roles, and how it is asked. The permission matrix of the documentation is printed
// from it.
#include "access/permissions.h"

#include <assert.h>
#include <stddef.h>

#include "base/check.h"

#define BIT(permission) ((permission_set)1 << (permission))

static_assert(PERMISSION_COUNT <= 32, "a permission has a bit in the set");

static const char *const permission_words[PERMISSION_COUNT] = {
    [PERMISSION_NONE] = "none",
    [PERMISSION_WALLETS_READ] = "wallets:read",
    [PERMISSION_WALLETS_WRITE] = "wallets:write",
    [PERMISSION_PAYMENTS_READ] = "payments:read",
    [PERMISSION_PAYMENTS_WRITE] = "payments:write",
    [PERMISSION_BOOKS_READ] = "books:read",
    [PERMISSION_KEYS_READ] = "keys:read",
    [PERMISSION_KEYS_WRITE] = "keys:write",
};

#define EVERYTHING (BIT(PERMISSION_COUNT) - 1)
#define READS                                                                                      \
    (BIT(PERMISSION_NONE) | BIT(PERMISSION_WALLETS_READ) | BIT(PERMISSION_PAYMENTS_READ) |         \
     BIT(PERMISSION_BOOKS_READ) | BIT(PERMISSION_KEYS_READ))
#define KEYS (BIT(PERMISSION_KEYS_READ) | BIT(PERMISSION_KEYS_WRITE))

// The numbers are those of the ledger's `enum role`, which keys store; the tests of api/ hold them
// together. The system acts inside the house and has no row: no key can have its role.
static const struct role_row roles[] = {
    {1, "admin", "Everything, keys included.", EVERYTHING},
    {2, "service", "A shop's back end: everything but keys.", EVERYTHING & ~KEYS},
    {3, "auditor", "Reads everything and changes nothing.", READS},
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
