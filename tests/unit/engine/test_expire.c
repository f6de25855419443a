// SPDX-License-Identifier: MIT
// Holds whose time is over, more of them than a round expires for everybody: the wallets that the
// round names do not wait.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "books_dump.h"
#include "books_support.h"
#include "engine/embedded/books.h"
#include "fake_disk.h"

enum { MANY = 5000, PER_BATCH = 500 };

// Many holds of `others`, due in a second; then one of `payer`, due at the same time but last.
static void make_many(const struct test_books *books, struct id others, struct id payer,
                      struct id shop, int64_t amount) {
    static struct command commands[PER_BATCH];
    static struct outcome outcomes[PER_BATCH];
    for (int batch = 0; batch < MANY / PER_BATCH; batch++) {
        for (int i = 0; i < PER_BATCH; i++) {
            commands[i] = test_move(books, COMMAND_HOLD, others, shop, 1);
            commands[i].expires_in_s = 2;
        }
        (void)test_submit_batch(books, commands, outcomes, PER_BATCH, false, NULL);
        assert_int_equal(outcomes[PER_BATCH - 1].status, STATUS_ok);
    }
    (void)test_hold(books, payer, shop, amount, 2);
}

// Sleeps over the holds' end in such a way that the engine finds all of them at once: its disk
// hangs meanwhile, in a round of something else.
struct due_books {
    struct test_books books;
    struct id others, payer, shop, purchase;
};

static void due_open(struct due_books *due, uint64_t segment_bytes) {
    test_books_open_on(&due->books, fake_disk_open(1), segment_bytes);
    due->others = test_wallet(&due->books, "others", WALLET_CUSTOMER);
    due->payer = test_wallet(&due->books, "payer", WALLET_MERCHANT);
    due->shop = test_wallet(&due->books, "shop", WALLET_MERCHANT);
    (void)test_deposit(&due->books, due->others, MANY, "b1");
    (void)test_deposit(&due->books, due->payer, 100, "b2");
    struct command command = test_move(&due->books, COMMAND_PURCHASE, due->others, due->payer, 1);
    command.has_amount = true;
    command.amount = 100;
    (void)test_deposit(&due->books, due->others, 100, "b3");
    due->purchase = test_record(test_submit(&due->books, &command)).transaction.id;
    make_many(&due->books, due->others, due->payer, due->shop, 200);
}

static void tell(struct round *round) {
    __atomic_store_n((bool *)round->context, true, __ATOMIC_RELEASE);
}

// One command that is decided in the first round after the holds' end.
static struct outcome decide_after_the_end(struct due_books *due, struct command command) {
    struct command blocked = test_move(&due->books, COMMAND_DEPOSIT, due->shop, due->shop, 1);
    struct outcome outcome, other;
    struct submission first = {.commands = &blocked, .outcomes = &other, .count = 1};
    struct submission second = {.commands = &command, .outcomes = &outcome, .count = 1};
    struct round rounds[2];
    bool published[2] = {false, false};
    blocked.bank_id = SLICE("blocked");
    for (int i = 0; i < 2; i++) {
        round_init(&rounds[i]);
        rounds[i].first = i == 0 ? &first : &second;
        rounds[i].command_count = 1;
        rounds[i].published = tell;
        rounds[i].context = &published[i];
    }
    fake_disk_block(due->books.disk);
    due->books.engine->port->submit(due->books.engine, &rounds[0]);
    usleep(2600000);
    due->books.engine->port->submit(due->books.engine, &rounds[1]);
    fake_disk_unblock(due->books.disk);
    for (int i = 0; i < 2000 && !__atomic_load_n(&published[1], __ATOMIC_ACQUIRE); i++)
        usleep(10000);
    assert_true(__atomic_load_n(&published[1], __ATOMIC_ACQUIRE));
    assert_int_equal(other.status, STATUS_ok);
    for (int i = 0; i < 2; i++)
        round_done(&rounds[i]);
    return outcome;
}

static void all_expire(struct due_books *due) {
    struct engine_stats stats;
    for (int i = 0; i < 1000; i++) {
        due->books.engine->port->stats(due->books.engine, &stats);
        if (stats.hold_open_count == 0)
            break;
        usleep(10000);
    }
    assert_int_equal(stats.hold_open_count, 0);
    assert_int_equal(test_read_wallet(&due->books, due->others).held, 0);
    assert_null(books_audit(due->books.engine));
}

static void test_the_payers_money_is_free_in_that_round(void **state) {
    struct due_books due;
    (void)state;
    due_open(&due, 0);
    struct outcome outcome = decide_after_the_end(
        &due, test_move(&due.books, COMMAND_TRANSFER, due.payer, due.shop, 200));
    assert_int_equal(outcome.status, STATUS_ok);
    all_expire(&due);
    test_books_remove(&due.books);
}

static void test_a_refunding_merchants_money_too(void **state) {
    struct due_books due;
    (void)state;
    due_open(&due, 0);
    struct command refund = test_command(&due.books, COMMAND_REFUND);
    refund.subject = due.purchase;
    struct outcome outcome = decide_after_the_end(&due, refund);
    assert_int_equal(outcome.status, STATUS_ok);
    all_expire(&due);
    test_books_remove(&due.books);
}

// All of one wallet: their expiries do not fit what is left of a segment.
static void test_across_the_end_of_a_segment(void **state) {
    struct due_books due;
    (void)state;
    due_open(&due, 1 << 20);
    struct outcome outcome = decide_after_the_end(
        &due, test_move(&due.books, COMMAND_TRANSFER, due.others, due.shop, MANY));
    assert_int_equal(outcome.status, STATUS_ok);
    all_expire(&due);
    test_books_remove(&due.books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_payers_money_is_free_in_that_round),
        cmocka_unit_test(test_a_refunding_merchants_money_too),
        cmocka_unit_test(test_across_the_end_of_a_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
