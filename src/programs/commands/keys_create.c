// SPDX-License-Identifier: MIT
// `florin keys create --data DIR`: makes a key in the books of a server that does not run; with
// `--postgres URL`, in those of a database, and with `--config FILE` in those on the shards that
// the file names, whose servers may run. It is the way back in for somebody who lost every key: who
// can write the data folder or the database owns the books anyway.
#include <stdio.h>
#include <sys/stat.h>

#include "access/permissions.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/embedded/embedded.h"
#include "engine/postgres/postgres.h"
#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_key.h"
#include "programs/serve/serve_options.h"
#include "programs/serve/serve_shards.h"

#define WHY_BYTES 512

struct wish {
    const char *folder, *postgres, *config, *role, *name, *owner, *expires_in;
    struct serve_key_wish key;
};

static bool read_seconds(const char *text, uint32_t *ret_seconds) {
    uint64_t seconds = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || seconds > LIMIT_EXPIRES_IN_S_MAX)
            return false;
        seconds = seconds * 10 + (uint64_t)(*c - '0');
    }
    if (seconds < 1 || seconds > LIMIT_EXPIRES_IN_S_MAX)
        return false;
    *ret_seconds = (uint32_t)seconds;
    return true;
}

static bool read_wish(int argc, char **argv, struct wish *wish) {
    const struct serve_option options[] = {
        {"--data", &wish->folder}, {"--postgres", &wish->postgres},     {"--role", &wish->role},
        {"--name", &wish->name},   {"--expires-in", &wish->expires_in}, {"--owner", &wish->owner},
        {"--config", &wish->config}, {0}};
    const char *verb = NULL; // "create", which led here
    if (!serve_options_read(argc, argv, options, &verb))
        return false;
    if ((wish->folder != NULL) + (wish->postgres != NULL) + (wish->config != NULL) != 1) {
        fprintf(stderr, "florin keys create: say where the books are: --data DIR, --postgres URL, "
                        "or --config FILE with the setting shards.\n");
        return false;
    }
    const struct role_row *role = permissions_role_find(slice_of_text(wish->role));
    if (role == NULL) {
        fprintf(stderr, "florin keys create: there is no role \"%s\". Roles:", wish->role);
        uint32_t count;
        const struct role_row *rows = permissions_roles(&count);
        for (uint32_t i = 0; i < count; i++)
            fprintf(stderr, " %s", rows[i].name);
        fprintf(stderr, ".\n");
        return false;
    }
    wish->key.role = role->number;
    if (wish->owner != NULL)
        wish->key.owner = slice_of_text(wish->owner);
    if (wish->key.owner.size > LIMIT_TEXT_BYTES_MAX || (role->bound && wish->key.owner.size == 0)) {
        fprintf(stderr, "florin keys create: the role %s is bound to an owner: say --owner NAME, "
                        "of 1 to %d bytes.\n",
                wish->role, LIMIT_TEXT_BYTES_MAX);
        return false;
    }
    wish->key.name = slice_of_text(wish->name);
    if (wish->key.name.size == 0 || wish->key.name.size > LIMIT_TEXT_BYTES_MAX) {
        fprintf(stderr, "florin keys create: a name has 1 to %d bytes.\n", LIMIT_TEXT_BYTES_MAX);
        return false;
    }
    if (wish->expires_in != NULL && !read_seconds(wish->expires_in, &wish->key.expires_in_s)) {
        fprintf(stderr, "florin keys create: --expires-in is a number of seconds, at most %d.\n",
                LIMIT_EXPIRES_IN_S_MAX);
        return false;
    }
    return true;
}

static int make_key(struct engine *engine, const struct wish *wish) {
    struct serve_secret secret = serve_secret_make(wish->key.role);
    struct id id;
    enum status status = serve_key_create(engine, &wish->key, &secret, &id);
    if (status != STATUS_ok) {
        fprintf(stderr, "florin keys create: %s\n", status_sentence(status));
        return 1;
    }
    char text[ID_TEXT_BYTES_MAX];
    size_t size = id_format(ID_KEY, id, text);
    fprintf(stderr, "Made the %s key %.*s. Its secret is shown only now:\n", wish->role, (int)size,
            text);
    printf("%.*s\n", (int)secret.size, secret.text);
    return 0;
}

static int make_key_in_postgres(const struct wish *wish) {
    char why[WHY_BYTES] = "";
    struct engine *engine;
    const struct postgres_options options = {.url = wish->postgres, .without_texts = true};
    if (postgres_open(&options, why, sizeof(why), &engine) != STATUS_ok) {
        fprintf(stderr, "florin keys create: cannot open the books in PostgreSQL: %s\n", why);
        return 1;
    }
    int result = make_key(engine, wish);
    engine->port->close(engine);
    return result;
}

static int make_key_on_shards(const struct wish *wish) {
    char why[WHY_BYTES] = "";
    struct engine *engine;
    struct config *config = memory_take_zeroed(sizeof(*config));
    const struct postgres_options each = {.without_texts = true};
    int result = 1;
    config_set_defaults(config);
    if (config_load(wish->config, config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin keys create: %s: %s\n", wish->config, why);
    } else if (!serve_has_shards(config)) {
        fprintf(stderr, "florin keys create: %s has no setting shards with two or more: say --data "
                        "DIR or --postgres URL.\n",
                wish->config);
    } else if (serve_shards_open(config, &each, why, sizeof(why), &engine) != STATUS_ok) {
        fprintf(stderr, "florin keys create: cannot open the books: %s\n", why);
    } else {
        result = make_key(engine, wish);
        engine->port->close(engine);
    }
    memory_free(config);
    return result;
}

int keys_create_run(int argc, char **argv) {
    struct wish wish = {.role = "admin", .name = "made on the command line"};
    if (!read_wish(argc, argv, &wish))
        return 2;
    umask(077);
    if (wish.postgres != NULL)
        return make_key_in_postgres(&wish);
    if (wish.config != NULL)
        return make_key_on_shards(&wish);
    struct stat folder;
    if (stat(wish.folder, &folder) != 0 || !S_ISDIR(folder.st_mode)) {
        fprintf(stderr, "florin keys create: there is no folder %s.\n", wish.folder);
        return 1;
    }
    char why[WHY_BYTES] = "";
    struct engine *engine;
    struct config config;
    config_set_defaults(&config);
    // The server's own configuration is not known here, so nothing may be forgotten that it would
    // keep.
    struct embedded_options options = {.folder = wish.folder,
                                       .without_texts = true,
                                       .idempotency_days = 366,
                                       .free_bytes_min = config.storage_free_bytes_min};
    enum status status = embedded_open(&options, why, sizeof(why), &engine);
    if (status == STATUS_busy) {
        fprintf(stderr,
                "florin keys create: a server runs on %s; ask it instead, without --data.\n",
                wish.folder);
        return 1;
    }
    if (status != STATUS_ok) {
        fprintf(stderr, "florin keys create: cannot open the books in %s: %s\n", wish.folder,
                why[0] != '\0' ? why : status_sentence(status));
        return 1;
    }
    int result = make_key(engine, &wish);
    engine->port->close(engine);
    return result;
}
