// SPDX-License-Identifier: MIT
// One request from its first line to its release. The library calls request_begin when the request
// line is known, request_proceed once when the headers are, again for every piece of body, and once
// more when all of it has come. To that last call this file returns without an answer: the library
// then calls again on every later run, and those calls do nothing. That is the second-pass trick,
// and only this file and answer.c know of it:
//
//   run n:    request_proceed ×k, each hands its request over, unanswered
//   pass_end: the round is decided; http_answer queues the answers with the library
//   run n+1:  the library sends them, and reads what has come meanwhile
//
// A request that waits longer than suspend_after_ms is suspended in such a repeated call, so that
// many of them do not make every run slow. Suspending costs two system calls more per request,
// which is why it does not happen at once.
#include "base/ahead.h"
#include "base/check.h"
#include "base/json.h"
#include "base/memory.h"
#include "http/internal.h"

// A payment's head is copied into less than one; where heads are large, tokens are, and another
// block for each request would cost an allocation.
#define REQUEST_ARENA_BYTES       ((size_t)2 * 1024)
#define REQUEST_ARENA_LARGE_BYTES ((size_t)8 * 1024)
#define REQUEST_HEAD_USUAL        ((size_t)4 * 1024)
#define REQUEST_AHEAD_BYTES       ((size_t)704) // that a payment takes of its arena
#define REQUEST_TOO_LARGE         413
#define REQUEST_HEAD_TOO_LARGE    431
#define REQUEST_BUSY              503

static bool request_is_large(const struct http_request *request) {
    return request->body.capacity > HTTP_LARGE_BYTES || request->out.capacity > HTTP_LARGE_BYTES;
}

// The next one to be taken. With hundreds of connections a pass's requests are more memory than the
// caches near the processor, and so each would wait for a dozen lines of its own.
static void request_ahead(const struct http_request *request) {
    if (request == NULL)
        return;
    arena_ahead(&request->arena, REQUEST_AHEAD_BYTES);
    if (request->body.bytes != NULL)
        ahead_write(request->body.bytes, AHEAD_LINE_BYTES * 3);
    if (request->next_free != NULL)
        ahead_write(request->next_free, sizeof(*request));
}

struct http_request *request_new(struct http_loop *loop, struct connection *connection,
                                 struct MHD_Connection *handle) {
    struct http_request *request = loop->free_requests;
    if (request == NULL) {
        bool is_usual = loop->server->options.head_bytes_max <= REQUEST_HEAD_USUAL;
        request = memory_take_zeroed(sizeof(*request));
        arena_init(&request->arena, is_usual ? REQUEST_ARENA_BYTES : REQUEST_ARENA_LARGE_BYTES);
        request->loop = loop;
        request->next_all = loop->all_requests;
        loop->all_requests = request;
    } else {
        loop->free_requests = request->next_free;
        loop->large_free -= request_is_large(request);
        request_ahead(loop->free_requests);
    }
    request->connection = connection;
    request->handle = handle;
    request->phase = REQUEST_LINE;
    memcpy(request->address, connection->address, sizeof(request->address));
    return request;
}

// Makes the object as good as new but for the memory that it keeps.
void request_release(struct http_request *request) {
    struct http_loop *loop = request->loop;
    CHECK(request->phase != REQUEST_WAITING && request->phase != REQUEST_STREAMING);
    CHECK(!request->suspended);
    if (request->bodies_counted > 0)
        atomic_fetch_sub(&loop->server->bodies_bytes, request->bodies_counted);
    if (request_is_large(request) && loop->large_free >= HTTP_LARGE_KEPT_MAX) {
        buffer_done(&request->body);
        buffer_done(&request->out);
    }
    loop->large_free += request_is_large(request);
    if (request->ready != NULL)
        ready_give(loop->ready, request->ready);
    request->ready = NULL;
    buffer_reset(&request->body);
    buffer_reset(&request->out);
    arena_reset(&request->arena);
    request->connection = NULL;
    request->handle = NULL;
    request->chunked = false;
    request->by_hand = false;
    request->target = request->path = request->method = (struct slice){0};
    request->headers = request->queries = NULL;
    request->header_count = request->query_count = 0;
    request->head_bytes = request->body_limit = request->body_announced = request->bodies_counted =
        0;
    request->context = NULL;
    request->streamed = 0;
    request->answer_header_count = request->answer_header_bytes = 0;
    request->next_free = loop->free_requests;
    loop->free_requests = request;
}

