// SPDX-License-Identifier: MIT
// The schema's migrations: numbered files of sql/, built into the program, each applied once, by
// one node at a time: in a transaction, and what cannot run in one, alone. Migrations add first and
// take away a version later, so neighbouring versions of Florin serve side by side.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signal_gate.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/migrations.h"
#include "engine/postgres/link/patience.h"
#include "engine/postgres/postgres.h"

#define LITERAL_OF(text)  #text
#define LITERAL(number)   LITERAL_OF(number)
#define MIGRATE_WAIT_NS   UINT64_C(600000000000)
#define CONNECTIONS_OF_A_NODE 10 // writer, keys, readers, partitions, and room

// A lock that is not granted soon is given up and asked for again, so that payments do not queue
// behind a migration that waits.
static const char settings[] =
    "SET client_min_messages = warning; SET lock_timeout = '1s'; SET statement_timeout = 0; "
    "SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC'; "
    "SET search_path = florin, pg_catalog";

// How far the schema is: -1 when there is none.
static const char stand[] =
    "SELECT CASE WHEN to_regclass('florin.migrations') IS NULL OR to_regclass('florin.books') IS "
    "NULL THEN -1 ELSE 0 END";
static const char newest[] = "SELECT coalesce(max(number), 0) FROM florin.migrations";

static const char one_at_a_time[] = "SELECT pg_try_advisory_lock(7886711)::int";

static const char legs_prepared[] = "SELECT count(*) FROM pg_prepared_xacts WHERE "
                                    "database = current_database() AND gid LIKE 'florin:%'";

static const char prepare[] =
    "CREATE SCHEMA IF NOT EXISTS florin; "
    "CREATE TABLE IF NOT EXISTS florin.migrations (number integer PRIMARY KEY, name text NOT NULL, "
    "serves integer, applied_at timestamptz NOT NULL DEFAULT now(), parts integer); "
    "ALTER TABLE florin.migrations ADD COLUMN IF NOT EXISTS parts integer; "
    "COMMENT ON COLUMN florin.migrations.parts IS 'How many of its parts are done; NULL: all.'; "
    "COMMENT ON TABLE florin.migrations IS 'What was applied. A Florin that knows the schema up to "
    "`serves` can still use it; NULL: only one that knows this migration.'";

// A concurrent index that broke off is there and of no use.
static const char sweep[] =
    "DO $$ DECLARE broken name; BEGIN FOR broken IN SELECT c.relname FROM pg_index i "
    "JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND c.relkind = 'i' AND "
    "c.relnamespace = 'florin'::regnamespace LOOP EXECUTE format('DROP INDEX florin.%I', broken); "
    "END LOOP; END $$";

static const char grants[] = "SELECT florin.grant_to(role, purpose) FROM florin.roles "
                             "WHERE EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = role)";

static const char birth[] =
    "INSERT INTO florin.books (id, seal_key, hash_seed, created_ms, time_ms, chain, first_chain) "
    "SELECT uuid_send(gen_random_uuid()), "
    "substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16), "
    "('x' || encode(substr(sha256(uuid_send(gen_random_uuid())), 1, 8), 'hex'))::bit(64)::bigint, "
    "ms, ms, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') "
    "FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) now "
    "ON CONFLICT DO NOTHING; "
    "INSERT INTO florin.slots SELECT slot, first_chain, 0, 0, 0 FROM florin.books, "
    "generate_series(0, 1023) slot ON CONFLICT DO NOTHING; "
    "INSERT INTO florin.extent (end_record, analysed_ms) SELECT 0, time_ms FROM florin.books "
    "ON CONFLICT DO NOTHING; "
    "SELECT florin.tidy(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)";

// What a money server must have switched on, and how old it may be.
static const char examination[] =
    "SELECT coalesce(string_agg(why, ' '), '') FROM ("
    "SELECT 'The server is older than PostgreSQL 15.' WHERE "
    "current_setting('server_version_num')::integer < 150000 UNION ALL "
    "SELECT 'fsync is off: a power cut would lose the books.' WHERE "
    "current_setting('fsync') <> 'on' UNION ALL "
    "SELECT 'full_page_writes is off: a power cut would tear the books.' WHERE "
    "current_setting('full_page_writes') <> 'on' UNION ALL "
    "SELECT 'The server is a standby or read-only.' WHERE pg_is_in_recovery() UNION ALL "
    "SELECT format('max_connections is %s, and a node needs up to " LITERAL(CONNECTIONS_OF_A_NODE)
    ": raise it.', current_setting('max_connections')) WHERE "
    "current_setting('max_connections')::integer - "
    "current_setting('superuser_reserved_connections')::integer < "
    LITERAL(CONNECTIONS_OF_A_NODE) " UNION ALL "
    // What is there already keeps serving: only views cannot show such an owner.
    "SELECT format('The database is in %s, which lacks letters that owners may have: make the "
    "books in one in UTF8 (createdb -E UTF8 -T template0).', getdatabaseencoding()) WHERE "
    "getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII') AND to_regclass('florin.books') IS NULL"
    ") x(why)";

