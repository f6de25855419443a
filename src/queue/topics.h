// SPDX-License-Identifier: MIT
// What a topic must be like before money depends on it, and making one that is not there.
#pragma once
#include "queue/kafka.h"

// What a topic must take that Florin writes to: a write's body or an event with all that a record
// has beside it, and as much as goes together.
#define TOPIC_RECORD_BYTES_MIN 131072

struct topic_wish {
    const char *name;
    uint32_t partitions;   // of a topic that is made; `partitions_exactly`: of any
    bool partitions_exactly;
    uint32_t replicas_min; // below 3 and 2 it is said once that less was asked for
    uint32_t min_insync_min;
    uint64_t retention_ms;     // of a topic that is made
    uint64_t retention_ms_max; // longer is refused; 0: any
    uint32_t record_bytes_min; // it must take records of that size
};

// Looks, and makes it when it is missing. STATUS_busy: no broker told; STATUS_invalid_request: it
// is not as it must be, `ret_why` says in a sentence what and what to do. `ret_facts`: what it is
// like. Thread: one at a time.
MUST_CHECK enum status topic_ensure(struct kafka_producer *producer, const struct topic_wish *wish,
                                    uint32_t wait_ms, struct kafka_topic_facts *ret_facts,
                                    char *ret_why, size_t why_bytes);
// Only whether it keeps what it acknowledges, as far as a broker has told.
MUST_CHECK enum status topic_check_keeps(const struct topic_wish *wish,
                                         const struct kafka_topic_facts *facts, char *ret_why,
                                         size_t why_bytes);
// The same without a broker, for what one has told.
MUST_CHECK enum status topic_check(const struct topic_wish *wish,
                                   const struct kafka_topic_facts *facts, char *ret_why,
                                   size_t why_bytes);
