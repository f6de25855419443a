// SPDX-License-Identifier: MIT
// What opening makes of the files it finds: good ones, leftovers, damaged and missing ones.
// Whatever there is, after the engine has put what is not covered the answers are right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/embedded/index/run.h"
#include "fake_disk.h"
#include "index_model.h"

#define KINDS 40

struct names {
    char text[100][RUN_NAME_BYTES];
    size_t count;
};

static void names_add(void *context, const char *name) {
    struct names *names = context;
    assert_true(names->count < 100 && strlen(name) < RUN_NAME_BYTES);
    memcpy(names->text[names->count++], name, strlen(name) + 1);
}

static struct names names_of(struct index_model *model) {
    struct names names = {.count = 0};
    assert_int_equal(model->disk->driver->list(model->disk, names_add, &names), STATUS_ok);
    return names;
}

static bool names_have(const struct names *names, const char *part) {
    for (size_t i = 0; i < names->count; i++)
        if (strstr(names->text[i], part) != NULL)
            return true;
    return false;
}

static void add_segments(struct index_model *model, int count) {
    for (; count > 0; count--) {
        for (int i = 0; i < 30; i++)
            index_model_put(model, (uint32_t)index_model_random(model, INDEX_FAMILY_COUNT),
                            index_model_fingerprint(index_model_random(model, KINDS)));
        model->time_ms += 1000;
        index_model_seal(model);
        index_model_work(model);
    }
}

static void check_reopened(struct index_model *model) {
    index_model_start(model);
    index_model_compare_all(model, KINDS);
    index_model_work(model);
    index_settle(model->index);
    index_model_compare_all(model, KINDS);
    index_model_stop(model);
    // Once more: what was made anew covers everything.
    index_model_start(model);
    assert_int_equal(model->covered.damaged_count, 0);
    assert_int_equal(model->covered.position, model->seals[model->seal_count - 1].end_position);
    assert_int_equal(model->covered.next_segment, model->next_segment);
    index_model_compare_all(model, KINDS);
}

static void model_with(struct index_model *model, uint64_t seed, int segments) {
    index_model_open(model, seed);
    index_model_start(model);
    add_segments(model, segments);
    index_model_stop(model);
}

static void test_covered(void **state) {
    struct index_model model;
    model_with(&model, 1, 7);
    index_model_start(&model);
    assert_int_equal(model.covered.position, model.seals[6].end_position);
    assert_int_equal(model.covered.next_segment, 8);
    index_model_close(&model);
}

// Each file in turn loses a byte of its header, of its entries, or itself.
static void test_each_file_damaged(void **state) {
    for (size_t file = 0; file < 100; file++) {
        for (int harm = 0; harm < 3; harm++) {
            struct index_model model;
            model_with(&model, 2, 6); // one merged run and two small ones
            struct names names = names_of(&model);
            if (file >= names.count) {
                assert_true(file == 3 * INDEX_FAMILY_COUNT);
                index_model_close(&model);
                return;
            }
            if (harm == 0)
                fake_disk_flip(model.disk, names.text[file], 20, 1);
            if (harm == 1)
                fake_disk_flip(model.disk, names.text[file], RUN_HEADER_BYTES + 3, 1);
            if (harm == 2)
                assert_int_equal(model.disk->driver->remove(model.disk, names.text[file]),
                                 STATUS_ok);
            if (harm == 1) { // met by the background, which sets the file aside for the next start
                struct index_stats stats;
                index_model_start(&model);
                assert_int_equal(model.covered.damaged_count, 0);
                index_model_work(&model);
                index_stats(model.index, &stats);
                assert_int_equal(stats.damaged_count, 1);
                index_model_stop(&model);
            }
            check_reopened(&model);
            names = names_of(&model);
            assert_int_equal(names_have(&names, ".damaged"), harm != 2);
            index_model_close(&model);
        }
    }
    fail();
}

static void test_damage_is_reported(void **state) {
    struct index_model model;
    model_with(&model, 3, 6);
    fake_disk_flip(model.disk, "index/bank-000000000001-000000000004.run", 0, 1);
    index_model_start(&model);
    assert_int_equal(model.covered.damaged_count, 1);
    assert_string_equal(model.covered.damaged_name, "index/bank-000000000001-000000000004.run");
    assert_int_equal(model.covered.position, 0);
    assert_int_equal(model.covered.next_segment, 1);
    index_model_compare_all(&model, KINDS);
    index_model_close(&model);
}

// The oldest run of a family whose first ones have fallen away: nobody knows any more where in the
// journal it began, so the family is made anew from the beginning, segment by segment.
static void test_oldest_of_many_damaged(void **state) {
    struct index_model model;
    struct index_stats stats;
    index_model_open(&model, 9);
    model.options.retention_ms[INDEX_ORDER] = 10 * UINT64_C(24) * 3600 * 1000;
    index_model_start(&model);
    for (int i = 0; i < 9; i++) {
        add_segments(&model, 1);
        model.time_ms += UINT64_C(48) * 3600 * 1000; // too far apart for merging
        index_model_settle(&model);
    }
    index_model_stop(&model);
    index_model_start(&model);
    index_model_work(&model);
    assert_int_equal(model.covered.next_segment, 10);
    index_model_stop(&model);
    struct names names = names_of(&model);
    size_t first = 0;
    while (strstr(names.text[first], "order-") == NULL)
        first++;
    assert_null(strstr(names.text[first], "order-000000000001")); // that one has fallen away
    fake_disk_flip(model.disk, names.text[first], 20, 1);
    index_model_start(&model);
    assert_int_equal(model.covered.damaged_count, 1);
    assert_int_equal(model.covered.position, 0);
    assert_int_equal(model.covered.next_segment, 1);
    index_stats(model.index, &stats);
    assert_int_equal(stats.backlog_count, 9); // one per segment, not one for all
    for (uint64_t kind = 0; kind < KINDS; kind++)
        index_model_compare(&model, index_own(model.index), INDEX_ORDER,
                            index_model_fingerprint(kind), UINT64_MAX);
    index_model_work(&model);
    index_stats(model.index, &stats);
    assert_int_equal(stats.covered_position, model.position);
    index_model_close(&model);
}

