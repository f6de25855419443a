// SPDX-License-Identifier: MIT
// Writes dead letters.
#include "queue/letter.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kept[] = {"florin-version", "florin-principal", "florin-context",
                                   "florin-proof"};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

static void keep_headers(const struct kafka_record *record, struct kafka_message *message) {
    for (size_t i = 0; i < KEPT; i++) {
        struct slice value = {0};
        if (kafka_record_header(record, kept[i], &value))
            message->headers[message->header_count++] =
                (struct kafka_header){.name = kept[i], .value = value};
    }
}

enum status letter_send(struct kafka_producer *producer, const char *dead_letters,
                        const char *commands, const struct kafka_record *record,
                        const char *reason, struct kafka_ticket *ticket) {
    char offset[24], partition[16];
    (void)snprintf(offset, sizeof(offset), "%" PRId64, record->offset);
    (void)snprintf(partition, sizeof(partition), "%d", record->partition);
    struct kafka_message letter = {
        .key = record->key,
        .value = record->value,
        .headers = {{"florin-reason", slice_of_text(reason)},
                    {"florin-topic", slice_of_text(commands)},
                    {"florin-partition", slice_of_text(partition)},
                    {"florin-offset", slice_of_text(offset)}},
        .header_count = 4,
    };
    keep_headers(record, &letter);
    return kafka_produce(producer, dead_letters, &letter, ticket);
}

enum status letter_send_back(struct kafka_producer *producer, const char *topic,
                             const struct kafka_record *letter) {
    struct kafka_message message = {.key = letter->key, .value = letter->value};
    keep_headers(letter, &message);
    return kafka_produce(producer, topic, &message, NULL);
}
