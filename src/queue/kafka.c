// SPDX-License-Identifier: MIT
// The producing half of Kafka, and what is common to both halves.
#include "queue/kafka.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/kafka_private.h"
#include "queue/partition.h"

#define STUCK_NS       UINT64_C(2000000000) // nothing acknowledged for so long: the broker is away
#define PROBE_NS       UINT64_C(500000000)
#define PROBE_WAIT_MS  1000
#define DRAIN_POLL_MS  50
#define PENDING_MAX    "100000" // messages
#define PENDING_KB_MAX "131072"

#define RETIRED_MAX   16

struct kafka_producer {
    rd_kafka_t *handle;   // atomic
    rd_kafka_conf_t *conf; // owned: of the next handle
    // Those that have failed for good: others may still ask them something.
    rd_kafka_t *retired[RETIRED_MAX];
    uint32_t retired_count;
    kafka_delivered *delivered;
    void *context;
    uint64_t pending;     // atomic
    uint64_t progress_ns; // atomic: when something was last acknowledged, or the first was handed
                          // over to an idle producer
    bool down;            // atomic: librdkafka has no broker
    uint64_t probed_ns;   // by the polling thread
};

// ---- common -----------------------------------------------------------------------------------

static void log_cb(const rd_kafka_t *handle, int level, const char *facility, const char *text) {
    (void)handle;
    // What the broker's coming and going says every few seconds is told once, by error_cb.
    if (level <= 3)
        log_line(LOG_WARNING, "kafka", "%s: %s", facility, text);
}

void kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    CHECK(rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK);
}

rd_kafka_conf_t *kafka_conf_of(const struct kafka_access *access, char *ret_why,
                               size_t why_bytes) {
    const struct {
        const char *name, *value;
        bool is_secret;
    } settings[] = {
        {"bootstrap.servers", access->brokers, false},
        {"security.protocol", access->security, false},
        {"sasl.mechanisms", access->mechanism, false},
        {"sasl.username", access->username, false},
        {"sasl.password", access->password, true},
        {"ssl.ca.location", access->ca_file, false},
        {"ssl.certificate.location", access->certificate_file, false},
        {"ssl.key.location", access->key_file, false},
        {"ssl.key.password", access->key_password, true},
        {"ssl.endpoint.identification.algorithm",
         access->security != NULL && strstr(access->security, "SSL") != NULL
             ? (access->any_host_name ? "none" : "https")
             : NULL,
         false},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        char why[256] = "";
        if (settings[i].value == NULL)
            continue;
        if (rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof(why)) ==
            RD_KAFKA_CONF_OK)
            continue;
        (void)snprintf(ret_why, why_bytes, "Kafka's %s: %s", settings[i].name,
                       settings[i].is_secret ? "it is not accepted" : why);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    kafka_conf_put(conf, "client.id", "florin");
    kafka_conf_put(conf, "log.connection.close", "false");
    kafka_conf_put(conf, "socket.keepalive.enable", "true");
    kafka_conf_put(conf, "reconnect.backoff.max.ms", "1000");
    kafka_conf_put(conf, "topic.metadata.refresh.interval.ms", "10000");
    kafka_conf_put(conf, "allow.auto.create.topics", "false");
    rd_kafka_conf_set_log_cb(conf, log_cb);
    return conf;
}

// ---- producing --------------------------------------------------------------------------------

static void delivered_cb(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    struct kafka_producer *producer = opaque;
    (void)handle;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        __atomic_store_n(&producer->progress_ns, clock_monotonic_ns(), __ATOMIC_RELAXED);
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
    enum kafka_fate fate = KAFKA_KEPT;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fate = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED
                   ? KAFKA_LOST
                   : KAFKA_UNSURE;
    producer->delivered(producer->context, message->_private, fate, message->partition,
                        message->offset, rd_kafka_err2str(message->err));
}

static void error_cb(rd_kafka_t *handle, int code, const char *why, void *opaque) {
    struct kafka_producer *producer = opaque;
    (void)handle;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN &&
        !__atomic_exchange_n(&producer->down, true, __ATOMIC_RELAXED))
        log_line(LOG_WARNING, "kafka", "No broker can be reached: %s", why);
    else if (code == RD_KAFKA_RESP_ERR__FATAL)
        __atomic_store_n(&producer->down, true, __ATOMIC_RELAXED); // begin_again says why
    else if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL)
        log_line(LOG_ERROR, "kafka", "The broker does not let us in: %s", why);
}

