// SPDX-License-Identifier: MIT
// What each command writes down: amounts, balances, versions, who pays whom, and what becomes of
// holds, withdrawals and purchases.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scene.h"

static const struct record *decided(struct scene *scene) {
    enum status status = scene_decide(scene);
    if (status != STATUS_ok)
        fail_msg("%s", status_name(status));
    return &scene->record;
}

static void check_side(const struct posting_side *side, const struct wallet *wallet,
                       int64_t balance_change, int64_t held_change) {
    assert_true(id_equal(side->wallet, wallet->id));
    assert_int_equal(side->balance, wallet->balance + balance_change);
    assert_int_equal(side->held, wallet->held + held_change);
    assert_int_equal(side->version, wallet->version + 1);
}

static void test_payments_move_the_amount_once(void **state) {
    static const struct {
        enum command_type command;
        enum transaction_type type;
    } payments[] = {{COMMAND_PURCHASE, TRANSACTION_PURCHASE},
                    {COMMAND_TRANSFER, TRANSACTION_TRANSFER},
                    {COMMAND_REFUND, TRANSACTION_REFUND}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct scene scene;
        scene_make(&scene, payments[i].command);
        scene.command.order = SLICE("order");
        scene.command.reference = SLICE("reference");
        scene.command.reason = SLICE("reason");
        const struct record *record = decided(&scene);
        assert_int_equal(record->kind, RECORD_TRANSACTION);
        assert_int_equal(record->transaction.type, payments[i].type);
        assert_int_equal(record->transaction.amount, 30);
        check_side(&record->transaction.debit, &scene.payer, -30, 0);
        check_side(&record->transaction.credit, &scene.shop, 30, 0);
        assert_true(record->transaction.external_total == 0);
        assert_true(id_equal(record->transaction.id, scene_id(100)));
        assert_true(slice_equal(record->transaction.order, SLICE("order")));
        assert_true(slice_equal(record->transaction.reference, SLICE("reference")));
        assert_true(slice_equal(record->transaction.reason, SLICE("reason")));
        assert_int_equal(record->time_ms, scene.now_ms);
        bool refund = payments[i].type == TRANSACTION_REFUND;
        assert_int_equal(record->transaction.subject_total, refund ? 50 : 0);
        assert_true(
            id_equal(record->transaction.subject, refund ? scene.purchase.id : (struct id){{0}}));
    }
}

static void test_money_comes_from_and_goes_to_the_world(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_DEPOSIT);
    const struct transaction_facts *facts = &decided(&scene)->transaction;
    check_side(&facts->credit, &scene.payer, 30, 0);
    assert_true(id_is_zero(facts->debit.wallet));
    assert_true(facts->external_total == 10030);
    assert_true(slice_equal(facts->bank_id, SLICE("bank-1")));
    // A withdrawal that the bank has done already is a transaction at once.
    scene_make(&scene, COMMAND_WITHDRAWAL);
    scene.command.bank_id = SLICE("bank-2");
    facts = &decided(&scene)->transaction;
    assert_int_equal(facts->type, TRANSACTION_WITHDRAWAL);
    check_side(&facts->debit, &scene.payer, -30, 0);
    assert_true(id_is_zero(facts->credit.wallet));
    assert_true(facts->external_total == 7030);
    assert_true(id_equal(facts->id, scene_id(101)));
    assert_true(id_equal(facts->subject, scene_id(100)));
    assert_int_equal(facts->subject_status, WITHDRAWAL_SETTLED);
    // Totals are wider than an amount.
    scene_make(&scene, COMMAND_DEPOSIT);
    scene.accounts[0].deposits = (money_total)INT64_MAX * 4;
    assert_true(decided(&scene)->transaction.external_total == (money_total)INT64_MAX * 4 + 30);
}

