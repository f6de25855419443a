// SPDX-License-Identifier: MIT
// An idempotency key answers for seven days whatever the books do meanwhile, restarts included, and
// falls away some time later. The days go by on a clock of the test's own: the linker puts
// __wrap_clock_now_ms in the place of clock_now_ms.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "books_support.h"

#define SEGMENT_BYTES (UINT64_C(1) << 18)
#define HOUR_MS       (UINT64_C(3600) * 1000)
#define DAYS          13
#define FILLING       200 // commands in a batch
#define BATCHES       5   // more than a segment of records

static uint64_t now_ms = UINT64_C(1800000000000);

uint64_t __wrap_clock_now_ms(void);
uint64_t __wrap_clock_now_ms(void) {
    return __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
}

struct shop {
    struct test_books books;
    struct id ann, bob;
    struct id payments[DAYS]; // the transaction of each day's key
};

static struct command payment(const struct shop *shop, unsigned day) {
    char key[32];
    struct command command = test_move(&shop->books, COMMAND_TRANSFER, shop->ann, shop->bob, 1);
    (void)snprintf(key, sizeof(key), "day %u", day);
    test_command_key(&command, key, day);
    return command;
}

// Other people's business, with keys too: the day's key goes from memory into sealed runs.
static void fill_once(const struct shop *shop, unsigned batch) {
    static struct command commands[FILLING];
    static struct outcome outcomes[FILLING];
    for (unsigned i = 0; i < FILLING; i++) {
        char key[32];
        commands[i] = test_move(&shop->books, COMMAND_TRANSFER, shop->ann, shop->bob, 1);
        (void)snprintf(key, sizeof(key), "%u filling %u", batch, i);
        test_command_key(&commands[i], key, i);
    }
    (void)test_submit_batch(&shop->books, commands, outcomes, FILLING, false, NULL);
    for (unsigned i = 0; i < FILLING; i++)
        assert_int_equal(outcomes[i].status, STATUS_ok);
}

static void fill(const struct shop *shop, unsigned day) {
    for (unsigned batch = 0; batch < BATCHES; batch++)
        fill_once(shop, day * BATCHES + batch);
}

static bool is_remembered(struct shop *shop, unsigned day) {
    struct command command = payment(shop, day);
    struct outcome outcome = test_submit(&shop->books, &command);
    assert_int_equal(outcome.status, STATUS_ok);
    struct id transaction = test_record(outcome).transaction.id;
    if (outcome.replayed)
        assert_true(id_equal(transaction, shop->payments[day]));
    shop->payments[day] = transaction;
    return outcome.replayed;
}

static void test_keys_answer_for_seven_days(void **state) {
    struct shop shop = {0};
    (void)state;
    test_books_open(&shop.books, SEGMENT_BYTES);
    shop.ann = test_wallet(&shop.books, "ann", WALLET_CUSTOMER);
    shop.bob = test_wallet(&shop.books, "bob", WALLET_CUSTOMER);
    (void)test_deposit(&shop.books, shop.ann, 1000000, "b");
    for (unsigned day = 0; day < DAYS; day++) {
        struct command command = payment(&shop, day);
        struct outcome outcome = test_submit(&shop.books, &command);
        assert_int_equal(outcome.status, STATUS_ok);
        assert_false(outcome.replayed);
        shop.payments[day] = test_record(outcome).transaction.id;
        fill(&shop, day);
        // A minute before the eighth day begins, the key of seven days ago still answers.
        __atomic_fetch_add(&now_ms, 24 * HOUR_MS - 60000, __ATOMIC_RELAXED);
        if (day % 3 == 1)
            test_books_reopen(&shop.books);
        for (unsigned age = 0; age < 7 && age <= day; age++)
            assert_true(is_remembered(&shop, day - age));
        __atomic_fetch_add(&now_ms, 60000, __ATOMIC_RELAXED);
    }
    test_books_reopen(&shop.books);
    // Merging, which is what lets runs fall away, is done beside the writer.
    bool remembered = true;
    for (unsigned wait = 0; wait < 200 && remembered; wait++) {
        remembered = is_remembered(&shop, 0);
        if (remembered)
            usleep(100000);
    }
    assert_false(remembered);
    assert_true(is_remembered(&shop, 0)); // as the new payment that it is now
    test_books_remove(&shop.books);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_answer_for_seven_days),
    };
    return cmocka_run_group_tests_name("engine_key_age", tests, NULL, NULL);
}
