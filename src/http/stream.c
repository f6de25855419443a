// SPDX-License-Identifier: MIT
// Answers in pieces. The library asks for bytes when the client can take some; when there are none
// the connection is suspended, and resumed by the next piece. Until its end such a request counts
// as one that waits, so it is ticked, drained and never timed out like one.
#include "base/check.h"
#include "http/internal.h"

#define STREAM_BLOCK_BYTES ((size_t)4096)

static ssize_t stream_read(void *context, uint64_t position, char *ret_bytes, size_t bytes_max) {
    struct http_request *request = context;
    (void)position;
    size_t left = request->out.size - request->streamed;
    if (left == 0 && request->phase == REQUEST_ANSWERED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        if (!request->suspended) {
            MHD_suspend_connection(request->handle);
            request->suspended = true;
            request->loop->suspended++;
        }
        return 0;
    }
    size_t size = left < bytes_max ? left : bytes_max;
    memcpy(ret_bytes, request->out.bytes + request->streamed, size);
    request->streamed += size;
    if (request->streamed == request->out.size) {
        buffer_reset(&request->out);
        request->streamed = 0;
    }
    return (ssize_t)size;
}

static void stream_go_on(struct http_request *request) {
    struct http_loop *loop = request->loop;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->handle);
        loop->suspended--;
    }
    loop->run_again = true;
}

void http_stream_begin(struct http_request *request, const char *content_type) {
    CHECK(pthread_equal(pthread_self(), request->loop->self));
    CHECK(request->phase == REQUEST_WAITING && !request->by_hand);
    request->phase = REQUEST_STREAMING;
    buffer_reset(&request->out);
    if (request->connection == NULL)
        return; // told by http_stream_end
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, stream_read, request, NULL);
    CHECK(response != NULL);
    CHECK(MHD_add_response_header(response, "Content-Type", content_type) == MHD_YES);
    for (size_t index = 0; index < request->answer_header_count; index++)
        CHECK(MHD_add_response_header(response, request->answer_headers[index].name,
                                      request->answer_headers[index].value) == MHD_YES);
    struct connection *connection = request->connection;
    struct MHD_Connection *handle = request->handle;
    // From here on the library may end the request.
    if (request->loop->queue(handle, MHD_HTTP_OK, response) != MHD_YES)
        connection_shut(connection);
    MHD_destroy_response(response);
    stream_go_on(request);
}

bool http_stream_add(struct http_request *request, struct slice piece) {
    CHECK(pthread_equal(pthread_self(), request->loop->self));
    CHECK(request->phase == REQUEST_STREAMING);
    if (request->connection == NULL ||
        request->out.size - request->streamed + piece.size > HTTP_STREAM_BYTES_MAX)
        return false;
    buffer_add(&request->out, piece.bytes, piece.size);
    stream_go_on(request);
    return true;
}

void http_stream_end(struct http_request *request, struct slice piece) {
    struct http_loop *loop = request->loop;
    CHECK(pthread_equal(pthread_self(), loop->self));
    CHECK(request->phase == REQUEST_STREAMING);
    CHECK(loop->unanswered > 0);
    loop->unanswered--;
    request->phase = REQUEST_ANSWERED;
    if (request->connection == NULL) {
        atomic_fetch_add(&loop->server->dropped, 1);
        request_release(request);
        return;
    }
    buffer_add(&request->out, piece.bytes, piece.size);
    if (request->connection->state != CONNECTION_CLOSING)
        connection_enter(request->connection, CONNECTION_SENDING);
    stream_go_on(request);
}
