// SPDX-License-Identifier: MIT
// Things that moved in are found by their ids, and nothing else is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/embedded/moved_ids.h"

struct thing {
    struct id id;
    uint64_t number;
};

static void test_each_is_found_where_it_is(void **state) {
    const uint8_t key[16] = {7};
    struct id_seal seal = id_seal_make(key);
    struct table table;
    struct moved_ids moved;
    (void)state;
    table_init(&table, sizeof(struct thing), 1 << 20);
    moved_ids_init(&moved, &table);
    assert_int_equal(moved_ids_find(&moved, id_make(&seal, 1, 1, 1)), 0);
    for (uint32_t i = 1; i <= 20000; i++) {
        struct id id = id_make(&seal, 5 + i / 7, i % 1024, i % 3);
        uint32_t index = table_add(&table);
        moved_ids_add(&moved, id, index); // its item gets the id afterwards, as in a replay
        ((struct thing *)table_at(&table, index))->id = id;
        assert_int_equal(moved_ids_find(&moved, id), index);
    }
    for (uint32_t i = 1; i <= 20000; i++) {
        assert_int_equal(moved_ids_find(&moved, id_make(&seal, 5 + i / 7, i % 1024, i % 3)), i);
        assert_int_equal(moved_ids_find(&moved, id_make(&seal, 5 + i / 7, i % 1024, 3)), 0);
    }
    moved_ids_done(&moved);
    assert_int_equal(moved_ids_find(&moved, id_make(&seal, 5, 1, 1)), 0);
    table_done(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_is_found_where_it_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
