// SPDX-License-Identifier: MIT
// The auditor on a running engine: right books are found right while payments go on, and an engine
// that believes something else than its record is found out.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "day.h"
#include "watch/auditor.h"

#define SEGMENT_BYTES (UINT64_C(1) << 20)

static void assert_consistent(struct auditor *auditor, uint64_t *ret_transactions) {
    struct integrity_report report;
    assert_int_equal(auditor_check(auditor, &report), STATUS_ok);
    if (!report.consistent)
        fail_msg("%s", report.message);
    for (uint32_t i = 0; i < report.check_count; i++)
        assert_int_equal(report.checks[i].differences, 0);
    for (uint32_t i = 0; i < report.currency_count; i++) {
        const struct integrity_currency *currency = &report.currencies[i];
        assert_true(currency->difference == 0);
        assert_true(currency->wallet_balances == currency->deposits - currency->withdrawals);
    }
    *ret_transactions = report.transaction_count;
    integrity_report_done(&report);
}

static void test_examinations_go_on_where_they_stood(void **state) {
    struct test_books books;
    struct day day;
    uint64_t before = 0, after;
    test_books_open(&books, SEGMENT_BYTES);
    struct auditor *auditor = auditor_open(books.engine);
    assert_consistent(auditor, &after);
    assert_int_equal(after, 0);
    day_init(&day, &books, 3);
    for (int i = 0; i < 20; i++) {
        day_go_on(&day, 100);
        assert_consistent(auditor, &after);
        assert_true(after > before);
        before = after;
    }
    struct engine_stats stats;
    books.engine->port->stats(books.engine, &stats);
    assert_int_equal(after, stats.transaction_count);
    auditor_close(auditor);
    // From the beginning it comes to the same.
    auditor = auditor_open(books.engine);
    assert_consistent(auditor, &after);
    assert_int_equal(after, before);
    auditor_close(auditor);
    test_books_remove(&books);
}

struct working {
    struct day day;
    atomic_bool stop;
};

static void *work(void *context) {
    struct working *working = context;
    while (!atomic_load(&working->stop))
        day_go_on(&working->day, 20);
    return NULL;
}

static void test_a_cancelled_examination_says_busy(void **state) {
    struct test_books books;
    struct integrity_report report;
    (void)state;
    test_books_open(&books, SEGMENT_BYTES);
    (void)test_wallet(&books, "ann", WALLET_CUSTOMER);
    struct auditor *auditor = auditor_open(books.engine);
    auditor_cancel(auditor);
    assert_int_equal(auditor_check(auditor, &report), STATUS_busy);
    auditor_close(auditor);
    test_books_remove(&books);
}

