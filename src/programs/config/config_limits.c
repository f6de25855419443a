// SPDX-License-Identifier: MIT
// Reads limits on spending, each for one kind of wallet, or one tier of it, in one currency.
#include "programs/config/config_limits.h"

#include <stdio.h>
#include <string.h>

static const char shape[] =
    "spending_limits must be like [{\"kind\": \"customer\", \"currency\": \"USD\", "
    "\"per_transaction\": 50000, \"per_day\": 100000, \"per_month\": 1000000}], up to 64, each "
    "kind, tier and currency once (tier, 0 to 15, may be left out), "
    "amounts from 1 to 9007199254740991";

static bool read_amount(struct json_value value, int64_t *ret_amount) {
    return json_kind(value) == JSON_INTEGER && json_integer(value, ret_amount) &&
           *ret_amount >= 1 && *ret_amount <= LIMIT_AMOUNT_MAX;
}

static bool read_member(struct slice name, struct json_value value, struct spending_limit *limit,
                        bool *has_kind) {
    struct slice text = json_kind(value) == JSON_TEXT ? json_text(value) : SLICE("");
    if (slice_equal(name, SLICE("kind"))) {
        *has_kind = slice_equal(text, SLICE("customer")) || slice_equal(text, SLICE("merchant"));
        limit->kind = slice_equal(text, SLICE("merchant")) ? WALLET_MERCHANT : WALLET_CUSTOMER;
        return *has_kind;
    }
    if (slice_equal(name, SLICE("tier"))) {
        int64_t tier;
        limit->has_tier = json_kind(value) == JSON_INTEGER && json_integer(value, &tier) &&
                          tier >= 0 && tier <= WALLET_TIER_MAX;
        limit->tier = limit->has_tier ? (uint8_t)tier : 0;
        return limit->has_tier;
    }
    if (slice_equal(name, SLICE("currency"))) {
        if (text.size < 3 || text.size > sizeof(limit->currency.code))
            return false;
        memset(limit->currency.code, 0, sizeof(limit->currency.code));
        memcpy(limit->currency.code, text.bytes, text.size);
        return true;
    }
    if (slice_equal(name, SLICE("per_transaction")))
        return read_amount(value, &limit->per_transaction);
    if (slice_equal(name, SLICE("per_day")))
        return read_amount(value, &limit->per_day);
    return slice_equal(name, SLICE("per_month")) && read_amount(value, &limit->per_month);
}

static bool read_limit(struct json_value value, struct spending_limits *limits) {
    struct spending_limit limit = {.kind = WALLET_CUSTOMER};
    bool has_kind = false;
    struct slice name;
    struct json_value member;
    if (json_kind(value) != JSON_OBJECT || limits->count == SPENDING_LIMITS_MAX)
        return false;
    struct json_cursor members = json_members(value);
    while (json_next_member(&members, &name, &member))
        if (!read_member(name, member, &limit, &has_kind))
            return false;
    if (!has_kind || !currency_is_given(&limit.currency))
        return false;
    for (uint32_t i = 0; i < limits->count; i++)
        if (limits->items[i].kind == limit.kind && limits->items[i].has_tier == limit.has_tier &&
            limits->items[i].tier == limit.tier &&
            currency_equal(&limits->items[i].currency, &limit.currency))
            return false;
    limits->items[limits->count++] = limit;
    return true;
}

bool config_read_limits(struct json_value value, struct spending_limits *ret_limits, char *ret_why,
                        size_t why_bytes) {
    struct json_value item;
    bool ok = json_kind(value) == JSON_ARRAY;
    if (ok) {
        struct json_cursor items = json_items(value);
        while (ok && json_next_item(&items, &item))
            ok = read_limit(item, ret_limits);
    }
    if (!ok)
        snprintf(ret_why, why_bytes, "%s.", shape);
    return ok;
}
