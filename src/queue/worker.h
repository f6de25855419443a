// SPDX-License-Identifier: MIT
// Carries queued commands out. Workers of all nodes share the topic's partitions as one group; each
// command takes effect exactly once, because the books keep the place of every slot and move it in
// the commit of the effects.
//
//   assigned ─▶ claim its slots (epoch + 1) ─▶ begin at the smallest place ─▶ batch ─▶ commit ─┐
//                                                                   ▲                          │
//      revoked: settle idle slots, let go ◀── fenced: drop ◀────────┴──────────────────────────┘
//
// A partition whose log does not fit the places stops with an alarm, and so does a slot whose
// command the engine itself cannot carry out; a person decides (docs/kafka.md).
#pragma once
#include "engine/engine.h"
#include "queue/topics.h"
#include "wire/decode.h"

struct worker;

struct worker_options {
    struct engine *engine;
    const struct kafka_access *access; // borrowed while it opens, as are the topics' names
    struct topic_wish commands, dead_letters;
    const char *group;
    uint32_t session_ms; // as in struct kafka_member
    enum cursor_kind places; // CURSOR_QUEUE, or the kind of a topic of a producer's own
    // Whose a topic of a producer's own is: a key's id as text; copied. NULL: records say and prove
    // whose they are.
    const char *principal;
    const struct wire_currencies *currencies; // borrowed; outlives the worker
    // What somebody of that role may have carried out now, into `wire`; `owner` is his key's.
    void (*admit)(void *context, uint8_t role, struct slice owner, struct wire_context *wire);
    void *context;
};

struct worker_stats {
    uint64_t commands;     // carried out, refusals by the rules included
    uint64_t skipped;      // the books had them already
    uint64_t dead_letters;
    uint64_t batches;
    uint64_t partitions;   // ours now
    uint64_t stopped;      // partitions and slots that wait for a person
    uint64_t waits;        // slots that wait for a shard, or a row that somebody has locked
    uint64_t lag;          // records of our partitions that are not carried out
    uint64_t oldest_ms;    // about the age of the oldest of them; 0: none
    uint64_t fenced;       // batches that another worker had taken over
};

// What waits for a person.
#define WORKER_STOPS_MAX 64
struct worker_stop {
    uint32_t partition;
    uint32_t slot; // LIMIT_SLOTS: the whole partition
    int64_t record; // of a slot: the one that it stands at; else -1
    char why[160];
};

MUST_CHECK enum status worker_open(const struct worker_options *options, char *ret_why,
                                   size_t why_bytes, struct worker **ret_worker);
void worker_stats(struct worker *worker, struct worker_stats *ret_stats);
// The first of them, by their partitions. Thread: any.
uint32_t worker_stops(struct worker *worker, struct worker_stop ret_stops[WORKER_STOPS_MAX]);
// Finishes its batch, settles, and leaves the group. The engine must still be open. Accepts NULL.
void worker_close(struct worker *worker);
