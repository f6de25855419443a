// SPDX-License-Identifier: MIT
// The schema's migrations: numbered files of sql/, built into the program, each applied once, by
// one node at a time: in a transaction, and what cannot run in one, alone. Migrations add first and
// take away a version later, so neighbouring versions of Florin serve side by side.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/signal_gate.h"
#include "engine/postgres/link.h"
#include "engine/postgres/migrations.h"
#include "engine/postgres/postgres.h"

#define LITERAL_OF(text)  #text
#define LITERAL(number)   LITERAL_OF(number)
#define MIGRATE_WAIT_NS   UINT64_C(600000000000)
#define LOCK_TRIES_MAX    60
#define LOCK_PAUSE_NS_MAX UINT64_C(500000000)
#define CONNECTIONS_OF_A_NODE 10 // writer, readers, who looks after partitions, and room

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

static const char prepare[] =
    "CREATE SCHEMA IF NOT EXISTS florin; "
    "CREATE TABLE IF NOT EXISTS florin.migrations (number integer PRIMARY KEY, name text NOT NULL, "
    "serves integer, applied_at timestamptz NOT NULL DEFAULT now()); "
    "COMMENT ON TABLE florin.migrations IS 'What was applied. A Florin that knows the schema up to "
    "`serves` can still use it; NULL: only one that knows this migration.'; "
    "SELECT coalesce(max(number), 0) FROM florin.migrations";

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
    LITERAL(CONNECTIONS_OF_A_NODE) ") x(why)";

static uint32_t number_of(const char *text) {
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9' && number < 100000; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

// ---- applying -----------------------------------------------------------------------------------

// Runs it, again while somebody else has the locks.
static enum link_result run_patiently(struct link *link, const char *text) {
    enum link_result result = LINK_REFUSED;
    for (uint32_t tries = 0; tries < LOCK_TRIES_MAX; tries++) {
        struct signal_gate never;
        uint64_t random;
        result = link_run(link, text);
        bool is_locked = strcmp(link->state, "55P03") == 0 || strcmp(link->state, "40P01") == 0 ||
                         strcmp(link->state, "40001") == 0;
        if (result != LINK_REFUSED || !is_locked)
            return result;
        if (link_run(link, "ROLLBACK") != LINK_OK)
            return LINK_LOST;
        random_fill(&random, sizeof(random));
        signal_gate_init(&never, 0, 0);
        (void)signal_gate_wait(&never, 1, random % LOCK_PAUSE_NS_MAX);
    }
    return result;
}

// A line that begins with this cuts a migration: what stands behind it is one statement that runs
// outside a transaction. It must do no harm when it runs twice.
static const char cut[] = "\n-- alone";
// The first line with this names the oldest neighbour that the schema still serves.
static const char serves[] = "\n-- serves: ";

static enum link_result apply_parts(struct link *link, const struct migration *migration) {
    enum link_result result = LINK_OK;
    const char *part = migration->text, *end;
    struct buffer text = {0};
    for (bool is_first = true; result == LINK_OK && part != NULL; is_first = false) {
        end = strstr(part, cut);
        int size = end == NULL ? (int)strlen(part) : (int)(end - part);
        buffer_reset(&text);
        buffer_add_format(&text, is_first ? "BEGIN;\n%.*s;\nCOMMIT" : "%.*s", size, part);
        *buffer_room(&text, 1) = '\0';
        if (!is_first)
            result = run_patiently(link, sweep);
        if (result == LINK_OK)
            result = run_patiently(link, (const char *)text.bytes);
        part = end == NULL ? NULL : strchr(end + 1, '\n');
    }
    buffer_done(&text);
    return result;
}

static enum link_result apply_one(struct link *link, const struct migration *migration) {
    char text[256], serving[16] = "NULL";
    const char *line = strstr(migration->text, serves);
    if (line != NULL)
        (void)snprintf(serving, sizeof(serving), "%u", number_of(line + sizeof(serves) - 1));
    enum link_result result = apply_parts(link, migration);
    if (result != LINK_OK)
        return result;
    (void)snprintf(text, sizeof(text),
                   "INSERT INTO florin.migrations (number, name, serves) VALUES (%u, '%s', %s)",
                   migration->number, migration->name, serving);
    return link_run(link, text);
}

static enum link_result apply_all(struct link *link, uint32_t have, uint32_t *ret_applied) {
    uint32_t count;
    const struct migration *migrations = migrations_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (migrations[i].number <= have)
            continue;
        enum link_result result = apply_one(link, &migrations[i]);
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

static enum status bring_up(struct link *link, uint32_t known, char *ret_why, size_t why_bytes,
                            uint32_t *ret_applied) {
    char text[LINK_WHY_BYTES] = "";
    if (take_turn(link) && link_ask(link, prepare, text, sizeof(text)) == LINK_OK) {
        uint32_t have = number_of(text);
        if (have > known)
            return judge_newer(link, have, known, ret_why, why_bytes);
        if (apply_all(link, have, ret_applied) == LINK_OK &&
            run_patiently(link, birth) == LINK_OK && run_patiently(link, grants) == LINK_OK)
            return STATUS_ok;
    }
    if (strcmp(link->state, "42501") == 0)
        (void)snprintf(ret_why, why_bytes,
                       "The schema is not up to date, and this role may not change it (%s): run "
                       "florin migrate with the role that owns it.",
                       link->why);
    else
        (void)snprintf(ret_why, why_bytes, "The schema cannot be made: %s", link->why);
    return STATUS_invalid_request;
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
        if (have == known &&
            link_ask(link, "SELECT count(*) FROM florin.extent WHERE end_record > 0", text,
                     sizeof(text)) == LINK_OK &&
            text[0] == '1')
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
    if (run_patiently(&link, text) != LINK_OK) {
        (void)snprintf(ret_why, why_bytes, "%s", link.why);
        status = STATUS_invalid_request;
    }
    link_done(&link);
    return status;
}
