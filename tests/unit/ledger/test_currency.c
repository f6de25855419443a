// SPDX-License-Identifier: MIT
// The list of ISO 4217: codes are found if and only if they stand in it, with the right exponent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/money.h"

// The search is binary: were the list not sorted and unique, codes would be lost, and the count
// and the sums over all that are found would differ.
static void test_all_codes_of_three_letters(void **state) {
    uint32_t found = 0, by_exponent[5] = {0};
    (void)state;
    for (char a = 'A'; a <= 'Z'; a++) {
        for (char b = 'A'; b <= 'Z'; b++) {
            for (char c = 'A'; c <= 'Z'; c++) {
                char code[3] = {a, b, c};
                struct currency currency;
                if (!currency_iso_find(slice_of(code, 3), &currency))
                    continue;
                assert_true(slice_equal(currency_code(&currency), slice_of(code, 3)));
                assert_true(currency.exponent <= 4);
                for (size_t i = 3; i < sizeof(currency.code); i++)
                    assert_int_equal(currency.code[i], 0);
                by_exponent[currency.exponent]++;
                found++;
            }
        }
    }
    assert_int_equal(found, 166);
    assert_int_equal(by_exponent[0], 17);
    assert_int_equal(by_exponent[1], 0);
    assert_int_equal(by_exponent[3], 7);
    assert_int_equal(by_exponent[4], 2);
}

static void test_exponents(void **state) {
    static const struct {
        const char *code;
        int exponent;
    } known[] = {{"USD", 2}, {"EUR", 2}, {"JPY", 0}, {"KWD", 3}, {"CLF", 4}, {"AED", 2},
                 {"ZWG", 2}, {"XCG", 2}, {"BHD", 3}, {"ISK", 0}, {"UYW", 4}, {"HUF", 2},
                 {"TND", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct currency currency;
        assert_true(currency_iso_find(slice_of_text(known[i].code), &currency));
        assert_int_equal(currency.exponent, known[i].exponent);
    }
}

static void test_what_is_no_code(void **state) {
    static const char *const others[] = {"", "US", "USDT", "usd", "XAU", "XTS", "ZZZ", "AAA"};
    struct currency currency = {.exponent = 77};
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(currency_iso_find(slice_of_text(others[i]), &currency));
    assert_false(currency_iso_find(slice_of("US\0", 3), &currency));
    assert_int_equal(currency.exponent, 77);
    assert_false(currency_is_given(&(struct currency){{0}, 2}));
    assert_true(amount_is_valid(1) && amount_is_valid(LIMIT_AMOUNT_MAX));
    assert_false(amount_is_valid(0) || amount_is_valid(LIMIT_AMOUNT_MAX + 1) ||
                 amount_is_valid(-1) || amount_is_valid(INT64_MIN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_codes_of_three_letters),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_what_is_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
