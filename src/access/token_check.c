// SPDX-License-Identifier: MIT
// Remembers tokens by the SHA-256 of their text, in sets of four places; the one that expires first
// makes room.
#include "access/token_check.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/memory.h"

#define SETS          2048
#define PLACES        4
#define WINDOW_NS     UINT64_C(10000000)
#define WINDOW_CHECKS 64

struct place {
    struct sha256 hash;
    uint64_t generation; // of the keys it was checked with
    struct token_holder holder; // until_ms 0: free
};

struct token_checker {
    const struct token_issuer *issuers;
    uint32_t issuer_count;
    struct token_keys *keys;
    struct token_reader reader;
    struct token_parts parts;
    uint64_t window_ns; // when it began
    uint32_t window_checks;
    atomic_uint_least64_t remembered, checked, refused, put_off;
    struct place places[SETS][PLACES];
};

struct token_checker *token_checker_open(const struct token_issuer *issuers, uint32_t issuer_count,
                                         struct token_keys *keys) {
    CHECK(issuer_count >= 1 && issuer_count <= TOKEN_ISSUERS_MAX);
    struct token_checker *checker = memory_take_zeroed(sizeof(*checker));
    checker->issuers = issuers;
    checker->issuer_count = issuer_count;
    checker->keys = keys;
    token_reader_open(&checker->reader);
    return checker;
}

void token_checker_close(struct token_checker *checker) {
    if (checker == NULL)
        return;
    token_reader_close(&checker->reader);
    memory_free(checker);
}

static struct place *set_of(struct token_checker *checker, const struct sha256 *hash) {
    uint64_t number;
    memcpy(&number, hash->bytes, sizeof(number));
    return checker->places[number % SETS];
}

static const struct token_holder *recall(struct token_checker *checker, const struct sha256 *hash,
                                         uint64_t now_ms) {
    struct place *set = set_of(checker, hash);
    uint64_t generation = token_keys_generation(checker->keys);
    for (unsigned i = 0; i < PLACES; i++)
        if (now_ms < set[i].holder.until_ms && set[i].generation == generation &&
            memcmp(&set[i].hash, hash, sizeof(*hash)) == 0)
            return &set[i].holder;
    return NULL;
}

static const struct token_holder *remember(struct token_checker *checker, const struct sha256 *hash,
                                           uint64_t generation) {
    struct place *set = set_of(checker, hash), *place = set;
    for (unsigned i = 0; i < PLACES; i++) {
        if (memcmp(&set[i].hash, hash, sizeof(*hash)) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].holder.until_ms < place->holder.until_ms)
            place = &set[i];
    }
    *place = (struct place){
        .hash = *hash, .generation = generation, .holder = checker->parts.holder};
    return &place->holder;
}

static bool may_check(struct token_checker *checker) {
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - checker->window_ns >= WINDOW_NS) {
        checker->window_ns = now_ns;
        checker->window_checks = 0;
    }
    return checker->window_checks++ < WINDOW_CHECKS;
}

// While an issuer's keys were never read nothing can be said of its tokens.
static enum token_result refuse_unknown_key(struct token_checker *checker, bool has_keys,
                                            const char **ret_why) {
    bool is_asked = token_keys_refresh(checker->keys, checker->parts.issuer);
    if (!has_keys) {
        *ret_why = "The keys of the token's issuer could not be read yet; that is tried again and "
                   "again.";
        return TOKEN_LATER;
    }
    if (is_asked) {
        *ret_why = "The token's key is not known yet; the issuer's keys are being read again.";
        return TOKEN_LATER;
    }
    *ret_why = "The token is signed with a key that its issuer does not have.";
    return TOKEN_REFUSED;
}

// T4.
static enum token_result check_signature(struct token_checker *checker, uint64_t *ret_generation,
                                         const char **ret_why) {
    const struct token_parts *parts = &checker->parts;
    if (!may_check(checker)) {
        *ret_why = "Too many new tokens are being checked.";
        return TOKEN_LATER;
    }
    struct jwk_set *set = token_keys_of(checker->keys, parts->issuer, ret_generation);
    const struct jwk *key =
        set == NULL ? NULL : jwk_set_find(set, parts->kid, parts->algorithm);
    enum token_result result = TOKEN_TAKEN;
    if (key == NULL && set != NULL && jwk_set_knows(set, parts->kid)) {
        *ret_why = "The token's key is not for the algorithm that the token names.";
        result = TOKEN_REFUSED;
    } else if (key == NULL) {
        result = refuse_unknown_key(checker, set != NULL, ret_why);
    } else if (!jwk_verify(key, parts->signed_text, parts->signature)) {
        *ret_why = "The token's signature does not fit.";
        result = TOKEN_REFUSED;
    }
    jwk_set_release(set);
    return result;
}

static void count(atomic_uint_least64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

enum token_result token_check(struct token_checker *checker, struct sha256_context *hash,
                              struct slice token, uint64_t now_ms,
                              const struct token_holder **ret_holder, const char **ret_why) {
    sha256_begin(hash);
    sha256_add(hash, token);
    struct sha256 token_hash = sha256_end(hash);
    *ret_holder = recall(checker, &token_hash, now_ms);
    if (*ret_holder != NULL) {
        count(&checker->remembered);
        return TOKEN_TAKEN;
    }
    struct token_parts *parts = &checker->parts;
    uint64_t generation = 0;
    enum token_result result = TOKEN_REFUSED;
    memset(parts, 0, sizeof(*parts));
    if (token_take_apart(&checker->reader, token, checker->issuers, checker->issuer_count, parts,
                         ret_why)) {
        const struct token_issuer *issuer = &checker->issuers[parts->issuer];
        *ret_why = token_check_time(parts, issuer, now_ms);
        if (*ret_why == NULL)
            result = check_signature(checker, &generation, ret_why);
    }
    if (result == TOKEN_TAKEN)
        *ret_holder = remember(checker, &token_hash, generation);
    count(result == TOKEN_TAKEN     ? &checker->checked
          : result == TOKEN_REFUSED ? &checker->refused
                                    : &checker->put_off);
    return result;
}

struct token_checker_stats token_checker_stats(const struct token_checker *checker) {
    return (struct token_checker_stats){
        .remembered = atomic_load_explicit(&checker->remembered, memory_order_relaxed),
        .checked = atomic_load_explicit(&checker->checked, memory_order_relaxed),
        .refused = atomic_load_explicit(&checker->refused, memory_order_relaxed),
        .put_off = atomic_load_explicit(&checker->put_off, memory_order_relaxed),
    };
}
