// SPDX-License-Identifier: MIT
// See support.h. Every wait has an end, so a server that hangs fails a test instead of hanging it.
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_PATIENCE_MS 10000

uint64_t test_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void test_sleep_ms(unsigned ms) {
    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&span, &span) != 0 && errno == EINTR)
        continue;
}

static size_t fixture_body_limit(void *context, struct slice method, struct slice path) {
    (void)context;
    assert_true(method.size > 0);
    assert_true(path.size > 0);
    return FIXTURE_BODY_LIMIT;
}

static void fixture_echo(struct http_request *request) {
    struct buffer *out = http_body_out(request);
    assert_int_equal(out->size, 0);
    buffer_add_slice(out, http_method(request));
    BUFFER_ADD(out, "|");
    buffer_add_slice(out, http_path(request));
    size_t place = 0;
    struct slice name;
    struct slice value;
    while (http_next_query(request, &place, &name, &value)) {
        BUFFER_ADD(out, "|?");
        buffer_add_slice(out, name);
        BUFFER_ADD(out, "=");
        buffer_add_slice(out, value);
    }
    place = 0;
    while (http_next_header(request, &place, &name, &value)) {
        BUFFER_ADD(out, "|");
        buffer_add_slice(out, name);
        BUFFER_ADD(out, ":");
        buffer_add_slice(out, value);
    }
    BUFFER_ADD(out, "|body=");
    buffer_add_slice(out, http_body(request));
    static const uint8_t zeros[64];
    assert_memory_equal(http_body(request).bytes + http_body(request).size, zeros, sizeof(zeros));
    http_add_header(request, "X-Test", SLICE("a\r\nb"));
    http_add_header(request, "X-Empty", (struct slice){0});
    static const uint8_t filling[1400];
    http_add_header(request, "X-Filling", slice_of(filling, sizeof(filling)));
    http_answer(request, 200, "text/plain", buffer_slice(out));
}

// From memory that is somebody else's at once. What fits and has no headers is kept in a ready
// answer, the rest by the request.
static void fixture_answer_copied(struct http_request *request, bool is_json) {
    struct slice body = http_body(request);
    struct buffer borrowed = {0};
    buffer_add_slice(&borrowed, body);
    http_answer_copied(request, 200, is_json ? "application/json" : "text/plain",
                       buffer_slice(&borrowed));
    if (borrowed.size != 0)
        memset(borrowed.bytes, '#', borrowed.size);
    buffer_done(&borrowed);
}

static void fixture_answer(struct fixture *fixture, struct http_request *request) {
    struct slice path = http_path(request);
    assert_null(*http_context(request));
    if (slice_equal(path, SLICE("/echo")))
        fixture_echo(request);
    else if (slice_equal(path, SLICE("/copied/json")) || slice_equal(path, SLICE("/copied/text")))
        fixture_answer_copied(request, slice_equal(path, SLICE("/copied/json")));
    else if (slice_equal(path, SLICE("/large")))
        http_answer(request, 200, "text/plain", slice_of(fixture->large, fixture->large_bytes));
    else
        http_answer(request, 200, "text/plain",
                    arena_copy(http_arena(request), http_body(request)));
}

static void fixture_request(void *context, struct http_request *request) {
    struct fixture *fixture = context;
    struct slice path = http_path(request);
    unsigned loop = http_loop(request);
    atomic_fetch_add(&fixture->requests, 1);
    if (slice_equal(path, SLICE("/later"))) {
        fixture->later[loop][fixture->later_count[loop]++] = request;
        atomic_fetch_add(&fixture->later_total, 1);
    } else if (slice_equal(path, SLICE("/now")) || slice_equal(path, SLICE("/large"))) {
        fixture_answer(fixture, request);
    } else if (slice_equal(path, SLICE("/delayed"))) {
        struct slice body = arena_copy(http_arena(request), http_body(request));
        http_answer_delayed(request, 429, "text/plain", body);
    } else {
        fixture->pass[loop][fixture->pass_count[loop]++] = request;
    }
}

static bool fixture_pass_end(void *context, unsigned loop) {
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->pass_ends, 1);
    for (size_t index = 0; index < fixture->pass_count[loop]; index++)
        fixture_answer(fixture, fixture->pass[loop][index]);
    fixture->pass_count[loop] = 0;
    return true;
}

static bool fixture_woken(void *context, unsigned loop) {
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->wakes, 1);
    size_t answered = 0;
    while (answered < fixture->later_count[loop] && atomic_load(&fixture->release_wanted) > 0) {
        atomic_fetch_sub(&fixture->release_wanted, 1);
        atomic_fetch_sub(&fixture->later_total, 1);
        fixture_answer(fixture, fixture->later[loop][answered++]);
    }
    fixture->later_count[loop] -= answered;
    memmove(fixture->later[loop], fixture->later[loop] + answered,
            fixture->later_count[loop] * sizeof(fixture->later[loop][0]));
    return true;
}

static void fixture_tick(void *context, unsigned loop) {
    struct fixture *fixture = context;
    (void)loop;
    atomic_fetch_add(&fixture->ticks, 1);
}

