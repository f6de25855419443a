// SPDX-License-Identifier: MIT
// What happened, counted per loop by the loop's own thread with plain relaxed stores, so that
// counting shares no cache line; whoever prints adds the loops up. The text is that of Prometheus.
#pragma once
#include <stdint.h>

#include "access/rate_limit.h"
#include "base/buffer.h"
#include "wire/operations.h"

// The codes that Florin answers with; anything else counts as 500, and a test holds the list
// against base/status.def.
#define METRICS_CODE_COUNT        25
#define METRICS_DURATION_BUCKETS  13 // the last one has no upper bound
#define METRICS_ROUND_BUCKETS     10
#define METRICS_OPERATION_UNKNOWN OPERATION_COUNT // refused before its operation was known

struct metrics {
    uint64_t answers[OPERATION_COUNT + 1][METRICS_CODE_COUNT];
    uint64_t durations[METRICS_DURATION_BUCKETS]; // of all answers
    uint64_t duration_us_total;
    uint64_t rounds[METRICS_ROUND_BUCKETS]; // by commands in them
    uint64_t round_count;
    uint64_t round_commands;
    uint64_t deadlines_missed;         // requests answered `busy` because their time was over
    uint64_t waiting_calls;            // on their way right now
    uint64_t limited[RATE_LIMITS_MAX]; // refused by that limit
    uint64_t round_times[METRICS_DURATION_BUCKETS]; // from leaving to landing
    uint64_t round_us_total;
    uint64_t operation_us[OPERATION_COUNT + 1];
    uint64_t slow_requests;
    uint64_t notes, notes_lost;        // entries of the audit that have no other record
};

// Thread: the loop's.
void metrics_count_answer(struct metrics *metrics, uint32_t operation_code, int http,
                          uint64_t duration_ns);
void metrics_count_round_time(struct metrics *metrics, uint64_t duration_ns);
void metrics_count_round(struct metrics *metrics, uint32_t command_count);
static inline void metrics_add(uint64_t *counter, uint64_t value) {
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + value, __ATOMIC_RELAXED);
}

struct api;
// Appends the whole page. Thread: any loop's; waits for nothing.
void metrics_render(struct api *api, struct buffer *buffer);
