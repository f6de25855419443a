// SPDX-License-Identifier: MIT
// Places in logs: claimed, moved from exactly where they stand, fenced, and never taken back by
// what is older.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/cursor.h"

static struct cursor_wish wish_of(uint64_t epoch, uint64_t from, uint64_t next) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_QUEUE,
                                           .slot = 5,
                                           .partitions = 8,
                                           .epoch = epoch,
                                           .next = next,
                                           .source = 77},
                                .from = from};
}

static enum status change(enum cursor_change what, struct cursor_wish wish, struct cursor *cursor) {
    struct cursor after;
    enum status status = cursor_decide(what, &wish, cursor, &after);
    if (status == STATUS_ok)
        cursor_apply(&after, cursor);
    return status;
}

static void test_only_the_last_claimer_moves(void **state) {
    struct cursor cursor = {.kind = CURSOR_QUEUE, .slot = 5};
    (void)state;
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 0, 3), &cursor), STATUS_fenced);
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    assert_int_equal(cursor.epoch, 1);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 0, 3), &cursor), STATUS_ok);
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    assert_int_equal(cursor.next, 3);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 3, 4), &cursor), STATUS_fenced);
    assert_int_equal(change(CURSOR_MOVE, wish_of(2, 3, 4), &cursor), STATUS_ok);
    assert_int_equal(cursor.next, 4);
}

static void test_a_move_starts_where_the_cursor_stands_and_goes_forwards(void **state) {
    struct cursor cursor = {.kind = CURSOR_QUEUE, .slot = 5};
    (void)state;
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 0, 10), &cursor), STATUS_ok);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 9, 11), &cursor), STATUS_out_of_place);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 11, 12), &cursor), STATUS_out_of_place);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 10, 10), &cursor), STATUS_out_of_place);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 10, 9), &cursor), STATUS_out_of_place);
    assert_int_equal(cursor.next, 10);
}

static void test_another_source_needs_a_person(void **state) {
    struct cursor cursor = {.kind = CURSOR_QUEUE, .slot = 5};
    struct cursor_wish other = wish_of(0, 0, 0);
    (void)state;
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    other.cursor.source = 78;
    assert_int_equal(change(CURSOR_CLAIM, other, &cursor), STATUS_out_of_place);
    other = wish_of(0, 0, 0);
    other.cursor.partitions = 16;
    assert_int_equal(change(CURSOR_CLAIM, other, &cursor), STATUS_out_of_place);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 0, 900), &cursor), STATUS_ok);
    other.cursor.next = 2;
    assert_int_equal(change(CURSOR_RESET, other, &cursor), STATUS_ok);
    assert_int_equal(cursor.next, 2);
    assert_int_equal(cursor.partitions, 16);
    assert_int_equal(cursor.epoch, 2);
    assert_int_equal(change(CURSOR_MOVE, wish_of(1, 2, 901), &cursor), STATUS_out_of_place);
}

static void test_what_is_older_changes_nothing(void **state) {
    struct cursor steps[] = {
        {.kind = CURSOR_EVENTS, .epoch = 1, .next = 0},
        {.kind = CURSOR_EVENTS, .epoch = 1, .next = 50},
        {.kind = CURSOR_EVENTS, .epoch = 2, .next = 50},
        {.kind = CURSOR_EVENTS, .epoch = 3, .next = 8},
    };
    const size_t count = sizeof(steps) / sizeof(steps[0]);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct cursor cursor = steps[i];
        for (size_t k = 0; k < count; k++)
            cursor_apply(&steps[k], &cursor);
        assert_int_equal(cursor.epoch, 3);
        assert_int_equal(cursor.next, 8);
        for (size_t k = 0; k < count; k++)
            cursor_apply(&steps[k], &cursor);
        assert_int_equal(cursor.next, 8);
    }
}

static void test_the_first_claim_says_where(void **state) {
    struct cursor_wish wish = wish_of(0, 0, 7);
    struct cursor cursor = {.kind = CURSOR_QUEUE, .slot = 5};
    (void)state;
    assert_int_equal(change(CURSOR_CLAIM, wish, &cursor), STATUS_ok);
    assert_true(cursor.epoch == 1 && cursor.next == 7);
    wish.cursor.next = 3; // a later one does not
    assert_int_equal(change(CURSOR_CLAIM, wish, &cursor), STATUS_ok);
    assert_true(cursor.epoch == 2 && cursor.next == 7);
}

static void test_a_reset_may_name_its_epoch(void **state) {
    struct cursor cursor = {.kind = CURSOR_QUEUE, .slot = 5};
    (void)state;
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    assert_int_equal(change(CURSOR_CLAIM, wish_of(0, 0, 0), &cursor), STATUS_ok);
    assert_int_equal(change(CURSOR_RESET, wish_of(1, 0, 9), &cursor), STATUS_fenced);
    assert_int_equal(change(CURSOR_RESET, wish_of(2, 0, 9), &cursor), STATUS_ok);
    assert_true(cursor.epoch == 3 && cursor.next == 9);
    assert_int_equal(change(CURSOR_RESET, wish_of(0, 0, 1), &cursor), STATUS_ok); // a person's
    assert_true(cursor.epoch == 4 && cursor.next == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_last_claimer_moves),
        cmocka_unit_test(test_a_move_starts_where_the_cursor_stands_and_goes_forwards),
        cmocka_unit_test(test_another_source_needs_a_person),
        cmocka_unit_test(test_the_first_claim_says_where),
        cmocka_unit_test(test_a_reset_may_name_its_epoch),
        cmocka_unit_test(test_what_is_older_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
