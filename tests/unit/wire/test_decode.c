// SPDX-License-Identifier: MIT
// One operation alone: every kind of field at its bounds, everything that is wrong with its
// pointer.
#include "support.h"

#include <string.h>

#include "base/limits.h"
#include "ledger/metadata.h"

static struct desk desk;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    return 0;
}

// A text with one of its parts many times.
static const char *repeated(const char *before, const char *part, int times, const char *after) {
    struct buffer text = {0};
    buffer_add_text(&text, before);
    for (int i = 0; i < times; i++)
        buffer_add_text(&text, part);
    buffer_add_text(&text, after);
    buffer_add(&text, "", 1);
    const char *copy = (const char *)arena_copy(&desk.arena, buffer_slice(&text)).bytes;
    buffer_done(&text);
    return copy;
}

#define TRANSFER "{'from':'#W1','to':'#W2','amount':"

static void transfer_fills_its_command(void **state) {
    struct command command = expect_decoded(
        &desk, OPERATION_TRANSFER,
        TRANSFER "2000,'currency':'USD','reference':'r\\u00e9f','metadata':{'b':'2','a':'1'}}");
    assert_int_equal(command.type, COMMAND_TRANSFER);
    assert_true(id_equal(command.wallet, desk_id(&desk, 1)));
    assert_true(id_equal(command.counterparty, desk_id(&desk, 2)));
    assert_int_equal(command.amount, 2000);
    assert_true(command.has_amount);
    assert_string_equal(command.currency.code, "USD");
    assert_int_equal(command.currency.exponent, 2);
    expect_text(command.reference, "r\xc3\xa9" "f");
    assert_true(slice_equal(command.metadata, SLICE("\x01\x01\0a1\x01\x01\0b2")));
    assert_false(command.has_key);
    assert_false(command.has_if_match);
    assert_true(id_equal(command.principal_key, desk_id(&desk, 9)));
    expect_text(command.origin.principal, "key_01h455vb4pex5vsknk084sn02q");
    assert_int_equal(command.origin.role, ROLE_SERVICE);
}

static void texts_outlive_the_document(void **state) {
    struct command first =
        expect_decoded(&desk, OPERATION_TRANSFER, TRANSFER "1,'reference':'the first'}");
    (void)expect_decoded(&desk, OPERATION_TRANSFER, TRANSFER "1,'reference':'THE OTHER'}");
    expect_text(first.reference, "the first");
}

static void every_operation_decodes_its_fields(void **state) {
    struct command command = expect_decoded(
        &desk, OPERATION_WALLET_OPEN,
        "{'owner':'ann','currency':'GOLD0','kind':'merchant','credit_limit':5}");
    expect_text(command.owner, "ann");
    assert_int_equal(command.currency.exponent, 3);
    assert_int_equal(command.wallet_kind, WALLET_MERCHANT);
    assert_int_equal(command.credit_limit, 5);
    assert_int_equal(command.slot, id_slot_of_owner(SLICE("ann")));
    command = expect_decoded(&desk, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'EUR'}");
    assert_int_equal(command.wallet_kind, WALLET_CUSTOMER);
    assert_int_equal(command.credit_limit, 0);

    command = expect_decoded(&desk, OPERATION_DEPOSIT,
                             "{'wallet':'#W1','amount':1,'bank_transaction_id':'B-1'}");
    expect_text(command.bank_id, "B-1");
    command = expect_decoded(&desk, OPERATION_WITHDRAWAL, "{'wallet':'#W1','amount':1}");
    assert_int_equal(command.bank_id.size, 0);
    command = expect_decoded(&desk, OPERATION_PURCHASE,
                             "{'wallet':'#W1','merchant':'#W2','amount':7,'order':'o1'}");
    assert_true(id_equal(command.counterparty, desk_id(&desk, 2)));
    expect_text(command.order, "o1");
    command = expect_decoded(&desk, OPERATION_REFUND, "{'purchase':'#T3','reason':'torn'}");
    assert_true(id_equal(command.subject, desk_id(&desk, 3)));
    assert_false(command.has_amount);
    expect_text(command.reason, "torn");
    command = expect_decoded(&desk, OPERATION_HOLD,
                             "{'wallet':'#W1','merchant':'#W2','amount':7}");
    assert_int_equal(command.expires_in_s, 7 * 24 * 3600);
    command = expect_decoded(&desk, OPERATION_KEY_CREATE,
                             "{'name':'till','role':'auditor','expires_in':1}");
    assert_int_equal(command.key_role, ROLE_AUDITOR);
    assert_int_equal(command.expires_in_s, 1);
    command = expect_decoded(&desk, OPERATION_KEY_CREATE, "{'name':'till','role':'admin'}");
    assert_int_equal(command.key_role, ROLE_ADMIN);
    assert_int_equal(command.expires_in_s, 0);
}

