// SPDX-License-Identifier: MIT
// Nothing is given out that is older than allowed, by time or by position, and there is no more
// than there may be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/postgres/wallet_cache.h"

#define SECOND UINT64_C(1000000000)

static struct outcome outcome_of(uint64_t number, int64_t balance) {
    struct outcome outcome = {.status = STATUS_ok, .record = SLICE("a record")};
    outcome.wallet.id.bytes[0] = 1;
    memcpy(outcome.wallet.id.bytes + 8, &number, sizeof(number));
    outcome.wallet.balance = balance;
    outcome.wallet.version = 7;
    return outcome;
}

static bool get(struct wallet_cache *cache, uint64_t number, uint64_t age_ms,
                struct position after, int64_t *ret_balance) {
    struct arena arena;
    struct outcome asked = outcome_of(number, 0), found;
    struct freshness freshness = {.after = after, .age_ms_max = age_ms};
    arena_init(&arena, 1024);
    bool is_there = wallet_cache_get(cache, asked.wallet.id, &freshness, &arena, &found);
    if (is_there) {
        assert_int_equal(found.version, 7);
        assert_true(slice_equal(found.record, SLICE("a record")));
        *ret_balance = found.wallet.balance;
    }
    arena_done(&arena);
    return is_there;
}

static void age_and_position_count(void **state) {
    static const struct position none;
    struct wallet_cache *cache = wallet_cache_open(16);
    struct outcome outcome = outcome_of(1, 50), other = outcome_of(1, 40);
    int64_t balance = 0;
    assert_false(get(cache, 1, 60000, none, &balance));
    wallet_cache_put(cache, &outcome, (struct position){1, 100}, clock_monotonic_ns() - SECOND);
    assert_true(get(cache, 1, 60000, none, &balance));
    assert_int_equal(balance, 50);
    assert_false(get(cache, 1, 1000, none, &balance));
    assert_true(get(cache, 1, 60000, (struct position){1, 100}, &balance));
    assert_false(get(cache, 1, 60000, (struct position){1, 101}, &balance));
    assert_false(get(cache, 1, 60000, (struct position){2, 1}, &balance));
    // Who was slower does not overwrite who read later.
    wallet_cache_put(cache, &other, (struct position){1, 90}, clock_monotonic_ns() - 9 * SECOND);
    assert_true(get(cache, 1, 60000, none, &balance));
    assert_int_equal(balance, 50);
    wallet_cache_drop(cache, outcome.wallet.id);
    assert_false(get(cache, 1, 60000, none, &balance));
    wallet_cache_close(cache);
}

static void it_is_bounded(void **state) {
    static const struct position none;
    struct wallet_cache *cache = wallet_cache_open(64);
    struct wallet_cache_stats stats;
    int64_t balance;
    for (uint64_t i = 0; i < 1000; i++) {
        struct outcome outcome = outcome_of(i, (int64_t)i);
        wallet_cache_put(cache, &outcome, (struct position){1, 1}, clock_monotonic_ns());
    }
    wallet_cache_count(cache, &stats);
    assert_in_range(stats.wallets, 1, 64);
    uint64_t found = 0;
    for (uint64_t i = 0; i < 1000; i++)
        if (get(cache, i, 60000, none, &balance)) {
            assert_int_equal(balance, i);
            found++;
        }
    assert_int_equal(found, stats.wallets);
    static const char large[4096];
    struct outcome outcome = outcome_of(5000, 1);
    outcome.record = slice_of(large, sizeof(large));
    wallet_cache_put(cache, &outcome, (struct position){1, 1}, clock_monotonic_ns());
    assert_false(get(cache, 5000, 60000, none, &balance));
    wallet_cache_close(cache);
}

static void none_is_none(void **state) {
    static const struct position none;
    struct wallet_cache *cache = wallet_cache_open(0);
    struct outcome outcome = outcome_of(1, 1);
    int64_t balance;
    assert_null(cache);
    wallet_cache_put(cache, &outcome, none, 0);
    assert_false(get(cache, 1, 60000, none, &balance));
    wallet_cache_drop(cache, outcome.wallet.id);
    wallet_cache_close(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(age_and_position_count),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(none_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
