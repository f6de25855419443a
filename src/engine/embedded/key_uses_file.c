// SPDX-License-Identifier: MIT
// Written beside the old one and renamed, so that a crash leaves one of the two.
#include "engine/embedded/key_uses_file.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define NEW_NAME KEY_USES_NAME ".new"
static const char uses_magic[8] = "florinku";

struct uses_head {
    char magic[8];
    uint32_t count;
    uint32_t crc;
};
static_assert(sizeof(struct uses_head) == 16, "the head has no padding");

// The entries of a file that holds; without bytes: it does not.
static struct slice entries_of(struct slice bytes) {
    struct uses_head head;
    if (bytes.size < sizeof(head))
        return (struct slice){0};
    memcpy(&head, bytes.bytes, sizeof(head));
    struct slice entries = slice_of(bytes.bytes + sizeof(head), bytes.size - sizeof(head));
    bool holds = memcmp(head.magic, uses_magic, sizeof(uses_magic)) == 0 &&
                 head.count <= KEY_USES_MAX &&
                 entries.size == head.count * sizeof(struct key_use) && head.crc == crc32c(entries);
    return holds ? entries : (struct slice){0};
}

static enum status read_whole(struct disk_file *file, uint8_t **ret_bytes, size_t *ret_size) {
    uint64_t file_bytes = 0;
    enum status status = file->driver->size(file, &file_bytes);
    if (status != STATUS_ok ||
        file_bytes > sizeof(struct uses_head) + KEY_USES_MAX * sizeof(struct key_use))
        return STATUS_damaged;
    *ret_bytes = memory_take((size_t)file_bytes);
    status = file->driver->read(file, 0, *ret_bytes, (size_t)file_bytes, ret_size);
    return status == STATUS_ok ? STATUS_ok : STATUS_damaged;
}

enum status key_uses_file_read(struct disk *disk,
                               void (*each)(void *context, const struct key_use *use),
                               void *context) {
    struct disk_file *file = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct slice entries = {0};
    if (disk->driver->open(disk, KEY_USES_NAME, false, &file) != STATUS_ok)
        return STATUS_not_found;
    enum status status = read_whole(file, &bytes, &size);
    if (status == STATUS_ok)
        entries = entries_of(slice_of(bytes, size));
    if (status == STATUS_ok && entries.bytes == NULL)
        status = STATUS_damaged;
    for (size_t at = 0; at < entries.size; at += sizeof(struct key_use)) {
        struct key_use use;
        memcpy(&use, entries.bytes + at, sizeof(use));
        each(context, &use);
    }
    memory_free(bytes);
    file->driver->close(file);
    return status;
}

enum status key_uses_file_write(struct disk *disk, const struct key_use *uses, uint32_t count) {
    struct disk_file *file = NULL;
    struct uses_head head = {.count = count < KEY_USES_MAX ? count : KEY_USES_MAX};
    struct slice entries = slice_of(uses, head.count * sizeof(*uses));
    head.crc = crc32c(entries);
    memcpy(head.magic, uses_magic, sizeof(head.magic));
    enum status status = disk->driver->open(disk, NEW_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->truncate(file, 0);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(&head, sizeof(head)));
    if (status == STATUS_ok)
        status = file->driver->write(file, sizeof(head), entries);
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    file->driver->close(file);
    return status == STATUS_ok ? disk->driver->rename(disk, NEW_NAME, KEY_USES_NAME) : status;
}