static void paths_name_the_subject(void **state) {
    struct command command = expect_decoded(&desk, OPERATION_CAPTURE, "{'amount':3}");
    assert_true(id_equal(command.subject, desk_id(&desk, 5)));
    assert_false(command.keep_open);
    command = expect_decoded(&desk, OPERATION_CAPTURE, "{'final':false}");
    assert_true(command.keep_open);
    assert_false(command.has_amount);
    command = expect_decoded(&desk, OPERATION_CAPTURE, "{'final':true}");
    assert_false(command.keep_open);
    command = expect_decoded(&desk, OPERATION_SETTLE, "{'bank_transaction_id':'B'}");
    assert_true(id_equal(command.subject, desk_id(&desk, 5)));
    command = expect_decoded(&desk, OPERATION_WALLET_CHANGE, "{}");
    assert_true(id_equal(command.wallet, desk_id(&desk, 5)));
    assert_true(id_is_zero(command.subject));
    command = expect_decoded(&desk, OPERATION_KEY_REVOKE, "");
    assert_true(id_equal(command.subject, desk_id(&desk, 5)));
    // Reads are all in their path; a body says nothing.
    command = expect_decoded(&desk, OPERATION_WALLET_READ, "not even JSON");
    assert_int_equal(command.type, COMMAND_READ_WALLET);
    assert_true(id_equal(command.subject, desk_id(&desk, 5)));
}

static void changes_know_what_was_given(void **state) {
    struct command command = expect_decoded(&desk, OPERATION_WALLET_CHANGE, "{}");
    assert_false(command.has_status || command.has_credit_limit || command.has_metadata);
    command = expect_decoded(&desk, OPERATION_WALLET_CHANGE,
                             "{'status':'active','credit_limit':0,'metadata':{}}");
    assert_true(command.has_status && command.has_credit_limit && command.has_metadata);
    assert_int_equal(command.wallet_status, WALLET_ACTIVE);
    assert_int_equal(command.metadata.size, 0);
    command = expect_decoded(&desk, OPERATION_WALLET_CHANGE, "{'status':'closed'}");
    assert_int_equal(command.wallet_status, WALLET_CLOSED);
}

static void an_empty_body_is_an_empty_object(void **state) {
    (void)expect_decoded(&desk, OPERATION_VOID, "");
    (void)expect_decoded(&desk, OPERATION_VOID, "{}");
    (void)expect_decoded(&desk, OPERATION_CAPTURE, "");
    (void)expect_decoded(&desk, OPERATION_FAIL, "");
    expect_faults(&desk, OPERATION_TRANSFER, "", "/from /to /amount");
    expect_faults(&desk, OPERATION_TRANSFER, "{}", "/from /to /amount");
    expect_faults(&desk, OPERATION_VOID, "{'final':true}", "/final");
}

static void amounts_are_integers_within_bounds(void **state) {
    static const char *const bad[] = {"0", "-1", "9007199254740992", "9223372036854775808",
                                      "18446744073709551615", "-9223372036854775808", "1.0", "1e3",
                                      "1.5", "'1'", "true", "null", "[1]", "{}", "-0.0", "1E0"};
    struct command command = expect_decoded(&desk, OPERATION_TRANSFER, TRANSFER "1}");
    assert_int_equal(command.amount, 1);
    command = expect_decoded(&desk, OPERATION_TRANSFER, TRANSFER "9007199254740991}");
    assert_int_equal(command.amount, LIMIT_AMOUNT_MAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), TRANSFER "%s}", bad[i]);
        expect_faults(&desk, OPERATION_TRANSFER, body, "/amount");
        snprintf(body, sizeof(body), "{'amount':%s}", bad[i]);
        expect_faults(&desk, OPERATION_CAPTURE, body, "/amount");
    }
    expect_faults(&desk, OPERATION_WALLET_OPEN,
                  "{'owner':'a','currency':'USD','credit_limit':-1}", "/credit_limit");
    expect_faults(&desk, OPERATION_KEY_CREATE, "{'name':'a','role':'admin','expires_in':0}",
                  "/expires_in");
    expect_faults(&desk, OPERATION_KEY_CREATE, "{'name':'a','role':'admin','expires_in':31622401}",
                  "/expires_in");
    (void)expect_decoded(&desk, OPERATION_KEY_CREATE,
                         "{'name':'a','role':'admin','expires_in':31622400}");
}

