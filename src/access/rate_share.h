// SPDX-License-Identifier: MIT
// Limits that several nodes share through Redis. A node decides alone, at once, by its own buckets;
// a thread tells Redis every 50 ms what was taken and learns how full each of those buckets is over
// all nodes, which then holds here too. So nobody ever waits for Redis, a burst may be let through
// by each node once within that time, and when Redis is away every node limits by itself.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "access/rate_limit.h"

#define RATE_SHARE_ADDRESS_BYTES 256

struct rate_share;

struct rate_share_state {
    bool shared; // Redis answers
    uint64_t failures, dropped;
};

// Told from the thread when Redis goes or comes; `why` is NULL when it came.
typedef void (*rate_share_tell)(void *context, const char *why);

// `address` is HOST:PORT. Starts the thread; Redis need not be there. Thread: any.
struct rate_share *rate_share_open(struct rate_limiter *limiter, const char *address,
                                   rate_share_tell tell, void *context);
void rate_share_close(struct rate_share *share); // accepts NULL; before the limiter
// Notes what was taken. Thread: any; a short lock.
void rate_share_note(struct rate_share *share, uint32_t rule, uint64_t who, uint32_t tokens);
struct rate_share_state rate_share_state(struct rate_share *share);
