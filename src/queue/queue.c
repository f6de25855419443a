// SPDX-License-Identifier: MIT
// The door to the queue, and the thread that hears the broker's acknowledgements.
#include "queue/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "base/thread.h"
#include "queue/partition.h"

#define POLL_MS       20
#define LOOK_NS       UINT64_C(2000000000)
#define MISSING_NS    UINT64_C(1000000000) // of a topic that is not there
#define LOOK_WAIT_MS  1000
#define LOOKS_MAX     15 // after so many the topic is looked at again, too
#define CONTEXT_BYTES (256 + 2 * LIMIT_TEXT_BYTES_MAX)

struct queue {
    struct kafka_producer *producer;
    struct sha256 node_key;
    char topic[256], group[512];
    struct topic_wish wish; // of the topic
    pthread_t thread, looker;
    struct signal_gate stop;
    uint32_t version;                 // atomic: what all workers read; 0: not known
    uint32_t record_bytes_max;        // atomic: what the topic takes; 0: not known
    bool is_refused;                  // atomic: something was too large for it
    bool is_unsafe;                   // atomic: it might lose what it has acknowledged
    bool is_missing;                  // atomic: there is no such topic
    bool is_seen, is_doubted;         // the looker's: there was one; it was not there just now
    bool stopping;                    // atomic
    uint64_t sent, delivered, failed; // atomic
};

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct queue *queue = context;
    struct queue_order *order = (struct queue_order *)ticket;
    (void)partition, (void)offset, (void)why;
    uint64_t *counter = fate == KAFKA_KEPT ? &queue->delivered : &queue->failed;
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
    if (fate == KAFKA_TOO_LARGE) {
        __atomic_store_n(&queue->is_refused, true, __ATOMIC_RELAXED);
        if (order->bytes <= queue_record_bytes_max(queue))
            fate = KAFKA_LOST; // not by itself: with what went beside it
    }
    order->delivered(order, fate);
}

static void *run(void *context) {
    struct queue *queue = context;
    while (!__atomic_load_n(&queue->stopping, __ATOMIC_ACQUIRE))
        (void)kafka_producer_poll(queue->producer, POLL_MS);
    return NULL;
}

// Sets one of the reasons not to queue, and tells when it changes.
static void tell(bool *reason, bool holds, const char *why) {
    if (__atomic_exchange_n(reason, holds, __ATOMIC_RELAXED) == holds)
        return;
    if (holds)
        log_line(LOG_ERROR, "queue", "ALARM: No command is queued: %s", why);
    else
        log_line(LOG_INFO, "queue", "Commands are queued again.");
}

// Makes the topic if there never was one, and sees what it is like. Who may not ask what records it
// takes learns it record by record. False: nobody answered, or it is not there.
static bool look_at_topic(struct queue *queue) {
    struct kafka_topic_facts facts = {0};
    char why[KAFKA_WHY_BYTES] = "";
    __atomic_store_n(&queue->is_refused, false, __ATOMIC_RELAXED);
    enum status status =
        queue->is_seen
            ? kafka_topic_look(queue->producer, queue->topic, LOOK_WAIT_MS, &facts, why,
                               sizeof(why))
            : topic_ensure(queue->producer, &queue->wish, LOOK_WAIT_MS, &facts, why, sizeof(why));
    if (status == STATUS_busy)
        return false;
    bool was_doubted = queue->is_doubted; // a broker that is starting may not know it yet
    queue->is_doubted = queue->is_seen && !facts.exists;
    if (queue->is_doubted && !was_doubted)
        return false;
    if (queue->is_doubted)
        (void)snprintf(why, sizeof(why), "The topic %s has gone.", queue->topic);
    tell(&queue->is_missing, !facts.exists, why);
    if (!facts.exists)
        return false;
    queue->is_seen = true;
    bool keeps = topic_check_keeps(&queue->wish, &facts, why, sizeof(why)) == STATUS_ok;
    tell(&queue->is_unsafe, !keeps, why); // nothing is queued until somebody has put it right
    if (facts.has_settings)
        __atomic_store_n(&queue->record_bytes_max, facts.record_bytes_max, __ATOMIC_RELAXED);
    return true;
}

// Asks now and then who works, and what the topic takes. What is not known counts as old.
static void *look(void *context) {
    struct queue *queue = context;
    uint32_t looks = 0; // since the topic was looked at
    do {
        if ((looks == 0 || __atomic_load_n(&queue->is_refused, __ATOMIC_RELAXED) ||
             !queue_has_topic(queue) || !queue_keeps(queue)) &&
            !look_at_topic(queue))
            looks = LOOKS_MAX - 1;
        looks = (looks + 1) % LOOKS_MAX;
        uint32_t version = 0;
        if (!queue_has_topic(queue) ||
            kafka_group_reads(queue->producer, queue->group, LOOK_WAIT_MS, &version) != STATUS_ok)
            version = 0;
        __atomic_store_n(&queue->version, version, __ATOMIC_RELAXED);
    } while (!signal_gate_wait(&queue->stop, 1, queue_has_topic(queue) ? LOOK_NS : MISSING_NS));
    return NULL;
}

uint32_t queue_record_bytes_max(const struct queue *queue) {
    return __atomic_load_n(&queue->record_bytes_max, __ATOMIC_RELAXED);
}

bool queue_can_write(const struct queue *queue, uint32_t version) {
    return version == 1 || version <= __atomic_load_n(&queue->version, __ATOMIC_RELAXED);
}

