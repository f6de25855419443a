// SPDX-License-Identifier: MIT
// From an answer to bytes on their way. The library builds the head and sends it with the body in
// one call; the body is not copied, because the request object that holds it is released only when
// the library says that it has sent everything. The answer is queued at once, also outside the
// library's callbacks: a suspended connection is resumed for it, and the loop runs the library
// again right away.
#include <stdio.h>

#include "base/ahead.h"
#include "base/check.h"
#include "http/internal.h"

#define ANSWER_HEAD_BYTES_MAX 1024
// The library's object of a connection; only ever asked for ahead.
#define ANSWER_HANDLE_BYTES 704

void http_add_header(struct http_request *request, const char *name, struct slice value) {
    CHECK(request->phase != REQUEST_ANSWERED);
    CHECK(request->answer_header_count < HTTP_ANSWER_HEADERS_MAX);
    if (value.size == 0)
        return;
    char *text = arena_take(&request->arena, value.size + 1);
    for (size_t index = 0; index < value.size; index++)
        text[index] =
            (char)(value.bytes[index] < ' ' || value.bytes[index] == 0x7f ? ' '
                                                                          : value.bytes[index]);
    text[value.size] = '\0';
    request->answer_header_bytes += strlen(name) + value.size + 4;
    CHECK(request->answer_header_bytes <= HTTP_ANSWER_HEADERS_BYTES_MAX);
    request->answer_headers[request->answer_header_count++] =
        (struct http_answer_header){.name = name, .value = text};
}

bool http_has_answer_header(const struct http_request *request, const char *name) {
    for (size_t index = 0; index < request->answer_header_count; index++)
        if (strcmp(request->answer_headers[index].name, name) == 0)
            return true;
    return false;
}

static void answer_set_header(struct MHD_Response *response, const char *name, const char *value) {
    // Refused only for names and values that no caller may use, or without memory.
    CHECK(MHD_add_response_header(response, name, value) == MHD_YES);
}

static struct MHD_Response *answer_make(struct http_request *request, const char *content_type,
                                        struct slice body, bool is_last) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.size, (void *)body.bytes, MHD_RESPMEM_PERSISTENT);
    CHECK(response != NULL);
    if (content_type != NULL)
        answer_set_header(response, "Content-Type", content_type);
    for (size_t index = 0; index < request->answer_header_count; index++)
        answer_set_header(response, request->answer_headers[index].name,
                          request->answer_headers[index].value);
    if (is_last)
        answer_set_header(response, "Connection", "close");
    return response;
}

static struct slice answer_keep(struct http_request *request, struct slice body) {
    buffer_reset(&request->out);
    buffer_add_slice(&request->out, body);
    return buffer_slice(&request->out);
}

// `is_borrowed`: the body has to be kept if it is not copied anyway.
static void answer_queue(struct http_request *request, int code, const char *content_type,
                         struct slice body, bool is_borrowed) {
    struct http_loop *loop = request->loop;
    bool is_last = atomic_load_explicit(&loop->server->draining, memory_order_relaxed);
    if (!is_last && request->answer_header_count == 0)
        request->ready = ready_take(loop->ready, content_type, body);
    bool is_ready = request->ready != NULL;
    if (!is_ready && is_borrowed)
        body = answer_keep(request, body);
    struct MHD_Response *response = is_ready
                                        ? ready_response(request->ready)
                                        : answer_make(request, content_type, body, is_last);
    struct connection *connection = request->connection;
    struct MHD_Connection *handle = request->handle;
    bool suspended = request->suspended;
    request->suspended = false;
    if (connection->state != CONNECTION_CLOSING) {
        connection_enter(connection, CONNECTION_SENDING);
        connection_is_away(connection);
    }
    // From here on the library may end the request, which releases the object.
    if (loop->queue(handle, (unsigned)code, response) != MHD_YES)
        connection_shut(connection);
    if (!is_ready)
        MHD_destroy_response(response);
    if (suspended) {
        MHD_resume_connection(handle);
        loop->suspended--;
    }
    loop->run_again = true;
}

