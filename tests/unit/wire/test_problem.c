// SPDX-License-Identifier: MIT
// Problem documents byte for byte: each refusal that decide.c makes, and those at the door.
#include "support.h"

#include <string.h>

#include "ledger/spending.h"
#include "wire/problem.h"

static struct desk desk;
static struct buffer json;

static int open_desk(void **state) {
    desk_open(&desk);
    return 0;
}

static int close_desk(void **state) {
    desk_close(&desk);
    buffer_done(&json);
    return 0;
}

// `expected` is what follows "detail", with its quotes as apostrophes and "~" for an apostrophe.
static void expect_problem(const struct refusal *refusal, const char *expected) {
    struct buffer document = {0};
    enum status status = refusal->status;
    buffer_add_format(&document,
                      "{\"type\":\"/problems/%s\",\"title\":\"%s\",\"status\":%d,"
                      "\"code\":\"%s\",\"detail\":\"",
                      status_name(status), status_sentence(status), status_http(status),
                      status_name(status));
    for (const char *at = desk_text(&desk, expected); *at != 0; at++)
        buffer_add(&document, *at == '~' ? "'" : at, 1);
    BUFFER_ADD(&document, "}\0");
    buffer_reset(&json);
    problem_render(&json, refusal, PROBLEM_NO_OPERATION);
    expect_buffer(&json, (const char *)document.bytes);
    buffer_done(&document);
}

static struct refusal refusal_of(enum status status, enum id_type type) {
    return (struct refusal){.status = (uint8_t)status, .id_type = (uint8_t)type,
                            .id = desk_id(&desk, 1),
                            .currency = {.code = "USD", .exponent = 2}};
}

static void funds_and_numbers(void **state) {
    struct refusal refusal = refusal_of(STATUS_insufficient_funds, ID_WALLET);
    refusal.has = 1250;
    refusal.asked = 2000;
    expect_problem(&refusal, "Wallet #W1 can spend 12.50 USD, and 20.00 USD was asked. Deposit at "
                             "least 7.50 USD first, or ask for less.','wallet':'#W1',"
                             "'currency':'USD','spendable':1250,'asked':2000");
    refusal = refusal_of(STATUS_version_mismatch, ID_WALLET);
    refusal.has = 9;
    refusal.asked = 7;
    expect_problem(&refusal, "Wallet #W1 has version 9, and If-Match asked for 7. Read the wallet "
                             "again and decide anew.','wallet':'#W1','version':9,'asked':7");
    refusal = refusal_of(STATUS_capture_exceeds_hold, ID_HOLD);
    refusal.has = 5;
    refusal.asked = 100;
    refusal.other = desk_id(&desk, 2);
    expect_problem(&refusal, "Hold #H1 of wallet #W2 has 0.05 USD left, and 1.00 USD was asked. "
                             "Capture at most what is left.','hold':'#H1','wallet':'#W2',"
                             "'currency':'USD','remaining':5,'asked':100");
    refusal = refusal_of(STATUS_refund_exceeds_purchase, ID_TRANSACTION);
    refusal.has = 5;
    refusal.asked = 100;
    refusal.other = desk_id(&desk, 2);
    expect_problem(&refusal, "Transaction #T1 of wallet #W2 has 0.05 USD left to refund, and 1.00 "
                             "USD was asked. Refund at most what is left.','transaction':'#T1',"
                             "'wallet':'#W2','currency':'USD','refundable':5,'asked':100");
    refusal.has = 0;
    expect_problem(&refusal, "Transaction #T1 of wallet #W2 has 0.00 USD left to refund, and 1.00 "
                             "USD was asked. All of it went back already.','transaction':'#T1',"
                             "'wallet':'#W2','currency':'USD','refundable':0,'asked':100");
    refusal = refusal_of(STATUS_balance_limit_exceeded, ID_WALLET);
    refusal.has = 9007199254740991;
    refusal.asked = 1;
    expect_problem(&refusal, "Wallet #W1 has 90071992547409.91 USD; with 0.01 USD more it would be "
                             "beyond the 90071992547409.91 USD that a wallet can have. Pay into "
                             "another wallet, or move money out first.',"
                             "'wallet':'#W1','currency':'USD','balance':9007199254740991,"
                             "'asked':1");
    refusal = refusal_of(STATUS_wallet_not_empty, ID_WALLET);
    refusal.has = 100;
    refusal.asked = 40;
    expect_problem(&refusal, "Wallet #W1 has 1.00 USD, of which 0.40 USD is held; it can be closed "
                             "once both are zero.','wallet':'#W1','currency':'USD','balance':100,"
                             "'held':40");
    refusal = refusal_of(STATUS_credit_limit_in_use, ID_WALLET);
    refusal.has = 100;
    refusal.asked = 40;
    expect_problem(&refusal, "Wallet #W1 uses 1.00 USD of its credit, and a limit of 0.40 USD was "
                             "asked. Deposit at least 0.60 USD first, or choose a higher limit.',"
                             "'wallet':'#W1','currency':'USD','credit_used':100,'asked':40");
}

