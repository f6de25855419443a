// SPDX-License-Identifier: MIT
// The consuming half of Kafka: a member of a group that shares partitions cooperatively, starts
// where the books say, and commits nothing.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "queue/kafka_private.h"

#define SESSION_MS 6000

static rd_kafka_topic_partition_list_t *one(const struct kafka_consumer *consumer,
                                            int32_t partition) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, consumer->topic, partition);
    return list;
}

// What we can have places for; a topic that grew beyond it is stopped for that.
static rd_kafka_topic_partition_list_t *
within_bounds(const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *kept = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].partition < KAFKA_PARTITIONS_MAX)
            (void)rd_kafka_topic_partition_list_add(kept, list->elems[i].topic,
                                                    list->elems[i].partition);
    return kept;
}

static uint32_t numbers_of(const rd_kafka_topic_partition_list_t *list,
                           int32_t ret_partitions[KAFKA_PARTITIONS_MAX]) {
    CHECK(list->cnt <= KAFKA_PARTITIONS_MAX);
    for (int i = 0; i < list->cnt; i++)
        ret_partitions[i] = list->elems[i].partition;
    return (uint32_t)list->cnt;
}

static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *ours) {
    int32_t partitions[KAFKA_PARTITIONS_MAX];
    int64_t offsets[KAFKA_PARTITIONS_MAX];
    uint32_t count = numbers_of(ours, partitions);
    consumer->member.assigned(consumer->member.context, partitions, count, offsets);
    rd_kafka_topic_partition_list_t *paused = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_t *read = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < ours->cnt; i++) {
        // One that cannot begin is ours all the same, so that nobody else trips over it.
        ours->elems[i].offset = offsets[i] < 0 ? RD_KAFKA_OFFSET_END : offsets[i];
        (void)rd_kafka_topic_partition_list_add(offsets[i] < 0 ? paused : read, consumer->topic,
                                                partitions[i]);
    }
    rd_kafka_error_t *error = rd_kafka_incremental_assign(consumer->handle, ours);
    if (error != NULL) {
        log_line(LOG_ERROR, "kafka", "Partitions were not taken: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    if (paused->cnt != 0)
        (void)rd_kafka_pause_partitions(consumer->handle, paused);
    // One that was lost while it was paused would come back paused.
    if (read->cnt != 0)
        (void)rd_kafka_resume_partitions(consumer->handle, read);
    rd_kafka_topic_partition_list_destroy(paused);
    rd_kafka_topic_partition_list_destroy(read);
}

static void unassign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *ours) {
    int32_t partitions[KAFKA_PARTITIONS_MAX];
    uint32_t count = numbers_of(ours, partitions);
    bool lost = rd_kafka_assignment_lost(consumer->handle) != 0;
    consumer->member.revoked(consumer->member.context, partitions, count, lost);
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->handle, ours);
    if (error != NULL)
        rd_kafka_error_destroy(error); // it was gone already
}

static void rebalance_cb(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct kafka_consumer *consumer = opaque;
    (void)handle;
    consumer->turn++;
    consumer->was_assigned = true;
    rd_kafka_topic_partition_list_t *ours = within_bounds(list);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assign(consumer, ours);
    else
        unassign(consumer, ours);
    rd_kafka_topic_partition_list_destroy(ours);
}

static void error_cb(rd_kafka_t *handle, int code, const char *why, void *opaque) {
    struct kafka_consumer *consumer = opaque;
    (void)handle;
    if (code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
        code == RD_KAFKA_RESP_ERR__SSL)
        consumer->member.failed(consumer->member.context, -1, why);
}

static void put_number(rd_kafka_conf_t *conf, const char *name, uint32_t value) {
    char text[16];
    (void)snprintf(text, sizeof(text), "%u", value);
    kafka_conf_put(conf, name, text);
}

