// SPDX-License-Identifier: MIT
// Answers: the headers around them, replays, refusals, keys whose secret is shown once, batches.
#include "house.h"

#include <stdio.h>

static struct http_request *ask(struct house *house, struct http_request *request) {
    house->engine->publishes_at_once = true;
    house_ask(house, request);
    assert_int_not_equal(request->code, 0);
    return request;
}

static struct http_request *transfer(struct house *house) {
    char body[256];
    snprintf(body, sizeof(body), "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":5}", house->wallet_text,
             house->other_text);
    return house_post(house, "/v1/transfers", body);
}

static void a_created_thing_has_its_location(void **state) {
    struct house *house = *state;
    struct http_request *request =
        ask(house, house_post(house, "/v1/wallets", "{\"owner\":\"ada\",\"currency\":\"USD\"}"));
    assert_int_equal(request->code, 201);
    assert_string_equal(request->content_type, "application/json");
    const char *location = fake_answer_header(request, "Location");
    assert_memory_equal(location, "/v1/wallets/wallet_", 19);
    assert_int_equal(strlen(location), 12 + 33);
    assert_memory_equal(fake_answer(request) + 7, location + 12, 33);
    fake_free(request);
}

// The library sends an answer without headers of its own again, which costs a payment least.
static void a_payment_has_no_headers_but_its_type(void **state) {
    struct house *house = *state;
    struct http_request *request = ask(house, transfer(house));
    assert_int_equal(request->code, 201);
    assert_string_equal(request->content_type, "application/json");
    assert_int_equal(request->answer_header_count, 0);
    fake_free(request);
    request = transfer(house);
    fake_header(request, "X-Request-Id", "shop-17");
    request = ask(house, request);
    assert_int_equal(request->answer_header_count, 1);
    assert_string_equal(fake_answer_header(request, "X-Request-Id"), "shop-17");
    fake_free(request);
}

static void a_wallet_has_its_version_as_etag(void **state) {
    struct house *house = *state;
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s", house->wallet_text);
    house->engine->decide = house_reads;
    struct http_request *request = ask(house, house_request(house, "GET", path));
    assert_int_equal(request->code, 200);
    assert_string_equal(fake_answer_header(request, "ETag"), "\"7\"");
    assert_true(fake_answer_has(request, "\"balance\":1234"));
    assert_true(fake_answer_has(request, "\"available\":1200"));
    fake_free(request);
    snprintf(path, sizeof(path), "/v1/wallets/%s", house->other_text);
    request = ask(house, house_request(house, "GET", path));
    assert_int_equal(request->code, 404);
    assert_true(fake_answer_has(request, house->other_text));
    assert_null(fake_answer_header(request, "ETag"));
    fake_free(request);
}

static void a_balance_is_a_wallet_shown_differently(void **state) {
    struct house *house = *state;
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s/balance", house->wallet_text);
    house->engine->decide = house_reads;
    struct http_request *request = ask(house, house_request(house, "GET", path));
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "\"balance\":1234"));
    assert_true(fake_answer_has(request, "\"held\":34"));
    assert_true(fake_answer_has(request, "\"currency\":\"USD\""));
    fake_free(request);
}

static void a_replay_says_so(void **state) {
    struct house *house = *state;
    struct http_request *first = ask(house, transfer(house));
    house->engine->decide = house_says_yes_again;
    struct http_request *second = transfer(house);
    fake_header(second, "Idempotency-Key", "k");
    ask(house, second);
    assert_int_equal(second->code, first->code);
    assert_string_equal(fake_answer(second), fake_answer(first));
    assert_string_equal(fake_answer_header(second, "Idempotent-Replayed"), "true");
    fake_free(first);
    fake_free(second);
}

static void a_refusal_is_a_problem_with_its_numbers(void **state) {
    struct house *house = *state;
    house->engine->decide = house_says_no;
    struct http_request *request = ask(house, transfer(house));
    assert_int_equal(request->code, 422);
    assert_string_equal(request->content_type, "application/problem+json");
    assert_true(fake_answer_has(request, "\"code\":\"insufficient_funds\""));
    assert_true(fake_answer_has(request, house->wallet_text));
    assert_null(fake_answer_header(request, "Location"));
    assert_int_equal(strlen(fake_answer_header(request, "X-Request-Id")), 16);
    fake_free(request);
}

