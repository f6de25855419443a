// SPDX-License-Identifier: MIT
// A batch goes through the queue as its operations, in order, each to the partition of its own
// home: those of one home are carried out in the batch's order. Each has the key that it would have
// on the way straight to the books, so a batch that is sent again, either way, is the same
// operations. An atomic batch is one record, at home where its first operation is.
//
//   the door looks at all ─▶ sent, one after another ─▶ the last is acknowledged ─┬─▶ 202
//                                                                                 └─▶ parked
//
// At the deadline what the broker has is told as queued, and what it may have as unconfirmed; the
// whole is unconfirmed when it has nothing.
//
// Parked it asks only about the last operation of each home; once they are known, about all at
// once, so that one round has everything that the answer needs.
#include "api/queueing.h"

#include <stdatomic.h>

#include "api/answers.h"
#include "api/call.h"
#include "api/door.h"
#include "api/flight.h"
#include "api/loop.h"
#include "api/notes.h"
#include "base/clock.h"
#include "wire/queued.h"

#define RECORD_BYTES_MORE 2048 // that a record has beside the body: its key may be all escapes

enum part_state {
    PART_REFUSED, // at the door, or the queue did not take it; its outcome says why
    PART_SENT,    // on its way: it may be carried out
    PART_UNSURE,  // the same, and nobody will say so any more
    PART_KEPT,    // the broker has it
    PART_LOST,    // the broker never will
    PART_TOO_LARGE // the same: the topic takes no record as large
};

// An operation.
struct queued_part {
    struct queue_order order; // first
    struct call *call;
    struct operation_id id;
    char id_text[OPERATION_ID_BYTES];
    _Atomic uint8_t state; // enum part_state
};

struct queued_batch {
    struct command *commands;
    struct outcome *outcomes; // of those that are refused, and of all when it is answered
    struct queued_part *parts;
    uint32_t count;
    atomic_uint left; // that were sent and not heard of, plus one while more are sent
    uint32_t *asked;  // what the present submission asks for: indexes of parts
    uint32_t asked_count, coming_count;
};

// ---- sending ----------------------------------------------------------------------------------

// One less is left; the last one brings the call home.
static void part_ends(struct call *call) {
    struct api_loop *loop = call->loop;
    struct http_server *server = loop->api->server;
    unsigned index = loop->index;
    if (atomic_fetch_sub(&call->batch->left, 1) != 1)
        return;
    inbox_push(&loop->done, &call->done.node);
    http_wake(server, index); // the call is the loop's again and must not be touched
}

// Thread: the queue's.
static void delivered(struct queue_order *order, enum kafka_fate fate) {
    static const uint8_t states[] = {[KAFKA_LOST] = PART_LOST,
                                     [KAFKA_TOO_LARGE] = PART_TOO_LARGE,
                                     [KAFKA_UNSURE] = PART_UNSURE,
                                     [KAFKA_KEPT] = PART_KEPT};
    struct queued_part *part = (struct queued_part *)order;
    struct call *call = part->call;
    atomic_store(&part->state, states[fate]);
    part_ends(call);
}

static void refuse_part(struct queued_batch *batch, uint32_t index, enum status status) {
    outcome_end(&batch->outcomes[index], status);
    batch->outcomes[index].refusal.id_type = ID_WALLET;
    atomic_store(&batch->parts[index].state, PART_REFUSED);
}

static struct queued_batch *batch_new(struct call *call, const struct wire_batch *wire) {
    struct queued_batch *batch = arena_take(&call->arena, sizeof(*batch));
    memset(batch, 0, sizeof(*batch));
    batch->commands = wire->commands;
    batch->count = wire->count;
    batch->outcomes = arena_take(&call->arena, wire->count * sizeof(*batch->outcomes));
    batch->parts = arena_take(&call->arena, wire->count * sizeof(*batch->parts));
    atomic_init(&batch->left, 1);
    for (uint32_t i = 0; i < wire->count; i++) {
        batch->parts[i].call = call;
        atomic_init(&batch->parts[i].state, PART_SENT);
    }
    return batch;
}