static rd_kafka_t *open_handle(const struct kafka_access *access, const char *group,
                               uint32_t version, struct kafka_consumer *consumer, char *ret_why,
                               size_t why_bytes) {
    rd_kafka_conf_t *conf = kafka_conf_of(access, ret_why, why_bytes);
    if (conf == NULL)
        return NULL;
    kafka_conf_put(conf, "group.id", group);
    kafka_conf_put(conf, "enable.auto.commit", "false");
    kafka_conf_put(conf, "enable.auto.offset.store", "false");
    kafka_conf_put(conf, "auto.offset.reset", "error");
    kafka_conf_put(conf, "partition.assignment.strategy", "cooperative-sticky");
    kafka_conf_put(conf, "enable.partition.eof", "false");
    kafka_conf_put(conf, "isolation.level", "read_committed");
    kafka_conf_put(conf, "check.crcs", "true");
    uint32_t session_ms = consumer == NULL ? 0 : consumer->member.session_ms;
    if (session_ms == 0)
        session_ms = SESSION_MS;
    put_number(conf, "session.timeout.ms", session_ms);
    put_number(conf, "heartbeat.interval.ms", session_ms / 6);
    put_number(conf, "max.poll.interval.ms", session_ms * 10);
    kafka_conf_put(conf, "fetch.wait.max.ms", "50");
    kafka_conf_put(conf, "fetch.error.backoff.ms", "100");
    // What is read ahead is bounded: some 32 MiB over all partitions.
    kafka_conf_put(conf, "queued.min.messages", "2000");
    kafka_conf_put(conf, "queued.max.messages.kbytes", "32768");
    kafka_conf_put(conf, "fetch.message.max.bytes", "1048576");
    if (consumer != NULL) {
        char client[32];
        (void)snprintf(client, sizeof(client), KAFKA_CLIENT_WORD "%u", version);
        kafka_conf_put(conf, "client.id", client);
        rd_kafka_conf_set_opaque(conf, consumer);
        rd_kafka_conf_set_rebalance_cb(conf, rebalance_cb);
        rd_kafka_conf_set_error_cb(conf, error_cb);
    }
    char why[256];
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (handle == NULL) {
        (void)snprintf(ret_why, why_bytes, "Kafka: %s", why);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    (void)rd_kafka_poll_set_consumer(handle);
    return handle;
}

enum status kafka_consumer_open(const struct kafka_access *access, const char *group,
                                const char *topic, uint32_t version,
                                const struct kafka_member *member, char *ret_why, size_t why_bytes,
                                struct kafka_consumer **ret_consumer) {
    struct kafka_consumer *consumer = memory_take_zeroed(sizeof(*consumer));
    CHECK(strlen(topic) < sizeof(consumer->topic) && strlen(group) < sizeof(consumer->group));
    memcpy(consumer->topic, topic, strlen(topic) + 1);
    memcpy(consumer->group, group, strlen(group) + 1);
    consumer->member = *member;
    consumer->handle = open_handle(access, group, version, consumer, ret_why, why_bytes);
    if (consumer->handle == NULL) {
        memory_free(consumer);
        return STATUS_invalid_request;
    }
    const char *error = kafka_join(consumer);
    if (error != NULL) {
        (void)snprintf(ret_why, why_bytes, "Kafka: %s", error);
        kafka_consumer_close(consumer);
        return STATUS_invalid_request;
    }
    *ret_consumer = consumer;
    return STATUS_ok;
}

static void fill(rd_kafka_message_t *message, struct kafka_record *ret_record) {
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);
    *ret_record = (struct kafka_record){
        .partition = message->partition,
        .offset = message->offset,
        .time_ms = time_ms > 0 ? (uint64_t)time_ms : 0,
        .key = slice_of(message->key, message->key_len),
        .value = slice_of(message->payload, message->len),
        .handle = message,
    };
}

uint32_t kafka_consume(struct kafka_consumer *consumer, uint32_t wait_ms,
                       struct kafka_record *ret_records, uint32_t count_max) {
    uint32_t count = 0;
    int wait = (int)wait_ms;
    while (count < count_max) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, wait);
        if (message == NULL)
            break;
        wait = 0;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            fill(message, &ret_records[count]);
            ret_records[count++].turn = consumer->turn;
            continue;
        }
        bool is_passing = message->err == RD_KAFKA_RESP_ERR__TRANSPORT ||
                          message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
                          message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
                          message->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED;
        if (!is_passing)
            consumer->member.failed(consumer->member.context,
                                    message->rkt != NULL ? message->partition : -1,
                                    rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    return count;
}

uint64_t kafka_consumer_turn(const struct kafka_consumer *consumer) {
    return consumer->turn;
}

void kafka_record_done(struct kafka_record *record) {
    if (record->handle != NULL)
        rd_kafka_message_destroy(record->handle);
    else
        memory_free((void *)(uintptr_t)record->key.bytes); // of kafka_fetch_one
    record->handle = NULL;
    record->key.bytes = NULL;
}

