// SPDX-License-Identifier: MIT
// Reads go to the shard of their slot; totals are summed over all.
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/shards/shards_books.h"

enum status shards_balance_at(struct engine *engine, struct id wallet, uint64_t time_ms,
                              const struct freshness *freshness, struct balance_at *ret) {
    struct engine *part = shards_part(shards_of(engine), id_slot(wallet));
    return part->port->balance_at(part, wallet, time_ms, freshness, ret);
}

enum status shards_owns(struct engine *engine, struct id wallet, struct slice owner) {
    struct engine *part = shards_part(shards_of(engine), id_slot(wallet));
    return part->port->owns(part, wallet, owner);
}

enum status shards_read(struct engine *engine, const struct command *command,
                        const struct freshness *freshness, struct arena *arena,
                        struct outcome *ret_outcome) {
    struct engine *part = shards_part(shards_of(engine), id_slot(command->subject));
    return part->port->read(part, command, freshness, arena, ret_outcome);
}

// Each shard has a feed of its own and no position says a place in all of them: who reads records
// reads them from the parts.
enum status shards_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next) {
    (void)engine;
    (void)bytes_max;
    (void)each;
    (void)context;
    *ret_next = position;
    return STATUS_busy;
}

uint64_t shards_end(struct engine *engine) {
    struct shards *shards = shards_of(engine);
    uint64_t end = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        uint64_t part = shards->parts[i]->port->published_end(shards->parts[i]);
        end = part > end ? part : end;
    }
    return end;
}

void shards_wallets(struct engine *engine,
                    void (*each)(void *context, const struct wallet *wallet), void *context) {
    struct shards *shards = shards_of(engine);
    for (uint32_t i = 0; i < shards->count; i++)
        shards->parts[i]->port->wallets(shards->parts[i], each, context);
}

void shards_habits(struct engine *engine,
                   void (*each)(void *context, struct id wallet, const struct habits *habits),
                   void *context) {
    struct shards *shards = shards_of(engine);
    for (uint32_t i = 0; i < shards->count; i++)
        shards->parts[i]->port->habits(shards->parts[i], each, context);
}

void shards_holds(struct engine *engine, void (*each)(void *context, const struct hold *hold),
                  void *context) {
    struct shards *shards = shards_of(engine);
    for (uint32_t i = 0; i < shards->count; i++)
        shards->parts[i]->port->holds(shards->parts[i], each, context);
}

void shards_withdrawals(struct engine *engine,
                        void (*each)(void *context, const struct withdrawal *withdrawal),
                        void *context) {
    struct shards *shards = shards_of(engine);
    for (uint32_t i = 0; i < shards->count; i++)
        shards->parts[i]->port->withdrawals(shards->parts[i], each, context);
}

static void add_currency(struct currency_account *accounts, uint32_t *count, uint32_t count_max,
                         const struct currency_account *more) {
    uint32_t at = 0;
    while (at < *count && strncmp(accounts[at].currency.code, more->currency.code,
                                  sizeof(more->currency.code)) != 0)
        at++;
    if (at == count_max)
        return;
    if (at == *count) {
        accounts[(*count)++] = *more;
        return;
    }
    accounts[at].wallet_count += more->wallet_count;
    accounts[at].deposits += more->deposits;
    accounts[at].withdrawals += more->withdrawals;
    accounts[at].balances += more->balances;
    accounts[at].transit += more->transit;
}

uint32_t shards_currencies(struct engine *engine, struct currency_account *ret_accounts,
                           uint32_t count_max) {
    struct shards *shards = shards_of(engine);
    struct currency_account *some = memory_take_zeroed(count_max * sizeof(*some));
    uint32_t count = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        uint32_t found = shards->parts[i]->port->currencies(shards->parts[i], some, count_max);
        for (uint32_t k = 0; k < found; k++)
            add_currency(ret_accounts, &count, count_max, &some[k]);
    }
    memory_free(some);
    return count;
}

// Keys are made where slot 0 is.
bool shards_find_key(struct engine *engine, const struct sha256 *secret_hash, uint64_t now_ms,
                     struct key *ret_key, bool *ret_live) {
    struct engine *part = shards_part(shards_of(engine), 0);
    return part->port->find_key(part, secret_hash, now_ms, ret_key, ret_live);
}

bool shards_key_by_id(struct engine *engine, struct id id, uint64_t now_ms, struct key *ret_key,
                      bool *ret_live) {
    struct engine *part = shards_part(shards_of(engine), 0);
    return part->port->key_by_id(part, id, now_ms, ret_key, ret_live);
}

static void add_stats(struct engine_stats *all, const struct engine_stats *more) {
    all->rounds += more->rounds;
    all->commands += more->commands;
    all->refusals += more->refusals;
    all->replays += more->replays;
    all->records += more->records;
    all->sync_ns_total += more->sync_ns_total;
    all->sync_count += more->sync_count;
    all->wallet_count += more->wallet_count;
    all->hold_count += more->hold_count;
    all->hold_open_count += more->hold_open_count;
    all->withdrawal_count += more->withdrawal_count;
    all->transaction_count += more->transaction_count;
    all->retries_serialization += more->retries_serialization;
    all->retries_deadlock += more->retries_deadlock;
    all->retries_timeout += more->retries_timeout;
    all->connections_lost += more->connections_lost;
    all->commits_looked_up += more->commits_looked_up;
    all->set_aside += more->set_aside;
    all->failovers += more->failovers;
    all->servers_refused += more->servers_refused;
    all->reads_primary += more->reads_primary;
    all->reads_cached += more->reads_cached;
    all->cache_misses += more->cache_misses;
    all->cache_wallets += more->cache_wallets;
    for (uint32_t i = 0; i < all->rule_count && i < more->rule_count; i++)
        all->rules[i].hits += more->rules[i].hits;
}

void shards_stats(struct engine *engine, struct engine_stats *ret_stats) {
    struct shards *shards = shards_of(engine);
    uint32_t home = shards_owner(shards, 0);
    shards->parts[home]->port->stats(shards->parts[home], ret_stats);
    ret_stats->shard_count = shards->count;
    ret_stats->legs_in_doubt = __atomic_load_n(&shards->legs_in_doubt, __ATOMIC_RELAXED);
    ret_stats->legs_resolved = __atomic_load_n(&shards->legs_resolved, __ATOMIC_RELAXED);
    ret_stats->legs_missing = __atomic_load_n(&shards->legs_missing, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < shards->count; i++) {
        struct engine_stats more;
        if (i == home)
            continue;
        shards->parts[i]->port->stats(shards->parts[i], &more);
        add_stats(ret_stats, &more);
    }
}
