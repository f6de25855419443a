// SPDX-License-Identifier: MIT
// Places in logs move in the same round as what was done up to there, or neither does.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "books_dump.h"
#include "books_support.h"

static struct cursor_wish queue_wish(uint64_t epoch, uint64_t from, uint64_t next) {
    return (struct cursor_wish){.cursor = {.kind = CURSOR_QUEUE,
                                           .slot = 7,
                                           .partitions = 4,
                                           .epoch = epoch,
                                           .next = next,
                                           .checksum = next * 3,
                                           .source = 9},
                                .from = from};
}

static struct outcome submit_cursor(const struct test_books *books, enum command_type type,
                                    const struct cursor_wish *wish) {
    struct command command = {.type = (uint8_t)type,
                              .cursor = wish,
                              .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM}};
    return test_submit(books, &command);
}

static struct cursor read_cursor(const struct test_books *books) {
    struct cursor_wish wish = queue_wish(0, 0, 0);
    struct outcome outcome = submit_cursor(books, COMMAND_READ_CURSOR, &wish);
    assert_int_equal(outcome.status, STATUS_ok);
    return outcome.cursor;
}

static struct command deposit(const struct test_books *books, struct id wallet, int64_t amount,
                              const char *key) {
    struct command command = test_command(books, COMMAND_DEPOSIT);
    command.wallet = wallet;
    command.has_amount = true;
    command.amount = amount;
    command.bank_id = slice_of_text(key);
    command.queued = true;
    test_command_key(&command, key, 1);
    return command;
}

static void test_a_guarded_submission_moves_money_and_cursor_together(void **state) {
    struct test_books books;
    struct outcome outcomes[3];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct cursor_wish claim = queue_wish(0, 0, 0);
    assert_int_equal(submit_cursor(&books, COMMAND_CURSOR_CLAIM, &claim).cursor.epoch, 1);
    const struct cursor_place places[] = {{3, 30}, {4, 40}, {9, 90}};
    struct cursor_wish move = queue_wish(1, 0, 9);
    move.places = places;
    struct command commands[] = {deposit(&books, ann, 1, "a"), deposit(&books, ann, 2, "b"),
                                 deposit(&books, ann, 4, "c")};
    struct outcome whole = test_submit_guarded(&books, &move, commands, outcomes, 3);
    assert_int_equal(whole.status, STATUS_ok);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(test_read_wallet(&books, ann).balance, 7);
        assert_int_equal(read_cursor(&books).next, 9);
        assert_int_equal(read_cursor(&books).checksum, 90);
        // The same again, and under an epoch that is over: nothing is done.
        whole = test_submit_guarded(&books, &move, commands, outcomes, 3);
        assert_int_equal(whole.status, STATUS_out_of_place);
        assert_int_equal(outcomes[0].status, STATUS_out_of_place);
        struct cursor_wish late = queue_wish(0, 9, 10);
        struct command other = deposit(&books, ann, 100, "d");
        whole = test_submit_guarded(&books, &late, &other, outcomes, 1);
        assert_int_equal(whole.status, STATUS_fenced);
        assert_int_equal(test_read_wallet(&books, ann).balance, 7);
        test_books_reopen(&books);
    }
    test_books_remove(&books);
}

