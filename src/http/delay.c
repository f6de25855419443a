// SPDX-License-Identifier: MIT
// Answers that are held back, so that whoever is refused again and again gets his next refusal in a
// while and cannot ask in between: his connection is not read. That costs what a request that waits
// costs and not more, for the body is given back at once. All wait equally long, so a queue in
// order of time is enough. When places are needed, these connections are the first to go, and a
// drain answers all of them.
#include "base/check.h"
#include "http/internal.h"

static struct http_request *delay_take_oldest(struct http_loop *loop) {
    struct http_request *request = loop->delayed_first;
    CHECK(request != NULL && request->phase == REQUEST_WAITING);
    loop->delayed_first = request->next_delayed;
    if (loop->delayed_first == NULL)
        loop->delayed_last = NULL;
    request->next_delayed = NULL;
    return request;
}

static void delay_end(struct http_request *request) {
    http_answer(request, request->delayed_code, request->delayed_type, request->delayed_body);
}

static void delay_drop_body(struct http_request *request) {
    if (request->connection != NULL)
        request->connection->consumed_bytes += request->body.size;
    buffer_done(&request->body);
}

void http_answer_delayed(struct http_request *request, int code, const char *content_type,
                         struct slice body) {
    struct http_loop *loop = request->loop;
    CHECK(pthread_equal(pthread_self(), loop->self));
    bool draining = atomic_load_explicit(&loop->server->draining, memory_order_relaxed);
    if (request->phase != REQUEST_WAITING || request->connection == NULL || draining) {
        http_answer(request, code, content_type, body);
        return;
    }
    CHECK(!request->suspended && request->next_delayed == NULL);
    delay_drop_body(request);
    request->delayed_until_ns =
        loop->now_ns + (uint64_t)loop->server->options.delay_ms * UINT64_C(1000000);
    request->delayed_code = code;
    request->delayed_type = content_type;
    request->delayed_body = body;
    if (loop->delayed_last != NULL)
        loop->delayed_last->next_delayed = request;
    else
        loop->delayed_first = request;
    loop->delayed_last = request;
    atomic_fetch_add_explicit(&loop->server->delayed, 1, memory_order_relaxed);
    MHD_suspend_connection(request->handle);
    request->suspended = true;
    loop->suspended++;
}

uint64_t delay_next_ns(const struct http_loop *loop) {
    return loop->delayed_first == NULL ? UINT64_MAX : loop->delayed_first->delayed_until_ns;
}

void delay_expire(struct http_loop *loop) {
    bool draining = atomic_load_explicit(&loop->server->draining, memory_order_relaxed);
    while (loop->delayed_first != NULL &&
           (draining || loop->delayed_first->delayed_until_ns <= loop->now_ns))
        delay_end(delay_take_oldest(loop));
}

bool delay_evict(struct http_loop *loop) {
    if (loop->delayed_first == NULL)
        return false;
    struct http_request *request = delay_take_oldest(loop);
    connection_shut(request->connection);
    delay_end(request); // wakes the library, which finds the end of the connection
    return true;
}
