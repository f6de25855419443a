// SPDX-License-Identifier: MIT
// The producing half of Kafka, and what is common to both halves.
#include "queue/kafka.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
#define MARKS_REST_MS 100
#define TOGETHER_TEXT "100000"
static_assert(KAFKA_TOGETHER_BYTES_MAX == 100000, "as the text says");

struct kafka_producer {
    rd_kafka_t *handle;   // atomic
    rd_kafka_conf_t *conf; // owned: of the next handle
    // Those that have failed for good, in turn: others may still ask them something.
    rd_kafka_t *retired[RETIRED_MAX];
    uint32_t retired_count;
    // What they had that is to be handed over again; of the thread that polls.
    struct again *again; // NULL: nothing
    uint32_t again_count;
    uint64_t numbers; // atomic: of tickets
    kafka_delivered *delivered;
    void *context;
    uint64_t pending;     // atomic
    uint64_t progress_ns; // atomic: when something was last acknowledged, or the first was handed
                          // over to an idle producer
    bool down;            // atomic: librdkafka has no broker
    uint64_t probed_ns;   // by the polling thread
    // By the polling thread: of each partition, behind the last offset that was acknowledged.
    char acked_topic[256];
    int64_t acked[KAFKA_PARTITIONS_MAX];
};

// A message of a producer that failed.
struct again {
    struct again *next;
    struct kafka_ticket *ticket;
    enum kafka_fate fate; // if it is not handed over again after all
    int32_t partition;
    rd_kafka_headers_t *headers; // owned; NULL: none
    struct slice topic, key, value; // behind it; the topic's with its NUL
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
    // Of a broker that says nothing any more another one leads what it led long before.
    kafka_conf_put(conf, "socket.timeout.ms", "10000");
    kafka_conf_put(conf, "reconnect.backoff.max.ms", "1000");
    kafka_conf_put(conf, "topic.metadata.refresh.interval.ms", "10000");
    kafka_conf_put(conf, "allow.auto.create.topics", "false");
    rd_kafka_conf_set_log_cb(conf, log_cb);
    return conf;
}

// ---- producing --------------------------------------------------------------------------------

static struct slice copy_behind(uint8_t **place, const void *bytes, size_t size) {
    struct slice copy = slice_of(*place, size);
    if (size != 0)
        memcpy(*place, bytes, size);
    *place += size;
    return copy;
}

// It stays pending.
static void keep_for_again(struct kafka_producer *producer, const rd_kafka_message_t *message,
                           enum kafka_fate fate) {
    const char *topic = rd_kafka_topic_name(message->rkt);
    size_t topic_bytes = strlen(topic) + 1;
    struct again *again =
        memory_take_zeroed(sizeof(*again) + topic_bytes + message->key_len + message->len);
    uint8_t *place = (uint8_t *)(again + 1);
    rd_kafka_headers_t *headers;
    again->ticket = message->_private;
    again->fate = fate;
    again->partition = message->partition;
    again->topic = copy_behind(&place, topic, topic_bytes);
    again->key = copy_behind(&place, message->key, message->key_len);
    again->value = copy_behind(&place, message->payload, message->len);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        again->headers = rd_kafka_headers_copy(headers);
    again->next = producer->again;
    producer->again = again;
    producer->again_count++;
}

// Takes the headers, which may be NULL, only on success.
static rd_kafka_error_t *hand_over(rd_kafka_t *handle, const char *topic, int32_t partition,
                                   struct slice key, struct slice value,
                                   rd_kafka_headers_t *headers, struct kafka_ticket *ticket) {
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)key.bytes, .size = key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)value.bytes, .size = value.size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = ticket},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    return rd_kafka_produceva(handle, parts, headers != NULL ? 7 : 6);
}

// Whether a message is where its acknowledgement says. Of a topic that was just made, under load, a
// message was acknowledged now and then that no partition had: as the broker answers a sequence
// that it has seen before, at another's offset or at none.
static bool is_really_there(struct kafka_producer *producer, const rd_kafka_message_t *message) {
    const char *topic = rd_kafka_topic_name(message->rkt);
    if (strcmp(topic, producer->acked_topic) != 0) {
        memset(producer->acked, 0, sizeof(producer->acked));
        (void)snprintf(producer->acked_topic, sizeof(producer->acked_topic), "%s", topic);
    }
    if (message->partition < 0 || message->partition >= KAFKA_PARTITIONS_MAX)
        return true;
    int64_t *behind = &producer->acked[message->partition];
    bool is_there = message->offset >= *behind;
    *behind = message->offset < 0 ? *behind : message->offset + 1; // less: it was made anew
    return is_there;
}

// Once more, behind what came meanwhile. False: it cannot be.
static bool send_again(rd_kafka_t *handle, const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = rd_kafka_headers_copy(headers);
    rd_kafka_error_t *error =
        hand_over(handle, rd_kafka_topic_name(message->rkt), message->partition,
                  slice_of(message->key, message->key_len),
                  slice_of(message->payload, message->len), headers, message->_private);
    if (error == NULL)
        return true;
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    rd_kafka_error_destroy(error);
    return false;
}

