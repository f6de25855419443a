// SPDX-License-Identifier: MIT
// Lines of an import as they will be sent: names become ids or holes, keys come from the file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "programs/import/import_line.h"

#define KEY_1 "import-00000000000000000000000000000000-1"

struct stage {
    struct import_lines lines;
    struct buffer text;
};

static void stage_open(struct stage *stage) {
    static const struct sha256 hash;
    memset(stage, 0, sizeof(*stage));
    import_lines_init(&stage->lines, &hash);
    stage->lines.parser = json_open();
    stage->lines.names = import_names_open();
    stage->lines.window = memory_take_zeroed(sizeof(*stage->lines.window));
}

static void stage_close(struct stage *stage) {
    json_close(stage->lines.parser);
    import_names_close(stage->lines.names);
    buffer_done(&stage->lines.window->wallets.text);
    buffer_done(&stage->lines.window->others.text);
    memory_free(stage->lines.window);
    import_lines_done(&stage->lines);
    buffer_done(&stage->text);
}

static enum import_line_result add(struct stage *stage, const char *line, uint64_t number) {
    buffer_reset(&stage->text);
    buffer_add_text(&stage->text, line);
    memset(buffer_room(&stage->text, JSON_PADDING), 0, JSON_PADDING);
    return import_lines_add(&stage->lines, buffer_slice(&stage->text), number);
}

// The batch's last operation as it would be sent.
static void expect_last(struct stage *stage, const struct import_batch *batch, const char *json) {
    struct buffer body = {0};
    uint32_t name;
    assert_true(batch->count > 0);
    assert_true(import_operation_add_to(batch, &batch->operations[batch->count - 1],
                                        stage->lines.names, &body, &name));
    BUFFER_ADD(&body, "\0");
    assert_string_equal((const char *)body.bytes, json);
    buffer_done(&body);
}

static void lines_are_written_again(void **state) {
    struct stage stage;
    stage_open(&stage);
    const struct import_batch *others = &stage.lines.window->others;
    assert_int_equal(
        add(&stage, " {\"type\" : \"deposit\", \"amount\":-1, \"x\":[true,null,{}]}", 1),
        IMPORT_LINE_ADDED);
    expect_last(&stage, others,
                "{\"type\":\"deposit\",\"amount\":-1,\"x\":[true,null,{}],"
                "\"idempotency_key\":\"" KEY_1 "\"}");
    assert_int_equal(
        add(&stage, "{\"idempotency_key\":\"k\",\"metadata\":{\"\\u00fc\":\"\\n\"}}", 2),
        IMPORT_LINE_ADDED);
    expect_last(&stage, others, "{\"idempotency_key\":\"k\",\"metadata\":{\"\xc3\xbc\":\"\\n\"}}");
    assert_int_equal(add(&stage, "{}", 1), IMPORT_LINE_ADDED);
    expect_last(&stage, others, "{\"idempotency_key\":\"" KEY_1 "\"}");
    assert_int_equal(add(&stage, " \t\r", 4), IMPORT_LINE_EMPTY);
    assert_int_equal(others->count, 3);
    stage_close(&stage);
}

static void names_become_ids(void **state) {
    struct stage stage;
    stage_open(&stage);
    struct import_window *window = stage.lines.window;
    assert_int_equal(add(&stage, "{\"type\":\"wallet\",\"as\":\"a\",\"idempotency_key\":\"k\"}", 1),
                     IMPORT_LINE_ADDED);
    expect_last(&stage, &window->wallets, "{\"type\":\"wallet\",\"idempotency_key\":\"k\"}");
    // In the same window a wallet's id is filled in when it is known.
    assert_int_equal(add(&stage,
                         "{\"idempotency_key\":\"k\",\"to\":\"@a\",\"owner\":\"@a\","
                         "\"from\":\"@a\"}",
                         2),
                     IMPORT_LINE_ADDED);
    uint32_t name = import_names_find(stage.lines.names, SLICE("a"));
    assert_true(import_names_set_made(stage.lines.names, name, SLICE("wallet_1")));
    expect_last(&stage, &window->others,
                "{\"idempotency_key\":\"k\",\"to\":\"wallet_1\","
                "\"owner\":\"@a\",\"from\":\"wallet_1\"}");
    assert_int_equal(add(&stage, "{\"wallet\":\"@a\",\"idempotency_key\":\"k\"}", 3),
                     IMPORT_LINE_ADDED);
    expect_last(&stage, &window->others, "{\"wallet\":\"wallet_1\",\"idempotency_key\":\"k\"}");
    // Anything else must be answered before it can be named.
    assert_int_equal(add(&stage, "{\"type\":\"hold\",\"as\":\"h\",\"wallet\":\"@a\"}", 4),
                     IMPORT_LINE_ADDED);
    assert_int_equal(add(&stage, "{\"type\":\"void\",\"hold\":\"@h\"}", 5), IMPORT_LINE_NOT_YET);
    assert_int_equal(window->others.count, 3);
    stage_close(&stage);
}