// Sends one. What it ends with otherwise: as queue_send.
static enum status send_part(struct asking *asking, struct call *call, uint32_t index,
                      struct json_value value) {
    struct api *api = asking->loop->api;
    struct queued_part *part = &call->batch->parts[index];
    struct command *command = &call->batch->commands[index];
    struct buffer *text = http_body_out(asking->request);
    struct slice key = wire_own_key(value);
    uint32_t batch_index = WIRE_NO_BATCH_INDEX;
    if (key.size == 0 && command->has_key) {
        key = asking->headers.wire.idempotency_key;
        batch_index = index;
    } else if (key.size == 0) { // so that a second delivery of its record changes nothing
        key = queueing_make_key(&call->arena);
        command->has_key = true;
        command->key = wire_key_digest(command->origin.principal, key);
        command->request = wire_request_digest(command, &call->arena);
    }
    part->id = operation_id_of(command->key, command->request, command_home_slot(command));
    operation_id_format(&api->engine->seal, &part->id, part->id_text);
    buffer_reset(text);
    wire_render_queued_operation(text, value, key, batch_index);
    uint32_t version = batch_index == WIRE_NO_BATCH_INDEX ? 1 : WIRE_QUEUE_VERSION_BATCH;
    part->order = queueing_order(command, version);
    part->order.value = buffer_slice(text);
    part->order.delivered = delivered;
    atomic_fetch_add(&call->batch->left, 1);
    enum status status = queue_send(api->options.queue, &part->order);
    if (status != STATUS_ok)
        atomic_fetch_sub(&call->batch->left, 1); // never the last: one is for sending
    return status;
}

// In order; behind the first that the queue has no room for nothing is sent, so that no operation
// overtakes one of its home. How many were; none: why not.
static uint32_t send_all(struct asking *asking, struct call *call, struct json_value operations,
                         enum status *ret_why) {
    struct queued_batch *batch = call->batch;
    struct json_cursor cursor = json_items(operations);
    struct json_value value;
    uint32_t sent = 0;
    enum status status = STATUS_ok;
    for (uint32_t i = 0; json_next_item(&cursor, &value); i++) {
        const struct command *command = &batch->commands[i];
        CHECK(i < batch->count);
        if (command->type == COMMAND_INVALID) {
            refuse_part(batch, i, (enum status)command->door);
            continue;
        }
        if (status != STATUS_busy)
            status = send_part(asking, call, i, value);
        if (status != STATUS_ok)
            refuse_part(batch, i, status);
        else
            sent++;
    }
    *ret_why = status;
    buffer_reset(http_body_out(asking->request));
    return sent;
}

bool queueing_wants_batch(const struct asking *asking, const struct wire_batch *batch) {
    bool derives = asking->headers.wire.has_idempotency_key || batch->atomic;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        wrong += batch->commands[i].type == COMMAND_INVALID;
    // What is refused as a whole is refused at once; what no record holds goes without the queue.
    if (wrong == batch->count || (batch->atomic && wrong != 0))
        return false;
    size_t record_bytes = http_body(asking->request).size + RECORD_BYTES_MORE;
    const struct queue *queue = asking->loop->api->options.queue;
    uint32_t most = queue == NULL ? 0 : queue_record_bytes_max(queue);
    if (most == 0 || most > QUEUE_VALUE_BYTES_MAX)
        most = QUEUE_VALUE_BYTES_MAX;
    if (batch->atomic && record_bytes > most)
        return false;
    return queueing_takes(asking, derives ? WIRE_QUEUE_VERSION_BATCH : 1, false);
}

// ---- atomic batches ---------------------------------------------------------------------------

static void send_whole(struct asking *asking, struct call *call, const struct wire_batch *wire) {
    struct slice key = asking->headers.wire.idempotency_key;
    call->whole = arena_take(&call->arena, sizeof(*call->whole));
    *call->whole = *wire;
    if (!call->whole->batch.has_key) {
        key = queueing_make_key(&call->arena);
        wire_give_batch_key(call->whole, key, &call->arena);
    }
    call->command = call->whole->batch;
    call->order = queueing_order(&call->command, WIRE_QUEUE_VERSION_BATCH);
    call->order.slot = command_home_slot(&call->whole->commands[0]);
    queueing_send(asking, call, key);
}

void queueing_whole_again(struct call *call) {
    struct wire_batch *whole = call->whole;
    size_t outcome_bytes = whole->count * sizeof(struct outcome);
    call->submission = (struct submission){.commands = whole->commands,
                                           .outcomes = arena_take(&call->arena, outcome_bytes),
                                           .count = whole->count,
                                           .is_batch = true,
                                           .atomic = true,
                                           .batch = whole->batch};
    memset(call->submission.outcomes, 0, outcome_bytes);
}

