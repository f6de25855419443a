// SPDX-License-Identifier: MIT
// Growing buffers and writing numbers into them. Numbers are written from the last digit, two at a
// time from a table, because answers and records are mostly numbers and printf costs ten times as
// much.
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"

#define BUFFER_BYTES_MIN 256
#define BUFFER_DIGITS_MAX 40 // a 128-bit integer has 39 digits and a sign

static const char buffer_digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

void buffer_grow(struct buffer *buffer, size_t extra) {
    CHECK(extra <= PTRDIFF_MAX / 2);
    CHECK(buffer->size <= buffer->capacity);
    size_t needed = buffer->size + extra;
    size_t doubled = buffer->capacity * 2;
    size_t capacity = needed > doubled ? needed : doubled;
    if (capacity < BUFFER_BYTES_MIN)
        capacity = BUFFER_BYTES_MIN;
    buffer->bytes = memory_resize(buffer->bytes, capacity);
    buffer->capacity = capacity;
}

void buffer_done(struct buffer *buffer) {
    memory_free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, text, strlen(text));
}

// Writes the digits of `value` so that they end before `end`; returns where they begin.
static char *buffer_digits_u64(uint64_t value, char *end) {
    while (value >= 100) {
        end -= 2;
        memcpy(end, buffer_digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value < 10) {
        *--end = (char)('0' + value);
        return end;
    }
    end -= 2;
    memcpy(end, buffer_digit_pairs + 2 * value, 2);
    return end;
}

static unsigned buffer_digit_count(uint64_t value) {
    for (unsigned count = 1;; count += 4, value /= 10000) {
        if (value < 100)
            return count + (value >= 10);
        if (value < 10000)
            return count + 2 + (value >= 1000);
    }
}

uint8_t *buffer_put_u64(uint8_t *place, uint64_t value) {
    uint8_t *end = place + buffer_digit_count(value);
    (void)buffer_digits_u64(value, (char *)end);
    return end;
}

uint8_t *buffer_put_i64(uint8_t *place, int64_t value) {
    *place = '-';
    // The negative of INT64_MIN exists only without a sign.
    return buffer_put_u64(place + (value < 0), value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buffer_add_u64(struct buffer *buffer, uint64_t value) {
    uint8_t *place = buffer_room(buffer, BUFFER_DIGITS_MAX);
    buffer->size += (size_t)(buffer_put_u64(place, value) - place);
}

void buffer_add_i64(struct buffer *buffer, int64_t value) {
    uint8_t *place = buffer_room(buffer, BUFFER_DIGITS_MAX);
    buffer->size += (size_t)(buffer_put_i64(place, value) - place);
}

void buffer_add_i128(struct buffer *buffer, __int128 value) {
    const uint64_t group = UINT64_C(10000000000000000000); // 10^19: no higher power fits 64 bits
    char room[BUFFER_DIGITS_MAX];
    char *end = room + sizeof(room);
    char *begin = end;
    unsigned __int128 rest = value < 0 ? 0 - (unsigned __int128)value : (unsigned __int128)value;
    while (rest >= group) {
        char *stop = begin - 19;
        begin = buffer_digits_u64((uint64_t)(rest % group), begin);
        while (begin > stop)
            *--begin = '0'; // zeros inside the number are digits like others
        rest /= group;
    }
    begin = buffer_digits_u64((uint64_t)rest, begin);
    if (value < 0)
        *--begin = '-';
    buffer_add(buffer, begin, (size_t)(end - begin));
}

void buffer_add_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    uint8_t *room = buffer_room(buffer, (size_t)size + 1);
    int written = vsnprintf((char *)room, (size_t)size + 1, format, again);
    va_end(again);
    CHECK(written == size);
    buffer->size += (size_t)size; // the terminating zero is not part of it
}
