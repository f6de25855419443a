// SPDX-License-Identifier: MIT
// How runs are merged and when they fall away: few runs, few rewritings, nothing lost that is
// young.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_disk.h"
#include "index_model.h"

#define HOUR_MS (UINT64_C(3600) * 1000)
#define DAY_MS  (24 * HOUR_MS)

// The first `count` puts have fallen away, all later ones are there.
static void check_family(struct index_model *model, uint32_t family, uint64_t kinds,
                         uint64_t oldest_kept, uint64_t oldest_found) {
    for (uint64_t kind = 0; kind < kinds; kind++) {
        struct index_cursor cursor;
        uint64_t position;
        uint64_t fingerprint = index_model_fingerprint(kind);
        enum status status =
            index_find_first(index_own(model->index), family, fingerprint, &cursor, &position);
        for (size_t i = model->put_count; i-- > 0;) {
            const struct index_model_put *put = &model->puts[i];
            if (put->family != family || put->fingerprint != fingerprint)
                continue;
            if (put->position >= oldest_kept)
                assert_int_equal(status, STATUS_ok);
            if (put->position < oldest_found)
                assert_int_equal(status, STATUS_end);
            if (status != STATUS_ok)
                break;
            assert_int_equal(position, put->position);
            status = index_find_next(&cursor, &position);
        }
        if (status == STATUS_ok)
            fail();
    }
}

static void add_segment(struct index_model *model, uint64_t puts, uint64_t kinds) {
    for (uint64_t i = 0; i < puts; i++)
        index_model_put(model, i % 2 == 0 ? INDEX_IDEMPOTENCY : INDEX_BANK,
                        index_model_fingerprint(index_model_random(model, kinds)));
    index_model_seal(model);
    index_model_work(model);
    index_model_settle(model);
    index_model_work(model); // what nobody looks at any more
}

// The position from which on entries are younger than the retention, and one before which all are
// older than that and a day of merging.
static void check_ages(struct index_model *model) {
    uint64_t kept = 0, found = 0;
    for (size_t i = 0; i < model->seal_count; i++) {
        if (model->seals[i].time_ms + 7 * DAY_MS < model->time_ms)
            kept = model->seals[i].end_position;
        if (model->seals[i].time_ms + 8 * DAY_MS + 12 * HOUR_MS < model->time_ms)
            found = model->seals[i].end_position;
    }
    check_family(model, INDEX_IDEMPOTENCY, 20, kept, found);
    check_family(model, INDEX_BANK, 20, 0, 0);
}

static void test_retention(void **state) {
    struct index_model model;
    index_model_open(&model, 1);
    model.options.retention_ms[INDEX_IDEMPOTENCY] = 7 * DAY_MS;
    index_model_start(&model);
    for (int segment = 0; segment < 300; segment++) {
        model.time_ms += 3 * HOUR_MS + index_model_random(&model, HOUR_MS);
        add_segment(&model, 12, 20);
        if (segment % 10 == 9)
            check_ages(&model);
        if (segment % 70 == 69) {
            index_model_stop(&model);
            index_model_start(&model);
            assert_int_equal(model.covered.position, model.position);
            check_ages(&model);
        }
    }
    struct index_stats stats;
    index_stats(model.index, &stats);
    assert_true(stats.drop_count > 3);
    assert_in_range(stats.run_count_max, 8, 30); // eight days, some of them in pieces
    index_model_close(&model);
}

// A shop that sleeps for a year has no young entry, but still knows how far it is covered.
static void test_newest_run_stays(void **state) {
    struct index_model model;
    index_model_open(&model, 2);
    model.options.retention_ms[INDEX_IDEMPOTENCY] = 7 * DAY_MS;
    index_model_start(&model);
    add_segment(&model, 10, 20);
    model.time_ms += 365 * DAY_MS;
    index_model_stop(&model);
    index_model_start(&model);
    index_model_work(&model);
    assert_int_equal(model.covered.position, model.position);
    index_model_stop(&model);
    index_model_start(&model);
    assert_int_equal(model.covered.position, model.position);
    add_segment(&model, 10, 20);
    check_family(&model, INDEX_IDEMPOTENCY, 20, model.seals[0].end_position,
                 model.seals[0].end_position);
    index_model_close(&model);
}

// What fell away but whose file came back does not stand in the way.
static void test_dropped_file_comes_back(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 3);
    model.options.retention_ms[INDEX_IDEMPOTENCY] = 7 * DAY_MS;
    index_model_start(&model);
    for (int segment = 0; segment < 3; segment++) {
        add_segment(&model, 10, 20);
        model.time_ms += 9 * DAY_MS;
    }
    index_model_stop(&model);
    // The same books with a hole: the run of the second segment is gone, that of the first is not.
    index_model_start(&model);
    assert_int_equal(model.covered.next_segment, 4);
    index_model_stop(&model);
    assert_int_equal(
        model.disk->driver->remove(model.disk, "index/idempotency-000000000002-000000000002.run"),
        STATUS_ok);
    index_model_start(&model);
    assert_int_equal(model.covered.next_segment, 4);
    index_model_work(&model);
    index_stats(model.index, &stats);
    check_family(&model, INDEX_IDEMPOTENCY, 20, model.seals[1].end_position,
                 model.seals[1].end_position);
    index_model_close(&model);
}

// Segments all alike: three runs per level, and each entry is written once per level.
static void test_levels(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 4);
    index_model_start(&model);
    for (uint64_t segment = 1; segment <= 200; segment++) {
        add_segment(&model, 50, 20);
        index_stats(model.index, &stats);
        assert_in_range(stats.run_count_max, 0, 4);
    }
    // Tiny runs are all at the lowest level, so they are rewritten often; that costs next to
    // nothing.
    assert_int_equal(stats.run_entries, 200 * 50);
    index_model_close(&model);
}

static void add_unique(struct index_model *model, uint64_t puts) {
    for (uint64_t i = 0; i < puts; i++)
        index_model_put(model, INDEX_BANK, index_model_fingerprint(model->put_count));
    index_model_seal(model);
    index_model_work(model);
    index_model_settle(model);
    index_model_work(model);
}

// The worst order for levels: wherever a larger run could be reached, smaller ones stand before it.
static void add_ruler(struct index_model *model, int level) {
    const uint64_t puts[] = {10, 70000, 270000};
    for (int i = 0; i < 3; i++) {
        if (level > 0)
            add_ruler(model, level - 1);
        add_unique(model, puts[level]);
    }
    if (level > 0)
        add_ruler(model, level - 1);
}

static void check_sample(struct index_model *model) {
    for (uint64_t i = 0; i < model->put_count; i += 997) {
        struct index_cursor cursor;
        uint64_t position;
        assert_int_equal(index_find_first(index_own(model->index), INDEX_BANK,
                                          index_model_fingerprint(i), &cursor, &position),
                         STATUS_ok);
        assert_int_equal(position, model->puts[i].position);
        assert_int_equal(index_find_next(&cursor, &position), STATUS_end);
    }
}

static void test_mixed_levels(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 5);
    index_model_start(&model);
    for (int i = 0; i < 2; i++) {
        add_ruler(&model, 2);
        index_stats(model.index, &stats);
        assert_in_range(stats.run_count_max, 1, 24);
        assert_int_equal(stats.run_entries, model.put_count);
        assert_in_range(stats.entries_written, model.put_count, 4 * model.put_count);
    }
    check_sample(&model);
    index_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_newest_run_stays),
        cmocka_unit_test(test_dropped_file_comes_back),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_mixed_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
