// SPDX-License-Identifier: MIT
// The names of commands and transactions: each has one, and no two the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/command.h"
#include "ledger/record.h"

static void test_every_command_has_its_own_name(void **state) {
    (void)state;
    for (int a = 0; a < COMMAND_TYPE_COUNT; a++) {
        if (!command_type_is_known((enum command_type)a))
            continue;
        assert_non_null(command_type_name((enum command_type)a));
        for (int b = 0; b < a; b++)
            if (command_type_is_known((enum command_type)b))
                assert_string_not_equal(command_type_name((enum command_type)a),
                                    command_type_name((enum command_type)b));
    }
    assert_true(command_type_is_known(COMMAND_KEY_ROTATE));
    assert_false(command_type_is_known(COMMAND_TYPE_COUNT));
    assert_string_equal(command_type_name(COMMAND_WALLET_OPEN), "wallet");
    assert_string_equal(command_type_name(COMMAND_VOID), "void");
}

static void test_reads_are_reads(void **state) {
    (void)state;
    for (int type = 0; type < COMMAND_TYPE_COUNT; type++)
        if (command_type_is_known((enum command_type)type))
            assert_int_equal(command_is_read((enum command_type)type),
                         strncmp(command_type_name((enum command_type)type), "read_", 5) == 0);
}

static void test_names_of_transactions(void **state) {
    (void)state;
    assert_string_equal(transaction_type_name(TRANSACTION_DEPOSIT), "deposit");
    assert_string_equal(transaction_type_name(TRANSACTION_WITHDRAWAL), "withdrawal");
    assert_string_equal(transaction_type_name(TRANSACTION_PURCHASE), "purchase");
    assert_string_equal(transaction_type_name(TRANSACTION_REFUND), "refund");
    assert_string_equal(transaction_type_name(TRANSACTION_TRANSFER), "transfer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_has_its_own_name),
        cmocka_unit_test(test_reads_are_reads),
        cmocka_unit_test(test_names_of_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
