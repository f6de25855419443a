// SPDX-License-Identifier: MIT
// Each pattern is found when it is there, told once, and not found in what looks a little like it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watch/patterns.h"

#define DAY   UINT64_C(86400000)
#define START (UINT64_C(20000) * DAY)

struct street {
    struct patterns *patterns;
    uint64_t now_ms;
    uint64_t number;
    uint32_t found[PATTERN_COUNT];
    struct pattern_finding last;
};

static void note(void *context, const struct pattern_finding *finding) {
    struct street *street = context;
    street->found[finding->pattern]++;
    street->last = *finding;
    assert_true(strlen(finding->sentence) > 10);
    assert_true(finding->transaction_count >= 1);
    assert_true(finding->score >= 1 && finding->score <= 100);
}

// Wallet `number`, made at that time; its id has the time in front.
static struct id wallet_of(uint64_t number, uint64_t made_ms) {
    struct id id = {0};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(made_ms >> (40 - 8 * i));
    memcpy(id.bytes + 8, &number, sizeof(number));
    assert_true(id_time_ms(id) == made_ms);
    return id;
}

static struct id old(uint64_t number) {
    return wallet_of(number, START - 100 * DAY);
}

static void pay(struct street *street, uint8_t type, struct id from, struct id to, int64_t amount,
                const char *bank_id) {
    struct record record = {.kind = RECORD_TRANSACTION, .time_ms = street->now_ms};
    record.transaction = (struct transaction_facts){
        .type = type,
        .id = wallet_of(++street->number, street->now_ms),
        .amount = amount,
        .currency = {.code = "EUR", .exponent = 2},
        .debit = {.wallet = from},
        .credit = {.wallet = to},
        .bank_id = slice_of_text(bank_id),
    };
    patterns_take(street->patterns, &record);
    street->now_ms += 60000;
}

static const struct id outside;

static int open_street(void **state) {
    static struct street street;
    struct pattern_setting settings[PATTERN_COUNT];
    memset(&street, 0, sizeof(street));
    patterns_set_defaults(settings);
    street.patterns = patterns_open(settings, note, &street);
    street.now_ms = START;
    *state = &street;
    return 0;
}

static int close_street(void **state) {
    patterns_close(((struct street *)*state)->patterns);
    return 0;
}

static uint32_t all(const struct street *street) {
    uint32_t count = 0;
    for (int i = 0; i < PATTERN_COUNT; i++)
        count += street->found[i];
    return count;
}

static void structuring(void **state) {
    struct street *street = *state;
    for (int i = 0; i < 3; i++)
        pay(street, TRANSACTION_DEPOSIT, outside, old(1), 990000, "");
    pay(street, TRANSACTION_DEPOSIT, outside, old(1), 1000000, ""); // at the threshold: reported
    pay(street, TRANSACTION_DEPOSIT, outside, old(1), 500000, "");
    pay(street, TRANSACTION_DEPOSIT, outside, old(2), 990000, "");
    assert_int_equal(all(street), 0);
    pay(street, TRANSACTION_DEPOSIT, outside, old(1), 950000, "");
    assert_int_equal(street->found[PATTERN_STRUCTURING], 1);
    assert_true(id_equal(street->last.wallet, old(1)));
    assert_int_equal(street->last.transaction_count, 4);
    assert_string_equal(street->last.sentence,
                        "4 deposits of 39200.00 EUR together within 24 h, each just below "
                        "10000.00 EUR.");
    pay(street, TRANSACTION_DEPOSIT, outside, old(1), 950000, "");
    assert_int_equal(all(street), 1); // told once
    for (int i = 0; i < 4; i++) {
        street->now_ms += DAY / 3; // too slow
        pay(street, TRANSACTION_WITHDRAWAL, old(3), outside, 990000, "");
    }
    assert_int_equal(all(street), 1);
}

