// SPDX-License-Identifier: MIT
// Takes the store's pulse: once in a while a thread of its own sends a small read through the
// engine and looks at the running totals. So whoever asks for health or metrics is told at once how
// the store is, also while it hangs and nobody else could ask. It also writes into the books, and
// so tells the world, when they differ; while they take nothing it tries again at the next beat.
#pragma once
#include "api/recount.h"
#include "base/buffer.h"
#include "engine/engine.h"

#define PULSE_CURRENCIES_MAX 64 // that metrics tell of

struct pulse;

struct pulse_state {
    uint64_t beats;    // that came back
    uint64_t took_us;  // the last of them
    uint64_t waits_ms; // for how long the present one has been on its way; 0: none is
    bool is_away;      // the last one came back as busy or broken
};

// Thread: the one that starts and stops the server. `every_ms`: between two beats. The recount
// hears when totals do not add up.
struct pulse *pulse_open(struct engine *engine, struct recount *recount, uint32_t every_ms);
void pulse_close(struct pulse *pulse); // waits for the present beat; accepts NULL
// Thread: any; waits for nothing.
void pulse_state_of(struct pulse *pulse, struct pulse_state *ret_state);
// Adds lines to /metrics: the beat, and the totals of up to PULSE_CURRENCIES_MAX currencies.
void pulse_metrics(struct pulse *pulse, struct buffer *buffer);
