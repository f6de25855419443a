// SPDX-License-Identifier: MIT
// `florin dead-letter list`: what workers buried, from the topic itself.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "programs/commands.h"
#include "programs/config.h"
#include "programs/serve_options.h"

#define WHY_BYTES 512
#define READ_MS   10000

// They may hold anything, and a terminal obeys control characters.
static void print_line(const char *name, struct slice bytes) {
    printf("  %s: ", name);
    for (size_t i = 0; i < bytes.size; i++)
        putchar(bytes.bytes[i] >= 0x20 && bytes.bytes[i] != 0x7f ? bytes.bytes[i] : '?');
    putchar('\n');
}

static void print_header(const struct kafka_record *record, const char *name) {
    struct slice value = {0};
    if (kafka_record_header(record, name, &value) && value.size != 0)
        print_line(name + sizeof("florin-") - 1, value);
}

static bool print_one(void *context, const struct kafka_record *record) {
    uint64_t *count = context;
    (*count)++;
    printf("%d/%" PRId64 "\n", record->partition, record->offset);
    print_header(record, "florin-reason");
    print_header(record, "florin-topic");
    print_header(record, "florin-partition");
    print_header(record, "florin-offset");
    print_header(record, "florin-principal");
    print_line("key", record->key);
    print_line("value", record->value);
    return true;
}

int dead_letter_run(int argc, char **argv) {
    const char *brokers = NULL, *config_path = NULL, *verb = NULL;
    const struct serve_option options[] = {{"--kafka", &brokers}, {"--config", &config_path}, {0}};
    static struct config config;
    struct kafka_access access;
    char why[WHY_BYTES] = "";
    uint64_t count = 0;
    if (!serve_options_read(argc, argv, options, &verb))
        return 2;
    config_set_defaults(&config);
    if (config_path != NULL && config_load(config_path, &config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin dead-letter: %s: %s\n", config_path, why);
        return 2;
    }
    if (verb == NULL || strcmp(verb, "list") != 0 ||
        (brokers != NULL && !config_kafka_set_brokers(&config.kafka, brokers)) ||
        config.kafka.brokers[0] == '\0') {
        fprintf(stderr, "florin dead-letter list --kafka BROKERS, or --config FILE with them.\n");
        return 2;
    }
    if (!config_kafka_access(&config.kafka, &access, why, sizeof(why)) ||
        kafka_read_all(&access, config.kafka.dead_letter_topic, READ_MS, print_one, &count, why,
                       sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin dead-letter: %s\n", why);
        return 1;
    }
    printf("%" PRIu64 " dead letters\n", count);
    return 0;
}
