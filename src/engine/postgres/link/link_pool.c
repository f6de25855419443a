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

void reader_pool_init(struct reader_pool *pool, struct replica *replica) {
    CHECK(pthread_mutex_init(&pool->lock, NULL) == 0);
    CHECK(pthread_cond_init(&pool->free, NULL) == 0);
    pool->replica = replica;
    for (int i = 0; i < READERS_MAX + READERS_SMALL; i++)
        pool->readers[i].pool = pool;
}

void reader_pool_done(struct reader_pool *pool) {
    for (int i = 0; i < READERS_MAX + READERS_SMALL; i++)
        link_done(&pool->readers[i].link);
    (void)pthread_mutex_destroy(&pool->lock);
    (void)pthread_cond_destroy(&pool->free);
}

static struct link *take_first(struct reader_pool *pool, int count, bool wait) {
    struct link *link = NULL;
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    for (;;) {
        for (int i = 0; i < count && link == NULL; i++)
            if (!pool->readers[i].is_taken) {
                pool->readers[i].is_taken = true;
                link = &pool->readers[i].link;
            }
        if (link != NULL || !wait)
            break;
        CHECK(pthread_cond_wait(&pool->free, &pool->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return link;
}

struct link *reader_pool_take(struct reader_pool *pool, bool wait) {
    return take_first(pool, READERS_MAX, wait);
}

struct link *reader_pool_take_small(struct reader_pool *pool) {
    return take_first(pool, READERS_MAX + READERS_SMALL, true);
}

enum link_result reader_connect(struct link *link, const char *url, enum sql last,
                                uint64_t wait_ns) {
    if (link_is_open(link))
        return LINK_OK;
    return link_open(link, url, settings, SQL_READER_FIRST, last, wait_ns);
}

struct link *reader_take(struct books *books) {
    return reader_pool_take(&books->readers, true);
}

struct link *reader_take_small(struct books *books) {
    return reader_pool_take_small(&books->readers);
}

static void keep_result(void *context, enum sql statement, const struct pg_result *result) {
    (void)statement;
    *(const struct pg_result **)context = result;
}

// What is now is read from no other server than the writer's.
static enum link_result connect_primary(struct books *books, struct link *link) {
    if (link_is_open(link) && link_is_called_off(link))
        link_close(link);
    if (books_are_silent(books)) {
        link_close(link);
        return LINK_LOST;
    }
    if (link_is_open(link))
        return LINK_OK;
    primary_watch(&books->primary, link);
    enum link_result result =
        reader_connect(link, primary_url(&books->primary), SQL_READER_LAST, READ_WAIT_NS);
    if (result == LINK_OK)
        result = primary_admit_reader(&books->primary, link);
    if (result != LINK_OK)
        link_close(link);
    return result;
}

static enum link_result ask_once(struct books *books, struct link *link, enum sql statement,
                                 const struct parameters *parameters,
                                 const struct pg_result **ret_result) {
    if (reader_of(link)->pool->replica == NULL) {
        enum link_result opened = connect_primary(books, link);
        if (opened != LINK_OK)
            return opened;
    }
    if (!link_is_open(link))
        return LINK_LOST;
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
    // It may have been lost long ago. Replicas are not asked twice: others can answer.
    if (result == LINK_LOST && was_open && reader_of(link)->pool->replica == NULL)
        result = ask_once(books, link, statement, parameters, ret_result);
    return result;
}

void reader_give(struct link *link) {
    struct reader_pool *pool = reader_of(link)->pool;
    link_forget(link);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    reader_of(link)->is_taken = false;
    CHECK(pthread_cond_broadcast(&pool->free) == 0); // not all who wait may take it
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
}
