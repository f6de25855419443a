// SPDX-License-Identifier: MIT
// The real disk. Files are opened relative to the folder's descriptor, so a folder that is renamed
// while a server runs stays the same folder. After a failure errno still says why, for the log line
// of whoever stops.
//
// 1. A file's name is durable before `open` returns one that it had to create: its folder is synced
//    at once. Files are made seldom and beside the hot path, and a synced file without a name is
//    lost like any other.
// 2. A failed sync is final. The kernel may have dropped what it could not write, so trying again
//    can succeed and still have lost it; the caller stops instead.
#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

#define DISK_NAME_BYTES_MAX 255
#define DISK_FILE_MODE 0600
#define DISK_FOLDER_MODE 0700

struct disk_posix {
    struct disk port; // first, so that a port is its driver
    int folder;       // owned descriptor
};

struct disk_posix_mapping {
    struct disk_posix_mapping *next;
    void *bytes;
    size_t size;
};

struct disk_posix_file {
    struct disk_file port;
    int descriptor;                      // owned
    int direct;                          // owned; past the page cache; -1: not open or not possible
    bool direct_was_tried;
    pthread_mutex_t mapping_lock;        // guards the mappings; any thread may ask for one
    struct disk_posix_mapping *mappings; // owned; all stay valid until close
};

static const struct disk_driver disk_posix_driver;

static struct disk_posix *disk_posix_of(struct disk *disk) {
    CHECK(disk->driver == &disk_posix_driver);
    return (struct disk_posix *)disk;
}

static struct disk_posix_file *disk_posix_file_of(struct disk_file *file) {
    CHECK(file->driver == &disk_posix_driver);
    return (struct disk_posix_file *)file;
}

static enum status disk_posix_status(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT: return STATUS_storage_full;
    case ENOENT: return STATUS_not_found;
    default: return STATUS_disk_failed;
    }
}

// Closing may fail, and what is worth reporting happened before.
static void disk_posix_close_quietly(int descriptor) {
    int error = errno;
    (void)close(descriptor);
    errno = error;
}

static enum status disk_posix_sync_descriptor(int descriptor) {
    // A signal may end a sync early; nothing is lost then, unlike after an error.
    while (fsync(descriptor) != 0)
        if (errno != EINTR)
            return disk_posix_status(errno);
    return STATUS_ok;
}

// The sub-folder of "sub/name" as text, or "" when there is none.
static void disk_posix_folder_of(const char *name, char ret_folder[DISK_NAME_BYTES_MAX + 1]) {
    const char *slash = strchr(name, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - name);
    CHECK(name[0] != '\0' && name[0] != '/');
    CHECK(slash == NULL || strchr(slash + 1, '/') == NULL);
    CHECK(size <= DISK_NAME_BYTES_MAX);
    memcpy(ret_folder, name, size);
    ret_folder[size] = '\0';
}

