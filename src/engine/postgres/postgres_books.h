// SPDX-License-Identifier: MIT
// Private to the PostgreSQL engine: what its files share.
#pragma once
#include <pthread.h>

#include "base/signal_gate.h"
#include "engine/postgres/desk.h"
#include "engine/postgres/postgres.h"

#define READERS_MAX 4

// Keys as HTTP threads see them: a copy, made anew when the books' keys change.
struct key_ring {
    pthread_rwlock_t lock;
    struct key *keys;       // owned
    uint64_t *last_used_ms; // owned; by place; of this node since its start
    uint32_t count;
    uint64_t version;
};

// What a feed read lives on: a ring, because the auditor looks at earlier records while it reads.
#define FEEDS_KEPT 64

struct feeds {
    pthread_mutex_t lock;
    struct arena arenas[FEEDS_KEPT];
    uint32_t next;
};

struct books {
    struct engine engine; // first: the port hands out pointers to it
    char *url;            // owned
    struct inbox inbox;
    pthread_t writer;
    struct signal_gate stop; // 1: the house is being taken down
    bool is_new;

    // The writer's.
    struct link link;
    struct desk desk;

    struct engine_stats stats;     // counted by the writer, relaxed atomics
    struct counters counters;      // of the last batch that was committed or read
    pthread_mutex_t counters_lock; // of `counters`
    struct key_ring ring;

    pthread_mutex_t readers_lock;
    pthread_cond_t readers_free;
    struct link readers[READERS_MAX];
    bool readers_taken[READERS_MAX];
    struct feeds feeds;
};

// postgres_writer.c
void *writer_of_postgres(void *books);
MUST_CHECK enum link_result books_connect(struct books *books);

// key_ring.c
void key_ring_refresh(struct books *books); // the writer
bool key_ring_find(struct books *books, const struct sha256 *secret_hash, uint64_t now_ms,
                   struct key *ret_key, bool *ret_live);
bool key_ring_by_id(struct books *books, struct id id, uint64_t now_ms, struct key *ret_key,
                    bool *ret_live);
uint64_t key_ring_last_used(struct books *books, uint64_t number);

// link_pool.c
struct link *reader_take(struct books *books); // waits for one; may be closed
// Runs one statement on it, connecting first if need be; results stay until reader_give.
MUST_CHECK enum link_result reader_ask(struct books *books, struct link *link, enum sql statement,
                                       const struct parameters *parameters,
                                       const struct pg_result **ret_result);
void reader_give(struct books *books, struct link *link);

// postgres_past.c, postgres_lists.c: the reading half of the port
enum status books_postgres_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                                bool (*each)(void *context, const struct feed_record *record),
                                void *context, uint64_t *ret_next);
uint64_t books_postgres_end(struct engine *engine);
void books_postgres_wallets(struct engine *engine,
                            void (*each)(void *context, const struct wallet *wallet),
                            void *context);
void books_postgres_holds(struct engine *engine,
                          void (*each)(void *context, const struct hold *hold), void *context);
void books_postgres_withdrawals(struct engine *engine,
                                void (*each)(void *context, const struct withdrawal *withdrawal),
                                void *context);
uint32_t books_postgres_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                   uint32_t count_max);
enum status books_postgres_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                                      struct balance_at *ret);
enum status books_postgres_owns(struct engine *engine, struct id wallet, struct slice owner);
enum status books_postgres_list(struct engine *engine, const struct list_query *query,
                                struct page *ret_page);
