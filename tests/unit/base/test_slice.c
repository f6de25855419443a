// SPDX-License-Identifier: MIT
// Slices: order and equality of bytes, with zeros and nothing among them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void equality(void **state) {
    assert_true(slice_equal(SLICE("ab"), slice_of_text("ab")));
    assert_false(slice_equal(SLICE("ab"), SLICE("abc")));
    assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    assert_true(slice_equal(slice_of(NULL, 0), SLICE("")));
    assert_false(slice_equal(slice_of(NULL, 0), SLICE("a")));
}

static void order(void **state) {
    const struct slice sorted[] = {
        slice_of(NULL, 0), SLICE("\0"), SLICE("\0\0"), SLICE("A"), SLICE("AA"),
        SLICE("B"), SLICE("\xff"),
    };
    const size_t count = sizeof(sorted) / sizeof(sorted[0]);
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            int compared = slice_compare(sorted[a], sorted[b]);
            assert_int_equal(compared < 0, a < b);
            assert_int_equal(compared > 0, a > b);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),
        cmocka_unit_test(order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