void kafka_add_trace(struct kafka_message *message, struct slice trace) {
    const size_t parent_bytes = 55;
    CHECK(message->header_count + 2 <= KAFKA_HEADERS_MAX);
    if (trace.size < parent_bytes)
        return;
    message->headers[message->header_count++] =
        (struct kafka_header){"traceparent", slice_of(trace.bytes, parent_bytes)};
    if (trace.size > parent_bytes + 1)
        message->headers[message->header_count++] = (struct kafka_header){
            "tracestate",
            slice_of(trace.bytes + parent_bytes + 1, trace.size - parent_bytes - 1)};
}

enum status kafka_producer_open(const struct kafka_access *access, kafka_delivered *delivered,
                                void *context, char *ret_why, size_t why_bytes,
                                struct kafka_producer **ret_producer) {
    rd_kafka_conf_t *conf = kafka_conf_of(access, ret_why, why_bytes);
    if (conf == NULL)
        return STATUS_invalid_request;
    struct kafka_producer *producer = memory_take_zeroed(sizeof(*producer));
    producer->delivered = delivered;
    producer->context = context;
    kafka_conf_put(conf, "enable.idempotence", "true");
    kafka_conf_put(conf, "acks", "all");
    kafka_conf_put(conf, "partitioner", "murmur2");
    // What was handed over is kept until a broker has it: who was told 202 must not be forgotten.
    kafka_conf_put(conf, "message.timeout.ms", "0");
    kafka_conf_put(conf, "linger.ms", "2");
    kafka_conf_put(conf, "queue.buffering.max.messages", PENDING_MAX);
    kafka_conf_put(conf, "queue.buffering.max.kbytes", PENDING_KB_MAX);
    kafka_conf_put(conf, "message.max.bytes", "4000000");
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered_cb);
    rd_kafka_conf_set_error_cb(conf, error_cb);
    char why[256];
    producer->conf = rd_kafka_conf_dup(conf);
    producer->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (producer->handle == NULL) {
        (void)snprintf(ret_why, why_bytes, "Kafka: %s", why);
        rd_kafka_conf_destroy(conf);
        rd_kafka_conf_destroy(producer->conf);
        memory_free(producer);
        return STATUS_invalid_request;
    }
    producer->down = true; // until it is known
    *ret_producer = producer;
    return STATUS_ok;
}

