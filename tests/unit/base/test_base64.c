// SPDX-License-Identifier: MIT
// Base64: the vectors of RFC 4648, and that every text has one reading.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static struct buffer out;

static void test_vectors(void **state) {
    static const char *const vectors[][2] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},
                                             {"foo", "Zm9v"},  {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        buffer_reset(&out);
        base64_encode(slice_of_text(vectors[i][0]), &out);
        assert_true(slice_equal(buffer_slice(&out), slice_of_text(vectors[i][1])));
        buffer_reset(&out);
        assert_true(base64_decode(slice_of_text(vectors[i][1]), &out));
        assert_true(slice_equal(buffer_slice(&out), slice_of_text(vectors[i][0])));
    }
}

static void test_all_bytes(void **state) {
    uint8_t bytes[256];
    struct buffer again = {0};
    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(255 - i);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        buffer_reset(&out);
        buffer_reset(&again);
        base64_encode(slice_of(bytes, size), &out);
        assert_true(base64_decode(buffer_slice(&out), &again));
        assert_true(slice_equal(buffer_slice(&again), slice_of(bytes, size)));
    }
    buffer_done(&again);
}

static void test_one_reading(void **state) {
    static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", "Z g=", "Zg-_",
                                        "====", "Zm9v=", "Z=g="};
    (void)state;
    buffer_reset(&out);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(base64_decode(slice_of_text(wrong[i]), &out));
        assert_int_equal(out.size, 0);
    }
    assert_false(base64_decode(slice_of("Z\0g=", 4), &out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_one_reading),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_done(&out);
    return failed;
}
