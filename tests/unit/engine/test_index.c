// SPDX-License-Identifier: MIT
// The index against a plain list, under random puts, undoings, seals, merges, restarts and power
// cuts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_disk.h"
#include "index_model.h"

#define KINDS 60

static void test_empty(void **state) {
    struct index_model model;
    index_model_open(&model, 1);
    index_model_start(&model);
    assert_int_equal(model.covered.position, 0);
    assert_int_equal(model.covered.next_segment, 1);
    assert_int_equal(model.covered.damaged_count, 0);
    index_model_compare_all(&model, 3);
    index_model_close(&model);
}

static void test_newest_first_across_everything(void **state) {
    struct index_model model;
    index_model_open(&model, 2);
    index_model_start(&model);
    for (int segment = 0; segment < 9; segment++) {
        for (int i = 0; i < 20; i++)
            index_model_put(&model, INDEX_ORDER, index_model_fingerprint((uint64_t)(i % 3)));
        index_model_seal(&model);
        if (segment == 5)
            index_model_work(&model); // the rest stays in memory
    }
    for (int i = 0; i < 7; i++)
        index_model_put(&model, INDEX_ORDER, index_model_fingerprint(1));
    index_model_compare_all(&model, 4);
    index_model_close(&model);
}

static void test_families_are_apart(void **state) {
    struct index_model model;
    index_model_open(&model, 3);
    index_model_start(&model);
    index_model_put(&model, INDEX_BANK, 77);
    index_model_put(&model, INDEX_OWNER, 77);
    index_model_compare_all(&model, 1);
    index_model_compare(&model, index_own(model.index), INDEX_BANK, 77, UINT64_MAX);
    index_model_compare(&model, index_own(model.index), INDEX_OWNER, 77, UINT64_MAX);
    index_model_compare(&model, index_own(model.index), INDEX_ORDER, 77, UINT64_MAX);
    index_model_close(&model);
}

static void test_extreme_fingerprints(void **state) {
    struct index_model model;
    const uint64_t fingerprints[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
    index_model_open(&model, 4);
    index_model_start(&model);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5; i++)
            index_model_put(&model, INDEX_BANK, fingerprints[i]);
        for (size_t i = 0; i < 5; i++)
            index_model_compare(&model, index_own(model.index), INDEX_BANK, fingerprints[i],
                                UINT64_MAX);
        index_model_seal(&model);
        index_model_work(&model);
    }
    for (size_t i = 0; i < 5; i++)
        index_model_compare(&model, index_own(model.index), INDEX_BANK, fingerprints[i],
                            UINT64_MAX);
    index_model_close(&model);
}

static void test_bound_hides_what_is_newer(void **state) {
    struct index_model model;
    struct index_snapshot snapshot;
    index_model_open(&model, 5);
    index_model_start(&model);
    for (int i = 0; i < 50; i++)
        index_model_put(&model, INDEX_ORDER, index_model_fingerprint(0));
    uint64_t bound = model.puts[25].position;
    index_snapshot_open(model.index, bound, &snapshot);
    index_model_compare(&model, &snapshot, INDEX_ORDER, index_model_fingerprint(0), UINT64_MAX);
    index_model_compare(&model, &snapshot, INDEX_ORDER, index_model_fingerprint(0),
                        model.puts[10].position);
    index_model_seal(&model);
    index_model_work(&model);
    index_model_compare(&model, &snapshot, INDEX_ORDER, index_model_fingerprint(0), UINT64_MAX);
    index_snapshot_close(&snapshot);
    index_snapshot_open(model.index, bound, &snapshot); // the same from the run
    index_model_compare(&model, &snapshot, INDEX_ORDER, index_model_fingerprint(0), UINT64_MAX);
    index_snapshot_close(&snapshot);
    index_model_close(&model);
}

static void test_undo_across_a_full_table(void **state) {
    struct index_model model;
    index_model_open(&model, 6);
    index_model_start(&model);
    for (uint64_t i = 0; i < 8000; i++) // the first table takes 8192
        index_model_put(&model, INDEX_BANK, index_model_fingerprint(i));
    index_model_settle(&model);
    size_t mark = index_model_mark(&model);
    for (uint64_t i = 7990; i < 8500; i++)
        index_model_put(&model, INDEX_BANK, index_model_fingerprint(i));
    index_model_undo(&model, mark);
    struct index_stats stats;
    index_stats(model.index, &stats);
    assert_int_equal(stats.table_entries, 8000);
    for (uint64_t i = 7900; i < 8510; i++)
        index_model_compare(&model, index_own(model.index), INDEX_BANK, index_model_fingerprint(i),
                            UINT64_MAX);
    index_model_seal(&model);
    index_model_work(&model);
    for (uint64_t i = 7900; i < 8510; i++)
        index_model_compare(&model, index_own(model.index), INDEX_BANK, index_model_fingerprint(i),
                            UINT64_MAX);
    index_model_close(&model);
}

