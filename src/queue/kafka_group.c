// SPDX-License-Identifier: MIT
// The group as its coordinator sees it. A member that is elected to share partitions out does so by
// what the coordinator's broker tells of the topic. One that has not heard of it yet tells of none,
// and a group that shared out nothing stays so until somebody joins or leaves.
#include <string.h>

#include "queue/kafka_private.h"

const char *kafka_join(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(topics, consumer->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(consumer->handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(error);
}

bool kafka_group_join_again(struct kafka_consumer *consumer) {
    // The same list once more would change nothing: only who leaves makes the group share again.
    return rd_kafka_unsubscribe(consumer->handle) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           kafka_join(consumer) == NULL;
}

// Takes `size` bytes; NULL: there are not so many.
static const uint8_t *take(struct slice *rest, size_t size) {
    if (rest->size < size)
        return NULL;
    const uint8_t *taken = rest->bytes;
    *rest = slice_of(rest->bytes + size, rest->size - size);
    return taken;
}

// A big-endian number of that many bytes; -1: there are not so many, or it is negative.
static int64_t take_number(struct slice *rest, size_t size) {
    const uint8_t *bytes = take(rest, size);
    uint64_t number = 0;
    for (size_t i = 0; bytes != NULL && i < size; i++)
        number = number << 8 | bytes[i];
    return bytes == NULL || number >> (8 * size - 1) != 0 ? -1 : (int64_t)number;
}

uint32_t kafka_group_partitions(struct slice assignment, const char *topic) {
    struct slice rest = assignment;
    uint32_t partitions = 0;
    if (take(&rest, 2) == NULL) // its version
        return 0;
    for (int64_t topics = take_number(&rest, 4); topics > 0; topics--) {
        int64_t size = take_number(&rest, 2);
        const uint8_t *name = size < 0 ? NULL : take(&rest, (size_t)size);
        int64_t count = name == NULL ? -1 : take_number(&rest, 4);
        if (count < 0 || take(&rest, (size_t)count * 4) == NULL)
            return partitions;
        if (slice_equal(slice_of(name, (size_t)size), slice_of_text(topic)))
            partitions += (uint32_t)count;
    }
    return partitions;
}

// The group, to be destroyed, or NULL: nobody tells. Not rd_kafka_DescribeConsumerGroups: when its
// request fails because the coordinator's broker goes away, librdkafka frees what the answer still
// points to, and ends the process when that comes (its issue 4605, open in 2026; pull request
// 5397).
static const struct rd_kafka_group_list *ask(rd_kafka_t *handle, const char *group,
                                             uint32_t wait_ms, bool *ret_is_part) {
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t error = rd_kafka_list_groups(handle, group, &list, (int)wait_ms);
    *ret_is_part = error == RD_KAFKA_RESP_ERR__PARTIAL;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || *ret_is_part)
        return list;
    if (list != NULL)
        rd_kafka_group_list_destroy(list);
    return NULL;
}

enum status kafka_group_look(struct kafka_consumer *consumer, uint32_t wait_ms,
                             uint32_t *ret_partitions) {
    bool is_part;
    CHECK(wait_ms > 0 && consumer->group[0] != '\0');
    const struct rd_kafka_group_list *list =
        ask(consumer->handle, consumer->group, wait_ms, &is_part);
    if (list == NULL)
        return STATUS_busy;
    enum status status = STATUS_busy;
    if (list->group_cnt == 1 && list->groups[0].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const struct rd_kafka_group_info *group = &list->groups[0];
        uint32_t partitions = 0;
        for (int i = 0; i < group->member_cnt; i++) {
            const struct rd_kafka_group_member_info *member = &group->members[i];
            partitions += kafka_group_partitions(
                slice_of(member->member_assignment, (size_t)member->member_assignment_size),
                consumer->topic);
        }
        *ret_partitions = strcmp(group->state, "Stable") == 0 ? partitions : UINT32_MAX;
        status = STATUS_ok;
    }
    rd_kafka_group_list_destroy(list);
    return status;
}

// "florin-reads-2"; whatever else is the name of somebody older.
static uint32_t version_of_client(const char *client) {
    static const char word[] = KAFKA_CLIENT_WORD;
    size_t size = sizeof(word) - 1;
    uint64_t version;
    bool is_said = client != NULL && strncmp(client, word, size) == 0 &&
                   slice_number(slice_of_text(client + size), &version);
    return !is_said || version == 0 || version > 1000 ? 1 : (uint32_t)version;
}

enum status kafka_group_reads(struct kafka_producer *producer, const char *group, uint32_t wait_ms,
                              uint32_t *ret_version) {
    bool is_part;
    const struct rd_kafka_group_list *list =
        ask(kafka_producer_handle(producer), group, wait_ms, &is_part);
    *ret_version = 0;
    for (int i = 0; list != NULL && i < list->group_cnt; i++)
        for (int k = 0; k < list->groups[i].member_cnt; k++) {
            uint32_t version = version_of_client(list->groups[i].members[k].client_id);
            if (*ret_version == 0 || version < *ret_version)
                *ret_version = version;
        }
    if (list != NULL)
        rd_kafka_group_list_destroy(list);
    return list == NULL || is_part ? STATUS_busy : STATUS_ok; // who is missing may be older
}
