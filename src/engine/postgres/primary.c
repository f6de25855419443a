// SPDX-License-Identifier: MIT
// Choosing, admitting and remembering.
//
// A server that was promoted has a new timeline. The first node to write there commits a mark, and
// with it proves that its commits are safe; whoever has seen the mark takes no server without it.
#include "engine/postgres/primary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define ASK_WAIT_NS   UINT64_C(2000000000)
#define ADMIT_WAIT_NS UINT64_C(8000000000)

static const char plain_settings[] =
    "SET client_min_messages = warning; SET statement_timeout = '2s'; SET timezone = 'UTC'";

enum status primary_init(struct primary *primary, const char *url, const char *folder,
                         char *ret_why, size_t why_bytes) {
    memset(primary, 0, sizeof(*primary));
    CHECK(pthread_mutex_init(&primary->lock, NULL) == 0);
    primary->folder = folder;
    primary->generation = 1;
    enum status status =
        servers_parse(url, SERVERS_PRIMARY, &primary->servers, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    status = lineage_load(folder, &primary->seen);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes,
                       "postgres.lineage in the data folder cannot be read or understood. It "
                       "keeps this node from an old primary; remove it only when you know that "
                       "the connection string leads to the right server.");
    return status;
}

void primary_done(struct primary *primary) {
    servers_done(&primary->servers);
    (void)pthread_mutex_destroy(&primary->lock);
}

static void lock(struct primary *primary) {
    CHECK(pthread_mutex_lock(&primary->lock) == 0);
}

static void unlock(struct primary *primary) {
    CHECK(pthread_mutex_unlock(&primary->lock) == 0);
}

const char *primary_url(struct primary *primary) {
    lock(primary);
    const char *url = primary->servers.urls[primary->place];
    unlock(primary);
    return url;
}

const char *primary_name(struct primary *primary) {
    lock(primary);
    const char *name = primary->servers.names[primary->place];
    unlock(primary);
    return name;
}

uint64_t primary_generation(const struct primary *primary) {
    return __atomic_load_n(&primary->generation, __ATOMIC_ACQUIRE);
}

struct lineage primary_seen(struct primary *primary) {
    lock(primary);
    struct lineage seen = primary->seen;
    unlock(primary);
    return seen;
}

// ---- asking -----------------------------------------------------------------------------------

static void take_identity(void *context, enum sql statement, const struct pg_result *result) {
    struct identity *identity = context;
    if (statement != SQL_IDENTITY || row_count(result) != 1)
        return;
    struct lineage_claim *claim = &identity->claim;
    claim->now.system = (uint64_t)row_number(result, 0, 0);
    claim->now.timeline = (uint64_t)row_number(result, 0, 1);
    uint64_t marked = (uint64_t)row_number(result, 0, 3);
    struct slice latest = row_bytes(result, 0, 4), mark = row_bytes(result, 0, 5);
    // A standby's timeline is that of the last mark which it has replayed.
    identity->position.epoch = claim->now.timeline != 0 ? claim->now.timeline : marked;
    identity->position.place = (uint64_t)row_number(result, 0, 2);
    if (latest.size == LINEAGE_TOKEN_BYTES && marked == identity->position.epoch)
        memcpy(claim->now.token, latest.bytes, latest.size);
    claim->has_mark = mark.size == LINEAGE_TOKEN_BYTES;
    if (claim->has_mark)
        memcpy(claim->mark, mark.bytes, mark.size);
}

enum link_result identity_ask(struct link *link, const struct lineage *seen,
                              struct identity *ret_identity) {
    struct parameters parameters = {0};
    uint32_t kept = link->result_count;
    *ret_identity = (struct identity){0};
    parameter_number(&parameters, (int64_t)seen->system);
    parameter_number(&parameters, (int64_t)seen->timeline);
    link_send(link, SQL_IDENTITY, &parameters);
    link_sync(link);
    enum link_result result = link_collect(link, take_identity, ret_identity);
    link_forget_since(link, kept);
    if (result == LINK_OK && ret_identity->claim.now.system == 0)
        return LINK_REFUSED;
    return result;
}

static bool parse_claim(const char *text, struct lineage_claim *claim, uint64_t *ret_has_table) {
    return lineage_take_number(&text, &claim->now.system) && lineage_take_word(&text, " ") &&
           lineage_take_number(&text, &claim->now.timeline) && lineage_take_word(&text, " ") &&
           lineage_take_number(&text, ret_has_table) && *text == '\0';
}

