// SPDX-License-Identifier: MIT
// How a metric is written.
#include "base/metric.h"

void metric_head(struct buffer *buffer, const char *name, const char *type, const char *sentence) {
    buffer_add_format(buffer, "# HELP florin_%s %s\n# TYPE florin_%s %s\n", name, sentence, name,
                      type);
}

void metric_value(struct buffer *buffer, const char *name, const char *type, const char *sentence,
                  uint64_t value) {
    metric_head(buffer, name, type, sentence);
    buffer_add_format(buffer, "florin_%s ", name);
    buffer_add_u64(buffer, value);
    BUFFER_ADD(buffer, "\n");
}

void metric_thousandths(struct buffer *buffer, const char *name, const char *type,
                        const char *sentence, uint64_t value) {
    metric_head(buffer, name, type, sentence);
    buffer_add_format(buffer, "florin_%s %llu.%03llu\n", name, (unsigned long long)value / 1000,
                      (unsigned long long)value % 1000);
}
