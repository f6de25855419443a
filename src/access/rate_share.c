// SPDX-License-Identifier: MIT
// A bucket in Redis is one number, as it is here (rate_limit.h): the time at which it is full
// again, by Redis's own clock in microseconds, so the nodes' clocks need not agree. A key lives
// until then.
#include "access/rate_share.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/thread.h"

#define PLACES        8192
#define PROBES_MAX    16
#define TURN_NS       UINT64_C(50000000)
#define RETRY_NS      UINT64_C(1000000000)
#define ANSWER_MS_MAX 500
#define PIPELINE_MAX  512

static const char script[] =
    "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] "
    "local at = tonumber(redis.call('GET', KEYS[1]) or '0') if at < now then at = now end "
    "at = math.min(at + ARGV[1] * ARGV[2], now + ARGV[3]) "
    "local ms = math.floor((at - now) / 1000) + 1 "
    "redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', ms) "
    "return at - now";

struct taken {
    uint64_t who; // 0: free
    uint32_t rule;
    uint32_t tokens;
};

struct rate_share {
    struct rate_limiter *limiter;
    struct rate_share_place place;
    char host[RATE_SHARE_ADDRESS_BYTES];
    int port;
    rate_share_tell tell;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct taken *filling; // under the lock; the other is the thread's
    struct taken *sending;
    struct rate_share_state state; // under the lock
    redisContext *redis;           // the thread's; NULL: away
    uint64_t retry_ns;
    bool told_away;
};

void rate_share_note(struct rate_share *share, uint32_t rule, uint64_t who, uint32_t tokens) {
    CHECK(who != 0);
    CHECK(pthread_mutex_lock(&share->lock) == 0);
    uint64_t first = who + rule;
    struct taken *place = NULL;
    for (uint64_t probe = 0; probe < PROBES_MAX && place == NULL; probe++) {
        struct taken *there = &share->filling[(first + probe) % PLACES];
        if (there->who == 0 || (there->who == who && there->rule == rule))
            place = there;
    }
    if (place == NULL) {
        share->state.dropped++;
    } else {
        place->who = who;
        place->rule = rule;
        place->tokens += tokens;
    }
    CHECK(pthread_mutex_unlock(&share->lock) == 0);
}

static void set_shared(struct rate_share *share, bool shared) {
    CHECK(pthread_mutex_lock(&share->lock) == 0);
    share->state.shared = shared;
    share->state.failures += !shared;
    CHECK(pthread_mutex_unlock(&share->lock) == 0);
}

static void lose(struct rate_share *share, const char *why) {
    if (!share->told_away)
        share->tell(share->context, why);
    share->told_away = true;
    set_shared(share, false);
    if (share->redis != NULL)
        redisFree(share->redis);
    share->redis = NULL;
    share->retry_ns = clock_monotonic_ns() + RETRY_NS;
}

// All nodes must give a bucket the same name, so they hash with the seed that the first one chose.
static bool agree_on_seed(struct rate_share *share) {
    uint64_t seed;
    random_fill(&seed, sizeof(seed));
    redisReply *reply = redisCommand(share->redis, "SET florin:rate:seed %llu NX",
                                     (unsigned long long)(seed >> 1));
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    reply = redisCommand(share->redis, "GET florin:rate:seed");
    bool found = reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len > 0;
    seed = 0;
    for (size_t i = 0; found && i < reply->len; i++)
        seed = seed * 10 + (uint64_t)(reply->str[i] - '0');
    if (reply != NULL)
        freeReplyObject(reply);
    if (found)
        rate_limiter_set_seed(share->limiter, seed);
    return found;
}

// Says who we are, where Redis wants to know. The reply's error, or NULL.
static const char *introduce(struct rate_share *share) {
    static const char refused[] = "it does not take the password";
    char password[256];
    if (share->place.password_file[0] == '\0')
        return NULL;
    FILE *file = fopen(share->place.password_file, "re");
    bool found = file != NULL && fgets(password, sizeof(password), file) != NULL;
    if (file != NULL)
        fclose(file);
    if (!found)
        return "the file with its password cannot be read";
    password[strcspn(password, "\r\n")] = '\0';
    redisReply *reply =
        share->place.user[0] != '\0'
            ? redisCommand(share->redis, "AUTH %s %s", share->place.user, password)
            : redisCommand(share->redis, "AUTH %s", password);
    explicit_bzero(password, sizeof(password));
    bool taken = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL)
        freeReplyObject(reply);
    return taken ? NULL : refused;
}

static void connect_again(struct rate_share *share) {
    const struct timeval span = {.tv_usec = ANSWER_MS_MAX * 1000};
    if (clock_monotonic_ns() < share->retry_ns)
        return;
    share->redis = redisConnectWithTimeout(share->host, share->port, span);
    CHECK(share->redis != NULL);
    const char *why = NULL;
    bool is_there = share->redis->err == 0 && redisSetTimeout(share->redis, span) == REDIS_OK;
    if (is_there)
        why = introduce(share);
    if (!is_there || why != NULL || !agree_on_seed(share)) {
        if (why == NULL)
            why = share->redis->errstr[0] != '\0' ? share->redis->errstr : "it does not answer";
        lose(share, why);
        return;
    }
    set_shared(share, true);
    share->tell(share->context, NULL);
    share->told_away = false;
}