void request_free_all(struct http_loop *loop) {
    while (loop->all_requests != NULL) {
        struct http_request *request = loop->all_requests;
        loop->all_requests = request->next_all;
        if (request->ready != NULL)
            ready_give(loop->ready, request->ready);
        buffer_done(&request->body);
        buffer_done(&request->out);
        arena_done(&request->arena);
        memory_free(request);
    }
    loop->free_requests = NULL;
}

void *request_begin(void *context, const char *target, struct MHD_Connection *handle) {
    struct http_loop *loop = context;
    struct connection *connection =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    CHECK(connection != NULL);
    CHECK(connection->request == NULL);
    struct http_request *request = request_new(loop, connection, handle);
    // The library overwrites it when it looks for parameters.
    request->target = arena_copy(&request->arena, slice_of_text(target));
    connection->request = request;
    if (connection->state == CONNECTION_IDLE) // else the sweep saw it begin earlier
        connection_enter(connection, CONNECTION_RECEIVING);
    return request;
}

// In the middle of a body the library takes no answer, and beside a very large head it has no
// memory for one. So it is written past the library, and the connection ends.
static enum MHD_Result request_refuse_by_hand(struct http_request *request, int code) {
    request->by_hand = true;
    answer_refuse(request, code);
    return MHD_NO;
}

static enum MHD_Result request_read_head(struct http_request *request, const char *method,
                                         const char *version) {
    int code = head_read(request, method, version);
    if (code == REQUEST_HEAD_TOO_LARGE)
        return request_refuse_by_hand(request, code);
    if (code != 0)
        answer_refuse(request, code);
    else
        request->phase = REQUEST_BODY;
    return MHD_YES;
}

// Counts memory for large bodies before it is taken. False when that would be too much over all
// requests.
static bool request_count_body(struct http_request *request, size_t needed) {
    struct http_server *server = request->loop->server;
    if (needed <= HTTP_LARGE_BYTES || needed <= request->bodies_counted)
        return true;
    size_t wanted = needed * 2 - request->bodies_counted; // the buffer doubles too
    if (atomic_fetch_add(&server->bodies_bytes, wanted) + wanted >
        server->options.bodies_bytes_max) {
        atomic_fetch_sub(&server->bodies_bytes, wanted);
        return false;
    }
    request->bodies_counted += wanted;
    return true;
}

static enum MHD_Result request_take_body(struct http_request *request, const char *bytes,
                                         size_t *byte_count) {
    size_t size = *byte_count;
    request->loop->progressed = true;
    if (size > request->body_limit - request->body.size)
        return request_refuse_by_hand(request, REQUEST_TOO_LARGE);
    if (!request_count_body(request, request->body.size + size + JSON_PADDING))
        return request_refuse_by_hand(request, REQUEST_BUSY);
    if (request->body.size == 0 && request->body_announced > size) {
        // Spares the small steps of growing; a large body has to come before it gets large memory.
        size_t first =
            request->body_announced < HTTP_LARGE_BYTES ? request->body_announced : HTTP_LARGE_BYTES;
        (void)buffer_room(&request->body, first > size ? first : size);
    }
    buffer_add(&request->body, bytes, size);
    *byte_count = 0;
    return MHD_YES;
}

