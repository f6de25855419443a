// SPDX-License-Identifier: MIT
// Answers byte for byte: what stands in them, in which order, and what is left out.
#include "support.h"

#include <string.h>

#include "wire/render.h"

static struct desk desk;
static struct buffer json, encoded, encoded_opening;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    buffer_done(&json);
    buffer_done(&encoded);
    buffer_done(&encoded_opening);
    return 0;
}

// Renders what a command answers with, from the encoded record as an engine would hand it over.
static int render(enum command_type type, const struct record *record,
                  const struct record *opening, struct wire_found found) {
    int http = 0;
    buffer_reset(&json);
    buffer_reset(&encoded);
    buffer_reset(&encoded_opening);
    (void)record_encode(record, &encoded);
    found.record = buffer_slice(&encoded);
    if (opening != NULL) {
        (void)record_encode(opening, &encoded_opening);
        found.opening = buffer_slice(&encoded_opening);
    }
    assert_int_equal(wire_render_command(&json, type, &found, &http), STATUS_ok);
    return http;
}

static void expect_json(const char *expected) {
    expect_buffer(&json, desk_text(&desk, expected));
    struct json_value value;
    const char *why;
    assert_true(json_parse(desk.context.parser, desk_body_slice(&desk, buffer_slice(&json)),
                           &value, &why));
}

static struct record record_of(enum record_kind kind, enum command_type operation) {
    return (struct record){.kind = (uint8_t)kind, .operation = (uint8_t)operation,
                           .time_ms = 1767225612345, .origin = desk.context.origin};
}

#define MADE "'created_at':'2026-01-01T00:00:00.00"
#define BY "'initiated_by':'key_01h455vb4pex5vsknk084sn02q'"
#define USD {.code = "USD", .exponent = 2}

static struct record wallet_record(void) {
    struct record record = record_of(RECORD_WALLET, COMMAND_WALLET_OPEN);
    record.wallet = (struct wallet_facts){.id = desk_id(&desk, 1), .currency = USD,
                                          .kind = WALLET_MERCHANT, .version = 1,
                                          .owner = SLICE("ann \"the\" first")};
    return record;
}

static void a_wallet(void **state) {
    struct record record = wallet_record();
    assert_int_equal(render(COMMAND_WALLET_OPEN, &record, NULL, (struct wire_found){0}), 201);
    expect_json("{'id':'#W1','owner':'ann \\'the\\' first','kind':'merchant','currency':'USD',"
                "'status':'active','balance':0,'held':0,'available':0,'credit_limit':0,'tier':0,"
                "'version':1," MADE "1Z'}");
}

static void a_wallet_as_it_is_now(void **state) {
    struct record record = wallet_record();
    record.wallet.metadata = SLICE("\x01\x01\0a1\x02\x02\0b\"\xc3\xa9");
    struct wallet live = {.id = desk_id(&desk, 1), .balance = -50, .held = 25,
                          .credit_limit = 100, .tier = 7, .version = 9, .status = WALLET_FROZEN};
    assert_int_equal(
        render(COMMAND_READ_WALLET, &record, NULL, (struct wire_found){.wallet = &live}), 200);
    expect_json("{'id':'#W1','owner':'ann \\'the\\' first','kind':'merchant','currency':'USD',"
                "'status':'frozen','balance':-50,'held':25,'available':-75,'credit_limit':100,"
                "'tier':7,'version':9," MADE "1Z','metadata':{'a':'1','b\\'':'\xc3\xa9'}}");
}

static struct record transaction_record(enum command_type operation, enum transaction_type type) {
    struct record record = record_of(RECORD_TRANSACTION, operation);
    record.transaction = (struct transaction_facts){
        .id = desk_id(&desk, 3), .type = (uint8_t)type, .amount = 2000, .currency = USD,
        .debit = {.wallet = desk_id(&desk, 1), .balance = 500, .held = 7, .version = 4},
        .credit = {.wallet = desk_id(&desk, 2), .balance = 9007199254740991, .version = 12}};
    return record;
}

