// SPDX-License-Identifier: MIT
// Opens and closes the books of a database, and hands the port to the house.
//
// A start: migrations ─▶ the writer's connection ─▶ seal, keys, currencies ─▶ the writer's thread.
#include "engine/postgres/postgres.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/postgres/link/link_rows.h"
#include "engine/postgres/link/pooler.h"
#include "engine/postgres/postgres_books.h"

#define OPEN_WAIT_NS UINT64_C(20000000000)
#define OPEN_TRIES   3

static void books_submit(struct engine *engine, struct round *round) {
    inbox_push(&((struct books *)engine)->inbox, &round->node);
}

static bool books_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                           struct key *ret_key, bool *ret_live) {
    struct books *books = (struct books *)engine;
    now_ms = books_now_ms(books); // and not the node's
    return key_ring_find(books, secret_hash, now_ms, ret_key, ret_live);
}

static bool books_key_by_id(struct engine *engine, struct id id, uint64_t now_ms,
                            struct key *ret_key, bool *ret_live) {
    struct books *books = (struct books *)engine;
    now_ms = books_now_ms(books);
    return key_ring_by_id(books, id, now_ms, ret_key, ret_live);
}

static uint64_t relaxed(const uint64_t *value) {
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void add_servers(struct books *books, struct engine_stats *stats) {
    CHECK(pthread_mutex_lock(&books->primary.lock) == 0);
    stats->epoch = books->primary.seen.timeline;
    stats->failovers = books->primary.choice_count;
    stats->servers_refused = books->primary.refused_count;
    CHECK(pthread_mutex_unlock(&books->primary.lock) == 0);
    struct wallet_cache_stats cache;
    wallet_cache_count(books->cache, &cache);
    stats->reads_cached = cache.hits;
    stats->cache_misses = cache.misses;
    stats->cache_wallets = cache.wallets;
    stats->replica_count = books->replicas.count;
    CHECK(pthread_mutex_lock(&books->replicas.lock) == 0);
    for (uint32_t i = 0; i < books->replicas.count; i++) {
        const struct replica *replica = &books->replicas.items[i];
        struct engine_replica *shown = &stats->replicas[i];
        (void)snprintf(shown->name, sizeof(shown->name), "%s", replica->name);
        shown->is_used = replica->is_used;
        shown->lag_ms = replica->lag_ns == UINT64_MAX ? UINT64_MAX : replica->lag_ns / 1000000;
        shown->read_count = relaxed(&replica->read_count);
        stats->reads_replica += shown->read_count;
    }
    CHECK(pthread_mutex_unlock(&books->replicas.lock) == 0);
}

static void books_stats(struct engine *engine, struct engine_stats *ret_stats) {
    struct books *books = (struct books *)engine;
    CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
    struct counters counters = books->counters;
    CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    *ret_stats = (struct engine_stats){
        .rounds = relaxed(&books->stats.rounds),
        .commands = relaxed(&books->stats.commands),
        .refusals = relaxed(&books->stats.refusals),
        .replays = relaxed(&books->stats.replays),
        .records = relaxed(&books->stats.records),
        .batch_commands_last = relaxed(&books->stats.batch_commands_last),
        .sync_ns_total = relaxed(&books->stats.sync_ns_total),
        .sync_count = relaxed(&books->stats.sync_count),
        .wallet_count = counters.wallets,
        .hold_count = counters.holds,
        .hold_open_count = counters.holds_open,
        .withdrawal_count = counters.withdrawals,
        .transaction_count = counters.transactions,
        .key_count = counters.keys,
        .retries_serialization = relaxed(&books->stats.retries_serialization),
        .retries_deadlock = relaxed(&books->stats.retries_deadlock),
        .retries_timeout = relaxed(&books->stats.retries_timeout),
        .connections_lost = relaxed(&books->stats.connections_lost),
        .commits_looked_up = relaxed(&books->stats.commits_looked_up),
        .set_aside = relaxed(&books->stats.set_aside),
        .ahead = relaxed(&books->stats.ahead),
        .ahead_opened = relaxed(&books->stats.ahead_opened),
        .ahead_beside = relaxed(&books->stats.ahead_beside),
        .ahead_failed = relaxed(&books->stats.ahead_failed),
        .reads_primary = relaxed(&books->stats.reads_primary),
    };
    add_servers(books, ret_stats);
    desk_rules_stats(&books->desk, ret_stats);
}

static void books_free(struct books *books) {
    link_done(&books->link);
    link_done(&books->watched_primary.link);
    link_done(&books->vigil.link);
    for (uint32_t i = 0; i < SERVERS_MAX; i++)
        link_done(&books->watched_servers[i].link);
    reader_pool_done(&books->readers);
    replicas_done(&books->replicas);
    servers_done(&books->watched_urls);
    wallet_cache_close(books->cache);
    primary_done(&books->primary);
    for (int i = 0; i < FEEDS_KEPT; i++)
        arena_done(&books->feeds.arenas[i]);
    desk_done(&books->desk);
    vault_close(books->vault);
    memory_free(books->ring.keys);
    memory_free(books->ring.last_used_ms);
    (void)pthread_mutex_destroy(&books->feeds.lock);
    (void)pthread_mutex_destroy(&books->counters_lock);
    (void)pthread_rwlock_destroy(&books->ring.lock);
    memory_free(books);
}

static void nobody_waits(struct round *round) {
    (void)round;
}

static void books_close(struct engine *engine) {
    struct books *books = (struct books *)engine;
    struct round last = {.published = nobody_waits};
    signal_gate_publish(&books->stop, 1);
    inbox_push(&books->inbox, &last.node); // wakes the writer; what came before it is told first
    CHECK(pthread_join(books->writer, NULL) == 0);
    CHECK(pthread_join(books->tidier, NULL) == 0);
    if (books->has_watcher)
        CHECK(pthread_join(books->watcher, NULL) == 0);
    books_free(books);
}

static const struct engine_port books_port = {
    .submit = books_submit,
    .list = books_postgres_list,
    .balance_at = books_postgres_balance_at,
    .owns = books_postgres_owns,
    .slots = books_postgres_slots,
    .slots_version = books_postgres_slots_version,
    .read = books_postgres_read,
    .feed = books_postgres_feed,
    .published_end = books_postgres_end,
    .reveal = sealing_reveal_one,
    .opening = books_postgres_opening,
    .wallets = books_postgres_wallets,
    .habits = books_postgres_habits,
    .holds = books_postgres_holds,
    .withdrawals = books_postgres_withdrawals,
    .currencies = books_postgres_currencies,
    .find_key = books_find_key,
    .key_by_id = books_key_by_id,
    .stats = books_stats,
    .close = books_close,
};

const char *postgres_primary_url(struct engine *engine) {
    CHECK(engine->port == &books_port);
    return primary_url(&((struct books *)engine)->primary);
}

bool postgres_is_silent(struct engine *engine) {
    CHECK(engine->port == &books_port);
    return books_are_silent((struct books *)engine);
}

uint64_t postgres_let_in_ns(struct engine *engine) {
    const struct books *books = (struct books *)engine;
    CHECK(engine->port == &books_port);
    return __atomic_load_n(&books->let_in_ns, __ATOMIC_ACQUIRE);
}

void postgres_watch(struct engine *engine, struct link *link) {
    CHECK(engine->port == &books_port);
    primary_watch(&((struct books *)engine)->primary, link);
}

struct position postgres_published(struct engine *engine) {
    struct books *books = (struct books *)engine;
    CHECK(engine->port == &books_port);
    CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
    struct position position = books->published;
    CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    return position;
}

struct arrivals_seen postgres_arrivals_taken(struct engine *engine) {
    struct books *books = (struct books *)engine;
    CHECK(engine->port == &books_port);
    CHECK(pthread_mutex_lock(&books->counters_lock) == 0);
    struct arrivals_seen taken = books->arrivals_taken;
    CHECK(pthread_mutex_unlock(&books->counters_lock) == 0);
    return taken;
}

bool postgres_is_new(struct engine *engine) {
    CHECK(engine->port == &books_port);
    return ((struct books *)engine)->is_new;
}

// ---- opening ----------------------------------------------------------------------------------

static void take_birth(void *context, enum sql statement, const struct pg_result *result) {
    struct books *books = context;
    if (statement != SQL_BOOKS || row_count(result) != 1)
        return;
    struct slice seal_key = row_bytes(result, 0, 1);
    CHECK(seal_key.size == 16);
    books->engine.seal = books->desk.seal = id_seal_make(seal_key.bytes);
    books->desk.hash_seed = (uint64_t)row_number(result, 0, 2);
    books->number_slack = (uint64_t)row_number(result, 0, 17);
    books->desk.alarm = row_alarm(result, 0, 26);
    engine_alarm_set(&books->engine, &books->desk.alarm);
    struct slice filling = row_bytes(result, 0, 19), moved_to = row_bytes(result, 0, 20);
    struct slice shard = row_bytes(result, 0, 25);
    struct slice wanted = books->shard == NULL ? (struct slice){0} : slice_of_text(books->shard);
    if (!slice_equal(shard, wanted))
        (void)snprintf(books->elsewhere, sizeof(books->elsewhere),
                       "these books are the shard \"%.*s\" of several: serve all of them together, "
                       "with the setting shards",
                       (int)shard.size, (const char *)shard.bytes);
    else if (filling.size != 0)
        (void)snprintf(books->elsewhere, sizeof(books->elsewhere),
                       "books are moving in here (%.*s) and are not whole yet: let "
                       "`florin migrate-engine` end, or begin it again",
                       (int)filling.size, (const char *)filling.bytes);
    else if (moved_to.size != 0)
        (void)snprintf(books->elsewhere, sizeof(books->elsewhere),
                       "these books have moved to %.*s: serve them there. To come back to what was "
                       "here before, `UPDATE florin.books SET moved_to = NULL`",
                       (int)moved_to.size, (const char *)moved_to.bytes);
}

// A look at keys and currencies, by the way that every batch takes.
static enum link_result look_first(struct books *books) {
    enum link_result result = desk_fetch(&books->desk, &books->link, NULL, false);
    if (result == LINK_LOST)
        return result;
    link_send(&books->link, SQL_ROLLBACK, NULL);
    link_sync(&books->link);
    enum link_result after = link_collect(&books->link, NULL, NULL);
    if (result == LINK_AGAIN)
        link_forget(&books->link);
    return after == LINK_OK ? result : after;
}

static bool read_birth(struct books *books) {
    struct parameters parameters = {0};
    struct row_place place = desk_books_place(&books->desk);
    parameter_bytes(&parameters, slice_of(&place, sizeof(place)));
    link_send(&books->link, SQL_BOOKS, &parameters);
    link_sync(&books->link);
    if (link_collect(&books->link, take_birth, books) != LINK_OK)
        return false;
    link_forget(&books->link);
    books->link.deadline_ns = clock_monotonic_ns() + OPEN_WAIT_NS;
    // Twice where something with an idempotency key has arrived from another shard: such keys are
    // looked for by the time of the books, which only the first look tells.
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        enum link_result result = look_first(books);
        if (result != LINK_AGAIN)
            return result == LINK_OK;
    }
    return false;
}

