// SPDX-License-Identifier: MIT
// A disk that dies. Calls are forwarded one at a time, so that the moment of death is between two
// of them, or in the middle of one, which may then have done a part.
//
// An image is a row of files, each: name length, size, platter or cache (three u64), name, bytes.
// After a power failure there is only the platter; after the death of the process alone what the
// machine still remembers lies over it, unsynced.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "fake_disk.h"
#include "sim.h"

struct image_entry {
    uint64_t name_bytes, size, is_cache;
};

struct sim_disk {
    struct disk port;
    struct disk *inner;
    pthread_mutex_t lock;
    struct sim_image left;
    enum sim_death death;
    uint64_t die_at, seed;
    uint64_t *calls;
    bool is_closing; // the engine was told to close; else it gave up while it opened
};

struct sim_file {
    struct disk_file port;
    struct sim_disk *disk;
    struct disk_file *inner;
};

// ---- images

struct sim_image sim_image_new(void) {
    struct sim_image image = {.file = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    CHECK(image.file >= 0);
    return image;
}

void sim_image_seal(const struct sim_image *image) {
    CHECK(fcntl(image->file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0);
}

void sim_image_done(struct sim_image *image) {
    CHECK(close(image->file) == 0);
    image->file = -1;
}

static void image_write(const struct sim_image *image, const void *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t written = write(image->file, (const uint8_t *)bytes + done, size - done);
        CHECK(written > 0);
        done += (size_t)written;
    }
}

struct saving {
    struct disk *disk;
    const struct sim_image *image;
    uint64_t is_cache;
};

static void image_save_file(void *context, const char *name) {
    const struct saving *saving = context;
    const struct disk_driver *driver = saving->disk->driver;
    struct disk_file *file;
    struct image_entry entry = {.name_bytes = strlen(name), .is_cache = saving->is_cache};
    size_t got;
    CHECK(driver->open(saving->disk, name, false, &file) == STATUS_ok);
    CHECK(driver->size(file, &entry.size) == STATUS_ok);
    uint8_t *bytes = memory_take(entry.size);
    CHECK(driver->read(file, 0, bytes, entry.size, &got) == STATUS_ok && got == entry.size);
    driver->close(file);
    image_write(saving->image, &entry, sizeof(entry));
    image_write(saving->image, name, entry.name_bytes);
    image_write(saving->image, bytes, entry.size);
    memory_free(bytes);
}

static void image_save(const struct sim_image *image, struct disk *disk, bool is_cache) {
    struct saving saving = {.disk = disk, .image = image, .is_cache = is_cache};
    CHECK(disk->driver->list(disk, image_save_file, &saving) == STATUS_ok);
}

// Of cached files only the sectors that differ from the platter are written.
static void image_restore_file(struct disk *disk, const char *name, const uint8_t *bytes,
                               uint64_t size, bool is_cache) {
    struct disk_file *file;
    uint8_t before[FAKE_DISK_SECTOR_BYTES];
    uint64_t old_size = 0;
    size_t got;
    CHECK(disk->driver->open(disk, name, true, &file) == STATUS_ok);
    CHECK(disk->driver->size(file, &old_size) == STATUS_ok);
    if (old_size > size)
        CHECK(disk->driver->truncate(file, size) == STATUS_ok);
    if (!is_cache) {
        CHECK(size == 0 || disk->driver->write(file, 0, slice_of(bytes, size)) == STATUS_ok);
        CHECK(disk->driver->sync(file) == STATUS_ok);
    } else {
        for (uint64_t at = 0; at < size; at += sizeof(before)) {
            size_t n = size - at < sizeof(before) ? size - at : sizeof(before);
            CHECK(disk->driver->read(file, at, before, n, &got) == STATUS_ok);
            if (got != n || memcmp(before, bytes + at, n) != 0)
                CHECK(disk->driver->write(file, at, slice_of(bytes + at, n)) == STATUS_ok);
        }
    }
    disk->driver->close(file);
}

static const uint8_t *image_map(const struct sim_image *image, size_t *ret_size) {
    off_t size = lseek(image->file, 0, SEEK_END);
    CHECK(size >= 0);
    *ret_size = (size_t)size;
    if (size == 0)
        return NULL;
    const uint8_t *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, image->file, 0);
    CHECK(bytes != MAP_FAILED);
    return bytes;
}

