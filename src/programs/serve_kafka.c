// SPDX-License-Identifier: MIT
// Wires Kafka.
#include "programs/serve_kafka.h"

#include <stdio.h>

#include "base/log.h"

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

static struct topic_wish topic_wish_of(const struct config_kafka *config, const char *name) {
    return (struct topic_wish){.name = name,
                               .partitions = (uint32_t)config->partitions,
                               .replicas_min = (uint32_t)config->replicas,
                               .min_insync_min = (uint32_t)config->min_insync,
                               .retention_ms = config->retention_hours * HOUR_MS};
}

static bool open_publisher(struct serve_kafka *kafka, struct engine *engine, bool alone) {
    char why[KAFKA_WHY_BYTES] = "";
    struct publisher_options options = {
        .engine = engine,
        .access = &kafka->access,
        .topic = topic_wish_of(kafka->config, kafka->config->events_topic),
        .alone = alone,
    };
    if (publisher_open(&options, why, sizeof(why), &kafka->publisher) == STATUS_ok)
        return true;
    fprintf(stderr, "florin: events cannot be published: %s\n", why);
    return false;
}

bool serve_kafka_open(struct serve_kafka *kafka, struct config *config, struct engine *engine,
                      bool alone) {
    char why[KAFKA_WHY_BYTES] = "";
    kafka->config = &config->kafka;
    if (config->kafka.brokers[0] == '\0')
        return true;
    if (!config_kafka_access(kafka->config, &kafka->access, why, sizeof(why))) {
        fprintf(stderr, "florin: Kafka: %s\n", why);
        return false;
    }
    if (kafka->config->replicas < 3 || kafka->config->min_insync < 2)
        log_line(LOG_WARNING, "kafka",
                 "Configured for %llu replicas and %llu in sync: a broker that is lost may take "
                 "acknowledged records with it. Three and two are safe.",
                 (unsigned long long)kafka->config->replicas,
                 (unsigned long long)kafka->config->min_insync);
    return kafka->config->events == 0 || open_publisher(kafka, engine, alone);
}

static void add_value(struct buffer *buffer, const char *name, const char *type, const char *help,
                      uint64_t value) {
    buffer_add_format(buffer, "# HELP florin_%s %s\n# TYPE florin_%s %s\nflorin_%s %llu\n", name,
                      help, name, type, name, (unsigned long long)value);
}

static void add_publisher(const struct publisher *publisher, struct buffer *buffer) {
    struct publisher_stats stats;
    publisher_stats(publisher, &stats);
    add_value(buffer, "events_published_total", "counter", "Events that the broker has.",
              stats.events);
    add_value(buffer, "events_rewinds_total", "counter", "Deliveries begun again.", stats.rewinds);
    add_value(buffer, "events_publishing", "gauge", "1 on the node that publishes.",
              stats.is_publishing);
    add_value(buffer, "events_position", "gauge", "How far the feed is published.",
              stats.position);
    add_value(buffer, "events_feed_end", "gauge", "Where the feed ends.", stats.end);
    add_value(buffer, "events_oldest_milliseconds", "gauge",
              "Age of the oldest change that is not published.", stats.oldest_ms);
    add_value(buffer, "events_broker_up", "gauge", "1 while a broker answers.",
              stats.broker_is_up);
}

void serve_kafka_metrics(void *context, struct buffer *buffer) {
    const struct serve_kafka *kafka = context;
    if (kafka->publisher != NULL)
        add_publisher(kafka->publisher, buffer);
}

void serve_kafka_close(struct serve_kafka *kafka) {
    publisher_close(kafka->publisher);
    kafka->publisher = NULL;
}