static void test_a_pending_withdrawal_is_held_then_settled_or_freed(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_WITHDRAWAL);
    const struct withdrawal_facts *facts = &decided(&scene)->withdrawal;
    assert_int_equal(scene.record.kind, RECORD_WITHDRAWAL);
    assert_int_equal(facts->status, WITHDRAWAL_PENDING);
    assert_int_equal(facts->wallet_balance, 1000);
    assert_int_equal(facts->wallet_held, 170);
    assert_int_equal(facts->wallet_version, 6);
    scene_make(&scene, COMMAND_SETTLE);
    const struct transaction_facts *settled = &decided(&scene)->transaction;
    assert_int_equal(settled->amount, 50);
    check_side(&settled->debit, &scene.payer, -50, -50);
    assert_true(id_equal(settled->subject, scene.withdrawal.id));
    assert_true(settled->external_total == 7050);
    scene_make(&scene, COMMAND_FAIL);
    scene.command.reason = SLICE("closed account");
    facts = &decided(&scene)->withdrawal;
    assert_int_equal(facts->status, WITHDRAWAL_FAILED);
    assert_int_equal(facts->wallet_held, 90);
    assert_int_equal(facts->wallet_balance, 1000);
    assert_int_equal(facts->amount, 50);
    assert_true(slice_equal(facts->reason, SLICE("closed account")));
}

static void test_holds_open_and_end(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_HOLD);
    const struct hold_facts *facts = &decided(&scene)->hold;
    assert_int_equal(facts->status, HOLD_OPEN);
    assert_int_equal(facts->expires_at_ms, scene.now_ms + 60000);
    assert_int_equal(facts->wallet_held, 170);
    assert_int_equal(facts->wallet_version, 6);
    assert_true(id_equal(facts->merchant, scene.shop.id));
    static const enum command_type ends[] = {COMMAND_VOID, COMMAND_EXPIRE};
    for (int i = 0; i < 2; i++) {
        scene_make(&scene, ends[i]);
        facts = &decided(&scene)->hold;
        assert_int_equal(facts->status, i == 0 ? HOLD_VOIDED : HOLD_EXPIRED);
        assert_int_equal(facts->captured, 10);
        assert_int_equal(facts->wallet_held, 140 - 90);
        assert_int_equal(facts->wallet_balance, 1000);
    }
    // The longest time does not overflow.
    scene_make(&scene, COMMAND_HOLD);
    scene.command.expires_in_s = LIMIT_EXPIRES_IN_S_MAX;
    assert_int_equal(decided(&scene)->hold.expires_at_ms,
                     scene.now_ms + UINT64_C(366) * 24 * 3600 * 1000);
}