static void numbers_that_json_does_not_know_are_malformed(void **state) {
    static const char *const bad[] = {"01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "1e",
                                      "--1", "1_000", "00000000000000000000",
                                      "18446744073709551616.", "99999999999999999999x", "-"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), TRANSFER "%s}", bad[i]);
        expect_faults(&desk, OPERATION_TRANSFER, body, ".");
    }
}

// Too large for the parser is well-formed all the same: one field is wrong, not the whole.
static void numbers_too_large_for_the_parser_have_a_place(void **state) {
    static const char *const bad[] = {
        "18446744073709551616", "-9223372036854775809", "99999999999999999999999999999999999999",
        "1e400", "-1E+999", "123456789012345678901234567890.5", "0.1e12345678901234567890"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[200];
        (void)snprintf(body, sizeof(body),
                       "{'from':'#W1','to':'#W2','amount': %s ,'reference':'\\'123 %s'}", bad[i],
                       bad[i]);
        expect_faults(&desk, OPERATION_TRANSFER, body, "/amount");
        (void)snprintf(body, sizeof(body), "{'x':[[%s],-%s],'amount':%s}", "1e999", "1e999",
                       bad[i]);
        expect_faults(&desk, OPERATION_CAPTURE, body, "/x /amount");
        // The rest must still be JSON.
        (void)snprintf(body, sizeof(body), "{'amount':%s,}", bad[i]);
        expect_faults(&desk, OPERATION_CAPTURE, body, ".");
        (void)snprintf(body, sizeof(body), "{'amount':%s,'x':01}", bad[i]);
        expect_faults(&desk, OPERATION_CAPTURE, body, ".");
    }
    expect_faults(&desk, OPERATION_CAPTURE, "{'amount':1e400,'x':'", ".");
    expect_faults(&desk, OPERATION_CAPTURE, "{'amount':1e400,'x':'\\", ".");
    expect_faults(&desk, OPERATION_CAPTURE, "1e400", ".");
}

static void texts_have_bounds(void **state) {
    static const char *const bad[] = {"''", "null", "7", "true", "['a']", "{}", "'a\\u0000b'",
                                      "'a\\tb'", "'\\n'", "'\\u007f'", "'\\u0085'"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[160];
        snprintf(body, sizeof(body), TRANSFER "1,'reference':%s}", bad[i]);
        expect_faults(&desk, OPERATION_TRANSFER, body, "/reference");
    }
    (void)expect_decoded(&desk, OPERATION_TRANSFER, TRANSFER "1,'reference':' \\u00a0\\\\'}");
}

static void text_of_256_characters_is_too_long(void **state) {
    struct command command = expect_decoded(
        &desk, OPERATION_TRANSFER,
        repeated(TRANSFER "1,'reference':'", "\xc3\xa9", 255, "'}"));
    assert_int_equal(command.reference.size, 510);
    expect_faults(&desk, OPERATION_TRANSFER,
                  repeated(TRANSFER "1,'reference':'", "\xc3\xa9", 256, "'}"), "/reference");
}

static void ids_are_of_their_type(void **state) {
    static const char *const bad[] = {
        "'#T1'", "'#W1 '", "' #W1'", "'wallet_'", "''", "'x'", "7", "null",
        "'wallet_01H455VB4PEX5VSKNK084SN02Q'", "'wallet_81h455vb4pex5vsknk084sn02q'",
        "'wallet_01h455vb4pex5vsknk084sn02'", "'01h455vb4pex5vsknk084sn02q'"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[160];
        snprintf(body, sizeof(body), "{'from':%s,'to':'#W2','amount':1}", bad[i]);
        expect_faults(&desk, OPERATION_TRANSFER, body, "/from");
    }
    // Well-formed, though nobody made it: the ledger says that it is not there.
    (void)expect_decoded(&desk, OPERATION_TRANSFER,
                         "{'from':'wallet_00000000000000000000000000','to':'#W2','amount':1}");
}

