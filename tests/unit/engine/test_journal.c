// SPDX-License-Identifier: MIT
// The journal in calm weather: rounds, positions, segments, walking, finding, checkpoints, a full
// disk.
#include "journal_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static struct bench *bench_new(void) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    bench_open_ok(bench);
    return bench;
}

static void bench_free(struct bench *bench) {
    bench_done(bench);
    memory_free(bench);
}

static void test_nothing_is_readable_before_its_commit(void **state) {
    struct bench *bench = bench_new();
    uint64_t begin = journal_published(bench->journal);
    uint64_t position, next;
    struct slice bytes;
    journal_round_begin(bench->journal, 1000, 200);
    uint64_t first = bench_add(bench, 72);
    uint64_t second = bench_add(bench, 128);
    assert_int_equal(first, begin + JOURNAL_ROUND_HEADER_BYTES);
    assert_int_equal(second, first + 72);
    assert_int_equal(journal_next_position(bench->journal), second + 128);
    assert_int_equal(journal_read(bench->journal, first).size, 0);
    assert_int_equal(journal_read_open(bench->journal, first).size, 72);
    assert_int_equal(journal_read_open(bench->journal, second).size, 128);
    assert_int_equal(journal_read_open(bench->journal, second + 128).size, 0);
    assert_false(journal_next(bench->journal, 0, &position, &bytes, &next));
    assert_int_equal(journal_published(bench->journal), begin);
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), begin + JOURNAL_BLOCK_BYTES);
    assert_int_equal(bench_number_of(journal_read(bench->journal, first)), 1);
    assert_int_equal(bench_number_of(journal_read_open(bench->journal, second)), 2);
    assert_int_equal(journal_time_ms(bench->journal), 1000);
    bench_free(bench);
}

static void test_forged_positions_find_nothing(void **state) {
    struct bench *bench = bench_new();
    assert_int_equal(bench_round(bench, 1, 3, 64), STATUS_ok);
    const uint64_t forged[] = {0,
                               8,
                               4096,
                               4096 + 8,
                               4096 + 152,
                               4097 + 160,
                               8192,
                               8192 + 160,
                               TEST_SEGMENT_BYTES + 4096 + 160,
                               UINT64_MAX,
                               UINT64_MAX - 7,
                               UINT64_C(1) << 60};
    for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
        assert_int_equal(journal_read(bench->journal, forged[i]).size, 0);
        assert_int_equal(journal_read_open(bench->journal, forged[i]).size, 0);
    }
    bench_free(bench);
}

static void test_an_empty_round_is_dropped(void **state) {
    struct bench *bench = bench_new();
    uint64_t begin = journal_published(bench->journal);
    journal_round_begin(bench->journal, 5, 1000);
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), begin);
    journal_round_begin(bench->journal, 6, 1000);
    size_t size = journal_round_buffer(bench->journal)->size;
    (void)bench_add(bench, 80);
    journal_round_buffer(bench->journal)->size = size; // undone
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), begin);
    assert_int_equal(journal_time_ms(bench->journal), 0);
    bench_free(bench);
}

static void test_rounds_come_back_in_order(void **state) {
    struct bench *bench = bench_new();
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(bench_round(bench, 1000 + i / 3, 1 + i % 5, 64 + 8 * (i % 40)), STATUS_ok);
    uint64_t count = bench->next_number - 1;
    uint64_t end = journal_published(bench->journal);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, count);
    assert_int_equal(journal_published(bench->journal), end);
    assert_int_equal(journal_time_ms(bench->journal), 1000 + 199 / 3);
    assert_true(bench->seen.segments_ended > 5);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(bench_number_of(journal_read(bench->journal, bench->seen.positions[i])),
                         i + 1);
    assert_int_equal(bench_round(bench, 2000, 2, 64), STATUS_ok);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, count + 2);
    bench_free(bench);
}

