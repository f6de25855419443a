// SPDX-License-Identifier: MIT
// Writes that go through the queue, and operations that are asked for.
//
//   let in ─▶ sent ─▶ acknowledged ─┬─▶ 202 (Prefer: respond-async)
//               │                   └─▶ parked ─▶ asks the books, with all that are parked, every
//               │                          ▲      few milliseconds ─┬─▶ answered
//               └─ never: busy             └────────────────────────┘ not there yet
//
// A batch goes the same way as its operations (queueing_batch.c).
//
// At the deadline whoever is parked is answered 202, for the broker has the command, and whoever is
// still sent 504 (unconfirmed): it may be on its way, but would be lost with this process. What was
// answered 202 is never lost. Only the books tell an outcome, so it does not matter which node's
// worker it was.
#include "api/queueing.h"

#include <stdio.h>

#include "api/answers.h"
#include "api/call.h"
#include "api/completion.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/loop.h"
#include "api/requests.h"
#include "base/clock.h"
#include "base/thread.h"
#include "wire/queued.h"

#define PARKED_LOOK_NS UINT64_C(4000000)
#define PARKED_REST_NS UINT64_C(3000000) // a loop that is awake asks no more often
#define WAIT_S_MAX     60

static struct call *call_of_order(struct queue_order *order) {
    return (struct call *)((uint8_t *)order - offsetof(struct call, order));
}

static void link_call(struct call **first, struct call *call) {
    call->previous_queued = NULL;
    call->next_queued = *first;
    if (*first != NULL)
        (*first)->previous_queued = call;
    *first = call;
}

static void unlink_call(struct call **first, struct call *call) {
    if (call->previous_queued != NULL)
        call->previous_queued->next_queued = call->next_queued;
    else
        *first = call->next_queued;
    if (call->next_queued != NULL)
        call->next_queued->previous_queued = call->previous_queued;
    call->previous_queued = call->next_queued = NULL;
}

static struct slice id_text_of(const struct call *call) {
    return slice_of(call->operation_text, OPERATION_ID_BYTES);
}

// ---- answers ----------------------------------------------------------------------------------

const char *queueing_unconfirmed(const char id_text[OPERATION_ID_BYTES],
                                 char ret_text[QUEUEING_SENTENCE_BYTES]) {
    int size = snprintf(ret_text, QUEUEING_SENTENCE_BYTES,
                        "It may be done or not: retry with the same Idempotency-Key, and it is "
                        "done once; without one ask for /v1/operations/%.*s first.",
                        OPERATION_ID_BYTES, id_text);
    CHECK(size > 0 && size < QUEUEING_SENTENCE_BYTES);
    return ret_text;
}

static void answer_accepted(struct api_loop *loop, struct call *call) {
    if (call->batch != NULL) {
        queueing_batch_accepted(loop, call);
        return;
    }
    char location[32 + OPERATION_ID_BYTES], sentence[QUEUEING_SENTENCE_BYTES];
    struct buffer *body = http_body_out(call->request);
    int size = snprintf(location, sizeof(location), "/v1/operations/%.*s", OPERATION_ID_BYTES,
                        call->operation_text);
    buffer_reset(body);
    http_add_header(call->request, "Location", slice_of(location, (size_t)size));
    if (!call->is_kept) {
        answers_tell_request_id(call->request, call->command.origin.request_id);
        answers_unconfirmed(loop, call->request, call->operation, call->started_ns,
                            queueing_unconfirmed(call->operation_text, sentence));
        call->request = NULL;
        return;
    }
    wire_render_operation_queued(body, id_text_of(call));
    answers_send(loop, call->request, call->operation, call->started_ns, 202, "application/json",
                 buffer_slice(body));
    call->request = NULL;
}

static void release(struct api_loop *loop, struct call *call) {
    CHECK(call->request == NULL);
    call->stage = CALL_DIRECT;
    rounds_unreserve(loop, call);
    calls_release(loop, call);
}

