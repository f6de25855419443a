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
    uint64_t words[13]; // all equal, but while they are being changed
    uint32_t sequence;
    uint32_t reserved;
};

static void change(struct item *item, uint64_t value) {
    table_change_begin(&item->sequence);
    for (int i = 0; i < 13; i++)
        __atomic_store_n(&item->words[i], value, __ATOMIC_RELAXED);
    table_change_end(&item->sequence);
}

static void test_items_stay_where_they_are(void **state) {
    struct table table;
    (void)state;
    table_init(&table, sizeof(struct item), 1u << 20);
    assert_int_equal(table_count(&table), 1);
    assert_false(table_has(&table, 0) || table_has(&table, 1));
    struct item *first = NULL;
    for (uint32_t i = 1; i <= 200000; i++) {
        assert_int_equal(table_add(&table), i);
        struct item *item = table_at(&table, i);
        if (i == 1)
            first = item;
        assert_int_equal(item->words[0] | item->words[12] | item->sequence, 0);
        change(item, i);
    }
    assert_ptr_equal(table_at(&table, 1), first);
    struct item copy;
    for (uint32_t i = 1; i <= 200000; i += 777) {
        table_copy(&table, i, offsetof(struct item, sequence), &copy);
        assert_int_equal(copy.words[12], i);
    }
    assert_false(table_has(&table, 200001) || table_has(&table, UINT64_MAX));
    table_done(&table);
}

static void test_items_given_back_go_on(void **state) {
    struct table table;
    (void)state;
    table_init(&table, sizeof(struct item), 100);
    (void)table_add(&table);
    uint32_t index = table_add(&table);
    struct item *item = table_at(&table, index);
    change(item, 0);
    uint32_t sequence = item->sequence;
    table_cut(&table, index);
    assert_false(table_has(&table, index));
    assert_int_equal(table_add(&table), index);
    assert_true(item->sequence >= sequence);
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

static void test_copies_are_never_torn(void **state) {
    static struct race race;
    pthread_t thread;
    (void)state;
    race = (struct race){.stop = false};
    table_init(&race.table, sizeof(struct item), 10);
    (void)table_add(&race.table);
    assert_int_equal(pthread_create(&thread, NULL, copy_run, &race), 0);
    // As long as it takes for the other thread to have looked often, on however few cores.
    for (uint64_t value = 1; value < 3000000; value++)
        change(table_at(&race.table, 1), value);
    __atomic_store_n(&race.stop, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(race.torn, 0);
    assert_int_equal(race.backwards, 0);
    table_done(&race.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_stay_where_they_are),
        cmocka_unit_test(test_items_given_back_go_on),
        cmocka_unit_test(test_copies_are_never_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
