// SPDX-License-Identifier: MIT
// Items are packed as they are read from the table, without a copy between.
#include "engine/embedded/checkpoint/checkpoint_sparse.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define WORDS_MAX        64
#define READ_CHUNK_BYTES (1u << 20)
static_assert(READ_CHUNK_BYTES > (WORDS_MAX + 1) * sizeof(uint64_t), "an item fits");

// Returns how many words it wrote. See table_copy for what the thread sanitizer is told.
__attribute__((no_sanitize("thread")))
static uint32_t item_pack(const struct table *table, uint32_t index, uint32_t sequence_offset,
                          uint64_t ret_words[WORDS_MAX + 2]) {
    const uint64_t *item = (const uint64_t *)table_at(table, index);
    const uint32_t *sequence = (const uint32_t *)((const uint8_t *)item + sequence_offset);
    uint32_t words = table->item_bytes / sizeof(*item);
    for (;; sched_yield()) {
        uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE), used = 1;
        uint64_t which = 0;
        if (before % 2 != 0)
            continue;
        for (uint32_t i = 0; i < words; i++) {
            uint64_t word = __atomic_load_n(&item[i], __ATOMIC_RELAXED);
            ret_words[used] = word; // one that is 0 is written over
            which |= (uint64_t)(word != 0) << i;
            used += word != 0;
        }
        ret_words[0] = which;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(sequence, __ATOMIC_RELAXED) == before)
            return used;
    }
}

static enum status chunk_write(struct disk_file *file, uint64_t *offset, const uint8_t *chunk,
                               size_t used, struct sparse_section *section) {
    struct slice bytes = slice_of(chunk, used);
    if (used == 0)
        return STATUS_ok;
    enum status status = file->driver->write(file, *offset, bytes);
    section->crc = crc32c_extend(section->crc, bytes);
    section->bytes += used;
    *offset += used;
    return status;
}

enum status sparse_write(struct disk_file *file, uint64_t *offset, uint8_t *chunk,
                         size_t chunk_bytes, const struct table *table, uint32_t count,
                         uint32_t sequence_offset, struct sparse_section *ret_section) {
    uint64_t words[WORDS_MAX + 2];
    size_t used = 0;
    enum status status = STATUS_ok;
    CHECK(table->item_bytes <= WORDS_MAX * sizeof(uint64_t) && chunk_bytes >= sizeof(words));
    *ret_section = (struct sparse_section){0};
    for (uint32_t i = 1; i < count && status == STATUS_ok; i++) {
        if (used + sizeof(words) > chunk_bytes) {
            status = chunk_write(file, offset, chunk, used, ret_section);
            used = 0;
        }
        size_t size = item_pack(table, i, sequence_offset, words) * sizeof(words[0]);
        memcpy(chunk + used, words, size);
        used += size;
    }
    return status == STATUS_ok ? chunk_write(file, offset, chunk, used, ret_section) : status;
}

// ---- reading ----------------------------------------------------------------------------------

struct unpacking {
    struct disk_file *file;
    uint64_t offset, left; // bytes that are not read yet
    uint8_t *bytes;        // READ_CHUNK_BYTES
    size_t begin, end;     // of what was read and is not taken
    uint32_t crc;
};

static enum status fill(struct unpacking *from) {
    size_t kept = from->end - from->begin, got = 0;
    memmove(from->bytes, from->bytes + from->begin, kept);
    size_t room = READ_CHUNK_BYTES - kept;
    size_t size = from->left < room ? (size_t)from->left : room;
    enum status status =
        from->file->driver->read(from->file, from->offset, from->bytes + kept, size, &got);
    if (status != STATUS_ok || got != size)
        return status != STATUS_ok ? status : STATUS_damaged;
    from->crc = crc32c_extend(from->crc, slice_of(from->bytes + kept, size));
    from->offset += size;
    from->left -= size;
    from->begin = 0;
    from->end = kept + size;
    return STATUS_ok;
}

static uint64_t take(struct unpacking *from) {
    uint64_t word;
    CHECK(from->end - from->begin >= sizeof(word));
    memcpy(&word, from->bytes + from->begin, sizeof(word));
    from->begin += sizeof(word);
    return word;
}

static enum status item_unpack(struct unpacking *from, uint64_t *item, uint32_t words) {
    size_t there = from->end - from->begin;
    if (there < (words + 1) * sizeof(*item) && from->left != 0) {
        enum status status = fill(from);
        if (status != STATUS_ok)
            return status;
        there = from->end - from->begin;
    }
    if (there < sizeof(*item))
        return STATUS_damaged;
    uint64_t which = take(from);
    if ((words < WORDS_MAX && which >> words != 0) ||
        there < (1 + (size_t)__builtin_popcountll(which)) * sizeof(*item))
        return STATUS_damaged;
    for (; which != 0; which &= which - 1)
        item[__builtin_ctzll(which)] = take(from);
    return STATUS_ok;
}

enum status sparse_read(struct disk_file *file, uint64_t *offset,
                        const struct sparse_section *section, struct table *table) {
    struct unpacking from = {.file = file,
                             .offset = *offset,
                             .left = section->bytes,
                             .bytes = memory_take(READ_CHUNK_BYTES)};
    uint32_t words = table->item_bytes / sizeof(uint64_t);
    enum status status = STATUS_ok;
    CHECK(words <= WORDS_MAX);
    for (uint32_t i = 1; i < table->count && status == STATUS_ok; i++)
        status = item_unpack(&from, (uint64_t *)table_at(table, i), words);
    bool is_all = from.left == 0 && from.begin == from.end && from.crc == section->crc;
    memory_free(from.bytes);
    *offset += section->bytes;
    return status == STATUS_ok && !is_all ? STATUS_damaged : status;
}
