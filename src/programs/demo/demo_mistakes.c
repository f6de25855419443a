// SPDX-License-Identifier: MIT
// The part of the day in which everything goes wrong that goes wrong in shops: each must be refused
// for its reason, or answered as if it had been asked once. Three people who do nothing else all
// day make the mistakes, so that what they have is known.
#include "programs/client/client_json.h"
#include "programs/demo/demo_day.h"
#include "programs/demo/demo_verbs.h"

struct people {
    uint32_t customer, other, merchant; // numbers of wallets
    const char *customer_id, *other_id, *merchant_id;
};

// Sends what is in demo->body and must be refused.
static void refused(struct demo *demo, enum demo_verb verb, const char *path,
                    const char *expected) {
    struct json_value answer;
    const struct demo_call call = {.verb = verb, .path = path, .expected = expected};
    (void)demo_call(demo, &call, &answer);
}

static uint32_t open_person(struct demo *demo, const char *role, const char *kind) {
    struct json_value answer;
    struct demo_wallet wallet = {.version = 1};
    demo_write(&demo->body, "{\"owner\":\"%s-%s\",\"currency\":\"%s\",\"kind\":\"%s\"}", demo->run,
               role, DEMO_CURRENCY, kind);
    const struct demo_call call = {.verb = DEMO_OPENING, .path = "/v1/wallets"};
    if (!demo_call(demo, &call, &answer) || !demo_take_id(demo, answer, wallet.id))
        return DEMO_NONE;
    buffer_add(&demo->world.wallets, &wallet, sizeof(wallet));
    return demo_wallet_count(&demo->world) - 1;
}

static bool meet_people(struct demo *demo, struct people *ret_people) {
    struct people people = {.customer = open_person(demo, "clumsy", "customer"),
                            .other = open_person(demo, "patient", "customer"),
                            .merchant = open_person(demo, "corner-shop", "merchant")};
    if (people.customer == DEMO_NONE || people.other == DEMO_NONE || people.merchant == DEMO_NONE)
        return false;
    people.customer_id = demo_wallet_at(&demo->world, people.customer)->id;
    people.other_id = demo_wallet_at(&demo->world, people.other)->id;
    people.merchant_id = demo_wallet_at(&demo->world, people.merchant)->id;
    *ret_people = people;
    return true;
}

// Sent twice because the first answer was slow: one effect, the same answer to the byte.
static void send_twice(struct demo *demo, const struct people *people) {
    char key[DEMO_ID_BYTES_MAX];
    struct json_value answer;
    struct buffer first = {0};
    demo_make_key(demo, key);
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":700}", people->customer_id,
               people->other_id);
    struct demo_call call = {
        .verb = DEMO_TRANSFER, .path = "/v1/transfers", .key = key, .amount = 700};
    if (demo_call(demo, &call, &answer)) {
        demo_wallet_move(demo_wallet_at(&demo->world, people->customer), -700, 0);
        demo_wallet_move(demo_wallet_at(&demo->world, people->other), 700, 0);
    }
    buffer_add_slice(&first, buffer_slice(&demo->answer));
    call.must_replay = true;
    (void)demo_call(demo, &call, &answer);
    if (!demo->is_over && !slice_equal(buffer_slice(&first), buffer_slice(&demo->answer)))
        demo_differs(demo, "a retry was not answered with the first answer's bytes");
    buffer_done(&first);
    // The same key for another payment is somebody's bug, and must not be paid.
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":701}", people->customer_id,
               people->other_id);
    call.must_replay = false;
    call.expected = "idempotency_key_reused";
    (void)demo_call(demo, &call, &answer);
}

// The bank's file is read twice.
static void book_twice(struct demo *demo, const struct people *people) {
    char bank_id[DEMO_ID_BYTES_MAX];
    struct json_value answer;
    demo_make_key(demo, bank_id);
    demo_write(&demo->body,
               "{\"wallet\":\"%s\",\"amount\":50000,\"bank_transaction_id\":\"bank-%s\"}",
               people->customer_id, bank_id);
    const struct demo_call call = {.verb = DEMO_DEPOSIT, .path = "/v1/deposits", .amount = 50000};
    if (demo_call(demo, &call, &answer))
        demo_wallet_move(demo_wallet_at(&demo->world, people->customer), 50000, 0);
    char deposit[DEMO_ID_BYTES_MAX];
    if (demo->is_over || !demo_take_id(demo, answer, deposit))
        return;
    refused(demo, DEMO_DEPOSIT, "/v1/deposits", "duplicate_bank_transaction");
    demo_write(&demo->body, "{\"purchase\":\"%s\"}", deposit);
    refused(demo, DEMO_REFUND, "/v1/refunds", "not_a_purchase");
}

