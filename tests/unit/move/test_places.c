// SPDX-License-Identifier: MIT
// Places of records that move, and what of a record is written anew.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "move/places.h"

// Records stood at 4256, 4456, ... and stand at 8000, 8024, ...
static struct places some_places(uint64_t count) {
    struct places places = {0};
    for (uint64_t i = 0; i < count; i++)
        places_add(&places, 4256 + 200 * i, 8000 + 24 * i);
    return places;
}

static void test_each_record_is_found_and_nothing_else(void **state) {
    struct places places = some_places(10000);
    uint64_t to;
    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        assert_true(places_find(&places, 4256 + 200 * i, &to));
        assert_int_equal(to, 8000 + 24 * i);
        assert_false(places_find(&places, 4256 + 200 * i + 8, &to));
    }
    assert_true(places_find(&places, 0, &to)); // none stays none
    assert_int_equal(to, 0);
    assert_false(places_find(&places, 8, &to));
    assert_false(places_find(&places, UINT64_MAX - 7, &to));
    places_done(&places);
}

static void test_a_place_between_is_that_of_the_next(void **state) {
    struct places places = some_places(3);
    (void)state;
    assert_int_equal(places_at_or_after(&places, 1, 99), 8000);
    assert_int_equal(places_at_or_after(&places, 4256, 99), 8000);
    assert_int_equal(places_at_or_after(&places, 4257, 99), 8024);
    assert_int_equal(places_at_or_after(&places, 4656, 99), 8048);
    assert_int_equal(places_at_or_after(&places, 4657, 99), 99);
    places_done(&places);
}

static void test_what_a_transaction_names_is_rewritten(void **state) {
    struct places places = some_places(4);
    struct buffer scratch = {0};
    struct record record = {.kind = RECORD_TRANSACTION};
    (void)state;
    record.transaction.debit.previous = 4256;
    record.transaction.debit.skip = 4456;
    record.transaction.credit.previous = 4656;
    record.transaction.opening = 4856;
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.transaction.debit.previous, 8000);
    assert_int_equal(record.transaction.debit.skip, 8024);
    assert_int_equal(record.transaction.credit.previous, 8048);
    assert_int_equal(record.transaction.credit.skip, 0);
    assert_int_equal(record.transaction.opening, 8072);
    record.transaction.debit.previous = 4264;
    assert_false(places_rewrite(&places, &record, &scratch));
    places_done(&places);
    buffer_done(&scratch);
}

static void test_openings_are_rewritten(void **state) {
    const uint8_t kinds[] = {RECORD_HOLD, RECORD_WITHDRAWAL, RECORD_KEY, RECORD_PARKED};
    struct places places = some_places(2);
    struct buffer scratch = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct record record = {.kind = kinds[i]};
        uint64_t *opening = kinds[i] == RECORD_HOLD         ? &record.hold.opening
                            : kinds[i] == RECORD_WITHDRAWAL ? &record.withdrawal.opening
                            : kinds[i] == RECORD_KEY        ? &record.api_key.opening
                                                            : &record.parked.opening;
        *opening = 4456;
        assert_true(places_rewrite(&places, &record, &scratch));
        assert_int_equal(*opening, 8024);
    }
    places_done(&places);
    buffer_done(&scratch);
}

static void test_a_batch_keeps_which_of_its_answers_were_replays(void **state) {
    const uint64_t positions[] = {4256, 4456 | 1};
    struct places places = some_places(2);
    struct buffer scratch = {0};
    struct record record = {.kind = RECORD_BATCH};
    uint64_t found[2];
    (void)state;
    record.batch.count = 2;
    record.batch.positions = slice_of(positions, sizeof(positions));
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.batch.positions.size, sizeof(found));
    memcpy(found, record.batch.positions.bytes, sizeof(found));
    assert_int_equal(found[0], 8000);
    assert_int_equal(found[1], 8024 | 1);
    places_done(&places);
    buffer_done(&scratch);
}

static void test_a_place_in_the_feed_moves_and_one_in_the_queue_stays(void **state) {
    struct places places = some_places(3);
    struct buffer scratch = {0};
    struct record record = {.kind = RECORD_CURSOR};
    (void)state;
    record.cursor = (struct cursor){.kind = CURSOR_EVENTS, .epoch = 1, .next = 4300};
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.cursor.next, 8024);
    record.cursor = (struct cursor){.kind = CURSOR_EVENTS, .epoch = 1, .next = 0};
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.cursor.next, 0);
    record.cursor = (struct cursor){.kind = CURSOR_EVENTS, .epoch = 1, .next = 9000};
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.cursor.next, 8056); // behind the last
    record.cursor = (struct cursor){.kind = CURSOR_QUEUE, .epoch = 1, .next = 4300};
    assert_true(places_rewrite(&places, &record, &scratch));
    assert_int_equal(record.cursor.next, 4300);
    places_done(&places);
    buffer_done(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_record_is_found_and_nothing_else),
        cmocka_unit_test(test_a_place_between_is_that_of_the_next),
        cmocka_unit_test(test_what_a_transaction_names_is_rewritten),
        cmocka_unit_test(test_openings_are_rewritten),
        cmocka_unit_test(test_a_batch_keeps_which_of_its_answers_were_replays),
        cmocka_unit_test(test_a_place_in_the_feed_moves_and_one_in_the_queue_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
