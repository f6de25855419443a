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

static uint32_t shared_out(const rd_kafka_ConsumerGroupDescription_t *group, const char *topic) {
    uint32_t partitions = 0;
    size_t members = rd_kafka_ConsumerGroupDescription_member_count(group);
    for (size_t i = 0; i < members; i++) {
        const rd_kafka_MemberAssignment_t *assignment = rd_kafka_MemberDescription_assignment(
            rd_kafka_ConsumerGroupDescription_member(group, i));
        const rd_kafka_topic_partition_list_t *list =
            assignment == NULL ? NULL : rd_kafka_MemberAssignment_partitions(assignment);
        for (int j = 0; list != NULL && j < list->cnt; j++)
            partitions += strcmp(list->elems[j].topic, topic) == 0;
    }
    return partitions;
}

enum status kafka_group_look(struct kafka_consumer *consumer, uint32_t wait_ms,
                             uint32_t *ret_partitions) {
    const char *name = consumer->group;
    CHECK(wait_ms > 0 && name[0] != '\0');
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->handle);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
        consumer->handle, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    char why[128];
    CHECK(rd_kafka_AdminOptions_set_request_timeout(options, (int)wait_ms, why, sizeof(why)) ==
          RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_DescribeConsumerGroups(consumer->handle, &name, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, (int)wait_ms);
    enum status status = STATUS_busy;
    size_t count = 0;
    const rd_kafka_ConsumerGroupDescription_t **groups = NULL;
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        groups = rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(event), &count);
    if (count == 1 && rd_kafka_ConsumerGroupDescription_error(groups[0]) == NULL) {
        bool rests = rd_kafka_ConsumerGroupDescription_state(groups[0]) ==
                     RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
        *ret_partitions = rests ? shared_out(groups[0], consumer->topic) : UINT32_MAX;
        status = STATUS_ok;
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return status;
}