static void delivered_cb(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    struct kafka_producer *producer = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        __atomic_store_n(&producer->progress_ns, clock_monotonic_ns(), __ATOMIC_RELAXED);
    enum kafka_fate fate = KAFKA_KEPT;
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        fate = KAFKA_TOO_LARGE;
    else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fate = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED
                   ? KAFKA_LOST
                   : KAFKA_UNSURE;
    else if (!is_really_there(producer, message)) {
        log_line(LOG_WARNING, "kafka",
                 "A message for %s was acknowledged as record %d/%" PRId64
                 ", which is another: it is sent again.",
                 rd_kafka_topic_name(message->rkt), message->partition, message->offset);
        if (message->_private != NULL && send_again(handle, message))
            return;
        fate = KAFKA_UNSURE;
    }
    bool has_failed = message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
                      rd_kafka_fatal_error(handle, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (has_failed && message->_private != NULL) {
        keep_for_again(producer, message, fate);
        return;
    }
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
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

size_t kafka_message_bytes(const struct kafka_message *message) {
    const size_t batch_head = 61, record_head = 31, header_head = 10; // numbers at their longest
    size_t bytes = batch_head + record_head + message->key.size + message->value.size;
    for (uint32_t i = 0; i < message->header_count; i++)
        bytes += header_head + strlen(message->headers[i].name) + message->headers[i].value.size;
    return bytes;
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
    // What was handed over is kept until a broker has it: its caller may be waiting.
    kafka_conf_put(conf, "message.timeout.ms", "0");
    kafka_conf_put(conf, "linger.ms", "2");
    kafka_conf_put(conf, "queue.buffering.max.messages", PENDING_MAX);
    kafka_conf_put(conf, "queue.buffering.max.kbytes", PENDING_KB_MAX);
    // A dead letter is as large as whoever wrote to the topic liked.
    kafka_conf_put(conf, "message.max.bytes", "100000000");
    kafka_conf_put(conf, "batch.size", TOGETHER_TEXT);
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
                          const struct kafka_message *message, struct kafka_ticket *ticket) {
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
    if (ticket != NULL)
        ticket->number = __atomic_fetch_add(&producer->numbers, 1, __ATOMIC_RELAXED);
    rd_kafka_error_t *error = hand_over(kafka_producer_handle(producer), topic, partition,
                                        message->key, message->value, headers, ticket);
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

static void tell_again(struct kafka_producer *producer, struct again *again, const char *why) {
    if (again->headers != NULL)
        rd_kafka_headers_destroy(again->headers);
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
    producer->delivered(producer->context, again->ticket, again->fate, again->partition, -1, why);
    memory_free(again);
}

static int by_number(const void *one, const void *other) {
    const struct again *const *a = one, *const *b = other;
    CHECK((*a)->ticket->number != (*b)->ticket->number);
    return (*a)->ticket->number < (*b)->ticket->number ? -1 : 1;
}

// Hands over to `next` what those before it had, in its order; nobody else knows `next` yet.
static void hand_over_again(struct kafka_producer *producer, rd_kafka_t *next) {
    uint32_t count = producer->again_count;
    struct again **sorted = memory_take_zeroed((count + 1) * sizeof(struct again *));
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = producer->again;
        producer->again = sorted[i]->next;
    }
    CHECK(producer->again == NULL);
    producer->again_count = 0;
    qsort(sorted, count, sizeof(struct again *), by_number);
    for (uint32_t i = 0; i < count; i++) {
        struct again *again = sorted[i];
        rd_kafka_error_t *error =
            hand_over(next, (const char *)again->topic.bytes, again->partition, again->key,
                      again->value, again->headers, again->ticket);
        if (error == NULL) {
            memory_free(again);
            continue;
        }
        tell_again(producer, again, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    memory_free(sorted);
}

// Of a producer whose handle has failed for good. What it had is told, or kept, before.
// False: it cannot yet.
static bool begin_again(struct kafka_producer *producer) {
    char why[256] = "";
    rd_kafka_t *failed = kafka_producer_handle(producer);
    if (rd_kafka_fatal_error(failed, why, sizeof(why)) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    __atomic_store_n(&producer->down, true, __ATOMIC_RELAXED);
    kafka_producer_purge(producer);
    if (kafka_producer_pending(producer) != producer->again_count)
        return false;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(producer->conf);
    char said[256];
    rd_kafka_t *next = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof(said));
    if (next == NULL) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    log_line(LOG_ERROR, "kafka",
             "The producer has failed for good, and begins again with %u messages: %s",
             producer->again_count, why);
    hand_over_again(producer, next);
    rd_kafka_t **place = &producer->retired[producer->retired_count++ % RETIRED_MAX];
    if (*place != NULL)
        rd_kafka_destroy(*place); // so long ago that nobody asks it any more
    *place = failed;
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
    for (int i = 0; i < 100 && kafka_producer_pending(producer) != producer->again_count; i++)
        (void)rd_kafka_poll(kafka_producer_handle(producer), 20);
}

void kafka_producer_close(struct kafka_producer *producer) {
    if (producer == NULL)
        return;
    kafka_producer_purge(producer);
    while (producer->again != NULL) {
        struct again *again = producer->again;
        producer->again = again->next;
        tell_again(producer, again, "it was given up");
    }
    rd_kafka_destroy(kafka_producer_handle(producer));
    for (uint32_t i = 0; i < RETIRED_MAX; i++)
        if (producer->retired[i] != NULL)
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
    else if (strcmp(name, "max.message.bytes") == 0)
        facts->record_bytes_max = (uint32_t)number_of(value);
}

// Who may not ask is told nothing: the facts go without settings. STATUS_busy: nobody told.
static enum status look_at_settings(struct kafka_producer *producer, const char *topic,
                                    uint32_t wait_ms, struct kafka_topic_facts *facts) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka_producer_handle(producer));
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(kafka_producer_handle(producer), &resource, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)wait_ms);
    size_t count = 0;
    enum status status = STATUS_busy;
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
            status = STATUS_ok;
        } else if (count == 1 && rd_kafka_ConfigResource_error(found[0]) ==
                                     RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
            status = STATUS_ok;
        }
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    return status;
}

