// SPDX-License-Identifier: MIT
// `florin migrate --postgres URL [--serving ROLE] [--verifying ROLE]`: brings a database's schema
// to what this Florin knows, and gives roles their privileges. A server does the same when it
// starts, if its role may.
#include <stdio.h>

#include "engine/postgres/postgres.h"
#include "programs/commands.h"
#include "programs/serve/serve_options.h"

#define WHY_BYTES 512

static bool grant(const char *url, const char *role, const char *purpose) {
    char why[WHY_BYTES] = "";
    if (postgres_grant(url, role, purpose, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin migrate: %s\n", why);
        return false;
    }
    printf("The role %s has the privileges of a %s one.\n", role, purpose);
    return true;
}

int migrate_run(int argc, char **argv) {
    const char *url = NULL, *serving = NULL, *verifying = NULL;
    const struct serve_option options[] = {
        {"--postgres", &url}, {"--serving", &serving}, {"--verifying", &verifying}, {0}};
    if (!serve_options_read(argc, argv, options, NULL))
        return 2;
    if (url == NULL) {
        fprintf(stderr, "florin migrate: say --postgres URL.\n");
        return 2;
    }
    char why[WHY_BYTES] = "";
    uint32_t applied = 0;
    if (postgres_migrate(url, why, sizeof(why), &applied) != STATUS_ok) {
        fprintf(stderr, "florin migrate: %s\n", why);
        return 1;
    }
    if (applied == 0)
        printf("The schema is as it should be.\n");
    else
        printf("Applied %u migration%s.\n", applied, applied == 1 ? "" : "s");
    if (serving != NULL && !grant(url, serving, "serving"))
        return 1;
    if (verifying != NULL && !grant(url, verifying, "verifying"))
        return 1;
    return 0;
}
