// SPDX-License-Identifier: MIT
// Feeds of several shards: what came with a slot is passed, what follows it waits for the shard
// that made what was before, and no two shards wait for each other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "events/feed_order.h"

#define SHARDS 3

struct part {
    struct engine engine; // first
    uint64_t end, told;   // of its feed
    uint64_t told_until;  // records from here on are nothing to tell
    int64_t version;
    uint64_t came_before; // of slot 7; 0: it never came
    bool is_away;
    int asked;
};

static struct part parts[SHARDS];

static enum status slots(struct engine *engine, struct engine_slots *ret_slots) {
    struct part *part = (struct part *)engine;
    memset(ret_slots, 0, sizeof(*ret_slots));
    ret_slots->version = part->version;
    ret_slots->came_before[7] = part->came_before;
    return part->is_away ? STATUS_busy : STATUS_ok;
}

static enum status slots_version(struct engine *engine, int64_t *ret_version) {
    struct part *part = (struct part *)engine;
    *ret_version = part->version;
    return part->is_away ? STATUS_busy : STATUS_ok;
}

static uint64_t published_end(struct engine *engine) {
    return ((struct part *)engine)->end;
}

static enum status feed(struct engine *engine, uint64_t position, size_t bytes_max,
                        bool (*each)(void *context, const struct feed_record *record),
                        void *context, uint64_t *ret_next) {
    static struct buffer bytes;
    struct part *part = (struct part *)engine;
    for (uint64_t at = position; at < part->end; at += 8) {
        bool is_told = at < part->told_until;
        struct record record = {.kind = is_told ? RECORD_ALARM : RECORD_CURSOR,
                                .operation = is_told ? COMMAND_ALARM : COMMAND_CURSOR_MOVE,
                                .origin = {.principal = SLICE("system"), .role = ROLE_SYSTEM},
                                .time_ms = 1};
        if (!is_told)
            record.cursor = (struct cursor){.epoch = 1, .next = at};
        buffer_reset(&bytes);
        (void)record_encode(&record, &bytes);
        const struct feed_record found = {
            .position = at, .next = at + 8, .bytes = buffer_slice(&bytes)};
        *ret_next = at + 8;
        if (!each(context, &found))
            break;
    }
    return part->is_away ? STATUS_busy : STATUS_ok;
}

static void submit(struct engine *engine, struct round *round) {
    struct part *part = (struct part *)engine;
    struct outcome *outcome = &round->first->outcomes[0];
    part->asked++;
    outcome_end(outcome, part->is_away ? STATUS_busy : STATUS_ok);
    outcome->cursor = (struct cursor){.epoch = 1, .next = part->told};
    round->published(round);
}

static uint32_t all_parts(struct engine *engine, struct engine **ret_parts, uint32_t count_max) {
    assert_true(count_max >= SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++)
        ret_parts[i] = &parts[i].engine;
    return SHARDS;
}

static const struct engine_port part_port = {.submit = submit,
                                             .feed = feed,
                                             .slots = slots,
                                             .slots_version = slots_version,
                                             .published_end = published_end};
static const struct engine_port house_port = {.parts = all_parts};

static bool place_of(void *context, uint32_t other, struct cursor_wish *ret_wish) {
    *ret_wish = (struct cursor_wish){.cursor = {.kind = CURSOR_EVENTS}};
    return true;
}

static struct feed_source sources[STANDING_PLACES_MAX];
static struct feed_order orders[SHARDS];

static int begin(void **state) {
    static struct engine house = {.port = &house_port};
    memset(parts, 0, sizeof(parts));
    for (uint32_t i = 0; i < SHARDS; i++)
        parts[i] = (struct part){
            .engine = {.port = &part_port}, .end = 1000, .told_until = UINT64_MAX};
    assert_int_equal(feed_sources(&house, sources), SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++)
        feed_order_init(&orders[i], &sources[i], place_of, NULL);
    return 0;
}

static int end(void **state) {
    for (uint32_t i = 0; i < SHARDS; i++)
        feed_order_done(&orders[i]);
    return 0;
}

static enum feed_turn judge(uint32_t shard, uint64_t position, bool came) {
    const struct feed_record found = {.position = position, .next = position + 8, .came = came};
    return feed_order_judge(&orders[shard], &found);
}

static void one_server_has_one_feed(void **state) {
    static struct engine alone = {.port = &part_port};
    struct feed_source source[STANDING_PLACES_MAX];
    struct feed_order order;
    assert_int_equal(feed_sources(&alone, source), 1);
    assert_ptr_equal(source[0].engine, &alone);
    assert_ptr_equal(source[0].house, &alone);
    feed_order_init(&order, &source[0], place_of, NULL);
    assert_true(feed_order_begin(&order, 0));
    const struct feed_record found = {.position = 1 << 20};
    assert_int_equal(feed_order_judge(&order, &found), FEED_TELL);
    feed_order_done(&order);
}

