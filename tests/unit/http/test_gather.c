// SPDX-License-Identifier: MIT
// At a pass's end the handler may let those come along who were just answered.
#include <string.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define LONG_NS UINT64_C(30000000000)
#define WAITING_MAX 8

// The first pass is held up until the test has sent another request, so that this one is read
// before the first client can ask again. The second pass gathers.
struct gatherer {
    struct http_server *server;
    struct http_request *waiting[WAITING_MAX];
    size_t waiting_count;
    uint64_t gap_ns;
    size_t pass_ends, away, away_still, gathered; // of the pass that gathers
    atomic_bool is_in_first, may_go_on;
};

static size_t gatherer_body_limit(void *context, struct slice method, struct slice path) {
    (void)context, (void)method, (void)path;
    return 4096;
}

static void gatherer_request(void *context, struct http_request *request) {
    struct gatherer *gatherer = context;
    if (slice_equal(http_path(request), SLICE("/now"))) {
        http_answer(request, 200, "text/plain", SLICE("now"));
        return;
    }
    assert_true(gatherer->waiting_count < WAITING_MAX);
    gatherer->waiting[gatherer->waiting_count++] = request;
}

static bool gatherer_pass_end(void *context, unsigned loop) {
    struct gatherer *gatherer = context;
    if (gatherer->pass_ends++ == 0) {
        atomic_store(&gatherer->is_in_first, true);
        while (!atomic_load(&gatherer->may_go_on))
            test_sleep_ms(1);
    } else if (gatherer->pass_ends == 2) {
        gatherer->away = http_away(gatherer->server, loop);
        http_gather(gatherer->server, loop, LONG_NS, gatherer->gap_ns);
        gatherer->away_still = http_away(gatherer->server, loop);
        gatherer->gathered = gatherer->waiting_count;
    }
    for (size_t index = 0; index < gatherer->waiting_count; index++)
        http_answer(gatherer->waiting[index], 200, "text/plain", SLICE("waited"));
    gatherer->waiting_count = 0;
    return true;
}

static void gatherer_open(struct gatherer *gatherer, uint64_t gap_ns) {
    memset(gatherer, 0, sizeof(*gatherer));
    gatherer->gap_ns = gap_ns;
    const struct http_options options = {.listen = "127.0.0.1:0"};
    const struct http_handler handler = {
        .context = gatherer,
        .body_limit = gatherer_body_limit,
        .request = gatherer_request,
        .pass_end = gatherer_pass_end,
    };
    char why[HTTP_WHY_BYTES];
    assert_int_equal(http_server_open(&options, &handler, why, &gatherer->server), STATUS_ok);
    http_server_start(gatherer->server);
}

static void gatherer_close(struct gatherer *gatherer) {
    assert_int_equal(http_server_stop(gatherer->server, 5000), 0);
    http_server_close(gatherer->server);
}

static int connect_to(const struct gatherer *gatherer) {
    struct fixture fixture = {.port = http_server_port(gatherer->server)};
    int fd = client_connect(&fixture);
    client_send(fd, GET("/now")); // from here on the loop has it
    assert_int_equal(client_code(fd), 200);
    return fd;
}

static void hold_up_the_first(struct gatherer *gatherer, int first, int second) {
    client_send(first, GET("/wait"));
    while (!atomic_load(&gatherer->is_in_first))
        test_sleep_ms(1);
    client_send(second, GET("/wait"));
    atomic_store(&gatherer->may_go_on, true);
}

static void test_who_was_answered_comes_along(void **state) {
    struct gatherer gatherer;
    (void)state;
    gatherer_open(&gatherer, LONG_NS);
    int first = connect_to(&gatherer), second = connect_to(&gatherer);
    hold_up_the_first(&gatherer, first, second);
    assert_int_equal(client_code(first), 200);
    client_send(first, GET("/wait"));
    assert_int_equal(client_code(first), 200);
    assert_int_equal(client_code(second), 200);
    close(first);
    close(second);
    gatherer_close(&gatherer);
    assert_int_equal(gatherer.pass_ends, 2);
    assert_int_equal(gatherer.away, 1);
    assert_int_equal(gatherer.away_still, 0);
    assert_int_equal(gatherer.gathered, 2);
}

static void test_who_leaves_is_not_waited_for(void **state) {
    struct gatherer gatherer;
    (void)state;
    gatherer_open(&gatherer, LONG_NS);
    int first = connect_to(&gatherer), second = connect_to(&gatherer);
    hold_up_the_first(&gatherer, first, second);
    assert_int_equal(client_code(first), 200);
    close(first);
    assert_int_equal(client_code(second), 200);
    close(second);
    gatherer_close(&gatherer);
    assert_int_equal(gatherer.pass_ends, 2);
    assert_int_equal(gatherer.away, 1);
    assert_int_equal(gatherer.away_still, 0);
    assert_int_equal(gatherer.gathered, 1);
}

static void test_nobody_is_waited_for_longer_than_the_gap(void **state) {
    struct gatherer gatherer;
    (void)state;
    gatherer_open(&gatherer, 1000000);
    int first = connect_to(&gatherer), second = connect_to(&gatherer);
    hold_up_the_first(&gatherer, first, second);
    assert_int_equal(client_code(first), 200);
    assert_int_equal(client_code(second), 200);
    close(first);
    close(second);
    gatherer_close(&gatherer);
    assert_int_equal(gatherer.pass_ends, 2);
    assert_int_equal(gatherer.away, 1);
    assert_int_equal(gatherer.away_still, 1);
    assert_int_equal(gatherer.gathered, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_was_answered_comes_along),
        cmocka_unit_test(test_who_leaves_is_not_waited_for),
        cmocka_unit_test(test_nobody_is_waited_for_longer_than_the_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
