// SPDX-License-Identifier: MIT
// Rate limits, with time passed in: exact counts, clocks that jump, limits that are asked together,
// debts, and attacks on the table of fixed size.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>

#include "access/rate_limit.h"
#include "base/check.h"

#define SECOND UINT64_C(1000000000)
#define START  (UINT64_C(1000) * SECOND)

static const uint8_t admin = 1, service = 2;

static struct rate_asker holder(uint64_t number, uint8_t role, uint8_t class) {
    struct rate_asker asker = {.class = class, .role = role};
    memcpy(asker.key.bytes, &number, sizeof(number));
    return asker;
}

static struct rate_asker stranger(uint32_t number) {
    struct rate_asker asker = {.is_stranger = true, .address = {[10] = 0xff, [11] = 0xff}};
    memcpy(asker.address + 12, &number, sizeof(number));
    return asker;
}

static struct rate_limiter *open_one(enum rate_scope scope, uint32_t requests, uint32_t seconds,
                                     uint32_t burst) {
    struct rate_limit_rule rule = {.scope = (uint8_t)scope,
                                   .classes = RATE_ANY,
                                   .requests = requests,
                                   .seconds = seconds,
                                   .burst = burst};
    assert_true(rate_limit_is_valid(&rule));
    return rate_limiter_open(&rule, 1, 42);
}

static bool admits(struct rate_limiter *limiter, struct rate_asker asker, uint64_t now_ns) {
    struct rate_verdict verdict;
    rate_limiter_admit(limiter, &asker, now_ns, &verdict);
    return !verdict.refused;
}

// How many of `tries` at one instant come in.
static uint32_t admitted(struct rate_limiter *limiter, struct rate_asker asker, uint64_t now_ns,
                         uint32_t tries) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < tries; i++)
        count += admits(limiter, asker, now_ns);
    return count;
}

static void a_burst_and_then_the_rate_to_the_nanosecond(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 10, 1, 5); // a token each 100 ms
    struct rate_asker asker = holder(1, service, RATE_READ);
    assert_int_equal(admitted(limiter, asker, START, 100), 5);
    for (uint64_t token = 1; token <= 50; token++) {
        assert_false(admits(limiter, asker, START + token * SECOND / 10 - 1));
        assert_true(admits(limiter, asker, START + token * SECOND / 10));
        assert_false(admits(limiter, asker, START + token * SECOND / 10));
    }
    // A long rest fills the bucket and no more.
    assert_int_equal(admitted(limiter, asker, START + 3600 * SECOND, 100), 5);
    rate_limiter_close(limiter);
}

static void what_is_told_is_what_happens(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 2, 3, 3); // a token each 1.5 s
    struct rate_asker asker = holder(1, service, RATE_READ);
    struct rate_verdict verdict;
    for (uint32_t left = 3; left-- > 0;) {
        rate_limiter_admit(limiter, &asker, START, &verdict);
        assert_false(verdict.refused);
        assert_int_equal(verdict.asked, 1);
        assert_int_equal(verdict.states[0].left, left);
        assert_int_equal(verdict.states[0].full_ns, (3 - left) * UINT64_C(1500000000));
    }
    rate_limiter_admit(limiter, &asker, START + 7, &verdict);
    assert_true(verdict.refused);
    assert_int_equal(verdict.refused_by, 0);
    assert_int_equal(verdict.states[0].left, 0);
    assert_int_equal(verdict.retry_ns, UINT64_C(1500000000) - 7);
    uint64_t then = START + 7 + verdict.retry_ns;
    assert_false(admits(limiter, asker, then - 1));
    assert_true(admits(limiter, asker, then));
    assert_int_equal(rate_limiter_window_s(limiter, 0), 5); // 4.5 s
    rate_limiter_close(limiter);
}

// Intervals that are no whole nanoseconds are rounded so that never more come in.
static void odd_rates_never_give_more(void **state) {
    static const uint32_t rates[] = {3, 7, 999, 999999, 1000000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct rate_limiter *limiter = open_one(RATE_PER_KEY, rates[i], 1, 1);
        struct rate_asker asker = holder(1, service, RATE_READ);
        uint32_t steps = rates[i] < 5000 ? rates[i] : 5000;
        uint64_t now = START;
        assert_true(admits(limiter, asker, now));
        for (uint32_t step = 0; step < steps; step++) {
            struct rate_verdict verdict;
            rate_limiter_admit(limiter, &asker, now, &verdict);
            assert_true(verdict.refused);
            now += verdict.retry_ns;
            assert_true(admits(limiter, asker, now));
        }
        assert_true((now - START) * rates[i] >= steps * SECOND);
        assert_true((now - START) * rates[i] <= steps * (SECOND + rates[i]));
        rate_limiter_close(limiter);
    }
}

