// SPDX-License-Identifier: MIT
// On which servers the books lie.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "engine/postgres/shard/shard.h"

#define CONFIG_SHARD_URL_BYTES 1024

struct config_shard {
    char name[SHARD_NAME_BYTES];
    char url[CONFIG_SHARD_URL_BYTES];
    char replicas[SHARD_REPLICAS_MAX][CONFIG_SHARD_URL_BYTES];
    uint32_t replica_count;
};

struct config_shards {
    struct config_shard items[SHARDS_MAX];
    uint32_t count; // 0: the setting is not given
};

// False: `ret_why` says what is wrong.
bool config_read_shards(struct json_value value, struct config_shards *ret_shards, char *ret_why,
                        size_t why_bytes);
// The same for the engine; borrowed from `shards`.
void config_shard_places(const struct config_shards *shards,
                         struct shard_place ret_places[SHARDS_MAX]);
