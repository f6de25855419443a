// SPDX-License-Identifier: MIT
// Times as text: every day of ten thousand years against the C library's calendar, and the texts
// that RFC 3339 takes or refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "expect_stop.h"

#define UNTOUCHED 424242

static void expect_time(const char *text, uint64_t expected) {
    uint64_t time_ms = UNTOUCHED;
    if (!clock_parse(slice_of_text(text), &time_ms))
        fail_msg("refused: %s", text);
    if (time_ms != expected)
        fail_msg("%s is %llu", text, (unsigned long long)time_ms);
}

static void expect_refusal(const char *text) {
    uint64_t time_ms = UNTOUCHED;
    if (clock_parse(slice_of_text(text), &time_ms))
        fail_msg("accepted: %s", text);
    assert_int_equal(time_ms, UNTOUCHED);
}

static void expect_text(uint64_t time_ms, const char *expected) {
    char text[CLOCK_TEXT_BYTES + 1];
    text[CLOCK_TEXT_BYTES] = '#';
    clock_format(time_ms, text);
    assert_int_equal(text[CLOCK_TEXT_BYTES], '#');
    assert_memory_equal(text, expected, CLOCK_TEXT_BYTES);
}

static void known_times_are_written(void **state) {
    expect_text(0, "1970-01-01T00:00:00.000Z");
    expect_text(1, "1970-01-01T00:00:00.001Z");
    expect_text(951782400000, "2000-02-29T00:00:00.000Z");
    expect_text(1795372123123, "2026-11-22T18:28:43.123Z");
    expect_text(4107542399999, "2100-02-28T23:59:59.999Z");
    expect_text(4107542400000, "2100-03-01T00:00:00.000Z"); // 2100 has no leap day
    expect_text(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void every_day_comes_back(void **state) {
    char expected[80], text[CLOCK_TEXT_BYTES];
    for (int64_t day = 0; day <= 2932896; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm parts;
        assert_non_null(gmtime_r(&seconds, &parts));
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                       parts.tm_min, parts.tm_sec, (int)(day % 1000));
        uint64_t time_ms = (uint64_t)seconds * 1000 + (uint64_t)(day % 1000);
        clock_format(time_ms, text);
        if (memcmp(text, expected, CLOCK_TEXT_BYTES) != 0)
            fail_msg("%.24s instead of %s", text, expected);
        uint64_t back = UNTOUCHED;
        assert_true(clock_parse(slice_of(text, CLOCK_TEXT_BYTES), &back));
        assert_int_equal(back, time_ms);
    }
}

static void dates_and_times_are_read(void **state) {
    expect_time("1970-01-01", 0);
    expect_time("2000-02-29", 951782400000);
    expect_time("2024-02-29T12:00:00Z", 1709208000000);
    expect_time("2026-11-22T18:28:43.123Z", 1795372123123);
    expect_time("2026-11-22t18:28:43.123z", 1795372123123);
    expect_time("2026-11-22T18:28:43Z", 1795372123000);
    expect_time("2026-11-22T18:28:43.1Z", 1795372123100);
    expect_time("2026-11-22T18:28:43.12Z", 1795372123120);
    // Cut, not rounded.
    expect_time("2026-11-22T18:28:43.1239999999999999999999999Z", 1795372123123);
    expect_time("2026-11-22T20:28:43+02:00", 1795372123000);
    expect_time("2026-11-22T12:58:43-05:30", 1795372123000);
    expect_time("2026-11-22T18:28:43-00:00", 1795372123000);
    expect_time("9999-12-31T23:59:59.999Z", 253402300799999);
}

static void the_edges_of_the_range(void **state) {
    expect_refusal("1969-12-31");
    expect_refusal("1969-12-31T23:59:59.999Z");
    expect_time("1969-12-31T23:00:00-02:00", 3600000); // 1970 in UTC
    expect_refusal("1970-01-01T00:59:59+01:00");
    expect_time("1970-01-01T01:00:00+01:00", 0);
    expect_refusal("9999-12-31T23:59:59-00:01");
    expect_refusal("0000-01-01");
    expect_refusal("0000-02-29T00:00:00Z");
}

static void dates_that_do_not_exist(void **state) {
    expect_refusal("2023-02-29");
    expect_refusal("2100-02-29");
    expect_refusal("2024-02-30");
    expect_refusal("2024-04-31");
    expect_refusal("2024-01-32");
    expect_refusal("2024-01-00");
    expect_refusal("2024-00-10");
    expect_refusal("2024-13-10");
    expect_refusal("2024-01-01T24:00:00Z");
    expect_refusal("2024-01-01T00:60:00Z");
    expect_refusal("2024-01-01T00:00:61Z");
    expect_refusal("2024-01-01T00:00:00+24:00");
    expect_refusal("2024-01-01T00:00:00+01:60");
}

// A leap second is the last of a day in UTC, whatever the offset says.
static void leap_seconds(void **state) {
    expect_time("2016-12-31T23:59:60Z", 1483228800000);
    expect_time("2016-12-31T23:59:60.5Z", 1483228800500);
    expect_time("2017-01-01T00:59:60+01:00", 1483228800000);
    expect_refusal("2016-12-31T22:59:60Z");
    expect_refusal("2016-12-31T23:58:60Z");
    expect_refusal("2016-12-31T23:59:60+01:00");
}

static void texts_that_are_no_times(void **state) {
    const char *texts[] = {
        "", "2", "2024", "2024-01", "2024-1-01", "2024-01-1", "20240101", "2024/01/01",
        " 2024-01-01", "2024-01-01 ", "2024-01-01T", "2024-01-01Z", "2024-01-01T00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00+0100", "2024-01-01T00:00:00+01", "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00Z ", "2024-01-01T00:00:00ZZ", "2024-01-01T00:00:00 Z",
        "2024-01-01T0:00:00Z", "+024-01-01", "-024-01-01", "2024-01-0x", "2024-W01-1",
        "2024-01-01T00:00:00-", "2024-01-01T00:00:00.5", "\xef\xbb\xbf" "2024-01-01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal(texts[i]);
    uint64_t time_ms = UNTOUCHED;
    assert_false(clock_parse(slice_of("2024-01-01\0", 11), &time_ms));
    assert_false(clock_parse(slice_of(NULL, 0), &time_ms));
    assert_int_equal(time_ms, UNTOUCHED);
}

static void only_the_slice_is_read(void **state) {
    const char text[] = "2024-01-01T00:00:00Z";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *exact = test_malloc(size + 1); // a read behind it is noticed
        memcpy(exact, text, size);
        uint64_t time_ms = UNTOUCHED;
        assert_int_equal(clock_parse(slice_of(exact, size), &time_ms), size == 10);
        test_free(exact);
    }
}

static void format_too_late(void *context) {
    char text[CLOCK_TEXT_BYTES];
    clock_format(253402300800000, text);
}

static void years_beyond_9999_stop(void **state) {
    expect_stop(format_too_late, NULL, "LIMIT_TIME_MS_MAX");
}

static void clocks_go_forward(void **state) {
    uint64_t before_ns = clock_monotonic_ns();
    assert_true(clock_now_ms() > UINT64_C(1700000000000));
    assert_true(clock_monotonic_ns() >= before_ns);
    time_t now = time(NULL);
    int64_t apart = (int64_t)(clock_now_ms() / 1000) - (int64_t)now;
    assert_true(apart >= -1 && apart <= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_written),
        cmocka_unit_test(every_day_comes_back),
        cmocka_unit_test(dates_and_times_are_read),
        cmocka_unit_test(the_edges_of_the_range),
        cmocka_unit_test(dates_that_do_not_exist),
        cmocka_unit_test(leap_seconds),
        cmocka_unit_test(texts_that_are_no_times),
        cmocka_unit_test(only_the_slice_is_read),
        cmocka_unit_test(years_beyond_9999_stop),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