#define SIDES                                                     \
    "'debit':{'account':'#W1','balance':500,'version':4},"        \
    "'credit':{'account':'#W2','balance':9007199254740991,'version':12},"

static void a_transfer(void **state) {
    struct record record = transaction_record(COMMAND_TRANSFER, TRANSACTION_TRANSFER);
    assert_int_equal(render(COMMAND_TRANSFER, &record, NULL, (struct wire_found){0}), 201);
    expect_json("{'id':'#T3','type':'transfer','amount':2000,'currency':'USD'," SIDES BY "," MADE
                "3Z'}");
    record.transaction.reference = SLICE("r");
    record.transaction.metadata = SLICE("\x01\x01\0a1");
    (void)render(COMMAND_TRANSFER, &record, NULL, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'transfer','amount':2000,'currency':'USD'," SIDES BY
                ",'reference':'r'," MADE "3Z','metadata':{'a':'1'}}");
}

static void a_deposit_comes_from_outside(void **state) {
    struct record record = transaction_record(COMMAND_DEPOSIT, TRANSACTION_DEPOSIT);
    record.transaction.debit = (struct posting_side){.balance = 0};
    record.transaction.bank_id = SLICE("B/1");
    record.transaction.external_total = 2000;
    (void)render(COMMAND_DEPOSIT, &record, NULL, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'deposit','amount':2000,'currency':'USD',"
                "'debit':{'account':'external:USD'},"
                "'credit':{'account':'#W2','balance':9007199254740991,'version':12}," BY
                ",'bank_transaction_id':'B/1'," MADE "3Z'}");
}

static void a_purchase_shows_what_was_refunded(void **state) {
    struct record record = transaction_record(COMMAND_PURCHASE, TRANSACTION_PURCHASE);
    record.transaction.order = SLICE("o1");
    (void)render(COMMAND_PURCHASE, &record, NULL, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'purchase','amount':2000,'currency':'USD'," SIDES BY
                ",'order':'o1','refunded':0," MADE "3Z'}");
    assert_int_equal(render(COMMAND_READ_TRANSACTION, &record, NULL,
                            (struct wire_found){.refunded = 1999}),
                     200);
    expect_json("{'id':'#T3','type':'purchase','amount':2000,'currency':'USD'," SIDES BY
                ",'order':'o1','refunded':1999," MADE "3Z'}");
}

static void a_refund_shows_its_purchase(void **state) {
    struct record record = transaction_record(COMMAND_REFUND, TRANSACTION_REFUND);
    record.transaction.subject = desk_id(&desk, 4);
    record.transaction.subject_total = 2000;
    record.transaction.reason = SLICE("torn");
    (void)render(COMMAND_REFUND, &record, NULL, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'refund','amount':2000,'currency':'USD'," SIDES BY
                ",'reason':'torn','purchase':'#T4'," MADE "3Z'}");
}

static struct record hold_record(void) {
    struct record record = record_of(RECORD_HOLD, COMMAND_HOLD);
    record.hold = (struct hold_facts){
        .id = desk_id(&desk, 5), .wallet = desk_id(&desk, 1), .merchant = desk_id(&desk, 2),
        .amount = 3000, .expires_at_ms = 1767830400000, .status = HOLD_OPEN, .currency = USD,
        .order = SLICE("o1"), .reference = SLICE("r1"), .metadata = SLICE("\x01\x01\0a1")};
    return record;
}

#define HOLD_TEXTS                                                                          \
    ",'order':'o1','reference':'r1','metadata':{'a':'1'},'expires_at':'2026-01-08T00:00:" \
    "00.000Z'," MADE "5Z'}"

static void a_hold(void **state) {
    struct record record = hold_record();
    assert_int_equal(render(COMMAND_HOLD, &record, NULL, (struct wire_found){0}), 201);
    expect_json("{'id':'#H5','wallet':'#W1','merchant':'#W2','amount':3000,'captured':0,"
                "'remaining':3000,'status':'open'" HOLD_TEXTS);
}

