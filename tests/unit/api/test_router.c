// SPDX-License-Identifier: MIT
// The door: its ladder is exact, public paths need no key, and nobody without one learns anything.
#include <stdio.h>

#include "api/door.h"
#include "api/loop.h"
#include "house.h"

static void expect(struct house *house, struct http_request *request, int code, const char *word) {
    house_give(house, request);
    assert_int_equal(request->code, code);
    char member[64];
    snprintf(member, sizeof(member), "\"code\":\"%s\"", word);
    assert_true(fake_answer_has(request, member));
    assert_string_equal(request->content_type, "application/problem+json");
    fake_free(request);
}

static void without_a_key_every_path_is_401(void **state) {
    struct house *house = *state;
    expect(house, house_request_as(NULL, "GET", "/v1/wallets"), 401, "unauthenticated");
    expect(house, house_request_as(NULL, "GET", "/no/such/path"), 401, "unauthenticated");
    expect(house, house_request_as(NULL, "PUT", "/v1/wallets"), 401, "unauthenticated");
    expect(house, house_request_as(NULL, "POST", "/healthz"), 401, "unauthenticated");
    expect(house, house_request_as("Bearer x", "GET", "/v1/wallets"), 401, "unauthenticated");
    struct http_request *request = house_request_as(NULL, "GET", "/v1/wallets");
    house_give(house, request);
    assert_string_equal(fake_answer_header(request, "WWW-Authenticate"), "Bearer realm=\"florin\"");
    fake_free(request);
}

static void a_dead_key_is_401(void **state) {
    struct house *house = *state;
    house->engine->live[1] = false;
    expect(house, house_request(house, "GET", "/v1/wallets"), 401, "unauthenticated");
}

static void unknown_paths_and_methods_are_told(void **state) {
    struct house *house = *state;
    expect(house, house_request(house, "GET", "/no/such/path"), 404, "not_found");
    expect(house, house_request(house, "GET", "/v1/wallets/"), 404, "not_found");
    struct http_request *request = house_request(house, "PUT", "/v1/wallets");
    house_give(house, request);
    assert_int_equal(request->code, 405);
    assert_non_null(strstr(fake_answer_header(request, "Allow"), "POST"));
    assert_non_null(strstr(fake_answer_header(request, "Allow"), "GET"));
    fake_free(request);
}

static void forbidden_comes_before_the_body(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(house->auditor, "POST", "/v1/transfers");
    fake_body(request, "this is no JSON");
    expect(house, request, 403, "forbidden");
    expect(house, house_request(house, "GET", "/v1/keys"), 403, "forbidden");
    request = house_request(house, "POST", "/v1/keys");
    fake_body(request, "{}");
    expect(house, request, 403, "forbidden");
}

static void size_comes_before_type_and_type_before_content(void **state) {
    struct house *house = *state;
    static char large[70000];
    memset(large, ' ', sizeof(large) - 1);
    struct http_request *request = house_request(house, "POST", "/v1/transfers");
    fake_body(request, large);
    request->headers[1].value = SLICE("text/plain");
    expect(house, request, 413, "request_too_large");
    request = house_request(house, "POST", "/v1/transfers");
    fake_body(request, "no JSON");
    request->headers[1].value = SLICE("text/plain");
    expect(house, request, 415, "unsupported_media_type");
    request = house_request(house, "POST", "/v1/transfers");
    fake_body(request, "no JSON");
    request->headers[1].value = SLICE("application/jsonx");
    expect(house, request, 415, "unsupported_media_type");
    request = house_request(house, "POST", "/v1/transfers");
    fake_body(request, "no JSON");
    request->headers[1].value = SLICE("Application/JSON; charset=utf-8");
    expect(house, request, 400, "invalid_request");
}

static void repeated_headers_are_invalid(void **state) {
    struct house *house = *state;
    struct http_request *request = house_post(house, "/v1/transfers", "{}");
    fake_header(request, "Idempotency-Key", "a");
    fake_header(request, "idempotency-key", "a");
    expect(house, request, 400, "invalid_request");
    request = house_post(house, "/v1/transfers", "{}"); // of that type, as the request says already
    fake_header(request, "content-type", "application/json");
    house_give(house, request);
    assert_int_equal(request->code, 400);
    assert_true(fake_answer_has(request, "\"pointer\":\"/Content-Type\""));
    fake_free(request);
}

