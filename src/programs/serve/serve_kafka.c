// SPDX-License-Identifier: MIT
// Wires Kafka.
#include "programs/serve/serve_kafka.h"

#include <stdio.h>

#include "base/log.h"
#include "base/metric.h"

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

static struct topic_wish topic_wish_of(const struct config_kafka *config, const char *name) {
    return (struct topic_wish){.name = name,
                               .partitions = (uint32_t)config->partitions,
                               .replicas_min = (uint32_t)config->replicas,
                               .min_insync_min = (uint32_t)config->min_insync,
                               .retention_ms = config->retention_hours * HOUR_MS};
}

static bool open_publisher(struct serve_kafka *kafka, const struct feed_source *source,
                           bool alone) {
    char why[KAFKA_WHY_BYTES] = "";
    struct publisher_options options = {
        .source = source,
        .access = &kafka->access,
        .topic = topic_wish_of(kafka->config, kafka->config->events_topic),
        .alone = alone,
    };
    options.topic.record_bytes_min = TOPIC_RECORD_BYTES_MIN;
    if (publisher_open(&options, why, sizeof(why), &kafka->publishers[kafka->publisher_count]) ==
        STATUS_ok) {
        kafka->publisher_count++;
        return true;
    }
    fprintf(stderr, "florin: events cannot be published: %s\n", why);
    return false;
}

static bool open_publishers(struct serve_kafka *kafka, struct engine *engine, bool alone) {
    struct feed_source sources[STANDING_PLACES_MAX];
    uint32_t count = feed_sources(engine, sources);
    bool ok = true;
    for (uint32_t i = 0; i < count && ok; i++)
        ok = open_publisher(kafka, &sources[i], alone);
    return ok;
}

static void furnish_console(struct serve_kafka *kafka, const struct config *config,
                            struct engine *engine) {
    const struct config_kafka *settings = kafka->config;
    kafka->currencies = (struct wire_currencies){.customs = config->currencies,
                                                 .custom_count = config->currency_count};
    struct console *console = &kafka->console;
    *console = (struct console){.engine = engine,
                                .access = &kafka->access,
                                .dead_letters = settings->dead_letter_topic,
                                .currencies = &kafka->currencies,
                                .topic_count = 1 + settings->topic_count};
    for (uint32_t i = 0; i < console->topic_count; i++)
        console->topics[i] = config_kafka_topic_at(settings, i);
}

static void admit(void *context, uint8_t role, struct slice owner, struct wire_context *wire) {
    api_admit(context, role, owner, wire);
}

static bool open_worker(struct serve_kafka *kafka, const struct config *config,
                        struct engine *engine, struct api *api, uint32_t number) {
    const struct console_topic *topic = &kafka->console.topics[number];
    char why[KAFKA_WHY_BYTES] = "", group[2 * CONFIG_KAFKA_TEXT_BYTES];
    struct worker_options options = {
        .engine = engine,
        .access = &kafka->access,
        .commands = topic_wish_of(kafka->config, topic->name),
        .dead_letters = topic_wish_of(kafka->config, kafka->config->dead_letter_topic),
        .group = kafka->config->group,
        .session_ms = (uint32_t)kafka->config->session_timeout_ms,
        .places = topic->places,
        .principal = topic->principal,
        .currencies = &kafka->currencies,
        .admit = admit,
        .context = api,
    };
    if (topic->principal != NULL) {
        (void)snprintf(group, sizeof(group), "%.255s.%s", kafka->config->group, topic->name);
        options.group = group;
    }
    options.commands.partitions = topic->partitions;
    options.commands.partitions_exactly = true;
    // A command must not outlive the memory of its key: a repeat of it would count as new.
    options.commands.retention_ms_max = config->idempotency_days * DAY_MS;
    // What the door writes to the common topic; who writes to one of his own knows what it takes.
    options.commands.record_bytes_min = topic->principal == NULL ? TOPIC_RECORD_BYTES_MIN : 0;
    options.dead_letters.partitions = 1;
    options.dead_letters.retention_ms = 30 * DAY_MS;
    if (worker_open(&options, why, sizeof(why), &kafka->workers[number]) == STATUS_ok)
        return true;
    fprintf(stderr, "florin: queued commands cannot be carried out: %s\n", why);
    return false;
}

