// SPDX-License-Identifier: MIT
// When each API key was last used, for those who ask which keys may go. A record for every request
// would cost more than it tells, so the times live in memory, and the file "keys.used" carries them
// over a restart: it is written at a clean stop and every ten minutes while keys are used. What a
// crash takes away are minutes of that.
//
// The file, little endian: magic (8), count of entries (u32), CRC32C of the entries (u32), then for
// each key its id (16) and the time (u64, ms). It proves nothing, so one that does not hold is only
// forgotten.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/embedded/books.h"

#define USES_NAME       "keys.used"
#define USES_NEW_NAME   "keys.used.new"
#define USES_KEYS_MAX   (UINT32_C(1) << 20)
#define USES_EVERY_MS   (UINT64_C(10) * 60 * 1000)
static const char uses_magic[8] = "florinku";

struct uses_head {
    char magic[8];
    uint32_t count;
    uint32_t crc;
};
static_assert(sizeof(struct uses_head) == 16, "the head has no padding");

struct use {
    struct id key;
    uint64_t last_used_ms;
};
static_assert(sizeof(struct use) == 24, "an entry has no padding");

// The times that are known, into `ret_uses`; the newest of them in `ret_newest_ms`.
static uint32_t uses_collect(struct state *state, struct use *ret_uses, uint32_t count_max,
                             uint64_t *ret_newest_ms) {
    uint32_t count = 0;
    *ret_newest_ms = 0;
    for (uint32_t i = 0; i < state->key_count && count < count_max; i++) {
        const struct key_item *item = &state->key_items[i];
        uint64_t used_ms = __atomic_load_n(&item->last_used_ms, __ATOMIC_RELAXED);
        if (used_ms == 0)
            continue;
        ret_uses[count++] = (struct use){.key = state->keys[i].id, .last_used_ms = used_ms};
        *ret_newest_ms = used_ms > *ret_newest_ms ? used_ms : *ret_newest_ms;
    }
    return count;
}

static enum status uses_write(struct books *books, const struct use *uses, uint32_t count) {
    struct disk *disk = books->disk;
    struct disk_file *file = NULL;
    struct uses_head head = {.count = count, .crc = crc32c(slice_of(uses, count * sizeof(*uses)))};
    memcpy(head.magic, uses_magic, sizeof(head.magic));
    enum status status = disk->driver->open(disk, USES_NEW_NAME, true, &file);
    if (status != STATUS_ok)
        return status;
    status = file->driver->truncate(file, 0);
    if (status == STATUS_ok)
        status = file->driver->write(file, 0, slice_of(&head, sizeof(head)));
    if (status == STATUS_ok)
        status = file->driver->write(file, sizeof(head), slice_of(uses, count * sizeof(*uses)));
    if (status == STATUS_ok)
        status = file->driver->sync(file);
    file->driver->close(file);
    return status == STATUS_ok ? disk->driver->rename(disk, USES_NEW_NAME, USES_NAME) : status;
}

bool key_uses_are_due(const struct books *books, uint64_t now_ms) {
    return now_ms >= books->key_uses_written_ms + USES_EVERY_MS;
}

void key_uses_write(struct books *books) {
    struct state *state = &books->state;
    uint64_t newest_ms;
    books->key_uses_written_ms = clock_now_ms();
    CHECK(pthread_rwlock_rdlock(&state->keys_lock) == 0);
    uint32_t count_max = state->key_count < USES_KEYS_MAX ? state->key_count : USES_KEYS_MAX;
    struct use *uses = memory_take_zeroed((count_max + 1) * sizeof(*uses));
    uint32_t count = uses_collect(state, uses, count_max, &newest_ms);
    CHECK(pthread_rwlock_unlock(&state->keys_lock) == 0);
    if (count != 0 && newest_ms > books->key_uses_newest_ms) {
        enum status status = uses_write(books, uses, count);
        if (status == STATUS_ok)
            books->key_uses_newest_ms = newest_ms;
        else
            log_line(LOG_WARNING, "keys", "when they were last used could not be written (%s)",
                     status_name(status));
    }
    memory_free(uses);
}

static bool uses_take(struct books *books, struct slice bytes) {
    struct uses_head head;
    if (bytes.size < sizeof(head))
        return false;
    memcpy(&head, bytes.bytes, sizeof(head));
    struct slice entries = slice_of(bytes.bytes + sizeof(head), bytes.size - sizeof(head));
    if (memcmp(head.magic, uses_magic, sizeof(uses_magic)) != 0 || head.count > USES_KEYS_MAX ||
        entries.size != head.count * sizeof(struct use) || head.crc != crc32c(entries))
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        struct use use;
        memcpy(&use, entries.bytes + i * sizeof(use), sizeof(use));
        struct key_item *item = state_key_item(&books->state, use.key);
        if (item != NULL && item->last_used_ms < use.last_used_ms) // a checkpoint may know later
            item->last_used_ms = use.last_used_ms;
        if (use.last_used_ms > books->key_uses_newest_ms)
            books->key_uses_newest_ms = use.last_used_ms;
    }
    return true;
}

void key_uses_load(struct books *books) {
    struct disk *disk = books->disk;
    struct disk_file *file = NULL;
    uint64_t file_bytes = 0;
    size_t size = 0;
    books->key_uses_written_ms = clock_now_ms();
    if (disk->driver->open(disk, USES_NAME, false, &file) != STATUS_ok)
        return; // nothing was ever written
    uint8_t *bytes = NULL;
    bool holds = file->driver->size(file, &file_bytes) == STATUS_ok &&
                 file_bytes <= sizeof(struct uses_head) + USES_KEYS_MAX * sizeof(struct use);
    if (holds) {
        bytes = memory_take((size_t)file_bytes);
        holds = file->driver->read(file, 0, bytes, (size_t)file_bytes, &size) == STATUS_ok &&
                uses_take(books, slice_of(bytes, size));
    }
    if (!holds)
        log_line(LOG_WARNING, "keys", "%s does not hold; when keys were last used is forgotten",
                 USES_NAME);
    memory_free(bytes);
    file->driver->close(file);
}
