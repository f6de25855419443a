// SPDX-License-Identifier: MIT
// Parameters have exactly the bytes that PostgreSQL reads, every statement has a text, and a server
// that is not there is told within the time given.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/postgres/link/link.h"
#include "engine/postgres/migrations.h"

static void numbers_go_out_in_network_order(void **state) {
    static const uint8_t expected[] = {
        0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0,    2,    0,    0,    0,    1,    0,    0,
        0, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0,  0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    struct column column = {0};
    struct parameters parameters = {0};
    column_begin(&column, false);
    column_add(&column, 258);
    column_add(&column, -2);
    parameter_column(&parameters, &column);
    assert_int_equal(parameters.lengths[0], sizeof(expected));
    assert_memory_equal(parameters.values[0], expected, sizeof(expected));
    column_done(&column);
}

static void bytes_and_nulls_are_told_apart(void **state) {
    static const uint8_t expected[] = {0,   0, 0,    1,    0,    0,    0, 1, 0, 0, 0, 17,
                                       0,   0, 0,    3,    0,    0,    0, 1, 0, 0, 0, 2,
                                       'a', 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct column column = {0};
    struct parameters parameters = {0};
    column_begin(&column, true);
    column_add_bytes(&column, slice_of("a\0", 2));
    column_add_null(&column);
    column_add_bytes(&column, slice_of(NULL, 0));
    parameter_column(&parameters, &column);
    assert_int_equal(parameters.lengths[0], sizeof(expected));
    assert_memory_equal(parameters.values[0], expected, sizeof(expected));
    column_done(&column);
}

static bool varies_with(const char *first, const char *second) {
    struct column column = {0};
    column_begin(&column, true);
    column_add_text(&column, slice_of(first, strlen(first)));
    assert_false(column.varies);
    column_add_text(&column, slice_of(second, strlen(second)));
    bool varies = column.varies;
    column_begin(&column, true);
    assert_false(column.varies);
    column_done(&column);
    return varies;
}

static void a_column_knows_whether_it_varies(void **state) {
    struct column column = {0};
    column_begin(&column, false);
    for (int i = 0; i < 3; i++)
        column_add(&column, -7);
    assert_false(column.varies);
    column_add(&column, 7);
    assert_true(column.varies);
    column_done(&column);
    assert_false(varies_with("same", "same"));
    assert_false(varies_with("", "")); // none
    assert_true(varies_with("same", "some"));
    assert_true(varies_with("same", "sam"));
    assert_true(varies_with("same", "same and more, beyond what stands behind the first"));
    assert_true(varies_with("same", ""));
    assert_true(varies_with("", "same"));
}

static void every_statement_has_a_text(void **state) {
    for (enum sql statement = SQL_TURN; statement < SQL_COUNT; statement++)
        assert_true(sql_text(statement)[0] != '\0');
}

static void migrations_are_numbered_upwards(void **state) {
    uint32_t count;
    const struct migration *migrations = migrations_all(&count);
    assert_true(count >= 1);
    assert_int_equal(migrations[0].number, 1);
    for (uint32_t i = 1; i < count; i++)
        assert_true(migrations[i].number > migrations[i - 1].number);
}

static void a_server_that_is_not_there_is_told(void **state) {
    struct link link = {0};
    uint64_t begun_ns = clock_monotonic_ns();
    assert_int_equal(link_open(&link, "host=/nowhere dbname=x", "SELECT 1", SQL_TURN,
                               SQL_WRITER_LAST, UINT64_C(2000000000)),
                     LINK_LOST);
    assert_false(link_is_open(&link));
    assert_true(link.why[0] != '\0');
    assert_true(clock_monotonic_ns() - begun_ns < UINT64_C(4000000000));
    link_done(&link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_out_in_network_order),
        cmocka_unit_test(bytes_and_nulls_are_told_apart),
        cmocka_unit_test(a_column_knows_whether_it_varies),
        cmocka_unit_test(every_statement_has_a_text),
        cmocka_unit_test(migrations_are_numbered_upwards),
        cmocka_unit_test(a_server_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
