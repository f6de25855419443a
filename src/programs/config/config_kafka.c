// SPDX-License-Identifier: MIT
// Reads the settings of Kafka by their table.
#include "programs/config/config_kafka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programs/config/config_text.h"

struct kafka_setting {
    const char *name;
    enum { KAFKA_TEXT, KAFKA_INTEGER, KAFKA_BOOL } kind;
    size_t offset;
    uint64_t minimum, maximum, standard;
    const char *standard_text;
    const char *sentence;
};

#define TEXT(name, standard, sentence)                                                             \
    { #name, KAFKA_TEXT, offsetof(struct config_kafka, name), 0, 0, 0, standard, sentence }
#define INTEGER(name, minimum, maximum, standard, sentence)                                        \
    {                                                                                              \
        #name, KAFKA_INTEGER, offsetof(struct config_kafka, name), minimum, maximum, standard,     \
            NULL, sentence                                                                         \
    }
#define BOOL(name, standard, sentence)                                                             \
    { #name, KAFKA_BOOL, offsetof(struct config_kafka, name), 0, 1, standard, NULL, sentence }

static const struct kafka_setting settings[] = {
    TEXT(brokers, "", "Where brokers are: \"host:port,host:port\"."),
    TEXT(security, "", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."),
    TEXT(mechanism, "", "Of SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    TEXT(username, "", "Of SASL."),
    TEXT(password_file, "", "A file with SASL's password; else FLORIN_KAFKA_PASSWORD."),
    TEXT(ca_file, "", "Certificates that brokers' certificates must come from."),
    TEXT(certificate_file, "", "The certificate that Florin shows."),
    TEXT(key_file, "", "Its key."),
    TEXT(key_password_file, "", "A file with the key's password; else FLORIN_KAFKA_KEY_PASSWORD."),
    BOOL(any_host_name, 0, "Do not compare a broker's name with its certificate."),
    TEXT(commands_topic, "florin.commands", "The topic of queued commands."),
    TEXT(events_topic, "florin.events", "The topic of events."),
    TEXT(dead_letter_topic, "florin.dead-letter", "The topic of what can never succeed."),
    TEXT(group, "florin", "The consumer group of the workers."),
    INTEGER(session_timeout_ms, 1000, 60000, 6000,
            "A worker that is not heard of for so long has lost its partitions to others."),
    INTEGER(partitions, 1, KAFKA_PARTITIONS_MAX, 12,
            "Partitions of the topic of commands; see docs/kafka.md before changing it."),
    INTEGER(replicas, 1, 16, 3, "How many brokers keep each topic, at least."),
    INTEGER(min_insync, 1, 15, 2,
            "How many of them must have a record before it counts, at least."),
    INTEGER(retention_hours, 1, 8760, 72,
            "How long a command may wait; at most as long as idempotency keys are kept."),
    BOOL(events, 1, "Publish events."),
    BOOL(commands, 1, "Queue writes that ask for it (Prefer: respond-async)."),
    BOOL(queue_writes, 0, "Queue every write, and answer with its outcome all the same."),
    BOOL(work, 1, "Carry queued commands out."),
    BOOL(direct, 0, "While no broker can be reached, carry writes out without the queue."),
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static char *text_of(struct config_kafka *kafka, const struct kafka_setting *setting) {
    return (char *)kafka + setting->offset;
}

static uint64_t *number_of(struct config_kafka *kafka, const struct kafka_setting *setting) {
    return (uint64_t *)(void *)((char *)kafka + setting->offset);
}

void config_kafka_set_defaults(struct config_kafka *ret_kafka) {
    memset(ret_kafka, 0, sizeof(*ret_kafka));
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (settings[i].kind == KAFKA_TEXT)
            memcpy(text_of(ret_kafka, &settings[i]), settings[i].standard_text,
                   strlen(settings[i].standard_text) + 1);
        else
            *number_of(ret_kafka, &settings[i]) = settings[i].standard;
    }
}

bool config_kafka_set_brokers(struct config_kafka *kafka, const char *brokers) {
    size_t size = strlen(brokers);
    if (size == 0 || size >= sizeof(kafka->brokers))
        return false;
    memcpy(kafka->brokers, brokers, size + 1);
    return true;
}

static bool read_one(struct config_kafka *kafka, const struct kafka_setting *setting,
                     struct json_value value, char *ret_why, size_t why_bytes) {
    int64_t integer;
    switch (setting->kind) {
    case KAFKA_TEXT: {
        struct slice text = {0};
        bool is_text = json_kind(value) == JSON_TEXT;
        if (is_text)
            text = json_text(value);
        if (!is_text || text.size == 0 || text.size >= CONFIG_KAFKA_TEXT_BYTES ||
            memchr(text.bytes, 0, text.size) != NULL) {
            (void)snprintf(ret_why, why_bytes, "kafka.%s must be a text of 1 to %d bytes.",
                           setting->name, CONFIG_KAFKA_TEXT_BYTES - 1);
            return false;
        }
        memcpy(text_of(kafka, setting), text.bytes, text.size);
        text_of(kafka, setting)[text.size] = '\0';
        return true;
    }
    case KAFKA_BOOL:
        if (json_kind(value) != JSON_BOOL) {
            (void)snprintf(ret_why, why_bytes, "kafka.%s must be true or false.", setting->name);
            return false;
        }
        *number_of(kafka, setting) = json_bool(value);
        return true;
    case KAFKA_INTEGER:
        if (json_kind(value) != JSON_INTEGER || !json_integer(value, &integer) || integer < 0 ||
            (uint64_t)integer < setting->minimum || (uint64_t)integer > setting->maximum) {
            (void)snprintf(ret_why, why_bytes, "kafka.%s must be an integer from %llu to %llu.",
                           setting->name, (unsigned long long)setting->minimum,
                           (unsigned long long)setting->maximum);
            return false;
        }
        *number_of(kafka, setting) = (uint64_t)integer;
        return true;
    }
    UNREACHABLE("a setting of no kind");
}

// ---- topics of producers' own -----------------------------------------------------------------

// NULL, or what is wrong with it.
static const char *read_topic(struct json_value value, struct config_kafka_topic *topic) {
    struct json_cursor members;
    struct slice name;
    struct json_value member;
    struct id id;
    int64_t partitions = 0;
    if (json_kind(value) != JSON_OBJECT)
        return "is {\"topic\", \"principal\", \"partitions\"}";
    members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        if (slice_equal(name, SLICE("topic"))) {
            if (!config_text_read(member, topic->name, sizeof(topic->name) - 1))
                return "has a name of 1 to 255 bytes as \"topic\"";
        } else if (slice_equal(name, SLICE("principal"))) {
            if (!config_text_read(member, topic->principal, sizeof(topic->principal) - 1) ||
                !id_parse(ID_KEY, slice_of_text(topic->principal), &id))
                return "has the id of an API key as \"principal\"";
        } else if (slice_equal(name, SLICE("partitions"))) {
            if (json_kind(member) != JSON_INTEGER || !json_integer(member, &partitions) ||
                partitions < 1 || partitions > KAFKA_PARTITIONS_MAX)
                return "has 1 to 1024 \"partitions\"";
        } else {
            return "has \"topic\", \"principal\" and \"partitions\" and nothing else";
        }
    }
    topic->partitions = (uint32_t)partitions;
    return topic->name[0] == '\0' || topic->principal[0] == '\0'
               ? "needs \"topic\" and \"principal\""
               : NULL;
}

static bool read_topics(struct config_kafka *kafka, struct json_value value, char *ret_why,
                        size_t why_bytes) {
    struct json_cursor items;
    struct json_value item;
    if (json_kind(value) != JSON_ARRAY) {
        (void)snprintf(ret_why, why_bytes, "kafka.topics must be a list.");
        return false;
    }
    items = json_items(value);
    while (json_next_item(&items, &item)) {
        const char *why = "is one of at most 8";
        if (kafka->topic_count < CURSOR_OWN_TOPICS_MAX) {
            why = read_topic(item, &kafka->topics[kafka->topic_count]);
            kafka->topic_count++;
        }
        if (why == NULL)
            continue;
        (void)snprintf(ret_why, why_bytes, "kafka.topics: each of them %s.", why);
        return false;
    }
    return true;
}

int config_kafka_topic_find(const struct config_kafka *kafka, struct slice name) {
    if (slice_equal(slice_of_text(kafka->commands_topic), name))
        return 0;
    for (uint32_t i = 0; i < kafka->topic_count; i++)
        if (slice_equal(slice_of_text(kafka->topics[i].name), name))
            return (int)i + 1;
    return -1;
}

struct console_topic config_kafka_topic_at(const struct config_kafka *kafka, uint32_t number) {
    CHECK(number <= kafka->topic_count);
    if (number == 0)
        return (struct console_topic){.name = kafka->commands_topic,
                                      .partitions = (uint32_t)kafka->partitions,
                                      .places = CURSOR_QUEUE};
    const struct config_kafka_topic *own = &kafka->topics[number - 1];
    return (struct console_topic){.name = own->name,
                                  .principal = own->principal,
                                  .partitions = own->partitions,
                                  .places = CURSOR_OWN_TOPIC + number - 1};
}

// No topic stands for two things, and all have partitions.
static bool topics_are_apart(struct config_kafka *kafka, char *ret_why, size_t why_bytes) {
    for (uint32_t i = 0; i < kafka->topic_count; i++) {
        struct config_kafka_topic *topic = &kafka->topics[i];
        struct slice name = slice_of_text(topic->name);
        bool is_other = slice_equal(name, slice_of_text(kafka->events_topic)) ||
                        slice_equal(name, slice_of_text(kafka->dead_letter_topic));
        if (topic->partitions == 0)
            topic->partitions = (uint32_t)kafka->partitions;
        if (!is_other && config_kafka_topic_find(kafka, name) == (int)i + 1)
            continue;
        (void)snprintf(ret_why, why_bytes, "kafka.topics: %s is used for something else as well.",
                       topic->name);
        return false;
    }
    return true;
}

bool config_read_kafka(struct json_value value, struct config_kafka *kafka, char *ret_why,
                       size_t why_bytes) {
    bool seen[SETTING_COUNT] = {false};
    if (json_kind(value) != JSON_OBJECT) {
        (void)snprintf(ret_why, why_bytes,
                       "kafka must be an object such as {\"brokers\": \"localhost:9092\"}.");
        return false;
    }
    struct json_cursor members = json_members(value);
    struct slice name;
    struct json_value member;
    while (json_next_member(&members, &name, &member)) {
        size_t i = 0;
        if (slice_equal(name, SLICE("topics")) && kafka->topic_count == 0) {
            if (!read_topics(kafka, member, ret_why, why_bytes))
                return false;
            continue;
        }
        while (i < SETTING_COUNT && !slice_equal(slice_of_text(settings[i].name), name))
            i++;
        if (i == SETTING_COUNT || seen[i]) {
            (void)snprintf(ret_why, why_bytes, "kafka: \"%.*s\" %s",
                           (int)(name.size < 64 ? name.size : 64), (const char *)name.bytes,
                           i == SETTING_COUNT ? "is no setting of it; see docs/kafka.md."
                                              : "stands there twice.");
            return false;
        }
        seen[i] = true;
        if (!read_one(kafka, &settings[i], member, ret_why, why_bytes))
            return false;
    }
    return topics_are_apart(kafka, ret_why, why_bytes);
}

// ---- secrets ----------------------------------------------------------------------------------

static bool read_secret(const char *path, const char *variable, char *ret_secret, char *ret_why,
                        size_t why_bytes) {
    ret_secret[0] = '\0';
    if (path[0] == '\0') {
        const char *value = getenv(variable);
        size_t size = value == NULL ? 0 : strlen(value);
        if (size >= CONFIG_KAFKA_TEXT_BYTES) {
            (void)snprintf(ret_why, why_bytes, "%s is too long.", variable);
            return false;
        }
        if (size != 0)
            memcpy(ret_secret, value, size + 1);
        return true;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, ret_secret, CONFIG_KAFKA_TEXT_BYTES - 1);
    int failure = errno;
    if (file >= 0)
        (void)close(file);
    if (size < 0) {
        (void)snprintf(ret_why, why_bytes, "The file %s cannot be read: %s.", path,
                       strerror(failure));
        return false;
    }
    while (size > 0 && (ret_secret[size - 1] == '\n' || ret_secret[size - 1] == '\r'))
        size--;
    ret_secret[size] = '\0';
    return true;
}

static const char *given(const char *text) {
    return text[0] == '\0' ? NULL : text;
}

bool config_kafka_access(struct config_kafka *kafka, struct kafka_access *ret_access,
                         char *ret_why, size_t why_bytes) {
    if (!read_secret(kafka->password_file, "FLORIN_KAFKA_PASSWORD", kafka->password, ret_why,
                     why_bytes) ||
        !read_secret(kafka->key_password_file, "FLORIN_KAFKA_KEY_PASSWORD", kafka->key_password,
                     ret_why, why_bytes))
        return false;
    *ret_access = (struct kafka_access){
        .brokers = kafka->brokers,
        .security = given(kafka->security),
        .mechanism = given(kafka->mechanism),
        .username = given(kafka->username),
        .password = given(kafka->password),
        .ca_file = given(kafka->ca_file),
        .certificate_file = given(kafka->certificate_file),
        .key_file = given(kafka->key_file),
        .key_password = given(kafka->key_password),
        .any_host_name = kafka->any_host_name != 0,
    };
    return true;
}

void config_kafka_describe(struct buffer *buffer) {
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct kafka_setting *setting = &settings[i];
        buffer_add_format(buffer, "  kafka.%s", setting->name);
        if (setting->kind == KAFKA_INTEGER)
            buffer_add_format(buffer, " (%llu to %llu, default %llu)",
                              (unsigned long long)setting->minimum,
                              (unsigned long long)setting->maximum,
                              (unsigned long long)setting->standard);
        else if (setting->kind == KAFKA_BOOL)
            buffer_add_format(buffer, " (default %s)", setting->standard != 0 ? "true" : "false");
        else if (setting->standard_text[0] != '\0')
            buffer_add_format(buffer, " (default %s)", setting->standard_text);
        buffer_add_format(buffer, "\n      %s\n", setting->sentence);
    }
    BUFFER_ADD(buffer, "  kafka.topics (a list of at most 8)\n"
                       "      Topics of producers' own: {\"topic\", \"principal\": a key's id, "
                       "\"partitions\"}.\n");
}
