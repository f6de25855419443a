// SPDX-License-Identifier: MIT
// A chunk is copied, written, synced, and then the file is laid over its place. Whoever reads there
// meanwhile reads the same bytes before and after.
#include "engine/embedded/ended.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "engine/embedded/state/state.h"

#define PAGE_BYTES 4096
#define SYNC_BYTES (UINT64_C(4) << 20) // a sync of the journal never waits behind a long one

static bool hold_is_over(const void *bytes) {
    const struct hold_item *item = bytes;
    return !id_is_zero(item->hold.id) && item->hold.status != HOLD_OPEN;
}

static void hold_calm(void *bytes) {
    struct hold_item *item = bytes;
    CHECK(item->listed == 0);
    item->sequence = item->next = item->previous = 0;
}

static bool withdrawal_is_over(const void *bytes) {
    const struct withdrawal_item *item = bytes;
    return !id_is_zero(item->withdrawal.id) && item->withdrawal.status != WITHDRAWAL_PENDING;
}

static void withdrawal_calm(void *bytes) {
    ((struct withdrawal_item *)bytes)->sequence = 0;
}

const struct ended_kind ended_kind_holds = {.name = "ended.holds",
                                       .sequence_offset = offsetof(struct hold_item, sequence),
                                       .is_over = hold_is_over,
                                       .calm = hold_calm};
const struct ended_kind ended_kind_withdrawals = {
    .name = "ended.withdrawals",
    .sequence_offset = offsetof(struct withdrawal_item, sequence),
    .is_over = withdrawal_is_over,
    .calm = withdrawal_calm};

static uint64_t chunk_bytes(const struct ended *ended) {
    return (uint64_t)ENDED_CHUNK_ITEMS * ended->table->item_bytes;
}

static uint8_t *place_of(const struct ended *ended, uint32_t chunk) {
    return ended->table->bytes + chunk * chunk_bytes(ended);
}

void ended_init(struct ended *ended, const struct ended_kind *kind, const struct table *table) {
    CHECK((uint64_t)ENDED_CHUNK_ITEMS * table->item_bytes % PAGE_BYTES == 0);
    CHECK((uintptr_t)table->bytes % PAGE_BYTES == 0);
    *ended = (struct ended){.kind = kind, .table = table};
}

void ended_done(struct ended *ended) {
    if (ended->file != NULL)
        ended->file->driver->close(ended->file);
    memory_free(ended->places);
    memory_free(ended->crcs);
    memory_free(ended->seen);
    *ended = (struct ended){.kind = ended->kind, .table = ended->table};
}

void ended_forget(struct ended *ended) {
    ended_done(ended);
}

// Room for the chunks of so many items.
static void grow(struct ended *ended, uint32_t items) {
    uint32_t before = ended->capacity, wanted = items / ENDED_CHUNK_ITEMS;
    if (wanted <= before)
        return;
    wanted = wanted < before * 2 ? before * 2 : wanted;
    ended->places = memory_resize(ended->places, wanted * sizeof(*ended->places));
    ended->crcs = memory_resize(ended->crcs, wanted * sizeof(*ended->crcs));
    ended->seen = memory_resize(ended->seen, wanted * sizeof(*ended->seen));
    memset(ended->places + before, ENDED_IN_MEMORY, (wanted - before) * sizeof(*ended->places));
    memset(ended->crcs + before, 0, (wanted - before) * sizeof(*ended->crcs));
    memset(ended->seen + before, 0, (wanted - before) * sizeof(*ended->seen));
    ended->capacity = wanted;
}

uint32_t ended_stretch(const struct ended *ended, uint32_t index, uint32_t end) {
    bool is_away = ended_is_away(ended, index);
    uint64_t next = index;
    do
        next = (next / ENDED_CHUNK_ITEMS + 1) * ENDED_CHUNK_ITEMS;
    while (next < end && ended_is_away(ended, (uint32_t)next) == is_away);
    return next < end ? (uint32_t)next : end;
}

