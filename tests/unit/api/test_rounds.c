// SPDX-License-Identifier: MIT
// Rounds: a pass is one round, answers come when the round is published and not before, a deadline
// answers `busy` without cancelling anything, and a hanging store does not slow the loop.
#include "house.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static struct http_request *transfer(struct house *house, int64_t amount) {
    char body[256];
    snprintf(body, sizeof(body), "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":%lld}",
             house->wallet_text, house->other_text, (long long)amount);
    return house_post(house, "/v1/transfers", body);
}

static void a_published_round_is_answered_in_its_pass(void **state) {
    struct house *house = *state;
    house->engine->publishes_at_once = true;
    struct http_request *request = transfer(house, 5);
    house_give(house, request);
    assert_int_equal(request->code, 0); // nothing is decided inside the request
    house->handler.pass_end(house->handler.context, 0);
    assert_int_equal(request->code, 201);
    assert_true(fake_answer_has(request, "\"amount\":5"));
    fake_free(request);
}

static void a_pass_is_one_round_in_order(void **state) {
    struct house *house = *state;
    struct http_request *requests[10];
    for (int i = 0; i < 10; i++) {
        requests[i] = transfer(house, 100 + i);
        house_give(house, requests[i]);
    }
    house->handler.pass_end(house->handler.context, 0);
    assert_int_equal(house->engine->waiting_count, 1);
    const struct round *round = house->engine->waiting[0];
    assert_int_equal(round->command_count, 10);
    int i = 0;
    for (const struct submission *s = round->first; s != NULL; s = s->next, i++) {
        assert_int_equal(s->count, 1);
        assert_int_equal(s->commands[0].amount, 100 + i);
        assert_false(s->is_batch);
    }
    assert_int_equal(i, 10);
    fake_engine_publish(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (i = 0; i < 10; i++) {
        char amount[32];
        snprintf(amount, sizeof(amount), "\"amount\":%d,", 100 + i);
        assert_int_equal(requests[i]->code, 201);
        assert_true(fake_answer_has(requests[i], amount));
        fake_free(requests[i]);
    }
}

// Of books on several servers what needs one that hangs keeps nobody else waiting.
static void what_needs_another_server_is_another_round(void **state) {
    struct house *house = *state;
    static const int64_t amounts[] = {100, 200, 101, 300, 201};
    struct http_request *requests[5];
    fake_engine_split(house->engine);
    for (int i = 0; i < 5; i++) {
        requests[i] = transfer(house, amounts[i]);
        house_give(house, requests[i]);
    }
    house->handler.pass_end(house->handler.context, 0);
    assert_int_equal(house->engine->waiting_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(house->engine->waiting[i]->command_count, i < 2 ? 2 : 1);
    const struct submission *first = house->engine->waiting[0]->first;
    assert_int_equal(first->commands[0].amount, 100);
    assert_int_equal(first->next->commands[0].amount, 101);
    fake_engine_publish(house->engine); // the others are waiting still
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(requests[i]->code, amounts[i] < 200 ? 201 : 0);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(requests[i]->code, 201);
        fake_free(requests[i]);
    }
}

// While one round is at the disk the next one is filled, and leaves when that one is back.
static void what_comes_meanwhile_is_one_round_behind_it(void **state) {
    struct house *house = *state;
    struct http_request *first = transfer(house, 1), *later[3];
    house->engine->decides_now = true;
    house_ask(house, first);
    assert_int_equal(first->code, 0);
    assert_int_equal(house->engine->waiting[0]->crowd, 1);
    for (int i = 0; i < 3; i++) {
        later[i] = transfer(house, 2);
        house_ask(house, later[i]);
        assert_true(house->handler.pass_end(house->handler.context, 0));
        assert_int_equal(house->engine->waiting_count, 1);
    }
    fake_engine_publish(house->engine);
    assert_true(house->handler.woken(house->handler.context, 0));
    assert_int_equal(first->code, 201);
    fake_free(first);
    assert_int_equal(house->engine->waiting_count, 1);
    assert_int_equal(house->engine->waiting[0]->command_count, 3);
    assert_int_equal(house->engine->waiting[0]->crowd, 4);
    fake_engine_publish(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(later[i]->code, 201);
        fake_free(later[i]);
    }
}

static void nothing_waits_long_behind_a_slow_disk(void **state) {
    struct house *house = *state;
    struct http_request *first = transfer(house, 1), *later = transfer(house, 2);
    house->engine->decides_now = true;
    house_ask(house, first);
    house_ask(house, later);
    nanosleep(&(struct timespec){.tv_nsec = 5000000L}, NULL);
    house->handler.pass_end(house->handler.context, 0);
    assert_int_equal(house->engine->waiting_count, 2); // the engine's to care for
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(first->code, 201);
    assert_int_equal(later->code, 201);
    fake_free(first);
    fake_free(later);
}

static void an_empty_pass_submits_nothing(void **state) {
    struct house *house = *state;
    house->handler.pass_end(house->handler.context, 0);
    house->handler.woken(house->handler.context, 0);
    house->handler.tick(house->handler.context, 0);
    assert_int_equal(house->engine->waiting_count, 0);
}

// Who may come along when a pass gathers.
struct coming {
    struct house *house;
    struct http_request *request; // NULL: nobody
    uint32_t asked;
};

static size_t come(void *context) {
    struct coming *coming = context;
    coming->asked++;
    if (coming->request == NULL)
        return 0;
    house_give(coming->house, coming->request);
    coming->request = NULL;
    return 1;
}

static void ask_in_turn(struct house *house, struct http_request *request) {
    house_ask(house, request);
    if (house->engine->waiting_count != 0)
        fake_engine_publish(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_not_equal(request->code, 0);
    fake_free(request);
}

// As books whose rounds are decided by whoever brings them, with a sync that is worth waiting for.
static void open_for_gathering(struct house *house, struct coming *coming) {
    *coming = (struct coming){.house = house};
    house->engine->decides_now = true;
    house->engine->sync_ns = 1000000;
    fake_gather(come, coming);
    ask_in_turn(house, transfer(house, 1)); // tells how long syncs take
    assert_int_equal(coming->asked, 0); // nobody is away
}

static void who_was_just_answered_comes_along(void **state) {
    struct house *house = *state;
    struct coming coming;
    open_for_gathering(house, &coming);
    struct http_request *first = transfer(house, 1), *second = transfer(house, 2);
    coming.request = second;
    fake_away(3);
    house_ask(house, first);
    assert_int_equal(coming.asked, 1);
    assert_int_equal(house->engine->waiting_count, 1);
    assert_int_equal(house->engine->waiting[0]->command_count, 2);
    fake_engine_publish(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(first->code, 201);
    assert_int_equal(second->code, 201);
    fake_free(first);
    fake_free(second);
    // A crowd comes while the disk has its other half, and reads have no sync to share.
    fake_away(24);
    ask_in_turn(house, transfer(house, 1));
    fake_away(3);
    char path[128];
    snprintf(path, sizeof(path), "/v1/wallets/%s", house->wallet_text);
    house->engine->decide = NULL; // whatever it is answered
    ask_in_turn(house, house_request(house, "GET", path));
    assert_int_equal(coming.asked, 1);
}

static void who_never_comes_is_waited_for_seldom(void **state) {
    struct house *house = *state;
    struct coming coming;
    open_for_gathering(house, &coming);
    fake_away(1);
    for (uint32_t i = 0; i < 640; i++)
        ask_in_turn(house, transfer(house, 1));
    assert_in_range(coming.asked, 9, 20);
    // But when somebody comes at last he is waited for again.
    struct http_request *other = coming.request = transfer(house, 2);
    uint32_t asked = coming.asked;
    while (coming.request != NULL)
        ask_in_turn(house, transfer(house, 1));
    assert_int_equal(other->code, 201);
    fake_free(other);
    assert_int_equal(coming.asked, asked + 1);
    fake_away(1);
    for (uint32_t i = 0; i < 4; i++)
        ask_in_turn(house, transfer(house, 1));
    assert_int_equal(coming.asked, asked + 5);
}

static void nobody_is_waited_for_where_syncs_are_elsewhere(void **state) {
    struct house *house = *state;
    struct coming coming;
    open_for_gathering(house, &coming);
    fake_engine_move_away(house->engine);
    fake_away(1);
    ask_in_turn(house, transfer(house, 1));
    assert_int_equal(coming.asked, 0);
}

// Even of a round that is back at once nothing is answered in its pass.
static void nobody_waits_for_books_that_are_elsewhere(void **state) {
    struct house *house = *state;
    fake_engine_move_away(house->engine);
    house->engine->publishes_at_once = true;
    struct http_request *request = transfer(house, 1);
    house_ask(house, request);
    assert_int_equal(house->engine->waiting_count, 0);
    assert_int_equal(request->code, 0);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(request->code, 201);
    fake_free(request);
}

static void only_the_first_pass_waits_for_a_hanging_store(void **state) {
    struct house *house = *state;
    struct http_request *requests[20];
    uint64_t first_ns = clock_monotonic_ns();
    requests[0] = transfer(house, 1);
    house_ask(house, requests[0]);
    first_ns = clock_monotonic_ns() - first_ns;
    assert_in_range(first_ns, 1000000, 500000000);
    uint64_t later_ns = clock_monotonic_ns();
    for (int i = 1; i < 20; i++) {
        requests[i] = transfer(house, 1);
        house_ask(house, requests[i]);
        assert_int_equal(requests[i]->code, 0);
    }
    later_ns = clock_monotonic_ns() - later_ns;
    assert_true(later_ns < 19 * UINT64_C(3000000)); // they did not wait one after the other
    assert_int_equal(house->engine->waiting_count, 20);
    struct http_request *health = house_request_as(NULL, "GET", "/healthz");
    house_give(house, health);
    assert_int_equal(health->code, 200);
    fake_free(health);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(requests[i]->code, 201);
        fake_free(requests[i]);
    }
}

static void a_deadline_answers_busy_and_cancels_nothing(void **state) {
    struct house *house = *state;
    struct http_request *early = transfer(house, 7);
    house_ask(house, early);
    house->handler.tick(house->handler.context, 0);
    assert_int_equal(early->code, 0);
    nanosleep(&(struct timespec){.tv_nsec = (HOUSE_DEADLINE_MS + 20) * 1000000L}, NULL);
    struct http_request *late = transfer(house, 8);
    house_ask(house, late);
    house->handler.tick(house->handler.context, 0);
    assert_int_equal(early->code, 503);
    assert_true(fake_answer_has(early, "\"code\":\"busy\""));
    assert_string_equal(fake_answer_header(early, "Retry-After"), "1");
    assert_int_equal(late->code, 0);
    fake_free(early); // its client is gone, and so is its request
    house->handler.tick(house->handler.context, 0);
    // The command is still there, and decided when the store comes back.
    assert_int_equal(house->engine->waiting_count, 2);
    assert_int_equal(house->engine->waiting[0]->first->commands[0].amount, 7);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(late->code, 201);
    fake_free(late);
}

static void memory_of_a_given_up_call_is_not_reused_too_early(void **state) {
    struct house *house = *state;
    struct http_request *first = transfer(house, 1111);
    house_ask(house, first);
    nanosleep(&(struct timespec){.tv_nsec = (HOUSE_DEADLINE_MS + 20) * 1000000L}, NULL);
    house->handler.tick(house->handler.context, 0);
    assert_int_equal(first->code, 503);
    fake_free(first);
    struct http_request *others[50];
    for (int i = 0; i < 50; i++) {
        others[i] = transfer(house, i + 1);
        house_ask(house, others[i]);
    }
    assert_int_equal(house->engine->waiting[0]->first->commands[0].amount, 1111);
    for (int i = 0; i < 50; i++)
        assert_int_equal(house->engine->waiting[i + 1]->first->commands[0].amount, i + 1);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(others[i]->code, 201);
        fake_free(others[i]);
    }
}

static void memory_of_waiting_calls_is_bounded(void **state) {
    struct house *house = *state;
    // Batches are the largest: a thousand of the smallest ones would take more than is allowed.
    char body[512];
    snprintf(body, sizeof(body),
             "{\"operations\":[{\"type\":\"transfer\",\"from\":\"%s\",\"to\":\"%s\","
             "\"amount\":1}]}",
             house->wallet_text, house->other_text);
    struct http_request *requests[1100];
    int busy = 0;
    for (int i = 0; i < 1100; i++) {
        requests[i] = house_post(house, "/v1/batches", body);
        house_give(house, requests[i]);
        busy += requests[i]->code == 503;
    }
    house->handler.pass_end(house->handler.context, 0);
    assert_in_range(busy, 1, 600);
    assert_int_equal(requests[0]->code, 0);
    assert_int_equal(requests[1099]->code, 503);
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    for (int i = 0; i < 1100; i++) {
        assert_int_not_equal(requests[i]->code, 0);
        fake_free(requests[i]);
    }
    struct http_request *after = house_post(house, "/v1/batches", body);
    house_ask(house, after);
    assert_int_equal(after->code, 0); // there is room again
    fake_engine_publish_all(house->engine);
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(after->code, 200);
    fake_free(after);
}

static void publishing_wakes_the_loop(void **state) {
    struct house *house = *state;
    struct http_request *request = transfer(house, 5);
    house_ask(house, request);
    uint32_t before = fake_wakes();
    fake_engine_publish(house->engine);
    assert_int_equal(fake_wakes(), before + 1);
    assert_int_equal(request->code, 0); // only its own thread answers
    house->handler.woken(house->handler.context, 0);
    assert_int_equal(request->code, 201);
    fake_free(request);
}

static void what_never_was_published_is_freed_at_the_end(void **state) {
    struct house *house = *state;
    struct http_request *request = transfer(house, 5);
    house_give(house, request); // not even submitted
    fake_free(request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(a_published_round_is_answered_in_its_pass),
        HOUSE_TEST(a_pass_is_one_round_in_order),
        HOUSE_TEST(what_needs_another_server_is_another_round),
        HOUSE_TEST(what_comes_meanwhile_is_one_round_behind_it),
        cmocka_unit_test_setup_teardown(nothing_waits_long_behind_a_slow_disk,
                                        house_open_impatient, house_close),
        HOUSE_TEST(an_empty_pass_submits_nothing),
        HOUSE_TEST(who_was_just_answered_comes_along),
        HOUSE_TEST(who_never_comes_is_waited_for_seldom),
        HOUSE_TEST(nobody_is_waited_for_where_syncs_are_elsewhere),
        HOUSE_TEST(nobody_waits_for_books_that_are_elsewhere),
        HOUSE_TEST(only_the_first_pass_waits_for_a_hanging_store),
        HOUSE_TEST(a_deadline_answers_busy_and_cancels_nothing),
        HOUSE_TEST(memory_of_a_given_up_call_is_not_reused_too_early),
        HOUSE_TEST(memory_of_waiting_calls_is_bounded),
        HOUSE_TEST(publishing_wakes_the_loop),
        HOUSE_TEST(what_never_was_published_is_freed_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
