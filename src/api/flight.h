// SPDX-License-Identifier: MIT
// Calls of one loop that go to the engine in one round, and how flights are filled, sent and come
// back. Thread: the loop's, for all functions.
#pragma once
#include "api/call.h"
#include "api/completion.h"
#include "engine/engine.h"

#define API_PASS_WAIT_NS      UINT64_C(5000000) // how long a pass waits for its own round
#define API_ROUND_AWAITED_MAX 512               // commands; a larger round is not waited for
#define API_CARRIED_MS        3
#define API_GATHER_NS_MAX     60000 // for those who were just answered
#define API_GATHER_MAX        24    // with more, one half comes while the disk has the other
#define API_GATHERS_VAIN      8     // in a row, until it is tried seldom
#define API_GATHERS_APART     64
#define API_WAITING_BYTES_MAX                                                                      \
    (UINT64_C(1) << 30) // memory of calls on their way, over all loops; beyond it: busy
// However many loops there are: the largest batch finds room, twice where it asks for its outcomes.
#define API_LOOP_BYTES_MIN (UINT64_C(64) << 20)
static_assert(4 * LIMIT_BATCH_OPERATIONS_MAX * (sizeof(struct command) + sizeof(struct outcome)) <
                  API_LOOP_BYTES_MIN,
              "the largest batch and another one");

// A round of one loop, from its first call to its last answer.
struct flight {
    struct completion done; // first
    struct round round;
    struct api_loop *loop;
    struct call *first, *last;
    struct submission *last_submission;
    struct flight *previous, *next; // among those submitted and unpublished; aside; or in the pool
    uint64_t opened_ns;
    uint64_t first_left_ns; // for the engine, or 0
    uint64_t left_ns;       // the last time: a round that was set aside leaves again
    uint64_t lane;          // while flights are taken apart, the port's
    bool gave_up; // its requests have been answered `busy`
    bool has_writes;
};

// rounds.c
// False: too much waits already; the call was not taken.
bool rounds_add(struct api_loop *loop, struct call *call);
// Counts the memory of a call of `commands` before it is added. False: too much waits already.
bool rounds_reserve(struct api_loop *loop, struct call *call, uint64_t commands);
void rounds_unreserve(struct api_loop *loop, struct call *call);
bool rounds_pass_end(void *context, unsigned loop);
bool rounds_woken(void *context, unsigned loop);
void rounds_tick(void *context, unsigned loop);
bool rounds_wants_tick(void *context, unsigned loop);
void rounds_loop_ended(void *context, unsigned loop); // sends the last notes
void rounds_free_all(struct api_loop *loop);

// A flight from the pool, and its next call. For lanes.c.
struct flight *rounds_flight_take(struct api_loop *loop);
void rounds_flight_add(struct flight *flight, struct call *call);
// lanes.c: its calls in flights of their own where they need other servers, linked by `next`.
struct flight *lanes_split(struct api_loop *loop, struct flight *flight);
// Submits what rounds_add has gathered.
void rounds_submit_open(struct api_loop *loop);