static void things_and_their_states(void **state) {
    struct refusal refusal = refusal_of(STATUS_hold_not_open, ID_HOLD);
    refusal.has = HOLD_EXPIRED;
    // As one that was remembered before its wallet was kept with it.
    expect_problem(&refusal, "Hold #H1 is expired, and only an open hold can be captured or "
                             "voided. Make a new hold, or purchase directly.','hold':'#H1',"
                             "'hold_status':'expired'");
    refusal = refusal_of(STATUS_withdrawal_not_pending, ID_WITHDRAWAL);
    refusal.has = WITHDRAWAL_FAILED;
    refusal.other = desk_id(&desk, 2);
    expect_problem(&refusal, "Withdrawal #D1 of wallet #W2 is failed, and only a pending "
                             "withdrawal can be settled or failed. Make a new one if money is "
                             "still to go out.','withdrawal':'#D1','wallet':'#W2',"
                             "'withdrawal_status':'failed'");
    refusal = refusal_of(STATUS_duplicate_bank_transaction, ID_WALLET);
    refusal.other = desk_id(&desk, 4);
    expect_problem(&refusal, "This bank transaction is booked already, as #T4; nothing was booked "
                             "to wallet #W1. Each bank_transaction_id is booked once per currency."
                             "','wallet':'#W1','transaction':'#T4'");
    refusal.other = (struct id){{0}};
    expect_problem(&refusal, "This bank transaction stands twice in this batch; nothing was booked "
                             "to wallet #W1. Each bank_transaction_id is booked once per currency."
                             "','wallet':'#W1'");
    refusal = refusal_of(STATUS_not_found, ID_KEY);
    expect_problem(&refusal, "Key #K1 does not exist, or is revoked. Check the id.','key':'#K1'");
    refusal = refusal_of(STATUS_currency_mismatch, ID_WALLET);
    expect_problem(&refusal, "Wallet #W1 has the currency USD, and another one was asked for or is "
                             "the other wallet~s. Use wallets of one currency, and name that one "
                             "or none.','wallet':'#W1','currency':'USD'");
    refusal = refusal_of(STATUS_not_a_purchase, ID_TRANSACTION);
    expect_problem(&refusal, "Transaction #T1 is not a purchase, and only purchases can be "
                             "refunded. Use a transfer instead.','transaction':'#T1'");
    refusal = refusal_of(STATUS_limit_exceeded, ID_WALLET);
    refusal.detail = SPENDING_DAY;
    refusal.has = 5;
    refusal.asked = 100;
    expect_problem(&refusal, "Wallet #W1 may spend 0.05 USD more today (UTC), and 1.00 USD was "
                             "asked. Ask for less, or wait for the next day.','wallet':'#W1',"
                             "'period':'day','currency':'USD','left':5,'asked':100");
    refusal.detail = SPENDING_TRANSACTION;
    expect_problem(&refusal, "Wallet #W1 may spend 0.05 USD in one transaction, and 1.00 USD was "
                             "asked. Ask for less.','wallet':'#W1','period':'transaction',"
                             "'currency':'USD','left':5,'asked':100");
}

// Every status that can be an answer makes a document, with numbers and without.
static void every_status_makes_a_document(void **state) {
    for (int status = STATUS_ok + 1; status < STATUS_COUNT; status++) {
        for (int type = 0; type < ID_TYPE_COUNT; type++) {
            struct refusal refusal = refusal_of((enum status)status, (enum id_type)type);
            for (int with_id = 0; with_id < 2; with_id++) {
                struct json_value value;
                const char *why;
                if (with_id == 0)
                    refusal.id = (struct id){{0}};
                else
                    refusal.id = desk_id(&desk, 1);
                buffer_reset(&json);
                problem_render(&json, &refusal, with_id == 0 ? 0 : 9999);
                assert_true(json_parse(desk.context.parser,
                                       desk_body_slice(&desk, buffer_slice(&json)), &value, &why));
                // Documents are functions of their refusal: twice the same.
                struct buffer again = {0};
                problem_render(&again, &refusal, with_id == 0 ? 0 : 9999);
                assert_true(slice_equal(buffer_slice(&again), buffer_slice(&json)));
                buffer_done(&again);
            }
        }
    }
}