static void a_busy_engine_is_told_with_a_time(void **state) {
    struct house *house = *state;
    house->engine->decide = NULL;
    struct http_request *request = ask(house, transfer(house));
    assert_int_equal(request->code, 503);
    assert_string_equal(fake_answer_header(request, "Retry-After"), "1");
    fake_free(request);
}

static void commands_say_who_asks(void **state) {
    struct house *house = *state;
    struct http_request *request = transfer(house);
    fake_header(request, "X-Request-Id", "shop-17");
    fake_header(request, "Idempotency-Key", "k");
    house_ask(house, request);
    const struct command *command = &house->engine->waiting[0]->first->commands[0];
    char key[ID_TEXT_BYTES_MAX];
    size_t size = id_format(ID_KEY, house->service_key, key);
    assert_true(slice_equal(command->origin.principal, slice_of(key, size)));
    assert_true(slice_equal(command->origin.request_id, SLICE("shop-17")));
    assert_int_equal(command->origin.role, ROLE_SERVICE);
    assert_int_equal(command->origin.address[12], 127);
    assert_true(id_equal(command->principal_key, house->service_key));
    assert_true(command->has_key);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    fake_free(request);
}

static struct http_request *new_key(struct house *house) {
    struct http_request *request = house_request_as(house->admin, "POST", "/v1/keys");
    fake_body(request, "{\"name\":\"till 3\",\"role\":\"auditor\"}");
    return request;
}

static void a_new_key_shows_its_secret_once(void **state) {
    struct house *house = *state;
    struct http_request *request = new_key(house);
    house_ask(house, request);
    struct sha256 hash = house->engine->waiting[0]->first->commands[0].secret_hash;
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(request->code, 201);
    const char *secret = strstr(fake_answer(request), "\"secret\":\"");
    assert_non_null(secret);
    secret += 10;
    struct slice text = slice_of(secret, (size_t)(strchr(secret, '"') - secret));
    assert_true(secret_is_well_formed(text));
    assert_memory_equal(text.bytes, "florin_auditor_", 15);
    struct sha256 expected = sha256_of(text);
    assert_memory_equal(expected.bytes, hash.bytes, 32);
    assert_string_equal(fake_answer_header(request, "Cache-Control"), "no-store");
    fake_free(request);
    house->engine->decide = house_says_yes_again;
    request = ask(house, new_key(house));
    assert_int_equal(request->code, 201);
    assert_false(fake_answer_has(request, "secret"));
    fake_free(request);
}

static void two_keys_have_two_secrets(void **state) {
    struct house *house = *state;
    struct http_request *a = ask(house, new_key(house));
    struct http_request *b = ask(house, new_key(house));
    assert_string_not_equal(strstr(fake_answer(a), "\"secret\""),
                            strstr(fake_answer(b), "\"secret\""));
    fake_free(a);
    fake_free(b);
}

static void a_revoked_key_leaves_nothing(void **state) {
    struct house *house = *state;
    char path[128];
    char key[ID_TEXT_BYTES_MAX + 1];
    key[id_format(ID_KEY, house->service_key, key)] = '\0';
    snprintf(path, sizeof(path), "/v1/keys/%s", key);
    struct http_request *request = ask(house, house_request_as(house->admin, "DELETE", path));
    assert_int_equal(request->code, 204);
    assert_null(request->content_type);
    assert_string_equal(fake_answer(request), "");
    fake_free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(a_created_thing_has_its_location),
        HOUSE_TEST(a_payment_has_no_headers_but_its_type),
        HOUSE_TEST(a_wallet_has_its_version_as_etag),
        HOUSE_TEST(a_balance_is_a_wallet_shown_differently),
        HOUSE_TEST(a_replay_says_so),
        HOUSE_TEST(a_refusal_is_a_problem_with_its_numbers),
        HOUSE_TEST(a_busy_engine_is_told_with_a_time),
        HOUSE_TEST(commands_say_who_asks),
        HOUSE_TEST(a_new_key_shows_its_secret_once),
        HOUSE_TEST(two_keys_have_two_secrets),
        HOUSE_TEST(a_revoked_key_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