bool kafka_record_header(const struct kafka_record *record, const char *name,
                         struct slice *ret_value) {
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(record->handle, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get(headers, 0, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    *ret_value = slice_of(value, value == NULL ? 0 : size);
    return true;
}

void kafka_consumer_pause(struct kafka_consumer *consumer, int32_t partition, bool pause) {
    rd_kafka_topic_partition_list_t *list = one(consumer, partition);
    (void)(pause ? rd_kafka_pause_partitions(consumer->handle, list)
                 : rd_kafka_resume_partitions(consumer->handle, list)); // gone ones do not matter
    rd_kafka_topic_partition_list_destroy(list);
}

bool kafka_consumer_restart(struct kafka_consumer *consumer, int32_t partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = one(consumer, partition);
    list->elems[0].offset = offset;
    consumer->turn++;
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(consumer->handle, list);
    if (error == NULL)
        error = rd_kafka_incremental_assign(consumer->handle, list);
    if (error == NULL)
        (void)rd_kafka_resume_partitions(consumer->handle, list);
    else
        log_line(LOG_ERROR, "kafka", "Partition %d does not begin again: %s", partition,
                 rd_kafka_error_string(error));
    bool begun = error == NULL;
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    return begun;
}

enum status kafka_consumer_marks(struct kafka_consumer *consumer, int32_t partition,
                                 uint32_t wait_ms, int64_t *ret_low, int64_t *ret_high) {
    return kafka_marks(consumer->handle, consumer->topic, partition, wait_ms, ret_low, ret_high) ==
                   RD_KAFKA_RESP_ERR_NO_ERROR
               ? STATUS_ok
               : STATUS_busy;
}

enum status kafka_consumer_ends(struct kafka_consumer *consumer, const int32_t *partitions,
                                uint32_t count, uint32_t wait_ms, int64_t *ret_ends) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) // the time of what comes next
        rd_kafka_topic_partition_list_add(list, consumer->topic, partitions[i])->offset =
            RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(consumer->handle, list, (int)wait_ms);
    for (uint32_t i = 0; i < count && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const rd_kafka_topic_partition_t *one = &list->elems[i];
        CHECK(one->partition == partitions[i]);
        ret_ends[i] = one->err == RD_KAFKA_RESP_ERR_NO_ERROR ? one->offset : -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? STATUS_ok : STATUS_busy;
}

bool kafka_consumer_high(struct kafka_consumer *consumer, int32_t partition, int64_t *ret_high) {
    int64_t low;
    return rd_kafka_get_watermark_offsets(consumer->handle, consumer->topic, partition, &low,
                                          ret_high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           *ret_high >= 0;
}

void kafka_consumer_close(struct kafka_consumer *consumer) {
    if (consumer == NULL)
        return;
    (void)rd_kafka_consumer_close(consumer->handle); // leaves the group, revoking what is ours
    // Debian's librdkafka 2.0.2 ends the process when it destroys a member that the group has let
    // in but not yet told its share, as behind a coordinator that fell silent (its issue 4312,
    // cured in 2.3.0). What was never told one stays until the process ends.
    if (consumer->was_assigned)
        rd_kafka_destroy(consumer->handle);
    memory_free(consumer);
}

// ---- beside the group -------------------------------------------------------------------------

// Begins to read partitions of a topic at offsets, without a group.
static bool begin_at(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *list) {
    return rd_kafka_assign(handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

enum status kafka_fetch_one(const struct kafka_access *access, const char *topic,
                            int32_t partition, int64_t offset, uint32_t wait_ms,
                            struct kafka_record *ret_record) {
    char why[KAFKA_WHY_BYTES];
    rd_kafka_t *handle = open_handle(access, "florin-look", 0, NULL, why, sizeof(why));
    if (handle == NULL)
        return STATUS_busy;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    enum status status = begin_at(handle, list) ? STATUS_busy : STATUS_not_found;
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
    while (status == STATUS_busy && clock_monotonic_ns() < until_ns) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, 100);
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            fill(message, ret_record);
            status = message->offset == offset ? STATUS_ok : STATUS_not_found;
        } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                   message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
            status = STATUS_not_found;
        }
        if (status != STATUS_ok)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    // A message keeps nothing of its consumer alive; copy what is asked for before it goes.
    if (status == STATUS_ok) {
        uint8_t *copy = memory_take(ret_record->key.size + ret_record->value.size + 1);
        if (ret_record->key.size != 0)
            memcpy(copy, ret_record->key.bytes, ret_record->key.size);
        if (ret_record->value.size != 0)
            memcpy(copy + ret_record->key.size, ret_record->value.bytes, ret_record->value.size);
        rd_kafka_message_destroy(ret_record->handle);
        ret_record->key.bytes = copy;
        ret_record->value.bytes = copy + ret_record->key.size;
        ret_record->handle = NULL;
    }
    (void)rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return status;
}

enum status kafka_read_range(const struct kafka_access *access, const char *topic,
                             int32_t partition, int64_t from, int64_t to, uint32_t wait_ms,
                             bool (*each)(void *context, const struct kafka_record *record),
                             void *context) {
    char why[KAFKA_WHY_BYTES];
    rd_kafka_t *handle = open_handle(access, "florin-look", 0, NULL, why, sizeof(why));
    if (handle == NULL)
        return STATUS_busy;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = from;
    bool goes_on = from < to && begin_at(handle, list);
    enum status status = goes_on ? STATUS_busy : STATUS_ok;
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
    while (goes_on && clock_monotonic_ns() < until_ns) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, 100);
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            struct kafka_record record;
            fill(message, &record);
            goes_on = record.offset < to && each(context, &record) && record.offset + 1 < to;
            until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
        } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                   message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
            status = STATUS_not_found;
            goes_on = false;
        }
        if (!goes_on && status == STATUS_busy)
            status = STATUS_ok;
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    (void)rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return status;
}

