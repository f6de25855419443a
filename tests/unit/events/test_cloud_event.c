// SPDX-License-Identifier: MIT
// Which records make events, for whom, and with which versions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "events/cloud_event.h"

static struct buffer json;
static struct cloud_event events[CLOUD_EVENTS_MAX];

static struct id id_of(uint8_t number) {
    return (struct id){{[6] = 0x70, [8] = 0x80, [15] = number}};
}

static uint32_t events_of(const struct record *record) {
    buffer_reset(&json);
    uint32_t count = cloud_events_of(record, NULL, 4096, "/florin/x", &json, events);
    assert_int_equal(cloud_event_is_told(record), count != 0);
    for (uint32_t i = 0; i < count; i++) { // it is named as it says, and its type is in the list
        char id[64];
        (void)snprintf(id, sizeof(id), "\"id\":\"%s\"", events[i].id);
        assert_non_null(memmem(events[i].json.bytes, events[i].json.size, id, strlen(id)));
        const char *const *type = cloud_event_types();
        while (*type != NULL && strcmp(*type, cloud_event_type(record)) != 0)
            type++;
        assert_non_null(*type);
    }
    return count;
}

static bool says(uint32_t index, const char *part) {
    return memmem(events[index].json.bytes, events[index].json.size, part, strlen(part)) != NULL;
}

static void test_a_payment_is_told_to_both_wallets(void **state) {
    struct record record = {.kind = RECORD_TRANSACTION,
                            .operation = COMMAND_TRANSFER,
                            .time_ms = 1,
                            .transaction = {.id = id_of(9),
                                            .type = TRANSACTION_TRANSFER,
                                            .amount = 5,
                                            .currency = {.code = "EUR", .exponent = 2},
                                            .debit = {.wallet = id_of(1), .number = 4,
                                                      .version = 7},
                                            .credit = {.wallet = id_of(2), .number = 2,
                                                       .version = 3}}};
    (void)state;
    assert_int_equal(events_of(&record), 2);
    assert_true(id_equal(events[0].wallet, id_of(1)) && events[0].version == 7);
    assert_true(id_equal(events[1].wallet, id_of(2)) && events[1].version == 3);
    assert_true(says(0, "\"sequence\":\"7\"") && says(1, "\"sequence\":\"3\""));
    assert_true(says(0, "florin.transaction.transfer") && says(0, "\"id\":\"4096d\""));
    assert_true(says(1, "\"id\":\"4096c\""));
    record.transaction.debit.wallet = (struct id){{0}};
    assert_int_equal(events_of(&record), 1);
    assert_true(id_equal(events[0].wallet, id_of(2)));
    // Each of two shards tells the side that it has.
    record.transaction.debit = (struct posting_side){.wallet = id_of(1), .version = 7};
    assert_int_equal(events_of(&record), 1);
    assert_true(id_equal(events[0].wallet, id_of(2)) && says(0, "\"id\":\"4096c\""));
    record.transaction.debit.number = 4;
    record.transaction.credit.number = 0;
    assert_int_equal(events_of(&record), 1);
    assert_true(id_equal(events[0].wallet, id_of(1)) && says(0, "\"id\":\"4096d\""));
}

static void test_what_changes_no_wallet_is_not_told(void **state) {
    struct record record = {.kind = RECORD_WALLET,
                            .operation = COMMAND_WALLET_CHANGE,
                            .wallet = {.id = id_of(1),
                                       .version = 2,
                                       .currency = {.code = "EUR", .exponent = 2},
                                       .owner = SLICE("ann")}};
    (void)state;
    assert_int_equal(events_of(&record), 1);
    assert_true(says(0, "florin.wallet.changed"));
    record.wallet.unchanged = true;
    assert_int_equal(events_of(&record), 0);
    static const uint8_t silent[] = {RECORD_KEY, RECORD_REFUSAL, RECORD_BATCH, RECORD_CURSOR};
    for (size_t i = 0; i < sizeof(silent); i++) {
        struct record other = {.kind = silent[i]};
        assert_int_equal(events_of(&other), 0);
    }
    buffer_done(&json);
}

static void test_an_alarm_is_told_of_the_books(void **state) {
    static const char *const types[] = {"florin.integrity.differs", "florin.integrity.right_again",
                                        "florin.integrity.payments_resumed"};
    (void)state;
    for (uint8_t status = ALARM_DIFFERS; status <= ALARM_RESUMED; status++) {
        struct record record = {.kind = RECORD_ALARM,
                                .operation = COMMAND_ALARM,
                                .time_ms = 1,
                                .alarm = {.status = status,
                                          .stops = status == ALARM_DIFFERS,
                                          .message = SLICE("a \"difference\"")}};
        assert_int_equal(events_of(&record), 1);
        assert_true(says(0, types[status]) && says(0, "\"subject\":\"books\""));
        assert_true(says(0, "a \\\"difference\\\""));
        assert_true(says(0, status == ALARM_DIFFERS ? "\"payments_stopped\":true"
                                                    : "\"payments_stopped\":false"));
    }
    // Somebody let payments go on that nothing had stopped.
    struct record needless = {.kind = RECORD_ALARM,
                              .operation = COMMAND_ALARM,
                              .time_ms = 1,
                              .alarm = {.status = ALARM_RESUMED}};
    assert_int_equal(events_of(&needless), 0);
    assert_false(cloud_event_is_told(&needless));
    buffer_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_payment_is_told_to_both_wallets),
        cmocka_unit_test(test_what_changes_no_wallet_is_not_told),
        cmocka_unit_test(test_an_alarm_is_told_of_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
