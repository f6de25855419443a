// SPDX-License-Identifier: MIT
// One metric in the text format of Prometheus (version 0.0.4). Names get the prefix `florin_`.
#pragma once
#include "base/buffer.h"

// The two lines in front of a metric's values. `type` is "counter", "gauge" or "histogram".
void metric_head(struct buffer *buffer, const char *name, const char *type, const char *sentence);
// A metric that has one value without labels, with its head.
void metric_value(struct buffer *buffer, const char *name, const char *type, const char *sentence,
                  uint64_t value);
// The same of thousandths (milliseconds), told in whole units with three decimals.
void metric_thousandths(struct buffer *buffer, const char *name, const char *type,
                        const char *sentence, uint64_t value);
