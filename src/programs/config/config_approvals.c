// SPDX-License-Identifier: MIT
// Reads the amounts above which payments wait for somebody else.
#include "programs/config/config_approvals.h"

#include <stdio.h>
#include <string.h>

#define SHOWN(slice) (int)((slice).size < 64 ? (slice).size : 64), (const char *)(slice).bytes
#define EXPIRES_IN_S_MAX (366 * 24 * 3600)

static bool read_amount(struct slice code, struct json_value value, struct approval_rules *rules,
                        char *ret_why, size_t why_bytes) {
    int64_t above;
    struct currency currency = {.code = {0}};
    if (json_kind(value) != JSON_INTEGER || !json_integer(value, &above) || above < 0 ||
        above > LIMIT_AMOUNT_MAX || code.size < 3 || code.size > sizeof(currency.code)) {
        snprintf(ret_why, why_bytes,
                 "approvals: above must be like {\"USD\": 100000}, in minor units; \"%.*s\" does "
                 "not fit.",
                 SHOWN(code));
        return false;
    }
    if (rules->count == APPROVAL_CURRENCIES_MAX) {
        snprintf(ret_why, why_bytes, "approvals: more than %d currencies.",
                 APPROVAL_CURRENCIES_MAX);
        return false;
    }
    memcpy(currency.code, code.bytes, code.size);
    for (uint32_t i = 0; i < rules->count; i++)
        if (currency_equal(&rules->items[i].currency, &currency)) {
            snprintf(ret_why, why_bytes, "approvals: %.*s stands there twice.", SHOWN(code));
            return false;
        }
    rules->items[rules->count++] = (struct approval_rule){.currency = currency, .above = above};
    return true;
}

static bool read_amounts(struct json_value value, struct approval_rules *rules, char *ret_why,
                         size_t why_bytes) {
    struct slice code;
    struct json_value amount;
    if (json_kind(value) != JSON_OBJECT) {
        snprintf(ret_why, why_bytes, "approvals: above must be an object such as {\"USD\": 0}.");
        return false;
    }
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &code, &amount))
        if (!read_amount(code, amount, rules, ret_why, why_bytes))
            return false;
    return true;
}

bool config_read_approvals(struct json_value value, struct approval_rules *ret_rules,
                           char *ret_why, size_t why_bytes) {
    struct slice name;
    struct json_value member;
    int64_t seconds;
    if (json_kind(value) != JSON_OBJECT) {
        snprintf(ret_why, why_bytes,
                 "approvals must be an object such as {\"above\": {\"USD\": 100000}}.");
        return false;
    }
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        if (slice_equal(name, SLICE("above"))) {
            if (!read_amounts(member, ret_rules, ret_why, why_bytes))
                return false;
        } else if (slice_equal(name, SLICE("expires_in")) && json_kind(member) == JSON_INTEGER &&
                   json_integer(member, &seconds) && seconds >= 1 && seconds <= EXPIRES_IN_S_MAX) {
            ret_rules->expires_in_s = (uint32_t)seconds;
        } else {
            snprintf(ret_why, why_bytes,
                     "approvals has above (amounts by currency) and expires_in (seconds, 1 to %d); "
                     "\"%.*s\" does not fit.",
                     EXPIRES_IN_S_MAX, SHOWN(name));
            return false;
        }
    }
    return true;
}
