// SPDX-License-Identifier: MIT
// Lines of the log: their shape, and that no value can make a second line or speak to a terminal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "expect_stop.h"

#include <stdio.h>
#include <stdlib.h>

static void log_value(void *context) {
    log_line(LOG_WARNING, "door", "name %s", (const char *)context);
}

// What stands behind the time.
static void expect_line(const char *value, const char *expected) {
    struct stop_report report = stop_watch(log_value, (void *)value);
    uint64_t time_ms;
    assert_int_equal(report.wait_status, 0);
    assert_true(strlen(report.said) > CLOCK_TEXT_BYTES);
    assert_true(clock_parse(slice_of(report.said, CLOCK_TEXT_BYTES), &time_ms));
    assert_string_equal(report.said + CLOCK_TEXT_BYTES, expected);
}

static void lines_have_a_shape(void **state) {
    expect_line("alice", " warning door: name alice\n");
    expect_line("", " warning door: name \n");
    expect_line("100%s %n", " warning door: name 100%s %n\n");
}

static void controls_are_escaped(void **state) {
    expect_line("a\nb", " warning door: name a\\nb\n");
    expect_line("a\r\n2026-01-01 error", " warning door: name a\\r\\n2026-01-01 error\n");
    expect_line("\t\x01\x1b[31m\x7f", " warning door: name \\t\\x01\\x1b[31m\\x7f\n");
    expect_line("\xc2\x9b" "1m", " warning door: name \\xc2\\x9b1m\n"); // a C1 control as UTF-8
    expect_line("\x9b" "1m", " warning door: name \\x9b1m\n");
}

static void utf8_stays_and_garbage_does_not(void **state) {
    expect_line("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                " warning door: name \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n");
    expect_line("\xc3", " warning door: name \\xc3\n");
    expect_line("\xe2\x82", " warning door: name \\xe2\\x82\n");
    expect_line("\xff\xfe\xc0\xaf\xf8", " warning door: name \\xff\\xfe\\xc0\\xaf\\xf8\n");
}

static void log_of_request(void *context) {
    log_request(LOG_WARNING, "door", slice_of_text(context), "name %d", 7);
}

static void expect_request(const char *id, const char *expected) {
    struct stop_report report = stop_watch(log_of_request, (void *)id);
    assert_int_equal(report.wait_status, 0);
    const char *place = strstr(report.said, expected);
    assert_non_null(place);
    assert_string_equal(place, expected);
}

static void lines_name_their_request(void **state) {
    expect_request("r-1", " warning door: name 7; request r-1\n");
    expect_request("r\n1", " warning door: name 7; request r\\n1\n");
    expect_request("", " warning door: name 7\n");
    assert_int_equal(setenv("FLORIN_LOG", "json", 1), 0);
    expect_request("r\"1", "\"message\":\"name 7\",\"request_id\":\"r\\\"1\"}\n");
    expect_request("", "\"message\":\"name 7\"}\n");
    assert_int_equal(unsetenv("FLORIN_LOG"), 0);
}

static void lines_can_be_json(void **state) {
    assert_int_equal(setenv("FLORIN_LOG", "json", 1), 0);
    static const char *const values[][2] = {
        {"alice", "alice"},
        {"say \"no\" \\", "say \\\"no\\\" \\\\"},
        {"a\nb\x01", "a\\\\nb\\\\x01"},
        {"\xc3\xa9 \xff", "\xc3\xa9 \\\\xff"},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct stop_report report = stop_watch(log_value, (void *)values[i][0]);
        char expected[256];
        snprintf(expected, sizeof(expected),
                 "\",\"level\":\"warning\",\"component\":\"door\",\"message\":\"name %s\"}\n",
                 values[i][1]);
        assert_memory_equal(report.said, "{\"time\":\"2", 10);
        assert_string_equal(strstr(report.said, "\",\"level"), expected);
    }
    assert_int_equal(unsetenv("FLORIN_LOG"), 0);
}

static void log_long(void *context) {
    static char value[100000];
    memset(value, '\x01', sizeof(value) - 1); // each becomes four
    log_line(LOG_ERROR, "door", "%s", value);
}

static void long_lines_are_cut(void **state) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        log_long(NULL);
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    static char said[20000];
    ssize_t size = read(ends[0], said, sizeof(said)); // one write, so one read
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_in_range(size, 8000, 9000);
    assert_memory_equal(said + size - 9, "\\x01 ...\n", 9);
    assert_int_equal(close(ends[0]), 0);
}

static void log_levels(void *context) {
    log_line(LOG_DEBUG, "a", "1");
    log_line(LOG_INFO, "b", "2");
    log_line(LOG_ERROR, "c", "3");
}

static void levels_have_names(void **state) {
    struct stop_report report = stop_watch(log_levels, NULL);
    assert_non_null(strstr(report.said, " debug   a: 1\n"));
    assert_non_null(strstr(report.said, " info    b: 2\n"));
    assert_non_null(strstr(report.said, " error   c: 3\n"));
}

static void log_to_nowhere(void *context) {
    (void)close(STDERR_FILENO);
    log_line(LOG_ERROR, "a", "nobody hears it");
}

static void a_closed_stderr_changes_nothing(void **state) {
    assert_int_equal(stop_watch(log_to_nowhere, NULL).wait_status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_a_shape),
        cmocka_unit_test(controls_are_escaped),
        cmocka_unit_test(utf8_stays_and_garbage_does_not),
        cmocka_unit_test(lines_can_be_json),
        cmocka_unit_test(lines_name_their_request),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(a_closed_stderr_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
