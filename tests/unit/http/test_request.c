// SPDX-License-Identifier: MIT
// Attacks http/request.c and http/answer.c: bodies in all forms, waiting and its end, the client
// that leaves, and the behaviour of the library that the second pass rests on.
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

// What a library must do so that http/ can answer on the second pass; if a newer one fails here,
// answers have to go through suspend and resume (see request.c).
struct pin {
    struct MHD_Connection *handle;
    unsigned calls;
    unsigned completed;
};

static enum MHD_Result pin_handle(void *cls, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *byte_count, void **slot) {
    struct pin *pin = cls;
    (void)url, (void)method, (void)version, (void)bytes;
    assert_int_equal(*byte_count, 0);
    *slot = pin;
    pin->handle = handle;
    pin->calls++;
    return MHD_YES;
}

static void pin_complete(void *cls, struct MHD_Connection *handle, void **slot,
                         enum MHD_RequestTerminationCode code) {
    struct pin *pin = cls;
    (void)handle, (void)slot;
    assert_int_equal(code, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    pin->completed++;
}

static void test_pin_of_the_second_pass(void **state) {
    (void)state;
    struct pin pin = {0};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        pin_handle, &pin, MHD_OPTION_NOTIFY_COMPLETED, pin_complete, &pin, MHD_OPTION_END);
    assert_non_null(daemon);
    struct sockaddr address = {.sa_family = AF_UNIX};
    assert_int_equal(MHD_add_connection(daemon, pair[0], &address, sizeof(address)), MHD_YES);
    client_send(pair[1], GET("/a") GET("/b"));
    assert_int_equal(MHD_run(daemon), MHD_YES);
    // The headers' call and the final one; nothing is answered and nothing is sent.
    assert_int_equal(pin.calls, 2);
    char text[4096];
    assert_int_equal(recv(pair[1], text, sizeof(text), 0), -1);
    // It waits through any number of runs, each of which calls again.
    for (unsigned run = 0; run < 10; run++)
        assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_in_range(pin.calls, 12, 22);
    assert_int_equal(pin.completed, 0);
    // An answer queued between two runs is sent by the next one, and the one after that reads
    // the pipelined request.
    struct MHD_Response *response =
        MHD_create_response_from_buffer(2, (void *)"ok", MHD_RESPMEM_PERSISTENT);
    unsigned calls = pin.calls;
    assert_int_equal(MHD_queue_response(pin.handle, 200, response), MHD_YES);
    assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_true(recv(pair[1], text, sizeof(text), 0) > 20);
    assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_int_equal(pin.completed, 1);
    assert_int_equal(pin.calls, calls + 2);
    // Suspended in a repeated call or between runs, it is not called; answered and resumed, it is
    // sent.
    MHD_suspend_connection(pin.handle);
    calls = pin.calls;
    assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_int_equal(pin.calls, calls);
    assert_int_equal(MHD_queue_response(pin.handle, 200, response), MHD_YES);
    MHD_resume_connection(pin.handle);
    assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_int_equal(MHD_run(daemon), MHD_YES);
    assert_int_equal(pin.completed, 2);
    assert_true(recv(pair[1], text, sizeof(text), 0) > 20);
    MHD_destroy_response(response);
    MHD_stop_daemon(daemon);
    close(pair[1]);
}

static void test_each_request_is_handed_over_once(void **state) {
    struct fixture *fixture = *state;
    int fd = client_connect(fixture);
    client_send(fd, GET("/now"));
    assert_int_equal(client_code(fd), 200);
    assert_int_equal(atomic_load(&fixture->pass_ends), 0);
    client_send(fd, GET("/pass"));
    assert_int_equal(client_code(fd), 200);
    assert_int_equal(atomic_load(&fixture->pass_ends), 1);
    client_send(fd, GET("/later"));
    fixture_wait_later(fixture, 1);
    // Runs of the library that others cause call its handler again; that must not show.
    int other = client_connect(fixture);
    for (unsigned index = 0; index < 20; index++) {
        client_send(other, GET("/now"));
        assert_int_equal(client_code(other), 200);
    }
    assert_int_equal(atomic_load(&fixture->requests), 23);
    assert_int_equal(atomic_load(&fixture->pass_ends), 2);
    fixture_release(fixture, 1);
    assert_int_equal(client_code(fd), 200);
    assert_int_equal(atomic_load(&fixture->requests), 23);
    close(fd);
    close(other);
}

