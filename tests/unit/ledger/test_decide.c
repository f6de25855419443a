// SPDX-License-Identifier: MIT
// The ladder: every pair of faults that a command can have at once, in order; who may do what in
// which status of a wallet; the bounds of money.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scene.h"

#define T(name)       (UINT64_C(1) << COMMAND_##name)
// From one wallet to another.
#define PAIRS         (T(PURCHASE) | T(TRANSFER) | T(HOLD) | T(REFUND) | T(CAPTURE))
#define OF_HOLD       (T(CAPTURE) | T(VOID) | T(EXPIRE))
#define OF_WITHDRAWAL (T(SETTLE) | T(FAIL))
#define ON_ONE        (T(DEPOSIT) | T(WITHDRAWAL) | T(WALLET_CHANGE))
#define ON_WALLET     (PAIRS | OF_HOLD | OF_WITHDRAWAL | ON_ONE)
#define ALL           (ON_WALLET | T(WALLET_OPEN) | T(KEY_CREATE) | T(KEY_REVOKE) | T(KEY_ROTATE))

static void break_principal(struct scene *scene) {
    scene->keys[0].revoked = true;
}
static void break_hold_found(struct scene *scene) {
    scene->docket.hold = NULL;
}
static void break_withdrawal_found(struct scene *scene) {
    scene->docket.withdrawal = NULL;
}
static void break_purchase_found(struct scene *scene) {
    scene->docket.purchase = NULL;
    scene->docket.wallet = scene->docket.counterparty = NULL;
    scene->docket.subject_is_other_transaction = false;
}
static void break_key_found(struct scene *scene) {
    scene->docket.key = NULL;
}
static void break_wallet_found(struct scene *scene) {
    scene->docket.wallet = NULL;
}
static void break_counterparty_found(struct scene *scene) {
    scene->docket.counterparty = NULL;
}
static void break_same_wallet(struct scene *scene) {
    scene->shop.id = scene->payer.id;
}
static void break_currency_given(struct scene *scene) {
    scene->command.currency = scene->accounts[1].currency;
}
static void break_currency_between(struct scene *scene) {
    scene->shop.currency = 1;
    scene->docket.counterparty_currency = &scene->accounts[1].currency;
}
static void break_merchant(struct scene *scene) {
    scene->shop.kind = WALLET_CUSTOMER;
}
static void break_payer_open(struct scene *scene) {
    scene->payer.status = WALLET_CLOSED;
}
static void break_payee_open(struct scene *scene) {
    scene->shop.status = WALLET_CLOSED;
}
static void break_payer_thawed(struct scene *scene) {
    scene->payer.status = WALLET_FROZEN;
}
static void break_version(struct scene *scene) {
    scene->command.has_if_match = true;
    scene->command.if_match = scene->payer.version + 1;
}
static void break_bank_id(struct scene *scene) {
    scene->command.bank_id = SLICE("bank-1");
    scene->docket.bank_transaction = &scene->bank_owner;
}
static void break_hold_open(struct scene *scene) {
    scene->hold.status = HOLD_VOIDED;
}
static void break_hold_time(struct scene *scene) {
    scene->hold.expires_at_ms = scene->now_ms;
}
static void break_withdrawal_pending(struct scene *scene) {
    scene->withdrawal.status = WITHDRAWAL_FAILED;
}
static void break_capture_bound(struct scene *scene) {
    scene->command.amount = 91;
}
static void break_refund_bound(struct scene *scene) {
    scene->command.amount = 61;
}
static void break_funds(struct scene *scene) {
    scene->payer.balance = scene->payer.held + 29;
}
static void break_payee_limit(struct scene *scene) {
    scene->shop.balance = LIMIT_AMOUNT_MAX - 29;
}
static void break_receiver_limit(struct scene *scene) {
    scene->payer.balance = LIMIT_AMOUNT_MAX - 29;
}
static void break_empty(struct scene *scene) {
    scene->command.has_status = true;
    scene->command.wallet_status = WALLET_CLOSED;
}
static void break_credit_limit(struct scene *scene) {
    scene->payer.credit_limit = 2000;
    scene->payer.balance = -400;
    scene->command.has_credit_limit = true;
    scene->command.credit_limit = 539; // 540 are in use
}
static void break_last_admin(struct scene *scene) {
    scene->keys[1].role = ROLE_ADMIN;
    scene->keys[0].role = ROLE_SERVICE;
}

