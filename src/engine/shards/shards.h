// SPDX-License-Identifier: MIT
// Books on several PostgreSQL servers behind one port: each command goes to the shard that owns its
// home slot and is decided there by that shard's own writer; lists and totals are put together.
#pragma once
#include "engine/postgres/postgres.h"
#include "engine/postgres/shard/shard.h"

struct shards_options {
    const struct shard_place *places; // at least two, each once; names and urls outlive it
    uint32_t count;
    // What all shards have in common. `url`, `shard` and `folder` are not looked at.
    const struct postgres_options *each;
    // Where this node remembers their servers, one folder for each; NULL: nowhere.
    const char *folder;
};

// Makes shards of the databases if need be and opens all of them; every server must be there.
// Statuses and `ret_why` as of postgres_open. The engine is closed by its port.
MUST_CHECK enum status shards_open(const struct shards_options *options, char *ret_why,
                                   size_t why_bytes, struct engine **ret_engine);

// Whether no key existed when it was opened. Thread: any.
bool shards_is_new(struct engine *engine);