static uint32_t number_of(const char *text) {
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9' && number < 100000; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

// ---- applying -----------------------------------------------------------------------------------

// A line that is one of these cuts a migration: what stands behind it is one statement
// that runs outside a transaction and must do no harm when it runs twice. Of `slices` it runs again
// and again, each time committed by itself, until it says that it has changed nothing: it is a
// query that changes at most some thousand rows and gives their number. Of `each` it is a query
// that gives a statement, which is run alone, and is asked again until it gives none: for what is
// to be done to each partition and in no transaction. What is left of an index that broke off is
// its business, because sweeping as below locks out payments.
static const char *const cuts[] = {"\n-- alone\n", "\n-- slices\n", "\n-- each\n"};
#define SLICE_PAUSE_NS UINT64_C(5000000) // so that payments come between
#define EACH_TRIES_MAX 60
// The first line with this names the oldest neighbour that the schema still serves.
static const char serves[] = "\n-- serves: ";

// In the order of their cuts.
enum part_kind { PART_ALONE, PART_SLICES, PART_EACH, PART_TOGETHER };

struct part {
    enum part_kind kind;
    const char *text;
    int size;
    const char *next; // the cut behind it; NULL: it is the last
};

static struct part part_at(const char *at, enum part_kind kind) {
    const char *end = NULL;
    for (int cut = 0; cut < PART_TOGETHER; cut++) {
        const char *found = strstr(at, cuts[cut]);
        end = end == NULL || (found != NULL && found < end) ? found : end;
    }
    return (struct part){.kind = kind,
                         .text = at,
                         .size = end == NULL ? (int)strlen(at) : (int)(end - at),
                         .next = end};
}

// Behind the line of the cut.
static struct part part_behind(const char *next) {
    int kind = 0;
    while (kind < PART_TOGETHER && strncmp(next, cuts[kind], strlen(cuts[kind])) != 0)
        kind++;
    const char *line = strchr(next + 1, '\n');
    CHECK(kind < PART_TOGETHER && line != NULL);
    return part_at(line, (enum part_kind)kind);
}

// Notes that so many parts are done.
static void add_progress(struct buffer *text, const struct migration *migration, uint32_t done,
                         bool is_last) {
    char serving[16] = "NULL", parts[16] = "NULL";
    const char *line = strstr(migration->text, serves);
    if (line != NULL)
        (void)snprintf(serving, sizeof(serving), "%u", number_of(line + sizeof(serves) - 1));
    if (!is_last)
        (void)snprintf(parts, sizeof(parts), "%u", done);
    buffer_add_format(text,
                      "INSERT INTO florin.migrations (number, name, serves, parts) VALUES "
                      "(%u, '%s', %s, %s) ON CONFLICT (number) DO UPDATE SET parts = %s",
                      migration->number, migration->name, serving, parts, parts);
}

static enum link_result run_text(struct link *link, struct buffer *text) {
    *buffer_room(text, 1) = '\0';
    return link_run_patiently(link, (const char *)text->bytes);
}

static enum link_result run_slices(struct link *link, const struct buffer *text) {
    struct signal_gate never;
    char changed[32];
    enum link_result result;
    signal_gate_init(&never, 0, 0);
    do {
        changed[0] = '\0';
        link->deadline_ns = clock_monotonic_ns() + MIGRATE_WAIT_NS;
        result = link_ask_patiently(link, (const char *)text->bytes, changed, sizeof(changed));
        (void)signal_gate_wait(&never, 1, SLICE_PAUSE_NS);
    } while (result == LINK_OK && number_of(changed) != 0);
    return result;
}

// What met somebody's lock may have left half an index, and who asks anew is told what to do now.
static enum link_result run_each(struct link *link, const struct buffer *query) {
    struct signal_gate never;
    signal_gate_init(&never, 0, 0);
    for (uint32_t tries = 0; tries < EACH_TRIES_MAX;) {
        char statement[LINK_WHY_BYTES] = "";
        link->deadline_ns = clock_monotonic_ns() + MIGRATE_WAIT_NS;
        enum link_result result = link_ask_patiently(link, (const char *)query->bytes, statement,
                                                     sizeof(statement));
        if (result != LINK_OK || statement[0] == '\0')
            return result;
        result = link_run(link, statement);
        if (result == LINK_LOST || (result != LINK_OK && strcmp(link->state, "55P03") != 0 &&
                                    strcmp(link->state, "40P01") != 0))
            return result;
        tries = result == LINK_OK ? 0 : tries + 1;
        (void)signal_gate_wait(&never, 1, SLICE_PAUSE_NS);
    }
    return LINK_REFUSED;
}

static enum link_result apply_part(struct link *link, const struct migration *migration,
                                   const struct part *part, uint32_t done) {
    struct buffer text = {0};
    enum link_result result = LINK_OK;
    bool is_together = part->kind == PART_TOGETHER;
    link->deadline_ns = clock_monotonic_ns() + MIGRATE_WAIT_NS;
    if (is_together)
        BUFFER_ADD(&text, "BEGIN;\n");
    buffer_add_format(&text, "%.*s", part->size, part->text);
    if (is_together) {
        BUFFER_ADD(&text, ";\n");
        add_progress(&text, migration, done + 1, part->next == NULL);
        BUFFER_ADD(&text, ";\nCOMMIT");
    } else if (part->kind == PART_ALONE) {
        result = link_run_patiently(link, sweep);
    }
    *buffer_room(&text, 1) = '\0';
    if (result == LINK_OK)
        result = part->kind == PART_SLICES ? run_slices(link, &text)
                 : part->kind == PART_EACH ? run_each(link, &text)
                                           : run_text(link, &text);
    if (result == LINK_OK && !is_together) {
        buffer_reset(&text);
        add_progress(&text, migration, done + 1, part->next == NULL);
        result = run_text(link, &text);
    }
    buffer_done(&text);
    return result;
}

// `done`: parts that an earlier run has done.
static enum link_result apply_one(struct link *link, const struct migration *migration,
                                  uint32_t done) {
    enum link_result result = LINK_OK;
    struct part part = part_at(migration->text, PART_TOGETHER);
    for (uint32_t i = 0; result == LINK_OK; i++) {
        if (i >= done)
            result = apply_part(link, migration, &part, i);
        if (part.next == NULL)
            return result;
        part = part_behind(part.next);
    }
    return result;
}

static enum link_result apply_all(struct link *link, uint32_t *ret_applied) {
    uint32_t count;
    const struct migration *migrations = migrations_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        char query[160], text[16] = "";
        (void)snprintf(query, sizeof(query),
                       "SELECT coalesce(parts::text, 'all') FROM florin.migrations "
                       "WHERE number = %u",
                       migrations[i].number);
        enum link_result result = link_ask(link, query, text, sizeof(text));
        if (result == LINK_OK && strcmp(text, "all") == 0)
            continue;
        if (result == LINK_OK)
            result = apply_one(link, &migrations[i], number_of(text));
        if (result != LINK_OK)
            return result;
        (*ret_applied)++;
        log_line(LOG_INFO, "postgres", "Applied migration %s.", migrations[i].name);
    }
    return LINK_OK;
}

