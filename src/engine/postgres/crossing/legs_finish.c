// SPDX-License-Identifier: MIT
// How whoever finds a leg finishes it: its name says which shard decides, a row there says what was
// decided, and then it is carried out where it lies.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "engine/postgres/crossing/crossing_private.h"

uint32_t legs_decider(const char *gid, const struct shard_place *places, uint32_t count) {
    const char *books = strchr(gid, ':');
    const char *begin = books == NULL ? NULL : strchr(books + 1, ':');
    const char *end = begin == NULL ? NULL : strchr(begin + 1, ':');
    if (end == NULL || strlen(gid) >= LEGS_GID_BYTES ||
        strspn(gid, "abcdefghijklmnopqrstuvwxyz0123456789_:-") != strlen(gid))
        return count;
    struct slice name = slice_of(begin + 1, (size_t)(end - begin - 1));
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(slice_of_text(places[i].name), name))
            return i;
    return count;
}

void legs_decide_query(struct buffer *query, const char *gid) {
    buffer_reset(query);
    buffer_add_format(query,
                      "INSERT INTO decisions VALUES ('%s', false, '', floor(extract(epoch FROM "
                      "clock_timestamp()) * 1000)) ON CONFLICT DO NOTHING; "
                      "SELECT is_commit FROM decisions WHERE gid = '%s'",
                      gid, gid);
    *buffer_room(query, 1) = '\0';
}

// PostgreSQL lets nobody finish what is prepared but who has prepared it: the statement with which
// one becomes that role, empty when one is it or may not.
static const char become[] =
    "SELECT coalesce((SELECT format('SET ROLE %%I', owner) FROM pg_prepared_xacts "
    "WHERE gid = '%s' AND owner <> current_user AND pg_has_role(owner, 'MEMBER')), '')";

void legs_finish_query(char query[LEGS_FINISH_BYTES], const char *gid, bool is_commit) {
    (void)snprintf(query, LEGS_FINISH_BYTES, "%s PREPARED '%s'", is_commit ? "COMMIT" : "ROLLBACK",
                   gid);
}

static enum link_result ask(struct link *link, const char *query, char *ret_text, size_t bytes,
                            uint64_t wait_ns) {
    ret_text[0] = '\0';
    link->deadline_ns = clock_monotonic_ns() + wait_ns;
    return link_ask(link, query, ret_text, bytes);
}

enum link_result legs_finish(struct link *link, const char *gid, bool is_commit,
                             uint64_t wait_ns) {
    char query[LEGS_FINISH_BYTES], role[LEGS_FINISH_BYTES], text[64], state[sizeof(link->state)];
    CHECK(link_is_open(link) && strlen(gid) < LEGS_GID_BYTES);
    (void)snprintf(query, sizeof(query), become, gid);
    enum link_result result = ask(link, query, role, sizeof(role), wait_ns);
    bool is_another = result == LINK_OK && role[0] != '\0';
    if (is_another)
        result = ask(link, role, text, sizeof(text), wait_ns);
    legs_finish_query(query, gid, is_commit);
    if (result == LINK_OK)
        result = ask(link, query, text, sizeof(text), wait_ns);
    memcpy(state, link->state, sizeof(state));
    if (result == LINK_LOST ||
        (is_another && ask(link, "RESET ROLE", text, sizeof(text), wait_ns) != LINK_OK))
        link_close(link);
    memcpy(link->state, state, sizeof(state));
    return result;
}

bool legs_is_gone(const struct link *link) {
    return link_is_open(link) && strcmp(link->state, "42704") == 0;
}
