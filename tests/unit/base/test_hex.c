// SPDX-License-Identifier: MIT
// Hexadecimal digits: every byte is one, or is none, and bytes come back from what was written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hex.h"

static void each_digit(void **state) {
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int found = 0, found_any = 0;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hex_digit((uint8_t)lower[i]), i);
        assert_int_equal(hex_digit_any((uint8_t)lower[i]), i);
        assert_int_equal(hex_digit_any((uint8_t)upper[i]), i);
    }
    for (int byte = 0; byte < 256; byte++) {
        found += hex_digit((uint8_t)byte) >= 0;
        found_any += hex_digit_any((uint8_t)byte) >= 0;
    }
    assert_int_equal(found, 16);
    assert_int_equal(found_any, 22);
}

static void what_is_written_is_read(void **state) {
    uint8_t bytes[256], again[256];
    char digits[512];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    assert_ptr_equal(hex_write(slice_of(bytes, sizeof(bytes)), digits), digits + sizeof(digits));
    assert_memory_equal(digits, "000102030405060708090a0b0c0d0e0f", 32);
    assert_true(hex_read(slice_of(digits, sizeof(digits)), again));
    assert_memory_equal(again, bytes, sizeof(bytes));
}

static void what_is_none_is_refused(void **state) {
    uint8_t byte;
    assert_false(hex_read(SLICE("0"), &byte));
    assert_false(hex_read(SLICE("0g"), &byte));
    assert_false(hex_read(SLICE("A0"), &byte));
    assert_false(hex_read(SLICE("0\0"), &byte));
    assert_true(hex_read(SLICE(""), &byte));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_digit),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