static bool open_workers(struct serve_kafka *kafka, const struct config *config,
                         struct engine *engine, struct api *api) {
    for (uint32_t i = 0; i <= kafka->config->topic_count; i++) {
        if (!open_worker(kafka, config, engine, api, i))
            return false;
        kafka->console.topics[i].worker = kafka->workers[i]; // nobody sits there yet
    }
    return true;
}

static bool open_queue(struct serve_kafka *kafka, const struct engine *engine) {
    char why[KAFKA_WHY_BYTES] = "";
    struct queue_options options = {
        .engine = engine,
        .access = &kafka->access,
        .group = kafka->config->group,
        .topic = topic_wish_of(kafka->config, kafka->config->commands_topic)};
    if (queue_open(&options, why, sizeof(why), &kafka->queue) == STATUS_ok)
        return true;
    fprintf(stderr, "florin: commands cannot be queued: %s\n", why);
    return false;
}

bool serve_kafka_prepare(struct serve_kafka *kafka, struct config *config, struct engine *engine) {
    char why[KAFKA_WHY_BYTES] = "";
    kafka->config = &config->kafka;
    if (config->kafka.brokers[0] == '\0')
        return true;
    if (!config_kafka_access(kafka->config, &kafka->access, why, sizeof(why))) {
        fprintf(stderr, "florin: Kafka: %s\n", why);
        return false;
    }
    furnish_console(kafka, config, engine);
    if (kafka->config->replicas < 3 || kafka->config->min_insync < 2)
        log_line(LOG_WARNING, "kafka",
                 "Configured for %llu replicas and %llu in sync: a broker that is lost may take "
                 "acknowledged records with it. Three and two are safe.",
                 (unsigned long long)kafka->config->replicas,
                 (unsigned long long)kafka->config->min_insync);
    return kafka->config->commands == 0 || open_queue(kafka, engine);
}

bool serve_kafka_open(struct serve_kafka *kafka, struct config *config, struct engine *engine,
                      struct api *api, bool alone) {
    if (config->kafka.brokers[0] == '\0')
        return true;
    if (kafka->config->events != 0 && !open_publishers(kafka, engine, alone))
        return false;
    return kafka->config->work == 0 || open_workers(kafka, config, engine, api);
}

// Of all shards together: how far is that of the one which is furthest behind.
static void sum_publishers(const struct serve_kafka *kafka, struct publisher_stats *ret_sum) {
    *ret_sum = (struct publisher_stats){.broker_is_up = true, .is_publishing = true};
    for (uint32_t i = 0; i < kafka->publisher_count; i++) {
        struct publisher_stats one;
        publisher_stats(kafka->publishers[i], &one);
        ret_sum->events += one.events;
        ret_sum->rewinds += one.rewinds;
        if (i == 0 || one.end - one.position > ret_sum->end - ret_sum->position) {
            ret_sum->position = one.position;
            ret_sum->end = one.end;
        }
        if (one.oldest_ms > ret_sum->oldest_ms)
            ret_sum->oldest_ms = one.oldest_ms;
        ret_sum->is_publishing = ret_sum->is_publishing && one.is_publishing;
        ret_sum->broker_is_up = ret_sum->broker_is_up && one.broker_is_up;
    }
}

static void add_publishers(const struct serve_kafka *kafka, struct buffer *buffer) {
    struct publisher_stats stats;
    sum_publishers(kafka, &stats);
    metric_value(buffer, "events_published_total", "counter", "Events that the broker has.",
                 stats.events);
    metric_value(buffer, "events_rewinds_total", "counter", "Deliveries begun again.",
                 stats.rewinds);
    metric_value(buffer, "events_publishing", "gauge", "1 on the node that publishes.",
                 stats.is_publishing);
    metric_value(buffer, "events_position", "gauge", "How far the feed is published.",
                 stats.position);
    metric_value(buffer, "events_feed_end", "gauge", "Where the feed ends.", stats.end);
    metric_thousandths(buffer, "events_oldest_seconds", "gauge",
                       "Age of the oldest change that is not published.", stats.oldest_ms);
    metric_value(buffer, "events_broker_up", "gauge", "1 while a broker answers.",
                 stats.broker_is_up);
}

static void add_queue(struct queue *queue, struct buffer *buffer) {
    struct queue_stats stats;
    queue_stats(queue, &stats);
    metric_value(buffer, "queue_sent_total", "counter", "Commands handed to the queue.",
                 stats.sent);
    metric_value(buffer, "queue_acknowledged_total", "counter", "Commands that all replicas have.",
                 stats.delivered);
    metric_value(buffer, "queue_failed_total", "counter", "Commands that no broker took.",
                 stats.failed);
    metric_value(buffer, "queue_pending", "gauge", "Commands that are not acknowledged yet.",
                 stats.pending);
    metric_value(buffer, "queue_broker_up", "gauge", "1 while the queue takes commands.",
                 stats.is_up);
}

