// SPDX-License-Identifier: MIT
// Roles stand in the configuration by name; here they get their numbers, so that a token's check
// compares no words.
#include "programs/serve/serve_tokens.h"

#include <stdio.h>
#include <string.h>

#include "access/permissions.h"
#include "base/log.h"

static bool resolve(const struct role_table *roles, const char *issuer, const char *name,
                    uint8_t *ret_number) {
    for (uint32_t i = 0; i < roles->count; i++) {
        const struct role_row *row = &roles->rows[i];
        const char *own = row->number >= ROLES_CUSTOM_FIRST ? roles->names[i] : row->name;
        if (strcmp(own, name) != 0)
            continue;
        *ret_number = row->number;
        return true;
    }
    fprintf(stderr, "florin serve: tokens of %s: there is no role \"%s\".\n", issuer, name);
    return false;
}

static bool resolve_roles(const struct role_table *roles, struct token_issuer *issuer) {
    if (issuer->role[0] != '\0' &&
        !resolve(roles, issuer->issuer, issuer->role, &issuer->role_number))
        return false;
    for (uint32_t i = 0; i < issuer->role_count; i++)
        if (!resolve(roles, issuer->issuer, issuer->roles[i].role, &issuer->roles[i].number))
            return false;
    return true;
}

static void tell(void *context, const struct token_issuer *issuer, const char *why) {
    (void)context;
    if (why != NULL)
        log_line(LOG_WARNING, "tokens",
                 "The keys of %s in %s cannot be read, those of before stay: %s", issuer->issuer,
                 issuer->keys, why);
    else
        log_line(LOG_INFO, "tokens", "The keys of %s can be read again.", issuer->issuer);
}

bool serve_open_tokens(struct config *config, struct token_keys **ret_keys) {
    char why[512] = "";
    *ret_keys = NULL;
    if (config->issuer_count == 0)
        return true;
    for (uint32_t i = 0; i < config->issuer_count; i++)
        if (!resolve_roles(&config->roles, &config->issuers[i]))
            return false;
    if (token_keys_open(config->issuers, config->issuer_count, tell, NULL, why, sizeof(why),
                        ret_keys) == STATUS_ok)
        return true;
    fprintf(stderr, "florin serve: %s\n", why);
    return false;
}
