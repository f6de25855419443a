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

#define RATE_SHARE_PATH_BYTES    256
#define RATE_SHARE_USER_BYTES    64

struct rate_share;

// Where Redis is, and who we are to it. The file is read at each connection, so that a password can
// be changed; its first line counts.
struct rate_share_place {
    char address[RATE_SHARE_ADDRESS_BYTES]; // HOST:PORT
    char user[RATE_SHARE_USER_BYTES];       // empty: the default one
    char password_file[RATE_SHARE_PATH_BYTES]; // empty: Redis asks for none
};

struct rate_share_state {
    bool shared; // Redis answers
    uint64_t failures, dropped;
};

// Told from the thread when Redis goes or comes; `why` is NULL when it came.
typedef void (*rate_share_tell)(void *context, const char *why);

// Starts the thread; Redis need not be there. `place` is copied. Thread: any.
struct rate_share *rate_share_open(struct rate_limiter *limiter,
                                   const struct rate_share_place *place, rate_share_tell tell,
                                   void *context);
void rate_share_close(struct rate_share *share); // accepts NULL; before the limiter
// Notes what was taken. Thread: any; a short lock.
void rate_share_note(struct rate_share *share, uint32_t rule, uint64_t who, uint32_t tokens);
struct rate_share_state rate_share_state(struct rate_share *share);