static void test_an_atomic_batch_is_done_or_refused_as_one(void **state) {
    struct test_books books;
    struct outcome outcomes[2];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct cursor_wish claim = queue_wish(0, 0, 0);
    assert_int_equal(submit_cursor(&books, COMMAND_CURSOR_CLAIM, &claim).cursor.epoch, 1);
    struct command whole = test_command(&books, COMMAND_NONE), ask;
    whole.queued = true;
    struct command good[] = {deposit(&books, ann, 1, "a"), deposit(&books, ann, 2, "b")};
    struct command bad[] = {deposit(&books, ann, 4, "c"), deposit(&books, ann, 8, "d")};
    bad[1].type = COMMAND_INVALID; // the door of the worker says no
    bad[1].door = STATUS_forbidden;
    struct cursor_wish first = queue_wish(1, 0, 1), second = queue_wish(1, 1, 2);
    test_command_key(&whole, "good", 5);
    assert_int_equal(test_submit_whole(&books, &first, &whole, good, outcomes, 2).status,
                     STATUS_ok);
    test_command_key(&whole, "bad", 6);
    assert_int_equal(test_submit_whole(&books, &second, &whole, bad, outcomes, 2).status,
                     STATUS_ok);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(test_read_wallet(&books, ann).balance, 3);
        assert_int_equal(read_cursor(&books).next, 2);
        ask = test_command(&books, COMMAND_READ_OPERATION);
        test_command_key(&ask, "good", 0);
        struct outcome done = test_submit_parts(&books, &ask, outcomes, 2);
        assert_int_equal(test_record(done).kind, RECORD_BATCH);
        assert_int_equal(done.part_count, 2);
        assert_int_equal(test_record(done.parts[0]).kind, RECORD_TRANSACTION);
        assert_int_equal(test_record(done.parts[1]).transaction.amount, 2);
        test_command_key(&ask, "bad", 0);
        struct outcome undone = test_submit(&books, &ask);
        struct record refused = test_record(undone);
        assert_int_equal(refused.kind, RECORD_REFUSAL);
        assert_int_equal(refused.refusal.status, STATUS_forbidden);
        assert_int_equal(refused.refusal.operation, 1);
        assert_int_equal(undone.part_count, 0);
        // The same again, under the same place and epoch: nothing is done.
        test_command_key(&whole, "good", 5);
        assert_int_equal(test_submit_whole(&books, &first, &whole, good, outcomes, 2).status,
                         STATUS_out_of_place);
        assert_int_equal(test_read_wallet(&books, ann).balance, 3);
        test_books_reopen(&books);
    }
    test_books_remove(&books);
}

static void test_outcomes_of_queued_commands_are_found_by_key(void **state) {
    struct test_books books;
    struct outcome outcomes[2];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct cursor_wish claim = queue_wish(0, 0, 0), move = queue_wish(1, 0, 2);
    (void)submit_cursor(&books, COMMAND_CURSOR_CLAIM, &claim);
    struct command commands[] = {deposit(&books, ann, 1, "a"), deposit(&books, ann, 2, "b")};
    commands[1].type = COMMAND_INVALID; // the door of the worker says no
    commands[1].door = STATUS_forbidden;
    assert_int_equal(test_submit_guarded(&books, &move, commands, outcomes, 2).status, STATUS_ok);
    assert_int_equal(outcomes[1].status, STATUS_forbidden);
    struct command ask = test_command(&books, COMMAND_READ_OPERATION);
    test_command_key(&ask, "a", 0);
    assert_int_equal(test_record(test_submit(&books, &ask)).kind, RECORD_TRANSACTION);
    test_command_key(&ask, "b", 0);
    struct record refused = test_record(test_submit(&books, &ask));
    assert_int_equal(refused.kind, RECORD_REFUSAL);
    assert_int_equal(refused.refusal.status, STATUS_forbidden);
    test_command_key(&ask, "never", 0);
    assert_int_equal(test_submit(&books, &ask).status, STATUS_not_found);
    test_books_remove(&books);
}

static void test_cursors_survive_a_checkpoint(void **state) {
    struct test_books books;
    struct buffer before = {0}, after = {0};
    (void)state;
    test_books_open(&books, 1 << 20);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct cursor_wish wish = queue_wish(0, 0, 0);
    (void)submit_cursor(&books, COMMAND_CURSOR_CLAIM, &wish);
    for (uint64_t i = 0; i < 12000; i++) {
        char bank[24];
        (void)snprintf(bank, sizeof(bank), "B%llu", (unsigned long long)i);
        (void)test_deposit(&books, ann, 1, bank);
        wish = queue_wish(1, i, i + 1);
        if (i < 11000)
            assert_int_equal(submit_cursor(&books, COMMAND_CURSOR_MOVE, &wish).status, STATUS_ok);
    }
    books_dump(books.engine, &before);
    test_books_reopen(&books);
    books_dump(books.engine, &after);
    assert_true(books_dump_equal(&before, &after));
    assert_int_equal(read_cursor(&books).next, 11000);
    buffer_done(&before);
    buffer_done(&after);
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guarded_submission_moves_money_and_cursor_together),
        cmocka_unit_test(test_an_atomic_batch_is_done_or_refused_as_one),
        cmocka_unit_test(test_outcomes_of_queued_commands_are_found_by_key),
        cmocka_unit_test(test_cursors_survive_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
