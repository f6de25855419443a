// SPDX-License-Identifier: MIT
// Facts carried out twice, or late: replay puts parts of different moments right because what is
// older than what stands changes nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scene.h"

static const enum command_type all_types[] = {
    COMMAND_WALLET_OPEN, COMMAND_DEPOSIT,    COMMAND_WITHDRAWAL, COMMAND_SETTLE,
    COMMAND_FAIL,        COMMAND_PURCHASE,   COMMAND_REFUND,     COMMAND_TRANSFER,
    COMMAND_HOLD,        COMMAND_CAPTURE,    COMMAND_VOID,       COMMAND_WALLET_CHANGE,
    COMMAND_EXPIRE,      COMMAND_KEY_CREATE, COMMAND_KEY_REVOKE,
    COMMAND_KEY_ROTATE,
};
#define TYPES (sizeof(all_types) / sizeof(all_types[0]))

static void test_applied_twice_is_applied_once(void **state) {
    (void)state;
    for (size_t i = 0; i < TYPES; i++) {
        struct scene scene, once;
        scene_make(&scene, all_types[i]);
        assert_int_equal(scene_decide(&scene), STATUS_ok);
        scene_apply(&scene, &scene.record);
        scene_copy(&once, &scene);
        scene_apply_again(&scene, &scene.record);
        if (!scene_same(&once, &scene))
            fail_msg("%s", command_type_name(all_types[i]));
    }
}

// Holds and withdrawals live on from command to command; what was done to them earlier comes again.
static void follow(struct scene *scene, const enum command_type *types, size_t count) {
    struct record records[8];
    struct scene states[8];
    for (size_t i = 0; i < count; i++) {
        struct scene next;
        scene_make(&next, types[i]);
        next.payer = scene->payer;
        next.shop = scene->shop;
        next.accounts[0] = scene->accounts[0];
        next.hold = scene->hold;
        next.withdrawal = scene->withdrawal;
        next.purchase = scene->purchase;
        next.keys[1] = scene->keys[1];
        if (types[i] == COMMAND_EXPIRE)
            next.now_ms = next.docket.now_ms = next.hold.expires_at_ms;
        if (types[i] == COMMAND_CAPTURE)
            next.command.keep_open = true;
        next.command.amount = types[i] == COMMAND_HOLD ? 50 : 5;
        next.docket.new_id = types[i] == COMMAND_HOLD         ? scene_id(3)
                             : types[i] == COMMAND_WITHDRAWAL ? scene_id(4)
                                                              : scene_id(500 + i);
        if (scene_decide(&next) != STATUS_ok)
            fail_msg("%s: %s", command_type_name(types[i]), status_name(next.refusal.status));
        records[i] = next.record;
        scene_apply(&next, &next.record);
        scene_copy(scene, &next);
        scene_copy(&states[i], scene);
    }
    // From any moment on, the whole story again, in order, ends where it ended.
    for (size_t from = 0; from < count; from++) {
        for (size_t first = 0; first <= from; first++) {
            struct scene late;
            scene_copy(&late, &states[from]);
            for (size_t k = first; k < count; k++)
                scene_apply_again(&late, &records[k]);
            if (!scene_same(&late, scene))
                fail_msg("from the state after %zu, replayed from %zu", from, first);
        }
    }
    // And what is older alone changes nothing.
    for (size_t k = 0; k < count; k++) {
        struct scene late;
        scene_copy(&late, scene);
        scene_apply_again(&late, &records[k]);
        if (!scene_same(&late, scene))
            fail_msg("%s alone, late", command_type_name((enum command_type)records[k].operation));
    }
}

static void test_stories_told_again_end_the_same(void **state) {
    static const enum command_type stories[][8] = {
        {COMMAND_HOLD, COMMAND_CAPTURE, COMMAND_CAPTURE, COMMAND_VOID},
        {COMMAND_HOLD, COMMAND_DEPOSIT, COMMAND_EXPIRE, COMMAND_TRANSFER},
        {COMMAND_WITHDRAWAL, COMMAND_DEPOSIT, COMMAND_SETTLE, COMMAND_PURCHASE},
        {COMMAND_WITHDRAWAL, COMMAND_TRANSFER, COMMAND_FAIL, COMMAND_DEPOSIT},
        {COMMAND_DEPOSIT, COMMAND_REFUND, COMMAND_REFUND, COMMAND_WALLET_CHANGE, COMMAND_TRANSFER},
        {COMMAND_WALLET_CHANGE, COMMAND_TRANSFER, COMMAND_KEY_ROTATE, COMMAND_KEY_ROTATE,
         COMMAND_KEY_REVOKE, COMMAND_DEPOSIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        struct scene scene;
        size_t count = 0;
        scene_make(&scene, COMMAND_TRANSFER);
        while (count < 8 && stories[i][count] != COMMAND_NONE)
            count++;
        follow(&scene, stories[i], count);
    }
}

static money_total sum(const struct scene *scene) {
    return (money_total)scene->payer.balance + scene->shop.balance +
           scene->accounts[0].withdrawals - scene->accounts[0].deposits;
}

// Random commands: the sum over all accounts never moves, versions grow by one, held stays whole.
static void test_the_sum_over_all_accounts_never_moves(void **state) {
    static const enum command_type types[] = {
        COMMAND_DEPOSIT, COMMAND_WITHDRAWAL, COMMAND_SETTLE,  COMMAND_PURCHASE,
        COMMAND_REFUND,  COMMAND_TRANSFER,   COMMAND_CAPTURE, COMMAND_VOID};
    uint64_t stream = 3;
    int done = 0;
    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct scene scene;
        scene_make(&scene, types[scene_random(&stream) % 8]);
        scene.payer.balance = (int64_t)(scene_random(&stream) % 400);
        scene.payer.credit_limit = (int64_t)(scene_random(&stream) % 200);
        if (wallet_spendable(&scene.payer) < 0)
            continue;
        scene.command.amount = 1 + (int64_t)(scene_random(&stream) % 300);
        scene.command.keep_open = scene_random(&stream) % 2 == 0;
        if (scene_random(&stream) % 2 == 0 && scene.command.type == COMMAND_WITHDRAWAL)
            scene.command.bank_id = SLICE("b");
        struct scene before = scene;
        if (scene_decide(&scene) != STATUS_ok)
            continue;
        scene_apply(&scene, &scene.record);
        assert_true(sum(&scene) == sum(&before));
        assert_true(wallet_spendable(&scene.payer) >= 0);
        assert_int_equal(scene.payer.version, before.payer.version + 1);
        done++;
    }
    assert_true(done > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_applied_twice_is_applied_once),
        cmocka_unit_test(test_stories_told_again_end_the_same),
        cmocka_unit_test(test_the_sum_over_all_accounts_never_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