// An exponent once used is part of the books: amounts would change their meaning.
static enum status check_currencies(struct books *books, const struct postgres_options *options,
                                    char *ret_why, size_t why_bytes) {
    for (uint32_t i = 0; i < options->currency_count; i++) {
        uint16_t number;
        const struct currency *wanted = &options->currencies[i];
        const struct currency_account *account = desk_currency(&books->desk, wanted, &number);
        if (account == NULL || account->currency.exponent == wanted->exponent)
            continue;
        (void)snprintf(ret_why, why_bytes,
                       "the configuration gives %.12s the exponent %u, but the books already use "
                       "%u; amounts would change their meaning: set it back",
                       wanted->code, wanted->exponent, account->currency.exponent);
        return STATUS_invalid_request;
    }
    return STATUS_ok;
}

static enum status open_servers(struct books *books, const struct postgres_options *options,
                                char *ret_why, size_t why_bytes) {
    enum status status =
        primary_init(&books->primary, options->url, options->folder, ret_why, why_bytes);
    if (status == STATUS_ok)
        status = replicas_init(&books->replicas, options->replicas, options->replica_count,
                               options->replica_lag_ms_max, ret_why, why_bytes);
    if (status == STATUS_ok)
        status =
            servers_parse(options->url, SERVERS_ANY, &books->watched_urls, ret_why, why_bytes);
    return status;
}

