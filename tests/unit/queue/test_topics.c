// SPDX-License-Identifier: MIT
// What a topic must be like: each condition is named in a sentence when it does not hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue/topics.h"

static const struct topic_wish wish = {.name = "florin.commands",
                                       .partitions = 12,
                                       .partitions_exactly = true,
                                       .replicas_min = 3,
                                       .min_insync_min = 2,
                                       .retention_ms_max = 1000,
                                       .record_bytes_min = 131072};
static const struct kafka_topic_facts good = {.exists = true,
                                              .partitions = 12,
                                              .replicas = 3,
                                              .has_settings = true,
                                              .deletes = true,
                                              .min_insync = 2,
                                              .retention_ms = 1000,
                                              .record_bytes_max = 131072};

static void expect(struct kafka_topic_facts facts, const char *part) {
    char why[KAFKA_WHY_BYTES] = "";
    assert_int_equal(topic_check(&wish, &facts, why, sizeof(why)), STATUS_invalid_request);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" does not say %s", why, part);
}

static void test_conditions(void **state) {
    char why[KAFKA_WHY_BYTES];
    struct kafka_topic_facts facts = good;
    (void)state;
    assert_int_equal(topic_check(&wish, &good, why, sizeof(why)), STATUS_ok);
    facts.partitions = 13;
    expect(facts, "13 partitions");
    facts = good, facts.replicas = 2;
    expect(facts, "replicas");
    facts = good, facts.has_settings = false;
    expect(facts, "DescribeConfigs");
    facts = good, facts.deletes = false;
    expect(facts, "cleanup.policy=delete");
    facts = good, facts.unclean_leaders = true;
    expect(facts, "unclean.leader.election.enable=false");
    facts = good, facts.min_insync = 1;
    expect(facts, "min.insync.replicas");
    facts = good, facts.retention_ms = UINT64_MAX;
    expect(facts, "retention.ms");
    facts = good, facts.record_bytes_max = 131071;
    expect(facts, "max.message.bytes to 131072");
}

// What a door asks before it queues: an acknowledged command must not be lost.
static void test_keeps(void **state) {
    char why[KAFKA_WHY_BYTES];
    struct kafka_topic_facts facts = good;
    (void)state;
    facts.partitions = 13, facts.retention_ms = UINT64_MAX, facts.record_bytes_max = 1;
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_ok);
    facts = good, facts.replicas = 2;
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_invalid_request);
    facts = good, facts.deletes = false;
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_invalid_request);
    facts = good, facts.unclean_leaders = true;
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_invalid_request);
    facts = good, facts.min_insync = 1;
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_invalid_request);
    facts.has_settings = false; // then nobody knows
    assert_int_equal(topic_check_keeps(&wish, &facts, why, sizeof(why)), STATUS_ok);
}

static void test_assignments(void **state) {
    static const uint8_t two[] = {0, 1, 0, 0, 0, 2,                        // version, topics
                                  0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 9,       // one of a
                                  0, 1, 'b', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1,
                                  0, 0, 0, 0};                             // no user data
    static const uint8_t endless[] = {0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 1, 'a', 0xff, 0, 0, 0};
    (void)state;
    assert_int_equal(kafka_group_partitions(slice_of(two, sizeof(two)), "a"), 1);
    assert_int_equal(kafka_group_partitions(slice_of(two, sizeof(two)), "b"), 2);
    assert_int_equal(kafka_group_partitions(slice_of(two, sizeof(two)), "c"), 0);
    for (size_t size = 0; size < 17; size++) // cut short
        assert_int_equal(kafka_group_partitions(slice_of(two, size), "a"), 0);
    assert_int_equal(kafka_group_partitions(slice_of(endless, sizeof(endless)), "a"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conditions),
                                       cmocka_unit_test(test_keeps),
                                       cmocka_unit_test(test_assignments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
