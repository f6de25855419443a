// SPDX-License-Identifier: MIT
// Lists: done by other threads while the loop goes on, answered by the loop, bounded by the
// deadline.
#include "house.h"

#include <stdio.h>
#include <time.h>

static void prepare_wallet(struct house *house) {
    struct command read = {.type = COMMAND_READ_WALLET, .subject = house->wallet};
    memset(&house->engine->entry.outcome, 0, sizeof(house->engine->entry.outcome));
    house_reads(house, &read, &house->engine->entry.outcome);
}

static void a_list_comes_from_a_reader(void **state) {
    struct house *house = *state;
    prepare_wallet(house);
    struct http_request *request = house_request(house, "GET", "/v1/wallets");
    fake_query(request, "owner", "ada & bob");
    fake_query(request, "kind", "merchant");
    fake_query(request, "limit", "7");
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "\"items\":[{"));
    assert_true(fake_answer_has(request, house->wallet_text));
    assert_true(fake_answer_has(request, "\"next_cursor\":\""));
    assert_int_equal(house->engine->list_query.kind, LIST_WALLETS);
    assert_int_equal(house->engine->list_query.limit, 7);
    assert_int_equal(house->engine->list_query.wallet_kind, WALLET_MERCHANT);
    assert_int_equal(house->engine->list_query.status, -1);
    assert_true(slice_equal(buffer_slice(&house->engine->list_owner), SLICE("ada & bob")));
    fake_free(request);
}

static void a_cursor_leads_on(void **state) {
    struct house *house = *state;
    prepare_wallet(house);
    struct http_request *request = house_request(house, "GET", "/v1/wallets");
    house_ask(house, request);
    house_await(house, request);
    char cursor[64] = "";
    const char *found = strstr(fake_answer(request), "\"next_cursor\":\"");
    assert_non_null(found);
    sscanf(found + 15, "%63[^\"]", cursor);
    fake_free(request);
    request = house_request(house, "GET", "/v1/wallets");
    fake_query(request, "cursor", cursor);
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 200);
    assert_int_equal(house->engine->list_query.cursor, 77);
    fake_free(request);
    request = house_request(house, "GET", "/v1/wallets");
    fake_query(request, "cursor", "77");
    house_ask(house, request);
    assert_int_equal(request->code, 400);
    fake_free(request);
    request = house_request(house, "GET", "/v1/wallets"); // of another list
    fake_query(request, "cursor", cursor);
    fake_query(request, "owner", "ada");
    house_ask(house, request);
    assert_int_equal(request->code, 400);
    assert_true(fake_answer_has(request, "\"pointer\":\"/cursor\""));
    assert_true(fake_answer_has(request, "begin with the first page"));
    fake_free(request);
}

// Asked and answered; the caller's to free.
static struct http_request *auditor_gets(struct house *house, const char *path) {
    struct http_request *request = house_request_as(house->auditor, "GET", path);
    house_ask(house, request);
    house_await(house, request);
    return request;
}

static void a_key_is_a_list_of_one(void **state) {
    struct house *house = *state;
    struct command create = {.type = COMMAND_KEY_CREATE, .subject = house->service_key};
    char text[ID_TEXT_BYTES_MAX], path[128];
    size_t size = id_format(ID_KEY, house->service_key, text);
    snprintf(path, sizeof(path), "/v1/keys/%.*s", (int)size, text);
    memset(&house->engine->entry.outcome, 0, sizeof(house->engine->entry.outcome));
    house_says_yes(house, &create, &house->engine->entry.outcome);
    struct http_request *request = auditor_gets(house, path);
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "{\"id\":\"key_"));
    assert_false(fake_answer_has(request, "items") || fake_answer_has(request, "secret"));
    assert_int_equal(house->engine->list_query.kind, LIST_KEYS);
    assert_true(id_equal(house->engine->list_query.key, house->service_key));
    fake_free(request);
    house->engine->list_is_empty = true;
    request = auditor_gets(house, path);
    assert_int_equal(request->code, 404);
    assert_true(fake_answer_has(request, "key_"));
    fake_free(request);
    house->engine->list_status = STATUS_busy;
    request = auditor_gets(house, path);
    assert_int_equal(request->code, 503);
    fake_free(request);
    request = house_request_as(house->auditor, "GET", "/v1/keys/key_00000000000000000000000000");
    house_ask(house, request);
    assert_int_equal(request->code, 404); // at once: it is not all of them
    fake_free(request);
    request = house_request(house, "GET", path); // a service may not
    house_ask(house, request);
    assert_int_equal(request->code, 403);
    fake_free(request);
}