static void test_a_round_may_fill_its_segment_exactly(void **state) {
    struct bench *bench = bench_new();
    size_t whole = TEST_SEGMENT_BYTES - JOURNAL_BLOCK_BYTES - JOURNAL_ROUND_HEADER_BYTES;
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(bench_round(bench, i, 1, whole), STATUS_ok);
        assert_int_equal(journal_published(bench->journal), (i + 1) * TEST_SEGMENT_BYTES);
    }
    uint64_t end;
    struct sha256 chain;
    journal_head(bench->journal, &end, &chain);
    assert_int_equal(bench_round(bench, 9, 1, 64), STATUS_ok);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, 5);
    bench_restart(bench);
    assert_int_equal(bench_open_from(bench, end, chain), STATUS_ok);
    assert_int_equal(bench->seen.count, 1);
    assert_int_equal(bench->seen.segments_ended, 1);
    bench_free(bench);
}

static void test_an_open_round_says_when_it_is_full(void **state) {
    struct bench *bench = bench_new();
    size_t room = TEST_SEGMENT_BYTES - JOURNAL_BLOCK_BYTES - JOURNAL_ROUND_HEADER_BYTES;
    assert_true(journal_round_fits(bench->journal, room));
    journal_round_begin(bench->journal, 1, 64);
    (void)bench_add(bench, 64);
    assert_true(journal_round_fits(bench->journal, room - 64));
    assert_false(journal_round_fits(bench->journal, room - 56));
    journal_round_begin(bench->journal, 1, room - 64); // goes on
    (void)bench_add(bench, 64);
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), 2 * JOURNAL_BLOCK_BYTES);
    // What is left of the segment is too little, so the next one is taken.
    journal_round_begin(bench->journal, 1, room);
    assert_int_equal(journal_next_position(bench->journal),
                     TEST_SEGMENT_BYTES + JOURNAL_BLOCK_BYTES + JOURNAL_ROUND_HEADER_BYTES);
    assert_int_equal(journal_published(bench->journal), 2 * JOURNAL_BLOCK_BYTES);
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    // The segment is empty, and still the journal opens, from its end too.
    uint64_t end;
    struct sha256 chain;
    journal_head(bench->journal, &end, &chain);
    bench_restart(bench);
    assert_int_equal(bench_open_from(bench, end, chain), STATUS_ok);
    assert_int_equal(bench->seen.count, 0);
    assert_int_equal(journal_published(bench->journal), end);
    assert_int_equal(bench_round(bench, 2, 1, 64), STATUS_ok);
    assert_true(journal_published(bench->journal) > TEST_SEGMENT_BYTES);
    bench_restart(bench);
    bench_open_ok(bench);
    bench_assert_seen(bench, 3);
    bench_free(bench);
}

static void test_walking_both_ways_meets_the_same_records(void **state) {
    struct bench *bench = bench_new();
    for (uint32_t i = 0; i < 120; i++)
        assert_int_equal(bench_round(bench, 10 + i, 1 + i % 70, 64 + 8 * (i % 3)), STATUS_ok);
    uint64_t count = bench->next_number - 1;
    uint64_t *positions = memory_take(count * sizeof(*positions));
    uint64_t at = 0, position, next;
    struct slice bytes;
    for (uint64_t i = 0; i < count; i++) {
        assert_true(journal_next(bench->journal, at, &position, &bytes, &next));
        assert_int_equal(bench_number_of(bytes), i + 1);
        assert_true(next == position + bytes.size && position >= at);
        positions[i] = position;
        at = next;
    }
    assert_false(journal_next(bench->journal, at, &position, &bytes, &next));
    struct journal_walk walk;
    journal_walk_init(&walk, bench->journal, journal_published(bench->journal));
    for (uint64_t i = count; i > 0; i--) {
        assert_true(journal_walk_previous(&walk, &position, &bytes));
        assert_int_equal(position, positions[i - 1]);
        assert_int_equal(bench_number_of(bytes), i);
    }
    assert_false(journal_walk_previous(&walk, &position, &bytes));
    assert_false(journal_walk_previous(&walk, &position, &bytes));
    journal_walk_done(&walk);
    // From anywhere: a record, the byte behind it, a round's start.
    for (uint64_t i = 1; i < count; i += 7) {
        journal_walk_init(&walk, bench->journal, positions[i]);
        assert_true(journal_walk_previous(&walk, &position, &bytes));
        assert_int_equal(position, positions[i - 1]);
        journal_walk_done(&walk);
        journal_walk_init(&walk, bench->journal, positions[i] + 8);
        assert_true(journal_walk_previous(&walk, &position, &bytes));
        assert_int_equal(position, positions[i]);
        journal_walk_done(&walk);
    }
    for (uint64_t block = 0; block <= journal_published(bench->journal);
         block += JOURNAL_BLOCK_BYTES) {
        uint64_t before = 0;
        while (before < count && positions[before] < block)
            before++;
        journal_walk_init(&walk, bench->journal, block);
        assert_int_equal(journal_walk_previous(&walk, &position, &bytes), before != 0);
        assert_true(before == 0 || position == positions[before - 1]);
        journal_walk_done(&walk);
    }
    memory_free(positions);
    bench_free(bench);
}

