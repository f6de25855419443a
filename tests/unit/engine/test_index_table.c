// SPDX-License-Identifier: MIT
// The table in memory: chains under one fingerprint, taking back, filling up, and reading in order.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/index/index_table.h"

static uint64_t fingerprint_of(uint64_t kind) {
    return hash64(slice_of(&kind, sizeof(kind)), 7);
}

static void test_empty(void **state) {
    struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
    struct index_table_reader reader;
    struct index_entry entry;
    assert_int_equal(index_table_find(table, 0, UINT64_MAX), 0);
    assert_int_equal(index_table_find(table, UINT64_MAX, UINT64_MAX), 0);
    index_table_reader_init(&reader, table);
    assert_int_equal(index_table_read(&reader, &entry, 1), 0);
    index_table_reader_done(&reader);
    index_table_close(table);
    index_table_close(NULL);
}

// Every place to go on from in a long chain, with the step that jumps take.
static void test_long_chain(void **state) {
    const uint64_t count = 1500;
    struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
    struct index_table_undo undo;
    for (uint64_t i = 1; i <= count; i++)
        assert_true(index_table_put(table, 99, 10 * i, &undo));
    for (uint64_t i = 0; i <= count; i++) {
        assert_int_equal(index_table_find(table, 99, 10 * i + 1), 10 * i);
        assert_int_equal(index_table_find(table, 99, 10 * i + 10), 10 * i);
    }
    assert_int_equal(index_table_find(table, 99, 10), 0);
    assert_int_equal(index_table_find(table, 99, 0), 0);
    assert_int_equal(index_table_find(table, 99, UINT64_MAX), 10 * count);
    assert_int_equal(index_table_find(table, 98, UINT64_MAX), 0);
    index_table_close(table);
}

static void test_take_back_everything(void **state) {
    enum { COUNT = 3000 };
    struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
    struct index_table_undo *undos = memory_take(COUNT * sizeof(*undos));
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < COUNT; i++)
            assert_true(index_table_put(table, fingerprint_of(i * i % 700), 100 + i, &undos[i]));
        for (uint64_t i = COUNT; i-- > 0;) {
            assert_int_equal(index_table_find(table, fingerprint_of(i * i % 700), UINT64_MAX),
                             100 + i);
            index_table_take_back(&undos[i]);
        }
        assert_int_equal(index_table_entries(table), 0);
        for (uint64_t i = 0; i < 700; i++)
            assert_int_equal(index_table_find(table, fingerprint_of(i), UINT64_MAX), 0);
    }
    memory_free(undos);
    index_table_close(table);
}

// Entries of different and of one fingerprint: both kinds of memory run out with a clear no, and
// nothing that went in is lost.
static void test_full(void **state) {
    for (uint64_t kinds = 1; kinds <= 1000000; kinds *= 1000) {
        struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
        struct index_table_undo undo;
        uint64_t count = 0;
        while (index_table_put(table, fingerprint_of(count % kinds), count + 1, &undo))
            count++;
        assert_int_equal(index_table_entries(table), count);
        assert_in_range(count, INDEX_TABLE_SLOTS_MIN / 2, INDEX_TABLE_SLOTS_MIN);
        assert_false(index_table_put(table, fingerprint_of(count % kinds), count + 1, &undo));
        for (uint64_t i = count < 100 ? 0 : count - 100; i < count; i++)
            assert_int_equal(index_table_find(table, fingerprint_of(i % kinds), i + 2), i + 1);
        index_table_clear(table);
        assert_int_equal(index_table_find(table, fingerprint_of(0), UINT64_MAX), 0);
        assert_true(index_table_put(table, fingerprint_of(0), 5, &undo));
        index_table_close(table);
    }
}

// Fingerprints that crowd at one place (they are no hashes) end in a no, not in an endless walk.
static void test_crowd(void **state) {
    const uint64_t bases[] = {0, UINT64_MAX - 10000, UINT64_C(1) << 63};
    for (size_t b = 0; b < 3; b++) {
        struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
        struct index_table_undo undo;
        uint64_t count = 0;
        while (index_table_put(table, bases[b] + count, count + 1, &undo))
            count++;
        assert_int_equal(count, INDEX_TABLE_PROBES_MAX);
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(index_table_find(table, bases[b] + i, UINT64_MAX), i + 1);
        assert_int_equal(index_table_find(table, bases[b] + count, UINT64_MAX), 0);
        index_table_close(table);
    }
}

static void check_reading(const struct index_table *table, uint64_t count, size_t piece) {
    struct index_table_reader reader;
    struct index_entry *entries = memory_take((count + piece) * sizeof(*entries));
    size_t total = 0, got;
    index_table_reader_init(&reader, table);
    while ((got = index_table_read(&reader, entries + total, piece)) > 0) {
        total += got;
        assert_in_range(total, 0, count);
    }
    index_table_reader_done(&reader);
    assert_int_equal(total, count);
    for (size_t i = 1; i < total; i++) {
        const struct index_entry *before = &entries[i - 1];
        assert_true(before->fingerprint < entries[i].fingerprint ||
                    (before->fingerprint == entries[i].fingerprint &&
                     before->position > entries[i].position));
    }
    for (size_t i = 0; i < total; i++)
        assert_int_equal(index_table_find(table, entries[i].fingerprint, entries[i].position + 1),
                         entries[i].position);
    memory_free(entries);
}

static void test_read_in_order(void **state) {
    struct index_table *table = index_table_open(INDEX_TABLE_SLOTS_MIN);
    struct index_table_undo undo;
    uint64_t count = 0;
    for (uint64_t i = 1; i < 1800; i++, count++)
        assert_true(index_table_put(table, fingerprint_of(i % 3 == 0 ? 5 : i), i, &undo));
    for (uint64_t i = 0; i < 20; i++, count++) // at both ends, and crowded
        assert_true(index_table_put(table, i % 2 == 0 ? i : UINT64_MAX - i, 5000 + i, &undo));
    check_reading(table, count, 1);
    check_reading(table, count, 7);
    check_reading(table, count, 5000);
    index_table_close(table);
}

struct chase {
    struct index_table *table;
    _Atomic bool is_over;
    _Atomic uint64_t wrong; // what was found instead
};

static void *chase_on(void *context) {
    struct chase *chase = context;
    while (!atomic_load_explicit(&chase->is_over, memory_order_relaxed)) {
        uint64_t position = index_table_find(chase->table, 1, 1000);
        if (position != 999)
            atomic_store(&chase->wrong, position + 1);
    }
    return NULL;
}

// A reader on its way through a chain while the node it stands on becomes another chain's.
static void test_node_used_again(void **state) {
    struct chase chase = {.table = index_table_open(INDEX_TABLE_SLOTS_MIN)};
    struct index_table_undo undo;
    pthread_t readers[2];
    for (uint64_t position = 1; position < 1000; position++) // 999 is under fingerprint 1
        assert_true(index_table_put(chase.table, position % 2, position, &undo));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, chase_on, &chase), 0);
    uint64_t until_ns = clock_monotonic_ns() + UINT64_C(1500000000);
    for (uint64_t i = 0; clock_monotonic_ns() < until_ns && atomic_load(&chase.wrong) == 0; i++) {
        assert_true(index_table_put(chase.table, i % 2, 1000 + i, &undo));
        index_table_take_back(&undo);
    }
    atomic_store(&chase.is_over, true);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(atomic_load(&chase.wrong), 0);
    index_table_close(chase.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_take_back_everything),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_read_in_order),
        cmocka_unit_test(test_node_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
