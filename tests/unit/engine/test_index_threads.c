// SPDX-License-Identifier: MIT
// Readers beside the writer and the background: what is published is found, all of it, newest
// first, and nothing else. Best run with the thread sanitizer.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "engine/embedded/index/index.h"
#include "fake_disk.h"

#define READERS    2
#define KINDS      61
#define ROUNDS     2500
#define ROUND_PUTS 40
#define HOT        5 // the share of puts under kind 0: every fifth

struct world {
    struct disk *disk;
    struct index *index;
    _Atomic uint64_t published; // positions below are there for good
    _Atomic bool is_over;
    _Atomic uint64_t found_count;
};

// What was put at a position is known from the position alone: positions are 8, 16, 24...
static uint64_t kind_at(uint64_t position) {
    return position / 8 % HOT == 0 ? 0 : position / 8 * 7 % KINDS;
}

static uint64_t fingerprint_of(uint64_t kind) {
    return hash64(slice_of(&kind, sizeof(kind)), 3);
}

// One lookup of some of the newest positions, compared with what must be there.
static void look(struct world *world, uint64_t kind, uint64_t below, uint64_t count_max) {
    struct index_snapshot snapshot;
    struct index_cursor cursor;
    uint64_t position;
    uint64_t bound = atomic_load_explicit(&world->published, memory_order_acquire);
    index_snapshot_open(world->index, bound, &snapshot);
    enum status status =
        index_find_below(&snapshot, INDEX_ORDER, fingerprint_of(kind), below, &cursor, &position);
    uint64_t expected = below < bound ? below : bound;
    for (uint64_t count = 0; count < count_max; count++) {
        do
            expected = expected == 0 ? 0 : (expected - 1) / 8 * 8;
        while (expected > 0 && kind_at(expected) != kind);
        if (expected == 0)
            break;
        if (status != STATUS_ok || position != expected)
            fail_msg("kind %lu below %lu: status %d, found %lu, expected %lu", (unsigned long)kind,
                     (unsigned long)bound, (int)status, (unsigned long)position,
                     (unsigned long)expected);
        atomic_fetch_add_explicit(&world->found_count, 1, memory_order_relaxed);
        status = index_find_next(&cursor, &position);
    }
    if (expected == 0)
        assert_int_equal(status, STATUS_end);
    index_snapshot_close(&snapshot);
}

static void *read_on(void *context) {
    struct world *world = context;
    uint64_t random = (uint64_t)(uintptr_t)&random;
    while (!atomic_load_explicit(&world->is_over, memory_order_relaxed)) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t kind = (random >> 33) % 3 == 0 ? 0 : (random >> 36) % KINDS;
        look(world, kind, UINT64_MAX, 30);
        look(world, kind, (random >> 20) % (ROUNDS * ROUND_PUTS * 8), 10);
    }
    return NULL;
}

// One round of the writer; some of it is undone and put again as something else.
static uint64_t write_round(struct world *world, uint64_t position, uint64_t round) {
    if (round % 3 != 0) {
        size_t mark = index_mark(world->index);
        for (uint64_t i = 1; i <= ROUND_PUTS; i++)
            index_put(world->index, INDEX_ORDER, fingerprint_of((i + round) % 4 * 20),
                      position + 8 * i);
        index_undo(world->index, mark);
    }
    for (uint64_t i = 0; i < ROUND_PUTS; i++) {
        position += 8;
        index_prefetch(world->index, INDEX_ORDER, fingerprint_of(kind_at(position)));
        index_put(world->index, INDEX_ORDER, fingerprint_of(kind_at(position)), position);
    }
    index_settle(world->index);
    atomic_store_explicit(&world->published, position + 1, memory_order_release);
    return position;
}

static void test_readers_beside_the_writer(void **state) {
    struct world world = {.disk = fake_disk_open(1), .published = 8};
    pthread_t readers[READERS];
    struct index_covered covered;
    uint64_t position = 0, segment = 1;
    const struct index_options options = {
        .disk = world.disk, .folder = "index/", .first_segment = 1, .journal_end = UINT64_MAX};
    assert_int_equal(index_open(&options, &covered, &world.index), STATUS_ok);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &world), 0);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        position = write_round(&world, position, round);
        if (round % 40 == 0)
            index_seal(world.index, segment++, position + 1, round);
        if (round % 100 == 0) { // the writer reads too
            struct index_cursor cursor;
            uint64_t found;
            assert_int_equal(index_find_first(index_own(world.index), INDEX_ORDER,
                                              fingerprint_of(kind_at(position)), &cursor, &found),
                             STATUS_ok);
            assert_int_equal(found, position);
        }
    }
    atomic_store(&world.is_over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    for (uint64_t kind = 0; kind < KINDS; kind++)
        look(&world, kind, UINT64_MAX, UINT64_MAX);
    assert_true(atomic_load(&world.found_count) > 1000);
    struct index_stats stats;
    index_stats(world.index, &stats);
    assert_true(stats.flush_count > 0);
    index_close(world.index);
    world.disk->driver->done(world.disk);
}

// A snapshot goes on to show what it showed, whatever is merged and removed meanwhile.
static void test_old_snapshot(void **state) {
    struct world world = {.disk = fake_disk_open(2)};
    struct index_covered covered;
    struct index_snapshot old;
    const struct index_options options = {.disk = world.disk,
                                          .folder = "index/",
                                          .first_segment = 1,
                                          .journal_end = UINT64_MAX,
                                          .without_thread = true};
    assert_int_equal(index_open(&options, &covered, &world.index), STATUS_ok);
    uint64_t position = 0;
    for (uint64_t round = 1; round <= 3; round++) {
        position = write_round(&world, position, round);
        index_seal(world.index, round, position + 1, round);
        while (index_work(world.index))
            continue;
    }
    uint64_t bound = atomic_load(&world.published);
    index_snapshot_open(world.index, bound, &old);
    for (uint64_t round = 4; round <= 30; round++) {
        position = write_round(&world, position, round);
        index_seal(world.index, round, position + 1, round);
        while (index_work(world.index))
            continue;
    }
    for (uint64_t kind = 0; kind < KINDS; kind++) {
        struct index_cursor cursor;
        uint64_t found;
        enum status status =
            index_find_first(&old, INDEX_ORDER, fingerprint_of(kind), &cursor, &found);
        for (uint64_t expected = bound - 1; expected > 0; expected -= 8) {
            if (kind_at(expected) != kind)
                continue;
            assert_int_equal(status, STATUS_ok);
            assert_int_equal(found, expected);
            status = index_find_next(&cursor, &found);
        }
        assert_int_equal(status, STATUS_end);
    }
    index_snapshot_close(&old);
    index_close(world.index);
    world.disk->driver->done(world.disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_the_writer),
        cmocka_unit_test(test_old_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