static void a_voided_hold_keeps_its_texts(void **state) {
    struct record opening = hold_record(), record = hold_record();
    record.operation = COMMAND_VOID;
    record.hold.status = HOLD_VOIDED;
    record.hold.captured = 1000;
    record.hold.order = record.hold.reference = record.hold.metadata = (struct slice){0};
    assert_int_equal(render(COMMAND_VOID, &record, &opening, (struct wire_found){0}), 200);
    expect_json("{'id':'#H5','wallet':'#W1','merchant':'#W2','amount':3000,'captured':1000,"
                "'remaining':0,'status':'voided'" HOLD_TEXTS);
}

static struct record capture_record(void) {
    struct record record = transaction_record(COMMAND_CAPTURE, TRANSACTION_PURCHASE);
    record.transaction.subject = desk_id(&desk, 5);
    record.transaction.subject_total = 2000;
    record.transaction.subject_status = HOLD_OPEN;
    return record;
}

static void a_capture_is_a_purchase_with_its_hold(void **state) {
    struct record opening = hold_record(), record = capture_record();
    assert_int_equal(render(COMMAND_CAPTURE, &record, &opening, (struct wire_found){0}), 201);
    expect_json("{'id':'#T3','type':'purchase','amount':2000,'currency':'USD'," SIDES BY
                ",'order':'o1','reference':'r1','hold':'#H5','refunded':0," MADE
                "3Z','metadata':{'a':'1'}}");
    (void)render(COMMAND_CAPTURE, &record, NULL, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'purchase','amount':2000,'currency':'USD'," SIDES BY
                ",'hold':'#H5','refunded':0," MADE "3Z'}");
}

static void a_hold_after_a_capture(void **state) {
    struct record opening = hold_record(), record = capture_record();
    (void)render(COMMAND_READ_HOLD, &record, &opening, (struct wire_found){0});
    expect_json("{'id':'#H5','wallet':'#W1','merchant':'#W2','amount':3000,'captured':2000,"
                "'remaining':1000,'status':'open'" HOLD_TEXTS);
    struct hold live = {.id = desk_id(&desk, 5), .wallet = desk_id(&desk, 1),
                        .merchant = desk_id(&desk, 2), .amount = 3000, .captured = 2500,
                        .expires_at_ms = 1767830400000, .status = HOLD_EXPIRED};
    (void)render(COMMAND_READ_HOLD, &record, &opening, (struct wire_found){.hold = &live});
    expect_json("{'id':'#H5','wallet':'#W1','merchant':'#W2','amount':3000,'captured':2500,"
                "'remaining':0,'status':'expired'" HOLD_TEXTS);
}

static struct record withdrawal_record(enum withdrawal_status status) {
    struct record record = record_of(RECORD_WITHDRAWAL, COMMAND_WITHDRAWAL);
    record.withdrawal = (struct withdrawal_facts){
        .id = desk_id(&desk, 6), .wallet = desk_id(&desk, 1), .amount = 700,
        .status = (uint8_t)status, .currency = USD};
    return record;
}

#define WITHDRAWAL "{'id':'#D6','wallet':'#W1','amount':700,'currency':'USD',"

static void a_withdrawal_and_its_failure(void **state) {
    struct record opening = withdrawal_record(WITHDRAWAL_PENDING);
    opening.withdrawal.reference = SLICE("rent");
    assert_int_equal(render(COMMAND_WITHDRAWAL, &opening, NULL, (struct wire_found){0}), 201);
    expect_json(WITHDRAWAL "'status':'pending'," BY ",'reference':'rent'," MADE "6Z'}");
    struct record failure = withdrawal_record(WITHDRAWAL_FAILED);
    failure.operation = COMMAND_FAIL;
    failure.withdrawal.reason = SLICE("no such account");
    failure.origin.principal = SLICE("key_of_somebody_else");
    assert_int_equal(render(COMMAND_FAIL, &failure, &opening, (struct wire_found){0}), 200);
    expect_json(WITHDRAWAL "'status':'failed'," BY ",'reason':'no such account',"
                           "'reference':'rent'," MADE "6Z'}");
}

