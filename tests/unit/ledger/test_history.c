// SPDX-License-Identifier: MIT
// Skip pointers: every number is reached from every later one in few steps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/history.h"
#include "scene.h"

// As the engine walks: up the skips while they do not pass the goal, else one back.
static uint32_t steps_between(uint32_t from, uint32_t goal) {
    uint32_t steps = 0, place = from;
    while (place != goal) {
        uint32_t skip = history_skip_target(place);
        place = skip >= goal && skip != 0 ? skip : place - 1;
        steps++;
        assert_true(steps < 1000000);
    }
    return steps;
}

static void test_targets_lie_below_and_on_their_level(void **state) {
    (void)state;
    for (uint32_t number = 1; number < 2000000; number++) {
        uint32_t target = history_skip_target(number), level = history_skip_level(number);
        uint32_t step = level == 0 ? 64 : level == 1 ? 4096 : 1u << 18;
        assert_true(target < number);
        assert_int_equal(target % step, 0);
        // The newest of its level below: the engine keeps just that one's position.
        assert_true(number - target <= step);
    }
}

static void test_every_number_is_reached_in_few_steps(void **state) {
    uint64_t stream = 11;
    uint32_t most = 0;
    (void)state;
    for (uint32_t goal = 1; goal <= 10000; goal++) {
        uint32_t steps = steps_between(10000, goal);
        most = steps > most ? steps : most;
    }
    // At most 63 steps on each of three levels, up and down again.
    assert_true(most <= 3 * 128);
    for (int i = 0; i < 20000; i++) {
        uint32_t from = 1 + (uint32_t)(scene_random(&stream) % (64u << 18));
        uint32_t goal = 1 + (uint32_t)(scene_random(&stream) % from);
        assert_true(steps_between(from, goal) <= 64 + 3 * 128);
    }
    assert_true(steps_between(UINT32_MAX, 1) <= (UINT32_MAX >> 18) + 3 * 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_lie_below_and_on_their_level),
        cmocka_unit_test(test_every_number_is_reached_in_few_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
