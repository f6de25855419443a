// SPDX-License-Identifier: MIT
// A key's own writes are remembered, and what the table cannot hold makes answers stricter.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/parts.h"

static struct id key_of(uint64_t number) {
    struct id id = {.bytes = {1}};
    memcpy(id.bytes + 8, &number, sizeof(number));
    return id;
}

static void the_latest_is_kept(void **state) {
    struct positions *positions = positions_open();
    assert_true(position_is_none(positions_get(positions, key_of(1))));
    positions_note(positions, key_of(1), (struct position){1, 50});
    positions_note(positions, key_of(1), (struct position){1, 40}); // another loop was faster
    assert_int_equal(positions_get(positions, key_of(1)).place, 50);
    positions_note(positions, key_of(1), (struct position){2, 10}); // a new timeline is later
    assert_int_equal(positions_get(positions, key_of(1)).epoch, 2);
    assert_int_equal(positions_get(positions, key_of(1)).place, 10);
    positions_close(positions);
}

static void nobody_is_forgotten_to_his_harm(void **state) {
    struct positions *positions = positions_open();
    enum { KEYS = 20000 };
    for (uint64_t i = 0; i < KEYS; i++)
        positions_note(positions, key_of(i), (struct position){1, i + 1});
    for (uint64_t i = 0; i < KEYS; i++)
        assert_true(
            position_reaches(positions_get(positions, key_of(i)), (struct position){1, i + 1}));
    // The last ones are still known exactly.
    assert_int_equal(positions_get(positions, key_of(KEYS - 1)).place, KEYS);
    positions_close(positions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_is_kept),
        cmocka_unit_test(nobody_is_forgotten_to_his_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