static void test_payments_may_go_on_meanwhile(void **state) {
    struct test_books books;
    struct working *working = memory_take_zeroed(sizeof(*working));
    pthread_t thread;
    uint64_t transactions, last = 0;
    test_books_open(&books, SEGMENT_BYTES);
    day_init(&working->day, &books, 5);
    day_go_on(&working->day, 100);
    struct auditor *auditor = auditor_open(books.engine);
    assert_int_equal(pthread_create(&thread, NULL, work, working), 0);
    for (int i = 0; i < 300; i++) {
        assert_consistent(auditor, &transactions);
        assert_true(transactions >= last);
        last = transactions;
    }
    atomic_store(&working->stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_consistent(auditor, &transactions);
    auditor_close(auditor);
    test_books_remove(&books);
    memory_free(working);
}

// ---- an engine that lies ----

enum lie {
    LIE_NONE,
    LIE_BALANCE,
    LIE_HELD,
    LIE_VERSION_BEHIND,
    LIE_VERSION_AHEAD,
    LIE_WALLET_MISSING,
    LIE_WALLET_MORE,
    LIE_FROZEN,
    LIE_HOLD_MISSING,
    LIE_HOLD_AMOUNT,
    LIE_HOLD_CAPTURED,
    LIE_HOLD_MORE,
    LIE_WITHDRAWAL_MISSING,
    LIE_WITHDRAWAL_SETTLED,
    LIE_WITHDRAWAL_AMOUNT,
    LIE_DEPOSITS,
    LIE_COUNT,
    // No lies: they cannot be read now.
    UNREAD_WALLETS,
    UNREAD_HOLDS,
    UNREAD_WITHDRAWALS,
    UNREAD_CURRENCIES,
    UNREAD_END
};

// Stands in front of a real engine and says something else about the first thing that fits.
struct liar {
    struct engine engine; // first
    struct engine *real;
    enum lie lie;
    bool told;
    void (*each_wallet)(void *context, const struct wallet *wallet);
    void (*each_hold)(void *context, const struct hold *hold);
    void (*each_withdrawal)(void *context, const struct withdrawal *withdrawal);
    void *context;
};

static bool tells(struct liar *liar, enum lie lie) {
    if (liar->lie != lie || liar->told)
        return false;
    liar->told = true;
    return true;
}

static enum status liar_feed(struct engine *engine, uint64_t position, size_t bytes_max,
                             bool (*each)(void *context, const struct feed_record *record),
                             void *context, uint64_t *ret_next) {
    struct engine *real = ((struct liar *)engine)->real;
    return real->port->feed(real, position, bytes_max, each, context, ret_next);
}

static uint64_t liar_published_end(struct engine *engine) {
    struct engine *real = ((struct liar *)engine)->real;
    return real->port->published_end(real);
}

static void liar_wallet(void *context, const struct wallet *real) {
    struct liar *liar = context;
    struct wallet wallet = *real;
    if (tells(liar, LIE_WALLET_MISSING))
        return;
    if (tells(liar, LIE_BALANCE))
        wallet.balance++;
    if (tells(liar, LIE_HELD))
        wallet.held++;
    if (tells(liar, LIE_VERSION_BEHIND))
        wallet.version--;
    if (tells(liar, LIE_VERSION_AHEAD))
        wallet.version++;
    if (tells(liar, LIE_FROZEN))
        wallet.status = wallet.status == WALLET_FROZEN ? WALLET_ACTIVE : WALLET_FROZEN;
    liar->each_wallet(liar->context, &wallet);
    if (tells(liar, LIE_WALLET_MORE)) {
        wallet.id.bytes[15] ^= 1;
        liar->each_wallet(liar->context, &wallet);
    }
}

static enum status liar_wallets(struct engine *engine,
                                void (*each)(void *context, const struct wallet *wallet),
                                void *context) {
    struct liar *liar = (struct liar *)engine;
    liar->each_wallet = each;
    liar->context = context;
    if (tells(liar, UNREAD_WALLETS))
        return STATUS_busy;
    return liar->real->port->wallets(liar->real, liar_wallet, liar);
}

static void liar_hold(void *context, const struct hold *real) {
    struct liar *liar = context;
    struct hold hold = *real;
    bool is_open = hold.status == HOLD_OPEN;
    if (is_open && tells(liar, LIE_HOLD_MISSING))
        return;
    if (is_open && tells(liar, LIE_HOLD_AMOUNT))
        hold.amount++;
    if (is_open && tells(liar, LIE_HOLD_CAPTURED))
        hold.captured++;
    liar->each_hold(liar->context, &hold);
    if (is_open && tells(liar, LIE_HOLD_MORE)) {
        hold.id.bytes[15] ^= 1;
        liar->each_hold(liar->context, &hold);
    }
}

static enum status liar_holds(struct engine *engine,
                              void (*each)(void *context, const struct hold *hold), void *context) {
    struct liar *liar = (struct liar *)engine;
    liar->each_hold = each;
    liar->context = context;
    if (tells(liar, UNREAD_HOLDS))
        return STATUS_busy;
    return liar->real->port->holds(liar->real, liar_hold, liar);
}

static void liar_withdrawal(void *context, const struct withdrawal *real) {
    struct liar *liar = context;
    struct withdrawal withdrawal = *real;
    bool is_pending = withdrawal.status == WITHDRAWAL_PENDING;
    if (is_pending && tells(liar, LIE_WITHDRAWAL_MISSING))
        return;
    if (is_pending && tells(liar, LIE_WITHDRAWAL_SETTLED))
        withdrawal.status = WITHDRAWAL_SETTLED;
    if (is_pending && tells(liar, LIE_WITHDRAWAL_AMOUNT))
        withdrawal.amount++;
    liar->each_withdrawal(liar->context, &withdrawal);
}

static enum status liar_withdrawals(struct engine *engine,
                                    void (*each)(void *context,
                                                 const struct withdrawal *withdrawal),
                                    void *context) {
    struct liar *liar = (struct liar *)engine;
    liar->each_withdrawal = each;
    liar->context = context;
    if (tells(liar, UNREAD_WITHDRAWALS))
        return STATUS_busy;
    return liar->real->port->withdrawals(liar->real, liar_withdrawal, liar);
}

static uint32_t liar_currencies(struct engine *engine, struct currency_account *ret_accounts,
                                uint32_t count_max) {
    struct liar *liar = (struct liar *)engine;
    uint32_t count = liar->real->port->currencies(liar->real, ret_accounts, count_max);
    if (count > 0 && tells(liar, LIE_DEPOSITS))
        ret_accounts[0].deposits--;
    return tells(liar, UNREAD_CURRENCIES) ? ENGINE_UNREAD : count;
}

static const struct engine_port liar_port = {
    .feed = liar_feed,
    .published_end = liar_published_end,
    .wallets = liar_wallets,
    .holds = liar_holds,
    .withdrawals = liar_withdrawals,
    .currencies = liar_currencies,
};

static void test_an_engine_that_believes_something_else_is_found_out(void **state) {
    struct test_books books;
    struct day day;
    test_books_open(&books, SEGMENT_BYTES);
    day_init(&day, &books, 11);
    day_go_on(&day, 1000);
    day_set_aside(&day, 1, 3600); // no timer ends it meanwhile
    struct liar liar = {.engine = {.port = &liar_port, .seal = books.engine->seal},
                        .real = books.engine};
    struct auditor *auditor = auditor_open(&liar.engine);
    for (int lie = LIE_NONE; lie < LIE_COUNT; lie++) {
        struct integrity_report report;
        uint64_t transactions;
        liar.lie = (enum lie)lie;
        liar.told = false;
        assert_int_equal(auditor_check(auditor, &report), STATUS_ok);
        assert_int_equal(liar.told, lie != LIE_NONE);
        if (report.consistent != (lie == LIE_NONE))
            fail_msg("lie %d: %s", lie, report.message);
        integrity_report_done(&report);
        // Nothing sticks: the books are right, only the engine was not.
        liar.lie = LIE_NONE;
        assert_consistent(auditor, &transactions);
    }
    auditor_close(auditor);
    test_books_remove(&books);
}

static void test_what_cannot_be_read_is_not_missing(void **state) {
    struct test_books books;
    struct day day;
    test_books_open(&books, SEGMENT_BYTES);
    day_init(&day, &books, 12);
    day_go_on(&day, 1000);
    struct liar liar = {.engine = {.port = &liar_port, .seal = books.engine->seal},
                        .real = books.engine};
    struct auditor *auditor = auditor_open(&liar.engine);
    for (int unread = UNREAD_WALLETS; unread < UNREAD_END; unread++) {
        struct integrity_report report;
        uint64_t transactions;
        liar.lie = (enum lie)unread;
        liar.told = false;
        assert_int_equal(auditor_check(auditor, &report), STATUS_busy);
        assert_true(liar.told);
        liar.lie = LIE_NONE;
        assert_consistent(auditor, &transactions);
    }
    auditor_close(auditor);
    test_books_remove(&books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examinations_go_on_where_they_stood),
        cmocka_unit_test(test_a_cancelled_examination_says_busy),
        cmocka_unit_test(test_payments_may_go_on_meanwhile),
        cmocka_unit_test(test_an_engine_that_believes_something_else_is_found_out),
        cmocka_unit_test(test_what_cannot_be_read_is_not_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
