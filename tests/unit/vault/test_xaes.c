// SPDX-License-Identifier: MIT
// XAES-256-GCM against the vectors of its specification (C2SP), and against whoever changes a bit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "vault/xaes.h"

static const uint8_t nonce[XAES_NONCE_BYTES + 1] = "ABCDEFGHIJKLMNOPQRSTUVWX";

static void vector(uint8_t key_byte, struct slice head, const uint8_t *expected) {
    struct xaes *xaes = xaes_open();
    uint8_t key[XAES_KEY_BYTES], text[13] = "XAES-256-GCM", tag[XAES_TAG_BYTES];
    memset(key, key_byte, sizeof(key));
    xaes_seal(xaes, key, nonce, head, text, 12, tag);
    assert_memory_equal(text, expected, 12);
    assert_memory_equal(tag, expected + 12, sizeof(tag));
    assert_true(xaes_unseal(xaes, key, nonce, head, text, 12, tag));
    assert_memory_equal(text, "XAES-256-GCM", 12);
    xaes_close(xaes);
}

static void test_the_vectors_of_the_specification(void **state) {
    static const uint8_t first[] = {0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6, 0x07, 0x65, 0x92,
                                    0x36, 0x09, 0xb3, 0x3a, 0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52,
                                    0xda, 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71};
    static const uint8_t second[] = {0x98, 0x6e, 0xc1, 0x83, 0x25, 0x93, 0xdf, 0x54, 0x43, 0xa1,
                                     0x79, 0x43, 0x7f, 0xd0, 0x83, 0xbf, 0x3f, 0xdb, 0x41, 0xab,
                                     0xd7, 0x40, 0xa2, 0x1f, 0x71, 0xeb, 0x76, 0x9d};
    (void)state;
    vector(1, SLICE(""), first);
    vector(3, SLICE("c2sp.org/XAES-256-GCM"), second);
}

static void test_every_bit_counts(void **state) {
    struct xaes *xaes = xaes_open();
    uint8_t parts[XAES_KEY_BYTES + XAES_NONCE_BYTES + 8 + 8 + XAES_TAG_BYTES] = {7};
    uint8_t *key = parts, *own = key + XAES_KEY_BYTES, *head = own + XAES_NONCE_BYTES,
            *text = head + 8, *tag = text + 8;
    (void)state;
    memcpy(text, "8 bytes.", 8);
    xaes_seal(xaes, key, own, slice_of(head, 8), text, 8, tag);
    for (size_t bit = 0; bit < sizeof(parts) * 8; bit++) {
        uint8_t copy[sizeof(parts)], nothing[8] = {0};
        memcpy(copy, parts, sizeof(parts));
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        uint8_t *copied = copy + (text - parts);
        assert_false(xaes_unseal(xaes, copy, copy + (own - parts),
                                 slice_of(copy + (head - parts), 8), copied, 8,
                                 copy + (tag - parts)));
        assert_memory_equal(copied, nothing, 8); // nothing of it is left
    }
    assert_true(xaes_unseal(xaes, key, own, slice_of(head, 8), text, 8, tag));
    assert_memory_equal(text, "8 bytes.", 8);
    xaes_close(xaes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_specification),
        cmocka_unit_test(test_every_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
