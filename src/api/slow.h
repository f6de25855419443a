// SPDX-License-Identifier: MIT
// A line in the log about a request that took longer than it should, with its steps. Thread: the
// loop's.
#pragma once
#include "api/call.h"
#include "api/flight.h"
#include "api/job.h"

// `now_ns`: when the loop came to its flight.
void slow_call(struct api_loop *loop, const struct call *call, const struct flight *flight,
               uint64_t now_ns);
void slow_job(struct api_loop *loop, const struct job *job);
// One that is answered busy while its round, which left then (0: not yet), is on its way.
void slow_call_given_up(struct api_loop *loop, const struct call *call,
                        const struct flight *flight);