// What was looked at ahead must not hide what is put, or moved to another table, in between.
static void test_prefetch_hides_nothing(void **state) {
    struct index_model model;
    index_model_open(&model, 7);
    index_model_start(&model);
    for (int segment = 0; segment < 6; segment++) {
        for (uint64_t kind = 0; kind < 300; kind++)
            index_prefetch(model.index, INDEX_BANK, index_model_fingerprint(kind));
        for (uint64_t kind = 0; kind < 200; kind++)
            index_model_put(&model, INDEX_BANK, index_model_fingerprint(kind));
        for (uint64_t kind = 0; kind < 300; kind++)
            index_model_compare(&model, index_own(model.index), INDEX_BANK,
                                index_model_fingerprint(kind), UINT64_MAX);
        for (uint64_t kind = 0; kind < 300; kind++)
            index_prefetch(model.index, INDEX_BANK, index_model_fingerprint(kind));
        for (uint64_t kind = 1000; kind < 10000 && segment == 2; kind++) // fills the table
            index_model_put(&model, INDEX_BANK, index_model_fingerprint(kind));
        for (uint64_t kind = 0; kind < 300; kind++)
            index_model_compare(&model, index_own(model.index), INDEX_BANK,
                                index_model_fingerprint(kind), UINT64_MAX);
        index_model_seal(&model);
        if (segment % 2 == 0)
            index_model_work(&model);
    }
    index_model_close(&model);
}

static void random_puts(struct index_model *model) {
    // Now and then one order has a thousand payments.
    uint64_t count = index_model_random(model, 20) == 0 ? 1000 : index_model_random(model, 40);
    uint64_t kinds = index_model_random(model, 5) == 0 ? 1 : KINDS;
    for (uint64_t i = 0; i < count; i++)
        index_model_put(model, (uint32_t)index_model_random(model, INDEX_FAMILY_COUNT),
                        index_model_fingerprint(index_model_random(model, kinds)));
}

static void random_prefetches(struct index_model *model) {
    for (uint64_t count = index_model_random(model, 3) * 60; count > 0; count--)
        index_prefetch(model->index, (uint32_t)index_model_random(model, INDEX_FAMILY_COUNT),
                       index_model_fingerprint(index_model_random(model, KINDS + 5)));
}

static void random_round(struct index_model *model) {
    random_prefetches(model);
    size_t outer = index_model_mark(model);
    random_puts(model);
    size_t inner = index_model_mark(model);
    random_prefetches(model);
    random_puts(model);
    if (index_model_random(model, 3) == 0)
        index_model_undo(model, inner);
    if (index_model_random(model, 5) == 0)
        index_model_undo(model, outer);
    for (int i = 0; i < 5; i++)
        index_model_compare(
            model, index_own(model->index), (uint32_t)index_model_random(model, INDEX_FAMILY_COUNT),
            index_model_fingerprint(index_model_random(model, KINDS + 5)),
            index_model_random(model, 2) == 0 ? UINT64_MAX
                                              : index_model_random(model, model->position + 100));
    index_model_settle(model);
}

static void random_event(struct index_model *model, uint64_t seed) {
    switch (index_model_random(model, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        model->time_ms += index_model_random(model, 100000);
        index_model_seal(model);
        break;
    case 4:
    case 5:
    case 6:
        for (uint64_t steps = index_model_random(model, 8); steps > 0; steps--)
            (void)index_work(model->index); // maybe there is nothing to do
        break;
    case 7:
        index_model_stop(model);
        index_model_start(model);
        break;
    case 8:
        // The power goes at some call of the background.
        fake_disk_die_after(model->disk, 1 + index_model_random(model, 60));
        index_model_work(model);
        index_model_crash(model, seed);
        index_model_start(model);
        break;
    case 9:
        fake_disk_fail_after(model->disk, 1 + index_model_random(model, 30),
                             index_model_random(model, 2) == 0 ? STATUS_disk_failed
                                                               : STATUS_storage_full);
        index_model_work(model);
        fake_disk_fail_after(model->disk, 0, STATUS_disk_failed);
        break;
    default: random_round(model); break;
    }
}

static void test_random(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct index_model model;
        index_model_open(&model, seed);
        index_model_start(&model);
        for (int i = 0; i < 150; i++)
            random_event(&model, seed * 1000 + (uint64_t)i);
        index_model_compare_all(&model, KINDS);
        index_model_work(&model);
        index_settle(model.index);
        index_model_compare_all(&model, KINDS);
        index_model_stop(&model);
        index_model_start(&model);
        index_model_compare_all(&model, KINDS);
        index_model_close(&model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_newest_first_across_everything),
        cmocka_unit_test(test_families_are_apart),
        cmocka_unit_test(test_extreme_fingerprints),
        cmocka_unit_test(test_bound_hides_what_is_newer),
        cmocka_unit_test(test_undo_across_a_full_table),
        cmocka_unit_test(test_prefetch_hides_nothing),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