static struct record payout_record(void) {
    struct record record = transaction_record(COMMAND_WITHDRAWAL, TRANSACTION_WITHDRAWAL);
    record.transaction.amount = 700;
    record.transaction.credit = (struct posting_side){.balance = 0};
    record.transaction.bank_id = SLICE("B2");
    record.transaction.subject = desk_id(&desk, 6);
    record.transaction.subject_total = 700;
    record.transaction.subject_status = WITHDRAWAL_SETTLED;
    record.transaction.external_total = 700;
    return record;
}

// When its transaction was made: the record of one of another shard's may be a little later.
static void a_withdrawal_settled_at_once_and_later(void **state) {
    struct record payout = payout_record();
    payout.transaction.reference = SLICE("rent");
    assert_int_equal(render(COMMAND_WITHDRAWAL, &payout, NULL, (struct wire_found){0}), 201);
    expect_json(WITHDRAWAL "'status':'settled','bank_transaction_id':'B2','transaction':'#T3'," BY
                           ",'reference':'rent'," MADE
                           "6Z','settled_at':'2026-01-01T00:00:00.003Z'}");
    struct record opening = withdrawal_record(WITHDRAWAL_PENDING);
    opening.withdrawal.metadata = SLICE("\x01\x01\0a1");
    payout = payout_record();
    payout.operation = COMMAND_SETTLE;
    payout.origin.principal = SLICE("key_of_the_bank");
    assert_int_equal(render(COMMAND_SETTLE, &payout, &opening, (struct wire_found){0}), 200);
    expect_json(WITHDRAWAL "'status':'settled','bank_transaction_id':'B2','transaction':'#T3'," BY
                           ",'metadata':{'a':'1'}," MADE
                           "6Z','settled_at':'2026-01-01T00:00:00.003Z'}");
    // The transaction itself was the bank's doing, and shows what the opening noted.
    (void)render(COMMAND_READ_TRANSACTION, &payout, &opening, (struct wire_found){0});
    expect_json("{'id':'#T3','type':'withdrawal','amount':700,'currency':'USD',"
                "'debit':{'account':'#W1','balance':500,'version':4},"
                "'credit':{'account':'external:USD'},'initiated_by':'key_of_the_bank',"
                "'bank_transaction_id':'B2'," MADE "3Z','metadata':{'a':'1'}}");
}

static void a_key_shows_its_secret_once(void **state) {
    struct record record = record_of(RECORD_KEY, COMMAND_KEY_CREATE);
    record.api_key = (struct key_facts){.id = desk_id(&desk, 7), .role = ROLE_SERVICE,
                                        .name = SLICE("till")};
    assert_int_equal(render(COMMAND_KEY_CREATE, &record, NULL,
                            (struct wire_found){.secret = SLICE("florin_service_x")}),
                     201);
    expect_json("{'id':'#K7','name':'till','role':'service'," MADE
                "7Z','secret':'florin_service_x'}");
    record.api_key.owner = SLICE("bob");
    record.api_key.expires_at_ms = 1767830400000;
    (void)render(COMMAND_KEY_CREATE, &record, NULL,
                 (struct wire_found){.last_used_at_ms = 1767830399999});
    expect_json("{'id':'#K7','name':'till','role':'service','owner':'bob'," MADE
                "7Z','expires_at':'2026-01-08T00:00:00.000Z',"
                "'last_used_at':'2026-01-07T23:59:59.999Z'}");
    assert_int_equal(render(COMMAND_KEY_REVOKE, &record, NULL, (struct wire_found){0}), 204);
    assert_int_equal(json.size, 0);
}

