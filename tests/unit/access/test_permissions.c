// SPDX-License-Identifier: MIT
// Roles: the table says what the issue of each role promises, and nobody who is not in it may
// anything.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/permissions.h"

static const uint8_t admin = 1, service = 2, auditor = 3;

static bool writes(enum permission permission) {
    struct slice name = slice_of_text(permission_name(permission));
    return name.size > 6 && memcmp(name.bytes + name.size - 6, ":write", 6) == 0;
}

static bool about_keys(enum permission permission) {
    return memcmp(permission_name(permission), "keys:", 5) == 0;
}

static void admin_may_everything(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_true(permissions_allow(admin, (enum permission)i));
}

static void service_may_everything_but_keys(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_int_equal(permissions_allow(service, (enum permission)i),
                         !about_keys((enum permission)i));
}

static void auditor_reads_everything_and_changes_nothing(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_int_equal(permissions_allow(auditor, (enum permission)i),
                         !writes((enum permission)i));
}

static void unknown_roles_may_nothing(void **state) {
    for (int role = 0; role < 256; role++) {
        if (role >= admin && role <= auditor)
            continue;
        assert_null(permissions_role((uint8_t)role));
        for (int i = 0; i < PERMISSION_COUNT; i++)
            assert_false(permissions_allow((uint8_t)role, (enum permission)i));
    }
}

static void words_lead_back_to_permissions(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++) {
        enum permission found = PERMISSION_COUNT;
        assert_true(permission_find(slice_of_text(permission_name((enum permission)i)), &found));
        assert_int_equal(found, i);
    }
    enum permission untouched = PERMISSION_COUNT;
    assert_false(permission_find(SLICE("keys"), &untouched));
    assert_false(permission_find(SLICE(""), &untouched));
    assert_int_equal(untouched, PERMISSION_COUNT);
}

static void names_and_numbers_are_unique(void **state) {
    uint32_t count;
    const struct role_row *rows = permissions_roles(&count);
    assert_true(count >= 3);
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(permissions_role(rows[i].number), &rows[i]);
        assert_ptr_equal(permissions_role_find(slice_of_text(rows[i].name)), &rows[i]);
    }
    assert_null(permissions_role_find(SLICE("system")));
    assert_null(permissions_role_find(SLICE("Admin")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admin_may_everything),
        cmocka_unit_test(service_may_everything_but_keys),
        cmocka_unit_test(auditor_reads_everything_and_changes_nothing),
        cmocka_unit_test(unknown_roles_may_nothing),
        cmocka_unit_test(words_lead_back_to_permissions),
        cmocka_unit_test(names_and_numbers_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
