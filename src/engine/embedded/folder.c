// SPDX-License-Identifier: MIT
// The file "books", little endian: magic (8), version (u32), CRC32C of what follows (u32), id (16),
// key of the id seal (16), seed of fingerprints (u64), time of birth (u64). That is version 1, 64
// bytes. Version 2 is of books that were moved here, 104 bytes: behind the time of birth stand the
// time before which everything was made that moved (u64), and the chain that theirs goes on from
// (32). Without this file no id can be opened, so backups must have it.
//
// A note beside it, "moved", keeps servers away from books that have moved elsewhere. It says where
// to, for people. Another one, "moving", keeps them away from books that are still moving in: 40
// bytes, "florinmv", the id of the books that they come from, and the id that they have here.
#include "engine/embedded/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/embedded/data_keys_file.h"
#include "engine/embedded/key_uses_file.h"

#define BOOKS_NAME     "books"
#define BOOKS_NEW_NAME "books.new"
#define MOVED_NAME     "moved"
#define MOVING_NAME    "moving"
static const char books_magic[8] = "florinbk";

struct books_file {
    char magic[8];
    uint32_t version;
    uint32_t crc;
    struct birth birth;
};
static_assert(sizeof(struct books_file) == 64, "the file has no padding");

struct moved_books_file {
    struct books_file first;
    struct origin_of_books origin;
};
static_assert(sizeof(struct moved_books_file) == 104, "nor has that of version 2");

struct moving_file {
    char magic[8];
    struct folder_filling note;
};
static_assert(sizeof(struct moving_file) == 40, "nor this one");
static const char moving_magic[8] = "florinmv";

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
    bool has_segments, has_books, has_new_books, has_moved, has_moving;
};

