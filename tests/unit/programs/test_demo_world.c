// SPDX-License-Identifier: MIT
// The demo's own arithmetic: the same day for the same seed on every machine, and money that only
// goes where it may.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "programs/demo/demo_world.h"

static void a_seed_is_a_day(void **state) {
    struct demo_random random = {.state = 1};
    struct demo_random again = {.state = 1};
    struct demo_random other = {.state = 2};
    unsigned same = 0;
    for (int turn = 0; turn < 1000; turn++) {
        uint64_t number = demo_random_below(&random, 1000);
        assert_in_range(number, 0, 999);
        assert_int_equal(number, demo_random_below(&again, 1000));
        same += number == demo_random_below(&other, 1000);
    }
    assert_true(same < 20);
    // The first numbers of seed 1 are part of what a seed promises.
    random.state = 1;
    assert_int_equal(demo_random_below(&random, 1000000), 566561);
    assert_int_equal(demo_random_between(&random, -5, -5), -5);
}

static void every_number_comes_up(void **state) {
    struct demo_random random = {.state = 7};
    unsigned counts[6] = {0};
    for (int turn = 0; turn < 6000; turn++)
        counts[demo_random_between(&random, 1, 6) - 1]++;
    for (int number = 0; number < 6; number++)
        assert_in_range(counts[number], 850, 1150);
}

static void refusals_are_predicted(void **state) {
    struct demo_wallet wallet = {.balance = 100, .held = 40};
    assert_null(demo_debit_refusal(&wallet, 60));
    assert_string_equal(demo_debit_refusal(&wallet, 61), "insufficient_funds");
    wallet.is_frozen = true;
    assert_string_equal(demo_debit_refusal(&wallet, 61), "wallet_frozen");
}

static void wallets_are_kept(void **state) {
    struct demo_world world = {0};
    for (uint32_t number = 0; number < 1000; number++) {
        const struct demo_wallet wallet = {.balance = number, .version = 1};
        buffer_add(&world.wallets, &wallet, sizeof(wallet));
    }
    assert_int_equal(demo_wallet_count(&world), 1000);
    demo_wallet_move(demo_wallet_at(&world, 999), -99, 900);
    assert_int_equal(demo_wallet_at(&world, 999)->balance, 900);
    assert_int_equal(demo_wallet_at(&world, 999)->held, 900);
    assert_int_equal(demo_wallet_at(&world, 999)->version, 2);
    assert_int_equal(demo_hold_count(&world), 0);
    demo_world_done(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_day),
        cmocka_unit_test(every_number_comes_up),
        cmocka_unit_test(refusals_are_predicted),
        cmocka_unit_test(wallets_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
