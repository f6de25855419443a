// SPDX-License-Identifier: MIT
// What the setting shards makes of a server.
#pragma once
#include "engine/postgres/postgres.h"
#include "programs/config/config.h"

// Whether the books lie on several servers. One server is a plain database.
static inline bool serve_has_shards(const struct config *config) {
    return config->shards.count > 1;
}

// Refuses what does not go together with shards, with a sentence on stderr that begins with `word`.
// A single shard is put into `postgres` as its connection string.
bool serve_shards_fit(const struct config *config, const char *word, const char **postgres);
// Of a single shard, which is the plain database: its replicas, at most SHARD_REPLICAS_MAX; 0 of
// several, whose replicas are their own.
uint32_t serve_shards_replicas(const struct config *config, const char **ret_urls);
// Like postgres_open. `each`: what all shards have in common.
MUST_CHECK enum status serve_shards_open(const struct config *config,
                                         const struct postgres_options *each, char *ret_why,
                                         size_t why_bytes, struct engine **ret_engine);
