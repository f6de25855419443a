// SPDX-License-Identifier: MIT
// `florin state-hash`: prints one hash of all that books are, whichever engine keeps them. Books
// that were restored or moved are the same when it is.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/embedded/embedded.h"
#include "engine/postgres/postgres.h"
#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_options.h"
#include "watch/rows.h"
#include "watch/state_hash.h"

#define WHY_BYTES 512

static enum status open_books(const char *folder, const char *postgres, char *ret_why,
                              struct engine **ret_engine) {
    if (postgres != NULL) {
        struct rows_link link;
        // To open the engine makes books where there are none, and this command only looks.
        bool is_empty = rows_link_open(&link, postgres) && !rows_has_books(&link);
        if (is_empty)
            (void)snprintf(ret_why, WHY_BYTES, "%s", link.why);
        rows_link_close(&link);
        if (is_empty)
            return STATUS_not_found;
        const struct postgres_options options = {.url = postgres, .without_texts = true};
        return postgres_open(&options, ret_why, WHY_BYTES, ret_engine);
    }
    struct stat found;
    if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode)) {
        (void)snprintf(ret_why, WHY_BYTES, "there is no such folder");
        return STATUS_not_found;
    }
    struct config config;
    config_set_defaults(&config);
    // What a server would still remember must not be forgotten by looking.
    const struct embedded_options options = {.folder = folder,
                                             .without_texts = true,
                                             .idempotency_days = 366,
                                             .free_bytes_min = config.storage_free_bytes_min};
    return embedded_open(&options, ret_why, WHY_BYTES, ret_engine);
}

static void print(const struct state_hash *hash) {
    for (size_t i = 0; i < sizeof(hash->hash.bytes); i++)
        printf("%02x", hash->hash.bytes[i]);
    printf("\n");
    fprintf(stderr, "%llu records, %llu wallets, %llu holds, %llu withdrawals, %llu habits\n",
            (unsigned long long)hash->record_count, (unsigned long long)hash->wallet_count,
            (unsigned long long)hash->hold_count, (unsigned long long)hash->withdrawal_count,
            (unsigned long long)hash->habits_count);
}

int state_hash_run(int argc, char **argv) {
    const char *postgres = NULL, *ignore = NULL, *folder = NULL;
    const struct serve_option options[] = {{"--postgres", &postgres}, {"--ignore", &ignore}, {0}};
    if (!serve_options_read(argc, argv, options, &folder))
        return 2;
    if ((folder == NULL) == (postgres == NULL) ||
        (ignore != NULL && strcmp(ignore, "names") != 0)) {
        fprintf(stderr, "florin state-hash: say which folder, or --postgres URL; with "
                        "--ignore names ids, times and who asked do not count.\n");
        return 2;
    }
    char why[WHY_BYTES] = "";
    struct engine *engine;
    enum status status = open_books(folder, postgres, why, &engine);
    if (status != STATUS_ok) {
        fprintf(stderr, "florin state-hash: the books cannot be opened: %s\n",
                why[0] != '\0' ? why : status_sentence(status));
        return 1;
    }
    struct state_hash hash;
    status = state_hash_make(engine, ignore != NULL, &hash);
    if (status == STATUS_ok)
        print(&hash);
    else
        fprintf(stderr, "florin state-hash: %s\n", status_sentence(status));
    engine->port->close(engine);
    return status == STATUS_ok ? 0 : 1;
}
