// SPDX-License-Identifier: MIT
// Commands that wait: which do, who may let them go, and that nothing of them is lost meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/parked.h"
#include "scene.h"

static const struct approval_rules rules = {
    .items = {{.currency = {.code = "USD", .exponent = 2}, .above = 29}}, .count = 1};

// A scene under rules that let 29 pass.
static void scene_ruled(struct scene *scene, enum command_type type, int64_t amount) {
    scene_make(scene, type);
    scene->command.amount = amount;
    scene->docket.approvals = &rules;
    scene->docket.parked_place = 77;
}

static void more_than_the_limit_waits(void **state) {
    const enum command_type types[] = {COMMAND_DEPOSIT,  COMMAND_WITHDRAWAL, COMMAND_PURCHASE,
                                       COMMAND_TRANSFER, COMMAND_REFUND,     COMMAND_HOLD};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct scene scene;
        scene_ruled(&scene, types[i], 29);
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_not_equal(scene.record.kind, RECORD_PARKED);
        scene_ruled(&scene, types[i], 30);
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_equal(scene.record.kind, RECORD_PARKED);
        assert_int_equal(scene.record.parked.amount, 30);
        assert_int_equal(scene.record.parked.status, PARKED_PENDING);
        assert_int_equal(scene.record.parked.expires_at_ms,
                         scene.now_ms + LIMIT_APPROVAL_S_DEFAULT * UINT64_C(1000));
        scene.command.approved = true;
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_not_equal(scene.record.kind, RECORD_PARKED);
    }
}

static void what_was_decided_before_does_not_wait(void **state) {
    const enum command_type types[] = {COMMAND_CAPTURE, COMMAND_SETTLE, COMMAND_VOID, COMMAND_FAIL,
                                       COMMAND_WALLET_CHANGE};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct scene scene;
        scene_ruled(&scene, types[i], 60);
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_not_equal(scene.record.kind, RECORD_PARKED);
    }
}

static void other_currencies_do_not_wait(void **state) {
    struct scene scene;
    scene_ruled(&scene, COMMAND_TRANSFER, 30);
    CHECK(currency_iso_find(SLICE("EUR"), &scene.accounts[0].currency));
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    assert_int_equal(scene.record.kind, RECORD_TRANSACTION);
}

static void refusals_come_before_waiting(void **state) {
    struct scene scene;
    scene_ruled(&scene, COMMAND_TRANSFER, 100000);
    assert_int_equal(scene_decide(&scene), STATUS_insufficient_funds);
}

static void adjustments_always_wait(void **state) {
    for (int direction = ADJUSTMENT_CREDIT; direction <= ADJUSTMENT_DEBIT; direction++) {
        struct scene scene;
        scene_make(&scene, COMMAND_WITHDRAWAL);
        scene.command.type = COMMAND_ADJUSTMENT;
        scene.command.direction = (uint8_t)direction;
        scene.docket.parked_place = 77;
        scene.payer.status = WALLET_FROZEN; // is no reason not to put it right
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_equal(scene.record.kind, RECORD_PARKED);
        scene.command.approved = true;
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        const struct transaction_facts *facts = &scene.record.transaction;
        assert_int_equal(facts->type, TRANSACTION_ADJUSTMENT);
        bool credits = direction == ADJUSTMENT_CREDIT;
        assert_int_equal(id_is_zero(facts->debit.wallet), credits);
        assert_int_equal(id_is_zero(facts->credit.wallet), !credits);
        assert_int_equal((int64_t)facts->external_total, credits ? 10030 : 7030);
        scene_apply(&scene, &scene.record);
        assert_int_equal(scene.payer.balance, credits ? 1030 : 970);
        assert_int_equal((int64_t)scene.accounts[0].deposits, credits ? 10030 : 10000);
        assert_int_equal((int64_t)scene.accounts[0].withdrawals, credits ? 7000 : 7030);
    }
}

// A decision about a command that waits.
static void scene_decision(struct scene *scene, enum command_type type, struct parked *parked) {
    scene_make(scene, COMMAND_KEY_CREATE);
    *parked = (struct parked){.id = scene_id(77),
                              .wallet = scene_id(1),
                              .expires_at_ms = scene->now_ms + 1,
                              .cause = PARKED_FOR_APPROVAL};
    scene->command = (struct command){.type = (uint8_t)type,
                                      .subject = parked->id,
                                      .principal_key = scene->keys[0].id,
                                      .reason = SLICE("seen"),
                                      .origin = {.principal = SLICE("key_1"), .role = ROLE_ADMIN}};
    scene->docket.parked = parked;
    scene->docket.parked_by = SLICE("key_2");
}

static void somebody_else_decides_in_time_and_once(void **state) {
    struct scene scene;
    struct parked parked;
    for (int type = COMMAND_APPROVE; type <= COMMAND_REJECT; type++) {
        scene_decision(&scene, type, &parked);
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        assert_int_equal(scene.record.parked.status,
                         type == COMMAND_APPROVE ? PARKED_APPROVED : PARKED_REJECTED);
        scene_apply(&scene, &scene.record);
        assert_int_equal(parked.status, scene.record.parked.status);
        assert_int_equal(scene_decide(&scene), STATUS_approval_not_pending);
        assert_int_equal(scene.refusal.has, parked.status);
        scene_decision(&scene, type, &parked);
        scene.docket.parked_by = SLICE("key_1");
        assert_int_equal(scene_decide(&scene), STATUS_second_principal_needed);
        scene_decision(&scene, type, &parked);
        parked.expires_at_ms = scene.now_ms;
        assert_int_equal(scene_decide(&scene), STATUS_approval_not_pending);
        assert_int_equal(scene.refusal.has, PARKED_EXPIRED);
        scene_decision(&scene, type, &parked);
        scene.docket.parked = NULL;
        assert_int_equal(scene_decide(&scene), STATUS_not_found);
        scene_decision(&scene, type, &parked);
        scene.keys[0].revoked = true;
        assert_int_equal(scene_decide(&scene), STATUS_unauthenticated);
    }
}