static void append(struct rate_share *share, const struct taken *taken) {
    struct rate_span span = rate_limiter_span(share->limiter, taken->rule);
    (void)redisAppendCommand(share->redis, "EVAL %s 1 florin:rate:%s:%llx %u %llu %llu", script,
                             rate_limiter_rule_name(share->limiter, taken->rule),
                             (unsigned long long)taken->who, taken->tokens,
                             (unsigned long long)(span.interval_ns / 1000 + 1),
                             (unsigned long long)(span.horizon_ns / 1000 + 1));
}

static bool take_answer(struct rate_share *share, const struct taken *taken) {
    void *answer = NULL;
    if (redisGetReply(share->redis, &answer) != REDIS_OK)
        return false;
    const redisReply *reply = answer;
    bool ok = reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
    if (ok)
        rate_limiter_fill_at_least(share->limiter, taken->rule, taken->who,
                                   clock_monotonic_ns(), (uint64_t)reply->integer * 1000);
    freeReplyObject(answer);
    return ok;
}

// Sends `sending[first]` up to `last`, and takes the answers. False: Redis is away.
static bool exchange(struct rate_share *share, struct taken *const *batch, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        append(share, batch[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (take_answer(share, batch[i]))
            continue;
        lose(share, share->redis->errstr[0] != '\0' ? share->redis->errstr
                                                    : "it answers with something else");
        return false;
    }
    return true;
}

static void send_all(struct rate_share *share) {
    struct taken *batch[PIPELINE_MAX];
    uint32_t count = 0;
    bool ok = true;
    for (uint32_t i = 0; i < PLACES && ok; i++) {
        if (share->sending[i].who != 0)
            batch[count++] = &share->sending[i];
        if (count == PIPELINE_MAX || (i == PLACES - 1 && count > 0)) {
            ok = exchange(share, batch, count);
            count = 0;
        }
    }
    memset(share->sending, 0, PLACES * sizeof(*share->sending));
}

static void *thread_main(void *context) {
    struct rate_share *share = context;
    for (;;) {
        uint64_t until_ns = clock_monotonic_ns() + TURN_NS;
        const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                       .tv_nsec = (long)(until_ns % 1000000000)};
        CHECK(pthread_mutex_lock(&share->lock) == 0);
        int result = 0;
        while (!share->stopping && result != ETIMEDOUT)
            result = pthread_cond_timedwait(&share->wake, &share->lock, &until);
        bool stopping = share->stopping;
        struct taken *filled = share->filling;
        share->filling = share->sending;
        share->sending = filled;
        CHECK(pthread_mutex_unlock(&share->lock) == 0);
        if (stopping)
            return NULL;
        if (share->redis == NULL)
            connect_again(share);
        if (share->redis != NULL)
            send_all(share);
        else
            memset(share->sending, 0, PLACES * sizeof(*share->sending));
    }
}

static void split_address(struct rate_share *share, const char *address) {
    const char *colon = strrchr(address, ':');
    CHECK(colon != NULL && (size_t)(colon - address) < sizeof(share->host));
    memcpy(share->host, address, (size_t)(colon - address));
    for (const char *digit = colon + 1; *digit >= '0' && *digit <= '9'; digit++)
        share->port = share->port * 10 + (*digit - '0');
}

struct rate_share *rate_share_open(struct rate_limiter *limiter,
                                   const struct rate_share_place *place, rate_share_tell tell,
                                   void *context) {
    struct rate_share *share = memory_take_zeroed(sizeof(*share));
    share->limiter = limiter;
    share->tell = tell;
    share->context = context;
    share->place = *place;
    split_address(share, share->place.address);
    share->filling = memory_take_zeroed(PLACES * sizeof(*share->filling));
    share->sending = memory_take_zeroed(PLACES * sizeof(*share->sending));
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&share->wake, &attributes) == 0);
    CHECK(pthread_mutex_init(&share->lock, NULL) == 0);
    pthread_condattr_destroy(&attributes);
    thread_start(&share->thread, "rate-share", thread_main, share);
    rate_limiter_share(limiter, share);
    return share;
}

void rate_share_close(struct rate_share *share) {
    if (share == NULL)
        return;
    rate_limiter_share(share->limiter, NULL);
    CHECK(pthread_mutex_lock(&share->lock) == 0);
    share->stopping = true;
    CHECK(pthread_cond_signal(&share->wake) == 0);
    CHECK(pthread_mutex_unlock(&share->lock) == 0);
    CHECK(pthread_join(share->thread, NULL) == 0);
    if (share->redis != NULL)
        redisFree(share->redis);
    CHECK(pthread_mutex_destroy(&share->lock) == 0);
    CHECK(pthread_cond_destroy(&share->wake) == 0);
    memory_free(share->filling);
    memory_free(share->sending);
    memory_free(share);
}

struct rate_share_state rate_share_state(struct rate_share *share) {
    CHECK(pthread_mutex_lock(&share->lock) == 0);
    struct rate_share_state state = share->state;
    CHECK(pthread_mutex_unlock(&share->lock) == 0);
    return state;
}
