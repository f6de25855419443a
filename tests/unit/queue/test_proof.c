// SPDX-License-Identifier: MIT
// Proofs hold for exactly what was signed, and ids of operations for exactly these books.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue/proof.h"
#include "wire/operation_id.h"

static const struct proof_parts parts = {.topic = {(const uint8_t *)"t", 1},
                                         .key = {(const uint8_t *)"7", 1},
                                         .principal = {(const uint8_t *)"key_1", 5},
                                         .context = {(const uint8_t *)"", 0},
                                         .value = {(const uint8_t *)"{}", 2}};

static void test_a_proof_covers_every_part(void **state) {
    struct sha256 secret = sha256_of(SLICE("secret")), other = sha256_of(SLICE("other"));
    char text[PROOF_BYTES];
    (void)state;
    struct slice proof = slice_of(text, proof_make(PROOF_KEY, &secret, &parts, text));
    assert_int_equal(proof_kind_of(proof), PROOF_KEY);
    assert_true(proof_holds(proof, PROOF_KEY, &secret, &parts));
    assert_false(proof_holds(proof, PROOF_KEY, &other, &parts));
    assert_false(proof_holds(proof, PROOF_NODE, &secret, &parts));
    struct proof_parts changed = parts;
    changed.topic = SLICE("u");
    assert_false(proof_holds(proof, PROOF_KEY, &secret, &changed));
    changed = parts, changed.key = SLICE("8");
    assert_false(proof_holds(proof, PROOF_KEY, &secret, &changed));
    changed = parts, changed.principal = SLICE("key_2");
    assert_false(proof_holds(proof, PROOF_KEY, &secret, &changed));
    changed = parts, changed.context = SLICE("-");
    assert_false(proof_holds(proof, PROOF_KEY, &secret, &changed));
    changed = parts, changed.value = SLICE("[]");
    assert_false(proof_holds(proof, PROOF_KEY, &secret, &changed));
    // A line feed must not move bytes from one part to the next.
    changed = parts, changed.topic = SLICE("t\n7");
    size_t size = proof_make(PROOF_KEY, &secret, &changed, text);
    assert_false(proof_holds(slice_of(text, size), PROOF_KEY, &secret, &changed));
    static const char *const others[] = {"", "key", "key abc", "node ", "other 00"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(proof_kind_of(slice_of_text(others[i])), PROOF_NONE);
}

static void test_nodes_of_the_same_books_have_the_same_key(void **state) {
    const uint8_t one[16] = {1}, two[16] = {2};
    struct id_seal first = id_seal_make(one), same = id_seal_make(one), other = id_seal_make(two);
    (void)state;
    struct sha256 a = proof_node_key(&first), b = proof_node_key(&same), c = proof_node_key(&other);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(&a, &c, sizeof(a));
}

static void test_ids_of_operations(void **state) {
    const uint8_t one[16] = {1}, two[16] = {2};
    struct id_seal seal = id_seal_make(one), other = id_seal_make(two);
    struct digest128 key = {.low = 0x123456789abcdef0, .high = 0xfedcba9876543210};
    struct digest128 request = {.low = 0xaabbccddeeff0011};
    struct operation_id id = operation_id_of(key, request, 1023), read;
    char text[OPERATION_ID_BYTES];
    (void)state;
    operation_id_format(&seal, &id, text);
    struct slice slice = slice_of(text, sizeof(text));
    assert_true(operation_id_parse(&seal, slice, &read));
    assert_true(digest128_equal(read.key, key) && read.slot == 1023);
    assert_true(operation_id_is_request(&read, request));
    assert_false(read.is_batch);
    id.is_batch = true;
    operation_id_format(&seal, &id, text);
    assert_true(operation_id_parse(&seal, slice, &read));
    assert_true(read.is_batch && read.slot == 1023);
    assert_false(operation_id_is_request(&read, key));
    assert_false(operation_id_parse(&other, slice, &read));
    for (size_t i = 0; i < sizeof(text); i++) {
        char was = text[i];
        text[i] = was == 'z' ? 'y' : 'z';
        assert_false(operation_id_parse(&seal, slice, &read));
        text[i] = was;
    }
    assert_false(operation_id_parse(&seal, slice_of(text, 54), &read));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_proof_covers_every_part),
        cmocka_unit_test(test_nodes_of_the_same_books_have_the_same_key),
        cmocka_unit_test(test_ids_of_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
