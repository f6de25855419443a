// SPDX-License-Identifier: MIT
// Shards and the rest of the configuration.
#include "programs/serve/serve_shards.h"

#include <stdio.h>

#include "engine/shards/shards.h"

bool serve_shards_fit(const struct config *config, const char *word, const char **postgres) {
    if (config->shards.count == 0)
        return true;
    if (*postgres != NULL) {
        fprintf(stderr, "florin %s: say either --postgres or the setting shards.\n", word);
        return false;
    }
    if (config->postgres_replica_count != 0) {
        fprintf(stderr,
                "florin %s: with the setting shards each shard names its own replicas: "
                "{\"name\": …, \"url\": …, \"replicas\": [...]}, and not postgres_replicas.\n",
                word);
        return false;
    }
    if (!serve_has_shards(config))
        *postgres = config->shards.items[0].url;
    return true;
}

uint32_t serve_shards_replicas(const struct config *config, const char **ret_urls) {
    const struct config_shard *shard = &config->shards.items[0];
    if (config->shards.count != 1)
        return 0;
    for (uint32_t i = 0; i < shard->replica_count; i++)
        ret_urls[i] = shard->replicas[i];
    return shard->replica_count;
}

enum status serve_shards_open(const struct config *config, const struct postgres_options *each,
                              char *ret_why, size_t why_bytes, struct engine **ret_engine) {
    struct shard_place places[SHARDS_MAX];
    config_shard_places(&config->shards, places);
    struct shards_options options = {.places = places,
                                     .count = config->shards.count,
                                     .each = each,
                                     .folder = each->folder};
    return shards_open(&options, ret_why, why_bytes, ret_engine);
}
