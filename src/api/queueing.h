// SPDX-License-Identifier: MIT
// Calls that go through the queue: sent to the broker, then waited for in the books. Thread: the
// loop's, for all functions but those that open and close.
#pragma once
#include <pthread.h>

#include "api/call.h"
#include "api/door.h"
#include "base/signal_gate.h"

// Reminds loops of calls that wait for an outcome which another thread or node makes.
struct queueing {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint32_t parked; // over all loops
    struct signal_gate stop;
    pthread_t thread;
};

struct api;

// queueing.c
bool queueing_wants(const struct asking *asking, const struct call *call);
// Sends a decoded call through the queue. False: it goes without. True: it is seen to.
bool queueing_request(struct asking *asking, struct call *call);
void queueing_delivered(struct api_loop *loop, struct call *call);
// Asks the books about all that are parked.
void queueing_look(struct api_loop *loop);
// Of a call whose round is published. True: it is parked again.
bool queueing_finish(struct api_loop *loop, struct call *call);
// Answers a parked write whose round takes too long. False: it is no such call.
bool queueing_give_up(struct api_loop *loop, struct call *call);
void queueing_tick(struct api_loop *loop, uint64_t now_ns);
void queueing_note_parked(struct api *api, int change);
// Whether what it asked the books for is there.
bool queueing_is_known(const struct call *call);
void queueing_open(struct api *api);
void queueing_close(struct api *api);
void queueing_free_all(struct api_loop *loop);

// For queueing_batch.c.
// Whether the queue is wanted, and takes records of that version.
bool queueing_takes(const struct asking *asking, uint32_t version, bool is_urgent);
// False: the queue takes nothing now, and he is to go without it. `ret_answered`: he has been
// answered instead, and the call is released.
bool queueing_is_up(struct asking *asking, struct call *call, bool *ret_answered);
// A key for what came without; in `arena`.
struct slice queueing_make_key(struct arena *arena);
// Without its value and whom it tells.
struct queue_order queueing_order(const struct command *command, uint32_t version);
// Sends call->order with the request's body; call->command has its key. He is seen to.
void queueing_send(struct asking *asking, struct call *call, struct slice key);
void queueing_begin(struct asking *asking, struct call *call); // it is sent from now on
void queueing_undo(struct api_loop *loop, struct call *call);  // nothing of it was
// Answers whoever's command was not taken: STATUS_busy or STATUS_request_too_large.
void queueing_refuse_unsent(struct asking *asking, enum status status);
// The same when the broker has said so.
void queueing_answer_lost(struct api_loop *loop, struct call *call, bool is_too_large);
#define QUEUEING_SENTENCE_BYTES 192
const char *queueing_too_large(const struct api *api, char ret_text[QUEUEING_SENTENCE_BYTES]);
// What is told of an operation that was handed over and not acknowledged.
const char *queueing_unconfirmed(const char id_text[OPERATION_ID_BYTES],
                                 char ret_text[QUEUEING_SENTENCE_BYTES]);
void queueing_park(struct api_loop *loop, struct call *call);
// What the books said of a queued command: ok, or a refusal.
enum status queueing_outcome_of(const struct outcome *outcome, const struct operation_id *id,
                                struct refusal *ret_refusal);

// queueing_batch.c: batches that go through the queue as their operations.
// As queueing_wants and queueing_request. `batch`: decoded just now.
bool queueing_wants_batch(const struct asking *asking, const struct wire_batch *batch);
bool queueing_batch_request(struct asking *asking, struct call *call, struct wire_batch *batch);
void queueing_batch_delivered(struct api_loop *loop, struct call *call);
bool queueing_batch_finish(struct api_loop *loop, struct call *call); // as queueing_finish
bool queueing_batch_is_known(const struct call *call);
void queueing_batch_accepted(struct api_loop *loop, struct call *call); // 202 or 504
// Of an atomic batch, which is one record, and whose outcome is known: it is sent to the books,
// which answer with what they answered first; and that goes to its caller.
void queueing_whole_again(struct call *call);
void queueing_whole_answer(struct api_loop *loop, struct call *call);