// Best effort: what does not fit the socket's empty buffer is lost with the connection.
static void answer_write(struct http_request *request, int code, const char *content_type,
                         struct slice body) {
    char head[ANSWER_HEAD_BYTES_MAX + HTTP_ANSWER_HEADERS_BYTES_MAX];
    int size = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
        code, MHD_get_reason_phrase_for((unsigned)code),
        content_type == NULL ? "text/plain" : content_type, body.size);
    for (size_t index = 0; index < request->answer_header_count; index++)
        size += snprintf(head + size, sizeof(head) - (size_t)size, "%s: %s\r\n",
                         request->answer_headers[index].name, request->answer_headers[index].value);
    CHECK(size > 0 && (size_t)size < sizeof(head) - 2); // headers are counted when they are added
    memcpy(head + size, "\r\n", 2);
    size += 2;
    if (request->connection->session != NULL) {
        tls_send(request->connection->session, slice_of(head, (size_t)size));
        tls_send(request->connection->session, body);
        return;
    }
    struct iovec pieces[] = {{.iov_base = head, .iov_len = (size_t)size},
                             {.iov_base = (void *)body.bytes, .iov_len = body.size}};
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    (void)sendmsg(request->connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(struct http_request *request, int code, const char *content_type,
                   struct slice body, bool is_borrowed) {
    struct http_loop *loop = request->loop;
    CHECK(pthread_equal(pthread_self(), loop->self));
    CHECK(request->phase != REQUEST_ANSWERED);
    CHECK(code >= 200 && code <= 599);
    if (request->phase == REQUEST_WAITING) {
        CHECK(loop->unanswered > 0);
        loop->unanswered--;
    }
    request->phase = REQUEST_ANSWERED;
    if (request->connection == NULL) {
        atomic_fetch_add(&loop->server->dropped, 1);
        request_release(request);
    } else if (request->by_hand) {
        answer_write(request, code, content_type, body);
    } else {
        answer_queue(request, code, content_type, body, is_borrowed);
    }
}

void http_answer(struct http_request *request, int code, const char *content_type,
                 struct slice body) {
    answer(request, code, content_type, body, false);
}

void http_answer_copied(struct http_request *request, int code, const char *content_type,
                        struct slice body) {
    answer(request, code, content_type, body, true);
}

void http_ahead_of_request(const struct http_request *request) {
    ahead_write(request, sizeof(*request));
}

void http_ahead_of_answer(const struct http_request *request) {
    if (request->connection == NULL)
        return;
    ahead_write(request->connection, sizeof(*request->connection));
    ahead_write(request->handle, ANSWER_HANDLE_BYTES);
}

// The library sends in the order in which answers were queued, and touches what it was told for
// each: so of the next three as much is asked for as can be known without waiting.
void answer_ahead_of_sending(const struct connection *connection) {
    if (connection == NULL)
        return;
    const struct http_request *request = connection->request;
    if (request != NULL) {
        ahead_write(request->handle, ANSWER_HANDLE_BYTES);
        if (request->ready != NULL)
            ready_ahead(request->ready);
    }
    const struct connection *second = connection->next;
    if (second == NULL)
        return;
    if (second->request != NULL)
        ahead_write(second->request, sizeof(*second->request));
    if (second->next != NULL)
        ahead_write(second->next, sizeof(*second->next));
}

void answer_refuse(struct http_request *request, int code) {
    const struct http_handler *handler = &request->loop->server->handler;
    CHECK(request->phase == REQUEST_LINE || request->phase == REQUEST_BODY);
    atomic_fetch_add(&request->loop->server->refused, 1);
    request->connection->linger = true;
    if (handler->refuse != NULL) {
        handler->refuse(handler->context, request, code);
        CHECK(request->phase == REQUEST_ANSWERED);
        return;
    }
    const char *sentence = MHD_get_reason_phrase_for((unsigned)code);
    http_answer(request, code, "text/plain", slice_of_text(sentence));
}
