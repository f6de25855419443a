// SPDX-License-Identifier: MIT
// The stand-in for http/.
#include "fake_http.h"

#include <stdatomic.h>
#include <strings.h>

#include "base/json.h"
#include "base/memory.h"

static atomic_uint wakes;
static size_t away;
static size_t (*gathered)(void *context);
static void *gathered_context;

struct http_request *fake_request(const char *method, const char *path) {
    struct http_request *request = memory_take_zeroed(sizeof(*request));
    static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    request->method = method;
    request->path = path;
    memcpy(request->address, loopback, sizeof(loopback));
    arena_init(&request->arena, 4096);
    memset(buffer_room(&request->body, JSON_PADDING), 0, JSON_PADDING);
    return request;
}

void fake_header(struct http_request *request, const char *name, const char *value) {
    CHECK(request->header_count < FAKE_FIELDS_MAX);
    request->headers[request->header_count++] =
        (struct fake_field){.name = name, .value = slice_of_text(value)};
}

void fake_query(struct http_request *request, const char *name, const char *value) {
    CHECK(request->query_count < FAKE_FIELDS_MAX);
    request->query[request->query_count++] =
        (struct fake_field){.name = name, .value = slice_of_text(value)};
}

void fake_body(struct http_request *request, const char *json) {
    buffer_reset(&request->body);
    buffer_add_text(&request->body, json);
    request->body_bytes = request->body.size;
    memset(buffer_room(&request->body, JSON_PADDING), 0, JSON_PADDING);
    fake_header(request, "Content-Type", "application/json");
}

void fake_free(struct http_request *request) {
    arena_done(&request->arena);
    buffer_done(&request->body);
    buffer_done(&request->out);
    buffer_done(&request->answer);
    memory_free(request);
}

const char *fake_answer(const struct http_request *request) {
    CHECK(request->code != 0);
    return (const char *)request->answer.bytes;
}

const char *fake_answer_header(const struct http_request *request, const char *name) {
    for (uint32_t i = 0; i < request->answer_header_count; i++)
        if (strcasecmp(request->answer_headers[i].name, name) == 0)
            return (const char *)request->answer_headers[i].value.bytes;
    return NULL;
}

bool fake_answer_has(const struct http_request *request, const char *text) {
    return strstr(fake_answer(request), text) != NULL;
}

uint32_t fake_wakes(void) {
    return atomic_load(&wakes);
}

struct http_server *fake_server(void) {
    static char place;
    return (struct http_server *)(void *)&place; // never looked into
}

// ---- what api/ calls ----

struct slice http_method(const struct http_request *request) {
    CHECK(request->code == 0);
    return slice_of_text(request->method);
}

struct slice http_path(const struct http_request *request) {
    CHECK(request->code == 0);
    return slice_of_text(request->path);
}

bool http_next_query(const struct http_request *request, size_t *place, struct slice *ret_name,
                     struct slice *ret_value) {
    if (*place >= request->query_count)
        return false;
    *ret_name = slice_of_text(request->query[*place].name);
    *ret_value = request->query[*place].value;
    (*place)++;
    return true;
}

struct slice http_header(const struct http_request *request, const char *name) {
    for (uint32_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return (struct slice){0};
}

bool http_next_header(const struct http_request *request, size_t *place, struct slice *ret_name,
                      struct slice *ret_value) {
    if (*place >= request->header_count)
        return false;
    *ret_name = slice_of_text(request->headers[*place].name);
    *ret_value = request->headers[*place].value;
    (*place)++;
    return true;
}

struct slice http_body(const struct http_request *request) {
    CHECK(request->code == 0);
    return slice_of(request->body.bytes, request->body_bytes);
}

void http_set_address(struct http_request *request, const uint8_t *address) {
    memcpy(request->address, address, sizeof(request->address));
}

const uint8_t *http_address(const struct http_request *request) {
    return request->address;
}

unsigned http_loop(const struct http_request *request) {
    return request->loop;
}

struct arena *http_arena(struct http_request *request) {
    CHECK(request->code == 0);
    return &request->arena;
}

struct buffer *http_body_out(struct http_request *request) {
    CHECK(request->code == 0);
    return &request->out;
}

bool http_has_answer_header(const struct http_request *request, const char *name) {
    for (size_t i = 0; i < request->answer_header_count; i++)
        if (strcmp(request->answer_headers[i].name, name) == 0)
            return true;
    return false;
}

void http_add_header(struct http_request *request, const char *name, struct slice value) {
    CHECK(request->code == 0);
    CHECK(request->answer_header_count < HTTP_ANSWER_HEADERS_MAX);
    char *copy = arena_take(&request->arena, value.size + 1);
    memcpy(copy, value.bytes, value.size);
    copy[value.size] = '\0';
    request->answer_headers[request->answer_header_count++] =
        (struct fake_field){.name = name, .value = slice_of(copy, value.size)};
}

void http_answer(struct http_request *request, int code, const char *content_type,
                 struct slice body) {
    CHECK(request->code == 0);
    CHECK(code >= 200);
    request->code = code;
    request->content_type = content_type;
    buffer_add_slice(&request->answer, body);
    buffer_room(&request->answer, 1)[0] = '\0';
}

void http_answer_copied(struct http_request *request, int code, const char *content_type,
                        struct slice body) {
    http_answer(request, code, content_type, body);
}

void http_ahead_of_request(const struct http_request *request) {
    CHECK(request != NULL);
}

void http_ahead_of_answer(const struct http_request *request) {
    CHECK(request != NULL);
}

void http_answer_delayed(struct http_request *request, int code, const char *content_type,
                         struct slice body) {
    http_answer(request, code, content_type, body);
}

void http_stream_begin(struct http_request *request, const char *content_type) {
    CHECK(request->content_type == NULL);
    request->content_type = content_type;
}

bool http_stream_add(struct http_request *request, struct slice piece) {
    CHECK(request->code == 0 && request->content_type != NULL);
    buffer_add_slice(&request->answer, piece);
    return true;
}

void http_stream_end(struct http_request *request, struct slice piece) {
    CHECK(http_stream_add(request, piece));
    request->code = 200;
    buffer_room(&request->answer, 1)[0] = '\0';
}

void http_end_next_pass(struct http_server *server, unsigned loop) {
    CHECK(server == fake_server() && loop == 0);
}

void fake_away(size_t count) {
    away = count;
}

void fake_gather(size_t (*come)(void *context), void *context) {
    gathered = come;
    gathered_context = context;
}

size_t http_away(const struct http_server *server, unsigned loop) {
    CHECK(server == fake_server() && loop == 0);
    return away;
}

void http_gather(struct http_server *server, unsigned loop, uint64_t span_ns, uint64_t gap_ns) {
    CHECK(server == fake_server() && loop == 0);
    CHECK(gap_ns <= span_ns && span_ns <= 1000000);
    size_t back = gathered(gathered_context);
    CHECK(back <= away);
    away -= back;
}

uint64_t http_block_begin(struct http_server *server, unsigned loop) {
    (void)server, (void)loop;
    return 1;
}

bool http_block_end(struct http_server *server, unsigned loop, uint64_t begun) {
    (void)server, (void)loop;
    return begun == 1;
}

void http_wake(struct http_server *server, unsigned loop) {
    CHECK(server == fake_server());
    atomic_fetch_add(&wakes, 1);
}

struct http_stats http_server_stats(const struct http_server *server) {
    return (struct http_stats){.connections_open = 3};
}
