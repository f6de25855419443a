// SPDX-License-Identifier: MIT
// Shards and the rest of the configuration.
#include "programs/serve_shards.h"

#include <stdio.h>

#include "engine/shards/shards.h"

// What needs one feed over all shards, or has not been tried with them, is refused rather than
// half there.
static const char *not_with_shards(const struct config *config) {
    if (config->postgres_replica_count != 0)
        return "postgres_replicas";
    if (config->kafka.brokers[0] != '\0')
        return "kafka";
    if (config->has_patterns)
        return "patterns";
    if (config->encryption.master_key_file[0] != '\0')
        return "encryption";
    return NULL;
}

bool serve_shards_fit(const struct config *config, const char *word, const char **postgres) {
    if (config->shards.count == 0)
        return true;
    if (*postgres != NULL) {
        fprintf(stderr, "florin %s: say either --postgres or the setting shards.\n", word);
        return false;
    }
    if (!serve_has_shards(config)) {
        *postgres = config->shards.items[0].url;
        return true;
    }
    const char *what = not_with_shards(config);
    if (what != NULL)
        fprintf(stderr,
                "florin %s: the setting %s does not go together with several shards yet "
                "(docs/shards.md).\n",
                word, what);
    return what == NULL;
}

enum status serve_shards_open(const struct config *config, const struct postgres_options *each,
                              char *ret_why, size_t why_bytes, struct engine **ret_engine) {
    struct shard_place places[SHARDS_MAX];
    if (each->masters != NULL) { // from the environment
        (void)snprintf(ret_why, why_bytes, "encryption does not go together with several shards "
                                           "yet (docs/shards.md)");
        return STATUS_invalid_request;
    }
    config_shard_places(&config->shards, places);
    struct shards_options options = {.places = places,
                                     .count = config->shards.count,
                                     .each = each,
                                     .folder = each->folder};
    return shards_open(&options, ret_why, why_bytes, ret_engine);
}
