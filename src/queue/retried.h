// SPDX-License-Identifier: MIT
// What was sent back to its topic, and under whose idempotency key: the books remember it, so that
// a retry whose answer was lost sends nothing twice.
#pragma once
#include "engine/wait.h"

// Where a letter came to.
struct retried {
    uint64_t topic; // retried_topic of its name
    int32_t partition;
    int64_t offset;
};

uint64_t retried_topic(const char *name);
// Thread, of both: that of `wait`, which may wait for the books.

// STATUS_ok: it was sent back under that key. STATUS_fenced: it was not; also without a key.
MUST_CHECK enum status retried_find(struct engine_wait *wait, const struct origin *who,
                                    const struct decision_key *key, struct retried *ret_retried);
// It was, just now. Without a key nothing is remembered.
MUST_CHECK enum status retried_keep(struct engine_wait *wait, const struct origin *who,
                                    const struct decision_key *key, const struct retried *retried);
