// SPDX-License-Identifier: MIT
// The power goes, or a call fails, at every call of the background in turn; and a disk that hangs
// or is full. The writer is never held up, and every entry is found again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_disk.h"
#include "index_model.h"

#define KINDS 30

static void add_segments(struct index_model *model, int count) {
    for (; count > 0; count--) {
        for (int i = 0; i < 20; i++)
            index_model_put(model, (uint32_t)index_model_random(model, INDEX_FAMILY_COUNT),
                            index_model_fingerprint(index_model_random(model, KINDS)));
        index_model_seal(model);
        index_model_work(model);
        index_model_settle(model);
    }
}

static void check_after(struct index_model *model) {
    index_model_compare_all(model, KINDS);
    index_model_work(model);
    index_model_settle(model);
    index_model_compare_all(model, KINDS);
    struct index_stats stats;
    index_stats(model->index, &stats);
    assert_int_equal(stats.status, STATUS_ok);
    assert_int_equal(stats.backlog_count, 0);
}

// Five segments and the merges they lead to; at every call in turn.
static void test_crash_at_every_call(void **state) {
    uint64_t call_count = 1;
    for (uint64_t call = 1; call <= call_count; call++) {
        struct index_model model;
        index_model_open(&model, call);
        index_model_start(&model);
        uint64_t before = fake_disk_calls(model.disk);
        fake_disk_die_after(model.disk, call);
        add_segments(&model, 5);
        if (fake_disk_calls(model.disk) - before > call_count)
            call_count = fake_disk_calls(model.disk) - before;
        index_model_compare_all(&model, KINDS); // without a disk, from memory
        index_model_crash(&model, call * 31);
        index_model_start(&model);
        assert_int_equal(model.covered.damaged_count, 0); // a crash is no damage
        check_after(&model);
        index_model_close(&model);
    }
    assert_true(call_count > 150);
}

static void test_failure_at_every_call(void **state) {
    uint64_t call_count = 1;
    for (uint64_t call = 1; call <= call_count; call++) {
        struct index_model model;
        index_model_open(&model, call);
        index_model_start(&model);
        uint64_t before = fake_disk_calls(model.disk);
        fake_disk_fail_after(model.disk, call,
                             call % 2 == 0 ? STATUS_disk_failed : STATUS_storage_full);
        add_segments(&model, 5);
        if (fake_disk_calls(model.disk) - before > call_count)
            call_count = fake_disk_calls(model.disk) - before;
        check_after(&model); // it was tried again
        index_model_crash(&model, call * 37);
        index_model_start(&model);
        assert_int_equal(model.covered.damaged_count, 0);
        check_after(&model);
        index_model_close(&model);
    }
}

static void test_full_disk(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 1);
    model.options.backlog_bytes_max = 3 << 20;
    index_model_start(&model);
    add_segments(&model, 2);
    fake_disk_limit(model.disk, 1000);
    while (!index_is_behind(model.index))
        add_segments(&model, 1);
    index_stats(model.index, &stats);
    assert_int_equal(stats.status, STATUS_storage_full);
    assert_true(stats.backlog_bytes > 3 << 20);
    index_model_compare_all(&model, KINDS);
    fake_disk_limit(model.disk, UINT64_MAX);
    check_after(&model);
    assert_false(index_is_behind(model.index));
    index_stats(model.index, &stats);
    assert_int_equal(stats.backlog_bytes, 0);
    index_model_close(&model);
}

// Runs are made as long as they fit, but merging leaves room for the journal.
static void test_merging_leaves_room(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 3);
    index_model_start(&model);
    fake_disk_limit(model.disk, 1 << 20);
    add_segments(&model, 6);
    index_stats(model.index, &stats);
    assert_int_equal(stats.merge_count, 0);
    assert_int_equal(stats.backlog_count, 0);
    assert_int_equal(stats.run_count, 6 * INDEX_FAMILY_COUNT);
    assert_int_equal(stats.status, STATUS_storage_full); // so that somebody looks
    assert_int_equal(stats.covered_position, model.position);
    fake_disk_limit(model.disk, UINT64_MAX);
    check_after(&model);
    index_stats(model.index, &stats);
    assert_int_equal(stats.run_count, INDEX_FAMILY_COUNT);
    index_model_close(&model);
}

// The thread hangs in a sync; the writer and lookups go on.
static void test_hanging_disk(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 2);
    model.options.without_thread = false;
    index_model_start(&model);
    fake_disk_block(model.disk);
    for (int segment = 0; segment < 20; segment++) {
        for (int i = 0; i < 20; i++)
            index_model_put(&model, INDEX_BANK,
                            index_model_fingerprint(index_model_random(&model, KINDS)));
        index_model_seal(&model);
    }
    index_model_compare_all(&model, KINDS);
    index_stats(model.index, &stats);
    assert_true(stats.backlog_count >= 19);
    fake_disk_unblock(model.disk);
    do {
        index_model_settle(&model);
        index_stats(model.index, &stats);
    } while (stats.backlog_count > 0);
    index_model_compare_all(&model, KINDS);
    index_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_at_every_call), cmocka_unit_test(test_failure_at_every_call),
        cmocka_unit_test(test_full_disk),           cmocka_unit_test(test_merging_leaves_room),
        cmocka_unit_test(test_hanging_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