static void refused_requests_cost_nothing(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 1, 1, 1);
    struct rate_asker asker = holder(1, service, RATE_READ);
    assert_true(admits(limiter, asker, START));
    assert_int_equal(admitted(limiter, asker, START + SECOND - 1, 10000), 0);
    assert_true(admits(limiter, asker, START + SECOND));
    rate_limiter_close(limiter);
}

static void clocks_that_jump(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_ADDRESS, 10, 1, 5);
    struct rate_asker asker = stranger(1);
    assert_int_equal(admitted(limiter, asker, START, 10), 5);
    // A little back, as between threads: as empty as before.
    assert_false(admits(limiter, asker, START - 1000));
    // Far back: nobody is locked out for longer than a whole bucket takes.
    uint64_t early = START / 2;
    assert_false(admits(limiter, asker, early));
    struct rate_verdict verdict;
    rate_limiter_admit(limiter, &asker, early, &verdict);
    assert_true(verdict.retry_ns <= SECOND / 2);
    // Far ahead: a full bucket and no more.
    assert_int_equal(admitted(limiter, asker, UINT64_C(1) << 61, 100), 5);
    // From zero, where a machine has just started.
    assert_int_equal(admitted(limiter, stranger(2), 0, 100), 5);
    rate_limiter_close(limiter);
}

static void the_largest_numbers_fit(void **state) {
    struct rate_limiter *limiter =
        open_one(RATE_PER_KEY, 1, RATE_LIMIT_SECONDS_MAX, RATE_LIMIT_BURST_MAX);
    struct rate_asker asker = holder(1, service, RATE_WRITE);
    struct rate_verdict verdict;
    uint64_t late = UINT64_C(1) << 62;
    for (int i = 0; i < 150; i++) {
        rate_limiter_admit(limiter, &asker, late, &verdict);
        if (verdict.refused)
            break;
        rate_limiter_pay(limiter, &asker, late, RATE_LIMIT_DEBT_MAX, &verdict);
    }
    assert_true(verdict.refused);
    assert_true(verdict.retry_ns <= UINT64_C(1) << 62);
    assert_false(admits(limiter, asker, late + verdict.retry_ns - 1));
    assert_true(admits(limiter, asker, late + verdict.retry_ns));
    rate_limiter_close(limiter);
}

static void everybody_has_a_bucket_of_his_own(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 1, 1, 3);
    for (uint64_t key = 1; key <= 500; key++)
        assert_int_equal(admitted(limiter, holder(key, service, RATE_READ), START, 5), 3);
    rate_limiter_close(limiter);
}

static void limits_choose_by_role_and_class(void **state) {
    const struct rate_limit_rule rules[] = {
        {RATE_PER_KEY, RATE_WRITE, 0, 1, 1, 2, NULL},
        {RATE_PER_KEY, RATE_READ, service, 1, 1, 4, NULL},
        {RATE_PER_ROLE, RATE_ANY, service, 1, 1, 7, NULL},
        {RATE_PER_ADDRESS, RATE_ANY, 0, 1, 1, 1, NULL},
    };
    struct rate_limiter *limiter = rate_limiter_open(rules, 4, 42);
    assert_string_equal(rate_limiter_rule_name(limiter, 0), "key-write");
    assert_string_equal(rate_limiter_rule_name(limiter, 1), "key-service-read");
    assert_string_equal(rate_limiter_rule_name(limiter, 2), "role-service");
    assert_string_equal(rate_limiter_rule_name(limiter, 3), "address");
    assert_int_equal(admitted(limiter, holder(1, admin, RATE_READ), START, 50), 50);
    assert_int_equal(admitted(limiter, holder(1, admin, RATE_WRITE), START, 50), 2);
    assert_int_equal(admitted(limiter, holder(2, service, RATE_WRITE), START, 50), 2);
    assert_int_equal(admitted(limiter, holder(2, service, RATE_READ), START, 50), 4);
    // One is left for all others of the role.
    assert_int_equal(admitted(limiter, holder(3, service, RATE_READ), START, 50), 1);
    assert_int_equal(admitted(limiter, stranger(9), START, 50), 1);
    rate_limiter_close(limiter);
}

