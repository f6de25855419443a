// SPDX-License-Identifier: MIT
// What stands after records, with where each thing was made and ended.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "move/model.h"

static const struct currency dollars = {.code = "USD", .exponent = 2};
static const struct id ann = {{1, 1}}, shop = {{1, 2}}, hold = {{1, 3}}, paid = {{1, 4}};

static struct record wallet_opened(struct id id, uint8_t kind) {
    struct record record = {.kind = RECORD_WALLET, .operation = COMMAND_WALLET_OPEN};
    record.wallet = (struct wallet_facts){
        .id = id, .currency = dollars, .kind = kind, .version = 1, .owner = SLICE("somebody")};
    return record;
}

static struct record deposited(int64_t amount) {
    struct record record = {.kind = RECORD_TRANSACTION, .operation = COMMAND_DEPOSIT};
    record.transaction = (struct transaction_facts){
        .id = paid,
        .type = TRANSACTION_DEPOSIT,
        .amount = amount,
        .currency = dollars,
        .credit = {.wallet = ann, .balance = amount, .version = 2, .number = 1},
        .external_total = amount};
    return record;
}

static struct record held(uint8_t status, uint64_t version, int64_t amount) {
    struct record record = {.kind = RECORD_HOLD,
                            .operation = status == HOLD_OPEN ? COMMAND_HOLD : COMMAND_EXPIRE};
    record.hold = (struct hold_facts){.id = hold,
                                      .wallet = ann,
                                      .merchant = shop,
                                      .amount = 30,
                                      .expires_at_ms = 77,
                                      .status = status,
                                      .currency = dollars,
                                      .wallet_balance = 100,
                                      .wallet_held = amount,
                                      .wallet_version = version,
                                      .order = SLICE("order")};
    return record;
}

static void take(struct model *model, uint64_t position, struct record record) {
    assert_true(model_take(model, position, &record));
}

static void test_a_wallet_a_deposit_and_a_hold(void **state) {
    struct model *model = test_malloc(sizeof(*model));
    (void)state;
    model_init(model, 5);
    take(model, 8, wallet_opened(ann, WALLET_CUSTOMER));
    take(model, 16, wallet_opened(shop, WALLET_MERCHANT));
    take(model, 24, deposited(100));
    take(model, 32, held(HOLD_OPEN, 3, 30));
    const struct model_wallet *wallet =
        tally_map_at(&model->wallets, tally_map_find(&model->wallets, ann));
    assert_int_equal(wallet->wallet.balance, 100);
    assert_int_equal(wallet->wallet.held, 30);
    assert_int_equal(wallet->wallet.version, 3);
    assert_int_equal(wallet->details, 8);
    assert_int_equal(wallet->last, 24);
    assert_int_equal(wallet->transaction_count, 1);
    assert_true(slice_equal(wallet->owner, SLICE("somebody")));
    assert_int_equal(model->currency_count, 1);
    assert_int_equal(model->currencies[0].wallet_count, 2);
    assert_true(model->currencies[0].deposits == 100 && model->currencies[0].balances == 100);
    const struct model_hold *item =
        tally_map_at(&model->holds, tally_map_find(&model->holds, hold));
    assert_int_equal(item->opened, 32);
    assert_int_equal(item->closed, 0);
    assert_int_equal(model->hold_open_count, 1);
    assert_true(slice_equal(item->order, SLICE("order")));
    take(model, 40, held(HOLD_EXPIRED, 4, 0));
    item = tally_map_at(&model->holds, tally_map_find(&model->holds, hold));
    assert_int_equal(item->hold.status, HOLD_EXPIRED);
    assert_int_equal(item->closed, 40);
    assert_int_equal(model->hold_open_count, 0);
    assert_int_equal(model->record_count, 5);
    assert_int_equal(model->transaction_count, 1);
    model_done(model);
    test_free(model);
}

static void test_what_names_nothing_is_told(void **state) {
    struct model *model = test_malloc(sizeof(*model));
    struct record record = deposited(100);
    (void)state;
    model_init(model, 5);
    assert_false(model_take(model, 8, &record));
    assert_non_null(model->why);
    record = held(HOLD_OPEN, 2, 30);
    assert_false(model_take(model, 8, &record));
    model_done(model);
    test_free(model);
}

static void test_money_from_nowhere_is_told(void **state) {
    struct model *model = test_malloc(sizeof(*model));
    struct record record = deposited(100);
    (void)state;
    model_init(model, 5);
    take(model, 8, wallet_opened(ann, WALLET_CUSTOMER));
    record.transaction.credit.balance = 101;
    assert_false(model_take(model, 16, &record));
    assert_string_equal(model->why, "money comes from nowhere");
    model_done(model);
    test_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wallet_a_deposit_and_a_hold),
        cmocka_unit_test(test_what_names_nothing_is_told),
        cmocka_unit_test(test_money_from_nowhere_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
