// SPDX-License-Identifier: MIT
// Follows the feed behind a cursor that the books keep, lets patterns.h look at it, and tells what
// it finds. Payments never wait for it.
//
//   standby ─▶ claim ─▶ warm up: records of a day, nothing is told ─▶ follow: findings are told
//      ▲                                                                │ cursor: two days back
//      └───────────────────── fenced by another node ◀─────────────────┘
//
// The memory of patterns reaches back a day. So the cursor stays two days behind: a start reads the
// first of them to remember, and finds again in the second what may have been told already. Each
// finding has a digest of its own, the same when it is found again.
//
// Of books on several shards each shard has a cursor for its feed, one node holds all of them, and
// the feeds are looked at as one (pattern_feeds.h).
#pragma once
#include "base/hash.h"
#include "engine/wait.h"
#include "watch/patterns.h"

struct pattern_watch;

// What became of a finding: written, known already, or to be told again in a moment.
enum pattern_told { PATTERN_TOLD, PATTERN_KNOWN, PATTERN_TELL_LATER };

struct pattern_watch_options {
    struct engine *engine;
    struct pattern_setting settings[PATTERN_COUNT];
    bool is_off; // nobody looks until it is set otherwise
    bool alone; // no other node can be at it
    // Called with each finding. Thread: the watch's.
    enum pattern_told (*tell)(void *context, struct engine_wait *wait,
                              const struct pattern_finding *finding);
    void *context;
};

struct pattern_watch_stats {
    uint64_t findings[PATTERN_COUNT]; // told since the start
    uint64_t position, end;           // of the feed: read, and where it ends
    uint64_t turns;                   // how often the feed was read on
    bool is_watching;                 // on this node
};

// Starts the thread. The engine must outlive it.
struct pattern_watch *pattern_watch_open(const struct pattern_watch_options *options);
void pattern_watch_close(struct pattern_watch *watch); // accepts NULL
// From here on it looks for these, with what it remembers; or for nothing, when it is off. Thread:
// any.
void pattern_watch_set(struct pattern_watch *watch, bool is_off,
                       const struct pattern_setting settings[PATTERN_COUNT]);
// The same finding, found again, has the same. Thread: any.
struct digest128 pattern_digest(const struct pattern_finding *finding, uint64_t seed);
// Thread: any; waits for nothing.
void pattern_watch_stats(struct pattern_watch *watch, struct pattern_watch_stats *ret_stats);