// Of all topics together.
static void sum_workers(const struct serve_kafka *kafka, struct worker_stats *ret_sum) {
    *ret_sum = (struct worker_stats){0};
    for (uint32_t i = 0; i <= kafka->config->topic_count; i++) {
        struct worker_stats one;
        worker_stats(kafka->workers[i], &one);
        ret_sum->commands += one.commands;
        ret_sum->skipped += one.skipped;
        ret_sum->dead_letters += one.dead_letters;
        ret_sum->batches += one.batches;
        ret_sum->partitions += one.partitions;
        ret_sum->stopped += one.stopped;
        ret_sum->waits += one.waits;
        ret_sum->lag += one.lag;
        ret_sum->fenced += one.fenced;
        if (one.oldest_ms > ret_sum->oldest_ms)
            ret_sum->oldest_ms = one.oldest_ms;
    }
}

static void add_workers(const struct serve_kafka *kafka, struct buffer *buffer) {
    struct worker_stats stats;
    sum_workers(kafka, &stats);
    metric_value(buffer, "worker_commands_total", "counter", "Queued commands carried out.",
                 stats.commands);
    metric_value(buffer, "worker_skipped_total", "counter", "Records that the books had already.",
                 stats.skipped);
    metric_value(buffer, "worker_dead_letters_total", "counter", "Records that can never succeed.",
                 stats.dead_letters);
    metric_value(buffer, "worker_batches_total", "counter", "Rounds of queued commands.",
                 stats.batches);
    metric_value(buffer, "worker_fenced_total", "counter", "Rounds that another worker took over.",
                 stats.fenced);
    metric_value(buffer, "worker_partitions", "gauge", "Partitions that are this worker's.",
                 stats.partitions);
    metric_value(buffer, "worker_stopped", "gauge", "Partitions and slots that wait for a person.",
                 stats.stopped);
    metric_value(buffer, "worker_slots_waiting", "gauge",
                 "Slots whose commands wait for a shard that is away, or for a row that somebody "
                 "has locked.",
                 stats.waits);
    metric_value(buffer, "worker_lag", "gauge", "Queued commands that are not carried out.",
                 stats.lag);
    metric_thousandths(buffer, "worker_oldest_seconds", "gauge", "Age of the oldest of them.",
                       stats.oldest_ms);
}

void serve_kafka_metrics(void *context, struct buffer *buffer) {
    const struct serve_kafka *kafka = context;
    if (kafka->publisher_count != 0)
        add_publishers(kafka, buffer);
    if (kafka->queue != NULL)
        add_queue(kafka->queue, buffer);
    // All are opened, or the program ends.
    if (kafka->workers[0] != NULL && kafka->workers[kafka->config->topic_count] != NULL)
        add_workers(kafka, buffer);
}

uint32_t serve_kafka_dependencies(void *context, struct api_dependency *ret_found, uint32_t max) {
    const struct serve_kafka *kafka = context;
    struct publisher_stats published;
    uint32_t count = 0;
    if (kafka->publisher_count != 0 && count < max) {
        sum_publishers(kafka, &published);
        ret_found[count++] = (struct api_dependency){
            .name = "kafka_events", .status = published.broker_is_up ? "ok" : "away",
            .is_up = published.broker_is_up};
    }
    if (kafka->queue != NULL && count < max) {
        bool is_up = queue_is_up(kafka->queue);
        ret_found[count++] = (struct api_dependency){
            .name = "kafka_queue", .status = is_up ? "ok" : "away", .is_up = is_up,
            .is_needed = kafka->config->queue_writes != 0 && kafka->config->direct == 0};
    }
    return count;
}

void serve_kafka_close(struct serve_kafka *kafka) {
    for (uint32_t i = 0; i < sizeof(kafka->workers) / sizeof(kafka->workers[0]); i++) {
        worker_close(kafka->workers[i]);
        kafka->workers[i] = NULL;
    }
    for (uint32_t i = 0; i < kafka->publisher_count; i++)
        publisher_close(kafka->publishers[i]);
    queue_close(kafka->queue);
    kafka->publisher_count = 0;
    kafka->queue = NULL;
}
