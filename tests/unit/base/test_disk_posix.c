// SPDX-License-Identifier: MIT
// The real disk in a folder of its own under $TMPDIR: names, sub-folders, sizes, mappings, the
// order of a listing, and what each failure is called.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/disk.h"
#include "expect_stop.h"

struct folder {
    char path[200];
    struct disk *disk;
};

static int make_folder(void **state) {
    struct folder *folder = test_malloc(sizeof(*folder));
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder->path, sizeof(folder->path), "%s/florin-disk-XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(folder->path) == NULL)
        return 1;
    *state = folder;
    return disk_posix_open(folder->path, &folder->disk) != STATUS_ok;
}

static void remove_found(void *context, const char *name) {
    struct folder *folder = context;
    assert_int_equal(folder->disk->driver->remove(folder->disk, name), STATUS_ok);
}

static int remove_folder(void **state) {
    struct folder *folder = *state;
    char sub_folder[256];
    (void)folder->disk->driver->list(folder->disk, remove_found, folder);
    (void)snprintf(sub_folder, sizeof(sub_folder), "%s/sub", folder->path);
    (void)rmdir(sub_folder);
    folder->disk->driver->done(folder->disk);
    int failed = rmdir(folder->path);
    test_free(folder);
    return failed;
}

static struct disk_file *open_new(struct folder *folder, const char *name) {
    struct disk_file *file = NULL;
    assert_int_equal(folder->disk->driver->open(folder->disk, name, true, &file), STATUS_ok);
    assert_non_null(file);
    return file;
}

static void what_is_written_is_read(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    char bytes[32];
    size_t size = 99;
    uint64_t file_bytes = 99;
    assert_int_equal(driver->read(file, 0, bytes, sizeof(bytes), &size), STATUS_ok);
    assert_int_equal(size, 0); // the end
    assert_int_equal(driver->write(file, 3, SLICE("hello")), STATUS_ok);
    assert_int_equal(driver->size(file, &file_bytes), STATUS_ok);
    assert_int_equal(file_bytes, 8);
    assert_int_equal(driver->sync(file), STATUS_ok);
    assert_int_equal(driver->read(file, 0, bytes, sizeof(bytes), &size), STATUS_ok);
    assert_int_equal(size, 8);
    assert_memory_equal(bytes, "\0\0\0hello", 8);
    assert_int_equal(driver->read(file, 6, bytes, 1, &size), STATUS_ok);
    assert_int_equal(size, 1);
    assert_int_equal(bytes[0], 'l');
    assert_int_equal(driver->write(file, 0, slice_of(NULL, 0)), STATUS_ok);
    assert_int_equal(driver->truncate(file, 4), STATUS_ok);
    assert_int_equal(driver->truncate(file, 6), STATUS_ok);
    assert_int_equal(driver->read(file, 0, bytes, sizeof(bytes), &size), STATUS_ok);
    assert_int_equal(size, 6);
    assert_memory_equal(bytes, "\0\0\0h\0\0", 6);
    driver->close(file);
    driver->close(NULL);
}

static void files_are_private_and_kept(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    char path[256], bytes[8];
    struct stat facts;
    size_t size = 0;
    assert_int_equal(driver->write(file, 0, SLICE("kept")), STATUS_ok);
    driver->close(file);
    (void)snprintf(path, sizeof(path), "%s/a", folder->path);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    file = open_new(folder, "a"); // creating what is there empties nothing
    assert_int_equal(driver->read(file, 0, bytes, sizeof(bytes), &size), STATUS_ok);
    assert_int_equal(size, 4);
    driver->close(file);
}

