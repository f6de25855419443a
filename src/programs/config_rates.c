// SPDX-License-Identifier: MIT
// Reads rate limits, as strictly as every other setting: a limit that is silently understood
// differently is found out under attack.
#include "programs/config_rates.h"

#include <stdio.h>
#include <string.h>

#include "access/permissions.h"

struct word {
    const char *text;
    uint8_t value;
};

static const struct word scopes[] = {
    {"key", RATE_PER_KEY}, {"role", RATE_PER_ROLE}, {"address", RATE_PER_ADDRESS}, {0}};
static const struct word classes[] = {
    {"read", RATE_READ}, {"write", RATE_WRITE}, {"any", RATE_ANY}, {0}};

enum member { PER, REQUESTS, SECONDS, BURST, CLASS, ROLE, MEMBER_COUNT };

static const char *const members[MEMBER_COUNT] = {
    [PER] = "per",     [REQUESTS] = "requests", [SECONDS] = "seconds",
    [BURST] = "burst", [CLASS] = "class",       [ROLE] = "role",
};

static bool read_word(struct json_value value, const struct word *words, uint8_t *ret_value) {
    if (json_kind(value) != JSON_TEXT)
        return false;
    for (; words->text != NULL; words++) {
        if (!slice_equal(slice_of_text(words->text), json_text(value)))
            continue;
        *ret_value = words->value;
        return true;
    }
    return false;
}

static bool read_role(struct json_value value, uint8_t *ret_role) {
    const struct role_row *role =
        json_kind(value) == JSON_TEXT ? permissions_role_find(json_text(value)) : NULL;
    if (role == NULL)
        return false;
    *ret_role = role->number;
    return true;
}

static bool read_number(struct json_value value, int64_t maximum, uint32_t *ret_number) {
    int64_t number;
    if (json_kind(value) != JSON_INTEGER || !json_integer(value, &number) || number < 1 ||
        number > maximum)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool read_member(enum member member, struct json_value value, struct rate_limit_rule *rule) {
    switch (member) {
    case PER: return read_word(value, scopes, &rule->scope);
    case REQUESTS: return read_number(value, RATE_LIMIT_REQUESTS_MAX, &rule->requests);
    case SECONDS: return read_number(value, RATE_LIMIT_SECONDS_MAX, &rule->seconds);
    case BURST: return read_number(value, RATE_LIMIT_BURST_MAX, &rule->burst);
    case CLASS: return read_word(value, classes, &rule->classes);
    case ROLE: return read_role(value, &rule->role);
    case MEMBER_COUNT: break;
    }
    UNREACHABLE("a member of a limit");
}

static const char *expected(enum member member) {
    switch (member) {
    case PER: return "must be \"key\", \"role\" or \"address\"";
    case REQUESTS: return "must be an integer from 1 to 1000000";
    case SECONDS: return "must be an integer from 1 to 3600";
    case BURST: return "must be an integer from 1 to 1000000";
    case CLASS: return "must be \"read\", \"write\" or \"any\"";
    case ROLE: return "must be the name of a role";
    case MEMBER_COUNT: break;
    }
    UNREACHABLE("a member of a limit");
}

static enum member find_member(struct slice name) {
    unsigned member = 0;
    while (member < MEMBER_COUNT && !slice_equal(slice_of_text(members[member]), name))
        member++;
    return (enum member)member;
}

// What is wrong with the limit; NULL: nothing. `ret_member` may name what it is about.
static const char *read_rule(struct json_value value, struct rate_limit_rule *ret_rule,
                             const char **ret_member) {
    bool seen[MEMBER_COUNT] = {false};
    *ret_rule = (struct rate_limit_rule){.classes = RATE_ANY, .seconds = 1};
    *ret_member = "";
    if (json_kind(value) != JSON_OBJECT)
        return "must be an object such as {\"per\": \"key\", \"requests\": 100}";
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        enum member member = find_member(name);
        if (member == MEMBER_COUNT)
            return "knows only per, requests, seconds, burst, class and role";
        *ret_member = members[member];
        if (seen[member])
            return "stands there twice";
        seen[member] = true;
        if (!read_member(member, item, ret_rule))
            return expected(member);
    }
    *ret_member = "";
    if (!seen[PER] || !seen[REQUESTS])
        return "needs per and requests";
    if (!seen[BURST])
        ret_rule->burst = ret_rule->requests;
    if (ret_rule->scope == RATE_PER_ADDRESS && (seen[CLASS] || seen[ROLE]))
        return "is for those without a valid key, who have neither class nor role";
    CHECK(rate_limit_is_valid(ret_rule));
    return NULL;
}

bool config_read_rates(struct json_value value, struct rate_limit_rule *ret_rules,
                       uint32_t *ret_count, char *ret_why, size_t why_bytes) {
    *ret_count = 0;
    if (json_kind(value) != JSON_ARRAY) {
        snprintf(ret_why, why_bytes, "rate_limits must be an array of limits.");
        return false;
    }
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        const char *member = "";
        const char *why = NULL;
        struct rate_limit_rule rule;
        if (*ret_count == RATE_LIMITS_MAX)
            why = "is one too many: there may be 16";
        if (why == NULL)
            why = read_rule(item, &rule, &member);
        for (uint32_t i = 0; why == NULL && i < *ret_count; i++)
            if (rate_limit_same(&ret_rules[i], &rule))
                why = "is for the same requests as an earlier one";
        if (why != NULL) {
            snprintf(ret_why, why_bytes, "rate_limits: %s%sthe limit at index %u %s.", member,
                     member[0] != '\0' ? " of " : "", *ret_count, why);
            return false;
        }
        ret_rules[(*ret_count)++] = rule;
    }
    return true;
}
