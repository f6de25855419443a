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
#define BEGIN_REST_NS  UINT64_C(2000000000) // between two producers of which none came to anything
#define PENDING_MAX    "100000" // messages
#define PENDING_KB_MAX "131072"

#define RETIRED_MAX   16
#define MARKS_REST_MS 100
#define TOGETHER_TEXT "100000"
static_assert(KAFKA_TOGETHER_BYTES_MAX == 100000, "as the text says");

// Whether a producer's messages name their partitions: all of them, or none.
enum naming { NAMING_UNKNOWN, NAMING_NONE, NAMING_ALL };

struct kafka_producer {
    rd_kafka_t *handle;   // atomic
    rd_kafka_conf_t *conf; // owned: of the next handle
    // Those that have failed for good, in turn: others may still ask them something.
    rd_kafka_t *retired[RETIRED_MAX];
    uint32_t retired_count;
    // What they had that is to be handed over again; of the thread that polls.
    struct kafka_kept *again; // NULL: nothing
    uint32_t again_count;
    uint64_t numbers; // atomic: of tickets
    kafka_delivered *delivered;
    void *context;
    uint64_t pending;     // atomic
    uint64_t progress_ns; // atomic: when something was last acknowledged, or the first was handed
                          // over to an idle producer
    bool down;            // atomic: librdkafka has no broker
    uint64_t probed_ns;   // by the polling thread
    uint64_t begun_ns;    // likewise: when the last one that failed for good began again
    bool has_worked;      // likewise: something was acknowledged since
    char said[256];       // likewise: why it failed before it came to anything
    // By the polling thread: of each partition, behind the last offset that was acknowledged.
    char acked_topic[256];
    int64_t acked[KAFKA_PARTITIONS_MAX];
    enum naming naming; // atomic
    struct kafka_lanes lanes; // when its messages name their partitions
};

// ---- common -----------------------------------------------------------------------------------

static void log_cb(const rd_kafka_t *handle, int level, const char *facility, const char *text) {
    // What the broker's coming and going says every few seconds is told once, by error_cb; and why
    // a producer has failed, by begin_again.
    bool is_told = strcmp(facility, "FATAL") == 0 && rd_kafka_type(handle) == RD_KAFKA_PRODUCER;
    if (level <= 3 && !is_told)
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

static struct kafka_parts parts_of(const rd_kafka_message_t *message) {
    struct kafka_parts parts = {.topic = rd_kafka_topic_name(message->rkt),
                                .partition = message->partition,
                                .key = slice_of(message->key, message->key_len),
                                .value = slice_of(message->payload, message->len),
                                .ticket = message->_private};
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        parts.headers = rd_kafka_headers_copy(headers);
    return parts;
}

static void push_again(struct kafka_producer *producer, struct kafka_kept *again) {
    again->next = producer->again;
    producer->again = again;
    producer->again_count++;
}

// It stays pending.
static void keep_for_again(struct kafka_producer *producer, const rd_kafka_message_t *message,
                           enum kafka_fate fate) {
    struct kafka_parts parts = parts_of(message);
    struct kafka_kept *again = kafka_keep(&parts);
    again->fate = fate;
    push_again(producer, again);
}

rd_kafka_error_t *kafka_hand_over(rd_kafka_t *handle, const struct kafka_parts *parts) {
    rd_kafka_vu_t units[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = parts->topic},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)parts->key.bytes, .size = parts->key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)parts->value.bytes, .size = parts->value.size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = parts->ticket},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = parts->partition},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = parts->headers},
    };
    return rd_kafka_produceva(handle, units, parts->headers != NULL ? 7 : 6);
}

static bool has_lanes(const struct kafka_producer *producer) {
    return __atomic_load_n(&producer->naming, __ATOMIC_RELAXED) == NAMING_ALL;
}

static rd_kafka_error_t *send_on(struct kafka_producer *producer, rd_kafka_t *handle,
                                 const struct kafka_parts *parts) {
    return has_lanes(producer) ? kafka_lanes_send(&producer->lanes, handle, parts)
                               : kafka_hand_over(handle, parts);
}

// Whether a message is where its acknowledgement says. librdkafka acknowledges at no offset what it
// believes to be there because a later one is, and that may be in no partition at all
// (kafka_lanes.c); a broker answers a sequence that it has seen before at another's offset.
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
    struct kafka_parts parts = parts_of(message);
    rd_kafka_error_t *error = kafka_hand_over(handle, &parts);
    if (error == NULL)
        return true;
    if (parts.headers != NULL)
        rd_kafka_headers_destroy(parts.headers);
    rd_kafka_error_destroy(error);
    return false;
}

static void tell_kept(struct kafka_producer *producer, struct kafka_kept *kept, const char *why) {
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
    producer->delivered(producer->context, kept->parts.ticket, kept->fate, kept->parts.partition,
                        -1, why);
    kafka_kept_drop(kept);
}

// What waited for it moves on.
static void leave_lane(struct kafka_producer *producer, rd_kafka_t *handle, int32_t partition,
                       bool is_kept) {
    if (!has_lanes(producer))
        return;
    struct kafka_kept *refused =
        kafka_lanes_delivered(&producer->lanes, handle, partition, is_kept);
    while (refused != NULL) {
        struct kafka_kept *kept = refused;
        refused = kept->next;
        tell_kept(producer, kept, "the producer is full");
    }
}

static void delivered_cb(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    struct kafka_producer *producer = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer->has_worked = true;
        __atomic_store_n(&producer->progress_ns, clock_monotonic_ns(), __ATOMIC_RELAXED);
    }
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
    leave_lane(producer, handle, message->partition, fate == KAFKA_KEPT);
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
    kafka_lanes_init(&producer->lanes);
    *ret_producer = producer;
    return STATUS_ok;
}