static void fixture_refuse(void *context, struct http_request *request, int code) {
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->refusals, 1);
    struct buffer *out = http_body_out(request);
    buffer_add_format(out, "{\"status\":%d}", code);
    http_answer(request, code, "application/problem+json", buffer_slice(out));
}

static void fixture_loop_started(void *context, unsigned loop) {
    struct fixture *fixture = context;
    (void)loop;
    atomic_fetch_add(&fixture->loops_started, 1);
}

static void fixture_loop_ended(void *context, unsigned loop) {
    struct fixture *fixture = context;
    (void)loop;
    atomic_fetch_add(&fixture->loops_ended, 1);
}

struct fixture *fixture_open(struct http_options options) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    const struct http_handler handler = {
        .context = fixture,
        .body_limit = fixture_body_limit,
        .request = fixture_request,
        .pass_end = fixture_pass_end,
        .woken = fixture_woken,
        .tick = fixture_tick,
        .refuse = fixture_refuse,
        .loop_started = fixture_loop_started,
        .loop_ended = fixture_loop_ended,
    };
    char why[HTTP_WHY_BYTES];
    options.listen = "127.0.0.1:0";
    assert_int_equal(http_server_open(&options, &handler, why, &fixture->server), STATUS_ok);
    fixture->port = http_server_port(fixture->server);
    http_server_start(fixture->server);
    return fixture;
}

void fixture_close(struct fixture *fixture) {
    (void)http_server_stop(fixture->server, 5000);
    assert_int_equal(atomic_load(&fixture->loops_started), atomic_load(&fixture->loops_ended));
    http_server_close(fixture->server);
    free(fixture->large);
    free(fixture);
}

int fixture_teardown(void **state) {
    fixture_close(*state);
    return 0;
}

void fixture_release(struct fixture *fixture, size_t count) {
    atomic_fetch_add(&fixture->release_wanted, count);
    for (unsigned loop = 0; loop < atomic_load(&fixture->loops_started); loop++)
        http_wake(fixture->server, loop);
}

void fixture_wait_later(struct fixture *fixture, size_t count) {
    uint64_t end_ms = test_now_ms() + CLIENT_PATIENCE_MS;
    while (atomic_load(&fixture->later_total) < count && test_now_ms() < end_ms)
        test_sleep_ms(1);
    assert_int_equal(atomic_load(&fixture->later_total), count);
}

int client_connect(const struct fixture *fixture) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const int on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fixture->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void client_send_bytes(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server has closed; the test looks at what it said
        at += sent;
        size -= (size_t)sent;
    }
}

void client_send(int fd, const char *text) {
    client_send_bytes(fd, text, strlen(text));
}

static bool client_readable(int fd, unsigned ms) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, (int)ms) == 1;
}

size_t client_trickle(int fd, const char *text, unsigned pause_ms) {
    size_t sent = 0;
    for (; text[sent] != '\0'; sent++) {
        char byte;
        if (client_readable(fd, pause_ms) && recv(fd, &byte, 1, MSG_PEEK) <= 0)
            return sent;
        if (send(fd, text + sent, 1, MSG_NOSIGNAL) != 1)
            return sent;
    }
    return sent;
}

// Reads exactly up to the end of one answer, byte by byte in its head, so that the next one stays
// unread.
static int client_answer_read(int fd, char *text, size_t size, bool with_body) {
    size_t length = 0;
    size_t wanted = SIZE_MAX;
    while (length < wanted) {
        assert_true(length + 1 < size);
        if (!client_readable(fd, CLIENT_PATIENCE_MS))
            fail_msg("no answer after %d ms; so far: %.*s", CLIENT_PATIENCE_MS, (int)length, text);
        size_t step = wanted == SIZE_MAX ? 1 : wanted - length;
        if (step > size - 1 - length)
            step = size - 1 - length;
        ssize_t got = recv(fd, text + length, step, 0);
        if (got <= 0) {
            text[length] = '\0';
            return 0;
        }
        length += (size_t)got;
        text[length] = '\0';
        if (wanted == SIZE_MAX && length >= 4 && strcmp(text + length - 4, "\r\n\r\n") == 0) {
            const char *field = strcasestr(text, "\r\nContent-Length: ");
            wanted = length + (with_body && field != NULL ? strtoul(field + 18, NULL, 10) : 0);
        }
    }
    assert_int_equal(strncmp(text, "HTTP/1.1 ", 9), 0);
    return (int)strtol(text + 9, NULL, 10);
}

int client_answer(int fd, char *ret_text, size_t size) {
    return client_answer_read(fd, ret_text, size, true);
}

int client_answer_to_head(int fd, char *ret_text, size_t size) {
    return client_answer_read(fd, ret_text, size, false);
}

int client_code(int fd) {
    static char text[1 << 20];
    return client_answer_read(fd, text, sizeof(text), true);
}

bool client_closed_within(int fd, unsigned ms) {
    static char trash[1 << 16];
    uint64_t end_ms = test_now_ms() + ms;
    for (uint64_t now_ms = test_now_ms(); now_ms < end_ms; now_ms = test_now_ms())
        if (client_readable(fd, (unsigned)(end_ms - now_ms)) &&
            recv(fd, trash, sizeof(trash), 0) <= 0)
            return true;
    return false;
}

bool client_is_open(int fd) {
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && errno == EAGAIN);
}
