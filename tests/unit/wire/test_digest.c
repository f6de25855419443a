// SPDX-License-Identifier: MIT
// What is the same request and what is another.
#include "support.h"

#include <string.h>

#include "wire/digest.h"

static struct desk desk;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    return 0;
}

static struct digest128 digest_of(enum operation_code code, const char *body) {
    struct command command;
    struct wire_faults faults;
    enum status status = desk_decode(&desk, code, body, "key", &command, &faults);
    if (status != STATUS_ok)
        expect_pointers(&faults, "");
    assert_int_equal(status, STATUS_ok);
    assert_true(command.has_key);
    return command.request;
}

static void expect_same(enum operation_code code, const char *a, const char *b) {
    if (!digest128_equal(digest_of(code, a), digest_of(code, b)))
        fail_msg("%s is not the same as %s", a, b);
}

static void expect_other(enum operation_code code, const char *a, const char *b) {
    if (digest128_equal(digest_of(code, a), digest_of(code, b)))
        fail_msg("%s is the same as %s", a, b);
}

#define HOLD "'wallet':'#W1','merchant':'#W2','amount':5"

static void order_and_spacing_do_not_count(void **state) {
    expect_same(OPERATION_TRANSFER, "{'from':'#W1','to':'#W2','amount':5}",
                " { 'amount' : 5 ,\n'to':'#W2', 'from':'#W1'}");
    expect_same(OPERATION_TRANSFER,
                "{'from':'#W1','to':'#W2','amount':5,'metadata':{'a':'1','b':'2'}}",
                "{'from':'#W1','to':'#W2','metadata':{'b':'2','a':'1'},'amount':5}");
    expect_same(OPERATION_TRANSFER, "{'from':'#W1','to':'#W2','amount':5,'reference':'a'}",
                "{'from':'#W1','to':'#W2','amount':5,'reference':'\\u0061'}");
}

static void defaults_are_filled_in(void **state) {
    expect_same(OPERATION_HOLD, "{" HOLD "}", "{" HOLD ",'expires_in':604800}");
    expect_other(OPERATION_HOLD, "{" HOLD "}", "{" HOLD ",'expires_in':604801}");
    expect_same(OPERATION_CAPTURE, "", "{'final':true}");
    expect_other(OPERATION_CAPTURE, "", "{'final':false}");
    expect_same(OPERATION_WALLET_OPEN, "{'owner':'a','currency':'USD'}",
                "{'owner':'a','currency':'USD','kind':'customer','credit_limit':0,'tier':0}");
    expect_other(OPERATION_WALLET_OPEN, "{'owner':'a','currency':'USD'}",
                 "{'owner':'a','currency':'USD','tier':1}");
    expect_other(OPERATION_WALLET_CHANGE, "{'credit_limit':0}", "{'credit_limit':0,'tier':0}");
    expect_same(OPERATION_WALLET_OPEN, "{'owner':'a','currency':'USD'}",
                "{'owner':'a','currency':'USD','metadata':{}}");
}

static void what_was_left_out_differs_from_what_was_given(void **state) {
    expect_other(OPERATION_CAPTURE, "{}", "{'amount':5}");
    expect_other(OPERATION_REFUND, "{'purchase':'#T1'}", "{'purchase':'#T1','amount':5}");
    expect_other(OPERATION_WALLET_CHANGE, "{}", "{'metadata':{}}");
    expect_other(OPERATION_WALLET_CHANGE, "{}", "{'status':'active'}");
    expect_other(OPERATION_WALLET_CHANGE, "{}", "{'credit_limit':0}");
    expect_other(OPERATION_DEPOSIT, "{'wallet':'#W1','amount':1,'bank_transaction_id':'a'}",
                 "{'wallet':'#W1','amount':1,'bank_transaction_id':'a','currency':'USD'}");
}