static void a_remembered_refusal_is_its_problem(void **state) {
    struct record record = record_of(RECORD_REFUSAL, COMMAND_TRANSFER);
    record.refusal = (struct refusal){.status = STATUS_wallet_frozen, .id_type = ID_WALLET,
                                      .id = desk_id(&desk, 1)};
    assert_int_equal(render(COMMAND_TRANSFER, &record, NULL, (struct wire_found){0}), 409);
    expect_json("{'type':'/problems/wallet_frozen','title':'The wallet is frozen.','status':409,"
                "'code':'wallet_frozen','detail':'Wallet #W1 is frozen: it does not pay until it "
                "is active again.','wallet':'#W1'}");
}

static void damaged_records_leave_the_buffer_alone(void **state) {
    struct record record = wallet_record();
    int http = 77;
    buffer_reset(&json);
    buffer_reset(&encoded);
    BUFFER_ADD(&json, "before");
    (void)record_encode(&record, &encoded);
    struct wire_found found = {.record = buffer_slice(&encoded)};
    for (size_t i = 0; i < encoded.size; i += 7) {
        encoded.bytes[i] ^= 1;
        assert_int_equal(wire_render_command(&json, COMMAND_WALLET_OPEN, &found, &http),
                         STATUS_damaged);
        encoded.bytes[i] ^= 1;
    }
    found.opening = SLICE("not a record");
    assert_int_equal(wire_render_command(&json, COMMAND_WALLET_OPEN, &found, &http),
                     STATUS_damaged);
    expect_buffer(&json, "before");
    assert_int_equal(http, 77);
}

static void pages(void **state) {
    const struct sha256 list = {{1, 2, 3}};
    buffer_reset(&json);
    wire_page_begin(&json);
    wire_page_end(&json, &desk.seal, &list, 0, 0);
    expect_json("{'items':[]}");
    buffer_reset(&json);
    wire_page_begin(&json);
    wire_page_end(&json, &desk.seal, &list, 0, 1000);
    expect_json("{'items':[],'archived_before':'1970-01-01T00:00:01.000Z'}");
    buffer_reset(&json);
    wire_page_begin(&json);
    for (uint32_t i = 0; i < 3; i++) {
        wire_page_item(&json, i);
        BUFFER_ADD(&json, "{}");
    }
    wire_page_end(&json, &desk.seal, &list, 12345, 0);
    char token[WIRE_CURSOR_BYTES + 1] = {0};
    wire_cursor_format(&desk.seal, &list, 12345, token);
    char expected[100];
    (void)snprintf(expected, sizeof(expected), "{'items':[{},{},{}],'next_cursor':'%s'}", token);
    expect_json(expected);
}

static void batches(void **state) {
    buffer_reset(&json);
    wire_batch_begin(&json);
    wire_batch_result(&json, 0);
    BUFFER_ADD(&json, "{\"a\":1}");
    wire_batch_result_replayed(&json);
    wire_batch_result(&json, 1);
    BUFFER_ADD(&json, "{\"b\":[{}]}");
    wire_batch_result(&json, 2);
    BUFFER_ADD(&json, "{}");
    wire_batch_result_replayed(&json);
    wire_batch_end(&json);
    expect_json("{'results':[{'a':1,'replayed':true},{'b':[{}]},{'replayed':true}]}");
}

static void balances(void **state) {
    struct wire_balance balance = {.wallet = desk_id(&desk, 1), .currency = USD,
                                   .at_ms = 1767225600000, .balance = -5, .version = 3};
    buffer_reset(&json);
    wire_render_balance(&json, &balance);
    expect_json("{'wallet':'#W1','currency':'USD','at':'2026-01-01T00:00:00.000Z','balance':-5,"
                "'version':3}");
    balance = (struct wire_balance){.wallet = desk_id(&desk, 1), .currency = USD, .balance = 7,
                                    .held = 9, .is_now = true};
    buffer_reset(&json);
    wire_render_balance(&json, &balance);
    expect_json("{'wallet':'#W1','currency':'USD','at':'1970-01-01T00:00:00.000Z','balance':7,"
                "'held':9,'available':-2}");
}

