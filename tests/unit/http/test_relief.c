// SPDX-License-Identifier: MIT
// A loop whose thread is held up is turned by its other thread, back and forth, and the answers
// that the same loop sends again have the right bytes.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define HELD_UP_MS 400

// A handler that is held up when it is asked for /block, and answers that request afterwards
// through the loop that it woke.
struct blocker {
    struct http_server *server;
    struct http_request *blocking; // of this pass
    struct http_request *done;     // whose wait is over, for the loop to answer
    atomic_bool is_done;
    atomic_uint relieved;
};

static size_t blocker_body_limit(void *context, struct slice method, struct slice path) {
    (void)context, (void)method, (void)path;
    return 4096;
}

static void blocker_request(void *context, struct http_request *request) {
    struct blocker *blocker = context;
    if (slice_equal(http_path(request), SLICE("/block")))
        blocker->blocking = request;
    else
        http_answer(request, 200, "application/json", http_body(request));
}

static bool blocker_pass_end(void *context, unsigned loop) {
    struct blocker *blocker = context;
    struct http_request *request = blocker->blocking;
    if (request == NULL)
        return true;
    blocker->blocking = NULL;
    uint64_t begun = http_block_begin(blocker->server, loop);
    assert_int_not_equal(begun, 0);
    test_sleep_ms(HELD_UP_MS);
    blocker->done = request;
    atomic_store(&blocker->is_done, true);
    http_wake(blocker->server, loop);
    if (http_block_end(blocker->server, loop, begun))
        return true;
    atomic_fetch_add(&blocker->relieved, 1);
    return false;
}

static bool blocker_woken(void *context, unsigned loop) {
    struct blocker *blocker = context;
    (void)loop;
    if (atomic_exchange(&blocker->is_done, false))
        http_answer(blocker->done, 200, "text/plain", SLICE("blocked"));
    return true;
}

static int connect_to(const struct blocker *blocker) {
    struct fixture fixture = {.port = http_server_port(blocker->server)};
    return client_connect(&fixture);
}

static void blocker_open(struct blocker *blocker) {
    memset(blocker, 0, sizeof(*blocker));
    const struct http_options options = {.listen = "127.0.0.1:0"};
    const struct http_handler handler = {
        .context = blocker,
        .body_limit = blocker_body_limit,
        .request = blocker_request,
        .pass_end = blocker_pass_end,
        .woken = blocker_woken,
    };
    char why[HTTP_WHY_BYTES];
    assert_int_equal(http_server_open(&options, &handler, why, &blocker->server), STATUS_ok);
    http_server_start(blocker->server);
}

static void blocker_close(struct blocker *blocker) {
    assert_int_equal(http_server_stop(blocker->server, 5000), 0);
    http_server_close(blocker->server);
}

static void test_others_are_answered_meanwhile(void **state) {
    struct blocker blocker;
    (void)state;
    blocker_open(&blocker);
    int held = connect_to(&blocker), other = connect_to(&blocker);
    for (unsigned round = 1; round <= 3; round++) {
        // Each time it is the other thread that is held up and the other one that relieves it.
        client_send(held, GET("/block"));
        test_sleep_ms(50);
        for (unsigned index = 0; index < 5; index++) {
            client_send(other, GET("/now"));
            assert_int_equal(client_code(other), 200);
        }
        assert_int_equal(atomic_load(&blocker.relieved), round - 1); // so it is still held up
        assert_int_equal(client_code(held), 200);
        for (unsigned wait = 0; wait < 500 && atomic_load(&blocker.relieved) < round; wait++)
            test_sleep_ms(10);
        assert_int_equal(atomic_load(&blocker.relieved), round);
        // Who stands by goes to sleep after a while, and is woken when it is needed again.
        test_sleep_ms(round == 2 ? 300 : 20);
    }
    close(held);
    close(other);
    blocker_close(&blocker);
}

static void test_it_ends_while_a_thread_is_held_up(void **state) {
    struct blocker blocker;
    (void)state;
    blocker_open(&blocker);
    int held = connect_to(&blocker);
    client_send(held, GET("/block"));
    test_sleep_ms(50);
    close(held);
    (void)http_server_stop(blocker.server, 100);
    http_server_close(blocker.server); // waits for it
    assert_int_equal(atomic_load(&blocker.relieved), 1);
}

static void test_answers_are_sent_again_with_other_bytes(void **state) {
    struct blocker blocker;
    char request[512], answer[2048];
    (void)state;
    blocker_open(&blocker);
    int clients[4];
    for (unsigned client = 0; client < 4; client++)
        clients[client] = connect_to(&blocker);
    for (unsigned round = 0; round < 40; round++) {
        // All are under way together, so each needs an object of its own; then they change places.
        for (unsigned client = 0; client < 4; client++) {
            unsigned digits = 3 + (round + client) % 3;
            snprintf(request, sizeof(request),
                     "POST /now HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n%0*u", digits,
                     (int)digits, round * 4 % 100 + client);
            client_send(clients[client], request);
        }
        for (unsigned client = 0; client < 4; client++) {
            unsigned digits = 3 + (round + client) % 3;
            char wanted[64];
            assert_int_equal(client_answer(clients[client], answer, sizeof(answer)), 200);
            snprintf(wanted, sizeof(wanted), "\r\n\r\n%0*u", (int)digits, round * 4 % 100 + client);
            assert_string_equal(strstr(answer, "\r\n\r\n"), wanted);
            assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
        }
    }
    for (unsigned client = 0; client < 4; client++)
        close(clients[client]);
    blocker_close(&blocker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_are_answered_meanwhile),
        cmocka_unit_test(test_it_ends_while_a_thread_is_held_up),
        cmocka_unit_test(test_answers_are_sent_again_with_other_bytes),
    };
    return cmocka_run_group_tests_name("http/relief", tests, NULL, NULL);
}
