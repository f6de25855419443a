// SPDX-License-Identifier: MIT
// A growable run of bytes for building answers and records. Growing is amortised; `buffer_reset`
// keeps the memory, so a steady state allocates nothing.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

struct buffer {
    uint8_t *bytes; // owned
    size_t size;
    size_t capacity;
};

// Thread: one at a time per buffer. Running out of memory stops the process. A buffer may start
// zeroed.
void buffer_grow(struct buffer *buffer, size_t extra); // makes room for `extra` more bytes
void buffer_done(struct buffer *buffer);

static inline void buffer_reset(struct buffer *buffer) {
    buffer->size = 0;
}

static inline uint8_t *buffer_room(struct buffer *buffer, size_t extra) {
    if (__builtin_expect(buffer->capacity - buffer->size < extra, 0))
        buffer_grow(buffer, extra);
    return buffer->bytes + buffer->size;
}

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t size) {
    if (size != 0)
        memcpy(buffer_room(buffer, size), bytes, size);
    buffer->size += size;
}

#define BUFFER_ADD(buffer, literal) buffer_add((buffer), "" literal, sizeof(literal) - 1)

static inline void buffer_add_slice(struct buffer *buffer, struct slice slice) {
    buffer_add(buffer, slice.bytes, slice.size);
}

// Writes the digits of a number at `place`, at most 20 and a sign, and returns where they end.
uint8_t *buffer_put_u64(uint8_t *place, uint64_t value);
uint8_t *buffer_put_i64(uint8_t *place, int64_t value);

void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_u64(struct buffer *buffer, uint64_t value); // decimal
void buffer_add_i64(struct buffer *buffer, int64_t value);
void buffer_add_i128(struct buffer *buffer, __int128 value);
void buffer_add_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return slice_of(buffer->bytes, buffer->size);
}
