// SPDX-License-Identifier: MIT
// Syncing a file makes all of it durable, through whichever handle it was written; so the end opens
// each by its name.
#include "move/lazy_disk.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define NAME_BYTES 256

struct lazy_disk {
    struct disk disk; // first
    struct disk *real;
};

struct lazy_file {
    struct disk_file file; // first
    struct disk_file *real; // owned
};

static struct disk *real_disk(struct disk *disk) {
    return ((struct lazy_disk *)disk)->real;
}

static struct disk_file *real_file(struct disk_file *file) {
    return ((struct lazy_file *)file)->real;
}

static const struct disk_driver lazy_driver;

static enum status lazy_open(struct disk *disk, const char *name, bool create,
                             struct disk_file **ret_file) {
    struct disk *real = real_disk(disk);
    struct disk_file *file;
    enum status status = real->driver->open(real, name, create, &file);
    if (status != STATUS_ok)
        return status;
    struct lazy_file *lazy = memory_take_zeroed(sizeof(*lazy));
    lazy->file.driver = &lazy_driver;
    lazy->real = file;
    *ret_file = &lazy->file;
    return STATUS_ok;
}

static void lazy_close(struct disk_file *file) {
    if (file == NULL)
        return;
    struct disk_file *real = real_file(file);
    real->driver->close(real);
    memory_free(file);
}

static enum status lazy_size(struct disk_file *file, uint64_t *ret_bytes) {
    return real_file(file)->driver->size(real_file(file), ret_bytes);
}

static enum status lazy_read(struct disk_file *file, uint64_t offset, void *bytes, size_t size,
                             size_t *ret_size) {
    return real_file(file)->driver->read(real_file(file), offset, bytes, size, ret_size);
}

static enum status lazy_write(struct disk_file *file, uint64_t offset, struct slice bytes) {
    return real_file(file)->driver->write(real_file(file), offset, bytes);
}

static enum status lazy_allocate(struct disk_file *file, uint64_t offset, uint64_t size) {
    return real_file(file)->driver->allocate(real_file(file), offset, size);
}

static enum status lazy_truncate(struct disk_file *file, uint64_t size) {
    return real_file(file)->driver->truncate(real_file(file), size);
}

static enum status lazy_sync(struct disk_file *file) {
    (void)file;
    return STATUS_ok;
}

static enum status lazy_map(struct disk_file *file, uint64_t size, const uint8_t **ret_bytes) {
    return real_file(file)->driver->map(real_file(file), size, ret_bytes);
}

static enum status lazy_map_over(struct disk_file *file, uint64_t offset, size_t size,
                                 void *address) {
    return real_file(file)->driver->map_over(real_file(file), offset, size, address);
}

static enum status lazy_rename(struct disk *disk, const char *from, const char *to) {
    return real_disk(disk)->driver->rename(real_disk(disk), from, to);
}

static enum status lazy_remove(struct disk *disk, const char *name) {
    return real_disk(disk)->driver->remove(real_disk(disk), name);
}

static enum status lazy_sync_folder(struct disk *disk) {
    return real_disk(disk)->driver->sync_folder(real_disk(disk));
}

static enum status lazy_list(struct disk *disk, void (*found)(void *context, const char *name),
                             void *context) {
    return real_disk(disk)->driver->list(real_disk(disk), found, context);
}

static enum status lazy_free_bytes(struct disk *disk, uint64_t *ret_bytes) {
    return real_disk(disk)->driver->free_bytes(real_disk(disk), ret_bytes);
}

static void lazy_done(struct disk *disk) {
    memory_free(disk); // the one behind it is borrowed
}

static const struct disk_driver lazy_driver = {
    .open = lazy_open,
    .close = lazy_close,
    .size = lazy_size,
    .read = lazy_read,
    .write = lazy_write,
    .write_past_cache = lazy_write, // the cache is what makes it fast
    .allocate = lazy_allocate,
    .truncate = lazy_truncate,
    .sync = lazy_sync,
    .map = lazy_map,
    .map_over = lazy_map_over,
    .rename = lazy_rename,
    .remove = lazy_remove,
    .sync_folder = lazy_sync_folder,
    .list = lazy_list,
    .free_bytes = lazy_free_bytes,
    .done = lazy_done,
};

struct disk *lazy_disk_open(struct disk *disk) {
    struct lazy_disk *lazy = memory_take_zeroed(sizeof(*lazy));
    lazy->disk.driver = &lazy_driver;
    lazy->real = disk;
    return &lazy->disk;
}

struct syncing {
    struct disk *disk;
    enum status status;
};

static void sync_one(void *context, const char *name) {
    struct syncing *syncing = context;
    struct disk_file *file = NULL;
    if (syncing->status != STATUS_ok)
        return;
    syncing->status = syncing->disk->driver->open(syncing->disk, name, false, &file);
    if (syncing->status != STATUS_ok)
        return;
    syncing->status = file->driver->sync(file);
    file->driver->close(file);
}

enum status lazy_disk_sync(struct disk *lazy) {
    struct disk *real = real_disk(lazy);
    struct syncing syncing = {.disk = real, .status = STATUS_ok};
    enum status status = real->driver->list(real, sync_one, &syncing);
    if (status == STATUS_ok)
        status = syncing.status;
    return status == STATUS_ok ? real->driver->sync_folder(real) : status;
}
