// SPDX-License-Identifier: MIT
// Attacks http/deadlines.c: however a request trickles in, it has one span; an answer has one; what
// waits has none.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SPAN_MS   400
#define SWEEP_MS  (SPAN_MS / 8)
#define SLACK_MS  400 // of a busy machine

// Sends `first` at once and then `rest` byte by byte; the server must close after one span.
static void trickles_until_closed(struct fixture *fixture, const char *first, const char *rest) {
    int fd = client_connect(fixture);
    uint64_t begin_ms = test_now_ms();
    client_send(fd, first);
    (void)client_trickle(fd, rest, 15);
    assert_true(client_closed_within(fd, 5000));
    uint64_t took_ms = test_now_ms() - begin_ms;
    assert_in_range(took_ms, SPAN_MS - 1, SPAN_MS + 2 * SWEEP_MS + SLACK_MS);
    close(fd);
}

#define BYTES_64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BYTES_256 BYTES_64 BYTES_64 BYTES_64 BYTES_64

static void test_trickles(void **state) {
    struct fixture *fixture = *state;
    trickles_until_closed(fixture, "", "GET /" BYTES_256);
    trickles_until_closed(fixture, "GET /now HTTP/1.1\r\nHost: a\r\nX-A: ", BYTES_256);
    trickles_until_closed(fixture, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
                          BYTES_256);
    trickles_until_closed(
        fixture, "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        BYTES_256);
    trickles_until_closed(
        fixture,
        "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ", BYTES_256);
    trickles_until_closed(fixture, "\r\n", "");
    assert_int_equal(atomic_load(&fixture->requests), 0);
    assert_int_equal(http_server_stats(fixture->server).requests_timed_out, 6);
}

static void test_stalls(void **state) {
    struct fixture *fixture = *state;
    static const char *const halves[] = {
        "G",
        "GET /now HTTP/1.1\r\n",
        "GET /now HTTP/1.1\r\nHost: a\r\n",
        "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
        "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na",
        "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    };
    enum { COUNT = sizeof(halves) / sizeof(halves[0]) };
    int fds[COUNT];
    for (unsigned index = 0; index < COUNT; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], halves[index]);
    }
    test_sleep_ms(SPAN_MS / 2);
    for (unsigned index = 0; index < COUNT; index++)
        assert_true(client_is_open(fds[index]));
    uint64_t begin_ms = test_now_ms();
    for (unsigned index = 0; index < COUNT; index++) {
        assert_true(client_closed_within(fds[index], 5000));
        close(fds[index]);
    }
    assert_in_range(test_now_ms() - begin_ms, 0, SPAN_MS + SLACK_MS);
    assert_int_equal(atomic_load(&fixture->requests), 0);
}

// An idle connection has no span, whatever it did before.
static void test_idle_connections_stay(void **state) {
    struct fixture *fixture = *state;
    int silent = client_connect(fixture);
    int used = client_connect(fixture);
    client_send(used, GET("/now"));
    assert_int_equal(client_code(used), 200);
    client_send(used, "POST /pass?a=b%20c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(client_code(used), 200);
    client_send(
        used,
        "POST /pass HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    char text[1024];
    assert_int_equal(client_answer_to_head(used, text, sizeof(text)), 100);
    client_send(used, "abc");
    assert_int_equal(client_code(used), 200);
    test_sleep_ms(3 * SPAN_MS);
    assert_true(client_is_open(silent));
    assert_true(client_is_open(used));
    client_send(used, GET("/now"));
    assert_int_equal(client_code(used), 200);
    client_send(silent, GET("/now"));
    assert_int_equal(client_code(silent), 200);
    close(silent);
    close(used);
}

// The half of a request that rode behind a whole one lies in the library's memory, not in the
// kernel's.
static void test_a_pipelined_half(void **state) {
    struct fixture *fixture = *state;
    int fd = client_connect(fixture);
    client_send(fd, GET("/now") "GET /no");
    assert_int_equal(client_code(fd), 200);
    uint64_t begin_ms = test_now_ms();
    assert_true(client_closed_within(fd, 5000));
    assert_in_range(test_now_ms() - begin_ms, SPAN_MS - SWEEP_MS,
                    SPAN_MS + 2 * SWEEP_MS + SLACK_MS);
    close(fd);
    // After a chunked request nobody can tell a half from none: the connection has one span to be
    // used again.
    fd = client_connect(fixture);
    client_send(fd, "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /no");
    assert_int_equal(client_code(fd), 200);
    assert_true(client_closed_within(fd, 5000));
    close(fd);
    fd = client_connect(fixture);
    for (unsigned index = 0; index < 4; index++) {
        client_send(fd, "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
        assert_int_equal(client_code(fd), 200);
        test_sleep_ms(SPAN_MS / 2);
    }
    close(fd);
}

static void test_waiting_has_no_deadline(void **state) {
    struct fixture *fixture = *state;
    int fd = client_connect(fixture);
    client_send(fd, GET("/later"));
    test_sleep_ms(3 * SPAN_MS);
    assert_true(client_is_open(fd));
    fixture_wait_later(fixture, 1);
    fixture_release(fixture, 1);
    assert_int_equal(client_code(fd), 200);
    assert_int_equal(http_server_stats(fixture->server).requests_timed_out, 0);
    close(fd);
}

static void test_unread_answers(void **state) {
    struct fixture *fixture = *state;
    fixture->large_bytes = 50000000;
    fixture->large = malloc(fixture->large_bytes);
    memset(fixture->large, 'L', fixture->large_bytes);
    int fd = client_connect(fixture);
    client_send(fd, GET("/large"));
    uint64_t end_ms = test_now_ms() + 5000;
    while (http_server_stats(fixture->server).answers_timed_out == 0 && test_now_ms() < end_ms)
        test_sleep_ms(5);
    assert_int_equal(http_server_stats(fixture->server).answers_timed_out, 1);
    while (http_server_stats(fixture->server).connections_open > 0 && test_now_ms() < end_ms)
        test_sleep_ms(5);
    assert_int_equal(http_server_stats(fixture->server).connections_open, 0);
    close(fd);
}

static int open_fixture(void **state) {
    *state =
        fixture_open((struct http_options){.request_ms_max = SPAN_MS, .answer_ms_max = SPAN_MS});
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_trickles),
        FIXTURE_TEST(test_stalls),
        FIXTURE_TEST(test_idle_connections_stay),
        FIXTURE_TEST(test_a_pipelined_half),
        FIXTURE_TEST(test_waiting_has_no_deadline),
        FIXTURE_TEST(test_unread_answers),
    };
    return cmocka_run_group_tests_name("http/deadlines", tests, NULL, NULL);
}