enum status kafka_topic_look(struct kafka_producer *producer, const char *topic, uint32_t wait_ms,
                             struct kafka_topic_facts *ret_facts, char *ret_why,
                             size_t why_bytes) {
    memset(ret_facts, 0, sizeof(*ret_facts));
    enum status status =
        look_at_partitions(producer, topic, wait_ms, ret_facts, ret_why, why_bytes);
    if (status != STATUS_ok || !ret_facts->exists)
        return status;
    status = look_at_settings(producer, topic, wait_ms, ret_facts);
    if (status != STATUS_ok) // as one that hears of a new topic later than others
        (void)snprintf(ret_why, why_bytes, "No broker tells the settings of %s yet.", topic);
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
                             const struct kafka_topic_plan *plan, uint32_t wait_ms,
                             bool *ret_is_new, char *ret_why, size_t why_bytes) {
    char why[256] = "";
    *ret_is_new = false;
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, (int)plan->partitions,
                                                        (int)plan->replicas, why, sizeof(why));
    if (wanted == NULL) {
        (void)snprintf(ret_why, why_bytes, "The topic %s cannot be made: %s", topic, why);
        return STATUS_invalid_request;
    }
    CHECK(rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "delete") == 0);
    CHECK(rd_kafka_NewTopic_set_config(wanted, "unclean.leader.election.enable", "false") == 0);
    new_topic_put(wanted, "min.insync.replicas", plan->min_insync);
    new_topic_put(wanted, "retention.ms", plan->retention_ms);
    if (plan->record_bytes_max != 0)
        new_topic_put(wanted, "max.message.bytes", plan->record_bytes_max);
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
        *ret_is_new = error == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!is_there)
            (void)snprintf(ret_why, why_bytes, "The topic %s cannot be made: %s%s", topic,
                           rd_kafka_topic_result_error_string(results[0]),
                           error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR
                               ? " Start so many brokers, or set kafka.replicas and "
                                 "kafka.min_insync lower."
                               : "");
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(wanted);
    rd_kafka_queue_destroy(queue);
    return status;
}

static rd_kafka_resp_err_t mark(rd_kafka_t *handle, const char *topic, int32_t partition,
                                int64_t which, uint32_t wait_ms, int64_t *ret_offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = which;
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(handle, list, (int)wait_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = list->elems[0].err;
    *ret_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

// (rd_kafka_query_watermark_offsets waits for its requests to time out, however short it is to.)
rd_kafka_resp_err_t kafka_marks(rd_kafka_t *handle, const char *topic, int32_t partition,
                                uint32_t wait_ms, int64_t *ret_low, int64_t *ret_high) {
    uint64_t begun_ns = clock_monotonic_ns();
    rd_kafka_resp_err_t error =
        mark(handle, topic, partition, RD_KAFKA_OFFSET_BEGINNING, wait_ms, ret_low);
    uint64_t took_ms = (clock_monotonic_ns() - begun_ns) / 1000000;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = mark(handle, topic, partition, RD_KAFKA_OFFSET_END,
                     took_ms < wait_ms ? (uint32_t)(wait_ms - took_ms) : 1, ret_high);
    return error;
}

enum status kafka_producer_marks(struct kafka_producer *producer, const char *topic,
                                 int32_t partition, uint32_t wait_ms, int64_t *ret_low,
                                 int64_t *ret_high) {
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= until_ns)
            return STATUS_busy;
        if (kafka_marks(kafka_producer_handle(producer), topic, partition,
                        (uint32_t)((until_ns - now_ns) / 1000000) + 1, ret_low,
                        ret_high) == RD_KAFKA_RESP_ERR_NO_ERROR)
            return STATUS_ok;
        // Of a topic that was made a moment ago brokers may not know yet who leads it.
        (void)rd_kafka_poll(kafka_producer_handle(producer), MARKS_REST_MS);
    }
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