void queueing_whole_answer(struct api_loop *loop, struct call *call) {
    struct outcome *whole = &call->submission.batch_outcome;
    uint32_t index = whole->refusal.operation;
    if (call->request == NULL)
        return; // the deadline answered it
    // Whether it was a replay, nobody knows any more; but which operation undid it is known.
    if (whole->replayed && whole->status != STATUS_ok && index < call->submission.count)
        call->submission.outcomes[index].status = whole->status;
    whole->replayed = false;
    batches_answer(loop, call);
    call->request = NULL;
}

bool queueing_batch_request(struct asking *asking, struct call *call, struct wire_batch *wire) {
    struct api_loop *loop = asking->loop;
    bool answered;
    if (!queueing_is_up(asking, call, &answered))
        return answered;
    if (!rounds_reserve(loop, call, 2 * (uint64_t)wire->count)) { // what asks, and what was asked
        calls_release(loop, call);
        answers_refuse(asking, STATUS_busy, NULL);
        return true;
    }
    if (wire->atomic) {
        send_whole(asking, call, wire);
        return true;
    }
    call->batch = batch_new(call, wire);
    call->faults = wire->faults;
    call->submission = (struct submission){.commands = wire->commands,
                                           .outcomes = call->batch->outcomes,
                                           .count = wire->count,
                                           .is_batch = true};
    queueing_begin(asking, call);
    enum status why;
    if (send_all(asking, call, wire->operations, &why) == 0) {
        queueing_undo(loop, call);
        queueing_refuse_unsent(asking, why);
        return true;
    }
    for (uint32_t i = 0; i < wire->count; i++)
        if (wire->commands[i].type == COMMAND_INVALID)
            notes_operation(loop, asking->operation, &wire->commands[i]);
    part_ends(call);
    return true;
}

// ---- answers ----------------------------------------------------------------------------------

static enum part_state state_of(const struct queued_batch *batch, uint32_t index) {
    return (enum part_state)atomic_load(&batch->parts[index].state);
}

// What the broker refused is refused from now on.
static void take_lost(struct queued_batch *batch, uint32_t index) {
    enum part_state state = state_of(batch, index);
    if (state == PART_LOST)
        refuse_part(batch, index, STATUS_busy);
    else if (state == PART_TOO_LARGE)
        refuse_part(batch, index, STATUS_request_too_large);
}

static void render_part(struct buffer *body, const struct call *call, uint32_t index,
                        enum part_state state) {
    struct queued_batch *batch = call->batch;
    const struct queued_part *part = &batch->parts[index];
    char sentence[QUEUEING_SENTENCE_BYTES];
    wire_batch_result(body, index);
    if (state == PART_KEPT) {
        wire_batch_result_queued(body, slice_of(part->id_text, OPERATION_ID_BYTES));
    } else if (state == PART_SENT || state == PART_UNSURE) {
        problem_render_door(body, STATUS_unconfirmed, queueing_unconfirmed(part->id_text, sentence),
                            PROBLEM_NO_OPERATION);
    } else {
        take_lost(batch, index);
        batches_render_problem(body, call, index, &batch->outcomes[index], PROBLEM_NO_OPERATION);
    }
}

void queueing_batch_accepted(struct api_loop *loop, struct call *call) {
    struct queued_batch *batch = call->batch;
    struct buffer *body = http_body_out(call->request);
    uint32_t kept_count = 0;
    buffer_reset(body);
    wire_batch_begin(body);
    for (uint32_t i = 0; i < batch->count; i++) {
        enum part_state state = state_of(batch, i); // the queue's thread may be telling it
        kept_count += state == PART_KEPT;
        render_part(body, call, i, state);
    }
    if (kept_count == 0) {
        answers_tell_request_id(call->request, batch->commands[0].origin.request_id);
        answers_unconfirmed(loop, call->request, call->operation, call->started_ns, NULL);
        call->request = NULL;
        return;
    }
    wire_batch_end(body);
    answers_send(loop, call->request, call->operation, call->started_ns, 202, "application/json",
                 buffer_slice(body));
    call->request = NULL;
}

// As if it had gone straight to the books: `known` are the outcomes of all that was asked for.
static void answer_known(struct api_loop *loop, struct call *call, const struct outcome *known) {
    struct queued_batch *batch = call->batch;
    for (uint32_t i = 0; i < batch->asked_count; i++) {
        uint32_t index = batch->asked[i];
        struct outcome *outcome = &batch->outcomes[index];
        struct refusal refusal;
        *outcome = known[i];
        outcome->status =
            (uint8_t)queueing_outcome_of(outcome, &batch->parts[index].id, &refusal);
        outcome->refusal = refusal;
        outcome->replayed = false; // whether it was, nobody knows any more
    }
    call->submission = (struct submission){.commands = batch->commands,
                                           .outcomes = batch->outcomes,
                                           .count = batch->count,
                                           .is_batch = true};
    batches_answer(loop, call);
    call->request = NULL;
}

