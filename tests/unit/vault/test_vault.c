// SPDX-License-Identifier: MIT
// Data keys under a master key: made, unwrapped, wrapped anew, forgotten.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "vault/vault.h"

#define TEXT "the quiet text"

static const struct master_key one = {{1}}, two = {{2}};

static void seal(struct vault *vault, const struct vault_key *key, uint8_t *place) {
    memcpy(place + XAES_NONCE_BYTES, TEXT, sizeof(TEXT));
    assert_true(vault_seal(vault, key, SLICE("head"), place, sizeof(TEXT)));
    assert_memory_not_equal(place + XAES_NONCE_BYTES, TEXT, sizeof(TEXT));
}

static bool opens(struct vault *vault, const struct vault_key *key, struct slice head,
                  const uint8_t *place) {
    uint8_t copy[sizeof(TEXT) + VAULT_OVERHEAD];
    memcpy(copy, place, sizeof(copy));
    return vault_unseal(vault, key, head, copy, sizeof(TEXT)) &&
           memcmp(copy + XAES_NONCE_BYTES, TEXT, sizeof(TEXT)) == 0;
}

static void test_what_is_sealed_opens_with_its_key_alone(void **state) {
    struct vault *vault = vault_open(&one), *again = vault_open(&one), *other = vault_open(&two);
    struct vault_key key = {.number = 1, .owner = 5}, another = {.number = 2, .owner = 5};
    uint8_t place[sizeof(TEXT) + VAULT_OVERHEAD], second[sizeof(place)];
    (void)state;
    vault_make(vault, &key);
    vault_make(vault, &another);
    seal(vault, &key, place);
    seal(vault, &key, second);
    assert_memory_not_equal(place, second, sizeof(place)); // the same text twice: nothing in common
    assert_true(opens(vault, &key, SLICE("head"), place));
    assert_false(opens(vault, &key, SLICE("Head"), place));
    assert_false(opens(vault, &another, SLICE("head"), place));
    assert_true(opens(again, &key, SLICE("head"), place)); // after a restart
    assert_false(opens(other, &key, SLICE("head"), place)); // under another master
    assert_false(vault_knows(other, &key));
    place[XAES_NONCE_BYTES + 3] ^= 1;
    assert_false(opens(vault, &key, SLICE("head"), place));
    vault_close(vault);
    vault_close(again);
    vault_close(other);
}

static void test_a_wrapped_key_cannot_stand_for_another(void **state) {
    struct vault *vault = vault_open(&one), *again = vault_open(&one);
    struct vault_key key = {.number = 1, .owner = 5};
    (void)state;
    vault_make(vault, &key);
    assert_true(vault_knows(again, &key));
    struct vault_key moved = key;
    moved.number = 3;
    assert_false(vault_knows(again, &moved));
    moved = key;
    moved.owner = 6;
    vault_forget(again, 1);
    assert_false(vault_knows(again, &moved));
    for (size_t i = 0; i < sizeof(key.wrapped); i++) {
        struct vault_key changed = key;
        changed.wrapped[i] ^= 0x10;
        vault_forget(again, 1);
        assert_false(vault_knows(again, &changed));
    }
    vault_close(vault);
    vault_close(again);
}

static void test_a_new_master_takes_keys_over(void **state) {
    struct vault *old = vault_open(&one), *new = vault_open(&two), *later = vault_open(&two);
    struct vault_key key = {.number = 9, .owner = 5};
    uint8_t place[sizeof(TEXT) + VAULT_OVERHEAD], proof[VAULT_WRAPPED_BYTES];
    (void)state;
    vault_make(old, &key);
    seal(old, &key, place);
    struct vault_key kept = key;
    assert_true(vault_rewrap(new, old, &key));
    assert_memory_not_equal(key.wrapped, kept.wrapped, sizeof(key.wrapped));
    assert_true(opens(later, &key, SLICE("head"), place)); // texts are as they were
    assert_false(vault_rewrap(new, old, &key)); // it is no longer under the old one
    assert_true(opens(later, &key, SLICE("head"), place));
    vault_prove(old, proof);
    assert_true(vault_check(old, proof));
    assert_false(vault_check(new, proof));
    uint8_t tags[3][VAULT_TAG_BYTES];
    vault_tag(old, tags[0]);
    vault_tag(new, tags[1]);
    vault_tag(later, tags[2]); // which has the same master key as `new`
    assert_memory_not_equal(tags[0], tags[1], VAULT_TAG_BYTES);
    assert_memory_equal(tags[1], tags[2], VAULT_TAG_BYTES);
    vault_close(old);
    vault_close(new);
    vault_close(later);
}

static void test_more_keys_than_the_cache_holds(void **state) {
    enum { COUNT = 3000 };
    static struct vault_key keys[COUNT];
    static uint8_t places[COUNT][sizeof(TEXT) + VAULT_OVERHEAD];
    struct vault *vault = vault_open(&one);
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        keys[i] = (struct vault_key){.number = i + 1, .owner = i};
        vault_make(vault, &keys[i]);
        seal(vault, &keys[i], places[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(opens(vault, &keys[i], SLICE("head"), places[i]));
    vault_forget(vault, COUNT);
    struct vault_key destroyed = {.number = COUNT, .owner = COUNT - 1};
    assert_false(opens(vault, &destroyed, SLICE("head"), places[COUNT - 1]));
    vault_close(vault);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sealed_opens_with_its_key_alone),
        cmocka_unit_test(test_a_wrapped_key_cannot_stand_for_another),
        cmocka_unit_test(test_a_new_master_takes_keys_over),
        cmocka_unit_test(test_more_keys_than_the_cache_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