static const struct fault {
    const char *name;
    uint64_t types;
    enum status status;
    void (*make)(struct scene *scene);
} ladder[] = {
    {"principal", ALL, STATUS_unauthenticated, break_principal},
    {"hold found", OF_HOLD, STATUS_not_found, break_hold_found},
    {"withdrawal found", OF_WITHDRAWAL, STATUS_not_found, break_withdrawal_found},
    {"purchase found", T(REFUND), STATUS_not_found, break_purchase_found},
    {"key found", T(KEY_REVOKE) | T(KEY_ROTATE), STATUS_not_found, break_key_found},
    // A purchase's wallets are always there.
    {"wallet found", ON_WALLET & ~T(REFUND), STATUS_not_found, break_wallet_found},
    {"counterparty found", PAIRS & ~T(REFUND), STATUS_not_found, break_counterparty_found},
    {"same wallet", PAIRS, STATUS_same_wallet, break_same_wallet},
    {"currency given", ON_WALLET, STATUS_currency_mismatch, break_currency_given},
    {"currency between", PAIRS, STATUS_currency_mismatch, break_currency_between},
    {"merchant", T(PURCHASE) | T(HOLD), STATUS_not_a_merchant, break_merchant},
    {"payer open", PAIRS | T(DEPOSIT) | T(WITHDRAWAL) | T(SETTLE), STATUS_wallet_closed,
     break_payer_open},
    {"payee open", PAIRS, STATUS_wallet_closed, break_payee_open},
    {"payer thawed", PAIRS | T(WITHDRAWAL), STATUS_wallet_frozen, break_payer_thawed},
    {"version", ON_WALLET, STATUS_version_mismatch, break_version},
    {"bank id", T(DEPOSIT) | T(WITHDRAWAL) | T(SETTLE), STATUS_duplicate_bank_transaction,
     break_bank_id},
    {"hold open", OF_HOLD, STATUS_hold_not_open, break_hold_open},
    {"hold time", T(CAPTURE), STATUS_hold_not_open, break_hold_time},
    {"withdrawal pending", OF_WITHDRAWAL, STATUS_withdrawal_not_pending, break_withdrawal_pending},
    {"capture bound", T(CAPTURE), STATUS_capture_exceeds_hold, break_capture_bound},
    {"refund bound", T(REFUND), STATUS_refund_exceeds_purchase, break_refund_bound},
    {"funds", (PAIRS & ~T(CAPTURE)) | T(WITHDRAWAL), STATUS_insufficient_funds, break_funds},
    {"payee limit", PAIRS & ~T(HOLD), STATUS_balance_limit_exceeded, break_payee_limit},
    {"receiver limit", T(DEPOSIT), STATUS_balance_limit_exceeded, break_receiver_limit},
    {"empty", T(WALLET_CHANGE), STATUS_wallet_not_empty, break_empty},
    {"credit limit", T(WALLET_CHANGE), STATUS_credit_limit_in_use, break_credit_limit},
    {"last admin", T(KEY_REVOKE), STATUS_last_admin_key, break_last_admin},
};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

static bool type_is_decided(int type) {
    return (ALL >> type & 1) != 0; // cursors have rules of their own
}

static void test_every_command_succeeds_unbroken(void **state) {
    (void)state;
    for (int type = 0; type < COMMAND_TYPE_COUNT; type++) {
        struct scene scene;
        if (!type_is_decided(type))
            continue;
        scene_make(&scene, (enum command_type)type);
        if (scene_decide(&scene) != STATUS_ok)
            fail_msg("%s: %s", command_type_name((enum command_type)type),
                     status_name(scene.refusal.status));
        assert_int_equal(scene.record.operation, type);
    }
}

