// SPDX-License-Identifier: MIT
// Between the files that know librdkafka.
#pragma once
#include <librdkafka/rdkafka.h>
#include <pthread.h>

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

// A message for a partition; its headers may be NULL.
struct kafka_parts {
    const char *topic;
    int32_t partition;
    struct slice key, value;
    rd_kafka_headers_t *headers;
    struct kafka_ticket *ticket;
};
// Hands it to librdkafka, which takes the headers only on success.
rd_kafka_error_t *kafka_hand_over(rd_kafka_t *handle, const struct kafka_parts *parts);

// kafka_lanes.c
// A message that waits to be handed over.
struct kafka_kept {
    struct kafka_kept *next;
    struct kafka_parts parts; // owned, behind it
    enum kafka_fate fate;     // if it is not handed over after all
};
struct kafka_kept *kafka_keep(const struct kafka_parts *parts); // takes the headers
void kafka_kept_drop(struct kafka_kept *kept);                  // and its headers

struct lane {
    uint32_t in_flight;
    uint64_t acked_ns; // when a broker last acknowledged one; 0: the handle's were never
    struct kafka_kept *first, **end; // what waits
};
// Of a producer whose messages name their partitions, all of one topic.
struct kafka_lanes {
    pthread_mutex_t lock;
    size_t waiting_bytes;
    struct lane lanes[KAFKA_PARTITIONS_MAX];
};
void kafka_lanes_init(struct kafka_lanes *lanes);
void kafka_lanes_done(struct kafka_lanes *lanes);
// Hands it over, or keeps it until it may be. Takes the headers only on success. Thread: any.
rd_kafka_error_t *kafka_lanes_send(struct kafka_lanes *lanes, rd_kafka_t *handle,
                                   const struct kafka_parts *parts);
// One has been delivered, or never will be. Returns what waited and is not taken now, whose owners
// have to be told.
struct kafka_kept *kafka_lanes_delivered(struct kafka_lanes *lanes, rd_kafka_t *handle,
                                         int32_t partition, bool is_kept);
struct kafka_kept *kafka_lanes_empty(struct kafka_lanes *lanes); // all that waits
void kafka_lanes_begin_again(struct kafka_lanes *lanes); // with a handle that no broker knows

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
