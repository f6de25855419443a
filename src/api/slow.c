// SPDX-License-Identifier: MIT
// Requests that took longer than they should: where their time went. The steps of a command:
//
//   parse   from its last byte until its round left     write  the round's bytes
//   queue   until the writer took the round             sync   until they were durable
//   decide  fetching and deciding all of the round      answer until its loop came to the round
#include "api/parts.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

static bool is_slow(struct api_loop *loop, uint64_t started_ns, uint64_t now_ns) {
    uint64_t most_ns = (uint64_t)loop->api->options.slow_request_ms * 1000000;
    if (most_ns == 0 || now_ns - started_ns <= most_ns)
        return false;
    metrics_add(&loop->metrics.slow_requests, 1);
    return true;
}

// From one moment to the next, in milliseconds; those that nobody told take no time.
static unsigned long long step_ms(uint64_t *from_ns, uint64_t until_ns) {
    uint64_t span_ns = until_ns > *from_ns ? until_ns - *from_ns : 0;
    if (until_ns > *from_ns)
        *from_ns = until_ns;
    return span_ns / 1000000;
}

void slow_call(struct api_loop *loop, const struct call *call, const struct flight *flight,
               uint64_t now_ns) {
    uint64_t at_ns = call->started_ns;
    const struct round_times *times = &flight->round.times;
    if (call->operation == NULL || call->request == NULL || !is_slow(loop, at_ns, now_ns))
        return;
    unsigned long long all = (now_ns - at_ns) / 1000000;
    unsigned long long parse = step_ms(&at_ns, flight->left_ns);
    unsigned long long queue = step_ms(&at_ns, times->taken_ns);
    unsigned long long decide = step_ms(&at_ns, times->decided_ns);
    unsigned long long write = step_ms(&at_ns, times->written_ns);
    unsigned long long sync = step_ms(&at_ns, times->synced_ns);
    struct slice id = call->submission.commands[0].origin.request_id;
    log_request(LOG_WARNING, "slow", id,
                "%s took %llu ms: parse %llu, queue %llu, decide %llu, write %llu, sync %llu, "
                "answer %llu",
                call->operation->name, all, parse, queue, decide, write, sync,
                step_ms(&at_ns, now_ns));
}

void slow_job(struct api_loop *loop, const struct job *job) {
    uint64_t now_ns = clock_monotonic_ns();
    if (job->kind == JOB_INTEGRITY || !is_slow(loop, job->started_ns, now_ns))
        return;
    uint64_t begun_ns = job->begun_ns > job->started_ns ? job->begun_ns : job->started_ns;
    log_request(LOG_WARNING, "slow", job->origin.request_id,
                "%s took %llu ms: queue %llu, read %llu", job->operation->name,
                (unsigned long long)((now_ns - job->started_ns) / 1000000),
                (unsigned long long)((begun_ns - job->started_ns) / 1000000),
                (unsigned long long)((now_ns - begun_ns) / 1000000));
}