static void integrity(void **state) {
    struct wire_integrity_currency totals[2] = {
        {.currency = USD, .wallet_count = 3,
         .wallet_balances = (money_total)9007199254740991 * 1000000,
         .deposits = (money_total)9007199254740991 * 1000000},
        {.currency = {.code = "POINTS"}, .withdrawals = 5, .difference = -5}};
    struct wire_integrity_check checks[1] = {{"held", "\"held\" is right", 12, 1}};
    struct wire_in_flight flights[2] = {
        {.currency = USD, .count = 3, .amount = 44, .age_ms = 5}, {.count = 1, .age_ms = 9}};
    struct wire_integrity report = {.consistent = false, .message = SLICE("1 is wrong"),
                                    .currencies = totals, .currency_count = 2, .checks = checks,
                                    .check_count = 1, .in_flight = flights,
                                    .in_flight_count = 2, .as_of_ms = 1767225600000,
                                    .took_us = 1001};
    buffer_reset(&json);
    wire_render_integrity(&json, &report);
    // Beyond 64 bits JSON is not read back here.
    expect_buffer(&json, desk_text(&desk,
                "{'consistent':false,'message':'1 is wrong','currencies':[{'currency':'USD',"
                "'exponent':2,'wallets':3,'wallet_balances':9007199254740991000000,"
                "'deposits':9007199254740991000000,'withdrawals':0,'difference':0},"
                "{'currency':'POINTS','exponent':0,'wallets':0,'wallet_balances':0,'deposits':0,"
                "'withdrawals':5,'difference':-5}],'checked':[{'check':'held','rule':"
                "'\\'held\\' is right','count':12,'differences':1}],'in_flight':[{'currency':'USD',"
                "'amount':44,'payments':3,'age_ms':5},{'payments':1,'age_ms':9}],"
                "'depth':'totals','as_of':'2026-01-01T00:00:00.000Z','took_ms':2,"
                "'recounts':{'count':0,'progress':0},'payments_stopped':false}"));
    report = (struct wire_integrity){.consistent = true, .message = SLICE("m"),
                                      .is_full = true};
    buffer_reset(&json);
    wire_render_integrity(&json, &report);
    expect_json("{'consistent':true,'message':'m','currencies':[],'checked':[],'in_flight':[],"
                "'depth':'full','as_of':'1970-01-01T00:00:00.000Z','took_ms':0,"
                "'recounts':{'count':0,'progress':0},'payments_stopped':false}");
}

static void etags(void **state) {
    buffer_reset(&json);
    wire_render_etag(&json, 7);
    expect_buffer(&json, "\"7\"");
    uint64_t version = 0;
    assert_true(wire_parse_if_match(buffer_slice(&json), &version));
    assert_int_equal(version, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wallet),
        cmocka_unit_test(a_wallet_as_it_is_now),
        cmocka_unit_test(a_transfer),
        cmocka_unit_test(a_deposit_comes_from_outside),
        cmocka_unit_test(a_purchase_shows_what_was_refunded),
        cmocka_unit_test(a_refund_shows_its_purchase),
        cmocka_unit_test(a_hold),
        cmocka_unit_test(a_voided_hold_keeps_its_texts),
        cmocka_unit_test(a_capture_is_a_purchase_with_its_hold),
        cmocka_unit_test(a_hold_after_a_capture),
        cmocka_unit_test(a_withdrawal_and_its_failure),
        cmocka_unit_test(a_withdrawal_settled_at_once_and_later),
        cmocka_unit_test(a_key_shows_its_secret_once),
        cmocka_unit_test(a_remembered_refusal_is_its_problem),
        cmocka_unit_test(damaged_records_leave_the_buffer_alone),
        cmocka_unit_test(pages),
        cmocka_unit_test(batches),
        cmocka_unit_test(balances),
        cmocka_unit_test(integrity),
        cmocka_unit_test(etags),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
