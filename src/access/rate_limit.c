// SPDX-License-Identifier: MIT
// Token buckets in tables of fixed size (the ideas stand in rate_limit.h). A table has sets of
// eight places, which is two cache lines; a set is found by a keyed hash and guarded by one of 64
// locks, so threads meet only when they ask for the same few buckets.
#include "access/rate_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "access/permissions.h"
#include "access/rate_share.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

#define PLACES       8
#define LOCKS        64
#define LOCK_BYTES   64 // a cache line each
#define SECOND_NS    UINT64_C(1000000000)
#define ROLE_SETS    4
#define KEY_SETS     2048
#define ADDRESS_SETS 8192

// Times up to 2^62 ns (146 years of uptime) leave room for the longest bucket and its debt.
static_assert(RATE_LIMIT_SECONDS_MAX * SECOND_NS * (RATE_LIMIT_BURST_MAX + RATE_LIMIT_DEBT_MAX) <
                  UINT64_C(1) << 62,
              "a bucket's span fits");

struct place {
    uint64_t who;     // hash; 0: free
    uint64_t full_at; // when the bucket is full again, in monotonic ns
};

struct lock {
    pthread_mutex_t mutex;
    uint8_t padding[LOCK_BYTES - sizeof(pthread_mutex_t)];
};

struct limit {
    struct rate_limit_rule rule;
    uint64_t interval_ns; // between two tokens
    uint64_t bucket_ns;   // a whole bucket
    uint64_t horizon_ns;  // a whole bucket and the largest debt; further ahead is a clock gone back
    uint32_t set_count;   // a power of two
    struct place *places;
    struct lock *locks;
    char name[RATE_LIMIT_NAME_BYTES];
};

struct rate_limiter {
    _Atomic uint64_t seed;
    struct rate_share *share; // NULL: limits are this node's alone
    uint32_t limit_count;
    struct limit limits[RATE_LIMITS_MAX];
};

const char *rate_class_name(uint8_t class) {
    switch (class) {
    case RATE_READ: return "read";
    case RATE_WRITE: return "write";
    case RATE_ANY: return "any";
    case RATE_MONEY: return "money";
    case RATE_WALLETS: return "wallets";
    case RATE_LISTS: return "lists";
    case RATE_KEYS: return "keys";
    case RATE_AUDIT: return "audit";
    case RATE_BOOKS: return "books";
    default: return NULL;
    }
}

bool rate_limit_is_valid(const struct rate_limit_rule *rule) {
    bool is_plain = rule->classes == RATE_ANY && rule->role == 0;
    return rule->scope <= RATE_PER_ADDRESS && rate_class_name(rule->classes) != NULL &&
           (rule->scope != RATE_PER_ADDRESS || is_plain) &&
           (rule->role == 0 || rule->role_name != NULL || permissions_role(rule->role) != NULL) &&
           rule->requests >= 1 &&
           rule->requests <= RATE_LIMIT_REQUESTS_MAX && rule->seconds >= 1 &&
           rule->seconds <= RATE_LIMIT_SECONDS_MAX && rule->burst >= 1 &&
           rule->burst <= RATE_LIMIT_BURST_MAX;
}

bool rate_limit_same(const struct rate_limit_rule *a, const struct rate_limit_rule *b) {
    return a->scope == b->scope && a->classes == b->classes && a->role == b->role;
}

static void limit_name(struct limit *limit) {
    static const char *const scopes[] = {
        [RATE_PER_KEY] = "key", [RATE_PER_ROLE] = "role", [RATE_PER_ADDRESS] = "address"};
    const struct rate_limit_rule *rule = &limit->rule;
    const char *role = rule->role == 0           ? ""
                       : rule->role_name != NULL ? rule->role_name
                                                 : permissions_role(rule->role)->name;
    bool is_any = rule->classes == RATE_ANY;
    int size = snprintf(limit->name, sizeof(limit->name), "%s%s%s%s%s", scopes[rule->scope],
                        rule->role == 0 ? "" : "-", role, is_any ? "" : "-",
                        is_any ? "" : rate_class_name(rule->classes));
    CHECK(size > 0 && (size_t)size < sizeof(limit->name));
}

static void limit_open(struct limit *limit, const struct rate_limit_rule *rule) {
    static const uint32_t set_counts[] = {
        [RATE_PER_KEY] = KEY_SETS, [RATE_PER_ROLE] = ROLE_SETS, [RATE_PER_ADDRESS] = ADDRESS_SETS};
    CHECK(rate_limit_is_valid(rule));
    limit->rule = *rule;
    limit->interval_ns = (rule->seconds * SECOND_NS + rule->requests - 1) / rule->requests;
    limit->bucket_ns = limit->interval_ns * rule->burst;
    limit->horizon_ns = limit->bucket_ns;
    if (rule->scope != RATE_PER_ADDRESS)
        limit->horizon_ns += limit->interval_ns * RATE_LIMIT_DEBT_MAX;
    limit->set_count = set_counts[rule->scope];
    limit->places = memory_take_zeroed((size_t)limit->set_count * PLACES * sizeof(struct place));
    limit->locks = memory_take_zeroed(LOCKS * sizeof(struct lock));
    for (uint32_t i = 0; i < LOCKS; i++)
        CHECK(pthread_mutex_init(&limit->locks[i].mutex, NULL) == 0);
    limit_name(limit);
}

