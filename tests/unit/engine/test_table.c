// SPDX-License-Identifier: MIT
// Tables that grow in place: addresses stay, copies are never half of a change, items given back
// are taken again with their sequence going on.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/embedded/state/table.h"

struct item {
    uint32_t sequence;
    uint32_t reserved;
    uint64_t words[13]; // all equal, but while they are being changed
};
#define HEAD_BYTES 40 // where the rest lies apart

static void init(struct table *table, bool is_apart, uint32_t count_max) {
    if (is_apart)
        table_init_apart(table, sizeof(struct item), HEAD_BYTES, count_max);
    else
        table_init(table, sizeof(struct item), count_max);
}

static uint64_t word_of(const struct table *table, uint32_t index, uint32_t word) {
    return *table_word(table, index, 1 + word);
}

static uint32_t *sequence_of(const struct table *table, uint32_t index) {
    return &((struct item *)table_at(table, index))->sequence;
}

static void change(const struct table *table, uint32_t index, uint64_t value) {
    table_change_begin(sequence_of(table, index));
    for (uint32_t i = 0; i < 13; i++)
        __atomic_store_n(table_word(table, index, 1 + i), value, __ATOMIC_RELAXED);
    table_change_end(sequence_of(table, index));
}

static void items_stay(bool is_apart) {
    struct table table;
    init(&table, is_apart, 1u << 20);
    assert_int_equal(table_count(&table), 1);
    assert_false(table_has(&table, 0) || table_has(&table, 1));
    struct item *first = NULL;
    for (uint32_t i = 1; i <= 200000; i++) {
        assert_int_equal(table_add(&table), i);
        if (i == 1)
            first = table_at(&table, i);
        assert_int_equal(
            word_of(&table, i, 0) | word_of(&table, i, 12) | *sequence_of(&table, i), 0);
        change(&table, i, i);
    }
    assert_ptr_equal(table_at(&table, 1), first);
    struct item copy;
    for (uint32_t i = 1; i <= 200000; i += 777) {
        table_copy(&table, i, offsetof(struct item, sequence), &copy);
        for (int k = 0; k < 13; k++)
            assert_int_equal(copy.words[k], i);
        assert_int_equal(copy.sequence, 2);
        if (is_apart)
            assert_int_equal(*(uint64_t *)table_rest_at(&table, i), i);
    }
    assert_false(table_has(&table, 200001) || table_has(&table, UINT64_MAX));
    table_done(&table);
}

static void test_items_stay_where_they_are(void **state) {
    (void)state;
    items_stay(false);
    items_stay(true);
}

static void test_items_given_back_go_on(void **state) {
    struct table table;
    (void)state;
    table_init(&table, sizeof(struct item), 100);
    (void)table_add(&table);
    uint32_t index = table_add(&table);
    change(&table, index, 0);
    uint32_t sequence = *sequence_of(&table, index);
    table_cut(&table, index);
    assert_false(table_has(&table, index));
    assert_int_equal(table_add(&table), index);
    assert_true(*sequence_of(&table, index) >= sequence);
    table_done(&table);
}

struct race {
    struct table table;
    bool stop; // atomic
    uint64_t copies, torn, backwards;
};

static void *copy_run(void *context) {
    struct race *race = context;
    struct item copy;
    uint64_t last = 0;
    while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
        table_copy(&race->table, 1, offsetof(struct item, sequence), &copy);
        for (int i = 1; i < 13; i++)
            race->torn += copy.words[i] != copy.words[0];
        race->backwards += copy.words[0] < last;
        last = copy.words[0];
        race->copies++;
    }
    return NULL;
}

static void copies_are_whole(bool is_apart) {
    static struct race race;
    pthread_t thread;
    race = (struct race){.stop = false};
    init(&race.table, is_apart, 10);
    (void)table_add(&race.table);
    assert_int_equal(pthread_create(&thread, NULL, copy_run, &race), 0);
    // As long as it takes for the other thread to have looked often, on however few cores.
    for (uint64_t value = 1; value < 3000000; value++)
        change(&race.table, 1, value);
    __atomic_store_n(&race.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(race.torn, 0);
    assert_int_equal(race.backwards, 0);
    table_done(&race.table);
}

static void test_copies_are_never_torn(void **state) {
    (void)state;
    copies_are_whole(false);
    copies_are_whole(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_stay_where_they_are),
        cmocka_unit_test(test_items_given_back_go_on),
        cmocka_unit_test(test_copies_are_never_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