// ---- asking for outcomes ----------------------------------------------------------------------

// Whether it may be carried out, and the books are to be asked.
static bool is_coming(const struct queued_batch *batch, uint32_t index) {
    enum part_state state = state_of(batch, index);
    return state == PART_KEPT || state == PART_UNSURE;
}

static bool asks_for_all(const struct queued_batch *batch) {
    return batch->asked_count == batch->coming_count;
}

static void ask(struct call *call) {
    struct queued_batch *batch = call->batch;
    struct submission *submission = &call->submission;
    for (uint32_t i = 0; i < batch->asked_count; i++) {
        const struct queued_part *part = &batch->parts[batch->asked[i]];
        const struct command *command = &batch->commands[batch->asked[i]];
        submission->commands[i] = (struct command){.type = COMMAND_READ_OPERATION,
                                                   .has_key = true,
                                                   .key = part->id.key,
                                                   .slot = part->id.slot,
                                                   .bound_to = command->bound_to,
                                                   .origin = command->origin};
    }
    submission->count = batch->asked_count;
}

static void ask_for_all(struct call *call) {
    struct queued_batch *batch = call->batch;
    batch->asked_count = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        if (is_coming(batch, i))
            batch->asked[batch->asked_count++] = i;
    CHECK(asks_for_all(batch));
    ask(call);
}

// Where the last operation of a home is known, those before it mostly are.
static void ask_for_last(struct call *call) {
    struct queued_batch *batch = call->batch;
    bool is_seen[LIMIT_SLOTS] = {false};
    batch->asked_count = 0;
    for (uint32_t i = batch->count; i-- > 0;) {
        if (!is_coming(batch, i) || is_seen[batch->parts[i].id.slot])
            continue;
        is_seen[batch->parts[i].id.slot] = true;
        batch->asked[batch->asked_count++] = i;
    }
    ask(call);
}

void queueing_batch_delivered(struct api_loop *loop, struct call *call) {
    struct queued_batch *batch = call->batch;
    struct arena *arena = &call->arena;
    CHECK(atomic_load(&batch->left) == 0);
    bool passes = false; // something might be taken another time
    for (uint32_t i = 0; i < batch->count; i++) {
        bool comes = is_coming(batch, i);
        batch->coming_count += comes;
        take_lost(batch, i);
        passes = passes || (!comes && batch->outcomes[i].status == STATUS_busy);
    }
    if (batch->coming_count == 0) {
        queueing_answer_lost(loop, call, !passes);
        return;
    }
    if (call->is_async) {
        queueing_batch_accepted(loop, call);
        return;
    }
    batch->asked = arena_take(arena, batch->coming_count * sizeof(*batch->asked));
    call->queued_type = COMMAND_NONE;
    call->submission.commands = arena_take(arena, batch->coming_count * sizeof(struct command));
    call->submission.outcomes = arena_take(arena, batch->coming_count * sizeof(struct outcome));
    ask_for_last(call);
    queueing_park(loop, call);
}

bool queueing_batch_is_known(const struct call *call) {
    const struct submission *submission = &call->submission;
    for (uint32_t i = 0; i < submission->count; i++)
        if (submission->outcomes[i].status != STATUS_ok)
            return false;
    return asks_for_all(call->batch);
}

// Asks again: for what is not known yet, or, when all that was asked for is known, for everything.
static void ask_again(struct call *call) {
    struct queued_batch *batch = call->batch;
    const struct outcome *outcomes = call->submission.outcomes;
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < batch->asked_count; i++)
        if (outcomes[i].status != STATUS_ok)
            batch->asked[unknown++] = batch->asked[i];
    batch->asked_count = unknown;
    if (unknown == 0)
        ask_for_all(call);
    else
        ask(call);
}

bool queueing_batch_finish(struct api_loop *loop, struct call *call) {
    bool is_over = clock_monotonic_ns() >= call->until_ns;
    if (call->request != NULL && queueing_batch_is_known(call)) {
        answer_known(loop, call, call->submission.outcomes);
    } else if (call->request != NULL && is_over) {
        queueing_batch_accepted(loop, call);
    } else if (call->request != NULL) {
        ask_again(call);
        metrics_add(&loop->metrics.waiting_calls, UINT64_MAX);
        queueing_park(loop, call);
        return true;
    } // else the deadline answered it
    call->stage = CALL_DIRECT;
    return false;
}
