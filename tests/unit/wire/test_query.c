// SPDX-License-Identifier: MIT
// Queries, from the bytes behind "?" to filters.
#include "support.h"

#include <string.h>

static struct desk desk;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    return 0;
}

static enum status decode(enum operation_code code, const char *query,
                          struct wire_query *ret_query, struct wire_faults *ret_faults) {
    struct wire_parameter parameters[16];
    uint32_t count = wire_split_query(&desk.arena, slice_of_text(desk_text(&desk, query)),
                                      parameters, 16);
    assert_true(count <= 16);
    return wire_decode_query(&desk.context, operation_at(code), parameters, count, ret_query,
                             ret_faults);
}

static struct wire_query expect_query(enum operation_code code, const char *query) {
    struct wire_query result;
    struct wire_faults faults;
    enum status status = decode(code, query, &result, &faults);
    if (status != STATUS_ok)
        expect_pointers(&faults, "");
    assert_int_equal(status, STATUS_ok);
    return result;
}

static void expect_refused(enum operation_code code, const char *query, const char *pointers) {
    struct wire_query result;
    struct wire_faults faults;
    if (decode(code, query, &result, &faults) != STATUS_invalid_request)
        fail_msg("expected a refusal of %s", query);
    expect_pointers(&faults, pointers);
}

static void nothing_asks_for_everything(void **state) {
    struct wire_query query = expect_query(OPERATION_TRANSACTION_LIST, "");
    assert_int_equal(query.limit, 50);
    assert_int_equal(query.type, -1);
    assert_int_equal(query.status, -1);
    assert_int_equal(query.wallet_kind, -1);
    assert_int_equal(query.from_ms, 0);
    assert_true(query.to_ms == UINT64_MAX);
    assert_int_equal(query.cursor.place, 0);
    assert_false(query.has_at);
    assert_int_equal(query.order.size, 0);
    assert_true(id_is_zero(query.wallet));
}

static void every_filter_is_read(void **state) {
    struct wire_query query = expect_query(
        OPERATION_WALLET_LIST, "owner=ann%20b&kind=merchant&status=closed&currency=EUR&limit=7");
    expect_text(query.owner, "ann b");
    assert_int_equal(query.wallet_kind, WALLET_MERCHANT);
    assert_int_equal(query.status, WALLET_CLOSED);
    assert_string_equal(query.currency.code, "EUR");
    assert_int_equal(query.limit, 7);
    query = expect_query(OPERATION_TRANSACTION_LIST,
                         "type=deposit&initiated_by=key_1&bank_transaction_id=b%2F1&order=o&"
                         "from=2026-01-01&to=2026-01-02T03:04:05.678Z");
    assert_int_equal(query.type, TRANSACTION_DEPOSIT);
    expect_text(query.initiated_by, "key_1");
    expect_text(query.bank_id, "b/1");
    expect_text(query.order, "o");
    assert_int_equal(query.from_ms, 1767225600000);
    assert_int_equal(query.to_ms, 1767323045678);
    query = expect_query(OPERATION_HOLD_LIST, "wallet=#W1&merchant=#W2&status=open");
    assert_true(id_equal(query.wallet, desk_id(&desk, 1)));
    assert_true(id_equal(query.merchant, desk_id(&desk, 2)));
    assert_int_equal(query.status, HOLD_OPEN);
    query = expect_query(OPERATION_WITHDRAWAL_LIST, "status=failed");
    assert_int_equal(query.status, WITHDRAWAL_FAILED);
    query = expect_query(OPERATION_WALLET_BALANCE, "at=1970-01-01");
    assert_true(query.has_at);
    assert_int_equal(query.at_ms, 0);
}

static void pluses_are_spaces_but_for_offsets(void **state) {
    struct wire_query query = expect_query(OPERATION_WALLET_LIST, "owner=a+b%2Bc");
    expect_text(query.owner, "a b+c");
    query = expect_query(OPERATION_WALLET_BALANCE, "at=2026-01-01T02:00:00+02:00");
    assert_int_equal(query.at_ms, 1767225600000);
    query = expect_query(OPERATION_WALLET_BALANCE, "at=2026-01-01T02:00:00%2B02:00");
    assert_int_equal(query.at_ms, 1767225600000);
}

