// SPDX-License-Identifier: MIT
// What of Kafka a process runs, wired from the configuration: the publisher of events, the door to
// the queue, and the worker.
#pragma once
#include "api/api.h"
#include "engine/engine.h"
#include "events/publisher.h"
#include "programs/config/config.h"
#include "queue/console.h"
#include "queue/queue.h"
#include "queue/worker.h"

struct serve_kafka {
    struct config_kafka *config; // borrowed; outlives this
    struct kafka_access access;
    struct console console;
    struct publisher *publishers[STANDING_PLACES_MAX]; // one for each shard
    uint32_t publisher_count;                       // 0: none
    struct queue *queue;
    // Of the common topic, and behind it those of producers' own topics, in their order.
    struct worker *workers[1 + CURSOR_OWN_TOPICS_MAX];
    struct wire_currencies currencies;
};

// Reads the settings and opens the door to the queue, which the api needs. Nothing is opened when
// no brokers are configured. False: it has been said why.
bool serve_kafka_prepare(struct serve_kafka *kafka, struct config *config, struct engine *engine);
// Starts the publisher and the worker. `alone`: no other process has these books.
bool serve_kafka_open(struct serve_kafka *kafka, struct config *config, struct engine *engine,
                      struct api *api, bool alone);
// For struct api_options: whether brokers answer. Thread: any.
uint32_t serve_kafka_dependencies(void *context, struct api_dependency *ret_found, uint32_t max);
// For /metrics. Thread: any.
void serve_kafka_metrics(void *kafka, struct buffer *buffer);
// Before the engine closes. Accepts what was never opened.
void serve_kafka_close(struct serve_kafka *kafka);