// The record behind the operation's key. Of a payment that was held and decided about, the outcome
// has what closed it, too, which somebody else asked for.
static enum status record_of(const struct outcome *outcome, struct record *ret_record) {
    const char *why;
    enum status status = record_decode(outcome->record, ret_record, &why);
    if (status == STATUS_ok && ret_record->kind == RECORD_PARKED && outcome->opening.size != 0)
        status = record_decode(outcome->opening, ret_record, &why);
    return status;
}

static enum status outcome_of(const struct outcome *outcome, const struct operation_id *id,
                              struct record *ret_record, struct refusal *ret_refusal) {
    if (record_of(outcome, ret_record) != STATUS_ok) {
        *ret_refusal = (struct refusal){.status = STATUS_internal};
        return STATUS_internal;
    }
    bool is_refusal = ret_record->kind == RECORD_REFUSAL;
    // One that could not be read has no digest of its request.
    bool is_buried = is_refusal && ret_record->refusal.status == STATUS_invalid_request;
    if (!is_buried && !operation_id_is_request(id, ret_record->request)) {
        *ret_refusal = (struct refusal){.status = STATUS_idempotency_key_reused};
        return STATUS_idempotency_key_reused;
    }
    if (is_refusal)
        *ret_refusal = ret_record->refusal;
    return is_refusal ? (enum status)ret_record->refusal.status : STATUS_ok;
}

enum status queueing_outcome_of(const struct outcome *outcome, const struct operation_id *id,
                                struct refusal *ret_refusal) {
    struct record record;
    *ret_refusal = (struct refusal){0};
    return outcome_of(outcome, id, &record, ret_refusal);
}

// Of an atomic batch: what each of its operations was answered with. Somebody bound is told no more
// than that it is done.
static void render_parts(struct buffer *body, const struct call *call) {
    const struct outcome *whole = &call->outcome;
    wire_render_operation_batch(body, id_text_of(call));
    for (uint32_t i = 0; i < whole->part_count; i++) {
        struct record record;
        const char *why;
        int http;
        wire_batch_result(body, i);
        enum status status = record_decode(whole->parts[i].record, &record, &why);
        CHECK(status == STATUS_ok);
        enum command_type type = (enum command_type)record.operation;
        struct wire_found found = answers_found(&whole->parts[i], type);
        status = wire_render_command(body, type, &found, &http);
        CHECK(status == STATUS_ok);
    }
    wire_render_operation_batch_end(body);
}

static void answer_operation(struct api_loop *loop, struct call *call) {
    struct buffer *body = http_body_out(call->request);
    struct record record;
    struct refusal refusal;
    buffer_reset(body);
    enum status status = outcome_of(&call->outcome, &call->operation_id, &record, &refusal);
    if (status != STATUS_ok) {
        bool undone = call->operation_id.is_batch && status != STATUS_idempotency_key_reused &&
                      status != STATUS_invalid_request;
        wire_render_operation_refused(body, id_text_of(call), &refusal,
                                      undone ? refusal.operation : PROBLEM_NO_OPERATION);
    } else if (record.kind == RECORD_BATCH) {
        render_parts(body, call);
    } else {
        enum command_type type = (enum command_type)record.operation;
        struct wire_found found = answers_found(&call->outcome, type);
        if (wire_render_operation_done(body, id_text_of(call), type, &found) != STATUS_ok)
            wire_render_operation_queued(body, id_text_of(call));
    }
    answers_send(loop, call->request, call->operation, call->started_ns, 200, "application/json",
                 buffer_slice(body));
    call->request = NULL;
}

// A write that waited for its outcome is answered as if it had gone straight to the books.
static void answer_write(struct api_loop *loop, struct call *call) {
    struct refusal refusal;
    call->outcome.status =
        (uint8_t)queueing_outcome_of(&call->outcome, &call->operation_id, &refusal);
    call->outcome.refusal = refusal;
    call->outcome.replayed = false; // whether it was, nobody knows any more
    call->command.type = call->queued_type;
    answers_call(loop, call);
    call->request = NULL;
}

