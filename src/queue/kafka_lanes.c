// SPDX-License-Identifier: MIT
// The first message of a producer for a partition goes alone: what comes meanwhile waits until a
// broker has acknowledged it.
//
// What an idempotent producer sends to a partition is numbered, but a broker that does not know the
// producer there takes whatever number comes first. So when a first request is refused, as by a
// broker that has not heard yet that it leads a partition that was just made, one that was sent
// right behind it may be taken; and librdkafka believes from that acknowledgement that all before
// it is there, too, and never sends it again (confluent-kafka-go's issue 921). delivered_cb would
// notice, but what is sent again then comes behind what was sent later.
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "queue/kafka_private.h"

// Of a producer that was not heard of for a day brokers forget the numbers
// (producer.id.expiration.ms).
#define KNOWN_NS          UINT64_C(600000000000)
#define WAITING_BYTES_MAX 33554432u // of what waits; more is refused as by a full producer

// ---- messages that are kept -------------------------------------------------------------------

static struct slice copy_behind(uint8_t **place, struct slice from) {
    struct slice copy = slice_of(*place, from.size);
    if (from.size != 0)
        memcpy(*place, from.bytes, from.size);
    *place += from.size;
    return copy;
}

struct kafka_kept *kafka_keep(const struct kafka_parts *parts) {
    struct slice topic = slice_of(parts->topic, strlen(parts->topic) + 1);
    struct kafka_kept *kept = memory_take_zeroed(sizeof(*kept) + topic.size + parts->key.size +
                                                 parts->value.size);
    uint8_t *place = (uint8_t *)(kept + 1);
    kept->parts = *parts;
    kept->parts.topic = (const char *)copy_behind(&place, topic).bytes;
    kept->parts.key = copy_behind(&place, parts->key);
    kept->parts.value = copy_behind(&place, parts->value);
    kept->fate = KAFKA_LOST;
    return kept;
}

void kafka_kept_drop(struct kafka_kept *kept) {
    if (kept->parts.headers != NULL)
        rd_kafka_headers_destroy(kept->parts.headers);
    memory_free(kept);
}

// ---- lanes ------------------------------------------------------------------------------------

static struct lane *lane_of(struct kafka_lanes *lanes, int32_t partition) {
    return partition < 0 || partition >= KAFKA_PARTITIONS_MAX ? NULL : &lanes->lanes[partition];
}

static bool is_open(const struct lane *lane) {
    return lane->acked_ns != 0 && clock_monotonic_ns() - lane->acked_ns < KNOWN_NS;
}

static size_t bytes_of(const struct kafka_parts *parts) {
    return sizeof(struct kafka_kept) + parts->key.size + parts->value.size;
}

static rd_kafka_error_t *let_wait(struct kafka_lanes *lanes, struct lane *lane,
                                  const struct kafka_parts *parts) {
    if (lanes->waiting_bytes + bytes_of(parts) > WAITING_BYTES_MAX)
        return rd_kafka_error_new(RD_KAFKA_RESP_ERR__QUEUE_FULL, "too much waits already");
    struct kafka_kept *kept = kafka_keep(parts);
    lanes->waiting_bytes += bytes_of(parts);
    *lane->end = kept;
    lane->end = &kept->next;
    return NULL;
}

static struct kafka_kept *take_first(struct kafka_lanes *lanes, struct lane *lane) {
    struct kafka_kept *kept = lane->first;
    lane->first = kept->next;
    if (lane->first == NULL)
        lane->end = &lane->first;
    lanes->waiting_bytes -= bytes_of(&kept->parts);
    kept->next = NULL;
    return kept;
}

// Hands over what need not wait any longer. Puts what is not taken in front of `*ret_refused`.
static void move_on(struct kafka_lanes *lanes, struct lane *lane, rd_kafka_t *handle,
                    struct kafka_kept **ret_refused) {
    while (lane->first != NULL && (is_open(lane) || lane->in_flight == 0)) {
        rd_kafka_error_t *error = kafka_hand_over(handle, &lane->first->parts);
        // Of one that has failed for good the next one gets it, in its turn.
        if (error != NULL &&
            rd_kafka_fatal_error(handle, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_error_destroy(error);
            return;
        }
        struct kafka_kept *kept = take_first(lanes, lane);
        if (error == NULL) {
            lane->in_flight++;
            memory_free(kept); // its headers are the message's
            continue;
        }
        rd_kafka_error_destroy(error);
        kept->next = *ret_refused;
        *ret_refused = kept;
    }
}

void kafka_lanes_init(struct kafka_lanes *lanes) {
    CHECK(pthread_mutex_init(&lanes->lock, NULL) == 0);
    for (uint32_t i = 0; i < KAFKA_PARTITIONS_MAX; i++)
        lanes->lanes[i].end = &lanes->lanes[i].first;
}

void kafka_lanes_done(struct kafka_lanes *lanes) {
    CHECK(pthread_mutex_destroy(&lanes->lock) == 0);
}

rd_kafka_error_t *kafka_lanes_send(struct kafka_lanes *lanes, rd_kafka_t *handle,
                                   const struct kafka_parts *parts) {
    struct lane *lane = lane_of(lanes, parts->partition);
    if (lane == NULL)
        return kafka_hand_over(handle, parts);
    rd_kafka_error_t *error;
    CHECK(pthread_mutex_lock(&lanes->lock) == 0);
    if (lane->first != NULL || (lane->in_flight != 0 && !is_open(lane))) {
        error = let_wait(lanes, lane, parts);
    } else {
        error = kafka_hand_over(handle, parts);
        if (error == NULL)
            lane->in_flight++;
    }
    CHECK(pthread_mutex_unlock(&lanes->lock) == 0);
    return error;
}

struct kafka_kept *kafka_lanes_delivered(struct kafka_lanes *lanes, rd_kafka_t *handle,
                                         int32_t partition, bool is_kept) {
    struct lane *lane = lane_of(lanes, partition);
    struct kafka_kept *refused = NULL;
    if (lane == NULL)
        return NULL;
    CHECK(pthread_mutex_lock(&lanes->lock) == 0);
    CHECK(lane->in_flight != 0);
    lane->in_flight--;
    if (is_kept)
        lane->acked_ns = clock_monotonic_ns();
    move_on(lanes, lane, handle, &refused);
    CHECK(pthread_mutex_unlock(&lanes->lock) == 0);
    return refused;
}

struct kafka_kept *kafka_lanes_empty(struct kafka_lanes *lanes) {
    struct kafka_kept *all = NULL;
    CHECK(pthread_mutex_lock(&lanes->lock) == 0);
    for (uint32_t i = 0; i < KAFKA_PARTITIONS_MAX; i++)
        while (lanes->lanes[i].first != NULL) {
            struct kafka_kept *kept = take_first(lanes, &lanes->lanes[i]);
            kept->next = all;
            all = kept;
        }
    CHECK(pthread_mutex_unlock(&lanes->lock) == 0);
    return all;
}

void kafka_lanes_begin_again(struct kafka_lanes *lanes) {
    CHECK(pthread_mutex_lock(&lanes->lock) == 0);
    for (uint32_t i = 0; i < KAFKA_PARTITIONS_MAX; i++)
        lanes->lanes[i].acked_ns = 0;
    CHECK(pthread_mutex_unlock(&lanes->lock) == 0);
}