static void place_is_taken_without_writing(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    static uint8_t bytes[65536];
    uint64_t size;
    size_t got;
    assert_int_equal(driver->write(file, 4096, SLICE("kept")), STATUS_ok);
    assert_int_equal(driver->truncate(file, sizeof(bytes)), STATUS_ok);
    assert_int_equal(driver->allocate(file, 0, sizeof(bytes)), STATUS_ok);
    assert_int_equal(driver->size(file, &size), STATUS_ok);
    assert_int_equal(size, sizeof(bytes)); // it was as long before
    assert_int_equal(driver->read(file, 0, bytes, sizeof(bytes), &got), STATUS_ok);
    assert_int_equal(got, sizeof(bytes));
    assert_memory_equal(bytes + 4096, "kept", 4);
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_true(bytes[i] == 0 || (i >= 4096 && i < 4100));
    // More than any disk has.
    assert_int_not_equal(driver->allocate(file, 0, UINT64_C(1) << 60), STATUS_ok);
    driver->close(file);
}

static void what_is_absent_is_not_found(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = NULL;
    struct disk *disk = NULL;
    assert_int_equal(driver->open(folder->disk, "a", false, &file), STATUS_not_found);
    assert_int_equal(driver->open(folder->disk, "sub/a", false, &file), STATUS_not_found);
    assert_null(file);
    assert_int_equal(driver->rename(folder->disk, "a", "b"), STATUS_not_found);
    assert_int_equal(driver->remove(folder->disk, "a"), STATUS_ok);
    assert_int_equal(driver->remove(folder->disk, "sub/a"), STATUS_ok);
    assert_int_equal(disk_posix_open("/nonexistent/folder", &disk), STATUS_not_found);
    assert_int_equal(disk_posix_open("/dev/null", &disk), STATUS_disk_failed);
    assert_null(disk);
    folder->disk->driver->done(NULL);
}

static void renames_replace(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *a = open_new(folder, "a"), *b = open_new(folder, "b"), *c = NULL;
    char bytes[8];
    size_t size;
    assert_int_equal(driver->write(a, 0, SLICE("A")), STATUS_ok);
    assert_int_equal(driver->write(b, 0, SLICE("B")), STATUS_ok);
    assert_int_equal(driver->rename(folder->disk, "a", "b"), STATUS_ok);
    assert_int_equal(driver->open(folder->disk, "a", false, &c), STATUS_not_found);
    assert_int_equal(driver->open(folder->disk, "b", false, &c), STATUS_ok);
    assert_int_equal(driver->read(c, 0, bytes, sizeof(bytes), &size), STATUS_ok);
    assert_memory_equal(bytes, "A", 1);
    driver->close(c);
    assert_int_equal(driver->rename(folder->disk, "b", "sub/b"), STATUS_ok);
    assert_int_equal(driver->open(folder->disk, "sub/b", false, &c), STATUS_ok);
    driver->close(c);
    driver->close(a); // still open under no name or another
    driver->close(b);
}

struct listing {
    char names[10][64];
    size_t count;
};

static void note_name(void *context, const char *name) {
    struct listing *listing = context;
    assert_true(listing->count < 10);
    (void)snprintf(listing->names[listing->count++], 64, "%s", name);
}