// Somebody sends money to a wallet that was closed this morning.
static void close_and_try(struct demo *demo, const struct people *people) {
    demo_set_status(demo, people->merchant, "closed");
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":5}", people->customer_id,
               people->merchant_id);
    refused(demo, DEMO_TRANSFER, "/v1/transfers", "wallet_closed");
    demo_set_status(demo, people->merchant, "active");
}

// All or nothing: the second payment of the batch is not possible, so the first is not made either.
static void send_half(struct demo *demo, const struct people *people) {
    demo_write(&demo->body,
               "{\"atomic\":true,\"operations\":["
               "{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\",\"amount\":100},"
               "{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\",\"amount\":900000000}]}",
               people->customer_id, people->other_id, people->customer_id, people->other_id);
    refused(demo, DEMO_TRANSFER, "/v1/batches", "insufficient_funds");
}

static void freeze_and_try(struct demo *demo, const struct people *people) {
    demo_set_status(demo, people->customer, "frozen");
    (void)demo_purchase(demo, people->customer, people->merchant, 100);
    (void)demo_hold(demo, people->customer, people->merchant, 100, false);
    demo_deposit(demo, people->customer, 1234, "credits go on");
    demo_set_status(demo, people->customer, "active");
    demo_write(&demo->path, "/v1/wallets/%s", people->customer_id);
    demo_write(&demo->body, "{\"status\":\"closed\"}");
    struct json_value answer;
    struct demo_call call = {
        .verb = DEMO_CHANGE, .method = "PATCH", .expected = "wallet_not_empty"};
    (void)demo_call(demo, &call, &answer);
    // Somebody else changed the wallet in between.
    demo_write(&demo->body, "{\"metadata\":{\"note\":\"from an old page\"}}");
    call.if_version = "1";
    call.expected = "version_mismatch";
    (void)demo_call(demo, &call, &answer);
}

static void ask_for_nonsense(struct demo *demo, const struct people *people) {
    demo_transfer(demo, people->customer, people->other, 1000000000, "far too much");
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":5}", people->customer_id,
               people->customer_id);
    refused(demo, DEMO_TRANSFER, "/v1/transfers", "same_wallet");
    demo_write(&demo->body, "{\"wallet\":\"%s\",\"merchant\":\"%s\",\"amount\":5}",
               people->customer_id, people->other_id);
    refused(demo, DEMO_PURCHASE, "/v1/purchases", "not_a_merchant");
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":5,\"currency\":\"EUR\"}",
               people->customer_id, people->other_id);
    refused(demo, DEMO_TRANSFER, "/v1/transfers", "currency_mismatch");
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":0}", people->customer_id,
               people->other_id);
    refused(demo, DEMO_TRANSFER, "/v1/transfers", "invalid_request");
    demo_write(&demo->body, "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":5}", people->customer_id,
               "wallet_00000000000000000000000000");
    refused(demo, DEMO_TRANSFER, "/v1/transfers", "not_found");
}

// Everything done once too often.
static void do_again(struct demo *demo, const struct people *people) {
    uint32_t hold = demo_hold(demo, people->customer, people->merchant, 3000, false);
    if (hold == DEMO_NONE)
        return;
    // What is held cannot be spent elsewhere, though it is still in the balance.
    int64_t balance = demo_wallet_at(&demo->world, people->customer)->balance;
    demo_transfer(demo, people->customer, people->other, balance - 2999, "held money");
    demo_capture(demo, hold, 3001, true);
    demo_capture(demo, hold, 2000, true);
    demo_capture(demo, hold, 1000, true);
    demo_void(demo, hold);
    uint32_t purchase = demo_purchase(demo, people->customer, people->merchant, 900);
    if (purchase == DEMO_NONE)
        return;
    demo_refund(demo, purchase, 600);
    demo_refund(demo, purchase, 301);
    demo_refund(demo, purchase, 300);
    uint32_t withdrawal = demo_withdraw(demo, people->customer, 400, false);
    if (withdrawal == DEMO_NONE)
        return;
    demo_settle(demo, withdrawal);
    demo_settle(demo, withdrawal);
    demo_fail(demo, withdrawal);
}

void demo_day_make_mistakes(struct demo *demo) {
    struct people people;
    // Pointers into the array of wallets hold only while nobody is added, so everybody is met
    // first.
    if (!meet_people(demo, &people))
        return;
    book_twice(demo, &people);
    close_and_try(demo, &people);
    send_half(demo, &people);
    send_twice(demo, &people);
    freeze_and_try(demo, &people);
    ask_for_nonsense(demo, &people);
    do_again(demo, &people);
    // Last, because from now on time changes what the patient one has.
    (void)demo_hold(demo, people.other, people.merchant, 250, true);
}
