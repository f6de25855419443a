// SPDX-License-Identifier: MIT
// A leg keeps locks on the tables that it has written, so no migration that needs such a table for
// itself gets on beside one; and what migrates may be all there is to finish it.
#include "engine/postgres/shard/shard_finish.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"

#define LEFT_AGE_MS UINT64_C(2000) // nobody is at it any more
#define LOOK_NS     UINT64_C(100000000)

// Whatever a database of these books has under such a name is theirs. The schema may be that of an
// earlier version, or none.
#define LEGS_OF(age)                                                                               \
    "FROM pg_prepared_xacts WHERE database = current_database() AND "                              \
    "gid ~ '^florin:[a-z0-9_:-]+$' AND "                                                           \
    "prepared <= clock_timestamp() - " age " * interval '1 millisecond'"

static enum link_result finish(struct shard_lines *lines, uint32_t place, const char *gid,
                               uint64_t wait_ns, uint32_t *ret_place) {
    struct buffer query = {0};
    uint32_t decider = legs_decider(gid, lines->places, lines->count);
    if (decider == lines->count)
        return LINK_OK;
    *ret_place = decider;
    legs_decide_query(&query, gid);
    enum link_result result =
        shard_lines_ask(lines, decider, (const char *)query.bytes, wait_ns);
    buffer_done(&query);
    if (result != LINK_OK)
        return result;
    bool is_commit = lines->text[0] == 't';
    *ret_place = place;
    result = shard_lines_finish(lines, place, gid, is_commit, wait_ns);
    if (result == LINK_OK)
        log_line(LOG_INFO, "shards", "A leg on \"%s\" that was left behind is %s: %s",
                 lines->places[place].name, is_commit ? "committed" : "rolled back", gid);
    else if (legs_is_gone(&lines->links[place])) // somebody was faster
        result = LINK_OK;
    return result;
}

static enum link_result finish_on(struct shard_lines *lines, uint32_t place, uint64_t age_ms,
                                  uint64_t wait_ns, uint32_t *ret_place) {
    char query[512];
    (void)snprintf(query, sizeof(query),
                   "SELECT coalesce(string_agg(gid, E'\\n'), '') FROM (SELECT gid "
                   LEGS_OF("%" PRIu64) " LIMIT 50) p", age_ms);
    *ret_place = place;
    enum link_result result = shard_lines_ask(lines, place, query, wait_ns);
    if (result != LINK_OK)
        return result;
    char *gids = memory_take(lines->text_bytes), *rest = gids;
    memcpy(gids, lines->text, lines->text_bytes);
    while (result == LINK_OK && *rest != '\0') {
        const char *gid = rest;
        rest = strchrnul(rest, '\n');
        if (*rest != '\0')
            *rest++ = '\0';
        result = finish(lines, place, gid, wait_ns, ret_place);
    }
    memory_free(gids);
    return result;
}

enum link_result shard_finish_legs(struct shard_lines *lines, uint64_t age_ms, uint64_t wait_ns,
                                   uint32_t *ret_place) {
    enum link_result result = LINK_OK;
    for (uint32_t i = 0; i < lines->count && result == LINK_OK; i++)
        result = finish_on(lines, i, age_ms, wait_ns, ret_place);
    return result;
}

static uint64_t count_of(struct shard_lines *lines, uint64_t age_ms, uint64_t wait_ns) {
    char query[512];
    uint64_t sum = 0;
    (void)snprintf(query, sizeof(query), "SELECT count(*) " LEGS_OF("%" PRIu64), age_ms);
    for (uint32_t i = 0; i < lines->count; i++) {
        uint64_t count = 0;
        const char *text = lines->text;
        if (shard_lines_ask(lines, i, query, wait_ns) == LINK_OK &&
            lineage_take_number(&text, &count))
            sum += count;
    }
    return sum;
}

void shard_finish_left(struct shard_lines *lines, uint64_t wait_ns) {
    struct signal_gate never;
    uint64_t begun_ns = clock_monotonic_ns(), age_ms = 0;
    signal_gate_init(&never, 0, 0);
    // Those that have come since are not waited for: where payments go on there are always some.
    while (count_of(lines, age_ms, wait_ns) != 0) {
        uint32_t place = 0;
        if (shard_finish_legs(lines, LEFT_AGE_MS, wait_ns, &place) != LINK_OK)
            log_line(LOG_WARNING, "shards",
                     "A leg cannot be finished, for the shard \"%s\" says: %s",
                     lines->places[place].name, shard_lines_why(lines, place));
        if (age_ms > LEFT_AGE_MS)
            return;
        (void)signal_gate_wait(&never, 1, LOOK_NS);
        age_ms = (clock_monotonic_ns() - begun_ns) / 1000000;
    }
}
