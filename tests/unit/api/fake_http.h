// SPDX-License-Identifier: MIT
// Stands where http/ stands: requests are written down by the test, answers are written down by the
// floor under test. It implements the functions of http/server.h that api/ uses, so that the door
// can be tried without sockets, and it notices what a real server would suffer from: a request that
// is answered twice, or touched after it was answered.
#pragma once
#include <stdbool.h>

#include "http/server.h"

#define FAKE_FIELDS_MAX 40

struct fake_field {
    const char *name;
    struct slice value;
};

struct http_request {
    const char *method, *path;
    struct fake_field headers[FAKE_FIELDS_MAX];
    uint32_t header_count;
    struct fake_field query[FAKE_FIELDS_MAX];
    uint32_t query_count;
    struct buffer body; // with its padding behind it
    size_t body_bytes;
    uint8_t address[16];
    unsigned loop;
    struct arena arena;
    struct buffer out;
    void *context;
    // The answer.
    int code; // 0: none yet
    const char *content_type;
    struct buffer answer; // its body, terminated by a zero byte that does not count
    struct fake_field answer_headers[HTTP_ANSWER_HEADERS_MAX];
    uint32_t answer_header_count;
};

struct http_request *fake_request(const char *method, const char *path);
void fake_header(struct http_request *request, const char *name, const char *value);
void fake_query(struct http_request *request, const char *name, const char *value);
void fake_body(struct http_request *request, const char *json); // with its content type
void fake_free(struct http_request *request);

// What the answer says.
const char *fake_answer(const struct http_request *request);
const char *fake_answer_header(const struct http_request *request, const char *name); // NULL: none
bool fake_answer_has(const struct http_request *request, const char *text);

// So many who were answered last have not asked again. Called when the loop lets them come along,
// `come` says how many have.
void fake_away(size_t count);
void fake_gather(size_t (*come)(void *context), void *context);
// How often the loop was woken. Any thread.
uint32_t fake_wakes(void);
struct http_server *fake_server(void);
