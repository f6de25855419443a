// SPDX-License-Identifier: MIT
// `florin migrate --postgres URL`: brings a database's schema to what this Florin knows. A server
// does the same when it starts; this is for those who want it done before, by a role that may.
#include <stdio.h>

#include "engine/postgres/postgres.h"
#include "programs/commands.h"
#include "programs/serve_options.h"

#define WHY_BYTES 512

int migrate_run(int argc, char **argv) {
    const char *url = NULL;
    const struct serve_option options[] = {{"--postgres", &url}, {0}};
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
    return 0;
}