static struct sha256 list_of(enum operation_code code, const char *text, struct id of,
                             struct slice bound_to) {
    struct wire_query query = expect_query(code, text);
    return wire_list_digest(operation_at(code), of, &query, bound_to);
}

static void cursors_are_sealed(void **state) {
    char text[WIRE_CURSOR_BYTES + 8] = "cursor=";
    struct sha256 list = list_of(OPERATION_KEY_LIST, "", (struct id){{0}}, SLICE(""));
    wire_cursor_format(&desk.seal, &list, 42, text + 7);
    text[7 + WIRE_CURSOR_BYTES] = 0;
    struct wire_query query = expect_query(OPERATION_KEY_LIST, text);
    assert_int_equal(query.cursor.place, 42);
    assert_true(wire_cursor_is_of(&query.cursor, &list));
    expect_refused(OPERATION_KEY_LIST, "cursor=", "/cursor");
    expect_refused(OPERATION_KEY_LIST, "cursor=42", "/cursor");
    expect_refused(OPERATION_KEY_LIST, "cursor=uuuuuuuuuuuuuuuuuuuuuuuuuu", "/cursor");
    id_token_format(&desk.seal, 0, text + 7);
    expect_refused(OPERATION_KEY_LIST, text, "/cursor");
    id_token_format(&desk.seal, 42, text + 7);
    text[7 + ID_TOKEN_BYTES] = 0; // as cursors were
    expect_refused(OPERATION_KEY_LIST, text, "/cursor");
}

// Any digit changed, the halves of two cursors, the same place sealed by other books.
static void changed_cursors_are_of_no_list(void **state) {
    char text[WIRE_CURSOR_BYTES], other[WIRE_CURSOR_BYTES];
    struct wire_cursor cursor;
    struct sha256 list = list_of(OPERATION_WALLET_LIST, "", (struct id){{0}}, SLICE(""));
    wire_cursor_format(&desk.seal, &list, 42, text);
    for (size_t i = 0; i < WIRE_CURSOR_BYTES; i++) {
        char kept = text[i];
        text[i] = kept == '7' ? '6' : '7';
        if (wire_cursor_parse(&desk.seal, slice_of(text, WIRE_CURSOR_BYTES), &cursor))
            assert_false(wire_cursor_is_of(&cursor, &list));
        text[i] = kept;
    }
    wire_cursor_format(&desk.seal, &list, 43, other);
    memcpy(other, text, ID_TOKEN_BYTES);
    assert_true(wire_cursor_parse(&desk.seal, slice_of(other, WIRE_CURSOR_BYTES), &cursor));
    assert_false(wire_cursor_is_of(&cursor, &list));
    struct id_seal foreign = id_seal_make((const uint8_t[16]){9, 9});
    wire_cursor_format(&foreign, &list, 42, other);
    if (wire_cursor_parse(&desk.seal, slice_of(other, WIRE_CURSOR_BYTES), &cursor))
        assert_false(wire_cursor_is_of(&cursor, &list));
}