enum status queue_open(const struct queue_options *options, char *ret_why, size_t why_bytes,
                       struct queue **ret_queue) {
    struct queue *queue = memory_take_zeroed(sizeof(*queue));
    CHECK(strlen(options->topic.name) < sizeof(queue->topic));
    memcpy(queue->topic, options->topic.name, strlen(options->topic.name) + 1);
    queue->wish = options->topic;
    queue->wish.name = queue->topic;
    CHECK(strlen(options->group) < sizeof(queue->group));
    memcpy(queue->group, options->group, strlen(options->group) + 1);
    signal_gate_init(&queue->stop, 0, 0);
    queue->node_key = proof_node_key(&options->engine->seal);
    enum status status = kafka_producer_open(options->access, delivered, queue, ret_why, why_bytes,
                                             &queue->producer);
    if (status != STATUS_ok) {
        memory_free(queue);
        return status;
    }
    thread_start(&queue->thread, "queue", run, queue);
    thread_start(&queue->looker, "queue look", look, queue);
    *ret_queue = queue;
    return STATUS_ok;
}

bool queue_has_topic(const struct queue *queue) {
    return !__atomic_load_n(&queue->is_missing, __ATOMIC_RELAXED);
}

bool queue_keeps(const struct queue *queue) {
    return !__atomic_load_n(&queue->is_unsafe, __ATOMIC_RELAXED);
}

bool queue_is_up(struct queue *queue) {
    return queue_has_topic(queue) && queue_keeps(queue) && kafka_producer_is_up(queue->producer);
}

static size_t add_digits(char *text, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 2 * size;
}

// What the books write down beside the principal: see proof.h.
static size_t context_of(const struct queue_order *order, char ret_text[CONTEXT_BYTES]) {
    const struct origin *origin = order->origin;
    CHECK(order->owner.size <= LIMIT_TEXT_BYTES_MAX);
    size_t size = 1;
    ret_text[0] = '-';
    if (!id_is_zero(order->principal_key))
        size = id_format(ID_KEY, order->principal_key, ret_text);
    int added = snprintf(ret_text + size, CONTEXT_BYTES - size, " %u %llu ", origin->role,
                         (unsigned long long)order->token_until_ms);
    size_t more = 32 + 1 + 2 * order->owner.size + 1 + 1 + origin->request_id.size;
    CHECK(added > 0 && size + (size_t)added + more <= CONTEXT_BYTES);
    size += (size_t)added;
    size += add_digits(ret_text + size, origin->address, sizeof(origin->address));
    ret_text[size++] = ' ';
    if (order->owner.size == 0)
        ret_text[size++] = '-';
    size += add_digits(ret_text + size, order->owner.bytes, order->owner.size);
    ret_text[size++] = ' ';
    if (origin->request_id.size != 0)
        memcpy(ret_text + size, origin->request_id.bytes, origin->request_id.size);
    return size + origin->request_id.size;
}

enum status queue_send(struct queue *queue, struct queue_order *order) {
    static const char versions[] = "0123456789";
    char key[8], context[CONTEXT_BYTES], proof[PROOF_BYTES];
    CHECK(order->version >= 1 && order->version <= QUEUE_VERSION && QUEUE_VERSION <= 9);
    struct proof_parts parts = {
        .topic = slice_of_text(queue->topic),
        .key = slice_of(key, partition_key_of_slot(order->slot, key)),
        .principal = order->principal,
        .context = slice_of(context, context_of(order, context)),
        .value = order->value,
    };
    struct kafka_message message = {
        .key = parts.key,
        .value = order->value,
        .headers = {{"florin-version", slice_of(versions + order->version, 1)},
                    {"florin-principal", parts.principal},
                    {"florin-context", parts.context},
                    {"florin-proof",
                     slice_of(proof, proof_make(PROOF_NODE, &queue->node_key, &parts, proof))}},
        .header_count = 4,
        .partitions = queue->wish.partitions,
    };
    kafka_add_trace(&message, order->origin->trace);
    order->bytes = kafka_message_bytes(&message);
    uint32_t most = queue_record_bytes_max(queue);
    if (most != 0 && order->bytes > most) {
        __atomic_store_n(&queue->is_refused, true, __ATOMIC_RELAXED); // unless it takes more by now
        return STATUS_request_too_large;
    }
    enum status status = kafka_produce(queue->producer, queue->topic, &message, &order->ticket);
    if (status == STATUS_ok)
        __atomic_add_fetch(&queue->sent, 1, __ATOMIC_RELAXED);
    return status;
}

void queue_stats(struct queue *queue, struct queue_stats *ret_stats) {
    *ret_stats = (struct queue_stats){
        .sent = __atomic_load_n(&queue->sent, __ATOMIC_RELAXED),
        .delivered = __atomic_load_n(&queue->delivered, __ATOMIC_RELAXED),
        .failed = __atomic_load_n(&queue->failed, __ATOMIC_RELAXED),
        .pending = kafka_producer_pending(queue->producer),
        .is_up = queue_is_up(queue),
    };
}

void queue_close(struct queue *queue) {
    if (queue == NULL)
        return;
    __atomic_store_n(&queue->stopping, true, __ATOMIC_RELEASE);
    signal_gate_publish(&queue->stop, 1);
    CHECK(pthread_join(queue->looker, NULL) == 0);
    CHECK(pthread_join(queue->thread, NULL) == 0);
    kafka_producer_close(queue->producer);
    explicit_bzero(&queue->node_key, sizeof(queue->node_key));
    memory_free(queue);
}
