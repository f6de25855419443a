// SPDX-License-Identifier: MIT
// Answers in pieces: each is sent when it comes, however long the next one takes, and a client that
// leaves in the middle, or takes nothing, holds up nobody.
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct http_request *streaming;
static atomic_size_t begun, wanted, ended;
static atomic_bool refused, finish;
static struct http_server *server;

static size_t body_limit(void *context, struct slice method, struct slice path) {
    (void)context, (void)method, (void)path;
    return 1000;
}

static void request(void *context, struct http_request *asked) {
    (void)context;
    if (!slice_equal(http_path(asked), SLICE("/stream"))) {
        http_answer(asked, 200, "text/plain", SLICE("now"));
        return;
    }
    http_add_header(asked, "X-Seen", SLICE("yes"));
    http_stream_begin(asked, "text/event-stream");
    streaming = asked;
    atomic_fetch_add(&begun, 1);
}

// Sends what the test wants: each piece is eight bytes. The loop may be woken for nothing, too.
static bool woken(void *context, unsigned loop) {
    (void)context, (void)loop;
    size_t count = atomic_exchange(&wanted, 0);
    for (size_t i = 0; i < count && streaming != NULL; i++)
        if (!http_stream_add(streaming, SLICE("piece..\n")))
            atomic_store(&refused, true);
    if (atomic_load(&finish) && streaming != NULL) {
        http_stream_end(streaming, SLICE("the end"));
        streaming = NULL;
        atomic_fetch_add(&ended, 1);
    }
    return true;
}

static void open_server(struct fixture *ret_fixture) {
    const struct http_options options = {.listen = "127.0.0.1:0", .answer_ms_max = 500};
    const struct http_handler handler = {
        .body_limit = body_limit, .request = request, .woken = woken};
    char why[HTTP_WHY_BYTES];
    assert_int_equal(http_server_open(&options, &handler, why, &server), STATUS_ok);
    http_server_start(server);
    memset(ret_fixture, 0, sizeof(*ret_fixture));
    ret_fixture->port = http_server_port(server);
    streaming = NULL;
    atomic_store(&begun, 0), atomic_store(&wanted, 0), atomic_store(&ended, 0);
    atomic_store(&refused, false), atomic_store(&finish, false);
}

static void send_pieces(size_t count) {
    atomic_store(&wanted, count);
    atomic_store(&finish, count == 0);
    http_wake(server, 0);
}

static void wait_for(atomic_size_t *count, size_t value) {
    for (int i = 0; i < 10000 && atomic_load(count) != value; i++)
        test_sleep_ms(1);
    assert_int_equal(atomic_load(count), value);
}

// Reads until `text` has come.
static void expect(int fd, const char *text) {
    static char read[1 << 20];
    size_t size = 0;
    while (memmem(read, size, text, strlen(text)) == NULL) {
        ssize_t got = recv(fd, read + size, sizeof(read) - size, 0);
        assert_true(got > 0);
        size += (size_t)got;
    }
}

static void test_pieces_come_one_by_one(void **state) {
    struct fixture *fixture = *state;
    open_server(fixture);
    int fd = client_connect(fixture), other = client_connect(fixture);
    client_send(fd, GET("/stream"));
    expect(fd, "X-Seen: yes");
    for (int i = 0; i < 5; i++) {
        send_pieces(1);
        expect(fd, "piece..");
        // Longer than a client may take for an answer that is all there.
        test_sleep_ms(i == 0 ? 1500 : 1);
        client_send(other, GET("/now"));
        assert_int_equal(client_code(other), 200);
    }
    send_pieces(0);
    expect(fd, "the end\r\n0\r\n\r\n");
    client_send(fd, GET("/now")); // the connection goes on
    assert_int_equal(client_code(fd), 200);
    close(fd);
    close(other);
    assert_int_equal(http_server_stop(server, 5000), 0);
    http_server_close(server);
}

static void test_who_leaves_holds_up_nobody(void **state) {
    struct fixture *fixture = *state;
    open_server(fixture);
    int fd = client_connect(fixture);
    client_send(fd, GET("/stream"));
    wait_for(&begun, 1);
    close(fd);
    for (int i = 0; i < 20; i++) {
        send_pieces(1);
        test_sleep_ms(5);
    }
    send_pieces(0);
    wait_for(&ended, 1);
    fd = client_connect(fixture);
    client_send(fd, GET("/now"));
    assert_int_equal(client_code(fd), 200);
    close(fd);
    assert_int_equal(http_server_stop(server, 5000), 0);
    http_server_close(server);
}

static void test_who_takes_nothing_is_given_no_more(void **state) {
    struct fixture *fixture = *state;
    open_server(fixture);
    int fd = client_connect(fixture);
    client_send(fd, GET("/stream"));
    wait_for(&begun, 1);
    for (int i = 0; i < 2000 && !atomic_load(&refused); i++) {
        send_pieces(8000);
        test_sleep_ms(5);
    }
    assert_true(atomic_load(&refused));
    send_pieces(0);
    wait_for(&ended, 1);
    int other = client_connect(fixture);
    client_send(other, GET("/now"));
    assert_int_equal(client_code(other), 200);
    close(other);
    close(fd);
    assert_int_equal(http_server_stop(server, 5000), 0);
    http_server_close(server);
}

static void test_a_stop_waits_for_the_end(void **state) {
    struct fixture *fixture = *state;
    open_server(fixture);
    int fd = client_connect(fixture);
    client_send(fd, GET("/stream"));
    wait_for(&begun, 1);
    assert_int_equal(http_server_stop(server, 300), 1); // nobody ends it
    close(fd);
    http_server_close(server);
}

static int open_fixture(void **state) {
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL;
}

static int close_fixture(void **state) {
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_come_one_by_one),
        cmocka_unit_test(test_who_leaves_holds_up_nobody),
        cmocka_unit_test(test_who_takes_nothing_is_given_no_more),
        cmocka_unit_test(test_a_stop_waits_for_the_end),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
