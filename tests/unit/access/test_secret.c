// SPDX-License-Identifier: MIT
// Secrets: their shape is exact, every single changed character is noticed, and no two are alike.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/secret.h"

static void a_secret_has_its_shape(void **state) {
    char text[SECRET_BYTES_MAX];
    size_t size = secret_make(SLICE("admin"), text);
    assert_int_equal(size, 7 + 5 + 1 + 43 + 1 + 6);
    assert_memory_equal(text, "florin_admin_", 13);
    assert_int_equal(text[13 + 43], '_');
    assert_true(secret_is_well_formed(slice_of(text, size)));
}

static void the_longest_role_fits(void **state) {
    char text[SECRET_BYTES_MAX];
    size_t size = secret_make(SLICE("abcdefghijklmnopqrstuvwxyzabcdef"), text);
    assert_int_equal(size, SECRET_BYTES_MAX);
    assert_true(secret_is_well_formed(slice_of(text, size)));
}

static void every_changed_character_is_noticed(void **state) {
    char text[SECRET_BYTES_MAX];
    size_t size = secret_make(SLICE("service"), text);
    for (size_t i = 0; i < size; i++) {
        char was = text[i];
        text[i] = was == 'x' ? 'y' : 'x';
        assert_false(secret_is_well_formed(slice_of(text, size)));
        text[i] = (char)0x80;
        assert_false(secret_is_well_formed(slice_of(text, size)));
        text[i] = was;
    }
    assert_true(secret_is_well_formed(slice_of(text, size)));
}

static void every_cut_and_every_tail_is_noticed(void **state) {
    char text[SECRET_BYTES_MAX + 1];
    size_t size = secret_make(SLICE("auditor"), text);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(secret_is_well_formed(slice_of(text, cut)));
    text[size] = '0';
    assert_false(secret_is_well_formed(slice_of(text, size + 1)));
    assert_false(secret_is_well_formed(slice_of(text + 1, size - 1)));
}

static void a_role_must_be_there(void **state) {
    char text[SECRET_BYTES_MAX];
    size_t size = secret_make(SLICE("a"), text);
    char without[SECRET_BYTES_MAX];
    memcpy(without, text, 7);
    memcpy(without + 7, text + 8, size - 8);
    assert_false(secret_is_well_formed(slice_of(without, size - 1)));
}

static void secrets_differ(void **state) {
    char all[64][SECRET_BYTES_MAX];
    for (int i = 0; i < 64; i++) {
        (void)secret_make(SLICE("admin"), all[i]);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(all[i] + 13, all[k] + 13, SECRET_RANDOM_DIGITS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_has_its_shape),
        cmocka_unit_test(the_longest_role_fits),
        cmocka_unit_test(every_changed_character_is_noticed),
        cmocka_unit_test(every_cut_and_every_tail_is_noticed),
        cmocka_unit_test(a_role_must_be_there),
        cmocka_unit_test(secrets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
