// SPDX-License-Identifier: MIT
// Between the two files that know librdkafka.
#pragma once
#include <librdkafka/rdkafka.h>

#include "queue/kafka.h"

// A configuration for these brokers; NULL: a setting makes no sense (`ret_why`, without secrets).
rd_kafka_conf_t *kafka_conf_of(const struct kafka_access *access, char *ret_why, size_t why_bytes);
// Sets one more; the names are ours, so failing is our mistake.
void kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value);
