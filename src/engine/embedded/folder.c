// SPDX-License-Identifier: MIT
// The file "books", 64 bytes, little endian: magic (8), version (u32), CRC32C of what follows
// (u32), id (16), key of the id seal (16), seed of fingerprints (u64), time of birth (u64). Without
// it no id can be opened, so backups must have it.
//
// A note beside it, "moved", keeps servers away from books that have moved elsewhere. It says where
// to, for people.
#include "engine/embedded/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"

#define BOOKS_NAME     "books"
#define BOOKS_NEW_NAME "books.new"
#define MOVED_NAME     "moved"
static const char books_magic[8] = "florinbk";

struct books_file {
    char magic[8];
    uint32_t version;
    uint32_t crc;
    struct birth birth;
};
static_assert(sizeof(struct books_file) == 64, "the file has no padding");

enum status folder_lock(const char *folder, char *ret_why, size_t why_bytes, int *ret_file) {
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/lock", folder);
    CHECK(length > 0);
    if ((size_t)length >= sizeof(path)) {
        (void)snprintf(ret_why, why_bytes, "the folder's name is too long");
        return STATUS_invalid_request;
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        (void)snprintf(ret_why, why_bytes, "%s cannot be opened: %s", path, strerror(errno));
        return STATUS_disk_failed;
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(
            ret_why, why_bytes,
            "another florin has the data folder %s open; stop it first, or use another folder",
            folder);
        (void)close(file);
        return STATUS_busy;
    }
    *ret_file = file;
    return STATUS_ok;
}

void folder_unlock(int file) {
    if (file >= 0)
        (void)close(file);
}

// What lies in the folder already.
struct folder_content {
    bool has_segments, has_books, has_new_books, has_moved;
};

static void note_file(void *context, const char *name) {
    struct folder_content *content = context;
    size_t size = strlen(name);
    content->has_segments |=
        strncmp(name, "journal/", 8) == 0 && size > 8 && strcmp(name + size - 8, ".segment") == 0;
    content->has_books |= strcmp(name, BOOKS_NAME) == 0;
    content->has_new_books |= strcmp(name, BOOKS_NEW_NAME) == 0;
    content->has_moved |= strcmp(name, MOVED_NAME) == 0;
}

static enum status birth_make(struct disk *disk, uint64_t now_ms, struct birth *ret_birth) {
    struct books_file content = {.version = 1};
    struct disk_file *file = NULL;
    memcpy(content.magic, books_magic, sizeof(content.magic));
    random_fill(&content.birth.id, sizeof(content.birth.id));
    random_fill(content.birth.seal_key, sizeof(content.birth.seal_key));
    random_fill(&content.birth.hash_seed, sizeof(content.birth.hash_seed));
    content.birth.created_ms = now_ms;
    content.crc = crc32c(slice_of(&content.birth, sizeof(content.birth)));
    enum status status = disk->driver->open(disk, BOOKS_NEW_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = disk->driver->write(file, 0, slice_of(&content, sizeof(content)));
    if (status == STATUS_ok)
        status = disk->driver->sync(file);
    disk->driver->close(file);
    if (status == STATUS_ok)
        *ret_birth = content.birth;
    return status;
}

static enum status birth_read(struct disk *disk, const char *name, struct birth *ret_birth) {
    struct books_file content;
    struct disk_file *file = NULL;
    size_t size = 0;
    enum status status = disk->driver->open(disk, name, false, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->read(file, 0, &content, sizeof(content), &size);
    file->driver->close(file);
    if (status != STATUS_ok)
        return status;
    if (size != sizeof(content) || memcmp(content.magic, books_magic, sizeof(books_magic)) != 0 ||
        content.version != 1 ||
        content.crc != crc32c(slice_of(&content.birth, sizeof(content.birth))))
        return STATUS_damaged;
    *ret_birth = content.birth;
    return STATUS_ok;
}

enum status folder_birth_read(struct disk *disk, struct birth *ret_birth) {
    return birth_read(disk, BOOKS_NAME, ret_birth);
}

// ---- moved --------------------------------------------------------------------------------------

enum status folder_moved_write(struct disk *disk, const char *text) {
    struct disk_file *file = NULL;
    enum status status = disk->driver->open(disk, MOVED_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->truncate(file, 0);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(text, strlen(text)));
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    file->driver->close(file);
    return status == STATUS_ok ? disk->driver->sync_folder(disk) : status;
}

bool folder_moved_read(struct disk *disk, char ret_text[FOLDER_MOVED_BYTES]) {
    struct disk_file *file = NULL;
    size_t size = 0;
    ret_text[0] = '\0';
    if (disk->driver->open(disk, MOVED_NAME, false, &file) != STATUS_ok)
        return false;
    if (file->driver->read(file, 0, ret_text, FOLDER_MOVED_BYTES - 1, &size) != STATUS_ok)
        size = 0;
    file->driver->close(file);
    ret_text[size] = '\0';
    return true;
}

enum status folder_birth(struct disk *disk, uint64_t now_ms, char *ret_why, size_t why_bytes,
                         struct birth *ret_birth) {
    struct folder_content content = {0};
    enum status status = disk->driver->list(disk, note_file, &content);
    if (status == STATUS_ok && content.has_moved) {
        char text[FOLDER_MOVED_BYTES];
        (void)folder_moved_read(disk, text);
        (void)snprintf(ret_why, why_bytes,
                       "these books have moved to %s: serve them there. To come back to what was "
                       "here before, remove the file \"" MOVED_NAME "\"",
                       text);
        return STATUS_invalid_request;
    }
    if (status == STATUS_ok && content.has_books && !content.has_segments) {
        (void)snprintf(ret_why, why_bytes,
                       "the folder has the file \"books\" but no segment of a journal: "
                       "the journal is gone; restore it from a backup, or use an empty folder");
        return STATUS_damaged;
    }
    if (status == STATUS_ok && content.has_books)
        status = birth_read(disk, BOOKS_NAME, ret_birth);
    else if (status == STATUS_ok && content.has_segments && content.has_new_books)
        status = birth_read(disk, BOOKS_NEW_NAME, ret_birth); // a first start that was cut short
    else if (status == STATUS_ok && content.has_segments)
        status = STATUS_damaged;
    else if (status == STATUS_ok)
        status = birth_make(disk, now_ms, ret_birth);
    if (status != STATUS_ok)
        (void)snprintf(ret_why, why_bytes,
                       "the file \"books\" is gone or does not hold (%s); without it no id "
                       "can be opened: restore it from a backup",
                       status_name(status));
    return status;
}

enum status folder_settle(struct disk *disk) {
    struct folder_content content = {0};
    enum status status = disk->driver->list(disk, note_file, &content);
    if (status != STATUS_ok || content.has_books)
        return status;
    CHECK(content.has_segments && content.has_new_books);
    return disk->driver->rename(disk, BOOKS_NEW_NAME, BOOKS_NAME);
}
