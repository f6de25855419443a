// SPDX-License-Identifier: MIT
// What `florin shards` asks of each shard. Reads only, and from one moment.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/shard/shard.h"

#define SHOW_WAIT_NS UINT64_C(10000000000)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '9s'; "
    "SET default_transaction_read_only = on; SET client_min_messages = warning";

// Ranges of the slots that are owned: 0-511, 600.
static const char query[] =
    "WITH owned AS (SELECT slot, slot - row_number() OVER (ORDER BY slot) AS run FROM slots "
    "WHERE state = 0), runs AS (SELECT min(slot) AS low, max(slot) AS high FROM owned "
    "GROUP BY run) "
    "SELECT format('%-16s%6s  %10s  %12s  %10s  %10s  %s', coalesce(b.shard, '(none)'), "
    "(SELECT count(*) FROM owned), b.wallet_count, b.record_count, "
    "(SELECT count(*) FROM records WHERE number >= greatest(0, floor(extract(epoch FROM "
    "clock_timestamp()) * 1000)::bigint - 60000) << 17), "
    "pg_size_pretty(pg_database_size(current_database())), "
    "(SELECT coalesce(string_agg(CASE WHEN low = high THEN low::text ELSE low || '-' || high END, "
    "', ' ORDER BY low), '-') FROM runs)) FROM books b";

static enum link_result connect(struct link *link, const struct shard_place *place) {
    enum link_result result =
        link_open(link, place->url, settings, SQL_TURN_BACK, SQL_TURN, SHOW_WAIT_NS);
    link->deadline_ns = clock_monotonic_ns() + SHOW_WAIT_NS;
    return result;
}

static enum status look(struct link *link, const struct shard_place *place, char *ret_why,
                        size_t why_bytes) {
    char text[64] = "", books[8] = "";
    enum link_result result = connect(link, place);
    if (result == LINK_OK)
        result = link_ask(link, "SELECT to_regclass('florin.books') IS NOT NULL", books,
                          sizeof(books));
    if (result == LINK_OK && books[0] == 't')
        result = link_ask(link, "SELECT coalesce((SELECT shard FROM books), '')", text,
                          sizeof(text));
    if (result == LINK_OK && strcmp(text, place->name) == 0)
        return STATUS_ok;
    if (result != LINK_OK)
        (void)snprintf(ret_why, why_bytes, "%s", link->why);
    else if (books[0] != 't')
        (void)snprintf(ret_why, why_bytes,
                       "its database is empty: is its url right? florin shards prepare makes a "
                       "shard of a new one");
    else if (text[0] == '\0')
        (void)snprintf(ret_why, why_bytes,
                       "its books are not a shard yet: is its url right? florin shards prepare "
                       "makes them one");
    else
        (void)snprintf(ret_why, why_bytes,
                       "its database is called \"%s\": is its url right?", text);
    return result == LINK_LOST ? STATUS_busy : STATUS_invalid_request;
}

bool shard_name_is_valid(struct slice name) {
    if (name.size == 0 || name.size >= SHARD_NAME_BYTES || name.bytes[0] == '-' ||
        name.bytes[0] == '_')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

enum status shard_is_itself(const struct shard_place *place, char *ret_why, size_t why_bytes) {
    struct link link = {0};
    enum status status = look(&link, place, ret_why, why_bytes);
    link_done(&link);
    return status;
}

enum status shard_show(const struct shard_place *place, char ret_line[SHARD_SHOWN_BYTES]) {
    struct link link = {0};
    enum status status = look(&link, place, ret_line, SHARD_SHOWN_BYTES);
    enum link_result result = LINK_OK;
    if (status == STATUS_ok)
        result = link_ask(&link, query, ret_line, SHARD_SHOWN_BYTES);
    if (result != LINK_OK) {
        (void)snprintf(ret_line, SHARD_SHOWN_BYTES, "%s", link.why);
        status = result == LINK_LOST ? STATUS_busy : STATUS_invalid_request;
    }
    link_done(&link);
    return status;
}