// Walks the image's files; false at the end.
static bool image_next(const uint8_t *bytes, size_t size, size_t *place, struct image_entry *entry,
                       char *ret_name, const uint8_t **ret_content) {
    if (*place == size)
        return false;
    memcpy(entry, bytes + *place, sizeof(*entry));
    CHECK(entry->name_bytes < 200);
    memcpy(ret_name, bytes + *place + sizeof(*entry), entry->name_bytes);
    ret_name[entry->name_bytes] = 0;
    *ret_content = bytes + *place + sizeof(*entry) + entry->name_bytes;
    *place += sizeof(*entry) + entry->name_bytes + entry->size;
    return true;
}

struct disk *sim_image_open(const struct sim_image *image, uint64_t seed, const char *without) {
    struct disk *disk = fake_disk_open(seed);
    struct image_entry entry;
    char name[200];
    const uint8_t *content;
    size_t size, place = 0;
    const uint8_t *bytes = image_map(image, &size);
    while (image_next(bytes, size, &place, &entry, name, &content))
        if (without == NULL || strcmp(name, without) != 0)
            image_restore_file(disk, name, content, entry.size, entry.is_cache != 0);
    if (bytes != NULL)
        CHECK(munmap((void *)bytes, size) == 0);
    return disk;
}

bool sim_image_has(const struct sim_image *image, const char *wanted) {
    struct image_entry entry;
    char name[200];
    const uint8_t *content;
    size_t size, place = 0;
    bool found = false;
    const uint8_t *bytes = image_map(image, &size);
    while (image_next(bytes, size, &place, &entry, name, &content))
        found = found || strcmp(name, wanted) == 0;
    if (bytes != NULL)
        CHECK(munmap((void *)bytes, size) == 0);
    return found;
}

// ---- death

static void die(struct sim_disk *disk) {
    if (disk->death == SIM_PROCESS) {
        struct disk *alive = fake_disk_restart(disk->inner);
        struct saving cache = {.disk = alive, .is_cache = 1};
        // What the machine remembers is read first: the crash below kills that disk. The platter
        // stands first in the image, so the cache goes to a second file meanwhile.
        struct sim_image later = sim_image_new();
        cache.image = &later;
        CHECK(alive->driver->list(alive, image_save_file, &cache) == STATUS_ok);
        image_save(&disk->left, fake_disk_crash(alive, disk->seed), false);
        size_t size;
        const uint8_t *bytes = image_map(&later, &size);
        image_write(&disk->left, bytes, size);
    } else {
        image_save(&disk->left, fake_disk_crash(disk->inner, disk->seed), false);
    }
    _exit(0);
}

static struct sim_disk *disk_of(struct disk *disk) {
    return (struct sim_disk *)disk;
}

// Every call begins here; a dying one is forwarded once more, with the power going off within.
static bool begin(struct sim_disk *disk) {
    CHECK(pthread_mutex_lock(&disk->lock) == 0);
    ++*disk->calls;
    bool dies = disk->death != SIM_CLEAN && *disk->calls == disk->die_at;
    if (dies && disk->death == SIM_POWER)
        fake_disk_die_after(disk->inner, 1);
    return dies;
}

static enum status end(struct sim_disk *disk, bool dies, enum status status) {
    if (dies)
        die(disk);
    CHECK(pthread_mutex_unlock(&disk->lock) == 0);
    return status;
}

// ---- the driver

static const struct disk_driver sim_driver;

static enum status sim_open(struct disk *port, const char *name, bool create,
                            struct disk_file **ret_file) {
    struct sim_disk *disk = disk_of(port);
    struct disk_file *inner = NULL;
    bool dies = begin(disk);
    enum status status = disk->inner->driver->open(disk->inner, name, create, &inner);
    if (status == STATUS_ok) {
        struct sim_file *file = memory_take(sizeof(*file));
        *file = (struct sim_file){.port = {&sim_driver}, .disk = disk, .inner = inner};
        *ret_file = &file->port;
    }
    return end(disk, dies, status);
}

