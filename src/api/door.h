// SPDX-License-Identifier: MIT
// A request while it is at the door: who asks, from where, for what, and what he is told before it
// becomes a call or a job. Thread: the loop's, but for limits_open_patience, at the start.
#pragma once
#include "access/authenticate.h"
#include "access/rate_limit.h"
#include "base/arena.h"
#include "engine/engine.h"
#include "http/server.h"
#include "wire/decode.h"
#include "wire/operations.h"

struct api_loop;

// What a request says in its headers.
struct door_headers {
    struct slice authorization, content_type, request_id, cache_control, position, prefer;
    struct slice encoding;      // of the body: none is taken, so nobody can send a bomb
    struct slice origin;        // of a page in a browser
    struct slice traceparent, tracestate; // of W3C trace context
    struct slice forwarded_for; // all of its values, joined by commas
    struct wire_headers wire;
    const char *repeated; // pointer to one that must be single and was not; NULL: none
};

// A request while it is at the door.
struct asking {
    struct http_request *request;
    struct api_loop *loop;
    const struct operation *operation; // NULL until it is known
    struct id id;                      // of the path
    struct slice token;                // in place of it, of a queued operation
    struct principal principal;
    struct slice bound_to; // the owner whom he is bound to; empty: to nobody
    struct freshness freshness; // of a read
    struct door_headers headers;
    struct slice request_id; // in the request's arena
    bool is_proxied;         // the connection is a trusted proxy's, who asks for many
    uint64_t started_ns;
    // What the limits said; only when there are some. Large, so it is not cleared for every
    // request: limits_asked says what of it is there.
    uint32_t limits_asked; // bits 1 << rule that the answer's headers still have to tell
    struct rate_asker asker;
    struct rate_verdict verdict;
    struct standing standing; // what `freshness` points at; else it may be anything
};

// router.c
void router_request(void *context, struct http_request *request);
void router_refuse(void *context, struct http_request *request, int code);
size_t router_body_limit(void *context, struct slice method, struct slice path);

// asker.c
// Who asks, from where; texts go to `arena`.
struct origin asker_origin(const struct asking *asking, struct arena *arena);
// What decoding needs, for the one who asks; texts go to `arena`.
struct wire_context asker_wire_context(struct asking *asking, struct arena *arena);
// Who asks, as records name him; a key's id is written to `room`.
struct slice asker_principal(const struct asking *asking, char room[ID_TEXT_BYTES_MAX]);
// asking->bound_to, for as long as `arena` lives: a token's owner lives no longer than its check.
struct slice asker_bound_to(const struct asking *asking, struct arena *arena);

// edge.c: what stands between here and the client: proxies, and pages of other origins.
void edge_find_client(struct asking *asking);
// Adds what a browser must be told; true: it was only a question before the request, and is
// answered.
bool edge_answer_browser(struct asking *asking);

// door_headers.c
void headers_collect(struct http_request *request, struct door_headers *ret_headers);
bool headers_is_json(struct slice content_type);
struct slice headers_take_request_id(struct api_loop *loop, struct http_request *request,
                                     struct slice given);
bool headers_is_loopback(const uint8_t address[16]);

// limits.c: all of it does nothing when there are no limits.
// False: he has been answered.
bool limits_admit(struct asking *asking);
bool limits_admit_stranger(struct asking *asking);
struct rate_limiter *limits_open_patience(uint64_t seed);
// Takes tokens for `operations` more than the one that he was admitted with.
void limits_pay(struct asking *asking, uint32_t operations);
// Adds what is left to the coming answer, once.
void limits_tell(struct asking *asking);

// freshness.c
// What a read demands of its answer. False: he has been answered.
bool freshness_of(struct asking *asking, struct freshness *ret_freshness);
void freshness_tell(struct http_request *request, const struct standing *standing);
// What it points at becomes the arena's own.
void freshness_keep(struct freshness *freshness, struct arena *arena);

// queries.c
bool queries_are_there(struct asking *asking);
// Texts go to `arena`. False: he has been answered.
bool queries_decode(struct asking *asking, struct arena *arena, struct wire_query *ret_query);

// trace.c: where the request belongs in a trace, as struct origin keeps it; empty: nowhere.
struct slice trace_of(const struct asking *asking, struct arena *arena);