static void note_file(void *context, const char *name) {
    struct folder_content *content = context;
    size_t size = strlen(name);
    content->has_segments |=
        strncmp(name, "journal/", 8) == 0 && size > 8 && strcmp(name + size - 8, ".segment") == 0;
    content->has_books |= strcmp(name, BOOKS_NAME) == 0;
    content->has_new_books |= strcmp(name, BOOKS_NEW_NAME) == 0;
    content->has_moved |= strcmp(name, MOVED_NAME) == 0;
    content->has_moving |= strcmp(name, MOVING_NAME) == 0;
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

static uint32_t crc_of(const struct moved_books_file *content, size_t size) {
    const size_t from = offsetof(struct books_file, birth);
    return crc32c(slice_of((const uint8_t *)content + from, size - from));
}

static enum status birth_read(struct disk *disk, const char *name, struct birth *ret_birth,
                              struct origin_of_books *ret_origin) {
    struct moved_books_file content = {0};
    struct disk_file *file = NULL;
    size_t size = 0;
    enum status status = disk->driver->open(disk, name, false, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->read(file, 0, &content, sizeof(content), &size);
    file->driver->close(file);
    if (status != STATUS_ok)
        return status;
    const struct books_file *first = &content.first;
    size_t expected = first->version == 1 ? sizeof(content.first) : sizeof(content);
    if (size < expected || memcmp(first->magic, books_magic, sizeof(books_magic)) != 0 ||
        first->version < 1 || first->version > 2 || first->crc != crc_of(&content, expected))
        return STATUS_damaged;
    *ret_birth = first->birth;
    *ret_origin = first->version == 1 ? (struct origin_of_books){0} : content.origin;
    return STATUS_ok;
}

enum status folder_birth_read(struct disk *disk, struct birth *ret_birth,
                              struct origin_of_books *ret_origin) {
    return birth_read(disk, BOOKS_NAME, ret_birth, ret_origin);
}

// ---- moving in ----------------------------------------------------------------------------------

static enum status write_file(struct disk *disk, const char *name, struct slice bytes) {
    struct disk_file *file = NULL;
    enum status status = disk->driver->open(disk, name, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->truncate(file, 0);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, bytes);
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    file->driver->close(file);
    return status == STATUS_ok ? disk->driver->sync_folder(disk) : status;
}

enum status folder_filling_write(struct disk *disk, const struct folder_filling *note) {
    struct moving_file content = {.note = *note};
    memcpy(content.magic, moving_magic, sizeof(content.magic));
    return write_file(disk, MOVING_NAME, slice_of(&content, sizeof(content)));
}

bool folder_filling_read(struct disk *disk, struct folder_filling *ret_note) {
    struct moving_file content;
    struct disk_file *file = NULL;
    size_t size = 0;
    if (disk->driver->open(disk, MOVING_NAME, false, &file) != STATUS_ok)
        return false;
    enum status status = file->driver->read(file, 0, &content, sizeof(content), &size);
    file->driver->close(file);
    if (status != STATUS_ok || size != sizeof(content) ||
        memcmp(content.magic, moving_magic, sizeof(moving_magic)) != 0)
        return false;
    *ret_note = content.note;
    return true;
}

enum status folder_filling_end(struct disk *disk) {
    return disk->driver->remove(disk, MOVING_NAME);
}

enum status folder_birth_write(struct disk *disk, const struct birth *birth,
                               const struct origin_of_books *origin) {
    struct moved_books_file content = {.first = {.version = 2, .birth = *birth},
                                       .origin = *origin};
    CHECK(origin->moved_ms != 0);
    memcpy(content.first.magic, books_magic, sizeof(books_magic));
    content.first.crc = crc_of(&content, sizeof(content));
    return write_file(disk, BOOKS_NAME, slice_of(&content, sizeof(content)));
}

#define FOUND_NAME_BYTES 256

struct emptying {
    char (*names)[FOUND_NAME_BYTES]; // owned
    uint32_t count, capacity;
    char other[FOUND_NAME_BYTES];
};

static void note_to_empty(void *context, const char *name) {
    struct emptying *emptying = context;
    static const char *const made[] = {"journal/",     "index/",   "checkpoint",   "ended.holds",
                                       "ended.withdrawals", BOOKS_NAME, DATA_KEYS_NAME,
                                       KEY_USES_NAME};
    if (strcmp(name, "lock") == 0 || strcmp(name, MOVING_NAME) == 0)
        return;
    bool is_made = false;
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        is_made |= strncmp(name, made[i], strlen(made[i])) == 0;
    if (!is_made || strlen(name) >= FOUND_NAME_BYTES) {
        (void)snprintf(emptying->other, sizeof(emptying->other), "%s", name);
        return;
    }
    if (emptying->count == emptying->capacity) {
        emptying->capacity = emptying->capacity * 2 + 64;
        emptying->names =
            memory_resize(emptying->names, emptying->capacity * sizeof(*emptying->names));
    }
    (void)snprintf(emptying->names[emptying->count++], FOUND_NAME_BYTES, "%s", name);
}

enum status folder_empty(struct disk *disk, bool is_ours, char *ret_why, size_t why_bytes) {
    struct emptying emptying = {0};
    enum status status = disk->driver->list(disk, note_to_empty, &emptying);
    if (!is_ours && emptying.count != 0 && emptying.other[0] == '\0')
        (void)snprintf(emptying.other, sizeof(emptying.other), "%s", emptying.names[0]);
    if (status == STATUS_ok && emptying.other[0] != '\0') {
        (void)snprintf(ret_why, why_bytes,
                       "the folder holds other things already (%s): books move into an empty one "
                       "only",
                       emptying.other);
        status = STATUS_invalid_request;
    } else if (status != STATUS_ok) {
        (void)snprintf(ret_why, why_bytes, "the folder cannot be read (%s)", status_name(status));
    }
    // The names end with the newest segments; without "books" nothing of the rest counts.
    for (uint32_t i = 0; status == STATUS_ok && i < emptying.count; i++)
        status = disk->driver->remove(disk, emptying.names[i]);
    memory_free(emptying.names);
    return status;
}

// ---- moved --------------------------------------------------------------------------------------

enum status folder_moved_write(struct disk *disk, const char *text) {
    return write_file(disk, MOVED_NAME, slice_of(text, strlen(text)));
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
                         struct birth *ret_birth, struct origin_of_books *ret_origin) {
    struct folder_content content = {0};
    enum status status = disk->driver->list(disk, note_file, &content);
    *ret_origin = (struct origin_of_books){0};
    if (status == STATUS_ok && content.has_moving) {
        (void)snprintf(ret_why, why_bytes,
                       "books are moving in here and are not whole yet: run the same `florin "
                       "migrate-engine` again, or remove the folder");
        return STATUS_invalid_request;
    }
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
        status = birth_read(disk, BOOKS_NAME, ret_birth, ret_origin);
    else if (status == STATUS_ok && content.has_segments && content.has_new_books)
        // A first start that was cut short.
        status = birth_read(disk, BOOKS_NEW_NAME, ret_birth, ret_origin);
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