static void sim_close(struct disk_file *port) {
    struct sim_file *file = (struct sim_file *)port;
    if (file == NULL)
        return;
    bool dies = begin(file->disk);
    file->inner->driver->close(file->inner);
    (void)end(file->disk, dies, STATUS_ok);
    memory_free(file);
}

static enum status sim_size(struct disk_file *port, uint64_t *ret_bytes) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->size(file->inner, ret_bytes));
}

static enum status sim_read(struct disk_file *port, uint64_t offset, void *bytes, size_t size,
                            size_t *ret_size) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies,
               file->inner->driver->read(file->inner, offset, bytes, size, ret_size));
}

static enum status sim_write(struct disk_file *port, uint64_t offset, struct slice bytes) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->write(file->inner, offset, bytes));
}

static enum status sim_write_past_cache(struct disk_file *port, uint64_t offset,
                                        struct slice bytes) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->write_past_cache(file->inner, offset, bytes));
}

static enum status sim_allocate(struct disk_file *port, uint64_t offset, uint64_t size) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->allocate(file->inner, offset, size));
}

static enum status sim_truncate(struct disk_file *port, uint64_t size) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->truncate(file->inner, size));
}

static enum status sim_sync(struct disk_file *port) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->sync(file->inner));
}

static enum status sim_map(struct disk_file *port, uint64_t size, const uint8_t **ret_bytes) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies, file->inner->driver->map(file->inner, size, ret_bytes));
}

static enum status sim_map_over(struct disk_file *port, uint64_t offset, size_t size,
                                void *address) {
    struct sim_file *file = (struct sim_file *)port;
    bool dies = begin(file->disk);
    return end(file->disk, dies,
               file->inner->driver->map_over(file->inner, offset, size, address));
}

static enum status sim_rename(struct disk *port, const char *from, const char *to) {
    struct sim_disk *disk = disk_of(port);
    bool dies = begin(disk);
    return end(disk, dies, disk->inner->driver->rename(disk->inner, from, to));
}

static enum status sim_remove(struct disk *port, const char *name) {
    struct sim_disk *disk = disk_of(port);
    bool dies = begin(disk);
    return end(disk, dies, disk->inner->driver->remove(disk->inner, name));
}

static enum status sim_sync_folder(struct disk *port) {
    struct sim_disk *disk = disk_of(port);
    bool dies = begin(disk);
    return end(disk, dies, disk->inner->driver->sync_folder(disk->inner));
}

static enum status sim_list(struct disk *port, void (*found)(void *context, const char *name),
                            void *context) {
    struct sim_disk *disk = disk_of(port);
    bool dies = begin(disk);
    return end(disk, dies, disk->inner->driver->list(disk->inner, found, context));
}

static enum status sim_free_bytes(struct disk *port, uint64_t *ret_bytes) {
    struct sim_disk *disk = disk_of(port);
    bool dies = begin(disk);
    return end(disk, dies, disk->inner->driver->free_bytes(disk->inner, ret_bytes));
}

// The engine was closed: what it left must need nothing that was not synced.
static void sim_done(struct disk *port) {
    if (port == NULL || !disk_of(port)->is_closing)
        return;
    CHECK(pthread_mutex_lock(&disk_of(port)->lock) == 0);
    disk_of(port)->death = SIM_CLEAN;
    die(disk_of(port));
}

static const struct disk_driver sim_driver = {
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .write_past_cache = sim_write_past_cache,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .sync = sim_sync,
    .map = sim_map,
    .map_over = sim_map_over,
    .rename = sim_rename,
    .remove = sim_remove,
    .sync_folder = sim_sync_folder,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
    .done = sim_done,
};

struct disk *sim_disk_open(struct disk *inner, const struct sim_image *left, enum sim_death death,
                           uint64_t die_at, uint64_t seed, uint64_t *calls) {
    struct sim_disk *disk = memory_take(sizeof(*disk));
    *disk = (struct sim_disk){.port = {&sim_driver},
                              .inner = inner,
                              .left = *left,
                              .death = death,
                              .die_at = die_at,
                              .seed = seed,
                              .calls = calls};
    CHECK(pthread_mutex_init(&disk->lock, NULL) == 0);
    return &disk->port;
}

void sim_disk_closing(struct disk *port) {
    disk_of(port)->is_closing = true;
}
