// SPDX-License-Identifier: MIT
// The embedded engine as its port shows it: answers, replays, batches that leave no trace,
// restarts, long histories.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "books_support.h"

static void test_money_moves_and_survives_a_restart(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id bob = test_wallet(&books, "bob", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 1000, "B1");
    struct command command = test_command(&books, COMMAND_TRANSFER);
    command.wallet = ann;
    command.counterparty = bob;
    command.has_amount = true;
    command.amount = 300;
    assert_int_equal(test_submit(&books, &command).status, STATUS_ok);
    command.amount = 701;
    struct outcome refused = test_submit(&books, &command);
    assert_int_equal(refused.status, STATUS_insufficient_funds);
    assert_int_equal(refused.refusal.has, 700);
    assert_int_equal(refused.refusal.asked, 701);
    for (int round = 0; round < 2; round++) {
        struct wallet wallet = test_read_wallet(&books, ann);
        assert_int_equal(wallet.balance, 700);
        assert_int_equal(wallet.version, 3);
        assert_int_equal(test_read_wallet(&books, bob).balance, 300);
        struct currency_account account;
        assert_int_equal(books.engine->port->currencies(books.engine, &account, 1), 1);
        assert_true(account.deposits == 1000 && account.withdrawals == 0);
        test_books_reopen(&books);
    }
    test_books_remove(&books);
}

static void test_an_idempotency_key_has_one_effect(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct command command = test_command(&books, COMMAND_DEPOSIT);
    command.wallet = ann;
    command.has_amount = true;
    command.amount = 5;
    command.bank_id = SLICE("B1");
    test_command_key(&command, "k", 1);
    struct outcome first = test_submit(&books, &command);
    assert_int_equal(first.status, STATUS_ok);
    assert_false(first.replayed);
    for (int round = 0; round < 2; round++) {
        struct outcome again = test_submit(&books, &command);
        assert_int_equal(again.status, STATUS_ok);
        assert_true(again.replayed);
        assert_int_equal(test_read_wallet(&books, ann).balance, 5);
        struct command other = command;
        other.request.low = 2;
        assert_int_equal(test_submit(&books, &other).status, STATUS_idempotency_key_reused);
        test_books_reopen(&books);
    }
    command.amount = 6;
    test_command_key(&command, "another", 3);
    struct outcome duplicate = test_submit(&books, &command);
    assert_int_equal(duplicate.status, STATUS_duplicate_bank_transaction);
    assert_true(test_submit(&books, &command).replayed);
    test_books_remove(&books);
}

static void test_an_atomic_batch_that_fails_never_was(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 100, "B1");
    struct command commands[5];
    struct outcome outcomes[5];
    commands[0] = test_command(&books, COMMAND_WALLET_OPEN);
    commands[0].owner = SLICE("new");
    assert_true(currency_iso_find(SLICE("EUR"), &commands[0].currency));
    commands[1] = test_command(&books, COMMAND_DEPOSIT);
    commands[1].wallet = ann;
    commands[1].has_amount = true;
    commands[1].amount = 50;
    commands[1].bank_id = SLICE("B2");
    commands[2] = test_command(&books, COMMAND_HOLD);
    commands[2].wallet = ann;
    commands[2].counterparty = shop;
    commands[2].has_amount = true;
    commands[2].amount = 120;
    commands[2].expires_in_s = 100;
    commands[3] = test_command(&books, COMMAND_WITHDRAWAL);
    commands[3].wallet = ann;
    commands[3].has_amount = true;
    commands[3].amount = 10;
    commands[4] = commands[2]; // more than is left
    struct outcome whole = test_submit_batch(&books, commands, outcomes, 5, true, "batch");
    assert_int_equal(whole.status, STATUS_insufficient_funds);
    assert_int_equal(whole.refusal.operation, 4);
    struct wallet wallet = test_read_wallet(&books, ann);
    assert_int_equal(wallet.balance, 100);
    assert_int_equal(wallet.held, 0);
    assert_int_equal(wallet.version, 2);
    struct engine_stats stats;
    books.engine->port->stats(books.engine, &stats);
    assert_int_equal(stats.wallet_count, 2);
    assert_int_equal(stats.hold_count, 0);
    assert_int_equal(stats.hold_open_count, 0);
    assert_int_equal(stats.withdrawal_count, 0);
    // The bank id was not used up, and the batch's key remembers the refusal.
    (void)test_deposit(&books, ann, 1, "B2");
    whole = test_submit_batch(&books, commands, outcomes, 5, true, "batch");
    assert_true(whole.replayed);
    assert_int_equal(whole.refusal.operation, 4);
    whole = test_submit_batch(&books, commands, outcomes, 4, true, "smaller");
    assert_int_equal(whole.status, STATUS_duplicate_bank_transaction);
    commands[1].bank_id = SLICE("B3");
    for (int round = 0; round < 2; round++) {
        whole = test_submit_batch(&books, commands, outcomes, 4, true, "good");
        assert_int_equal(whole.status, STATUS_ok);
        assert_int_equal(whole.replayed, round == 1);
        assert_int_equal(test_record(outcomes[2]).hold.amount, 120);
        wallet = test_read_wallet(&books, ann);
        assert_int_equal(wallet.balance, 151);
        assert_int_equal(wallet.held, 130);
        test_books_reopen(&books);
    }
    test_books_remove(&books);
}