// A lookup that needs the damaged place says so instead of "not there".
static void test_damaged_lookup(void **state) {
    struct index_model model;
    struct index_cursor cursor;
    uint64_t position;
    bool is_met = false;
    model_with(&model, 4, 4);
    fake_disk_flip(model.disk, "index/order-000000000001-000000000004.run", RUN_HEADER_BYTES, 1);
    index_model_start(&model);
    for (uint64_t kind = 0; kind < KINDS; kind++)
        is_met |=
            index_find_first(index_own(model.index), INDEX_ORDER, index_model_fingerprint(kind),
                             &cursor, &position) == STATUS_damaged;
    assert_true(is_met);
    index_model_close(&model);
}

static void test_leftovers_of_a_merge(void **state) {
    struct index_model model;
    struct run *run;
    const char *inner = "index/bank-000000000002-000000000003.run";
    model_with(&model, 5, 4); // one run over 1 to 4
    struct run_writer *writer;
    const struct run_facts facts = {
        .family = INDEX_BANK, .first_segment = 2, .last_segment = 3, .end_position = 5000};
    assert_int_equal(run_writer_open(model.disk, inner, &facts, &writer), STATUS_ok);
    assert_int_equal(run_writer_finish(writer, &run), STATUS_ok);
    run_close(model.disk, run);
    struct names names = names_of(&model);
    assert_true(names_have(&names, "bank-000000000002"));
    index_model_start(&model);
    assert_int_equal(model.covered.next_segment, 5);
    index_model_work(&model);
    names = names_of(&model);
    assert_false(names_have(&names, "bank-000000000002"));
    index_model_compare_all(&model, KINDS);
    index_model_close(&model);
}

static void make_file(struct index_model *model, const char *name) {
    struct disk_file *file;
    assert_int_equal(model->disk->driver->open(model->disk, name, true, &file), STATUS_ok);
    model->disk->driver->close(file);
}

static void test_strange_names(void **state) {
    const char *const strange[] = {"journal/00000000000000000001.segment",
                                   "other/bank-000000000001-000000000002.run",
                                   "index/bank-000000000001-00000000000x.run",
                                   "index/bank-1-2.run",
                                   "index/readme",
                                   "index/bank-000000000002-000000000001.run",
                                   "index/bank-000000000001-000000000002.run.old",
                                   "index/river-000000000001-000000000002.run"};
    struct index_model model;
    model_with(&model, 6, 3);
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        make_file(&model, strange[i]);
    make_file(&model, "index/bank-000000000004-000000000009.run.tmp");
    check_reopened(&model);
    struct names names = names_of(&model);
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        assert_true(names_have(&names, strange[i]));
    assert_false(names_have(&names, ".tmp"));
    index_model_close(&model);
}

// The journal lost its end after the index had taken it (it was not durable): the runs go.
static void test_beyond_the_journal(void **state) {
    struct index_model model;
    model_with(&model, 7, 6);
    model.options.journal_end = model.seals[4].end_position;
    index_model_start(&model);
    assert_int_equal(model.covered.position, model.seals[4].end_position);
    assert_int_equal(model.covered.next_segment, 6);
    index_model_stop(&model);
    model.options.journal_end = UINT64_MAX;
    check_reopened(&model);
    index_model_close(&model);
}

static void test_disk_fails_while_opening(void **state) {
    for (uint64_t call = 1;; call++) {
        struct index_model model;
        struct index *index;
        struct index_covered covered;
        model_with(&model, 8, 6);
        make_file(&model, "index/bank-000000000004-000000000009.run.tmp");
        model.options.disk = model.disk;
        fake_disk_fail_after(model.disk, call, STATUS_disk_failed);
        enum status status = index_open(&model.options, &covered, &index);
        fake_disk_fail_after(model.disk, 0, STATUS_disk_failed);
        if (status == STATUS_ok)
            index_close(index);
        else
            assert_int_equal(status, STATUS_disk_failed);
        check_reopened(&model);
        index_model_close(&model);
        if (status == STATUS_ok)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covered),
        cmocka_unit_test(test_each_file_damaged),
        cmocka_unit_test(test_damage_is_reported),
        cmocka_unit_test(test_oldest_of_many_damaged),
        cmocka_unit_test(test_damaged_lookup),
        cmocka_unit_test(test_leftovers_of_a_merge),
        cmocka_unit_test(test_strange_names),
        cmocka_unit_test(test_beyond_the_journal),
        cmocka_unit_test(test_disk_fails_while_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
