// SPDX-License-Identifier: MIT
// From what became of a request to the bytes that its asker gets. Thread: the loop's, for all
// functions.
#pragma once
#include "api/call.h"
#include "api/door.h"
#include "base/buffer.h"
#include "wire/problem.h"
#include "wire/render.h"

struct api_loop;
struct spending_limits;

// Counts and sends. `operation` may be NULL. The request is gone afterwards.
void answers_send(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns, int http,
                  const char *content_type, struct slice body);
// Counts, and begins an answer in pieces.
void answers_stream(struct asking *asking, const char *content_type);
// Who asks for help about a refusal can name it. Does nothing when it was told already.
void answers_tell_request_id(struct http_request *request, struct slice request_id);
// A refusal without numbers; `detail` is NULL for the status's own sentence.
void answers_refuse(struct asking *asking, enum status status, const char *detail);
// The same, but held back for a while (http_answer_delayed).
void answers_refuse_delayed(struct asking *asking, enum status status, const char *detail);
void answers_refuse_faults(struct asking *asking, const struct wire_faults *faults);
void answers_busy(struct api_loop *loop, struct http_request *request,
                  const struct operation *operation, uint64_t started_ns);
void answers_too_large(struct api_loop *loop, struct http_request *request,
                       const struct operation *operation, uint64_t started_ns,
                       const char *sentence);
// `sentence` is NULL for the status's own.
void answers_unconfirmed(struct api_loop *loop, struct http_request *request,
                         const struct operation *operation, uint64_t started_ns,
                         const char *sentence);
// What became of a call; its request must be there.
void answers_call(struct api_loop *loop, struct call *call);
struct wire_found answers_found(const struct outcome *outcome, enum command_type type);
// What the wallet may spend; `limits` may be NULL. False, here and below: its record does not
// decode.
bool answers_render_limits(struct buffer *body, const struct outcome *outcome,
                           const struct spending_limits *limits);
// A wallet as its balance now.
bool answers_render_balance(struct buffer *body, const struct outcome *outcome);
void answers_add_etag(struct http_request *request, uint64_t version);
// batches.c
void batches_answer(struct api_loop *loop, struct call *call);
// A problem of one operation, or of the batch that it undid.
void batches_render_problem(struct buffer *body, const struct call *call, uint32_t index,
                            const struct outcome *outcome, uint32_t shown_index);