// ---- parked -----------------------------------------------------------------------------------

void queueing_park(struct api_loop *loop, struct call *call) {
    call->stage = CALL_PARKED;
    link_call(&loop->parked, call);
    metrics_add(&loop->metrics.waiting_calls, 1);
    queueing_note_parked(loop->api, 1);
}

static void unpark(struct api_loop *loop, struct call *call) {
    CHECK(call->stage == CALL_PARKED);
    unlink_call(&loop->parked, call);
    metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
    queueing_note_parked(loop->api, -1);
}

void queueing_look(struct api_loop *loop) {
    uint64_t now_ns = clock_monotonic_ns();
    bool any = false;
    struct call *call = loop->parked;
    if (call == NULL || now_ns < loop->parked_ask_ns)
        return;
    loop->parked_ask_ns = now_ns + PARKED_REST_NS;
    while (call != NULL) {
        struct call *next = call->next_queued;
        unpark(loop, call);
        if (call->request == NULL) {
            release(loop, call);
        } else if (rounds_add(loop, call)) {
            any = true;
        } else if (now_ns < call->until_ns) {
            queueing_park(loop, call);
        } else {
            answer_accepted(loop, call);
            release(loop, call);
        }
        call = next;
    }
    if (any)
        rounds_submit_open(loop);
}

bool queueing_is_known(const struct call *call) {
    return call->batch != NULL ? queueing_batch_is_known(call)
                               : call->outcome.status == STATUS_ok;
}

bool queueing_finish(struct api_loop *loop, struct call *call) {
    if (call->stage != CALL_PARKED)
        return false;
    if (call->batch != NULL)
        return queueing_batch_finish(loop, call);
    if (call->whole != NULL && call->submission.is_batch) {
        queueing_whole_answer(loop, call);
        call->stage = CALL_DIRECT;
        return false;
    }
    bool is_known = call->outcome.status == STATUS_ok;
    bool is_read = call->queued_type == COMMAND_READ_OPERATION;
    if (call->request == NULL) {
        call->stage = CALL_DIRECT; // the deadline answered it
        return false;
    }
    if (is_known && is_read) {
        answer_operation(loop, call);
    } else if (is_known && call->whole != NULL) {
        call->is_kept = true;
        queueing_whole_again(call);
        metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
        queueing_park(loop, call);
        return true;
    } else if (is_known) {
        answer_write(loop, call);
    } else if (clock_monotonic_ns() < call->until_ns) {
        rounds_unreserve(loop, call);
        metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
        queueing_park(loop, call);
        return true;
    } else if (is_read && outcome_is_passing(&call->outcome)) {
        answers_busy(loop, call->request, call->operation, call->started_ns); // nobody could tell
        call->request = NULL;
    } else if (is_read) {
        struct buffer *body = http_body_out(call->request);
        buffer_reset(body);
        wire_render_operation_queued(body, id_text_of(call));
        answers_send(loop, call->request, call->operation, call->started_ns, 200,
                     "application/json", buffer_slice(body));
        call->request = NULL;
    } else {
        answer_accepted(loop, call);
    }
    call->stage = CALL_DIRECT;
    return false;
}

static void ask_for_outcome(struct call *call) {
    call->queued_type = call->command.type;
    call->command = (struct command){.type = COMMAND_READ_OPERATION,
                                     .has_key = true,
                                     .key = call->operation_id.key,
                                     .slot = call->operation_id.slot,
                                     .bound_to = call->command.bound_to,
                                     .origin = call->command.origin};
    call->submission = (struct submission){
        .commands = &call->command, .outcomes = &call->outcome, .count = 1};
}

// ---- sent -------------------------------------------------------------------------------------