static void currencies_are_known_codes(void **state) {
    static const char *const bad[] = {"'usd'", "'US'", "'XXQ'", "''", "'USDX'", "'POINTSS'", "1",
                                      "'POINT'", "null", "'US\\u0000'"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[160];
        snprintf(body, sizeof(body), "{'owner':'a','currency':%s}", bad[i]);
        expect_faults(&desk, OPERATION_WALLET_OPEN, body, "/currency");
    }
    struct command command =
        expect_decoded(&desk, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'POINTS'}");
    assert_int_equal(command.currency.exponent, 0);
    command = expect_decoded(&desk, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'JPY'}");
    assert_int_equal(command.currency.exponent, 0);
    command = expect_decoded(&desk, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'KWD'}");
    assert_int_equal(command.currency.exponent, 3);
}

static void words_are_exact(void **state) {
    expect_faults(&desk, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'USD','kind':'shop'}",
                  "/kind");
    expect_faults(&desk, OPERATION_WALLET_CHANGE, "{'status':'Frozen'}", "/status");
    expect_faults(&desk, OPERATION_WALLET_CHANGE, "{'status':1}", "/status");
    expect_faults(&desk, OPERATION_KEY_CREATE, "{'name':'a','role':'system'}", "/role");
    expect_faults(&desk, OPERATION_CAPTURE, "{'final':1}", "/final");
    expect_faults(&desk, OPERATION_CAPTURE, "{'final':'true'}", "/final");
    expect_faults(&desk, OPERATION_CAPTURE, "{'final':null}", "/final");
}

static void unknown_and_repeated_fields_are_named(void **state) {
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'wallet':'#W1'}", "/wallet");
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'amount':1}", "/amount");
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'From':'#W1'}", "/From");
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'':1}", "/");
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'a/b~c':1}", "/a~1b~0c");
    // What only batches have is unknown to an operation alone.
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'type':'transfer'}", "/type");
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'idempotency_key':'k'}",
                  "/idempotency_key");
    expect_faults(&desk, OPERATION_CAPTURE, "{'hold':'#H1'}", "/hold");
    expect_faults(&desk, OPERATION_FAIL, "{'withdrawal':'#D1'}", "/withdrawal");
    // Escapes in names are read before they are compared.
    expect_faults(&desk, OPERATION_TRANSFER, TRANSFER "1,'amoun\\u0074':1}", "/amount");
}