static void test_times_are_found(void **state) {
    struct bench *bench = bench_new();
    uint64_t starts[100], times[100];
    for (uint32_t i = 0; i < 100; i++) {
        times[i] = 100 + (i / 4) * 10; // several rounds share a time
        journal_round_begin(bench->journal, times[i], 200 * 70);
        starts[i] = bench_add(bench, 64) - JOURNAL_ROUND_HEADER_BYTES;
        for (uint32_t more = 0; more < i % 60; more++)
            (void)bench_add(bench, 200);
        assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    }
    for (uint64_t time_ms = 90; time_ms < 360; time_ms++) {
        uint32_t first = 0;
        while (first < 100 && times[first] < time_ms)
            first++;
        uint64_t found = journal_find_time(bench->journal, time_ms);
        uint64_t position, next;
        struct slice bytes;
        bool is_there = journal_next(bench->journal, found, &position, &bytes, &next);
        assert_int_equal(is_there, first < 100);
        if (is_there)
            assert_int_equal(position, starts[first] + JOURNAL_ROUND_HEADER_BYTES);
    }
    assert_int_equal(journal_find_time(bench->journal, UINT64_MAX),
                     journal_published(bench->journal));
    bench_free(bench);
}

static void test_an_empty_journal_has_nothing_to_walk(void **state) {
    struct bench *bench = bench_new();
    uint64_t position, next;
    struct slice bytes;
    struct journal_walk walk;
    assert_false(journal_next(bench->journal, 0, &position, &bytes, &next));
    journal_walk_init(&walk, bench->journal, journal_published(bench->journal));
    assert_false(journal_walk_previous(&walk, &position, &bytes));
    journal_walk_done(&walk);
    assert_int_equal(journal_find_time(bench->journal, 0), journal_published(bench->journal));
    bench_restart(bench);
    bench_open_ok(bench);
    assert_int_equal(bench->seen.count, 0);
    bench_free(bench);
}

static void test_a_clean_stop_is_written_once(void **state) {
    struct bench *bench = bench_new();
    assert_int_equal(bench_round(bench, 7, 1, 64), STATUS_ok);
    uint64_t end = journal_published(bench->journal);
    for (int i = 0; i < 5; i++) {
        journal_close(bench->journal);
        bench_open_ok(bench);
        bench_assert_seen(bench, 1);
        assert_int_equal(journal_published(bench->journal), end + JOURNAL_BLOCK_BYTES);
        assert_int_equal(journal_time_ms(bench->journal), 7);
    }
    struct journal_round_header header;
    bench_peek(bench, end, &header, sizeof(header));
    assert_int_equal(header.flags, JOURNAL_ROUND_CLOSING);
    assert_int_equal(header.record_count, 0);
    assert_int_equal(header.synced, end);
    // Work goes on behind it, and it is no hindrance to walking.
    assert_int_equal(bench_round(bench, 8, 1, 64), STATUS_ok);
    journal_close(bench->journal);
    bench_open_ok(bench);
    bench_assert_seen(bench, 2);
    uint64_t position, next;
    struct slice bytes;
    assert_true(journal_next(bench->journal, end, &position, &bytes, &next));
    assert_int_equal(bench_number_of(bytes), 2);
    bench_free(bench);
}