static void limits_choose_by_finer_classes_and_own_roles(void **state) {
    const uint8_t teller = 20;
    const struct rate_limit_rule rules[] = {
        {RATE_PER_KEY, RATE_MONEY, 0, 1, 1, 2, NULL},
        {RATE_PER_KEY, RATE_LISTS, teller, 1, 1, 3, "teller"},
        {RATE_PER_ROLE, RATE_KEYS, teller, 1, 1, 1, "teller"},
    };
    for (size_t i = 0; i < 3; i++)
        assert_true(rate_limit_is_valid(&rules[i]));
    struct rate_limiter *limiter = rate_limiter_open(rules, 3, 42);
    assert_string_equal(rate_limiter_rule_name(limiter, 0), "key-money");
    assert_string_equal(rate_limiter_rule_name(limiter, 1), "key-teller-lists");
    assert_string_equal(rate_limiter_rule_name(limiter, 2), "role-teller-keys");
    assert_int_equal(admitted(limiter, holder(1, teller, RATE_WRITE | RATE_MONEY), START, 9), 2);
    assert_int_equal(admitted(limiter, holder(1, teller, RATE_WRITE | RATE_WALLETS), START, 9), 9);
    assert_int_equal(admitted(limiter, holder(1, teller, RATE_READ | RATE_LISTS), START, 9), 3);
    assert_int_equal(admitted(limiter, holder(1, service, RATE_READ | RATE_LISTS), START, 9), 9);
    // A request of two classes must pass the limits of both, and takes nothing when it does not.
    const uint8_t both = RATE_READ | RATE_LISTS | RATE_KEYS;
    assert_int_equal(admitted(limiter, holder(2, teller, both), START, 9), 1);
    assert_int_equal(admitted(limiter, holder(2, teller, RATE_READ | RATE_LISTS), START, 9), 2);
    rate_limiter_close(limiter);
}

// What a later limit refuses costs nothing at an earlier one.
static void all_or_nothing(void **state) {
    const struct rate_limit_rule rules[] = {
        {RATE_PER_KEY, RATE_ANY, 0, 1, 100, 10, NULL},
        {RATE_PER_KEY, RATE_WRITE, 0, 1, 1, 2, NULL},
    };
    struct rate_limiter *limiter = rate_limiter_open(rules, 2, 42);
    struct rate_asker asker = holder(1, service, RATE_WRITE);
    assert_int_equal(admitted(limiter, asker, START, 1000), 2);
    struct rate_verdict verdict;
    rate_limiter_admit(limiter, &asker, START, &verdict);
    assert_true(verdict.refused);
    assert_int_equal(verdict.refused_by, 1);
    assert_int_equal(verdict.asked, 3);
    assert_int_equal(verdict.states[0].left, 8);
    assert_int_equal(verdict.states[0].full_ns, 200 * SECOND);
    assert_int_equal(admitted(limiter, holder(1, service, RATE_READ), START, 1000), 8);
    rate_limiter_close(limiter);
}

static void debts_are_paid_before_the_next_request(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 10, 1, 5);
    struct rate_asker asker = holder(1, service, RATE_WRITE);
    struct rate_verdict verdict;
    rate_limiter_admit(limiter, &asker, START, &verdict);
    assert_false(verdict.refused);
    rate_limiter_pay(limiter, &asker, START, 99, &verdict); // a hundred in all
    assert_int_equal(verdict.states[0].left, 0);
    assert_int_equal(verdict.states[0].full_ns, 10 * SECOND);
    uint64_t paid = START + 10 * SECOND - SECOND / 10 * 4; // a hundred less five, and one
    assert_false(admits(limiter, asker, paid - 1));
    assert_true(admits(limiter, asker, paid));
    assert_false(admits(limiter, asker, paid));
    rate_limiter_close(limiter);
}

static void an_address_of_ipv6_is_its_network(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_ADDRESS, 1, 1, 3);
    struct rate_asker asker = {.is_stranger = true, .address = {0x20, 0x01, 0x0d, 0xb8}};
    uint32_t count = 0;
    for (int i = 0; i < 100; i++) {
        asker.address[8 + i % 8] = (uint8_t)(i + 1);
        count += admits(limiter, asker, START);
    }
    assert_int_equal(count, 3);
    asker.address[7] = 1; // the neighbour
    assert_true(admits(limiter, asker, START));
    rate_limiter_close(limiter);
}

