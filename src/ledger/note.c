// SPDX-License-Identifier: MIT
// The codec of notes; their bytes stand in note.h.
#include "ledger/note.h"

#include "base/check.h"
#include "base/limits.h"

struct note_bytes {
    uint16_t size;
    uint8_t status, flags, role, resource_type;
    uint16_t zero;
    uint64_t at_ms, until_ms;
    uint32_t count, zero_wide;
    uint8_t address[16];
    struct id resource;
    uint8_t operation_bytes, principal_bytes, request_id_bytes, zero_last;
};
#define FIXED_BYTES 68
static_assert(offsetof(struct note_bytes, operation_bytes) == 64, "as drawn in note.h");
static_assert(NOTE_BYTES_MAX >= FIXED_BYTES + 63 + 255 + 255 + 8, "any note fits");
static_assert(NOTES_BYTES_MAX < LIMIT_RECORD_BYTES_MAX - 1024, "notes fit a record");

void note_encode(const struct note *note, struct buffer *buffer) {
    const struct origin *origin = &note->origin;
    CHECK(note->count >= 1 && note->until_ms >= note->at_ms && note->status < STATUS_COUNT);
    CHECK(note->operation.size <= NOTE_OPERATION_BYTES && origin->principal.size <= 255 &&
          origin->request_id.size <= 255);
    size_t texts = note->operation.size + origin->principal.size + origin->request_id.size;
    size_t size = (FIXED_BYTES + texts + 7) / 8 * 8;
    uint8_t *place = buffer_room(buffer, size);
    memset(place, 0, size);
    struct note_bytes bytes = {
        .size = (uint16_t)size,
        .status = note->status,
        .flags = note->replayed,
        .role = origin->role,
        .resource_type = note->resource_type,
        .at_ms = note->at_ms,
        .until_ms = note->until_ms,
        .count = note->count,
        .resource = note->resource,
        .operation_bytes = (uint8_t)note->operation.size,
        .principal_bytes = (uint8_t)origin->principal.size,
        .request_id_bytes = (uint8_t)origin->request_id.size,
    };
    memcpy(bytes.address, origin->address, sizeof(bytes.address));
    memcpy(place, &bytes, FIXED_BYTES);
    buffer->size += FIXED_BYTES;
    buffer_add_slice(buffer, note->operation);
    buffer_add_slice(buffer, origin->principal);
    buffer_add_slice(buffer, origin->request_id);
    buffer->size += size - FIXED_BYTES - texts;
}

size_t note_size(struct slice notes) {
    uint16_t size;
    if (notes.size < FIXED_BYTES)
        return 0;
    memcpy(&size, notes.bytes, sizeof(size));
    return size % 8 == 0 && size >= FIXED_BYTES && size <= notes.size ? size : 0;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static struct slice take(const uint8_t **place, size_t size) {
    struct slice text = slice_of(*place, size);
    *place += size;
    return text;
}

bool note_next(struct slice *rest, struct note *ret_note) {
    struct note_bytes bytes = {0};
    size_t size = note_size(*rest);
    if (size == 0)
        return false;
    memcpy(&bytes, rest->bytes, FIXED_BYTES);
    size_t texts =
        (size_t)bytes.operation_bytes + bytes.principal_bytes + bytes.request_id_bytes;
    if (FIXED_BYTES + texts > size || size - FIXED_BYTES - texts > 7 ||
        !is_zero(rest->bytes + FIXED_BYTES + texts, size - FIXED_BYTES - texts))
        return false;
    if (bytes.status >= STATUS_COUNT || bytes.flags > 1 || bytes.resource_type >= ID_TYPE_COUNT ||
        bytes.zero != 0 || bytes.zero_wide != 0 || bytes.zero_last != 0 || bytes.count == 0 ||
        bytes.until_ms < bytes.at_ms || bytes.operation_bytes > NOTE_OPERATION_BYTES)
        return false;
    *ret_note = (struct note){
        .at_ms = bytes.at_ms,
        .until_ms = bytes.until_ms,
        .count = bytes.count,
        .status = bytes.status,
        .replayed = bytes.flags == 1,
        .resource_type = bytes.resource_type,
        .resource = bytes.resource,
        .origin = {.role = bytes.role},
    };
    memcpy(ret_note->origin.address, bytes.address, sizeof(bytes.address));
    const uint8_t *place = rest->bytes + FIXED_BYTES;
    ret_note->operation = take(&place, bytes.operation_bytes);
    ret_note->origin.principal = take(&place, bytes.principal_bytes);
    ret_note->origin.request_id = take(&place, bytes.request_id_bytes);
    *rest = slice_of(rest->bytes + size, rest->size - size);
    return true;
}

uint32_t notes_count(struct slice notes) {
    struct note note;
    uint32_t count = 0;
    while (note_next(&notes, &note))
        count++;
    return notes.size == 0 ? count : 0;
}