// Makes the name in it durable.
static enum status disk_posix_sync_folder_of(struct disk_posix *disk, const char *name) {
    char sub_folder[DISK_NAME_BYTES_MAX + 1];
    disk_posix_folder_of(name, sub_folder);
    if (sub_folder[0] == '\0')
        return disk_posix_sync_descriptor(disk->folder);
    int descriptor = openat(disk->folder, sub_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return disk_posix_status(errno);
    enum status status = disk_posix_sync_descriptor(descriptor);
    disk_posix_close_quietly(descriptor);
    return status;
}

static enum status disk_posix_make_folder_of(struct disk_posix *disk, const char *name) {
    char sub_folder[DISK_NAME_BYTES_MAX + 1];
    disk_posix_folder_of(name, sub_folder);
    if (sub_folder[0] == '\0')
        return STATUS_ok;
    if (mkdirat(disk->folder, sub_folder, DISK_FOLDER_MODE) != 0)
        return errno == EEXIST ? STATUS_ok : disk_posix_status(errno);
    return disk_posix_sync_descriptor(disk->folder);
}

static enum status disk_posix_create(struct disk_posix *disk, const char *name,
                                     int *ret_descriptor) {
    enum status status = disk_posix_make_folder_of(disk, name);
    if (status != STATUS_ok)
        return status;
    int descriptor = openat(disk->folder, name, O_RDWR | O_CREAT | O_CLOEXEC, DISK_FILE_MODE);
    if (descriptor < 0)
        return disk_posix_status(errno);
    status = disk_posix_sync_folder_of(disk, name);
    if (status != STATUS_ok) {
        disk_posix_close_quietly(descriptor);
        return status;
    }
    *ret_descriptor = descriptor;
    return STATUS_ok;
}

static enum status disk_posix_open_file(struct disk *port, const char *name, bool create,
                                        struct disk_file **ret_file) {
    struct disk_posix *disk = disk_posix_of(port);
    int descriptor = openat(disk->folder, name, O_RDWR | O_CLOEXEC);
    // Books on a read-only medium can still be verified.
    if (descriptor < 0 && !create && (errno == EROFS || errno == EACCES))
        descriptor = openat(disk->folder, name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && (errno != ENOENT || !create))
        return disk_posix_status(errno);
    if (descriptor < 0) {
        enum status status = disk_posix_create(disk, name, &descriptor);
        if (status != STATUS_ok)
            return status;
    }
    struct disk_posix_file *file = memory_take_zeroed(sizeof(*file));
    file->port.driver = &disk_posix_driver;
    file->descriptor = descriptor;
    file->direct = -1;
    int failed = pthread_mutex_init(&file->mapping_lock, NULL);
    CHECK(failed == 0);
    *ret_file = &file->port;
    return STATUS_ok;
}

static void disk_posix_close(struct disk_file *port) {
    if (port == NULL)
        return;
    struct disk_posix_file *file = disk_posix_file_of(port);
    while (file->mappings != NULL) {
        struct disk_posix_mapping *mapping = file->mappings;
        file->mappings = mapping->next;
        int failed = munmap(mapping->bytes, mapping->size);
        CHECK(failed == 0);
        memory_free(mapping);
    }
    if (file->direct >= 0)
        disk_posix_close_quietly(file->direct);
    disk_posix_close_quietly(file->descriptor);
    (void)pthread_mutex_destroy(&file->mapping_lock); // fails only while it is held
    memory_free(file);
}

static enum status disk_posix_size(struct disk_file *port, uint64_t *ret_bytes) {
    struct stat facts;
    if (fstat(disk_posix_file_of(port)->descriptor, &facts) != 0)
        return disk_posix_status(errno);
    *ret_bytes = (uint64_t)facts.st_size;
    return STATUS_ok;
}

static enum status disk_posix_read(struct disk_file *port, uint64_t offset, void *bytes,
                                   size_t size, size_t *ret_size) {
    struct disk_posix_file *file = disk_posix_file_of(port);
    size_t done = 0;
    while (done < size) {
        uint8_t *room = (uint8_t *)bytes + done;
        ssize_t got = pread(file->descriptor, room, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_posix_status(errno);
        if (got == 0)
            break; // the end of the file
        done += (size_t)got;
    }
    *ret_size = done;
    return STATUS_ok;
}

static enum status disk_posix_put(int descriptor, uint64_t offset, struct slice bytes) {
    size_t done = 0;
    while (done < bytes.size) {
        struct slice left = slice_of(bytes.bytes + done, bytes.size - done);
        ssize_t put = pwrite(descriptor, left.bytes, left.size, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? disk_posix_status(errno) : STATUS_disk_failed;
        done += (size_t)put;
    }
    return STATUS_ok;
}

static enum status disk_posix_write(struct disk_file *port, uint64_t offset, struct slice bytes) {
    return disk_posix_put(disk_posix_file_of(port)->descriptor, offset, bytes);
}

// Not every file system has direct writes (tmpfs has none); the cache does then.
static int disk_posix_direct(struct disk_posix_file *file) {
    char path[32];
    if (file->direct_was_tried)
        return file->direct;
    file->direct_was_tried = true;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file->descriptor);
    file->direct = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
    return file->direct;
}

static enum status disk_posix_write_past_cache(struct disk_file *port, uint64_t offset,
                                               struct slice bytes) {
    CHECK(offset % 4096 == 0 && bytes.size % 4096 == 0);
    CHECK((uintptr_t)bytes.bytes % 4096 == 0);
    struct disk_posix_file *file = disk_posix_file_of(port);
    int direct = disk_posix_direct(file);
    if (direct < 0)
        return disk_posix_write(port, offset, bytes);
    enum status status = disk_posix_put(direct, offset, bytes);
    // A device with larger blocks refuses; the cache takes any size.
    return status == STATUS_disk_failed && errno == EINVAL ? disk_posix_write(port, offset, bytes)
                                                           : status;
}

static enum status disk_posix_allocate(struct disk_file *port, uint64_t offset, uint64_t size) {
    struct disk_posix_file *file = disk_posix_file_of(port);
    int error;
    // Where the file system cannot, the library touches every block.
    do
        error = posix_fallocate(file->descriptor, (off_t)offset, (off_t)size);
    while (error == EINTR);
    errno = error; // it does not set it
    return error == 0 ? STATUS_ok : disk_posix_status(error);
}

static enum status disk_posix_truncate(struct disk_file *port, uint64_t size) {
    struct disk_posix_file *file = disk_posix_file_of(port);
    while (ftruncate(file->descriptor, (off_t)size) != 0)
        if (errno != EINTR)
            return disk_posix_status(errno);
    return STATUS_ok;
}

static enum status disk_posix_sync(struct disk_file *port) {
    struct disk_posix_file *file = disk_posix_file_of(port);
    // fdatasync also writes the size when reading back needs it.
    while (fdatasync(file->descriptor) != 0)
        if (errno != EINTR)
            return disk_posix_status(errno);
    return STATUS_ok;
}

static enum status disk_posix_map(struct disk_file *port, uint64_t size,
                                  const uint8_t **ret_bytes) {
    static const uint8_t nothing[1] = {0};
    struct disk_posix_file *file = disk_posix_file_of(port);
    uint64_t file_bytes;
    enum status status = disk_posix_size(port, &file_bytes);
    if (status != STATUS_ok)
        return status;
    // Touching a page behind the end would kill the process.
    if (size > file_bytes) {
        errno = EINVAL;
        return STATUS_disk_failed;
    }
    if (size == 0) {
        *ret_bytes = nothing;
        return STATUS_ok;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (bytes == MAP_FAILED)
        return disk_posix_status(errno);
    struct disk_posix_mapping *mapping = memory_take(sizeof(*mapping));
    (void)pthread_mutex_lock(&file->mapping_lock); // fails only for mutexes of other kinds
    *mapping = (struct disk_posix_mapping){.next = file->mappings, .bytes = bytes, .size = size};
    file->mappings = mapping;
    (void)pthread_mutex_unlock(&file->mapping_lock);
    *ret_bytes = bytes;
    return STATUS_ok;
}

static enum status disk_posix_map_over(struct disk_file *port, uint64_t offset, size_t size,
                                       void *address) {
    struct disk_posix_file *file = disk_posix_file_of(port);
    uint64_t file_bytes;
    enum status status = disk_posix_size(port, &file_bytes);
    if (status != STATUS_ok)
        return status;
    if (offset > file_bytes || size > file_bytes - offset) {
        errno = EINVAL;
        return STATUS_disk_failed;
    }
    void *bytes = mmap(address, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file->descriptor, (off_t)offset);
    return bytes == address ? STATUS_ok : disk_posix_status(errno);
}

static enum status disk_posix_rename(struct disk *port, const char *from, const char *to) {
    struct disk_posix *disk = disk_posix_of(port);
    enum status status = disk_posix_make_folder_of(disk, to);
    if (status != STATUS_ok)
        return status;
    if (renameat(disk->folder, from, disk->folder, to) != 0)
        return disk_posix_status(errno);
    // The new name first: for a moment both is safer than neither.
    status = disk_posix_sync_folder_of(disk, to);
    return status != STATUS_ok ? status : disk_posix_sync_folder_of(disk, from);
}

static enum status disk_posix_remove(struct disk *port, const char *name) {
    struct disk_posix *disk = disk_posix_of(port);
    if (unlinkat(disk->folder, name, 0) != 0)
        return errno == ENOENT ? STATUS_ok : disk_posix_status(errno);
    return disk_posix_sync_folder_of(disk, name);
}

static enum status disk_posix_sync_folder(struct disk *port) {
    return disk_posix_sync_descriptor(disk_posix_of(port)->folder);
}

struct disk_posix_names {
    char **names; // owned, each owned
    size_t count;
    size_t capacity;
};

static void disk_posix_names_add(struct disk_posix_names *names, const char *sub_folder,
                                 const char *name) {
    size_t sub_folder_size = strlen(sub_folder);
    size_t name_size = strlen(name);
    size_t separator_size = sub_folder_size == 0 ? 0 : 1;
    char *whole = memory_take(sub_folder_size + separator_size + name_size + 1);
    memcpy(whole, sub_folder, sub_folder_size);
    memcpy(whole + sub_folder_size, "/", separator_size);
    memcpy(whole + sub_folder_size + separator_size, name, name_size + 1);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        names->names = memory_resize(names->names, names->capacity * sizeof(*names->names));
    }
    names->names[names->count++] = whole;
}

static int disk_posix_names_compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Adds the regular files of a folder, and those of its sub-folders when it is the disk's own.
static enum status disk_posix_names_read(int parent, const char *sub_folder,
                                         struct disk_posix_names *names) {
    bool is_top = sub_folder[0] == '\0';
    int descriptor = openat(parent, is_top ? "." : sub_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return disk_posix_status(errno);
    DIR *folder = fdopendir(descriptor); // owns the descriptor from here on
    if (folder == NULL) {
        disk_posix_close_quietly(descriptor);
        return STATUS_disk_failed;
    }
    enum status status = STATUS_ok;
    struct dirent *entry;
    for (errno = 0; status == STATUS_ok && (entry = readdir(folder)) != NULL; errno = 0) {
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(descriptor, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
            status = errno == ENOENT ? STATUS_ok : disk_posix_status(errno); // gone meanwhile
        else if (S_ISREG(facts.st_mode))
            disk_posix_names_add(names, sub_folder, entry->d_name);
        else if (S_ISDIR(facts.st_mode) && is_top)
            status = disk_posix_names_read(descriptor, entry->d_name, names);
    }
    if (status == STATUS_ok && errno != 0)
        status = disk_posix_status(errno);
    int error = errno;
    (void)closedir(folder);
    errno = error;
    return status;
}

static enum status disk_posix_list(struct disk *port,
                                   void (*found)(void *context, const char *name), void *context) {
    struct disk_posix_names names = {0};
    enum status status = disk_posix_names_read(disk_posix_of(port)->folder, "", &names);
    if (names.count != 0)
        qsort(names.names, names.count, sizeof(*names.names), disk_posix_names_compare);
    for (size_t i = 0; i < names.count; i++) {
        if (status == STATUS_ok)
            found(context, names.names[i]);
        memory_free(names.names[i]);
    }
    memory_free(names.names);
    return status;
}

static enum status disk_posix_free_bytes(struct disk *port, uint64_t *ret_bytes) {
    struct statvfs facts;
    while (fstatvfs(disk_posix_of(port)->folder, &facts) != 0)
        if (errno != EINTR)
            return disk_posix_status(errno);
    *ret_bytes = (uint64_t)facts.f_bavail * facts.f_frsize;
    return STATUS_ok;
}

static void disk_posix_done(struct disk *port) {
    if (port == NULL)
        return;
    struct disk_posix *disk = disk_posix_of(port);
    disk_posix_close_quietly(disk->folder);
    memory_free(disk);
}

static const struct disk_driver disk_posix_driver = {
    .open = disk_posix_open_file,
    .close = disk_posix_close,
    .size = disk_posix_size,
    .read = disk_posix_read,
    .write = disk_posix_write,
    .write_past_cache = disk_posix_write_past_cache,
    .allocate = disk_posix_allocate,
    .truncate = disk_posix_truncate,
    .sync = disk_posix_sync,
    .map = disk_posix_map,
    .map_over = disk_posix_map_over,
    .rename = disk_posix_rename,
    .remove = disk_posix_remove,
    .sync_folder = disk_posix_sync_folder,
    .list = disk_posix_list,
    .free_bytes = disk_posix_free_bytes,
    .done = disk_posix_done,
};

enum status disk_posix_open(const char *folder, struct disk **ret_disk) {
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return disk_posix_status(errno);
    struct disk_posix *disk = memory_take_zeroed(sizeof(*disk));
    disk->port.driver = &disk_posix_driver;
    disk->folder = descriptor;
    *ret_disk = &disk->port;
    return STATUS_ok;
}
