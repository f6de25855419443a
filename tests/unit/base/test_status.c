// SPDX-License-Identifier: MIT
// Statuses: every one has a name, a sentence and a class that fits its HTTP code, and keys remember
// exactly what the API says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "expect_stop.h"

static void every_status_is_complete(void **state) {
    for (int i = 0; i < STATUS_COUNT; i++) {
        enum status status = (enum status)i;
        const char *name = status_name(status);
        const char *sentence = status_sentence(status);
        assert_true(strlen(name) >= 2);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
        for (int other = 0; other < i; other++)
            assert_string_not_equal(name, status_name((enum status)other));
    }
}

static void classes_fit_codes(void **state) {
    for (int i = 0; i < STATUS_COUNT; i++) {
        int http = status_http((enum status)i);
        switch (status_class((enum status)i)) {
        case STATUS_CLASS_OK: assert_int_equal(http, 200); break;
        case STATUS_CLASS_INVALID: assert_true((http >= 400 && http <= 415) || http == 501); break;
        case STATUS_CLASS_DENIED: assert_in_range(http, 401, 403); break;
        case STATUS_CLASS_MISSING: assert_true(http == 404 || http == 410); break;
        case STATUS_CLASS_REFUSED: assert_true(http == 409 || http == 422); break;
        case STATUS_CLASS_BUSY:
            assert_true(http == 429 || http == 503 || http == 504 || http == 507);
            break;
        case STATUS_CLASS_BROKEN: assert_int_equal(http, 500); break;
        }
    }
}

// The contract of the API, written out a second time.
static void keys_remember_what_the_ledger_said(void **state) {
    const char *remembered[] = {
        "ok", "not_found", "same_wallet", "currency_mismatch", "not_a_merchant", "not_a_purchase",
        "wallet_closed", "wallet_frozen", "duplicate_bank_transaction", "hold_not_open",
        "withdrawal_not_pending", "capture_exceeds_hold", "refund_exceeds_purchase",
        "insufficient_funds", "balance_limit_exceeded", "wallet_not_empty", "credit_limit_in_use",
        "last_admin_key", "cannot_receive", "cannot_pay", "approval_required",
        "approval_not_pending", "limit_exceeded", "owner_unknown", "encryption_off",
        "refused_by_rule", "held_for_review", "anomaly_not_pending",
    };
    const size_t count = sizeof(remembered) / sizeof(remembered[0]);
    size_t found = 0;
    for (int i = 0; i < STATUS_COUNT; i++) {
        bool expected = false;
        for (size_t at = 0; at < count; at++)
            expected = expected || strcmp(remembered[at], status_name((enum status)i)) == 0;
        if (status_is_remembered((enum status)i) != expected)
            fail_msg("%s", status_name((enum status)i));
        found += expected;
    }
    assert_int_equal(found, count);
}

static void codes_of_the_contract(void **state) {
    assert_int_equal(status_http(STATUS_insufficient_funds), 422);
    assert_int_equal(status_http(STATUS_version_mismatch), 412);
    assert_int_equal(status_http(STATUS_idempotency_key_reused), 422);
    assert_int_equal(status_http(STATUS_request_too_large), 413);
    assert_int_equal(status_http(STATUS_storage_full), 507);
    assert_string_equal(status_name(STATUS_withdrawal_not_pending), "withdrawal_not_pending");
}

static void ask_for_none(void *context) {
    (void)status_name(STATUS_COUNT);
}

static void what_is_no_status_stops(void **state) {
    expect_stop(ask_for_none, NULL, "STATUS_COUNT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_complete),
        cmocka_unit_test(classes_fit_codes),
        cmocka_unit_test(keys_remember_what_the_ledger_said),
        cmocka_unit_test(codes_of_the_contract),
        cmocka_unit_test(what_is_no_status_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
