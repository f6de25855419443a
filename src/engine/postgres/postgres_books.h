// SPDX-License-Identifier: MIT
// Private to the PostgreSQL engine: what its files share.
#pragma once
#include <pthread.h>

#include "base/signal_gate.h"
#include "engine/postgres/desk/desk.h"
#include "engine/postgres/postgres.h"
#include "engine/postgres/reader.h"
#include "engine/postgres/shard/shard.h"
#include "engine/postgres/wallet_cache.h"

// Keys as HTTP threads see them: a copy, made anew when the books' keys change.
struct key_ring {
    pthread_rwlock_t lock;
    struct key *keys;       // owned
    uint64_t *last_used_ms; // owned; by place; what the database knew, or this node has seen
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

// A server that the watcher looks at.
struct watched {
    struct link link;
    uint64_t next_try_ns;
    uint32_t failure_count;
};

// What it took lately, roughly: from the last statements of a round to the answer of its COMMIT;
// and to decide the next batch meanwhile.
struct pace {
    uint64_t commit_ns, open_ns;
};

struct books {
    struct engine engine; // first: the port hands out pointers to it
    struct primary primary;
    struct inbox inbox;
    pthread_t writer;
    struct signal_gate stop; // 1: the house is being taken down
    bool is_new;
    const char *shard; // its name among several; NULL: alone. The caller's until it is open.
    uint64_t number_slack;           // see number.h
    char elsewhere[LINK_WHY_BYTES * 2]; // why these books are not to be served; empty: they are

    // The writer's.
    struct link link;
    struct desk desk;
    struct round_times times; // of the batch at hand; the writer's
    struct pace pace;
    struct position position; // everything that was published is before it
    uint64_t lost_ns; // since when no server of these books can be reached; 0: one can
    uint64_t lost_told_ns; // when that was told last; 0: it was not

    struct engine_stats stats;     // counted by the writer, relaxed atomics
    struct counters counters;      // of the last batch that was committed or read
    struct position published;     // as `position`, for other threads
    struct arrivals_seen arrivals_taken; // as the desk's, likewise
    pthread_mutex_t counters_lock; // of `counters`, `published` and `arrivals_taken`
    struct key_ring ring;
    uint64_t ahead_ms; // atomic: the books' time less this node's monotonic clock

    struct reader_pool readers; // of the primary
    struct vault *vault;        // NULL: texts are plain
    bool is_exchanged;          // the master key was, at the start
    struct engine *siblings[SHARDS_MAX]; // the books' other shards, where other keys lie
    uint32_t sibling_count;
    bool is_locked_out;         // texts are under a master key that this node does not have
    struct text_vault reader_port; // of the engine's, for records of the feed
    struct replicas replicas;
    struct wallet_cache *cache; // NULL: none
    struct feeds feeds;

