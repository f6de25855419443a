// SPDX-License-Identifier: MIT
// A session beside the writer's looks for the next batch's idempotency keys while the round before
// is committed, on a core that has nothing else to do. What it finds is true of the books that it
// saw, and their chain tells which: those before that round, or those behind it, wherever that
// server stands and whenever the answer comes. Keys of the round itself are known here. That nobody
// has written since is what the batch proves by the row of books, like all else that it was decided
// on (desk_ahead.c).
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/postgres/desk/desk.h"

#define ANSWER_WAIT_NS UINT64_C(200000000) // then the writer looks for the keys itself
#define OPEN_WAIT_NS   UINT64_C(300000000) // others wait meanwhile
#define AGAIN_NS       UINT64_C(10000000000)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '1s'; "
    "SET lock_timeout = '100ms'; SET tcp_user_timeout = '4s'; SET tcp_keepalives_idle = 2; "
    "SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2; "
    "SET client_min_messages = warning; SET jit = off; "
    "SET application_name = 'florin beside'; " SQL_PLANS
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

struct found_keys {
    struct sha256 chain;
    int64_t used;
    bool is_told;
};

static void take(void *context, enum sql statement, const struct pg_result *result) {
    struct found_keys *found = context;
    if (statement != SQL_KEYS_BESIDE || row_count(result) != 1)
        return;
    struct slice chain = row_bytes(result, 0, 1);
    found->used = row_number(result, 0, 0);
    found->is_told = chain.size == sizeof(found->chain);
    if (found->is_told)
        memcpy(&found->chain, chain.bytes, sizeof(found->chain));
}

void desk_beside_open(struct desk *desk, const char *url) {
    struct beside *beside = &desk->ahead.beside;
    uint64_t now_ns = clock_monotonic_ns();
    if (link_is_open(&beside->link) || now_ns < beside->next_try_ns)
        return;
    CHECK(!beside->is_asked);
    beside->next_try_ns = now_ns + AGAIN_NS;
    if (link_open(&beside->link, url, settings, SQL_KEYS_BESIDE, SQL_KEYS_BESIDE, OPEN_WAIT_NS) ==
        LINK_OK)
        return;
    log_line(LOG_WARNING, "postgres", "The writer looks for keys itself: %s", beside->link.why);
    link_close(&beside->link);
}

void desk_beside_ask(struct desk *desk) {
    struct beside *beside = &desk->ahead.beside;
    struct parameters parameters = {0};
    CHECK(link_is_open(&beside->link) && !beside->is_asked);
    beside->chain_before = desk->ahead.left_chain;
    beside->chain_behind = desk->before.chain;
    link_forget(&beside->link);
    parameter_column(&parameters, &desk->wants.keys);
    parameter_number(&parameters, (int64_t)desk->keys_from);
    parameter_number(&parameters, (int64_t)desk->keys_end);
    link_send(&beside->link, SQL_KEYS_BESIDE, &parameters);
    link_sync(&beside->link);
    link_flush(&beside->link);
    beside->is_asked = true;
}

// All that is on its way to it. What is not there in time ends the session, and so does a failure
// other than one that may pass.
static enum link_result collect(struct beside *beside, struct found_keys *found) {
    beside->link.deadline_ns = clock_monotonic_ns() + ANSWER_WAIT_NS;
    enum link_result result = link_collect(&beside->link, take, found);
    if (result == LINK_LOST || result == LINK_REFUSED)
        link_close(&beside->link);
    return result;
}

static bool is_same(const struct sha256 *one, const struct sha256 *other) {
    return memcmp(one, other, sizeof(*one)) == 0;
}

bool desk_beside_settle(struct desk *desk) {
    struct beside *beside = &desk->ahead.beside;
    struct found_keys found = {0};
    if (!beside->is_asked)
        return false;
    beside->is_asked = false;
    return collect(beside, &found) == LINK_OK && found.is_told && found.used == 0 &&
           is_same(&beside->chain_behind, &desk->before.chain) &&
           (is_same(&found.chain, &beside->chain_before) ||
            is_same(&found.chain, &beside->chain_behind));
}

void desk_beside_close(struct desk *desk) {
    struct beside *beside = &desk->ahead.beside;
    beside->is_asked = false;
    beside->next_try_ns = 0;
    link_forget(&beside->link);
    link_close(&beside->link);
}