// While requests wait, the loop must sleep: it would otherwise burn a core and pass millions of
// times.
static void test_waiting_does_not_spin(void **state) {
    struct fixture *fixture = *state;
    int fd = client_connect(fixture);
    client_send(fd, GET("/later"));
    fixture_wait_later(fixture, 1);
    clockid_t clock;
    assert_int_equal(clock_getcpuclockid(0, &clock), 0);
    struct timespec before;
    struct timespec after;
    clock_gettime(clock, &before);
    test_sleep_ms(500);
    clock_gettime(clock, &after);
    int64_t used_us =
        (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    assert_in_range(used_us, 0, 100000);
    assert_in_range(atomic_load(&fixture->ticks), 2, 10);
    fixture_release(fixture, 1);
    assert_int_equal(client_code(fd), 200);
    close(fd);
}

static void test_pipelining(void **state) {
    struct fixture *fixture = *state;
    enum { COUNT = 300 };
    static char requests[COUNT * 80];
    size_t size = 0;
    for (unsigned index = 0; index < COUNT; index++)
        size += (size_t)sprintf(requests + size,
                                "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03u",
                                index % 3 == 0 ? "/now" : "/pass", index);
    int fd = client_connect(fixture);
    client_send_bytes(fd, requests, size);
    for (unsigned index = 0; index < COUNT; index++) {
        char text[4096];
        char wanted[16];
        assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
        sprintf(wanted, "\r\n\r\n%03u", index);
        if (index % 3 != 0)
            assert_non_null(strstr(text, wanted));
    }
    assert_int_equal(atomic_load(&fixture->requests), COUNT);
    close(fd);
}

static void test_pipelined_behind_a_waiting_one(void **state) {
    struct fixture *fixture = *state;
    char text[4096];
    int fd = client_connect(fixture);
    client_send(fd, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nA"
                    "POST /pass HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nB");
    fixture_wait_later(fixture, 1);
    test_sleep_ms(60); // long enough to be suspended
    assert_int_equal(atomic_load(&fixture->requests), 1);
    fixture_release(fixture, 1);
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "\r\n\r\nA"));
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "\r\n\r\nB"));
    close(fd);
}