static void listings_are_in_order_of_names(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    const char *names[] = {"b", "sub/2", "a10", "sub/1", "a9", "z"};
    const char *sorted[] = {"a10", "a9", "b", "sub/1", "sub/2", "z"};
    struct listing listing = {.count = 0};
    char path[256];
    assert_int_equal(driver->list(folder->disk, note_name, &listing), STATUS_ok);
    assert_int_equal(listing.count, 0);
    for (size_t i = 0; i < 6; i++)
        driver->close(open_new(folder, names[i]));
    (void)snprintf(path, sizeof(path), "%s/link", folder->path);
    assert_int_equal(symlink("a9", path), 0); // no file of ours
    assert_int_equal(driver->list(folder->disk, note_name, &listing), STATUS_ok);
    assert_int_equal(listing.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(listing.names[i], sorted[i]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(driver->sync_folder(folder->disk), STATUS_ok);
}

static void mappings_show_later_writes_and_stay(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    const uint8_t *small = NULL, *large = NULL, *none = NULL;
    assert_int_equal(driver->map(file, 0, &none), STATUS_ok);
    assert_non_null(none);
    assert_int_equal(driver->map(file, 1, &small), STATUS_disk_failed); // beyond the end
    assert_null(small);
    assert_int_equal(driver->truncate(file, 4096), STATUS_ok);
    assert_int_equal(driver->map(file, 4096, &small), STATUS_ok);
    assert_int_equal(driver->truncate(file, 100000), STATUS_ok);
    assert_int_equal(driver->map(file, 100000, &large), STATUS_ok);
    assert_int_equal(driver->write(file, 10, SLICE("both")), STATUS_ok);
    assert_memory_equal(small + 10, "both", 4);
    assert_memory_equal(large + 10, "both", 4);
    driver->close(file);
}

static void files_lie_over_memory(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    static uint8_t memory[3 * 4096] __attribute__((aligned(4096)));
    uint8_t there[4];
    size_t got = 0;
    memset(memory, 'm', sizeof(memory));
    assert_int_equal(driver->truncate(file, 8192), STATUS_ok);
    assert_int_equal(driver->write(file, 4096, SLICE("file")), STATUS_ok);
    assert_int_equal(driver->map_over(file, 4096, 8192, memory), STATUS_disk_failed); // too much
    assert_int_equal(memory[4096], 'm');
    assert_int_equal(driver->map_over(file, 4096, 4096, memory + 4096), STATUS_ok);
    assert_memory_equal(memory + 4096, "file", 4);
    assert_int_equal(memory[4095], 'm');
    assert_int_equal(memory[8192], 'm');
    memory[4096] = 'x'; // stays in memory
    assert_int_equal(driver->read(file, 4096, there, 4, &got), STATUS_ok);
    assert_memory_equal(there, "file", 4);
    driver->close(file);
    assert_memory_equal(memory + 4096, "xile", 4);
}

// The kernel says EFBIG here; whatever is not known is a failed disk.
static void failed_writes_are_said(void **state) {
    struct folder *folder = *state;
    const struct disk_driver *driver = folder->disk->driver;
    struct disk_file *file = open_new(folder, "a");
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 4096;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    static uint8_t bytes[10000];
    enum status status = driver->write(file, 0, slice_of(bytes, sizeof(bytes)));
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, STATUS_disk_failed);
    assert_int_equal(error, EFBIG);
    driver->close(file);
}

static void full_disks_are_said(void **state) {
    struct disk *devices = NULL;
    struct disk_file *full = NULL;
    if (disk_posix_open("/dev", &devices) != STATUS_ok)
        skip();
    if (devices->driver->open(devices, "full", false, &full) != STATUS_ok) {
        devices->driver->done(devices);
        skip();
    }
    assert_int_equal(devices->driver->write(full, 0, SLICE("x")), STATUS_storage_full);
    devices->driver->close(full);
    devices->driver->done(devices);
}

static void there_is_some_room(void **state) {
    struct folder *folder = *state;
    uint64_t bytes = 0;
    assert_int_equal(folder->disk->driver->free_bytes(folder->disk, &bytes), STATUS_ok);
    assert_true(bytes > 4096);
}

static void open_too_deep(void *context) {
    struct folder *folder = context;
    struct disk_file *file;
    (void)folder->disk->driver->open(folder->disk, "a/b/c", true, &file);
}

static void two_levels_stop(void **state) {
    expect_stop(open_too_deep, *state, "slash");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_written_is_read),
        IN_FOLDER(files_are_private_and_kept),
        IN_FOLDER(place_is_taken_without_writing),
        IN_FOLDER(what_is_absent_is_not_found),
        IN_FOLDER(renames_replace),
        IN_FOLDER(listings_are_in_order_of_names),
        IN_FOLDER(mappings_show_later_writes_and_stay),
        IN_FOLDER(files_lie_over_memory),
        IN_FOLDER(failed_writes_are_said),
        cmocka_unit_test(full_disks_are_said),
        IN_FOLDER(there_is_some_room),
        IN_FOLDER(two_levels_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
