// SPDX-License-Identifier: MIT
// The data folder: one process at a time, and the file without which no id can be opened.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "books_support.h"
#include "engine/embedded/folder.h"
#include "fake_disk.h"

static enum status try_open(const struct test_books *books, char *ret_why, size_t why_bytes,
                            struct engine **ret_engine) {
    struct embedded_options options = {.folder = books->folder, .idempotency_days = 7};
    return embedded_open(&options, ret_why, why_bytes, ret_engine);
}

static void test_a_folder_has_one_owner(void **state) {
    struct test_books books;
    struct engine *engine;
    char why[512];
    (void)state;
    test_books_open(&books, 0);
    assert_int_equal(try_open(&books, why, sizeof(why), &engine), STATUS_busy);
    assert_non_null(strstr(why, books.folder));
    test_books_reopen(&books); // free again after a close
    test_books_remove(&books);
    char long_name[5000];
    int file;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    assert_int_equal(folder_lock(long_name, why, sizeof(why), &file), STATUS_invalid_request);
    assert_int_equal(folder_lock("/nowhere/at/all", why, sizeof(why), &file), STATUS_disk_failed);
}

// Any wrong byte is refused with a sentence that names the file, and nothing is overwritten.
static void test_a_damaged_birth_is_refused(void **state) {
    struct test_books books;
    struct engine *engine;
    char why[512], path[128], other[128];
    (void)state;
    test_books_open(&books, 0);
    struct id ann = test_wallet(&books, "ann", WALLET_CUSTOMER);
    books.engine->port->close(books.engine);
    (void)snprintf(path, sizeof(path), "%s/books", books.folder);
    (void)snprintf(other, sizeof(other), "%s/elsewhere", books.folder);
    for (off_t offset = 0; offset < 64; offset++) {
        test_flip(path, offset, 1);
        assert_int_equal(try_open(&books, why, sizeof(why), &engine), STATUS_damaged);
        assert_non_null(strstr(why, "books"));
        test_flip(path, offset, 1);
    }
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(try_open(&books, why, sizeof(why), &engine), STATUS_damaged);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(try_open(&books, why, sizeof(why), &books.engine), STATUS_ok);
    assert_int_equal(test_read_wallet(&books, ann).version, 1);
    test_books_remove(&books);
}

// A first start: birth, first segment, settled.
static bool start(struct disk *disk, uint64_t now_ms, struct birth *ret_birth) {
    struct disk_file *file = NULL;
    struct origin_of_books origin;
    char why[512];
    if (folder_birth(disk, now_ms, why, sizeof(why), ret_birth, &origin) != STATUS_ok ||
        disk->driver->open(disk, "journal/0.segment", true, &file) != STATUS_ok)
        return false;
    enum status status = disk->driver->sync(file);
    disk->driver->close(file);
    return status == STATUS_ok && folder_settle(disk) == STATUS_ok;
}

// The power may fail at any call of the very first start: the next one is born or finds the same.
static void test_books_are_born_whole_or_not_at_all(void **state) {
    uint32_t born = 0;
    (void)state;
    for (uint64_t call = 1; call < 40; call++) {
        for (uint64_t seed = 1; seed < 20; seed++) {
            struct disk *disk = fake_disk_open(seed);
            struct birth first, second, third;
            fake_disk_die_after(disk, call);
            bool was_born = start(disk, 1, &first);
            struct disk *next = fake_disk_crash(disk, seed * 7);
            disk->driver->done(disk);
            if (!start(next, 2, &second))
                fail_msg("a start that died at call %d, seed %d, cannot be repeated", (int)call,
                         (int)seed);
            if (was_born)
                assert_memory_equal(&first, &second, sizeof(first));
            assert_true(start(next, 3, &third));
            assert_memory_equal(&second, &third, sizeof(third));
            next->driver->done(next);
            born += was_born;
        }
    }
    assert_true(born > 0 && born < 39 * 19);
}

static void write_text(struct disk *disk, const char *name) {
    struct disk_file *file = NULL;
    assert_int_equal(disk->driver->open(disk, name, true, &file), STATUS_ok);
    assert_int_equal(disk->driver->write(file, 0, slice_of("x", 1)), STATUS_ok);
    disk->driver->close(file);
}

// Books that move in keep servers away until they are whole, and then say where they come from.
static void test_books_move_in(void **state) {
    struct disk *disk = fake_disk_open(1);
    const struct folder_filling note = {.from = {{1}}, .here = {{2}}};
    const struct origin_of_books origin = {.moved_ms = 77, .chain = {{3}}};
    const struct birth birth = {
        .id = {{2}}, .seal_key = {4}, .hash_seed = 5, .created_ms = 6};
    struct folder_filling again;
    struct origin_of_books read_origin;
    struct birth read;
    char why[512];
    (void)state;
    assert_false(folder_filling_read(disk, &again));
    assert_int_equal(folder_filling_write(disk, &note), STATUS_ok);
    assert_true(folder_filling_read(disk, &again));
    assert_memory_equal(&again, &note, sizeof(note));
    assert_int_equal(folder_birth_write(disk, &birth, &origin), STATUS_ok);
    write_text(disk, "journal/00000000000000000000.segment");
    assert_int_equal(folder_birth(disk, 9, why, sizeof(why), &read, &read_origin),
                     STATUS_invalid_request);
    assert_non_null(strstr(why, "not whole yet"));
    assert_int_equal(folder_filling_end(disk), STATUS_ok);
    assert_int_equal(folder_birth(disk, 9, why, sizeof(why), &read, &read_origin), STATUS_ok);
    assert_memory_equal(&read, &birth, sizeof(birth));
    assert_memory_equal(&read_origin, &origin, sizeof(origin));
    disk->driver->done(disk);
}

// Only what a move has made itself is removed, and only when it is known to be of that move.
static void test_a_folder_is_emptied_for_a_move(void **state) {
    struct disk *disk = fake_disk_open(1);
    struct disk_file *file = NULL;
    char why[512];
    (void)state;
    assert_int_equal(folder_empty(disk, false, why, sizeof(why)), STATUS_ok);
    write_text(disk, "lock");
    assert_int_equal(folder_empty(disk, false, why, sizeof(why)), STATUS_ok);
    write_text(disk, "books");
    write_text(disk, "journal/00000000000000000000.segment");
    assert_int_equal(folder_empty(disk, false, why, sizeof(why)), STATUS_invalid_request);
    assert_non_null(strstr(why, "books"));
    write_text(disk, "letters");
    assert_int_equal(folder_empty(disk, true, why, sizeof(why)), STATUS_invalid_request);
    assert_non_null(strstr(why, "letters"));
    assert_int_equal(disk->driver->open(disk, "books", false, &file), STATUS_ok);
    disk->driver->close(file);
    assert_int_equal(disk->driver->remove(disk, "letters"), STATUS_ok);
    assert_int_equal(folder_empty(disk, true, why, sizeof(why)), STATUS_ok);
    assert_int_equal(disk->driver->open(disk, "books", false, &file), STATUS_not_found);
    assert_int_equal(folder_empty(disk, false, why, sizeof(why)), STATUS_ok);
    disk->driver->done(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_has_one_owner),
        cmocka_unit_test(test_a_damaged_birth_is_refused),
        cmocka_unit_test(test_books_are_born_whole_or_not_at_all),
        cmocka_unit_test(test_books_move_in),
        cmocka_unit_test(test_a_folder_is_emptied_for_a_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
