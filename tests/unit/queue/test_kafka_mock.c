// SPDX-License-Identifier: MIT
// Protocol errors that a real broker makes only on bad days, injected by librdkafka's own mock
// cluster: nothing that was handed over is lost, doubled or reordered, and what is refused for good
// is told once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "queue/kafka.h"
#include "queue/kafka_private.h"

#define TOPIC      "orders"
#define PRODUCE    0 // numbers of requests in the protocol
#define FETCH      1
#define HEARTBEAT  12
#define JOIN_GROUP 11
#define SYNC_GROUP 14
#define INIT_ID    22
#define WAIT_MS    60000
#define TICKETS_MAX 64
#define REFUSALS    1000 // more than are asked for
#define LARGE_BYTES 60000 // two of them do not go together: each is a request
#define DELAY_MS    2000 // of answers, so that the next request is on its way when one comes

struct mock {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    struct kafka_access access;
    struct kafka_producer *producer;
    uint32_t ok, failed;
    uint64_t next; // number that is to be read next
    uint32_t assigned, revoked;
    uint32_t count;
    struct kafka_ticket tickets[TICKETS_MAX]; // of what is handed over; zero: it has none
    bool has_tickets;
    uint32_t partitions; // that messages name; 0: they name none
    bool was_there[TICKETS_MAX], was_overtaken; // of large messages
};

static void delivered(void *context, struct kafka_ticket *ticket, enum kafka_fate fate,
                      int32_t partition, int64_t offset, const char *why) {
    struct mock *mock = context;
    (void)ticket, (void)partition, (void)offset, (void)why;
    *(fate == KAFKA_KEPT ? &mock->ok : &mock->failed) += 1;
}

static void begin(struct mock *mock) {
    char why[KAFKA_WHY_BYTES] = "";
    memset(mock, 0, sizeof(*mock));
    mock->owner = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, why, sizeof(why));
    assert_non_null(mock->owner);
    mock->cluster = rd_kafka_mock_cluster_new(mock->owner, 1);
    assert_non_null(mock->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, TOPIC, 1, 1), 0);
    mock->access.brokers = rd_kafka_mock_cluster_bootstraps(mock->cluster);
    assert_int_equal(kafka_producer_open(&mock->access, delivered, mock, why, sizeof(why),
                                         &mock->producer),
                     STATUS_ok);
}

static void end(struct mock *mock) {
    kafka_producer_close(mock->producer);
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->owner);
}

static void hand_over(struct mock *mock, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char value[16];
        int size = snprintf(value, sizeof(value), "%u", mock->count++);
        struct kafka_message message = {.key = SLICE("7"),
                                        .value = slice_of(value, (size_t)size),
                                        .partitions = mock->partitions};
        struct kafka_ticket *ticket =
            mock->has_tickets ? &mock->tickets[mock->count % TICKETS_MAX] : NULL;
        assert_int_equal(kafka_produce(mock->producer, TOPIC, &message, ticket), STATUS_ok);
    }
}

static void settle(struct mock *mock) {
    uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
    while (kafka_producer_pending(mock->producer) != 0 && clock_monotonic_ns() < until_ns)
        (void)kafka_producer_poll(mock->producer, 20);
    assert_int_equal(kafka_producer_pending(mock->producer), 0);
}

static bool take(void *context, const struct kafka_record *record) {
    struct mock *mock = context;
    char value[16];
    int size = snprintf(value, sizeof(value), "%llu", (unsigned long long)mock->next);
    assert_true(slice_equal(record->value, slice_of(value, (size_t)size)));
    assert_int_equal(record->offset, mock->next);
    mock->next++;
    return true;
}

// All of them are there, each once, in order.
static void check(struct mock *mock) {
    assert_int_equal(kafka_read_range(&mock->access, TOPIC, 0, 0, mock->count, WAIT_MS, take, mock),
                     STATUS_ok);
    assert_int_equal(mock->next, mock->count);
}

