// SPDX-License-Identifier: MIT
// The quick check asks the engine for its running totals, once, and for nothing that there is more
// of the more wallets and transactions there are. The stand-in has nothing else: whoever asked for
// wallets, holds, records or history would fall over.
#include "house.h"

static void totals(struct fake_engine *engine, const char *code, int64_t wallets, uint64_t count) {
    struct currency_account *account = &engine->accounts[engine->account_count++];
    CHECK(currency_iso_find(slice_of_text(code), &account->currency));
    account->wallet_count = (uint32_t)count;
    account->balances = wallets;
    account->deposits = 5000;
    account->withdrawals = 1000;
}

static struct http_request *checked(struct house *house) {
    struct http_request *request = house_request(house, "GET", "/check-integrity");
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 200);
    return request;
}

static void it_asks_for_the_running_totals_once(void **state) {
    struct house *house = *state;
    totals(house->engine, "USD", 4000, 4000000000);
    totals(house->engine, "EUR", 4000, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        struct http_request *request = checked(house);
        assert_true(fake_answer_has(request, "\"consistent\":true"));
        assert_true(fake_answer_has(request, "\"wallets\":4000000000"));
        assert_int_equal(house->engine->currencies_asked, i);
        assert_int_equal(house->engine->waiting_count, 0); // nor does it wait for a round
        fake_free(request);
    }
}

static void totals_that_do_not_add_up_are_told(void **state) {
    struct house *house = *state;
    totals(house->engine, "USD", 4000, 2);
    totals(house->engine, "EUR", 4001, 2);
    struct http_request *request = checked(house);
    assert_true(fake_answer_has(request, "\"consistent\":false"));
    assert_true(fake_answer_has(request, "the wallets of EUR together have another sum"));
    assert_int_equal(house->engine->currencies_asked, 1);
    fake_free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_asks_for_the_running_totals_once, house_open,
                                        house_close),
        cmocka_unit_test_setup_teardown(totals_that_do_not_add_up_are_told, house_open,
                                        house_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
