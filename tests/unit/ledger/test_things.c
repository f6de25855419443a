// SPDX-License-Identifier: MIT
// Liveness of keys, the words of the API, and invariants that must stop the process.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scene.h"

static struct key key_make(uint64_t number, enum role role, uint64_t expires_at_ms) {
    return (struct key){
        .id = scene_id(number), .role = (uint8_t)role, .expires_at_ms = expires_at_ms};
}

static void test_keys_end_at_their_time(void **state) {
    (void)state;
    struct key keys[] = {key_make(1, ROLE_ADMIN, 0), key_make(2, ROLE_SERVICE, 100)};
    assert_true(key_is_live(&keys[0], keys, 2, UINT64_MAX));
    assert_true(key_is_live(&keys[1], keys, 2, 99));
    assert_false(key_is_live(&keys[1], keys, 2, 100));
    keys[0].revoked = true;
    assert_false(key_is_live(&keys[0], keys, 2, 0));
}

static void test_the_last_admin_key_does_not_expire(void **state) {
    (void)state;
    struct key keys[] = {key_make(1, ROLE_ADMIN, 100), key_make(2, ROLE_ADMIN, 200),
                         key_make(3, ROLE_SERVICE, 0), key_make(4, ROLE_ADMIN, 200)};
    // While one is unexpired the others end; when all ran out exactly one stays.
    assert_false(key_is_live(&keys[0], keys, 4, 150));
    assert_true(key_is_live(&keys[1], keys, 4, 150));
    assert_false(key_is_live(&keys[0], keys, 4, 300));
    assert_int_equal(key_is_live(&keys[1], keys, 4, 300) + key_is_live(&keys[3], keys, 4, 300), 1);
    keys[3].revoked = true;
    assert_true(key_is_live(&keys[1], keys, 4, 300));
    keys[1].revoked = true;
    assert_true(key_is_live(&keys[0], keys, 4, 300));
    // A service key never takes that place.
    assert_false(key_is_last_admin(&keys[2], keys, 4, 300));
}

static void test_who_is_the_last_admin(void **state) {
    (void)state;
    struct key keys[] = {key_make(1, ROLE_ADMIN, 0), key_make(2, ROLE_ADMIN, 200),
                         key_make(3, ROLE_ADMIN, 100)};
    assert_false(key_is_last_admin(&keys[0], keys, 3, 150));
    assert_true(key_is_last_admin(&keys[0], keys, 3, 200));
    keys[0].revoked = true;
    assert_true(key_is_last_admin(&keys[1], keys, 3, 150));
    // All have run out: the second is the one that stays. It cannot go; the third, long dead, can.
    assert_true(key_is_last_admin(&keys[1], keys, 3, 250));
    assert_false(key_is_last_admin(&keys[2], keys, 3, 250));
    assert_false(key_is_last_admin(&keys[2], keys, 3, 150));
    assert_false(key_is_last_admin(&keys[0], keys, 3, 150));
}

// Revoking what the rules let go leaves a live admin key, whatever keys there are.
static void test_some_admin_key_is_always_live(void **state) {
    uint64_t stream = 7;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct key keys[5];
        uint32_t count = 1 + (uint32_t)(scene_random(&stream) % 5);
        for (uint32_t i = 0; i < count; i++) {
            keys[i] = key_make(i + 1, i == 0 ? ROLE_ADMIN : ROLE_ADMIN + scene_random(&stream) % 2,
                               scene_random(&stream) % 4 * 100);
            keys[i].revoked = i != 0 && scene_random(&stream) % 4 == 0;
        }
        uint64_t now = scene_random(&stream) % 5 * 100;
        for (int turn = 0; turn < 8; turn++) {
            uint32_t live = 0, pick = (uint32_t)(scene_random(&stream) % count);
            for (uint32_t i = 0; i < count; i++)
                live += keys[i].role == ROLE_ADMIN && key_is_live(&keys[i], keys, count, now);
            assert_true(live >= 1);
            if (!key_is_last_admin(&keys[pick], keys, count, now))
                keys[pick].revoked = true;
            else
                assert_int_equal(live, 1);
        }
    }
}

