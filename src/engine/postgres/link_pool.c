// SPDX-License-Identifier: MIT
// Connections for what is read beside the writer. Each statement sees one moment of what is
// committed; nothing can be written here.
#include "base/check.h"
#include "base/clock.h"
#include "engine/postgres/postgres_books.h"

#define READ_WAIT_NS UINT64_C(20000000000)

static const char settings[] =
    "SET search_path = florin, pg_catalog; SET timezone = 'UTC'; SET statement_timeout = '15s'; "
    "SET default_transaction_isolation = 'repeatable read'; "
    "SET default_transaction_read_only = on; SET client_min_messages = warning; SET jit = off; "
    // Filters that are not given vanish from a plan that knows them.
    "SET plan_cache_mode = force_custom_plan";

struct link *reader_take(struct books *books) {
    CHECK(pthread_mutex_lock(&books->readers_lock) == 0);
    for (;;) {
        for (int i = 0; i < READERS_MAX; i++)
            if (!books->readers_taken[i]) {
                books->readers_taken[i] = true;
                CHECK(pthread_mutex_unlock(&books->readers_lock) == 0);
                return &books->readers[i];
            }
        CHECK(pthread_cond_wait(&books->readers_free, &books->readers_lock) == 0);
    }
}

static void keep_result(void *context, enum sql statement, const struct pg_result *result) {
    (void)statement;
    *(const struct pg_result **)context = result;
}

static enum link_result ask_once(struct books *books, struct link *link, enum sql statement,
                                 const struct parameters *parameters,
                                 const struct pg_result **ret_result) {
    if (!link_is_open(link)) {
        enum link_result opened =
            link_open(link, books->url, settings, SQL_END, SQL_READER_LAST, READ_WAIT_NS);
        if (opened != LINK_OK)
            return opened;
    }
    *ret_result = NULL;
    link->deadline_ns = clock_monotonic_ns() + READ_WAIT_NS;
    link_send(link, statement, parameters);
    link_sync(link);
    enum link_result result = link_collect(link, keep_result, ret_result);
    if (result == LINK_LOST)
        link_close(link);
    return result == LINK_OK && *ret_result == NULL ? LINK_REFUSED : result;
}

enum link_result reader_ask(struct books *books, struct link *link, enum sql statement,
                            const struct parameters *parameters,
                            const struct pg_result **ret_result) {
    bool was_open = link_is_open(link);
    enum link_result result = ask_once(books, link, statement, parameters, ret_result);
    if (result == LINK_LOST && was_open) // it may have been lost long ago
        result = ask_once(books, link, statement, parameters, ret_result);
    return result;
}

void reader_give(struct books *books, struct link *link) {
    link_forget(link);
    CHECK(pthread_mutex_lock(&books->readers_lock) == 0);
    books->readers_taken[link - books->readers] = false;
    CHECK(pthread_cond_signal(&books->readers_free) == 0);
    CHECK(pthread_mutex_unlock(&books->readers_lock) == 0);
}