uint64_t ended_memory_bytes(const struct ended *ended) {
    uint64_t away = __atomic_load_n(&ended->away_count, __ATOMIC_RELAXED);
    return (table_count(ended->table) - away * ENDED_CHUNK_ITEMS) * ended->table->item_bytes;
}

static bool is_away(const struct ended *ended, uint32_t chunk) {
    return chunk < ended->capacity && ended->places[chunk] == ENDED_AWAY;
}

static void note_away(struct ended *ended, uint32_t chunk, uint32_t crc) {
    CHECK(!is_away(ended, chunk));
    int neighbours = (chunk > 0 && is_away(ended, chunk - 1)) + is_away(ended, chunk + 1);
    ended->stretch_count += 1 - (uint32_t)neighbours;
    ended->places[chunk] = ENDED_AWAY;
    ended->crcs[chunk] = crc;
    __atomic_store_n(&ended->away_count, ended->away_count + 1, __ATOMIC_RELAXED);
}

// ---- leaving ------------------------------------------------------------------------------------

static bool copy_item(const struct ended *ended, uint32_t index, void *ret_item) {
    table_copy(ended->table, index, ended->kind->sequence_offset, ret_item);
    return ended->kind->is_over(ret_item);
}

static bool chunk_is_over(const struct ended *ended, uint32_t chunk, void *item) {
    uint32_t first = chunk * ENDED_CHUNK_ITEMS;
    for (uint32_t i = first == 0 ? 1 : first; i < first + ENDED_CHUNK_ITEMS; i++)
        if (!copy_item(ended, i, item))
            return false;
    return true;
}

void ended_look(struct ended *ended) {
    uint32_t count = table_count(ended->table);
    uint64_t *item = memory_take(ended->table->item_bytes);
    grow(ended, count);
    for (uint32_t chunk = 0; chunk < count / ENDED_CHUNK_ITEMS; chunk++)
        if (ended->places[chunk] == ENDED_IN_MEMORY && chunk_is_over(ended, chunk, item)) {
            ended->places[chunk] = ENDED_SEEN;
            ended->seen[chunk] = 0;
        }
    memory_free(item);
}

void ended_note(struct ended *ended, uint64_t end) {
    for (uint32_t chunk = 0; chunk < ended->capacity; chunk++)
        if (ended->places[chunk] == ENDED_SEEN && ended->seen[chunk] == 0)
            ended->seen[chunk] = end;
}

static enum status chunk_write(struct ended *ended, uint32_t chunk, uint8_t *bytes) {
    uint32_t first = chunk * ENDED_CHUNK_ITEMS, size = ended->table->item_bytes;
    for (uint32_t i = 0; i < ENDED_CHUNK_ITEMS; i++) {
        uint8_t *item = bytes + (size_t)i * size;
        if (first + i == 0) {
            memset(item, 0, size);
            continue;
        }
        CHECK(copy_item(ended, first + i, item)); // what is over stays over
        ended->kind->calm(item);
    }
    struct slice whole = slice_of(bytes, chunk_bytes(ended));
    ended->crcs[chunk] = crc32c(whole);
    ended->places[chunk] = ENDED_WRITTEN;
    return ended->file->driver->write(ended->file, chunk * chunk_bytes(ended), whole);
}

// Those that go now. Few long stretches rather than many short ones.
static bool chunk_goes(const struct ended *ended, uint32_t chunk, uint64_t landmark,
                       uint32_t stretches) {
    return ended->places[chunk] == ENDED_SEEN && ended->seen[chunk] != 0 &&
           ended->seen[chunk] <= landmark &&
           (stretches < ENDED_STRETCHES_MAX || (chunk > 0 && is_away(ended, chunk - 1)));
}

