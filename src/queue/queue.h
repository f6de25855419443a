// SPDX-License-Identifier: MIT
// The door to the queue: hands commands that were let in to Kafka, and tells when all replicas in
// sync have them. Who waits for the outcome asks the books (COMMAND_READ_OPERATION).
#pragma once
#include "engine/engine.h"
#include "queue/kafka.h"
#include "queue/proof.h"
#include "queue/topics.h"

// Of a record's value: what brokers take if nobody says otherwise, and room for its headers.
#define QUEUE_VALUE_BYTES_MAX 900000

struct queue;

// A command on its way; its owner's memory until `delivered`.
struct queue_order {
    struct kafka_ticket ticket; // first
    // Called once. KAFKA_KEPT: it will be carried out; KAFKA_UNSURE: nobody knows; else it never
    // will. Thread: the queue's own.
    void (*delivered)(struct queue_order *order, enum kafka_fate fate);
    size_t bytes; // of its record, at most; queue_send says it
    // Copied by queue_send.
    uint32_t slot;
    uint32_t version; // of the record: queue_can_write
    struct slice principal; // as in command.origin
    struct slice value;     // wire_render_queued
    struct id principal_key;
    uint64_t token_until_ms; // as in struct command
    struct slice owner;      // whom it is bound to that came with a token; else empty
    const struct origin *origin;
};

struct queue_options {
    const struct engine *engine;       // its seal
    const struct kafka_access *access; // borrowed while it opens
    const char *group;                 // copied; that of the workers
    struct topic_wish topic;           // its name is copied; its partitions are by contract
};
struct queue_stats {
    uint64_t sent, delivered, failed, pending;
    bool is_up;
};

MUST_CHECK enum status queue_open(const struct queue_options *options, char *ret_why,
                                  size_t why_bytes, struct queue **ret_queue);
// Whether orders would be taken and acknowledged now, as far as is known. Thread: any; quick.
bool queue_is_up(struct queue *queue);
// Whether the topic is there, as far as a broker has told; false: the queue is not up either.
// Thread: any; quick.
bool queue_has_topic(const struct queue *queue);
// Whether the topic keeps what it acknowledges; false only when a broker has told that it does not,
// and then the queue is not up either. Thread: any; quick.
bool queue_keeps(const struct queue *queue);
// Whether every worker that is there reads records of that version. What only newer ones read goes
// without the queue until the last old worker has gone. Thread: any; quick.
bool queue_can_write(const struct queue *queue, uint32_t version);
// How large a record the topic takes, as far as its broker tells; 0: not known. Thread: any; quick.
uint32_t queue_record_bytes_max(const struct queue *queue);
// STATUS_busy: nothing was taken; STATUS_request_too_large: nor ever will be, its record is larger
// than the topic takes. Thread: any; quick.
MUST_CHECK enum status queue_send(struct queue *queue, struct queue_order *order);
void queue_stats(struct queue *queue, struct queue_stats *ret_stats);
// What is pending is given up: `delivered` hears of it. Accepts NULL.
void queue_close(struct queue *queue);