// ---- deciding -----------------------------------------------------------------------------------

// Whether a schema that is newer than this Florin still serves it.
static enum status judge_newer(struct link *link, uint32_t have, uint32_t known, char *ret_why,
                               size_t why_bytes) {
    char query[160], text[LINK_WHY_BYTES] = "";
    (void)snprintf(query, sizeof(query),
                   "SELECT (bool_and(coalesce(serves, number) <= %u))::int FROM florin.migrations "
                   "WHERE number > %u",
                   known, known);
    if (link_ask(link, query, text, sizeof(text)) == LINK_OK && text[0] == '1')
        return STATUS_ok;
    (void)snprintf(ret_why, why_bytes,
                   "The schema has migration %u, but this Florin knows only up to %u: a newer "
                   "Florin made it.",
                   have, known);
    return STATUS_invalid_request;
}

// Waits until no other node migrates.
static bool take_turn(struct link *link) {
    struct signal_gate never;
    signal_gate_init(&never, 0, 0);
    uint64_t until_ns = clock_monotonic_ns() + MIGRATE_WAIT_NS;
    while (clock_monotonic_ns() < until_ns) {
        char text[LINK_WHY_BYTES] = "";
        if (link_ask(link, one_at_a_time, text, sizeof(text)) != LINK_OK)
            return false;
        if (text[0] == '1')
            return true;
        (void)signal_gate_wait(&never, 1, 100000000);
    }
    return false;
}

static void say_why(struct link *link, char *ret_why, size_t why_bytes) {
    char why[LINK_WHY_BYTES], prepared[16] = "";
    bool is_locked = strcmp(link->state, "55P03") == 0;
    (void)snprintf(why, sizeof(why), "%s", link->why);
    if (strcmp(link->state, "42501") == 0)
        (void)snprintf(ret_why, why_bytes,
                       "The schema is not up to date, and this role may not change it (%s): run "
                       "florin migrate with the role that owns it.",
                       why);
    else if (is_locked && link_ask(link, legs_prepared, prepared, sizeof(prepared)) == LINK_OK &&
             number_of(prepared) != 0)
        (void)snprintf(ret_why, why_bytes,
                       "The schema cannot be made: payments between shards are in doubt, and "
                       "their locks are in the way. A node, or florin shards prepare, ends them.");
    else
        (void)snprintf(ret_why, why_bytes, "The schema cannot be made: %s", why);
}

