// SPDX-License-Identifier: MIT
// The server's insides: one of each loop's, and what all loops share. A request's way through them:
//
//   router.c ─▶ public.c: answered at once, like every refusal at the door
//           ├─▶ commands.c, batches.c ─▶ a call ─▶ rounds.c ─▶ engine
//           │                                        └─▶ answers.c
//           └─▶ lists.c, integrity.c  ─▶ a job  ─▶ readers.c ─▶ engine
//                                                    └─▶ answered by its loop
#pragma once
#include <stdatomic.h>

#include "access/authenticate.h"
#include "access/permissions.h"
#include "access/rate_limit.h"
#include "access/rate_share.h"
#include "access/secret.h"
#include "api/api.h"
#include "api/flight.h"
#include "api/job.h"
#include "api/metrics.h"
#include "api/queueing.h"
#include "base/buffer.h"
#include "base/inbox.h"
#include "base/json.h"
#include "wire/operations.h"
#include "wire/render.h"

#define API_RESULT_BYTES   512 // of an operation in the answer of a batch, roughly
#define API_LOOP_ALIGNMENT 128 // two cache lines: processors fetch them in pairs

struct notes;
struct positions;

struct api_loop {
    struct api *api;
    unsigned index;
    struct json_parser *parser;
    struct sha256_context *hash;
    struct authenticator door;
    struct secret_memo secret; // the door's
    struct inbox done;                           // completions
    struct flight *open;                         // being filled in this pass; NULL: none yet
    struct flight *flights_first, *flights_last; // submitted and not published, oldest first
    struct flight *aloft;     // of them the one that was decided here and is at the disk; or NULL
    struct inbox_node *news;  // completions that came back and are to be looked at, oldest first
    struct inbox_node **news_end;
    uint64_t sync_ns;      // what a sync takes, as of the last dozen
    uint32_t gathers_vain; // in a row: hardly anybody came
    struct flight *aside; // published, but some of their calls are to be submitted again
    struct job *jobs_first, *jobs_last;          // on their way, oldest first
    struct call *sent, *parked;                  // on their way through the queue
    uint64_t parked_ask_ns; // the books are not asked about those before
    struct flight *free_flights;
    struct call *free_calls;
    struct call *free_batches;
    uint32_t free_batch_count;
    struct job *free_jobs;
    uint64_t waiting_bytes;
    uint64_t answering_ns; // since when a flight is answered; 0: none is right now
    uint64_t request_number;
    uint64_t request_prefix; // random: request ids of two starts differ
    struct notes *notes; // owned
    struct buffer rendered; // the answer that is being made, before it is copied to its request
    struct metrics metrics;
} __attribute__((aligned(API_LOOP_ALIGNMENT)));

struct api {
    struct api_options options;
    struct engine *engine;
    struct http_server *server;
    struct api_loop *loops;
    void *loops_memory; // what they lie in
    struct principal_source keys;
    struct wire_currencies currencies;
    enum permission permissions[OPERATION_COUNT];
    struct role_table roles;
    struct wire_roles wire_roles;
    uint64_t allowed_commands[ROLES_MAX]; // by role, as in wire_context
    uint8_t closed_guards[ROLES_MAX];     // by role: bit 1 << enum field_guard
    struct queueing queueing;
    struct readers lists;
    struct readers totals;   // one thread: the quick check waits for no list
    struct readers checks;   // one thread: checks of the whole books queue behind one another
    struct recount *recount;
    struct pulse *pulse; // NULL: nobody looks
    struct positions *positions;  // NULL: the engine has no other place to read from
    struct rate_limiter *limiter; // NULL: no limits
    struct rate_limiter *patience; // how often somebody is refused at once; NULL like limiter
    struct rate_share *rate_share; // NULL: not shared with other nodes
    struct buffer openapi;
    uint64_t opened_ns;
    atomic_bool stopping;
    bool stopped; // the readers have ended
};
