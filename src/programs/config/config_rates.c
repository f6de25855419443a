// SPDX-License-Identifier: MIT
// Reads rate limits, as strictly as every other setting: a limit that is silently understood
// differently is found out under attack.
#include "programs/config/config_rates.h"

#include <stdio.h>
#include <string.h>

#include "access/permissions.h"
#include "programs/config/config_number.h"

struct word {
    const char *text;
    uint8_t value;
};

static const struct word scopes[] = {
    {"key", RATE_PER_KEY}, {"role", RATE_PER_ROLE}, {"address", RATE_PER_ADDRESS}, {0}};

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

static bool read_class(struct json_value value, uint8_t *ret_class) {
    if (json_kind(value) != JSON_TEXT)
        return false;
    for (unsigned class = RATE_READ; class <= RATE_BOOKS; class++) {
        const char *name = rate_class_name((uint8_t)class);
        if (name == NULL || !slice_equal(slice_of_text(name), json_text(value)))
            continue;
        *ret_class = (uint8_t)class;
        return true;
    }
    return false;
}

static bool read_role(struct json_value value, const struct role_table *roles,
                      struct rate_limit_rule *rule) {
    for (uint32_t i = 0; json_kind(value) == JSON_TEXT && i < roles->count; i++) {
        bool is_house = roles->rows[i].number < ROLES_CUSTOM_FIRST;
        const char *name = is_house ? roles->rows[i].name : roles->names[i];
        if (!slice_equal(slice_of_text(name), json_text(value)))
            continue;
        rule->role = roles->rows[i].number;
        rule->role_name = is_house ? NULL : name;
        return true;
    }
    return false;
}

static bool read_member(enum member member, struct json_value value, const struct role_table *roles,
                        struct rate_limit_rule *rule) {
    switch (member) {
    case PER: return read_word(value, scopes, &rule->scope);
    case REQUESTS: return config_number_read(value, 1, RATE_LIMIT_REQUESTS_MAX, &rule->requests);
    case SECONDS: return config_number_read(value, 1, RATE_LIMIT_SECONDS_MAX, &rule->seconds);
    case BURST: return config_number_read(value, 1, RATE_LIMIT_BURST_MAX, &rule->burst);
    case CLASS: return read_class(value, &rule->classes);
    case ROLE: return read_role(value, roles, rule);
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
    case CLASS:
        return "must be \"read\", \"write\", \"any\", \"money\", \"wallets\", \"lists\", "
               "\"keys\", \"audit\" or \"books\"";
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
static const char *read_rule(struct json_value value, const struct role_table *roles,
                             struct rate_limit_rule *ret_rule, const char **ret_member) {
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
        if (!read_member(member, item, roles, ret_rule))
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

bool config_read_rates(struct json_value value, const struct role_table *roles,
                       struct rate_limit_rule *ret_rules, uint32_t *ret_count, char *ret_why,
                       size_t why_bytes) {
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
            why = read_rule(item, roles, &rule, &member);
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

static bool read_address(struct json_value value, char *ret_address) {
    struct slice text = json_kind(value) == JSON_TEXT ? json_text(value) : SLICE("");
    const uint8_t *colon = text.size == 0 ? NULL : memrchr(text.bytes, ':', text.size);
    size_t host = colon == NULL ? 0 : (size_t)(colon - text.bytes);
    uint32_t port = 0;
    for (size_t i = host + 1; i < text.size && port <= 65535; i++)
        port = text.bytes[i] >= '0' && text.bytes[i] <= '9'
                   ? port * 10 + (uint32_t)(text.bytes[i] - '0')
                   : 65536;
    if (host == 0 || text.size >= RATE_SHARE_ADDRESS_BYTES || port == 0 || port > 65535)
        return false;
    memcpy(ret_address, text.bytes, text.size);
    ret_address[text.size] = '\0';
    return true;
}

static bool read_word_of_redis(struct json_value value, char *ret_text, size_t bytes) {
    struct slice text = json_kind(value) == JSON_TEXT ? json_text(value) : SLICE("");
    if (text.size == 0 || text.size >= bytes || memchr(text.bytes, 0, text.size) != NULL)
        return false;
    memcpy(ret_text, text.bytes, text.size);
    ret_text[text.size] = '\0';
    return true;
}

static bool read_redis(struct json_value value, struct rate_share_place *ret_place) {
    *ret_place = (struct rate_share_place){.address = ""};
    if (json_kind(value) != JSON_OBJECT)
        return read_address(value, ret_place->address);
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        bool ok = false;
        if (slice_equal(name, SLICE("address")))
            ok = read_address(item, ret_place->address);
        else if (slice_equal(name, SLICE("user")))
            ok = read_word_of_redis(item, ret_place->user, sizeof(ret_place->user));
        else if (slice_equal(name, SLICE("password_file")))
            ok = read_word_of_redis(item, ret_place->password_file,
                                    sizeof(ret_place->password_file));
        if (!ok)
            return false;
    }
    bool has_password = ret_place->password_file[0] != '\0';
    return ret_place->address[0] != '\0' && (ret_place->user[0] == '\0' || has_password);
}

bool config_read_redis(struct json_value value, struct rate_share_place *ret_place, char *ret_why,
                       size_t why_bytes) {
    if (read_redis(value, ret_place))
        return true;
    snprintf(ret_why, why_bytes,
             "rate_limits_redis must be HOST:PORT, or an object of `address` and optionally "
             "`password_file` and `user`.");
    return false;
}