static enum status bring_up(struct link *link, uint32_t known, char *ret_why, size_t why_bytes,
                            uint32_t *ret_applied) {
    char text[LINK_WHY_BYTES] = "";
    if (take_turn(link) && link_run_patiently(link, prepare) == LINK_OK &&
        link_ask(link, newest, text, sizeof(text)) == LINK_OK) {
        uint32_t have = number_of(text);
        if (have > known)
            return judge_newer(link, have, known, ret_why, why_bytes);
        if (apply_all(link, ret_applied) == LINK_OK &&
            link_run_patiently(link, birth) == LINK_OK &&
            link_run_patiently(link, grants) == LINK_OK)
            return STATUS_ok;
    }
    say_why(link, ret_why, why_bytes);
    return STATUS_invalid_request;
}

// Whether all of them were applied to their end, and the books born.
static bool is_whole(struct link *link, uint32_t count) {
    char text[32] = "";
    return link_ask(link,
                    "SELECT CASE WHEN (SELECT count(*) FROM florin.extent WHERE end_record > 0) = "
                    "1 THEN count(*) ELSE 0 END FROM florin.migrations WHERE parts IS NULL",
                    text, sizeof(text)) == LINK_OK &&
           number_of(text) == count;
}

static enum status migrate(struct link *link, char *ret_why, size_t why_bytes,
                           uint32_t *ret_applied) {
    char text[LINK_WHY_BYTES] = "";
    uint32_t count;
    const struct migration *migrations = migrations_all(&count);
    uint32_t known = migrations[count - 1].number;
    if (link_ask(link, examination, text, sizeof(text)) == LINK_OK && text[0] != '\0') {
        (void)snprintf(ret_why, why_bytes, "%s", text);
        return STATUS_invalid_request;
    }
    // What is as it should be needs no privileges to be left alone.
    if (link_ask(link, stand, text, sizeof(text)) == LINK_OK && text[0] == '0' &&
        link_ask(link, newest, text, sizeof(text)) == LINK_OK) {
        uint32_t have = number_of(text);
        if (have > known)
            return judge_newer(link, have, known, ret_why, why_bytes);
        if (is_whole(link, count))
            return STATUS_ok;
    }
    return bring_up(link, known, ret_why, why_bytes, ret_applied);
}

static enum status with_link(const char *url, char *ret_why, size_t why_bytes, struct link *link) {
    *link = (struct link){0};
    if (link_open(link, url, settings, SQL_TURN_BACK, SQL_TURN, MIGRATE_WAIT_NS) == LINK_OK)
        return STATUS_ok;
    (void)snprintf(ret_why, why_bytes, "No connection: %s", link->why);
    link_done(link);
    return STATUS_busy;
}

enum status postgres_migrate(const char *url, char *ret_why, size_t why_bytes,
                             uint32_t *ret_applied) {
    struct link link;
    *ret_applied = 0;
    enum status status = with_link(url, ret_why, why_bytes, &link);
    if (status != STATUS_ok)
        return status;
    status = migrate(&link, ret_why, why_bytes, ret_applied);
    link_done(&link); // and with it the lock
    return status;
}

enum status postgres_grant(const char *url, const char *role, const char *purpose, char *ret_why,
                           size_t why_bytes) {
    struct link link;
    char text[256];
    size_t size = strlen(role);
    if (size == 0 || size > 63 || strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789_") != size) {
        (void)snprintf(ret_why, why_bytes,
                       "A role's name is up to 63 small letters, digits and underscores here.");
        return STATUS_invalid_request;
    }
    enum status status = with_link(url, ret_why, why_bytes, &link);
    if (status != STATUS_ok)
        return status;
    (void)snprintf(text, sizeof(text), "SELECT florin.grant_to('%s', '%s')", role, purpose);
    if (link_run_patiently(&link, text) != LINK_OK) {
        if (strcmp(link.state, "42704") == 0)
            (void)snprintf(ret_why, why_bytes,
                           "There is no role %s on this server; it has been given nothing. Make it "
                           "with CREATE ROLE %s LOGIN, as a role that may make others, and come "
                           "again.", role, role);
        else
            (void)snprintf(ret_why, why_bytes, "%s", link.why);
        status = STATUS_invalid_request;
    }
    link_done(&link);
    return status;
}
