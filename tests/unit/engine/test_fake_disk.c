// SPDX-License-Identifier: MIT
// The lying disk lies as it says: what was synced stays, what was not may be anything, and over
// many seeds each of the possible fates is met.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fake_disk.h"

static struct disk_file *open_file(struct disk *disk, const char *name) {
    struct disk_file *file;
    assert_int_equal(disk->driver->open(disk, name, true, &file), STATUS_ok);
    return file;
}

static void file_close(struct disk_file *file) {
    file->driver->close(file);
}

static void write_filled(struct disk_file *file, uint64_t offset, uint8_t byte, size_t size) {
    uint8_t bytes[4096];
    assert_true(size <= sizeof(bytes));
    memset(bytes, byte, size);
    assert_int_equal(file->driver->write(file, offset, slice_of(bytes, size)), STATUS_ok);
}

static size_t read_all(struct disk *disk, const char *name, uint8_t *bytes, size_t size) {
    struct disk_file *file = open_file(disk, name);
    size_t got;
    assert_int_equal(file->driver->read(file, 0, bytes, size, &got), STATUS_ok);
    file_close(file);
    return got;
}

static struct disk *crash(struct disk *disk, uint64_t seed) {
    struct disk *next = fake_disk_crash(disk, seed);
    disk->driver->done(disk);
    return next;
}

static bool is_filled(const uint8_t *bytes, uint8_t byte, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte)
            return false;
    return true;
}

static void test_synced_stays(void **state) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint8_t bytes[8192];
        struct disk *disk = fake_disk_open(seed);
        struct disk_file *file = open_file(disk, "folder/name");
        write_filled(file, 0, 'a', 4096);
        write_filled(file, 100, 'b', 10);
        assert_int_equal(file->driver->sync(file), STATUS_ok);
        write_filled(file, 4096, 'c', 1000); // touches no sector that was synced
        file->driver->close(file);
        disk = crash(disk, seed);
        size_t size = read_all(disk, "folder/name", bytes, sizeof(bytes));
        assert_in_range(size, 4096, 4096 + 1024);
        assert_true(is_filled(bytes, 'a', 100) && is_filled(bytes + 100, 'b', 10));
        assert_true(is_filled(bytes + 110, 'a', 4096 - 110));
        disk->driver->done(disk);
    }
}

static void test_every_fate_of_a_sector(void **state) {
    bool whole = false, missing = false, torn = false, garbage = false, shorter = false;
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint8_t bytes[1024];
        struct disk *disk = fake_disk_open(seed);
        struct disk_file *file = open_file(disk, "name");
        write_filled(file, 0, 'a', 512);
        assert_int_equal(file->driver->sync(file), STATUS_ok);
        write_filled(file, 0, 'b', 512);
        write_filled(file, 512, 'c', 512);
        file->driver->close(file);
        disk = crash(disk, seed);
        size_t size = read_all(disk, "name", bytes, sizeof(bytes));
        size_t changed = 0;
        while (changed < 512 && bytes[changed] == 'b')
            changed++;
        shorter |= size < 1024;
        whole |= changed == 512;
        missing |= is_filled(bytes, 'a', 512);
        torn |= changed > 0 && changed < 512 && is_filled(bytes + changed, 'a', 512 - changed);
        garbage |= bytes[0] != 'a' && bytes[0] != 'b' && bytes[511] != 'a' && bytes[511] != 'b';
        disk->driver->done(disk);
    }
    assert_true(whole && missing && torn && garbage && shorter);
}

// Two writes to one place without a sync: the first may be what stays.
static void test_order_is_not_kept(void **state) {
    bool first = false, second = false;
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint8_t bytes[512];
        struct disk *disk = fake_disk_open(seed);
        struct disk_file *file = open_file(disk, "name");
        write_filled(file, 0, '1', 512);
        write_filled(file, 0, '2', 512);
        file->driver->close(file);
        disk = crash(disk, seed);
        size_t size = read_all(disk, "name", bytes, sizeof(bytes));
        first |= size == 512 && is_filled(bytes, '1', 512);
        second |= size == 512 && is_filled(bytes, '2', 512);
        disk->driver->done(disk);
    }
    assert_true(first && second);
}

