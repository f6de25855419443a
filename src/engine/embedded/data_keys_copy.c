// SPDX-License-Identifier: MIT
// Slots that do not hold were never needed, or were being destroyed: they are left out.
#include "engine/embedded/data_keys_copy.h"

#include <string.h>

#include "base/memory.h"
#include "engine/embedded/data_keys_file.h"

void data_keys_copy_add(struct data_keys_copy *copy, const struct vault_key *key,
                        bool is_destroyed) {
    if (copy->count == copy->capacity) {
        copy->capacity = copy->capacity * 2 + 64;
        copy->keys = memory_resize(copy->keys, copy->capacity * sizeof(*copy->keys));
        copy->destroyed = memory_resize(copy->destroyed, copy->capacity);
    }
    CHECK(key->number != 0 && copy->count < UINT32_MAX - 1);
    copy->keys[copy->count] = *key;
    copy->destroyed[copy->count++] = is_destroyed;
}

void data_keys_copy_done(struct data_keys_copy *copy) {
    memory_free(copy->keys);
    memory_free(copy->destroyed);
    *copy = (struct data_keys_copy){0};
}

static enum status read_all(struct disk_file *file, uint64_t offset, void *bytes, size_t size) {
    size_t got = 0;
    enum status status = file->driver->read(file, offset, bytes, size, &got);
    return status == STATUS_ok && got != size ? STATUS_damaged : status;
}

static enum status read_slots(struct disk_file *file, uint32_t moved,
                              struct data_keys_copy *copy) {
    uint64_t bytes;
    enum status status = file->driver->size(file, &bytes);
    uint64_t count = status == STATUS_ok ? bytes / sizeof(struct slot) : 0;
    for (uint64_t i = 1; status == STATUS_ok && i < count; i++) {
        struct slot slot;
        status = read_all(file, i * sizeof(slot), &slot, sizeof(slot));
        bool holds = status == STATUS_ok && slot_holds(&slot, i, moved) &&
                     (slot.state == SLOT_IN_USE || slot.state == SLOT_DESTROYED);
        if (holds)
            data_keys_copy_add(copy, &slot.key, slot.state == SLOT_DESTROYED);
    }
    return status;
}

enum status data_keys_copy_read(struct disk *disk, struct data_keys_copy *ret_copy) {
    struct head_bytes head;
    struct disk_file *file = NULL;
    *ret_copy = (struct data_keys_copy){0};
    enum status status = disk->driver->open(disk, DATA_KEYS_NAME, false, &file);
    if (status != STATUS_ok)
        return status;
    status = read_all(file, 0, &head, sizeof(head));
    if (status == STATUS_ok && !head_holds(&head))
        status = STATUS_damaged;
    if (status == STATUS_ok) {
        ret_copy->plain_until_ms = head.plain_until_ms;
        memcpy(ret_copy->proof, head.proof, sizeof(head.proof));
        status = read_slots(file, head.moved, ret_copy);
    }
    file->driver->close(file);
    if (status != STATUS_ok)
        data_keys_copy_done(ret_copy);
    return status;
}

enum status data_keys_copy_write(struct disk *disk, const struct data_keys_copy *copy) {
    struct disk_file *file = NULL;
    struct head_bytes head = {
        .version = 1, .plain_until_ms = copy->plain_until_ms, .moved = copy->count};
    memcpy(head.magic, data_keys_magic, sizeof(data_keys_magic));
    memcpy(head.proof, copy->proof, sizeof(head.proof));
    head.crc = head_crc(&head);
    enum status status = disk->driver->open(disk, DATA_KEYS_NAME, true, &file);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(&head, sizeof(head)));
    for (uint32_t i = 0; status == STATUS_ok && i < copy->count; i++) {
        struct slot slot = {.state = copy->destroyed[i] ? SLOT_DESTROYED : SLOT_IN_USE,
                            .key = copy->keys[i]};
        if (copy->destroyed[i])
            memset(slot.key.wrapped, 0, sizeof(slot.key.wrapped));
        slot.crc = slot_crc(&slot);
        status = file->driver->write(file, (i + UINT64_C(1)) * sizeof(slot),
                                     slice_of(&slot, sizeof(slot)));
    }
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    if (file != NULL)
        file->driver->close(file);
    return status == STATUS_ok ? disk->driver->sync_folder(disk) : status;
}