static void outcomes_name_what_was_made(void **state) {
    struct record record = {.kind = RECORD_HOLD, .operation = COMMAND_HOLD};
    struct parked_facts facts = {.status = PARKED_APPROVED};
    record.hold.id = scene_id(5);
    parked_outcome(&facts, &record, NULL);
    assert_int_equal(facts.result_type, ID_HOLD);
    assert_true(id_equal(facts.result, scene_id(5)));
    record = (struct record){.kind = RECORD_TRANSACTION, .operation = COMMAND_WITHDRAWAL};
    record.transaction.id = scene_id(6);
    record.transaction.subject = scene_id(7);
    parked_outcome(&facts, &record, NULL);
    assert_int_equal(facts.result_type, ID_WITHDRAWAL);
    assert_true(id_equal(facts.result, scene_id(7)));
    record.operation = COMMAND_TRANSFER;
    parked_outcome(&facts, &record, NULL);
    assert_int_equal(facts.result_type, ID_TRANSACTION);
    assert_true(id_equal(facts.result, scene_id(6)));
    struct refusal refusal = {.status = STATUS_wallet_frozen};
    parked_outcome(&facts, NULL, &refusal);
    assert_int_equal(facts.status, PARKED_REFUSED);
    assert_int_equal(facts.refusal.status, STATUS_wallet_frozen);
}

static void a_command_comes_back_whole(void **state) {
    struct scene scene;
    struct command back;
    struct buffer bytes = {0};
    scene_make(&scene, COMMAND_PURCHASE);
    scene.command.has_if_match = true;
    scene.command.if_match = 9;
    scene.command.order = SLICE("order 7");
    scene.command.reference = SLICE("reference");
    scene.command.bound_to = SLICE("ann");
    scene.command.currency = scene.accounts[0].currency;
    scene.command.origin.request_id = SLICE("request");
    struct parked_facts facts = {.status = PARKED_PENDING};
    parked_keep(&facts, &scene.command, &bytes);
    assert_true(parked_kept(&facts, &back));
    assert_true(back.approved);
    assert_int_equal(back.type, COMMAND_PURCHASE);
    assert_true(back.has_if_match && back.has_amount && !back.has_status && !back.has_key);
    assert_int_equal(back.if_match, 9);
    assert_int_equal(back.amount, scene.command.amount);
    assert_true(id_equal(back.wallet, scene.command.wallet));
    assert_true(id_equal(back.counterparty, scene.command.counterparty));
    assert_true(id_equal(back.principal_key, scene.command.principal_key));
    assert_true(slice_equal(back.order, SLICE("order 7")));
    assert_true(slice_equal(back.reference, SLICE("reference")));
    assert_true(slice_equal(back.bound_to, SLICE("ann")));
    assert_true(slice_equal(back.origin.principal, scene.command.origin.principal));
    assert_true(slice_equal(back.origin.request_id, SLICE("request")));
    assert_true(currency_equal(&back.currency, &scene.accounts[0].currency));
    for (size_t size = 0; size < bytes.size; size++)
        assert_false(command_decode(slice_of(bytes.bytes, size), &back));
    buffer_add(&bytes, "x", 1);
    assert_false(command_decode(buffer_slice(&bytes), &back));
    buffer_reset(&bytes);
    scene.command.type = COMMAND_KEY_CREATE; // cannot wait
    command_encode(&scene.command, &bytes);
    assert_false(command_decode(buffer_slice(&bytes), &back));
    buffer_done(&bytes);
}

// Roles change by configuration while a command waits.
static void who_asked_must_still_be_allowed_to(void **state) {
    struct approval_rules known = rules;
    struct scene scene;
    (void)state;
    known.knows_roles = true;
    scene_ruled(&scene, COMMAND_WITHDRAWAL, 30);
    scene.docket.approvals = &known;
    assert_int_equal(scene_decide(&scene), STATUS_ok); // the door asks who comes himself
    scene.command.approved = true;
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
    assert_int_equal(scene.refusal.id_type, ID_KEY);
    uint64_t *may = &known.may_ask[scene.command.origin.role];
    *may = ~(UINT64_C(1) << COMMAND_WITHDRAWAL);
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
    *may = UINT64_C(1) << COMMAND_WITHDRAWAL;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
    scene_ruled(&scene, COMMAND_WITHDRAWAL, 30);
    scene.docket.approvals = &known;
    scene.command.approved = true;
    scene.command.bank_id = SLICE("bank 7"); // settled at once, which needs more
    assert_int_equal(scene_decide(&scene), STATUS_forbidden);
    *may |= UINT64_C(1) << COMMAND_SETTLE;
    assert_int_equal(scene_decide(&scene), STATUS_ok);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_the_limit_waits),
        cmocka_unit_test(what_was_decided_before_does_not_wait),
        cmocka_unit_test(other_currencies_do_not_wait),
        cmocka_unit_test(refusals_come_before_waiting),
        cmocka_unit_test(adjustments_always_wait),
        cmocka_unit_test(somebody_else_decides_in_time_and_once),
        cmocka_unit_test(outcomes_name_what_was_made),
        cmocka_unit_test(a_command_comes_back_whole),
        cmocka_unit_test(who_asked_must_still_be_allowed_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
