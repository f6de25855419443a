// SPDX-License-Identifier: MIT
// Checks: a false one stops the process and says where, a true one does nothing, and neither
// depends on how the condition is written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "expect_stop.h"

static void check_truth(void *context) {
    const int *number = context;
    CHECK(*number == 4);
}

static void check_without_parentheses(void *context) {
    const int *number = context;
    CHECK(*number == 4 || *number == 5);
}

static void check_implied(void *context) {
    const int *number = context;
    CHECK_IMPLIES(*number > 3 || *number < 0, *number == 4);
}

static void reach_what_cannot_be(void *context) {
    UNREACHABLE("the moon");
}

static void a_true_check_goes_on(void **state) {
    int four = 4, three = 3, seven = 7;
    assert_int_equal(stop_watch(check_truth, &four).wait_status, 0);
    assert_int_equal(stop_watch(check_without_parentheses, &four).wait_status, 0);
    assert_int_equal(stop_watch(check_implied, &four).wait_status, 0);
    assert_int_equal(stop_watch(check_implied, &three).wait_status, 0); // says nothing about 3
    expect_stop(check_implied, &seven, "*number == 4");
}

static void a_false_check_stops_and_says_where(void **state) {
    int five = 5, six = 6;
    expect_stop(check_truth, &five, "*number == 4");
    struct stop_report report = stop_watch(check_without_parentheses, &six);
    assert_non_null(strstr(report.said, "florin: "));
    assert_non_null(strstr(report.said, "test_check.c:21: "));
    assert_non_null(strstr(report.said, ": check failed: *number == 4 || *number == 5\n"));
    expect_stop(reach_what_cannot_be, NULL, "unreachable: the moon");
}

static void conditions_are_evaluated_once(void **state) {
    int count = 0;
    CHECK(++count == 1);
    assert_int_equal(count, 1);
}

// Costly ones are compiled everywhere, so they cannot rot, but run only where asked for.
static void slow_checks_run_where_asked_for(void **state) {
    int count = 0;
    CHECK_SLOW(++count == 1);
#ifdef FLORIN_SLOW_CHECKS
    assert_int_equal(count, 1);
#else
    assert_int_equal(count, 0);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_check_goes_on),
        cmocka_unit_test(a_false_check_stops_and_says_where),
        cmocka_unit_test(conditions_are_evaluated_once),
        cmocka_unit_test(slow_checks_run_where_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
