// SPDX-License-Identifier: MIT
// A connection to each shard for statements that run one by one, opened when it is first asked: for
// commands that look at all shards or change them, not for nodes' payments.
#pragma once
#include "engine/postgres/link/link.h"
#include "engine/postgres/shard/shard.h"

// Whoever moves a slot has this lock on both shards while it changes hands, or does without when he
// has waited for long; shard_still.c has the same, shared, on all of them.
#define SHARD_STILL_TRY   "SELECT pg_try_advisory_lock(7886723)::text"
#define SHARD_STILL_SHARE "SELECT pg_advisory_lock_shared(7886723)::text"
#define SHARD_STILL_OVER  "SELECT pg_advisory_unlock(7886723)::text"

struct shard_lines {
    const struct shard_place *places; // borrowed
    uint32_t count;
    const char *settings; // run first on each connection; borrowed
    uint64_t connect_ns;  // how long opening one may take
    char *text;           // what was answered last; owned
    size_t text_bytes;
    struct link links[SHARDS_MAX];
};

void shard_lines_init(struct shard_lines *lines, const struct shard_place *places, uint32_t count,
                      const char *settings, uint64_t connect_ns, size_t text_bytes);
void shard_lines_done(struct shard_lines *lines); // the text may have held secrets and is wiped

MUST_CHECK enum link_result shard_lines_open(struct shard_lines *lines, uint32_t place);
// Runs what may be several statements; the last one's first value of one row goes to `text`, empty
// when there is none. LINK_LOST: the connection is closed. `link.why` says what is wrong.
MUST_CHECK enum link_result shard_lines_ask(struct shard_lines *lines, uint32_t place,
                                            const char *query, uint64_t wait_ns);
// Carries out what was prepared there under that name (legs_finish, legs_is_gone).
MUST_CHECK enum link_result shard_lines_finish(struct shard_lines *lines, uint32_t place,
                                               const char *gid, bool is_commit, uint64_t wait_ns);
void shard_lines_close(struct shard_lines *lines, uint32_t place);

static inline bool shard_lines_is_open(const struct shard_lines *lines, uint32_t place) {
    return link_is_open(&lines->links[place]);
}
static inline const char *shard_lines_why(const struct shard_lines *lines, uint32_t place) {
    return lines->links[place].why;
}