struct rate_limiter *rate_limiter_open(const struct rate_limit_rule *rules, uint32_t rule_count,
                                       uint64_t seed) {
    CHECK(rule_count <= RATE_LIMITS_MAX);
    struct rate_limiter *limiter = memory_take_zeroed(sizeof(*limiter));
    limiter->seed = seed;
    limiter->limit_count = rule_count;
    for (uint32_t i = 0; i < rule_count; i++)
        limit_open(&limiter->limits[i], &rules[i]);
    return limiter;
}

void rate_limiter_close(struct rate_limiter *limiter) {
    if (limiter == NULL)
        return;
    for (uint32_t i = 0; i < limiter->limit_count; i++) {
        for (uint32_t k = 0; k < LOCKS; k++)
            CHECK(pthread_mutex_destroy(&limiter->limits[i].locks[k].mutex) == 0);
        memory_free(limiter->limits[i].locks);
        memory_free(limiter->limits[i].places);
    }
    memory_free(limiter);
}

static bool limit_is_for(const struct limit *limit, const struct rate_asker *asker) {
    const struct rate_limit_rule *rule = &limit->rule;
    if (asker->is_stranger || rule->scope == RATE_PER_ADDRESS)
        return asker->is_stranger && rule->scope == RATE_PER_ADDRESS;
    return (rule->classes & asker->class) != 0 && (rule->role == 0 || rule->role == asker->role);
}

static uint64_t hash_asker(const struct rate_limiter *limiter, const struct limit *limit,
                           const struct rate_asker *asker) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct slice who = slice_of(asker->key.bytes, sizeof(asker->key.bytes));
    if (limit->rule.scope == RATE_PER_ROLE)
        who = slice_of(&asker->role, 1);
    else if (limit->rule.scope == RATE_PER_ADDRESS)
        who =
            slice_of(asker->address, memcmp(asker->address, mapped, sizeof(mapped)) == 0 ? 16 : 8);
    uint64_t hash = hash64(who, atomic_load_explicit(&limiter->seed, memory_order_relaxed));
    return hash != 0 ? hash : 1;
}

static pthread_mutex_t *lock_of(struct limit *limit, uint64_t who) {
    return &limit->locks[(who & (limit->set_count - 1)) % LOCKS].mutex;
}

// His place, or the one that he would take: the bucket that is full soonest. Under the lock.
static struct place *place_find(struct limit *limit, uint64_t who) {
    struct place *set = &limit->places[(who & (limit->set_count - 1)) * PLACES];
    struct place *fullest = set;
    for (uint32_t i = 0; i < PLACES; i++) {
        if (set[i].who == who)
            return &set[i];
        if (set[i].full_at < fullest->full_at)
            fullest = &set[i];
    }
    return fullest;
}

static uint64_t full_at(const struct limit *limit, const struct place *place, uint64_t now_ns) {
    if (place->full_at <= now_ns)
        return now_ns;
    uint64_t latest = now_ns + limit->horizon_ns;
    return place->full_at < latest ? place->full_at : latest;
}

static struct rate_state state_of(const struct limit *limit, uint64_t at_ns, uint64_t now_ns) {
    uint64_t used_ns = at_ns - now_ns;
    return (struct rate_state){
        .left = used_ns >= limit->bucket_ns ? 0 : (limit->bucket_ns - used_ns) / limit->interval_ns,
        .full_ns = used_ns};
}

// False: the bucket is empty, and `ret_wait_ns` says how long.
static bool limit_take(struct limit *limit, uint64_t who, uint64_t now_ns,
                       struct rate_state *ret_state, uint64_t *ret_wait_ns) {
    pthread_mutex_t *mutex = lock_of(limit, who);
    CHECK(pthread_mutex_lock(mutex) == 0);
    struct place *place = place_find(limit, who);
    uint64_t at_ns = full_at(limit, place, now_ns);
    uint64_t used_ns = at_ns + limit->interval_ns - now_ns;
    bool has = used_ns <= limit->bucket_ns;
    if (has) {
        at_ns += limit->interval_ns;
        *place = (struct place){.who = who, .full_at = at_ns};
    } else {
        *ret_wait_ns = used_ns - limit->bucket_ns;
    }
    CHECK(pthread_mutex_unlock(mutex) == 0);
    *ret_state = state_of(limit, at_ns, now_ns);
    return has;
}

// What was taken and not used comes back, unless somebody has taken the place meanwhile.
static void limit_give_back(struct limit *limit, uint64_t who) {
    pthread_mutex_t *mutex = lock_of(limit, who);
    CHECK(pthread_mutex_lock(mutex) == 0);
    struct place *place = place_find(limit, who);
    if (place->who == who && place->full_at >= limit->interval_ns)
        place->full_at -= limit->interval_ns;
    CHECK(pthread_mutex_unlock(mutex) == 0);
}