enum link_result primary_ask_server(struct primary *primary, struct link *link,
                                    struct lineage_claim *ret_claim) {
    char text[160] = "", mark[64] = "";
    const char *rest = mark;
    uint64_t has_table;
    struct lineage seen = primary_seen(primary);
    *ret_claim = (struct lineage_claim){0};
    link->deadline_ns = clock_monotonic_ns() + ASK_WAIT_NS;
    enum link_result result = link_ask(
        link,
        "SELECT concat_ws(' ', system_identifier, CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' "
        "|| lpad(substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8), 16, '0'))"
        "::bit(64)::bigint END, (to_regclass('florin.lineage') IS NOT NULL)::integer) "
        "FROM pg_control_system()",
        text, sizeof(text));
    if (result != LINK_OK)
        return result;
    if (!parse_claim(text, ret_claim, &has_table))
        return LINK_REFUSED;
    if (has_table == 0 || seen.system == 0)
        return LINK_OK;
    (void)snprintf(text, sizeof(text),
                   "SELECT encode(token, 'hex') FROM florin.lineage WHERE system_identifier = "
                   "%" PRId64 " AND timeline = %" PRIu64,
                   (int64_t)seen.system, seen.timeline);
    result = link_ask(link, text, mark, sizeof(mark));
    if (result == LINK_OK)
        ret_claim->has_mark = lineage_take_token(&rest, ret_claim->mark);
    return result;
}

// ---- choosing ---------------------------------------------------------------------------------

static void note_refusal(struct primary *primary, uint32_t place, const char *why) {
    lock(primary);
    bool is_news = primary->refused != why;
    primary->refused = why;
    primary->refused_count++;
    unlock(primary);
    if (is_news)
        log_line(LOG_WARNING, "postgres", "The server %s is not used: %s.",
                 primary->servers.names[place], why);
}

// The timeline of a server that may be used; 0: it may not.
static uint64_t examine(struct primary *primary, uint32_t place, char *ret_why,
                        size_t why_bytes) {
    struct link link = {0};
    struct lineage_claim claim;
    uint64_t timeline = 0;
    if (link_open(&link, primary->servers.urls[place], plain_settings, SQL_TURN_BACK, SQL_TURN,
                  ASK_WAIT_NS) != LINK_OK ||
        primary_ask_server(primary, &link, &claim) != LINK_OK) {
        (void)snprintf(ret_why, why_bytes, "%s", link.why);
    } else {
        struct lineage seen = primary_seen(primary);
        const char *why = lineage_refuses(&seen, &claim);
        if (why == NULL) {
            timeline = claim.now.timeline;
        } else {
            (void)snprintf(ret_why, why_bytes, "The server %s is not used: %s.",
                           primary->servers.names[place], why);
            note_refusal(primary, place, why);
        }
    }
    link_done(&link);
    return timeline;
}

enum link_result primary_choose(struct primary *primary, char *ret_why, size_t why_bytes) {
    uint64_t highest = 0;
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < primary->servers.count; i++) {
        uint64_t timeline = examine(primary, i, ret_why, why_bytes);
        if (timeline > highest) {
            highest = timeline;
            chosen = i;
        }
    }
    if (highest == 0)
        return LINK_LOST;
    lock(primary);
    bool is_another = primary->place != chosen;
    primary->place = chosen;
    unlock(primary);
    if (is_another)
        log_line(LOG_INFO, "postgres", "The primary is %s, on timeline %" PRIu64 ".",
                 primary->servers.names[chosen], highest);
    return LINK_OK;
}

// ---- admitting --------------------------------------------------------------------------------

static uint32_t place_of(struct primary *primary) {
    lock(primary);
    uint32_t place = primary->place;
    unlock(primary);
    return place;
}

static enum link_result refuse(struct primary *primary, struct link *link, const char *why) {
    (void)snprintf(link->why, sizeof(link->why), "%s", why);
    note_refusal(primary, place_of(primary), why);
    return LINK_LOST;
}

// Behind the row of books, so that a commit which still waits for its standby has ended before; and
// a commit of its own, so that whatever can be seen here is safe there.
static enum link_result mark_and_wait(struct link *link, const struct lineage_claim *claim,
                                      bool is_new) {
    struct parameters parameters = {0};
    uint8_t token[LINEAGE_TOKEN_BYTES];
    uint32_t kept = link->result_count;
    random_fill(token, sizeof(token));
    link_send(link, SQL_BEGIN_LOOKING, NULL);
    link_send(link, SQL_WAIT_FOR_LOST, NULL);
    if (is_new) {
        parameter_number(&parameters, (int64_t)claim->now.system);
        parameter_number(&parameters, (int64_t)claim->now.timeline);
        parameter_bytes(&parameters, slice_of(token, sizeof(token)));
        link_send(link, SQL_MARK, &parameters);
    }
    link_send(link, SQL_SEAL_LOOK, NULL);
    link_send(link, SQL_COMMIT, NULL);
    link_sync(link);
    enum link_result result = link_collect(link, NULL, NULL);
    link_forget_since(link, kept);
    if (result != LINK_OK || (link->committed && !link->warned))
        return result;
    (void)snprintf(link->why, sizeof(link->why),
                   "the wait for the synchronous standby was cancelled");
    return LINK_LOST;
}

