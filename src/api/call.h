// SPDX-License-Identifier: MIT
// A request that became a submission. A call outlives its request: when the deadline is over the
// request is answered and gone, while the engine still reads the call's command and writes its
// outcome. So a call's memory is its own, from a pool, and never the request's arena. Thread: its
// loop's, but for what an engine writes.
#pragma once
#include "access/permissions.h"
#include "access/secret.h"
#include "api/completion.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "engine/engine.h"
#include "http/server.h"
#include "queue/queue.h"
#include "wire/decode.h"
#include "wire/operation_id.h"
#include "wire/operations.h"

#define API_CALL_BLOCK_BYTES  2048          // a payment's texts fit
#define API_BATCH_BLOCK_BYTES (1024 * 1024) // a batch of a thousand fits
#define API_BATCHES_KEPT_MAX  32            // pooled per loop; beyond it their memory is given back

struct api;
struct api_loop;

// Where a call is that goes through the queue (queueing.c).
enum call_stage { CALL_DIRECT, CALL_SENT, CALL_PARKED };

// A request that became a submission.
struct call {
    struct call *next;            // of its flight, or in the pool
    struct http_request *request; // NULL once it has been answered
    const struct operation *operation;
    struct id principal; // the key that asks
    uint64_t started_ns;
    struct submission submission; // of the command or batch below
    struct command command;
    struct outcome outcome;
    struct wire_faults **faults; // of a batch: why an operation is invalid
    struct arena arena;          // texts, and a batch's commands and outcomes
    struct buffer made;          // the answer, as far as it was made with the decision (made.c)
    uint32_t made_count;         // of commands
    int made_http;               // its code, of a single one
    uint64_t waiting_bytes;      // estimate, counted in api_loop.waiting_bytes
    bool is_large;               // from the pool of batches
    // Of one that goes through the queue, or asks about one that did.
    enum call_stage stage;
    struct completion done; // the broker has it, or never will
    struct queue_order order;
    struct api_loop *loop;
    struct call *previous_queued, *next_queued;
    struct operation_id operation_id;
    char operation_text[OPERATION_ID_BYTES];
    uint8_t queued_type; // enum command_type: what was asked, before the outcome is
    enum kafka_fate order_fate;
    bool is_kept; // the broker has acknowledged it, or the books know it
    bool is_async;
    uint64_t until_ns;
    struct queued_batch *batch; // in the arena; NULL: it is one record
    struct wire_batch *whole;   // in the arena: the record is an atomic batch
    bool wants_balance;          // a wallet read that is shown as its balance
    size_t secret_size;          // of a new key
    char secret[SECRET_BYTES_MAX];
};

// Whether the answer was made with the decision. Thread: the loop's, once its round is published.
static inline bool call_is_made(const struct call *call) {
    return call->made_count == call->submission.count;
}

// calls.c
struct call *calls_take(struct api_loop *loop, bool is_large);
void calls_release(struct api_loop *loop, struct call *call);
void calls_free_all(struct api_loop *loop);

// made.c
#ifdef FLORIN_SLOW_CHECKS
#define MADE_IS_COMPARED true // with what the records say
#else
#define MADE_IS_COMPARED false
#endif
// Before it is submitted: wants the answer made with the decision.
void made_begin(struct call *call);
// What was made is what the records say.
void made_check(const struct call *call, struct slice rendered);
void made_release(struct call *call);

// keys.c: gives a COMMAND_KEY_CREATE or COMMAND_KEY_ROTATE its secret; and the role of a key's
// record, when it is one of the configuration.
void keys_make_secret(struct call *call, const struct role_table *roles);
const char *keys_role_name(const struct api *api, struct slice record);
