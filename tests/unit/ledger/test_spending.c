// SPDX-License-Identifier: MIT
// Limits on spending: the calendar, what counts, and what a new day or month forgets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/spending.h"
#include "scene.h"

#define DAY_MS UINT64_C(86400000)

// Every day of two hundred years, counted one by one.
static void months_are_those_of_the_calendar(void **state) {
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t day = 0, month = 0;
    for (uint32_t year = 1970; year < 2170; year++)
        for (int m = 0; m < 12; m++, month++) {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            uint32_t length = lengths[m] + (m == 1 && leap ? 1u : 0u);
            for (uint32_t i = 0; i < length; i++, day++)
                assert_int_equal(spending_month_of(day), month);
        }
}

static void days_and_months_end(void **state) {
    assert_int_equal(spending_ends_ms(20454, SPENDING_DAY), 20455 * DAY_MS); // 2026-01-01
    assert_int_equal(spending_ends_ms(20454, SPENDING_MONTH), (20454 + 31) * DAY_MS);
    assert_int_equal(spending_ends_ms(20484, SPENDING_MONTH), 20485 * DAY_MS); // its last day
    assert_int_equal(spending_begins_ms(20454), 20454 * DAY_MS);
}

static const struct spending_limits limits = {
    .items = {{.currency = {.code = "USD", .exponent = 2},
               .kind = WALLET_CUSTOMER,
               .per_transaction = 50,
               .per_day = 100,
               .per_month = 150}},
    .count = 1};

static void scene_limited(struct scene *scene, struct spent *spent, int64_t amount,
                          uint64_t day) {
    scene_make(scene, COMMAND_TRANSFER);
    scene->command.amount = amount;
    scene->docket.limits = &limits;
    scene->docket.spent = spent;
    scene->docket.now_ms = day * DAY_MS + 5;
    scene->payer.balance = 100000;
}

static enum status spend(struct spent *spent, int64_t amount, uint64_t day) {
    struct scene scene;
    scene_limited(&scene, spent, amount, day);
    scene.payer.version = spent->version + 1;
    enum status status = scene_decide(&scene);
    if (status == STATUS_ok)
        scene_apply(&scene, &scene.record);
    return status;
}

static void days_and_months_add_up_and_begin_anew(void **state) {
    struct spent spent = {0};
    uint64_t day = 20454; // 2026-01-01
    assert_int_equal(spend(&spent, 51, day), STATUS_limit_exceeded);
    assert_int_equal(spend(&spent, 50, day), STATUS_ok);
    assert_int_equal(spend(&spent, 50, day), STATUS_ok);
    assert_int_equal(spend(&spent, 1, day), STATUS_limit_exceeded);
    assert_int_equal(spend(&spent, 50, day + 1), STATUS_ok);
    assert_int_equal(spent.day_sum, 50);
    assert_int_equal(spent.month_sum, 150);
    assert_int_equal(spend(&spent, 1, day + 1), STATUS_limit_exceeded);
    assert_int_equal(spend(&spent, 1, day + 30), STATUS_limit_exceeded); // the 31st
    assert_int_equal(spend(&spent, 50, day + 31), STATUS_ok);            // February
    assert_int_equal(spent.month_sum, 50);
}

// The limit of a tier goes before that of its kind, wherever it stands.
static void tiers_have_limits_of_their_own(void **state) {
    static const struct spending_limits by_tier = {
        .items = {{.currency = {.code = "USD", .exponent = 2}, .has_tier = true, .tier = 1,
                   .per_transaction = 70},
                  {.currency = {.code = "USD", .exponent = 2}, .per_transaction = 50},
                  {.currency = {.code = "USD", .exponent = 2}, .has_tier = true,
                   .per_transaction = 20},
                  {.currency = {.code = "USD", .exponent = 2}, .kind = WALLET_MERCHANT,
                   .has_tier = true, .tier = 2, .per_transaction = 1}},
        .count = 4};
    static const int64_t most[] = {20, 70, 50, 50};
    for (uint8_t tier = 0; tier < 4; tier++)
        for (int64_t more = 0; more < 2; more++) {
            struct scene scene;
            struct spent spent = {0};
            scene_limited(&scene, &spent, most[tier] + more, 20454);
            scene.docket.limits = &by_tier;
            scene.payer.tier = tier & 15;
            assert_int_equal(scene_decide(&scene), more ? STATUS_limit_exceeded : STATUS_ok);
        }
}

static void refusals_name_the_period_and_what_is_left(void **state) {
    struct scene scene;
    struct spent spent = {.version = 1, .day = 20454, .day_sum = 70, .month_sum = 120};
    scene_limited(&scene, &spent, 31, 20454);
    assert_int_equal(scene_decide(&scene), STATUS_limit_exceeded);
    assert_int_equal(scene.refusal.detail, SPENDING_DAY);
    assert_int_equal(scene.refusal.has, 30);
    assert_int_equal(scene.refusal.asked, 31);
    scene_limited(&scene, &spent, 31, 20455);
    assert_int_equal(scene_decide(&scene), STATUS_limit_exceeded);
    assert_int_equal(scene.refusal.detail, SPENDING_MONTH);
    scene_limited(&scene, &spent, 51, 20455);
    assert_int_equal(scene_decide(&scene), STATUS_limit_exceeded);
    assert_int_equal(scene.refusal.detail, SPENDING_TRANSACTION);
    assert_int_equal(scene.refusal.has, 50);
}

static void other_wallets_and_old_records_change_nothing(void **state) {
    struct scene scene;
    struct spent spent = {.version = 9, .day = 20454, .day_sum = 100, .month_sum = 150};
    scene_limited(&scene, &spent, 500, 20454);
    scene.payer.kind = WALLET_MERCHANT;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    assert_int_equal(scene.record.spent.day, 0);
    scene_limited(&scene, &spent, 10, 20455);
    scene.docket.limits = NULL; // what was counted once stays as it is
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    struct record old = scene.record;
    old.spent = (struct spent){.version = 3, .day = 1, .day_sum = 1, .month_sum = 1};
    scene_apply(&scene, &old);
    assert_int_equal(spent.day_sum, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(months_are_those_of_the_calendar),
        cmocka_unit_test(days_and_months_end),
        cmocka_unit_test(days_and_months_add_up_and_begin_anew),
        cmocka_unit_test(tiers_have_limits_of_their_own),
        cmocka_unit_test(refusals_name_the_period_and_what_is_left),
        cmocka_unit_test(other_wallets_and_old_records_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
