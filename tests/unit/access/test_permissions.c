// SPDX-License-Identifier: MIT
// Roles: the table says what the issue of each role promises, and nobody who is not in it may
// anything.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access/permissions.h"

static const uint8_t admin = 1, service = 2, auditor = 3, merchant = 6, customer = 7;

static bool reads(enum permission permission) {
    struct slice name = slice_of_text(permission_name(permission));
    return permission == PERMISSION_NONE ||
           (name.size > 5 && memcmp(name.bytes + name.size - 5, ":read", 5) == 0);
}

static bool about(enum permission permission, const char *what) {
    return strncmp(permission_name(permission), what, strlen(what)) == 0;
}

static void admin_may_everything(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_true(permissions_allow(admin, (enum permission)i));
}

static void service_may_all_that_a_shop_needs(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_int_equal(permissions_allow(service, (enum permission)i),
                         !about(i, "keys:") && !about(i, "adjustments:") &&
                             !about(i, "approvals:decide") && !about(i, "audit:") &&
                             !about(i, "books:resume") && !about(i, "owners:erase") &&
                             !about(i, "queue:") && !about(i, "anomalies:") &&
                             !about(i, "webhooks:"));
}

static void auditor_reads_everything_and_changes_nothing(void **state) {
    for (int i = 0; i < PERMISSION_COUNT; i++)
        assert_int_equal(permissions_allow(auditor, (enum permission)i),
                         reads((enum permission)i));
}

static void unknown_roles_may_nothing(void **state) {
    for (int role = 0; role < 256; role++) {
        if (role >= admin && role <= customer)
            continue;
        assert_null(permissions_role((uint8_t)role));
        for (int i = 0; i < PERMISSION_COUNT; i++)
            assert_false(permissions_allow((uint8_t)role, (enum permission)i));
    }
}

static void only_merchants_and_customers_are_bound(void **state) {
    uint32_t count;
    const struct role_row *rows = permissions_roles(&count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(rows[i].bound, rows[i].number == merchant || rows[i].number == customer);
}

static void separated_duties_take_money_from_admin_alone(void **state) {
    static const char *const kept[] = {"none", "wallets:read", "wallets:open", "wallets:change",
                                       "wallets:freeze", "payments:read", "approvals:read",
                                       "books:read", "books:resume", "keys:read", "keys:write",
                                       "owners:erase", "anomalies:read", "queue:read",
                                       "queue:decide", "webhooks:read", "webhooks:decide"};
    struct role_table table;
    roles_begin(&table);
    roles_separate_duties(&table);
    for (int i = 0; i < PERMISSION_COUNT; i++) {
        bool keeps = about(i, "audit:");
        for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
            keeps = keeps || strcmp(kept[k], permission_name(i)) == 0;
        assert_int_equal(roles_allow(&table, admin, i), keeps);
        assert_int_equal(roles_allow(&table, service, i), permissions_allow(service, i));
    }
}

static void own_roles_are_checked(void **state) {
    struct role_table table;
    const char *why = NULL;
    permission_set some = (permission_set)1 << PERMISSION_WALLETS_READ;
    permission_set much = (permission_set)1 << PERMISSION_KEYS_WRITE;
    roles_begin(&table);
    assert_true(roles_add(&table, SLICE("teller"), 16, false, some | much, &why));
    assert_true(roles_add(&table, SLICE("clerk_2"), 63, true, some, &why));
    assert_string_equal(roles_at(&table, 16)->name, "teller");
    assert_true(roles_at(&table, 63)->bound);
    assert_true(roles_allow(&table, 16, PERMISSION_KEYS_WRITE));
    assert_false(roles_allow(&table, 63, PERMISSION_KEYS_WRITE));
    assert_true(roles_allow(&table, 63, PERMISSION_NONE));
    assert_false(roles_allow(&table, 17, PERMISSION_NONE));
    uint32_t count = table.count;
    assert_false(roles_add(&table, SLICE("teller"), 17, false, some, &why)); // name
    assert_false(roles_add(&table, SLICE("admin"), 17, false, some, &why));
    assert_false(roles_add(&table, SLICE("other"), 16, false, some, &why)); // number
    assert_false(roles_add(&table, SLICE("other"), 15, false, some, &why));
    assert_false(roles_add(&table, SLICE("other"), 64, false, some, &why));
    assert_false(roles_add(&table, SLICE("Other"), 17, false, some, &why)); // letters
    assert_false(roles_add(&table, SLICE(""), 17, false, some, &why));
    assert_false(roles_add(&table, SLICE("system"), 17, false, some, &why)); // of the audit
    assert_false(roles_add(&table, SLICE("custom"), 17, false, some, &why));
    assert_false(roles_add(&table, SLICE("other"), 17, true, much, &why)); // not to be confined
    assert_non_null(why);
    assert_int_equal(table.count, count);
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
        cmocka_unit_test(service_may_all_that_a_shop_needs),
        cmocka_unit_test(auditor_reads_everything_and_changes_nothing),
        cmocka_unit_test(unknown_roles_may_nothing),
        cmocka_unit_test(only_merchants_and_customers_are_bound),
        cmocka_unit_test(separated_duties_take_money_from_admin_alone),
        cmocka_unit_test(own_roles_are_checked),
        cmocka_unit_test(words_lead_back_to_permissions),
        cmocka_unit_test(names_and_numbers_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