static void test_every_round_is_a_place_to_begin(void **state) {
    struct bench *bench = bench_new();
    uint64_t ends[60], counts[60];
    struct sha256 chains[60];
    for (uint32_t i = 0; i < 60; i++) {
        journal_head(bench->journal, &ends[i], &chains[i]);
        counts[i] = bench->next_number - 1;
        assert_int_equal(bench_round(bench, i, 1 + i % 9, 64 + 8 * (i * 37 % 100)), STATUS_ok);
    }
    uint64_t count = bench->next_number - 1;
    uint64_t end = journal_published(bench->journal);
    for (uint32_t i = 0; i < 60; i++) {
        bench_restart(bench);
        enum status status = bench_open_from(bench, ends[i], chains[i]);
        if (status != STATUS_ok)
            fail_msg("from round %u: %s", i, bench->why);
        assert_int_equal(bench->seen.count, count - counts[i]);
        assert_int_equal(bench->seen.numbers[0], counts[i] + 1);
        assert_int_equal(journal_published(bench->journal), end);
    }
    // Not a chain of this journal, not a round's end, not even a place.
    bench_restart(bench);
    assert_int_equal(bench_open_from(bench, ends[30], chains[31]), STATUS_damaged);
    assert_non_null(strstr(bench->why, "J7"));
    bench->journal = NULL;
    assert_int_equal(bench_open_from(bench, 4096, chains[1]), STATUS_damaged);
    assert_non_null(strstr(bench->why, "J7"));
    assert_int_equal(bench_open_from(bench, ends[30] + 8, chains[30]), STATUS_damaged);
    assert_int_equal(bench_open_from(bench, end + JOURNAL_BLOCK_BYTES, chains[30]), STATUS_damaged);
    assert_int_equal(bench_open_from(bench, UINT64_C(1) << 50, chains[30]), STATUS_damaged);
    bench_free(bench);
}

static void test_a_checkpoint_without_a_journal_is_damage(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    assert_int_equal(bench_open_from(bench, 4096, (struct sha256){{0}}), STATUS_damaged);
    assert_non_null(strstr(bench->why, "missing"));
    bench_free(bench);
}

static void test_replay_may_refuse(void **state) {
    struct bench *bench = bench_new();
    assert_int_equal(bench_round(bench, 7, 5, 64), STATUS_ok);
    journal_close(bench->journal);
    bench->journal = NULL;
    bench->seen.stop_at = 3;
    assert_int_equal(bench_open(bench), STATUS_damaged);
    assert_non_null(strstr(bench->why, "contradicts"));
    bench_free(bench);
}

static void test_a_full_disk_is_noticed_ahead(void **state) {
    struct bench *bench = bench_new();
    assert_int_equal(journal_room(bench->journal, 1000), STATUS_ok);
    // A limit that the present segment fits into, but no other.
    fake_disk_limit(bench->disk, TEST_SEGMENT_BYTES + 1000);
    uint64_t rounds = 0;
    while (journal_room(bench->journal, 1000) == STATUS_ok) {
        assert_int_equal(bench_round(bench, 1, 1, 1000), STATUS_ok);
        assert_true(++rounds < 100);
    }
    struct journal_stats stats;
    journal_stats(bench->journal, &stats);
    assert_int_equal(journal_room(bench->journal, 1000), STATUS_storage_full);
    assert_true(stats.storage_full);
    assert_true(rounds > 0 && stats.segments == 1);
    // What is there can be read, and a clean stop still finds its block.
    assert_int_equal(bench_number_of(journal_read(bench->journal, 4096 + 160)), 1);
    journal_close(bench->journal);
    bench_open_ok(bench);
    bench_assert_seen(bench, rounds);
    assert_int_equal(journal_room(bench->journal, 1000), STATUS_storage_full);
    fake_disk_limit(bench->disk, UINT64_C(1) << 30);
    journal_close(bench->journal);
    bench_open_ok(bench);
    assert_int_equal(journal_room(bench->journal, 1000), STATUS_ok);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(bench_round(bench, 1, 1, 1000), STATUS_ok);
    bench_free(bench);
}

// Somebody else takes all that is free since the journal looked last: room that was promised is
// there all the same, and what is not there is not promised.
static void test_room_is_taken_before_it_is_promised(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    fake_disk_limit(bench->disk, UINT64_C(1) << 30);
    bench_open_ok(bench);
    fake_disk_limit(bench->disk, TEST_SEGMENT_BYTES);
    assert_int_equal(journal_room(bench->journal, 1000), STATUS_ok);
    assert_int_equal(bench_round(bench, 1, 1, 1000), STATUS_ok);
    assert_int_equal(journal_room(bench->journal, TEST_SEGMENT_BYTES - 2000),
                     STATUS_storage_full);
    fake_disk_limit(bench->disk, UINT64_C(1) << 30);
    journal_close(bench->journal);
    bench_open_ok(bench);
    bench_assert_seen(bench, 1);
    assert_int_equal(journal_room(bench->journal, TEST_SEGMENT_BYTES - 30000), STATUS_ok);
    fake_disk_limit(bench->disk, 0);
    for (uint32_t i = 0; i < 8; i++) // into the next segment
        assert_int_equal(bench_round(bench, 1, 1, 4000), STATUS_ok);
    fake_disk_limit(bench->disk, UINT64_C(1) << 30);
    bench_free(bench);
}