static enum status write_all(struct ended *ended, uint64_t landmark) {
    uint8_t *bytes = memory_take(chunk_bytes(ended));
    uint64_t unsynced = 0;
    uint32_t stretches = ended->stretch_count;
    enum status status = STATUS_ok;
    for (uint32_t chunk = 0; status == STATUS_ok && chunk < ended->capacity; chunk++) {
        if (!chunk_goes(ended, chunk, landmark, stretches))
            continue;
        stretches += chunk == 0 || ended->places[chunk - 1] < ENDED_WRITTEN;
        status = chunk_write(ended, chunk, bytes);
        unsynced += chunk_bytes(ended);
        if (status == STATUS_ok && unsynced >= SYNC_BYTES) {
            status = ended->file->driver->sync(ended->file);
            unsynced = 0;
        }
    }
    if (status == STATUS_ok && unsynced != 0)
        status = ended->file->driver->sync(ended->file);
    memory_free(bytes);
    return status;
}

static enum status lay_over(struct ended *ended, uint32_t chunk) {
    return ended->file->driver->map_over(ended->file, chunk * chunk_bytes(ended),
                                         chunk_bytes(ended), place_of(ended, chunk));
}

enum status ended_leave(struct ended *ended, struct disk *disk, uint64_t landmark) {
    bool any = false;
    for (uint32_t chunk = 0; chunk < ended->capacity && !any; chunk++)
        any = chunk_goes(ended, chunk, landmark, ended->stretch_count);
    if (!any)
        return STATUS_ok;
    enum status status = STATUS_ok;
    if (ended->file == NULL)
        status = disk->driver->open(disk, ended->kind->name, true, &ended->file);
    if (status == STATUS_ok)
        status = write_all(ended, landmark);
    for (uint32_t chunk = 0; chunk < ended->capacity; chunk++) {
        if (ended->places[chunk] != ENDED_WRITTEN)
            continue;
        ended->places[chunk] = ENDED_SEEN; // the next checkpoint tries again
        if (status == STATUS_ok)
            status = lay_over(ended, chunk);
        if (status == STATUS_ok)
            note_away(ended, chunk, ended->crcs[chunk]);
    }
    return status;
}

uint32_t ended_chunks(const struct ended *ended, struct ended_chunk *ret_chunks) {
    uint32_t count = 0;
    for (uint32_t chunk = 0; chunk < ended->capacity; chunk++)
        if (ended->places[chunk] == ENDED_AWAY)
            ret_chunks[count++] =
                (struct ended_chunk){.number = chunk, .crc = ended->crcs[chunk]};
    CHECK(count == ended->away_count);
    return count;
}

// ---- coming back --------------------------------------------------------------------------------

static enum status chunk_load(struct ended *ended, const struct ended_chunk *chunk) {
    uint64_t end = (chunk->number + UINT64_C(1)) * chunk_bytes(ended), size;
    enum status status = ended->file->driver->size(ended->file, &size);
    if (status == STATUS_ok && size < end)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        status = lay_over(ended, chunk->number);
    if (status == STATUS_ok &&
        crc32c(slice_of(place_of(ended, chunk->number), chunk_bytes(ended))) != chunk->crc)
        status = STATUS_damaged;
    if (status == STATUS_ok)
        note_away(ended, chunk->number, chunk->crc);
    return status;
}

enum status ended_load(struct ended *ended, struct disk *disk, const struct ended_chunk *chunks,
                       uint32_t count) {
    enum status status = STATUS_ok;
    uint32_t whole = table_count(ended->table) / ENDED_CHUNK_ITEMS;
    CHECK(ended->away_count == 0);
    if (count == 0)
        return STATUS_ok;
    grow(ended, table_count(ended->table));
    if (ended->file == NULL)
        status = disk->driver->open(disk, ended->kind->name, false, &ended->file);
    for (uint32_t i = 0; status == STATUS_ok && i < count; i++) {
        bool is_next =
            chunks[i].number < whole && (i == 0 || chunks[i].number > chunks[i - 1].number);
        status = is_next ? chunk_load(ended, &chunks[i]) : STATUS_damaged;
    }
    return status == STATUS_not_found ? STATUS_damaged : status;
}