static enum MHD_Result request_hand_over(struct http_request *request) {
    struct http_loop *loop = request->loop;
    if (request->connection->state == CONNECTION_CLOSING)
        return MHD_NO; // shut while its last bytes were on their way
    memset(buffer_room(&request->body, JSON_PADDING), 0, JSON_PADDING);
    request->phase = REQUEST_WAITING;
    request->waiting_since_ns = loop->now_ns;
    connection_enter(request->connection, CONNECTION_WAITING);
    connection_is_back(request->connection);
    loop->progressed = true;
    loop->unanswered++;
    atomic_fetch_add_explicit(&loop->server->handed, 1, memory_order_relaxed);
    size_t unanswered = loop->unanswered;
    loop->server->handler.request(loop->server->handler.context, request);
    if (loop->unanswered == unanswered && loop->delayed_last != request)
        loop->left_waiting++;
    return MHD_YES;
}

static enum MHD_Result request_go_on_waiting(struct http_request *request) {
    struct http_loop *loop = request->loop;
    uint64_t span_ns = (uint64_t)loop->server->options.suspend_after_ms * 1000000;
    if (!request->suspended && loop->now_ns - request->waiting_since_ns >= span_ns) {
        MHD_suspend_connection(request->handle);
        request->suspended = true;
        loop->suspended++;
    }
    return MHD_YES;
}

enum MHD_Result request_proceed(void *context, struct MHD_Connection *handle, const char *url,
                                const char *method, const char *version, const char *bytes,
                                size_t *byte_count, void **request_slot) {
    struct http_request *request = *request_slot;
    (void)context;
    (void)url;
    CHECK(request != NULL);
    CHECK(request->handle == handle);
    switch (request->phase) {
    case REQUEST_LINE: return request_read_head(request, method, version);
    case REQUEST_BODY:
        return *byte_count != 0 ? request_take_body(request, bytes, byte_count)
                                : request_hand_over(request);
    case REQUEST_WAITING: return request_go_on_waiting(request);
    case REQUEST_STREAMING:
    case REQUEST_ANSWERED:
        return MHD_YES; // the library could not take the answer and the connection is being closed
    }
    UNREACHABLE("a request has one of five phases");
}

void request_complete(void *context, struct MHD_Connection *handle, void **request_slot,
                      enum MHD_RequestTerminationCode code) {
    struct http_loop *loop = context;
    struct http_request *request = *request_slot;
    (void)handle;
    (void)code;
    if (request == NULL)
        return;
    struct connection *connection = request->connection;
    CHECK(connection != NULL && connection->request == request);
    if (connection->state == CONNECTION_SENDING)
        answer_ahead_of_sending(connection->next);
    *request_slot = NULL;
    connection->request = NULL;
    connection->consumed_bytes += request->head_bytes + request->body.size;
    connection->uncertain = connection->uncertain || request->chunked;
    if (connection->state != CONNECTION_CLOSING) {
        deadlines_note_idle(connection);
        connection_enter(connection, CONNECTION_IDLE);
    }
    loop->progressed = true;
    if (request->phase != REQUEST_WAITING && request->phase != REQUEST_STREAMING) {
        request_release(request);
        return;
    }
    // The client has left; whoever decides the request still holds it, and its answer will be
    // dropped.
    CHECK(!request->suspended);
    request->connection = NULL;
    request->handle = NULL;
}

struct slice http_method(const struct http_request *request) {
    return request->method;
}

struct slice http_path(const struct http_request *request) {
    return request->path;
}

struct slice http_body(const struct http_request *request) {
    return buffer_slice(&request->body);
}

void http_set_address(struct http_request *request, const uint8_t *address) {
    memcpy(request->address, address, sizeof(request->address));
}

const uint8_t *http_address(const struct http_request *request) {
    return request->address;
}

unsigned http_loop(const struct http_request *request) {
    return request->loop->index;
}

struct arena *http_arena(struct http_request *request) {
    return &request->arena;
}

void **http_context(struct http_request *request) {
    return &request->context;
}

struct buffer *http_body_out(struct http_request *request) {
    return &request->out;
}