// amount, keep_open: what is freed, and what the hold is afterwards.
static void test_captures_free_what_they_should(void **state) {
    static const struct {
        bool has_amount, keep_open;
        int64_t amount, taken, freed;
        enum hold_status status;
    } cases[] = {
        {false, false, 0, 90, 90, HOLD_CAPTURED}, {true, false, 30, 30, 90, HOLD_CAPTURED},
        {true, true, 30, 30, 30, HOLD_OPEN},      {true, true, 89, 89, 89, HOLD_OPEN},
        {true, true, 90, 90, 90, HOLD_CAPTURED},  {false, true, 0, 90, 90, HOLD_CAPTURED},
        {true, false, 1, 1, 90, HOLD_CAPTURED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene scene;
        scene_make(&scene, COMMAND_CAPTURE);
        scene.command.has_amount = cases[i].has_amount;
        scene.command.amount = cases[i].amount;
        scene.command.keep_open = cases[i].keep_open;
        const struct transaction_facts *facts = &decided(&scene)->transaction;
        assert_int_equal(facts->type, TRANSACTION_PURCHASE);
        assert_int_equal(facts->amount, cases[i].taken);
        check_side(&facts->debit, &scene.payer, -cases[i].taken, -cases[i].freed);
        check_side(&facts->credit, &scene.shop, cases[i].taken, 0);
        assert_int_equal(facts->subject_total, 10 + cases[i].taken);
        assert_int_equal(facts->subject_status, cases[i].status);
        scene_apply(&scene, &scene.record);
        assert_int_equal(scene.hold.status, cases[i].status);
        assert_int_equal(hold_remaining(&scene.hold),
                         cases[i].status == HOLD_OPEN ? 90 - cases[i].taken : 0);
    }
}

static void test_captures_add_up_to_the_hold(void **state) {
    struct scene scene;
    int64_t taken = 0;
    (void)state;
    scene_make(&scene, COMMAND_CAPTURE);
    scene.command.keep_open = true;
    scene.command.amount = 40;
    enum status status = STATUS_ok;
    while (status == STATUS_ok) {
        status = scene_decide(&scene);
        if (status == STATUS_ok) {
            scene_apply(&scene, &scene.record);
            taken += 40;
        }
    }
    assert_int_equal(status, STATUS_capture_exceeds_hold);
    assert_int_equal(scene.refusal.has, 10);
    assert_int_equal(taken, 80);
    assert_int_equal(scene.payer.balance, 920);
    assert_int_equal(scene.payer.held, 60);
}

static void test_a_wallet_opens_and_changes(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_WALLET_OPEN);
    scene.command.wallet_kind = WALLET_MERCHANT;
    scene.command.credit_limit = 77;
    scene.command.metadata = SLICE("\x01\x01\x00"
                                   "kv");
    const struct wallet_facts *facts = &decided(&scene)->wallet;
    assert_int_equal(facts->version, 1);
    assert_int_equal(facts->kind, WALLET_MERCHANT);
    assert_int_equal(facts->credit_limit, 77);
    assert_int_equal(facts->balance, 0);
    assert_int_equal(facts->metadata.size, 5);
    assert_true(slice_equal(facts->owner, SLICE("new owner")));
    // A change of anything grows the version by one; of nothing not at all.
    for (int what = 0; what < 16; what++) {
        scene_make(&scene, COMMAND_WALLET_CHANGE);
        scene.docket.metadata = SLICE("\x01\x01\x00"
                                      "kv");
        scene.command.has_credit_limit = (what & 1) != 0;
        scene.command.credit_limit = (what & 8) != 0 ? 0 : 10;
        scene.command.has_status = (what & 2) != 0;
        scene.command.wallet_status = (what & 8) != 0 ? WALLET_ACTIVE : WALLET_FROZEN;
        scene.command.has_metadata = (what & 4) != 0;
        scene.command.metadata = (what & 8) != 0 ? scene.docket.metadata : SLICE("");
        facts = &decided(&scene)->wallet;
        bool changes = (what & 7) != 0 && (what & 8) == 0;
        assert_int_equal(facts->unchanged, !changes);
        assert_int_equal(facts->version, changes ? 6 : 5);
        assert_int_equal(facts->metadata.size,
                         what == 4 || what == 5 || what == 6 || what == 7 ? 0 : 5);
        assert_int_equal(facts->balance, 1000);
        assert_int_equal(facts->held, 140);
        assert_true(slice_equal(facts->owner, SLICE("owner")));
        assert_int_equal(facts->tier, 0);
    }
    for (uint8_t tier = 0; tier <= WALLET_TIER_MAX; tier++) {
        scene_make(&scene, COMMAND_WALLET_CHANGE);
        scene.payer.tier = 3;
        scene.command.has_credit_limit = false;
        scene.command.has_tier = true;
        scene.command.wallet_tier = tier;
        facts = &decided(&scene)->wallet;
        assert_int_equal(facts->tier, tier);
        assert_int_equal(facts->unchanged, tier == 3);
        assert_int_equal(facts->version, tier == 3 ? 5 : 6);
        scene_apply(&scene, &scene.record);
        assert_int_equal(scene.payer.tier, tier);
        assert_int_equal(scene.payer.kind, WALLET_CUSTOMER);
    }
}

static void test_keys(void **state) {
    struct scene scene;
    (void)state;
    for (uint32_t expires = 0; expires < 2; expires++) {
        scene_make(&scene, COMMAND_KEY_CREATE);
        scene.command.expires_in_s = expires;
        scene.command.secret_hash.bytes[31] = 9;
        scene.command.name = SLICE("shop");
        const struct key_facts *facts = &decided(&scene)->api_key;
        assert_int_equal(facts->expires_at_ms, expires == 0 ? 0 : scene.now_ms + 1000);
        assert_int_equal(facts->secret_hash.bytes[31], 9);
        assert_false(facts->revoked);
        assert_int_equal(facts->role, ROLE_SERVICE);
    }
    scene_make(&scene, COMMAND_KEY_REVOKE);
    assert_true(decided(&scene)->api_key.revoked);
    assert_true(id_equal(scene.record.api_key.id, scene.keys[1].id));
}