static void inner_troubles_are_internal(void **state) {
    static const enum status inner[] = {STATUS_disk_failed, STATUS_damaged, STATUS_internal};
    for (int i = 0; i < 3; i++) {
        buffer_reset(&json);
        problem_render_door(&json, inner[i], NULL, PROBLEM_NO_OPERATION);
        expect_buffer(&json, desk_text(&desk,
            "{'type':'/problems/internal','title':'Florin made a mistake.','status':500,"
            "'code':'internal','detail':'Retry with the same Idempotency-Key; if it stays, see "
            "the log.'}"));
    }
}

static void the_door_may_say_more(void **state) {
    buffer_reset(&json);
    problem_render_door(&json, STATUS_not_found, "There is no path \"/x\".", 3);
    expect_buffer(&json, "{\"type\":\"/problems/not_found\",\"title\":\"There is no such thing.\","
                         "\"status\":404,\"code\":\"not_found\",\"detail\":\"There is no path "
                         "\\\"/x\\\".\",\"operation\":3}");
}

static void faults_are_listed(void **state) {
    struct wire_faults faults = {0};
    wire_fault_add(&desk.arena, &faults, SLICE("/amount"), SLICE("is required"));
    buffer_reset(&json);
    problem_render_faults(&json, &faults, PROBLEM_NO_OPERATION);
    expect_buffer(&json, desk_text(&desk, "{'type':'/problems/invalid_request','title':'The "
                                          "request is not valid.','status':400,"
                                          "'code':'invalid_request',"
                                          "'detail':'/amount is required','errors':[{'pointer':"
                                          "'/amount','detail':'is required'}]}"));
    wire_fault_add(&desk.arena, &faults, SLICE("/a\"b"), SLICE("is given twice"));
    wire_fault_add(&desk.arena, &faults, SLICE(""), SLICE("must be a JSON object"));
    buffer_reset(&json);
    problem_render_faults(&json, &faults, 7);
    expect_buffer(&json, desk_text(&desk, "{'type':'/problems/invalid_request','title':'The "
                                          "request is not valid.','status':400,"
                                          "'code':'invalid_request',"
                                          "'detail':'/amount is required (and 2 more)','errors':["
                                          "{'pointer':'/amount','detail':'is required'},"
                                          "{'pointer':'/a\\'b','detail':'is given twice'},"
                                          "{'pointer':'','detail':'must be a JSON object'}],"
                                          "'operation':7}"));
}

static void expect_money(int64_t amount, const char *code, uint8_t exponent,
                         const char *expected) {
    struct currency currency = {.exponent = exponent};
    memcpy(currency.code, code, strlen(code));
    buffer_reset(&json);
    problem_add_money(&json, amount, &currency);
    expect_buffer(&json, expected);
}

static void money_in_major_units(void **state) {
    expect_money(0, "USD", 2, "0.00 USD");
    expect_money(5, "USD", 2, "0.05 USD");
    expect_money(-5, "EUR", 2, "-0.05 EUR");
    expect_money(-12345, "EUR", 2, "-123.45 EUR");
    expect_money(7, "POINTS", 0, "7 POINTS");
    expect_money(1001, "KWD", 3, "1.001 KWD");
    expect_money(9007199254740991, "BTC8", 8, "90071992.54740991 BTC8");
    expect_money(INT64_MIN, "JPY", 0, "-9223372036854775808 JPY");
    expect_money(7, "", 0, "7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(funds_and_numbers),
        cmocka_unit_test(things_and_their_states),
        cmocka_unit_test(every_status_makes_a_document),
        cmocka_unit_test(inner_troubles_are_internal),
        cmocka_unit_test(the_door_may_say_more),
        cmocka_unit_test(faults_are_listed),
        cmocka_unit_test(money_in_major_units),
    };
    return cmocka_run_group_tests(tests, open_desk, close_desk);
}