// Thread: the queue's.
static void delivered(struct queue_order *order, enum kafka_fate fate) {
    struct call *call = call_of_order(order);
    struct api_loop *loop = call->loop;
    struct http_server *server = loop->api->server;
    unsigned index = loop->index;
    call->order_fate = fate;
    inbox_push(&loop->done, &call->done.node);
    http_wake(server, index); // the call is the loop's again and must not be touched
}

const char *queueing_too_large(const struct api *api, char ret_text[QUEUEING_SENTENCE_BYTES]) {
    char limit[32] = "";
    uint32_t most = queue_record_bytes_max(api->options.queue);
    if (most != 0)
        (void)snprintf(limit, sizeof(limit), " %u bytes", most);
    (void)snprintf(ret_text, QUEUEING_SENTENCE_BYTES,
                   "Its record is larger than the topic of the queue takes%s%s "
                   "(max.message.bytes): send less at once.",
                   most == 0 ? "" : ", which is", limit);
    return ret_text;
}

void queueing_answer_lost(struct api_loop *loop, struct call *call, bool is_too_large) {
    char sentence[QUEUEING_SENTENCE_BYTES];
    if (is_too_large)
        answers_too_large(loop, call->request, call->operation, call->started_ns,
                          queueing_too_large(loop->api, sentence));
    else
        answers_busy(loop, call->request, call->operation, call->started_ns);
    call->request = NULL;
}

void queueing_refuse_unsent(struct asking *asking, enum status status) {
    char sentence[QUEUEING_SENTENCE_BYTES];
    answers_refuse(asking, status,
                   status == STATUS_busy ? "The queue is full."
                                         : queueing_too_large(asking->loop->api, sentence));
}

void queueing_delivered(struct api_loop *loop, struct call *call) {
    CHECK(call->stage == CALL_SENT);
    unlink_call(&loop->sent, call);
    metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
    call->is_kept = call->order_fate == KAFKA_KEPT;
    if (call->request == NULL) {
        release(loop, call); // the deadline answered it
    } else if (call->batch != NULL) {
        queueing_batch_delivered(loop, call);
        if (call->request == NULL)
            release(loop, call);
    } else if (call->order_fate == KAFKA_LOST || call->order_fate == KAFKA_TOO_LARGE) {
        queueing_answer_lost(loop, call, call->order_fate == KAFKA_TOO_LARGE);
        release(loop, call);
    } else if (call->is_async) {
        answer_accepted(loop, call);
        release(loop, call);
    } else {
        ask_for_outcome(call);
        queueing_park(loop, call);
    }
}

bool queueing_give_up(struct api_loop *loop, struct call *call) {
    if (call->stage != CALL_PARKED || call->queued_type == COMMAND_READ_OPERATION)
        return false;
    answer_accepted(loop, call);
    return true;
}

void queueing_tick(struct api_loop *loop, uint64_t now_ns) {
    for (struct call *call = loop->sent; call != NULL; call = call->next_queued)
        if (call->request != NULL && call->until_ns <= now_ns)
            answer_accepted(loop, call); // it stays, until the broker has it
}

bool queueing_takes(const struct asking *asking, uint32_t version, bool is_urgent) {
    const struct api_options *options = &asking->loop->api->options;
    // Of a version that a worker which is there would not understand, nothing is written.
    if (options->queue == NULL || !queue_can_write(options->queue, version))
        return false;
    return (options->queue_writes && !is_urgent) || wire_prefers_async(asking->headers.prefer);
}

bool queueing_wants(const struct asking *asking, const struct call *call) {
    if (!wire_is_queueable(asking->operation) || call->command.type == COMMAND_NONE)
        return false;
    // Who freezes a wallet means now, ahead of what waits; unless he says otherwise.
    bool is_urgent = call->command.type == COMMAND_WALLET_CHANGE && call->command.has_status;
    return queueing_takes(asking, wire_queue_version(asking->operation), is_urgent);
}