static void every_field_counts(void **state) {
    const char *base = "{" HOLD ",'currency':'USD','order':'o','reference':'r',"
                       "'metadata':{'a':'b'}}";
    static const char *const others[] = {
        "{'wallet':'#W3','merchant':'#W2','amount':5,'currency':'USD','order':'o',"
        "'reference':'r','metadata':{'a':'b'}}",
        "{'wallet':'#W1','merchant':'#W3','amount':5,'currency':'USD','order':'o',"
        "'reference':'r','metadata':{'a':'b'}}",
        "{'wallet':'#W1','merchant':'#W2','amount':6,'currency':'USD','order':'o',"
        "'reference':'r','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'EUR','order':'o','reference':'r','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'USD','order':'p','reference':'r','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'USD','order':'o','reference':'s','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'USD','order':'or','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'USD','reference':'or','metadata':{'a':'b'}}",
        "{" HOLD ",'currency':'USD','order':'o','reference':'r','metadata':{'a':'c'}}",
        "{" HOLD ",'currency':'USD','order':'o','reference':'r'}",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        expect_other(OPERATION_HOLD, base, others[i]);
    expect_other(OPERATION_KEY_CREATE, "{'name':'a','role':'admin'}",
                 "{'name':'a','role':'service'}");
    expect_other(OPERATION_KEY_CREATE, "{'name':'ab','role':'admin'}",
                 "{'name':'a','role':'admin','owner':'b'}");
    expect_other(OPERATION_WALLET_CHANGE, "{'status':'frozen'}", "{'status':'closed'}");
}

static void operations_and_paths_count(void **state) {
    assert_false(digest128_equal(digest_of(OPERATION_VOID, ""), digest_of(OPERATION_FAIL, "")));
    assert_false(digest128_equal(digest_of(OPERATION_VOID, ""), digest_of(OPERATION_CAPTURE, "")));
    struct command command;
    struct wire_faults faults;
    struct wire_headers headers = {.idempotency_key = SLICE("key"), .has_idempotency_key = true};
    assert_int_equal(wire_decode_command(&desk.context, operation_at(OPERATION_VOID),
                                         desk_id(&desk, 6), &headers, SLICE(""), &command, &faults),
                     STATUS_ok);
    assert_false(digest128_equal(command.request, digest_of(OPERATION_VOID, "")));
}

static void long_texts_count_to_their_end(void **state) {
    char texts[2][1200];
    for (int i = 0; i < 2; i++) {
        size_t size = (size_t)snprintf(texts[i], sizeof(texts[i]),
                                       "{'from':'#W1','to':'#W2','amount':5,'metadata':{");
        for (int j = 0; j < 2; j++) {
            size += (size_t)snprintf(texts[i] + size, sizeof(texts[i]) - size, "%s'%d':'",
                                     j == 0 ? "" : ",", j);
            memset(texts[i] + size, 'x', 500);
            size += 500;
            texts[i][size - 1] = (char)(j == 1 ? 'a' + i : 'x');
            size += (size_t)snprintf(texts[i] + size, sizeof(texts[i]) - size, "'");
        }
        (void)snprintf(texts[i] + size, sizeof(texts[i]) - size, "}}");
    }
    expect_same(OPERATION_TRANSFER, texts[0], texts[0]);
    expect_other(OPERATION_TRANSFER, texts[0], texts[1]);
}

// Digests are stored beside keys for a week and more, so they must not change with the code.
static void digests_stay_as_they_are(void **state) {
    struct command command = {.type = COMMAND_TRANSFER, .has_amount = true, .amount = 2000,
                              .reference = SLICE("r")};
    memset(&command.wallet, 1, sizeof(command.wallet));
    memset(&command.counterparty, 2, sizeof(command.counterparty));
    uint8_t expected[96] = {COMMAND_TRANSFER, 1}, texts[25] = {1};
    memset(expected + 24, 1, 16);
    memset(expected + 40, 2, 16);
    expected[72] = 0xD0;
    expected[73] = 0x07;
    texts[8] = 'r'; // three texts, each behind its size, and two of them empty
    struct digest128 digest = digest_command(&command, &desk.arena);
    assert_int_equal(digest.low, hash64(slice_of(expected, sizeof(expected)), 0));
    assert_int_equal(digest.high, hash128(slice_of(texts, sizeof(texts)), digest.low).high);
}

static void keys_belong_to_their_principal(void **state) {
    struct digest128 key = wire_key_digest(SLICE("key_a"), SLICE("k"));
    assert_false(digest128_equal(key, wire_key_digest(SLICE("key_b"), SLICE("k"))));
    assert_false(digest128_equal(key, wire_key_digest(SLICE("key_"), SLICE("ak"))));
    assert_false(digest128_equal(key, digest_derived_key(SLICE("key_a"), SLICE("k"), 0)));
    assert_false(digest128_equal(digest_derived_key(SLICE("key_a"), SLICE("k"), 1),
                                 digest_derived_key(SLICE("key_a"), SLICE("k"), 256)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_spacing_do_not_count),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(what_was_left_out_differs_from_what_was_given),
        cmocka_unit_test(every_field_counts),
        cmocka_unit_test(operations_and_paths_count),
        cmocka_unit_test(long_texts_count_to_their_end),
        cmocka_unit_test(digests_stay_as_they_are),
        cmocka_unit_test(keys_belong_to_their_principal),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