static void test_bodies_of_every_size(void **state) {
    struct fixture *fixture = *state;
    static const size_t sizes[] = {0,    1,     63,    64,    4095,  8191,
                                   8192, 16384, 65535, 65536, 65537, FIXTURE_BODY_LIMIT};
    static char body[FIXTURE_BODY_LIMIT];
    static char text[FIXTURE_BODY_LIMIT + 4096];
    for (size_t index = 0; index < FIXTURE_BODY_LIMIT; index++)
        body[index] = (char)('a' + index % 23);
    int fd = client_connect(fixture);
    for (size_t index = 0; index < 2 * sizeof(sizes) / sizeof(sizes[0]); index++) {
        bool chunked = index % 2 == 1;
        size_t size = sizes[index / 2];
        char head[256];
        if (chunked)
            sprintf(head, "POST /pass HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        else
            sprintf(head, "POST /pass HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
        client_send(fd, head);
        for (size_t at = 0; chunked && at < size; at += 777) {
            size_t piece = size - at < 777 ? size - at : 777;
            sprintf(head, "%zx;ext=1\r\n", piece);
            client_send(fd, head);
            client_send_bytes(fd, body + at, piece);
            client_send(fd, "\r\n");
        }
        if (chunked)
            client_send(fd, "0\r\nTrailer: x\r\n\r\n");
        else
            client_send_bytes(fd, body, size);
        assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
        const char *echoed = strstr(text, "\r\n\r\n") + 4;
        assert_int_equal(strlen(echoed), size);
        assert_memory_equal(echoed, body, size);
    }
    close(fd);
}

static void test_large_bodies_are_refused_unread(void **state) {
    struct fixture *fixture = *state;
    char text[4096];
    int fd = client_connect(fixture);
    client_send(fd, "POST /pass HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 413);
    assert_non_null(strstr(text, "{\"status\":413}"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_true(client_closed_within(fd, 5000));
    close(fd);
    // One who goes on sending must still be able to read the answer: no reset may take it away.
    for (unsigned round = 0; round < 20; round++) {
        fd = client_connect(fixture);
        client_send(fd, "POST /pass HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
        static char body[400000];
        client_send_bytes(fd, body, sizeof(body));
        assert_int_equal(client_answer(fd, text, sizeof(text)), 413);
        close(fd);
    }
    assert_int_equal(atomic_load(&fixture->requests), 0);
}

static void test_chunked_bodies_are_refused_at_the_limit(void **state) {
    struct fixture *fixture = *state;
    static char chunk[40000];
    char text[4096];
    memset(chunk, 'x', sizeof(chunk));
    for (unsigned round = 0; round < 10; round++) {
        int fd = client_connect(fixture);
        client_send(fd, "POST /pass HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (unsigned index = 0; index < 10; index++) {
            client_send(fd, "9c40\r\n");
            client_send_bytes(fd, chunk, sizeof(chunk));
            client_send(fd, "\r\n");
        }
        assert_int_equal(client_answer(fd, text, sizeof(text)), 413);
        assert_non_null(strstr(text, "{\"status\":413}"));
        assert_true(client_closed_within(fd, 5000));
        close(fd);
    }
    // A chunk that announces more than any memory.
    int fd = client_connect(fixture);
    client_send(fd, "POST /pass HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                    "chunked\r\n\r\nffffffffffffffffff\r\n");
    assert_int_equal(client_code(fd), 413);
    close(fd);
    assert_int_equal(atomic_load(&fixture->requests), 0);
}

static void test_expectations(void **state) {
    struct fixture *fixture = *state;
    char text[4096];
    int fd = client_connect(fixture);
    client_send(
        fd, "POST /pass HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(client_answer_to_head(fd, text, sizeof(text)), 100);
    client_send(fd, "ab");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "\r\n\r\nab"));
    client_send(
        fd,
        "POST /pass HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 413);
    assert_true(client_closed_within(fd, 5000));
    close(fd);
}

static void test_head_and_versions(void **state) {
    struct fixture *fixture = *state;
    char text[4096];
    int fd = client_connect(fixture);
    client_send(fd, "HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_answer_to_head(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "Content-Length: 23\r\n")); // of "HEAD|/echo|Host:a|body="
    client_send(fd, GET("/now"));
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_null(strstr(text, "Connection:"));
    client_send(fd, "GET /pass HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_true(client_closed_within(fd, 5000));
    close(fd);
    fd = client_connect(fixture);
    client_send(fd, "GET /pass HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_non_null(strstr(text, "Connection: Keep-Alive\r\n"));
    client_send(fd, "GET /pass HTTP/1.0\r\n\r\n");
    assert_int_equal(client_answer(fd, text, sizeof(text)), 200);
    assert_true(client_closed_within(fd, 5000));
    close(fd);
}

static void test_a_half_closed_client_gets_its_answer(void **state) {
    struct fixture *fixture = *state;
    int fd = client_connect(fixture);
    client_send(fd, GET("/pass"));
    shutdown(fd, SHUT_WR);
    assert_int_equal(client_code(fd), 200);
    close(fd);
    fd = client_connect(fixture);
    client_send(fd, GET("/later"));
    shutdown(fd, SHUT_WR);
    fixture_wait_later(fixture, 1);
    fixture_release(fixture, 1);
    assert_int_equal(client_code(fd), 200);
    close(fd);
}

// Answers come from the loop's thread, woken by another one, in any order and after any time.
static void test_many_wait_and_are_woken(void **state) {
    struct fixture *fixture = *state;
    enum { COUNT = 200 };
    int fds[COUNT];
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned index = 0; index < COUNT; index++) {
            if (round == 0)
                fds[index] = client_connect(fixture);
            client_send(fds[index], GET("/later"));
        }
        fixture_wait_later(fixture, COUNT);
        if (round % 2 == 1)
            test_sleep_ms(60); // all are suspended by now
        for (unsigned released = 0; released < COUNT; released += 10 + round) {
            fixture_release(fixture, 10 + round);
            if (round == 4)
                test_sleep_ms(1);
        }
        for (unsigned index = 0; index < COUNT; index++)
            assert_int_equal(client_code(fds[index]), 200);
        atomic_store(&fixture->release_wanted, 0);
    }
    assert_int_equal(atomic_load(&fixture->requests), 5 * COUNT);
    for (unsigned index = 0; index < COUNT; index++)
        close(fds[index]);
}

// With and without reset, suspended and not.
static void test_clients_that_leave(void **state) {
    struct fixture *fixture = *state;
    for (unsigned round = 0; round < 8; round++) {
        bool reset = round % 2 == 1;
        bool suspended = round % 4 >= 2;
        bool half_body = round >= 4;
        int fd = client_connect(fixture);
        if (reset) {
            struct linger linger = {.l_onoff = 1};
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        }
        client_send(fd, GET("/later"));
        if (half_body)
            client_send(fd, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
        fixture_wait_later(fixture, 1);
        if (suspended)
            test_sleep_ms(60);
        close(fd);
        test_sleep_ms(10);
        // Others are served while it waits.
        int other = client_connect(fixture);
        client_send(other, GET("/pass"));
        assert_int_equal(client_code(other), 200);
        close(other);
        assert_int_equal(atomic_load(&fixture->later_total), 1);
        fixture_release(fixture, 1);
        while (atomic_load(&fixture->later_total) != 0)
            test_sleep_ms(1);
    }
    uint64_t end_ms = test_now_ms() + 5000;
    while (http_server_stats(fixture->server).connections_open > 0 && test_now_ms() < end_ms)
        test_sleep_ms(1);
    assert_int_equal(http_server_stats(fixture->server).connections_open, 0);
    // A reset is noticed before the answer when the connection is not suspended.
    assert_true(http_server_stats(fixture->server).answers_dropped >= 2);
}

static void test_large_answers(void **state) {
    struct fixture *fixture = *state;
    fixture->large_bytes = 20000000;
    fixture->large = malloc(fixture->large_bytes);
    memset(fixture->large, 'L', fixture->large_bytes);
    int fd = client_connect(fixture);
    client_send(fd, GET("/large") GET("/now"));
    char text[4096];
    assert_int_equal(client_answer_to_head(fd, text, sizeof(text)), 200);
    size_t got = 0;
    static char piece[65536];
    while (got < fixture->large_bytes) {
        size_t wanted =
            fixture->large_bytes - got < sizeof(piece) ? fixture->large_bytes - got : sizeof(piece);
        ssize_t size = recv(fd, piece, wanted, 0);
        assert_true(size > 0);
        assert_int_equal(piece[0], 'L');
        got += (size_t)size;
    }
    assert_int_equal(client_code(fd), 200);
    close(fd);
}

static void test_memory_for_bodies_is_bounded(void **state) {
    (void)state;
    struct fixture *fixture = fixture_open((struct http_options){.bodies_bytes_max = 1000000});
    static char body[90000];
    int fds[20];
    for (unsigned index = 0; index < 20; index++) {
        fds[index] = client_connect(fixture);
        client_send(fds[index], "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 90001\r\n\r\n");
        client_send_bytes(fds[index], body, sizeof(body));
    }
    test_sleep_ms(300); // so that all of it has been read
    unsigned refused = 0;
    for (unsigned index = 0; index < 20; index++) {
        client_send(fds[index], "x");
        int code = client_code(fds[index]);
        assert_true(code == 200 || code == 503);
        refused += code == 503;
        close(fds[index]);
    }
    assert_in_range(refused, 10, 19);
    // What was counted is given back.
    for (unsigned index = 0; index < 20; index++) {
        int fd = client_connect(fixture);
        client_send(fd, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n");
        client_send_bytes(fd, body, sizeof(body));
        assert_int_equal(client_code(fd), 200);
        close(fd);
    }
    fixture_close(fixture);
}

// In ready answers, beyond their size, and of another type; many in one pass, and again with the
// objects of those before.
static void test_copied_answers(void **state) {
    struct fixture *fixture = *state;
    enum { COUNT = 24 };
    static char text[8192], answer[16384];
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = client_connect(fixture);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            int size = i % 4 == 3 ? 1500 + i : 40 + i % 2;
            int head = snprintf(text, sizeof(text),
                                "POST /copied/%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                                i % 3 == 0 ? "text" : "json", size);
            memset(text + head, 'a' + (i + round) % 26, (size_t)size);
            client_send_bytes(fds[i], text, (size_t)(head + size));
        }
        for (int i = 0; i < COUNT; i++) {
            int size = i % 4 == 3 ? 1500 + i : 40 + i % 2;
            assert_int_equal(client_answer(fds[i], answer, sizeof(answer)), 200);
            const char *body = strstr(answer, "\r\n\r\n") + 4;
            assert_int_equal(strlen(body), size);
            assert_int_equal(strspn(body, (char[]){(char)('a' + (i + round) % 26), 0}), size);
        }
    }
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

static int open_fixture(void **state) {
    *state = fixture_open((struct http_options){0});
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pin_of_the_second_pass),
        FIXTURE_TEST(test_each_request_is_handed_over_once),
        FIXTURE_TEST(test_waiting_does_not_spin),
        FIXTURE_TEST(test_pipelining),
        FIXTURE_TEST(test_pipelined_behind_a_waiting_one),
        FIXTURE_TEST(test_bodies_of_every_size),
        FIXTURE_TEST(test_large_bodies_are_refused_unread),
        FIXTURE_TEST(test_chunked_bodies_are_refused_at_the_limit),
        FIXTURE_TEST(test_expectations),
        FIXTURE_TEST(test_head_and_versions),
        FIXTURE_TEST(test_a_half_closed_client_gets_its_answer),
        FIXTURE_TEST(test_many_wait_and_are_woken),
        FIXTURE_TEST(test_clients_that_leave),
        FIXTURE_TEST(test_large_answers),
        FIXTURE_TEST(test_copied_answers),
        cmocka_unit_test(test_memory_for_bodies_is_bounded),
    };
    return cmocka_run_group_tests_name("http/request", tests, NULL, NULL);
}
