// SPDX-License-Identifier: MIT
// A lock on all shards that whoever moves slots asks for, too.
#include "base/memory.h"
#include "engine/postgres/shard/shard_lines.h"

#define CONNECT_WAIT_NS UINT64_C(5000000000)
#define LOCK_WAIT_NS    UINT64_C(12000000000)
#define TEXT_BYTES      ((size_t)256)

struct shard_still {
    struct shard_lines lines;
};

static const char settings[] =
    "SET lock_timeout = '10s'; SET idle_session_timeout = 0; SET client_min_messages = warning; "
    "SET tcp_user_timeout = '4s'";

struct shard_still *shard_still_begin(const struct shard_place *places, uint32_t count) {
    struct shard_still *still = memory_take_zeroed(sizeof(*still));
    bool all = true;
    shard_lines_init(&still->lines, places, count, settings, CONNECT_WAIT_NS, TEXT_BYTES);
    for (uint32_t i = 0; i < count && all; i++)
        all = shard_lines_ask(&still->lines, i, SHARD_STILL_SHARE, LOCK_WAIT_NS) == LINK_OK;
    if (all)
        return still;
    shard_still_end(still);
    return NULL;
}

void shard_still_end(struct shard_still *still) {
    if (still == NULL)
        return;
    shard_lines_done(&still->lines);
    memory_free(still);
}
