// SPDX-License-Identifier: MIT
// JSON texts out: each byte that needs an escape at each place of a word, and the way back through
// the parser.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/json.h"

static void expect_written(struct slice text, const char *expected) {
    struct buffer buffer = {0};
    json_write_text(&buffer, text);
    assert_int_equal(buffer.size, strlen(expected));
    assert_memory_equal(buffer.bytes, expected, buffer.size);
    buffer_done(&buffer);
}

static void plain_texts_stay(void **state) {
    expect_written(slice_of(NULL, 0), "\"\"");
    expect_written(SLICE("a"), "\"a\"");
    expect_written(SLICE("order 12345 of 2026"), "\"order 12345 of 2026\"");
    expect_written(SLICE("/<>&'\x7f"), "\"/<>&'\x7f\"");
    expect_written(SLICE("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void special_bytes_are_escaped(void **state) {
    expect_written(SLICE("\""), "\"\\\"\"");
    expect_written(SLICE("\\"), "\"\\\\\"");
    expect_written(SLICE("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    expect_written(SLICE("\0\x01\x1f"), "\"\\u0000\\u0001\\u001f\"");
    expect_written(SLICE("\"\"\"\"\"\"\"\"\"\""), "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"");
}

// A plain text of each length with each byte at each place comes back as it was.
static void every_byte_at_every_place_comes_back(void **state) {
    struct json_parser *parser = json_open();
    struct buffer buffer = {0};
    char text[24];
    for (size_t size = 1; size <= sizeof(text); size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 0x80; byte++) {
                struct json_value value;
                const char *why = "";
                memset(text, 'x', size);
                text[at] = (char)byte;
                buffer_reset(&buffer);
                json_write_text(&buffer, slice_of(text, size));
                memset(buffer_room(&buffer, JSON_PADDING), 0, JSON_PADDING);
                if (!json_parse(parser, buffer_slice(&buffer), &value, &why))
                    fail_msg("byte %d at %zu: %s", byte, at, why);
                assert_true(slice_equal(json_text(value), slice_of(text, size)));
            }
        }
    }
    buffer_done(&buffer);
    json_close(parser);
}

static void it_goes_on_where_the_buffer_ends(void **state) {
    struct buffer buffer = {0};
    BUFFER_ADD(&buffer, "{");
    json_write_text(&buffer, SLICE("name"));
    BUFFER_ADD(&buffer, ":");
    json_write_text(&buffer, SLICE("a\nb"));
    BUFFER_ADD(&buffer, "}");
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("{\"name\":\"a\\nb\"}")));
    buffer_done(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts_stay),
        cmocka_unit_test(special_bytes_are_escaped),
        cmocka_unit_test(every_byte_at_every_place_comes_back),
        cmocka_unit_test(it_goes_on_where_the_buffer_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