enum status kafka_produce(struct kafka_producer *producer, const char *topic,
                          const struct kafka_message *message, void *handle) {
    rd_kafka_headers_t *headers = NULL;
    CHECK(message->header_count <= KAFKA_HEADERS_MAX);
    if (message->header_count != 0) {
        headers = rd_kafka_headers_new(message->header_count);
        for (uint32_t i = 0; i < message->header_count; i++)
            CHECK(rd_kafka_header_add(headers, message->headers[i].name, -1,
                                      message->headers[i].value.bytes,
                                      (ssize_t)message->headers[i].value.size) ==
                  RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    int32_t partition = message->partitions == 0
                            ? RD_KAFKA_PARTITION_UA
                            : (int32_t)partition_of_key(message->key, message->partitions);
    if (__atomic_fetch_add(&producer->pending, 1, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&producer->progress_ns, clock_monotonic_ns(), __ATOMIC_RELAXED);
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)message->key.bytes, .size = message->key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)message->value.bytes, .size = message->value.size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = handle},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(kafka_producer_handle(producer), parts, headers != NULL ? 7 : 6);
    if (error == NULL)
        return STATUS_ok;
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
    if (headers != NULL)
        rd_kafka_headers_destroy(headers); // it is taken only on success
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        log_line(LOG_WARNING, "kafka", "A message for %s was not taken: %s", topic,
                 rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return STATUS_busy;
}

// Whether a broker answers again; asked now and then while none did.
static void probe(struct kafka_producer *producer) {
    uint64_t now_ns = clock_monotonic_ns();
    const rd_kafka_metadata_t *metadata = NULL;
    if (now_ns - producer->probed_ns < PROBE_NS)
        return;
    if (rd_kafka_metadata(kafka_producer_handle(producer), 0, NULL, &metadata, PROBE_WAIT_MS) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        __atomic_store_n(&producer->down, false, __ATOMIC_RELAXED);
        log_line(LOG_INFO, "kafka", "A broker answers.");
    }
    producer->probed_ns = clock_monotonic_ns();
}

// Of a producer whose handle has failed for good. What it had is given up before.
// False: it cannot yet.
static bool begin_again(struct kafka_producer *producer) {
    char why[256] = "";
    rd_kafka_t *failed = kafka_producer_handle(producer);
    if (rd_kafka_fatal_error(failed, why, sizeof(why)) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    __atomic_store_n(&producer->down, true, __ATOMIC_RELAXED);
    kafka_producer_purge(producer);
    if (kafka_producer_pending(producer) != 0 || producer->retired_count == RETIRED_MAX)
        return false;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(producer->conf);
    char said[256];
    rd_kafka_t *next = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof(said));
    if (next == NULL) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    log_line(LOG_ERROR, "kafka", "The producer has failed for good, and begins again%s: %s",
             producer->retired_count + 1 == RETIRED_MAX ? " for the last time" : "", why);
    producer->retired[producer->retired_count++] = failed;
    __atomic_store_n(&producer->handle, next, __ATOMIC_RELEASE);
    return true;
}

int kafka_producer_poll(struct kafka_producer *producer, uint32_t wait_ms) {
    bool works = begin_again(producer);
    int served = rd_kafka_poll(kafka_producer_handle(producer), (int)wait_ms);
    if (works && __atomic_load_n(&producer->down, __ATOMIC_RELAXED))
        probe(producer);
    return served;
}

bool kafka_producer_drain(struct kafka_producer *producer, uint32_t wait_ms) {
    for (uint32_t i = 0; i < wait_ms / DRAIN_POLL_MS && kafka_producer_pending(producer) != 0; i++)
        (void)kafka_producer_poll(producer, DRAIN_POLL_MS);
    return kafka_producer_pending(producer) == 0;
}

rd_kafka_t *kafka_producer_handle(const struct kafka_producer *producer) {
    return __atomic_load_n(&producer->handle, __ATOMIC_ACQUIRE);
}

uint64_t kafka_producer_pending(const struct kafka_producer *producer) {
    return __atomic_load_n(&producer->pending, __ATOMIC_RELAXED);
}

bool kafka_producer_is_up(struct kafka_producer *producer) {
    if (__atomic_load_n(&producer->down, __ATOMIC_RELAXED))
        return false;
    return kafka_producer_pending(producer) == 0 ||
           clock_monotonic_ns() - __atomic_load_n(&producer->progress_ns, __ATOMIC_RELAXED) <
               STUCK_NS;
}

void kafka_producer_purge(struct kafka_producer *producer) {
    (void)rd_kafka_purge(kafka_producer_handle(producer),
                         RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    for (int i = 0; i < 100 && kafka_producer_pending(producer) != 0; i++)
        (void)rd_kafka_poll(kafka_producer_handle(producer), 20);
}

void kafka_producer_close(struct kafka_producer *producer) {
    if (producer == NULL)
        return;
    kafka_producer_purge(producer);
    rd_kafka_destroy(kafka_producer_handle(producer));
    for (uint32_t i = 0; i < producer->retired_count; i++)
        rd_kafka_destroy(producer->retired[i]);
    rd_kafka_conf_destroy(producer->conf);
    memory_free(producer);
}

// ---- topics -----------------------------------------------------------------------------------

static enum status look_at_partitions(struct kafka_producer *producer, const char *topic,
                                      uint32_t wait_ms, struct kafka_topic_facts *facts,
                                      char *ret_why, size_t why_bytes) {
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka_producer_handle(producer), topic, NULL);
    CHECK(handle != NULL);
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(kafka_producer_handle(producer), 0, handle, &metadata, (int)wait_ms);
    rd_kafka_topic_destroy(handle);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret_why, why_bytes, "No broker tells about %s: %s", topic,
                       rd_kafka_err2str(error));
        return STATUS_busy;
    }
    enum status status = STATUS_ok;
    if (metadata->topic_cnt == 1 &&
        metadata->topics[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
        metadata->topics[0].err != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        const rd_kafka_metadata_topic_t *found = &metadata->topics[0];
        if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            (void)snprintf(ret_why, why_bytes, "%s: %s", topic, rd_kafka_err2str(found->err));
            status = STATUS_busy;
        }
        facts->exists = found->partition_cnt != 0;
        facts->partitions = (uint32_t)found->partition_cnt;
        facts->replicas = UINT32_MAX;
        for (int i = 0; i < found->partition_cnt; i++)
            if ((uint32_t)found->partitions[i].replica_cnt < facts->replicas)
                facts->replicas = (uint32_t)found->partitions[i].replica_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return status;
}

static uint64_t number_of(const char *text) {
    uint64_t number = 0;
    if (text == NULL || *text == '-')
        return UINT64_MAX; // -1: without end
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint64_t)(*text - '0');
    return number;
}

static void take_setting(const rd_kafka_ConfigEntry_t *entry, struct kafka_topic_facts *facts) {
    const char *name = rd_kafka_ConfigEntry_name(entry), *value = rd_kafka_ConfigEntry_value(entry);
    if (value == NULL)
        return;
    if (strcmp(name, "cleanup.policy") == 0)
        facts->deletes = strcmp(value, "delete") == 0;
    else if (strcmp(name, "unclean.leader.election.enable") == 0)
        facts->unclean_leaders = strcmp(value, "true") == 0;
    else if (strcmp(name, "min.insync.replicas") == 0)
        facts->min_insync = (uint32_t)number_of(value);
    else if (strcmp(name, "retention.ms") == 0)
        facts->retention_ms = number_of(value);
}