// History that keys may still answer with must not be archived, so the books know for how long.
static enum status tell_days(struct books *books, uint32_t days, char *ret_why, size_t why_bytes) {
    struct link link = {0};
    char query[96];
    (void)snprintf(query, sizeof(query), "SELECT florin.keys_remembered(%u)", days);
    enum link_result result = link_open(&link, primary_url(&books->primary),
                                        "SET lock_timeout = '10s'", SQL_TURN_BACK, SQL_TURN,
                                        OPEN_WAIT_NS);
    if (result == LINK_OK)
        result = link_run(&link, query);
    if (result != LINK_OK)
        (void)snprintf(ret_why, why_bytes, "%s", link.why);
    link_done(&link);
    return result == LINK_OK ? STATUS_ok : STATUS_busy;
}

static enum status open_books(struct books *books, const struct postgres_options *options,
                              char *ret_why, size_t why_bytes) {
    uint32_t applied;
    enum status status = open_servers(books, options, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    if (primary_choose(&books->primary, ret_why, why_bytes) != LINK_OK)
        return STATUS_busy;
    status = pooler_refuse(primary_url(&books->primary), ret_why, why_bytes);
    if (status == STATUS_ok)
        status = postgres_migrate(primary_url(&books->primary), ret_why, why_bytes, &applied);
    if (status == STATUS_ok && options->idempotency_days != 0)
        status = tell_days(books, options->idempotency_days, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    if (books_connect(books) != LINK_OK || !read_birth(books)) {
        bool is_told = books->link.why[0] != '\0';
        (void)snprintf(ret_why, why_bytes, "%s",
                       is_told ? books->link.why : "its books cannot be read now: try again");
        return STATUS_busy;
    }
    if (books->elsewhere[0] != '\0') {
        (void)snprintf(ret_why, why_bytes, "%s", books->elsewhere);
        return STATUS_invalid_request;
    }
    status = sealing_open(books, options->masters, options->without_texts, ret_why, why_bytes);
    if (status != STATUS_ok)
        return status;
    books->is_new = books->desk.key_count == 0;
    books->counters = books->desk.counters;
    books->published = books->position;
    books->ring.version = UINT64_MAX;
    books_note_now(books);
    key_ring_refresh(books);
    return check_currencies(books, options, ret_why, why_bytes);
}

enum status postgres_open(const struct postgres_options *options, char *ret_why, size_t why_bytes,
                          struct engine **ret_engine) {
    CHECK(options->url != NULL && why_bytes >= 256);
    struct books *books = memory_take_zeroed(sizeof(*books));
    books->engine.port = &books_port;
    books->engine.locator_time_shift = NUMBER_TIME_SHIFT;
    inbox_init(&books->inbox);
    signal_gate_init(&books->stop, 0, 0);
    desk_init(&books->desk);
    if (options->idempotency_days != 0)
        books->desk.retention_ms = UINT64_C(24) * 3600 * 1000 * options->idempotency_days;
    books->shard = options->shard;
    books->engine.is_shard = books->desk.is_shard = options->shard != NULL;
    books->desk.approvals = options->approvals;
    books->desk.limits = options->limits;
    books->desk.review_expires_s = options->review_expires_s;
    books->desk.takes_turn = !options->without_turn;
    for (int i = 0; i < FEEDS_KEPT; i++)
        arena_init(&books->feeds.arenas[i], 4096);
    CHECK(pthread_mutex_init(&books->feeds.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&books->counters_lock, NULL) == 0);
    reader_pool_init(&books->readers, NULL);
    books->cache = wallet_cache_open(options->cache_wallets);
    CHECK(pthread_rwlock_init(&books->ring.lock, NULL) == 0);
    enum status status = open_books(books, options, ret_why, why_bytes);
    if (status != STATUS_ok) {
        books_free(books);
        return status;
    }
    thread_start(&books->writer, "writer", writer_of_postgres, books);
    thread_start(&books->tidier, "tidier", tidier_of_postgres, books);
    books->has_watcher = books->replicas.count != 0 || books->watched_urls.count > 1 ||
                         books->engine.is_shard;
    if (books->has_watcher)
        thread_start(&books->watcher, "watcher", watcher_of_postgres, books);
    *ret_engine = &books->engine;
    return STATUS_ok;
}
