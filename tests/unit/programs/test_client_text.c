// SPDX-License-Identifier: MIT
// What reaches a terminal: no control characters, columns that stand below each other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "programs/client/client_text.h"

static void expect_text(struct buffer *buffer, const char *text) {
    BUFFER_ADD(buffer, "\0");
    assert_string_equal((const char *)buffer->bytes, text);
    buffer_done(buffer);
}

static void control_characters_are_shown_as_marks(void **state) {
    struct buffer buffer = {0};
    client_text_add(&buffer, SLICE("a\x1b[2J\nb\x7f\xc2\x9b"
                                   "c\tZ\xc3\xbcrich \xc2\xa0"));
    expect_text(&buffer, "a?[2J?b??c?Z\xc3\xbcrich \xc2\xa0");
    client_text_add(&buffer, SLICE("\xc2")); // cut off in the middle of a character
    expect_text(&buffer, "\xc2");
}

static void counts_have_commas(void **state) {
    static const struct {
        uint64_t count;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {1000000, "1,000,000"},
                 {1002003, "1,002,003"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
        struct buffer buffer = {0};
        client_text_add_count(&buffer, cases[at].count);
        expect_text(&buffer, cases[at].text);
    }
}

static void cell(struct client_grid *grid, const char *text) {
    client_text_add(&grid->text, slice_of_text(text));
    client_grid_end_cell(grid);
}

static void columns_stand_below_each_other(void **state) {
    struct client_grid grid = {0};
    struct buffer out = {0};
    client_grid_add_column(&grid, "name", false);
    client_grid_add_column(&grid, "never", true);
    client_grid_add_column(&grid, "n", true);
    client_grid_add_column(&grid, "note", false);
    cell(&grid, "Z\xc3\xbcrich");
    cell(&grid, "");
    cell(&grid, "5");
    cell(&grid, "x");
    cell(&grid, "B");
    cell(&grid, "");
    cell(&grid, "1,234");
    cell(&grid, "");
    client_grid_add_to(&grid, true, &out);
    expect_text(&out, "name        n  note\nZ\xc3\xbcrich      5  x\nB       1,234\n");
    client_grid_add_to(&grid, false, &out);
    expect_text(&out, "Z\xc3\xbcrich      5  x\nB       1,234\n");
    client_grid_done(&grid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_shown_as_marks),
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(columns_stand_below_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
