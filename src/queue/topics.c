// SPDX-License-Identifier: MIT
// The conditions of topics.
#include "queue/topics.h"

#include <stdio.h>

#include "base/log.h"

enum status topic_check(const struct topic_wish *wish, const struct kafka_topic_facts *facts,
                        char *ret_why, size_t why_bytes) {
    const char *name = wish->name;
    if (wish->partitions_exactly && facts->partitions != wish->partitions)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has %u partitions, but %u are configured. Orders of commands "
                       "depend on it: drain the topic and change both (docs/kafka.md).",
                       name, facts->partitions, wish->partitions);
    else if (facts->replicas < wish->replicas_min)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has %u replicas, fewer than kafka.replicas (%u).", name,
                       facts->replicas, wish->replicas_min);
    else if (!facts->has_settings)
        (void)snprintf(ret_why, why_bytes,
                       "The broker does not tell the settings of %s: allow DescribeConfigs on it.",
                       name);
    else if (!facts->deletes)
        (void)snprintf(ret_why, why_bytes, "The topic %s needs cleanup.policy=delete.", name);
    else if (facts->unclean_leaders)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s needs unclean.leader.election.enable=false.", name);
    else if (facts->min_insync < wish->min_insync_min)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has min.insync.replicas=%u, less than kafka.min_insync (%u).",
                       name, facts->min_insync, wish->min_insync_min);
    else if (wish->retention_ms_max != 0 && facts->retention_ms > wish->retention_ms_max)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s keeps records longer than idempotency keys are remembered: "
                       "lower its retention.ms to %llu or raise idempotency_days.",
                       name, (unsigned long long)wish->retention_ms_max);
    else
        return STATUS_ok;
    return STATUS_invalid_request;
}

enum status topic_ensure(struct kafka_producer *producer, const struct topic_wish *wish,
                         uint32_t wait_ms, char *ret_why, size_t why_bytes) {
    struct kafka_topic_facts facts;
    enum status status =
        kafka_topic_look(producer, wish->name, wait_ms, &facts, ret_why, why_bytes);
    if (status == STATUS_ok && !facts.exists) {
        status = kafka_topic_make(producer, wish->name, wish->partitions, wish->replicas_min,
                                  wish->min_insync_min, wish->retention_ms, wait_ms, ret_why,
                                  why_bytes);
        if (status != STATUS_ok)
            return status;
        log_line(LOG_INFO, "kafka", "Made the topic %s with %u partitions.", wish->name,
                 wish->partitions);
        status = kafka_topic_look(producer, wish->name, wait_ms, &facts, ret_why, why_bytes);
        if (status == STATUS_ok && !facts.exists) {
            (void)snprintf(ret_why, why_bytes, "The topic %s is being made.", wish->name);
            return STATUS_busy; // brokers tell each other in a moment
        }
    }
    return status == STATUS_ok ? topic_check(wish, &facts, ret_why, why_bytes) : status;
}
