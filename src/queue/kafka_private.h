// SPDX-License-Identifier: MIT
// Between the files that know librdkafka.
#pragma once
#include <librdkafka/rdkafka.h>

#include "queue/kafka.h"

#define KAFKA_CLIENT_WORD "florin-reads-" // and a version: the client's name of a worker

// A configuration for these brokers; NULL: a setting makes no sense (`ret_why`, without secrets).
rd_kafka_conf_t *kafka_conf_of(const struct kafka_access *access, char *ret_why, size_t why_bytes);
// Sets one more; the names are ours, so failing is our mistake.
void kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value);

// kafka.c
// The first offset that is there and the one behind the last, or why not; waits no longer.
rd_kafka_resp_err_t kafka_marks(rd_kafka_t *handle, const char *topic, int32_t partition,
                                uint32_t wait_ms, int64_t *ret_low, int64_t *ret_high);
rd_kafka_t *kafka_producer_handle(const struct kafka_producer *producer);

struct kafka_consumer {
    rd_kafka_t *handle;
    struct kafka_member member;
    char topic[256], group[512];
    uint64_t turn;
    bool was_assigned; // the group has told it its share, once at least
};

// kafka_group.c
// Asks to be a member; NULL: it is asked, else why not.
const char *kafka_join(struct kafka_consumer *consumer);