static void malformed_bodies_have_no_place(void **state) {
    static const char *const bad[] = {
        " ", "{", "}", "[]", "null", "1", "'a'", "{} {}", "{}x", "{'a'}", "{'a':}", "{,}",
        "{'from':'#W1',}", "{from:1}", "\xef\xbb\xbfx{}", "{'a':'\\ud800'}", "{'a':'\x01'}",
        "{'a':'\xff'}", "{'a':'\xc0\xaf'}", "{'a':tru}", "// {}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_faults(&desk, OPERATION_TRANSFER, bad[i], ".");
    struct command command;
    struct wire_faults faults;
    struct wire_headers headers = {.has_if_match = false};
    struct slice trailing = desk_body_slice(&desk, SLICE("{}\0"));
    assert_int_equal(wire_decode_command(&desk.context, operation_at(OPERATION_VOID),
                                         desk_id(&desk, 1), &headers, trailing, &command, &faults),
                     STATUS_invalid_request);
}

static void expect_sentence(const char *body, const char *sentence) {
    struct command command;
    struct wire_faults faults;
    assert_int_equal(desk_decode(&desk, OPERATION_TRANSFER, body, NULL, &command, &faults),
                     STATUS_invalid_request);
    assert_int_equal(faults.count, 1);
    expect_text(faults.items[0].sentence, sentence);
}

static void malformed_bodies_are_told_where(void **state) {
    expect_sentence("{'from':'#W1',\n'amount':1,}",
                    "is not JSON that can be read: The text is not valid JSON. At byte 12 of line "
                    "2 a name in double quotes is expected.");
    expect_sentence("{'from':'#W1'", "is not JSON that can be read: The text is not valid JSON. It "
                                     "ends on line 1 where a comma or } is expected.");
    expect_sentence(" ", "is not JSON that can be read: The text is empty.");
    // Numbers that JSON allows are no reason, wherever they stand.
    expect_sentence("{'amount':123456789012345678901234567890,'from' 1}",
                    "is not JSON that can be read: The text is not valid JSON. At byte 49 of line "
                    "1 a colon is expected.");
}

static void everything_wrong_is_told_at_once(void **state) {
    expect_faults(&desk, OPERATION_TRANSFER, "{'from':1,'to':'x','amount':'1','bogus':1,'bogus':2}",
                  "/from /to /amount /bogus /bogus");
    const char *body = repeated("{'from':'#W1','to':'#W2','amount':1", ",'x':1", 30, "}");
    struct command command;
    struct wire_faults faults;
    assert_int_equal(desk_decode(&desk, OPERATION_TRANSFER, body, NULL, &command, &faults),
                     STATUS_invalid_request);
    assert_int_equal(faults.count, WIRE_FAULTS_MAX);
    assert_true(faults.more);
    expect_text(faults.items[19].pointer, "/x");
    body = repeated("{'from':'#W1','to':'#W2','amount':1", ",'x':1", 20, "}");
    assert_int_equal(desk_decode(&desk, OPERATION_TRANSFER, body, NULL, &command, &faults),
                     STATUS_invalid_request);
    assert_int_equal(faults.count, WIRE_FAULTS_MAX);
    assert_false(faults.more);
}

static void very_long_names_are_not_sent_back(void **state) {
    expect_faults(&desk, OPERATION_TRANSFER, repeated(TRANSFER "1,'", "n", 1000, "':1}"), ".");
}

static void metadata_is_sorted_and_bounded(void **state) {
    struct command command = expect_decoded(
        &desk, OPERATION_WALLET_OPEN,
        "{'owner':'a','currency':'USD','metadata':{'b':'2','aa':'1','a':'0','\\u00e9':'x'}}");
    assert_true(metadata_is_valid(command.metadata));
    struct slice rest = command.metadata, name, value;
    const char *const names[] = {"a", "aa", "b", "\xc3\xa9"};
    for (int i = 0; i < 4; i++) {
        assert_true(metadata_next(&rest, &name, &value));
        expect_text(name, names[i]);
    }
    assert_int_equal(rest.size, 0);
    static const struct {
        const char *metadata, *pointers;
    } bad[] = {
        {"null", "/metadata"}, {"[]", "/metadata"}, {"'a'", "/metadata"},
        {"{'a':1}", "/metadata/a"}, {"{'a':null}", "/metadata/a"}, {"{'a':''}", "/metadata/a"},
        {"{'':'a'}", "/metadata"}, {"{'a':'1','a':'2'}", "/metadata/a"},
        {"{'b':'1','a':'2','b':'3'}", "/metadata/b"}, {"{'a/b':[]}", "/metadata/a~1b"},
        {"{'a':'x\\ny'}", "/metadata/a"}, {"{'a\\u0001':'x'}", "/metadata"},
        {"{'a':{'b':'c'}}", "/metadata/a"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[200];
        snprintf(body, sizeof(body), TRANSFER "1,'metadata':%s}", bad[i].metadata);
        expect_faults(&desk, OPERATION_TRANSFER, body, bad[i].pointers);
    }
}

// A body whose metadata has `count` entries with names and values of these sizes.
static const char *metadata_body(int count, int name_bytes, int value_bytes) {
    struct buffer body = {0};
    BUFFER_ADD(&body, TRANSFER "1,'metadata':{");
    for (int i = 0; i < count; i++) {
        buffer_add_format(&body, "%s'%02d", i == 0 ? "" : ",", i);
        for (int j = 2; j < name_bytes; j++)
            BUFFER_ADD(&body, "n");
        BUFFER_ADD(&body, "':'");
        for (int j = 0; j < value_bytes; j++)
            BUFFER_ADD(&body, "v");
        BUFFER_ADD(&body, "'");
    }
    BUFFER_ADD(&body, "}}\0");
    const char *text = (const char *)arena_copy(&desk.arena, buffer_slice(&body)).bytes;
    buffer_done(&body);
    return text;
}

static void metadata_at_its_bounds(void **state) {
    struct command command = expect_decoded(&desk, OPERATION_TRANSFER, metadata_body(32, 64, 512));
    assert_true(metadata_is_valid(command.metadata));
    assert_true(command.metadata.size <= LIMIT_METADATA_BYTES_MAX);
    expect_faults(&desk, OPERATION_TRANSFER, metadata_body(33, 2, 1), "/metadata");
    expect_faults(&desk, OPERATION_TRANSFER, metadata_body(1, 65, 1), "/metadata");
    expect_faults(&desk, OPERATION_TRANSFER, metadata_body(1, 2, 513), "/metadata/00");
}

static enum status decode_with(const struct wire_headers *headers, enum operation_code code,
                               const char *body, struct command *ret_command,
                               struct wire_faults *ret_faults) {
    return wire_decode_command(&desk.context, operation_at(code), desk_id(&desk, 5), headers,
                               desk_body(&desk, desk_text(&desk, body)), ret_command, ret_faults);
}

static void headers_are_part_of_the_request(void **state) {
    struct command command;
    struct wire_faults faults;
    struct wire_headers headers = {.idempotency_key = SLICE("k1"), .has_idempotency_key = true,
                                   .if_match = SLICE("\"7\""), .has_if_match = true};
    assert_int_equal(decode_with(&headers, OPERATION_TRANSFER, TRANSFER "1}", &command, &faults),
                     STATUS_ok);
    assert_true(command.has_key && command.has_if_match);
    assert_int_equal(command.if_match, 7);
    assert_true(digest128_equal(command.key,
                                wire_key_digest(desk.context.origin.principal, SLICE("k1"))));
    // Where no single wallet is changed, a condition on one would be silently ignored.
    assert_int_equal(decode_with(&headers, OPERATION_WALLET_OPEN, "{'owner':'a','currency':'USD'}",
                                 &command, &faults),
                     STATUS_invalid_request);
    expect_pointers(&faults, "/If-Match");
    // Reads do not look at them.
    assert_int_equal(decode_with(&headers, OPERATION_WALLET_READ, "", &command, &faults),
                     STATUS_ok);
    assert_false(command.has_key || command.has_if_match);
    headers = (struct wire_headers){.if_match = SLICE("*"), .has_if_match = true,
                                    .has_idempotency_key = true};
    assert_int_equal(decode_with(&headers, OPERATION_TRANSFER, TRANSFER "0}", &command, &faults),
                     STATUS_invalid_request);
    expect_pointers(&faults, "/If-Match /Idempotency-Key /amount");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer_fills_its_command),
        cmocka_unit_test(texts_outlive_the_document),
        cmocka_unit_test(every_operation_decodes_its_fields),
        cmocka_unit_test(paths_name_the_subject),
        cmocka_unit_test(changes_know_what_was_given),
        cmocka_unit_test(an_empty_body_is_an_empty_object),
        cmocka_unit_test(amounts_are_integers_within_bounds),
        cmocka_unit_test(numbers_that_json_does_not_know_are_malformed),
        cmocka_unit_test(numbers_too_large_for_the_parser_have_a_place),
        cmocka_unit_test(texts_have_bounds),
        cmocka_unit_test(text_of_256_characters_is_too_long),
        cmocka_unit_test(ids_are_of_their_type),
        cmocka_unit_test(currencies_are_known_codes),
        cmocka_unit_test(words_are_exact),
        cmocka_unit_test(unknown_and_repeated_fields_are_named),
        cmocka_unit_test(malformed_bodies_have_no_place),
        cmocka_unit_test(malformed_bodies_are_told_where),
        cmocka_unit_test(everything_wrong_is_told_at_once),
        cmocka_unit_test(very_long_names_are_not_sent_back),
        cmocka_unit_test(metadata_is_sorted_and_bounded),
        cmocka_unit_test(metadata_at_its_bounds),
        cmocka_unit_test(headers_are_part_of_the_request),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
