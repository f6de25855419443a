// SPDX-License-Identifier: MIT
// The window of an endpoint: order per wallet, what is due, how far all is delivered, its bounds;
// and how long is waited after failures.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "events/webhook_window.h"

static struct webhook_window window;

static int begin(void **state) {
    (void)state;
    webhook_window_init(&window);
    return 0;
}

static int end(void **state) {
    (void)state;
    webhook_window_done(&window);
    return 0;
}

static void add(uint64_t position, uint8_t wallet) {
    struct webhook_item *item = webhook_window_add(&window, SLICE("{}"));
    item->position = position;
    item->wallet = (struct id){{[15] = wallet}};
}

// What may be sent now is sent.
static uint64_t send_next(uint64_t now_ns, bool is_probe) {
    uint64_t due_ns, number = webhook_window_next(&window, now_ns, is_probe, &due_ns);
    if (number != WEBHOOK_NONE)
        webhook_window_send(&window, number);
    return number;
}

static void test_a_wallet_keeps_its_order(void **state) {
    (void)state;
    add(8, 1), add(16, 1), add(24, 2), add(32, 1), add(40, 2);
    assert_int_equal(send_next(0, false), 0);
    assert_int_equal(send_next(0, false), 2); // another wallet's passes
    assert_int_equal(send_next(0, false), WEBHOOK_NONE);
    webhook_window_delivered(&window, 2);
    assert_int_equal(webhook_window_oldest(&window)->position, 8); // the first is not there yet
    assert_int_equal(send_next(0, false), 4);
    webhook_window_delivered(&window, 0);
    assert_int_equal(webhook_window_oldest(&window)->position, 16);
    assert_int_equal(send_next(0, false), 1);
    assert_int_equal(send_next(0, false), WEBHOOK_NONE); // 3 waits for 1
    webhook_window_delivered(&window, 1);
    assert_int_equal(send_next(0, false), 3);
    webhook_window_delivered(&window, 3);
    webhook_window_delivered(&window, 4);
    assert_null(webhook_window_oldest(&window));
    assert_int_equal(window.bytes, 0);
    assert_int_equal(window.sending, 0);
}

static void test_what_failed_is_due_later(void **state) {
    uint64_t due_ns;
    (void)state;
    add(8, 1), add(16, 1), add(24, 2);
    assert_int_equal(send_next(5, false), 0);
    webhook_window_failed(&window, 0, 100);
    assert_int_equal(send_next(50, false), 2);
    assert_int_equal(webhook_window_next(&window, 50, false, &due_ns), WEBHOOK_NONE);
    assert_int_equal(due_ns, 100);
    assert_int_equal(send_next(100, false), 0); // and not the next of its wallet
    assert_int_equal(webhook_window_at(&window, 0)->attempts, 1);
}

static void test_a_probe_takes_turns(void **state) {
    (void)state;
    add(8, 1), add(16, 2), add(24, 3);
    for (uint64_t turn = 0; turn < 6; turn++) {
        assert_int_equal(send_next(1000, true), turn % 3);
        webhook_window_failed(&window, turn % 3, 10 + turn);
    }
}

static void test_it_is_bounded(void **state) {
    struct buffer body = {0};
    uint32_t count = 0;
    (void)state;
    for (; webhook_window_has_room(&window); count++)
        add(8 * count, (uint8_t)count);
    assert_int_equal(count, WEBHOOK_WINDOW_EVENTS - 1);
    webhook_window_clear(&window);
    assert_true(webhook_window_has_room(&window));
    memset(buffer_room(&body, 100000), 'x', 100000);
    body.size = 100000;
    for (count = 0; webhook_window_has_room(&window); count++)
        (void)webhook_window_add(&window, buffer_slice(&body));
    assert_int_equal(count, 11);
    webhook_window_clear(&window);
    assert_int_equal(window.bytes, 0);
    buffer_done(&body);
}

static void test_it_goes_round(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 3 * WEBHOOK_WINDOW_EVENTS; i++) {
        add(8 * i, 1);
        assert_int_equal(send_next(0, false), i);
        webhook_window_delivered(&window, i);
    }
    assert_null(webhook_window_oldest(&window));
}

static void test_backoff(void **state) {
    (void)state;
    assert_int_equal(webhook_backoff_ms(1, 60000, 0), 250);
    assert_int_equal(webhook_backoff_ms(1, 60000, 250), 500);
    assert_int_equal(webhook_backoff_ms(3, 60000, 1000), 2000);
    for (uint32_t failures = 1; failures < 100; failures++)
        for (uint64_t chance = 0; chance < 100; chance++) {
            uint64_t ms = webhook_backoff_ms(failures, 60000, chance * 7919);
            uint64_t whole = failures < 8 ? UINT64_C(500) << (failures - 1) : 60000;
            assert_true(ms >= whole / 2 && ms <= whole);
        }
    assert_int_equal(webhook_backoff_ms(1, 1, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_wallet_keeps_its_order), TEST(test_what_failed_is_due_later),
        TEST(test_a_probe_takes_turns),      TEST(test_it_is_bounded),
        TEST(test_it_goes_round),            TEST(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