static enum link_result remember(struct primary *primary, const struct lineage *now,
                                 struct link *link) {
    struct lineage seen = primary_seen(primary);
    if (memcmp(&seen, now, sizeof(seen)) == 0)
        return LINK_OK;
    if (lineage_save(primary->folder, now) != STATUS_ok) {
        (void)snprintf(link->why, sizeof(link->why),
                       "postgres.lineage cannot be written in the data folder");
        return LINK_LOST;
    }
    lock(primary);
    bool is_change = primary->seen.system != 0 && primary->seen.timeline != now->timeline;
    primary->seen = *now;
    primary->choice_count += is_change;
    primary->refused = NULL;
    unlock(primary);
    log_line(LOG_INFO, "postgres", "The books are on timeline %" PRIu64 " of %s.", now->timeline,
             primary->servers.names[place_of(primary)]);
    return LINK_OK;
}

static enum link_result admit_writer(struct primary *primary, struct link *link,
                                     uint64_t generation, struct position *ret_position) {
    struct lineage seen = primary_seen(primary);
    struct identity identity;
    link->deadline_ns = clock_monotonic_ns() + ADMIT_WAIT_NS;
    enum link_result result = identity_ask(link, &seen, &identity);
    if (result != LINK_OK)
        return result;
    const char *why = lineage_refuses(&seen, &identity.claim);
    if (why != NULL)
        return refuse(primary, link, why);
    static const uint8_t no_token[LINEAGE_TOKEN_BYTES];
    bool is_new = memcmp(identity.claim.now.token, no_token, sizeof(no_token)) == 0;
    result = mark_and_wait(link, &identity.claim, is_new);
    if (result == LINK_OK)
        result = identity_ask(link, &identity.claim.now, &identity);
    if (result == LINK_OK)
        result = remember(primary, &identity.claim.now, link);
    if (result == LINK_OK && generation != primary_generation(primary))
        return LINK_LOST; // superseded meanwhile
    *ret_position = identity.position;
    return result;
}

enum link_result primary_admit_writer(struct primary *primary, struct link *link,
                                      struct position *ret_position) {
    uint64_t generation = primary_generation(primary);
    link_watch(link, &primary->generation, generation);
    enum link_result result = admit_writer(primary, link, generation, ret_position);
    if (result != LINK_OK)
        link_close(link);
    return result == LINK_OK ? LINK_OK : LINK_LOST;
}

enum link_result primary_admit_reader(struct primary *primary, struct link *link) {
    uint64_t generation = primary_generation(primary);
    struct lineage seen = primary_seen(primary);
    struct identity identity;
    link_watch(link, &primary->generation, generation);
    enum link_result result = identity_ask(link, &seen, &identity);
    if (result != LINK_OK)
        return LINK_LOST;
    const char *why = lineage_refuses(&seen, &identity.claim);
    // Superseded, it is known by its timeline alone: its mark comes with the writer.
    static const uint8_t no_token[LINEAGE_TOKEN_BYTES];
    bool is_admitted = identity.claim.now.timeline == seen.timeline &&
                       memcmp(seen.token, no_token, sizeof(no_token)) != 0;
    if (why == NULL && !is_admitted)
        why = "its new timeline has not been admitted yet";
    return why == NULL ? LINK_OK : refuse(primary, link, why);
}

void primary_watch(const struct primary *primary, struct link *link) {
    link_watch(link, &primary->generation, primary_generation(primary));
}

void primary_call_off(struct primary *primary) {
    (void)__atomic_fetch_add(&primary->generation, 1, __ATOMIC_RELEASE);
}

void primary_supersede(struct primary *primary, uint64_t timeline, uint32_t place) {
    lock(primary);
    bool is_news = timeline > primary->seen.timeline && primary->seen.system != 0;
    if (is_news) {
        // Its mark is not known before the writer has been there; what is older is out already.
        primary->seen.timeline = timeline;
        memset(primary->seen.token, 0, sizeof(primary->seen.token));
        primary->choice_count++;
        (void)__atomic_fetch_add(&primary->generation, 1, __ATOMIC_RELEASE);
    }
    unlock(primary);
    if (is_news)
        log_line(LOG_WARNING, "postgres",
                 "%s has been promoted to timeline %" PRIu64 ": the old primary is left.",
                 primary->servers.names[place], timeline);
}
