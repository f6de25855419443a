// SPDX-License-Identifier: MIT
// Reads the issuers of tokens, as strictly as every other setting: an issuer that is understood
// differently is a door that stands open.
#include "programs/config/config_tokens.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "programs/config/config_number.h"
#include "programs/config/config_text.h"

#define LEEWAY_S_STANDARD  30
#define REFRESH_S_STANDARD 300
#define REFRESH_S_MIN      10
#define REFRESH_S_MAX      86400

enum member {
    ISSUER, AUDIENCE, KEYS, ALGORITHMS, ROLE_CLAIM, ROLES, ROLE, OWNER_CLAIM, LEEWAY_S, REFRESH_S,
    MEMBER_COUNT
};

static const char *const members[MEMBER_COUNT] = {
    [ISSUER] = "issuer",           [AUDIENCE] = "audience",     [KEYS] = "keys",
    [ALGORITHMS] = "algorithms",   [ROLE_CLAIM] = "role_claim", [ROLES] = "roles",
    [ROLE] = "role",               [OWNER_CLAIM] = "owner_claim", [LEEWAY_S] = "leeway_s",
    [REFRESH_S] = "refresh_s",
};

static const char *const expected[MEMBER_COUNT] = {
    [ISSUER] = "must be a text of 1 to 200 printable characters without |",
    [AUDIENCE] = "must be a text of 1 to 255 printable characters",
    [KEYS] = "must be the path of a JWK set, an https:// address, or http:// on this machine",
    [ALGORITHMS] = "must be an array of RS256, ES256 and EdDSA",
    [ROLE_CLAIM] = "must be the name of a claim",
    [ROLES] = "must be an object of at most 32 texts, from a value of the claim to a role",
    [ROLE] = "must be the name of a role",
    [OWNER_CLAIM] = "must be the name of a claim",
    [LEEWAY_S] = "must be an integer from 0 to 300",
    [REFRESH_S] = "must be an integer from 10 to 86400",
};

static bool read_algorithms(struct json_value value, unsigned *ret_algorithms) {
    unsigned algorithms = 0;
    if (json_kind(value) != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        unsigned algorithm = json_kind(item) == JSON_TEXT ? jws_algorithm_of(json_text(item)) : 0;
        if (algorithm == 0 || (algorithms & algorithm) != 0)
            return false;
        algorithms |= algorithm;
    }
    *ret_algorithms = algorithms;
    return algorithms != 0;
}

static bool read_roles(struct json_value value, struct token_issuer *issuer) {
    if (json_kind(value) != JSON_OBJECT)
        return false;
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        if (issuer->role_count == TOKEN_ROLES_MAX)
            return false;
        struct token_role *role = &issuer->roles[issuer->role_count++];
        if (!config_text_copy(name, role->value, TOKEN_WORD_BYTES_MAX) ||
            !config_text_read(item, role->role, TOKEN_WORD_BYTES_MAX))
            return false;
    }
    return issuer->role_count != 0;
}

static bool read_member(enum member member, struct json_value value, struct token_issuer *issuer) {
    switch (member) {
    case ISSUER:
        return config_text_read(value, issuer->issuer, 200) && strchr(issuer->issuer, '|') == NULL;
    case AUDIENCE: return config_text_read(value, issuer->audience, TOKEN_NAME_BYTES_MAX);
    case KEYS: return config_text_read(value, issuer->keys, sizeof(issuer->keys) - 1);
    case ALGORITHMS: return read_algorithms(value, &issuer->algorithms);
    case ROLE_CLAIM: return config_text_read(value, issuer->role_claim, TOKEN_WORD_BYTES_MAX);
    case ROLES: return read_roles(value, issuer);
    case ROLE: return config_text_read(value, issuer->role, TOKEN_WORD_BYTES_MAX);
    case OWNER_CLAIM: return config_text_read(value, issuer->owner_claim, TOKEN_WORD_BYTES_MAX);
    case LEEWAY_S: return config_number_read(value, 0, TOKEN_LEEWAY_S_MAX, &issuer->leeway_s);
    case REFRESH_S:
        return config_number_read(value, REFRESH_S_MIN, REFRESH_S_MAX, &issuer->refresh_s);
    case MEMBER_COUNT: break;
    }
    UNREACHABLE("a member of an issuer");
}

static enum member find_member(struct slice name) {
    unsigned member = 0;
    while (member < MEMBER_COUNT && !slice_equal(slice_of_text(members[member]), name))
        member++;
    return (enum member)member;
}

// What is wrong with the issuer; NULL: nothing. `ret_member` may name what it is about.
static const char *read_issuer(struct json_value value, struct token_issuer *ret_issuer,
                               const char **ret_member) {
    bool seen[MEMBER_COUNT] = {false};
    *ret_issuer = (struct token_issuer){.algorithms = JWS_ALL,
                                        .leeway_s = LEEWAY_S_STANDARD,
                                        .refresh_s = REFRESH_S_STANDARD};
    *ret_member = "";
    if (json_kind(value) != JSON_OBJECT)
        return "must be an object";
    struct json_cursor cursor = json_members(value);
    struct slice name;
    struct json_value item;
    while (json_next_member(&cursor, &name, &item)) {
        enum member member = find_member(name);
        if (member == MEMBER_COUNT)
            return "knows only issuer, audience, keys, algorithms, role_claim, roles, role, "
                   "owner_claim, leeway_s and refresh_s";
        *ret_member = members[member];
        if (seen[member])
            return "stands there twice";
        seen[member] = true;
        if (!read_member(member, item, ret_issuer))
            return expected[member];
    }
    *ret_member = "";
    if (!seen[ISSUER] || !seen[AUDIENCE] || !seen[KEYS])
        return "needs issuer, audience and keys";
    if (seen[ROLE_CLAIM] != seen[ROLES])
        return "needs role_claim and roles together, or neither";
    if (!seen[ROLE] && !seen[ROLES])
        return "needs a role, or role_claim and roles";
    return NULL;
}

bool config_read_tokens(struct json_value value, struct token_issuer *ret_issuers,
                        uint32_t *ret_count, char *ret_why, size_t why_bytes) {
    *ret_count = 0;
    if (json_kind(value) != JSON_ARRAY) {
        snprintf(ret_why, why_bytes, "tokens must be an array of issuers.");
        return false;
    }
    struct json_cursor cursor = json_items(value);
    struct json_value item;
    while (json_next_item(&cursor, &item)) {
        const char *member = "";
        const char *why = NULL;
        if (*ret_count == TOKEN_ISSUERS_MAX)
            why = "is one too many: there may be 8";
        struct token_issuer *issuer = &ret_issuers[*ret_count];
        if (why == NULL)
            why = read_issuer(item, issuer, &member);
        for (uint32_t i = 0; why == NULL && i < *ret_count; i++)
            if (strcmp(ret_issuers[i].issuer, issuer->issuer) == 0)
                why = "has the issuer of an earlier one";
        if (why != NULL) {
            snprintf(ret_why, why_bytes, "tokens: %s%sthe issuer at index %u %s.", member,
                     member[0] != '\0' ? " of " : "", *ret_count, why);
            return false;
        }
        ++*ret_count;
    }
    return true;
}