static void holes_of_refused_names_are_refused(void **state) {
    struct stage stage;
    struct buffer body = {0};
    uint32_t name = IMPORT_NO_NAME;
    stage_open(&stage);
    const struct import_batch *others = &stage.lines.window->others;
    assert_int_equal(add(&stage, "{\"type\":\"wallet\",\"as\":\"a\"}", 1), IMPORT_LINE_ADDED);
    assert_int_equal(add(&stage, "{\"wallet\":\"@a\"}", 2), IMPORT_LINE_ADDED);
    import_names_set_refused(stage.lines.names, 0);
    assert_false(
        import_operation_add_to(others, &others->operations[0], stage.lines.names, &body, &name));
    assert_int_equal(name, 0);
    assert_int_equal(body.size, 0);
    assert_int_equal(add(&stage, "{\"wallet\":\"@a\"}", 3), IMPORT_LINE_REFUSED);
    assert_string_equal(stage.lines.code, "unknown_name");
    stage_close(&stage);
}

static void wrong_lines_leave_nothing_behind(void **state) {
    static const char *const lines[] = {
        "x",
        "[]",
        "7",
        "{\"a\":1.0}",
        "{\"a\":1e2}",
        "{\"a\":{\"b\":[18446744073709551615]}}",
        "{\"wallet\":\"@unknown\"}",
        "{\"type\":\"deposit\",\"as\":\"d\"}",
        "{\"as\":\"x\"}",
        "{\"type\":\"wallet\",\"as\":7}",
        "{\"type\":\"wallet\",\"as\":\"\"}",
        "{\"type\":\"wallet\",\"as\":\"y\",\"as\":\"z\"}",
        "{\"type\":\"wallet\",\"as\":\"taken\"}",
        "{\"type\":\"wallet\",\"as\":\"b\",\"c\":0.5}",
        "{\"wallet\":\"@taken\",\"wallet\":\"@taken\",\"wallet\":\"@taken\",\"wallet\":\"@taken\","
        "\"wallet\":\"@taken\",\"wallet\":\"@taken\",\"wallet\":\"@taken\",\"wallet\":\"@taken\","
        "\"wallet\":\"@taken\"}",
    };
    struct stage stage;
    stage_open(&stage);
    assert_int_equal(add(&stage, "{\"type\":\"wallet\",\"as\":\"taken\"}", 1), IMPORT_LINE_ADDED);
    for (size_t at = 0; at < sizeof(lines) / sizeof(lines[0]); at++) {
        assert_int_equal(add(&stage, lines[at], 2), IMPORT_LINE_REFUSED);
        assert_true(stage.lines.detail.size > 0);
    }
    assert_int_equal(stage.lines.window->wallets.count, 1);
    assert_int_equal(stage.lines.window->others.count, 0);
    assert_int_equal(stage.lines.window->others.text.size, 0);
    assert_int_equal(import_names_find(stage.lines.names, SLICE("b")), IMPORT_NO_NAME);
    stage_close(&stage);
}

static void a_batch_is_full_by_count_or_by_bytes(void **state) {
    struct stage stage;
    stage_open(&stage);
    struct import_batch *others = &stage.lines.window->others;
    for (uint32_t at = 0; at < IMPORT_BATCH_OPERATIONS_MAX; at++) {
        assert_false(import_batch_is_full(others));
        assert_int_equal(add(&stage, "{}", at), IMPORT_LINE_ADDED);
    }
    assert_true(import_batch_is_full(others));
    import_batch_reset(others);
    assert_false(import_batch_is_full(others));
    others->text.size = 0;
    (void)buffer_room(&others->text, IMPORT_BATCH_BYTES_MAX);
    others->text.size = IMPORT_BATCH_BYTES_MAX;
    assert_true(import_batch_is_full(others));
    stage_close(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_written_again),
        cmocka_unit_test(names_become_ids),
        cmocka_unit_test(holes_of_refused_names_are_refused),
        cmocka_unit_test(wrong_lines_leave_nothing_behind),
        cmocka_unit_test(a_batch_is_full_by_count_or_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