bool queueing_is_up(struct asking *asking, struct call *call, bool *ret_answered) {
    const struct api_options *options = &asking->loop->api->options;
    *ret_answered = false;
    if (queue_is_up(options->queue))
        return true;
    if (!options->queue_direct) {
        const char *why = "No broker of the queue can be reached.";
        if (!queue_has_topic(options->queue))
            why = "The topic of the queue is not there: the log says why.";
        else if (!queue_keeps(options->queue))
            why = "The topic of the queue might lose commands: the log says why.";
        answers_refuse(asking, STATUS_busy, why);
        calls_release(asking->loop, call);
        *ret_answered = true;
    }
    return false;
}

struct slice queueing_make_key(struct arena *arena) {
    uint64_t random[2];
    char *text = arena_take(arena, 40);
    random_fill(random, sizeof(random));
    int size = snprintf(text, 40, "auto-%016llx%016llx", (unsigned long long)random[0],
                        (unsigned long long)random[1]);
    return slice_of(text, (size_t)size);
}

struct queue_order queueing_order(const struct command *command, uint32_t version) {
    return (struct queue_order){.slot = command_home_slot(command),
                                .version = version,
                                .principal = command->origin.principal,
                                .principal_key = command->principal_key,
                                .token_until_ms = command->token_until_ms,
                                .owner = command->token_until_ms == 0 ? (struct slice){0}
                                                                      : command->bound_to,
                                .origin = &command->origin};
}

void queueing_begin(struct asking *asking, struct call *call) {
    struct api_loop *loop = asking->loop;
    uint64_t deadline_ms = loop->api->options.request_deadline_ms;
    call->request = asking->request;
    call->principal = asking->principal.who;
    call->operation = asking->operation;
    call->started_ns = asking->started_ns;
    call->until_ns = asking->started_ns + deadline_ms * 1000000;
    call->loop = loop;
    call->done.kind = COMPLETION_ORDER;
    call->is_async = wire_prefers_async(asking->headers.prefer);
    call->is_kept = false;
    call->stage = CALL_SENT;
    link_call(&loop->sent, call);
    metrics_add(&loop->metrics.waiting_calls, 1);
}

void queueing_undo(struct api_loop *loop, struct call *call) {
    CHECK(call->stage == CALL_SENT);
    unlink_call(&loop->sent, call);
    metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
    call->request = NULL;
    release(loop, call);
}

void queueing_send(struct asking *asking, struct call *call, struct slice key) {
    struct api_loop *loop = asking->loop;
    struct api *api = loop->api;
    const struct command *command = &call->command;
    struct buffer *value = http_body_out(asking->request); // empty until it is answered
    call->operation_id = operation_id_of(command->key, command->request, call->order.slot);
    call->operation_id.is_batch = call->whole != NULL;
    operation_id_format(&api->engine->seal, &call->operation_id, call->operation_text);
    buffer_reset(value);
    wire_render_queued(value, asking->operation, asking->id, key, command->has_if_match,
                       command->if_match, http_body(asking->request));
    call->order.value = buffer_slice(value);
    call->order.delivered = delivered;
    queueing_begin(asking, call);
    enum status status = queue_send(api->options.queue, &call->order);
    buffer_reset(value);
    if (status == STATUS_ok)
        return;
    queueing_undo(loop, call);
    queueing_refuse_unsent(asking, status);
}

bool queueing_request(struct asking *asking, struct call *call) {
    bool answered;
    if (!queueing_is_up(asking, call, &answered))
        return answered;
    struct slice key = asking->headers.wire.idempotency_key;
    if (!call->command.has_key) { // so that a second delivery of its record changes nothing
        key = queueing_make_key(&call->arena);
        call->command.has_key = true;
        call->command.key = wire_key_digest(call->command.origin.principal, key);
        call->command.request = wire_request_digest(&call->command, &call->arena);
    }
    call->order = queueing_order(&call->command, wire_queue_version(asking->operation));
    queueing_send(asking, call, key);
    return true;
}