static bool stops(void (*function)(void)) {
    int child = fork(), result = 0;
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(2);
        (void)signal(SIGABRT, SIG_DFL);
        function();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    return !(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void overdrawn(void) {
    wallet_check(&(struct wallet){.id = scene_id(1), .version = 1, .balance = -1});
}
static void too_rich(void) {
    wallet_check(
        &(struct wallet){.id = scene_id(1), .version = 1, .balance = LIMIT_AMOUNT_MAX + 1});
}
static void closed_with_money(void) {
    wallet_check(
        &(struct wallet){.id = scene_id(1), .version = 1, .balance = 1, .status = WALLET_CLOSED});
}
static void sound_wallet(void) {
    wallet_check(
        &(struct wallet){.id = scene_id(1), .version = 1, .balance = -5, .credit_limit = 5});
}
static void open_hold_with_nothing_left(void) {
    hold_check(&(struct hold){.wallet = scene_id(1), .amount = 5, .captured = 5});
}
static void captured_hold_of_nothing(void) {
    hold_check(&(struct hold){.wallet = scene_id(1), .amount = 5, .status = HOLD_CAPTURED});
}
static void hold_for_oneself(void) {
    hold_check(&(struct hold){.wallet = scene_id(1), .merchant = scene_id(1), .amount = 5});
}
static void refunded_too_much(void) {
    purchase_check(&(struct purchase){.amount = 5, .refunded = 6});
}
static void withdrawal_of_nothing(void) {
    withdrawal_check(&(struct withdrawal){.amount = 0});
}

static void test_broken_things_stop_the_process(void **state) {
    (void)state;
    assert_false(stops(sound_wallet));
    assert_true(stops(overdrawn));
    assert_true(stops(too_rich));
    assert_true(stops(closed_with_money));
    assert_true(stops(open_hold_with_nothing_left));
    assert_true(stops(captured_hold_of_nothing));
    assert_true(stops(hold_for_oneself));
    assert_true(stops(refunded_too_much));
    assert_true(stops(withdrawal_of_nothing));
}

static void test_secrets_of_a_key(void **state) {
    (void)state;
    struct key key = {.secret_hash = {{2}}, .previous_hash = {{1}}, .previous_until_ms = 100};
    bool in_time = false;
    assert_true(key_has_secret(&key, &(struct sha256){{2}}, 100, &in_time));
    assert_true(in_time);
    assert_true(key_has_secret(&key, &(struct sha256){{1}}, 99, &in_time));
    assert_true(in_time);
    assert_true(key_has_secret(&key, &(struct sha256){{1}}, 100, &in_time));
    assert_false(in_time); // known, and over
    assert_false(key_has_secret(&key, &(struct sha256){{3}}, 0, &in_time));
    key = (struct key){.secret_hash = {{2}}}; // never rotated: no secret has a hash of zeros
    assert_false(key_has_secret(&key, &(struct sha256){{0}}, 0, &in_time));
}

static void test_words(void **state) {
    (void)state;
    assert_string_equal(wallet_kind_name(WALLET_MERCHANT), "merchant");
    assert_string_equal(wallet_status_name(WALLET_FROZEN), "frozen");
    assert_string_equal(hold_status_name(HOLD_EXPIRED), "expired");
    assert_string_equal(withdrawal_status_name(WITHDRAWAL_SETTLED), "settled");
    assert_string_equal(role_name(ROLE_AUDITOR), "auditor");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_end_at_their_time),
        cmocka_unit_test(test_the_last_admin_key_does_not_expire),
        cmocka_unit_test(test_who_is_the_last_admin),
        cmocka_unit_test(test_some_admin_key_is_always_live),
        cmocka_unit_test(test_broken_things_stop_the_process),
        cmocka_unit_test(test_secrets_of_a_key),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