static void circle(void **state) {
    struct street *street = *state;
    pay(street, TRANSACTION_TRANSFER, old(1), old(2), 100000, "");
    pay(street, TRANSACTION_TRANSFER, old(2), old(1), 100000, ""); // there and back is no circle
    assert_int_equal(all(street), 0);
    pay(street, TRANSACTION_TRANSFER, old(1), old(2), 100000, "");
    pay(street, TRANSACTION_TRANSFER, old(2), old(3), 97000, "");
    pay(street, TRANSACTION_TRANSFER, old(3), old(9), 200, "");
    pay(street, TRANSACTION_TRANSFER, old(3), old(4), 95000, "");
    assert_int_equal(all(street), 0);
    pay(street, TRANSACTION_TRANSFER, old(4), old(1), 93000, "");
    assert_int_equal(street->found[PATTERN_CIRCLE], 1);
    assert_true(id_equal(street->last.wallet, old(1)));
    assert_int_equal(street->last.transaction_count, 4);
    // Money that is spent on the way does not come back; and time must go forwards.
    pay(street, TRANSACTION_TRANSFER, old(11), old(12), 100000, "");
    pay(street, TRANSACTION_TRANSFER, old(12), old(13), 20000, "");
    pay(street, TRANSACTION_TRANSFER, old(13), old(11), 20000, "");
    pay(street, TRANSACTION_TRANSFER, old(22), old(23), 100000, "");
    pay(street, TRANSACTION_TRANSFER, old(21), old(22), 100000, "");
    pay(street, TRANSACTION_TRANSFER, old(23), old(21), 100000, "");
    assert_int_equal(all(street), 1);
    // A long way home is found as well, up to nine transfers.
    for (uint8_t length = 9; length <= 10; length++)
        for (uint8_t step = 0; step < length; step++)
            pay(street, TRANSACTION_TRANSFER, old((uint8_t)(length * 10 + step)),
                old((uint8_t)(length * 10 + (step + 1) % length)), 100000 - step * 1000, "");
    assert_int_equal(all(street), 2);
    assert_int_equal(street->last.transaction_count, 9);
}

static void fan_in(void **state) {
    struct street *street = *state;
    for (uint64_t i = 0; i < 8; i++)
        pay(street, TRANSACTION_TRANSFER, old(100 + i), old(1), 5000, "");
    assert_int_equal(all(street), 0); // it may be a present for somebody
    pay(street, TRANSACTION_WITHDRAWAL, old(1), outside, 10000, "");
    assert_int_equal(all(street), 0);
    pay(street, TRANSACTION_WITHDRAWAL, old(1), outside, 25000, "");
    assert_int_equal(street->found[PATTERN_FAN_IN], 1);
    assert_true(id_equal(street->last.wallet, old(1)));
}

static void fan_out(void **state) {
    struct street *street = *state;
    pay(street, TRANSACTION_DEPOSIT, outside, old(1), 100000, "");
    for (uint64_t i = 0; i < 7; i++)
        pay(street, TRANSACTION_TRANSFER, old(1), old(100 + i), 12000, "");
    assert_int_equal(all(street), 0);
    pay(street, TRANSACTION_TRANSFER, old(1), old(200), 12000, "");
    assert_int_equal(street->found[PATTERN_FAN_OUT], 1);
    // A shop that pays its people is no mule.
    struct record record = {.kind = RECORD_WALLET, .time_ms = street->now_ms};
    record.wallet = (struct wallet_facts){.id = old(2), .kind = WALLET_MERCHANT};
    patterns_take(street->patterns, &record);
    pay(street, TRANSACTION_DEPOSIT, outside, old(2), 100000, "");
    for (uint64_t i = 0; i < 20; i++)
        pay(street, TRANSACTION_TRANSFER, old(2), old(300 + i), 5000, "");
    assert_int_equal(all(street), 1);
}

static void shared_bank(void **state) {
    struct street *street = *state;
    char bank_id[40];
    for (uint64_t i = 0; i < 10; i++) {
        (void)snprintf(bank_id, sizeof(bank_id), "ACCOUNT%llu:%llu", (unsigned long long)i % 3,
                       (unsigned long long)i);
        pay(street, TRANSACTION_WITHDRAWAL, old(i % 3), outside, 1000, bank_id);
        pay(street, TRANSACTION_WITHDRAWAL, old(50 + i), outside, 1000, "b1"); // names no account
        pay(street, TRANSACTION_DEPOSIT, outside, old(80 + i), 1000, "EMPLOYER:1");
    }
    assert_int_equal(all(street), 0);
    for (uint64_t i = 0; i < 4; i++)
        pay(street, TRANSACTION_WITHDRAWAL, old(100 + i), outside, 1000, "ACCOUNT1:x");
    assert_int_equal(street->found[PATTERN_SHARED_BANK], 1);
}

