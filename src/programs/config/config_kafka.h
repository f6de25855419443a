// SPDX-License-Identifier: MIT
// The settings of Kafka: an object of the configuration, described in one table. Secrets are not
// settings: they come from files that settings name, or from the environment
// (FLORIN_KAFKA_PASSWORD, FLORIN_KAFKA_KEY_PASSWORD).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/id.h"
#include "base/json.h"
#include "base/status.h"
#include "ledger/cursor.h"
#include "queue/console.h"
#include "queue/kafka.h"

#define CONFIG_KAFKA_TEXT_BYTES 512

// A topic of a producer's own.
struct config_kafka_topic {
    char name[256];
    char principal[ID_TEXT_BYTES_MAX + 1]; // a key's id
    uint32_t partitions;
};

struct config_kafka {
    char brokers[CONFIG_KAFKA_TEXT_BYTES]; // "": no Kafka
    char security[CONFIG_KAFKA_TEXT_BYTES];
    char mechanism[CONFIG_KAFKA_TEXT_BYTES];
    char username[CONFIG_KAFKA_TEXT_BYTES];
    char password_file[CONFIG_KAFKA_TEXT_BYTES];
    char ca_file[CONFIG_KAFKA_TEXT_BYTES];
    char certificate_file[CONFIG_KAFKA_TEXT_BYTES];
    char key_file[CONFIG_KAFKA_TEXT_BYTES];
    char key_password_file[CONFIG_KAFKA_TEXT_BYTES];
    char commands_topic[CONFIG_KAFKA_TEXT_BYTES];
    char events_topic[CONFIG_KAFKA_TEXT_BYTES];
    char dead_letter_topic[CONFIG_KAFKA_TEXT_BYTES];
    char group[CONFIG_KAFKA_TEXT_BYTES];
    uint64_t partitions, replicas, min_insync, retention_hours, session_timeout_ms;
    uint64_t any_host_name, events, commands, queue_writes, work, direct; // 0 or 1
    struct config_kafka_topic topics[CURSOR_OWN_TOPICS_MAX]; // in the order of their cursors' kinds
    uint32_t topic_count;
    // Read by config_kafka_access.
    char password[CONFIG_KAFKA_TEXT_BYTES];
    char key_password[CONFIG_KAFKA_TEXT_BYTES];
};

void config_kafka_set_defaults(struct config_kafka *ret_kafka);
// What --kafka says. False: it is empty or too long.
bool config_kafka_set_brokers(struct config_kafka *kafka, const char *brokers);
// False: `ret_why` says what is wrong.
bool config_read_kafka(struct json_value value, struct config_kafka *kafka, char *ret_why,
                       size_t why_bytes);
// Reads the secrets, and points at everything; `kafka` must outlive the result. False: `ret_why`.
bool config_kafka_access(struct config_kafka *kafka, struct kafka_access *ret_access,
                         char *ret_why, size_t why_bytes);
// The number of a topic of commands: 0 the common one, 1 and on those of producers' own; -1: it is
// none of them.
int config_kafka_topic_find(const struct config_kafka *kafka, struct slice name);
// And what it is; without a worker. Texts are the configuration's.
struct console_topic config_kafka_topic_at(const struct config_kafka *kafka, uint32_t number);
// Adds the table as lines of text.
void config_kafka_describe(struct buffer *buffer);
