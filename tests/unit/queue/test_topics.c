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
                                       .retention_ms_max = 1000};
static const struct kafka_topic_facts good = {.exists = true,
                                              .partitions = 12,
                                              .replicas = 3,
                                              .has_settings = true,
                                              .deletes = true,
                                              .min_insync = 2,
                                              .retention_ms = 1000};

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
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conditions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