static void who_never_got_a_slot_asks_nobody(void **state) {
    assert_true(feed_order_begin(&orders[0], 0));
    assert_int_equal(judge(0, 992, false), FEED_TELL);
    assert_int_equal(judge(0, 1000, false), FEED_WAIT); // younger than what is known of the slots
    assert_int_equal(parts[1].asked + parts[2].asked, 0);
}

static void what_came_is_passed(void **state) {
    parts[0].came_before = 500;
    assert_true(feed_order_begin(&orders[0], 0));
    assert_int_equal(judge(0, 400, true), FEED_PASS);
}

static void what_follows_waits_for_what_was_before(void **state) {
    parts[0].came_before = 500;
    parts[1].told = 480;
    parts[2].told = 1000; // it has told all that it had
    assert_true(feed_order_begin(&orders[0], 0));
    assert_int_equal(judge(0, 520, false), FEED_WAIT);
    parts[1].told = 512;
    assert_int_equal(judge(0, 520, false), FEED_WAIT);
    parts[1].told = 520;
    assert_int_equal(judge(0, 520, false), FEED_TELL);
    assert_int_equal(judge(0, 528, false), FEED_WAIT);
    parts[1].is_away = true; // nobody knows how far it is
    assert_int_equal(judge(0, 528, false), FEED_WAIT);
    parts[1].is_away = false;
    parts[1].end = 2000; // it goes on, but what it has made since is not of that slot
    parts[1].told = 1000;
    assert_int_equal(judge(0, 992, false), FEED_TELL);
    int asked = parts[1].asked;
    assert_int_equal(judge(0, 992, false), FEED_TELL);
    assert_int_equal(parts[1].asked, asked); // from here on it need not be asked
}

// Nobody moves a place over what is nothing to tell, and nobody waits for it.
static void what_is_not_told_is_not_waited_for(void **state) {
    parts[0].came_before = 500;
    parts[1].told = 480;
    parts[2].told = 1000;
    parts[1].told_until = 488;
    assert_true(feed_order_begin(&orders[0], 0));
    assert_int_equal(judge(0, 520, false), FEED_WAIT);
    parts[1].told_until = 480;
    assert_int_equal(judge(0, 520, false), FEED_TELL);
    assert_int_equal(judge(0, 992, false), FEED_TELL);
    parts[1].is_away = true; // it is known to have told all that matters
    parts[1].end = 1200;
    assert_int_equal(judge(0, 992, false), FEED_TELL);
}

static void a_slot_that_comes_later_begins_it_again(void **state) {
    assert_true(feed_order_begin(&orders[0], 0));
    assert_int_equal(judge(0, 900, false), FEED_TELL);
    parts[0].version++;
    parts[0].came_before = 950;
    parts[0].end = 1100;
    assert_true(feed_order_begin(&orders[0], 1100)); // there is nothing to read
    assert_true(feed_order_begin(&orders[0], 904));
    assert_int_equal(judge(0, 960, false), FEED_WAIT);
    parts[1].told = parts[2].told = 1000;
    assert_int_equal(judge(0, 960, false), FEED_TELL);
    parts[0].is_away = true;
    assert_false(feed_order_begin(&orders[0], 904));
}

// Slots have gone all ways, and each shard has a feed of its own to tell: all get to the end.
static void nobody_waits_for_ever(void **state) {
    uint64_t next[SHARDS];
    uint32_t done = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        parts[i].came_before = 8;
        next[i] = 8 * (i + 1);
        parts[i].told = next[i];
        assert_true(feed_order_begin(&orders[i], 0));
    }
    for (int turn = 0; turn < 10000 && done != (1 << SHARDS) - 1; turn++)
        for (uint32_t i = 0; i < SHARDS; i++) {
            if (next[i] >= 1000) {
                done |= 1U << i;
                parts[i].told = 1000;
            } else if (judge(i, next[i], false) == FEED_TELL) {
                next[i] += 8 * SHARDS;
                parts[i].told = next[i];
            }
        }
    assert_int_equal(done, (1 << SHARDS) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_server_has_one_feed, begin, end),
        cmocka_unit_test_setup_teardown(who_never_got_a_slot_asks_nobody, begin, end),
        cmocka_unit_test_setup_teardown(what_came_is_passed, begin, end),
        cmocka_unit_test_setup_teardown(what_follows_waits_for_what_was_before, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_told_is_not_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(a_slot_that_comes_later_begins_it_again, begin, end),
        cmocka_unit_test_setup_teardown(nobody_waits_for_ever, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