static void errors_that_pass_lose_nothing(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    rd_kafka_mock_push_request_errors(mock.cluster, INIT_ID, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    hand_over(&mock, 20);
    rd_kafka_mock_push_request_errors(
        mock.cluster, PRODUCE, 7, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
    for (int i = 0; i < 10; i++) {
        hand_over(&mock, 5);
        (void)kafka_producer_poll(mock.producer, 20);
    }
    settle(&mock);
    assert_int_equal(mock.ok, 70);
    assert_int_equal(mock.failed, 0);
    check(&mock);
    end(&mock);
}

static void refused_for_good_is_told_once(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    hand_over(&mock, 1);
    settle(&mock);
    rd_kafka_mock_push_request_errors(mock.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    hand_over(&mock, 1);
    settle(&mock);
    assert_int_equal(mock.ok, 1);
    assert_int_equal(mock.failed, 1);
    mock.count = 1;
    check(&mock);
    end(&mock);
}

static void a_broker_that_is_away_is_seen(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    hand_over(&mock, 3);
    settle(&mock);
    assert_true(kafka_producer_is_up(mock.producer));
    assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
    hand_over(&mock, 3);
    uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
    while (kafka_producer_is_up(mock.producer) && clock_monotonic_ns() < until_ns)
        (void)kafka_producer_poll(mock.producer, 50);
    assert_false(kafka_producer_is_up(mock.producer));
    assert_int_equal(mock.failed, 0); // they are kept
    assert_int_equal(rd_kafka_mock_broker_set_up(mock.cluster, 1), 0);
    settle(&mock);
    while (!kafka_producer_is_up(mock.producer) && clock_monotonic_ns() < until_ns)
        (void)kafka_producer_poll(mock.producer, 50);
    assert_true(kafka_producer_is_up(mock.producer));
    assert_int_equal(mock.ok, 6);
    check(&mock);
    end(&mock);
}

static void a_producer_that_fails_for_good_begins_again(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    hand_over(&mock, 3);
    settle(&mock);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(rd_kafka_test_fatal_error(kafka_producer_handle(mock.producer),
                                                   RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                                   "a test"),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        struct kafka_message message = {.key = SLICE("7"), .value = SLICE("nothing of it")};
        assert_int_equal(kafka_produce(mock.producer, TOPIC, &message, NULL), STATUS_busy);
        uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
        do
            (void)kafka_producer_poll(mock.producer, 20);
        while (!kafka_producer_is_up(mock.producer) && clock_monotonic_ns() < until_ns);
        hand_over(&mock, 3);
        settle(&mock);
        assert_int_equal(mock.ok, 6 + 3 * i);
    }
    assert_int_equal(mock.failed, 0);
    check(&mock);
    end(&mock);
}

// What was on its way when the producer failed is handed over again, in its order, before what
// comes later; what has no ticket is told lost.
static void outlives_its_producer(uint32_t partitions) {
    struct mock mock;
    begin(&mock);
    mock.has_tickets = true;
    mock.partitions = partitions;
    hand_over(&mock, 3);
    settle(&mock);
    for (uint32_t i = 1; i <= 20; i++) { // more often than failed ones are kept
        assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
        hand_over(&mock, 30);
        (void)kafka_producer_poll(mock.producer, 20);
        assert_int_equal(rd_kafka_test_fatal_error(kafka_producer_handle(mock.producer),
                                                   RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                                   "a test"),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        assert_int_equal(rd_kafka_mock_broker_set_up(mock.cluster, 1), 0);
        uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
        do
            (void)kafka_producer_poll(mock.producer, 20);
        while (!kafka_producer_is_up(mock.producer) && clock_monotonic_ns() < until_ns);
        hand_over(&mock, 2);
        settle(&mock);
        assert_int_equal(mock.ok, 3 + 32 * i);
    }
    assert_int_equal(mock.failed, 0);
    check(&mock);
    mock.has_tickets = false;
    assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
    struct kafka_message message = {
        .key = SLICE("7"), .value = SLICE("nothing of it"), .partitions = partitions};
    assert_int_equal(kafka_produce(mock.producer, TOPIC, &message, NULL), STATUS_ok);
    assert_int_equal(rd_kafka_test_fatal_error(kafka_producer_handle(mock.producer),
                                               RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                               "a test"),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    settle(&mock);
    assert_int_equal(mock.failed, 1);
    end(&mock);
}

static void what_has_a_ticket_outlives_its_producer(void **state) {
    (void)state;
    outlives_its_producer(0);
    outlives_its_producer(1);
}

// ---- the first messages for a partition -------------------------------------------------------

static void hand_over_large(struct mock *mock, uint32_t count) {
    static char value[LARGE_BYTES];
    memset(value, 0, sizeof(value));
    for (uint32_t i = 0; i < count; i++) {
        CHECK(mock->count < TICKETS_MAX);
        value[0] = (char)mock->count;
        struct kafka_message message = {.key = SLICE("7"),
                                        .value = slice_of(value, sizeof(value)),
                                        .partitions = mock->partitions};
        assert_int_equal(kafka_produce(mock->producer, TOPIC, &message,
                                       mock->has_tickets ? &mock->tickets[mock->count] : NULL),
                         STATUS_ok);
        mock->count++;
    }
}

static bool take_large(void *context, const struct kafka_record *record) {
    struct mock *mock = context;
    assert_int_equal(record->value.size, LARGE_BYTES);
    uint32_t number = record->value.bytes[0];
    assert_true(number < mock->count);
    if (number + 1 < mock->count && mock->was_there[number + 1] && !mock->was_there[number])
        mock->was_overtaken = true;
    mock->was_there[number] = true;
    return true;
}

// A first message that is refused for a moment, as by a broker that has not heard yet that it
// leads, and more right behind it that are taken: the mock takes any number of a sequence, as real
// brokers do from a producer that they do not know.
static void refuse_the_first(struct mock *mock) {
    begin(mock);
    assert_int_equal(rd_kafka_mock_broker_push_request_error_rtts(
                         mock->cluster, 1, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                         DELAY_MS, RD_KAFKA_RESP_ERR_NO_ERROR, DELAY_MS,
                         RD_KAFKA_RESP_ERR_NO_ERROR, 0),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void read_large(struct mock *mock, uint32_t records) {
    assert_int_equal(
        kafka_read_range(&mock->access, TOPIC, 0, 0, records, WAIT_MS, take_large, mock),
        STATUS_ok);
    for (uint32_t i = 0; i < mock->count; i++)
        assert_true(mock->was_there[i]);
}

// librdkafka takes the second's acknowledgement for the first one's, too, which is nowhere. It is
// sent again if it has a ticket, and else its owner hears that nobody knows.
static void an_acknowledgement_at_no_offset_is_not_believed(void **state) {
    bool was_provoked = false;
    (void)state;
    for (uint32_t i = 0; i < 20 && !was_provoked; i++) { // the second may have come late
        struct mock mock;
        refuse_the_first(&mock);
        mock.has_tickets = true;
        hand_over_large(&mock, 2);
        settle(&mock);
        assert_int_equal(mock.ok, 2);
        read_large(&mock, 2);
        was_provoked = mock.was_overtaken;
        end(&mock);
    }
    assert_true(was_provoked);
    was_provoked = false;
    for (uint32_t i = 0; i < 20 && !was_provoked; i++) {
        struct mock mock;
        refuse_the_first(&mock);
        hand_over_large(&mock, 2);
        settle(&mock);
        was_provoked = mock.failed == 1;
        assert_int_equal(mock.ok + mock.failed, 2);
        end(&mock);
    }
    assert_true(was_provoked);
}

// Whose messages name their partitions never comes to that: none goes behind one that may yet be
// refused.
static void a_first_message_is_not_overtaken(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct mock mock;
        refuse_the_first(&mock);
        mock.partitions = 1;
        mock.has_tickets = i % 2 == 0;
        hand_over_large(&mock, 3);
        settle(&mock);
        assert_int_equal(mock.ok, 3);
        read_large(&mock, 3);
        assert_false(mock.was_overtaken);
        end(&mock);
    }
}

// If the first will never be there, what waits for it does not wait for ever.
static void what_waits_goes_on_without_the_first(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    mock.partitions = 1;
    rd_kafka_mock_push_request_errors(mock.cluster, PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    hand_over_large(&mock, 5);
    settle(&mock);
    assert_int_equal(mock.failed, 2);
    assert_int_equal(mock.ok, 3);
    mock.was_there[0] = mock.was_there[1] = true;
    read_large(&mock, 3);
    assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
    hand_over_large(&mock, 2); // as when it ends while they wait
    kafka_producer_purge(mock.producer);
    assert_int_equal(kafka_producer_pending(mock.producer), 0);
    assert_int_equal(mock.failed, 4);
    end(&mock);
}

// What waits when a producer is ended is told like what was on its way.
static void what_waits_is_given_up(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    mock.partitions = 1;
    assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
    hand_over_large(&mock, 5);
    kafka_producer_purge(mock.producer);
    assert_int_equal(mock.failed, 5);
    assert_int_equal(kafka_producer_pending(mock.producer), 0);
    assert_int_equal(rd_kafka_mock_broker_set_up(mock.cluster, 1), 0);
    hand_over_large(&mock, 2);
    settle(&mock);
    assert_int_equal(mock.ok, 2);
    end(&mock);
}

// Nobody can let more wait than memory is meant to hold.
static void what_waits_is_bounded(void **state) {
    static char value[LARGE_BYTES];
    struct mock mock;
    uint32_t taken = 0;
    (void)state;
    begin(&mock);
    assert_int_equal(rd_kafka_mock_broker_set_down(mock.cluster, 1), 0);
    struct kafka_message message = {
        .key = SLICE("7"), .value = slice_of(value, sizeof(value)), .partitions = 1};
    while (taken < 1000 &&
           kafka_produce(mock.producer, TOPIC, &message, NULL) == STATUS_ok)
        taken++;
    assert_in_range(taken, 100, 600);
    assert_int_equal(kafka_producer_pending(mock.producer), taken);
    kafka_producer_purge(mock.producer);
    assert_int_equal(mock.failed, taken);
    end(&mock);
}

// ---- the group --------------------------------------------------------------------------------

static void on_assigned(void *context, const int32_t *partitions, uint32_t count,
                        int64_t *ret_offsets) {
    struct mock *mock = context;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(partitions[i], 0);
        ret_offsets[i] = (int64_t)mock->next; // as the books would say
    }
    mock->assigned += count;
}

static void on_revoked(void *context, const int32_t *partitions, uint32_t count, bool lost) {
    struct mock *mock = context;
    (void)partitions, (void)lost;
    mock->revoked += count;
}

static void on_failed(void *context, int32_t partition, const char *why) {
    (void)context;
    fail_msg("partition %d: %s", partition, why);
}

static void consume_until(struct mock *mock, struct kafka_consumer *consumer, uint64_t next) {
    uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
    while (mock->next < next && clock_monotonic_ns() < until_ns) {
        struct kafka_record records[16];
        uint32_t count = kafka_consume(consumer, 50, records, 16);
        for (uint32_t i = 0; i < count; i++) {
            (void)take(mock, &records[i]);
            kafka_record_done(&records[i]);
        }
    }
    assert_int_equal(mock->next, next);
}

static struct kafka_consumer *join(struct mock *mock,
                                   void (*failed)(void *context, int32_t partition,
                                                  const char *why)) {
    char why[KAFKA_WHY_BYTES] = "";
    struct kafka_consumer *consumer;
    const struct kafka_member member = {
        .context = mock, .assigned = on_assigned, .revoked = on_revoked, .failed = failed};
    assert_int_equal(kafka_consumer_open(&mock->access, "workers", TOPIC, 1, &member, why,
                                         sizeof(why), &consumer),
                     STATUS_ok);
    return consumer;
}

// The group throws it out, and it joins once more.
static void come_back(struct mock *mock, struct kafka_consumer *consumer) {
    rd_kafka_mock_push_request_errors(mock->cluster, HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
    while (mock->assigned < 2 && clock_monotonic_ns() < until_ns)
        assert_int_equal(kafka_consume(consumer, 50, &(struct kafka_record){0}, 1), 0);
}

static void a_group_that_is_thrown_about_reads_all_in_order(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    hand_over(&mock, 30);
    settle(&mock);
    rd_kafka_mock_push_request_errors(mock.cluster, JOIN_GROUP, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    struct kafka_consumer *consumer = join(&mock, on_failed);
    consume_until(&mock, consumer, 30);
    rd_kafka_mock_push_request_errors(
        mock.cluster, FETCH, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR__TRANSPORT);
    hand_over(&mock, 30);
    settle(&mock);
    consume_until(&mock, consumer, 60);
    uint64_t turn = kafka_consumer_turn(consumer);
    come_back(&mock, consumer);
    assert_int_equal(mock.revoked, 1);
    assert_int_equal(mock.assigned, 2);
    assert_true(kafka_consumer_turn(consumer) > turn);
    hand_over(&mock, 30);
    settle(&mock);
    consume_until(&mock, consumer, 90);
    mock.next = 40; // a person has put the place back
    assert_true(kafka_consumer_restart(consumer, 0, 40));
    consume_until(&mock, consumer, 90);
    kafka_consumer_close(consumer);
    end(&mock);
}

// A partition that was paused when it was lost begins as any other when it comes back: librdkafka
// itself would leave it paused.
static void a_paused_partition_that_comes_back_is_read(void **state) {
    struct mock mock;
    (void)state;
    begin(&mock);
    hand_over(&mock, 30);
    settle(&mock);
    struct kafka_consumer *consumer = join(&mock, on_failed);
    consume_until(&mock, consumer, 30);
    kafka_consumer_pause(consumer, 0, true);
    come_back(&mock, consumer);
    assert_int_equal(mock.assigned, 2);
    hand_over(&mock, 30);
    settle(&mock);
    consume_until(&mock, consumer, 60);
    kafka_consumer_close(consumer);
    end(&mock);
}

static void whatever_failed(void *context, int32_t partition, const char *why) {
    (void)context, (void)partition, (void)why;
}

// As behind a coordinator that falls silent while a group gathers. librdkafka asserts that a member
// has the state of an assignor when it is destroyed, and there is none before a first share.
static void a_member_that_was_never_told_its_share_ends(void **state) {
    struct mock mock;
    rd_kafka_resp_err_t refusals[REFUSALS];
    (void)state;
    begin(&mock);
    for (int i = 0; i < REFUSALS; i++)
        refusals[i] = RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    rd_kafka_mock_push_request_errors_array(mock.cluster, SYNC_GROUP, REFUSALS, refusals);
    struct kafka_consumer *consumer = join(&mock, whatever_failed);
    uint64_t until_ns = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
    char *name = NULL;
    while ((name == NULL || name[0] == '\0') && clock_monotonic_ns() < until_ns) {
        free(name);
        assert_int_equal(kafka_consume(consumer, 50, &(struct kafka_record){0}, 1), 0);
        name = rd_kafka_memberid(consumer->handle);
    }
    assert_non_null(name); // the group has let it in
    assert_true(name[0] != '\0');
    free(name);
    assert_int_equal(mock.assigned, 0);
    kafka_consumer_close(consumer);
    end(&mock);
}

static void what_is_not_there_is_said(void **state) {
    struct mock mock;
    struct kafka_record record;
    (void)state;
    begin(&mock);
    hand_over(&mock, 5);
    settle(&mock);
    assert_int_equal(kafka_fetch_one(&mock.access, TOPIC, 0, 4, WAIT_MS, &record), STATUS_ok);
    assert_true(slice_equal(record.value, SLICE("4")));
    kafka_record_done(&record);
    assert_int_equal(kafka_fetch_one(&mock.access, TOPIC, 0, 400, WAIT_MS, &record),
                     STATUS_not_found);
    assert_int_equal(kafka_read_range(&mock.access, TOPIC, 0, 400, 401, WAIT_MS, take, &mock),
                     STATUS_not_found);
    assert_int_equal(kafka_read_range(&mock.access, TOPIC, 0, 3, 3, WAIT_MS, take, &mock),
                     STATUS_ok); // nothing was asked for
    end(&mock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_that_pass_lose_nothing),
        cmocka_unit_test(refused_for_good_is_told_once),
        cmocka_unit_test(a_broker_that_is_away_is_seen),
        cmocka_unit_test(a_producer_that_fails_for_good_begins_again),
        cmocka_unit_test(what_has_a_ticket_outlives_its_producer),
        cmocka_unit_test(an_acknowledgement_at_no_offset_is_not_believed),
        cmocka_unit_test(a_first_message_is_not_overtaken),
        cmocka_unit_test(what_waits_goes_on_without_the_first),
        cmocka_unit_test(what_waits_is_given_up),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(a_group_that_is_thrown_about_reads_all_in_order),
        cmocka_unit_test(a_paused_partition_that_comes_back_is_read),
        cmocka_unit_test(a_member_that_was_never_told_its_share_ends),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
