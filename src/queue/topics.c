// SPDX-License-Identifier: MIT
// The conditions of topics.
#include "queue/topics.h"

#include <stdio.h>

#include "base/log.h"

#define BROKERS_OWN_BYTES 1000000

enum status topic_check_keeps(const struct topic_wish *wish, const struct kafka_topic_facts *facts,
                              char *ret_why, size_t why_bytes) {
    const char *name = wish->name;
    if (facts->replicas < wish->replicas_min)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has %u replicas, fewer than kafka.replicas (%u).", name,
                       facts->replicas, wish->replicas_min);
    else if (!facts->has_settings)
        return STATUS_ok;
    else if (!facts->deletes)
        (void)snprintf(ret_why, why_bytes, "The topic %s needs cleanup.policy=delete.", name);
    else if (facts->unclean_leaders)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s needs unclean.leader.election.enable=false.", name);
    else if (facts->min_insync < wish->min_insync_min)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has min.insync.replicas=%u, less than kafka.min_insync (%u).",
                       name, facts->min_insync, wish->min_insync_min);
    else
        return STATUS_ok;
    return STATUS_invalid_request;
}

enum status topic_check(const struct topic_wish *wish, const struct kafka_topic_facts *facts,
                        char *ret_why, size_t why_bytes) {
    const char *name = wish->name;
    if (wish->partitions_exactly && facts->partitions != wish->partitions)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s has %u partitions, but %u are configured. Orders of commands "
                       "depend on it: drain the topic and change both (docs/kafka.md).",
                       name, facts->partitions, wish->partitions);
    else if (topic_check_keeps(wish, facts, ret_why, why_bytes) != STATUS_ok)
        return STATUS_invalid_request;
    else if (!facts->has_settings)
        (void)snprintf(ret_why, why_bytes,
                       "The broker does not tell the settings of %s: allow DescribeConfigs on it.",
                       name);
    else if (wish->retention_ms_max != 0 && facts->retention_ms > wish->retention_ms_max)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s keeps records longer than idempotency keys are remembered: "
                       "lower its retention.ms to %llu or raise idempotency_days.",
                       name, (unsigned long long)wish->retention_ms_max);
    else if (facts->record_bytes_max < wish->record_bytes_min)
        (void)snprintf(ret_why, why_bytes,
                       "The topic %s takes records of at most %u bytes: raise its "
                       "max.message.bytes to %u or more.",
                       name, facts->record_bytes_max, wish->record_bytes_min);
    else
        return STATUS_ok;
    return STATUS_invalid_request;
}

enum status topic_ensure(struct kafka_producer *producer, const struct topic_wish *wish,
                         uint32_t wait_ms, struct kafka_topic_facts *ret_facts, char *ret_why,
                         size_t why_bytes) {
    enum status status =
        kafka_topic_look(producer, wish->name, wait_ms, ret_facts, ret_why, why_bytes);
    if (status == STATUS_ok && !ret_facts->exists) {
        // What brokers like by themselves is larger than what is asked of most topics.
        const struct kafka_topic_plan plan = {
            .partitions = wish->partitions,
            .replicas = wish->replicas_min,
            .min_insync = wish->min_insync_min,
            .retention_ms = wish->retention_ms,
            .record_bytes_max =
                wish->record_bytes_min > BROKERS_OWN_BYTES ? wish->record_bytes_min : 0};
        bool is_new;
        status =
            kafka_topic_make(producer, wish->name, &plan, wait_ms, &is_new, ret_why, why_bytes);
        if (status != STATUS_ok)
            return status;
        if (is_new)
            log_line(LOG_INFO, "kafka", "Made the topic %s with %u partitions.", wish->name,
                     wish->partitions);
        status = kafka_topic_look(producer, wish->name, wait_ms, ret_facts, ret_why, why_bytes);
        if (status == STATUS_ok && !ret_facts->exists) {
            (void)snprintf(ret_why, why_bytes, "The topic %s is being made.", wish->name);
            return STATUS_busy; // brokers tell each other in a moment
        }
    }
    return status == STATUS_ok ? topic_check(wish, ret_facts, ret_why, why_bytes) : status;
}
