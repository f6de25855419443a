// SPDX-License-Identifier: MIT
// Legs that their node left behind. Every node looks at all shards with connections of its own, at
// READ COMMITTED, and takes no writer's turn. A leg that is old enough is decided where its gid
// says: an abort is inserted there, which waits for whoever is still committing and loses to
// whoever has; the row that stands then is carried out.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/postgres/crossing/crossing.h"
#include "engine/postgres/crossing/crossing_private.h"
#include "engine/postgres/lineage.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/postgres.h"

#define CONNECT_WAIT_NS UINT64_C(1500000000)
#define ASK_WAIT_NS     UINT64_C(5000000000)
#define TEXT_BYTES      ((size_t)256 * 1024)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '4s'; "
    "SET lock_timeout = '3s'; SET client_min_messages = warning; SET synchronous_commit = on; "
    "SET default_transaction_isolation = 'read committed'; SET jit = off";

// Of these books, old enough, one in each line. Those of other databases of the same server are not
// ours to finish.
static const char old_legs[] =
    "SELECT coalesce(string_agg(gid, E'\\n' ORDER BY gid), '') FROM (SELECT gid FROM "
    "pg_prepared_xacts WHERE database = current_database() AND "
    "gid LIKE 'florin:' || (SELECT encode(id, 'hex') FROM books) || ':%' AND "
    "prepared < clock_timestamp() - interval '2 seconds' LIMIT 1000) p";
static const char all_legs[] =
    "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND "
    "gid LIKE 'florin:' || (SELECT encode(id, 'hex') FROM books) || ':%'";
// Commits that have had their time, with the shards that must have their legs by now; and aborts
// that nobody can ask for any more go.
static const char old_decisions[] =
    "DELETE FROM decisions WHERE NOT is_commit AND made_ms < "
    "floor(extract(epoch FROM clock_timestamp()) * 1000) - 86400000; "
    "SELECT coalesce(string_agg(gid || ' ' || legs, E'\\n' ORDER BY gid), '') FROM (SELECT gid, "
    "legs FROM decisions WHERE is_commit AND made_ms < "
    "floor(extract(epoch FROM clock_timestamp()) * 1000) - 5000 ORDER BY gid LIMIT 500) d";
// What a leg has written stays for a week, and for as long as whoever decided it has not seen it.
#define STANDING_MAX "500"
static const char standing[] =
    "SELECT CASE WHEN count(*) > " STANDING_MAX " THEN 'many' ELSE coalesce(string_agg("
    "quote_literal(gid), ', '), '') END FROM (SELECT gid FROM decisions WHERE is_commit AND "
    "made_ms < floor(extract(epoch FROM clock_timestamp()) * 1000) - 86400000 "
    "LIMIT " STANDING_MAX " + 1) d";
static const char old_rows[] =
    "DELETE FROM legs WHERE is_taken AND made_ms < "
    "floor(extract(epoch FROM clock_timestamp()) * 1000) - 7 * 86400000::bigint";

static const char due_reviews[] =
    "SELECT coalesce(string_agg(encode(id, 'hex') || encode(wallet, 'hex'), ''), '') FROM (SELECT "
    "id, wallet FROM approvals WHERE status = 0 AND cause = 2 AND expires_at_ms <= "
    "floor(extract(epoch FROM clock_timestamp()) * 1000) ORDER BY expires_at_ms LIMIT 64) d";

struct resolver {
    uint32_t count;
    struct engine *parts[SHARDS_MAX];
    const struct shard_place *places;
    struct link links[SHARDS_MAX];
    bool is_away[SHARDS_MAX], is_refused[SHARDS_MAX];
    struct buffer query, spared;
    char *text, *lines;
    bool is_told; // that a leg is missing
};

struct resolver *resolver_open(struct engine *const *parts, const struct shard_place *places,
                               uint32_t count) {
    struct resolver *resolver = memory_take_zeroed(sizeof(*resolver));
    CHECK(count <= SHARDS_MAX);
    resolver->count = count;
    resolver->places = places;
    for (uint32_t i = 0; i < count; i++)
        resolver->parts[i] = parts[i];
    resolver->text = memory_take(TEXT_BYTES);
    resolver->lines = memory_take(TEXT_BYTES);
    return resolver;
}

void resolver_close(struct resolver *resolver) {
    for (uint32_t i = 0; i < resolver->count; i++)
        link_done(&resolver->links[i]);
    buffer_done(&resolver->query);
    buffer_done(&resolver->spared);
    memory_free(resolver->text);
    memory_free(resolver->lines);
    memory_free(resolver);
}