// Who may not ask is told nothing: the facts go without settings.
static void look_at_settings(struct kafka_producer *producer, const char *topic, uint32_t wait_ms,
                             struct kafka_topic_facts *facts) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka_producer_handle(producer));
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(kafka_producer_handle(producer), &resource, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)wait_ms);
    size_t count = 0;
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        if (count == 1 && rd_kafka_ConfigResource_error(found[0]) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            size_t entries;
            const rd_kafka_ConfigEntry_t **entry =
                rd_kafka_ConfigResource_configs(found[0], &entries);
            for (size_t i = 0; i < entries; i++)
                take_setting(entry[i], facts);
            facts->has_settings = true;
        }
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
}

enum status kafka_topic_look(struct kafka_producer *producer, const char *topic, uint32_t wait_ms,
                             struct kafka_topic_facts *ret_facts, char *ret_why,
                             size_t why_bytes) {
    memset(ret_facts, 0, sizeof(*ret_facts));
    enum status status =
        look_at_partitions(producer, topic, wait_ms, ret_facts, ret_why, why_bytes);
    if (status == STATUS_ok && ret_facts->exists)
        look_at_settings(producer, topic, wait_ms, ret_facts);
    return status;
}

enum status kafka_topic_count(struct kafka_producer *producer, const char *topic,
                              uint32_t wait_ms, uint32_t *ret_partitions) {
    struct kafka_topic_facts facts = {0};
    char why[KAFKA_WHY_BYTES];
    enum status status =
        look_at_partitions(producer, topic, wait_ms, &facts, why, sizeof(why));
    *ret_partitions = facts.partitions;
    return status;
}

static void new_topic_put(rd_kafka_NewTopic_t *topic, const char *name, uint64_t value) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    CHECK(rd_kafka_NewTopic_set_config(topic, name, text) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

enum status kafka_topic_make(struct kafka_producer *producer, const char *topic,
                             uint32_t partitions, uint32_t replicas, uint32_t min_insync,
                             uint64_t retention_ms, uint32_t wait_ms, char *ret_why,
                             size_t why_bytes) {
    char why[256] = "";
    rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic, (int)partitions, (int)replicas, why, sizeof(why));
    if (wanted == NULL) {
        (void)snprintf(ret_why, why_bytes, "The topic %s cannot be made: %s", topic, why);
        return STATUS_invalid_request;
    }
    CHECK(rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "delete") == 0);
    CHECK(rd_kafka_NewTopic_set_config(wanted, "unclean.leader.election.enable", "false") == 0);
    new_topic_put(wanted, "min.insync.replicas", min_insync);
    new_topic_put(wanted, "retention.ms", retention_ms);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka_producer_handle(producer));
    rd_kafka_CreateTopics(kafka_producer_handle(producer), &wanted, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)wait_ms);
    enum status status = STATUS_busy;
    (void)snprintf(ret_why, why_bytes, "No broker made the topic %s in time", topic);
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t count;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &count);
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
        bool is_there = error == RD_KAFKA_RESP_ERR_NO_ERROR ||
                        error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
        status = is_there ? STATUS_ok : STATUS_invalid_request;
        if (!is_there)
            (void)snprintf(ret_why, why_bytes, "The topic %s cannot be made: %s", topic,
                           rd_kafka_topic_result_error_string(results[0]));
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(wanted);
    rd_kafka_queue_destroy(queue);
    return status;
}

enum status kafka_producer_marks(struct kafka_producer *producer, const char *topic,
                                 int32_t partition, uint32_t wait_ms, int64_t *ret_low,
                                 int64_t *ret_high) {
    rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(kafka_producer_handle(producer), topic, partition,
                                         ret_low, ret_high, (int)wait_ms);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? STATUS_ok : STATUS_busy;
}

enum status kafka_source(struct kafka_producer *producer, const char *topic, uint32_t wait_ms,
                         uint64_t *ret_source) {
    char *cluster = rd_kafka_clusterid(kafka_producer_handle(producer), (int)wait_ms);
    if (cluster == NULL)
        return STATUS_busy;
    uint64_t source = hash64(slice_of_text(topic), hash64(slice_of_text(cluster), 0));
    rd_kafka_mem_free(kafka_producer_handle(producer), cluster);
    *ret_source = source == 0 ? 1 : source;
    return STATUS_ok;
}
