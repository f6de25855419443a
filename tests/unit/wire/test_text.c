// SPDX-License-Identifier: MIT
// Texts and headers: every control character at every place, lengths in characters, UTF-8's edges.
#include "support.h"

#include <string.h>

#include "wire/text.h"

static void controls_are_seen_at_every_place(void **state) {
    for (size_t size = 1; size <= 24; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 0x80; byte++) {
                uint8_t text[24];
                memset(text, 'a', sizeof(text));
                text[at] = (uint8_t)byte;
                bool is_control = byte < 0x20 || byte == 0x7F;
                assert_int_equal(text_is_printable(slice_of(text, size)), !is_control);
            }
        }
    }
}

static void c1_controls_are_seen_at_every_place(void **state) {
    for (size_t size = 2; size <= 20; size++) {
        for (size_t at = 0; at + 1 < size; at++) {
            for (int last = 0x80; last < 0xC0; last++) {
                uint8_t text[20];
                memset(text, 'a', sizeof(text));
                text[at] = 0xC2;
                text[at + 1] = (uint8_t)last;
                assert_int_equal(text_is_printable(slice_of(text, size)), last >= 0xA0);
                // Behind another lead byte the same byte is part of a letter.
                text[at] = 0xC3;
                assert_true(text_is_printable(slice_of(text, size)));
            }
        }
    }
}

static void texts_are_measured_in_characters(void **state) {
    struct buffer text = {0};
    assert_false(text_is_valid(SLICE("")));
    for (int i = 0; i < 255; i++)
        BUFFER_ADD(&text, "\xf0\x9f\x98\x80");
    assert_true(text_is_valid(buffer_slice(&text)));
    BUFFER_ADD(&text, "a");
    assert_false(text_is_valid(buffer_slice(&text)));
    buffer_reset(&text);
    for (int i = 0; i < 255; i++)
        BUFFER_ADD(&text, "a");
    assert_true(text_is_valid(buffer_slice(&text)));
    BUFFER_ADD(&text, "a");
    assert_false(text_is_valid(buffer_slice(&text)));
    buffer_done(&text);
}

static void utf8_is_checked_as_the_rfc_says(void **state) {
    static const char *const good[] = {
        "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"};
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\xbf", "\xe0\xa0",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xf0\x90\x80", "\xe2\x82z", "\xf0\x90\x80z", "a\xc3"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(text_is_utf8(slice_of_text(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_is_utf8(slice_of_text(bad[i])));
}

static void if_match_is_one_strong_version(void **state) {
    static const char *const bad[] = {"", "7", "\"\"", "\"", "*", "W/\"7\"", "\"7\", \"8\"",
                                      "\"07\"", "\"-7\"", "\"7a\"", " \"7\"", "\"7\" ", "\"+7\"",
                                      "\"00\"", "\"1234567890123456789\"", "'7'", "\"7", "7\""};
    uint64_t version = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(wire_parse_if_match(slice_of_text(bad[i]), &version));
    assert_int_equal(version, 77);
    assert_true(wire_parse_if_match(SLICE("\"7\""), &version));
    assert_int_equal(version, 7);
    assert_true(wire_parse_if_match(SLICE("\"0\""), &version));
    assert_int_equal(version, 0);
    assert_true(wire_parse_if_match(SLICE("\"123456789012345678\""), &version));
    assert_int_equal(version, 123456789012345678);
}

static void idempotency_keys_are_texts(void **state) {
    assert_true(wire_idempotency_key_is_valid(SLICE("a")));
    assert_true(wire_idempotency_key_is_valid(SLICE("\"quoted\"")));
    assert_true(wire_idempotency_key_is_valid(SLICE("K\xc3\xa4se")));
    assert_false(wire_idempotency_key_is_valid(SLICE("")));
    assert_false(wire_idempotency_key_is_valid(SLICE("a\tb")));
    assert_false(wire_idempotency_key_is_valid(SLICE("\xff")));
}

static void prefer_is_read_word_by_word(void **state) {
    static const char *const yes[] = {"respond-async", "Respond-Async", "wait=5, respond-async",
                                      "respond-async;x=1", "\trespond-async ,wait=2",
                                      "respond-async=", "return=minimal,respond-async"};
    static const char *const no[] = {"", "respond-asynchronous", "xrespond-async", ",", "wait=10",
                                     "respond", "return=respond-async"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(wire_prefers_async(slice_of_text(yes[i])));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(wire_prefers_async(slice_of_text(no[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_seen_at_every_place),
        cmocka_unit_test(c1_controls_are_seen_at_every_place),
        cmocka_unit_test(texts_are_measured_in_characters),
        cmocka_unit_test(utf8_is_checked_as_the_rfc_says),
        cmocka_unit_test(if_match_is_one_strong_version),
        cmocka_unit_test(idempotency_keys_are_texts),
        cmocka_unit_test(prefer_is_read_word_by_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
