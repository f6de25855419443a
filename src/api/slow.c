// SPDX-License-Identifier: MIT
// Requests that took longer than they should: where their time went. The steps of a command:
//
//   parse   from its last byte until its round left     write  the round's bytes
//   queue   until the writer took the round             sync   until they were durable
//   decide  fetching and deciding all of the round      answer until its loop came to the round
//
// On PostgreSQL, behind `parse`, where somebody else had locked a row: `aside`, until it left for
// the last time.
#include "api/slow.h"

#include <stdio.h>

#include "api/call.h"
#include "api/flight.h"
#include "api/job.h"
#include "api/loop.h"
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

#define ASIDE_BYTES 32
// "" where it was never set aside.
static void aside_tell(const struct flight *flight, uint64_t *from_ns, char *ret_text) {
    unsigned long long aside = step_ms(from_ns, flight->left_ns);
    ret_text[0] = '\0';
    if (flight->left_ns != flight->first_left_ns)
        (void)snprintf(ret_text, ASIDE_BYTES, " aside %llu,", aside);
}

void slow_call(struct api_loop *loop, const struct call *call, const struct flight *flight,
               uint64_t now_ns) {
    uint64_t at_ns = call->started_ns;
    const struct round_times *times = &flight->round.times;
    // Who is parked asks every few milliseconds, for as long as he likes to wait.
    if (call->operation == NULL || call->request == NULL || call->stage == CALL_PARKED ||
        !is_slow(loop, at_ns, now_ns))
        return;
    unsigned long long all = (now_ns - at_ns) / 1000000;
    char aside[ASIDE_BYTES];
    unsigned long long parse = step_ms(&at_ns, flight->first_left_ns);
    aside_tell(flight, &at_ns, aside);
    unsigned long long queue = step_ms(&at_ns, times->taken_ns);
    unsigned long long decide = step_ms(&at_ns, times->decided_ns);
    unsigned long long write = step_ms(&at_ns, times->written_ns);
    unsigned long long sync = step_ms(&at_ns, times->synced_ns);
    struct slice id = call->submission.commands[0].origin.request_id;
    log_request(LOG_WARNING, "slow", id,
                "%s took %llu ms: parse %llu,%s queue %llu, decide %llu, write %llu, sync %llu, "
                "answer %llu",
                call->operation->name, all, parse, aside, queue, decide, write, sync,
                step_ms(&at_ns, now_ns));
}

void slow_call_given_up(struct api_loop *loop, const struct call *call,
                        const struct flight *flight) {
    uint64_t at_ns = call->started_ns, now_ns = clock_monotonic_ns();
    if (call->operation == NULL || !is_slow(loop, at_ns, now_ns))
        return;
    unsigned long long all = (now_ns - at_ns) / 1000000;
    char aside[ASIDE_BYTES];
    unsigned long long parse = step_ms(&at_ns, flight->first_left_ns);
    aside_tell(flight, &at_ns, aside);
    log_request(LOG_WARNING, "slow", call->submission.commands[0].origin.request_id,
                "%s took %llu ms: parse %llu,%s waits %llu; it was answered busy, and a retry with "
                "its key tells what became of it",
                call->operation->name, all, parse, aside, step_ms(&at_ns, now_ns));
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