// A million addresses in a table of 65,536 places: he who has used up his bucket has used it up.
static void a_flood_of_addresses_resets_nobody(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_ADDRESS, 5, 60, 5);
    enum { CULPRITS = 200 };
    for (uint32_t i = 0; i < CULPRITS; i++)
        assert_int_equal(admitted(limiter, stranger(i), START, 10), 5);
    uint32_t let_in = 0;
    size_t before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < 1000000; i++)
        let_in += admits(limiter, stranger(1000 + i), START + i);
    assert_int_equal(mallinfo2().uordblks, before); // not a byte for a million newcomers
    assert_in_range(let_in, 60000, 5 * 65536); // every place gives its tokens at most once
    for (uint32_t i = 0; i < CULPRITS; i++)
        assert_int_equal(admitted(limiter, stranger(i), START + 1000000, 10), 0);
    // Time heals all of it.
    for (uint32_t i = 0; i < CULPRITS; i++)
        assert_int_equal(admitted(limiter, stranger(i), START + 200 * SECOND, 10), 5);
    rate_limiter_close(limiter);
}

// One address each makes room for the next: still no one gets more than his bucket.
static void taking_turns_does_not_help(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_ADDRESS, 1, 3600, 2);
    enum { TURNS = 20, ADDRESSES = 200000 };
    static uint8_t counts[ADDRESSES];
    memset(counts, 0, sizeof(counts));
    for (uint32_t turn = 0; turn < TURNS; turn++)
        for (uint32_t i = 0; i < ADDRESSES; i++)
            counts[i] += admits(limiter, stranger(i), START + turn);
    for (uint32_t i = 0; i < ADDRESSES; i++)
        assert_in_range(counts[i], 0, 2);
    rate_limiter_close(limiter);
}

struct crowd {
    struct rate_limiter *limiter;
    uint32_t admitted;
};

static void *crowd_main(void *context) {
    struct crowd *crowd = context;
    for (int i = 0; i < 20000; i++) {
        crowd->admitted += admits(crowd->limiter, holder(1, service, RATE_READ), START);
        (void)admits(crowd->limiter, holder(2 + (uint64_t)i, service, RATE_READ), START);
    }
    return NULL;
}

static void threads_share_one_bucket(void **state) {
    struct rate_limiter *limiter = open_one(RATE_PER_KEY, 1, 3600, 5000);
    struct crowd crowds[4];
    pthread_t threads[4];
    uint32_t total = 0;
    for (int i = 0; i < 4; i++) {
        crowds[i] = (struct crowd){.limiter = limiter};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        total += crowds[i].admitted;
    }
    assert_in_range(total, 1, 5000);
    assert_true(total > 4000); // others of the set may have been in his place for a moment
    rate_limiter_close(limiter);
}

static void senseless_rules_are_refused(void **state) {
    const struct rate_limit_rule good = {RATE_PER_KEY, RATE_ANY, 0, 1, 1, 1, NULL};
    assert_true(rate_limit_is_valid(&good));
    const struct rate_limit_rule bad[] = {
        {RATE_PER_ADDRESS + 1, RATE_ANY, 0, 1, 1, 1, NULL},
        {RATE_PER_KEY, 0, 0, 1, 1, 1, NULL},
        {RATE_PER_KEY, RATE_MONEY | RATE_KEYS, 0, 1, 1, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 200, 1, 1, 1, NULL},
        {RATE_PER_ADDRESS, RATE_ANY, service, 1, 1, 1, NULL},
        {RATE_PER_ADDRESS, RATE_READ, 0, 1, 1, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, 0, 1, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, RATE_LIMIT_REQUESTS_MAX + 1, 1, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, 1, 0, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, 1, RATE_LIMIT_SECONDS_MAX + 1, 1, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, 1, 1, 0, NULL},
        {RATE_PER_KEY, RATE_ANY, 0, 1, 1, RATE_LIMIT_BURST_MAX + 1, NULL},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(rate_limit_is_valid(&bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_the_rate_to_the_nanosecond),
        cmocka_unit_test(what_is_told_is_what_happens),
        cmocka_unit_test(odd_rates_never_give_more),
        cmocka_unit_test(refused_requests_cost_nothing),
        cmocka_unit_test(clocks_that_jump),
        cmocka_unit_test(the_largest_numbers_fit),
        cmocka_unit_test(everybody_has_a_bucket_of_his_own),
        cmocka_unit_test(limits_choose_by_role_and_class),
        cmocka_unit_test(limits_choose_by_finer_classes_and_own_roles),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(debts_are_paid_before_the_next_request),
        cmocka_unit_test(an_address_of_ipv6_is_its_network),
        cmocka_unit_test(a_flood_of_addresses_resets_nobody),
        cmocka_unit_test(taking_turns_does_not_help),
        cmocka_unit_test(threads_share_one_bucket),
        cmocka_unit_test(senseless_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