static void test_each_fault_alone_is_told(void **state) {
    (void)state;
    for (int type = 0; type < COMMAND_TYPE_COUNT; type++) {
        for (size_t i = 0; i < RUNGS; i++) {
            struct scene scene;
            if ((ladder[i].types >> type & 1) == 0)
                continue;
            scene_make(&scene, (enum command_type)type);
            ladder[i].make(&scene);
            enum status status = scene_decide(&scene);
            if (status != ladder[i].status)
                fail_msg("%s with %s: %s", command_type_name((enum command_type)type),
                         ladder[i].name, status_name(status));
            assert_int_equal(scene.refusal.status, status);
        }
    }
}

// Not only neighbours: every two faults, so that no rung can be passed by.
static void test_of_two_faults_the_earlier_is_told(void **state) {
    int pairs = 0;
    (void)state;
    for (int type = 0; type < COMMAND_TYPE_COUNT; type++) {
        for (size_t i = 0; i < RUNGS; i++) {
            for (size_t j = i + 1; j < RUNGS; j++) {
                struct scene scene;
                if (((ladder[i].types & ladder[j].types) >> type & 1) == 0)
                    continue;
                scene_make(&scene, (enum command_type)type);
                ladder[j].make(&scene);
                ladder[i].make(&scene);
                enum status status = scene_decide(&scene);
                if (status != ladder[i].status)
                    fail_msg("%s with %s and %s: %s", command_type_name((enum command_type)type),
                             ladder[i].name, ladder[j].name, status_name(status));
                pairs++;
            }
        }
    }
    assert_true(pairs > 500);
}

// Rows: what became of it with the payer (of a deposit: the receiver) active, frozen, closed;
// columns: payee active, frozen, closed. o: done, f: frozen, c: closed.
static void test_who_may_do_what_in_which_status(void **state) {
    static const struct {
        enum command_type type;
        const char *expected;
    } matrix[] = {
        {COMMAND_DEPOSIT, "ooo ooo ccc"},     {COMMAND_WITHDRAWAL, "ooo fff ccc"},
        {COMMAND_SETTLE, "ooo ooo ccc"},      {COMMAND_FAIL, "ooo ooo ooo"},
        {COMMAND_PURCHASE, "ooc ffc ccc"},    {COMMAND_TRANSFER, "ooc ffc ccc"},
        {COMMAND_REFUND, "ooc ffc ccc"},      {COMMAND_HOLD, "ooc ffc ccc"},
        {COMMAND_CAPTURE, "ooc ffc ccc"},     {COMMAND_VOID, "ooo ooo ooo"},
        {COMMAND_EXPIRE, "ooo ooo ooo"},      {COMMAND_WALLET_CHANGE, "ooo ooo ooo"},
        {COMMAND_WALLET_OPEN, "ooo ooo ooo"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
        for (uint8_t payer = WALLET_ACTIVE; payer <= WALLET_CLOSED; payer++) {
            for (uint8_t payee = WALLET_ACTIVE; payee <= WALLET_CLOSED; payee++) {
                struct scene scene;
                scene_make(&scene, matrix[i].type);
                scene.payer.status = payer;
                scene.shop.status = payee;
                enum status status = scene_decide(&scene);
                char seen = status == STATUS_ok              ? 'o'
                            : status == STATUS_wallet_frozen ? 'f'
                            : status == STATUS_wallet_closed ? 'c'
                                                             : '?';
                if (seen != matrix[i].expected[payer * 4 + payee])
                    fail_msg("%s, payer %u, payee %u: %s", command_type_name(matrix[i].type), payer,
                             payee, status_name(status));
                if (status == STATUS_wallet_closed)
                    assert_true(id_equal(scene.refusal.id,
                                         payer == WALLET_CLOSED ? scene.payer.id : scene.shop.id));
            }
        }
    }
}

static void test_the_largest_amounts(void **state) {
    struct scene scene;
    (void)state;
    // A debit down to the credit limit's end, and not one unit more.
    scene_make(&scene, COMMAND_TRANSFER);
    scene.payer.balance = 0;
    scene.payer.held = 0;
    scene.payer.credit_limit = LIMIT_AMOUNT_MAX;
    scene.shop.balance = 0;
    scene.command.amount = LIMIT_AMOUNT_MAX;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    assert_int_equal(scene.record.transaction.debit.balance, -LIMIT_AMOUNT_MAX);
    assert_int_equal(scene.record.transaction.credit.balance, LIMIT_AMOUNT_MAX);
    scene_apply(&scene, &scene.record);
    scene.command.amount = 1;
    assert_int_equal(scene_decide(&scene), STATUS_insufficient_funds);
    assert_int_equal(scene.refusal.has, 0);
    // A deposit brings it from one end to zero, and from zero to the other, and no further.
    scene_make(&scene, COMMAND_DEPOSIT);
    scene.payer.balance = -LIMIT_AMOUNT_MAX;
    scene.payer.held = 0;
    scene.payer.credit_limit = LIMIT_AMOUNT_MAX;
    scene.command.amount = LIMIT_AMOUNT_MAX;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        scene_apply(&scene, &scene.record);
    }
    assert_int_equal(scene.payer.balance, LIMIT_AMOUNT_MAX);
    scene.command.amount = 1;
    assert_int_equal(scene_decide(&scene), STATUS_balance_limit_exceeded);
    assert_int_equal(scene.refusal.has, LIMIT_AMOUNT_MAX);
    assert_int_equal(scene.refusal.asked, 1);
}

