// SPDX-License-Identifier: MIT
// Ids given ahead: which a command gets, and that they carry time, slot and place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/id.h"
#include "ledger/new_ids.h"
#include "scene.h"

static const struct new_places places = {.record = 70, .thing = 7, .parked = 17};

static struct id_seal some_seal(void) {
    const uint8_t key[16] = {1, 2, 3};
    return id_seal_make(key);
}

static void give(struct scene *scene, enum command_type type) {
    struct id_seal seal = some_seal();
    scene_make(scene, type);
    scene->docket.new_id = scene->docket.new_transaction = (struct id){{0}};
    new_ids_give(&scene->command, &seal, &places, &scene->docket);
    scene->docket.seal = NULL; // that one is gone
}

static void assert_made_of(struct id id, const struct scene *scene, uint32_t slot,
                           uint64_t locator) {
    struct id_seal seal = some_seal();
    uint64_t found;
    assert_true(id_open(&seal, id, &found));
    assert_int_equal(found, locator);
    assert_int_equal(id_slot(id), slot);
    assert_int_equal(id_time_ms(id), scene->docket.now_ms);
}

static void an_id_tells_time_slot_and_place(void **state) {
    struct scene scene;
    give(&scene, COMMAND_HOLD);
    assert_made_of(scene.docket.new_id, &scene, id_slot(scene.docket.wallet->id), places.thing);
    assert_true(id_is_zero(scene.docket.new_transaction));
    give(&scene, COMMAND_REFUND);
    assert_made_of(scene.docket.new_id, &scene, id_slot(scene.docket.purchase->id), places.thing);
}

static void a_wallet_lives_in_the_slot_of_its_command(void **state) {
    struct scene scene;
    struct id_seal seal = some_seal();
    give(&scene, COMMAND_WALLET_OPEN);
    scene.docket.new_id = (struct id){{0}};
    scene.command.slot = 900;
    new_ids_give(&scene.command, &seal, &places, &scene.docket);
    assert_made_of(scene.docket.new_id, &scene, 900, places.thing);
}

static void a_withdrawal_that_is_settled_at_once_has_two(void **state) {
    struct scene scene;
    struct id_seal seal = some_seal();
    give(&scene, COMMAND_WITHDRAWAL);
    scene.docket.new_id = scene.docket.new_transaction = (struct id){{0}};
    scene.command.bank_id = SLICE("");
    new_ids_give(&scene.command, &seal, &places, &scene.docket);
    assert_true(id_is_zero(scene.docket.new_transaction));
    scene.docket.new_id = (struct id){{0}};
    scene.command.bank_id = SLICE("bank-1");
    new_ids_give(&scene.command, &seal, &places, &scene.docket);
    assert_made_of(scene.docket.new_id, &scene, id_slot(scene.docket.wallet->id), places.thing);
    assert_made_of(scene.docket.new_transaction, &scene, id_slot(scene.docket.wallet->id),
                   places.record);
}

static void what_has_to_wait_is_named_by_its_payer_and_place(void **state) {
    const enum command_type types[] = {COMMAND_TRANSFER, COMMAND_REFUND, COMMAND_ADJUSTMENT};
    struct id_seal seal = some_seal();
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct scene scene;
        scene_make(&scene, types[i]);
        scene.docket.new_id = scene.docket.new_transaction = (struct id){{0}};
        new_ids_give(&scene.command, &seal, &places, &scene.docket);
        assert_made_of(new_ids_parked(&scene.docket), &scene, id_slot(scene.docket.wallet->id),
                       places.parked);
    }
}

static void what_makes_nothing_gets_none(void **state) {
    const enum command_type types[] = {COMMAND_FAIL, COMMAND_VOID, COMMAND_KEY_REVOKE,
                                       COMMAND_WALLET_CHANGE};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct scene scene;
        give(&scene, types[i]);
        assert_true(id_is_zero(scene.docket.new_id));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_tells_time_slot_and_place),
        cmocka_unit_test(a_wallet_lives_in_the_slot_of_its_command),
        cmocka_unit_test(a_withdrawal_that_is_settled_at_once_has_two),
        cmocka_unit_test(what_has_to_wait_is_named_by_its_payer_and_place),
        cmocka_unit_test(what_makes_nothing_gets_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