static bool connect(struct resolver *resolver, uint32_t place) {
    struct link *link = &resolver->links[place];
    if (postgres_is_silent(resolver->parts[place])) {
        link_close(link);
        return false;
    }
    bool was_open = link_is_open(link);
    if (!was_open)
        postgres_watch(resolver->parts[place], link);
    if (!was_open && link_open(link, postgres_primary_url(resolver->parts[place]), settings,
                               SQL_TURN_BACK, SQL_TURN, CONNECT_WAIT_NS) != LINK_OK) {
        if (!resolver->is_away[place])
            log_line(LOG_WARNING, "shards", "Legs of the shard \"%s\" cannot be looked for: %s",
                     resolver->places[place].name, link->why);
        resolver->is_away[place] = true;
        return false;
    }
    resolver->is_away[place] = false;
    return true;
}

static bool ask(struct resolver *resolver, uint32_t place, const char *query) {
    struct link *link = &resolver->links[place];
    if (!connect(resolver, place))
        return false;
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    resolver->text[0] = '\0';
    enum link_result result = link_ask(link, query, resolver->text, TEXT_BYTES);
    if (result == LINK_LOST)
        link_close(link);
    return result == LINK_OK;
}

static bool carry_out(struct resolver *resolver, uint32_t place, const char *gid, bool is_commit) {
    struct link *link = &resolver->links[place];
    if (!connect(resolver, place))
        return false;
    bool done = legs_finish(link, gid, is_commit, ASK_WAIT_NS) == LINK_OK;
    bool is_refused = !done && !legs_is_gone(link) && link_is_open(link);
    if (is_refused && !resolver->is_refused[place])
        log_line(LOG_WARNING, "shards", "A leg on \"%s\" cannot be finished: %s",
                 resolver->places[place].name, link->why);
    resolver->is_refused[place] = is_refused;
    return done;
}

static bool finish(struct resolver *resolver, uint32_t place, const char *gid) {
    uint32_t decider = legs_decider(gid, resolver->places, resolver->count);
    if (decider == resolver->count)
        return false;
    legs_decide_query(&resolver->query, gid);
    if (!ask(resolver, decider, (const char *)resolver->query.bytes) ||
        (resolver->text[0] != 't' && resolver->text[0] != 'f'))
        return false;
    bool is_commit = resolver->text[0] == 't';
    if (!carry_out(resolver, place, gid, is_commit))
        return false;
    log_line(LOG_INFO, "shards", "A leg on \"%s\" that was left behind is %s: %s",
             resolver->places[place].name, is_commit ? "committed" : "rolled back", gid);
    return true;
}

// Takes the next line off; NULL: there is none.
static char *next_line(char **lines) {
    char *line = *lines;
    if (*line == '\0')
        return NULL;
    char *end = strchrnul(line, '\n');
    *lines = *end == '\0' ? end : end + 1;
    *end = '\0';
    return line;
}

static bool look_for_old(struct resolver *resolver, uint32_t place, struct resolver_news *news) {
    if (!ask(resolver, place, old_legs))
        return false;
    (void)snprintf(resolver->lines, TEXT_BYTES, "%s", resolver->text);
    char *lines = resolver->lines, *gid;
    while ((gid = next_line(&lines)) != NULL)
        news->resolved += finish(resolver, place, gid);
    if (!ask(resolver, place, all_legs))
        return false;
    uint64_t count = 0;
    const char *text = resolver->text;
    if (lineage_take_number(&text, &count))
        news->in_doubt += count;
    return true;
}

// Whether that shard has the leg. *ret_is_there: it is committed; else it may still be prepared.
static bool has_leg(struct resolver *resolver, const char *shard, const char *gid,
                    bool *ret_is_there, bool *ret_is_prepared) {
    char query[3 * LEGS_GID_BYTES + 160];
    uint32_t place = 0;
    while (place < resolver->count && strcmp(resolver->places[place].name, shard) != 0)
        place++;
    (void)snprintf(query, sizeof(query),
                   "SELECT CASE WHEN EXISTS (SELECT FROM legs WHERE gid = '%s') THEN 'there' "
                   "WHEN EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = '%s') THEN 'prepared' "
                   "ELSE 'missing' END",
                   gid, gid);
    if (place == resolver->count || !ask(resolver, place, query))
        return false;
    *ret_is_there = strcmp(resolver->text, "there") == 0;
    *ret_is_prepared = strcmp(resolver->text, "prepared") == 0;
    return true;
}

