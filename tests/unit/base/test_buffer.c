// SPDX-License-Identifier: MIT
// Buffers: growth keeps what is there, and numbers are written as printf would at every length and
// limit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"

static void expect_text(struct buffer *buffer, const char *text) {
    assert_int_equal(buffer->size, strlen(text));
    assert_memory_equal(buffer->bytes, text, strlen(text));
    buffer_reset(buffer);
}

static void growth_keeps_what_is_there(void **state) {
    struct buffer buffer = {0};
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        buffer_add(&buffer, &byte, 1);
    }
    assert_int_equal(buffer.size, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(buffer.bytes[i], (uint8_t)(i * 7));
    buffer_done(&buffer);
}

static void reset_keeps_the_memory(void **state) {
    struct buffer buffer = {0};
    buffer_grow(&buffer, 5000);
    uint8_t *bytes = buffer.bytes;
    for (int i = 0; i < 100; i++) {
        buffer_reset(&buffer);
        for (int at = 0; at < 50; at++)
            BUFFER_ADD(&buffer, "0123456789");
        assert_ptr_equal(buffer.bytes, bytes);
    }
    buffer_done(&buffer);
    assert_int_equal(buffer.capacity, 0);
    buffer_done(&buffer);
}

static void nothing_may_be_added_from_nowhere(void **state) {
    struct buffer buffer = {0};
    buffer_add(&buffer, NULL, 0);
    buffer_add_slice(&buffer, slice_of(NULL, 0));
    buffer_add_text(&buffer, "");
    assert_int_equal(buffer.size, 0);
    BUFFER_ADD(&buffer, "a\0b");
    assert_int_equal(buffer.size, 3);
    buffer_done(&buffer);
}

static void unsigned_numbers(void **state) {
    struct buffer buffer = {0};
    char expected[32];
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++) {
        const uint64_t values[] = {power - 1, power, power + 1, power * 9};
        for (size_t i = 0; i < 4; i++) {
            (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
            buffer_add_u64(&buffer, values[i]);
            expect_text(&buffer, expected);
        }
        power *= 10;
    }
    for (unsigned value = 0; value < 1100; value++) {
        (void)snprintf(expected, sizeof(expected), "%u", value);
        buffer_add_u64(&buffer, value);
        expect_text(&buffer, expected);
    }
    buffer_add_u64(&buffer, UINT64_MAX);
    expect_text(&buffer, "18446744073709551615");
    buffer_done(&buffer);
}

static void signed_numbers(void **state) {
    struct buffer buffer = {0};
    buffer_add_i64(&buffer, INT64_MIN);
    expect_text(&buffer, "-9223372036854775808");
    buffer_add_i64(&buffer, INT64_MAX);
    expect_text(&buffer, "9223372036854775807");
    buffer_add_i64(&buffer, 0);
    expect_text(&buffer, "0");
    buffer_add_i64(&buffer, -1);
    expect_text(&buffer, "-1");
    buffer_add_i64(&buffer, -100);
    expect_text(&buffer, "-100");
    buffer_done(&buffer);
}

static void wide_numbers(void **state) {
    struct buffer buffer = {0};
    const __int128 ten_19 = (__int128)UINT64_C(10000000000000000000);
    const __int128 max = (__int128)(((unsigned __int128)1 << 127) - 1);
    buffer_add_i128(&buffer, 0);
    expect_text(&buffer, "0");
    buffer_add_i128(&buffer, -7);
    expect_text(&buffer, "-7");
    buffer_add_i128(&buffer, ten_19 - 1);
    expect_text(&buffer, "9999999999999999999");
    buffer_add_i128(&buffer, ten_19);
    expect_text(&buffer, "10000000000000000000");
    buffer_add_i128(&buffer, ten_19 + 5); // zeros in the middle
    expect_text(&buffer, "10000000000000000005");
    buffer_add_i128(&buffer, -(ten_19 * ten_19) - 3);
    expect_text(&buffer, "-100000000000000000000000000000000000003");
    buffer_add_i128(&buffer, max);
    expect_text(&buffer, "170141183460469231731687303715884105727");
    buffer_add_i128(&buffer, -max - 1);
    expect_text(&buffer, "-170141183460469231731687303715884105728");
    buffer_done(&buffer);
}

static void formats_of_any_length(void **state) {
    struct buffer buffer = {0};
    char expected[3000];
    for (int width = 1; width < 2500; width += 97) {
        (void)snprintf(expected, sizeof(expected), "<%*d|%s>", width, width, "x");
        buffer_add_format(&buffer, "<%*d|%s>", width, width, "x");
        expect_text(&buffer, expected);
    }
    buffer_done(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_keeps_what_is_there),
        cmocka_unit_test(reset_keeps_the_memory),
        cmocka_unit_test(nothing_may_be_added_from_nowhere),
        cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers),
        cmocka_unit_test(wide_numbers),
        cmocka_unit_test(formats_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
