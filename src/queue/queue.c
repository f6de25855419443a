// SPDX-License-Identifier: MIT
// The door to the queue, and the thread that hears the broker's acknowledgements.
#include "queue/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/signal_gate.h"
#include "base/thread.h"
#include "queue/partition.h"

#define POLL_MS       20
#define LOOK_NS       UINT64_C(2000000000)
#define LOOK_WAIT_MS  1000
#define CONTEXT_BYTES (256 + 2 * LIMIT_TEXT_BYTES_MAX)

struct queue {
    struct kafka_producer *producer;
    struct sha256 node_key;
    char topic[256], group[512];
    uint32_t partitions;
    pthread_t thread, looker;
    struct signal_gate stop;
    uint32_t version;                 // atomic: what all workers read; 0: not known
    bool stopping;                    // atomic
    uint64_t sent, delivered, failed; // atomic
};

static void delivered(void *context, void *message, enum kafka_fate fate, int32_t partition,
                      int64_t offset, const char *why) {
    struct queue *queue = context;
    struct queue_order *order = message;
    (void)partition, (void)offset, (void)why;
    uint64_t *counter = fate == KAFKA_KEPT ? &queue->delivered : &queue->failed;
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
    order->delivered(order, fate != KAFKA_LOST);
}

static void *run(void *context) {
    struct queue *queue = context;
    while (!__atomic_load_n(&queue->stopping, __ATOMIC_ACQUIRE))
        (void)kafka_producer_poll(queue->producer, POLL_MS);
    return NULL;
}

// Asks now and then who works. What is not known counts as old.
static void *look(void *context) {
    struct queue *queue = context;
    do {
        uint32_t version = 0;
        if (kafka_group_reads(queue->producer, queue->group, LOOK_WAIT_MS, &version) != STATUS_ok)
            version = 0;
        __atomic_store_n(&queue->version, version, __ATOMIC_RELAXED);
    } while (!signal_gate_wait(&queue->stop, 1, LOOK_NS));
    return NULL;
}

bool queue_can_write(const struct queue *queue, uint32_t version) {
    return version == 1 || version <= __atomic_load_n(&queue->version, __ATOMIC_RELAXED);
}

enum status queue_open(const struct queue_options *options, char *ret_why, size_t why_bytes,
                       struct queue **ret_queue) {
    struct queue *queue = memory_take_zeroed(sizeof(*queue));
    CHECK(strlen(options->topic) < sizeof(queue->topic));
    memcpy(queue->topic, options->topic, strlen(options->topic) + 1);
    queue->partitions = options->partitions;
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

bool queue_is_up(struct queue *queue) {
    return kafka_producer_is_up(queue->producer);
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
    char key[8], context[CONTEXT_BYTES], proof[PROOF_BYTES];
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
        .headers = {{"florin-version", order->version == 1 ? SLICE("1") : SLICE("2")},
                    {"florin-principal", parts.principal},
                    {"florin-context", parts.context},
                    {"florin-proof",
                     slice_of(proof, proof_make(PROOF_NODE, &queue->node_key, &parts, proof))}},
        .header_count = 4,
        .partitions = queue->partitions,
    };
    kafka_add_trace(&message, order->origin->trace);
    enum status status = kafka_produce(queue->producer, queue->topic, &message, order);
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
        .is_up = kafka_producer_is_up(queue->producer),
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
