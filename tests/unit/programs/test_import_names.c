// SPDX-License-Identifier: MIT
// Names of an import file through growth: found again, with their own line and id.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "programs/import/import_names.h"

#define COUNT 100000

static struct slice text(char *room, const char *format, unsigned number) {
    int size = snprintf(room, 40, format, number);
    return slice_of(room, (size_t)size);
}

static void names_are_found_again(void **state) {
    struct import_names *names = import_names_open();
    char room[40];
    for (unsigned number = 0; number < COUNT; number++) {
        struct slice name = text(room, "name-%u", number);
        assert_int_equal(import_names_find(names, name), IMPORT_NO_NAME);
        assert_int_equal(import_names_add(names, name, number + 1, number % 3 == 0), number);
        if (number % 2 == 0)
            assert_true(import_names_set_made(names, number, text(room, "wallet_%026u", number)));
        else if (number % 5 == 0)
            import_names_set_refused(names, number);
    }
    for (unsigned number = 0; number < COUNT; number++) {
        uint32_t found = import_names_find(names, text(room, "name-%u", number));
        assert_int_equal(found, number);
        assert_int_equal(import_names_line(names, found), number + 1);
        if (number % 2 == 0)
            assert_true(
                slice_equal(import_names_id(names, found), text(room, "wallet_%026u", number)));
        else if (number % 5 == 0)
            assert_int_equal(import_names_state(names, found), IMPORT_NAME_REFUSED);
        else
            assert_int_equal(import_names_state(names, found),
                             number % 3 == 0 ? IMPORT_NAME_OPENING : IMPORT_NAME_WAITING);
    }
    import_names_close(names);
}

static void names_may_be_any_text(void **state) {
    struct import_names *names = import_names_open();
    assert_int_equal(import_names_add(names, SLICE(""), 1, false), 0);
    assert_int_equal(import_names_add(names, SLICE("a\0b"), 2, false), 1);
    assert_int_equal(import_names_add(names, SLICE("a"), 3, false), 2);
    assert_int_equal(import_names_find(names, SLICE("a\0b")), 1);
    assert_int_equal(import_names_find(names, SLICE("a\0c")), IMPORT_NO_NAME);
    import_names_close(names);
    import_names_close(NULL);
}

static void what_is_no_id_is_not_taken(void **state) {
    struct import_names *names = import_names_open();
    uint32_t name = import_names_add(names, SLICE("x"), 1, false);
    assert_false(import_names_set_made(names, name, SLICE("")));
    assert_false(
        import_names_set_made(names, name, SLICE("012345678901234567890123456789012345678")));
    assert_int_equal(import_names_state(names, name), IMPORT_NAME_WAITING);
    import_names_close(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(names_may_be_any_text),
        cmocka_unit_test(what_is_no_id_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