static void test_held_money_and_credit_are_spendable_exactly(void **state) {
    (void)state;
    for (int64_t over = 0; over <= 1; over++) {
        struct scene scene;
        scene_make(&scene, COMMAND_WITHDRAWAL);
        scene.payer.credit_limit = 7;
        scene.command.amount = 1000 - 140 + 7 + over;
        assert_int_equal(scene_decide(&scene), over == 0 ? STATUS_ok : STATUS_insufficient_funds);
        if (over == 1) {
            assert_int_equal(scene.refusal.has, 867);
            assert_int_equal(scene.refusal.asked, 868);
            assert_true(id_equal(scene.refusal.id, scene.payer.id));
            assert_memory_equal(scene.refusal.currency.code, "USD", 3);
        }
        // A capture spends what was set aside, whatever else is gone.
        scene_make(&scene, COMMAND_CAPTURE);
        scene.payer.balance = 140 - 500;
        scene.payer.credit_limit = 500;
        scene.command.amount = 90 + over;
        assert_int_equal(scene_decide(&scene), over == 0 ? STATUS_ok : STATUS_capture_exceeds_hold);
    }
}

static void test_a_refund_of_what_is_left_and_of_nothing(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_REFUND);
    scene.command.has_amount = false;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    assert_int_equal(scene.record.transaction.amount, 60);
    scene_apply(&scene, &scene.record);
    assert_int_equal(scene.purchase.refunded, 80);
    assert_int_equal(scene_decide(&scene), STATUS_refund_exceeds_purchase);
    assert_int_equal(scene.refusal.has, 0);
    assert_int_equal(scene.refusal.id_type, ID_TRANSACTION);
    // The merchant pays from spendable money.
    scene_make(&scene, COMMAND_REFUND);
    scene.payer.balance = scene.payer.held;
    assert_int_equal(scene_decide(&scene), STATUS_insufficient_funds);
    assert_true(id_equal(scene.refusal.id, scene.purchase.merchant));
}

static void test_only_purchases_are_refunded(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_REFUND);
    scene.docket.purchase = NULL;
    scene.docket.wallet = scene.docket.counterparty = NULL;
    scene.docket.subject_is_other_transaction = true;
    // Its currency is known, and asked for before its type.
    scene.command.currency = scene.accounts[1].currency;
    assert_int_equal(scene_decide(&scene), STATUS_currency_mismatch);
    assert_true(id_equal(scene.refusal.id, scene.command.subject));
    scene.command.currency = scene.docket.currency->currency;
    break_version(&scene);
    assert_int_equal(scene_decide(&scene), STATUS_not_a_purchase);
    assert_true(id_equal(scene.refusal.id, scene.command.subject));
    assert_int_equal(scene.refusal.id_type, ID_TRANSACTION);
    break_principal(&scene);
    assert_int_equal(scene_decide(&scene), STATUS_unauthenticated);
}

