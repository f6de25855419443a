// SPDX-License-Identifier: MIT
// `florin dead-letter list|show|retry`: what workers buried, from the topic itself. A letter is
// named by its place there, such as 0/12.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "programs/commands.h"
#include "programs/config/config.h"
#include "programs/serve/serve_options.h"
#include "queue/letter.h"

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

struct letters {
    struct config config;
    struct kafka_access access;
    int32_t partition; // the one that is wanted
    int64_t offset;
    bool found, failed;
    const char *why; // static, or NULL
};

static int complain(const char *why) {
    fprintf(stderr, "florin dead-letter: %s\n", why);
    return 1;
}

// ---- list, show -------------------------------------------------------------------------------

static int list(struct letters *letters) {
    uint64_t count = 0;
    char why[WHY_BYTES] = "";
    if (kafka_read_all(&letters->access, letters->config.kafka.dead_letter_topic, READ_MS,
                       print_one, &count, why, sizeof(why)) != STATUS_ok)
        return complain(why);
    printf("%" PRIu64 " dead letters\n", count);
    return 0;
}

static int read_one(struct letters *letters,
                    bool (*each)(void *context, const struct kafka_record *record)) {
    enum status status = kafka_read_range(
        &letters->access, letters->config.kafka.dead_letter_topic, letters->partition,
        letters->offset, letters->offset + 1, READ_MS, each, letters);
    if (status == STATUS_ok && letters->found)
        return 0;
    return complain(status == STATUS_busy ? "the broker does not give it." : "there is no such "
                                                                             "letter.");
}

static bool show_one(void *context, const struct kafka_record *record) {
    struct letters *letters = context;
    uint64_t count = 0;
    letters->found = record->offset == letters->offset;
    return letters->found && print_one(&count, record);
}

static int show(struct letters *letters) {
    return read_one(letters, show_one);
}

// ---- retry ------------------------------------------------------------------------------------

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct letters *letters = context;
    (void)ticket, (void)why;
    letters->failed = fate != KAFKA_KEPT;
    if (fate == KAFKA_KEPT)
        printf("It is record %" PRId64 " of partition %d now.\n", offset, partition);
}

// The record as it came, back to where it came from.
static bool send_back(void *context, const struct kafka_record *record) {
    struct letters *letters = context;
    struct kafka_producer *producer;
    struct slice topic = {0};
    char why[WHY_BYTES] = "", name[CONFIG_KAFKA_TEXT_BYTES];
    letters->found = record->offset == letters->offset;
    if (!letters->found)
        return false;
    letters->why = "it does not say where it came from.";
    if (!kafka_record_header(record, "florin-topic", &topic) || topic.size == 0 ||
        topic.size >= sizeof(name))
        return false;
    letters->why = "it came from a topic that is none of commands in the configuration.";
    if (config_kafka_topic_find(&letters->config.kafka, topic) < 0)
        return false;
    memcpy(name, topic.bytes, topic.size);
    name[topic.size] = '\0';
    letters->why = "no broker took it.";
    if (kafka_producer_open(&letters->access, delivered, letters, why, sizeof(why), &producer) !=
        STATUS_ok)
        return false;
    letters->failed = true;
    if (letter_send_back(producer, name, record) == STATUS_ok)
        (void)kafka_producer_drain(producer, READ_MS);
    if (!letters->failed)
        letters->why = NULL;
    kafka_producer_close(producer);
    return false;
}

static int retry(struct letters *letters) {
    int result = read_one(letters, send_back);
    if (result == 0 && letters->why != NULL)
        return complain(letters->why);
    return result;
}

// ---- words ------------------------------------------------------------------------------------

static bool read_place(const char *text, struct letters *letters) {
    char partition_text[8];
    uint64_t partition, offset;
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - text);
    if (size == 0 || size >= sizeof(partition_text))
        return false;
    memcpy(partition_text, text, size);
    partition_text[size] = '\0';
    if (!serve_number_read(partition_text, KAFKA_PARTITIONS_MAX - 1, &partition) ||
        !serve_number_read(slash + 1, INT64_MAX, &offset))
        return false;
    letters->partition = (int32_t)partition;
    letters->offset = (int64_t)offset;
    return true;
}

// Takes the letter's place out of the words.
static int take_place(int argc, char **argv, struct letters *letters) {
    int kept = 0;
    for (int i = 0; i < argc; i++)
        if (i < 2 || !read_place(argv[i], letters))
            argv[kept++] = argv[i];
    return kept;
}

int dead_letter_run(int argc, char **argv) {
    static const struct {
        const char *name;
        bool has_place;
        int (*run)(struct letters *letters);
    } verbs[] = {{"list", false, list}, {"show", true, show}, {"retry", true, retry}};
    const char *brokers = NULL, *config_path = NULL, *verb = NULL;
    const struct serve_option options[] = {{"--kafka", &brokers}, {"--config", &config_path}, {0}};
    static struct letters letters; // large
    struct config *config = &letters.config;
    char why[WHY_BYTES] = "";
    letters.partition = -1;
    argc = take_place(argc, argv, &letters);
    if (!serve_options_read(argc, argv, options, &verb))
        return 2;
    config_set_defaults(config);
    if (config_path != NULL && config_load(config_path, config, why, sizeof(why)) != STATUS_ok) {
        fprintf(stderr, "florin dead-letter: %s: %s\n", config_path, why);
        return 2;
    }
    bool has_brokers = (brokers == NULL || config_kafka_set_brokers(&config->kafka, brokers)) &&
                       config->kafka.brokers[0] != '\0';
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && has_brokers && verb != NULL; i++) {
        if (strcmp(verbs[i].name, verb) != 0 || verbs[i].has_place != (letters.partition >= 0))
            continue;
        if (!config_kafka_access(&config->kafka, &letters.access, why, sizeof(why)))
            return complain(why);
        return verbs[i].run(&letters);
    }
    fprintf(stderr, "florin dead-letter list, show PLACE or retry PLACE, with --kafka BROKERS or "
                    "--config FILE; a place is such as 0/12.\n");
    return 2;
}
