// SPDX-License-Identifier: MIT
// What alarms and decisions come to, one after the other and again.
#include "ledger/alarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ANN "wallet_01m8j9ekbgeeb8beptkqym9dnm"
#define BOB "wallet_01m8j9ekbgeeb8beptkqym9dnn"

static struct alarm_facts says(enum alarm_status status, bool stops, const char *message) {
    return (struct alarm_facts){
        .status = (uint8_t)status, .stops = stops, .message = slice_of_text(message)};
}

static bool is_decided(const struct alarm_state *state, const char *message) {
    return alarm_is_decided(state, alarm_difference(slice_of_text(message)));
}

static void take(struct alarm_state *state, enum alarm_status status, bool stops,
                 const char *message) {
    struct alarm_facts facts = says(status, stops, message);
    alarm_take(state, &facts);
}

static void test_a_difference_is_its_wallet(void **state) {
    uint64_t ann = alarm_difference(SLICE(ANN " has 7, but its postings come to 8"));
    (void)state;
    assert_int_equal(ann, alarm_difference(SLICE("position 12 cannot be: " ANN ", has another")));
    assert_int_not_equal(ann, alarm_difference(SLICE(BOB " has 7, but its postings come to 8")));
    assert_int_not_equal(alarm_difference(SLICE("the chain is broken at offset 4096")),
                         alarm_difference(SLICE("the chain is broken at offset 8192")));
    assert_int_equal(alarm_difference(SLICE("the sum of USD differs; look at the wallets")),
                     alarm_difference(SLICE("the sum of USD differs")));
    assert_int_not_equal(alarm_difference(SLICE("the sum of USD differs; look at the wallets")),
                         alarm_difference(SLICE("the sum of EUR differs; look at the wallets")));
    assert_int_not_equal(alarm_difference(SLICE("")), 0);
    assert_int_not_equal(alarm_difference(SLICE(";")), 0);
    assert_int_not_equal(alarm_difference(SLICE("wallet_ wallet_cut")), 0);
}

static void test_payments_stop_until_it_is_decided(void **state) {
    struct alarm_state alarm = {0};
    (void)state;
    take(&alarm, ALARM_DIFFERS, false, ANN " differs");
    assert_int_equal(alarm.stopped, 0);
    assert_false(is_decided(&alarm, ANN " differs"));
    take(&alarm, ALARM_DIFFERS, true, ANN " differs");
    take(&alarm, ALARM_RIGHT_AGAIN, false, "right"); // nobody has decided
    take(&alarm, ALARM_DIFFERS, true, ANN " differs");
    assert_int_equal(alarm.stopped, 1);
    assert_false(is_decided(&alarm, ANN " differs"));
    assert_true(alarm_is_known(&alarm, alarm_difference(SLICE(ANN " differs by 8"))));
    assert_false(alarm_is_known(&alarm, alarm_difference(SLICE(BOB " differs by 9"))));
    take(&alarm, ALARM_DIFFERS, true, BOB " differs");
    take(&alarm, ALARM_RESUMED, false, "go on");
    assert_int_equal(alarm.stopped, 0);
    assert_true(is_decided(&alarm, ANN " differs by 8"));
    assert_true(is_decided(&alarm, BOB " differs by 9"));
    assert_false(is_decided(&alarm, "the chain is broken"));
    take(&alarm, ALARM_DIFFERS, true, "the chain is broken");
    assert_int_equal(alarm.stopped, 1);
    assert_false(is_decided(&alarm, ANN " differs"));
    take(&alarm, ALARM_RESUMED, false, "go on");
    assert_true(is_decided(&alarm, "the chain is broken"));
    take(&alarm, ALARM_RIGHT_AGAIN, false, "right");
    assert_false(is_decided(&alarm, "the chain is broken"));
}

static void test_the_oldest_decision_is_forgotten_first(void **state) {
    struct alarm_state alarm = {0};
    char message[32];
    (void)state;
    for (int i = 0; i <= ALARM_DIFFERENCES; i++) {
        (void)snprintf(message, sizeof(message), "difference %d", i);
        take(&alarm, ALARM_DIFFERS, true, message);
        take(&alarm, ALARM_DIFFERS, true, message); // it takes one place
    }
    take(&alarm, ALARM_RESUMED, false, "go on");
    assert_false(is_decided(&alarm, "difference 0"));
    for (int i = 1; i <= ALARM_DIFFERENCES; i++) {
        (void)snprintf(message, sizeof(message), "difference %d", i);
        assert_true(is_decided(&alarm, message));
    }
}

// A checkpoint may hold what came behind its landmark: replay from there takes all of that again.
static void test_taking_the_end_again_changes_nothing(void **state) {
    static const struct {
        enum alarm_status status;
        bool stops;
        const char *message;
    } story[] = {{ALARM_DIFFERS, true, ANN " differs"},  {ALARM_RESUMED, false, "go on"},
                 {ALARM_DIFFERS, true, BOB " differs"},  {ALARM_RIGHT_AGAIN, false, "right"},
                 {ALARM_RESUMED, false, "go on"},        {ALARM_DIFFERS, true, "the chain"},
                 {ALARM_DIFFERS, false, ANN " differs"}, {ALARM_RESUMED, false, "go on"},
                 {ALARM_DIFFERS, true, ANN " differs"}};
    struct alarm_state once = {0};
    const size_t count = sizeof(story) / sizeof(story[0]);
    (void)state;
    for (size_t i = 0; i < count; i++)
        take(&once, story[i].status, story[i].stops, story[i].message);
    for (size_t from = 0; from < count; from++) {
        struct alarm_state again = once;
        for (size_t i = from; i < count; i++)
            take(&again, story[i].status, story[i].stops, story[i].message);
        assert_memory_equal(&once, &again, sizeof(once));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_difference_is_its_wallet),
        cmocka_unit_test(test_payments_stop_until_it_is_decided),
        cmocka_unit_test(test_the_oldest_decision_is_forgotten_first),
        cmocka_unit_test(test_taking_the_end_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