    pthread_t tidier;
    uint64_t uses_told_ms;  // uses of keys up to this time are in the database; the tidier's
    bool partitions_wanted; // atomic; the writer has run out of them
    pthread_t watcher;
    bool has_watcher;
    struct watched vigil; // of a shard: vigil.c's
    uint64_t heard_ns;    // when it last answered
    uint64_t let_in_ns;   // atomic; when it last let in who looks after it
    bool is_silent;       // atomic; it does not
    struct servers watched_urls; // as `primary`'s, but standbys answer, too
    struct watched watched_primary, watched_servers[SERVERS_MAX];
};

// postgres_writer.c
void *writer_of_postgres(void *books);
MUST_CHECK enum link_result books_connect(struct books *books);

// key_ring.c
void key_ring_refresh(struct books *books); // the writer
void books_note_now(struct books *books);   // the writer, when a batch was fetched
// The books' time: what the last batch was told, and what passed since. No node's calendar counts,
// so nodes an hour apart agree on when a key ends. Thread: any.
uint64_t books_now_ms(const struct books *books);
bool key_ring_find(struct books *books, const struct sha256 *secret_hash, uint64_t now_ms,
                   struct key *ret_key, bool *ret_live);
bool key_ring_by_id(struct books *books, struct id id, uint64_t now_ms, struct key *ret_key,
                    bool *ret_live);
uint64_t key_ring_last_used(struct books *books, uint64_t number);
// Tells the database when keys were used since the last time; what fails is told later.
// Thread: the tidier.
void key_uses_tell(struct books *books, uint64_t wait_ns);

// postgres_sealing.c
// At the start: looks whether the books are encrypted and whether this is their master key, and
// exchanges it when the old one is given, too. Statuses and `ret_why` as of postgres_open.
MUST_CHECK enum status sealing_open(struct books *books, const struct vault_masters *masters,
                                    bool without_texts, char *ret_why, size_t why_bytes);
// Puts plain copies, in `arena`, in place of sealed records. STATUS_busy: the keys did not come.
// Holds no link of the caller's. Thread: readers.
MUST_CHECK enum status sealing_reveal(struct books *books, struct arena *arena,
                                      struct entry *entries, uint32_t count);
enum status sealing_reveal_one(struct engine *engine, struct slice bytes, struct arena *arena,
                               struct slice *ret_bytes);

// tidier.c
void *tidier_of_postgres(void *books);

// watcher.c
void *watcher_of_postgres(void *books);

// vigil.c. Thread: the watcher.
void vigil_look(struct books *books);
// Nobody should wait for these books: their server hangs, or cannot be reached. Thread: any.
static inline bool books_are_silent(const struct books *books) {
    return __atomic_load_n(&books->is_silent, __ATOMIC_ACQUIRE);
}

// reading.c: one read and the servers that it tries.
struct reading {
    struct freshness freshness;
    uint32_t tried; // replicas: bit 1 << place
    bool on_primary;
    struct link *link;
};
struct reading reading_of(struct books *books, const struct freshness *freshness);
// A link to the next server that is fresh enough, the primary last; false: it was tried, too.
bool reading_next(struct books *books, struct reading *reading);
// What nothing is missing before in an answer of that link, by position and by time.
uint64_t reading_begins(struct books *books, const struct reading *reading,
                        struct position *ret_position);
// It was answered. False: slots have moved where it was read, so the next server is to be asked; of
// the primary the reading's claim says so, and the caller's caller decides.
MUST_CHECK bool reading_done(struct books *books, struct reading *reading);

// link_pool.c
struct link *reader_take(struct books *books); // of the primary; waits for one; may be closed
struct link *reader_take_small(struct books *books); // likewise, see reader_pool_take_small
// Runs one statement on it, connecting first if need be; results stay until reader_give.
MUST_CHECK enum link_result reader_ask(struct books *books, struct link *link, enum sql statement,
                                       const struct parameters *parameters,
                                       const struct pg_result **ret_result);

// postgres_past.c, postgres_lists.c: the reading half of the port
enum status books_postgres_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                                bool (*each)(void *context, const struct feed_record *record),
                                void *context, uint64_t *ret_next);
uint64_t books_postgres_end(struct engine *engine);
enum status books_postgres_opening(struct engine *engine,
                                   bool (*each)(void *context, const struct opening_item *item),
                                   void *context, struct opening_mark *ret_mark);
enum status books_postgres_habits(struct engine *engine,
                                  void (*each)(void *context,
                                               struct id wallet, const struct habits *habits),
                                  void *context);
enum status books_postgres_wallets(struct engine *engine,
                                   void (*each)(void *context, const struct wallet *wallet),
                                   void *context);
enum status books_postgres_holds(struct engine *engine,
                                 void (*each)(void *context, const struct hold *hold),
                                 void *context);
enum status books_postgres_withdrawals(struct engine *engine,
                                       void (*each)(void *context,
                                                    const struct withdrawal *withdrawal),
                                       void *context);
uint32_t books_postgres_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                   uint32_t count_max);
enum status books_postgres_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                                      const struct freshness *freshness, struct balance_at *ret);
enum status books_postgres_slots(struct engine *engine, struct engine_slots *ret_slots);
enum status books_postgres_slots_version(struct engine *engine, int64_t *ret_version);
enum status books_postgres_owns(struct engine *engine, struct id wallet, struct slice owner);
enum status books_postgres_read(struct engine *engine, const struct command *command,
                                const struct freshness *freshness, struct arena *arena,
                                struct outcome *ret_outcome);
// postgres_read.c: rows of the lists and of reads become outcomes, which begin zeroed.
void entry_wallet(struct arena *arena, const struct pg_result *result, int row,
                  struct outcome *outcome);
void entry_transaction(struct arena *arena, const struct pg_result *result, int row,
                       struct outcome *outcome);
void entry_hold(struct arena *arena, const struct pg_result *result, int row,
                struct outcome *outcome);
void entry_withdrawal(struct arena *arena, const struct pg_result *result, int row,
                      struct outcome *outcome);
enum status books_postgres_list(struct engine *engine, const struct list_query *query,
                                struct page *ret_page);
