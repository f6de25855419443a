// SPDX-License-Identifier: MIT
// Amounts as people write them: exact in every exponent, refused where they could be meant in two
// ways, and written back so that reading them gives the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "programs/client/client_amount.h"

static void expect(const char *text, int64_t amount, const char *code) {
    int64_t got = -1;
    struct currency currency = {.code = "dirty"};
    const char *why = NULL;
    assert_true(client_amount_parse(slice_of_text(text), &got, &currency, &why));
    assert_int_equal(got, amount);
    assert_true(slice_equal(currency_code(&currency), slice_of_text(code)));
}

static void refuse(const char *text) {
    int64_t amount = 77;
    struct currency currency = {.code = "kept"};
    const char *why = NULL;
    if (client_amount_parse(slice_of_text(text), &amount, &currency, &why))
        fail_msg("\"%s\" was taken as %lld", text, (long long)amount);
    assert_non_null(why);
    assert_int_equal(amount, 77);
    assert_string_equal(currency.code, "kept");
}

static void minor_units_have_no_currency(void **state) {
    expect("0", 0, "");
    expect("1250", 1250, "");
    expect("0001", 1, "");
    expect("9007199254740991", LIMIT_AMOUNT_MAX, "");
}

static void major_units_follow_the_exponent(void **state) {
    expect("12.50USD", 1250, "USD");
    expect("12.5 USD", 1250, "USD");
    expect("12USD", 1200, "USD");
    expect("12JPY", 12, "JPY");
    expect("1.001KWD", 1001, "KWD");
    expect("1.0001CLF", 10001, "CLF");
    expect("90071992547409.91USD", LIMIT_AMOUNT_MAX, "USD");
}

static void what_is_not_clear_is_refused(void **state) {
    static const char *const texts[] = {
        "",    ".",    ".5USD", "12.",  "12.USD",   "12.50",  "12.505USD", "1.5JPY",
        "USD", "-1",   "+1",    " 1",   "1 ",       "1 USD ", "1  USD",    "1,000",
        "1e3", "0x10", "1usd",  "1XXY", "1.2.3USD", "1USDX",  "12.5.USD",  "१",
    };
    for (size_t at = 0; at < sizeof(texts) / sizeof(texts[0]); at++)
        refuse(texts[at]);
}

static void too_large_is_refused_at_every_length(void **state) {
    refuse("9007199254740992");
    refuse("90071992547409.92USD");
    refuse("9007199254740991USD");
    refuse("18446744073709551617");
    refuse("99999999999999999999999999999999999999999999999");
}

static void expect_written(__int128 amount, const char *code, const char *text) {
    struct buffer buffer = {0};
    client_amount_add(&buffer, amount, slice_of_text(code));
    assert_int_equal(buffer.size, strlen(text));
    assert_memory_equal(buffer.bytes, text, buffer.size);
    buffer_done(&buffer);
}

static void writing_shows_every_digit(void **state) {
    expect_written(0, "USD", "0.00 USD");
    expect_written(5, "USD", "0.05 USD");
    expect_written(-5, "USD", "-0.05 USD");
    expect_written(-100, "USD", "-1.00 USD");
    expect_written(1250, "JPY", "1250 JPY");
    expect_written(1001, "KWD", "1.001 KWD");
    expect_written(7, "POINTS", "7 POINTS");
    expect_written(7, "", "7");
    expect_written(INT64_MIN, "USD", "-92233720368547758.08 USD");
    expect_written((__int128)1 << 100, "USD", "12676506002282294014967032053.76 USD");
}

static void reading_what_was_written_is_the_same(void **state) {
    static const char *const codes[] = {"USD", "JPY", "KWD", "CLF"};
    uint64_t random = 1;
    for (int turn = 0; turn < 20000; turn++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t amount = (int64_t)(random >> 11 >> (random & 31));
        struct buffer buffer = {0};
        client_amount_add(&buffer, amount, slice_of_text(codes[turn % 4]));
        BUFFER_ADD(&buffer, "\0");
        expect((const char *)buffer.bytes, amount, codes[turn % 4]);
        buffer_done(&buffer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minor_units_have_no_currency),
        cmocka_unit_test(major_units_follow_the_exponent),
        cmocka_unit_test(what_is_not_clear_is_refused),
        cmocka_unit_test(too_large_is_refused_at_every_length),
        cmocka_unit_test(writing_shows_every_digit),
        cmocka_unit_test(reading_what_was_written_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