void rate_limiter_admit(struct rate_limiter *limiter, const struct rate_asker *asker,
                        uint64_t now_ns, struct rate_verdict *ret_verdict) {
    CHECK(asker->is_stranger || (asker->class & RATE_ANY) == RATE_READ ||
          (asker->class & RATE_ANY) == RATE_WRITE);
    ret_verdict->asked = 0;
    ret_verdict->refused = false;
    for (uint32_t i = 0; i < limiter->limit_count; i++) {
        struct limit *limit = &limiter->limits[i];
        if (!limit_is_for(limit, asker))
            continue;
        ret_verdict->asked |= 1u << i;
        if (limit_take(limit, hash_asker(limiter, limit, asker), now_ns, &ret_verdict->states[i],
                       &ret_verdict->retry_ns))
            continue;
        ret_verdict->refused = true;
        ret_verdict->refused_by = i;
        break;
    }
    bool is_told = limiter->share != NULL && !ret_verdict->refused;
    for (uint32_t i = 0; is_told && i < limiter->limit_count; i++)
        if ((ret_verdict->asked & 1u << i) != 0)
            rate_share_note(limiter->share, i, hash_asker(limiter, &limiter->limits[i], asker), 1);
    for (uint32_t i = 0; ret_verdict->refused && i < ret_verdict->refused_by; i++) {
        struct limit *limit = &limiter->limits[i];
        if ((ret_verdict->asked & 1u << i) == 0)
            continue;
        limit_give_back(limit, hash_asker(limiter, limit, asker));
        ret_verdict->states[i].left++;
        ret_verdict->states[i].full_ns -= limit->interval_ns;
    }
}

void rate_limiter_pay(struct rate_limiter *limiter, const struct rate_asker *asker, uint64_t now_ns,
                      uint32_t tokens, struct rate_verdict *verdict) {
    CHECK(!verdict->refused);
    CHECK(tokens <= RATE_LIMIT_DEBT_MAX);
    for (uint32_t i = 0; i < limiter->limit_count; i++) {
        struct limit *limit = &limiter->limits[i];
        if ((verdict->asked & 1u << i) == 0)
            continue;
        uint64_t who = hash_asker(limiter, limit, asker);
        pthread_mutex_t *mutex = lock_of(limit, who);
        CHECK(pthread_mutex_lock(mutex) == 0);
        struct place *place = place_find(limit, who);
        uint64_t at_ns = full_at(limit, place, now_ns) + tokens * limit->interval_ns;
        *place = (struct place){.who = who, .full_at = at_ns};
        at_ns = full_at(limit, place, now_ns);
        place->full_at = at_ns;
        CHECK(pthread_mutex_unlock(mutex) == 0);
        verdict->states[i] = state_of(limit, at_ns, now_ns);
        if (limiter->share != NULL && tokens != 0)
            rate_share_note(limiter->share, i, who, tokens);
    }
}

uint32_t rate_limiter_rule_count(const struct rate_limiter *limiter) {
    return limiter->limit_count;
}

const struct rate_limit_rule *rate_limiter_rule(const struct rate_limiter *limiter,
                                                uint32_t index) {
    CHECK(index < limiter->limit_count);
    return &limiter->limits[index].rule;
}

const char *rate_limiter_rule_name(const struct rate_limiter *limiter, uint32_t index) {
    CHECK(index < limiter->limit_count);
    return limiter->limits[index].name;
}

uint64_t rate_limiter_window_s(const struct rate_limiter *limiter, uint32_t index) {
    CHECK(index < limiter->limit_count);
    return (limiter->limits[index].bucket_ns + SECOND_NS - 1) / SECOND_NS;
}

void rate_limiter_share(struct rate_limiter *limiter, struct rate_share *share) {
    limiter->share = share;
}

void rate_limiter_set_seed(struct rate_limiter *limiter, uint64_t seed) {
    atomic_store_explicit(&limiter->seed, seed, memory_order_relaxed);
}

struct rate_span rate_limiter_span(const struct rate_limiter *limiter, uint32_t index) {
    CHECK(index < limiter->limit_count);
    const struct limit *limit = &limiter->limits[index];
    return (struct rate_span){.interval_ns = limit->interval_ns, .horizon_ns = limit->horizon_ns};
}

void rate_limiter_fill_at_least(struct rate_limiter *limiter, uint32_t index, uint64_t who,
                                uint64_t now_ns, uint64_t used_ns) {
    CHECK(index < limiter->limit_count);
    struct limit *limit = &limiter->limits[index];
    pthread_mutex_t *mutex = lock_of(limit, who);
    CHECK(pthread_mutex_lock(mutex) == 0);
    struct place *place = place_find(limit, who);
    uint64_t at_ns = now_ns + (used_ns < limit->horizon_ns ? used_ns : limit->horizon_ns);
    if (full_at(limit, place, now_ns) < at_ns)
        *place = (struct place){.who = who, .full_at = at_ns};
    CHECK(pthread_mutex_unlock(mutex) == 0);
}