// The same from plenty to nothing, between two looks.
static void test_room_is_taken_while_there_is_plenty_too(void **state) {
    struct bench *bench = bench_new();
    assert_int_equal(journal_room(bench->journal, TEST_SEGMENT_BYTES - 10000), STATUS_ok);
    fake_disk_limit(bench->disk, 0);
    for (uint32_t i = 0; i < 8; i++) // into the next segment
        assert_int_equal(bench_round(bench, 1, 1, 4000), STATUS_ok);
    struct journal_stats stats;
    journal_stats(bench->journal, &stats);
    assert_int_equal(stats.segments, 2);
    assert_int_equal(journal_room(bench->journal, TEST_SEGMENT_BYTES - 2000),
                     STATUS_storage_full);
    fake_disk_limit(bench->disk, UINT64_MAX);
    bench_free(bench);
}

static void test_too_little_free_space_refuses(void **state) {
    struct bench *bench = memory_take(sizeof(*bench));
    bench_init(bench, fake_disk_open(1));
    fake_disk_limit(bench->disk, 10 * TEST_SEGMENT_BYTES);
    bench->options.free_bytes_min = 5 * TEST_SEGMENT_BYTES;
    bench_open_ok(bench);
    uint64_t rounds = 0;
    while (journal_room(bench->journal, 1000) == STATUS_ok) {
        assert_int_equal(bench_round(bench, 1, 1, 1000), STATUS_ok);
        assert_true(++rounds < 1000);
    }
    assert_true(rounds > 30 && rounds < 16 * 6);
    bench_free(bench);
}

static void test_a_round_on_its_way_is_readable_by_the_writer_only(void **state) {
    struct bench *bench = bench_new();
    uint64_t begin = journal_published(bench->journal), end;
    struct sha256 before, after;
    journal_head(bench->journal, &end, &before);
    assert_int_equal(journal_commit_wait(bench->journal), STATUS_ok); // nothing to wait for
    assert_true(journal_commit_is_over(bench->journal));
    journal_round_begin(bench->journal, 50, 5000);
    uint64_t first = bench_add(bench, 5000);
    assert_int_equal(journal_commit_begin(bench->journal), STATUS_ok);
    assert_false(journal_round_is_open(bench->journal));
    assert_int_equal(journal_time_ms(bench->journal), 50);
    assert_int_equal(bench_number_of(journal_read_open(bench->journal, first)), 1);
    assert_int_equal(journal_read(bench->journal, first).size, 0);
    journal_round_begin(bench->journal, 51, 64);
    uint64_t second = bench_add(bench, 64);
    assert_int_equal(second, begin + 2 * JOURNAL_BLOCK_BYTES + JOURNAL_ROUND_HEADER_BYTES);
    assert_int_equal(bench_number_of(journal_read_open(bench->journal, first)), 1);
    assert_int_equal(bench_number_of(journal_read_open(bench->journal, second)), 2);
    assert_int_equal(journal_read_open(bench->journal, second - 8).size, 0);
    assert_int_equal(journal_published(bench->journal), begin);
    journal_head(bench->journal, &end, &after);
    assert_true(end == begin && memcmp(&before, &after, sizeof(before)) == 0);
    assert_int_equal(journal_commit_wait(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), begin + 2 * JOURNAL_BLOCK_BYTES);
    assert_int_equal(bench_number_of(journal_read(bench->journal, first)), 1);
    assert_true(journal_round_is_open(bench->journal));
    assert_int_equal(journal_commit_begin(bench->journal), STATUS_ok);
    // An empty round changes nothing, and waits for the one before.
    journal_round_begin(bench->journal, 52, 64);
    assert_int_equal(journal_commit(bench->journal), STATUS_ok);
    assert_int_equal(journal_published(bench->journal), begin + 3 * JOURNAL_BLOCK_BYTES);
    journal_close(bench->journal);
    bench_open_ok(bench);
    bench_assert_seen(bench, 2);
    bench_free(bench);
}

