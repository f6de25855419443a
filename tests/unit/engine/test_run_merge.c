// SPDX-License-Identifier: MIT
// Merging sorted sources: any number, any sizes, in any steps; damage in one of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/index/run_merge.h"
#include "fake_disk.h"

#define ENTRIES_MAX 60000

struct world {
    struct disk *disk;
    struct index_entry *all; // sorted
    size_t count;
    struct run *runs[RUN_MERGE_SOURCES_MAX]; // oldest first
    struct run_reader readers[RUN_MERGE_SOURCES_MAX];
    struct run_source *sources[RUN_MERGE_SOURCES_MAX]; // newest first
    size_t run_count;
    uint64_t position;
};

static int entry_compare(const void *left, const void *right) {
    const struct index_entry *a = left;
    const struct index_entry *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    return (a->position < b->position) - (a->position > b->position);
}

static struct run_facts facts_of(uint64_t first, uint64_t last, uint64_t count, uint64_t end) {
    return (struct run_facts){.family = 0,
                              .entry_count = count,
                              .first_segment = first,
                              .last_segment = last,
                              .end_position = end};
}

// One more run of `count` entries; few kinds, so that runs share fingerprints.
static void world_add(struct world *world, size_t count, uint64_t kinds) {
    struct run_writer *writer;
    char name[RUN_NAME_BYTES];
    struct index_entry *entries = world->all + world->count;
    for (size_t i = 0; i < count; i++) {
        uint64_t kind = (i * 7 + world->run_count) % kinds;
        uint64_t fingerprint = kind == 3 ? UINT64_MAX : hash64(slice_of(&kind, sizeof(kind)), 1);
        entries[i] =
            (struct index_entry){.fingerprint = fingerprint, .position = ++world->position};
    }
    qsort(entries, count, sizeof(*entries), entry_compare);
    uint64_t segment = world->run_count + 1;
    run_name(name, "index/", "idempotency", segment, segment);
    const struct run_facts facts = facts_of(segment, segment, count, world->position + 1);
    assert_int_equal(run_writer_open(world->disk, name, &facts, &writer), STATUS_ok);
    assert_int_equal(run_writer_add(writer, entries, count), STATUS_ok);
    assert_int_equal(run_writer_finish(writer, &world->runs[world->run_count++]), STATUS_ok);
    world->count += count;
}

static struct world *world_make(void) {
    struct world *world = memory_take_zeroed(sizeof(*world));
    world->disk = fake_disk_open(1);
    world->all = memory_take(ENTRIES_MAX * sizeof(*world->all));
    return world;
}

static void world_free(struct world *world) {
    for (size_t i = 0; i < world->run_count; i++)
        run_close(world->disk, world->runs[i]);
    world->disk->driver->done(world->disk);
    memory_free(world->all);
    memory_free(world);
}

static enum status world_merge(struct world *world, uint64_t step, struct run **ret_run) {
    struct run_merge *merge;
    char name[RUN_NAME_BYTES];
    const struct run_facts facts = facts_of(1, world->run_count, world->count, world->position + 1);
    run_name(name, "index/", "idempotency", 1, world->run_count);
    for (size_t i = 0; i < world->run_count; i++) {
        run_reader_init(&world->readers[i], world->runs[world->run_count - 1 - i]);
        world->sources[i] = &world->readers[i].source;
    }
    enum status status =
        run_merge_open(world->disk, name, &facts, world->sources, world->run_count, &merge);
    if (status != STATUS_ok)
        return status;
    while ((status = run_merge_step(merge, step)) == STATUS_ok)
        continue;
    if (status == STATUS_end)
        return run_merge_finish(merge, ret_run);
    run_merge_close(merge);
    return status;
}

static void check_merge(struct world *world, uint64_t step) {
    struct run *run;
    assert_int_equal(world_merge(world, step, &run), STATUS_ok);
    qsort(world->all, world->count, sizeof(*world->all), entry_compare);
    assert_int_equal(run->facts.entry_count, world->count);
    for (size_t i = 0; i < world->count; i++) {
        assert_int_equal(run->entries[i].fingerprint, world->all[i].fingerprint);
        assert_int_equal(run->entries[i].position, world->all[i].position);
    }
    run_close(world->disk, run);
}

static void test_shapes(void **state) {
    const size_t shapes[][6] = {{0}, {1}, {0, 0, 0, 0}, {1, 0, 2}, {5000, 1, 4096, 8192, 0, 4097}};
    for (size_t shape = 0; shape < 5; shape++) {
        for (uint64_t step = 1; step < 100000; step *= 300) {
            struct world *world = world_make();
            for (size_t i = 0; i < 6; i++)
                world_add(world, shapes[shape][i], 50);
            check_merge(world, step);
            world_free(world);
        }
    }
}

static void test_many_sources(void **state) {
    struct world *world = world_make();
    for (size_t i = 0; i < RUN_MERGE_SOURCES_MAX; i++)
        world_add(world, 13 * i, i % 2 == 0 ? 7 : 100000);
    check_merge(world, 1000);
    world_free(world);
}

static void test_damaged_source(void **state) {
    struct world *world = world_make();
    struct run *run;
    world_add(world, 9000, 100000);
    world_add(world, 9000, 100000);
    run_close(world->disk, world->runs[0]);
    fake_disk_flip(world->disk, "index/idempotency-000000000001-000000000001.run",
                   RUN_HEADER_BYTES + RUN_CHUNK_BYTES + 5, 1);
    assert_int_equal(run_open(world->disk, "index/idempotency-000000000001-000000000001.run", 0, 1,
                              1, &world->runs[0]),
                     STATUS_ok);
    assert_int_equal(world_merge(world, 100, &run), STATUS_damaged);
    assert_true(atomic_load(&world->runs[0]->is_damaged));
    assert_false(atomic_load(&world->runs[1]->is_damaged));
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_many_sources),
        cmocka_unit_test(test_damaged_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
