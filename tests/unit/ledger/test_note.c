// SPDX-License-Identifier: MIT
// Notes: what goes in comes out, and what breaks N1 or N2 is not read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ledger/audit.h"
#include "ledger/note.h"

static struct note sample(void) {
    struct note note = {
        .at_ms = 1000,
        .until_ms = 2000,
        .count = 7,
        .status = STATUS_forbidden,
        .resource_type = ID_HOLD,
        .resource = {{1, 2, 3}},
        .operation = SLICE("captureHold"),
        .origin = {.principal = SLICE("key_1"), .request_id = SLICE("r-1"), .role = ROLE_AUDITOR},
    };
    note.origin.address[15] = 9;
    return note;
}

static void test_a_note_comes_back(void **state) {
    struct buffer buffer = {0};
    struct note note = sample(), back;
    (void)state;
    note_encode(&note, &buffer);
    note.replayed = true;
    note.origin.principal = SLICE("");
    note_encode(&note, &buffer);
    struct slice rest = buffer_slice(&buffer);
    assert_int_equal(notes_count(rest), 2);
    assert_true(note_next(&rest, &back));
    assert_int_equal(back.at_ms, 1000);
    assert_int_equal(back.until_ms, 2000);
    assert_int_equal(back.count, 7);
    assert_int_equal(back.status, STATUS_forbidden);
    assert_false(back.replayed);
    assert_int_equal(back.resource_type, ID_HOLD);
    assert_true(id_equal(back.resource, note.resource));
    assert_true(slice_equal(back.operation, SLICE("captureHold")));
    assert_true(slice_equal(back.origin.principal, SLICE("key_1")));
    assert_true(slice_equal(back.origin.request_id, SLICE("r-1")));
    assert_int_equal(back.origin.role, ROLE_AUDITOR);
    assert_int_equal(back.origin.address[15], 9);
    assert_true(note_next(&rest, &back));
    assert_true(back.replayed);
    assert_int_equal(back.origin.principal.size, 0);
    assert_false(note_next(&rest, &back));
    buffer_done(&buffer);
}

static void test_N1_N2_broken_notes_are_not_read(void **state) {
    static const struct {
        size_t place;
        uint8_t value;
    } breaks[] = {{0, 255},  // N1 size
                  {64, 200}, // N1 texts beyond it
                  {64, 2},   // N1 texts that leave too much
                  {2, 255},  // N2 status
                  {3, 2},    // N2 flags
                  {5, 99},   // N2 type
                  {6, 1},    // zero
                  {28, 1},   // zero
                  {67, 1},   // zero
                  {17, 0}};  // N2 until before at: 2000 becomes 208
    (void)state;
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        struct buffer buffer = {0};
        struct note note = sample(), back;
        note_encode(&note, &buffer);
        assert_int_equal(notes_count(buffer_slice(&buffer)), 1);
        buffer.bytes[breaks[i].place] = breaks[i].value;
        struct slice rest = buffer_slice(&buffer);
        assert_false(note_next(&rest, &back));
        assert_int_equal(notes_count(buffer_slice(&buffer)), 0);
        buffer_done(&buffer);
    }
}

static void test_an_entry_names_all_that_a_payment_is_about(void **state) {
    struct audit_entry entry;
    struct record record = {
        .kind = RECORD_TRANSACTION,
        .operation = COMMAND_PURCHASE,
        .time_ms = 5,
        .origin = {.principal = SLICE("key_1")},
        .transaction = {.id = {{1}}, .debit = {.wallet = {{2}}, .number = 1},
                        .credit = {.wallet = {{3}}, .number = 1}},
    };
    (void)state;
    assert_int_equal(audit_entry_count(&record), 1);
    audit_entry_of(&record, 0, &entry);
    assert_true(id_equal(entry.transaction, record.transaction.id));
    assert_true(id_equal(entry.resource.id, record.transaction.debit.wallet));
    assert_int_equal(entry.status, STATUS_ok);
    assert_int_equal(entry.name_count, 4); // the payer as what it is about, and as a side
    record.operation = COMMAND_REFUND;
    record.transaction.subject = (struct id){{4}};
    audit_entry_of(&record, 0, &entry);
    assert_int_equal(entry.resource.type, ID_TRANSACTION);
    assert_true(id_equal(entry.resource.id, record.transaction.subject));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_note_comes_back),
        cmocka_unit_test(test_N1_N2_broken_notes_are_not_read),
        cmocka_unit_test(test_an_entry_names_all_that_a_payment_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