static void parameters_that_nobody_reads_are_invalid(void **state) {
    struct house *house = *state;
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s", house->wallet_text);
    struct http_request *request = house_request(house, "GET", path);
    fake_query(request, "at", "2024-01-01");
    expect(house, request, 400, "invalid_request");
    request = house_post(house, "/v1/transfers", "{}");
    fake_query(request, "dry_run", "true");
    expect(house, request, 400, "invalid_request");
    request = house_request_as(NULL, "GET", "/healthz");
    fake_query(request, "from", "a load balancer");
    house_give(house, request);
    assert_int_equal(request->code, 200);
    fake_free(request);
}

// Also of what has no field at all.
static void fields_that_nobody_knows_are_invalid(void **state) {
    struct house *house = *state;
    struct http_request *request =
        house_request_as(house->admin, "POST", "/check-integrity/resume");
    fake_body(request, "{\"all\":true}");
    house_give(house, request);
    assert_int_equal(request->code, 400);
    assert_true(fake_answer_has(request, "\"pointer\":\"/all\""));
    fake_free(request);
}

static void a_body_too_large_for_http_climbs_the_same_ladder(void **state) {
    struct house *house = *state;
    static const struct {
        bool with_key;
        const char *path;
        int code;
    } cases[] = {{false, "/v1/transfers", 401},
                 {true, "/nowhere", 404},
                 {true, "/v1/keys", 403},
                 {true, "/v1/transfers", 413}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request *request =
            house_request_as(cases[i].with_key ? house->service : NULL, "POST", cases[i].path);
        house->handler.refuse(house->handler.context, request, 413);
        assert_int_equal(request->code, cases[i].code);
        fake_free(request);
    }
    struct http_request *request = fake_request("", "");
    house->handler.refuse(house->handler.context, request, 400);
    assert_int_equal(request->code, 400);
    fake_free(request);
    request = fake_request("", "");
    house->handler.refuse(house->handler.context, request, 503);
    assert_int_equal(request->code, 503);
    assert_string_equal(fake_answer_header(request, "Retry-After"), "1");
    fake_free(request);
}

static void body_limits_are_those_of_the_operation(void **state) {
    struct house *house = *state;
    void *context = house->handler.context;
    assert_int_equal(house->handler.body_limit(context, SLICE("POST"), SLICE("/v1/batches")),
                     16 << 20);
    assert_int_equal(house->handler.body_limit(context, SLICE("POST"), SLICE("/v1/transfers")),
                     64 << 10);
    assert_int_equal(house->handler.body_limit(context, SLICE("GET"), SLICE("/v1/batches")),
                     64 << 10);
    assert_int_equal(house->handler.body_limit(context, SLICE("POST"), SLICE("/nowhere")),
                     64 << 10);
}

static void public_paths_need_no_key(void **state) {
    struct house *house = *state;
    static const char *const paths[] = {"/healthz", "/readyz", "/openapi.json", "/metrics"};
    for (size_t i = 0; i < 4; i++) {
        struct http_request *request = house_request_as(NULL, "GET", paths[i]);
        house_give(house, request);
        assert_int_equal(request->code, 200);
        fake_free(request);
        request = house_request_as(NULL, "HEAD", paths[i]);
        house_give(house, request);
        assert_int_equal(request->code, 200);
        fake_free(request);
    }
    api_begin_stop(house->api);
    struct http_request *request = house_request_as(NULL, "GET", "/readyz");
    house_give(house, request);
    assert_int_equal(request->code, 503);
    fake_free(request);
    request = house_request_as(NULL, "GET", "/healthz");
    house_give(house, request);
    assert_int_equal(request->code, 200);
    fake_free(request);
}

