// SPDX-License-Identifier: MIT
// Batches: results in order, each with its own permission and its own problem; an atomic one
// answers with the first problem and its index.
#include "house.h"

#include <stdio.h>

#define GOOD "{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\",\"amount\":5}"
#define BAD  "{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\",\"amount\":0}"

static struct http_request *batch(struct house *house, const char *authorization, bool atomic,
                                  const char *first, const char *second) {
    char one[256], two[256], body[1024];
    snprintf(one, sizeof(one), first, house->wallet_text, house->other_text);
    snprintf(two, sizeof(two), second, house->wallet_text, house->other_text);
    snprintf(body, sizeof(body), "{\"operations\":[%s,%s],\"atomic\":%s}", one, two,
             atomic ? "true" : "false");
    struct http_request *request = house_request_as(authorization, "POST", "/v1/batches");
    fake_body(request, body);
    house->engine->publishes_at_once = true;
    house_ask(house, request);
    assert_int_not_equal(request->code, 0);
    return request;
}

static void results_stand_in_order(void **state) {
    struct house *house = *state;
    struct http_request *request = batch(house, house->service, false, BAD, GOOD);
    assert_int_equal(request->code, 200);
    assert_string_equal(request->content_type, "application/json");
    const char *problem = strstr(fake_answer(request), "\"code\":\"invalid_request\"");
    const char *transaction = strstr(fake_answer(request), "\"type\":\"transfer\"");
    assert_non_null(problem);
    assert_non_null(transaction);
    assert_true(problem < transaction);
    assert_true(fake_answer_has(request, "\"status\":400"));
    assert_true(fake_answer_has(request, "/amount"));
    assert_false(fake_answer_has(request, "\"operation\":"));
    fake_free(request);
}

static void replays_are_marked(void **state) {
    struct house *house = *state;
    house->engine->decide = house_says_yes_again;
    struct http_request *request = batch(house, house->service, false, BAD, GOOD);
    assert_true(fake_answer_has(request, "\"replayed\":true"));
    assert_null(fake_answer_header(request, "Idempotent-Replayed"));
    fake_free(request);
}

static void an_atomic_batch_answers_with_the_first_problem(void **state) {
    struct house *house = *state;
    struct http_request *request = batch(house, house->service, true, GOOD, BAD);
    assert_int_equal(request->code, 400);
    assert_string_equal(request->content_type, "application/problem+json");
    assert_true(fake_answer_has(request, "\"operation\":1"));
    assert_true(fake_answer_has(request, "/amount"));
    fake_free(request);
    house->engine->decide = house_says_no;
    request = batch(house, house->service, true, GOOD, GOOD);
    assert_int_equal(request->code, 422);
    assert_true(fake_answer_has(request, "\"operation\":0"));
    assert_true(fake_answer_has(request, "insufficient_funds"));
    fake_free(request);
}

static void an_atomic_batch_that_works_has_results(void **state) {
    struct house *house = *state;
    struct http_request *request = batch(house, house->service, true, GOOD, GOOD);
    assert_int_equal(request->code, 200);
    assert_true(fake_answer_has(request, "\"results\":["));
    fake_free(request);
}

static void a_batch_refused_as_a_whole_blames_no_operation(void **state) {
    struct house *house = *state;
    char body[1024], one[256];
    snprintf(one, sizeof(one), GOOD, house->wallet_text, house->other_text);
    snprintf(body, sizeof(body), "{\"operations\":[%s],\"atomic\":true}", one);
    struct http_request *request = house_post(house, "/v1/batches", body);
    fake_header(request, "Idempotency-Key", "used before");
    house_ask(house, request);
    assert_int_equal(house->engine->waiting_count, 1);
    struct round *round = house->engine->waiting[0];
    assert_true(round->first->atomic);
    assert_true(round->first->batch.has_key);
    round->first->batch_outcome =
        (struct outcome){.status = STATUS_idempotency_key_reused,
                         .refusal = {.status = STATUS_idempotency_key_reused}};
    house->engine->waiting_count = 0;
    round->published(round);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(request->code, 422);
    assert_true(fake_answer_has(request, "idempotency_key_reused"));
    assert_false(fake_answer_has(request, "\"operation\":"));
    fake_free(request);
}

static void malformed_batches_never_reach_the_engine(void **state) {
    struct house *house = *state;
    static const char *const bodies[] = {"", "{}", "{\"operations\":[]}", "[]",
                                         "{\"operations\":[{\"type\":\"transfer\"}]"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct http_request *request = house_post(house, "/v1/batches", bodies[i]);
        house_ask(house, request);
        assert_int_equal(request->code, 400);
        fake_free(request);
    }
    assert_int_equal(house->engine->waiting_count, 0);
}

static void auditors_send_no_batches(void **state) {
    struct house *house = *state;
    struct http_request *request = batch(house, house->auditor, false, GOOD, GOOD);
    assert_int_equal(request->code, 403);
    fake_free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(results_stand_in_order),
        HOUSE_TEST(replays_are_marked),
        HOUSE_TEST(an_atomic_batch_answers_with_the_first_problem),
        HOUSE_TEST(an_atomic_batch_that_works_has_results),
        HOUSE_TEST(a_batch_refused_as_a_whole_blames_no_operation),
        HOUSE_TEST(malformed_batches_never_reach_the_engine),
        HOUSE_TEST(auditors_send_no_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
