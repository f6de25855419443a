// SPDX-License-Identifier: MIT
// Recounts the books all the time, at a pace of its own: each recount reads every record from the
// first, adds it up with the arithmetic of watch/ and compares the result with what the engine
// believes. Whoever finds a difference, a recount or /check-integrity, raises the alarm here.
#pragma once
#include <stdint.h>

#include "base/buffer.h"
#include "engine/engine.h"
#include "watch/integrity.h"

struct recount;

struct recount_options {
    struct engine *engine;
    uint32_t mib_per_s; // 0: no recounts, only the alarm
    uint32_t pause_s;   // before the first and between two
    bool stops_payments; // an alarm stops them until somebody decides
};

struct recount_state {
    uint64_t finished_ms;   // of the last recount; 0: none yet
    uint64_t took_ms;       // with its pauses
    uint64_t runs;          // finished
    uint32_t progress;      // of the present one, in thousandths
    uint64_t alarms;        // examinations that found a difference
    uint64_t examined_ms;   // the last examination, a recount or one that was asked for; 0: none
    bool consistent;        // what it found; true before the first
    bool stopped;           // payments are stopped
};

// Thread: the one that starts and stops the server.
struct recount *recount_open(const struct recount_options *options);
void recount_close(struct recount *recount); // cuts the present recount short; accepts NULL
// An examination has ended. Thread: any.
void recount_take(struct recount *recount, const struct integrity_report *report);
// Thread: any; waits for nothing.
void recount_state_of(const struct recount *recount, struct recount_state *ret_state);
// Somebody has decided that payments go on. Thread: any. False: they were not stopped.
bool recount_resume(struct recount *recount);
// Adds lines to /metrics.
void recount_metrics(const struct recount *recount, struct buffer *buffer);