static void invalid_queries_are_answered_at_once(void **state) {
    struct house *house = *state;
    static const char *const names[] = {"limit", "limit", "limit", "color", "kind", "owner"};
    static const char *const values[] = {"0", "1001", "ten", "red", "king", "\xff"};
    for (size_t i = 0; i < 6; i++) {
        struct http_request *request = house_request(house, "GET", "/v1/wallets");
        fake_query(request, names[i], values[i]);
        house_give(house, request);
        assert_int_equal(request->code, 400);
        fake_free(request);
    }
    struct http_request *request = house_request(house, "GET", "/v1/wallets");
    for (int i = 0; i < 33; i++)
        fake_query(request, "owner", "ada");
    house_give(house, request);
    assert_int_equal(request->code, 400);
    fake_free(request);
}

static void a_time_keeps_its_plus(void **state) {
    struct house *house = *state;
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s/balance", house->wallet_text);
    house->engine->balance_at = (struct balance_at){
        .currency = {.code = "USD", .exponent = 2}, .balance = 42, .version = 3};
    struct http_request *request = house_request(house, "GET", path);
    fake_query(request, "at", "2024-01-01T02:00:00 02:00"); // decoded from "+02:00"
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 200);
    assert_int_equal(house->engine->balance_time_ms, UINT64_C(1704067200000));
    assert_true(fake_answer_has(request, "\"balance\":42"));
    assert_true(fake_answer_has(request, "2024-01-01T00:00:00.000Z"));
    assert_false(fake_answer_has(request, "available"));
    fake_free(request);
}

static void a_missing_wallet_is_404(void **state) {
    struct house *house = *state;
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s/transactions", house->other_text);
    house->engine->list_status = STATUS_not_found;
    struct http_request *request = house_request(house, "GET", path);
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 404);
    assert_true(fake_answer_has(request, house->other_text));
    assert_true(id_equal(house->engine->list_query.wallet, house->other));
    fake_free(request);
}

static void a_broken_disk_is_500_and_says_nothing_of_the_inside(void **state) {
    struct house *house = *state;
    house->engine->list_status = STATUS_disk_failed;
    struct http_request *request = house_request(house, "GET", "/v1/transactions");
    house_ask(house, request);
    house_await(house, request);
    assert_int_equal(request->code, 500);
    assert_true(fake_answer_has(request, "\"code\":\"internal\""));
    fake_free(request);
}

static void a_hanging_list_becomes_busy_and_is_forgotten(void **state) {
    struct house *house = *state;
    prepare_wallet(house);
    pthread_mutex_lock(&house->engine->list_gate);
    struct http_request *requests[5];
    for (int i = 0; i < 5; i++) {
        requests[i] = house_request(house, "GET", "/v1/wallets");
        house_ask(house, requests[i]);
    }
    struct http_request *health = house_request_as(NULL, "GET", "/healthz");
    house_give(house, health);
    assert_int_equal(health->code, 200);
    fake_free(health);
    nanosleep(&(struct timespec){.tv_nsec = (HOUSE_DEADLINE_MS + 20) * 1000000L}, NULL);
    house->handler.tick(house->handler.context, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(requests[i]->code, 503);
        fake_free(requests[i]);
    }
    pthread_mutex_unlock(&house->engine->list_gate);
    struct http_request *after = house_request(house, "GET", "/v1/wallets");
    house_ask(house, after);
    house_await(house, after);
    assert_int_equal(after->code, 200);
    fake_free(after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(a_list_comes_from_a_reader),
        HOUSE_TEST(a_cursor_leads_on),
        HOUSE_TEST(a_key_is_a_list_of_one),
        HOUSE_TEST(invalid_queries_are_answered_at_once),
        HOUSE_TEST(a_time_keeps_its_plus),
        HOUSE_TEST(a_missing_wallet_is_404),
        HOUSE_TEST(a_broken_disk_is_500_and_says_nothing_of_the_inside),
        HOUSE_TEST(a_hanging_list_becomes_busy_and_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
