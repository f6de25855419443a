// SPDX-License-Identifier: MIT
// Reads roles. A permission that is mistyped must not become a role that may less, or more, than
// somebody believes, so every word is looked up.
#include "programs/config/config_roles.h"

#include <stdio.h>
#include <string.h>

#define SHOWN(slice) (int)((slice).size < 64 ? (slice).size : 64), (const char *)(slice).bytes

struct wish {
    int64_t number;
    bool bound, has_permissions;
    permission_set permissions;
};

static bool read_permissions(struct json_value value, struct slice role, struct wish *wish,
                             char *ret_why, size_t why_bytes) {
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY) {
        snprintf(ret_why, why_bytes, "roles: the permissions of %.*s must be an array of texts.",
                 SHOWN(role));
        return false;
    }
    struct json_cursor items = json_items(value);
    while (json_next_item(&items, &item)) {
        struct slice word = json_kind(item) == JSON_TEXT ? json_text(item) : SLICE("?");
        enum permission permission;
        if (!permission_find(word, &permission)) {
            snprintf(ret_why, why_bytes,
                     "roles: there is no permission \"%.*s\", which %.*s names; docs/api.md has "
                     "them all.",
                     SHOWN(word), SHOWN(role));
            return false;
        }
        wish->permissions |= (permission_set)1 << permission;
    }
    wish->has_permissions = true;
    return true;
}

static bool read_member(struct slice name, struct json_value value, struct slice role,
                        struct wish *wish, char *ret_why, size_t why_bytes) {
    if (slice_equal(name, SLICE("permissions")))
        return read_permissions(value, role, wish, ret_why, why_bytes);
    if (slice_equal(name, SLICE("number")) && json_kind(value) == JSON_INTEGER &&
        json_integer(value, &wish->number) && wish->number >= 0 && wish->number <= UINT8_MAX)
        return true;
    if (slice_equal(name, SLICE("bound")) && json_kind(value) == JSON_BOOL) {
        wish->bound = json_bool(value);
        return true;
    }
    snprintf(ret_why, why_bytes,
             "roles: %.*s must be like {\"number\": 16, \"permissions\": [\"wallets:read\"], "
             "\"bound\": false}; \"%.*s\" does not fit.",
             SHOWN(role), SHOWN(name));
    return false;
}

static bool read_role(struct slice role, struct json_value value, struct role_table *roles,
                      char *ret_why, size_t why_bytes) {
    struct wish wish = {0};
    const char *why = "it needs a number and permissions";
    struct slice name;
    struct json_value member;
    if (json_kind(value) == JSON_OBJECT) {
        struct json_cursor members = json_members(value);
        while (json_next_member(&members, &name, &member))
            if (!read_member(name, member, role, &wish, ret_why, why_bytes))
                return false;
    }
    if (wish.has_permissions &&
        roles_add(roles, role, (uint8_t)wish.number, wish.bound, wish.permissions, &why))
        return true;
    snprintf(ret_why, why_bytes, "roles: %.*s: %s.", SHOWN(role), why);
    return false;
}

bool config_read_roles(struct json_value value, struct role_table *roles, char *ret_why,
                       size_t why_bytes) {
    struct slice name;
    struct json_value member;
    if (json_kind(value) != JSON_OBJECT) {
        snprintf(ret_why, why_bytes,
                 "roles must be an object such as {\"teller\": {\"number\": 16, \"permissions\": "
                 "[\"wallets:read\", \"deposits:write\"]}}.");
        return false;
    }
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member))
        if (!read_role(name, member, roles, ret_why, why_bytes))
            return false;
    return true;
}