// ---- GET /v1/operations/{id} ------------------------------------------------------------------

void operations_request(struct asking *asking) {
    struct api_loop *loop = asking->loop;
    struct operation_id id;
    uint32_t wait_s = 0;
    if (!operation_id_parse(&loop->api->engine->seal, asking->token, &id)) {
        answers_refuse(asking, STATUS_not_found,
                       "There is no such operation. Check the id: Location of the answer 202 has "
                       "it.");
        return;
    }
    struct call *call = calls_take(loop, false);
    struct wire_context wire = asker_wire_context(asking, &call->arena);
    memset(&call->command, 0, sizeof(call->command));
    call->command.type = COMMAND_READ_OPERATION;
    call->command.bound_to = wire.bound_to;
    call->command.origin = wire.origin;
    call->operation_id = id;
    memcpy(call->operation_text, asking->token.bytes, OPERATION_ID_BYTES);
    ask_for_outcome(call);
    if (wire_prefers_wait(asking->headers.prefer, &wait_s) && wait_s > WAIT_S_MAX)
        wait_s = WAIT_S_MAX;
    call->request = asking->request;
    call->principal = asking->principal.who;
    call->operation = asking->operation;
    call->started_ns = asking->started_ns;
    call->until_ns = asking->started_ns + (uint64_t)wait_s * 1000000000;
    call->stage = CALL_PARKED; // as if it came from there
    if (rounds_add(loop, call))
        return;
    call->request = NULL;
    release(loop, call);
    answers_refuse(asking, STATUS_busy, NULL);
}

// ---- the thread that reminds loops of who is parked -------------------------------------------

void queueing_note_parked(struct api *api, int change) {
    struct queueing *queueing = &api->queueing;
    CHECK(pthread_mutex_lock(&queueing->lock) == 0);
    queueing->parked = (uint32_t)((int64_t)queueing->parked + change);
    if (queueing->parked == 1 && change == 1)
        CHECK(pthread_cond_signal(&queueing->filled) == 0);
    CHECK(pthread_mutex_unlock(&queueing->lock) == 0);
}

static void *remind(void *context) {
    struct api *api = context;
    struct queueing *queueing = &api->queueing;
    struct signal_gate *stop = &queueing->stop;
    for (;;) {
        CHECK(pthread_mutex_lock(&queueing->lock) == 0);
        while (queueing->parked == 0 && signal_gate_sequence(stop) == 0)
            CHECK(pthread_cond_wait(&queueing->filled, &queueing->lock) == 0);
        CHECK(pthread_mutex_unlock(&queueing->lock) == 0);
        if (signal_gate_wait(stop, 1, PARKED_LOOK_NS))
            return NULL;
        for (unsigned i = 0; i < api->options.loops; i++)
            http_wake(api->server, i);
    }
}

void queueing_open(struct api *api) {
    CHECK(pthread_mutex_init(&api->queueing.lock, NULL) == 0);
    CHECK(pthread_cond_init(&api->queueing.filled, NULL) == 0);
    signal_gate_init(&api->queueing.stop, 0, 0);
    thread_start(&api->queueing.thread, "reminder", remind, api);
}

void queueing_close(struct api *api) {
    signal_gate_publish(&api->queueing.stop, 1);
    CHECK(pthread_mutex_lock(&api->queueing.lock) == 0);
    CHECK(pthread_cond_signal(&api->queueing.filled) == 0);
    CHECK(pthread_mutex_unlock(&api->queueing.lock) == 0);
    CHECK(pthread_join(api->queueing.thread, NULL) == 0);
}

void queueing_free_all(struct api_loop *loop) {
    struct call **lists[] = {&loop->sent, &loop->parked};
    for (int i = 0; i < 2; i++)
        while (*lists[i] != NULL) {
            struct call *call = *lists[i];
            unlink_call(lists[i], call);
            call->request = NULL; // the server is gone, and its requests with it
            release(loop, call);
        }
}