static void a_cursor_is_of_one_list(void **state) {
    static const struct {
        enum operation_code code;
        const char *query;
        uint8_t of; // of the path
        const char *bound_to;
    } lists[] = {
        {OPERATION_WALLET_LIST, "", 0, ""},
        {OPERATION_WALLET_LIST, "", 0, "ann"},
        {OPERATION_WALLET_LIST, "", 0, "bob"},
        {OPERATION_WALLET_LIST, "owner=ann", 0, ""},
        {OPERATION_WALLET_LIST, "kind=merchant", 0, ""},
        {OPERATION_WALLET_LIST, "status=active", 0, ""},
        {OPERATION_WALLET_LIST, "currency=EUR", 0, ""},
        {OPERATION_KEY_LIST, "", 0, ""},
        {OPERATION_WALLET_TRANSACTIONS, "", 1, ""},
        {OPERATION_WALLET_TRANSACTIONS, "", 2, ""},
        {OPERATION_TRANSACTION_LIST, "", 0, ""},
        {OPERATION_TRANSACTION_LIST, "type=deposit", 0, ""},
        {OPERATION_TRANSACTION_LIST, "order=a", 0, ""},
        {OPERATION_TRANSACTION_LIST, "bank_transaction_id=a", 0, ""},
        {OPERATION_TRANSACTION_LIST, "initiated_by=a", 0, ""},
        {OPERATION_TRANSACTION_LIST, "from=2026-01-01", 0, ""},
        {OPERATION_TRANSACTION_LIST, "to=2026-01-01", 0, ""},
        {OPERATION_HOLD_LIST, "wallet=#W1", 0, ""},
        {OPERATION_HOLD_LIST, "merchant=#W1", 0, ""},
        {OPERATION_ANOMALY_LIST, "rule=a", 0, ""},
        {OPERATION_AUDIT_LIST, "principal=a", 0, ""},
        {OPERATION_AUDIT_LIST, "operation=deposit", 0, ""},
        {OPERATION_AUDIT_LIST, "outcome=ok", 0, ""},
        {OPERATION_AUDIT_LIST, "resource=#W1", 0, ""},
    };
    size_t count = sizeof(lists) / sizeof(lists[0]);
    for (size_t i = 0; i < count; i++) {
        struct id of = lists[i].of == 0 ? (struct id){{0}} : desk_id(&desk, lists[i].of);
        struct slice bound_to = slice_of_text(lists[i].bound_to);
        struct sha256 list = list_of(lists[i].code, lists[i].query, of, bound_to);
        char text[WIRE_CURSOR_BYTES];
        struct wire_cursor cursor;
        wire_cursor_format(&desk.seal, &list, 42, text);
        assert_true(wire_cursor_parse(&desk.seal, slice_of(text, WIRE_CURSOR_BYTES), &cursor));
        for (size_t j = 0; j < count; j++) {
            struct id thing = lists[j].of == 0 ? (struct id){{0}} : desk_id(&desk, lists[j].of);
            struct sha256 other = list_of(lists[j].code, lists[j].query, thing,
                                          slice_of_text(lists[j].bound_to));
            assert_int_equal(wire_cursor_is_of(&cursor, &other), i == j);
        }
    }
    // How much is on a page may change on the way.
    struct sha256 small = list_of(OPERATION_KEY_LIST, "limit=1", (struct id){{0}}, SLICE(""));
    struct sha256 large = list_of(OPERATION_KEY_LIST, "limit=9", (struct id){{0}}, SLICE(""));
    assert_memory_equal(small.bytes, large.bytes, sizeof(small.bytes));
}

static void limits_are_numbers_within_bounds(void **state) {
    static const char *const bad[] = {"0", "1001", "-1", "+1", "1.0", "1e2", "", "0x10", "ten",
                                      "99999999999999999999", "1%20", "%31a", "true"};
    assert_int_equal(expect_query(OPERATION_KEY_LIST, "limit=1").limit, 1);
    assert_int_equal(expect_query(OPERATION_KEY_LIST, "limit=1000").limit, 1000);
    assert_int_equal(expect_query(OPERATION_KEY_LIST, "limit=%31").limit, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char query[64];
        (void)snprintf(query, sizeof(query), "limit=%s", bad[i]);
        expect_refused(OPERATION_KEY_LIST, query, "/limit");
    }
}

static void wrong_values_are_named(void **state) {
    expect_refused(OPERATION_WALLET_LIST, "kind=Merchant&status=open&currency=us&owner=",
                   "/kind /status /currency /owner");
    expect_refused(OPERATION_WALLET_LIST, "currency=TOOLONGCODE12", "/currency");
    (void)expect_query(OPERATION_WALLET_LIST, "currency=GONE9"); // of an earlier configuration
    expect_refused(OPERATION_HOLD_LIST, "wallet=#T1&merchant=x", "/wallet /merchant");
    expect_refused(OPERATION_WALLET_BALANCE, "at=yesterday", "/at");
    expect_refused(OPERATION_WALLET_BALANCE, "at=1969-12-31", "/at");
    expect_refused(OPERATION_WALLET_BALANCE, "at=2026-02-30", "/at");
    expect_refused(OPERATION_WALLET_BALANCE,
                   "at=2026-01-01T00:00:00.0000000000000000000000000000000000000000000000000Z",
                   "/at");
    expect_refused(OPERATION_WALLET_LIST, "owner=a%0Ab", "/owner");
}

