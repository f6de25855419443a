// SPDX-License-Identifier: MIT
// Who takes too long. The library's own time-out starts anew with every byte, so a client that
// sends one now and then would keep its place for ever. Here a request has one span from its first
// byte to its last, and an answer one from the moment it was given; what waits for its outcome has
// none.
//
// The library does not say when the first byte of a request comes, so idle connections are asked:
// the kernel counts the bytes that a socket has received, and when there are more than complete
// requests were made of, another one has begun. After a chunked request the sum is inexact (sizes
// and extensions are not told), so such a connection counts as begun at once: it is closed if
// nothing complete follows in time.
//
// With TLS the bytes of the kernel are records and handshakes, so the sum is taken anew whenever a
// connection becomes idle. Bytes that came along with the last request are then no part of it, but
// the next one that trickles in is. A connection that has not shaken hands yet counts as receiving
// from the moment that it was accepted.
//
// A sweep looks only at the heads of lists and at idle connections, about eight times per shortest
// span.
#include <linux/tcp.h>
#include <netinet/in.h>

#include "base/check.h"
#include "http/internal.h"

#define DEADLINES_SWEEP_NS_MIN UINT64_C(20000000)
#define DEADLINES_SWEEP_NS_MAX UINT64_C(1000000000)

// 0 when the connection was reset; the library hears of it too.
static uint64_t deadlines_bytes_received(const struct connection *connection) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return 0;
    CHECK(size >=
          offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received));
    return info.tcpi_bytes_received;
}

static bool deadlines_request_began(const struct connection *connection) {
    if (connection->uncertain && connection->session == NULL)
        return true;
    return deadlines_bytes_received(connection) > connection->consumed_bytes;
}

void deadlines_note_idle(struct connection *connection) {
    if (connection->session == NULL)
        return;
    connection->consumed_bytes = deadlines_bytes_received(connection);
    connection->was_idle = true;
}

// Those who have shaken hands and said nothing yet are idle.
static void deadlines_find_shaken(struct http_loop *loop) {
    struct connection *next = NULL;
    for (struct connection *connection = loop->lists[CONNECTION_RECEIVING].first;
         connection != NULL; connection = next) {
        next = connection->next;
        if (connection->session == NULL || !connection->shook_hands || connection->was_idle ||
            connection->request != NULL)
            continue;
        deadlines_note_idle(connection);
        connection_enter(connection, CONNECTION_IDLE);
    }
}

static void deadlines_find_begun(struct http_loop *loop) {
    struct connection *next = NULL;
    for (struct connection *connection = loop->lists[CONNECTION_IDLE].first; connection != NULL;
         connection = next) {
        next = connection->next;
        if (deadlines_request_began(connection))
            connection_enter(connection, CONNECTION_RECEIVING);
    }
}

static void deadlines_shut_late(struct http_loop *loop, enum connection_state state,
                                uint32_t span_ms, atomic_uint_least64_t *counter) {
    uint64_t span_ns = (uint64_t)span_ms * 1000000;
    struct connection *oldest = loop->lists[state].first;
    while (oldest != NULL && loop->now_ns - oldest->since_ns >= span_ns) {
        atomic_fetch_add(counter, 1); // first, so that whoever sees the close sees the count
        connection_shut(oldest);
        oldest = loop->lists[state].first;
    }
}

void deadlines_sweep(struct http_loop *loop) {
    struct http_server *server = loop->server;
    const struct http_options *options = &server->options;
    deadlines_shut_late(loop, CONNECTION_RECEIVING, options->request_ms_max,
                        &server->requests_timed_out);
    deadlines_shut_late(loop, CONNECTION_SENDING, options->answer_ms_max,
                        &server->answers_timed_out);
    if (server->options.tls != NULL)
        deadlines_find_shaken(loop);
    deadlines_find_begun(loop);
    uint32_t shortest_ms = options->request_ms_max < options->answer_ms_max
                               ? options->request_ms_max
                               : options->answer_ms_max;
    uint64_t period_ns = (uint64_t)shortest_ms * 1000000 / 8;
    if (period_ns < DEADLINES_SWEEP_NS_MIN)
        period_ns = DEADLINES_SWEEP_NS_MIN;
    if (period_ns > DEADLINES_SWEEP_NS_MAX)
        period_ns = DEADLINES_SWEEP_NS_MAX;
    if (loop->index == 0 && listener_try_again(loop))
        period_ns = HTTP_RETRY_NS;
    loop->sweep_ns = loop->now_ns + period_ns;
}
