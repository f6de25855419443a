// SPDX-License-Identifier: MIT
// Wrapped data keys that move: with any numbers, used and destroyed; and the engine uses them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/embedded/data_keys.h"
#include "engine/embedded/data_keys_copy.h"
#include "fake_disk.h"

#define KEYS 100

static uint64_t number_of(uint32_t i) {
    return i == 7 ? 3 : (UINT64_C(0x9E3779B97F4A7C15) * (i + 1)) >> 1; // 3 looks like a place
}

static struct data_keys_copy make(struct vault *vault) {
    struct data_keys_copy copy = {.plain_until_ms = 99};
    vault_prove(vault, copy.proof);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct vault_key key = {.number = number_of(i), .owner = 1000 + i};
        vault_make(vault, &key);
        data_keys_copy_add(&copy, &key, i % 10 == 9);
    }
    return copy;
}

static void test_a_copy_is_read_as_it_was_written(void **state) {
    struct disk *disk = fake_disk_open(1);
    struct data_keys_copy read;
    struct vault *vault = vault_open(&(struct master_key){{1}});
    struct data_keys_copy copy = make(vault);
    (void)state;
    assert_int_equal(data_keys_copy_read(disk, &read), STATUS_not_found);
    assert_int_equal(data_keys_copy_write(disk, &copy), STATUS_ok);
    assert_int_equal(data_keys_copy_read(disk, &read), STATUS_ok);
    assert_int_equal(read.count, KEYS);
    assert_int_equal(read.plain_until_ms, 99);
    assert_memory_equal(read.proof, copy.proof, sizeof(copy.proof));
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(read.keys[i].number, number_of(i));
        assert_int_equal(read.keys[i].owner, 1000 + i);
        assert_int_equal(read.destroyed[i], i % 10 == 9);
        const uint8_t none[VAULT_WRAPPED_BYTES] = {0};
        assert_memory_equal(read.keys[i].wrapped, read.destroyed[i] ? none : copy.keys[i].wrapped,
                            VAULT_WRAPPED_BYTES);
    }
    data_keys_copy_done(&read);
    data_keys_copy_done(&copy);
    vault_close(vault);
    disk->driver->done(disk);
}

static void test_the_engine_goes_on_with_them(void **state) {
    struct disk *disk = fake_disk_open(1);
    const struct vault_masters masters = {.master = {{1}}};
    struct vault *vault = vault_open(&masters.master);
    struct data_keys_copy copy = make(vault), after;
    struct data_keys *keys;
    char why[512];
    (void)state;
    assert_int_equal(data_keys_copy_write(disk, &copy), STATUS_ok);
    assert_int_equal(data_keys_open(disk, &masters, false, why, sizeof(why), &keys), STATUS_ok);
    assert_int_equal(data_keys_begin(keys, true, 5, why, sizeof(why)), STATUS_ok);
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(data_keys_of(keys, 1000 + i), i % 10 == 9 ? 0 : number_of(i));
        assert_false(data_keys_lacks(keys, number_of(i), 5));
    }
    assert_true(data_keys_lacks(keys, (UINT64_C(5) << 32) | 50000, 5));
    struct text_vault *texts = data_keys_vault(keys);
    uint64_t made = texts->key_of(texts, 5);
    assert_int_equal((uint32_t)made, KEYS + 1);
    assert_int_equal(texts->key_of(texts, 1000), number_of(0));
    data_keys_forget(keys, number_of(7));
    assert_int_equal(data_keys_of(keys, 1007), 0);
    assert_int_equal(data_keys_flush(keys), STATUS_ok);
    assert_int_equal(data_keys_settle(keys), STATUS_ok);
    data_keys_close(keys);
    assert_int_equal(data_keys_open(disk, &masters, false, why, sizeof(why), &keys), STATUS_ok);
    assert_int_equal(data_keys_of(keys, 1007), 0);
    assert_int_equal(data_keys_of(keys, 1006), number_of(6));
    assert_int_equal(data_keys_of(keys, 5), made);
    data_keys_close(keys);
    assert_int_equal(data_keys_copy_read(disk, &after), STATUS_ok);
    assert_int_equal(after.count, KEYS + 1);
    assert_true(after.destroyed[7]);
    data_keys_copy_done(&after);
    data_keys_copy_done(&copy);
    vault_close(vault);
    disk->driver->done(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_read_as_it_was_written),
        cmocka_unit_test(test_the_engine_goes_on_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
