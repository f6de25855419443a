// SPDX-License-Identifier: MIT
// The schema's migrations: numbered files of sql/, built into the program, each applied once in a
// transaction of its own, by one node at a time.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/link.h"
#include "engine/postgres/migrations.h"
#include "engine/postgres/postgres.h"

#define MIGRATE_WAIT_NS UINT64_C(60000000000)

static const char settings[] =
    "SET client_min_messages = warning; SET lock_timeout = '5s'; SET timezone = 'UTC'";

static const char prepare[] =
    "SELECT pg_advisory_lock(7886711); CREATE SCHEMA IF NOT EXISTS florin; "
    "CREATE TABLE IF NOT EXISTS florin.migrations (number integer PRIMARY KEY, name text NOT NULL, "
    "applied_at timestamptz NOT NULL DEFAULT now()); "
    "SELECT coalesce(max(number), 0) FROM florin.migrations";

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
    "INSERT INTO florin.extent (end_record) VALUES (0) ON CONFLICT DO NOTHING; "
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
    "SELECT 'The server is a standby or read-only.' WHERE pg_is_in_recovery()) x(why)";

static uint32_t number_of(const char *text) {
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9' && number < 100000; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

static enum link_result apply_one(struct link *link, const struct migration *migration) {
    struct buffer text = {0};
    buffer_add_format(&text, "BEGIN; SET LOCAL search_path = florin, pg_catalog;\n%s;\n",
                      migration->text);
    buffer_add_format(&text,
                      "INSERT INTO florin.migrations (number, name) VALUES (%u, '%s'); COMMIT",
                      migration->number, migration->name);
    *buffer_room(&text, 1) = '\0';
    enum link_result result = link_run(link, (const char *)text.bytes);
    buffer_done(&text);
    return result;
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

static enum status migrate(struct link *link, char *ret_why, size_t why_bytes,
                           uint32_t *ret_applied) {
    char text[LINK_WHY_BYTES] = "";
    uint32_t count;
    const struct migration *migrations = migrations_all(&count);
    if (link_ask(link, examination, text, sizeof(text)) == LINK_OK && text[0] != '\0') {
        (void)snprintf(ret_why, why_bytes, "%s", text);
        return STATUS_invalid_request;
    }
    if (link_ask(link, prepare, text, sizeof(text)) == LINK_OK) {
        uint32_t have = number_of(text);
        if (have > migrations[count - 1].number) {
            (void)snprintf(ret_why, why_bytes,
                           "The schema has migration %u, but this Florin knows only up to %u: a "
                           "newer Florin made it.",
                           have, migrations[count - 1].number);
            return STATUS_invalid_request;
        }
        if (apply_all(link, have, ret_applied) == LINK_OK && link_run(link, birth) == LINK_OK)
            return STATUS_ok;
    }
    (void)snprintf(ret_why, why_bytes, "The schema cannot be made: %s", link->why);
    return STATUS_invalid_request;
}

enum status postgres_migrate(const char *url, char *ret_why, size_t why_bytes,
                             uint32_t *ret_applied) {
    struct link link = {0};
    *ret_applied = 0;
    if (link_open(&link, url, settings, SQL_TURN_BACK, SQL_TURN, MIGRATE_WAIT_NS) != LINK_OK) {
        (void)snprintf(ret_why, why_bytes, "No connection: %s", link.why);
        link_done(&link);
        return STATUS_busy;
    }
    enum status status = migrate(&link, ret_why, why_bytes, ret_applied);
    link_done(&link); // and with it the lock
    return status;
}