static void burst(void **state) {
    struct street *street = *state;
    for (uint64_t i = 0; i < 20; i++) { // a good day
        pay(street, TRANSACTION_PURCHASE, old(100 + i), old(1), 1999, "");
        street->now_ms -= 50000;
    }
    assert_int_equal(all(street), 0);
    for (uint64_t i = 0; i < 10; i++) {
        pay(street, TRANSACTION_PURCHASE, wallet_of(200 + i, street->now_ms - 1000), old(1), 1999,
            "");
        street->now_ms -= 50000;
    }
    assert_int_equal(street->found[PATTERN_BURST], 1);
    assert_true(id_equal(street->last.wallet, old(1)));
}

// The sentence about four deposits, or eight wallets that were paid, within so long.
static const char *said_within(struct street *street, uint32_t seconds, enum pattern pattern) {
    struct pattern_setting settings[PATTERN_COUNT];
    patterns_set_defaults(settings);
    settings[PATTERN_STRUCTURING].window_s = seconds;
    settings[PATTERN_FAN_OUT].window_s = seconds;
    patterns_set(street->patterns, settings);
    uint64_t who = 1000 * (uint64_t)(seconds + pattern);
    for (uint64_t i = 0; i < 4; i++) {
        int64_t amount = pattern == PATTERN_STRUCTURING ? 990000 : 300000;
        pay(street, TRANSACTION_DEPOSIT, outside, old(who), amount, "");
        street->now_ms -= 59999;
    }
    for (uint64_t i = 1; i <= 8 && pattern == PATTERN_FAN_OUT; i++) {
        pay(street, TRANSACTION_TRANSFER, old(who), old(who + i), 140000, "");
        street->now_ms -= 59999;
    }
    assert_int_equal(street->last.pattern, pattern);
    return street->last.sentence;
}

static void sentences_say_how_long_it_took(void **state) {
    struct street *street = *state;
    static const struct {
        uint32_t seconds;
        const char *words;
    } spans[] = {{60, " 1 min"}, {90, " 90 s"}, {600, " 10 min"}, {3600, " 1 h"},
                 {5400, " 90 min"}, {7200, " 2 h"}, {86400, " 24 h"}};
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        char wanted[120];
        (void)snprintf(wanted, sizeof(wanted), "4 deposits of 39600.00 EUR together within%s, each "
                                               "just below 10000.00 EUR.", spans[i].words);
        assert_string_equal(said_within(street, spans[i].seconds, PATTERN_STRUCTURING), wanted);
        (void)snprintf(wanted, sizeof(wanted), "It spread money over 8 wallets: 12000.00 EUR came, "
                                               "and 11200.00 EUR went out within%s.",
                       spans[i].words);
        assert_string_equal(said_within(street, spans[i].seconds, PATTERN_FAN_OUT), wanted);
    }
}

static void a_flood_makes_room_and_makes_nothing_up(void **state) {
    struct street *street = *state;
    for (uint64_t i = 0; i < 300000; i++) {
        pay(street, TRANSACTION_TRANSFER, old(1000 + i), old(1000000 + i), 500, "");
        street->now_ms -= 59990;
    }
    assert_int_equal(all(street), 0);
    circle(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(structuring, open_street, close_street),
        cmocka_unit_test_setup_teardown(circle, open_street, close_street),
        cmocka_unit_test_setup_teardown(fan_in, open_street, close_street),
        cmocka_unit_test_setup_teardown(fan_out, open_street, close_street),
        cmocka_unit_test_setup_teardown(shared_bank, open_street, close_street),
        cmocka_unit_test_setup_teardown(burst, open_street, close_street),
        cmocka_unit_test_setup_teardown(sentences_say_how_long_it_took, open_street, close_street),
        cmocka_unit_test_setup_teardown(a_flood_makes_room_and_makes_nothing_up, open_street,
                                        close_street),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
