// SPDX-License-Identifier: MIT
// `florin shards --config FILE`: how slots, load and size are spread over the servers of the
// setting `shards`. `florin shards prepare --config FILE` makes shards of them, as a start does.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "programs/commands.h"
#include "programs/config.h"
#include "programs/serve_options.h"

#define WHY_BYTES 512

static int show(const struct shard_place *places, uint32_t count) {
    char line[SHARD_SHOWN_BYTES];
    int result = 0;
    printf("%-16s%6s  %10s  %12s  %10s  %10s  %s\n", "shard", "slots", "wallets", "records",
           "last 60 s", "size", "which slots");
    for (uint32_t i = 0; i < count; i++) {
        if (shard_show(&places[i], line) == STATUS_ok) {
            printf("%s\n", line);
            continue;
        }
        fprintf(stderr, "florin shards: %s: %s\n", places[i].name, line);
        result = 1;
    }
    return result;
}

static int prepare(const struct shard_place *places, uint32_t count) {
    char why[WHY_BYTES] = "";
    if (shards_prepare(places, count, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin shards: %s\n", why);
        return 1;
    }
    return show(places, count);
}

int shards_run(int argc, char **argv) {
    const char *path = NULL;
    const struct serve_option options[] = {{"--config", &path}, {0}};
    bool prepares = argc > 1 && strcmp(argv[1], "prepare") == 0;
    if (!serve_options_read(argc - prepares, argv + prepares, options, NULL))
        return 2;
    if (path == NULL) {
        fprintf(stderr, "florin shards: say --config FILE, the one that florin serve reads.\n");
        return 2;
    }
    char why[WHY_BYTES];
    struct config *config = memory_take_zeroed(sizeof(*config));
    struct shard_place places[SHARDS_MAX];
    int result = 2;
    config_set_defaults(config);
    if (config_load(path, config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin shards: %s: %s\n", path, why);
    } else if (config->shards.count < 2) {
        fprintf(stderr, "florin shards: %s has no setting shards with two or more.\n", path);
    } else {
        config_shard_places(&config->shards, places);
        result = prepares ? prepare(places, config->shards.count)
                          : show(places, config->shards.count);
    }
    memory_free(config);
    return result;
}
