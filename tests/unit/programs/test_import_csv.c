// SPDX-License-Identifier: MIT
// CSV rows as the JSON that they mean.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "programs/import/import_csv.h"

static void expect(struct import_csv *csv, const char *row, const char *json) {
    struct buffer out = {0};
    const char *why = NULL;
    assert_true(import_csv_row(csv, slice_of_text(row), &out, &why));
    BUFFER_ADD(&out, "\0");
    assert_string_equal((const char *)out.bytes, json);
    buffer_done(&out);
}

static void refuse(struct import_csv *csv, const char *row) {
    struct buffer out = {0};
    const char *why = NULL;
    assert_false(import_csv_row(csv, slice_of_text(row), &out, &why));
    assert_true(why != NULL && why[0] != '\0');
    buffer_done(&out);
}

static struct import_csv *open_csv(const char *header) {
    struct import_csv *csv = NULL;
    assert_true(import_csv_open(slice_of_text(header), &csv));
    return csv;
}

static void rows_become_objects(void **state) {
    struct import_csv *csv = open_csv("type,wallet,amount,\"final\",metadata.a,as,metadata.b c");
    expect(csv, "deposit,@a,100,,,,", "{\"type\":\"deposit\",\"wallet\":\"@a\",\"amount\":100}");
    expect(csv, "x,,,true,1,,2",
           "{\"type\":\"x\",\"final\":true,\"metadata\":{\"a\":\"1\",\"b c\":\"2\"}}");
    expect(csv, ",,,,only,,", "{\"metadata\":{\"a\":\"only\"}}");
    expect(csv, ",,,,,,", "{}");
    expect(csv, "", "");
    expect(csv, "\"a,b\",\"say \"\"hi\"\"\",\"7\",,,,",
           "{\"type\":\"a,b\",\"wallet\":\"say \\\"hi\\\"\",\"amount\":7}");
    expect(csv, "\"two\nlines\",\"\",,,,,", "{\"type\":\"two\\nlines\"}");
    import_csv_close(csv);
}

static void numbers_are_bare_only_when_json_takes_them(void **state) {
    struct import_csv *csv = open_csv("amount,owner");
    expect(csv, "0,1", "{\"amount\":0,\"owner\":\"1\"}");
    expect(csv, "-5,", "{\"amount\":-5}");
    expect(csv, "007,", "{\"amount\":\"007\"}");
    expect(csv, "-,", "{\"amount\":\"-\"}");
    expect(csv, "1.5,", "{\"amount\":\"1.5\"}");
    expect(csv, " 1,", "{\"amount\":\" 1\"}");
    expect(csv, "1e3,", "{\"amount\":\"1e3\"}");
    expect(csv, "999999999999999999999999,", "{\"amount\":\"999999999999999999999999\"}");
    import_csv_close(csv);
}

static void broken_rows_are_refused(void **state) {
    struct import_csv *csv = open_csv("type,wallet");
    refuse(csv, "a");
    refuse(csv, "a,b,c");
    refuse(csv, "a,b,");
    refuse(csv, "\"a,b");
    refuse(csv, "\"a\"x,b");
    refuse(csv, "a\"b,c");
    refuse(csv, "a,\"b\"\"");
    import_csv_close(csv);
}

static void wrong_headers_are_refused(void **state) {
    static const char *const headers[] = {"",         "type,",
                                          "amout",    "type,type",
                                          "metadata", "metadata.",
                                          "a\"b",     "metadata.x,metadata.x",
                                          "\"type",   "type;wallet;amount"};
    struct import_csv *csv = NULL;
    for (size_t at = 0; at < sizeof(headers) / sizeof(headers[0]); at++) {
        assert_false(import_csv_open(slice_of_text(headers[at]), &csv));
        assert_null(csv);
    }
}

static void every_field_of_a_batch_is_a_column(void **state) {
    import_csv_close(open_csv("type,idempotency_key,as,owner,currency,kind,credit_limit,wallet,"
                              "merchant,from,to,hold,withdrawal,purchase,amount,final,expires_in,"
                              "bank_transaction_id,order,reference,reason,metadata.x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_objects),
        cmocka_unit_test(numbers_are_bare_only_when_json_takes_them),
        cmocka_unit_test(broken_rows_are_refused),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(every_field_of_a_batch_is_a_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