static void test_names(void **state) {
    bool renamed = false, kept = false;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct disk_file *file;
        struct disk *disk = fake_disk_open(seed);
        file_close(open_file(disk, "old"));
        file_close(open_file(disk, "gone"));
        assert_int_equal(disk->driver->remove(disk, "gone"), STATUS_ok);
        assert_int_equal(disk->driver->remove(disk, "never"), STATUS_ok);
        assert_int_equal(disk->driver->rename(disk, "never", "new"), STATUS_not_found);
        fake_disk_die_after(disk, 1);
        assert_int_equal(disk->driver->rename(disk, "old", "new"), STATUS_disk_failed);
        assert_int_equal(disk->driver->open(disk, "old", false, &file), STATUS_disk_failed);
        disk = crash(disk, seed);
        assert_int_equal(disk->driver->open(disk, "gone", false, &file), STATUS_not_found);
        bool is_old = disk->driver->open(disk, "old", false, &file) == STATUS_ok;
        if (is_old)
            file_close(file);
        bool is_new = disk->driver->open(disk, "new", false, &file) == STATUS_ok;
        if (is_new)
            file_close(file);
        assert_true(is_old != is_new); // never both, never neither
        renamed |= is_new;
        kept |= is_old;
        disk->driver->done(disk);
    }
    assert_true(renamed && kept);
}

static void test_rename_replaces(void **state) {
    uint8_t bytes[16];
    struct disk *disk = fake_disk_open(1);
    struct disk_file *one = open_file(disk, "one");
    struct disk_file *two = open_file(disk, "two");
    write_filled(one, 0, '1', 4);
    write_filled(two, 0, '2', 8);
    assert_int_equal(one->driver->sync(one), STATUS_ok);
    assert_int_equal(disk->driver->rename(disk, "one", "two"), STATUS_ok);
    size_t got; // who has the old one open goes on with it
    assert_int_equal(two->driver->read(two, 0, bytes, 16, &got), STATUS_ok);
    assert_int_equal(got, 8);
    file_close(one);
    file_close(two);
    disk = crash(disk, 1);
    assert_int_equal(read_all(disk, "two", bytes, 16), 4);
    assert_true(is_filled(bytes, '1', 4));
    disk->driver->done(disk);
}

// The kernel forgets what a failed sync could not write: a second sync succeeds and has not saved
// it.
static void test_failed_sync_loses(void **state) {
    bool lost = false;
    for (uint64_t seed = 0; seed < 60; seed++) {
        uint8_t bytes[512];
        struct disk *disk = fake_disk_open(seed);
        struct disk_file *file = open_file(disk, "name");
        write_filled(file, 0, 'a', 512);
        fake_disk_fail_after(disk, 1, STATUS_disk_failed);
        assert_int_equal(file->driver->sync(file), STATUS_disk_failed);
        assert_int_equal(file->driver->sync(file), STATUS_ok);
        file->driver->close(file);
        assert_int_equal(read_all(disk, "name", bytes, 512), 512); // reads still see it
        assert_true(is_filled(bytes, 'a', 512));
        disk = crash(disk, seed);
        lost |= read_all(disk, "name", bytes, 512) != 512 || !is_filled(bytes, 'a', 512);
        disk->driver->done(disk);
    }
    assert_true(lost);
}

static void test_truncation(void **state) {
    uint8_t bytes[2048];
    struct disk *disk = fake_disk_open(1);
    struct disk_file *file = open_file(disk, "name");
    const uint8_t *map;
    write_filled(file, 0, 'a', 1024);
    assert_int_equal(file->driver->map(file, 1024, &map), STATUS_ok);
    assert_int_equal(file->driver->map(file, 1025, &map), STATUS_disk_failed);
    assert_int_equal(file->driver->truncate(file, 100), STATUS_ok);
    assert_int_equal(file->driver->truncate(file, 200), STATUS_ok);
    write_filled(file, 0, 'b', 1); // maps show later writes
    assert_int_equal(map[0], 'b');
    assert_int_equal(file->driver->sync(file), STATUS_ok);
    file->driver->close(file);
    disk = crash(disk, 1);
    assert_int_equal(read_all(disk, "name", bytes, sizeof(bytes)), 200);
    assert_true(is_filled(bytes + 1, 'a', 99) && is_filled(bytes + 100, 0, 100));
    disk->driver->done(disk);
}