struct reading {
    int64_t high[KAFKA_PARTITIONS_MAX];
    bool ended[KAFKA_PARTITIONS_MAX];
    uint32_t partitions, left;
};

// All partitions from their beginnings, and where each ends now.
static enum status read_begin(rd_kafka_t *handle, const char *topic, uint32_t wait_ms,
                              struct reading *reading, char *ret_why, size_t why_bytes) {
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *wanted = rd_kafka_topic_new(handle, topic, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, wanted, &metadata, (int)wait_ms);
    rd_kafka_topic_destroy(wanted);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(ret_why, why_bytes, "No broker answers: %s", rd_kafka_err2str(error));
        return STATUS_busy;
    }
    uint32_t count = metadata->topic_cnt == 1 ? (uint32_t)metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (count == 0 || count > KAFKA_PARTITIONS_MAX) {
        (void)snprintf(ret_why, why_bytes, "There is no topic %s", topic);
        return STATUS_not_found;
    }
    reading->partitions = count;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        int64_t low = 0;
        if (rd_kafka_query_watermark_offsets(handle, topic, (int32_t)i, &low, &reading->high[i],
                                             (int)wait_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
            reading->high[i] = low = 0;
        reading->ended[i] = low >= reading->high[i];
        reading->left += !reading->ended[i];
        if (!reading->ended[i])
            rd_kafka_topic_partition_list_add(list, topic, (int32_t)i)->offset = low;
    }
    bool begun = begin_at(handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return begun ? STATUS_ok : STATUS_busy;
}

enum status kafka_read_all(const struct kafka_access *access, const char *topic, uint32_t wait_ms,
                           bool (*each)(void *context, const struct kafka_record *record),
                           void *context, char *ret_why, size_t why_bytes) {
    rd_kafka_t *handle = open_handle(access, "florin-look", 0, NULL, ret_why, why_bytes);
    if (handle == NULL)
        return STATUS_invalid_request;
    struct reading *reading = memory_take_zeroed(sizeof(*reading));
    enum status status = read_begin(handle, topic, wait_ms, reading, ret_why, why_bytes);
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
    bool goes_on = status == STATUS_ok;
    while (goes_on && reading->left != 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, 100);
        if (message == NULL && clock_monotonic_ns() > until_ns) {
            (void)snprintf(ret_why, why_bytes, "The broker does not give all of %s", topic);
            status = STATUS_busy;
            break;
        }
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            struct kafka_record record;
            fill(message, &record);
            goes_on = each(context, &record);
            uint32_t i = (uint32_t)message->partition;
            if (!reading->ended[i] && message->offset + 1 >= reading->high[i]) {
                reading->ended[i] = true;
                reading->left--;
            }
            until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
        }
        rd_kafka_message_destroy(message);
    }
    memory_free(reading);
    (void)rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return status;
}
