// SPDX-License-Identifier: MIT
// Memory: never NULL, and wishes that cannot be met stop the process instead of being forgotten.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "expect_stop.h"

static void memory_is_there(void **state) {
    uint8_t *zeroed = memory_take_zeroed(10000);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(zeroed[i], 0);
    memset(zeroed, 7, 10000);
    zeroed = memory_resize(zeroed, 20000);
    assert_int_equal(zeroed[9999], 7);
    zeroed = memory_resize(zeroed, 1);
    assert_int_equal(zeroed[0], 7);
    memory_free(zeroed);
    memory_free(NULL);
}

static void nothing_is_something(void **state) {
    void *first = memory_take(0);
    void *second = memory_take_zeroed(0);
    void *third = memory_resize(NULL, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_non_null(third);
    assert_ptr_not_equal(first, second);
    memory_free(first);
    memory_free(second);
    memory_free(third);
}

static void take_nonsense(void *context) {
    memory_free(memory_take(SIZE_MAX - 100));
}

static void take_too_much(void *context) {
    const struct rlimit little = {64 << 20, 64 << 20};
    (void)setrlimit(RLIMIT_AS, &little);
    memory_free(memory_take((size_t)1 << 40));
}

static void what_cannot_be_stops(void **state) {
    expect_stop(take_nonsense, NULL, "MEMORY_BYTES_MAX");
#ifndef __SANITIZE_ADDRESS__
    expect_stop(take_too_much, NULL, "out of memory");
#else
    (void)take_too_much;
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_there),
        cmocka_unit_test(nothing_is_something),
        cmocka_unit_test(what_cannot_be_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