// The process dies, the machine lives; then the power goes after all.
static void test_restart(void **state) {
    bool lost = false;
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint8_t bytes[512];
        struct disk *disk = fake_disk_open(seed);
        struct disk_file *file = open_file(disk, "name");
        write_filled(file, 0, 'a', 512);
        struct disk *next = fake_disk_restart(disk);
        assert_int_equal(file->driver->sync(file), STATUS_disk_failed); // nobody is there any more
        file->driver->close(file);
        disk->driver->done(disk);
        assert_int_equal(read_all(next, "name", bytes, 512), 512);
        assert_true(is_filled(bytes, 'a', 512));
        next = crash(next, seed);
        lost |= read_all(next, "name", bytes, 512) != 512 || !is_filled(bytes, 'a', 512);
        next->driver->done(next);
    }
    assert_true(lost);
}

static void test_full(void **state) {
    uint64_t size, left;
    struct disk *disk = fake_disk_open(1);
    struct disk_file *file = open_file(disk, "name");
    uint8_t bytes[1000] = {1};
    fake_disk_limit(disk, 1500);
    assert_int_equal(file->driver->write(file, 0, slice_of(bytes, 1000)), STATUS_ok);
    assert_int_equal(disk->driver->free_bytes(disk, &left), STATUS_ok);
    assert_int_equal(left, 500);
    assert_int_equal(file->driver->write(file, 1000, slice_of(bytes, 501)), STATUS_storage_full);
    assert_int_equal(file->driver->size(file, &size), STATUS_ok);
    assert_int_equal(size, 1000);
    assert_int_equal(file->driver->write(file, 500, slice_of(bytes, 500)), STATUS_ok);
    assert_int_equal(file->driver->write(file, 1000, slice_of(bytes, 500)), STATUS_ok);
    assert_int_equal(file->driver->allocate(file, 0, 1500), STATUS_ok);
    assert_int_equal(file->driver->allocate(file, 0, 1501), STATUS_storage_full);
    assert_int_equal(file->driver->size(file, &size), STATUS_ok);
    assert_int_equal(size, 1500);
    file_close(file);
    disk->driver->done(disk);
}

static void count_name(void *context, const char *name) {
    static const char *const names[] = {"a", "b/c", "b/d", "e"};
    size_t *count = context;
    assert_true(*count < 4);
    assert_string_equal(name, names[(*count)++]);
}

static void test_list(void **state) {
    size_t count = 0;
    struct disk *disk = fake_disk_open(1);
    file_close(open_file(disk, "e"));
    file_close(open_file(disk, "b/d"));
    file_close(open_file(disk, "b/c"));
    file_close(open_file(disk, "a"));
    file_close(open_file(disk, "a"));
    assert_int_equal(disk->driver->list(disk, count_name, &count), STATUS_ok);
    assert_int_equal(count, 4);
    disk->driver->done(disk);
}

static void *sync_file(void *context) {
    struct disk_file *file = context;
    return (void *)(uintptr_t)file->driver->sync(file);
}

static void test_hanging_sync(void **state) {
    pthread_t thread;
    void *result;
    struct disk *disk = fake_disk_open(1);
    struct disk_file *file = open_file(disk, "name");
    uint64_t before = fake_disk_changes(disk);
    fake_disk_block(disk);
    assert_int_equal(pthread_create(&thread, NULL, sync_file, file), 0);
    write_filled(file, 0, 'a', 1); // does not hang
    assert_int_equal(fake_disk_changes(disk), before + 1);
    fake_disk_unblock(disk);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((uintptr_t)result, STATUS_ok);
    assert_int_equal(fake_disk_changes(disk), before + 2);
    file_close(file);
    disk->driver->done(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synced_stays),
        cmocka_unit_test(test_every_fate_of_a_sector),
        cmocka_unit_test(test_order_is_not_kept),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_rename_replaces),
        cmocka_unit_test(test_failed_sync_loses),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_hanging_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
