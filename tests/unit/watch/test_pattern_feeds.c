// SPDX-License-Identifier: MIT
// Feeds of several shards come as one, in the order of time, and none of them is run ahead of.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/pattern_feeds.h"

#define HOUR    UINT64_C(3600000)
#define RECORDS 64
#define WAIT_NS UINT64_C(60000000000)

// A shard whose feed is what the test says.
struct shard {
    struct engine engine; // first
    struct buffer bytes;
    size_t starts[RECORDS], sizes[RECORDS];
    bool came[RECORDS];
    uint32_t count;
    bool is_away;
};

static enum status feed(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next) {
    struct shard *shard = (struct shard *)engine;
    bool goes_on = true;
    (void)bytes_max;
    if (shard->is_away)
        return STATUS_busy;
    for (uint64_t at = position / 8; at < shard->count && goes_on; at++) {
        const struct feed_record record = {
            .position = at * 8,
            .next = (at + 1) * 8,
            .came = shard->came[at],
            .bytes = slice_of(shard->bytes.bytes + shard->starts[at], shard->sizes[at])};
        goes_on = each(context, &record);
    }
    *ret_next = (uint64_t)shard->count * 8;
    return STATUS_ok;
}

static uint64_t published_end(struct engine *engine) {
    return (uint64_t)((struct shard *)engine)->count * 8;
}

static struct shard shards[2];

static uint32_t parts(struct engine *house, struct engine **ret_parts, uint32_t count_max) {
    (void)house;
    assert_true(count_max >= 2);
    ret_parts[0] = &shards[0].engine;
    ret_parts[1] = &shards[1].engine;
    return 2;
}

static const struct engine_port port = {
    .feed = feed, .published_end = published_end, .parts = parts};
static struct engine house = {.port = &port};
static const struct engine_port alone = {.feed = feed, .published_end = published_end};

static void write_record(struct shard *shard, uint64_t time_ms, bool came) {
    struct record record = {.kind = RECORD_CURSOR,
                            .operation = COMMAND_CURSOR_CLAIM,
                            .time_ms = time_ms,
                            .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
                            .cursor = {.kind = CURSOR_PATTERNS, .epoch = 1}};
    assert_true(shard->count < RECORDS);
    shard->starts[shard->count] = shard->bytes.size;
    shard->sizes[shard->count] = record_encode(&record, &shard->bytes);
    shard->came[shard->count++] = came;
}

static uint64_t take(struct pattern_feed *feed) {
    struct record record;
    const char *why;
    assert_int_equal(record_decode(pattern_feed_take(feed), &record, &why), STATUS_ok);
    return record.time_ms;
}

static int begin(void **state) {
    static struct pattern_feeds feeds;
    for (int i = 0; i < 2; i++) {
        shards[i] = (struct shard){.engine = {.port = &alone}};
        write_record(&shards[i], 1, true); // position 0 means the beginning
    }
    pattern_feeds_open(&feeds, &house);
    pattern_feeds_begin(&feeds);
    *state = &feeds;
    return 0;
}

static int end(void **state) {
    pattern_feeds_close(*state);
    for (int i = 0; i < 2; i++)
        buffer_done(&shards[i].bytes);
    return 0;
}

static void read_all(struct pattern_feeds *feeds) {
    bool any;
    assert_int_equal(pattern_feeds_read(feeds, &any), STATUS_ok);
}

// Reads again until something may be handed on.
static struct pattern_feed *next(struct pattern_feeds *feeds) {
    struct pattern_feed *feed;
    uint64_t until_ns = clock_monotonic_ns() + WAIT_NS;
    while ((feed = pattern_feeds_next(feeds)) == NULL && clock_monotonic_ns() < until_ns)
        read_all(feeds);
    assert_non_null(feed);
    return feed;
}

static void in_the_order_of_time(void **state) {
    struct pattern_feeds *feeds = *state;
    const uint64_t first[] = {10, 30, 31, 50}, second[] = {20, 25, 40, 60};
    for (int i = 0; i < 4; i++) {
        write_record(&shards[0], first[i], false);
        write_record(&shards[1], second[i], i == 1); // one came along with a slot
    }
    read_all(feeds);
    const uint64_t wanted[] = {10, 20, 30, 31, 40, 50};
    for (int i = 0; i < 6; i++) {
        struct pattern_feed *feed = pattern_feeds_next(feeds);
        assert_non_null(feed);
        assert_int_equal(take(feed), wanted[i]);
    }
    assert_null(pattern_feeds_next(feeds)); // the first one may still have an earlier one
    uint64_t position, feed_end;
    pattern_feeds_stand(feeds, &position, &feed_end);
    assert_true(position < feed_end);
    write_record(&shards[0], 55, false);
    read_all(feeds);
    assert_int_equal(take(next(feeds)), 55);
    assert_int_equal(take(next(feeds)), 60); // it had none for a while
    read_all(feeds);
    pattern_feeds_stand(feeds, &position, &feed_end);
    assert_int_equal(position, feed_end);
}

static void nobody_is_run_ahead_of(void **state) {
    struct pattern_feeds *feeds = *state;
    bool any;
    write_record(&shards[0], 10, false);
    shards[1].is_away = true;
    assert_int_equal(pattern_feeds_read(feeds, &any), STATUS_busy);
    assert_null(pattern_feeds_next(feeds));
    uint64_t until_ns = clock_monotonic_ns() + UINT64_C(700000000);
    while (clock_monotonic_ns() < until_ns)
        assert_int_equal(pattern_feeds_read(feeds, &any), STATUS_busy);
    assert_null(pattern_feeds_next(feeds)); // however long it is away
    write_record(&shards[1], 5, false);
    shards[1].is_away = false;
    read_all(feeds);
    assert_int_equal(take(pattern_feeds_next(feeds)), 5);
    assert_int_equal(take(next(feeds)), 10);
}

static void where_it_was(void **state) {
    struct pattern_feeds *feeds = *state;
    struct pattern_feed *feed = &feeds->items[0];
    for (uint64_t hour = 1; hour <= 50; hour++)
        write_record(&shards[0], hour * HOUR, false);
    feeds->items[0].cursor.next = 8;
    pattern_feeds_begin(feeds);
    read_all(feeds);
    assert_int_equal(pattern_feeds_complete_ms(feeds), HOUR); // the other begins at the beginning
    for (int i = 0; i < 50; i++)
        assert_int_equal(take(next(feeds)), (uint64_t)(i + 1) * HOUR);
    assert_int_equal(pattern_feed_position_at(feed, HOUR - 1), 0);
    assert_int_equal(pattern_feed_position_at(feed, HOUR), 8);
    assert_int_equal(pattern_feed_position_at(feed, 7 * HOUR + 5), 7 * 8);
    assert_int_equal(pattern_feed_position_at(feed, 99 * HOUR), 50 * 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_the_order_of_time, begin, end),
        cmocka_unit_test_setup_teardown(nobody_is_run_ahead_of, begin, end),
        cmocka_unit_test_setup_teardown(where_it_was, begin, end),
    };
    return cmocka_run_group_tests_name("pattern feeds", tests, NULL, NULL);
}