static void spans_that_end_before_they_begin_are_told(void **state) {
    static const enum operation_code lists[] = {
        OPERATION_TRANSACTION_LIST, OPERATION_WITHDRAWAL_LIST, OPERATION_ANOMALY_LIST,
        OPERATION_AUDIT_LIST, OPERATION_WALLET_TRANSACTIONS};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        expect_refused(lists[i], "from=2026-02-01&to=2026-01-31", "/from");
        expect_refused(lists[i], "to=2026-01-31T23:59:59.999Z&from=2026-02-01", "/from");
        (void)expect_query(lists[i], "from=2026-02-01&to=2026-02-01");
        (void)expect_query(lists[i], "from=2026-02-01T01:00:00%2B02:00&to=2026-02-01");
    }
    expect_refused(OPERATION_TRANSACTION_LIST, "from=never&to=2026-01-31", "/from");
    expect_refused(OPERATION_TRANSACTION_LIST, "from=2026-01-31&to=never", "/to");
    expect_refused(OPERATION_TRANSACTION_LIST, "to=1970-01-01&from=1970-01-02&x=1", "/x /from");
    struct wire_query query;
    struct wire_faults faults;
    assert_int_equal(decode(OPERATION_AUDIT_LIST, "from=2026-02-01T01:00:00-02:00&to=2026-02-01",
                            &query, &faults), STATUS_invalid_request);
    expect_text(faults.items[0].sentence, "is 2026-02-01T03:00:00.000Z, later than to, which is "
                                          "2026-02-01T00:00:00.000Z: swap the two");
}

static void unknown_and_repeated_parameters_are_named(void **state) {
    expect_refused(OPERATION_WALLET_LIST, "limit=1&limit=1", "/limit");
    expect_refused(OPERATION_WALLET_LIST, "bogus=1&Owner=a", "/bogus /Owner");
    expect_refused(OPERATION_WALLET_LIST, "order=1", "/order");
    expect_refused(OPERATION_WALLET_READ, "at=2026-01-01", "/at");
    expect_refused(OPERATION_WALLET_LIST, "=1", "/");
    expect_refused(OPERATION_WALLET_LIST, "limit", "/limit");
    expect_refused(OPERATION_WALLET_LIST, "%FF=1&owner=%C0%80", ". .");
}

static void splitting_is_forgiving_about_ampersands(void **state) {
    struct wire_parameter parameters[2];
    assert_int_equal(wire_split_query(&desk.arena, SLICE(""), parameters, 2), 0);
    assert_int_equal(wire_split_query(&desk.arena, SLICE("&&"), parameters, 2), 0);
    assert_int_equal(wire_split_query(&desk.arena, SLICE("&a=1&&b=2=3&"), parameters, 2), 2);
    expect_text(parameters[1].name, "b");
    expect_text(parameters[1].value, "2=3");
    assert_int_equal(wire_split_query(&desk.arena, SLICE("a&b&c&d"), parameters, 2), 4);
    assert_int_equal(wire_split_query(&desk.arena, SLICE("a=%&b=%4"), parameters, 2), 2);
    expect_text(parameters[0].value, "%");
    expect_text(parameters[1].value, "%4");
    assert_int_equal(wire_split_query(&desk.arena, SLICE("a=%zz&b=%4a%4A"), parameters, 2), 2);
    expect_text(parameters[0].value, "%zz");
    expect_text(parameters[1].value, "JJ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asks_for_everything),
        cmocka_unit_test(every_filter_is_read),
        cmocka_unit_test(pluses_are_spaces_but_for_offsets),
        cmocka_unit_test(cursors_are_sealed),
        cmocka_unit_test(changed_cursors_are_of_no_list),
        cmocka_unit_test(a_cursor_is_of_one_list),
        cmocka_unit_test(limits_are_numbers_within_bounds),
        cmocka_unit_test(wrong_values_are_named),
        cmocka_unit_test(spans_that_end_before_they_begin_are_told),
        cmocka_unit_test(unknown_and_repeated_parameters_are_named),
        cmocka_unit_test(splitting_is_forgiving_about_ampersands),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
