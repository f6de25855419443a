// SPDX-License-Identifier: MIT
// JSON in: what is refused (the outside writes it), what each kind looks like, and that handles
// walk documents of any shape.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/json.h"
#include "expect_stop.h"

static int open_parser(void **state) {
    *state = json_open();
    return *state == NULL;
}

static int close_parser(void **state) {
    json_close(*state);
    return 0;
}

// Memory with exactly the promised padding, so that a sanitizer sees any byte read beyond it.
static char *padded(struct slice text) {
    char *copy = test_malloc(text.size + JSON_PADDING);
    memcpy(copy, text.bytes, text.size);
    memset(copy + text.size, '1', JSON_PADDING); // must never count as text
    return copy;
}

static bool parses(struct json_parser *parser, struct slice text) {
    char *copy = padded(text);
    struct json_value value;
    const char *why = NULL;
    bool parsed = json_parse(parser, slice_of(copy, text.size), &value, &why);
    if (!parsed) {
        assert_non_null(why);
        assert_true(strlen(why) > 10);
    }
    test_free(copy);
    return parsed;
}

static void expect_refusal(struct json_parser *parser, struct slice text) {
    if (parses(parser, text))
        fail_msg("accepted: %.*s", (int)text.size, (const char *)text.bytes);
}

static void malformed_texts_are_refused(void **state) {
    const char *texts[] = {
        "", " ", "{", "}", "[", "]", "{]", "[}", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "{1:2}", "[1]]", "{}{}", "{} x",
        "1 2",
        "tru", "True", "nul", "NaN", "Infinity", "-Infinity", "// comment\n1", "/* c */ 1", "[1]//",
        "\xef\xbb\xbf{}", "\"", "\"a", "\"\\\"", "[\"a]", ",", ":", "truefalse", "nullnull",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal(*state, slice_of_text(texts[i]));
}

static void malformed_numbers_are_refused(void **state) {
    const char *texts[] = {
        "01", "-01", "00", "[007]", "+1", "-", "1.", ".5", "1.e3", "1e", "1e+", "0x10", "1_000",
        "--1",
        "-a", "1a", "18446744073709551616", "-9223372036854775809", "[99999999999999999999999999]",
        "1e999", "1,000", "0b1", "- 1", "1 .5",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal(*state, slice_of_text(texts[i]));
}

static void malformed_strings_are_refused(void **state) {
    const struct slice texts[] = {
        SLICE("\"\\x\""), SLICE("\"\\u12\""), SLICE("\"\\u12g4\""), SLICE("\"\\\""),
        SLICE("\"\n\""),
        SLICE("\"\t\""), SLICE("\"\x01\""), SLICE("\"\x1f\""), SLICE("\"a\0b\""),
        SLICE("\"\\ud800\""),
        SLICE("\"\\udc00\""), SLICE("\"\\ud800x\""), SLICE("\"\\ud800\\n\""),
        SLICE("\"\\ud800\\ud800\""), SLICE("\"\\udc00\\ud800\""), SLICE("\"\\'\""),
        SLICE("\"\xff\""), SLICE("\"\xc3\""), SLICE("\"\xc0\x80\""), SLICE("\"\xed\xa0\x80\""),
        SLICE("\"\xf4\x90\x80\x80\""), SLICE("\"\xe2\x82\""), SLICE("\"\x80\""),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal(*state, texts[i]);
}

static void trailing_bytes_are_refused(void **state) {
    const struct slice texts[] = {
        SLICE("{}\0"), SLICE("1\0"), SLICE("{}a"), SLICE("{},"), SLICE("[1]\"x\""), SLICE("\0{}"),
        SLICE("{\"a\":1}\xff"), SLICE("{}\x0b"), SLICE("{}\xc2\xa0"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal(*state, texts[i]);
    assert_true(parses(*state, SLICE(" \t\r\n{} \t\r\n")));
}

static void depth_is_limited_to_sixteen(void **state) {
    char text[2100];
    for (size_t depth = 1; depth <= 1000; depth += depth < 40 ? 1 : 160) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(parses(*state, slice_of(text, 2 * depth)), depth <= 16);
    }
    size_t size = 0;
    for (size_t i = 0; i < 17; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "{\"a\":");
    size += (size_t)snprintf(text + size, sizeof(text) - size, "1");
    memset(text + size, '}', 17);
    assert_false(parses(*state, slice_of(text, size + 17)));
    // An array beside another one is not inside of it.
    assert_true(parses(*state, SLICE("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]")));
}

static struct json_value parse_good(struct json_parser *parser, char *copy, struct slice text) {
    struct json_value value;
    const char *why = "";
    if (!json_parse(parser, slice_of(copy, text.size), &value, &why))
        fail_msg("%s: %.*s", why, (int)text.size, (const char *)text.bytes);
    return value;
}

struct number_case {
    const char *text;
    enum json_kind kind;
    bool fits;
    int64_t integer;
};

static void numbers_are_exact(void **state) {
    const struct number_case cases[] = {
        {"0", JSON_INTEGER, true, 0},
        {"-0", JSON_INTEGER, true, 0},
        {"1", JSON_INTEGER, true, 1},
        {"-1", JSON_INTEGER, true, -1},
        {"9007199254740991", JSON_INTEGER, true, INT64_C(9007199254740991)},
        {"9007199254740993", JSON_INTEGER, true, INT64_C(9007199254740993)}, // no double has it
        {"9223372036854775807", JSON_INTEGER, true, INT64_MAX},
        {"9223372036854775808", JSON_INTEGER, false, 0}, // 2^63
        {"18446744073709551615", JSON_INTEGER, false, 0},
        {"-9223372036854775808", JSON_INTEGER, true, INT64_MIN},
        {"1.0", JSON_FLOAT, false, 0},
        {"1e2", JSON_FLOAT, false, 0},
        {"0e1", JSON_FLOAT, false, 0},
        {"-0.0", JSON_FLOAT, false, 0},
        {"1E+2", JSON_FLOAT, false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice text = slice_of_text(cases[i].text);
        char *copy = padded(text);
        struct json_value value = parse_good(*state, copy, text);
        int64_t integer = 77;
        assert_int_equal(json_kind(value), cases[i].kind);
        if (cases[i].kind == JSON_INTEGER) {
            assert_int_equal(json_integer(value, &integer), cases[i].fits);
            assert_int_equal(integer, cases[i].fits ? cases[i].integer : 77);
        }
        test_free(copy);
    }
}

static void texts_are_unescaped(void **state) {
    struct slice text = SLICE("[\"\",\"a\\u0000b\",\"\\\"\\\\\\/\\b\\f\\n\\r\\t\","
                              "\"\\u00e9\\ud83d\\ude00\","
                              "\"\xc3\xa9\xf0\x9f\x98\x80\"]");
    const struct slice expected[] = {
        SLICE(""), SLICE("a\0b"), SLICE("\"\\/\b\f\n\r\t"), SLICE("\xc3\xa9\xf0\x9f\x98\x80"),
        SLICE("\xc3\xa9\xf0\x9f\x98\x80"),
    };
    char *copy = padded(text);
    struct json_cursor cursor = json_items(parse_good(*state, copy, text));
    struct json_value item;
    test_free(copy); // texts live in the document
    for (size_t i = 0; i < 5; i++) {
        assert_true(json_next_item(&cursor, &item));
        assert_int_equal(json_kind(item), JSON_TEXT);
        assert_true(slice_equal(json_text(item), expected[i]));
    }
    assert_false(json_next_item(&cursor, &item));
    assert_false(json_next_item(&cursor, &item));
}

static void members_are_walked_in_order_with_duplicates(void **state) {
    struct slice text = SLICE("{\"a\":{\"x\":[1,[2,{}]]},\"b\":-5,\"a\":[],\"\":true,"
                              "\"u\":18446744073709551615,"
                              "\"d\":1.5,\"n\":null,\"f\":false,\"t\":\"text\"}");
    const char *names[] = {"a", "b", "a", "", "u", "d", "n", "f", "t"};
    const enum json_kind kinds[] = {JSON_OBJECT, JSON_INTEGER, JSON_ARRAY, JSON_BOOL, JSON_INTEGER,
                                    JSON_FLOAT, JSON_NULL, JSON_BOOL, JSON_TEXT};
    char *copy = padded(text);
    struct json_value object = parse_good(*state, copy, text), value;
    struct json_cursor cursor = json_members(object);
    struct slice name;
    for (size_t i = 0; i < 9; i++) {
        assert_true(json_next_member(&cursor, &name, &value));
        assert_true(slice_equal(name, slice_of_text(names[i])));
        assert_int_equal(json_kind(value), kinds[i]);
        if (kinds[i] == JSON_BOOL)
            assert_int_equal(json_bool(value), i == 3);
    }
    assert_false(json_next_member(&cursor, &name, &value));
    test_free(copy);
}

static void empty_ones_have_nothing(void **state) {
    struct slice text = SLICE("[{},[]]"), name;
    char *copy = padded(text);
    struct json_cursor outer = json_items(parse_good(*state, copy, text)), inner;
    struct json_value value, nothing;
    assert_true(json_next_item(&outer, &value));
    inner = json_members(value);
    assert_false(json_next_member(&inner, &name, &nothing));
    assert_true(json_next_item(&outer, &value));
    inner = json_items(value);
    assert_false(json_next_item(&inner, &nothing));
    assert_int_equal(json_item_count(value), 0);
    test_free(copy);
}

static void a_big_array_after_a_small_one(void **state) {
    struct buffer text = {0};
    const size_t count = 50000;
    BUFFER_ADD(&text, "[");
    for (size_t i = 0; i < count; i++)
        buffer_add_format(&text, "%s{\"amount\":%zu,\"reference\":\"order %zu\"}",
                          i != 0 ? "," : "", i, i);
    BUFFER_ADD(&text, "]");
    assert_true(parses(*state, SLICE("[1]")));
    char *copy = padded(buffer_slice(&text));
    struct json_value array = parse_good(*state, copy, buffer_slice(&text)), item, amount;
    assert_int_equal(json_item_count(array), count);
    struct json_cursor cursor = json_items(array);
    for (size_t i = 0; i < count; i++) {
        struct slice name;
        int64_t integer = -1;
        assert_true(json_next_item(&cursor, &item));
        struct json_cursor members = json_members(item);
        assert_true(json_next_member(&members, &name, &amount));
        assert_true(json_integer(amount, &integer));
        assert_int_equal(integer, i);
    }
    assert_false(json_next_item(&cursor, &item));
    assert_true(parses(*state, SLICE("[1]")));
    test_free(copy);
    buffer_done(&text);
}

// Every beginning of a document is refused, and none reads beyond its padding.
static void every_truncation_is_refused(void **state) {
    struct slice text = SLICE("{\"a\":[1,2.5,\"x\\u00e9\",true,null],\"b\":{\"c\":\"\xc3\xa9\"}}");
    for (size_t size = 0; size < text.size; size++)
        expect_refusal(*state, slice_of(text.bytes, size));
    assert_true(parses(*state, text));
}

static void expect_fault(void *parser, const char *text, uint32_t line, uint32_t byte,
                         const char *expected) {
    struct slice given = slice_of_text(text);
    if (parses(parser, given))
        fail_msg("%s is JSON", text);
    struct json_fault fault = json_fault_of(given);
    if (fault.line != line || fault.byte != byte)
        fail_msg("%s: line %u, byte %u", text, fault.line, fault.byte);
    if (line != 0)
        assert_string_equal(fault.expected, expected);
}

static void a_fault_has_its_place(void **state) {
    void *parser = *state;
    expect_fault(parser, "{\"a\": 1,\n\"b\": tru,\n\"c\": 2}", 2, 6, "a value");
    expect_fault(parser, "{\"a\": 1,\n\"b\": 2,,\n\"c\": 2\n}", 2, 8,
                 "a name in double quotes");
    expect_fault(parser, "{\n \"a\": [1,\n 01,\n 2]\n}", 3, 3, "a comma or ]");
    expect_fault(parser, "{\n \"a\": {\n \"b\" 3}\n}", 3, 6, "a colon");
    expect_fault(parser, "{\n\n \"a\": \"\\q\"\n}", 3, 9, "one of \" \\ / b f n r t u");
    expect_fault(parser, "{\n\n \"a\": 1\n \"b\": 2}", 4, 2, "a comma or }");
    expect_fault(parser, "{\"a\": 1}\n\n x", 3, 2, "the end");
    expect_fault(parser, "{\"a\": 1,\n \"b\": \"never closed}\n", 2, 21,
                 "the quote that ends the string, or an escape such as \\n");
    // Where the quote is missing, not where the text has run out of quotes.
    expect_fault(parser, "{\"a\": \"x, \"b\": \"y\"}", 1, 12, "a comma or }");
    expect_fault(parser, "{'a': 1}", 1, 2, "a name in double quotes or }");
    expect_fault(parser, "{a: 1}", 1, 2, "a name in double quotes or }");
    expect_fault(parser, "{\"a\": 1,}", 1, 9, "a name in double quotes");
    expect_fault(parser, "[1, ]", 1, 5, "a value");
    expect_fault(parser, "[,]", 1, 2, "a value or ]");
    expect_fault(parser, "[None]", 1, 2, "a value or ]");
    expect_fault(parser, "12 x", 1, 4, "the end");
    expect_fault(parser, "nonsense", 1, 1, "a value");
    expect_fault(parser, "[-]", 1, 3, "a digit");
    expect_fault(parser, "[1.]", 1, 4, "a digit");
    expect_fault(parser, "[1e+]", 1, 5, "a digit");
    expect_fault(parser, "[+1]", 1, 2, "a value or ]");
    expect_fault(parser, "[123456789012345678901]", 1, 2, "a number of at most 64 bits");
    expect_fault(parser, "[\"\\u12G4\"]", 1, 7, "a hexadecimal digit");
    expect_fault(parser, "[\"\\ud800\"]", 1, 3, "a pair of surrogates");
    expect_fault(parser, "[\"\\udc00\\ud800\"]", 1, 3, "a pair of surrogates");
    expect_fault(parser, "[\"\\ud800\\u0041\"]", 1, 3, "a pair of surrogates");
    expect_fault(parser, "[\"a\xff\"]", 1, 4, "a character in UTF-8");
    expect_fault(parser, "[\"\xc0\xaf\"]", 1, 3, "a character in UTF-8");
    expect_fault(parser, "[\"\xed\xa0\x80\"]", 1, 3, "a character in UTF-8");
    expect_fault(parser, "[\"\xf4\x90\x80\x80\"]", 1, 3, "a character in UTF-8");
    expect_fault(parser, "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 1, 17,
                 "nothing that is nested more deeply");
    expect_fault(parser, "", 0, 0, NULL);
    expect_fault(parser, " \n", 0, 0, NULL);
}

// Of every beginning of a text it stands at the end, or before it in what is cut apart.
static void what_is_cut_off_ends_where_it_ends(void **state) {
    static const char text[] = "{\"a\": [1, -2.5e3, true, null, {\"\\u00e9\\ud83d\\ude00\": "
                               "\"\xc3\xa9\xf0\x9f\x98\x80\"}], \"b\": {}}";
    assert_true(parses(*state, slice_of_text(text)));
    assert_int_equal(json_fault_of(slice_of_text(text)).line, 0);
    for (size_t size = 1; size < sizeof(text) - 1; size++) {
        struct json_fault fault = json_fault_of(slice_of(text, size));
        assert_int_equal(fault.line, 1);
        assert_true(fault.byte <= size + 1 && fault.byte + 13 > size);
        assert_int_equal(fault.is_end, fault.byte == size + 1);
        assert_non_null(fault.expected);
    }
}

// Two bytes of a text were changed: what the parser takes has no fault, what it refuses has one.
static void parser_and_fault_agree(void **state) {
    static const char text[] = "{\"a\": [1, -2.5, true, null, {\"\\u00e9\\ud83d\\ude00\": "
                               "\"\xc3\xa9\xf0\x9f\x98\x80\"}], \"b\": {}}";
    static const char bytes[] = "{}[],:\"\\ud80 1-.tn\n\xff\xc3\xa9\xedx";
    uint64_t seed = 1;
    uint32_t taken = 0;
    for (int i = 0; i < 200000; i++) {
        char changed[sizeof(text)];
        memcpy(changed, text, sizeof(text));
        for (int j = 0; j < 2; j++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            changed[(seed >> 33) % (sizeof(text) - 1)] = bytes[(seed >> 45) % (sizeof(bytes) - 1)];
        }
        bool is_taken = parses(*state, slice_of(changed, sizeof(text) - 1));
        taken += is_taken;
        if (is_taken != (json_fault_of(slice_of(changed, sizeof(text) - 1)).line == 0))
            fail_msg("%s", changed);
    }
    assert_in_range(taken, 1000, 100000); // both happen
}

static void a_parser_survives_its_refusals(void **state) {
    for (int i = 0; i < 1000; i++) {
        expect_refusal(*state, SLICE("{\"a\":[1,2"));
        assert_true(parses(*state, SLICE("{\"a\":[1,2]}")));
    }
}

static void read_the_wrong_kind(void *context) {
    struct slice text = SLICE("[1]");
    struct json_value value;
    const char *why;
    if (json_parse(context, slice_of(padded(text), text.size), &value, &why))
        (void)json_text(value);
}

static void the_wrong_kind_stops(void **state) {
    expect_stop(read_the_wrong_kind, *state, "JSON_TEXT");
}

#define WITH_PARSER(test) cmocka_unit_test_setup_teardown(test, open_parser, close_parser)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_PARSER(malformed_texts_are_refused),
        WITH_PARSER(malformed_numbers_are_refused),
        WITH_PARSER(malformed_strings_are_refused),
        WITH_PARSER(trailing_bytes_are_refused),
        WITH_PARSER(depth_is_limited_to_sixteen),
        WITH_PARSER(numbers_are_exact),
        WITH_PARSER(texts_are_unescaped),
        WITH_PARSER(members_are_walked_in_order_with_duplicates),
        WITH_PARSER(empty_ones_have_nothing),
        WITH_PARSER(a_big_array_after_a_small_one),
        WITH_PARSER(every_truncation_is_refused),
        WITH_PARSER(a_fault_has_its_place),
        WITH_PARSER(what_is_cut_off_ends_where_it_ends),
        WITH_PARSER(parser_and_fault_agree),
        WITH_PARSER(a_parser_survives_its_refusals),
        WITH_PARSER(the_wrong_kind_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