static void test_rounds_on_their_way_roll_segments(void **state) {
    struct bench *bench = bench_new();
    for (uint32_t i = 0; i < 300; i++) {
        journal_round_begin(bench->journal, i, 9000);
        for (uint32_t k = 0; k <= i % 9; k++)
            (void)bench_add(bench, 1000);
        enum status status =
            i % 5 == 0 ? journal_commit(bench->journal) : journal_commit_begin(bench->journal);
        assert_int_equal(status, STATUS_ok);
    }
    journal_close(bench->journal); // waits for the last
    bench_open_ok(bench);
    bench_assert_seen(bench, bench->next_number - 1);
    assert_true(bench->seen.segments_ended > 20);
    bench_free(bench);
}

// On a real disk, with the thread that prepares it: what is written while it works is what is read.
static void test_the_thread_prepares_a_real_disk(void **state) {
    char folder[] = "/tmp/florin_journal_XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct bench *bench = memory_take(sizeof(*bench));
    struct disk *disk;
    assert_int_equal(disk_posix_open(folder, &disk), STATUS_ok);
    bench_init(bench, disk);
    bench->options.is_single_threaded = false;
    bench_open_ok(bench);
    for (uint32_t i = 0; i < 600; i++) {
        journal_round_begin(bench->journal, i, 30 * 600);
        for (uint32_t k = 0; k <= i % 30; k++)
            (void)bench_add(bench, 64 + 8 * (i % 60));
        assert_int_equal(i % 3 == 0 ? journal_commit(bench->journal)
                                    : journal_commit_begin(bench->journal),
                         STATUS_ok);
    }
    assert_int_equal(journal_commit_wait(bench->journal), STATUS_ok);
    uint64_t count = bench->next_number - 1;
    struct journal_stats stats;
    journal_stats(bench->journal, &stats);
    assert_true(stats.segments > 20 && stats.sync_count == 600 && stats.rounds == 600);
    journal_close(bench->journal);
    bench_open_ok(bench);
    bench_assert_seen(bench, count);
    assert_int_equal(bench->seen.segments_ended, stats.segments - 1);
    journal_close(bench->journal);
    bench->journal = NULL;
    char name[JOURNAL_SEGMENT_NAME_BYTES];
    for (uint64_t i = 0; i < stats.segments + 2; i++) {
        journal_segment_name(i, name);
        assert_int_equal(disk->driver->remove(disk, name), STATUS_ok);
    }
    bench_free(bench);
    char sub_folder[64];
    (void)snprintf(sub_folder, sizeof(sub_folder), "%s/journal", folder);
    assert_int_equal(rmdir(sub_folder), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_readable_before_its_commit),
        cmocka_unit_test(test_forged_positions_find_nothing),
        cmocka_unit_test(test_an_empty_round_is_dropped),
        cmocka_unit_test(test_rounds_come_back_in_order),
        cmocka_unit_test(test_a_round_may_fill_its_segment_exactly),
        cmocka_unit_test(test_an_open_round_says_when_it_is_full),
        cmocka_unit_test(test_walking_both_ways_meets_the_same_records),
        cmocka_unit_test(test_times_are_found),
        cmocka_unit_test(test_an_empty_journal_has_nothing_to_walk),
        cmocka_unit_test(test_a_clean_stop_is_written_once),
        cmocka_unit_test(test_every_round_is_a_place_to_begin),
        cmocka_unit_test(test_a_checkpoint_without_a_journal_is_damage),
        cmocka_unit_test(test_replay_may_refuse),
        cmocka_unit_test(test_a_full_disk_is_noticed_ahead),
        cmocka_unit_test(test_room_is_taken_before_it_is_promised),
        cmocka_unit_test(test_room_is_taken_while_there_is_plenty_too),
        cmocka_unit_test(test_too_little_free_space_refuses),
        cmocka_unit_test(test_a_round_on_its_way_is_readable_by_the_writer_only),
        cmocka_unit_test(test_rounds_on_their_way_roll_segments),
        cmocka_unit_test(test_the_thread_prepares_a_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