static void tell_missing(struct resolver *resolver, const char *shard, const char *gid) {
    if (!resolver->is_told)
        log_line(LOG_ERROR, "shards",
                 "A LEG IS MISSING: %s was decided, but the shard \"%s\" has nothing of it. Was it "
                 "restored to an earlier time?",
                 gid, shard);
    resolver->is_told = true;
}

// All legs of a commit are there: then nobody needs the decision any more.
static bool is_finished(struct resolver *resolver, const char *gid, char *shards,
                        struct resolver_news *news) {
    bool all = true;
    for (char *shard = shards; shard != NULL;) {
        char *end = strchr(shard, ',');
        bool is_there = false, is_prepared = false;
        if (end != NULL)
            *end = '\0';
        bool is_known = has_leg(resolver, shard, gid, &is_there, &is_prepared);
        // It may have been committed between the two looks.
        if (is_known && !is_there && !is_prepared)
            is_known = has_leg(resolver, shard, gid, &is_there, &is_prepared);
        if (is_known && !is_there && !is_prepared) {
            news->missing++;
            tell_missing(resolver, shard, gid);
        }
        all = all && is_known && is_there;
        shard = end == NULL ? NULL : end + 1;
    }
    return all;
}

static bool look_at_decisions(struct resolver *resolver, uint32_t place,
                              struct resolver_news *news) {
    if (!ask(resolver, place, old_decisions))
        return false;
    (void)snprintf(resolver->lines, TEXT_BYTES, "%s", resolver->text);
    char *lines = resolver->lines, *gid;
    while ((gid = next_line(&lines)) != NULL) {
        char *shards = strchr(gid, ' ');
        char query[LEGS_GID_BYTES + 64];
        if (shards == NULL || shards[1] == '\0' || shards - gid >= LEGS_GID_BYTES)
            continue;
        *shards++ = '\0';
        if (!is_finished(resolver, gid, shards, news))
            continue;
        (void)snprintf(query, sizeof(query), "DELETE FROM decisions WHERE gid = '%s'", gid);
        if (!ask(resolver, place, query))
            return false;
    }
    return true;
}

// A shard that was away for longer than that has decisions about them still, as has one whose leg
// was on a shard that was away; and one that is away now may have some.
static bool forget_old_rows(struct resolver *resolver) {
    struct buffer *query = &resolver->query, *spared = &resolver->spared;
    bool all = true;
    buffer_reset(spared);
    for (uint32_t i = 0; i < resolver->count; i++) {
        bool is_asked = ask(resolver, i, standing) && strcmp(resolver->text, "many") != 0;
        if (!is_asked)
            buffer_add_format(spared, " AND split_part(gid, ':', 3) <> '%s'",
                              resolver->places[i].name);
        else if (resolver->text[0] != '\0')
            buffer_add_format(spared, " AND gid NOT IN (%s)", resolver->text);
    }
    buffer_reset(query);
    buffer_add_text(query, old_rows);
    buffer_add(query, spared->bytes, spared->size);
    *buffer_room(query, 1) = '\0';
    for (uint32_t i = 0; i < resolver->count; i++)
        all = ask(resolver, i, (const char *)query->bytes) && all;
    return all;
}

static bool take_id(const char **text, struct id *ret_id) {
    if (strnlen(*text, 2 * sizeof(*ret_id)) != 2 * sizeof(*ret_id) ||
        !hex_read(slice_of(*text, 2 * sizeof(*ret_id)), ret_id->bytes))
        return false;
    *text += 2 * sizeof(*ret_id);
    return true;
}

uint32_t resolver_due(struct resolver *resolver, uint32_t place,
                      struct resolver_due ret_due[RESOLVER_DUE_MAX]) {
    uint32_t count = 0;
    if (resolver->is_away[place] || !ask(resolver, place, due_reviews))
        return 0;
    const char *text = resolver->text;
    while (count < RESOLVER_DUE_MAX && take_id(&text, &ret_due[count].id) &&
           take_id(&text, &ret_due[count].wallet))
        count++;
    return count;
}

enum status resolver_turn(struct resolver *resolver, struct resolver_news *ret_news) {
    bool all = true;
    *ret_news = (struct resolver_news){0};
    for (uint32_t i = 0; i < resolver->count; i++)
        all = look_for_old(resolver, i, ret_news) && all;
    for (uint32_t i = 0; i < resolver->count; i++)
        all = look_at_decisions(resolver, i, ret_news) && all;
    all = forget_old_rows(resolver) && all;
    if (ret_news->missing == 0)
        resolver->is_told = false;
    return all ? STATUS_ok : STATUS_busy;
}
