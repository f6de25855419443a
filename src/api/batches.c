// SPDX-License-Identifier: MIT
// POST /v1/batches: many operations in one request, in order, each seeing those before it.
#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/loop.h"
#include "api/queueing.h"
#include "api/requests.h"
#include "base/ahead.h"
#include "base/log.h"

// Of a payment, roughly: memory is asked for ahead.
#define RESULTS_AHEAD       4
#define RESULT_RECORD_BYTES 384

static void submit(struct asking *asking, struct call *call, const struct wire_batch *batch) {
    struct submission *submission = &call->submission;
    call->request = asking->request;
    call->operation = asking->operation;
    call->principal = asking->principal.who;
    call->started_ns = asking->started_ns;
    call->faults = batch->faults;
    submission->commands = batch->commands;
    submission->count = batch->count;
    submission->is_batch = true;
    submission->atomic = batch->atomic;
    if (batch->atomic)
        submission->batch = batch->batch;
    memset(&submission->batch_outcome, 0, sizeof(submission->batch_outcome));
    size_t outcome_bytes = batch->count * sizeof(struct outcome);
    submission->outcomes = arena_take(&call->arena, outcome_bytes);
    if (!batch->atomic)
        made_begin(call);
    if (batch->atomic) // the engine decides only up to the first refusal
        memset(submission->outcomes, 0, outcome_bytes);
    if (rounds_add(asking->loop, call))
        return;
    call->request = NULL;
    calls_release(asking->loop, call);
    answers_refuse(asking, STATUS_busy, NULL);
}

void batches_request(struct asking *asking) {
    struct call *call = calls_take(asking->loop, true);
    struct wire_context wire = asker_wire_context(asking, &call->arena);
    struct wire_batch batch;
    struct wire_faults faults;
    if (wire_decode_batch(&wire, &asking->headers.wire, http_body(asking->request), &batch,
                          &faults) != STATUS_ok) {
        answers_refuse_faults(asking, &faults);
        calls_release(asking->loop, call);
        return;
    }
    CHECK(batch.count >= 1);
    limits_pay(asking, batch.count - 1);
    limits_tell(asking);
    if (queueing_wants_batch(asking, &batch) && queueing_batch_request(asking, call, &batch))
        return;
    submit(asking, call, &batch);
}

void batches_render_problem(struct buffer *body, const struct call *call, uint32_t index,
                            const struct outcome *outcome, uint32_t shown_index) {
    enum status status = (enum status)outcome->status;
    if (status == STATUS_invalid_request && index < call->submission.count &&
        call->faults[index] != NULL) {
        problem_render_faults(body, call->faults[index], shown_index);
        return;
    }
    char sentence[QUEUEING_SENTENCE_BYTES];
    if (status == STATUS_request_too_large) { // of the queue: no engine says so
        problem_render_door(body, status, queueing_too_large(call->loop->api, sentence),
                            shown_index);
        return;
    }
    enum status_class class = status_class(status);
    if (class == STATUS_CLASS_DENIED || class == STATUS_CLASS_BUSY || class == STATUS_CLASS_BROKEN)
        problem_render_door(body, status, NULL, shown_index);
    else
        problem_render(body, &outcome->refusal, shown_index);
}

static void answer_undone(struct api_loop *loop, struct call *call) {
    const struct outcome *outcome = &call->submission.batch_outcome;
    struct buffer *body = http_body_out(call->request);
    enum status status = (enum status)outcome->status;
    uint32_t index = outcome->refusal.operation;
    // Refused as a whole (its own key was used before, the disk is full), no operation is to blame.
    bool is_operations =
        outcome->replayed || (index < call->submission.count &&
                              call->submission.outcomes[index].status == outcome->status);
    batches_render_problem(body, call, index, outcome,
                           is_operations ? index : PROBLEM_NO_OPERATION);
    answers_tell_request_id(call->request, call->submission.commands[0].origin.request_id);
    if (outcome->replayed)
        http_add_header(call->request, "Idempotent-Replayed", SLICE("true"));
    if (status == STATUS_busy)
        http_add_header(call->request, "Retry-After", SLICE("1"));
    answers_send(loop, call->request, call->operation, call->started_ns, status_http(status),
                 PROBLEM_CONTENT_TYPE, buffer_slice(body));
}

// False when a record does not decode.
static bool render_results(struct buffer *body, const struct call *call) {
    const struct submission *submission = &call->submission;
    wire_batch_begin(body);
    for (uint32_t i = 0; i < submission->count; i++) {
        const struct outcome *outcome = &submission->outcomes[i];
        if (i + RESULTS_AHEAD < submission->count)
            ahead_read(submission->outcomes[i + RESULTS_AHEAD].record.bytes, RESULT_RECORD_BYTES);
        ahead_write(buffer_room(body, 0) + API_RESULT_BYTES * 2, API_RESULT_BYTES);
        wire_batch_result(body, i);
        if (outcome->status == STATUS_ok) {
            enum command_type type = (enum command_type)submission->commands[i].type;
            struct wire_found found = answers_found(outcome, type);
            int http;
            if (wire_render_command(body, type, &found, &http) != STATUS_ok)
                return false;
        } else {
            batches_render_problem(body, call, i, outcome, PROBLEM_NO_OPERATION);
        }
        if (outcome->replayed)
            wire_batch_result_replayed(body);
    }
    wire_batch_end(body);
    return true;
}

void batches_answer(struct api_loop *loop, struct call *call) {
    struct http_request *request = call->request;
    const struct submission *submission = &call->submission;
    struct buffer *body = http_body_out(request);
    CHECK(submission->is_batch);
    buffer_reset(body);
    if (submission->atomic && submission->batch_outcome.status != STATUS_ok) {
        answer_undone(loop, call);
        return;
    }
    bool is_made = call_is_made(call);
    if (is_made && !MADE_IS_COMPARED) {
        struct buffer made = call->made; // it has to live until it is sent
        call->made = *body;
        *body = made;
    }
    if ((!is_made || MADE_IS_COMPARED) && !render_results(body, call)) {
        log_line(LOG_ERROR, "api", "A record behind an answer of %s does not decode.",
                 call->operation->name);
        buffer_reset(body);
        problem_render_door(body, STATUS_internal, NULL, PROBLEM_NO_OPERATION);
        answers_send(loop, request, call->operation, call->started_ns, 500, PROBLEM_CONTENT_TYPE,
                     buffer_slice(body));
        return;
    }
    if (is_made && MADE_IS_COMPARED)
        made_check(call, buffer_slice(body));
    if (submission->atomic && submission->batch_outcome.replayed)
        http_add_header(request, "Idempotent-Replayed", SLICE("true"));
    answers_send(loop, request, call->operation, call->started_ns, 200, "application/json",
                 buffer_slice(body));
}