static void metrics_are_for_this_machine(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(NULL, "GET", "/metrics");
    request->address[12] = 10;
    house_give(house, request);
    assert_int_equal(request->code, 401);
    fake_free(request);
    request = house_request_as(NULL, "GET", "/metrics");
    memset(request->address, 0, 16);
    request->address[15] = 1;
    house_give(house, request);
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "florin_engine_rounds_total 41\n"));
    assert_true(fake_answer_has(request, "florin_build_info{version=\"1.2.3\"} 1\n"));
    assert_true(fake_answer_has(request, "seconds_sum 1.500000000\n"));
    // The answer before this one: refused, and known by its operation.
    assert_true(fake_answer_has(
        request, "florin_requests_total{operation=\"readMetrics\",code=\"401\"} 1\n"));
    fake_free(request);
}

// A refusal must not look like a mistake of the server's to whoever is woken by those.
static void each_code_is_counted_as_itself(void **state) {
    struct house *house = *state;
    struct buffer text = {0};
    for (int status = 0; status < STATUS_COUNT; status++)
        metrics_count_answer(&house->api->loops[0].metrics, METRICS_OPERATION_UNKNOWN,
                             status_http((enum status)status), 0);
    metrics_render(house->api, &text);
    BUFFER_ADD(&text, "\0");
    for (int status = 0; status < STATUS_COUNT; status++) {
        char line[96];
        snprintf(line, sizeof(line), "florin_requests_total{operation=\"unknown\",code=\"%d\"} ",
                 status_http((enum status)status));
        if (strstr((const char *)text.bytes, line) == NULL)
            fail_msg("not counted as itself: %s", line);
    }
    buffer_done(&text);
}

static void request_ids_are_echoed_or_made(void **state) {
    struct house *house = *state;
    struct http_request *request = house_request_as(NULL, "GET", "/healthz");
    fake_header(request, "X-Request-Id", "shop-17");
    house_give(house, request);
    assert_string_equal(fake_answer_header(request, "X-Request-Id"), "shop-17");
    fake_free(request);
    static const char *const bad[] = {
        "", "with space", "tab\tbed", "\xc3\xa4",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    char before[17] = "";
    for (size_t i = 0; i < 5; i++) {
        request = house_request_as(NULL, "GET", "/healthz");
        fake_header(request, "X-Request-Id", bad[i]);
        house_give(house, request);
        const char *made = fake_answer_header(request, "X-Request-Id");
        assert_int_equal(strlen(made), 16);
        assert_string_not_equal(made, before);
        memcpy(before, made, 17);
        fake_free(request);
    }
}

static void nothing_is_kept_and_no_type_is_guessed(void **state) {
    struct house *house = *state;
    static const char *const paths[] = {"/v1/wallets/x", "/no/such/path", "/healthz",
                                        "/openapi.json"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_request *request = house_request(house, "GET", paths[i]);
        house_give(house, request);
        assert_string_equal(fake_answer_header(request, "Cache-Control"), "no-store");
        assert_string_equal(fake_answer_header(request, "X-Content-Type-Options"), "nosniff");
        fake_free(request);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(without_a_key_every_path_is_401),
        HOUSE_TEST(a_dead_key_is_401),
        HOUSE_TEST(unknown_paths_and_methods_are_told),
        HOUSE_TEST(forbidden_comes_before_the_body),
        HOUSE_TEST(size_comes_before_type_and_type_before_content),
        HOUSE_TEST(repeated_headers_are_invalid),
        HOUSE_TEST(parameters_that_nobody_reads_are_invalid),
        HOUSE_TEST(fields_that_nobody_knows_are_invalid),
        HOUSE_TEST(a_body_too_large_for_http_climbs_the_same_ladder),
        HOUSE_TEST(body_limits_are_those_of_the_operation),
        HOUSE_TEST(public_paths_need_no_key),
        HOUSE_TEST(metrics_are_for_this_machine),
        HOUSE_TEST(each_code_is_counted_as_itself),
        HOUSE_TEST(request_ids_are_echoed_or_made),
        HOUSE_TEST(nothing_is_kept_and_no_type_is_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