static void test_a_hold_expires_without_traffic_and_once(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id shop = test_wallet(&books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&books, ann, 100, "B1");
    struct command command = test_command(&books, COMMAND_HOLD);
    command.wallet = ann;
    command.counterparty = shop;
    command.has_amount = true;
    command.amount = 60;
    command.expires_in_s = 1;
    struct outcome outcome = test_submit(&books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    struct id hold = test_record(outcome).hold.id;
    assert_int_equal(test_read_wallet(&books, ann).held, 60);
    struct engine_stats stats;
    for (int i = 0; i < 300; i++) {
        books.engine->port->stats(books.engine, &stats);
        if (stats.hold_open_count == 0)
            break;
        usleep(10000);
    }
    assert_int_equal(stats.hold_open_count, 0);
    struct wallet wallet = test_read_wallet(&books, ann);
    assert_int_equal(wallet.held, 0);
    assert_int_equal(wallet.version, 4);
    command = test_command(&books, COMMAND_CAPTURE);
    command.subject = hold;
    assert_int_equal(test_submit(&books, &command).status, STATUS_hold_not_open);
    test_books_reopen(&books);
    assert_int_equal(test_read_wallet(&books, ann).version, 4);
    test_books_remove(&books);
}

// Enough transactions for skips of two levels, over several segments and a checkpointed restart.
static void test_a_long_history_is_found_at_any_time(void **state) {
    struct test_books books;
    (void)state;
    enum { COUNT = 9000, PER_BATCH = 300 };
    test_books_open(&books, 1 << 20);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct id bob = test_wallet(&books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&books, ann, COUNT, "B1");
    static struct command commands[PER_BATCH];
    static struct outcome outcomes[PER_BATCH];
    static uint64_t times[COUNT / PER_BATCH];
    for (int batch = 0; batch < COUNT / PER_BATCH; batch++) {
        for (int i = 0; i < PER_BATCH; i++) {
            commands[i] = test_command(&books, COMMAND_TRANSFER);
            commands[i].wallet = ann;
            commands[i].counterparty = bob;
            commands[i].has_amount = true;
            commands[i].amount = 1;
        }
        (void)test_submit_batch(&books, commands, outcomes, PER_BATCH, false, NULL);
        assert_int_equal(outcomes[PER_BATCH - 1].status, STATUS_ok);
        times[batch] = test_record(outcomes[0]).time_ms;
        usleep(1500);
    }
    for (int round = 0; round < 2; round++) {
        for (int batch = 0; batch < COUNT / PER_BATCH; batch++) {
            struct balance_at at;
            assert_int_equal(books.engine->port->balance_at(books.engine, bob, times[batch], NULL,
                                                                &at),
                             STATUS_ok);
            assert_int_equal(at.balance, (batch + 1) * PER_BATCH);
            assert_int_equal(at.version, 1 + (batch + 1) * PER_BATCH);
        }
        struct list_query query = {.kind = LIST_TRANSACTIONS,
                                   .wallet = bob,
                                   .wallet_kind = -1,
                                   .status = -1,
                                   .type = -1,
                                   .to_ms = UINT64_MAX,
                                   .limit = 1000};
        uint32_t seen = 0;
        do {
            struct page page = {0};
            arena_init(&page.arena, 4096);
            assert_int_equal(books.engine->port->list(books.engine, &query, &page), STATUS_ok);
            for (uint32_t i = 0; i < page.item_count; i++) {
                struct record record = test_record(page.items[i].outcome);
                assert_int_equal(record.transaction.credit.balance, COUNT - seen);
                seen++;
            }
            query.cursor = page.next_cursor;
            arena_done(&page.arena);
        } while (query.cursor != 0);
        assert_int_equal(seen, COUNT);
        test_books_reopen(&books);
    }
    test_books_remove(&books);
}

static void say(const struct test_books *books, enum alarm_status status, const char *message) {
    struct command command = test_command(books, COMMAND_ALARM);
    command.alarm = (uint8_t)status;
    command.stops = status == ALARM_DIFFERS;
    command.reason = slice_of_text(message);
    assert_int_equal(test_submit(books, &command).status, STATUS_ok);
}

static void test_an_alarm_behind_its_decision_stops_nothing(void **state) {
    struct test_books books;
    (void)state;
    test_books_open(&books, 0);
    say(&books, ALARM_DIFFERS, "ann differs");
    assert_true(engine_is_stopped(books.engine));
    say(&books, ALARM_RESUMED, "go on");
    say(&books, ALARM_DIFFERS, "ann differs; so said who had not heard of it");
    for (int round = 0; round < 2; round++) {
        assert_false(engine_is_stopped(books.engine));
        test_books_reopen(&books);
    }
    say(&books, ALARM_DIFFERS, "bob differs");
    assert_true(engine_is_stopped(books.engine));
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_money_moves_and_survives_a_restart),
        cmocka_unit_test(test_an_idempotency_key_has_one_effect),
        cmocka_unit_test(test_an_atomic_batch_that_fails_never_was),
        cmocka_unit_test(test_a_hold_expires_without_traffic_and_once),
        cmocka_unit_test(test_a_long_history_is_found_at_any_time),
        cmocka_unit_test(test_an_alarm_behind_its_decision_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