static void test_a_rotation_keeps_what_works(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_KEY_ROTATE);
    struct key *key = &scene.keys[1];
    key->secret_hash.bytes[0] = 1;
    scene.command.secret_hash.bytes[0] = 2;
    scene.command.overlap_s = 60;
    scene.command.expires_in_s = 0; // as it was
    const struct key_facts *facts = &decided(&scene)->api_key;
    assert_true(id_equal(facts->id, key->id));
    assert_int_equal(facts->role, key->role);
    assert_int_equal(facts->secret_hash.bytes[0], 2);
    assert_int_equal(facts->previous_hash.bytes[0], 1);
    assert_int_equal(facts->previous_until_ms, scene.now_ms + 60000);
    assert_int_equal(facts->expires_at_ms, key->expires_at_ms);
    scene.command.overlap_s = 0; // the old secret ends at once
    facts = &decided(&scene)->api_key;
    assert_int_equal(facts->previous_until_ms, 0);
    assert_int_equal(facts->previous_hash.bytes[0], 0);
}

// Else whoever found an old secret could wait for its key to be made live again.
static void test_a_rotation_does_not_bring_back_what_ran_out(void **state) {
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_KEY_ROTATE);
    scene.keys[1].expires_at_ms = scene.now_ms;
    scene.command.overlap_s = 60;
    scene.command.expires_in_s = 5;
    const struct key_facts *facts = &decided(&scene)->api_key;
    assert_int_equal(facts->expires_at_ms, scene.now_ms + 5000);
    assert_int_equal(facts->previous_until_ms, 0);
}

static void test_the_idempotency_key_stands_in_the_record(void **state) {
    (void)state;
    for (int has_key = 0; has_key < 2; has_key++) {
        struct scene scene;
        scene_make(&scene, COMMAND_TRANSFER);
        scene.command.has_key = has_key != 0;
        scene.command.key = (struct digest128){1, 2};
        scene.command.request = (struct digest128){3, 4};
        const struct record *record = decided(&scene);
        assert_int_equal(record->has_key, has_key);
        assert_int_equal(record->key.high, has_key ? 2 : 0);
        assert_int_equal(record->request.low, has_key ? 3 : 0);
        assert_true(slice_equal(record->origin.principal, SLICE("key_1")));
    }
}

// Raised by somebody who has not heard of the decision yet.
static void test_an_alarm_behind_its_decision_stops_nothing(void **state) {
    struct alarm_state alarm = {.stopped = 1, .differences = {alarm_difference(SLICE("ann"))}};
    struct scene scene;
    (void)state;
    scene_make(&scene, COMMAND_ALARM);
    scene.command.alarm = ALARM_DIFFERS;
    scene.command.reason = SLICE("ann");
    scene.command.stops = true;
    assert_true(decided(&scene)->alarm.stops); // no alarm was raised so far
    scene.docket.alarm = &alarm;
    assert_true(decided(&scene)->alarm.stops); // nobody has decided
    alarm.stopped = 0;
    assert_false(decided(&scene)->alarm.stops);
    assert_true(slice_equal(scene.record.alarm.message, SLICE("ann")));
    scene.command.reason = SLICE("bob");
    assert_true(decided(&scene)->alarm.stops);
    scene.command.stops = false;
    assert_false(decided(&scene)->alarm.stops);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payments_move_the_amount_once),
        cmocka_unit_test(test_money_comes_from_and_goes_to_the_world),
        cmocka_unit_test(test_a_pending_withdrawal_is_held_then_settled_or_freed),
        cmocka_unit_test(test_holds_open_and_end),
        cmocka_unit_test(test_captures_free_what_they_should),
        cmocka_unit_test(test_captures_add_up_to_the_hold),
        cmocka_unit_test(test_a_wallet_opens_and_changes),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_rotation_keeps_what_works),
        cmocka_unit_test(test_a_rotation_does_not_bring_back_what_ran_out),
        cmocka_unit_test(test_the_idempotency_key_stands_in_the_record),
        cmocka_unit_test(test_an_alarm_behind_its_decision_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
