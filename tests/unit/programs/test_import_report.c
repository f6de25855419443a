// SPDX-License-Identifier: MIT
// The file of refused lines: in the order of lines, each a JSON document, whatever the line held.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "programs/import/import_report.h"

static void make_path(char path[64]) {
    (void)snprintf(path, 64, "/tmp/florin-report-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
}

static void read_all(const char *path, char *room, size_t size) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    room[fread(room, 1, size - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void refusals_are_sorted_and_are_json(void **state) {
    char path[64], text[4096];
    struct import_report report;
    make_path(path);
    import_report_init(&report, "ignored", path);
    import_report_refuse(&report, 9, SLICE("b"), SLICE("say \"x\""), SLICE("{\"c\":1}"), true);
    import_report_refuse(&report, 2, SLICE("a"), SLICE("why"), SLICE("no\x01json\xff\""), false);
    assert_int_equal(import_report_unsettled(&report), 2);
    import_report_settle(&report);
    assert_int_equal(import_report_unsettled(&report), 0);
    import_report_refuse(&report, 10, SLICE("b"), SLICE("z"), SLICE(""), false);
    import_report_finish(&report, 10);
    assert_int_equal(report.refused_count, 3);
    assert_int_equal(report.code_count, 2);
    read_all(path, text, sizeof(text));
    assert_string_equal(
        text, "{\"line\":2,\"code\":\"a\",\"detail\":\"why\",\"text\":\"no?json?\\\"\"}\n"
              "{\"line\":9,\"code\":\"b\",\"detail\":\"say \\\"x\\\"\",\"operation\":{\"c\":1}}\n"
              "{\"line\":10,\"code\":\"b\",\"detail\":\"z\",\"text\":\"\"}\n");
    import_report_done(&report);
    assert_int_equal(unlink(path), 0);
}

// Letters of all scripts are, and none of them is cut in two.
static void what_is_no_json_is_told_letter_by_letter(void **state) {
    char path[64], text[4096], line[1002];
    struct import_report report;
    make_path(path);
    memset(line, 'x', sizeof(line));
    memcpy(line + 998, "\xe2\x82\xac", 3); // would end behind the last byte that is shown
    import_report_init(&report, "ignored", path);
    import_report_refuse(&report, 1, SLICE("a"), SLICE("why"),
                         SLICE("M\xc3\xbcller,\t\xe2\x82\xac"), false);
    import_report_refuse(&report, 2, SLICE("a"), SLICE("why"),
                         slice_of((const uint8_t *)line, sizeof(line)), false);
    import_report_settle(&report);
    import_report_finish(&report, 10);
    read_all(path, text, sizeof(text));
    assert_non_null(strstr(text, "\"text\":\"M\xc3\xbcller,?\xe2\x82\xac\"}\n"));
    assert_non_null(strstr(text, "xxxx\"}\n"));
    assert_null(strchr(strstr(text, "xxxx"), '?'));
    import_report_done(&report);
    assert_int_equal(unlink(path), 0);
}

static void without_refusals_there_is_no_file(void **state) {
    char path[64];
    struct import_report report;
    make_path(path); // what an earlier import has left
    import_report_init(&report, "ignored", path);
    report.done_count = 5;
    import_report_finish(&report, 2000);
    import_report_done(&report);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_file_that_cannot_be_written_is_survived(void **state) {
    struct import_report report;
    import_report_init(&report, "/nonexistent/file", NULL);
    assert_string_equal((char *)report.path.bytes, "/nonexistent/file.refused");
    for (uint64_t line = 1; line <= 300; line++)
        import_report_refuse(&report, line, SLICE("a"), SLICE("why"), SLICE("{}"), true);
    import_report_settle(&report);
    assert_true(report.file_failed);
    assert_int_equal(report.shown_count, 100);
    import_report_finish(&report, 0);
    import_report_done(&report);
}

static void there_may_be_more_codes_than_expected(void **state) {
    struct import_report report;
    char code[64];
    import_report_init(&report, "/nonexistent/file", NULL);
    for (int number = 0; number < 2 * IMPORT_CODES_MAX; number++) {
        int size = snprintf(code, sizeof(code), "code-%055d", number);
        import_report_refuse(&report, 1, slice_of(code, (size_t)size), SLICE("x"), SLICE("{}"),
                             true);
    }
    assert_true(report.code_count <= IMPORT_CODES_MAX);
    import_report_done(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_sorted_and_are_json),
        cmocka_unit_test(what_is_no_json_is_told_letter_by_letter),
        cmocka_unit_test(without_refusals_there_is_no_file),
        cmocka_unit_test(a_file_that_cannot_be_written_is_survived),
        cmocka_unit_test(there_may_be_more_codes_than_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