static void note_naming(struct kafka_producer *producer, enum naming naming) {
    enum naming before = __atomic_load_n(&producer->naming, __ATOMIC_RELAXED);
    CHECK(before == NAMING_UNKNOWN || before == naming);
    if (before == NAMING_UNKNOWN)
        __atomic_store_n(&producer->naming, naming, __ATOMIC_RELAXED);
}

enum status kafka_produce(struct kafka_producer *producer, const char *topic,
                          const struct kafka_message *message, struct kafka_ticket *ticket) {
    struct kafka_parts parts = {
        .topic = topic, .key = message->key, .value = message->value, .ticket = ticket};
    CHECK(message->header_count <= KAFKA_HEADERS_MAX);
    if (message->header_count != 0)
        parts.headers = rd_kafka_headers_new(message->header_count);
    for (uint32_t i = 0; i < message->header_count; i++)
        CHECK(rd_kafka_header_add(parts.headers, message->headers[i].name, -1,
                                  message->headers[i].value.bytes,
                                  (ssize_t)message->headers[i].value.size) ==
              RD_KAFKA_RESP_ERR_NO_ERROR);
    parts.partition = message->partitions == 0
                          ? RD_KAFKA_PARTITION_UA
                          : (int32_t)partition_of_key(message->key, message->partitions);
    note_naming(producer, message->partitions != 0 ? NAMING_ALL : NAMING_NONE);
    if (__atomic_fetch_add(&producer->pending, 1, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&producer->progress_ns, clock_monotonic_ns(), __ATOMIC_RELAXED);
    if (ticket != NULL)
        ticket->number = __atomic_fetch_add(&producer->numbers, 1, __ATOMIC_RELAXED);
    rd_kafka_error_t *error = send_on(producer, kafka_producer_handle(producer), &parts);
    if (error == NULL)
        return STATUS_ok;
    __atomic_sub_fetch(&producer->pending, 1, __ATOMIC_RELAXED);
    if (parts.headers != NULL)
        rd_kafka_headers_destroy(parts.headers); // it is taken only on success
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

static int by_number(const void *one, const void *other) {
    const struct kafka_kept *const *a = one, *const *b = other;
    uint64_t number = (*a)->parts.ticket->number, other_number = (*b)->parts.ticket->number;
    CHECK(number != other_number);
    return number < other_number ? -1 : 1;
}

// Hands over to `next` what those before it had, in its order; nobody else knows `next` yet.
static void hand_over_again(struct kafka_producer *producer, rd_kafka_t *next) {
    uint32_t count = producer->again_count;
    struct kafka_kept **sorted = memory_take_zeroed((count + 1) * sizeof(struct kafka_kept *));
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = producer->again;
        producer->again = sorted[i]->next;
    }
    CHECK(producer->again == NULL);
    producer->again_count = 0;
    qsort(sorted, count, sizeof(struct kafka_kept *), by_number);
    for (uint32_t i = 0; i < count; i++) {
        struct kafka_kept *again = sorted[i];
        rd_kafka_error_t *error = send_on(producer, next, &again->parts);
        if (error == NULL) {
            memory_free(again);
            continue;
        }
        tell_kept(producer, again, rd_kafka_error_string(error));
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
    // As one that nobody has allowed to write yet.
    if (!producer->has_worked && clock_monotonic_ns() - producer->begun_ns < BEGIN_REST_NS)
        return false;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(producer->conf);
    char refusal[256];
    rd_kafka_t *next = rd_kafka_new(RD_KAFKA_PRODUCER, conf, refusal, sizeof(refusal));
    if (next == NULL) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    if (producer->has_worked || strcmp(why, producer->said) != 0)
        log_line(LOG_ERROR, "kafka",
                 "The producer has failed for good, and begins again with %u messages: %s",
                 producer->again_count, why);
    (void)snprintf(producer->said, sizeof(producer->said), "%s", why);
    kafka_lanes_begin_again(&producer->lanes);
    hand_over_again(producer, next);
    rd_kafka_t **place = &producer->retired[producer->retired_count++ % RETIRED_MAX];
    if (*place != NULL)
        rd_kafka_destroy(*place); // so long ago that nobody asks it any more
    *place = failed;
    producer->begun_ns = clock_monotonic_ns();
    producer->has_worked = false;
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

// What waits is given up, or handed over again like what was on its way when the handle failed.
static void give_up_waiting(struct kafka_producer *producer) {
    struct kafka_kept *waiting = kafka_lanes_empty(&producer->lanes);
    bool has_failed = rd_kafka_fatal_error(kafka_producer_handle(producer), NULL, 0) !=
                      RD_KAFKA_RESP_ERR_NO_ERROR;
    while (waiting != NULL) {
        struct kafka_kept *kept = waiting;
        waiting = kept->next;
        if (has_failed && kept->parts.ticket != NULL)
            push_again(producer, kept);
        else
            tell_kept(producer, kept, "it was given up");
    }
}

void kafka_producer_purge(struct kafka_producer *producer) {
    give_up_waiting(producer);
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
        struct kafka_kept *again = producer->again;
        producer->again = again->next;
        tell_kept(producer, again, "it was given up");
    }
    rd_kafka_destroy(kafka_producer_handle(producer));
    for (uint32_t i = 0; i < RETIRED_MAX; i++)
        if (producer->retired[i] != NULL)
            rd_kafka_destroy(producer->retired[i]);
    rd_kafka_conf_destroy(producer->conf);
    kafka_lanes_done(&producer->lanes);
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
