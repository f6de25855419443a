// SPDX-License-Identifier: MIT
// Rules at the edges of their windows and bounds, and habits that replay to the same numbers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/finding.h"
#include "ledger/record.h"

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)
#define START   (20000 * DAY_MS) // every window begins a bucket here

static const struct currency dollars = {.code = "USD", .exponent = 2};

static struct id some_id(uint8_t number) {
    struct id id = {{0}};
    id.bytes[0] = id.bytes[15] = id.bytes[14] = number;
    return id;
}

static struct record transfer(uint64_t version, uint64_t time_ms, int64_t amount, uint8_t to) {
    return (struct record){
        .kind = RECORD_TRANSACTION,
        .operation = COMMAND_TRANSFER,
        .time_ms = time_ms,
        .transaction = {.type = TRANSACTION_TRANSFER,
                        .amount = amount,
                        .debit = {.wallet = some_id(1), .version = version},
                        .credit = {.wallet = some_id(to), .version = version}}};
}

static void pay(struct habits *habits, uint64_t version, uint64_t time_ms, int64_t amount) {
    struct record record = transfer(version, time_ms, amount, 2);
    habits_see(&record, habits, NULL);
}

static bool hits(struct rule rule, uint64_t now_ms, int64_t amount, uint8_t to,
                 const struct habits *habits) {
    struct rule_set set = {.count = 1, .version = 1};
    struct verdict verdict;
    const char *why = "";
    memcpy(rule.name, "a-rule", 6);
    rule.action = RULE_FLAG;
    rule.kinds = 3;
    rule.operations = RULE_ON_DEBITS;
    rule.score = 50;
    rule.currency_count = 1;
    memcpy(rule.currencies[0], "USD", 3);
    set.rules[0] = rule;
    assert_true(rules_are_valid(&set, &why));
    rules_prepare(&set);
    struct payment payment = {.operation = RULE_ON_TRANSFER,
                              .wallet_kind = WALLET_CUSTOMER,
                              .amount = amount,
                              .available = 1000,
                              .currency = &dollars,
                              .counterparty = some_id(to),
                              .now_ms = now_ms};
    rules_judge(&set, &payment, habits, &verdict);
    return verdict.action == RULE_FLAG;
}

static void windows_end_with_their_oldest_bucket(void **state) {
    static const uint64_t lengths[WINDOW_COUNT] = {HOUR_MS, DAY_MS, 7 * DAY_MS};
    for (int i = 0; i < WINDOW_COUNT; i++) {
        struct habits habits = {0};
        pay(&habits, 2, START, 100);
        uint64_t last = START + lengths[i] - 1;
        assert_int_equal(habits_window(&habits, (enum habit_window)i, last).count, 1);
        assert_int_equal(habits_window(&habits, (enum habit_window)i, last).sum, 100);
        assert_int_equal(habits_window(&habits, (enum habit_window)i, last + 1).count, 0);
        struct rule count = {0}, sum = {0};
        count.counts[i] = 2;
        sum.sums[i] = 200;
        assert_true(hits(count, last, 100, 2, &habits));
        assert_false(hits(count, last + 1, 100, 2, &habits));
        assert_true(hits(sum, last, 100, 2, &habits));
        assert_false(hits(sum, last, 99, 2, &habits));
        assert_false(hits(sum, last + 1, 100, 2, &habits));
        pay(&habits, 3, last + 1, 7); // its bucket begins anew
        assert_int_equal(habits_window(&habits, (enum habit_window)i, last + 1).sum, 7);
    }
}

static void each_bound_is_met_exactly(void **state) {
    struct habits habits = {0};
    for (uint64_t i = 0; i < 3; i++)
        pay(&habits, 2 + i, START, 100);
    assert_int_equal(habits.mean, 100 * HABIT_UNITS);
    assert_int_equal(habits.deviation, 0);
    assert_true(hits((struct rule){.amount = 5}, START, 5, 2, NULL));
    assert_false(hits((struct rule){.amount = 5}, START, 4, 2, NULL));
    assert_true(hits((struct rule){.mean_percent = 300}, START, 300, 2, &habits));
    assert_false(hits((struct rule){.mean_percent = 300}, START, 299, 2, &habits));
    assert_false(hits((struct rule){.mean_percent = 300}, START, 300, 2, NULL));
    assert_true(hits((struct rule){.deviations = 4}, START, 125, 2, &habits)); // sixteenths
    assert_false(hits((struct rule){.deviations = 4}, START, 124, 2, &habits));
    assert_true(hits((struct rule){.drained_percent = 95}, START, 950, 2, &habits));
    assert_false(hits((struct rule){.drained_percent = 95}, START, 949, 2, &habits));
    assert_true(hits((struct rule){.dormant_s = 60}, START + 60000, 1, 2, &habits));
    assert_false(hits((struct rule){.dormant_s = 60}, START + 59999, 1, 2, &habits));
    assert_true(hits((struct rule){.new_counterparty = 1}, START, 1, 3, &habits));
    assert_false(hits((struct rule){.new_counterparty = 1}, START, 1, 2, &habits));
    habits.deposit_ms = START;
    assert_true(hits((struct rule){.deposit_within_s = 9}, START + 9000, 1, 2, &habits));
    assert_false(hits((struct rule){.deposit_within_s = 9}, START + 9001, 1, 2, &habits));
    habits.sold = 100;
    habits.faded_day = (uint32_t)(START / DAY_MS);
    assert_true(hits((struct rule){.refund_percent = 50}, START, 50, 2, &habits));
    assert_false(hits((struct rule){.refund_percent = 50}, START, 49, 2, &habits));
    assert_true(hits((struct rule){.refund_percent = 50}, START + DAY_MS, 44, 2, &habits));
}

static void seeing_twice_is_seeing_once(void **state) {
    struct habits once = {0}, twice = {0};
    for (uint64_t i = 0; i < 100; i++)
        pay(&once, 2 + i, START + i * HOUR_MS, 1 + (int64_t)(i * i));
    for (uint64_t i = 0; i < 60; i++)
        pay(&twice, 2 + i, START + i * HOUR_MS, 1 + (int64_t)(i * i));
    for (uint64_t i = 10; i < 100; i++) // a replay from a checkpoint
        pay(&twice, 2 + i, START + i * HOUR_MS, 1 + (int64_t)(i * i));
    assert_memory_equal(&once, &twice, sizeof(once));
    assert_true(habits_are_valid(&once));
    struct habits kept = habits_of_bytes(slice_of(&once, sizeof(once)));
    assert_memory_equal(&kept, &once, sizeof(once));
    kept = habits_of_bytes(slice_of(&once, sizeof(once) - 1));
    assert_int_equal(kept.version, 0);
}

static void texts_go_there_and_back(void **state) {
    struct buffer buffer = {0};
    finding_begin(&buffer, SLICE("a-rule"));
    buffer_add_text(&buffer, "Because.");
    finding_add_id(&buffer, some_id(7));
    struct slice texts = buffer_slice(&buffer);
    assert_true(finding_is_valid(texts));
    assert_true(slice_equal(finding_rule(texts), SLICE("a-rule")));
    assert_true(slice_equal(finding_sentence(texts), SLICE("Because.")));
    assert_int_equal(finding_ids(texts).size, sizeof(struct id));
    for (size_t size = 0; size < 8 + sizeof(struct id); size++)
        assert_false(finding_is_valid(slice_of(texts.bytes, size)));
    buffer_done(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_end_with_their_oldest_bucket),
        cmocka_unit_test(each_bound_is_met_exactly),
        cmocka_unit_test(seeing_twice_is_seeing_once),
        cmocka_unit_test(texts_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
