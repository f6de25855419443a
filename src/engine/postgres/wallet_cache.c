// SPDX-License-Identifier: MIT
// A table of sets of four; in a full set the one that was read longest ago goes.
#include "engine/postgres/wallet_cache.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

#define WAYS             4
#define RECORD_BYTES_MAX 512

struct cached {
    struct wallet wallet; // id zero: free
    struct position position;
    uint64_t read_ns;
    uint32_t record_bytes;
    uint8_t record[RECORD_BYTES_MAX];
};

struct wallet_cache {
    pthread_mutex_t lock;
    uint32_t set_count;
    uint64_t seed; // nobody outside can choose which wallets meet in a set
    struct wallet_cache_stats stats;
    struct cached *items; // owned; set_count * WAYS
};

struct wallet_cache *wallet_cache_open(uint32_t wallet_count_max) {
    if (wallet_count_max < WAYS)
        return NULL;
    struct wallet_cache *cache = memory_take_zeroed(sizeof(*cache));
    cache->set_count = wallet_count_max / WAYS;
    cache->items = memory_take_zeroed((size_t)cache->set_count * WAYS * sizeof(*cache->items));
    random_fill(&cache->seed, sizeof(cache->seed));
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    return cache;
}

void wallet_cache_close(struct wallet_cache *cache) {
    if (cache == NULL)
        return;
    (void)pthread_mutex_destroy(&cache->lock);
    memory_free(cache->items);
    memory_free(cache);
}

static void lock(struct wallet_cache *cache) {
    CHECK(pthread_mutex_lock(&cache->lock) == 0);
}

static void unlock(struct wallet_cache *cache) {
    CHECK(pthread_mutex_unlock(&cache->lock) == 0);
}

static struct cached *set_of(struct wallet_cache *cache, struct id wallet) {
    uint64_t hash = hash64(slice_of(wallet.bytes, sizeof(wallet.bytes)), cache->seed);
    return &cache->items[hash % cache->set_count * WAYS];
}

static struct cached *find(struct wallet_cache *cache, struct id wallet) {
    struct cached *set = set_of(cache, wallet);
    for (int i = 0; i < WAYS; i++)
        if (id_equal(set[i].wallet.id, wallet))
            return &set[i];
    return NULL;
}

static struct cached *find_place(struct wallet_cache *cache, struct id wallet) {
    struct cached *set = set_of(cache, wallet), *place = find(cache, wallet);
    for (int i = 0; i < WAYS && place == NULL; i++)
        if (id_is_zero(set[i].wallet.id))
            place = &set[i];
    if (place != NULL)
        return place;
    place = &set[0];
    for (int i = 1; i < WAYS; i++)
        if (set[i].read_ns < place->read_ns)
            place = &set[i];
    return place;
}

void wallet_cache_put(struct wallet_cache *cache, const struct outcome *outcome,
                      struct position position, uint64_t read_ns) {
    if (cache == NULL || outcome->record.size > RECORD_BYTES_MAX)
        return;
    CHECK(outcome->status == STATUS_ok && !id_is_zero(outcome->wallet.id));
    lock(cache);
    struct cached *place = find_place(cache, outcome->wallet.id);
    bool is_same = id_equal(place->wallet.id, outcome->wallet.id);
    // What another thread has read later stays.
    if (!is_same || place->read_ns <= read_ns) {
        cache->stats.wallets += id_is_zero(place->wallet.id);
        place->wallet = outcome->wallet;
        place->position = position;
        place->read_ns = read_ns;
        place->record_bytes = (uint32_t)outcome->record.size;
        memcpy(place->record, outcome->record.bytes, outcome->record.size);
    }
    unlock(cache);
}

static bool is_fresh(const struct cached *item, const struct freshness *freshness) {
    uint64_t age_ns = clock_monotonic_ns() - item->read_ns;
    return age_ns / 1000000 < freshness->age_ms_max &&
           position_reaches(item->position, freshness->after);
}

bool wallet_cache_get(struct wallet_cache *cache, struct id wallet,
                      const struct freshness *freshness, struct arena *arena,
                      struct outcome *ret_outcome) {
    if (cache == NULL)
        return false;
    CHECK(!id_is_zero(wallet));
    lock(cache);
    const struct cached *item = find(cache, wallet);
    bool found = item != NULL && is_fresh(item, freshness);
    if (found) {
        memset(ret_outcome, 0, sizeof(*ret_outcome));
        ret_outcome->status = STATUS_ok;
        ret_outcome->has_version = true;
        ret_outcome->wallet = item->wallet;
        ret_outcome->version = item->wallet.version;
        ret_outcome->record = arena_copy(arena, slice_of(item->record, item->record_bytes));
    }
    cache->stats.hits += found;
    cache->stats.misses += !found;
    unlock(cache);
    return found;
}

void wallet_cache_drop(struct wallet_cache *cache, struct id wallet) {
    if (cache == NULL)
        return;
    lock(cache);
    struct cached *item = find(cache, wallet);
    if (item != NULL) {
        CHECK(cache->stats.wallets > 0);
        item->wallet = (struct wallet){0};
        cache->stats.wallets--;
    }
    unlock(cache);
}

void wallet_cache_count(struct wallet_cache *cache, struct wallet_cache_stats *ret_stats) {
    *ret_stats = (struct wallet_cache_stats){0};
    if (cache == NULL)
        return;
    lock(cache);
    *ret_stats = cache->stats;
    unlock(cache);
}
