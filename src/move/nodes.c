// SPDX-License-Identifier: MIT
// Nodes are known by the name of their connections; and against those that come later the table
// `books` is locked, which every round of theirs writes.
#include "move/nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "engine/postgres/postgres.h"

#define WAIT_NS        UINT64_C(3600000000000)
#define COUNT_TRIES    30
#define COUNT_PAUSE_NS UINT64_C(100000000)

const char plain_settings[] =
    "SET client_min_messages = warning; SET lock_timeout = '120s'; SET statement_timeout = 0; "
    "SET idle_in_transaction_session_timeout = 0; SET timezone = 'UTC'; SET synchronous_commit = "
    "on; SET jit = off; SET search_path = florin, pg_catalog";

enum status plain_number(struct link *link, const char *query, char *ret_why,
                              uint64_t *ret_number) {
    char text[LINK_WHY_BYTES] = "";
    *ret_number = 0;
    link->deadline_ns = clock_monotonic_ns() + WAIT_NS;
    if (link_ask(link, query, text, sizeof(text)) != LINK_OK) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", link->why);
        return STATUS_busy;
    }
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        *ret_number = *ret_number * 10 + (uint64_t)(*at - '0');
    return STATUS_ok;
}

// Connections of nodes. One that was closed a moment ago, as the one that migrated, may still be
// there for the server; those of a node stay.
static enum status count_nodes(struct link *link, char *ret_why, uint64_t *ret_count) {
    struct signal_gate never;
    enum status status = STATUS_ok;
    signal_gate_init(&never, 0, 0);
    *ret_count = 1;
    for (int tries = 0; status == STATUS_ok && *ret_count != 0 && tries < COUNT_TRIES; tries++) {
        uint64_t cleared; // within a transaction the server would say the same again
        if (tries != 0)
            (void)signal_gate_wait(&never, 1, COUNT_PAUSE_NS);
        status = plain_number(link, "SELECT 1 FROM pg_stat_clear_snapshot()", ret_why, &cleared);
        if (status != STATUS_ok)
            break;
        status = plain_number(link,
                            "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND application_name = 'florin' AND "
                            "pid <> pg_backend_pid()",
                            ret_why, ret_count);
    }
    return status;
}

enum status plain_open(const char *url, char *ret_why, struct link *link) {
    *link = (struct link){0};
    if (link_open(link, url, plain_settings, SQL_TURN_BACK, SQL_TURN, WAIT_NS) == LINK_OK)
        return STATUS_ok;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "No connection: %s", link->why);
    link_done(link);
    return STATUS_busy;
}


enum status plain_run(struct link *link, const char *text, char *ret_why) {
    link->deadline_ns = clock_monotonic_ns() + WAIT_NS;
    if (link_run(link, text) == LINK_OK)
        return STATUS_ok;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", link->why);
    return STATUS_busy;
}

enum status nodes_refuse(struct link *link, char *ret_why) {
    uint64_t nodes;
    enum status status = count_nodes(link, ret_why, &nodes);
    if (status != STATUS_ok || nodes == 0)
        return status;
    (void)snprintf(ret_why, MOVE_WHY_BYTES,
                   "%" PRIu64 " connections of Florin are open to the database: stop the nodes "
                   "that serve it",
                   nodes);
    return STATUS_busy;
}

// ---- books that move out ------------------------------------------------------------------------

struct source_lock {
    struct link link;
};

struct obstacle {
    const char *query, *why;
};

static const struct obstacle obstacles[] = {
    {"SELECT count(*) FROM florin.books WHERE filling IS NOT NULL",
     "books are moving in there and are not whole yet: end that move first"},
    {"SELECT count(*) FROM florin.books WHERE shard IS NOT NULL",
     "these books are one shard of several: a folder would have but a part of them"},
    {"SELECT count(*) FROM florin.extent WHERE archived > 0",
     "history of these books is archived (`florin partitions`): a folder has its journal from the "
     "beginning, so they stay where they are"},
    {"SELECT count(*) FROM florin.books WHERE record_count = 0", "there are no books to move"},
};

static enum status check_whole(struct link *link, char *ret_why) {
    enum status status = STATUS_ok;
    for (size_t i = 0; status == STATUS_ok && i < sizeof(obstacles) / sizeof(obstacles[0]); i++) {
        uint64_t count;
        status = plain_number(link, obstacles[i].query, ret_why, &count);
        if (status == STATUS_ok && count != 0) {
            (void)snprintf(ret_why, MOVE_WHY_BYTES, "%s", obstacles[i].why);
            status = STATUS_invalid_request;
        }
    }
    return status;
}

static enum status take(struct source_lock *lock, const char *url, char *ret_why) {
    struct link *link = &lock->link;
    uint64_t schemas;
    uint32_t applied;
    enum status status = plain_open(url, ret_why, link);
    if (status == STATUS_ok)
        status = plain_number(link,
                              "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON "
                              "n.oid = c.relnamespace WHERE n.nspname = 'florin' AND "
                              "c.relname = 'books'",
                              ret_why, &schemas);
    if (status == STATUS_ok && schemas == 0) {
        (void)snprintf(ret_why, MOVE_WHY_BYTES, "the database has no books");
        status = STATUS_not_found;
    }
    if (status == STATUS_ok)
        status = nodes_refuse(link, ret_why);
    if (status == STATUS_ok)
        status = postgres_migrate(url, ret_why, MOVE_WHY_BYTES, &applied);
    if (status == STATUS_ok)
        status = plain_run(link, "BEGIN", ret_why);
    if (status == STATUS_ok)
        status = plain_run(link, "LOCK TABLE florin.books IN SHARE ROW EXCLUSIVE MODE", ret_why);
    // One that came before the lock writes no more; nobody has to guess what becomes of it.
    if (status == STATUS_ok)
        status = nodes_refuse(link, ret_why);
    return status == STATUS_ok ? check_whole(link, ret_why) : status;
}

enum status source_lock_take(const char *url, char *ret_why, struct source_lock **ret_lock) {
    struct source_lock *lock = memory_take_zeroed(sizeof(*lock));
    enum status status = take(lock, url, ret_why);
    if (status != STATUS_ok) {
        source_lock_close(lock);
        return status;
    }
    *ret_lock = lock;
    return STATUS_ok;
}

enum status source_lock_check(struct source_lock *lock, struct id to, char *ret_why) {
    char books[MOVE_HEX_BYTES], query[256];
    uint64_t count;
    move_hex(to, books);
    (void)snprintf(query, sizeof(query),
                   "SELECT count(*) FROM florin.books WHERE moved_to NOT LIKE '%%%s%%'", books);
    enum status status = plain_number(&lock->link, query, ret_why, &count);
    if (status != STATUS_ok || count == 0)
        return status;
    (void)snprintf(ret_why, MOVE_WHY_BYTES, "the books have moved already, and not to there");
    return STATUS_invalid_request;
}

enum status source_lock_moved(struct source_lock *lock, struct id to, char *ret_why) {
    char books[MOVE_HEX_BYTES], query[256];
    move_hex(to, books);
    (void)snprintf(query, sizeof(query),
                   "UPDATE florin.books SET moved_to = 'the embedded books %s'", books);
    enum status status = plain_run(&lock->link, query, ret_why);
    return status == STATUS_ok ? plain_run(&lock->link, "COMMIT", ret_why) : status;
}

void source_lock_close(struct source_lock *lock) {
    if (lock == NULL)
        return;
    link_done(&lock->link);
    memory_free(lock);
}
