// SPDX-License-Identifier: MIT
// The operations table names permissions, roles have them; commands are all that the ledger knows.
#include "programs/serve/serve_asking.h"

#include "base/check.h"
#include "wire/operations.h"

void serve_fill_may_ask(const struct role_table *roles, struct approval_rules *rules) {
    static_assert(ROLES_MAX == ROLE_MAX + 1, "both count roles alike");
    rules->knows_roles = true;
    memset(rules->may_ask, 0, sizeof(rules->may_ask));
    for (uint32_t i = 0; i < OPERATION_COUNT; i++) {
        const struct operation *operation = operation_at((enum operation_code)i);
        enum permission needed;
        CHECK(permission_find(slice_of_text(operation->permission), &needed));
        if (operation->command == COMMAND_NONE)
            continue;
        CHECK(operation->command < 64);
        for (uint32_t role = 0; role < ROLES_MAX; role++)
            if (roles_allow(roles, (uint8_t)role, needed))
                rules->may_ask[role] |= UINT64_C(1) << operation->command;
    }
}
