// SPDX-License-Identifier: MIT
// Opens each connection when it is first asked, and closes it when it is lost.
#include "engine/postgres/shard/shard_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/crossing/crossing_private.h"

void shard_lines_init(struct shard_lines *lines, const struct shard_place *places, uint32_t count,
                      const char *settings, uint64_t connect_ns, size_t text_bytes) {
    CHECK(count >= 1 && count <= SHARDS_MAX && text_bytes > 1);
    *lines = (struct shard_lines){.places = places,
                                  .count = count,
                                  .settings = settings,
                                  .connect_ns = connect_ns,
                                  .text = memory_take(text_bytes),
                                  .text_bytes = text_bytes};
    lines->text[0] = '\0';
}

void shard_lines_done(struct shard_lines *lines) {
    for (uint32_t i = 0; i < lines->count; i++)
        link_done(&lines->links[i]);
    explicit_bzero(lines->text, lines->text_bytes);
    memory_free(lines->text);
    *lines = (struct shard_lines){0};
}

enum link_result shard_lines_open(struct shard_lines *lines, uint32_t place) {
    CHECK(place < lines->count);
    if (link_is_open(&lines->links[place]))
        return LINK_OK;
    return link_open(&lines->links[place], lines->places[place].url, lines->settings,
                     SQL_TURN_BACK, SQL_TURN, lines->connect_ns);
}

enum link_result shard_lines_ask(struct shard_lines *lines, uint32_t place, const char *query,
                                 uint64_t wait_ns) {
    lines->text[0] = '\0';
    enum link_result result = shard_lines_open(lines, place);
    if (result != LINK_OK)
        return result;
    struct link *link = &lines->links[place];
    link->deadline_ns = clock_monotonic_ns() + wait_ns;
    result = link_ask(link, query, lines->text, lines->text_bytes);
    if (result == LINK_LOST)
        link_close(link);
    return result;
}

enum link_result shard_lines_finish(struct shard_lines *lines, uint32_t place, const char *gid,
                                    bool is_commit, uint64_t wait_ns) {
    enum link_result result = shard_lines_open(lines, place);
    return result == LINK_OK ? legs_finish(&lines->links[place], gid, is_commit, wait_ns) : result;
}

void shard_lines_close(struct shard_lines *lines, uint32_t place) {
    CHECK(place < lines->count);
    link_close(&lines->links[place]);
}
