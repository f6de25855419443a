// SPDX-License-Identifier: MIT
// What the library refuses by itself, before it asks anybody: a head that has no shape or no end, a
// version that is none, a broken chunk. It would answer with a page of its own. But it queues such
// an answer with the same public function that we use, through the dynamic linker, which finds the
// one below first: so the house answers that too, and ours go straight to the library's. It is
// written past the library, which sends some of these heads twice; then nothing more can be sent,
// and the library, which goes on as it meant to, finds that out and closes.
//
// Should a library bind its calls otherwise, its own pages are back and nothing else changes; a
// test (tests/crash/connections.py, "ambiguous") would tell.
#include <dlfcn.h>
#include <sys/socket.h>

#include "base/check.h"
#include "http/internal.h"

#define REFUSED_BAD_REQUEST    400
#define REFUSED_BODY_TOO_LARGE 413
#define REFUSED_HEAD_TOO_LARGE 431

library_queue *library_find_queue(void) {
    library_queue *found;
    void *symbol = dlsym(RTLD_NEXT, "MHD_queue_response");
    CHECK(symbol != NULL);
    memcpy(&found, &symbol, sizeof(found));
    return found;
}

// What handlers know of it (server.h); 0: nothing, the library has failed.
static int library_code(unsigned code) {
    switch (code) {
    case MHD_HTTP_CONTENT_TOO_LARGE: return REFUSED_BODY_TOO_LARGE; // beyond all numbers
    case MHD_HTTP_URI_TOO_LONG:
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE: return REFUSED_HEAD_TOO_LARGE;
    case MHD_HTTP_NOT_IMPLEMENTED:
    case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED: return REFUSED_BAD_REQUEST;
    default: return code >= 400 && code < 500 ? REFUSED_BAD_REQUEST : 0;
    }
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *handle, unsigned code,
                                   struct MHD_Response *response) {
    struct connection *connection =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (connection == NULL) // of another program's part that uses the library
        return library_find_queue()(handle, code, response);
    struct http_loop *loop = connection->loop;
    struct http_request *request = connection->request;
    int refused = library_code(code);
    bool is_ours = request != NULL && request->phase != REQUEST_LINE &&
                   request->phase != REQUEST_BODY; // it has had its answer
    if (refused == 0 || is_ours || connection->state == CONNECTION_CLOSING)
        return loop->queue(handle, code, response);
    if (request == NULL) // released with the connection, which ends now
        request = connection->request = request_new(loop, connection, handle);
    request->by_hand = true;
    answer_refuse(request, refused);
    // Were it told that its answer is not taken, it would go on in memory that it has freed.
    (void)shutdown(connection->fd, SHUT_WR);
    return loop->queue(handle, code, response);
}