static void test_tokens_run_out_while_they_wait(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_TRANSFER);
    scene.command.principal_key = (struct id){{0}};
    scene.docket.principal = NULL;
    scene.command.token_until_ms = scene.now_ms + 1;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene.command.token_until_ms = scene.now_ms;
    assert_int_equal(scene_decide(&scene), STATUS_unauthenticated);
    assert_true(id_is_zero(scene.refusal.id));
}

static void test_a_key_revoked_twice_is_not_found(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_KEY_REVOKE);
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene_apply(&scene, &scene.record);
    assert_int_equal(scene_decide(&scene), STATUS_not_found);
    assert_int_equal(scene.refusal.id_type, ID_KEY);
    // Nobody may act with a key that is not there at all; the system needs none.
    scene_make(&scene, COMMAND_TRANSFER);
    scene.docket.principal = NULL;
    assert_int_equal(scene_decide(&scene), STATUS_unauthenticated);
    scene.command.principal_key = (struct id){{0}};
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene_make(&scene, COMMAND_TRANSFER);
    scene.docket.principal = &scene.keys[1];
    scene.keys[1].expires_at_ms = scene.now_ms;
    assert_int_equal(scene_decide(&scene), STATUS_unauthenticated);
    scene.keys[1].expires_at_ms = scene.now_ms + 1;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
}

static void test_refusals_name_what_they_are_about(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_DEPOSIT);
    break_bank_id(&scene);
    assert_int_equal(scene_decide(&scene), STATUS_duplicate_bank_transaction);
    assert_true(id_equal(scene.refusal.other, scene.bank_owner));
    scene_make(&scene, COMMAND_TRANSFER);
    break_version(&scene);
    assert_int_equal(scene_decide(&scene), STATUS_version_mismatch);
    assert_int_equal(scene.refusal.asked, 6);
    assert_int_equal(scene.refusal.has, 5);
    scene_make(&scene, COMMAND_TRANSFER);
    break_currency_between(&scene);
    assert_int_equal(scene_decide(&scene), STATUS_currency_mismatch);
    assert_true(id_equal(scene.refusal.id, scene.shop.id));
    assert_memory_equal(scene.refusal.currency.code, "EUR", 3);
    scene_make(&scene, COMMAND_INVALID);
    scene.command.door = STATUS_forbidden;
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
}

static void test_replays_need_the_same_request(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_DEPOSIT);
    scene.command.has_key = true;
    scene.command.key = (struct digest128){1, 2};
    scene.command.request = (struct digest128){3, 4};
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    assert_int_equal(decide_replay(&scene.command, &scene.record), STATUS_ok);
    scene.command.request.high ^= 1;
    assert_int_equal(decide_replay(&scene.command, &scene.record), STATUS_idempotency_key_reused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_succeeds_unbroken),
        cmocka_unit_test(test_each_fault_alone_is_told),
        cmocka_unit_test(test_of_two_faults_the_earlier_is_told),
        cmocka_unit_test(test_who_may_do_what_in_which_status),
        cmocka_unit_test(test_the_largest_amounts),
        cmocka_unit_test(test_held_money_and_credit_are_spendable_exactly),
        cmocka_unit_test(test_a_refund_of_what_is_left_and_of_nothing),
        cmocka_unit_test(test_only_purchases_are_refunded),
        cmocka_unit_test(test_tokens_run_out_while_they_wait),
        cmocka_unit_test(test_a_key_revoked_twice_is_not_found),
        cmocka_unit_test(test_refusals_name_what_they_are_about),
        cmocka_unit_test(test_replays_need_the_same_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
