// SPDX-License-Identifier: MIT
// The disk as a port. The real driver is disk_posix.c; the tests have one that drops, tears and
// garbles whatever was not synced (tests/lib/fake_disk.c). Only drivers call write and fsync.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

struct disk;      // a folder
struct disk_file; // an open file of it

// What drivers implement. Names are relative to the folder, without "/" but for one level of
// sub-folder. Every function may be called from any thread, on different files at once.
// STATUS_disk_failed, STATUS_storage_full (ENOSPC, EDQUOT) and STATUS_not_found are what they can
// return besides ok.
struct disk_driver {
    enum status (*open)(struct disk *disk, const char *name, bool create,
                        struct disk_file **ret_file);
    void (*close)(struct disk_file *file);                       // accepts NULL
    enum status (*size)(struct disk_file *file, uint64_t *ret_bytes);
    // Fewer bytes than asked for only at the end of the file.
    enum status (*read)(struct disk_file *file, uint64_t offset, void *bytes, size_t size,
                        size_t *ret_size);
    // All of it or an error.
    enum status (*write)(struct disk_file *file, uint64_t offset, struct slice bytes);
    // The same for many bytes that nobody will read soon, past the page cache where the disk can:
    // no copy, and no dirty page that the sync of other bytes would have to wait for. Memory,
    // offset and size are multiples of 4096.
    enum status (*write_past_cache)(struct disk_file *file, uint64_t offset, struct slice bytes);
    // Takes the disk's place for these bytes, so that writing them cannot fail for want of room.
    // They read as before, or as zeros where nothing was written, and the file does not become
    // shorter.
    enum status (*allocate)(struct disk_file *file, uint64_t offset, uint64_t size);
    enum status (*truncate)(struct disk_file *file, uint64_t size);
    enum status (*sync)(struct disk_file *file); // data and what is needed to read it back
    // Maps the first `size` bytes for reading, shared with later writes; stays valid until close.
    enum status (*map)(struct disk_file *file, uint64_t size, const uint8_t **ret_bytes);
    // Lays bytes of the file over memory of the caller's, which then reads as the file and stays
    // writable: what is written there stays in memory. The caller's memory goes on to be his after
    // close. Offset, size and address are multiples of 4096, and nobody writes those bytes of the
    // file any more. Who reads there meanwhile reads either. A driver without files copies.
    enum status (*map_over)(struct disk_file *file, uint64_t offset, size_t size, void *address);
    // Both are durable, the folder is synced; removing what is absent is ok.
    enum status (*rename)(struct disk *disk, const char *from, const char *to);
    enum status (*remove)(struct disk *disk, const char *name);
    enum status (*sync_folder)(struct disk *disk);
    // Calls `found` for each file of the folder in name order; one of a sub-folder is "sub/name".
    enum status (*list)(struct disk *disk, void (*found)(void *context, const char *name),
                        void *context);
    enum status (*free_bytes)(struct disk *disk, uint64_t *ret_bytes);
    void (*done)(struct disk *disk); // accepts NULL
};

// Drivers put these first in their own structs.
struct disk {
    const struct disk_driver *driver;
};
struct disk_file {
    const struct disk_driver *driver;
};

// The folder must exist. `ret_disk` is owned by the caller (driver->done).
enum status disk_posix_open(const char *folder, struct disk **ret_disk);
